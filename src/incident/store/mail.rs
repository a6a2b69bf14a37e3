//! The outbox: mails with their finished text, and the notices that each of them tells.
//!
//! A mail is written in the transaction that makes it, and stays until it is settled. [`Update::mail_state`]
//! gives it another state, and [`Update::notice_state`] the same to its notices.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use crate::incident::clauses::Mode;
use crate::incident::due::{Notice, NoticeState, Step};

use super::db::Store;
use super::error::{Error, Fault};
use super::meta::{self, SUPERSEDED, int};
use super::read::{self, rows};
use super::update::Update;

/// The use of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailKind {
    /// A mail that tells notices, or the operator what became of others.
    Notice,
    /// A reply to a mail of ours that is passed on to the operator.
    Reply,
    /// Another received mail that is passed on to the operator.
    PassedOn,
    /// The mail of `nfnotify test` to the operator.
    Test,
    /// The mail of `nfnotify test` to the address that answers go to.
    WayBack,
}

impl MailKind {
    /// Returns the word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            MailKind::Notice => "notice",
            MailKind::Reply => "reply",
            MailKind::PassedOn => "passed-on",
            MailKind::Test => "test",
            MailKind::WayBack => "way-back",
        }
    }

    /// Parses the word in the database.
    pub fn parse(text: &str) -> Option<MailKind> {
        let all = [
            MailKind::Notice,
            MailKind::Reply,
            MailKind::PassedOn,
            MailKind::Test,
            MailKind::WayBack,
        ];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A mail that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    /// The use.
    pub kind: MailKind,
    /// The address that it goes to.
    pub recipient: String,
    /// The return path; empty for the null one, to which no report comes.
    pub sender: String,
    /// The token in the addresses that answers go to; empty if there are none.
    pub token: String,
    /// The Message-ID, with its angle brackets.
    pub message_id: String,
    /// The gravest step of its notices.
    pub step: Option<Step>,
    /// The message (RFC 5322), with lines that end in CRLF.
    pub text: String,
}

/// A mail of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Number.
    pub id: u64,
    /// The mail as it was made. Its text is empty once it is settled.
    pub mail: NewMail,
    /// The state: not `would-send`.
    pub state: NoticeState,
    /// The time of the run that made it, in Unix seconds.
    pub at: u64,
    /// Attempts to hand it over that failed.
    pub tries: u64,
    /// The time of the next attempt, in Unix seconds.
    pub next: u64,
    /// The time at which it was accepted, refused, given up, or came back, in Unix seconds.
    pub settled: Option<u64>,
    /// The reason of its state; text of a mail server.
    pub why: String,
    /// Reports and replies that came back for it.
    pub answers: u64,
}

/// A notice with its number.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberedNotice {
    /// Number.
    pub id: u64,
    /// The notice.
    pub notice: Notice,
}

const MAIL: &str =
    "SELECT id, kind, recipient, sender, token, message_id, step, text, state, at, tries,
                           next, settled, why, answers FROM mail";

/// The condition of the index of unsent mails, word by word.
const UNSENT: &str = "state IN ('wanted', 'sending')";

