use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

/// What a visitor is shown, as lines.
#[derive(Default)]
struct Shown(Vec<String>);

impl Visitor for Shown {
    fn conversation<A: Address>(&mut self, talk: &Conversation<A>) -> io::Result<()> {
        let sure = if talk.is_sure { "" } else { "? " };
        self.0.push(format!(
            "{sure}{}:{} > {}:{}/{} {:?}",
            talk.initiator.ip(),
            talk.sport,
            talk.responder.ip(),
            talk.port,
            talk.proto,
            talk.outcome
        ));
        Ok(())
    }
}

/// `sip:sport dip:dport proto packets octets [flags [start]]`.
fn flow(text: &str) -> Flow {
    let words: Vec<&str> = text.split(' ').collect();
    let end = |word: &str| {
        let (host, port) = word.rsplit_once(':').unwrap();
        (host.parse().unwrap(), port.parse().unwrap())
    };
    let ((sip, sport), (dip, dport)) = (end(words[0]), end(words[1]));
    let number = |n: usize| words[n].parse::<u64>().unwrap();
    let flags = words.get(5).filter(|word| **word != "-").map(|word| {
        let bit = |letter| match letter {
            'F' => 1,
            'S' => 2,
            'R' => 4,
            'P' => 8,
            'A' => 16,
            'N' => 0,
            other => panic!("{other}"),
        };
        word.chars().map(bit).sum()
    });
    let start = words.get(6).map(|word| Timestamp::from_millis(word.parse().unwrap()));
    Flow {
        sip,
        dip,
        sport,
        dport,
        proto: number(2) as u8,
        packets: number(3),
        octets: number(4),
        flags,
        start,
        ..Flow::default()
    }
}

fn show(flows: &[Flow], sampled: bool) -> (Vec<String>, PairedFlows) {
    let mut conversations = Conversations::new(1 << 30);
    conversations.add(flows, &Networks::default()).unwrap();
    let mut shown = Shown::default();
    let pairing = conversations.visit(sampled, &mut shown).unwrap();
    shown.0.sort();
    (shown.0, pairing)
}

/// What is said of one conversation, whichever way round its flows come.
fn says(flows: &[&str]) -> String {
    let mut flows: Vec<Flow> = flows.iter().map(|text| flow(text)).collect();
    let (shown, _) = show(&flows, false);
    flows.reverse();
    assert_eq!(show(&flows, false).0, shown);
    shown.join("\n")
}

#[test]
fn flags_say_who_asked_and_what_came_of_it() {
    let open = "10.0.0.9:4000 10.0.0.1:5777 6 6 700 SAPF";
    let reply = "10.0.0.1:5777 10.0.0.9:4000 6 8 4000 SAPF";
    assert_eq!(says(&[open, reply]), "? 10.0.0.1:5777 > 10.0.0.9:4000/6 Productive");
    let asked = "10.0.0.9:4000 > 10.0.0.1:5777/6";
    for (flows, outcome) in [
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 40 S"][..], "Silent"),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 40 FPN"], "Silent"),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 40 N"], "Silent"),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 1 40 A", "10.0.0.1:5777 10.0.0.9:4000 6 1 40 R"],
            "Refused",
        ),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 1 40 S", "10.0.0.1:5777 10.0.0.9:4000 6 1 40 RA"],
            "Refused",
        ),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 2 80 SR", "10.0.0.1:5777 10.0.0.9:4000 6 1 44 SA"],
            "Refused",
        ),
        // What a probe carries makes it no connection.
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 244 S"], "Silent"),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 244 FP"], "Silent"),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 1 69 S", "10.0.0.1:5777 10.0.0.9:4000 6 1 40 RA"],
            "Refused",
        ),
        // Only the answer: a flood's backscatter.
        (&["10.0.0.1:5777 10.0.0.9:4000 6 1 44 SA"], "Unasked"),
        (&["10.0.0.1:5777 10.0.0.9:4000 6 1 40 RA"], "Unasked"),
    ] {
        assert_eq!(says(flows), format!("{asked} {outcome}"), "{flows:?}");
    }
    // Who resets an answer never asked.
    let (reset, answer) =
        ("10.0.0.9:4000 10.0.0.1:80 6 1 40 R", "10.0.0.1:80 10.0.0.9:4000 6 1 44 SA");
    assert_eq!(says(&[reset, answer]), "10.0.0.9:4000 > 10.0.0.1:80/6 Unasked");
    // What is left of a connection from before is no attempt.
    for rest in ["2 80 FA", "1 244 A", "1 244 N", "1 244"] {
        let flow = format!("10.0.0.9:4000 10.0.0.1:80 6 {rest}");
        assert_eq!(says(&[&flow]), "10.0.0.9:4000 > 10.0.0.1:80/6 Other", "{rest}");
    }
}

