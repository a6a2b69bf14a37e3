//! The traffic of one kind and protocol that one source sent to a host.

use std::net::IpAddr;

use super::event::{Event, EventKind, FLAGS, LARGE, SPOOFED, only_replies};
use super::input_profile::InputProfile;
use crate::conversation::{ACK, Address, FIN, PSH, PerWindow, RST, SYN, widen};
use crate::detect::traffic::Traffic;
use crate::finding::{Sample, Side};
use crate::flow::{ICMP, ICMPV6, TCP, UDP};

/// The most minutes of which conversations are counted; later ones of a long window are left out.
pub(super) const MAX_MINUTES: usize = 2048;
/// The most ports of one source whose conversations are counted by port.
const MAX_PORTS: usize = 4096;
/// The fewest distinct ports of a source that scans for open ports. Such a source is for nfscan to find.
const SCANNED_PORTS: u64 = 15;
/// The most conversations per port of a port scan: nmap retries a port up to ten times (-T0 to -T3).
pub(super) const RETRIES: u64 = 10;
/// The most bytes per packet of a UDP port scan.
const PROBE_BYTES: u64 = 100;
/// The most source ports of one source whose traffic is summed by port. A reflector answers from one.
const MAX_SOURCE_PORTS: usize = 4;

/// The most checks of one port by one source in a minute, and in a window whose flows have no times: two a second. A
/// balancer checks each server every two seconds by default (HAProxy: `inter`), and there are often two of them.
const CHECKS_A_MINUTE: u64 = 120;
const CHECKS: u64 = 10 * CHECKS_A_MINUTE;

/// The most SYNs that one connect sends (Linux: six retransmissions, tcp_syn_retries). A conversation of nothing but
/// SYNs or of echo requests is as many attempts as it would take connects.
const SYNS: u64 = 7;

/// Conversations of one pair that are large datagram streams from which on they count as attempts, whoever sends them;
/// and the fewest of a source that count if the host got enough of them in a minute.
const STREAMS: u64 = 1000;
const STREAMS_OF_MANY: u64 = 10;

/// The traffic that a source sent from one port.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourcePort {
    pub port: u16,
    pub traffic: Traffic,
    /// The part of the packets that counts for a rate.
    pub packets_per_window: u64,
}

/// The traffic of one kind and protocol that one source sent to a host.
#[derive(Clone, Debug)]
pub(super) struct SourceTraffic {
    pub kind: EventKind,
    pub proto: u8,
    pub peer: IpAddr,
    pub sums: Traffic,
    /// The part of the packets and bytes that counts for a rate.
    pub per_window: PerWindow,
    /// Number of the conversations that are attempts of a flood ([`is_attempt`]).
    pub attempts: u64,
    /// Number of the attempts that only checked whether a service is there ([`is_check`]).
    pub checks: u64,
    /// Number of the conversations that are large datagram streams and no attempts by themselves.
    pub streams: u64,
    /// Streams by the minute of their start.
    pub stream_minutes: Vec<(u32, u64)>,
    /// Number of the attempts that may only be answers, which are nothing against the source.
    pub answer_attempts: u64,
    /// Packets that may only be answers.
    pub answer_packets: u64,
    /// Packets, as they count for a rate, of answers without data or by a protocol without connections.
    pub unsolicited: u64,
    /// The host's ports in order, with their number of conversations.
    pub ports: Vec<(u16, u64)>,
    pub distinct_ports: u64,
    /// Attempts by the minute of their start.
    pub minutes: Vec<(u32, u64)>,
    /// Traffic by the source's port, for the first few ports.
    pub source_ports: Vec<SourcePort>,
    /// True if some flow came in at an outside interface with an inside source.
    pub is_spoofed: bool,
    /// True if the source is an inside host.
    pub is_inside: bool,
    pub sample: Sample,
}

impl SourceTraffic {
    /// Returns empty sums for the source of `event`. It reuses the tables of `old`.
    pub(super) fn of<A: Address>(
        event: &Event<A>,
        input: InputProfile,
        old: Option<SourceTraffic>,
    ) -> SourceTraffic {
        let mut source = SourceTraffic {
            kind: event.kind,
            proto: event.proto,
            peer: event.peer.ip(),
            sums: Traffic::NONE,
            per_window: PerWindow::NONE,
            attempts: 0,
            checks: 0,
            streams: 0,
            stream_minutes: Vec::new(),
            answer_attempts: 0,
            answer_packets: 0,
            unsolicited: 0,
            ports: Vec::new(),
            distinct_ports: 0,
            minutes: Vec::new(),
            source_ports: Vec::new(),
            is_spoofed: false,
            is_inside: input.site.side(event.peer.ip()) == Some(Side::Inside),
            sample: event.sample(),
        };
        if let Some(SourceTraffic {
            mut ports,
            mut minutes,
            mut stream_minutes,
            mut source_ports,
            ..
        }) = old
        {
            ports.clear();
            minutes.clear();
            stream_minutes.clear();
            source_ports.clear();
            (source.ports, source.source_ports) = (ports, source_ports);
            (source.minutes, source.stream_minutes) = (minutes, stream_minutes);
        }
        source
    }

