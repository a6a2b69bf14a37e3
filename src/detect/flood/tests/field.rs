//! Floods that were missed in the field, and hosts that were accused there.

use super::*;
use crate::flow::ICMP;

/// The flags of a connection that is opened, acknowledged and reset.
const SYN_ACK_RST: u16 = 0x16;

/// Returns honest connections, so that both directions count as exported.
fn base() -> Vec<Flow> {
    (0..40)
        .flat_map(|n| {
            let there =
                Flow { packets: 12, octets: 1200, flags: Some(27), ..ask(ours(n), theirs(n), 443) };
            [there, back(&there, 14, 9_000, 27)]
        })
        .collect()
}

fn named(flows: &[Flow]) -> Vec<String> {
    names(&judge(&[base(), flows.to_vec()].concat()))
}

#[test]
fn a_conversation_of_syns_or_echo_requests_counts_by_its_packets() {
    let syns = |packets| Flow { packets, octets: packets * 40, ..ask(OUTSIDE, VICTIM, 80) };
    assert_eq!(named(&[syns(7000)]), ["dos 10.1.1.1 target"]);
    assert_eq!(named(&[syns(6999)]), [""; 0]);
    let echo =
        |packets| Flow { packets, octets: packets * 84, ..send(ICMP, OUTSIDE, VICTIM, 2048) };
    assert_eq!(named(&[echo(7000)]), ["dos 10.1.1.1 target"]);
    assert_eq!(named(&[echo(6999)]), [""; 0]);
    // A host that answers each request is flooded too; a monitor's are fewer.
    let answered = |packets| [echo(packets), back(&echo(packets), packets, packets * 84, 0)];
    assert_eq!(named(&answered(60_000)), ["dos 10.1.1.1 target"]);
    assert_eq!(named(&answered(59_999)), [""; 0]);
    // Data is no attempt, however much of it there is.
    let data = Flow { flags: Some(24), octets: 7_000_000, ..syns(7000) };
    assert_eq!(named(&[data]), [""; 0]);
}

#[test]
fn a_service_that_is_checked_is_not_flooded() {
    // Each check is opened, acknowledged and reset, as a balancer does.
    let checks = |sources: u32, a_second: u32, flags: u16| -> Vec<Flow> {
        let check = |n: u32| {
            let start = Some(Timestamp::from_millis(6_000_000 + u64::from(n * 1000 / a_second)));
            let from = theirs(n % sources);
            let ports = (20_000 + n as u16, 8000 + (n / sources % 5) as u16);
            let syn = ask(from, VICTIM, ports.1);
            let there =
                Flow { sport: ports.0, packets: 2, octets: 112, flags: Some(flags), start, ..syn };
            [there, back(&there, 1, 60, 18)]
        };
        (0..600 * a_second).flat_map(check).collect()
    };
    let acknowledged = SYN_ACK_RST;
    assert_eq!(named(&checks(1, 10, acknowledged)), [""; 0], "two a second at each of five ports");
    assert_eq!(named(&checks(1, 11, acknowledged)), ["dos 10.1.1.1 target"]);
    assert_eq!(named(&checks(9, 18, acknowledged)), [""; 0]);
    assert_eq!(named(&checks(10, 20, acknowledged)), ["ddos 10.1.1.1 target"]);
    // The reset of a SYN+ACK that nobody asked for acknowledges nothing.
    assert_eq!(named(&checks(1, 10, 6)), ["dos 10.1.1.1 target"]);
}

#[test]
fn what_a_host_serves_by_tcp_does_not_hide_a_flood_by_udp() {
    let served = |n: u32| {
        let there = Flow { sport: 2000 + n as u16, ..talk(theirs(n % 90), VICTIM, 443)[0] };
        [there, back(&there, 8, 4_000, 27)]
    };
    let busy: Vec<Flow> = (0..4000).flat_map(served).collect();
    let flood: Vec<Flow> =
        (0..1000).map(|n| datagram(theirs(n), 4000 + n as u16, VICTIM, 53, 300)).collect();
    assert_eq!(named(&busy), [""; 0]);
    assert_eq!(named(&[busy.clone(), flood].concat()), ["ddos 10.1.1.1 target"]);
    // By the same protocol it is a small part of what the host does.
    let refused = super::syns(1000, theirs);
    assert_eq!(named(&[busy, refused].concat()), [""; 0]);
}

