//! Tests of the filter language against a reference implementation that walks the tree.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;

use super::program::Program;
use super::tree::{Direction, Expr, Field, Ranges, Term};
use super::*;
use crate::time::Timestamp;

fn parsed(text: &str) -> Result<Expr, FilterError> {
    let inside = ["192.0.2.0/24".parse().unwrap()];
    let mut file = |name: &str| match name {
        "nets" => Ok(vec!["192.0.2.0/30".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
        name => Err(format!("{name}: no such file")),
    };
    parse::parse(text, &mut Context { inside: Some(&inside), file: &mut file })
}

#[track_caller]
fn tree(text: &str) -> Expr {
    parsed(text).unwrap_or_else(|error| panic!("{}\n{error}", error.pointed(text).join("\n")))
}

#[track_caller]
fn holds(text: &str, flow: &Flow) -> bool {
    let expr = tree(text);
    let reference = reference(&expr, flow);
    assert_eq!(Program::new(expr).holds(flow), reference, "{text}");
    reference
}

/// Returns a web server's first answer.
fn flow() -> Flow {
    Flow {
        sip: "192.0.2.1".parse().unwrap(),
        dip: "198.51.100.2".parse().unwrap(),
        sif: 1,
        dif: 2,
        proto: 6,
        sport: 80,
        dport: 1025,
        packets: 3,
        octets: 1450,
        start: Timestamp::parse(b"2001-07-01T00:20:00Z"),
        end: Timestamp::parse(b"2001-07-01T00:20:02.500Z"),
        flags: Some(0x12),
        exporter: "10.0.0.1".parse().ok(),
        sampling: 100,
    }
}

fn ping() -> Flow {
    Flow {
        sip: "2001:db8::1".parse().unwrap(),
        dip: "2001:db8:1::1".parse().unwrap(),
        proto: 58,
        sport: 0,
        dport: (128 << 8) | 1,
        ..Flow::default()
    }
}

#[test]
fn terms_hold() {
    for text in [
        "any",
        "src 192.0.2.1",
        "src host 192.0.2.1",
        "SRC IP 192.0.2.1",
        "host 198.51.100.2",
        "ip 198.51.100.2",
        "198.51.100.2",
        "198.51.100.0/24",
        "src = 192.0.2.1",
        "src != 192.0.2.2",
        "ip host 192.0.2.1",
        "ip src 192.0.2.1",
        "dst net 198.51.100.0/24",
        "net 198.51.100",
        "net 198",
        "net 198/8",
        "net 198.51.0.0 mask 255.255.0.0",
        "src net 192.0.2.0 255.255.255.0 and tcp",
        "src or dst net 192",
        "src and dst net 0.0.0.0/0",
        "dst or src host 198.51.100.2",
        "src in [ 192.0.2.9 192.0.2.1, 10.0.0.0/8 ]",
        "ip in [198.51.100.2]",
        "in @nets",
        "src in @nets",
        "src net in @nets",
        "inside",
        "src inside",
        "dst outside",
        "outside",
        "not src and dst inside",
        "port 80",
        "src port 80",
        "tcp port 80",
        "tcp src port 80",
        "ip port 1025",
        "portrange 1000-1025",
        "dst portrange 1025-1025",
        "port > 1024",
        "dst port gt 1024",
        "src port < 1024",
        "port <= 80",
        "port != 443",
        "port in [ 80 443 ]",
        "port in [ 443, 1000-2000 ]",
        "src and dst port > 79",
        "port 22 or 80",
        "tcp port (22 or 80)",
        "src net (10 or 172.16 or 192) and tcp",
        "if 1",
        "in if 1",
        "out if 2",
        "src if 1",
        "dst interface 2",
        "if in [ 7 2 ]",
        "if > 1",
        "proto tcp",
        "proto 6",
        "proto \\tcp",
        "ip proto 6",
        "proto udp or tcp",
        "proto in [udp tcp 47]",
        "proto != 17",
        "tcp",
        "ip",
        "inet",
        "ipv4 and tcp",
        "not udp",
        "! udp",
        "not not tcp",
        "packets 3",
        "packets = 3",
        "in packets == 3",
        "packets in [ 3 4 ]",
        "packets > 2 && packets < 4 && packets >= 3 && packets <= 3 && packets != 2",
        "bytes > 1k",
        "octets < 2K",
        "bytes lt 1M",
        "less 1450",
        "greater 1450",
        "bpp 483",
        "bpp > 482",
        "bps = 4640",
        "pps 1",
        "duration > 2499",
        "duration = 2500",
        "duration >= 2s",
        "duration < 1m",
        "start >= 2001-07-01T00:20:00Z",
        "start < 2001-07-01t00:20:00.001z",
        "start > 2001-07-01 and end < 2001-07-02",
        "end > 993946800",
        "flags S",
        "flags SA",
        "flags as",
        "flags = SA",
        "flags 18",
        "flags 0x12",
        "flags != S",
        "not flags FRPU",
        "not flags R",
        "flags S and not flags FR",
        "exporter 10.0.0.1",
        "router ip 10.0.0.1",
        "exporter in [10.0.0.0/8 2001:db8::1]",
        "exporter in @nets or exporter 10.0.0.1",
        "sampling > 1",
        "tcp and (port 80 or port 443) # the web",
        "udp or\n tcp",
        "udp and tcp or tcp",
        "tcp or udp and udp",
    ] {
        assert!(holds(text, &flow()), "{text}");
        assert!(!holds(&format!("not ({text}\n)"), &flow()), "{text}");
    }
    for text in [
        "icmp6",
        "proto ipv6-icmp",
        "ip6",
        "ipv6 and icmp6",
        "ip6 proto 58",
        "icmp-type 128",
        "icmp-code 1",
        "icmp-type > 127 and icmp-code < 2",
        "2001:db8::1",
        "net 2001:db8::/48",
        "ip 2001:DB8::1",
        "src and dst in @nets",
        "port != 80",
        "not flags S",
        "exporter != 10.0.0.1",
    ] {
        assert!(holds(text, &ping()), "{text}");
    }
}

#[test]
fn terms_on_unknown_values_do_not_hold() {
    let unknown = Flow { start: None, end: None, flags: None, exporter: None, ..flow() };
    for text in [
        "start > 0",
        "end > 0",
        "duration >= 0",
        "bps >= 0",
        "pps >= 0",
        "flags S",
        "exporter 10.0.0.1",
        "exporter 0.0.0.0/0",
    ] {
        assert!(!holds(text, &unknown), "{text}");
    }
    assert!(holds("not flags S", &unknown));
    // Type and code of ICMP are no port, although they stand in its column.
    assert!(!holds("port > 0", &ping()) && !holds("dst port 32769", &ping()));
    assert!(!holds("icmp-type >= 0", &flow()));
    // The divisor is 0.
    assert!(!holds("bpp >= 0", &Flow { packets: 0, ..flow() }));
    assert!(!holds("bps >= 0", &Flow { end: flow().start, ..flow() }));
    // The flow ends before it starts: the exporter's clock was set back.
    assert!(!holds("duration >= 0", &Flow { end: Some(Timestamp::from_secs(1)), ..flow() }));
    // Some exporters set flags for every protocol.
    assert!(!holds("flags S", &Flow { proto: 17, ..flow() }));
}

#[test]
fn a_bare_value_takes_the_words_of_the_one_before() {
    for (short, long) in [
        ("port 80 or 443", "port 80 or port 443"),
        ("tcp dst port 80 or 443 or 22", "tcp dst port 80 or tcp dst port 443 or tcp dst port 22"),
        ("not host 192.0.2.1 and 192.0.2.2", "not host 192.0.2.1 and host 192.0.2.2"),
        ("src 192.0.2.1 or 192.0.2.2", "src 192.0.2.1 or src 192.0.2.2"),
        ("net 10 or 172.16", "net 10.0.0.0/8 or net 172.16.0.0/16"),
        ("host 192.0.2.1 and port 80 or 81", "host 192.0.2.1 and port 80 or port 81"),
        ("if 3 or (4 and tcp)", "if 3 or (if 4 and tcp)"),
        ("tcp port (80 or 443)", "tcp port 80 or tcp port 443"),
        ("sip 192.0.2.1 and dip 192.0.2.2", "src host 192.0.2.1 and dst host 192.0.2.2"),
        ("tcp sport 80 or dport > 1024", "tcp src port 80 or dst port > 1024"),
        ("sif 1 and dif in [2 3]", "in if 1 and out if in [2 3]"),
    ] {
        assert_eq!(tree(short), tree(long), "{short}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    for (plain, grouped) in [
        ("tcp or udp and if 1", "tcp or (udp and if 1)"),
        ("tcp and udp or if 1", "(tcp and udp) or if 1"),
        ("not tcp and udp", "(not tcp) and udp"),
        ("!tcp||!udp&&!icmp", "(not tcp) or ((not udp) and (not icmp))"),
    ] {
        assert_eq!(tree(plain), tree(grouped), "{plain}");
    }
}

#[test]
fn alternatives_of_one_kind_are_one_test() {
    let hosts: Vec<_> = (0..200).map(|n| format!("host 192.0.2.{n}")).collect();
    let text = format!("({}) and not port 22 and not port 23", hosts.join(" or "));
    let shown = format!("{:?}", Program::new(tree(&text)));
    assert_eq!(shown.matches("test: ").count(), 2, "{shown}");
}

#[test]
fn errors_point_at_the_word() {
    for (text, column, width, message) in [
        ("", 1, 1, "empty expression; \"any\" means every flow"),
        ("  # nothing", 1, 1, "empty expression"),
        ("prot tcp", 1, 4, "unknown word \"prot\"; a term begins with src, dst, host,"),
        ("tcp and", 8, 1, "the expression ends where a term should follow"),
        ("tcp port", 9, 1, "the expression ends where a port, 0 to 65535 should follow"),
        ("tcp udp", 5, 3, "expected and, or, or the end, found \"udp\""),
        ("(tcp", 5, 1, "ends where and, or, or a closing parenthesis should follow"),
        ("tcp)", 4, 1, "expected and, or, or the end, found \")\""),
        ("tcp or or udp", 8, 2, "expected a term, found \"or\""),
        ("port http", 6, 4, "\"http\" is no port; names of services are not looked up"),
        ("port 65536", 6, 5, "65536 is too large: a port is at most 65535"),
        ("portrange 9-8", 11, 3, "9-8 ends before it starts"),
        ("port > 1-2", 8, 3, "expected one number, found \"1-2\""),
        ("proto 256", 7, 3, "a protocol is at most 255"),
        ("proto foo", 7, 3, "expected a protocol, such as tcp, udp, icmp, 47, found \"foo\""),
        (
            "host www.example.net",
            6,
            15,
            "\"www.example.net\" is no address; names are not looked up",
        ),
        ("src www", 5, 3, "\"www\" is no address; names are not looked up"),
        ("src tcp", 5, 3, "expected host, net, port, if, inside, outside or an address"),
        (
            "src",
            4,
            1,
            "ends where host, net, port, if, inside, outside or an address should follow",
        ),
        ("host 192.0.2.?", 6, 9, "is masked: analyse first, mask last"),
        ("host 192.0.2.256", 6, 11, "expected an address or a network"),
        ("host 10", 6, 2, "expected an address or a network"),
        (
            "net 10.1.0.0/8",
            5,
            10,
            "10.1.0.0/8 has bits set after its prefix; did you mean 10.0.0.0/8?",
        ),
        ("net 10.1.0.0 mask 255.0.0.0", 19, 9, "10.1.0.0/8 has bits set after its prefix"),
        ("net 10.0.0.0 mask 255.0.255.0", 19, 11, "expected a netmask such as 255.255.0.0"),
        ("host > 192.0.2.1", 6, 1, "addresses have no order"),
        ("80", 1, 2, "80 has no meaning by itself; write port 80, proto 80 or if 80"),
        ("port > 1024 or 80", 16, 2, "80 has no meaning by itself"),
        (
            "src as 65000",
            5,
            2,
            "\"src as\" is not in flow lines as filters read them; they see the nine columns",
        ),
        ("vlan 7", 1, 4, "\"vlan\" is not in flow lines"),
        ("out bytes > 3", 5, 5, "\"out bytes\" is not in flow lines"),
        ("in [ ]", 6, 1, "expected an address or a network"),
        ("port in [ 80", 13, 1, "the expression ends where a closing bracket should follow"),
        ("port in @nets", 9, 5, "expected a list in brackets: [ ... ], found \"@nets\""),
        ("in tcp", 4, 3, "expected if, a list in brackets or @FILE, found \"tcp\""),
        ("in @nowhere", 4, 8, "nowhere: no such file"),
        ("in @", 4, 1, "expected @ and the name of a file"),
        ("flags Q", 7, 1, "expected TCP flags: letters of CEUAPRSF"),
        ("flags > S", 7, 1, "flags have no order"),
        ("packets > many", 11, 4, "expected a number such as 100, 10k or 2M, found \"many\""),
        ("duration > 5k", 12, 2, "expected milliseconds, or a time with its unit, such as 5s"),
        ("start > yesterday", 9, 9, "expected a time such as 2001-07-01T00:20:00Z"),
        ("tcp & udp", 5, 1, "expected and, or, or the end, found \"&\""),
        ("tcp and \u{1b}[2J", 9, 1, "a control character"),
        ("größe > 3", 1, 5, "unknown word \"größe\""),
    ] {
        let error = parsed(text).expect_err(text);
        let reason = error.reason.to_string();
        assert_eq!(
            (error.line, error.column, error.width),
            (None, column, width),
            "{text}: {reason}"
        );
        assert!(reason.contains(message), "{text}: {reason}");
    }
    let mut nothing = |_: &str| Ok(Vec::new());
    let mut context = Context { inside: None, file: &mut nothing };
    let error = Filter::parse("tcp and src inside", &mut context).unwrap_err();
    assert_eq!(error.to_string(), "column 13: inside needs your networks; give --inside NETS");
}

#[test]
fn an_error_shows_the_line_of_its_word() {
    let text = "tcp and\n\tport http\nor udp";
    let error = parsed(text).unwrap_err();
    assert_eq!(error.to_string().split(':').next(), Some("line 2, column 7"));
    assert_eq!(error.pointed(text), [" port http", "      ^^^^"]);
    let long =
        format!("{} and port http and {}", vec!["tcp"; 50].join(" or "), "udp or tcp".repeat(9));
    let [line, carets] = parsed(&long).unwrap_err().pointed(&long);
    assert!(line.starts_with("...") && line.ends_with("...") && line.len() < 120, "{line}");
    assert_eq!(line.find("http"), carets.find('^'), "{line}\n{carets}");
    let [line, carets] = parsed("tcp and").unwrap_err().pointed("tcp and");
    assert_eq!([line.as_str(), &carets], ["tcp and", "       ^"]);
}

#[test]
fn expressions_are_bounded() {
    let reason = |text: &str| parsed(text).err().map(|error| error.reason);
    let deep = |n: usize| format!("{}tcp{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(reason(&deep(MAX_DEPTH)), None);
    assert_eq!(reason(&deep(MAX_DEPTH + 1)), Some(Reason::Deep));
    assert_eq!(reason(&format!("{}tcp", "not ".repeat(MAX_DEPTH + 1))), Some(Reason::Deep));
    let many = |n: usize| vec!["tcp"; n].join(" or ");
    assert_eq!(reason(&many(MAX_TERMS)), None);
    assert_eq!(reason(&many(MAX_TERMS + 1)), Some(Reason::Many));
    assert_eq!(reason(&" ".repeat(MAX_LENGTH + 1)), Some(Reason::Long));
    let values: Vec<_> = (0..20_000).map(|n| n.to_string()).collect();
    let listed = format!("port in [{}]", values.join(","));
    assert!(holds(&listed, &flow()));
    // As many tests as there can be.
    let alternate: Vec<_> =
        (0..MAX_TERMS / 2).map(|n| format!("(if {n} and packets {n})")).collect();
    assert!(!holds(&alternate.join(" or "), &flow()));
}

/// Walks the tree as it stands: the reference implementation of a program.
fn reference(expr: &Expr, flow: &Flow) -> bool {
    match expr {
        Expr::Not(inner) => !reference(inner, flow),
        Expr::And(all) => all.iter().all(|expr| reference(expr, flow)),
        Expr::Or(all) => all.iter().any(|expr| reference(expr, flow)),
        Expr::Term(term) => reference_term(term, flow),
    }
}

fn reference_term(term: &Term, flow: &Flow) -> bool {
    fn at<T>(ends: &Direction, (src, dst): (T, T), holds: impl Fn(T) -> bool) -> bool {
        let (src, dst) = (holds(src), holds(dst));
        match ends {
            Direction::Src => src,
            Direction::Dst => dst,
            Direction::Either => src || dst,
            Direction::Both => src && dst,
        }
    }
    let lies = |nets: &[IpNet], address: IpAddr| nets.iter().any(|net| net.contains(&address));
    let has = |ranges: &Ranges, value: u64| ranges.iter().any(|&(a, b)| (a..=b).contains(&value));
    match term {
        Term::Any => true,
        Term::V4 => flow.sip.is_ipv4() && flow.dip.is_ipv4(),
        Term::V6 => flow.sip.is_ipv6() && flow.dip.is_ipv6(),
        Term::Address(ends, nets) => at(ends, (flow.sip, flow.dip), |address| lies(nets, address)),
        Term::Exporter(nets) => flow.exporter.is_some_and(|address| lies(nets, address)),
        Term::Port(ends, ranges) => {
            let ports = (flow.sport, flow.dport);
            [6, 17, 33, 132, 136].contains(&flow.proto)
                && at(ends, ports, |port| has(ranges, port.into()))
        }
        Term::Interface(ends, ranges) => {
            at(ends, (flow.sif, flow.dif), |interface| has(ranges, interface.into()))
        }
        Term::Number(field, ranges) => {
            reference_value(*field, flow).is_some_and(|value| has(ranges, value))
        }
        Term::Flags { mask, all } => flow.flags.is_some_and(|flags| {
            if *all {
                (0..16).all(|n| (mask >> n) & 1 == 0 || (flags >> n) & 1 == 1)
            } else {
                (0..16).any(|n| (mask >> n) & 1 == 1 && (flags >> n) & 1 == 1)
            }
        }),
    }
}

fn reference_value(field: Field, flow: &Flow) -> Option<u64> {
    let duration = || flow.end?.nanos().checked_sub(flow.start?.nanos());
    let divided = |of: u128, by: u64| {
        let value = of.checked_div(by.into())?;
        Some(u64::try_from(value).unwrap_or(u64::MAX))
    };
    Some(match field {
        Field::Proto => flow.proto.into(),
        Field::Packets => flow.packets,
        Field::Octets => flow.octets,
        Field::Start => flow.start?.nanos(),
        Field::End => flow.end?.nanos(),
        Field::Duration => duration()?,
        Field::Sampling => flow.sampling.into(),
        Field::IcmpType | Field::IcmpCode if ![1, 58].contains(&flow.proto) => return None,
        Field::IcmpType => (flow.dport / 256).into(),
        Field::IcmpCode => (flow.dport % 256).into(),
        Field::Flags => flow.flags?.into(),
        Field::Bps => divided(u128::from(flow.octets) * 8_000_000_000, duration()?)?,
        Field::Pps => divided(u128::from(flow.packets) * 1_000_000_000, duration()?)?,
        Field::Bpp => divided(flow.octets.into(), flow.packets)?,
    })
}

/// Numbers that are often equal or neighbours, and sometimes the smallest or largest.
fn small() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..12, 1 => any::<u64>(), 1 => Just(u64::MAX), 1 => 0xff00u64..0x10002]
}

fn ranges() -> impl Strategy<Value = Ranges> {
    vec((small(), small()).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..4)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        3 => (0u8..8).prop_map(|n| IpAddr::from([10, 0, 0, n])),
        1 => (0u16..8).prop_map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])),
    ]
}

