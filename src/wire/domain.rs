//! Protocols, and the domains in which exporters number templates and datagrams.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// A protocol that can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// NetFlow v1, Cisco's first fixed record.
    V1,
    /// NetFlow v5, Cisco's fixed record.
    V5,
    /// NetFlow v7, the fixed record of Catalyst switches.
    V7,
    /// NetFlow v9, RFC 3954.
    V9,
    /// IPFIX, RFC 7011; version number 10.
    Ipfix,
    /// sFlow version 5, sflow.org.
    Sflow,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V1 => "NetFlow v1",
            Version::V5 => "NetFlow v5",
            Version::V7 => "NetFlow v7",
            Version::V9 => "NetFlow v9",
            Version::Ipfix => "IPFIX",
            Version::Sflow => "sFlow",
        })
    }
}

/// A scope of template ids and sequence numbers: one engine of one exporter, in one version.
///
/// The UDP source port is not part of it, because exporters change their port when they restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain {
    /// Source address of the datagrams; for sFlow the agent's address.
    pub exporter: IpAddr,
    /// Protocol.
    pub version: Version,
    /// Number of the engine. v5 and v7: engine type * 256 + engine id; v9: source id; IPFIX:
    /// observation domain; sFlow: sub-agent; v1: always 0.
    pub id: u32,
}

/// Hashes two numbers. Hashing field by field takes several times as long, and every datagram looks
/// up its domain.
impl Hash for Domain {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let address = match self.exporter {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        state.write_u128(address);
        state.write_u64(((self.version as u64) << 32) | u64::from(self.id));
    }
}
