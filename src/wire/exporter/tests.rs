//! The exporter: its datagrams byte by byte, and read back by the decoder.

use proptest::prelude::*;

use super::super::classic;
use super::super::{Batch, Decoder, DecoderLimits, Fault, frame, ipfix, v9};
use super::*;
use crate::flow::{ICMP, ICMPV6, TCP, UDP};

const VERSIONS: [Version; 6] =
    [Version::V1, Version::V5, Version::V7, Version::V9, Version::Ipfix, Version::Sflow];

/// The versions of fixed records.
const FIXED: [Version; 3] = [Version::V1, Version::V5, Version::V7];

fn exporter_address() -> IpAddr {
    "192.0.2.1".parse().unwrap()
}

fn boot() -> Timestamp {
    Timestamp::from_millis(994_000_000_250)
}

/// Arrival of the datagrams, which is the time of flows in sFlow.
const ARRIVAL: Timestamp = Timestamp::from_millis(994_000_004_000);

fn flow() -> Flow {
    Flow {
        start: Timestamp::parse(b"994000001.25"),
        end: Timestamp::parse(b"994000002.25"),
        ..classic::tests::flow()
    }
}

fn flow6() -> Flow {
    Flow {
        sip: "2001:db8::1".parse().unwrap(),
        dip: "2001:db8::2".parse().unwrap(),
        proto: ICMPV6,
        sport: 0,
        dport: 0x8000,
        ..flow()
    }
}

/// Returns the flow as the decoder reads it back.
fn as_read(version: Version, flow: &Flow) -> Flow {
    match version {
        Version::Sflow => Flow { start: Some(ARRIVAL), end: Some(ARRIVAL), sampling: 1, ..*flow },
        _ => *flow,
    }
}

fn export(version: Version, flows: &[Flow], now: Timestamp) -> Vec<Vec<u8>> {
    export_by(Exporter::new(version, 0x0102, boot()), flows, now)
}

fn export_by(mut exporter: Exporter, flows: &[Flow], now: Timestamp) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut send = |datagram: &[u8]| datagrams.push(datagram.to_vec());
    for flow in flows {
        exporter.push(flow, now, &mut send).unwrap();
    }
    exporter.flush(now, &mut send);
    exporter.flush(now, &mut send);
    datagrams
}

fn decode(datagrams: &[Vec<u8>]) -> Batch {
    let mut decoder = Decoder::new(DecoderLimits::default());
    let mut batch = Batch::default();
    for datagram in datagrams {
        decoder.datagram(exporter_address(), ARRIVAL, datagram, &mut batch);
    }
    for (_, stats) in decoder.stats() {
        assert_eq!((stats.undecodable_sets, stats.no_address), (0, 0));
    }
    batch
}

#[test]
fn a_v9_datagram_is_written() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    #[rustfmt::skip]
    let expected = [
        0, 9, 0, 4, 0, 0, 0x0a, 0xbe, 0x3b, 0x3f, 0x3c, 0x83, 0, 0, 0, 0, 0, 0, 1, 2,
        0, 0, 0, 116,
        1, 0, 0, 13,
        0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 22, 0, 4, 0, 21, 0, 4,
        0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 32, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4,
        1, 1, 0, 13,
        0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 22, 0, 4, 0, 21, 0, 4,
        0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 139, 0, 2, 0, 27, 0, 16, 0, 28, 0, 16,
        1, 0, 0, 56,
        0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 96,
        0, 0, 0x03, 0xe8, 0, 0, 0x07, 0xd0, 0x04, 0xd2, 0, 80, 0, 2, 6, 0, 0,
        140, 119, 44, 91, 192, 0, 2, 7, 0, 0, 0,
        1, 1, 0, 80,
        0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 96,
        0, 0, 0x03, 0xe8, 0, 0, 0x07, 0xd0, 0, 0, 0x80, 0, 0, 2, 58, 0x80, 0,
        0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
    ];
    assert_eq!(export(Version::V9, &[flow(), flow6()], now), [expected.to_vec()]);
    let templates = Exporter::new(Version::V9, 0x0102, boot()).templates(now).unwrap();
    assert_eq!(templates[20..], expected[20..136]);
    assert_eq!(templates[..4], [0, 9, 0, 2]);
}

