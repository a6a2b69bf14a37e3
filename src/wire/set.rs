//! Sets, which NetFlow v9 calls FlowSets: the format that v9 shares with IPFIX (RFC 3954 section 5,
//! RFC 7011 section 3.3).

use super::cursor::Cursor;
use super::element;
use super::error::Reason;
use crate::flow::Flow;

mod field {
    use std::ops::Range;

    pub const ID: Range<usize> = 0..2;
    pub const LENGTH: Range<usize> = 2..4;
}

/// Bytes of a set's header.
pub(super) const HEADER: usize = field::LENGTH.end;

/// The lowest id of a data set, and of the template that its records follow (RFC 7011 section
/// 3.4.1).
pub(super) const DATA: u16 = 256;

/// A set: its id and the bytes after its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set<'a> {
    pub id: u16,
    /// Offset of the header in the datagram.
    pub at: usize,
    pub body: Cursor<'a>,
    /// The fault of a set whose length is larger than the rest of the datagram; `body` is that rest
    /// then.
    pub overrun: Option<Reason>,
}

impl<'a> Set<'a> {
    /// Takes the next set. Returns `None` at the end, where at most padding is left: some exporters
    /// fill the datagram with more than a thousand zeros.
    ///
    /// # Errors
    /// A length that is smaller than the header. Later sets cannot be found then.
    pub fn next(cursor: &mut Cursor<'a>) -> Option<Result<Set<'a>, Reason>> {
        let at = cursor.at();
        let mut header = *cursor;
        let (Ok(id), Ok(stated)) = (header.u16("set"), header.u16("set")) else { return None };
        let Some(len) = usize::from(stated).checked_sub(HEADER) else {
            return if cursor.is_padding() {
                None
            } else {
                Some(Err(Reason::SetLength { found: stated }))
            };
        };
        let left = cursor.left();
        let overrun = (usize::from(stated) > left).then_some(Reason::SetOverrun { stated, left });
        let here = len.min(header.left());
        let body = Cursor::new(header.rest().get(..here).unwrap_or_default(), header.at());
        header.skip(here);
        *cursor = header;
        Some(Ok(Set { id, at, body, overrun }))
    }
}

/// Writes a number at a constant offset of a fixed layout.
#[inline]
pub(super) const fn put<const N: usize, const M: usize>(
    bytes: &mut [u8; N],
    at: usize,
    number: [u8; M],
) {
    if let Some((_, rest)) = bytes.split_at_mut_checked(at) {
        if let Some(place) = rest.first_chunk_mut() {
            *place = number;
        }
    }
}

/// Appends the header of a set, whose length [`end`] fills in. Returns the offset of the header.
pub(super) fn begin(out: &mut Vec<u8>, id: u16) -> usize {
    let at = out.len();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0; HEADER - field::ID.end]);
    at
}

/// Ends the set whose header is at `at`: pads it to a multiple of four bytes and writes its length.
pub(super) fn end(out: &mut Vec<u8>, at: usize) {
    out.resize(at + (out.len() - at).next_multiple_of(4), 0);
    end_unpadded(out, at);
}

/// Ends the set whose header is at `at` without padding: writes its length.
pub(super) fn end_unpadded(out: &mut [u8], at: usize) {
    let len = u16::try_from(out.len().saturating_sub(at)).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(at + field::LENGTH.start..at + field::LENGTH.end) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

/// Appends a template record (RFC 3954 section 5.2, RFC 7011 section 3.4.1). Its format is the same
/// in both protocols as long as no field has an enterprise number.
pub(super) fn template(out: &mut Vec<u8>, id: u16, fields: &[&[(u16, u16)]]) {
    let count: usize = fields.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    for (element, len) in fields.iter().copied().flatten() {
        out.extend_from_slice(&element.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
    }
}

/// Bytes of a record by [`emit_record`] besides the two times.
pub(super) const RECORD: usize = 33;

/// Returns the fields of [`emit_record`] in order, as (element, length). `start` and `end` are the
/// elements of the times, which have `time_len` bytes each.
pub(super) const fn record_fields(start: u16, end: u16, time_len: u16) -> [(u16, u16); 11] {
    [
        (element::INGRESS_INTERFACE, 4),
        (element::EGRESS_INTERFACE, 4),
        (element::PACKET_DELTA_COUNT, 8),
        (element::OCTET_DELTA_COUNT, 8),
        (start, time_len),
        (end, time_len),
        (element::SOURCE_TRANSPORT_PORT, 2),
        (element::DESTINATION_TRANSPORT_PORT, 2),
        (element::TCP_CONTROL_BITS, 2),
        (element::PROTOCOL_IDENTIFIER, 1),
        // The element of IPv4; a template for IPv6 names element 139 here.
        (element::ICMP_TYPE_CODE_IPV4, 2),
    ]
}

/// Writes a record up to its addresses. `N` must be [`RECORD`] and twice `TIME`.
pub(super) fn emit_record<const TIME: usize, const N: usize>(
    flow: &Flow,
    icmp: u16,
    [first, last]: [[u8; TIME]; 2],
    bytes: &mut [u8; N],
) {
    put(bytes, 0, flow.sif.to_be_bytes());
    put(bytes, 4, flow.dif.to_be_bytes());
    put(bytes, 8, flow.packets.to_be_bytes());
    put(bytes, 16, flow.octets.to_be_bytes());
    put(bytes, 24, first);
    put(bytes, 24 + TIME, last);
    let at = 24 + 2 * TIME;
    put(bytes, at, flow.sport.to_be_bytes());
    put(bytes, at + 2, flow.dport.to_be_bytes());
    put(bytes, at + 4, flow.flags.unwrap_or(0).to_be_bytes());
    put(bytes, at + 6, [flow.proto]);
    put(bytes, at + 7, icmp.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_end_with_padding_or_a_fault() {
        let bytes = [1, 0, 0, 6, 7, 8, 0, 0, 0, 0, 0];
        let mut cursor = Cursor::new(&bytes, 20);
        let set = Set::next(&mut cursor).unwrap().unwrap();
        assert_eq!((set.id, set.at, set.body.at(), set.body.rest()), (256, 20, 24, &[7, 8][..]));
        assert_eq!(set.overrun, None);
        assert!(Set::next(&mut cursor).is_none());

        let mut cursor = Cursor::new(&[1, 0, 0, 3, 0], 0);
        assert_eq!(Set::next(&mut cursor).unwrap().unwrap_err(), Reason::SetLength { found: 3 });

        let mut cursor = Cursor::new(&[1, 0, 0, 9, 7], 0);
        let set = Set::next(&mut cursor).unwrap().unwrap();
        assert_eq!(set.body.rest(), [7]);
        assert_eq!(set.overrun, Some(Reason::SetOverrun { stated: 9, left: 5 }));
        assert!(Set::next(&mut cursor).is_none());
    }

    #[test]
    fn a_set_is_padded_and_has_its_length() {
        let mut out = vec![0xa5; 2];
        let at = begin(&mut out, 2);
        template(&mut out, 256, &[&[(8, 4)], &[(12, 4)]]);
        out.push(0xff);
        end(&mut out, at);
        assert_eq!(
            out,
            [0xa5, 0xa5, 0, 2, 0, 20, 1, 0, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4, 0xff, 0, 0, 0]
        );
    }
}
