//! Delay from the first packet of a flood to the finding of `nfflood --live`.
//!
//! A router exports flows after 15 s without a packet, and after 60 s if they go on. Its datagrams go through
//! nfdump-txt to nfflood second by second of their own time, each second only when both commands have read
//! the one before. So the delay is in the data's time, to a second, and does not depend on the speed of the
//! machine.
//!
//! Option: `-n N` plays N floods of each kind (default: 10).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;

const NFGEN: &str = env!("CARGO_BIN_EXE_nfgen");
const DUMP: &str = env!("CARGO_BIN_EXE_nfdump-txt");
const NFFLOOD: &str = env!("CARGO_BIN_EXE_nfflood");

/// The kinds of floods: nfgen's kind with its size, and a description. The size is packets or reflectors in
/// ten minutes, or packets a second for `outbound`.
const KINDS: [(&str, &str); 8] = [
    ("flood=3000", "SYNs of one host, 5 a second"),
    ("flood=30000", "50 a second"),
    ("udpflood=30000", "UDP to all ports, 50 packets a second"),
    ("botnet=30000", "connections of 300 bots, 50 a second"),
    ("forged=30000", "SYNs of forged sources, 50 a second"),
    ("reflected=600", "one reflector a second"),
    ("carpet=8000", "to all hosts of a network"),
    ("outbound=5000", "5000 packets a second, in one flow or eight"),
];
/// Number of floods of a kind that are played at once.
const AT_ONCE: usize = 5;

/// Splits a capture of nfgen, which is big-endian, by seconds: returns Unix seconds and blocks.
fn by_second(capture: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let word = |at: usize| u32::from_be_bytes(capture[at..at + 4].try_into().unwrap());
    let mut pieces: Vec<(u64, Vec<u8>)> = vec![(0, Vec::new())];
    let mut at = 0;
    while at < capture.len() {
        let (kind, len) = (word(at), word(at + 4) as usize);
        // An enhanced packet block; its time is in nanoseconds (draft-ietf-opsawg-pcapng section 4.3).
        if kind == 6 {
            let second =
                ((u64::from(word(at + 12)) << 32) | u64::from(word(at + 16))) / 1_000_000_000;
            if pieces.last().unwrap().0 != second {
                pieces.push((second, Vec::new()));
            }
        }
        pieces.last_mut().unwrap().1.extend_from_slice(&capture[at..at + len]);
        at += len;
    }
    pieces
}

/// Waits until a process has read all of its input and waits for more.
fn wait_idle(child: &Child) {
    let place = format!("/proc/{}/wchan", child.id());
    let began = Instant::now();
    while !fs::read_to_string(&place).unwrap().contains("pipe_read") {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{place}: the process does not wait for input"
        );
        thread::sleep(Duration::from_micros(200));
    }
}

/// Returns the flood findings with this role: the host, and the flows that are its samples.
fn rows(text: &str, role: &str) -> Vec<(IpNet, Vec<String>)> {
    let of = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let samples = cells.get(17)?.split(';').map(str::to_owned).collect();
        (cells[2] == "flood" && cells[5] == role).then(|| (net(cells[4]), samples))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(of).collect()
}

/// Parses a host or a network.
fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_else(|_| text.parse::<IpAddr>().unwrap().into())
}

/// Plays floods and returns the delay of each in seconds; `None` if it was not found before the window's end.
fn play(kind: &str, seed: u64, dir: &Path) -> Vec<Option<f64>> {
    let (capture, truth, found) = (dir.join("capture"), dir.join("truth"), dir.join("found"));
    let with = format!("{kind}x{AT_ONCE}");
    let seed = seed.to_string();
    let made = Command::new(NFGEN)
        .args(["-q", "campus", "--flows", "300000", "--with", &with, "--seed", &seed, "-w"])
        .args([capture.as_os_str(), "--truth".as_ref(), truth.as_os_str()])
        .status();
    assert!(made.unwrap().success());
    let truth = fs::read_to_string(truth).unwrap();
    let role = if kind.starts_with("out") { "source" } else { "target" };
    let victims = rows(&truth, role);

    // The start of a flood is that of its first own flow: Internet scanners reach the host before.
    let decoded = Command::new(DUMP).args(["-N", "--fields", "+start"]).arg(&capture).output();
    let mut starts: BTreeMap<String, f64> = BTreeMap::new();
    for line in String::from_utf8(decoded.unwrap().stdout).unwrap().lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [sip, dip, proto, sport, dport] = [1, 2, 4, 5, 6].map(|n| cells[n]);
        let start: f64 = cells[9].parse().unwrap();
        let first = starts.entry(format!("{sip}:{sport}>{dip}:{dport}/{proto}")).or_insert(start);
        *first = first.min(start);
    }
    let first = |samples: &[String]| {
        samples.iter().filter_map(|flow| starts.get(flow)).copied().fold(f64::MAX, f64::min)
    };

    let mut dump = Command::new(DUMP)
        .args(["--fields", "+start,end,flags"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut nfflood = Command::new(NFFLOOD)
        .args(["--live", "--inside", "140.119.0.0/16"])
        .stdin(dump.stdout.take().unwrap())
        .stdout(fs::File::create(&found).unwrap())
        .spawn()
        .unwrap();
    let mut to: ChildStdin = dump.stdin.take().unwrap();
    let mut when: BTreeMap<IpNet, f64> = BTreeMap::new();
    for (second, bytes) in by_second(&fs::read(&capture).unwrap()) {
        to.write_all(&bytes).unwrap();
        to.flush().unwrap();
        wait_idle(&dump);
        wait_idle(&nfflood);
        let text = fs::read_to_string(&found).unwrap();
        if text.contains("#end") {
            break;
        }
        for (host, _) in rows(&text, role) {
            for (victim, _) in victims.iter().filter(|(v, _)| v.contains(&host) || host.contains(v))
            {
                when.entry(*victim).or_insert((second + 1) as f64);
            }
        }
    }
    drop(to);
    assert!(dump.wait().unwrap().success() && nfflood.wait().unwrap().success());
    victims.iter().map(|(victim, own)| Some(when.get(victim)? - first(own))).collect()
}

fn main() {
    let words: Vec<_> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let floods: usize = match &words[..] {
        [] => 10,
        [option, count] if option == "-n" => count.parse().unwrap(),
        _ => panic!("{words:?}: unknown options; only -n N is known"),
    };
    let scratch = tempfile::tempdir().unwrap();
    println!("Seconds from the first packet to the finding, with timeouts of 60 s and 15 s");
    println!("{:18}{:>7}{:>7}{:>7}{:>7}{:>7}", "", "floods", "found", "p50", "p95", "most");
    let mut all: Vec<f64> = Vec::new();
    for (kind, what) in KINDS {
        let seeds = 1..=floods.div_ceil(AT_ONCE) as u64;
        let delays: Vec<Option<f64>> =
            seeds.flat_map(|seed| play(kind, seed, scratch.path())).collect();
        let mut found: Vec<f64> = delays.iter().flatten().copied().collect();
        all.extend(&found);
        line(kind, delays.len(), &mut found, what);
    }
    let count = all.len();
    line("all of them", count, &mut all, "");
}

fn line(name: &str, floods: usize, found: &mut [f64], what: &str) {
    found.sort_by(f64::total_cmp);
    let at = |percent: usize| match found.len() {
        0 => f64::NAN,
        len => found[(len * percent).div_ceil(100).max(1) - 1],
    };
    let (half, most, last) = (at(50), at(95), at(100));
    println!("{name:18}{floods:>7}{:>7}{half:>7.1}{most:>7.1}{last:>7.1}  {what}", found.len());
}
