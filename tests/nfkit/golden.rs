//! Captures built byte by byte, and the flow lines that they decode to: `tests/data`.
//!
//! The captures are built here rather than recorded, so that every byte has a reason. Each file
//! must equal the capture built here, and nfdump-txt must print the flow lines beside it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nfkit::capture::{Closing, Slot, Writer};
use nfkit::flow::{Flow, ICMP, ICMPV6, TCP, UDP};
use nfkit::time::{Timestamp, Window};
use nfkit::wire::{Exporter, Version};

use crate::harness::{package, tool};

/// 2001-07-01T00:20:00Z, the start of every capture here.
pub const START: u64 = 993_946_800;

pub const ROUTER: &str = "192.0.2.1:50000";
pub const COLLECTOR: &str = "192.0.2.9:2055";

/// Bytes in network order, put together piece by piece.
#[derive(Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn u8(mut self, n: u8) -> Bytes {
        self.0.push(n);
        self
    }

    pub fn u16(mut self, n: u16) -> Bytes {
        self.0.extend(n.to_be_bytes());
        self
    }

    pub fn u32(mut self, n: u32) -> Bytes {
        self.0.extend(n.to_be_bytes());
        self
    }

    pub fn u64(mut self, n: u64) -> Bytes {
        self.0.extend(n.to_be_bytes());
        self
    }

    pub fn all(mut self, bytes: impl AsRef<[u8]>) -> Bytes {
        self.0.extend(bytes.as_ref());
        self
    }

    /// Appends a set of v9 or IPFIX: id, length, and content padded to four bytes.
    pub fn set(self, id: u16, content: Bytes) -> Bytes {
        let mut content = content.0;
        content.resize(content.len().next_multiple_of(4), 0);
        self.u16(id).u16(content.len() as u16 + 4).all(content)
    }
}

pub fn bytes() -> Bytes {
    Bytes::default()
}

/// Returns a v5 datagram with a record for each entry: source, destination, protocol, ports.
fn v5(sampling: u16, records: &[(&str, &str, u8, u16, u16)]) -> Vec<u8> {
    let mut out = bytes().u16(5).u16(records.len() as u16);
    // The router started an hour before START and exports 60.5 s after it.
    out = out.u32(3_660_500).u32(START as u32 + 60).u32(500_000_000);
    out = out.u32(7).u8(1).u8(2).u16(sampling);
    for (n, (source, target, proto, sport, dport)) in records.iter().enumerate() {
        let address = |text: &str| text.parse::<Ipv4Addr>().unwrap().octets();
        out = out.all(address(source)).all(address(target)).u32(0).u16(1).u16(2);
        out = out.u32(3 + n as u32).u32(144 + n as u32).u32(3_600_000).u32(3_601_250);
        out = out.u16(*sport).u16(*dport).u8(0).u8(0x1b).u8(*proto).u8(0);
        out = out.u16(0).u16(0).u8(24).u8(16).u16(0);
    }
    out.0
}

/// Returns an IPv4 packet with UDP around a payload, without a UDP checksum.
pub fn packet(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let len = payload.len() as u16 + 8;
    let udp = bytes().u16(from.port()).u16(to.port()).u16(len).u16(0).all(payload).0;
    let (IpAddr::V4(source), IpAddr::V4(target)) = (from.ip(), to.ip()) else { panic!("IPv4") };
    let head = |sum: u16| {
        let head = bytes().u8(0x45).u8(0).u16(len + 20).u16(0).u16(0x4000).u8(64).u8(UDP);
        head.u16(sum).all(source.octets()).all(target.octets()).0
    };
    [head(checksum(&head(0))), udp].concat()
}

/// Returns the checksum of an IPv4 header (RFC 1071).
fn checksum(words: &[u8]) -> u16 {
    let sum: u32 =
        words.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) as u16 + (sum >> 16) as u16)
}

/// Returns an IPv6 packet with UDP around a payload, from 2001:db8::1 to 2001:db8::9.
fn packet6(payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16 + 8;
    let host = |n: u8| bytes().u32(0x2001_0db8).all([0; 11]).u8(n).0;
    let head = bytes().u32(0x6000_0000).u16(len).u8(UDP).u8(64).all(host(1)).all(host(9));
    // IPv6 requires a UDP checksum. Nothing verifies it, but 0 would mean that there is none.
    head.u16(50_000).u16(2055).u16(len).u16(0xffff).all(payload).0
}

