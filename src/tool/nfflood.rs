//! nfflood: flow lines in, hosts under DoS and DDoS out, with the inside hosts that attack.

use clap::Parser;

use super::detector::{self, Figure, Print};
use crate::cli::{Common, Io, Status};
use crate::detect::flood::{Pair, Paper, Rules};
use crate::finding::{Host, Rate};

/// Find hosts under DoS or DDoS, and the inside hosts that attack them.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). Flagged is a host that
/// receives more flows than the limit. Busy servers do too: this rule does not tell them apart.
#[derive(Debug, Parser)]
#[command(name = "nfflood", version, max_term_width = 100)]
pub struct Args {
    /// Print the pairs of victim and attacker instead: figure 4
    #[arg(long, conflicts_with_all = ["json", "explain"])]
    pairs: bool,
    /// Flag a host that receives more flows than this in 10 minutes (scales with the window)
    #[arg(long, value_name = "N", default_value_t = Rules::PAPER.flows)]
    limit_flows: u64,
    #[command(flatten)]
    detector: detector::Options,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        self.detector.as_ref()
    }
}

/// Runs nfflood.
///
/// # Errors
/// What stops the command.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let rules = Rules { flows: args.limit_flows };
    let pairs = Figure {
        columns: &["victim", "attacker", "flows", "rate"],
        host: |row: &Pair| row.victim,
        cells: |row, window, mask| {
            let attacker = row.attacker.map(|attacker| Host::Address(attacker).text(mask));
            vec![
                Host::Address(row.victim).text(mask),
                attacker.unwrap_or_else(|| "-".to_owned()),
                row.flows.to_string(),
                Rate::of(row.flows, window).to_string(),
            ]
        },
    };
    let print = if args.pairs { Print::Figure(pairs) } else { Print::Findings };
    detector::run(&args.detector, io, "nfflood", print, |site| Paper::new(site.clone(), rules))
}
