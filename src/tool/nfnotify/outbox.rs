//! Makes the mails of a run, in the transaction that makes their notices.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::send::{HOUR, NFNOTIFY, settle_in, settle_notice};
use super::setup::{Setup, is_frozen};
use crate::cli::Io;
use crate::contacts::Address;
use crate::incident::store::{Mail, MailKind, NewMail, NumberedNotice, Store, Unreported, Update};
use crate::incident::{self, Act, Facts, Incident, NoticeState, Rule, State, Step};
use crate::notice::letter::{
    Case, Failure, Letter, LetterSender, OperatorReport, Undelivered, UndeliveredIncident,
};
use crate::notice::message::{MAX_REFERENCES, Sender};
use crate::notice::outbox::{Past, Planned, Waiting, plan};
use crate::notice::token::{Answer, Token, answer_address, message_id};
use crate::time::{Timestamp, Window};

/// Seconds between two mails to the operator that say nothing but how many notices or mails wait or were dropped.
const BETWEEN: u64 = HOUR;

/// The most mails that did not arrive of which one mail to the operator tells each.
const MAX_UNDELIVERED: usize = 50;

/// The numbers of what was made and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// Mails that were made.
    pub mails: u64,
    /// Notices that a limit holds back.
    pub held_back: u64,
    /// Notices that wait because there is nobody to send them from.
    pub without_sender: u64,
}

/// A notice that is to be told, with all that a mail says about it.
struct Ready<'a> {
    id: u64,
    /// True if it was made by an earlier run, and waited.
    has_waited: bool,
    step: Step,
    incident: Incident,
    net: Option<IpNet>,
    rule: &'a Rule,
    due: Option<u64>,
    /// The start of the newest window that the recipient was told of before.
    told_last: Option<u64>,
}

/// Makes the mails that are due now.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn fill(setup: &Setup, update: &mut Update<'_>, io: &mut Io) -> anyhow::Result<Filled> {
    let mut filled = Filled::default();
    let operator = setup.owners.operator();
    let Some(from) = setup.settings.mail.from.as_ref().or(operator) else {
        filled.without_sender = update.waiting_notices()?.len() as u64;
        return Ok(filled);
    };
    let mut ready = BTreeMap::new();
    let mut waiting = Vec::new();
    let newest = update.newest()?.window();
    let is_frozen = is_frozen(setup, update)?;
    for one in update.waiting_notices()? {
        let recipient = one.notice.recipient.clone();
        if let Some(one) = still_wanted(setup, one, newest, is_frozen, update)? {
            waiting.push(Waiting { id: one.id, recipient, step: one.step });
            ready.insert(one.id, one);
        }
    }
    let mut past = Past {
        recent: update.mails_since(MailKind::Notice, setup.now.saturating_sub(HOUR), setup.now)?,
        ..Past::default()
    };
    for mail in update.unsent_mails()? {
        if mail.mail.kind == MailKind::Notice {
            past.unsent.insert(mail.mail.recipient.to_ascii_lowercase());
        }
    }
    let mut plan = plan(&waiting, &past, &setup.settings.mail.limits);
    filled.held_back = plan.held_back;
    let mut report = match operator {
        Some(operator) => report(setup, operator, plan.held_back, &past, update)?,
        None => None,
    };
    let is_to = |mail: &Planned, to: &Address| mail.recipient.eq_ignore_ascii_case(to.as_str());
    if let (Some(operator), Some(_)) = (operator, &report) {
        if !plan.mails.iter().any(|mail| is_to(mail, operator)) {
            plan.mails.push(Planned {
                recipient: operator.to_string(),
                notices: Vec::new(),
                step: Step::First,
            });
        }
    }
    for mail in plan.mails {
        let report = match operator {
            Some(operator) if is_to(&mail, operator) => report.take(),
            _ => None,
        };
        let is_reported = report.is_some();
        let of_mail: Vec<Ready<'_>> =
            mail.notices.iter().filter_map(|id| ready.remove(id)).collect();
        if let Err(error) = make(setup, from, &mail, &of_mail, report, update) {
            // The notices wait. One mail that cannot be written must not stop what follows from the others.
            io.report.error(format_args!("{}: the mail was not made: {error:#}", mail.recipient));
            continue;
        }
        if is_reported {
            update.reported()?;
        }
        filled.mails += 1;
    }
    Ok(filled)
}

