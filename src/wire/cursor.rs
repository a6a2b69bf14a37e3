//! A walk over foreign octets that always knows where in the datagram it stands.

use super::error::Reason;

/// Reads big-endian numbers and slices off the front of a datagram or of a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Over `octets`, the first of which is octet `at` of the datagram.
    pub const fn new(octets: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { rest: octets, at }
    }

    /// Offset of the next octet in the datagram.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The octets from here to where `later`, a copy that was read on, stands.
    pub fn until(&self, later: &Cursor<'_>) -> &'a [u8] {
        let len = later.at.saturating_sub(self.at);
        self.rest.get(..len).unwrap_or_default()
    }

    /// Octets not read yet.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether all that is left is zeros, or nothing is left: padding.
    pub fn is_padding(&self) -> bool {
        self.rest.iter().all(|&octet| octet == 0)
    }

    /// The next `len` octets, or [`Reason::Short`]; the cursor stays where it was then.
    pub fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], Reason> {
        let short = Reason::Short { what, needed: len, left: self.rest.len() };
        let (head, rest) = self.rest.split_at_checked(len).ok_or(short)?;
        self.rest = rest;
        self.at += len;
        Ok(head)
    }

    /// The next `N` octets as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], Reason> {
        let short = Reason::Short { what, needed: N, left: self.rest.len() };
        let (head, rest) = self.rest.split_first_chunk().ok_or(short)?;
        self.rest = rest;
        self.at += N;
        Ok(head)
    }

    /// The next octet.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Reason> {
        self.array(what).map(|&[octet]| octet)
    }

    /// The next two octets.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Reason> {
        self.array(what).map(|octets| u16::from_be_bytes(*octets))
    }

    /// The next four octets.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Reason> {
        self.array(what).map(|octets| u32::from_be_bytes(*octets))
    }

    /// Skips up to `len` octets.
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
    fn it_says_what_was_missing_and_stays() {
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
