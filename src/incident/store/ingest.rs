//! Writes down what comes in, each finding and each verdict once.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::finding::{Finding, Kind, SET_LIMIT, Side, line};
use crate::incident::machine::Verdict;
use crate::time::Window;

use super::db::Store;
use super::error::{Error, Fault};
use super::meta::{self, int};
use super::read;

/// The most findings of one window that wait to be stepped through. An attacker who forges exports can
/// cause any number; those about inside hosts are kept before others, and those with many flows before
/// those with few.
pub const MAX_PENDING: u64 = SET_LIMIT as u64;

/// The most findings that are remembered. The oldest that were stepped through are forgotten first.
pub const MAX_FINDINGS: u64 = 2_000_000;

/// The most verdicts that are remembered: six years of three detectors and windows of 10 minutes.
pub const MAX_JUDGED: u64 = 1_000_000;

/// The longest window, in seconds: a month. One of a century would be the newest window for ever, beside which
/// all that is found now looks old.
const MAX_SECONDS: u32 = 31 * 86_400;

/// Rows that are forgotten at a time, so that not each new one looks for an old one.
const BATCH: u64 = 1000;

/// The outcome of giving one finding to an [`Ingest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The finding is new.
    New,
    /// A finding of this identity is known, with fewer flows or fewer marks that speak against a block.
    Grown,
    /// The finding is known.
    Known,
    /// The finding has no window, or one longer than a month, so it cannot be remembered.
    NoWindow,
    /// The finding is so old that retention has forgotten what was known of it.
    TooOld,
    /// There is no room, because too many findings wait to be stepped through.
    Dropped,
}

/// The numbers of what an [`Ingest`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Findings that are new.
    pub new: u64,
    /// Findings that were known with less.
    pub grown: u64,
    /// Findings that were known.
    pub known: u64,
    /// Findings without a window, and findings and verdicts of a window longer than a month.
    pub no_window: u64,
    /// Findings and verdicts of windows older than what is remembered.
    pub too_old: u64,
    /// Findings that will not be stepped through, because there are too many.
    pub dropped: u64,
    /// Findings and verdicts that were stepped through and are forgotten, because there are too many.
    pub forgotten: u64,
}

/// The bounds, smaller in tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) pending: u64,
    pub(super) findings: u64,
    pub(super) judged: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { pending: MAX_PENDING, findings: MAX_FINDINGS, judged: MAX_JUDGED }
    }
}

/// A transaction that writes down findings and verdicts. Dropped without [`Ingest::commit`], it leaves the
/// database as it was.
#[derive(Debug)]
pub struct Ingest<'a> {
    store: &'a Store,
    transaction: Transaction<'a>,
    bounds: Bounds,
    done: Ingested,
    /// Findings that wait, of each window that this ingest has added one to.
    pending: HashMap<Window, u64>,
    /// Windows of which a finding was dropped.
    short: HashSet<Window>,
    findings: u64,
    judged: u64,
    /// Windows that start before are too old.
    floor: u64,
}

impl Store {
    /// Begins to write down findings and verdicts.
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if another process writes for longer than 10 s, or the error of SQLite.
    pub fn ingest(&mut self) -> Result<Ingest<'_>, Error> {
        (self.kill_point)("before-T1");
        self.ingest_within(Bounds::default())
    }

    pub(super) fn ingest_within(&self, bounds: Bounds) -> Result<Ingest<'_>, Error> {
        let transaction = self.at(self.begin())?;
        Ok(Ingest {
            store: self,
            bounds,
            done: Ingested::default(),
            pending: HashMap::new(),
            short: HashSet::new(),
            findings: self.at(meta::count(&transaction, "findings"))?,
            judged: self.at(meta::count(&transaction, "judged"))?,
            floor: self.at(meta::count(&transaction, "floor"))?,
            transaction,
        })
    }
}

