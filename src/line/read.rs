//! Reads a stream of flow lines in blocks and returns the flows in batches.

use std::io::{self, Read};
use std::ops::Range;

use super::dialect::{Dialect, Tool};
use super::fast;
use super::parse::{Delimiter, Layout, LineError, further};
use crate::flow::{BATCH, Flow};
use crate::time::Mark;

/// The longest line that is read, in bytes without its ending. Writers make no longer one. A
/// hostile line beyond it is skipped without being kept, so that it costs no memory.
pub const MAX_LINE: usize = 64 * 1024;

/// Bytes of the stream that are kept at once.
const BLOCK: usize = 4 * MAX_LINE;

/// The byte order mark, with which some editors begin a text.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bytes at the start of a stream that are searched for signs of binary data.
const SNIFF: usize = 4096;

/// The next piece of a stream.
#[derive(Debug)]
pub enum Item<'a> {
    /// Consecutive flows with nothing between them, at most [`BATCH`]. Fewer if the reader would
    /// have to wait for the input, so that a live pipe is never late.
    Flows(&'a [Flow]),
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

/// The reason why a stream cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The stream fails.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The stream is no text.
    #[error("not flow lines but {content}")]
    NotText {
        /// A guess at its content.
        content: &'static str,
    },
}

/// The place that a reader has reached.
pub(super) enum Progress {
    /// The batch holds flows.
    Batch,
    /// Something stands between two batches.
    Between(Between),
    /// The stream is over.
    End,
}

/// A line between two batches.
#[derive(Debug)]
pub(super) enum Between {
    Mark(Mark),
    Bad {
        line: u64,
        error: LineError,
    },
    /// A line that names the columns, by its place in the block.
    Fields(Range<usize>),
}

/// A reader of flow lines from `R`, which should not buffer itself.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    /// The block; [`fast::WINDOW`] more bytes lie behind it, which [`fast::read`] may read.
    pub(super) block: Vec<u8>,
    /// The part of the block that is filled and not read yet.
    filled: Range<usize>,
    /// The stream is over.
    ended: bool,
    /// The rest of a line that is too long is still to be skipped.
    skipping: bool,
    /// Bytes at the start of the stream that were searched for signs of binary data.
    sniffed: usize,
    /// The number of the last line that was read.
    line: u64,
    /// The layout of the lines; `None` after a `#fields` line that was refused, because the old
    /// layout would be wrong.
    layout: Option<Layout>,
    delimiter: Option<Delimiter>,
    /// The program whose output the stream is, if the user named it.
    tool: Option<Tool>,
    /// Set for another program's output.
    pub(super) dialect: Option<Dialect>,
    pub(super) batch: Vec<Flow>,
    /// The places of the batch's lines in the block, if their text is wanted.
    pub(super) spans: Option<Vec<Range<usize>>>,
    /// The line that ended the last batch, to be returned after it.
    next: Option<Between>,
}

impl<R: Read> Reader<R> {
    /// Returns a reader at the start of a stream.
    pub fn new(input: R) -> Reader<R> {
        Reader {
            input,
            block: vec![0; BLOCK + fast::WINDOW],
            filled: 0..0,
            ended: false,
            skipping: false,
            sniffed: 0,
            line: 0,
            layout: Some(Layout::default()),
            delimiter: None,
            tool: None,
            dialect: None,
            batch: Vec::with_capacity(BATCH),
            spans: None,
            next: None,
        }
    }

    /// Reads the stream as output of this program, whatever its first line looks like.
    pub fn of(self, tool: Tool) -> Reader<R> {
        Reader { tool: Some(tool), dialect: Dialect::forced(tool), ..self }
    }

