//! Measures the reader of captures: nanoseconds a datagram, for each container and link layer.
//!
//! `cargo bench --bench capture [FILE]...` prints a line for each capture made here, or for each FILE.
//! Bytes come from memory, so that no disk is measured, but the copy into the reader's buffer is:
//! `copy` is the cost of a bare copy, `reader` the whole cost, `parse` the difference. The captures
//! made here repeat a few packets, so that they stay in the processor's cache, and other programs'
//! use of the memory is not measured.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nfkit::capture::{Event, Reader, Slot, Writer};
use nfkit::time::{Timestamp, Window};

/// Bytes of a v5 datagram with 30 flows.
const PAYLOAD: usize = 24 + 30 * 48;

/// Datagrams in each capture.
const DATAGRAMS: u32 = 64;

/// Repetitions of each capture.
const LAPS: usize = 200;

/// Runs of each capture. The fastest counts, because the others were disturbed.
const RUNS: usize = 100;

/// 2001-07-01T00:20:00Z.
const START: u64 = 993_946_800;

/// Returns an IPv4 packet with UDP around `payload` bytes.
fn packet(payload: usize) -> Vec<u8> {
    let len = |bytes: usize| (bytes as u16).to_be_bytes();
    let mut packet = vec![0x45, 0];
    packet.extend(len(28 + payload));
    packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9]);
    packet.extend([0xc3, 0x50, 0x08, 0x07]);
    packet.extend(len(8 + payload));
    packet.extend([0, 0]);
    packet.resize(28 + payload, 0xa5);
    packet
}

/// Returns an Ethernet frame, in a VLAN or none.
fn ethernet(vlan: bool, packet: Vec<u8>) -> Vec<u8> {
    let tag: &[u8] = if vlan { &[0x81, 0, 0, 42] } else { &[] };
    [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1], tag, &[8, 0], &packet].concat()
}

/// Returns a pcap file as tcpdump writes it.
fn pcap(link: u32, frame: &[u8], count: u32) -> Vec<u8> {
    packets(link, std::iter::repeat_n(frame.to_vec(), count as usize))
}

/// Returns a pcap file of these frames.
fn packets(link: u32, frames: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link];
    let mut file: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    for (n, frame) in (0..).zip(frames) {
        let words = [START as u32, n, frame.len() as u32, frame.len() as u32];
        file.extend(words.into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
    }
    file
}

/// Returns a pcap file of datagrams in two fragments each, as a link of 1,280 bytes makes them.
fn fragments(count: u32) -> Vec<u8> {
    let frames = (0..count).flat_map(|n| {
        let whole = packet(PAYLOAD);
        [(0, 1256), (1256, whole.len() - 20)].map(|(start, end)| {
            let mut piece = [&whole[..20], &whole[20 + start..20 + end]].concat();
            let (len, more) = (piece.len() as u16, u16::from(start == 0));
            piece[2..4].copy_from_slice(&len.to_be_bytes());
            piece[4..6].copy_from_slice(&(n as u16).to_be_bytes());
            piece[6..8].copy_from_slice(&((more << 13) | (start as u16 / 8)).to_be_bytes());
            piece
        })
    });
    packets(101, frames)
}

/// Returns a pcapng file as dumpcap writes it: nanoseconds, no options after the packets.
fn pcapng(link: u32, frame: &[u8], count: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut block = |words: &[u32], bytes: &[u8]| {
        let len = (words.len() * 4 + 8 + bytes.len().next_multiple_of(4)) as u32;
        file.extend(words[0].to_le_bytes());
        file.extend(len.to_le_bytes());
        file.extend(words[1..].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(4), 0);
        file.extend(len.to_le_bytes());
    };
    block(&[0x0a0d_0d0a, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX], &[]);
    block(&[1, link, 262_144, 0x0001_0009, 9, 0], &[]);
    for n in 0..count {
        let time = START * 1_000_000_000 + u64::from(n);
        let len = frame.len() as u32;
        block(&[6, 0, (time >> 32) as u32, time as u32, len, len], frame);
    }
    file
}

