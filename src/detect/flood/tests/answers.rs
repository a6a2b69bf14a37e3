//! A host that only answers is no attacker, even if its answers flood their receiver.

use super::*;

const SYN_ACK: u16 = 18;
const RST: u16 = 4;

/// Returns `count` answers of an inside host from one port, to as many ports of an outside host.
fn answers(proto: u8, sport: u16, flags: u16, count: u32) -> Vec<Flow> {
    let answer = |n: u32| Flow {
        sport,
        flags: (proto == TCP).then_some(flags),
        ..send(proto, INSIDE, OUTSIDE, 32_768 + (n % 28_000) as u16)
    };
    let small = |flow: Flow| Flow { octets: if proto == TCP { 40 } else { 150 }, ..flow };
    (0..count).map(answer).map(small).collect()
}

/// Returns SYNs from all ports below 1000 to two services.
fn syns_from_services() -> Vec<Flow> {
    let syn = |n: u16, port| Flow { sport: n, ..ask(INSIDE, OUTSIDE, port) };
    (1..1000).flat_map(|n| [syn(n, 80), syn(n, 443)]).collect()
}

/// Returns the findings with flags, on nine columns, and amid conversations that are exported both ways.
fn all_three(flows: &[Flow]) -> Vec<String> {
    let named = both(flows);
    let talks = (0..400).flat_map(|n| talk(ours(n % 50), theirs(n), 443));
    let amid: Vec<Flow> = flows.iter().copied().chain(talks).collect();
    assert_eq!(both(&amid), named, "amid two-way traffic");
    named
}

#[test]
fn a_host_that_only_answers_is_no_source_but_its_receiver_is_a_target() {
    for (sport, flags) in
        [(80, RST), (80, 20), (443, SYN_ACK), (22, 22), (25, RST), (8080, SYN_ACK)]
    {
        let named = all_three(&answers(TCP, sport, flags, 3000));
        assert_eq!(named, ["dos 192.0.2.9 target"], "{sport} {flags}");
    }
    for sport in [53, 123, 161, 443, 1194, 3478] {
        let named = all_three(&answers(UDP, sport, 0, 6000));
        assert_eq!(named, [""; 0], "{sport}");
    }
    // TCP flags show an answer from any port.
    assert_eq!(names(&judge(&answers(TCP, 25_565, RST, 3000))), ["dos 192.0.2.9 target"]);
    // The rest of connections, without flags.
    let rest = nine(&answers(TCP, 443, 16, 3000));
    assert_eq!(names(&judge(&rest)), ["dos 192.0.2.9 target"]);
}

#[test]
fn a_host_that_makes_attempts_is_a_source_from_any_port() {
    let source = ["dos 10.7.7.7 source", "dos 192.0.2.9 target"];
    // SYNs from service ports.
    assert_eq!(both(&syns_from_services()), source);
    // Datagrams to a service port.
    for dport in [27_015, 3389, 53, 80] {
        let to = |n: u32| Flow {
            sport: 53,
            dip: OUTSIDE.into(),
            ..send(UDP, ours(n % 7), OUTSIDE, dport)
        };
        let flood = |n: u32| Flow { sport: 1024 + n as u16, ..to(n) };
        assert_eq!(names(&judge(&(0..6000).map(flood).collect::<Vec<_>>())).len(), 8, "{dport}");
    }
    let game =
        |n: u32| Flow { dport: 27_015, sport: 53 + (n % 900) as u16, ..answers(UDP, 53, 0, 1)[0] };
    assert_eq!(names(&judge(&(0..900).map(game).collect::<Vec<_>>())), [""; 0]);
    // Of a host that answers and makes attempts, only the attempts count against it.
    let mixed = |count: u32| -> Vec<Flow> {
        let ask = |n: u32| Flow { sport: 1024 + n as u16, ..ask(INSIDE, OUTSIDE, 80) };
        answers(TCP, 443, RST, 3000).into_iter().chain((0..count).map(ask)).collect()
    };
    assert_eq!(names(&judge(&mixed(300))), ["dos 192.0.2.9 target"]);
    let findings = judge(&mixed(400));
    assert_eq!(names(&findings), source);
    assert_eq!(findings[0].why, "flows=400,ofpct=11>=10");
}

