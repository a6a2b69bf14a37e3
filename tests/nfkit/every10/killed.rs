//! nf-every10 when it is killed, when many runs start at once, and when files arrive while it
//! works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{
    ATTACK, Job, JobOutput, TROUBLES, assert_same_results, can_trace, day, health, is_long, ledger,
    names, results, troubled,
};
use crate::harness::{LIMIT, Random};

/// Kills a job with everything that it has started.
fn kill(child: &mut Child) {
    let group = format!("-{}", child.id());
    let killed = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
    assert!(killed.is_ok());
    child.wait().unwrap();
}

/// Waits until a killed job is gone, and asserts that its results are whole or missing.
#[track_caller]
fn assert_whole_or_missing(out: &Path, whole: &BTreeMap<String, Vec<u8>>) {
    let lock = out.join("lock");
    // The lock is free when the last of the job's processes has ended.
    assert!(
        !lock.exists() || Command::new("flock").arg(lock).arg("true").status().unwrap().success()
    );
    if !out.exists() {
        return;
    }
    for name in names(out).iter().filter(|name| name.starts_with("2001/")) {
        assert!(fs::read(out.join(name)).unwrap() == whole[name], "{name} is torn");
    }
    if out.join("ledger").exists() {
        for (name, _) in ledger(out).iter().filter(|(_, verdict)| verdict != "failed") {
            let findings = name.replace(".pcapng", ".findings");
            assert!(out.join(&findings).exists(), "{findings} is not there");
        }
    }
}

#[test]
fn a_kill_at_any_step_leaves_whole_results_or_none() {
    if !can_trace() {
        return;
    }
    let mut job = troubled();
    job.put("nfcap.200107011600.pcapng", "no capture\n");
    let log = job.scene.path("handed");
    let hook = job.script("hook", &format!("printf '%s\\n' \"$@\" >>'{}'\n", log.display()));
    job.hook(&[hook.to_str().unwrap()]);
    let status = job.run().0.status.code().unwrap();
    assert_eq!(status, 1);
    let reference = job.scene.path("out");
    let (whole, troubles) = (results(&reference), job.health());
    let unreadable = "begin file-failed nfcap.200107011600.pcapng";
    assert_eq!(troubles, [&TROUBLES[..], &[unreadable]].concat());

    let short = ["rename", "mkdir", "linkat"];
    let others = ["renameat", "unlink", "unlinkat", "rmdir", "fsync", "write", "openat", "flock"];
    let calls: Vec<&str> =
        if is_long() { [&short[..], &others[..]].concat() } else { short.to_vec() };
    let mut kills = BTreeMap::new();
    for call in calls {
        _ = fs::remove_file(&log);
        let killed = job.kill_at_each(call, None, |out| {
            assert_whole_or_missing(out, &whole);
            JobOutput(job.to(out).output().unwrap()).status(status);
            assert_same_results(&reference, out);
            assert_eq!(health(out), troubles);
            // The hook got each file after its results were there.
            let handed = fs::read_to_string(&log).unwrap();
            for name in names(out).iter().filter(|name| name.ends_with(".findings")) {
                let path = out.join(name);
                assert!(handed.lines().any(|line| Path::new(line) == path), "{name}: {handed}");
            }
            fs::remove_file(&log).unwrap();
        });
        kills.insert(call, killed);
    }
    let all: u32 = kills.values().sum();
    assert!(all >= if is_long() { 200 } else { 50 }, "{kills:?}");
}

