//! sFlow version 5 (sflow.org, "sFlow Version 5", "sFlow Dropped Packet Notification Structures",
//! "sFlow Port NAT Structures"): samples of packets, and of counters.
//!
//! A flow sample is one packet out of `sampling_rate`. It makes a flow of one packet with the arrival of
//! the datagram as its time, because sFlow carries no time of day. The flow's columns come from the
//! packet's first bytes, or else from the addresses and ports that the agent has parsed.
//!
//! Samples and records state their length, which decides where the next one begins, as far as the
//! datagram has bytes. A count of samples or records only limits how many are read.

use std::net::IpAddr;

use super::cursor::Cursor;
use super::error::Reason;
use super::frame;
use super::session::MessageReader;
use crate::flow::{Extra, Flow, ICMP, ICMPV6, TCP};
use crate::packet::{self, Headers, Link, TCP_CONTROL_BITS};

#[cfg(test)]
mod tests;

/// Bytes of a sample's or record's format and length.
const OPAQUE: usize = 8;

/// Formats of samples. Above the lower 12 bits stands the number of an enterprise, here 0.
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

/// Link layers of a packet's first bytes (`header_protocol`).
mod protocol {
    pub const ETHERNET: u32 = 1;
    pub const PPP: u32 = 7;
    pub const IPV4: u32 = 11;
    pub const IPV6: u32 = 12;
    pub const MPLS: u32 = 13;
    /// Packet over SONET: PPP in HDLC-like framing (RFC 1662, RFC 2615), or Cisco's framing.
    pub const POS: u32 = 14;
}

/// Value bits of an interface in the compact form. The upper two bits are the format; 0 is an ifIndex.
const INTERFACE: u32 = 0x3fff_ffff;

/// A datagram's header without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Address of the agent, if it has one.
    pub agent: Option<IpAddr>,
    /// Number of the agent's process, or 0.
    pub sub_agent: u32,
    /// Number of datagrams of the sub-agent up to this one.
    pub sequence: u32,
    /// Milliseconds since the agent started.
    pub uptime: u32,
    /// Number of samples that follow.
    pub samples: u32,
}

impl Header {
    /// Parses a header.
    ///
    /// # Errors
    /// The datagram is too short, or has an unknown type of address.
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

/// Parses an address after its type. Returns `None` for the type "unknown", which has no bytes.
fn address(cursor: &mut Cursor<'_>) -> Result<Option<IpAddr>, Reason> {
    match cursor.u32("address")? {
        0 => Ok(None),
        1 => Ok(Some(IpAddr::from(*cursor.array::<4>("address")?))),
        2 => Ok(Some(IpAddr::from(*cursor.array::<16>("address")?))),
        found => Err(Reason::AddressType { found }),
    }
}

/// A sample or a record.
struct Opaque<'a> {
    format: u32,
    body: Cursor<'a>,
    /// The error if the stated length exceeds the bytes left, which then are the body.
    overrun: Option<Reason>,
}

impl<'a> Opaque<'a> {
    fn next(cursor: &mut Cursor<'a>, what: &'static str) -> Result<Opaque<'a>, Reason> {
        let &[a, b, c, d, e, f, g, h] = cursor.array::<OPAQUE>(what)?;
        let format = u32::from_be_bytes([a, b, c, d]);
        let stated = u32::from_be_bytes([e, f, g, h]);
        let (body, overrun) = take_stated(cursor, what, stated);
        Ok(Opaque { format, body, overrun })
    }
}

/// Takes the next `stated` bytes, or all that are left and an error.
fn take_stated<'a>(
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

