//! `nfnotify block`: prints block commands, and runs none.

use std::io::Write;

use anyhow::Context;
use clap::ValueEnum;

use super::files::{Files, is_ahead};
use crate::block::{
    BlockPlan, Commands, Device, MAX_BLOCKED, MAX_FORGED, MAX_REFUSED, MAX_UNBLOCKED, Policy,
    Selection,
};
use crate::cli::{self, Io, Nets, Status, Usage};
use crate::finding::Item;
use crate::finding::words::{length, of};
use crate::time::{Latest, Timestamp};
use crate::tool::findings::{clock, gap, report_times};

/// The age of the newest window's end, in seconds, above which it is reported.
const FRESH: u64 = 3600;

/// The default of `--last` without `--unblock`, in seconds.
const LAST: u32 = 3600;

/// The arguments of `nfnotify block`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Write the commands for this device
    #[arg(long, value_enum, env = "NFKIT_DEVICE")]
    device: Dialect,
    /// Block only hosts in these networks, none wider than /8 (IPv6: /16):
    /// 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_MAY_BLOCK")]
    may_block: Nets,
    /// Never block these networks: routers, name servers, the admins' own machines
    #[arg(long, value_name = "NETS", env = "NFKIT_NEVER")]
    never: Option<Nets>,
    /// Use only windows that begin this long before the end of the newest, 0 for all [default: 1h;
    /// with --unblock: 0]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_seconds)]
    last: Option<u32>,
    /// Print the commands that unblock the hosts, those in --never included
    #[arg(long)]
    unblock: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialect {
    /// Cisco IOS: members of object-group network NFKIT and v6-network NFKIT6
    Ios,
    /// nft -f: elements of sets in the table inet nfkit
    Nftables,
}

/// Prints the commands.
///
/// # Errors
/// Fails if a file of networks cannot be read, if the input could not be read as a whole, or if its
/// times leave open which hosts attack now.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let mut selection = Selection::new(policy(args, io)?);
    let read = args.files.read(io, |item, is_aside| {
        if let Item::Finding(finding) = item {
            selection.finding(&finding, is_aside);
        }
    })?;
    let latest = read.timeline.latest();
    if !args.unblock {
        // An unread line may protect a host from being blocked.
        anyhow::ensure!(!read.failed, "nothing is printed until all files can be read");
        if let Some(Latest { newest, before: Some(before) }) = latest {
            anyhow::bail!(
                "{}; the hosts to block depend on it, so nothing is printed; give the right time, as in \
                 --now \"$(date +%s)\"",
                gap(before, newest)
            );
        }
    }
    if !args.unblock || !read.timeline.is_all_aside() {
        report_times(&read.timeline, "hosts of both are unblocked", io)?;
    }
    let is_ahead = !args.unblock && report_age(latest, args.files.now.time, io);
    let last = args.last.unwrap_or(if args.unblock { 0 } else { LAST });
    let plan = selection.plan(latest.map_or(0, |latest| latest.since(last)));
    let mut is_whole = report_plan(&plan, args.unblock, last, io);
    if is_ahead && plan.older > 0 {
        is_whole = false;
        io.report.error(
            "hosts are left out because the newest window lies in the future, and their attack may be \
             going on; give the right time, as in --now \"$(date +%s)\"",
        );
    }
    let device = match args.device {
        Dialect::Ios => Device::Ios,
        Dialect::Nftables => Device::Nftables,
    };
    write!(io.out, "{}", Commands { device, plan: &plan, unblock: args.unblock })?;
    Ok(if read.failed || !is_whole { Status::Failed } else { Status::Done })
}

/// Returns the rules by which hosts are blocked or unblocked.
fn policy(args: &Args, io: &mut Io) -> anyhow::Result<Policy> {
    let may_block = args.may_block.load().context("--may-block")?;
    anyhow::ensure!(!may_block.is_empty(), "--may-block: no network in it");
    if args.unblock {
        return Ok(Policy::unblock(may_block));
    }
    let never = args.never.as_ref().map(Nets::load).transpose().context("--never")?;
    if never.as_ref().is_some_and(Vec::is_empty) {
        io.report.warn("--never: no network in it");
    }
    Policy::block(may_block, never.unwrap_or_default())
        .map_err(|error| Usage(format!("--may-block: {error}")).into())
}

/// Warns if the newest window is old, because an attack that is over needs no block. Returns true if
/// the window begins after the clock and the user did not give `--now`.
fn report_age(latest: Option<Latest>, now: Option<Timestamp>, io: &mut Io) -> bool {
    let Some(Latest { newest, .. }) = latest else { return false };
    let is_ahead = is_ahead(latest, now);
    let start = newest.start_text();
    let age = now.unwrap_or_else(clock).secs().saturating_sub(newest.end());
    if age > FRESH {
        let age = match u32::try_from(age) {
            Ok(age) if age < 2 * 3600 => length(age - age % 60),
            Ok(age) if age < 2 * 86_400 => length(age - age % 3600),
            _ => format!("{} days", age / 86_400),
        };
        io.report.warn(format_args!(
            "the newest window of the input, {start}, ended {age} ago; its attacks may be over"
        ));
    }
    if is_ahead {
        io.report.warn(format_args!(
            "the newest window of the input, {start}, begins after this machine's clock; is \
             the clock right?"
        ));
    }
    is_ahead
}

/// Reports the hosts that are not blocked, and the reasons. Returns false if the plan is incomplete.
fn report_plan(plan: &BlockPlan, unblock: bool, last: u32, io: &mut Io) -> bool {
    let word = if unblock { "unblocked" } else { "blocked" };
    for (why, host) in &plan.refused {
        let host = host.text(false);
        io.report.complain("hosts refused", format_args!("{host}: not {word}: {why}"));
    }
    if plan.more_refused {
        io.report.warn(format_args!(
            "more than {MAX_REFUSED} hosts refused; only the gravest reasons are counted"
        ));
    }
    if plan.older > 0 {
        io.report.warn(format_args!(
            "not {word}, because they were not found in the last {} (--last): {}",
            length(last),
            of(plan.older as u64, "host")
        ));
    }
    let timeless = plan.hosts.values().filter(|reason| reason.window.is_none()).count();
    if timeless > 0 && !unblock {
        io.report.warn(format_args!(
            "blocked by findings of an unknown time, which may be over: {}",
            of(timeless as u64, "host")
        ));
    }
    if plan.undecided {
        io.report.error(format_args!(
            "more than {MAX_FORGED} addresses are marked forged, too many to tell which hosts are not; \
             no host is blocked; give findings of fewer windows"
        ));
    }
    if plan.left_out {
        let limit = if unblock { MAX_UNBLOCKED } else { MAX_BLOCKED };
        io.report.error(format_args!(
            "more than {limit} hosts; those with the oldest findings and the fewest flows are not \
             {word}; give findings of fewer windows"
        ));
    }
    if plan.hosts.is_empty() {
        io.report.detail(format_args!("no host to {}", word.trim_end_matches("ed")));
    }
    !plan.undecided && !plan.left_out
}
