//! Tests of the commands as their users run them: as processes, judged by output and exit status.
//!
//! Each command has a module. `detector` tests what the three detectors share, `manners` what all
//! commands share, `pipeline` commands joined by pipes, `peers`, `oracle` and `live` the comparison
//! with other programs, `postfix` the ways of mail through a real server, `quality` the accuracy of the
//! detectors, `man` and `prose` the texts. `harness` runs the commands.
//!
//! Golden files lie in `tests/data`: captures, and the flow lines that they decode to. `golden` makes
//! and compares both, and rewrites them only with `NFKIT_BLESS=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// clippy of Rust 1.85 mistakes a closure's `return` for its function's, and then misses the `wait`
// for a child.
#![allow(clippy::zombie_processes)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests wait for commands, and read switches such as NFKIT_BLESS"
)]

mod answers;
mod bounds;
mod browser;
mod config;
mod detector;
mod dialects;
mod early;
mod every10;
mod feed;
mod fuzz;
mod golden;
mod harness;
mod incident;
mod live;
mod man;
mod manners;
mod metamorphic;
mod nfcap;
mod nfdump_txt;
mod nfflood;
mod nfgen;
mod nfgrep;
mod nfnotify;
mod nfpage;
mod nfport;
mod nfscan;
mod nftop;
mod oracle;
mod peers;
mod pipeline;
mod postfix;
mod prose;
mod quality;
mod recipes;
mod renamed;
mod site;
