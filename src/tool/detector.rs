//! The common part of nfscan, nfflood and nfport: reads flow lines, judges them window by window and
//! prints findings.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::ValueHint;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calibration::{Calibration, print_proposals};
use super::feeds::FeedState;
use super::findings::clock;
use super::inside;
use super::state::StateFile;
use super::windowed::{Piece, WindowStage, Windowed};
use crate::cli::{self, Arguments, Common, Io, Key, Nets, Status, Usage, read_text};
use crate::detect::{Detector, Explained, Ignore, LEAST_DAYS, Routines, Site, SiteLimits, marks};
use crate::finding::{Form, Host, Side, Writer};
use crate::flow::Networks;
use crate::line::Tool;
use crate::time::{End, Mark, Timestamp, Window};
use crate::window::{Closed, Windows};

/// The options of all three detectors.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Read flow lines from these files, decompressed if need be; without one, or for -, from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    /// Take these as our networks: 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_INSIDE")]
    pub inside: Option<Nets>,
    /// Print only findings about hosts inside or outside
    #[arg(long, value_name = "SIDE", value_parser = ["inside", "outside"], requires = "inside")]
    pub(super) side: Option<String>,
    /// Ignore flows that match a line `src dst [proto/port]` of this file
    #[arg(long, value_name = "FILE", env = "NFKIT_IGNORE", value_hint = ValueHint::FilePath)]
    pub(super) ignore: Option<PathBuf>,
    /// Judge windows of this length: merge marked ones, cut unmarked rows [unmarked: 10m]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_window)]
    pub(super) window: Option<u32>,
    /// Judge by the paper's rule alone
    #[arg(long)]
    pub paper: bool,
    /// Read limits of the classes by network from this file: lines `network,class,value`
    #[arg(long, value_name = "FILE", env = "NFKIT_LIMITS", value_hint = ValueHint::FilePath, conflicts_with = "paper")]
    pub(super) limits: Option<PathBuf>,
    /// Print percentiles of each class's measures, and the limits they suggest, instead of findings
    #[arg(long, conflicts_with_all = ["paper", "json", "explain", "exit_code"])]
    pub(super) calibrate: bool,
    /// Print the measures of this host, flagged or not, instead of findings
    #[arg(long, value_name = "HOST", conflicts_with = "json")]
    pub(super) explain: Option<IpAddr>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    pub(super) mask: bool,
    /// Exit with status 3 if there are findings
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Read the files as the output of this program: flow, nfdump, rwcut, zeek or vpc [default: by
    /// their first lines]
    #[arg(long, value_name = "TOOL")]
    pub(super) input: Option<Tool>,
    /// Stop with status 1 at the first line that is not a flow
    #[arg(long)]
    pub(super) strict: bool,
    /// Count in this much memory, and beyond it in temporary files [default: a quarter of the RAM]
    #[arg(long, value_name = "SIZE", value_parser = cli::parse_size, env = "NFKIT_MEMORY")]
    pub(super) memory: Option<u64>,
    /// The time of the clock, for a command that is told another one.
    #[arg(skip)]
    pub(super) now: Option<Timestamp>,
    #[command(flatten)]
    pub(super) common: Common,
}

impl AsRef<Common> for Options {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// The key of `--side` in the tables of the detectors.
pub const SIDE: Key = Key::text("side", side, "Report only hosts on this side: inside or outside");

/// The key of `--paper` in the tables of the detectors.
pub const PAPER: Key = Key::flag("paper", "Judge by the paper's rule alone");

fn side(text: &str) -> Result<(), String> {
    match Side::parse(text) {
        Some(_) => Ok(()),
        None => Err(format!("{text:?} is neither inside nor outside")),
    }
}

impl Options {
    /// Returns the kind of output: the figure, if there is one to print.
    pub fn print<R>(&self, figure: Option<Figure<R>>) -> Print<R> {
        match figure {
            Some(figure) => Print::Figure(figure),
            None if self.calibrate => Print::Calibration,
            None => Print::Findings,
        }
    }

