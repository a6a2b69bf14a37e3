//! Behaviour of the decoder, with literal bytes.

use std::collections::HashMap;
use std::net::IpAddr;

use super::*;
use crate::flow::Flow;
use crate::time::Timestamp;

mod clock;
mod extras;
mod hostile;
mod properties;
mod watch;

const EXPORTER: &str = "192.0.2.1";

fn exporter() -> IpAddr {
    EXPORTER.parse().unwrap()
}

fn domain(version: Version, id: u32) -> Domain {
    Domain { exporter: exporter(), version, id }
}

/// Returns a v9 datagram: sysUpTime 5,000 ms, export 1,000,000,000 s, sequence 7, source id 3.
fn v9(sets: &[&[u8]]) -> Vec<u8> {
    let header = [0, 9, 0, 1, 0, 0, 0x13, 0x88, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3];
    [&header, &*sets.concat()].concat()
}

/// Returns an IPFIX message of the right length: export 1,000,000,000 s, sequence 7, domain 3.
fn ipfix(sets: &[&[u8]]) -> Vec<u8> {
    let sets = sets.concat();
    let [high, low] = (16 + sets.len() as u16).to_be_bytes();
    let header = [0, 10, high, low, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3];
    [&header, &*sets].concat()
}

/// Returns a set without padding.
fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let len = 4 + body.len() as u16;
    [&id.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

/// Returns a template record with these fields, as (element, length).
fn template(id: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    let mut record = [id.to_be_bytes(), (fields.len() as u16).to_be_bytes()].concat();
    for (element, len) in fields {
        record.extend(element.to_be_bytes().into_iter().chain(len.to_be_bytes()));
    }
    record
}

/// A decoder and everything that it has put out.
struct Decoded {
    decoder: Decoder,
    batch: Batch,
}

impl Decoded {
    fn with(limits: DecoderLimits) -> Decoded {
        Decoded { decoder: Decoder::new(limits), batch: Batch::default() }
    }

    fn of(datagrams: &[&[u8]]) -> Decoded {
        let mut decoded = Decoded::with(DecoderLimits::default());
        for datagram in datagrams {
            decoded.read(datagram);
        }
        decoded
    }

    fn read(&mut self, datagram: &[u8]) {
        let arrival = Timestamp::from_secs(1_000_000_000);
        self.decoder.datagram(exporter(), arrival, datagram, &mut self.batch);
    }

    /// Returns the sum of the counters of all domains.
    fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for (_, stats) in self.decoder.stats() {
            sum.add(stats);
        }
        sum
    }

    /// Returns the counters of the only domain.
    fn only_domain(&self) -> &Stats {
        let mut all = self.decoder.stats();
        let (_, stats) = all.next().unwrap();
        assert!(all.next().is_none());
        stats
    }

    /// Returns addresses, ports, protocol and counters of the flows.
    fn flows(&self) -> Vec<String> {
        let text = |f: &Flow| {
            format!(
                "{}:{}>{}:{}/{} {} {}",
                f.sip, f.sport, f.dip, f.dport, f.proto, f.packets, f.octets
            )
        };
        self.batch.flows.iter().map(text).collect()
    }

    fn faults(&self) -> Vec<(Fault, u64)> {
        self.stats().faults.iter().collect()
    }
}

