//! Floods by volume: far more unanswered packets or bytes than the host usually gets.

use super::super::case::{FloodClass, FloodFill, Totals, Unit, no_hints};
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::Measure;
use crate::finding::Side;

/// The factor by which traffic must exceed the usual value.
const TIMES: u64 = 8;
/// The least limit, in Mbit/s.
const MBPS: u64 = 100;

/// A flood by volume: at least 2000 unanswered packets a second, or 100 Mbit/s, over the whole window, and eight times
/// the usual value of this host, which only `--state` knows.
///
/// Traffic with any answer does not count: a download has its acknowledgements. A collector of logs or a receiver of
/// streams answers nothing, but that is usual for it.
///
/// If the usual value is unknown, the class is about an outside host to which inside hosts send as many packets of
/// unsolicited answers. The senders are no attackers ([`OUTBOUND`](super::OUTBOUND)), but the receiver is flooded. In
/// a window that is still open this is not judged, because the request may have come earlier.
pub const VOLUME: FloodClass = FloodClass {
    name: "volume",
    limit: DefaultLimit::same(2000),
    measure: |case| {
        if !case.context.shows_answers() {
            return None;
        }
        let Some(usual) = case.extra.usual else {
            let packets = case.evidence.unsolicited;
            let is_known = packets > 0 && case.side == Some(Side::Outside) && !case.extra.live;
            let pps = case.rate(packets);
            return is_known
                .then(|| vec![Measure::at_least("answerspps", pps, case.limit(&VOLUME))]);
        };
        let stream = case.evidence.one_way.per_window;
        let pps = case.rate(stream.packets);
        let mbps = case.rate(stream.bytes.saturating_mul(8)) / 1_000_000;
        let least_pps = case.limit(&VOLUME).max(usual.pps.saturating_mul(TIMES));
        let least_mbps = MBPS.max(usual.kbps.saturating_mul(TIMES).div_ceil(1000));
        let measure = if mbps >= least_mbps && pps < least_pps {
            Measure::at_least("mbps", mbps, least_mbps)
        } else {
            Measure::at_least("pps", pps, least_pps)
        };
        Some(vec![measure])
    },
    fill: FloodFill {
        unit: Unit::Second,
        load: |evidence| &evidence.one_way,
        totals: |evidence| Totals::of(&evidence.one_way),
        hints: no_hints,
    },
};
