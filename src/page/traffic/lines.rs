//! A stream whose lines have a greatest length.

use std::io::{self, Read};

/// The longest line in bytes. nftop's have at most 500; a file without line ends must not fill the memory.
pub(super) const MAX_LINE: usize = 1 << 16;

/// A stream that leaves out what exceeds [`MAX_LINE`] bytes of a line. The rest of such a line is no row.
#[derive(Debug)]
pub(super) struct BoundedLines<R> {
    inner: R,
    /// The length of the line so far.
    length: usize,
}

impl<R> BoundedLines<R> {
    /// Returns the bounded lines of a stream.
    pub const fn new(inner: R) -> BoundedLines<R> {
        BoundedLines { inner, length: 0 }
    }
}

impl<R: Read> Read for BoundedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.inner.read(buffer)?;
            let mut kept = 0;
            for at in 0..count {
                let Some(&byte) = buffer.get(at) else { break };
                self.length = if byte == b'\n' { 0 } else { self.length.saturating_add(1) };
                if self.length <= MAX_LINE {
                    if let Some(place) = buffer.get_mut(kept) {
                        *place = byte;
                        kept += 1;
                    }
                }
            }
            // No bytes mean the end of the stream.
            if kept > 0 || count == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_and_the_others_are_whole() {
        let long = "x".repeat(3 * MAX_LINE);
        let most = "y".repeat(MAX_LINE);
        let text = format!("one\n{long}\n{most}\n\nlast");
        let cut = format!("one\n{}\n{most}\n\nlast", &long[..MAX_LINE]);
        let mut read = String::new();
        BoundedLines::new(text.as_bytes()).read_to_string(&mut read).unwrap();
        assert!(read == cut, "{} bytes instead of {}", read.len(), cut.len());
    }
}
