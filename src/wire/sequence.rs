//! Losses, by the sequence numbers of one domain.
//!
//! v5, v7 and IPFIX number flows (IPFIX: data records, RFC 7011 section 3.1); v9 (RFC 3954 section
//! 5.1) and sFlow number datagrams. A gap is a loss, unless the exporter was restarted or the number
//! is forged or corrupt. As in RFC 3550 appendix A.1 for RTP, a number that is far off is believed
//! only if the next datagram continues from it. So neither a restart nor a forged datagram counts as
//! a loss.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// The largest step ahead that is always believed to be a loss, whatever the time between.
const AHEAD: u32 = 1 << 20;

/// A larger step ahead is believed if it is at most this many times the pace of the domain so far.
const PACE: u64 = 16;

/// The largest difference in nanoseconds between two start times of the same run. Exporters state
/// the time in whole seconds, and read two clocks.
const START: u64 = 5_000_000_000;

/// The period of sysUpTime in nanoseconds: 2^32 milliseconds.
const WRAP: u64 = (1 << 32) * 1_000_000;

/// Number of gaps that are remembered for late datagrams. The oldest gap is forgotten first.
const GAPS: usize = 64;

/// A datagram at most this far behind, from an exporter that has not restarted, is reordered or
/// duplicated.
const BEHIND: u32 = 1 << 16;

/// The meaning of a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceStep {
    /// The next number, the first one, or one that says nothing.
    Next,
    /// This many are missing before the datagram.
    Lost(u32),
    /// This many that were counted as missing have arrived late.
    Found(u32),
    /// The datagram arrived before, or its gap was forgotten.
    Again,
    /// The exporter was restarted.
    Restart,
}

/// The unit of an exporter's sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Datagrams: v9, sFlow.
    Datagrams,
    /// Data records: v5, v7; IPFIX, whose options data records count too.
    Records,
    /// Data records without options data records.
    Flows,
}

/// The way an exporter numbers its datagrams. By the specifications the number counts everything
/// before the datagram. Some exporters include the datagram itself (softflowd in IPFIX, which leaves
/// out options); some count datagrams in IPFIX or records in v9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub unit: Unit,
    /// The number includes the contents of the datagram itself.
    pub inclusive: bool,
}

impl Numbering {
    const ALL: [Numbering; 6] = [
        Numbering::by_specification(Unit::Records),
        Numbering::by_specification(Unit::Flows),
        Numbering { unit: Unit::Records, inclusive: true },
        Numbering { unit: Unit::Flows, inclusive: true },
        Numbering::by_specification(Unit::Datagrams),
        Numbering { unit: Unit::Datagrams, inclusive: true },
    ];

    /// Returns the numbering of a protocol's specification.
    pub const fn by_specification(unit: Unit) -> Numbering {
        Numbering { unit, inclusive: false }
    }

    /// Returns the numberings by which `datagram` follows `before`, as bits in the order of
    /// [`ALL`](Numbering::ALL).
    #[inline]
    fn fitting(before: &Numbered, datagram: &Numbered) -> u8 {
        let fits = Numbering::ALL
            .iter()
            .enumerate()
            .map(|(n, numbering)| (datagram.follows(before, *numbering) as u8) << n);
        fits.fold(0, |all, bit| all | bit)
    }

    /// Returns the first of a set of bits.
    fn first(bits: u8) -> Option<Numbering> {
        Numbering::ALL.get(bits.trailing_zeros() as usize).copied()
    }

    /// Returns the numbers of datagrams that come directly before the number `next`. `options` has
    /// for each of them the number of its options data records; they have no other data records.
    pub fn before(self, next: u32, options: &[u32]) -> Vec<u32> {
        let count = |&records: &u32| match self.unit {
            Unit::Datagrams => 1,
            Unit::Records => records,
            Unit::Flows => 0,
        };
        let total = options.iter().map(count).fold(0, u32::wrapping_add);
        let mut begin = next.wrapping_sub(total);
        let numbers = options.iter().map(|records| {
            let end = begin.wrapping_add(count(records));
            let begin = std::mem::replace(&mut begin, end);
            if self.inclusive { end } else { begin }
        });
        numbers.collect()
    }
}

