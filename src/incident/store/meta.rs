//! Values of the database as a whole, each as JSON under its key.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Fault;

/// The key of the notices that came too late and that the operator was not told of.
pub(super) const SUPERSEDED: &str = "superseded_unreported";

/// Returns the value of a key.
pub(super) fn get<T: DeserializeOwned>(db: &Connection, key: &str) -> Result<Option<T>, Fault> {
    let mut statement = db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let text: Option<String> = statement.query_row([key], |row| row.get(0)).optional()?;
    let Some(text) = text else { return Ok(None) };
    let value = serde_json::from_str(&text);
    value.map(Some).map_err(|error| Fault::Content(format!("meta {key}: {error}")))
}

/// Sets the value of a key. Writes nothing if it has that value.
pub(super) fn set<T: Serialize>(db: &Connection, key: &str, value: &T) -> Result<(), Fault> {
    let text = serde_json::to_string(value)
        .map_err(|error| Fault::Content(format!("meta {key}: {error}")))?;
    let mut statement = db.prepare_cached(
        "INSERT INTO meta(key, value) VALUES (?1, ?2)
         ON CONFLICT(key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
    )?;
    statement.execute([key, &text])?;
    Ok(())
}

/// Removes a key.
pub(super) fn remove(db: &Connection, key: &str) -> Result<(), Fault> {
    db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Returns a counter; 0 if it was never set.
pub(super) fn count(db: &Connection, key: &str) -> Result<u64, Fault> {
    Ok(get(db, key)?.unwrap_or(0))
}

/// Adds to a counter.
pub(super) fn add(db: &Connection, key: &str, more: u64) -> Result<(), Fault> {
    if more == 0 { Ok(()) } else { set(db, key, &count(db, key)?.saturating_add(more)) }
}

/// Takes from a counter.
pub(super) fn take(db: &Connection, key: &str, less: u64) -> Result<(), Fault> {
    if less == 0 { Ok(()) } else { set(db, key, &count(db, key)?.saturating_sub(less)) }
}

/// Returns a number as SQLite holds it: at most 2^63 - 1. A forged line may name any number of flows.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
