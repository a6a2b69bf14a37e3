//! Records that last longer than the window: a part of them counts for a rate, and all of them for a sum.

use super::*;

const DAY: u64 = 86_400;

/// Returns a record of `seconds` at `pps` packets a second, from port 4000 to `dport`.
fn record(from: [u8; 4], to: [u8; 4], dport: u16, seconds: u64, pps: u64) -> Flow {
    let end = 100 * DAY;
    Flow {
        start: Some(Timestamp::from_secs(end - seconds)),
        end: Some(Timestamp::from_secs(end)),
        ..datagram(from, 4000, to, dport, pps * seconds)
    }
}

fn out(seconds: u64, pps: u64) -> Flow {
    record(INSIDE, OUTSIDE, 9000, seconds, pps)
}

fn found(flows: &[Flow]) -> Vec<String> {
    names(&judge(flows))
}

#[test]
fn a_record_of_a_month_at_a_low_rate_is_no_flood() {
    assert_eq!(found(&[out(30 * DAY, 1)]), [""; 0]);
    assert_eq!(found(&[record(OUTSIDE, VICTIM, 9000, 30 * DAY, 1)]), [""; 0]);
}

#[test]
fn the_limit_of_a_rate_holds_for_records_of_any_length() {
    for seconds in [600, 601, 1800, DAY, 30 * DAY] {
        let flood = out(seconds, 2000);
        assert_eq!(found(&[flood]), ["outbound 10.7.7.7 source"], "{seconds}");
        assert_eq!(found(&[out(seconds, 1999)]), [""; 0], "{seconds}");
        let finding = &judge(&[flood])[0];
        assert_eq!(finding.why, "pps=2000>=2000");
        // Counts above 2^31 are rounded to steps of 4096.
        let is_whole = |sum: u64, all: u64| all - sum < 2 * 4096;
        assert!(is_whole(finding.packets, 2000 * seconds), "{finding:?}");
        assert!(is_whole(finding.octets, 2_000_000 * seconds), "{finding:?}");
    }
}

#[test]
fn records_no_longer_than_the_window_count_whole() {
    let packets = 1_200_000;
    let of = |start: Option<u64>, end: Option<u64>, packets| Flow {
        start: start.map(Timestamp::from_secs),
        end: end.map(Timestamp::from_secs),
        ..datagram(INSIDE, 4000, OUTSIDE, 9000, packets)
    };
    for (start, end) in [
        (None, None),
        (Some(DAY), None),
        (None, Some(DAY)),
        (Some(DAY), Some(DAY)),
        // The exporter's clock was set back in between.
        (Some(DAY), Some(DAY - 9)),
        (Some(90 * DAY), Some(DAY)),
        (Some(DAY), Some(DAY + 599)),
        (Some(DAY), Some(DAY + 600)),
        // The record's duration counts, not where it lies on the clock.
        (Some(0), Some(600)),
    ] {
        let named = |packets| found(&[of(start, end, packets)]);
        assert_eq!(named(packets), ["outbound 10.7.7.7 source"], "{start:?} {end:?}");
        assert_eq!(named(packets - 1), [""; 0], "{start:?} {end:?}");
    }
    let longer = |packets| found(&[of(Some(DAY), Some(DAY + 601), packets)]);
    assert_eq!(longer(packets * 601 / 600), ["outbound 10.7.7.7 source"]);
    assert_eq!(longer(packets), [""; 0]);
}

#[test]
fn rates_are_over_the_length_of_the_judged_window() {
    let named = |seconds: Option<u32>, flow: Flow| {
        let window = seconds.and_then(|seconds| Window::new(0, seconds));
        let mut flood = Flood::new(site(1 << 30), Rc::default());
        flood.begin(window);
        flood.add(&[flow]).unwrap();
        names(&flood.judge(&End { window, ..End::default() }, NOW).unwrap().findings)
    };
    for (window, length) in [(None, 600), (Some(60), 60), (Some(3600), 3600)] {
        for seconds in [length, 4 * length] {
            let (flood, less) = (out(seconds, 2000), out(seconds, 1999));
            assert_eq!(named(window, flood), ["outbound 10.7.7.7 source"], "{window:?}");
            assert_eq!(named(window, less), [""; 0], "{window:?} {seconds}");
        }
    }
}

