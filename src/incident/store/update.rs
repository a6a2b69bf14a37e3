//! Writes incidents, notices and the journal.

use std::ops::Deref;

use rusqlite::{Connection, Transaction, params};

use crate::incident::clauses::Mode;
use crate::incident::due::{Notice, NoticeState};
use crate::incident::machine::{Newest, Outcome};
use crate::incident::model::{Incident, JournalRow};
use crate::time::Window;

use super::db::Store;
use super::error::{Error, Fault};
use super::meta::{self, SUPERSEDED, int};
use super::read::{self, Freeze, Hook, LastRun};

/// The most rows of the journal that wait for one hook. The oldest go first.
pub const MAX_WAITING: u64 = 10_000;

/// A transaction that changes incidents. It reads as a [`Store`] does, and sees its own changes. Dropped
/// without [`Update::commit`], it leaves the database as it was.
#[derive(Debug)]
pub struct Update<'a> {
    store: &'a Store,
    transaction: Transaction<'a>,
    wall: u64,
    mode: Mode,
}

impl Store {
    /// Begins a change at the time `wall` in Unix seconds, which the rows of its journal carry, as they
    /// carry the mode.
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if another process writes for longer than 10 s, or the error of SQLite.
    pub fn update(&mut self, wall: u64, mode: Mode) -> Result<Update<'_>, Error> {
        let store = &*self;
        Ok(Update { store, transaction: store.at(store.begin())?, wall, mode })
    }
}

impl Deref for Update<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

