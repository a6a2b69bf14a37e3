//! The memory of incidents, `[incident]` of the configuration: nf-every10 gives it each findings file until it has
//! taken it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Job, JobOutput, can_trace, day, health, names, slot_file};

/// A time shortly after the last slot of [`job`].
const NOW: &str = "2001-08-04T13:21:00Z";

/// Returns a job on two slots, the second with attacks, and with this text behind its `[incident]`.
fn job(more: &str) -> Job {
    let mut job = Job::of(day(), &["0804130", "0804131"]);
    job.options.push(format!("--now={NOW}"));
    configure(&mut job, more);
    job
}

fn configure(job: &mut Job, more: &str) {
    let text = "[site]\noperator = 'noc@example.net'\n[incident]\ndb = 'memory/incidents.db'\n";
    let path = job.scene.write("nfkit.toml", format!("{text}{more}"));
    without_memory(job);
    job.options.push(format!("--config={}", path.display()));
}

fn without_memory(job: &mut Job) {
    job.options.retain(|option| !option.starts_with("--config"));
}

/// Returns the lines of stderr, without the command's name and the directory of the test.
fn said(job: &Job, ran: &JobOutput) -> Vec<String> {
    let dir = format!("{}/", job.scene.dir().canonicalize().unwrap().display());
    let plain = format!("{}/", job.scene.dir().display());
    let err = ran.err().replace(&dir, "").replace(&plain, "");
    err.lines().map(|line| line.strip_prefix("nf-every10: ").unwrap_or(line).to_owned()).collect()
}

/// Returns the names of the findings files that wait.
fn waiting(job: &Job) -> Vec<String> {
    let text = fs::read_to_string(job.out("incidents")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Returns the incidents that readers see, each as its host, role and number of windows.
fn incidents(job: &Job) -> Vec<String> {
    let text = fs::read_to_string(job.scene.path("memory/incidents.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let record: Value = serde_json::from_str(line).unwrap();
        format!("{} {} {}", record["host"], record["role"], record["windows"]).replace('"', "")
    });
    lines.collect()
}

/// The paths of the two findings files in OUT.
const FILES: [&str; 2] =
    ["2001/08/04/nfcap.200108041300.findings", "2001/08/04/nfcap.200108041310.findings"];

/// Asserts that the incidents are those of the findings of both slots.
#[track_caller]
fn assert_knows_the_attack(job: &Job) {
    let mut windows: BTreeMap<String, u64> = BTreeMap::new();
    for name in FILES {
        let text = fs::read_to_string(job.out(name)).unwrap();
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        let hosts: BTreeSet<String> = rows
            .map(|row| {
                let cells: Vec<_> = row.split('\t').collect();
                format!("{} {}", cells[4], cells[5])
            })
            .collect();
        hosts.into_iter().for_each(|host| *windows.entry(host).or_default() += 1);
    }
    let found: BTreeSet<String> =
        windows.into_iter().map(|(host, windows)| format!("{host} {windows}")).collect();
    let known: BTreeSet<String> = incidents(job).into_iter().collect();
    assert!(!found.is_empty());
    assert_eq!(known, found);
}

#[test]
fn the_memory_gets_each_findings_file_once() {
    let mut job = job("");
    job.run().status(0);
    assert_knows_the_attack(&job);
    assert!(!job.out("incidents").exists());
    let files = names(&job.scene.path("memory"));
    let expected = [
        "incidents.db",
        "incidents.db-shm",
        "incidents.db-wal",
        "incidents.jsonl",
        "incidents.lock",
    ];
    assert_eq!(files, expected);
    // With nothing new it still carries on: the incidents are quiet, or closed, by what is known.
    let before = fs::read(job.scene.path("memory/incidents.jsonl")).unwrap();
    job.run().quiet();
    assert_eq!(fs::read(job.scene.path("memory/incidents.jsonl")).unwrap(), before);
    assert_eq!(job.gauge("incidents-failed"), 0);
    // A file that is analysed again with the same findings is no news.
    let ledger = job.text("ledger");
    let kept: Vec<&str> = ledger.lines().filter(|line| !line.contains("1310")).collect();
    fs::write(job.out("ledger"), kept.join("\n") + "\n").unwrap();
    job.run().status(0);
    assert_eq!(fs::read(job.scene.path("memory/incidents.jsonl")).unwrap(), before);

    // Without the table nothing is kept for a memory.
    without_memory(&mut job);
    let (name, bytes) = slot_file(0, &["192.0.2.1"]);
    job.put(&name, bytes);
    job.run().status(0);
    assert_eq!(fs::read(job.scene.path("memory/incidents.jsonl")).unwrap(), before);
    assert!(!job.out("incidents").exists());
}

#[test]
fn a_warning_of_the_memory_is_told_once_until_it_is_over() {
    let mut job = job("");
    let alone = job.scene.write("alone.toml", "[incident]\ndb = 'memory/incidents.db'\n");
    without_memory(&mut job);
    job.options.push(format!("--config={}", alone.display()));
    let ran = job.run().status(0);
    let warning = "nfnotify: nobody is told: name [site] contacts or operator";
    assert_eq!(said(&job, &ran), [warning]);
    job.run().quiet();
    assert_eq!(job.health(), ["begin incidents-warned -"]);
    assert_eq!(job.gauge("incidents-warned"), 1);
    configure(&mut job, "");
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), ["nfnotify has no warning any more"]);
    assert_eq!(job.health(), ["begin incidents-warned -", "end incidents-warned -"]);
    assert_eq!(job.gauge("incidents-warned"), 0);
}