#[test]
fn ports_and_times_say_it_where_flags_do_not() {
    let small = |a: &str, b: &str| format!("{a} {b} 6 1 40");
    let of = |a, b| says(&[&small(a, b), &small(b, a)]);
    assert_eq!(of("10.0.0.1:80", "10.0.0.2:4000"), "10.0.0.2:4000 > 10.0.0.1:80/6 Refused");
    assert_eq!(of("10.0.0.1:3389", "10.0.0.2:80"), "10.0.0.1:3389 > 10.0.0.2:80/6 Refused");
    assert_eq!(of("10.0.0.1:4000", "10.0.0.2:5777"), "? 10.0.0.1:4000 > 10.0.0.2:5777/6 Refused");
    let timed =
        ["10.0.0.1:4000 10.0.0.2:5777 6 1 40 - 1002", "10.0.0.2:5777 10.0.0.1:4000 6 1 40 - 1001"];
    assert_eq!(says(&timed), "10.0.0.2:5777 > 10.0.0.1:4000/6 Refused");
    // One direction alone asks, unless it is a service's.
    assert_eq!(
        says(&["10.0.0.2:4000 10.0.0.1:5777 17 1 60"]),
        "10.0.0.2:4000 > 10.0.0.1:5777/17 Silent"
    );
    assert_eq!(
        says(&["10.0.0.2:53 10.0.0.1:5777 17 1 60"]),
        "10.0.0.1:5777 > 10.0.0.2:53/17 Unasked"
    );
    assert_eq!(says(&["10.0.0.2:53 10.0.0.1:53 17 1 60"]), "10.0.0.2:53 > 10.0.0.1:53/17 Silent");
    assert_eq!(
        says(&["10.0.0.2:500 10.0.0.1:500 17 9 900", "10.0.0.1:500 10.0.0.2:500 17 9 900"]),
        "? 10.0.0.1:500 > 10.0.0.2:500/17 Productive"
    );
    assert_eq!(
        says(&["10.0.0.2:4000 10.0.0.1:5777 17 9 900"]),
        "10.0.0.2:4000 > 10.0.0.1:5777/17 Other"
    );
}

#[test]
fn icmp_asks_and_answers() {
    let asked = "10.0.0.2:0 > 10.0.0.1:2048/1";
    let (ask, answer) = ("10.0.0.2:0 10.0.0.1:2048 1 4 240", "10.0.0.1:0 10.0.0.2:0 1 4 240");
    assert_eq!(says(&[ask, answer]), format!("{asked} Productive"));
    assert_eq!(says(&[ask]), format!("{asked} Silent"));
    assert_eq!(says(&[answer]), format!("{asked} Unasked"));
    // Both ping each other: two conversations.
    let back = ["10.0.0.1:0 10.0.0.2:2048 1 1 60", "10.0.0.2:0 10.0.0.1:0 1 1 60"];
    let all = says(&[ask, answer, back[0], back[1]]);
    assert_eq!(all, format!("10.0.0.1:0 > 10.0.0.2:2048/1 Productive\n{asked} Productive"));
    assert_eq!(says(&["10.0.0.2:0 10.0.0.1:769 1 4 240"]), "");
    let (ask, answer) =
        ("2001:db8::2:0 2001:db8::1:32768 58 1 80", "2001:db8::1:0 2001:db8::2:33024 58 1 80");
    assert_eq!(says(&[ask, answer]), "2001:db8::2:0 > 2001:db8::1:32768/58 Productive");
}

