//! What an actor does at one moment: the flows of both directions, before anybody exported them.

use super::attack::Answer;
use super::draw::Dice;
use super::record::{ACK, ECHO_REPLY, FIN, PSH, PacketTotals, RST, SYN};
use super::traffic::{ACTIVE, Exchange};
use crate::flow::{ICMP, TCP, UDP};

/// One direction of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) proto: u8,
    pub(super) from: (u32, u16),
    pub(super) to: (u32, u16),
    pub(super) heap: PacketTotals,
    /// Milliseconds from the beginning of the scene to the first packet.
    pub(super) start: u64,
    /// Milliseconds from the first packet to the last.
    pub(super) millis: u64,
    /// Whether the truth counts it, and for which of the actor's sources.
    pub(super) own: Option<u8>,
    /// Whether it came in by the uplink, whatever its source says.
    pub(super) uplink: bool,
    /// Whether it is a piece of a longer flow, which the router cut where it ends.
    pub(super) cut: bool,
}

/// How a scanner asks for a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Packets of its own making, of so many octets, once; the kernel resets what it knows nothing of.
    Raw(u32),
    /// `connect()`, whose SYN has so many octets and is sent up to three times.
    Connect(u32),
}

/// The legs under way, and the dice for whatever is drawn.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) dice: Dice,
    pub(super) legs: Vec<Leg>,
}

impl Script {
    pub(super) fn new(dice: Dice) -> Script {
        Script { dice, legs: Vec::new() }
    }

    /// An ordinary conversation that begins `after` so many milliseconds.
    pub(super) fn talk(&mut self, talk: Exchange, after: u64) {
        let Exchange { proto, from, to, request: ask, response: answer, millis } = talk;
        self.leg(proto, from, to, ask, after, millis);
        if let Some(heap) = answer {
            let lag = u64::from(self.dice.between(1, 180));
            let (from, to) = match proto {
                ICMP => ((to.0, 0), (from.0, ECHO_REPLY)),
                _ => (to, from),
            };
            self.leg(proto, from, to, heap, after + lag, millis);
        }
    }

    /// One direction alone.
    pub(super) fn leg(
        &mut self,
        proto: u8,
        from: (u32, u16),
        to: (u32, u16),
        heap: PacketTotals,
        start: u64,
        millis: u32,
    ) {
        let millis = if heap.packets == 1 { 0 } else { u64::from(millis.min(ACTIVE)) };
        let (own, uplink, cut) = (None, false, false);
        self.legs.push(Leg { proto, from, to, heap, start, millis, own, uplink, cut });
    }

    /// The same, counted by the truth as one of the actor's source `own`.
    pub(super) fn own(
        &mut self,
        own: u8,
        proto: u8,
        (from, to): ((u32, u16), (u32, u16)),
        heap: PacketTotals,
        millis: u32,
    ) {
        self.leg(proto, from, to, heap, 0, millis);
        if let Some(leg) = self.legs.last_mut() {
            leg.own = Some(own);
        }
    }

    /// An ordinary conversation at once, whose first direction the truth counts.
    pub(super) fn own_talk(&mut self, own: u8, talk: Exchange) {
        let first = self.legs.len();
        self.talk(talk, 0);
        if let Some(leg) = self.legs.get_mut(first) {
            leg.own = Some(own);
        }
    }

    /// A packet that the truth counts and that comes in by the uplink, whoever it says it is from.
    pub(super) fn forged(
        &mut self,
        proto: u8,
        from: (u32, u16),
        to: (u32, u16),
        heap: PacketTotals,
    ) {
        self.own(0, proto, (from, to), heap, 0);
        if let Some(leg) = self.legs.last_mut() {
            leg.uplink = true;
        }
    }

    /// A piece of a flow that goes on and on, as long as the actor's pieces are.
    pub(super) fn piece(
        &mut self,
        own: Option<u8>,
        proto: u8,
        (from, to): ((u32, u16), (u32, u16)),
        heap: PacketTotals,
        millis: u32,
    ) {
        self.leg(proto, from, to, heap, 0, millis);
        if let Some(leg) = self.legs.last_mut() {
            (leg.own, leg.cut) = (own, true);
        }
    }

