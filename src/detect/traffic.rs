//! Traffic in numbers: flows, packets and bytes.

/// A sum of traffic.
///
/// Sums stop at the end of their range: no exporter's nonsense can wrap them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traffic {
    /// Number of flows.
    pub flows: u64,
    /// Packets of these flows.
    pub packets: u64,
    /// Bytes of these flows.
    pub bytes: u64,
}

impl Traffic {
    /// No traffic at all.
    pub(super) const NONE: Traffic = Traffic { flows: 0, packets: 0, bytes: 0 };

    /// Adds other traffic.
    pub(super) fn add(&mut self, other: Traffic) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}