#[test]
fn the_rates_of_long_records_add_up() {
    let streams = |pps: u64| -> Vec<Flow> {
        (0..20).map(|n| record(INSIDE, OUTSIDE, 9000 + n, DAY + u64::from(n), pps)).collect()
    };
    assert_eq!(found(&streams(100)), ["outbound 10.7.7.7 source"]);
    assert_eq!(found(&streams(99)), [""; 0]);
    // Two records count whole and one in part, all with the same ports.
    let mut mixed = vec![out(300, 1000), out(300, 1000), out(2 * DAY, 1000)];
    assert_eq!(found(&mixed), ["outbound 10.7.7.7 source"]);
    mixed[2] = out(2 * DAY, 999);
    assert_eq!(found(&mixed), [""; 0]);
}

#[test]
fn a_long_stream_with_a_tenth_of_answers_is_answered() {
    // Records of a month forward, and a record of a minute in reverse.
    let there = Flow { packets: 300_000, ..record(theirs(1), VICTIM, 9000, 30 * DAY, 1) };
    let many = |n: u16| {
        let one = record(theirs(1), VICTIM, 20_000 + n, 30 * DAY, 1);
        Flow { sport: 30_000 + n, ..one }
    };
    let answer = Flow {
        start: Some(Timestamp::from_secs(100)),
        end: Some(Timestamp::from_secs(160)),
        ..datagram(VICTIM, 7777, theirs(1), 6666, 60_100)
    };
    let mut flows: Vec<Flow> = (0..1000).map(many).chain([there]).collect();
    assert_eq!(found(&flows), ["dos 10.1.1.1 target"]);
    // 600,000 packets of the window came in, and a tenth of that went back.
    flows.push(answer);
    assert_eq!(found(&flows), [""; 0]);
}

#[test]
fn reflection_is_judged_by_the_part_in_the_window() {
    // Ten sources of one packet a minute for a month: 100 packets in ten minutes, 432,000 in all.
    let answers = |a_minute: u64| -> Vec<Flow> {
        let of = |n| {
            let whole = record(theirs(n), VICTIM, 40_000, 30 * DAY, 1);
            let packets = 30 * 1440 * a_minute;
            Flow { sport: 10_074, packets, octets: packets * 1000, ..whole }
        };
        (0..10).map(of).collect()
    };
    assert_eq!(found(&answers(9)), [""; 0]);
    assert_eq!(found(&answers(10)), ["reflection 10.1.1.1 target"]);
    let finding = &judge(&answers(10))[0];
    assert!(finding.why.starts_with("packets=1000>=1000,"), "{}", finding.why);
    assert_eq!(finding.packets, 4_320_000, "the sum has all packets");
}

#[test]
fn a_carpet_is_judged_by_the_part_in_the_window() {
    let carpet = |pps: u64| -> Vec<Flow> {
        let hit = |n: u32| Flow {
            sport: 4000 + n as u16,
            ..record(theirs(n % 12), ours(n % 100), n as u16, 3000, pps)
        };
        (0..1200).map(hit).collect()
    };
    // Records of 50 minutes with 3000 packets each, of which 600 count for the window.
    assert_eq!(found(&carpet(1)), ["carpet 10.1.0.0/24 target"]);
    let few: Vec<Flow> =
        carpet(1).iter().map(|flow| Flow { packets: 5, octets: 5000, ..*flow }).collect();
    assert_eq!(found(&few), [""; 0], "1200 packets of 6000");
    let finding = &judge(&carpet(1))[0];
    assert!(finding.why.starts_with("packets=720000>="), "{}", finding.why);
    assert_eq!(finding.packets, 3_600_000);
}

#[test]
fn baselines_are_learned_as_rates() {
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let named = |n: u64, flow: Flow| {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(&[flow]).unwrap();
        names(&flood.judge(&window(n), NOW).unwrap().findings)
    };
    // An hour's record in each window, at 300 packets a second.
    let stream = |pps| record(OUTSIDE, VICTIM, 9000, 3600, pps);
    (0..40).for_each(|n| assert_eq!(named(n, stream(300)), [""; 0], "window {n}"));
    assert_eq!(named(40, stream(2399)), [""; 0], "less than eight times the baseline");
    let more = |pps| record(OUTSIDE, VICTIM, 9000, 600, pps);
    assert_eq!(named(41, more(2600)), ["volume 10.1.1.1 target"]);
}

