//! Windows by the arrival of datagrams: they open and close as capture files are read.

use std::collections::BTreeSet;

use super::arrival::{ArrivalWindow, SlotReport};
use super::range::TimeRange;
use crate::time::{End, Timestamp, Window};

/// Length of the windows in seconds, if neither the user nor a slot gives one.
const DEFAULT_SECONDS: u32 = 600;

/// Number of closed windows that are remembered, to notice one that comes again. If an input names
/// more of them, the oldest are forgotten, and a window as old as these counts as coming again.
const MAX_CLOSED: usize = 65_536;

/// Number of slots with an unreadable file that are remembered. If an input has more of them, every
/// later window is cut.
const MAX_TORN: usize = 65_536;

/// A slot of a collector, from the start of its capture file.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// The time of the slot.
    pub window: Window,
    /// Set if the collector took exports from anyone.
    pub from_anyone: bool,
}

/// The marks that a step brings: the `#end` first, then the `#window`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Transition {
    /// The closing mark of the window that is over.
    pub ended: Option<End>,
    /// The window that opens.
    pub opened: Option<Window>,
}

/// The windows of datagrams and slots, which open and close as capture files are read.
///
/// A window is cut if it comes again after it was closed, or is known to come again later; if one of
/// its files is torn, if its section has no closing block, or if the asked range of time holds only
/// a part of it.
#[derive(Debug)]
pub struct ArrivalWindows {
    /// Length of the windows: `None` for that of the slots, 0 for no windows.
    seconds: Option<u32>,
    range: TimeRange,
    scaled: bool,
    open: Option<ArrivalWindow>,
    closed: BTreeSet<Window>,
    /// The newest of the closed windows that were forgotten.
    forgotten: Option<Window>,
    /// Starts of the slots whose files could not be read.
    torn: BTreeSet<Timestamp>,
    /// More slots have unreadable files than are remembered.
    is_torn_beyond: bool,
    /// The windows of the current file come again in a later file.
    is_split: bool,
    /// The slot of the current section, if a collector wrote it.
    slot: Option<Slot>,
    /// A section of the current file has begun.
    has_section: bool,
    /// A datagram of the current section has arrived.
    has_arrival: bool,
}

impl ArrivalWindows {
    /// Returns windows of `seconds`: `None` for as long as the slots are (10 minutes without
    /// slots), 0 for no windows. Arrivals outside of `range` are not counted. `scaled`: counts are
    /// multiplied by the sampling.
    pub fn new(seconds: Option<u32>, range: TimeRange, scaled: bool) -> ArrivalWindows {
        ArrivalWindows {
            seconds,
            range,
            scaled,
            open: None,
            closed: BTreeSet::new(),
            forgotten: None,
            torn: BTreeSet::new(),
            is_torn_beyond: false,
            is_split: false,
            slot: None,
            has_section: false,
            has_arrival: false,
        }
    }

    /// Returns the window that is open.
    pub fn open_window(&mut self) -> Option<&mut ArrivalWindow> {
        self.open.as_mut()
    }

    /// Begins a file.
    pub fn begin_file(&mut self) {
        self.slot = None;
        self.has_section = false;
        self.has_arrival = false;
        self.is_split = false;
    }

    /// Says that the slot of the current file comes again in a later file, with other windows in
    /// between. Its window is cut, because neither file alone is the whole slot.
    pub fn split(&mut self) {
        self.is_split = true;
    }

    /// Begins a section of a file. The window of a collector's slot opens at once, whether a
    /// datagram arrives or not; the section of another program has no slot.
    pub fn begin_section(&mut self, slot: Option<Slot>) -> Transition {
        self.slot = slot;
        self.has_section = true;
        self.has_arrival = false;
        let Some(slot) = slot else { return Transition::default() };
        let window = match self.seconds {
            None => Some(slot.window),
            Some(0) => None,
            Some(seconds) => Some(Window::at(Timestamp::from_secs(slot.window.start()), seconds)),
        };
        let ended = self.close_unless(window);
        let Some(window) = window.filter(|&window| self.range.overlaps(window)) else {
            return Transition { ended, opened: None };
        };
        let opened = self.open(window);
        // A slot longer than its window says nothing about the window alone.
        if slot.window.seconds() <= window.seconds() {
            if let Some(open) = &mut self.open {
                open.add_slot(slot.from_anyone);
            }
        }
        if self.is_split {
            self.cut_section();
        }
        Transition { ended, opened }
    }