    /// Returns the site's own limits.
    ///
    /// # Errors
    /// Fails if the file cannot be read or a line of it is no limit.
    pub fn site_limits(&self) -> anyhow::Result<SiteLimits> {
        let read = |path: &PathBuf| parse_file(path, SiteLimits::parse).context("--limits");
        Ok(self.limits.as_ref().map(read).transpose()?.unwrap_or_default())
    }
}

/// A kind of output.
#[derive(Debug)]
pub enum Print<R> {
    /// Findings, or the measures of one host.
    Findings,
    /// The rows of a figure instead.
    Figure(Figure<R>),
    /// Percentiles of all hosts' measures, at the end.
    Calibration,
}

/// A figure that a detector prints instead of findings.
#[derive(Debug)]
pub struct Figure<R> {
    /// The columns after `window` and `seconds`.
    pub columns: &'static [&'static str],
    /// Returns the host of a row, for `--side`.
    pub host: fn(&R) -> IpAddr,
    /// Returns the columns of a row, masked if the flag is set.
    pub cells: fn(&R, Option<Window>, bool) -> Vec<String>,
}

/// The input of a detector.
pub enum Source<'a> {
    /// The flow lines of the files that the options name, or of stdin.
    Files,
    /// A stream that another part of this process decodes.
    Pieces(&'a mut dyn Iterator<Item = Piece>),
}

/// The result of a run of a detector.
pub struct Judged<M> {
    /// The exit status.
    pub status: Status,
    /// The memory with all windows that it learned; `None` if there was none before.
    pub memory: Option<M>,
    /// The threat feeds that were used.
    pub(super) feeds: Vec<FeedState>,
}

impl<M> Judged<M> {
    /// Returns the result of a run without threat feeds.
    pub fn new(status: Status, memory: Option<M>) -> Judged<M> {
        Judged { status, memory, feeds: Vec::new() }
    }
}

/// A detector as a command: its arguments, and the memory that `--state` keeps.
pub trait DetectorArgs: Arguments {
    /// The name of the command.
    const NAME: &'static str;
    /// The memory from one window to the next.
    type Memory: Serialize + DeserializeOwned + Default;

    /// Returns the options of all detectors.
    fn options(&self) -> &Options;

    /// Returns the options of all detectors, to be changed.
    fn options_mut(&mut self) -> &mut Options;

    /// Returns the file of `--state`.
    fn state(&self) -> Option<&Path>;

    /// Judges every window of the input and prints the findings.
    ///
    /// # Errors
    /// Fails if a file of an option cannot be used, if a temporary file or stdout cannot be written,
    /// and under `--strict` at a bad line.
    fn judge(
        &self,
        source: Source<'_>,
        memory: Option<Self::Memory>,
        io: &mut Io,
    ) -> anyhow::Result<Judged<Self::Memory>>;

    /// Returns the routines that the memory holds.
    fn routines(memory: &Self::Memory) -> &Routines;

    /// Describes the size of the memory in words.
    fn summary(memory: &Self::Memory) -> String;
}

/// Runs a detector as a command, with the memory of `--state`.
///
/// # Errors
/// Those of [`DetectorArgs::judge`], and a state that cannot be used or written.
pub fn main<T: DetectorArgs>(args: &T, io: &mut Io) -> anyhow::Result<Status> {
    let (file, memory) = match args.state() {
        Some(path) => {
            let (file, memory) = StateFile::open(path, T::NAME, io).context("--state")?;
            (Some(file), Some(memory))
        }
        None => (None, None),
    };
    let Judged { status, memory, .. } = args.judge(Source::Files, memory, io)?;
    if let (true, Some(memory)) = (args.options().calibrate, &memory) {
        propose(T::routines(memory), args.options(), io)?;
    }
    if let (Some(file), Some(memory)) = (file, memory) {
        file.save(&memory).context("--state")?;
        io.report.detail(format_args!("state: {}", T::summary(&memory)));
    }
    Ok(status)
}

