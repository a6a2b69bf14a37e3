//! A count for each kind of protocol: TCP, UDP and all others.

use crate::flow::{TCP, UDP};

/// Returns the number of the kind of a protocol: 0 for TCP, 1 for UDP and 2 for all others.
pub(super) fn kind(proto: u8) -> usize {
    match proto {
        TCP => 0,
        UDP => 1,
        _ => 2,
    }
}

/// A count for TCP, for UDP and for all other protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByProto([u64; 3]);

impl ByProto {
    /// Adds to the count of a protocol.
    pub(super) fn add(&mut self, proto: u8, count: u64) {
        if let Some(known) = self.0.get_mut(kind(proto)) {
            *known = known.saturating_add(count);
        }
    }

    /// Returns the count of a protocol's kind.
    pub(super) fn of(self, proto: u8) -> u64 {
        self.0.get(kind(proto)).copied().unwrap_or(0)
    }

    /// Adds to the counts of all protocols.
    pub(super) fn add_to_all(&mut self, count: u64) {
        self.0.iter_mut().for_each(|known| *known = known.saturating_add(count));
    }

    /// Adds other counts.
    pub(super) fn absorb(&mut self, other: ByProto) {
        for (known, more) in self.0.iter_mut().zip(other.0) {
            *known = known.saturating_add(more);
        }
    }

    /// Returns the counts, each with that of `other`.
    pub(super) fn with(self, other: ByProto) -> impl Iterator<Item = (u64, u64)> {
        self.0.into_iter().zip(other.0)
    }
}
