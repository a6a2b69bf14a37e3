//! Restated datagrams, and a decoder that learns them.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::{Batch, Decoder, DecoderLimits};
use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);

fn exporter(byte: u8) -> IpAddr {
    [192, 0, 2, byte].into()
}

/// Returns a decoder that keeps templates and options to be restated.
fn keeping() -> Decoder {
    Decoder::new(DecoderLimits { restated: 1 << 20, ..DecoderLimits::default() })
}

fn restate(decoder: &Decoder) -> Vec<(IpAddr, Vec<u8>)> {
    decoder.restate(NOW).collect()
}

/// Returns a v9 or IPFIX datagram of these sets, from domain 3.
fn datagram(version: u8, sets: &[u8]) -> Vec<u8> {
    let [high, low] = (16 + sets.len() as u16).to_be_bytes();
    let header: &[u8] = match version {
        9 => &[0, 9, 0, 1, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3],
        _ => &[0, 10, high, low, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3],
    };
    [header, sets].concat()
}

#[test]
fn templates_are_restated_in_literal_bytes() {
    let template = [0, 0, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
    let options = [0, 1, 0, 20, 1, 0, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4, 0, 0];
    let other = [0, 0, 0, 12, 1, 2, 0, 1, 0, 8, 0, 4];
    let mut decoder = keeping();
    let mut batch = Batch::default();
    let all = datagram(9, &[&options[..], &other, &template].concat());
    decoder.watch(exporter(1), NOW, &all, &mut batch);
    decoder.watch(exporter(1), NOW, &[0, 5], &mut batch);
    #[rustfmt::skip]
    let expected = [
        0, 9, 0, 3, 0xd4, 0xa4, 0xf0, 0xc9, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3,
        0, 0, 0, 28, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1, 1, 2, 0, 1, 0, 8, 0, 4,
        0, 1, 0, 20, 1, 0, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4, 0, 0,
    ];
    assert_eq!(restate(&decoder), [(exporter(1), expected.to_vec())]);

    let mut decoder = Decoder::new(DecoderLimits::default());
    decoder.watch(exporter(1), NOW, &all, &mut batch);
    assert_eq!(restate(&decoder), []);
}

#[test]
fn withdrawn_and_redefined_templates_are_not_restated() {
    let define = [0, 2, 0, 20, 1, 0, 0, 1, 0, 8, 0, 4, 1, 1, 0, 1, 0, 12, 0, 4];
    let withdraw = [0, 2, 0, 8, 1, 0, 0, 0];
    let redefine = [0, 2, 0, 16, 1, 1, 0, 2, 0, 12, 0, 4, 0, 8, 0, 4];
    let mut decoder = keeping();
    let mut batch = Batch::default();
    let sets = [&define[..], &withdraw, &redefine].concat();
    decoder.watch(exporter(1), NOW, &datagram(10, &sets), &mut batch);
    let [(_, bytes)] = &restate(&decoder)[..] else { panic!("one datagram") };
    assert_eq!(bytes[..4], [0, 10, 0, 32]);
    assert_eq!(bytes[16..], redefine);
}

#[test]
fn too_many_definitions_evict_the_longest_silent_domain() {
    let limits = DecoderLimits { restated: 40, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    let define = [0, 0, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
    for (byte, secs) in [(1, 5), (2, 6), (1, 7), (3, 8)] {
        let arrival = Timestamp::from_secs(secs);
        decoder.watch(exporter(byte), arrival, &datagram(9, &define), &mut batch);
    }
    let left: Vec<_> = restate(&decoder).into_iter().map(|(exporter, _)| exporter).collect();
    assert_eq!(left, [exporter(1), exporter(3)]);
}

#[test]
fn datagrams_are_split_between_templates() {
    let mut decoder = keeping();
    let mut batch = Batch::default();
    for (id, fields) in [(0, 3), (1, 300), (2, 500), (3, 4), (4, 250), (5, 100), (6, 1)] {
        let mut record = vec![1, id];
        record.extend_from_slice(&(fields as u16).to_be_bytes());
        (0..fields).for_each(|_| record.extend_from_slice(&[0, 8, 0, 4]));
        let len = (record.len() as u16 + 4).to_be_bytes();
        let set = [&[0, 2], &len[..], &record].concat();
        decoder.watch(exporter(1), NOW, &datagram(10, &set), &mut batch);
    }
    let lens: Vec<_> = restate(&decoder).iter().map(|(_, bytes)| bytes.len()).collect();
    // The first two fill a datagram; the largest is too large for the limit.
    let record = |fields: usize| 4 + 4 * fields;
    let head = 16 + 4;
    assert_eq!(
        lens,
        [
            head + record(3) + record(300),
            head + record(500),
            head + record(4) + record(250),
            head + record(100) + record(1)
        ]
    );
}

/// Generates a set of templates or options templates, some of which are wrong.
fn set(version: u8) -> impl Strategy<Value = Vec<u8>> {
    let field = (1..400u16, prop_oneof![Just(4u16), Just(65535), 0..9u16], any::<bool>());
    let record = (250..262u16, prop::collection::vec(field, 0..30), 0..3u16);
    (any::<bool>(), prop::collection::vec(record, 1..12), 0..3usize).prop_map(
        move |(options, records, padding)| {
            let mut out = Vec::new();
            let id = u16::from(options) + if version == 9 { 0 } else { 2 };
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            for (id, fields, scopes) in records {
                let count = fields.len() as u16;
                let head = match (version, options) {
                    (9, true) => {
                        let scopes = scopes.min(count);
                        vec![id, scopes * 4, (count - scopes) * 4]
                    }
                    (_, true) => vec![id, count, scopes],
                    (_, false) => vec![id, count],
                };
                head.iter().for_each(|n| out.extend_from_slice(&n.to_be_bytes()));
                for (element, len, enterprise) in fields {
                    let own = enterprise && version == 10;
                    let element = element | if own { 0x8000 } else { 0 };
                    out.extend_from_slice(&element.to_be_bytes());
                    out.extend_from_slice(&len.to_be_bytes());
                    if own {
                        out.extend_from_slice(&[0, 0, 0x72, 0x79]);
                    }
                }
            }
            out.resize(out.len() + padding, 0);
            let len = (out.len() as u16).to_be_bytes();
            out[2..4].copy_from_slice(&len);
            out
        },
    )
}

/// Generates a datagram with the last byte of its exporter's address.
fn sent() -> impl Strategy<Value = (u8, Vec<u8>)> {
    prop_oneof![Just(9u8), Just(10u8)].prop_flat_map(|version| {
        let sets = prop::collection::vec(set(version), 1..4);
        (1..3u8, sets.prop_map(move |sets| datagram(version, &sets.concat())))
    })
}

proptest! {
    #[test]
    fn a_decoder_that_learns_knows_the_same_templates(
        sent in prop::collection::vec(sent(), 1..8),
        data in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut batch = Batch::default();
        let (mut first, mut second) = (keeping(), keeping());
        for (byte, datagram) in &sent {
            first.watch(exporter(*byte), NOW, datagram, &mut batch);
        }
        batch.clear();
        for (exporter, datagram) in first.restate(NOW) {
            prop_assert!(datagram.len() <= DATAGRAM);
            second.learn(exporter, &datagram, &mut batch);
        }
        prop_assert!(batch.errors.is_empty(), "{:?}", batch.errors);
        prop_assert_eq!(restate(&first), restate(&second));
        // Both decode data of every template alike.
        let mut sets = Vec::new();
        for id in 256..262u16 {
            sets.extend_from_slice(&id.to_be_bytes());
            sets.extend_from_slice(&(4 + data.len() as u16).to_be_bytes());
            sets.extend_from_slice(&data);
        }
        let mut read = [Batch::default(), Batch::default()];
        for version in [9, 10] {
            let datagram = datagram(version, &sets);
            first.datagram(exporter(1), NOW, &datagram, &mut read[0]);
            second.datagram(exporter(1), NOW, &datagram, &mut read[1]);
        }
        prop_assert_eq!(&read[0].flows, &read[1].flows);
        prop_assert_eq!(&read[0].errors, &read[1].errors);
    }
}

/// Returns a set without padding.
fn set_of(id: u16, body: &[u8]) -> Vec<u8> {
    let len = 4 + body.len() as u16;
    [&id.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

/// An options template of scope "system" without bytes: the number of a sampler and its interval.
const SAMPLERS: [u8; 22] = [0, 1, 0, 22, 1, 1, 0, 4, 0, 8, 0, 1, 0, 0, 0, 48, 0, 1, 0, 50, 0, 2];

/// Returns a decoder that has watched these sets of v9, and its output.
fn watching(sets: &[&[u8]]) -> (Decoder, Batch) {
    let (mut decoder, mut batch) = (keeping(), Batch::default());
    for sets in sets {
        decoder.watch(exporter(1), NOW, &datagram(9, sets), &mut batch);
    }
    (decoder, batch)
}

/// Returns the sets of the only restated datagram.
fn sets_in_force(decoder: &Decoder) -> Vec<u8> {
    let [(_, bytes)] = &restate(decoder)[..] else { panic!("one datagram") };
    bytes[20..].to_vec()
}

#[test]
fn options_data_is_restated() {
    let records = set_of(257, &[1, 0, 100, 2, 0, 200, 1, 1, 44]);
    let (mut decoder, mut batch) = watching(&[&SAMPLERS, &records]);
    // The later record of sampler 1. Padding of two bytes is shorter than a record.
    let records = [1, 1, 0, 12, 2, 0, 200, 1, 1, 44, 0, 0];
    assert_eq!(
        sets_in_force(&decoder),
        [&SAMPLERS[..2], &[0, 24], &SAMPLERS[4..], &[0; 2], &records].concat()
    );
    assert_eq!(restate(&decoder)[0].1[2..4], [0, 3]);
    // The same template again changes nothing. Another template of that id has no records.
    decoder.watch(exporter(1), NOW, &datagram(9, &SAMPLERS), &mut batch);
    assert_eq!(sets_in_force(&decoder)[24..], records);
    let mut other = SAMPLERS;
    other[21] = 4;
    decoder.watch(exporter(1), NOW, &datagram(9, &other), &mut batch);
    assert_eq!(sets_in_force(&decoder).len(), 24);
    assert!(batch.errors.is_empty());
}

#[test]
fn padding_is_never_a_record() {
    // Records of one byte: without scope, and of variable length.
    let one = [0, 3, 0, 14, 1, 0, 0, 1, 0, 1, 0, 48, 0, 1];
    let text = [0, 3, 0, 14, 1, 1, 0, 1, 0, 1, 0, 82, 255, 255];
    let records = [set_of(256, &[7]), set_of(257, &[2, b'e', b'0', 0])].concat();
    let (mut first, mut second) = (keeping(), keeping());
    let mut batch = Batch::default();
    first.watch(exporter(1), NOW, &datagram(10, &[&one[..], &text, &records].concat()), &mut batch);
    let [(_, bytes)] = &restate(&first)[..] else { panic!("one datagram") };
    assert!(bytes.ends_with(&records));
    second.datagram(exporter(1), NOW, bytes, &mut batch);
    assert_eq!(second.stats().map(|(_, stats)| stats.option_records).sum::<u64>(), 3);
    assert!(batch.errors.is_empty());
}

#[test]
fn options_data_that_waited_is_restated_too() {
    let mut decoder = keeping();
    let mut batch = Batch::default();
    decoder.datagram(exporter(1), NOW, &datagram(9, &set_of(257, &[1, 0, 100])), &mut batch);
    decoder.datagram(exporter(1), NOW, &datagram(9, &SAMPLERS), &mut batch);
    assert!(sets_in_force(&decoder).ends_with(&[1, 1, 0, 8, 1, 0, 100, 0]));
}

#[test]
fn datagrams_are_split_between_options_records() {
    // Scope "interface", a name of up to 40,000 bytes.
    let options = [1, 1, 0, 4, 0, 4, 0, 2, 0, 2, 0, 82, 255, 255];
    let mut sets = set_of(1, &options);
    for (n, len) in [100, 900, 400, 40_000, 5, 1_300].into_iter().enumerate() {
        let len: u16 = len;
        let [high, low] = len.to_be_bytes();
        let record = [&[0, n as u8, 255, high, low][..], &vec![7; len.into()]].concat();
        sets.extend(set_of(257, &record));
    }
    let (decoder, _) = watching(&[&sets]);
    let all = restate(&decoder);
    let lens: Vec<_> = all.iter().map(|(_, bytes)| bytes.len()).collect();
    // Three bytes of padding would be a record of the shortest kind.
    let head = 20 + 4;
    assert_eq!(
        lens,
        [head + 16 + 4 + 105 + 905 + 2, head + 405, head + 40_005, head + 10 + 1_305 + 1]
    );
    let numbers: Vec<_> = all.iter().map(|(_, bytes)| bytes[15]).collect();
    assert_eq!(numbers, [4, 5, 6, 7]);
}

/// The sequence numbers of restated datagrams lead to that of the next datagram.
#[test]
fn sequence_numbers_lead_to_the_next_datagram() {
    let template9 = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
    let template10 = [0, 2, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
    let options10 = [0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4];
    let records = set_of(257, &[0, 0, 0, 3, 0, 0, 0, 10]);
    let data = set_of(256, &[10, 0, 0, 1, 10, 0, 0, 2]);
    for (version, sets, next) in [
        (9, [&template9[..], &data].concat(), 8u32),
        (10, [&template10[..], &options10, &records, &data].concat(), 7 + 3),
    ] {
        let at = if version == 9 { 12 } else { 8 };
        let (mut first, mut second) = (keeping(), keeping());
        let mut batch = Batch::default();
        let numbered = |number: u32, sets: &[u8]| {
            let mut datagram = datagram(version, sets);
            datagram[at..at + 4].copy_from_slice(&number.to_be_bytes());
            datagram
        };
        first.watch(exporter(1), NOW, &numbered(7, &sets), &mut batch);
        for (_, bytes) in restate(&first) {
            second.datagram(exporter(1), NOW, &bytes, &mut batch);
        }
        second.datagram(exporter(1), NOW, &numbered(next, &data), &mut batch);
        second.datagram(exporter(1), NOW, &numbered(next + 5, &data), &mut batch);
        let missing = batch.lost.datagrams.or(batch.lost.flows);
        assert_eq!(missing, Some(if version == 9 { 4 } else { 3 }));
        let stats: Vec<_> = second.stats().map(|(_, s)| (s.repeated, s.restarts)).collect();
        assert_eq!(stats, [(0, 0)]);
    }
}

#[test]
fn the_uptime_is_that_of_the_restated_time() {
    let (decoder, _) = watching(&[&SAMPLERS]);
    let boot = |bytes: &[u8]| {
        let word = |at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap());
        word(8).wrapping_mul(1000).wrapping_sub(word(4))
    };
    for later in [0, 1, 100_000_000] {
        let now = Timestamp::from_secs(NOW.secs() + later);
        let (_, bytes) = decoder.restate(now).next().unwrap();
        assert_eq!(boot(&bytes), boot(&datagram(9, &[])), "after {later} s");
    }
}

#[test]
fn the_generation_grows_with_changes_and_not_with_repetitions() {
    let records = |sampler: u8, interval: u8| set_of(257, &[sampler, 0, interval]);
    let define = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
    let (mut decoder, mut batch) = watching(&[]);
    let mut last = 0;
    let mut watch = |byte: u8, datagram: &[u8]| {
        decoder.watch(exporter(byte), NOW, datagram, &mut batch);
        let before = std::mem::replace(&mut last, decoder.generation());
        assert!(last >= before);
        last > before
    };
    let datagram9 = |sets: &[u8]| datagram(9, sets);
    assert!(!watch(1, &datagram9(&records(1, 9))));
    assert!(watch(1, &datagram9(&SAMPLERS)));
    assert!(watch(1, &datagram9(&records(1, 9))));
    assert!(watch(1, &datagram9(&records(2, 9))));
    // Repetitions, in another order and in one datagram.
    assert!(!watch(1, &datagram9(&[&records(2, 9)[..], &SAMPLERS, &records(1, 9)].concat())));
    assert!(watch(1, &datagram9(&records(2, 8))));
    assert!(watch(1, &datagram9(&define)));
    assert!(!watch(1, &datagram9(&define)));
    // Data, fixed records and unreadable datagrams change nothing.
    assert!(!watch(1, &datagram9(&set_of(256, &[10, 0, 0, 1]))));
    assert!(!watch(1, &[&[0, 5][..], &[0; 22]].concat()));
    assert!(!watch(1, &datagram9(&[0, 0, 0, 8, 1, 9, 0, 1])));
    // Another domain.
    assert!(watch(2, &datagram9(&define)));
    let mut ten = define;
    ten[1] = 2;
    assert!(watch(2, &datagram(10, &ten)));
    let mut other = ten;
    other[9] = 12;
    assert!(watch(2, &datagram(10, &other)));
    assert!(watch(2, &datagram(10, &[0, 2, 0, 8, 1, 0, 0, 0])));
    assert!(!watch(2, &datagram(10, &[0, 2, 0, 8, 1, 0, 0, 0])));
    // A refused template withdraws the earlier one.
    assert!(watch(2, &datagram(10, &ten)));
    other[11] = 0;
    assert!(watch(2, &datagram(10, &other)));
    // A domain that is evicted.
    let mut small =
        Decoder::new(DecoderLimits { restated: 1 << 20, domains: 1, ..DecoderLimits::default() });
    small.watch(exporter(1), NOW, &datagram9(&define), &mut batch);
    small.watch(exporter(2), NOW, &datagram9(&[]), &mut batch);
    assert_eq!((small.generation(), restate(&small).len()), (2, 0));
    small.watch(exporter(3), NOW, &datagram9(&[]), &mut batch);
    assert_eq!(small.generation(), 2);
}

/// Options templates of v9 and IPFIX for sampling. Their records have a subject and its sampling.
const SAMPLING: [(u8, &[u8]); 7] = [
    (9, &SAMPLERS),
    // Scopes "interface", "line card", "system".
    (9, &[0, 1, 0, 18, 1, 2, 0, 4, 0, 4, 0, 2, 0, 1, 0, 34, 0, 2]),
    (9, &[0, 1, 0, 18, 1, 3, 0, 4, 0, 4, 0, 3, 0, 1, 0, 34, 0, 2]),
    (9, &[0, 1, 0, 18, 1, 4, 0, 4, 0, 4, 0, 1, 0, 1, 0, 34, 0, 2]),
    // A selector; the domain, with the interface as a value; the start of the exporter.
    (10, &[0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 1, 46, 0, 1, 0, 34, 0, 2]),
    (10, &[0, 3, 0, 26, 1, 2, 0, 4, 0, 1, 0, 149, 0, 0, 0, 10, 0, 1, 0, 34, 0, 2, 0, 82, 255, 255]),
    (10, &[0, 3, 0, 18, 1, 3, 0, 2, 0, 1, 0, 144, 0, 1, 0, 160, 0, 2]),
];

proptest! {
    /// Restated options give the same sampling as the original ones.
    #[test]
    fn a_decoder_that_learns_knows_the_same_sampling(
        records in prop::collection::vec((0..SAMPLING.len(), 0..4u8, 1..500u16, any::<bool>()), 0..60),
        decode: bool,
    ) {
        let mut batch = Batch::default();
        let (mut first, mut second) = (keeping(), keeping());
        for version in [9, 10] {
            let sets: Vec<_> = SAMPLING.iter().filter(|(of, _)| *of == version).map(|(_, set)| *set).collect();
            first.watch(exporter(1), NOW, &datagram(version, &sets.concat()), &mut batch);
        }
        for (n, subject, sampling, again) in records {
            let (version, define) = SAMPLING[n];
            let id = u16::from_be_bytes([define[4], define[5]]);
            let [high, low] = sampling.to_be_bytes();
            let mut set = set_of(id, &[subject, high, low]);
            if define.len() == 26 {
                set = set_of(id, &[&[subject, high, low, subject][..], &vec![b'x'; subject.into()]].concat());
            }
            let sets = if again { [define, &set].concat() } else { set };
            let datagram = datagram(version, &sets);
            if decode {
                first.datagram(exporter(1), NOW, &datagram, &mut batch);
            } else {
                first.watch(exporter(1), NOW, &datagram, &mut batch);
            }
        }
        for (exporter, datagram) in first.restate(NOW) {
            second.learn(exporter, &datagram, &mut batch);
        }
        prop_assert!(batch.errors.is_empty(), "{:?}", batch.errors);
        let without_number = |all: Vec<(IpAddr, Vec<u8>)>| -> Vec<Vec<u8>> {
            all.iter().map(|(_, bytes)| bytes[if bytes[1] == 9 { 20 } else { 16 }..].to_vec()).collect()
        };
        prop_assert_eq!(without_number(restate(&first)), without_number(restate(&second)));
        // Addresses, First and Last, interface, sampler, selector.
        #[rustfmt::skip]
        let fields = [
            1, 99, 0, 7, 0, 8, 0, 4, 0, 12, 0, 4, 0, 22, 0, 4, 0, 21, 0, 4, 0, 10, 0, 1, 0, 48, 0, 1, 1, 46, 0, 1,
        ];
        let mut data = Vec::new();
        for n in 0..5 {
            for (interface, sampler, selector) in [(n, 0, 0), (0, n, 0), (0, 0, n), (n, n, n)] {
                data.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 12, interface, sampler, selector]);
            }
        }
        let mut read = [Batch::default(), Batch::default()];
        for (version, id) in [(9, 0), (10, 2)] {
            let datagram = datagram(version, &[set_of(id, &fields), set_of(0x0163, &data)].concat());
            first.datagram(exporter(1), NOW, &datagram, &mut read[0]);
            second.datagram(exporter(1), NOW, &datagram, &mut read[1]);
        }
        prop_assert_eq!(read[0].flows.len(), 40);
        prop_assert_eq!(&read[0].flows, &read[1].flows);
    }
}
