//! Lines of a stream, each in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line that is kept, without its ending: what the JSON form of a finding may take. A
/// longer one is read to its end and forgotten, so that a line without end costs no memory.
pub(super) const MAX_LINE: usize = 8000;

/// Reads lines from `R`.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: u64,
    /// The octets without the line ending; `None` if there are more than [`MAX_LINE`].
    pub text: Option<&'a [u8]>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input: BufReader::new(input), line: Vec::new(), number: 0 }
    }

    /// The next line, `None` at the end. A line that the end cuts short is one too.
    ///
    /// # Errors
    /// A stream that fails; what stood of a line before that is lost.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        // One octet for the line feed and one for a carriage return.
        let limit = MAX_LINE as u64 + 2;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is_whole = self.line.pop_if(|last| *last == b'\n').is_some();
        if is_whole {
            self.line.pop_if(|last| *last == b'\r');
        } else if self.line.len() as u64 == limit {
            self.input.skip_until(b'\n')?;
        }
        let text = (self.line.len() <= MAX_LINE).then_some(self.line.as_slice());
        Ok(Some(Line { number: self.number, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &[u8]) -> Vec<Option<usize>> {
        let mut lines = Lines::new(text);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            assert_eq!(line.number, all.len() as u64 + 1);
            all.push(line.text.map(<[u8]>::len));
        }
        all
    }

    #[test]
    fn lines_are_bounded_and_counted() {
        let long = |n| "x".repeat(n);
        let text = format!("a\r\n\n{}\n{}\n{}\r\nb", long(8000), long(8001), long(8000));
        let expected = [Some(1), Some(0), Some(8000), None, Some(8000), Some(1)];
        assert_eq!(lengths(text.as_bytes()), expected);
        assert_eq!(lengths(long(8000).as_bytes()), [Some(8000)]);
        assert_eq!(lengths(long(20_000).as_bytes()), [None]);
        assert_eq!(lengths(format!("{}\nb\n", long(8002)).as_bytes()), [None, Some(1)]);
        assert_eq!(lengths(b""), []);
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let endless = io::repeat(b'x').take(50 << 20);
        let mut lines = Lines::new(endless.chain(&b"\nlast"[..]));
        assert_eq!(lines.next().unwrap(), Some(Line { number: 1, text: None }));
        assert_eq!(lines.next().unwrap(), Some(Line { number: 2, text: Some(b"last") }));
        assert!(lines.line.capacity() < 4 * MAX_LINE);
    }
}
