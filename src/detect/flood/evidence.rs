//! The evidence of one host in a window, built from its events.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::bursts::Bursts;
use super::by_proto::ByProto;
use super::clients::hash;
use super::event::{Event, EventKind, SPOOFED};
use super::failed_attempts::FailedAttempts;
use super::forged::Sign;
use super::input_profile::InputProfile;
use super::reflected::{AnswersByPort, Reflected};
use super::source_set::{
    ANSWERS, DATAGRAMS, FAILED, ONE_WAY, OTHERS, SCANS, SENT, STREAMS, SourceSet,
};
use super::source_traffic::{RETRIES, SourceTraffic};
use super::traffic_sum::TrafficSum;
use crate::conversation::{ACK, Address, has_port};
use crate::detect::traffic::Traffic;
use crate::finding::Side;
use crate::flow::{TCP, UDP};

/// The most peers that a host opened conversations with and that are remembered, to know the answers it wanted.
const MAX_ASKED: usize = 1 << 20;
/// A peer is known to the host if the host sent it at least one packet for so many that it got from it, on
/// any ports.
const PACKETS_PER_REQUEST: u64 = 10;

/// Protocols without ports that one host gets, from which on it is a scan of its protocols (nmap -sO) and no flood.
const SCANNED_PROTOCOLS: u64 = 30;
/// Large datagram streams that a host gets in a minute from which on they count as attempts.
const STREAMS_A_MINUTE: u64 = 200;

/// The evidence of one host.
#[derive(Debug)]
pub(super) struct Evidence {
    pub host: IpAddr,
    /// Conversations that others opened with the host and that did not fail.
    pub served: Traffic,
    /// Conversations that the host opened.
    pub opened: Traffic,
    /// Peers that completed a TCP conversation that they opened with the host, or the host with them, in order.
    pub spoken: Spoken,
    /// Conversations that others opened with the host and that did not fail, by protocol.
    pub served_by: ByProto,
    /// Failed attempts at the host, without port scans.
    pub failed: TrafficSum,
    /// Failed attempts by protocol.
    pub failed_by: ByProto,
    /// Hashes of the sources of failed attempts, as [`clients`](super::clients) has them.
    pub failed_sources: Vec<u32>,
    /// Failed attempts in the busiest minute; 0 if no start is known.
    pub minute: u64,
    /// Failed attempts of sources that scanned the host's ports or checked its services.
    pub scanned: u64,
    /// All traffic to the host without an answer.
    pub one_way: TrafficSum,
    /// The part of it that came by UDP.
    pub datagrams: TrafficSum,
    /// The part of it that was unsolicited TCP answers.
    pub answers: TrafficSum,
    /// The packets and the bytes of it that came from outside, and not from a peer that the host asked, as they count
    /// for a rate.
    pub uninvited: (ByProto, ByProto),
    /// Packets to the host in conversations that were answered, as they count for a rate.
    pub answered: ByProto,
    /// Reflected traffic by UDP.
    pub by_udp: Reflected,
    /// Reflected traffic by TCP.
    pub by_tcp: Reflected,
    /// The sign that the sources of the failed attempts are forged.
    pub sign: Option<Sign>,
    /// Packets of unsolicited answers from inside hosts, as they count for a rate.
    pub unsolicited: u64,
    /// Bursts of others that the host did not ask.
    pub bursts: Bursts,
    /// Bursts to others that did not answer.
    pub sent_bursts: Bursts,
    /// Traffic without an answer that the host sent to single other hosts, apart from answers.
    pub sent: TrafficSum,
}

/// The hosts with which a host had a TCP conversation whose initiator completed its opening. Events come in order of
/// their peers, of which those of one protocol are enough, so both lists are sorted.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// Hosts that opened one with the host.
    pub peers: Vec<IpAddr>,
    /// Hosts with which the host opened one.
    pub targets: Vec<IpAddr>,
}

impl Spoken {
    fn clear(&mut self) {
        self.peers.clear();
        self.targets.clear();
    }
}

