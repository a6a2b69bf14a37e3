//! Events: the conversations of a host with one peer that are alike, as rows sorted by host.

use std::io;

use crate::conversation::service::strength;
use crate::conversation::{
    ACK, Address, FIN, Families, PSH, Peak, PerWindow, RST, SYN, Together, narrow, widen,
};
use crate::finding::Sample;
use crate::flow::{TCP, UDP};

/// The kind of an event. A host's rows are sorted by it, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EventKind {
    /// The host opened conversations with the peer: by UDP with any outcome, otherwise without failed ones.
    #[default]
    Opened,
    /// The peer opened conversations with the host, and they were not failed attempts.
    Served,
    /// The peer made a failed attempt at the host, or sent it traffic that was not answered.
    Failed,
    /// The peer answered an attempt that the host never made.
    Unsolicited,
    /// The host sent the peer traffic that was not answered.
    Sent,
    /// The busiest minute of traffic of the peer to the host that was not answered.
    Burst,
    /// The busiest minute of traffic of the host to the peer that was not answered.
    SentBurst,
}

/// Bit of an event: it came in at an outside interface with an inside source.
pub(super) const SPOOFED: u8 = 1;
/// Bit of an event: the traffic is larger than an attempt.
pub(super) const LARGE: u8 = 2;
/// Bit of an event: the exporter reported TCP flags.
pub(super) const FLAGS: u8 = 4;

/// The flags of an event without [`FLAGS`] that may be a reset of an unsolicited answer.
pub(super) const MAYBE_RESET: u8 = RST;

/// Returns true if traffic from port `from` to port `to`, which seems to answer an attempt that was not
/// exported, is an answer: its TCP flags show it, or `to` is no service port. A datagram from a name
/// server's port to a game server's port is not an answer.
pub(super) fn is_answer(proto: u8, from: u16, to: u16, flags: Option<u8>) -> bool {
    match proto {
        TCP => flags.is_some_and(only_replies) || strength(to) == 0,
        // A DHCP client has a port below 1024 too.
        UDP => strength(to) == 0 || matches!((from, to), (67, 68) | (547, 546)),
        _ => true,
    }
}

/// Returns true for the flags of a SYN+ACK or a reset, without FIN and PSH, which come later in a connection.
pub(super) fn only_replies(flags: u8) -> bool {
    (flags & (SYN | ACK) == SYN | ACK || flags & RST != 0) && flags & (FIN | PSH) == 0
}

/// The conversations of a host with one peer that are alike: one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Event<A> {
    /// The host that is judged: the receiver, or the sender of [`EventKind::Sent`].
    pub host: A,
    pub kind: EventKind,
    pub proto: u8,
    pub peer: A,
    /// The host's port; 0 if the conversations had several. For `Opened` and `Served`, the service's port.
    pub port: u16,
    /// The peer's port; 0 if the conversations had several. For `Opened` and `Served`, the client's port.
    pub sport: u16,
    /// [`SPOOFED`], [`LARGE`] and [`FLAGS`].
    pub bits: u8,
    /// OR of all TCP flags. For `Opened` and `Served`, ACK if an initiator completed the opening of a connection, else
    /// none.
    pub flags: u8,
    /// Number of conversations of `Opened`, `Served` and `Sent`; otherwise the number of records of a single
    /// conversation.
    pub flows: u32,
    /// Packets to the host; for `Sent`, packets from it.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
    /// The part of the packets and bytes that counts for a rate.
    pub per_window: PerWindow,
    /// A number that depends on the kind. `Failed` and `Unsolicited`: the lower 32 bits of the start in
    /// milliseconds, 0 if unknown. `Sent`: packets that may be answers, in the form of [`narrow`]. `Opened` and
    /// `Served`: packets in the other direction. Packets are those that count for a rate. `Burst` and `SentBurst`: the
    /// minute.
    pub more: u32,
}

