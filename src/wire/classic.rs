//! What the fixed records of NetFlow v1, v5 and v7 share: the first 16 octets of the header, the
//! first 36 of a record, the times in sysUpTime, and ICMP in the destination port.
//!
//! v6 and v8 would stand beside them: v6 is v5 with a record of 52 octets, v8 has a header of 28 and
//! a record for each of its aggregations, most of which have no two addresses. Nobody has been seen
//! to send either; they are counted as foreign, by their number.

use std::net::{IpAddr, Ipv4Addr};

use super::cursor::Cursor;
use super::error::Reason;
use super::record::{Context, Span};
use super::session::MessageReader;
use super::set::put;
use crate::flow::{Extra, Flow, ICMP, ICMPV6};
use crate::time::Timestamp;

/// Offsets in the header that all three have.
pub(super) mod header {
    use std::ops::Range;

    pub const VERSION: Range<usize> = 0..2;
    pub const COUNT: Range<usize> = 2..4;
    pub const SYS_UPTIME: Range<usize> = 4..8;
    pub const UNIX_SECS: Range<usize> = 8..12;
    pub const UNIX_NSECS: Range<usize> = 12..16;
}

/// Offsets in a record that all three have.
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

/// Octets of a record that all three have.
pub(super) const SHARED: usize = record::DSTPORT.end;

/// A number at a constant offset of a fixed layout.
#[inline]
pub(super) const fn be16<const N: usize>(octets: &[u8; N], at: usize) -> u16 {
    match octets.split_at(at).1.first_chunk() {
        Some(number) => u16::from_be_bytes(*number),
        None => 0,
    }
}

/// The same of four octets.
#[inline]
pub(super) const fn be32<const N: usize>(octets: &[u8; N], at: usize) -> u32 {
    match octets.split_at(at).1.first_chunk() {
        Some(number) => u32::from_be_bytes(*number),
        None => 0,
    }
}

/// Export time by a header; nanoseconds that are none are left out.
pub(super) const fn export(secs: u32, nsecs: u32) -> Timestamp {
    let nsecs = if nsecs < 1_000_000_000 { nsecs } else { 0 };
    Timestamp::from_secs(secs as u64).offset(nsecs as i64)
}

/// Writes the first 16 octets of a header.
pub(super) fn emit_header<const N: usize>(
    version: u16,
    count: u16,
    [uptime, secs, nsecs]: [u32; 3],
    octets: &mut [u8; N],
) {
    put(octets, header::VERSION.start, version.to_be_bytes());
    put(octets, header::COUNT.start, count.to_be_bytes());
    put(octets, header::SYS_UPTIME.start, uptime.to_be_bytes());
    put(octets, header::UNIX_SECS.start, secs.to_be_bytes());
    put(octets, header::UNIX_NSECS.start, nsecs.to_be_bytes());
}

/// Reads the records after a header. As many as the header counts, or as there are: a count of 0
/// is a datagram without flows, one above the book's is taken at its word, octets after the last
/// record are padding.
#[inline]
pub(super) fn records<const N: usize>(
    (count, sampling): (u16, u32),
    cursor: Cursor<'_>,
    session: &mut MessageReader<'_, '_>,
    fill: impl Fn(&[u8; N], Option<&Context>, &mut Flow),
    extra: impl Fn(&[u8; N]) -> Extra,
) {
    let rest = cursor.rest();
    let all: &[[u8; N]] = bytemuck::cast_slice(rest.get(..rest.len() / N * N).unwrap_or_default());
    let (held, counted) = (all.len(), usize::from(count));
    if counted > held {
        let stated = count.into();
        session.fault(0, None, Reason::Count { what: "records", stated, held });
    }
    let records = all.get(..counted).unwrap_or(all);
    if !session.datagram.decodes() {
        session.state.stats.records += records.len() as u64;
        return;
    }
    let context = session.context;
    let same = Flow { exporter: Some(context.exporter), sampling, ..Flow::default() };
    let timed = session.options.times.then_some(&context);
    session.add_all(&same, records, |octets, flow| fill(octets, timed, flow), extra);
}