    /// Moves on to the window of a datagram, which arrives in the asked range. In a collector's
    /// slot that is its window already, unless the user asks for windows of another length.
    ///
    /// A datagram that is out of order by at most a window (of windows shorter than a minute, by at
    /// most a minute) does not tear its section's window in two. Time that runs back further was
    /// wrong before.
    pub fn arrive(&mut self, arrival: Timestamp) -> Transition {
        if self.slot.is_some() && self.seconds.is_none() {
            return Transition::default();
        }
        let is_first = !std::mem::replace(&mut self.has_arrival, true);
        let seconds = self.seconds.unwrap_or(DEFAULT_SECONDS);
        if seconds == 0 {
            return Transition::default();
        }
        let window = Window::at(arrival, seconds);
        let late = u64::from(seconds.max(60));
        let is_just_late = self.open.as_ref().is_some_and(|open| {
            let start = open.window().start();
            window.start() < start && start - window.start() <= late
        });
        if !is_first && is_just_late {
            return Transition::default();
        }
        let ended = self.close_unless(Some(window));
        Transition { ended, opened: self.open(window) }
    }

    /// Ends a section that broke off: its window was not seen whole.
    pub fn cut_section(&mut self) {
        if let Some(open) = &mut self.open {
            open.cut();
        }
    }

    /// Ends a section with the collector's report.
    pub fn end_section(&mut self, report: &SlotReport) {
        if let Some(open) = &mut self.open {
            open.add_report(report);
        }
    }

    /// Says that the file cannot be read on. That cuts the open window even after the report,
    /// because a wrong checksum is one of all that was read before; but only if the file has begun
    /// a section.
    pub fn damage(&mut self) {
        if self.has_section {
            self.cut_section();
        }
    }

    /// Says that a file cannot be read at all. `slot` is the start of its slot, if its name has
    /// one. The window of that slot is cut, be it open now or later.
    pub fn tear(&mut self, slot: Option<Timestamp>) {
        let Some(start) = slot else { return };
        if self.torn.len() < MAX_TORN {
            self.torn.insert(start);
        } else {
            self.is_torn_beyond |= !self.torn.contains(&start);
        }
        if let Some(open) = &mut self.open {
            if open.window().holds(start) {
                open.cut();
            }
        }
    }

    /// Closes the open window if it ends no later than the current slot: the slot is over.
    pub fn close_slot(&mut self) -> Transition {
        let is_over = |slot: Slot| {
            self.open.as_ref().is_some_and(|open| open.window().end() <= slot.window.end())
        };
        let ended = if self.slot.is_some_and(is_over) { self.close_unless(None) } else { None };
        Transition { ended, opened: None }
    }

    /// Closes the open window: the input is over.
    pub fn close(&mut self) -> Transition {
        Transition { ended: self.close_unless(None), opened: None }
    }

    /// Opens the window unless it is open, and returns it if it was opened.
    fn open(&mut self, window: Window) -> Option<Window> {
        if self.open.is_some() {
            return None;
        }
        // A window that comes again is in two pieces, and neither was seen whole.
        let comes_again = self.closed.contains(&window) || Some(window) <= self.forgotten;
        let is_torn = self.is_torn_beyond || self.holds_torn_slot(window);
        let is_cut = comes_again || is_torn || !self.range.contains(window);
        self.open = Some(ArrivalWindow::new(window, is_cut));
        Some(window)
    }

    /// Returns true if the slot of an unreadable file begins in this window.
    fn holds_torn_slot(&self, window: Window) -> bool {
        let start = Timestamp::from_secs(window.start());
        self.torn.range(start..).next().is_some_and(|&torn| window.holds(torn))
    }

