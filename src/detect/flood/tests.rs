//! Each class at its limit, innocents that come near, and what holds for all of them.

use std::rc::Rc;
use std::sync::Arc;

use super::{Flood, Memory, Setup};
use crate::detect::play::*;
use crate::detect::{Bounds, Counter, Detector};
use crate::finding::Finding;
use crate::flow::{Flow, TCP, UDP};
use crate::time::{End, Timestamp, Window};

fn window(n: u64) -> End {
    End { window: Window::new(n * 600, 600), ..End::default() }
}

fn judge_by(setup: Setup, end: &End, flows: &[Flow]) -> Vec<Finding> {
    let mut flood = Flood::new(site(1 << 30), Rc::new(setup));
    flood.add(flows).unwrap();
    flood.judge(end).unwrap().findings
}

fn judge(flows: &[Flow]) -> Vec<Finding> {
    judge_by(Setup::default(), &window(0), flows)
}

/// What is found with flags and on nine columns alike.
fn both(flows: &[Flow]) -> Vec<String> {
    let named = names(&judge(flows));
    assert_eq!(names(&judge(&nine(flows))), named, "nine columns say something else");
    named
}

const VICTIM: [u8; 4] = [10, 1, 1, 1];

/// So many SYNs of each of these hosts, from a port each.
fn syns(count: u32, from: impl Fn(u32) -> [u8; 4]) -> Vec<Flow> {
    let syn = |n: u32| Flow { sport: 1024 + (n % 60_000) as u16, ..ask(from(n), VICTIM, 80) };
    (0..count).map(syn).collect()
}

/// A datagram from a port, larger than a probe.
fn datagram(from: [u8; 4], sport: u16, to: [u8; 4], dport: u16, packets: u64) -> Flow {
    Flow { sport, packets, octets: packets * 1000, ..send(UDP, from, to, dport) }
}

#[test]
fn a_thousand_in_vain_are_a_flood_of_one_or_of_many() {
    assert_eq!(both(&syns(1000, |_| OUTSIDE)), ["dos 10.1.1.1 target"]);
    assert_eq!(both(&syns(999, |_| OUTSIDE)), [""; 0]);
    assert_eq!(both(&syns(1000, |n| theirs(n % 10))), ["ddos 10.1.1.1 target"]);
    assert_eq!(both(&syns(1000, |n| theirs(n % 9))), ["dos 10.1.1.1 target"]);
    // One of many has more than half.
    let heavy = |n| if n % 3 > 0 { OUTSIDE } else { theirs(n % 40) };
    assert_eq!(both(&syns(1500, heavy)), ["dos 10.1.1.1 target"]);
}

#[test]
fn two_hundred_in_a_minute_are_enough() {
    let at = |seconds: u64| {
        let flows = syns(200, |_| OUTSIDE).into_iter().enumerate();
        let start = |n: usize| Some(Timestamp::from_secs(60 + n as u64 * seconds / 200));
        let flows: Vec<Flow> = flows.map(|(n, flow)| Flow { start: start(n), ..flow }).collect();
        names(&judge(&flows))
    };
    assert_eq!(at(59), ["dos 10.1.1.1 target"]);
    assert_eq!(at(120), [""; 0]);
}

#[test]
fn records_of_one_connection_count_once() {
    let flows: Vec<Flow> = (0..3000).map(|_| ask(OUTSIDE, VICTIM, 80)).collect();
    assert_eq!(both(&flows), [""; 0]);
}

#[test]
fn a_crowd_that_is_served_is_none() {
    let refused = syns(1500, theirs);
    let served = |n: u32| {
        let [there, _] = talk(theirs(n), VICTIM, 443);
        let there = Flow { sport: 1024 + n as u16, ..there };
        [there, back(&there, 8, 4_000, 27)]
    };
    let crowd = |served_by: u32| -> Vec<Flow> {
        refused.iter().copied().chain((0..served_by).flat_map(served)).collect()
    };
    assert_eq!(both(&crowd(1600)), [""; 0]);
    assert_eq!(both(&crowd(1400)), ["ddos 10.1.1.1 target"]);
}

