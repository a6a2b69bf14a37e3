//! One conversation: both directions between two ports, who asked, and what came of it.

use std::cmp::Ordering;

use super::service::strength;
use super::{Address, PerWindow};
use crate::flow::{TCP, UDP};

/// TCP control bits (RFC 9293 section 3.1).
pub const FIN: u8 = 0x01;
/// Synchronize sequence numbers.
pub const SYN: u8 = 0x02;
/// Reset the connection.
pub const RST: u8 = 0x04;
/// Push: the segment carries data that somebody waits for.
pub const PSH: u8 = 0x08;
/// Acknowledges something.
pub const ACK: u8 = 0x10;

/// A TCP flow of more packets is no mere attempt.
const TCP_ATTEMPT: u32 = 7;
/// A UDP flow of more packets is no mere attempt.
const UDP_ATTEMPT: u32 = 3;
/// Packets each way that a TCP conversation has at least that carried something.
pub(super) const EXCHANGE_PACKETS: u32 = 3;
/// A flow of so many packets says whether the other direction is exported too.
pub(super) const LONG_FLOW: u32 = 10;

/// One direction of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectionTotals {
    /// Records; 0 if there is nothing of this direction.
    pub flows: u32,
    /// Their packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Packets and octets that a rate leaves out: records longer than the window count in part.
    pub(super) outside_window: (u64, u64),
    /// Packets of the largest record, as a row holds them: exact below 2^31, and in order.
    pub largest_packets: u32,
    /// Packets and octets of the least record, as a row holds them.
    pub shape: (u32, u32),
    /// OR of the TCP flags of all records.
    pub flags: u8,
    /// All records had flags.
    pub has_flags: bool,
    /// Some record has more than [`Address::LOADED`] octets a packet.
    pub has_payload: bool,
    /// Some record has more than [`Address::RESET`] octets a packet.
    pub exceeds_reset: bool,
    /// Some record of at least three packets has more than [`Address::RESET`] octets a packet.
    pub has_exchange: bool,
    /// Some record has more than [`Address::BARE`] octets a packet.
    pub exceeds_bare: bool,
    /// Some record came in from outside with one of our addresses as its source.
    pub spoofed: bool,
    /// The first record's start in milliseconds since the epoch; 0 if none had one.
    pub start: u64,
}

impl DirectionTotals {
    /// Nothing of this direction.
    pub const NONE: DirectionTotals = DirectionTotals {
        flows: 0,
        packets: 0,
        octets: 0,
        outside_window: (0, 0),
        largest_packets: 0,
        shape: (u32::MAX, u32::MAX),
        flags: 0,
        has_flags: true,
        has_payload: false,
        exceeds_reset: false,
        has_exchange: false,
        exceeds_bare: false,
        spoofed: false,
        start: 0,
    };

    /// Packets and octets as a rate counts them.
    pub const fn per_window(&self) -> PerWindow {
        let (packets, octets) = self.outside_window;
        PerWindow {
            packets: self.packets.saturating_sub(packets),
            octets: self.octets.saturating_sub(octets),
        }
    }

    /// Whether there is anything of this direction.
    pub const fn is_present(&self) -> bool {
        self.flows > 0
    }

    /// No more than an answer, or a few of them, without anything in it.
    pub const fn is_bare_reply(&self) -> bool {
        self.largest_packets <= TCP_ATTEMPT && !self.exceeds_bare
    }

    /// Whether it shows by itself that the other side answered, be that exported or not: who acknowledges was
    /// sent something, and without flags who sends more than headers has somebody who takes it. What only
    /// knocks, however often, says nothing of it.
    pub(super) fn was_answered(&self) -> bool {
        match self.has_flags && self.flags != 0 {
            true => self.has(ACK) && !self.only_replies(),
            false => self.exceeds_bare,
        }
    }

    fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// A question of TCP: SYN, and no acknowledgement of anything.
    fn only_opens(&self) -> bool {
        self.has_flags && self.has(SYN) && !self.has(ACK)
    }

    /// A probe of TCP, however much it carries: SYN or FIN, and nothing was ever acknowledged, as all
    /// is in a connection (RFC 9293 section 3.10.7.4). Flags that are all zero may be an exporter's that
    /// does not look at them.
    fn only_probes(&self) -> bool {
        self.has_flags && self.flags & (SYN | FIN) != 0 && !self.has(ACK)
    }