/// A peer that the host opened conversations with.
#[derive(Clone, Copy, Debug)]
struct Asked<A> {
    proto: u8,
    peer: A,
    /// Packets that the host sent it.
    packets: u64,
}

/// Builds the evidence of one host after the other. It is kept between hosts for its tables.
#[derive(Debug)]
pub(super) struct Builder<A> {
    evidence: Evidence,
    /// The source at hand.
    source: Option<SourceTraffic>,
    /// Peers that the host opened conversations with, in order of protocol and address.
    asked: Vec<Asked<A>>,
    answers: AnswersByPort,
    sources: SourceSet,
    failed: FailedAttempts,
    /// Failed attempts of sources that scanned the host's ports or checked its services.
    scans: FailedAttempts,
    /// Failed attempts by protocols without ports.
    others: FailedAttempts,
    /// The protocols of these.
    protocols: BTreeSet<u8>,
    /// Large datagram streams of sources with many of them, by the minute of their start.
    streams: FailedAttempts,
}

impl<A: Address> Builder<A> {
    pub(super) fn new() -> Builder<A> {
        let evidence = Evidence {
            host: A::default().ip(),
            served: Traffic::NONE,
            opened: Traffic::NONE,
            spoken: Spoken::default(),
            served_by: ByProto::default(),
            failed: TrafficSum::new(),
            failed_by: ByProto::default(),
            failed_sources: Vec::new(),
            minute: 0,
            scanned: 0,
            one_way: TrafficSum::new(),
            uninvited: Default::default(),
            answered: ByProto::default(),
            datagrams: TrafficSum::new(),
            answers: TrafficSum::new(),
            by_udp: Reflected::default(),
            by_tcp: Reflected::default(),
            sign: None,
            unsolicited: 0,
            bursts: Bursts::default(),
            sent_bursts: Bursts::default(),
            sent: TrafficSum::new(),
        };
        Builder {
            evidence,
            source: None,
            asked: Vec::new(),
            answers: AnswersByPort::default(),
            sources: SourceSet::default(),
            failed: FailedAttempts::new(),
            scans: FailedAttempts::new(),
            others: FailedAttempts::new(),
            protocols: BTreeSet::new(),
            streams: FailedAttempts::new(),
        }
    }

    /// Begins a host. Its events follow in their order.
    pub(super) fn begin(&mut self, host: A) {
        let evidence = &mut self.evidence;
        evidence.host = host.ip();
        evidence.served = Traffic::NONE;
        evidence.opened = Traffic::NONE;
        evidence.spoken.clear();
        evidence.served_by = ByProto::default();
        evidence.uninvited = Default::default();
        evidence.answered = ByProto::default();
        evidence.one_way.clear();
        evidence.datagrams.clear();
        evidence.answers.clear();
        evidence.sent.clear();
        evidence.bursts.clear();
        evidence.sent_bursts.clear();
        evidence.minute = 0;
        evidence.scanned = 0;
        evidence.sign = None;
        evidence.unsolicited = 0;
        evidence.by_udp = Reflected::default();
        evidence.by_tcp = Reflected::default();
        self.source = None;
        self.asked.clear();
        self.answers.clear();
        self.sources.clear();
        self.failed.clear();
        self.scans.clear();
        self.others.clear();
        self.protocols.clear();
        self.streams.clear();
    }

