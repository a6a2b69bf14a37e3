//! What one source did by one protocol, added up over its trials as they go by, sorted.
//!
//! Whatever the source does, this stays as large as it is: 64 Ki counters a port twice over, one of
//! them for all sources together, and lists with limits. So a source that scans the whole Internet
//! costs no more than one that scans a street.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::answers::Attempts;
use super::attempt::{Attempt, DARK, OPENED, REJECTED, STREAM, WORKED};
use crate::conversation::Address;
use crate::detect::threshold::percent;
use crate::finding::{MAX_SAMPLES, Sample};
use crate::flow::UDP;

/// Networks that a finding can name; of a source that probed more, the first are named.
const MAX_NETS: usize = 4096;
/// Networks scanned as a whole that are remembered: a /8 of them.
const MAX_WHOLE: usize = 1 << 16;
/// Hosts of one /24 (IPv6: /64) that make it a scanned network.
pub(super) const WHOLE: u64 = 200;
/// Distinct shapes that are told apart.
const MAX_SHAPES: usize = 64;
/// Targets by whose times the order is judged.
const MAX_ORDER: usize = 4096;
/// Local ports of answers that nobody asked for, told apart.
const MAX_SERVICES: usize = 64;
/// traceroute's ports: unanswered by design.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_534;
/// Ports that one scan names at most.
pub(super) const TOP_PORTS: usize = 4;

/// Counters by port, with a list of those that are not zero.
#[derive(Debug)]
pub(super) struct Ports {
    counts: Vec<[u32; 2]>,
    touched: Vec<u16>,
}

impl Ports {
    pub(super) fn new() -> Ports {
        Ports { counts: vec![[0; 2]; 1 << 16], touched: Vec::new() }
    }

    fn add(&mut self, port: u16, which: usize) {
        if let Some(count) = self.counts.get_mut(usize::from(port)) {
            if *count == [0; 2] {
                self.touched.push(port);
            }
            if let Some(count) = count.get_mut(which) {
                *count = count.saturating_add(1);
            }
        }
    }

    fn get(&self, port: u16) -> [u64; 2] {
        self.counts.get(usize::from(port)).map_or([0; 2], |counts| counts.map(u64::from))
    }

    fn clear(&mut self) {
        for port in self.touched.drain(..) {
            if let Some(count) = self.counts.get_mut(usize::from(port)) {
                *count = [0; 2];
            }
        }
    }
}

/// A network that a source probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    pub net: IpNet,
    /// Distinct hosts asked, and of these how many in vain.
    pub asked: u64,
    pub failed: u64,
    /// Flows of the attempts.
    pub flows: u64,
}

/// What is known of a source.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub src: IpAddr,
    pub proto: u8,
    /// Distinct (host, port) that worked, and that failed.
    pub worked: u64,
    pub failed: u64,
    /// Distinct hosts on which some port failed.
    pub hosts: u64,
    /// Distinct inside addresses not in use.
    pub dark: u64,
    /// Distinct ports that failed somewhere.
    pub ports: u64,
    /// The ports that failed most, with how many failed and worked.
    pub top: Vec<(u16, u64, u64)>,
    /// The host on which most ports failed: that many, and how many worked.
    pub most: (u64, u64),
    /// Networks in which something failed, in order, and how many more there were.
    pub nets: Vec<IpNet>,
    pub more_nets: u64,
    /// Networks of which nearly all hosts were asked, most of them in vain, in order.
    pub whole: Vec<Probed>,
    /// The most hosts asked of any network.
    pub most_asked: u64,
    /// The commonest packets and octets of an attempt, and of how many.
    pub shape: ((u32, u32), u64),
    /// Distinct source ports of attempts.
    pub sports: u64,
    /// Attempts whose flags say that they are questions.
    pub asked: u64,
    /// The attempts by ports.
    attempts: Attempts,
    /// Sums over the attempts.
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    pub sample: Vec<Sample>,
    /// Steps in the order of time that went to the next address or near it, and all of them; both
    /// zero where there are no times.
    pub steps: (u64, u64),
    pub unasked: UnsolicitedReplies,
}