fn nets() -> impl Strategy<Value = Vec<IpNet>> {
    let net = (address(), 0u8..4).prop_map(|(address, less)| {
        let net = IpNet::from(address);
        IpNet::new(address, net.prefix_len() - less).unwrap().trunc()
    });
    vec(net, 0..4)
}

fn ends() -> impl Strategy<Value = Direction> {
    prop_oneof![
        Just(Direction::Src),
        Just(Direction::Dst),
        Just(Direction::Either),
        Just(Direction::Both)
    ]
}

fn term() -> impl Strategy<Value = Term> {
    let field = proptest::sample::select(vec![
        Field::Proto,
        Field::Packets,
        Field::Octets,
        Field::Start,
        Field::End,
        Field::Duration,
        Field::Sampling,
        Field::IcmpType,
        Field::IcmpCode,
        Field::Flags,
        Field::Bps,
        Field::Pps,
        Field::Bpp,
    ]);
    prop_oneof![
        1 => Just(Term::Any),
        1 => Just(Term::V4),
        1 => Just(Term::V6),
        4 => (ends(), nets()).prop_map(|(ends, nets)| Term::Address(ends, nets)),
        1 => nets().prop_map(Term::Exporter),
        4 => (ends(), ranges()).prop_map(|(ends, ranges)| Term::Port(ends, ranges)),
        2 => (ends(), ranges()).prop_map(|(ends, ranges)| Term::Interface(ends, ranges)),
        8 => (field, ranges()).prop_map(|(field, ranges)| Term::Number(field, ranges)),
        2 => (0u16..16, any::<bool>()).prop_map(|(mask, all)| Term::Flags { mask, all }),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    term().prop_map(Expr::Term).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|expr| Expr::Not(Box::new(expr))),
            vec(inner.clone(), 1..4).prop_map(Expr::And),
            vec(inner, 1..4).prop_map(Expr::Or),
        ]
    })
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let time = || proptest::option::of(small().prop_map(Timestamp::from_nanos));
    let proto = prop_oneof![Just(1u8), Just(6), Just(17), Just(58), 0u8..12];
    (
        (address(), address(), 0u32..12, 0u32..12, proto),
        (0u16..12, prop_oneof![0u16..12, Just(0x0801), Just(65535)]),
        (small(), small(), time(), time()),
        (proptest::option::of(0u16..20), proptest::option::of(address()), 0u32..12),
    )
        .prop_map(|(ends, (sport, dport), counts, more)| Flow {
            sip: ends.0,
            dip: ends.1,
            sif: ends.2,
            dif: ends.3,
            proto: ends.4,
            sport,
            dport,
            packets: counts.0,
            octets: counts.1,
            start: counts.2,
            end: counts.3,
            flags: more.0,
            exporter: more.1,
            sampling: more.2,
        })
}

