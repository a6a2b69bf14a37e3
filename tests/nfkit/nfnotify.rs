//! nfnotify: recipients of mails, blocked hosts, and hostile findings that try to influence both.
//!
//! `tests/data/nfnotify` holds streams of findings with the mails and commands made from them.

mod languages;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{
    INSIDE, Ran, Run, Scene, flood, gzip, installed, package, skipped, tool, zstd,
};

const DATE: &str = "2001-08-17T17:51:00Z";
const MAY_BLOCK: &str = "140.119.0.0/16,2001:288::/32";
const NEVER: &str = "140.119.1.0/24";

fn data(name: &str) -> PathBuf {
    package("tests/data/nfnotify").join(name)
}

fn mail() -> Run {
    let run = tool("nfnotify").args(["-q", "mail", "--date", DATE, "--contacts"]);
    run.arg(data("contacts.csv")).args(["--from", "nfkit@example.edu"])
}

fn block(device: &str) -> Run {
    let run = tool("nfnotify").args(["block", "--device", device, "--may-block", MAY_BLOCK]);
    run.args(["--never", NEVER])
}

/// Asserts that the output equals a golden file, or writes the file if NFKIT_BLESS is 1.
#[track_caller]
fn golden(ran: &Ran, name: &str) {
    let path = data(name);
    if std::env::var_os("NFKIT_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &ran.out).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(ran.text(), expected, "{} differs{ran}", path.display());
}

/// Returns the header lines of every message of a mailbox file, unfolded.
fn headers(mbox: &str) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut within = false;
    for line in mbox.lines() {
        if line.starts_with("From ") {
            all.push(Vec::new());
            within = true;
        } else if line.is_empty() {
            within = false;
        } else if within {
            let headers = all.last_mut().unwrap();
            match line.strip_prefix(' ') {
                Some(more) => *headers.last_mut().unwrap() += more,
                None => headers.push(line.to_owned()),
            }
        }
    }
    all
}

fn named<'a>(mails: &'a [Vec<String>], name: &str) -> Vec<&'a str> {
    let named = |lines: &'a Vec<String>| lines.iter().find_map(|line| line.strip_prefix(name));
    mails.iter().filter_map(named).collect()
}

#[test]
fn the_mails_of_a_day_equal_the_golden_file() {
    let operator = ["--operator", "op@example.edu", "--site", "Example University"];
    let ran = mail().args(operator).arg(data("day.findings")).run().ok();
    golden(&ran, "day.mbox");
    let ran = mail().args(operator).args(["--date", "0"]).arg(data("day.findings")).run();
    ran.status(2).says("--date");
}

/// The input has at least one finding of every class of floods and port attacks, also about a
/// network and about a forged source.
#[test]
fn the_mails_about_every_class_equal_the_golden_file() {
    let ran = mail().args(["--operator", "op@example.edu"]).arg(data("classes.findings")).run();
    golden(&ran.ok(), "classes.mbox");
}

/// Victims, networks and hosts whose address is forged are not blocked.
#[test]
fn only_attackers_of_each_class_are_blocked() {
    let ran = block("ios").arg(data("classes.findings")).run().status(0);
    let ran = ran.says("140.119.66.6: not blocked: the finding is marked forged");
    let ran = ran.says("140.119.1.53: not blocked: it is in --never");
    golden(&ran, "classes.ios");
}

/// Goes from attacks to mails, commands and a page, with the detectors' real findings of every
/// class that needs no state.
#[test]
fn real_findings_of_all_classes_are_mailed_and_only_attackers_blocked() {
    let attacks = "forged,reflected,carpet,outbound,outsyn,spam,guess,codered=2000,flood";
    let flows = tool("nfgen").args(["campus", "--flows", "40000", "--text", "--with", attacks]);
    let flows = flows.run().ok();
    let found = ["nfflood", "nfport"]
        .map(|name| tool(name).args(["--inside", INSIDE]).stdin(&flows.out).run().ok());
    let rows: Vec<_> = found.iter().flat_map(Ran::table).collect();
    let classes: BTreeSet<_> = rows.iter().map(|row| row["class"].as_str()).collect();
    let expected =
        ["bruteforce", "carpet", "ddos", "dos", "outbound", "reflection", "spam", "spread"];
    assert_eq!(classes, expected.into());
    let net = rows.iter().find(|row| row["class"] == "carpet").unwrap()["host"].as_str();
    assert!(net.contains('/'), "{net}");
    assert!(rows.iter().any(|row| row["marks"] == "forged"));
    let findings = found.map(|ran| ran.out).concat();

    let ran = mail().args(["--operator", "op@example.edu"]).stdin(&findings).run().ok();
    assert!(ran.text().contains(&format!("    {net} is flooded as a whole: ")), "{ran}");
    for row in rows.iter().filter(|row| row["side"] == "inside") {
        assert!(ran.text().contains(&format!("\n{}\n===", row["host"])), "{row:?}{ran}");
    }

    let attackers = rows.iter().filter(|row| row["role"] == "source" && row["side"] == "inside");
    let attackers: BTreeSet<_> = attackers.map(|row| row["host"].as_str()).collect();
    let ran = block("ios").stdin(&findings).run().status(0);
    let blocked = ran.text().lines().filter_map(|line| line.strip_prefix(" host "));
    assert_eq!(blocked.collect::<BTreeSet<_>>(), attackers, "{ran}");
    assert_eq!(attackers.len(), 4, "{ran}");

    let scene = Scene::new();
    let www = scene.path("www");
    tool("nfpage")
        .args(["--single", "--strict", "-w"])
        .arg(&www)
        .stdin(&findings)
        .run()
        .ok()
        .mute();
    let page = scene.text("www/index.html");
    assert!(page.contains(&format!("<span class=\"host\">{net}</span>")), "{page}");
    assert!(page.contains("Is flooded as a whole"), "{page}");
}

