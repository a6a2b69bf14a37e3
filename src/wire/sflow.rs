//! sFlow version 5 (sflow.org, "sFlow Version 5", "sFlow Dropped Packet Notification Structures",
//! "sFlow Port NAT Structures"): samples of packets, and of counters.
//!
//! A flow sample is one packet out of `sampling_rate`, and makes one flow of one packet, as old as
//! its datagram: sFlow tells no time of day. What the flow holds is read from the packet's first
//! octets, else from the addresses and ports that the agent read itself.
//!
//! Everything has a length: datagram, sample, record. Each is taken at its word for where the next
//! begins, as far as there are octets; counts are only believed downwards.

use std::net::IpAddr;

use super::cursor::Cursor;
use super::error::Reason;
use super::frame::{self, Packet};
use super::session::Session;
use crate::flow::{Extra, Flow, ICMP, ICMPV6, TCP};

/// Octets of a sample's or record's format and length.
const OPAQUE: usize = 8;

/// Formats of samples; those of enterprises have their number above the lower 12 bits.
mod sample {
    pub const FLOW: u32 = 1;
    pub const COUNTERS: u32 = 2;
    pub const EXPANDED_FLOW: u32 = 3;
    pub const EXPANDED_COUNTERS: u32 = 4;
    pub const DISCARDED: u32 = 5;
}

/// Formats of the records in a flow sample.
mod record {
    pub const RAW_HEADER: u32 = 1;
    pub const ETHERNET: u32 = 2;
    pub const IPV4: u32 = 3;
    pub const IPV6: u32 = 4;
    pub const SWITCH: u32 = 1001;
    pub const ROUTER: u32 = 1002;
    pub const GATEWAY: u32 = 1003;
    pub const NAT: u32 = 1007;
    pub const NAT_PORT: u32 = 1020;
}

/// Protocols that a packet's first octets are of.
mod protocol {
    pub const ETHERNET: u32 = 1;
    pub const PPP: u32 = 7;
    pub const IPV4: u32 = 11;
    pub const IPV6: u32 = 12;
    pub const MPLS: u32 = 13;
    /// Packet over SONET: PPP in HDLC-like framing.
    pub const POS: u32 = 14;
}

/// Of an interface in 32 bits the upper two say what the others are; 0 is an ifIndex.
const INTERFACE: u32 = 0x3fff_ffff;

/// The datagram's header without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The agent's address, if it has one.
    pub agent: Option<IpAddr>,
    /// Which of the agent's processes it is, or 0.
    pub sub_agent: u32,
    /// Datagrams of the sub-agent up to this one.
    pub sequence: u32,
    /// Milliseconds since the agent started.
    pub uptime: u32,
    /// Samples that follow.
    pub samples: u32,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Too few octets, or an address that is none.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Header, Reason> {
        let _version = cursor.u32("header")?;
        Ok(Header {
            agent: address(cursor)?.filter(|agent| !agent.is_unspecified()),
            sub_agent: cursor.u32("header")?,
            sequence: cursor.u32("header")?,
            uptime: cursor.u32("header")?,
            samples: cursor.u32("header")?,
        })
    }

    /// Appends a header.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&5u32.to_be_bytes());
        match self.agent {
            None => out.extend_from_slice(&0u32.to_be_bytes()),
            Some(IpAddr::V4(agent)) => {
                out.extend_from_slice(&1u32.to_be_bytes());
                out.extend_from_slice(&agent.octets());
            }
            Some(IpAddr::V6(agent)) => {
                out.extend_from_slice(&2u32.to_be_bytes());
                out.extend_from_slice(&agent.octets());
            }
        }
        for number in [self.sub_agent, self.sequence, self.uptime, self.samples] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// An address with its type before it; `None` for the type "unknown", which has no octets.
fn address(cursor: &mut Cursor<'_>) -> Result<Option<IpAddr>, Reason> {
    match cursor.u32("address")? {
        0 => Ok(None),
        1 => Ok(Some(IpAddr::from(*cursor.array::<4>("address")?))),
        2 => Ok(Some(IpAddr::from(*cursor.array::<16>("address")?))),
        found => Err(Reason::AddressType { found }),
    }
}

