//! A conversation with its initiator, and its outcome.

use super::address::Address;
use super::direction::{ACK, DirectionTotals, EXCHANGE_PACKETS, FIN, PSH, RST, SYN, TCP_ATTEMPT};
use super::initiator::Unoriented;
use crate::flow::{TCP, UDP};

/// The most packets that a UDP flow has if it is only an attempt: a request and two repetitions.
const UDP_ATTEMPT: u32 = 3;

/// The outcome of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An exchange: TCP that carried data, or another protocol with packets in both directions.
    Productive,
    /// An attempt without an answer.
    Unanswered,
    /// A TCP attempt that was answered with SYN+ACK and carried no data: a half-open scan, or a program that only
    /// checks whether a server is there. Without flags the answer is longer than a reset.
    Accepted,
    /// An attempt that was answered with a reset, or without flags with packets of that size.
    Rejected,
    /// An answer without an attempt: the attempt is not in this window, was not exported or never made, as
    /// in the backscatter of a flood with forged sources.
    Unsolicited,
    /// Neither an exchange nor an attempt: a part of something larger, such as the end of a connection
    /// that was opened before the window.
    Partial,
}

/// The side of a pair that opened a conversation: 0 for the smaller address, 1 for the larger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Initiator {
    pub side: usize,
    /// True if it is known.
    pub is_sure: bool,
}

/// A conversation between two endpoints, as detectors see it.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a, A> {
    /// The side that opened the conversation.
    pub initiator: A,
    /// The other side.
    pub responder: A,
    /// IANA protocol number.
    pub proto: u8,
    /// The initiator's port.
    pub sport: u16,
    /// The responder's port; for ICMP the request's type * 256; 0 for other protocols.
    pub port: u16,
    /// The traffic from the initiator to the responder.
    pub forward: &'a DirectionTotals,
    /// The traffic from the responder to the initiator.
    pub reverse: &'a DirectionTotals,
    /// True if it is known which side is the initiator. If not, it is the sender if only one side sent, else the
    /// smaller address.
    pub is_sure: bool,
    /// The outcome.
    pub outcome: Outcome,
}

impl<'a, A: Address> Conversation<'a, A> {
    /// Returns true if the initiator completed the opening of a TCP connection: data came both ways, or it acknowledged
    /// the SYN+ACK and nobody reset the connection. Packets with a forged source do not get so far: the SYN+ACK goes
    /// elsewhere, and an acknowledgement that guesses at it is answered with a reset (RFC 9293 section 3.10.7.4).
    pub fn is_completed(&self) -> bool {
        let Conversation { proto, forward, reverse, is_sure, .. } = self;
        let is_acknowledged = forward.has_flags
            && reverse.has_flags
            && forward.has(ACK)
            && forward.packets > 1
            // SYN and a reset with ACK are half-open too.
            && (forward.flags & RST == 0 || forward.largest_packets > 2)
            && !forward.only_resets()
            && reverse.has(SYN | ACK)
            && reverse.flags & RST == 0;
        *proto == TCP
            && *is_sure
            && forward.is_present()
            && reverse.is_present()
            && ((forward.has_payload && reverse.has_payload) || is_acknowledged)
    }

    /// Returns true if both sides closed a TCP connection in order: each sent FIN.
    pub fn is_closed(&self) -> bool {
        let sent_fin = |direction: &DirectionTotals| direction.has_flags && direction.has(FIN);
        self.proto == TCP && sent_fin(self.forward) && sent_fin(self.reverse)
    }

    /// Returns true if the initiator may have sent nothing but resets to unsolicited SYN+ACKs, although
    /// the flows look like a rejected attempt.
    ///
    /// Only the sizes can show it if there are no flags: one packet came back for each packet sent, and
    /// the packets that came back are larger. The SYN+ACK in reply to an operating system's SYN is never
    /// larger than the SYN, but it is larger than a reset.
    pub fn may_be_unsolicited(&self) -> bool {
        let Conversation { proto, forward, reverse, .. } = self;
        *proto == TCP
            && !(forward.has_flags && reverse.has_flags)
            && reverse.packets == forward.packets
            && reverse.bytes > forward.bytes
            && reverse.is_bare_reply()
            && !forward.exceeds_reset
    }