#[test]
fn large_datagram_streams_of_an_inside_host_count_from_a_thousand_on() {
    let streams = |count: u32, from: [u8; 4], to: [u8; 4]| -> Vec<Flow> {
        (0..count).map(|n| datagram(from, 1024 + n as u16, to, 80, 10)).collect()
    };
    let found = named(&streams(5000, INSIDE, OUTSIDE));
    assert_eq!(found, ["dos 10.7.7.7 source", "dos 192.0.2.9 target"]);
    assert_eq!(
        named(&streams(1001, INSIDE, VICTIM)),
        ["dos 10.1.1.1 target", "dos 10.7.7.7 source"]
    );
    assert_eq!(named(&streams(1000, INSIDE, VICTIM)), [""; 0]);
    // Or 200 in a minute, of hosts with several each.
    let burst = |count: u32, sources: u32| -> Vec<Flow> {
        let at = Some(Timestamp::from_secs(6000));
        let stream = |n: u32| datagram(ours(1000 + n % sources), 1024 + n as u16, VICTIM, 80, 10);
        (0..count).map(|n| Flow { start: at, ..stream(n) }).collect()
    };
    assert_eq!(named(&burst(1000, 20)), ["ddos 10.1.1.1 target"]);
    assert_eq!(named(&burst(900, 900)), [""; 0], "hosts that send logs to a collector");
}

#[test]
fn a_call_whose_reports_come_to_another_port_is_no_flood() {
    let media = datagram(INSIDE, 5004, OUTSIDE, 5004, 1_800_000);
    let reports = datagram(OUTSIDE, 5005, INSIDE, 5005, 110);
    assert_eq!(named(&[media]), ["outbound 10.7.7.7 source"]);
    assert_eq!(named(&[media, reports]), [""; 0]);
    let few = Flow { packets: 9, octets: 900, ..reports };
    assert_eq!(
        named(&[media, few]),
        ["outbound 10.7.7.7 source"],
        "one reply to a million packets"
    );
}

#[test]
fn an_upload_whose_acknowledgements_are_not_exported_is_no_flood() {
    let upload = |flags, octets: u64| Flow {
        packets: 1_800_000,
        octets: 1_800_000 * octets,
        flags: Some(flags),
        ..ask(INSIDE, OUTSIDE, 443)
    };
    assert_eq!(named(&[upload(24, 1440)]), [""; 0]);
    assert_eq!(named(&[upload(24, 60)]), ["outbound 10.7.7.7 source"], "bare segments");
    // A flood of segments with data has another port for each.
    let bot = |n: u32| Flow {
        sport: 1024 + (n % 60_000) as u16,
        dport: (n / 60_000) as u16 + 80,
        packets: 9,
        octets: 9 * 552,
        flags: Some(24),
        ..ask(INSIDE, OUTSIDE, 80)
    };
    let flood: Vec<Flow> = (0..140_000).map(bot).collect();
    let found = named(&flood);
    assert!(found.contains(&"outbound 10.7.7.7 source".to_owned()), "{found:?}");
}

#[test]
fn an_inside_host_without_a_past_is_flooded_by_ten_thousand_packets_a_second() {
    let stream = |pps: u64, octets: u64| Flow {
        packets: pps * 600,
        octets: pps * 600 * octets,
        ..datagram(OUTSIDE, 4000, VICTIM, 9000, 1)
    };
    assert_eq!(named(&[stream(10_000, 100)]), ["volume 10.1.1.1 target"]);
    assert_eq!(named(&[stream(9_999, 100)]), [""; 0]);
    assert_eq!(named(&[stream(5_000, 12_600)]), ["volume 10.1.1.1 target"], "500 Mbit/s");
    // Too few long flows show that answers are exported.
    assert_eq!(names(&judge(&[stream(10_000, 100)])), [""; 0]);
    // A collector of inside hosts' streams, and one whose streams are mostly answered.
    let ours = Flow { sip: INSIDE.into(), ..stream(10_000, 100) };
    assert!(!named(&[ours]).contains(&"volume 10.1.1.1 target".to_owned()));
    let served = Flow { sport: 4001, ..stream(20_000, 100) };
    assert_eq!(named(&[stream(10_000, 100), served, back(&served, 9000, 900_000, 0)]), [""; 0]);
}

#[test]
fn a_scan_of_protocols_is_no_flood() {
    let protocols = |count: u32, hosts: u32| -> Vec<Flow> {
        let at = Some(Timestamp::from_secs(6000));
        let flow = |n: u32| Flow {
            proto: (3 + n % count) as u8 + u8::from(n % count > 2) * 50,
            start: at,
            ..send(47, theirs(n / count), VICTIM, 0)
        };
        (0..hosts * count).map(flow).collect()
    };
    assert_eq!(named(&protocols(200, 1)), [""; 0]);
    // A flood by one protocol has many sources.
    assert_eq!(named(&protocols(1, 1000)), ["ddos 10.1.1.1 target"]);
}

