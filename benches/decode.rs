//! Measures the way from captures to flow lines: nfdump-txt as users run it, beside the bare loop and
//! other programs.
//!
//! Each program runs in a process of its own, reads a file and writes to /dev/null. The system reports
//! its user and system time and its peak memory. The programs take turns, because other load on the
//! machine changes all figures; compare ratios only.
//!
//! At the end the benchmark measures [`Decoder::watch`], the work of a collector, in nanoseconds a
//! datagram. `--watch` prints nothing else.
//!
//! Options, after `--`: `-n FLOWS`, `-r TURNS`, `--dir DIR` to keep the captures in, `--peers FILE` for
//! other programs. A line of FILE has a name, the number of flows that the program prints, and a
//! command for sh, separated by TABs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::exit)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bare::process::{Process, measure, text};
use bare::{LINE, Line, load};
use netflow_parser::NetflowParser;
use nfkit::capture::{Event, Reader};
use nfkit::flow::{Flow, TCP};
use nfkit::time::Timestamp;
use nfkit::wire::{Batch, Decoder, DecoderLimits, Exporter, Version};

const NFDUMP: &str = env!("CARGO_BIN_EXE_nfdump-txt");
const NFGEN: &str = env!("CARGO_BIN_EXE_nfgen");

/// Block type of an enhanced packet block in pcapng.
const PACKET: u32 = 6;
/// Offset of the datagram in that block, after the block's own fields, IPv4 and UDP.
const DATAGRAM: usize = 28 + 20 + 8;

/// Prints the nine columns of NetFlow v5 from a file of nfcap, without any check of the input.
fn bare_loop(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut out = File::options().write(true).open("/dev/stdout").unwrap();
    let mut block = vec![0; 256 * 1024];
    let mut text = vec![0; 64 * 1024];
    let (mut start, mut end, mut at) = (0, 0, 0);
    loop {
        while end - start >= 8 {
            let len = word(&block[start + 4..]) as usize;
            if end - start < len {
                break;
            }
            let one = &block[start..start + len];
            start += len;
            if word(one) != PACKET {
                continue;
            }
            let datagram = &one[DATAGRAM..];
            for record in datagram[24..].chunks_exact(48).take(short(&datagram[2..]).into()) {
                if at > text.len() - LINE {
                    out.write_all(&text[..at]).unwrap();
                    at = 0;
                }
                let room = (&mut text[at..at + LINE]).try_into().unwrap();
                let mut line = Line { room, at: 0 };
                bare_line(&mut line, record.try_into().unwrap());
                at += line.at;
            }
        }
        block.copy_within(start..end, 0);
        (start, end) = (0, end - start);
        let count = file.read(&mut block[end..]).unwrap();
        if count == 0 {
            break;
        }
        end += count;
    }
    out.write_all(&text[..at]).unwrap();
}

#[inline(always)]
fn bare_line(line: &mut Line<'_>, record: &[u8; 48]) {
    line.number(short(&record[12..]).into(), b'\t');
    line.ipv4([record[0], record[1], record[2], record[3]], b'\t');
    line.ipv4([record[4], record[5], record[6], record[7]], b'\t');
    line.number(short(&record[14..]).into(), b'\t');
    line.small(record[38], b'\t');
    line.wide(short(&record[32..]).into(), b'\t');
    line.wide(short(&record[34..]).into(), b'\t');
    line.number(word(&record[16..]), b'\t');
    line.wide(word(&record[20..]), b'\n');
}

#[inline(always)]
fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[inline(always)]
fn short(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// Parses a capture with the crate netflow_parser, and prints nothing.
fn parser(path: &Path) {
    let mut reader = Reader::new(File::open(path).unwrap()).unwrap();
    let mut parser = NetflowParser::default();
    let mut packets = 0;
    while let Some(event) = reader.next().unwrap() {
        if let Event::Datagram(datagram) = event {
            packets += black_box(parser.parse_bytes(datagram.payload)).len();
        }
    }
    assert!(packets > 0, "the capture has no packets");
}

/// Time at which the exporters of [`measure_watch`] send.
const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);

/// Number of exporters, which take turns.
const EXPORTERS: usize = 8;

