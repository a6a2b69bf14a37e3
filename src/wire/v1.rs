//! NetFlow v1: a header without a sequence and up to 24 records, as flow-tools' `ftlib.h` gives it.
//! A record has 48 octets, of which the last seven tell of retransmissions and are not kept.

use super::classic::{self, Narrow, be16, be32, header};
use super::cursor::Cursor;
use super::error::Reason;
use super::record::Context;
use super::session::MessageReader;
use super::set::put;
use crate::flow::{Extra, Flow};
use crate::time::Timestamp;

/// Records that a datagram holds at most by the book, and in ours.
pub(super) const RECORDS: usize = 24;

/// Octets of the header.
pub(super) const HEADER: usize = header::UNIX_NSECS.end;

/// Offsets in a record after what v1, v5 and v7 share.
mod record {
    use std::ops::Range;

    pub const PAD: Range<usize> = super::classic::SHARED..38;
    pub const PROT: usize = 38;
    pub const TOS: usize = 39;
    pub const FLAGS: usize = 40;
    pub const REST: Range<usize> = 41..48;
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
        })
    }

    /// Writes a header.
    pub fn emit(&self, octets: &mut [u8; HEADER]) {
        classic::emit_header(1, self.count, [self.uptime, self.secs, self.nsecs], octets);
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
    classic::parse(octets, octets[record::PROT], octets[record::FLAGS], context, flow);
}

/// Reads what a record says beside.
fn parse_extra(octets: &[u8; RECORD]) -> Extra {
    Extra {
        nexthop: Some(classic::nexthop(octets)),
        tos: Some(octets[record::TOS]),
        ..Extra::default()
    }
}

/// Writes one record. Of the flags the lower eight are kept; next hop and type of service are 0.
pub(super) fn emit_record(flow: &Flow, narrow: &Narrow, octets: &mut [u8; RECORD]) {
    classic::emit(flow, narrow, octets);
    put(octets, record::PAD.start, [0; 2]);
    put(octets, record::PROT, [flow.proto]);
    put(octets, record::TOS, [0]);
    put(octets, record::FLAGS, [flow.flags.unwrap_or(0) as u8]);
    put(octets, record::REST.start, [0; 7]);
}

#[cfg(test)]
mod tests {
    use super::super::classic::tests::{NARROW, OCTETS, context, flow};
    use super::*;

    const HEADER_OCTETS: [u8; HEADER] = [
        0, 1, 0, 1, // version, count
        0, 0, 0x13, 0x88, // sysUpTime 5,000 ms
        0x3b, 0x3f, 0xa0, 0xe4, // 994,025,700 s
        0x07, 0x73, 0x59, 0x40, // 125,000,000 ns
    ];

    const REST: [u8; 12] = [0, 0, 6, 0, 0x02, 0, 0, 0, 0, 0, 0, 0];

    fn record_octets() -> [u8; RECORD] {
        [&OCTETS[..], &REST].concat().try_into().unwrap()
    }

    #[test]
    fn a_header_both_ways() {
        let header = Header { count: 1, uptime: 5_000, secs: 994_025_700, nsecs: 125_000_000 };
        let mut cursor = Cursor::new(&HEADER_OCTETS, 0);
        assert_eq!(Header::parse(&mut cursor).unwrap(), header);
        assert_eq!(header.export().to_string(), "994025700.125");
        let mut octets = [0xa5; HEADER];
        header.emit(&mut octets);
        assert_eq!(octets, HEADER_OCTETS);
        let mut short = Cursor::new(&HEADER_OCTETS[..15], 0);
        let needed = Reason::Short { what: "header", needed: 16, left: 15 };
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
        put(&mut octets, record::TOS, [0xb8]);
        let extra = parse_extra(&octets);
        let nexthop = Some([192, 0, 2, 254].into());
        assert_eq!(extra, Extra { nexthop, tos: Some(0xb8), ..Extra::default() });
    }
}
