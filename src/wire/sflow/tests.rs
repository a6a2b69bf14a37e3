//! Datagrams of literal bytes.

use super::super::{Batch, Decoder, DecoderLimits, Domain, Fault, Stats, Version};
use super::*;
use crate::time::Timestamp;

const ARRIVAL: Timestamp = Timestamp::from_millis(994_025_700_125);

/// Returns the source address of the datagrams.
fn source() -> IpAddr {
    "192.0.2.99".parse().unwrap()
}

/// Returns a datagram of samples: agent 192.0.2.1, sub-agent 3, sequence 7, uptime 5,000 ms.
fn datagram(samples: &[&[u8]]) -> Vec<u8> {
    #[rustfmt::skip]
    let header = [
        0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0x13, 0x88,
        0, 0, 0, samples.len() as u8,
    ];
    [&header[..], &samples.concat()].concat()
}

/// Returns `body` after its format and length.
fn opaque(format: u32, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u32;
    [&format.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

/// Returns a compact flow sample: 1 in 400, from interface 3 to 4.
fn flow_sample(records: &[&[u8]]) -> Vec<u8> {
    #[rustfmt::skip]
    let head = [
        0, 0, 0, 9, 0, 0, 0, 3, // sequence, source
        0, 0, 1, 0x90, 0, 0, 0x0e, 0x10, 0, 0, 0, 0, // rate, pool, drops
        0, 0, 0, 3, 0, 0, 0, 4, // interfaces
        0, 0, 0, records.len() as u8,
    ];
    opaque(1, &[&head[..], &records.concat()].concat())
}

/// Ethernet with VLAN 5, IPv4 of 1,500 bytes, TCP from 1234 to 80 with ECE and ACK.
#[rustfmt::skip]
const FRAME: [u8; 60] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 5, 8, 0,
    0x45, 0xb8, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 6, 0, 0, 140, 119, 44, 91, 192, 0, 2, 7,
    0x04, 0xd2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x50, 0, 0, 0, 0, 0, 0,
    0, 0, // two bytes of padding in XDR
];

/// Returns a raw header record of the frame, which has 1,522 bytes of which four were stripped.
fn raw() -> Vec<u8> {
    let head = [0, 0, 0, 1, 0, 0, 0x05, 0xf2, 0, 0, 0, 4, 0, 0, 0, 58];
    opaque(1, &[&head[..], &FRAME].concat())
}

fn flow() -> Flow {
    Flow {
        sip: "140.119.44.91".parse().unwrap(),
        dip: "192.0.2.7".parse().unwrap(),
        sif: 3,
        dif: 4,
        proto: 6,
        sport: 1234,
        dport: 80,
        packets: 1,
        octets: 1500,
        start: Some(ARRIVAL),
        end: Some(ARRIVAL),
        flags: Some(0x50),
        exporter: Some("192.0.2.1".parse().unwrap()),
        sampling: 400,
    }
}

fn read(datagram: &[u8]) -> (Batch, Stats) {
    let mut decoder = Decoder::new(DecoderLimits::default()).with_extras();
    let mut batch = Batch::default();
    decoder.datagram(source(), ARRIVAL, datagram, &mut batch);
    let stats = decoder.stats().next().map(|(_, stats)| stats.clone());
    (batch, stats.unwrap_or_default())
}

fn faults(stats: &Stats) -> Vec<(Fault, u64)> {
    stats.faults.iter().collect()
}

#[test]
fn headers_are_read_and_written() {
    let bytes = datagram(&[]);
    let header = Header {
        agent: Some("192.0.2.1".parse().unwrap()),
        sub_agent: 3,
        sequence: 7,
        uptime: 5_000,
        samples: 0,
    };
    assert_eq!(Header::parse(&mut Cursor::new(&bytes, 0)).unwrap(), header);
    let six = Header { agent: Some("2001:db8::1".parse().unwrap()), ..header };
    for header in [header, six, Header { agent: None, ..header }] {
        let mut bytes = vec![0xa5];
        header.emit(&mut bytes);
        assert_eq!(Header::parse(&mut Cursor::new(&bytes[1..], 0)).unwrap(), header);
    }
    let mut out = Vec::new();
    header.emit(&mut out);
    assert_eq!(out, bytes);
    let short = Header::parse(&mut Cursor::new(&bytes[..27], 0)).unwrap_err();
    assert_eq!(short, Reason::Short { what: "header", needed: 4, left: 3 });
    let mut odd = bytes;
    odd[7] = 3;
    let (batch, stats) = read(&odd);
    assert_eq!((stats, batch.errors.len()), (Stats::default(), 1));
    assert_eq!(
        batch.errors[0].to_string(),
        "192.0.2.99: sFlow, byte 8: address type 3, expected 1 or 2"
    );
}

#[test]
fn sample_is_a_flow_of_one_packet() {
    let (batch, stats) = read(&datagram(&[&flow_sample(&[&raw()])]));
    assert_eq!(batch.flows, [flow()]);
    assert_eq!(
        batch.extras,
        [Extra {
            tos: Some(0xb8),
            vlan: Some(5),
            srcmac: Some([2, 0, 0, 0, 0, 1]),
            dstmac: Some([2, 0, 0, 0, 0, 2]),
            domain: Some(3),
            ..Extra::default()
        }]
    );
    assert!(batch.errors.is_empty());
    assert_eq!((stats.records, stats.flows, stats.sampling), (1, 1, 400));
}

#[test]
fn agent_is_the_exporter() {
    let domain = |datagram: &[u8]| {
        let mut decoder = Decoder::new(DecoderLimits::default());
        decoder.datagram(source(), ARRIVAL, datagram, &mut Batch::default());
        let (domain, _) = decoder.stats().next().unwrap();
        *domain
    };
    let mut datagram = datagram(&[&flow_sample(&[&raw()])]);
    let agent = Domain { exporter: [192, 0, 2, 1].into(), version: Version::Sflow, id: 3 };
    assert_eq!(domain(&datagram), agent);
    // An agent that does not know its address is identified by the source of its datagrams.
    datagram[8..12].fill(0);
    assert_eq!(domain(&datagram), Domain { exporter: source(), ..agent });
    datagram[7] = 0;
    datagram.drain(8..12);
    assert_eq!(domain(&datagram), Domain { exporter: source(), ..agent });
}

#[test]
fn interfaces_without_an_index_are_zero() {
    assert_eq!(compact(7), 7);
    assert_eq!(compact(0x3fff_fffe), 0x3fff_fffe);
    // The device itself, discarded, several, and the expanded form of the device itself.
    for none in [0x3fff_ffff, 0x4000_0001, 0x8000_0002, 0xffff_ffff] {
        assert_eq!(compact(none), 0);
    }
    assert_eq!(expanded(0, 0x4000_0001), 0x4000_0001);
    for (format, value) in [(0, u32::MAX), (0, 0x3fff_ffff), (1, 2), (2, 3), (9, 9)] {
        assert_eq!(expanded(format, value), 0);
    }
}

#[test]
fn written_samples_are_read_back() {
    let sample = Sample { sequence: 9, rate: 400, pool: 3600, input: 3, output: 4 };
    let mut out = vec![0xa5];
    // Only the data source differs from the sample above.
    sample.emit(1518, &FRAME[..58], &mut out);
    let mut expected = flow_sample(&[&raw()]);
    expected[12..16].copy_from_slice(&[2, 0, 0, 1]);
    assert_eq!(out[1..], expected);
    let (batch, _) = read(&datagram(&[&out[1..]]));
    assert_eq!(batch.flows, [flow()]);
    out.clear();
    Sample { output: 1 << 30, ..sample }.emit(1518, &FRAME[..58], &mut out);
    #[rustfmt::skip]
    let head = [
        0, 0, 0, 3, 0, 0, 0, 128, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1, 0x90,
        0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0x40, 0, 0, 0,
        0, 0, 0, 1,
    ];
    assert_eq!(out, [&head[..], &raw()].concat());
    let (batch, _) = read(&datagram(&[&out]));
    assert_eq!(batch.flows, [Flow { dif: 1 << 30, ..flow() }]);
}

#[test]
fn expanded_samples_are_read() {
    #[rustfmt::skip]
    let head = [
        0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 0x90, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1,
    ];
    let sample = opaque(3, &[&head[..], &raw()].concat());
    let (batch, _) = read(&datagram(&[&sample]));
    assert_eq!(batch.flows, [Flow { sif: 1 << 30, dif: 0, ..flow() }]);
}

/// The headers that the agent has parsed are used if the first bytes are missing, or not IP.
#[test]
fn headers_parsed_by_the_agent_are_read() {
    #[rustfmt::skip]
    let four = [
        0, 0, 0, 84, 0, 0, 0, 1, 140, 119, 44, 91, 192, 0, 2, 7,
        0, 0, 0, 9, 0, 0, 8, 0, 0, 0, 0, 0xff, 0, 0, 0, 8,
    ];
    let six = [&[0, 0, 0, 84, 0, 0, 0, 6][..], &[1; 16], &[2; 16], &four[16..]].concat();
    #[rustfmt::skip]
    let ethernet = [
        0, 0, 0, 98, 2, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 8, 0,
    ];
    // An ARP request.
    let head = [0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0, 4, 0, 0, 0, 16];
    let arp = [&head[..], &FRAME[..12], &[8, 6, 0, 1]].concat();
    let records = [&*opaque(1, &arp), &opaque(2, &ethernet), &opaque(3, &four)];
    let second = [&*opaque(4, &six)];
    let (batch, stats) = read(&datagram(&[&flow_sample(&records), &flow_sample(&second)]));
    let ping = Flow { octets: 84, proto: 1, sport: 0, dport: 2048, flags: Some(0), ..flow() };
    let [sip, dip] = [[1; 16], [2; 16]].map(IpAddr::from);
    let tcp = Flow { sip, dip, octets: 84, sport: 9, dport: 2048, flags: Some(0xff), ..flow() };
    assert_eq!(batch.flows, [ping, tcp]);
    let macs = (Some([2, 0, 0, 0, 0, 1]), Some([2, 0, 0, 0, 0, 2]));
    assert_eq!((batch.extras[0].srcmac, batch.extras[0].dstmac), macs);
    assert_eq!((batch.extras[0].tos, batch.extras[1].srcmac), (Some(8), None));
    assert_eq!(stats.no_address, 0);
    // Without them there is no flow.
    let (batch, stats) = read(&datagram(&[&flow_sample(&[&opaque(1, &arp)])]));
    assert!(batch.flows.is_empty() && batch.errors.is_empty());
    assert_eq!((stats.records, stats.no_address), (1, 1));
}

#[test]
fn extended_records_fill_further_columns() {
    let switch = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1];
    let router = [0, 0, 0, 1, 192, 0, 2, 254, 0, 0, 0, 24, 0, 0, 0, 16];
    #[rustfmt::skip]
    let gateway = [
        0, 0, 0, 1, 192, 0, 2, 253, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 8,
        0, 0, 0, 2, // two segments: a sequence of two, a set of none
        0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 100,
    ];
    let nat = [0, 0, 0, 1, 203, 0, 113, 1, 0, 0, 0, 1, 203, 0, 113, 2];
    let ports = [0, 0, 0x10, 0, 0, 0, 0, 81];
    let records = [
        &*opaque(1001, &switch),
        &opaque(1002, &router),
        &opaque(1003, &gateway),
        &opaque(1007, &nat),
        &opaque(1020, &ports),
        // An unknown record, one of an enterprise, and one without bytes.
        &opaque(1021, &[1, 2, 3, 4]),
        &opaque((4413 << 12) | 1, &[1]),
        &opaque(77, &[]),
        &raw(),
    ];
    let (batch, _) = read(&datagram(&[&flow_sample(&records)]));
    assert_eq!(batch.flows, [flow()]);
    let address = |address: [u8; 4]| Some(IpAddr::from(address));
    assert_eq!(
        batch.extras,
        [Extra {
            tos: Some(0xb8),
            srcas: Some(65_536),
            dstas: Some(6),
            srcmask: Some(24),
            dstmask: Some(16),
            nexthop: address([192, 0, 2, 254]),
            bgpnexthop: address([192, 0, 2, 253]),
            vlan: Some(7),
            outvlan: Some(8),
            srcmac: Some([2, 0, 0, 0, 0, 1]),
            dstmac: Some([2, 0, 0, 0, 0, 2]),
            natsip: address([203, 0, 113, 1]),
            natdip: address([203, 0, 113, 2]),
            natsport: Some(4096),
            natdport: Some(81),
            domain: Some(3),
            ..Extra::default()
        }]
    );
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
}

