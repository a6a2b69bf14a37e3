//! What came upon one host in a window, put together from its events.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::event::{Event, FLAGS, Kind, SPOOFED, STREAM};
use super::forged::{Sign, Sources};
use crate::detect::Site;
use crate::detect::conversation::{ACK, Address, FIN, PSH, RST, SYN};
use crate::detect::rule::{Answers, percent};
use crate::detect::top::Top;
use crate::finding::{MAX_PEERS, MAX_SAMPLES, Peer, Sample, Side};
use crate::flow::{TCP, UDP};

/// Minutes that are told apart: of more, a day's, the rest is not looked at.
const MAX_MINUTES: usize = 2048;
/// Hosts that a host asked and that are remembered to know whose answers it wanted.
const MAX_ASKED: usize = 1 << 20;
/// Sources of a host that are told apart whatever they send; with more, one that floods by two protocols is
/// counted by each.
const MAX_SEEN: usize = 1 << 20;
/// A source that the host sent one packet for so many is one that it talks with, on whatever ports.
const TALKS: u64 = 10;

/// Ports of one source that are counted one by one.
const MAX_PORTS: usize = 4096;
/// A source that asks for so many ports, for none much more often than scanners try again, looks for
/// them: that is a scan, and nfscan's.
const SCANNED: u64 = 15;
/// Conversations a port that a scanner has: nmap tries up to ten times (-T0 to -T3).
const TRIES: u64 = 10;
/// So many scanners of one host together, with so many conversations, are a flood of random ports; unless
/// all of them ask for the same ports, as one scanner does who hides among forged others (nmap -D).
const SCANNERS: (u64, u64) = (10, 5000);
/// Octets a packet up to which UDP may be a scan's probe.
const PROBE: u64 = 100;

/// Names of UDP services that were made to flood third parties, by port (CISA alert TA14-017A, and what
/// came since).
const SERVICES: [(u16, &str); 20] = [
    (17, "qotd"),
    (19, "chargen"),
    (53, "dns"),
    (69, "tftp"),
    (111, "portmap"),
    (123, "ntp"),
    (137, "netbios"),
    (161, "snmp"),
    (389, "cldap"),
    (520, "rip"),
    (1900, "ssdp"),
    (3283, "ard"),
    (3389, "rdp"),
    (3702, "wsd"),
    (5093, "sentinel"),
    (5353, "mdns"),
    (5683, "coap"),
    (10001, "ubiquiti"),
    (11211, "memcached"),
    (37810, "dvr"),
];

/// The service whose answers come from a port, if it is known for that.
pub(super) fn service(proto: u8, port: u16) -> Option<&'static str> {
    let known = SERVICES.iter().find(|(known, _)| *known == port && proto == UDP);
    known.map(|(_, name)| *name)
}

/// Whether ordinary hosts ask strangers for it: names and the time.
fn is_popular(port: u16) -> bool {
    matches!(port, 53 | 123 | 3389 | 5353)
}

/// Flows, packets and octets.
pub(super) type Counts = (u64, u64, u64);

/// Sums over conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    /// Packets the other way.
    pub out: u64,
}

/// One source of a load, with what else is needed to show it; ordered by its address first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sender {
    pub peer: IpAddr,
    pub sums: Counts,
    pub sample: Sample,
}

/// Traffic of one kind upon a host.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    pub sources: u64,
    /// Flows of inside sources, but those of TCP.
    pub ours: u64,
    top: Top<Sender, MAX_PEERS>,
    /// Conversations by protocol and port of who is flooded.
    ports: HashMap<(u8, u16), u64, RandomState>,
}

/// The loads of a host, as bits: which of them a source was counted in.
const TRIED: u8 = 1;
const LOOKED: u8 = 2;
const STREAMED: u8 = 4;
const DATAGRAMS: u8 = 8;
const ANSWERS: u8 = 16;
const SENT: u8 = 32;

impl Load {
    fn new() -> Load {
        Load {
            flows: 0,
            packets: 0,
            octets: 0,
            sources: 0,
            ours: 0,
            top: Top::new(),
            ports: HashMap::default(),
        }
    }

