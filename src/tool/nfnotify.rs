//! nfnotify: finding lines in, mails and block commands out.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueHint};

use super::findings::{self, InputKinds, NO_FINDINGS, Now};
use crate::cli::{Common, Input, Io, Status};
use crate::finding::Item;
use crate::time::Timeline;

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
    #[command(flatten)]
    now: Now,
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

/// The result of reading all files, beside their lines.
struct InputTimes {
    timeline: Timeline,
    /// A file could not be read to its end.
    failed: bool,
}

impl Files {
    /// Reads all files and gives each finding and closing mark to `take`, with true if its window is
    /// set aside.
    ///
    /// # Errors
    /// Input that has lines but is no finding input.
    fn read(&self, io: &mut Io, mut take: impl FnMut(Item, bool)) -> anyhow::Result<InputTimes> {
        let mut read = InputTimes { timeline: Timeline::new(self.now.time), failed: false };
        let mut seen = InputKinds::default();
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { stdin.as_slice() } else { self.files.as_slice() };
        for path in files {
            let result = file(path, &mut seen, io, |item| {
                if let Some(window) = item.window() {
                    let is_aside = !read.timeline.note(window);
                    take(item, is_aside);
                }
            });
            if let Err(error) = result {
                read.failed = true;
                io.report.error(format_args!("{}: {error}", path.display()));
            }
        }
        anyhow::ensure!(!seen.is_something_else(), NO_FINDINGS);
        Ok(read)
    }
}

/// Reads one file.
fn file(
    path: &Path,
    seen: &mut InputKinds,
    io: &mut Io,
    mut take: impl FnMut(Item),
) -> std::io::Result<()> {
    let input = Input::open(path, &io.out)?;
    let name = input.name.clone();
    let mut lines = findings::Findings::new(input, seen);
    while let Some((number, item)) = lines.next()? {
        match item {
            Ok(item) => take(item),
            Err(error) => {
                io.report.complain("bad lines", format_args!("{name}:{number}: {error}"));
            }
        }
    }
    Ok(())
}
