//! Live mode: one mail for one matter, and what comes back for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::post::{Sent, mails};
use super::{CONTACTS, FLOOD, Found, SCAN, Site, at, window};
use crate::harness::Ran;

/// The configuration of a site whose mails go to a file, behind that of [`Site`].
const LIVE: &str = "mode = \"live\"\n[mail]\nmbox = \"mails\"\nanswers = \"nfkit@site.test\"\n\
    footer = \"Security desk, room 301\"\n";

impl Site {
    /// Returns the mails that were sent.
    fn mails(&self) -> Vec<Sent> {
        fs::read_to_string(self.0.path("mails")).map_or_else(|_| Vec::new(), |text| mails(&text))
    }

    /// Returns the recipients and the subjects of the mails behind the first ones.
    fn heads(&self, skip: usize) -> Vec<String> {
        let mails = self.mails().into_iter().skip(skip);
        let address =
            |to: String| to.rsplit_once('<').map_or(to.clone(), |(_, to)| to.replace('>', ""));
        mails.map(|mail| format!("{}: {}", address(mail.to), mail.subject)).collect()
    }

    /// Hands a mail to `nfnotify receive` at a time in minutes after the start of window 0.
    fn receive(&self, minutes: u64, sender: &str, recipient: &str, mail: &str) -> Ran {
        let args = ["--verbose", "receive", "--now", &at(minutes)];
        let run = self.nfnotify(&args).env("SENDER", sender).env("ORIGINAL_RECIPIENT", recipient);
        run.stdin(mail).run()
    }

    /// Returns the rows of the journal of all incidents: what, from, to, reason.
    fn journal(&self) -> Vec<[String; 5]> {
        let text = self.nfnotify(&["history", "--json"]).run().ok().text().to_owned();
        let row = |line: &str| -> [String; 5] {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            ["actor", "what", "from", "to", "reason"]
                .map(|key| row[key].as_str().unwrap_or_default().to_owned())
        };
        text.lines().map(row).collect()
    }

    /// Returns true if the journal has such a row.
    fn has_row(&self, what: &str, from: &str, to: &str) -> bool {
        self.journal().iter().any(|row| row[1] == what && row[2] == from && row[3] == to)
    }
}

const OUTSIDE: Found = Found { host: "203.0.113.9", side: "outside", ..SCAN };

/// Returns a reply of a person.
fn reply(subject: &str, body: &str) -> String {
    format!(
        "From: Ann <ann@cs.example.edu>\nTo: nfkit@site.test\nSubject: {subject}\n\
         Content-Type: text/plain; charset=utf-8\n\n{body}\n"
    )
}

/// Returns a delivery report as Postfix writes it.
fn report(action: &str) -> String {
    format!(
        "From: MAILER-DAEMON@site.test (Mail Delivery System)\nSubject: Undelivered Mail\n\
         Auto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\n\n\
         --B\nContent-Type: text/plain\n\nIt did not arrive.\n\n\
         --B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; site.test\n\n\
         Final-Recipient: rfc822; chang@cs.example.edu\nAction: {action}\nStatus: 5.1.1\n\
         Diagnostic-Code: X-Postfix; unknown user: \"chang\"\n\n--B--\n"
    )
}