#[test]
fn records_that_were_split_or_exported_twice_fall_together() {
    let try_ = "10.0.0.2:4000 10.0.0.1:80 6 1 48 S";
    assert_eq!(says(&[try_; 9]), "10.0.0.2:4000 > 10.0.0.1:80/6 Silent");
    let (there, back) =
        ("10.0.0.2:4000 10.0.0.1:80 6 1 40 A", "10.0.0.1:80 10.0.0.2:4000 6 2 1500 PA");
    let parts = [
        there,
        back,
        "10.0.0.2:4000 10.0.0.1:80 6 5 600 SPA",
        "10.0.0.1:80 10.0.0.2:4000 6 9 9000 SPA",
    ];
    assert_eq!(says(&parts), "10.0.0.2:4000 > 10.0.0.1:80/6 Productive");
}

#[test]
fn nobodys_and_everybodys_addresses_are_left_out() {
    for to in ["224.0.0.251:5353", "255.255.255.255:67", "ff02::fb:5353", "0.0.0.0:9"] {
        let from = if to.starts_with('f') { "fe80::1" } else { "10.0.0.1" };
        assert_eq!(says(&[&format!("{from}:5353 {to} 17 1 60")]), "", "{to}");
    }
}

#[test]
fn without_ports_two_hosts_have_one_conversation() {
    let (there, back) = ("10.0.0.1:0 10.0.0.2:0 47 9 900", "10.0.0.2:0 10.0.0.1:7 47 9 900");
    assert_eq!(says(&[there; 3]), "10.0.0.1:0 > 10.0.0.2:0/47 Silent");
    // Some exporters put what they like there.
    assert_eq!(says(&[there, back]), "? 10.0.0.1:0 > 10.0.0.2:0/47 Productive");
}

#[test]
fn long_tcp_flows_tell_whether_answers_are_exported() {
    let flows = [
        "10.0.0.2:4000 10.0.0.1:80 6 10 900",
        "10.0.0.1:80 10.0.0.2:4000 6 9 900",
        "10.0.0.2:4001 10.0.0.1:80 6 50 9000",
        "10.0.0.2:4002 10.0.0.1:80 17 50 9000",
        // What was not answered says nothing: knocking, be it long, and resets.
        "10.0.0.2:4003 10.0.0.1:80 6 50 9000 S",
        "10.0.0.2:4004 10.0.0.1:80 6 50 2000",
        "10.0.0.2:4005 10.0.0.1:80 6 50 2000 RA",
    ]
    .map(flow);
    assert_eq!(show(&flows, false).1, PairedFlows { long_flows: 2, paired: 1 });
}

#[test]
fn of_one_packet_in_many_an_acknowledgement_is_an_answer() {
    let of = |text: &str| show(&[flow(text)], true).0.join("");
    assert!(of("10.0.0.2:4000 10.0.0.1:80 6 1 40 S").ends_with("Silent"));
    assert!(of("10.0.0.2:4000 10.0.0.1:80 6 1 244 S").ends_with("Silent"));
    assert!(of("10.0.0.2:4000 10.0.0.1:80 6 1 52 A").ends_with("Productive"));
    assert!(of("10.0.0.2:4000 10.0.0.1:80 6 1 400").ends_with("Productive"));
    assert!(of("10.0.0.2:4000 10.0.0.1:80 6 1 52").ends_with("Silent"));
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let host = prop::sample::select(vec![
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "2001:db8::1",
        "2001:db8::2",
    ]);
    let port = prop::sample::select(vec![22u16, 80, 4000, 4001, 60_000]);
    let start = prop::option::of(1u64..5000);
    (
        host.clone(),
        host,
        port.clone(),
        port,
        any::<bool>(),
        1u64..12,
        40u64..90,
        any::<Option<u8>>(),
        start,
    )
        .prop_map(|(sip, dip, sport, dport, tcp, packets, size, flags, start)| Flow {
            sip: sip.parse().unwrap(),
            dip: dip.parse().unwrap(),
            sport,
            dport,
            proto: if tcp { TCP } else { UDP },
            packets,
            octets: packets * size,
            flags: flags.map(u16::from),
            start: start.map(Timestamp::from_millis),
            ..Flow::default()
        })
}

