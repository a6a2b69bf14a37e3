//! Packet and byte counts: in the 32 bits that a row has for them, and as they count for a rate.

use std::cmp::Reverse;

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

/// The busiest minute of one direction of a conversation, as single records show it. All fields are 0 if no record
/// shows one.
///
/// A record has its packets evenly over its duration, and in a minute if it is shorter. Records of few packets show
/// nothing: many of them are seen by their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// Packets in the minute.
    pub packets: u64,
    /// Bytes in the minute.
    pub bytes: u64,
    /// The minute in which the record began, counted from the epoch.
    pub minute: u32,
}

/// The fewest packets of a record that can show a busy minute.
const BUSY: u64 = 1000;
/// Units of a duration in a minute.
const TENS: u64 = 6;
/// The longest duration in a row, in units of ten seconds; longer records have this one.
const LONGEST: u64 = 63;

impl Peak {
    /// Returns the duration of a record in units of ten seconds, rounded up; 0 if it is not known, or if the record is
    /// too small to show a busy minute.
    #[inline]
    pub(super) fn duration(flow: &Flow) -> u32 {
        if flow.packets < BUSY { 0 } else { Peak::of_large(flow) }
    }

    #[cold]
    fn of_large(flow: &Flow) -> u32 {
        // An exporter that ends a record when it begins does not know its duration.
        let duration = flow.start.zip(flow.end).map_or(0, |(start, end)| {
            end.nanos().saturating_sub(start.nanos()).div_ceil(10_000_000_000)
        });
        duration.min(LONGEST) as u32
    }

    /// Returns the busiest minute of a record of this duration, as [`Peak::duration`] returns it, that began at `start`,
    /// in milliseconds.
    pub(super) fn of_record(packets: u64, bytes: u64, duration: u32, start: u64) -> Peak {
        let duration = u64::from(duration);
        if duration == 0 || duration == LONGEST || start == 0 {
            return Peak::default();
        }
        let part = |count: u64| count.saturating_mul(TENS) / duration.max(TENS);
        let minute = u32::try_from(start / 60_000).unwrap_or(u32::MAX);
        Peak { packets: part(packets), bytes: part(bytes), minute }
    }

    /// Adds the packets and bytes of another conversation in the same minute.
    pub fn add(&mut self, other: Peak) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Takes the place of this minute if the other one has more packets, whichever comes first.
    pub fn raise(&mut self, other: Peak) {
        let order = |peak: &Peak| (peak.packets, peak.bytes, Reverse(peak.minute));
        if order(&other) > order(self) {
            *self = other;
        }
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
    fn the_busiest_minute_of_a_record_is_that_of_its_mean_rate() {
        let peak = |start: u64, end: u64, packets| {
            let at = |millis| Some(Timestamp::from_millis(millis));
            let flow = Flow {
                start: at(start),
                end: at(end),
                packets,
                octets: packets,
                ..Flow::default()
            };
            let peak = Peak::of_record(packets, packets, Peak::duration(&flow), start);
            (peak.packets, peak.minute)
        };
        assert_eq!(peak(600_000, 660_000, 12_000), (12_000, 10));
        assert_eq!(peak(659_999, 660_000, 12_000), (12_000, 10), "shorter than a minute");
        assert_eq!(peak(600_000, 1_200_000, 12_000), (1_200, 10));
        assert_eq!(peak(600_000, 660_001, 7_000), (6_000, 10), "in whole tens of seconds");
        assert_eq!(peak(600_000, 660_000, 999), (0, 0), "few packets");
        assert_eq!(peak(600_000, 600_000, 12_000), (0, 0), "no duration");
        assert_eq!(peak(660_000, 600_000, 12_000), (0, 0), "an end before the start");
        assert_eq!(peak(600_000, 9_000_000, 12_000), (0, 0), "longer than a row can say");
    }

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
