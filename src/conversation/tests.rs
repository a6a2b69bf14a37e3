use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::time::Timestamp;

/// A visitor that keeps the conversations as lines.
#[derive(Default)]
struct Lines(Vec<String>);

impl Visitor for Lines {
    fn conversation<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()> {
        let sure = if conversation.is_sure { "" } else { "? " };
        self.0.push(format!(
            "{sure}{}:{} > {}:{}/{} {:?}",
            conversation.initiator.ip(),
            conversation.sport,
            conversation.responder.ip(),
            conversation.port,
            conversation.proto,
            conversation.outcome
        ));
        Ok(())
    }
}

/// Parses a flow: `sip:sport dip:dport proto packets bytes [flags [start]]`.
fn flow(text: &str) -> Flow {
    let words: Vec<&str> = text.split(' ').collect();
    let endpoint = |word: &str| {
        let (host, port) = word.rsplit_once(':').unwrap();
        (host.parse().unwrap(), port.parse().unwrap())
    };
    let ((sip, sport), (dip, dport)) = (endpoint(words[0]), endpoint(words[1]));
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

/// Returns the conversations of these flows as sorted lines, and the pairing of long flows.
fn lines(flows: &[Flow], sampled: bool) -> (Vec<String>, PairedFlows) {
    let mut conversations = Conversations::new(1 << 30);
    conversations.add(flows, &Networks::default()).unwrap();
    let mut lines = Lines::default();
    let paired = conversations.visit(sampled, &mut lines).unwrap();
    lines.0.sort();
    (lines.0, paired)
}

/// Returns the conversations of these flows as text, the same for both orders of the flows.
fn text(flows: &[&str]) -> String {
    let mut flows: Vec<Flow> = flows.iter().map(|text| flow(text)).collect();
    let (expected, _) = lines(&flows, false);
    flows.reverse();
    assert_eq!(lines(&flows, false).0, expected);
    expected.join("\n")
}

#[test]
fn tcp_flags_show_the_initiator_and_the_outcome() {
    let open = "10.0.0.9:4000 10.0.0.1:5777 6 6 700 SAPF";
    let reply = "10.0.0.1:5777 10.0.0.9:4000 6 8 4000 SAPF";
    assert_eq!(text(&[open, reply]), "? 10.0.0.1:5777 > 10.0.0.9:4000/6 Productive");
    let ends = "10.0.0.9:4000 > 10.0.0.1:5777/6";
    for (flows, outcome) in [
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 40 S"][..], "Unanswered"),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 40 FPN"], "Unanswered"),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 40 N"], "Unanswered"),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 1 40 A", "10.0.0.1:5777 10.0.0.9:4000 6 1 40 R"],
            "Rejected",
        ),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 1 40 S", "10.0.0.1:5777 10.0.0.9:4000 6 1 40 RA"],
            "Rejected",
        ),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 2 80 SR", "10.0.0.1:5777 10.0.0.9:4000 6 1 44 SA"],
            "Accepted",
        ),
        // It is also acknowledged before it is reset, as by a balancer that checks a server, and the server says no
        // more.
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 3 164 SAR", "10.0.0.1:5777 10.0.0.9:4000 6 1 60 SA"],
            "Accepted",
        ),
        // SYNs from one port, each of which is reset, or none.
        (
            &[
                "10.0.0.9:4000 10.0.0.1:5777 6 900 36000 S",
                "10.0.0.1:5777 10.0.0.9:4000 6 900 36000 RA",
            ],
            "Rejected",
        ),
        (
            &[
                "10.0.0.9:4000 10.0.0.1:5777 6 900 36000 S",
                "10.0.0.1:5777 10.0.0.9:4000 6 900 39600 SA",
            ],
            "Accepted",
        ),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 900 36000 S"], "Unanswered"),
        // A probe with data is still no connection.
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 244 S"], "Unanswered"),
        (&["10.0.0.9:4000 10.0.0.1:5777 6 1 244 FP"], "Unanswered"),
        (
            &["10.0.0.9:4000 10.0.0.1:5777 6 1 69 S", "10.0.0.1:5777 10.0.0.9:4000 6 1 40 RA"],
            "Rejected",
        ),
        // Only the answer was seen: backscatter of a flood with forged sources.
        (&["10.0.0.1:5777 10.0.0.9:4000 6 1 44 SA"], "Unsolicited"),
        (&["10.0.0.1:5777 10.0.0.9:4000 6 1 40 RA"], "Unsolicited"),
    ] {
        assert_eq!(text(flows), format!("{ends} {outcome}"), "{flows:?}");
    }
    // A host that resets a SYN+ACK made no attempt.
    let (reset, answer) =
        ("10.0.0.9:4000 10.0.0.1:80 6 1 40 R", "10.0.0.1:80 10.0.0.9:4000 6 1 44 SA");
    assert_eq!(text(&[reset, answer]), "10.0.0.9:4000 > 10.0.0.1:80/6 Unsolicited");
    // The rest of an older connection is no attempt.
    for rest in ["2 80 FA", "1 244 A", "1 244 N", "1 244"] {
        let flow = format!("10.0.0.9:4000 10.0.0.1:80 6 {rest}");
        assert_eq!(text(&[&flow]), "10.0.0.9:4000 > 10.0.0.1:80/6 Partial", "{rest}");
    }
}