/// Template 256: source, destination, packets in one byte.
const PLAIN9: [u8; 20] = [0, 0, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
const PLAIN10: [u8; 20] = [0, 2, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
/// A record of template 256, from 10.0.0.1 to 10.0.0.2 with 5 packets, and padding.
const DATA: [u8; 16] = [1, 0, 0, 16, 10, 0, 0, 1, 10, 0, 0, 2, 5, 0, 0, 0];
const FLOW: &str = "10.0.0.1:0>10.0.0.2:0/0 5 0";

#[test]
fn a_v9_record_fills_every_column() {
    #[rustfmt::skip]
    let template = [
        0, 0, 0, 60, 1, 0, 0, 13,
        0, 8, 0, 4, 0, 12, 0, 4, 0, 10, 0, 2, 0, 14, 0, 4, 0, 4, 0, 1, 0, 7, 0, 2, 0, 11, 0, 2,
        0, 2, 0, 3, 0, 1, 0, 8, 0, 22, 0, 4, 0, 21, 0, 4, 0, 6, 0, 1, 0, 34, 0, 4,
    ];
    #[rustfmt::skip]
    let data = [
        1, 0, 0, 47,
        140, 119, 44, 91, 192, 0, 2, 7, 0, 3, 0, 1, 0, 4, 6, 0x04, 0xd2, 0, 80,
        1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
        0, 0, 0x0b, 0xb8, 0, 0, 0x0f, 0xa0, 18, 0, 0, 0, 100,
    ];
    let decoded = Decoded::of(&[&v9(&[&template, &data])]);
    assert_eq!(
        decoded.batch.flows,
        [Flow {
            sip: "140.119.44.91".parse().unwrap(),
            dip: "192.0.2.7".parse().unwrap(),
            sif: 3,
            dif: 65540,
            proto: 6,
            sport: 1234,
            dport: 80,
            packets: 65_536,
            octets: 1 << 32,
            start: Timestamp::parse(b"999999998"),
            end: Timestamp::parse(b"999999999"),
            flags: Some(18),
            exporter: Some(exporter()),
            sampling: 100,
        }]
    );
    assert_eq!(
        (
            decoded.only_domain().sampling,
            decoded.only_domain().records,
            decoded.only_domain().flows
        ),
        (100, 1, 1)
    );
    assert!(decoded.batch.errors.is_empty());
}

#[test]
fn data_waits_for_its_template() {
    let mut decoded = Decoded::of(&[&v9(&[&DATA]), &v9(&[&DATA])]);
    assert_eq!(decoded.batch.late, 0);
    assert!(decoded.batch.flows.is_empty());
    let missing = Missing { sets: 2, bytes: 24 };
    assert_eq!(
        (decoded.only_domain().undecodable_sets, decoded.only_domain().undecodable_bytes),
        (2, 24)
    );
    assert_eq!(decoded.only_domain().missing.iter().collect::<Vec<_>>(), [(&256, &missing)]);
    assert!(decoded.only_domain().held_bytes >= 24);
    decoded.read(&v9(&[&PLAIN9, &DATA]));
    assert_eq!(decoded.flows(), [FLOW; 3]);
    assert_eq!(decoded.batch.late, 2);
    let stats = decoded.only_domain();
    assert_eq!((stats.late, stats.late_sets, stats.flows, stats.records), (2, 2, 3, 3));
    assert_eq!((stats.undecodable_sets, stats.undecodable_bytes, stats.held_bytes), (0, 0, 0));
    assert!(stats.missing.is_empty());
}

#[test]
fn held_data_keeps_the_time_of_its_header() {
    // Source, destination, first switched.
    let template = [0, 0, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 22, 0, 4];
    let data = [1, 0, 0, 16, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0x0f, 0xa0];
    let mut later = v9(&[&template]);
    later[7] = 0;
    later[11] = 99;
    let decoded = Decoded::of(&[&v9(&[&data]), &later]);
    assert_eq!(decoded.batch.flows[0].start, Timestamp::parse(b"999999999"));
}

#[test]
fn templates_belong_to_a_domain_and_a_version() {
    let mut other = v9(&[&DATA]);
    other[19] = 4;
    let decoded = Decoded::of(&[&v9(&[&PLAIN9]), &other, &ipfix(&[&DATA])]);
    assert!(decoded.flows().is_empty());
    let domains: Vec<_> = decoded.decoder.stats().map(|(domain, _)| *domain).collect();
    let expected = [(Version::V9, 3), (Version::V9, 4), (Version::Ipfix, 3)];
    assert_eq!(domains, expected.map(|(version, id)| domain(version, id)));
}

#[test]
fn templates_can_be_redefined_and_withdrawn() {
    // The same id, now with the destination first.
    let turned = [0, 2, 0, 20, 1, 0, 0, 3, 0, 12, 0, 4, 0, 8, 0, 4, 0, 2, 0, 1];
    let mut decoded = Decoded::of(&[&ipfix(&[&PLAIN10, &DATA, &turned, &DATA])]);
    assert_eq!(decoded.flows(), [FLOW, "10.0.0.2:0>10.0.0.1:0/0 5 0"]);
    decoded.read(&ipfix(&[&[0, 2, 0, 8, 1, 0, 0, 0], &DATA]));
    assert_eq!(decoded.batch.flows.len(), 2);
    assert_eq!((decoded.only_domain().withdrawn, decoded.only_domain().undecodable_sets), (1, 1));
    // All data templates at once; options template 257 stays.
    let options = [0, 3, 0, 14, 1, 1, 0, 1, 0, 1, 0, 149, 0, 4];
    decoded.read(&ipfix(&[&PLAIN10, &options, &[0, 2, 0, 8, 0, 2, 0, 0], &DATA]));
    decoded.read(&ipfix(&[&[1, 1, 0, 8, 0, 0, 0, 1]]));
    let stats = decoded.only_domain();
    assert_eq!((stats.withdrawn, stats.undecodable_sets, stats.option_records), (2, 1, 1));
    assert_eq!(decoded.faults(), []);
}

#[test]
fn zero_length_fields_and_unknown_lengths_are_skipped() {
    #[rustfmt::skip]
    let template = [
        0, 0, 0, 40, 1, 0, 0, 8,
        0, 7, 0, 0, // a port in no bytes
        0, 8, 0, 4, 0, 12, 0, 4,
        0, 1, 0, 9, // a byte counter in nine bytes
        0, 2, 0, 1, 0, 2, 0, 1, // packets twice: the first counts
        0, 11, 0, 4, // a port in four bytes
        0, 4, 0, 0,
    ];
    #[rustfmt::skip]
    let data = [
        1, 0, 0, 27, 10, 0, 0, 1, 10, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 5, 6, 0, 0, 0, 80,
    ];
    let decoded = Decoded::of(&[&v9(&[&template, &data])]);
    assert_eq!(decoded.flows(), ["10.0.0.1:0>10.0.0.2:80/0 5 0"]);
}

#[test]
fn field_types_of_v9_have_no_enterprise_bit() {
    // 33002 (ASA) as the first field. If the bit meant an enterprise number, that would be the source
    // address.
    let template = [0, 0, 0, 20, 1, 0, 0, 3, 0x80, 0xea, 0, 1, 0, 8, 0, 4, 0, 12, 0, 4];
    let data = [1, 0, 0, 13, 99, 10, 0, 0, 1, 10, 0, 0, 2];
    let decoded = Decoded::of(&[&v9(&[&template, &data])]);
    assert_eq!(decoded.flows(), ["10.0.0.1:0>10.0.0.2:0/0 0 0"]);
}

#[test]
fn fields_of_variable_length_are_read() {
    #[rustfmt::skip]
    let fields = [
        0, 82, 0xff, 0xff, // a name
        0, 8, 0, 4, 0, 12, 0, 4,
        0, 2, 0xff, 0xff, // packets, of variable length too
    ];
    #[rustfmt::skip]
    let records = [
        3, b'e', b't', b'h', 10, 0, 0, 1, 10, 0, 0, 2, 2, 1, 0,
        255, 0, 1, b'x', 10, 0, 0, 1, 10, 0, 0, 2, 0,
        0, 0, 0, // padding
    ];
    let expected = ["10.0.0.1:0>10.0.0.2:0/0 256 0", "10.0.0.1:0>10.0.0.2:0/0 0 0"];
    let data = [&[1, 0, 0, 35][..], &records].concat();
    let template = [&[0, 0, 0, 24, 1, 0, 0, 4][..], &fields].concat();
    assert_eq!(Decoded::of(&[&v9(&[&template, &data])]).flows(), expected);
    let template = [&[0, 2, 0, 24, 1, 0, 0, 4][..], &fields].concat();
    assert_eq!(Decoded::of(&[&ipfix(&[&template, &data])]).flows(), expected);
    // A name that ends after its set costs only its own record.
    let broken = [&[1, 0, 0, 31][..], &records[..15], &[200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]];
    let decoded = Decoded::of(&[&ipfix(&[&template, &broken.concat(), &data])]);
    assert_eq!(decoded.flows(), [expected[0], expected[0], expected[1]]);
    assert_eq!(
        decoded.batch.errors[0].to_string(),
        "192.0.2.1: IPFIX, set 256, byte 59: a record of template 256 has 210 bytes or more, \
         12 are left"
    );
}

/// Unwanted fields are skipped together, and a decoder with extras wants more fields. Still the error
/// states the same number of missing bytes.
#[test]
fn the_error_of_a_truncated_record_does_not_depend_on_the_wanted_columns() {
    // A name, type of service, an unknown element, the addresses.
    let fields = [(82, 65535), (5, 1), (999, 6), (8, 4), (12, 4)];
    let fields: Vec<u8> = fields
        .iter()
        .flat_map(|&(element, len): &(u16, u16)| {
            [element.to_be_bytes(), len.to_be_bytes()].concat()
        })
        .collect();
    let template = [&[0, 2, 0, 28, 1, 0, 0, 5][..], &fields].concat();
    let record = [2, b'e', b'0', 1, 9, 9, 9, 9, 9, 9, 10, 0, 0, 1, 10, 0, 0, 2];
    for cut in 16..record.len() {
        let set = [&[1, 0, 0, 4 + cut as u8][..], &record[..cut]].concat();
        let decoder = || Decoder::new(DecoderLimits::default());
        for decoder in [decoder(), decoder().with_extras()] {
            let mut decoded = Decoded { decoder, batch: Batch::default() };
            decoded.read(&ipfix(&[&template, &set]));
            let reason = Reason::Record { id: 256, needed: 18, left: cut };
            assert_eq!(decoded.batch.errors[0].reason, reason, "cut at {cut}");
        }
    }
}

#[test]
fn a_biflow_makes_one_flow_of_each_direction_with_packets() {
    #[rustfmt::skip]
    let template = [
        0, 2, 0, 60, 1, 0, 0, 11,
        0, 8, 0, 4, 0, 12, 0, 4, 0, 10, 0, 1, 0, 4, 0, 1, 0, 7, 0, 2, 0, 11, 0, 2, 0, 2, 0, 1,
        0, 1, 0, 1,
        0x80, 2, 0, 1, 0, 0, 0x72, 0x79, // reverse packets
        0x80, 6, 0, 1, 0, 0, 0x72, 0x79, // reverse flags
        0, 6, 0, 1,
    ];
    #[rustfmt::skip]
    let data = [
        1, 0, 0, 61,
        10, 0, 0, 1, 10, 0, 0, 2, 7, 6, 0x04, 0xd2, 0, 80, 3, 120, 2, 18, 2,
        10, 0, 0, 1, 10, 0, 0, 3, 7, 6, 0x04, 0xd2, 0, 80, 3, 120, 0, 0, 2,
        10, 0, 0, 1, 10, 0, 0, 4, 7, 6, 0x04, 0xd2, 0, 80, 0, 0, 1, 20, 0,
    ];
    let decoded = Decoded::of(&[&ipfix(&[&template, &data])]);
    assert_eq!(
        decoded.flows(),
        [
            "10.0.0.1:1234>10.0.0.2:80/6 3 120",
            "10.0.0.2:80>10.0.0.1:1234/6 2 0",
            "10.0.0.1:1234>10.0.0.3:80/6 3 120",
            "10.0.0.4:80>10.0.0.1:1234/6 1 0"
        ]
    );
    let [forward, reverse, _, _] = decoded.batch.flows[..] else { panic!() };
    assert_eq!((forward.sif, forward.dif, forward.flags), (7, 0, Some(2)));
    assert_eq!((reverse.sif, reverse.dif, reverse.flags), (0, 7, Some(18)));
    assert_eq!((decoded.only_domain().records, decoded.only_domain().flows), (3, 4));
}

#[test]
fn initiator_and_responder_counters_make_a_biflow() {
    // Addresses, protocol, ICMP type and code, bytes of the initiator and of the responder.
    #[rustfmt::skip]
    let template = [
        0, 0, 0, 36, 1, 0, 0, 7,
        0, 8, 0, 4, 0, 12, 0, 4, 0, 4, 0, 1, 0, 176, 0, 1, 0, 177, 0, 1, 0, 231, 0, 1, 0, 232, 0, 1,
    ];
    let data = [1, 0, 0, 17, 10, 0, 0, 1, 10, 0, 0, 2, 1, 8, 0, 84, 83];
    let decoded = Decoded::of(&[&v9(&[&template, &data])]);
    assert_eq!(
        decoded.flows(),
        ["10.0.0.1:0>10.0.0.2:2048/1 0 84", "10.0.0.2:0>10.0.0.1:0/1 0 83"]
    );
}

#[test]
fn icmp_type_and_code_come_from_their_element_or_the_port() {
    // Addresses, protocol, ports; the second template has type and code in one element too.
    #[rustfmt::skip]
    let template = [
        0, 0, 0, 60,
        1, 0, 0, 5, 0, 8, 0, 4, 0, 12, 0, 4, 0, 4, 0, 1, 0, 7, 0, 2, 0, 11, 0, 2,
        1, 1, 0, 6, 0, 8, 0, 4, 0, 12, 0, 4, 0, 4, 0, 1, 0, 7, 0, 2, 0, 11, 0, 2, 0, 32, 0, 2,
        0, 0, 0, 0,
    ];
    let port = [1, 0, 0, 17, 10, 0, 0, 1, 10, 0, 0, 2, 1, 0, 9, 8, 0];
    let element = [1, 1, 0, 19, 10, 0, 0, 1, 10, 0, 0, 2, 1, 0, 9, 0, 9, 3, 1];
    let udp = [1, 1, 0, 19, 10, 0, 0, 1, 10, 0, 0, 2, 17, 0, 9, 0, 9, 3, 1];
    let decoded = Decoded::of(&[&v9(&[&template, &port, &element, &udp])]);
    assert_eq!(
        decoded.flows(),
        [
            "10.0.0.1:0>10.0.0.2:2048/1 0 0",
            "10.0.0.1:0>10.0.0.2:769/1 0 0",
            "10.0.0.1:9>10.0.0.2:9/17 0 0"
        ]
    );
}

#[test]
fn a_record_without_addresses_makes_no_flow() {
    let template = [0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 2, 0, 4];
    let data = [1, 0, 0, 12, 10, 0, 0, 1, 0, 0, 0, 5];
    let decoded = Decoded::of(&[&v9(&[&template, &data])]);
    assert!(decoded.batch.flows.is_empty());
    let stats = decoded.only_domain();
    assert_eq!((stats.records, stats.flows, stats.no_address), (1, 0, 1));
}

#[test]
fn options_records_are_counted_and_make_no_flow() {
    // v9: scope "system" of no bytes, and an option of four; then two records.
    let options = [0, 1, 0, 20, 1, 0, 0, 4, 0, 4, 0, 1, 0, 0, 0, 41, 0, 4, 0, 0];
    let data = [1, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 2];
    let decoded = Decoded::of(&[&v9(&[&options, &data, &PLAIN9, &DATA])]);
    assert_eq!(decoded.flows(), [FLOW]);
    let stats = decoded.only_domain();
    assert_eq!((stats.options_templates, stats.option_records, stats.records), (1, 2, 1));
    // The number of a scope is not that of an element.
    let options = [0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 160, 0, 1];
    assert_eq!(Decoded::of(&[&v9(&[&options])]).only_domain().options_templates, 1);
}

#[test]
fn an_options_record_states_the_start_of_an_ipfix_exporter() {
    // Scope exportingProcessId, option systemInitTimeMilliseconds; a template with First.
    let options = [0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 0, 144, 0, 1, 0, 160, 0, 8];
    let template = [0, 2, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 22, 0, 4];
    let data = [1, 0, 0, 16, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0x0f, 0xa0];
    // 999,999,995,000 ms.
    let record = [1, 1, 0, 13, 9, 0, 0, 0, 0xe8, 0xd4, 0xa4, 0xfc, 0x78];
    let decoded = Decoded::of(&[&ipfix(&[&options, &template, &data, &record, &data])]);
    assert_eq!(decoded.batch.flows[0].start, None);
    assert_eq!(decoded.batch.flows[1].start, Timestamp::parse(b"999999999"));
}

#[test]
fn a_bad_set_costs_only_itself() {
    let reserved = [0, 9, 0, 6, 1, 2];
    let low = [0, 0, 0, 12, 0, 99, 0, 1, 0, 8, 0, 4];
    let empty = [0, 0, 0, 12, 1, 8, 0, 1, 0, 8, 0, 0];
    let none = [0, 0, 0, 8, 1, 9, 0, 0];
    let cut = [0, 0, 0, 12, 1, 7, 0, 9, 0, 8, 0, 4];
    let decoded = Decoded::of(&[&v9(&[&PLAIN9, &reserved, &low, &empty, &none, &cut, &DATA])]);
    assert_eq!(decoded.flows(), [FLOW]);
    assert_eq!(
        decoded.faults(),
        [(Fault::Short, 1), (Fault::SetId, 1), (Fault::TemplateId, 1), (Fault::TemplateLength, 2)]
    );
    assert_eq!(decoded.only_domain().bad_datagrams, 1);
    let places: Vec<_> = decoded.batch.errors.iter().map(|error| (error.at, error.set)).collect();
    assert_eq!(places, [(40, Some(9)), (50, Some(0)), (62, Some(0)), (74, Some(0)), (82, Some(0))]);
}

#[test]
fn whole_records_of_a_truncated_set_are_read() {
    let mut cut = v9(&[&PLAIN9, &[1, 0, 0, 99, 10, 0, 0, 1, 10, 0, 0, 2, 5, 10, 0]]);
    let decoded = Decoded::of(&[&cut]);
    assert_eq!(decoded.flows(), [FLOW]);
    assert_eq!(decoded.faults(), [(Fault::SetOverrun, 1)]);
    // A length below that of the header: later sets cannot be found.
    cut[43] = 3;
    let decoded = Decoded::of(&[&cut]);
    assert!(decoded.flows().is_empty());
    assert_eq!(decoded.faults(), [(Fault::SetLength, 1)]);
}

#[test]
fn a_tail_of_zeros_is_padding() {
    let decoded = Decoded::of(&[
        &v9(&[&PLAIN9, &DATA, &[0; 1220]]),
        &ipfix(&[&PLAIN10, &DATA, &[0; 7]]),
        &[&*ipfix(&[&DATA]), &[0; 30]].concat(),
        // Zeros after the last template of a set.
        &ipfix(&[&[0, 2, 0, 28], &PLAIN10[4..], &[0; 8], &DATA]),
    ]);
    assert_eq!(decoded.flows(), [FLOW; 4]);
    assert_eq!(decoded.faults(), []);
}

#[test]
fn several_ipfix_messages_or_a_wrong_length_in_one_datagram() {
    let two = [ipfix(&[&PLAIN10, &DATA]), ipfix(&[&DATA])].concat();
    let decoded = Decoded::of(&[&two]);
    assert_eq!(decoded.flows(), [FLOW; 2]);
    assert_eq!((decoded.only_domain().datagrams, decoded.faults().len()), (2, 0));
    // No exporter sends seventy messages in one datagram.
    let decoded = Decoded::of(&[&ipfix(&[]).repeat(70)]);
    assert_eq!(
        (decoded.only_domain().datagrams, decoded.faults()),
        (64, vec![(Fault::Trailing, 1)])
    );
    // The bytes after the message are no message.
    let decoded = Decoded::of(&[&[&*ipfix(&[&PLAIN10, &DATA]), &[7; 20]].concat()]);
    assert_eq!(decoded.flows(), [FLOW]);
    assert_eq!(decoded.faults(), [(Fault::Trailing, 1)]);
    // A length above that of the datagram, and one below that of the header: the sets that are there
    // are read.
    for length in [255, 15] {
        let mut wrong = ipfix(&[&PLAIN10, &DATA]);
        wrong[3] = length;
        let decoded = Decoded::of(&[&wrong]);
        assert_eq!(decoded.flows(), [FLOW]);
        assert_eq!(decoded.faults(), [(Fault::MessageLength, 1)]);
    }
    // A second message that is truncated.
    let decoded = Decoded::of(&[&[&*ipfix(&[&PLAIN10, &DATA]), &two[..20]].concat()]);
    assert_eq!(decoded.flows(), [FLOW]);
    assert_eq!(decoded.faults(), [(Fault::MessageLength, 1), (Fault::SetOverrun, 1)]);
}

#[test]
fn fixed_records_are_read_as_far_as_there_are_bytes() {
    for (version, head, record) in [(1, 16, 48), (5, 24, 48), (7, 24, 52)] {
        let mut header = vec![0; head];
        header[1] = version;
        header[3] = 2;
        let mut sampling = 0;
        if version == 5 {
            header[22..].copy_from_slice(&[0x43, 0xe8]);
            sampling = 1000;
        }
        let mut bytes = vec![0; record];
        bytes[..8].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        bytes[19] = 5;
        let two = [&header[..], &bytes, &bytes, &[1, 2, 3]].concat();
        let mut decoded = Decoded::of(&[&two]);
        assert_eq!(decoded.flows(), [FLOW; 2]);
        assert_eq!(
            (decoded.only_domain().sampling, decoded.batch.flows[0].sampling),
            (sampling, sampling)
        );
        assert_eq!(decoded.faults(), []);
        decoded.read(&two[..head + record + 40]);
        assert_eq!(decoded.flows(), [FLOW; 3]);
        assert_eq!(decoded.faults(), [(Fault::Count, 1)]);
        header[3] = 0;
        decoded.read(&[&header[..], &bytes].concat());
        assert_eq!(
            (decoded.flows().len(), decoded.only_domain().records, decoded.only_domain().datagrams),
            (3, 3, 3)
        );
        decoded.decoder.learn(exporter(), &two, &mut decoded.batch);
        assert_eq!((decoded.flows().len(), decoded.only_domain().datagrams), (3, 3));
    }
}

#[test]
fn fixed_records_belong_to_an_engine() {
    let ids = [(1, 16), (5, 24), (7, 24)].map(|(version, head)| {
        let mut header = vec![0; head];
        header[1] = version;
        if head > 20 {
            header[20..22].copy_from_slice(&[1, 2]);
        }
        let decoded = Decoded::of(&[&header]);
        let (domain, _) = decoded.decoder.stats().next().unwrap();
        *domain
    });
    let expected = [(Version::V1, 0), (Version::V5, 0x0102), (Version::V7, 0x0102)];
    assert_eq!(ids, expected.map(|(version, id)| domain(version, id)));
}

#[test]
fn other_protocols_are_counted_by_version() {
    let limits = DecoderLimits { foreign: 3, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    decoded.read(&[0, 0, 0, 4, 0, 0, 0, 1]);
    decoded.read(&[0, 0, 0, 6]);
    for version in [8, 8, 6, 11] {
        decoded.read(&[0, version]);
    }
    decoded.read(&[0]);
    decoded.read(&[]);
    decoded.read(&[0, 5, 0, 1]);
    let totals = decoded.decoder.totals();
    let by_version: Vec<_> = totals.by_version.iter().map(|(&foreign, &n)| (foreign, n)).collect();
    assert_eq!(
        by_version,
        [(Foreign::Sflow(4), 1), (Foreign::Version(0), 1), (Foreign::Version(8), 2)]
    );
    assert_eq!((totals.datagrams, totals.foreign, totals.short), (9, 6, 3));
    assert_eq!(decoded.batch.errors.len(), 9);
    assert_eq!(
        decoded.batch.errors[0].to_string(),
        "192.0.2.1: byte 0: expected NetFlow version 1, 5, 7, 9, IPFIX or sFlow version 5, found \
         sFlow version 4"
    );
    assert_eq!(
        decoded.batch.errors[8].to_string(),
        "192.0.2.1: NetFlow v5, byte 0: header needs 24 bytes, 4 are left"
    );
}

#[test]
fn learning_counts_nothing() {
    let mut decoded = Decoded::of(&[&v9(&[&DATA])]);
    let datagram = v9(&[&PLAIN9, &DATA, &[0, 9, 0, 4]]);
    decoded.decoder.learn(exporter(), &datagram, &mut decoded.batch);
    // Only the data that had waited is decoded.
    assert_eq!((decoded.flows(), decoded.batch.late), (vec![FLOW.to_owned()], 1));
    let stats = decoded.only_domain();
    assert_eq!((stats.datagrams, stats.templates, stats.bad_datagrams), (1, 0, 0));
    assert_eq!(decoded.faults(), []);
    decoded.decoder.learn(exporter(), &[0, 7], &mut decoded.batch);
    decoded.decoder.learn(exporter(), &[0], &mut decoded.batch);
    assert_eq!(decoded.decoder.totals(), &Totals { datagrams: 1, ..Totals::default() });
    assert_eq!(decoded.batch.errors.len(), 3);
}

#[test]
fn the_longest_silent_domain_is_evicted() {
    let limits = DecoderLimits { domains: 2, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    let mut from = |source: u8, secs| {
        let mut datagram = v9(&[&PLAIN9, &[9, 9, 0, 5, 1], &DATA]);
        datagram[19] = source;
        let arrival = Timestamp::from_secs(secs);
        decoded.decoder.datagram(exporter(), arrival, &datagram, &mut decoded.batch);
    };
    from(1, 10);
    from(2, 11);
    from(1, 12);
    from(3, 13);
    let left: Vec<_> =
        decoded.decoder.stats().map(|(domain, stats)| (domain.id, stats.flows)).collect();
    assert_eq!(left, [(1, 2), (3, 1)]);
    let totals = decoded.decoder.totals();
    assert_eq!((totals.evicted_domains, totals.evicted.flows), (1, 1));
    // The pending data of the domain is dropped with it.
    assert_eq!((totals.evicted.evicted_sets, totals.evicted.held_bytes), (1, 0));
}

#[test]
fn too_many_templates_evict_a_silent_domain() {
    let limits = DecoderLimits { all_templates: 2, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    for (source, secs) in [(1, 10), (2, 11), (3, 12)] {
        let mut datagram = v9(&[&PLAIN9]);
        datagram[19] = source;
        let arrival = Timestamp::from_secs(secs);
        decoded.decoder.datagram(exporter(), arrival, &datagram, &mut decoded.batch);
    }
    let left: Vec<_> = decoded.decoder.stats().map(|(domain, _)| domain.id).collect();
    assert_eq!(left, [2, 3]);
}

#[test]
fn a_template_of_too_many_fields_is_refused() {
    let limits = DecoderLimits { fields: 2, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    decoded.read(&v9(&[&PLAIN9, &DATA]));
    assert_eq!(decoded.faults(), [(Fault::TemplateFields, 1)]);
    assert!(decoded.flows().is_empty());
}

#[test]
fn a_refused_template_withdraws_the_earlier_one() {
    let empty = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 0];
    let decoded = Decoded::of(&[&v9(&[&PLAIN9, &DATA, &empty, &DATA])]);
    assert_eq!(decoded.flows(), [FLOW]);
    assert_eq!(decoded.only_domain().undecodable_sets, 1);
}

#[test]
fn data_without_a_template_is_bounded() {
    let limits = DecoderLimits { held: 2500, missing: 3, errors: 1, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    for id in 0..100 {
        let mut datagram = v9(&[&DATA, &[0, 9, 0, 4], &[0, 9, 0, 4]]);
        datagram[21] = id;
        decoded.read(&datagram);
    }
    let stats = decoded.only_domain();
    assert!(stats.held_bytes <= 2500, "{}", stats.held_bytes);
    assert_eq!(stats.undecodable_sets, 100);
    assert_eq!(stats.evicted_sets, 97);
    assert_eq!(stats.missing.len(), 3);
    assert_eq!((decoded.batch.errors.len(), stats.bad_datagrams), (100, 100));
}
