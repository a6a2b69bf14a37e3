//! Floods of failed conversations, from one attacker or from many.

use super::super::case::{FloodCase, FloodClass, FloodFill, Totals, Unit, no_hints};
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};
use crate::finding::Side;

/// The fewest sources of a distributed flood.
const MANY: u64 = 10;

/// The limit of failed conversations in ten minutes.
pub(super) const LIMIT: u64 = 1000;

/// The limit of failed conversations in one minute.
const MINUTE: u64 = 200;

/// The factor of the limits where most failed conversations are such as programs of inside hosts have with a
/// server that is gone.
const HABIT: u64 = 5;

/// A distributed flood: at least 1000 failed conversations in ten minutes, or 200 in one, from ten or more sources,
/// none of which has more than half of them. At least half of the host's conversations failed.
///
/// A conversation failed if nobody answered, if it was rejected, if it ended with the SYN-ACK, or if it is a datagram
/// or a half-open connection without a reply. A busy server, a flash crowd of which some are rejected, and a name
/// server have as many conversations, but most of them work. A source that tries one port after the other is a
/// scanner, whatever it costs the host, and does not count; unless ten or more of them come together, with 5000
/// conversations, at different ports. A source that opens connections, acknowledges them and closes or resets them
/// without data, at most two a second at a port, checks whether services are there, and does not count either; ten
/// or more of them do, with 5000 connections.
///
/// The limits are five times as high if most failed conversations are datagrams of inside hosts, which go outside or
/// come from several hosts, or connections of several inside hosts to one outside. Programs keep trying a server that
/// is gone, as mail servers do; they try QUIC where it is blocked, and send to a collector that never answers.
pub const DDOS: FloodClass = FloodClass {
    name: "ddos",
    limit: DefaultLimit::same(LIMIT),
    measure: |case| {
        let mut measures = attempts(case, &DDOS)?;
        measures.extend(by_many(case));
        Some(measures)
    },
    fill: FILL,
};

/// A flood from a few sources, or mostly from one: the limits are those of [`DDOS`].
pub const DOS: FloodClass = FloodClass {
    name: "dos",
    limit: DefaultLimit::same(LIMIT),
    measure: |case| attempts(case, &DOS),
    fill: FILL,
};

/// The fill of findings about failed conversations.
pub(super) const FILL: FloodFill = FloodFill {
    unit: Unit::Window,
    load: |evidence| &evidence.failed,
    totals: |evidence| Totals::of(&evidence.failed),
    hints: no_hints,
};

/// Returns the measures that tell many sources from few.
pub(super) fn by_many(case: &FloodCase) -> [Measure; 2] {
    let failed = &case.evidence.failed;
    let most = failed.top().first().map_or(0, |(flows, _)| *flows);
    [
        Measure::at_least("sources", failed.sources, MANY),
        Measure::below("largestpct", percent(most, failed.flows), 51),
    ]
}

/// Returns the measures of failed conversations: their number, and their share.
pub(super) fn attempts(case: &FloodCase, class: &FloodClass) -> Option<Vec<Measure>> {
    let evidence = case.evidence;
    let limit = case.limit(class);
    // The limit of a minute is in proportion to that of ten, and never above that of the window.
    let of_ten = u128::from(case.class_limit(class));
    let minute = (of_ten * u128::from(MINUTE) / u128::from(LIMIT)).max(1) as u64;
    let minute = match case.extra.sampling {
        0 | 1 => minute.min(limit),
        _ => limit,
    };
    let failed = &evidence.failed;
    let (tried, share) = case.failed();
    let are_most = |ours: u64| ours * 2 > failed.flows && failed.flows - ours < limit;
    let most = failed.top().first().map_or(0, |(flows, _)| *flows);
    let (is_one, is_outside) = (most * 2 > failed.flows, case.side == Some(Side::Outside));
    let is_habit = if are_most(failed.inside_datagrams) {
        // A single inside host that does this to another one is an attacker.
        is_outside || !is_one
    } else {
        are_most(failed.inside_flows) && is_outside && !is_one
    };
    let times = if is_habit { HABIT } else { 1 };
    let (limit, minute) = (limit.saturating_mul(times), minute.saturating_mul(times));
    let flows = if evidence.minute >= minute && tried < limit {
        Measure::at_least("minute", evidence.minute.min(tried), minute)
    } else {
        Measure::at_least("flows", tried, limit)
    };
    Some(vec![flows, Measure::at_least("unansweredpct", share, case.share())])
}
