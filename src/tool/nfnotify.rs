//! nfnotify: reads finding lines and prints mails or block commands.

use clap::{Parser, Subcommand};

use super::site::SITE;
use crate::cli::{Arguments, Common, Io, Status, Table};

mod block;
mod files;
mod mail;
mod settings;
mod tables;

pub use settings::{HookCommand, Settings};
pub use tables::{HOOK, INCIDENT, POLICY};

/// Tell those who are responsible for a host, or print the commands that block it.
///
/// Reads findings of nfscan, nfflood and nfport, nfkit-finding(5), as text or JSON.
#[derive(Debug, Parser)]
#[command(name = "nfnotify", version, max_term_width = 100, propagate_version = true)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write one mail to each person who is responsible for a host with findings
    Mail(mail::Args),
    /// Print the commands that block the inside hosts that attack, and those that unblock them
    Block(block::Args),
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&SITE, &INCIDENT, &POLICY, &HOOK];

    /// Returns `[site]` alone for `mail` and `block`, which remember nothing.
    fn tables(subcommand: Option<&str>) -> &'static [&'static Table] {
        if is_filter(subcommand) { &[&SITE] } else { Self::TABLES }
    }

    fn reads_default_file(subcommand: Option<&str>) -> bool {
        !is_filter(subcommand)
    }
}

/// Returns true for the subcommands that remember nothing, and without one.
fn is_filter(subcommand: Option<&str>) -> bool {
    matches!(subcommand, None | Some("mail" | "block"))
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Runs nfnotify.
///
/// # Errors
/// Fails if an argument cannot be carried out or stdout cannot be written.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    match &args.action {
        Action::Mail(mail) => mail::run(mail, io),
        Action::Block(block) => block::run(block, io),
    }
}
