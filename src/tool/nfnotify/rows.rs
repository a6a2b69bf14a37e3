//! Rows of the journal that a command has just written, for the person who caused them.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::local::Local;
use super::show::row_cells;
use crate::cli::{Escaped, Io};
use crate::incident::JournalRecord;
use crate::incident::store::Store;

/// The most rows that are printed. A change of some incidents makes a few rows for each.
const MAX_ROWS: u64 = 10_000;

/// A row of the journal with the subject of its incident, as hooks get it too.
#[derive(Debug, Serialize)]
pub(super) struct RowRecord {
    /// The host or network; `None` for a change that is of no incident.
    pub host: Option<String>,
    /// The part that it plays.
    pub role: Option<&'static str>,
    /// The row.
    #[serde(flatten)]
    pub row: JournalRecord,
}

/// Prints the rows behind the row `after`, as sentences or as JSON.
///
/// # Errors
/// Fails if the database cannot be read or stdout cannot be written.
pub(super) fn print(store: &Store, after: u64, json: bool, io: &mut Io) -> anyhow::Result<()> {
    let local = Local::of(&io.config)?;
    let mut subjects = BTreeMap::new();
    for entry in store.journal_after(after, MAX_ROWS)? {
        let row = JournalRecord::from(&entry);
        if let Some(id) = row.incident {
            if let std::collections::btree_map::Entry::Vacant(place) = subjects.entry(id) {
                place.insert(store.incident(id)?.map(|incident| incident.subject));
            }
        }
        let subject = row.incident.and_then(|id| subjects.get(&id).copied().flatten());
        let host = subject.map(|subject| subject.host.text(false));
        if json {
            let role = subject.map(|subject| subject.role.as_str());
            serde_json::to_writer(&mut io.out, &RowRecord { host, role, row })?;
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