#[test]
fn an_inside_host_with_a_long_record_is_no_attacker() {
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let judged = |n: u64, flows: &[Flow]| {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(flows).unwrap();
        names(&flood.judge(&window(n), NOW).unwrap().findings)
    };
    // An inside sensor sends a packet a second, in one record a month.
    let quiet = record(ours(9), VICTIM, 5000, 300, 1);
    (0..40).for_each(|n| assert_eq!(judged(n, &[quiet]), [""; 0]));
    let sensor = record(ours(9), VICTIM, 5000, 30 * DAY, 1);
    let flood = record(OUTSIDE, VICTIM, 9000, 600, 3000);
    assert_eq!(judged(40, &[sensor, flood]), ["volume 10.1.1.1 target"]);
}

#[test]
fn early_rates_are_over_the_whole_window() {
    let clock = |n: u64| -> Vec<Flow> {
        let time = Some(Timestamp::from_secs(n));
        let talks = (0..9).flat_map(|k| talk(theirs(k), ours(k), 443));
        talks.map(|flow| Flow { start: time, end: time, ..flow }).collect()
    };
    let ending = |n: u64, flow: Flow, seconds: u64| {
        let end = Timestamp::from_secs(n);
        let start = end.offset(-(seconds as i64) * 1_000_000_000);
        Flow { start: Some(start), end: Some(end), ..flow }
    };
    // Four records of half an hour that end at seconds 25, 75, 125 and 175.
    let base = 100 * DAY;
    let window = Window::new(base, 600).unwrap();
    let play = |pps: u64| {
        let setup = Rc::new(Setup { live: true, ..Setup::default() });
        let mut flood = Flood::new(site(1 << 30), setup);
        flood.begin(Some(window));
        let mut early = Vec::new();
        for n in 0..200 {
            let mut flows: Vec<Flow> = clock(base + n);
            if n % 50 == 25 {
                let stream = datagram(INSIDE, 4000 + n as u16, OUTSIDE, 80, 1800 * pps / 4);
                flows.push(ending(base + n, stream, 1800));
            }
            flood.add(&flows).unwrap();
            early.extend(flood.early(window, Duration::ZERO).unwrap());
        }
        let end = End { window: Some(window), ..End::default() };
        (names(&early), names(&flood.judge(&end, NOW).unwrap().findings))
    };
    let found = vec!["outbound 10.7.7.7 source".to_owned()];
    assert_eq!(play(1999), (vec![], vec![]));
    assert_eq!(play(2000), (found.clone(), found));
}

#[test]
fn neither_order_nor_memory_changes_a_rate() {
    let mut flows: Vec<Flow> = (0..300)
        .map(|n| record(theirs(n % 40), ours(n % 30), n as u16, 100 + u64::from(n) * 77, 3))
        .collect();
    flows.extend((0..20).map(|n| record(INSIDE, OUTSIDE, 9000 + n, DAY + u64::from(n), 100)));
    let expected = judge(&flows);
    assert_eq!(expected.len(), 2, "{:?}", names(&expected));
    flows.reverse();
    let mut small = Flood::new(site(0), Rc::default());
    flows.chunks(7).for_each(|part| small.add(part).unwrap());
    assert_eq!(small.judge(&window(0), NOW).unwrap().findings, expected);
}

/// Returns a record of `seconds` at `pps` packets a second that begins so many seconds after the window.
fn within(from: [u8; 4], to: [u8; 4], dport: u16, at: u64, seconds: u64, pps: u64) -> Flow {
    Flow {
        start: Some(Timestamp::from_secs(DAY + at)),
        end: Some(Timestamp::from_secs(DAY + at + seconds)),
        ..record(from, to, dport, seconds, pps)
    }
}

#[test]
fn a_minute_at_the_limit_is_an_outbound_flood() {
    let burst = |seconds, pps| within(INSIDE, OUTSIDE, 9000, 120, seconds, pps);
    for (seconds, pps) in [(60, 2000), (30, 4000), (1, 120_000), (300, 2000)] {
        let findings = judge(&[burst(seconds, pps)]);
        assert_eq!(names(&findings), ["outbound 10.7.7.7 source"], "{seconds}");
        assert_eq!(findings[0].why, "minutepps=2000>=2000", "{seconds}");
        assert_eq!(findings[0].packets, seconds * pps);
        assert_eq!(found(&[burst(seconds, pps - 1)]), [""; 0], "{seconds}");
    }
    assert_eq!(found(&nine(&[burst(60, 2000)])), [""; 0], "no times, no minute");
    // Ten hosts in the same minute, but not in different ones, and not eleven.
    let to = |n: u32, at| within(INSIDE, theirs(n), 9000, at, 60, 200);
    let same: Vec<Flow> = (0..10).map(|n| to(n, 120)).collect();
    assert_eq!(found(&same), ["outbound 10.7.7.7 source"]);
    let others: Vec<Flow> = (0..10).map(|n| to(n, 60 * u64::from(n % 2))).collect();
    assert_eq!(found(&others), [""; 0]);
    let many: Vec<Flow> = (0..20).map(|n| within(INSIDE, theirs(n), 9000, 120, 60, 199)).collect();
    assert_eq!(found(&many), [""; 0]);
    // Several conversations with one host add up.
    let ports: Vec<Flow> =
        (0..20).map(|n| within(INSIDE, OUTSIDE, 9000 + n, 120, 60, 100)).collect();
    assert_eq!(found(&ports), ["outbound 10.7.7.7 source"]);
}

