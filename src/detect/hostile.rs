//! Tests that no input makes a detector panic, and that order and memory do not change its findings.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::play::{NOW, site};
use super::{Detector, Site, flood, paper, port, scan};
use crate::finding::Finding;
use crate::flow::Flow;
use crate::time::{End, Timestamp, Window};

/// Returns packets and bytes of an attempt, of larger traffic, and of records that no exporter should send.
fn counts() -> impl Strategy<Value = (u64, u64)> {
    let odd = || prop_oneof![Just(0), Just(1), Just(u32::MAX.into()), Just(u64::MAX), any::<u64>()];
    prop_oneof![
        4 => (1u64..4).prop_map(|n| (n, 40 * n)),
        3 => (1u64..100, 40u64..1500).prop_map(|(n, each)| (n, n * each)),
        1 => (odd(), odd()),
    ]
}

fn hosts() -> impl Strategy<Value = u32> {
    prop_oneof![
        // Inside, outside, private, multicast, broadcast and unspecified addresses.
        9 => (0u32..4).prop_map(|n| 0x0a01_0000 + n),
        9 => (0u32..4).prop_map(|n| 0xc633_6400 + n),
        1 => Just(0xc0a8_0001),
        1 => Just(0xe000_0005),
        1 => Just(u32::MAX),
        1 => Just(0),
    ]
}

fn ports() -> impl Strategy<Value = u16> {
    prop_oneof![
        Just(0),
        Just(22),
        Just(25),
        Just(53),
        Just(80),
        Just(123),
        Just(2048),
        Just(40_000),
        any::<u16>()
    ]
}

/// Returns times in and out of the window, in milliseconds; 0 for none.
fn times() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1u64..700_000, 1 => Just(0), 1 => Just(u64::MAX / 1_000_000), 1 => any::<u32>().prop_map(u64::from)]
}

/// Flows that differ in one column.
#[derive(Clone, Debug)]
struct Many {
    flow: Flow,
    count: u32,
    /// Bits 0 and 1: source, destination, source port or destination port varies. Bit 2: times vary too.
    varies: u8,
}

impl Many {
    fn flows(&self) -> impl Iterator<Item = Flow> {
        let Many { flow, count, varies } = self.clone();
        (0..count).map(move |n| {
            let step = |address: std::net::IpAddr| match address {
                std::net::IpAddr::V4(a) => u32::from(a).wrapping_add(n).to_be_bytes().into(),
                std::net::IpAddr::V6(a) => {
                    u128::from(a).wrapping_add(n.into()).to_be_bytes().into()
                }
            };
            let mut flow = flow;
            match varies & 3 {
                0 => flow.sip = step(flow.sip),
                1 => flow.dip = step(flow.dip),
                2 => flow.sport = flow.sport.wrapping_add(n as u16),
                _ => flow.dport = flow.dport.wrapping_add(n as u16),
            }
            if varies & 4 != 0 {
                let later = |time: Timestamp| time.offset(i64::from(n) * 500_000_000);
                (flow.start, flow.end) = (flow.start.map(later), flow.end.map(later));
            }
            flow
        })
    }

    /// Returns the other direction of each flow.
    fn answers(&self) -> impl Iterator<Item = Flow> {
        self.flows().map(|flow| Flow {
            sip: flow.dip,
            dip: flow.sip,
            sport: flow.dport,
            dport: flow.sport,
            ..flow
        })
    }
}

fn many() -> impl Strategy<Value = Vec<Flow>> {
    let proto =
        prop_oneof![4 => Just(6u8), 3 => Just(17), 1 => Just(1), 1 => Just(58), 1 => any::<u8>()];
    let of = ((hosts(), hosts()), (proto, ports(), ports()), counts(), (times(), times()));
    let more = (any::<bool>(), proptest::option::of(0u16..256), 0u32..3, (1u32..1200, any::<u8>()));
    (of, more).prop_map(|(of, (is_wide, flags, sif, (count, varies)))| {
        let ((sip, dip), (proto, sport, dport), (packets, octets), (start, end)) = of;
        let address = |host: u32| {
            if is_wide {
                ((0x2001_0db8u128 << 96) | u128::from(host)).to_be_bytes().into()
            } else {
                host.to_be_bytes().into()
            }
        };
        let time = |millis: u64| (millis > 0).then(|| Timestamp::from_millis(millis));
        let (sip, dip) = (address(sip), address(dip));
        let (start, end) = (time(start), time(end));
        let sampling = if varies & 8 != 0 && varies & 16 != 0 { 100 } else { 0 };
        let flow = Flow {
            sif,
            sip,
            dip,
            proto,
            sport,
            dport,
            packets,
            octets,
            flags,
            start,
            end,
            sampling,
            ..Flow::default()
        };
        let many = Many { flow, count, varies };
        if varies & 32 != 0 {
            many.flows().chain(many.answers()).collect()
        } else {
            many.flows().collect()
        }
    })
}

fn judge<D: Detector>(mut counter: D, pieces: &[&[Flow]], window: Option<Window>) -> Vec<Finding> {
    for piece in pieces {
        counter.add(piece).unwrap();
        if let Some(window) = window {
            counter.early(window, Duration::ZERO).unwrap();
        }
    }
    counter.judge(&End { window, ..End::default() }, NOW).unwrap().findings
}

/// Returns the findings of all detectors, with the paper's rules too.
fn all(memory: u64, live: bool, pieces: &[&[Flow]], window: Option<Window>) -> Vec<Vec<Finding>> {
    let site: Arc<Site> = site(memory);
    let outside_if: Arc<[u32]> = [2].into();
    let setup = Rc::new(flood::Setup { live, outside_if, ..flood::Setup::default() });
    vec![
        judge(scan::Scan::new(site.clone(), Rc::default()), pieces, window),
        judge(paper::PaperScan::new(site.clone(), paper::PaperScanRules::PAPER), pieces, window),
        judge(flood::Flood::new(site.clone(), setup), pieces, window),
        judge(paper::PaperFlood::new(site.clone(), paper::PaperFloodRules::PAPER), pieces, window),
        judge(port::Port::new(site.clone(), Rc::default()), pieces, window),
        judge(paper::PaperPort::new(site, paper::PaperPortRules::PAPER), pieces, window),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn neither_order_nor_memory_nor_looking_early_matters(
        kinds in proptest::collection::vec(many(), 1..6),
        seconds in prop_oneof![Just(None), Just(Some(1u32)), Just(Some(600)), Just(Some(86_400))],
    ) {
        let window = seconds.and_then(|seconds| Window::new(0, seconds));
        let flows: Vec<Flow> = kinds.concat();
        let plain = all(1 << 28, false, &[&flows], window);
        let pieces: Vec<&[Flow]> = kinds.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(&all(1 << 28, true, &pieces, window), &plain, "looked at early");
        let backwards: Vec<Flow> = flows.iter().rev().copied().collect();
        prop_assert_eq!(&all(0, false, &[&backwards], window), &plain, "in reverse order, without memory");
        for finding in plain.iter().flatten() {
            prop_assert!(finding.peer.len() <= crate::finding::MAX_PEERS && !finding.why.is_empty());
            prop_assert!(finding.flows > 0 || finding.packets > 0, "{:?}", finding);
        }
    }
}
