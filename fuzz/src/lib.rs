//! The fuzz targets as plain functions. `scripts/fuzz` feeds them for hours, and plain `cargo test`
//! replays the corpus through them (tests/nfkit/fuzz.rs includes this file).
//!
//! Each target makes a sequence of datagrams from its input, so that templates, pending data,
//! sequence numbers and evictions carry over from one datagram to the next. The targets look for
//! more than panics: limits must hold, counts must add up, two decoders must agree, and a decoder
//! that keeps extras must return the same flows.

use std::io::{self, Read};
use std::net::IpAddr;

use nfkit::capture::{Ending, Event, Reader, Slot};
use nfkit::cli::decompress;
use nfkit::flow::{Flow, ICMP, ICMPV6};
use nfkit::line::{self, Column};
use nfkit::time::Timestamp;
use nfkit::wire::{Batch, Decoder, DecoderLimits, Domain, Lost, Stats, Version};

/// The arrival of the first datagram.
const BEGIN: Timestamp = Timestamp::from_secs(1_000_000_000);

/// The columns in which [`line`] can write everything in a [`Flow`].
const COLUMNS: [Column; 14] = [
    Column::Sif,
    Column::Sip,
    Column::Dip,
    Column::Dif,
    Column::Proto,
    Column::Sport,
    Column::Dport,
    Column::Packets,
    Column::Octets,
    Column::Start,
    Column::End,
    Column::Flags,
    Column::Exporter,
    Column::Sampling,
];

/// The way in which a datagram is given to the decoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// [`Decoder::datagram`]
    Read,
    /// [`Decoder::learn`]
    Learn,
    /// [`Decoder::watch`]
    Watch,
}

/// A datagram for the decoders.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The number of the exporter, 0 to 3.
    pub exporter: u8,
    /// The way in which it is given to the decoders.
    pub action: Action,
    /// The seconds since the datagram before.
    pub after: i8,
    /// The payload.
    pub payload: &'a [u8],
}

/// Packs the input of [`datagrams`]: a byte that is 1 for small limits, then for each datagram a
/// byte with exporter and action, a byte with the seconds since the one before, its length in two
/// bytes, and the payload.
pub fn pack(small: bool, sent: &[Sent<'_>]) -> Vec<u8> {
    let mut out = vec![small.into()];
    for Sent { exporter, action, after, payload } in sent {
        let action = match action {
            Action::Read => 0,
            Action::Learn => 2,
            Action::Watch => 3,
        };
        out.extend([exporter & 3 | (action << 2), *after as u8]);
        push(&mut out, payload);
    }
    out
}

/// An sFlow datagram for the decoders, without its header.
#[derive(Clone, Copy, Debug)]
pub struct SentSflow<'a> {
    /// The exporter and its agent address, as [`sflow`] reads them.
    pub agent: u8,
    /// The step of the sequence number.
    pub step: i8,
    /// The number of samples; 255 stands for the largest that fits.
    pub count: u8,
    /// The samples.
    pub samples: &'a [u8],
}

/// Packs the input of [`sflow`]: a byte that is 1 for small limits, then for each datagram a byte
/// each for agent, step and count, the length of the samples in two bytes, and the samples.
pub fn pack_sflow(small: bool, sent: &[SentSflow<'_>]) -> Vec<u8> {
    let mut out = vec![small.into()];
    for &SentSflow { agent, step, count, samples } in sent {
        out.extend([agent, step as u8, count]);
        push(&mut out, samples);
    }
    out
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}

/// The rest of a target's input. A byte beyond its end reads as zero.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Takes a length of two bytes and then that many bytes.
    fn prefixed(&mut self) -> &'a [u8] {
        let len = u16::from_be_bytes([self.u8(), self.u8()]);
        self.take(len.into())
    }
}

fn exporter(n: u8) -> IpAddr {
    match n & 3 {
        3 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 3]),
        n => [192, 0, 2, n].into(),
    }
}

