//! Small models of other programs' flood rules, for comparison.
//!
//! The paper's rule is `nfflood --paper` itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::{HashMap, HashSet};
use ipnet::IpNet;

use super::flows::{Flow, WINDOW};
use super::score::{Named, sources, targets};

const MINUTE: u64 = 60_000;

/// The packets or octets of each minute.
type Minutes = HashMap<u64, u64>;

/// Calls `add` with each minute that a flow lies in, and its share of the packets and octets.
/// Without times, minute 0 gets the average of the window's minutes.
fn spread(flow: &Flow, mut add: impl FnMut(u64, u64, u64)) {
    if flow.start == 0 {
        let minutes = WINDOW * 1000 / MINUTE;
        return add(0, flow.packets.div_ceil(minutes), flow.octets.div_ceil(minutes));
    }
    let long = flow.end.saturating_sub(flow.start);
    if long == 0 {
        return add(flow.start / MINUTE, flow.packets, flow.octets);
    }
    for minute in flow.start / MINUTE..=flow.end / MINUTE {
        let from = flow.start.max(minute * MINUTE);
        let to = flow.end.min((minute + 1) * MINUTE);
        let share = |sum: u64| (u128::from(sum) * u128::from(to - from) / u128::from(long)) as u64;
        add(minute, share(flow.packets), share(flow.octets));
    }
}

/// Returns victims and attackers by FastNetMon's default limits: 20,000 packets or 1000 Mbit a
/// second that a host of its networks receives or sends. The original averages over some seconds,
/// which flows do not show; here it is a minute. Its limit of 3500 flows a second is off by
/// default.
pub fn fastnetmon(flows: &[Flow], inside: &[IpNet]) -> Vec<Named> {
    const PACKETS: u64 = 20_000 * 60;
    const OCTETS: u64 = 1_000_000_000 / 8 * 60;
    let over = |end: fn(&Flow) -> IpAddr| -> BTreeSet<IpAddr> {
        let mut all: HashMap<IpAddr, (Minutes, Minutes)> = HashMap::default();
        for flow in flows.iter().filter(|flow| inside.iter().any(|net| net.contains(&end(flow)))) {
            let host = all.entry(end(flow)).or_default();
            spread(flow, |minute, packets, octets| {
                *host.0.entry(minute).or_default() += packets;
                *host.1.entry(minute).or_default() += octets;
            });
        }
        let much = |sums: &Minutes, limit| sums.values().any(|&sum| sum > limit);
        let wide = all.into_iter().filter(|(_, (p, o))| much(p, PACKETS) || much(o, OCTETS));
        wide.map(|(host, _)| host).collect()
    };
    let got = targets(over(|flow| flow.dip));
    got.into_iter().chain(sources(over(|flow| flow.sip))).collect()
}

/// Returns victims by the query for attacks in Akvorado's documentation: a destination, source
/// port, protocol and minute with more than 20 sources and more than 100 Mbit a second.
pub fn akvorado(flows: &[Flow]) -> BTreeSet<IpAddr> {
    const SOURCES: usize = 20;
    const OCTETS: u64 = 100_000_000 / 8 * 60;
    let mut all: HashMap<_, (HashSet<IpAddr>, u64)> = HashMap::default();
    for flow in flows {
        spread(flow, |minute, _, octets| {
            let key = (flow.dip, flow.sport, flow.proto, minute);
            let group = all.entry(key).or_default();
            group.0.insert(flow.sip);
            group.1 += octets;
        });
    }
    let much = all.into_iter().filter(|(_, (ips, sum))| ips.len() > SOURCES && *sum > OCTETS);
    much.map(|((dip, ..), _)| dip).collect()
}

#[cfg(test)]
mod tests {
    use super::super::flows::request;
    use super::*;

    const VICTIM: &str = "140.119.1.1";

    fn sent(from: u32, packets: u64, octets: u64, start: u64, end: u64) -> Flow {
        let flow = request(&format!("192.0.2.{from}"), VICTIM, 53, 80);
        Flow { packets, octets, start, end, ..flow }
    }

    #[test]
    fn fastnetmon_compares_the_busiest_minute() {
        let inside = ["140.119.0.0/16".parse().unwrap()];
        let named = |flow: Flow| fastnetmon(&[flow], &inside).len();
        assert_eq!(named(sent(1, 1_200_001, 1, MINUTE, MINUTE)), 1);
        assert_eq!(named(sent(1, 1_200_000, 1, MINUTE, MINUTE)), 0);
        assert_eq!(named(sent(1, 2_400_000, 1, MINUTE, 3 * MINUTE)), 0);
        assert_eq!(named(sent(1, 1, 7_500_000_001, MINUTE, MINUTE)), 1);
        assert_eq!(named(sent(1, 12_000_000, 1, 0, 0)), 0);
        assert_eq!(named(sent(1, 12_000_001, 1, 0, 0)), 1);
        assert!(fastnetmon(&[sent(1, 9_000_000, 1, MINUTE, MINUTE)], &[]).is_empty());
    }

    #[test]
    fn akvorado_needs_many_sources_and_many_octets() {
        let from = |count: u32, octets| -> Vec<Flow> {
            (1..=count).map(|n| sent(n, 1, octets, MINUTE, MINUTE)).collect()
        };
        assert_eq!(akvorado(&from(21, 40_000_000)).len(), 1);
        assert!(akvorado(&from(20, 40_000_000)).is_empty());
        assert!(akvorado(&from(21, 30_000_000)).is_empty());
    }
}
