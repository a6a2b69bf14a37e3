//! `nfnotify receive`: takes one mail that a mail server hands over by an alias.
//!
//! A delivery report says what became of a mail of ours, a reply to one claims its incidents, and what people
//! write is passed on to the operator. Only the token in the address that the mail was sent to counts: the rest
//! of a mail can be written by anybody.

use std::io::{self, Read};

use anyhow::{Context, bail};

use super::memory::{Db, Memory};
use super::outbox::{Keys, keys};
use super::owners::Who;
use super::publish::publish;
use super::send::{HOUR, MAIL_SERVER, send_one, settle_in};
use super::setup::Setup;
use crate::cli::{Io, Status};
use crate::contacts::Address;
use crate::incident::store::{
    Mail, MailKind, NewMail, NumberedNotice, ReceivedAs, Unreported, Update,
};
use crate::incident::{self, Changed, Incident, JournalRow, Mode, NoticeState, Person, Wish};
use crate::notice::message::Sender;
use crate::notice::passed_on::{Origin, PassedOn};
use crate::notice::received::{Action, Delivery, Envelope, Received, classify};
use crate::notice::token::{Answer, Token, parse_answer};
use crate::time::Timestamp;
use crate::tool::findings::parse_time;

/// The most bytes that are kept of a mail; the rest is read and counted.
const MAX_MAIL: u64 = 1 << 20;

/// The most mails that are passed on to the operator within an hour.
const PER_HOUR: u64 = 20;

/// The most replies that wait to be passed on. Each may have an attachment of 256 KiB.
const MAX_REPLIES: u64 = 100;

/// The most reports on one mail that are noted, unless they say that it failed. Twice as many answers in all have
/// an effect: whoever has its token could otherwise fill the journal.
const MAX_ANSWERS: u64 = 20;

/// The arguments of `nfnotify receive`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The address that the mail was sent to, as the mail server says; Postfix sets the variable
    #[arg(long, value_name = "MAIL", env = "ORIGINAL_RECIPIENT")]
    recipient: String,
    /// The envelope sender, as the mail server says; empty or MAILER-DAEMON for the null sender. Postfix sets the
    /// variable
    #[arg(long, value_name = "MAIL", env = "SENDER", allow_hyphen_values = true)]
    sender: String,
    #[command(flatten)]
    db: Db,
    #[command(flatten)]
    who: Who,
    /// Receive as at this time: RFC 3339 or Unix seconds [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<Timestamp>,
}

/// A received mail.
struct Incoming {
    /// The first bytes.
    text: Vec<u8>,
    /// The number of all bytes.
    size: u64,
}

/// The outcome of a received mail, before it is written.
#[derive(Default)]
struct Taken {
    /// Incidents that changed and are closed.
    closed: Vec<Incident>,
    /// True if the files of the readers are to be written.
    is_news: bool,
    /// A mail that passes it on.
    passed_on: Option<u64>,
}

/// Takes one mail from standard input.
///
/// # Errors
/// Fails if the configuration or the memory cannot be used; nothing was changed, and the mail can be given again.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let incoming = read(&mut io::stdin().lock()).context("standard input")?;
    if incoming.text.is_empty() {
        bail!("standard input is empty; a mail server hands a whole mail over");
    }
    let setup = Setup::new(&args.who, args.now, io)?;
    let envelope = Envelope { sender: &args.sender, recipient: &args.recipient };
    let mut memory = Memory::for_change(args.db.place())?;
    let mut update = memory.store.update(setup.now, setup.settings.mode)?;
    let taken = take(&setup, &incoming, &envelope, &mut update, io)?;
    update.commit()?;
    if let Some(mail) = taken.passed_on {
        // The next run sends what does not go now.
        if let Some(why) = send_one(&setup, mail, &mut memory.store, io)?.down {
            io.report.warn(format_args!("the mail to the operator waits: {why}"));
        }
    }
    if taken.is_news {
        // The mail is taken, so it must not be given again.
        if let Err(error) = publish(&setup, &mut memory, &taken.closed) {
            io.report.warn(format_args!("the files that readers see were not written: {error:#}"));
        }
    }
    memory.close()?;
    Ok(Status::Done)
}

