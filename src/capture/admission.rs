//! Admission of senders: the networks that may send, and their rates.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::flow::Networks;

/// The most exporters with a bucket of their own. Without an allow list anyone can forge addresses.
/// Exporters beyond this number share one bucket.
const EXPORTERS: usize = 16_384;

/// The most denied senders that are counted by address, because anyone can forge addresses. The others
/// count only in [`Denied::datagrams`].
const SENDERS: usize = 1024;

/// An exporter whose first datagram is older than this keeps its own bucket even if there are too many
/// senders.
const KNOWN: Duration = Duration::from_secs(60);

/// Silence after which an exporter loses that right.
const SILENT: Duration = Duration::from_secs(3600);

/// The most buckets that known exporters keep if there are too many senders. The rest is for new
/// senders.
const KEPT: usize = EXPORTERS / 4 * 3;

const SECOND: i64 = 1_000_000_000;

/// The highest rate that can be set, in datagrams a second. More would be no limit.
pub const MAX_RATE: u32 = 100_000_000;

/// Bytes of a datagram that fills an Ethernet frame.
const FULL: u64 = 1500;

/// The most that an exporter address may send in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Datagrams, at least 1.
    pub datagrams: u32,
    /// Bytes of the datagrams' payloads, at least 1: few datagrams of 64 KiB fill a disk as well as many
    /// small ones.
    pub bytes: u64,
}

impl Rate {
    /// Returns the rate of so many datagrams, and of bytes for as many full Ethernet frames.
    pub const fn of(datagrams: u32) -> Rate {
        Rate { datagrams, bytes: datagrams as u64 * FULL }
    }
}

/// Networks of exporters, and how much each of their addresses may send in a second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Networks that may send, each with its own rate if it has one; `None` if anyone may send.
    pub nets: Option<Vec<(IpNet, Option<Rate>)>>,
    /// Rate for networks without one of their own, `None` for no limit.
    pub rate: Option<Rate>,
}

/// The decision on a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Accepted,
    /// The exporter exceeds its rate.
    Limited,
    /// The sender is not allowed.
    Denied,
}

/// The state by which each datagram is admitted.
#[derive(Debug)]
pub(super) struct Admission {
    allow: Option<Networks>,
    /// Networks with a rate of their own, the narrowest first.
    rates: Vec<(IpNet, Rate)>,
    rate: Option<Rate>,
    buckets: HashMap<IpAddr, Bucket, RandomState>,
    /// The bucket that senders without room for their own share.
    others: Bucket,
    /// Time of the last search for full buckets.
    pruned: Option<Instant>,
    /// The last sender, if it is allowed without a limit. Exporters send in bursts, so this saves look-ups.
    last: Option<IpAddr>,
}

/// A token bucket: the datagrams and bytes that an exporter may still send. It holds one second of the
/// rate, so that a burst is not cut.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    datagrams: Allowance,
    bytes: Allowance,
    filled: Option<Instant>,
    /// Arrival of the first datagram.
    first: Option<Instant>,
}

impl Bucket {
    /// Takes a datagram of `len` bytes, if both allowances have room for it.
    fn take(&mut self, rate: Rate, len: usize, now: Instant) -> bool {
        self.first.get_or_insert(now);
        let before = self.filled.replace(now);
        let since = before.map_or(Duration::from_secs(1), |before| now.duration_since(before));
        let since = i64::try_from(since.as_nanos()).unwrap_or(SECOND);
        self.datagrams.fill(since);
        self.bytes.fill(since);
        let datagram = SECOND / i64::from(rate.datagrams.max(1));
        let bytes = len as u128 * SECOND as u128 / u128::from(rate.bytes.max(1));
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 2);
        let has_room = self.datagrams.has(datagram) && self.bytes.has(bytes);
        if has_room {
            self.datagrams.0 -= datagram;
            self.bytes.0 -= bytes;
        }
        has_room
    }

    /// Returns the arrival of the first datagram, if it was at least [`KNOWN`] before the last one, and
    /// the last one was within [`SILENT`] before `now`.
    fn known_since(&self, now: Instant) -> Option<Instant> {
        let (first, last) = self.first.zip(self.filled)?;
        let is_known = last.duration_since(first) >= KNOWN && now.duration_since(last) < SILENT;
        is_known.then_some(first)
    }

    /// Returns true if the bucket is as full as a new one at `now`.
    fn is_full_at(&self, now: Instant) -> bool {
        let since = self.filled.map_or(Duration::MAX, |filled| now.duration_since(filled));
        let left = self.datagrams.0.min(self.bytes.0);
        let since = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        left.saturating_add(since) >= SECOND
    }
}

