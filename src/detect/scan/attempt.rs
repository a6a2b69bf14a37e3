//! What came of asking one host for one port: the row that travels from the conversations to the judge
//! of their source.

use crate::conversation::Address;
use crate::finding::Sample;

/// It worked.
pub(super) const WORKED: u8 = 1;
/// It did not.
pub(super) const FAILED: u8 = 2;
/// It did not, and somebody said so.
pub(super) const REJECTED: u8 = 4;
/// It did not, and the target is an inside address that is not in use.
pub(super) const DARK: u8 = 8;
/// Something larger went one way.
pub(super) const STREAM: u8 = 16;
/// The flags say that this was a question.
pub(super) const OPENED: u8 = 32;

/// A distinct (host, port) that a source asked for; or an answer that it gave and nobody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempt<A> {
    pub src: A,
    pub dst: A,
    pub proto: u8,
    /// An answer without a question: `port` is the other side's, `sport` the service's.
    pub unsolicited: bool,
    pub port: u16,
    pub sport: u16,
    /// What came of it, ORed.
    pub bits: u8,
    pub flags: u8,
    /// Of what failed.
    pub flows: u32,
    pub packets: u32,
    pub octets: u32,
    /// Milliseconds, the lower 32 bits; 0 if unknown.
    pub start: u32,
}

impl<A: Address> Attempt<A> {
    /// The row, which sorts by source, protocol, whether it was asked (answers without a question
    /// first), destination, port and source port.
    pub(super) fn pack(&self) -> A::Row {
        let first = (u32::from(self.proto) << 8) | u32::from(!self.unsolicited);
        let ports = (u32::from(self.port) << 16) | u32::from(self.sport);
        let bits = (u32::from(self.bits) << 24) | (u32::from(self.flags) << 16);
        let rest = [ports, bits | self.flows.min(0xffff), self.packets, self.octets, self.start];
        A::pack(self.src, first, self.dst, rest)
    }

    pub(super) fn unpack(row: &A::Row) -> Attempt<A> {
        let (src, first, dst, [ports, bits, packets, octets, start]) = A::unpack(row);
        Attempt {
            src,
            dst,
            proto: (first >> 8) as u8,
            unsolicited: first & 1 == 0,
            port: (ports >> 16) as u16,
            sport: ports as u16,
            bits: (bits >> 24) as u8,
            flags: (bits >> 16) as u8,
            flows: bits & 0xffff,
            packets,
            octets,
            start,
        }
    }

    /// Whether both are about the same (host, port).
    pub(super) fn is_same(&self, other: &Attempt<A>) -> bool {
        (self.dst, self.port, self.unsolicited) == (other.dst, other.port, other.unsolicited)
    }

    /// Adds another row of the same (host, port).
    pub(super) fn merge(&mut self, other: &Attempt<A>) {
        self.bits |= other.bits;
        self.flags |= other.flags;
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
        self.sport = self.sport.min(other.sport);
        if other.start != 0 && (self.start == 0 || other.start < self.start) {
            self.start = other.start;
        }
    }

    /// It, as evidence.
    pub(super) fn sample(&self) -> Sample {
        Sample {
            sip: self.src.ip(),
            sport: self.sport,
            dip: self.dst.ip(),
            dport: self.port,
            proto: self.proto,
        }
    }

    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    /// It failed, and never worked.
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
        fn a_row_gives_back_its_trial(
            (src, dst, proto, unsolicited) in any::<(u32, u32, u8, bool)>(),
            (port, sport, bits, flags) in any::<(u16, u16, u8, u8)>(),
            (flows, packets, octets, start) in (0u32..65_536, any::<u32>(), any::<u32>(), any::<u32>()),
        ) {
            let trial = Attempt { src, dst, proto, unsolicited, port, sport, bits, flags, flows, packets, octets, start };
            prop_assert_eq!(Attempt::<u32>::unpack(&trial.pack()), trial);
            let wide = Attempt {
                src: u128::from(src) << 64, dst: u128::from(dst) << 60, proto, unsolicited, port, sport,
                bits, flags, flows, packets, octets, start,
            };
            prop_assert_eq!(Attempt::<u128>::unpack(&wide.pack()), wide);
        }
    }
}