#[test]
fn a_kill_at_a_random_moment_leaves_whole_results_or_none() {
    let mut job = Job::of(day(), &["0804130", "0804131", "0804132", "0804133"]);
    let log = job.scene.path("handed");
    let text = format!("printf '%s\\n' \"$@\" >>'{}'\n", log.display());
    let hook = job.script("hook", &text);
    job.hook(&[hook.to_str().unwrap()]);
    let began = Instant::now();
    job.run().quiet();
    let took = began.elapsed();
    let whole = results(&job.scene.path("out"));
    assert_eq!(job.ledger().len(), 4);

    let mut random = Random(4);
    for round in 0..3 {
        fs::remove_file(&log).unwrap();
        let out = job.scene.path(&format!("out{round}"));
        for kills in 0.. {
            let mut child = job.to(&out).process_group(0).spawn().unwrap();
            let share = random.below(1000) as u32;
            let patience = took * share / 1000 * (1 + kills / 10);
            let until = Instant::now() + patience;
            let ended = loop {
                match child.try_wait().unwrap() {
                    Some(status) => break Some(status),
                    None if Instant::now() >= until => break None,
                    None => std::thread::sleep(Duration::from_millis(2)),
                }
            };
            if let Some(status) = ended {
                assert!(status.success());
                break;
            }
            kill(&mut child);
            assert_whole_or_missing(&out, &whole);
            assert!(kills < 100, "it never ends");
        }
        assert_same_results(&job.scene.path("out"), &out);
        let handed: BTreeSet<_> =
            fs::read_to_string(&log).unwrap().lines().map(String::from).collect();
        let findings = names(&out).into_iter().filter(|name| name.ends_with(".findings"));
        let findings: BTreeSet<_> =
            findings.map(|name| out.join(name).to_str().unwrap().to_owned()).collect();
        assert_eq!(handed, findings);
    }
}

#[test]
fn concurrent_runs_analyse_each_file_once() {
    let job = Job::of(day(), &["0804130", "0804131", "0804132", "0804133", "0804134"]);
    let children: Vec<_> = (0..4).map(|_| job.command().spawn().unwrap()).collect();
    for child in children {
        JobOutput(child.wait_with_output().unwrap()).quiet();
    }
    // Each file was analysed once.
    let slots = names(&job.scene.path("spool"));
    let files: Vec<_> = job.ledger().into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, slots);
    let alone = job.scene.path("alone");
    JobOutput(job.to(&alone).output().unwrap()).quiet();
    assert_same_results(&job.scene.path("out"), &alone);
}

/// Waits for a file that a hook makes.
#[track_caller]
fn wait_for(path: &Path) {
    let until = Instant::now() + LIMIT;
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_that_arrives_during_another_run_is_analysed() {
    let mut job = Job::of(day(), &["0804130"]);
    let (held, hold) = (job.scene.path("held"), job.scene.write("hold", ""));
    let text = format!(
        "touch '{}'\nwhile [ -e '{}' ]; do sleep 0.05; done\n",
        held.display(),
        hold.display()
    );
    let hook = job.script("hook", &text);
    job.hook(&[hook.to_str().unwrap()]);
    let first = job.command().spawn().unwrap();
    wait_for(&held);
    job.add(day(), &format!("{ATTACK}.pcapng"));
    // The second run returns at once.
    job.run().quiet();
    assert_eq!(job.ledger().len(), 1);
    fs::remove_file(hold).unwrap();
    JobOutput(first.wait_with_output().unwrap()).quiet();
    assert_eq!(job.ledger().len(), 2);
    assert!(!job.out("again").exists());
}

/// Waits until a file has this text.
#[track_caller]
fn wait_for_text(path: &Path, text: &str) {
    let until = Instant::now() + LIMIT;
    while !fs::read_to_string(path).is_ok_and(|found| found.contains(text)) {
        assert!(Instant::now() < until, "{text} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_that_arrives_just_before_the_unlock_is_analysed() {
    if !can_trace() {
        return;
    }
    let job = Job::of(day(), &["0804130"]);
    job.run().quiet();
    // This run has nothing to do. It stops when it has removed its temporary directory, just before it
    // releases the lock.
    let out = job.scene.path("out");
    let stopped = job.tampered(&out, "unlinkat", "signal=STOP:when=1").spawn().unwrap();
    wait_for_text(&job.scene.path("strace"), "stopped by SIGSTOP");
    assert!(!job.out("again").exists() && !job.out(".nf-every10").exists());
    job.add(day(), &format!("{ATTACK}.pcapng"));
    job.run().quiet();
    assert_eq!(job.ledger().len(), 1);
    assert!(job.out("again").exists());
    let pid = stopped.id().to_string();
    assert!(Command::new("kill").args(["-CONT", &pid]).status().unwrap().success());
    JobOutput(stopped.wait_with_output().unwrap()).quiet();
    assert_eq!(job.ledger().len(), 2);
}
