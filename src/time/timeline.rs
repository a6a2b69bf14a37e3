//! The windows that an input names: the newest of them, and signs that a clock was wrong.

use std::collections::BTreeMap;

use super::{Timestamp, Window};

/// A window that begins more than this many seconds after the one before it is suspicious.
const DAY: u64 = 86_400;

/// The longest window, in seconds, that bridges the time to the next one: a month. Windows of a
/// week follow each other without a gap; one of a century must not hide the gap that it lies in.
const MONTH: u64 = 31 * DAY;

/// The windows of one input, in any order and any number of times.
///
/// Only runs of windows are kept, between which more than a day lies. At most some 210,000 of them
/// fit into the range of [`Timestamp`], so no input can make this grow beyond 20 MB.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    now: Option<Timestamp>,
    /// By the start of the first window.
    runs: BTreeMap<u64, WindowRun>,
    kept: bool,
    aside: Option<Aside>,
}

/// Windows that follow each other, each at most a day after the one before it.
#[derive(Clone, Copy, Debug)]
struct WindowRun {
    newest: Window,
    /// The latest moment at which another window continues the run, in seconds since the epoch.
    reach: u64,
}

/// The newest window of an input, and the one before it if it lies suspiciously far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// The window that begins last; of several, the shortest.
    pub newest: Window,
    /// The newest window before the gap. `None` if there is no gap.
    ///
    /// There is a gap if more than 24 hours lie between two windows and the windows behind it span
    /// less time than the gap is long: either a clock was wrong, or collecting has just begun
    /// again.
    pub before: Option<Window>,
}

/// Lines that were set aside because their windows begin after the time that the user called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The number of findings and closing marks.
    pub lines: u64,
    /// The first of their windows.
    pub first: Window,
    /// The last of their windows.
    pub last: Window,
}

impl Timeline {
    /// Returns an empty timeline. With `now`, windows that begin more than one slot after it are
    /// set aside.
    pub fn new(now: Option<Timestamp>) -> Timeline {
        Timeline { now, ..Timeline::default() }
    }

    /// Notes the window of one finding or closing mark. Returns false if the window is set aside:
    /// the line is then not of the time that the user asks about.
    pub fn note(&mut self, window: Option<Window>) -> bool {
        let Some(window) = window else {
            self.kept = true;
            return true;
        };
        if self.now.is_some_and(|now| window.is_ahead_of(now)) {
            let aside = Aside { lines: 0, first: window, last: window };
            let aside = self.aside.get_or_insert(aside);
            aside.lines += 1;
            (aside.first, aside.last) = (aside.first.min(window), aside.last.max(window));
            return false;
        }
        self.kept = true;
        self.add(window);
        true
    }

    fn add(&mut self, window: Window) {
        let bridge = window.slot(MONTH).max(DAY);
        let mut first = window.start();
        let mut run = WindowRun { newest: window, reach: window.start() + bridge };
        if let Some((&start, before)) = self.runs.range(..=first).next_back() {
            if window.start() <= before.reach {
                (first, run) = (start, run.join(*before));
            }
        }
        while let Some((&start, after)) = self.runs.range(first + 1..).next() {
            if start > run.reach {
                break;
            }
            run = run.join(*after);
            self.runs.remove(&start);
        }
        self.runs.insert(first, run);
    }

    /// Returns the newest window. `None` if no window of a known time was noted. If the user gave
    /// the time, the newest window that was not set aside is the right one, and no gap is looked
    /// for.
    pub fn latest(&self) -> Option<Latest> {
        let mut runs = self.runs.iter().rev().map(|(&first, run)| (first, run.newest)).peekable();
        let (mut first, newest) = runs.next()?;
        if self.now.is_some() {
            return Some(Latest { newest, before: None });
        }
        let span = |first, newest: Window| newest.start() - first + newest.slot(MONTH);
        let (mut length, mut before) = (span(first, newest), None);
        while let Some(&(earlier, last)) = runs.peek() {
            // Behind a first gap, only a longer run takes the place of a shorter one: a second
            // wrong clock must not hide the time that most of the input is about, and an archive
            // with outages must not be shown from its beginning.
            let is_ahead = length < first - last.start();
            if !is_ahead || (before.is_some() && span(earlier, last) <= length) {
                break;
            }
            (first, length, before) = (earlier, span(earlier, last), Some(last));
            runs.next();
        }
        Some(Latest { newest, before })
    }

    /// Returns the lines that were set aside. `None` if there were none.
    pub fn aside(&self) -> Option<Aside> {
        self.aside
    }

    /// Returns true if all lines that were noted were set aside, and there were some.
    pub fn is_all_aside(&self) -> bool {
        self.aside.is_some() && !self.kept
    }
}

