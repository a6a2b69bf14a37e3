//! What came upon one host in a window, put together from its events.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::event::{Event, FLAGS, Kind, SPOOFED, STREAM};
use super::forged::{Sign, Sources};
use crate::detect::Site;
use crate::detect::conversation::{ACK, Address, RST, SYN};
use crate::detect::rule::{Answers, percent};
use crate::detect::top::Top;
use crate::finding::{MAX_PEERS, MAX_SAMPLES, Peer, Sample, Side};
use crate::flow::{TCP, UDP};

/// Minutes that are told apart: of more, a day's, the rest is not looked at.
const MAX_MINUTES: usize = 2048;
/// Hosts that a host asked by UDP and that are remembered to know whose answers it wanted.
const MAX_ASKED: usize = 1 << 20;

/// Ports of one source that are counted one by one.
const MAX_PORTS: usize = 4096;
/// A source that asks for so many ports, for none much more often than scanners try again, looks for
/// them: that is a scan, and nfscan's.
const SCANNED: u64 = 15;
/// Conversations a port that a scanner has: nmap tries up to ten times (-T0 to -T3).
const TRIES: u64 = 10;
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
    top: Top<Sender, MAX_PEERS>,
    /// Conversations by protocol and port of who is flooded.
    ports: HashMap<(u8, u16), u64, RandomState>,
}

impl Load {
    fn new() -> Load {
        Load {
            flows: 0,
            packets: 0,
            octets: 0,
            sources: 0,
            top: Top::new(),
            ports: HashMap::default(),
        }
    }

    fn clear(&mut self) {
        (self.flows, self.packets, self.octets, self.sources) = (0, 0, 0, 0);
        self.top.clear();
        self.ports.clear();
    }

