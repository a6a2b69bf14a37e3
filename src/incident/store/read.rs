//! All that is read from the database.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Params, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Host, Item, Kind, Reader, Role};
use crate::incident::clauses::Mode;
use crate::incident::due::{Notice, NoticeState, Step};
use crate::incident::machine::{JudgedWindow, Newest, Verdict};
use crate::incident::model::{Changed, Incident, JournalRow, Subject};
use crate::time::Window;

use super::db::{Secret, Store};
use super::error::{Error, Fault};
use super::meta::{self, int};

/// A row of the journal, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the row; the next one has a greater one.
    pub id: u64,
    /// Time of the run, in Unix seconds.
    pub wall: u64,
    /// Mode of the run.
    pub mode: Mode,
    /// The change.
    pub row: JournalRow,
}

/// The clocks of the last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// Time of the run, in Unix seconds.
    pub now: u64,
    /// Identity of the machine's boot, as the kernel has it.
    pub boot_id: String,
    /// Seconds since that boot, with those of sleep.
    pub boottime: u64,
}

/// A stop of new acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// The end, in Unix seconds.
    pub until: u64,
    /// The person.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// The place of a hook in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// Number of the newest row that the hook took.
    pub sent: u64,
    /// Rows that it never got, because too many waited.
    pub dropped: u64,
}

const INCIDENT: &str = "SELECT id, host, role, body FROM incident";
pub(super) const JOURNAL: &str =
    "SELECT id, incident, data, wall, actor, what, \"from\", \"to\", reason, mode FROM journal";
pub(super) const NOTICE: &str =
    "SELECT n.incident, n.recipient, n.step, n.state, n.at, n.matters, n.peak, n.last, n.accepted";

/// The columns of [`NOTICE`].
pub(super) const NOTICE_COLUMNS: usize = 9;

impl Store {
    /// Returns the windows that have something to be stepped through, in the order of their start.
    ///
    /// # Errors
    /// Returns the error of SQLite, as all methods below do, and [`Error::Corrupt`] for a value that this
    /// program does not write.
    pub fn windows(&self) -> Result<Vec<Window>, Error> {
        let sql = "SELECT start, seconds FROM finding WHERE line IS NOT NULL
                   UNION SELECT start, seconds FROM judged WHERE pending = 1
                   ORDER BY start, seconds";
        self.at(rows(&self.db, sql, [], |row| window(row.get(0)?, row.get(1)?)))
    }