impl Store {
    /// Returns the notices that no mail tells yet, in the order in which they were made.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn waiting_notices(&self) -> Result<Vec<NumberedNotice>, Error> {
        let sql = format!(
            "{}, n.id FROM notice n WHERE n.state = 'wanted' AND n.mail IS NULL ORDER BY n.id",
            read::NOTICE
        );
        self.at(rows(&self.db, &sql, [], numbered))
    }

    /// Returns the notices that a mail tells.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn notices_of_mail(&self, mail: u64) -> Result<Vec<NumberedNotice>, Error> {
        let sql = format!("{}, n.id FROM notice n WHERE n.mail = ?1 ORDER BY n.id", read::NOTICE);
        self.at(rows(&self.db, &sql, [int(mail)], numbered))
    }

    /// Returns the numbers of the mails that are due at `now` and not settled, those that have waited longest for
    /// their attempt first. One that a clock which was ahead has put off for longer than `longest` is due too.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn due_mails(&self, now: u64, longest: u64) -> Result<Vec<u64>, Error> {
        let sql = format!(
            "SELECT id FROM mail WHERE {UNSENT} AND (next <= ?1 OR next > ?2) ORDER BY next, id"
        );
        let times = [int(now), int(now.saturating_add(longest))];
        self.at(rows(&self.db, &sql, times, |row| Ok(row.get(0)?)))
    }

    /// Returns the mails that are not settled, without their text.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn unsent_mails(&self) -> Result<Vec<Mail>, Error> {
        let sql = format!(
            "SELECT id, kind, recipient, sender, token, message_id, step, '', state, at, tries, next,
                    settled, why, answers FROM mail WHERE {UNSENT} ORDER BY id"
        );
        self.at(rows(&self.db, &sql, [], mail))
    }

    /// Returns a mail by its number.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn mail(&self, id: u64) -> Result<Option<Mail>, Error> {
        let sql = format!("{MAIL} WHERE id = ?1");
        Ok(self.at(rows(&self.db, &sql, [int(id)], mail))?.pop())
    }

    /// Returns the number that the next mail gets.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn next_mail(&self) -> Result<u64, Error> {
        let sql = "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'mail'";
        self.at(self.db.query_row(sql, [], |row| row.get(0)))
    }

    /// Returns the mail whose answers go to the addresses with this token.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn mail_of_token(&self, token: &str) -> Result<Option<Mail>, Error> {
        let sql = format!("{MAIL} WHERE token = ?1 AND token <> ''");
        Ok(self.at(rows(&self.db, &sql, [token], mail))?.pop())
    }

    /// Returns the mails of a kind by recipient, in lower case, that were made or accepted after `since` and by
    /// `now`. Mails that tell no notice do not count.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn mails_since(
        &self,
        kind: MailKind,
        since: u64,
        now: u64,
    ) -> Result<BTreeMap<String, u64>, Error> {
        // Mails that a clock which was ahead has dated later would count for years.
        let sql = "SELECT lower(recipient), count(*) FROM mail
                   WHERE kind = ?1 AND (step IS NOT NULL OR kind <> 'notice')
                         AND (at > ?2 AND at <= ?3 OR settled > ?2 AND settled <= ?3) GROUP BY 1";
        let key = params![kind.as_str(), int(since), int(now)];
        let counts = rows(&self.db, sql, key, |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(self.at(counts)?.into_iter().collect())
    }

    /// Returns the number of mails with notices that were accepted after `since` and by `now`.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn accepted_since(&self, since: u64, now: u64) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM mail WHERE kind = 'notice' AND step IS NOT NULL
                   AND state = 'accepted' AND settled > ?1 AND settled <= ?2";
        let mut statement = self.at(self.db.prepare_cached(sql))?;
        self.at(statement.query_row([int(since), int(now)], |row| row.get(0)))
    }

    /// Returns true if a mail that was made after another one was accepted before `moment`, both in Unix seconds.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn was_overtaken(&self, mail: &Mail, moment: u64) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM mail
                   WHERE at > ?1 AND state = 'accepted' AND settled < ?2)";
        let mut statement = self.at(self.db.prepare_cached(sql))?;
        self.at(statement.query_row([int(mail.at), int(moment)], |row| row.get(0)))
    }

    /// Returns the number of mails of a kind that are not settled.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn unsent_of(&self, kind: MailKind) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) FROM mail WHERE {UNSENT} AND kind = ?1");
        let mut statement = self.at(self.db.prepare_cached(&sql))?;
        self.at(statement.query_row([kind.as_str()], |row| row.get(0)))
    }

    /// Returns the mails that were refused or came back and that the operator was not told of.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn unreported_mails(&self) -> Result<Vec<Mail>, Error> {
        let sql =
            format!("{MAIL} WHERE is_reported = 0 AND state IN ('refused', 'bounced') ORDER BY id");
        self.at(rows(&self.db, &sql, [], mail))
    }

    /// Returns the Message-ID of the first mail to a recipient about an incident, which begins their thread.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn thread(&self, incident: u64, recipient: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT m.message_id FROM notice n JOIN mail m ON m.id = n.mail
                   WHERE n.incident = ?1 AND lower(n.recipient) = lower(?2)
                         AND m.state NOT IN ('superseded', 'refused', 'bounced')
                   ORDER BY n.id LIMIT 1";
        let mut statement = self.at(self.db.prepare_cached(sql))?;
        let first = statement.query_row(params![int(incident), recipient], |row| row.get(0));
        self.at(first.optional())
    }

    /// Returns a count for the operator's next mail.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn unreported(&self, what: Unreported) -> Result<u64, Error> {
        self.at(meta::count(&self.db, what.key()))
    }

    /// Returns the reason why the way out took no mail at the last attempt; `None` if it took one.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn way_down(&self) -> Result<Option<String>, Error> {
        self.at(meta::get(&self.db, "way_down"))
    }

    /// Returns the time of the last mail that told the operator what became of others, in Unix seconds.
    ///
    /// # Errors
    /// See [`Store::windows`].
    pub fn last_report(&self) -> Result<u64, Error> {
        self.at(meta::count(&self.db, "last_report"))
    }
}

