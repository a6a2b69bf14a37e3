//! Hosts that were accused in the field and do what programs do, and what tells them from scanners.

use super::*;

/// Returns connections that are opened and ended without data, from a port of their own each: `there` and `back_` are
/// the packets, bytes and flags of the two sides.
fn checks(
    hosts: u32,
    ports: &[u16],
    times: u32,
    there: (u64, u64, u16),
    back_: (u64, u64, u16),
) -> Vec<Flow> {
    let mut flows = Vec::new();
    for time in 0..times {
        for n in 0..hosts {
            for port in ports {
                let (packets, octets, flags) = there;
                let sport = 30_000 + (time * 977 + n) as u16;
                let flags = Some(flags);
                let ask = Flow { packets, octets, flags, sport, ..ask(INSIDE, ours(n), *port) };
                flows.extend([ask, back(&ask, back_.0, back_.1, back_.2)]);
            }
        }
    }
    flows
}

/// SYN and reset of the one side, SYN and ACK of the other.
const HALF: ((u64, u64, u16), (u64, u64, u16)) = ((2, 84, 6), (1, 44, 18));
/// SYN, ACK and FIN of both sides.
const CLOSED: ((u64, u64, u16), (u64, u64, u16)) = ((4, 172, 19), (3, 124, 19));

#[test]
fn health_checks_are_no_scan() {
    let ports = [80, 443, 8080, 8443, 9000];
    let named =
        |hosts, times, (there, back)| names(&judge(&checks(hosts, &ports, times, there, back)));
    assert_eq!(named(12, 5, HALF), [""; 0], "half-open, again and again");
    assert_eq!(named(12, 1, CLOSED), [""; 0], "closed in order");
    assert_eq!(named(12, 1, HALF), ["block 10.7.7.7 source"], "half-open, once");
    let named =
        |hosts, times, (there, back)| names(&judge(&checks(hosts, &[443], times, there, back)));
    assert_eq!(named(120, 2, HALF), [""; 0]);
    assert_eq!(named(120, 1, HALF), ["horizontal 10.7.7.7 source"]);
}

#[test]
fn checks_of_which_one_packet_in_many_is_seen_are_no_scan() {
    // Of the checks of each port a few SYNs are seen, and other checks' SYN+ACKs.
    let sampled = |accepted: u32| {
        let mut flows = checks(12, &[80, 443, 8080, 8443, 9000], 5, HALF.0, HALF.1);
        for (n, pair) in (0..).zip(flows.chunks_mut(2)) {
            let (there, back) = pair.split_at_mut(1);
            let (is_syn, time) =
                (Flow { packets: 1, octets: 60, flags: Some(2), ..there[0] }, n / 60);
            there[0] = if time < 5 - accepted { is_syn } else { back[0] };
        }
        let seen = flows.into_iter().step_by(2);
        names(&judge(&seen.map(|flow| Flow { sampling: 100, ..flow }).collect::<Vec<_>>()))
    };
    assert_eq!(sampled(2), [""; 0]);
    assert_eq!(sampled(1), ["block 10.7.7.7 source"], "an open port answers each scan");
    assert_eq!(sampled(5), [""; 0]);
}

#[test]
fn a_check_that_comes_back_each_window_is_a_habit() {
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let flows = checks(120, &[443], 1, HALF.0, HALF.1);
    for n in 0..12 {
        let mut scan = Scan::new(site(1 << 30), setup.clone());
        scan.add(&flows).unwrap();
        let end = End { window: Window::new(n * 600, 600), ..End::default() };
        let named = names(&scan.judge(&end, NOW).unwrap().findings);
        let expected: &[&str] = if n < 5 { &["horizontal 10.7.7.7 source"] } else { &[] };
        assert_eq!(named, expected, "window {n}");
    }
}

#[test]
fn clients_that_were_cut_off_for_a_while_are_no_group() {
    // Two attempts of each of 40 clients fail, and one before or after works.
    let client = |n: u32| [10, 9, 9, (n % 40) as u8];
    let failed = |n: u32| ask(client(n), theirs(n), 443);
    let worked = |n: u32| talk(client(n), theirs(500 + n), 443);
    let down: Vec<Flow> = (0..80).map(failed).collect();
    let mut flows = down.clone();
    flows.extend((0..40).flat_map(worked));
    assert_eq!(both(&flows), [""; 0]);
    // A network whose clients never get an answer scans.
    let mut scan = down;
    scan.extend((0..40).flat_map(|n| talk(ours(n), theirs(500 + n), 443)));
    assert_eq!(both(&scan), ["group 10.9.9.0/24 source"]);
}

