//! The commands as their users meet them: run as processes, judged by what they print and how they
//! end. One module a tool, one for the manners that all share, one for whole paths, one against
//! other programs and one for the man pages; `harness` runs the commands.
//!
//! Golden files lie in `tests/data`: a capture beside the flow lines that it holds. Both are made
//! and compared by `golden`, and rewritten only with `NFKIT_BLESS=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// clippy of Rust 1.85 takes a closure's `return` for its function's, and misses that a child is waited for.
#![allow(clippy::zombie_processes)]

mod answers;
mod bounds;
mod detector;
mod dialects;
mod early;
mod every10;
mod fuzz;
mod golden;
mod harness;
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
mod quality;
mod recipes;
mod renamed;
