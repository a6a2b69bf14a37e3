//! NetFlow v1: a header without a sequence number and up to 24 records, as documented in flow-tools'
//! `ftlib.h`. The last seven of the 48 bytes of a record count retransmissions and are ignored.

use super::classic::{self, Header, Narrow};
use super::context::Context;
use super::cursor::Cursor;
use super::error::Reason;
use super::reader::MessageReader;
use super::set::put;
use crate::flow::{Extra, Flow};

/// The most records of a datagram by the specification; the exporter sends as many.
pub(super) const RECORDS: usize = 24;

/// Bytes of the header.
pub(super) const HEADER: usize = classic::HEADER;

/// Offsets in a record after the part that v1, v5 and v7 share.
mod record {
    use std::ops::Range;

    pub const PAD: Range<usize> = super::classic::SHARED..38;
    pub const PROT: usize = 38;
    pub const TOS: usize = 39;
    pub const FLAGS: usize = 40;
    pub const REST: Range<usize> = 41..48;
}

/// Bytes of a record.
pub(super) const RECORD: usize = record::REST.end;

/// Reads a header.
///
/// # Errors
/// Fewer than [`HEADER`] bytes.
pub(super) fn parse_header(cursor: &mut Cursor<'_>) -> Result<Header, Reason> {
    Ok(Header::parse(cursor.array::<HEADER>("header")?))
}

/// Reads the records after a header.
pub(super) fn records(header: &Header, cursor: Cursor<'_>, reader: &mut MessageReader<'_, '_>) {
    classic::records(header.count, 0, cursor, reader, parse_record, parse_extra);
}

/// Reads one record into a flow that has the columns which all flows of the datagram share.
#[inline(always)]
fn parse_record(bytes: &[u8; RECORD], context: Option<&Context>, flow: &mut Flow) {
    classic::parse(bytes, bytes[record::PROT], bytes[record::FLAGS], context, flow);
}

/// Reads the columns that a flow does not have.
fn parse_extra(bytes: &[u8; RECORD]) -> Extra {
    Extra {
        nexthop: Some(classic::nexthop(bytes)),
        tos: Some(bytes[record::TOS]),
        ..Extra::default()
    }
}

/// Writes one record. Only the lower eight flags are kept; next hop and type of service are 0.
pub(super) fn emit_record(flow: &Flow, narrow: &Narrow, bytes: &mut [u8; RECORD]) {
    classic::emit(flow, narrow, bytes);
    put(bytes, record::PAD.start, [0; 2]);
    put(bytes, record::PROT, [flow.proto]);
    put(bytes, record::TOS, [0]);
    put(bytes, record::FLAGS, [flow.flags.unwrap_or(0) as u8]);
    put(bytes, record::REST.start, [0; 7]);
}

#[cfg(test)]
mod tests {
    use super::super::classic::tests::{HEADER_BYTES, HEADER_FIELDS, check_record};
    use super::*;

    #[test]
    fn a_header_is_read() {
        assert_eq!(parse_header(&mut Cursor::new(&HEADER_BYTES, 0)).unwrap(), HEADER_FIELDS);
        let needed = Reason::Short { what: "header", needed: 16, left: 15 };
        let mut short = Cursor::new(&HEADER_BYTES[..15], 0);
        assert_eq!(parse_header(&mut short).unwrap_err(), needed);
    }

    #[test]
    fn a_record_is_read_and_written() {
        check_record(&[0, 0, 6, 0, 0x02, 0, 0, 0, 0, 0, 0, 0], parse_record, emit_record);
    }

    #[test]
    fn extras_are_read() {
        let mut bytes = [0; RECORD];
        put(&mut bytes, 8, [192, 0, 2, 254]);
        put(&mut bytes, record::TOS, [0xb8]);
        let nexthop = Some([192, 0, 2, 254].into());
        let expected = Extra { nexthop, tos: Some(0xb8), ..Extra::default() };
        assert_eq!(parse_extra(&bytes), expected);
    }
}
