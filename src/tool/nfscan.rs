//! nfscan: flow lines in, scanners out.

use clap::Parser;

use super::detector::{self, Figure};
use crate::cli::{Common, Io, Status};
use crate::detect::scan::{Rules, Scan, Subnet};
use crate::finding::Host;

/// Find scanners: hosts that probe whole networks.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). Flagged is a source that
/// sends flows of few packets to nearly every host of neighbouring networks.
#[derive(Debug, Parser)]
#[command(name = "nfscan", version, max_term_width = 100)]
pub struct Args {
    /// Print the scanned networks of every scanner instead: figure 3
    #[arg(long, conflicts_with_all = ["json", "explain"])]
    subnets: bool,
    /// Count only flows of at most this many packets
    #[arg(long, value_name = "N", default_value_t = Rules::PAPER.max_packets)]
    max_packets: u64,
    /// Hosts of one /24 (IPv6: /64) that make it a scanned network
    #[arg(long, value_name = "N", default_value_t = Rules::PAPER.hosts)]
    limit_hosts: u64,
    /// Adjacent scanned networks that make a scan
    #[arg(long, value_name = "N", default_value_t = Rules::PAPER.nets)]
    limit_nets: u64,
    #[command(flatten)]
    detector: detector::Options,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        self.detector.as_ref()
    }
}

/// Runs nfscan.
///
/// # Errors
/// What stops the command.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let rules =
        Rules { max_packets: args.max_packets, hosts: args.limit_hosts, nets: args.limit_nets };
    let figure = args.subnets.then_some(Figure {
        columns: &["scanner", "net", "hosts", "flows"],
        host: |row: &Subnet| row.scanner,
        cells: |row, _, mask| {
            vec![
                Host::Address(row.scanner).text(mask),
                Host::Prefix(row.net).text(mask),
                row.hosts.to_string(),
                row.flows.to_string(),
            ]
        },
    });
    detector::run(&args.detector, io, "nfscan", figure, |site| Scan::new(site.clone(), rules))
}
