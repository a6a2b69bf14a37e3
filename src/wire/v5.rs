//! NetFlow v5: a header and up to 30 records of one fixed layout, as documented in Cisco's "NetFlow
//! Export Datagram Format" and flow-tools' `ftlib.h`. v7 uses the same layout, see
//! [`v7`](super::v7).

use super::classic::{self, Narrow, be16, be32};
use super::context::Context;
use super::cursor::Cursor;
use super::error::Reason;
use super::reader::MessageReader;
use super::set::put;
use crate::flow::{Extra, Flow};

/// The most records of a datagram by the specification; the exporter sends as many.
pub(super) const RECORDS: usize = 30;

/// The largest N of packet sampling 1 in N that a header can state: 14 bits.
pub(super) const SAMPLING: u32 = 0x3fff;

/// Sampling mode 1 in the upper two bits of the field: one packet out of each N (Cisco's "packet
/// interval").
pub(super) const SAMPLED: u16 = 0x4000;

/// Offsets in the header after the part that v1, v5 and v7 share.
mod tail {
    use std::ops::Range;

    pub const FLOW_SEQUENCE: Range<usize> = 16..20;
    /// In v7 reserved by Cisco; flow-tools has type and id of the engine here, as in v5.
    pub const ENGINE: Range<usize> = 20..22;
    /// In v7 reserved.
    pub const SAMPLING: Range<usize> = 22..24;
}

/// Bytes of the header.
pub(super) const HEADER: usize = tail::SAMPLING.end;

/// Offsets in a record after the part that v1, v5 and v7 share.
mod record {
    use std::ops::Range;

    /// Padding; flags of the switch in v7.
    pub const PAD1: usize = super::classic::SHARED;
    pub const TCP_FLAGS: usize = 37;
    pub const PROT: usize = 38;
    pub const TOS: usize = 39;
    pub const SRC_AS: Range<usize> = 40..42;
    pub const DST_AS: Range<usize> = 42..44;
    pub const SRC_MASK: usize = 44;
    pub const DST_MASK: usize = 45;
    /// Padding; flags of the switch in v7.
    pub const PAD2: Range<usize> = 46..48;
}

/// Bytes of a record.
pub(super) const RECORD: usize = record::PAD2.end;

/// The header of v5 and v7 without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The part that v1 has too.
    pub shared: classic::Header,
    /// Number of flows exported before this datagram.
    pub sequence: u32,
    /// Engine type * 256 + engine id.
    pub engine: u16,
    /// Sampling mode in the upper two bits, interval in the lower 14. Reserved in v7.
    pub sampling: u16,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// Fewer than [`HEADER`] bytes.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Header, Reason> {
        let bytes: &[u8; HEADER] = cursor.array("header")?;
        Ok(Header {
            shared: classic::Header::parse(bytes),
            sequence: be32(bytes, tail::FLOW_SEQUENCE.start),
            engine: be16(bytes, tail::ENGINE.start),
            sampling: be16(bytes, tail::SAMPLING.start),
        })
    }

    /// Writes a header of `version`, 5 or 7.
    pub fn emit(&self, version: u16, bytes: &mut [u8; HEADER]) {
        self.shared.emit(version, bytes);
        put(bytes, tail::FLOW_SEQUENCE.start, self.sequence.to_be_bytes());
        put(bytes, tail::ENGINE.start, self.engine.to_be_bytes());
        put(bytes, tail::SAMPLING.start, self.sampling.to_be_bytes());
    }

    /// Returns the N of packet sampling 1 in N; 0 if there is none. Some devices sample and leave
    /// the mode at 0 (Juniper MX), so the mode is ignored.
    pub const fn interval(&self) -> u32 {
        self.sampling as u32 & SAMPLING
    }
}

/// Reads the records after a header.
pub(super) fn records(header: &Header, cursor: Cursor<'_>, reader: &mut MessageReader<'_, '_>) {
    let sampling = header.interval();
    classic::records(header.shared.count, sampling, cursor, reader, parse_record, parse_extra);
}

/// Reads one record into a flow that has the columns which all flows of the datagram share.
#[inline(always)]
pub(super) fn parse_record(bytes: &[u8; RECORD], context: Option<&Context>, flow: &mut Flow) {
    classic::parse(bytes, bytes[record::PROT], bytes[record::TCP_FLAGS], context, flow);
}

/// Reads the columns that a flow does not have.
pub(super) fn parse_extra(bytes: &[u8; RECORD]) -> Extra {
    Extra {
        nexthop: Some(classic::nexthop(bytes)),
        tos: Some(bytes[record::TOS]),
        srcas: Some(be16(bytes, record::SRC_AS.start).into()),
        dstas: Some(be16(bytes, record::DST_AS.start).into()),
        srcmask: Some(bytes[record::SRC_MASK]),
        dstmask: Some(bytes[record::DST_MASK]),
        ..Extra::default()
    }
}

/// Writes one record. Only the lower eight flags are kept; next hop, type of service, AS numbers and
/// masks are 0.
pub(super) fn emit_record(flow: &Flow, narrow: &Narrow, bytes: &mut [u8; RECORD]) {
    classic::emit(flow, narrow, bytes);
    put(bytes, record::PAD1, [0]);
    put(bytes, record::TCP_FLAGS, [flow.flags.unwrap_or(0) as u8]);
    put(bytes, record::PROT, [flow.proto]);
    put(bytes, record::TOS, [0; record::PAD2.end - record::TOS]);
}

#[cfg(test)]
mod tests {
    use super::super::classic::tests::{HEADER_BYTES, HEADER_FIELDS, check_record};
    use super::*;

    #[test]
    fn a_header_is_read_and_written() {
        let tail = [
            0, 0, 0, 7, // sequence
            1, 2, // engine
            0x40, 0x64, // sampling mode 1, interval 100
        ];
        let header =
            Header { shared: HEADER_FIELDS, sequence: 7, engine: 0x0102, sampling: 0x4064 };
        assert_eq!(header.interval(), 100);
        for version in [5, 7] {
            let mut expected = [&HEADER_BYTES[..], &tail].concat();
            expected[1] = version;
            assert_eq!(Header::parse(&mut Cursor::new(&expected, 0)).unwrap(), header);
            let mut bytes = [0xa5; HEADER];
            header.emit(version.into(), &mut bytes);
            assert_eq!(bytes[..], expected);
            let needed = Reason::Short { what: "header", needed: 24, left: 23 };
            let mut short = Cursor::new(&expected[..23], 0);
            assert_eq!(Header::parse(&mut short).unwrap_err(), needed);
        }
    }

    #[test]
    fn a_record_is_read_and_written() {
        check_record(&[0, 0x02, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0], parse_record, emit_record);
    }

    #[test]
    fn extras_are_read() {
        let mut bytes = [0; RECORD];
        put(&mut bytes, 8, [192, 0, 2, 254]);
        put(&mut bytes, record::TOS, [0xb8, 0xfd, 0xe8, 0, 9, 24, 16]);
        let expected = Extra {
            nexthop: Some([192, 0, 2, 254].into()),
            tos: Some(0xb8),
            srcas: Some(65_000),
            dstas: Some(9),
            srcmask: Some(24),
            dstmask: Some(16),
            ..Extra::default()
        };
        assert_eq!(parse_extra(&bytes), expected);
    }
}
