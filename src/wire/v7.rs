//! NetFlow v7: v5 as Catalyst switches send it, with up to 27 records of 52 octets, as flow-tools'
//! `ftlib.h` and Cisco's "NetFlow Export Datagram Format" give it.
//!
//! What the switch could not know it leaves zero, and its flags say so; a zero is taken for a zero
//! then. The last four octets name the router that the switch stood in for (`router_sc`): not kept.

use super::classic::{self, Narrow, be16, be32, header};
use super::cursor::Cursor;
use super::error::Reason;
use super::record::Context;
use super::session::MessageReader;
use super::set::put;
use crate::flow::{Extra, Flow};
use crate::time::Timestamp;

/// Records that a datagram holds at most by the book, and in ours.
pub(super) const RECORDS: usize = 27;

/// Offsets in the header after what v1, v5 and v7 share.
mod tail {
    use std::ops::Range;

    pub const FLOW_SEQUENCE: Range<usize> = 16..20;
    /// Reserved by Cisco; flow-tools has type and id of the engine here, as in v5.
    pub const ENGINE: Range<usize> = 20..22;
    pub const RESERVED: Range<usize> = 22..24;
}

/// Octets of the header.
pub(super) const HEADER: usize = tail::RESERVED.end;

/// Offsets in a record after what v1, v5 and v7 share.
mod record {
    use std::ops::Range;

    pub const FLAGS: usize = super::classic::SHARED;
    pub const TCP_FLAGS: usize = 37;
    pub const PROT: usize = 38;
    pub const TOS: usize = 39;
    pub const SRC_AS: Range<usize> = 40..42;
    pub const DST_AS: Range<usize> = 42..44;
    pub const SRC_MASK: usize = 44;
    pub const DST_MASK: usize = 45;
    pub const FLAGS2: Range<usize> = 46..48;
    pub const ROUTER_SC: Range<usize> = 48..52;
}

/// Octets of a record.
pub(super) const RECORD: usize = record::ROUTER_SC.end;

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
            sequence: be32(octets, tail::FLOW_SEQUENCE.start),
            engine: be16(octets, tail::ENGINE.start),
        })
    }

    /// Writes a header.
    pub fn emit(&self, octets: &mut [u8; HEADER]) {
        classic::emit_header(7, self.count, [self.uptime, self.secs, self.nsecs], octets);
        put(octets, tail::FLOW_SEQUENCE.start, self.sequence.to_be_bytes());
        put(octets, tail::ENGINE.start, self.engine.to_be_bytes());
        put(octets, tail::RESERVED.start, [0; 2]);
    }

    /// Export time.
    pub const fn export(&self) -> Timestamp {
        classic::export(self.secs, self.nsecs)
    }
}

/// Reads the records after a header.
pub(super) fn records(header: &Header, cursor: Cursor<'_>, session: &mut MessageReader<'_, '_>) {
    classic::records((header.count, 0), cursor, session, parse_record, parse_extra);
}

/// Reads one record into a flow that has what all of the datagram share.
#[inline(always)]
fn parse_record(octets: &[u8; RECORD], context: Option<&Context>, flow: &mut Flow) {
    classic::parse(octets, octets[record::PROT], octets[record::TCP_FLAGS], context, flow);
}

/// Reads what a record says beside.
fn parse_extra(octets: &[u8; RECORD]) -> Extra {
    Extra {
        nexthop: Some(classic::nexthop(octets)),
        tos: Some(octets[record::TOS]),
        srcas: Some(be16(octets, record::SRC_AS.start).into()),
        dstas: Some(be16(octets, record::DST_AS.start).into()),
        srcmask: Some(octets[record::SRC_MASK]),
        dstmask: Some(octets[record::DST_MASK]),
        ..Extra::default()
    }
}

/// Writes one record. Of the flags the lower eight are kept; next hop, type of service, AS numbers,
/// masks and the router are 0.
pub(super) fn emit_record(flow: &Flow, narrow: &Narrow, octets: &mut [u8; RECORD]) {
    classic::emit(flow, narrow, octets);
    put(octets, record::FLAGS, [0]);
    put(octets, record::TCP_FLAGS, [flow.flags.unwrap_or(0) as u8]);
    put(octets, record::PROT, [flow.proto]);
    put(octets, record::TOS, [0; record::FLAGS2.end - record::TOS]);
    put(octets, record::ROUTER_SC.start, [0; 4]);
}

#[cfg(test)]
mod tests {
    use super::super::classic::tests::{NARROW, OCTETS, context, flow};
    use super::*;

    const HEADER_OCTETS: [u8; HEADER] = [
        0, 7, 0, 1, // version, count
        0, 0, 0x13, 0x88, // sysUpTime 5,000 ms
        0x3b, 0x3f, 0xa0, 0xe4, // 994,025,700 s
        0x07, 0x73, 0x59, 0x40, // 125,000,000 ns
        0, 0, 0, 7, // sequence
        1, 2, 0, 0, // engine, reserved
    ];

    const REST: [u8; 16] = [0, 0x02, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn record_octets() -> [u8; RECORD] {
        [&OCTETS[..], &REST].concat().try_into().unwrap()
    }

    #[test]
    fn a_header_both_ways() {
        let header = Header {
            count: 1,
            uptime: 5_000,
            secs: 994_025_700,
            nsecs: 125_000_000,
            sequence: 7,
            engine: 0x0102,
        };
        let mut cursor = Cursor::new(&HEADER_OCTETS, 0);
        assert_eq!(Header::parse(&mut cursor).unwrap(), header);
        assert_eq!(header.export().to_string(), "994025700.125");
        let mut octets = [0xa5; HEADER];
        header.emit(&mut octets);
        assert_eq!(octets, HEADER_OCTETS);
        let mut short = Cursor::new(&HEADER_OCTETS[..23], 0);
        let needed = Reason::Short { what: "header", needed: 24, left: 23 };
        assert_eq!(Header::parse(&mut short).unwrap_err(), needed);
    }

    #[test]
    fn a_record_both_ways() {
        let mut parsed = Flow { exporter: flow().exporter, ..Flow::default() };
        parse_record(&record_octets(), Some(&context()), &mut parsed);
        assert_eq!(parsed, flow());
        let mut octets = [0xa5; RECORD];
        emit_record(&flow(), &NARROW, &mut octets);
        assert_eq!(octets, record_octets());
    }

    #[test]
    fn what_is_said_beside() {
        let mut octets = record_octets();
        put(&mut octets, 8, [192, 0, 2, 254]);
        put(&mut octets, record::TOS, [0xb8, 0xfd, 0xe8, 0, 9, 24, 16]);
        let extra = Extra {
            nexthop: Some([192, 0, 2, 254].into()),
            tos: Some(0xb8),
            srcas: Some(65_000),
            dstas: Some(9),
            srcmask: Some(24),
            dstmask: Some(16),
            ..Extra::default()
        };
        assert_eq!(parse_extra(&octets), extra);
    }
}