/// A sample or a record: its format and what is in it.
struct Opaque<'a> {
    format: u32,
    body: Cursor<'a>,
    /// It is longer than what there is; `body` is what there is.
    overrun: Option<Reason>,
}

impl<'a> Opaque<'a> {
    fn next(cursor: &mut Cursor<'a>, what: &'static str) -> Result<Opaque<'a>, Reason> {
        let &[a, b, c, d, e, f, g, h] = cursor.array::<OPAQUE>(what)?;
        let format = u32::from_be_bytes([a, b, c, d]);
        let stated = u32::from_be_bytes([e, f, g, h]);
        let (body, overrun) = part(cursor, what, stated);
        Ok(Opaque { format, body, overrun })
    }
}

/// Takes the next `stated` octets, or what is left.
fn part<'a>(
    cursor: &mut Cursor<'a>,
    what: &'static str,
    stated: u32,
) -> (Cursor<'a>, Option<Reason>) {
    let left = cursor.left();
    let len = usize::try_from(stated).unwrap_or(usize::MAX);
    let overrun = (len > left).then_some(Reason::Overrun { what, stated, left });
    let body = Cursor::new(cursor.rest().get(..len).unwrap_or(cursor.rest()), cursor.at());
    cursor.skip(len);
    (body, overrun)
}

/// Reads the samples after a header: as many as it counts, or as there are. Octets after the last
/// one are padding.
pub(super) fn samples(header: &Header, mut cursor: Cursor<'_>, session: &mut Session<'_, '_>) {
    for n in 0..header.samples {
        let at = cursor.at();
        if cursor.left() == 0 {
            let (stated, held) = (header.samples, n as usize);
            return session.fault(0, None, Reason::Count { what: "samples", stated, held });
        }
        // A sample has eight octets before its body, so every round gets on.
        let sample = match Opaque::next(&mut cursor, "sample") {
            Ok(sample) => sample,
            Err(reason) => return session.fault(at, None, reason),
        };
        if let Some(reason) = sample.overrun {
            session.fault(at, None, reason);
        }
        match sample.format {
            sample::FLOW => flow_sample::<COMPACT>(sample.body, session),
            sample::EXPANDED_FLOW => flow_sample::<EXPANDED>(sample.body, session),
            sample::COUNTERS | sample::EXPANDED_COUNTERS => {
                session.state.stats.counter_samples += 1;
            }
            sample::DISCARDED => session.state.stats.discard_samples += 1,
            _ => session.state.stats.other_samples += 1,
        }
    }
}

/// Octets of a flow sample before its records.
const COMPACT: usize = 32;
/// The same where source and interfaces have their kind in a word of its own.
const EXPANDED: usize = 44;

/// Reads one flow sample, of which the layout follows from the size of its head.
#[inline]
fn flow_sample<const HEAD: usize>(mut body: Cursor<'_>, session: &mut Session<'_, '_>) {
    let at = body.at();
    let head = match body.array::<HEAD>("flow sample") {
        Ok(head) => head,
        Err(reason) => return session.fault(at, None, reason),
    };
    let word = |n: usize| super::classic::be32(head, n * 4);
    // Sequence, source, rate, pool and drops come first.
    let (sampling, input, output, count) = match HEAD {
        COMPACT => (word(2), compact(word(5)), compact(word(6)), word(7)),
        _ => (word(3), expanded(word(6), word(7)), expanded(word(8), word(9)), word(10)),
    };
    let mut seen = Seen::default();
    for n in 0..count {
        let at = body.at();
        if body.left() == 0 {
            let (stated, held) = (count, n as usize);
            session.fault(at, None, Reason::Count { what: "records", stated, held });
            break;
        }
        let record = match Opaque::next(&mut body, "record") {
            Ok(record) => record,
            Err(reason) => {
                session.fault(at, None, reason);
                break;
            }
        };
        if let Some(reason) = record.overrun {
            session.fault(at, None, reason);
        }
        let mut body = record.body;
        if let Err(reason) = seen.read(record.format, &mut body) {
            session.fault(body.at(), None, reason);
        }
    }
    let Some(packet) = seen.packet.or(seen.sampled) else {
        session.state.stats.records += 1;
        session.state.stats.no_address += 1;
        return;
    };
    let time = Some(session.context.export);
    let exporter = Some(session.context.exporter);
    let flow = Flow {
        sif: input,
        dif: output,
        start: time,
        end: time,
        exporter,
        sampling,
        ..packet.flow()
    };
    session.add(flow, || {
        let vlan = seen.extra.vlan.or(packet.vlan);
        let srcmac = packet.srcmac.or(seen.extra.srcmac);
        let dstmac = packet.dstmac.or(seen.extra.dstmac);
        Extra { tos: packet.tos, vlan, srcmac, dstmac, ..seen.extra }
    });
}