/// Returns the default limits, or limits that a few datagrams reach.
fn limits(small: bool) -> DecoderLimits {
    if !small {
        return DecoderLimits { restated: 1 << 20, ..DecoderLimits::default() };
    }
    DecoderLimits {
        domains: 3,
        exporter_domains: 2,
        templates: 4,
        all_templates: 6,
        exporter_templates: 5,
        restated: 200,
        exporter_restated: 150,
        options: 400,
        fields: 24,
        records: 20,
        samplers: 2,
        all_samplers: 4,
        exporter_samplers: 3,
        held: 1750,
        all_held: 2500,
        exporter_held: 2000,
        missing: 2,
        foreign: 2,
        named: 2,
        errors: 2,
    }
}

/// Decodes datagrams of a few exporters, and learns from some or counts them only.
pub fn datagrams(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut comparison = Comparison::new(limits(bytes.u8() & 1 != 0));
    let mut now = BEGIN;
    while !bytes.0.is_empty() {
        let head = bytes.u8();
        now = now.offset(i64::from(bytes.u8() as i8) * 1_000_000_000);
        let action = match (head >> 2) & 3 {
            0 | 1 => Action::Read,
            2 => Action::Learn,
            _ => Action::Watch,
        };
        comparison.datagram(exporter(head), action, now, bytes.prefixed());
    }
    comparison.finish();
}

/// Decodes the datagrams of a capture file, compressed or not.
pub fn capture(bytes: &[u8]) {
    let bytes = &decompressed(bytes)[..];
    let mut comparison = Comparison::new(limits(bytes.len() % 2 == 1));
    let whole = CaptureRead::of(bytes, bytes.len());
    let mut left = bytes.len();
    for event in &whole.events {
        let CaptureEvent::Datagram { arrival, exporter, payload, templates, .. } = event else {
            continue;
        };
        left = left.checked_sub(payload.len()).expect("payloads overlap in the file");
        let action = if *templates { Action::Learn } else { Action::Read };
        comparison.datagram(*exporter, action, *arrival, payload);
    }
    comparison.finish();
    // The same file gives the same events if it comes in small pieces.
    assert_eq!(CaptureRead::of(bytes, 1 + bytes.len() % 13), whole);
}

/// Decompresses the input as the tools do, but at most its first 256 KiB: a few bytes of zstd may
/// become gigabytes.
fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let read = |at_once| {
        let mut out = Vec::new();
        let stream = decompress(Pieces { bytes, at_once });
        let read = stream.and_then(|stream| stream.take(1 << 18).read_to_end(&mut out));
        (out, read.ok())
    };
    let (out, whole) = read(bytes.len());
    // If a stream is damaged, more of it may come out in one way than in the other.
    if let (true, (other, Some(_))) = (whole.is_some(), read(1 + bytes.len() % 13)) {
        assert!(out == other, "decompressed in pieces it is another file");
    }
    out
}

/// Decodes sFlow datagrams. The header is made here and mostly right.
pub fn sflow(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut comparison = Comparison::new(limits(bytes.u8() & 1 != 0));
    let mut number = 0u32;
    let mut now = BEGIN;
    while !bytes.0.is_empty() {
        let agent = bytes.u8();
        number = number.wrapping_add_signed((bytes.u8() as i8).into());
        let count = bytes.u8();
        let samples = bytes.prefixed();
        now = now.offset(1_000_000_000);
        let mut datagram = vec![0, 0, 0, 5];
        let known = match (agent >> 2) & 7 {
            0 => None,
            1 => Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])),
            n => Some(IpAddr::from([192, 0, 2, n])),
        };
        match known {
            // No type of address has this number.
            _ if agent & 0xe0 == 0xe0 => datagram.extend([0, 0, 0, 3]),
            None => datagram.extend([0; 4]),
            Some(IpAddr::V4(four)) => datagram.extend([&[0, 0, 0, 1], &four.octets()[..]].concat()),
            Some(IpAddr::V6(six)) => datagram.extend([&[0, 0, 0, 2], &six.octets()[..]].concat()),
        }
        let count = if count == 255 { u32::MAX } else { count.into() };
        for word in [u32::from((agent >> 5) & 1), number, number.wrapping_mul(1000), count] {
            datagram.extend(word.to_be_bytes());
        }
        datagram.extend(samples);
        let source = exporter(agent);
        comparison.datagram(source, Action::Read, now, &datagram);
        for flow in &comparison.batches[0].flows {
            assert_eq!((flow.packets, flow.start, flow.end), (1, Some(now), Some(now)));
            assert_eq!(flow.exporter, Some(known.unwrap_or(source)));
        }
    }
    comparison.finish();
}