    /// Adds a source's; what counts in `top` is `weight`.
    fn add(&mut self, run: &Run, flows: u64, weight: u64) {
        let (_, packets, octets) = run.sums;
        self.flows += flows;
        self.packets = self.packets.saturating_add(packets);
        self.octets = self.octets.saturating_add(octets);
        self.sources += 1;
        self.top.offer(
            weight,
            Sender { peer: run.peer, sums: (flows, packets, octets), sample: run.sample },
        );
        for (port, flows) in &run.ports {
            *self.ports.entry((run.proto, *port)).or_default() += flows;
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
    sample: Sample,
}

impl Run {
    /// An empty one for this event's source, in the place of an old one.
    fn of<A: Address>(event: &Event<A>, old: Option<Run>) -> Run {
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
}

/// Puts evidence together. Kept from one host to the next, for its tables.
#[derive(Debug)]
pub(super) struct Builder<A> {
    evidence: Evidence,
    run: Option<Run>,
    /// Whom the host asked by UDP, in order.
    asked: Vec<A>,
    answerers: HashMap<(u8, u16), Answerers, RandomState>,
    minutes: Vec<(u32, u64)>,
    /// Sources of the protocol that goes by, and of the one that had most.
    sources: Sources,
    forged: Sources,
    proto: u8,
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
            minutes: Vec::new(),
            sources: Sources::default(),
            forged: Sources::default(),
            proto: 0,
        }
    }

    /// The events of another host follow, in their order.
    pub(super) fn begin(&mut self, host: A) {
        let evidence = &mut self.evidence;
        evidence.host = host.ip();
        (evidence.served, evidence.asked) = (Sums::default(), Sums::default());
        for load in [
            &mut evidence.tried,
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
        self.minutes.clear();
        (self.sources, self.forged, self.proto) = (Sources::default(), Sources::default(), 0);
    }

    pub(super) fn add(&mut self, event: &Event<A>, view: View) {
        let sum = |sums: &mut Sums| {
            sums.flows += u64::from(event.flows);
            sums.packets += u64::from(event.packets);
            sums.octets += u64::from(event.octets);
            sums.out += u64::from(event.more);
        };
        match event.kind {
            Kind::Served => sum(&mut self.evidence.served),
            Kind::Asked => {
                sum(&mut self.evidence.asked);
                if event.proto == UDP {
                    let of = self.answerers.entry((UDP, event.port)).or_default();
                    of.asks += u64::from(event.more);
                    if self.asked.len() < MAX_ASKED {
                        self.asked.push(event.peer);
                    }
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
            self.run = Some(Run::of(event, old));
        }
        let Some(run) = &mut self.run else { return };
        // A conversation of what was tried counts once, however many records it has.
        let flows = if event.kind == Kind::Sent { u64::from(event.flows) } else { 1 };
        let (packets, octets) = (u64::from(event.packets), u64::from(event.octets));
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
        if event.kind == Kind::Tried && counts(event, view) {
            run.tried += 1;
            if event.more != 0 {
                count(&mut run.minutes, event.more / 60_000, 1);
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
        let (flows, packets, octets) = run.sums;
        let evidence = &mut self.evidence;
        if run.kind == Kind::Sent {
            evidence.sent.add(&run, flows, packets);
            return Some(run);
        }
        evidence.stream.add(&run, flows, packets);
        match (run.kind, run.proto) {
            (_, UDP) => evidence.datagrams.add(&run, flows, packets),
            (Kind::Unasked, TCP) if !run.sports.is_empty() => {
                evidence.answers.add(&run, flows, packets)
            }
            _ => {}
        }
        if run.tried > 0 {
            let looks = run.distinct >= SCANNED && run.tried <= TRIES * run.distinct;
            let is_scan = match run.proto {
                TCP => looks,
                UDP => looks && octets <= PROBE * packets,
                _ => false,
            };
            match is_scan {
                true => evidence.scanned += run.tried,
                false => {
                    evidence.tried.add(&run, run.tried, run.tried);
                    for (minute, flows) in &run.minutes {
                        count(&mut self.minutes, *minute, *flows);
                    }
                    if self.proto != run.proto {
                        self.turn(run.proto);
                    }
                    let is_ours = view.site.side(run.peer) == Some(Side::Inside);
                    self.sources.add(run.peer, run.tried, is_ours, run.is_spoofed);
                }
            }
        }
        // What our own send each other in somebody's name would have been asked for here too.
        let is_inside = |host| view.site.side(host) == Some(Side::Inside);
        let is_ours = is_inside(self.evidence.host) && is_inside(run.peer);
        for &(sport, (flows, packets, octets)) in run.sports.iter().filter(|_| !is_ours) {
            let asked = self.asked.binary_search_by(|asked| asked.ip().cmp(&run.peer)).is_ok();
            let of = self.answerers.entry((run.proto, sport)).or_default();
            of.sources += 1;
            of.asked += u64::from(asked);
            of.flows += flows;
            of.packets = of.packets.saturating_add(packets);
            of.octets = of.octets.saturating_add(octets);
        }
        Some(run)
    }

    /// Sources of another protocol follow.
    fn turn(&mut self, proto: u8) {
        let before = std::mem::take(&mut self.sources);
        if before.count > self.forged.count {
            self.forged = before;
        }
        self.proto = proto;
    }

    /// All that came upon the host.
    pub(super) fn end(&mut self, view: View) -> &Evidence {
        self.close(view);
        self.turn(0);
        self.evidence.sign = self.forged.sign();
        self.evidence.minute = self.minutes.iter().map(|(_, flows)| *flows).max().unwrap_or(0);
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
        let is_large = |from: &Answerers| proto == TCP || from.octets >= LARGE * from.packets;
        let is_wanted = |port: u16, from: &Answerers| match view.answers {
            // The questions are not there to be seen; of some services nobody asks ten strangers.
            Answers::Partly | Answers::Unseen => service(proto, port).is_none() || is_popular(port),
            // Of one packet in many, a question and its answer are hardly ever both there.
            Answers::Seen if view.sampled => percent(from.asks, from.packets) >= WANTED,
            Answers::Seen => percent(from.asked, from.sources) >= WANTED,
        };
        ports.retain(|(port, from)| is_large(from) && !is_wanted(*port, from));
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

fn count(minutes: &mut Vec<(u32, u64)>, minute: u32, flows: u64) {
    let is_full = minutes.len() >= MAX_MINUTES;
    match minutes.iter_mut().rev().find(|(of, _)| *of == minute) {
        Some((_, sum)) => *sum += flows,
        None if is_full => {}
        None => minutes.push((minute, flows)),
    }
}

/// Whether what was sent in vain is an attempt that a flood is made of.
///
/// Where answers are not seen, only what shows by itself that it opens a connection that never was:
/// SYN without an acknowledgement, or a few packets without load. Datagrams that go on and on are one from
/// outside alone: so do our own hosts tell a collector what happens, and a receiver what is said.
fn counts<A: Address>(event: &Event<A>, view: View) -> bool {
    match (view.hears(), event.proto) {
        (true, TCP) => !event.has(STREAM) || event.flags & (SYN | RST) == 0,
        (true, UDP) if event.has(STREAM) => view.site.side(event.peer.ip()) == Some(Side::Outside),
        (true, _) => true,
        (false, TCP) if event.has(FLAGS) => event.flags & (SYN | ACK) == SYN,
        (false, TCP) => {
            !event.has(STREAM)
                && event.packets <= 3
                && u64::from(event.octets) <= A::BARE * u64::from(event.packets)
        }
        (false, _) => false,
    }
}

/// An answer of TCP to a question; where flags are unknown, what is as small.
fn is_syn_ack<A: Address>(event: &Event<A>) -> bool {
    match event.has(FLAGS) {
        true => event.flags & (SYN | ACK) == SYN | ACK && !event.has(STREAM),
        false => !event.has(STREAM),
    }
}
