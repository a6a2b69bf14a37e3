//! Groups: sources of one network that scan together.
//!
//! A scan from a /24 (IPv6: /64) in which each host takes a part of the targets stays below every limit of a
//! single source. Its sign is that all sources try the same port with packets of the same shape. Clients of one
//! network also fail now and then, but the services at which they fail work for most of them; and if the network is
//! cut off for a while, most of its clients had answers before or after.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::attempt::{Attempt, WORKED};
use super::case::NET;
use crate::conversation::Address;
use crate::detect::threshold::{Measure, percent};
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};

/// The fewest failed attempts of a group.
pub(super) const ATTEMPTS: u64 = 50;
/// The fewest sources of a group.
const SOURCES: u64 = 4;
/// The fewest sources that scan dark addresses with packets of one shape and are named as one.
pub(super) const CARPET: u64 = 10;
/// The most such groups of one network. Forged sources could have a shape for each ten of them.
pub(super) const MAX_CARPETS: usize = 16;

/// Attempts of one network that are kept. With more, at least one of its sources is flagged by itself.
const KEPT: usize = 1 << 16;

/// The attempts of the sources of one network.
#[derive(Debug)]
pub(super) struct Members<A> {
    failed: Vec<Attempt<A>>,
    /// Protocol, port and source of the attempts that worked.
    worked: Vec<(u8, u16, A)>,
}

/// Sources of one network that scan together.
#[derive(Debug)]
pub(super) struct Group {
    pub net: IpNet,
    pub proto: u8,
    /// The port, if all sources tried the same one.
    pub port: Option<u16>,
    /// Distinct hosts at which attempts failed.
    pub targets: u64,
    /// Sources whose attempts failed, sorted.
    pub sources: Vec<IpAddr>,
    /// Number of these sources for which the port worked nowhere.
    barren: u64,
    /// Attempts at the port that worked.
    worked: u64,
    /// Share of the targets that the busiest source tried, in percent.
    largest: u64,
    /// Share of the attempts that have the commonest shape, in percent.
    alike: u64,
    /// Share of the network's failed attempts by this protocol that are at this port, in percent.
    share: u64,
    pub peer: Vec<Peer>,
    pub more: u64,
    pub traffic: Traffic,
    pub sample: Vec<Sample>,
}

impl Group {
    /// Returns the measures of sources that tried the same port; `share` is the percentage of attempts that must
    /// have failed.
    pub(super) fn measures(&self, limit: u64, share: u64) -> Vec<Measure> {
        let failed = percent(self.targets, self.targets + self.worked);
        let sources = self.sources.len() as u64;
        vec![
            Measure::at_least("targets", self.targets, limit),
            Measure::at_least("sources", sources, SOURCES),
            Measure::at_least("barrenpct", percent(self.barren, sources), 50),
            // With more, it is one scanner, and a few failures of its neighbours.
            Measure::below("largestpct", self.largest, 50),
            Measure::at_least("alikepct", self.alike, 80),
            Measure::at_least("portpct", self.share, 50),
            Measure::at_least("failedpct", failed, share),
            Measure::at_least("net", self.targets.saturating_sub(self.worked), NET),
        ]
    }

    /// Returns the measures of sources that scan dark addresses with packets of one shape.
    pub(super) fn carpet_measures(&self) -> Vec<Measure> {
        vec![
            Measure::at_least("sources", self.sources.len() as u64, CARPET),
            Measure::at_least("alikepct", self.alike, 80),
        ]
    }
}

impl<A: Address> Members<A> {
    pub(super) fn new() -> Members<A> {
        Members { failed: Vec::new(), worked: Vec::new() }
    }

    /// Adds the attempts of one source.
    pub(super) fn add(&mut self, attempts: &[Attempt<A>]) {
        let room = KEPT.saturating_sub(self.failed.len());
        self.failed.extend(attempts.iter().filter(|attempt| attempt.is_failed()).take(room));
        let room = KEPT.saturating_sub(self.worked.len());
        let worked = attempts.iter().filter(|attempt| attempt.has(WORKED));
        self.worked
            .extend(worked.take(room).map(|attempt| (attempt.proto, attempt.port, attempt.src)));
    }

    /// Forgets the sources of a network.
    pub(super) fn clear(&mut self) {
        self.failed.clear();
        self.worked.clear();
    }

    /// Returns a group for each protocol: the sources that tried the port that failed most. With fewer than `least`
    /// failed attempts there is none.
    pub(super) fn groups(&mut self, least: u64) -> Vec<Group> {
        if (self.failed.len() as u64) < ATTEMPTS.min(least) {
            return Vec::new();
        }
        self.failed.sort_unstable_by_key(|attempt| {
            (attempt.proto, attempt.port, attempt.dst, attempt.src)
        });
        let by_proto = self.failed.chunk_by(|a, b| a.proto == b.proto);
        by_proto.filter_map(|of_proto| self.of_port(of_proto)).collect()
    }

    /// Returns the group of these sources, which are sorted, whatever port they tried.
    pub(super) fn carpet(&self, proto: u8, sources: &[IpAddr]) -> Option<Group> {
        let is_one = |attempt: &&Attempt<A>| {
            attempt.proto == proto && sources.binary_search(&attempt.src.ip()).is_ok()
        };
        let mut attempts: Vec<Attempt<A>> = self.failed.iter().filter(is_one).copied().collect();
        attempts.sort_unstable_by_key(|attempt| (attempt.dst, attempt.port, attempt.src));
        self.group(&attempts, attempts.len())
    }

