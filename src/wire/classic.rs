//! The layout that NetFlow v1, v5 and v7 share: the first 16 bytes of the header, the first 36 bytes
//! of a record, times in sysUpTime, and ICMP in the destination port.
//!
//! v6 and v8 are not read. v6 is v5 with a record of 52 bytes; v8 has a header of 28 bytes and one
//! record for each of its aggregations, most of which lack one of the two addresses. No exporter has
//! been seen to send either. Their datagrams are counted as foreign, by version.

use std::net::{IpAddr, Ipv4Addr};

use super::context::{Context, Span};
use super::cursor::Cursor;
use super::error::Reason;
use super::reader::MessageReader;
use super::set::put;
use crate::flow::{Extra, Flow, ICMP, ICMPV6};
use crate::time::Timestamp;

/// Offsets in the part of the header that all three share.
mod header {
    use std::ops::Range;

    pub const VERSION: Range<usize> = 0..2;
    pub const COUNT: Range<usize> = 2..4;
    pub const SYS_UPTIME: Range<usize> = 4..8;
    pub const UNIX_SECS: Range<usize> = 8..12;
    pub const UNIX_NSECS: Range<usize> = 12..16;
}

/// Offsets in the part of a record that all three share.
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
}

/// Bytes of a record that all three share.
pub(super) const SHARED: usize = record::DSTPORT.end;

/// Returns the number of two bytes at a constant offset of a fixed layout.
#[inline]
pub(super) const fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    match bytes.split_at(at).1.first_chunk() {
        Some(number) => u16::from_be_bytes(*number),
        None => 0,
    }
}

/// Returns the number of four bytes at a constant offset of a fixed layout.
#[inline]
pub(super) const fn be32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    match bytes.split_at(at).1.first_chunk() {
        Some(number) => u32::from_be_bytes(*number),
        None => 0,
    }
}

/// Bytes of the header that all three share.
pub(super) const HEADER: usize = header::UNIX_NSECS.end;

/// The part of the header that all three share, without the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Number of records.
    pub count: u16,
    /// Milliseconds since the exporter started.
    pub uptime: u32,
    /// Export time in whole seconds.
    pub secs: u32,
    /// Nanoseconds of the export time after these seconds.
    pub nsecs: u32,
}

impl Header {
    /// Reads the shared part of a header.
    #[inline]
    pub const fn parse<const N: usize>(bytes: &[u8; N]) -> Header {
        Header {
            count: be16(bytes, header::COUNT.start),
            uptime: be32(bytes, header::SYS_UPTIME.start),
            secs: be32(bytes, header::UNIX_SECS.start),
            nsecs: be32(bytes, header::UNIX_NSECS.start),
        }
    }

    /// Writes the version and the shared part of a header.
    pub fn emit<const N: usize>(&self, version: u16, bytes: &mut [u8; N]) {
        put(bytes, header::VERSION.start, version.to_be_bytes());
        put(bytes, header::COUNT.start, self.count.to_be_bytes());
        put(bytes, header::SYS_UPTIME.start, self.uptime.to_be_bytes());
        put(bytes, header::UNIX_SECS.start, self.secs.to_be_bytes());
        put(bytes, header::UNIX_NSECS.start, self.nsecs.to_be_bytes());
    }

    /// Returns the export time. Nanoseconds that are a second or more are ignored.
    pub const fn export(&self) -> Timestamp {
        let nsecs = if self.nsecs < 1_000_000_000 { self.nsecs } else { 0 };
        Timestamp::from_secs(self.secs as u64).offset(nsecs as i64)
    }
}

/// Reads the records after a header: as many as the header counts, but no more than there are. A
/// count of 0 means a datagram without flows. A count above the limit of the specification is
/// accepted. Bytes after the last record are padding.
#[inline]
pub(super) fn records<const N: usize>(
    count: u16,
    sampling: u32,
    cursor: Cursor<'_>,
    reader: &mut MessageReader<'_, '_>,
    fill: impl Fn(&[u8; N], Option<&Context>, &mut Flow),
    extra: impl Fn(&[u8; N]) -> Extra,
) {
    let rest = cursor.rest();
    let all: &[[u8; N]] = bytemuck::cast_slice(rest.get(..rest.len() / N * N).unwrap_or_default());
    let (held, counted) = (all.len(), usize::from(count));
    if counted > held {
        let stated = count.into();
        reader.fault(0, None, Reason::Count { what: "records", stated, held });
    }
    let records = all.get(..counted).unwrap_or(all);
    if !reader.datagram.decodes() {
        reader.state.stats.records += records.len() as u64;
        return;
    }
    let context = reader.context;
    let same = Flow { exporter: Some(context.exporter), sampling, ..Flow::default() };
    let timed = reader.options.times.then_some(&context);
    reader.add_all(&same, records, |bytes, flow| fill(bytes, timed, flow), extra);
}

