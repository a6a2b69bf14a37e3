//! Measures the work and memory of nfpage: a cold build of 90 days with 1,000 incidents a day, the window after it,
//! and 100,000 forged sources in one window.
//!
//! `-r` sets the number of turns. With `--dir` the inputs and the site stay for the next run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads its arguments")]

mod bare;
#[path = "bare/findings.rs"]
mod findings;

use std::fs;
use std::path::Path;

use bare::load;
use bare::process::{Process, options};
use findings::{DAY, ends, finding, line};
use nfkit::finding::Side;

const NFPAGE: &str = env!("CARGO_BIN_EXE_nfpage");

/// Days of the site.
const DAYS: u64 = 90;

/// Incidents that begin on one day, and windows in which each is found.
const A_DAY: u64 = 1000;
const FOUND: u64 = 6;

/// Returns the files and bytes below a directory.
fn size(dir: &Path) -> (u64, u64) {
    let mut all = (0, 0);
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let meta = entry.metadata().unwrap();
        let (files, bytes) = if meta.is_dir() { size(&entry.path()) } else { (1, meta.len()) };
        all = (all.0 + files, all.1 + bytes);
    }
    all
}

/// Runs a command in turns, and prints the medians and what the site has then.
fn contest(name: &str, turns: usize, command: &str, site: &Path) {
    let me = std::env::current_exe().unwrap();
    let mut process = Process::new(name, 1.0, &["sh", "-c", command]);
    (0..turns.max(1)).for_each(|_| process.turn(&me));
    let (cpu, wall) = (process.cpu(), process.wall());
    let ((files, bytes), (_, store)) = (size(site), size(&site.with_extension("store")));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{name:40}{cpu:>8.2}{wall:>8.2}{:>9.1}{files:>8}{:>9.1}{:>9.1}",
        process.peak,
        mib(bytes),
        mib(store)
    );
}

fn main() {
    let Some(options) = options() else { return };
    let dir = &options.dir;
    fs::create_dir_all(dir).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let site = dir.join("site");
    let nfpage = |site: &Path, input: &Path| {
        format!("NFKIT_CONFIG=/dev/null exec '{NFPAGE}' -q -w '{}' '{}'", text(site), text(input))
    };
    println!("{}, {} turns", load(), options.turns);
    println!(
        "{:40}{:>8}{:>8}{:>9}{:>8}{:>9}{:>9}",
        "nfpage", "CPU s", "wall s", "peak MiB", "files", "site MiB", "store MiB"
    );
    let quarter = dir.join("quarter.findings");
    let mut lines = Vec::new();
    for day in 0..DAYS {
        for host in 0..A_DAY {
            for n in 0..FOUND {
                let nth = DAY * day + (host + n) % DAY;
                line(&finding(nth, A_DAY * day + host, Side::Inside), &mut lines);
            }
        }
        (DAY * day..DAY * (day + 1)).for_each(|nth| ends(nth, &mut lines));
    }
    fs::write(&quarter, &lines).unwrap();
    let clear = format!("rm -rf '{0}' '{0}.store'; ", text(&site));
    let cold = clear + &nfpage(&site, &quarter);
    contest("90 days, 1,000 incidents a day, cold", 1, &cold, &site);
    let again = nfpage(&site, Path::new("/dev/null"));
    contest("nothing new", options.turns, &again, &site);
    // Each turn has a window of its own.
    let next = dir.join("next");
    fs::create_dir_all(&next).unwrap();
    let turns = options.turns as u64;
    for n in 0..turns {
        let mut lines = Vec::new();
        let nth = DAY * DAYS + n;
        (0..50).for_each(|host| line(&finding(nth, 500_000 + host, Side::Inside), &mut lines));
        ends(nth, &mut lines);
        fs::write(next.join(n.to_string()), lines).unwrap();
    }
    let one = format!(
        "for file in '{}'/*; do NFKIT_CONFIG=/dev/null '{NFPAGE}' -q -w '{}' \"$file\"; rm \"$file\"; exit; done",
        text(&next),
        text(&site)
    );
    contest("one window with 50 incidents", options.turns, &one, &site);
    let forged = dir.join("forged.findings");
    let mut lines = Vec::new();
    (0..100_000).for_each(|host| line(&finding(0, host * 97, Side::Outside), &mut lines));
    line(&finding(0, 7, Side::Inside), &mut lines);
    ends(0, &mut lines);
    fs::write(&forged, lines).unwrap();
    let flood = dir.join("flood");
    let clear = format!("rm -rf '{0}' '{0}.store'; ", text(&flood));
    contest("100,000 forged scanners, cold", 1, &(clear + &nfpage(&flood, &forged)), &flood);
}