#[test]
fn python_parses_each_mail_as_one_message_to_one_person() {
    let Some(python) = installed("python3") else { return };
    let scene = Scene::new();
    let ran = mail().args(["--operator", "op@example.edu"]).arg(data("day.findings")).run().ok();
    let path = scene.write("mbox", &ran.out);
    let script = "
import email, email.policy, mailbox, sys
read = lambda f: email.message_from_binary_file(f, policy=email.policy.default)
for m in mailbox.mbox(sys.argv[1], factory=read):
    to, = m['to'].addresses
    assert not m.defects and m['mime-version'] == '1.0', m.defects
    assert m['auto-submitted'] == 'auto-generated'
    assert m.get_content_type() == 'text/plain' and m.get_content_charset() == 'utf-8'
    body = m.get_content()
    assert max(map(len, body.splitlines())) <= 72
    print(to.addr_spec, to.display_name, body.splitlines()[0], sep='|')
";
    let ran = python.args(["-c", script]).arg(path).env("PYTHONUTF8", "1").run().ok();
    ran.prints(
        "chang@cs.example.edu|張, 系統管理|Hello 張, 系統管理,\n\
         lin@cs.example.edu||Hello,\n\
         noc@example.edu|NOC|Hello NOC,\n\
         op@example.edu||Hello,\n",
    );
}

#[test]
fn contacts_of_victim_and_attacker_are_both_mailed() {
    let findings = tool("nfflood").args(["--inside", INSIDE]).stdin(&flood().text).run().ok().out;
    let scene = Scene::new();
    let contacts = scene.write("c", "140.119.53.0/24,a@x.example\n140.119.100.0/24,v@x.example\n");
    let ran = tool("nfnotify")
        .args(["-q", "mail", "--operator", "op@x.example", "--contacts"])
        .arg(contacts)
        .stdin(findings)
        .run()
        .ok();
    let mails = headers(ran.text());
    assert_eq!(named(&mails, "To: "), ["a@x.example", "v@x.example"], "{ran}");
    let subjects = named(&mails, "Subject: ");
    assert!(subjects[0].contains("140.119.53.7 floods other hosts"), "{ran}");
    assert!(subjects[1].contains("140.119.100.13 is flooded"), "{ran}");
}

#[test]
fn compression_order_and_repetition_of_findings_change_nothing() {
    let text = std::fs::read(data("day.findings")).unwrap();
    let expected = mail().args(["--operator", "o@x"]).stdin(&text).run().ok();
    let mut rows: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    rows.reverse();
    let scene = Scene::new();
    let (gz, zst) = (scene.write("a.gz", gzip(&text)), scene.write("b.zst", zstd(&text)));
    let mixed = scene.write("c", rows.concat());
    let ran = mail().args(["--operator", "o@x"]).arg(gz).arg(zst).arg(mixed).run().ok();
    ran.prints(expected.text());
}

#[test]
fn findings_without_a_recipient_are_reported_as_a_failure() {
    let ran = mail().arg(data("day.findings")).run().status(1);
    let ran = ran.says("told to nobody: hosts without a contact: 1, windows without data: 1");
    assert_eq!(headers(ran.text()).len(), 3, "the others are mailed all the same{ran}");
    let loud = tool("nfnotify").args(["mail", "--operator", "op@x"]).arg(data("day.findings"));
    loud.run()
        .status(0)
        .says("nfnotify: 140.119.44.91: no contact: told to the operator")
        .says("the next run mails the same findings again");
}