/// Reads flow lines, or another program's output if the first byte chooses its dialect.
pub fn lines(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let tool = line::Tool::ALL.get(usize::from(bytes.u8())).copied();
    let text = bytes.0;
    let whole = LinesRead::of(text, text.len(), tool);
    // The same stream gives the same flows if it comes in small pieces, unless it turns out to be
    // binary: more of it may have been read before, and a capture is recognised by the bytes that
    // come first.
    let pieces = LinesRead::of(text, 1 + text.len() % 13, tool);
    assert!(whole.error || pieces == whole, "{pieces:?}\n{whole:?}");
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!(whole.bad.is_sorted_by(|a, b| a < b), "{:?}", whole.bad);
    assert!(whole.bad.last().is_none_or(|last| *last <= lines as u64));
    assert!(whole.flows.len() <= 2 * lines);
    // The flows can be written, and are read back unchanged.
    let mut written = Vec::new();
    let mut writer = line::Writer::new(&mut written).columns(&COLUMNS);
    writer.fields().and_then(|()| writer.flows(&whole.flows)).expect("a Vec takes everything");
    let again = LinesRead::of(&written, written.len(), None);
    assert_eq!((again.flows, again.bad.len()), (whole.flows.clone(), 0));
    // A reader that keeps the text returns the same flows, and each line holds its flow.
    let reader = line::Lines::new(text);
    let mut reader = match tool {
        Some(tool) => reader.of(tool),
        None => reader,
    };
    let (mut kept, mut names) = (Vec::new(), Vec::new());
    while let Ok(Some(item)) = reader.next_kept() {
        match item {
            line::Kept::Fields(line) => names = [line, b"\n"].concat(),
            line::Kept::Flows { flows, text } => {
                kept.extend_from_slice(flows);
                let Some(text) = text else { continue };
                for (n, flow) in flows.iter().enumerate().take(8) {
                    let alone = [&names[..], text.line(n), b"\n"].concat();
                    // The separator was chosen by an earlier line, and this line may contain others
                    // too.
                    let alone = LinesRead::of(&alone, alone.len(), Some(line::Tool::Flow));
                    assert!(alone.flows.is_empty() || alone.flows == [*flow]);
                }
            }
            _ => {}
        }
    }
    assert_eq!(kept, whole.flows);
}

/// The result of reading lines.
#[derive(Debug, PartialEq)]
struct LinesRead {
    flows: Vec<Flow>,
    marks: Vec<String>,
    bad: Vec<u64>,
    error: bool,
}

impl LinesRead {
    /// Reads lines from a stream that returns at most `at_once` bytes at a time.
    fn of(bytes: &[u8], at_once: usize, tool: Option<line::Tool>) -> LinesRead {
        let reader = line::Reader::new(Pieces { bytes, at_once });
        let mut reader = match tool {
            Some(tool) => reader.of(tool),
            None => reader,
        };
        let mut result =
            LinesRead { flows: Vec::new(), marks: Vec::new(), bad: Vec::new(), error: false };
        loop {
            match reader.next_item() {
                Ok(None) => return result,
                Ok(Some(line::Item::Flows(flows))) => {
                    assert!(!flows.is_empty() && flows.len() <= nfkit::flow::BATCH);
                    result.flows.extend_from_slice(flows);
                }
                Ok(Some(line::Item::Mark(mark))) => result.marks.push(mark.to_string()),
                Ok(Some(line::Item::Bad { line, .. })) => result.bad.push(line),
                Err(_) => result.error = true,
            }
        }
    }
}