/// Cuts an IP packet without options into fragments that hold `ranges` of its payload.
fn fragments(id: u16, packet: &[u8], ranges: &[(usize, usize)]) -> Vec<Vec<u8>> {
    let six = packet[0] >> 4 == 6;
    let (head, payload) = packet.split_at(if six { 40 } else { 20 });
    let fragment = |(start, end): &(usize, usize)| {
        let end = *end.min(&payload.len());
        let (place, more) = (*start as u16, u16::from(end < payload.len()));
        let data = &payload[*start..end];
        let len = data.len() as u16;
        if six {
            let head = bytes().all(&head[..4]).u16(8 + len).u8(44).all(&head[7..]);
            return head.u8(UDP).u8(0).u16(place | more).u32(id.into()).all(data).0;
        }
        let mut head =
            bytes().all(&head[..2]).u16(20 + len).u16(id).u16((more << 13) | (place / 8));
        head = head.all([64, UDP]).u16(0).all(&packet[12..20]);
        let sum = checksum(&head.0);
        head.0[10..12].copy_from_slice(&sum.to_be_bytes());
        head.all(data).0
    };
    ranges.iter().map(fragment).collect()
}

/// Returns a capture with fragments: a v5 and an IPFIX datagram out of order, interleaved, and with
/// one fragment twice; then a datagram without its middle, one without its end, and one with a
/// fragment inside another.
fn fragmented() -> Vec<u8> {
    const ALL: usize = usize::MAX;
    let record = |n: u16| ("140.119.44.91", "198.51.100.7", TCP, 1025 + n, 80);
    let three = |from: u16| v5(0, &[0, 1, 2].map(|n| record(from + n)));
    let in_pieces =
        |id, from, ranges: &[_]| fragments(id, &packet(ROUTER, COLLECTOR, &three(from)), ranges);
    let thirds = [(0, 64), (64, 128), (128, ALL)];
    let four = in_pieces(1, 0, &thirds);
    let ipfix = export(Version::Ipfix, &flows(true)).concat();
    let six = fragments(1, &packet6(&ipfix), &[(0, 80), (80, ALL)]);
    let hole = in_pieces(2, 10, &[(0, 64), (128, ALL)]);
    let open = in_pieces(3, 20, &thirds[..2]);
    let teardrop = in_pieces(4, 30, &[(0, 64), (64, 128), (72, 80), (128, ALL)]);
    let first = [&four[2], &six[1], &four[0], &four[2], &six[0], &four[1]].map(Vec::clone);
    let last = packet(ROUTER, COLLECTOR, &v5(0, &[record(40)]));
    let packets = first.into_iter().chain(hole).chain(open).chain(teardrop).chain([last]);
    let packets: Vec<_> = (1..).map(|n| n * 1_000_000).zip(packets).collect();
    pcapng(101, &packets)
}

/// Returns an Ethernet frame around an IPv4 packet, with or without a VLAN tag.
fn ethernet(vlan: Option<u16>, packet: Vec<u8>) -> Vec<u8> {
    let head = bytes().all([2, 0, 0, 0, 0, 9]).all([2, 0, 0, 0, 0, 1]);
    let head = match vlan {
        Some(vlan) => head.u16(0x8100).u16(vlan),
        None => head,
    };
    // The checksum of the frame, which some devices capture too, belongs to no payload.
    head.u16(0x0800).all(packet).all([0xee; 4]).0
}

/// Returns a frame of Linux' "any" interface, LINKTYPE_LINUX_SLL.
fn cooked(packet: Vec<u8>) -> Vec<u8> {
    bytes().u16(0).u16(1).u16(6).all([2, 0, 0, 0, 0, 1, 0, 0]).u16(0x0800).all(packet).0
}