    /// Returns the sources that tried the port at which most attempts by one protocol failed.
    fn of_port(&self, of_proto: &[Attempt<A>]) -> Option<Group> {
        let mut attempts: &[Attempt<A>] = &[];
        for of_port in of_proto.chunk_by(|a, b| a.port == b.port) {
            if of_port.len() > attempts.len() {
                attempts = of_port;
            }
        }
        self.group(attempts, of_proto.len())
    }

    /// Returns the group of these attempts, which are sorted by target. `all` is the number of failed attempts by
    /// the protocol.
    fn group(&self, attempts: &[Attempt<A>], all: usize) -> Option<Group> {
        let first = attempts.first()?;
        let targets = attempts.chunk_by(|a, b| a.dst == b.dst).count() as u64;
        let mut sources: HashMap<A, Source, RandomState> = HashMap::default();
        let mut shapes: HashMap<(u32, u32), u64, RandomState> = HashMap::default();
        let mut traffic = Traffic::NONE;
        for attempt in attempts {
            let source = sources.entry(attempt.src).or_default();
            source.flows += u64::from(attempt.flows);
            source.targets += 1;
            *shapes.entry(attempt.shape()).or_default() += 1;
            traffic.add(attempt.traffic());
        }
        let port = Some(first.port).filter(|port| attempts.iter().all(|one| one.port == *port));
        let worked: Vec<A> = self
            .worked
            .iter()
            .filter(|(proto, of, _)| *proto == first.proto && port.is_none_or(|port| *of == port))
            .map(|(.., src)| *src)
            .collect();
        let with_answers: HashSet<A, RandomState> = worked.iter().copied().collect();
        let barren = sources.keys().filter(|src| !with_answers.contains(*src)).count() as u64;
        let mut hosts: Vec<IpAddr> = sources.keys().map(|src| src.ip()).collect();
        hosts.sort_unstable();
        let count = sources.len();
        let largest = sources.values().map(|source| source.targets).max().unwrap_or(0);
        let mut peer: Vec<Peer> = sources
            .into_iter()
            .map(|(src, source)| Peer { host: Host::Address(src.ip()), flows: Some(source.flows) })
            .collect();
        peer.sort_unstable_by_key(|peer| (std::cmp::Reverse(peer.flows), peer.host));
        peer.truncate(MAX_PEERS);
        let tried = attempts.len() as u64;
        Some(Group {
            net: first.src.prefix(),
            proto: first.proto,
            port,
            targets,
            sources: hosts,
            barren,
            worked: worked.len() as u64,
            largest: percent(largest, tried),
            alike: percent(shapes.values().copied().max().unwrap_or(0), tried),
            share: percent(tried, all as u64),
            peer,
            more: count.saturating_sub(MAX_PEERS) as u64,
            traffic,
            sample: attempts.iter().take(MAX_SAMPLES).map(Attempt::sample).collect(),
        })
    }
}

/// The part of one source in a group.
#[derive(Clone, Copy, Default)]
struct Source {
    flows: u64,
    targets: u64,
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, both, judge, ours, talk, theirs};
    use crate::flow::Flow;

    /// Returns host `n` of an outside network.
    fn member(n: u32) -> [u8; 4] {
        [192, 0, 2, 10 + n as u8]
    }

    /// Returns attempts at `count` targets, shared out among `sources`. No target is dark or tried twice.
    fn scan(count: u32, sources: u32) -> Vec<Flow> {
        let probes = (0..count).map(|n| ask(member(n % sources), ours(n), 3389));
        let lives = (0..count).flat_map(|n| talk(ours(n), theirs(n), 443));
        probes.chain(lives).collect()
    }

    #[test]
    fn fifty_targets_of_four_sources_are_a_group() {
        assert_eq!(both(&scan(50, 5)), ["group 192.0.2.0/24 source"]);
        assert_eq!(both(&scan(49, 5)), [""; 0]);
        assert_eq!(both(&scan(60, 4)), ["group 192.0.2.0/24 source"]);
        assert_eq!(both(&scan(60, 3)), [""; 0], "three sources");
        let finding = &judge(&scan(60, 4))[0];
        assert_eq!((finding.peers, finding.flows, finding.port), (60, 60, Some(3389)));
        assert_eq!(finding.peer.len(), 4);
        // Targets that several sources try count once.
        let again: Vec<Flow> = (0..6)
            .flat_map(|n| (0..20).map(move |k| (n, k)))
            .map(|(n, k)| ask(member(n), ours(k), 3389))
            .collect();
        let lives = (0..20).flat_map(|n| talk(ours(n), theirs(n), 443));
        assert_eq!(both(&again.into_iter().chain(lives).collect::<Vec<_>>()), [""; 0]);
    }

    #[test]
    fn neighbours_that_fail_now_and_then_are_no_group() {
        // A single source tries most targets, so it is no group.
        let mut flows = scan(24, 1);
        flows.extend((24..34).map(|n| ask(member(1 + n % 4), ours(n), 3389)));
        assert_eq!(both(&flows), [""; 0]);
        // The service at which some fail works for most.
        let client = |n: u32| match n % 5 {
            0 => vec![ask(member(n % 17), theirs(n), 443)],
            _ => talk(member(n % 17), theirs(n), 443).to_vec(),
        };
        assert_eq!(both(&(0..500).flat_map(client).collect::<Vec<_>>()), [""; 0]);
        // Each attempt is at another port.
        let flows: Vec<Flow> = (0..90)
            .map(|n| ask(member(n % 9), theirs(n), 1000 + (n * 601 % 60_000) as u16))
            .collect();
        assert_eq!(both(&flows), [""; 0]);
    }
}
