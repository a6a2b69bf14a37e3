//! A simulated week of incidents: 1,008 slots from Thursday, 26 March 2026, in which the clocks of Europe go
//! forward, with owners who claim, resolve and ignore, and with an outage, cut and silent windows, late files and
//! files of the future. The journal and the messages of all runs are in `tests/data/incident-week.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use super::play::{Attack, DAY, Memory, WHOLE, file, start, start_text};
use super::post::{Sent, mails};
use crate::golden::golden;
use crate::harness::package;

/// The file with the journal.
const GOLDEN: &str = "incident-week.txt";

/// The file with the mails of the same week in live mode, and what became of them.
const GOLDEN_MAILS: &str = "incident-week-mails.txt";

/// Slots in which no mail can be sent.
const NO_WAY_OUT: std::ops::Range<u64> = at(4, 6, 0)..at(5, 6, 0);

const WEEK: u64 = 7 * DAY;

/// Slots without a file, because the collector was down, and then slots in which no exporter could reach it.
const DOWN: std::ops::Range<u64> = at(1, 10, 0)..at(1, 11, 3);
const NO_DATA: std::ops::Range<u64> = at(1, 11, 3)..at(1, 13, 0);

/// Slots in which an exporter was silent.
const SILENT: std::ops::Range<u64> = at(2, 2, 0)..at(2, 3, 0);

/// Slots of which nfscan judged a part.
const FILTERED: std::ops::Range<u64> = at(2, 4, 0)..at(2, 5, 0);

/// Slots that nfport did not judge.
const NO_PORT: std::ops::Range<u64> = at(2, 6, 0)..at(2, 7, 0);

/// The slot that was cut short by a restart, and was judged again in the next run.
const RESTART: u64 = at(2, 18, 4);

/// The slot whose file came late, and the slot after which it came.
const LATE: u64 = at(3, 3, 0);
const CAME: u64 = LATE + 5;

/// Slots after which the machine was off: one run then made up for them.
const OFF: std::ops::Range<u64> = at(3, 11, 2)..at(3, 12, 2);

/// The slot whose file was there two days before its time, and the slot after which it was.
const FUTURE: u64 = at(6, 6, 0);
const FORESEEN: u64 = FUTURE - 2 * DAY;

/// Slots in which the collector took exports from anyone.
const OPEN: std::ops::Range<u64> = at(5, 16, 0)..at(5, 17, 0);

/// Returns the number of a slot by its day, hour and ten minutes, in UTC.
const fn at(day: u64, hour: u64, ten: u64) -> u64 {
    day * DAY + hour * 6 + ten
}

const CONTACTS: &str = "\
140.119.1.0/24,static@example.net,Static,static
140.119.2.0/24,dynamic@example.net,Dynamic,dynamic
140.119.3.0/24,shared@example.net,Shared,shared
140.119.4.0/24,unknown@example.net,Unknown
140.119.5.0/24,one@example.net,One,static
140.119.5.0/24,two@example.net,Two,static
140.119.6.0/24,office@example.net,Office,static
140.119.7.0/24,weekend@example.net,Weekend,static
140.119.8.0/24,until@example.net,Until,static
2001:288:1::/48,six@example.net,Six,static
";

const CONFIG: &str = r#"
[site]
inside = "140.119.0.0/16,2001:288::/32"
timezone = "Europe/Berlin"
contacts = "contacts.csv"
operator = "operator@example.net"
never = "140.119.1.9"
[[policy]]
side = "outside"
kind = "scan"
act = "none"
[[policy]]
side = "outside"
kind = "port"
act = "ban"
open = "2 of 4"
[[policy]]
role = "target"
kind = "flood"
open = "2 of 3"
close = "12h"
[[policy]]
network = "140.119.6.0/24"
act = "isolate"
hours = "Mon-Fri 08-18"
deadline = "10h"
[[policy]]
network = "140.119.7.0/24"
act = "isolate"
hours = "Sat-Sun 00-24"
[[policy]]
network = "140.119.8.0/24"
act = "isolate"
deadline = "2h"
until = "12h"
[[policy]]
network = "140.119.1.0/24,140.119.2.0/24,140.119.3.0/24,140.119.4.0/24"
kind = ["scan", "port"]
act = "isolate"
deadline = "6h"
remind = "12h"
claim_pause = "12h"
[[hook]]
name = "log"
argv = ["sh", "-c", "cat >>DIR/journal"]
"#;