/// Prints lines for `--ignore`, for `--calibrate` with `--state`.
fn propose(routines: &Routines, options: &Options, io: &mut Io) -> anyhow::Result<()> {
    if options.inside.is_none() {
        io.report.warn("--calibrate: without --inside no host is known to be ours, so no line for --ignore is proposed");
    } else if routines.span() < LEAST_DAYS {
        let days = routines.span();
        io.report.warn(format_args!(
            "--calibrate: days in the state: {days}; a line for --ignore is proposed from {LEAST_DAYS} on"
        ));
    }
    Ok(print_proposals(&routines.proposals(), options.mask, &mut io.out)?)
}

/// Takes all input, judges every window and prints the findings. Before the input, and before each window is judged,
/// `renew` may read files that change while a detector runs.
///
/// # Errors
/// Fails at a file of `--inside` or `--ignore` that cannot be read, a temporary file or stdout that
/// cannot be written, and under `--strict` at a bad line.
pub fn run<D: Detector>(
    args: &Options,
    source: Source<'_>,
    io: &mut Io,
    tool: &'static str,
    print: Print<D::Row>,
    make: impl Fn(&Arc<Site>) -> D,
    mut renew: impl FnMut(&Site, &mut Io),
) -> anyhow::Result<Status> {
    let inside = inside::load(args.inside.as_ref())?.map(Networks::new).unwrap_or_default();
    let ignore = match &args.ignore {
        Some(path) => parse_file(path, str::parse).context("--ignore")?,
        None => Ignore::default(),
    };
    // Two windows can be open at once.
    let memory = args.memory.unwrap_or_else(cli::quarter_of_ram) / 2;
    let site = Arc::new(Site {
        inside,
        memory,
        explain: args.explain,
        calibrate: matches!(print, Print::Calibration),
    });
    let side = args.side.as_deref().and_then(Side::parse);
    // The option needs the other one, but a key of the configuration needs nothing by clap's rules.
    if side.is_some() && args.inside.is_none() {
        let text =
            "--side needs --inside; without it no host has a side, and nothing would be printed";
        return Err(Usage(text.to_owned()).into());
    }
    if args.explain.is_some() && !args.common.verbose {
        io.report.warn(&io.config);
    }

    let mut printer = Printer {
        args,
        tool,
        print,
        site: site.clone(),
        side,
        calibration: Calibration::default(),
        has_findings: false,
        has_explained: false,
    };
    let windows = Windows::new(args.window, || make(&site)).excluding(ignore);
    let mut windowed = Windowed::new(windows, args.strict, args.input);
    printer.fields(io)?;
    renew(&site, io);
    let began = Instant::now();
    let at = |stage: WindowStage<'_, D>, io: &mut Io| match stage {
        WindowStage::Open(window, counter) => printer.early(window, began.elapsed(), counter, io),
        WindowStage::Over(closed) => {
            renew(&site, io);
            printer.window(closed, io)
        }
    };
    match source {
        Source::Files => windowed.live(&args.files, io, at)?,
        Source::Pieces(pieces) => windowed.pieces(pieces, io, at)?,
    }
    if let Print::Calibration = printer.print {
        printer.calibration.print(&mut io.out)?;
    }
    if args.explain.is_some() && !printer.has_explained {
        io.report.warn("--explain: no flow of that host was counted");
    }
    Ok(if windowed.has_failed() {
        Status::Failed
    } else if printer.has_findings && args.exit_code {
        Status::Found
    } else {
        Status::Done
    })
}

/// Reads and parses a file. `parse` puts the line number first in its errors.
fn parse_file<T, E: std::fmt::Display>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, E>,
) -> anyhow::Result<T> {
    let name = path.display();
    let text = read_text(path)?;
    parse(&text).map_err(|error| anyhow::anyhow!("{name}:{error}"))
}

/// A printer of judged windows.
struct Printer<'a, R> {
    args: &'a Options,
    tool: &'static str,
    print: Print<R>,
    site: Arc<Site>,
    side: Option<Side>,
    calibration: Calibration,
    has_findings: bool,
    /// True once the host of `--explain` was seen.
    has_explained: bool,
}

/// The columns of `--explain` after `window` and `seconds`.
const EXPLAINED: [&str; 6] = ["host", "of", "measure", "value", "limit", "verdict"];

