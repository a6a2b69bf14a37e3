//! Visibility of answers: whether the input can show that one is missing.

use crate::conversation::PairedFlows;

/// The directions of conversations that the input shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Both directions are exported, so a missing answer means that there was none.
    BothWays,
    /// Many answers are not exported.
    Partial,
    /// One direction is not exported at all, or its flows cannot be paired.
    OneWay,
}

/// The fewest long TCP flows that show whether both directions are exported.
const LEAST_LONG_FLOWS: u64 = 20;

/// Returns the pairing if it counts enough flows to conclude anything from.
pub(super) fn conclusive(pairing: PairedFlows) -> Option<PairedFlows> {
    Some(pairing).filter(|pairing| pairing.long_flows >= LEAST_LONG_FLOWS)
}

impl Visibility {
    /// Returns what the input shows: one way below 30 % of paired flows, partial below 80 %. With no
    /// pairing, the input counts as if it had both directions.
    pub(super) fn of(pairing: Option<PairedFlows>) -> Visibility {
        let Some(PairedFlows { long_flows, paired }) = pairing else { return Visibility::BothWays };
        if paired * 10 < long_flows * 3 {
            Visibility::OneWay
        } else if paired * 10 < long_flows * 8 {
            Visibility::Partial
        } else {
            Visibility::BothWays
        }
    }
}