#[test]
fn a_matter_is_mailed_once_and_going_on_is_a_reminder_a_day_later() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN, FLOOD, OUTSIDE]));
    let heads = site.heads(0);
    assert_eq!(heads.len(), 3, "{heads:?}");
    for head in [
        "chang@cs.example.edu: [nfkit] First notice: 140.119.44.91 scans networks",
        "noc@example.edu: [nfkit] First notice: 203.0.113.9 scans networks",
    ] {
        assert!(heads.iter().any(|one| one.starts_with(head)), "{head}: {heads:?}");
    }
    // Another window of the same, and a run without anything, are nothing new.
    site.take_in(21, &window(1, &[SCAN, FLOOD, OUTSIDE]));
    site.nfnotify(&["-q", "run", "--now", &at(25)]).run().ok();
    assert_eq!(site.mails().len(), 3);
    for number in 2..150 {
        site.take_in(10 * number + 11, &window(number, &[SCAN]));
    }
    let heads = site.heads(3);
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(
        heads[0].starts_with("chang@cs.example.edu: [nfkit] Reminder: 140.119.44.91"),
        "{heads:?}"
    );
    let mails = site.mails();
    assert_eq!(mails[3].date, "Tue, 01 Dec 2026 00:11:00 +0000");
    // It belongs to the thread of the first one.
    let first = mails.iter().find(|mail| mail.to.contains("chang")).unwrap();
    assert_eq!(mails[3].references, std::slice::from_ref(&first.id));
    assert_eq!(first.references, [""; 0]);
    let ids: BTreeSet<&String> = mails.iter().map(|mail| &mail.id).collect();
    assert_eq!(ids.len(), mails.len());
    for mail in &mails {
        assert!(mail.sender.starts_with("nfkit+b-") && mail.sender.ends_with("@site.test"));
        assert!(mail.reply_to.starts_with("nfkit+r-"), "{mail:?}");
        assert!(mail.body.contains("Security desk, room 301"), "{}", mail.body);
    }
    for (from, to) in
        [("-", "first wanted"), ("first sending", "first accepted"), ("-", "reminder wanted")]
    {
        assert!(site.has_row("notice", from, to), "{from} {to}");
    }
}

#[test]
fn a_new_port_is_told_after_an_hour() {
    let site = Site::new(LIVE);
    let more = Found { port: 3389, ..SCAN };
    site.take_in(11, &window(0, &[SCAN]));
    for number in 1..8 {
        site.take_in(10 * number + 11, &window(number, &[SCAN, more]));
    }
    let heads = site.heads(1);
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert_eq!(site.mails()[1].date, "Mon, 30 Nov 2026 01:11:00 +0000");
    assert!(site.has_row("notice", "-", "grown wanted"));
}

#[test]
fn after_a_decision_nothing_more_is_mailed() {
    for words in [&["resolve"][..], &["claim"], &["ignore", "--for=2d"]] {
        let site = Site::new(LIVE);
        site.take_in(11, &window(0, &[SCAN]));
        let now = at(15);
        let more = ["--now", &now, "--by=ann", "--why=a test", "1"];
        site.nfnotify(words).args(more).run().ok();
        site.nfnotify(&["-q", "run", "--now", &at(60 * 25)]).run().ok();
        assert_eq!(site.mails().len(), 1, "{words:?}");
    }
}

#[test]
fn shadow_mode_sends_nothing_and_what_it_would_have_sent_is_never_sent() {
    let site = Site::new(&LIVE.replace("live", "shadow"));
    for number in 0..6 {
        let found = if number < 4 { &[SCAN, FLOOD][..] } else { &[SCAN] };
        site.take_in(10 * number + 11, &window(number, found));
    }
    assert_eq!(site.mails().len(), 0);
    // The scan goes on in live mode, and the flood does not.
    let text = site.0.text("nfkit.toml").replace("\"shadow\"", "\"live\"");
    site.0.write("nfkit.toml", text);
    site.take_in(71, &window(6, &[SCAN]));
    site.take_in(81, &window(7, &[SCAN]));
    let heads = site.heads(0);
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(heads[0].starts_with("chang@cs.example.edu: [nfkit] First notice: 140.119.44.91"));
    // The operator hears how many came too late.
    assert_eq!(heads[1], "noc@example.edu: [nfkit] Report on mails and replies");
}

