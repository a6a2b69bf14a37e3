//! What the fuzz targets do with the octets that they are given, as plain functions: `scripts/fuzz`
//! feeds them for hours, and plain `cargo test` replays the corpus through them (tests/nfkit/fuzz.rs
//! includes this file).
//!
//! Each makes a sequence of datagrams out of its octets, so that templates, held data, sequence
//! numbers and evictions come from one datagram to the next. A panic is only the least of what they
//! look for: limits must hold, counts must add up, two decoders must say the same, and one that keeps
//! extras the same flows.

use std::io::{self, Read};
use std::net::IpAddr;

use nfkit::capture::{Ending, Event, Reader, Slot};
use nfkit::cli::decompress;
use nfkit::flow::{Flow, ICMP, ICMPV6};
use nfkit::line::{self, Column};
use nfkit::time::Timestamp;
use nfkit::wire::{Batch, Decoder, DecoderLimits, Domain, Lost, Stats, Version};

/// When the first datagram arrives.
const BEGIN: Timestamp = Timestamp::from_secs(1_000_000_000);

/// What [`line`] can say of a [`Flow`].
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

/// What is done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// [`Decoder::datagram`]
    Read,
    /// [`Decoder::learn`]
    Learn,
    /// [`Decoder::watch`]
    Watch,
}

/// A datagram on its way into the decoders.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Its exporter, 0 to 3.
    pub exporter: u8,
    /// What is done with it.
    pub how: How,
    /// Seconds after the one before.
    pub after: i8,
    /// Its octets.
    pub payload: &'a [u8],
}

