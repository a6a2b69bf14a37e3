//! Each kind of trouble that nf-every10 tells: one line on stderr when it begins and, for most, one when it
//! ends; an entry of OUT/health for both; a value in OUT/nf-every10.prom.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nfkit::time::{Timestamp, Window};

use super::{ATTACK, Job, JobOutput, day, names, slot_file_of};
use crate::harness::{DETECTORS, INSIDE, LIMIT, installed, tool};
use crate::nfcap::faults::{Mount, libfaketime};

/// Returns the entry of OUT/health about an event.
#[track_caller]
fn entry(job: &Job, event: &str, trouble: &str, of: &str) -> serde_json::Value {
    let entries: Vec<serde_json::Value> =
        job.text("health").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut found = entries.into_iter().filter(|entry| {
        entry["event"] == event && entry["trouble"] == trouble && entry["of"] == of
    });
    let first = found.next().unwrap_or_else(|| panic!("no {event} of {trouble} {of}"));
    assert!(found.next().is_none(), "{event} of {trouble} {of} is told twice");
    first
}

/// Returns messages as they are on stderr, without the directory of the test.
fn said(job: &Job, said: &JobOutput) -> Vec<String> {
    let dir = job.scene.dir().canonicalize().unwrap();
    let err = said.err().replace(&format!("{}/", dir.display()), "");
    err.lines().map(|line| line.strip_prefix("nf-every10: ").unwrap_or(line).to_owned()).collect()
}

/// Asserts that a run tells exactly these lines, of which the first is about a trouble that begins now.
#[track_caller]
fn begins(job: &Job, ran: JobOutput, trouble: &str, of: &str, lines: &[&str]) {
    assert_eq!(said(job, &ran), lines, "{trouble}");
    let text = entry(job, "begin", trouble, of)["text"].as_str().unwrap().to_owned();
    let dir = job.scene.dir().canonicalize().unwrap();
    assert_eq!(text.replace(&format!("{}/", dir.display()), ""), lines[0]);
    assert_eq!(job.gauge(trouble), 1, "{trouble}");
}

/// Asserts that a run tells exactly these lines, and that a trouble has ended now.
#[track_caller]
fn ends(job: &Job, ran: JobOutput, trouble: &str, of: &str, lines: &[&str]) {
    assert_eq!(said(job, &ran), lines, "{trouble}");
    entry(job, "begin", trouble, of);
    entry(job, "end", trouble, of);
    assert_eq!(job.gauge(trouble), 0, "{trouble}");
}

const A: &str = "192.0.2.1";

fn start(n: u64) -> String {
    Window::new(994_000_200 + 600 * n, 600).unwrap().start_text()
}

#[test]
fn every_kind_of_trouble_has_a_test_and_a_value() {
    let job = Job::new();
    job.slot(0, &[A]);
    job.run().quiet();
    let text = job.text("nf-every10.prom");
    let rows = text.lines().filter_map(|line| line.strip_prefix("nf_every10_troubles{trouble=\""));
    let kinds: BTreeSet<_> = rows.map(|row| row.strip_suffix("\"} 0").unwrap()).collect();
    assert_eq!(kinds.len(), 23);
    let here =
        [include_str!("told.rs"), include_str!("incidents.rs"), include_str!("page.rs")].concat();
    for kind in kinds {
        // A test names it for its beginning and for its end.
        assert!(here.matches(&format!("\"{kind}\"")).count() >= 2, "{kind}");
    }
}

#[test]
fn a_spool_that_is_empty_or_of_another_collector_is_told_at_once() {
    let job = Job::new();
    let text = "spool has no capture file; is it the directory that nfcap writes to (-w)?";
    begins(&job, job.run().status(0), "spool-empty", "-", &[text]);
    job.run().quiet();
    job.slot(0, &[A]);
    ends(&job, job.run().status(0), "spool-empty", "-", &["spool has capture files now"]);

    let job = Job::new();
    job.put("2001/07/nfcapd.200107011510", "x");
    job.put("2001/07/nfcapd.200107011520", "x");
    let text = "spool has 2 files of nfcapd, which nf-every10 does not read; name the directory that nfcap \
                writes to (-w)";
    begins(&job, job.run().status(0), "spool-foreign", "-", &[text]);
    job.run().quiet();
    job.slot(0, &[A]);
    ends(&job, job.run().status(0), "spool-foreign", "-", &["spool has files of nfcap now"]);
    job.run().quiet();
}