#[test]
fn what_waits_when_the_mode_becomes_shadow_is_never_sent() {
    let site = Site::new(&LIVE.replace("\"mails\"", "\"no/mails\""));
    let run = site.nfnotify(&["run", "--now", &at(11), "-"]).stdin(window(0, &[SCAN])).run();
    run.status(1).says("no mail can be sent, so mails wait, and the next runs try again");
    let live = site.0.text("nfkit.toml");
    site.0.write("nfkit.toml", live.replace("\"live\"", "\"shadow\""));
    site.nfnotify(&["-q", "run", "--now", &at(15)]).run().ok();
    site.0.write("nfkit.toml", live.replace("no/mails", "mails"));
    site.nfnotify(&["-q", "run", "--now", &at(120)]).run().ok();
    let heads = site.heads(0);
    assert!(!heads.iter().any(|head| head.starts_with("chang@")), "{heads:?}");
    assert!(site.has_row("notice", "first wanted", "first superseded"));
}

#[test]
fn a_week_that_is_caught_up_mails_only_what_goes_on() {
    let site = Site::new(LIVE);
    // 300 hosts scanned at some time in the week, and three still do.
    let hosts: Vec<String> =
        (0..300).map(|n| format!("140.119.{}.{}", 44 + n / 200, 1 + n % 200)).collect();
    let hosts: Vec<&'static str> = hosts.into_iter().map(|host| &*host.leak()).collect();
    let mut lines = String::new();
    for number in 0..1008_u64 {
        let mut found = Vec::new();
        if number % 3 == 0 && number < 900 {
            found.push(Found { host: hosts[number as usize / 3], ..SCAN });
        }
        if number >= 1000 {
            found.extend((0..3).map(|n| Found { host: hosts[n], port: 23, ..SCAN }));
        }
        lines += &window(number, &found);
    }
    site.take_in(10_081, &lines);
    let heads = site.heads(0);
    // One to the owner of the three, and one to the operator, who hears how many came too late.
    assert_eq!(heads.len(), 2, "{heads:?}");
    let mails = site.mails();
    let operator = mails.iter().find(|mail| mail.to.contains("noc@")).unwrap();
    assert!(operator.body.contains("came too late"), "{}", operator.body);
    let owner = mails.iter().find(|mail| mail.to.contains("chang@")).unwrap();
    assert!(owner.subject.contains("and 2 more hosts"), "{}", owner.subject);
    site.take_in(10_091, &window(1008, &[]));
    assert_eq!(site.mails().len(), 2);
}

#[test]
fn an_import_sends_nothing_again() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let backup = site.0.path("backup.db");
    site.nfnotify(&["backup"]).arg(&backup).run().ok();
    // One more is told, and then the memory is lost.
    site.take_in(21, &window(1, &[SCAN, FLOOD]));
    assert_eq!(site.mails().len(), 2);
    fs::remove_dir_all(site.0.path("memory")).unwrap();
    let import = ["import", "--now", &at(30), "--by=ann"];
    site.nfnotify(&import).arg(&backup).run().ok();
    site.take_in(31, &window(2, &[SCAN]));
    assert_eq!(site.mails().len(), 2, "the first one counts as told");
    // The flood goes on: nobody knows any more that it was told.
    site.take_in(41, &window(3, &[SCAN, FLOOD]));
    let heads = site.heads(2);
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert!(heads[0].starts_with("wifi@example.edu: "), "{heads:?}");
}