    fn clear(&mut self) {
        (self.flows, self.packets, self.octets, self.sources, self.ours) = (0, 0, 0, 0, 0);
        self.top.clear();
        self.ports.clear();
    }

    /// Adds a source's, which is new or was there by another protocol; what counts in `top` is `weight`.
    fn add(&mut self, run: &Run, flows: u64, weight: u64, is_new: bool) {
        let (_, packets, octets) = run.sums;
        self.flows += flows;
        self.packets = self.packets.saturating_add(packets);
        self.octets = self.octets.saturating_add(octets);
        self.sources += u64::from(is_new);
        let is_ours = run.is_ours && !run.is_spoofed && run.proto != TCP;
        self.ours += if is_ours { flows } else { 0 };
        self.top.offer(
            weight,
            Sender { peer: run.peer, sums: (flows, packets, octets), sample: run.sample },
        );
        for (port, flows) in &run.ports {
            *self.ports.entry((run.proto, *port)).or_default() += flows;
        }
    }

    /// Adds another load, `both` of whose sources are in this one too.
    fn absorb(&mut self, other: &Load, both: u64) {
        self.flows += other.flows;
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
        self.sources += other.sources - both;
        self.ours += other.ours;
        other.top.iter().for_each(|(weight, from)| self.top.offer(weight, from));
        for (port, flows) in &other.ports {
            *self.ports.entry(*port).or_default() += flows;
        }
    }

    /// The sources that sent most, each once.
    pub(super) fn top(&self) -> Vec<(u64, Sender)> {
        let mut all: Vec<(u64, Sender)> = Vec::new();
        for (weight, from) in self.top.iter() {
            match all.iter_mut().find(|(_, other)| other.peer == from.peer) {
                // The same by another protocol.
                Some((sum, other)) => {
                    *sum += weight;
                    let (flows, packets, octets) = from.sums;
                    other.sums.0 += flows;
                    other.sums.1 = other.sums.1.saturating_add(packets);
                    other.sums.2 = other.sums.2.saturating_add(octets);
                }
                None => all.push((weight, from)),
            }
        }
        all.sort_by_key(|(weight, from)| (std::cmp::Reverse(*weight), from.peer));
        all
    }

    /// The protocol and the port that nine in ten of the conversations share, where they do.
    pub(super) fn aim(&self) -> (Option<u8>, Option<u16>) {
        let mut protos: HashMap<u8, u64, RandomState> = HashMap::default();
        for ((proto, _), flows) in &self.ports {
            *protos.entry(*proto).or_default() += flows;
        }
        let all: u64 = protos.values().sum();
        let most = |flows: u64| percent(flows, all) >= 90;
        let proto = protos.iter().find(|(_, flows)| most(**flows)).map(|(proto, _)| *proto);
        let port = self.ports.iter().find(|(_, flows)| most(**flows)).map(|((_, port), _)| *port);
        (proto, port)
    }

    pub(super) fn peers(&self) -> Vec<Peer> {
        let host = crate::finding::Host::Address;
        self.top()
            .iter()
            .map(|(_, from)| Peer { host: host(from.peer), flows: Some(from.sums.0) })
            .collect()
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.top().iter().take(MAX_SAMPLES).map(|(_, from)| from.sample).collect()
    }
}

/// Answers from one port that nobody asked for, or what looks like them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Answerers {
    sources: u64,
    /// Those of them that the host asked something.
    asked: u64,
    /// Packets that the host sent to this port of whomever.
    asks: u64,
    flows: u64,
    packets: u64,
    octets: u64,
}

/// What was reflected upon a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reflected {
    /// The port that most came from.
    pub port: u16,
    /// How many ports there were.
    pub ports: u64,
    pub sources: u64,
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    /// Percent of the sources that the host had asked.
    pub asked: u64,
}