/// Three decoders with the same input: two that are equal, and one that keeps extras.
struct Comparison {
    limits: DecoderLimits,
    decoders: [Decoder; 3],
    batches: [Batch; 3],
    /// Datagrams that were read or watched.
    counted: u64,
    /// True if some datagrams were watched.
    watched: bool,
    flows: Vec<Flow>,
    late: u64,
    lost: Lost,
}

impl Comparison {
    fn new(limits: DecoderLimits) -> Comparison {
        let decoder = || Decoder::new(limits.clone());
        Comparison {
            decoders: [decoder(), decoder(), decoder().with_extras()],
            limits,
            batches: Default::default(),
            counted: 0,
            watched: false,
            flows: Vec::new(),
            late: 0,
            lost: Lost::default(),
        }
    }

    fn datagram(&mut self, exporter: IpAddr, action: Action, now: Timestamp, payload: &[u8]) {
        let before = Sum::of(&self.decoders[0]);
        for (decoder, batch) in self.decoders.iter_mut().zip(&mut self.batches) {
            batch.clear();
            match action {
                Action::Read => decoder.datagram(exporter, now, payload, batch),
                Action::Learn => decoder.learn(exporter, payload, batch),
                Action::Watch => decoder.watch(exporter, now, payload, batch),
            }
        }
        self.assert_alike();
        let [batch, ..] = &self.batches;
        assert!(batch.errors.len() <= self.limits.errors);
        self.flows.extend(&batch.flows);
        self.late += batch.late;
        self.lost.add(batch.lost);
        self.counted += u64::from(action != Action::Learn);
        self.watched |= action == Action::Watch;
        let after = Sum::of(&self.decoders[0]);
        self.assert_bounded(&after);
        self.assert_consistent(&after);
        let seen = after.stats.datagrams - before.stats.datagrams;
        match action {
            Action::Read | Action::Watch => {
                let without_domain = after.without_domain - before.without_domain;
                // An IPFIX datagram may contain several messages.
                assert!(
                    (seen > 0) != (without_domain > 0) && without_domain <= 1,
                    "{seen} and {without_domain}"
                );
            }
            Action::Learn => assert_eq!((seen, after.without_domain), (0, before.without_domain)),
        }
        if action != Action::Read {
            assert_eq!(batch.flows.len() as u64, batch.late, "data of no datagram");
        }
        // No byte is read twice, so the output is limited by the input: a record has at least one
        // byte, and a pair of flows has its addresses.
        let bytes = payload.len() as u64 + before.stats.held_bytes;
        let records = |sum: &Sum| sum.stats.records + sum.stats.option_records;
        assert!(records(&after) - records(&before) <= bytes);
        assert!(9 * batch.flows.len() as u64 <= 2 * bytes);
        for flow in &batch.flows {
            assert!(flow.exporter.is_some());
            assert!(flow.start.is_none() || flow.end.is_none() || flow.start <= flow.end);
            assert!(flow.sport == 0 || (flow.proto != ICMP && flow.proto != ICMPV6));
        }
    }

    fn assert_alike(&self) {
        let [one, two, extras] = &self.batches;
        for other in [two, extras] {
            assert_eq!(one.flows, other.flows);
            assert_eq!(one.errors, other.errors);
            assert_eq!((one.late, one.lost), (other.late, other.lost));
        }
        assert_eq!((one.extras.len(), two.extras.len()), (0, 0));
        assert_eq!(extras.extras.len(), extras.flows.len());
        let [one, others @ ..] = &self.decoders;
        for other in others {
            assert!(one.stats().eq(other.stats()), "{one:?}\n{other:?}");
            assert_eq!(one.totals(), other.totals());
        }
    }

