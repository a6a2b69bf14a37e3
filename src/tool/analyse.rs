//! `[analyse]` of the configuration file: the ten-minute job, and the options that it gives to the
//! detectors. The tables inside it, `[analyse.nfscan]` and its like, are those of the detectors' modules.

use crate::cli::config::{Key, Table};

/// The table `[analyse]`.
pub const ANALYSE: Table = Table {
    name: "analyse",
    keys: &[
        Key::path("spool", "The directory of the capture files to analyse"),
        Key::path("out", "The directory of the results"),
        Key::networks("survey", "Networks that scan openly for research"),
        Key::paths("feed", "Files of threat feeds: lists of hostile addresses and networks"),
        Key::flag("feed_any", "Any flow with a listed address counts, answered or not"),
        Key::size("memory", "The memory to count in"),
        Key::number("evidence", "The flow lines that are kept of each finding"),
    ],
    ..Table::PLAIN
};

/// The table `[analyse.keep]`.
pub const KEEP: Table = Table {
    name: "analyse.keep",
    keys: &[
        Key::duration("evidence", "The age from which on evidence is removed").without_option(),
        Key::duration("findings", "The age from which on findings are removed").without_option(),
    ],
    ..Table::PLAIN
};
