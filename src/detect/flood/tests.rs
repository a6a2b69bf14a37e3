//! Each class at its limit, harmless traffic that comes near it, and properties of all classes.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{Flood, Memory, Setup};
use crate::detect::play::*;
use crate::detect::{Detector, Site, SiteLimits};
use crate::finding::Finding;
use crate::flow::{Flow, TCP, UDP};
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

mod answers;
mod field;
mod rates;
mod sampled;

fn window(n: u64) -> End {
    End { window: Window::new(n * 600, 600), ..End::default() }
}

fn judge_by(setup: Setup, end: &End, flows: &[Flow]) -> Vec<Finding> {
    let mut flood = Flood::new(site(1 << 30), Rc::new(setup));
    flood.add(flows).unwrap();
    flood.judge(end, NOW).unwrap().findings
}

fn judge(flows: &[Flow]) -> Vec<Finding> {
    judge_by(Setup::default(), &window(0), flows)
}

/// Returns the findings, which must be the same with all columns and with nine.
fn both(flows: &[Flow]) -> Vec<String> {
    let named = names(&judge(flows));
    assert_eq!(names(&judge(&nine(flows))), named, "other findings from nine columns");
    named
}

const VICTIM: [u8; 4] = [10, 1, 1, 1];

/// Returns `count` SYNs to the victim, each from the host that `from` gives and from a port of its own.
fn syns(count: u32, from: impl Fn(u32) -> [u8; 4]) -> Vec<Flow> {
    let syn = |n: u32| Flow { sport: 1024 + (n % 60_000) as u16, ..ask(from(n), VICTIM, 80) };
    (0..count).map(syn).collect()
}

/// Returns a flow of `packets` datagrams that are larger than a probe.
fn datagram(from: [u8; 4], sport: u16, to: [u8; 4], dport: u16, packets: u64) -> Flow {
    Flow { sport, packets, octets: packets * 1000, ..send(UDP, from, to, dport) }
}

#[test]
fn a_thousand_failed_attempts_are_dos_or_ddos() {
    assert_eq!(both(&syns(1000, |_| OUTSIDE)), ["dos 10.1.1.1 target"]);
    assert_eq!(both(&syns(999, |_| OUTSIDE)), [""; 0]);
    assert_eq!(both(&syns(1000, |n| theirs(n % 10))), ["ddos 10.1.1.1 target"]);
    assert_eq!(both(&syns(1000, |n| theirs(n % 9))), ["dos 10.1.1.1 target"]);
    // One of many sources has more than half.
    let heavy = |n| if n % 3 > 0 { OUTSIDE } else { theirs(n % 40) };
    assert_eq!(both(&syns(1500, heavy)), ["dos 10.1.1.1 target"]);
}

