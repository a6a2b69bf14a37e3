//! nfflood: reads flow lines and prints hosts under DoS and DDoS, and the inside hosts that attack.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use clap::{Parser, ValueHint};

use super::analyse::ANALYSE;
use super::detector::{self, DetectorArgs, Figure, Judged, Source};
use super::site::SITE;
use crate::cli::{Arguments, Common, Io, Key, Status, Table, Usage};
use crate::detect::flood::{Flood, Memory, Setup};
use crate::detect::paper::{AttackerVictim, PaperFlood, PaperFloodRules};
use crate::detect::{Routines, Site};
use crate::finding::{Host, Rate};

/// The variable of `--outside-if`.
const OUTSIDE_IF: &str = "NFKIT_OUTSIDE_IF";

/// Find hosts under DoS or DDoS, and the inside hosts that attack.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). A host or network is
/// flagged if it receives much traffic that it does not answer, and an inside host if it sends such
/// traffic, in classes that the manual describes.
#[derive(Debug, Parser)]
#[command(name = "nfflood", version, max_term_width = 100)]
pub struct Args {
    /// Print the pairs of victim and attacker instead of findings: figure 4
    #[arg(long, conflicts_with_all = ["json", "explain", "calibrate"])]
    pub(super) pairs: bool,
    /// With --paper, flag a host that receives more flows than this in 10 minutes (scales with the window)
    #[arg(long, value_name = "N", default_value_t = PaperFloodRules::PAPER.flows, requires = "paper")]
    pub(super) limit_flows: u64,
    /// Take inside addresses that enter through these interfaces (SNMP ifIndex) as forged: they lead
    /// outside
    #[arg(
        long,
        value_name = "IFS",
        env = OUTSIDE_IF,
        value_delimiter = ',',
        conflicts_with = "paper"
    )]
    pub(super) outside_if: Vec<u32>,
    /// Remember the usual traffic of hosts in this file from one run to the next: class volume
    #[arg(long, value_name = "FILE", env = "NFKIT_FLOOD_STATE", value_hint = ValueHint::FilePath, conflicts_with = "paper")]
    pub(super) state: Option<PathBuf>,
    /// Print floods while they go on too, every ten seconds of the flows' own time, with the counts so
    /// far
    #[arg(long, conflicts_with_all = ["pairs", "explain", "calibrate", "paper"])]
    pub(super) live: bool,
    #[command(flatten)]
    pub(super) detector: detector::Options,
}

/// The table `[analyse.nfflood]`.
pub const TABLE: Table = Table {
    name: "analyse.nfflood",
    keys: &[
        detector::SIDE,
        detector::PAPER,
        Key::number(
            "limit_flows",
            "With paper, flag a host that receives more flows in 10 minutes",
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

/// Runs nfflood.
///
/// # Errors
/// Fails if a file of an option cannot be used, if a temporary file, stdout or the state cannot be
/// written, and under `--strict` at a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    // The variable and the key are set for all runs, including those without --inside, which ignore them.
    let is_standing = is_set(OUTSIDE_IF) || io.config.get(&SITE, "outside_if").is_some();
    let is_given = !args.outside_if.is_empty() && !is_standing && !args.detector.paper;
    if is_given && args.detector.inside.is_none() {
        let text =
            "--outside-if needs --inside, because it tells where inside addresses are forged";
        return Err(Usage(text.to_owned()).into());
    }
    detector::main(&args, io)
}

impl DetectorArgs for Args {
    const NAME: &'static str = "nfflood";
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
        let pairs = Figure {
            columns: &["victim", "attacker", "flows", "rate"],
            host: |row: &AttackerVictim| row.victim,
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
        let print = self.detector.print(self.pairs.then_some(pairs));
        if self.detector.paper {
            let rules = PaperFloodRules { flows: self.limit_flows };
            let make = |site: &Arc<Site>| PaperFlood::new(site.clone(), rules);
            let status =
                detector::run(&self.detector, source, io, Self::NAME, print, make, |_, _| {})?;
            return Ok(Judged::new(status, memory));
        }
        let limits = self.detector.site_limits()?;
        let outside_if = self.outside_if.clone().into();
        let memory = memory.map(RefCell::new);
        let setup = Setup { limits, outside_if, memory, live: self.live, ..Setup::default() };
        let setup = Rc::new(setup);
        let make = |site: &Arc<Site>| Flood::new(site.clone(), setup.clone());
        let status = detector::run(&self.detector, source, io, Self::NAME, print, make, |_, _| {})?;
        if self.live {
            let forgotten = setup.forgotten.get();
            io.report.detail(format_args!("live: {forgotten} events had no room"));
        }
        let memory = Rc::into_inner(setup).and_then(|setup| setup.memory);
        Ok(Judged::new(status, memory.map(RefCell::into_inner)))
    }

    fn routines(memory: &Memory) -> &Routines {
        &memory.routines
    }

    fn summary(memory: &Memory) -> String {
        let (known, evicted) = memory.sizes();
        format!("{known} baselines, {evicted} evicted")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command may read the environment; clap does not tell"
)]
fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}
