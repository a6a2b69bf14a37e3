//! What came upon one host in a window, put together from its events.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::event::{Event, EventKind};
use super::forged::{Sign, Sources};
use super::source_traffic::{MAX_MINUTES, SourceTraffic, TRIES};
use super::traffic::{ANSWERS, DATAGRAMS, LOOKED, SENT, STREAM, SourceSet, TRIED, TrafficSum};
use crate::conversation::Address;
use crate::detect::Site;
use crate::detect::threshold::{Visibility, percent};
use crate::finding::Side;
use crate::flow::{TCP, UDP};

/// Hosts that a host asked and that are remembered to know whose answers it wanted.
const MAX_ASKED: usize = 1 << 20;
/// A source that the host sent one packet for so many is one that it talks with, on whatever ports.
const TALKS: u64 = 10;

/// So many scanners of one host together, with so many conversations, are a flood of random ports; unless
/// all of them ask for the same ports, as one scanner does who hides among forged others (nmap -D).
const SCANNERS: (u64, u64) = (10, 5000);

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

/// Sums over conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
    /// Packets the other way.
    pub out: u64,
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
    bytes: u64,
    /// Packets as a rate counts them.
    per_window: u64,
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
    pub bytes: u64,
    /// Packets as a rate counts them.
    pub per_window: u64,
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
    pub tried: TrafficSum,
    /// Conversations in the busiest minute of these; 0 if there are no times.
    pub minute: u64,
    /// Conversations of sources that looked for open ports.
    pub scanned: u64,
    /// All that was not answered, by UDP alone, and answers of TCP that were not asked for.
    pub stream: TrafficSum,
    pub datagrams: TrafficSum,
    pub answers: TrafficSum,
    /// Of these, what was reflected.
    pub by_udp: Reflected,
    pub by_tcp: Reflected,
    pub sign: Option<Sign>,
    /// Packets, as a rate counts them, of answers that inside hosts sent it and it never asked for.
    pub unsolicited: u64,
    /// Traffic that it sent to single hosts, unanswered and no answers itself.
    pub sent: TrafficSum,
}

/// What the builder must know of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputProfile<'a> {
    pub site: &'a Site,
    pub answers: Visibility,
    /// One packet in many was seen.
    pub sampled: bool,
    /// Of a slice: the question of an answer may be in the one before.
    pub live: bool,
}

impl InputProfile<'_> {
    /// Silence means that there was no answer.
    pub(super) fn hears(&self) -> bool {
        self.answers == Visibility::BothWays && !self.sampled
    }
}

/// Puts evidence together. Kept from one host to the next, for its tables.
#[derive(Debug)]
pub(super) struct Builder<A> {
    evidence: Evidence,
    run: Option<SourceTraffic>,
    /// Whom the host asked by which protocol, in order, and how many packets that took.
    asked: Vec<(u8, A, u64)>,
    answerers: HashMap<(u8, u16), Answerers, RandomState>,
    senders: SourceSet,
    tried: FailedAttempts,
    /// Those who looked for open ports.
    looked: FailedAttempts,
}

/// Who asked in vain.
#[derive(Debug)]
struct FailedAttempts {
    load: TrafficSum,
    minutes: HashMap<u32, u64, RandomState>,
    /// The most ports of one source.
    widest: u64,
    /// Sources of the kind and protocol that goes by, and of the one that had most.
    sources: Sources,
    forged: Sources,
    of: Option<(EventKind, u8)>,
}

