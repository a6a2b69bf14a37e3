//! What one source sent a host by one protocol.

use std::net::IpAddr;

use super::event::{Event, EventKind, FLAGS, SPOOFED, STREAM, only_replies};
use super::evidence::InputProfile;
use super::traffic::{Counts, add};
use crate::conversation::{ACK, Address, PerWindow, RST, SYN, widen};
use crate::finding::{Sample, Side};
use crate::flow::{TCP, UDP};

/// Minutes that are told apart: of more, a day's, the rest is not looked at.
pub(super) const MAX_MINUTES: usize = 2048;
/// Ports of one source that are counted one by one.
const MAX_PORTS: usize = 4096;
/// A source that asks for so many ports, for none much more often than scanners try again, looks for
/// them: that is a scan, and nfscan's.
const SCANNED: u64 = 15;
/// Conversations a port that a scanner has: nmap tries up to ten times (-T0 to -T3).
pub(super) const TRIES: u64 = 10;
/// Octets a packet up to which UDP may be a scan's probe.
const PROBE: u64 = 100;
/// Source ports of one source that are told apart: one that answers has one.
const MAX_SPORTS: usize = 4;

/// One source's rows of one kind and protocol.
#[derive(Clone, Debug)]
pub(super) struct SourceTraffic {
    pub kind: EventKind,
    pub proto: u8,
    pub peer: IpAddr,
    pub sums: Counts,
    /// Packets and bytes of these as a rate counts them.
    pub per_window: PerWindow,
    /// Of the conversations, those that a flood is made of.
    pub tried: u64,
    /// The parts of `tried` and of the packets that may only be answers, which say nothing against the source.
    pub answers: (u64, u64),
    /// Packets, as a rate counts them, of answers without data or by a protocol without connections.
    pub unsolicited: u64,
    /// The host's ports in order, with their conversations.
    pub ports: Vec<(u16, u64)>,
    pub distinct: u64,
    pub minutes: Vec<(u32, u64)>,
    /// Sums by the source's port, where there are few; and packets as a rate counts them.
    pub sports: Vec<(u16, Counts, u64)>,
    pub is_spoofed: bool,
    /// One of our own.
    pub is_ours: bool,
    pub sample: Sample,
}

impl SourceTraffic {
    /// An empty one for this event's source, in the place of an old one.
    pub(super) fn of<A: Address>(
        event: &Event<A>,
        view: InputProfile,
        old: Option<SourceTraffic>,
    ) -> SourceTraffic {
        let mut run = SourceTraffic {
            kind: event.kind,
            proto: event.proto,
            peer: event.peer.ip(),
            sums: (0, 0, 0),
            per_window: PerWindow::NONE,
            tried: 0,
            answers: (0, 0),
            unsolicited: 0,
            ports: Vec::new(),
            distinct: 0,
            minutes: Vec::new(),
            sports: Vec::new(),
            is_spoofed: false,
            is_ours: view.site.side(event.peer.ip()) == Some(Side::Inside),
            sample: event.sample(),
        };
        if let Some(SourceTraffic { mut ports, mut minutes, mut sports, .. }) = old {
            ports.clear();
            minutes.clear();
            sports.clear();
            (run.ports, run.minutes, run.sports) = (ports, minutes, sports);
        }
        run
    }

    /// Adds a row of the same source.
    pub(super) fn add<A: Address>(&mut self, event: &Event<A>, view: InputProfile) {
        // A conversation of what was tried counts once, however many records it has.
        let flows = if event.kind == EventKind::Sent { u64::from(event.flows) } else { 1 };
        let (packets, bytes) = (event.packets, event.bytes);
        add(&mut self.sums, (flows, packets, bytes));
        self.per_window.add(event.per_window);
        // The port that is attacked: of what the host sent, the peer's.
        let aim = if event.kind == EventKind::Sent { event.sport } else { event.port };
        match self.ports.last_mut() {
            Some((port, count)) if *port == aim => *count += flows,
            _ => {
                self.distinct += 1;
                if self.ports.len() < MAX_PORTS {
                    self.ports.push((aim, flows));
                }
            }
        }
        let is_answer = event.is_answer();
        let answers = match event.kind {
            EventKind::Sent => widen(event.more),
            _ if is_answer => event.per_window.packets,
            _ => 0,
        };
        self.answers.1 = self.answers.1.saturating_add(answers);
        if is_answer && (event.proto != TCP || is_bare_answer(event)) {
            self.unsolicited = self.unsolicited.saturating_add(answers);
        }
        if counts(event, view) {
            self.tried += 1;
            self.answers.0 += u64::from(is_answer);
            if event.more != 0 {
                count(&mut self.minutes, event.more / 60_000);
            }
        }
        self.is_spoofed |= event.has(SPOOFED);
        let may_reflect = match event.kind {
            EventKind::Unsolicited => event.proto == UDP || is_syn_ack(event),
            _ => event.proto == UDP,
        };
        if may_reflect {
            let rated = event.per_window.packets;
            match self.sports.iter().position(|(port, ..)| *port == event.sport) {
                Some(at) => {
                    if let Some((_, sums, per_window)) = self.sports.get_mut(at) {
                        add(sums, (flows, packets, bytes));
                        *per_window = per_window.saturating_add(rated);
                    }
                }
                None if self.sports.len() < MAX_SPORTS => {
                    self.sports.push((event.sport, (flows, packets, bytes), rated));
                }
                None => {}
            }
        }
    }

    /// Whether the source looks for open ports.
    pub(super) fn is_scan(&self) -> bool {
        let (_, packets, bytes) = self.sums;
        let looks = self.distinct >= SCANNED && self.tried <= TRIES * self.distinct;
        match self.proto {
            // A scanner asks; what is answered to many ports is no scan.
            TCP => looks && self.kind == EventKind::Failed,
            UDP => looks && bytes <= PROBE.saturating_mul(packets),
            _ => false,
        }
    }
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
fn counts<A: Address>(event: &Event<A>, view: InputProfile) -> bool {
    let is_bare = || is_bare(event);
    match (event.kind, view.hears(), event.proto) {
        (EventKind::Sent | EventKind::Opened | EventKind::Served, ..)
        | (EventKind::Unsolicited, false, _) => false,
        (EventKind::Unsolicited, ..) if view.live => false,
        (EventKind::Unsolicited, true, TCP) if event.has(FLAGS) => is_bare_answer(event),
        (EventKind::Unsolicited, true, TCP) => !event.has(STREAM),
        (EventKind::Failed, true, TCP) => {
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

fn is_bare<A: Address>(event: &Event<A>) -> bool {
    event.bytes <= A::BARE.saturating_mul(event.packets)
}

/// Returns true for an answer of TCP without data: SYN and ACK or a reset, where the flags say.
fn is_bare_answer<A: Address>(event: &Event<A>) -> bool {
    is_bare(event) && (!event.has(FLAGS) || only_replies(event.flags))
}

/// An answer of TCP to a question; where flags are unknown, what is as small.
fn is_syn_ack<A: Address>(event: &Event<A>) -> bool {
    match event.has(FLAGS) {
        true => event.flags & (SYN | ACK) == SYN | ACK && !event.has(STREAM),
        false => !event.has(STREAM),
    }
}
