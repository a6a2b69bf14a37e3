//! Decoding and writing allocate nothing once they are warm: templates are known, and the batch and
//! the text have room. The allocator itself counts exactly.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;

use nfkit::flow::{Flow, TCP};
use nfkit::line::{Column, Form, Writer};
use nfkit::time::Timestamp;
use nfkit::wire::{Batch, Decoder, DecoderLimits, Exporter, Version};

/// The system's allocator, which counts the allocations of this thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread may still free memory while it ends; that is not counted.
    _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the number of allocations that `run` makes.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);

fn exporter() -> IpAddr {
    [192, 0, 2, 1].into()
}

fn flows(six: bool) -> Vec<Flow> {
    let address = |n: u16| -> IpAddr {
        if six {
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into()
        } else {
            [10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]].into()
        }
    };
    let flow = |n| Flow {
        sip: address(n),
        dip: address(1),
        proto: TCP,
        sport: n,
        dport: 80,
        packets: n.into(),
        octets: 40 * u64::from(n),
        start: Some(NOW.offset(-1_500_000_000)),
        end: Some(NOW),
        flags: Some(18),
        ..Flow::default()
    };
    (1..150).map(flow).collect()
}

/// Returns the datagrams of an exporter: first the one with the templates, then the others. v9 and
/// IPFIX have flows of both families.
fn exported(version: Version) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut exporter = Exporter::new(version, 3, NOW.offset(-3_600_000_000_000));
    let mut all = Vec::new();
    let mut send = |datagram: &[u8]| all.push(datagram.to_vec());
    let sets = matches!(version, Version::V9 | Version::Ipfix);
    let six = if sets { flows(true) } else { Vec::new() };
    for flow in flows(false).iter().chain(&six) {
        exporter.push(flow, NOW, &mut send).unwrap();
    }
    exporter.flush(NOW, &mut send);
    // The first datagram has the templates. They are not repeated before the twentieth.
    let rest = all.split_off(1);
    assert!(!sets || (5..19).contains(&rest.len()), "{version}: {} datagrams", rest.len());
    (all, rest)
}

