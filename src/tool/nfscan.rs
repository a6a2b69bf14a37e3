//! nfscan: reads flow lines and prints scanners.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, ValueHint};

use super::analyse::ANALYSE;
use super::detector::{self, DetectorArgs, Figure, Judged, Source};
use super::feeds::FeedFiles;
use super::findings::clock;
use super::site::SITE;
use crate::cli::{Arguments, Common, Io, Key, Nets, Status, Table, Usage};
use crate::detect::paper::{PaperScan, PaperScanRules, Subnet};
use crate::detect::scan::{Memory, Scan, Setup};
use crate::detect::{Routines, Site};
use crate::finding::Host;
use crate::flow::Networks;

/// Find scanners: hosts whose attempts at many others fail.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). A source is flagged if its
/// attempts at many hosts or ports mostly fail, in classes that the manual describes.
#[derive(Debug, Parser)]
#[command(name = "nfscan", version, max_term_width = 100)]
pub struct Args {
    /// Print the scanned networks of every sweep instead of findings: figure 3
    #[arg(long, conflicts_with_all = ["json", "explain", "calibrate"])]
    pub(super) subnets: bool,
    /// With --paper, count only flows of at most this many packets
    #[arg(long, value_name = "N", default_value_t = PaperScanRules::PAPER.max_packets, requires = "paper")]
    pub(super) max_packets: u64,
    /// With --paper, take a /24 (IPv6: /64) as scanned if this many of its hosts are
    #[arg(long, value_name = "N", default_value_t = PaperScanRules::PAPER.hosts, requires = "paper")]
    pub(super) limit_hosts: u64,
    /// With --paper, flag a source of this many adjacent scanned networks
    #[arg(long, value_name = "N", default_value_t = PaperScanRules::PAPER.nets, requires = "paper")]
    pub(super) limit_nets: u64,
    /// Give these networks, which scan openly for research, the class `survey`: networks or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_SURVEY", conflicts_with = "paper")]
    pub(super) survey: Option<Nets>,
    /// Flag inside hosts that talk with addresses of these threat feeds, read again when they change
    #[arg(
        long,
        value_name = "FILE",
        env = "NFKIT_FEED",
        value_delimiter = ',',
        value_hint = ValueHint::FilePath,
        requires = "inside",
        conflicts_with = "paper"
    )]
    pub(super) feed: Vec<PathBuf>,
    /// Flag them for any flow with a listed address, answered or not, whoever began
    #[arg(long, requires = "feed")]
    pub(super) feed_any: bool,
    /// Remember hosts in use and slow scans in this file from one run to the next
    #[arg(long, value_name = "FILE", env = "NFKIT_SCAN_STATE", value_hint = ValueHint::FilePath, conflicts_with = "paper")]
    pub(super) state: Option<PathBuf>,
    #[command(flatten)]
    pub(super) detector: detector::Options,
}

/// The table `[analyse.nfscan]`.
pub const TABLE: Table = Table {
    name: "analyse.nfscan",
    keys: &[
        detector::SIDE,
        detector::PAPER,
        Key::number("max_packets", "With paper, count only flows of at most this many packets"),
        Key::number(
            "limit_hosts",
            "With paper, a network is scanned if this many of its hosts are",
        ),
        Key::number(
            "limit_nets",
            "With paper, flag a source of this many adjacent scanned networks",
        ),
    ],
    ..Table::PLAIN
};

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&SITE, &ANALYSE, &TABLE];
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        self.detector.as_ref()
    }
}

/// Runs nfscan.
///
/// # Errors
/// Fails if a file of an option cannot be used, if a temporary file, stdout or the state cannot be
/// written, and under `--strict` at a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    detector::main(&args, io)
}

impl DetectorArgs for Args {
    const NAME: &'static str = "nfscan";
    type Memory = Memory;

    fn options(&self) -> &detector::Options {
        &self.detector
    }

    fn options_mut(&mut self) -> &mut detector::Options {
        &mut self.detector
    }

    fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    fn judge(
        &self,
        source: Source<'_>,
        memory: Option<Memory>,
        io: &mut Io,
    ) -> anyhow::Result<Judged<Memory>> {
        let subnets = Figure {
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
        };
        let print = self.detector.print(self.subnets.then_some(subnets));
        if self.detector.paper {
            let rules = PaperScanRules {
                max_packets: self.max_packets,
                hosts: self.limit_hosts,
                nets: self.limit_nets,
            };
            let make = |site: &Arc<Site>| PaperScan::new(site.clone(), rules);
            let status =
                detector::run(&self.detector, source, io, Self::NAME, print, make, |_, _| {})?;
            return Ok(Judged::new(status, memory));
        }
        let limits = self.detector.site_limits()?;
        let survey = match &self.survey {
            Some(nets) => Networks::new(nets.load().context("--survey")?),
            None => Networks::default(),
        };
        // The option needs the other one, but a key of the configuration needs nothing by clap's rules.
        if !self.feed.is_empty() && self.detector.inside.is_none() {
            let text = "--feed needs --inside; without it no host is known to be ours";
            return Err(Usage(text.to_owned()).into());
        }
        let memory = memory.map(RefCell::new);
        let feed_any = self.feed_any;
        let setup = Rc::new(Setup { limits, survey, feed_any, memory, ..Setup::default() });
        let make = |site: &Arc<Site>| Scan::new(site.clone(), setup.clone());
        let mut files = FeedFiles::new(&self.feed);
        let renew = |site: &Site, io: &mut Io| {
            let now = self.detector.now.unwrap_or_else(clock);
            if let Some(feeds) = files.refresh(&site.inside, now, io) {
                setup.feeds.replace(feeds);
            }
        };
        let status = detector::run(&self.detector, source, io, Self::NAME, print, make, renew)?;
        let status = if files.has_failed() { Status::Failed } else { status };
        let memory = Rc::into_inner(setup).and_then(|setup| setup.memory);
        Ok(Judged { status, memory: memory.map(RefCell::into_inner), feeds: files.states() })
    }

    fn routines(memory: &Memory) -> &Routines {
        &memory.routines
    }

    fn summary(memory: &Memory) -> String {
        let [sources, targets, hosts] = memory.sizes();
        let evicted = memory.evicted();
        format!("{sources} sources with {targets} targets, {hosts} hosts in use, {evicted} evicted")
    }
}