/// The octets that [`datagrams`] reads: one that says whether limits are small, then of each datagram
/// who sent it and how it is read, the seconds since the one before, its length in two octets, and
/// itself.
pub fn pack(small: bool, sent: &[Sent<'_>]) -> Vec<u8> {
    let mut out = vec![small.into()];
    for Sent { exporter, how, after, payload } in sent {
        let how = match how {
            How::Read => 0,
            How::Learn => 2,
            How::Watch => 3,
        };
        out.extend([exporter & 3 | (how << 2), *after as u8]);
        push(&mut out, payload);
    }
    out
}

/// The octets that [`sflow`] reads: as [`pack`] has them, but of each datagram the agent, the step of
/// the sequence number and the count of samples, then the samples.
pub fn pack_sflow(small: bool, sent: &[(u8, i8, u8, &[u8])]) -> Vec<u8> {
    let mut out = vec![small.into()];
    for &(agent, step, count, samples) in sent {
        out.extend([agent, step as u8, count]);
        push(&mut out, samples);
    }
    out
}

fn push(out: &mut Vec<u8>, octets: &[u8]) {
    let octets = &octets[..octets.len().min(usize::from(u16::MAX))];
    out.extend((octets.len() as u16).to_be_bytes());
    out.extend(octets);
}

/// The octets of a target; what is not there any more is zero.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// What two octets of length stand before.
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

/// Limits that a few datagrams reach.
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

/// Datagrams of a few exporters, read or learnt from.
pub fn datagrams(octets: &[u8]) {
    let mut octets = Octets(octets);
    let mut trial = Trial::new(limits(octets.u8() & 1 != 0));
    let mut now = BEGIN;
    while !octets.0.is_empty() {
        let head = octets.u8();
        now = now.offset(i64::from(octets.u8() as i8) * 1_000_000_000);
        let how = match (head >> 2) & 3 {
            0 | 1 => How::Read,
            2 => How::Learn,
            _ => How::Watch,
        };
        trial.datagram(exporter(head), how, now, octets.prefixed());
    }
    trial.end();
}

/// A capture file, compressed or not: datagrams as its reader finds them.
pub fn capture(octets: &[u8]) {
    let octets = &plain(octets)[..];
    let mut trial = Trial::new(limits(octets.len() % 2 == 1));
    let whole = Told::of(octets, octets.len());
    let mut left = octets.len();
    for told in &whole.events {
        let Said::Datagram { arrival, exporter, payload, templates, .. } = told else { continue };
        left = left.checked_sub(payload.len()).expect("payloads overlap in the file");
        let how = if *templates { How::Learn } else { How::Read };
        trial.datagram(*exporter, how, *arrival, payload);
    }
    trial.end();
    // A file is the same however it comes in.
    assert_eq!(Told::of(octets, 1 + octets.len() % 13), whole);
}

/// What the tools would read of a file, but no more than the beginning: a few octets of zstd may be
/// gigabytes.
fn plain(octets: &[u8]) -> Vec<u8> {
    let read = |at_once| {
        let mut out = Vec::new();
        let stream = decompress(Pieces { octets, at_once });
        let read = stream.and_then(|stream| stream.take(1 << 18).read_to_end(&mut out));
        (out, read.ok())
    };
    let (out, whole) = read(octets.len());
    // Where a stream breaks, more of it may come out one way than the other.
    if let (true, (other, Some(_))) = (whole.is_some(), read(1 + octets.len() % 13)) {
        assert!(out == other, "decompressed in pieces it is another file");
    }
    out
}

/// Datagrams of sFlow: the header is made here, mostly a right one.
pub fn sflow(octets: &[u8]) {
    let mut octets = Octets(octets);
    let mut trial = Trial::new(limits(octets.u8() & 1 != 0));
    let mut number = 0u32;
    let mut now = BEGIN;
    while !octets.0.is_empty() {
        let agent = octets.u8();
        number = number.wrapping_add_signed((octets.u8() as i8).into());
        let count = octets.u8();
        let samples = octets.prefixed();
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
        trial.datagram(source, How::Read, now, &datagram);
        for flow in &trial.batches[0].flows {
            assert_eq!((flow.packets, flow.start, flow.end), (1, Some(now), Some(now)));
            assert_eq!(flow.exporter, Some(known.unwrap_or(source)));
        }
    }
    trial.end();
}

/// Flow lines, or another program's output: the first octet may say whose.
pub fn lines(octets: &[u8]) {
    let mut octets = Octets(octets);
    let tool = line::Tool::ALL.get(usize::from(octets.u8())).copied();
    let text = octets.0;
    let whole = Lined::of(text, text.len(), tool);
    // A stream is the same however it comes in, but for one that turns out to be no text: of what stands
    // before that more may have been read, and a capture is told by the first octets that come at once.
    let pieces = Lined::of(text, 1 + text.len() % 13, tool);
    assert!(whole.error || pieces == whole, "{pieces:?}\n{whole:?}");
    let lines = text.iter().filter(|octet| **octet == b'\n').count() + 1;
    assert!(whole.bad.is_sorted_by(|a, b| a < b), "{:?}", whole.bad);
    assert!(whole.bad.last().is_none_or(|last| *last <= lines as u64));
    assert!(whole.flows.len() <= 2 * lines);
    // What was read can be written, and is read back.
    let mut written = Vec::new();
    let mut writer = line::Writer::new(&mut written).columns(&COLUMNS);
    writer.fields().and_then(|()| writer.flows(&whole.flows)).expect("a Vec takes everything");
    let again = Lined::of(&written, written.len(), None);
    assert_eq!((again.flows, again.bad.len()), (whole.flows.clone(), 0));
    // Who keeps the text has the same flows, and each line of it says its flow.
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
                    // The line before chose what separates columns, and this one may hold others too.
                    let alone = Lined::of(&alone, alone.len(), Some(line::Tool::Flow));
                    assert!(alone.flows.is_empty() || alone.flows == [*flow]);
                }
            }
            _ => {}
        }
    }
    assert_eq!(kept, whole.flows);
}

/// What a reader says of lines.
#[derive(Debug, PartialEq)]
struct Lined {
    flows: Vec<Flow>,
    marks: Vec<String>,
    bad: Vec<u64>,
    error: bool,
}

impl Lined {
    /// Of octets that come so many at a time.
    fn of(octets: &[u8], at_once: usize, tool: Option<line::Tool>) -> Lined {
        let reader = line::Reader::new(Pieces { octets, at_once });
        let mut reader = match tool {
            Some(tool) => reader.of(tool),
            None => reader,
        };
        let mut lined =
            Lined { flows: Vec::new(), marks: Vec::new(), bad: Vec::new(), error: false };
        loop {
            match reader.next_item() {
                Ok(None) => return lined,
                Ok(Some(line::Item::Flows(flows))) => {
                    assert!(!flows.is_empty() && flows.len() <= nfkit::flow::BATCH);
                    lined.flows.extend_from_slice(flows);
                }
                Ok(Some(line::Item::Mark(mark))) => lined.marks.push(mark.to_string()),
                Ok(Some(line::Item::Bad { line, .. })) => lined.bad.push(line),
                Err(_) => lined.error = true,
            }
        }
    }
}

