//! Reads finding lines in bounded memory, recognises input that has none, and tells of its times.

use std::io::{self, BufRead, BufReader, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::Io;
use crate::finding::{DETECTORS, Error, Item, MAX_JSON, Reader};
use crate::time::{Latest, Mark, Timeline, Timestamp, Window};

/// The message about input that has lines but no findings: nobody may take it for a quiet day's.
pub(super) const NO_FINDINGS: &str = "this is not what nfscan, nfflood or nfport print: no line is a \
    finding or the end of a window that one of them judged; run them on the flow lines first";

/// `--now`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Now {
    /// Set aside windows that begin more than one slot (their length) after this time: RFC 3339 or
    /// Unix seconds [default: none is]
    #[arg(long = "now", value_name = "TIME", value_parser = parse_time)]
    pub(super) time: Option<Timestamp>,
}

/// Reads a moment as options of these commands name it.
///
/// # Errors
/// A message for the user that says what is wrong.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text.as_bytes())
        .ok_or_else(|| "no time such as 2001-08-17T17:30:00Z".to_owned())
}

/// Returns the time of this machine's clock.
pub(super) fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(since.as_secs())
}

/// The kinds of lines that the inputs of a run had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InputKinds {
    /// A line other than an empty one or the header of a finding stream.
    has_lines: bool,
    /// A finding, or the closing mark of a detector.
    has_findings: bool,
}

impl InputKinds {
    /// Returns true if there were lines, but of something else than findings.
    pub(super) fn is_something_else(self) -> bool {
        self.has_lines && !self.has_findings
    }
}

/// Says on stderr which lines were set aside, and that the newest window lies behind a gap. `effect`
/// says what the command makes of the gap.
///
/// # Errors
/// All windows were set aside, so there is nothing to work on.
pub(super) fn tell_times(timeline: &Timeline, effect: &str, io: &mut Io) -> anyhow::Result<()> {
    if let Some(aside) = timeline.aside() {
        let (first, last) = (aside.first.start_text(), aside.last.start_text());
        anyhow::ensure!(
            !timeline.is_all_aside(),
            "all windows of the input, from {first} to {last}, begin after --now: is that time right?"
        );
        io.report.warn(format_args!(
            "{} lines are set aside: their windows, from {first} to {last}, begin after --now",
            aside.lines
        ));
    }
    if let Some(Latest { newest, before: Some(before) }) = timeline.latest() {
        io.report.warn(format_args!("{}; {effect}", gap(before, newest)));
    }
    Ok(())
}

/// Describes a gap in an input.
pub(super) fn gap(before: Window, newest: Window) -> String {
    format!(
        "more than 24 h lie between the window {} and the newest one, {}: either a clock was \
         wrong or nothing was collected in between",
        before.start_text(),
        newest.start_text()
    )
}

/// Reads findings and marks from `R`.
pub(super) struct Findings<'s, R> {
    input: BufReader<R>,
    reader: Reader,
    line: Vec<u8>,
    number: u64,
    seen: &'s mut InputKinds,
}

impl<'s, R: Read> Findings<'s, R> {
    /// Reads one input of several, and notes in `seen` which kinds of lines it has.
    pub(super) fn new(input: R, seen: &'s mut InputKinds) -> Findings<'s, R> {
        let input = BufReader::new(input);
        Findings { input, reader: Reader::new(), line: Vec::new(), number: 0, seen }
    }

    /// What the next line says that says anything, with its number from 1; `None` at the end. A line
    /// that the end cuts short is one too.
    ///
    /// # Errors
    /// A stream that fails; what stood of a line before that is lost.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Result<Item, Error>)>> {
        while self.take_line()? {
            let item = self.reader.line(&self.line);
            let is_header = matches!(item, Ok(None)) && self.line.starts_with(b"#fields\t");
            self.seen.has_lines |= !self.line.is_empty() && !is_header;
            self.seen.has_findings |= matches!(&item, Ok(Some(item)) if is_of_detector(item));
            if let Some(item) = item.transpose() {
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

fn is_of_detector(item: &Item) -> bool {
    match item {
        Item::Finding(_) => true,
        Item::Mark(Mark::End(end)) => {
            end.tool.as_deref().is_some_and(|tool| DETECTORS.contains(&tool))
        }
        Item::Mark(Mark::Window(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_finding_input_is_known_by_all_of_its_lines() {
        let header = format!("#fields\t{}\n", crate::finding::COLUMNS.join("\t"));
        let mark = "2001-07-01T00:20:00Z\t600";
        let judged = format!("#end\t{mark}\tflows=1\tstate=ok\ttool=nfport\n");
        let flow = "1\t192.0.2.1\t192.0.2.2\t2\t6\t1025\t80\t3\t144\n";
        let json =
            |tool: &str| format!("{{\"mark\":\"end\",\"start\":null,\"seconds\":null{tool}}}\n");
        for (text, expected) in [
            (String::new(), false),
            ("\n\n".to_owned(), false),
            (header.clone(), false),
            (judged.clone(), false),
            (format!("nonsense\n{judged}{flow}"), false),
            (json(",\"tool\":\"nfscan\""), false),
            ("nonsense\n".to_owned(), true),
            ("# a comment\n".to_owned(), true),
            (flow.to_owned(), true),
            (format!("#window\t{mark}\n{flow}#end\t{mark}\tflows=1\tstate=ok\n"), true),
            (format!("#window\t{mark}\n"), true),
            (format!("{header}#end\t{mark}\tstate=nodata\n"), true),
            (format!("#end\t{mark}\tstate=ok\ttool=nftop\n"), true),
            ("#fields\tsip\tdip\n".to_owned(), true),
            (json(""), true),
            ("{}\n".to_owned(), true),
        ] {
            let mut seen = InputKinds::default();
            let mut input = Findings::new(text.as_bytes(), &mut seen);
            while input.next().unwrap().is_some() {}
            assert_eq!(seen.is_something_else(), expected, "{text}");
        }
    }

    fn lengths(text: &[u8]) -> Vec<usize> {
        let mut seen = InputKinds::default();
        let mut input = Findings::new(text, &mut seen);
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
        let mut seen = InputKinds::default();
        let mut input = Findings::new(endless.chain(&b"\n#window\t-\t-"[..]), &mut seen);
        let (number, item) = input.next().unwrap().unwrap();
        assert!(number == 1 && matches!(item, Err(Error::Long { .. })), "{number} {item:?}");
        let (number, item) = input.next().unwrap().unwrap();
        assert!(number == 2 && matches!(item, Ok(Item::Mark(_))), "{number} {item:?}");
        assert!(input.next().unwrap().is_none());
        assert!(input.line.capacity() < 4 * MAX_JSON);
    }
}
