//! nfnotify with a real mail server: its mails arrive once, and what comes back is taken.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mailparse::{MailHeaderMap, parse_mail};
use nfkit::time::Timestamp;
use serde_json::Value;

use super::Postfix;
use crate::harness::{Ran, Run, installed, package};

/// The configuration that [`Site`] begins with. The way out is behind it.
const CONFIG: &str = "[site]\nname = 'Lab'\noperator = 'noc@site.test'\ncontacts = 'contacts.csv'\n\
    timezone = 'Asia/Taipei'\n[incident]\nmode = 'live'\ndb = 'memory/incidents.db'\n\
    [mail]\nfrom = 'nfkit@site.test'\nanswers = 'nfkit@site.test'\n";

const CONTACTS: &str = "10.0.1.0/24,admin@site.test,Ann Lee,static\n10.0.2.0/24,gone@site.test,Gone,static\n\
    10.0.3.0/24,full@site.test,Full,static\n10.0.4.0/24,slow@site.test,Slow,static\n\
    10.0.5.0/24,away@site.test,Away,static\n";

/// The hosts whose admins get their mail, have no mailbox, no room in it, a server that is down, and a
/// vacation.
const ADMIN: &str = "10.0.1.7";
const GONE: &str = "10.0.2.7";
const FULL: &str = "10.0.3.7";
const SLOW: &str = "10.0.4.7";
const AWAY: &str = "10.0.5.7";

/// A site whose nfnotify runs as the user nfkit beside a Postfix, with a memory in its home.
struct Site {
    postfix: Postfix,
    /// The start of the newest window, in Unix seconds.
    newest: u64,
}

/// The programs of the lab with a real scanner.
const PARTS: [&str; 4] = ["softflowd", "nmap", "curl", "python3"];

impl Site {
    /// Returns a site whose alias hands mail to `nfnotify receive`, or `None` where Postfix cannot run.
    fn start(way: &str) -> Option<Site> {
        let postfix = Postfix::start()?;
        postfix.command("nfkit", "mkdir").arg("-p").arg("/home/nfkit/site").run().ok();
        postfix.write("/home/nfkit/site/contacts.csv", CONTACTS);
        postfix.write("/home/nfkit/site/nfkit.toml", &format!("{CONFIG}{way}\n"));
        postfix.alias(
            "NFKIT_CONFIG=/home/nfkit/site/nfkit.toml /usr/local/bin/nfnotify --verbose receive || exit 75",
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Some(Site { postfix, newest: now / 600 * 600 - 600 })
    }

    fn nfnotify(&self, args: &[&str]) -> Run {
        self.prepared(self.postfix.command("nfkit", "/usr/local/bin/nfnotify"), args)
    }

    fn prepared(&self, run: Run, args: &[&str]) -> Run {
        run.env("NFKIT_CONFIG", "/home/nfkit/site/nfkit.toml").args(args)
    }

    /// Returns the findings of a window: scans by these hosts.
    fn window(&self, start: u64, hosts: &[&str]) -> String {
        let start = Timestamp::from_secs(start).rfc3339();
        let mut text = String::new();
        for host in hosts {
            text += &format!(
                "{start}\t600\tscan\thorizontal\t{host}\tsource\tinside\t6\t22\t254\t\
                 203.0.113.0/24=254\t2540\t2540\t111760\t4.23\t-\thosts=2540>=200\t-\n"
            );
        }
        for tool in ["nfscan", "nfflood", "nfport"] {
            text += &format!("#end\t{start}\t600\tflows=90000\topen=0\tstate=ok\ttool={tool}\n");
        }
        text
    }

    /// Takes in the newest window, or one so many windows behind it, at a minute after its end.
    fn take_in(&self, later: u64, hosts: &[&str]) -> Run {
        let start = self.newest + 600 * later;
        let now = (start + 660).to_string();
        let run = self.nfnotify(&["-q", "run", "--now", &now, "-"]);
        run.stdin(self.window(start, hosts))
    }

    /// Returns the rows of the journal, in words.
    fn journal(&self) -> Vec<String> {
        let ran: Ran = self.nfnotify(&["history", "--json"]).run().ok();
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            ["actor", "what", "from", "to", "reason"].map(word).join("\t")
        };
        ran.text().lines().map(row).collect()
    }

