//! Figures for those who watch the program.

use std::collections::BTreeMap;
use std::fs;

use crate::finding::Kind;

use super::db::Store;
use super::error::Error;
use super::mail::{ReceivedAs, SETTLED, mails_key, received_key};
use super::meta;

/// The figures of the memory as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Incidents that are not closed, by the kind of their matters and by the word of their state. One with
    /// matters of several kinds counts once for each.
    pub live: BTreeMap<(Kind, &'static str), u64>,
    /// Rows of the journal.
    pub journal_rows: u64,
    /// Findings that are remembered.
    pub findings: u64,
    /// Bytes of the database with its WAL.
    pub bytes: u64,
    /// The time of the oldest notice that waits to be sent, in Unix seconds.
    pub oldest_unsent: Option<u64>,
    /// Mails that wait to be sent.
    pub mails_waiting: u64,
    /// Mails since the beginning, by the word of the state that they came to.
    pub mails: BTreeMap<&'static str, u64>,
    /// Received mails since the beginning, by the word of what they were.
    pub received: BTreeMap<&'static str, u64>,
    /// Findings that opened no incident, because there were too many, since the beginning.
    pub left_out: u64,
    /// Findings that were dropped for lack of room, since the beginning.
    pub dropped: u64,
    /// Findings, verdicts, closed incidents and rows of the journal that were forgotten before their time for
    /// lack of room, since the beginning.
    pub forgotten: u64,
}

impl Store {
    /// Returns the figures.
    ///
    /// # Errors
    /// Returns the error of SQLite.
    pub fn figures(&self) -> Result<Figures, Error> {
        let mut live = BTreeMap::new();
        for incident in self.live()? {
            let mut kinds: Vec<Kind> =
                incident.body.matters.iter().map(|matter| matter.key.kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            for kind in kinds {
                *live.entry((kind, incident.body.state.as_str())).or_default() += 1;
            }
        }
        let sql = "SELECT min(at) FROM notice WHERE state IN ('wanted', 'sending')";
        let oldest_unsent = self.at(self.db.query_row(sql, [], |row| row.get(0)))?;
        let sql = "SELECT count(*) FROM mail WHERE state IN ('wanted', 'sending')";
        let mails_waiting = self.at(self.db.query_row(sql, [], |row| row.get(0)))?;
        let (mut mails, mut received) = (BTreeMap::new(), BTreeMap::new());
        for state in SETTLED {
            mails.insert(state.as_str(), self.at(meta::count(&self.db, &mails_key(state)))?);
        }
        for what in ReceivedAs::ALL {
            received.insert(what.as_str(), self.at(meta::count(&self.db, &received_key(what)))?);
        }
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        let size = |path: &std::path::Path| fs::metadata(path).map_or(0, |meta| meta.len());
        Ok(Figures {
            live,
            journal_rows: self.at(meta::count(&self.db, "journal"))?,
            findings: self.at(meta::count(&self.db, "findings"))?,
            bytes: size(&self.path) + size(wal.as_ref()),
            oldest_unsent,
            mails_waiting,
            mails,
            received,
            left_out: self.left_out()?,
            dropped: self.dropped()?,
            forgotten: self.at(meta::count(&self.db, "forgotten"))?,
        })
    }
}