#[test]
fn a_minute_of_a_stream_with_reports_is_no_flood() {
    let stream = within(INSIDE, OUTSIDE, 9000, 120, 60, 5000);
    let report = Flow { dport: 4001, sport: 9001, ..within(OUTSIDE, INSIDE, 0, 120, 60, 1) };
    assert_eq!(found(&[stream]), ["outbound 10.7.7.7 source"]);
    assert_eq!(found(&[stream, report]), [""; 0]);
    let answer = back(&stream, 60, 6000, 0);
    assert_eq!(found(&[stream, answer]), [""; 0]);
}

#[test]
fn a_minute_of_unanswered_packets_is_a_flood_by_volume() {
    // Long flows in both directions show that answers are exported.
    let paired: Vec<Flow> = (0..40)
        .flat_map(|n| {
            let there = Flow { packets: 50, octets: 9000, ..talk(theirs(n), ours(n), 443)[0] };
            [there, back(&there, 60, 60_000, 27)]
        })
        .collect();
    let flood = |pps| within(OUTSIDE, VICTIM, 9000, 120, 60, pps);
    let of = |flows: &[Flow]| judge(&[paired.as_slice(), flows].concat());
    let findings = of(&[flood(10_000)]);
    assert_eq!(names(&findings), ["volume 10.1.1.1 target"]);
    assert_eq!(findings[0].why, "minutepps=10000>=10000,unansweredpct=100>=50");
    assert_eq!(names(&of(&[flood(9_999)])), [""; 0]);
    // Counts above 2^31 are rounded to steps of 4096.
    let large = Flow { octets: 500_100_000 / 8 * 60, ..flood(1_000) };
    assert_eq!(of(&[large])[0].why, "minutembps=500>=500,unansweredpct=100>=50");
    // The answered packets of a minute, on average, are compared: 9,000 a second hide no flood of 10,000.
    let busy = |pps: u64| {
        let there = record(theirs(7), VICTIM, 4000, 600, pps);
        [there, back(&there, 300 * pps, 300_000 * pps, 0)]
    };
    let named = |pps| names(&of(&[busy(pps).as_slice(), &[flood(10_000)]].concat()));
    assert_eq!(named(9_000), ["volume 10.1.1.1 target"]);
    assert_eq!(named(11_000), [""; 0]);
    // From inside it is no uninvited traffic.
    let ours = within(INSIDE, VICTIM, 9000, 120, 60, 10_000);
    assert_eq!(names(&of(&[ours])), [""; 0]);
}

#[test]
fn a_stream_whose_receiver_reports_is_no_flood_of_it() {
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let named = |n: u64, flows: &[Flow]| {
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(flows).unwrap();
        names(&flood.judge(&window(n), NOW).unwrap().findings)
    };
    for n in 0..48 {
        assert_eq!(named(n, &talk(theirs(1), VICTIM, 443)), [""; 0]);
    }
    // Streams to an outside host and to an inside one, with a report every minute to another port.
    let stream = |from, to| datagram(from, 5004, to, 5004, 3000 * 600);
    let report = |from, to, count| datagram(from, 5005, to, 5005, count);
    for (from, to, class) in [(INSIDE, OUTSIDE, "192.0.2.9"), (OUTSIDE, VICTIM, "10.1.1.1")] {
        let flood = format!("volume {class} target");
        assert!(named(48, &[stream(from, to)]).contains(&flood), "{class}");
        assert!(named(48, &[stream(from, to), report(to, from, 9)]).contains(&flood), "{class}");
        assert_eq!(named(48, &[stream(from, to), report(to, from, 10)]), [""; 0], "{class}");
    }
}
