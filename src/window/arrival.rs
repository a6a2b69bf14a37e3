//! One window of datagrams by their arrival, and its closing mark.

use crate::flow::Flow;
use crate::time::{End, Timestamp, Window, WindowState};

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;

/// Flows and datagrams that are missing by sequence numbers; `None` where nothing was numbered in
/// this unit. Negative where late datagrams fill gaps that an earlier window counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingCounts {
    /// Missing flows.
    pub flows: Option<i64>,
    /// Missing datagrams.
    pub datagrams: Option<i64>,
}

impl MissingCounts {
    fn add(&mut self, other: MissingCounts) {
        let sum = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.flows = sum(self.flows, other.flows);
        self.datagrams = sum(self.datagrams, other.datagrams);
    }
}

/// The collector's report on a slot, from the end of its capture file.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotReport {
    /// The moment from which the collector listened.
    pub start: Timestamp,
    /// The moment at which it stopped listening.
    pub end: Timestamp,
    /// Datagrams that were dropped before they could be written.
    pub dropped: u64,
    /// Missing flows and datagrams. The collector knows what came before the first datagram of a
    /// file.
    pub missing: MissingCounts,
}

/// A window of datagrams that is open.
#[derive(Debug)]
pub struct ArrivalWindow {
    window: Window,
    flows: u64,
    late: u64,
    /// Datagrams that arrived.
    datagrams: u64,
    /// Datagrams of these that could be read as one of the protocols.
    understood: u64,
    /// The largest sampling of a flow, 1 in N.
    sampling: u32,
    /// Missing by the sequence numbers that the decoder saw.
    missing: MissingCounts,
    /// Missing by the collector's reports.
    reported: MissingCounts,
    /// Drops by the collector's reports; `None` without a report.
    dropped: Option<u64>,
    /// Set if the collector took exports from anyone; `None` if this is no collector's slot.
    from_anyone: Option<bool>,
    is_cut: bool,
    /// Nanoseconds of the window in which the collector listened.
    covered: u64,
    /// The end of the last report, so that no time is covered twice.
    until: Timestamp,
}

impl ArrivalWindow {
    /// Opens a window, which is cut from the start if something of it is known to be missing.
    pub(super) fn new(window: Window, is_cut: bool) -> ArrivalWindow {
        ArrivalWindow {
            window,
            flows: 0,
            late: 0,
            datagrams: 0,
            understood: 0,
            sampling: 0,
            missing: MissingCounts::default(),
            reported: MissingCounts::default(),
            dropped: None,
            from_anyone: None,
            is_cut,
            covered: 0,
            until: Timestamp::default(),
        }
    }

    /// Returns the window's time.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Adds a datagram, which is `understood` if it could be read as one of the protocols.
    pub fn add_datagram(&mut self, understood: bool) {
        self.datagrams += 1;
        self.understood += u64::from(understood);
    }

    /// Adds flows, of which `late` came after their time, and missing numbers.
    pub fn add_flows(&mut self, flows: &[Flow], late: u64, missing: MissingCounts) {
        self.flows += flows.len() as u64;
        self.late += late;
        self.missing.add(missing);
        let sampling = flows.iter().map(|flow| flow.sampling).max().unwrap_or(0);
        self.sampling = self.sampling.max(sampling);
    }

    /// Says that something of the window was not seen.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Says that a slot of a collector lies in this window. `from_anyone`: it took exports from
    /// anyone. Datagrams that were counted before came from another program's capture, of which it
    /// is not known when it listened.
    pub(super) fn add_slot(&mut self, from_anyone: bool) {
        self.is_cut |= self.from_anyone.is_none() && self.datagrams > 0;
        self.from_anyone = self.from_anyone.max(Some(from_anyone));
    }

    /// Adds a collector's report: drops, missing numbers, and the time of the window that no
    /// earlier report covers.
    pub(super) fn add_report(&mut self, report: &SlotReport) {
        self.dropped = Some(self.dropped.unwrap_or(0).saturating_add(report.dropped));
        self.reported.add(report.missing);
        let inside = |time: Timestamp| {
            time.nanos().clamp(self.window.start() * NANOS, self.window.end() * NANOS)
        };
        let (start, end) = (inside(report.start.max(self.until)), inside(report.end));
        self.covered += end.saturating_sub(start);
        self.until = self.until.max(report.end);
    }

    /// Returns the state of the window. `None` if it is no collector's slot: another program's
    /// capture may begin or end in the middle of a window. One second may be missing, because a
    /// collector needs a moment from one file to the next.
    fn state(&self) -> Option<WindowState> {
        if self.is_cut {
            return Some(WindowState::Cut);
        }
        self.from_anyone?;
        let is_covered = self.covered + NANOS >= u64::from(self.window.seconds()) * NANOS;
        Some(if !is_covered {
            WindowState::Cut
        } else if self.datagrams == 0 {
            WindowState::NoData
        } else if self.understood == 0 {
            // Exports came, but none could be understood.
            WindowState::Cut
        } else {
            WindowState::Ok
        })
    }

