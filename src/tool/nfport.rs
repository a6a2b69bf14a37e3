//! nfport: flow lines in, hosts that attack one port out.

use clap::Parser;

use super::detector::{self, Print};
use crate::cli::{Common, Io, Status};
use crate::detect::port::{Paper, Rules};

/// Find hosts that attack one port, as worms and password guessers do.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). Flagged is a host that
/// sends at least the limit of flows to one protocol and destination port.
#[derive(Debug, Parser)]
#[command(name = "nfport", version, max_term_width = 100)]
pub struct Args {
    /// Flag a host that sends this many flows to one port in 10 minutes (scales with the window)
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

/// Runs nfport.
///
/// # Errors
/// What stops the command.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let rules = Rules { flows: args.limit_flows };
    detector::run(&args.detector, io, "nfport", Print::Findings, |site| {
        Paper::new(site.clone(), rules)
    })
}