#[test]
fn wrong_arguments_stop_before_anything_is_mailed() {
    let run = |args: &[&str]| tool("nfnotify").arg("mail").args(args).run().mute();
    run(&[]).status(2).says("give --contacts or --operator");
    run(&["--contacts", "x"]).status(2).says("--from or --operator");
    run(&["--operator", "a@b\nBcc: c@d"]).status(2).says("is not a mail address");
    run(&["--operator", "a@b", "--site", "x\ny"]).status(2).says("--site");
    let scene = Scene::new();
    let contacts = scene.write("c.csv", "192.0.2.0/24,a@b\n192.0.2.0/24,a b@c,x\n10.0.0.1/8,a@b\n");
    let ran = mail().args(["--contacts"]).arg(&contacts).run();
    ran.status(2);
    let ran = tool("nfnotify").args(["mail", "--operator", "a@b", "--contacts"]).arg(&contacts);
    let path = contacts.display();
    ran.run()
        .mute()
        .status(1)
        .says(&format!("nfnotify: {path}:2: \"a b@c\" is not a mail address"))
        .says(&format!("nfnotify: {path}:3: \"10.0.0.1/8\" has bits set after its prefix"));
    tool("nfnotify").args(["block", "--device", "ios"]).run().status(2).says("--may-block");
}

/// Writes a program that stands in for sendmail and returns the option that names it.
fn program(scene: &Scene, name: &str, script: &str) -> String {
    let path = scene.write(name, format!("#!/bin/sh\ncd \"$SCENE\" || exit\n{script}\n"));
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    format!("--sendmail={}", path.display())
}

#[test]
fn sendmail_gets_each_message_and_its_failure_is_reported() {
    let scene = Scene::new();
    let run = |sendmail: &str| {
        let run = mail().args(["--operator", "op@example.edu", sendmail]);
        run.arg(data("day.findings")).env("SCENE", scene.path("")).run().mute()
    };
    let good = program(&scene, "good", "echo \"$@\" >> args; cat >> all; echo %%%% >> all");
    run(&good).ok();
    assert_eq!(scene.text("args"), "-t -i\n".repeat(4));
    let all = scene.text("all");
    let messages: Vec<_> = all.split_terminator("%%%%\n").collect();
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|text| text.starts_with("Date: ") && !text.contains('\r')));

    // One of four recipients is refused. The program does not even read that message.
    let picky = "head -n 4 > head; if grep -q '^To: lin@' head; then
        echo 'lin@: no such user' >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 67; fi
        cat > /dev/null; grep ^To: head >> done";
    let ran = run(&program(&scene, "picky", picky)).status(1).says_lines(1);
    let ran =
        ran.says("nfnotify: lin@cs.example.edu: not mailed: ").says("exit status: 67: lin@: no");
    assert!(ran.err.len() < 3000, "what sendmail says is cut{ran}");
    assert_eq!(scene.text("done").lines().count(), 3, "the others are tried");

    run(&program(&scene, "dead", "kill -9 $$")).status(1).says("signal: 9").says_lines(4);
    run("--sendmail=/nonexistent/sendmail").status(1).says("No such file").says_lines(4);
}

#[test]
fn lines_that_are_no_finding_are_reported_and_skipped() {
    let good = std::fs::read(data("day.findings")).unwrap();
    let noise = "nonsense\n".repeat(20);
    let ran = block("ios").stdin([noise.as_bytes(), &good].concat()).run().status(0);
    let ran = ran.says("nfnotify: -:1: ").says("15 more bad lines, 20 in all");
    golden(&ran, "day.ios");
    block("ios").stdin("nonsense\n").run().status(1).mute();
    block("ios").stdin("").run().ok().mute();
    let ran = block("ios").arg("/nonexistent").arg(data("day.findings")).run().status(1).mute();
    ran.says("No such file").says("nothing is printed until all files can be read");
    let endless = [&vec![b'x'; 20 << 20], &b"\n"[..], &good].concat();
    let ran = block("ios").stdin(endless).run().status(0);
    golden(&ran.says("-:1: line longer than 4000 bytes"), "day.ios");
}

#[test]
fn the_commands_of_a_day_equal_the_golden_files() {
    let run = |device: &str, more: &[&str]| {
        block(device).args(more).arg(data("day.findings")).run().status(0)
    };
    golden(&run("ios", &[]).says("203.0.113.45: not blocked: it is outside"), "day.ios");
    golden(&run("nftables", &[]), "day.nft");
    golden(&run("ios", &["--unblock"]), "day.ios-unblock");
    golden(&run("nftables", &["--unblock"]), "day.nft-unblock");
    let ran = block("nftables").args(["--may-block", "192.0.2.0/24"]).run();
    ran.status(2).mute();
    let free = ["block", "--device", "ios", "--may-block", "192.0.2.0/24"];
    let ran = tool("nfnotify").args(free).arg(data("day.findings")).run().status(0).mute();
    ran.says("140.119.44.91: not blocked: it is not in --may-block");
    // A host that was blocked before it was listed in --never must be unblocked all the same.
    let listed = ["block", "--device", "ios", "--may-block", MAY_BLOCK, "--never", INSIDE];
    let never = tool("nfnotify").args(listed).arg(data("day.findings")).run().status(0).mute();
    never.says("140.119.44.91: not blocked: it is in --never");
    let ran = tool("nfnotify").args(listed).arg("--unblock").arg(data("day.findings")).run();
    golden(&ran.status(0), "day.ios-unblock");
}