    fn assert_bounded(&self, sum: &Sum) {
        let DecoderLimits { domains, held, all_held, missing, foreign, .. } = self.limits;
        let all: Vec<(&Domain, &Stats)> = self.decoders[0].stats().collect();
        assert!(all.len() <= domains);
        assert!(sum.stats.held_bytes <= all_held as u64);
        assert!(self.decoders[0].totals().by_version.len() <= foreign);
        for (_, stats) in all {
            assert!(stats.held_bytes <= held as u64);
            assert!(stats.missing.len() <= missing);
            let waiting: u64 = stats.missing.values().map(|missing| missing.sets).sum();
            assert!(waiting <= stats.undecodable_sets);
            assert!(stats.evicted_sets <= stats.undecodable_sets);
            assert!(stats.evicted_bytes <= stats.undecodable_bytes);
            assert!(stats.late_sets > 0 || stats.late == 0);
        }
    }

    fn assert_consistent(&self, sum: &Sum) {
        let Sum { stats, .. } = sum;
        assert_eq!((stats.flows, stats.late), (self.flows.len() as u64, self.late));
        assert_eq!(stats.lost, self.lost);
        let with_flow = stats.records - stats.no_address;
        assert!(stats.flows <= 2 * with_flow, "{stats:?}");
        // Records that are only watched make no flow.
        assert!(self.watched || stats.flows >= with_flow, "{stats:?}");
        assert!(stats.late <= stats.flows);
        assert!(stats.bad_datagrams <= stats.datagrams);
        let faults: u64 = stats.faults.iter().map(|(_, n)| n).sum();
        assert!(stats.bad_datagrams <= faults);
        assert!(stats.restarts + stats.repeated <= stats.datagrams);
        assert_eq!(stats.sampling > 0, stats.sampling_from.is_some());
        let largest = self.flows.iter().map(|flow| flow.sampling).max().unwrap_or(0);
        assert_eq!(stats.sampling, largest);
        let totals = self.decoders[0].totals();
        assert_eq!(totals.datagrams, self.counted);
        assert!(totals.by_version.values().sum::<u64>() <= totals.foreign);
    }

    /// Makes the checks for which all datagrams must have been read.
    fn finish(&self) {
        self.assert_restated_is_complete();
        self.assert_lines_keep_flows();
    }

    /// Asserts that a decoder that learns the restated templates and options knows the same.
    fn assert_restated_is_complete(&self) {
        for decoder in &self.decoders {
            let limits = DecoderLimits { restated: usize::MAX, ..DecoderLimits::default() };
            let mut other = Decoder::new(limits);
            let mut batch = Batch::default();
            let all: Vec<_> = decoder.restate(BEGIN).collect();
            for (exporter, datagram) in &all {
                other.learn(*exporter, datagram, &mut batch);
            }
            assert_eq!(batch.errors, []);
            // The largest domain alone may stay above the limit. Headers and padding come on top.
            let bytes: usize = all.iter().map(|(_, d)| d.len().saturating_sub(40)).sum();
            let DecoderLimits { templates, fields, restated, options, .. } = self.limits;
            assert!(bytes <= restated.max(templates * (6 + 8 * fields) + options));
            // The numbering of the exporter is not learnt.
            let without_number = |(exporter, mut datagram): (IpAddr, Vec<u8>)| {
                let at = if datagram[1] == 9 { 12 } else { 8 };
                datagram[at..at + 4].fill(0);
                (exporter, datagram)
            };
            let learnt: Vec<_> = other.restate(BEGIN).map(without_number).collect();
            assert_eq!(learnt, all.into_iter().map(without_number).collect::<Vec<_>>());
        }
    }