#[test]
fn a_spool_that_is_not_there_is_told_once() {
    let job = Job::new();
    // Without results, it is a wrong argument.
    let spool = job.scene.path("spool");
    fs::rename(&spool, job.scene.path("kept")).unwrap();
    let err = job.run().status(1).err();
    assert!(err.contains("is SPOOL the directory that nfcap writes to?"), "{err}");
    assert!(!job.scene.path("out").exists());
    fs::rename(job.scene.path("kept"), &spool).unwrap();
    job.slot(0, &[A]);
    job.run().quiet();
    fs::rename(&spool, job.scene.path("kept")).unwrap();
    let ran = job.run().status(1);
    let text = "spool: No such file or directory (os error 2); is SPOOL the directory that nfcap writes to?";
    assert_eq!(said(&job, &ran), [text]);
    entry(&job, "begin", "spool-missing", "-");
    assert_eq!(job.run().status(1).err(), "");
    fs::rename(job.scene.path("kept"), &spool).unwrap();
    ends(&job, job.run().status(0), "spool-missing", "-", &["SPOOL is there again"]);
    job.run().quiet();
}

/// A job that runs as nobody, whom modes hold, even if the test is root's.
#[test]
fn a_directory_that_cannot_be_read_is_told() {
    if installed("setpriv").is_none() {
        return;
    }
    let job = Job::new();
    job.slot(0, &[A]);
    job.put("lost+found/x", "x");
    job.put("locked/x", "x");
    let chmod = |mode: &str| {
        let dir = job.scene.path("spool/locked");
        assert!(Command::new("chmod").arg(mode).arg(dir).status().unwrap().success());
    };
    chmod("000");
    let words = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let own = Command::new("chown").args(["-R", "65534:65534"]).arg(job.scene.dir()).status();
    let run = || JobOutput(job.through("setpriv", &words).output().unwrap());
    let ran = run();
    if !own.unwrap().success() || !job.scene.path("out").exists() {
        crate::harness::skipped(format_args!("a job of another user: {}", ran.err()));
        return;
    }
    ran.status(1);
    let dir = job.scene.dir().canonicalize().unwrap().join("spool/locked");
    let dir = dir.to_str().unwrap();
    entry(&job, "begin", "spool-unreadable", dir);
    assert_eq!(job.gauge("spool-unreadable"), 1);
    assert_eq!(run().status(1).err(), "");
    chmod("755");
    ends(&job, run().status(0), "spool-unreadable", dir, &["spool/locked: can be read again"]);
    assert_eq!(run().status(0).err(), "");
}

#[test]
fn exchanged_arguments_are_refused_and_change_nothing() {
    let job = Job::of(day(), &["0804131"]);
    let (spool, out) = (job.scene.path("spool"), job.scene.path("out"));
    let exchanged = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nf-every10"));
        JobOutput(command.args(&job.options).arg(&out).arg(&spool).output().unwrap())
    };
    let before = names(&spool);
    // In the first run OUT does not exist, or is empty.
    exchanged().status(1);
    assert!(!out.exists());
    fs::create_dir(&out).unwrap();
    let err = exchanged().status(2).err();
    assert!(err.contains("has capture files of nfcap; SPOOL comes first, then OUT"), "{err}");
    assert!(names(&out).is_empty());
    job.run().quiet();
    let results = super::results(&out);
    let err = exchanged().status(2).err();
    assert!(err.contains("has the ledger of an OUT; SPOOL comes first, then OUT"), "{err}");
    assert_eq!(names(&spool), before);
    assert!(super::results(&out) == results);
    // One directory cannot be both.
    let mut same = Command::new(env!("CARGO_BIN_EXE_nf-every10"));
    let err = JobOutput(same.args([&spool, &spool]).output().unwrap()).status(2).err();
    assert!(err.contains("SPOOL and OUT must differ"), "{err}");
    assert_eq!(names(&spool), before);
    // OUT may lie in the spool, and the spool in OUT.
    let within = spool.join("out");
    JobOutput(job.to(&within).output().unwrap()).quiet();
    JobOutput(job.to(&within).output().unwrap()).quiet();
    fs::remove_dir_all(within).unwrap();
    JobOutput(job.to(job.scene.dir()).output().unwrap()).quiet();
}

