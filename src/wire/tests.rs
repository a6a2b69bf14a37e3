//! Behaviour of the decoder, over literal octets.

use std::collections::HashMap;
use std::net::IpAddr;

use super::*;
use crate::flow::Flow;
use crate::time::Timestamp;

mod any;
mod hostile;
mod told;
mod watch;

const EXPORTER: &str = "192.0.2.1";

fn exporter() -> IpAddr {
    EXPORTER.parse().unwrap()
}

fn domain(version: Version, id: u32) -> Domain {
    Domain { exporter: exporter(), version, id }
}

/// A v9 header: sysUpTime 5,000 ms, export 1,000,000,000 s, sequence 7, source id 3.
fn v9(sets: &[&[u8]]) -> Vec<u8> {
    let header = [0, 9, 0, 1, 0, 0, 0x13, 0x88, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3];
    [&header, &*sets.concat()].concat()
}

/// An IPFIX header of the right length: export 1,000,000,000 s, sequence 7, domain 3.
fn ipfix(sets: &[&[u8]]) -> Vec<u8> {
    let sets = sets.concat();
    let [high, low] = (16 + sets.len() as u16).to_be_bytes();
    let header = [0, 10, high, low, 0x3b, 0x9a, 0xca, 0, 0, 0, 0, 7, 0, 0, 0, 3];
    [&header, &*sets].concat()
}

struct Seen {
    decoder: Decoder,
    batch: Batch,
}

impl Seen {
    fn with(limits: DecoderLimits) -> Seen {
        Seen { decoder: Decoder::new(limits), batch: Batch::default() }
    }

    fn of(datagrams: &[&[u8]]) -> Seen {
        let mut seen = Seen::with(DecoderLimits::default());
        for datagram in datagrams {
            seen.read(datagram);
        }
        seen
    }

    fn read(&mut self, datagram: &[u8]) {
        let arrival = Timestamp::from_secs(1_000_000_000);
        self.decoder.datagram(exporter(), arrival, datagram, &mut self.batch);
    }

    fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for (_, stats) in self.decoder.stats() {
            sum.add(stats);
        }
        sum
    }

    /// The only domain's.
    fn own(&self) -> &Stats {
        let mut all = self.decoder.stats();
        let (_, stats) = all.next().unwrap();
        assert!(all.next().is_none());
        stats
    }

    /// Addresses and counts.
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