#[test]
fn an_ipfix_datagram_is_written() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    #[rustfmt::skip]
    let expected = [
        0, 10, 0, 196, 0x3b, 0x3f, 0x3c, 0x83, 0, 0, 0, 0, 0, 0, 1, 2,
        0, 2, 0, 116,
        1, 0, 0, 13,
        0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 152, 0, 8, 0, 153, 0, 8,
        0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 32, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4,
        1, 1, 0, 13,
        0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 152, 0, 8, 0, 153, 0, 8,
        0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 139, 0, 2, 0, 27, 0, 16, 0, 28, 0, 16,
        1, 0, 0, 64,
        0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 96,
        0, 0, 0, 0xe7, 0x6f, 0x04, 0x58, 0xe2, 0, 0, 0, 0xe7, 0x6f, 0x04, 0x5c, 0xca,
        0x04, 0xd2, 0, 80, 0, 2, 6, 0, 0,
        140, 119, 44, 91, 192, 0, 2, 7, 0, 0, 0,
    ];
    assert_eq!(export(Version::Ipfix, &[flow()], now), [expected.to_vec()]);
}

#[test]
fn records_fill_their_layout() {
    let mut bytes = [0xa5; v9::RECORD];
    v9::emit_record(&Flow::default(), 0, [0; 2], &mut bytes);
    assert_eq!(bytes, [0; v9::RECORD]);
    let mut bytes = [0xa5; ipfix::RECORD];
    ipfix::emit_record(&Flow::default(), 0, [0; 2], &mut bytes);
    assert_eq!(bytes, [0; ipfix::RECORD]);
    let sum = |fields: &[(u16, u16)]| fields.iter().map(|&(_, len)| len).sum::<u16>();
    assert_eq!(usize::from(sum(&v9::FIELDS)), v9::RECORD);
    assert_eq!(usize::from(sum(&ipfix::FIELDS)), ipfix::RECORD);
}

#[test]
fn an_sflow_datagram_is_written() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    let exporter = Exporter::new(Version::Sflow, 0x0102, boot());
    let exporter = exporter.agent([192, 0, 2, 9].into()).sampling(400).unwrap();
    #[rustfmt::skip]
    let sample = |sequence: u8, pool: [u8; 2], len: u8| [
        0, 0, 0, 1, 0, 0, 0, 112, // a flow sample
        0, 0, 0, sequence, 2, 0, 0, 1, 0, 0, 1, 0x90, 0, 0, pool[0], pool[1], 0, 0, 0, 0,
        0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1,
        0, 0, 0, 1, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 14 + len + 4, 0, 0, 0, 4, 0, 0, 0, 54,
        0, 0, 0x5e, 0, 0x53, 2, 0, 0, 0x5e, 0, 0x53, 1, 8, 0,
        0x45, 0, 0, len, 0, 0, 0, 0, 64, 6, 0xff, 0xed + (49 - len), 140, 119, 44, 91, 192, 0, 2, 7,
        0x04, 0xd2, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    #[rustfmt::skip]
    let header = [
        0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 9, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0x0c, 0xb2, 0, 0, 0, 2,
    ];
    // Two packets of 49 and 48 bytes.
    let expected = [&header[..], &sample(1, [1, 0x90], 49), &sample(2, [3, 0x20], 48)].concat();
    let flows = [Flow { octets: 97, ..flow() }];
    assert_eq!(export_by(exporter, &flows, now), [expected]);
}