/// Reads the shared part of a record into a flow. `proto` and `flags` have another offset in each
/// version. The times are read if there is a context, which they are relative to.
#[inline(always)]
pub(super) fn parse<const N: usize>(
    bytes: &[u8; N],
    proto: u8,
    flags: u8,
    context: Option<&Context>,
    flow: &mut Flow,
) {
    let address =
        |at: std::ops::Range<usize>| IpAddr::V4(Ipv4Addr::from_bits(be32(bytes, at.start)));
    let icmp = proto == ICMP || proto == ICMPV6;
    flow.sip = address(record::SRCADDR);
    flow.dip = address(record::DSTADDR);
    flow.sif = be16(bytes, record::INPUT.start).into();
    flow.dif = be16(bytes, record::OUTPUT.start).into();
    flow.proto = proto;
    flow.sport = if icmp { 0 } else { be16(bytes, record::SRCPORT.start) };
    flow.dport = be16(bytes, record::DSTPORT.start);
    flow.packets = be32(bytes, record::D_PKTS.start).into();
    flow.octets = be32(bytes, record::D_OCTETS.start).into();
    flow.flags = Some(flags.into());
    if let Some(context) = context {
        (flow.start, flow.end) = times(bytes, context);
    }
}

fn times<const N: usize>(bytes: &[u8; N], context: &Context) -> Span {
    let first = be32(bytes, record::FIRST.start);
    let last = be32(bytes, record::LAST.start);
    if first == 0 && last == 0 {
        return (None, None);
    }
    let uptime = context.uptime.unwrap_or(0);
    match (context.at_uptime(first, uptime), context.at_uptime(last, uptime)) {
        (Some(start), Some(end)) if start > end => (None, Some(end)),
        span => span,
    }
}

/// Returns the address of the next router.
pub(super) fn nexthop<const N: usize>(bytes: &[u8; N]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(be32(bytes, record::NEXTHOP.start)))
}

/// The columns of a flow, narrowed to the widths of a record.
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

