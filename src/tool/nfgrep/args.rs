//! The arguments of nfgrep.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueHint};

use crate::cli::{Arguments, Common, Nets, Table};
use crate::line::Tool;
use crate::tool::site::SITE;

/// The three forms of the command line, which clap cannot derive.
const USAGE: &str = "nfgrep [OPTIONS] EXPR [FILE]...\n       \
    nfgrep [OPTIONS] <-e EXPR|-f FILE|--finding FILE>... [FILE]...\n       \
    nfgrep [OPTIONS] --finding FILE --evidence N [FILE]...";

/// Print the flow lines that match an expression.
///
/// Reads flow lines, nfkit-flow(5), and prints the lines of the flows that match EXPR, an expression
/// in the syntax of tcpdump and nfdump: 'src net 10.0.0.0/8 and tcp port (80 or 443)'.
#[derive(Debug, Parser)]
#[command(name = "nfgrep", version, max_term_width = 100, override_usage = USAGE)]
pub struct Args {
    /// Print the flows that match this expression; a FILE if -e, -f or --finding is given
    #[arg(value_name = "EXPR")]
    pub(super) expression: Option<OsString>,
    /// Read flow lines from these files, decompressed if need be; without one, or for -, from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    /// Print the flows that match this expression; every other argument is then a FILE
    #[arg(short, long, value_name = "EXPR", conflicts_with = "file")]
    pub(super) expr: Option<String>,
    /// Read the expression from this file; # begins a comment
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,
    /// Print only the flows behind the findings of this file, text or JSON; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) finding: Vec<PathBuf>,
    /// With --finding, print each finding with its first N flows, and how many more there were
    #[arg(
        long,
        value_name = "N",
        requires = "finding",
        conflicts_with_all = ["invert_match", "count", "max_count", "no_header"]
    )]
    pub(super) evidence: Option<u64>,
    /// Take these as our networks, for `inside` in EXPR: 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_INSIDE")]
    pub(super) inside: Option<Nets>,
    /// Print the flows that do not match
    #[arg(short = 'v', long)]
    pub(super) invert_match: bool,
    /// Print only the number of matching flows of each file
    #[arg(short, long)]
    pub(super) count: bool,
    /// Stop reading a file after this many matching flows
    #[arg(short, long, value_name = "N")]
    pub(super) max_count: Option<u64>,
    /// Print no lines that begin with #
    #[arg(short = 'N', long)]
    pub(super) no_header: bool,
    /// Exit with status 3 if any flow matched
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Read the files as the output of this program: flow, nfdump, rwcut, zeek or vpc [default: by
    /// their first lines]
    #[arg(long, value_name = "TOOL")]
    pub(super) input: Option<Tool>,
    /// Stop with status 1 at the first line that is not a flow
    #[arg(long)]
    pub(super) strict: bool,
    #[command(flatten)]
    common: Common,
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&SITE];
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