impl<R> Printer<'_, R> {
    fn writer(&self, io: &Io) -> Writer<cli::Out> {
        let form = if self.args.json { Form::Json } else { Form::Text };
        Writer::new(io.out.clone(), form, self.args.mask)
    }

    /// Prints the line that names the columns.
    fn fields(&self, io: &mut Io) -> anyhow::Result<()> {
        let columns = match (&self.args.explain, &self.print) {
            (_, Print::Calibration) => return Ok(()),
            (Some(_), _) => EXPLAINED.to_vec(),
            (None, Print::Figure(figure)) => figure.columns.to_vec(),
            (None, Print::Findings) => return Ok(self.writer(io).fields()?),
        };
        writeln!(io.out, "#fields\twindow\tseconds\t{}", columns.join("\t"))?;
        Ok(())
    }

    /// Judges and prints a window that is over.
    fn window<D: Detector<Row = R>>(
        &mut self,
        closed: Closed<D>,
        io: &mut Io,
    ) -> anyhow::Result<()> {
        let Closed { mut end, counter } = closed;
        let verdict =
            counter.judge(&end, self.args.now.unwrap_or_else(clock)).context("temporary file")?;
        if let Print::Calibration = self.print {
            self.calibration.add(&verdict.metrics);
            return Ok(());
        }
        let mut writer = self.writer(io);
        writer.mark(&Mark::Window(end.window))?;
        let marks = marks(&end);
        let findings = verdict.findings.into_iter().map(|mut finding| {
            finding.marks.extend(marks.iter().cloned());
            finding.marks.sort();
            finding
        });
        let findings: Vec<_> = findings.filter(|finding| self.shows(finding.side)).collect();
        self.has_findings |= !findings.is_empty();
        let (window, flows) = (start(end.window), end.flows.unwrap_or(0));
        io.report.detail(format_args!("{window}: {flows} flows, {} findings", findings.len()));
        if let Some(host) = self.args.explain {
            self.has_explained |= !verdict.seen.is_empty();
            self.explain(host, &verdict.seen, &end, io)?;
        } else if let Print::Figure(figure) = &self.print {
            let rows = verdict.figure.iter();
            for row in rows.filter(|row| self.shows(self.site.side((figure.host)(row)))) {
                let cells = (figure.cells)(row, end.window, self.args.mask).join("\t");
                writeln!(io.out, "{}\t{cells}", start(end.window))?;
            }
        } else {
            findings.iter().try_for_each(|finding| writer.finding(finding))?;
        }
        end.tool = Some(self.tool.to_owned());
        writer.mark(&Mark::End(end))?;
        Ok(())
    }

    /// Prints the findings of a window that is still open.
    fn early<D: Detector<Row = R>>(
        &mut self,
        window: Window,
        now: Duration,
        counter: &mut D,
        io: &mut Io,
    ) -> anyhow::Result<()> {
        let mut findings = counter.early(window, now).context("temporary file")?;
        findings.retain(|finding| self.shows(finding.side));
        self.has_findings |= !findings.is_empty();
        let mut writer = self.writer(io);
        findings.iter().try_for_each(|finding| Ok(writer.finding(finding)?))
    }

    /// Returns true if `--side` admits a host of this side.
    fn shows(&self, side: Option<Side>) -> bool {
        self.side.is_none() || side == self.side
    }

    /// Prints the measures of the host of `--explain`.
    fn explain(
        &self,
        host: IpAddr,
        seen: &[Explained],
        end: &End,
        io: &mut Io,
    ) -> anyhow::Result<()> {
        let host = Host::Address(host).text(self.args.mask);
        for Explained { of, measure, value, limit } in seen {
            let verdict = if limit.passes(*value) { "passes" } else { "-" };
            let limit = limit.text();
            let window = start(end.window);
            writeln!(io.out, "{window}\t{host}\t{of}\t{measure}\t{value}\t{limit}\t{verdict}")?;
        }
        Ok(())
    }
}

/// Returns the columns `window` and `seconds`, with which rows begin.
fn start(window: Option<Window>) -> String {
    window.map_or_else(|| "-\t-".to_owned(), |window| window.to_string())
}
