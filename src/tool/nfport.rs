//! nfport: flow lines in, hosts that attack one port out.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, ValueHint};

use super::detector;
use super::state::Kept;
use crate::cli::{Common, Io, Status};
use crate::detect::Site;
use crate::detect::paper::{PaperPort, PaperPortRules};
use crate::detect::port::{Memory, Port, Setup};

/// Find hosts that attack one port, as worms and password guessers do.
///
/// Reads flow lines, nfkit-flow(5), and prints findings, nfkit-finding(5). Flagged are clients that ask
/// one port of many in vain, or log in again and again, in classes that the manual describes.
#[derive(Debug, Parser)]
#[command(name = "nfport", version, max_term_width = 100)]
pub struct Args {
    /// With --paper, flag a host that sends this many flows to one port in 10 minutes (scales with the window)
    #[arg(long, value_name = "N", default_value_t = PaperPortRules::PAPER.flows, requires = "paper")]
    limit_flows: u64,
    /// Remember attackers and whom they got into in this file from one run to the next: class infected
    #[arg(long, value_name = "FILE", env = "NFKIT_PORT_STATE", value_hint = ValueHint::FilePath, conflicts_with = "paper")]
    state: Option<PathBuf>,
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
    let print = args.detector.print(None);
    if args.detector.paper {
        let rules = PaperPortRules { flows: args.limit_flows };
        let make = |site: &Arc<Site>| PaperPort::new(site.clone(), rules);
        return detector::run(&args.detector, io, "nfport", print, make);
    }
    let limits = args.detector.bounds()?;
    let kept = args.state.as_deref().map(|path| Kept::open::<Memory>(path, "nfport", io));
    let (kept, memory) = kept.transpose().context("--state")?.unzip();
    let setup = Rc::new(Setup { limits, memory: memory.map(RefCell::new) });
    let make = |site: &Arc<Site>| Port::new(site.clone(), setup.clone());
    let status = detector::run(&args.detector, io, "nfport", print, make)?;
    if let (Some(kept), Some(memory)) = (kept, &setup.memory) {
        let memory = memory.borrow();
        kept.save(&*memory).context("--state")?;
        let [attackers, entered, mail, slow, forgotten] = memory.sizes();
        io.report.detail(format_args!(
            "state: {attackers} attackers, {entered} hosts that they got into, {mail} mail servers, \
             {slow} slow sources, {forgotten} forgotten"
        ));
    }
    Ok(status)
}
