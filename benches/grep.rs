//! Runs nfgrep as its users do, beside other programs that answer the same question.
//!
//! The question: how many TCP flows of more than three packets to or from port 80 come from one
//! network? Before any time is measured, all programs must print the same number. The options are
//! those of the bench `total`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock and its arguments")]

mod bare;

use bare::process::{Process, contest, nine, options, peers, text};

const NFGREP: &str = env!("CARGO_BIN_EXE_nfgrep");

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/chosen.py");

const WORDS: &str = "proto tcp and port 80 and src net 140.119.0.0/16 and packets > 3";

/// Ten terms, all of which most flows pass.
const TEN: &str = "(tcp or udp) and not src net 10.0.0.0/8 and port != 25 and packets < 1M \
    and octets > 20 and not host 192.0.2.1 and dst net 0.0.0.0/0 and src port > 0 and if != 99 \
    and not if 98";

const MAWK: &str = r#"mawk -F'\t' '$5 == 6 && ($6 == 80 || $7 == 80) && $2 ~ /^140\.119\./ && $8 > 3 { n++ }
    END { print n }' FLOWS"#;

fn main() {
    let Some(options) = options() else { return };
    let flows = options.flows;
    let file = nine(&options.dir, flows);
    let path = file.to_str().unwrap();

    let count = |command: &[&str]| String::from_utf8(text(command)).unwrap().trim().to_owned();
    let ours = count(&[NFGREP, "-c", WORDS, path]);
    println!("{ours} of {flows} flows match");
    let all = flows as f64;
    let mut ways = vec![
        Process::new("nfgrep -c", all, &[NFGREP, "-c", WORDS, path]),
        Process::new("nfgrep, lines", all, &[NFGREP, WORDS, path]),
        Process::new("nfgrep, ten terms, lines", all, &[NFGREP, TEN, path]),
        Process::new("nfgrep any, lines", all, &[NFGREP, "any", path]),
    ];
    let mut others = vec![(
        "mawk".to_owned(),
        vec!["sh".to_owned(), "-c".to_owned(), MAWK.replace("FLOWS", path)],
    )];
    if let Some(python) = &options.python {
        for engine in ["duckdb", "polars"] {
            let command = [python.as_str(), PYTHON, engine, path].map(str::to_owned);
            others.push((engine.to_owned(), command.to_vec()));
        }
    }
    for (name, command) in &others {
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        assert_eq!(count(&command), ours, "{name} prints another count");
        ways.push(Process::new(name, all, &command));
    }
    ways.extend(peers(options.peers.as_deref()));
    contest(ways, flows, options.turns);
}
