//! Floods that an inside host sends.

use super::super::case::{FloodClass, FloodFill, Totals, Unit, no_hints};
use crate::conversation::{Peak, PerWindow};
use crate::detect::judge::DefaultLimit;
use crate::finding::Side;

/// An outbound flood: an inside host sends at least 2000 packets a second, over the whole window or in a minute of it,
/// to up to ten hosts that answer nothing.
///
/// Traffic with any answer on the same ports does not count: an upload by QUIC gets an acknowledgement for every ten
/// packets, and a stream gets its receiver's reports.
pub const OUTBOUND: FloodClass = FloodClass {
    name: "outbound",
    limit: DefaultLimit::same(2000),
    measure: |case| {
        if case.side != Some(Side::Inside) || !case.context.shows_answers() {
            return None;
        }
        let top = case.evidence.sent.top();
        let packets = top.iter().take(TARGETS).map(|(packets, _)| packets).sum();
        let whole = PerWindow { packets, bytes: 0 };
        let busiest = case.evidence.sent_bursts.busiest(TARGETS).map(|(_, peak)| peak);
        let busiest = busiest.map(|peak| Peak { bytes: 0, ..peak });
        Some(vec![case.rates(whole, busiest, [case.limit(&OUTBOUND), u64::MAX])])
    },
    fill: FloodFill {
        unit: Unit::Second,
        load: |evidence| &evidence.sent,
        totals: |evidence| Totals::of(&evidence.sent),
        hints: no_hints,
    },
};

/// The most targets whose packets count. A host that sends to more attacks none of them.
const TARGETS: usize = 10;