    /// Returns what is to be stepped through of one window. A verdict that was stepped through before says
    /// only if the collector was open: it proves nothing a second time.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn judged(&self, of: Window) -> Result<JudgedWindow, Error> {
        let key = (int(of.start()), of.seconds());
        let sql = "SELECT kind, is_whole, is_open, pending, may_lack FROM judged
                   WHERE start = ?1 AND seconds = ?2";
        let mut may_lack = false;
        let verdicts = self.at(rows(&self.db, sql, key, |row| {
            let kind = kind(row.get_ref(0)?.as_str()?)?;
            let (is_whole, is_open, is_pending) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let is_whole = is_whole && is_pending;
            may_lack |= row.get::<_, bool>(4)?;
            Ok((kind, Verdict { is_whole, is_open }))
        }))?;
        let sql = "SELECT line FROM finding
                   WHERE start = ?1 AND seconds = ?2 AND line IS NOT NULL";
        let findings =
            self.at(rows(&self.db, sql, key, |row| finding(&row.get::<_, String>(0)?)))?;
        let verdicts = verdicts.into_iter().collect();
        Ok(JudgedWindow { window: of, verdicts, findings, may_lack })
    }

    /// Returns the incidents that a machine must know to step through [`Store::windows`]: all that are not
    /// closed, the newest one of each subject with findings to come, and those before pending ones, which are
    /// in their place if they come to nothing.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn incidents_to_step(&self) -> Result<Vec<Incident>, Error> {
        let mut incidents = self.live()?;
        // Both conditions on the state: SQLite does not see that the one of the index follows from the other.
        let sql = format!(
            "{INCIDENT} WHERE id IN (
                 SELECT (SELECT max(id) FROM incident i WHERE i.host = f.host AND i.role = f.role)
                 FROM (SELECT DISTINCT host, role FROM finding WHERE line IS NOT NULL) f)
             AND state = 'closed'
             OR id IN (SELECT json_extract(body, '$.previous') FROM incident
                       WHERE state <> 'closed' AND state = 'pending')
             ORDER BY id"
        );
        incidents.extend(self.at(rows(&self.db, &sql, [], incident))?);
        Ok(incidents)
    }

    /// Returns the incidents that are not closed, by their number.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn live(&self) -> Result<Vec<Incident>, Error> {
        let sql = format!("{INCIDENT} WHERE state <> 'closed' ORDER BY id");
        self.at(rows(&self.db, &sql, [], incident))
    }

    /// Gives the incidents that are not closed to `take`, one at a time, by their number.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn each_live(&self, mut take: impl FnMut(Incident)) -> Result<(), Error> {
        let sql = format!("{INCIDENT} WHERE state <> 'closed' ORDER BY id");
        self.at(each(&self.db, &sql, [], |row| {
            take(incident(row)?);
            Ok(())
        }))
    }

    /// Returns the incidents that were closed at `since` in data time or later, by the time of that.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn closed_since(&self, since: u64) -> Result<Vec<Incident>, Error> {
        let sql =
            format!("{INCIDENT} WHERE state = 'closed' AND changed >= ?1 ORDER BY changed, id");
        self.at(rows(&self.db, &sql, [int(since)], incident))
    }

    /// Gives those incidents to `take`, one at a time, that were closed in data time from `start` on and
    /// before `end`.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn closed_between(
        &self,
        start: u64,
        end: u64,
        mut take: impl FnMut(Incident),
    ) -> Result<(), Error> {
        let sql = format!(
            "{INCIDENT} WHERE state = 'closed' AND changed >= ?1 AND changed < ?2
             ORDER BY changed, id"
        );
        self.at(each(&self.db, &sql, [int(start), int(end)], |row| {
            take(incident(row)?);
            Ok(())
        }))
    }

    /// Returns one incident.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn incident(&self, id: u64) -> Result<Option<Incident>, Error> {
        let sql = format!("{INCIDENT} WHERE id = ?1");
        Ok(self.at(rows(&self.db, &sql, [int(id)], incident))?.pop())
    }

    /// Returns all incidents of a host in either role, by their number.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn of_host(&self, host: Host) -> Result<Vec<Incident>, Error> {
        let sql = format!("{INCIDENT} WHERE host = ?1 ORDER BY id");
        self.at(rows(&self.db, &sql, [host.text(false)], incident))
    }

    /// Returns the notices about one incident, in the order in which they were made.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn notices(&self, id: u64) -> Result<Vec<Notice>, Error> {
        let sql = format!("{NOTICE} FROM notice n WHERE n.incident = ?1 ORDER BY n.id");
        self.at(rows(&self.db, &sql, [int(id)], notice))
    }

    /// Returns the notices about all incidents that are not closed, by incident, each in the order in which
    /// they were made.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn live_notices(&self) -> Result<BTreeMap<u64, Vec<Notice>>, Error> {
        // The words CROSS JOIN hold SQLite to this order of the tables: in the other one it would read all
        // notices and incidents of the past.
        let sql = format!(
            "{NOTICE} FROM incident i CROSS JOIN notice n ON n.incident = i.id
             WHERE i.state <> 'closed' ORDER BY n.id"
        );
        let mut all: BTreeMap<u64, Vec<Notice>> = BTreeMap::new();
        for notice in self.at(rows(&self.db, &sql, [], notice))? {
            all.entry(notice.incident).or_default().push(notice);
        }
        Ok(all)
    }

    /// Returns the journal of one incident.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn journal(&self, id: u64) -> Result<Vec<Entry>, Error> {
        let sql = format!("{JOURNAL} WHERE incident = ?1 ORDER BY id");
        self.at(rows(&self.db, &sql, [int(id)], entry))
    }

    /// Returns at most `limit` rows of the journal behind the row `after`, in their order.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn journal_after(&self, after: u64, limit: u64) -> Result<Vec<Entry>, Error> {
        let sql = format!("{JOURNAL} WHERE id > ?1 ORDER BY id LIMIT ?2");
        self.at(rows(&self.db, &sql, [int(after), int(limit)], entry))
    }

    /// Returns the number of the newest row of the journal; 0 if there is none.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn newest_entry(&self) -> Result<u64, Error> {
        self.at(newest_entry(&self.db))
    }

    /// Returns the place of a hook; `None` if it never had one.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn hook(&self, name: &str) -> Result<Option<Hook>, Error> {
        self.at(hook(&self.db, name))
    }

    /// Returns the newest window of each kind that was stepped through.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn newest(&self) -> Result<Newest, Error> {
        self.at(newest(&self.db))
    }

    /// Returns the number that the next incident gets.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn next_id(&self) -> Result<u64, Error> {
        Ok(self.value("next_id")?.unwrap_or(1))
    }

    /// Returns the clocks of the last run.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn last_run(&self) -> Result<Option<LastRun>, Error> {
        self.value("last_run")
    }

    /// Returns the stop of new acts, also one that has ended.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn freeze(&self) -> Result<Option<Freeze>, Error> {
        self.value("freeze")
    }

    /// Returns the secret of the site.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn secret(&self) -> Result<Secret, Error> {
        let text: String = self.value("secret")?.unwrap_or_default();
        let mut secret = [0; 32];
        for (at, byte) in secret.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2);
            *byte =
                digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(|| {
                    Fault::Content("meta secret: not 64 hexadecimal digits".to_owned())
                        .at(&self.path)
                })?;
        }
        Ok(secret)
    }

    /// Returns the moment of data time before which closed incidents are in the files of their months, in Unix
    /// seconds.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn published(&self) -> Result<u64, Error> {
        self.at(meta::count(&self.db, "published"))
    }

    /// Returns the moment of data time before which retention has forgotten all, in Unix seconds.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn floor(&self) -> Result<u64, Error> {
        self.at(meta::count(&self.db, "floor"))
    }

    /// Returns the findings that opened no incident, because there were too many, since the beginning.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn left_out(&self) -> Result<u64, Error> {
        self.at(meta::count(&self.db, "left_out"))
    }

    /// Returns the findings that were dropped for lack of room, since the beginning.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn dropped(&self) -> Result<u64, Error> {
        self.at(meta::count(&self.db, "dropped"))
    }

    fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.at(meta::get(&self.db, key))
    }
}