#[test]
fn an_uplink_that_is_down_makes_no_scanner_and_the_other_family_still_does() {
    // Each of 30 hosts tries 120 others, and nobody answers.
    let cut_off = |hosts: u32| -> Vec<Flow> {
        let pairs = (0..hosts).flat_map(|n| (0..120).map(move |k| (n, k)));
        pairs.map(|(n, k)| ask(ours(n), theirs(n * 120 + k), 443)).collect()
    };
    assert_eq!(both(&cut_off(30)), [""; 0]);
    assert_eq!(both(&cut_off(3)).len(), 3, "too few hosts to show an outage");
    let answered = (100..110).flat_map(|n| (0..9).flat_map(move |k| talk(ours(n), theirs(k), 443)));
    let flows: Vec<Flow> = cut_off(30).into_iter().chain(answered).collect();
    assert_eq!(both(&flows).len(), 30, "others are answered");
    // By IPv6 nobody answers, while IPv4 works.
    let host = |n: u32| IpAddr::from([0x2001, 0xdb8, 0, n as u16, 0, 0, 0, 1]);
    let v6 = |n: u32, k: u32| Flow {
        sip: host(n),
        dip: IpAddr::from([0x2a00, k as u16, 0, 0, 0, 0, 0, 1]),
        octets: 60,
        ..ask(INSIDE, OUTSIDE, 443)
    };
    let broken: Vec<Flow> = (0..30).flat_map(|n| (0..120).map(move |k| v6(n, k))).collect();
    let both_families = |flows: &[Flow]| {
        let inside = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap());
        let site = Site { inside: Networks::new(inside), memory: 1 << 30, ..Site::default() };
        let mut scan = Scan::new(site.into(), Rc::default());
        scan.add(flows).unwrap();
        names(&scan.judge(&End::default(), NOW).unwrap().findings)
    };
    let working = (0..30).flat_map(|n| (0..9).flat_map(move |k| talk(ours(n), theirs(k), 443)));
    let flows: Vec<Flow> = broken.iter().copied().chain(working).collect();
    assert_eq!(both_families(&flows), [""; 0]);
    let worm: Vec<Flow> = (0..120).map(|k| v6(1, k)).collect();
    let others = (2..12).flat_map(|n| {
        (0..9).flat_map(move |k| {
            let there = Flow { packets: 6, octets: 900, flags: Some(27), ..v6(n, k) };
            [there, back(&there, 8, 4_000, 27)]
        })
    });
    let flows: Vec<Flow> = worm.into_iter().chain(others).collect();
    assert_eq!(both_families(&flows), ["horizontal 2001:db8:0:1::1 source"]);
}

#[test]
fn an_uplink_that_is_down_for_a_part_of_the_window_makes_no_scanner() {
    // Each client tries another host every three seconds, and is answered for the first 72 of 600 seconds. The record
    // of one conversation of each comes late.
    let at = |flow: Flow, seconds: u64| Flow {
        start: Some(Timestamp::from_secs(6_000 + seconds)),
        ..flow
    };
    let client = |c: u32| {
        let tries = (0..200).flat_map(move |n| {
            let (target, seconds) = (theirs(c * 200 + n), u64::from(n) * 3);
            let answered = talk(ours(c), target, 443).map(|flow| at(flow, seconds)).to_vec();
            if n < 24 { answered } else { vec![at(ask(ours(c), target, 443), seconds)] }
        });
        let late = talk(ours(c), theirs(90_000 + c), 443);
        tries.chain(late.map(|flow| Flow { start: Some(Timestamp::from_secs(5_900)), ..flow }))
    };
    let named = |clients: u32| {
        let end = End { window: Window::new(6_000, 600), ..End::default() };
        let mut scan = Scan::new(site(1 << 30), Rc::default());
        scan.add(&(0..clients).flat_map(client).collect::<Vec<_>>()).unwrap();
        scan.judge(&end, NOW).unwrap().findings.len()
    };
    assert_eq!([named(10), named(9)], [0, 9]);
}

#[test]
fn answers_of_equal_ports_show_no_direction() {
    for port in [123, 500, 1701, 4500, 5060] {
        let clock = |n| Flow { sport: port, ..send(UDP, INSIDE, theirs(n), port) };
        assert_eq!(both(&(0..400).map(clock).collect::<Vec<_>>()), [""; 0], "{port}");
        let asked = |n| Flow { sport: port, ..send(UDP, OUTSIDE, ours(n), port) };
        let alive = (0..400).flat_map(|n| talk(ours(n), theirs(n), 443));
        let flows: Vec<Flow> = (0..400).map(asked).chain(alive).collect();
        assert_eq!(both(&flows), [""; 0], "{port}");
        // Nobody answers from an address that is not in use.
        let flows: Vec<Flow> = (0..400).map(asked).collect();
        assert_eq!(both(&flows).len(), 1, "{port}");
    }
}

