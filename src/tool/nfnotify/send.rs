//! Hands the mails of the outbox over, one commit before each attempt and one behind it.
//!
//! A process that dies between the two leaves the mail in the state `sending`, and the next run hands the same
//! bytes over again with the same Message-ID: at most one copy too many, and none lost.

use std::time::{Duration, Instant};

use super::memory::kill_point;
use super::setup::{Setup, is_frozen, stop_file};
use super::way::{Attempt, Parcel};
use crate::cli::Io;
use crate::incident::store::{Mail, MailKind, NumberedNotice, Store, Update};
use crate::incident::{self, Act, Changed, JournalRow, NoticeState, Step};

/// The time for which a run hands mails over; the rest is the next run's.
const BUDGET: Duration = Duration::from_secs(300);

/// The time before the second attempt, in seconds. It doubles from attempt to attempt.
const BACKOFF: u64 = 300;

/// The longest time between two attempts, in seconds.
const MAX_BACKOFF: u64 = 3600;

/// Mails in a row that the way out does not take before a run gives up for now. One may be at fault itself.
const IN_A_ROW: usize = 3;

/// The age at which a mail is given up that is not taken while others are, in seconds (RFC 5321 section 4.5.4.1).
const GIVE_UP: u64 = 5 * DAY;

/// Seconds of a day, and of an hour, for which the limit counts.
const DAY: u64 = 86_400;
pub(super) const HOUR: u64 = 3600;

/// The beginning of the reason of a mail that was handed over once without an answer.
const UNSURE: &str = "no answer to the whole mail: ";

/// The actors of rows about mails in the journal.
pub(super) const NFNOTIFY: &str = "nfnotify";
pub(super) const MAIL_SERVER: &str = "mail server";

/// The results of handing over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Mails that were accepted.
    pub accepted: u64,
    /// Mails that were refused for good.
    pub refused: u64,
    /// The reason why no mail can be handed over now.
    pub down: Option<String>,
    /// The oldest mail that is tried for more than an hour, though others are sent: its recipient and the reason.
    pub stuck: Option<String>,
}

/// Hands over the mails that are due, unless a stop file is there.
///
/// # Errors
/// Fails if the memory does.
#[expect(clippy::disallowed_methods, reason = "the time that handing over takes")]
pub(super) fn send(setup: &Setup, store: &mut Store, io: &mut Io) -> anyhow::Result<Sent> {
    let began = Instant::now();
    let mut sent = Sent::default();
    let mut in_a_row = 0;
    for id in store.due_mails(setup.now, MAX_BACKOFF)? {
        if let Some(stop) = stop_file(store.path()) {
            io.report.warn(format_args!("{} is there, so no mail is sent", stop.display()));
            break;
        }
        if began.elapsed() >= BUDGET {
            io.report.warn("the mails that are left are sent by the next run");
            break;
        }
        let Some(mail) = store.mail(id)? else { continue };
        if matches!(mail.mail.kind, MailKind::Test | MailKind::WayBack) {
            let why = "nfnotify test ended before it was sent";
            settle(setup, &mail, NoticeState::Superseded, why, store, ["in-T6", "after-T6"])?;
            continue;
        }
        if is_void(setup, &mail, store)? {
            let why = "nobody has to hear of it any more";
            settle(setup, &mail, NoticeState::Superseded, why, store, ["in-T6", "after-T6"])?;
            continue;
        }
        if is_over_limit(setup, &mail, store)? {
            continue;
        }
        attempt(setup, mail, store, &mut sent, io)?;
        in_a_row = if sent.down.is_some() { in_a_row + 1 } else { 0 };
        if in_a_row == IN_A_ROW {
            break;
        }
    }
    if sent.down.is_none() {
        sent.down = still_down(setup, store)?;
    }
    if sent.down.is_none() {
        let is_stuck = |mail: &Mail| mail.tries > 0 && setup.now.saturating_sub(mail.at) > HOUR;
        let stuck = store.unsent_mails()?.into_iter().find(is_stuck);
        sent.stuck = stuck.map(|mail| format!("{}: {}", mail.mail.recipient, mail.why));
    }
    Ok(sent)
}

/// Returns the reason why the way out took no mail in an earlier run, if mails wait for their next attempt since
/// then.
fn still_down(setup: &Setup, store: &mut Store) -> anyhow::Result<Option<String>> {
    let down = store.way_down()?;
    if down.is_some() && store.unsent_mails()?.is_empty() {
        let mut update = store.update(setup.now, setup.settings.mode)?;
        update.set_way_down(None)?;
        update.commit()?;
        return Ok(None);
    }
    Ok(down)
}

/// Hands one mail over, if it is not settled, unless a stop file is there.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn send_one(
    setup: &Setup,
    id: u64,
    store: &mut Store,
    io: &mut Io,
) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    let Some(mail) = store.mail(id)?.filter(|mail| mail.state.is_unsent()) else { return Ok(sent) };
    match stop_file(store.path()) {
        Some(stop) => sent.down = Some(format!("{} is there", stop.display())),
        None => attempt(setup, mail, store, &mut sent, io)?,
    }
    Ok(sent)
}