/// Returns the rows of a query, each as `read` makes it.
pub(super) fn rows<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    each(db, sql, params, |row| {
        all.push(read(row)?);
        Ok(())
    })?;
    Ok(all)
}

/// Gives the rows of a query to `read`, one at a time.
pub(super) fn each(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(params)?;
    while let Some(row) = found.next()? {
        read(row)?;
    }
    Ok(())
}

/// Returns the secret of the site.
pub(super) fn secret(db: &Connection) -> Result<Secret, Fault> {
    let text: String = meta::get(db, "secret")?.unwrap_or_default();
    let mut secret = Secret::default();
    for (at, byte) in secret.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2);
        *byte = digits
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or_else(|| Fault::Content("meta secret: not 64 hexadecimal digits".to_owned()))?;
    }
    Ok(secret)
}

/// Returns the number of the newest row of the journal; 0 if there is none.
pub(super) fn newest_entry(db: &Connection) -> Result<u64, Fault> {
    let mut statement = db.prepare_cached("SELECT coalesce(max(id), 0) FROM journal")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Returns the place of a hook.
pub(super) fn hook(db: &Connection, name: &str) -> Result<Option<Hook>, Fault> {
    let mut statement = db.prepare_cached("SELECT sent, dropped FROM hook WHERE name = ?1")?;
    let place = |row: &Row| Ok(Hook { sent: row.get(0)?, dropped: row.get(1)? });
    Ok(statement.query_row([name], place).optional()?)
}

/// Returns the newest window of each kind.
pub(super) fn newest(db: &Connection) -> Result<Newest, Fault> {
    let all: Option<BTreeMap<Kind, (u64, u32)>> = meta::get(db, "newest")?;
    let mut newest = Newest::default();
    for (kind, (start, seconds)) in all.unwrap_or_default() {
        newest.0.insert(kind, window(start, seconds)?);
    }
    Ok(newest)
}

/// Returns the finding of a stored line.
pub(super) fn finding(line: &str) -> Result<Finding, Fault> {
    match Reader::new().line(line.as_bytes()) {
        Ok(Some(Item::Finding(finding))) => Ok(*finding),
        Ok(_) => Err(Fault::Content("a finding is no finding line".to_owned())),
        Err(error) => Err(Fault::Content(format!("a finding: {error}"))),
    }
}

/// Returns the window of two columns.
pub(super) fn window(start: u64, seconds: u32) -> Result<Window, Fault> {
    Window::new(start, seconds)
        .ok_or_else(|| Fault::Content(format!("a window of {seconds} s from {start}")))
}

/// Returns the kind of a column.
pub(super) fn kind(text: &str) -> Result<Kind, Fault> {
    word("kind", text, Kind::parse)
}

/// Returns the subject of two columns.
pub(super) fn subject(host: &str, role: &str) -> Result<Subject, Fault> {
    Ok(Subject { host: word("host", host, Host::parse)?, role: word("role", role, Role::parse)? })
}

/// Returns the value of a word.
pub(super) fn word<T>(
    what: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    parse(text).ok_or_else(|| Fault::Content(format!("{what} {text:?}")))
}

/// Returns the incident of a row: id, host, role, body.
pub(super) fn incident(row: &Row) -> Result<Incident, Fault> {
    let id = row.get(0)?;
    let text = |n| row.get_ref(n).and_then(|value| Ok(value.as_str()?));
    let body = text(3)?;
    let subject = subject(text(1)?, text(2)?)?;
    match serde_json::from_str(body) {
        Ok(body) => Ok(Incident { id, subject, body }),
        Err(error) => Err(Fault::Content(format!("incident {id}: {error}"))),
    }
}

/// Returns the notice of a row.
pub(super) fn notice(row: &Row) -> Result<Notice, Fault> {
    Ok(Notice {
        incident: row.get(0)?,
        recipient: row.get(1)?,
        step: word("step", &row.get::<_, String>(2)?, Step::parse)?,
        state: word("state", &row.get::<_, String>(3)?, NoticeState::parse)?,
        at: row.get(4)?,
        matters: row.get(5)?,
        peak: row.get(6)?,
        last: row.get(7)?,
        accepted: row.get(8)?,
    })
}

/// Returns the journal entry of a row.
pub(super) fn entry(row: &Row) -> Result<Entry, Fault> {
    let change = JournalRow {
        incident: row.get(1)?,
        data: row.get(2)?,
        actor: row.get(4)?,
        what: word("what", &row.get::<_, String>(5)?, Changed::parse)?,
        from: row.get(6)?,
        to: row.get(7)?,
        reason: row.get(8)?,
    };
    let mode = word("mode", &row.get::<_, String>(9)?, Mode::parse)?;
    Ok(Entry { id: row.get(0)?, wall: row.get(3)?, mode, row: change })
}
