//! Inputs that are no files: they are read to their end before the memory is locked.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempPath;

use crate::cli::{Input, Io};

/// The files of a run, each pipe with its content in a temporary file.
#[derive(Debug)]
pub(super) struct Pipes {
    /// The paths, in their order.
    pub files: Vec<PathBuf>,
    /// The temporary files, which are removed when this is dropped.
    _kept: Vec<TempPath>,
}

impl Pipes {
    /// Reads all inputs that are no regular files, standard input among them. The disk bounds them.
    ///
    /// # Errors
    /// An input that cannot be read, or a disk without room.
    pub fn read(paths: &[PathBuf], io: &mut Io) -> anyhow::Result<Pipes> {
        let mut pipes = Pipes { files: Vec::new(), _kept: Vec::new() };
        for path in paths {
            // One that cannot be opened is told of later, with the others.
            if path.metadata().is_ok_and(|of| of.is_file()) && path != Path::new("-") {
                pipes.files.push(path.clone());
                continue;
            }
            let name = || path.display().to_string();
            let Ok(mut input) = Input::open(path, &io.out) else {
                pipes.files.push(path.clone());
                continue;
            };
            let mut kept = tempfile::NamedTempFile::new().with_context(name)?;
            io::copy(&mut input, kept.as_file_mut()).with_context(name)?;
            let kept = kept.into_temp_path();
            pipes.files.push(kept.to_path_buf());
            pipes._kept.push(kept);
        }
        Ok(pipes)
    }
}