/// Writes the shared part of a record. The next hop is 0.
pub(super) fn emit<const N: usize>(flow: &Flow, narrow: &Narrow, bytes: &mut [u8; N]) {
    put(bytes, record::SRCADDR.start, narrow.source.octets());
    put(bytes, record::DSTADDR.start, narrow.destination.octets());
    put(bytes, record::NEXTHOP.start, [0; 4]);
    put(bytes, record::INPUT.start, narrow.input.to_be_bytes());
    put(bytes, record::OUTPUT.start, narrow.output.to_be_bytes());
    put(bytes, record::D_PKTS.start, narrow.packets.to_be_bytes());
    put(bytes, record::D_OCTETS.start, narrow.octets.to_be_bytes());
    put(bytes, record::FIRST.start, narrow.first.to_be_bytes());
    put(bytes, record::LAST.start, narrow.last.to_be_bytes());
    put(bytes, record::SRCPORT.start, flow.sport.to_be_bytes());
    put(bytes, record::DSTPORT.start, flow.dport.to_be_bytes());
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The first 36 bytes of a record.
    #[rustfmt::skip]
    pub const BYTES: [u8; SHARED] = [
        140, 119, 44, 91, 192, 0, 2, 7, // addresses
        0, 0, 0, 0, // next hop
        0, 3, 0, 4, // interfaces
        0, 0, 0, 2, 0, 0, 0, 96, // packets, bytes
        0, 0, 0x0b, 0xb8, 0, 0, 0x0f, 0xa0, // 3,000 and 4,000 ms
        0x04, 0xd2, 0, 80, // ports
    ];

    /// The first 16 bytes of the header of version 1.
    pub const HEADER_BYTES: [u8; HEADER] = [
        0, 1, 0, 1, // version, count
        0, 0, 0x13, 0x88, // sysUpTime 5,000 ms
        0x3b, 0x3f, 0xa0, 0xe4, // 994,025,700 s
        0x07, 0x73, 0x59, 0x40, // 125,000,000 ns
    ];

    /// The header of [`HEADER_BYTES`].
    pub const HEADER_FIELDS: Header =
        Header { count: 1, uptime: 5_000, secs: 994_025_700, nsecs: 125_000_000 };

    /// Returns the context of an export at 994025700.125, 5,000 ms after the boot.
    pub fn context() -> Context {
        Context {
            exporter: "192.0.2.1".parse().unwrap(),
            export: HEADER_FIELDS.export(),
            uptime: Some(5_000),
        }
    }

    /// Returns the flow of [`BYTES`], with the flag SYN.
    pub fn flow() -> Flow {
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

    /// The columns of [`flow`], narrowed.
    pub const NARROW: Narrow = Narrow {
        source: Ipv4Addr::new(140, 119, 44, 91),
        destination: Ipv4Addr::new(192, 0, 2, 7),
        input: 3,
        output: 4,
        packets: 2,
        octets: 96,
        first: 3_000,
        last: 4_000,
    };

    fn parsed(bytes: &[u8; SHARED], proto: u8, flags: u8) -> Flow {
        let mut flow = Flow { exporter: flow().exporter, ..Flow::default() };
        parse(bytes, proto, flags, Some(&context()), &mut flow);
        flow
    }

    #[test]
    fn the_shared_part_of_a_header_is_read_and_written() {
        assert_eq!(Header::parse(&HEADER_BYTES), HEADER_FIELDS);
        assert_eq!(HEADER_FIELDS.export().to_string(), "994025700.125");
        let mut bytes = [0xa5; HEADER];
        HEADER_FIELDS.emit(1, &mut bytes);
        assert_eq!(bytes, HEADER_BYTES);
    }

    #[test]
    fn the_shared_part_of_a_record_is_read_and_written() {
        assert_eq!(parsed(&BYTES, 6, 2), flow());
        let mut bytes = [0xa5; SHARED];
        emit(&flow(), &NARROW, &mut bytes);
        assert_eq!(bytes, BYTES);
    }

    #[test]
    fn icmp_type_and_code_are_in_the_destination_port() {
        let mut bytes = BYTES;
        put(&mut bytes, record::DSTPORT.start, [8, 0]);
        for proto in [ICMP, ICMPV6] {
            let flow = parsed(&bytes, proto, 0);
            assert_eq!((flow.sport, flow.dport), (0, 2048));
        }
    }

    #[test]
    fn times_are_relative_to_the_export() {
        let with = |first: u32, last: u32| {
            let mut bytes = BYTES;
            put(&mut bytes, record::FIRST.start, first.to_be_bytes());
            put(&mut bytes, record::LAST.start, last.to_be_bytes());
            let flow = parsed(&bytes, 6, 0);
            (flow.start, flow.end)
        };
        let at = |text: &[u8]| Timestamp::parse(text);
        assert_eq!(with(0, 0), (None, None));
        assert_eq!(with(0, 1), (at(b"994025695.125"), at(b"994025695.126")));
        // Before the boot: sysUpTime has 32 bits and wraps.
        assert_eq!(with(u32::MAX, 0), (at(b"994025695.124"), at(b"994025695.125")));
        // A start after the end is dropped, and so is a time more than an hour after the export.
        assert_eq!(with(4_000, 3_000), (None, at(b"994025698.125")));
        assert_eq!(with(3_000, 4_000_000), (at(b"994025698.125"), None));
    }

    /// Checks that a record is read and written as [`flow`]: `rest` are its bytes after the shared
    /// part.
    #[track_caller]
    pub fn check_record<const N: usize>(
        rest: &[u8],
        parse: impl Fn(&[u8; N], Option<&Context>, &mut Flow),
        emit: impl Fn(&Flow, &Narrow, &mut [u8; N]),
    ) {
        let record: [u8; N] = [&BYTES, rest].concat().try_into().unwrap();
        let mut parsed = Flow { exporter: flow().exporter, ..Flow::default() };
        parse(&record, Some(&context()), &mut parsed);
        assert_eq!(parsed, flow());
        let mut bytes = [0xa5; N];
        emit(&flow(), &NARROW, &mut bytes);
        assert_eq!(bytes, record);
    }
}