#[test]
fn a_wrong_inside_is_told() {
    let mut job = Job::of(day(), &["0804130"]);
    job.options = vec!["--inside=140.119.0.0".to_owned()];
    let bare = "--inside 140.119.0.0 is one address; did you mean 140.119.0.0/16?";
    let flows = "none of the 678 flows of the slot 2001-08-04T13:00:00Z has an end inside: is --inside right?";
    let ran = job.run().status(0);
    let number: String = ran
        .err()
        .split("none of the ")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let flows = flows.replace("678", &number);
    begins(&job, ran, "inside-bare", "-", &[bare, &flows]);
    entry(&job, "begin", "inside-unseen", "-");
    job.run().quiet();
    job.options = vec![format!("--inside={INSIDE}")];
    let right = "--inside has no address any more that looks like a network";
    ends(&job, job.run().status(0), "inside-bare", "-", &[right]);

    let mut job = Job::of(day(), &["0804130"]);
    job.options = vec!["--inside=203.0.113.0/24".to_owned()];
    begins(&job, job.run().status(0), "inside-unseen", "-", &[&flows]);
    job.options = vec![format!("--inside={INSIDE}")];
    job.run().quiet();
    job.add(day(), &format!("{ATTACK}.pcapng"));
    let right = "flows with an end inside are seen again";
    ends(&job, job.run().status(0), "inside-unseen", "-", &[right]);
    // Without the option nothing is expected.
    let mut job = Job::of(day(), &["0804130"]);
    job.options.clear();
    job.run().quiet();
}

#[test]
fn exporters_that_are_silent_or_have_a_wrong_clock_are_told() {
    let b = "192.0.2.2";
    let job = Job::new();
    for n in 0..3 {
        let all = [A, b];
        job.slot(n, if n == 0 { &all } else { &all[..1] });
    }
    let text = format!(
        "exporter {b} has been silent for two windows, up to {}; the last time was in that of {}",
        start(2),
        start(0)
    );
    begins(&job, job.run().status(0), "exporter-silent", b, &[&text]);
    let end = |n: u64| job.text(&super::slot_file(n, &[]).0.replace("pcapng", "findings"));
    assert!(end(1).contains("\tsilent=0") && end(2).contains("\tsilent=1"));
    job.slot(3, &[A, b]);
    let text = format!("exporter {b} speaks again, in the window of {}", start(3));
    ends(&job, job.run().status(0), "exporter-silent", b, &[&text]);
    assert!(end(3).contains("\tsilent=0"));

    // A minute is allowed.
    let job = Job::new();
    let clocks = |n: u64, ahead: i64| {
        let (name, bytes) = slot_file_of(n, &[(A, ahead), (b, 0)]);
        job.put(&name, bytes);
    };
    clocks(0, 60);
    job.run().quiet();
    clocks(1, -61);
    let text = format!(
        "the clock of exporter {A} is 61 s behind this machine's: set both by NTP, because flows have the \
         exporter's times"
    );
    begins(&job, job.run().status(0), "exporter-clock", A, &[&text]);
    clocks(2, 3600);
    job.run().quiet();
    clocks(3, -60);
    let text = format!("the clock of exporter {A} is right again");
    ends(&job, job.run().status(0), "exporter-clock", A, &[&text]);
    // A slot that comes late says nothing about today.
    clocks(5, 0);
    job.run().quiet();
    clocks(4, 100);
    job.run().quiet();
}

#[test]
fn the_clock_of_an_exporter_that_is_gone_is_no_trouble_any_more() {
    let b = "192.0.2.2";
    let job = Job::new();
    let (name, bytes) = slot_file_of(0, &[(A, 0), (b, 300)]);
    job.put(&name, bytes);
    job.run().status(0);
    for n in 1..=144 {
        job.slot(n, &[A]);
    }
    let err = job.run().status(0).err();
    assert_eq!(err.lines().count(), 2, "{err}");
    assert!(err.contains("has been silent for 144 windows"), "{err}");
    let expected = [
        format!("begin exporter-clock {b}"),
        format!("begin exporter-silent {b}"),
        format!("end exporter-silent {b}"),
        format!("end exporter-clock {b}"),
    ];
    assert_eq!(job.health(), expected);
}