/// Returns all attacks of the week.
fn attacks() -> Vec<Attack> {
    let scan = Attack::scan;
    let (flood, spread) = (Attack::flood, Attack::spread);
    let hour = |day, hour| at(day, hour, 0)..at(day, hour + 1, 0);
    let mut all = vec![
        // Isolated, resolved on Friday, and back on Saturday.
        scan("140.119.1.10").on(at(0, 8, 0)..at(1, 9, 0)).on(at(2, 20, 0)..at(2, 22, 0)),
        // It never completed a connection.
        scan("140.119.1.11").marks("-").on(at(0, 8, 3)..at(0, 20, 0)),
        // Marks and classes that speak against isolation.
        scan("140.119.1.12").marks("forged,spoke").on(at(0, 9, 0)..at(0, 20, 0)),
        scan("140.119.1.20").marks("oneway,spoke").on(at(0, 9, 1)..at(0, 20, 0)),
        scan("140.119.1.21").marks("inner,spoke").on(at(0, 9, 2)..at(0, 20, 0)),
        scan("140.119.1.15").class("listed").on(at(0, 9, 3)..at(0, 20, 0)),
        // Sampled: first near its limit, and nine hours later beyond three times of it.
        scan("140.119.1.13").marks("sampled,spoke").value(90).on(at(0, 10, 0)..at(0, 19, 0)),
        scan("140.119.1.13").marks("sampled,spoke").value(200).on(at(0, 19, 0)..at(0, 22, 0)),
        // A known survey.
        scan("140.119.1.14").marks("survey").on(at(0, 0, 0)..at(0, 12, 0)),
        // Claimed after three hours, and over after five.
        spread("140.119.1.16").on(at(0, 8, 0)..at(0, 13, 0)),
        // A flood alone isolates nobody.
        flood("140.119.1.17").source().marks("spoke").on(at(0, 14, 0)..at(1, 2, 0)),
        // Two kinds: it is quiet when both are.
        spread("140.119.1.18").on(at(0, 12, 0)..at(0, 15, 0)),
        flood("140.119.1.18").source().on(at(0, 13, 0)..at(0, 19, 0)),
        // On the list of hosts that are never blocked.
        scan("140.119.1.9").on(at(0, 7, 0)..at(0, 19, 0)),
        // Over after two windows, so that it is closed a day later.
        scan("140.119.1.22").on(at(0, 6, 0)..at(0, 6, 2)),
        // Each fourth window, so that it is never quiet; and each tenth, so that it is quiet again and again.
        scan("140.119.1.23").on((at(0, 4, 0)..at(2, 0, 0)).step_by(4)),
        scan("140.119.1.24").on((at(0, 4, 1)..at(1, 8, 0)).step_by(10)),
        // Before the outage, and on both of its sides.
        scan("140.119.1.30").on(at(1, 8, 0)..at(1, 9, 3)),
        scan("140.119.1.31").on(at(1, 8, 0)..at(1, 10, 0)).on(at(1, 13, 0)..at(1, 14, 0)),
        // Before windows that prove nothing.
        scan("140.119.1.32").on(hour(2, 1)),
        spread("140.119.1.33").on(hour(2, 5)),
        // Known by the late file alone, and quiet before the late file came.
        scan("140.119.1.34").on([LATE]),
        scan("140.119.1.35").on([LATE - 10, LATE]),
        // While the machine was off, and until after that.
        scan("140.119.1.36").on(OFF.start + 1..OFF.start + 3),
        scan("140.119.1.37").on(OFF.start + 1..OFF.end + 3),
        // In the file that was there before its time.
        scan("140.119.1.38").on([FUTURE]),
        // While the collector took exports from anyone.
        scan("140.119.1.39").on(OPEN),
        // Ignored for a day; and one of two matters ignored.
        scan("140.119.1.40").on(at(0, 7, 0)..at(1, 12, 0)),
        scan("140.119.1.41").port("23").on(at(0, 7, 0)..at(0, 12, 0)),
        scan("140.119.1.41").port("2323").on(at(0, 10, 0)..at(0, 18, 0)),
        // The windows around the restart.
        scan("140.119.1.42").on(RESTART - 3..RESTART),
        // After the deadline somebody else only sends a flood in its name.
        scan("140.119.1.46").on(at(4, 0, 0)..at(4, 5, 0)),
        flood("140.119.1.46").source().on(at(4, 4, 0)..at(4, 9, 0)),
        // Claimed once it was quiet, and between its end and that; and claimed, but it goes on.
        scan("140.119.1.43").on(hour(4, 10)),
        scan("140.119.1.47").on(hour(5, 8)),
        scan("140.119.1.44").on(at(4, 10, 0)..at(5, 14, 0)),
        // Networks of other kinds.
        scan("140.119.2.10").on(at(0, 8, 0)..at(1, 20, 0)),
        spread("140.119.3.10").class("bruteforce").port("22").on(at(1, 14, 0)..at(2, 1, 0)),
        scan("140.119.4.10").class("vertical").port("-").on(at(1, 14, 0)..at(2, 1, 0)),
        scan("140.119.200.7").on(hour(1, 15)),
        scan("2001:288:1::10").class("sweep").on(at(1, 15, 0)..at(2, 21, 0)),
        // Two are told; ten times the peak after two hours; a new port after half an hour.
        scan("140.119.5.10").on(at(2, 8, 0)..at(2, 14, 0)),
        scan("140.119.5.11").value(70).on(at(2, 8, 0)..at(2, 10, 0)),
        scan("140.119.5.11").value(900).on(at(2, 10, 0)..at(2, 11, 0)),
        scan("140.119.5.12").on(hour(2, 8)),
        scan("140.119.5.12").port("3389").on(at(2, 8, 3)..at(2, 11, 0)),
        // Deadlines of working hours: over the weekend, and through the night that lacks an hour.
        scan("140.119.6.10").on(at(1, 14, 5)..at(6, 12, 0)),
        scan("140.119.7.10").on(at(2, 10, 5)..at(3, 18, 0)),
        // It comes free after 12 hours.
        scan("140.119.8.10").on(at(4, 6, 0)..at(5, 12, 0)),
        // Sources outside.
        scan("203.0.113.7").outside().on(at(0, 1, 0)..at(0, 23, 0)),
        scan("203.0.113.0/24").outside().on(hour(0, 5)),
        scan("2001:db8::7").outside().on(hour(0, 6)),
        spread("198.51.100.20")
            .class("bruteforce")
            .outside()
            .port("22")
            .on(at(3, 5, 0)..at(3, 7, 0)),
        spread("198.51.100.21").class("bruteforce").outside().marks("forged,spoke").on(hour(3, 5)),
        spread("198.51.100.22").class("bruteforce").outside().on([at(3, 5, 0), at(3, 5, 5)]),
        flood("198.51.100.23").source().outside().on(hour(4, 20)),
        // Targets: in one window, in two of three, and as a network.
        flood("140.119.10.2").class("ddos").on([at(4, 12, 0)]),
        flood("140.119.10.3").class("ddos").on([at(4, 12, 0), at(4, 12, 2), at(4, 12, 3)]),
        flood("140.119.10.0/24").class("carpet").port("-").on(hour(4, 13)),
        spread("140.119.10.5").class("bruteforce").target().on(hour(4, 14)),
        scan("140.119.10.6").class("vertical").port("-").target().on(hour(4, 15)),
        scan("140.119.10.6").on(hour(4, 16)),
        // A reflector looks like a scanner of its victim; a scanner beside it is one.
        flood("140.119.10.1")
            .class("reflection")
            .udp()
            .port("-")
            .on(hour(4, 18))
            .peer("140.119.4.53=2000,198.51.100.53=1000"),
        scan("140.119.4.53")
            .class("vertical")
            .udp()
            .port("-")
            .marks("-")
            .peer("140.119.10.1")
            .on(hour(4, 18)),
        scan("140.119.4.54").marks("-").on(hour(4, 18)),
    ];
    // More ports than one incident has matters.
    for port in 1000..1067_u64 {
        all.push(spread("140.119.4.70").port(&port.to_string()).marks("-").on([at(5, 20, 0)]));
    }
    all
}

