//! The flows behind findings: those of one host in one window, of one protocol and port.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use crate::flow::Flow;
use crate::time::{Timestamp, Window};

/// What is known of the flows that one finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
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

/// Many cases, of which a flow need only match one.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// By host, and whether it is the source. There is as much here as there are findings.
    hosts: HashMap<(IpAddr, bool), Host, RandomState>,
    /// Those of whole networks, which are few.
    nets: Vec<Case>,
}

/// The cases of one host: of a busy month there are thousands, and a flow can be of few.
#[derive(Clone, Debug, Default)]
struct Host {
    /// Of any time.
    always: Vec<Case>,
    /// Of their windows, by their starts.
    then: Vec<(Window, Case)>,
    /// Seconds of the longest window.
    longest: u64,
}

impl Host {
    /// Whether a flow of this host belongs to one of them.
    fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        let time = flow.start.or(flow.end).map(Timestamp::secs);
        let span = marked.map(|part| (part.start(), part.end()));
        let near = match span.or(time.map(|time| (time, time + 1))) {
            Some((from, to)) => {
                let first = self.then.partition_point(|(w, _)| w.start() + self.longest <= from);
                let last = self.then.partition_point(|(w, _)| w.start() < to);
                self.then.get(first..last).unwrap_or_default()
            }
            None => self.then.as_slice(),
        };
        self.always.iter().any(|case| case.is_kind(flow))
            || near.iter().any(|(_, case)| case.is_kind(flow) && case.is_then(flow, marked))
    }
}

impl Case {
    /// Whether this is one of its flows, which stands in the marked window `marked`; `None` outside
    /// of any, and in the unknown one.
    pub fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        let host = if self.is_source { flow.sip } else { flow.dip };
        self.host.contains(&host) && self.is_kind(flow) && self.is_then(flow, marked)
    }

    fn is_kind(&self, flow: &Flow) -> bool {
        self.proto.is_none_or(|proto| proto == flow.proto)
            && self.port.is_none_or(|port| port == flow.dport)
    }

    /// A detector judges a marked flow in its window or in a longer one, whatever its times say, and
    /// another one by its start, else its end (nfkit-flow(5)). One without times may be anything's.
    fn is_then(&self, flow: &Flow, marked: Option<Window>) -> bool {
        let Some(window) = self.window else { return true };
        let time = flow.start.or(flow.end);
        match marked {
            Some(part) if window.start() <= part.start() && part.end() <= window.end() => true,
            Some(part) if part.end() <= window.start() || window.end() <= part.start() => false,
            _ => time.is_none_or(|time| window.holds(time)),
        }
    }
}

impl Cases {
    /// These cases.
    pub fn new(cases: impl IntoIterator<Item = Case>) -> Cases {
        let mut all = Cases::default();
        for case in cases {
            if case.host.prefix_len() < case.host.max_prefix_len() {
                all.nets.push(case);
                continue;
            }
            let host = all.hosts.entry((case.host.addr(), case.is_source)).or_default();
            match case.window {
                Some(window) => {
                    host.then.push((window, case));
                    host.longest = host.longest.max(window.seconds().into());
                }
                None => host.always.push(case),
            }
        }
        for host in all.hosts.values_mut() {
            host.then.sort_by_key(|(window, _)| *window);
            // The updates of a row are about the same flows.
            host.then.dedup();
            host.always.dedup();
        }
        all
    }

    /// Whether a flow that stands in the marked window `marked` belongs to one of them.
    pub fn matches(&self, flow: &Flow, marked: Option<Window>) -> bool {
        let of = |host: IpAddr, is_source: bool| {
            self.hosts.get(&(host, is_source)).is_some_and(|host| host.matches(flow, marked))
        };
        of(flow.sip, true)
            || of(flow.dip, false)
            || self.nets.iter().any(|case| case.matches(flow, marked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few hosts, windows and ports, so that they meet.
    fn case() -> impl Strategy<Value = Case> {
        let window = proptest::option::of((0u64..4, 1u32..3)).prop_map(|window| {
            window.and_then(|(start, length)| Window::new(start * 600, length * 600))
        });
        let net = (0u8..4, prop_oneof![Just(32u8), 29u8..32]).prop_map(|(host, prefix)| {
            IpNet::new([192, 0, 2, host].into(), prefix).unwrap().trunc()
        });
        let (proto, port) = (proptest::option::of(6u8..8), proptest::option::of(1u16..3));
        (window, net, any::<bool>(), proto, port).prop_map(
            |(window, host, is_source, proto, port)| Case { window, host, is_source, proto, port },
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
            prop_assert_eq!(Cases::new(cases).matches(&flow, marked), twin);
        }
    }

    #[test]
    fn a_mark_counts_more_than_times() {
        let window = |start, seconds| Window::new(start, seconds);
        let case = Case {
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
        let hour = Case { window: window(0, 3600), ..case };
        assert!(hour.matches(&early, window(600, 600)));
    }
}
