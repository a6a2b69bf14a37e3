//! A read buffer that gives contiguous bytes and knows their offset in the stream.
//!
//! pcap-file's own buffer is not used: it takes 8 MB for every file, reports a larger block as a torn
//! file, and does not know its position in the file.

use std::io::{ErrorKind, Read};

use super::error::Error;

/// Bytes that are read from the stream at a time.
const CHUNK: usize = 256 * 1024;

/// A stream with look-ahead.
pub(super) struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    /// The bytes last taken lie in `taken..start`.
    taken: usize,
    start: usize,
    end: usize,
    /// Bytes of the stream before `start`.
    offset: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Input<R> {
        Input { inner, buffer: vec![0; CHUNK], taken: 0, start: 0, end: 0, offset: 0 }
    }

    /// Returns the offset of the next byte in the stream.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the next `n` bytes without taking them, or fewer at the end of the stream. Reads only if
    /// these bytes are not buffered yet, so that packets from a live pipe are not delayed.
    ///
    /// The buffer grows with the bytes that arrive, not with the length that a header claims.
    #[inline]
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8], Error> {
        if self.end - self.start < n {
            self.fill(n)?;
        }
        let end = self.end.min(self.start + n);
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    /// Returns the bytes that are buffered, without reading.
    #[inline]
    pub(super) fn ahead(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `n` bytes are buffered, or the stream ends.
    #[cold]
    fn fill(&mut self, n: usize) -> Result<(), Error> {
        while self.end - self.start < n {
            if self.buffer.len() - self.start < n && self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                (self.taken, self.start) = (0, 0);
            }
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.inner.read(free) {
                Ok(0) => break,
                Ok(read) => self.end += read.min(free.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + (self.end - self.start) as u64;
                    return Err(Error::Io { offset, source });
                }
            }
        }
        Ok(())
    }

    /// Takes `n` bytes that [`peek`](Input::peek) returned.
    #[inline]
    pub(super) fn take(&mut self, n: usize) {
        self.taken = self.start;
        self.start = self.end.min(self.start + n);
        self.offset += (self.start - self.taken) as u64;
    }

    /// Returns the bytes last taken. They are valid until the next [`peek`](Input::peek).
    #[inline]
    pub(super) fn taken(&self) -> &[u8] {
        self.buffer.get(self.taken..self.start).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn bytes_stay_in_order_across_the_end_of_the_buffer() {
        let bytes: Vec<u8> = (0..3 * CHUNK + 5).map(|i| (i % 251) as u8).collect();
        let mut input = Input::new(Cursor::new(&bytes));
        let mut at = 0;
        for n in [7, CHUNK - 3, 2 * CHUNK, 9].into_iter() {
            let n = n.min(bytes.len() - at);
            assert_eq!(input.peek(n).unwrap(), &bytes[at..at + n]);
            input.take(n);
            assert_eq!(input.taken(), &bytes[at..at + n]);
            at += n;
            assert_eq!(input.offset(), at as u64);
        }
        assert_eq!(at, bytes.len());
        assert!(input.peek(1).unwrap().is_empty());
    }

    #[test]
    fn claimed_length_allocates_nothing() {
        let mut input = Input::new(Cursor::new(b"abc"));
        assert_eq!(input.peek(1 << 30).unwrap(), b"abc");
        assert_eq!(input.buffer.len(), CHUNK);
    }
}
