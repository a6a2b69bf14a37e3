//! What came upon a host from one other: the rows that nfflood counts, all those of a host together.

use std::io;

use crate::detect::conversation::{Address, Families, Together, narrow, widen};
use crate::finding::Sample;

/// What an event is, in the order in which the rows of a host come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The host asked the peer, whatever came of it.
    #[default]
    Asked,
    /// The peer asked the host, and was served.
    Served,
    /// The peer asked the host in vain, or sent it something that it had no answer to.
    Tried,
    /// The peer answered what the host never asked.
    Unasked,
    /// The host sent the peer something that was not answered.
    Sent,
}

/// From outside with one of our addresses.
pub(super) const SPOOFED: u8 = 1;
/// Larger than an attempt.
pub(super) const STREAM: u8 = 2;
/// The exporter told the flags.
pub(super) const FLAGS: u8 = 4;

/// One row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Event<A> {
    /// Whom it came upon; of [`Kind::Sent`], who sent it.
    pub host: A,
    pub kind: Kind,
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
    /// To the host; of [`Kind::Sent`], from it.
    pub packets: u64,
    pub octets: u64,
    /// Of what was tried or unasked, when it began, in milliseconds, the lower 32 bits, 0 if unknown; else
    /// packets the other way.
    pub more: u32,
}

impl<A: Address> Event<A> {
    /// The row, which sorts by host, kind, protocol, peer, the host's port and the peer's.
    pub(super) fn pack(&self) -> A::Row {
        let first = ((self.kind as u32) << 8) | u32::from(self.proto);
        let ports = (u32::from(self.port) << 16) | u32::from(self.sport);
        let bits = (u32::from(self.bits) << 29) | (u32::from(self.flags) << 21);
        let flows = self.flows.min(MAX_FLOWS);
        A::pack(
            self.host,
            first,
            self.peer,
            [ports, bits | flows, narrow(self.packets), narrow(self.octets), self.more],
        )
    }

    pub(super) fn unpack(row: &A::Row) -> Event<A> {
        let (host, first, peer, [ports, bits, packets, octets, more]) = A::unpack(row);
        Event {
            host,
            kind: match first >> 8 {
                0 => Kind::Asked,
                1 => Kind::Served,
                2 => Kind::Tried,
                3 => Kind::Unasked,
                _ => Kind::Sent,
            },
            proto: first as u8,
            peer,
            port: (ports >> 16) as u16,
            sport: ports as u16,
            bits: (bits >> 29) as u8,
            flags: (bits >> 21) as u8,
            flows: bits & MAX_FLOWS,
            packets: widen(packets),
            octets: widen(octets),
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
        self.octets = self.octets.saturating_add(other.octets);
        self.more = match (self.kind, self.more, other.more) {
            (Kind::Tried | Kind::Unasked, 0, start) | (Kind::Tried | Kind::Unasked, start, 0) => {
                start
            }
            (Kind::Tried | Kind::Unasked, a, b) => a.min(b),
            (_, a, b) => a.saturating_add(b),
        };
        true
    }

    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    /// It, as evidence.
    pub(super) fn sample(&self) -> Sample {
        let (host, peer) = ((self.host.ip(), self.port), (self.peer.ip(), self.sport));
        let (from, to) = if self.kind == Kind::Sent { (host, peer) } else { (peer, host) };
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
    /// None yet; what is beyond about `memory` octets goes to temporary files.
    pub(super) fn new(memory: u64) -> Events {
        Events { rows: Families::new(memory, Together::Net) }
    }

    /// Keeps one.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub(super) fn push<A: Address>(&mut self, event: &Event<A>) -> io::Result<()> {
        self.rows.push([event.host, event.peer], event.pack())
    }
}

/// Flows that a row can count; more are as many.
const MAX_FLOWS: u32 = (1 << 21) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Asked),
            Just(Kind::Served),
            Just(Kind::Tried),
            Just(Kind::Unasked),
            Just(Kind::Sent)
        ]
    }

    proptest! {
        #[test]
        fn a_row_gives_back_its_event(
            (host, peer, proto, kind) in (any::<u32>(), any::<u32>(), any::<u8>(), kinds()),
            (port, sport, bits, flags) in (any::<u16>(), any::<u16>(), 0u8..8, any::<u8>()),
            (flows, packets, octets, more) in (0..=MAX_FLOWS, 0..1u64 << 31, 0..1u64 << 31, any::<u32>()),
        ) {
            let event = Event { host, kind, proto, peer, port, sport, bits, flags, flows, packets, octets, more };
            prop_assert_eq!(Event::<u32>::unpack(&event.pack()), event);
            let wide = Event {
                host: u128::from(host) << 64, peer: u128::from(peer) << 60, kind, proto, port, sport, bits,
                flags, flows, packets, octets, more,
            };
            prop_assert_eq!(Event::<u128>::unpack(&wide.pack()), wide);
        }
    }
}
