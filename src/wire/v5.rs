//! NetFlow v5: a header and up to 30 records of one fixed layout, as Cisco's "NetFlow Export
//! Datagram Format" and flow-tools' `ftlib.h` give it.

use std::net::{IpAddr, Ipv4Addr};

use super::cursor::Cursor;
use super::error::Reason;
use super::record::Context;
use super::session::Session;
use super::set::put;
use crate::flow::{Extra, Flow, ICMP, ICMPV6};
use crate::time::Timestamp;

/// Records that a datagram holds at most by the book, and in ours.
pub(super) const RECORDS: usize = 30;

/// Offsets in the header.
mod header {
    use std::ops::Range;

    pub const VERSION: Range<usize> = 0..2;
    pub const COUNT: Range<usize> = 2..4;
    pub const SYS_UPTIME: Range<usize> = 4..8;
    pub const UNIX_SECS: Range<usize> = 8..12;
    pub const UNIX_NSECS: Range<usize> = 12..16;
    pub const FLOW_SEQUENCE: Range<usize> = 16..20;
    pub const ENGINE: Range<usize> = 20..22;
    pub const SAMPLING: Range<usize> = 22..24;
}

/// Octets of the header.
pub(super) const HEADER: usize = header::SAMPLING.end;

/// Offsets in a record.
mod record {
    use std::ops::Range;

    pub const SRCADDR: Range<usize> = 0..4;
    pub const DSTADDR: Range<usize> = 4..8;
    pub const NEXTHOP: Range<usize> = 8..12;
    pub const INPUT: Range<usize> = 12..14;
    pub const OUTPUT: Range<usize> = 14..16;
    pub const D_PKTS: Range<usize> = 16..20;
    pub const D_OCTETS: Range<usize> = 20..24;
    pub const FIRST: Range<usize> = 24..28;
    pub const LAST: Range<usize> = 28..32;
    pub const SRCPORT: Range<usize> = 32..34;
    pub const DSTPORT: Range<usize> = 34..36;
    pub const PAD1: usize = 36;
    pub const TCP_FLAGS: usize = 37;
    pub const PROT: usize = 38;
    /// Type of service, AS numbers, masks and two octets of padding.
    pub const REST: Range<usize> = 39..48;
}

/// Octets of a record.
pub(super) const RECORD: usize = record::REST.end;

/// The header without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Records that follow.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime: u32,
    /// Export time in whole seconds.
    pub secs: u32,
    /// The rest of it in nanoseconds.
    pub nsecs: u32,
    /// Flows exported before this datagram.
    pub sequence: u32,
    /// Engine type * 256 + engine id.
    pub engine: u16,
    /// Sampling mode in the upper two bits, interval in the lower 14.
    pub sampling: u16,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Fewer than [`HEADER`] octets.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Header, Reason> {
        let octets: &[u8; HEADER] = cursor.array("header")?;
        Ok(Header {
            count: be16(octets, header::COUNT.start),
            uptime: be32(octets, header::SYS_UPTIME.start),
            secs: be32(octets, header::UNIX_SECS.start),
            nsecs: be32(octets, header::UNIX_NSECS.start),
            sequence: be32(octets, header::FLOW_SEQUENCE.start),
            engine: be16(octets, header::ENGINE.start),
            sampling: be16(octets, header::SAMPLING.start),
        })
    }

    /// Writes a header.
    pub fn emit(&self, octets: &mut [u8; HEADER]) {
        put(octets, header::VERSION.start, 5u16.to_be_bytes());
        put(octets, header::COUNT.start, self.count.to_be_bytes());
        put(octets, header::SYS_UPTIME.start, self.uptime.to_be_bytes());
        put(octets, header::UNIX_SECS.start, self.secs.to_be_bytes());
        put(octets, header::UNIX_NSECS.start, self.nsecs.to_be_bytes());
        put(octets, header::FLOW_SEQUENCE.start, self.sequence.to_be_bytes());
        put(octets, header::ENGINE.start, self.engine.to_be_bytes());
        put(octets, header::SAMPLING.start, self.sampling.to_be_bytes());
    }

    /// Packet sampling, 1 in N. Devices that sample leave the mode 0 (Juniper MX), so it is not
    /// asked.
    pub const fn interval(&self) -> u32 {
        self.sampling as u32 & 0x3fff
    }

    /// Export time.
    pub const fn export(&self) -> Timestamp {
        let nsecs = if self.nsecs < 1_000_000_000 { self.nsecs } else { 0 };
        Timestamp::from_secs(self.secs as u64).offset(nsecs as i64)
    }
}