    /// Nothing but an answer of TCP to somebody who asked: SYN and ACK, or a reset.
    fn only_replies(&self) -> bool {
        self.accepts() || self.only_resets()
    }

    /// SYN and ACK, and nothing that comes later.
    fn accepts(&self) -> bool {
        self.has_flags && self.has(SYN | ACK) && self.flags & (FIN | PSH) == 0 && !self.exceeds_bare
    }

    fn only_resets(&self) -> bool {
        self.has_flags && self.has(RST) && self.flags & (SYN | FIN | PSH) == 0 && !self.exceeds_bare
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A conversation: TCP that carried something both ways, others with an answer.
    Productive,
    /// An attempt that nobody answered.
    Unanswered,
    /// An attempt that was answered with a refusal, or with nothing that goes on.
    Rejected,
    /// There is only the answer: the question is not in this window, or was never asked.
    Unsolicited,
    /// Neither a conversation nor an attempt: one direction of something larger.
    Partial,
}

/// A conversation as detectors see it.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<A> {
    /// Who asked. If `is_sure` is false this is the smaller address.
    pub initiator: A,
    /// Who was asked.
    pub responder: A,
    /// IANA protocol number.
    pub proto: u8,
    /// The asker's port.
    pub sport: u16,
    /// The port that was asked for; of ICMP type*256; 0 of other protocols.
    pub port: u16,
    /// From the asker.
    pub forward: DirectionTotals,
    /// To the asker.
    pub reverse: DirectionTotals,
    /// Whether it is known which side asked.
    pub is_sure: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// A conversation before it is known who asked: by the order of the addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unoriented {
    /// Ports of the smaller and of the larger address.
    pub ports: [u16; 2],
    /// What each of them sent.
    pub directions: [DirectionTotals; 2],
}

impl Unoriented {
    /// Who asked: 0 the smaller address, 1 the larger.
    ///
    /// Flags say it where they say anything. Then a port that is a service's and one that is none; then
    /// who began. `None` if that is all the same, or there is one direction alone.
    pub(super) fn initiator(&self, proto: u8) -> Option<usize> {
        let [a, b] = &self.directions;
        if proto == TCP {
            for (n, [own, other]) in [[a, b], [b, a]].into_iter().enumerate() {
                if own.is_present()
                    && own.only_opens()
                    && !(other.is_present() && other.only_opens())
                {
                    return Some(n);
                }
            }
            for (n, [own, other]) in [[a, b], [b, a]].into_iter().enumerate() {
                let answered = other.is_present() && other.only_replies();
                if answered && !(own.is_present() && own.only_replies()) {
                    return Some(n);
                }
            }
        }
        let [first, second] = match (proto, self.ports) {
            // What DHCP's server sends its client is an answer, be it to what was asked of everybody (RFC 2131
            // section 4.1, RFC 8415 section 7.2).
            (UDP, [68, 67] | [546, 547]) => [0, 1],
            (UDP, [67, 68] | [547, 546]) => [1, 0],
            (TCP | UDP, ports) => ports.map(strength),
            // Of ICMP the asked side has the question for a port; of others neither has one.
            (_, ports) => ports.map(|port| u8::from(port != 0)),
        };
        match first.cmp(&second) {
            Ordering::Less => return Some(0),
            Ordering::Greater => return Some(1),
            Ordering::Equal => {}
        }
        if self.sender().is_some() || a.start == 0 || b.start == 0 {
            return None;
        }
        match a.start.cmp(&b.start) {
            Ordering::Less => Some(0),
            Ordering::Greater => Some(1),
            Ordering::Equal => None,
        }
    }

    /// Who sent it, if it is one direction alone.
    pub(super) fn sender(&self) -> Option<usize> {
        match self.directions.map(|half| half.is_present()) {
            [true, false] => Some(0),
            [false, true] => Some(1),
            _ => None,
        }
    }

    /// Whether what there is may be resets alone.
    pub(super) fn may_be_resets(&self, proto: u8) -> bool {
        proto == TCP && self.directions.iter().all(|half| !half.exceeds_reset)
    }