/// Answers that nobody asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct UnsolicitedReplies {
    /// Hosts that got one, and how many of them are not in use.
    pub hosts: u64,
    pub dark: u64,
    /// The source's port that sent most of them, and how many.
    pub top: (u16, u64),
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    pub sample: Vec<Sample>,
}

/// Builds the evidence of one source after the other.
#[derive(Debug)]
pub(super) struct Builder<A> {
    src: A,
    proto: u8,
    worked: u64,
    failed: u64,
    hosts: u64,
    dark: u64,
    ports: Ports,
    most: (u64, u64),
    nets: Vec<IpNet>,
    more_nets: u64,
    whole: Vec<Probed>,
    most_asked: u64,
    /// The network that goes by.
    net: Option<Probed>,
    shapes: HashMap<(u32, u32), u64, RandomState>,
    sports: Ports,
    asked: u64,
    flagged: u64,
    refused: u64,
    sums: [u64; 3],
    sample: Vec<Sample>,
    times: Vec<(u32, u32, u16)>,
    unasked: UnsolicitedReplies,
    services: Vec<(u16, u64)>,
    last_unasked: Option<A>,
    /// The host that goes by: failed, worked, dark.
    host: Option<(A, u64, u64, bool, u64)>,
}

impl<A: Address> Builder<A> {
    pub(super) fn new() -> Builder<A> {
        Builder {
            src: A::default(),
            proto: 0,
            worked: 0,
            failed: 0,
            hosts: 0,
            dark: 0,
            ports: Ports::new(),
            most: (0, 0),
            nets: Vec::new(),
            more_nets: 0,
            whole: Vec::new(),
            most_asked: 0,
            net: None,
            shapes: HashMap::default(),
            sports: Ports::new(),
            asked: 0,
            flagged: 0,
            refused: 0,
            sums: [0; 3],
            sample: Vec::new(),
            times: Vec::new(),
            unasked: UnsolicitedReplies::default(),
            services: Vec::new(),
            last_unasked: None,
            host: None,
        }
    }

    /// A new source.
    pub(super) fn begin(&mut self, src: A, proto: u8) {
        (self.src, self.proto) = (src, proto);
        (self.worked, self.failed, self.hosts, self.dark) = (0, 0, 0, 0);
        (self.most, self.more_nets, self.most_asked, self.sums) = ((0, 0), 0, 0, [0; 3]);
        self.whole.clear();
        (self.net, self.asked, self.flagged, self.refused) = (None, 0, 0, 0);
        self.ports.clear();
        self.sports.clear();
        self.nets.clear();
        self.shapes.clear();
        self.sample.clear();
        self.times.clear();
        self.unasked = UnsolicitedReplies::default();
        self.services.clear();
        self.last_unasked = None;
        self.host = None;
    }

