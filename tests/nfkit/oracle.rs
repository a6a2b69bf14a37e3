//! Compares the decoder with netflow_parser, another decoder in Rust that shares no code with ours:
//! both must read the same from random valid datagrams. netflow_parser returns fields by their
//! names; the functions here make flows of them in the plainest way.

use std::net::IpAddr;

use netflow_parser::variable_versions::data_number::FieldValue;
use netflow_parser::variable_versions::ipfix_lookup::{IANAIPFixField as Iana, IPFixField};
use netflow_parser::variable_versions::v9_lookup::V9Field;
use netflow_parser::variable_versions::{ipfix, v9};
use netflow_parser::{NetflowPacket, NetflowParser};
use nfkit::flow::{Extra, Flow, ICMP, ICMPV6};
use nfkit::time::Timestamp;
use nfkit::wire::{Batch, Decoder, DecoderLimits};
use proptest::prelude::*;

use crate::golden::{Bytes, bytes};

/// The sysUpTime in headers, in milliseconds.
const UPTIME: u32 = 1_000_000_000;
/// The export time in headers, in Unix seconds.
const SECS: u32 = 1_000_000_000;

/// The meaning of a field for a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Sip,
    Dip,
    Proto,
    Sport,
    Dport,
    Sif,
    Dif,
    Packets,
    ByteCount,
    Flags,
    FirstUptime,
    LastUptime,
    FirstMillis,
    LastMillis,
    Sampling,
    Tos,
    SourceAs,
    DestinationAs,
    NextHop,
    Vlan,
    SourceMac,
    Direction,
    EndReason,
    Nothing,
}

use Meaning::*;

/// The elements of which templates are made: number, lengths and meaning. No length is 0, because
/// the other decoder refuses a template with such a field.
const ELEMENTS: &[(u16, std::ops::RangeInclusive<u16>, Meaning)] = &[
    (4, 1..=1, Proto),
    (7, 2..=2, Sport),
    (11, 2..=2, Dport),
    (10, 1..=4, Sif),
    (14, 1..=4, Dif),
    (2, 1..=8, Packets),
    (1, 1..=8, ByteCount),
    (6, 1..=2, Flags),
    (34, 1..=4, Sampling),
    (5, 1..=1, Tos),
    (16, 1..=4, SourceAs),
    (17, 1..=4, DestinationAs),
    (15, 4..=4, NextHop),
    (58, 2..=2, Vlan),
    (56, 6..=6, SourceMac),
    (61, 1..=1, Direction),
    (136, 1..=1, EndReason),
    (25, 1..=8, Nothing),
    (82, 1..=20, Nothing),
    (60, 1..=1, Nothing),
];

const FOUR: [(u16, u16, Meaning); 2] = [(8, 4, Sip), (12, 4, Dip)];
const SIX: [(u16, u16, Meaning); 2] = [(27, 16, Sip), (28, 16, Dip)];
const UPTIMES: [(u16, u16, Meaning); 2] = [(22, 4, FirstUptime), (21, 4, LastUptime)];
const MILLIS: [(u16, u16, Meaning); 2] = [(152, 8, FirstMillis), (153, 8, LastMillis)];

/// The length in a template of a field that has its length in each record.
const VARIABLE: u16 = 65_535;

/// A template: element, length and meaning of each field.
type Template = Vec<(u16, u16, Meaning)>;

fn template(ipfix: bool) -> impl Strategy<Value = Template> {
    let chosen = prop::sample::subsequence((0..ELEMENTS.len()).collect::<Vec<_>>(), 0..12);
    let chosen = chosen.prop_flat_map(move |chosen| {
        let field = move |n: usize| {
            let (element, lens, what) = ELEMENTS[n].clone();
            // v9 has no fields of variable length. The other decoder reads them there as we do, but
            // does not document it.
            let len = match element {
                82 if ipfix => prop_oneof![lens, Just(VARIABLE)].boxed(),
                56 => lens.boxed(),
                // The other decoder reads no other lengths of numbers, some of which v9 names.
                _ => lens.prop_map(|len| if len < 5 { len } else { 8 }).boxed(),
            };
            len.prop_map(move |len| (element, len, what))
        };
        chosen.into_iter().map(field).collect::<Vec<_>>()
    });
    // IPFIX has sysUpTime too, but no header from which to count it.
    let times = if ipfix {
        Just(&MILLIS).boxed()
    } else {
        prop_oneof![Just(&UPTIMES), Just(&MILLIS)].boxed()
    };
    let times = prop::option::of(times);
    (chosen, any::<bool>(), times).prop_flat_map(|(mut fields, six, times)| {
        fields.extend(if six { SIX } else { FOUR });
        fields.extend(times.into_iter().flatten());
        Just(fields).prop_shuffle()
    })
}

