//! What came upon a host from one other: the rows that nfflood counts, all those of a host together.

use std::io;

use crate::conversation::service::strength;
use crate::conversation::{
    ACK, Address, FIN, Families, PSH, PerWindow, RST, SYN, Together, narrow, widen,
};
use crate::finding::Sample;
use crate::flow::{TCP, UDP};

/// What an event is, in the order in which the rows of a host come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EventKind {
    /// The host asked the peer, whatever came of it.
    #[default]
    Opened,
    /// The peer asked the host, and was served.
    Served,
    /// The peer asked the host in vain, or sent it something that it had no answer to.
    Failed,
    /// The peer answered what the host never asked.
    Unsolicited,
    /// The host sent the peer something that was not answered.
    Sent,
}

/// From outside with one of our addresses.
pub(super) const SPOOFED: u8 = 1;
/// Larger than an attempt.
pub(super) const STREAM: u8 = 2;
/// The exporter told the flags.
pub(super) const FLAGS: u8 = 4;

/// The flags of an event without [`FLAGS`] that may be a reset to an answer which nobody asked for.
pub(super) const MAYBE_RESET: u8 = RST;

/// Returns true if what was sent from port `from` to port `to`, and seems to answer a question that was not
/// exported, is an answer: its flags say so, or `to` is no service's. A datagram from a name server's port
/// to a game server's is none, however it looks.
pub(super) fn is_answer(proto: u8, from: u16, to: u16, flags: Option<u8>) -> bool {
    match proto {
        TCP => flags.is_some_and(only_replies) || strength(to) == 0,
        // DHCP's client has a port below 1024 too.
        UDP => strength(to) == 0 || matches!((from, to), (67, 68) | (547, 546)),
        _ => true,
    }
}

/// Returns true for the flags of SYN and ACK, or of a reset, and of nothing that comes later.
pub(super) fn only_replies(flags: u8) -> bool {
    (flags & (SYN | ACK) == SYN | ACK || flags & RST != 0) && flags & (FIN | PSH) == 0
}

/// One row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Event<A> {
    /// Whom it came upon; of [`EventKind::Sent`], who sent it.
    pub host: A,
    pub kind: EventKind,
    pub proto: u8,
    pub peer: A,
    /// The host's port, and the peer's; for what was served or asked, the service's is in `port`, 0 if it
    /// was more than one.
    pub port: u16,
    pub sport: u16,
    pub bits: u8,
    /// TCP flags, ORed.
    pub flags: u8,
    /// Conversations, of what was served, asked or sent; else records of one.
    pub flows: u32,
    /// To the host; of [`EventKind::Sent`], from it.
    pub packets: u64,
    pub bytes: u64,
    /// The same as a rate counts them.
    pub per_window: PerWindow,
    /// A number whose meaning depends on the kind. `Tried` and `Unasked`: the start in milliseconds, its lower
    /// 32 bits, 0 if unknown. `Sent`: packets of answers, as a row holds them. Else: packets the other way.
    /// Packets are counted as for a rate.
    pub more: u32,
}

impl<A: Address> Event<A> {
    /// The row, which sorts by host, kind, protocol, peer, the host's port and the peer's. It holds what a
    /// rate counts; [`Event::rest`] holds the rest.
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

    /// Returns true if there are packets or bytes that no rate counts.
    pub(super) fn has_rest(&self) -> bool {
        (self.packets, self.bytes) != (self.per_window.packets, self.per_window.bytes)
    }

    /// Returns the packets and bytes that no rate counts as an event of the same key. It has no flows, by
    /// which [`Event::unpack`] knows it, and [`Event::absorb`] adds it to its other part.
    pub(super) fn rest(&self) -> Event<A> {
        let Event { packets, bytes, per_window, .. } = *self;
        let packets = packets.saturating_sub(per_window.packets);
        let bytes = bytes.saturating_sub(per_window.bytes);
        let per_window = PerWindow { packets, bytes };
        Event { bits: 0, flags: 0, flows: 0, packets, bytes, per_window, more: 0, ..*self }
    }

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
                _ => EventKind::Sent,
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

    /// Adds another row of the same, if it is that: of a slice before or after.
    pub(super) fn absorb(&mut self, other: &Event<A>) -> bool {
        let key = |of: &Event<A>| (of.host, of.kind, of.proto, of.peer, of.port, of.sport);
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
            (_, a, b) => a.saturating_add(b),
        };
        true
    }

    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    /// Returns true if the peer may only have answered, so that this says nothing against the peer.
    pub(super) fn is_answer(&self) -> bool {
        let flags = self.has(FLAGS).then_some(self.flags);
        match self.kind {
            EventKind::Unsolicited => is_answer(self.proto, self.sport, self.port, flags),
            EventKind::Failed => self.flags == MAYBE_RESET && flags.is_none(),
            EventKind::Opened | EventKind::Served | EventKind::Sent => false,
        }
    }

    /// It, as evidence.
    pub(super) fn sample(&self) -> Sample {
        let (host, peer) = ((self.host.ip(), self.port), (self.peer.ip(), self.sport));
        let (from, to) = if self.kind == EventKind::Sent { (host, peer) } else { (peer, host) };
        Sample { sip: from.0, sport: from.1, dip: to.0, dport: to.1, proto: self.proto }
    }
}

/// Events as rows, those of a network's hosts together: hosts that are flooded together are judged one
/// after the other.
#[derive(Debug)]
pub(super) struct Events {
    pub rows: Families,
}

impl Events {
    /// None yet; what is beyond about `memory` bytes goes to temporary files.
    pub(super) fn new(memory: u64) -> Events {
        Events { rows: Families::new(memory, Together::Net) }
    }

    /// Keeps one.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
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

/// Flows that a row can count; more are as many. A row without any is the rest of another.
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
            Just(EventKind::Sent)
        ]
    }

    proptest! {
        #[test]
        fn a_row_gives_back_its_event(
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
            prop_assert_eq!(back(&event), event);
            let wide = Event {
                host: u128::from(host) << 64, peer: u128::from(peer) << 60, kind, proto, port, sport, bits,
                flags, flows, packets, bytes, per_window, more,
            };
            prop_assert_eq!(back(&wide), wide);
        }
    }

    /// An event out of the rows that hold it, in the order in which they sort.
    fn back<A: Address>(event: &Event<A>) -> Event<A> {
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
