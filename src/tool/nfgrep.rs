//! nfgrep: flow lines in, those that match an expression out, as they were.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueHint};

use self::columns::Columns;
use self::wanted::Wanted;
use crate::cli::{Common, Escaped, Input, Io, Nets, Status};
use crate::filter::Chosen;
use crate::flow::Flow;
use crate::line::{Column, Kept, Lines, REQUIRED, StreamError, Text, Tool, Writer};
use crate::time::Mark;
use crate::window::FilteredMarks;

mod columns;
mod evidence;
mod wanted;

const USAGE: &str = "nfgrep [OPTIONS] EXPR [FILE]...\n       \
    nfgrep [OPTIONS] <-e EXPR|-f FILE|--finding FILE>... [FILE]...\n       \
    nfgrep [OPTIONS] --finding FILE --evidence N [FILE]...";

/// Print the flow lines that match an expression.
///
/// Reads flow lines, nfkit-flow(5), and prints those of the flows that EXPR means, in the words of
/// tcpdump and nfdump: 'src net 10.0.0.0/8 and tcp port (80 or 443)'.
#[derive(Debug, Parser)]
#[command(name = "nfgrep", version, max_term_width = 100, override_usage = USAGE)]
pub struct Args {
    /// What the flows must be; a FILE as well if -e, -f or --finding says it
    #[arg(value_name = "EXPR")]
    expression: Option<OsString>,
    /// Files of flow lines, gzip or zstd undone; stdin if there is none or for -
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// What the flows must be; every other argument is a FILE then
    #[arg(short, long, value_name = "EXPR", conflicts_with = "file")]
    expr: Option<String>,
    /// Read from this file what the flows must be; # begins a comment
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Print only the flows behind the findings of this file, text or JSON; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    finding: Vec<PathBuf>,
    /// With --finding, print each finding with its first N flows, and how many more there were
    #[arg(
        long,
        value_name = "N",
        requires = "finding",
        conflicts_with_all = ["invert_match", "count", "max_count", "no_header"]
    )]
    evidence: Option<u64>,
    /// Our networks, for `inside` in EXPR: 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_INSIDE")]
    inside: Option<Nets>,
    /// Print the flows that do not match
    #[arg(short = 'v', long)]
    invert_match: bool,
    /// Print only how many flows match, for each file
    #[arg(short, long)]
    count: bool,
    /// Stop reading a file after so many flows that match
    #[arg(short, long, value_name = "N")]
    max_count: Option<u64>,
    /// Print no line that begins with #
    #[arg(short = 'N', long)]
    no_header: bool,
    /// Exit with status 3 if any flow matched
    #[arg(long)]
    exit_code: bool,
    /// Whose output the files are: flow, nfdump, rwcut, zeek or vpc [default: as they begin]
    #[arg(long, value_name = "TOOL")]
    input: Option<Tool>,
    /// Stop with status 1 at the first line that is no flow
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Runs nfgrep.
///
/// # Errors
/// What stops the command: an expression that cannot be read, a full disk, `--strict`.
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
        match (args.count, files.len()) {
            (false, _) => {}
            (true, 1) => writeln!(io.out, "{matched}")?,
            (true, _) => writeln!(io.out, "{}:{matched}", Escaped(path.display()))?,
        }
    }
    let last = run.marks.end();
    run.print(last, io)?;
    if let Some((evidence, cases)) = run.wanted.evidence() {
        evidence.print(cases, io)?;
    }
    Ok(match (run.failed || (run.bad && run.read == 0), run.found && args.exit_code) {
        (true, _) => Status::Failed,
        (false, true) => Status::Found,
        (false, false) => Status::Done,
    })
}

/// Lines are gathered up to this many octets before they go on, whole.
const CHUNK: usize = 64 * 1024;

/// One run over all inputs.
struct GrepRun<'a> {
    args: &'a Args,
    wanted: Wanted,
    columns: Columns,
    marks: FilteredMarks,
    /// Lines that are not yet written; nothing between two batches.
    lines: Vec<u8>,
    chosen: Chosen,
    /// Flows of this input that match.
    matched: u64,
    /// Flows of all inputs.
    read: u64,
    found: bool,
    bad: bool,
    failed: bool,
}

