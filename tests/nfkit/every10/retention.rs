//! The time for which nf-every10 keeps its results.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nfkit::time::{Timestamp, Window};

use super::{Job, JobOutput, names};
use crate::harness::tool;

/// Slots of a day.
const DAY: u64 = 144;

/// Returns the end of the `n`-th slot.
fn end(n: u64) -> Timestamp {
    Timestamp::from_secs(Window::new(994_000_200 + 600 * n, 600).unwrap().end())
}

/// Returns a job with slots of an exporter, and attacks in the slot 0 and in that after each day.
fn filled(slots: u64) -> Job {
    let job = Job::new();
    for n in 0..slots {
        if n % DAY != 0 {
            job.slot(n, &["192.0.2.1"]);
            continue;
        }
        let start = Timestamp::from_secs(994_000_200 + 600 * n).rfc3339();
        tool("nfgen")
            .args(["none", "--with", "horizontal", "--start", &start, "-w"])
            .arg(format!("{}/", job.scene.path("spool").display()))
            .run()
            .ok();
    }
    job
}

impl Job {
    fn keep(&mut self, ages: &str, n: u64) {
        self.options.retain(|option| !option.starts_with("--now") && !option.starts_with("--keep"));
        self.options.push(format!("--now={}", end(n).rfc3339()));
        if !ages.is_empty() {
            self.options.push(format!("--keep={ages}"));
        }
    }

    fn kept(&self, ending: &str) -> usize {
        let all = names(&self.scene.path("out"));
        all.iter().filter(|name| name.ends_with(ending)).count()
    }
}

#[test]
fn results_are_removed_by_their_age_and_the_ledger_keeps_their_files() {
    let slots = 3 * DAY + 1;
    let mut job = filled(slots);
    job.keep("", slots - 1);
    job.run().status(0);
    // The defaults keep all of three days.
    assert_eq!((job.kept(".findings"), job.kept(".evidence.zst")), (433, 4));
    job.keep("evidence=1d,findings=2d", slots - 1);
    job.run().status(0);
    // A slot that is exactly as old stays.
    assert_eq!((job.kept(".findings"), job.kept(".evidence.zst")), (2 * 144 + 1, 2));
    // Findings of a day, and two files of evidence.
    assert!(job.text("nf-every10.prom").contains("nf_every10_run_removed_files 146\n"));
    // Nothing is analysed again.
    assert_eq!(job.ledger().len(), 433);
    job.run().quiet();
    assert_eq!(job.ledger().len(), 433);
    // A file of a removed day that comes late is analysed, and its results are too old at once.
    job.put("nfcap.200107011511.pcapng", super::slot_file(0, &["192.0.2.1"]).1);
    job.run().status(0);
    assert_eq!(job.ledger().len(), 434);
    assert_eq!(job.kept(".findings"), 2 * 144 + 1);
}

#[test]
fn ledger_lines_live_as_long_as_their_file() {
    // Lines are removed a thousand at a time. These are of files that were removed since.
    let job = Job::new();
    let name = |n: u64| super::slot_file(n, &[]).0;
    let line = |n: u64| format!("{}\t600\tdone\t2001-07-09T00:00:00Z\n", name(n));
    // The newest slot is more than 30 days younger than they are.
    job.slot(5400, &["192.0.2.1"]);
    job.slot(5600, &["192.0.2.1"]);
    job.run().quiet();
    let ours = job.text("ledger");
    let old = |range: std::ops::Range<u64>| range.map(line).collect::<String>();
    // A file that is missing between two others is in a part of the spool that is not there today.
    let missing = old(5401..5500);
    fs::write(job.out("ledger"), old(0..999) + &missing + &ours).unwrap();
    job.run().quiet();
    assert_eq!(job.text("ledger"), old(0..999) + &missing + &ours);
    fs::write(job.out("ledger"), old(0..1000) + &missing + &ours).unwrap();
    job.run().quiet();
    assert_eq!(job.text("ledger"), missing.clone() + &ours);
    // A spool that is not mounted has no file at all.
    fs::write(job.out("ledger"), old(0..1000) + &missing + &ours).unwrap();
    fs::rename(job.scene.path("spool/2001"), job.scene.path("kept")).unwrap();
    let err = job.run().status(0).err();
    assert!(err.contains("has no capture file"), "{err}");
    assert_eq!(job.text("ledger"), old(0..1000) + &missing + &ours);
    fs::rename(job.scene.path("kept"), job.scene.path("spool/2001")).unwrap();
    let err = job.run().status(0).err();
    assert!(err.contains("has capture files now") && err.lines().count() == 1, "{err}");
    assert_eq!(job.text("ledger"), missing + &ours);
}