impl Ingest<'_> {
    /// Writes down a finding. One of the same window, kind, class, host, role, protocol and port is known
    /// already if it has as many flows and all marks of the new one that speak against a block. Such marks add up,
    /// whatever the order of the lines.
    ///
    /// # Errors
    /// Returns the error of SQLite. The transaction must then be dropped.
    pub fn finding(&mut self, finding: &Finding) -> Result<Taken, Error> {
        let taken = self.take(finding).map_err(|fault| fault.at(&self.store.path))?;
        let count = match taken {
            Taken::New => &mut self.done.new,
            Taken::Grown => &mut self.done.grown,
            Taken::Known => &mut self.done.known,
            Taken::NoWindow => &mut self.done.no_window,
            Taken::TooOld => &mut self.done.too_old,
            Taken::Dropped => &mut self.done.dropped,
        };
        *count += 1;
        Ok(taken)
    }

    /// Writes down a detector's verdict on a window. If it has one that was not stepped through yet, the
    /// worse of each part holds; one that was stepped through stays as it is.
    ///
    /// # Errors
    /// Returns the error of SQLite. The transaction must then be dropped.
    pub fn end(&mut self, kind: Kind, window: Window, verdict: Verdict) -> Result<(), Error> {
        self.judge(kind, window, verdict).map_err(|fault| fault.at(&self.store.path))
    }

    /// Notes that a part of the input could not be read or understood: findings of any window that waits may be
    /// missing.
    ///
    /// # Errors
    /// Returns the error of SQLite. The transaction must then be dropped.
    pub fn doubt_waiting(&mut self) -> Result<(), Error> {
        let sql = "UPDATE judged SET may_lack = 1 WHERE pending = 1";
        self.store.at(self.transaction.execute(sql, []).map_err(Fault::from))?;
        Ok(())
    }

    /// Makes all of it last, and returns how much it was.
    ///
    /// # Errors
    /// Returns the error of SQLite, and nothing was written.
    pub fn commit(mut self) -> Result<Ingested, Error> {
        let path = &self.store.path;
        self.finish().map_err(|fault| fault.at(path))?;
        (self.store.kill_point)("in-T1");
        self.transaction.commit().map_err(|error| Fault::from(error).at(path))?;
        (self.store.kill_point)("after-T1");
        Ok(self.done)
    }

    fn take(&mut self, finding: &Finding) -> Result<Taken, Fault> {
        let Some(window) = finding.window.filter(|window| is_sound(*window)) else {
            return Ok(Taken::NoWindow);
        };
        if window.start() < self.floor {
            return Ok(Taken::TooOld);
        }
        let host = finding.host.text(false);
        let (kind, role) = (finding.kind.as_str(), finding.role.as_str());
        let (proto, port) =
            (finding.proto.map_or(-1, i64::from), finding.port.map_or(-1, i64::from));
        let start = int(window.start());
        let key = params![start, window.seconds(), kind, finding.class, host, role, proto, port];
        let flows = int(finding.flows);
        let doubts = doubts(finding);
        let known: Option<(i64, i64, Option<String>)> = self
            .transaction
            .prepare_cached(
                "SELECT flows, doubts, line FROM finding WHERE start = ?1
                 AND seconds = ?2 AND kind = ?3 AND class = ?4 AND host = ?5 AND role = ?6
                 AND proto = ?7 AND port = ?8",
            )?
            .query_row(key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let was_pending = match &known {
            Some((known, doubted, _)) if *known >= flows && doubts & !doubted == 0 => {
                return Ok(Taken::Known);
            }
            Some((_, _, line)) => line.is_some(),
            None => {
                if self.findings >= self.bounds.findings && !self.make_room()? {
                    self.short.insert(window);
                    return Ok(Taken::Dropped);
                }
                false
            }
        };
        if !was_pending {
            self.note_pending(window)?;
        }
        let outside = finding.side == Some(Side::Outside);
        let is_new = known.is_none();
        let (flows, doubts, line) = joined(finding, flows, doubts, known)?;
        self.transaction
            .prepare_cached(
                "INSERT INTO finding(start, seconds, kind, class, host, role, proto, port, outside,
                                     flows, doubts, line)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT DO UPDATE SET outside = excluded.outside, flows = excluded.flows,
                                           doubts = excluded.doubts, line = excluded.line",
            )?
            .execute(params![
                start,
                window.seconds(),
                kind,
                finding.class,
                host,
                role,
                proto,
                port,
                outside,
                flows,
                doubts,
                line,
            ])?;
        if !is_new {
            return Ok(Taken::Grown);
        }
        self.findings += 1;
        Ok(Taken::New)
    }

    /// Adds one to the findings of a window that wait, and drops some if they are twice as many as may wait.
    fn note_pending(&mut self, window: Window) -> Result<(), Fault> {
        let count = match self.pending.get(&window) {
            Some(count) => *count,
            None => count_pending(&self.transaction, window)?,
        };
        self.pending.insert(window, count + 1);
        if count + 1 > 2 * self.bounds.pending {
            self.shorten(window)?;
        }
        Ok(())
    }

    /// Lets only the most important findings of a window wait. The others stay known, so that they are not
    /// taken for new ones when they come again.
    fn shorten(&mut self, window: Window) -> Result<(), Fault> {
        let count = count_pending(&self.transaction, window)?;
        if count > self.bounds.pending {
            let dropped = self
                .transaction
                .prepare_cached(
                    "UPDATE finding SET line = NULL
                     WHERE start = ?1 AND seconds = ?2 AND (kind, class, host, role, proto, port) IN (
                         SELECT kind, class, host, role, proto, port FROM finding
                         WHERE start = ?1 AND seconds = ?2 AND line IS NOT NULL
                         ORDER BY outside, doubts & 1, flows DESC, kind, class, host, role, proto, port
                         LIMIT -1 OFFSET ?3)",
                )?
                .execute(params![int(window.start()), window.seconds(), int(self.bounds.pending)])?;
            self.done.dropped += dropped as u64;
            self.short.insert(window);
        }
        self.pending.insert(window, count.min(self.bounds.pending));
        Ok(())
    }

    /// Forgets some of the oldest findings that were stepped through. Returns false if there is none.
    fn make_room(&mut self) -> Result<bool, Fault> {
        let forgotten = self
            .transaction
            .prepare_cached(
                "DELETE FROM finding WHERE (start, seconds, kind, class, host, role, proto, port) IN (
                     SELECT start, seconds, kind, class, host, role, proto, port FROM finding
                     WHERE line IS NULL
                     ORDER BY start, seconds, kind, class, host, role, proto, port LIMIT ?1)",
            )?
            .execute([int(BATCH.min(self.bounds.findings))])? as u64;
        self.findings = self.findings.saturating_sub(forgotten);
        self.done.forgotten += forgotten;
        Ok(forgotten > 0)
    }

    fn judge(&mut self, kind: Kind, window: Window, verdict: Verdict) -> Result<(), Fault> {
        if !is_sound(window) {
            self.done.no_window += 1;
            return Ok(());
        }
        if window.start() < self.floor {
            self.done.too_old += 1;
            return Ok(());
        }
        let (start, seconds) = (int(window.start()), window.seconds());
        let known: Option<(Verdict, bool)> = self
            .transaction
            .prepare_cached(
                "SELECT is_whole, is_open, pending FROM judged
                 WHERE start = ?1 AND seconds = ?2 AND kind = ?3",
            )?
            .query_row(params![start, seconds, kind.as_str()], |row| {
                Ok((Verdict { is_whole: row.get(0)?, is_open: row.get(1)? }, row.get(2)?))
            })
            .optional()?;
        let verdict = match known {
            Some((_, false)) => return Ok(()),
            Some((known, true)) if known.and(verdict) == known => return Ok(()),
            Some((known, true)) => known.and(verdict),
            None => {
                if self.judged >= self.bounds.judged {
                    self.make_room_to_judge()?;
                }
                self.judged += 1;
                verdict
            }
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO judged(start, seconds, kind, is_whole, is_open, pending)
                 VALUES (?1, ?2, ?3, ?4, ?5, 1)
                 ON CONFLICT DO UPDATE SET is_whole = excluded.is_whole, is_open = excluded.is_open",
            )?
            .execute(params![start, seconds, kind.as_str(), verdict.is_whole, verdict.is_open])?;
        Ok(())
    }

    /// Forgets some of the oldest verdicts, those that were stepped through first.
    fn make_room_to_judge(&mut self) -> Result<(), Fault> {
        let forgotten = self
            .transaction
            .prepare_cached(
                "DELETE FROM judged WHERE (start, seconds, kind) IN (
                     SELECT start, seconds, kind FROM judged
                     ORDER BY pending, start, seconds, kind LIMIT ?1)",
            )?
            .execute([int(BATCH.min(self.bounds.judged))])? as u64;
        self.judged = self.judged.saturating_sub(forgotten);
        self.done.forgotten += forgotten;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let limit = self.bounds.pending;
        let long: Vec<Window> =
            self.pending.iter().filter(|(_, count)| **count > limit).map(|(w, _)| *w).collect();
        for window in long {
            self.shorten(window)?;
        }
        let db = &self.transaction;
        for window in &self.short {
            // A host of which nothing is left may be one whose finding was dropped.
            db.prepare_cached(
                "UPDATE judged SET may_lack = 1 WHERE start = ?1 AND seconds = ?2 AND pending = 1",
            )?
            .execute(params![int(window.start()), window.seconds()])?;
        }
        meta::set(db, "findings", &self.findings)?;
        meta::set(db, "judged", &self.judged)?;
        meta::add(db, "dropped", self.done.dropped)?;
        meta::add(db, "forgotten", self.done.forgotten)
    }
}

