//! The exporter's clock against the arrival of its datagrams.

use super::*;

const ARRIVAL: u64 = 1_000_000_000;

/// Returns the first bytes of a datagram of any version, with this export time.
fn datagram(version: u8, secs: u64) -> Vec<u8> {
    let secs = (secs as u32).to_be_bytes();
    match version {
        9 => {
            let mut bytes = v9(&[]);
            bytes[8..12].copy_from_slice(&secs);
            bytes
        }
        10 => {
            let mut bytes = ipfix(&[]);
            bytes[4..8].copy_from_slice(&secs);
            bytes
        }
        _ => {
            let mut bytes = vec![0; if version == 1 { 16 } else { 24 }];
            bytes[1] = version;
            bytes[8..12].copy_from_slice(&secs);
            bytes
        }
    }
}

/// Returns the clock of an exporter by its datagrams, each with its export time and its arrival.
fn clock(version: u8, datagrams: &[(u64, u64)]) -> Option<i64> {
    let mut decoder = Decoder::new(DecoderLimits::default());
    for &(secs, arrival) in datagrams {
        let arrival = Timestamp::from_millis(arrival * 1000 + 900);
        decoder.datagram(exporter(), arrival, &datagram(version, secs), &mut Batch::default());
    }
    let (_, stats) = decoder.stats().next().unwrap();
    stats.clock
}

#[test]
fn each_version_with_an_export_time_shows_the_clock() {
    for version in [1, 5, 7, 9, 10] {
        for (secs, expected) in [(ARRIVAL, 0), (ARRIVAL + 75, 75), (ARRIVAL - 3600, -3600)] {
            assert_eq!(clock(version, &[(secs, ARRIVAL)]), Some(expected), "version {version}");
        }
        assert_eq!(clock(version, &[(0, ARRIVAL)]), Some(-1_000_000_000), "version {version}");
        let last = u64::from(u32::MAX);
        assert_eq!(clock(version, &[(last, 0)]), Some(i64::from(u32::MAX)), "version {version}");
    }
}

#[test]
fn the_nanoseconds_of_v5_count() {
    let mut bytes = datagram(5, ARRIVAL);
    bytes[12..16].copy_from_slice(&999_999_999u32.to_be_bytes());
    let mut decoded = Decoded::with(DecoderLimits::default());
    decoded.read(&bytes);
    assert_eq!(decoded.only_domain().clock, Some(0));
    // More than a second of them is no time.
    bytes[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut decoded = Decoded::with(DecoderLimits::default());
    decoded.read(&bytes);
    assert_eq!(decoded.only_domain().clock, Some(0));
}

#[test]
fn the_datagram_closest_to_its_arrival_decides() {
    let delayed = [(ARRIVAL, ARRIVAL + 40), (ARRIVAL + 60, ARRIVAL + 61), (ARRIVAL, ARRIVAL + 999)];
    assert_eq!(clock(9, &delayed), Some(-1));
    let ahead = [(ARRIVAL + 75, ARRIVAL), (ARRIVAL + 160, ARRIVAL + 90), (ARRIVAL + 75, ARRIVAL)];
    assert_eq!(clock(9, &ahead), Some(70));
}

#[test]
fn sflow_and_restated_templates_say_nothing_of_the_clock() {
    #[rustfmt::skip]
    let sflow = [
        0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0x13, 0x88, 0, 0, 0, 0,
    ];
    assert_eq!(Decoded::of(&[&sflow]).only_domain().clock, None);
    for restated in [v9(&[&PLAIN9]), ipfix(&[&PLAIN10])] {
        let mut decoded = Decoded::with(DecoderLimits::default());
        decoded.decoder.learn(exporter(), &restated, &mut decoded.batch);
        assert_eq!(decoded.only_domain().clock, None);
        // A datagram that the exporter sends at that time counts.
        decoded.read(&restated);
        assert_eq!(decoded.only_domain().clock, Some(0));
    }
}

#[test]
fn a_sum_of_domains_has_no_clock() {
    let decoded = Decoded::of(&[&datagram(9, ARRIVAL), &datagram(5, ARRIVAL)]);
    assert_eq!((decoded.stats().datagrams, decoded.stats().clock), (2, None));
}