/// Returns a finding of a port attack by an inside host of 140.119.44.0/24, with these marks.
fn attack(start: &str, host: &str, flows: u64, marks: &str) -> String {
    format!(
        "{start}\t600\tport\tspread\t{host}\tsource\tinside\t6\t445\t1500\t-\t{flows}\t1500\t72000\t2.50\
         \t{marks}\ttargets=1500>=1000\t-\n"
    )
}

fn end_mark(start: &str) -> String {
    format!("#end\t{start}\t600\tflows=60000\tstate=ok\ttool=nfport\n")
}

/// Returns the hosts that IOS commands add to a group or take from it.
fn hosts(ran: &Ran) -> Vec<String> {
    let hosts = ran.text().lines().filter_map(|line| line.split_once(" host "));
    let of = hosts.filter(|(before, _)| matches!(*before, "" | " no"));
    of.map(|(_, host)| host.to_owned()).collect()
}

const MORNING: &str = "2026-11-02T08:00:00Z";

#[test]
fn a_host_with_any_forged_finding_is_not_blocked() {
    let (innocent, guilty) = ("140.119.44.91", "140.119.44.92");
    let good = attack(MORNING, innocent, 9000, "-") + &attack(MORNING, guilty, 10, "-");
    let forged = attack(MORNING, innocent, 1, "forged");
    let flood = format!(
        "{MORNING}\t600\tflood\tddos\t140.119.9.9\ttarget\tinside\t6\t80\t6001\t{innocent}=9,+6000\t6001\
         \t6002\t240080\t10.00\tforged\tflows=6001>=1000,ours=40\t-\n"
    );
    for doubt in [
        forged.clone(),
        forged.replace("\tinside\t", "\toutside\t"),
        forged.replace("\tinside\t", "\t-\t"),
        forged.replace(innocent, "::ffff:140.119.44.91"),
        forged.replace(innocent, "140.119.44.90/31"),
        forged.replace(MORNING, "-").replace("\t600\t", "\t-\t"),
        flood,
    ] {
        for text in [doubt.clone() + &good, good.clone() + &doubt] {
            let ran = block("ios").stdin(&text).run().status(0);
            assert_eq!(hosts(&ran), [guilty], "{doubt}{ran}");
            ran.says("140.119.44.91: not blocked: ").says("may be an innocent one's");
            let ran = block("ios").arg("--unblock").stdin(text).run().status(0);
            assert!(hosts(&ran).contains(&innocent.to_owned()), "who was blocked comes free{ran}");
        }
    }
    // Many findings about other hosts do not push out the doubt either.
    let many: String = (0..25_000u32)
        .map(|n| attack(MORNING, &format!("140.119.{}.{}", 64 + n / 250, n % 250), 1_000_000, "-"))
        .collect();
    let ran = block("ios").stdin(forged + &many + &good).run().status(1);
    assert!(!hosts(&ran).contains(&innocent.to_owned()));
    ran.says("more than 10000 hosts; those with the oldest findings and the fewest flows are not");
}

