//! Conversations in vain, many of them: of one attacker, or of many.

use super::{Class, FloodCase, Unit, silent, sums};
use crate::detect::threshold::Measure;
use crate::finding::Side;

/// Sources from which a flood is called distributed.
const MANY: u64 = 10;

/// Conversations in vain upon one host in a minute, for a limit of 1000 in ten.
const MINUTE: u64 = 200;

/// Where most are of our own hosts and such as programs send to a server that is gone, it takes so many
/// times as much.
const OURS: u64 = 5;

/// At least 1000 conversations in vain in ten minutes, or 200 in one, and at least half of all that the
/// host was asked; from ten sources or more, none of which has more than half.
///
/// In vain is an attempt that nobody answered, or that was refused, or that a SYN-ACK was the end of;
/// and a datagram, or a connection never opened, that nothing came back for. A busy server, a flash crowd
/// among whom some are refused, and a name server have as many conversations, but most work. A source
/// that tries one port after the other is a scanner, whatever it costs the host, and does not count; unless
/// ten such and more come together, with 5000 conversations, and not for the same ports.
///
/// Where most of them are datagrams of our own hosts, and go outside or come of several of these, or
/// connections of several of ours to one outside, it takes five times as many: programs go on to ask a
/// server that is gone, as mail servers do, try QUIC where it is blocked, and tell a collector what it never
/// answers.
pub(in crate::detect::flood) const DDOS: Class = Class {
    name: "ddos",
    limit: 1000,
    unit: Unit::Window,
    measure: |case| {
        let mut measures = attempts(case, &DDOS)?;
        let most = case.evidence.failed.top().first().map_or(0, |(flows, _)| *flows);
        measures.push(Measure::at_least("sources", case.evidence.failed.sources, MANY));
        measures.push(Measure::below("largestpct", case.percent(most), 51));
        Some(measures)
    },
    load: |evidence| &evidence.failed,
    sums: |evidence| sums(&evidence.failed),
    tell: silent,
};

/// The same of a few sources, or of one that has more than half.
pub(in crate::detect::flood) const DOS: Class = Class {
    name: "dos",
    limit: 1000,
    unit: Unit::Window,
    measure: |case| attempts(case, &DOS),
    load: |evidence| &evidence.failed,
    sums: |evidence| sums(&evidence.failed),
    tell: silent,
};

fn attempts(case: &FloodCase, class: &Class) -> Option<Vec<Measure>> {
    let evidence = case.evidence;
    let limit = case.limit(class);
    // The limit of a minute goes with that of the window, and no window is asked for more than its own.
    let own = case.bounds.of(class.name, evidence.host).unwrap_or(class.limit);
    let minute = (u128::from(own) * u128::from(MINUTE) / u128::from(class.limit)).max(1) as u64;
    let minute = match case.sampling {
        0 | 1 => minute.min(limit),
        _ => limit,
    };
    let tried = &evidence.failed;
    let are_most = |ours: u64| ours * 2 > tried.flows && tried.flows - ours < limit;
    let most = tried.top().first().map_or(0, |(flows, _)| *flows);
    let (is_one, is_outside) = (most * 2 > tried.flows, case.side == Some(Side::Outside));
    let is_habit = match () {
        // One of ours that alone does this to another of ours is no habit of programs.
        () if are_most(tried.inside_datagrams) => is_outside || !is_one,
        () => are_most(tried.inside_flows) && is_outside && !is_one,
    };
    let times = if is_habit { OURS } else { 1 };
    let (limit, minute) = (limit.saturating_mul(times), minute.saturating_mul(times));
    let flows = match evidence.minute >= minute && evidence.failed.flows < limit {
        true => Measure::at_least("minute", evidence.minute, minute),
        false => Measure::at_least("flows", evidence.failed.flows, limit),
    };
    Some(vec![flows, Measure::at_least("unansweredpct", case.in_vain(), case.share())])
}

impl FloodCase<'_> {
    fn percent(&self, flows: u64) -> u64 {
        crate::detect::threshold::percent(flows, self.evidence.failed.flows)
    }
}