/// A datagram, as far as its sequence number is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    /// The number in the header.
    pub number: u32,
    /// Number of data records. `None` if they could not be counted, or the protocol never counts
    /// them.
    pub records: Option<u32>,
    /// Number of data records without options data records; `None` as for `records`.
    pub flows: Option<u32>,
    /// Export time.
    pub sent: Timestamp,
    /// Start of the exporter, if the header states it.
    pub start: Option<Timestamp>,
}

impl Numbered {
    /// Returns the contents of the datagram in this unit.
    const fn count(&self, unit: Unit) -> Option<u32> {
        match unit {
            Unit::Datagrams => Some(1),
            Unit::Records => self.records,
            Unit::Flows => self.flows,
        }
    }

    /// Returns the number of the first item in the datagram, and the one after the last.
    fn span(&self, numbering: Numbering) -> Option<(u32, u32)> {
        let count = self.count(numbering.unit)?;
        Some(if numbering.inclusive {
            (self.number.wrapping_sub(count), self.number)
        } else {
            (self.number, self.number.wrapping_add(count))
        })
    }

    /// Returns true if the exporter was started between `before` and this datagram, by the headers.
    fn is_restarted_after(&self, before: &Numbered) -> bool {
        let (Some(before), Some(now)) = (before.start, self.start) else { return false };
        let apart = before.nanos().abs_diff(now.nanos()) % WRAP;
        apart.min(WRAP - apart) > START
    }

    /// Returns true if the datagram directly follows `before`.
    #[inline]
    fn follows(&self, before: &Numbered, numbering: Numbering) -> bool {
        let counts = (before.count(numbering.unit), self.count(numbering.unit));
        let (Some(before_count), Some(count)) = counts else { return false };
        let step = if numbering.inclusive { count } else { before_count };
        self.number == before.number.wrapping_add(step)
    }
}

/// Other numberings that explain a datagram which the current one does not.
#[derive(Clone, Copy, Debug)]
struct RivalNumbering {
    at: Numbered,
    /// Numberings, as bits.
    numberings: u8,
    /// Number that was reported as lost before the datagram.
    lost: u32,
}

/// A range of numbers that are missing.
#[derive(Clone, Copy, Debug)]
struct Gap {
    begin: u32,
    len: u32,
}

/// The sequence of one domain. Numbers wrap at 2^32.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    numbering: Numbering,
    /// The numberings that explain every datagram so far as well as the current one, as bits.
    possible: u8,
    /// Set if other numberings explain the last datagram and the current one does not. If the next
    /// datagram follows by one of them too, the exporter uses that one, and the loss that was
    /// reported is taken back.
    rival: Option<RivalNumbering>,
    last: Option<Numbered>,
    /// A datagram whose number was far off.
    far_off: Option<Numbered>,
    /// Export time of the first datagram of this run.
    first: Timestamp,
    /// Latest export time of this run.
    latest: Timestamp,
    /// Distance that the numbers covered in that time.
    run: u64,
    /// Gaps, oldest first.
    gaps: VecDeque<Gap>,
}

impl Sequence {
    /// Creates a sequence of an exporter that is expected to use `numbering`.
    pub fn new(numbering: Numbering) -> Sequence {
        Sequence {
            numbering,
            possible: u8::MAX,
            rival: None,
            last: None,
            far_off: None,
            first: Timestamp::default(),
            latest: Timestamp::default(),
            run: 0,
            gaps: VecDeque::new(),
        }
    }

    /// Returns the unit of the numbers.
    pub const fn unit(&self) -> Unit {
        self.numbering.unit
    }

    /// Returns the numbering, and the number of the first item in the next datagram. If the contents
    /// of the last datagram could not be counted, it is the number of that datagram itself.
    pub fn next(&self) -> Option<(Numbering, u32)> {
        let last = self.last.as_ref()?;
        let next = last.span(self.numbering).map_or(last.number, |(_, end)| end);
        Some((self.numbering, next))
    }