/// The part of a rate that is left, in nanoseconds. A datagram that is larger than one second of the
/// rate passes if the allowance is full, and makes it negative until its time has passed.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance(i64);

impl Allowance {
    fn fill(&mut self, nanos: i64) {
        self.0 = self.0.saturating_add(nanos).min(SECOND);
    }

    fn has(self, cost: i64) -> bool {
        self.0 >= cost.min(SECOND)
    }
}

impl Admission {
    pub fn new(allow: &Allow) -> Admission {
        let nets = allow.nets.as_deref();
        let mut rates: Vec<(IpNet, Rate)> =
            nets.into_iter().flatten().filter_map(|&(net, rate)| Some((net, rate?))).collect();
        rates.sort_by_key(|&(net, _)| std::cmp::Reverse(net.prefix_len()));
        Admission {
            allow: nets.map(|nets| Networks::new(nets.iter().map(|&(net, _)| net))),
            rates,
            rate: allow.rate,
            buckets: HashMap::default(),
            others: Bucket::default(),
            pruned: None,
            last: None,
        }
    }

    /// Decides on a datagram of `len` bytes from this address at `now`, by a monotonic clock.
    pub fn judge(&mut self, sender: IpAddr, len: usize, now: Instant) -> Decision {
        if self.last == Some(sender) {
            return Decision::Accepted;
        }
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(sender)) {
            return Decision::Denied;
        }
        let own = self.rates.iter().find(|(net, _)| net.contains(&sender));
        let Some(rate) = own.map(|&(_, rate)| rate).or(self.rate) else {
            self.last = Some(sender);
            return Decision::Accepted;
        };
        let has_bucket = self.buckets.contains_key(&sender) || self.has_room(now);
        let bucket =
            if has_bucket { self.buckets.entry(sender).or_default() } else { &mut self.others };
        if bucket.take(rate, len, now) { Decision::Accepted } else { Decision::Limited }
    }

    /// Returns true if there is room for one more bucket.
    ///
    /// Full buckets are dropped to make room, at most once a second: addresses forged a minute ago must
    /// not keep out a new exporter. Known exporters keep their buckets. Otherwise new forged addresses
    /// would take the room each time and leave these exporters the shared bucket. If there are more than
    /// [`KEPT`] known exporters, the earliest ones keep their buckets.
    fn has_room(&mut self, now: Instant) -> bool {
        let is_due = self.pruned.is_none_or(|at| now.duration_since(at) >= Duration::from_secs(1));
        if self.buckets.len() >= EXPORTERS && is_due {
            self.pruned = Some(now);
            let too_many_from = self.too_many_from(now);
            self.buckets.retain(|_, bucket| {
                let is_early = |first| too_many_from.is_none_or(|limit| first < limit);
                bucket.known_since(now).is_some_and(is_early) || !bucket.is_full_at(now)
            });
        }
        self.buckets.len() < EXPORTERS && self.buckets.try_reserve(1).is_ok()
    }

    /// Returns the arrival of a first datagram from which on known exporters are too many, or `None` if
    /// all of them can keep their buckets.
    fn too_many_from(&self, now: Instant) -> Option<Instant> {
        let mut firsts = Vec::new();
        if firsts.try_reserve(self.buckets.len()).is_err() {
            // Without memory for the list, all of them are kept.
            return None;
        }
        firsts.extend(self.buckets.values().filter_map(|bucket| bucket.known_since(now)));
        let too_many = firsts.len() > KEPT;
        too_many.then(|| *firsts.select_nth_unstable(KEPT).1)
    }
}

/// Datagrams of senders that are not allowed, or that exceeded their rate.
#[derive(Clone, Debug, Default)]
pub struct Denied {
    /// Number of all datagrams.
    pub datagrams: u64,
    by_sender: HashMap<IpAddr, u64, RandomState>,
}

