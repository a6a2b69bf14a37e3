//! Writes the files of incidents that readers use: `incidents.jsonl`, and `closed/YYYY-MM.jsonl` for those
//! closed earlier.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;

use anyhow::{Context, bail};

use super::memory::{CLOSED, CURRENT, Memory};
use super::place::create_dir;
use super::rows;
use super::setup::{Setup, is_frozen};
use crate::cli::Io;
use crate::incident::export::{Around, Record};
use crate::incident::store::Store;
use crate::incident::{Incident, Notice};
use crate::time::{Timestamp, Window};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Days for which a closed incident is in `incidents.jsonl`, at least.
const DAYS: u64 = 7;

/// Writes the files anew after a person's change, and prints the rows of the journal behind `before`.
///
/// # Errors
/// Fails as [`publish`] does; the change itself stays, and the error says so.
pub(super) fn publish_change(
    setup: &Setup,
    memory: &mut Memory,
    closed: &[Incident],
    before: u64,
    json: bool,
    io: &mut Io,
) -> anyhow::Result<()> {
    let published = publish(setup, memory, closed);
    rows::print(&memory.store, before, json, io)?;
    // An error would keep the rows from being printed.
    io.out.flush()?;
    published.context(
        "the change was made, but the files that readers see were not written; the next run writes them",
    )
}

/// Writes the files anew, as far as they have changed. `closed`: incidents that have changed and are closed. One
/// that was closed long ago is in the file of its month, which is then written again.
///
/// # Errors
/// Fails if the memory or a file does.
pub(super) fn publish(
    setup: &Setup,
    memory: &mut Memory,
    closed: &[Incident],
) -> anyhow::Result<()> {
    let newest = memory.store.newest()?.window();
    let is_frozen = is_frozen(setup, &memory.store)?;
    let writer = RecordWriter { setup, newest, is_frozen };
    // The newest window lies in the future while the clock is wrong, or was.
    let end = newest.map_or(0, Window::end).min(setup.now);
    // A whole day, so that the files of months are written once a day.
    let since = end.saturating_sub(DAYS * DAY) / DAY * DAY;
    let published = memory.store.published()?;
    let changed = closed.iter().map(|incident| incident.body.changed);
    let stale: BTreeSet<String> = changed.filter(|at| *at < published).map(month).collect();
    months(&writer, published, since, stale, memory)?;
    // After a clock that was ahead, it goes back.
    if since != published {
        let mut update = memory.store.update(setup.now, setup.settings.mode)?;
        update.set_published(since)?;
        update.commit()?;
    }
    let store = &memory.store;
    let told = store.live_notices()?;
    // One incident at a time: an attacker can have 100,000 of them.
    let mut text = Vec::new();
    let mut result = Ok(());
    store.each_live(|incident| {
        if result.is_ok() {
            let told = told.get(&incident.id).map_or(&[][..], Vec::as_slice);
            result = writer.write(&incident, told, store, &mut text);
        }
    })?;
    store.closed_between(since, u64::MAX, |incident| {
        if result.is_ok() {
            let notices = store.notices(incident.id).map_err(Into::into);
            result = notices.and_then(|told| writer.write(&incident, &told, store, &mut text));
        }
    })?;
    result?;
    memory.place.update(CURRENT, &text)?;
    Ok(())
}

/// Writes the files of these months, and of those in which incidents were closed from `start` on and before
/// `end`, and removes those of months that retention has forgotten.
fn months(
    writer: &RecordWriter<'_>,
    start: u64,
    end: u64,
    mut months: BTreeSet<String>,
    memory: &Memory,
) -> anyhow::Result<()> {
    let (place, store) = (&memory.place, &memory.store);
    if start >= end && months.is_empty() {
        return Ok(());
    }
    store.closed_between(start, end, |incident| {
        months.insert(month(incident.body.changed));
    })?;
    let dir = place.file(CLOSED);
    let name = || dir.display().to_string();
    if fs::symlink_metadata(&dir).is_ok_and(|meta| !meta.is_dir()) {
        bail!("{}: not a directory; move it away, and nfnotify makes one", name());
    }
    if !months.is_empty() {
        create_dir(&dir).with_context(name)?;
    }
    for month in months {
        let (first, last) = span(&month);
        let (mut text, mut closed) = (Vec::new(), Vec::new());
        store.closed_between(first, last.min(end), |incident| closed.push(incident))?;
        for incident in closed {
            writer.write(&incident, &store.notices(incident.id)?, store, &mut text)?;
        }
        place.update(&format!("{CLOSED}/{month}.jsonl"), &text)?;
    }
    let floor = month(store.floor()?);
    let Ok(entries) = fs::read_dir(&dir) else { return Ok(()) };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let old = file.to_str().and_then(|file| file.strip_suffix(".jsonl"));
        if old.is_some_and(|old| is_month(old) && *old < *floor) {
            fs::remove_file(entry.path()).with_context(name)?;
        }
    }
    Ok(())
}

/// Returns the month of a moment in UTC, as `YYYY-MM`.
fn month(seconds: u64) -> String {
    Timestamp::from_secs(seconds).rfc3339().chars().take(7).collect()
}

fn is_month(text: &str) -> bool {
    text.len() == 7 && Timestamp::parse(format!("{text}-01T00:00:00Z").as_bytes()).is_some()
}

/// Returns the first second of a month and the first one behind it.
fn span(month: &str) -> (u64, u64) {
    let first =
        Timestamp::parse(format!("{month}-01T00:00:00Z").as_bytes()).map_or(0, Timestamp::secs);
    let behind = (28..=31).map(|days| first + days * DAY).find(|at| self::month(*at) != month);
    (first, behind.unwrap_or(first))
}

/// A writer of the lines of incidents.
struct RecordWriter<'a> {
    setup: &'a Setup,
    newest: Option<Window>,
    is_frozen: bool,
}

impl RecordWriter<'_> {
    /// Appends the line of an incident.
    fn write(
        &self,
        incident: &Incident,
        told: &[Notice],
        store: &Store,
        text: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let setup = self.setup;
        let facts = setup.facts(incident, told, self.newest, self.is_frozen);
        let owner = setup.owners.of(incident);
        let record = Record::new(
            incident,
            &Around {
                owner: &owner.mails,
                network: owner.network,
                rule: setup.settings.policy.of(incident, facts.network_kind, facts.now),
                facts: &facts,
                told,
                journal: &store.journal(incident.id)?,
            },
        );
        serde_json::to_writer(&mut *text, &record)?;
        text.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_their_days() {
        for (name, days) in [("2026-02", 28), ("2024-02", 29), ("2026-04", 30), ("2026-12", 31)] {
            let (first, behind) = span(name);
            assert_eq!(((behind - first) / DAY, month(first)), (days, name.to_owned()));
            assert_eq!(month(behind - 1), name);
        }
        let names = ["2026-11", "2026-13", "2026-1", "incidents", "../2026"];
        assert_eq!(names.map(is_month), [true, false, false, false, false]);
    }
}