/// Returns the keys of a detector's closing mark of a slot.
fn end(slot: u64, tool: &str) -> Option<&'static str> {
    match slot {
        _ if NO_DATA.contains(&slot) => Some("open=0 silent=2 state=nodata"),
        _ if SILENT.contains(&slot) => Some("open=0 silent=1 state=ok"),
        _ if FILTERED.contains(&slot) && tool == "nfscan" => {
            Some("open=0 silent=0 state=ok filtered=1")
        }
        _ if NO_PORT.contains(&slot) && tool == "nfport" => None,
        _ if OPEN.contains(&slot) => Some("open=1 silent=0 state=ok"),
        // A mark of an earlier version.
        1000 => Some("state=ok"),
        _ => Some(WHOLE),
    }
}

/// A decision of a person, made two minutes after the end of a slot.
struct Decision {
    slot: u64,
    host: &'static str,
    words: &'static [&'static str],
    matter: &'static str,
}

fn decisions() -> Vec<Decision> {
    let decision = |slot, host, words| Decision { slot, host, words, matter: "" };
    let mut all = vec![
        decision(at(0, 11, 0), "140.119.1.16", &["claim", "--by=owner"][..]),
        decision(at(0, 9, 0), "140.119.1.40", &["ignore", "--for=1d", "--by=anna"]),
        Decision {
            matter: ".scan:6/23",
            ..decision(at(0, 9, 0), "140.119.1.41", &["ignore", "--for=3d", "--by=anna"])
        },
        // In the middle of the window that follows the last one that was judged.
        decision(at(1, 8, 5), "140.119.1.10", &["resolve", "--by=bert"]),
        // In the middle of the attack, which then is another incident.
        decision(at(2, 10, 3), "140.119.5.10", &["resolve", "--by=one"]),
        decision(at(4, 13, 0), "140.119.1.43", &["claim", "--by=owner"]),
        decision(at(5, 9, 2), "140.119.1.47", &["claim", "--by=owner"]),
        decision(at(4, 12, 0), "140.119.1.44", &["claim", "--by=owner"]),
        decision(at(5, 10, 0), "140.119.8.10", &["resolve", "--by=bert"]),
    ];
    all.sort_by_key(|decision| decision.slot);
    all
}

