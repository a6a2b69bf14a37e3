//! NetFlow v7: the layout of v5 as Catalyst switches send it, with up to 27 records of 52 bytes, as
//! documented in flow-tools' `ftlib.h` and Cisco's "NetFlow Export Datagram Format".
//!
//! A switch leaves the fields that it cannot know at zero and says so in its flags; the flags are
//! ignored, and a zero is read as a zero. The last four bytes are the address of the router that the
//! switch stands in for (`router_sc`); they are ignored too. The header is v5's, without sampling.

use super::classic::{self, Narrow};
use super::context::Context;
use super::cursor::Cursor;
use super::reader::MessageReader;
use super::set::put;
use super::v5;
use crate::flow::{Extra, Flow};

/// The most records of a datagram by the specification; the exporter sends as many.
pub(super) const RECORDS: usize = 27;

/// Offset of the router's address in a record, after v5's layout.
const ROUTER_SC: usize = v5::RECORD;

/// Bytes of a record.
pub(super) const RECORD: usize = ROUTER_SC + 4;

/// Reads the records after a header.
pub(super) fn records(header: &v5::Header, cursor: Cursor<'_>, reader: &mut MessageReader<'_, '_>) {
    classic::records(header.shared.count, 0, cursor, reader, parse_record, parse_extra);
}

/// Returns the part of a record that has v5's layout.
#[inline(always)]
const fn v5_part(bytes: &[u8; RECORD]) -> &[u8; v5::RECORD] {
    match bytes.first_chunk() {
        Some(part) => part,
        None => &[0; v5::RECORD],
    }
}

/// Reads one record into a flow that has the columns which all flows of the datagram share.
#[inline(always)]
fn parse_record(bytes: &[u8; RECORD], context: Option<&Context>, flow: &mut Flow) {
    v5::parse_record(v5_part(bytes), context, flow);
}

/// Reads the columns that a flow does not have.
fn parse_extra(bytes: &[u8; RECORD]) -> Extra {
    v5::parse_extra(v5_part(bytes))
}

/// Writes one record. Only the lower eight flags are kept; next hop, type of service, AS numbers,
/// masks and the router are 0.
pub(super) fn emit_record(flow: &Flow, narrow: &Narrow, bytes: &mut [u8; RECORD]) {
    if let Some(part) = bytes.first_chunk_mut() {
        v5::emit_record(flow, narrow, part);
    }
    put(bytes, ROUTER_SC, [0; 4]);
}

#[cfg(test)]
mod tests {
    use super::super::classic::tests::check_record;
    use super::*;

    #[test]
    fn a_record_is_read_and_written() {
        let rest = [0, 0x02, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        check_record(&rest, parse_record, emit_record);
    }

    #[test]
    fn extras_are_those_of_v5() {
        let bytes = std::array::from_fn(|n| n as u8);
        assert_eq!(parse_extra(&bytes), v5::parse_extra(&std::array::from_fn(|n| n as u8)));
    }
}
