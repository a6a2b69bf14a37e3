//! nfnotify: finding lines in, mails and block commands out.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueHint};

use super::findings;
use crate::cli::{Common, Input, Io, Status};
use crate::finding::Item;
use crate::incident::{Docket, LIMIT};
use crate::time::Mark;

mod block;
mod mail;

/// Tell those who are responsible for a host, or print the commands that block it.
///
/// Reads findings, nfkit-finding(5), of all three detectors, as text or JSON.
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

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// What both actions read.
#[derive(Clone, Debug, ClapArgs)]
struct Files {
    /// Files of finding lines, gzip or zstd undone; stdin if there is none or for -
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
}

/// Runs nfnotify.
///
/// # Errors
/// What stops the command: an argument that cannot be carried out, a full disk.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    match &args.action {
        Action::Mail(mail) => mail::run(mail, io),
        Action::Block(block) => block::run(block, io),
    }
}

/// Everything that the files say, each finding once.
struct Findings {
    docket: Docket,
    /// A file could not be read, or none of the lines was a finding or a mark.
    failed: bool,
}

impl Files {
    fn read(&self, io: &mut Io) -> Findings {
        let mut findings = Findings { docket: Docket::new(), failed: false };
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { stdin.as_slice() } else { self.files.as_slice() };
        let (mut good, mut bad) = (false, false);
        for path in files {
            if let Err(error) = file(path, &mut findings.docket, (&mut good, &mut bad), io) {
                findings.failed = true;
                io.report.error(format_args!("{}: {error}", path.display()));
            }
        }
        findings.failed |= bad && !good;
        // Asked, so that what is beyond the limit is known.
        findings.docket.findings();
        if findings.docket.left_out() {
            findings.failed = true;
            io.report.error(format_args!(
                "more than {LIMIT} findings: those with the fewest flows are left out"
            ));
        }
        findings
    }
}

/// Reads one file. `seen`: whether a line could be read, and whether one could not.
fn file(
    path: &Path,
    docket: &mut Docket,
    seen: (&mut bool, &mut bool),
    io: &mut Io,
) -> std::io::Result<()> {
    let input = Input::open(path, &io.out)?;
    let name = input.name.clone();
    let mut lines = findings::Findings::new(input);
    let (good, bad) = seen;
    while let Some((number, item)) = lines.next()? {
        match item {
            Ok(Item::Finding(finding)) => {
                *good = true;
                docket.finding(*finding);
            }
            Ok(Item::Mark(mark)) => {
                *good = true;
                if let Mark::End(end) = mark {
                    docket.end(&end);
                }
            }
            Err(error) => {
                *bad = true;
                io.report.complain("bad lines", format_args!("{name}:{number}: {error}"));
            }
        }
    }
    Ok(())
}