/// Returns the files that come after a slot, each by its slot and, if it is judged more than once, its number.
fn deliveries() -> BTreeMap<u64, Vec<(u64, u64)>> {
    let usual = (0..WEEK).filter(|n| !DOWN.contains(n) && *n != LATE && !OFF.contains(n));
    let mut all: BTreeMap<u64, Vec<_>> = usual.map(|n| (n, vec![(n, 0)])).collect();
    all.extend(DOWN.map(|n| (n, Vec::new())));
    let mut add = |n, more: &mut Vec<_>| all.entry(n).or_default().append(more);
    // The same file twice, and once more.
    let twice = at(1, 17, 4);
    add(twice, &mut vec![(twice, 0)]);
    add(twice + 1, &mut vec![(twice, 0)]);
    add(RESTART + 1, &mut vec![(RESTART, 1)]);
    add(CAME, &mut vec![(LATE, 0)]);
    add(OFF.end, &mut OFF.map(|n| (n, 0)).collect());
    add(FORESEEN, &mut vec![(FUTURE, 0)]);
    all
}

/// The week as it is played.
#[derive(Clone, Copy)]
struct Course {
    slots: u64,
    /// True if people decide, and if files come late, early or twice.
    is_eventful: bool,
    /// True if mails are sent.
    is_live: bool,
}

const EVENTFUL: Course = Course { slots: WEEK, is_eventful: true, is_live: false };

impl Course {
    /// Plays the slots, with a run after each for which `runs` says so, and after the last one.
    fn play(self, runs: impl Fn(u64) -> bool) -> Played {
        let memory = if self.is_live {
            let config = format!("mode = 'live'\n{CONFIG}[mail]\nmbox = 'out/mails'\n");
            Memory::in_ram(&config, CONTACTS)
        } else {
            Memory::in_ram(CONFIG, CONTACTS)
        };
        let (out, gone) = (memory.scene.path("out"), memory.scene.path("gone"));
        std::fs::create_dir(&out).unwrap();
        let (attacks, decisions) = (attacks(), decisions());
        let deliveries = if self.is_eventful {
            deliveries()
        } else {
            (0..self.slots).filter(|n| !DOWN.contains(n)).map(|n| (n, vec![(n, 0)])).collect()
        };
        let (mut waiting, mut said) = (Vec::new(), String::new());
        for n in 0..self.slots {
            for &(slot, nth) in deliveries.get(&n).map_or(&[][..], Vec::as_slice) {
                waiting.push(write(&memory, &attacks, slot, nth));
            }
            let is_off = self.is_eventful && OFF.contains(&n);
            if is_off || !(runs(n) || n + 1 == self.slots) {
                continue;
            }
            let files: Vec<PathBuf> = std::mem::take(&mut waiting);
            // A file of the future is to be given again.
            let is_early = self.is_eventful && n == FORESEEN;
            if n == NO_WAY_OUT.start {
                std::fs::rename(&out, &gone).unwrap();
            } else if n == NO_WAY_OUT.end {
                std::fs::rename(&gone, &out).unwrap();
            }
            let ran = memory.run(start(n + 1) + 60, &files).run();
            // The next attempt may be an hour off.
            let is_stuck = self.is_live && (NO_WAY_OUT.start..NO_WAY_OUT.end + 6).contains(&n);
            let ran = if is_stuck { ran } else { ran.status(i32::from(is_early)) };
            for line in ran.err.lines() {
                writeln!(said, "{}\t{line}", start_text(n)).unwrap();
            }
            let now = decisions.iter().filter(|decision| decision.slot == n && self.is_eventful);
            now.for_each(|decision| decision.make(&memory));
        }
        Played { memory, said }
    }
}

