//! Rows of the journal that a command has just written, for the person who caused them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;

use serde::Serialize;

use super::show::row_cells;
use crate::cli::Io;
use crate::finding::Role;
use crate::incident::Subject;
use crate::incident::export::JournalRecord;
use crate::incident::store::Store;
use crate::report::Escaped;
use crate::time::Timestamp;
use crate::tool::site;

/// The most rows that are printed. A change of some incidents makes a few rows for each.
const MAX_ROWS: u64 = 10_000;

/// A row of the journal with the subject of its incident, with the keys that hooks get too.
#[derive(Debug, Serialize)]
pub(super) struct RowRecord<'a> {
    id: u64,
    incident: Option<u64>,
    host: Option<&'a str>,
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

impl<'a> RowRecord<'a> {
    /// Returns the record of a row about a host in its role; a change that is of no incident has neither.
    pub fn new(row: &'a JournalRecord, host: Option<&'a str>, role: Option<Role>) -> RowRecord<'a> {
        RowRecord {
            id: row.id,
            incident: row.incident,
            host,
            role: role.map(Role::as_str),
            data: Timestamp::from_secs(row.data).rfc3339(),
            wall: Timestamp::from_secs(row.wall).rfc3339(),
            actor: &row.actor,
            what: row.what.as_str(),
            from: &row.from,
            to: &row.to,
            reason: &row.reason,
            mode: row.mode.as_str(),
        }
    }
}

/// The subjects of incidents, each looked up once.
pub(super) struct Subjects<'a> {
    store: &'a Store,
    known: BTreeMap<u64, Option<Subject>>,
}

impl<'a> Subjects<'a> {
    pub fn new(store: &'a Store) -> Subjects<'a> {
        Subjects { store, known: BTreeMap::new() }
    }

    /// Returns the subject of an incident; `None` for a row of none, and for one that is forgotten.
    ///
    /// # Errors
    /// Fails if the database cannot be read.
    pub fn of(&mut self, incident: Option<u64>) -> anyhow::Result<Option<Subject>> {
        let Some(id) = incident else { return Ok(None) };
        if let Entry::Vacant(place) = self.known.entry(id) {
            place.insert(self.store.incident(id)?.map(|incident| incident.subject));
        }
        Ok(self.known.get(&id).copied().flatten())
    }
}

/// Prints the rows behind the row `after`, as sentences or as JSON.
///
/// # Errors
/// Fails if the database cannot be read or stdout cannot be written.
pub(super) fn print(store: &Store, after: u64, json: bool, io: &mut Io) -> anyhow::Result<()> {
    let local = site::local_time(&io.config)?;
    let mut subjects = Subjects::new(store);
    for entry in store.journal_after(after, MAX_ROWS)? {
        let row = JournalRecord::from(&entry);
        let subject = subjects.of(row.incident)?;
        let host = subject.map(|subject| subject.host.text(false));
        if json {
            let role = subject.map(|subject| subject.role);
            serde_json::to_writer(&mut io.out, &RowRecord::new(&row, host.as_deref(), role))?;
            writeln!(io.out)?;
            continue;
        }
        let about = match (row.incident, host) {
            (Some(id), Some(host)) => format!("incident {id} ({host}): "),
            (Some(id), None) => format!("incident {id}: "),
            (None, _) => String::new(),
        };
        let [_, _, _, what, from, to, reason] = row_cells(&row, &local);
        let change = format!("{about}{what}: {from} -> {to}: {reason}");
        writeln!(io.out, "{}", Escaped(change))?;
    }
    Ok(())
}
