//! Retention: closed incidents, their notices and journal, and findings are forgotten after a while.

use rusqlite::Transaction;

use super::error::{Error, Fault};
use super::meta::{self, int};
use super::read;
use super::schema::RETAINING;
use super::update::Update;

/// The data time that one call forgets, in seconds.
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
    /// that are older. Incidents that are not closed stay whole.
    ///
    /// A call forgets at most one day of data time, and nothing unless that day has passed as a whole: a
    /// clock that is wrong for an hour must not cost the memory. Time of the data beyond that of the update
    /// counts for nothing.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn retain(&mut self, keep: u64) -> Result<Retained, Error> {
        let wall = self.wall();
        self.try_to(|db| {
            let Some(newest) = read::newest(db)?.window() else { return Ok(Retained::default()) };
            let wanted = newest.end().min(wall).saturating_sub(keep);
            let Some(floor) = next_floor(db, wanted)? else { return Ok(Retained::default()) };
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

/// Returns the time before which all is to be forgotten, if that is another than the one before.
fn next_floor(db: &Transaction, wanted: u64) -> Result<Option<u64>, Fault> {
    let before = meta::count(db, "floor")?;
    if wanted.saturating_add(EVERY) < before {
        // The clock was wrong and is right again: windows of now must not count as too old.
        return Ok(Some(wanted));
    }
    // Days that nothing is left of need no call of their own: one line of 1970 would hold back retention
    // for months.
    let sql = "SELECT min(start) FROM (
                   SELECT min(start) AS start FROM finding UNION ALL SELECT min(start) FROM judged
                   UNION ALL SELECT min(changed) FROM incident WHERE state = 'closed')";
    let oldest = db.query_row(sql, [], |row| row.get::<_, Option<u64>>(0))?.unwrap_or(wanted);
    let before = before.max(oldest);
    let floor = before.saturating_add(EVERY);
    Ok((floor <= wanted).then_some(floor))
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