/// What came upon a host.
#[derive(Debug)]
pub(super) struct Evidence {
    pub host: IpAddr,
    /// What it was asked for and served, and what it asked itself.
    pub served: Sums,
    pub asked: Sums,
    /// Asked in vain, scans left out.
    pub tried: Load,
    /// Conversations in the busiest minute of these; 0 if there are no times.
    pub minute: u64,
    /// Conversations of sources that looked for open ports.
    pub scanned: u64,
    /// All that was not answered, by UDP alone, and answers of TCP that were not asked for.
    pub stream: Load,
    pub datagrams: Load,
    pub answers: Load,
    /// Of these, what was reflected.
    pub by_udp: Reflected,
    pub by_tcp: Reflected,
    pub sign: Option<Sign>,
    /// What it sent to single hosts, unanswered.
    pub sent: Load,
}

/// What the builder must know of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub site: &'a Site,
    pub answers: Answers,
    /// One packet in many was seen.
    pub sampled: bool,
    /// Of a slice: the question of an answer may be in the one before.
    pub live: bool,
}

impl View<'_> {
    /// Silence means that there was no answer.
    pub(super) fn hears(&self) -> bool {
        self.answers == Answers::Seen && !self.sampled
    }
}

/// One source's rows of one kind and protocol.
#[derive(Clone, Debug)]
struct Run {
    kind: Kind,
    proto: u8,
    peer: IpAddr,
    sums: Counts,
    /// Of the conversations, those that a flood is made of.
    tried: u64,
    /// The host's ports in order, with their conversations.
    ports: Vec<(u16, u64)>,
    distinct: u64,
    minutes: Vec<(u32, u64)>,
    /// Sums by the source's port, where there are few.
    sports: Vec<(u16, Counts)>,
    is_spoofed: bool,
    /// One of our own.
    is_ours: bool,
    sample: Sample,
}

impl Run {
    /// An empty one for this event's source, in the place of an old one.
    fn of<A: Address>(event: &Event<A>, view: View, old: Option<Run>) -> Run {
        let mut run = Run {
            kind: event.kind,
            proto: event.proto,
            peer: event.peer.ip(),
            sums: (0, 0, 0),
            tried: 0,
            ports: Vec::new(),
            distinct: 0,
            minutes: Vec::new(),
            sports: Vec::new(),
            is_spoofed: false,
            is_ours: view.site.side(event.peer.ip()) == Some(Side::Inside),
            sample: event.sample(),
        };
        if let Some(Run { mut ports, mut minutes, mut sports, .. }) = old {
            ports.clear();
            minutes.clear();
            sports.clear();
            (run.ports, run.minutes, run.sports) = (ports, minutes, sports);
        }
        run
    }

    /// Whether the source looks for open ports.
    fn is_scan(&self) -> bool {
        let (_, packets, octets) = self.sums;
        let looks = self.distinct >= SCANNED && self.tried <= TRIES * self.distinct;
        match self.proto {
            // A scanner asks; what is answered to many ports is no scan.
            TCP => looks && self.kind == Kind::Tried,
            UDP => looks && octets <= PROBE.saturating_mul(packets),
            _ => false,
        }
    }
}

/// Puts evidence together. Kept from one host to the next, for its tables.
#[derive(Debug)]
pub(super) struct Builder<A> {
    evidence: Evidence,
    run: Option<Run>,
    /// Whom the host asked by which protocol, in order, and how many packets that took.
    asked: Vec<(u8, A, u64)>,
    answerers: HashMap<(u8, u16), Answerers, RandomState>,
    /// Sources, with the loads that they were counted in.
    seen: HashMap<IpAddr, u8, RandomState>,
    tried: Crowd,
    /// Those who looked for open ports.
    looked: Crowd,
}

/// Who asked in vain.
#[derive(Debug)]
struct Crowd {
    load: Load,
    minutes: HashMap<u32, u64, RandomState>,
    /// The most ports of one source.
    widest: u64,
    /// Sources of the kind and protocol that goes by, and of the one that had most.
    sources: Sources,
    forged: Sources,
    of: Option<(Kind, u8)>,
}

impl Crowd {
    fn new() -> Crowd {
        Crowd {
            load: Load::new(),
            minutes: HashMap::default(),
            widest: 0,
            sources: Sources::default(),
            forged: Sources::default(),
            of: None,
        }
    }