/// The ifIndex of an interface in 32 bits; 0 if it is none: discarded, several, or the device
/// itself.
const fn compact(interface: u32) -> u32 {
    expanded(interface >> 30, interface & INTERFACE)
}

/// The same where the kind has a word of its own. The device itself is all ones; agents write there
/// what it is in the compact form.
const fn expanded(format: u32, value: u32) -> u32 {
    match (format, value) {
        (0, INTERFACE | u32::MAX) => 0,
        (0, index) => index,
        _ => 0,
    }
}

/// What the records of a sample said.
#[derive(Default)]
struct Seen {
    /// By the packet's first octets.
    packet: Option<Packet>,
    /// By the addresses and ports that the agent read.
    sampled: Option<Packet>,
    extra: Extra,
}

impl Seen {
    fn read(&mut self, format: u32, body: &mut Cursor<'_>) -> Result<(), Reason> {
        match format {
            record::RAW_HEADER => {
                let (packet, overrun) = raw_header(body)?;
                self.packet = self.packet.or(packet);
                return overrun.map_or(Ok(()), Err);
            }
            record::ETHERNET => {
                let _len = body.u32("sampled Ethernet")?;
                // A fixed opaque of six octets takes eight in XDR (RFC 4506 section 4.9).
                let &[s0, s1, s2, s3, s4, s5, _, _] = body.array("sampled Ethernet")?;
                let &[d0, d1, d2, d3, d4, d5, ..] = body.array::<8>("sampled Ethernet")?;
                self.extra.srcmac = Some([s0, s1, s2, s3, s4, s5]);
                self.extra.dstmac = Some([d0, d1, d2, d3, d4, d5]);
            }
            record::IPV4 => self.sampled = Some(sampled::<4>(body)?),
            record::IPV6 => self.sampled = Some(sampled::<16>(body)?),
            record::SWITCH => {
                let [source, _, destination, _] = words(body, "extended switch")?;
                self.extra.vlan = vlan(source);
                self.extra.outvlan = vlan(destination);
            }
            record::ROUTER => {
                self.extra.nexthop = address(body)?;
                let [source, destination] = words(body, "extended router")?;
                self.extra.srcmask = u8::try_from(source).ok();
                self.extra.dstmask = u8::try_from(destination).ok();
            }
            record::GATEWAY => {
                self.extra.bgpnexthop = address(body)?;
                let [_own, source, _peer, segments] = words(body, "extended gateway")?;
                self.extra.srcas = Some(source);
                self.extra.dstas = Some(last_of_path(body, segments)?);
            }
            record::NAT => {
                self.extra.natsip = address(body)?;
                self.extra.natdip = address(body)?;
            }
            record::NAT_PORT => {
                let [source, destination] = words(body, "extended NAT port")?;
                self.extra.natsport = u16::try_from(source).ok();
                self.extra.natdport = u16::try_from(destination).ok();
            }
            _ => {}
        }
        Ok(())
    }
}

fn words<const N: usize>(body: &mut Cursor<'_>, what: &'static str) -> Result<[u32; N], Reason> {
    let mut words = [0; N];
    for word in &mut words {
        *word = body.u32(what)?;
    }
    Ok(words)
}