    /// Makes the conversation of two hosts out of `unoriented`.
    pub(super) fn new(
        hosts: [A; 2],
        proto: u8,
        unoriented: &'a Unoriented,
        initiator: Initiator,
        is_sampled: bool,
    ) -> Conversation<'a, A> {
        let ([a, b], [a_port, b_port]) = (hosts, unoriented.ports);
        let [from_a, from_b] = &unoriented.directions;
        let is_larger = initiator.side == 1;
        let (initiator_host, responder) = if is_larger { (b, a) } else { (a, b) };
        let (sport, port) = if is_larger { (b_port, a_port) } else { (a_port, b_port) };
        let (forward, reverse) = if is_larger { (from_b, from_a) } else { (from_a, from_b) };
        Conversation {
            initiator: initiator_host,
            responder,
            proto,
            sport,
            port,
            forward,
            reverse,
            is_sure: initiator.is_sure,
            outcome: outcome::<A>(proto, forward, reverse, is_sampled),
        }
    }
}

/// Returns the outcome of a conversation. `is_sampled` says that only one packet in N was seen.
fn outcome<A: Address>(
    proto: u8,
    forward: &DirectionTotals,
    reverse: &DirectionTotals,
    is_sampled: bool,
) -> Outcome {
    if !forward.is_present() {
        return Outcome::Unsolicited;
    }
    match proto {
        // A host resets a SYN+ACK that it has no attempt for (RFC 9293 section 3.10.7.1).
        TCP if !is_sampled && forward.only_resets() && reverse.accepts() => Outcome::Unsolicited,
        TCP if is_sampled => sampled_tcp_outcome(forward, reverse),
        TCP => tcp_outcome::<A>(forward, reverse),
        _ if reverse.is_present() => Outcome::Productive,
        UDP if forward.largest_packets > UDP_ATTEMPT => Outcome::Partial,
        _ => Outcome::Unanswered,
    }
}

/// Returns the outcome of a TCP conversation of which every packet was seen.
fn tcp_outcome<A: Address>(forward: &DirectionTotals, reverse: &DirectionTotals) -> Outcome {
    // SYNs open nothing, however many there are from one port.
    let is_attempt = forward.only_opens()
        || (forward.largest_packets <= TCP_ATTEMPT
            && (!forward.exceeds_bare || forward.only_probes()));
    if !reverse.is_present() {
        // An ACK with FIN, PSH or RST but without SYN ends a connection that was opened before.
        let goes_on =
            forward.has(ACK) && forward.flags & (FIN | PSH | RST) != 0 && !forward.has(SYN);
        let is_rest = (forward.has_flags && goes_on) || forward.may_acknowledge::<A>();
        return if is_attempt && !is_rest { Outcome::Unanswered } else { Outcome::Partial };
    }
    let has_exchange =
        forward.largest_packets >= EXCHANGE_PACKETS && reverse.largest_packets >= EXCHANGE_PACKETS;
    // Three SYNs and three resets have three packets each way as well, but a reset has only headers. A
    // server whose greeting is read and not answered sends more.
    if has_exchange && (forward.has_payload || reverse.has_payload || reverse.has_exchange) {
        return Outcome::Productive;
    }
    let has_data =
        [forward, reverse].iter().any(|direction| direction.has_flags && direction.has(PSH | ACK));
    // Two sides that acknowledge each other without data keep an older connection alive.
    let is_idle = |direction: &DirectionTotals| {
        direction.has_flags && direction.has(ACK) && direction.flags & (SYN | RST) == 0
    };
    let is_kept_alive = forward.may_keep_alive::<A>(reverse);
    let has_data = has_data || (is_idle(forward) && is_idle(reverse)) || is_kept_alive;
    if is_attempt && !reverse.exceeds_bare && !has_data {
        let is_accepted = if reverse.has_flags {
            reverse.has(SYN | ACK)
        } else {
            reverse.bytes > A::LEAST * reverse.packets
        };
        if is_accepted { Outcome::Accepted } else { Outcome::Rejected }
    } else {
        Outcome::Partial
    }
}

/// Returns the outcome of a TCP conversation of which one packet in N was seen.
///
/// Few packets of a connection are seen, so a single one has to show that it works: an ACK from the
/// initiator shows that it was answered, and data in either direction shows that somebody receives it.
fn sampled_tcp_outcome(forward: &DirectionTotals, reverse: &DirectionTotals) -> Outcome {
    let goes_on = if forward.has_flags {
        // A reset acknowledges as well.
        forward.has(ACK) && (forward.has(PSH) || !forward.has(RST))
    } else {
        forward.largest_packets > TCP_ATTEMPT
    };
    // Without flags, an answer longer than a reset is taken for data.
    let has_reverse_data = reverse.exceeds_bare || (reverse.exceeds_reset && !reverse.has_flags);
    let has_forward_data = forward.exceeds_bare && !forward.only_probes();
    if has_forward_data || goes_on || has_reverse_data {
        Outcome::Productive
    } else if reverse.has_flags && reverse.has(SYN | ACK) {
        Outcome::Accepted
    } else if reverse.is_present() {
        Outcome::Rejected
    } else {
        Outcome::Unanswered
    }
}