#[test]
fn ten_thousand_findings_of_one_window_are_a_few_mails() {
    let site = Site::new(LIVE);
    // 200 networks with an owner each, and as many hosts of nobody.
    let mut contacts = "network,mail,name\n".to_owned();
    for net in 0..200 {
        contacts += &format!("140.119.{net}.0/24,owner{net}@example.edu,Owner {net}\n");
    }
    site.0.write("contacts.csv", contacts);
    let found: Vec<Found> = (0..10_000_u32)
        .map(|n| {
            let host = match n % 2 {
                0 => format!("140.119.{}.{}", n / 2 % 200, 1 + n / 400),
                _ => format!("140.119.{}.{}", 200 + n / 2 % 50, 1 + n / 100),
            };
            Found { host: host.leak(), ..SCAN }
        })
        .collect();
    site.take_in(11, &window(0, &found));
    let mails = site.mails();
    assert!(mails.len() <= 101, "{}", mails.len());
    let operator: Vec<&Sent> = mails.iter().filter(|mail| mail.to.contains("noc@")).collect();
    assert_eq!(operator.len(), 1, "one digest");
    assert!(operator[0].text.len() < 100_000, "{}", operator[0].text.len());
    let to: BTreeSet<&String> = mails.iter().map(|mail| &mail.to).collect();
    assert_eq!(to.len(), mails.len(), "one mail a recipient");
    // An hour later the others get theirs, if it goes on.
    site.take_in(72, &window(6, &found));
    let later = site.mails();
    let owners: BTreeSet<&String> = later.iter().map(|mail| &mail.to).collect();
    assert!(later.len() > mails.len() && later.len() <= 202, "{}", later.len());
    assert!(owners.len() >= 190, "{}", owners.len());
    let more = later.iter().skip(mails.len()).find(|mail| mail.to.contains("owner")).unwrap();
    assert!(more.body.contains("could not be sent earlier"), "{}", more.body);
}

#[test]
fn mails_wait_for_a_way_out_and_none_is_lost_or_doubled() {
    let site = Site::new(&LIVE.replace("\"mails\"", "\"out/mails\""));
    // A day of attacks without a way out.
    for number in 0..144 {
        let hosts = ["140.119.44.1", "140.119.44.2", "140.119.44.3"];
        let host = hosts[number as usize / 48];
        let found = [Found { host, ..SCAN }, Found { host: "140.119.44.9", ..SCAN }, FLOOD];
        let run = site.nfnotify(&["-q", "run", "--now", &at(10 * number + 11), "-"]);
        run.stdin(window(number, &found)).run().status(1);
    }
    let metrics = site.0.path("m.prom");
    let run =
        site.nfnotify(&["-q", "run", "--now", &at(1441), "--metrics-file"]).arg(&metrics).run();
    run.status(1);
    let text = fs::read_to_string(&metrics).unwrap();
    assert!(text.contains("nfnotify_oldest_unsent_notice_seconds 85800\n"), "{text}");
    assert!(text.contains("nfnotify_mails_waiting 3\n"), "{text}");
    fs::create_dir(site.0.path("out")).unwrap();
    // The attempts are an hour apart at most.
    for minute in [1451, 1461, 1471, 1481, 1491, 1501, 1511] {
        site.nfnotify(&["-q", "run", "--now", &at(minute)]).run();
    }
    site.nfnotify(&["-q", "run", "--now", &at(1521)]).run().ok();
    let sent = mails(&site.0.text("out/mails"));
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for mail in &sent {
        by.entry(&mail.to).or_default().push(&mail.subject);
    }
    // The first mail of each, one about the host that came meanwhile and goes on, and one to the operator, who
    // hears of the host that came and went.
    assert_eq!(sent.len(), 4, "{by:?}");
    let ids: BTreeSet<&String> = sent.iter().map(|mail| &mail.id).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_reply_claims_the_incidents_of_its_mail_and_is_passed_on() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN, Found { host: "140.119.44.7", ..SCAN }, FLOOD]));
    let mail = site.mails().into_iter().find(|mail| mail.to.contains("chang@")).unwrap();
    let text = reply("Re: hello", "It is our new scanner.\nFrom here on it is quiet.");
    site.receive(20, "ann@cs.example.edu", &mail.reply_to, &text).status(0);
    for id in ["1", "2"] {
        let shown = site.nfnotify(&["show", id]).run().ok().text().to_owned();
        assert!(shown.contains("claimed"), "{shown}");
    }
    let claims: Vec<_> = site.journal().into_iter().filter(|row| row[1] == "claim").collect();
    assert_eq!(claims.len(), 2, "{claims:?}");
    assert_eq!(claims[0][0], "chang@cs.example.edu");
    let passed = site.mails().pop().unwrap();
    assert_eq!((passed.to.as_str(), passed.sender.as_str()), ("noc@example.edu", "MAILER-DAEMON"));
    assert!(passed.text.contains("\nAuto-Submitted: auto-generated\n"), "{}", passed.text);
    assert!(passed.body.contains("> It is our new scanner."), "{}", passed.body);
    // A second reply claims nothing anew, and a person should read it all the same.
    site.receive(21, "ann@cs.example.edu", &mail.reply_to, &text).status(0);
    let claims = site.journal().into_iter().filter(|row| row[1] == "claim").count();
    assert_eq!((claims, site.heads(0).len()), (2, 4));
}

