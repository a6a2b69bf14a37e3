//! nf-every10 on disks that are full, fail or are read-only.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{
    ATTACK, Job, JobOutput, TROUBLES, assert_same_results, can_trace, day, health, is_long, ledger,
    names, results, troubled,
};
use crate::nfcap::faults::Mount;

/// Changes the options of a mounted file system.
#[track_caller]
fn remount(at: &Path, options: &str) {
    let options = format!("remount,{options}");
    let mut command = Command::new("mount");
    assert!(command.args(["-o", &options]).arg(at).status().unwrap().success(), "{options}");
}

/// Asserts that each file was analysed once, and that each trouble began once and, if it is over, ended
/// once. Returns true if the full disk is one of them.
#[track_caller]
fn assert_told_once(out: &Path) -> bool {
    let files = ledger(out);
    let once: BTreeSet<_> = files.iter().map(|(name, _)| name).collect();
    assert_eq!(once.len(), files.len(), "{files:?}");
    let told = health(out);
    let passing = |entry: &&String| entry.contains(" out-full ") || entry.contains(" disk-low ");
    let (over, open): (Vec<_>, Vec<_>) = told.iter().partition(passing);
    assert_eq!(open, TROUBLES, "{told:?}");
    let of = |kind: &str| {
        let entries: Vec<_> = over.iter().filter(|entry| entry.contains(kind)).collect();
        let events: Vec<_> = entries.iter().map(|entry| entry.split(' ').next().unwrap()).collect();
        assert!(events.is_empty() || events == ["begin", "end"], "{told:?}");
        !events.is_empty()
    };
    of(" disk-low ");
    of(" out-full ")
}

#[test]
fn a_full_disk_stops_the_run_and_the_next_one_goes_on() {
    let job = troubled();
    job.run().status(0);
    assert_eq!(job.health(), TROUBLES);
    let reference = job.scene.path("out");
    let disk = job.scene.path("disk");
    let Some(_mount) = Mount::new(&disk, &["-t", "tmpfs", "-o", "size=4k", "none"]) else {
        return;
    };
    let out = disk.join("out");
    let run = || JobOutput(job.to(&out).output().unwrap());
    let (mut stops, mut told) = (0, 0);
    for pages in (1..).step_by(if is_long() { 1 } else { 3 }) {
        remount(&disk, &format!("size={}k", 4 * pages));
        let said = run();
        if said.0.status.code() == Some(0) {
            break;
        }
        let err = said.status(1).err();
        assert_eq!(err.matches("cannot be written to").count(), 1, "{pages} pages: {err}");
        let last = err.lines().last().unwrap();
        assert!(last.contains("cannot be written to"), "{pages} pages: {err}");
        // It is still full. Only a name that could not be noted is told again.
        let said = run();
        let err = said.err();
        if said.0.status.code() == Some(0) {
            // The work that was left needed less.
            assert!(err.contains("can be written to again"), "{pages} pages: {err}");
        } else {
            let lines = err.lines().filter(|line| !line.contains("not a slot's name")).count();
            assert_eq!(lines, 1, "{pages} pages: {err}");
        }
        let parts = names(&out).into_iter().filter(|name| name.starts_with("2001/"));
        for name in parts {
            assert_eq!(
                fs::read(out.join(&name)).unwrap(),
                fs::read(reference.join(&name)).unwrap()
            );
        }
        // Somebody makes room.
        remount(&disk, "size=64m");
        let err = run().status(0).err();
        assert!(!err.contains("cannot"), "{pages} pages: {err}");
        assert_same_results(&reference, &out);
        told += u32::from(assert_told_once(&out));
        run().quiet();
        fs::remove_dir_all(&out).unwrap();
        stops += 1;
    }
    assert!(stops > 10 && told > stops / 2, "{told} of {stops}");
}

#[test]
fn a_slot_that_needs_more_room_than_there_is_holds_up_no_other() {
    // The flow lines of the first slot take more than a MiB.
    let mut job = Job::new();
    job.options.push("--now=2001-08-04T13:30:00Z".to_owned());
    let mut command = crate::harness::tool("nfgen");
    command = command.args(["campus", "--flows", "40000", "--start", "2001-08-04T13:00:00Z", "-w"]);
    command.arg(format!("{}/", job.scene.path("spool").display())).run().ok();
    let large: Vec<_> = names(&job.scene.path("spool"));
    job.add(day(), &format!("{ATTACK}.pcapng"));
    let alone = Job::of(day(), &["0804131"]);
    alone.run().quiet();
    let disk = job.scene.path("disk");
    let Some(_mount) = Mount::new(&disk, &["-t", "tmpfs", "-o", "size=3m", "none"]) else {
        return;
    };
    let out = disk.join("out");
    let run = || JobOutput(job.to(&out).output().unwrap());
    let err = run().status(1).err();
    assert!(err.contains("its flow lines need more room than"), "{err}");
    let verdicts: BTreeSet<_> = ledger(&out).into_iter().collect();
    let mut expected = BTreeSet::from([(format!("{ATTACK}.pcapng"), "done".to_owned())]);
    expected.extend(large.iter().map(|name| (name.clone(), "failed".to_owned())));
    assert_eq!(verdicts, expected);
    // Nothing was learned from a part of a slot.
    let of = |out: &Path| {
        let mut all = results(out);
        all.retain(|name, _| name.starts_with("state/nf") || name.ends_with(".findings"));
        all
    };
    assert!(of(&out) == of(&alone.scene.path("out")), "a part of a slot was learned");
    remount(&disk, "size=64m");
    run().status(0);
    for name in &large {
        assert!(out.join(name.replace(".pcapng", ".findings")).exists(), "{name}");
    }
    let told = health(&out);
    let failed = |event: &str| {
        large.iter().map(|name| format!("{event} file-failed {name}")).collect::<Vec<_>>()
    };
    assert_eq!(told, [failed("begin"), failed("end")].concat());
}

