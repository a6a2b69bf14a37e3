//! What is missing, by the sequence numbers of one domain.
//!
//! v5, v7 and IPFIX number flows (IPFIX: data records, RFC 7011 section 3.1), v9 (RFC 3954 section
//! 5.1) and sFlow number datagrams. A gap is a loss, unless the exporter was restarted or the number
//! is nonsense. As RFC 3550 appendix A.1 does it for RTP: a number far off is believed only when the
//! next datagram goes on from it, so that neither a restart nor a forged datagram is a loss.

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

/// Gaps that are remembered, for datagrams that were overtaken.
const GAPS: usize = 8;

/// What a sequence number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
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

/// A datagram as far as its number goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    /// The number in its header: of its first flow, or its own.
    pub number: u32,
    /// Flows in it, or 1. `None` if that could not be told: what follows is not known then.
    pub count: Option<u32>,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the exporter was started, if the header tells.
    pub start: Option<Timestamp>,
}

/// The numbers of one domain, which wrap at 2^32.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    /// The number that should come next.
    next: Option<u32>,
    /// The number that follows on one that was far off.
    elsewhere: Option<u32>,
    start: Option<Timestamp>,
    /// When the first and the last datagram of this run were sent.
    first: Timestamp,
    last: Timestamp,
    /// How far the numbers went in that time.
    run: u64,
    /// Begin and length of the latest gaps.
    gaps: [(u32, u32); GAPS],
    oldest: usize,
}

impl Sequence {
    /// Takes the next datagram.
    pub fn take(&mut self, of: Numbered) -> Step {
        let moved = match (self.start, of.start) {
            (Some(before), Some(now)) => {
                let apart = before.nanos().abs_diff(now.nanos()) % WRAP;
                apart.min(WRAP - apart) > START
            }
            _ => false,
        };
        self.start = of.start.or(self.start);
        let elsewhere = self.elsewhere.take();
        let after = of.count.map(|count| of.number.wrapping_add(count));
        let Some(next) = self.next else {
            self.begin(&of, after);
            return Step::Next;
        };
        let ahead = of.number.wrapping_sub(next);
        if ahead == 0 {
            self.go_on(&of, 0, after);
            return Step::Next;
        }
        if moved || elsewhere == Some(of.number) {
            self.begin(&of, after);
            return Step::Restart;
        }
        if ahead < 1 << 31 && u64::from(ahead) <= self.plausible(of.sent) {
            if let Some(gap) = self.gaps.get_mut(self.oldest) {
                *gap = (next, ahead);
            }
            self.oldest = (self.oldest + 1) % GAPS;
            self.go_on(&of, ahead, after);
            return Step::Lost(ahead);
        }
        if let Some(found) = self.fill(of.number, of.count.unwrap_or(1)) {
            return Step::Found(found);
        }
        self.elsewhere = after;
        if ahead < 1 << 31 { Step::Next } else { Step::Again }
    }

    fn begin(&mut self, of: &Numbered, after: Option<u32>) {
        *self = Sequence { next: after, start: self.start, ..Sequence::default() };
        (self.first, self.last) = (of.sent, of.sent);
    }

    fn go_on(&mut self, of: &Numbered, ahead: u32, after: Option<u32>) {
        self.next = after;
        self.last = self.last.max(of.sent);
        self.run += u64::from(ahead) + u64::from(of.count.unwrap_or(0));
    }

    /// How far ahead a number may be to be a loss and no nonsense.
    fn plausible(&self, sent: Timestamp) -> u64 {
        let took = self.last.secs().saturating_sub(self.first.secs()).max(1);
        let since = sent.secs().saturating_sub(self.last.secs()) + 1;
        let paced = (self.run / took + 1).saturating_mul(since).saturating_mul(PACE);
        paced.max(AHEAD.into())
    }

    /// Takes a datagram that was overtaken out of its gap. `None` if it is in none.
    fn fill(&mut self, number: u32, count: u32) -> Option<u32> {
        let gaps = self.gaps.iter_mut();
        let (begin, len) = gaps.map(|(begin, len)| (begin, len)).find(|(begin, len)| {
            let inside = number.wrapping_sub(**begin);
            inside < **len
        })?;
        let inside = number.wrapping_sub(*begin);
        let found = count.min(*len - inside);
        // Of a gap that is filled in its middle the longer part is kept.
        let (before, behind) = (inside, *len - inside - found);
        if before >= behind {
            *len = before;
        } else {
            *begin = number.wrapping_add(found);
            *len = behind;
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Again, Found, Lost, Next, Restart};
    use super::*;
    use proptest::prelude::*;

    fn numbered(number: u32, count: u32) -> Numbered {
        let sent = Timestamp::from_secs(1_000_000_000);
        Numbered { number, count: Some(count), sent, start: None }
    }

    fn steps(datagrams: &[(u32, u32)]) -> Vec<Step> {
        let mut sequence = Sequence::default();
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
        let mut sequence = Sequence::default();
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
        let mut sequence = Sequence::default();
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
        let mut sequence = Sequence::default();
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
        let mut sequence = Sequence::default();
        sequence.take(numbered(0, 1));
        assert_eq!(sequence.take(Numbered { count: None, ..numbered(1, 0) }), Next);
        assert_eq!(sequence.take(numbered(70, 1)), Next);
        assert_eq!(sequence.take(numbered(72, 1)), Lost(1));
    }

    proptest! {
        /// Of a run of datagrams some are left out and some swap places: what is missing is what
        /// was left out between the first and the last.
        #[test]
        fn losses_are_counted(
            begin: u32,
            sent in prop::collection::vec((1..40u32, prop::bool::weighted(0.2), any::<bool>()), 2..60),
        ) {
            let mut number = begin;
            let mut heard = Vec::new();
            for &(count, lost, _) in &sent {
                if !lost {
                    heard.push((number, count));
                }
                number = number.wrapping_add(count);
            }
            prop_assume!(heard.len() > 1);
            // Neither end moves: what is missing before the first is not known to anyone.
            let last = heard.len() - 1;
            for n in 1..last.saturating_sub(1) {
                if sent[n].2 && n % 2 == 0 {
                    heard.swap(n, n + 1);
                }
            }
            let (first, end) = (heard[0].0, heard[last].0.wrapping_add(heard[last].1));
            let received: u32 = heard.iter().map(|&(_, count)| count).sum();
            let missing = i64::from(end.wrapping_sub(first)) - i64::from(received);
            let mut counted = 0;
            for step in steps(&heard) {
                match step {
                    Lost(n) => counted += i64::from(n),
                    Found(n) => counted -= i64::from(n),
                    Next => {}
                    Again | Restart => prop_assert!(false, "{step:?} of {heard:?}"),
                }
            }
            prop_assert_eq!(counted, missing);
        }
    }
}
