//! The marks of one window, which may be made of several marked parts.

use super::end::merge;
use crate::time::{End, Window, WindowState};

/// The sum of the marks that lie in one window.
#[derive(Default)]
pub(super) struct MarkedParts {
    /// The part that is open, as the input marked it: a window, or the unknown one.
    open: Option<Option<Window>>,
    /// All `#end`s so far, merged.
    sum: Option<End>,
    /// Set once a part had no `#end` or no `#window` of its own, or the input broke off.
    is_cut: bool,
    /// Seconds covered by parts that have ended, if they came in order.
    covered: u32,
    /// End of the last part, in Unix seconds.
    until: u64,
}

impl MarkedParts {
    /// Returns true if a part is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Returns true if this part is open.
    pub fn has_open(&self, part: Option<Window>) -> bool {
        self.open == Some(part)
    }

    /// Opens a part. If another part is still open, that one has no `#end`, so the window is cut. A
    /// second `#window` of the open part continues it.
    pub fn open(&mut self, part: Option<Window>) {
        self.is_cut |= self.open.is_some_and(|open| open != part);
        self.open = Some(part);
    }

    /// Says that something of the window was not seen.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Ends the open part. Parts that overlap an earlier one, or come before it, cover nothing.
    pub fn close(&mut self, end: &End) {
        if let Some(part) = self.open.take().flatten().filter(|part| part.start() >= self.until) {
            self.covered = self.covered.saturating_add(part.seconds());
            self.until = part.end();
        }
        self.sum = Some(match self.sum.take() {
            None => end.clone(),
            Some(sum) => merge(sum, end),
        });
    }

    /// Returns the closing mark of the whole window, in which `flows` rows were read. The state is
    /// `cut` if anything is missing: an `#end`, a `#window`, or a second that no part covers.
    pub fn into_end(self, window: Option<Window>, flows: u64) -> End {
        let is_covered = window.is_none_or(|window| self.covered == window.seconds());
        let sum = self.sum.unwrap_or_default();
        if self.is_cut || self.open.is_some() || !is_covered {
            End { window, flows: Some(flows), state: Some(WindowState::Cut), ..sum }
        } else {
            End { window, ..sum }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: u64, seconds: u32) -> Option<Window> {
        Some(Window::new(start, seconds).unwrap())
    }

    fn end(window: Option<Window>, state: WindowState) -> End {
        End { window, flows: Some(1), state: Some(state), ..End::default() }
    }

    /// Opens and ends each part with `state=ok` and returns the state of the window of 600 s from
    /// 0.
    fn state_of(parts: &[Option<Window>]) -> Option<WindowState> {
        let mut marks = MarkedParts::default();
        for part in parts {
            marks.open(*part);
            marks.close(&end(*part, WindowState::Ok));
        }
        marks.into_end(part(0, 600), 0).state
    }

    #[test]
    fn parts_that_tile_the_window_are_ok() {
        assert_eq!(state_of(&[part(0, 600)]), Some(WindowState::Ok));
        assert_eq!(state_of(&[part(0, 300), part(300, 300)]), Some(WindowState::Ok));
    }

    #[test]
    fn a_gap_or_an_overlap_between_parts_cuts_the_window() {
        for parts in [
            vec![part(0, 300)],
            vec![part(300, 300)],
            vec![part(0, 200), part(400, 200)],
            vec![part(0, 300), part(0, 300)],
            vec![part(0, 400), part(300, 300)],
            vec![None],
        ] {
            assert_eq!(state_of(&parts), Some(WindowState::Cut), "{parts:?}");
        }
    }

    #[test]
    fn seconds_that_come_again_are_covered_once() {
        let parts = [part(0, 600), part(300, 300), part(0, 600)];
        assert_eq!(state_of(&parts), Some(WindowState::Ok));
    }

    #[test]
    fn parts_out_of_order_cut_the_window() {
        assert_eq!(state_of(&[part(300, 300), part(0, 300)]), Some(WindowState::Cut));
    }

    #[test]
    fn a_part_without_its_end_cuts_the_window_for_good() {
        let mut marks = MarkedParts::default();
        marks.open(part(0, 300));
        marks.open(part(300, 300));
        marks.close(&end(part(300, 300), WindowState::Ok));
        marks.open(part(0, 300));
        marks.close(&end(part(0, 300), WindowState::Ok));
        assert_eq!(marks.into_end(part(0, 600), 0).state, Some(WindowState::Cut));
    }

    #[test]
    fn a_part_that_is_still_open_cuts_the_window() {
        let mut marks = MarkedParts::default();
        marks.open(part(0, 600));
        marks.close(&end(part(0, 600), WindowState::Ok));
        marks.open(part(0, 600));
        assert!(marks.is_open() && marks.has_open(part(0, 600)));
        let end = marks.into_end(part(0, 600), 7);
        assert_eq!((end.flows, end.state), (Some(7), Some(WindowState::Cut)));
    }

    #[test]
    fn a_second_window_mark_continues_the_part() {
        let mut marks = MarkedParts::default();
        marks.open(part(0, 600));
        marks.open(part(0, 600));
        marks.close(&end(part(0, 600), WindowState::NoData));
        assert_eq!(marks.into_end(part(0, 600), 0).state, Some(WindowState::NoData));
    }

    #[test]
    fn a_cut_stays_a_cut() {
        let mut marks = MarkedParts::default();
        marks.open(part(0, 600));
        marks.cut();
        marks.close(&end(part(0, 600), WindowState::Ok));
        assert_eq!(marks.into_end(part(0, 600), 0).state, Some(WindowState::Cut));
    }

    #[test]
    fn an_end_without_a_state_gives_none() {
        let mut marks = MarkedParts::default();
        marks.open(part(0, 600));
        marks.close(&End { window: part(0, 600), ..End::default() });
        assert_eq!(marks.into_end(part(0, 600), 0).state, None);
    }
}