#[test]
fn files_that_are_set_aside_and_a_wrong_clock_are_told() {
    let mut job = Job::new();
    let now = |job: &mut Job, n: u64| {
        job.options = vec![format!("--now={}", start(n))];
    };
    now(&mut job, 1);
    job.slot(0, &[A]);
    job.put("nfcap.200102310000.pcapng", "x");
    let text = "nfcap.200102310000.pcapng: not a slot's name, nfcap.YYYYMMDDhhmm.pcapng; set aside";
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), [text]);
    entry(&job, "begin", "set-aside", "-");
    assert_eq!(job.gauge("set-aside"), 1);
    fs::remove_file(job.scene.path("spool/nfcap.200102310000.pcapng")).unwrap();
    ends(&job, job.run().status(0), "set-aside", "-", &["no file is set aside any more"]);

    for n in 11..15 {
        job.slot(n, &[A]);
    }
    let mut lines: Vec<_> = (11..15)
        .map(|n| {
            let name = super::slot_file(n, &[]).0;
            format!("{name}: starts more than one slot from now; set aside until then")
        })
        .collect();
    let clock = format!(
        "4 slots start more than one slot after {}: is this machine's clock right? If it is, move the files \
         that out/set-aside names",
        start(1)
    );
    lines.push(clock.clone());
    let ran = job.run().status(1);
    assert_eq!(said(&job, &ran), lines);
    entry(&job, "begin", "clock", "-");
    assert_eq!(job.gauge("clock"), 1);
    assert_eq!(job.run().status(1).err(), "");
    now(&mut job, 15);
    let ran = job.run().status(0);
    let told =
        ["no file is set aside any more", "no more than three slots are set aside as future"];
    ends(&job, ran, "clock", "-", &told);
}

#[test]
fn the_entry_about_files_that_are_set_aside_names_the_list() {
    let job = Job::new();
    job.slot(0, &[A]);
    job.put("nfcap.foo.pcapng", "x");
    job.run().status(0);
    let text = entry(&job, "begin", "set-aside", "-")["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("1 files are set aside; ") && text.ends_with("/out/set-aside has all")
    );
}

#[test]
fn a_file_a_hook_or_a_detector_that_fails_is_told() {
    let mut job = Job::new();
    job.slot(0, &[A]);
    job.put("nfcap.200107011520.pcapng", "no capture\n");
    let file = "nfcap.200107011520.pcapng";
    let first = format!("{file}: failed, try 1 of 5");
    let ran = job.run().status(1);
    let reason = said(&job, &ran)[1].clone();
    assert!(reason.contains("neither pcap nor pcapng"), "{reason}");
    begins(&job, ran, "file-failed", file, &[&first, &reason]);
    let again = job.run().status(1);
    assert_eq!(said(&job, &again)[0], format!("{file}: failed, try 2 of 5"));
    entry(&job, "begin", "file-failed", file);
    job.put(file, super::slot_file(1, &[A]).1);
    ends(&job, job.run().status(0), "file-failed", file, &[]);

    job.hook(&["false"]);
    job.slot(2, &[A]);
    let text = "--then false: status 1; it gets the same files again in the next run";
    begins(&job, job.run().status(1), "hook-failed", "-", &[text]);
    let ran = job.run().status(1);
    assert_eq!(said(&job, &ran), [text]);
    job.hook(&["true"]);
    ends(&job, job.run().status(0), "hook-failed", "-", &[]);
}