    /// Returns the next item, `None` at the end of the stream.
    ///
    /// # Errors
    /// A stream that fails or is no text. Everything read before it has been returned by then.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, StreamError> {
        loop {
            return Ok(Some(match self.step()? {
                Progress::Batch => Item::Flows(&self.batch),
                Progress::Between(Between::Mark(mark)) => Item::Mark(mark),
                Progress::Between(Between::Bad { line, error }) => Item::Bad { line, error },
                Progress::Between(Between::Fields(_)) => continue,
                Progress::End => return Ok(None),
            }));
        }
    }

    /// Reads up to the end of a batch, or the next line between two batches.
    pub(super) fn step(&mut self) -> Result<Progress, StreamError> {
        if let Some(between) = self.next.take() {
            return Ok(Progress::Between(between));
        }
        self.batch.clear();
        self.spans.iter_mut().for_each(Vec::clear);
        // A line of another program's may hold two flows.
        while self.batch.len() + usize::from(self.dialect.is_some()) < BATCH && self.next.is_none()
        {
            if !self.take_fast() && !self.take_line() {
                // No whole line is left in the block: return the batch before waiting for more.
                if !self.batch.is_empty() || self.ended {
                    break;
                }
                if let Err(error) = self.fill() {
                    // The rest of a line may have lost its last digits.
                    self.ended = true;
                    self.filled = 0..0;
                    return Err(error);
                }
            }
        }
        Ok(match self.next.take() {
            between if !self.batch.is_empty() => {
                self.next = between;
                Progress::Batch
            }
            Some(between) => Progress::Between(between),
            None => Progress::End,
        })
    }

    /// Reads lines by [`fast::read`], up to the first line of another form or the end of the batch.
    /// Returns false if it read none. [`Self::take_line`] would read the same flows.
    fn take_fast(&mut self) -> bool {
        let behind = self.layout.as_ref().and_then(Layout::behind_required);
        let (Some(delimiter), Some(behind), false) = (self.delimiter, behind, self.skipping) else {
            return false;
        };
        let separator = delimiter.byte();
        let before = self.batch.len();
        while self.batch.len() < BATCH {
            let unread = self.block.get(self.filled.start..).unwrap_or_default();
            let Some(text) = unread.first_chunk() else { break };
            let Some((flow, end)) = fast::read(text, separator) else { break };
            let unread = self.block.get(self.filled.clone()).unwrap_or_default();
            // The length of the line, and the text behind the nine columns.
            let (used, rest) = match unread.get(end..) {
                Some([b'\n', ..]) => (end + 1, None),
                Some([b'\r', b'\n', ..]) => (end + 2, None),
                Some([byte, rest @ ..]) if *byte == separator => {
                    let Some(length) = memchr::memchr(b'\n', rest) else { break };
                    (end + 1 + length + 1, rest.get(..length))
                }
                _ => break,
            };
            if used > MAX_LINE {
                break;
            }
            self.batch.push(flow);
            if let (Some(rest), Some(flow)) = (rest, self.batch.last_mut()) {
                let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
                if further(flow, behind, rest, delimiter).is_err() {
                    self.batch.pop();
                    break;
                }
            }
            self.line += 1;
            if let Some(spans) = &mut self.spans {
                spans.push(self.filled.start..self.filled.start + used);
            }
            self.filled.start += used;
        }
        self.batch.len() > before
    }

    /// Reads one whole line of the block. Returns false if there is none.
    fn take_line(&mut self) -> bool {
        let unread = self.block.get(self.filled.clone()).unwrap_or_default();
        let (line, used) = match memchr::memchr(b'\n', unread) {
            Some(at) => (unread.get(..at).unwrap_or_default(), at + 1),
            None if self.ended && !unread.is_empty() => (unread, unread.len()),
            None => return false,
        };
        let span = self.filled.start..self.filled.start + used;
        self.filled.start += used;
        self.line += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = match self.line {
            1 => line.strip_prefix(BOM).unwrap_or(line),
            _ => line,
        };
        if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE {
            self.next = Some(Between::Bad { line: self.line, error: LineError::Long(MAX_LINE) });
            return true;
        }
        let bad = |error| Some(Between::Bad { line: self.line, error });
        // Lines before the first flow may say which program wrote the stream.
        if self.delimiter.is_none() && self.dialect.is_none() && self.tool.is_none() {
            self.dialect = Dialect::of(line);
        }
        if let Some(dialect) = &mut self.dialect {
            if !line.is_empty() {
                if let Err(error) = dialect.read(line, &mut self.batch) {
                    self.next = bad(error);
                }
            }
            return true;
        }
        match line.first() {
            None => {}
            Some(b'#') => self.next = read_hash_line(line, self.line, span, &mut self.layout),
            Some(_) => {
                let delimiter = self.delimiter.unwrap_or_else(|| Delimiter::of(line));
                let flow = match &self.layout {
                    Some(layout) => layout.flow(line, delimiter),
                    None => Err(LineError::Unknown),
                };
                match flow {
                    Ok(flow) => {
                        self.delimiter = Some(delimiter);
                        self.batch.push(flow);
                        self.spans.iter_mut().for_each(|spans| spans.push(span.clone()));
                    }
                    // A line of names is looked for only here, so that flows cost nothing more.
                    Err(error) => match Layout::named(line) {
                        Some(layout) => {
                            self.layout = Some(layout);
                            self.next = Some(Between::Fields(span));
                        }
                        None => self.next = bad(error),
                    },
                }
            }
        }
        true
    }

    /// Moves the unread rest of the block to its front and reads once behind it.
    fn fill(&mut self) -> Result<(), StreamError> {
        self.block.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        if self.filled.len() > MAX_LINE + 1 {
            // A line without end: drop what came so far, but keep its number.
            self.skipping = true;
        }
        if self.skipping {
            self.filled = 0..0;
        }
        let room = self.block.get_mut(self.filled.end..BLOCK).unwrap_or_default();
        let count = loop {
            match self.input.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if self.sniffed < SNIFF {
            let head = room.get(..count.min(SNIFF - self.sniffed)).unwrap_or_default();
            if let Some(content) = binary(head, self.sniffed == 0) {
                return Err(StreamError::NotText { content });
            }
            self.sniffed += count;
        }
        self.filled.end += count;
        if count == 0 {
            self.ended = true;
            if std::mem::take(&mut self.skipping) {
                self.line += 1;
                self.next =
                    Some(Between::Bad { line: self.line, error: LineError::Long(MAX_LINE) });
            }
        }
        Ok(())
    }
}