#[test]
fn single_packets_without_flags_may_keep_a_connection_alive() {
    let pair = |there: u64, back_: u64| -> Vec<Flow> {
        let flows = (0..200).flat_map(|n| {
            let there = Flow { octets: there, ..ask(INSIDE, theirs(n), 443) };
            [there, back(&there, 1, back_, 16)]
        });
        nine(&flows.collect::<Vec<_>>())
    };
    for (there, back) in [(41, 40), (41, 52), (52, 52), (40, 52)] {
        assert_eq!(names(&judge(&pair(there, back))), [""; 0], "{there} {back}");
    }
    assert_eq!(names(&judge(&pair(44, 40))), ["horizontal 10.7.7.7 source"], "a SYN and a reset");
    let alone = |octets| -> Vec<Flow> {
        let flow = |n| Flow { octets, ..ask(INSIDE, theirs(n), 443) };
        nine(&(0..200).map(flow).collect::<Vec<_>>())
    };
    assert_eq!(names(&judge(&alone(52))), [""; 0]);
    assert_eq!(names(&judge(&alone(60))), ["horizontal 10.7.7.7 source"]);
}

#[test]
fn a_peer_to_peer_client_with_some_live_peers_is_no_scanner() {
    // A third of the peers answer the one port of a client.
    let peer = |port: u16, alive: u32| -> Vec<Flow> {
        let flows = (0..100).flat_map(|n| {
            let there = Flow { sport: 30_303, ..send(UDP, INSIDE, theirs(n), port) };
            let answer = (n < alive).then(|| back(&there, 3, 600, 0));
            [there].into_iter().chain(answer)
        });
        flows.collect()
    };
    assert_eq!(both(&peer(30_303, 33)), [""; 0]);
    assert_eq!(both(&peer(5_555, 33)), [""; 0]);
    assert_eq!(both(&peer(5_555, 15)), ["udp 10.7.7.7 source"], "85 % failed");
    let from_many = |n: u32| Flow { sport: 10_000 + n as u16, ..send(UDP, INSIDE, theirs(n), 161) };
    let mut scan: Vec<Flow> = (0..70).map(from_many).collect();
    scan.extend((70..90).flat_map(|n| {
        let there = from_many(n);
        [there, back(&there, 1, 120, 0)]
    }));
    assert_eq!(both(&scan), ["udp 10.7.7.7 source"], "no port of its own");
}

#[test]
fn dials_to_private_space_that_is_not_inside_do_not_count() {
    let dial = |host: fn(u32) -> [u8; 4]| -> Vec<Flow> {
        (0..400).map(|n| ask(INSIDE, host(n), 6881)).collect()
    };
    assert_eq!(both(&dial(|n| [192, 168, (n >> 8) as u8, n as u8])), [""; 0]);
    assert_eq!(both(&dial(|n| [172, 16, (n >> 8) as u8, n as u8])), [""; 0]);
    assert_eq!(both(&dial(|n| [100, 64, (n >> 8) as u8, n as u8])), [""; 0]);
    assert_eq!(both(&dial(|n| [169, 254, (n >> 8) as u8, n as u8])), [""; 0]);
    assert!(!both(&dial(|n| [10, 40, (n >> 8) as u8, n as u8])).is_empty(), "inside");
    assert!(!both(&dial(|n| [100, 63, (n >> 8) as u8, n as u8])).is_empty(), "public");
}

#[test]
fn a_scan_of_protocols_is_vertical() {
    let protocols = |count: u8| -> Vec<Flow> {
        let flow =
            |proto| Flow { proto, sport: 0, dport: 0, flags: None, ..ask(OUTSIDE, INSIDE, 0) };
        (60..60 + count).map(flow).collect()
    };
    assert_eq!(both(&protocols(30)), ["vertical 192.0.2.9 source"]);
    assert_eq!(both(&protocols(29)), [""; 0]);
    let finding = &judge(&protocols(40))[0];
    assert_eq!((finding.proto, finding.port, finding.peers), (None, None, 1));
    assert_eq!(finding.why, "protocols=40>=30,octetsapacket=40,sport=fixed");
    assert_eq!((finding.sample[0].proto, finding.sample[0].dport), (60, 0));
    // A tunnel to each of many hosts, and an answered one.
    let tunnel =
        |n| Flow { proto: 47, sport: 0, dport: 0, flags: None, ..ask(OUTSIDE, ours(n), 0) };
    assert_eq!(both(&(0..400).map(tunnel).collect::<Vec<_>>()), [""; 0]);
}

