//! Inside addresses that nobody uses.

use super::{Class, Measure};
use crate::finding::Side;

/// So many dark addresses, and the share of failures does not matter.
const MANY: u64 = 50;

/// Of one packet in many, so many: the least that no innocent host is seen with.
const SAMPLED: u64 = 3;

/// At least 12 addresses of ours that are not in use, at least half of all attempts in vain; or, from
/// outside, 50 such addresses.
///
/// The best single evidence: nobody has a reason to ask them. A monitor inside that still asks for
/// machines long gone is why the share counts there.
pub(super) const DARK: Class = Class {
    name: "dark",
    limit: (12, 12),
    measure: |case| {
        if !case.knows_dark {
            return None;
        }
        let evidence = case.evidence;
        let is_certain = evidence.dark >= MANY && case.side == Some(Side::Outside);
        let limit = if case.sampled { SAMPLED } else { case.limit(&DARK) };
        let share = if is_certain { 0 } else { case.share(50) };
        let failed = evidence.failed_percent();
        Some(vec![
            Measure::at_least("dark", evidence.dark, limit),
            Measure::at_least("failedpct", failed, share),
        ])
    },
    port: |evidence| evidence.focus().port(),
};