/// A source of random numbers that proptest has drawn.
struct Drawn<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Drawn<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }
}

/// Returns a record of a template. Its times lie before the export, the first before the last.
fn record(template: &Template, drawn: &mut Drawn<'_>) -> Vec<u8> {
    let lasted = u64::from(drawn.byte()) * 100;
    let ago = lasted + u64::from(drawn.byte()) * 1000;
    let mut out = Vec::new();
    for &(_, len, what) in template {
        let mut bytes = match what {
            FirstUptime => (UPTIME - ago as u32).to_be_bytes().to_vec(),
            LastUptime => (UPTIME - ago as u32 + lasted as u32).to_be_bytes().to_vec(),
            FirstMillis => (u64::from(SECS) * 1000 - ago).to_be_bytes().to_vec(),
            LastMillis => (u64::from(SECS) * 1000 - ago + lasted).to_be_bytes().to_vec(),
            _ if len == VARIABLE => {
                // A length has two forms. The other decoder stops at a length of 0, of which RFC
                // 7011 section 7 says nothing.
                let (len, long) = (1 + drawn.byte() % 40, drawn.byte() % 2 == 1);
                out.extend(if long { vec![255, 0, len] } else { vec![len] });
                drawn.bytes(len.into())
            }
            _ => drawn.bytes(len.into()),
        };
        if what == Flags && len == 2 {
            // The other decoder keeps nine bits of the twelve (RFC 9293 section 3.1).
            bytes[0] &= 1;
        }
        if what == Proto {
            // The other decoder keeps no number above the last that has a name, 144.
            bytes[0] %= 145;
        }
        out.extend(bytes);
    }
    out
}

/// A field from the other decoder.
struct Field {
    what: Meaning,
    bytes: Vec<u8>,
    address: Option<IpAddr>,
}

impl Field {
    fn new(what: Meaning, value: &FieldValue) -> Field {
        let bytes = match value {
            FieldValue::Duration(time) => (time.as_millis() as u64).to_be_bytes().to_vec(),
            FieldValue::MacAddr(mac) => {
                mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
            }
            value => value.to_be_bytes().unwrap(),
        };
        Field { what, bytes, address: IpAddr::try_from(value).ok() }
    }

    fn number(&self) -> u64 {
        assert!(self.bytes.len() <= 8, "{:?}", self.what);
        self.bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte))
    }
}

fn meaning_of_v9(field: V9Field) -> Meaning {
    match field {
        V9Field::Ipv4SrcAddr | V9Field::Ipv6SrcAddr => Sip,
        V9Field::Ipv4DstAddr | V9Field::Ipv6DstAddr => Dip,
        V9Field::Protocol => Proto,
        V9Field::L4SrcPort => Sport,
        V9Field::L4DstPort => Dport,
        V9Field::InputSnmp => Sif,
        V9Field::OutputSnmp => Dif,
        V9Field::InPkts => Packets,
        V9Field::InBytes => ByteCount,
        V9Field::TcpFlags => Flags,
        V9Field::FirstSwitched => FirstUptime,
        V9Field::LastSwitched => LastUptime,
        V9Field::FlowStartMilliseconds => FirstMillis,
        V9Field::FlowEndMilliseconds => LastMillis,
        V9Field::SamplingInterval => Sampling,
        V9Field::SrcTos => Tos,
        V9Field::SrcAs => SourceAs,
        V9Field::DstAs => DestinationAs,
        V9Field::Ipv4NextHop => NextHop,
        V9Field::SrcVlan => Vlan,
        V9Field::InSrcMac => SourceMac,
        V9Field::Direction => Direction,
        // The crate has no name for v9 field 136, and names for all others of `ELEMENTS`.
        V9Field::Unknown => EndReason,
        _ => Nothing,
    }
}

fn meaning_of_ipfix(field: IPFixField) -> Meaning {
    let IPFixField::IANA(field) = field else { return Nothing };
    match field {
        Iana::SourceIpv4address | Iana::SourceIpv6address => Sip,
        Iana::DestinationIpv4address | Iana::DestinationIpv6address => Dip,
        Iana::ProtocolIdentifier => Proto,
        Iana::SourceTransportPort => Sport,
        Iana::DestinationTransportPort => Dport,
        Iana::IngressInterface => Sif,
        Iana::EgressInterface => Dif,
        Iana::PacketDeltaCount => Packets,
        Iana::OctetDeltaCount => ByteCount,
        Iana::TcpControlBits => Flags,
        Iana::FlowStartMilliseconds => FirstMillis,
        Iana::FlowEndMilliseconds => LastMillis,
        Iana::SamplingInterval => Sampling,
        Iana::IpClassOfService => Tos,
        Iana::BgpSourceAsNumber => SourceAs,
        Iana::BgpDestinationAsNumber => DestinationAs,
        Iana::IpNextHopIpv4address => NextHop,
        Iana::VlanId => Vlan,
        Iana::SourceMacaddress => SourceMac,
        Iana::FlowDirection => Direction,
        Iana::FlowEndReason => EndReason,
        _ => Nothing,
    }
}

