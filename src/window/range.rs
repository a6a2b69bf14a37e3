//! A range of time that a user asks for.

use crate::time::{Timestamp, Window};

/// A range of time, from `since` to before `until`; a bound that is `None` is open.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeRange {
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The first moment behind the range.
    pub until: Option<Timestamp>,
}

impl TimeRange {
    /// Returns true if the moment lies in the range.
    pub fn holds(&self, time: Timestamp) -> bool {
        !self.is_before(time) && self.until.is_none_or(|until| time < until)
    }

    /// Returns true if the moment lies before the range.
    pub fn is_before(&self, time: Timestamp) -> bool {
        self.since.is_some_and(|since| time < since)
    }

    /// Returns true if at least one moment of the window lies in the range.
    pub fn overlaps(&self, window: Window) -> bool {
        self.since.is_none_or(|since| since < Timestamp::from_secs(window.end()))
            && self.until.is_none_or(|until| Timestamp::from_secs(window.start()) < until)
    }

    /// Returns true if the whole window lies in the range.
    pub fn contains(&self, window: Window) -> bool {
        self.since.is_none_or(|since| since <= Timestamp::from_secs(window.start()))
            && self.until.is_none_or(|until| Timestamp::from_secs(window.end()) <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_begins_at_since_and_ends_before_until() {
        let at = Timestamp::from_secs;
        let window = Window::new(600, 600).unwrap();
        let range = |since: Option<u64>, until: Option<u64>| TimeRange {
            since: since.map(at),
            until: until.map(at),
        };
        for (range, holds_600, overlaps, contains) in [
            (range(None, None), true, true, true),
            (range(Some(600), Some(1200)), true, true, true),
            (range(Some(601), None), false, true, false),
            (range(Some(1199), None), false, true, false),
            (range(Some(1200), None), false, false, false),
            (range(None, Some(1199)), true, true, false),
            (range(None, Some(601)), true, true, false),
            (range(None, Some(600)), false, false, false),
        ] {
            assert_eq!(range.holds(at(600)), holds_600, "{range:?}");
            assert_eq!(range.overlaps(window), overlaps, "{range:?}");
            assert_eq!(range.contains(window), contains, "{range:?}");
        }
        assert!(range(Some(601), None).is_before(at(600)));
        assert!(!range(None, Some(1)).is_before(at(600)));
    }
}