/// Template 256 with source, destination, packets of one octet.
const PLAIN9: [u8; 20] = [0, 0, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
const PLAIN10: [u8; 20] = [0, 2, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 2, 0, 1];
/// A record of it, 10.0.0.1 to 10.0.0.2, 5 packets, and padding.
const DATA: [u8; 16] = [1, 0, 0, 16, 10, 0, 0, 1, 10, 0, 0, 2, 5, 0, 0, 0];
const FLOW: &str = "10.0.0.1:0>10.0.0.2:0/0 5 0";

#[test]
fn every_column_of_v9() {
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
    let seen = Seen::of(&[&v9(&[&template, &data])]);
    assert_eq!(
        seen.batch.flows,
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
    assert_eq!((seen.own().sampling, seen.own().records, seen.own().flows), (100, 1, 1));
    assert!(seen.batch.errors.is_empty());
}

#[test]
fn data_waits_for_its_template() {
    let mut seen = Seen::of(&[&v9(&[&DATA]), &v9(&[&DATA])]);
    assert_eq!(seen.batch.late, 0);
    assert!(seen.batch.flows.is_empty());
    let missing = Missing { sets: 2, bytes: 24 };
    assert_eq!((seen.own().undecodable_sets, seen.own().undecodable_bytes), (2, 24));
    assert_eq!(seen.own().missing.iter().collect::<Vec<_>>(), [(&256, &missing)]);
    assert!(seen.own().held_bytes >= 24);
    seen.read(&v9(&[&PLAIN9, &DATA]));
    assert_eq!(seen.flows(), [FLOW; 3]);
    assert_eq!(seen.batch.late, 2);
    let stats = seen.own();
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
    let seen = Seen::of(&[&v9(&[&data]), &later]);
    assert_eq!(seen.batch.flows[0].start, Timestamp::parse(b"999999999"));
}

#[test]
fn templates_belong_to_a_domain_and_a_version() {
    let mut other = v9(&[&DATA]);
    other[19] = 4;
    let seen = Seen::of(&[&v9(&[&PLAIN9]), &other, &ipfix(&[&DATA])]);
    assert!(seen.flows().is_empty());
    let domains: Vec<_> = seen.decoder.stats().map(|(domain, _)| *domain).collect();
    let expected = [(Version::V9, 3), (Version::V9, 4), (Version::Ipfix, 3)];
    assert_eq!(domains, expected.map(|(version, id)| domain(version, id)));
}

#[test]
fn a_template_is_redefined_and_withdrawn() {
    // The same number, now destination first.
    let turned = [0, 2, 0, 20, 1, 0, 0, 3, 0, 12, 0, 4, 0, 8, 0, 4, 0, 2, 0, 1];
    let mut seen = Seen::of(&[&ipfix(&[&PLAIN10, &DATA, &turned, &DATA])]);
    assert_eq!(seen.flows(), [FLOW, "10.0.0.2:0>10.0.0.1:0/0 5 0"]);
    seen.read(&ipfix(&[&[0, 2, 0, 8, 1, 0, 0, 0], &DATA]));
    assert_eq!(seen.batch.flows.len(), 2);
    assert_eq!((seen.own().withdrawn, seen.own().undecodable_sets), (1, 1));
    // All at once; the options template of number 257 stays.
    let options = [0, 3, 0, 14, 1, 1, 0, 1, 0, 1, 0, 149, 0, 4];
    seen.read(&ipfix(&[&PLAIN10, &options, &[0, 2, 0, 8, 0, 2, 0, 0], &DATA]));
    seen.read(&ipfix(&[&[1, 1, 0, 8, 0, 0, 0, 1]]));
    let stats = seen.own();
    assert_eq!((stats.withdrawn, stats.undecodable_sets, stats.option_records), (2, 1, 1));
    assert_eq!(seen.faults(), []);
}

#[test]
fn zero_length_fields_and_unknown_lengths_are_skipped() {
    #[rustfmt::skip]
    let template = [
        0, 0, 0, 40, 1, 0, 0, 8,
        0, 7, 0, 0, // a port of no octets
        0, 8, 0, 4, 0, 12, 0, 4,
        0, 1, 0, 9, // octets in nine octets
        0, 2, 0, 1, 0, 2, 0, 1, // packets twice: the first holds
        0, 11, 0, 4, // a port in four octets
        0, 4, 0, 0,
    ];
    #[rustfmt::skip]
    let data = [
        1, 0, 0, 27, 10, 0, 0, 1, 10, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 5, 6, 0, 0, 0, 80,
    ];
    let seen = Seen::of(&[&v9(&[&template, &data])]);
    assert_eq!(seen.flows(), ["10.0.0.1:0>10.0.0.2:80/0 5 0"]);
}

#[test]
fn field_types_of_v9_have_no_enterprise_bit() {
    // 33002 (ASA) as the first field; an enterprise number would eat the source address.
    let template = [0, 0, 0, 20, 1, 0, 0, 3, 0x80, 0xea, 0, 1, 0, 8, 0, 4, 0, 12, 0, 4];
    let data = [1, 0, 0, 13, 99, 10, 0, 0, 1, 10, 0, 0, 2];
    let seen = Seen::of(&[&v9(&[&template, &data])]);
    assert_eq!(seen.flows(), ["10.0.0.1:0>10.0.0.2:0/0 0 0"]);
}

#[test]
fn fields_of_variable_length() {
    #[rustfmt::skip]
    let fields = [
        0, 82, 0xff, 0xff, // a name
        0, 8, 0, 4, 0, 12, 0, 4,
        0, 2, 0xff, 0xff, // packets, even
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
    assert_eq!(Seen::of(&[&v9(&[&template, &data])]).flows(), expected);
    let template = [&[0, 2, 0, 24, 1, 0, 0, 4][..], &fields].concat();
    assert_eq!(Seen::of(&[&ipfix(&[&template, &data])]).flows(), expected);
    // A name that runs over the end of its set costs its own record only.
    let broken = [&[1, 0, 0, 31][..], &records[..15], &[200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]];
    let seen = Seen::of(&[&ipfix(&[&template, &broken.concat(), &data])]);
    assert_eq!(seen.flows(), [expected[0], expected[0], expected[1]]);
    assert_eq!(
        seen.batch.errors[0].to_string(),
        "192.0.2.1: IPFIX, set 256, octet 59: a record of template 256 has 210 octets or more, \
         12 are left"
    );
}

/// Fields that nobody wants are passed over together, and who keeps extras wants more of them. What a
/// torn record lacks is the same.
#[test]
fn a_torn_record_is_told_alike_by_all() {
    // A name, type of service, an unknown element, the addresses.
    let fields = [(82, 65535), (5, 1), (999, 6), (8, 4), (12, 4)];
    let fields: Vec<u8> = fields
        .iter()
        .flat_map(|&(e, len): &(u16, u16)| [e.to_be_bytes(), len.to_be_bytes()].concat())
        .collect();
    let template = [&[0, 2, 0, 28, 1, 0, 0, 5][..], &fields].concat();
    let record = [2, b'e', b'0', 1, 9, 9, 9, 9, 9, 9, 10, 0, 0, 1, 10, 0, 0, 2];
    for cut in 16..record.len() {
        let set = [&[1, 0, 0, 4 + cut as u8][..], &record[..cut]].concat();
        let decoder = || Decoder::new(DecoderLimits::default());
        for decoder in [decoder(), decoder().with_extras()] {
            let mut seen = Seen { decoder, batch: Batch::default() };
            seen.read(&ipfix(&[&template, &set]));
            let reason = Reason::Record { id: 256, needed: 18, left: cut };
            assert_eq!(seen.batch.errors[0].reason, reason, "cut at {cut}");
        }
    }
}

#[test]
fn a_biflow_makes_a_flow_of_each_direction_that_has_packets() {
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
    let seen = Seen::of(&[&ipfix(&[&template, &data])]);
    assert_eq!(
        seen.flows(),
        [
            "10.0.0.1:1234>10.0.0.2:80/6 3 120",
            "10.0.0.2:80>10.0.0.1:1234/6 2 0",
            "10.0.0.1:1234>10.0.0.3:80/6 3 120",
            "10.0.0.4:80>10.0.0.1:1234/6 1 0"
        ]
    );
    let [there, back, _, _] = seen.batch.flows[..] else { panic!() };
    assert_eq!((there.sif, there.dif, there.flags), (7, 0, Some(2)));
    assert_eq!((back.sif, back.dif, back.flags), (0, 7, Some(18)));
    assert_eq!((seen.own().records, seen.own().flows), (3, 4));
}

#[test]
fn initiator_and_responder_are_a_biflow_too() {
    // Addresses, protocol, ICMP type and code, initiator's and responder's octets.
    #[rustfmt::skip]
    let template = [
        0, 0, 0, 36, 1, 0, 0, 7,
        0, 8, 0, 4, 0, 12, 0, 4, 0, 4, 0, 1, 0, 176, 0, 1, 0, 177, 0, 1, 0, 231, 0, 1, 0, 232, 0, 1,
    ];
    let data = [1, 0, 0, 17, 10, 0, 0, 1, 10, 0, 0, 2, 1, 8, 0, 84, 83];
    let seen = Seen::of(&[&v9(&[&template, &data])]);
    assert_eq!(seen.flows(), ["10.0.0.1:0>10.0.0.2:2048/1 0 84", "10.0.0.2:0>10.0.0.1:0/1 0 83"]);
}

#[test]
fn icmp_by_its_own_element_or_the_port() {
    // Addresses, protocol, ports, and for the second template type and code in one.
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
    let seen = Seen::of(&[&v9(&[&template, &port, &element, &udp])]);
    assert_eq!(
        seen.flows(),
        [
            "10.0.0.1:0>10.0.0.2:2048/1 0 0",
            "10.0.0.1:0>10.0.0.2:769/1 0 0",
            "10.0.0.1:9>10.0.0.2:9/17 0 0"
        ]
    );
}

#[test]
fn a_record_without_addresses_is_no_flow() {
    let template = [0, 0, 0, 16, 1, 0, 0, 2, 0, 8, 0, 4, 0, 2, 0, 4];
    let data = [1, 0, 0, 12, 10, 0, 0, 1, 0, 0, 0, 5];
    let seen = Seen::of(&[&v9(&[&template, &data])]);
    assert!(seen.batch.flows.is_empty());
    let stats = seen.own();
    assert_eq!((stats.records, stats.flows, stats.no_address), (1, 0, 1));
}

#[test]
fn options_are_skipped_right_and_counted() {
    // v9: scope system of no octets, and an option of four; then two records of it.
    let options = [0, 1, 0, 20, 1, 0, 0, 4, 0, 4, 0, 1, 0, 0, 0, 41, 0, 4, 0, 0];
    let data = [1, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 2];
    let seen = Seen::of(&[&v9(&[&options, &data, &PLAIN9, &DATA])]);
    assert_eq!(seen.flows(), [FLOW]);
    let stats = seen.own();
    assert_eq!((stats.options_templates, stats.option_records, stats.records), (1, 2, 1));
    // A scope that has an element's number is no value.
    let options = [0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 160, 0, 1];
    assert_eq!(Seen::of(&[&v9(&[&options])]).own().options_templates, 1);
}

#[test]
fn an_options_record_tells_when_an_ipfix_exporter_started() {
    // Scope exportingProcessId, option systemInitTimeMilliseconds; a template with First.
    let options = [0, 3, 0, 18, 1, 1, 0, 2, 0, 1, 0, 144, 0, 1, 0, 160, 0, 8];
    let template = [0, 2, 0, 20, 1, 0, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 22, 0, 4];
    let data = [1, 0, 0, 16, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0x0f, 0xa0];
    // 999,999,995,000 ms.
    let told = [1, 1, 0, 13, 9, 0, 0, 0, 0xe8, 0xd4, 0xa4, 0xfc, 0x78];
    let seen = Seen::of(&[&ipfix(&[&options, &template, &data, &told, &data])]);
    assert_eq!(seen.batch.flows[0].start, None);
    assert_eq!(seen.batch.flows[1].start, Timestamp::parse(b"999999999"));
}

#[test]
fn bad_sets_cost_themselves_only() {
    let reserved = [0, 9, 0, 6, 1, 2];
    let low = [0, 0, 0, 12, 0, 99, 0, 1, 0, 8, 0, 4];
    let empty = [0, 0, 0, 12, 1, 8, 0, 1, 0, 8, 0, 0];
    let none = [0, 0, 0, 8, 1, 9, 0, 0];
    let cut = [0, 0, 0, 12, 1, 7, 0, 9, 0, 8, 0, 4];
    let seen = Seen::of(&[&v9(&[&PLAIN9, &reserved, &low, &empty, &none, &cut, &DATA])]);
    assert_eq!(seen.flows(), [FLOW]);
    assert_eq!(
        seen.faults(),
        [(Fault::Short, 1), (Fault::SetId, 1), (Fault::TemplateId, 1), (Fault::TemplateLength, 2)]
    );
    assert_eq!(seen.own().bad_datagrams, 1);
    let places: Vec<_> = seen.batch.errors.iter().map(|error| (error.at, error.set)).collect();
    assert_eq!(places, [(40, Some(9)), (50, Some(0)), (62, Some(0)), (74, Some(0)), (82, Some(0))]);
}

#[test]
fn whole_records_of_a_set_that_is_cut_are_read() {
    let mut cut = v9(&[&PLAIN9, &[1, 0, 0, 99, 10, 0, 0, 1, 10, 0, 0, 2, 5, 10, 0]]);
    let seen = Seen::of(&[&cut]);
    assert_eq!(seen.flows(), [FLOW]);
    assert_eq!(seen.faults(), [(Fault::SetOverrun, 1)]);
    // A length below the header's: nothing after it can be found.
    cut[43] = 3;
    let seen = Seen::of(&[&cut]);
    assert!(seen.flows().is_empty());
    assert_eq!(seen.faults(), [(Fault::SetLength, 1)]);
}

#[test]
fn a_tail_of_zeros_is_padding() {
    let seen = Seen::of(&[
        &v9(&[&PLAIN9, &DATA, &[0; 1220]]),
        &ipfix(&[&PLAIN10, &DATA, &[0; 7]]),
        &[&*ipfix(&[&DATA]), &[0; 30]].concat(),
        // Zeros after the last template of a set.
        &ipfix(&[&[0, 2, 0, 28], &PLAIN10[4..], &[0; 8], &DATA]),
    ]);
    assert_eq!(seen.flows(), [FLOW; 4]);
    assert_eq!(seen.faults(), []);
}

#[test]
fn ipfix_messages_back_to_back_and_of_wrong_length() {
    let two = [ipfix(&[&PLAIN10, &DATA]), ipfix(&[&DATA])].concat();
    let seen = Seen::of(&[&two]);
    assert_eq!(seen.flows(), [FLOW; 2]);
    assert_eq!((seen.own().datagrams, seen.faults().len()), (2, 0));
    // Seventy of them are none of an exporter.
    let seen = Seen::of(&[&ipfix(&[]).repeat(70)]);
    assert_eq!((seen.own().datagrams, seen.faults()), (64, vec![(Fault::Trailing, 1)]));
    // What follows is no message.
    let seen = Seen::of(&[&[&*ipfix(&[&PLAIN10, &DATA]), &[7; 20]].concat()]);
    assert_eq!(seen.flows(), [FLOW]);
    assert_eq!(seen.faults(), [(Fault::Trailing, 1)]);
    // A length beyond the datagram, and one below the header's: what is there is read.
    for length in [255, 15] {
        let mut wrong = ipfix(&[&PLAIN10, &DATA]);
        wrong[3] = length;
        let seen = Seen::of(&[&wrong]);
        assert_eq!(seen.flows(), [FLOW]);
        assert_eq!(seen.faults(), [(Fault::MessageLength, 1)]);
    }
    // A second message that is cut short.
    let seen = Seen::of(&[&[&*ipfix(&[&PLAIN10, &DATA]), &two[..20]].concat()]);
    assert_eq!(seen.flows(), [FLOW]);
    assert_eq!(seen.faults(), [(Fault::MessageLength, 1), (Fault::SetOverrun, 1)]);
}

#[test]
fn fixed_records_count_what_is_there() {
    for (version, head, record) in [(1, 16, 48), (5, 24, 48), (7, 24, 52)] {
        let mut header = vec![0; head];
        header[1] = version;
        header[3] = 2;
        let mut sampling = 0;
        if version == 5 {
            header[22..].copy_from_slice(&[0x43, 0xe8]);
            sampling = 1000;
        }
        let mut octets = vec![0; record];
        octets[..8].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        octets[19] = 5;
        let two = [&header[..], &octets, &octets, &[1, 2, 3]].concat();
        let mut seen = Seen::of(&[&two]);
        assert_eq!(seen.flows(), [FLOW; 2]);
        assert_eq!((seen.own().sampling, seen.batch.flows[0].sampling), (sampling, sampling));
        assert_eq!(seen.faults(), []);
        seen.read(&two[..head + record + 40]);
        assert_eq!(seen.flows(), [FLOW; 3]);
        assert_eq!(seen.faults(), [(Fault::Count, 1)]);
        header[3] = 0;
        seen.read(&[&header[..], &octets].concat());
        assert_eq!((seen.flows().len(), seen.own().records, seen.own().datagrams), (3, 3, 3));
        seen.decoder.learn(exporter(), &two, &mut seen.batch);
        assert_eq!((seen.flows().len(), seen.own().datagrams), (3, 3));
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
        let seen = Seen::of(&[&header]);
        let (domain, _) = seen.decoder.stats().next().unwrap();
        *domain
    });
    let expected = [(Version::V1, 0), (Version::V5, 0x0102), (Version::V7, 0x0102)];
    assert_eq!(ids, expected.map(|(version, id)| domain(version, id)));
}

#[test]
fn other_protocols_are_told_apart_and_counted() {
    let limits = DecoderLimits { foreign: 3, ..DecoderLimits::default() };
    let mut seen = Seen::with(limits);
    seen.read(&[0, 0, 0, 4, 0, 0, 0, 1]);
    seen.read(&[0, 0, 0, 6]);
    for version in [8, 8, 6, 11] {
        seen.read(&[0, version]);
    }
    seen.read(&[0]);
    seen.read(&[]);
    seen.read(&[0, 5, 0, 1]);
    let totals = seen.decoder.totals();
    let by_version: Vec<_> = totals.by_version.iter().map(|(&foreign, &n)| (foreign, n)).collect();
    assert_eq!(
        by_version,
        [(Foreign::Sflow(4), 1), (Foreign::Version(0), 1), (Foreign::Version(8), 2)]
    );
    assert_eq!((totals.datagrams, totals.foreign, totals.short), (9, 6, 3));
    assert_eq!(seen.batch.errors.len(), 9);
    assert_eq!(
        seen.batch.errors[0].to_string(),
        "192.0.2.1: octet 0: expected NetFlow version 1, 5, 7, 9, IPFIX or sFlow version 5, found \
         sFlow version 4"
    );
    assert_eq!(
        seen.batch.errors[8].to_string(),
        "192.0.2.1: NetFlow v5, octet 0: header needs 24 octets, 4 are left"
    );
}

#[test]
fn learning_counts_nothing() {
    let mut seen = Seen::of(&[&v9(&[&DATA])]);
    let datagram = v9(&[&PLAIN9, &DATA, &[0, 9, 0, 4]]);
    seen.decoder.learn(exporter(), &datagram, &mut seen.batch);
    // Only what had waited comes out.
    assert_eq!((seen.flows(), seen.batch.late), (vec![FLOW.to_owned()], 1));
    let stats = seen.own();
    assert_eq!((stats.datagrams, stats.templates, stats.bad_datagrams), (1, 0, 0));
    assert_eq!(seen.faults(), []);
    seen.decoder.learn(exporter(), &[0, 7], &mut seen.batch);
    seen.decoder.learn(exporter(), &[0], &mut seen.batch);
    assert_eq!(seen.decoder.totals(), &Totals { datagrams: 1, ..Totals::default() });
    assert_eq!(seen.batch.errors.len(), 3);
}

#[test]
fn the_longest_silent_domain_goes() {
    let limits = DecoderLimits { domains: 2, ..DecoderLimits::default() };
    let mut seen = Seen::with(limits);
    let mut from = |source: u8, secs| {
        let mut datagram = v9(&[&PLAIN9, &[9, 9, 0, 5, 1], &DATA]);
        datagram[19] = source;
        let arrival = Timestamp::from_secs(secs);
        seen.decoder.datagram(exporter(), arrival, &datagram, &mut seen.batch);
    };
    from(1, 10);
    from(2, 11);
    from(1, 12);
    from(3, 13);
    let left: Vec<_> =
        seen.decoder.stats().map(|(domain, stats)| (domain.id, stats.flows)).collect();
    assert_eq!(left, [(1, 2), (3, 1)]);
    let totals = seen.decoder.totals();
    assert_eq!((totals.evicted_domains, totals.evicted.flows), (1, 1));
    // The data that it had held goes with it.
    assert_eq!((totals.evicted.evicted_sets, totals.evicted.held_bytes), (1, 0));
}

#[test]
fn too_many_templates_cost_a_silent_domain() {
    let limits = DecoderLimits { all_templates: 2, ..DecoderLimits::default() };
    let mut seen = Seen::with(limits);
    for (source, secs) in [(1, 10), (2, 11), (3, 12)] {
        let mut datagram = v9(&[&PLAIN9]);
        datagram[19] = source;
        let arrival = Timestamp::from_secs(secs);
        seen.decoder.datagram(exporter(), arrival, &datagram, &mut seen.batch);
    }
    let left: Vec<_> = seen.decoder.stats().map(|(domain, _)| domain.id).collect();
    assert_eq!(left, [2, 3]);
}

#[test]
fn a_template_of_too_many_fields_is_refused() {
    let limits = DecoderLimits { fields: 2, ..DecoderLimits::default() };
    let mut seen = Seen::with(limits);
    seen.read(&v9(&[&PLAIN9, &DATA]));
    assert_eq!(seen.faults(), [(Fault::TemplateFields, 1)]);
    assert!(seen.flows().is_empty());
}

#[test]
fn a_template_that_is_refused_ends_the_one_before() {
    let empty = [0, 0, 0, 12, 1, 0, 0, 1, 0, 8, 0, 0];
    let seen = Seen::of(&[&v9(&[&PLAIN9, &DATA, &empty, &DATA])]);
    assert_eq!(seen.flows(), [FLOW]);
    assert_eq!(seen.own().undecodable_sets, 1);
}

#[test]
fn data_without_a_template_is_bounded() {
    let limits = DecoderLimits { held: 2500, missing: 3, errors: 1, ..DecoderLimits::default() };
    let mut seen = Seen::with(limits);
    for id in 0..100 {
        let mut datagram = v9(&[&DATA, &[0, 9, 0, 4], &[0, 9, 0, 4]]);
        datagram[21] = id;
        seen.read(&datagram);
    }
    let stats = seen.own();
    assert!(stats.held_bytes <= 2500, "{}", stats.held_bytes);
    assert_eq!(stats.undecodable_sets, 100);
    assert_eq!(stats.evicted_sets, 97);
    assert_eq!(stats.missing.len(), 3);
    assert_eq!((seen.batch.errors.len(), stats.bad_datagrams), (100, 100));
}