#[test]
fn pairs_do_not_name_a_host_that_only_answers() {
    let figure = |flows: &[Flow]| {
        let mut flood = Flood::new(site(1 << 30), Rc::default());
        flood.add(flows).unwrap();
        let pairs = flood.judge(&window(0), NOW).unwrap().figure;
        pairs.iter().map(|pair| pair.attacker.map(|host| host.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(figure(&answers(TCP, 80, RST, 3000)), [None]);
    assert_eq!(figure(&syns_from_services()), [Some("10.7.7.7".to_owned())]);
}

#[test]
fn inside_reflectors_are_no_sources() {
    let reflect = |sport: u16, dport: u16| -> Vec<Flow> {
        let answer = |n: u32| datagram(ours(n % 10), sport, OUTSIDE, dport, 300);
        (0..10).map(answer).collect()
    };
    assert_eq!(all_three(&reflect(123, 40_000)), ["reflection 192.0.2.9 target"]);
    // From a port that is no service port it may be a flood.
    assert_eq!(both(&reflect(20_000, 40_000)).len(), 11);
}

/// Returns one flow of `pps` packets a second for ten minutes, with `size` bytes per packet.
fn stream(proto: u8, sport: u16, dport: u16, pps: u64, size: u64, flags: u16) -> Flow {
    let packets = pps * 600;
    let flags = (proto == TCP).then_some(flags);
    Flow {
        proto,
        flags,
        octets: packets * size,
        ..datagram(INSIDE, sport, OUTSIDE, dport, packets)
    }
}

#[test]
fn a_stream_of_answers_is_volume_at_its_receiver() {
    let target = ["volume 192.0.2.9 target"];
    for sport in [53, 123, 443, 11_211] {
        let of = |pps| all_three(&[stream(UDP, sport, 40_000, pps, 1000, 0)]);
        assert_eq!(of(2000), target, "{sport}");
        assert_eq!(of(1999), [""; 0], "{sport}");
    }
    for (flags, size) in [(RST, 40), (SYN_ACK, 44), (20, 40)] {
        assert_eq!(all_three(&[stream(TCP, 443, 40_000, 5000, size, flags)]), target, "{flags}");
    }
    assert_eq!(judge(&[stream(UDP, 53, 40_000, 2000, 1000, 0)])[0].why, "answerspps=2000>=2000");
    // A sixth of an hour's record counts for the window.
    let long = |pps| Flow {
        start: Some(Timestamp::from_secs(7000)),
        end: Some(Timestamp::from_secs(7000 + 3600)),
        ..stream(UDP, 53, 40_000, pps, 1000, 0)
    };
    assert_eq!(names(&judge(&[long(6 * 2000)])), target);
    assert_eq!(names(&judge(&[long(6 * 1999)])), [""; 0]);
    // A download whose acknowledgements are not exported, and answers with a request.
    assert_eq!(both(&[stream(TCP, 443, 40_000, 5000, 1400, 24)]), [""; 0]);
    let answer = stream(UDP, 53, 40_000, 5000, 1000, 0);
    assert_eq!(both(&[answer, back(&answer, 9, 900, 0)]), [""; 0]);
    let elsewhere = back(&Flow { sport: 443, ..answer }, answer.packets / 9, 9_000_000, 0);
    assert_eq!(both(&[answer, elsewhere]), [""; 0]);
    // A stream to a service port is no answer.
    for dport in [53, 27_015, 3389] {
        let flood = stream(UDP, 53, dport, 2000, 1000, 0);
        assert_eq!(both(&[flood]), ["outbound 10.7.7.7 source"], "{dport}");
    }
    // Between inside hosts, and from outside, there is no such finding.
    assert_eq!(both(&[Flow { dip: ours(5).into(), ..answer }]), [""; 0]);
    assert_eq!(both(&[Flow { sip: OUTSIDE.into(), dip: INSIDE.into(), ..answer }]), [""; 0]);
}

#[test]
fn a_host_that_resets_unsolicited_syn_acks_is_no_source() {
    // SYN+ACKs in the name of one server to many ports of an inside host, which resets them.
    let reset =
        |n: u32| Flow { sport: 1024 + n as u16, flags: Some(RST), ..ask(INSIDE, OUTSIDE, 443) };
    let pair = |n| [reset(n), back(&reset(n), 1, 44, SYN_ACK)];
    let flows: Vec<Flow> = (0..2000).flat_map(pair).collect();
    assert!(names(&judge(&flows)).iter().all(|name| !name.contains("source")));
    // Without flags the resets look like attempts; their sender is still no source.
    assert_eq!(names(&judge(&nine(&flows))), ["dos 192.0.2.9 target"]);
}

#[test]
fn hosts_that_answer_pings_are_no_sources() {
    let answer =
        |n: u32| Flow { sport: 0, dport: 0, ..send(crate::flow::ICMP, ours(n), OUTSIDE, 0) };
    let named = both(&(0..6000).map(answer).collect::<Vec<_>>());
    assert_eq!(named, ["ddos 192.0.2.9 target"]);
    let flood = Flow { packets: 3_000_000, ..answer(0) };
    assert_eq!(both(&[flood]), ["volume 192.0.2.9 target"]);
}

#[test]
fn early_findings_do_not_accuse_a_host_that_only_answers() {
    let piece = |n: u64| {
        let resets = answers(TCP, 443, RST, 3000).into_iter().skip(n as usize * 10).take(10);
        let mut flows = stamped(n, resets);
        flows.extend(stamped(n, [stream(UDP, 53, 40_000, 20, 1000, 0)]));
        flows.extend(at(n..n + 1, 0));
        flows
    };
    let (early, end) = live(Setup::default(), &seconds(300, piece));
    let early: Vec<Finding> = early.into_iter().map(|(_, finding)| finding).collect();
    assert!(names(&early).iter().all(|name| !name.contains("source")), "{:?}", names(&early));
    assert_eq!(names(&end), ["dos 192.0.2.9 target"]);
    assert!(end[0].why.ends_with("also=volume"), "{}", end[0].why);
}
