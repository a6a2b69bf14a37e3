//! The detectors' states from slot to slot of nf-every10, whatever happens to them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{
    Job, JobOutput, assert_same_results, can_trace, copy, ledger, names, results, slot_file,
};
use crate::harness::{DETECTORS, Scene, installed, package, tool};

/// Returns a spool with 90 minutes of a scan that is too slow for one window.
fn slow() -> &'static Path {
    static SLOW: OnceLock<Scene> = OnceLock::new();
    let scene = SLOW.get_or_init(|| {
        let scene = Scene::new();
        let spool = format!("{}/", scene.path("spool").display());
        tool("nfgen")
            .args(["none", "--with", "slow,horizontal", "--for", "90m"])
            .args(["--start", "2001-07-01T00:00:00Z", "-w", &spool])
            .run()
            .ok();
        scene
    });
    static SPOOL: OnceLock<std::path::PathBuf> = OnceLock::new();
    SPOOL.get_or_init(|| scene.path("spool"))
}

/// Returns the names of the files with findings of a slow scan.
fn slow_findings(out: &Path) -> Vec<String> {
    let all = names(out).into_iter().filter(|name| name.ends_with(".findings"));
    let has =
        |name: &String| fs::read_to_string(out.join(name)).unwrap().contains("\tscan\tslow\t");
    all.filter(has).collect()
}

#[test]
fn all_three_detectors_keep_their_state_between_slots() {
    let job = Job::of(slow(), &["pcapng"]);
    job.run().quiet();
    for name in DETECTORS {
        let bytes = fs::read(job.out(&format!("state/{name}"))).unwrap();
        let line = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(line.starts_with(&format!("nfkit-state 2 {name} ")), "{line}");
    }
    let out = job.scene.path("out");
    let found = slow_findings(&out);
    assert!(!found.is_empty() && found.len() < names(slow()).len(), "{found:?}");

    // Runs after each slot come to the same.
    let each = Job::new();
    for slot in names(slow()) {
        each.add(slow(), &slot);
        each.run().quiet();
    }
    assert_same_results(&out, &each.scene.path("out"));

    // So does a run that does the newest slot again.
    let before = results(&out);
    let last = names(slow()).pop().unwrap();
    let ledger = job.text("ledger");
    let kept: String = ledger.split_inclusive('\n').filter(|l| !l.starts_with(&last)).collect();
    fs::write(job.out("ledger"), kept).unwrap();
    job.run().quiet();
    assert_eq!(results(&out), before);

    // An older slot is judged again, but not learned from.
    let states = || DETECTORS.map(|name| fs::read(job.out(&format!("state/{name}"))).unwrap());
    let known = states();
    let ledger = job.text("ledger");
    let kept: String = ledger.split_inclusive('\n').skip(1).collect();
    fs::write(job.out("ledger"), kept).unwrap();
    job.run().quiet();
    assert_eq!(job.ledger().len(), names(slow()).len());
    assert!(states() == known, "an old slot was learned");
}

#[test]
fn a_kill_between_detector_and_ledger_learns_no_window_twice() {
    if !can_trace() {
        return;
    }
    let slots = names(slow());
    let job = Job::new();
    let (mut kills, mut learned) = (0, 0);
    for (n, slot) in slots.iter().enumerate() {
        let begun = job.scene.path(&format!("begun{n}"));
        if n > 0 {
            copy(&job.scene.path("out"), &begun);
        }
        job.add(slow(), slot);
        job.run().quiet();
        let whole = job.scene.path("out");
        // Kill at the first slot, in the middle, and where the slow scan has been found.
        if ![0, 3, slots.len() - 1].contains(&n) {
            continue;
        }
        let states = |out: &Path| DETECTORS.map(|name| fs::read(out.join("state").join(name)).ok());
        let (before, after) = (states(&begun), states(&whole));
        for call in ["rename", "renameat", "fsync"] {
            kills += job.kill_at_each(call, Some(&begun).filter(|_| n > 0).map(|v| &**v), |out| {
                let has_learned = states(out) != before;
                learned += u32::from(has_learned && ledger(out).len() == n);
                JobOutput(job.to(out).output().unwrap()).quiet();
                assert!(states(out) == after, "{call}: the states differ");
                assert_same_results(&whole, out);
            });
        }
    }
    assert!(!slow_findings(&job.scene.path("out")).is_empty());
    // Many of them came after a detector had learned the window, and before the ledger had the slot.
    assert!(kills > 60 && learned > 15, "{learned} of {kills}");
}

