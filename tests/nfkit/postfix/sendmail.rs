//! `sendmail` as nfnotify calls it: each accepted mail arrives once, and each failure has the same status.

use super::{Postfix, mail};

/// A return path of the form that nfnotify issues.
const RETURN_PATH: &str = "nfkit+b-0123456789abcdef@site.test";

#[test]
fn a_mail_arrives_once_and_keeps_its_return_path() {
    let Some(postfix) = Postfix::start() else { return };
    for return_path in [RETURN_PATH, "", "<>"] {
        postfix.sendmail(return_path, "admin@site.test").stdin(mail("first")).run().ok().mute();
    }
    let mails = postfix.maildir("admin", 3);
    postfix.settle();
    assert_eq!(postfix.maildir("admin", 3).len(), 3);
    let mails: Vec<String> =
        mails.into_iter().map(|mail| String::from_utf8(mail).unwrap()).collect();
    let count = |line: &str| mails.iter().filter(|mail| mail.starts_with(line)).count();
    assert_eq!(count(&format!("Return-Path: <{RETURN_PATH}>\n")), 1, "{mails:?}");
    assert_eq!(count("Return-Path: <>\n"), 2, "{mails:?}");
    // A line of a single dot would end the mail without -i.
    let dot = mail("dot") + ".\nMore.\n";
    postfix.sendmail(RETURN_PATH, "noc@site.test").stdin(dot).run().ok();
    let got = String::from_utf8(postfix.maildir("noc", 1).remove(0)).unwrap();
    assert!(got.ends_with("\nHello.\n.\nMore.\n"), "{got}");
}

#[test]
fn sendmail_queues_while_postfix_is_stopped_and_loses_nothing() {
    let Some(postfix) = Postfix::start() else { return };
    postfix.stop();
    for subject in ["one", "two"] {
        postfix.sendmail(RETURN_PATH, "admin@site.test").stdin(mail(subject)).run().ok().mute();
    }
    let queue = postfix.queue();
    let names: Vec<_> = queue.iter().map(|queued| queued.queue.as_str()).collect();
    assert_eq!(names, ["maildrop"; 2], "{queue:?}");
    assert_eq!(postfix.maildir("admin", 0).len(), 0);
    postfix.resume();
    postfix.maildir("admin", 2);
    postfix.settle();
    assert_eq!(postfix.maildir("admin", 2).len(), 2);
}

/// Every failure of Postfix's sendmail has the status 75, which means "try again" elsewhere. So the status
/// does not tell what will never succeed, such as a message that is too large.
#[test]
fn sendmail_fails_with_status_75_and_queues_nothing() {
    let Some(postfix) = Postfix::start() else { return };
    let sendmail = || postfix.command("nfkit", "/usr/sbin/sendmail");
    let send = || postfix.sendmail(RETURN_PATH, "admin@site.test").stdin(mail("never"));
    let unknown = sendmail().args(["-i", "-Z", "--", "admin@site.test"]).stdin(mail("never"));
    unknown.run().status(75).says("invalid option -- 'Z'");
    let nobody = sendmail().args(["-i", "-f", RETURN_PATH]).stdin(mail("never"));
    nobody.run().status(75).says("Recipient addresses must be specified");
    let large = mail("never") + &"A line of 31 bytes, many a time\n".repeat(400_000);
    let large = || postfix.sendmail(RETURN_PATH, "admin@site.test").stdin(&large).run();
    large().status(75).says("message file too big");
    postfix.stop();
    large().status(75).says("message file too big");
    postfix.resume();

    let root = |line: &str| postfix.command("root", "sh").args(["-euc", line]).run().ok();
    let drop = "/var/spool/postfix/maildrop";
    root(&format!(
        "owner=$(stat -c uid=%u,gid=%g,mode=%a {drop})
        mount -t tmpfs -o size=64k,$owner tmpfs {drop}
        head -c 100000 /dev/zero >{drop}/fill 2>/dev/null || true"
    ));
    send().run().status(75).says("No space left on device");
    assert_eq!(postfix.maildir("admin", 0).len(), 0);
    root(&format!("rm {drop}/fill"));
    send().run().ok();
    postfix.maildir("admin", 1);
    root(&format!("umount {drop}"));

    postfix.set("authorized_submit_users", "root");
    send().run().status(75).says("is not allowed to submit mail");
    root("mv /etc/postfix/main.cf /etc/postfix/away");
    send().run().status(75).says("main.cf");
    root("mv /etc/postfix/away /etc/postfix/main.cf");
    postfix.settle();
    assert_eq!(postfix.maildir("admin", 1).len(), 1);
}

/// A relay refuses an unknown recipient at once, where sendmail takes the mail and a report comes later.
#[test]
fn a_relay_on_loopback_refuses_unknown_recipients() {
    let Some(postfix) = Postfix::start() else { return };
    if super::installed("curl").is_none() {
        return;
    }
    let curl = |recipient: &str| {
        let to = ["smtp://127.0.0.1", "--mail-from", RETURN_PATH, "--mail-rcpt", recipient];
        let curl = postfix.command("nfkit", "curl").args(["-sS", "-w", "%{response_code}"]);
        curl.args(to).args(["-T", "-"]).stdin(mail("relayed")).run()
    };
    curl("admin@site.test").ok().prints("250");
    postfix.maildir("admin", 1);
    curl("gone@site.test").status(55).says("RCPT failed: 550");
    postfix.settle();
    assert_eq!(postfix.maildir("admin", 1).len(), 1);
}
