//! Slots by the clock: which is open, and how much of it somebody listened.

use crate::time::{Timestamp, Window};

/// The slots of a collector, aligned to the epoch. Knows no clock: it is told the time.
#[derive(Debug)]
pub(super) struct Slots {
    seconds: u32,
    current: Option<Current>,
    /// Where the slot before ended, if it was heard to its end.
    heard_to: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    window: Window,
    start: Timestamp,
    /// The latest moment seen in it.
    last: Timestamp,
}

/// From when to when a slot, or a part of one, was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReceivedSpan {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Slots {
    /// Slots of `seconds`, at least one.
    pub fn new(seconds: u32) -> Slots {
        Slots { seconds: seconds.max(1), current: None, heard_to: None }
    }

    /// Whether the slot is over at `now`. A clock that was set back by no more than a slot's length
    /// ends nothing: time stands still until it has caught up, so that no slot is begun twice for a
    /// correction at its boundary.
    pub fn due(&self, now: Timestamp) -> bool {
        self.current.is_some_and(|Current { window, .. }| {
            let is_over = now.secs() >= window.end()
                || now.secs().saturating_add(u64::from(self.seconds)) < window.start();
            // The last slot of all has no other one behind it.
            is_over && Window::at(now, self.seconds) != window
        })
    }

    /// Begins the slot of `now`.
    pub fn begin(&mut self, now: Timestamp) -> Window {
        let window = Window::at(now, self.seconds);
        // The sockets were listening since the slot before ended.
        let start = match self.heard_to == Some(window.start()) {
            true => Timestamp::from_secs(window.start()),
            false => now,
        };
        self.current = Some(Current { window, start, last: now });
        window
    }

    /// Somebody listens at `now`. Returns the moment for what arrives: time does not run back within
    /// a slot.
    pub fn heard(&mut self, now: Timestamp) -> Timestamp {
        match &mut self.current {
            Some(current) => {
                current.last = current.last.max(now);
                current.last
            }
            None => now,
        }
    }

    /// When the slot ends.
    pub fn end_of_slot(&self) -> Option<Timestamp> {
        self.current.map(|current| Timestamp::from_secs(current.window.end()))
    }

    /// Ends the slot, at its own end or before. `None` if none is open.
    pub fn end(&mut self, now: Timestamp) -> Option<ReceivedSpan> {
        let Current { window, start, last } = self.current.take()?;
        let over = Timestamp::from_secs(window.end());
        let end = match now.secs().checked_sub(window.end()) {
            // Longer than a slot ago: the clock was set, or the machine slept.
            Some(after) if after >= u64::from(self.seconds) => last,
            Some(_) => over,
            None => last.max(now),
        };
        let end = end.clamp(start, over.max(start));
        self.heard_to = (end == over).then_some(window.end());
        Some(ReceivedSpan { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds behind a whole ten minutes.
    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(993_946_800 + seconds)
    }

    fn heard(start: u64, end: u64) -> Option<ReceivedSpan> {
        Some(ReceivedSpan { start: at(start), end: at(end) })
    }

    #[test]
    fn slots_follow_each_other_without_a_gap() {
        let mut slots = Slots::new(600);
        assert!(!slots.due(at(0)));
        assert_eq!(slots.begin(at(77)).start(), at(0).secs());
        assert!(!slots.due(at(599)) && slots.due(at(600)));
        assert_eq!(slots.end(at(603)), heard(77, 600));
        // Somebody listened all the time, so it is whole.
        assert_eq!(slots.begin(at(603)).start(), at(600).secs());
        assert_eq!(slots.end(at(900)), heard(600, 900));
        assert_eq!(slots.end(at(900)), None);
        // Ended before its time: the rest of it begins where it was ended.
        assert_eq!(slots.begin(at(901)).start(), at(600).secs());
        assert_eq!(slots.end(at(1200)), heard(901, 1200));
    }

    #[test]
    fn the_last_slot_of_all_does_not_end() {
        let mut slots = Slots::new(600);
        let never = Timestamp::from_nanos(u64::MAX);
        slots.begin(never);
        assert!(!slots.due(never) && slots.due(at(0)));
    }

    #[test]
    fn a_clock_that_is_set() {
        let mut slots = Slots::new(600);
        slots.begin(at(650));
        assert_eq!(slots.heard(at(700)), at(700));
        // Back a little: time stands still.
        assert!(!slots.due(at(599)) && !slots.due(at(1)));
        assert_eq!(slots.heard(at(599)), at(700));
        assert_eq!(slots.end(at(1200)), heard(650, 1200));
        // Far back: an earlier slot again.
        slots.begin(at(1200));
        assert!(!slots.due(at(600)) && slots.due(at(599)));
        assert_eq!(slots.end(at(599)), heard(1200, 1200));
        assert_eq!(slots.begin(at(599)).start(), at(0).secs());
        // Far ahead: nobody knows what was heard meanwhile.
        slots.heard(at(598));
        assert_eq!(slots.end(at(9000)), heard(599, 599));
        assert_eq!(slots.begin(at(9000)).start(), at(9000).secs());
        assert_eq!(slots.end(at(9001)), heard(9000, 9001));
    }
}