/// Returns a pcap file of packets, each with its time in nanoseconds after [`START`]. The file
/// keeps nanoseconds if `nano` is true, and microseconds otherwise.
pub fn pcap(nano: bool, link: u32, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let magic: u32 = if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    // Little-endian, as most machines write a capture.
    let mut file = Vec::new();
    file.extend(magic.to_le_bytes());
    file.extend(2u16.to_le_bytes());
    file.extend(4u16.to_le_bytes());
    for word in [0, 0, 65_535, link] {
        file.extend(u32::to_le_bytes(word));
    }
    for (after, packet) in packets {
        let (secs, nanos) = (START + after / 1_000_000_000, after % 1_000_000_000);
        let fraction = if nano { nanos } else { nanos / 1000 };
        for word in [secs as u32, fraction as u32, packet.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// Returns a pcapng file as tcpdump or dumpcap would write it: little-endian, with one interface
/// without `if_tsresol`, so that times are in microseconds.
fn pcapng(link: u16, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let block = |kind: u32, body: Vec<u8>| {
        let len = (12 + body.len().next_multiple_of(4)) as u32;
        let mut block = [kind.to_le_bytes(), len.to_le_bytes()].concat();
        block.extend(&body);
        block.resize(len as usize - 4, 0);
        block.extend(len.to_le_bytes());
        block
    };
    let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend([0xff; 8]);
    let mut file = block(0x0a0d_0d0a, section);
    let interface = [link.to_le_bytes(), [0, 0], [0, 0], [4, 0]].concat();
    file.extend(block(1, interface));
    for (after, packet) in packets {
        let micros = START * 1_000_000 + after / 1000;
        let len = packet.len() as u32;
        let words = [0, (micros >> 32) as u32, micros as u32, len, len];
        let mut body: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        body.extend(packet);
        file.extend(block(6, body));
    }
    file
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(START * 1_000_000_000 + nanos)
}

/// A datagram of an nfcap section.
#[derive(Clone)]
pub struct Packet {
    /// The arrival in nanoseconds after [`START`].
    after: u64,
    /// The exporter's address and port.
    from: &'static str,
    /// True if it restates templates of an earlier file.
    templates: bool,
    payload: Vec<u8>,
}

impl Packet {
    pub fn new(after: u64, from: &'static str, payload: Vec<u8>) -> Packet {
        Packet { after, from, templates: false, payload }
    }

    /// Makes a datagram of [`ROUTER`] that restates templates of an earlier file.
    pub fn restated(after: u64, payload: Vec<u8>) -> Packet {
        Packet { after, from: ROUTER, templates: true, payload }
    }
}

/// Returns a section as nfcap writes it, for the `n`-th slot from [`START`].
pub fn section(n: u64, allow: &[&str], packets: &[Packet], dropped: u64) -> Vec<u8> {
    let window = Window::new(START + 600 * n, 600).unwrap();
    let allow = (!allow.is_empty()).then(|| allow.iter().map(|net| net.parse().unwrap()).collect());
    let mut writer = Writer::new(Vec::new());
    writer.section(&Slot { window, allow, ident: None }).unwrap();
    let mut received = 0;
    for Packet { after, from, templates, payload } in packets {
        let from: SocketAddr = from.parse().unwrap();
        let to = if from.is_ipv4() { COLLECTOR } else { "[2001:db8::9]:2055" };
        let to = to.parse().unwrap();
        if *templates {
            writer.templates(at(*after), from, to, payload).unwrap();
        } else {
            received += 1;
            writer.datagram(at(*after), from, to, payload).unwrap();
        }
    }
    let (start, end) = (window.start(), window.end());
    let closing = Closing {
        received,
        dropped_kernel: dropped,
        start: Timestamp::from_secs(start),
        end: Timestamp::from_secs(end),
        ..Closing::default()
    };
    writer.end(&closing).unwrap();
    writer.into_inner()
}

/// Returns a web flow, a ping with its answer and a DNS query, in IPv6 if `six` is true and in IPv4
/// otherwise.
pub fn flows(six: bool) -> Vec<Flow> {
    let [a, b]: [IpAddr; 2] =
        if six { ["2001:db8:7::25", "2001:db8:1::1"] } else { ["140.119.44.91", "198.51.100.7"] }
            .map(|a| a.parse().unwrap());
    let (ping, pong, proto) = if six { (128, 129, ICMPV6) } else { (8, 0, ICMP) };
    let web = Flow {
        sip: a,
        dip: b,
        sif: 2,
        dif: 1,
        proto: TCP,
        sport: 1025,
        dport: 80,
        packets: 7,
        octets: 4327,
        start: Some(at(1_000_000)),
        end: Some(at(2_250_000_000)),
        flags: Some(0x1b),
        ..Flow::default()
    };
    let ask = Flow { proto, sport: 0, dport: ping * 256, packets: 4, flags: Some(0), ..web };
    let answer = Flow { sip: b, dip: a, sif: 1, dif: 2, dport: pong * 256, ..ask };
    let query = Flow { proto: UDP, sport: 53, dport: 53, packets: 1, octets: 69, ..ask };
    vec![web, ask, answer, query]
}

/// Returns the datagrams in which an exporter sends flows.
pub fn export(version: Version, flows: &[Flow]) -> Vec<Vec<u8>> {
    export_by(Exporter::new(version, 7, Timestamp::from_secs(START - 3600)), flows)
}

fn export_by(mut exporter: Exporter, flows: &[Flow]) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    let mut send = |payload: &[u8]| sent.push(payload.to_vec());
    for flow in flows {
        exporter.push(flow, at(3_000_000_000), &mut send).unwrap();
    }
    exporter.flush(at(3_000_000_000), &mut send);
    sent
}

/// Returns a v9 datagram with one set.
fn v9(sequence: u32, set: Bytes) -> Vec<u8> {
    let head = bytes().u16(9).u16(1).u32(3_660_000).u32(START as u32 + 60).u32(sequence).u32(7);
    head.all(set.0).0
}

/// Returns a v9 datagram with template 300, that of [`v9_data`]: addresses, ports, protocol, counts
/// and interfaces.
pub fn v9_template() -> Vec<u8> {
    let fields = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (2, 4), (1, 4), (10, 2), (14, 2)];
    let template = bytes().u16(300).u16(fields.len() as u16);
    let template = fields.into_iter().fold(template, |out, (kind, len)| out.u16(kind).u16(len));
    v9(2, bytes().set(0, template))
}

/// Returns a v9 datagram with two records of template 300.
pub fn v9_data(sequence: u32) -> Vec<u8> {
    let record = |out: Bytes, host: u8, dport: u16| {
        let out = out.all([140, 119, 44, host]).all([198, 51, 100, 7]).u16(1025).u16(dport);
        out.u8(TCP).u32(3).u32(144).u16(2).u16(1)
    };
    let records = record(record(bytes(), 91, 80), 92, 443);
    v9(sequence, bytes().set(300, records))
}

fn ipfix(sets: Bytes) -> Vec<u8> {
    let len = sets.0.len() as u16 + 16;
    bytes().u16(10).u16(len).u32(START as u32 + 60).u32(0).u32(7).all(sets.0).0
}

/// Returns an IPFIX message with an options template for the sampling and its record, and a
/// template with reduced sizes, an enterprise field and a field of variable length and its record.
fn ipfix_options() -> Vec<u8> {
    // Scope: observationDomainId. samplingPacketInterval 1, samplingPacketSpace 99: 1 in 100.
    let options = bytes().u16(257).u16(3).u16(1).u16(149).u16(4).u16(305).u16(4).u16(306).u16(4);
    let sampling = bytes().u32(7).u32(1).u32(99);
    let template = bytes().u16(256).u16(12);
    let template = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1)]
        .into_iter()
        .fold(template, |out, (kind, len)| out.u16(kind).u16(len));
    // applicationName of variable length; a field of enterprise 29999.
    let template = template.u16(96).u16(0xffff).u16(0x8001).u16(2).u32(29_999);
    // packetDeltaCount in 2 bytes, octetDeltaCount in 3; flowStart and flowEnd in milliseconds.
    let template = template.u16(2).u16(2).u16(1).u16(3).u16(152).u16(8).u16(153).u16(8);
    let template = template.u16(6).u16(2);
    let record = bytes().all([140, 119, 44, 91]).all([198, 51, 100, 7]).u16(1025).u16(80).u8(TCP);
    let record = record.u8(4).all("http").u16(0xa5a5).u16(513).all([1, 0, 2]);
    let record = record.u64(START * 1000 + 1).u64(START * 1000 + 2250).u16(0x1b);
    ipfix(bytes().set(3, options).set(257, sampling).set(2, template).set(256, record))
}