#[test]
fn a_bounce_marks_its_notices_and_the_operator_hears_of_it_once() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let mail = &site.mails()[0];
    site.receive(12, "", &mail.sender, &report("failed")).status(0);
    site.receive(13, "MAILER-DAEMON", &mail.sender, &report("failed")).status(0);
    assert!(site.has_row("notice", "first accepted", "first bounced"));
    let bounced = site.journal().into_iter().filter(|row| row[3] == "first bounced").count();
    assert_eq!(bounced, 1);
    assert_eq!(site.mails().len(), 1, "nothing is passed on");
    site.take_in(21, &window(1, &[SCAN]));
    site.take_in(31, &window(2, &[SCAN]));
    let heads = site.heads(1);
    assert_eq!(heads.len(), 1, "{heads:?}");
    let told = &site.mails()[1];
    assert!(told.to.contains("noc@"), "{heads:?}");
    assert!(told.body.contains("chang@cs.example.edu"), "{}", told.body);
    assert!(told.body.contains("unknown user"), "{}", told.body);
    // A delay is written down, and nothing else.
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let mail = &site.mails()[0];
    site.receive(12, "", &mail.sender, &report("delayed")).status(0);
    site.receive(13, "", &mail.sender, &report("delivered")).status(0);
    assert!(site.has_row("notice", "first accepted", "first delayed"));
    assert!(site.has_row("notice", "first accepted", "first delivered"));
    site.take_in(21, &window(1, &[SCAN]));
    assert_eq!(site.mails().len(), 1);
}

#[test]
fn nothing_is_believed_without_the_token() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let mail = site.mails().remove(0);
    let before = site.journal();
    let wrong = |address: &str| {
        let (head, token) = address.split_once('-').unwrap();
        let digit = if token.starts_with('0') { "1" } else { "0" };
        format!("{head}-{digit}{}", &token[1..])
    };
    let as_reply = mail.sender.replace("+b-", "+r-");
    let as_bounce = mail.reply_to.replace("+r-", "+b-");
    // Forged bounces: to another token, to the address of replies, and without a report in them.
    site.receive(12, "", &wrong(&mail.sender), &report("failed")).status(0);
    site.receive(12, "", "nfkit@site.test", &report("failed")).status(0);
    site.receive(12, "", &mail.reply_to, &report("failed")).status(0);
    site.receive(12, "", &as_bounce, &reply("Undelivered Mail", "it failed")).status(0);
    // Replies that no person wrote.
    let auto = reply("Out of office", "I am away.")
        .replace("Subject", "Auto-Submitted: auto-replied\nSubject");
    site.receive(13, "chang@cs.example.edu", &mail.reply_to, &auto).status(0);
    site.receive(13, "", &as_reply, &reply("Re: hello", "I deal with it.")).status(0);
    assert_eq!(site.journal(), before);
    assert_eq!(site.mails().len(), 1, "nothing is passed on");
    // A person without the token is passed on, and claims nothing, whoever the mail says that they are.
    let text = reply("Re: First notice", "I deal with it.").replace("ann@cs", "chang@cs");
    site.receive(14, "chang@cs.example.edu", &wrong(&mail.reply_to), &text).status(0);
    site.receive(15, "chang@cs.example.edu", "nfkit@site.test", &text).status(0);
    assert_eq!(site.mails().len(), 3);
    assert!(!site.journal().iter().any(|row| row[1] == "claim"));
}