/// The things that a received mail can turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReceivedAs {
    /// A delivery report about a mail of ours.
    Report,
    /// An automatic answer, which is dropped.
    Automatic,
    /// A reply that claims incidents.
    Claim,
    /// A mail that is passed on to the operator without a claim.
    PassedOn,
    /// A mail that is dropped, because too many came.
    Dropped,
}

impl ReceivedAs {
    /// All of them.
    pub const ALL: [ReceivedAs; 5] = [
        ReceivedAs::Report,
        ReceivedAs::Automatic,
        ReceivedAs::Claim,
        ReceivedAs::PassedOn,
        ReceivedAs::Dropped,
    ];

    /// Returns the word in the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            ReceivedAs::Report => "report",
            ReceivedAs::Automatic => "automatic",
            ReceivedAs::Claim => "claim",
            ReceivedAs::PassedOn => "passed-on",
            ReceivedAs::Dropped => "dropped",
        }
    }
}

/// Returns the key of the number of mails that came to a state.
pub(super) fn mails_key(state: NoticeState) -> String {
    format!("mails_{}", state.as_str())
}

/// Returns the key of the number of received mails.
pub(super) fn received_key(what: ReceivedAs) -> String {
    format!("received_{}", what.as_str())
}

/// The states of a mail that are counted since the beginning.
pub(super) const SETTLED: [NoticeState; 4] =
    [NoticeState::Accepted, NoticeState::Refused, NoticeState::Bounced, NoticeState::Superseded];

/// The things that are counted until the operator's next mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreported {
    /// Notices that came too late.
    Superseded,
    /// Received mails that were not passed on, because there were too many.
    Replies,
}

impl Unreported {
    const fn key(self) -> &'static str {
        match self {
            Unreported::Superseded => SUPERSEDED,
            Unreported::Replies => "replies_unreported",
        }
    }
}

impl Update<'_> {
    /// Writes a mail that is to be sent at once, and returns its number.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn mail(&mut self, mail: &NewMail) -> Result<u64, Error> {
        let wall = int(self.wall());
        self.try_to(|db| {
            db.prepare_cached(
                "INSERT INTO mail(kind, recipient, sender, token, message_id, step, text, state, at,
                                  tries, next, settled, why, is_reported, answers)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'wanted', ?8, 0, ?8, NULL, '', 0, 0)",
            )?
            .execute(params![
                mail.kind.as_str(),
                mail.recipient,
                mail.sender,
                mail.token,
                mail.message_id,
                mail.step.map(Step::as_str),
                mail.text,
                wall,
            ])?;
            Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
        })
    }

    /// Notes which mail tells a notice.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn told_by(&mut self, notice: u64, mail: u64) -> Result<(), Error> {
        self.try_to(|db| {
            db.prepare_cached("UPDATE notice SET mail = ?2 WHERE id = ?1")?
                .execute([int(notice), int(mail)])?;
            Ok(())
        })
    }

    /// Gives a mail another state, with the reason. A settled one loses its text.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn mail_state(&mut self, mail: u64, state: NoticeState, why: &str) -> Result<(), Error> {
        let settled = (!state.is_unsent()).then(|| int(self.wall()));
        self.try_to(|db| {
            if !state.is_unsent() {
                meta::add(db, &mails_key(state), 1)?;
            }
            db.prepare_cached(
                "UPDATE mail SET state = ?2, why = ?3, settled = ?4,
                        text = CASE WHEN ?4 IS NULL THEN text ELSE '' END WHERE id = ?1",
            )?
            .execute(params![int(mail), state.as_str(), why, settled])?;
            Ok(())
        })
    }

    /// Sets the reason of [`Store::way_down`].
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn set_way_down(&mut self, why: Option<&str>) -> Result<(), Error> {
        self.try_to(|db| match why {
            Some(why) => meta::set(db, "way_down", &why),
            None => meta::remove(db, "way_down"),
        })
    }

    /// Counts an answer to a mail.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn answered(&mut self, mail: u64) -> Result<(), Error> {
        self.try_to(|db| {
            db.prepare_cached("UPDATE mail SET answers = answers + 1 WHERE id = ?1")?
                .execute([int(mail)])?;
            Ok(())
        })
    }

    /// Counts a received mail by what became of it.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn count_received(&mut self, what: ReceivedAs) -> Result<(), Error> {
        self.try_to(|db| meta::add(db, &received_key(what), 1))
    }

    /// Notes that an attempt failed, and lets the mail wait until `next` in Unix seconds.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn put_off(&mut self, mail: u64, next: u64, why: &str) -> Result<(), Error> {
        self.try_to(|db| {
            db.prepare_cached(
                "UPDATE mail SET state = 'wanted', tries = tries + 1, next = ?2, why = ?3 WHERE id = ?1",
            )?
            .execute(params![int(mail), int(next), why])?;
            Ok(())
        })
    }

    /// Gives a notice another state, and notes the time at which it was accepted.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn notice_state(&mut self, notice: u64, state: NoticeState) -> Result<(), Error> {
        let wall = int(self.wall());
        let accepted = (state == NoticeState::Accepted).then_some(wall);
        self.try_to(|db| {
            db.prepare_cached(
                "UPDATE notice SET state = ?2, accepted = coalesce(?3, accepted) WHERE id = ?1",
            )?
            .execute(params![int(notice), state.as_str(), accepted])?;
            if state == NoticeState::Superseded && self.mode() == Mode::Live {
                meta::add(db, SUPERSEDED, 1)?;
            }
            Ok(())
        })
    }

    /// Adds to a count for the operator's next mail.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn count_unreported(&mut self, what: Unreported, more: u64) -> Result<(), Error> {
        self.try_to(|db| meta::add(db, what.key(), more))
    }

    /// Notes that the operator is told of all that was not reported yet.
    ///
    /// # Errors
    /// See [`Update::outcome`].
    pub fn reported(&mut self) -> Result<(), Error> {
        let wall = self.wall();
        self.try_to(|db| {
            let sql = "UPDATE mail SET is_reported = 1
                       WHERE is_reported = 0 AND state IN ('refused', 'bounced')";
            db.prepare_cached(sql)?.execute([])?;
            for what in [Unreported::Superseded, Unreported::Replies] {
                meta::set(db, what.key(), &0)?;
            }
            meta::set(db, "last_report", &wall)
        })
    }
}