    /// The next trial of the source, in the order of rows. `streams_work` says that something large in
    /// one direction shows that there is somebody: where only one is exported.
    pub(super) fn add(&mut self, trial: &Attempt<A>, streams_work: bool) {
        if trial.unsolicited {
            return self.answer(trial);
        }
        if self.host.is_none_or(|(host, ..)| host != trial.dst) {
            self.end_host();
            self.host = Some((trial.dst, 0, 0, false, 0));
        }
        let Some((_, failed, worked, dark, flows)) = &mut self.host else { return };
        if !trial.is_failed() {
            if trial.has(WORKED) || streams_work && trial.has(STREAM) {
                *worked += 1;
                self.worked += 1;
                self.ports.add(trial.port, 1);
            }
            return;
        }
        if is_excused(trial, &self.services) {
            return;
        }
        *failed += 1;
        *dark |= trial.has(DARK);
        *flows += u64::from(trial.flows);
        self.failed += 1;
        self.ports.add(trial.port, 0);
        self.sports.add(trial.sport, 0);
        self.asked += u64::from(trial.has(OPENED));
        self.flagged += u64::from(trial.flags != 0);
        self.refused += u64::from(trial.has(REJECTED));
        let flows = trial.flows.max(1);
        let shape = (trial.packets / flows, trial.octets / flows);
        let room = self.shapes.len() < MAX_SHAPES;
        match self.shapes.get_mut(&shape) {
            Some(count) => *count += 1,
            None if room => _ = self.shapes.insert(shape, 1),
            None => {}
        }
        let counts = [trial.flows, trial.packets, trial.octets];
        self.sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(count));
        if self.sample.len() < MAX_SAMPLES {
            self.sample.push(trial.sample());
        }
        if trial.start != 0 && self.times.len() < MAX_ORDER {
            self.times.push((trial.start, trial.dst.low(), trial.port));
        }
    }

    fn answer(&mut self, trial: &Attempt<A>) {
        if trial.has(STREAM) {
            return;
        }
        let unasked = &mut self.unasked;
        let has_room = self.services.len() < MAX_SERVICES;
        match self.services.iter_mut().find(|(port, _)| *port == trial.sport) {
            Some((_, count)) => *count += 1,
            None if has_room => self.services.push((trial.sport, 1)),
            None => {}
        }
        if self.last_unasked.replace(trial.dst) != Some(trial.dst) {
            unasked.hosts += 1;
            unasked.dark += u64::from(trial.has(DARK));
        }
        unasked.flows += u64::from(trial.flows);
        unasked.packets += u64::from(trial.packets);
        unasked.octets += u64::from(trial.octets);
        if unasked.sample.len() < MAX_SAMPLES {
            unasked.sample.push(trial.sample());
        }
    }

    fn end_host(&mut self) {
        let Some((host, failed, worked, dark, flows)) = self.host.take() else { return };
        if failed + worked == 0 {
            return;
        }
        self.hosts += u64::from(failed > 0);
        self.dark += u64::from(dark);
        self.most = self.most.max((failed, worked));
        let net = host.prefix();
        if self.net.is_none_or(|last| last.net != net) {
            self.end_net();
        }
        let last = self.net.get_or_insert(Probed { net, asked: 0, failed: 0, flows: 0 });
        last.asked += 1;
        last.failed += u64::from(failed > 0);
        last.flows += flows;
    }

    fn end_net(&mut self) {
        let Some(net) = self.net.take() else { return };
        self.most_asked = self.most_asked.max(net.asked);
        if net.failed == 0 {
            return;
        }
        match self.nets.len() < MAX_NETS {
            true => self.nets.push(net.net),
            false => self.more_nets += 1,
        }
        let is_whole = net.asked >= WHOLE && net.failed * 2 >= net.asked;
        if is_whole && self.whole.len() < MAX_WHOLE {
            self.whole.push(net);
        }
    }

    /// All trials of the source have gone by.
    pub(super) fn end(&mut self) -> Evidence {
        self.end_host();
        self.end_net();
        let counts = self.ports.touched.iter().map(|port| (*port, self.ports.get(*port)));
        let failed: Vec<_> = counts.filter(|(_, [failed, _])| *failed > 0).collect();
        let mut attempts = Attempts {
            all: self.failed,
            flagged: self.flagged,
            refused: self.refused,
            sports: self.sports.touched.len() as u64,
            ..Attempts::default()
        };
        failed.iter().for_each(|&(port, [failed, _])| attempts.add_port(port, failed));
        let mut top: Vec<_> = failed.iter().map(|&(port, [f, w])| (port, f, w)).collect();
        top.sort_unstable_by_key(|&(port, failed, _)| (std::cmp::Reverse(failed), port));
        top.truncate(TOP_PORTS);
        let shape = self.shapes.iter().map(|(shape, count)| (*count, std::cmp::Reverse(*shape)));
        let shape = shape.max().map_or(((0, 0), 0), |(count, shape)| (shape.0, count));
        self.services.sort_unstable_by_key(|&(port, count)| (std::cmp::Reverse(count), port));
        self.unasked.top = self.services.first().copied().unwrap_or_default();
        Evidence {
            src: self.src.ip(),
            proto: self.proto,
            worked: self.worked,
            failed: self.failed,
            hosts: self.hosts,
            dark: self.dark,
            ports: failed.len() as u64,
            top,
            most: self.most,
            nets: self.nets.clone(),
            more_nets: self.more_nets,
            whole: self.whole.clone(),
            most_asked: self.most_asked,
            shape,
            sports: self.sports.touched.len() as u64,
            asked: self.asked,
            attempts,
            flows: self.sums[0],
            packets: self.sums[1],
            octets: self.sums[2],
            sample: self.sample.clone(),
            steps: steps(&mut self.times, self.hosts),
            unasked: self.unasked.clone(),
        }
    }
}