/// Reads what all records share into a flow; protocol and flags lie elsewhere in each. Its times
/// are read if there is a context, which tells what they are relative to.
#[inline(always)]
pub(super) fn parse<const N: usize>(
    octets: &[u8; N],
    proto: u8,
    flags: u8,
    context: Option<&Context>,
    flow: &mut Flow,
) {
    let address =
        |at: std::ops::Range<usize>| IpAddr::V4(Ipv4Addr::from_bits(be32(octets, at.start)));
    let icmp = proto == ICMP || proto == ICMPV6;
    flow.sip = address(record::SRCADDR);
    flow.dip = address(record::DSTADDR);
    flow.sif = be16(octets, record::INPUT.start).into();
    flow.dif = be16(octets, record::OUTPUT.start).into();
    flow.proto = proto;
    flow.sport = if icmp { 0 } else { be16(octets, record::SRCPORT.start) };
    flow.dport = be16(octets, record::DSTPORT.start);
    flow.packets = be32(octets, record::D_PKTS.start).into();
    flow.octets = be32(octets, record::D_OCTETS.start).into();
    flow.flags = Some(flags.into());
    if let Some(context) = context {
        (flow.start, flow.end) = times(octets, context);
    }
}

fn times<const N: usize>(octets: &[u8; N], context: &Context) -> Span {
    let first = be32(octets, record::FIRST.start);
    let last = be32(octets, record::LAST.start);
    if first == 0 && last == 0 {
        return (None, None);
    }
    let uptime = context.uptime.unwrap_or(0);
    match (context.at_uptime(first, uptime), context.at_uptime(last, uptime)) {
        (Some(start), Some(end)) if start > end => (None, Some(end)),
        span => span,
    }
}

/// The router that the flow was sent on to.
pub(super) fn nexthop<const N: usize>(octets: &[u8; N]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(be32(octets, record::NEXTHOP.start)))
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

/// Writes what all records share; the next hop is 0.
pub(super) fn emit<const N: usize>(flow: &Flow, narrow: &Narrow, octets: &mut [u8; N]) {
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The first 36 octets of a record.
    #[rustfmt::skip]
    pub const OCTETS: [u8; SHARED] = [
        140, 119, 44, 91, 192, 0, 2, 7, // addresses
        0, 0, 0, 0, // next hop
        0, 3, 0, 4, // interfaces
        0, 0, 0, 2, 0, 0, 0, 96, // packets, octets
        0, 0, 0x0b, 0xb8, 0, 0, 0x0f, 0xa0, // 3,000 and 4,000 ms
        0x04, 0xd2, 0, 80, // ports
    ];

    /// The export at 994025700.125, 5,000 ms after the boot.
    pub fn context() -> Context {
        Context {
            exporter: "192.0.2.1".parse().unwrap(),
            export: export(994_025_700, 125_000_000),
            uptime: Some(5_000),
        }
    }

    /// What [`OCTETS`] say, with SYN.
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

    /// The same, narrowed.
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

    fn parsed(octets: &[u8; SHARED], proto: u8, flags: u8) -> Flow {
        let mut flow = Flow { exporter: flow().exporter, ..Flow::default() };
        parse(octets, proto, flags, Some(&context()), &mut flow);
        flow
    }

    #[test]
    fn the_shared_octets_both_ways() {
        assert_eq!(parsed(&OCTETS, 6, 2), flow());
        let mut octets = [0xa5; SHARED];
        emit(&flow(), &NARROW, &mut octets);
        assert_eq!(octets, OCTETS);
    }

    #[test]
    fn icmp_has_type_and_code_in_the_destination_port() {
        let mut octets = OCTETS;
        put(&mut octets, record::DSTPORT.start, [8, 0]);
        for proto in [ICMP, ICMPV6] {
            let flow = parsed(&octets, proto, 0);
            assert_eq!((flow.sport, flow.dport), (0, 2048));
        }
    }

    #[test]
    fn times_are_relative_to_the_export() {
        let with = |first: u32, last: u32| {
            let mut octets = OCTETS;
            put(&mut octets, record::FIRST.start, first.to_be_bytes());
            put(&mut octets, record::LAST.start, last.to_be_bytes());
            let flow = parsed(&octets, 6, 0);
            (flow.start, flow.end)
        };
        let at = |text: &[u8]| Timestamp::parse(text);
        assert_eq!(with(0, 0), (None, None));
        assert_eq!(with(0, 1), (at(b"994025695.125"), at(b"994025695.126")));
        // Before the boot, in 32 bits that wrap.
        assert_eq!(with(u32::MAX, 0), (at(b"994025695.124"), at(b"994025695.125")));
        // A start after the end is none; more than an hour after the export is no time.
        assert_eq!(with(4_000, 3_000), (None, at(b"994025698.125")));
        assert_eq!(with(3_000, 4_000_000), (at(b"994025698.125"), None));
    }
}