#[test]
fn ports_and_times_show_the_initiator_if_flags_do_not() {
    let small = |a: &str, b: &str| format!("{a} {b} 6 1 40");
    let both_ways = |a, b| text(&[&small(a, b), &small(b, a)]);
    assert_eq!(both_ways("10.0.0.1:80", "10.0.0.2:4000"), "10.0.0.2:4000 > 10.0.0.1:80/6 Rejected");
    assert_eq!(both_ways("10.0.0.1:3389", "10.0.0.2:80"), "10.0.0.1:3389 > 10.0.0.2:80/6 Rejected");
    assert_eq!(
        both_ways("10.0.0.1:4000", "10.0.0.2:5777"),
        "? 10.0.0.1:4000 > 10.0.0.2:5777/6 Rejected"
    );
    let timed =
        ["10.0.0.1:4000 10.0.0.2:5777 6 1 40 - 1002", "10.0.0.2:5777 10.0.0.1:4000 6 1 40 - 1001"];
    assert_eq!(text(&timed), "10.0.0.2:5777 > 10.0.0.1:4000/6 Rejected");
    // A single direction is an attempt, unless it comes from a service port.
    assert_eq!(
        text(&["10.0.0.2:4000 10.0.0.1:5777 17 1 60"]),
        "10.0.0.2:4000 > 10.0.0.1:5777/17 Unanswered"
    );
    assert_eq!(
        text(&["10.0.0.2:53 10.0.0.1:5777 17 1 60"]),
        "10.0.0.1:5777 > 10.0.0.2:53/17 Unsolicited"
    );
    assert_eq!(
        text(&["10.0.0.2:53 10.0.0.1:53 17 1 60"]),
        "? 10.0.0.2:53 > 10.0.0.1:53/17 Unanswered"
    );
    assert_eq!(
        text(&["10.0.0.2:500 10.0.0.1:500 17 9 900", "10.0.0.1:500 10.0.0.2:500 17 9 900"]),
        "? 10.0.0.1:500 > 10.0.0.2:500/17 Productive"
    );
    assert_eq!(
        text(&["10.0.0.2:4000 10.0.0.1:5777 17 9 900"]),
        "10.0.0.2:4000 > 10.0.0.1:5777/17 Partial"
    );
}