#[test]
fn may_block_and_never_accept_no_misleading_networks() {
    let day = data("day.findings");
    let run = |may_block: &str, more: &[&str]| {
        let run = tool("nfnotify").args(["block", "--device", "ios", "--may-block", may_block]);
        run.args(more).arg(&day).run()
    };
    for (nets, which) in [
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("0.0.0.0/1,128.0.0.0/1", "0.0.0.0/1"),
        ("140.119.0.0/16,140.0.0.0/7", "140.0.0.0/7"),
        ("140.119.0.0/16,2000::/15", "2000::/15"),
        ("::ffff:0:0/96", "::ffff:0.0.0.0/96"),
    ] {
        run(nets, &[]).status(2).mute().says(&format!("--may-block: {which} is too wide: "));
        let ran = run(nets, &["--unblock"]).status(0);
        assert_eq!(hosts(&ran), ["140.119.44.91", "140.119.53.7"], "{nets}{ran}");
    }
    let scene = Scene::new();
    let file = |text: &str| format!("@{}", scene.write("nets", text).display());
    run(&file("# all\n0.0.0.0/0\n"), &[]).status(2).mute().says("is too wide");
    run(&file("# none\n"), &[]).status(1).mute().says("--may-block: no network in it");
    run(INSIDE, &["--never", &file("# none\n")]).status(0).says("--never: no network in it");

    let ran = run("::ffff:140.119.0.0/112", &["--never", "::ffff:140.119.44.0/120"]).status(0);
    assert_eq!(hosts(&ran), ["140.119.53.7"], "{ran}");
    ran.says("140.119.44.91: not blocked: it is in --never");
    // The 6to4 form of 140.119.1.7.
    let tunnel = attack(MORNING, "2002:8c77:107::1", 5000, "-");
    let block = |never: &str| {
        let run = tool("nfnotify").args(["block", "--device", "ios", "--may-block", "2002::/16"]);
        run.args(["--never", never]).stdin(&tunnel).run().status(0)
    };
    assert_eq!(hosts(&block("140.119.2.0/24")), ["2002:8c77:107::1"]);
    block(NEVER).mute().says("the IPv4 address that it is made of is in --never");
}

#[test]
fn a_host_that_was_cleaned_is_not_blocked_again() {
    let text = attack("2026-11-02T08:00:00Z", "140.119.44.91", 9000, "-")
        + &attack("2026-11-03T03:10:00Z", "140.119.44.92", 90, "-")
        + &attack("2026-11-03T03:09:00Z", "140.119.44.93", 90, "-")
        + &end_mark("2026-11-02T20:00:00Z")
        + &end_mark("2026-11-03T04:00:00Z");
    let now = ["--now", "2026-11-03T04:11:00Z"];
    let run = |more: &[&str]| block("ios").args(now).args(more).stdin(&text).run().status(0);
    let ran = run(&[]).says_lines(1);
    assert_eq!(hosts(&ran), ["140.119.44.92"], "{ran}");
    ran.says("not blocked, because they were not found in the last 1 hour (--last): 2 hosts");
    let all = ["140.119.44.91", "140.119.44.92", "140.119.44.93"];
    assert_eq!(hosts(&run(&["--last", "24h"])), all);
    assert_eq!(hosts(&run(&["--last", "0"])), all);
    assert_eq!(hosts(&run(&["--unblock"])), all);
    assert_eq!(hosts(&run(&["--unblock", "--last", "1h"])), ["140.119.44.92"]);

    // The end of the newest window decides, so findings of an old window are reported as old.
    let old = block("ios").args(["--now", "2026-11-03T05:11:00Z"]).stdin(&text).run().status(0);
    assert_eq!(hosts(&old), ["140.119.44.92"]);
    old.says(
        "the newest window of the input, 2026-11-03T04:00:00Z, ended 61 minutes ago; its attacks",
    );
    let old = block("ios").arg(data("day.findings")).run().status(0);
    old.says("the newest window of the input, 2001-08-17T17:40:00Z, ended ").says(" days ago; ");
    // A window as long as a day is still the newest.
    let long = attack(MORNING, "140.119.44.91", 9000, "-").replace("\t600\t", "\t86400\t");
    assert_eq!(hosts(&block("ios").stdin(long).run().status(0)), ["140.119.44.91"]);
    let timeless = attack("-", "140.119.44.91", 9000, "-").replace("\t600\t", "\t-\t");
    let ran = block("ios").stdin(timeless).run().status(0).says_lines(1);
    assert_eq!(hosts(&ran), ["140.119.44.91"]);
    ran.says("blocked by findings of an unknown time, which may be over: 1 host");
}

