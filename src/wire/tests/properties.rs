//! Properties of datagrams of any kind.

use proptest::prelude::*;

use super::*;

/// Generates valid datagrams.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let options9 = [0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
    let variable = [0, 2, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 82, 255, 255];
    let named = [1, 1, 0, 15, 10, 0, 0, 1, 10, 0, 0, 2, 2, 65, 66];
    let mut v5 = vec![0; 24 + 48];
    v5[1] = 5;
    v5[3] = 1;
    prop_oneof![
        Just(v9(&[&PLAIN9, &DATA])),
        Just(v9(&[&DATA, &options9, &[1, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 9]])),
        Just(ipfix(&[&PLAIN10, &DATA, &variable, &named])),
        Just([ipfix(&[&named]), ipfix(&[&[0, 2, 0, 8, 1, 0, 0, 0]])].concat()),
        Just(v5),
    ]
}

/// Generates valid datagrams with some bytes changed or cut off.
fn broken() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let cut = prop::option::weighted(0.2, any::<prop::sample::Index>());
    (valid(), prop::collection::vec(change, 0..6), cut).prop_map(|(mut bytes, changes, cut)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

/// Generates random bytes after a version.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let version = prop_oneof![Just(5u8), Just(9), Just(10), any::<u8>()];
    (version, prop::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(version, bytes)| [&[0, version], &*bytes].concat())
}

/// Generates datagrams of all kinds, most of them broken.
pub(super) fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => broken(), 1 => noise(), 1 => prop::collection::vec(any::<u8>(), 0..100)]
}

/// Generates a field of a template, mostly one that fills a column.
fn field() -> impl Strategy<Value = (u16, u16)> {
    let number = prop_oneof![
        1..33u16,
        Just(8),
        Just(12),
        Just(27),
        Just(28),
        139..184u16,
        Just(231),
        Just(232),
        298..326u16
    ];
    let len = prop_oneof![4 => Just(4u16), 2 => Just(16), 1 => Just(8), 1 => 0..12u16];
    (number, len)
}

/// Generates a field that nearly every router's template has.
fn common_field() -> impl Strategy<Value = (u16, u16)> {
    let number = prop::sample::select(vec![
        1u16, 2, 6, 7, 10, 11, 14, 21, 22, 32, 34, 48, 139, 150, 151, 152, 153, 156, 158, 302,
    ]);
    (number, prop_oneof![4 => Just(4u16), 2 => Just(2), 2 => Just(8), 1 => 0..10u16])
}

