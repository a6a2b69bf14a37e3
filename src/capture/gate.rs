//! Who may send, and how much.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::flow::Networks;

/// Exporters whose rate is watched by themselves, at most: where no list says who may send, addresses
/// are forged at will. Those beyond share one allowance.
const EXPORTERS: usize = 16_384;

/// Senders that are counted by name, at most: whoever is not allowed can forge addresses at will. The
/// others are in [`Denied::datagrams`] only.
const SENDERS: usize = 1024;

const SECOND: u64 = 1_000_000_000;

/// The most datagrams a second that can be asked for; more is no limit.
pub const MAX_RATE: u32 = 100_000_000;

/// Networks of exporters, and how many datagrams a second each of their addresses may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Who may send; `None`: anyone.
    pub nets: Option<Vec<(IpNet, Option<u32>)>>,
    /// The rate where a network has none of its own; `None`: no limit.
    pub rate: Option<u32>,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    /// Its exporter sends more than it may.
    Limited,
    /// Its sender is not allowed.
    Denied,
}

/// Looks at the sender of each datagram.
#[derive(Debug)]
pub(super) struct Gate {
    allow: Option<Networks>,
    /// Networks with a rate of their own, the narrowest first.
    rates: Vec<(IpNet, u32)>,
    rate: Option<u32>,
    buckets: HashMap<IpAddr, Bucket, RandomState>,
    /// Of those for whom there is no room.
    others: Bucket,
    /// Who sent last, and is welcome without a limit: exporters send in bursts.
    last: Option<IpAddr>,
}

/// What an exporter may still send: a second's worth at most, so that a burst is not cut.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Nanoseconds of the allowance that are left.
    left: u64,
    filled: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, rate: u32, now: Instant) -> bool {
        let cost = SECOND / u64::from(rate.max(1));
        let before = self.filled.replace(now);
        let since = before.map_or(Duration::from_secs(1), |before| now.duration_since(before));
        let since = u64::try_from(since.as_nanos()).unwrap_or(SECOND);
        self.left = self.left.saturating_add(since).min(SECOND);
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Gate {
    pub fn new(allow: &Allow) -> Gate {
        let nets = allow.nets.as_deref();
        let mut rates: Vec<(IpNet, u32)> =
            nets.into_iter().flatten().filter_map(|&(net, rate)| Some((net, rate?))).collect();
        rates.sort_by_key(|&(net, _)| std::cmp::Reverse(net.prefix_len()));
        Gate {
            allow: nets.map(|nets| Networks::new(nets.iter().map(|&(net, _)| net))),
            rates,
            rate: allow.rate,
            buckets: HashMap::default(),
            others: Bucket::default(),
            last: None,
        }
    }

    /// Whether a datagram from this address is taken at `now`, by a clock that nobody sets.
    pub fn judge(&mut self, sender: IpAddr, now: Instant) -> Verdict {
        if self.last == Some(sender) {
            return Verdict::Welcome;
        }
        if self.allow.as_ref().is_some_and(|allow| !allow.contains(sender)) {
            return Verdict::Denied;
        }
        let own = self.rates.iter().find(|(net, _)| net.contains(&sender));
        let Some(rate) = own.map(|&(_, rate)| rate).or(self.rate) else {
            self.last = Some(sender);
            return Verdict::Welcome;
        };
        let bucket = match self.buckets.len() < EXPORTERS || self.buckets.contains_key(&sender) {
            true => self.buckets.entry(sender).or_default(),
            false => &mut self.others,
        };
        match bucket.take(rate, now) {
            true => Verdict::Welcome,
            false => Verdict::Limited,
        }
    }
}

/// Datagrams of senders that are not allowed, or that sent more than they may.
#[derive(Clone, Debug, Default)]
pub struct Denied {
    /// How many.
    pub datagrams: u64,
    by_sender: HashMap<IpAddr, u64, RandomState>,
}

impl Denied {
    pub(super) fn count(&mut self, sender: IpAddr, datagrams: u64) {
        self.datagrams += datagrams;
        if self.by_sender.len() < SENDERS || self.by_sender.contains_key(&sender) {
            *self.by_sender.entry(sender).or_default() += datagrams;
        }
    }

    /// Adds others.
    pub(super) fn add(&mut self, other: &Denied) {
        let named: u64 = other.by_sender.values().sum();
        for (&sender, &datagrams) in &other.by_sender {
            self.count(sender, datagrams);
        }
        self.datagrams += other.datagrams - named;
    }

    /// The `n` senders of the most datagrams.
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

    fn at(nanos: u64) -> Instant {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        *BEGAN.get_or_init(Instant::now) + Duration::from_nanos(nanos)
    }

    fn ip(octet: u8) -> IpAddr {
        [192, 0, 2, octet].into()
    }

    fn gate(nets: &[(&str, Option<u32>)], rate: Option<u32>) -> Gate {
        let nets = nets.iter().map(|(net, rate)| (net.parse().unwrap(), *rate)).collect();
        Gate::new(&Allow { nets: Some(nets), rate })
    }

    #[test]
    fn the_narrowest_network_has_the_rate() {
        let mut gate =
            gate(&[("192.0.2.0/24", Some(3)), ("192.0.2.7/32", Some(1)), ("::/0", None)], Some(2));
        let mut welcome = |sender: IpAddr| {
            (0..9).filter(|_| gate.judge(sender, at(0)) == Verdict::Welcome).count()
        };
        assert_eq!(welcome(ip(1)), 3);
        assert_eq!(welcome(ip(2)), 3);
        assert_eq!(welcome(ip(7)), 1);
        assert_eq!(welcome("2001:db8::1".parse().unwrap()), 2);
        assert_eq!(gate.judge([198, 51, 100, 1].into(), at(0)), Verdict::Denied);
    }

    #[test]
    fn an_allowance_comes_back_with_time() {
        let mut gate = gate(&[("192.0.2.0/24", None)], Some(10));
        let mut welcome = |nanos: u64| {
            (0..99).filter(|_| gate.judge(ip(1), at(nanos)) == Verdict::Welcome).count()
        };
        assert_eq!(welcome(0), 10);
        assert_eq!(welcome(SECOND / 5), 2);
        assert_eq!(welcome(SECOND / 5), 0);
        assert_eq!(welcome(99 * SECOND), 10);
    }

    #[test]
    fn without_limits_all_are_welcome() {
        let mut gate = Gate::new(&Allow::default());
        assert!((0..9).all(|n| gate.judge(ip(n), at(0)) == Verdict::Welcome));
        let mut nobody = Gate::new(&Allow { nets: Some(Vec::new()), rate: None });
        assert_eq!(nobody.judge(ip(1), at(0)), Verdict::Denied);
    }

    #[test]
    fn forged_senders_share_one_allowance() {
        let mut gate = Gate::new(&Allow { nets: None, rate: Some(1) });
        let sender = |n: usize| IpAddr::from((n as u32).to_be_bytes());
        let welcome = (0..EXPORTERS + 1000)
            .filter(|&n| gate.judge(sender(n), at(0)) == Verdict::Welcome)
            .count();
        assert_eq!((welcome, gate.buckets.len()), (EXPORTERS + 1, EXPORTERS));
    }

    #[test]
    fn the_denied_are_counted_beyond_what_is_named() {
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