#[test]
fn two_hundred_attempts_in_a_minute_are_enough() {
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
fn a_collector_that_answers_nothing_is_not_flooded() {
    let logs = |from: fn(u32) -> [u8; 4], count| -> Vec<Flow> {
        (0..count).map(|n| datagram(from(n + 9), 40_000, ours(1), 514, 50)).collect()
    };
    assert_eq!(both(&logs(ours, 3000)), [""; 0]);
    let flood = |count| -> Vec<Flow> {
        let bot = |n: u32| datagram(theirs(n), 40_000 + n as u16, ours(1), 514, 50);
        (0..count).map(bot).collect()
    };
    assert_eq!(both(&flood(1000)), ["ddos 10.1.0.1 target"]);
    assert_eq!(both(&flood(999)), [""; 0]);
}

#[test]
fn records_of_one_connection_are_one_attempt() {
    let flows: Vec<Flow> = (0..3000).map(|_| ask(OUTSIDE, VICTIM, 80)).collect();
    assert_eq!(both(&flows), [""; 0]);
}

#[test]
fn a_flash_crowd_that_is_mostly_served_is_no_flood() {
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
fn a_port_scan_is_no_flood() {
    let refused = |n: u32| {
        let syn = ask(OUTSIDE, VICTIM, 1 + n as u16);
        [syn, back(&syn, 1, 40, 20)]
    };
    assert_eq!(both(&(0..5000).flat_map(refused).collect::<Vec<_>>()), [""; 0]);
    let probe = |n: u32| send(UDP, OUTSIDE, VICTIM, 1 + n as u16);
    assert_eq!(both(&(0..5000).map(probe).collect::<Vec<_>>()), [""; 0]);
    // Datagrams as large as a flood's are a flood.
    let large = |n: u32| datagram(OUTSIDE, 50_000, VICTIM, 1 + n as u16, 1);
    assert_eq!(both(&(0..5000).map(large).collect::<Vec<_>>()), ["dos 10.1.1.1 target"]);
}

#[test]
fn an_inside_attacker_has_one_finding_over_all_victims() {
    let second = [192, 0, 2, 77];
    let mut flows: Vec<Flow> = syns(1200, |_| ours(9000)).into_iter().collect();
    let more = syns(1500, |_| ours(9000)).into_iter();
    flows.extend(more.map(|f| Flow { dip: second.into(), ..f }));
    // Each of these makes less than a tenth of the flood.
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
fn floods_of_any_protocol_are_found() {
    let gre = |from: fn(u32) -> [u8; 4]| -> Vec<Flow> {
        (0..1_500).map(|n| Flow { sport: 0, dport: 0, ..send(47, from(n), VICTIM, 0) }).collect()
    };
    let found = judge(&gre(theirs));
    assert_eq!(names(&found), ["ddos 10.1.1.1 target"]);
    assert_eq!((found[0].proto, found[0].port), (Some(47), None));
    // A tunnel has traffic in both directions.
    let both_ways = gre(theirs).into_iter().flat_map(|f| {
        let answer = Flow { sip: f.dip, dip: f.sip, ..f };
        [f, answer]
    });
    assert_eq!(names(&judge(&both_ways.collect::<Vec<_>>())), [""; 0]);
    assert_eq!(names(&judge(&gre(|_| OUTSIDE))), [""; 0], "two hosts have one conversation");
}

#[test]
fn reflection_is_ten_unasked_sources_of_one_port() {
    let answers = |sport: u16, count: u32| -> Vec<Flow> {
        (0..count).map(|n| datagram(theirs(n), sport, VICTIM, 40_000, 100)).collect()
    };
    for sport in [53, 161, 10_074, 60_001] {
        assert_eq!(both(&answers(sport, 10)), ["reflection 10.1.1.1 target"], "{sport}");
        assert_eq!(both(&answers(sport, 9)), [""; 0], "{sport}");
    }
    // Answers are wanted from sources that the host asked, from any port.
    let asked = (0..2).flat_map(|n| reply(UDP, VICTIM, theirs(n), 53));
    let wanted: Vec<Flow> = answers(53, 15).into_iter().chain(asked).collect();
    assert_eq!(both(&wanted), [""; 0]);
    let small = |sport: u16| -> Vec<String> {
        let small = |flow: &Flow| Flow { octets: flow.packets * 100, ..*flow };
        both(&answers(sport, 20).iter().map(small).collect::<Vec<_>>())
    };
    assert_eq!(small(10_074), [""; 0]);
    assert_eq!(
        small(53),
        ["reflection 10.1.1.1 target"],
        "a known service, with answers of any size"
    );
}

#[test]
fn unsolicited_syn_acks_are_reflection() {
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
fn a_carpet_has_twenty_hosts_and_ten_sources() {
    let carpet = |hosts: u32, sources: u32| -> Vec<Flow> {
        let hit = |n: u32| datagram(theirs(n % sources), 40_000, ours(n % hosts), n as u16, 2);
        (0..1200).map(hit).collect()
    };
    assert_eq!(both(&carpet(200, 12)), ["carpet 10.1.0.0/24 target"]);
    assert_eq!(both(&carpet(19, 12)), [""; 0]);
    assert_eq!(both(&carpet(200, 9)), [""; 0], "a scan");
    // Two neighbouring networks are one finding.
    let mut two = carpet(200, 12);
    two.extend(carpet(200, 12).iter().map(|flow| {
        let std::net::IpAddr::V4(host) = flow.dip else { unreachable!() };
        Flow { dip: (u32::from(host) + 256).to_be_bytes().into(), ..*flow }
    }));
    assert_eq!(both(&two), ["carpet 10.1.0.0/23 target"]);
}

#[test]
fn outbound_is_an_unanswered_stream_to_the_outside() {
    let flood = Flow { packets: 1_200_000, ..datagram(INSIDE, 4000, OUTSIDE, 80, 1) };
    assert_eq!(both(&[flood]), ["outbound 10.7.7.7 source"]);
    assert_eq!(judge(&[flood])[0].port, Some(flood.dport), "the port that is attacked");
    assert_eq!(both(&[Flow { packets: 1_199_999, ..flood }]), [""; 0]);
    // An inside collector of logs gets as much.
    assert_eq!(both(&[Flow { dip: ours(5).into(), ..flood }]), [""; 0]);
    assert_eq!(both(&[flood, back(&flood, 100, 4000, 0)]), [""; 0]);
}

#[test]
fn volume_needs_a_baseline_and_does_not_learn_from_a_flood() {
    let stream = |pps: u64| Flow {
        packets: pps * 600,
        octets: pps * 60_000,
        ..datagram(OUTSIDE, 4000, VICTIM, 9000, 1)
    };
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let named = |n: u64, pps: u64| {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(&[stream(pps)]).unwrap();
        names(&flood.judge(&window(n), NOW).unwrap().findings)
    };
    assert_eq!(named(0, 5000), [""; 0], "no baseline yet");
    (1..60).for_each(|n| assert_eq!(named(n, 300), [""; 0], "window {n}"));
    (60..80).for_each(|n| assert_eq!(named(n, 5000), ["volume 10.1.1.1 target"], "window {n}"));
    assert_eq!(named(80, 1900), [""; 0]);
}

#[test]
fn inside_sources_at_an_outside_interface_are_forged() {
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
fn site_limits_replace_the_defaults() {
    let by = |limits: &str, flows: &[Flow]| {
        let setup = Setup { limits: SiteLimits::parse(limits).unwrap(), ..Setup::default() };
        names(&judge_by(setup, &window(0), flows))
    };
    let some = syns(300, |_| OUTSIDE);
    assert_eq!(by("10.1.0.0/16,dos,300", &some), ["dos 10.1.1.1 target"]);
    assert_eq!(by("10.2.0.0/16,dos,300", &some), [""; 0]);
    assert_eq!(by("*,dos,off", &syns(3000, |_| OUTSIDE)), [""; 0]);
}

#[test]
fn neither_order_nor_memory_changes_findings() {
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
    assert_eq!(small.judge(&window(0), NOW).unwrap().findings, expected);
    assert!(flows.iter().any(|f| f.proto == TCP));
}

#[test]
fn failed_requests_of_inside_programs_count_from_five_times_the_limit() {
    let from = |from: fn(u32) -> [u8; 4], to, count: u32| -> Vec<Flow> {
        let port = |n| Flow { sport: 1024 + n as u16, ..send(UDP, from(n), to, 53) };
        (0..count).map(port).collect()
    };
    let resolver = |count| both(&from(|_| INSIDE, OUTSIDE, count));
    assert_eq!(resolver(4_999), [""; 0]);
    assert_eq!(resolver(5_000), ["dos 10.7.7.7 source", "dos 192.0.2.9 target"]);
    assert_eq!(
        both(&from(|n| ours(n % 5), VICTIM, 4_999)),
        [""; 0],
        "inside hosts that send to a collector"
    );
    let alone = both(&from(|_| INSIDE, VICTIM, 1_000));
    assert_eq!(alone, ["dos 10.1.1.1 target", "dos 10.7.7.7 source"]);
    assert_eq!(both(&syns(1_000, |_| INSIDE)), ["dos 10.1.1.1 target", "dos 10.7.7.7 source"]);
    // Mail servers that retry a server that is gone.
    let relays = |count: u32, relays: u32| -> Vec<Flow> {
        let ask = |n: u32| Flow { sport: 1024 + n as u16, ..ask(ours(n % relays), OUTSIDE, 25) };
        (0..count).map(ask).collect()
    };
    assert_eq!(both(&relays(4_999, 3)), [""; 0]);
    assert_eq!(both(&relays(5_000, 3)).len(), 4, "a target and three sources");
    assert_eq!(both(&relays(1_000, 1)).len(), 2);
    // Such requests do not hide a flood from outside.
    let mixed = |theirs_too: u32| -> Vec<Flow> {
        from(|n| ours(n % 50), VICTIM, 4_000)
            .into_iter()
            .chain(syns(theirs_too, |_| OUTSIDE))
            .collect()
    };
    assert_eq!(both(&mixed(999)), [""; 0]);
    assert_eq!(both(&mixed(1_000)), ["ddos 10.1.1.1 target"]);
}

#[test]
fn inside_health_checks_are_no_flood() {
    let check = |from: [u8; 4], flags: u16| -> Vec<Flow> {
        let check = |n: u32| {
            let there =
                Flow { flags: Some(flags), sport: 2000 + n as u16, ..ask(from, VICTIM, 80) };
            [there, back(&there, 1, 44, 18)]
        };
        (0..3000).flat_map(check).collect()
    };
    for closed in [19, 22] {
        assert_eq!(names(&judge(&check(INSIDE, closed))), [""; 0], "{closed}");
    }
    let flooded = names(&judge(&check(INSIDE, 2)));
    assert_eq!(flooded, ["dos 10.1.1.1 target", "dos 10.7.7.7 source"]);
    assert_eq!(names(&judge(&check(OUTSIDE, 22))), ["dos 10.1.1.1 target"]);
}

#[test]
fn many_port_scans_together_are_a_flood_of_random_ports() {
    let all = |sources: u32, each: u32, port: fn(u32, u32) -> u32| -> Vec<Flow> {
        let ask = |s: u32, n: u32| Flow {
            sport: 2000 + n as u16,
            ..ask(theirs(s), VICTIM, (1 + port(s, n) % 60_000) as u16)
        };
        (0..sources).flat_map(|s| (0..each).map(move |n| ask(s, n))).collect()
    };
    let random = |s, n| (s * 7919 + n * 104_729) % 60_000;
    assert_eq!(both(&all(60, 90, random)), ["ddos 10.1.1.1 target"]);
    assert_eq!(both(&all(9, 600, random)), [""; 0], "few sources");
    assert_eq!(both(&all(50, 90, random)), [""; 0], "too few attempts");
    assert_eq!(both(&all(12, 1000, |_, n| n)), [""; 0], "nmap -D");
}

#[test]
fn unsolicited_answers_are_attempts_of_a_flood() {
    let answers = |count: u32, proto: u8, flags: u8, sport: fn(u32) -> u32| -> Vec<Flow> {
        let answer = |n: u32| Flow {
            sport: sport(n) as u16,
            packets: 20,
            octets: 20 * 40,
            flags: Some(flags.into()).filter(|_| proto == TCP),
            ..send(proto, theirs(n), VICTIM, 20_000 + (n % 40_000) as u16)
        };
        (0..count).map(answer).collect()
    };
    let resets = answers(1200, TCP, 4, |n| 1 + n % 60_000);
    assert_eq!(names(&judge(&resets)), ["ddos 10.1.1.1 target"]);
    let accepted = answers(1200, TCP, 18, |n| 1 + n % 60_000);
    assert_eq!(names(&judge(&accepted)), ["ddos 10.1.1.1 target"]);
    // The ends of connections that were opened before the window.
    assert_eq!(names(&judge(&answers(1200, TCP, 25, |_| 443))), [""; 0]);
    let forged = answers(1200, UDP, 0, |_| 137);
    assert_eq!(names(&judge(&forged)), ["reflection 10.1.1.1 target"]);
}

#[test]
fn answers_from_another_port_are_answers() {
    // TFTP sends each file from a new port.
    let tftp = |n: u32| {
        let (client, port) = (theirs(n % 100), 30_000 + n as u16);
        let data = |from, to, sport, dport, packets| Flow {
            sport,
            packets,
            octets: packets * 500,
            ..send(UDP, from, to, dport)
        };
        [
            data(client, VICTIM, port, 69, 1),
            data(VICTIM, client, 40_000 + (n % 20_000) as u16, port, 3),
            data(client, VICTIM, port, 40_000 + (n % 20_000) as u16, 3),
        ]
    };
    assert_eq!(both(&(0..3000).flat_map(tftp).collect::<Vec<_>>()), [""; 0]);
    // A tunnel uses a port for each flow inside it, in one direction only.
    let vxlan = |n: u32| {
        let one = |from, to, port| Flow { sport: port, packets: 3, ..send(UDP, from, to, 4789) };
        let port = 49_152 + (n % 16_000) as u16;
        [one(OUTSIDE, VICTIM, port), one(VICTIM, OUTSIDE, port ^ 0x1234)]
    };
    let tunnel: Vec<Flow> = (0..3000).flat_map(vxlan).collect();
    assert_eq!(both(&tunnel), [""; 0]);
    // A host that hardly answers is flooded.
    let there = tunnel.iter().filter(|flow| flow.sip == std::net::IpAddr::from(OUTSIDE)).copied();
    let flows: Vec<Flow> =
        there.chain(tunnel.iter().copied().skip(1).step_by(2).take(200)).collect();
    assert_eq!(both(&flows), ["dos 10.1.1.1 target"]);
}

#[test]
fn a_source_of_two_protocols_counts_once() {
    let mut flows = syns(1200, |n| theirs(n % 6));
    flows.extend((0..600).map(|n| datagram(theirs(n % 6), 1024 + n as u16, VICTIM, 80, 1)));
    let findings = judge(&flows);
    assert_eq!(names(&findings), ["dos 10.1.1.1 target"]);
    assert_eq!((findings[0].peers, findings[0].flows), (6, 1800));
}

#[test]
fn one_sampled_flow_does_not_make_the_window_sampled() {
    let mut flows = syns(300, |n| theirs(n % 60));
    flows.push(Flow { sampling: 1000, ..ask(OUTSIDE, ours(4), 80) });
    assert_eq!(names(&judge(&flows)), [""; 0]);
    let sampled: Vec<Flow> = flows.iter().map(|flow| Flow { sampling: 1000, ..*flow }).collect();
    assert_eq!(names(&judge(&sampled)), ["ddos 10.1.1.1 target"]);
}

#[test]
fn flows_of_many_gigabytes_are_counted() {
    let flood = Flow { octets: 75_000_000_000, ..datagram(INSIDE, 4000, OUTSIDE, 80, 50_000_000) };
    let octets = judge(&[flood])[0].octets;
    assert!((74_999_990_000..=75_000_000_000).contains(&octets), "{octets}");
}

#[test]
fn a_host_without_earlier_traffic_has_a_baseline_of_zero() {
    let stream = |to, pps: u64| Flow {
        packets: pps * 600,
        octets: pps * 60_000,
        ..datagram(OUTSIDE, 4000, to, 9000, 1)
    };
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let named = |window: &End, flows: &[Flow]| {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(flows).unwrap();
        names(&flood.judge(window, NOW).unwrap().findings)
    };
    let quiet = [stream(VICTIM, 300)];
    // Nothing is learned from a window that is years ahead.
    let ahead = End { window: Window::new(18_000_000_000 / 600 * 600, 600), ..End::default() };
    assert_eq!(named(&ahead, &quiet), [""; 0]);
    (0..40).for_each(|n| assert_eq!(named(&window(n), &quiet), [""; 0], "window {n}"));
    let new = [stream(VICTIM, 300), stream(ours(9), 5000)];
    (40..90).for_each(|n| assert_eq!(named(&window(n), &new), ["volume 10.1.0.9 target"], "{n}"));
}

/// Returns `a_second` SYNs to the victim in each of these seconds, and an ordinary conversation a second for
/// the clock.
fn at(seconds: std::ops::Range<u64>, a_second: u32) -> Vec<Flow> {
    let at = |second: u64, flow: Flow| Flow {
        start: Some(Timestamp::from_secs(second)),
        end: Some(Timestamp::from_secs(second)),
        ..flow
    };
    let second = |n: u64| {
        let port = move |k: u32| 1024 + (n as u32 * a_second + k) as u16;
        let syn = move |k| Flow { sport: port(k), ..ask(OUTSIDE, VICTIM, 80) };
        let talk = talk(theirs(n as u32), ours(9), 443);
        (0..a_second).map(syn).chain(talk).map(move |flow| at(n, flow))
    };
    seconds.flat_map(second).collect()
}

/// Returns the early findings, each with the number of the piece of input that it follows, and the findings at
/// the window's end.
fn live(setup: Setup, pieces: &[Vec<Flow>]) -> (Vec<(usize, Finding)>, Vec<Finding>) {
    let setup = Rc::new(Setup { live: true, ..setup });
    let mut flood = Flood::new(site(1 << 30), setup);
    let mut early = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        flood.add(piece).unwrap();
        let found = flood.early(window(0).window.unwrap(), Duration::ZERO).unwrap();
        early.extend(found.into_iter().map(|finding| (n, finding)));
    }
    (early, flood.judge(&window(0), NOW).unwrap().findings)
}

/// Returns the input in pieces of a second.
fn seconds(count: u64, piece: impl Fn(u64) -> Vec<Flow>) -> Vec<Vec<Flow>> {
    (0..count).map(piece).collect()
}

#[test]
fn a_flood_is_reported_early_once_and_again_at_the_end() {
    let play = |a_second: u32| seconds(600, |n| at(n..n + 1, if n >= 100 { a_second } else { 0 }));
    let (early, end) = live(Setup::default(), &play(10));
    // 200 attempts in the minute that ends at 120 s. Eight flows after a slice's end end it.
    let [(when, finding)] = early.as_slice() else { panic!("{early:?}") };
    assert_eq!(
        (*when, finding.flows, finding.why.as_str()),
        (120, 210, "minute=200>=200,unansweredpct=100>=50")
    );
    assert_eq!(finding.window, window(0).window);
    assert_eq!(names(&end), ["dos 10.1.1.1 target"]);
    assert_eq!(end[0].flows, 5000);
    // A slow flood: no minute has enough attempts, but the window has.
    let (early, _) = live(Setup::default(), &play(3));
    let [(when, finding)] = early.as_slice() else { panic!("{early:?}") };
    assert!(
        (433..445).contains(when) && (1000..1040).contains(&finding.flows),
        "{when} {finding:?}"
    );
    let (early, end) = live(Setup::default(), &play(2));
    assert!(early.is_empty(), "the last slice is the window's end: {early:?}");
    assert_eq!(names(&end), ["dos 10.1.1.1 target"]);
}

#[test]
fn early_findings_do_not_change_those_at_the_end() {
    let pieces = seconds(600, |n| {
        let mut flows = at(n..n + 1, (n % 7) as u32);
        flows
            .extend(at(n..n + 1, 1).into_iter().map(|flow| Flow { dip: theirs(5).into(), ..flow }));
        flows
    });
    let (early, end) = live(Setup::default(), &pieces);
    assert!(!early.is_empty());
    assert_eq!(end, judge(&pieces.concat()));
}

#[test]
fn a_busy_server_that_fails_for_a_minute_is_not_reported() {
    // 40 conversations a second succeed all the time, and 30 a second fail for a minute.
    let served = |n: u64| {
        let talk = |k: u32| talk(theirs(n as u32 * 40 + k), VICTIM, 80);
        let mut flows: Vec<Flow> = (0..40).flat_map(talk).collect();
        let stamp = Some(Timestamp::from_secs(n));
        flows.iter_mut().for_each(|flow| (flow.start, flow.end) = (stamp, stamp));
        flows.extend(at(n..n + 1, if (300..360).contains(&n) { 30 } else { 0 }));
        flows
    };
    let (early, end) = live(Setup::default(), &seconds(600, served));
    assert!(early.is_empty() && end.is_empty(), "{early:?}");
}

/// Returns the flows with their times set to this second.
fn stamped(second: u64, flows: impl IntoIterator<Item = Flow>) -> Vec<Flow> {
    let time = Some(Timestamp::from_secs(second));
    flows.into_iter().map(|flow| Flow { start: time, end: time, ..flow }).collect()
}

#[test]
fn conversations_served_in_earlier_slices_count() {
    // One conversation a second succeeds, and at the end 300 fail.
    let play = |serves: bool| {
        seconds(530, move |n| {
            let served = talk(theirs(n as u32), VICTIM, 80);
            let mut flows = stamped(n, served.into_iter().filter(|_| serves));
            flows.extend(at(n..n + 1, if (512..518).contains(&n) { 50 } else { 0 }));
            flows
        })
    };
    let (early, _) = live(Setup::default(), &play(true));
    assert!(early.is_empty(), "{early:?}");
    let (early, _) = live(Setup::default(), &play(false));
    assert_eq!(early.len(), 1, "{early:?}");
}

#[test]
fn a_server_whose_answers_are_missing_or_late_is_not_reported_early() {
    // A name server whose answers are not exported, or come 25 seconds after the requests.
    let request = |n: u32| Flow { sport: 1024 + n as u16, ..send(UDP, theirs(n), VICTIM, 53) };
    let rows = |n: u64| (0..60).map(move |k| request(n as u32 * 60 + k));
    let oneway = seconds(300, |n| stamped(n, rows(n)));
    assert_eq!(live(Setup::default(), &oneway).0, []);
    let late = seconds(300, |n| {
        let answers = rows(n.saturating_sub(25)).map(|flow| back(&flow, 1, 200, 0));
        let answers = answers.filter(|_| n >= 25);
        stamped(n, rows(n).chain(answers))
    });
    let (early, end) = live(Setup::default(), &late);
    assert_eq!(names(&early.into_iter().map(|(_, finding)| finding).collect::<Vec<_>>()), [""; 0]);
    assert_eq!(names(&end), [""; 0]);
}

#[test]
fn records_of_one_stream_are_one_attempt_over_all_slices() {
    // Unanswered streams with a record a second: the packets add up, the conversations do not.
    let piece = |n: u64| {
        let stamp = Some(Timestamp::from_secs(n));
        let of =
            |port| Flow { start: stamp, end: stamp, ..datagram(OUTSIDE, 5_000, VICTIM, port, 10) };
        let mut flows: Vec<Flow> = (0..8).map(|n| of(6_000 + n)).collect();
        flows.extend(at(n..n + 1, 0));
        flows
    };
    let (early, end) = live(Setup::default(), &seconds(600, piece));
    assert!(early.is_empty() && end.is_empty(), "{early:?}");
}

#[test]
fn reflection_and_carpets_are_reported_early() {
    let stamp = |n: u64, flow: Flow| {
        let time = Some(Timestamp::from_secs(n));
        Flow { start: time, end: time, ..flow }
    };
    let reflected = |n: u64| {
        let answer = |k: u32| datagram(theirs(n as u32 * 3 + k), 123, VICTIM, 80, 3);
        let mut flows: Vec<Flow> = (0..3).map(|k| stamp(n, answer(k))).collect();
        flows.extend(at(n..n + 1, 0));
        flows
    };
    let (early, _) = live(Setup::default(), &seconds(200, reflected));
    let [(when, finding)] = early.as_slice() else { panic!("{early:?}") };
    assert_eq!((*when, finding.class.as_str(), finding.packets), (111, "reflection", 1008));
    let carpet = |n: u64| {
        let to = |k: u32| ours((n as u32 * 20 + k) % 250);
        let hit = |k| datagram(theirs(n as u32 * 20 + k), 7_000 + k as u16, to(k), 80, 1);
        let mut flows: Vec<Flow> = (0..20).map(|k| stamp(n, hit(k))).collect();
        flows.extend(at(n..n + 1, 0));
        flows
    };
    let (early, _) = live(Setup::default(), &seconds(200, carpet));
    let [(when, finding)] = early.as_slice() else { panic!("{early:?}") };
    assert_eq!((*when, finding.class.as_str()), (100, "carpet"));
    assert!(finding.packets >= 2000 && finding.packets < 2300, "{finding:?}");
}

#[test]
fn exporters_with_a_wrong_clock_do_not_end_slices() {
    // One exporter is a month ahead, and one a month behind.
    let wrong = |n: u64| {
        let mut flows = at(n..n + 1, 10);
        let month = |from: i64| {
            let talk = talk(theirs(n as u32), ours(3), 443);
            talk.map(|flow| {
                let time = Timestamp::from_secs(5_000_000 + n).offset(from * 1_000_000_000);
                Flow { start: Some(time), end: Some(time), ..flow }
            })
        };
        flows.extend(month(2_600_000).into_iter().chain(month(-2_600_000)));
        flows
    };
    let (early, _) = live(Setup::default(), &seconds(100, wrong));
    assert_eq!(early.len(), 1);
    assert!((20..=32).contains(&early[0].0), "{early:?}");
    // Without times nothing is reported early.
    let (early, end) = live(Setup::default(), &seconds(100, |n| nine(&at(n..n + 1, 10))));
    assert_eq!((early.len(), end.len()), (0, 1));
}

#[test]
fn explain_shows_an_attacker() {
    let all = [syns(1500, |n| if n % 3 == 0 { INSIDE } else { theirs(n) })].concat();
    let seen = |host: [u8; 4]| {
        let site = Site { explain: Some(host.into()), ..(*site(1 << 30)).clone() };
        let mut flood = Flood::new(Arc::new(site), Rc::default());
        flood.add(&all).unwrap();
        let seen = flood.judge(&window(0), NOW).unwrap().seen;
        seen.into_iter().map(|s| (s.of, s.value, s.limit.passes(s.value))).collect::<Vec<_>>()
    };
    assert_eq!(seen(INSIDE), [("ddos source".to_owned(), 33, true)]);
    assert_eq!(seen(theirs(1)), [("ddos source".to_owned(), 0, false)]);
    assert_eq!(seen(ours(77)), []);
    assert!(seen(VICTIM).len() > 4);
}
