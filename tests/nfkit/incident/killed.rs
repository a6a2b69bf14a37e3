//! `nfnotify run` when it is killed, when power fails, and when the disk is full: after one more run with the
//! same files, nothing shows it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::is_long;
use super::play::{Attack, DAY, Memory, WHOLE, file, start};
use super::post::mails;
use crate::harness::{LIMIT, Random, Run};
use crate::nfcap::faults::Mount;

/// The steps at which a debug build ends itself if NFKIT_KILL_POINT names them.
const POINTS: [&str; 7] =
    ["before-T1", "in-T1", "after-T1", "in-T2", "after-T2", "after-files", "after-hook"];

const CONTACTS: &str = "\
140.119.1.0/24,one@example.net,One,static
140.119.1.0/24,two@example.net,Two,static
";

/// A hook may be alive when the run that began it is not, and may then have half a line.
const CONFIG: &str = r#"
[site]
contacts = "contacts.csv"
operator = "operator@example.net"
[[policy]]
network = "140.119.1.0/24"
act = "isolate"
deadline = "20m"
quiet = 2
close = "20m"
[[policy]]
role = "target"
open = "2 of 3"
[[hook]]
name = "log"
argv = ["flock", "DIR/hook.lock", "sh", "-c", "while IFS= read -r line; do printf '%s\\n' \"$line\"; done >>DIR/journal"]
"#;

/// The steps of handing mails over.
const MAIL_POINTS: [&str; 5] = ["in-T5", "after-T5", "after-send", "in-T6", "after-T6"];

/// The way out in live mode: it notes each mail, and takes as long as the file `slow` says.
const TAKE: &str = "#!/bin/sh\ncd DIR || exit 75\n\
    { echo \"From $3 x\"; sed 's/^>*From />&/'; echo; } >take.$$ && \
    flock mail.lock sh -c \"cat take.$$ >>mails; rm take.$$\" && sleep \"$(cat slow)\"\n";

/// Returns the configuration of a site in live mode.
fn live() -> String {
    format!("mode = 'live'\n{CONFIG}[mail]\nsendmail = 'DIR/take'\nanswers = 'nfkit@site.test'\n")
}

/// Returns the slots of a short history. The last ones come so much later that the closed incidents leave
/// `incidents.jsonl` for the file of their month.
fn slots() -> Vec<u64> {
    (0..9).chain([9 * DAY, 9 * DAY + 1]).collect()
}

fn attacks() -> Vec<Attack> {
    vec![
        Attack::scan("140.119.1.10").on(0..7),
        Attack::scan("140.119.1.10").port("23").on(1..3),
        Attack::scan("140.119.1.11").on(1..3),
        Attack::spread("140.119.1.12").on([0, 4, 5, 9 * DAY]),
        Attack::flood("140.119.10.1")
            .class("reflection")
            .udp()
            .on([2, 3, 4])
            .peer("140.119.4.53=99"),
        Attack::flood("140.119.10.2").on([2]),
        Attack::scan("140.119.4.53").udp().marks("-").peer("140.119.10.1").on([2, 3, 4]),
        Attack::spread("198.51.100.1").class("bruteforce").outside().on([3, 9 * DAY + 1]),
    ]
}

/// The history in a memory of its own.
struct History {
    memory: Memory,
    attacks: Vec<Attack>,
}

impl History {
    fn new() -> History {
        History { memory: Memory::new(CONFIG, CONTACTS), attacks: attacks() }
    }

    /// Returns a history for kills: these take nothing from the kernel, so that no disk is needed.
    fn in_ram() -> History {
        History { memory: Memory::in_ram(CONFIG, CONTACTS), attacks: attacks() }
    }

    /// Returns such a history in live mode, whose way out takes so many seconds.
    fn live(slow: &str) -> History {
        let memory = Memory::in_ram(&live(), CONTACTS);
        let dir = memory.scene.dir().to_str().unwrap().to_owned();
        let take = memory.scene.write("take", TAKE.replace("DIR", &dir));
        fs::set_permissions(take, fs::Permissions::from_mode(0o755)).unwrap();
        memory.scene.write("slow", slow);
        memory.scene.write("mails", "");
        History { memory, attacks: attacks() }
    }

    /// Returns how often each mail was handed over, by its Message-ID, after all are in the file.
    fn handed_over(&self) -> BTreeMap<String, usize> {
        let dir = self.memory.scene.dir();
        let is_busy = || {
            let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
            names.into_iter().any(|name| name.to_str().unwrap().starts_with("take."))
        };
        let began = Instant::now();
        while is_busy() && began.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut times = BTreeMap::new();
        for mail in mails(&self.memory.scene.text("mails")) {
            assert!(mail.text.ends_with('\n') && mail.body.len() > 500, "cut: {mail:?}");
            *times.entry(mail.id).or_insert(0) += 1;
        }
        times
    }