    /// Adds an event of the same source, kind and protocol.
    pub(super) fn add<A: Address>(&mut self, event: &Event<A>, input: InputProfile) {
        // A failed conversation counts once, however many records it has.
        let flows = if event.kind == EventKind::Sent { u64::from(event.flows) } else { 1 };
        let traffic = Traffic { flows, packets: event.packets, bytes: event.bytes };
        self.sums.add(traffic);
        self.per_window.add(event.per_window);
        // The attacked port is the receiver's: the peer's for traffic that the host sent.
        let attacked_port = if event.kind == EventKind::Sent { event.sport } else { event.port };
        match self.ports.last_mut() {
            Some((port, count)) if *port == attacked_port => *count += flows,
            _ => {
                self.distinct_ports += 1;
                if self.ports.len() < MAX_PORTS {
                    self.ports.push((attacked_port, flows));
                }
            }
        }
        let is_answer = event.is_answer();
        let answers = match event.kind {
            EventKind::Sent => widen(event.more),
            _ if is_answer => event.per_window.packets,
            _ => 0,
        };
        self.answer_packets = self.answer_packets.saturating_add(answers);
        if is_answer && (event.proto != TCP || is_bare_answer(event)) {
            self.unsolicited = self.unsolicited.saturating_add(answers);
        }
        if is_attempt(event, input) {
            let attempts = attempts(event);
            self.attempts += attempts;
            self.checks += if is_check(event) { attempts } else { 0 };
            self.answer_attempts += if is_answer { attempts } else { 0 };
            if event.more != 0 {
                count_minute(&mut self.minutes, event.more / 60_000, 1);
            }
        } else if event.kind == EventKind::Failed && event.proto == UDP && input.sees_answers() {
            self.streams += 1;
            if event.more != 0 {
                count_minute(&mut self.stream_minutes, event.more / 60_000, 1);
            }
        }
        self.is_spoofed |= event.has(SPOOFED);
        let may_reflect = match event.kind {
            EventKind::Unsolicited => event.proto == UDP || is_syn_ack(event),
            _ => event.proto == UDP,
        };
        if may_reflect {
            self.add_source_port(event.sport, traffic, event.per_window.packets);
        }
    }

    fn add_source_port(&mut self, port: u16, traffic: Traffic, packets_per_window: u64) {
        match self.source_ports.iter_mut().find(|known| known.port == port) {
            Some(known) => {
                known.traffic.add(traffic);
                known.packets_per_window =
                    known.packets_per_window.saturating_add(packets_per_window);
            }
            None => {
                if self.source_ports.len() < MAX_SOURCE_PORTS {
                    self.source_ports.push(SourcePort { port, traffic, packets_per_window });
                }
            }
        }
    }

    /// Counts the streams as attempts if they are more than one program has with one host.
    pub(super) fn count_streams(&mut self) {
        if self.streams > STREAMS {
            self.attempts += std::mem::take(&mut self.streams);
            for (minute, count) in std::mem::take(&mut self.stream_minutes) {
                count_minute(&mut self.minutes, minute, count);
            }
        }
    }

    /// Returns true if the streams count as attempts once the host got enough of them in a minute.
    pub(super) fn has_many_streams(&self) -> bool {
        self.streams >= STREAMS_OF_MANY
    }

    /// Returns true if the source scans the host for open ports: it tried many ports, none of them much more
    /// often than scanners retry.
    pub(super) fn is_port_scan(&self) -> bool {
        let tries_ports =
            self.distinct_ports >= SCANNED_PORTS && self.attempts <= RETRIES * self.distinct_ports;
        match self.proto {
            // A scanner makes attempts. Answers to many ports are no scan.
            TCP => tries_ports && self.kind == EventKind::Failed,
            UDP => tries_ports && self.sums.bytes <= PROBE_BYTES.saturating_mul(self.sums.packets),
            _ => false,
        }
    }

