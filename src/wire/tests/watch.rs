//! A datagram that is only watched has the same counters as one that is decoded.

use proptest::prelude::*;

use super::properties::anything;
use super::*;

/// Sets of v9, each with the number of its data records.
const SETS9: [(&[u8], u32); 7] = [
    (&PLAIN9, 0),
    (&DATA, 1),
    // Options of scope "system", and their records, the second of which is truncated.
    (&[0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4], 0),
    (&[1, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 9], 1),
    // A template of variable length, a record with padding, a truncated record.
    (&[0, 0, 0, 20, 1, 2, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 82, 255, 255], 0),
    (&[1, 2, 0, 18, 10, 0, 0, 1, 10, 0, 0, 2, 2, 65, 66, 0, 0, 0], 1),
    (&[1, 2, 0, 16, 10, 0, 0, 1, 10, 0, 0, 2, 99, 65, 66, 67], 0),
];

/// Sets of IPFIX, each with the number of its data records; the last is a withdrawal.
const SETS10: [(&[u8], u32); 7] = [
    (&PLAIN10, 0),
    (&DATA, 1),
    (&[0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 0, 149, 0, 4, 0, 34, 0, 4], 0),
    (&[1, 1, 0, 20, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 9], 2),
    (&[0, 2, 0, 20, 1, 2, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 82, 255, 255], 0),
    (&[1, 2, 0, 18, 10, 0, 0, 1, 10, 0, 0, 2, 2, 65, 66, 0, 0, 0], 1),
    (&[0, 2, 0, 8, 1, 0, 0, 0], 0),
];

/// The step from the sequence number of one datagram to the next.
#[derive(Clone, Copy, Debug)]
enum Move {
    Next,
    Gap(u32),
    /// Behind by this many: the datagram is reordered.
    Back(u32),
    Duplicate,
    /// Back to 0, with a new uptime.
    Restart,
    /// Any number.
    Forged(u32),
}

#[derive(Clone, Debug)]
enum Datagram {
    Made { version: u8, host: u8, sets: Vec<usize>, count: u8, step: Move },
    Any(u8, Vec<u8>),
}

fn datagram() -> impl Strategy<Value = Datagram> {
    let step = prop_oneof![
        12 => Just(Move::Next),
        2 => (1..9u32).prop_map(Move::Gap),
        2 => (1..9u32).prop_map(Move::Back),
        1 => Just(Move::Duplicate),
        1 => Just(Move::Restart),
        1 => any::<u32>().prop_map(Move::Forged),
    ];
    let version = prop::sample::select(vec![1u8, 5, 7, 9, 10, 100]);
    let sets = prop::collection::vec(prop_oneof![1 => 0..7usize, 2 => 1..2usize], 0..5);
    let made =
        (version, 0..2u8, sets, 0..6u8, step).prop_map(|(version, host, sets, count, step)| {
            Datagram::Made { version, host, sets, count, step }
        });
    prop_oneof![9 => made, 1 => (0..2u8, anything()).prop_map(|(host, bytes)| Datagram::Any(host, bytes))]
}

/// The sequence numbers of one exporter in one version.
#[derive(Clone, Copy, Default)]
struct Numbers {
    last: u32,
    next: u32,
    /// Number of restarts, each of which changes the uptime.
    restarts: u32,
}

impl Numbers {
    fn number(&mut self, step: Move, count: u32) -> u32 {
        let number = match step {
            Move::Next => self.next,
            Move::Gap(n) => self.next.wrapping_add(n),
            Move::Back(n) => return self.next.wrapping_sub(n),
            Move::Duplicate => return self.last,
            Move::Forged(n) => return n,
            Move::Restart => {
                self.restarts += 1;
                0
            }
        };
        (self.last, self.next) = (number, number.wrapping_add(count));
        number
    }
}