#[test]
fn sampling_is_announced() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    let sampled = |version| Exporter::new(version, 0x0102, boot()).sampling(1000).unwrap();
    let datagrams = export_by(sampled(Version::V5), &[flow()], now);
    assert_eq!(datagrams[0][22..24], [0x43, 0xe8]);
    #[rustfmt::skip]
    let v9 = [
        0, 1, 0, 24, 1, 2, 0, 4, 0, 8, 0, 1, 0, 4, 0, 34, 0, 4, 0, 35, 0, 1, 0, 0,
        1, 2, 0, 16, 0, 0, 1, 2, 0, 0, 3, 0xe8, 2, 0, 0, 0,
    ];
    #[rustfmt::skip]
    let ipfix = [
        0, 3, 0, 28, 1, 2, 0, 4, 0, 1, 0, 149, 0, 4, 1, 48, 0, 2, 1, 49, 0, 4, 1, 50, 0, 4, 0, 0,
        1, 2, 0, 20, 0, 0, 1, 2, 0, 1, 0, 0, 0, 1, 0, 0, 3, 0xe7, 0, 0,
    ];
    for (version, header, options) in
        [(Version::V9, v9::HEADER, &v9[..]), (Version::Ipfix, ipfix::HEADER, &ipfix)]
    {
        let datagrams = export_by(sampled(version), &[flow()], now);
        let at = header + 116;
        assert_eq!(datagrams[0][at..at + options.len()], *options, "{version}");
        let head = sampled(version).templates(now).unwrap();
        assert_eq!(head[header..], datagrams[0][header..at + options.len()], "{version}");
        // Two templates and one of options, an options record, and the flow.
        let counts = (u16::from_be_bytes([head[2], head[3]]), datagrams[0][3]);
        match version {
            Version::V9 => assert_eq!(counts, (4, 5)),
            _ => assert_eq!(usize::from(counts.0), head.len()),
        }
    }
    for version in [Version::V5, Version::V9, Version::Ipfix, Version::Sflow] {
        // The options are repeated with the templates, and count in the sequence of IPFIX.
        let datagrams =
            export_by(sampled(version), &vec![Flow { packets: 1, ..flow() }; 1200], now);
        let batch = decode(&datagrams);
        assert!(batch.flows.len() == 1200 && batch.errors.is_empty());
        assert!(batch.flows.iter().all(|flow| flow.sampling == 1000), "{version}");
        assert_eq!(batch.lost.flows.unwrap_or(0) + batch.lost.datagrams.unwrap_or(0), 0);
    }
    for (version, interval) in [
        (Version::V1, 1),
        (Version::V7, 100),
        (Version::V5, 16_384),
        (Version::V5, 0),
        (Version::V9, 0),
        (Version::Sflow, 0),
    ] {
        let refused = Exporter::new(version, 0, boot()).sampling(interval).unwrap_err();
        assert_eq!(refused, Refused::Sampling { version, interval });
    }
    Exporter::new(Version::V5, 0, boot()).sampling(16_383).unwrap();
}

