//! What is missing, by the sequence numbers of one domain.
//!
//! v5, v7 and IPFIX number flows (IPFIX: data records, RFC 7011 section 3.1), v9 (RFC 3954 section
//! 5.1) and sFlow number datagrams. A gap is a loss, unless the exporter was restarted or the number
//! is nonsense. As RFC 3550 appendix A.1 does it for RTP: a number far off is believed only when the
//! next datagram goes on from it, so that neither a restart nor a forged datagram is a loss.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// A step ahead of at most so many is believed at once, as a loss, whatever the time between.
const AHEAD: u32 = 1 << 20;

/// Above that, so many times the pace of the domain up to now.
const PACE: u64 = 16;

/// A start that moved by more than this, in nanoseconds, is another start. Exporters tell the time
/// in whole seconds, and read two clocks.
const START: u64 = 5_000_000_000;

/// 2^32 milliseconds in nanoseconds, after which sysUpTime is 0 again.
const WRAP: u64 = (1 << 32) * 1_000_000;

/// Gaps that are remembered, for datagrams that were overtaken: the latest.
const GAPS: usize = 64;

/// Who is behind by no more than this, and was not started anew by its header, was overtaken or came
/// twice.
const BEHIND: u32 = 1 << 16;

/// What a sequence number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceStep {
    /// The next one, or the first, or nothing that one could tell.
    Next,
    /// So many are missing before it.
    Lost(u32),
    /// So many of those counted as missing were only late.
    Found(u32),
    /// It came before, or its gap is forgotten.
    Again,
    /// The exporter was restarted.
    Restart,
}

/// What an exporter numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Datagrams: v9, sFlow.
    Datagrams,
    /// Data records: v5, v7; IPFIX, whose options records count.
    Records,
    /// Data records without options records.
    Flows,
}

/// How an exporter numbers. By the book a number is of what came before the datagram; some count it
/// in (softflowd in IPFIX, without options), some count datagrams in IPFIX or records in v9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub unit: Unit,
    pub counted_in: bool,
}

impl Numbering {
    const ALL: [Numbering; 6] = [
        Numbering::by_the_book(Unit::Records),
        Numbering::by_the_book(Unit::Flows),
        Numbering { unit: Unit::Records, counted_in: true },
        Numbering { unit: Unit::Flows, counted_in: true },
        Numbering::by_the_book(Unit::Datagrams),
        Numbering { unit: Unit::Datagrams, counted_in: true },
    ];

    /// Those by which one datagram goes on from another, a bit each.
    #[inline]
    fn all(before: &Numbered, of: &Numbered) -> u8 {
        let fit =
            Numbering::ALL.iter().enumerate().map(|(n, way)| (of.follows(before, *way) as u8) << n);
        fit.fold(0, |all, bit| all | bit)
    }

    /// The first of some.
    fn first(all: u8) -> Option<Numbering> {
        Numbering::ALL.get(all.trailing_zeros() as usize).copied()
    }

    /// The numbers of datagrams of so many options data records each, and no others, if what comes
    /// after them has the number `next`.
    pub fn before(self, next: u32, options: &[u32]) -> Vec<u32> {
        let count = |&records: &u32| match self.unit {
            Unit::Datagrams => 1,
            Unit::Records => records,
            Unit::Flows => 0,
        };
        let all = options.iter().map(count).fold(0, u32::wrapping_add);
        let mut begin = next.wrapping_sub(all);
        let numbers = options.iter().map(|records| {
            let end = begin.wrapping_add(count(records));
            let begin = std::mem::replace(&mut begin, end);
            if self.counted_in { end } else { begin }
        });
        numbers.collect()
    }

    /// The way of a protocol's specification.
    pub const fn by_the_book(unit: Unit) -> Numbering {
        Numbering { unit, counted_in: false }
    }
}

/// A datagram as far as its number goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    /// The number in its header.
    pub number: u32,
    /// Data records in it, and those of them that are flows. `None` if they could not be counted, or
    /// if the protocol never counts them.
    pub records: Option<u32>,
    pub flows: Option<u32>,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the exporter was started, if the header tells.
    pub start: Option<Timestamp>,
}

