//! nfgrep: reads flow lines and prints those that match an expression, unchanged.

use std::io::Write;
use std::path::Path;

use crate::cli::{Input, Io, Status};
use crate::filter::Chosen;
use crate::flow::Flow;
use crate::line::{Column, Kept, Lines, REQUIRED, StreamError, Text, Writer};
use crate::report::Escaped;
use crate::time::Mark;
use crate::window::FilteredMarks;

mod args;
mod columns;
mod evidence;
mod output;
mod wanted;

pub use args::Args;

use columns::Columns;
use output::flush;
use wanted::Wanted;

/// Runs nfgrep.
///
/// # Errors
/// Fails at an expression that cannot be parsed, a full disk, and under `--strict` a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let (wanted, files) = Wanted::new(&args, io)?;
    let mut run = GrepRun {
        wanted,
        columns: Columns::new(!args.no_header && !args.count && args.evidence.is_none()),
        marks: FilteredMarks::default(),
        lines: Vec::new(),
        chosen: Chosen::default(),
        matched: 0,
        read: 0,
        found: false,
        bad: false,
        failed: false,
        args: &args,
    };
    for path in &files {
        let read = run.read;
        run.matched = 0;
        if !run.input(path, io)? {
            continue;
        }
        let (matched, read) = (run.matched, run.read - read);
        run.found |= matched > 0;
        io.report.detail(format_args!("{}: {matched} of {read} flows match", path.display()));
        if args.count && files.len() == 1 {
            writeln!(io.out, "{matched}")?;
        } else if args.count {
            writeln!(io.out, "{}:{matched}", Escaped(path.display()))?;
        }
    }
    let last = run.marks.end();
    run.print(last, io)?;
    if let Some((evidence, queries)) = run.wanted.evidence() {
        evidence.print(queries, io)?;
    }
    let has_failed = run.failed || (run.bad && run.read == 0);
    Ok(if has_failed {
        Status::Failed
    } else if run.found && args.exit_code {
        Status::Found
    } else {
        Status::Done
    })
}

/// The bytes of lines that are gathered before they are written, as whole lines.
const CHUNK: usize = 64 * 1024;

/// A run over all inputs.
struct GrepRun<'a> {
    args: &'a Args,
    wanted: Wanted,
    columns: Columns,
    marks: FilteredMarks,
    /// Lines that are not yet written. Empty between two batches.
    lines: Vec<u8>,
    /// The flows of the current batch that match.
    chosen: Chosen,
    /// Matching flows of this input.
    matched: u64,
    /// Flows read from all inputs.
    read: u64,
    /// True once a flow matched.
    found: bool,
    /// True once a line could not be read as a flow.
    bad: bool,
    /// True once an input could not be opened or read to its end.
    failed: bool,
}