fn exporter() -> IpAddr {
    [192, 0, 2, 1].into()
}

/// Returns the flow of a record. `sampling` applies unless the record has a value of its own.
fn flow(fields: &[Field], sampling: u64) -> (Flow, Extra) {
    let get = |what| fields.iter().find(|field| field.what == what);
    let number = |what| get(what).map(Field::number);
    let n = |what| number(what).unwrap_or(0);
    let address = |what| get(what).map(|field| field.address.unwrap());
    let proto = n(Proto) as u8;
    let icmp = proto == ICMP || proto == ICMPV6;
    let uptime = |what| {
        let ago = |at| i64::from(UPTIME) - at as i64;
        number(what).map(|at| Timestamp::from_secs(SECS.into()).offset(-ago(at) * 1_000_000))
    };
    let millis = |what| number(what).map(Timestamp::from_millis);
    let own = number(Sampling).filter(|&own| own > 0);
    let flow = Flow {
        sip: address(Sip).unwrap(),
        dip: address(Dip).unwrap(),
        sif: n(Sif) as u32,
        dif: n(Dif) as u32,
        proto,
        sport: if icmp { 0 } else { n(Sport) as u16 },
        dport: n(Dport) as u16,
        packets: n(Packets),
        octets: n(ByteCount),
        start: millis(FirstMillis).or(uptime(FirstUptime)),
        end: millis(LastMillis).or(uptime(LastUptime)),
        flags: number(Flags).map(|flags| flags as u16),
        exporter: Some(exporter()),
        sampling: own.unwrap_or(sampling) as u32,
    };
    let extra = Extra {
        tos: number(Tos).map(|n| n as u8),
        srcas: number(SourceAs).map(|n| n as u32),
        dstas: number(DestinationAs).map(|n| n as u32),
        nexthop: address(NextHop),
        vlan: number(Vlan).map(|n| n as u16),
        srcmac: get(SourceMac).map(|mac| mac.bytes[..].try_into().unwrap()),
        direction: number(Direction).map(|n| n as u8),
        endreason: number(EndReason).map(|n| n as u8),
        domain: Some(3),
        ..Extra::default()
    };
    (flow, extra)
}

/// Makes the flow of a v5 or v7 record. The other decoder has two types with the same fields for
/// them.
macro_rules! fixed_flow {
    ($flow:expr, $sampling:expr) => {{
        let flow = $flow;
        let made = Flow {
            sip: flow.src_addr.into(),
            dip: flow.dst_addr.into(),
            sif: flow.input.into(),
            dif: flow.output.into(),
            proto: flow.protocol_number,
            sport: port(flow.protocol_number, flow.src_port),
            dport: flow.dst_port,
            packets: flow.d_pkts.into(),
            octets: flow.d_octets.into(),
            start: uptime(flow.first),
            end: uptime(flow.last),
            flags: Some(flow.tcp_flags.into()),
            exporter: Some(exporter()),
            sampling: $sampling,
        };
        let extra = Extra {
            tos: Some(flow.tos),
            srcas: Some(flow.src_as.into()),
            dstas: Some(flow.dst_as.into()),
            srcmask: Some(flow.src_mask),
            dstmask: Some(flow.dst_mask),
            nexthop: Some(flow.next_hop.into()),
            domain: Some(3),
            ..Extra::default()
        };
        (made, extra)
    }};
}

/// The result of the other decoder: flows, and the number of options records.
#[derive(Default)]
struct Other {
    flows: Vec<(Flow, Extra)>,
    options: u64,
    /// The last sampling interval in an options record that was not 0.
    sampling: u64,
}

impl Other {
    fn of(datagrams: &[Vec<u8>]) -> Other {
        let mut parser = NetflowParser::default();
        let mut other = Other::default();
        for datagram in datagrams {
            parser.parse_bytes(datagram).iter().for_each(|packet| other.packet(packet));
        }
        other
    }

