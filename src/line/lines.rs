//! Reads flows together with the text of their lines.

use std::io::Read;
use std::ops::Range;

use super::dialect::Tool;
use super::parse::LineError;
use super::read::{BOM, Between, Progress, Reader, StreamError};
use crate::flow::Flow;
use crate::time::Mark;

/// The next piece of a stream, with its text.
#[derive(Debug)]
pub enum Kept<'a> {
    /// Consecutive flows, as in [`Item::Flows`](super::Item::Flows).
    Flows {
        /// The flows.
        flows: &'a [Flow],
        /// The lines of the flows; `None` for another program's output, where a line need not be
        /// one flow.
        text: Option<Text<'a>>,
    },
    /// A line that names the columns, without its ending: `#fields`, or the names alone as in CSV.
    Fields(&'a [u8]),
    /// A window opens or closes.
    Mark(Mark),
    /// A line that could not be read and was skipped.
    Bad {
        /// The number of the line, from 1.
        line: u64,
        /// The reason.
        error: LineError,
    },
}

/// The lines of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    block: &'a [u8],
    spans: &'a [Range<usize>],
}

impl<'a> Text<'a> {
    /// Returns the line of the `n`th flow as it was read, without its ending.
    pub fn line(&self, n: usize) -> &'a [u8] {
        self.spans.get(n).map_or(&[], |span| line(self.block, span))
    }
}

/// A reader of flow lines from `R` that keeps their text. `R` should not buffer itself.
#[derive(Debug)]
pub struct Lines<R>(Reader<R>);

impl<R: Read> Lines<R> {
    /// Returns a reader at the start of a stream.
    pub fn new(input: R) -> Lines<R> {
        let mut reader = Reader::new(input);
        reader.spans = Some(Vec::new());
        Lines(reader)
    }

    /// Reads the stream as output of this program.
    pub fn of(self, tool: Tool) -> Lines<R> {
        Lines(self.0.of(tool))
    }

    /// Returns the next piece, `None` at the end of the stream.
    ///
    /// # Errors
    /// A stream that fails or is no text. Everything read before it has been returned by then.
    pub fn next_kept(&mut self) -> Result<Option<Kept<'_>>, StreamError> {
        Ok(Some(match self.0.step()? {
            Progress::Batch => {
                let spans = self.0.spans.as_deref().filter(|_| self.0.dialect.is_none());
                let text = spans.map(|spans| Text { block: &self.0.block, spans });
                Kept::Flows { flows: &self.0.batch, text }
            }
            Progress::Between(Between::Mark(mark)) => Kept::Mark(mark),
            Progress::Between(Between::Bad { line, error }) => Kept::Bad { line, error },
            Progress::Between(Between::Fields(span)) => Kept::Fields(line(&self.0.block, &span)),
            Progress::End => return Ok(None),
        }))
    }
}

/// Returns a line of the block without its ending and without a byte order mark before it.
fn line<'a>(block: &'a [u8], span: &Range<usize>) -> &'a [u8] {
    let line = block.get(span.clone()).unwrap_or_default();
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.strip_prefix(BOM).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_as_they_were_read() {
        let text = "\u{feff}#fields\tdip\tsip\tsif\tdif\tproto\tsport\tdport\tpackets\toctets\tx\r\n\
            #window\t2001-07-01T00:20:00Z\t600\n# a remark\n\
            192.0.2.1\t192.0.2.2\t1\t2\t6\t1\t2\t3\t40\ta  b \r\n\
            192.0.2.1\t2001:DB8::\t1\t2\t6\t1\t2\t3\t40\n\
            nonsense\n\
            #fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tend\n\
            1\t192.0.2.1\t192.0.2.2\t2\t6\t01\t2\t3\t41\t-\n\
            1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t42\t994025700.000\r\n\
            1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t43";
        let mut lines = Lines::new(text.as_bytes());
        let mut all = Vec::new();
        while let Some(kept) = lines.next_kept().unwrap() {
            match kept {
                Kept::Flows { flows, text } => all.extend((0..flows.len()).map(|n| {
                    format!(
                        "{}: {}",
                        flows[n].octets,
                        String::from_utf8_lossy(text.unwrap().line(n))
                    )
                })),
                Kept::Fields(line) => all.push(String::from_utf8_lossy(line).into_owned()),
                Kept::Mark(mark) => all.push(mark.to_string()),
                Kept::Bad { line, error } => all.push(format!("{line}: {error}")),
            }
        }
        let expected = [
            "#fields\tdip\tsip\tsif\tdif\tproto\tsport\tdport\tpackets\toctets\tx",
            "#window\t2001-07-01T00:20:00Z\t600",
            "40: 192.0.2.1\t192.0.2.2\t1\t2\t6\t1\t2\t3\t40\ta  b ",
            "40: 192.0.2.1\t2001:DB8::\t1\t2\t6\t1\t2\t3\t40",
            "6: dip cannot be \"nonsense\"",
            "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tend",
            "41: 1\t192.0.2.1\t192.0.2.2\t2\t6\t01\t2\t3\t41\t-",
            "42: 1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t42\t994025700.000",
            "43: 1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t43",
        ];
        assert_eq!(all, expected);
    }
}