/// Returns a notice with all that its mail says, or settles it if nobody needs to hear of it any more: it was
/// held back, and meanwhile it has ended, is ignored, or is somebody else's.
fn still_wanted<'a>(
    setup: &'a Setup,
    one: NumberedNotice,
    newest: Option<Window>,
    is_frozen: bool,
    update: &mut Update<'_>,
) -> anyhow::Result<Option<Ready<'a>>> {
    let NumberedNotice { id, notice } = &one;
    let Some(incident) = update.incident(notice.incident)? else { return Ok(None) };
    // The notices to others do not change what this one says.
    let facts = setup.facts(&incident, &[], newest, is_frozen);
    let rule = setup.settings.policy.of(&incident, facts.network_kind, facts.now);
    let is_wanted = matches!(notice.step, Step::Released | Step::Isolated)
        || incident.body.state == State::Open
            && rule.act != Act::None
            && !incident.is_ignored(facts.now)
            && setup.owners.is_told(&incident, &notice.recipient);
    if !is_wanted {
        let why = "it waited until nobody had to hear of it";
        settle_notice(setup, &one, NoticeState::Superseded, why, NFNOTIFY, update)?;
        return Ok(None);
    }
    let owner = setup.owners.of(&incident);
    let is_owner = owner.mails.iter().any(|mail| mail.eq_ignore_ascii_case(&notice.recipient));
    Ok(Some(Ready {
        id: *id,
        has_waited: notice.at < setup.now,
        step: notice.step,
        net: owner.network.filter(|_| is_owner),
        due: due(&incident, notice.step, rule, &facts),
        told_last: told_last(&one, update)?,
        rule,
        incident,
    }))
}

/// Returns the start of the newest window that the recipient of a notice was told of before, which says what has
/// grown since.
fn told_last(one: &NumberedNotice, store: &Store) -> anyhow::Result<Option<u64>> {
    let NumberedNotice { notice, .. } = one;
    if notice.step != Step::Grown {
        return Ok(None);
    }
    let told = store.notices(notice.incident)?.into_iter().filter(|told| {
        told.state == NoticeState::Accepted
            && told.recipient.eq_ignore_ascii_case(&notice.recipient)
    });
    Ok(told.map(|told| told.last).max())
}

/// Returns the earliest moment of isolation that a mail names.
fn due(incident: &Incident, step: Step, rule: &Rule, facts: &Facts) -> Option<u64> {
    let running = incident.body.deadline.filter(|deadline| !deadline.is_shadow);
    match step {
        Step::Deadline => Some(incident::earliest(rule, facts)),
        Step::Reminder | Step::Grown => running.map(|deadline| deadline.due),
        Step::First | Step::Released | Step::Isolated => None,
    }
}

/// The names of a mail that nobody can guess.
pub(super) struct Keys {
    /// The token of the addresses that answers go to.
    pub token: Token,
    /// The Message-ID.
    pub message_id: String,
}

/// Returns the names of the next mail. One without notices is named by its number.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn keys(
    setup: &Setup,
    from: &Address,
    notices: &[u64],
    to: &Address,
    update: &Update<'_>,
) -> anyhow::Result<Keys> {
    let secret = update.secret()?;
    let whom = if notices.is_empty() {
        format!("mail {} to {}", update.next_mail()?, to.folded())
    } else {
        to.folded()
    };
    let (_, domain) = from.parts();
    Ok(Keys {
        token: Token::of(&secret, notices, &whom, setup.now),
        message_id: message_id(&secret, notices, &whom, setup.now, domain),
    })
}

