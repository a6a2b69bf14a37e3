//! Packet and byte counts: in the 32 bits that a row has for them, and as they count for a rate.

use crate::flow::Flow;

/// The least count that is rounded.
const EXACT: u64 = 1 << 31;
/// Bits that rounding drops: steps of 4096, which is two millionths of the least rounded count.
const STEP: u32 = 12;

/// Packs a count into 32 bits. [`widen`] undoes it.
///
/// Counts below 2^31 stay exact. Larger ones are rounded down to a multiple of 4096, and limited to 2^43,
/// which is 8 TiB of one flow. The packed numbers have the same order as the counts.
#[inline]
pub fn narrow(count: u64) -> u32 {
    if count < EXACT { count as u32 } else { EXACT as u32 | (count >> STEP).min(EXACT - 1) as u32 }
}

/// The packets and bytes that count for a rate over one window.
///
/// A record that lasts longer than the window has packets of earlier windows too. It counts for
/// `packets × window ÷ (end − start)`, wherever the record lies on the clock: exporters report a long flow
/// late, and some only when it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerWindow {
    /// Number of packets.
    pub packets: u64,
    /// Number of bytes.
    pub bytes: u64,
}

impl PerWindow {
    /// No packets and no bytes.
    pub const NONE: PerWindow = PerWindow { packets: 0, bytes: 0 };

    /// Returns the part of a record that counts for a rate, or `None` if the record counts whole: it is no
    /// longer than `window` nanoseconds, has no start or no end, or ends before it starts. The part is
    /// rounded up, so that every record counts for something.
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
        PerWindow { packets: part(flow.packets), bytes: part(flow.octets) }
    }

    /// Adds the counts of `other`; a sum that is too large stays at the maximum.
    pub fn add(&mut self, other: PerWindow) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Returns the count that [`narrow`] packed.
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
            PerWindow::of_long(&flow, 600_000_000_000).map(|part| (part.packets, part.bytes))
        };
        assert_eq!(part(secs(1000), secs(1600), 600), None, "as long as the window");
        assert_eq!(part(secs(1000), secs(1601), 601), Some((600, 60_000)));
        assert_eq!(part(secs(1000), secs(1599), 600), None);
        let later = Some(Timestamp::from_secs(1600).offset(1));
        assert_eq!(part(secs(1000), later, 600), Some((600, 60_000)), "rounded up");
        assert_eq!(part(secs(1000), secs(1000 + 2_592_000), 2_592_000), Some((600, 60_000)));
        assert_eq!(part(secs(1000), secs(1000 + 2_592_000), 1), Some((1, 1)), "never 0");
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
    fn large_counts_are_rounded_down() {
        for (count, expected) in [
            (0, 0),
            (EXACT - 1, EXACT - 1),
            (EXACT, EXACT),
            (75_000_000_001, 75_000_000_000 / 4096 * 4096),
            (u64::MAX, (EXACT - 1) << STEP),
        ] {
            assert_eq!(widen(narrow(count)), expected, "{count}");
        }
    }

    proptest! {
        #[test]
        fn packing_is_stable_rounds_down_and_keeps_the_order(count: u32, other: u64) {
            prop_assert_eq!(widen(narrow(widen(narrow(other)))), widen(narrow(other)));
            prop_assert!(widen(narrow(other)) <= other);
            prop_assert!(narrow(u64::from(count)) <= narrow(u64::from(count) + 1));
        }
    }
}