/// A VLAN id; 0 and what has more than twelve bits is none.
fn vlan(word: u32) -> Option<u16> {
    u16::try_from(word).ok().filter(|id| (1..=0x0fff).contains(id))
}

/// The last AS of a path of segments; 0, which is the agent's own, if the path is empty.
fn last_of_path(body: &mut Cursor<'_>, segments: u32) -> Result<u32, Reason> {
    let mut last = 0;
    // Each segment takes eight octets at least, and what is not there ends it.
    for _ in 0..segments {
        let [_kind, len] = words(body, "AS path")?;
        let octets = usize::try_from(len).unwrap_or(usize::MAX).saturating_mul(4);
        if let Some(octets) = body.take("AS path", octets)?.last_chunk() {
            last = u32::from_be_bytes(*octets);
        }
    }
    Ok(last)
}

/// The first octets of a packet, and whether there are fewer than it says. The cursor stays where
/// they begin.
fn raw_header(body: &mut Cursor<'_>) -> Result<(Option<Packet>, Option<Reason>), Reason> {
    let [protocol, frame, stripped, stated] = words(body, "raw header")?;
    // Of Ethernet the frame counts its check sequence, and what was stripped does too.
    let len = Some(frame.saturating_sub(stripped));
    let (header, overrun) = part(&mut body.clone(), "packet", stated);
    let octets = header.rest();
    let packet = match protocol {
        protocol::ETHERNET => frame::ethernet(octets, len),
        protocol::IPV4 | protocol::IPV6 => frame::ip(octets, len),
        protocol::MPLS => frame::mpls(octets, len),
        protocol::PPP | protocol::POS => frame::ppp(octets, len),
        _ => None,
    };
    Ok((packet, overrun))
}