/// Notes that a mail is being handed over, hands it over, and notes the outcome.
fn attempt(
    setup: &Setup,
    mail: Mail,
    store: &mut Store,
    sent: &mut Sent,
    io: &mut Io,
) -> anyhow::Result<()> {
    if mail.state == NoticeState::Wanted {
        let mut update = store.update(setup.now, setup.settings.mode)?;
        go(setup, &mail, NoticeState::Sending, &mail.why, &mut update)?;
        update.commit_between("in-T5", "after-T5")?;
    }
    let mail = Mail { state: NoticeState::Sending, ..mail };
    let parcel = Parcel {
        sender: &mail.mail.sender,
        recipient: &mail.mail.recipient,
        text: &mail.mail.text,
        now: setup.now,
    };
    let settings = &setup.settings.mail;
    let attempt = settings.way.hand_over(&parcel, &settings.inside);
    kill_point("after-send");
    note(setup, &mail, attempt, store, sent, io)
}

/// Writes down the outcome of an attempt.
fn note(
    setup: &Setup,
    mail: &Mail,
    attempt: Attempt,
    store: &mut Store,
    sent: &mut Sent,
    io: &mut Io,
) -> anyhow::Result<()> {
    let to = &mail.mail.recipient;
    let mut update = store.update(setup.now, setup.settings.mode)?;
    let mut down = None;
    match attempt {
        Attempt::Accepted => {
            sent.accepted += 1;
            settle_in(setup, mail, NoticeState::Accepted, "", &mut update)?;
        }
        // A server that takes the whole mail and does not say so would get it for ever.
        Attempt::Unsure(why) if mail.why.starts_with(UNSURE) => {
            sent.accepted += 1;
            let why = format!("handed over twice, {UNSURE}{why}");
            settle_in(setup, mail, NoticeState::Accepted, &why, &mut update)?;
        }
        Attempt::Unsure(why) => put_off(setup, mail, &format!("{UNSURE}{why}"), &mut update)?,
        Attempt::Refused(why) => {
            sent.refused += 1;
            io.report.fail("refused mails", format_args!("{to}: the mail was refused: {why}"));
            settle_in(setup, mail, NoticeState::Refused, &why, &mut update)?;
        }
        Attempt::Delayed(why) | Attempt::Down(why) if is_to_give_up(setup, mail, &update)? => {
            sent.refused += 1;
            let why = format!("given up after 5 days: {why}");
            io.report.fail("refused mails", format_args!("{to}: the mail is {why}"));
            settle_in(setup, mail, NoticeState::Refused, &why, &mut update)?;
        }
        Attempt::Delayed(why) => {
            io.report.detail(format_args!("{to}: the mail waits: {why}"));
            put_off(setup, mail, &why, &mut update)?;
        }
        Attempt::Down(why) => {
            put_off(setup, mail, &why, &mut update)?;
            down = Some(why);
        }
    }
    if update.way_down()? != down {
        update.set_way_down(down.as_deref())?;
    }
    sent.down = down;
    Ok(update.commit_between("in-T6", "after-T6")?)
}

/// Returns true if a mail was tried for days while later ones were accepted: the fault is its own.
fn is_to_give_up(setup: &Setup, mail: &Mail, store: &Store) -> anyhow::Result<bool> {
    let is_old = setup.now.saturating_sub(mail.at) >= GIVE_UP;
    Ok(is_old && store.was_overtaken(mail, setup.now.saturating_sub(DAY))?)
}

/// Lets a mail wait for its next attempt.
fn put_off(setup: &Setup, mail: &Mail, why: &str, update: &mut Update<'_>) -> anyhow::Result<()> {
    let doubled = 1_u64.checked_shl(u32::try_from(mail.tries).unwrap_or(u32::MAX));
    let wait = doubled.unwrap_or(u64::MAX).saturating_mul(BACKOFF).min(MAX_BACKOFF);
    go(setup, mail, NoticeState::Wanted, why, update)?;
    Ok(update.put_off(mail.id, setup.now.saturating_add(wait), why)?)
}

/// Lets a mail that is not settled, and its notices, begin an attempt or wait for the next. One row of the journal
/// says so, however many notices it tells.
fn go(
    setup: &Setup,
    mail: &Mail,
    to: NoticeState,
    why: &str,
    update: &mut Update<'_>,
) -> anyhow::Result<()> {
    for NumberedNotice { id, .. } in update.notices_of_mail(mail.id)? {
        update.notice_state(id, to)?;
    }
    let why = if to == NoticeState::Wanted { why } else { "" };
    update.journal_rows(&[mail_row(setup, mail, to, why)])?;
    Ok(update.mail_state(mail.id, to, &mail.why)?)
}

