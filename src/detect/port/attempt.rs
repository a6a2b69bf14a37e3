//! An attempt of a source at a port of a host: the rows that nfport counts.

use crate::conversation::Address;
use crate::detect::traffic::Traffic;
use crate::finding::Sample;

/// Bit of an attempt that worked.
pub(super) const WORKED: u8 = 1;
/// Bit of an attempt that failed: nobody answered, or it was rejected.
pub(super) const FAILED: u8 = 2;
/// Bit of a failed attempt at a dark address: an inside address that is not in use.
pub(super) const DARK: u8 = 4;
/// Bit of a session that is as long as a failed login. Each session has a row of its own.
pub(super) const LOGIN: u8 = 8;
/// Bit of a failed attempt that was accepted, and carried no data.
pub(super) const ACCEPTED: u8 = 16;
/// Bit of a target that was accepted several times: the source comes back, as a monitor does.
pub(super) const REPEATED: u8 = 32;
/// Bit of an attempt by which the source completed a TCP conversation.
pub(super) const SPOKE: u8 = 64;

/// An attempt of a source at a port of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempt<A> {
    pub src: A,
    pub proto: u8,
    pub port: u16,
    pub dst: A,
    pub bits: u8,
    pub sport: u16,
    pub flows: u32,
    pub packets: u32,
    pub bytes: u32,
    /// Lower 32 bits of the first start, in Unix milliseconds; 0 if unknown.
    pub start: u32,
}

impl<A: Address> Attempt<A> {
    /// Packs the attempt into a row. Rows sort by source, protocol, port, target and outcome.
    pub(super) fn pack(&self) -> A::Row {
        let first = (u32::from(self.proto) << 16) | u32::from(self.port);
        let bits = (u32::from(self.bits) << 24) | u32::from(self.sport);
        A::pack(self.src, first, self.dst, [bits, self.flows, self.packets, self.bytes, self.start])
    }

    pub(super) fn unpack(row: &A::Row) -> Attempt<A> {
        let (src, first, dst, [bits, flows, packets, bytes, start]) = A::unpack(row);
        Attempt {
            src,
            proto: (first >> 16) as u8,
            port: first as u16,
            dst,
            bits: (bits >> 24) as u8,
            sport: bits as u16,
            flows,
            packets,
            bytes,
            start,
        }
    }

    /// Returns true if both are of the same source, protocol and port.
    pub(super) fn is_same_scope(&self, other: &Attempt<A>) -> bool {
        (self.src, self.proto, self.port) == (other.src, other.proto, other.port)
    }

    pub(super) fn traffic(&self) -> Traffic {
        Traffic { flows: self.flows.into(), packets: self.packets.into(), bytes: self.bytes.into() }
    }

    /// Returns true if any of these bits is set.
    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
    }

    /// Returns the attempt as evidence of a finding.
    pub(super) fn sample(&self) -> Sample {
        Sample {
            sip: self.src.ip(),
            sport: self.sport,
            dip: self.dst.ip(),
            dport: self.port,
            proto: self.proto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_gives_back_its_attempt(
            (src, dst, proto, port) in any::<(u32, u32, u8, u16)>(),
            (bits, sport, flows) in any::<(u8, u16, u32)>(),
            (packets, bytes, start) in any::<(u32, u32, u32)>(),
        ) {
            let attempt = Attempt { src, proto, port, dst, bits, sport, flows, packets, bytes, start };
            prop_assert_eq!(Attempt::<u32>::unpack(&attempt.pack()), attempt);
            let wide = Attempt {
                src: u128::from(src) << 64, dst: u128::from(dst) << 60, proto, port, bits, sport, flows,
                packets, bytes, start,
            };
            prop_assert_eq!(Attempt::<u128>::unpack(&wide.pack()), wide);
        }
    }
}