#[test]
fn other_samples_are_counted() {
    let enterprise = (4413 << 12) | 1;
    let samples = [2, 4, 5, 5, 0, 6, enterprise].map(|format| opaque(format, &[0, 0, 0, 1]));
    let (batch, stats) = read(&datagram(&samples.each_ref().map(|sample| &sample[..])));
    assert!(batch.flows.is_empty() && batch.errors.is_empty());
    let counted = (stats.counter_samples, stats.discard_samples, stats.other_samples);
    assert_eq!(counted, (2, 2, 3));
}

#[test]
fn wrong_lengths_cost_no_other_sample() {
    let good = flow_sample(&[&raw()]);
    // A sample too short for its head, an empty one, a record that reaches beyond its sample, a packet
    // that reaches beyond its record, and records that are missing.
    let short = opaque(1, &[0; 31]);
    let empty = opaque(1, &[]);
    let mut long = flow_sample(&[&raw()]);
    long[8 + COMPACT + 7] = 200;
    let mut packet = flow_sample(&[&raw()]);
    packet[8 + COMPACT + 8 + 15] = 255;
    let mut many = flow_sample(&[&raw()]);
    many[8 + COMPACT - 4..8 + COMPACT].fill(0xff);
    let samples = [&good, &short, &empty, &long, &packet, &many, &good].map(|s| &s[..]);
    let (batch, stats) = read(&datagram(&samples));
    assert_eq!(batch.flows, [flow(); 5]);
    assert_eq!(faults(&stats), [(Fault::Short, 2), (Fault::Count, 1), (Fault::Overrun, 2)]);
    let texts: Vec<_> = batch.errors.iter().map(|error| error.to_string()).collect();
    let at = |len: usize, text: &str| format!("192.0.2.1: sFlow, byte {len}: {text}");
    let sample = good.len();
    assert_eq!(
        texts,
        [
            at(28 + sample + 8, "flow sample needs 32 bytes, 31 are left"),
            at(28 + sample + 39 + 8, "flow sample needs 32 bytes, 0 are left"),
            at(28 + sample + 39 + 8 + 40, "record length 200, 76 bytes are left"),
            at(28 + 2 * sample + 47 + 40 + 24, "packet length 255, 60 bytes are left"),
            at(28 + 4 * sample + 47, "the header counts 4294967295 records, 1 are there"),
        ]
    );
}

#[test]
fn cut_datagram_gives_the_samples_before_the_cut() {
    let whole = datagram(&[&flow_sample(&[&raw()]), &flow_sample(&[&raw()])]);
    for cut in 0..whole.len() {
        let (batch, stats) = read(&whole[..cut]);
        assert!(
            batch.flows.len() <= 2
                && batch.flows.iter().all(|seen| {
                    // The last packet may lack flags or ports.
                    (seen.sip, seen.dip, seen.octets) == (flow().sip, flow().dip, 1500)
                })
        );
        let all = batch.flows.len() == 2 && cut >= whole.len() - 2;
        assert!(all || stats.faults.iter().count() > 0 || cut < 28, "{cut}");
    }
    // The end of the bytes ends the loop over a wrong count of samples.
    let mut many = datagram(&[&flow_sample(&[&raw()])]);
    many[24..28].fill(0xff);
    let (batch, stats) = read(&many);
    assert_eq!((batch.flows.len(), faults(&stats)), (1, vec![(Fault::Count, 1)]));
    // Samples without bytes are samples.
    many.truncate(28);
    many.extend([0; 800]);
    let (_, stats) = read(&many);
    assert_eq!((stats.other_samples, stats.faults.get(Fault::Count)), (100, 1));
}