/// A number at a constant offset of a fixed layout.
const fn be16<const N: usize>(octets: &[u8; N], at: usize) -> u16 {
    match octets.split_at(at).1.first_chunk() {
        Some(number) => u16::from_be_bytes(*number),
        None => 0,
    }
}

const fn be32<const N: usize>(octets: &[u8; N], at: usize) -> u32 {
    match octets.split_at(at).1.first_chunk() {
        Some(number) => u32::from_be_bytes(*number),
        None => 0,
    }
}

/// Reads the records after a header. As many as the header counts, or as there are: a count of 0
/// is a datagram without flows, one above 30 is taken at its word, octets after the last record
/// are padding.
pub(super) fn records(header: &Header, cursor: Cursor<'_>, session: &mut Session<'_, '_>) {
    let held = cursor.left() / RECORD;
    if usize::from(header.count) > held {
        session.fault(0, None, Reason::Count { stated: header.count, held });
    }
    let context = session.context;
    let sampling = header.interval();
    let (chunks, _) = cursor.rest().as_chunks::<RECORD>();
    for octets in chunks.iter().take(header.count.into()) {
        session.add(Flow { sampling, ..parse_record(octets, &context) }, Extra::default);
    }
}

/// Reads one record.
pub(super) fn parse_record(octets: &[u8; RECORD], context: &Context) -> Flow {
    let address =
        |at: std::ops::Range<usize>| IpAddr::V4(Ipv4Addr::from_bits(be32(octets, at.start)));
    let first = be32(octets, record::FIRST.start);
    let last = be32(octets, record::LAST.start);
    let (mut start, mut end) = (None, None);
    if first != 0 || last != 0 {
        let uptime = context.uptime.unwrap_or(0);
        start = context.at_uptime(first, uptime);
        end = context.at_uptime(last, uptime);
    }
    if start > end && end.is_some() {
        start = None;
    }
    let proto = octets[record::PROT];
    let icmp = proto == ICMP || proto == ICMPV6;
    Flow {
        sip: address(record::SRCADDR),
        dip: address(record::DSTADDR),
        sif: be16(octets, record::INPUT.start).into(),
        dif: be16(octets, record::OUTPUT.start).into(),
        proto,
        sport: if icmp { 0 } else { be16(octets, record::SRCPORT.start) },
        dport: be16(octets, record::DSTPORT.start),
        packets: be32(octets, record::D_PKTS.start).into(),
        octets: be32(octets, record::D_OCTETS.start).into(),
        start,
        end,
        flags: Some(octets[record::TCP_FLAGS].into()),
        exporter: Some(context.exporter),
        sampling: 0,
    }
}

/// What a record can carry, its columns narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Narrow {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub input: u16,
    pub output: u16,
    pub packets: u32,
    pub octets: u32,
    /// sysUpTime at the first packet.
    pub first: u32,
    /// sysUpTime at the last packet.
    pub last: u32,
}

