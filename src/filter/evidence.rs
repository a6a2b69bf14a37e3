//! Selects the flows behind findings: those of one host in one window, with one protocol and port.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::flow::Flow;
use crate::time::{Timestamp, Window};

/// A description of the flows that one finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvidenceQuery {
    /// The window of the flows; `None` for any time.
    pub window: Option<Window>,
    /// The host or network at one end of the flows.
    pub host: IpNet,
    /// Set if the host is the source of the flows; else it is the destination.
    pub is_source: bool,
    /// The protocol; `None` for any.
    pub proto: Option<u8>,
    /// The destination port; `None` for any.
    pub port: Option<u16>,
}

/// The protocol and the destination port of a query; `None` for any.
type ProtoPort = (Option<u8>, Option<u16>);

/// An index of many queries. A flow costs a few searches and not a comparison with each query:
/// otherwise a host with a finding for each of its ports would make the cost the product of flows
/// and findings.
#[derive(Clone, Debug, Default)]
pub struct EvidenceQueries {
    /// The queries by host. There are at most as many entries as findings.
    hosts: HashMap<HostKey, Host, RandomState>,
    /// The kinds of keys in `hosts`, each once. A flow is looked up once for each, so there are at
    /// most 2 * (33 + 129) lookups, and usually two.
    prefixes: Vec<Prefix>,
    /// The group of each query, in the order in which the queries were given.
    group_of: Vec<usize>,
    groups: usize,
}

/// A host or network at one end of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HostKey {
    address: IpAddr,
    prefix: Prefix,
}

/// The kind of a [`HostKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Prefix {
    is_ipv6: bool,
    is_source: bool,
    length: u8,
}

/// A query of one window, with its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct WindowQuery {
    window: Window,
    kind: ProtoPort,
    group: usize,
}

/// The queries of one host or network. A busy month has thousands, of which a flow can match few.
#[derive(Clone, Debug, Default)]
struct Host {
    /// Queries of any time, sorted, with their groups.
    always: Vec<(ProtoPort, usize)>,
    /// Queries of a window, sorted.
    windows: Vec<WindowQuery>,
    /// Seconds of the longest window.
    longest: u64,
}

impl Host {
    /// Calls `hit` with the group of each query that a flow of this host matches, until it returns
    /// true. Returns true if it did.
    fn any(
        &self,
        flow: &Flow,
        marked: Option<Window>,
        hit: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        let kinds = kinds(flow);
        let always = kinds.iter().filter_map(|kind| {
            let at = self.always.partition_point(|(other, _)| probe(other < kind));
            self.always.get(at).filter(|(other, _)| other == kind)
        });
        if always.into_iter().any(|(_, group)| hit(*group)) {
            return true;
        }
        let time = flow.start.or(flow.end).map(Timestamp::secs);
        let span = marked.map(|part| (part.start(), part.end()));
        let mut near = match span.or(time.map(|time| (time, time + 1))) {
            Some((from, to)) => {
                let start = |query: &WindowQuery| query.window.start();
                let first = self
                    .windows
                    .partition_point(|query| probe(start(query) + self.longest <= from));
                let last = self.windows.partition_point(|query| probe(start(query) < to));
                self.windows.get(first..last).unwrap_or_default()
            }
            None => self.windows.as_slice(),
        };
        // One turn for each window; few of them overlap.
        while let Some(&WindowQuery { window, .. }) = near.first() {
            let end = near.partition_point(|other| probe(other.window <= window));
            let (same, rest) = near.split_at(end);
            near = rest;
            if !is_in(window, flow, marked) {
                continue;
            }
            for kind in &kinds {
                let at = same.partition_point(|other| probe(other.kind < *kind));
                let found = same.get(at).filter(|other| other.kind == *kind);
                if found.is_some_and(|found| hit(found.group)) {
                    return true;
                }
            }
        }
        false
    }
}

/// Returns the kinds of the queries that a flow can match.
fn kinds(flow: &Flow) -> [ProtoPort; 4] {
    let (proto, port) = (Some(flow.proto), Some(flow.dport));
    [(proto, port), (proto, None), (None, port), (None, None)]
}

/// Returns true if a detector judges a flow in `window` (nfkit-flow(5)). A flow in the marked
/// window `marked` belongs to it and to longer windows around it, whatever its times are. Another
/// flow belongs to the window of its start, or else of its end; without times it may be in any
/// window.
fn is_in(window: Window, flow: &Flow, marked: Option<Window>) -> bool {
    let time = flow.start.or(flow.end);
    match marked {
        Some(part) if window.start() <= part.start() && part.end() <= window.end() => true,
        Some(part) if part.end() <= window.start() || window.end() <= part.start() => false,
        _ => time.is_none_or(|time| window.holds(time)),
    }
}

