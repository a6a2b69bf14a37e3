//! A simulated month of nf-every10: restarts of the collector, exporters that fall silent, come back or are
//! gone, wrong clocks and late files. The troubles that it tells are in `tests/data/every10-month.jsonl`.
//!
//! The short form, in every run, has the first two days; NFKIT_LONG stands for the whole month.

use std::fs;

use nfkit::time::{Timestamp, Window};

use super::{Job, is_long, slot_file, slot_file_of};
use crate::golden::golden;
use crate::harness::package;

/// Slots of a day.
const DAY: u64 = 144;

/// Slots of the month.
const MONTH: u64 = 30 * DAY;

/// Slots for which the machine's clock is wrong, and by how many slots it is ahead.
const WRONG: std::ops::Range<u64> = 200..206;
const AHEAD: u64 = 3 * DAY;

/// The file with the troubles.
const GOLDEN: &str = "every10-month.jsonl";

/// Returns the end of the `n`-th slot.
fn end(n: u64) -> Timestamp {
    Timestamp::from_secs(Window::new(994_000_200 + 600 * n, 600).unwrap().end())
}

/// Returns the exporters of the `n`-th slot, and by how many seconds their clocks are ahead.
fn exporters(n: u64) -> Vec<(&'static str, i64)> {
    let mut all = vec![("192.0.2.1", if (70..76).contains(&n) { 300 } else { 0 })];
    // One that is silent for hours, and for three windows of each day; one that is gone and comes back; one
    // that is there every other four days.
    if !(30..50).contains(&n) && n % DAY > 2 {
        all.push(("192.0.2.2", 0));
    }
    if !(60..250).contains(&n) {
        all.push(("2001:db8::3", 0));
    }
    if n / (4 * DAY) % 2 == 0 {
        all.push(("192.0.2.4", -20));
    }
    // The line is down for an hour each week.
    if n % (7 * DAY) >= 1002 {
        all.clear();
    }
    all
}

/// The spool of the month up to some slot.
struct Month {
    job: Job,
}

impl Month {
    fn new() -> Month {
        Month { job: Job::new() }
    }

    /// Adds the files that are there at the end of the `n`-th slot and were not before. Returns the time that
    /// the machine's clock shows.
    fn add(&self, n: u64) -> Timestamp {
        let put = |name: &str, bytes: &[u8], at: u64| {
            self.job.put(name, bytes);
            self.job.finished(name, end(at));
        };
        let shown = if WRONG.contains(&n) { n + AHEAD } else { n };
        let (name, bytes) = slot_file_of(shown, &exporters(n));
        // A slot that has a file already, from when the clock was wrong, gets a second one.
        let is_second = (WRONG.start + AHEAD..WRONG.end + AHEAD).contains(&n);
        let second = name.replace(".pcapng", ".1.pcapng");
        match n % 1000 {
            // The collector is stopped and started again; it is killed and started again.
            100 => {
                put(&name, &bytes, shown);
                put(&second, &bytes, shown);
            }
            101 => {
                put(&name, &bytes[..bytes.len() - 10], shown);
                put(&second, &bytes, shown);
            }
            // It is down for an hour.
            110..116 => {}
            // A file comes late: from another disk, say.
            125 => {}
            130 => {
                let (late, bytes) = slot_file(n - 5, &["192.0.2.1", "192.0.2.2"]);
                put(&late, &bytes, n - 5);
                put(&name, &slot_file_of(n, &exporters(n)).1, shown);
            }
            // A file cannot be read, until it is replaced.
            140 => put(&name, b"no capture\n", shown),
            143 => {
                let (bad, bytes) = slot_file_of(n - 3, &exporters(n - 3));
                put(&bad, &bytes, n - 3);
                put(&name, &slot_file_of(n, &exporters(n)).1, shown);
            }
            // Somebody leaves a file in the spool for a while.
            150 => {
                put("nfcap.copy.pcapng", b"x", shown);
                put(&name, &bytes, shown);
            }
            160 => {
                fs::remove_file(self.job.scene.path("spool/nfcap.copy.pcapng")).unwrap();
                put(&name, &bytes, shown);
            }
            _ if is_second => put(&second, &bytes, shown),
            _ => put(&name, &bytes, shown),
        }
        end(shown)
    }

