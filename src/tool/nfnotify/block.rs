//! `nfnotify block`: prints commands, and runs none.

use std::io::Write;

use anyhow::Context;
use clap::ValueEnum;

use super::Files;
use crate::cli::{Io, Nets, Status};
use crate::flow::Networks;
use crate::incident::block::{Commands, Device, Policy};

/// What `nfnotify block` is told.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Whose words the commands are in
    #[arg(long, value_enum, env = "NFKIT_DEVICE")]
    device: Dialect,
    /// Block only hosts in these networks: 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_MAY_BLOCK")]
    may_block: Nets,
    /// Never block these: routers, name servers, the admins' own machines
    #[arg(long, value_name = "NETS", env = "NFKIT_NEVER")]
    never: Option<Nets>,
    /// Print the commands that let the same hosts go again, those in --never included
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
    let may_block = Networks::new(args.may_block.load().context("--may-block")?);
    let never = match &args.never {
        // A host that was blocked before somebody listed it must not stay so.
        Some(nets) if !args.unblock => Networks::new(nets.load().context("--never")?),
        _ => Networks::default(),
    };
    let mut findings = args.files.read(io);
    let rows = findings.docket.findings();
    let plan = Policy { may_block, never }.plan(&rows);
    for (why, host) in &plan.refused {
        let host = host.text(false);
        let word = if args.unblock { "unblocked" } else { "blocked" };
        io.report.complain("hosts refused", format_args!("{host}: not {word}: {why}"));
    }
    let device = match args.device {
        Dialect::Ios => Device::Ios,
        Dialect::Nftables => Device::Nftables,
    };
    write!(io.out, "{}", Commands { device, plan: &plan, unblock: args.unblock })?;
    if plan.hosts.is_empty() {
        io.report.detail("no host to block");
    }
    Ok(if findings.failed { Status::Failed } else { Status::Done })
}