    /// Waits until the journal has a row with these words.
    #[track_caller]
    fn wait_for(&self, words: &str) {
        self.postfix
            .wait(words, || self.journal().iter().any(|row| row.contains(words)).then_some(()));
    }

    /// Returns the mails of a user, after there are so many.
    #[track_caller]
    fn mails(&self, user: &str, count: usize) -> Vec<Mail> {
        let mails = self.postfix.maildir(user, count);
        mails.iter().map(|mail| Mail::parse(mail)).collect()
    }
}

/// A mail that arrived.
#[derive(Debug)]
struct Mail {
    subject: String,
    return_path: String,
    reply_to: String,
    id: String,
    body: String,
    text: String,
}

impl Mail {
    fn parse(bytes: &[u8]) -> Mail {
        let mail = parse_mail(bytes).unwrap();
        let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
        Mail {
            subject: header("Subject"),
            return_path: header("Return-Path"),
            reply_to: header("Reply-To"),
            id: header("Message-ID"),
            body: mail.subparts.first().unwrap_or(&mail).get_body().unwrap(),
            text: String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

#[test]
fn mails_arrive_once_and_replies_and_bounces_come_back() {
    let Some(site) = Site::start("sendmail = '/usr/sbin/sendmail'") else { return };
    site.take_in(0, &[ADMIN, GONE, FULL, SLOW, AWAY]).run().ok();
    let first = site.mails("admin", 1).remove(0);
    assert!(first.subject.starts_with("[Lab] First notice: 10.0.1.7 scans networks"), "{first:?}");
    assert!(first.return_path.starts_with("<nfkit+b-"), "{first:?}");
    // Two come back, and one is delayed.
    site.wait_for("first accepted\tfirst bounced\tgone@site.test: 5.1.1");
    site.wait_for("first accepted\tfirst bounced\tfull@site.test: 5.2.2");
    site.wait_for("first accepted\tfirst delayed\tslow@site.test: 4.4.1");
    // Another window is nothing new, but the operator hears what did not arrive.
    site.take_in(1, &[ADMIN, GONE, FULL, SLOW, AWAY]).run().ok();
    let told = site.mails("noc", 1).remove(0);
    assert!(
        told.body.contains("gone@site.test") && told.body.contains("full@site.test"),
        "{told:?}"
    );
    assert!(!told.body.contains("slow@site.test"), "{}", told.body);
    // The owner answers from a mail program; the vacation of another one counts for nothing.
    let reply = format!(
        "From: Ann <admin@site.test>\nTo: {}\nSubject: Re: {}\nIn-Reply-To: {}\n\nOur new scanner.\n",
        first.reply_to, first.subject, first.id
    );
    let sendmail = site.postfix.command("admin", "/usr/sbin/sendmail");
    sendmail.args(["-i", "-f", "admin@site.test", "--", &first.reply_to]).stdin(reply).run().ok();
    site.wait_for("admin@site.test\tclaim\t-\tadmin@site.test\treplied to the mail");
    let passed = site.mails("noc", 2).pop().unwrap();
    assert_eq!(passed.return_path, "<>");
    assert!(passed.text.contains("\nAuto-Submitted: auto-generated"), "{}", passed.text);
    assert!(passed.body.contains("> Our new scanner."), "{}", passed.body);
    assert_eq!(site.mails("admin", 1).len(), 1);
    site.mails("away", 1);
    let claims = site.journal().into_iter().filter(|row| row.contains("\tclaim\t")).count();
    assert_eq!(claims, 1);
    // Nothing of it is lost: all that is in the queue is for the server that is down.
    let queue = site.postfix.queue();
    let is_slow = |to: &Vec<String>| to.iter().all(|to| to == "slow@site.test");
    assert!(queue.iter().all(|queued| is_slow(&queued.recipients)), "{queue:?}");
}

#[test]
fn a_mail_waits_while_the_server_is_down_and_then_arrives_once() {
    for way in ["relay = '127.0.0.1'", "sendmail = '/usr/sbin/sendmail'"] {
        let Some(site) = Site::start(way) else { return };
        let is_relay = way.starts_with("relay");
        site.postfix.stop();
        let ran = site.take_in(0, &[ADMIN]).run();
        if is_relay {
            ran.status(1).says("no mail can be sent").says("Connection refused");
        } else {
            // Postfix's sendmail takes mails while the server is down.
            ran.ok();
        }
        for later in 1..4 {
            let ran = site.take_in(later, &[ADMIN]).run();
            assert_eq!(ran.status.success(), !is_relay, "{ran}");
        }
        site.postfix.resume();
        for later in 4..12 {
            site.take_in(later, &[ADMIN]).run().ok();
        }
        site.postfix.settle();
        assert_eq!(site.mails("admin", 1).len(), 1, "{way}");
        assert_eq!(site.mails("noc", 0).len(), 0, "{way}");
    }
}

#[test]
fn a_relay_refuses_a_recipient_and_takes_the_next_mail() {
    let Some(site) = Site::start("relay = 'localhost:25'") else { return };
    site.postfix.set("local_recipient_maps", "unix:passwd.byname $alias_maps");
    site.postfix.set("smtpd_recipient_restrictions", "reject_unlisted_recipient");
    site.take_in(0, &[GONE, ADMIN]).run().status(1).says("gone@site.test: the mail was refused");
    site.mails("admin", 1);
    site.wait_for("first sending\tfirst refused\tgone@site.test: localhost:25: ");
    site.take_in(1, &[GONE, ADMIN]).run().ok();
    let told = site.mails("noc", 1).remove(0);
    assert!(told.body.contains("gone@site.test"), "{}", told.body);
    site.take_in(2, &[GONE, ADMIN]).run().ok();
    site.postfix.settle();
    assert_eq!((site.mails("admin", 1).len(), site.mails("noc", 1).len()), (1, 1));
}

#[test]
fn both_ways_are_tried_by_a_test() {
    let Some(site) = Site::start("relay = '127.0.0.1'") else { return };
    site.take_in(0, &[]).run().ok();
    let ran = site.nfnotify(&["test"]).run().ok();
    assert!(ran.text().contains("noc@site.test: accepted by 127.0.0.1:25\n"), "{ran}");
    assert!(ran.text().contains("answers: the mail to nfkit@site.test came back after "), "{ran}");
    let mail = site.mails("noc", 1).remove(0);
    assert!(mail.reply_to.starts_with("nfkit+r-"), "{mail:?}");
    // The alias is gone: the answer bounces, and that is said.
    site.postfix.alias("/bin/false");
    let ran = site.nfnotify(&["test", "--wait", "2s"]).run().status(1);
    ran.says("did not come back within 2s; does an alias hand it to `nfnotify receive`");
}

#[test]
fn a_run_under_the_limits_of_the_unit_hands_its_mails_over() {
    let Some(site) = Site::start("") else { return };
    let now = (site.newest + 660).to_string();
    let run = site
        .prepared(site.postfix.limited("/usr/local/bin/nfnotify"), &["run", "--now", &now, "-"]);
    run.stdin(site.window(site.newest, &[ADMIN])).run().ok();
    site.mails("admin", 1);
}

#[test]
fn a_mail_that_cannot_be_taken_now_is_kept_by_the_server() {
    let Some(site) = Site::start("") else { return };
    let sendmail = site.postfix.sendmail("admin@site.test", "nfkit@site.test");
    sendmail.stdin("Subject: early\n\nThere is no memory yet.\n").run().ok();
    let queued = site.postfix.deferred();
    assert!(queued.reason.contains("no incident database"), "{queued:?}");
    site.take_in(0, &[]).run().ok();
    let passed = site.mails("noc", 1).remove(0);
    assert!(passed.body.contains("> There is no memory yet."), "{}", passed.body);
    site.postfix.settle();
    assert_eq!(site.mails("noc", 1).len(), 1);
}

#[test]
fn the_admin_of_a_host_with_nmap_gets_one_mail() {
    let Some(site) = Site::start("sendmail = '/usr/sbin/sendmail'") else { return };
    if PARTS.iter().any(|part| installed(part).is_none()) {
        return;
    }
    let Site { postfix, .. } = &site;
    let config = CONFIG.replace("[site]\n", "[site]\ninside = '10.77.0.0/16'\n");
    let more = "[collect]\nspool = '/srv/lab/spool'\n[analyse]\nout = '/home/nfkit/site/job'\n";
    postfix.write("/home/nfkit/site/nfkit.toml", &format!("{config}{more}"));
    postfix.write("/home/nfkit/site/contacts.csv", "10.77.4.0/22,admin@site.test,Ann Lee,static\n");
    std::fs::create_dir(postfix.path("/srv/lab")).unwrap();
    let lab =
        postfix.command("root", "sh").arg(package("tests/lab/scanner")).args(["/srv/lab", "70"]);
    let mut lab = lab.limit(Duration::from_secs(240)).live();
    assert_eq!(lab.next(), "ready");
    let began = Instant::now();
    let analyse = || {
        let run = postfix.command("nfkit", "/usr/local/bin/nf-every10");
        site.prepared(run, &["-q"]).run().status(0);
    };
    // The scan goes on for several windows of 20 seconds.
    while began.elapsed() < Duration::from_secs(75) {
        analyse();
        std::thread::sleep(Duration::from_secs(2));
    }
    let ran = lab.close();
    assert!(ran.status.success(), "{ran}");
    analyse();
    let mail = site.mails("admin", 1);
    assert_eq!(mail.len(), 1, "{mail:#?}");
    let Mail { subject, body, .. } = &mail[0];
    assert_eq!(subject, "[Lab] First notice: 10.77.4.66 scans networks: TCP port 22 (ssh)");
    // Within two windows, whatever else the machine does meanwhile.
    let is_early = ["in 1 window so far", "in 2 windows so far"].map(|text| body.contains(text));
    assert!(is_early.contains(&true), "{body}");
    for piece in [
        "Hello Ann Lee,",
        "10.77.4.66",
        "+08:00",
        "Evidence",
        "stepping stone",
        "Reply to this mail",
    ] {
        assert!(body.contains(piece), "{piece}: {body}");
    }
    // An hour of the same is no second mail, and after the decision of a person there is none at all.
    let file = newest_findings(&postfix.path("/home/nfkit/site/job"));
    let last = start_of(&file);
    for minute in [10, 20, 30, 40, 50, 59] {
        let start = last + 60 * minute;
        let now = (start + 30).to_string();
        let lines = file
            .replace(&Timestamp::from_secs(last).rfc3339(), &Timestamp::from_secs(start).rfc3339());
        site.nfnotify(&["-q", "run", "--now", &now, "-"]).stdin(lines).run().ok();
    }
    postfix.settle();
    assert_eq!(site.mails("admin", 1).len(), 1);
    let records = postfix.path("/home/nfkit/site/memory/incidents.jsonl");
    let records = std::fs::read_to_string(records).unwrap();
    let record: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    assert_eq!((&record["host"], &record["state"]), (&"10.77.4.66".into(), &"open".into()));
    let now = (last + 3600).to_string();
    let id = record["id"].to_string();
    site.nfnotify(&["resolve", "--now", &now, "--why=reinstalled", "--by=ann", &id]).run().ok();
    for later in [1, 25, 26] {
        let now = (last + 3600 * later + 60).to_string();
        site.nfnotify(&["-q", "run", "--now", &now]).run().ok();
    }
    postfix.settle();
    assert_eq!(site.mails("admin", 1).len(), 1);
}

/// Returns the text of the newest findings file of a job in which the scanner was found.
fn newest_findings(out: &Path) -> String {
    let mut found = Vec::new();
    let mut dirs = vec![out.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in super::entries(&dir) {
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
            } else if path.extension().is_some_and(|kind| kind == "findings") {
                found.push(path);
            }
        }
    }
    found.sort();
    let texts = found.iter().rev().map(|path| std::fs::read_to_string(path).unwrap());
    texts.into_iter().find(|text| text.contains("\t10.77.4.66\t")).unwrap()
}

/// Returns the start of the window of a findings file, in Unix seconds.
fn start_of(text: &str) -> u64 {
    let mark = text.lines().find_map(|line| line.strip_prefix("#window\t")).unwrap();
    Timestamp::parse(mark.split('\t').next().unwrap().as_bytes()).unwrap().secs()
}