    /// Adds an event of the host.
    pub(super) fn add(&mut self, event: &Event<A>, input: InputProfile) {
        let traffic =
            Traffic { flows: event.flows.into(), packets: event.packets, bytes: event.bytes };
        match event.kind {
            EventKind::Served => {
                self.evidence.answered.add(event.proto, event.per_window.packets);
                if event.flags & ACK != 0 && self.evidence.spoken.peers.len() < MAX_ASKED {
                    self.evidence.spoken.peers.push(event.peer.ip());
                }
                self.evidence.served.add(traffic);
                self.evidence.served_by.add(event.proto, traffic.flows);
            }
            EventKind::Opened => {
                self.evidence.answered.add(event.proto, event.per_window.packets);
                if event.flags & ACK != 0 && self.evidence.spoken.targets.len() < MAX_ASKED {
                    self.evidence.spoken.targets.push(event.peer.ip());
                }
                self.evidence.opened.add(traffic);
                self.add_opened(event);
            }
            EventKind::Failed | EventKind::Unsolicited | EventKind::Sent => {
                self.add_one_way(event, input);
            }
            EventKind::Burst => {
                let peer = event.peer.ip();
                let is_ours = input.site.side(peer) == Some(Side::Inside) && !event.has(SPOOFED);
                let to = self.packets_to(event.proto, peer);
                let takes_part = event.proto == UDP && to.is_some_and(|to| to >= input.reports);
                let is_known = event.proto != TCP
                    && to.is_some_and(|to| to.saturating_mul(PACKETS_PER_REQUEST) >= event.packets);
                if !is_ours && !is_known && !takes_part {
                    self.evidence.bursts.add(event.proto, peer, event.peak());
                }
            }
            EventKind::SentBurst => {
                self.evidence.sent_bursts.add(event.proto, event.peer.ip(), event.peak());
            }
        }
    }

    fn add_opened(&mut self, event: &Event<A>) {
        let requests = u64::from(event.more);
        if event.proto == UDP {
            self.answers.add_requests(UDP, event.port, requests);
        }
        let is_full = self.asked.len() >= MAX_ASKED;
        match self.asked.last_mut() {
            Some(last) if (last.proto, last.peer) == (event.proto, event.peer) => {
                last.packets += requests;
            }
            _ if is_full => {}
            _ => {
                let (proto, peer) = (event.proto, event.peer);
                self.asked.push(Asked { proto, peer, packets: requests });
            }
        }
    }

    fn add_one_way(&mut self, event: &Event<A>, input: InputProfile) {
        let peer = event.peer.ip();
        let key = (event.kind, event.proto, peer);
        if self.source.as_ref().is_none_or(|old| (old.kind, old.proto, old.peer) != key) {
            let old = self.end_source(input);
            self.source = Some(SourceTraffic::of(event, input, old));
        }
        let Some(source) = &mut self.source else { return };
        source.add(event, input);
    }

    /// Returns the packets that the host sent to a peer by a protocol, if it opened conversations with it.
    fn packets_to(&self, proto: u8, peer: IpAddr) -> Option<u64> {
        let by_key = |asked: &Asked<A>| (asked.proto, asked.peer.ip()).cmp(&(proto, peer));
        let at = self.asked.binary_search_by(by_key).ok()?;
        self.asked.get(at).map(|asked| asked.packets)
    }