/// Reads a line that begins with `#`: a mark, the names of the columns, or a comment, which is
/// skipped. `number` is the number of the line, `span` its place in the block.
fn read_hash_line(
    line: &[u8],
    number: u64,
    span: Range<usize>,
    layout: &mut Option<Layout>,
) -> Option<Between> {
    let bad = |error| Some(Between::Bad { line: number, error });
    match Mark::parse(line) {
        Some(Ok(mark)) => return Some(Between::Mark(mark)),
        Some(Err(error)) => return bad(error.into()),
        None => {}
    }
    let behind = line.strip_prefix(b"#fields")?;
    let (_, names) = behind.split_first().filter(|(first, _)| is_delimiter(first))?;
    match Layout::announced(names, Delimiter::of(names)) {
        Ok(announced) => {
            *layout = Some(announced);
            Some(Between::Fields(span))
        }
        Err(error) => {
            *layout = None;
            bad(error)
        }
    }
}

fn is_delimiter(byte: &u8) -> bool {
    matches!(byte, b'\t' | b',' | b' ')
}

/// Returns a guess at the content of a stream with these bytes near its start; `None` if it may be
/// text. `at_start`: they are its first bytes.
fn binary(head: &[u8], at_start: bool) -> Option<&'static str> {
    const CAPTURES: [&[u8]; 5] = [
        b"\x0a\x0d\x0d\x0a",
        b"\xa1\xb2\xc3\xd4",
        b"\xd4\xc3\xb2\xa1",
        b"\xa1\xb2\x3c\x4d",
        b"\x4d\x3c\xb2\xa1",
    ];
    if at_start && CAPTURES.iter().any(|magic| head.starts_with(magic)) {
        return Some("a capture file: nfdump-txt turns it into flow lines");
    }
    memchr::memchr(0, head).map(|_| "binary data")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;
    use proptest::prelude::*;

    /// A stream that returns at most `step` bytes at a time and may fail at its end.
    struct Drip<'a> {
        text: &'a [u8],
        step: usize,
        is_torn: bool,
    }

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.text.is_empty() && self.is_torn {
                return Err(io::Error::other("torn"));
            }
            let count = self.step.min(self.text.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.text[..count]);
            self.text = &self.text[count..];
            Ok(count)
        }
    }

    /// Returns all items of the stream as text, read `step` bytes at a time.
    fn items(text: &[u8], step: usize, is_torn: bool) -> Vec<String> {
        let mut reader = Reader::new(Drip { text, step, is_torn });
        let mut all: Vec<String> = Vec::new();
        loop {
            match reader.next_item() {
                Ok(Some(Item::Flows(flows))) => {
                    all.extend(flows.iter().map(|flow| format!("flow {}", flow.octets)));
                }
                Ok(Some(Item::Mark(mark))) => all.push(mark.to_string().replace('\t', " ")),
                Ok(Some(Item::Bad { line, error })) => all.push(format!("{line}: {error}")),
                Ok(None) => return all,
                Err(error) => all.push(format!("error: {error}")),
            }
        }
    }

    /// Reads the nine columns between TABs with the crate csv: the reference implementation.
    fn reference(text: &[u8]) -> Vec<String> {
        let mut rows = csv::ReaderBuilder::new();
        rows.delimiter(b'\t').quoting(false).has_headers(false).flexible(true);
        rows.terminator(csv::Terminator::Any(b'\n'));
        let mut all = Vec::new();
        for row in rows.from_reader(text).byte_records() {
            let row = row.unwrap();
            let field = |n: usize| {
                let field = row.get(n)?;
                let last = n + 1 == row.len();
                let field = field.strip_suffix(b"\r").filter(|_| last).unwrap_or(field);
                std::str::from_utf8(field).ok().filter(|text| !text.starts_with('+'))
            };
            let number = |n: usize| field(n)?.parse::<u64>().ok();
            let small = |n: usize| number(n).filter(|value| *value <= u32::MAX.into());
            let port = |n: usize| number(n).filter(|value| *value <= u16::MAX.into());
            let address = |n: usize| field(n)?.parse::<IpAddr>().ok();
            let flow = || {
                let proto = number(4).filter(|value| *value <= u8::MAX.into())?;
                let flow = Flow {
                    sif: small(0)? as u32,
                    sip: address(1)?,
                    dip: address(2)?,
                    dif: small(3)? as u32,
                    proto: proto as u8,
                    sport: port(5)? as u16,
                    dport: port(6)? as u16,
                    packets: number(7)?,
                    octets: number(8)?,
                    ..Flow::default()
                };
                Some(format!("{flow:?}"))
            };
            // An empty line is skipped.
            if row.len() > 1 || row.get(0).is_some_and(|only| only != b"\r") {
                all.push(flow().unwrap_or_else(|| "bad".to_owned()));
            }
        }
        all
    }

    /// Reads the same with the reader, `step` bytes at a time.
    fn read(text: &[u8], step: usize) -> Vec<String> {
        let mut reader = Reader::new(Drip { text, step, is_torn: false });
        let mut all = Vec::new();
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Flows(flows) => all.extend(flows.iter().map(|flow| format!("{flow:?}"))),
                Item::Bad { .. } => all.push("bad".to_owned()),
                Item::Mark(mark) => panic!("{mark}"),
            }
        }
        all
    }

    fn field() -> impl Strategy<Value = String> {
        prop_oneof![
            6 => any::<Ipv4Addr>().prop_map(|address| address.to_string()),
            1 => any::<Ipv6Addr>().prop_map(|address| address.to_string()),
            1 => "[0-9.]{0,16}",
            6 => "0{0,2}[0-9]{1,5}",
            1 => "[0-9]{5,22}",
            1 => "[-+ 0-9a-z/]{0,3}",
        ]
    }

    fn good() -> impl Strategy<Value = String> {
        let address = || {
            prop_oneof![
                9 => any::<Ipv4Addr>().prop_map(IpAddr::V4),
                1 => any::<Ipv6Addr>().prop_map(IpAddr::V6),
            ]
        };
        let octets = prop_oneof![3 => 0..1_000_000u64, 1 => any::<u64>()];
        (any::<u16>(), address(), address(), any::<u8>(), any::<u16>(), 1..99u8, octets).prop_map(
            |(sif, sip, dip, proto, port, packets, octets)| {
                format!("{sif}\t{sip}\t{dip}\t7\t{proto}\t{port}\t53\t{packets}\t{octets}")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn lines_are_read_as_by_the_crate_csv(
            lines in prop::collection::vec(
                prop_oneof![
                    6 => good(),
                    1 => good().prop_map(|line| line + "\t994025700.125\tx"),
                    2 => prop::collection::vec(field(), 0..12).prop_map(|fields| fields.join("\t")),
                ],
                1..40,
            ),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n"]), 40),
            last in any::<bool>(),
            step in 1..300usize,
        ) {
            // The first line sets the delimiter to TAB.
            let mut text = "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t40\n".to_owned();
            lines.iter().zip(&ends).for_each(|(line, end)| text.extend([line.as_str(), end]));
            let text = if last { text.trim_end() } else { &text };
            prop_assert_eq!(read(text.as_bytes(), step), reference(text.as_bytes()));
        }
    }

    const TEXT: &str = "#fields\tdip\tsip\tsif\tlabel\tdif\tproto\tsport\tdport\tpackets\toctets\tstart\r\n\
        #window\t2001-07-01T00:20:00Z\t600\n\
        # a remark\n\n\
        192.0.2.1\t192.0.2.2\t1\tx\t2\t6\t1\t2\t3\t40\t994025700.125\n\
        192.0.2.1\t192.0.2.2\t1\tx\t2\t6\t1\t2\t3\t41\t-\r\n\
        nonsense\n\
        #end\t2001-07-01T00:20:00Z\t600\tflows=2\n\
        192.0.2.1\t192.0.2.2\t1\tx\t2\t6\t1\t2\t3\t42";

    #[test]
    fn items_come_in_order_however_the_reads_are_cut() {
        let expected = [
            "#window 2001-07-01T00:20:00Z 600",
            "flow 40",
            "flow 41",
            "7: dip cannot be \"nonsense\"",
            "#end 2001-07-01T00:20:00Z 600 flows=2",
            "flow 42",
        ];
        for step in [1, 2, 7, 64, 4096] {
            assert_eq!(items(TEXT.as_bytes(), step, false), expected, "in steps of {step}");
        }
        let torn = items(TEXT.as_bytes(), 7, true);
        assert_eq!(torn.last().unwrap(), "error: torn");
    }

    #[test]
    fn a_line_without_end_is_skipped_in_bounded_memory() {
        let good = "1 192.0.2.1 192.0.2.2 2 6 1 2 3 40\n";
        let text = [good.as_bytes(), &vec![b'7'; 3 * BLOCK], b"\n", good.as_bytes()].concat();
        let expected = ["flow 40", "2: line longer than 65536 bytes", "flow 40"];
        for step in [1000, BLOCK, 10 * BLOCK] {
            assert_eq!(items(&text, step, false), expected);
        }
        let text = [good.as_bytes(), &vec![b'7'; 3 * BLOCK]].concat();
        assert_eq!(items(&text, BLOCK, false), expected[..2]);
        let mut reader = Reader::new(Drip { text: &text, step: BLOCK, is_torn: false });
        while reader.next_item().unwrap().is_some() {}
        assert_eq!(reader.block.len(), BLOCK + fast::WINDOW);
    }

    #[test]
    fn a_byte_order_mark_and_a_first_line_of_prose_change_nothing() {
        let fields = "#fields\tdip\tsip\tsif\tdif\tproto\tsport\tdport\tpackets\toctets\n";
        let text =
            format!("\u{feff}{fields}Hello, world\n192.0.2.1\t192.0.2.2\t1\t2\t6\t1\t2\t3\t40\n");
        let expected = ["2: dip cannot be \"Hello\"", "flow 40"];
        assert_eq!(items(text.as_bytes(), 4096, false), expected);
    }

    #[test]
    fn a_stream_that_is_no_text_is_refused_at_once() {
        let error = |text: &[u8]| items(text, 100, false).join("; ");
        let elf = b"\x7fELF\x02\x01\x00\n\n";
        assert_eq!(error(elf), "error: not flow lines but binary data");
        assert_eq!(items(elf, 4, false), ["error: not flow lines but binary data"]);
        assert!(error(b"\x0a\x0d\x0d\x0a\x00\x00").contains("nfdump-txt turns it into"));
        assert_eq!(error(b""), "");
    }

    #[test]
    fn a_line_of_names_works_like_fields() {
        let text = b"octets,sif,sip,dip,dif,proto,sport,dport,packets,vlan,end\r\n\
            40,1,192.0.2.1,192.0.2.2,2,6,1,2,3,100,\r\n\
            sip,dip\n\
            octets\n";
        let expected = ["flow 40", "3: octets cannot be \"sip\"", "4: octets cannot be \"octets\""];
        assert_eq!(items(text, 9, false), expected);
    }

    #[test]
    fn fields_without_one_of_the_nine_are_refused() {
        assert_eq!(items(b"#fields\tsip\tdip\n", 9, false), ["1: #fields does not name sif"]);
        let good = "1 192.0.2.1 192.0.2.2 2 6 1 2 3 40\n";
        let text = format!(
            "{good}#fields\tsip\n{good}#fields sif sip dip dif proto sport dport packets octets\n{good}"
        );
        let expected = [
            "flow 40",
            "2: #fields does not name sif",
            "3: columns unknown since the #fields line that was refused",
            "flow 40",
        ];
        assert_eq!(items(text.as_bytes(), 999, false), expected);
        assert_eq!(items(b"#fieldsets\tsip\tdip\n", 9, false), [""; 0]);
    }
}