/// Returns sFlow of two agents: our own exporter with 1 in 512, and an IPv6 agent. The latter sends
/// an expanded sample of a tagged frame with all extended records, a sample that it parsed itself,
/// counters, and a discarded packet.
fn sflow() -> Vec<Packet> {
    let exporter = Exporter::new(Version::Sflow, 7, Timestamp::from_secs(START - 3600));
    let exporter = exporter.agent([192, 0, 2, 1].into()).sampling(512).unwrap();
    let all = [flows(false), flows(true)].concat();
    let sent = export_by(exporter, &all).into_iter();
    let mut sent: Vec<Packet> =
        sent.map(|payload| Packet::new(3_000_000_000, ROUTER, payload)).collect();

    let record =
        |out: Bytes, format: u32, body: Bytes| out.u32(format).u32(body.0.len() as u32).all(body.0);
    let macs = bytes().all([2, 0, 0, 0, 0, 2]).all([2, 0, 0, 0, 0, 1]);
    let ip = bytes().all([0x45, 0xb8, 5, 220, 0, 0, 0x40, 0, 64, TCP, 0, 0]);
    let ip = ip.all([140, 119, 44, 91]).all([198, 51, 100, 7]);
    let tcp = bytes().u16(1025).u16(80).u32(1).u32(2).u16(0x5018).u16(9).u32(0);
    let frame = macs.u16(0x8100).u16(42).u16(0x0800).all(ip.0).all(tcp.0);
    let raw = bytes().u32(1).u32(1522).u32(4).u32(58).all(frame.0).u16(0);
    let records = record(bytes(), 1, raw);
    // Switch, router, gateway with the path 64500 64501, translated addresses and ports.
    let records = record(records, 1001, bytes().u32(42).u32(0).u32(43).u32(0));
    let records = record(records, 1002, bytes().u32(1).all([192, 0, 2, 254]).u32(16).u32(24));
    let gateway = bytes().u32(1).all([192, 0, 2, 253]).u32(64_496).u32(64_497).u32(64_498);
    let path = gateway.u32(1).u32(2).u32(2).u32(64_500).u32(64_501).u32(0).u32(100);
    let records = record(records, 1003, path);
    let nat = bytes().u32(1).all([203, 0, 113, 1]).u32(1).all([198, 51, 100, 7]);
    let records = record(records, 1007, nat);
    let records = record(records, 1020, bytes().u32(40_000).u32(80));
    // Sequence, source, rate, pool, drops, interfaces with their kind, records.
    let head = bytes().u32(9).u32(0).u32(3).u32(512).u32(4608).u32(0);
    let expanded = head.u32(0).u32(1 << 30).u32(0).u32(4).u32(6).all(records.0);
    let four = bytes().u32(84).u32(1).all([140, 119, 44, 91]).all([198, 51, 100, 7]);
    let four = record(bytes(), 3, four.u32(0).u32(8 * 256).u32(0).u32(0));
    // Output to several interfaces.
    let plain = bytes().u32(10).u32(3).u32(512).u32(5120).u32(0).u32(3).u32((1 << 31) | 2).u32(1);
    let samples = record(bytes(), 3, expanded);
    let samples = record(samples, 1, plain.all(four.0));
    let samples = record(samples, 2, bytes().u32(1).u32(3).u32(0));
    let samples =
        record(samples, 5, bytes().u32(1).u32(0).u32(3).u32(0).u32(3).u32(0).u32(1).u32(0));
    let head = bytes().u32(5).u32(2).all([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let datagram = head.u32(0).u32(1).u32(5_000).u32(4).all(samples.0);
    sent.push(Packet::new(4_000_000_000, "[2001:db8::1]:50000", datagram.0));
    sent
}

/// Returns every capture, with its name in `tests/data`.
pub fn captures() -> Vec<(&'static str, Vec<u8>)> {
    const MINUTE: u64 = 60_000_000_000;
    let one = |payload: Vec<u8>| packet(ROUTER, COLLECTOR, &payload);
    let web = ("140.119.44.91", "198.51.100.7", TCP, 1025, 80);
    // ICMP echo request: v5 puts type and code into the destination port.
    let ping = ("140.119.44.91", "198.51.100.7", ICMP, 0, 8 * 256);
    let plain = v5(0, &[web, ping]);
    let all = |version| {
        let all = export(version, &flows(false)).into_iter();
        all.map(|payload| Packet::new(3_000_000_000, ROUTER, payload)).collect::<Vec<_>>()
    };
    let late = vec![
        Packet::new(1_000_000, ROUTER, v9_data(0)),
        Packet::new(2_000_000, ROUTER, v9_data(1)),
        Packet::new(3_000_000, ROUTER, v9_template()),
        Packet::new(4_000_000, ROUTER, v9_data(3)),
    ];
    let six = [Version::V9, Version::Ipfix].into_iter().flat_map(|version| {
        let all = export(version, &flows(true)).into_iter();
        all.map(|payload| Packet::new(4_000_000_000, "[2001:db8::1]:50000", payload))
    });
    vec![
        (
            "v5-micro-ethernet.pcap",
            pcap(false, 1, &[(MINUTE + 123_456_789, ethernet(None, one(plain.clone())))]),
        ),
        (
            "v5-nano-vlan.pcap",
            pcap(true, 1, &[(MINUTE + 123_456_789, ethernet(Some(42), one(plain.clone())))]),
        ),
        ("v5-cooked.pcap", pcap(false, 113, &[(MINUTE, cooked(one(plain.clone())))])),
        ("v5-raw.pcap", pcap(true, 101, &[(MINUTE, one(plain.clone()))])),
        (
            "v5-sampled.pcapng",
            pcapng(1, &[(MINUTE, ethernet(None, one(v5(0x4000 | 100, &[web]))))]),
        ),
        // Half an hour of silence between the packets.
        (
            "gap.pcapng",
            pcapng(
                1,
                &[
                    (MINUTE, ethernet(None, one(plain.clone()))),
                    (31 * MINUTE, ethernet(None, one(plain))),
                ],
            ),
        ),
        ("v1.pcapng", section(0, &["192.0.2.0/24"], &all(Version::V1), 0)),
        ("v7.pcapng", section(0, &["192.0.2.0/24"], &all(Version::V7), 0)),
        ("sflow.pcapng", section(0, &[], &sflow(), 0)),
        ("v5.pcapng", section(0, &["192.0.2.0/24"], &all(Version::V5), 0)),
        ("v9.pcapng", section(0, &["192.0.2.0/24"], &all(Version::V9), 3)),
        ("ipfix.pcapng", section(0, &[], &all(Version::Ipfix), 0)),
        ("v9-late.pcapng", section(0, &[], &late, 0)),
        (
            "ipfix-options.pcapng",
            section(0, &[], &[Packet::new(1_000_000, ROUTER, ipfix_options())], 0),
        ),
        ("ipv6.pcapng", section(0, &[], &six.collect::<Vec<_>>(), 0)),
        ("fragments.pcapng", fragmented()),
    ]
}

/// Asserts that a file of `tests/data` holds `expected`, or writes it if NFKIT_BLESS is 1.
pub fn golden(name: &str, expected: &[u8]) {
    let path = package("tests/data").join(name);
    if std::env::var_os("NFKIT_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(package("tests/data")).unwrap();
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let found = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        found == expected,
        "{} is not what is made now; if that is right, NFKIT_BLESS=1 rewrites it.\n\
         --- in the file\n{}\n--- made now\n{}",
        path.display(),
        String::from_utf8_lossy(&found),
        String::from_utf8_lossy(expected)
    );
}

#[test]
fn captures_decode_to_the_golden_flow_lines() {
    for (name, capture) in captures() {
        golden(name, &capture);
        let ran = tool("nfdump-txt").args(["--fields", "+start,end,flags,exporter,sampling"]);
        let ran = ran.arg(package("tests/data").join(name)).run();
        let ran = match name {
            "fragments.pcapng" => ran.status(0).says_lines(1).says(
                "8 packets are no UDP datagrams that can be read: fragments without the rest 4, \
                 overlapping fragments 4",
            ),
            _ => ran.ok(),
        };
        let (stem, _) = name.split_once('.').unwrap();
        golden(&format!("{stem}.flows"), &ran.out);
    }
}

/// A file that no test makes would never be compared. A folder belongs to the module of the same
/// name.
#[test]
fn every_golden_file_belongs_to_a_test() {
    let mut made: Vec<_> = captures().into_iter().map(|(name, _)| name).collect();
    made.extend(["quality.txt", "every10-month.jsonl", "incident-week.txt"]);
    made.push("incident-week-mails.txt");
    for entry in std::fs::read_dir(package("tests/data")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let module = package("tests/nfkit").join(entry.file_name()).with_extension("rs");
            assert!(module.is_file(), "{entry:?} belongs to no module");
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        let stem = name.strip_suffix(".flows");
        let known = made.iter().any(|made| match stem {
            Some(stem) => made.split_once('.').unwrap().0 == stem,
            None => *made == name,
        });
        assert!(known, "{name} is made by no test");
    }
}