#[test]
fn datagrams_are_numbered_and_filled() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    let flows = vec![Flow { packets: 1, ..flow() }; 1200];
    for version in VERSIONS {
        let datagrams = export(version, &flows, now);
        let mut decoder = Decoder::new(DecoderLimits::default());
        let mut batch = Batch::default();
        let mut before = 0;
        for (n, datagram) in datagrams.iter().enumerate() {
            let number = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
            let (sequence, expected) = match version {
                Version::V1 => (0, 0),
                Version::V5 | Version::V7 => (number(16), batch.flows.len()),
                Version::V9 => (number(12), n),
                Version::Ipfix => (number(8), batch.flows.len()),
                Version::Sflow => (number(12), n + 1),
            };
            assert_eq!(sequence as usize, expected, "{version}");
            decoder.datagram(exporter_address(), ARRIVAL, datagram, &mut batch);
            let flows = batch.flows.len() - before;
            before = batch.flows.len();
            let last = n + 1 == datagrams.len();
            match version {
                Version::V1 => assert_eq!(flows, 24),
                Version::V5 => assert_eq!(flows, 30),
                Version::V7 => assert!(last || flows == 27),
                Version::Sflow => assert!(last || flows == 11),
                _ => assert!(last || (1300..=DATAGRAM).contains(&datagram.len())),
            }
            let (_, stats) = decoder.stats().next().unwrap();
            let sent = match version {
                Version::V9 | Version::Ipfix => n as u64 / REFRESH + 1,
                _ => 0,
            };
            assert_eq!(stats.templates, 2 * sent, "{version} {n}");
        }
        let expected: Vec<_> = flows.iter().map(|flow| as_read(version, flow)).collect();
        assert_eq!(batch.flows, expected);
        assert_eq!(batch.lost.flows.unwrap_or(0) + batch.lost.datagrams.unwrap_or(0), 0);
    }
}

#[test]
fn the_head_of_a_file_is_enough_to_decode_the_rest() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    for version in [Version::V1, Version::V5, Version::V7, Version::Sflow] {
        assert_eq!(Exporter::new(version, 1, boot()).templates(now), None);
    }
    for version in [Version::V9, Version::Ipfix] {
        let mut exporter = Exporter::new(version, 1, boot()).sampling(100).unwrap();
        let mut datagrams = Vec::new();
        let mut send = |datagram: &[u8]| datagrams.push(datagram.to_vec());
        for _ in 0..2 {
            exporter.push(&flow(), now, &mut send).unwrap();
            exporter.flush(now, &mut send);
        }
        let head = exporter.templates(now).unwrap();
        let mut decoder = Decoder::new(DecoderLimits::default());
        let mut batch = Batch::default();
        decoder.learn(exporter_address(), &head, &mut batch);
        decoder.datagram(exporter_address(), now, &datagrams[1], &mut batch);
        let sampled = Flow { sampling: 100, ..flow() };
        assert_eq!((batch.flows, batch.late), (vec![sampled], 0), "{version}");
    }
}

#[test]
fn a_flow_that_does_not_fit_is_refused() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    let refused = |version, flow: Flow| {
        let mut exporter = Exporter::new(version, 1, boot());
        let refused = exporter.push(&flow, now, &mut |_| {}).unwrap_err();
        exporter.flush(now, &mut |_| panic!("nothing to send"));
        refused
    };
    for version in [Version::V9, Version::Ipfix, Version::Sflow] {
        assert_eq!(refused(version, Flow { sip: flow().sip, ..flow6() }), Refused::Mixed);
    }
    for version in FIXED {
        assert_eq!(refused(version, flow6()), Refused::Ipv6 { version });
        let wide = |column, value| Refused::Wide { version, column, value };
        let flows = [
            (Flow { sif: 65_536, ..flow() }, wide("sif", 65_536)),
            (Flow { dif: 65_537, ..flow() }, wide("dif", 65_537)),
            (Flow { packets: 1 << 32, ..flow() }, wide("packets", 1 << 32)),
            (Flow { octets: 1 << 33, ..flow() }, wide("octets", 1 << 33)),
        ];
        for (flow, reason) in flows {
            assert_eq!(refused(version, flow), reason);
        }
    }
    for version in [Version::V1, Version::V5, Version::V7, Version::V9] {
        let old = Flow { start: Timestamp::parse(b"991000003.5"), ..flow() };
        let ahead = -3_000_000_000;
        assert_eq!(refused(version, old), Refused::Time { version, ahead });
    }
    let version = Version::Sflow;
    let packet = |proto, sport, dport| Refused::Packet { proto, sport, dport };
    let wide = |column, value| Refused::Wide { version, column, value };
    let flows = [
        (Flow { packets: 0, ..flow() }, Refused::Empty),
        (Flow { proto: 47, ..flow() }, packet(47, 1234, 80)),
        (Flow { proto: ICMP, ..flow() }, packet(ICMP, 1234, 80)),
        (Flow { proto: 44, sport: 0, dport: 0, ..flow6() }, packet(44, 0, 0)),
        (Flow { sif: u32::MAX, ..flow() }, wide("sif", u32::MAX.into())),
        (Flow { dif: 0x3fff_ffff, ..flow() }, wide("dif", 0x3fff_ffff)),
        (Flow { octets: 1 << 33, ..flow() }, wide("octets", 1 << 33)),
        (Flow { packets: u64::MAX, octets: u64::MAX - 1, ..flow() }, wide("octets", u64::MAX - 1)),
    ];
    for (flow, reason) in flows {
        assert_eq!(refused(version, flow), reason);
    }
}