#[test]
fn only_the_last_hours_are_mailed_if_asked_for() {
    let text = attack("2026-11-02T08:00:00Z", "140.119.44.91", 9000, "-")
        + &attack("2026-11-03T03:10:00Z", "140.119.44.92", 90, "-")
        + &attack("2026-11-03T03:09:00Z", "140.119.44.93", 90, "-")
        + &attack("-", "140.119.44.94", 90, "-").replace("\t600\t", "\t-\t")
        + &end_mark("2026-11-03T04:00:00Z");
    let mailed = |more: &[&str], text: &str, status| {
        let run = tool("nfnotify").args(["mail", "--operator", "op@example.edu"]).args(more);
        let ran = run.stdin(text).run().status(status);
        let hosts: Vec<u32> =
            (91..95).filter(|n| ran.text().contains(&format!("140.119.44.{n}"))).collect();
        (hosts, ran)
    };
    let now = ["--now", "2026-11-03T04:11:00Z"];
    assert_eq!(mailed(&now, &text, 0).0, [91, 92, 93, 94]);
    assert_eq!(mailed(&[now[0], now[1], "--last", "0"], &text, 0).0, [91, 92, 93, 94]);
    let last = [now[0], now[1], "--last", "1h"];
    let (hosts, _) = mailed(&last, &text, 0);
    assert_eq!(hosts, [92, 94]);
    let (_, ran) = mailed(&[last[0], last[1], last[2], last[3], "--verbose"], &text, 0);
    ran.says("do not belong to the last 1 hour (--last): 2 findings");
    // The newest window always counts, and one of the future does not hide those of now.
    let long = attack(MORNING, "140.119.44.91", 9000, "-").replace("\t600\t", "\t86400\t");
    assert_eq!(mailed(&["--last", "1h"], &long, 0).0, [91]);
    let ahead = text.replace("2026-11-03", "2100-11-03").replace("2026-11-02", "2100-11-02");
    let (_, ran) = mailed(&["--last", "1h"], &ahead, 1);
    ran.says("the newest window lies in the future, so findings of now may be left out");
    assert_eq!(mailed(&[], &ahead, 0).0, [91, 92, 93, 94]);
    let run = tool("nfnotify").args(["mail", "--operator", "op@example.edu", "--last", "1"]);
    run.stdin(&text).run().status(2);
}

#[test]
fn a_newest_window_in_the_future_is_never_trusted_silently() {
    let text = attack("2100-01-01T08:00:00Z", "140.119.44.91", 9000, "-");
    let ahead = text.clone() + &end_mark("2100-01-01T20:00:00Z");
    let ran = block("ios").stdin(&ahead).run().status(1).mute();
    ran.says("begins after this machine's clock").says("give the right time, as in --now");
    block("ios").arg("-q").stdin(&ahead).run().status(1).mute().says_lines(1);
    // No host is left out, so the time does not matter.
    let ran = block("ios").stdin(&text).run().status(0).says_lines(1);
    assert_eq!(hosts(&ran), ["140.119.44.91"]);
    let ran = block("ios").args(["--last", "0"]).stdin(&ahead).run().status(0);
    assert_eq!(hosts(&ran), ["140.119.44.91"]);
    let ran = block("ios").args(["--now", "2100-01-01T08:10:00Z"]).stdin(&ahead).run().status(0);
    assert_eq!(hosts(&ran), ["140.119.44.91"]);
    let ran = block("ios").args(["--now", "2100-01-01T20:00:00Z"]).stdin(&ahead).run().status(0);
    ran.mute().says("not blocked, because they were not found in the last 1 hour (--last): 1 host");
}

#[test]
fn nothing_is_blocked_while_the_time_is_in_doubt() {
    let today = attack("2026-11-02T08:00:00Z", "140.119.44.91", 9000, "-");
    let chain: String = (0..5)
        .map(|n| attack(&format!("2036-11-02T08:{n}0:00Z"), "140.119.44.92", 9000, "-"))
        .collect();
    for text in [today.clone() + &chain, chain.clone() + &today] {
        let ran = block("ios").stdin(&text).run().status(1).mute().says_lines(1);
        ran.says(
            "the window 2026-11-02T08:00:00Z and the newest one, 2036-11-02T08:40:00Z: either",
        )
        .says("so nothing is printed; give the right time, as in --now");
        block("ios").arg("-q").stdin(&text).run().status(1).mute().says_lines(1);
        let now = |time| block("ios").args(["--now", time]).stdin(&text).run();
        let ran = now("2026-11-02T08:15:00Z").status(0).says("5 lines set aside");
        assert_eq!(hosts(&ran), ["140.119.44.91"]);
        // The newer time is the right one. The gap remains, but is no reason to wait.
        let ran = now("2036-11-02T08:55:00Z").status(0);
        assert_eq!(hosts(&ran), ["140.119.44.92"], "{ran}");
        now("2001-01-01T00:00:00Z").status(1).mute().says("begin after --now; is that time right?");
        // Blocked hosts are unblocked in any case.
        for now in [&[][..], &["--now", "2026-11-02T08:15:00Z"], &["--now", "0"]] {
            let ran = block("ios").arg("--unblock").args(now).stdin(&text).run().status(0);
            assert_eq!(hosts(&ran), ["140.119.44.91", "140.119.44.92"], "{now:?}{ran}");
        }
        let mails = |now: &[&str]| {
            let run = tool("nfnotify").args(["mail", "--operator", "op@example.edu"]);
            run.args(now).stdin(&text).run().status(0)
        };
        let ran = mails(&[])
            .says("findings of both are mailed unless --now TIME tells which time is right");
        assert!(ran.text().contains("140.119.44.92"), "{ran}");
        let ran = mails(&["--now", "1793606400"]).says("5 lines set aside");
        assert!(!ran.text().contains("140.119.44.92") && ran.text().contains("140.119.44.91"));
    }
}

