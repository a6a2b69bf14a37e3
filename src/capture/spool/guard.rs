//! When retention may remove files: a typing error or a wrong clock must not cost a spool.

use std::fmt;
use std::time::Duration;

use super::retain::RetentionRules;
use crate::time::Timestamp;

/// A clock that is off its course by no more than this was not stepped.
const STEP: i128 = 3600 * SECOND;

/// A step that lasts this long is taken for the right time.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// The time between two messages about the same refusal.
const TELL: Duration = Duration::from_secs(3600);

const SECOND: i128 = 1_000_000_000;

/// One moment by two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The time of day, which can be set.
    pub wall: Timestamp,
    /// Time since the machine was booted, suspended or not (`CLOCK_BOOTTIME`), which cannot be set.
    pub boot: Duration,
}

/// A directory, by the numbers of its file system and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId {
    /// The file system.
    pub device: u64,
    /// The inode.
    pub inode: u64,
}

/// Decides before each pass what it may remove. It knows no clock: it is told the time.
///
/// * Until a pass has been let through, a pass that would remove more than half of the files removes
///   nothing: `--keep 30m` in place of `30d`, or a clock that is wrong from the start. A pass that was
///   let through counts for its directory only: where a disk is mounted over the spool, or a link leads
///   to another one, all files are others.
/// * Where the time of day was set by more than an hour, files are not removed by age until that has
///   lasted 24 hours by the clock that cannot be set. A step that is undone before changes nothing.
///   Several small steps are one large step: they are measured from the same point.
#[derive(Debug, Default)]
pub struct Guard {
    /// The user asked for all passes to be let through.
    yes: bool,
    /// A pass was let through, or all are.
    settled: bool,
    /// The directory of the last pass.
    place: Option<DirectoryId>,
    /// Nanoseconds between the two clocks, which only a step changes; `None` before the first pass.
    course: Option<i128>,
    step: Option<ClockStep>,
    told_half: Option<Duration>,
    told_clock: Option<Duration>,
}

/// A step that has not lasted yet.
#[derive(Clone, Copy, Debug)]
struct ClockStep {
    /// Nanoseconds between the two clocks when it was first seen.
    course: i128,
    /// When that was, by the clock that cannot be set.
    since: Duration,
}

/// Files are not removed by age: the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSet {
    /// Seconds by which it was set, negative if back.
    pub by: i64,
    /// The time until the new time is trusted.
    pub left: Duration,
}

/// Nothing was removed: it would have been more than half of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Files that the pass would have removed.
    pub files: u64,
    /// Files that there are.
    pub of: u64,
}

impl Guard {
    /// Returns a guard before its first pass. With `yes` that one may remove more than half of the
    /// files.
    pub fn new(yes: bool) -> Guard {
        Guard { yes, settled: yes, ..Guard::default() }
    }

    /// Looks at the directory before a pass: the first pass in another one is a first pass.
    pub fn place(&mut self, place: DirectoryId) {
        let before = self.place.replace(place);
        if before.is_some_and(|before| before != place) {
            self.settled = self.yes;
        }
    }

    /// Looks at the clocks before a pass. Returns the step that keeps it from removing files by age.
    pub fn clock(&mut self, now: Clocks) -> Option<ClockSet> {
        let course = i128::from(now.wall.nanos()) - nanos(now.boot);
        let usual = *self.course.get_or_insert(course);
        if (course - usual).abs() <= STEP {
            self.step = None;
            return None;
        }
        let step = match self.step {
            Some(step) if (course - step.course).abs() <= STEP => step,
            // Another one: it has lasted for no time yet.
            _ => *self.step.insert(ClockStep { course, since: now.boot }),
        };
        let left = LASTS.saturating_sub(now.boot.saturating_sub(step.since));
        if left.is_zero() {
            self.course = Some(course);
            self.step = None;
            return None;
        }
        let by = i64::try_from((course - usual) / SECOND).unwrap_or(i64::MAX);
        Some(ClockSet { by, left })
    }

    /// Returns the rules that a pass may follow.
    pub fn rules(&self, rules: &RetentionRules) -> RetentionRules {
        RetentionRules { keep: rules.keep.filter(|_| self.step.is_none()), ..*rules }
    }