/// Number of datagrams of each exporter. They are few, so that they stay in the processor's cache, as a
/// datagram does that has just arrived.
const DATAGRAMS: usize = 8;

/// A datagram of an exporter.
struct Sent {
    exporter: usize,
    bytes: Vec<u8>,
    /// Step of the sequence number to the next datagram.
    count: u32,
}

/// The datagrams of all exporters in one version.
struct Traffic {
    /// A datagram with the templates of each exporter; none for a version without templates.
    templates: Vec<Vec<u8>>,
    /// Full datagrams without templates.
    data: Vec<Sent>,
}

/// Generates the datagrams of all exporters.
fn traffic(version: Version) -> Traffic {
    let (mut templates, mut data) = (Vec::new(), Vec::new());
    for exporter in 0..EXPORTERS {
        let boot = NOW.offset(-3_600_000_000_000);
        let mut writer = Exporter::new(version, exporter as u32, boot);
        if version == Version::Sflow {
            writer = writer.sampling(2).unwrap().agent([192, 0, 2, exporter as u8].into());
        }
        templates.extend(writer.templates(NOW));
        let mut datagrams = Vec::new();
        for n in 0..1_000u32 {
            let flow = Flow {
                sip: n.to_be_bytes().into(),
                dip: [10, 0, 0, 1].into(),
                proto: TCP,
                dport: 443,
                packets: 2,
                octets: 1_000,
                start: Some(NOW),
                end: Some(NOW),
                ..Flow::default()
            };
            writer.push(&flow, NOW, &mut |bytes| datagrams.push(bytes.to_vec())).unwrap();
        }
        // The first datagram has the templates.
        for bytes in datagrams.drain(1..=DATAGRAMS) {
            let count = match version {
                Version::V5 => short(&bytes[2..]).into(),
                Version::Ipfix => (u32::from(short(&bytes[18..])) - 4) / 57,
                _ => 1,
            };
            data.push(Sent { exporter, bytes, count });
        }
    }
    Traffic { templates, data }
}

/// Measures [`Decoder::watch`]. The fastest of many runs counts, because other load on the machine
/// disturbs the others.
fn measure_watch() {
    println!(
        "{:32}{:>12}{:>14}{:>12}",
        "watched, of 8 exporters", "bytes", "ns a datagram", "lost"
    );
    for version in [Version::V5, Version::V9, Version::Ipfix, Version::Sflow] {
        let number_at = match version {
            Version::V9 => 12,
            Version::Ipfix => 8,
            _ => 16,
        };
        let Traffic { templates, mut data } = traffic(version);
        let limits = DecoderLimits { restated: 16 << 20, ..DecoderLimits::default() };
        let mut decoder = Decoder::new(limits);
        let mut batch = Batch::default();
        let address = |exporter: usize| [192, 0, 2, exporter as u8].into();
        for (exporter, bytes) in templates.iter().enumerate() {
            decoder.watch(address(exporter), NOW, bytes, &mut batch);
        }
        // In v9 the datagram of templates has a number of its own.
        let mut numbers = [u32::from(version == Version::V9); EXPORTERS];
        let mut best = f64::MAX;
        for _ in 0..300 {
            let mut took = 0;
            for _ in 0..20 {
                // The numbers of each lap follow those of the lap before.
                for Sent { exporter, bytes, count } in &mut data {
                    bytes[number_at..number_at + 4]
                        .copy_from_slice(&numbers[*exporter].to_be_bytes());
                    numbers[*exporter] = numbers[*exporter].wrapping_add(*count);
                }
                let start = Instant::now();
                for turn in 0..DATAGRAMS {
                    for sent in data.iter().skip(turn).step_by(DATAGRAMS) {
                        decoder.watch(address(sent.exporter), NOW, &sent.bytes, &mut batch);
                    }
                }
                took += start.elapsed().as_nanos();
                batch.clear();
            }
            best = best.min(took as f64 / (20 * data.len()) as f64);
        }
        let lost: i64 = decoder
            .stats()
            .map(|(_, stats)| stats.lost.flows.or(stats.lost.datagrams).unwrap())
            .sum();
        let len = data.iter().map(|sent| sent.bytes.len()).sum::<usize>() / data.len();
        println!("{:32}{len:>12}{best:>14.1}{lost:>12}", version.to_string());
        assert!(decoder.stats().all(|(_, stats)| stats.records > 0 && stats.repeated == 0));
    }
}