impl FailedAttempts {
    fn new() -> FailedAttempts {
        FailedAttempts {
            load: TrafficSum::new(),
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

    fn add(&mut self, run: &SourceTraffic) {
        self.load.add(run, run.tried, run.tried, run.answers.0);
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
    fn turn(&mut self, of: Option<(EventKind, u8)>) {
        let before = std::mem::take(&mut self.sources);
        if before.count > self.forged.count {
            self.forged = before;
        }
        self.of = of;
    }

    /// Whether scanners are so many that they are none.
    fn is_flood(&self) -> bool {
        let TrafficSum { flows, sources, ports, .. } = &self.load;
        let ports = (ports.len() as u64).max(self.widest);
        let is_one_scan = ports * 10 <= self.widest * 11 && *flows <= TRIES * sources * self.widest;
        *sources >= SCANNERS.0 && *flows >= SCANNERS.1 && !is_one_scan
    }

    fn absorb(&mut self, other: &mut FailedAttempts, both: u64) {
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

impl<A: Address> Builder<A> {
    pub(super) fn new() -> Builder<A> {
        let evidence = Evidence {
            host: A::default().ip(),
            served: Sums::default(),
            asked: Sums::default(),
            tried: TrafficSum::new(),
            minute: 0,
            scanned: 0,
            stream: TrafficSum::new(),
            datagrams: TrafficSum::new(),
            answers: TrafficSum::new(),
            by_udp: Reflected::default(),
            by_tcp: Reflected::default(),
            sign: None,
            unsolicited: 0,
            sent: TrafficSum::new(),
        };
        Builder {
            evidence,
            run: None,
            asked: Vec::new(),
            answerers: HashMap::default(),
            senders: SourceSet::default(),
            tried: FailedAttempts::new(),
            looked: FailedAttempts::new(),
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
        evidence.unsolicited = 0;
        (evidence.by_udp, evidence.by_tcp) = (Reflected::default(), Reflected::default());
        self.run = None;
        self.asked.clear();
        self.answerers.clear();
        self.senders.clear();
        self.tried.clear();
        self.looked.clear();
    }

    pub(super) fn add(&mut self, event: &Event<A>, view: InputProfile) {
        let sum = |sums: &mut Sums| {
            sums.flows += u64::from(event.flows);
            sums.packets = sums.packets.saturating_add(event.packets);
            sums.bytes = sums.bytes.saturating_add(event.bytes);
            sums.out += u64::from(event.more);
        };
        match event.kind {
            EventKind::Served => sum(&mut self.evidence.served),
            EventKind::Opened => {
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
            EventKind::Failed | EventKind::Unsolicited | EventKind::Sent => {
                self.one_way(event, view)
            }
        }
    }

    fn one_way(&mut self, event: &Event<A>, view: InputProfile) {
        let peer = event.peer.ip();
        let of = (event.kind, event.proto, peer);
        if self.run.as_ref().is_none_or(|run| (run.kind, run.proto, run.peer) != of) {
            let old = self.close(view);
            self.run = Some(SourceTraffic::of(event, view, old));
        }
        let Some(run) = &mut self.run else { return };
        run.add(event, view);
    }

    /// The run is over: one source's, by one protocol. It is given back for the next to use.
    fn close(&mut self, view: InputProfile) -> Option<SourceTraffic> {
        let run = self.run.take()?;
        let (flows, ..) = run.sums;
        let packets = run.per_window.packets;
        // Whom the host talks with on other ports sends it nothing in vain: TFTP answers from a port of its own
        // (RFC 1350 section 4), tunnels have a new one for each flow that they carry (RFC 7348 section 5).
        let of = |(proto, peer, _): &(u8, A, u64)| (*proto, peer.ip()).cmp(&(run.proto, run.peer));
        let asks = self.asked.binary_search_by(of).ok().and_then(|at| self.asked.get(at));
        let is_asked = asks.is_some();
        let talks = |asks: u64| asks.saturating_mul(TALKS) >= packets;
        let is_known = run.proto != TCP || run.kind == EventKind::Unsolicited;
        let is_known = is_known && asks.is_some_and(|(.., asks)| talks(*asks));
        let evidence = &mut self.evidence;
        let answers = run.answers.1;
        if run.kind == EventKind::Sent {
            // Whom the host may only have answered it does not attack.
            let asking = packets.saturating_sub(answers);
            if asking > 0 {
                evidence.sent.add(&run, flows, asking, 0);
                self.senders.add(run.peer, SENT);
            }
            return Some(run);
        }
        if run.is_ours && !run.is_spoofed && !is_known {
            evidence.unsolicited = evidence.unsolicited.saturating_add(run.unsolicited);
        }
        let mut loads = STREAM;
        evidence.stream.add(&run, flows, packets, answers);
        match (run.kind, run.proto) {
            (_, UDP) => {
                loads |= DATAGRAMS;
                evidence.datagrams.add(&run, flows, packets, answers);
            }
            (EventKind::Unsolicited, TCP) if !run.sports.is_empty() => {
                loads |= ANSWERS;
                evidence.answers.add(&run, flows, packets, answers);
            }
            _ => {}
        }
        if run.tried > 0 && !is_known {
            let (load, crowd) = match run.is_scan() {
                true => (LOOKED, &mut self.looked),
                false => (TRIED, &mut self.tried),
            };
            loads |= load;
            crowd.add(&run);
        }
        self.senders.add(run.peer, loads);
        // What our own send each other in somebody's name would have been asked for here too.
        let is_ours = run.is_ours && view.site.side(self.evidence.host) == Some(Side::Inside);
        for &(sport, (flows, packets, bytes), per_window) in run.sports.iter().filter(|_| !is_ours)
        {
            let of = self.answerers.entry((run.proto, sport)).or_default();
            of.sources += 1;
            of.asked += u64::from(is_asked);
            of.flows += flows;
            of.packets = of.packets.saturating_add(packets);
            of.bytes = of.bytes.saturating_add(bytes);
            of.per_window = of.per_window.saturating_add(per_window);
        }
        Some(run)
    }

    /// All that came upon the host, which had served so many before.
    pub(super) fn end(&mut self, view: InputProfile, served: u64) -> &Evidence {
        self.close(view);
        self.evidence.served.flows += served;
        self.tried.turn(None);
        let Evidence { stream, datagrams, answers, sent, .. } = &mut self.evidence;
        self.senders.once([
            (STREAM, stream),
            (DATAGRAMS, datagrams),
            (ANSWERS, answers),
            (SENT, sent),
            (TRIED, &mut self.tried.load),
            (LOOKED, &mut self.looked.load),
        ]);
        match self.looked.is_flood() {
            true => self.tried.absorb(&mut self.looked, self.senders.common(TRIED | LOOKED)),
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
    fn reflected(&self, proto: u8, view: InputProfile) -> Reflected {
        // Of a datagram too large for one packet only the first has ports (RFC 791 section 2.3).
        let pieces =
            self.answerers.get(&(proto, 0)).filter(|_| proto == UDP).copied().unwrap_or_default();
        let mut ports: Vec<(u16, Answerers)> = self
            .answerers
            .iter()
            .filter(|((of, port), from)| *of == proto && *port != 0 && from.sources >= SOURCES)
            .map(|((_, port), from)| (*port, *from))
            .collect();
        ports.sort_unstable_by_key(|(port, from)| (std::cmp::Reverse(from.per_window), *port));
        if let (Some((_, first)), UDP) = (ports.first_mut(), proto) {
            first.flows += pieces.flows;
            first.packets = first.packets.saturating_add(pieces.packets);
            first.bytes = first.bytes.saturating_add(pieces.bytes);
            first.per_window = first.per_window.saturating_add(pieces.per_window);
        }
        // What a service is known for needs no size, if nobody asked for it.
        let is_known = |port| view.hears() && service(proto, port).is_some();
        let is_large = |port, from: &Answerers| {
            proto == TCP || is_known(port) || from.bytes >= LARGE.saturating_mul(from.packets)
        };
        let is_wanted = |port: u16, from: &Answerers| match view.answers {
            // The questions are not there to be seen; of some services nobody asks ten strangers.
            Visibility::Partial | Visibility::OneWay => {
                service(proto, port).is_none() || is_popular(port)
            }
            // Of one packet in many, a question and its answer are hardly ever both there.
            Visibility::BothWays if view.sampled => percent(from.asks, from.per_window) >= WANTED,
            Visibility::BothWays => percent(from.asked, from.sources) >= WANTED,
        };
        ports.retain(|(port, from)| is_large(*port, from) && !is_wanted(*port, from));
        let Some((port, _)) = ports.first() else { return Reflected::default() };
        let mut all = Reflected { port: *port, ports: ports.len() as u64, ..Reflected::default() };
        let mut asked = 0;
        for (_, from) in &ports {
            all.sources += from.sources;
            all.flows += from.flows;
            all.packets = all.packets.saturating_add(from.packets);
            all.bytes = all.bytes.saturating_add(from.bytes);
            all.per_window = all.per_window.saturating_add(from.per_window);
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
