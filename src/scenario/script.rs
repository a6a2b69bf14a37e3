//! The flows of one action of an actor, in both directions, before a router exported them.

use super::attack::Answer;
use super::draw::Dice;
use super::record::{ACK, ECHO_REPLY, FIN, PSH, PacketTotals, RST, SYN};
use super::traffic::{ACTIVE, Exchange};
use crate::flow::{ICMP, TCP, UDP};

/// A flow of an action. It has one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptFlow {
    pub(super) proto: u8,
    pub(super) from: (u32, u16),
    pub(super) to: (u32, u16),
    pub(super) totals: PacketTotals,
    /// Milliseconds from the beginning of the action to the first packet.
    pub(super) start: u64,
    /// Milliseconds from the first packet to the last.
    pub(super) millis: u64,
    /// The number of the actor's source that the truth counts the flow for; `None` if it does not.
    pub(super) counted_for: Option<u8>,
    /// True if the flow came in by the uplink, whatever its source address is.
    pub(super) by_uplink: bool,
    /// True if it is a chunk of a longer flow, which the router cut at its end.
    pub(super) is_chunk: bool,
}

/// The way in which a scanner probes a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A SYN of so many bytes that the scanner makes itself and sends once. Its kernel knows nothing of it,
    /// and resets the connection.
    Raw(u32),
    /// `connect()`, whose SYN has so many bytes and is sent up to three times.
    Connect(u32),
}

/// The response to a datagram or to an echo request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeResponse {
    /// The protocol: UDP, or ICMP for a message about the probe.
    pub(super) proto: u8,
    /// Type and code of an ICMP message, type*256+code.
    pub(super) message: u16,
    /// The bytes of the only packet.
    pub(super) octets: u32,
}

/// The flows of an action, and the random generator of the actor.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) dice: Dice,
    pub(super) flows: Vec<ScriptFlow>,
}

impl Script {
    pub(super) fn new(dice: Dice) -> Script {
        Script { dice, flows: Vec::new() }
    }

    /// Adds a conversation that begins after `after` milliseconds.
    pub(super) fn exchange(&mut self, exchange: Exchange, after: u64) {
        let Exchange { proto, from, to, request, response, millis } = exchange;
        self.flow(proto, from, to, request, after, millis);
        if let Some(response) = response {
            let delay = u64::from(self.dice.between(1, 180));
            let (from, to) = match proto {
                ICMP => ((to.0, 0), (from.0, ECHO_REPLY)),
                _ => (to, from),
            };
            self.flow(proto, from, to, response, after + delay, millis);
        }
    }

    /// Adds a flow in one direction.
    pub(super) fn flow(
        &mut self,
        proto: u8,
        from: (u32, u16),
        to: (u32, u16),
        totals: PacketTotals,
        start: u64,
        millis: u32,
    ) {
        let millis = if totals.packets == 1 { 0 } else { u64::from(millis.min(ACTIVE)) };
        let (counted_for, by_uplink, is_chunk) = (None, false, false);
        self.flows.push(ScriptFlow {
            proto,
            from,
            to,
            totals,
            start,
            millis,
            counted_for,
            by_uplink,
            is_chunk,
        });
    }

    /// Adds a flow that begins at once and that the truth counts for the actor's source `source`.
    pub(super) fn counted_flow(
        &mut self,
        source: u8,
        proto: u8,
        (from, to): ((u32, u16), (u32, u16)),
        totals: PacketTotals,
        millis: u32,
    ) {
        self.flow(proto, from, to, totals, 0, millis);
        if let Some(flow) = self.flows.last_mut() {
            flow.counted_for = Some(source);
        }
    }

    /// Adds a conversation that begins at once. The truth counts its forward direction for the actor's source
    /// `source`.
    pub(super) fn counted_exchange(&mut self, source: u8, exchange: Exchange) {
        let first = self.flows.len();
        self.exchange(exchange, 0);
        if let Some(flow) = self.flows.get_mut(first) {
            flow.counted_for = Some(source);
        }
    }

    /// Adds a flow that the truth counts and that comes in by the uplink, whatever its source address is.
    pub(super) fn forged(
        &mut self,
        proto: u8,
        from: (u32, u16),
        to: (u32, u16),
        totals: PacketTotals,
    ) {
        self.counted_flow(0, proto, (from, to), totals, 0);
        if let Some(flow) = self.flows.last_mut() {
            flow.by_uplink = true;
        }
    }

    /// Adds a chunk of `millis` milliseconds of a flow that never ends.
    pub(super) fn chunk(
        &mut self,
        counted_for: Option<u8>,
        proto: u8,
        (from, to): ((u32, u16), (u32, u16)),
        totals: PacketTotals,
        millis: u32,
    ) {
        self.flow(proto, from, to, totals, 0, millis);
        if let Some(flow) = self.flows.last_mut() {
            (flow.counted_for, flow.is_chunk) = (counted_for, true);
        }
    }