    /// Closes the open window unless it is `next`.
    fn close_unless(&mut self, next: Option<Window>) -> Option<End> {
        let open = self.open.take_if(|open| Some(open.window()) != next)?;
        self.closed.insert(open.window());
        if self.closed.len() > MAX_CLOSED {
            self.forgotten = self.forgotten.max(self.closed.pop_first());
        }
        Some(open.end(self.scaled))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::WindowState;

    /// A player of events, with the marks so far: `+600` for a window that opens, `600 ok` for one
    /// that ends.
    struct Play {
        windows: ArrivalWindows,
        marks: Vec<String>,
    }

    impl Play {
        fn new(seconds: Option<u32>, range: TimeRange) -> Play {
            let mut windows = ArrivalWindows::new(seconds, range, false);
            windows.begin_file();
            Play { windows, marks: Vec::new() }
        }

        fn note(&mut self, transition: Transition) {
            if let Some(end) = transition.ended {
                let state = end.state.map_or("-", WindowState::as_str);
                self.marks.push(format!("{} {state}", end.window.unwrap().start()));
            }
            self.marks.extend(transition.opened.map(|window| format!("+{}", window.start())));
        }

        /// Begins the slot of 600 s from `start`.
        fn slot(&mut self, start: u64) -> &mut Play {
            self.windows.begin_file();
            let window = Window::new(start, 600).unwrap();
            let transition = self.windows.begin_section(Some(Slot { window, from_anyone: false }));
            self.note(transition);
            self
        }

        /// Begins a section of another program's capture.
        fn foreign(&mut self) -> &mut Play {
            self.windows.begin_file();
            let transition = self.windows.begin_section(None);
            self.note(transition);
            self
        }

        /// Lets a datagram arrive, and understands it.
        fn datagram(&mut self, arrival: u64) -> &mut Play {
            let transition = self.windows.arrive(Timestamp::from_secs(arrival));
            self.note(transition);
            if let Some(open) = self.windows.open_window() {
                open.add_datagram(true);
            }
            self
        }

        /// Ends a slot with a report that covers the time from `start` to `end`.
        fn report(&mut self, start: u64, end: u64) -> &mut Play {
            let (start, end) = (Timestamp::from_secs(start), Timestamp::from_secs(end));
            self.windows.end_section(&SlotReport { start, end, ..SlotReport::default() });
            let transition = self.windows.close_slot();
            self.note(transition);
            self
        }

        fn change(&mut self, change: impl FnOnce(&mut ArrivalWindows)) -> &mut Play {
            change(&mut self.windows);
            self
        }

        #[track_caller]
        fn expect(&mut self, marks: &[&str]) {
            let transition = self.windows.close();
            self.note(transition);
            assert_eq!(self.marks, marks);
        }
    }

    fn slots() -> Play {
        Play::new(None, TimeRange::default())
    }

    #[test]
    fn a_slot_opens_at_once_and_closes_with_its_report() {
        slots().slot(0).datagram(5).report(0, 600).expect(&["+0", "0 ok"]);
        slots().slot(0).report(0, 600).expect(&["+0", "0 nodata"]);
    }

    #[test]
    fn slots_that_follow_each_other_are_ok() {
        let mut play = slots();
        play.slot(0).datagram(5).report(0, 600).slot(600).datagram(605).report(600, 1200);
        play.expect(&["+0", "0 ok", "+600", "600 ok"]);
    }

    #[test]
    fn a_slot_that_starts_or_stops_in_the_middle_is_cut() {
        slots().slot(0).datagram(301).report(300, 600).expect(&["+0", "0 cut"]);
        slots().slot(0).datagram(5).report(0, 300).expect(&["+0", "0 cut"]);
    }

    #[test]
    fn a_slot_without_a_report_is_cut() {
        slots().slot(0).datagram(5).expect(&["+0", "0 cut"]);
        slots().slot(0).datagram(5).slot(600).report(600, 1200).expect(&[
            "+0",
            "0 cut",
            "+600",
            "600 nodata",
        ]);
    }

    #[test]
    fn a_section_that_broke_off_is_cut_whatever_its_second_file_reports() {
        let mut play = slots();
        play.slot(0).datagram(5).change(ArrivalWindows::cut_section);
        play.slot(0).datagram(6).report(0, 600).expect(&["+0", "0 cut"]);
    }

    #[test]
    fn two_files_of_a_slot_are_one_window() {
        let mut play = slots();
        play.slot(0).datagram(5);
        let report = SlotReport { end: Timestamp::from_secs(300), ..SlotReport::default() };
        play.change(|windows| windows.end_section(&report));
        play.slot(0).datagram(305).report(300, 600).expect(&["+0", "0 ok"]);
    }

    #[test]
    fn a_slot_that_comes_again_is_cut() {
        let mut play = slots();
        play.slot(0).datagram(5).report(0, 600).slot(0).datagram(5).report(0, 600);
        play.expect(&["+0", "0 ok", "+0", "0 cut"]);
    }

    #[test]
    fn a_slot_that_is_known_to_come_again_is_cut_from_the_first() {
        let mut play = slots();
        let slot = Window::new(0, 600).unwrap();
        play.change(|windows| {
            windows.begin_file();
            windows.split();
        });
        let transition =
            play.windows.begin_section(Some(Slot { window: slot, from_anyone: false }));
        play.note(transition);
        play.datagram(5).report(0, 600);
        play.slot(600).datagram(605).report(600, 1200).slot(0).datagram(5).report(0, 600);
        play.expect(&["+0", "0 cut", "+600", "600 ok", "+0", "0 cut"]);
    }

    #[test]
    fn slots_out_of_order_keep_their_states() {
        let mut play = slots();
        play.slot(600).datagram(605).report(600, 1200).slot(0).datagram(5).report(0, 600);
        play.expect(&["+600", "600 ok", "+0", "0 ok"]);
    }

    #[test]
    fn damage_behind_the_report_cuts_the_window_that_is_still_open() {
        let mut play = slots();
        play.slot(0).datagram(5);
        let report = SlotReport { end: Timestamp::from_secs(600), ..SlotReport::default() };
        play.change(|windows| {
            windows.end_section(&report);
            windows.damage();
        });
        play.expect(&["+0", "0 cut"]);
        // A file that is damaged before its first section cuts no window.
        let mut play = Play::new(Some(600), TimeRange::default());
        play.slot(0).datagram(5);
        play.change(|windows| {
            windows.end_section(&report);
            windows.begin_file();
            windows.damage();
        });
        play.expect(&["+0", "0 ok"]);
    }

    #[test]
    fn a_torn_file_cuts_its_slot_before_and_after_it_opens() {
        let tear = |windows: &mut ArrivalWindows| windows.tear(Some(Timestamp::from_secs(0)));
        slots().slot(0).datagram(5).change(tear).report(0, 600).expect(&["+0", "0 cut"]);
        slots().change(tear).slot(0).datagram(5).report(0, 600).expect(&["+0", "0 cut"]);
        let mut other = slots();
        other.change(tear).slot(600).datagram(605).report(600, 1200).expect(&["+600", "600 ok"]);
        // A torn file without a slot in its name cuts no window.
        slots()
            .slot(0)
            .datagram(5)
            .change(|windows| windows.tear(None))
            .report(0, 600)
            .expect(&["+0", "0 ok"]);
    }

    #[test]
    fn torn_files_of_several_slots_cut_all_of_these() {
        let mut play = slots();
        for start in [0, 600, 1800] {
            play.change(|windows| windows.tear(Some(Timestamp::from_secs(start))));
        }
        play.change(|windows| windows.tear(None));
        for start in [0, 600, 1200] {
            play.slot(start).datagram(start + 5).report(start, start + 600);
        }
        play.expect(&["+0", "0 cut", "+600", "600 cut", "+1200", "1200 ok"]);
    }

    #[test]
    fn beyond_the_torn_slots_that_are_remembered_every_window_is_cut() {
        let play = |count: u64| {
            let mut play = slots();
            for n in 0..count {
                let start = Timestamp::from_secs(1_000_000 + n);
                // A slot with two unreadable files counts once.
                play.change(|windows| windows.tear(Some(start)));
                play.change(|windows| windows.tear(Some(start)));
            }
            assert!(play.windows.torn.len() <= MAX_TORN);
            play.slot(0).datagram(5).report(0, 600);
            play
        };
        play(MAX_TORN as u64).expect(&["+0", "0 ok"]);
        play(MAX_TORN as u64 + 1).expect(&["+0", "0 cut"]);
    }

    #[test]
    fn another_programs_capture_has_windows_without_a_state() {
        let mut play = Play::new(None, TimeRange::default());
        play.foreign().datagram(5).datagram(700).expect(&["+0", "0 -", "+600", "600 -"]);
        Play::new(Some(0), TimeRange::default()).foreign().datagram(5).expect(&[]);
    }

    #[test]
    fn a_datagram_just_out_of_order_stays_in_the_open_window() {
        let mut play = Play::new(None, TimeRange::default());
        play.foreign().datagram(5).datagram(600).datagram(599).datagram(601);
        play.expect(&["+0", "0 -", "+600", "600 -"]);
        // By more than a window, time was wrong before.
        let mut play = Play::new(None, TimeRange::default());
        play.foreign().datagram(1200).datagram(5).expect(&["+1200", "1200 -", "+0", "0 -"]);
        // The first datagram of another file opens its own window.
        let mut play = Play::new(None, TimeRange::default());
        play.foreign().datagram(600).foreign().datagram(5);
        play.expect(&["+600", "600 -", "+0", "0 -"]);
    }

    #[test]
    fn a_capture_window_that_comes_again_is_cut() {
        let mut play = Play::new(None, TimeRange::default());
        play.foreign().datagram(5).datagram(700).foreign().datagram(6);
        play.expect(&["+0", "0 -", "+600", "600 -", "+0", "0 cut"]);
    }

    #[test]
    fn a_range_cuts_the_windows_at_its_edges() {
        let range = |since: u64, until: u64| TimeRange {
            since: Some(Timestamp::from_secs(since)),
            until: Some(Timestamp::from_secs(until)),
        };
        let play = |range| {
            let mut play = Play::new(None, range);
            play.slot(0).datagram(5).report(0, 600).slot(600).datagram(605).report(600, 1200);
            play
        };
        play(range(0, 1200)).expect(&["+0", "0 ok", "+600", "600 ok"]);
        play(range(1, 1200)).expect(&["+0", "0 cut", "+600", "600 ok"]);
        play(range(0, 1199)).expect(&["+0", "0 ok", "+600", "600 cut"]);
        play(range(0, 600)).expect(&["+0", "0 ok"]);
    }

    #[test]
    fn longer_windows_gather_slots_and_shorter_ones_have_no_state() {
        let mut play = Play::new(Some(1200), TimeRange::default());
        play.slot(0).datagram(5).report(0, 600).slot(600).datagram(605).report(600, 1200);
        play.expect(&["+0", "0 ok"]);
        let mut play = Play::new(Some(1200), TimeRange::default());
        play.slot(0).datagram(5).report(0, 600).slot(1200).report(1200, 1800);
        play.expect(&["+0", "0 cut", "+1200", "1200 cut"]);
        let mut play = Play::new(Some(300), TimeRange::default());
        play.slot(0).datagram(5).datagram(305).report(0, 600);
        play.expect(&["+0", "0 -", "+300", "300 -"]);
    }

    #[test]
    fn the_windows_that_are_remembered_are_bounded() {
        let mut windows = ArrivalWindows::new(Some(1), TimeRange::default(), false);
        windows.begin_file();
        for second in 0..=2 * MAX_CLOSED as u64 {
            _ = windows.arrive(Timestamp::from_secs(second));
        }
        assert_eq!(windows.closed.len(), MAX_CLOSED);
        // A forgotten window that comes again is no new one.
        let mut play = Play { windows, marks: Vec::new() };
        play.foreign().datagram(7);
        play.expect(&["131072 -", "+7", "7 cut"]);
    }

    /// One event of a hostile input; times are in seconds.
    #[derive(Clone, Debug)]
    enum Step {
        Slot(u64),
        Foreign,
        Datagram { arrival: u64, understood: bool },
        Report { start: u64, end: u64 },
        CloseSlot,
        CutSection,
        Damage,
        Tear(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let time = || (0u64..7).prop_map(|n| n * 300);
        prop_oneof![
            4 => (0u64..3).prop_map(|n| Step::Slot(n * 600)),
            1 => Just(Step::Foreign),
            4 => (time(), prop::bool::weighted(0.8))
                .prop_map(|(arrival, understood)| Step::Datagram { arrival, understood }),
            6 => (time(), time()).prop_map(|(start, end)| Step::Report { start, end }),
            3 => Just(Step::CloseSlot),
            1 => Just(Step::CutSection),
            1 => Just(Step::Damage),
            1 => time().prop_map(Step::Tear),
        ]
    }

    /// The facts about the open window, gathered in the simplest way.
    #[derive(Default)]
    struct Facts {
        /// The seconds that reports cover.
        covered: BTreeSet<u64>,
        is_understood: bool,
        is_cut: bool,
        has_slot: bool,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        /// Hostile files never make a window `ok` or `nodata` unless a collector's reports cover all
        /// of it but one second, and nothing of it was cut or damaged.
        #[test]
        fn only_covered_and_undamaged_windows_are_ok(
            steps in prop::collection::vec(step(), 0..40),
            seconds in prop::sample::select(vec![None, Some(600), Some(1200)]),
        ) {
            let mut windows = ArrivalWindows::new(seconds, TimeRange::default(), false);
            windows.begin_file();
            let mut facts = Facts::default();
            let mut torn = Vec::new();
            let mut steps: Vec<_> = steps.into_iter().map(Some).collect();
            // The last step is the end of the input.
            steps.push(None);
            for step in steps {
                let transition = match step {
                    None => windows.close(),
                    Some(Step::Slot(start)) => {
                        windows.begin_file();
                        let window = Window::new(start, 600).unwrap();
                        windows.begin_section(Some(Slot { window, from_anyone: false }))
                    }
                    Some(Step::Foreign) => {
                        windows.begin_file();
                        windows.begin_section(None)
                    }
                    Some(Step::Datagram { arrival, .. }) => {
                        windows.arrive(Timestamp::from_secs(arrival))
                    }
                    Some(Step::CloseSlot) => windows.close_slot(),
                    _ => Transition::default(),
                };
                if let Some(end) = transition.ended {
                    let length = end.window.unwrap().seconds() as usize;
                    let is_whole = facts.has_slot
                        && !facts.is_cut
                        && facts.covered.len() + 1 >= length;
                    match end.state {
                        Some(WindowState::Ok) => {
                            prop_assert!(is_whole && facts.is_understood, "{end:?}");
                        }
                        Some(WindowState::NoData) => prop_assert!(is_whole, "{end:?}"),
                        Some(WindowState::Cut) | None => {}
                    }
                    facts = Facts::default();
                }
                if let Some(Step::Tear(start)) = step {
                    let start = Timestamp::from_secs(start);
                    torn.push(start);
                    windows.tear(Some(start));
                }
                let Some(open) = windows.open_window() else { continue };
                facts.is_cut |= torn.iter().any(|&start| open.window().holds(start));
                match step {
                    Some(Step::Slot(_)) => facts.has_slot = true,
                    Some(Step::Datagram { understood, .. }) => {
                        open.add_datagram(understood);
                        facts.is_understood |= understood;
                    }
                    Some(Step::Report { start, end }) => {
                        let inside = |second: &u64| {
                            open.window().holds(Timestamp::from_secs(*second))
                        };
                        facts.covered.extend((start..end).filter(inside));
                        let (start, end) = (Timestamp::from_secs(start), Timestamp::from_secs(end));
                        windows.end_section(&SlotReport { start, end, ..SlotReport::default() });
                    }
                    Some(Step::CutSection) => {
                        facts.is_cut = true;
                        windows.cut_section();
                    }
                    Some(Step::Damage) => windows.damage(),
                    _ => {}
                }
            }
        }
    }
}
