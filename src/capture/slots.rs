//! The slots of a collector: which one is open, and for which part of it the sockets were listening.

use crate::time::{Timestamp, Window};

/// The slots of a collector, aligned to the epoch. The caller passes the time.
#[derive(Debug)]
pub(super) struct Slots {
    seconds: u32,
    current: Option<Current>,
    /// End of the slot before, if the sockets were listening until then.
    covered_to: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    window: Window,
    start: Timestamp,
    /// The latest moment seen in the slot.
    last: Timestamp,
}

/// The period in which the sockets were listening in a slot, or in a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReceivedSpan {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Slots {
    /// Returns slots of `seconds`, at least 1.
    pub fn new(seconds: u32) -> Slots {
        Slots { seconds: seconds.max(1), current: None, covered_to: None }
    }

    /// Returns true if the slot is over at `now`. If the clock was set back by no more than a slot's
    /// length, the slot stays open until time has caught up. A correction at its boundary must not
    /// begin a slot twice.
    pub fn due(&self, now: Timestamp) -> bool {
        self.current.is_some_and(|Current { window, .. }| {
            let is_over = now.secs() >= window.end()
                || now.secs().saturating_add(u64::from(self.seconds)) < window.start();
            // The last slot that a timestamp can express has none after it.
            is_over && Window::at(now, self.seconds) != window
        })
    }

    /// Begins the slot of `now` and returns it.
    pub fn begin(&mut self, now: Timestamp) -> Window {
        let window = Window::at(now, self.seconds);
        // The sockets have been listening since the slot before ended.
        let start = if self.covered_to == Some(window.start()) {
            Timestamp::from_secs(window.start())
        } else {
            now
        };
        self.current = Some(Current { window, start, last: now });
        window
    }

    /// Registers that the sockets are listening at `now`. Returns the arrival time for datagrams of
    /// this moment: time does not run back within a slot.
    pub fn listening_at(&mut self, now: Timestamp) -> Timestamp {
        match &mut self.current {
            Some(current) => {
                current.last = current.last.max(now);
                current.last
            }
            None => now,
        }
    }

    /// Returns the end of the open slot.
    pub fn end_of_slot(&self) -> Option<Timestamp> {
        self.current.map(|current| Timestamp::from_secs(current.window.end()))
    }

    /// Ends the open slot, at its own end or before, and returns the period in which the sockets were
    /// listening. Returns `None` if no slot is open.
    pub fn end(&mut self, now: Timestamp) -> Option<ReceivedSpan> {
        let Current { window, start, last } = self.current.take()?;
        let over = Timestamp::from_secs(window.end());
        let end = match now.secs().checked_sub(window.end()) {
            // The end is more than a slot ago: the clock was set, or the machine was suspended.
            Some(after) if after >= u64::from(self.seconds) => last,
            Some(_) => over,
            None => last.max(now),
        };
        let end = end.clamp(start, over.max(start));
        self.covered_to = (end == over).then_some(window.end());
        Some(ReceivedSpan { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a moment, in seconds after the beginning of a slot.
    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(993_946_800 + seconds)
    }

    fn span(start: u64, end: u64) -> Option<ReceivedSpan> {
        Some(ReceivedSpan { start: at(start), end: at(end) })
    }

    #[test]
    fn slots_follow_each_other_without_a_gap() {
        let mut slots = Slots::new(600);
        assert!(!slots.due(at(0)));
        assert_eq!(slots.begin(at(77)).start(), at(0).secs());
        assert!(!slots.due(at(599)) && slots.due(at(600)));
        assert_eq!(slots.end(at(603)), span(77, 600));
        // The sockets were listening all the time, so the slot is covered from its beginning.
        assert_eq!(slots.begin(at(603)).start(), at(600).secs());
        assert_eq!(slots.end(at(900)), span(600, 900));
        assert_eq!(slots.end(at(900)), None);
        // A slot that was ended early continues from there.
        assert_eq!(slots.begin(at(901)).start(), at(600).secs());
        assert_eq!(slots.end(at(1200)), span(901, 1200));
    }

    #[test]
    fn last_slot_of_all_does_not_end() {
        let mut slots = Slots::new(600);
        let never = Timestamp::from_nanos(u64::MAX);
        slots.begin(never);
        assert!(!slots.due(never) && slots.due(at(0)));
    }

    #[test]
    fn clock_may_be_set() {
        let mut slots = Slots::new(600);
        slots.begin(at(650));
        assert_eq!(slots.listening_at(at(700)), at(700));
        // Set back a little, time stands still.
        assert!(!slots.due(at(599)) && !slots.due(at(1)));
        assert_eq!(slots.listening_at(at(599)), at(700));
        assert_eq!(slots.end(at(1200)), span(650, 1200));
        // Set far back, an earlier slot begins again.
        slots.begin(at(1200));
        assert!(!slots.due(at(600)) && slots.due(at(599)));
        assert_eq!(slots.end(at(599)), span(1200, 1200));
        assert_eq!(slots.begin(at(599)).start(), at(0).secs());
        // Set far ahead, the time between is not covered.
        slots.listening_at(at(598));
        assert_eq!(slots.end(at(9000)), span(599, 599));
        assert_eq!(slots.begin(at(9000)).start(), at(9000).secs());
        assert_eq!(slots.end(at(9001)), span(9000, 9001));
    }
}