impl Numbered {
    /// How much it counts for.
    const fn count(&self, unit: Unit) -> Option<u32> {
        match unit {
            Unit::Datagrams => Some(1),
            Unit::Records => self.records,
            Unit::Flows => self.flows,
        }
    }

    /// The number of what is first in it, and the one after the last.
    fn span(&self, way: Numbering) -> Option<(u32, u32)> {
        let count = self.count(way.unit)?;
        Some(match way.counted_in {
            false => (self.number, self.number.wrapping_add(count)),
            true => (self.number.wrapping_sub(count), self.number),
        })
    }

    /// Whether the exporter was started between another one and this.
    fn started_anew(&self, before: &Numbered) -> bool {
        let (Some(before), Some(now)) = (before.start, self.start) else { return false };
        let apart = before.nanos().abs_diff(now.nanos()) % WRAP;
        apart.min(WRAP - apart) > START
    }

    /// Whether it goes on from another one.
    #[inline]
    fn follows(&self, before: &Numbered, way: Numbering) -> bool {
        let counts = (before.count(way.unit), self.count(way.unit));
        let (Some(before_count), Some(count)) = counts else { return false };
        let step = if way.counted_in { count } else { before_count };
        self.number == before.number.wrapping_add(step)
    }
}

/// What another way of counting would explain.
#[derive(Clone, Copy, Debug)]
struct RivalNumbering {
    at: Numbered,
    /// Those ways, a bit each.
    ways: u8,
    /// What was told as lost before it.
    lost: u32,
}

/// The numbers of one domain, which wrap at 2^32.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    way: Numbering,
    /// The ways that explain all that came as well as this one does, a bit each.
    possible: u8,
    /// A datagram that another way explains and this one does not: if the next one goes on so, the
    /// exporter counts in that way, and what was told as lost is not.
    doubt: Option<RivalNumbering>,
    last: Option<Numbered>,
    /// One that was far off.
    elsewhere: Option<Numbered>,
    /// When the first and the latest datagram of this run were sent.
    first: Timestamp,
    latest: Timestamp,
    /// How far the numbers went in that time.
    run: u64,
    /// Begin and length of gaps, the oldest first.
    gaps: VecDeque<(u32, u32)>,
}

impl Sequence {
    /// Of an exporter that numbers as its protocol says.
    pub fn new(way: Numbering) -> Sequence {
        Sequence {
            way,
            possible: u8::MAX,
            doubt: None,
            last: None,
            elsewhere: None,
            first: Timestamp::default(),
            latest: Timestamp::default(),
            run: 0,
            gaps: VecDeque::new(),
        }
    }

    /// What it counts.
    pub const fn unit(&self) -> Unit {
        self.way.unit
    }

    /// The way it counts, and the number of what comes first in the next datagram; where the last one
    /// could not be counted that datagram's own.
    pub fn next(&self) -> Option<(Numbering, u32)> {
        let last = self.last.as_ref()?;
        Some((self.way, last.span(self.way).map_or(last.number, |(_, end)| end)))
    }

    /// Takes the next datagram.
    #[inline]
    pub fn take(&mut self, of: Numbered) -> SequenceStep {
        let Some(last) = &self.last else {
            self.begin(of);
            return SequenceStep::Next;
        };
        let of = Numbered { start: of.start.or(last.start), ..of };
        let ways = Numbering::all(last, &of) & self.possible;
        if !of.follows(last, self.way) {
            return self.leap(of, *last, ways);
        }
        self.possible = ways;
        (self.elsewhere, self.doubt) = (None, None);
        self.go_on(of, 0);
        SequenceStep::Next
    }

    /// Takes a datagram that does not go on from the last one, or in these ways only.
    #[cold]
    fn leap(&mut self, of: Numbered, last: Numbered, ways: u8) -> SequenceStep {
        let (elsewhere, doubt) = (self.elsewhere.take(), self.doubt.take());
        if let Some(RivalNumbering { at, ways, lost }) = doubt {
            let again = Numbering::all(&at, &of) & ways;
            if let Some(way) = Numbering::first(again) {
                (self.way, self.possible) = (way, again);
                self.go_on(of, 0);
                return if lost > 0 { SequenceStep::Found(lost) } else { SequenceStep::Next };
            }
        }
        let step = self.jump(of, last, elsewhere);
        // One that comes twice says nothing of the way.
        if ways != 0 && of.number != last.number {
            let lost = if let SequenceStep::Lost(lost) = step { lost } else { 0 };
            self.doubt = Some(RivalNumbering { at: of, ways, lost });
        }
        step
    }

