//! A few sums of a host that show whether it is worth building its evidence.

use crate::conversation::PerWindow;
use crate::detect::traffic::Traffic;

/// The sums of one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HostSummary {
    /// Failed and unsolicited conversations with the host.
    pub failed: u64,
    /// The traffic of these conversations.
    pub one_way: Traffic,
    /// The part of their packets and bytes that counts for a rate.
    pub per_window: PerWindow,
    /// Unanswered packets that the host sent to single other hosts.
    pub sent: u64,
    /// Packets of bursts, from others and to others.
    pub bursts: u64,
    /// Conversations that the host served.
    pub served: u64,
}
