//! The input of both actions of nfnotify.

use std::path::{Path, PathBuf};

use clap::ValueHint;

use crate::cli::{Input, Io};
use crate::finding::Item;
use crate::time::{Timeline, Timestamp};
use crate::tool::findings::{InputKinds, NO_FINDINGS, Now, ReadError, read_findings};

/// The arguments that name the input.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Files {
    /// Read findings from these files, decompressed if need be; without one, or for -, from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub now: Now,
}

/// The result of reading all files, beside their lines.
pub(super) struct InputTimes {
    /// The windows of the input.
    pub timeline: Timeline,
    /// True if a file could not be read to its end.
    pub failed: bool,
}

impl Files {
    /// Returns the input of these files; windows that begin more than one slot after `now` are set aside.
    pub fn new(files: Vec<PathBuf>, now: Timestamp) -> Files {
        Files { files, now: Now { time: Some(now) } }
    }

    /// Reads all files and gives each finding and closing mark to `take`, with true if its window is
    /// set aside.
    ///
    /// # Errors
    /// Fails if the input has lines but no findings.
    pub fn read(
        &self,
        io: &mut Io,
        mut take: impl FnMut(Item, bool),
    ) -> anyhow::Result<InputTimes> {
        let mut read = InputTimes { timeline: Timeline::new(self.now.time), failed: false };
        let mut seen = InputKinds::default();
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { stdin.as_slice() } else { self.files.as_slice() };
        for path in files {
            let result = read_file(path, &mut seen, io, |item| {
                if let Some(window) = item.window() {
                    let is_aside = !read.timeline.note(window);
                    take(item, is_aside);
                }
            });
            match result {
                Ok(()) => {}
                Err(ReadError::Input(error)) => {
                    read.failed = true;
                    io.report.error(format_args!("{}: {error}", path.display()));
                }
                Err(ReadError::Stop(error)) => return Err(error),
            }
        }
        anyhow::ensure!(!seen.is_something_else(), NO_FINDINGS);
        Ok(read)
    }
}

fn read_file(
    path: &Path,
    seen: &mut InputKinds,
    io: &mut Io,
    mut take: impl FnMut(Item),
) -> Result<(), ReadError> {
    let input = Input::open(path, &io.out).map_err(ReadError::Input)?;
    read_findings(input, false, seen, io, |item| {
        if let Some(item) = item {
            take(item);
        }
        Ok(())
    })
}