    /// A knock at a TCP port by the actor's source `own`, and what comes of it. `banner` is what an
    /// open port says of itself to whoever connects, in octets.
    pub(super) fn knock(
        &mut self,
        own: u8,
        from: (u32, u16),
        to: (u32, u16),
        shape: Shape,
        answer: Option<Answer>,
        banner: u32,
    ) {
        let way = self.dice.between(15, 280);
        let heap = |packets, octets, flags| PacketTotals { packets, octets, flags };
        // With Linux' timestamps a segment is 12 octets longer.
        let plain = |syn: u32| if syn >= 60 { 52 } else { 40 };
        let (ask, millis) = match (answer, shape) {
            (Some(Answer::Open), Shape::Raw(syn)) => (heap(2, syn + 40, SYN | RST), way),
            (Some(Answer::Open), Shape::Connect(syn)) => {
                let packets = if banner > 0 { 5 } else { 4 };
                let octets = syn + (packets - 1) * plain(syn);
                (heap(packets, octets, SYN | ACK | FIN), 3 * way)
            }
            (Some(Answer::Closed), Shape::Raw(syn) | Shape::Connect(syn)) => (heap(1, syn, SYN), 0),
            (None, Shape::Raw(syn)) => (heap(1, syn, SYN), 0),
            (None, Shape::Connect(syn)) => {
                let tries = self.dice.between(1, 3);
                // At once, after 1 s and 3 s (Linux) or 3 s and 9 s (Windows).
                let second = if syn >= 60 { 1_000 } else { 3_000 };
                (heap(tries, tries * syn, SYN), second * [0, 1, 3][tries as usize - 1])
            }
        };
        self.own(own, TCP, (from, to), ask, millis);
        let (answer, millis) = match (answer, shape) {
            (None, _) => return,
            (Some(Answer::Closed), _) => (heap(1, 40, RST | ACK), 0),
            (Some(Answer::Open), Shape::Raw(_)) => (heap(1, 44, SYN | ACK), 0),
            (Some(Answer::Open), Shape::Connect(syn)) if banner > 0 => {
                (heap(4, syn + 3 * plain(syn) + banner, SYN | ACK | PSH | FIN), 3 * way)
            }
            (Some(Answer::Open), Shape::Connect(syn)) => {
                (heap(3, syn + 2 * plain(syn), SYN | ACK | FIN), 2 * way)
            }
        };
        self.leg(TCP, to, from, answer, u64::from(way), millis);
    }

    /// A datagram or an echo request of the actor, of so many octets, and what it gets.
    pub(super) fn probe(
        &mut self,
        proto: u8,
        from: (u32, u16),
        to: (u32, u16),
        octets: u32,
        answer: Option<(u8, u16, u32)>,
    ) {
        self.own(0, proto, (from, to), PacketTotals { packets: 1, octets, flags: 0 }, 0);
        if let Some((proto, port, octets)) = answer {
            let way = u64::from(self.dice.between(15, 280));
            let (from, to) = match proto {
                UDP => (to, from),
                _ => ((to.0, 0), (from.0, port)),
            };
            self.leg(proto, from, to, PacketTotals { packets: 1, octets, flags: 0 }, way, 0);
        }
    }

    /// What a flood's victim sends to whom it was told of, and the reset of a host that is there.
    pub(super) fn stray(
        &mut self,
        from: (u32, u16),
        to: (u32, u16),
        heap: PacketTotals,
        reset: bool,
    ) {
        let millis = if heap.packets > 1 { 3_000 * ((1 << (heap.packets - 1)) - 1) } else { 0 };
        self.own(0, TCP, (from, to), heap, millis);
        if reset {
            let heap =
                PacketTotals { packets: heap.packets, octets: heap.packets * 40, flags: RST };
            self.leg(TCP, to, from, heap, 2, millis);
        }
    }

    /// How long the router waits after a leg's last packet before it exports it, in milliseconds:
    /// not at all if the connection was closed or the flow is as long as one may be, else until it
    /// was idle.
    pub(super) fn idle(&mut self, leg: &Leg) -> u64 {
        if leg.cut {
            // Always the same, so that the pieces of a flow meet.
            return 100;
        }
        let closed = leg.proto == TCP && leg.heap.flags & (FIN | RST) != 0;
        u64::from(match closed || leg.millis >= u64::from(ACTIVE) {
            true => self.dice.between(10, 900),
            false => self.dice.between(15_000, 16_500),
        })
    }
}