/// Three decoders that are given the same: two alike, and one that keeps extras.
struct Trial {
    limits: DecoderLimits,
    decoders: [Decoder; 3],
    batches: [Batch; 3],
    /// Datagrams that were read or watched.
    heard: u64,
    /// Some were watched.
    watched: bool,
    flows: Vec<Flow>,
    late: u64,
    lost: Lost,
}

impl Trial {
    fn new(limits: DecoderLimits) -> Trial {
        let decoder = || Decoder::new(limits.clone());
        Trial {
            decoders: [decoder(), decoder(), decoder().with_extras()],
            limits,
            batches: Default::default(),
            heard: 0,
            watched: false,
            flows: Vec::new(),
            late: 0,
            lost: Lost::default(),
        }
    }

    fn datagram(&mut self, exporter: IpAddr, how: How, now: Timestamp, payload: &[u8]) {
        let before = Sum::of(&self.decoders[0]);
        for (decoder, batch) in self.decoders.iter_mut().zip(&mut self.batches) {
            batch.clear();
            match how {
                How::Read => decoder.datagram(exporter, now, payload, batch),
                How::Learn => decoder.learn(exporter, payload, batch),
                How::Watch => decoder.watch(exporter, now, payload, batch),
            }
        }
        self.alike();
        let [batch, ..] = &self.batches;
        assert!(batch.errors.len() <= self.limits.errors);
        self.flows.extend(&batch.flows);
        self.late += batch.late;
        self.lost.add(batch.lost);
        self.heard += u64::from(how != How::Learn);
        self.watched |= how == How::Watch;
        let after = Sum::of(&self.decoders[0]);
        self.bounded(&after);
        self.added_up(&after);
        let seen = after.stats.datagrams - before.stats.datagrams;
        match how {
            How::Read | How::Watch => {
                let nowhere = after.nowhere - before.nowhere;
                // An IPFIX datagram may have several messages.
                assert!((seen > 0) != (nowhere > 0) && nowhere <= 1, "{seen} and {nowhere}");
            }
            How::Learn => assert_eq!((seen, after.nowhere), (0, before.nowhere)),
        }
        if how != How::Read {
            assert_eq!(batch.flows.len() as u64, batch.late, "data of no datagram");
        }
        // No octet is read twice, so nobody gets more out than they put in: a record has one at
        // least, and a pair of flows the addresses.
        let octets = payload.len() as u64 + before.stats.held_bytes;
        let records = |sum: &Sum| sum.stats.records + sum.stats.option_records;
        assert!(records(&after) - records(&before) <= octets);
        assert!(9 * batch.flows.len() as u64 <= 2 * octets);
        for flow in &batch.flows {
            assert!(flow.exporter.is_some());
            assert!(flow.start.is_none() || flow.end.is_none() || flow.start <= flow.end);
            assert!(flow.sport == 0 || (flow.proto != ICMP && flow.proto != ICMPV6));
        }
    }