#[test]
fn the_first_slot_is_not_learned_twice_within_one_tick() {
    let (name, bytes) = slot_file(0, &["192.0.2.1"]);
    let job = Job::new();
    job.put(&name, &bytes);
    job.run().quiet();
    let whole = results(&job.scene.path("out"));
    // The slot was judged so fast that all files have the same time, and the job was killed.
    let time = fs::metadata(job.out("state/before/slot")).unwrap().modified().unwrap();
    for name in DETECTORS {
        let state = File::options().write(true).open(job.out(&format!("state/{name}"))).unwrap();
        state.set_modified(time).unwrap();
    }
    fs::write(job.out("ledger"), "").unwrap();
    job.run().quiet();
    assert!(results(&job.scene.path("out")) == whole);
}

/// Returns a job that has done one slot and has another to do.
fn begun() -> Job {
    let job = Job::of(slow(), &["0701000"]);
    job.run().quiet();
    job.add(slow(), "2001/07/01/nfcap.200107010010.pcapng");
    job
}

/// The findings of the second slot of [`begun`].
const SECOND: &str = "2001/07/01/nfcap.200107010010.findings";

#[test]
fn an_unreadable_state_is_set_aside_and_the_job_goes_on() {
    if installed("mkfifo").is_none() {
        return;
    }
    let clean = begun();
    clean.run().quiet();
    let expected = clean.text(SECOND);
    let state = fs::read(clean.out("state/nfscan")).unwrap();
    let other_version = [b"nfkit-state 2 nfscan 4 00000000\nxxxx".as_slice()].concat();
    let cases: [(&str, Vec<u8>); 4] = [
        ("damaged", state[..state.len() / 2].to_vec()),
        ("foreign", b"#!/bin/sh\necho a script of the admin's\n".to_vec()),
        ("other tool", fs::read(clean.out("state/nfport")).unwrap()),
        ("other version", other_version),
    ];
    for (what, bytes) in cases {
        let job = begun();
        fs::write(job.out("state/nfscan"), &bytes).unwrap();
        let err = job.run().status(0).err();
        assert!(err.contains("/state/nfscan"), "{what}: {err}");
        assert!(err.contains("state/nfscan.bad") && err.contains("lost"), "{what}: {err}");
        assert_eq!(fs::read(job.out("state/nfscan.bad")).unwrap(), bytes, "{what}");
        assert_eq!(job.verdicts().last().unwrap(), "2001/07/01/nfcap.200107010010.pcapng done");
        assert_eq!(job.text(SECOND), expected, "{what}");
        // The state is learned anew, without a message.
        job.add(slow(), "2001/07/01/nfcap.200107010020.pcapng");
        job.run().quiet();
        assert!(fs::read(job.out("state/nfscan")).unwrap().starts_with(b"nfkit-state 2 nfscan "));
    }

    // The state is not a file at all.
    for what in ["directory", "fifo", "link"] {
        let job = begun();
        let state = job.out("state/nfscan");
        fs::remove_file(&state).unwrap();
        let precious = job.scene.write("precious", "not a state\n");
        match what {
            "directory" => fs::create_dir(&state).unwrap(),
            "fifo" => assert!(Command::new("mkfifo").arg(&state).status().unwrap().success()),
            _ => symlink(&precious, &state).unwrap(),
        }
        let err = job.run().status(0).err();
        assert!(err.contains("it is now") && err.contains("state/nfscan.bad"), "{what}: {err}");
        assert_eq!(job.text(SECOND), expected, "{what}");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "not a state\n");
        let kind = fs::symlink_metadata(job.out("state/nfscan.bad")).unwrap().file_type();
        assert!(!kind.is_file(), "{what}");
        job.run().quiet();
    }
}