    /// Takes the next datagram, and returns what its number means.
    #[inline]
    pub fn take(&mut self, datagram: Numbered) -> SequenceStep {
        let Some(last) = &self.last else {
            self.begin(datagram);
            return SequenceStep::Next;
        };
        let datagram = Numbered { start: datagram.start.or(last.start), ..datagram };
        let fitting = Numbering::fitting(last, &datagram) & self.possible;
        if !datagram.follows(last, self.numbering) {
            return self.take_unexpected(datagram, *last, fitting);
        }
        self.possible = fitting;
        (self.far_off, self.rival) = (None, None);
        self.advance(datagram, 0);
        SequenceStep::Next
    }

    /// Takes a datagram that does not follow the last one by the current numbering. `fitting` are
    /// the numberings by which it does.
    #[cold]
    fn take_unexpected(&mut self, datagram: Numbered, last: Numbered, fitting: u8) -> SequenceStep {
        let (far_off, rival) = (self.far_off.take(), self.rival.take());
        if let Some(RivalNumbering { at, numberings, lost }) = rival {
            let confirmed = Numbering::fitting(&at, &datagram) & numberings;
            if let Some(numbering) = Numbering::first(confirmed) {
                (self.numbering, self.possible) = (numbering, confirmed);
                self.advance(datagram, 0);
                return if lost > 0 { SequenceStep::Found(lost) } else { SequenceStep::Next };
            }
        }
        let step = self.jump(datagram, last, far_off);
        // A datagram that arrives twice says nothing about the numbering.
        if fitting != 0 && datagram.number != last.number {
            let lost = if let SequenceStep::Lost(lost) = step { lost } else { 0 };
            self.rival = Some(RivalNumbering { at: datagram, numberings: fitting, lost });
        }
        step
    }

    /// Takes a datagram that does not follow the last one, when the numbering is certain.
    fn jump(
        &mut self,
        datagram: Numbered,
        last: Numbered,
        far_off: Option<Numbered>,
    ) -> SequenceStep {
        // If the contents of a datagram cannot be counted, the next number is unknown.
        let spans = (last.span(self.numbering), datagram.span(self.numbering));
        let (Some((_, next)), Some((begin, end))) = spans else {
            self.advance(datagram, 0);
            return SequenceStep::Next;
        };
        if datagram.is_restarted_after(&last) {
            self.begin(datagram);
            return SequenceStep::Restart;
        }
        if let Some(found) = self.fill(begin, end.wrapping_sub(begin)) {
            return SequenceStep::Found(found);
        }
        if far_off.is_some_and(|far_off| datagram.follows(&far_off, self.numbering)) {
            self.begin(datagram);
            return SequenceStep::Restart;
        }
        let ahead = begin.wrapping_sub(next);
        if ahead < 1 << 31 && u64::from(ahead) <= self.plausible(datagram.sent) {
            self.remember(Gap { begin: next, len: ahead });
            self.advance(datagram, ahead);
            return SequenceStep::Lost(ahead);
        }
        let is_same_run = datagram.start.is_some() && next.wrapping_sub(begin) <= BEHIND;
        self.far_off = (!is_same_run).then_some(datagram);
        if ahead < 1 << 31 { SequenceStep::Next } else { SequenceStep::Again }
    }

    /// Begins a new run with this datagram.
    fn begin(&mut self, datagram: Numbered) {
        let Sequence { numbering, possible, .. } = *self;
        *self = Sequence { possible, last: Some(datagram), ..Sequence::new(numbering) };
        (self.first, self.latest) = (datagram.sent, datagram.sent);
    }

    /// Moves on to this datagram, which is `ahead` after the expected number.
    fn advance(&mut self, datagram: Numbered, ahead: u32) {
        self.latest = self.latest.max(datagram.sent);
        let count = datagram.count(self.numbering.unit).unwrap_or(0);
        self.run += u64::from(ahead) + u64::from(count);
        self.last = Some(datagram);
    }

    /// Returns the largest step ahead at this time that is believed to be a loss.
    fn plausible(&self, sent: Timestamp) -> u64 {
        let took = self.latest.secs().saturating_sub(self.first.secs()).max(1);
        let since = sent.secs().saturating_sub(self.latest.secs()) + 1;
        let paced = (self.run / took + 1).saturating_mul(since).saturating_mul(PACE);
        paced.max(AHEAD.into())
    }

    fn remember(&mut self, gap: Gap) {
        if self.gaps.len() >= GAPS {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap);
    }

