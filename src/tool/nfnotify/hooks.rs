//! The commands of `[[hook]]`: each gets one JSON line per row of the journal, in order and at least once.

use std::time::{Duration, Instant};

use super::feed::feed;
use super::memory::kill_point;
use super::place::Place;
use super::rows::{RowRecord, Subjects};
use super::settings::HookCommand;
use super::setup::Setup;
use crate::cli::Io;
use crate::incident::export::JournalRecord;
use crate::incident::store::{Entry, Hook, MAX_WAITING, Store};

/// The file that is locked while the commands run, so that no two runs give them the same rows.
const LOCK: &str = "hooks.lock";

/// The time to wait for that lock. A command that a killed run was about to start holds it until it is
/// executed.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most rows that a command gets at a time.
const AT_A_TIME: u64 = 1000;

/// Gives each command the rows that it has not had. A command that fails keeps its place, and so does one that
/// has used its time limit. Returns the names of those that failed, each with the reason.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn run(
    setup: &Setup,
    store: &mut Store,
    place: &Place,
    io: &mut Io,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut failed = Vec::new();
    if setup.settings.hooks.is_empty() {
        return Ok(failed);
    }
    // The run that has this lock gives them all lines.
    let Some(_lock) = place.lock(LOCK, PATIENCE)? else { return Ok(failed) };
    for hook in &setup.settings.hooks {
        let place = match store.hook(&hook.name)? {
            Some(place) => place,
            None => trimmed(setup, hook, store, io)?,
        };
        // All that this run changed is offered before anything is given up.
        if let Err(why) = give(setup, hook, place, store)? {
            let why = format!(
                "[[hook]] {}: {why}; it gets the same lines again in the next run",
                hook.name
            );
            failed.push((hook.name.clone(), why));
        }
        trimmed(setup, hook, store, io)?;
    }
    Ok(failed)
}

/// Gives a command its rows, until there are no more or its time limit has passed. Returns the reason if it
/// failed.
#[expect(clippy::disallowed_methods, reason = "the time that a command takes")]
fn give(
    setup: &Setup,
    hook: &HookCommand,
    mut place: Hook,
    store: &mut Store,
) -> anyhow::Result<Result<(), String>> {
    let began = Instant::now();
    // A slow command must not hold up the runs to come.
    while began.elapsed() < hook.limit {
        let entries = store.journal_after(place.sent, AT_A_TIME)?;
        let Some(last) = entries.last() else { break };
        if let Err(not_taken) = feed(&hook.argv, &lines(&entries, store)?, hook.limit) {
            return Ok(Err(not_taken.why));
        }
        kill_point("after-hook");
        place.sent = last.id;
        let mut update = store.update(setup.now, setup.settings.mode)?;
        update.set_hook(&hook.name, place)?;
        update.commit()?;
    }
    Ok(Ok(()))
}

/// Returns the place of a command after the oldest rows were given up, if more wait than may; reports these.
fn trimmed(
    setup: &Setup,
    hook: &HookCommand,
    store: &mut Store,
    io: &mut Io,
) -> anyhow::Result<Hook> {
    let before = store.hook(&hook.name)?.map_or(0, |place| place.dropped);
    let mut update = store.update(setup.now, setup.settings.mode)?;
    let place = update.place_of_hook(&hook.name)?;
    update.commit()?;
    let dropped = place.dropped.saturating_sub(before);
    if dropped > 0 {
        io.report.error(format_args!(
            "[[hook]] {}: {dropped} lines that it never took are given up, the oldest first; at most \
             {MAX_WAITING} wait",
            hook.name
        ));
    }
    Ok(place)
}

/// Returns the lines of some rows.
fn lines(entries: &[Entry], store: &Store) -> anyhow::Result<Vec<u8>> {
    let mut subjects = Subjects::new(store);
    let mut lines = Vec::new();
    for entry in entries {
        let row = JournalRecord::from(entry);
        let subject = subjects.of(row.incident)?;
        let host = subject.map(|subject| subject.host.text(false));
        let role = subject.map(|subject| subject.role);
        serde_json::to_writer(&mut lines, &RowRecord::new(&row, host.as_deref(), role))?;
        lines.push(b'\n');
    }
    Ok(lines)
}