#[test]
fn a_detector_that_fails_costs_the_others_nothing_and_is_told() {
    if !super::can_trace() {
        return;
    }
    let whole = Job::of(day(), &["0804131"]);
    whole.run().quiet();
    let findings = format!("{ATTACK}.findings");
    let whole = whole.text(&findings);
    let job = Job::of(day(), &["0804131"]);
    // The system has no thread for the second detector.
    let out = job.scene.path("out");
    let mut command = job.tampered(&out, "clone,clone3", "error=EAGAIN:when=2");
    let text = "slot 200108041310: nfflood failed, so its findings are missing there: no thread for it: \
                Resource temporarily unavailable (os error 11)";
    let file = format!("{ATTACK}.pcapng: failed, try 1 of 5");
    let ran = JobOutput(command.output().unwrap()).status(1);
    begins(&job, ran, "detector-failed", "nfflood", &[text, &file]);
    let of = |text: &str, name: &str| {
        let lines = text.lines().filter(|line| {
            line.contains(&format!("tool={name}")) || line.starts_with(&format!("{name}\t"))
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let cut = job.text(&findings);
    let rows = |text: &str, class: &str| {
        let rows = text.lines().filter(|line| !line.starts_with('#') && line.contains(class));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    for kind in ["\tscan\t", "\tport\t"] {
        assert_eq!(rows(&cut, kind), rows(&whole, kind));
    }
    assert!(!rows(&whole, "\tflood\t").is_empty() && rows(&cut, "\tflood\t").is_empty());
    let ends_of = |name: &str| of(&cut, name).concat();
    assert!(ends_of("nfflood").contains("state=cut"), "{cut}");
    assert!(
        ends_of("nfscan").contains("state=ok") && ends_of("nfport").contains("state=ok"),
        "{cut}"
    );
    assert_eq!(job.verdicts(), [format!("{ATTACK}.pcapng failed")]);
    // The next run heals it.
    ends(&job, job.run().status(0), "detector-failed", "nfflood", &["nfflood judges again"]);
    assert_eq!(job.text(&findings), whole);
    assert_eq!(job.verdicts()[1..], [format!("{ATTACK}.pcapng done")]);
    entry(&job, "end", "file-failed", &format!("{ATTACK}.pcapng"));
    job.run().quiet();
}

#[test]
fn a_state_that_cannot_be_used_is_told() {
    let job = Job::new();
    job.slot(0, &[A]);
    job.run().quiet();
    let state = job.out("state");
    fs::rename(&state, job.scene.path("kept")).unwrap();
    fs::write(&state, "a file\n").unwrap();
    job.slot(1, &[A]);
    let ran = job.run().status(1);
    let lines = said(&job, &ran);
    assert_eq!(lines.len(), 3);
    for (line, name) in lines.iter().zip(DETECTORS) {
        let text = format!("out/state/{name}: cannot be used; {name} judges without it: ");
        assert!(line.starts_with(&text), "{line}");
        entry(&job, "begin", "state-unusable", name);
    }
    assert_eq!(job.gauge("state-unusable"), 3);
    fs::remove_file(&state).unwrap();
    fs::rename(job.scene.path("kept"), &state).unwrap();
    job.slot(2, &[A]);
    ends(&job, job.run().status(0), "state-unusable", "nfport", &[]);

    // One detector alone.
    let job = Job::new();
    job.slot(0, &[A]);
    job.run().quiet();
    let lock = job.out("state/nfscan.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    job.slot(1, &[A]);
    let ran = job.run().status(1);
    let line = said(&job, &ran)[0].clone();
    assert!(
        line.starts_with("out/state/nfscan: cannot be used; nfscan judges without it: "),
        "{line}"
    );
    let reason = line.split("without it: ").nth(1).unwrap();
    let text =
        entry(&job, "begin", "state-unusable", "nfscan")["text"].as_str().unwrap().to_owned();
    assert!(text.ends_with(reason.rsplit('/').next().unwrap()), "{text}");
    assert_eq!(job.gauge("state-unusable"), 1);
    fs::remove_dir(&lock).unwrap();
    job.slot(2, &[A]);
    job.run().quiet();
    assert_eq!(job.gauge("state-unusable"), 0);
}

#[test]
fn a_threat_feed_at_fault_is_told_and_fails_no_slot() {
    let mut job = Job::new();
    let feed = job.scene.dir().canonicalize().unwrap().join("feed");
    let of = feed.display().to_string();
    job.options.push(format!("--nfscan=--feed={of}"));
    job.slot(0, &[A]);
    let line = "feed feed: left out: No such file or directory (os error 2)";
    begins(&job, job.run().status(0), "feed-faulty", &of, &[line]);
    // It is told once, however many slots there are.
    job.slot(1, &[A]);
    assert_eq!(said(&job, &job.run().status(0)), [""; 0]);
    fs::write(&feed, "203.0.113.0/24\n").unwrap();
    job.slot(2, &[A]);
    ends(&job, job.run().status(0), "feed-faulty", &of, &["feed feed: in order again"]);
    // A feed that is not asked for any more is no trouble.
    fs::remove_file(&feed).unwrap();
    job.slot(3, &[A]);
    assert_eq!(said(&job, &job.run().status(0)).len(), 1);
    job.options.pop();
    job.slot(4, &[A]);
    assert_eq!(said(&job, &job.run().status(0)), ["feed feed: not used any more"]);
    assert_eq!(job.gauge("feed-faulty"), 0);
}

#[test]
fn a_collector_that_has_stopped_is_told() {
    let mut job = Job::new();
    let name = job.slot(0, &[A]);
    let end = |n: u64| Timestamp::from_secs(994_000_200 + 600 * (n + 1));
    job.finished(&name, end(0));
    job.options.push(format!("--now={}", end(0).rfc3339()));
    job.run().quiet();
    // Three slots without a file are enough.
    job.options.push(format!("--now={}", end(3).rfc3339()));
    job.options.remove(2);
    job.run().quiet();
    let now = Timestamp::from_secs(end(3).secs() + 1);
    job.options[2] = format!("--now={}", now.rfc3339());
    let text = "no capture file was finished in the last 30 minutes: is nfcap running?";
    begins(&job, job.run().status(0), "stopped", "-", &[text]);
    job.run().quiet();
    let name = job.slot(3, &[A]);
    job.finished(&name, end(3));
    ends(&job, job.run().status(0), "stopped", "-", &["a capture file was finished again"]);
}

/// Fills the disk of OUT up to so many bytes. Returns the file that does it.
fn fill(job: &Job, left: u64) -> PathBuf {
    let disk = nix::sys::statvfs::statvfs(&job.scene.path("out")).unwrap();
    let free = disk.blocks_available() * disk.fragment_size();
    let filler = job.out("filler");
    fs::write(&filler, vec![1; usize::try_from(free - left).unwrap()]).unwrap();
    filler
}

#[test]
fn a_disk_that_is_nearly_full_is_told() {
    let job = Job::new();
    job.slot(0, &[A]);
    let out = job.scene.path("out");
    let Some(_mount) = Mount::new(&out, &["-t", "tmpfs", "-o", "size=64m", "none"]) else { return };
    job.run().quiet();
    let filler = fill(&job, 3 << 20);
    let text = "out: only 3 MiB are free; shorten --keep, or the time that nfcap keeps its files";
    begins(&job, job.run().status(0), "disk-low", "-", &[text]);
    job.run().quiet();
    fs::remove_file(&filler).unwrap();
    ends(&job, job.run().status(0), "disk-low", "-", &["out: there is room again"]);
}

#[test]
fn a_full_disk_is_told() {
    let job = Job::of(day(), &["0804130"]);
    let out = job.scene.path("out");
    let Some(_mount) = Mount::new(&out, &["-t", "tmpfs", "-o", "size=64m", "none"]) else { return };
    job.run().quiet();
    // A few pages are enough for OUT/health, but not for a slot.
    job.add(day(), &format!("{ATTACK}.pcapng"));
    let filler = fill(&job, 120 << 10);
    let text = "out cannot be written to; stopped before slot 200108041310";
    begins(&job, job.run().status(1), "out-full", "-", &[text]);
    // However long that lasts, it is no fault of the slot's.
    for _ in 0..12 {
        let ran = job.run().status(1);
        assert_eq!(said(&job, &ran), [text]);
    }
    assert_eq!(job.ledger().len(), 1);
    fs::remove_file(&filler).unwrap();
    ends(&job, job.run().status(0), "out-full", "-", &["out can be written to again"]);
    assert_eq!(job.verdicts()[1], format!("{ATTACK}.pcapng done"));
}

#[test]
fn a_run_that_is_slower_than_the_data_is_told() {
    let Some(lib) = libfaketime() else { return };
    let job = Job::new();
    job.slot(0, &[A]);
    // A clock for which a hundredth of a second is an hour.
    let mut command = job.command();
    command.env("LD_PRELOAD", lib).env("FAKETIME", "+0 x360000").env("NO_FAKE_STAT", "1");
    let ran = JobOutput(command.output().unwrap()).status(0);
    let line = said(&job, &ran)[0].clone();
    assert!(line.starts_with("the run took "), "{line}");
    let rest = " s for 1 slots of 600 s: the data comes faster than it is analysed";
    assert!(line.ends_with(rest), "{line}");
    begins(&job, ran, "run-slow", "-", &[&line]);
    job.run().quiet();
    assert_eq!(job.gauge("run-slow"), 1);
    job.slot(1, &[A]);
    let text = "the analysis is as fast as the data again";
    ends(&job, job.run().status(0), "run-slow", "-", &[text]);
}

#[test]
fn findings_of_old_slots_are_marked_late() {
    let mut job = Job::of(day(), &["0804131"]);
    let now = |job: &mut Job, time: &str| {
        job.options = vec![format!("--inside={INSIDE}"), format!("--now={time}")]
    };
    now(&mut job, "2001-08-04T14:20:00Z");
    job.run().quiet();
    assert_eq!(job.text("health"), "");
    fs::remove_dir_all(job.scene.path("out")).unwrap();
    now(&mut job, "2001-08-04T14:20:01Z");
    job.run().quiet();
    let note: serde_json::Value = serde_json::from_str(&job.text("health")).unwrap();
    let rows = job.text(&format!("{ATTACK}.findings"));
    let count = rows.lines().filter(|line| !line.starts_with('#')).count();
    assert!(count > 0);
    assert_eq!((&note["late"], &note["findings"]), (&1.into(), &count.into()));
    assert_eq!(note["window"], "2001-08-04T13:10:00Z");
}

#[test]
fn node_exporter_reads_the_metrics_of_the_job() {
    if installed("prometheus-node-exporter").is_none() {
        return;
    }
    let mut job = Job::of(day(), &["0804131"]);
    job.options.push("--now=2001-08-04T13:30:00Z".to_owned());
    job.put("nfcap.foo.pcapng", "x");
    job.run().status(0);
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut exporter = Command::new("prometheus-node-exporter")
        .args(["--collector.disable-defaults", "--collector.textfile"])
        .arg(format!("--collector.textfile.directory={}", job.scene.path("out").display()))
        .arg(format!("--web.listen-address={free}"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let scrape = || {
        let mut stream = TcpStream::connect(&free).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("nf_every10_").then_some(text)
    };
    let until = Instant::now() + LIMIT;
    let text = loop {
        if let Some(text) = scrape() {
            break text;
        }
        assert!(Instant::now() < until, "node_exporter never answered");
        std::thread::sleep(Duration::from_millis(20));
    };
    _ = exporter.kill();
    _ = exporter.wait();
    for row in [
        "node_textfile_scrape_error 0",
        "nf_every10_run_slots 1",
        "nf_every10_pending_slots 0",
        "nf_every10_slot_exporters 1",
        "nf_every10_troubles{trouble=\"set-aside\"} 1",
        "nf_every10_troubles{trouble=\"stopped\"} 0",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in {text}");
    }
    let value = |name: &str| -> f64 {
        let row = text.lines().find_map(|line| line.strip_prefix(&format!("nf_every10_{name} ")));
        row.unwrap().parse().unwrap()
    };
    assert!((value("run_timestamp_seconds") - 996_931_800.0).abs() < 0.5);
    assert!((value("slot_timestamp_seconds") - 996_930_600.0).abs() < 0.5);
    let rows = job.text(&format!("{ATTACK}.findings"));
    let count = rows.lines().filter(|line| !line.starts_with('#')).count();
    assert!((value("run_findings") - count as f64).abs() < 0.5);
    let flows =
        tool("nfdump-txt").arg(job.scene.path("spool").join(format!("{ATTACK}.pcapng"))).run().ok();
    assert!((value("slot_flows") - flows.rows().len() as f64).abs() < 0.5);
}
