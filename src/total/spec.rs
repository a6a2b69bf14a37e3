//! The measures that are summed, and the specification of a sum.

use super::key::Per;
use crate::flow::Flow;

/// The measure that ranks keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Bytes.
    Octets,
    /// Packets.
    Packets,
    /// Flows.
    Flows,
    /// Distinct addresses at the other end.
    Peers,
}

/// Flows, packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The number of flows.
    pub flows: u64,
    /// The packets of these flows.
    pub packets: u64,
    /// The bytes of these flows at the IP layer.
    pub octets: u64,
}

impl Counts {
    /// Returns the counts of one flow as a sum of a table has them.
    pub(super) fn of(flow: &Flow) -> [u64; 3] {
        [1, flow.packets, flow.octets]
    }

    /// Returns the sum of both counts.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            flows: self.flows.saturating_add(other.flows),
            packets: self.packets.saturating_add(other.packets),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    /// Returns the measure that ranks keys; flows for [`By::Peers`], which are not counted here.
    pub fn by(self, by: By) -> u64 {
        match by {
            By::Octets => self.octets,
            By::Packets => self.packets,
            By::Flows | By::Peers => self.flows,
        }
    }
}

impl From<[u64; 3]> for Counts {
    fn from([flows, packets, octets]: [u64; 3]) -> Counts {
        Counts { flows, packets, octets }
    }
}

/// The specification of what to count.
#[derive(Clone, Copy, Debug)]
pub struct TotalSpec {
    /// The key that flows are counted by.
    pub per: Per,
    /// The measure that ranks the keys.
    pub by: By,
    /// The length of a step in seconds, for a series of counts of each key; `None` for none.
    pub step: Option<u32>,
    /// Memory in bytes; tables beyond it go to temporary files.
    pub memory: u64,
}