    /// Returns the file of a slot, which is written if it is not there.
    fn file(&self, slot: u64) -> PathBuf {
        let text = file(slot, &self.attacks, |_| Some(WHOLE));
        self.memory.scene.write(&format!("{slot}.findings"), text)
    }

    fn run(&self, slot: u64) -> Run {
        self.memory.run(start(slot + 1) + 60, &[self.file(slot)])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.memory.scene.path("memory").join(name)
    }

    /// Returns all that the memory holds and shows.
    #[track_caller]
    fn state(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([("export".to_owned(), self.memory.content())]);
        let mut add = |path: &Path, name: String| {
            all.insert(name, fs::read_to_string(path).unwrap());
        };
        for entry in fs::read_dir(self.path("")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name == "closed" {
                for entry in fs::read_dir(&path).unwrap() {
                    let path = entry.unwrap().path();
                    add(&path, format!("closed {}", path.file_name().unwrap().to_str().unwrap()));
                }
            } else if !name.starts_with("incidents.db") {
                add(&path, name);
            }
        }
        all.values_mut().for_each(|text| *text = without_tokens(&without_dir(text)));
        all
    }

    /// Returns the numbers of the rows that the hook got, in their order.
    fn heard(&self) -> Vec<u64> {
        // A hook of a run that was killed may be at work still.
        let lock = self.memory.scene.path("hook.lock");
        assert!(Command::new("flock").arg(lock).arg("true").status().unwrap().success());
        let text = self.memory.scene.text("journal");
        let number = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            row["id"].as_u64().unwrap()
        };
        text.lines().map(number).collect()
    }

    /// Asserts that the hook got each row at least once, and none before those in front of it. Returns the
    /// number of rows that it got again.
    #[track_caller]
    fn assert_heard_in_order(&self) -> usize {
        let heard = self.heard();
        let mut newest = 0;
        for id in &heard {
            assert!(*id <= newest + 1, "row {id} came after {newest}: {heard:?}");
            newest = newest.max(*id);
        }
        let export = self.memory.content();
        let rows = export.lines().filter(|line| line.contains("\"table\":\"journal\"")).count();
        assert!(rows > 0 && newest == rows as u64, "{newest} of {rows}");
        heard.len() - rows
    }
}

/// Returns a text of JSON without the directory of the configuration, which is another one in each test.
fn without_dir(text: &str) -> String {
    let mut parts: Vec<&str> = text.split("/nfkit.toml").collect();
    let last = parts.pop().unwrap_or_default();
    let short = |part: &str| part.rfind('"').map_or("", |at| &part[..=at]).to_owned();
    parts.into_iter().map(|part| short(part) + "nfkit.toml").collect::<String>() + last
}