impl Denied {
    pub(super) fn count(&mut self, sender: IpAddr, datagrams: u64) {
        self.datagrams += datagrams;
        let has_room = self.by_sender.contains_key(&sender)
            || (self.by_sender.len() < SENDERS && self.by_sender.try_reserve(1).is_ok());
        if has_room {
            *self.by_sender.entry(sender).or_default() += datagrams;
        }
    }

    /// Adds the counts of `other`.
    pub(super) fn add(&mut self, other: &Denied) {
        let named: u64 = other.by_sender.values().sum();
        for (&sender, &datagrams) in &other.by_sender {
            self.count(sender, datagrams);
        }
        self.datagrams += other.datagrams - named;
    }

    /// Returns the `n` senders of the most datagrams.
    pub fn top(&self, n: usize) -> Vec<(IpAddr, u64)> {
        let mut all: Vec<_> =
            self.by_sender.iter().map(|(&sender, &count)| (sender, count)).collect();
        all.sort_unstable_by_key(|&(sender, count)| (std::cmp::Reverse(count), sender));
        all.truncate(n);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;

    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made without the clock")]
    fn at(nanos: i64) -> Instant {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        *BEGAN.get_or_init(Instant::now) + Duration::from_nanos(nanos as u64)
    }

    fn ip(host: u8) -> IpAddr {
        [192, 0, 2, host].into()
    }

    fn admission(nets: &[(&str, Option<u32>)], rate: Option<u32>) -> Admission {
        let nets = nets.iter().map(|(net, rate)| (net.parse().unwrap(), rate.map(Rate::of)));
        Admission::new(&Allow { nets: Some(nets.collect()), rate: rate.map(Rate::of) })
    }

    #[test]
    fn narrowest_network_decides_the_rate() {
        let mut admission = admission(
            &[("192.0.2.0/24", Some(3)), ("192.0.2.7/32", Some(1)), ("::/0", None)],
            Some(2),
        );
        let mut accepted = |sender: IpAddr| {
            (0..9).filter(|_| admission.judge(sender, 9, at(0)) == Decision::Accepted).count()
        };
        assert_eq!(accepted(ip(1)), 3);
        assert_eq!(accepted(ip(2)), 3);
        assert_eq!(accepted(ip(7)), 1);
        assert_eq!(accepted("2001:db8::1".parse().unwrap()), 2);
        assert_eq!(admission.judge([198, 51, 100, 1].into(), 9, at(0)), Decision::Denied);
    }

    #[test]
    fn allowance_refills_with_time() {
        let mut admission = admission(&[("192.0.2.0/24", None)], Some(10));
        let mut accepted = |nanos: i64| {
            (0..99).filter(|_| admission.judge(ip(1), 9, at(nanos)) == Decision::Accepted).count()
        };
        assert_eq!(accepted(0), 10);
        assert_eq!(accepted(SECOND / 5), 2);
        assert_eq!(accepted(SECOND / 5), 0);
        assert_eq!(accepted(99 * SECOND), 10);
    }

    #[test]
    fn without_limits_all_are_accepted() {
        let mut admission = Admission::new(&Allow::default());
        assert!((0..9).all(|n| admission.judge(ip(n), 9, at(0)) == Decision::Accepted));
        let mut nobody = Admission::new(&Allow { nets: Some(Vec::new()), rate: None });
        assert_eq!(nobody.judge(ip(1), 9, at(0)), Decision::Denied);
    }

    #[test]
    fn forged_senders_share_one_allowance() {
        let mut admission = Admission::new(&Allow { nets: None, rate: Some(Rate::of(1)) });
        let sender = |n: usize| IpAddr::from((n as u32).to_be_bytes());
        let accepted = (0..EXPORTERS + 1000)
            .filter(|&n| admission.judge(sender(n), 9, at(0)) == Decision::Accepted)
            .count();
        assert_eq!((accepted, admission.buckets.len()), (EXPORTERS + 1, EXPORTERS));
        // A second later the buckets are full again, and a new exporter gets its own.
        for n in [EXPORTERS + 2000, EXPORTERS + 2001] {
            assert_eq!(admission.judge(sender(n), 9, at(SECOND)), Decision::Accepted);
            assert_eq!(admission.judge(sender(n), 9, at(SECOND)), Decision::Limited);
        }
        assert_eq!(admission.buckets.len(), 2);
    }

    #[test]
    fn forged_senders_take_nothing_from_a_known_exporter() {
        let mut admission = Admission::new(&Allow { nets: None, rate: Some(Rate::of(100)) });
        let millis = |n: i64| n * SECOND / 1000;
        let mut accepted = 0;
        // The exporter sends ten datagrams a second: for two minutes alone, and then beside many from
        // ever new addresses.
        for n in 0..1200 {
            let decision = admission.judge(ip(1), 9, at(millis(n * 100)));
            assert_eq!(decision, Decision::Accepted);
        }
        let mut forged = 0u32;
        for n in 1200..1300 {
            for _ in 0..20_000 {
                forged += 1;
                let sender = IpAddr::from((0x0a00_0000 + forged).to_be_bytes());
                admission.judge(sender, 9, at(millis(n * 100)));
            }
            accepted +=
                usize::from(admission.judge(ip(1), 9, at(millis(n * 100))) == Decision::Accepted);
        }
        assert_eq!(accepted, 100);
        assert!(admission.buckets.len() <= EXPORTERS);
    }

    #[test]
    fn forged_senders_that_stay_leave_room_for_new_ones() {
        let mut admission = Admission::new(&Allow { nets: None, rate: Some(Rate::of(1)) });
        let sender = |n: usize| IpAddr::from((0x0a00_0000 + n as u32).to_be_bytes());
        admission.judge(ip(1), 9, at(0));
        for second in 1..=70 {
            for n in 0..EXPORTERS - 1 {
                admission.judge(sender(n), 9, at(second * SECOND));
            }
            admission.judge(ip(1), 9, at(second * SECOND));
        }
        let now = at(75 * SECOND);
        assert_eq!(admission.judge(sender(EXPORTERS), 9, now), Decision::Accepted);
        assert!(admission.buckets.contains_key(&sender(EXPORTERS)));
        // The first sender keeps its bucket. All others arrived at the same moment.
        assert!(admission.buckets.contains_key(&ip(1)));
        // An exporter that sends nothing for an hour is forgotten.
        let now = at(3700 * SECOND);
        for n in 0..EXPORTERS {
            admission.judge(sender(2 * EXPORTERS + n), 9, now);
        }
        assert!(!admission.buckets.contains_key(&ip(1)));
    }

    #[test]
    fn bytes_are_limited_too() {
        let rate = Rate { datagrams: 1000, bytes: 10_000 };
        let mut admission = Admission::new(&Allow { nets: None, rate: Some(rate) });
        let mut accepted = |len: usize, nanos: i64| {
            (0..99).filter(|_| admission.judge(ip(1), len, at(nanos)) == Decision::Accepted).count()
        };
        assert_eq!(accepted(1000, 0), 10);
        assert_eq!(accepted(1000, SECOND / 2), 5);
        // A datagram larger than one second of the rate passes, and its time must pass: 60,000 bytes
        // are six seconds, of which one was saved.
        assert_eq!(accepted(60_000, 2 * SECOND), 1);
        assert_eq!(accepted(1, 6 * SECOND), 0);
        assert_eq!(accepted(1000, 8 * SECOND), 10);
        // An empty datagram has no bytes.
        assert_eq!(accepted(0, 8 * SECOND), 99);
        assert_eq!(Rate::of(1000), Rate { datagrams: 1000, bytes: 1_500_000 });
    }

    #[test]
    fn datagram_limited_by_bytes_takes_no_datagram_allowance() {
        let rate = Rate { datagrams: 2, bytes: 100 };
        let mut admission = Admission::new(&Allow { nets: None, rate: Some(rate) });
        let mut judge = |len| admission.judge(ip(1), len, at(0));
        assert_eq!([judge(100), judge(1), judge(0)], {
            [Decision::Accepted, Decision::Limited, Decision::Accepted]
        });
    }

    #[test]
    fn denied_datagrams_count_beyond_the_named_senders() {
        let mut all = Denied::default();
        for part in 0..3u32 {
            let mut denied = Denied::default();
            for n in 0..1000u32 {
                denied.count((part * 1000 + n).to_be_bytes().into(), 1);
            }
            denied.count(ip(9), 5);
            all.add(&denied);
        }
        assert_eq!((all.datagrams, all.by_sender.len()), (3015, SENDERS));
        assert_eq!(all.top(1), [(ip(9), 15)]);
    }
}