/// Returns an sFlow datagram with eight samples of TCP in Ethernet and one of counters.
fn sflow() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 5, 0xdc, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([4, 210, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let len = frame.len() as u32;
    let raw = [words(&[1, 16 + len, 1, 1518, 4, len]), frame].concat();
    let head = words(&[9, 3, 400, 3600, 0, 3, 4, 1]);
    let sample = [words(&[1, (head.len() + raw.len()) as u32]), head, raw].concat();
    let header = words(&[5, 1, 0xc000_0201, 3, 7, 5000, 9]);
    [header, sample.repeat(8), words(&[2, 4, 0])].concat()
}

/// Decodes datagrams again and again into a batch with room for them, and returns the number of
/// allocations.
fn warm(mut decoder: Decoder, templates: &[Vec<u8>], datagrams: &[Vec<u8>]) -> u64 {
    let mut batch = Batch::default();
    for datagram in templates.iter().chain(datagrams) {
        decoder.datagram(exporter(), NOW, datagram, &mut batch);
    }
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    let mut read = 0;
    allocations(|| {
        while read < 10_000 {
            batch.clear();
            for datagram in datagrams {
                decoder.datagram(exporter(), NOW, datagram, &mut batch);
            }
            assert!(!batch.flows.is_empty());
            read += batch.flows.len();
        }
    })
}

#[test]
fn decoding_allocates_nothing() {
    for extras in [false, true] {
        let decoder = || {
            let decoder = Decoder::new(DecoderLimits::default());
            if extras { decoder.with_extras() } else { decoder }
        };
        for version in [Version::V1, Version::V5, Version::V7, Version::V9, Version::Ipfix] {
            let (templates, datagrams) = exported(version);
            let allocations = warm(decoder(), &templates, &datagrams);
            assert_eq!(allocations, 0, "{version}, extras {extras}");
        }
        assert_eq!(warm(decoder(), &[], &[sflow()]), 0, "sFlow, extras {extras}");
    }
}

/// Watching allocates nothing either, even if templates and options are repeated.
#[test]
fn watching_allocates_nothing() {
    let sampling = |version| {
        let exporter = Exporter::new(version, 3, NOW.offset(-3_600_000_000_000));
        exporter.sampling(100).unwrap().templates(NOW)
    };
    for version in [Version::V5, Version::V7, Version::V9, Version::Ipfix, Version::Sflow] {
        let (templates, mut datagrams) = match version {
            Version::Sflow => (Vec::new(), vec![sflow()]),
            _ => exported(version),
        };
        datagrams.extend(templates);
        if matches!(version, Version::V9 | Version::Ipfix) {
            datagrams.extend(sampling(version));
        }
        let limits = DecoderLimits { restated: 1 << 20, ..DecoderLimits::default() };
        let (mut decoder, mut batch) = (Decoder::new(limits), Batch::default());
        let mut watch = || {
            for datagram in &datagrams {
                decoder.watch(exporter(), NOW, datagram, &mut batch);
            }
        };
        // In the first round some data comes before its template.
        watch();
        watch();
        assert_eq!(allocations(watch), 0, "{version}");
        assert!(batch.errors.is_empty() && batch.flows.is_empty());
    }
}

/// Records of variable length, options among the data and missing counts allocate nothing either.
#[test]
fn odd_records_allocate_nothing() {
    // A name and the addresses of IPv4, and an options record with the sampling.
    #[rustfmt::skip]
    let sets = [
        0, 2, 0, 20, 1, 0, 0, 3, 0, 82, 255, 255, 0, 8, 0, 4, 0, 12, 0, 4,
        0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4,
    ];
    #[rustfmt::skip]
    let data = [
        1, 1, 0, 12, 0, 0, 0, 3, 0, 0, 0, 100,
        1, 0, 0, 15, 2, b'e', b'0', 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    let message = |sets: &[u8]| {
        let header = [0, 10, 0, 16 + sets.len() as u8, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3];
        [&header[..], sets].concat()
    };
    let decoder = Decoder::new(DecoderLimits::default());
    assert_eq!(warm(decoder, &[message(&sets)], &[message(&data)]), 0);
}

#[test]
fn writing_lines_allocates_nothing() {
    let (templates, datagrams) = exported(Version::Ipfix);
    let mut decoder = Decoder::new(DecoderLimits::default()).with_extras();
    let mut batch = Batch::default();
    for datagram in templates.iter().chain(&datagrams) {
        decoder.datagram(exporter(), NOW, datagram, &mut batch);
    }
    for form in [Form::Text, Form::Csv, Form::Json] {
        for mask in [false, true] {
            let mut text = Vec::with_capacity(1 << 20);
            let writer = Writer::new(&mut text).form(form).mask(mask);
            let mut writer = writer.columns(&Column::ALL);
            writer.rows(&batch.flows, &batch.extras).unwrap();
            let allocations = allocations(|| {
                writer.rows(&batch.flows, &batch.extras).unwrap();
                writer.flows(&batch.flows).unwrap();
            });
            assert_eq!(allocations, 0, "{form:?}, masked {mask}");
        }
    }
}

/// New templates and data do allocate, which shows that the counter works.
#[test]
fn new_templates_and_pending_data_allocate() {
    let (templates, datagrams) = exported(Version::V9);
    let mut decoder = Decoder::new(DecoderLimits::default());
    let mut batch = Batch { flows: Vec::with_capacity(1000), ..Batch::default() };
    let mut read =
        |datagram: &[u8]| allocations(|| decoder.datagram(exporter(), NOW, datagram, &mut batch));
    // The first time makes a domain and compiles its templates; the second compiles them again.
    assert!(read(&templates[0]) > 0);
    assert!(read(&templates[0]) > 0);
    assert_eq!(read(&datagrams[0]), 0);
    // Data whose template is not known is kept.
    let mut unknown = datagrams[0].clone();
    unknown[19] = 9;
    assert!(read(&unknown) > 0);
    // This batch has no room.
    let mut narrow = Batch::default();
    assert!(allocations(|| decoder.datagram(exporter(), NOW, &datagrams[0], &mut narrow)) > 0);
}
