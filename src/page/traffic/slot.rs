//! The traffic of one window.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::time::Window;

/// The most addresses of a window. nf-every10 writes 340; only a file of somebody else has more.
pub const MAX_ADDRESSES: usize = 1000;
/// The most protocols of a window: all that there are.
pub const MAX_PROTOCOLS: usize = 256;
/// The most ports of a window.
pub const MAX_PORTS: usize = 100;
/// The most interfaces of a window.
pub const MAX_INTERFACES: usize = 200;
/// The most windows of a file and of a day: slots of ten seconds. Wrong files must not fill the memory.
pub const MAX_WINDOWS: usize = 8640;

/// Flows, packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The number of flows.
    pub flows: u64,
    /// The packets of these flows.
    pub packets: u64,
    /// The bytes of these flows at the IP layer.
    pub octets: u64,
}

impl Counts {
    /// Returns the sum of both counts. It stops at the end of its range.
    #[must_use]
    pub const fn plus(self, other: Counts) -> Counts {
        Counts {
            flows: self.flows.saturating_add(other.flows),
            packets: self.packets.saturating_add(other.packets),
            octets: self.octets.saturating_add(other.octets),
        }
    }
}

/// A key that stands on both sides of flows, with the traffic of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<K> {
    /// The key.
    pub key: K,
    /// The flows that the key sent.
    pub sent: Counts,
    /// The flows that the key received.
    pub received: Counts,
}

impl<K> Entry<K> {
    /// Returns the bytes of both sides together.
    pub const fn octets(&self) -> u64 {
        self.sent.octets.saturating_add(self.received.octets)
    }
}

/// A port of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProtoPort {
    /// IANA protocol number.
    pub proto: u8,
    /// The port; for ICMP as a destination type*256+code.
    pub port: u16,
}

/// A protocol with its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolCounts {
    /// IANA protocol number.
    pub proto: u8,
    /// The flows of the protocol, each counted once.
    pub counts: Counts,
}

/// The traffic of one window. Each list has most bytes first, and equal ones in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotTraffic {
    /// The window.
    pub window: Window,
    /// All protocols, if the file has a table of them.
    pub protocols: Vec<ProtocolCounts>,
    /// Addresses: those that sent and received most, and those that a finding or the site asked for. An
    /// address that is not listed may have had traffic.
    pub addresses: Vec<Entry<IpAddr>>,
    /// The ports with most traffic.
    pub ports: Vec<Entry<ProtoPort>>,
    /// The interfaces with most traffic, by their ifIndex; 0 for flows without one.
    pub interfaces: Vec<Entry<u32>>,
}

impl SlotTraffic {
    /// Returns the counts of all flows of the window; `None` if it has no table of protocols.
    pub fn total(&self) -> Option<Counts> {
        total(&self.protocols)
    }
}

/// Returns the sum of all protocols; `None` if there is none.
pub(super) fn total(protocols: &[ProtocolCounts]) -> Option<Counts> {
    protocols.iter().map(|protocol| protocol.counts).reduce(Counts::plus)
}