    fn packet(&mut self, packet: &NetflowPacket) {
        match packet {
            NetflowPacket::V5(v5) => {
                // Two bits are the mode and fourteen the interval.
                let sampling = u32::from(v5.header.sampling_interval & 0x3fff);
                let flows = v5.flowsets.iter().map(|flow| fixed_flow!(flow, sampling));
                self.flows.extend(flows);
            }
            NetflowPacket::V7(v7) => {
                self.flows.extend(v7.flowsets.iter().map(|flow| fixed_flow!(flow, 0)));
            }
            NetflowPacket::V9(v9) => {
                let field =
                    |(field, value): &(V9Field, _)| Field::new(meaning_of_v9(*field), value);
                for set in &v9.flowsets {
                    match &set.body {
                        v9::FlowSetBody::Data(data) => {
                            data.fields.iter().for_each(|r| self.data(r.iter().map(field)));
                        }
                        v9::FlowSetBody::OptionsData(data) => {
                            let records = data.fields.iter().map(|record| &record.options_fields);
                            records.for_each(|r| self.options(r.iter().flatten().map(field)));
                        }
                        v9::FlowSetBody::Template(_) | v9::FlowSetBody::OptionsTemplate(_) => {}
                    }
                }
            }
            NetflowPacket::IPFix(ipfix) => {
                let field =
                    |(field, value): &(IPFixField, _)| Field::new(meaning_of_ipfix(*field), value);
                for set in &ipfix.flowsets {
                    match &set.body {
                        ipfix::FlowSetBody::Data(data) => {
                            data.fields.iter().for_each(|r| self.data(r.iter().map(field)));
                        }
                        ipfix::FlowSetBody::OptionsData(data) => {
                            data.fields.iter().for_each(|r| self.options(r.iter().map(field)));
                        }
                        ipfix::FlowSetBody::Template(_)
                        | ipfix::FlowSetBody::Templates(_)
                        | ipfix::FlowSetBody::OptionsTemplate(_) => {}
                        set => panic!("{set:?}"),
                    }
                }
            }
            packet => panic!("{packet:?}"),
        }
    }

    fn data(&mut self, fields: impl Iterator<Item = Field>) {
        self.flows.push(flow(&fields.collect::<Vec<_>>(), self.sampling));
    }

    fn options(&mut self, mut fields: impl Iterator<Item = Field>) {
        self.options += 1;
        let interval = fields.find(|field| field.what == Sampling).map(|field| field.number());
        self.sampling = interval.filter(|&n| n > 0).unwrap_or(self.sampling);
    }
}

/// Returns the time of a sysUpTime in a v5 or v7 record.
fn uptime(at: u32) -> Option<Timestamp> {
    let ago = i64::from(UPTIME - at) * 1_000_000;
    Some(Timestamp::from_secs(SECS.into()).offset(-ago))
}

fn port(proto: u8, port: u16) -> u16 {
    if proto == ICMP || proto == ICMPV6 { 0 } else { port }
}

/// Decodes datagrams with our decoder. Returns the flows and the number of options records.
fn ours(datagrams: &[Vec<u8>]) -> (Vec<(Flow, Extra)>, u64) {
    let mut decoder = Decoder::new(DecoderLimits::default()).with_extras();
    let mut plain = Decoder::new(DecoderLimits::default());
    let (mut batch, mut bare) = (Batch::default(), Batch::default());
    for datagram in datagrams {
        decoder.datagram(exporter(), Timestamp::default(), datagram, &mut batch);
        plain.datagram(exporter(), Timestamp::default(), datagram, &mut bare);
    }
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    assert_eq!(batch.flows, bare.flows);
    let options = decoder.stats().map(|(_, stats)| stats.option_records).sum();
    (batch.flows.into_iter().zip(batch.extras).collect(), options)
}

