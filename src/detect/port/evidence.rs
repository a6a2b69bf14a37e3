//! Evidence about one source at one port of all its targets, added up over its attempts as they are read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;

use super::attempt::{ACCEPTED, Attempt, DARK, FAILED, LOGIN, REPEATED, SPOKE, WORKED};
use crate::conversation::Address;
use crate::detect::top::Top;
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};

/// The most time slices that are counted: those of a day. Targets in further slices are not counted by time.
const MAX_SLICES: usize = 8640;
/// Milliseconds of a time slice.
const SLICE: u32 = 10_000;

/// The most sessions of a source with one host that are compared.
const MAX_SESSIONS: usize = 1 << 16;
/// The most targets that worked, and that failed, which are passed on to the memory.
const MAX_TARGETS: usize = 1024;

/// The evidence about a source at a port.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub src: IpAddr,
    pub proto: u8,
    pub port: u16,
    /// Distinct targets at which attempts failed and none worked.
    pub failed: u64,
    /// Dark addresses among the failed targets.
    pub dark: u64,
    /// Distinct targets at which an attempt worked.
    pub worked: u64,
    /// The most failed targets in ten seconds; 0 if times are unknown.
    pub burst: u64,
    /// True if the source completed a TCP conversation at the port of some host.
    pub spoke: bool,
    /// Traffic of the failed attempts.
    pub failed_traffic: Traffic,
    /// The networks that got most flows of the failed attempts.
    pub nets: Vec<Peer>,
    /// Number of further networks that are not in `nets`.
    pub more_nets: u64,
    pub sample: Vec<Sample>,
    /// Traffic of all attempts.
    pub traffic: Traffic,
    /// Hosts with enough sessions of like size, those with most sessions first.
    pub guessed: Vec<Peer>,
    /// Number of further such hosts that are not in `guessed`.
    pub more_guessed: u64,
    /// Traffic of these sessions; each session is a flow.
    pub session_traffic: Traffic,
    /// The most sessions of like size with one host.
    pub most_sessions: u64,
    pub session_sample: Vec<Sample>,
    /// The host with most sessions, if there were too few for password guessing in this window.
    pub busiest: Option<Busiest>,
    /// Some hosts at which an attempt worked.
    pub reached: Vec<IpAddr>,
    /// Hashes of some failed targets.
    pub failed_hashes: Vec<u32>,
}

/// A builder of evidence out of sorted attempts.
#[derive(Debug)]
pub(super) struct Builder<A: Address> {
    evidence: Evidence,
    /// The current target, with the sum of its attempts.
    target: Option<Attempt<A>>,
    /// Failed targets by the time slice of their first attempt.
    slices: HashMap<u32, u64, RandomState>,
    /// Sessions with the current target.
    sessions: Vec<Session>,
    session_sample: Option<Sample>,
    /// The network of the current target, with the flows of its failed attempts.
    net: Option<(A, u64)>,
    nets: u64,
    top_nets: Top<A, MAX_PEERS>,
    top_guessed: Top<A, MAX_PEERS>,
    guessed: u64,
    /// Sessions of like size with one host that are password guessing.
    least_sessions: u64,
}

/// The host with which a source had most sessions of like size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busiest {
    pub host: IpAddr,
    /// Traffic of the sessions; each session is a flow.
    pub traffic: Traffic,
    pub sample: Sample,
}

/// A session that may be a failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Session {
    pub bytes: u32,
    pub packets: u32,
}

/// Returns the bytes between which sessions are of like size, within 30 % of the median; `None` if fewer than 70 % of
/// them are.
pub(super) fn alike(sessions: &mut [Session]) -> Option<RangeInclusive<u64>> {
    sessions.sort_unstable();
    let median = u64::from(sessions.get(sessions.len() / 2)?.bytes);
    let bounds = (median * 7).div_ceil(10)..=median * 13 / 10;
    let count = sessions.iter().filter(|one| bounds.contains(&u64::from(one.bytes))).count();
    (count * 10 >= sessions.len() * 7).then_some(bounds)
}

impl<A: Address> Builder<A> {
    /// Returns a builder for the source and port of an attempt. `least_sessions` sessions of like size with one
    /// host are password guessing.
    pub(super) fn new(first: &Attempt<A>, least_sessions: u64) -> Builder<A> {
        let evidence = Evidence {
            src: first.src.ip(),
            proto: first.proto,
            port: first.port,
            failed: 0,
            dark: 0,
            worked: 0,
            burst: 0,
            spoke: false,
            failed_traffic: Traffic::NONE,
            nets: Vec::new(),
            more_nets: 0,
            sample: Vec::new(),
            traffic: Traffic::NONE,
            guessed: Vec::new(),
            more_guessed: 0,
            session_traffic: Traffic::NONE,
            most_sessions: 0,
            session_sample: Vec::new(),
            busiest: None,
            reached: Vec::new(),
            failed_hashes: Vec::new(),
        };
        Builder {
            evidence,
            target: None,
            slices: HashMap::default(),
            sessions: Vec::new(),
            session_sample: None,
            net: None,
            nets: 0,
            top_nets: Top::new(),
            top_guessed: Top::new(),
            guessed: 0,
            least_sessions,
        }
    }

