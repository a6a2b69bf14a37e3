//! Inside addresses that nobody uses.

use super::{Class, Measure, percent};
use crate::finding::Side;

/// So many dark addresses, and the share of failures does not matter.
const MANY: u64 = 50;

/// At least 12 addresses of ours that are not in use, at least half of all attempts in vain; or, from
/// outside, 50 such addresses.
///
/// The best single evidence: nobody has a reason to ask them. A monitor inside that still asks for
/// machines long gone is why the share counts there. Of one packet in a hundred a scanner of 841 addresses
/// shows three or more with a chance of .99; that these are of one port or shape then has to do for more.
pub(super) const DARK: Class = Class {
    name: "dark",
    limit: (12, 12),
    sampled: Some((3, 3)),
    measure: |case| {
        if !case.knows_dark {
            return None;
        }
        let evidence = case.evidence;
        let is_certain = evidence.dark >= MANY && case.side == Some(Side::Outside);
        let share = if is_certain { 0 } else { case.share(50) };
        let failed = evidence.failed_percent();
        let mut measures = vec![
            Measure::at_least("dark", evidence.dark, case.limit(&DARK)),
            Measure::at_least("failedpct", failed, share),
        ];
        if case.sampled {
            let of_port = evidence.top.first().map_or(0, |(_, failed, _)| *failed);
            let alike = percent(of_port.max(evidence.shape.1), evidence.failed);
            measures.push(Measure::at_least("alikepct", alike, 80));
        }
        Some(measures)
    },
    port: |evidence| evidence.focus().port(),
};