impl WindowRun {
    /// Makes one run of two; of two newest windows that begin together the shorter one holds.
    fn join(self, other: WindowRun) -> WindowRun {
        let key = |window: Window| (window.start(), std::cmp::Reverse(window.seconds()));
        let newest = if key(self.newest) >= key(other.newest) { self.newest } else { other.newest };
        WindowRun { newest, reach: self.reach.max(other.reach) }
    }
}

impl Latest {
    /// Returns the start, in seconds since the epoch, from which windows belong to the last
    /// `seconds` of the input; 0 seconds are all. They are counted back from the end of the newest
    /// window, or of the one before the gap, which always belongs to them.
    pub fn since(self, seconds: u32) -> u64 {
        let window = self.before.unwrap_or(self.newest);
        match seconds {
            0 => 0,
            seconds => window.end().saturating_sub(seconds.into()).min(window.start()),
        }
    }
}

impl Window {
    /// Returns true if the window begins more than one slot after `now`. A slot is as long as the
    /// window, but at most a day.
    pub fn is_ahead_of(self, now: Timestamp) -> bool {
        self.start() > now.secs().saturating_add(self.slot(DAY))
    }

    /// Returns the window's length in seconds, at most `most`.
    fn slot(self, most: u64) -> u64 {
        u64::from(self.seconds()).min(most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TODAY: u64 = 1_762_070_400;
    const YEAR: u64 = 365 * DAY;

    fn window(start: u64) -> Window {
        Window::new(start, 600).unwrap()
    }

    fn timeline(windows: impl IntoIterator<Item = Window>) -> Timeline {
        let mut timeline = Timeline::default();
        for window in windows {
            assert!(timeline.note(Some(window)));
        }
        timeline
    }

    /// Returns `count` windows of ten minutes from `start`.
    fn run(start: u64, count: u64) -> impl Iterator<Item = Window> {
        (0..count).map(move |n| window(start + n * 600))
    }

    #[track_caller]
    fn assert_latest(windows: impl IntoIterator<Item = Window>, newest: u64, before: Option<u64>) {
        let latest = timeline(windows).latest().unwrap();
        let start = |window: Window| window.start();
        assert_eq!((latest.newest.start(), latest.before.map(start)), (newest, before));
    }

    #[test]
    fn a_window_more_than_a_day_ahead_is_a_gap() {
        assert_latest([window(0), window(DAY)], DAY, None);
        assert_latest([window(DAY + 1), window(0)], DAY + 1, Some(0));
        assert_latest([window(0)], 0, None);
        assert_eq!(Timeline::default().latest(), None);
    }

    #[test]
    fn a_chain_of_windows_far_ahead_is_one_gap() {
        let today = || run(TODAY, 144);
        let last = TODAY + 143 * 600;
        let far = TODAY + 10 * YEAR;
        assert_latest(today().chain(run(far, 300)), far + 299 * 600, Some(last));
        // Two wrong clocks.
        let further = far + 9 * YEAR;
        assert_latest(
            run(further, 3).chain(run(far, 5)).chain(today()),
            further + 1200,
            Some(last),
        );
    }

    #[test]
    fn an_outage_is_over_once_as_much_time_was_seen_again() {
        let before = || run(TODAY, 144);
        let again = TODAY + DAY + 25 * 3600;
        let last = TODAY + 143 * 600;
        assert_latest(before().chain(run(again, 1)), again, Some(last));
        // The gap is measured from start to start: 25 hours and ten minutes.
        assert_latest(before().chain(run(again, 150)), again + 149 * 600, Some(last));
        assert_latest(before().chain(run(again, 151)), again + 150 * 600, None);
        // An outage long ago does not concern the newest window.
        let year = before().chain(run(again, 20_000));
        assert_latest(year, again + 19_999 * 600, None);
    }

    #[test]
    fn single_windows_weeks_apart_go_back_by_one() {
        let weeks = [0, 34 * DAY, 47 * DAY].map(window);
        assert_latest(weeks, 47 * DAY, Some(34 * DAY));
    }

    #[test]
    fn long_windows_bridge_their_own_length_and_no_more() {
        let week = |n: u64| Window::new(n * 7 * DAY, 7 * DAY as u32).unwrap();
        assert_latest((0..4).map(week), 21 * DAY, None);
        let century = Window::new(0, u32::MAX).unwrap();
        assert_latest([century, window(600), window(YEAR)], YEAR, Some(600));
        let century = Window::new(YEAR, u32::MAX).unwrap();
        assert_latest([window(600), century], YEAR, Some(600));
    }

    #[test]
    fn time_is_counted_back_from_the_end_of_the_newest_window() {
        let since = |windows: &[Window], seconds| {
            timeline(windows.iter().copied()).latest().unwrap().since(seconds)
        };
        let windows = [window(TODAY), window(TODAY + 3000)];
        assert_eq!(since(&windows, 3600), TODAY);
        assert_eq!(since(&windows, 3599), TODAY + 1);
        assert_eq!(since(&windows, 0), 0);
        // The newest window itself always belongs to it, and a long one beside it decides nothing.
        assert_eq!(since(&windows, 1), TODAY + 3000);
        let day = Window::new(TODAY + 3000, DAY as u32).unwrap();
        assert_eq!(since(&[windows[1], day], 3600), TODAY);
        assert_eq!(since(&[day], 3600), TODAY + 3000);
        // With a gap, from the window before it.
        assert_eq!(since(&[windows[1], window(TODAY + YEAR)], 3600), TODAY);
    }

    #[test]
    fn windows_after_now_are_set_aside() {
        let mut timeline = Timeline::new(Some(Timestamp::from_secs(TODAY)));
        assert!(!timeline.is_all_aside());
        assert!(!timeline.note(Some(window(TODAY + 601))));
        assert!(!timeline.note(Some(window(TODAY + YEAR))));
        assert!(timeline.is_all_aside());
        assert!(timeline.note(Some(window(TODAY + 600))));
        assert!(!timeline.is_all_aside());
        let (first, last) = (window(TODAY + 601), window(TODAY + YEAR));
        assert_eq!(timeline.aside(), Some(Aside { lines: 2, first, last }));
        let latest = timeline.latest().unwrap();
        assert_eq!(latest, Latest { newest: window(TODAY + 600), before: None });
        // With the time given, the newer of two windows far apart is right.
        let mut timeline = Timeline::new(Some(Timestamp::from_secs(TODAY)));
        assert!(timeline.note(Some(window(TODAY - YEAR))) && timeline.note(Some(window(TODAY))));
        assert_eq!(timeline.latest().unwrap(), Latest { newest: window(TODAY), before: None });
        // A window of a century is no slot of a century.
        let century = Window::new(TODAY + 2 * DAY, u32::MAX).unwrap();
        assert!(!timeline.note(Some(century)));
        assert!(timeline.note(None));
    }

    #[test]
    fn windows_without_end_are_kept_within_bounds() {
        let last = Timestamp::from_nanos(u64::MAX).secs() - 600;
        let timeline = timeline((0..=last / (DAY + 1)).map(|n| window(n * (DAY + 1))));
        assert!(timeline.runs.len() < 214_000, "{}", timeline.runs.len());
        assert!(timeline.latest().unwrap().before.is_some());
    }

    /// Returns the same by sorting all windows: the reference implementation.
    fn reference(windows: &[Window]) -> Option<Latest> {
        let mut all = windows.to_vec();
        all.sort_by_key(|window| (window.start(), std::cmp::Reverse(window.seconds())));
        let mut runs: Vec<(u64, Window, u64)> = Vec::new();
        for &window in &all {
            let reach = window.start() + u64::from(window.seconds()).clamp(DAY, MONTH);
            match runs.last_mut() {
                Some(run) if window.start() <= run.2 => {
                    (run.1, run.2) = (window, run.2.max(reach));
                }
                _ => runs.push((window.start(), window, reach)),
            }
        }
        let (first, newest, _) = runs.pop()?;
        let mut latest = Latest { newest, before: None };
        let mut shown = (first, newest);
        while let Some((first, last, _)) = runs.pop() {
            let span = |first: u64, last: Window| {
                last.start() + u64::from(last.seconds()).min(MONTH) - first
            };
            let (length, earlier) = (span(shown.0, shown.1), span(first, last));
            let is_ahead = length < shown.0 - last.start();
            if !is_ahead || (latest.before.is_some() && earlier <= length) {
                break;
            }
            shown = (first, last);
            latest.before = Some(last);
        }
        Some(latest)
    }

    proptest! {
        #[test]
        fn runs_agree_with_sorting_and_their_order_means_nothing(
            windows in proptest::collection::vec(
                (0u64..40, 0u64..3, prop_oneof![Just(600u32), Just(86_400), 1u32..9_000_000]), 0..12,
            ),
            by in 0usize..12,
        ) {
            let start = |days: u64, hours: u64| days * days * DAY + hours * 3600;
            let mut windows: Vec<_> = windows
                .iter()
                .map(|&(days, hours, seconds)| Window::new(start(days, hours), seconds).unwrap())
                .collect();
            let expected = reference(&windows);
            prop_assert_eq!(timeline(windows.clone()).latest(), expected);
            let middle = by.min(windows.len());
            windows.rotate_left(middle);
            prop_assert_eq!(timeline(windows).latest(), expected);
        }
    }
}