/// A failure that means nothing: traceroute asks where nobody answers; and what a port sent that has
/// also sent answers nobody asked for is an answer too, unless flags say otherwise.
fn is_excused<A: Address>(trial: &Attempt<A>, services: &[(u16, u64)]) -> bool {
    if trial.proto == UDP && TRACEROUTE.contains(&trial.port) {
        return true;
    }
    let answered = services.iter().find(|(port, _)| *port == trial.sport);
    !trial.has(OPENED) && answered.is_some_and(|(_, count)| *count >= ANSWERS)
}

/// So many answers without a question from one port, and it is a service's.
const ANSWERS: u64 = 12;

/// How many steps from one target to the next in time were short, and of how many: from address to
/// address, or on a single host from port to port. What is counted are the targets between, so that
/// a walk through every tenth address is a walk.
fn steps(times: &mut [(u32, u32, u16)], hosts: u64) -> (u64, u64) {
    times.sort_unstable();
    let mut places: Vec<u32> = times
        .iter()
        .map(|(_, address, port)| if hosts == 1 { u32::from(*port) } else { *address })
        .collect();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    sorted.dedup();
    for place in &mut places {
        *place = sorted.partition_point(|other| other < place) as u32;
    }
    places.dedup();
    let short = places.windows(2).filter(|step| matches!(step, [a, b] if a.abs_diff(*b) <= SHORT));
    (short.count() as u64, places.len().saturating_sub(1) as u64)
}

/// A walk whose records share a millisecond, or come in an order of their own, is a walk.
const SHORT: u32 = 3;

impl Evidence {
    /// Failures among what was tried, in percent.
    pub(super) fn failed_percent(&self) -> u64 {
        percent(self.failed, self.failed + self.worked)
    }

    /// Whether the attempts may well be answers of a service that nothing else is known of: from one port,
    /// to a port of its own on nearly each host, and no flags say otherwise. So a flooded server answers
    /// forged clients; no scanner asks each host for another port.
    pub(super) fn may_be_answers(&self) -> bool {
        let is_scattered = self.ports * 10 >= self.failed * 9;
        let is_fixed = self.sports == 1 && self.failed > 1;
        (self.asked == 0 && is_fixed && is_scattered) || self.are_answers()
    }

    /// Returns true if the attempts may well be resets, or SYN and ACK, of a server at an unknown port.
    pub(super) fn are_answers(&self) -> bool {
        self.attempts.may_be_answers(self.proto)
    }

    /// Failures and successes on the ports that failed most: the fewest, up to [`TOP_PORTS`], that
    /// together are at least half of all failures.
    pub(super) fn focus(&self) -> Focus {
        let mut focus = Focus { ports: Vec::new(), failed: 0, worked: 0 };
        for &(port, failed, worked) in &self.top {
            if focus.failed * 2 >= self.failed {
                break;
            }
            focus.ports.push(port);
            focus.failed += failed;
            focus.worked += worked;
        }
        focus
    }
}

/// The ports that a source is after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Focus {
    pub ports: Vec<u16>,
    pub failed: u64,
    pub worked: u64,
}

impl Focus {
    /// The port, if it is one.
    pub(super) fn port(&self) -> Option<u16> {
        match self.ports.as_slice() {
            [port] => Some(*port),
            _ => None,
        }
    }
}