#[test]
fn input_that_is_not_findings_is_refused() {
    let flows = &flood().text;
    assert!(flows.contains("state=ok"), "{flows:.300}");
    let marks =
        "#window\t2001-08-17T17:20:00Z\t600\n#end\t2001-08-17T17:20:00Z\t600\tstate=nodata\n";
    let loud = || tool("nfnotify").args(["mail", "--operator", "op@example.edu"]);
    for text in [flows, marks, "nonsense\n", "# nothing\n", "{}\n"] {
        for run in [loud(), block("ios"), block("nftables").arg("--unblock")] {
            let ran = run.stdin(text).run().status(1).mute();
            ran.says(
                "this is not the output of nfscan, nfflood or nfport: no line is a finding or the end",
            );
        }
    }
    let quiet = marks.replace("nodata", "ok\ttool=nfflood");
    loud().stdin(&quiet).run().ok();
    block("ios").stdin(tool("nfport").run().ok().out).run().ok().mute();
}

#[test]
fn hostile_findings_change_no_command() {
    for device in ["ios", "nftables"] {
        let plain = block(device).arg(data("day.findings")).run().status(0);
        let both = block(device).arg(data("hostile.findings")).arg(data("day.findings"));
        let both =
            both.run().status(0).says("more bad lines").says("140.119.1.1: not blocked: it is in");
        both.prints(plain.text());
        block(device).arg(data("hostile.findings")).run().status(0).mute();
    }
}

#[test]
fn hostile_findings_change_no_header() {
    const NAMES: [&str; 10] = [
        "Date",
        "From",
        "To",
        "Reply-To",
        "Subject",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    let files = [data("hostile.findings"), data("day.findings")];
    let ran = mail().args(["--operator", "op@example.edu"]).args(files).run().status(0);
    let mails = headers(ran.text());
    for mail in &mails {
        let names: Vec<_> = mail.iter().map(|line| line.split_once(": ").unwrap().0).collect();
        assert_eq!(names, NAMES, "{ran}");
    }
    assert_eq!(mails.len(), 4);
    let subjects = named(&mails, "Subject: ");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " .:;,()[]/-".contains(c);
    assert!(subjects.iter().all(|subject| subject.chars().all(is_plain)), "{subjects:?}");
    assert!(!ran.text().contains(['\u{202e}', '\u{1b}', '\r']), "{ran}");
}

#[test]
fn a_closed_or_full_output_is_handled_like_by_all_commands() {
    for run in [|| mail().args(["--operator", "op@x"]), || block("ios").arg("-q")] {
        let ran = run().arg(data("day.findings")).stdout_file("/dev/full").run().status(1);
        ran.says("No space left").says_lines(1);
        run().arg(data("day.findings")).head().status(0).says_lines(0);
    }
}

#[test]
fn the_man_page_has_the_options_of_all_actions_and_no_others() {
    let page = std::fs::read_to_string(package("man/nfnotify.1")).unwrap();
    let mut known = BTreeSet::new();
    let memory = ["run", "plan", "list", "show", "history", "policy", "resolve", "claim", "ignore"];
    let others = ["freeze", "receive", "test", "backup", "export", "import", "mail", "block", ""];
    for action in memory.into_iter().chain(others) {
        let action = (!action.is_empty()).then_some(action);
        let ran = tool("nfnotify").args(action).arg("--help").run().ok();
        let help = ran.text();
        let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
        for name in words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty())
        {
            known.insert(name.to_owned());
            let item =
                |line: &str| line.starts_with(".It") && line.contains(&format!("Fl Fl {name}"));
            // The help also names an option of the detectors.
            assert!(name == "inside" || page.lines().any(item), "--{name} is not described");
        }
        let variables = help.split("[env: ").skip(1).filter_map(|rest| rest.split('=').next());
        for name in variables.map(|name| name.trim().to_owned()) {
            assert!(page.contains(&format!(".It Ev {name}\n")), "{name} is not described");
        }
    }
    for name in page.split("Fl Fl ").skip(1) {
        let name: String =
            name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        assert!(known.contains(&name) || name == "inside", "there is no --{name}");
    }
    assert!(known.contains("may-block") && known.contains("sendmail"));
}

/// Three network namespaces in a row: inside, router and outside. They are removed when the value
/// is dropped.
struct Net(String);