/// Writes one record. Of the flags the lower eight are kept; next hop, type of service, AS numbers
/// and masks are 0.
pub(super) fn emit_record(flow: &Flow, narrow: &Narrow, octets: &mut [u8; RECORD]) {
    put(octets, record::SRCADDR.start, narrow.source.octets());
    put(octets, record::DSTADDR.start, narrow.destination.octets());
    put(octets, record::NEXTHOP.start, [0; 4]);
    put(octets, record::INPUT.start, narrow.input.to_be_bytes());
    put(octets, record::OUTPUT.start, narrow.output.to_be_bytes());
    put(octets, record::D_PKTS.start, narrow.packets.to_be_bytes());
    put(octets, record::D_OCTETS.start, narrow.octets.to_be_bytes());
    put(octets, record::FIRST.start, narrow.first.to_be_bytes());
    put(octets, record::LAST.start, narrow.last.to_be_bytes());
    put(octets, record::SRCPORT.start, flow.sport.to_be_bytes());
    put(octets, record::DSTPORT.start, flow.dport.to_be_bytes());
    put(octets, record::PAD1, [0]);
    put(octets, record::TCP_FLAGS, [flow.flags.unwrap_or(0) as u8]);
    put(octets, record::PROT, [flow.proto]);
    put(octets, record::REST.start, [0; 9]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_OCTETS: [u8; HEADER] = [
        0, 5, 0, 1, // version, count
        0, 0, 0x13, 0x88, // sysUpTime 5,000 ms
        0x3b, 0x3f, 0xa0, 0xe4, // 994,025,700 s
        0x07, 0x73, 0x59, 0x40, // 125,000,000 ns
        0, 0, 0, 7, // sequence
        1, 2, // engine
        0x40, 0x64, // sampling mode 1, interval 100
    ];

    #[rustfmt::skip]
    const RECORD_OCTETS: [u8; RECORD] = [
        140, 119, 44, 91, 192, 0, 2, 7, 0, 0, 0, 0, // addresses, next hop
        0, 3, 0, 4, // interfaces
        0, 0, 0, 2, 0, 0, 0, 96, // packets, octets
        0, 0, 0x0b, 0xb8, 0, 0, 0x0f, 0xa0, // 3,000 and 4,000 ms
        0x04, 0xd2, 0, 80, 0, 0x02, 6, // ports, padding, SYN, TCP
        0, 0, 0, 0, 0, 0, 0, 0, 0, // the rest
    ];

    fn header() -> Header {
        Header {
            count: 1,
            uptime: 5_000,
            secs: 994_025_700,
            nsecs: 125_000_000,
            sequence: 7,
            engine: 0x0102,
            sampling: 0x4064,
        }
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
            packets: 2,
            octets: 96,
            start: Timestamp::parse(b"994025698.125"),
            end: Timestamp::parse(b"994025699.125"),
            flags: Some(2),
            exporter: Some("192.0.2.1".parse().unwrap()),
            sampling: 0,
        }
    }

    #[test]
    fn a_header_both_ways() {
        let mut cursor = Cursor::new(&HEADER_OCTETS, 0);
        assert_eq!(Header::parse(&mut cursor).unwrap(), header());
        assert_eq!(header().interval(), 100);
        assert_eq!(header().export().to_string(), "994025700.125");
        let mut octets = [0xa5; HEADER];
        header().emit(&mut octets);
        assert_eq!(octets, HEADER_OCTETS);
        let mut short = Cursor::new(&HEADER_OCTETS[..23], 0);
        let needed = Reason::Short { what: "header", needed: 24, left: 23 };
        assert_eq!(Header::parse(&mut short).unwrap_err(), needed);
    }

    #[test]
    fn a_record_both_ways() {
        let context = Context {
            exporter: "192.0.2.1".parse().unwrap(),
            export: header().export(),
            uptime: Some(5_000),
        };
        assert_eq!(parse_record(&RECORD_OCTETS, &context), flow());
        let narrow = Narrow {
            source: Ipv4Addr::new(140, 119, 44, 91),
            destination: Ipv4Addr::new(192, 0, 2, 7),
            input: 3,
            output: 4,
            packets: 2,
            octets: 96,
            first: 3_000,
            last: 4_000,
        };
        let mut octets = [0xa5; RECORD];
        emit_record(&flow(), &narrow, &mut octets);
        assert_eq!(octets, RECORD_OCTETS);
    }

    #[test]
    fn icmp_has_type_and_code_in_the_destination_port() {
        let mut octets = RECORD_OCTETS;
        octets[record::PROT] = ICMP;
        put(&mut octets, record::DSTPORT.start, [8, 0]);
        let context = Context {
            exporter: "192.0.2.1".parse().unwrap(),
            export: header().export(),
            uptime: Some(5_000),
        };
        let flow = parse_record(&octets, &context);
        assert_eq!((flow.sport, flow.dport), (0, 2048));
    }
}