/// Gives a mail and its notices another state, lets deadlines begin or end by it, and commits.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn settle(
    setup: &Setup,
    mail: &Mail,
    to: NoticeState,
    why: &str,
    store: &mut Store,
    points: [&'static str; 2],
) -> anyhow::Result<()> {
    let mut update = store.update(setup.now, setup.settings.mode)?;
    settle_in(setup, mail, to, why, &mut update)?;
    Ok(update.commit_between(points[0], points[1])?)
}

/// Does what [`settle`] does within a transaction.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn settle_in(
    setup: &Setup,
    mail: &Mail,
    to: NoticeState,
    why: &str,
    update: &mut Update<'_>,
) -> anyhow::Result<()> {
    // A mail that comes back is another's word.
    let actor = if to == NoticeState::Bounced { MAIL_SERVER } else { NFNOTIFY };
    let notices = update.notices_of_mail(mail.id)?;
    if notices.is_empty() {
        let row = mail_row(setup, mail, to, why);
        update.journal_rows(&[JournalRow { actor: actor.to_owned(), ..row }])?;
    }
    for one in notices {
        settle_notice(setup, &one, to, why, actor, update)?;
    }
    Ok(update.mail_state(mail.id, to, why)?)
}

/// Gives one notice another state, and lets the deadline that it names begin or end by it.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn settle_notice(
    setup: &Setup,
    one: &NumberedNotice,
    to: NoticeState,
    why: &str,
    actor: &str,
    update: &mut Update<'_>,
) -> anyhow::Result<()> {
    let NumberedNotice { id, notice } = one;
    let newest = update.newest()?.window();
    let mut rows = Vec::new();
    // Only a deadline changes the incident.
    if notice.step == Step::Deadline {
        if let Some(mut incident) = update.incident(notice.incident)? {
            let told = update.notices(incident.id)?;
            let facts = setup.facts(&incident, &told, newest, is_frozen(setup, update)?);
            let rule = setup.settings.policy.of(&incident, facts.network_kind, facts.now);
            let before = incident.body.clone();
            rows = incident::settle(&mut incident, notice, to, why, &told, rule, &facts);
            if incident.body != before {
                update.incident_changed(&incident)?;
            }
        }
    }
    if rows.is_empty() {
        let data = newest.map_or(setup.now, crate::time::Window::end);
        rows.push(incident::settled_row(notice, to, why, data));
    }
    if let Some(row) = rows.first_mut() {
        actor.clone_into(&mut row.actor);
    }
    update.journal_rows(&rows)?;
    Ok(update.notice_state(*id, to)?)
}

/// Returns the journal's row for a mail as a whole.
fn mail_row(setup: &Setup, mail: &Mail, to: NoticeState, why: &str) -> JournalRow {
    let word = match (mail.mail.kind, mail.mail.step) {
        (MailKind::Notice, Some(_)) => "mail",
        (MailKind::Notice, None) => "report",
        (kind, _) => kind.as_str(),
    };
    let state = |state: NoticeState| format!("{word} {}", state.as_str());
    let to_whom = &mail.mail.recipient;
    JournalRow {
        incident: None,
        data: setup.now,
        actor: NFNOTIFY.to_owned(),
        what: Changed::Notice,
        from: state(mail.state),
        to: state(to),
        reason: if why.is_empty() { to_whom.clone() } else { format!("{to_whom}: {why}") },
    }
}

/// Returns true if nobody needs to hear any more what a mail tells: all of its incidents are over or ignored, or
/// the recipient is not responsible any more. One that is being handed over may be gone already, and is not
/// void, nor is a mail to the operator, which may tell of other mails.
fn is_void(setup: &Setup, mail: &Mail, store: &Store) -> anyhow::Result<bool> {
    let to = &mail.mail.recipient;
    let is_operators =
        setup.owners.operator().is_some_and(|one| one.as_str().eq_ignore_ascii_case(to));
    if mail.state != NoticeState::Wanted || is_operators {
        return Ok(false);
    }
    let notices = store.notices_of_mail(mail.id)?;
    for NumberedNotice { notice, .. } in &notices {
        if matches!(notice.step, Step::Isolated | Step::Released) {
            return Ok(false);
        }
        let Some(incident) = store.incident(notice.incident)? else { continue };
        let kind = setup.owners.network_kind(incident.subject.host);
        let rule = setup.settings.policy.of(&incident, kind, setup.now);
        let is_theirs = setup.owners.is_told(&incident, to) && rule.act != Act::None;
        if is_theirs && !incident.body.state.is_closed() && !incident.is_ignored(setup.now) {
            return Ok(false);
        }
    }
    Ok(!notices.is_empty())
}

/// Returns true if a mail has to wait because as many as may were accepted in the last hour: when a mail server
/// comes back after a day, not all goes at once.
fn is_over_limit(setup: &Setup, mail: &Mail, store: &Store) -> anyhow::Result<bool> {
    let is_bound = mail.mail.kind == MailKind::Notice
        && mail.mail.step.is_some_and(|step| step < Step::Released);
    if !is_bound {
        return Ok(false);
    }
    let recent = store.accepted_since(setup.now.saturating_sub(HOUR), setup.now)?;
    Ok(recent >= setup.settings.mail.limits.per_hour)
}