#[test]
fn a_state_that_cannot_be_used_now_is_reported_and_kept() {
    // Another process uses the state.
    let job = begun();
    let expected = fs::read(job.out("state/nfscan")).unwrap();
    let mut holder = Command::new("flock")
        .arg(job.out("state/nfscan.lock"))
        .args(["sh", "-c", "echo held; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut held = std::io::BufReader::new(holder.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut held, &mut line).unwrap();
    job.add(slow(), "2001/07/01/nfcap.200107010020.pcapng");
    let err = job.run().status(1).err();
    assert_eq!(err.matches("nfscan judges without it").count(), 1, "{err}");
    assert_eq!(fs::read(job.out("state/nfscan")).unwrap(), expected);
    assert!(!job.out("state/nfscan.bad").exists());
    assert_eq!(job.ledger().len(), 3);
    assert!(job.out(SECOND).exists());
    drop(holder.stdin.take());
    holder.wait().unwrap();
    job.add(slow(), "2001/07/01/nfcap.200107010030.pcapng");
    job.run().quiet();
    assert_ne!(fs::read(job.out("state/nfscan")).unwrap(), expected);

    // The lock is not a file, which is no fault of the state.
    let lock = job.out("state/nfscan.lock");
    let known = fs::read(job.out("state/nfscan")).unwrap();
    for (n, what) in ["directory", "link"].into_iter().enumerate() {
        fs::remove_file(&lock).unwrap();
        match what {
            "directory" => fs::create_dir(&lock).unwrap(),
            _ => symlink(job.scene.write("elsewhere", ""), &lock).unwrap(),
        }
        job.add(slow(), &format!("2001/07/01/nfcap.2001070100{}0.pcapng", n + 4));
        let err = job.run().status(1).err();
        assert_eq!(err.matches("nfscan judges without it").count(), 1, "{what}: {err}");
        assert_eq!(fs::read(job.out("state/nfscan")).unwrap(), known, "{what}");
        assert!(!job.out("state/nfscan.bad").exists(), "{what}");
        if what == "directory" {
            fs::remove_dir(&lock).unwrap();
            fs::write(&lock, "").unwrap();
        }
    }

    // There is no directory for the state.
    let job = begun();
    fs::remove_dir_all(job.out("state")).unwrap();
    fs::write(job.out("state"), "a file\n").unwrap();
    let err = job.run().status(1).err();
    assert_eq!(err.matches("judges without it").count(), 3, "{err}");
    assert_eq!(fs::read_to_string(job.out("state")).unwrap(), "a file\n");
    assert_eq!(job.ledger().len(), 2);
    assert!(job.out(SECOND).exists());
}

#[test]
fn state_variables_of_the_detectors_are_ignored_and_reported() {
    let mut job = Job::of(slow(), &["0701000"]);
    let mine = job.scene.path("mine");
    let log = job.scene.path("log");
    let hook = job.script("hook", &format!("echo \"$NFKIT_SCAN_STATE\" >'{}'\n", log.display()));
    job.hook(&[hook.to_str().unwrap()]);
    let mut command = job.command();
    for name in ["SCAN", "FLOOD", "PORT"] {
        command.env(format!("NFKIT_{name}_STATE"), &mine);
    }
    let err = JobOutput(command.output().unwrap()).status(0).err();
    assert_eq!(err.lines().count(), 3, "{err}");
    assert!(err.starts_with("nf-every10: NFKIT_SCAN_STATE is not read, the state is "), "{err}");
    assert!(!mine.exists());
    // The message comes once.
    job.add(slow(), "2001/07/01/nfcap.200107010010.pcapng");
    let mut command = job.command();
    JobOutput(command.env("NFKIT_SCAN_STATE", &mine).output().unwrap()).quiet();
    assert_eq!(fs::read_to_string(log).unwrap(), format!("{}\n", mine.display()));
    assert!(job.out("state/nfflood").exists());
}

#[test]
fn a_wrong_variable_stops_the_job_before_any_file() {
    let job = Job::of(slow(), &["0701000"]);
    for (name, value) in
        [("NFKIT_OUTSIDE_IF", "x"), ("NFKIT_SURVEY", "10.0.0.0/99"), ("NFKIT_MEMORY", "")]
    {
        let said = JobOutput(job.command().env(name, value).output().unwrap()).status(2);
        assert!(!job.out("ledger").exists(), "{name}: {}", said.err());
    }
}

#[test]
fn the_man_page_names_every_variable_that_is_passed_on() {
    let page = fs::read_to_string(package("man/nf-every10.8")).unwrap();
    let named: BTreeSet<String> = page
        .split(|c: char| !(c.is_ascii_uppercase() || c == '_'))
        .filter(|word| word.starts_with("NFKIT_"))
        .map(str::to_owned)
        .collect();
    let mut read = BTreeSet::new();
    // These are the commands that the job runs, and those that a hook is likely to run.
    let detectors = DETECTORS.map(|name| vec![name]);
    let others = [vec!["nfdump-txt"], vec!["nfgrep"], vec!["nfpage"], vec!["nfnotify", "mail"]];
    for words in detectors.into_iter().chain(others).chain([vec!["nfnotify", "block"]]) {
        let ran = tool(words[0]).args(&words[1..]).arg("--help").run().ok();
        let text = ran.text().split_whitespace().collect::<Vec<_>>().join(" ");
        let variables = text.split("[env: ").skip(1);
        read.extend(variables.map(|rest| rest.split(['=', ']']).next().unwrap().to_owned()));
    }
    assert!(read.remove("SOURCE_DATE_EPOCH") && page.contains("SOURCE_DATE_EPOCH"), "{read:?}");
    assert!(read.len() > 12, "{read:?}");
    assert_eq!(named, read);
}