/// Reads the samples after a header, as many as it counts or as there are. Bytes after the last one are
/// padding.
pub(super) fn samples(
    header: &Header,
    mut cursor: Cursor<'_>,
    session: &mut MessageReader<'_, '_>,
) {
    for n in 0..header.samples {
        let at = cursor.at();
        if cursor.left() == 0 {
            let (stated, held) = (header.samples, n as usize);
            return session.fault(0, None, Reason::Count { what: "samples", stated, held });
        }
        // A sample has eight bytes before its body, so every round consumes bytes.
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

/// Bytes of a compact flow sample before its records.
const COMPACT: usize = 32;

/// Bytes of an expanded flow sample before its records. The formats of source and interfaces have words
/// of their own.
const EXPANDED: usize = 44;

/// Reads one flow sample. The size of its head decides the layout.
#[inline]
fn flow_sample<const HEAD: usize>(mut body: Cursor<'_>, session: &mut MessageReader<'_, '_>) {
    let at = body.at();
    let head = match body.array::<HEAD>("flow sample") {
        Ok(head) => head,
        Err(reason) => return session.fault(at, None, reason),
    };
    if !session.datagram.decodes() {
        session.state.stats.records += 1;
        return;
    }
    let word = |n: usize| super::classic::be32(head, n * 4);
    // Sequence, source, rate, pool and drops come first.
    let (sampling, input, output, count) = match HEAD {
        COMPACT => (word(2), compact(word(5)), compact(word(6)), word(7)),
        _ => (word(3), expanded(word(6), word(7)), expanded(word(8), word(9)), word(10)),
    };
    let mut records = SampleRecords::default();
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
        if let Err(reason) = records.read(record.format, &mut body) {
            session.fault(body.at(), None, reason);
        }
    }
    let Some(packet) = records.header.or(records.parsed) else {
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
        ..frame::flow_of(&packet)
    };
    session.add(flow, || {
        let vlan = records.extra.vlan.or(packet.vlan);
        let srcmac = packet.srcmac.or(records.extra.srcmac);
        let dstmac = packet.dstmac.or(records.extra.dstmac);
        Extra { tos: packet.tos, vlan, srcmac, dstmac, ..records.extra }
    });
}

/// Returns the ifIndex of an interface in the compact form, or 0 if it has none: discarded, several, or
/// the device itself.
const fn compact(interface: u32) -> u32 {
    expanded(interface >> 30, interface & INTERFACE)
}

/// Returns the ifIndex of an interface in the expanded form, or 0. The device itself is all ones; agents
/// write the value of the compact form, too.
const fn expanded(format: u32, value: u32) -> u32 {
    match (format, value) {
        (0, INTERFACE | u32::MAX) => 0,
        (0, index) => index,
        _ => 0,
    }
}

/// The columns that the records of a sample fill.
#[derive(Default)]
struct SampleRecords {
    /// Headers in the packet's first bytes.
    header: Option<Headers>,
    /// Headers that the agent has parsed.
    parsed: Option<Headers>,
    extra: Extra,
}

impl SampleRecords {
    /// Reads a record. Formats that are not known are ignored.
    fn read(&mut self, format: u32, body: &mut Cursor<'_>) -> Result<(), Reason> {
        match format {
            record::RAW_HEADER => {
                let (header, overrun) = raw_header(body)?;
                self.header = self.header.or(header);
                return overrun.map_or(Ok(()), Err);
            }
            record::ETHERNET => {
                let _len = body.u32("sampled Ethernet")?;
                // A fixed opaque of six bytes takes eight in XDR (RFC 4506 section 4.9).
                let &[s0, s1, s2, s3, s4, s5, _, _] = body.array("sampled Ethernet")?;
                let &[d0, d1, d2, d3, d4, d5, ..] = body.array::<8>("sampled Ethernet")?;
                self.extra.srcmac = Some([s0, s1, s2, s3, s4, s5]);
                self.extra.dstmac = Some([d0, d1, d2, d3, d4, d5]);
            }
            record::IPV4 => self.parsed = Some(parsed_headers::<4>(body)?),
            record::IPV6 => self.parsed = Some(parsed_headers::<16>(body)?),
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

/// Reads `N` numbers of 32 bits.
fn words<const N: usize>(body: &mut Cursor<'_>, what: &'static str) -> Result<[u32; N], Reason> {
    let mut words = [0; N];
    for word in &mut words {
        *word = body.u32(what)?;
    }
    Ok(words)
}

/// Returns a VLAN id, or `None` for 0 and for numbers of more than twelve bits.
fn vlan(word: u32) -> Option<u16> {
    u16::try_from(word).ok().filter(|id| (1..=0x0fff).contains(id))
}

/// Returns the last AS of a path of segments, or 0 for an empty path: the destination is in the agent's
/// own AS.
fn last_of_path(body: &mut Cursor<'_>, segments: u32) -> Result<u32, Reason> {
    let mut last = 0;
    // Each segment has eight bytes at least, and the end of the bytes ends the loop.
    for _ in 0..segments {
        let [_kind, len] = words(body, "AS path")?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).saturating_mul(4);
        if let Some(bytes) = body.take("AS path", len)?.last_chunk() {
            last = u32::from_be_bytes(*bytes);
        }
    }
    Ok(last)
}

/// Reads the headers in a packet's first bytes. The second result is the error if there are fewer bytes
/// than the record states. The cursor stays where the packet begins.
fn raw_header(body: &mut Cursor<'_>) -> Result<(Option<Headers>, Option<Reason>), Reason> {
    let [protocol, frame, stripped, stated] = words(body, "raw header")?;
    // The length of an Ethernet frame includes its check sequence, and so does the count of stripped
    // bytes.
    let len = Some(frame.saturating_sub(stripped));
    let (header, overrun) = take_stated(&mut body.clone(), "packet", stated);
    let link = match protocol {
        protocol::ETHERNET => Some(Link::Ethernet),
        protocol::IPV4 | protocol::IPV6 => Some(Link::Ip),
        protocol::MPLS => Some(Link::Mpls),
        protocol::PPP => Some(Link::Ppp),
        protocol::POS => Some(Link::Serial),
        _ => None,
    };
    let packet = link.and_then(|link| packet::headers(link, header.rest(), len));
    Ok((packet, overrun))
}

/// Reads the headers that the agent has parsed: length, protocol, addresses, ports, flags, type of
/// service.
fn parsed_headers<const N: usize>(body: &mut Cursor<'_>) -> Result<Headers, Reason>
where
    IpAddr: From<[u8; N]>,
{
    const WHAT: &str = "sampled IP";
    let [length, proto] = words(body, WHAT)?;
    let sip = IpAddr::from(*body.array::<N>(WHAT)?);
    let dip = IpAddr::from(*body.array::<N>(WHAT)?);
    let [sport, dport, flags, tos] = words(body, WHAT)?;
    let proto = u8::try_from(proto).unwrap_or(0);
    let port = |port| u16::try_from(port).unwrap_or(0);
    let flags = if proto == TCP { port(flags) & TCP_CONTROL_BITS } else { 0 };
    Ok(Headers {
        sip,
        dip,
        proto,
        sport: if proto == ICMP || proto == ICMPV6 { 0 } else { port(sport) },
        dport: port(dport),
        flags: Some(flags),
        length: length.into(),
        tos: u8::try_from(tos).ok(),
        vlan: None,
        srcmac: None,
        dstmac: None,
    })
}

/// Bytes of a datagram's header with the longest address.
pub(super) const HEADER: usize = 40;

/// The data source of all emitted samples: entPhysicalEntry 1, the device as a whole.
const SOURCE: [u32; 2] = [2, 1];

/// Bytes of an Ethernet frame's check sequence. The frame's length includes them, the header does not.
const CHECK_SEQUENCE: u64 = 4;

/// Returns true if a sample can carry this ifIndex: all ones, in either form, is no index.
pub(super) const fn is_index(interface: u32) -> bool {
    !matches!(interface, INTERFACE | u32::MAX)
}

/// A flow sample to be written, with the first bytes of an Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Number of samples up to this one.
    pub sequence: u32,
    /// Sampling rate, one packet in so many.
    pub rate: u32,
    /// Number of packets that could have been sampled up to this one.
    pub pool: u32,
    /// ifIndex of the input interface. An index of more than 30 bits makes the sample an expanded one.
    pub input: u32,
    /// ifIndex of the output interface.
    pub output: u32,
}

impl Sample {
    /// Appends the sample of a frame that begins with `header` and has `frame` bytes without its check
    /// sequence.
    pub fn emit(&self, frame: u64, header: &[u8], out: &mut Vec<u8>) {
        let &Sample { sequence, rate, pool, input, output } = self;
        let mut put = |numbers: &[u32]| {
            numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        };
        let len = u32::try_from(header.len()).unwrap_or(u32::MAX);
        // XDR pads an opaque to a multiple of four bytes (RFC 4506 section 4.10).
        let padding = header.len().next_multiple_of(4) - header.len();
        let record = 16 + len + padding as u32;
        let [kind, index] = SOURCE;
        if input.max(output) > INTERFACE {
            put(&[sample::EXPANDED_FLOW, EXPANDED as u32 + OPAQUE as u32 + record]);
            put(&[sequence, kind, index, rate, pool, 0, 0, input, 0, output, 1]);
        } else {
            put(&[sample::FLOW, COMPACT as u32 + OPAQUE as u32 + record]);
            put(&[sequence, (kind << 24) | index, rate, pool, 0, input, output, 1]);
        }
        let whole = u32::try_from(frame + CHECK_SEQUENCE).unwrap_or(u32::MAX);
        put(&[record::RAW_HEADER, record, protocol::ETHERNET, whole, CHECK_SEQUENCE as u32, len]);
        out.extend_from_slice(header);
        out.resize(out.len() + padding, 0);
    }
}
