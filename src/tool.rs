//! One module per command: its arguments, and what it does with them.
//!
//! A tool is the only place where the layers meet: it opens what the arguments name, passes flows
//! from one room to the next and says on stderr what went wrong on the way. What several tools do
//! alike lies beside them, such as [`detector`] for the three that read flow lines and print
//! findings.

mod calibration;
pub mod detector;
mod findings;
pub mod nfcap;
pub mod nfdump_txt;
pub mod nfflood;
pub mod nfgen;
pub mod nfgrep;
pub mod nfnotify;
pub mod nfpage;
pub mod nfport;
pub mod nfscan;
pub mod nftop;
mod state;
mod windowed;
