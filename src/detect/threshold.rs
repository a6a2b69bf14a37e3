//! What the rules of all detectors are made of: measures held against limits, and whether the input can
//! say that an answer is missing.

use super::Threshold;
use crate::conversation::PairedFlows;

/// A value and what it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub name: &'static str,
    pub value: u64,
    pub limit: Threshold,
}

impl Measure {
    pub(super) const fn at_least(name: &'static str, value: u64, limit: u64) -> Measure {
        Measure { name, value, limit: Threshold::AtLeast(limit) }
    }

    pub(super) const fn below(name: &'static str, value: u64, limit: u64) -> Measure {
        Measure { name, value, limit: Threshold::Below(limit) }
    }

    pub(super) const fn passes(&self) -> bool {
        self.limit.passes(self.value)
    }
}

/// The measures as the column `why` has them.
pub(super) fn why(measures: &[Measure]) -> Vec<String> {
    measures.iter().map(|measure| measure.limit.why(measure.name, measure.value)).collect()
}

/// How much of the whole a part is, in percent, rounded down; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 0,
        whole => (u128::from(part) * 100 / u128::from(whole)) as u64,
    }
}

/// Whether a missing answer means that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visibility {
    /// Both directions are exported.
    BothWays,
    /// Many answers are not.
    Partial,
    /// One direction is not exported at all, or not paired.
    OneWay,
}

/// Fewer long TCP flows say nothing of whether both directions are exported.
const LEAST_LONG_FLOWS: u64 = 20;

/// What a window says of its pairing, if it says enough.
pub(super) fn known(pairing: PairedFlows) -> Option<PairedFlows> {
    Some(pairing).filter(|pairing| pairing.long_flows >= LEAST_LONG_FLOWS)
}

impl Visibility {
    /// Whether the input has both directions; where too little is known, it counts as if it had.
    pub(super) fn of(pairing: Option<PairedFlows>) -> Visibility {
        match pairing {
            Some(PairedFlows { long_flows: long, paired }) if paired * 10 < long * 3 => {
                Visibility::OneWay
            }
            Some(PairedFlows { long_flows: long, paired }) if paired * 10 < long * 8 => {
                Visibility::Partial
            }
            _ => Visibility::BothWays,
        }
    }
}