#[test]
fn an_inside_attacker_that_completed_a_conversation_with_its_victim_spoke() {
    let flood: Vec<Flow> =
        (0..1000).map(|n| Flow { sport: 1024 + n as u16, ..ask(INSIDE, VICTIM, 80) }).collect();
    let marks = |more: &[Flow]| {
        let findings = judge(&[base(), flood.clone(), more.to_vec()].concat());
        assert_eq!(names(&findings), ["dos 10.1.1.1 target", "dos 10.7.7.7 source"]);
        findings[1].marks.clone()
    };
    assert_eq!(marks(&[]), [""; 0]);
    assert_eq!(marks(&talk(INSIDE, VICTIM, 443)), ["spoke"]);
    assert_eq!(marks(&talk(VICTIM, INSIDE, 443)), [""; 0], "it only answered");
    assert_eq!(marks(&talk(INSIDE, theirs(3), 443)), [""; 0], "another host");
    let out = |more: &[Flow]| {
        let stream = datagram(INSIDE, 4000, OUTSIDE, 9000, 1_200_000);
        let findings = judge(&[base(), vec![stream], more.to_vec()].concat());
        assert_eq!(names(&findings), ["outbound 10.7.7.7 source"]);
        findings[0].marks.clone()
    };
    assert_eq!(out(&[]), [""; 0]);
    assert_eq!(out(&talk(INSIDE, OUTSIDE, 443)), ["spoke"]);
}

/// Returns conversations of clients with a server: those that work, or SYNs that nobody answers.
fn clients(count: u32, each: u32, works: bool) -> Vec<Flow> {
    let pairs = (0..count).flat_map(|n| (0..each).map(move |k| (n, k)));
    let flows = pairs.flat_map(|(n, k)| {
        let sport = 2000 + (n % 100 * each + k) as u16;
        let there = Flow { sport, ..talk(theirs(n), VICTIM, 443)[0] };
        let syn = Flow { packets: 3, octets: 180, flags: Some(2), ..there };
        let answer = works.then(|| back(&there, 8, 4_000, 27));
        [if works { there } else { syn }].into_iter().chain(answer)
    });
    flows.chain(base()).collect()
}

#[test]
fn the_clients_of_a_server_that_is_dead_make_no_flood() {
    let day = |last: &[Flow]| {
        let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
        let judge = |n: u64, flows: &[Flow]| {
            let mut flood = Flood::new(site(1 << 30), setup.clone());
            flood.add(flows).unwrap();
            flood.judge(&window(n), NOW).unwrap().findings
        };
        for n in 0..40 {
            assert_eq!(names(&judge(n, &clients(400, 2, true))), [""; 0]);
        }
        judge(40, last)
    };
    let dead = day(&clients(400, 5, false));
    assert_eq!(names(&dead), ["outage 10.1.1.1 target"]);
    assert!(dead[0].why.contains("knownpct=100>=50"), "{}", dead[0].why);
    // It stays so for hours.
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    for n in 0..60 {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(&clients(400, if n < 40 { 2 } else { 5 }, n < 40)).unwrap();
        let found = names(&flood.judge(&window(n), NOW).unwrap().findings);
        let expected: &[&str] = if n < 40 { &[] } else { &["outage 10.1.1.1 target"] };
        assert_eq!(found, expected, "window {n}");
    }
    // One client that was served the day before is a flooder all the same.
    let one: Vec<Flow> = (0..2000)
        .map(|n| Flow { sport: 2000 + n as u16, ..ask(theirs(3), VICTIM, 443) })
        .chain(base())
        .collect();
    assert_eq!(names(&day(&one)), ["dos 10.1.1.1 target"]);
    // More than three times as many as it served; and others than its clients.
    assert_eq!(names(&day(&clients(400, 7, false))), ["ddos 10.1.1.1 target"]);
    assert_eq!(names(&day(&clients(900, 2, false))), ["ddos 10.1.1.1 target"]);
    // It serves some, so it is not dead.
    let half = [clients(400, 5, false), clients(100, 3, true)].concat();
    assert_eq!(names(&day(&half)), ["ddos 10.1.1.1 target"]);
    // Without a past it looks the same as a flood.
    assert_eq!(names(&judge(&clients(400, 5, false))), ["ddos 10.1.1.1 target"]);
}
