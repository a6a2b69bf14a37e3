//! Measures nf-every10 as cron runs it: a large slot, a run with nothing to do, and a day.
//!
//! `-r` sets the number of turns; the day has a third of them. With `--dir` the captures stay for the next run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bare::load;
use bare::process::{Process, options};
use nfkit::capture::spool;
use nfkit::time::Window;

const JOB: &str = env!("CARGO_BIN_EXE_nf-every10");
const INSIDE: [&str; 2] = ["--inside", "140.119.0.0/16"];

/// Slots of a year.
const YEAR: u64 = 365 * 144;

/// The start of the first slot of the year, 2001-07-01.
const START: u64 = 993_945_600;

/// Plays a campus into a spool, unless it is there.
fn played(spool: &Path, flows: u64, more: &[&str]) -> PathBuf {
    if !spool.exists() {
        let status = Command::new(env!("CARGO_BIN_EXE_nfgen"))
            .args(["-q", "campus", "--flows", &flows.to_string()])
            .args(more)
            .arg("-w")
            .arg(format!("{}/", spool.display()))
            .status();
        assert!(status.unwrap().success(), "nfgen failed");
    }
    spool.to_owned()
}

/// Returns all capture files of a spool, in time order.
fn captures(spool: &Path) -> Vec<PathBuf> {
    let mut dirs = vec![spool.to_owned()];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Runs the job once, and asserts that it succeeds.
fn run(spool: &Path, out: &Path) {
    let said = Command::new(JOB).args(INSIDE).args([spool, out]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// Makes a spool of a year whose files are all in the ledger.
fn year(spool: &Path, out: &Path) {
    let mut ledger = String::new();
    for n in 0..YEAR {
        let window = Window::new(START + 600 * n, 600).unwrap();
        let name = spool::file_name(window, 0);
        let file = spool.join(&name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
        let findings = out.join(name.to_str().unwrap().replace(".pcapng", ".findings"));
        fs::create_dir_all(findings.parent().unwrap()).unwrap();
        fs::write(findings, "#fields\twindow\n").unwrap();
        ledger.push_str(&format!("{}\t1\tdone\t{}\n", name.display(), window.start_text()));
    }
    fs::write(out.join("ledger"), ledger).unwrap();
    fs::write(out.join("health"), "").unwrap();
    run(spool, out);
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
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let job = |spool: &Path, out: &Path| {
        format!("exec '{JOB}' {} {} '{}' '{}'", INSIDE[0], INSIDE[1], text(spool), text(out))
    };
    println!("{}, {} turns", load(), options.turns);
    println!("{:36}{:>9}{:>9}{:>10}", "nf-every10", "CPU s", "wall s", "peak MiB");

    // The second of two slots, so that there is a state to begin with.
    let with = ["--with", "large=60000,flood,codered", "--for", "20m"];
    let large = played(&dir.join("large"), 2_000_000, &with);
    let (begun, out) = (dir.join("begun"), dir.join("out"));
    if !begun.exists() {
        let second = captures(&large).pop().unwrap();
        let aside = dir.join("aside");
        fs::rename(&second, &aside).unwrap();
        run(&large, &begun);
        fs::rename(&aside, &second).unwrap();
    }
    let again = format!("rm -rf '{0}'; cp -a '{1}' '{0}'; ", text(&out), text(&begun));
    let command = again + &job(&large, &out);
    contest("a slot of 1 M flows", options.turns, &command, "at most 1.1 CPU s, 400 MiB");
    // Its traffic is counted for a site.
    let config = dir.join("page.toml");
    fs::write(&config, "[page]\nwrite = 'site'\nhosts = ['140.119.1.0/24']\n").unwrap();
    let counted = format!("{command} --config '{}'", text(&config));
    contest("the same, with its traffic", options.turns, &counted, "at most 1.25 of that");
    let traffic = captures(&out).into_iter().filter(|path| text(path).ends_with("traffic.zst"));
    assert_eq!(traffic.count(), 1, "the traffic is not counted");

    let evidence = captures(&out).into_iter().filter(|path| text(path).ends_with("evidence.zst"));
    assert_eq!(evidence.count(), 2, "the attacks are not found");

    let (spool, out) = (dir.join("year"), dir.join("year-out"));
    if !out.exists() {
        year(&spool, &out);
    }
    let name = format!("nothing to do, {YEAR} files");
    contest(&name, options.turns, &job(&spool, &out), "under 0.3 CPU s");

    let day = played(&dir.join("day"), 144 * 60_000, &["--for", "24h"]);
    let out = dir.join("day-out");
    let command = format!("rm -rf '{}'; {}", text(&out), job(&day, &out));
    contest("144 slots of 60,000 flows", options.turns / 3, &command, "under 15 CPU s");
}