/// Returns the lines of all findings files, without the number of silent exporters.
fn findings(out: &Path) -> Vec<(String, Vec<String>)> {
    let all = names(out).into_iter().filter(|name| name.ends_with(".findings"));
    let lines = |name: &String| {
        let text = fs::read_to_string(out.join(name)).unwrap();
        text.lines().map(|line| line.split("\tsilent=").next().unwrap().to_owned()).collect()
    };
    all.map(|name| (name.clone(), lines(&name))).collect()
}

#[test]
fn a_call_that_fails_once_costs_one_run_at_most() {
    if !can_trace() {
        return;
    }
    let job = troubled();
    job.run().status(0);
    let reference = job.scene.path("out");
    let short = [("rename", "EROFS"), ("mkdir", "ENOSPC"), ("linkat", "EPERM")];
    let others =
        [("fsync", "EIO"), ("write", "ENOSPC"), ("renameat", "EROFS"), ("openat", "EMFILE")];
    let all: Vec<_> = if is_long() { [&short[..], &others[..]].concat() } else { short.to_vec() };
    let mut failures = 0;
    for (call, error) in all {
        for n in 1.. {
            let out = job.scene.path(&format!("{call}-{n}"));
            let mut command = job.tampered(&out, call, &format!("error={error}:when={n}"));
            let said = JobOutput(command.output().unwrap());
            let err = said.err();
            if !job.scene.text("strace").contains("INJECTED") {
                said.status(0);
                fs::remove_dir_all(out).unwrap();
                break;
            }
            println!("{call} {n} {error}: {err}");
            let code = said.0.status.code();
            // The configuration that the tests name could not be opened: nothing was begun.
            let is_refused = code == Some(2) && err.contains("NFKIT_CONFIG");
            assert!(matches!(code, Some(0 | 1)) || is_refused, "{code:?}");
            failures += u32::from(code == Some(1));
            assert!(code == Some(0) || !err.is_empty());
            let err_after = JobOutput(job.to(&out).output().unwrap()).status(0).err();
            assert!(!err_after.contains("cannot"), "{err_after}");
            let mut told = health(&out);
            let once: BTreeSet<_> = told.iter().collect();
            assert_eq!(once.len(), told.len(), "{told:?}");
            let spool = format!("{}/2001", job.scene.path("spool").display());
            if err.contains("judges without it")
                || err.contains("failed, try")
                || err.contains(&spool)
            {
                // A state did not learn the slot, or a slot was done after later ones, as the admin was
                // told. The findings are there.
                assert!(findings(&out) == findings(&reference));
            } else {
                assert_same_results(&reference, &out);
                told.retain(|entry| !entry.contains("out-full") && !entry.contains("unreadable"));
                assert_eq!(told, TROUBLES);
            }
            fs::remove_dir_all(out).unwrap();
        }
    }
    assert!(failures > 20, "{failures}");
}

#[test]
fn out_can_be_read_only_for_a_while_and_spool_always() {
    let job = troubled();
    job.run().status(0);
    let reference = job.scene.path("out");
    let (disk, spool) = (job.scene.path("disk"), job.scene.path("spool"));
    let Some(_mount) = Mount::new(&disk, &["-t", "tmpfs", "-o", "size=64m", "none"]) else {
        return;
    };
    let spool = spool.to_str().unwrap();
    let Some(_spool) = Mount::new(Path::new(spool), &["--bind", "-o", "ro", spool]) else {
        return;
    };
    assert!(fs::write(job.scene.path("spool/probe"), "x").is_err(), "the spool can be written to");
    let out = disk.join("out");
    fs::create_dir(&out).unwrap();
    let run = || JobOutput(job.to(&out).output().unwrap());
    remount(&disk, "ro");
    let shown = out.canonicalize().unwrap();
    let text = format!(
        "nf-every10: {} cannot be written to; nothing was analysed: Read-only file system (os error 30)\n",
        shown.display()
    );
    run().status(1).says(&text);
    assert!(names(&out).is_empty());
    remount(&disk, "rw");
    run().status(0);
    assert_same_results(&reference, &out);
    let before = (results(&out), fs::read(out.join("health")).unwrap());
    remount(&disk, "ro");
    run().status(1).says(&text);
    remount(&disk, "rw");
    run().quiet();
    assert!(before == (results(&out), fs::read(out.join("health")).unwrap()));
}
