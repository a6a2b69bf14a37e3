//! The flows behind findings: those of one host in one window, of one protocol and port.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::flow::Flow;
use crate::time::{Timestamp, Window};

/// What is known of the flows that one finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvidenceQuery {
    /// When they were; `None` for any time.
    pub window: Option<Window>,
    /// The host on one end of them, or a network.
    pub host: IpNet,
    /// Whether that is their source; else their destination.
    pub is_source: bool,
    /// Their protocol; `None` for any.
    pub proto: Option<u8>,
    /// Their destination port; `None` for any.
    pub port: Option<u16>,
}

/// The protocol and the destination port of a case; `None` for any.
type ProtoPort = (Option<u8>, Option<u16>);

/// Many cases, of which a flow need only match one. A flow costs a few searches, not a look at each
/// case: a host with a finding for each of its ports must not make a slot's flows cost their product.
#[derive(Clone, Debug, Default)]
pub struct EvidenceQueries {
    /// By address, prefix length and whether it is the source. There are at most as many entries as
    /// findings.
    hosts: HashMap<(IpAddr, u8, bool), Host, RandomState>,
    /// The prefix lengths of `hosts`, each once: is it IPv6, is it the source, and the length. A flow is
    /// looked up once for each, so there are at most 2 * (33 + 129) lookups, and usually two.
    lengths: Vec<(bool, bool, u8)>,
    /// The group of each case, in the order in which the cases were given.
    group_of: Vec<usize>,
    groups: usize,
}

/// The cases of one host or network: of a busy month there are thousands, and a flow can be of few.
#[derive(Clone, Debug, Default)]
struct Host {
    /// Cases of any time, sorted, with their groups.
    always: Vec<(ProtoPort, usize)>,
    /// Cases of a window, sorted, with their groups.
    then: Vec<(Window, ProtoPort, usize)>,
    /// Seconds of the longest window.
    longest: u64,
}

impl Host {
    /// Calls `hit` with the group of each case that a flow of this host belongs to, until it returns
    /// true, and returns whether it did.
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
                let first =
                    self.then.partition_point(|(w, ..)| probe(w.start() + self.longest <= from));
                let last = self.then.partition_point(|(w, ..)| probe(w.start() < to));
                self.then.get(first..last).unwrap_or_default()
            }
            None => self.then.as_slice(),
        };
        // One turn for each window, of which few overlap.
        while let Some((window, ..)) = near.first() {
            let end = near.partition_point(|(other, ..)| probe(other <= window));
            let (same, rest) = near.split_at(end);
            near = rest;
            if !is_then(*window, flow, marked) {
                continue;
            }
            for kind in &kinds {
                let at = same.partition_point(|(_, other, _)| probe(other < kind));
                let found = same.get(at).filter(|(_, other, _)| other == kind);
                if found.is_some_and(|(.., group)| hit(*group)) {
                    return true;
                }
            }
        }
        false
    }
}

/// Returns the kinds of the cases that a flow can belong to.
fn kinds(flow: &Flow) -> [ProtoPort; 4] {
    let (proto, port) = (Some(flow.proto), Some(flow.dport));
    [(proto, port), (proto, None), (None, port), (None, None)]
}

/// Returns true if a detector judges a flow in `window`: a marked flow in its own window or in a longer
/// one, whatever its times say, and another one by its start, else its end (nfkit-flow(5)). A flow
/// without times may be in any window.
fn is_then(window: Window, flow: &Flow, marked: Option<Window>) -> bool {
    let time = flow.start.or(flow.end);
    match marked {
        Some(part) if window.start() <= part.start() && part.end() <= window.end() => true,
        Some(part) if part.end() <= window.start() || window.end() <= part.start() => false,
        _ => time.is_none_or(|time| window.holds(time)),
    }
}

#[cfg(test)]
thread_local! {
    /// Comparisons that searches took.
    static PROBES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Passes on a comparison of a search; tests count them.
fn probe(less: bool) -> bool {
    #[cfg(test)]
    PROBES.with(|probes| probes.set(probes.get() + 1));
    less
}

impl EvidenceQuery {
    /// Returns true if this is one of its flows, which stands in the marked window `marked`; `None`
    /// outside of any, and in the unknown one.
    pub fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        let host = if self.is_source { flow.sip } else { flow.dip };
        self.host.contains(&host)
            && self.proto.is_none_or(|proto| proto == flow.proto)
            && self.port.is_none_or(|port| port == flow.dport)
            && self.window.is_none_or(|window| is_then(window, flow, marked))
    }
}

impl EvidenceQueries {
    /// Indexes these cases. Equal ones are of one group; groups are numbered from 0.
    pub fn new(cases: impl IntoIterator<Item = EvidenceQuery>) -> EvidenceQueries {
        let mut all = EvidenceQueries::default();
        let mut groups: HashMap<EvidenceQuery, usize, RandomState> = HashMap::default();
        for case in cases {
            let case = EvidenceQuery { host: case.host.trunc(), ..case };
            let next = groups.len();
            let group = *groups.entry(case).or_insert(next);
            all.group_of.push(group);
            if group < next {
                continue;
            }
            let length = case.host.prefix_len();
            let of = (matches!(case.host, IpNet::V6(_)), case.is_source, length);
            if !all.lengths.contains(&of) {
                all.lengths.push(of);
            }
            let host = all.hosts.entry((case.host.addr(), length, case.is_source)).or_default();
            let kind = (case.proto, case.port);
            match case.window {
                Some(window) => {
                    host.then.push((window, kind, group));
                    host.longest = host.longest.max(window.seconds().into());
                }
                None => host.always.push((kind, group)),
            }
        }
        for host in all.hosts.values_mut() {
            host.then.sort_unstable();
            host.always.sort_unstable();
        }
        all.groups = groups.len();
        all
    }

