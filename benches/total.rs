//! Runs nftop as its users do, beside other programs that answer the same question.
//!
//! The question: which addresses sent the most bytes, and how many flows, packets and bytes? Before
//! any time is measured, programs that can print all keys must print the same lines.
//!
//! Options, after `--`: `-n FLOWS`, `-r TURNS`, `--dir DIR` for the flow lines, which stay there,
//! `--python PYTHON` with duckdb and polars, `--peers FILE` with other programs to run, one a
//! line: a name, the number of flows that it reads, a command for sh, separated by TABs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use bare::process::{Process, contest, nine, options, peers, text};

const NFTOP: &str = env!("CARGO_BIN_EXE_nftop");

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/totals.py");

/// The ten sources with the most bytes.
const MAWK: &str = r#"mawk -F'\t' '{ n[$2]++; p[$2] += $8; o[$2] += $9 }
    END { for (k in n) printf "%s\t%d\t%d\t%d\n", k, n[k], p[k], o[k] }' FLOWS |
    sort -t'	' -k4,4nr -k1,1 | head -n 10"#;

/// Returns the lines of a text, each of key, flows, packets and bytes, in ascending order.
fn sorted(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// Returns nftop's lines of all keys, in the form of the other programs.
fn all_keys(per: &str, file: &str) -> Vec<String> {
    let printed = text(&[NFTOP, "-N", "-n", "0", "--per", per, file]);
    let four = |line: &str| line.split('\t').skip(2).take(4).collect::<Vec<_>>().join("\t");
    let mut lines: Vec<_> = String::from_utf8_lossy(&printed).lines().map(four).collect();
    lines.sort_unstable();
    lines
}

fn main() {
    let Some(options) = options() else { return };
    let flows = options.flows;
    let file = nine(&options.dir, flows);
    let path = file.to_str().unwrap();

    let flows_read = flows as f64;
    let mut ways = vec![
        Process::new("nftop --per sip", flows_read, &[NFTOP, "--per", "sip", path]),
        Process::new("nftop --per addr", flows_read, &[NFTOP, path]),
        Process::new("nftop --per pair", flows_read, &[NFTOP, "--per", "pair", path]),
        Process::new("nftop --by peers", flows_read, &[NFTOP, "--by", "peers", path]),
    ];
    if let Some(python) = &options.python {
        for engine in ["duckdb", "polars"] {
            for key in ["sip", "addr"] {
                let command = [python.as_str(), PYTHON, engine, key, path];
                let all = text(&[&command[..], &["all"]].concat());
                let (theirs, ours) = (sorted(&all), all_keys(key, path));
                assert!(theirs == ours, "{engine} and nftop differ per {key}");
                println!(
                    "{engine} and nftop count the same for each of {} keys per {key}",
                    ours.len()
                );
                ways.push(Process::new(&format!("{engine}, {key}"), flows_read, &command));
            }
        }
    }
    if flows <= 2_000_000 {
        let command = MAWK.replace("FLOWS", path);
        ways.push(Process::new("mawk, sip", flows_read, &["sh", "-c", &command]));
    }
    ways.extend(peers(options.peers.as_deref()));
    contest(ways, flows, options.turns);
}