#[test]
fn at_most_twenty_mails_an_hour_are_passed_on_and_the_rest_is_counted() {
    let site = Site::new(LIVE);
    site.take_in(1, &window(0, &[]));
    for nth in 0..25 {
        let text = reply(&format!("Buy {nth}"), "now");
        site.receive(11, "spam@example.net", "nfkit@site.test", &text).status(0);
    }
    assert_eq!(site.mails().len(), 20);
    site.nfnotify(&["-q", "run", "--now", &at(12)]).run().ok();
    let told = site.mails().pop().unwrap();
    assert!(told.to.contains("noc@") && told.subject.contains("[nfkit]"), "{told:?}");
    assert!(told.body.contains('5'), "{}", told.body);
    // They count for an hour.
    site.receive(72, "spam@example.net", "nfkit@site.test", &reply("Buy", "now")).status(0);
    assert_eq!(site.mails().len(), 22);
}

#[test]
fn hostile_mails_do_no_harm() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let to = site.mails()[0].reply_to.clone();
    let huge = reply("Re: hello", &"All work and no play.\n".repeat(500_000));
    assert!(huge.len() > 10_000_000);
    let html = reply("Re: <script>alert(1)</script>", "<script>alert(1)</script>")
        .replace("text/plain", "text/html");
    let headers =
        "From: a\r\n b\nSubject: x\r\nBcc: victim@example.net\r\n\r\nBcc: victim@example.net\n";
    let escapes = reply("\u{1b}[2J\u{202e}gpj", "\u{1b}]0;title\u{7}\u{202e}");
    let binary: String = (0..20_000_u32).map(|n| char::from((n * n % 251) as u8)).collect();
    for (nth, mail) in [huge.as_str(), &html, headers, &escapes, &binary, "\n"].iter().enumerate() {
        site.receive(12 + nth as u64, "ann@cs.example.edu", &to, mail).status(0);
        let passed = site.mails().pop().unwrap();
        assert_eq!(passed.to, "noc@example.edu");
        let head = passed.text.split("\n\n").next().unwrap();
        assert!(!head.contains("victim") && !head.contains("script"), "{head}");
        assert!(passed.text.len() < 600_000, "{}", passed.text.len());
        assert!(
            !passed.body.contains('\u{1b}') && !passed.body.contains('\u{202e}'),
            "{}",
            passed.body
        );
    }
}

#[test]
fn a_mail_that_cannot_be_taken_changes_nothing_and_is_given_again() {
    let site = Site::new(LIVE);
    let ran = site.receive(11, "ann@example.net", "nfkit@site.test", &reply("x", "y"));
    ran.status(1).says("no incident database");
    site.take_in(11, &window(0, &[SCAN]));
    let text = site.0.text("nfkit.toml").replace("operator = \"noc@example.edu\"\n", "");
    site.0.write("nfkit.toml", text);
    let ran = site.receive(12, "ann@example.net", "nfkit@site.test", &reply("x", "y"));
    ran.status(0).says("a mail was not passed on, because there is nobody: name [site] operator");
    // No mail at all, as from a closed standard input.
    let ran = site.receive(13, "ann@example.net", "nfkit@site.test", "");
    ran.status(1).says("standard input is empty");
    // Nobody says where it was sent to.
    let run = site.nfnotify(&["receive"]).without_env("ORIGINAL_RECIPIENT").without_env("SENDER");
    run.stdin("").run().status(2).says("--recipient");
}

