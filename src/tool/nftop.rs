//! nftop: flow lines in, totals per address or whatever else out, the greatest first.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum, ValueHint};

use super::windowed::Windowed;
use crate::cli::{self, Common, Io, Status, Usage};
use crate::line::Tool;
use crate::total::{By, Per, TotalSpec, Totals};
use crate::window::Windows;

mod bars;
mod print;

use print::{Form, Printer};

/// Total traffic: who sent and received how much, the greatest first.
///
/// Reads flow lines, nfkit-flow(5), and prints flows, packets and octets per address, or per network,
/// port, pair, protocol, interface or exporter, window by window. Everything is counted exactly.
#[derive(Debug, Parser)]
#[command(name = "nftop", version, max_term_width = 100)]
pub struct Args {
    /// Files of flow lines, gzip or zstd undone; stdin if there is none or for -
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Count per addr, sip, dip, pair, net/24/64, snet, dnet, port, sport, dport, proto, if, sif, dif
    /// or exporter
    #[arg(long, value_name = "KEY", default_value = "addr")]
    per: Per,
    /// What ranks the keys
    #[arg(long, value_name = "MEASURE", value_enum, default_value = "octets")]
    by: Measure,
    /// How many keys to print of each window, 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Count by windows of this length: merges marked ones, cuts unmarked rows [unmarked: 10m]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_window)]
    window: Option<u32>,
    /// Count all of the input as one window
    #[arg(long, conflicts_with = "window")]
    whole: bool,
    /// Print a row for each step of this length and each of the keys: a series for a plot
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_window)]
    series: Option<u32>,
    /// Draw a table with bars for a person [auto: if stdout is a terminal]
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    bars: Bars,
    /// Write an object of JSON a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Write comma-separated values under a line of names, without marks
    #[arg(long)]
    csv: bool,
    /// Write no line that begins with #
    #[arg(short = 'N', long)]
    no_header: bool,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    mask: bool,
    /// Whose output the files are: flow, nfdump, rwcut, zeek or vpc [default: as they begin]
    #[arg(long, value_name = "TOOL")]
    input: Option<Tool>,
    /// Stop with status 1 at the first line that is no flow
    #[arg(long)]
    strict: bool,
    /// Memory for counting; what is more goes to temporary files [default: a quarter of the RAM]
    #[arg(long, value_name = "SIZE", value_parser = cli::parse_size, env = "NFKIT_MEMORY")]
    memory: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// [`By`] as an option names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Octets
    Octets,
    /// Packets
    Packets,
    /// Flows
    Flows,
    /// Distinct addresses at the other end
    Peers,
}

impl From<Measure> for By {
    fn from(measure: Measure) -> By {
        match measure {
            Measure::Octets => By::Octets,
            Measure::Packets => By::Packets,
            Measure::Flows => By::Flows,
            Measure::Peers => By::Peers,
        }
    }
}

/// When a person reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bars {
    /// If stdout is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Runs nftop.
///
/// # Errors
/// What stops the command: a temporary file that fails, a full disk, `--strict`.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let by = By::from(args.by);
    if by == By::Peers && (args.per == Per::Pair || args.series.is_some()) {
        let with = if args.per == Per::Pair { "--per pair" } else { "--series" };
        return Err(Usage(format!("--by peers does not go with {with}")).into());
    }
    if args.series.is_some() && args.top == 0 {
        return Err(Usage("--series needs a number of keys, -n".to_owned()).into());
    }
    if args.bars == Bars::Always && (args.json || args.csv || args.top == 0) {
        let why = "--bars always goes neither with --json and --csv nor with all keys, -n 0";
        return Err(Usage(why.to_owned()).into());
    }
    let form = match (args.json, args.csv, args.bars) {
        (true, ..) => Form::Json,
        (_, true, _) => Form::Csv,
        (.., Bars::Always) => Form::Bars,
        (.., Bars::Auto) if args.top > 0 && io::stdout().is_terminal() => Form::Bars,
        _ => Form::Text,
    };
    // Two windows can be open at once.
    let memory = args.memory.unwrap_or_else(cli::quarter_of_ram) / if args.whole { 1 } else { 2 };
    let plan = TotalSpec { per: args.per, by, step: args.series, memory };
    let limit = (args.top > 0).then_some(args.top);
    let mut printer = Printer { form, plan, mask: args.mask, no_header: args.no_header };
    let make = || Totals::new(plan);
    let windows = match args.whole {
        true => Windows::of_all(make),
        false => Windows::new(args.window, make).takes_scaled(),
    };
    let mut windowed = Windowed::new(windows, args.strict, args.input);
    printer.fields(&mut io.out)?;
    windowed.run(&args.files, io, |closed, io| {
        let total = closed.counter.total();
        let ranking = closed.counter.rank(limit).context("counting")?;
        printer.window(closed.end, total, ranking, &mut io.out)
    })?;
    Ok(if windowed.has_failed() { Status::Failed } else { Status::Done })
}
