//! nftop: reads flow lines and prints totals by address or another key, the greatest first.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, ValueEnum, ValueHint};

use super::analyse::ANALYSE;
use super::windowed::Windowed;
use crate::cli::{self, Arguments, Common, Io, Status, Table, Usage};
use crate::line::Tool;
use crate::total::{By, Per, TotalSpec, Totals};
use crate::window::Windows;

mod bars;
mod cells;
pub(super) mod print;
mod series;

use print::{Form, Printer};

/// Print total traffic by address, network or port, the greatest first.
///
/// Reads flow lines, nfkit-flow(5), and prints flows, packets and octets per address, network, port,
/// pair, protocol, interface or exporter, window by window. Everything is counted exactly.
#[derive(Debug, Parser)]
#[command(name = "nftop", version, max_term_width = 100)]
pub struct Args {
    /// Read flow lines from these files, decompressed if need be; without one, or for -, from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Count per addr, sip, dip, pair, net/24/64, snet, dnet, port, sport, dport, proto, if, sif, dif
    /// or exporter
    #[arg(long, value_name = "KEY", default_value = "addr")]
    per: Per,
    /// Rank the keys by this measure
    #[arg(long, value_name = "MEASURE", value_enum, default_value = "octets")]
    by: Measure,
    /// Print this many keys of each window, 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Count in windows of this length: merge marked ones, cut unmarked rows [unmarked: 10m]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_window)]
    window: Option<u32>,
    /// Count all of the input as one window
    #[arg(long, conflicts_with = "window")]
    whole: bool,
    /// Print a row for each key and each step of this length: a series for a plot
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_window)]
    series: Option<u32>,
    /// Draw a table with bars for a person [auto: if stdout is a terminal]
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    bars: Bars,
    /// Print one JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values under a line of names, without marks
    #[arg(long)]
    csv: bool,
    /// Print no lines that begin with #
    #[arg(short = 'N', long)]
    no_header: bool,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    mask: bool,
    /// Read the files as the output of this program: flow, nfdump, rwcut, zeek or vpc [default: by
    /// their first lines]
    #[arg(long, value_name = "TOOL")]
    input: Option<Tool>,
    /// Stop with status 1 at the first line that is not a flow
    #[arg(long)]
    strict: bool,
    /// Count in this much memory, and beyond it in temporary files [default: a quarter of the RAM]
    #[arg(long, value_name = "SIZE", value_parser = cli::parse_size, env = "NFKIT_MEMORY")]
    memory: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&ANALYSE];
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// The values of `--by`.
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

/// The values of `--bars`.
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
/// Fails at wrong arguments, at a temporary file or stdout that cannot be written, and under `--strict`
/// at a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let by = By::from(args.by);
    if by == By::Peers && (args.per == Per::Pair || args.series.is_some()) {
        let with = if args.per == Per::Pair { "--per pair" } else { "--series" };
        return Err(Usage(format!("--by peers does not go with {with}")).into());
    }
    if args.series.is_some() && args.top == 0 {
        return Err(Usage("--series needs a number of keys; give -n".to_owned()).into());
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
    let spec = TotalSpec { per: args.per, by, step: args.series, memory };
    let limit = (args.top > 0).then_some(args.top);
    let mut printer = Printer { form, spec, mask: args.mask, no_header: args.no_header };
    let make = || Totals::new(spec);
    let windows = if args.whole {
        Windows::of_all(make)
    } else {
        Windows::new(args.window, make).takes_scaled()
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