#[test]
fn files_wait_for_a_memory_that_cannot_be_used() {
    let mut job = job("");
    let log = job.scene.path("handed");
    let hook = job.script("hook", &format!("printf '%s\\n' \"$@\" >>'{}'\n", log.display()));
    job.hook(&[hook.to_str().unwrap()]);
    // A file in the place of the directory.
    job.scene.write("memory", "");
    let ran = job.run().status(1);
    let lines = said(&job, &ran);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("incidents are not up to date: nfnotify: memory"), "{lines:?}");
    assert!(lines[0].contains("Not a directory") || lines[0].contains("File exists"), "{lines:?}");
    assert_eq!(waiting(&job), FILES);
    assert_eq!(job.health(), ["begin incidents-failed -"]);
    assert_eq!(job.gauge("incidents-failed"), 1);
    // The analysis is done, and the command of --then got it.
    assert_eq!(job.ledger().len(), 2);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);

    // It is told once, and each run ends with status 1.
    job.add(day(), "2001/08/04/nfcap.200108041320.pcapng");
    let ran = job.run().status(1);
    assert_eq!(said(&job, &ran), [""; 0]);
    assert_eq!(waiting(&job).len(), 3);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 3);
    let ran = job.run().status(1);
    assert_eq!(said(&job, &ran), [""; 0]);
    assert_eq!(waiting(&job).len(), 3);

    fs::remove_file(job.scene.path("memory")).unwrap();
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), ["incidents are up to date"]);
    assert!(!job.out("incidents").exists());
    assert!(incidents(&job).len() > 1, "{:?}", incidents(&job));
    assert_eq!(job.health(), ["begin incidents-failed -", "end incidents-failed -"]);
    assert_eq!(job.gauge("incidents-failed"), 0);
    job.run().quiet();
}

#[test]
fn a_panic_in_the_run_of_the_memory_loses_nothing_and_ends_nothing() {
    let mut job = job("");
    let then = job.script("then", &format!("touch '{}'\n", job.scene.path("handed").display()));
    job.hook(&[then.to_str().unwrap()]);
    for (nth, point) in ["in-T1", "in-T2", "after-files"].into_iter().enumerate() {
        let point = format!("NFKIT_PANIC_POINT={point}");
        let command = job.through("env", &[&point]).output().unwrap();
        let ran = JobOutput(command).status(1);
        // It is told once.
        let told = "incidents are not up to date: nfnotify: a panic: at in-T1";
        assert_eq!(said(&job, &ran).iter().any(|line| line == told), nth == 0, "{}", ran.err());
        assert_eq!(waiting(&job), FILES);
        assert_eq!(job.health(), ["begin incidents-failed -"]);
    }
    assert!(job.scene.path("handed").exists());
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), ["incidents are up to date"]);
    assert_knows_the_attack(&job);
}

