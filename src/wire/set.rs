//! Sets, which NetFlow v9 calls FlowSets: the envelope that it shares with IPFIX (RFC 3954
//! section 5, RFC 7011 section 3.3).

use super::cursor::Cursor;
use super::error::Reason;

mod field {
    use std::ops::Range;

    pub const ID: Range<usize> = 0..2;
    pub const LENGTH: Range<usize> = 2..4;
}

/// Octets of a set's header.
pub(super) const HEADER: usize = field::LENGTH.end;

/// Ids from here on are those of data, and of the templates they follow (RFC 7011 section 3.4.1).
pub(super) const DATA: u16 = 256;

/// A set: its id and what is between its header and its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set<'a> {
    pub id: u16,
    /// Offset of the header in the datagram.
    pub at: usize,
    pub body: Cursor<'a>,
    /// The set says that it is longer than what is left of the datagram; `body` is what there is.
    pub overrun: Option<Reason>,
}

impl<'a> Set<'a> {
    /// Takes the next set. `None` at the end, where at most padding is left: some exporters fill
    /// the datagram up with zeros, more than a thousand of them.
    ///
    /// # Errors
    /// A length that does not hold the header. Nothing further can be found then.
    pub fn next(cursor: &mut Cursor<'a>) -> Option<Result<Set<'a>, Reason>> {
        let at = cursor.at();
        let mut header = *cursor;
        let (Ok(id), Ok(stated)) = (header.u16("set"), header.u16("set")) else { return None };
        let Some(len) = usize::from(stated).checked_sub(HEADER) else {
            return match cursor.is_padding() {
                true => None,
                false => Some(Err(Reason::SetLength { found: stated })),
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
    octets: &mut [u8; N],
    at: usize,
    number: [u8; M],
) {
    if let Some((_, rest)) = octets.split_at_mut_checked(at) {
        if let Some(place) = rest.first_chunk_mut() {
            *place = number;
        }
    }
}

/// Appends a set's header whose length [`end`] fills in. Returns where it stands.
pub(super) fn begin(out: &mut Vec<u8>, id: u16) -> usize {
    let at = out.len();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0; HEADER - field::ID.end]);
    at
}

/// Ends the set that began at `at`: pads it to four octets and writes its length.
pub(super) fn end(out: &mut Vec<u8>, at: usize) {
    out.resize(at + (out.len() - at).next_multiple_of(4), 0);
    end_unpadded(out, at);
}

/// Ends the set that began at `at` where it is: writes its length.
pub(super) fn end_unpadded(out: &mut [u8], at: usize) {
    let len = u16::try_from(out.len().saturating_sub(at)).unwrap_or(u16::MAX);
    if let Some(place) = out.get_mut(at + field::LENGTH.start..at + field::LENGTH.end) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

/// Appends a template record (RFC 3954 section 5.2, RFC 7011 section 3.4.1): the same in both
/// protocols as long as no field is an enterprise's.
pub(super) fn template(out: &mut Vec<u8>, id: u16, fields: &[&[(u16, u16)]]) {
    let count: usize = fields.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
    for (element, len) in fields.iter().copied().flatten() {
        out.extend_from_slice(&element.to_be_bytes());
        out.extend_from_slice(&len.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_end_with_padding_or_a_fault() {
        let octets = [1, 0, 0, 6, 7, 8, 0, 0, 0, 0, 0];
        let mut cursor = Cursor::new(&octets, 20);
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
