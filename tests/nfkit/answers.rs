//! A host that only answers is no scanner, no spreader and no flooder if the requests to it are not
//! exported: with flags and on nine columns, inside and outside, to one host and to many, alone and
//! among other traffic.

use std::collections::BTreeSet;

use crate::detector::{FIELDS, W1, found, window};
use crate::golden::START;
use crate::harness::{INSIDE, Ran, Scene, tool};

/// Kinds of answers: protocol, source port, packets, bytes and TCP flags. Port 0 stands for all
/// ports up to 1000.
const KINDS: [(u8, u16, u64, u64, u8); 19] = [
    (6, 80, 1, 40, 4),
    (6, 443, 1, 40, 20),
    (6, 22, 1, 44, 18),
    (6, 25, 3, 132, 18),
    (6, 443, 2, 84, 22),
    (6, 8080, 1, 40, 20),
    (6, 25_565, 1, 40, 20),
    (6, 25_565, 1, 44, 18),
    (6, 0, 1, 40, 20),
    (6, 80, 2, 80, 16),
    (6, 443, 2, 150, 24),
    (6, 25, 1, 40, 17),
    (6, 443, 6, 3000, 27),
    (17, 53, 1, 150, 0),
    (17, 123, 1, 48, 0),
    (17, 161, 1, 90, 0),
    (17, 443, 1500, 1_500_000, 0),
    (17, 1194, 12, 12_000, 0),
    (17, 3478, 1, 100, 0),
];

/// The recipients of the answers.
#[derive(Clone, Copy, Debug)]
enum Recipients {
    /// One host.
    One,
    /// A few hosts, behind a translator that uses all ports above 1023.
    Few,
    /// Many hosts, one port each.
    Many,
}

fn host(is_inside: bool, n: usize) -> String {
    if is_inside {
        format!("140.119.{}.{}", n / 250 + 1, n % 250 + 1)
    } else {
        format!("{}.{}.{}.{}", 60 + n * 7 % 100, n * 13 % 250, n / 3 % 250, n % 250 + 1)
    }
}

fn line(
    has_flags: bool,
    n: usize,
    ends: [&str; 2],
    of: (u8, usize, usize),
    counts: (u64, u64, u8),
) -> String {
    let ([sip, dip], (proto, sport, dport), (packets, octets, flags)) = (ends, of, counts);
    let ours = sip.starts_with("140.119.");
    let (sif, dif) = if ours { (2, 1) } else { (1, 2) };
    let row = format!("{sif}\t{sip}\t{dip}\t{dif}\t{proto}\t{sport}\t{dport}\t{packets}\t{octets}");
    if !has_flags {
        return row + "\n";
    }
    let flags = if proto == 6 { flags.to_string() } else { "-".to_owned() };
    let time = START + n as u64 % 590;
    format!("{row}\t{flags}\t{time}\t{}\n", time + 1)
}

/// Returns the background traffic, 600 ordinary conversations: none of their flows for 0
/// `directions`, those to inside hosts for 1, all for 2.
fn background(has_flags: bool, directions: u8) -> String {
    let mut rows = String::new();
    for n in 0..600 {
        let (client, server) = (host(n % 3 > 0, 9000 + n), host(n % 3 == 0, 8000 + n % 40));
        let of = |from: &str, to: &str, ports: (u8, usize, usize), counts| match directions {
            2 => line(has_flags, n, [from, to], ports, counts),
            1 if to.starts_with("140.119.") => line(has_flags, n, [from, to], ports, counts),
            _ => String::new(),
        };
        rows += &of(&client, &server, (6, 40_000 + n, 443), (12, 1500, 27));
        rows += &of(&server, &client, (6, 443, 40_000 + n), (14, 14_000, 27));
    }
    rows
}

/// Returns the hosts that answer, one for each kind, and the flow lines of their answers.
fn answers(has_flags: bool, is_inside: bool, to: Recipients) -> (BTreeSet<String>, String) {
    let mut rows = String::new();
    let mut hosts = BTreeSet::new();
    for (kind, &(proto, sport, packets, octets, flags)) in KINDS.iter().enumerate() {
        let from = host(is_inside, kind);
        for n in 0..1500 {
            let (peer, dport) = match to {
                Recipients::One => (5000 + kind, 32_768 + n * 7 % 28_000),
                Recipients::Few => (5000 + kind * 20 + n % 12, 1024 + n * 7919 % 64_000),
                Recipients::Many => (2000 + n, 32_768 + n * 31 % 28_000),
            };
            let sport = if sport == 0 { 1 + n * 11 % 1000 } else { usize::from(sport) };
            let peer = host(!is_inside, peer);
            let counts = (packets, octets, flags);
            rows += &line(has_flags, n, [&from, &peer], (proto, sport, dport), counts);
        }
        hosts.insert(from);
    }
    (hosts, rows)
}

