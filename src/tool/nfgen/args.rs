//! The arguments of nfgen.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum, ValueHint};

use crate::cli::{self, Arguments, Common, Table};
use crate::scenario::{Actor, Figure, With};
use crate::time::Timestamp;
use crate::wire::Version;

/// The default of `--rate`, in datagrams a second.
const RATE: u32 = 1000;

/// Generate flow exports with known attacks, and the truth beside them.
///
/// The same arguments give the same bytes on every machine, except with --to: it sends live, in less
/// time than the scenario takes, and shifts the flows' times so that they end as they are sent. With
/// --start the times stay those of the scenario.
#[derive(Debug, Parser)]
#[command(name = "nfgen", version, max_term_width = 100, after_long_help = kinds())]
pub struct Args {
    /// Play this scenario
    pub(super) scenario: Scenario,
    /// Play only this figure of `paper`: 3 a scan, 4 a flood, 5 an attack on one port [default: all]
    #[arg(long, value_name = "N", value_parser = figure)]
    pub(super) figure: Option<Figure>,
    /// Add hosts to every window, such as `sweep` or `nat=500x3`; SIZE is the number of their targets
    /// or peers
    #[arg(long, value_name = "KIND[=SIZE][xCOUNT],...", value_delimiter = ',')]
    pub(super) with: Vec<With>,
    /// Play for this time, in windows of 10 minutes [default: one window, or one per figure]
    #[arg(long = "for", value_name = "DURATION", value_parser = cli::parse_seconds)]
    pub(super) length: Option<u32>,
    /// Export in this version
    #[arg(long, value_name = "VERSION", default_value = "5")]
    pub(super) export: Export,
    /// Sample 1 in N packets, and say so in the exports; not in versions 1 and 7
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) sampling: Option<u32>,
    /// Export only the flows that enter the site, or only those that leave it
    #[arg(long, value_name = "WAY")]
    pub(super) oneway: Option<Oneway>,
    /// Export every flow from a second router too
    #[arg(long)]
    pub(super) twice: bool,
    /// Play the same with IPv6 addresses; only with --text and --export 9, ipfix and sflow
    #[arg(long)]
    pub(super) ipv6: bool,
    /// Play this many flows in all, including the attacks [default: 60000 a window, and the attacks]
    #[arg(long, value_name = "N")]
    pub(super) flows: Option<u64>,
    /// Choose hosts and flows by this seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Start the first window at this time, RFC 3339 UTC [default: the figure's date; with --to, now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) start: Option<u64>,
    /// Write a capture file, or - for stdout; a name that ends in / is a spool like nfcap's
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath, required_unless_present_any = ["text", "to"])]
    pub(super) write: Option<PathBuf>,
    /// Send the datagrams to a collector over UDP, one window right after the other
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["write", "text"])]
    pub(super) to: Option<SocketAddr>,
    /// With --to, send this many datagrams a second
    #[arg(long, value_name = "DATAGRAMS", default_value_t = RATE, requires = "to", conflicts_with_all = ["write", "text"], value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rate: u32,
    /// Print flow lines
    #[arg(long, conflicts_with_all = ["write", "export"])]
    pub(super) text: bool,
    /// Write the findings to expect to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) truth: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Args {
    /// Returns the number of routers that export.
    pub(super) const fn routers(&self) -> usize {
        if self.twice { 2 } else { 1 }
    }
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[];
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Returns the list of hosts that `--with` can add, one a line.
fn kinds() -> String {
    let line =
        |actor: Actor| format!("  {:12}{:6}  {}\n", actor.name(), actor.size(), actor.about());
    let lines: String = Actor::ALL.into_iter().map(line).collect();
    format!("Kinds of --with, and the SIZE of each if none is given:\n{lines}")
}

/// The scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scenario {
    /// The attacks of the paper's figures amid ordinary traffic
    Paper,
    /// Ordinary traffic of a campus
    Campus,
    /// Only the hosts that --with adds
    None,
}

/// The directions of `--oneway`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Oneway {
    /// Flows that enter the site
    In,
    /// Flows that leave the site
    Out,
}

/// The versions of `--export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Export {
    /// NetFlow v1
    #[value(name = "1")]
    V1,
    /// NetFlow v5
    #[value(name = "5")]
    V5,
    /// NetFlow v7
    #[value(name = "7")]
    V7,
    /// NetFlow v9
    #[value(name = "9")]
    V9,
    /// IPFIX
    Ipfix,
    /// sFlow version 5
    Sflow,
}

impl Export {
    /// Returns the version of the export format.
    pub const fn version(self) -> Version {
        match self {
            Export::V1 => Version::V1,
            Export::V5 => Version::V5,
            Export::V7 => Version::V7,
            Export::V9 => Version::V9,
            Export::Ipfix => Version::Ipfix,
            Export::Sflow => Version::Sflow,
        }
    }
}

fn figure(text: &str) -> Result<Figure, String> {
    match text {
        "3" => Ok(Figure::Scan),
        "4" => Ok(Figure::Flood),
        "5" => Ok(Figure::Port),
        _ => Err("the paper's attacks are figures 3, 4 and 5".to_owned()),
    }
}

/// Parses a time of whole seconds in RFC 3339.
fn moment(text: &str) -> Result<u64, String> {
    let time = Timestamp::parse(text.as_bytes()).filter(|_| text.contains('T'));
    let whole = time.filter(|time| time.nanos() % 1_000_000_000 == 0);
    let time = whole
        .ok_or_else(|| "not a time in whole seconds such as 2001-07-01T00:20:00Z".to_owned())?;
    Ok(time.secs())
}