    /// What came of it if the side `asker` asked.
    pub(super) fn outcome(&self, proto: u8, asker: usize, is_sampled: bool) -> Outcome {
        let [a, b] = &self.directions;
        let (asked, answered) = if asker == 0 { (a, b) } else { (b, a) };
        if !asked.is_present() {
            return Outcome::Unsolicited;
        }
        match proto {
            // Who never asked tells so (RFC 9293 section 3.10.7.1).
            TCP if !is_sampled && asked.only_resets() && answered.accepts() => Outcome::Unsolicited,
            TCP if is_sampled => sampled(asked, answered),
            TCP => tcp(asked, answered),
            _ if answered.is_present() => Outcome::Productive,
            UDP if asked.largest_packets > UDP_ATTEMPT => Outcome::Partial,
            _ => Outcome::Unanswered,
        }
    }
}

fn tcp(asked: &DirectionTotals, answered: &DirectionTotals) -> Outcome {
    let is_small =
        asked.largest_packets <= TCP_ATTEMPT && (!asked.exceeds_bare || asked.only_probes());
    if !answered.is_present() {
        // What is left of a connection that was opened before.
        let goes_on = asked.has(ACK) && asked.flags & (FIN | PSH | RST) != 0 && !asked.has(SYN);
        let is_rest = asked.has_flags && goes_on;
        return match is_small && !is_rest {
            true => Outcome::Unanswered,
            false => Outcome::Partial,
        };
    }
    let is_carried =
        asked.largest_packets >= EXCHANGE_PACKETS && answered.largest_packets >= EXCHANGE_PACKETS;
    // Three resets for three tries are 40 octets each; a greeting that is only read is more.
    if is_carried && (asked.has_payload || answered.has_payload || answered.has_exchange) {
        return Outcome::Productive;
    }
    let has_data = [asked, answered].iter().any(|half| half.has_flags && half.has(PSH | ACK));
    // Who acknowledge each other's silence opened their connection before.
    let is_idle =
        |half: &DirectionTotals| half.has_flags && half.has(ACK) && half.flags & (SYN | RST) == 0;
    let has_data = has_data || (is_idle(asked) && is_idle(answered));
    match is_small && !answered.exceeds_bare && !has_data {
        true => Outcome::Rejected,
        false => Outcome::Partial,
    }
}

/// Of one packet in many: who acknowledges has been answered, and who sends more than headers has
/// somebody to send it to.
fn sampled(asked: &DirectionTotals, answered: &DirectionTotals) -> Outcome {
    let goes_on = match asked.has_flags {
        // An acknowledgement, but not that of a reset.
        true => asked.has(ACK) && (asked.has(PSH) || !asked.has(RST)),
        false => asked.largest_packets > TCP_ATTEMPT,
    };
    // Without flags, what is longer than a reset is an answer.
    let says = answered.exceeds_bare || (answered.exceeds_reset && !answered.has_flags);
    let carries = asked.exceeds_bare && !asked.only_probes();
    match (carries || goes_on || says, answered.is_present()) {
        (true, _) => Outcome::Productive,
        (false, true) => Outcome::Rejected,
        (false, false) => Outcome::Unanswered,
    }
}

impl<A: Address> Conversation<A> {
    /// Whether it may be that nobody asked, and who seems to have told so to as many answers: they are larger,
    /// which an answer with SYN and ACK to a system's SYN never is. Only where there are no flags that say it.
    pub fn may_be_unsolicited(&self) -> bool {
        let Conversation { proto, forward: asked, reverse: answered, .. } = self;
        *proto == TCP
            && !(asked.has_flags && answered.has_flags)
            && answered.packets == asked.packets
            && answered.octets > asked.octets
            && answered.is_bare_reply()
            && !asked.exceeds_reset
    }

    pub(super) fn new(
        hosts: [A; 2],
        proto: u8,
        ends: &Unoriented,
        asker: Option<usize>,
        is_sampled: bool,
    ) -> Conversation<A> {
        let outcome = ends.outcome(proto, asker.unwrap_or(0), is_sampled);
        let (is_sure, [a, b]) = (asker.is_some(), hosts);
        let ([p, q], [x, y]) = (ends.ports, ends.directions);
        let (asker, host, sport, port, asked, answered) = match asker {
            Some(1) => (b, a, q, p, y, x),
            _ => (a, b, p, q, x, y),
        };
        Conversation {
            initiator: asker,
            responder: host,
            proto,
            sport,
            port,
            forward: asked,
            reverse: answered,
            is_sure,
            outcome,
        }
    }
}