#[test]
fn a_scan_of_ports_and_its_resets_are_none() {
    let refused = |n: u32| {
        let syn = ask(OUTSIDE, VICTIM, 1 + n as u16);
        [syn, back(&syn, 1, 40, 20)]
    };
    assert_eq!(both(&(0..5000).flat_map(refused).collect::<Vec<_>>()), [""; 0]);
    let probe = |n: u32| send(UDP, OUTSIDE, VICTIM, 1 + n as u16);
    assert_eq!(both(&(0..5000).map(probe).collect::<Vec<_>>()), [""; 0]);
    // What is as large as a flood's is one.
    let large = |n: u32| datagram(OUTSIDE, 50_000, VICTIM, 1 + n as u16, 1);
    assert_eq!(both(&(0..5000).map(large).collect::<Vec<_>>()), ["dos 10.1.1.1 target"]);
}

#[test]
fn an_inside_attacker_has_a_line_of_his_own_over_all_victims() {
    let second = [192, 0, 2, 77];
    let mut flows: Vec<Flow> = syns(1200, |_| ours(9000)).into_iter().collect();
    flows.extend(syns(1500, |_| ours(9000)).into_iter().map(|f| Flow { dip: second.into(), ..f }));
    // Each makes less than a tenth.
    flows.extend(syns(100, |n| ours(9100 + n)));
    let findings = judge(&flows);
    assert_eq!(
        names(&findings),
        ["dos 10.1.35.40 source", "dos 192.0.2.77 target", "dos 10.1.1.1 target"]
    );
    let source = &findings[0];
    assert_eq!((source.flows, source.peers), (2700, 2));
    assert_eq!(source.why, "flows=1500,ofpct=100>=10");
}

#[test]
fn ten_reflectors_of_any_port_that_were_not_asked() {
    let answers = |sport: u16, count: u32| -> Vec<Flow> {
        (0..count).map(|n| datagram(theirs(n), sport, VICTIM, 40_000, 100)).collect()
    };
    for sport in [53, 161, 10_074, 60_001] {
        assert_eq!(both(&answers(sport, 10)), ["reflection 10.1.1.1 target"], "{sport}");
        assert_eq!(both(&answers(sport, 9)), [""; 0], "{sport}");
    }
    // Whom the host asked, from whatever port, it wants to hear.
    let asked = (0..2).flat_map(|n| reply(UDP, VICTIM, theirs(n), 53));
    let wanted: Vec<Flow> = answers(53, 15).into_iter().chain(asked).collect();
    assert_eq!(both(&wanted), [""; 0]);
    let small = |flow: &Flow| Flow { octets: flow.packets * 100, ..*flow };
    assert_eq!(both(&answers(53, 20).iter().map(small).collect::<Vec<_>>()), [""; 0]);
}

#[test]
fn answers_of_tcp_that_were_not_asked_for() {
    let answer = |n: u32| Flow {
        sport: 443,
        packets: 3,
        octets: 132,
        flags: Some(18),
        ..ask(theirs(n), VICTIM, 2000 + n as u16)
    };
    assert_eq!(both(&(0..400).map(answer).collect::<Vec<_>>()), ["reflection 10.1.1.1 target"]);
    assert_eq!(both(&(0..300).map(answer).collect::<Vec<_>>()), [""; 0]);
}

#[test]
fn a_network_is_carpeted_and_not_scanned() {
    let carpet = |hosts: u32, sources: u32| -> Vec<Flow> {
        let hit = |n: u32| datagram(theirs(n % sources), 40_000, ours(n % hosts), n as u16, 2);
        (0..1200).map(hit).collect()
    };
    assert_eq!(both(&carpet(200, 12)), ["carpet 10.1.0.0/24 target"]);
    assert_eq!(both(&carpet(19, 12)), [""; 0]);
    assert_eq!(both(&carpet(200, 9)), [""; 0], "a scan");
    // Two neighbours are one network.
    let mut two = carpet(200, 12);
    two.extend(carpet(200, 12).iter().map(|flow| {
        let std::net::IpAddr::V4(host) = flow.dip else { unreachable!() };
        Flow { dip: (u32::from(host) + 256).to_be_bytes().into(), ..*flow }
    }));
    assert_eq!(both(&two), ["carpet 10.1.0.0/23 target"]);
}