proptest! {
    #[test]
    fn fixed_and_variable_records_are_read_alike(
        fields in prop::collection::vec(field(), 1..20),
        bytes in prop::collection::vec(any::<u8>(), 240),
    ) {
        let bytes = &bytes[..fields.iter().map(|&(_, len)| usize::from(len)).sum()];
        prop_assume!(!bytes.is_empty());
        let read = |fields: &[(u16, u16)], record: &[u8]| {
            let template = template(256, fields);
            let decoded = Decoded::of(&[&ipfix(&[&set(2, &template), &set(256, record)])]);
            assert_eq!(decoded.only_domain().records, 1);
            decoded.batch.flows
        };
        // The same fields after a name of variable length, here of two bytes.
        let named = [&[(82, 65535)], &*fields].concat();
        let record = [&[2, b'e', b'0'], bytes].concat();
        prop_assert_eq!(read(&fields, bytes), read(&named, &record));
    }

    /// A decoder with extras never uses the fast path.
    #[test]
    fn the_fast_path_reads_records_as_the_reference_does(
        ipv6: bool,
        fields in prop::collection::vec(common_field(), 0..14),
        bytes in prop::collection::vec(any::<u8>(), 300),
        proto in prop_oneof![Just(6u8), Just(17), Just(1), Just(58), any::<u8>()],
    ) {
        let addresses = if ipv6 { [(27, 16), (28, 16)] } else { [(8, 4), (12, 4)] };
        let fields = [&[(4, 1)], &fields[..], &addresses].concat();
        let len: usize = fields.iter().map(|&(_, len)| usize::from(len)).sum();
        let mut bytes = bytes[..(bytes.len() / len).max(1) * len].to_vec();
        bytes[0] = proto;
        let template = template(256, &fields);
        let of_system = [0, 1, 0, 18, 1, 2, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
        let sampling = set(258, &[0, 0, 0, 0, 0, 0, 0, 10]);
        let (template9, template10) = (set(0, &template), set(2, &template));
        let datagrams = [
            v9(&[&template9, &set(256, &bytes)]),
            v9(&[&of_system, &sampling, &set(256, &bytes)]),
            ipfix(&[&template10, &set(256, &bytes)]),
        ];
        let read = |mut decoder: Decoder| {
            let mut batch = Batch::default();
            for datagram in &datagrams {
                decoder.datagram(exporter(), Timestamp::default(), datagram, &mut batch);
            }
            let stats: Vec<_> = decoder.stats().map(|(_, stats)| stats.clone()).collect();
            (batch.flows, stats)
        };
        let fast = read(Decoder::new(DecoderLimits::default()));
        let reference = read(Decoder::new(DecoderLimits::default()).with_extras());
        prop_assert!(!fast.0.is_empty());
        prop_assert_eq!(fast, reference);
    }

    #[test]
    fn domains_are_evicted_as_from_a_list(
        datagrams in prop::collection::vec((0..8u8, 0..20u64), 1..60)
    ) {
        let mut decoded = Decoded::with(DecoderLimits { domains: 4, ..DecoderLimits::default() });
        let mut list: Vec<(u64, u32)> = Vec::new();
        for (source, secs) in datagrams {
            let mut datagram = v9(&[]);
            datagram[19] = source;
            let arrival = Timestamp::from_secs(secs);
            decoded.decoder.datagram(exporter(), arrival, &datagram, &mut decoded.batch);
            let id = source.into();
            match list.iter_mut().find(|(_, other)| *other == id) {
                Some((last, _)) => *last = secs.max(*last),
                None => {
                    if list.len() == 4 {
                        list.remove(0);
                    }
                    list.push((secs, id));
                }
            }
            list.sort();
            let mut ids: Vec<u32> = list.iter().map(|&(_, id)| id).collect();
            ids.sort();
            let left: Vec<u32> = decoded.decoder.stats().map(|(domain, _)| domain.id).collect();
            prop_assert_eq!(left, ids);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_datagrams_stay_within_the_limits(
        datagrams in prop::collection::vec((anything(), 0..4u8, any::<bool>()), 1..40)
    ) {
        let limits = DecoderLimits {
            domains: 3,
            exporter_domains: 2,
            templates: 2,
            all_templates: 5,
            exporter_templates: 4,
            fields: 8,
            records: 40,
            samplers: 2,
            all_samplers: 20,
            exporter_samplers: 10,
            restated: 60,
            exporter_restated: 50,
            options: 300,
            held: 1500,
            all_held: 2500,
            exporter_held: 2000,
            missing: 2,
            foreign: 2,
            named: 2,
            errors: 2,
        };
        let mut decoder = Decoder::new(limits.clone());
        let mut batch = Batch::default();
        let mut sent = 0;
        let mut flows = 0;
        let mut late = 0;
        for (n, (bytes, host, learn)) in datagrams.iter().enumerate() {
            let exporter = IpAddr::from([192, 0, 2, *host]);
            batch.clear();
            if *learn {
                decoder.learn(exporter, bytes, &mut batch);
            } else {
                sent += 1;
                let arrival = Timestamp::from_secs(n as u64);
                decoder.datagram(exporter, arrival, bytes, &mut batch);
            }
            flows += batch.flows.len() as u64;
            late += batch.late;
            prop_assert!(batch.errors.len() <= limits.errors);
            prop_assert!(batch.late <= batch.flows.len() as u64);
            prop_assert!(decoder.stats().count() <= limits.domains);
            let mut held = 0;
            for (_, stats) in decoder.stats() {
                prop_assert!(stats.missing.len() <= limits.missing);
                prop_assert!(stats.held_bytes <= limits.held as u64);
                held += stats.held_bytes;
            }
            prop_assert!(held <= limits.all_held as u64);
            prop_assert!(decoder.totals().by_version.len() <= limits.foreign);
        }
        let mut sum = decoder.totals().evicted.clone();
        for (_, stats) in decoder.stats() {
            sum.add(stats);
        }
        prop_assert_eq!(decoder.totals().datagrams, sent);
        prop_assert_eq!((sum.flows, sum.late), (flows, late));
        prop_assert!(sum.bad_datagrams <= sum.datagrams);
    }
}