/// Writes a findings file of a slot.
fn write(memory: &Memory, attacks: &[Attack], slot: u64, nth: u64) -> PathBuf {
    let text = if slot == RESTART && nth == 0 {
        file(slot, attacks, |_| Some("open=0 silent=0 state=cut"))
    } else if slot == RESTART {
        let late = Attack::scan("140.119.1.45").on([RESTART]);
        file(slot, attacks.iter().chain([&late]), |_| Some("open=0 silent=0 state=cut"))
    } else {
        file(slot, attacks, |tool| end(slot, tool))
    };
    memory.scene.write(&format!("{slot}-{nth}.findings"), text)
}

impl Decision {
    fn make(&self, memory: &Memory) {
        let target = format!("{}{}", memory.number_of(self.host), self.matter);
        let now = (start(self.slot + 1) + 120).to_string();
        let run = memory.command(self.words).args(["--now", &now, "--why", "a reason", &target]);
        run.run().ok();
    }
}

/// The memory after the week, and the messages of its runs.
struct Played {
    memory: Memory,
    said: String,
}

impl Played {
    /// Returns the journal as people read it, a row a line, with the messages of the runs behind it.
    fn journal(&self) -> String {
        let dir = format!("{}/", self.memory.scene.dir().display());
        let mut text = String::new();
        let mut ids = BTreeSet::new();
        for line in self.memory.scene.text("journal").lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            assert!(ids.insert(row["id"].as_u64().unwrap()), "twice: {line}");
            let word = |key: &str| match &row[key] {
                Value::String(text) => text.replace(&dir, ""),
                Value::Null => "-".to_owned(),
                other => other.to_string(),
            };
            let words = [
                "wall", "data", "incident", "host", "role", "what", "from", "to", "reason", "actor",
            ];
            let words: Vec<_> = words.into_iter().map(word).collect();
            text += &words.join("\t");
            text.push('\n');
        }
        text + &self.said.replace(&dir, "")
    }

    /// Returns the rows of the journal that are of notices, and the mails behind them: when, to whom, about what,
    /// and the place of the first one of the thread.
    fn mails(&self) -> String {
        let journal = self.journal();
        let is_of_notice = |line: &&str| line.split('\t').nth(5) == Some("notice");
        let mut text: String = journal
            .lines()
            .filter(is_of_notice)
            .map(|line| {
                let words: Vec<&str> = line.split('\t').collect();
                [words[0], words[2], words[3], words[6], words[7], words[8]].join("\t") + "\n"
            })
            .collect();
        let sent = mails(&self.memory.scene.text("out/mails"));
        let place = |id: &String| sent.iter().position(|mail| mail.id == *id);
        for (nth, mail) in sent.iter().enumerate() {
            let threads: Vec<String> = mail
                .references
                .iter()
                .map(|id| place(id).map_or("?".to_owned(), |place| place.to_string()))
                .collect();
            let Sent { date, to, subject, .. } = mail;
            writeln!(text, "{nth}\t{date}\t{to}\t{subject}\t{}", threads.join(",")).unwrap();
        }
        text
    }

    /// Returns what has become of each incident, without notices, deadlines and all that depends on the times
    /// of runs.
    fn incidents(&self) -> Vec<String> {
        let records = self.memory.records().into_iter();
        let keys = [
            "id",
            "host",
            "role",
            "side",
            "state",
            "reason",
            "ignored",
            "changed",
            "since",
            "last",
            "windows",
            "matters",
            "more",
            "what",
            "owner",
            "network",
            "network_kind",
            "claim",
            "policy",
            "previous",
        ];
        let dir = self.memory.scene.dir().to_str().unwrap().to_owned();
        let incident = |record: Value| {
            let of = |key: &str| format!("{key}: {}", record[key]);
            let rows = record["journal"].as_array().unwrap().iter();
            let rows = rows.filter(|row| {
                ["state", "matter", "claim", "ignore"].contains(&row["what"].as_str().unwrap())
            });
            let row = |row: &Value| {
                ["data", "actor", "what", "from", "to", "reason"]
                    .map(|key| row[key].to_string())
                    .join(" ")
            };
            let lines = keys.iter().map(|key| of(key)).chain(rows.map(row));
            lines.collect::<Vec<_>>().join("\n").replace(&dir, "")
        };
        records.map(incident).collect()
    }
}

