//! nfport: reads flow lines and prints hosts that attack one port.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use clap::{Parser, ValueHint};

use super::analyse::ANALYSE;
use super::detector::{self, DetectorArgs, Judged, Source};
use super::site::SITE;
use crate::cli::{Arguments, Common, Io, Key, Status, Table};
use crate::detect::paper::{PaperPort, PaperPortRules};
use crate::detect::port::{Memory, Port, Setup};
use crate::detect::{Routines, Site};

/// Find hosts that attack one port, as worms and password guessers do.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). A client is flagged if its
/// attempts at one port of many hosts fail, or if it logs in again and again, in classes that the manual
/// describes.
#[derive(Debug, Parser)]
#[command(name = "nfport", version, max_term_width = 100)]
pub struct Args {
    /// With --paper, flag a host that sends this many flows to one port in 10 minutes (scales with the window)
    #[arg(long, value_name = "N", default_value_t = PaperPortRules::PAPER.flows, requires = "paper")]
    pub(super) limit_flows: u64,
    /// Remember attackers and the hosts that they entered in this file from one run to the next: class
    /// infected
    #[arg(long, value_name = "FILE", env = "NFKIT_PORT_STATE", value_hint = ValueHint::FilePath, conflicts_with = "paper")]
    pub(super) state: Option<PathBuf>,
    #[command(flatten)]
    pub(super) detector: detector::Options,
}

/// The table `[analyse.nfport]`.
pub const TABLE: Table = Table {
    name: "analyse.nfport",
    keys: &[
        detector::SIDE,
        detector::PAPER,
        Key::number(
            "limit_flows",
            "With paper, flag a host that sends this many flows to one port",
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

/// Runs nfport.
///
/// # Errors
/// Fails if a file of an option cannot be used, if a temporary file, stdout or the state cannot be
/// written, and under `--strict` at a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    detector::main(&args, io)
}

impl DetectorArgs for Args {
    const NAME: &'static str = "nfport";
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
        let print = self.detector.print(None);
        if self.detector.paper {
            let rules = PaperPortRules { flows: self.limit_flows };
            let make = |site: &Arc<Site>| PaperPort::new(site.clone(), rules);
            let status =
                detector::run(&self.detector, source, io, Self::NAME, print, make, |_, _| {})?;
            return Ok(Judged::new(status, memory));
        }
        let limits = self.detector.site_limits()?;
        let setup = Rc::new(Setup { limits, memory: memory.map(RefCell::new) });
        let make = |site: &Arc<Site>| Port::new(site.clone(), setup.clone());
        let status = detector::run(&self.detector, source, io, Self::NAME, print, make, |_, _| {})?;
        let memory = Rc::into_inner(setup).and_then(|setup| setup.memory);
        Ok(Judged::new(status, memory.map(RefCell::into_inner)))
    }

    fn routines(memory: &Memory) -> &Routines {
        &memory.routines
    }

    fn summary(memory: &Memory) -> String {
        let [attackers, entered, mail, slow, evicted] = memory.sizes();
        format!(
            "{attackers} attackers, {entered} hosts that they entered, {mail} mail servers, {slow} slow \
             sources, {evicted} evicted"
        )
    }
}