fn read(input: &mut impl Read) -> io::Result<Incoming> {
    let mut text = Vec::new();
    input.by_ref().take(MAX_MAIL).read_to_end(&mut text)?;
    let more = io::copy(input, &mut io::sink())?;
    Ok(Incoming { size: text.len() as u64 + more, text })
}

/// Does what a mail asks for.
fn take(
    setup: &Setup,
    incoming: &Incoming,
    envelope: &Envelope<'_>,
    update: &mut Update<'_>,
    io: &mut Io,
) -> anyhow::Result<Taken> {
    let ours = |token: Token, update: &Update<'_>| update.mail_of_token(&token.to_string());
    match classify(&incoming.text, envelope) {
        Received::Report { token, deliveries } => match ours(token, update)? {
            Some(mail) => report(setup, &mail, &deliveries, update, io),
            None => automatic("a report about a mail that is not ours", update, io),
        },
        Received::Automatic { token: Some((Answer::Reply, token)), why } => {
            match ours(token, update)? {
                Some(mail) if mail.mail.kind == MailKind::WayBack => came_back(&mail, update, io),
                _ => automatic(why, update, io),
            }
        }
        Received::Automatic { why, .. } => automatic(why, update, io),
        Received::Reply { token } => match ours(token, update)? {
            Some(mail) if mail.mail.kind == MailKind::WayBack => came_back(&mail, update, io),
            Some(mail) => reply(setup, &mail, incoming, envelope, update, io),
            None => pass_on(setup, incoming, envelope, &Claimed::of_nobody(), update, io),
        },
        // A vacation program that does not say what it is answers the return path, and no person does.
        Received::Other if is_return_path(envelope, update)? => {
            automatic("an answer to the return path", update, io)
        }
        Received::Other => pass_on(setup, incoming, envelope, &Claimed::of_nobody(), update, io),
    }
}

/// Returns true for a mail that was sent to the return path of a mail of ours.
fn is_return_path(envelope: &Envelope<'_>, update: &Update<'_>) -> anyhow::Result<bool> {
    match parse_answer(envelope.recipient) {
        Some((Answer::Bounce, token)) => Ok(update.mail_of_token(&token.to_string())?.is_some()),
        _ => Ok(false),
    }
}

/// Drops a mail that no person wrote.
fn automatic(why: &str, update: &mut Update<'_>, io: &mut Io) -> anyhow::Result<Taken> {
    io.report.detail(format_args!("dropped: {why}"));
    update.count_received(ReceivedAs::Automatic)?;
    Ok(Taken::default())
}

/// Notes that the mail of `nfnotify test` came back.
fn came_back(mail: &Mail, update: &mut Update<'_>, io: &mut Io) -> anyhow::Result<Taken> {
    io.report.detail("the mail of nfnotify test came back");
    update.answered(mail.id)?;
    Ok(Taken::default())
}