#[test]
fn a_test_goes_to_the_operator_and_tries_the_way_back() {
    let site = Site::new(&LIVE.replace("answers = \"nfkit@site.test\"\n", ""));
    site.take_in(11, &window(0, &[]));
    let ran = site.nfnotify(&["test"]).run().ok();
    assert!(ran.text().contains("noc@example.edu: accepted by "), "{}", ran.text());
    assert!(ran.text().contains("answers: [mail] answers is not set"), "{}", ran.text());
    let mail = site.mails().pop().unwrap();
    assert_eq!((mail.to.as_str(), mail.reply_to.as_str()), ("noc@example.edu", ""));
    // A file gives nothing back.
    let site = Site::new(LIVE);
    let ran = site.nfnotify(&["test"]).run().ok();
    assert!(
        ran.text().contains("the way out is a file, so nothing can come back"),
        "{}",
        ran.text()
    );
    let mails = site.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].reply_to.starts_with("nfkit+r-"), "{mails:?}");
    // A reply to it is passed on, and claims nothing.
    let to = mails[0].reply_to.clone();
    site.receive(12, "noc@example.edu", &to, &reply("Re: Test", "It works.")).status(0);
    assert_eq!(site.mails()[1].subject, "[nfkit] Reply to a test or a report");
    // The way out does not work: it is not tried again.
    let text = site.0.text("nfkit.toml").replace("\"mails\"", "\"no/mails\"");
    site.0.write("nfkit.toml", text);
    site.nfnotify(&["test"]).run().status(1).says("the mail to noc@example.edu was not sent: ");
    let text = site.0.text("nfkit.toml").replace("no/mails", "mails");
    site.0.write("nfkit.toml", text);
    site.nfnotify(&["-q", "run"]).run().ok();
    assert_eq!(site.mails().len(), 2);
}

#[test]
fn limits_hold_owners_back_for_an_hour_and_the_operator_hears_of_it_once() {
    let site = Site::new(&LIVE.replace("[mail]\n", "[mail]\nper_hour = 5\n"));
    let mut contacts = "network,mail,name\n".to_owned();
    for net in 0..30 {
        contacts += &format!("140.119.{net}.0/24,owner{net}@example.edu,Owner {net}\n");
    }
    site.0.write("contacts.csv", contacts);
    let hosts: Vec<&'static str> = (0..30).map(|n| &*format!("140.119.{n}.9").leak()).collect();
    let found: Vec<Found> = hosts.iter().map(|host| Found { host, ..SCAN }).collect();
    for number in 0..42 {
        site.take_in(10 * number + 11, &window(number, &found));
    }
    let mails = site.mails();
    let owners: BTreeSet<&String> =
        mails.iter().map(|mail| &mail.to).filter(|to| to.contains("owner")).collect();
    assert_eq!(owners.len(), 30, "{owners:?}");
    let told = mails.iter().filter(|mail| mail.to.contains("owner")).count();
    assert_eq!(told, 30, "each once");
    let reports = mails.iter().filter(|mail| mail.to.contains("noc@")).count();
    assert!((5..=7).contains(&reports), "one an hour: {reports}");
}

#[test]
fn junk_does_not_keep_a_reply_from_the_operator() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let to = site.mails()[0].reply_to.clone();
    for nth in 0..25 {
        let text = reply(&format!("Buy {nth}"), "now");
        site.receive(12, "spam@example.net", "nfkit@site.test", &text).status(0);
    }
    assert_eq!(site.mails().len(), 21);
    site.receive(13, "ann@cs.example.edu", &to, &reply("Re: hello", "It is clean.")).status(0);
    let passed = site.mails().pop().unwrap();
    assert_eq!(passed.reply_to, "chang@cs.example.edu", "the operator can answer");
    assert!(passed.body.contains("> It is clean."), "{}", passed.body);
    let junk = &site.mails()[1];
    assert_eq!((junk.subject.as_str(), junk.reply_to.as_str()), ("[nfkit] Mail to nfkit", ""));
    assert!(junk.body.contains("nothing is known"), "{}", junk.body);
    // A person with the token fills neither the journal nor the operator's mailbox.
    for nth in 0..40 {
        site.receive(14, "ann@cs.example.edu", &to, &reply(&format!("Re: {nth}"), "x")).status(0);
    }
    assert!(site.mails().len() <= 61, "{}", site.mails().len());
}