#[test]
fn the_trouble_ends_with_the_table() {
    let mut job = job("");
    job.scene.write("memory", "");
    job.run().status(1);
    without_memory(&mut job);
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), [""; 0]);
    assert_eq!(job.health(), ["begin incidents-failed -", "end incidents-failed -"]);
    // The files wait on, for a table that comes back.
    assert_eq!(waiting(&job), FILES);
    fs::remove_file(job.scene.path("memory")).unwrap();
    configure(&mut job, "");
    job.run().status(0);
    assert_knows_the_attack(&job);
    assert!(!job.out("incidents").exists());
}

#[test]
fn a_hook_of_the_memory_that_fails_is_told_once() {
    let hook = "[[hook]]\nname = 'chat'\nargv = ['sh', '-c', \
                'if [ -e DIR/broken ]; then echo no >&2; exit 7; fi; cat >>DIR/heard']\n";
    let mut job = Job::of(day(), &["0804131"]);
    job.options.push(format!("--now={NOW}"));
    let dir = job.scene.dir().to_str().unwrap().to_owned();
    configure(&mut job, &hook.replace("DIR", &dir));
    let then = job.script("then", &format!("touch '{dir}/handed'\n"));
    job.hook(&[then.to_str().unwrap()]);
    job.scene.write("broken", "");
    let ran = job.run().status(1);
    let text =
        "[[hook]] chat: sh: exit status: 7: no; it gets the same lines again in the next run";
    assert_eq!(said(&job, &ran), [text]);
    assert_eq!(job.health(), ["begin hook-failed chat"]);
    assert_eq!(job.gauge("hook-failed"), 1);
    // The memory has the file, and --then came after it.
    assert!(!job.out("incidents").exists() && job.scene.path("handed").exists());
    assert_knows_the_attack_alone(&job);
    let ran = job.run().status(1);
    assert_eq!(said(&job, &ran), [""; 0]);

    fs::remove_file(job.scene.path("broken")).unwrap();
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), ["[[hook]] chat succeeded"]);
    assert_eq!(job.health(), ["begin hook-failed chat", "end hook-failed chat"]);
    assert_eq!(job.gauge("hook-failed"), 0);
    let heard = job.scene.text("heard");
    let ids: Vec<u64> = heard
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap())
        .collect();
    assert!(ids.len() > 1 && ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    job.run().quiet();
    assert_eq!(job.scene.text("heard"), heard);
}

#[test]
fn mails_that_cannot_be_sent_are_told_once_and_when_they_are_sent() {
    let mail = "mode = 'live'\n[mail]\nmbox = 'post/mails'\n";
    let mut job = Job::of(day(), &["0804131"]);
    job.options.push(format!("--now={NOW}"));
    configure(&mut job, mail);
    let ran = job.run().status(1);
    let lines = said(&job, &ran);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("no mail can be sent, so mails wait, and the next runs try again: ")
    );
    assert_eq!(job.health(), ["begin mail-waits -"]);
    assert_eq!(job.gauge("mail-waits"), 1);
    // It is not due for another attempt, and nothing says that it was sent.
    let ran = job.run().status(1);
    assert_eq!(said(&job, &ran), [""; 0]);
    assert_knows_the_attack_alone(&job);

    fs::create_dir(job.scene.path("post")).unwrap();
    job.options.retain(|option| !option.starts_with("--now"));
    job.options.push("--now=2001-08-04T13:26:30Z".to_owned());
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), ["no mail waits any more for a way out"]);
    assert_eq!(job.health(), ["begin mail-waits -", "end mail-waits -"]);
    assert_eq!(job.gauge("mail-waits"), 0);
    assert!(job.scene.text("post/mails").contains("noc@example.net"));
}