/// Words of the language in random order.
fn jumble() -> impl Strategy<Value = String> {
    let words: Vec<_> =
        "src dst host net port portrange if in out proto tcp udp icmp6 ip ip6 and or \
        not ( ) [ ] , ! = != < >= 80 443 1-9 10 10.0.0.1 10.0.0.0/8 10.1.0.0/8 255.0.0.0 mask ::1 \
        flags S 18 packets bytes 1k start end 2001-07-01 duration 5s bps less any inside outside \
        exporter router as @nets @ # x \u{e9}"
            .split_whitespace()
            .collect();
    vec(proptest::sample::select(words), 0..12).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_program_chooses_as_its_tree_does(expr in expr(), flows in vec(any_flow(), 1..150)) {
        let program = Program::new(expr.clone());
        for flow in &flows {
            prop_assert_eq!(program.holds(flow), reference(&expr, flow), "{:?} {:?}", expr, flow);
        }
        let mut chosen = Chosen::default();
        chosen.all(7);
        let filter = Filter(program);
        filter.select(&flows, &mut chosen);
        let places = |holds: bool| -> Vec<usize> {
            (0..flows.len()).filter(|n| reference(&expr, &flows[*n]) == holds).collect()
        };
        prop_assert_eq!(chosen.iter().collect::<Vec<_>>(), places(true));
        prop_assert_eq!(chosen.count(), places(true).len());
        chosen.invert(flows.len());
        prop_assert_eq!(chosen.iter().collect::<Vec<_>>(), places(false));
        chosen.retain(|n| n % 3 == 0);
        prop_assert!(chosen.iter().eq(places(false).into_iter().filter(|n| n % 3 == 0)));
        chosen.all(flows.len());
        prop_assert!(chosen.iter().eq(0..flows.len()));
    }

    #[test]
    fn any_words_are_an_expression_or_an_error_with_a_place(text in jumble(), flow in any_flow()) {
        match parsed(&text) {
            Ok(expr) => {
                let said = reference(&expr, &flow);
                prop_assert_eq!(Program::new(expr).holds(&flow), said);
            }
            Err(error) => {
                let [line, carets] = error.pointed(&text);
                prop_assert!(carets.chars().count() <= line.chars().count() + 1, "{}\n{}", line, carets);
            }
        }
    }

    #[test]
    fn any_text_is_an_expression_or_an_error(text: String) {
        if let Err(error) = parsed(&text) {
            error.pointed(&text);
        }
    }
}
