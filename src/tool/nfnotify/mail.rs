//! `nfnotify mail`: prints the messages as a mailbox file, or hands each to sendmail.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::ValueHint;

use super::files::{Files, is_ahead};
use super::owners::read_contacts;
use crate::cli::{self, Io, Status, Usage};
use crate::contacts::{Address, Contacts};
use crate::finding::words::{length, of};
use crate::finding::{FindingSet, Item, SET_LIMIT};
use crate::notice::mail::{self, Outbox, Routing};
use crate::notice::message::{self, Sender};
use crate::report::LocalTime;
use crate::time::{Mark, Timestamp, Window};
use crate::tool::findings::{clock, parse_time, report_times};
use crate::tool::site;

/// The most bytes of sendmail's error output that are kept; the rest is read and discarded.
const MAX_ERROR_OUTPUT: u64 = 2000;

/// The time to wait for the end of sendmail's error output after sendmail ended.
const OUTPUT_WAIT: Duration = Duration::from_secs(5);

/// The arguments of `nfnotify mail`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Read the persons responsible for networks from this file: CSV lines
    /// network,mail,name[,kind[,lang]]
    #[arg(long, value_name = "FILE", env = "NFKIT_CONTACTS", value_hint = ValueHint::FilePath)]
    contacts: Option<PathBuf>,
    /// Tell this address of hosts without a contact, outside hosts and silent exporters; it gets replies
    #[arg(long, value_name = "MAIL", env = "NFKIT_OPERATOR")]
    operator: Option<Address>,
    /// Send the mails from this address [default: the operator's]
    #[arg(long, value_name = "MAIL", env = "NFKIT_FROM")]
    from: Option<Address>,
    /// Put this name of the site into subjects
    #[arg(long, value_name = "NAME", env = "NFKIT_SITE", value_parser = message::site)]
    site: Option<String>,
    /// Hand each message to this program as `PATH -t -i` instead of printing it
    #[arg(
        long, value_name = "PATH", num_args = 0..=1, require_equals = true,
        default_missing_value = "/usr/sbin/sendmail", value_hint = ValueHint::ExecutablePath
    )]
    sendmail: Option<PathBuf>,
    /// Give the messages this date: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", env = "SOURCE_DATE_EPOCH", value_parser = parse_time)]
    date: Option<Timestamp>,
    /// Mail only findings of windows that begin this long before the end of the newest, 0 for all
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = cli::parse_seconds)]
    last: u32,
    /// Mail findings that are marked as a survey too
    #[arg(long)]
    survey: bool,
}

