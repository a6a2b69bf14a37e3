//! An attempt of a source to reach a port of a host: the row between the conversations and the judging of
//! their source.

use crate::conversation::{Address, Conversation, DirectionTotals};
use crate::detect::traffic::Traffic;
use crate::finding::Sample;

/// Bit of an attempt that worked.
pub(super) const WORKED: u8 = 1;
/// Bit of an attempt that failed: nobody answered, or it was rejected.
pub(super) const FAILED: u8 = 2;
/// Bit of a failed attempt that was rejected.
pub(super) const REJECTED: u8 = 4;
/// Bit of a failed attempt at a dark address: an inside address that is not in use.
pub(super) const DARK: u8 = 8;
/// Bit of traffic in one direction that is too large for an attempt.
pub(super) const STREAM: u8 = 16;
/// Bit of an attempt whose flags show that the source is the initiator.
pub(super) const OPENED: u8 = 32;
/// Bit of a failed attempt that was accepted, and carried no data.
pub(super) const ACCEPTED: u8 = 64;
/// Bit of attempts that were accepted from several source ports: the source comes back, as a monitor does.
pub(super) const REPEATED: u8 = 128;

/// The most flows that a row can count.
const MAX_FLOWS: u32 = (1 << 15) - 1;

/// The protocol of attempts whose ports are IP protocols: a scan of the protocols that a host speaks (nmap -sO). The
/// number is reserved (IANA).
pub(super) const PROTOCOLS: u8 = 255;

/// An attempt of a source at a (host, port), or an unsolicited reply of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempt<A> {
    pub src: A,
    pub dst: A,
    pub proto: u8,
    /// True for an unsolicited reply: `port` is then the port of the other side, `sport` that of the service.
    pub unsolicited: bool,
    pub port: u16,
    pub sport: u16,
    /// The outcomes, ORed.
    pub bits: u8,
    /// TCP flags, ORed.
    pub flags: u8,
    /// True if the source completed a TCP conversation there.
    pub spoke: bool,
    /// Flows of the failed attempts; more than [`MAX_FLOWS`] count as that many.
    pub flows: u32,
    pub packets: u32,
    pub bytes: u32,
    /// Lower 32 bits of the first start, in Unix milliseconds; 0 if unknown.
    pub start: u32,
}

impl<A: Address> Attempt<A> {
    /// Returns the attempt of a conversation's initiator, with the traffic of one direction.
    pub(super) fn of(
        conversation: &Conversation<'_, A>,
        direction: &DirectionTotals,
        bits: u8,
    ) -> Attempt<A> {
        Attempt {
            src: conversation.initiator,
            dst: conversation.responder,
            proto: conversation.proto,
            unsolicited: false,
            port: conversation.port,
            sport: conversation.sport,
            bits,
            spoke: conversation.is_completed(),
            flags: direction.flags,
            flows: direction.flows,
            packets: u32::try_from(direction.packets).unwrap_or(u32::MAX),
            bytes: u32::try_from(direction.bytes).unwrap_or(u32::MAX),
            start: direction.start_in_row(),
        }
    }

    /// Packs the attempt into a row. Rows sort by source, protocol, kind (unsolicited replies first), destination,
    /// port and source port.
    pub(super) fn pack(&self) -> A::Row {
        let first = (u32::from(self.proto) << 8) | u32::from(!self.unsolicited);
        let ports = (u32::from(self.port) << 16) | u32::from(self.sport);
        let bits = (u32::from(self.bits) << 24) | (u32::from(self.flags) << 16);
        let flows = (u32::from(self.spoke) << 15) | self.flows.min(MAX_FLOWS);
        let rest = [ports, bits | flows, self.packets, self.bytes, self.start];
        A::pack(self.src, first, self.dst, rest)
    }

    pub(super) fn unpack(row: &A::Row) -> Attempt<A> {
        let (src, first, dst, [ports, bits, packets, bytes, start]) = A::unpack(row);
        Attempt {
            src,
            dst,
            proto: (first >> 8) as u8,
            unsolicited: first & 1 == 0,
            port: (ports >> 16) as u16,
            sport: ports as u16,
            bits: (bits >> 24) as u8,
            flags: (bits >> 16) as u8,
            spoke: bits & (1 << 15) != 0,
            flows: bits & MAX_FLOWS,
            packets,
            bytes,
            start,
        }
    }

    /// Returns true if both are of the same kind and about the same (host, port).
    pub(super) fn is_same(&self, other: &Attempt<A>) -> bool {
        (self.dst, self.port, self.unsolicited) == (other.dst, other.port, other.unsolicited)
    }

    /// Adds another row of the same (host, port).
    pub(super) fn merge(&mut self, other: &Attempt<A>) {
        if self.bits & other.bits & ACCEPTED != 0 && self.sport != other.sport {
            self.bits |= REPEATED;
        }
        self.bits |= other.bits;
        self.flags |= other.flags;
        self.spoke |= other.spoke;
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.sport = self.sport.min(other.sport);
        if other.start != 0 && (self.start == 0 || other.start < self.start) {
            self.start = other.start;
        }
    }

    /// Returns the packets and bytes of a typical flow.
    pub(super) fn shape(&self) -> (u32, u32) {
        let flows = self.flows.max(1);
        (self.packets / flows, self.bytes / flows)
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic { flows: self.flows.into(), packets: self.packets.into(), bytes: self.bytes.into() }
    }

    /// Returns the attempt as evidence of a finding.
    pub(super) fn sample(&self) -> Sample {
        let (dport, proto) = match self.proto {
            PROTOCOLS => (0, self.port as u8),
            proto => (self.port, proto),
        };
        Sample { sip: self.src.ip(), sport: self.sport, dip: self.dst.ip(), dport, proto }
    }

    /// Returns true if any of these bits is set.
    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    /// Returns true if attempts failed, and none worked.
    pub(super) fn is_failed(&self) -> bool {
        self.has(FAILED) && !self.has(WORKED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_gives_back_its_attempt(
            (src, dst, proto, unsolicited) in any::<(u32, u32, u8, bool)>(),
            (port, sport, bits, flags) in any::<(u16, u16, u8, u8)>(),
            (spoke, flows) in (any::<bool>(), 0..=MAX_FLOWS),
            (packets, bytes, start) in (any::<u32>(), any::<u32>(), any::<u32>()),
        ) {
            let attempt = Attempt { src, dst, proto, unsolicited, port, sport, bits, flags, spoke, flows, packets, bytes, start };
            prop_assert_eq!(Attempt::<u32>::unpack(&attempt.pack()), attempt);
            let wide = Attempt {
                src: u128::from(src) << 64, dst: u128::from(dst) << 60, proto, unsolicited, port, sport,
                bits, flags, spoke, flows, packets, bytes, start,
            };
            prop_assert_eq!(Attempt::<u128>::unpack(&wide.pack()), wide);
        }
    }
}
