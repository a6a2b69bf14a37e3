//! A cursor over the bytes of a datagram, which knows its offset for error messages.

use super::error::Reason;

/// Reads big-endian numbers and slices off the front of a datagram or of a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor over `bytes`, the first of which is byte `at` of the datagram.
    pub const fn new(bytes: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { rest: bytes, at }
    }

    /// Returns the offset of the next byte in the datagram.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Returns the bytes that have not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the bytes between this cursor and `later`, a copy of it that has read on.
    pub fn until(&self, later: &Cursor<'_>) -> &'a [u8] {
        let len = later.at.saturating_sub(self.at);
        self.rest.get(..len).unwrap_or_default()
    }

    /// Returns the number of bytes that have not been read.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Returns true if only padding is left: zeros, or nothing.
    pub fn is_padding(&self) -> bool {
        self.rest.iter().all(|&byte| byte == 0)
    }

    /// Takes the next `len` bytes. `what` names them in the error.
    ///
    /// # Errors
    /// [`Reason::Short`] if fewer are left; the cursor does not move then.
    pub fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], Reason> {
        let short = Reason::Short { what, needed: len, left: self.rest.len() };
        let (head, rest) = self.rest.split_at_checked(len).ok_or(short)?;
        self.rest = rest;
        self.at += len;
        Ok(head)
    }

    /// Takes the next `N` bytes as an array, as [`take`](Cursor::take) does.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], Reason> {
        let short = Reason::Short { what, needed: N, left: self.rest.len() };
        let (head, rest) = self.rest.split_first_chunk().ok_or(short)?;
        self.rest = rest;
        self.at += N;
        Ok(head)
    }

    /// Takes one byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Reason> {
        self.array(what).map(|&[byte]| byte)
    }

    /// Takes a number of two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Reason> {
        self.array(what).map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Takes a number of four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Reason> {
        self.array(what).map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Takes the length of a field of variable length: one byte, or 255 and two more (RFC 7011
    /// section 7).
    #[inline]
    pub fn field_len(&mut self) -> Result<usize, Reason> {
        match self.u8("field length")? {
            255 => Ok(self.u16("field length")?.into()),
            len => Ok(len.into()),
        }
    }

    /// Skips up to `len` bytes.
    pub fn skip(&mut self, len: usize) {
        let len = len.min(self.rest.len());
        self.rest = self.rest.get(len..).unwrap_or_default();
        self.at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_is_an_error_and_does_not_move_the_cursor() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5], 20);
        assert_eq!(cursor.u16("id").unwrap(), 0x0102);
        assert_eq!(
            cursor.u32("time").unwrap_err(),
            Reason::Short { what: "time", needed: 4, left: 3 }
        );
        assert_eq!(cursor.at(), 22);
        assert_eq!(Cursor::new(&[1, 2, 3, 4, 5], 20).until(&cursor), [1, 2]);
        assert_eq!(cursor.take("body", 2).unwrap(), [3, 4]);
        cursor.skip(9);
        assert_eq!((cursor.at(), cursor.left()), (25, 0));
    }
}
