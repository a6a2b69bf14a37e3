//! Information besides the nine columns: sampling, translation, events, packets, losses.

use super::*;
use crate::flow::Extra;

fn sampling(decoded: &Decoded) -> Vec<u32> {
    decoded.batch.flows.iter().map(|flow| flow.sampling).collect()
}

/// Addresses and input interface.
const WITH_INTERFACE: [(u16, u16); 3] = [(8, 4), (12, 4), (10, 2)];

#[test]
fn sampling_by_the_sampler_that_the_record_names() {
    // Scope "system", sampler id, mode, random interval, as Cisco's IOS XR sends them.
    let options =
        [0, 1, 0, 26, 1, 1, 0, 4, 0, 12, 0, 1, 0, 4, 0, 48, 0, 2, 0, 49, 0, 1, 0, 50, 0, 4];
    let samplers = [
        0, 0, 0, 0, 0, 1, 2, 0, 0, 0x03, 0xe8, //
        0, 0, 0, 0, 0, 2, 2, 0, 0, 0x07, 0xd0,
    ];
    let template = set(0, &template(256, &[(8, 4), (12, 4), (48, 1)]));
    let data = set(256, &[10, 0, 0, 1, 10, 0, 0, 2, 2, 10, 0, 0, 1, 10, 0, 0, 2, 1]);
    let decoded = Decoded::of(&[&v9(&[&options, &set(257, &samplers), &template, &data])]);
    assert_eq!(sampling(&decoded), [2000, 1000]);
    assert_eq!(
        (decoded.only_domain().sampling, decoded.only_domain().sampling_from),
        (2000, Some(Source::Sampler))
    );
}

