//! Reports about mails that did not arrive, the alias that gets them, and the samples of them in
//! `tests/data/nfnotify/received`, which are as this Postfix made them. `NFKIT_BLESS=1` rewrites them.

use std::collections::BTreeMap;

use super::{Postfix, Received, installed, mail};
use crate::harness::package;

/// Fields of a mail or of a report in it that do not depend on time and version.
const LASTING: [&str; 8] = [
    "Return-Path:",
    "X-Original-To:",
    "Auto-Submitted:",
    "In-Reply-To:",
    "Original-Recipient:",
    "Final-Recipient:",
    "Action:",
    "Status:",
];

/// Returns the return path of a mail, by its token.
fn return_path(token: &str) -> String {
    format!("nfkit+b-{token}@site.test")
}

/// Returns the lines of a mail that say what it reports.
fn lasting(mail: &str) -> Vec<&str> {
    mail.lines().filter(|line| LASTING.iter().any(|field| line.starts_with(field))).collect()
}

/// Asserts that a mail says the same as the sample of this name, or writes the sample if NFKIT_BLESS is 1.
#[track_caller]
fn sample(name: &str, mail: &str) {
    let path = package("tests/data/nfnotify/received").join(name);
    if std::env::var_os("NFKIT_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, mail).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(lasting(mail), lasting(&expected), "{} differs from:\n{mail}", path.display());
}

/// Asserts that a report came through the alias to the return path of this token, with this action and
/// a status that begins so.
#[track_caller]
fn reports(received: &Received, token: &str, action: &str, status: &str) {
    let mail = &received.mail;
    assert_eq!(received.environment["RECIPIENT"], return_path(token));
    assert_eq!(received.environment["SENDER"], "", "{mail}");
    assert!(mail.starts_with("From MAILER-DAEMON  "), "{mail}");
    for line in [
        "\nContent-Type: multipart/report; report-type=delivery-status;\n".to_owned(),
        "\nAuto-Submitted: auto-replied\n".to_owned(),
        format!("\nAction: {action}\n"),
        format!("\nStatus: {status}"),
    ] {
        assert!(mail.contains(&line), "{line:?} is not in\n{mail}");
    }
}

#[test]
fn a_bounce_comes_to_the_return_path_and_runs_the_alias_as_its_owner() {
    let Some(postfix) = Postfix::start() else { return };
    // Postfix takes a mail for nobody, as it takes any: the bounce comes later.
    let token = "00000000000000a1";
    postfix.sendmail(&return_path(token), "gone@site.test").stdin(mail("gone")).run().ok().mute();
    let bounce = postfix.received(1).remove(0);
    reports(&bounce, token, "failed", "5.1.1");
    sample("bounce.eml", &bounce.mail);

    // The environment is all of this and no more. LOCAL has the extension too, and no directory of
    // PATH has the kit's commands.
    let address = return_path(token);
    let expected = [
        ("DOMAIN", "site.test"),
        ("EXTENSION", "b-00000000000000a1"),
        ("HOME", "/home/nfkit"),
        ("LANG", "C"),
        ("LOCAL", "nfkit+b-00000000000000a1"),
        ("LOGNAME", "nfkit"),
        ("MAIL_CONFIG", "/etc/postfix"),
        ("ORIGINAL_RECIPIENT", &address),
        ("PATH", "/usr/bin:/bin"),
        ("RECIPIENT", &address),
        ("SENDER", ""),
        ("SHELL", "/bin/sh"),
        ("USER", "nfkit"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(bounce.environment, BTreeMap::from(expected));
    // The user's other groups are not there, such as nfkit-ops, new files are private, and the limit
    // of a mailbox is the limit of each file that the command writes: 51.2 MB.
    assert_eq!(bounce.process, ["nfkit", "nfkit", "0077", "100000", "/var/spool/postfix"]);

    let token = "00000000000000a2";
    postfix.sendmail(&return_path(token), "full@site.test").stdin(mail("full")).run().ok();
    let bounce = postfix.received(2).remove(1);
    reports(&bounce, token, "failed", "5.2.2");
    sample("bounce-full.eml", &bounce.mail);
}

#[test]
fn a_mail_that_waits_is_reported_as_delayed_and_later_as_failed() {
    let Some(postfix) = Postfix::start() else { return };
    let token = "00000000000000b1";
    postfix.sendmail(&return_path(token), "slow@site.test").stdin(mail("slow")).run().ok();
    let report = postfix.received(1).remove(0);
    reports(&report, token, "delayed", "4.4.1");
    sample("delayed.eml", &report.mail);
    let queued = postfix.deferred();
    assert_eq!(queued.sender, return_path(token));
    assert!(queued.reason.contains("Connection refused"), "{queued:?}");
    // Once it is too old, the mail has failed, with a status that still begins with 4.
    postfix.set("maximal_queue_lifetime", "1s");
    let report = postfix.received(2).remove(1);
    reports(&report, token, "failed", "4.4.1");
    sample("expired.eml", &report.mail);
    postfix.settle();
}

#[test]
fn a_delivery_is_reported_if_the_sender_asks() {
    let Some(postfix) = Postfix::start() else { return };
    let token = "00000000000000c1";
    let sendmail = postfix.command("nfkit", "/usr/sbin/sendmail").args(["-i", "-N", "success"]);
    let sendmail = sendmail.args(["-f", &return_path(token), "--", "admin@site.test"]);
    sendmail.stdin(mail("told")).run().ok();
    let report = postfix.received(1).remove(0);
    reports(&report, token, "delivered", "2.0.0");
    sample("delivered.eml", &report.mail);
}

/// Debian's `vacation` answers the return path and not `Reply-To`, from a user's own address, and with
/// nothing that marks an automatic reply. It keeps silent if the mail is marked as automatic.
#[test]
fn a_vacation_reply_comes_to_the_return_path_unmarked() {
    let Some(postfix) = Postfix::start() else { return };
    if installed("vacation").is_none() {
        return;
    }
    let notice = "From: nfkit@site.test\nReply-To: nfkit+r-0@site.test\nTo: away@site.test\n\
        Message-ID: <1.1.d1@site.test>\nSubject: [nfkit] 10.1.2.3\n";
    let token = "00000000000000d1";
    let silent = format!("{notice}Auto-Submitted: auto-generated\n\nHello.\n");
    postfix.sendmail(&return_path(token), "away@site.test").stdin(silent).run().ok();
    postfix.maildir("away", 1);
    postfix.settle();
    assert_eq!(postfix.received(0).len(), 0);
    let answered = format!("{notice}\nHello.\n");
    postfix.sendmail(&return_path(token), "away@site.test").stdin(answered).run().ok();
    let reply = postfix.received(1).remove(0);
    assert_eq!(reply.environment["RECIPIENT"], return_path(token));
    assert_eq!(reply.environment["SENDER"], "away@site.test");
    for field in ["Auto-Submitted:", "Precedence:", "In-Reply-To:", "References:"] {
        assert!(!reply.mail.contains(&format!("\n{field}")), "{field}\n{}", reply.mail);
    }
    sample("vacation.eml", &reply.mail);
}

#[test]
fn status_75_keeps_a_report_in_the_queue_and_any_other_loses_it() {
    let Some(postfix) = Postfix::start() else { return };
    let to = |token: &str| {
        let address = return_path(token);
        postfix.sendmail("", &address).stdin(mail("report")).run().ok();
    };
    postfix.end_with(75);
    to("e1");
    postfix.received(1);
    let queued = postfix.deferred();
    assert_eq!(queued.recipients, [return_path("e1")]);
    assert_eq!((&*queued.sender, &*queued.reason), ("MAILER-DAEMON", "temporary failure"));
    postfix.end_with(0);
    postfix.settle();

    // A report has no sender to whom it could bounce.
    let before = postfix.received(2).len();
    for status in [1, 2, 64, 65, 70, 74, 77, 78] {
        postfix.end_with(status);
        to(&format!("e-{status}"));
        postfix.settle();
    }
    let after = postfix.received(before + 8);
    assert_eq!(after.len(), before + 8);
    assert_eq!(postfix.maildir("admin", 0).len() + postfix.maildir("noc", 0).len(), 0);

    // A command that is killed or cannot be run loses nothing.
    postfix.end_with(0);
    for script in ["#!/bin/sh\nkill -9 $$\n", "#!/no/such/interpreter\n"] {
        postfix.write("/srv/receive", script);
        to("e3");
        postfix.deferred();
        postfix.write("/srv/receive", super::KEEP);
        postfix.settle();
    }
    assert_eq!(postfix.received(before + 10).len(), before + 10);
}

/// Postfix runs a command of plain words itself, and waits if its file is missing. For any other, as for one
/// without its full path, it runs a shell, whose status 127 loses the report.
#[test]
fn an_alias_needs_the_full_path_of_its_command() {
    let Some(postfix) = Postfix::start() else { return };
    let send = |from: &str| {
        postfix.sendmail(from, "nfkit@site.test").stdin(mail("to the alias")).run().ok();
    };
    postfix.alias("/no/such/nfnotify receive");
    send("");
    let queued = postfix.deferred();
    assert!(queued.reason.contains("execvp /no/such/nfnotify: No such file"), "{queued:?}");
    postfix.alias("/usr/local/bin/nfnotify --version");
    postfix.settle();
    let log = postfix.log();
    assert!(log.contains("status=sent (delivered to command: /usr/local/bin/nfnotify"), "{log}");
    // Its directory is in no PATH of an alias.
    postfix.alias("nfnotify --version");
    send("noc@site.test");
    let bounce = String::from_utf8(postfix.maildir("noc", 1).remove(0)).unwrap();
    assert!(bounce.contains("nfnotify: not found"), "{bounce}");
    assert!(bounce.contains("\nStatus: 5.3.0\n"), "{bounce}");
}

/// The replies of a person, by the mail program mutt, in plain English and in Chinese.
#[test]
fn a_reply_from_mutt_comes_to_the_address_of_its_token() {
    let Some(postfix) = Postfix::start() else { return };
    if installed("mutt").is_none() {
        return;
    }
    for (name, subject, body) in [
        ("reply.eml", "Re: [nfkit] 10.1.2.3 scans", "We are on it.\n\n> Dear admin,\n"),
        ("reply-zh-tw.eml", "Re: [nfkit] 10.1.2.3 掃描其他主機", "已處理，謝謝。\n\n> 您好：\n"),
    ] {
        let draft = format!(
            "From: 管理員 <admin@site.test>\nTo: nfkit+r-00000000000000f1@site.test\n\
            Subject: {subject}\nIn-Reply-To: <1.1.f1@site.test>\n\n{body}"
        );
        postfix.write("/home/admin/draft", &draft);
        let settings = "set copy=no; set charset=utf-8; set user_agent=no";
        let mutt = postfix.command("admin", "mutt").args(["-n", "-F", "/dev/null", "-e", settings]);
        let mutt = mutt.args(["-H", "/home/admin/draft"]).env("HOME", "/home/admin");
        mutt.env("LC_ALL", "C.UTF-8").stdin("").run().ok();
        postfix.settle();
        let reply = postfix.received(1).pop().unwrap();
        assert_eq!(reply.environment["EXTENSION"], "r-00000000000000f1");
        assert_eq!(reply.environment["SENDER"], "admin@site.test");
        sample(name, &reply.mail);
    }
}