impl<A: Address> Event<A> {
    /// Packs the event into a row. Rows sort by host, kind, protocol, peer, the host's port and the peer's
    /// port. The row has the packets and bytes that count for a rate; [`Event::rest`] has the others.
    pub(super) fn pack(&self) -> A::Row {
        let first = ((self.kind as u32) << 8) | u32::from(self.proto);
        let ports = (u32::from(self.port) << 16) | u32::from(self.sport);
        let bits = (u32::from(self.bits) << 29) | (u32::from(self.flags) << 21);
        let flows = self.flows.min(MAX_FLOWS);
        A::pack(
            self.host,
            first,
            self.peer,
            [
                ports,
                bits | flows,
                narrow(self.per_window.packets),
                narrow(self.per_window.bytes),
                self.more,
            ],
        )
    }

    /// Returns true if there are packets or bytes that do not count for a rate.
    pub(super) fn has_rest(&self) -> bool {
        (self.packets, self.bytes) != (self.per_window.packets, self.per_window.bytes)
    }

    /// Returns the packets and bytes that do not count for a rate as an event of the same key. It has no
    /// flows, by which [`Event::unpack`] knows it, and [`Event::absorb`] adds it to its other part.
    pub(super) fn rest(&self) -> Event<A> {
        let Event { packets, bytes, per_window, .. } = *self;
        let packets = packets.saturating_sub(per_window.packets);
        let bytes = bytes.saturating_sub(per_window.bytes);
        let per_window = PerWindow { packets, bytes };
        Event { bits: 0, flags: 0, flows: 0, packets, bytes, per_window, more: 0, ..*self }
    }

    /// Unpacks a row, which is an event or the rest of one.
    pub(super) fn unpack(row: &A::Row) -> Event<A> {
        let (host, first, peer, [ports, bits, packets, bytes, more]) = A::unpack(row);
        let flows = bits & MAX_FLOWS;
        let (packets, bytes) = (widen(packets), widen(bytes));
        let per_window = if flows == 0 { PerWindow::NONE } else { PerWindow { packets, bytes } };
        Event {
            host,
            kind: match first >> 8 {
                0 => EventKind::Opened,
                1 => EventKind::Served,
                2 => EventKind::Failed,
                3 => EventKind::Unsolicited,
                4 => EventKind::Sent,
                5 => EventKind::Burst,
                _ => EventKind::SentBurst,
            },
            proto: first as u8,
            peer,
            port: (ports >> 16) as u16,
            sport: ports as u16,
            bits: (bits >> 29) as u8,
            flags: (bits >> 21) as u8,
            flows,
            packets,
            bytes,
            per_window,
            more,
        }
    }

    /// Adds `other` and returns true if it has the same key. Events have several rows if they are long or were
    /// carried over from an earlier slice of the window.
    pub(super) fn absorb(&mut self, other: &Event<A>) -> bool {
        let key = |event: &Event<A>| {
            (event.host, event.kind, event.proto, event.peer, event.port, event.sport)
        };
        if key(self) != key(other) {
            return false;
        }
        self.bits |= other.bits;
        self.flags |= other.flags;
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.per_window.add(other.per_window);
        self.more = match (self.kind, self.more, other.more) {
            (EventKind::Failed | EventKind::Unsolicited, 0, start)
            | (EventKind::Failed | EventKind::Unsolicited, start, 0) => start,
            (EventKind::Failed | EventKind::Unsolicited, a, b) => a.min(b),
            // The other part has no minute.
            (EventKind::Burst | EventKind::SentBurst, a, b) => a.max(b),
            (_, a, b) => a.saturating_add(b),
        };
        true
    }

    /// Returns true if one of these bits is set.
    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    /// Returns true if the peer may only have answered, so that the event is nothing against the peer.
    pub(super) fn is_answer(&self) -> bool {
        let flags = self.has(FLAGS).then_some(self.flags);
        match self.kind {
            EventKind::Unsolicited => is_answer(self.proto, self.sport, self.port, flags),
            EventKind::Failed => self.flags == MAYBE_RESET && flags.is_none(),
            EventKind::Opened
            | EventKind::Served
            | EventKind::Sent
            | EventKind::Burst
            | EventKind::SentBurst => false,
        }
    }