fn fields(has_flags: bool) -> String {
    let more = if has_flags { "\tflags\tstart\tend" } else { "" };
    FIELDS.trim_end().to_owned() + more + "\n"
}

fn sources(ran: &Ran) -> Vec<String> {
    found(ran).into_iter().filter(|line| line.contains(" source ")).collect()
}

#[test]
fn a_host_that_only_answers_is_no_source_for_any_detector() {
    for (n, to) in [Recipients::One, Recipients::Few, Recipients::Many].into_iter().enumerate() {
        for case in 0..12 {
            let (has_flags, is_inside, directions) = (case & 1 > 0, case & 2 > 0, case as u8 >> 2);
            let (hosts, rows) = answers(has_flags, is_inside, to);
            let rows = rows + &background(has_flags, directions);
            let input = fields(has_flags) + &window(W1, &rows);
            for args in [&["nfscan"][..], &["nfflood"], &["nfflood", "--live"], &["nfport"]] {
                // Every other case keeps a state, which must not turn a host's answers into
                // evidence against it.
                let scene = Scene::new();
                let state = scene.path("state").display().to_string();
                let state: &[&str] = if (case + n) % 2 == 0 { &["--state", &state] } else { &[] };
                let run = tool(args[0]).args(["--inside", INSIDE]).args(&args[1..]).args(state);
                let ran = run.stdin(&input).run().ok();
                let named: Vec<String> = sources(&ran)
                    .into_iter()
                    .filter(|line| hosts.iter().any(|host| line.ends_with(&format!(" {host}"))))
                    .collect();
                assert!(named.is_empty(), "{args:?} {to:?} {case}: {named:?}");
            }
        }
    }
}

#[test]
fn the_victim_of_unsolicited_answers_is_reported() {
    let (_, rows) = answers(true, true, Recipients::One);
    let input = fields(true) + &window(W1, &(rows + &background(true, 2)));
    let ran = tool("nfflood").args(["--inside", INSIDE]).stdin(&input).run().ok();
    let found = found(&ran);
    // Resets and SYN-ACKs from any port, and an unsolicited stream of QUIC.
    for kind in [0, 1, 2, 3, 4, 5, 6, 7, 8, 16] {
        let victim = format!("flood target {}", host(false, 5000 + kind));
        assert!(found.contains(&victim), "{kind} {victim} {found:?}");
    }
    let stream = host(false, 5016);
    let row = ran.table().into_iter().find(|row| row["host"] == stream).unwrap();
    assert_eq!((row["class"].as_str(), row["why"].as_str()), ("volume", "answerspps=3750>=2000"));
    assert_eq!(row["peer"], format!("{}=1500", host(true, 16)));
}

#[test]
fn a_scanner_that_sends_from_a_service_port_is_still_a_source() {
    fn syn(has_flags: bool, n: usize, ends: [&str; 2], ports: (u8, usize, usize)) -> String {
        line(has_flags, n, ends, ports, (1, 40, 2))
    }
    let scanner = "203.0.113.9";
    // Like `nmap -g 53`: one port of many hosts, and many ports of one host.
    for port in [53, 80, 443] {
        let wide: String =
            (0..200).map(|n| syn(true, n, [scanner, &host(true, n)], (6, port, 3389))).collect();
        let deep: String = (0..200)
            .map(|n| syn(true, n, [scanner, &host(true, 7)], (6, port, 20_000 + n)))
            .collect();
        for rows in [wide, deep] {
            let input = fields(true) + &window(W1, &(rows + &background(true, 2)));
            let ran = tool("nfscan").args(["--inside", INSIDE]).stdin(&input).run().ok();
            assert_eq!(found(&ran), [format!("scan source {scanner}")], "{port} {ran}");
        }
    }
    // On nine columns, also to a port that belongs to a service.
    let wide: String =
        (0..200).map(|n| syn(false, n, [scanner, &host(true, n)], (6, 53, 445))).collect();
    let input = fields(false) + &window(W1, &(wide + &background(false, 2)));
    let ran = tool("nfscan").args(["--inside", INSIDE]).stdin(&input).run().ok();
    assert_eq!(found(&ran), [format!("scan source {scanner}")], "{ran}");
    // A flood from the port of a name server to the port of a game server.
    let bot = host(true, 3);
    let flood = line(true, 1, [&bot, scanner], (17, 53, 27_015), (3_000_000, 900_000_000, 0));
    let input = fields(true) + &window(W1, &(flood + &background(true, 2)));
    let ran = tool("nfflood").args(["--inside", INSIDE]).stdin(&input).run().ok();
    assert_eq!(found(&ran), [format!("flood source {bot}")], "{ran}");
}
