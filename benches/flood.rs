//! Speed of nfflood and nfport on flow lines with floods, worms and guessed passwords.
//!
//! The input is a campus with times, in which servers are flooded in several ways, hosts are infected and
//! passwords are guessed. Before anything is timed, each command must find the attacks, and print the same
//! with `--memory 128M` as without. The options are those of the bench `total`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use std::path::Path;

use bare::process::{Process, contest, options, played, text};

const NFSCAN: &str = env!("CARGO_BIN_EXE_nfscan");
const NFFLOOD: &str = env!("CARGO_BIN_EXE_nfflood");
const NFPORT: &str = env!("CARGO_BIN_EXE_nfport");
const INSIDE: [&str; 2] = ["--inside", "140.119.0.0/16"];

/// Number of flows for which each kind of attack is played once.
const SHARE: usize = 1_000_000;

/// Returns the attacks for an input of this many flows, in the form of nfgen's `--with`.
fn attackers(flows: usize) -> String {
    let times = flows.div_ceil(SHARE).min(20);
    ["flood=5000", "botnet=5000", "forged=5000", "reflected=3000", "codered=5000", "guess"]
        .map(|kind| format!("{kind}x{times}"))
        .join(",")
}

/// Returns the number of findings in the output of a command.
fn findings(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty() && !l.starts_with(b"#")).count()
}

fn main() {
    let Some(options) = options() else { return };
    let flows = options.flows;
    let with = attackers(flows);
    let file = options.dir.join(format!("flood-{flows}.flows"));
    let file = played(&file, flows, &["--with", &with], &["--fields", "+start,end,flags"]);
    let path = file.to_str().unwrap();
    let command =
        |tool: &'static str, more: &[&'static str]| [&[tool][..], &INSIDE, more, &[path]].concat();
    let times = flows.div_ceil(SHARE).min(20);
    for (tool, least) in [(NFFLOOD, 4 * times), (NFPORT, 2 * times)] {
        let plain = text(&command(tool, &[]));
        assert!(findings(&plain) >= least, "{tool}: too few attacks were found");
        assert!(
            plain == text(&command(tool, &["--memory", "128M"])),
            "{tool}: --memory changes the findings"
        );
    }
    println!("{flows} flows with {with}");
    let way = |tool: &'static str, more: &[&'static str]| {
        let name = Path::new(tool).file_name().unwrap().to_str().unwrap();
        let name = [&[name], more].concat().join(" ");
        Process::new(&name, flows as f64, &command(tool, more))
    };
    let ways = vec![
        way(NFFLOOD, &[]),
        way(NFFLOOD, &["--memory", "128M"]),
        way(NFFLOOD, &["--live"]),
        way(NFPORT, &[]),
        way(NFPORT, &["--memory", "128M"]),
    ];
    contest(ways, flows, options.turns);
    println!();
    let ways =
        vec![way(NFSCAN, &["--paper"]), way(NFFLOOD, &["--paper"]), way(NFPORT, &["--paper"])];
    contest(ways, flows, options.turns);
}
