//! What one source did at one port of all its targets, put together from its trials.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::attempt::{Attempt, DARK, FAILED, LOGIN, WORKED};
use crate::conversation::Address;
use crate::detect::top::Top;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};

/// Slices of ten seconds that are told apart, a day's; what comes after is not looked at.
const MAX_SLICES: usize = 8640;
const SLICE: u32 = 10_000;

/// Sessions of one pair that are looked at to see whether they are alike.
const MAX_SESSIONS: usize = 1 << 16;
/// Targets that worked and that failed which are named to who remembers.
const MAX_TARGETS: usize = 1024;

/// Flows, packets and octets.
pub(super) type Sums = (u64, u64, u64);

/// What a source did at a port.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub src: IpAddr,
    pub proto: u8,
    pub port: u16,
    /// Distinct targets that it asked in vain, of these inside addresses that nobody uses, and those
    /// where it worked.
    pub failed: u64,
    pub dark: u64,
    pub worked: u64,
    /// The most targets in vain in ten seconds; 0 if there are no times.
    pub burst: u64,
    /// Of what was in vain, and the networks that it went to most.
    pub sums: Sums,
    pub nets: Vec<Peer>,
    pub more: u64,
    pub sample: Vec<Sample>,
    /// Of all that it asked.
    pub all: Sums,
    /// Hosts with enough sessions of like size, what these sum up to, and the most with one host.
    pub hammered: Vec<Peer>,
    pub hammered_more: u64,
    pub sessions: Sums,
    pub most: u64,
    pub session_sample: Vec<Sample>,
    /// Some of those that it got into, and hashes of some that it did not.
    pub got_into: Vec<IpAddr>,
    pub asked: Vec<u32>,
}

/// Builds evidence of trials in their order; kept from one source to the next for its tables.
#[derive(Debug)]
pub(super) struct Builder<A: Address> {
    evidence: Evidence,
    /// The target that goes by, with what came of it.
    target: Option<Attempt<A>>,
    slices: HashMap<u32, u64, RandomState>,
    sessions: Vec<(u32, u32)>,
    session: Option<Sample>,
    net: Option<(A, u64)>,
    nets: u64,
    top: Top<A, MAX_PEERS>,
    hammered: Top<A, MAX_PEERS>,
    hosts: u64,
    least: u64,
}

impl<A: Address> Builder<A> {
    /// The trials of a source at a port follow; `least` sessions of one pair are guessing.
    pub(super) fn new(first: &Attempt<A>, least: u64) -> Builder<A> {
        let evidence = Evidence {
            src: first.src.ip(),
            proto: first.proto,
            port: first.port,
            failed: 0,
            dark: 0,
            worked: 0,
            burst: 0,
            sums: (0, 0, 0),
            nets: Vec::new(),
            more: 0,
            sample: Vec::new(),
            all: (0, 0, 0),
            hammered: Vec::new(),
            hammered_more: 0,
            sessions: (0, 0, 0),
            most: 0,
            session_sample: Vec::new(),
            got_into: Vec::new(),
            asked: Vec::new(),
        };
        Builder {
            evidence,
            target: None,
            slices: HashMap::default(),
            sessions: Vec::new(),
            session: None,
            net: None,
            nets: 0,
            top: Top::new(),
            hammered: Top::new(),
            hosts: 0,
            least,
        }
    }

    pub(super) fn add(&mut self, trial: &Attempt<A>) {
        if self.target.is_none_or(|target| target.dst != trial.dst) {
            self.close();
            self.target =
                Some(Attempt { bits: 0, flows: 0, packets: 0, octets: 0, start: 0, ..*trial });
        }
        if trial.has(LOGIN) {
            // A session is also what worked.
            if self.sessions.len() < MAX_SESSIONS {
                self.sessions.push((trial.octets, trial.packets));
            }
            self.session.get_or_insert_with(|| trial.sample());
            return;
        }
        let Some(target) = &mut self.target else { return };
        if trial.has(WORKED) {
            target.bits |= WORKED;
            add(&mut self.evidence.all, trial);
            return;
        }
        target.bits |= trial.bits;
        target.flows = target.flows.saturating_add(trial.flows);
        target.packets = target.packets.saturating_add(trial.packets);
        target.octets = target.octets.saturating_add(trial.octets);
        if trial.start != 0 && (target.start == 0 || trial.start < target.start) {
            (target.start, target.sport) = (trial.start, trial.sport);
        }
    }