    fn alike(&self) {
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

    fn bounded(&self, sum: &Sum) {
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

    fn added_up(&self, sum: &Sum) {
        let Sum { stats, .. } = sum;
        assert_eq!((stats.flows, stats.late), (self.flows.len() as u64, self.late));
        assert_eq!(stats.lost, self.lost);
        let with_flow = stats.records - stats.no_address;
        assert!(stats.flows <= 2 * with_flow, "{stats:?}");
        // Records that are only watched make none.
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
        assert_eq!(totals.datagrams, self.heard);
        assert!(totals.by_version.values().sum::<u64>() <= totals.foreign);
    }

    /// What is left to be held against itself once all was read.
    fn end(&self) {
        self.in_force();
        self.as_lines();
    }

    /// Who learns what is in force knows the same.
    fn in_force(&self) {
        for decoder in &self.decoders {
            let limits = DecoderLimits { restated: usize::MAX, ..DecoderLimits::default() };
            let mut other = Decoder::new(limits);
            let mut batch = Batch::default();
            let all: Vec<_> = decoder.restate(BEGIN).collect();
            for (exporter, datagram) in &all {
                other.learn(*exporter, datagram, &mut batch);
            }
            assert_eq!(batch.errors, []);
            // The largest domain may stay above the limit, alone. Headers and padding come on top.
            let octets: usize = all.iter().map(|(_, d)| d.len().saturating_sub(40)).sum();
            let DecoderLimits { templates, fields, restated, options, .. } = self.limits;
            assert!(octets <= restated.max(templates * (6 + 8 * fields) + options));
            // Which way an exporter numbers in is not learnt.
            let without_number = |(exporter, mut datagram): (IpAddr, Vec<u8>)| {
                let at = if datagram[1] == 9 { 12 } else { 8 };
                datagram[at..at + 4].fill(0);
                (exporter, datagram)
            };
            let learnt: Vec<_> = other.restate(BEGIN).map(without_number).collect();
            assert_eq!(learnt, all.into_iter().map(without_number).collect::<Vec<_>>());
        }
    }

    /// Every flow can be written as a line, and is read back as it was.
    fn as_lines(&self) {
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

/// What a decoder counted, over all domains that it has or had.
struct Sum {
    stats: Stats,
    /// Datagrams of no domain.
    nowhere: u64,
}

impl Sum {
    fn of(decoder: &Decoder) -> Sum {
        let totals = decoder.totals();
        let mut stats = totals.evicted.clone();
        // Those say what is now, and what was dropped is not.
        stats.held_bytes = 0;
        for (domain, own) in decoder.stats() {
            stats.add(own);
            if matches!(domain.version, Version::V1 | Version::V5 | Version::V7 | Version::Sflow) {
                assert!(own.flows + own.no_address <= own.records);
                assert_eq!(own.templates + own.option_records + own.late, 0);
            }
        }
        Sum { stats, nowhere: totals.short + totals.foreign }
    }
}

/// What a capture's reader says of a file.
#[derive(Debug, PartialEq)]
struct Told {
    events: Vec<Said>,
    error: Option<String>,
    skipped: u64,
}

#[derive(Debug, PartialEq)]
enum Said {
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

impl Told {
    /// Of octets that come so many at a time.
    fn of(octets: &[u8], at_once: usize) -> Told {
        let mut told = Told { events: Vec::new(), error: None, skipped: 0 };
        let mut reader = match Reader::new(Pieces { octets, at_once }) {
            Ok(reader) => reader,
            Err(error) => return Told { error: Some(error.to_string()), ..told },
        };
        let mut open = false;
        told.error = loop {
            let said = match reader.next() {
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
                Ok(Some(Event::Section(slot))) => Said::Section(slot),
                Ok(Some(Event::End(ending))) => Said::End(ending),
                Ok(Some(Event::Datagram(datagram))) => Said::Datagram {
                    arrival: datagram.arrival,
                    exporter: datagram.exporter,
                    ports: (datagram.port, datagram.dport),
                    payload: datagram.payload.to_vec(),
                    templates: datagram.templates,
                },
            };
            match said {
                Said::Section(_) => assert!(!std::mem::replace(&mut open, true)),
                Said::Datagram { .. } => assert!(open, "a datagram outside of a section"),
                Said::End(_) => assert!(std::mem::replace(&mut open, false)),
            }
            told.events.push(said);
        };
        assert!(!open, "a section without its end");
        for _ in 0..2 {
            assert!(matches!(reader.next(), Ok(None)), "more behind the end");
        }
        told.skipped = reader.skipped().total();
        // A packet has a header of 12 octets at least.
        assert!(told.skipped <= octets.len() as u64 / 12);
        told
    }
}

/// A stream that gives a few octets at a time.
struct Pieces<'a> {
    octets: &'a [u8],
    at_once: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(self.at_once).min(self.octets.len());
        let (head, rest) = self.octets.split_at(len);
        out[..len].copy_from_slice(head);
        self.octets = rest;
        Ok(len)
    }
}
