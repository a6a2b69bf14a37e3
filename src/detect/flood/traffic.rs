//! Flows, packets and bytes.

/// An amount of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traffic {
    pub flows: u64,
    pub packets: u64,
    pub bytes: u64,
}

impl Traffic {
    /// No traffic.
    pub(super) const NONE: Traffic = Traffic { flows: 0, packets: 0, bytes: 0 };

    /// Adds `other`. Packets and bytes stay at the maximum if the sum is too large.
    pub(super) fn add(&mut self, other: Traffic) {
        self.flows += other.flows;
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}
