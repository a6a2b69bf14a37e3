//! Measures the memory of nfnotify: many findings in one window, a run without news and a backup of a year's
//! database, and a catch-up.
//!
//! `-r` sets the number of turns. With `--dir` the inputs and the year's database stay for the next run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;
#[path = "bare/findings.rs"]
mod findings;

use std::fs;
use std::path::{Path, PathBuf};

use bare::load;
use bare::process::{Process, options};
use findings::{DAY, ends, finding, line, window};
use nfkit::contacts::NetworkKind;
use nfkit::finding::{Host, Kind, Side};
use nfkit::incident::store::Store;
use nfkit::incident::{Machine, Mode, Notice, NoticeState, Policy, State, Step, Verdict};
use nfkit::time::Timestamp;

const NFNOTIFY: &str = env!("CARGO_BIN_EXE_nfnotify");

/// Days of the year.
const DAYS: u64 = 365;

/// Incidents that begin on one day of the year, and windows in which each is found: 100,000 incidents and
/// 1,000,000 findings in all.
const A_DAY: u64 = 274;
const FOUND: u64 = 10;

/// Returns the output of the detectors on some windows, each with so many findings.
fn lines(windows: impl Iterator<Item = u64>, findings: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for nth in windows {
        (0..findings).for_each(|host| line(&finding(nth, host, Side::Inside), &mut out));
        ends(nth, &mut out);
    }
    out
}

/// Makes a database of a year, as the runs of the year would.
fn year(db: &Path) {
    fs::create_dir_all(db.parent().unwrap()).unwrap();
    let mut store = Store::create(db, &[7; 32]).unwrap();
    let policy = Policy::default();
    let network_kind = |_: Host| NetworkKind::Static;
    let whole = Verdict { is_whole: true, is_open: false };
    for day in 0..DAYS {
        let mut ingest = store.ingest().unwrap();
        for nth in DAY * day..DAY * (day + 1) {
            for kind in [Kind::Scan, Kind::Flood, Kind::Port] {
                ingest.end(kind, window(nth), whole).unwrap();
            }
        }
        for host in 0..A_DAY {
            for n in 0..FOUND {
                let nth = DAY * day + (host + n) % DAY;
                ingest.finding(&finding(nth, A_DAY * day + host, Side::Inside)).unwrap();
            }
        }
        ingest.commit().unwrap();
        let update = store.update(window(DAY * (day + 1)).start() + 60, Mode::Shadow).unwrap();
        stepped(update, &policy, &network_kind);
    }
    store.close().unwrap();
}

/// Steps through the windows that wait. Each incident that opens has a notice.
fn stepped(
    mut update: nfkit::incident::store::Update<'_>,
    policy: &Policy,
    network_kind: &dyn Fn(Host) -> NetworkKind,
) {
    let (known, newest) = (update.incidents_to_step().unwrap(), update.newest().unwrap());
    let first = update.next_id().unwrap();
    let mut machine = Machine::new(known, newest, first, policy, network_kind);
    for window in update.windows().unwrap() {
        machine.step(&update.judged(window).unwrap());
        update.stepped(window).unwrap();
    }
    let outcome = machine.finish();
    update.outcome(&outcome).unwrap();
    for incident in outcome.changed.iter().filter(|incident| incident.id >= first) {
        let notice = Notice {
            incident: incident.id,
            recipient: "noc@example.edu".to_owned(),
            step: Step::First,
            state: NoticeState::WouldSend,
            at: incident.body.last_end,
            matters: 1,
            peak: 5.08,
            last: incident.body.last,
            accepted: None,
        };
        assert_ne!(incident.body.state, State::Pending);
        update.notice(&notice).unwrap();
    }
    update.commit().unwrap();
}

/// Runs a command in turns, and prints the medians and the target.
fn contest(name: &str, turns: usize, command: &str, target: &str) {
    let me = std::env::current_exe().unwrap();
    let mut process = Process::new(name, 1.0, &["sh", "-c", command]);
    (0..turns.max(1)).for_each(|_| process.turn(&me));
    let (cpu, wall) = (process.cpu(), process.wall());
    println!("{name:36}{cpu:>9.3}{wall:>9.3}{:>10.1}  {target}", process.peak);
}

fn main() {
    let Some(options) = options() else { return };
    let dir = &options.dir;
    fs::create_dir_all(dir).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let now = |nth: u64| Timestamp::from_secs(window(nth).end() + 60).rfc3339();
    let nfnotify = |action: &str, db: &Path, more: &str| {
        let db = text(db);
        format!("NFKIT_CONFIG=/dev/null exec '{NFNOTIFY}' -q {action} --db '{db}' {more}")
    };
    let who = "--operator noc@example.edu --now";
    println!("{}, {} turns", load(), options.turns);
    println!("{:36}{:>9}{:>9}{:>10}", "nfnotify", "CPU s", "wall s", "peak MiB");

    let many = dir.join("many.findings");
    fs::write(&many, lines(0..1, 10_000)).unwrap();
    let memory = dir.join("memory");
    let db = memory.join("incidents.db");
    let clear = format!("rm -rf '{}'; ", text(&memory));
    let run = nfnotify("run", &db, &format!("{who} {} '{}'", now(0), text(&many)));
    let command = clear.clone() + &run;
    contest("10,000 findings of one window", options.turns, &command, "under 2 s, 100 MiB");
    let again = nfnotify("run", &db, &format!("{who} {} '{}'", now(0), text(&many)));
    contest("the same again", options.turns, &again, "");

    let slots: Vec<PathBuf> =
        (0..DAY).map(|nth| dir.join(format!("slot-{nth:03}.findings"))).collect();
    for (nth, slot) in (0..).zip(&slots) {
        fs::write(slot, lines(nth..nth + 1, 300)).unwrap();
    }
    let files: Vec<String> = slots.iter().map(|slot| format!("'{}'", text(slot))).collect();
    let run = nfnotify("run", &db, &format!("{who} {} {}", now(DAY - 1), files.join(" ")));
    contest("144 slots of 300 findings", options.turns, &(clear + &run), "");

    let db = dir.join("year/incidents.db");
    let at = now(DAY * DAYS - 1);
    if !db.exists() {
        year(&db);
        // The first run writes the files of the months.
        let mut first = Process::new(
            "first",
            1.0,
            &["sh", "-c", &nfnotify("run", &db, &format!("{who} {at}"))],
        );
        first.turn(&std::env::current_exe().unwrap());
    }
    let run = nfnotify("run", &db, &format!("{who} {at}"));
    contest("nothing new, a year of memory", options.turns, &run, "under 0.2 s");
    let slot = dir.join("next.findings");
    fs::write(&slot, lines(DAY * DAYS..DAY * DAYS + 1, 300)).unwrap();
    let copy = dir.join("copy");
    let fresh =
        format!("rm -rf '{0}'; cp -r '{1}' '{0}'; ", text(&copy), text(db.parent().unwrap()));
    let at = now(DAY * DAYS);
    let run = nfnotify("run", &copy.join("incidents.db"), &format!("{who} {at} '{}'", text(&slot)));
    contest("a copy, and a slot of 300 findings", options.turns / 3, &(fresh + &run), "");
    let backup = dir.join("backup.db");
    let run = nfnotify("backup", &db, &format!("'{}'", text(&backup)));
    let command = format!("rm -f '{}'; {run}", text(&backup));
    contest("a backup of the year", options.turns / 3, &command, "");
    contest("list", options.turns, &nfnotify("list", &db, ">/dev/null"), "");
    let size = fs::metadata(&db).unwrap().len() >> 20;
    println!("the year's database has {size} MiB");
}