/// Ends of a conversation, each with what it sent.
type Twin = BTreeMap<(IpAddr, u16, IpAddr, u16, u8), [(u32, u64, u64, u32, u8, bool, u64); 2]>;

/// Halves as the twin counts them.
#[derive(Default)]
struct Halves(Twin);

impl Visitor for Halves {
    fn conversation<A: Address>(&mut self, talk: &Conversation<A>) -> io::Result<()> {
        let half = |half: &DirectionTotals| {
            (
                half.flows,
                half.packets,
                half.octets,
                half.largest_packets,
                half.flags,
                half.has_flags,
                half.start,
            )
        };
        let [a, b] = [(talk.initiator, talk.sport), (talk.responder, talk.port)];
        let [x, y] = [half(&talk.forward), half(&talk.reverse)];
        // Sorted by address as rows are; of one host's talk to itself, the order of ports stays.
        let swap = a.0 > b.0;
        let ((a, p), (b, q), x, y) = if swap { (b, a, y, x) } else { (a, b, x, y) };
        let old = self.0.insert((a.ip(), p, b.ip(), q, talk.proto), [x, y]);
        assert!(old.is_none(), "a conversation twice");
        Ok(())
    }
}

proptest! {
    #[test]
    fn conversations_are_what_a_map_says(flows in proptest::collection::vec(any_flow(), 0..300)) {
        let flows: Vec<Flow> = flows.into_iter().filter(|flow| flow.sip != flow.dip).collect();
        let mut twin = Twin::new();
        for flow in flows.iter().filter(|flow| flow.sip.is_ipv4() == flow.dip.is_ipv4()) {
            let is_back = flow.sip > flow.dip;
            let (a, b) = ((flow.sip, flow.sport), (flow.dip, flow.dport));
            let ((a, p), (b, q)) = if is_back { (b, a) } else { (a, b) };
            let none = (0, 0, 0, 0, 0, true, 0);
            let halves = twin.entry((a, p, b, q, flow.proto)).or_insert([none, none]);
            let (n, packets, octets, most, flags, has, start) = &mut halves[usize::from(is_back)];
            *n += 1;
            *packets += flow.packets;
            *octets += flow.octets;
            *most = (*most).max(flow.packets as u32);
            *flags |= flow.flags.unwrap_or(0) as u8;
            *has &= flow.flags.is_some();
            let millis = flow.start.map_or(0, |start| start.nanos() / 1_000_000);
            if millis != 0 && (*start == 0 || millis < *start) {
                *start = millis;
            }
        }
        let mut conversations = Conversations::new(1 << 30);
        conversations.add(&flows, &Networks::default()).unwrap();
        let mut halves = Halves::default();
        conversations.visit(false, &mut halves).unwrap();
        prop_assert_eq!(halves.0, twin);
    }
}

#[test]
fn who_keeps_an_idle_connection_alive_is_not_refused() {
    let both = |flags: [&str; 2]| {
        says(&[
            &format!("10.0.0.2:4000 10.0.0.1:22 6 1 52 {}", flags[0]),
            &format!("10.0.0.1:22 10.0.0.2:4000 6 1 52 {}", flags[1]),
        ])
    };
    assert!(both(["A", "A"]).ends_with("Other"), "{}", both(["A", "A"]));
    // A probe of nmap (-sA), and one that is answered by a SYN.
    assert!(both(["A", "R"]).ends_with("Refused"));
    assert!(both(["S", "SA"]).ends_with("Refused"));
}

#[test]
fn who_sends_datagrams_from_many_ports_asks() {
    let sends: Vec<String> =
        (0..20).map(|n| format!("192.0.2.9:{} 10.0.0.1:25565 17 100 9000", 20_000 + n)).collect();
    let all = says(&sends.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(all.matches("> 10.0.0.1:25565/17 Other").count(), 20, "{all}");
    // Resets alone may be what many ports answer a scanner whose questions are not there.
    let sends: Vec<String> =
        (0..20).map(|n| format!("192.0.2.9:{} 10.0.0.1:45565 6 1 40", 20_000 + n)).collect();
    let all = says(&sends.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(all.matches("Unasked").count(), 20, "{all}");
}