    /// Adds a probe of a TCP port by the actor's source `source`, and the response to it. `banner` is the
    /// number of bytes that an open port sends to a client after `connect()`.
    pub(super) fn tcp_probe(
        &mut self,
        source: u8,
        from: (u32, u16),
        to: (u32, u16),
        shape: Shape,
        answer: Option<Answer>,
        banner: u32,
    ) {
        let delay = self.dice.between(15, 280);
        let totals = |packets, octets, flags| PacketTotals { packets, octets, flags };
        // The timestamps of Linux make a segment 12 bytes longer.
        let plain = |syn: u32| if syn >= 60 { 52 } else { 40 };
        let (request, millis) = match (answer, shape) {
            (Some(Answer::Open), Shape::Raw(syn)) => (totals(2, syn + 40, SYN | RST), delay),
            (Some(Answer::Open), Shape::Connect(syn)) => {
                let packets = if banner > 0 { 5 } else { 4 };
                let octets = syn + (packets - 1) * plain(syn);
                (totals(packets, octets, SYN | ACK | FIN), 3 * delay)
            }
            (Some(Answer::Closed), Shape::Raw(syn) | Shape::Connect(syn)) => {
                (totals(1, syn, SYN), 0)
            }
            (None, Shape::Raw(syn)) => (totals(1, syn, SYN), 0),
            (None, Shape::Connect(syn)) => {
                let tries = self.dice.between(1, 3);
                // At once, after 1 s and 3 s (Linux) or 3 s and 9 s (Windows).
                let second = if syn >= 60 { 1_000 } else { 3_000 };
                (totals(tries, tries * syn, SYN), second * [0, 1, 3][tries as usize - 1])
            }
        };
        self.counted_flow(source, TCP, (from, to), request, millis);
        let (response, millis) = match (answer, shape) {
            (None, _) => return,
            (Some(Answer::Closed), _) => (totals(1, 40, RST | ACK), 0),
            (Some(Answer::Open), Shape::Raw(_)) => (totals(1, 44, SYN | ACK), 0),
            (Some(Answer::Open), Shape::Connect(syn)) if banner > 0 => {
                (totals(4, syn + 3 * plain(syn) + banner, SYN | ACK | PSH | FIN), 3 * delay)
            }
            (Some(Answer::Open), Shape::Connect(syn)) => {
                (totals(3, syn + 2 * plain(syn), SYN | ACK | FIN), 2 * delay)
            }
        };
        self.flow(TCP, to, from, response, u64::from(delay), millis);
    }

    /// Adds a datagram or an echo request of `octets` bytes by the actor, and the response to it.
    pub(super) fn probe(
        &mut self,
        proto: u8,
        from: (u32, u16),
        to: (u32, u16),
        octets: u32,
        response: Option<ProbeResponse>,
    ) {
        let request = PacketTotals { packets: 1, octets, flags: 0 };
        self.counted_flow(0, proto, (from, to), request, 0);
        if let Some(ProbeResponse { proto, message, octets }) = response {
            let delay = u64::from(self.dice.between(15, 280));
            let (from, to) = match proto {
                UDP => (to, from),
                _ => ((to.0, 0), (from.0, message)),
            };
            let response = PacketTotals { packets: 1, octets, flags: 0 };
            self.flow(proto, from, to, response, delay, 0);
        }
    }

    /// Adds a response of a flood's victim to a forged source. If `is_reset`, the source exists and resets the
    /// connection that it did not ask for.
    pub(super) fn backscatter(
        &mut self,
        from: (u32, u16),
        to: (u32, u16),
        totals: PacketTotals,
        is_reset: bool,
    ) {
        let PacketTotals { packets, .. } = totals;
        let millis = if packets > 1 { 3_000 * ((1 << (packets - 1)) - 1) } else { 0 };
        self.counted_flow(0, TCP, (from, to), totals, millis);
        if is_reset {
            let resets = PacketTotals { packets, octets: packets * 40, flags: RST };
            self.flow(TCP, to, from, resets, 2, millis);
        }
    }

    /// Returns the milliseconds from the last packet of a flow to its export. A flow of a closed connection,
    /// or one that reached the active timeout, is exported at once, other flows after the inactive timeout.
    pub(super) fn export_delay(&mut self, flow: &ScriptFlow) -> u64 {
        if flow.is_chunk {
            // Constant, so that the chunks of a flow follow each other without a gap.
            return 100;
        }
        let is_closed = flow.proto == TCP && flow.totals.flags & (FIN | RST) != 0;
        if is_closed || flow.millis >= u64::from(ACTIVE) {
            u64::from(self.dice.between(10, 900))
        } else {
            u64::from(self.dice.between(15_000, 16_500))
        }
    }
}