/// Makes OUT look like that of an earlier version.
fn age(out: &Path) {
    for name in ["health", "last-slot", "nf-every10.prom", "swept"] {
        _ = fs::remove_file(out.join(name));
    }
    let evidence: BTreeSet<_> =
        names(out).into_iter().filter(|name| name.ends_with(".evidence.zst")).collect();
    for name in evidence {
        let text = super::evidence(&out.join(&name));
        fs::write(out.join(name.trim_end_matches(".zst")), text).unwrap();
        fs::remove_file(out.join(name)).unwrap();
    }
}

#[test]
fn an_out_of_an_earlier_version_keeps_all_until_somebody_decides() {
    let slots = DAY + 1;
    let mut job = filled(slots);
    job.keep("findings=400d", slots - 1);
    job.run().status(0);
    age(&job.scene.path("out"));
    assert_eq!((job.kept(".findings"), job.kept(".evidence")), (145, 2));
    // Years later.
    let later = 500 * DAY;
    for n in 0..DAY {
        job.slot(later + n, &["192.0.2.1"]);
    }
    job.keep("", later + DAY);
    let err = job.run().status(0).err();
    let out = fs::canonicalize(job.scene.path("out")).unwrap();
    let text = format!(
        "nf-every10: {}: made by an earlier version, so nothing in it is removed for its age; set --keep or \
         [analyse] keep, such as --keep evidence=30d,findings=400d\n",
        out.display()
    );
    assert_eq!(err.matches(&text).count(), 1, "{err}");
    assert_eq!(job.text("health").matches("\"keeps-all\"").count(), 1);
    job.slot(later + DAY, &["192.0.2.1"]);
    let err = job.run().status(0).err();
    assert!(!err.contains("earlier version"), "{err}");
    assert_eq!((job.kept(".findings"), job.kept(".evidence")), (145 + 145, 2));
    assert_eq!(job.text("health").matches("\"keeps-all\"").count(), 1);
    // Evidence of the earlier version goes by the same ages.
    job.keep("evidence=30d,findings=501d", later + DAY);
    job.run().status(0);
    assert_eq!((job.kept(".findings"), job.kept(".evidence")), (145 + 145, 0));
    assert!(!job.out("keeps-all").exists());
    job.keep("", later + DAY);
    job.run().quiet();
    assert_eq!(job.kept(".findings"), 145);
}

#[test]
fn an_earlier_out_keeps_all_even_if_its_first_run_is_cut_short() {
    if !super::can_trace() {
        return;
    }
    let job = Job::new();
    job.slot(0, &["192.0.2.1"]);
    job.run().quiet();
    age(&job.scene.path("out"));
    let begun = job.scene.path("begun");
    super::copy(&job.scene.path("out"), &begun);
    let text = "made by an earlier version";
    let (mut runs, mut twice) = (0, 0);
    for (call, error) in
        [("rename", "ENOSPC"), ("write", "ENOSPC"), ("openat", "EMFILE"), ("fsync", "EIO")]
    {
        for fault in ["signal=KILL".to_owned(), format!("error={error}")] {
            for n in 1.. {
                let out = job.scene.path("again");
                super::copy(&begun, &out);
                let mut command = job.tampered(&out, call, &format!("{fault}:when={n}"));
                let first = JobOutput(command.output().unwrap()).err();
                let log = job.scene.text("strace");
                let second = JobOutput(job.to(&out).output().unwrap()).err();
                assert!(out.join("keeps-all").exists(), "{call} {fault} {n}: {first}{second}");
                let told = [&first, &second].iter().filter(|err| err.contains(text)).count();
                // A message that could not be printed is the fault of this test.
                assert!(told > 0 || call == "write", "{call} {fault} {n}: {first}{second}");
                (runs, twice) = (runs + 1, twice + usize::from(told == 2));
                let third = JobOutput(job.to(&out).output().unwrap()).err();
                assert!(!third.contains(text), "{call} {fault} {n}: {third}");
                fs::remove_dir_all(out).unwrap();
                if !log.contains("INJECTED") && !log.contains("killed by SIGKILL") {
                    break;
                }
            }
        }
    }
    // It is told twice only if a run was cut short between telling it and writing that down.
    assert!(twice < runs / 3, "{twice} of {runs}");
}