    fn clear(&mut self) {
        self.load.clear();
        self.minutes.clear();
        (self.widest, self.of) = (0, None);
        (self.sources, self.forged) = (Sources::default(), Sources::default());
    }

    fn add(&mut self, run: &Run, is_new: bool) {
        self.load.add(run, run.tried, run.tried, is_new);
        self.widest = self.widest.max(run.distinct);
        for (minute, flows) in &run.minutes {
            self.count(*minute, *flows);
        }
        if self.of != Some((run.kind, run.proto)) {
            self.turn(Some((run.kind, run.proto)));
        }
        self.sources.add(run.peer, run.tried, run.is_ours, run.is_spoofed);
    }

    fn count(&mut self, minute: u32, flows: u64) {
        let is_full = self.minutes.len() >= MAX_MINUTES;
        match self.minutes.get_mut(&minute) {
            Some(sum) => *sum += flows,
            None if is_full => {}
            None => _ = self.minutes.insert(minute, flows),
        }
    }

    /// Sources of another kind follow.
    fn turn(&mut self, of: Option<(Kind, u8)>) {
        let before = std::mem::take(&mut self.sources);
        if before.count > self.forged.count {
            self.forged = before;
        }
        self.of = of;
    }

    /// Whether scanners are so many that they are none.
    fn is_flood(&self) -> bool {
        let Load { flows, sources, ports, .. } = &self.load;
        let ports = (ports.len() as u64).max(self.widest);
        let is_one_scan = ports * 10 <= self.widest * 11 && *flows <= TRIES * sources * self.widest;
        *sources >= SCANNERS.0 && *flows >= SCANNERS.1 && !is_one_scan
    }

    fn absorb(&mut self, other: &mut Crowd, both: u64) {
        self.load.absorb(&other.load, both);
        for (minute, flows) in std::mem::take(&mut other.minutes) {
            self.count(minute, flows);
        }
        other.turn(None);
        if other.forged.count > self.forged.count {
            self.forged = other.forged;
        }
    }
}

/// Source ports of one source that are told apart: one that answers has one.
const MAX_SPORTS: usize = 4;

impl<A: Address> Builder<A> {
    pub(super) fn new() -> Builder<A> {
        let evidence = Evidence {
            host: A::default().ip(),
            served: Sums::default(),
            asked: Sums::default(),
            tried: Load::new(),
            minute: 0,
            scanned: 0,
            stream: Load::new(),
            datagrams: Load::new(),
            answers: Load::new(),
            by_udp: Reflected::default(),
            by_tcp: Reflected::default(),
            sign: None,
            sent: Load::new(),
        };
        Builder {
            evidence,
            run: None,
            asked: Vec::new(),
            answerers: HashMap::default(),
            seen: HashMap::default(),
            tried: Crowd::new(),
            looked: Crowd::new(),
        }
    }

    /// The events of another host follow, in their order.
    pub(super) fn begin(&mut self, host: A) {
        let evidence = &mut self.evidence;
        evidence.host = host.ip();
        (evidence.served, evidence.asked) = (Sums::default(), Sums::default());
        for load in [
            &mut evidence.stream,
            &mut evidence.datagrams,
            &mut evidence.answers,
            &mut evidence.sent,
        ] {
            load.clear();
        }
        (evidence.minute, evidence.scanned, evidence.sign) = (0, 0, None);
        (evidence.by_udp, evidence.by_tcp) = (Reflected::default(), Reflected::default());
        self.run = None;
        self.asked.clear();
        self.answerers.clear();
        self.seen.clear();
        self.tried.clear();
        self.looked.clear();
    }

