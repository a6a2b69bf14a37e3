//! `nfnotify mail`: prints the messages as a mailbox file, or hands each to sendmail.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::ValueHint;

use super::Files;
use crate::cli::{Io, Status, Usage, read_whole};
use crate::finding::Item;
use crate::incident::mail::{self, Outbox, Routing, Sender};
use crate::incident::{Address, Contacts, FindingSet, LIMIT};
use crate::time::{Mark, Timestamp, Window};
use crate::tool::findings::{clock, parse_time, tell_times};

/// What sendmail may say that is kept; the rest is read and forgotten.
const MAX_SAID: u64 = 2000;

/// How long what it said is waited for after it ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What `nfnotify mail` is told.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Who is responsible for what: CSV lines network,mail,name
    #[arg(long, value_name = "FILE", env = "NFKIT_CONTACTS", value_hint = ValueHint::FilePath)]
    contacts: Option<PathBuf>,
    /// Who hears of hosts without a contact, outside hosts and silent exporters, and gets replies
    #[arg(long, value_name = "MAIL", env = "NFKIT_OPERATOR")]
    operator: Option<Address>,
    /// Who writes [default: the operator]
    #[arg(long, value_name = "MAIL", env = "NFKIT_FROM")]
    from: Option<Address>,
    /// The name of the site, for subjects
    #[arg(long, value_name = "NAME", env = "NFKIT_SITE", value_parser = mail::site)]
    site: Option<String>,
    /// Hand each message to this program as `PATH -t -i` instead of printing it
    #[arg(
        long, value_name = "PATH", num_args = 0..=1, require_equals = true,
        default_missing_value = "/usr/sbin/sendmail", value_hint = ValueHint::ExecutablePath
    )]
    sendmail: Option<PathBuf>,
    /// The Date of the messages: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", env = "SOURCE_DATE_EPOCH", value_parser = parse_time)]
    date: Option<Timestamp>,
    /// Also write about findings that are marked as a survey
    #[arg(long)]
    survey: bool,
}

pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    if args.contacts.is_none() && args.operator.is_none() {
        return Err(
            Usage("nobody to write to: --contacts or --operator is needed".to_owned()).into()
        );
    }
    let from = args.from.as_ref().or(args.operator.as_ref());
    let from =
        from.ok_or_else(|| Usage("a mail needs a sender: --from or --operator".to_owned()))?;
    let contacts = match &args.contacts {
        Some(path) => contacts(path, io)?,
        None => Contacts::default(),
    };
    let sender = Sender {
        from,
        reply_to: args.operator.as_ref(),
        site: args.site.as_deref().unwrap_or_default(),
        date: args.date.unwrap_or_else(clock),
    };
    let mut docket = FindingSet::new();
    let read = args.files.read(io, |item, is_aside| match item {
        _ if is_aside => {}
        Item::Finding(finding) => docket.finding(*finding),
        Item::Mark(Mark::End(end)) => docket.end(&end),
        Item::Mark(Mark::Window(_)) => {}
    })?;
    tell_times(&read.timeline, "findings of both are mailed unless --now TIME says which is", io)?;
    let mut failed = read.failed;
    // Asked, so that what is beyond the limit is known.
    docket.findings();
    if docket.left_out() {
        failed = true;
        io.report.error(format_args!(
            "more than {LIMIT} findings: those with the fewest flows are left out"
        ));
    }
    let route =
        Routing { contacts: &contacts, operator: args.operator.as_ref(), survey: args.survey };
    let post = mail::sort(&mut docket, route);
    failed |= !tell(&post, args, io);
    for letter in &post.mails {
        let message = letter.message(&sender)?;
        match &args.sendmail {
            None => io.out.write_all(&mail::mbox(&message, &sender))?,
            Some(program) => match send(program, &mail::unix(&message)) {
                Ok(()) => {
                    let subject = letter.subject(sender.site);
                    io.report.detail(format_args!("{}: handed over: {subject}", letter.to));
                }
                Err(error) => {
                    failed = true;
                    io.report.error(format_args!("{}: not mailed: {error:#}", letter.to));
                }
            },
        }
    }
    if !post.mails.is_empty() {
        io.report.warn("nothing is remembered: run again, the same findings are mailed again");
    }
    Ok(if failed { Status::Failed } else { Status::Done })
}

/// Says on stderr what is in no letter, or only in the operator's; false if somebody should have
/// been told and was not.
fn tell(post: &Outbox<'_>, args: &Args, io: &mut Io) -> bool {
    let nobody = args.operator.is_none();
    for host in &post.orphans {
        let host = host.text(false);
        let whom = if nobody { ", and no --operator to tell" } else { ": told to the operator" };
        io.report.complain("hosts without a contact", format_args!("{host}: no contact{whom}"));
    }
    for window in &post.unheard {
        let start = window.map_or_else(|| "-".to_owned(), Window::start_text);
        io.report.complain(
            "windows without data",
            format_args!("{start}: no exporter spoke, and no --operator to tell"),
        );
    }
    if nobody && (!post.orphans.is_empty() || !post.unheard.is_empty()) {
        io.report.error(format_args!(
            "told to nobody: hosts without a contact: {}, windows without data: {}",
            post.orphans.len(),
            post.unheard.len()
        ));
        return false;
    }
    if post.sideless > 0 {
        io.report.warn(format_args!(
            "{} findings do not say whether their host is inside: give the detectors --inside",
            post.sideless
        ));
    }
    if post.surveys > 0 {
        io.report
            .detail(format_args!("{} findings are marked as a survey: not mailed", post.surveys));
    }
    true
}

fn contacts(path: &Path, io: &mut Io) -> anyhow::Result<Contacts> {
    let name = path.display();
    let text = read_whole(path)?;
    Contacts::parse(&text).map_err(|errors| {
        for error in &errors {
            io.report.error(format_args!("{name}:{error}"));
        }
        anyhow!("--contacts: nothing is mailed until {name} is right")
    })
}

/// Hands a message over and waits for the program's end.
fn send(program: &Path, message: &[u8]) -> anyhow::Result<()> {
    let name = program.display();
    let mut child = Command::new(program)
        .args(["-t", "-i"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| name.to_string())?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    // Read beside the writing: a program that complains a lot would else wait for us for ever.
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(MAX_SAID).read_to_end(&mut said);
            let _ = tell.send(said);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
    });
    // Dropped at the end of the statement, which is the end of the message.
    let written = stdin.map_or(Ok(()), |mut stdin| stdin.write_all(message));
    let status = child.wait().with_context(|| name.to_string())?;
    // Its delivery may go on in the background and keep the pipe open.
    let said = told.recv_timeout(LAST_WORDS).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = match said.trim() {
        "" => String::new(),
        said => format!(": {said}"),
    };
    if !status.success() {
        return Err(anyhow!("{name}: {status}{said}"));
    }
    written.with_context(|| format!("{name} did not read the message{said}"))
}