    /// All trials at one target are in.
    fn close(&mut self) {
        let Some(target) = self.target.take() else { return };
        let evidence = &mut self.evidence;
        if target.has(WORKED) {
            evidence.worked += 1;
            if evidence.got_into.len() < MAX_TARGETS {
                evidence.got_into.push(target.dst.ip());
            }
        } else if target.has(FAILED) {
            evidence.failed += 1;
            evidence.dark += u64::from(target.has(DARK));
            if target.start != 0 {
                let slice = target.start / SLICE;
                let is_full = self.slices.len() >= MAX_SLICES;
                match self.slices.get_mut(&slice) {
                    Some(count) => *count += 1,
                    None if is_full => {}
                    None => _ = self.slices.insert(slice, 1),
                }
            }
            if evidence.sample.len() < MAX_SAMPLES {
                evidence.sample.push(target.sample());
            }
            if evidence.asked.len() < MAX_TARGETS {
                evidence.asked.push(target.dst.digest());
            }
        }
        if target.has(FAILED) {
            add(&mut evidence.all, &target);
            add(&mut evidence.sums, &target);
            match &mut self.net {
                Some((net, flows)) if *net == target.dst.net() => *flows += u64::from(target.flows),
                _ => {
                    self.nets += u64::from(self.net.is_some());
                    if let Some((net, flows)) = self.net {
                        self.top.offer(flows, net);
                    }
                    self.net = Some((target.dst.net(), target.flows.into()));
                }
            }
        }
        self.hammer(target.dst);
    }

    /// Sessions with one host: guessing, if enough of them are alike, and most are.
    fn hammer(&mut self, host: A) {
        let sample = self.session.take();
        let all = self.sessions.len();
        if all as u64 >= self.least {
            self.sessions.sort_unstable();
            let median = self.sessions.get(all / 2).map_or(0, |(octets, _)| u64::from(*octets));
            let like = |(octets, _): &&(u32, u32)| {
                let octets = u64::from(*octets);
                octets * 10 >= median * 7 && octets * 10 <= median * 13
            };
            let alike: Vec<&(u32, u32)> = self.sessions.iter().filter(like).collect();
            let count = alike.len() as u64;
            if count >= self.least && count * 10 >= all as u64 * 7 {
                let evidence = &mut self.evidence;
                self.hosts += 1;
                self.hammered.offer(count, host);
                evidence.most = evidence.most.max(count);
                evidence.sessions.0 += count;
                for (octets, packets) in alike {
                    evidence.sessions.1 += u64::from(*packets);
                    evidence.sessions.2 += u64::from(*octets);
                }
                if evidence.session_sample.len() < MAX_SAMPLES {
                    evidence.session_sample.extend(sample);
                }
            } else {
                self.evidence.most =
                    self.evidence.most.max(count.min(self.least.saturating_sub(1)));
            }
        } else {
            self.evidence.most = self.evidence.most.max(all as u64);
        }
        self.sessions.clear();
    }

    pub(super) fn end(mut self) -> Evidence {
        self.close();
        if let Some((net, flows)) = self.net.take() {
            self.nets += 1;
            self.top.offer(flows, net);
        }
        let mut evidence = self.evidence;
        evidence.burst = self.slices.values().copied().max().unwrap_or(0);
        let net =
            |(flows, net): (u64, A)| Peer { host: Host::Prefix(net.prefix()), flows: Some(flows) };
        evidence.nets = self.top.iter().map(net).collect();
        evidence.more = self.nets.saturating_sub(evidence.nets.len() as u64);
        let host =
            |(flows, host): (u64, A)| Peer { host: Host::Address(host.ip()), flows: Some(flows) };
        evidence.hammered = self.hammered.iter().map(host).collect();
        evidence.hammered_more = self.hosts.saturating_sub(evidence.hammered.len() as u64);
        evidence
    }
}

fn add<A>(sums: &mut Sums, trial: &Attempt<A>) {
    sums.0 += u64::from(trial.flows);
    sums.1 += u64::from(trial.packets);
    sums.2 += u64::from(trial.octets);
}