/// Returns false for a window that no detector judges as one.
fn is_sound(window: Window) -> bool {
    window.seconds() <= MAX_SECONDS
}

/// The marks that speak against a block, each a bit of the column `doubts`. `survey` is none of them here: a
/// line that has it must not hide one that has not.
const DOUBTS: [&str; 4] = ["forged", "inner", "oneway", "sampled"];

fn doubts(finding: &Finding) -> i64 {
    let bits = DOUBTS.iter().enumerate().map(|(bit, mark)| {
        let has = finding.marks.iter().any(|other| other == mark);
        i64::from(has) << bit
    });
    bits.sum()
}

/// Returns flows, doubts and line of a finding and what is known of it, the line with the marks of both.
fn joined(
    finding: &Finding,
    flows: i64,
    doubts: i64,
    known: Option<(i64, i64, Option<String>)>,
) -> Result<(i64, i64, String), Fault> {
    let Some((known_flows, known_doubts, known_line)) = known else {
        return Ok((flows, doubts, line(finding)));
    };
    let all = doubts | known_doubts;
    let mut best = match known_line {
        Some(text) if known_flows >= flows => read::finding(&text)?,
        _ => finding.clone(),
    };
    for (bit, mark) in DOUBTS.iter().enumerate() {
        if (all >> bit) & 1 == 1 && !best.marks.iter().any(|other| other == mark) {
            best.marks.push((*mark).to_owned());
        }
    }
    best.marks.sort();
    Ok((flows.max(known_flows), all, line(&best)))
}

fn count_pending(db: &Connection, window: Window) -> Result<u64, Fault> {
    let sql = "SELECT count(*) FROM finding
               WHERE start = ?1 AND seconds = ?2 AND line IS NOT NULL";
    let key = params![int(window.start()), window.seconds()];
    Ok(db.prepare_cached(sql)?.query_row(key, |row| row.get(0))?)
}
