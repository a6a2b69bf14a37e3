//! Sources of one network that scan together.
//!
//! A scan from a /24 (IPv6: /64) with a part of the targets for each host passes below every limit of a
//! single source. What gives it away is that all ask for the same port with packets of the same shape.
//! Guards against networks of clients that each fail now and then: what they fail at works for most.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::ScanJudge;
use super::attempt::{Attempt, WORKED};
use super::class::NET;
use crate::conversation::Address;
use crate::detect::Threshold;
use crate::detect::threshold::{Measure, percent};
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};

/// Attempts in vain of the whole group.
pub(super) const ATTEMPTS: u64 = 50;
/// Sources that they come from.
const SOURCES: u64 = 4;

/// Attempts of one network that are kept; beyond, a member would be flagged by itself.
const KEPT: usize = 1 << 16;

/// What the sources of one network did.
#[derive(Debug)]
pub(super) struct Members<A> {
    failed: Vec<Attempt<A>>,
    /// Protocol and port of what worked.
    worked: Vec<(u8, u16)>,
}

/// Sources that ask for the same.
#[derive(Debug)]
pub(super) struct Group {
    pub net: IpNet,
    pub proto: u8,
    pub port: u16,
    /// Distinct hosts asked in vain, distinct sources that did, and how often it worked.
    pub targets: u64,
    pub sources: u64,
    worked: u64,
    /// Of the targets, those of the source that has most, in percent.
    largest: u64,
    /// Attempts of the commonest shape, in percent.
    alike: u64,
    /// Share of all that the network's sources failed at, in percent.
    share: u64,
    pub peer: Vec<Peer>,
    pub more: u64,
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    pub sample: Vec<Sample>,
}

impl Group {
    pub(super) fn measures(&self, limit: u64, is_unsure: bool) -> Vec<Measure> {
        let share = if is_unsure { 90 } else { 50 };
        let failed = percent(self.targets, self.targets + self.worked);
        vec![
            Measure::at_least("targets", self.targets, limit),
            Measure::at_least("sources", self.sources, SOURCES),
            // Else it is one scanner, and its neighbours' few failures.
            Measure { name: "largestpct", value: self.largest, limit: Threshold::Below(50) },
            Measure::at_least("alikepct", self.alike, 80),
            Measure::at_least("portpct", self.share, 50),
            Measure::at_least("failedpct", failed, share),
            Measure::at_least("net", self.targets.saturating_sub(self.worked), NET),
        ]
    }
}

impl<A: Address> Members<A> {
    pub(super) fn new() -> Members<A> {
        Members { failed: Vec::new(), worked: Vec::new() }
    }

    /// What one source did.
    pub(super) fn add(&mut self, trials: &[Attempt<A>]) {
        let room = KEPT.saturating_sub(self.failed.len());
        self.failed.extend(trials.iter().filter(|trial| trial.is_failed()).take(room));
        let room = KEPT.saturating_sub(self.worked.len());
        let worked = trials.iter().filter(|trial| trial.bits & WORKED != 0);
        self.worked.extend(worked.take(room).map(|trial| (trial.proto, trial.port)));
    }

    /// The network's sources have gone by.
    pub(super) fn end(&mut self, judge: &mut ScanJudge) {
        if self.failed.len() as u64 >= ATTEMPTS.min(judge.group_floor()) {
            self.groups().iter().for_each(|group| judge.group(group));
        }
        self.failed.clear();
        self.worked.clear();
    }

    /// By protocol, the port that failed most.
    fn groups(&mut self) -> Vec<Group> {
        self.failed.sort_unstable_by_key(|trial| (trial.proto, trial.port, trial.dst, trial.src));
        let mut best: Vec<&[Attempt<A>]> = Vec::new();
        for of_port in self.failed.chunk_by(|a, b| (a.proto, a.port) == (b.proto, b.port)) {
            match best.last_mut() {
                Some(last) if last.first().map(|t| t.proto) == of_port.first().map(|t| t.proto) => {
                    if of_port.len() > last.len() {
                        *last = of_port;
                    }
                }
                _ => best.push(of_port),
            }
        }
        best.into_iter().filter_map(|trials| self.group(trials)).collect()
    }