/// A flow of several packets becomes as many flows of one packet, which add up to it.
#[test]
fn packets_share_the_bytes_of_their_flow() {
    let now = Timestamp::parse(b"994000003.5").unwrap();
    let flows = [Flow { packets: 30, octets: 1234, ..flow() }];
    let datagrams = export(Version::Sflow, &flows, now);
    assert_eq!(datagrams.len(), 3);
    let read = decode(&datagrams).flows;
    let one = Flow { packets: 1, octets: 41, ..as_read(Version::Sflow, &flow()) };
    assert_eq!(read[0], Flow { octets: 41 + 4, ..one });
    assert_eq!(read[1..], [one; 29]);
}

/// Generates a flow that the version can carry.
fn any_flow(version: Version) -> impl Strategy<Value = Flow> {
    let fixed = FIXED.contains(&version);
    let addresses = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<bool>());
    let addresses = addresses.prop_map(move |(a, b, ipv6)| {
        if ipv6 && !fixed {
            (IpAddr::from(a), IpAddr::from(b))
        } else {
            let ipv4 = |a: [u8; 16]| IpAddr::from([a[0], a[1], a[2], a[3]]);
            (ipv4(a), ipv4(b))
        }
    });
    let (interfaces, counts) = if fixed { (65_535, 1 << 32) } else { (u32::MAX, u64::MAX) };
    let columns = (0..=interfaces, 0..=interfaces, 0..counts, 0..counts, any::<u16>());
    let proto = prop_oneof![Just(TCP), Just(UDP), Just(ICMP), Just(ICMPV6), any::<u8>()];
    let ports = (proto, any::<u16>(), any::<u16>());
    // Start at most 20 days before the export, known to the millisecond; end after it.
    let times = prop::option::of((0..1_728_000_000u64, 0..1_000u64));
    // Length of a single packet: ordinary, and more than IP can state.
    let packet = prop_oneof![0..1_600u64, 0..200_000u64, 0..=u64::from(u32::MAX) - 64];
    (addresses, columns, ports, times, packet).prop_map(
        move |(addresses, columns, ports, times, packet)| {
            let (sif, dif, packets, octets, flags) = columns;
            let (proto, sport, dport) = ports;
            let at = |millis| Timestamp::from_millis(994_000_000_500 - millis);
            let flow = Flow {
                sip: addresses.0,
                dip: addresses.1,
                sif,
                dif,
                proto,
                sport: if proto == ICMP || proto == ICMPV6 { 0 } else { sport },
                dport,
                packets,
                octets,
                start: times.map(|(before, _)| at(before)),
                end: times.map(|(before, lasts)| at(before.saturating_sub(lasts))),
                flags: Some(if fixed { flags & 0xff } else { flags }),
                ..flow()
            };
            match version {
                Version::Sflow => as_packet(flow, packet),
                _ => flow,
            }
        },
    )
}