    /// Adds an attempt; attempts come in the order of their rows.
    pub(super) fn add(&mut self, attempt: &Attempt<A>) {
        if self.target.is_none_or(|target| target.dst != attempt.dst) {
            self.end_target();
            self.target =
                Some(Attempt { bits: 0, flows: 0, packets: 0, bytes: 0, start: 0, ..*attempt });
        }
        self.evidence.spoke |= attempt.has(SPOKE);
        if attempt.has(LOGIN) {
            // The session has a second row, as an attempt that worked.
            if self.sessions.len() < MAX_SESSIONS {
                self.sessions.push(Session { bytes: attempt.bytes, packets: attempt.packets });
            }
            self.session_sample.get_or_insert_with(|| attempt.sample());
            return;
        }
        let Some(target) = &mut self.target else { return };
        if attempt.has(WORKED) {
            target.bits |= WORKED;
            self.evidence.traffic.add(attempt.traffic());
            return;
        }
        // Each conversation has a row, so these are two source ports.
        if target.bits & attempt.bits & ACCEPTED != 0 {
            target.bits |= REPEATED;
        }
        target.bits |= attempt.bits;
        target.flows = target.flows.saturating_add(attempt.flows);
        target.packets = target.packets.saturating_add(attempt.packets);
        target.bytes = target.bytes.saturating_add(attempt.bytes);
        if attempt.start != 0 && (target.start == 0 || attempt.start < target.start) {
            (target.start, target.sport) = (attempt.start, attempt.sport);
        }
    }

    fn end_target(&mut self) {
        let Some(mut target) = self.target.take() else { return };
        if target.has(REPEATED) {
            target.bits &= !FAILED;
        }
        if target.has(WORKED) {
            self.evidence.worked += 1;
            if self.evidence.reached.len() < MAX_TARGETS {
                self.evidence.reached.push(target.dst.ip());
            }
        } else if target.has(FAILED) {
            self.add_failed(&target);
        }
        if target.has(FAILED) {
            self.evidence.traffic.add(target.traffic());
            self.evidence.failed_traffic.add(target.traffic());
            match &mut self.net {
                Some((net, flows)) if *net == target.dst.net() => *flows += u64::from(target.flows),
                _ => {
                    self.end_net();
                    self.net = Some((target.dst.net(), target.flows.into()));
                }
            }
        }
        self.end_sessions(target.dst);
    }

    fn add_failed(&mut self, target: &Attempt<A>) {
        let evidence = &mut self.evidence;
        evidence.failed += 1;
        evidence.dark += u64::from(target.has(DARK));
        if target.start != 0 {
            let slice = target.start / SLICE;
            let has_room = self.slices.len() < MAX_SLICES;
            match self.slices.get_mut(&slice) {
                Some(count) => *count += 1,
                None if has_room => _ = self.slices.insert(slice, 1),
                None => {}
            }
        }
        if evidence.sample.len() < MAX_SAMPLES {
            evidence.sample.push(target.sample());
        }
        if evidence.failed_hashes.len() < MAX_TARGETS {
            evidence.failed_hashes.push(target.dst.digest());
        }
    }

    fn end_net(&mut self) {
        if let Some((net, flows)) = self.net.take() {
            self.nets += 1;
            self.top_nets.offer(flows, net);
        }
    }

    /// Ends the sessions with a host. They are password guessing if enough of them, and 70 % of all, are of like
    /// size: within 30 % of the median.
    fn end_sessions(&mut self, host: A) {
        let sample = self.session_sample.take();
        let all = self.sessions.len() as u64;
        let evidence = &mut self.evidence;
        if all < self.least_sessions {
            evidence.most_sessions = evidence.most_sessions.max(all);
            let mut traffic = Traffic::NONE;
            let bounds = alike(&mut self.sessions);
            let is_alike = |session: &Session| {
                bounds.as_ref().is_some_and(|bounds| bounds.contains(&u64::from(session.bytes)))
            };
            for session in self.sessions.drain(..).filter(is_alike) {
                let (packets, bytes) = (session.packets.into(), session.bytes.into());
                traffic.add(Traffic { flows: 1, packets, bytes });
            }
            let most = evidence.busiest.map_or(0, |busiest| busiest.traffic.flows);
            if let Some(sample) = sample.filter(|_| traffic.flows > most) {
                evidence.busiest = Some(Busiest { host: host.ip(), traffic, sample });
            }
            return;
        }
        let bounds = alike(&mut self.sessions);
        let is_alike = |session: &&Session| {
            bounds.as_ref().is_some_and(|bounds| bounds.contains(&u64::from(session.bytes)))
        };
        let alike: Vec<&Session> = self.sessions.iter().filter(is_alike).collect();
        let count = alike.len() as u64;
        if count >= self.least_sessions {
            self.guessed += 1;
            self.top_guessed.offer(count, host);
            evidence.most_sessions = evidence.most_sessions.max(count);
            for session in alike {
                let (packets, bytes) = (session.packets.into(), session.bytes.into());
                evidence.session_traffic.add(Traffic { flows: 1, packets, bytes });
            }
            if evidence.session_sample.len() < MAX_SAMPLES {
                evidence.session_sample.extend(sample);
            }
        } else {
            let below = all.min(self.least_sessions.saturating_sub(1));
            evidence.most_sessions = evidence.most_sessions.max(below);
        }
        self.sessions.clear();
    }

    /// Returns the evidence, after all attempts were added.
    pub(super) fn end(mut self) -> Evidence {
        self.end_target();
        self.end_net();
        let mut evidence = self.evidence;
        evidence.burst = self.slices.values().copied().max().unwrap_or(0);
        let net =
            |(flows, net): (u64, A)| Peer { host: Host::Prefix(net.prefix()), flows: Some(flows) };
        evidence.nets = self.top_nets.iter().map(net).collect();
        evidence.more_nets = self.nets.saturating_sub(evidence.nets.len() as u64);
        let host =
            |(flows, host): (u64, A)| Peer { host: Host::Address(host.ip()), flows: Some(flows) };
        evidence.guessed = self.top_guessed.iter().map(host).collect();
        evidence.more_guessed = self.guessed.saturating_sub(evidence.guessed.len() as u64);
        evidence
    }
}