    /// Returns the event about the busiest minute of this one's traffic, if it shows one.
    pub(super) fn burst(&self, kind: EventKind, peak: Peak) -> Option<Event<A>> {
        let Peak { packets, bytes, minute } = peak;
        let per_window = PerWindow { packets, bytes };
        let burst = Event { kind, flows: 1, packets, bytes, per_window, more: minute, ..*self };
        Some(burst).filter(|burst| burst.packets > 0)
    }

    /// Returns the busiest minute that an event is about.
    pub(super) fn peak(&self) -> Peak {
        Peak { packets: self.packets, bytes: self.bytes, minute: self.more }
    }

    /// Returns the flow that a finding shows as evidence, from its sender to its receiver.
    pub(super) fn sample(&self) -> Sample {
        let (host, peer) = (self.host.ip(), self.peer.ip());
        let proto = self.proto;
        if self.kind == EventKind::Sent {
            Sample { sip: host, sport: self.port, dip: peer, dport: self.sport, proto }
        } else {
            Sample { sip: peer, sport: self.sport, dip: host, dport: self.port, proto }
        }
    }
}

/// Events as rows. The rows of a network's hosts stay together, so that hosts that are flooded together are
/// judged one after the other.
#[derive(Debug)]
pub(super) struct Events {
    pub rows: Families,
}

impl Events {
    /// Returns an empty table. Rows beyond about `memory` bytes go to temporary files.
    pub(super) fn new(memory: u64) -> Events {
        Events { rows: Families::new(memory, Together::Net) }
    }

    /// Adds an event.
    ///
    /// # Errors
    /// Writing a temporary file fails.
    pub(super) fn push<A: Address>(&mut self, event: &Event<A>) -> io::Result<()> {
        if event.has_rest() {
            self.push_rest(event)?;
        }
        self.rows.push([event.host, event.peer], event.pack())
    }

    #[cold]
    #[inline(never)]
    fn push_rest<A: Address>(&mut self, event: &Event<A>) -> io::Result<()> {
        self.push(&event.rest())
    }
}

/// The most flows that a row can count; more count as this many. A row without flows is the rest of another.
const MAX_FLOWS: u32 = (1 << 21) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = EventKind> {
        prop_oneof![
            Just(EventKind::Opened),
            Just(EventKind::Served),
            Just(EventKind::Failed),
            Just(EventKind::Unsolicited),
            Just(EventKind::Sent),
            Just(EventKind::Burst),
            Just(EventKind::SentBurst)
        ]
    }

    proptest! {
        #[test]
        fn rows_unpack_to_their_event(
            (host, peer, proto, kind) in (any::<u32>(), any::<u32>(), any::<u8>(), kinds()),
            (port, sport, bits, flags) in (any::<u16>(), any::<u16>(), 0u8..8, any::<u8>()),
            (flows, packets, bytes, more) in (1..=MAX_FLOWS, 0..1u64 << 31, 0..1u64 << 31, any::<u32>()),
            rest in prop_oneof![Just((0, 0)), (0..1u64 << 31, 0..1u64 << 31)],
        ) {
            let per_window = PerWindow { packets, bytes };
            let (packets, bytes) = (packets + rest.0, bytes + rest.1);
            let event = Event {
                host, kind, proto, peer, port, sport, bits, flags, flows, packets, bytes, per_window, more,
            };
            prop_assert_eq!(round_trip(&event), event);
            let wide = Event {
                host: u128::from(host) << 64, peer: u128::from(peer) << 60, kind, proto, port, sport, bits,
                flags, flows, packets, bytes, per_window, more,
            };
            prop_assert_eq!(round_trip(&wide), wide);
        }
    }

    /// Packs the event into its rows, sorts them, and puts the event together again.
    fn round_trip<A: Address>(event: &Event<A>) -> Event<A> {
        let rest = event.has_rest().then(|| event.rest().pack());
        let mut rows: Vec<A::Row> = rest.into_iter().collect();
        rows.push(event.pack());
        rows.sort_unstable();
        let mut events = rows.iter().map(Event::<A>::unpack);
        let mut whole = events.next().unwrap();
        assert!(events.all(|part| whole.absorb(&part)));
        whole
    }
}