/// Returns the flow as a single packet of this many bytes.
fn as_packet(mut flow: Flow, octets: u64) -> Flow {
    flow.packets = 1;
    flow.octets = octets;
    flow.flags = flow.flags.map(|flags| if flow.proto == TCP { flags & 0x0fff } else { 0 });
    if !frame::carries(&flow) {
        (flow.sport, flow.dport) = (0, 0);
    }
    if !frame::carries(&flow) {
        flow.proto = UDP;
    }
    flow.sif &= !1;
    flow.dif &= !1;
    flow
}

fn round_trip(version: Version, flows: &[Flow]) -> Result<(), TestCaseError> {
    let now = Timestamp::parse(b"994000000.987654321").unwrap();
    let datagrams = export(version, flows, now);
    let batch = decode(&datagrams);
    let expected: Vec<_> = flows.iter().map(|flow| as_read(version, flow)).collect();
    prop_assert_eq!(batch.flows, expected);
    prop_assert!(batch.errors.is_empty() && batch.late == 0);
    let most = if FIXED.contains(&version) { 1464 } else { DATAGRAM };
    prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= most));
    Ok(())
}

fn flows(version: Version) -> impl Strategy<Value = Vec<Flow>> {
    prop::collection::vec(any_flow(version), 0..80)
}

proptest! {
    #[test]
    fn v1_is_read_back(flows in flows(Version::V1)) {
        round_trip(Version::V1, &flows)?;
    }

    #[test]
    fn v5_is_read_back(flows in flows(Version::V5)) {
        round_trip(Version::V5, &flows)?;
    }

    #[test]
    fn v7_is_read_back(flows in flows(Version::V7)) {
        round_trip(Version::V7, &flows)?;
    }

    #[test]
    fn v9_is_read_back(flows in flows(Version::V9)) {
        round_trip(Version::V9, &flows)?;
    }

    #[test]
    fn ipfix_is_read_back(flows in flows(Version::Ipfix)) {
        round_trip(Version::Ipfix, &flows)?;
    }

    #[test]
    fn sflow_is_read_back(flows in flows(Version::Sflow)) {
        round_trip(Version::Sflow, &flows)?;
    }

    /// With any bytes wrong, there are no more flows than the datagram has room for samples.
    #[test]
    fn sflow_with_wrong_bytes_stays_within_bounds(
        flows in flows(Version::Sflow),
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mut datagrams = export(Version::Sflow, &flows, ARRIVAL);
        let mut decoder = Decoder::new(DecoderLimits::default()).with_extras();
        for datagram in &mut datagrams {
            for (index, byte) in &wrong {
                let at = index.index(datagram.len());
                datagram[at] = *byte;
            }
            let mut batch = Batch::default();
            decoder.datagram(exporter_address(), ARRIVAL, datagram, &mut batch);
            prop_assert!(batch.flows.len() <= datagram.len() / 48);
            prop_assert_eq!(batch.flows.len(), batch.extras.len());
        }
    }

    #[test]
    fn a_truncated_datagram_gives_the_flows_before_the_cut(
        flows in prop::collection::vec(any_flow(Version::V9), 1..20),
        cut: prop::sample::Index,
        ipfix: bool,
    ) {
        let version = if ipfix { Version::Ipfix } else { Version::V9 };
        let mut datagrams = export(version, &flows, Timestamp::from_millis(994_000_000_500));
        datagrams.truncate(1);
        let whole = decode(&datagrams).flows;
        let at = cut.index(datagrams[0].len());
        datagrams[0].truncate(at);
        let mut decoder = Decoder::new(DecoderLimits::default());
        let mut batch = Batch::default();
        decoder.datagram(exporter_address(), Timestamp::default(), &datagrams[0], &mut batch);
        prop_assert!(whole.starts_with(&batch.flows));
        let header = if ipfix { ipfix::HEADER } else { v9::HEADER };
        if ipfix && at >= header {
            let (_, stats) = decoder.stats().next().unwrap();
            prop_assert_eq!(stats.faults.get(Fault::MessageLength), 1);
        }
    }
}