    pub(super) fn add(&mut self, event: &Event<A>, view: View) {
        let sum = |sums: &mut Sums| {
            sums.flows += u64::from(event.flows);
            sums.packets = sums.packets.saturating_add(event.packets);
            sums.octets = sums.octets.saturating_add(event.octets);
            sums.out += u64::from(event.more);
        };
        match event.kind {
            Kind::Served => sum(&mut self.evidence.served),
            Kind::Asked => {
                sum(&mut self.evidence.asked);
                let asks = u64::from(event.more);
                if event.proto == UDP {
                    self.answerers.entry((UDP, event.port)).or_default().asks += asks;
                }
                let is_full = self.asked.len() >= MAX_ASKED;
                match self.asked.last_mut() {
                    Some((proto, peer, sum)) if (*proto, *peer) == (event.proto, event.peer) => {
                        *sum += asks;
                    }
                    _ if is_full => {}
                    _ => self.asked.push((event.proto, event.peer, asks)),
                }
            }
            Kind::Tried | Kind::Unasked | Kind::Sent => self.one_way(event, view),
        }
    }

    fn one_way(&mut self, event: &Event<A>, view: View) {
        let peer = event.peer.ip();
        let of = (event.kind, event.proto, peer);
        if self.run.as_ref().is_none_or(|run| (run.kind, run.proto, run.peer) != of) {
            let old = self.close(view);
            self.run = Some(Run::of(event, view, old));
        }
        let Some(run) = &mut self.run else { return };
        // A conversation of what was tried counts once, however many records it has.
        let flows = if event.kind == Kind::Sent { u64::from(event.flows) } else { 1 };
        let (packets, octets) = (event.packets, event.octets);
        add(&mut run.sums, (flows, packets, octets));
        // The port that is attacked: of what the host sent, the peer's.
        let aim = if event.kind == Kind::Sent { event.sport } else { event.port };
        match run.ports.last_mut() {
            Some((port, count)) if *port == aim => *count += flows,
            _ => {
                run.distinct += 1;
                if run.ports.len() < MAX_PORTS {
                    run.ports.push((aim, flows));
                }
            }
        }
        if counts(event, view) {
            run.tried += 1;
            if event.more != 0 {
                count(&mut run.minutes, event.more / 60_000);
            }
        }
        run.is_spoofed |= event.has(SPOOFED);
        let is_answer = match event.kind {
            Kind::Unasked => event.proto == UDP || is_syn_ack(event),
            _ => event.proto == UDP,
        };
        if is_answer {
            match run.sports.iter().position(|(port, _)| *port == event.sport) {
                Some(at) => {
                    if let Some((_, sums)) = run.sports.get_mut(at) {
                        add(sums, (flows, packets, octets));
                    }
                }
                None if run.sports.len() < MAX_SPORTS => {
                    run.sports.push((event.sport, (flows, packets, octets)));
                }
                None => {}
            }
        }
    }

    /// The run is over: one source's, by one protocol. It is given back for the next to use.
    fn close(&mut self, view: View) -> Option<Run> {
        let run = self.run.take()?;
        let (flows, packets, _) = run.sums;
        // Whom the host talks with on other ports sends it nothing in vain: TFTP answers from a port of its own
        // (RFC 1350 section 4), tunnels have a new one for each flow that they carry (RFC 7348 section 5).
        let of = |(proto, peer, _): &(u8, A, u64)| (*proto, peer.ip()).cmp(&(run.proto, run.peer));
        let asks = self.asked.binary_search_by(of).ok().and_then(|at| self.asked.get(at));
        let is_asked = asks.is_some();
        let talks = |asks: u64| asks.saturating_mul(TALKS) >= packets;
        let is_known = run.proto != TCP || run.kind == Kind::Unasked;
        let is_known = is_known && asks.is_some_and(|(.., asks)| talks(*asks));
        let counted = self.counted(&run, !is_known && run.tried > 0);
        let evidence = &mut self.evidence;
        let is_new = |load: u8| counted & load == 0;
        if run.kind == Kind::Sent {
            evidence.sent.add(&run, flows, packets, is_new(SENT));
            return Some(run);
        }
        evidence.stream.add(&run, flows, packets, is_new(STREAMED));
        match (run.kind, run.proto) {
            (_, UDP) => evidence.datagrams.add(&run, flows, packets, is_new(DATAGRAMS)),
            (Kind::Unasked, TCP) if !run.sports.is_empty() => {
                evidence.answers.add(&run, flows, packets, is_new(ANSWERS));
            }
            _ => {}
        }
        if run.tried > 0 && !is_known {
            match run.is_scan() {
                true => self.looked.add(&run, is_new(LOOKED)),
                false => self.tried.add(&run, is_new(TRIED)),
            }
        }
        // What our own send each other in somebody's name would have been asked for here too.
        let is_ours = run.is_ours && view.site.side(self.evidence.host) == Some(Side::Inside);
        for &(sport, (flows, packets, octets)) in run.sports.iter().filter(|_| !is_ours) {
            let of = self.answerers.entry((run.proto, sport)).or_default();
            of.sources += 1;
            of.asked += u64::from(is_asked);
            of.flows += flows;
            of.packets = of.packets.saturating_add(packets);
            of.octets = of.octets.saturating_add(octets);
        }
        Some(run)
    }

