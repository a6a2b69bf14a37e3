//! The parts that all packers share: the exporter, the reasons to refuse a flow, and times.

use std::net::IpAddr;

use super::super::context::AHEAD;
use super::super::domain::Version;
use crate::flow::Flow;
use crate::time::Timestamp;

/// The most bytes of a datagram of v9, IPFIX or sFlow: it travels unfragmented through Ethernet and
/// tunnels. The size of v1, v5 and v7 datagrams follows from their number of records instead.
pub const DATAGRAM: usize = 1400;

/// Number of datagrams after which v9 and IPFIX repeat their templates and options. Over UDP they
/// must be repeated periodically (RFC 3954 section 9, RFC 7011 section 8.4).
pub const REFRESH: u64 = 20;

/// Milliseconds that a time in sysUpTime may lie before the export: half the range of 32 bits.
const BEHIND: i64 = 1 << 31;

/// A reason to refuse a flow, or to announce a sampling. The open datagram is left unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One address is IPv4 and the other IPv6. The exporter has no template for such flows.
    #[error("source and destination are of different address families")]
    Mixed,
    /// An IPv6 flow in NetFlow before v9, which has 32 bits for an address.
    #[error("{version} cannot carry IPv6 addresses")]
    Ipv6 {
        /// The protocol.
        version: Version,
    },
    /// A value that is too large for its column. NetFlow before v9 has 16 bits for an interface and
    /// 32 for a counter; sFlow has 32 bits for the bytes of a packet, and two values of an interface
    /// are reserved.
    #[error("{version} cannot carry the value {value} in {column}")]
    Wide {
        /// The protocol.
        version: Version,
        /// The column.
        column: &'static str,
        /// The value.
        value: u64,
    },
    /// A time that is too far from the export. NetFlow states times in a sysUpTime of 32 bits.
    #[error(
        "{version} cannot carry a time {ahead} ms after the export; the limits are 24.8 days before \
         and 1 hour after it"
    )]
    Time {
        /// The protocol.
        version: Version,
        /// Milliseconds after the export, negative before it.
        ahead: i64,
    },
    /// A flow without packets: sFlow carries packets.
    #[error("sFlow cannot carry a flow without packets")]
    Empty,
    /// A packet of this protocol has no field for these ports, or the protocol is an extension header
    /// of IPv6.
    #[error("sFlow cannot carry a packet of protocol {proto} with the ports {sport} and {dport}")]
    Packet {
        /// Number of the protocol.
        proto: u8,
        /// Source port.
        sport: u16,
        /// Destination port.
        dport: u16,
    },
    /// A sampling that the version cannot announce: v1 and v7 cannot announce any, v5 has 14 bits.
    #[error("{version} cannot announce a sampling of 1 in {interval}")]
    Sampling {
        /// The protocol.
        version: Version,
        /// The N of 1 in N.
        interval: u32,
    },
}

/// The identity and state of an exporter that is the same for all datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub version: Version,
    pub domain: u32,
    /// Start of the exporter, in milliseconds since the epoch.
    pub boot: u64,
    /// Packet sampling 1 in N; 0 if it is not announced.
    pub sampling: u32,
    /// The agent's address, for sFlow.
    pub agent: Option<IpAddr>,
}

impl Origin {
    /// Returns sysUpTime at a time in milliseconds since the epoch.
    pub const fn uptime(&self, millis: u64) -> u32 {
        millis.wrapping_sub(self.boot) as u32
    }

    /// Returns sysUpTime at the flow's start and end; both 0 if neither is known.
    ///
    /// # Errors
    /// [`Refused::Time`].
    pub fn uptimes(&self, flow: &Flow, now: Timestamp) -> Result<[u32; 2], Refused> {
        let (Some(first), Some(last)) = (flow.start.or(flow.end), flow.end.or(flow.start)) else {
            return Ok([0, 0]);
        };
        let now = millis(now);
        let uptime = |time| {
            let time = millis(time);
            let ahead = time.wrapping_sub(now) as i64;
            if !(-BEHIND..=AHEAD).contains(&ahead) {
                return Err(Refused::Time { version: self.version, ahead });
            }
            Ok(self.uptime(time))
        };
        match [uptime(first)?, uptime(last)?] {
            [0, 0] => Ok([0, 1]),
            times => Ok(times),
        }
    }
}

/// Returns milliseconds since the epoch.
pub(super) const fn millis(time: Timestamp) -> u64 {
    time.nanos() / 1_000_000
}

/// Returns the seconds and nanoseconds of a header. The nanoseconds are whole milliseconds.
pub(super) fn seconds(time: Timestamp) -> (u32, u32) {
    let secs = u32::try_from(time.secs()).unwrap_or(u32::MAX);
    (secs, (millis(time) % 1_000) as u32 * 1_000_000)
}
