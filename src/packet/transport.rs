//! The first bytes above IP: ports, the type and code of ICMP, TCP's control bits.

use super::protocol::{DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDP_LITE};

/// TCP's control bits and the reserved bits before them (RFC 9293 section 3.1), without the data
/// offset.
pub const TCP_CONTROL_BITS: u16 = 0x0fff;

/// Returns true if the headers of this protocol begin with a source and a destination port.
#[inline]
pub const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
}

/// The columns of a flow that the bytes above IP fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transport {
    pub sport: u16,
    pub dport: u16,
    pub flags: Option<u16>,
}

impl Transport {
    /// Returns the columns where no header of this protocol can be read.
    pub fn unknown(protocol: u8) -> Transport {
        let flags = if protocol == TCP { None } else { Some(0) };
        Transport { sport: 0, dport: 0, flags }
    }

    /// Parses the header of `protocol` at the front of `bytes`, as far as it is there.
    pub fn parse(protocol: u8, bytes: &[u8]) -> Transport {
        let unknown = Transport::unknown(protocol);
        match *bytes {
            [kind, code, ..] if protocol == ICMP || protocol == ICMPV6 => {
                Transport { dport: u16::from_be_bytes([kind, code]), ..unknown }
            }
            [a, b, c, d, ref rest @ ..] if has_ports(protocol) => {
                let (sport, dport) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let flags = match *rest {
                    // Sequence and acknowledgement number lie between.
                    [_, _, _, _, _, _, _, _, high, low, ..] if protocol == TCP => {
                        Some(u16::from_be_bytes([high, low]) & TCP_CONTROL_BITS)
                    }
                    _ => unknown.flags,
                };
                Transport { sport, dport, flags }
            }
            _ => unknown,
        }
    }
}
