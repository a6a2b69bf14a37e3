//! Measures nfscan as its users run it, on inputs of three sizes.
//!
//! The input is a campus in nine columns, with a scanner of 60,000 addresses for each half a million flows. Before
//! anything is measured, nfscan must find the scanners, and print the same with 128 MiB of memory as with more. The
//! options are those of the bench `total`; `-n` is the middle size.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bare::process::{Process, contest, options, played, text};

const NFSCAN: &str = env!("CARGO_BIN_EXE_nfscan");
const INSIDE: [&str; 2] = ["--inside", "140.119.0.0/16"];

/// Flows for each scanner.
const SHARE: usize = 500_000;

/// Returns the number of distinct pairs of hosts and protocol.
fn pairs(file: &Path) -> usize {
    let mut seen = HashSet::new();
    for line in BufReader::new(File::open(file).unwrap()).lines() {
        let line = line.unwrap();
        let cells: Vec<_> = line.split('\t').collect();
        let address = |cell: &str| u32::from(cell.parse::<std::net::Ipv4Addr>().unwrap());
        let (a, b) = (address(cells[1]), address(cells[2]));
        seen.insert((a.min(b), a.max(b), cells[4].parse::<u8>().unwrap()));
    }
    seen.len()
}

fn main() {
    let Some(options) = options() else { return };
    for flows in [options.flows / 10, options.flows, options.flows * 3] {
        // nfgen plays at most 100 at once.
        let scanners = (flows / SHARE).clamp(1, 100);
        let with = format!("large=60000x{scanners}");
        let file = played(
            &options.dir.join(format!("scan-{flows}.flows")),
            flows,
            &["--with", &with],
            &["-N"],
        );
        let path = file.to_str().unwrap();
        let command = |more: &[&'static str]| [&[NFSCAN][..], &INSIDE, more, &[path]].concat();
        let plain = text(&command(&[]));
        let found = plain.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
        assert!(found.count() > scanners, "the scanners are not found");
        assert!(plain == text(&command(&["--memory", "128M"])), "memory changes what is found");
        println!("{flows} flows of {} pairs, {scanners} scanners", pairs(&file));
        let way = |name, more: &[&'static str]| Process::new(name, flows as f64, &command(more));
        let ways = vec![
            way("nfscan", &[]),
            way("nfscan --memory 128M", &["--memory", "128M"]),
            way("nfscan --paper", &["--paper"]),
        ];
        contest(ways, flows, options.turns);
        println!();
    }
}
