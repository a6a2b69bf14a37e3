//! The store over real files. Each test has a directory of its own.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::contacts::NetworkKind;
use crate::finding::tests::finding;
use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::incident::{Changed, JournalRow, Machine, Mode, Outcome, Policy, Verdict};
use crate::time::Window;

mod bounds;
mod cuts;
mod files;
mod mail;
mod rows;
mod transfer;

const SECRET: Secret = [7; 32];
const WHOLE: Verdict = Verdict { is_whole: true, is_open: false };
const SLOT: u64 = 600;
const DAY: u64 = 86_400;
const KINDS: [Kind; 3] = [Kind::Scan, Kind::Flood, Kind::Port];

/// A new database, with the directory that it lies in.
struct Place {
    dir: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("incidents.db"), &SECRET).unwrap();
        Place { dir, store }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("incidents.db")
    }
}

fn window(nth: u64) -> Window {
    Window::new(1_000_000_200 + nth * SLOT, 600).unwrap()
}

/// Returns a finding of the inside host 10.0.0.`host` in a window.
fn scan(nth: u64, host: u8, flows: u64) -> Finding {
    Finding {
        window: Some(window(nth)),
        flows,
        why: format!("failed={flows}>=61"),
        ..finding([10, 0, 0, host], Kind::Scan, Role::Source)
    }
}

/// Takes in findings, and the marks of all three detectors on these windows.
fn ingest(store: &mut Store, findings: &[Finding], windows: &[u64]) -> Ingested {
    let mut ingest = store.ingest().unwrap();
    for finding in findings {
        ingest.finding(finding).unwrap();
    }
    for &nth in windows {
        KINDS.iter().for_each(|kind| ingest.end(*kind, window(nth), WHOLE).unwrap());
    }
    ingest.commit().unwrap()
}

/// Steps through all that waits, as a run does.
fn step(store: &mut Store, now: u64) -> Outcome {
    let (policy, kind) = (Policy::new(Vec::new()), |_: Host| NetworkKind::Static);
    let mut update = store.update(now, Mode::Shadow).unwrap();
    let known = update.incidents_to_step().unwrap();
    let (newest, next_id) = (update.newest().unwrap(), update.next_id().unwrap());
    let mut machine = Machine::new(known, newest, next_id, &policy, &kind);
    for window in update.windows().unwrap() {
        machine.step(&update.judged(window).unwrap());
        update.stepped(window).unwrap();
    }
    let outcome = machine.finish();
    update.outcome(&outcome).unwrap();
    update.commit().unwrap();
    outcome
}

/// Returns a row of the journal that is of no incident.
fn row(data: u64, to: &str) -> JournalRow {
    JournalRow {
        incident: None,
        data,
        actor: "ann".to_owned(),
        what: Changed::Memory,
        from: "-".to_owned(),
        to: to.to_owned(),
        reason: "a test".to_owned(),
    }
}

/// Returns all that a database holds.
fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.export(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Returns the error of opening a file, which must be the same for all ways to open it.
fn refusal(path: &Path) -> Error {
    let error = Store::open(path).unwrap_err();
    let of_reader = Store::open_read(path).unwrap_err();
    assert_eq!(error.to_string(), of_reader.to_string());
    error
}