#[test]
fn the_check_says_if_mails_can_leave() {
    for (way, expected) in [
        ("relay = '192.0.2.1'", "192.0.2.1 is not inside, and mails are not encrypted"),
        ("sendmail = 'gone'", "gone: No such file or directory"),
        ("mbox = 'no/mails'", "its directory does not exist"),
        ("mbox = 'mails'", "by "),
    ] {
        let mut job = job(&format!("mode = 'live'\n[mail]\n{way}\n[[policy]]\nact = 'isolate'\n"));
        job.options.push("--check".to_owned());
        let said = job.run().0.stdout;
        let said = String::from_utf8(said).unwrap();
        let of = |point: &str| {
            let lines = said.lines().filter(|line| line.split_whitespace().nth(1) == Some(point));
            lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
        };
        let mails = of("mails");
        assert!(mails.contains(expected), "{way}: {said}");
        assert_eq!(mails.starts_with("ok"), way == "mbox = 'mails'", "{mails}");
        assert!(of("replies").contains("[mail] answers is not set"), "{said}");
        assert!(of("isolation").contains("only mails in live mode"), "{said}");
    }
}

#[track_caller]
fn assert_knows_the_attack_alone(job: &Job) {
    assert!(!incidents(job).is_empty());
    assert!(job.out(FILES[1]).exists());
}

#[test]
fn a_fault_of_the_policy_stops_no_analysis_and_acts_on_nothing() {
    // The file is looked at when the policy is used.
    let mut job = job("[[policy]]\nkind = 'scan'\nnetwork = '@networks'\n");
    let ran = job.run().status(1);
    let lines = said(&job, &ran);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let start = "incidents are not up to date: nfnotify: nfkit.toml:7: [[policy]] 1 network: ";
    assert!(lines[0].starts_with(start), "{lines:?}");
    assert_eq!(job.ledger().len(), 2);
    assert!(!fs::read_to_string(job.out(FILES[1])).unwrap().is_empty());
    assert_eq!(waiting(&job), FILES);
    assert!(!job.scene.path("memory").exists(), "nothing was remembered");
    job.scene.write("networks", "140.119.0.0/16\n");
    let ran = job.run().status(0);
    assert_eq!(said(&job, &ran), ["incidents are up to date"]);
    assert_knows_the_attack(&job);

    // A fault that can be seen in the file itself stops the run before it begins, as any other does.
    configure(&mut job, "[[policy]]\nact = 'isolat'\n");
    job.add(day(), "2001/08/04/nfcap.200108041320.pcapng");
    let ran = job.run().status(2);
    assert!(said(&job, &ran)[0].contains("[[policy]] 1 act: \"isolat\" is none of"));
    assert_eq!(job.ledger().len(), 2);
}

#[test]
fn a_kill_at_any_step_costs_the_memory_nothing() {
    if !can_trace() {
        return;
    }
    let job = job("");
    job.run().status(0);
    let memory = job.scene.path("memory");
    let expected = fs::read(memory.join("incidents.jsonl")).unwrap();
    let mut kills = 0;
    for call in ["rename", "fsync", "unlink"] {
        fs::remove_dir_all(&memory).unwrap();
        kills += job.kill_at_each(call, None, |out| {
            assert_no_file_is_lost(out, &memory);
            JobOutput(job.to(out).output().unwrap()).status(0);
            assert_eq!(health(out), [""; 0]);
            assert!(fs::read(memory.join("incidents.jsonl")).unwrap() == expected);
            assert!(!out.join("incidents").exists());
            fs::remove_dir_all(&memory).unwrap();
        });
    }
    assert!(kills > 20, "{kills}");
}

/// Asserts that each findings file in OUT either waits for the memory or is one that it has.
#[track_caller]
fn assert_no_file_is_lost(out: &Path, memory: &Path) {
    let waits = fs::read_to_string(out.join("incidents")).unwrap_or_default();
    let files = if out.exists() { names(out) } else { Vec::new() };
    for name in files.iter().filter(|name| name.ends_with(".findings")) {
        let is_known = memory.join("incidents.db").exists();
        assert!(is_known || waits.lines().any(|line| line == name), "{name}: {waits}");
    }
}
