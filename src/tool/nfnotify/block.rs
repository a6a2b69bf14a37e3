//! `nfnotify block`: prints commands, and runs none.

use std::io::Write;

use anyhow::Context;
use clap::ValueEnum;

use super::Files;
use crate::cli::{self, Io, Nets, Status, Usage};
use crate::finding::Item;
use crate::finding::words::{length, of};
use crate::incident::block::{
    BlockPlan, Commands, Device, MAX_BLOCKED, MAX_FORGED, MAX_REFUSED, MAX_UNBLOCKED, Policy,
    Selection,
};
use crate::time::{Latest, Timestamp};
use crate::tool::findings::{clock, gap, tell_times};

/// The age in seconds up to which nothing is said of the newest window's end.
const FRESH: u64 = 3600;

/// `--last` without `--unblock`, in seconds.
const LAST: u32 = 3600;

/// What `nfnotify block` is told.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Whose words the commands are in
    #[arg(long, value_enum, env = "NFKIT_DEVICE")]
    device: Dialect,
    /// Block only hosts in these networks, none wider than /8 (IPv6: /16):
    /// 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_MAY_BLOCK")]
    may_block: Nets,
    /// Never block these: routers, name servers, the admins' own machines
    #[arg(long, value_name = "NETS", env = "NFKIT_NEVER")]
    never: Option<Nets>,
    /// Only by windows that begin this long before the end of the newest, 0 for all [default: 1h;
    /// with --unblock: 0]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_seconds)]
    last: Option<u32>,
    /// Print the commands that let the hosts go again, those in --never included
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

pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let mut selection = Selection::new(policy(args, io)?);
    let read = args.files.read(io, |item, is_aside| {
        if let Item::Finding(finding) = item {
            selection.finding(&finding, is_aside);
        }
    })?;
    let latest = read.timeline.latest();
    if !args.unblock {
        // A line that protects somebody may be in what could not be read.
        anyhow::ensure!(!read.failed, "nothing is printed until all files can be read");
        if let Some(Latest { newest, before: Some(before) }) = latest {
            anyhow::bail!(
                "{}; whom to block depends on it, so nothing is printed; say the right time, as by \
                 --now \"$(date +%s)\"",
                gap(before, newest)
            );
        }
    }
    if !args.unblock || !read.timeline.is_all_aside() {
        tell_times(&read.timeline, "hosts of both are let go", io)?;
    }
    let is_ahead = !args.unblock && tell_age(latest, args.files.now.time, io);
    let last = args.last.unwrap_or(if args.unblock { 0 } else { LAST });
    let plan = selection.plan(latest.map_or(0, |latest| latest.since(last)));
    let mut is_whole = tell(&plan, args.unblock, last, io);
    if is_ahead && plan.older > 0 {
        is_whole = false;
        io.report.error(
            "hosts are left out by a newest window that lies in the future, and their attack may be \
             going on: say the right time, as by --now \"$(date +%s)\"",
        );
    }
    let device = match args.device {
        Dialect::Ios => Device::Ios,
        Dialect::Nftables => Device::Nftables,
    };
    write!(io.out, "{}", Commands { device, plan: &plan, unblock: args.unblock })?;
    Ok(if read.failed || !is_whole { Status::Failed } else { Status::Done })
}

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

/// Says on stderr if the input is not of this time: an attack that is over needs no block. Returns true
/// if the newest window begins after the clock, and the user did not say what time it is.
fn tell_age(latest: Option<Latest>, now: Option<Timestamp>, io: &mut Io) -> bool {
    let Some(Latest { newest, .. }) = latest else { return false };
    let (given, now) = (now.is_some(), now.unwrap_or_else(clock));
    let start = newest.start_text();
    let age = now.secs().saturating_sub(newest.end());
    if age > FRESH {
        let age = match u32::try_from(age) {
            Ok(age) if age < 2 * 3600 => length(age - age % 60),
            Ok(age) if age < 2 * 86_400 => length(age - age % 3600),
            _ => format!("{} days", age / 86_400),
        };
        io.report.warn(format_args!(
            "the newest window of the input, {start}, ended {age} ago: what it shows may be over"
        ));
    }
    let is_ahead = !given && newest.is_ahead_of(now);
    if is_ahead {
        io.report.warn(format_args!(
            "the newest window of the input, {start}, begins after this machine's clock: which of \
             them is wrong?"
        ));
    }
    is_ahead
}

/// Says on stderr who is not blocked, and why. Returns false if the plan is not the whole one.
fn tell(plan: &BlockPlan, unblock: bool, last: u32, io: &mut Io) -> bool {
    let word = if unblock { "unblocked" } else { "blocked" };
    for (why, host) in &plan.refused {
        let host = host.text(false);
        io.report.complain("hosts refused", format_args!("{host}: not {word}: {why}"));
    }
    if plan.more_refused {
        io.report.warn(format_args!(
            "more than {MAX_REFUSED} hosts refused: only the gravest reasons are counted"
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
            "more than {MAX_FORGED} addresses are marked forged, too many to tell who is not one of \
             them: nobody is blocked; give findings of fewer windows"
        ));
    }
    if plan.left_out {
        let limit = if unblock { MAX_UNBLOCKED } else { MAX_BLOCKED };
        io.report.error(format_args!(
            "more than {limit} hosts: those with the oldest findings and the fewest flows are not \
             {word}; give findings of fewer windows"
        ));
    }
    if plan.hosts.is_empty() {
        io.report.detail(format_args!("no host to {}", word.trim_end_matches("ed")));
    }
    !plan.undecided && !plan.left_out
}
