//! Reads finding lines in bounded memory, recognises input without any, and reports on its times.

use std::io::{self, BufRead, BufReader, Read};

use crate::capture;
use crate::cli::{Input, Io};
use crate::finding::words;
use crate::finding::{DETECTORS, Error, Item, MAX_JSON, Reader};
use crate::time::{Latest, Mark, Timeline, Timestamp, Window};

/// The message about input that has lines but no findings, which must not pass for a quiet day.
pub(super) const NO_FINDINGS: &str = "this is not the output of nfscan, nfflood or nfport: no line is \
    a finding or the end of a window that one of them judged; run them on the flow lines first";

/// The option `--now`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Now {
    /// Set aside windows that begin more than one slot (their length) after this time: RFC 3339 or
    /// Unix seconds [default: no window]
    #[arg(long = "now", value_name = "TIME", value_parser = parse_time)]
    pub(super) time: Option<Timestamp>,
}

/// Parses a time in RFC 3339 or Unix seconds.
///
/// # Errors
/// Returns a message for the user.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text.as_bytes())
        .ok_or_else(|| "not a time such as 2001-08-17T17:30:00Z".to_owned())
}

/// Returns the time of the system's clock, in whole seconds.
pub(super) fn clock() -> Timestamp {
    Timestamp::from_secs(capture::clock().secs())
}

/// The kinds of lines in the inputs of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InputKinds {
    /// True once there was a line other than an empty one or the header of a finding stream.
    has_lines: bool,
    /// True once there was a finding, or the closing mark of a detector.
    has_findings: bool,
}

impl InputKinds {
    /// Returns true if there were lines, but no findings and no windows of a detector.
    pub(super) fn is_something_else(self) -> bool {
        self.has_lines && !self.has_findings
    }
}

/// Reports the windows that `--now` set aside, and a gap before the newest window. `effect` is the
/// consequence of the gap for this command.
///
/// # Errors
/// Fails if all windows were set aside, so that there is nothing to work on.
pub(super) fn report_times(timeline: &Timeline, effect: &str, io: &mut Io) -> anyhow::Result<()> {
    if let Some(aside) = timeline.aside() {
        let (first, last) = (aside.first.start_text(), aside.last.start_text());
        anyhow::ensure!(
            !timeline.is_all_aside(),
            "all windows of the input, from {first} to {last}, begin after --now; is that time right?"
        );
        io.report.warn(format_args!(
            "{} set aside: their windows, from {first} to {last}, begin after --now",
            words::of(aside.lines, "line")
        ));
    }
    if let Some(Latest { newest, before: Some(before) }) = timeline.latest() {
        io.report.warn(format_args!("{}; {effect}", gap(before, newest)));
    }
    Ok(())
}

/// Describes a gap in the input between the window `before` and the newest one.
pub(super) fn gap(before: Window, newest: Window) -> String {
    format!(
        "more than 24 h lie between the window {} and the newest one, {}: either a clock was \
         wrong, or no data was collected in between",
        before.start_text(),
        newest.start_text()
    )
}

/// An error of [`read_findings`].
#[derive(Debug)]
pub(super) enum ReadError {
    /// The input failed; the command may go on with others.
    Input(io::Error),
    /// The command stops: by `--strict`, or by an error of the callback.
    Stop(anyhow::Error),
}

/// Reads one input of several, and gives each finding and mark to `take`. A line that is neither is
/// reported, or stops the command with `strict`; `take` then gets `None`.
///
/// # Errors
/// See [`ReadError`].
pub(super) fn read_findings(
    input: Input,
    strict: bool,
    seen: &mut InputKinds,
    io: &mut Io,
    mut take: impl FnMut(Option<Item>) -> anyhow::Result<()>,
) -> Result<(), ReadError> {
    let name = input.name.clone();
    let mut lines = FindingLines::new(input, seen);
    while let Some((number, item)) = lines.next().map_err(ReadError::Input)? {
        let item = match item {
            Ok(item) => Some(item),
            Err(error) => {
                let message = format!("{name}:{number}: {error}");
                if strict {
                    return Err(ReadError::Stop(anyhow::anyhow!(message)));
                }
                io.report.complain("bad lines", message);
                None
            }
        };
        take(item).map_err(ReadError::Stop)?;
    }
    Ok(())
}

/// A reader of finding lines and marks.
struct FindingLines<'s, R> {
    input: BufReader<R>,
    reader: Reader,
    line: Vec<u8>,
    number: u64,
    seen: &'s mut InputKinds,
}

impl<'s, R: Read> FindingLines<'s, R> {
    /// Returns a reader that notes the kinds of lines in `seen`.
    fn new(input: R, seen: &'s mut InputKinds) -> FindingLines<'s, R> {
        let input = BufReader::new(input);
        FindingLines { input, reader: Reader::new(), line: Vec::new(), number: 0, seen }
    }

    /// Returns the next finding, mark or malformed line, with its line number from 1; `None` at the
    /// end. A last line without a line feed counts too.
    ///
    /// # Errors
    /// Fails if the input does. The part of a line before the failure is lost.
    fn next(&mut self) -> io::Result<Option<(u64, Result<Item, Error>)>> {
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

    /// Reads the next line without its ending; returns false at the end. Of a line that is longer than
    /// any finding it keeps just enough for the reader to refuse it, so that an endless line costs no
    /// memory.
    fn take_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        // One byte more for the line feed and one for a carriage return.
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

/// Returns true for a finding and for the closing mark of a detector.
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
    fn input_without_findings_is_recognised_by_all_of_its_lines() {
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
            let mut input = FindingLines::new(text.as_bytes(), &mut seen);
            while input.next().unwrap().is_some() {}
            assert_eq!(seen.is_something_else(), expected, "{text}");
        }
    }

    fn lengths(text: &[u8]) -> Vec<usize> {
        let mut seen = InputKinds::default();
        let mut input = FindingLines::new(text, &mut seen);
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
    fn an_endless_line_costs_no_memory_and_is_refused() {
        let endless = io::repeat(b'x').take(50 << 20);
        let mut seen = InputKinds::default();
        let mut input = FindingLines::new(endless.chain(&b"\n#window\t-\t-"[..]), &mut seen);
        let (number, item) = input.next().unwrap().unwrap();
        assert!(number == 1 && matches!(item, Err(Error::Long { .. })), "{number} {item:?}");
        let (number, item) = input.next().unwrap().unwrap();
        assert!(number == 2 && matches!(item, Ok(Item::Mark(_))), "{number} {item:?}");
        assert!(input.next().unwrap().is_none());
        assert!(input.line.capacity() < 4 * MAX_JSON);
    }
}