/// What the agent read of an IP packet: length, protocol, addresses, ports, flags, type of service.
fn sampled<const N: usize>(body: &mut Cursor<'_>) -> Result<Packet, Reason>
where
    IpAddr: From<[u8; N]>,
{
    const WHAT: &str = "sampled IP";
    let [octets, proto] = words(body, WHAT)?;
    let sip = IpAddr::from(*body.array::<N>(WHAT)?);
    let dip = IpAddr::from(*body.array::<N>(WHAT)?);
    let [sport, dport, flags, tos] = words(body, WHAT)?;
    let proto = u8::try_from(proto).unwrap_or(0);
    let port = |port| u16::try_from(port).unwrap_or(0);
    let flags = if proto == TCP { port(flags) & frame::CONTROL_BITS } else { 0 };
    Ok(Packet {
        sip,
        dip,
        proto,
        sport: if proto == ICMP || proto == ICMPV6 { 0 } else { port(sport) },
        dport: port(dport),
        flags: Some(flags),
        octets: octets.into(),
        tos: u8::try_from(tos).ok(),
        vlan: None,
        srcmac: None,
        dstmac: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Decoder, Domain, Fault, Limits, Stats, Version};
    use super::*;
    use crate::time::Timestamp;

    const HEARD: Timestamp = Timestamp::from_millis(994_025_700_125);

    /// Source address of the datagrams.
    fn source() -> IpAddr {
        "192.0.2.99".parse().unwrap()
    }

    /// Agent 192.0.2.1, sub-agent 3, sequence 7, uptime 5,000 ms, and samples.
    fn datagram(samples: &[&[u8]]) -> Vec<u8> {
        #[rustfmt::skip]
        let header = [
            0, 0, 0, 5, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0x13, 0x88,
            0, 0, 0, samples.len() as u8,
        ];
        [&header[..], &samples.concat()].concat()
    }

    /// A format and a length before something.
    fn opaque(format: u32, body: &[u8]) -> Vec<u8> {
        let len = body.len() as u32;
        [&format.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
    }

    /// A flow sample, compact: 1 in 400, from interface 3 to 4.
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

    /// Ethernet with VLAN 5, IPv4 of 1,500 octets, TCP from 1234 to 80 with ECE and ACK.
    #[rustfmt::skip]
    const FRAME: [u8; 60] = [
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0x60, 5, 8, 0,
        0x45, 0xb8, 0x05, 0xdc, 0, 0, 0x40, 0, 64, 6, 0, 0, 140, 119, 44, 91, 192, 0, 2, 7,
        0x04, 0xd2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x50, 0, 0, 0, 0, 0, 0,
        0, 0, // two octets of padding in XDR
    ];

    /// A raw header of the frame, which has 1,522 octets of which four were stripped.
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
            start: Some(HEARD),
            end: Some(HEARD),
            flags: Some(0x50),
            exporter: Some("192.0.2.1".parse().unwrap()),
            sampling: 400,
        }
    }

    fn read(datagram: &[u8]) -> (Batch, Stats) {
        let mut decoder = Decoder::new(Limits::default()).with_extras();
        let mut batch = Batch::default();
        decoder.datagram(source(), HEARD, datagram, &mut batch);
        let stats = decoder.stats().next().map(|(_, stats)| stats.clone());
        (batch, stats.unwrap_or_default())
    }

    fn faults(stats: &Stats) -> Vec<(Fault, u64)> {
        stats.faults.iter().collect()
    }

    #[test]
    fn a_header_both_ways() {
        let octets = datagram(&[]);
        let header = Header {
            agent: Some("192.0.2.1".parse().unwrap()),
            sub_agent: 3,
            sequence: 7,
            uptime: 5_000,
            samples: 0,
        };
        assert_eq!(Header::parse(&mut Cursor::new(&octets, 0)).unwrap(), header);
        let six = Header { agent: Some("2001:db8::1".parse().unwrap()), ..header };
        for header in [header, six, Header { agent: None, ..header }] {
            let mut octets = vec![0xa5];
            header.emit(&mut octets);
            assert_eq!(Header::parse(&mut Cursor::new(&octets[1..], 0)).unwrap(), header);
        }
        let mut out = Vec::new();
        header.emit(&mut out);
        assert_eq!(out, octets);
        let short = Header::parse(&mut Cursor::new(&octets[..27], 0)).unwrap_err();
        assert_eq!(short, Reason::Short { what: "header", needed: 4, left: 3 });
        let mut odd = octets;
        odd[7] = 3;
        let (batch, stats) = read(&odd);
        assert_eq!((stats, batch.errors.len()), (Stats::default(), 1));
        assert_eq!(
            batch.errors[0].to_string(),
            "192.0.2.99: sFlow, octet 8: address type 3, expected 1 or 2"
        );
    }

    #[test]
    fn a_sample_is_a_flow_of_one_packet() {
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
    fn the_agent_is_the_exporter() {
        let domain = |datagram: &[u8]| {
            let mut decoder = Decoder::new(Limits::default());
            decoder.datagram(source(), HEARD, datagram, &mut Batch::default());
            let (domain, _) = decoder.stats().next().unwrap();
            *domain
        };
        let mut datagram = datagram(&[&flow_sample(&[&raw()])]);
        let agent = Domain { exporter: [192, 0, 2, 1].into(), version: Version::Sflow, id: 3 };
        assert_eq!(domain(&datagram), agent);
        // An agent that does not know its address is where its datagrams come from.
        datagram[8..12].fill(0);
        assert_eq!(domain(&datagram), Domain { exporter: source(), ..agent });
        datagram[7] = 0;
        datagram.drain(8..12);
        assert_eq!(domain(&datagram), Domain { exporter: source(), ..agent });
    }

    #[test]
    fn interfaces_are_those_that_have_an_index() {
        assert_eq!(compact(7), 7);
        assert_eq!(compact(0x3fff_fffe), 0x3fff_fffe);
        // The device itself, discarded, several.
        for none in [0x3fff_ffff, 0x4000_0001, 0x8000_0002, 0xffff_ffff] {
            assert_eq!(compact(none), 0);
        }
        assert_eq!(expanded(0, 0x4000_0001), 0x4000_0001);
        for (format, value) in [(0, u32::MAX), (0, 0x3fff_ffff), (1, 2), (2, 3), (9, 9)] {
            assert_eq!(expanded(format, value), 0);
        }
    }

    #[test]
    fn an_expanded_sample() {
        #[rustfmt::skip]
        let head = [
            0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 0x90, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1,
        ];
        let sample = opaque(3, &[&head[..], &raw()].concat());
        let (batch, _) = read(&datagram(&[&sample]));
        assert_eq!(batch.flows, [Flow { sif: 1 << 30, dif: 0, ..flow() }]);
    }

    /// What the agent read itself stands in where the first octets are not there, or no IP.
    #[test]
    fn addresses_that_the_agent_read() {
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
        // Without them there is nothing to say.
        let (batch, stats) = read(&datagram(&[&flow_sample(&[&opaque(1, &arp)])]));
        assert!(batch.flows.is_empty() && batch.errors.is_empty());
        assert_eq!((stats.records, stats.no_address), (1, 1));
    }

    #[test]
    fn what_is_said_beside() {
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
            // One that nobody knows, an enterprise's, and one of no octets.
            &opaque(1021, &[1, 2, 3, 4]),
            &opaque(4413 << 12 | 1, &[1]),
            &opaque(77, &[]),
            &raw(),
        ];
        let (batch, _) = read(&datagram(&[&flow_sample(&records)]));
        assert_eq!(batch.flows, [flow()]);
        let address = |octets: [u8; 4]| Some(IpAddr::from(octets));
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
    fn samples_of_other_kinds_are_counted() {
        let enterprise = 4413 << 12 | 1;
        let samples = [2, 4, 5, 5, 0, 6, enterprise].map(|format| opaque(format, &[0, 0, 0, 1]));
        let (batch, stats) = read(&datagram(&samples.each_ref().map(|sample| &sample[..])));
        assert!(batch.flows.is_empty() && batch.errors.is_empty());
        let counted = (stats.counter_samples, stats.discard_samples, stats.other_samples);
        assert_eq!(counted, (2, 2, 3));
    }

    #[test]
    fn wrong_lengths_cost_themselves_only() {
        let good = flow_sample(&[&raw()]);
        // A sample too short for its head, one of nothing, a record that ends after its sample, a
        // packet that ends after its record, and records that are not there.
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
        let at = |len: usize, text: &str| format!("192.0.2.1: sFlow, octet {len}: {text}");
        let sample = good.len();
        assert_eq!(
            texts,
            [
                at(28 + sample + 8, "flow sample needs 32 octets, 31 are left"),
                at(28 + sample + 39 + 8, "flow sample needs 32 octets, 0 are left"),
                at(28 + sample + 39 + 8 + 40, "record length 200, 76 octets are left"),
                at(28 + 2 * sample + 47 + 40 + 24, "packet length 255, 60 octets are left"),
                at(28 + 4 * sample + 47, "the header counts 4294967295 records, 1 are there"),
            ]
        );
    }

    #[test]
    fn a_cut_datagram_gives_what_is_there() {
        let whole = datagram(&[&flow_sample(&[&raw()]), &flow_sample(&[&raw()])]);
        for cut in 0..whole.len() {
            let (batch, stats) = read(&whole[..cut]);
            assert!(
                batch.flows.len() <= 2
                    && batch.flows.iter().all(|seen| {
                        // Of the last packet flags may be missing, or ports.
                        (seen.sip, seen.dip, seen.octets) == (flow().sip, flow().dip, 1500)
                    })
            );
            let all = batch.flows.len() == 2 && cut >= whole.len() - 2;
            assert!(all || stats.faults.iter().count() > 0 || cut < 28, "{cut}");
        }
        // A count of samples that nobody sent ends with the octets.
        let mut many = datagram(&[&flow_sample(&[&raw()])]);
        many[24..28].fill(0xff);
        let (batch, stats) = read(&many);
        assert_eq!((batch.flows.len(), faults(&stats)), (1, vec![(Fault::Count, 1)]));
        // Samples of no octets are samples.
        many.truncate(28);
        many.extend([0; 800]);
        let (_, stats) = read(&many);
        assert_eq!((stats.other_samples, stats.faults.get(Fault::Count)), (100, 1));
    }
}