    /// Runs the job at a time, and asserts that nothing went wrong that is not among the troubles.
    fn run(&mut self, now: Timestamp) {
        let now = Timestamp::from_secs(now.secs() + 30);
        self.job.options = vec![format!("--now={}", now.rfc3339())];
        let code = self.job.run().0.status.code();
        assert!(matches!(code, Some(0 | 1)), "{now}: {code:?}");
    }

    /// Plays slots; the job runs after each for which `runs` says so.
    fn play(&mut self, slots: std::ops::Range<u64>, runs: impl Fn(u64) -> bool) {
        for n in slots {
            let now = self.add(n);
            if runs(n) {
                self.run(now);
            }
        }
    }

    /// Asserts that each file was analysed, and once if nothing was wrong with it.
    fn assert_done(&self) {
        let done = self.job.ledger();
        let mut names = super::names(&self.job.scene.path("spool"));
        names.retain(|name| !name.contains("copy"));
        let mut seen: Vec<_> = done.iter().map(|(name, _)| name.clone()).collect();
        seen.sort();
        let all = seen.len();
        seen.dedup();
        assert_eq!(seen, names);
        // Again: the first files of slots that got a second one, and the file that was unreadable for three
        // runs.
        assert!(all - seen.len() < 20, "{all} lines for {} files", seen.len());
    }

    /// Returns the troubles without their times.
    fn troubles(&self) -> Vec<String> {
        let text = self.job.text("health");
        let entries = text.lines().map(|line| {
            let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
            entry.as_object_mut().unwrap().remove("time");
            entry
        });
        // While the job does not run, it does not notice that no file comes.
        entries.filter(|entry| entry["trouble"] != "stopped").map(|e| e.to_string()).collect()
    }

    /// Returns the file of troubles, without the directory of the test.
    fn health(&self) -> String {
        let dir = self.job.scene.dir().canonicalize().unwrap();
        self.job.text("health").replace(dir.to_str().unwrap(), "")
    }
}

#[test]
fn two_days_have_the_troubles_of_the_golden_month() {
    let mut month = Month::new();
    month.play(0..2 * DAY, |_| true);
    month.assert_done();
    let health = month.health();
    if std::env::var_os("NFKIT_BLESS").is_none_or(|value| value != "1") {
        let golden = fs::read_to_string(package("tests/data").join(GOLDEN)).unwrap();
        assert!(
            golden.starts_with(&health),
            "tests/data/{GOLDEN} does not begin with what is told now; if that is right, NFKIT_LONG=1 and \
             NFKIT_BLESS=1 rewrite it.\n{health}"
        );
    }
    for kind in
        ["exporter-silent", "exporter-clock", "stopped", "file-failed", "set-aside", "clock"]
    {
        let count = |event: &str| {
            health.matches(&format!("\"event\":\"{event}\",\"trouble\":\"{kind}\"")).count()
        };
        assert!(count("begin") > 0, "{kind}");
    }
}

#[test]
fn a_catch_up_tells_the_same_troubles_as_runs_after_each_slot() {
    // Up to the late files, which a catch-up does not see come late.
    let slots = 0..125;
    let mut each = Month::new();
    each.play(slots.clone(), |_| true);
    let mut once = Month::new();
    once.play(slots.clone(), |n| n + 1 == slots.end);
    each.assert_done();
    once.assert_done();
    assert_eq!(each.troubles(), once.troubles());
    assert!(each.troubles().len() > 5, "{:?}", each.troubles());
}

#[test]
fn a_month_has_its_golden_troubles() {
    if !is_long() {
        return;
    }
    let mut month = Month::new();
    // After each slot for five days, and once in six hours later.
    month.play(0..MONTH, |n| n < 5 * DAY || n % 36 == 35);
    month.assert_done();
    golden(GOLDEN, month.health().as_bytes());
}
