//! `nfnotify test`: one mail to the operator by the way of the configuration, and one by which the way of
//! answers is tried.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::memory::{Db, IfMissing, Memory, WAIT};
use super::outbox::{Keys, keys};
use super::owners::Who;
use super::send::{Sent, send_one, settle};
use super::setup::Setup;
use super::way::Way;
use crate::cli::{self, Io, Status};
use crate::contacts::Address;
use crate::incident::NoticeState;
use crate::incident::store::{MailKind, NewMail, Store};
use crate::notice::message::Sender;
use crate::notice::test_mail;
use crate::notice::token::{Answer, answer_address};
use crate::time::Timestamp;

/// The time between two looks for the answer.
const BETWEEN: Duration = Duration::from_millis(200);

/// The arguments of `nfnotify test`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Wait this long for the mail that tries the way of answers
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = cli::parse_seconds)]
    wait: u32,
    #[command(flatten)]
    db: Db,
    #[command(flatten)]
    who: Who,
}

/// Sends the mails, and says what became of them.
///
/// # Errors
/// Fails if there is no operator, or if the memory cannot be used.
#[expect(clippy::disallowed_methods, reason = "the time that the way back takes")]
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.who, None, io)?;
    let operator =
        setup.owners.operator().context("there is nobody to write to; name [site] operator")?;
    // It may be the first command that is tried.
    let memory = Memory::open(args.db.place(), WAIT, IfMissing::Create)?;
    let mut memory =
        memory.context("another nfnotify has held the incidents for a minute; try again")?;
    let settings = &setup.settings.mail;
    let way = settings.way.name();
    let to_operator = write(&setup, operator, MailKind::Test, &mut memory.store)?;
    if let Err(why) = hand_over(&setup, to_operator, &mut memory.store, io)? {
        bail!("the mail to {operator} was not sent: {why}");
    }
    writeln!(io.out, "{operator}: accepted by {way}")?;
    let Some(answers) = &settings.answers else {
        writeln!(
            io.out,
            "answers: [mail] answers is not set, so replies and bounces are not read"
        )?;
        return Ok(Status::Done);
    };
    if let Way::Mbox(_) = settings.way {
        writeln!(io.out, "answers: the way out is a file, so nothing can come back to {answers}")?;
        return Ok(Status::Done);
    }
    let wait = Duration::from_secs(args.wait.into());
    let limit = humantime::format_duration(wait);
    writeln!(io.out, "answers: waiting for a mail to {answers}, at most {limit}")?;
    io.out.flush()?;
    let began = Instant::now();
    let way_back = write(&setup, answers, MailKind::WayBack, &mut memory.store)?;
    if let Err(why) = hand_over(&setup, way_back, &mut memory.store, io)? {
        bail!("the mail to {answers} was not sent: {why}");
    }
    // nfnotify receive needs the lock to note the mail.
    let store = memory.unlock();
    let is_back = |store: &Store| -> anyhow::Result<bool> {
        Ok(store.mail(way_back)?.is_some_and(|mail| mail.answers > 0))
    };
    while !is_back(&store)? {
        if began.elapsed() >= wait {
            bail!(
                "answers: the mail to {answers} did not come back within {}; does an alias hand it to \
                 `nfnotify receive`, and does the mail server deliver {answers} with +TOKEN to it?",
                limit
            );
        }
        thread::sleep(BETWEEN);
    }
    let took = began.elapsed().as_secs_f64();
    writeln!(io.out, "answers: the mail to {answers} came back after {took:.1} s")?;
    store.close()?;
    Ok(Status::Done)
}

/// Writes a mail to the outbox, and returns its number.
fn write(setup: &Setup, to: &Address, kind: MailKind, store: &mut Store) -> anyhow::Result<u64> {
    let settings = &setup.settings.mail;
    let operator = setup.owners.operator().unwrap_or(to);
    let from = settings.from.as_ref().unwrap_or(operator);
    let (_, lang) = setup.owners.salutation(operator);
    let mut update = store.update(setup.now, setup.settings.mode)?;
    let Keys { token, message_id } = keys(setup, from, &[], to, &update)?;
    let answer = |kind| settings.answers.as_ref().map(|base| answer_address(base, kind, token));
    let (bounce, reply) = (answer(Answer::Bounce).transpose()?, answer(Answer::Reply).transpose()?);
    let sender = Sender {
        from,
        reply_to: reply.as_ref().or(Some(operator)),
        site: &settings.site,
        date: Timestamp::from_secs(setup.now),
        local: &settings.local,
    };
    let to = match (kind, &reply) {
        (MailKind::WayBack, Some(reply)) => reply,
        _ => to,
    };
    let text = match kind {
        MailKind::WayBack => test_mail::to_ourselves(&sender, to, lang, &message_id)?,
        _ => test_mail::to_operator(&sender, to, lang, &message_id, reply.is_some())?,
    };
    let id = update.mail(&NewMail {
        kind,
        recipient: to.to_string(),
        sender: bounce.as_ref().unwrap_or(from).to_string(),
        token: if reply.is_some() { token.to_string() } else { String::new() },
        message_id,
        step: None,
        text: String::from_utf8(text)?,
    })?;
    update.commit()?;
    Ok(id)
}

/// Hands a mail over. One that does not go now is not tried again. Returns the reason if it did not go.
fn hand_over(
    setup: &Setup,
    id: u64,
    store: &mut Store,
    io: &mut Io,
) -> anyhow::Result<Result<(), String>> {
    let Sent { down, .. } = send_one(setup, id, store, io)?;
    let Some(mail) = store.mail(id)? else { return Ok(Err("it is gone".to_owned())) };
    if mail.state == NoticeState::Accepted {
        return Ok(Ok(()));
    }
    if mail.state.is_unsent() {
        let why = "nfnotify test does not try again";
        settle(setup, &mail, NoticeState::Superseded, why, store, ["in-T6", "after-T6"])?;
    }
    Ok(Err(down.unwrap_or(mail.why)))
}