impl Net {
    /// Makes the namespaces. Returns `None`, and reports a skipped test, without root or the
    /// programs.
    fn new() -> Option<Net> {
        for name in ["ip", "nft", "ping", "sysctl"] {
            installed(name)?;
        }
        let net = Net(format!("nfkit{}", std::process::id()));
        if !net.try_run("ip netns add N-in") {
            skipped("network namespaces need root");
            return None;
        }
        for line in "ip netns add N-rt
            ip netns add N-out
            ip link add name v0 netns N-in type veth peer name v1 netns N-rt
            ip link add name v2 netns N-rt type veth peer name v3 netns N-out
            ip netns exec N-rt sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
            ip -n N-in addr add 140.119.44.91/24 dev v0
            ip -n N-in addr add 140.119.44.92/24 dev v0
            ip -n N-in addr add 2001:288:44::91/64 dev v0 nodad
            ip -n N-rt addr add 140.119.44.1/24 dev v1
            ip -n N-rt addr add 2001:288:44::1/64 dev v1 nodad
            ip -n N-rt addr add 198.51.100.1/24 dev v2
            ip -n N-rt addr add 2001:db8::1/64 dev v2 nodad
            ip -n N-out addr add 198.51.100.2/24 dev v3
            ip -n N-out addr add 2001:db8::2/64 dev v3 nodad
            ip -n N-in link set v0 up
            ip -n N-rt link set v1 up
            ip -n N-rt link set v2 up
            ip -n N-out link set v3 up
            ip -n N-in route add default via 140.119.44.1
            ip -n N-in route add default via 2001:288:44::1
            ip -n N-out route add default via 198.51.100.1
            ip -n N-out route add default via 2001:db8::1"
            .lines()
        {
            assert!(net.try_run(line), "{line}");
        }
        Some(net)
    }

    fn try_run(&self, line: &str) -> bool {
        let line = line.replace("N-", &format!("{}-", self.0));
        let mut words = line.split_whitespace();
        let out = Command::new(words.next().unwrap()).args(words).output().unwrap();
        out.status.success()
    }

    fn passes(&self, from: &str, to: &str) -> bool {
        self.try_run(&format!("ip netns exec N-in ping -q -c 1 -W 1 -I {from} {to}"))
    }

    /// Waits until packets pass, because a link may need a moment.
    fn wait(&self, from: &str, to: &str) {
        let began = Instant::now();
        while !self.passes(from, to) {
            assert!(began.elapsed() < Duration::from_secs(20), "{from} never reaches {to}");
        }
    }

    /// Loads commands into the router's nftables.
    #[track_caller]
    fn load(&self, path: &Path) {
        let line = format!("ip netns exec N-rt nft -f {}", path.display());
        assert!(self.try_run(&line), "{line}\n{}", std::fs::read_to_string(path).unwrap());
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in ["in", "rt", "out"] {
            self.try_run(&format!("ip netns del N-{name}"));
        }
    }
}

#[test]
fn nftables_accepts_the_commands_and_drops_the_packets() {
    let Some(net) = Net::new() else { return };
    let scene = Scene::new();
    let findings = std::fs::read_to_string(data("day.findings")).unwrap();
    let findings = findings.replace("140.119.53.7\tsource", "2001:288:44::91\tsource");
    let text = |more: &[&str]| block("nftables").args(more).stdin(&findings).run().status(0).out;
    let stop = scene.write("block.nft", text(&[]));
    let free = scene.write("unblock.nft", text(&["--unblock"]));
    let (v4, other, v6) = ("140.119.44.91", "140.119.44.92", "2001:288:44::91");
    let (out4, out6) = ("198.51.100.2", "2001:db8::2");
    let state = || {
        [
            net.passes(v4, out4),
            net.passes(v6, out6),
            net.passes(v4, "140.119.44.1"),
            net.passes(other, out4),
        ]
    };
    net.wait(v4, out4);
    net.wait(v6, out6);
    net.load(&free);
    assert_eq!(state(), [true; 4], "to unblock who is not blocked is harmless");
    for _ in 0..2 {
        net.load(&stop);
        assert_eq!(state(), [false, false, false, true], "blocked, but nobody else");
    }
    let rules = Command::new("ip")
        .args(["netns", "exec", &format!("{}-rt", net.0), "nft", "list", "ruleset"])
        .output()
        .unwrap();
    let rules = String::from_utf8(rules.stdout).unwrap();
    assert_eq!(rules.matches("drop").count(), 4, "loaded twice, there once: {rules}");
    for _ in 0..2 {
        net.load(&free);
        assert_eq!(state(), [true; 4], "let go");
    }
    // The comments of the blocking commands show how to unblock with nft alone.
    net.load(&stop);
    let text = std::fs::read_to_string(&stop).unwrap();
    let back: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# nft ")).collect();
    assert_eq!(back.len(), 2, "{text}");
    for command in back {
        assert!(net.try_run(&format!("ip netns exec N-rt nft {command}")), "{command}");
    }
    assert_eq!(state(), [true; 4], "let go by the comments");
}
