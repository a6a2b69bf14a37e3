//! Packets and octets: in 32 bits of a row, and as a rate counts them.

use crate::flow::Flow;

/// Above this a count is held in steps.
const EXACT: u64 = 1 << 31;
/// Bits of a step: 4096, two millionths of the least count that has any.
const STEP: u32 = 12;

/// A count as a row holds it: up to 2^31 as it is, above rounded down to 4096; 2^43 at most, 8 TiB of one
/// flow.
#[inline]
pub fn narrow(count: u64) -> u32 {
    match count < EXACT {
        true => count as u32,
        false => EXACT as u32 | (count >> STEP).min(EXACT - 1) as u32,
    }
}

/// Packets and bytes as a rate over one window counts them.
///
/// A record that lasts longer than the window carries packets of earlier windows too. Of these, a rate
/// counts `packets × window ÷ (end − start)`, wherever the record lies on the clock: exporters report a
/// long flow late, and some only when it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerWindow {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub octets: u64,
}

impl PerWindow {
    /// Nothing.
    pub const NONE: PerWindow = PerWindow { packets: 0, octets: 0 };

    /// Returns the part of a record that a rate counts, or `None` if it counts whole: it is no longer than
    /// `window`, in nanoseconds, or has no start or no end, or ends before it starts. A part is rounded up,
    /// so that no record counts as nothing.
    #[inline]
    pub fn of_long(flow: &Flow, window: u64) -> Option<PerWindow> {
        let (start, end) = flow.start.zip(flow.end)?;
        let duration = end.nanos().saturating_sub(start.nanos());
        if duration <= window { None } else { Some(PerWindow::part(flow, window, duration)) }
    }

    #[cold]
    fn part(flow: &Flow, window: u64, duration: u64) -> PerWindow {
        let part = |count: u64| {
            (u128::from(count) * u128::from(window)).div_ceil(u128::from(duration)) as u64
        };
        PerWindow { packets: part(flow.packets), octets: part(flow.octets) }
    }

    /// Adds other traffic.
    pub fn add(&mut self, other: PerWindow) {
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
    }
}

/// The count that a row holds.
#[inline]
pub fn widen(count: u32) -> u64 {
    let count = u64::from(count);
    if count < EXACT { count } else { (count - EXACT) << STEP }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    #[test]
    fn a_record_longer_than_the_window_counts_in_part() {
        let secs = |seconds| Some(Timestamp::from_secs(seconds));
        let part = |start, end, packets| {
            let flow = Flow { start, end, packets, octets: packets * 100, ..Flow::default() };
            PerWindow::of_long(&flow, 600_000_000_000).map(|part| (part.packets, part.octets))
        };
        assert_eq!(part(secs(1000), secs(1600), 600), None, "as long as the window");
        assert_eq!(part(secs(1000), secs(1601), 601), Some((600, 60_000)));
        assert_eq!(part(secs(1000), secs(1599), 600), None);
        let later = Some(Timestamp::from_secs(1600).offset(1));
        assert_eq!(part(secs(1000), later, 600), Some((600, 60_000)), "rounded up");
        assert_eq!(part(secs(1000), secs(1000 + 2_592_000), 2_592_000), Some((600, 60_000)));
        assert_eq!(part(secs(1000), secs(1000 + 2_592_000), 1), Some((1, 1)), "never nothing");
        for (start, end) in [(secs(5000), secs(1000)), (secs(7), secs(7)), (None, secs(9999))] {
            assert_eq!(part(start, end, 9), None, "{start:?} {end:?}");
        }
        assert_eq!(part(secs(1), None, 9), None);
        let all = Flow {
            packets: u64::MAX,
            octets: u64::MAX,
            start: Some(Timestamp::from_secs(0)),
            end: Some(Timestamp::from_nanos(u64::MAX)),
            ..Flow::default()
        };
        let part = PerWindow::of_long(&all, 600_000_000_000).unwrap();
        assert_eq!(part.packets, 600_000_000_000, "no overflow");
    }

    #[test]
    fn large_counts_are_held_in_steps() {
        for (count, held) in [
            (0, 0),
            (EXACT - 1, EXACT - 1),
            (EXACT, EXACT),
            (75_000_000_001, 75_000_000_000 / 4096 * 4096),
            (u64::MAX, (EXACT - 1) << STEP),
        ] {
            assert_eq!(widen(narrow(count)), held, "{count}");
        }
    }

    proptest! {
        #[test]
        fn what_was_held_is_held_the_same(count: u32, other: u64) {
            prop_assert_eq!(widen(narrow(widen(narrow(other)))), widen(narrow(other)));
            prop_assert!(widen(narrow(other)) <= other);
            prop_assert!(narrow(u64::from(count)) <= narrow(u64::from(count) + 1));
        }
    }
}