#[test]
fn one_of_ours_floods_another_and_an_upload_is_none() {
    let flood = Flow { packets: 1_200_000, ..datagram(INSIDE, 4000, OUTSIDE, 80, 1) };
    assert_eq!(both(&[flood]), ["outbound 10.7.7.7 source"]);
    assert_eq!(both(&[Flow { packets: 1_199_999, ..flood }]), [""; 0]);
    // A collector of logs among our own gets as much.
    assert_eq!(both(&[Flow { dip: ours(5).into(), ..flood }]), [""; 0]);
    assert_eq!(both(&[flood, back(&flood, 100, 4000, 0)]), [""; 0]);
}

#[test]
fn volume_takes_a_baseline_and_learns_nothing_from_a_flood() {
    let stream = |pps: u64| Flow {
        packets: pps * 600,
        octets: pps * 60_000,
        ..datagram(OUTSIDE, 4000, VICTIM, 9000, 1)
    };
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let named = |n: u64, pps: u64| {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(&[stream(pps)]).unwrap();
        names(&flood.judge(&window(n)).unwrap().findings)
    };
    assert_eq!(named(0, 5000), [""; 0], "nobody knows what is usual");
    (1..60).for_each(|n| assert_eq!(named(n, 300), [""; 0], "window {n}"));
    (60..80).for_each(|n| assert_eq!(named(n, 5000), ["volume 10.1.1.1 target"], "window {n}"));
    assert_eq!(named(80, 1900), [""; 0]);
}

#[test]
fn ours_from_outside_are_forged() {
    let from_outside = syns(1200, |n| ours(5000 + n)).into_iter().map(|f| Flow { sif: 7, ..f });
    let flows: Vec<Flow> = from_outside.collect();
    let marks = |outside_if: &[u32]| {
        let setup = Setup { outside_if: Arc::from(outside_if), ..Setup::default() };
        judge_by(setup, &window(0), &flows)[0].marks.clone()
    };
    assert_eq!(marks(&[7]), ["forged"]);
    assert_eq!(marks(&[8]), [""; 0]);
}

#[test]
fn a_site_has_limits_of_its_own() {
    let by = |limits: &str, flows: &[Flow]| {
        let setup = Setup { bounds: Bounds::parse(limits).unwrap(), ..Setup::default() };
        names(&judge_by(setup, &window(0), flows))
    };
    let some = syns(300, |_| OUTSIDE);
    assert_eq!(by("10.1.0.0/16,dos,300", &some), ["dos 10.1.1.1 target"]);
    assert_eq!(by("10.2.0.0/16,dos,300", &some), [""; 0]);
    assert_eq!(by("*,dos,off", &syns(3000, |_| OUTSIDE)), [""; 0]);
}

#[test]
fn neither_order_nor_memory_matter() {
    let mut flows = syns(3000, |n| ours(3000 + n % 7));
    flows.extend(syns(3000, theirs).iter().map(|f| Flow { dip: OUTSIDE.into(), ..*f }));
    flows.extend((0..40).map(|n| datagram(theirs(n), 53, ours(77), 40_000, 100)));
    flows.extend((0..1200).map(|n| datagram(theirs(n % 30), 9, ours(2048 + n % 99), n as u16, 2)));
    let expected = judge(&flows);
    assert!(expected.len() >= 9, "{:?}", names(&expected));
    let mut shuffled = flows.clone();
    shuffled.sort_by_key(|f| (u64::from(f.sport) * 2_654_435_761) % 1009);
    assert_eq!(judge(&shuffled), expected);
    let mut small = Flood::new(site(0), Rc::default());
    flows.chunks(777).for_each(|part| small.add(part).unwrap());
    assert_eq!(small.judge(&window(0)).unwrap().findings, expected);
    assert!(flows.iter().any(|f| f.proto == TCP));
}