    fn group(&self, trials: &[Attempt<A>]) -> Option<Group> {
        let first = trials.first()?;
        let targets = trials.chunk_by(|a, b| a.dst == b.dst).count() as u64;
        let mut flows: HashMap<A, [u64; 2], RandomState> = HashMap::default();
        let mut shapes: HashMap<(u32, u32), u64, RandomState> = HashMap::default();
        for trial in trials {
            let [flows, own] = flows.entry(trial.src).or_default();
            (*flows, *own) = (*flows + u64::from(trial.flows), *own + 1);
            let records = trial.flows.max(1);
            *shapes.entry((trial.packets / records, trial.octets / records)).or_default() += 1;
        }
        let sum = |of: fn(&Attempt<A>) -> u32| trials.iter().map(|t| u64::from(of(t))).sum();
        let of_proto = self.failed.iter().filter(|trial| trial.proto == first.proto).count();
        let worked = self.worked.iter().filter(|of| **of == (first.proto, first.port)).count();
        let sources = flows.len();
        let largest = flows.values().map(|[_, targets]| *targets).max().unwrap_or(0);
        let mut peer: Vec<Peer> = flows
            .into_iter()
            .map(|(src, [flows, _])| Peer { host: Host::Address(src.ip()), flows: Some(flows) })
            .collect();
        peer.sort_unstable_by_key(|peer| (std::cmp::Reverse(peer.flows), peer.host));
        peer.truncate(MAX_PEERS);
        Some(Group {
            net: first.src.prefix(),
            proto: first.proto,
            port: first.port,
            targets,
            sources: sources as u64,
            worked: worked as u64,
            largest: percent(largest, trials.len() as u64),
            alike: percent(shapes.values().copied().max().unwrap_or(0), trials.len() as u64),
            share: percent(trials.len() as u64, of_proto as u64),
            peer,
            more: sources.saturating_sub(MAX_PEERS) as u64,
            flows: sum(|trial| trial.flows),
            packets: sum(|trial| trial.packets),
            octets: sum(|trial| trial.octets),
            sample: trials.iter().take(MAX_SAMPLES).map(Attempt::sample).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, both, judge, ours, talk, theirs};
    use crate::flow::Flow;

    /// Host `n` of a stranger's network.
    fn member(n: u32) -> [u8; 4] {
        [192, 0, 2, 10 + n as u8]
    }

    /// `count` targets shared out among `sources`; none of them dark, and none asked twice.
    fn scan(count: u32, sources: u32) -> Vec<Flow> {
        let probes = (0..count).map(|n| ask(member(n % sources), ours(n), 3389));
        let lives = (0..count).flat_map(|n| talk(ours(n), theirs(n), 443));
        probes.chain(lives).collect()
    }

    #[test]
    fn fifty_targets_of_four_sources() {
        assert_eq!(both(&scan(50, 5)), ["group 192.0.2.0/24 source"]);
        assert_eq!(both(&scan(49, 5)), [""; 0]);
        assert_eq!(both(&scan(60, 4)), ["group 192.0.2.0/24 source"]);
        assert_eq!(both(&scan(60, 3)), [""; 0], "three sources");
        let finding = &judge(&scan(60, 4))[0];
        assert_eq!((finding.peers, finding.flows, finding.port), (60, 60, Some(3389)));
        assert_eq!(finding.peer.len(), 4);
        // The same targets again are no more targets.
        let again: Vec<Flow> = (0..6)
            .flat_map(|n| (0..20).map(move |k| (n, k)))
            .map(|(n, k)| ask(member(n), ours(k), 3389))
            .collect();
        let lives = (0..20).flat_map(|n| talk(ours(n), theirs(n), 443));
        assert_eq!(both(&again.into_iter().chain(lives).collect::<Vec<_>>()), [""; 0]);
    }

    #[test]
    fn neighbours_that_fail_now_and_then_are_none() {
        // One asks for nearly all of it, and is no group.
        let mut flows = scan(24, 1);
        flows.extend((24..34).map(|n| ask(member(1 + n % 4), ours(n), 3389)));
        assert_eq!(both(&flows), [""; 0]);
        // What they fail at works for most.
        let client = |n: u32| match n % 5 {
            0 => vec![ask(member(n % 17), theirs(n), 443)],
            _ => talk(member(n % 17), theirs(n), 443).to_vec(),
        };
        assert_eq!(both(&(0..500).flat_map(client).collect::<Vec<_>>()), [""; 0]);
        // Each at something else.
        let flows: Vec<Flow> = (0..90)
            .map(|n| ask(member(n % 9), theirs(n), 1000 + (n * 601 % 60_000) as u16))
            .collect();
        assert_eq!(both(&flows), [""; 0]);
    }
}