/// Notes what a mail server reports of a mail.
fn report(
    setup: &Setup,
    mail: &Mail,
    deliveries: &[Delivery],
    update: &mut Update<'_>,
    io: &mut Io,
) -> anyhow::Result<Taken> {
    update.count_received(ReceivedAs::Report)?;
    let is_over =
        matches!(mail.state, NoticeState::Bounced | NoticeState::Refused | NoticeState::Superseded);
    let of = |wanted: Action| deliveries.iter().find(|delivery| delivery.action == wanted);
    // A failure is noted once in any case.
    if is_over || (of(Action::Failed).is_none() && mail.answers >= MAX_ANSWERS) {
        return Ok(Taken::default());
    }
    update.answered(mail.id)?;
    let to = &mail.mail.recipient;
    if let Some(failed) = of(Action::Failed) {
        let why = said(failed);
        io.report.detail(format_args!("{to}: the mail came back: {why}"));
        settle_in(setup, mail, NoticeState::Bounced, &why, update)?;
    } else {
        let delayed = of(Action::Delayed);
        let arrived =
            [Action::Delivered, Action::Relayed, Action::Expanded].into_iter().find_map(of);
        let Some(delivery) = arrived.or(delayed) else { return Ok(Taken::default()) };
        let newest = update.newest()?.window();
        let notices = update.notices_of_mail(mail.id)?;
        for NumberedNotice { notice, .. } in &notices {
            let Some(mut incident) = update.incident(notice.incident)? else { continue };
            let names_deadline = notice.step == incident::Step::Deadline
                && notice.at >= incident.body.deadlines_from;
            let row = match (arrived, names_deadline) {
                (_, false) => None,
                (Some(_), true) => incident::arrive(&mut incident, setup.now),
                (None, true) => incident::delay(&mut incident, setup.now, newest),
            };
            if row.is_some() {
                update.incident_changed(&incident)?;
            }
            let word = |state: &str| format!("{} {state}", notice.step.as_str());
            let told = JournalRow {
                incident: Some(incident.id),
                data: setup.now,
                actor: MAIL_SERVER.to_owned(),
                what: Changed::Notice,
                from: word(mail.state.as_str()),
                to: word(action(delivery.action)),
                reason: format!("{to}: {}", said(delivery)),
            };
            update.journal_rows(std::iter::once(&told).chain(&row))?;
        }
    }
    Ok(Taken { is_news: true, ..Taken::default() })
}

/// Returns what a mail server says of a delivery.
fn said(delivery: &Delivery) -> String {
    let Delivery { status, diagnostic, .. } = delivery;
    let words = [status.as_str(), diagnostic.as_str()];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "no reason given".to_owned() } else { words.join(" ") }
}

/// Returns the word of an action in the journal.
const fn action(action: Action) -> &'static str {
    match action {
        Action::Failed => "bounced",
        Action::Delayed => "delayed",
        Action::Delivered => "delivered",
        Action::Relayed => "relayed",
        Action::Expanded => "expanded",
    }
}

/// The incidents that a mail is about.
struct Claimed {
    /// The mail that it answers.
    origin: Origin,
    /// The recipient of the notice that it answers, whom the operator's answer goes to.
    recipient: Option<Address>,
    /// The numbers of the incidents.
    incidents: Vec<u64>,
    /// The hosts of the incidents.
    hosts: Vec<String>,
    /// True if one of their hosts is isolated, or is to be.
    is_isolated: bool,
}

impl Claimed {
    /// Returns the incidents of a mail of which nothing is known: none.
    const fn of_nobody() -> Claimed {
        Claimed {
            origin: Origin::Unknown,
            recipient: None,
            incidents: Vec::new(),
            hosts: Vec::new(),
            is_isolated: false,
        }
    }
}

/// Takes a reply for the word of the recipient that they deal with the incidents of the mail, and passes it on:
/// a person should read what they say.
fn reply(
    setup: &Setup,
    mail: &Mail,
    incoming: &Incoming,
    envelope: &Envelope<'_>,
    update: &mut Update<'_>,
    io: &mut Io,
) -> anyhow::Result<Taken> {
    let mut claimed = Claimed {
        recipient: mail.mail.recipient.parse().ok(),
        origin: Origin::Notice,
        ..Claimed::of_nobody()
    };
    let mut closed = Vec::new();
    let mut is_news = false;
    if mail.answers >= 2 * MAX_ANSWERS {
        return automatic("too many answers to one mail", update, io);
    }
    update.answered(mail.id)?;
    let newest = update.newest()?.window();
    let person = Person {
        name: mail.mail.recipient.clone(),
        why: "replied to the mail".to_owned(),
        now: setup.now,
    };
    let mut numbers: Vec<u64> =
        update.notices_of_mail(mail.id)?.iter().map(|one| one.notice.incident).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() {
        (claimed.origin, claimed.recipient) = (Origin::Other, None);
    }
    for id in numbers {
        let Some(mut incident) = update.incident(id)? else { continue };
        claimed.hosts.push(incident.subject.host.text(false));
        // An isolated host comes free by a person's decision, not by a mail.
        if incident.body.wish != Wish::None && !incident.body.is_shadow_wish {
            claimed.is_isolated = true;
            continue;
        }
        // Somebody who was responsible when the mail was sent may not be any more.
        let is_theirs = setup.owners.is_told(&incident, &mail.mail.recipient);
        if incident.body.state.is_closed() || incident.is_claimed() || !is_theirs {
            continue;
        }
        let kind = setup.owners.network_kind(incident.subject.host);
        let rule = setup.settings.policy.of(&incident, kind, setup.now);
        let rows = incident::claim(&mut incident, &person, rule, newest)?;
        claimed.incidents.push(id);
        update.incident_changed(&incident)?;
        update.journal_rows(&rows)?;
        is_news = true;
        if incident.body.state.is_closed() {
            closed.push(incident);
        }
    }
    if is_news {
        update.count_received(ReceivedAs::Claim)?;
    }
    let taken = pass_on(setup, incoming, envelope, &claimed, update, io)?;
    Ok(Taken { closed, is_news, ..taken })
}