/// Returns a text without the names of mails, which the secret of each memory gives.
fn without_tokens(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if is_digit(c) {
            word.push(c);
            continue;
        }
        out += if word.len() == 32 { "TOKEN" } else { &word };
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Returns the state after each step of a history in live mode in which nothing goes wrong.
fn live_reference() -> Vec<BTreeMap<String, String>> {
    let history = History::live("0");
    let states = slots().into_iter().map(|slot| {
        history.run(slot).run().ok();
        history.state()
    });
    let states: Vec<_> = states.collect();
    let times = history.handed_over();
    assert!(times.len() >= 8 && times.values().all(|times| *times == 1), "{times:?}");
    let last = &states.last().unwrap()["export"];
    assert!(last.contains("first accepted"), "{last}");
    states
}

/// Asserts that each mail of the reference was handed over once or twice, and none besides. Returns how many
/// came twice.
#[track_caller]
fn assert_handed_over(history: &History, expected: &BTreeMap<String, String>) -> usize {
    let times = history.handed_over();
    let accepted = expected["export"].lines().filter(|line| {
        line.starts_with("{\"table\":\"mail\"") && line.contains("\"state\":\"accepted\"")
    });
    assert_eq!(times.len(), accepted.count(), "{times:?}");
    assert!(times.values().all(|times| *times <= 2), "{times:?}");
    times.values().filter(|times| **times == 2).count()
}

#[test]
fn a_kill_at_any_point_loses_no_mail_and_doubles_only_what_was_handed_over() {
    let expected = live_reference();
    let last = expected.last().unwrap();
    for point in POINTS.into_iter().chain(MAIL_POINTS) {
        let history = History::live("0");
        let mut kills = 0;
        for (slot, expected) in slots().into_iter().zip(&expected) {
            let ran = history.run(slot).env("NFKIT_KILL_POINT", point).run();
            match ran.status.signal() {
                Some(9) => kills += 1,
                _ => _ = ran.ok(),
            }
            history.run(slot).run().ok();
            assert_same(&history.state(), expected, &format!("{point} of {slot}"));
        }
        let twice = assert_handed_over(&history, last);
        let is_between = ["after-send", "in-T6"].contains(&point);
        assert_eq!(twice > 0, is_between, "{point}: {twice} of {kills} kills");
        assert!(kills > 3, "{point}: {kills}");
        if is_between {
            assert_eq!(twice, kills, "{point}");
        }
    }
}

#[test]
fn kills_at_random_moments_lose_no_mail() {
    let expected = live_reference();
    let wanted = if is_long() { 200 } else { 20 };
    let mut random = Random(23);
    let (mut kills, mut twice) = (0, 0);
    while kills < wanted {
        let history = History::live("0.02");
        let mut took = Duration::from_millis(100);
        for (slot, expected) in slots().into_iter().zip(&expected) {
            for _ in 0..2 {
                let share = u32::try_from(random.below(100)).unwrap();
                // Two kills must not hit the same mail, which could then come three times.
                if kill_after(&history, slot, took * share / 100) {
                    kills += 1;
                    break;
                }
            }
            let began = Instant::now();
            history.run(slot).run().ok();
            took = began.elapsed();
            assert_same(&history.state(), expected, &format!("{kills} kills, in {slot}"));
        }
        twice += assert_handed_over(&history, expected.last().unwrap());
    }
    // A counter of the kills between handing over and the commit that notes it.
    assert!(twice > 0, "none of {kills} kills hit between");
}

/// Returns the state after each step of a history in which nothing goes wrong.
fn reference() -> Vec<BTreeMap<String, String>> {
    let history = History::in_ram();
    let states = slots().into_iter().map(|slot| {
        history.run(slot).run().ok();
        history.state()
    });
    let states: Vec<_> = states.collect();
    assert_eq!(history.assert_heard_in_order(), 0);
    let last = states.last().unwrap();
    let files: Vec<_> = last.keys().map(String::as_str).collect();
    assert_eq!(
        files,
        ["closed 2026-03.jsonl", "export", "hooks.lock", "incidents.jsonl", "incidents.lock"]
    );
    for row in ["until-resolved", "closed(quiet)", "first would-send", "deadline would-send"] {
        assert!(last["export"].contains(row), "{row}");
    }
    states
}

#[track_caller]
fn assert_same(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>, when: &str) {
    let keys = |all: &BTreeMap<String, String>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected), "{when}");
    for (name, text) in expected {
        for (found, expected) in found[name].lines().zip(text.lines()) {
            assert_eq!(found, expected, "{when}: {name}");
        }
        assert_eq!(found[name].lines().count(), text.lines().count(), "{when}: {name}");
    }
}

#[test]
fn a_kill_at_any_point_of_any_step_leaves_no_trace() {
    let expected = reference();
    let mut kills = BTreeMap::new();
    for point in POINTS {
        let history = History::in_ram();
        for (slot, expected) in slots().into_iter().zip(&expected) {
            let ran = history.run(slot).env("NFKIT_KILL_POINT", point).run();
            match ran.status.signal() {
                Some(9) => *kills.entry(point).or_insert(0) += 1,
                _ => _ = ran.ok(),
            }
            history.run(slot).run().ok();
            assert_same(&history.state(), expected, &format!("{point} of {slot}"));
        }
        let again = history.assert_heard_in_order();
        // Only rows that the hook had taken, without that being noted, come again.
        assert_eq!(again > 0, point == "after-hook", "{point}: {again} rows again");
    }
    let steps = slots().len();
    for point in POINTS {
        let kills = kills.get(point).copied().unwrap_or(0);
        assert!(kills == steps || (point == "after-hook" && kills > steps / 2), "{point}: {kills}");
    }
}