    /// Returns how many groups there are.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Returns the group of each case, in the order in which the cases were given.
    pub fn group_of(&self) -> &[usize] {
        &self.group_of
    }

    /// Returns true if a flow that stands in the marked window `marked` belongs to one of them.
    pub fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        self.any(flow, marked, &mut |_| true)
    }

    /// Calls `hit` once with each group that a flow belongs to which stands in the marked window
    /// `marked`.
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
        self.lengths.iter().any(|&(is_ipv6, is_source, length)| {
            let address = if is_source { flow.sip } else { flow.dip };
            if address.is_ipv6() != is_ipv6 {
                return false;
            }
            // An address of that version can have each of these prefixes.
            let net = IpNet::new(address, length).map_or(address, |net| net.trunc().addr());
            let host = self.hosts.get(&(net, length, is_source));
            host.is_some_and(|host| host.any(flow, marked, hit))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few hosts, windows and ports, so that they meet.
    fn case() -> impl Strategy<Value = EvidenceQuery> {
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
        fn many_cases_match_what_one_of_them_does(
            cases in proptest::collection::vec(case(), 0..16),
            flow in flow(),
            marked in proptest::option::of((0u64..5, 1u32..4)),
        ) {
            let marked = marked.and_then(|(start, n)| Window::new(start * 600, n * 600));
            let twin = cases.iter().any(|case| case.matches(&flow, marked));
            let all = EvidenceQueries::new(cases.iter().copied());
            prop_assert_eq!(all.matches(&flow, marked), twin);
            // The same of the groups, each told once.
            let mut hits = Vec::new();
            all.each(&flow, marked, |group| hits.push(group));
            let mut expected: Vec<_> = cases
                .iter()
                .zip(all.group_of())
                .filter(|(case, _)| case.matches(&flow, marked))
                .map(|(_, group)| *group)
                .collect();
            hits.sort_unstable();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(hits, expected);
            for (one, a) in cases.iter().zip(all.group_of()) {
                for (other, b) in cases.iter().zip(all.group_of()) {
                    prop_assert_eq!(one == other, a == b);
                }
            }
        }
    }

    /// Comparisons that one flow costs among so many cases.
    fn probes(
        cases: impl Iterator<Item = EvidenceQuery>,
        flow: &Flow,
        marked: Option<Window>,
    ) -> u64 {
        let all = EvidenceQueries::new(cases);
        PROBES.with(|probes| probes.set(0));
        let mut hits = 0;
        all.each(flow, marked, |_| hits += 1);
        assert_eq!(hits, 1);
        PROBES.with(std::cell::Cell::get)
    }

    #[test]
    fn a_flow_is_not_compared_with_each_case() {
        let window = Window::new(600, 600);
        let flow = Flow {
            sip: [192, 0, 2, 1].into(),
            dip: [198, 51, 100, 1].into(),
            proto: 6,
            dport: 40_000,
            ..Flow::default()
        };
        let case = EvidenceQuery {
            window,
            host: "192.0.2.1/32".parse().unwrap(),
            is_source: true,
            proto: Some(6),
            port: None,
        };
        // A scanner with a finding for each port; of one window, and of any time.
        let ports = |window| {
            (1..=u16::MAX).map(move |port| EvidenceQuery { window, port: Some(port), ..case })
        };
        assert!(probes(ports(window), &flow, window) < 8 * 17);
        assert!(probes(ports(None), &flow, window) < 8 * 17);
        // Of a year of windows.
        let year = (0..52_560).map(|n| EvidenceQuery { window: Window::new(n * 600, 600), ..case });
        assert!(probes(year, &flow, window) < 8 * 17);
        // Networks side by side, such as those of a carpet.
        let nets = (0..=u16::MAX).map(|n| {
            let [high, low] = n.to_be_bytes();
            let host = IpNet::new([198, high, low, 0].into(), 24).unwrap();
            EvidenceQuery { host, is_source: false, ..case }
        });
        assert!(probes(nets, &flow, window) < 8 * 17);
    }

    #[test]
    fn a_mark_counts_more_than_times() {
        let window = |start, seconds| Window::new(start, seconds);
        let case = EvidenceQuery {
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
            // The detector was given shorter windows than we are.
            (window(0, 1200), [false, true, true]),
        ] {
            let found = [early, late, timeless].map(|flow| case.matches(&flow, marked));
            assert_eq!(found, expected, "{marked:?}");
        }
        let hour = EvidenceQuery { window: window(0, 3600), ..case };
        assert!(hour.matches(&early, window(600, 600)));
    }
}