impl Update<'_> {
    /// Writes the results of a machine: incidents, journal, newest windows.
    ///
    /// # Errors
    /// Returns the error of SQLite, as all methods below do. The transaction must then be dropped.
    pub fn outcome(&mut self, outcome: &Outcome) -> Result<(), Error> {
        for incident in &outcome.changed {
            self.incident_changed(incident)?;
        }
        for id in &outcome.dropped {
            self.try_to(|db| {
                db.prepare_cached("DELETE FROM incident WHERE id = ?1")?.execute([int(*id)])?;
                Ok(())
            })?;
        }
        self.journal_rows(&outcome.rows)?;
        self.try_to(|db| {
            set_newest(db, &outcome.newest)?;
            meta::set(db, "next_id", &outcome.next_id)?;
            meta::add(db, "left_out", outcome.left_out)
        })
    }

    /// Notes that all of a window was stepped through.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn stepped(&mut self, window: Window) -> Result<(), Error> {
        let key = (int(window.start()), window.seconds());
        self.try_to(|db| {
            db.prepare_cached(
                "UPDATE finding SET line = NULL
                 WHERE start = ?1 AND seconds = ?2 AND line IS NOT NULL",
            )?
            .execute(key)?;
            db.prepare_cached(
                "UPDATE judged SET pending = 0 WHERE start = ?1 AND seconds = ?2 AND pending = 1",
            )?
            .execute(key)?;
            Ok(())
        })
    }

    /// Writes an incident, in the place of what was known of it.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn incident_changed(&mut self, incident: &Incident) -> Result<(), Error> {
        let Incident { id, subject, body } = incident;
        self.try_to(|db| {
            let text = serde_json::to_string(body)
                .map_err(|error| Fault::Content(format!("incident {id}: {error}")))?;
            db.prepare_cached(
                "INSERT INTO incident(id, host, role, state, changed, last, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT(id) DO UPDATE SET state = excluded.state, changed = excluded.changed,
                                               last = excluded.last, body = excluded.body",
            )?
            .execute(params![
                int(*id),
                subject.host.text(false),
                subject.role.as_str(),
                body.state.as_str(),
                int(body.changed),
                int(body.last),
                text,
            ])?;
            Ok(())
        })
    }

    /// Writes rows of the journal.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn journal_rows<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r JournalRow>,
    ) -> Result<(), Error> {
        self.try_to(|db| write_journal(db, rows, self.wall, self.mode))
    }

    /// Writes a notice about an incident that was written before.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn notice(&mut self, notice: &Notice) -> Result<(), Error> {
        self.try_to(|db| {
            db.prepare_cached(
                "INSERT INTO notice(incident, recipient, step, state, at, matters, peak, last, accepted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                int(notice.incident),
                notice.recipient,
                notice.step.as_str(),
                notice.state.as_str(),
                int(notice.at),
                int(notice.matters),
                notice.peak,
                int(notice.last),
                notice.accepted.map(int),
            ])?;
            if notice.state == NoticeState::Superseded && self.mode == Mode::Live {
                meta::add(db, SUPERSEDED, 1)?;
            }
            Ok(())
        })
    }

    /// Writes the clocks of this run.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn set_last_run(&mut self, run: &LastRun) -> Result<(), Error> {
        self.try_to(|db| meta::set(db, "last_run", run))
    }

    /// Lets incidents and rows of the journal be numbered above these, so that those who know numbers of a
    /// database that is lost do not take new ones for them.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn number_above(&mut self, incident: u64, journal: u64) -> Result<(), Error> {
        self.try_to(|db| {
            let next: u64 = meta::get(db, "next_id")?.unwrap_or(1);
            meta::set(db, "next_id", &next.max(incident.saturating_add(1)))?;
            // A table that never had a row has no line here.
            let sql = "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'journal'";
            if db.execute(sql, [int(journal)])? == 0 {
                let sql = "INSERT INTO sqlite_sequence(name, seq) VALUES ('journal', ?1)";
                db.execute(sql, [int(journal)])?;
            }
            Ok(())
        })
    }

    /// Sets the moment of [`Store::published`].
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn set_published(&mut self, moment: u64) -> Result<(), Error> {
        self.try_to(|db| meta::set(db, "published", &moment))
    }

    /// Sets or ends the stop of new acts.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn set_freeze(&mut self, freeze: Option<&Freeze>) -> Result<(), Error> {
        self.try_to(|db| match freeze {
            Some(freeze) => meta::set(db, "freeze", freeze),
            None => meta::remove(db, "freeze"),
        })
    }

    /// Returns the place of a hook, and gives it one if it has none: behind the newest row, because a new
    /// hook does not hear what was before it. If more than [`MAX_WAITING`] rows wait, the oldest are
    /// skipped and counted.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn place_of_hook(&mut self, name: &str) -> Result<Hook, Error> {
        let place = self.try_to(|db| {
            let newest = read::newest_entry(db)?;
            let Some(mut hook) = read::hook(db, name)? else {
                return Ok(Hook { sent: newest, dropped: 0 });
            };
            // The numbers of rows have no gaps behind the place of a hook but those of retention.
            let from = newest.saturating_sub(MAX_WAITING);
            if hook.sent < from {
                let sql = "SELECT count(*) FROM journal WHERE id > ?1 AND id <= ?2";
                let skipped: u64 = db
                    .prepare_cached(sql)?
                    .query_row([int(hook.sent), int(from)], |row| row.get(0))?;
                hook = Hook { sent: from, dropped: hook.dropped.saturating_add(skipped) };
            }
            Ok(hook)
        })?;
        self.set_hook(name, place)?;
        Ok(place)
    }

    /// Sets the place of a hook.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn set_hook(&mut self, name: &str, place: Hook) -> Result<(), Error> {
        self.try_to(|db| {
            db.prepare_cached(
                "INSERT INTO hook(name, sent, dropped) VALUES (?1, ?2, ?3)
                 ON CONFLICT(name) DO UPDATE SET sent = excluded.sent, dropped = excluded.dropped
                 WHERE sent <> excluded.sent OR dropped <> excluded.dropped",
            )?
            .execute(params![name, int(place.sent), int(place.dropped)])?;
            Ok(())
        })
    }

    /// Makes all of it last.
    ///
    /// # Errors
    /// Returns the error of SQLite, and nothing was written.
    pub fn commit(self) -> Result<(), Error> {
        self.commit_between("in-T2", "after-T2")
    }

    /// Makes all of it last, between two kill points of these names.
    ///
    /// # Errors
    /// See [`Update::commit`].
    pub fn commit_between(self, before: &'static str, after: &'static str) -> Result<(), Error> {
        (self.store.kill_point)(before);
        self.store.at(self.transaction.commit())?;
        (self.store.kill_point)(after);
        Ok(())
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn wall(&self) -> u64 {
        self.wall
    }

    pub(super) fn try_to<T>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        work(&self.transaction).map_err(|fault| fault.at(&self.store.path))
    }
}

/// Writes rows of the journal.
pub(super) fn write_journal<'r>(
    db: &Connection,
    rows: impl IntoIterator<Item = &'r JournalRow>,
    wall: u64,
    mode: Mode,
) -> Result<(), Fault> {
    let mut statement = db.prepare_cached(
        "INSERT INTO journal(incident, data, wall, actor, what, \"from\", \"to\", reason, mode)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut count = 0;
    for row in rows {
        statement.execute(params![
            row.incident.map(int),
            int(row.data),
            int(wall),
            row.actor,
            row.what.as_str(),
            row.from,
            row.to,
            row.reason,
            mode.as_str(),
        ])?;
        count += 1;
    }
    meta::add(db, "journal", count)
}

fn set_newest(db: &Transaction, newest: &Newest) -> Result<(), Fault> {
    let all: std::collections::BTreeMap<_, _> =
        newest.0.iter().map(|(kind, window)| (*kind, (window.start(), window.seconds()))).collect();
    meta::set(db, "newest", &all)
}