impl GrepRun<'_> {
    /// Reads one input; false if it could not be opened.
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
                // What is left of the window stays unread.
                let cut = self.marks.give_up();
                self.print(cut, io)?;
                return Ok(true);
            }
            match lines.next_kept() {
                Ok(None) => return Ok(true),
                Ok(Some(Kept::Flows { flows, text })) => self.flows(flows, text, io)?,
                Ok(Some(Kept::Fields(line))) => {
                    match self.wanted.evidence() {
                        Some((evidence, _)) => evidence.named(line),
                        None => self.columns.named(line, &mut self.lines),
                    }
                    write(&mut self.lines, io)?;
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

    /// Prints the lines of the flows that match.
    fn flows(&mut self, flows: &[Flow], text: Option<Text<'_>>, io: &mut Io) -> anyhow::Result<()> {
        self.wanted.choose(flows, self.marks.window(), &mut self.chosen);
        if self.args.invert_match {
            self.chosen.invert(flows.len());
        }
        let left = self.args.max_count.map_or(u64::MAX, |most| most - self.matched);
        let all = self.chosen.count() as u64;
        let matched = all.min(left);
        // With the last one that is asked for, reading ends.
        let last = if all < left { None } else { self.chosen.iter().nth(left as usize - 1) };
        let read = last.map_or(flows.len(), |last| last + 1) as u64;
        self.read += read;
        self.matched += matched;
        self.marks.flows(read, matched);
        if self.args.evidence.is_some() {
            return self.gather(flows, text);
        }
        // The first flow line of an input says what separates its columns, whether it matches or not.
        if let Some(text) = text {
            self.columns.first(text.line(0));
        }
        if self.args.count || matched == 0 {
            return Ok(());
        }
        let Some(text) = text else { return self.write_flows(flows, matched as usize, io) };
        for n in self.chosen.iter().take(matched as usize) {
            self.columns.line(text.line(n), &mut self.lines);
            if self.lines.len() >= CHUNK {
                write(&mut self.lines, io)?;
            }
        }
        write(&mut self.lines, io)
    }

    /// Keeps the chosen flows for the findings that they are behind.
    fn gather(&mut self, flows: &[Flow], text: Option<Text<'_>>) -> anyhow::Result<()> {
        let marked = self.marks.window();
        let Some((evidence, cases)) = self.wanted.evidence() else { return Ok(()) };
        if let Some(text) = text {
            evidence.first(text.line(0));
            for n in self.chosen.iter() {
                if let Some(flow) = flows.get(n) {
                    evidence.flow(cases, flow, marked, text.line(n));
                }
            }
            return Ok(());
        }
        let chosen: Vec<_> = self.chosen.iter().filter_map(|n| flows.get(n)).copied().collect();
        let text = flow_lines(&chosen)?;
        let mut lines = text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        if let Some(names) = lines.next() {
            evidence.named(names);
        }
        for (flow, line) in chosen.iter().zip(lines) {
            evidence.first(line);
            evidence.flow(cases, flow, marked, line);
        }
        Ok(())
    }

    /// Prints flows of another program's output as flow lines.
    fn write_flows(&mut self, flows: &[Flow], matched: usize, io: &mut Io) -> anyhow::Result<()> {
        let chosen = self.chosen.iter().take(matched).filter_map(|n| flows.get(n)).copied();
        let text = flow_lines(&chosen.collect::<Vec<_>>())?;
        let mut lines = text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        if let Some(names) = lines.next() {
            self.columns.named(names, &mut self.lines);
        }
        for line in lines {
            self.columns.first(line);
            self.columns.line(line, &mut self.lines);
        }
        write(&mut self.lines, io)
    }

    fn print(&mut self, mark: Option<Mark>, io: &mut Io) -> anyhow::Result<()> {
        let is_hidden = self.args.count || self.args.no_header || self.args.evidence.is_some();
        if let Some(mark) = mark.filter(|_| !is_hidden) {
            writeln!(io.out, "{mark}")?;
        }
        Ok(())
    }
}

/// Writes flows of another program's output as flow lines, after the line that names their columns.
fn flow_lines(flows: &[Flow]) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    // Those programs may tell these too.
    let further = [Column::Start, Column::End, Column::Flags, Column::Exporter];
    let columns = [REQUIRED.as_slice(), &further].concat();
    let mut writer = Writer::new(&mut text).columns(&columns);
    writer.fields()?;
    writer.flows(flows)?;
    Ok(text)
}

/// Writes what was gathered.
fn write(lines: &mut Vec<u8>, io: &mut Io) -> anyhow::Result<()> {
    if !lines.is_empty() {
        io.out.write_all(lines)?;
        lines.clear();
    }
    Ok(())
}
