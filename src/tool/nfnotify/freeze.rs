//! `nfnotify freeze`: no new block for a while.

use super::change::ChangeArgs;
use super::memory::Memory;
use super::publish::publish_change;
use super::setup::{Setup, stop_file};
use crate::cli::{self, Io, Status};
use crate::incident::store::Freeze;
use crate::incident::{Changed, JournalRow};
use crate::time::Timestamp;
use crate::tool::site;

/// The arguments of `nfnotify freeze`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Freeze new acts for this long from now on; 0 ends a freeze
    #[arg(value_name = "DURATION", value_parser = cli::parse_seconds)]
    duration: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Stops new blocks until a time, or lets them go on. Releases go on in any case.
///
/// # Errors
/// Fails if the memory cannot be changed.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.change.who, args.change.now, io)?;
    let person = args.change.by.person(setup.now)?;
    let mut memory = Memory::for_change(args.change.db.place())?;
    let before = memory.store.newest_entry()?;
    let old = memory.store.freeze()?.filter(|freeze| setup.now < freeze.until);
    if args.duration == 0 {
        report_stop_file(&memory, io);
        if old.is_none() {
            io.report.warn("there is no freeze to end");
            return Ok(Status::Done);
        }
    }
    let new = (args.duration > 0).then(|| Freeze {
        until: setup.now.saturating_add(args.duration.into()),
        by: person.name.clone(),
        why: person.why.clone(),
    });
    let text = |freeze: Option<&Freeze>| match freeze {
        Some(freeze) => format!("frozen until {}", Timestamp::from_secs(freeze.until).rfc3339()),
        None => "not frozen".to_owned(),
    };
    let row = JournalRow {
        incident: None,
        data: setup.now,
        actor: person.name,
        what: Changed::Memory,
        from: text(old.as_ref()),
        to: text(new.as_ref()),
        reason: person.why,
    };
    let mut update = memory.store.update(setup.now, setup.settings.mode)?;
    update.set_freeze(new.as_ref())?;
    update.journal_rows([&row])?;
    update.commit()?;
    publish_change(&setup, &mut memory, &[], before, args.change.json, io)?;
    if let Some(freeze) = new {
        let until = site::local_time(&io.config)?.text(freeze.until);
        io.report.warn(format_args!(
            "until {until} no host is isolated or banned anew; releases and mails go on"
        ));
    }
    memory.close()?;
    Ok(Status::Done)
}

/// Warns if a stop file goes on to stop new acts.
fn report_stop_file(memory: &Memory, io: &mut Io) {
    if let Some(stop) = stop_file(memory.store.path()) {
        io.report.warn(format_args!(
            "new acts and all mails stay stopped by the file {}; remove it to let them go on",
            stop.display()
        ));
    }
}