#[test]
fn sampling_by_interface_or_whole_exporter() {
    // v9's scope 2 is an interface.
    let of_interface = [0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 2, 0, 4, 0, 34, 0, 4];
    let of_system = [0, 1, 0, 18, 1, 2, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
    let template = set(0, &template(256, &WITH_INTERFACE));
    let data = set(256, &[10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 10, 0, 0, 1, 10, 0, 0, 2, 0, 8]);
    let record = set(257, &[0, 0, 0, 7, 0, 0, 0, 64]);
    let whole = set(258, &[0, 0, 0, 0, 0, 0, 0, 10]);
    let decoded =
        Decoded::of(&[&v9(&[&of_interface, &record, &of_system, &whole, &template, &data])]);
    assert_eq!(sampling(&decoded), [64, 10]);
    assert_eq!(decoded.only_domain().sampling_from, Some(Source::Interface));
    // Options after the data come too late for it.
    let decoded = Decoded::of(&[&v9(&[&template, &data, &of_system, &whole])]);
    assert_eq!(sampling(&decoded), [0, 0]);
}

#[test]
fn sampling_by_a_selector() {
    // Scope selectorId: one packet is taken, then 99 are left out.
    let options = set(3, &[1, 1, 0, 4, 0, 1, 1, 46, 0, 8, 1, 48, 0, 2, 1, 49, 0, 4, 1, 50, 0, 4]);
    let record = set(257, &[0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 99]);
    let template = set(2, &template(256, &[(8, 4), (12, 4), (302, 1)]));
    let data = set(256, &[10, 0, 0, 1, 10, 0, 0, 2, 5]);
    let decoded = Decoded::of(&[&ipfix(&[&options, &record, &template, &data])]);
    assert_eq!(sampling(&decoded), [100]);
    assert_eq!(decoded.only_domain().sampling_from, Some(Source::Sampler));
}

#[test]
fn options_are_learnt_from_the_head_of_a_file() {
    let of_system = [0, 1, 0, 18, 1, 2, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
    let whole = set(258, &[0, 0, 0, 0, 0, 0, 0, 10]);
    let mut decoded = Decoded::with(DecoderLimits::default());
    decoded.decoder.learn(
        exporter(),
        &v9(&[&of_system, &whole, &PLAIN9, &DATA]),
        &mut decoded.batch,
    );
    assert!(decoded.batch.flows.is_empty());
    assert_eq!(decoded.stats(), Stats::default());
    decoded.read(&v9(&[&DATA]));
    assert_eq!(sampling(&decoded), [10]);
}

fn with_extras(datagrams: &[&[u8]]) -> (Flow, Extra) {
    let mut decoder = Decoder::new(DecoderLimits::default()).with_extras();
    let mut batch = Batch::default();
    for datagram in datagrams {
        decoder.datagram(exporter(), Timestamp::default(), datagram, &mut batch);
    }
    assert_eq!(batch.flows.len(), batch.extras.len());
    (batch.flows[0], batch.extras[0])
}

#[test]
fn the_reverse_direction_has_its_own_type_of_service() {
    // Addresses, packets, type of service; reverse packets and type of service (RFC 5103).
    #[rustfmt::skip]
    let template = [
        1, 0, 0, 6, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1, 0, 5, 0, 1,
        0x80, 2, 0, 1, 0, 0, 0x72, 0x79, 0x80, 5, 0, 1, 0, 0, 0x72, 0x79,
    ];
    let data = set(256, &[10, 0, 0, 1, 10, 0, 0, 2, 1, 0x20, 1, 0xb8]);
    let mut decoder = Decoder::new(DecoderLimits::default()).with_extras();
    let mut batch = Batch::default();
    let datagram = ipfix(&[&set(2, &template), &data]);
    decoder.datagram(exporter(), Timestamp::default(), &datagram, &mut batch);
    let tos: Vec<_> = batch.extras.iter().map(|extra| extra.tos).collect();
    assert_eq!(tos, [Some(0x20), Some(0xb8)]);
}

#[test]
fn the_scope_of_a_part_is_not_that_of_the_whole_exporter() {
    // One scope of an IPFIX options template: a line card, the egress interface, a VRF's name, and
    // two that stand for the whole exporter.
    for (scope, is_whole) in [(141, false), (14, false), (236, false), (144, true), (130, true)] {
        let [high, low] = u16::to_be_bytes(scope);
        let options_template = [1, 0, 0, 2, 0, 1, high, low, 0, 4, 0, 34, 0, 4];
        let options = |card: u8, n: u8| set(256, &[0, 0, 0, card, 0, 0, 0, n]);
        let data = [
            &set(2, &template(257, &[(8, 4), (12, 4)]))[..],
            &set(257, &[10, 0, 0, 1, 10, 0, 0, 2]),
        ]
        .concat();
        let decoded = Decoded::of(&[&ipfix(&[
            &set(3, &options_template),
            &options(1, 10),
            &options(2, 20),
            &data,
        ])]);
        assert_eq!(sampling(&decoded), [if is_whole { 20 } else { 0 }], "{scope}");
    }
}

#[test]
fn further_columns_are_in_the_extra() {
    let elements = [
        (8, 4),
        (12, 4),
        (5, 1),
        (16, 4),
        (17, 2),
        (9, 1),
        (13, 1),
        (15, 4),
        (58, 2),
        (59, 2),
        (56, 6),
        (80, 6),
        (61, 1),
        (136, 1),
        (234, 4),
        (63, 16),
    ];
    #[rustfmt::skip]
    let data = [
        &[10, 0, 0, 1, 10, 0, 0, 2, 0xb8, 0, 1, 0x86, 0xa0, 0xfd, 0xe8, 24, 16, 192, 0, 2, 9][..],
        &[0, 100, 0, 200, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 1, 3, 0, 0, 0, 7],
        &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ];
    let data = set(256, &data.concat());
    let (_, extra) = with_extras(&[&ipfix(&[&set(2, &template(256, &elements)), &data])]);
    let expected = Extra {
        tos: Some(0xb8),
        srcas: Some(100_000),
        dstas: Some(65_000),
        srcmask: Some(24),
        dstmask: Some(16),
        nexthop: Some([192, 0, 2, 9].into()),
        bgpnexthop: Some("2001:db8::1".parse().unwrap()),
        vlan: Some(100),
        outvlan: Some(200),
        srcmac: Some([2, 0, 0, 0, 0, 1]),
        dstmac: Some([2, 0, 0, 0, 0, 2]),
        direction: Some(1),
        endreason: Some(3),
        vrf: Some(7),
        domain: Some(3),
        ..Extra::default()
    };
    assert_eq!(extra, expected);
}

/// The old numbers of ASA exist in v9 only. In IPFIX their upper bit means an enterprise number.
#[test]
fn an_event_has_its_translated_addresses() {
    let elements = [
        (8, 4),
        (12, 4),
        (7, 2),
        (11, 2),
        (4, 1),
        (40001, 4),
        (40002, 4),
        (40003, 2),
        (40004, 2),
        (40005, 1),
    ];
    let data = set(
        256,
        &[
            10, 0, 0, 1, 198, 51, 100, 7, 0x04, 0xd2, 0, 80, 6, //
            192, 0, 2, 5, 198, 51, 100, 7, 0x10, 0, 0, 80, 2, 0, 0,
        ],
    );
    let (mut flow, mut extra) = with_extras(&[&v9(&[&set(0, &template(256, &elements)), &data])]);
    assert_eq!((flow.packets, flow.octets, extra.event), (0, 0, Some(2)));
    assert_eq!(flow.sip, IpAddr::from([10, 0, 0, 1]));
    extra.translate(&mut flow);
    assert_eq!((flow.sip, flow.sport), ([192, 0, 2, 5].into(), 4096));
    assert_eq!((extra.natsip, extra.natsport), (Some([10, 0, 0, 1].into()), Some(1234)));
    assert_eq!((flow.dip, flow.dport), ([198, 51, 100, 7].into(), 80));
}

#[test]
fn the_first_bytes_of_a_frame_make_a_flow_of_one_packet() {
    // Ethernet, VLAN 5, IPv4, TCP SYN.
    #[rustfmt::skip]
    let frame = [
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 8, 0,
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0x04, 0xd2, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
    ];
    let template = set(2, &template(256, &[(10, 4), (14, 4), (323, 8), (315, 65535)]));
    let mut record = vec![0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0];
    record.push(frame.len() as u8);
    record.extend(frame);
    let (flow, extra) = with_extras(&[&ipfix(&[&template, &set(256, &record)])]);
    assert_eq!((flow.sip, flow.dip), ([10, 0, 0, 1].into(), [10, 0, 0, 2].into()));
    assert_eq!((flow.sif, flow.dif, flow.proto), (3, 4, 6));
    assert_eq!((flow.sport, flow.dport, flow.flags), (1234, 80, Some(2)));
    assert_eq!((flow.packets, flow.octets), (1, 40));
    let time = Some(Timestamp::from_millis(1_000_000_000_000));
    assert_eq!((flow.start, flow.end), (time, time));
    assert_eq!((extra.vlan, extra.srcmac), (Some(5), Some([2, 0, 0, 0, 0, 1])));
}

/// The record's own element names the protocol. If the packet has another one, its ports do not
/// count.
#[test]
fn the_first_bytes_of_a_packet_of_another_protocol_give_no_ports() {
    // IPv4, UDP.
    let udp = [69, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 53];
    let template = set(2, &template(256, &[(4, 1), (313, 65535)]));
    for (proto, ports, flags) in [(17, (1234, 53), Some(0)), (1, (0, 0), None), (6, (0, 0), None)] {
        let record = [&[proto, udp.len() as u8][..], &udp].concat();
        let (flow, _) = with_extras(&[&ipfix(&[&template, &set(256, &record)])]);
        assert_eq!((flow.proto, flow.sport, flow.dport), (proto, ports.0, ports.1));
        assert_eq!((flow.dip, flow.flags), ([10, 0, 0, 2].into(), flags), "{proto}");
    }
}

#[test]
fn losses_are_counted_in_the_unit_of_the_protocol() {
    let number = |mut datagram: Vec<u8>, at: usize, n: u8| {
        datagram[at + 3] = n;
        datagram
    };
    let nine = |n| number(v9(&[&PLAIN9, &DATA]), 12, n);
    let decoded = Decoded::of(&[&nine(7), &nine(9)]);
    let datagrams = Lost { datagrams: Some(1), flows: None };
    assert_eq!((decoded.batch.lost, decoded.only_domain().lost), (datagrams, datagrams));
    // IPFIX numbers records; each message has one.
    let ten = |n| number(ipfix(&[&PLAIN10, &DATA]), 8, n);
    let decoded = Decoded::of(&[&ten(7), &ten(8), &ten(13)]);
    assert_eq!(decoded.batch.lost, Lost { flows: Some(4), datagrams: None });
    // Records without a template cannot be counted.
    let unknown = number(ipfix(&[&DATA]), 8, 7);
    let decoded = Decoded::of(&[&unknown, &ten(90)]);
    assert_eq!(decoded.batch.lost, Lost { flows: Some(0), datagrams: None });
}
