//! Retention: closed incidents, their notices and journal, and findings are forgotten after a while.

use rusqlite::Transaction;

use super::error::{Error, Fault};
use super::meta::{self, int};
use super::read;
use super::schema::RETAINING;
use super::update::Update;

/// The data time that one call forgets, in seconds.
const EVERY: u64 = 86_400;

/// The most closed incidents that are remembered. An attacker who forges exports can name other hosts every
/// day; the oldest are forgotten first.
pub const MAX_CLOSED: u64 = 1_000_000;

/// The most rows of the journal. Hosts that stop and begin again, forged or not, write a row each time; the
/// oldest are forgotten first.
pub const MAX_JOURNAL: u64 = 20_000_000;

/// The share of a bound that is removed at a time, so that not each run has to.
const SHARE: u64 = 20;

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
    /// Closed incidents and rows of the journal that were forgotten before their time, because there are too
    /// many. The numbers above count these too.
    pub no_room: u64,
}

impl Update<'_> {
    /// Forgets closed incidents whose state changed more than `keep` seconds before the end of the newest
    /// window, with their notices and their journal, and findings, verdicts and other rows of the journal
    /// that are older. Incidents that are not closed stay whole.
    ///
    /// Beyond [`MAX_CLOSED`] incidents or [`MAX_JOURNAL`] rows the oldest are forgotten before their time.
    ///
    /// A call forgets at most one day of data time, and nothing unless that day has passed as a whole: a
    /// clock that is wrong for an hour must not cost the memory. Time of the data beyond that of the update
    /// counts for nothing.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn retain(&mut self, keep: u64) -> Result<Retained, Error> {
        self.retain_within(keep, MAX_CLOSED, MAX_JOURNAL)
    }

    pub(super) fn retain_within(
        &mut self,
        keep: u64,
        max_closed: u64,
        max_journal: u64,
    ) -> Result<Retained, Error> {
        let wall = self.wall();
        self.try_to(|db| {
            let mut retained = Retained::default();
            let newest = read::newest(db)?.window();
            let wanted = newest.map_or(0, |newest| newest.end().min(wall).saturating_sub(keep));
            let floor = if newest.is_some() { next_floor(db, wanted)? } else { None };
            let beyond = beyond(db, max_closed, max_journal)?;
            if floor.is_none() && beyond.is_none() {
                return Ok(retained);
            }
            meta::set(db, RETAINING, &true)?;
            if let Some(floor) = floor {
                meta::set(db, "floor", &floor)?;
                forget(db, int(floor), &mut retained)?;
            }
            if let Some(beyond) = beyond {
                make_room(db, &beyond, &mut retained)?;
            }
            meta::remove(db, RETAINING)?;
            meta::take(db, "journal", retained.journal)?;
            meta::take(db, "findings", retained.findings)?;
            meta::take(db, "judged", retained.judged)?;
            meta::add(db, "forgotten", retained.no_room)?;
            Ok(retained)
        })
    }
}

/// The numbers of what is to be forgotten because there is too much.
struct Beyond {
    incidents: u64,
    journal: u64,
}

/// Returns how many closed incidents and rows of the journal are too many; `None` if none are.
fn beyond(db: &Transaction, max_closed: u64, max_journal: u64) -> Result<Option<Beyond>, Fault> {
    let excess = |count: u64, max: u64| if count > max { count - max + max / SHARE } else { 0 };
    // A range of numbers is read at once, and has at least as many as there are incidents.
    let range =
        "SELECT coalesce((SELECT max(id) FROM incident) - (SELECT min(id) FROM incident) + 1, 0)";
    let mut closed: u64 = db.prepare_cached(range)?.query_row([], |row| row.get(0))?;
    if closed > max_closed {
        let sql = "SELECT count(*) FROM incident WHERE state = 'closed'";
        closed = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    }
    let journal = meta::count(db, "journal")?;
    let beyond =
        Beyond { incidents: excess(closed, max_closed), journal: excess(journal, max_journal) };
    Ok((beyond.incidents > 0 || beyond.journal > 0).then_some(beyond))
}

fn make_room(db: &Transaction, beyond: &Beyond, retained: &mut Retained) -> Result<(), Fault> {
    let run = |sql: &str, count: u64| -> Result<u64, Fault> {
        Ok(db.prepare_cached(sql)?.execute([int(count)])? as u64)
    };
    let oldest = "SELECT id FROM incident WHERE state = 'closed' ORDER BY changed, id LIMIT ?1";
    let journal = format!("DELETE FROM journal WHERE incident IN ({oldest})");
    let journal = run(&journal, beyond.incidents)?;
    let incidents = format!("DELETE FROM incident WHERE id IN ({oldest})");
    let incidents = run(&incidents, beyond.incidents)?;
    let rest = beyond.journal.saturating_sub(journal);
    let rows = "DELETE FROM journal WHERE id IN (SELECT id FROM journal ORDER BY id LIMIT ?1)";
    let rows = run(rows, rest)?;
    retained.incidents += incidents;
    retained.journal += journal + rows;
    retained.no_room += incidents + journal + rows;
    Ok(())
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

fn forget(db: &Transaction, floor: i64, retained: &mut Retained) -> Result<(), Fault> {
    let run =
        |sql: &str| -> Result<u64, Fault> { Ok(db.prepare_cached(sql)?.execute([floor])? as u64) };
    let journal = run("DELETE FROM journal WHERE incident IN (
                           SELECT id FROM incident WHERE state = 'closed' AND changed < ?1)")?;
    // Notices go with their incident.
    let incidents = run("DELETE FROM incident WHERE state = 'closed' AND changed < ?1")?;
    run("DELETE FROM mail WHERE at < ?1 AND state NOT IN ('wanted', 'sending')
             AND NOT EXISTS (SELECT 1 FROM notice WHERE notice.mail = mail.id)")?;
    let rest = run("DELETE FROM journal WHERE data < ?1 AND (incident IS NULL
                        OR NOT EXISTS (SELECT 1 FROM incident WHERE id = journal.incident))")?;
    let findings = run("DELETE FROM finding WHERE start < ?1 AND line IS NULL")?;
    let judged = run("DELETE FROM judged WHERE start < ?1 AND pending = 0")?;
    *retained = Retained { incidents, journal: journal + rest, findings, judged, no_room: 0 };
    Ok(())
}
