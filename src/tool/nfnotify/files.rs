//! The findings that nfnotify reads.

use std::path::{Path, PathBuf};

use clap::ValueHint;

use crate::cli::{Input, Io};
use crate::finding::Item;
use crate::time::{Latest, Timeline, Timestamp};
use crate::tool::findings::{InputKinds, NO_FINDINGS, Now, ReadError, clock, read_findings};

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
    /// Number of lines that were not understood.
    pub bad_lines: u64,
}

/// A file, and the name by which messages call it.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub path: PathBuf,
    pub name: String,
}

impl NamedFile {
    /// Returns a file that messages call by its path.
    pub fn new(path: &Path) -> NamedFile {
        NamedFile { path: path.to_owned(), name: path.display().to_string() }
    }
}

impl Files {
    /// Reads all files and gives each finding and closing mark to `take`, with true if its window is
    /// set aside.
    ///
    /// # Errors
    /// Fails if the input has lines but no findings.
    pub fn read(&self, io: &mut Io, take: impl FnMut(Item, bool)) -> anyhow::Result<InputTimes> {
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { stdin.as_slice() } else { self.files.as_slice() };
        let files: Vec<NamedFile> = files.iter().map(|path| NamedFile::new(path)).collect();
        read_all(&files, self.now.time, io, take)
    }
}

/// Returns true if the newest window begins after the machine's clock, and the user did not give `now`.
pub(super) fn is_ahead(latest: Option<Latest>, now: Option<Timestamp>) -> bool {
    now.is_none() && latest.is_some_and(|latest| latest.newest.is_ahead_of(clock()))
}

/// Reads files as [`Files::read`] does. Windows that begin more than one slot after `now` are set aside.
///
/// # Errors
/// See [`Files::read`].
pub(super) fn read_all(
    files: &[NamedFile],
    now: Option<Timestamp>,
    io: &mut Io,
    mut take: impl FnMut(Item, bool),
) -> anyhow::Result<InputTimes> {
    let mut read = InputTimes { timeline: Timeline::new(now), failed: false, bad_lines: 0 };
    let mut seen = InputKinds::default();
    for file in files {
        let result = read_file(file, &mut seen, io, |item| {
            let Some(item) = item else {
                read.bad_lines += 1;
                return;
            };
            if let Some(window) = item.window() {
                let is_aside = !read.timeline.note(window);
                take(item, is_aside);
            }
        });
        match result {
            Ok(()) => {}
            Err(ReadError::Input(error)) => {
                read.failed = true;
                io.report.error(format_args!("{}: {error}", file.name));
            }
            Err(ReadError::Stop(error)) => return Err(error),
        }
    }
    anyhow::ensure!(!seen.is_something_else(), NO_FINDINGS);
    Ok(read)
}

fn read_file(
    file: &NamedFile,
    seen: &mut InputKinds,
    io: &mut Io,
    mut take: impl FnMut(Option<Item>),
) -> Result<(), ReadError> {
    let mut input = Input::open(&file.path, &io.out).map_err(ReadError::Input)?;
    input.name.clone_from(&file.name);
    read_findings(input, false, seen, io, |item| {
        take(item);
        Ok(())
    })
}