impl GrepRun<'_> {
    /// Reads one input. Returns false if it could not be opened.
    fn input(&mut self, path: &Path, io: &mut Io) -> anyhow::Result<bool> {
        let input = match Input::open(path, &io.out) {
            Ok(input) => input,
            Err(error) if io.out.has_failed() => return Err(error.into()),
            Err(error) => {
                self.failed = true;
                self.marks.torn();
                io.report.error(format_args!("{}: {error}", path.display()));
                return Ok(false);
            }
        };
        let name = input.name.clone();
        let lines = Lines::new(input);
        let mut lines = match self.args.input {
            Some(tool) => lines.of(tool),
            None => lines,
        };
        self.columns.next_input();
        if let Some((evidence, _)) = self.wanted.evidence() {
            evidence.next_input();
        }
        loop {
            if self.args.max_count.is_some_and(|most| self.matched >= most) {
                // The rest of the window stays unread, so it is marked as cut.
                let cut = self.marks.give_up();
                self.print(cut, io)?;
                return Ok(true);
            }
            match lines.next_kept() {
                Ok(None) => return Ok(true),
                Ok(Some(Kept::Flows { flows, text })) => self.flows(flows, text, io)?,
                Ok(Some(Kept::Fields(line))) => {
                    match self.wanted.evidence() {
                        Some((evidence, _)) => evidence.set_names(line),
                        None => self.columns.set_names(line, &mut self.lines),
                    }
                    flush(&mut self.lines, io)?;
                }
                Ok(Some(Kept::Mark(mark))) => {
                    for mark in self.marks.mark(mark) {
                        self.print(mark, io)?;
                    }
                }
                Ok(Some(Kept::Bad { line, error })) => {
                    self.bad = true;
                    self.marks.bad_line();
                    anyhow::ensure!(!self.args.strict, "{name}:{line}: {error}");
                    io.report.complain("bad lines", format_args!("{name}:{line}: {error}"));
                }
                Err(StreamError::Io(error)) if io.out.has_failed() => return Err(error.into()),
                Err(error) => {
                    self.failed = true;
                    self.marks.torn();
                    io.report.error(format_args!("{name}: {error}"));
                }
            }
        }
    }

    /// Prints the lines of the matching flows of a batch, or gathers them as evidence. `text` is `None`
    /// for the output of another program, whose flows have no flow lines.
    fn flows(&mut self, flows: &[Flow], text: Option<Text<'_>>, io: &mut Io) -> anyhow::Result<()> {
        self.wanted.choose(flows, self.marks.window(), &mut self.chosen);
        if self.args.invert_match {
            self.chosen.invert(flows.len());
        }
        let left = self.args.max_count.map_or(u64::MAX, |most| most - self.matched);
        let all = self.chosen.count() as u64;
        let matched = all.min(left);
        // Reading ends with the last flow that --max-count asks for.
        let last = if all < left { None } else { self.chosen.iter().nth(left as usize - 1) };
        let read = last.map_or(flows.len(), |last| last + 1) as u64;
        self.read += read;
        self.matched += matched;
        self.marks.flows(read, matched);
        if self.args.evidence.is_some() {
            return self.gather(flows, text);
        }
        // The first flow line of an input decides its delimiter, whether it matches or not.
        if let Some(text) = text {
            self.columns.note_flow_line(text.line(0));
        }
        if self.args.count || matched == 0 {
            return Ok(());
        }
        let Some(text) = text else { return self.write_flows(flows, matched as usize, io) };
        for n in self.chosen.iter().take(matched as usize) {
            self.columns.write_line(text.line(n), &mut self.lines);
            if self.lines.len() >= CHUNK {
                flush(&mut self.lines, io)?;
            }
        }
        flush(&mut self.lines, io)
    }

    /// Gives the chosen flows to the evidence of the findings that they match.
    fn gather(&mut self, flows: &[Flow], text: Option<Text<'_>>) -> anyhow::Result<()> {
        let marked = self.marks.window();
        let Some((evidence, queries)) = self.wanted.evidence() else { return Ok(()) };
        if let Some(text) = text {
            evidence.note_flow_line(text.line(0));
            for n in self.chosen.iter() {
                if let Some(flow) = flows.get(n) {
                    evidence.add_flow(queries, flow, marked, text.line(n));
                }
            }
            return Ok(());
        }
        let chosen: Vec<_> = self.chosen.iter().filter_map(|n| flows.get(n)).copied().collect();
        let text = flow_lines(&chosen)?;
        let (names, lines) = header_and_lines(&text);
        if let Some(names) = names {
            evidence.set_names(names);
        }
        for (flow, line) in chosen.iter().zip(lines) {
            evidence.note_flow_line(line);
            evidence.add_flow(queries, flow, marked, line);
        }
        Ok(())
    }

    /// Prints the first `matched` chosen flows of another program's output as flow lines.
    fn write_flows(&mut self, flows: &[Flow], matched: usize, io: &mut Io) -> anyhow::Result<()> {
        let chosen = self.chosen.iter().take(matched).filter_map(|n| flows.get(n)).copied();
        let text = flow_lines(&chosen.collect::<Vec<_>>())?;
        let (names, lines) = header_and_lines(&text);
        if let Some(names) = names {
            self.columns.set_names(names, &mut self.lines);
        }
        for line in lines {
            self.columns.note_flow_line(line);
            self.columns.write_line(line, &mut self.lines);
        }
        flush(&mut self.lines, io)
    }

    /// Prints a mark, unless the options hide marks.
    fn print(&mut self, mark: Option<Mark>, io: &mut Io) -> anyhow::Result<()> {
        let is_hidden = self.args.count || self.args.no_header || self.args.evidence.is_some();
        if let Some(mark) = mark.filter(|_| !is_hidden) {
            writeln!(io.out, "{mark}")?;
        }
        Ok(())
    }
}

/// Returns flows of another program's output as flow lines, after the line that names their columns.
fn flow_lines(flows: &[Flow]) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    // Some of those programs know these columns too.
    let further = [Column::Start, Column::End, Column::Flags, Column::Exporter];
    let columns = [REQUIRED.as_slice(), &further].concat();
    let mut writer = Writer::new(&mut text).columns(&columns);
    writer.fields()?;
    writer.flows(flows)?;
    Ok(text)
}

/// Splits the text of [`flow_lines`] into the line that names the columns and the flow lines.
fn header_and_lines(text: &[u8]) -> (Option<&[u8]>, impl Iterator<Item = &[u8]>) {
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (lines.next(), lines)
}