    /// Returns the closing mark; `scaled` if counts were multiplied by the sampling.
    pub(super) fn end(&self, scaled: bool) -> End {
        let cover = u32::try_from((self.covered + NANOS / 2) / NANOS).ok();
        let missing = |n: i64| u64::try_from(n).unwrap_or(0);
        let larger = |a: Option<i64>, b: Option<i64>| a.map(missing).max(b.map(missing));
        // Dropped datagrams are missing by number too, so a sum would count them twice.
        let lost_datagrams =
            larger(self.missing.datagrams, self.reported.datagrams).max(self.dropped);
        End {
            window: Some(self.window),
            flows: Some(self.flows),
            late: Some(self.late),
            lost_flows: larger(self.missing.flows, self.reported.flows),
            lost_datagrams,
            sampling: (self.sampling > 0).then_some(self.sampling),
            scaled: Some(scaled),
            cover: cover.filter(|_| self.from_anyone.is_some() && self.dropped.is_some()),
            open: self.from_anyone,
            state: self.state(),
            ..End::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> ArrivalWindow {
        ArrivalWindow::new(Window::new(600, 600).unwrap(), false)
    }

    /// Returns a window in a slot, with a collector that listened from `start` to `end`, in
    /// milliseconds.
    fn covered(start: u64, end: u64) -> ArrivalWindow {
        let mut window = open();
        window.add_slot(false);
        window.add_report(&report(start, end));
        window
    }

    fn report(start: u64, end: u64) -> SlotReport {
        let (start, end) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
        SlotReport { start, end, ..SlotReport::default() }
    }

    fn state(change: impl FnOnce(&mut ArrivalWindow)) -> Option<WindowState> {
        let mut window = covered(600_000, 1_200_000);
        change(&mut window);
        window.end(false).state
    }

    #[test]
    fn a_covered_window_with_an_understood_datagram_is_ok() {
        assert_eq!(state(|window| window.add_datagram(true)), Some(WindowState::Ok));
        let mixed = state(|window| (0..9).for_each(|n| window.add_datagram(n == 5)));
        assert_eq!(mixed, Some(WindowState::Ok));
    }

    #[test]
    fn a_covered_window_without_datagrams_has_no_data() {
        assert_eq!(state(|_| ()), Some(WindowState::NoData));
    }

    #[test]
    fn a_window_of_datagrams_that_nobody_understands_is_cut() {
        assert_eq!(state(|window| window.add_datagram(false)), Some(WindowState::Cut));
    }

    #[test]
    fn a_cut_wins_over_everything() {
        assert_eq!(state(ArrivalWindow::cut), Some(WindowState::Cut));
        let cut = state(|window| {
            window.cut();
            window.add_datagram(true);
        });
        assert_eq!(cut, Some(WindowState::Cut));
        let mut never_covered = ArrivalWindow::new(Window::new(600, 600).unwrap(), true);
        never_covered.add_datagram(true);
        assert_eq!(never_covered.end(false).state, Some(WindowState::Cut));
    }

    #[test]
    fn another_programs_capture_has_no_state() {
        let mut window = open();
        window.add_datagram(true);
        assert_eq!(window.end(false).state, None);
        // A collector's slot behind it does not vouch for the datagrams before.
        window.add_slot(false);
        window.add_report(&report(600_000, 1_200_000));
        assert_eq!(window.end(false).state, Some(WindowState::Cut));
    }

    #[test]
    fn at_most_one_second_may_be_uncovered() {
        for (start, end, expected) in [
            (600_000, 1_199_000, WindowState::Ok),
            (601_000, 1_200_000, WindowState::Ok),
            (600_000, 1_198_999, WindowState::Cut),
            (601_001, 1_200_000, WindowState::Cut),
            (0, 9_000_000, WindowState::Ok),
            // Not a moment of it, and a report that runs backwards.
            (0, 600_000, WindowState::Cut),
            (1_200_000, 600_000, WindowState::Cut),
        ] {
            let mut window = covered(start, end);
            window.add_datagram(true);
            assert_eq!(window.end(false).state, Some(expected), "{start} to {end}");
            let expected = if expected == WindowState::Ok { WindowState::NoData } else { expected };
            assert_eq!(covered(start, end).end(false).state, Some(expected), "{start} to {end}");
        }
    }

    #[test]
    fn two_reports_cover_a_second_once() {
        let mut window = covered(600_000, 900_000);
        window.add_report(&report(600_000, 900_000));
        window.add_datagram(true);
        let end = window.end(false);
        assert_eq!((end.cover, end.state), (Some(300), Some(WindowState::Cut)));
        window.add_report(&report(900_000, 1_200_000));
        let end = window.end(false);
        assert_eq!((end.cover, end.state), (Some(600), Some(WindowState::Ok)));
    }

    #[test]
    fn a_gap_between_two_reports_cuts_the_window() {
        let mut window = covered(600_000, 800_000);
        window.add_report(&report(802_000, 1_200_000));
        window.add_datagram(true);
        let end = window.end(false);
        assert_eq!((end.cover, end.state), (Some(598), Some(WindowState::Cut)));
    }

    #[test]
    fn losses_are_the_larger_of_what_decoder_and_collector_saw() {
        let mut window = covered(600_000, 1_200_000);
        let flows = [Flow { sampling: 10, ..Flow::default() }, Flow::default()];
        window.add_flows(&flows, 1, MissingCounts { flows: Some(5), datagrams: Some(-2) });
        let missing = MissingCounts { flows: Some(3), datagrams: None };
        window.add_report(&SlotReport { dropped: 7, missing, ..SlotReport::default() });
        let end = window.end(true);
        assert_eq!((end.flows, end.late, end.sampling), (Some(2), Some(1), Some(10)));
        assert_eq!((end.lost_flows, end.lost_datagrams), (Some(5), Some(7)));
        assert_eq!((end.scaled, end.open), (Some(true), Some(false)));
        // Late datagrams that fill an earlier window's gap make no loss negative.
        let mut window = open();
        window.add_flows(&[], 0, MissingCounts { flows: None, datagrams: Some(-2) });
        let end = window.end(false);
        assert_eq!((end.lost_flows, end.lost_datagrams), (None, Some(0)));
        assert_eq!((end.cover, end.open, end.sampling), (None, None, None));
    }
}
