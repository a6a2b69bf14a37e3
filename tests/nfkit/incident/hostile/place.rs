//! Commands that misbehave, odd things in the directory, several processes at once, and input without measure.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;
use std::time::Duration;

use nix::sys::stat::Mode;
use serde_json::Value;

use super::super::{Site, at};
use super::{at_minute, ends, found, incidents, of_host};
use crate::harness::{Ran, Run, Scene, installed, memory, skipped, tool};
use crate::nfcap::faults::libfaketime;

#[test]
fn hooks_that_hang_fork_or_talk_delay_nothing_for_long() {
    let hooks = "[[hook]]\nname = \"hang\"\nargv = [\"sh\", \"-c\", \"sleep 1000 & sleep 1000\"]\nlimit = \"1s\"\n\
        [[hook]]\nname = \"talk\"\nargv = [\"sh\", \"-c\", \"yes | head -c 50000000; yes | head -c 50000000 >&2; exit 3\"]\n\
        [[hook]]\nname = \"deaf\"\nargv = [\"true\"]\n\
        [[hook]]\nname = \"gone\"\nargv = [\"/no/such/program\"]\n\
        [[hook]]\nname = \"good\"\nargv = [\"sh\", \"-c\", \"cat >> LOG\"]\n";
    let site = Site::new(hooks);
    let log = site.0.path("log");
    let text = site.0.text("nfkit.toml").replace("LOG", log.to_str().unwrap());
    site.0.write("nfkit.toml", text);
    let mut lines = String::new();
    for n in 0..3000 {
        lines += &found(0, &[("host", &format!("140.119.{}.{}", n / 250, n % 250))]);
    }
    let ran = at_minute(&site, 11, &(lines + &ends(0))).limit(Duration::from_secs(120)).run();
    let ran = ran.status(1);
    for part in [
        "[[hook]] hang: sh: did not end within 1s; it gets the same lines again",
        "[[hook]] talk: sh: exit status: 3: y y y",
        "[[hook]] gone: /no/such/program: No such file",
    ] {
        assert!(ran.err.contains(part), "{part}{ran}");
    }
    assert!(!ran.err.contains("deaf") && !ran.err.contains("good"), "{ran}");
    // The run has done all that it had to do, and the good hook has all lines.
    assert_eq!(incidents(&site).len(), 3000);
    let first = fs::read_to_string(&log).unwrap().lines().count();
    assert!(first >= 9000, "{first}");
    // The next run gives the lines again to those that failed, and nothing to the others.
    at_minute(&site, 12, "").run().status(1);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), first);
}

/// Returns a site with one incident.
fn small() -> Site {
    let site = Site::new("");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    site
}

#[test]
fn foreign_things_in_the_directory_are_told_and_left_alone() {
    let next = |site: &Site| at_minute(site, 21, &(found(1, &[]) + &ends(1))).run();
    let fifo = |site: &Site, name: &str| {
        let path = site.0.path(&format!("memory/{name}"));
        _ = fs::remove_file(&path);
        nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o660)).unwrap();
    };
    // A FIFO, or a link to what never ends, in the place of a file that is replaced, is replaced.
    let site = small();
    fifo(&site, "incidents.jsonl");
    next(&site).status(0);
    assert_eq!(incidents(&site).len(), 1);
    let path = site.0.path("memory/incidents.jsonl");
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    next(&site).status(0);
    assert_eq!(incidents(&site).len(), 1);
    let metrics = site.0.path("prom");
    nix::unistd::mkfifo(&metrics, Mode::from_bits_truncate(0o660)).unwrap();
    let run = at_minute(&site, 22, "").arg("--metrics-file").arg(&metrics);
    run.run().status(1).says("prom: is not a regular file");
    assert!(!fs::metadata(&metrics).unwrap().is_file());
    // A reader does not wait at a FIFO for ever.
    fifo(&site, "incidents.jsonl");
    site.nfnotify(&["list"]).run().status(1).says("incidents.jsonl: not a regular file");
    // A database, a lock or a stop file that is none.
    let site = small();
    fifo(&site, "incidents.db");
    next(&site).status(1).says("not a regular file; name the file of the incident database");
    let site = small();
    fifo(&site, "incidents.lock");
    next(&site).status(1).says("incidents.lock: ");
    let site = small();
    fifo(&site, "stop");
    next(&site).status(0);
    let site = small();
    let db = site.0.path("memory/incidents.db");
    fs::rename(&db, site.0.path("elsewhere.db")).unwrap();
    symlink(site.0.path("elsewhere.db"), &db).unwrap();
    next(&site).status(1).says("a symbolic link; name the incident database itself");
    // Files of others, and of a kill, beside it.
    let site = small();
    site.0.write("memory/closed/notes.jsonl", "mine\n");
    site.0.write("memory/README", "mine\n");
    site.0.write("memory/.nfnotify.abc", "left by a kill\n");
    next(&site).status(0);
    assert_eq!(site.memory("closed/notes.jsonl"), "mine\n");
    assert_eq!(site.memory("README"), "mine\n");
    assert!(!site.0.path("memory/.nfnotify.abc").exists());
    // The directory of closed incidents leads elsewhere: nothing is written or removed there.
    let site = small();
    site.0.write("elsewhere/1970-01.jsonl", "mine\n");
    symlink(site.0.path("elsewhere"), site.0.path("memory/closed")).unwrap();
    let late = 20 * 1440;
    let run = at_minute(&site, late + 11, &(found(late / 10, &[]) + &ends(late / 10))).run();
    run.status(1).says("closed: not a directory");
    assert_eq!(site.0.text("elsewhere/1970-01.jsonl"), "mine\n");
    // A database of another program, one that is cut, and one that is nonsense.
    for (text, part) in
        [("x".to_owned(), "too short"), ("x".repeat(8192), "not a sound incident database")]
    {
        let site = small();
        site.0.write("memory/incidents.db", &text);
        for name in ["incidents.db-wal", "incidents.db-shm"] {
            _ = fs::remove_file(site.0.path(&format!("memory/{name}")));
        }
        let before = site.memory("incidents.jsonl");
        next(&site).status(1).says(part);
        assert_eq!((site.memory("incidents.db"), site.memory("incidents.jsonl")), (text, before));
    }
}

