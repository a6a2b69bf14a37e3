//! Retention: closed incidents, their notices and journal, and findings are forgotten after a while.

use rusqlite::Transaction;

use super::error::{Error, Fault};
use super::meta::{self, int};
use super::read;
use super::schema::RETAINING;
use super::update::Update;

/// Retention runs when this much more than before is to be forgotten, in seconds.
const EVERY: u64 = 86_400;

/// The numbers of what retention has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Incidents.
    pub incidents: u64,
    /// Rows of the journal.
    pub journal: u64,
    /// Findings.
    pub findings: u64,
    /// Verdicts.
    pub judged: u64,
}

impl Update<'_> {
    /// Forgets closed incidents whose state changed more than `keep` seconds before the end of the newest
    /// window, with their notices and their journal, and findings, verdicts and other rows of the journal
    /// that are older. Incidents that are not closed stay whole. Does nothing unless a day has passed in
    /// data time since the last call that did.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn retain(&mut self, keep: u64) -> Result<Retained, Error> {
        self.try_to(|db| {
            let Some(newest) = read::newest(db)?.window() else { return Ok(Retained::default()) };
            let floor = newest.end().saturating_sub(keep);
            let before = meta::count(db, "floor")?;
            if floor < before.saturating_add(EVERY) {
                return Ok(Retained::default());
            }
            meta::set(db, "floor", &floor)?;
            meta::set(db, RETAINING, &true)?;
            let retained = forget(db, int(floor))?;
            meta::remove(db, RETAINING)?;
            meta::take(db, "journal", retained.journal)?;
            meta::take(db, "findings", retained.findings)?;
            meta::take(db, "judged", retained.judged)?;
            Ok(retained)
        })
    }
}

fn forget(db: &Transaction, floor: i64) -> Result<Retained, Fault> {
    let run =
        |sql: &str| -> Result<u64, Fault> { Ok(db.prepare_cached(sql)?.execute([floor])? as u64) };
    let journal = run("DELETE FROM journal WHERE incident IN (
                           SELECT id FROM incident WHERE state = 'closed' AND changed < ?1)")?;
    // Notices go with their incident.
    let incidents = run("DELETE FROM incident WHERE state = 'closed' AND changed < ?1")?;
    let rest = run("DELETE FROM journal WHERE data < ?1 AND (incident IS NULL
                        OR NOT EXISTS (SELECT 1 FROM incident WHERE id = journal.incident))")?;
    let findings = run("DELETE FROM finding WHERE start < ?1 AND line IS NULL")?;
    let judged = run("DELETE FROM judged WHERE start < ?1 AND pending = 0")?;
    Ok(Retained { incidents, journal: journal + rest, findings, judged })
}