struct Options {
    flows: u64,
    turns: usize,
    dir: Option<PathBuf>,
    peers: Option<PathBuf>,
}

fn options(mut words: impl Iterator<Item = String>) -> Options {
    let mut options = Options { flows: 1_000_000, turns: 9, dir: None, peers: None };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "-n" => options.flows = value().parse().unwrap(),
            "-r" => options.turns = value().parse().unwrap(),
            "--dir" => options.dir = Some(value().into()),
            "--peers" => options.peers = Some(value().into()),
            // Cargo passes this option to every benchmark.
            "--bench" => {}
            _ => panic!("unknown option {word}"),
        }
    }
    options
}

fn main() {
    let words: Vec<_> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--measure") => return measure(&words[1..]),
        Some("--bare") => return bare_loop(Path::new(&words[1])),
        Some("--watch") => return measure_watch(),
        Some("--parser") => return parser(Path::new(&words[1])),
        _ => {}
    }
    let options = options(words.into_iter());
    let scratch = tempfile::tempdir().unwrap();
    let dir = options.dir.as_deref().unwrap_or(scratch.path());
    let (me, flows) = (env::current_exe().unwrap(), options.flows);

    let mut programs = Vec::new();
    for (version, name) in [("5", "v5"), ("9", "v9"), ("ipfix", "ipfix"), ("sflow", "sflow")] {
        let file = dir.join(format!("{name}-{flows}.pcapng"));
        let path = file.to_str().unwrap();
        if !file.exists() {
            let count = flows.to_string();
            let mut words = vec!["campus", "--flows", &count, "--export", version, "--write", path];
            if name == "sflow" {
                // Every packet would be a sample, and a flow has about 50 of them.
                words.extend(["--sampling", "50"]);
            }
            let status = Command::new(NFGEN).args(words).stderr(Stdio::null()).status();
            assert!(status.unwrap().success(), "nfgen: {name}");
        }
        if version == "5" {
            let bare = [me.to_str().unwrap(), "--bare", path];
            assert!(text(&bare) == text(&[NFDUMP, "-N", path]), "the bare loop writes other lines");
            programs.push(Process::new("bare loop, v5", flows as f64, &bare));
        }
        let lines = text(&[NFDUMP, "-N", path]).iter().filter(|&&byte| byte == b'\n').count();
        let unit = if name == "sflow" { "sflow, a sample each" } else { name };
        programs.push(Process::new(&format!("nfdump-txt, {unit}"), lines as f64, &[NFDUMP, path]));
        if name == "v9" {
            let only = [NFDUMP, "--stats", path];
            programs.push(Process::new("nfdump-txt, v9, no lines", flows as f64, &only));
            let parser = [me.to_str().unwrap(), "--parser", path];
            programs.push(Process::new("netflow_parser, v9, no lines", flows as f64, &parser));
        }
    }
    if let Some(peers) = options.peers {
        for line in fs::read_to_string(peers).unwrap().lines() {
            let cells: Vec<_> = line.split('\t').collect();
            let [name, flows, command] = cells[..] else {
                panic!("{line:?}: expected three columns")
            };
            programs.push(Process::new(name, flows.parse().unwrap(), &["sh", "-c", command]));
        }
    }

    for _ in 0..options.turns {
        programs.iter_mut().for_each(|program| program.turn(&me));
    }
    println!(
        "{flows} campus flows, file to /dev/null, median of {} turns, {}",
        options.turns,
        load()
    );
    let (cpu, rate) = ("CPU s per M", "M flows/s");
    println!("{:32}{cpu:>12}{:>10}{rate:>12}{:>10}", "", "x bare", "peak MiB");
    let mut bare = 0.0;
    for program in &mut programs {
        let took = program.cpu() / program.flows * 1e6;
        if bare == 0.0 {
            bare = took;
        }
        let (ratio, rate, peak) = (took / bare, 1.0 / took, program.peak);
        println!("{:32}{took:>12.4}{ratio:>10.2}{rate:>12.2}{peak:>10.1}", program.name);
    }
    measure_watch();
}