/// Prepares a command as a user who is neither the owner nor of the group; `None` if that is not possible.
fn as_nobody(site: &Site, args: &[&str]) -> Option<Run> {
    if !nix::unistd::geteuid().is_root() {
        skipped("only root can be another user");
        return None;
    }
    let exe = env!("CARGO_BIN_EXE_nfnotify");
    let ids = ["--reuid", "65534", "--regid", "65534", "--clear-groups", exe];
    let run = installed("setpriv")?.args(ids).args(args);
    Some(run.env("NFKIT_CONFIG", site.0.path("nfkit.toml")))
}

#[test]
fn a_directory_that_may_only_be_read_is_told() {
    let site = small();
    let open = |mode: u32| {
        for path in [site.0.dir().to_owned(), site.0.path("memory")] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    open(0o755);
    let Some(run) = as_nobody(&site, &["run", "--now", &at(12)]) else { return };
    let before = site.memory("incidents.jsonl");
    let ran = run.run().status(1);
    assert!(ran.err.contains("Permission denied"), "{ran}");
    assert_eq!(site.memory("incidents.jsonl"), before);
}

#[test]
fn two_runs_at_once_take_turns() {
    let site = small();
    let runs: Vec<_> = (1..9)
        .map(|number| {
            let lines = found(number, &[]) + &ends(number);
            let run = site.nfnotify(&["-q", "run", "--now", &at(102), "-"]).stdin(lines);
            thread::spawn(move || run.run().ok())
        })
        .collect();
    for run in runs {
        run.join().unwrap();
    }
    assert_eq!(of_host(&site, "140.119.44.91")["windows"], 9);
    assert_eq!(incidents(&site).len(), 1);
}

#[test]
fn a_thousand_files_and_odd_input_are_one_run() {
    let site = Site::new("");
    let mut files: Vec<String> = Vec::new();
    for number in 0..1000 {
        let text =
            if number % 100 == 0 { found(number, &[]) + &ends(number) } else { ends(number) };
        let path = site.0.write(&format!("in/{number:04}.findings"), text);
        files.push(path.to_str().unwrap().to_owned());
    }
    let now = at(10_011);
    let run = site.nfnotify(&["-q", "run", "--now", &now]).args(&files).args(&files);
    run.limit(Duration::from_secs(120)).run().ok();
    assert_eq!(of_host(&site, "140.119.44.91")["windows"], 10);
    let before = site.memory("incidents.jsonl");
    // Standard input twice, nothing, a directory, and flow lines.
    let lines = found(0, &[]);
    site.nfnotify(&["-q", "run", "--now", &now, "-", "-"]).stdin(&lines).run().ok();
    site.nfnotify(&["-q", "run", "--now", &now, "-"]).run().ok();
    let dir = site.0.dir().to_str().unwrap();
    site.nfnotify(&["run", "--now", &now, dir]).run().status(1).says("directory");
    let flows = "1\t192.0.2.1\t192.0.2.2\t2\t6\t1025\t80\t3\t144\n";
    let ran = site.nfnotify(&["run", "--now", &now, "-"]).stdin(flows).run().status(1);
    assert!(ran.err.contains("not the output of nfscan"), "{ran}");
    // An endless line costs no memory.
    let long = format!("{}\n{lines}", "x".repeat(20_000_000));
    let ran = site.nfnotify(&["run", "--now", &now, "-"]).stdin(long).run().status(0);
    assert!(ran.err.contains("line longer than"), "{ran}");
    assert_eq!(site.memory("incidents.jsonl"), before);
}

#[test]
fn readers_never_see_half_a_file_and_nobody_waits_for_them() {
    let site = small();
    for (path, mode) in
        [("", 0o755), ("memory", 0o755), ("nfkit.toml", 0o644), ("contacts.csv", 0o644)]
    {
        fs::set_permissions(site.0.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let readable = || {
        let path = site.0.path("memory/incidents.jsonl");
        // A group of readers has this by the mode 0640; here it is everybody.
        _ = fs::set_permissions(path, fs::Permissions::from_mode(0o644));
    };
    readable();
    let is_other = nix::unistd::geteuid().is_root() && as_nobody(&site, &["list"]).is_some();
    let writer = || {
        for number in 1..40 {
            let hosts: Vec<String> = (0..40)
                .map(|n| found(number, &[("host", &format!("140.119.{}.{n}", number % 20))]))
                .collect();
            site.take_in(10 * number + 11, &(hosts.concat() + &ends(number)));
            readable();
        }
    };
    let seen = thread::scope(|scope| {
        let writer = scope.spawn(writer);
        let mut seen = BTreeSet::new();
        while !writer.is_finished() {
            let as_reader =
                if is_other { as_nobody(&site, &["list", "--all", "--json"]) } else { None };
            let reader = as_reader.unwrap_or_else(|| site.nfnotify(&["list", "--all", "--json"]));
            let ran = reader.run();
            // Between the rename and the change of the mode above, another user may not read the file.
            if is_other && ran.err.contains("Permission denied") {
                continue;
            }
            let ran = ran.status(0);
            let lines: Vec<&str> = ran.text().lines().collect();
            assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{ran}");
            seen.insert(lines.len());
            for args in
                [&["plan", "--now", "2026-11-30T03:00:00Z"][..], &["policy", "140.119.44.91"]]
            {
                let ran = site.nfnotify(args).run();
                assert_eq!(ran.status.code(), Some(0), "{ran}");
            }
        }
        writer.join().unwrap();
        seen
    });
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|count| (count - 1) % 40 == 0), "{seen:?}");
}

#[test]
fn an_open_reader_does_not_hold_up_a_run() {
    let site = small();
    // The library's reader, as plan and policy have it, in the midst of its transaction.
    let db = site.0.path("memory/incidents.db");
    let store = nfkit::incident::store::Store::open_read(&db).unwrap();
    let before = store.live().unwrap();
    for number in 1..20 {
        let run = site.nfnotify(&["-q", "run", "--now", &at(10 * number + 11), "-"]);
        let lines = found(number, &[]) + &ends(number);
        run.stdin(lines).limit(Duration::from_secs(20)).run().ok();
    }
    // It still sees the moment at which it began.
    assert_eq!(store.live().unwrap(), before);
    assert_eq!(of_host(&site, "140.119.44.91")["windows"], 20);
    drop(store);
}

#[test]
fn memory_is_bounded_while_millions_of_lines_come() {
    let site = Site::new("");
    let (mut lines, mut count) = (String::new(), 0u32);
    // One window, and as many hosts as it takes for twice what may wait, four times.
    for n in 0..80_000u32 {
        let [_, b, c, d] = n.to_be_bytes();
        lines += &found(0, &[("host", &format!("10.{b}.{c}.{d}")), ("side", "outside")]);
        count += 1;
    }
    let mut run = site.nfnotify(&["run", "--now", &at(11), "-"]).live();
    let id = run.id();
    for chunk in lines.as_bytes().chunks(1 << 20) {
        run.send(chunk);
    }
    let peak = memory(id, "VmHWM");
    let ran = run.close().status(0);
    assert!(peak < 200 << 10, "{peak} KiB{ran}");
    assert!(ran.err.contains(&format!("does not count as clean: {}\n", count - 10_000)), "{ran}");
    assert_eq!(incidents(&site).len(), 10_000);
}

#[test]
fn a_machine_whose_clock_steps_plans_only() {
    // A step of the system's clock without --now, by a library that changes what programs see of it.
    let Some(library) = libfaketime() else { return };
    let scene = Scene::new();
    scene.write("nfkit.toml", "[incident]\ndb = \"memory/incidents.db\"\n");
    let run = |step: &str| -> Ran {
        let run = tool("nfnotify").env("NFKIT_CONFIG", scene.path("nfkit.toml")).arg("run");
        let run = run.env("LD_PRELOAD", &library).env("FAKETIME", step);
        run.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").run().status(0)
    };
    let first = run("+0");
    assert!(!first.err.contains("the clock went on"), "{first}");
    let jumped = run("+5d");
    assert!(jumped.err.contains("since the last run the clock went on "), "{jumped}");
    let next = run("+5d");
    assert!(!next.err.contains("the clock went on"), "{next}");
    // A clock that goes back is no reason to wait.
    let back = run("-5d");
    assert!(!back.err.contains("the clock went on"), "{back}");
}