#[cfg(test)]
thread_local! {
    /// Number of comparisons in searches.
    static PROBES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Returns `less`. Tests count these calls as the comparisons of searches.
fn probe(less: bool) -> bool {
    #[cfg(test)]
    PROBES.with(|probes| probes.set(probes.get() + 1));
    less
}

impl EvidenceQuery {
    /// Returns true if a flow in the marked window `marked` matches; `None` for a flow outside of
    /// all marked windows, or in the unknown one.
    pub fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        let host = if self.is_source { flow.sip } else { flow.dip };
        self.host.contains(&host)
            && self.proto.is_none_or(|proto| proto == flow.proto)
            && self.port.is_none_or(|port| port == flow.dport)
            && self.window.is_none_or(|window| is_in(window, flow, marked))
    }
}

impl EvidenceQueries {
    /// Indexes these queries. Equal ones form one group; groups are numbered from 0.
    pub fn new(queries: impl IntoIterator<Item = EvidenceQuery>) -> EvidenceQueries {
        let mut all = EvidenceQueries::default();
        let mut groups: HashMap<EvidenceQuery, usize, RandomState> = HashMap::default();
        for query in queries {
            let query = EvidenceQuery { host: query.host.trunc(), ..query };
            let next = groups.len();
            let group = *groups.entry(query).or_insert(next);
            all.group_of.push(group);
            if group < next {
                continue;
            }
            let prefix = Prefix {
                is_ipv6: matches!(query.host, IpNet::V6(_)),
                is_source: query.is_source,
                length: query.host.prefix_len(),
            };
            if !all.prefixes.contains(&prefix) {
                all.prefixes.push(prefix);
            }
            let key = HostKey { address: query.host.addr(), prefix };
            let host = all.hosts.entry(key).or_default();
            let kind = (query.proto, query.port);
            match query.window {
                Some(window) => {
                    host.windows.push(WindowQuery { window, kind, group });
                    host.longest = host.longest.max(window.seconds().into());
                }
                None => host.always.push((kind, group)),
            }
        }
        for host in all.hosts.values_mut() {
            host.windows.sort_unstable();
            host.always.sort_unstable();
        }
        all.groups = groups.len();
        all
    }

    /// Returns the number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Returns the group of each query, in the order in which the queries were given.
    pub fn group_of(&self) -> &[usize] {
        &self.group_of
    }

