//! What is kept of the flows that share a key: sums, and the least and the greatest of a few
//! columns. All of it can be merged in any order.

use serde::{Deserialize, Serialize};

use crate::flow::Flow;
use crate::table::Sum;

/// Sums over flows, with one of them as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many flows.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// The least of their (protocol, destination port, source port): the flow given as evidence.
    least: (u8, u16, u16),
    /// The greatest protocol and, apart from it, the least and greatest destination port.
    proto: u8,
    ports: (u16, u16),
}

impl From<&Flow> for Tally {
    fn from(flow: &Flow) -> Tally {
        Tally {
            flows: 1,
            packets: flow.packets,
            octets: flow.octets,
            least: (flow.proto, flow.dport, flow.sport),
            proto: flow.proto,
            ports: (flow.dport, flow.dport),
        }
    }
}

impl Sum for Tally {
    const EMPTY: Tally = Tally {
        flows: 0,
        packets: 0,
        octets: 0,
        least: (u8::MAX, u16::MAX, u16::MAX),
        proto: 0,
        ports: (u16::MAX, 0),
    };

    /// Sums stop at the end of their range, so that no exporter's nonsense can wrap them.
    fn merge(&mut self, other: &Tally) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
        self.least = self.least.min(other.least);
        self.proto = self.proto.max(other.proto);
        self.ports = (self.ports.0.min(other.ports.0), self.ports.1.max(other.ports.1));
    }
}

impl Tally {
    /// The protocol, if all flows had the same.
    pub fn proto(&self) -> Option<u8> {
        (self.least.0 == self.proto).then_some(self.proto)
    }

    /// The destination port, if all flows had the same protocol and port.
    pub fn port(&self) -> Option<u16> {
        (self.proto().is_some() && self.ports.0 == self.ports.1).then_some(self.ports.0)
    }

    /// Protocol, destination port and source port of the flow that serves as evidence.
    pub fn evidence(&self) -> (u8, u16, u16) {
        self.least
    }
}