/// Writes one mail, and notes which notices it tells.
fn make(
    setup: &Setup,
    from: &Address,
    planned: &Planned,
    ready: &[Ready<'_>],
    report: Option<OperatorReport>,
    update: &mut Update<'_>,
) -> anyhow::Result<()> {
    let settings = &setup.settings.mail;
    // Both were checked when the files were read.
    let to: Address = planned.recipient.parse().map_err(anyhow::Error::msg)?;
    let (name, lang) = setup.owners.salutation(&to);
    let Keys { token, message_id } = keys(setup, from, &planned.notices, &to, update)?;
    let answer = |kind| settings.answers.as_ref().map(|base| answer_address(base, kind, token));
    let (bounce, reply) = (answer(Answer::Bounce).transpose()?, answer(Answer::Reply).transpose()?);
    let sender = LetterSender {
        base: Sender {
            from,
            reply_to: reply.as_ref().or(setup.owners.operator()),
            site: &settings.site,
            date: Timestamp::from_secs(setup.now),
            local: &settings.local,
        },
        operator: setup.owners.operator(),
        footer: &settings.footer,
        can_claim: reply.is_some(),
    };
    let mut references: Vec<String> = Vec::new();
    for one in ready.iter().take(MAX_REFERENCES) {
        let first = update.thread(one.incident.id, &planned.recipient)?;
        references.extend(first.filter(|first| !references.contains(first)));
    }
    // An incident that waits with two notices is told once, at the graver step.
    let mut told: BTreeMap<u64, &Ready<'_>> = BTreeMap::new();
    for one in ready {
        let kept = told.entry(one.incident.id).or_insert(one);
        if one.step > kept.step {
            *kept = one;
        }
    }
    let cases = told.into_values().map(|one| Case {
        incident: &one.incident,
        step: one.step,
        net: one.net,
        due: one.due,
        told_last: one.told_last,
        until: None,
        remind: one.rule.remind,
        quiet: one.rule.quiet,
    });
    let letter = Letter {
        to: &to,
        name,
        lang,
        cases: cases.collect(),
        held_back: ready.iter().filter(|one| one.has_waited).count() as u64,
        report,
        digest_above: settings.digest,
    };
    let message = letter.message(&sender, &message_id, &references)?;
    let mail = update.mail(&NewMail {
        kind: MailKind::Notice,
        recipient: planned.recipient.clone(),
        sender: bounce.as_ref().unwrap_or(from).to_string(),
        token: if settings.answers.is_some() { token.to_string() } else { String::new() },
        message_id,
        step: (!planned.notices.is_empty()).then_some(planned.step),
        text: String::from_utf8(message)?,
    })?;
    for id in &planned.notices {
        update.told_by(*id, mail)?;
    }
    Ok(())
}

/// Returns what the operator is to be told of the mails of this and earlier runs, if that is due now.
fn report(
    setup: &Setup,
    operator: &Address,
    held_back: u64,
    past: &Past,
    update: &Update<'_>,
) -> anyhow::Result<Option<OperatorReport>> {
    // A mail to the operator that did not arrive is no reason for another one, which would fare the same.
    let is_of_operator = |mail: &Mail| mail.mail.recipient.eq_ignore_ascii_case(operator.as_str());
    let mut failed = update.unreported_mails()?;
    failed.retain(|mail| !is_of_operator(mail));
    let superseded = update.unreported(Unreported::Superseded)?;
    let dropped_replies = update.unreported(Unreported::Replies)?;
    let folded = operator.folded();
    let recent = past.recent.get(&folded).copied().unwrap_or(0);
    if past.unsent.contains(&folded) || recent >= setup.settings.mail.limits.per_recipient {
        return Ok(None);
    }
    // A moment in the future is one of a clock that was ahead.
    let is_time = setup.now.checked_sub(update.last_report()?).is_none_or(|age| age >= BETWEEN);
    let is_counted = held_back > 0 || dropped_replies > 0 || superseded > 0;
    let is_due = !failed.is_empty() || (is_counted && is_time);
    if !is_due {
        return Ok(None);
    }
    let more_undelivered = failed.len().saturating_sub(MAX_UNDELIVERED) as u64;
    failed.truncate(MAX_UNDELIVERED);
    let mut undelivered = Vec::new();
    for mail in failed {
        let mut incidents = Vec::new();
        for one in update.notices_of_mail(mail.id)? {
            let id = one.notice.incident;
            let host = update.incident(id)?.map(|incident| incident.subject.host);
            incidents.extend(host.map(|host| UndeliveredIncident { id, host }));
        }
        undelivered.push(Undelivered {
            to: mail.mail.recipient,
            failure: match mail.state {
                NoticeState::Bounced => Failure::Bounced,
                _ => Failure::Refused,
            },
            at: mail.settled.unwrap_or(mail.at),
            why: mail.why,
            incidents,
        });
    }
    Ok(Some(OperatorReport {
        undelivered,
        more_undelivered,
        held_back,
        superseded,
        dropped_replies,
    }))
}

/// Lets nothing that waits be sent any more, because the mode is shadow now.
///
/// # Errors
/// Fails if the memory does.
pub(super) fn withdraw(setup: &Setup, update: &mut Update<'_>) -> anyhow::Result<()> {
    let (why, superseded) = ("the mode is shadow now", NoticeState::Superseded);
    for mail in update.unsent_mails()? {
        settle_in(setup, &mail, superseded, why, update)?;
    }
    for one in update.waiting_notices()? {
        settle_notice(setup, &one, superseded, why, NFNOTIFY, update)?;
    }
    Ok(())
}