/// Prints the mails, or hands them to sendmail.
///
/// # Errors
/// Fails if there is nobody to write to or no sender, if the contacts have errors, or if the input is
/// not the output of a detector.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    if args.contacts.is_none() && args.operator.is_none() {
        return Err(Usage("nobody to write to; give --contacts or --operator".to_owned()).into());
    }
    let from = args.from.as_ref().or(args.operator.as_ref());
    let from =
        from.ok_or_else(|| Usage("a mail needs a sender; give --from or --operator".to_owned()))?;
    let contacts = match &args.contacts {
        Some(path) => read_contacts(path, "no mail is sent", io)?,
        None => Contacts::default(),
    };
    // Without a configuration the text is the same on every machine.
    let local = site::timezone(&io.config)?.map_or(LocalTime::UTC, LocalTime::new);
    let sender = Sender {
        from,
        reply_to: args.operator.as_ref(),
        site: args.site.as_deref().unwrap_or_default(),
        date: args.date.unwrap_or_else(clock),
        local: &local,
    };
    let mut findings = FindingSet::new();
    let read = args.files.read(io, |item, is_aside| match item {
        _ if is_aside => {}
        Item::Finding(finding) => findings.finding(*finding),
        Item::Mark(Mark::End(end)) => findings.end(&end),
        Item::Mark(Mark::Window(_)) => {}
    })?;
    report_times(
        &read.timeline,
        "findings of both are mailed unless --now TIME tells which time is right",
        io,
    )?;
    let mut failed = read.failed;
    let latest = read.timeline.latest();
    let older = findings.keep_since(latest.map_or(0, |latest| latest.since(args.last)));
    if older > 0 {
        io.report.detail(format_args!(
            "not mailed, because their windows do not belong to the last {} (--last): {} or windows without data",
            length(args.last),
            of(older as u64, "finding")
        ));
        if is_ahead(latest, args.files.now.time) {
            failed = true;
            io.report.error(
                "the newest window lies in the future, so findings of now may be left out; give the right \
                 time, as in --now \"$(date +%s)\"",
            );
        }
    }
    // Only sorting the findings shows how many are beyond the limit.
    findings.findings();
    if findings.left_out() {
        failed = true;
        io.report.error(format_args!(
            "more than {SET_LIMIT} findings; those with the fewest flows are left out"
        ));
    }
    let routing =
        Routing { contacts: &contacts, operator: args.operator.as_ref(), survey: args.survey };
    let outbox = mail::sort(&mut findings, routing);
    failed |= !report_outbox(&outbox, args, io);
    for mail in &outbox.mails {
        let message = mail.message(&sender)?;
        match &args.sendmail {
            None => io.out.write_all(&message::mbox(&message, from.as_str(), sender.date))?,
            Some(program) => match send(program, &message::unix(&message)) {
                Ok(()) => {
                    let subject = mail.subject(&sender);
                    io.report.detail(format_args!("{}: handed over: {subject}", mail.to));
                }
                Err(error) => {
                    failed = true;
                    io.report.error(format_args!("{}: not mailed: {error:#}", mail.to));
                }
            },
        }
    }
    if !outbox.mails.is_empty() {
        io.report.warn("no memory is kept: the next run mails the same findings again");
    }
    Ok(if failed { Status::Failed } else { Status::Done })
}

/// Reports the findings that are in no mail, or only in the operator's. Returns false if somebody
/// should have been told and was not.
fn report_outbox(outbox: &Outbox<'_>, args: &Args, io: &mut Io) -> bool {
    let has_operator = args.operator.is_some();
    for host in &outbox.orphans {
        let host = host.text(false);
        let whom =
            if has_operator { ": told to the operator" } else { ", and no --operator to tell" };
        io.report.complain("hosts without a contact", format_args!("{host}: no contact{whom}"));
    }
    for window in &outbox.unheard {
        let start = window.map_or_else(|| "-".to_owned(), Window::start_text);
        io.report.complain(
            "windows without data",
            format_args!("{start}: no exporter sent data, and no --operator to tell"),
        );
    }
    if !has_operator && (!outbox.orphans.is_empty() || !outbox.unheard.is_empty()) {
        io.report.error(format_args!(
            "told to nobody: hosts without a contact: {}, windows without data: {}",
            outbox.orphans.len(),
            outbox.unheard.len()
        ));
        return false;
    }
    if outbox.sideless > 0 {
        io.report.warn(format_args!(
            "{} findings do not say whether their host is inside; give the detectors --inside",
            outbox.sideless
        ));
    }
    if outbox.surveys > 0 {
        io.report
            .detail(format_args!("{} findings are marked as a survey: not mailed", outbox.surveys));
    }
    true
}

/// Hands a message to the program and waits for the program's end.
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
    // Errors are read while the message is written: a program that prints many would otherwise wait
    // for its reader for ever.
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.by_ref().take(MAX_ERROR_OUTPUT).read_to_end(&mut output);
            let _ = sender.send(output);
            let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        }
    });
    // The pipe is closed at the end of the statement, which ends the message.
    let written = stdin.map_or(Ok(()), |mut stdin| stdin.write_all(message));
    let status = child.wait().with_context(|| name.to_string())?;
    // The delivery may go on in the background and keep the pipe open.
    let output = receiver.recv_timeout(OUTPUT_WAIT).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let output = match output.trim() {
        "" => String::new(),
        output => format!(": {output}"),
    };
    if !status.success() {
        return Err(anyhow!("{name}: {status}{output}"));
    }
    written.with_context(|| format!("{name} did not read the message{output}"))
}
