//! Finding lines of one input, each in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

use crate::finding::{Error, Item, MAX_JSON, Reader};

/// Reads findings and marks from `R`.
pub(super) struct Findings<R> {
    input: BufReader<R>,
    reader: Reader,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Findings<R> {
    pub(super) fn new(input: R) -> Findings<R> {
        let input = BufReader::new(input);
        Findings { input, reader: Reader::new(), line: Vec::new(), number: 0 }
    }

    /// What the next line says that says anything, with its number from 1; `None` at the end. A line
    /// that the end cuts short is one too.
    ///
    /// # Errors
    /// A stream that fails; what stood of a line before that is lost.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<Item, Error>)>> {
        while self.take_line()? {
            if let Some(item) = self.reader.line(&self.line).transpose() {
                return Ok(Some((self.number, item)));
            }
        }
        Ok(None)
    }

    /// Takes the next line without its ending; false at the end. Of a line that is longer than any
    /// finding it keeps enough for the reader to refuse it: one without end costs no memory.
    fn take_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        // One octet for the line feed and one for a carriage return.
        let limit = MAX_JSON as u64 + 2;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.line.ends_with(b"\n") {
            self.line.pop();
            if self.line.ends_with(b"\r") {
                self.line.pop();
            }
        } else if self.line.len() as u64 == limit {
            self.input.skip_until(b'\n')?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &[u8]) -> Vec<usize> {
        let mut input = Findings::new(text);
        let mut all = Vec::new();
        while input.take_line().unwrap() {
            all.push(input.line.len());
            assert_eq!(input.number, all.len() as u64);
        }
        all
    }

    #[test]
    fn lines_are_bounded_and_counted() {
        let long = |n| "x".repeat(n);
        let text = format!("a\r\n\n{}\n{}\n{}\r\nb", long(8000), long(8001), long(8000));
        assert_eq!(lengths(text.as_bytes()), [1, 0, 8000, 8001, 8000, 1]);
        assert_eq!(lengths(long(20_000).as_bytes()), [8002]);
        assert_eq!(lengths(format!("{}\nb\n", long(9000)).as_bytes()), [8002, 1]);
        assert_eq!(lengths(b""), [0; 0]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_is_refused() {
        let endless = io::repeat(b'x').take(50 << 20);
        let mut input = Findings::new(endless.chain(&b"\n#window\t-\t-"[..]));
        let (number, item) = input.next().unwrap().unwrap();
        assert!(number == 1 && matches!(item, Err(Error::Long { .. })), "{number} {item:?}");
        let (number, item) = input.next().unwrap().unwrap();
        assert!(number == 2 && matches!(item, Ok(Item::Mark(_))), "{number} {item:?}");
        assert!(input.next().unwrap().is_none());
        assert!(input.line.capacity() < 4 * MAX_JSON);
    }
}
