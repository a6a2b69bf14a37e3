//! The commands, one module each, with their arguments and a function `run`.
//!
//! Only here do the layers meet: a command opens the files that its arguments name, passes flows from
//! one module to the next and reports errors on stderr. The common parts of several commands lie
//! beside them, such as [`detector`] for the three that read flow lines and print findings.

use crate::cli::Table;

pub mod analyse;
mod calibration;
mod decode;
#[expect(clippy::disallowed_methods, reason = "an open window is judged at most once a second")]
pub mod detector;
mod feeds;
mod findings;
mod inside;
pub mod nf_every10;
pub mod nfcap;
#[expect(clippy::disallowed_methods, reason = "--since and --until may be relative to now")]
pub mod nfdump_txt;
pub mod nfflood;
pub mod nfgen;
pub mod nfgrep;
pub mod nfnotify;
pub mod nfpage;
pub mod nfport;
pub mod nfscan;
pub mod nftop;
pub mod page_table;
mod replace;
pub mod site;
mod state;
mod windowed;

/// All tables of the configuration file, whichever command reads them.
pub const TABLES: &[&Table] = &[
    &site::SITE,
    &nfcap::COLLECT,
    &analyse::ANALYSE,
    &analyse::KEEP,
    &nfscan::TABLE,
    &nfflood::TABLE,
    &nfport::TABLE,
    &nfnotify::INCIDENT,
    &nfnotify::MAIL,
    &nfnotify::POLICY,
    &nfnotify::HOOK,
    &page_table::PAGE,
];
