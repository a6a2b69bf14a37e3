//! Floods by volume: far more unanswered packets or bytes than the host usually gets.

use super::super::case::{FloodCase, FloodClass, FloodFill, Totals, Unit, no_hints};
use crate::conversation::PerWindow;
use crate::detect::flood::evidence::Evidence;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};
use crate::detect::visibility::Visibility;
use crate::finding::Side;

/// The factor by which traffic must exceed the usual value.
const TIMES: u64 = 8;
/// The least limit, in Mbit/s.
const MBPS: u64 = 100;
/// The factor of both limits for a host without a usual value.
const WITHOUT_PAST: u64 = 5;

/// A flood by volume: at least 2000 unanswered packets a second, or 100 Mbit/s, over the whole window or in a minute of
/// it, and eight times the usual value of this host, which only `--state` knows.
///
/// In sampled input only an inside host is flooded of which no packet is seen at all, while the answers of its network
/// are exported.
///
/// Traffic with any answer does not count: a download has its acknowledgements. A collector of logs or a receiver of
/// streams answers nothing, but that is usual for it.
///
/// If the usual value is unknown, an inside host is flooded that gets 10,000 unanswered packets a second by one
/// protocol, or 500 Mbit/s, from outside, while at least half of what it gets by that protocol is unanswered; provided
/// that long flows show that answers are exported. An outside host is flooded to which inside hosts send 2000 packets a
/// second of unsolicited answers. The senders are no attackers ([`OUTBOUND`](super::OUTBOUND)). Without a usual value a
/// window that is still open is not judged, because the request may have come earlier.
pub const VOLUME: FloodClass = FloodClass {
    name: "volume",
    limit: DefaultLimit::same(2000),
    measure: |case| {
        if case.context.sampled {
            return sampled(case);
        }
        if !case.context.shows_answers() {
            return None;
        }
        if case.extra.usual.is_none() {
            if case.extra.live {
                return None;
            }
            if case.side == Some(Side::Inside) {
                return without_past(case);
            }
            let packets = case.evidence.unsolicited;
            let is_known = packets > 0 && case.side == Some(Side::Outside);
            let pps = case.rate(packets);
            return is_known
                .then(|| vec![Measure::at_least("answerspps", pps, case.limit(&VOLUME))]);
        }
        let busiest = case.evidence.bursts.busiest(usize::MAX).map(|(_, peak)| peak);
        let whole = case.evidence.one_way.per_window;
        Some(vec![case.rates(whole, busiest, limits(case))])
    },
    fill: FloodFill {
        unit: Unit::Second,
        load: |evidence| &evidence.one_way,
        totals: |evidence| Totals::of(&evidence.one_way),
        hints: no_hints,
    },
};

/// Returns the limits of a host in packets and in Mbit/s a second: by its usual traffic, if that is known.
fn limits(case: &FloodCase) -> [u64; 2] {
    let limit = case.limit(&VOLUME);
    match case.extra.usual {
        Some(usual) => [
            limit.max(usual.pps.saturating_mul(TIMES)),
            MBPS.max(usual.kbps.saturating_mul(TIMES).div_ceil(1000)),
        ],
        None => [limit.saturating_mul(WITHOUT_PAST), MBPS * WITHOUT_PAST],
    }
}

/// Returns the measures of an inside host whose usual traffic is not known: of the protocol by which it gets most.
fn without_past(case: &FloodCase) -> Option<Vec<Measure>> {
    if !case.extra.knows_pairing {
        return None;
    }
    let Evidence { uninvited: (packets, bytes), answered, bursts, .. } = case.evidence;
    let limits = limits(case);
    let rates = packets.with(*bytes).zip(packets.with(*answered));
    let most = rates.max_by_key(|((packets, bytes), _)| (*packets, *bytes));
    let whole =
        most.filter(|((packets, _), _)| *packets > 0).map(|((packets, bytes), (_, answered))| {
            let measure = case.rates(PerWindow { packets, bytes }, None, limits);
            unanswered(measure, packets, answered)
        });
    if whole.as_ref().is_some_and(|measures| measures.iter().all(Measure::passes)) {
        return whole;
    }
    // The answered packets of the minute are those of a minute on average.
    let Some((proto, peak)) = bursts.busiest(usize::MAX) else { return whole };
    let measure = case.rates(PerWindow::NONE, Some(peak), limits);
    let in_minute = unanswered(measure, peak.packets, case.rate(answered.of(proto)) * 60);
    if in_minute.iter().all(Measure::passes) { Some(in_minute) } else { whole.or(Some(in_minute)) }
}

/// The fewest packets that sampled input must show of a flood.
const SAMPLES: u64 = 100;

/// Returns the measures of an inside host in sampled input, of which no packet is seen although others of its network
/// have some. A receiver that never answers is known by its past.
fn sampled(case: &FloodCase) -> Option<Vec<Measure>> {
    let Evidence { uninvited: (packets, bytes), served, opened, .. } = case.evidence;
    let is_silent = served.flows == 0 && opened.flows == 0;
    let shows_answers = case.context.visibility == Visibility::BothWays && case.extra.knows_pairing;
    if case.extra.live || !shows_answers || !case.extra.net_answers || !is_silent {
        return None;
    }
    let (packets, bytes) = packets.with(*bytes).max().filter(|(packets, _)| *packets > 0)?;
    let measure = case.rates(PerWindow { packets, bytes }, None, limits(case));
    Some(vec![measure, Measure::at_least("packets", packets, SAMPLES)])
}

/// Returns a measure, and the share of packets that were not answered.
fn unanswered(measure: Measure, packets: u64, answered: u64) -> Vec<Measure> {
    let share = percent(packets, packets.saturating_add(answered));
    vec![measure, Measure::at_least("unansweredpct", share, 50)]
}