/// Writes the mail that passes a received one on to the operator, unless there were too many.
fn pass_on(
    setup: &Setup,
    incoming: &Incoming,
    envelope: &Envelope<'_>,
    claimed: &Claimed,
    update: &mut Update<'_>,
    io: &mut Io,
) -> anyhow::Result<Taken> {
    let Some(operator) = setup.owners.operator() else {
        io.report.warn("a mail was not passed on, because there is nobody: name [site] operator");
        update.count_received(ReceivedAs::Dropped)?;
        return Ok(Taken::default());
    };
    let is_unknown = claimed.origin == Origin::Unknown;
    let kind = if is_unknown { MailKind::PassedOn } else { MailKind::Reply };
    if setup.settings.mode == Mode::Shadow {
        io.report.warn("a mail was not passed on to the operator, because the mode is shadow");
        update.count_received(ReceivedAs::Dropped)?;
        return Ok(Taken::default());
    }
    // Anybody can write what has no token. A reply has one, and the answers to a mail are bounded.
    let since = setup.now.saturating_sub(HOUR);
    let recent: u64 = update.mails_since(kind, since, setup.now)?.values().sum();
    let waiting = update.unsent_of(kind)?;
    if is_unknown && (recent >= PER_HOUR || waiting >= PER_HOUR) {
        io.report.warn("a mail was not passed on to the operator, because 20 went within an hour");
        update.count_received(ReceivedAs::Dropped)?;
        update.count_unreported(Unreported::Replies, 1)?;
        return Ok(Taken::default());
    }
    if waiting >= MAX_REPLIES {
        bail!("{waiting} replies to the operator wait to be sent; give the mail again");
    }
    let settings = &setup.settings.mail;
    let from = settings.from.as_ref().unwrap_or(operator);
    let sender = Sender {
        from,
        reply_to: claimed.recipient.as_ref(),
        site: &settings.site,
        date: Timestamp::from_secs(setup.now),
        local: &settings.local,
    };
    let (_, lang) = setup.owners.salutation(operator);
    let Keys { message_id, .. } = keys(setup, from, &[], operator, update)?;
    let passed_on = PassedOn {
        original: &incoming.text,
        is_cut: incoming.size > incoming.text.len() as u64,
        size: incoming.size,
        origin: claimed.origin,
        sender: envelope.sender,
        incidents: &claimed.incidents,
        hosts: &claimed.hosts,
        is_isolated: claimed.is_isolated,
        held_back: update.unreported(Unreported::Replies)?,
    };
    let text = passed_on.message(&sender, operator, lang, &message_id)?;
    let id = update.mail(&new_mail(kind, operator, message_id, text)?)?;
    if claimed.incidents.is_empty() {
        update.count_received(ReceivedAs::PassedOn)?;
    }
    Ok(Taken { passed_on: Some(id), ..Taken::default() })
}

/// Returns the mail to the operator. Its return path is the null one, so that no answer to it comes here.
fn new_mail(
    kind: MailKind,
    operator: &Address,
    message_id: String,
    text: Vec<u8>,
) -> anyhow::Result<NewMail> {
    Ok(NewMail {
        kind,
        recipient: operator.to_string(),
        sender: String::new(),
        token: String::new(),
        message_id,
        step: None,
        text: String::from_utf8(text)?,
    })
}