/// Returns a slot as nfcap writes it.
fn slot(count: u32) -> Vec<u8> {
    let [from, to]: [SocketAddr; 2] =
        ["192.0.2.1:50000", "192.0.2.9:2055"].map(|address| address.parse().unwrap());
    let mut writer = Writer::new(Vec::new());
    writer
        .section(&Slot { window: Window::new(START, 600).unwrap(), allow: None, ident: None })
        .unwrap();
    for n in 0..count {
        let at = Timestamp::from_nanos(START * 1_000_000_000 + u64::from(n));
        writer.datagram(at, from, to, &[0xa5; PAYLOAD]).unwrap();
    }
    writer.into_inner()
}

/// A capture whose packets are repeated.
struct Laps<'a> {
    packets: &'a [u8],
    /// Bytes left of this lap.
    rest: &'a [u8],
    /// Laps after this one.
    laps: usize,
}

impl<'a> Laps<'a> {
    /// Returns `laps` laps of a capture with `head` bytes before its packets.
    fn new(file: &'a [u8], head: usize, laps: usize) -> Laps<'a> {
        Laps { packets: &file[head..], rest: file, laps: laps - 1 }
    }
}

impl Read for Laps<'_> {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        let mut all = 0;
        loop {
            let read = self.rest.read(buffer)?;
            (all, buffer) = (all + read, &mut buffer[read..]);
            if buffer.is_empty() || self.laps == 0 {
                return Ok(all);
            }
            (self.rest, self.laps) = (self.packets, self.laps - 1);
        }
    }
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Reads to the end, and returns the number of datagrams.
fn datagrams(input: Laps<'_>) -> u64 {
    let mut reader = Reader::new(input).unwrap();
    let mut count = 0;
    while let Some(event) = reader.next().unwrap() {
        if let Event::Datagram(datagram) = black_box(event) {
            count += 1;
            black_box(datagram.payload.first());
        }
    }
    count
}

fn measure(name: &str, file: &[u8], head: usize, laps: usize) {
    let count = datagrams(Laps::new(file, head, laps));
    let mut buffer = vec![0; 256 * 1024];
    let (mut copy, mut all) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        copy = copy.min(time(|| {
            let mut input = Laps::new(file, head, laps);
            while input.read(&mut buffer).unwrap() > 0 {
                black_box(&buffer);
            }
        }));
        all = all.min(time(|| assert_eq!(datagrams(Laps::new(file, head, laps)), count)));
    }
    let each = |time: Duration| time.as_secs_f64() * 1e9 / count.max(1) as f64;
    println!(
        "{name:24} {count:8} datagrams  reader {:6.1} ns  copy {:6.1} ns  parse {:6.1} ns",
        each(all),
        each(copy),
        each(all) - each(copy)
    );
}

fn main() -> io::Result<()> {
    let files: Vec<_> = std::env::args_os().skip(1).filter(|arg| arg != "--bench").collect();
    for path in &files {
        measure(&path.to_string_lossy(), &std::fs::read(path)?, 0, 1);
    }
    if files.is_empty() {
        let plain = ethernet(false, packet(PAYLOAD));
        let vlan = ethernet(true, packet(PAYLOAD));
        let raw = packet(PAYLOAD);
        let small = packet(72);
        let made = |name: &str, make: &dyn Fn(u32) -> Vec<u8>| {
            measure(name, &make(DATAGRAMS), make(0).len(), LAPS);
        };
        made("nfcap", &slot);
        made("pcapng, Ethernet", &|n| pcapng(1, &plain, n));
        made("pcapng, VLAN", &|n| pcapng(1, &vlan, n));
        made("pcap, Ethernet", &|n| pcap(1, &plain, n));
        made("pcap, raw IP", &|n| pcap(101, &raw, n));
        made("pcap, in two fragments", &fragments);
        made("pcap, small packets", &|n| pcap(101, &small, n));
    }
    Ok(())
}
