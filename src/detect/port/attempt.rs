//! What one source did at one port of one host: the rows that nfport counts.

use crate::conversation::Address;
use crate::finding::Sample;

/// It worked.
pub(super) const WORKED: u8 = 1;
/// It did not.
pub(super) const FAILED: u8 = 2;
/// It did not, and the target is an inside address that is not in use.
pub(super) const DARK: u8 = 4;
/// A session as long as a failed login, one row each.
pub(super) const LOGIN: u8 = 8;

/// One row.
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
    pub octets: u32,
    /// Milliseconds, the lower 32 bits; 0 if unknown.
    pub start: u32,
}

impl<A: Address> Attempt<A> {
    /// The row, which sorts by source, protocol, port, target and what came of it.
    pub(super) fn pack(&self) -> A::Row {
        let first = (u32::from(self.proto) << 16) | u32::from(self.port);
        let bits = (u32::from(self.bits) << 24) | u32::from(self.sport);
        A::pack(
            self.src,
            first,
            self.dst,
            [bits, self.flows, self.packets, self.octets, self.start],
        )
    }

    pub(super) fn unpack(row: &A::Row) -> Attempt<A> {
        let (src, first, dst, [bits, flows, packets, octets, start]) = A::unpack(row);
        Attempt {
            src,
            proto: (first >> 16) as u8,
            port: first as u16,
            dst,
            bits: (bits >> 24) as u8,
            sport: bits as u16,
            flows,
            packets,
            octets,
            start,
        }
    }

    pub(super) fn has(&self, bits: u8) -> bool {
        self.bits & bits != 0
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_gives_back_its_trial(
            (src, dst, proto, port) in any::<(u32, u32, u8, u16)>(),
            (bits, sport, flows) in any::<(u8, u16, u32)>(),
            (packets, octets, start) in any::<(u32, u32, u32)>(),
        ) {
            let trial = Attempt { src, proto, port, dst, bits, sport, flows, packets, octets, start };
            prop_assert_eq!(Attempt::<u32>::unpack(&trial.pack()), trial);
            let wide = Attempt {
                src: u128::from(src) << 64, dst: u128::from(dst) << 60, proto, port, bits, sport, flows,
                packets, octets, start,
            };
            prop_assert_eq!(Attempt::<u128>::unpack(&wide.pack()), wide);
        }
    }
}
