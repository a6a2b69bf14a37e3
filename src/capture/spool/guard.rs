//! Limits on retention, so that a typing error or a wrong clock does not empty a spool.

use std::fmt;
use std::time::Duration;

use super::rules::RetentionRules;
use crate::time::Timestamp;

/// A clock that deviates by no more than this was not set.
const STEP: i128 = 3600 * SECOND;

/// A step of the clock that lasts this long is trusted.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// The least time between two messages about the same refusal.
const MESSAGE_INTERVAL: Duration = Duration::from_secs(3600);

const SECOND: i128 = 1_000_000_000;

/// One moment by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The time of day, which can be set.
    pub wall: Timestamp,
    /// Time since the machine was booted, including suspension (`CLOCK_BOOTTIME`), which cannot be
    /// set.
    pub boot: Duration,
}

/// A directory, identified by its file system and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId {
    /// Number of the file system.
    pub device: u64,
    /// Number of the inode.
    pub inode: u64,
}

/// A guard that decides before each pass of retention which files it may remove. Its caller passes
/// the time.
///
/// * The first pass removes nothing if it would remove more than half of the files: `--keep 30m` may
///   have been meant as `30d`, or the clock may be wrong from the start. Later passes count as first
///   ones until one was allowed. An allowed pass counts for its directory only: if a disk is mounted
///   over the spool, or a link leads to another directory, all files are different ones.
/// * If the time of day was set by more than an hour, no file is removed by age until the new time has
///   lasted 24 hours by the clock that cannot be set. A step that is undone before changes nothing.
///   Several small steps count as one large step, because all are measured from the same point.
#[derive(Debug, Default)]
pub struct Guard {
    /// True if the user allows all passes.
    yes: bool,
    /// True if a pass was allowed, or all are.
    settled: bool,
    /// Directory of the last pass.
    place: Option<DirectoryId>,
    /// Nanoseconds between the two clocks, which only a step changes; `None` before the first pass.
    difference: Option<i128>,
    step: Option<ClockStep>,
    /// Time of the last message about too many files.
    reported_half: Option<Duration>,
    /// Time of the last message about a clock that was set.
    reported_clock: Option<Duration>,
}

/// A step of the clock that has not lasted long enough yet.
#[derive(Clone, Copy, Debug)]
struct ClockStep {
    /// Nanoseconds between the two clocks when the step was first seen.
    difference: i128,
    /// Time of that moment, by the clock that cannot be set.
    since: Duration,
}

/// The reason why files are not removed by age: the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSet {
    /// Seconds by which the clock was set, negative if back.
    pub by: i64,
    /// The time until the new time is trusted.
    pub left: Duration,
}

/// The reason why nothing was removed: it would have been more than half of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Files that the pass would have removed.
    pub files: u64,
    /// Files in the spool.
    pub of: u64,
}

impl Guard {
    /// Returns a guard before its first pass. With `yes` that pass may remove more than half of the
    /// files.
    pub fn new(yes: bool) -> Guard {
        Guard { yes, settled: yes, ..Guard::default() }
    }

    /// Registers the directory of the next pass. If it is another one, that pass is a first pass.
    pub fn place(&mut self, place: DirectoryId) {
        let before = self.place.replace(place);
        if before.is_some_and(|before| before != place) {
            self.settled = self.yes;
        }
    }

    /// Registers the clocks before a pass. Returns the step that keeps the pass from removing files by
    /// age.
    pub fn clock(&mut self, now: Clocks) -> Option<ClockSet> {
        let difference = i128::from(now.wall.nanos()) - nanos(now.boot);
        let usual = *self.difference.get_or_insert(difference);
        if (difference - usual).abs() <= STEP {
            self.step = None;
            return None;
        }
        let step = match self.step {
            Some(step) if (difference - step.difference).abs() <= STEP => step,
            // A new step has lasted for no time yet.
            _ => *self.step.insert(ClockStep { difference, since: now.boot }),
        };
        let left = LASTS.saturating_sub(now.boot.saturating_sub(step.since));
        if left.is_zero() {
            self.difference = Some(difference);
            self.step = None;
            return None;
        }
        let by = i64::try_from((difference - usual) / SECOND).unwrap_or(i64::MAX);
        Some(ClockSet { by, left })
    }

    /// Returns the rules that a pass may follow.
    pub fn rules(&self, rules: &RetentionRules) -> RetentionRules {
        RetentionRules { keep: rules.keep.filter(|_| self.step.is_none()), ..*rules }
    }

    /// Returns true if passes are allowed without being judged.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Judges a pass that would remove `files` of `of` files. Returns the reason if the pass is refused,
    /// and `None` if it is allowed.
    ///
    /// A pass over no files does not settle the guard: the disk may not be mounted yet. Neither does a
    /// pass that may not remove files by age.
    pub fn judge(&mut self, files: u64, of: u64) -> Option<TooMany> {
        if self.settled {
            return None;
        }
        if files > of / 2 {
            return Some(TooMany { files, of });
        }
        self.settled = of > 0 && self.step.is_none();
        None
    }