    /// Returns true if the source checks whether services are there, as a balancer and a monitor do: nearly all of its
    /// attempts are checks, and not more than programs make.
    pub(super) fn checks_services(&self) -> bool {
        let ports = self.distinct_ports.clamp(1, SCANNED_PORTS);
        let busiest = self.minutes.iter().map(|(_, count)| *count).max();
        let is_slow = match busiest {
            Some(busiest) => busiest <= CHECKS_A_MINUTE * ports,
            None => self.attempts <= CHECKS * ports,
        };
        self.checks > 0 && self.checks * 10 >= self.attempts * 9 && is_slow
    }
}

fn count_minute(minutes: &mut Vec<(u32, u64)>, minute: u32, count: u64) {
    let is_full = minutes.len() >= MAX_MINUTES;
    // The conversations of a source with one port come in any order, but most sources have few minutes.
    match minutes.iter_mut().rev().find(|(known, _)| *known == minute) {
        Some((_, sum)) => *sum += count,
        None if is_full => {}
        None => minutes.push((minute, count)),
    }
}

/// Returns true if an event is an attempt that a flood is made of.
///
/// If answers are seen, these are attempts:
/// - failed TCP conversations, except large ones that had been open before: with SYN+ACK or a reset;
/// - failed datagrams. Large datagram streams count only if they come from outside: inside hosts send such
///   streams to collectors of logs and to receivers of media, which never answer;
/// - unsolicited answers, of TCP only bare ones, because others may be the rest of a connection. They do not
///   count while the window is open, because the request may be in an earlier slice.
///
/// If answers are not seen, only TCP conversations that surely were never opened are attempts: SYN without
/// ACK, or without flags up to three packets without data.
fn is_attempt<A: Address>(event: &Event<A>, input: InputProfile) -> bool {
    match (event.kind, input.sees_answers(), event.proto) {
        (EventKind::Sent | EventKind::Opened | EventKind::Served, ..)
        | (EventKind::Unsolicited, false, _) => false,
        (EventKind::Unsolicited, ..) if input.live => false,
        (EventKind::Unsolicited, true, TCP) if event.has(FLAGS) => is_bare_answer(event),
        (EventKind::Unsolicited, true, TCP) => !event.has(LARGE),
        (EventKind::Failed, true, TCP) => {
            let never_opened = event.has(FLAGS) && event.flags & (SYN | ACK) == SYN;
            !event.has(LARGE) || event.flags & (SYN | RST) == 0 || never_opened
        }
        (_, true, UDP) if event.has(LARGE) => {
            input.site.side(event.peer.ip()) == Some(Side::Outside)
        }
        (_, true, _) => true,
        (_, false, TCP) if event.has(FLAGS) => event.flags & (SYN | ACK) == SYN,
        (_, false, TCP) => !event.has(LARGE) && event.packets <= 3 && is_bare(event),
        (_, false, _) => false,
    }
}

/// Returns how many attempts an event counts for.
fn attempts<A: Address>(event: &Event<A>) -> u64 {
    let only_opens =
        event.proto == TCP && event.has(FLAGS) && event.flags & (SYN | ACK | RST) == SYN;
    if event.kind == EventKind::Failed && (only_opens || matches!(event.proto, ICMP | ICMPV6)) {
        // A few more packets than one connect sends may be those of a second exporter.
        if event.per_window.packets < 10 * SYNS { 1 } else { event.per_window.packets / SYNS }
    } else {
        1
    }
}

/// Returns true for a TCP connection that its initiator opened, acknowledged, and closed or reset without data. An
/// acknowledgement shows that the host answered.
fn is_check<A: Address>(event: &Event<A>) -> bool {
    event.kind == EventKind::Failed
        && event.proto == TCP
        && event.has(FLAGS)
        && event.flags & (SYN | ACK) == SYN | ACK
        && event.flags & (FIN | RST) != 0
        && event.flags & PSH == 0
        && !event.has(LARGE)
}

/// Returns true for packets without data.
fn is_bare<A: Address>(event: &Event<A>) -> bool {
    event.bytes <= A::BARE.saturating_mul(event.packets)
}

/// Returns true for TCP answers without data: SYN+ACK or a reset, or any small packets without flags.
fn is_bare_answer<A: Address>(event: &Event<A>) -> bool {
    is_bare(event) && (!event.has(FLAGS) || only_replies(event.flags))
}

/// Returns true for a SYN+ACK, or for packets of its size if flags are unknown.
fn is_syn_ack<A: Address>(event: &Event<A>) -> bool {
    !event.has(LARGE) && (!event.has(FLAGS) || event.flags & (SYN | ACK) == SYN | ACK)
}