    /// Returns true if passes do what the rules say, so that they need not be judged.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Judges a pass that would remove `files` of the files that there are. It is let through unless it
    /// is returned here.
    ///
    /// A pass over no files at all says nothing of the rules: the disk may not be mounted yet. Neither
    /// does one that may not remove files by age.
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

    /// Returns true if a refused pass is to be told now, which is at most once an hour.
    pub fn tells_half(&mut self, now: Clocks) -> bool {
        is_due(&mut self.told_half, now)
    }

    /// Returns true if a clock that was set is to be told now, which is at most once an hour.
    pub fn tells_clock(&mut self, now: Clocks) -> bool {
        is_due(&mut self.told_clock, now)
    }
}

fn is_due(told: &mut Option<Duration>, now: Clocks) -> bool {
    let due = told.is_none_or(|told| now.boot.saturating_sub(told) >= TELL);
    if due {
        *told = Some(now.boot);
    }
    due
}

/// Returns a duration as a signed number of nanoseconds. One of the kernel's always fits.
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
    /// Wall time when the machine was booted.
    const BOOT: u64 = 1_700_000_000;

    /// So many seconds after the boot, with the clock off by so many.
    fn at(boot: u64, off: i64) -> Clocks {
        let wall = (BOOT + boot).saturating_add_signed(off);
        Clocks { wall: Timestamp::from_secs(wall), boot: Duration::from_secs(boot) }
    }

    fn set(by: i64, left: u64) -> Option<ClockSet> {
        Some(ClockSet { by, left: Duration::from_secs(left) })
    }

    #[test]
    fn a_step_counts_once_it_has_lasted_a_day() {
        for by in [40 * DAY, -40 * DAY, 3601, -3601] {
            let mut guard = Guard::default();
            assert_eq!(guard.clock(at(100, 0)), None);
            assert_eq!(guard.clock(at(700, 5)), None);
            assert_eq!(guard.clock(at(1000, by)), set(by, 24 * HOUR));
            assert_eq!(guard.clock(at(1000 + 23 * HOUR, by)), set(by, HOUR));
            assert_eq!(guard.clock(at(999 + 24 * HOUR, by)), set(by, 1));
            assert_eq!(guard.clock(at(1000 + 24 * HOUR, by)), None);
            assert_eq!(guard.clock(at(1010 + 24 * HOUR, by)), None);
            // It is the right time now, and back is another step.
            assert_eq!(guard.clock(at(1020 + 24 * HOUR, 0)), set(-by, 24 * HOUR));
        }
    }

    #[test]
    fn a_step_that_is_undone_changes_nothing() {
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
        // Set again it has to last anew.
        assert_eq!(guard.clock(at(204 + 24 * HOUR, 40 * DAY)), set(40 * DAY, 24 * HOUR));
    }

    #[test]
    fn a_clock_that_is_set_again_and_again_lasts_for_nothing() {
        let mut guard = Guard::default();
        assert_eq!(guard.clock(at(0, 0)), None);
        for hour in 1..100 {
            // A day further each hour.
            let by = DAY * hour as i64;
            assert_eq!(guard.clock(at(hour * HOUR, by)), set(by, 24 * HOUR), "{hour}");
        }
    }

    #[test]
    fn many_small_steps_are_a_large_one() {
        let mut guard = Guard::default();
        assert_eq!(guard.clock(at(0, 0)), None);
        // 50 minutes every ten minutes: 40 days in less than 8.
        let held: Vec<bool> =
            (1..1152).map(|n| guard.clock(at(600 * n, 3000 * n as i64)).is_some()).collect();
        assert_eq!(held.iter().filter(|&&held| !held).count(), 1, "the first of them alone");
    }

    #[test]
    fn small_corrections_and_a_suspended_machine_are_no_steps() {
        let mut guard = Guard::default();
        assert_eq!(guard.clock(at(0, 0)), None);
        for (boot, off) in [(10, 3600), (20, -3600), (30, 1), (40 * DAY as u64, 0)] {
            assert_eq!(guard.clock(at(boot, off)), None, "{boot} {off}");
        }
        // A clock that runs at another pace than the machine's own: never by much.
        assert_eq!(guard.clock(at(80 * DAY as u64, 3599)), None);
    }

    #[test]
    fn the_first_pass_removes_no_more_than_half() {
        let mut guard = Guard::new(false);
        assert_eq!(guard.judge(600, 600), Some(TooMany { files: 600, of: 600 }));
        // It stays the first one, by whatever rule it removes.
        assert_eq!(guard.judge(301, 600), Some(TooMany { files: 301, of: 600 }));
        assert_eq!(guard.judge(2, 3), Some(TooMany { files: 2, of: 3 }));
        assert_eq!(guard.judge(1, 1), Some(TooMany { files: 1, of: 1 }));
        // No files at all say nothing.
        assert_eq!(guard.judge(0, 0), None);
        assert_eq!(guard.judge(600, 600), Some(TooMany { files: 600, of: 600 }));
        assert_eq!(guard.judge(300, 600), None);
        assert_eq!(guard.judge(600, 600), None);
        assert_eq!(Guard::new(true).judge(600, 600), None);
    }

    #[test]
    fn the_first_pass_in_another_directory_is_a_first_pass() {
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
        // It is not known any more.
        guard.place(empty);
        assert!(!guard.is_settled());
        let mut guard = Guard::new(true);
        guard.place(empty);
        guard.place(full);
        assert!(guard.is_settled());
    }

    #[test]
    fn a_pass_that_may_not_look_at_ages_settles_nothing() {
        let mut guard = Guard::new(false);
        assert_eq!(guard.clock(at(0, 0)), None);
        assert!(guard.judge(600, 600).is_some());
        // While the clock is wrong nothing is old: that says nothing of what --keep asks for.
        assert!(guard.clock(at(10, -40 * DAY)).is_some());
        assert_eq!(guard.judge(0, 600), None);
        assert_eq!(guard.clock(at(20, 0)), None);
        assert!(guard.judge(600, 600).is_some());
    }

    #[test]
    fn a_refusal_is_told_once_an_hour() {
        let mut guard = Guard::new(false);
        let told = (0..144).filter(|n| guard.tells_half(at(600 * n, 0))).count();
        assert_eq!(told, 24);
        // A clock that is set tells no more often; the other refusal has an hour of its own.
        let told = (0..144).filter(|n| guard.tells_clock(at(600 * n, 9 * DAY * *n as i64))).count();
        assert_eq!(told, 24);
    }

    #[test]
    fn refusals_say_how_much_and_how_long() {
        let held = ClockSet { by: 40 * DAY + 61, left: Duration::from_secs(23 * HOUR + 59 * 60) };
        let text = "the clock was set ahead by 960 h 01 min; no file is removed by age for 23 h 59 min more";
        assert_eq!(held.to_string(), text);
        let text = TooMany { files: 600, of: 601 }.to_string();
        assert_eq!(text, "600 of 601 files would be removed, more than half");
    }

    proptest! {
        /// Whatever is done to the clock: where a pass by age goes through, the clock is within an hour
        /// of its course, or it was within an hour of where it is now at a pass a day or more ago.
        #[test]
        fn no_age_is_believed_that_has_not_lasted(
            steps in prop::collection::vec((1u64..7200, -200_000i64..200_000, any::<bool>()), 1..200)
        ) {
            let mut guard = Guard::default();
            let (mut boot, mut off) = (0, 0);
            let mut seen: Vec<(u64, i64)> = Vec::new();
            let mut believed = 0;
            for (seconds, by, stays) in steps {
                boot += seconds;
                off = if stays { off } else { by };
                let held = guard.clock(at(boot, off));
                if held.is_none() {
                    let is_usual = seen.is_empty() || (off - believed).abs() <= 3600;
                    let has_lasted = seen.iter().any(|&(at, was): &(u64, i64)| {
                        boot - at >= 86_400 && (was - off).abs() <= 3600
                    });
                    prop_assert!(is_usual || has_lasted);
                    if seen.is_empty() || !is_usual {
                        believed = off;
                    }
                }
                seen.push((boot, off));
            }
        }
    }
}