    /// Adds the traffic of the source at hand to the sums, and returns it so that its tables can be reused.
    fn end_source(&mut self, input: InputProfile) -> Option<SourceTraffic> {
        let mut source = self.source.take()?;
        source.count_streams();
        let (flows, packets) = (source.sums.flows, source.per_window.packets);
        let answers = source.answer_packets;
        let packets_to = self.packets_to(source.proto, source.peer);
        // Traffic from a peer that the host talks to on other ports is no failed attempt: TFTP answers from
        // a new port (RFC 1350 section 4), and tunnels use another port for each flow inside them (RFC 7348
        // section 5).
        let is_known = (source.proto != TCP || source.kind == EventKind::Unsolicited)
            && packets_to.is_some_and(|to| to.saturating_mul(PACKETS_PER_REQUEST) >= packets);
        let evidence = &mut self.evidence;
        if source.kind == EventKind::Sent {
            // Packets that may only be answers are no attack.
            let attacking = packets.saturating_sub(answers);
            if attacking > 0 {
                evidence.sent.add(&source, flows, attacking, 0);
                self.sources.add(source.peer, SENT);
            }
            return Some(source);
        }
        if source.is_inside && !source.is_spoofed && !is_known {
            evidence.unsolicited = evidence.unsolicited.saturating_add(source.unsolicited);
        }
        // A receiver that reports to the sender wants the stream.
        let takes_part = source.proto == UDP && packets_to.is_some_and(|to| to >= input.reports);
        let mut sums = 0;
        if !takes_part {
            sums |= ONE_WAY;
            evidence.one_way.add(&source, flows, packets, answers);
        }
        if !is_known && !takes_part && (!source.is_inside || source.is_spoofed) {
            evidence.uninvited.0.add(source.proto, packets);
            evidence.uninvited.1.add(source.proto, source.per_window.bytes);
        }
        match (source.kind, source.proto) {
            (_, UDP) => {
                sums |= DATAGRAMS;
                evidence.datagrams.add(&source, flows, packets, answers);
            }
            (EventKind::Unsolicited, TCP) if !source.source_ports.is_empty() => {
                sums |= ANSWERS;
                evidence.answers.add(&source, flows, packets, answers);
            }
            _ => {}
        }
        if source.attempts > 0 && !is_known {
            if !has_port(source.proto) {
                sums |= OTHERS;
                self.others.add(&source);
                self.protocols.insert(source.proto);
            } else if source.is_port_scan() || source.checks_services() {
                sums |= SCANS;
                self.scans.add(&source);
            } else {
                sums |= FAILED;
                self.failed.add(&source);
            }
        }
        // Sources that count as attempts already do not count twice.
        if source.attempts == 0 && source.has_many_streams() && !is_known {
            sums |= STREAMS;
            source.attempts = source.streams;
            std::mem::swap(&mut source.minutes, &mut source.stream_minutes);
            self.streams.add(&source);
        }
        self.sources.add(source.peer, sums);
        // Inside hosts reflect to another inside host only if the forged requests came from inside too.
        // Such requests would have been exported here.
        let is_among_inside =
            source.is_inside && input.site.side(self.evidence.host) == Some(Side::Inside);
        if !is_among_inside {
            for from in &source.source_ports {
                self.answers.add_source(source.proto, from, packets_to.is_some());
            }
        }
        Some(source)
    }

    /// Ends the host and returns its evidence. `served` is the number of conversations that the host served
    /// in earlier slices of the window.
    pub(super) fn end(&mut self, input: InputProfile, served: u64) -> &Evidence {
        self.end_source(input);
        self.evidence.served.flows += served;
        self.evidence.served_by.add_to_all(served);
        self.failed.end_group();
        let Evidence { one_way, datagrams, answers, sent, .. } = &mut self.evidence;
        self.sources.count_once([
            (ONE_WAY, one_way),
            (DATAGRAMS, datagrams),
            (ANSWERS, answers),
            (SENT, sent),
            (FAILED, &mut self.failed.sum),
            (SCANS, &mut self.scans.sum),
            (OTHERS, &mut self.others.sum),
            (STREAMS, &mut self.streams.sum),
        ]);
        let mut absorbed = FAILED;
        let protocols = self.protocols.len() as u64;
        let is_scan =
            protocols >= SCANNED_PROTOCOLS && self.others.sum.flows <= RETRIES * protocols;
        if protocols > 0 && !is_scan {
            self.failed.absorb(&mut self.others, self.sources.shared(absorbed, OTHERS));
            absorbed |= OTHERS;
        }
        if self.streams.busiest_minute() >= STREAMS_A_MINUTE {
            self.failed.absorb(&mut self.streams, self.sources.shared(absorbed, STREAMS));
            absorbed |= STREAMS;
        }
        if self.scans.is_flood() {
            self.failed.absorb(&mut self.scans, self.sources.shared(absorbed, SCANS));
            absorbed |= SCANS;
        } else {
            self.evidence.scanned = self.scans.sum.flows;
        }
        self.evidence.failed_by = self.failed.by_proto;
        self.evidence.failed_sources.clear();
        self.evidence.failed_sources.extend(self.sources.of(absorbed).map(hash));
        std::mem::swap(&mut self.evidence.failed, &mut self.failed.sum);
        self.evidence.sign = self.failed.largest_group().sign();
        self.evidence.minute = self.failed.busiest_minute();
        self.evidence.by_udp = self.answers.reflected(UDP, input);
        self.evidence.by_tcp = self.answers.reflected(TCP, input);
        &self.evidence
    }
}