    /// Returns true if a flow in the marked window `marked` matches at least one query.
    pub fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        self.any(flow, marked, &mut |_| true)
    }

    /// Calls `hit` once with each group that a flow in the marked window `marked` matches.
    pub fn each(&self, flow: &Flow, marked: Option<Window>, mut hit: impl FnMut(usize)) {
        self.any(flow, marked, &mut |group| {
            hit(group);
            false
        });
    }

    fn any(
        &self,
        flow: &Flow,
        marked: Option<Window>,
        hit: &mut impl FnMut(usize) -> bool,
    ) -> bool {
        self.prefixes.iter().any(|&prefix| {
            let address = if prefix.is_source { flow.sip } else { flow.dip };
            if address.is_ipv6() != prefix.is_ipv6 {
                return false;
            }
            // The length fits, because it is one of the same IP version.
            let net = IpNet::new(address, prefix.length);
            let address = net.map_or(address, |net| net.trunc().addr());
            let host = self.hosts.get(&HostKey { address, prefix });
            host.is_some_and(|host| host.any(flow, marked, hit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Queries of few hosts, windows and ports, so that they often match.
    fn query() -> impl Strategy<Value = EvidenceQuery> {
        let window = proptest::option::of((0u64..4, 1u32..3)).prop_map(|window| {
            window.and_then(|(start, length)| Window::new(start * 600, length * 600))
        });
        let net = (0u8..4, prop_oneof![Just(32u8), 29u8..32]).prop_map(|(host, prefix)| {
            IpNet::new([192, 0, 2, host].into(), prefix).unwrap().trunc()
        });
        let (proto, port) = (proptest::option::of(6u8..8), proptest::option::of(1u16..3));
        (window, net, any::<bool>(), proto, port).prop_map(
            |(window, host, is_source, proto, port)| EvidenceQuery {
                window,
                host,
                is_source,
                proto,
                port,
            },
        )
    }

    fn flow() -> impl Strategy<Value = Flow> {
        let time = || proptest::option::of((0u64..3000).prop_map(Timestamp::from_secs));
        (0u8..4, 0u8..4, 6u8..8, 1u16..3, time(), time()).prop_map(
            |(sip, dip, proto, dport, start, end)| Flow {
                sip: [192, 0, 2, sip].into(),
                dip: [192, 0, 2, dip].into(),
                proto,
                dport,
                start,
                end,
                ..Flow::default()
            },
        )
    }

    proptest! {
        #[test]
        fn the_index_matches_like_each_query_alone(
            queries in proptest::collection::vec(query(), 0..16),
            flow in flow(),
            marked in proptest::option::of((0u64..5, 1u32..4)),
        ) {
            let marked = marked.and_then(|(start, n)| Window::new(start * 600, n * 600));
            let expected = queries.iter().any(|query| query.matches(&flow, marked));
            let all = EvidenceQueries::new(queries.iter().copied());
            prop_assert_eq!(all.matches(&flow, marked), expected);
            // Each matching group is hit once.
            let mut hits = Vec::new();
            all.each(&flow, marked, |group| hits.push(group));
            let mut expected: Vec<_> = queries
                .iter()
                .zip(all.group_of())
                .filter(|(query, _)| query.matches(&flow, marked))
                .map(|(_, group)| *group)
                .collect();
            hits.sort_unstable();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(hits, expected);
            for (one, a) in queries.iter().zip(all.group_of()) {
                for (other, b) in queries.iter().zip(all.group_of()) {
                    prop_assert_eq!(one == other, a == b);
                }
            }
        }
    }

    /// Returns the number of comparisons that one flow costs among these queries.
    fn probes(
        queries: impl Iterator<Item = EvidenceQuery>,
        flow: &Flow,
        marked: Option<Window>,
    ) -> u64 {
        let all = EvidenceQueries::new(queries);
        PROBES.with(|probes| probes.set(0));
        let mut hits = 0;
        all.each(flow, marked, |_| hits += 1);
        assert_eq!(hits, 1);
        PROBES.with(std::cell::Cell::get)
    }

    #[test]
    fn a_flow_is_not_compared_with_each_query() {
        let window = Window::new(600, 600);
        let flow = Flow {
            sip: [192, 0, 2, 1].into(),
            dip: [198, 51, 100, 1].into(),
            proto: 6,
            dport: 40_000,
            ..Flow::default()
        };
        let query = EvidenceQuery {
            window,
            host: "192.0.2.1/32".parse().unwrap(),
            is_source: true,
            proto: Some(6),
            port: None,
        };
        // A scanner with a finding for each port, in one window and at any time.
        let ports = |window| {
            (1..=u16::MAX).map(move |port| EvidenceQuery { window, port: Some(port), ..query })
        };
        assert!(probes(ports(window), &flow, window) < 8 * 17);
        assert!(probes(ports(None), &flow, window) < 8 * 17);
        // One host with a finding in each window of a year.
        let year =
            (0..52_560).map(|n| EvidenceQuery { window: Window::new(n * 600, 600), ..query });
        assert!(probes(year, &flow, window) < 8 * 17);
        // Adjacent networks, such as those of a carpet attack.
        let nets = (0..=u16::MAX).map(|n| {
            let [high, low] = n.to_be_bytes();
            let host = IpNet::new([198, high, low, 0].into(), 24).unwrap();
            EvidenceQuery { host, is_source: false, ..query }
        });
        assert!(probes(nets, &flow, window) < 8 * 17);
    }

    #[test]
    fn a_mark_outweighs_the_times_of_a_flow() {
        let window = |start, seconds| Window::new(start, seconds);
        let query = EvidenceQuery {
            window: window(600, 600),
            host: "192.0.2.1/32".parse().unwrap(),
            is_source: true,
            proto: None,
            port: None,
        };
        let sip = [192, 0, 2, 1].into();
        let early = Flow { sip, start: Some(Timestamp::from_secs(5)), ..Flow::default() };
        let late = Flow { start: Some(Timestamp::from_secs(700)), ..early };
        let timeless = Flow { start: None, ..early };
        for (marked, expected) in [
            (None, [false, true, true]),
            (window(600, 600), [true, true, true]),
            (window(0, 600), [false, false, false]),
            // The detector's windows were shorter than the marked ones here.
            (window(0, 1200), [false, true, true]),
        ] {
            let found = [early, late, timeless].map(|flow| query.matches(&flow, marked));
            assert_eq!(found, expected, "{marked:?}");
        }
        let hour = EvidenceQuery { window: window(0, 3600), ..query };
        assert!(hour.matches(&early, window(600, 600)));
    }
}