    /// Removes a late datagram from its gap; the parts of the gap before and after it remain.
    /// Returns how much of the datagram was missing, or `None` if it is in no gap.
    fn fill(&mut self, number: u32, count: u32) -> Option<u32> {
        let is_in = |gap: &Gap| number.wrapping_sub(gap.begin) < gap.len;
        let at = self.gaps.iter().position(is_in)?;
        let Gap { begin, len } = self.gaps.remove(at)?;
        let inside = number.wrapping_sub(begin);
        let found = count.min(len - inside);
        let before = Gap { begin, len: inside };
        let after = Gap { begin: number.wrapping_add(found), len: len - inside - found };
        for gap in [before, after] {
            if gap.len > 0 {
                self.remember(gap);
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::SequenceStep::{Again, Found, Lost, Next, Restart};
    use super::*;
    use proptest::prelude::*;

    const RECORDS: Numbering = Numbering::by_specification(Unit::Records);

    fn numbered(number: u32, count: u32) -> Numbered {
        let sent = Timestamp::from_secs(1_000_000_000);
        Numbered { number, records: Some(count), flows: Some(count), sent, start: None }
    }

    fn steps(datagrams: &[(u32, u32)]) -> Vec<SequenceStep> {
        let mut sequence = Sequence::new(RECORDS);
        datagrams.iter().map(|&(number, count)| sequence.take(numbered(number, count))).collect()
    }

    #[test]
    fn a_gap_is_a_loss_also_across_the_wrap() {
        assert_eq!(steps(&[(7, 30), (37, 30), (97, 30)]), [Next, Next, Lost(30)]);
        let end = u32::MAX - 9;
        assert_eq!(steps(&[(end, 30), (20, 1), (22, 1)]), [Next, Next, Lost(1)]);
        assert_eq!(steps(&[(end, 1), (5, 1)]), [Next, Lost(14)]);
    }

    #[test]
    fn a_reordered_datagram_is_not_lost() {
        assert_eq!(steps(&[(0, 1), (2, 1), (1, 1), (3, 1)]), [Next, Lost(1), Found(1), Next]);
        // After it was found once, it is a duplicate.
        assert_eq!(
            steps(&[(0, 1), (3, 1), (1, 1), (1, 1), (4, 1)]),
            [Next, Lost(2), Found(1), Again, Next]
        );
        assert_eq!(steps(&[(0, 9), (90, 9), (30, 9), (81, 9)])[2..], [Found(9), Found(9)]);
        // The rest of a gap, before and after a datagram that was found, can be found too.
        assert_eq!(
            steps(&[(0, 1), (4, 1), (2, 1), (1, 1), (3, 1), (5, 1)])[1..],
            [Lost(3), Found(1), Found(1), Found(1), Next]
        );
    }

    #[test]
    fn duplicated_blocks_are_no_restart_if_the_header_states_the_start() {
        let mut sequence = Sequence::new(RECORDS);
        let start = Some(Timestamp::from_secs(999_000_000));
        let mut take = |number| sequence.take(Numbered { start, ..numbered(number, 1) });
        assert_eq!([0, 1, 5, 6].map(&mut take), [Next, Next, Lost(3), Next]);
        assert_eq!([0, 1, 5, 6].map(&mut take), [Again; 4]);
        assert_eq!(take(7), Next);
    }

    #[test]
    fn duplicates_do_not_change_the_numbering() {
        // Datagrams without records, such as those of templates alone; then a loss.
        let mut sequence = Sequence::new(Numbering::by_specification(Unit::Datagrams));
        let mut take = |number, count| sequence.take(numbered(number, count));
        assert_eq!([0, 0, 0].map(|n| take(n, 0)), [Next, Again, Again]);
        assert_eq!([1, 2, 4, 5].map(|n| take(n, 3)), [Next, Next, Lost(1), Next]);
        assert_eq!(sequence.unit(), Unit::Datagrams);
    }

    #[test]
    fn duplicates_are_no_loss() {
        let twice = [(0, 5), (0, 5), (5, 5), (5, 5), (10, 5)];
        assert_eq!(steps(&twice), [Next, Again, Next, Again, Next]);
        let behind = [(0, 1), (1, 1), (0, 1), (2, 1), (1, 1), (3, 1), (2, 1), (4, 1)];
        assert_eq!(steps(&behind), [Next, Next, Again, Next, Again, Next, Again, Next]);
    }

    #[test]
    fn a_restart_is_no_loss() {
        // Back to 0 from near and from far: the second datagram shows it.
        assert_eq!(steps(&[(500, 1), (0, 1), (1, 1), (2, 1)]), [Next, Again, Restart, Next]);
        let far = 3_000_000_000;
        assert_eq!(steps(&[(far, 9), (0, 9), (9, 9), (18, 9)]), [Next, Next, Restart, Next]);
        // If the header states the start of the exporter, the first datagram shows it.
        let mut sequence = Sequence::new(RECORDS);
        let start = |secs| Some(Timestamp::from_secs(secs));
        let first = Numbered { start: start(999_000_000), ..numbered(500, 1) };
        assert_eq!(sequence.take(first), Next);
        let second = Numbered { start: start(999_000_001), ..numbered(502, 1) };
        assert_eq!(sequence.take(second), Lost(1));
        assert_eq!(
            sequence.take(Numbered { start: start(999_999_990), ..numbered(0, 1) }),
            Restart
        );
        assert_eq!(
            sequence.take(Numbered { start: start(999_999_990), ..numbered(2, 1) }),
            Lost(1)
        );
    }

    #[test]
    fn the_wrap_of_the_uptime_is_no_restart() {
        let mut sequence = Sequence::new(RECORDS);
        let at = |secs: u64, millis: u32, number| Numbered {
            sent: Timestamp::from_secs(secs),
            start: Some(Timestamp::from_secs(secs).offset(-i64::from(millis) * 1_000_000)),
            ..numbered(number, 1)
        };
        assert_eq!(sequence.take(at(1_000_000_000, u32::MAX - 500, 7)), Next);
        assert_eq!(sequence.take(at(1_000_000_001, 499, 10)), Lost(2));
    }

    #[test]
    fn one_forged_number_changes_nothing() {
        assert_eq!(steps(&[(0, 1), (3_000_000_000, 1), (1, 1), (2, 1)])[2..], [Next, Next]);
        assert_eq!(steps(&[(4_000_000, 1), (5, 1), (4_000_001, 1)])[2..], [Next]);
    }

    #[test]
    fn a_long_gap_is_plausible_after_a_long_silence() {
        let mut sequence = Sequence::new(RECORDS);
        let at = |secs, number| Numbered {
            sent: Timestamp::from_secs(secs),
            ..numbered(number, 1_000_000)
        };
        assert_eq!(sequence.take(at(100, 0)), Next);
        assert_eq!(sequence.take(at(101, 1_000_000)), Next);
        assert_eq!(sequence.take(at(160, 50_000_000)), Lost(48_000_000));
    }

    #[test]
    fn after_a_datagram_that_could_not_be_counted_no_loss_is_known() {
        let mut sequence = Sequence::new(RECORDS);
        sequence.take(numbered(0, 1));
        assert_eq!(sequence.take(Numbered { records: None, ..numbered(1, 0) }), Next);
        assert_eq!(sequence.take(numbered(70, 1)), Next);
        assert_eq!(sequence.take(numbered(72, 1)), Lost(1));
    }

    /// Returns the total loss.
    fn lost(steps: &[SequenceStep]) -> i64 {
        let lost = |step: &SequenceStep| match *step {
            Lost(n) => i64::from(n),
            Found(n) => -i64::from(n),
            Next | Again | Restart => 0,
        };
        steps.iter().map(lost).sum()
    }

    /// Restated datagrams lead to the next one without a gap, by every numbering.
    #[test]
    fn restated_datagrams_leave_no_gap() {
        for numbering in Numbering::ALL {
            for next in [1_000, 1, u32::MAX] {
                let options = [0, 3, 2];
                let mut sequence = Sequence { possible: 0, ..Sequence::new(numbering) };
                for (number, options) in numbering.before(next, &options).into_iter().zip(options) {
                    let datagram = Numbered { flows: Some(0), ..numbered(number, options) };
                    assert!(matches!(sequence.take(datagram), Next), "{numbering:?} {next}");
                }
                assert_eq!(sequence.next(), Some((numbering, next)));
                let number = if numbering.inclusive {
                    next.wrapping_add(match numbering.unit {
                        Unit::Datagrams => 1,
                        _ => 5,
                    })
                } else {
                    next
                };
                assert_eq!(sequence.take(numbered(number, 5)), Next, "{numbering:?} {next}");
            }
        }
    }

    /// softflowd numbers an IPFIX message by its last flow, and does not count options.
    #[test]
    fn another_numbering_is_no_loss() {
        let softflowd =
            [(23, 24, 23), (54, 31, 31), (86, 32, 32), (112, 26, 26), (130, 19, 18), (150, 20, 20)];
        let mut sequence = Sequence::new(RECORDS);
        let steps = softflowd.map(|(number, records, flows)| {
            sequence.take(Numbered { flows: Some(flows), ..numbered(number, records) })
        });
        // Only the fifth message has options again.
        assert_eq!(steps, [Next, Lost(7), Found(7), Next, Again, Next]);
        assert_eq!(sequence.take(numbered(180, 20)), Lost(10));
        // Datagrams in IPFIX, records in v9.
        let mut sequence = Sequence::new(RECORDS);
        let steps: Vec<_> = (7..20).map(|n| sequence.take(numbered(n, 5))).collect();
        assert_eq!(lost(&steps), 0, "{steps:?}");
        assert_eq!((sequence.take(numbered(23, 5)), sequence.unit()), (Lost(3), Unit::Datagrams));
        let mut sequence = Sequence::new(Numbering::by_specification(Unit::Datagrams));
        let steps: Vec<_> = (7..20).map(|n| sequence.take(numbered(100 * n, 100))).collect();
        assert_eq!(lost(&steps), 0, "{steps:?}");
        assert_eq!(sequence.take(numbered(2100, 100)), Lost(100));
    }

    /// A gap that another numbering would explain is a loss, unless that numbering explains the next
    /// datagram too.
    #[test]
    fn one_gap_does_not_change_the_numbering() {
        let steps9 = |numbers: &[u32]| {
            let mut sequence = Sequence::new(Numbering::by_specification(Unit::Datagrams));
            numbers.iter().map(|&n| sequence.take(numbered(n, 2))).collect::<Vec<_>>()
        };
        assert_eq!(steps9(&[7, 9, 10, 12, 13]), [Next, Lost(1), Next, Lost(1), Next]);
        // An exporter that has counted by the specification is expected to do so for ever.
        assert_eq!(steps9(&[7, 8, 10, 12, 14]), [Next, Next, Lost(1), Lost(1), Lost(1)]);
    }

    proptest! {
        /// Leaves out some datagrams of a run and swaps others. The loss is exactly what was left out
        /// between the first and the last datagram that arrived.
        #[test]
        fn losses_are_counted(
            begin: u32,
            sent in prop::collection::vec((1..40u32, prop::bool::weighted(0.2), any::<bool>()), 2..60),
        ) {
            // After these no other numbering is possible.
            let mut arrived = vec![(begin, 1), (begin.wrapping_add(1), 2), (begin.wrapping_add(3), 3)];
            let mut number = begin.wrapping_add(6);
            for &(count, lost, _) in &sent {
                if !lost {
                    arrived.push((number, count));
                }
                number = number.wrapping_add(count);
            }
            // Neither end moves: a loss before the first datagram cannot be known.
            let last = arrived.len() - 1;
            for n in 3..last.saturating_sub(1) {
                if sent[n - 3].2 && n % 2 == 0 {
                    arrived.swap(n, n + 1);
                }
            }
            let (first, end) = (arrived[0].0, arrived[last].0.wrapping_add(arrived[last].1));
            let arrived_count: u32 = arrived.iter().map(|&(_, count)| count).sum();
            let missing = i64::from(end.wrapping_sub(first)) - i64::from(arrived_count);
            let steps = steps(&arrived);
            prop_assert!(!steps.contains(&Again) && !steps.contains(&Restart), "{steps:?} {arrived:?}");
            prop_assert_eq!(lost(&steps), missing);
        }
    }
}