    /// The loads in which the run's source was counted before; from now on also in those that it goes into.
    fn counted(&mut self, run: &Run, is_tried: bool) -> u8 {
        let mut goes = match run.kind {
            Kind::Sent => SENT,
            _ => STREAMED,
        };
        goes |= match (run.kind, run.proto) {
            (Kind::Sent, _) => 0,
            (_, UDP) => DATAGRAMS,
            (Kind::Unasked, TCP) if !run.sports.is_empty() => ANSWERS,
            _ => 0,
        };
        goes |= match (is_tried && run.kind != Kind::Sent, run.is_scan()) {
            (true, true) => LOOKED,
            (true, false) => TRIED,
            _ => 0,
        };
        let is_full = self.seen.len() >= MAX_SEEN;
        match self.seen.get_mut(&run.peer) {
            Some(seen) => {
                let before = *seen;
                *seen |= goes;
                before
            }
            None if is_full => 0,
            None => {
                self.seen.insert(run.peer, goes);
                0
            }
        }
    }

    /// All that came upon the host, which had served so many before.
    pub(super) fn end(&mut self, view: View, served: u64) -> &Evidence {
        self.close(view);
        self.evidence.served.flows += served;
        self.tried.turn(None);
        let both = |seen: &&u8| **seen & (TRIED | LOOKED) == TRIED | LOOKED;
        match self.looked.is_flood() {
            true => {
                let both = self.seen.values().filter(both).count() as u64;
                self.tried.absorb(&mut self.looked, both);
            }
            false => self.evidence.scanned = self.looked.load.flows,
        }
        std::mem::swap(&mut self.evidence.tried, &mut self.tried.load);
        self.evidence.sign = self.tried.forged.sign();
        self.evidence.minute = self.tried.minutes.values().copied().max().unwrap_or(0);
        self.evidence.by_udp = self.reflected(UDP, view);
        self.evidence.by_tcp = self.reflected(TCP, view);
        &self.evidence
    }

    /// What ten sources or more sent from one and the same port, unasked.
    fn reflected(&self, proto: u8, view: View) -> Reflected {
        // Of a datagram too large for one packet only the first has ports (RFC 791 section 2.3).
        let pieces =
            self.answerers.get(&(proto, 0)).filter(|_| proto == UDP).copied().unwrap_or_default();
        let mut ports: Vec<(u16, Answerers)> = self
            .answerers
            .iter()
            .filter(|((of, port), from)| *of == proto && *port != 0 && from.sources >= SOURCES)
            .map(|((_, port), from)| (*port, *from))
            .collect();
        ports.sort_unstable_by_key(|(port, from)| (std::cmp::Reverse(from.packets), *port));
        if let (Some((_, first)), UDP) = (ports.first_mut(), proto) {
            first.flows += pieces.flows;
            first.packets = first.packets.saturating_add(pieces.packets);
            first.octets = first.octets.saturating_add(pieces.octets);
        }
        // What a service is known for needs no size, if nobody asked for it.
        let is_known = |port| view.hears() && service(proto, port).is_some();
        let is_large = |port, from: &Answerers| {
            proto == TCP || is_known(port) || from.octets >= LARGE.saturating_mul(from.packets)
        };
        let is_wanted = |port: u16, from: &Answerers| match view.answers {
            // The questions are not there to be seen; of some services nobody asks ten strangers.
            Answers::Partly | Answers::Unseen => service(proto, port).is_none() || is_popular(port),
            // Of one packet in many, a question and its answer are hardly ever both there.
            Answers::Seen if view.sampled => percent(from.asks, from.packets) >= WANTED,
            Answers::Seen => percent(from.asked, from.sources) >= WANTED,
        };
        ports.retain(|(port, from)| is_large(*port, from) && !is_wanted(*port, from));
        let Some((port, _)) = ports.first() else { return Reflected::default() };
        let mut all = Reflected { port: *port, ports: ports.len() as u64, ..Reflected::default() };
        let mut asked = 0;
        for (_, from) in &ports {
            all.sources += from.sources;
            all.flows += from.flows;
            all.packets = all.packets.saturating_add(from.packets);
            all.octets = all.octets.saturating_add(from.octets);
            asked += from.asked;
        }
        all.asked = percent(asked, all.sources);
        all
    }
}