#[test]
fn without_flags_sizes_show_who_resets_what_it_opened() {
    // SYN, RST; SYN, ACK, RST with and without timestamps; IPv6; two exporters. The server's port is no known service.
    let both = |client: &str, server: &str, n: u32| {
        text(&[
            &format!("10.0.0.9:40000 10.0.0.1:58001 6 {client}"),
            &format!("10.0.0.1:58001 10.0.0.9:40000 6 {n} {server}"),
        ])
    };
    for (client, server) in [
        ("2 100", "60"),
        ("2 112", "60"),
        ("3 164", "60"),
        ("3 152", "60"),
        ("3 140", "60"),
        ("2 84", "44"),
        ("2 92", "52"),
    ] {
        let line = both(client, server, 1);
        assert_eq!(line, "10.0.0.9:40000 > 10.0.0.1:58001/6 Accepted", "{client} {server}");
    }
    let v6 = [
        "2001:db8::9:40000 2001:db8::1:58001 6 2 140",
        "2001:db8::1:58001 2001:db8::9:40000 6 1 80",
    ];
    assert_eq!(text(&v6), "2001:db8::9:40000 > 2001:db8::1:58001/6 Accepted");
    let twice = [
        "10.0.0.9:40000 10.0.0.1:58001 6 2 100",
        "10.0.0.9:40000 10.0.0.1:58001 6 2 100",
        "10.0.0.1:58001 10.0.0.9:40000 6 1 60",
        "10.0.0.1:58001 10.0.0.9:40000 6 1 60",
    ];
    assert_eq!(text(&twice), "10.0.0.9:40000 > 10.0.0.1:58001/6 Accepted");
    // A SYN, answered by a SYN+ACK that is sent again, and one that gets two resets: the sizes do not show a reset
    // by the other side.
    for (two, one) in
        [("2 120", "60"), ("2 104", "52"), ("2 88", "44"), ("2 80", "60"), ("3 180", "60")]
    {
        let line = both(two, one, 1);
        assert!(line.starts_with("? "), "{two} {one}: {line}");
    }
}

#[test]
fn icmp_replies_belong_to_their_requests() {
    let ends = "10.0.0.2:0 > 10.0.0.1:2048/1";
    let (request, reply) = ("10.0.0.2:0 10.0.0.1:2048 1 4 240", "10.0.0.1:0 10.0.0.2:0 1 4 240");
    assert_eq!(text(&[request, reply]), format!("{ends} Productive"));
    assert_eq!(text(&[request]), format!("{ends} Unanswered"));
    assert_eq!(text(&[reply]), format!("{ends} Unsolicited"));
    // Two hosts that ping each other have two conversations.
    let back = ["10.0.0.1:0 10.0.0.2:2048 1 1 60", "10.0.0.2:0 10.0.0.1:0 1 1 60"];
    let all = text(&[request, reply, back[0], back[1]]);
    assert_eq!(all, format!("10.0.0.1:0 > 10.0.0.2:2048/1 Productive\n{ends} Productive"));
    assert_eq!(text(&["10.0.0.2:0 10.0.0.1:769 1 4 240"]), "");
    let (request, reply) =
        ("2001:db8::2:0 2001:db8::1:32768 58 1 80", "2001:db8::1:0 2001:db8::2:33024 58 1 80");
    assert_eq!(text(&[request, reply]), "2001:db8::2:0 > 2001:db8::1:32768/58 Productive");
}

#[test]
fn split_and_duplicate_records_are_one_conversation() {
    let try_ = "10.0.0.2:4000 10.0.0.1:80 6 1 48 S";
    assert_eq!(text(&[try_; 9]), "10.0.0.2:4000 > 10.0.0.1:80/6 Unanswered");
    let (there, back) =
        ("10.0.0.2:4000 10.0.0.1:80 6 1 40 A", "10.0.0.1:80 10.0.0.2:4000 6 2 1500 PA");
    let parts = [
        there,
        back,
        "10.0.0.2:4000 10.0.0.1:80 6 5 600 SPA",
        "10.0.0.1:80 10.0.0.2:4000 6 9 9000 SPA",
    ];
    assert_eq!(text(&parts), "10.0.0.2:4000 > 10.0.0.1:80/6 Productive");
}