/// Returns v9 or IPFIX datagrams with templates, their records and options records with the
/// sampling, together in one datagram or in one datagram each.
fn sets(
    ipfix: bool,
    templates: &[Template],
    records: &[(usize, usize)],
    options: &[u32],
    together: bool,
    drawn: &[u8],
) -> Vec<Vec<u8>> {
    let mut drawn = Drawn(drawn.iter().cycle());
    let ids = if ipfix { [2, 3] } else { [0, 1] };
    let mut sets = Vec::new();
    let mut defined = bytes();
    for (n, template) in templates.iter().enumerate() {
        defined = defined.u16(256 + n as u16).u16(template.len() as u16);
        for &(element, len, _) in template {
            defined = defined.u16(element).u16(len);
        }
    }
    sets.push(bytes().set(ids[0], defined));
    // The scope is the domain or the system; the fields are interval and algorithm.
    let sampler = if ipfix {
        bytes().u16(400).u16(3).u16(1).u16(149).u16(4)
    } else {
        bytes().u16(400).u16(4).u16(8).u16(1).u16(4)
    };
    sets.push(bytes().set(ids[1], sampler.u16(34).u16(4).u16(35).u16(1)));
    let options_set = |interval: &u32| bytes().set(400, bytes().u32(3).u32(*interval).u8(2));
    let mut options_sets = options.iter().map(options_set);
    for &(which, count) in records {
        sets.extend(options_sets.next());
        let n = which % templates.len();
        let all: Vec<u8> = (0..count).flat_map(|_| record(&templates[n], &mut drawn)).collect();
        sets.push(bytes().set(256 + n as u16, bytes().all(all)));
    }
    let datagram = |sets: &[Bytes], records: usize| {
        let body = sets.iter().flat_map(|set| set.0.clone()).collect::<Vec<_>>();
        let header = if ipfix {
            bytes().u16(10).u16(16 + body.len() as u16).u32(SECS)
        } else {
            bytes().u16(9).u16(records as u16).u32(UPTIME).u32(SECS)
        };
        header.u32(7).u32(3).all(body).0
    };
    if together {
        vec![datagram(&sets, sets.len())]
    } else {
        sets.chunks(1).map(|sets| datagram(sets, 1)).collect()
    }
}

fn exported() -> impl Strategy<Value = Vec<Vec<u8>>> {
    any::<bool>().prop_flat_map(|ipfix| {
        let templates = prop::collection::vec(template(ipfix), 1..4);
        let records = prop::collection::vec((0..4usize, 1..6usize), 0..5);
        // An interval of 0 changes nothing.
        let options = prop::collection::vec(prop_oneof![Just(0u32), 1..5000u32], 0..3);
        let drawn = prop::collection::vec(any::<u8>(), 64..200);
        (templates, records, options, any::<bool>(), drawn).prop_map(
            move |(templates, records, options, together, drawn)| {
                sets(ipfix, &templates, &records, &options, together, &drawn)
            },
        )
    })
}

/// Makes v5 or v7 datagrams with at most 28 records, the maximum of their specification and of the
/// other decoder.
fn fixed() -> impl Strategy<Value = Vec<u8>> {
    let drawn = prop::collection::vec(any::<u8>(), 64..200);
    (any::<bool>(), 1..=28u16, any::<u16>(), drawn).prop_map(|(five, count, sampling, drawn)| {
        let mut drawn = Drawn(drawn.iter().cycle());
        let header = bytes().u16(if five { 5 } else { 7 }).u16(count).u32(UPTIME).u32(SECS).u32(0);
        let header = header.u32(7).u8(0).u8(3);
        let mut out = if five { header.u16(sampling) } else { header.u16(0) };
        for _ in 0..count {
            let last = UPTIME - u32::from(drawn.byte()) * 1000;
            let first = last - u32::from(drawn.byte()) * 100;
            out = out.all(drawn.bytes(24)).u32(first).u32(last);
            out = out.all(drawn.bytes(if five { 16 } else { 20 }));
        }
        out.0
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn v9_and_ipfix_are_decoded_as_by_netflow_parser(datagrams in exported()) {
        let (flows, options) = ours(&datagrams);
        let other = Other::of(&datagrams);
        prop_assert_eq!((flows.len(), options), (other.flows.len(), other.options));
        for (one, two) in flows.into_iter().zip(other.flows) {
            prop_assert_eq!(one, two);
        }
    }

    #[test]
    fn v5_and_v7_are_decoded_as_by_netflow_parser(datagram in fixed()) {
        let datagrams = [datagram];
        prop_assert_eq!(ours(&datagrams).0, Other::of(&datagrams).flows);
    }
}

/// The other decoder reads no numbers of 5, 6 or 7 bytes, which templates may have (RFC 7011
/// section 6.2).
#[test]
fn numbers_of_any_length_are_decoded() {
    let drawn: Vec<u8> = (1..=200).collect();
    for len in 1..=8u16 {
        let template: Template = [&FOUR[..], &[(2, len, Packets), (1, len, ByteCount)]].concat();
        for ipfix in [false, true] {
            let datagrams =
                sets(ipfix, std::slice::from_ref(&template), &[(0, 1)], &[], true, &drawn);
            let (flows, _) = ours(&datagrams);
            let number =
                |first: u64| (first..first + u64::from(len)).fold(0, |n, byte| (n << 8) | byte);
            // Two bytes are drawn for the times, then eight for the addresses.
            let [(flow, _)] = &flows[..] else { panic!("{flows:?}") };
            assert_eq!((flow.packets, flow.octets), (number(11), number(11 + u64::from(len))));
        }
    }
}