/// Fewer sources of one port are no reflectors.
pub(super) const SOURCES: u64 = 10;
/// Octets a packet that an answer has which was worth asking for.
const LARGE: u64 = 200;
/// Percent of the sources that were asked from which on the answers are wanted.
const WANTED: u64 = 10;

/// Adds counts to others.
pub(super) fn add(sums: &mut Counts, (flows, packets, octets): Counts) {
    sums.0 += flows;
    sums.1 = sums.1.saturating_add(packets);
    sums.2 = sums.2.saturating_add(octets);
}

fn count(minutes: &mut Vec<(u32, u64)>, minute: u32) {
    let is_full = minutes.len() >= MAX_MINUTES;
    // The conversations of one source with one port come in no order; but most sources have few.
    match minutes.iter_mut().rev().find(|(of, _)| *of == minute) {
        Some((_, sum)) => *sum += 1,
        None if is_full => {}
        None => minutes.push((minute, 1)),
    }
}

/// Whether what was sent in vain is an attempt that a flood is made of.
///
/// Where answers are not seen, only what shows by itself that it opens a connection that never was:
/// SYN without an acknowledgement, or a few packets without load. Datagrams that go on and on are one from
/// outside alone: so do our own hosts tell a collector what happens, and a receiver what is said. An answer
/// that was never asked for is one too: of TCP a bare one, which is no rest of a connection.
fn counts<A: Address>(event: &Event<A>, view: View) -> bool {
    let is_bare = || event.octets <= A::BARE.saturating_mul(event.packets);
    match (event.kind, view.hears(), event.proto) {
        (Kind::Sent | Kind::Asked | Kind::Served, ..) | (Kind::Unasked, false, _) => false,
        (Kind::Unasked, ..) if view.live => false,
        (Kind::Unasked, true, TCP) if event.has(FLAGS) => {
            let is_answer = event.flags & (SYN | ACK) == SYN | ACK || event.flags & RST != 0;
            is_answer && event.flags & (FIN | PSH) == 0 && is_bare()
        }
        (Kind::Unasked, true, TCP) => !event.has(STREAM),
        (Kind::Tried, true, TCP) => {
            let never_opened = event.has(FLAGS) && event.flags & (SYN | ACK) == SYN;
            !event.has(STREAM) || event.flags & (SYN | RST) == 0 || never_opened
        }
        (_, true, UDP) if event.has(STREAM) => {
            view.site.side(event.peer.ip()) == Some(Side::Outside)
        }
        (_, true, _) => true,
        (_, false, TCP) if event.has(FLAGS) => event.flags & (SYN | ACK) == SYN,
        (_, false, TCP) => !event.has(STREAM) && event.packets <= 3 && is_bare(),
        (_, false, _) => false,
    }
}

/// An answer of TCP to a question; where flags are unknown, what is as small.
fn is_syn_ack<A: Address>(event: &Event<A>) -> bool {
    match event.has(FLAGS) {
        true => event.flags & (SYN | ACK) == SYN | ACK && !event.has(STREAM),
        false => !event.has(STREAM),
    }
}