#[test]
fn multicast_broadcast_and_unspecified_addresses_are_left_out() {
    for to in ["224.0.0.251:5353", "255.255.255.255:67", "ff02::fb:5353", "0.0.0.0:9"] {
        let from = if to.starts_with('f') { "fe80::1" } else { "10.0.0.1" };
        assert_eq!(text(&[&format!("{from}:5353 {to} 17 1 60")]), "", "{to}");
    }
}

#[test]
fn without_ports_two_hosts_have_one_conversation() {
    let (there, back) = ("10.0.0.1:0 10.0.0.2:0 47 9 900", "10.0.0.2:0 10.0.0.1:7 47 9 900");
    assert_eq!(text(&[there; 3]), "10.0.0.1:0 > 10.0.0.2:0/47 Unanswered");
    // Some exporters put arbitrary numbers into the ports of such protocols.
    assert_eq!(text(&[there, back]), "? 10.0.0.1:0 > 10.0.0.2:0/47 Productive");
}

#[test]
fn long_tcp_flows_show_whether_both_directions_are_exported() {
    let flows = [
        "10.0.0.2:4000 10.0.0.1:80 6 10 900",
        "10.0.0.1:80 10.0.0.2:4000 6 9 900",
        "10.0.0.2:4001 10.0.0.1:80 6 50 9000",
        "10.0.0.2:4002 10.0.0.1:80 17 50 9000",
        // Flows without an answer do not count: many SYNs, small packets without flags, and resets.
        "10.0.0.2:4003 10.0.0.1:80 6 50 9000 S",
        "10.0.0.2:4004 10.0.0.1:80 6 50 2000",
        "10.0.0.2:4005 10.0.0.1:80 6 50 2000 RA",
    ]
    .map(flow);
    assert_eq!(lines(&flows, false).1, PairedFlows { long_flows: 2, paired: 1 });
}

#[test]
fn in_sampled_input_an_acknowledgement_shows_an_answer() {
    let sampled = |text: &str| lines(&[flow(text)], true).0.join("");
    assert!(sampled("10.0.0.2:4000 10.0.0.1:80 6 1 40 S").ends_with("Unanswered"));
    assert!(sampled("10.0.0.2:4000 10.0.0.1:80 6 1 244 S").ends_with("Unanswered"));
    assert!(sampled("10.0.0.2:4000 10.0.0.1:80 6 1 52 A").ends_with("Productive"));
    assert!(sampled("10.0.0.2:4000 10.0.0.1:80 6 1 400").ends_with("Productive"));
    assert!(sampled("10.0.0.2:4000 10.0.0.1:80 6 1 52").ends_with("Unanswered"));
    let answered = |flags: &str| {
        let answer = format!("10.0.0.1:80 10.0.0.2:4000 6 1 40 {flags}");
        lines(&[flow("10.0.0.2:4000 10.0.0.1:80 6 1 40 S"), flow(&answer)], true).0.join("")
    };
    assert!(answered("SA").ends_with("Accepted"));
    assert!(answered("RA").ends_with("Rejected"));
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

/// The totals of a direction that the reference implementation counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Totals {
    flows: u32,
    packets: u64,
    bytes: u64,
    largest_packets: u32,
    flags: u8,
    has_flags: bool,
    start: u64,
}

/// The two endpoints of a conversation and its protocol.
type Key = ((IpAddr, u16), (IpAddr, u16), u8);

/// The totals of both directions, by conversation; the smaller address comes first.
type Reference = BTreeMap<Key, [Totals; 2]>;

/// A visitor that keeps the totals as the reference implementation does.
#[derive(Default)]
struct Collected(Reference);

