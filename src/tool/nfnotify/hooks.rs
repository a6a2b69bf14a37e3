//! The commands of `[[hook]]`: each gets one JSON line per row of the journal, in order and at least once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::feed::feed;
use super::memory::kill_point;
use super::place::Place;
use super::settings::HookCommand;
use super::setup::Setup;
use crate::cli::Io;
use crate::incident::store::{Entry, Hook, MAX_WAITING, Store};
use crate::incident::{Mode, Subject};
use crate::time::Timestamp;

/// The most rows that a command gets at a time.
const AT_A_TIME: u64 = 1000;

/// A row of the journal as a command gets it, nfkit-incident(5).
#[derive(Debug, Serialize)]
struct HookLine<'a> {
    id: u64,
    incident: Option<u64>,
    host: Option<String>,
    role: Option<&'static str>,
    data: String,
    wall: String,
    actor: &'a str,
    what: &'static str,
    from: &'a str,
    to: &'a str,
    reason: &'a str,
    mode: &'static str,
}

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
    let Some(_lock) = place.lock("hooks.lock", Duration::ZERO)? else { return Ok(failed) };
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
        if let Err(why) = feed(&hook.argv, lines(&entries, store)?, hook.limit) {
            return Ok(Err(why));
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
    let mut subjects: BTreeMap<u64, Option<Subject>> = BTreeMap::new();
    let mut lines = Vec::new();
    for Entry { id, wall, mode, row } in entries {
        let subject = match row.incident {
            None => None,
            Some(number) => match subjects.get(&number) {
                Some(subject) => *subject,
                None => {
                    let subject = store.incident(number)?.map(|incident| incident.subject);
                    subjects.insert(number, subject);
                    subject
                }
            },
        };
        let line = HookLine {
            id: *id,
            incident: row.incident,
            host: subject.map(|subject| subject.host.text(false)),
            role: subject.map(|subject| subject.role.as_str()),
            data: Timestamp::from_secs(row.data).rfc3339(),
            wall: Timestamp::from_secs(*wall).rfc3339(),
            actor: &row.actor,
            what: row.what.as_str(),
            from: &row.from,
            to: &row.to,
            reason: &row.reason,
            mode: Mode::as_str(*mode),
        };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
