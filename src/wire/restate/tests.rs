//! What is restated, and who learns it.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::{Batch, Decoder, DecoderLimits};
use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);

fn exporter(octet: u8) -> IpAddr {
    [192, 0, 2, octet].into()
}

fn keeping() -> Decoder {
    Decoder::new(DecoderLimits { restated: 1 << 20, ..DecoderLimits::default() })
}

fn restate(decoder: &Decoder) -> Vec<(IpAddr, Vec<u8>)> {
    decoder.restate(NOW).collect()
}

/// A v9 or IPFIX datagram of these sets, from domain 3.
fn datagram(version: u8, sets: &[u8]) -> Vec<u8> {
    let [high, low] = (16 + sets.len() as u16).to_be_bytes();
    let header: &[u8] = match version {
        9 => &[0, 9, 0, 1, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3],
        _ => &[0, 10, high, low, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3],
    };
    [header, sets].concat()
}

#[test]
fn literal_octets() {
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
fn withdrawn_and_redefined_ones_are_gone() {
    let define = [0, 2, 0, 20, 1, 0, 0, 1, 0, 8, 0, 4, 1, 1, 0, 1, 0, 12, 0, 4];
    let withdraw = [0, 2, 0, 8, 1, 0, 0, 0];
    let redefine = [0, 2, 0, 16, 1, 1, 0, 2, 0, 12, 0, 4, 0, 8, 0, 4];
    let mut decoder = keeping();
    let mut batch = Batch::default();
    let sets = [&define[..], &withdraw, &redefine].concat();
    decoder.watch(exporter(1), NOW, &datagram(10, &sets), &mut batch);
    let [(_, octets)] = &restate(&decoder)[..] else { panic!("one datagram") };
    assert_eq!(octets[..4], [0, 10, 0, 32]);
    assert_eq!(octets[16..], redefine);
}

#[test]
fn definitions_are_bounded_by_the_longest_silent() {
    let limits = DecoderLimits { restated: 40, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    let define = [0, 0, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
    for (octet, secs) in [(1, 5), (2, 6), (1, 7), (3, 8)] {
        let arrival = Timestamp::from_secs(secs);
        decoder.watch(exporter(octet), arrival, &datagram(9, &define), &mut batch);
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
    let lens: Vec<_> = restate(&decoder).iter().map(|(_, octets)| octets.len()).collect();
    // The first two fill one, the largest is too large for any.
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

/// A set of templates or options templates, right or with an odd number in it.
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

fn sent() -> impl Strategy<Value = (u8, Vec<u8>)> {
    prop_oneof![Just(9u8), Just(10u8)].prop_flat_map(|version| {
        let sets = prop::collection::vec(set(version), 1..4);
        (1..3u8, sets.prop_map(move |sets| datagram(version, &sets.concat())))
    })
}

proptest! {
    #[test]
    fn who_learns_them_knows_the_same(
        sent in prop::collection::vec(sent(), 1..8),
        data in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut batch = Batch::default();
        let (mut first, mut second) = (keeping(), keeping());
        for (octet, datagram) in &sent {
            first.watch(exporter(*octet), NOW, datagram, &mut batch);
        }
        batch.clear();
        for (exporter, datagram) in first.restate(NOW) {
            prop_assert!(datagram.len() <= DATAGRAM);
            second.learn(exporter, &datagram, &mut batch);
        }
        prop_assert!(batch.errors.is_empty(), "{:?}", batch.errors);
        prop_assert_eq!(restate(&first), restate(&second));
        // Data of every template means the same to both.
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

/// A set of this id, as long as it is.
fn whole(id: u16, body: &[u8]) -> Vec<u8> {
    let len = 4 + body.len() as u16;
    [&id.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

/// Options of scope system without octets: a sampler's number and its interval.
const SAMPLERS: [u8; 22] = [0, 1, 0, 22, 1, 1, 0, 4, 0, 8, 0, 1, 0, 0, 0, 48, 0, 1, 0, 50, 0, 2];

fn watching(sets: &[&[u8]]) -> (Decoder, Batch) {
    let (mut decoder, mut batch) = (keeping(), Batch::default());
    for sets in sets {
        decoder.watch(exporter(1), NOW, &datagram(9, sets), &mut batch);
    }
    (decoder, batch)
}

/// What stands behind the header of the only datagram in force.
fn sets_in_force(decoder: &Decoder) -> Vec<u8> {
    let [(_, octets)] = &restate(decoder)[..] else { panic!("one datagram") };
    octets[20..].to_vec()
}

#[test]
fn options_data_is_restated() {
    let told = whole(257, &[1, 0, 100, 2, 0, 200, 1, 1, 44]);
    let (mut decoder, mut batch) = watching(&[&SAMPLERS, &told]);
    // Of sampler 1 the later one; padding of two octets is shorter than a record.
    let records = [1, 1, 0, 12, 2, 0, 200, 1, 1, 44, 0, 0];
    assert_eq!(
        sets_in_force(&decoder),
        [&SAMPLERS[..2], &[0, 24], &SAMPLERS[4..], &[0; 2], &records].concat()
    );
    assert_eq!(restate(&decoder)[0].1[2..4], [0, 3]);
    // The same template again changes nothing, another one of that number is without records.
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
    // Records of one octet: without scope, and of variable length.
    let one = [0, 3, 0, 14, 1, 0, 0, 1, 0, 1, 0, 48, 0, 1];
    let text = [0, 3, 0, 14, 1, 1, 0, 1, 0, 1, 0, 82, 255, 255];
    let told = [whole(256, &[7]), whole(257, &[2, b'e', b'0', 0])].concat();
    let (mut first, mut second) = (keeping(), keeping());
    let mut batch = Batch::default();
    first.watch(exporter(1), NOW, &datagram(10, &[&one[..], &text, &told].concat()), &mut batch);
    let [(_, octets)] = &restate(&first)[..] else { panic!("one datagram") };
    assert!(octets.ends_with(&told));
    second.datagram(exporter(1), NOW, octets, &mut batch);
    assert_eq!(second.stats().map(|(_, stats)| stats.option_records).sum::<u64>(), 3);
    assert!(batch.errors.is_empty());
}

#[test]
fn options_data_that_waited_is_restated_too() {
    let mut decoder = keeping();
    let mut batch = Batch::default();
    decoder.datagram(exporter(1), NOW, &datagram(9, &whole(257, &[1, 0, 100])), &mut batch);
    decoder.datagram(exporter(1), NOW, &datagram(9, &SAMPLERS), &mut batch);
    assert!(sets_in_force(&decoder).ends_with(&[1, 1, 0, 8, 1, 0, 100, 0]));
}

#[test]
fn datagrams_are_split_between_options_records() {
    // A name of scope interface, at most 1,300 octets.
    let options = [1, 1, 0, 4, 0, 4, 0, 2, 0, 2, 0, 82, 255, 255];
    let mut sets = whole(1, &options);
    for (n, len) in [100, 900, 400, 40_000, 5, 1_300].into_iter().enumerate() {
        let len: u16 = len;
        let [high, low] = len.to_be_bytes();
        let record = [&[0, n as u8, 255, high, low][..], &vec![7; len.into()]].concat();
        sets.extend(whole(257, &record));
    }
    let (decoder, _) = watching(&[&sets]);
    let all = restate(&decoder);
    let lens: Vec<_> = all.iter().map(|(_, octets)| octets.len()).collect();
    // Three octets of padding would be a record of the shortest kind.
    let head = 20 + 4;
    assert_eq!(
        lens,
        [head + 16 + 4 + 105 + 905 + 2, head + 405, head + 40_005, head + 10 + 1_305 + 1]
    );
    let numbers: Vec<_> = all.iter().map(|(_, octets)| octets[15]).collect();
    assert_eq!(numbers, [4, 5, 6, 7]);
}

/// Of each domain, the number of the next datagram and those of the restated ones before.
#[test]
fn numbers_go_on_to_the_next_datagram() {
    let template9 = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
    let template10 = [0, 2, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
    let options10 = [0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4];
    let told = whole(257, &[0, 0, 0, 3, 0, 0, 0, 10]);
    let data = whole(256, &[10, 0, 0, 1, 10, 0, 0, 2]);
    for (version, sets, next) in [
        (9, [&template9[..], &data].concat(), 8u32),
        (10, [&template10[..], &options10, &told, &data].concat(), 7 + 3),
    ] {
        let at = if version == 9 { 12 } else { 8 };
        let (mut first, mut second) = (keeping(), keeping());
        let mut batch = Batch::default();
        let of = |number: u32, sets: &[u8]| {
            let mut datagram = datagram(version, sets);
            datagram[at..at + 4].copy_from_slice(&number.to_be_bytes());
            datagram
        };
        first.watch(exporter(1), NOW, &of(7, &sets), &mut batch);
        for (_, octets) in restate(&first) {
            second.datagram(exporter(1), NOW, &octets, &mut batch);
        }
        second.datagram(exporter(1), NOW, &of(next, &data), &mut batch);
        second.datagram(exporter(1), NOW, &of(next + 5, &data), &mut batch);
        let missing = batch.lost.datagrams.or(batch.lost.flows);
        assert_eq!(missing, Some(if version == 9 { 4 } else { 3 }));
        let stats: Vec<_> = second.stats().map(|(_, s)| (s.repeated, s.restarts)).collect();
        assert_eq!(stats, [(0, 0)]);
    }
}

#[test]
fn the_uptime_goes_on() {
    let (decoder, _) = watching(&[&SAMPLERS]);
    let boot = |octets: &[u8]| {
        let word = |at: usize| u32::from_be_bytes(*octets[at..].first_chunk().unwrap());
        word(8).wrapping_mul(1000).wrapping_sub(word(4))
    };
    for later in [0, 1, 100_000_000] {
        let now = Timestamp::from_secs(NOW.secs() + later);
        let (_, octets) = decoder.restate(now).next().unwrap();
        assert_eq!(boot(&octets), boot(&datagram(9, &[])), "after {later} s");
    }
}

#[test]
fn the_generation_tells_changes_from_repetitions() {
    let told = |sampler: u8, interval: u8| whole(257, &[sampler, 0, interval]);
    let define = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 4];
    let (mut decoder, mut batch) = watching(&[]);
    let mut last = 0;
    let mut watch = |octet: u8, datagram: &[u8]| {
        decoder.watch(exporter(octet), NOW, datagram, &mut batch);
        let before = std::mem::replace(&mut last, decoder.generation());
        assert!(last >= before);
        last > before
    };
    let nine = |sets: &[u8]| datagram(9, sets);
    assert!(!watch(1, &nine(&told(1, 9))));
    assert!(watch(1, &nine(&SAMPLERS)));
    assert!(watch(1, &nine(&told(1, 9))));
    assert!(watch(1, &nine(&told(2, 9))));
    // Repetitions, in another order and in one datagram.
    assert!(!watch(1, &nine(&[&told(2, 9)[..], &SAMPLERS, &told(1, 9)].concat())));
    assert!(watch(1, &nine(&told(2, 8))));
    assert!(watch(1, &nine(&define)));
    assert!(!watch(1, &nine(&define)));
    // Data, fixed records and what cannot be read say nothing of it.
    assert!(!watch(1, &nine(&whole(256, &[10, 0, 0, 1]))));
    assert!(!watch(1, &[&[0, 5][..], &[0; 22]].concat()));
    assert!(!watch(1, &nine(&[0, 0, 0, 8, 1, 9, 0, 1])));
    // Of another domain.
    assert!(watch(2, &nine(&define)));
    let mut ten = define;
    ten[1] = 2;
    assert!(watch(2, &datagram(10, &ten)));
    let mut other = ten;
    other[9] = 12;
    assert!(watch(2, &datagram(10, &other)));
    assert!(watch(2, &datagram(10, &[0, 2, 0, 8, 1, 0, 0, 0])));
    assert!(!watch(2, &datagram(10, &[0, 2, 0, 8, 1, 0, 0, 0])));
    // A template that is refused ends the one before.
    assert!(watch(2, &datagram(10, &ten)));
    other[11] = 0;
    assert!(watch(2, &datagram(10, &other)));
    // A domain that goes.
    let mut small =
        Decoder::new(DecoderLimits { restated: 1 << 20, domains: 1, ..DecoderLimits::default() });
    small.watch(exporter(1), NOW, &nine(&define), &mut batch);
    small.watch(exporter(2), NOW, &nine(&[]), &mut batch);
    assert_eq!((small.generation(), restate(&small).len()), (2, 0));
    small.watch(exporter(3), NOW, &nine(&[]), &mut batch);
    assert_eq!(small.generation(), 2);
}

/// Options of v9 and IPFIX that tell of sampling, with a record of each: a thing and its sampling.
const TELLING: [(u8, &[u8]); 7] = [
    (9, &SAMPLERS),
    // Scope interface, a line card, the system.
    (9, &[0, 1, 0, 18, 1, 2, 0, 4, 0, 4, 0, 2, 0, 1, 0, 34, 0, 2]),
    (9, &[0, 1, 0, 18, 1, 3, 0, 4, 0, 4, 0, 3, 0, 1, 0, 34, 0, 2]),
    (9, &[0, 1, 0, 18, 1, 4, 0, 4, 0, 4, 0, 1, 0, 1, 0, 34, 0, 2]),
    // A selector; the domain, with the interface as a value; the exporter's start, in microseconds
    // that are none.
    (10, &[0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 1, 46, 0, 1, 0, 34, 0, 2]),
    (10, &[0, 3, 0, 26, 1, 2, 0, 4, 0, 1, 0, 149, 0, 0, 0, 10, 0, 1, 0, 34, 0, 2, 0, 82, 255, 255]),
    (10, &[0, 3, 0, 18, 1, 3, 0, 2, 0, 1, 0, 144, 0, 1, 0, 160, 0, 2]),
];

proptest! {
    /// Sampling is taken from what was restated as from what the exporter said.
    #[test]
    fn who_learns_options_samples_the_same(
        told in prop::collection::vec((0..TELLING.len(), 0..4u8, 1..500u16, any::<bool>()), 0..60),
        decode: bool,
    ) {
        let mut batch = Batch::default();
        let (mut first, mut second) = (keeping(), keeping());
        for version in [9, 10] {
            let sets: Vec<_> = TELLING.iter().filter(|(of, _)| *of == version).map(|(_, set)| *set).collect();
            first.watch(exporter(1), NOW, &datagram(version, &sets.concat()), &mut batch);
        }
        for (n, thing, sampling, again) in told {
            let (version, define) = TELLING[n];
            let id = u16::from_be_bytes([define[4], define[5]]);
            let [high, low] = sampling.to_be_bytes();
            let mut set = whole(id, &[thing, high, low]);
            if define.len() == 26 {
                set = whole(id, &[&[thing, high, low, thing][..], &vec![b'x'; thing.into()]].concat());
            }
            let sets = if again { [define, &set].concat() } else { set };
            let datagram = datagram(version, &sets);
            match decode {
                true => first.datagram(exporter(1), NOW, &datagram, &mut batch),
                false => first.watch(exporter(1), NOW, &datagram, &mut batch),
            }
        }
        for (exporter, datagram) in first.restate(NOW) {
            second.learn(exporter, &datagram, &mut batch);
        }
        prop_assert!(batch.errors.is_empty(), "{:?}", batch.errors);
        let without_number = |all: Vec<(IpAddr, Vec<u8>)>| -> Vec<Vec<u8>> {
            all.iter().map(|(_, octets)| octets[if octets[1] == 9 { 20 } else { 16 }..].to_vec()).collect()
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
            let datagram = datagram(version, &[whole(id, &fields), whole(0x0163, &data)].concat());
            first.datagram(exporter(1), NOW, &datagram, &mut read[0]);
            second.datagram(exporter(1), NOW, &datagram, &mut read[1]);
        }
        prop_assert_eq!(read[0].flows.len(), 40);
        prop_assert_eq!(&read[0].flows, &read[1].flows);
    }
}