    /// Takes a datagram that does not go on from the last one in the way the exporter counts.
    fn jump(&mut self, of: Numbered, last: Numbered, elsewhere: Option<Numbered>) -> SequenceStep {
        // What cannot be counted leaves the next number unknown.
        let (Some((_, next)), Some((begin, end))) = (last.span(self.way), of.span(self.way)) else {
            self.go_on(of, 0);
            return SequenceStep::Next;
        };
        if of.started_anew(&last) {
            self.begin(of);
            return SequenceStep::Restart;
        }
        if let Some(found) = self.fill(begin, end.wrapping_sub(begin)) {
            return SequenceStep::Found(found);
        }
        if elsewhere.is_some_and(|elsewhere| of.follows(&elsewhere, self.way)) {
            self.begin(of);
            return SequenceStep::Restart;
        }
        let ahead = begin.wrapping_sub(next);
        if ahead < 1 << 31 && u64::from(ahead) <= self.plausible(of.sent) {
            self.remember(next, ahead);
            self.go_on(of, ahead);
            return SequenceStep::Lost(ahead);
        }
        let is_same_run = of.start.is_some() && next.wrapping_sub(begin) <= BEHIND;
        self.elsewhere = (!is_same_run).then_some(of);
        if ahead < 1 << 31 { SequenceStep::Next } else { SequenceStep::Again }
    }

    fn begin(&mut self, of: Numbered) {
        let Sequence { way, possible, .. } = *self;
        *self = Sequence { possible, last: Some(of), ..Sequence::new(way) };
        (self.first, self.latest) = (of.sent, of.sent);
    }

    fn go_on(&mut self, of: Numbered, ahead: u32) {
        self.latest = self.latest.max(of.sent);
        let count = of.count(self.way.unit).unwrap_or(0);
        self.run += u64::from(ahead) + u64::from(count);
        self.last = Some(of);
    }

    /// How far ahead a number may be to be a loss and no nonsense.
    fn plausible(&self, sent: Timestamp) -> u64 {
        let took = self.latest.secs().saturating_sub(self.first.secs()).max(1);
        let since = sent.secs().saturating_sub(self.latest.secs()) + 1;
        let paced = (self.run / took + 1).saturating_mul(since).saturating_mul(PACE);
        paced.max(AHEAD.into())
    }

    fn remember(&mut self, begin: u32, len: u32) {
        if self.gaps.len() >= GAPS {
            self.gaps.pop_front();
        }
        self.gaps.push_back((begin, len));
    }