#[test]
fn a_clock_that_was_ahead_holds_no_mail_back() {
    let site = Site::new(&LIVE.replace("[mail]\n", "[mail]\nper_hour = 3\n"));
    site.take_in(1, &window(0, &[]));
    let day = 24 * 60;
    for nth in 0..25 {
        let text = reply(&format!("Buy {nth}"), "now");
        site.receive(365 * day, "spam@example.net", "nfkit@site.test", &text).status(0);
    }
    let before = site.mails().len();
    site.receive(12, "ann@example.net", "nfkit@site.test", &reply("Hello", "now")).status(0);
    assert_eq!(site.mails().len(), before + 1);
    // A mail that was put off then goes now.
    let text = site.0.text("nfkit.toml");
    site.0.write("nfkit.toml", text.replace("\"mails\"", "\"no/mails\""));
    let later = 365 * day;
    let run = site.nfnotify(&["-q", "run", "--now", &at(later + 11), "-"]);
    run.stdin(window(later / 10, &[SCAN])).run().status(1);
    site.0.write("nfkit.toml", text);
    site.nfnotify(&["-q", "run", "--now", &at(21)]).run();
    assert!(site.heads(0).iter().any(|head| head.starts_with("chang@")), "{:?}", site.heads(0));
}

#[test]
fn a_mail_that_waited_is_not_sent_to_who_need_not_hear_of_it() {
    let site = Site::new(&LIVE.replace("\"mails\"", "\"no/mails\""));
    let run = site.nfnotify(&["-q", "run", "--now", &at(11), "-"]);
    run.stdin(window(0, &[SCAN, FLOOD])).run().status(1);
    // The network has another owner now, and the flood is over.
    let contacts = CONTACTS.replace("chang@cs", "wang@cs");
    site.0.write("contacts.csv", contacts);
    for number in 1..160 {
        let run = site.nfnotify(&["-q", "run", "--now", &at(10 * number + 11), "-"]);
        run.stdin(window(number, &[SCAN])).run();
    }
    let text = site.0.text("nfkit.toml").replace("no/mails", "mails");
    site.0.write("nfkit.toml", text);
    for minute in [1621, 1681, 1741] {
        site.nfnotify(&["-q", "run", "--now", &at(minute)]).run();
    }
    let heads = site.heads(0);
    let of = |who: &str| heads.iter().filter(|head| head.starts_with(who)).count();
    assert_eq!((of("chang@"), of("wifi@"), of("wang@")), (0, 0, 1), "{heads:?}");
}

#[test]
fn who_was_never_reached_gets_a_first_notice_and_not_a_reminder() {
    let site = Site::new(LIVE);
    site.take_in(11, &window(0, &[SCAN]));
    let mail = site.mails().remove(0);
    site.receive(12, "", &mail.sender, &report("failed")).status(0);
    for number in 1..146 {
        site.take_in(10 * number + 11, &window(number, &[SCAN]));
    }
    let again = site.mails().into_iter().rfind(|mail| mail.to.contains("chang@")).unwrap();
    assert!(again.subject.contains("First notice"), "{}", again.subject);
    assert_eq!(again.references, [""; 0]);
    // The case of an address makes no other person of its owner.
    let before = site.mails().len();
    site.0.write("contacts.csv", CONTACTS.replace("chang@cs", "Chang@CS"));
    site.take_in(1471, &window(146, &[SCAN]));
    assert_eq!(site.mails().len(), before);
}

#[test]
fn a_stop_file_holds_mails_back() {
    let site = Site::new(LIVE);
    site.take_in(1, &window(0, &[]));
    site.0.write("memory/stop", "");
    let run = site.nfnotify(&["run", "--now", &at(21), "-"]).stdin(window(1, &[SCAN])).run();
    run.status(0).says("stop is there, so no mail is sent");
    assert_eq!(site.mails().len(), 0);
    fs::remove_file(site.0.path("memory/stop")).unwrap();
    site.nfnotify(&["-q", "run", "--now", &at(25)]).run().ok();
    assert_eq!(site.mails().len(), 1);
}