/// Kills a run after a time. Returns true if it had not ended.
fn kill_after(history: &History, slot: u64, time: Duration) -> bool {
    let now = (start(slot + 1) + 60).to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_nfnotify"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("NFKIT_CONFIG", history.memory.scene.path("nfkit.toml"))
        .args(["run", "--now", &now])
        .arg(history.file(slot))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + time.min(LIMIT);
    while Instant::now() < until {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap().signal() == Some(9)
}

#[test]
fn kills_at_random_moments_leave_no_trace() {
    let expected = reference();
    let wanted = if is_long() { 200 } else { 20 };
    let mut random = Random(22);
    let (mut kills, mut within) = (0, 0);
    while kills < wanted {
        let history = History::in_ram();
        // The time that a run takes now, with all that goes on beside it.
        let mut took = Duration::from_millis(20);
        for (slot, expected) in slots().into_iter().zip(&expected) {
            for _ in 0..4 {
                let wal = history.path("incidents.db-wal");
                let before = fs::read(&wal).unwrap_or_default();
                let share = u32::try_from(random.below(100)).unwrap();
                if kill_after(&history, slot, took * share / 100) {
                    kills += 1;
                    within += usize::from(fs::read(&wal).unwrap_or_default() != before);
                }
            }
            let began = Instant::now();
            history.run(slot).run().ok();
            took = began.elapsed();
            assert_same(&history.state(), expected, &format!("{kills} kills, in {slot}"));
        }
        history.assert_heard_in_order();
    }
    // Between the first commit and the end.
    assert!(within * 10 >= kills, "{within} of {kills} kills hit a run that had begun to write");
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Returns the lengths to which a WAL can be cut so that it ends with a commit, from `from` bytes on, and its
/// whole length up to the last commit.
fn commits(wal: &[u8], from: usize) -> Vec<usize> {
    let number = |at: usize| u32::from_be_bytes(wal[at..at + 4].try_into().unwrap()) as usize;
    let (page, salt) = (number(8), &wal[16..24]);
    let mut ends = vec![from.max(32)];
    let mut at = 32;
    // Frames with another salt are left from before the WAL was begun anew.
    while at + 24 + page <= wal.len() && wal[at + 8..at + 16] == *salt {
        let is_commit = number(at + 4) > 0;
        at += 24 + page;
        if is_commit && at > from {
            ends.push(at);
        }
    }
    ends
}

#[test]
fn power_that_fails_after_any_commit_leaves_no_trace() {
    let expected = reference();
    let history = History::new();
    let mut cuts = 0;
    for (slot, expected) in slots().into_iter().zip(&expected) {
        let before = history.memory.scene.path("before");
        if history.path("").exists() {
            copy(&history.path(""), &before);
        }
        let old = fs::read(before.join("incidents.db-wal")).unwrap_or_default();
        history.run(slot).run().ok();
        let wal = fs::read(history.path("incidents.db-wal")).unwrap();
        // The first run makes the database, which is nowhere before.
        if before.exists() {
            let goes_on = old.len() >= 24 && old[16..24] == wal[16..24];
            let from = if goes_on { *commits(&old, 0).last().unwrap() } else { 0 };
            let ends = commits(&wal, from);
            assert!(ends.len() > 2, "{slot}: {ends:?}");
            for (nth, end) in ends.into_iter().enumerate() {
                let other = History::new();
                fs::create_dir(other.path("")).unwrap();
                for name in ["incidents.db", "incidents.jsonl", "incidents.lock", "hooks.lock"] {
                    fs::copy(before.join(name), other.path(name)).unwrap();
                }
                // The files of months reach the disk before the third commit, which says so.
                let closed = if nth > 2 { history.path("closed") } else { before.join("closed") };
                if closed.exists() {
                    copy(&closed, &other.path("closed"));
                }
                fs::write(other.path("incidents.db-wal"), &wal[..end]).unwrap();
                other.run(slot).run().ok();
                assert_same(
                    &other.state(),
                    expected,
                    &format!("{slot}, cut at {end} of {}", wal.len()),
                );
                cuts += 1;
            }
            fs::remove_dir_all(&before).unwrap();
        }
        assert_same(&history.state(), expected, &format!("{slot}"));
    }
    assert!(cuts > 3 * slots().len(), "{cuts}");
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let expected = reference();
    let (mut stops, mut sizes) = (0, 0);
    for pages in (1..).step_by(if is_long() { 3 } else { 40 }) {
        let history = History::new();
        let size = format!("size={}k", 4 * pages);
        let Some(_mount) = Mount::new(&history.path(""), &["-t", "tmpfs", "-o", &size, "none"])
        else {
            return;
        };
        let mut stopped = 0;
        for (slot, expected) in slots().into_iter().zip(&expected) {
            if history.run(slot).run().status.code() != Some(0) {
                // Nothing becomes better by itself, and each run says so in a line.
                let ran = history.run(slot).run().status(1).says_lines(1);
                let dir = history.path("").to_str().unwrap().to_owned();
                let is_clear = ran.err.contains(&dir)
                    && (ran.err.contains("no room on the disk")
                        || ran.err.contains("No space left"));
                assert!(is_clear, "{pages} pages: {ran}");
                if let Ok(text) = fs::read_to_string(history.path("incidents.jsonl")) {
                    for line in text.lines() {
                        serde_json::from_str::<Value>(line).unwrap();
                    }
                }
                let at = history.path("");
                let mut mount = Command::new("mount");
                mount.args(["-o", "remount,size=64m"]).arg(&at);
                assert!(mount.status().unwrap().success());
                history.run(slot).run().ok();
                stopped += 1;
            }
            assert_same(&history.state(), expected, &format!("{pages} pages, {slot}"));
        }
        history.assert_heard_in_order();
        sizes += 1;
        stops += stopped;
        if stopped == 0 {
            break;
        }
    }
    assert!(stops + 1 >= sizes && sizes > 5, "{stops} stops at {sizes} sizes");
}