    /// Takes a datagram that was overtaken out of its gap, of which what is before and behind it
    /// stays. `None` if it is in none.
    fn fill(&mut self, number: u32, count: u32) -> Option<u32> {
        let is_in = |&(begin, len): &(u32, u32)| number.wrapping_sub(begin) < len;
        let at = self.gaps.iter().position(is_in)?;
        let (begin, len) = self.gaps.remove(at)?;
        let inside = number.wrapping_sub(begin);
        let found = count.min(len - inside);
        for (begin, len) in [(begin, inside), (number.wrapping_add(found), len - inside - found)] {
            if len > 0 {
                self.remember(begin, len);
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

    const BOOK: Numbering = Numbering::by_the_book(Unit::Records);

    fn numbered(number: u32, count: u32) -> Numbered {
        let sent = Timestamp::from_secs(1_000_000_000);
        Numbered { number, records: Some(count), flows: Some(count), sent, start: None }
    }

    fn steps(datagrams: &[(u32, u32)]) -> Vec<SequenceStep> {
        let mut sequence = Sequence::new(BOOK);
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
    fn who_was_overtaken_is_not_lost() {
        assert_eq!(steps(&[(0, 1), (2, 1), (1, 1), (3, 1)]), [Next, Lost(1), Found(1), Next]);
        // Once found it is there twice.
        assert_eq!(
            steps(&[(0, 1), (3, 1), (1, 1), (1, 1), (4, 1)]),
            [Next, Lost(2), Found(1), Again, Next]
        );
        assert_eq!(steps(&[(0, 9), (90, 9), (30, 9), (81, 9)])[2..], [Found(9), Found(9)]);
        // What is left of a gap on both sides of who was found can be found too.
        assert_eq!(
            steps(&[(0, 1), (4, 1), (2, 1), (1, 1), (3, 1), (5, 1)])[1..],
            [Lost(3), Found(1), Found(1), Found(1), Next]
        );
    }

    #[test]
    fn blocks_that_come_twice_are_no_restart_if_the_header_tells_the_start() {
        let mut sequence = Sequence::new(BOOK);
        let start = Some(Timestamp::from_secs(999_000_000));
        let mut take = |number| sequence.take(Numbered { start, ..numbered(number, 1) });
        assert_eq!([0, 1, 5, 6].map(&mut take), [Next, Next, Lost(3), Next]);
        assert_eq!([0, 1, 5, 6].map(&mut take), [Again; 4]);
        assert_eq!(take(7), Next);
    }

    #[test]
    fn who_comes_twice_numbers_as_before() {
        // Without records, as datagrams of templates alone, and then a loss.
        let mut sequence = Sequence::new(Numbering::by_the_book(Unit::Datagrams));
        let mut take = |number, count| sequence.take(numbered(number, count));
        assert_eq!([0, 0, 0].map(|n| take(n, 0)), [Next, Again, Again]);
        assert_eq!([1, 2, 4, 5].map(|n| take(n, 3)), [Next, Next, Lost(1), Next]);
        assert_eq!(sequence.unit(), Unit::Datagrams);
    }

    #[test]
    fn what_comes_twice_is_no_loss() {
        let twice = [(0, 5), (0, 5), (5, 5), (5, 5), (10, 5)];
        assert_eq!(steps(&twice), [Next, Again, Next, Again, Next]);
        let behind = [(0, 1), (1, 1), (0, 1), (2, 1), (1, 1), (3, 1), (2, 1), (4, 1)];
        assert_eq!(steps(&behind), [Next, Next, Again, Next, Again, Next, Again, Next]);
    }

    #[test]
    fn a_restart_is_no_loss() {
        // Back to 0, near and far: the second datagram tells.
        assert_eq!(steps(&[(500, 1), (0, 1), (1, 1), (2, 1)]), [Next, Again, Restart, Next]);
        let far = 3_000_000_000;
        assert_eq!(steps(&[(far, 9), (0, 9), (9, 9), (18, 9)]), [Next, Next, Restart, Next]);
        // Where the header tells when the exporter started, the first one does.
        let mut sequence = Sequence::new(BOOK);
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
        let mut sequence = Sequence::new(BOOK);
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
    fn a_long_silence_makes_a_long_gap_plausible() {
        let mut sequence = Sequence::new(BOOK);
        let at = |secs, number| Numbered {
            sent: Timestamp::from_secs(secs),
            ..numbered(number, 1_000_000)
        };
        assert_eq!(sequence.take(at(100, 0)), Next);
        assert_eq!(sequence.take(at(101, 1_000_000)), Next);
        assert_eq!(sequence.take(at(160, 50_000_000)), Lost(48_000_000));
    }

    #[test]
    fn after_what_could_not_be_counted_nothing_is_known() {
        let mut sequence = Sequence::new(BOOK);
        sequence.take(numbered(0, 1));
        assert_eq!(sequence.take(Numbered { records: None, ..numbered(1, 0) }), Next);
        assert_eq!(sequence.take(numbered(70, 1)), Next);
        assert_eq!(sequence.take(numbered(72, 1)), Lost(1));
    }

    /// What is lost on the whole.
    fn lost(steps: &[SequenceStep]) -> i64 {
        let lost = |step: &SequenceStep| match *step {
            Lost(n) => i64::from(n),
            Found(n) => -i64::from(n),
            Next | Again | Restart => 0,
        };
        steps.iter().map(lost).sum()
    }

    /// Restated datagrams come before the next one without a gap, however it is numbered.
    #[test]
    fn what_is_restated_leaves_no_gap() {
        for way in Numbering::ALL {
            for next in [1_000, 1, u32::MAX] {
                let options = [0, 3, 2];
                let mut sequence = Sequence { possible: 0, ..Sequence::new(way) };
                for (number, options) in way.before(next, &options).into_iter().zip(options) {
                    let of = Numbered { flows: Some(0), ..numbered(number, options) };
                    assert!(matches!(sequence.take(of), Next), "{way:?} {next}");
                }
                assert_eq!(sequence.next(), Some((way, next)));
                let number = if way.counted_in {
                    next.wrapping_add(match way.unit {
                        Unit::Datagrams => 1,
                        _ => 5,
                    })
                } else {
                    next
                };
                assert_eq!(sequence.take(numbered(number, 5)), Next, "{way:?} {next}");
            }
        }
    }

    /// softflowd numbers an IPFIX message by its last flow, and options not at all.
    #[test]
    fn who_counts_in_another_way_loses_nothing() {
        let softflowd =
            [(23, 24, 23), (54, 31, 31), (86, 32, 32), (112, 26, 26), (130, 19, 18), (150, 20, 20)];
        let mut sequence = Sequence::new(BOOK);
        let steps = softflowd.map(|(number, records, flows)| {
            sequence.take(Numbered { flows: Some(flows), ..numbered(number, records) })
        });
        // Only the fifth has options again.
        assert_eq!(steps, [Next, Lost(7), Found(7), Next, Again, Next]);
        assert_eq!(sequence.take(numbered(180, 20)), Lost(10));
        // Datagrams in IPFIX, records in v9.
        let mut sequence = Sequence::new(BOOK);
        let steps: Vec<_> = (7..20).map(|n| sequence.take(numbered(n, 5))).collect();
        assert_eq!(lost(&steps), 0, "{steps:?}");
        assert_eq!((sequence.take(numbered(23, 5)), sequence.unit()), (Lost(3), Unit::Datagrams));
        let mut sequence = Sequence::new(Numbering::by_the_book(Unit::Datagrams));
        let steps: Vec<_> = (7..20).map(|n| sequence.take(numbered(100 * n, 100))).collect();
        assert_eq!(lost(&steps), 0, "{steps:?}");
        assert_eq!(sequence.take(numbered(2100, 100)), Lost(100));
    }

    /// One gap that another way would explain is a loss: that way must explain the next one too.
    #[test]
    fn a_loss_is_not_explained_away() {
        let nine = |numbers: &[u32]| {
            let mut sequence = Sequence::new(Numbering::by_the_book(Unit::Datagrams));
            numbers.iter().map(|&n| sequence.take(numbered(n, 2))).collect::<Vec<_>>()
        };
        assert_eq!(nine(&[7, 9, 10, 12, 13]), [Next, Lost(1), Next, Lost(1), Next]);
        // Once it counted by the book it always does.
        assert_eq!(nine(&[7, 8, 10, 12, 14]), [Next, Next, Lost(1), Lost(1), Lost(1)]);
    }

    proptest! {
        /// Of a run of datagrams some are left out and some swap places: what is missing is what
        /// was left out between the first and the last.
        #[test]
        fn losses_are_counted(
            begin: u32,
            sent in prop::collection::vec((1..40u32, prop::bool::weighted(0.2), any::<bool>()), 2..60),
        ) {
            // After these no other way of counting is possible.
            let mut heard = vec![(begin, 1), (begin.wrapping_add(1), 2), (begin.wrapping_add(3), 3)];
            let mut number = begin.wrapping_add(6);
            for &(count, lost, _) in &sent {
                if !lost {
                    heard.push((number, count));
                }
                number = number.wrapping_add(count);
            }
            // Neither end moves: what is missing before the first is not known to anyone.
            let last = heard.len() - 1;
            for n in 3..last.saturating_sub(1) {
                if sent[n - 3].2 && n % 2 == 0 {
                    heard.swap(n, n + 1);
                }
            }
            let (first, end) = (heard[0].0, heard[last].0.wrapping_add(heard[last].1));
            let received: u32 = heard.iter().map(|&(_, count)| count).sum();
            let missing = i64::from(end.wrapping_sub(first)) - i64::from(received);
            let steps = steps(&heard);
            prop_assert!(!steps.contains(&Again) && !steps.contains(&Restart), "{steps:?} {heard:?}");
            prop_assert_eq!(lost(&steps), missing);
        }
    }
}