/// Asserts that two plays end with the same incidents.
#[track_caller]
fn assert_same(one: &Played, other: &Played) {
    let (one, other) = (one.incidents(), other.incidents());
    assert!(one.len() > 10, "{}", one.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn a_week_has_its_golden_journal_and_ends_the_same_in_a_few_runs() {
    let each = EVENTFUL.play(|_| true);
    golden(GOLDEN, each.journal().as_bytes());
    let records = each.memory.records();
    assert!(records.len() >= 50, "{}", records.len());
    // Runs are needed where a person decides, before and after a file comes late, and where one comes early.
    let decided: BTreeSet<u64> = decisions().iter().map(|decision| decision.slot).collect();
    let needed = [CAME - 1, CAME, FORESEEN];
    let few = EVENTFUL.play(|n| decided.contains(&n) || needed.contains(&n));
    assert_same(&each, &few);
}

#[test]
fn a_live_week_has_its_golden_mails_and_tells_nothing_twice() {
    let week = Course { is_live: true, ..EVENTFUL }.play(|_| true);
    let text = week.mails();
    golden(GOLDEN_MAILS, text.as_bytes());
    let sent = mails(&week.memory.scene.text("out/mails"));
    let ids: BTreeSet<&String> = sent.iter().map(|mail| &mail.id).collect();
    assert_eq!(ids.len(), sent.len());
    // A first notice reaches each recipient once, and a reminder not before its time.
    let mut told: BTreeMap<(&str, &str, &str), Vec<u64>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains(" accepted\t")) {
        let words: Vec<&str> = line.split('\t').collect();
        if words[1] == "-" {
            continue;
        }
        let time = nfkit::time::Timestamp::parse(words[0].as_bytes()).unwrap().secs();
        let step = words[4].split(' ').next().unwrap();
        told.entry((words[1], words[5], step)).or_default().push(time);
    }
    assert!(told.len() > 50, "{}", told.len());
    for ((id, who, step), times) in &told {
        let least = match *step {
            "first" => u64::MAX,
            "grown" => 3600,
            _ => 12 * 3600,
        };
        let is_apart = times.windows(2).all(|pair| pair[1] - pair[0] >= least);
        assert!(is_apart, "{id} {who} {step}: {times:?}");
    }
    // Nothing was sent while there was no way out, and all of it after that.
    let unsent = week.memory.command(&["export"]).run().ok().text().to_owned();
    assert!(!unsent.contains("\"state\":\"wanted\""), "some still wait");
}

#[test]
fn one_run_ends_as_a_run_for_each_window() {
    let slots = if super::is_long() { WEEK } else { DAY };
    let course = Course { slots, is_eventful: false, is_live: false };
    let once = course.play(|_| false);
    let each = course.play(|_| true);
    assert_same(&once, &each);
}

#[test]
fn the_golden_week_has_every_kind_of_row() {
    let text = std::fs::read_to_string(package("tests/data").join(GOLDEN)).unwrap();
    for row in [
        "\tstate\t-\topen\t",
        "\tstate\topen\tquiet\t",
        "\tstate\tquiet\topen\t",
        "\tstate\tquiet\tclosed(quiet)\t",
        "\tstate\tquiet\tclosed(claimed)\t",
        "\tstate\topen\tclosed(claimed)\t",
        "\tstate\topen\tclosed(resolved)\t",
        "\tclaim\t-\towner\t",
        "\tignore\tscan:6/23\t",
        "\tnotice\t-\tfirst would-send\t",
        "\tnotice\t-\tdeadline superseded\t",
        "\tnotice\t-\tdeadline would-send\t",
        "\tnotice\t-\tgrown would-send\t",
        "\tnotice\t-\treminder would-send\t",
        "\tdeadline\t-\t2026-",
        "\twish\tnone\tuntil-resolved\t",
        "\twish\tuntil-resolved\tnone\t",
    ] {
        assert!(text.contains(row), "{row:?}");
    }
}
