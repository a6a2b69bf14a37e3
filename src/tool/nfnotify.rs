//! nfnotify: reads finding lines and prints mails or block commands.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Parser, Subcommand};

use super::nfcap::COLLECT;
use super::site::SITE;
use crate::cli::{Arguments, Common, Config, Io, Status, Table};

mod block;
mod change;
mod feed;
mod files;
mod freeze;
mod history;
mod hooks;
mod list;
mod mail;
mod memory;
mod metrics;
mod never;
mod outbox;
mod owners;
mod person;
mod pipes;
mod place;
mod plan;
mod policy;
mod publish;
mod receive;
mod records;
mod rows;
mod run;
mod send;
mod settings;
mod setup;
mod show;
mod tables;
mod test;
mod transfer;
mod way;

pub use never::{wide_exporter_text, wide_exporters};
pub use run::{Ran, WayState};
pub use settings::{HookCommand, Settings};
pub use tables::{HOOK, INCIDENT, MAIL, POLICY};

use place::Place;
use tables::DB;

/// Remember findings as incidents, tell those who are responsible for a host, or print the commands that
/// block it.
///
/// Reads findings of nfscan, nfflood and nfport, nfkit-finding(5), as text or JSON. mail and block remember
/// nothing.
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
    /// Take in findings, bring incidents up to date, and say what follows
    Run(run::Args),
    /// Show what a run would do now, and what the runs after it
    Plan(plan::Args),
    /// List the incidents that are going on
    List(list::Args),
    /// Show all that is known of an incident
    Show(show::Args),
    /// List all incidents of a host since the beginning, or the journal of all
    History(history::Args),
    /// Show the line of the policy that holds for a host, and why
    Policy(policy::Args),
    /// Close an incident, because it is dealt with
    Resolve(change::ResolveArgs),
    /// Note that the owner deals with an incident
    Claim(change::ClaimArgs),
    /// Tell nobody of an incident, or of one matter of it, for a while
    Ignore(change::IgnoreArgs),
    /// Block no further host for a while
    Freeze(freeze::Args),
    /// Take one mail from a mail server's alias: a delivery report, or a reply
    Receive(receive::Args),
    /// Send the operator a mail, and try the way by which answers come back
    Test(test::Args),
    /// Copy the memory to a file
    Backup(transfer::BackupArgs),
    /// Write the memory as lines of JSON
    Export(transfer::ExportArgs),
    /// Fill an empty memory from a backup or an export
    Import(transfer::ImportArgs),
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&SITE, &INCIDENT, &MAIL, &POLICY, &HOOK];

    /// Returns `[site]` alone for `mail` and `block`, which remember nothing. A fault of the policy is none of
    /// the commands that only look at the memory or copy it.
    fn tables(subcommand: Option<&str>) -> &'static [&'static Table] {
        match subcommand {
            Some("list" | "show" | "history" | "backup" | "export") => &[&SITE, &INCIDENT],
            _ if is_filter(subcommand) => &[&SITE],
            _ => Self::TABLES,
        }
    }

    /// Returns the table that the never list takes exporters from.
    fn other_tables(subcommand: Option<&str>) -> &'static [&'static Table] {
        if is_filter(subcommand) { &[] } else { OTHER_TABLES }
    }

    fn reads_default_file(subcommand: Option<&str>) -> bool {
        !is_filter(subcommand)
    }
}

/// The tables of other commands that those which remember look into. Their `metrics_file` and the like are not
/// ours.
const OTHER_TABLES: &[&Table] = &[&COLLECT];

/// Returns true for the subcommands that remember nothing, and without one.
fn is_filter(subcommand: Option<&str>) -> bool {
    matches!(subcommand, None | Some("mail" | "block"))
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Returns the file of the incidents for readers, nfkit-incident(5), by the configuration.
pub fn incidents_file(config: &Config) -> PathBuf {
    let db = config.get(&INCIDENT, "db").map_or_else(|| DB.to_owned(), |db| db.text());
    Place::of(Path::new(&db)).file(memory::CURRENT)
}

/// Runs nfnotify.
///
/// # Errors
/// Fails if an argument cannot be carried out or stdout cannot be written.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    match &args.action {
        Action::Mail(mail) => mail::run(mail, io),
        Action::Block(block) => block::run(block, io),
        Action::Run(run) => run::run(run, io),
        Action::Plan(plan) => plan::run(plan, io),
        Action::List(list) => list::run(list, io),
        Action::Show(show) => show::run(show, io),
        Action::History(history) => history::run(history, io),
        Action::Policy(policy) => policy::run(policy, io),
        Action::Resolve(resolve) => change::resolve(resolve, io),
        Action::Claim(claim) => change::claim(claim, io),
        Action::Ignore(ignore) => change::ignore(ignore, io),
        Action::Freeze(freeze) => freeze::run(freeze, io),
        Action::Receive(receive) => receive::run(receive, io),
        Action::Test(test) => test::run(test, io),
        Action::Backup(backup) => transfer::backup(backup, io),
        Action::Export(export) => transfer::export(export, io),
        Action::Import(import) => transfer::import(import, io),
    }
}

/// Does what `nfnotify run` does for a command that gives it findings.
///
/// # Errors
/// Fails as the command does, and if the arguments are those of another subcommand or the configuration has
/// faults.
pub fn remember(args: Args, io: &mut Io) -> anyhow::Result<Ran> {
    let Action::Run(run) = &args.action else { bail!("not the arguments of nfnotify run") };
    // Without its conditions a line of the policy would hold for all hosts.
    if let Some(table) =
        Args::TABLES.iter().chain(OTHER_TABLES).find(|table| !io.config.is_sound(table))
    {
        bail!("{} of the configuration has faults, so nothing was done", table.heading());
    }
    run::remember(run, io)
}
