//! nf-every10 while the clock of the machine is set back and forth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nfkit::time::{Timestamp, Window};

use super::{Job, JobOutput, assert_same_results, day, names};
use crate::nfcap::faults::libfaketime;

/// Runs the job by a clock that shows `time`. Returns `None` without libfaketime.
fn run_at(job: &Job, time: &str) -> Option<JobOutput> {
    let lib = libfaketime()?;
    let mut command = job.command();
    let time = format!("@{}", time.trim_end_matches('Z').replace('T', " "));
    command.env("LD_PRELOAD", lib).env("FAKETIME", time).env("TZ", "UTC");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    Some(JobOutput(command.output().unwrap()))
}

/// Returns the findings files, by their name.
fn findings(job: &Job) -> BTreeMap<String, String> {
    let all = names(&job.scene.path("out")).into_iter();
    let all = all.filter(|name| name.ends_with(".findings"));
    all.map(|name| (name.clone(), job.text(&name))).collect()
}

#[test]
fn the_clock_set_back_and_forth_repeats_and_loses_no_slot() {
    let all = Job::of(day(), &["0804130", "0804131", "0804132", "0804133", "0804134"]);
    all.run().quiet();
    let mut job = Job::new();
    job.options.extend(["--keep".to_owned(), "evidence=1d,findings=1d".to_owned()]);
    let add = |minutes: &[&str]| {
        for minute in minutes {
            job.add(day(), &format!("2001/08/04/nfcap.2001080413{minute}.pcapng"));
        }
    };
    let hours = "is this machine's clock right?";
    // The time of each run, the slots that it finds new, its status and a part of its message.
    let steps: [(&str, &[&str], i32, &str); 9] = [
        ("2001-08-04T13:10:05Z", &["00"], 0, ""),
        // Two years ahead, and back.
        ("2003-08-04T13:20:05Z", &["10"], 0, ""),
        ("2001-08-04T13:30:05Z", &["20"], 0, ""),
        // Two hours behind: the new slots are of the future.
        ("2001-08-04T11:40:05Z", &["30"], 1, hours),
        ("2001-08-04T11:50:05Z", &["40"], 1, "set aside until then"),
        ("2001-08-04T11:51:05Z", &[], 1, ""),
        ("1970-01-01T00:00:10Z", &[], 1, ""),
        ("2001-08-04T13:51:05Z", &[], 0, "no file is set aside any more"),
        ("2001-08-04T13:52:05Z", &[], 0, ""),
    ];
    let mut seen = BTreeMap::new();
    for (time, minutes, status, part) in steps {
        add(minutes);
        let Some(said) = run_at(&job, time) else { return };
        let err = said.status(status).err();
        assert!(err.contains(part) && (!part.is_empty() || err.is_empty()), "{time}: {err}");
        let now = findings(&job);
        for (name, text) in &seen {
            assert_eq!(now.get(name), Some(text), "{time}: {name}");
        }
        seen = now;
    }
    let files: Vec<_> = job.ledger().into_iter().map(|(name, _)| name).collect();
    assert_eq!(files, names(&job.scene.path("spool")), "once each, in order");
    assert_same_results(&all.scene.path("out"), &job.scene.path("out"));
    let ends = ["begin set-aside -", "begin clock -", "end set-aside -", "end clock -"];
    assert_eq!(job.health(), ends);
}

#[test]
fn files_named_by_a_wrong_clock_neither_hide_nor_remove_others() {
    let mut job = Job::new();
    let at = |n: u64| Timestamp::from_secs(Window::new(994_000_200 + 600 * n, 600).unwrap().end());
    let mut options = job.options.clone();
    options.extend(["--keep".to_owned(), "evidence=1d,findings=1d".to_owned()]);
    let run = |job: &mut Job, n: u64| {
        job.options = options.clone();
        job.options.push(format!("--now={}", at(n).rfc3339()));
        job.run()
    };
    // A day, then an hour for which the clock is 100 days ahead, and again with the right time.
    for n in 0..150 {
        job.slot(n, &["192.0.2.1"]);
    }
    run(&mut job, 149).quiet();
    let before = findings(&job).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(before.len(), 145, "what is older than a day was removed");
    for n in 0..6 {
        let name = job.slot(100 * 144 + 150 + n, &["192.0.2.1"]);
        job.finished(&name, at(100 * 144 + 150 + n));
        run(&mut job, 100 * 144 + 150 + n).quiet();
    }
    for n in 156..160 {
        job.slot(n, &["192.0.2.1"]);
        let said = run(&mut job, n).status(1).err();
        assert_eq!(said.contains("is this machine's clock right?"), n == 156, "{said}");
    }
    let after = findings(&job).into_keys().collect::<BTreeSet<_>>();
    // Ages count from slot 159 now.
    let lost: Vec<_> = before.difference(&after).collect();
    assert_eq!(lost.len(), 10, "{lost:?}");
    assert_eq!(after.len(), 145 + 6 - 10 + 4);
    let files = job.ledger();
    let once: BTreeSet<_> = files.iter().collect();
    assert_eq!((files.len(), once.len()), (160, 160));
    assert!(fs::metadata(job.out("current")).unwrap().len() > 0);
    assert!(!job.text("current").contains("2001-10-"));
}