/// Returns the notice of a row with its number, which is the last column.
fn numbered(row: &Row) -> Result<NumberedNotice, Fault> {
    Ok(NumberedNotice { notice: read::notice(row)?, id: row.get(read::NOTICE_COLUMNS)? })
}

/// Returns the mail of a row.
fn mail(row: &Row) -> Result<Mail, Fault> {
    let step: Option<String> = row.get(6)?;
    let step = step.map(|step| read::word("step", &step, Step::parse)).transpose()?;
    Ok(Mail {
        id: row.get(0)?,
        mail: NewMail {
            kind: read::word("mail", row.get_ref(1)?.as_str()?, MailKind::parse)?,
            recipient: row.get(2)?,
            sender: row.get(3)?,
            token: row.get(4)?,
            message_id: row.get(5)?,
            step,
            text: row.get(7)?,
        },
        state: read::word("state", row.get_ref(8)?.as_str()?, NoticeState::parse)?,
        at: row.get(9)?,
        tries: row.get(10)?,
        next: row.get(11)?,
        settled: row.get(12)?,
        why: row.get(13)?,
        answers: row.get(14)?,
    })
}

/// Checks that all mails are such as this program writes, and lets those that were not sent go no more: what
/// was current when a copy was made is not when it is restored, and some may have been sent since.
pub(super) fn check_and_supersede(db: &rusqlite::Connection) -> Result<(), Fault> {
    read::each(db, MAIL, [], |row| mail(row).map(drop))?;
    let fixed = [Unreported::Superseded.key(), Unreported::Replies.key(), "last_report"];
    let mut counters: Vec<String> = fixed.map(str::to_owned).to_vec();
    counters.extend(SETTLED.map(mails_key));
    counters.extend(ReceivedAs::ALL.map(received_key));
    for counter in counters {
        meta::count(db, &counter)?;
    }
    // No mail waits that it could be about.
    meta::remove(db, "way_down")?;
    db.execute(
        &format!("UPDATE mail SET state = 'superseded', text = '', settled = at WHERE {UNSENT}"),
        [],
    )?;
    db.execute(&format!("UPDATE notice SET state = 'superseded' WHERE {UNSENT}"), [])?;
    Ok(())
}