impl Visitor for Collected {
    fn conversation<A: Address>(&mut self, conversation: &Conversation<'_, A>) -> io::Result<()> {
        let totals = |direction: &DirectionTotals| Totals {
            flows: direction.flows,
            packets: direction.packets,
            bytes: direction.bytes,
            largest_packets: direction.largest_packets,
            flags: direction.flags,
            has_flags: direction.has_flags,
            start: direction.start,
        };
        let initiator = (conversation.initiator.ip(), conversation.sport);
        let responder = (conversation.responder.ip(), conversation.port);
        let [forward, reverse] = [totals(conversation.forward), totals(conversation.reverse)];
        let is_smaller = conversation.initiator <= conversation.responder;
        let (key, value) = if is_smaller {
            ((initiator, responder, conversation.proto), [forward, reverse])
        } else {
            ((responder, initiator, conversation.proto), [reverse, forward])
        };
        assert!(self.0.insert(key, value).is_none(), "a conversation was handed over twice");
        Ok(())
    }
}

proptest! {
    #[test]
    fn conversations_agree_with_the_reference_implementation(
        flows in proptest::collection::vec(any_flow(), 0..300),
    ) {
        let flows: Vec<Flow> = flows.into_iter().filter(|flow| flow.sip != flow.dip).collect();
        let mut reference = Reference::new();
        for flow in flows.iter().filter(|flow| flow.sip.is_ipv4() == flow.dip.is_ipv4()) {
            let is_from_larger = flow.sip > flow.dip;
            let (src, dst) = ((flow.sip, flow.sport), (flow.dip, flow.dport));
            let (smaller, larger) = if is_from_larger { (dst, src) } else { (src, dst) };
            let none = Totals {
                flows: 0,
                packets: 0,
                bytes: 0,
                largest_packets: 0,
                flags: 0,
                has_flags: true,
                start: 0,
            };
            let both = reference.entry((smaller, larger, flow.proto)).or_insert([none, none]);
            let totals = &mut both[usize::from(is_from_larger)];
            totals.flows += 1;
            totals.packets += flow.packets;
            totals.bytes += flow.octets;
            totals.largest_packets = totals.largest_packets.max(flow.packets as u32);
            totals.flags |= flow.flags.unwrap_or(0) as u8;
            totals.has_flags &= flow.flags.is_some();
            let millis = flow.start.map_or(0, |start| start.nanos() / 1_000_000);
            if millis != 0 && (totals.start == 0 || millis < totals.start) {
                totals.start = millis;
            }
        }
        let mut conversations = Conversations::new(1 << 30);
        conversations.add(&flows, &Networks::default()).unwrap();
        let mut collected = Collected::default();
        conversations.visit(false, &mut collected).unwrap();
        prop_assert_eq!(collected.0, reference);
    }
}

#[test]
fn keepalives_of_an_idle_connection_are_not_rejected() {
    let both = |flags: [&str; 2]| {
        text(&[
            &format!("10.0.0.2:4000 10.0.0.1:22 6 1 52 {}", flags[0]),
            &format!("10.0.0.1:22 10.0.0.2:4000 6 1 52 {}", flags[1]),
        ])
    };
    assert!(both(["A", "A"]).ends_with("Partial"), "{}", both(["A", "A"]));
    // A probe of nmap's ACK scan (-sA), and a SYN that is answered with SYN+ACK.
    assert!(both(["A", "R"]).ends_with("Rejected"));
    assert!(both(["S", "SA"]).ends_with("Accepted"));
}

#[test]
fn a_sender_from_many_ports_is_the_initiator_unless_it_may_reset_a_scan() {
    let flows: Vec<String> =
        (0..20).map(|n| format!("192.0.2.9:{} 10.0.0.1:25565 17 100 9000", 20_000 + n)).collect();
    let all = text(&flows.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(all.matches("> 10.0.0.1:25565/17 Partial").count(), 20, "{all}");
    // Packets as small as resets may be the answers of many ports to a scan that was not exported.
    let flows: Vec<String> =
        (0..20).map(|n| format!("192.0.2.9:{} 10.0.0.1:45565 6 1 40", 20_000 + n)).collect();
    let all = text(&flows.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(all.matches("Unsolicited").count(), 20, "{all}");
}
