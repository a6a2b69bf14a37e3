//! A host that only answers is no scanner, no spreader and no flooder, where its questions are not exported:
//! with flags and on nine columns, inside and outside, to one host and to many, alone and amid others.

use std::collections::BTreeSet;

use crate::detector::{FIELDS, W1, found, window};
use crate::harness::{INSIDE, Ran, Scene, tool};

/// The first second of [`W1`].
const START: u64 = 993_946_800;

/// Answers: protocol, port that they come from, packets, bytes and TCP flags. Port 0 is every port below 1000.
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

/// Whom the answers reach.
#[derive(Clone, Copy, Debug)]
enum To {
    /// One host.
    One,
    /// A few, behind a translator that uses all ports above 1023.
    Few,
    /// One port each of many.
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

/// 600 conversations of others: nothing, both directions, or what comes in alone.
fn others(has_flags: bool, directions: u8) -> String {
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

/// Every kind's answers, each of a host of its own; and these hosts.
fn answers(has_flags: bool, is_inside: bool, to: To) -> (BTreeSet<String>, String) {
    let mut rows = String::new();
    let mut hosts = BTreeSet::new();
    for (kind, &(proto, sport, packets, octets, flags)) in KINDS.iter().enumerate() {
        let from = host(is_inside, kind);
        for n in 0..1500 {
            let (peer, dport) = match to {
                To::One => (5000 + kind, 32_768 + n * 7 % 28_000),
                To::Few => (5000 + kind * 20 + n % 12, 1024 + n * 7919 % 64_000),
                To::Many => (2000 + n, 32_768 + n * 31 % 28_000),
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
fn who_answers_is_no_source_for_any_detector() {
    for (n, to) in [To::One, To::Few, To::Many].into_iter().enumerate() {
        for case in 0..12 {
            let (has_flags, is_inside, directions) = (case & 1 > 0, case & 2 > 0, case as u8 >> 2);
            let (hosts, rows) = answers(has_flags, is_inside, to);
            let rows = rows + &others(has_flags, directions);
            let input = fields(has_flags) + &window(W1, &rows);
            for args in [&["nfscan"][..], &["nfflood"], &["nfflood", "--live"], &["nfport"]] {
                // With a state in every other case: what is remembered of one window must accuse nobody.
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
fn whom_answers_flood_is_told() {
    let (_, rows) = answers(true, true, To::One);
    let input = fields(true) + &window(W1, &(rows + &others(true, 2)));
    let ran = tool("nfflood").args(["--inside", INSIDE]).stdin(&input).run().ok();
    let found = found(&ran);
    // Resets, and SYN and ACK, of any port; a stream by QUIC that nobody asked for.
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
fn who_asks_from_a_services_port_is_still_a_source() {
    fn ask(has_flags: bool, n: usize, ends: [&str; 2], ports: (u8, usize, usize)) -> String {
        line(has_flags, n, ends, ports, (1, 40, 2))
    }
    let scanner = "203.0.113.9";
    // nmap -g 53 on one port, and on many ports of one host.
    for port in [53, 80, 443] {
        let wide: String =
            (0..200).map(|n| ask(true, n, [scanner, &host(true, n)], (6, port, 3389))).collect();
        let deep: String = (0..200)
            .map(|n| ask(true, n, [scanner, &host(true, 7)], (6, port, 20_000 + n)))
            .collect();
        for rows in [wide, deep] {
            let input = fields(true) + &window(W1, &(rows + &others(true, 2)));
            let ran = tool("nfscan").args(["--inside", INSIDE]).stdin(&input).run().ok();
            assert_eq!(found(&ran), [format!("scan source {scanner}")], "{port} {ran}");
        }
    }
    // On nine columns, where the port that is asked for is a service's as well.
    let wide: String =
        (0..200).map(|n| ask(false, n, [scanner, &host(true, n)], (6, 53, 445))).collect();
    let input = fields(false) + &window(W1, &(wide + &others(false, 2)));
    let ran = tool("nfscan").args(["--inside", INSIDE]).stdin(&input).run().ok();
    assert_eq!(found(&ran), [format!("scan source {scanner}")], "{ran}");
    // A flood from a name server's port upon a game server's.
    let bot = host(true, 3);
    let flood = line(true, 1, [&bot, scanner], (17, 53, 27_015), (3_000_000, 900_000_000, 0));
    let input = fields(true) + &window(W1, &(flood + &others(true, 2)));
    let ran = tool("nfflood").args(["--inside", INSIDE]).stdin(&input).run().ok();
    assert_eq!(found(&ran), [format!("flood source {bot}")], "{ran}");
}