    /// Returns true if a refused pass is to be reported now, at most once an hour.
    pub fn reports_half(&mut self, now: Clocks) -> bool {
        is_due(&mut self.reported_half, now)
    }

    /// Returns true if a clock that was set is to be reported now, at most once an hour.
    pub fn reports_clock(&mut self, now: Clocks) -> bool {
        is_due(&mut self.reported_clock, now)
    }
}

fn is_due(reported: &mut Option<Duration>, now: Clocks) -> bool {
    let due = reported.is_none_or(|at| now.boot.saturating_sub(at) >= MESSAGE_INTERVAL);
    if due {
        *reported = Some(now.boot);
    }
    due
}

/// Returns a duration as a signed number of nanoseconds. The kernel's always fit.
fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 2)
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooMany { files, of } = self;
        write!(f, "{files} of {of} files would be removed, more than half")
    }
}

impl fmt::Display for ClockSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |seconds: u64| {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            format!("{hours} h {minutes:02} min")
        };
        let way = if self.by < 0 { "back" } else { "ahead" };
        let (by, left) = (hours(self.by.unsigned_abs()), hours(self.left.as_secs()));
        write!(f, "the clock was set {way} by {by}; no file is removed by age for {left} more")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3600;
    const DAY: i64 = 86_400;
    /// Time of day when the machine was booted.
    const BOOT: u64 = 1_700_000_000;

    /// Returns the clocks `boot` seconds after the boot, with the time of day off by `off` seconds.
    fn at(boot: u64, off: i64) -> Clocks {
        let wall = (BOOT + boot).saturating_add_signed(off);
        Clocks { wall: Timestamp::from_secs(wall), boot: Duration::from_secs(boot) }
    }

    fn set(by: i64, left: u64) -> Option<ClockSet> {
        Some(ClockSet { by, left: Duration::from_secs(left) })
    }

    #[test]
    fn step_is_trusted_after_a_day() {
        for by in [40 * DAY, -40 * DAY, 3601, -3601] {
            let mut guard = Guard::default();
            assert_eq!(guard.clock(at(100, 0)), None);
            assert_eq!(guard.clock(at(700, 5)), None);
            assert_eq!(guard.clock(at(1000, by)), set(by, 24 * HOUR));
            assert_eq!(guard.clock(at(1000 + 23 * HOUR, by)), set(by, HOUR));
            assert_eq!(guard.clock(at(999 + 24 * HOUR, by)), set(by, 1));
            assert_eq!(guard.clock(at(1000 + 24 * HOUR, by)), None);
            assert_eq!(guard.clock(at(1010 + 24 * HOUR, by)), None);
            // The new time is trusted now, so going back is another step.
            assert_eq!(guard.clock(at(1020 + 24 * HOUR, 0)), set(-by, 24 * HOUR));
        }
    }

    #[test]
    fn undone_step_changes_nothing() {
        let mut guard = Guard::default();
        let rules = RetentionRules {
            keep: Some(Duration::from_secs(9)),
            max_size: Some(9),
            min_free: None,
        };
        assert_eq!(guard.clock(at(100, 0)), None);
        assert_eq!(guard.rules(&rules), rules);
        assert_eq!(guard.clock(at(200, 40 * DAY)), set(40 * DAY, 24 * HOUR));
        assert_eq!(guard.rules(&rules), RetentionRules { keep: None, ..rules });
        assert_eq!(guard.clock(at(203, 0)), None);
        assert_eq!(guard.rules(&rules), rules);
        // Set again, the clock has to last a day again.
        assert_eq!(guard.clock(at(204 + 24 * HOUR, 40 * DAY)), set(40 * DAY, 24 * HOUR));
    }

    #[test]
    fn clock_that_is_set_repeatedly_is_never_trusted() {
        let mut guard = Guard::default();
        assert_eq!(guard.clock(at(0, 0)), None);
        for hour in 1..100 {
            // A day further each hour.
            let by = DAY * hour as i64;
            assert_eq!(guard.clock(at(hour * HOUR, by)), set(by, 24 * HOUR), "{hour}");
        }
    }

    #[test]
    fn many_small_steps_count_as_a_large_one() {
        let mut guard = Guard::default();
        assert_eq!(guard.clock(at(0, 0)), None);
        // 50 minutes every ten minutes: 40 days in less than 8.
        let held: Vec<bool> =
            (1..1152).map(|n| guard.clock(at(600 * n, 3000 * n as i64)).is_some()).collect();
        assert_eq!(held.iter().filter(|&&held| !held).count(), 1, "the first of them alone");
    }

    #[test]
    fn small_corrections_and_suspension_are_no_steps() {
        let mut guard = Guard::default();
        assert_eq!(guard.clock(at(0, 0)), None);
        for (boot, off) in [(10, 3600), (20, -3600), (30, 1), (40 * DAY as u64, 0)] {
            assert_eq!(guard.clock(at(boot, off)), None, "{boot} {off}");
        }
        // Drift between the two clocks stays small.
        assert_eq!(guard.clock(at(80 * DAY as u64, 3599)), None);
    }

    #[test]
    fn first_pass_removes_at_most_half() {
        let mut guard = Guard::new(false);
        assert_eq!(guard.judge(600, 600), Some(TooMany { files: 600, of: 600 }));
        // Every refused pass is followed by another first one.
        assert_eq!(guard.judge(301, 600), Some(TooMany { files: 301, of: 600 }));
        assert_eq!(guard.judge(2, 3), Some(TooMany { files: 2, of: 3 }));
        assert_eq!(guard.judge(1, 1), Some(TooMany { files: 1, of: 1 }));
        // A pass over no files settles nothing.
        assert_eq!(guard.judge(0, 0), None);
        assert_eq!(guard.judge(600, 600), Some(TooMany { files: 600, of: 600 }));
        assert_eq!(guard.judge(300, 600), None);
        assert_eq!(guard.judge(600, 600), None);
        assert_eq!(Guard::new(true).judge(600, 600), None);
    }

    #[test]
    fn first_pass_in_another_directory_is_judged_again() {
        let (empty, full) =
            (DirectoryId { device: 1, inode: 2 }, DirectoryId { device: 3, inode: 2 });
        let mut guard = Guard::new(false);
        guard.place(empty);
        assert_eq!(guard.judge(0, 1), None);
        guard.place(empty);
        assert!(guard.is_settled());
        guard.place(full);
        assert_eq!(guard.judge(600, 600), Some(TooMany { files: 600, of: 600 }));
        assert_eq!(guard.judge(300, 600), None);
        guard.place(full);
        assert!(guard.is_settled());
        // The guard has forgotten the first directory.
        guard.place(empty);
        assert!(!guard.is_settled());
        let mut guard = Guard::new(true);
        guard.place(empty);
        guard.place(full);
        assert!(guard.is_settled());
    }

    #[test]
    fn pass_without_ages_settles_nothing() {
        let mut guard = Guard::new(false);
        assert_eq!(guard.clock(at(0, 0)), None);
        assert!(guard.judge(600, 600).is_some());
        // While the clock is wrong, no file counts as old, so the pass does not test --keep.
        assert!(guard.clock(at(10, -40 * DAY)).is_some());
        assert_eq!(guard.judge(0, 600), None);
        assert_eq!(guard.clock(at(20, 0)), None);
        assert!(guard.judge(600, 600).is_some());
    }

    #[test]
    fn refusals_are_reported_once_an_hour() {
        let mut guard = Guard::new(false);
        let count = (0..144).filter(|n| guard.reports_half(at(600 * n, 0))).count();
        assert_eq!(count, 24);
        // A clock that is set repeatedly is not reported more often. Each refusal has its own hour.
        let set = |n: &u64| at(600 * n, 9 * DAY * *n as i64);
        let count = (0..144).filter(|n| guard.reports_clock(set(n))).count();
        assert_eq!(count, 24);
    }

    #[test]
    fn refusals_state_their_figures() {
        let held = ClockSet { by: 40 * DAY + 61, left: Duration::from_secs(23 * HOUR + 59 * 60) };
        let text = "the clock was set ahead by 960 h 01 min; no file is removed by age for 23 h 59 min more";
        assert_eq!(held.to_string(), text);
        let text = TooMany { files: 600, of: 601 }.to_string();
        assert_eq!(text, "600 of 601 files would be removed, more than half");
    }

    proptest! {
        /// Sets the clock at random. A pass by age is allowed only if the clock is within an hour of
        /// the trusted time, or was within an hour of its present time at a pass a day or more ago.
        #[test]
        fn ages_count_only_by_a_trusted_clock(
            steps in prop::collection::vec((1u64..7200, -200_000i64..200_000, any::<bool>()), 1..200)
        ) {
            let mut guard = Guard::default();
            let (mut boot, mut off) = (0, 0);
            let mut seen: Vec<(u64, i64)> = Vec::new();
            let mut trusted = 0;
            for (seconds, by, stays) in steps {
                boot += seconds;
                off = if stays { off } else { by };
                let held = guard.clock(at(boot, off));
                if held.is_none() {
                    let is_usual = seen.is_empty() || (off - trusted).abs() <= 3600;
                    let has_lasted = seen.iter().any(|&(at, was): &(u64, i64)| {
                        boot - at >= 86_400 && (was - off).abs() <= 3600
                    });
                    prop_assert!(is_usual || has_lasted);
                    if seen.is_empty() || !is_usual {
                        trusted = off;
                    }
                }
                seen.push((boot, off));
            }
        }
    }
}