    /// Asserts that every flow can be written as a line, and is read back unchanged.
    fn assert_lines_keep_flows(&self) {
        let flows = &self.flows[..self.flows.len().min(4096)];
        if flows.is_empty() {
            return;
        }
        let mut text = Vec::new();
        let mut writer = line::Writer::new(&mut text).columns(&COLUMNS);
        writer.fields().and_then(|()| writer.flows(flows)).expect("a Vec takes everything");
        let mut reader = line::Reader::new(&text[..]);
        let mut read = Vec::new();
        while let Some(item) = reader.next_item().expect("lines are text") {
            match item {
                line::Item::Flows(flows) => read.extend_from_slice(flows),
                other => panic!("{other:?} in our own lines"),
            }
        }
        assert_eq!(read, flows);
    }
}

/// The counts of a decoder, over all domains that it has or had.
struct Sum {
    stats: Stats,
    /// Datagrams that belong to no domain.
    without_domain: u64,
}

impl Sum {
    fn of(decoder: &Decoder) -> Sum {
        let totals = decoder.totals();
        let mut stats = totals.evicted.clone();
        // These count what is held now, and evicted domains hold nothing.
        stats.held_bytes = 0;
        for (domain, own) in decoder.stats() {
            stats.add(own);
            if matches!(domain.version, Version::V1 | Version::V5 | Version::V7 | Version::Sflow) {
                assert!(own.flows + own.no_address <= own.records);
                assert_eq!(own.templates + own.option_records + own.late, 0);
            }
        }
        Sum { stats, without_domain: totals.short + totals.foreign }
    }
}

/// The result of reading a capture file.
#[derive(Debug, PartialEq)]
struct CaptureRead {
    events: Vec<CaptureEvent>,
    error: Option<String>,
    skipped: u64,
}

#[derive(Debug, PartialEq)]
enum CaptureEvent {
    Section(Option<Slot>),
    Datagram {
        arrival: Timestamp,
        exporter: IpAddr,
        ports: (u16, u16),
        payload: Vec<u8>,
        templates: bool,
    },
    End(Ending),
}

impl CaptureRead {
    /// Reads a file from a stream that returns at most `at_once` bytes at a time.
    fn of(bytes: &[u8], at_once: usize) -> CaptureRead {
        let mut result = CaptureRead { events: Vec::new(), error: None, skipped: 0 };
        let mut reader = match Reader::new(Pieces { bytes, at_once }) {
            Ok(reader) => reader,
            Err(error) => return CaptureRead { error: Some(error.to_string()), ..result },
        };
        let mut open = false;
        result.error = loop {
            let event = match reader.next() {
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
                Ok(Some(Event::Section(slot))) => CaptureEvent::Section(slot),
                Ok(Some(Event::End(ending))) => CaptureEvent::End(ending),
                Ok(Some(Event::Datagram(datagram))) => CaptureEvent::Datagram {
                    arrival: datagram.arrival,
                    exporter: datagram.exporter,
                    ports: (datagram.port, datagram.dport),
                    payload: datagram.payload.to_vec(),
                    templates: datagram.templates,
                },
            };
            match event {
                CaptureEvent::Section(_) => assert!(!std::mem::replace(&mut open, true)),
                CaptureEvent::Datagram { .. } => assert!(open, "a datagram outside of a section"),
                CaptureEvent::End(_) => assert!(std::mem::replace(&mut open, false)),
            }
            result.events.push(event);
        };
        assert!(!open, "a section without its end");
        for _ in 0..2 {
            assert!(matches!(reader.next(), Ok(None)), "more behind the end");
        }
        result.skipped = reader.skipped().total();
        // A packet has a header of at least 12 bytes.
        assert!(result.skipped <= bytes.len() as u64 / 12);
        result
    }
}

/// A stream that returns a few bytes at a time.
struct Pieces<'a> {
    bytes: &'a [u8],
    at_once: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(self.at_once).min(self.bytes.len());
        let (head, rest) = self.bytes.split_at(len);
        out[..len].copy_from_slice(head);
        self.bytes = rest;
        Ok(len)
    }
}