#[test]
fn many_sources_of_one_network_that_scan_alike_are_one_group() {
    // Each source tries 20 unused addresses, each at another port.
    let source = |n: u32| [198, 51, 100, n as u8];
    let scan = |sources: u32, octets: fn(u32) -> u64| -> Vec<Flow> {
        let pairs = (0..sources).flat_map(|n| (0..20).map(move |k| (n, k)));
        let flow = |(n, k): (u32, u32)| Flow {
            sport: 50_000 + (n * 20 + k) as u16 % 9_000,
            octets: octets(n),
            ..ask(source(n), ours(n * 20 + k), 1000 + (n * 601 + k * 907) as u16 % 30_000)
        };
        pairs.map(flow).collect()
    };
    assert_eq!(both(&scan(200, |_| 44)), ["group 198.51.100.0/24 source"]);
    let finding = &judge(&scan(200, |_| 44))[0];
    assert_eq!((finding.peers, finding.flows, finding.port), (4000, 4000, None));
    assert_eq!(
        (finding.peer.len() as u64, finding.more),
        (MAX_PEERS as u64, 200 - MAX_PEERS as u64)
    );
    assert_eq!(finding.why, "sources=200>=10,alikepct=100>=80,dark=200");
    assert_eq!(both(&scan(10, |_| 44)), ["group 198.51.100.0/24 source"]);
    assert_eq!(both(&scan(9, |_| 44)).len(), 9);
    assert_eq!(both(&scan(12, |n| 53 + u64::from(n))).len(), 12, "each has packets of its own");
}

#[test]
fn a_source_that_completed_a_conversation_of_its_own_spoke() {
    let scan: Vec<Flow> = (0..60).map(|n| ask(OUTSIDE, ours(n), 22)).collect();
    let marks = |more: &[Flow]| {
        let findings = judge(&[scan.clone(), more.to_vec()].concat());
        assert_eq!(names(&findings), ["horizontal 192.0.2.9 source"]);
        findings[0].marks.clone()
    };
    assert_eq!(marks(&[]), [""; 0]);
    assert_eq!(marks(&talk(OUTSIDE, ours(900), 22)), ["spoke"], "by the port");
    assert_eq!(marks(&talk(OUTSIDE, ours(7), 80)), ["spoke"], "with a target");
    assert_eq!(marks(&talk(OUTSIDE, ours(900), 80)), [""; 0], "elsewhere");
    assert_eq!(marks(&talk(ours(900), OUTSIDE, 22)), [""; 0], "it only answered");
    let shake = |there: (u64, u16), back_: (u64, u16)| {
        let ask = ask(OUTSIDE, ours(900), 22);
        let there = Flow { packets: there.0, octets: there.0 * 44, flags: Some(there.1), ..ask };
        [there, back(&there, back_.0, back_.0 * 44, back_.1)]
    };
    assert_eq!(marks(&shake((3, 22), (1, 18))), ["spoke"], "SYN, ACK and a reset of its own");
    assert_eq!(marks(&shake((2, 6), (1, 18))), [""; 0], "half-open");
    assert_eq!(marks(&shake((2, 18), (2, 22))), [""; 0], "a guess at the SYN+ACK is reset");
    assert_eq!(marks(&shake((2, 2), (2, 18))), [""; 0], "SYNs with a forged source");
}

#[test]
fn a_conversation_of_the_day_before_counts() {
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let marks = |n: u64, flows: &[Flow]| {
        let mut scan = Scan::new(site(1 << 30), setup.clone());
        scan.add(flows).unwrap();
        let end = End { window: Window::new(n * 600, 600), ..End::default() };
        let findings = scan.judge(&end, NOW).unwrap().findings;
        findings.iter().flat_map(|finding| finding.marks.clone()).collect::<Vec<_>>()
    };
    let wide: Vec<Flow> = (0..140).map(|n| ask(INSIDE, theirs(n * 3), 22)).collect();
    assert_eq!(marks(0, &wide), [""; 0]);
    assert_eq!(marks(1, &talk(INSIDE, theirs(9000), 22)), [""; 0]);
    assert_eq!(marks(2, &wide), ["spoke"]);
    assert_eq!(marks(140, &wide), ["spoke"]);
    assert_eq!(marks(300, &wide), [""; 0]);
}
