//! The tree of an expression, as the user wrote it.

use ipnet::IpNet;

use crate::flow::{Flow, ICMP, ICMPV6};

/// A whole expression or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Term(Term),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// One condition on a flow. It does not hold for a flow whose value is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Holds for every flow.
    Any,
    /// Both addresses are IPv4.
    V4,
    /// Both addresses are IPv6.
    V6,
    Address(Direction, Vec<IpNet>),
    Exporter(Vec<IpNet>),
    /// Ports, only of protocols that have them: in other flows the columns hold something else.
    Port(Direction, Ranges),
    Interface(Direction, Ranges),
    Number(Field, Ranges),
    /// All of these TCP flags are set, or any.
    Flags {
        mask: u16,
        all: bool,
    },
}

/// The ends of a flow that a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Src,
    Dst,
    Either,
    Both,
}

/// Ranges of numbers, from one through another. A condition holds for a number in any of them.
pub(super) type Ranges = Vec<(u64, u64)>;

/// A number that a flow holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Proto,
    Packets,
    Octets,
    /// Nanoseconds since the epoch.
    Start,
    /// Nanoseconds since the epoch.
    End,
    /// Nanoseconds.
    Duration,
    Sampling,
    IcmpType,
    IcmpCode,
    /// TCP flags as one number.
    Flags,
    /// Bits a second, rounded down.
    Bps,
    /// Packets a second, rounded down.
    Pps,
    /// Bytes a packet, rounded down.
    Bpp,
}

/// A comparison of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Compare {
    /// Returns the range of the numbers that pass; for [`Compare::Unequal`] of those that do not.
    /// `None` if there is none.
    pub fn range(self, value: u64) -> Option<(u64, u64)> {
        match self {
            Compare::Equal | Compare::Unequal => Some((value, value)),
            Compare::Below => Some((0, value.checked_sub(1)?)),
            Compare::AtMost => Some((0, value)),
            Compare::Above => Some((value.checked_add(1)?, u64::MAX)),
            Compare::AtLeast => Some((value, u64::MAX)),
        }
    }
}

/// Returns true for protocols that have ports: TCP, UDP, DCCP, SCTP, UDP-Lite (IANA protocol
/// numbers).
pub(super) const fn has_ports(proto: u8) -> bool {
    matches!(proto, 6 | 17 | 33 | 132 | 136)
}

impl Field {
    /// Returns the value; `None` if it is unknown, or if it is a ratio, for which [`Field::ratio`]
    /// is.
    #[inline(always)]
    pub fn value(self, flow: &Flow) -> Option<u64> {
        let is_icmp = flow.proto == ICMP || flow.proto == ICMPV6;
        match self {
            Field::Proto => Some(u64::from(flow.proto)),
            Field::Packets => Some(flow.packets),
            Field::Octets => Some(flow.octets),
            Field::Start => Some(flow.start?.nanos()),
            Field::End => Some(flow.end?.nanos()),
            Field::Duration => flow.end?.nanos().checked_sub(flow.start?.nanos()),
            Field::Sampling => Some(u64::from(flow.sampling)),
            Field::IcmpType => is_icmp.then_some(u64::from(flow.dport >> 8)),
            Field::IcmpCode => is_icmp.then_some(u64::from(flow.dport & 0xff)),
            Field::Flags => flow.flags.map(u64::from),
            Field::Bps | Field::Pps | Field::Bpp => None,
        }
    }

    /// Returns dividend and divisor of a value that is a ratio; `None` if one of them is unknown or
    /// the divisor is 0.
    pub fn ratio(self, flow: &Flow) -> Option<(u128, u64)> {
        const SECOND: u128 = 1_000_000_000;
        let (dividend, divisor) = match self {
            Field::Bps => (u128::from(flow.octets) * 8 * SECOND, Field::Duration.value(flow)?),
            Field::Pps => (u128::from(flow.packets) * SECOND, Field::Duration.value(flow)?),
            Field::Bpp => (u128::from(flow.octets), flow.packets),
            _ => return None,
        };
        (divisor != 0).then_some((dividend, divisor))
    }

    /// Returns true if the value is a ratio.
    pub fn is_ratio(self) -> bool {
        matches!(self, Field::Bps | Field::Pps | Field::Bpp)
    }
}