/// Builds a datagram with the next sequence number.
fn build(version: u8, sets: &[usize], count: u8, step: Move, numbers: &mut Numbers) -> Vec<u8> {
    let sets = |all: [(&'static [u8], u32); 7]| {
        let of = sets.iter().map(move |&n| all[n]);
        let bytes = of.clone().flat_map(|(set, _)| set.to_vec()).collect::<Vec<_>>();
        (bytes, of.map(|(_, records)| records).sum())
    };
    let (mut datagram, at, count_of_items) = match version {
        9 => (v9(&[&sets(SETS9).0]), 12, 1),
        10 => {
            let (bytes, records) = sets(SETS10);
            (ipfix(&[&bytes]), 8, records)
        }
        100 => {
            let head = [[0, 0, 0, 5], [0, 0, 0, 1], [192, 0, 2, 7], [0; 4], [0; 4], [0; 4]];
            let mut datagram = [&head.concat()[..], &[0, 0, 0, count]].concat();
            // Samples of counters, and samples of flows without records.
            for n in 0..count {
                let flow = [&[0, 0, 0, 1, 0, 0, 0, 32][..], &[0; 32]].concat();
                let counters = vec![0, 0, 0, 2, 0, 0, 0, 0];
                datagram.extend(if n % 2 == 0 { flow } else { counters });
            }
            (datagram, 16, 1)
        }
        _ => {
            let (head, record) =
                if version == 1 { (16, 48) } else { (24, 48 + 4 * (version as usize / 7)) };
            let mut datagram = vec![0, version, 0, count];
            // A count of 5 is one too high.
            let held = usize::from(count) - usize::from(count == 5);
            datagram.resize(head + record * held, 0);
            (datagram, 16, count.into())
        }
    };
    let number = numbers.number(step, count_of_items);
    if version != 1 {
        datagram[at..at + 4].copy_from_slice(&number.to_be_bytes());
    }
    if version < 10 {
        let uptime = 5_000u32.wrapping_sub(60_000 * numbers.restarts);
        datagram[4..8].copy_from_slice(&uptime.to_be_bytes());
        datagram[8..12].copy_from_slice(&1_000_000_000u32.to_be_bytes());
    }
    datagram
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn watching_counts_as_decoding_does(
        datagrams in prop::collection::vec(datagram(), 1..60),
        small: bool,
    ) {
        let large = DecoderLimits { restated: 1 << 20, ..DecoderLimits::default() };
        let limits = if small {
            DecoderLimits { domains: 6, templates: 2, fields: 8, records: 2, held: 1500, missing: 2, ..large }
        } else {
            large
        };
        let (mut decoding, mut watching) = (Decoder::new(limits.clone()), Decoder::new(limits));
        let mut numbers: HashMap<(u8, u8), Numbers> = HashMap::new();
        let mut lost = Lost::default();
        for (n, datagram) in datagrams.iter().enumerate() {
            let (host, bytes) = match datagram {
                Datagram::Any(host, bytes) => (*host, bytes.clone()),
                Datagram::Made { version, host, sets, count, step } => {
                    let numbers = numbers.entry((*version, *host)).or_default();
                    (*host, build(*version, sets, *count, *step, numbers))
                }
            };
            let exporter = IpAddr::from([192, 0, 2, host]);
            let arrival = Timestamp::from_secs(1_000_000_000 + n as u64);
            let mut out = [Batch::default(), Batch::default()];
            decoding.datagram(exporter, arrival, &bytes, &mut out[0]);
            watching.watch(exporter, arrival, &bytes, &mut out[1]);
            prop_assert_eq!(out[0].lost, out[1].lost);
            prop_assert!(out[1].flows.is_empty());
            lost.add(out[1].lost);
        }
        let sum = |decoder: &Decoder| {
            let mut sum = decoder.totals().evicted.clone();
            decoder.stats().for_each(|(_, stats)| sum.add(stats));
            sum
        };
        prop_assert_eq!(sum(&watching).lost, lost);
        prop_assert_eq!(decoding.stats().count(), watching.stats().count());
        for ((domain, decoded), (other, watched)) in decoding.stats().zip(watching.stats()) {
            prop_assert_eq!(domain, other);
            let sequence = |s: &Stats| (s.lost, s.restarts, s.repeated);
            prop_assert_eq!(sequence(decoded), sequence(watched), "{:?}", domain);
            prop_assert_eq!(decoded.clock, watched.clock);
            let counted = |s: &Stats| {
                [s.datagrams, s.templates, s.options_templates, s.withdrawn, s.evicted_templates]
            };
            prop_assert_eq!(counted(decoded), counted(watched));
            prop_assert_eq!(watched.held_bytes, 0);
            // Data that waited for its template is counted only if it is decoded.
            if decoded.late_sets == 0 {
                let records = |s: &Stats| (s.records, s.option_records, s.undecodable_sets);
                prop_assert_eq!(records(decoded), records(watched));
            }
        }
        let totals = |decoder: &Decoder| {
            let totals = decoder.totals();
            let Totals { datagrams, short, foreign, evicted_domains, .. } = *totals;
            (datagrams, short, foreign, evicted_domains, totals.by_version.clone())
        };
        prop_assert_eq!(totals(&decoding), totals(&watching));
    }
}

#[test]
fn watching_holds_no_data_and_counts_losses() {
    let mut decoded = Decoded::with(DecoderLimits::default());
    let mut watch = |number: u8, sets: &[&[u8]]| {
        let mut datagram = v9(sets);
        datagram[15] = number;
        decoded.decoder.watch(exporter(), Timestamp::from_secs(5), &datagram, &mut decoded.batch);
    };
    watch(7, &[&DATA]);
    watch(8, &[&PLAIN9, &DATA]);
    watch(11, &[&DATA, &DATA]);
    let lost = Lost { datagrams: Some(2), flows: None };
    assert_eq!((decoded.batch.lost, decoded.batch.flows.len(), decoded.batch.late), (lost, 0, 0));
    let stats = decoded.only_domain();
    assert_eq!((stats.datagrams, stats.records, stats.flows), (3, 3, 0));
    assert_eq!((stats.lost, stats.undecodable_sets, stats.held_bytes), (lost, 1, 0));
    assert_eq!(decoded.decoder.generation(), 0);
}
