//! Inputs that are no files: they are read to their end before the memory is locked.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempPath;

use super::files::NamedFile;
use crate::cli::{Input, Io};

/// The files of a run, each pipe with its content in a temporary file.
#[derive(Debug)]
pub(super) struct Pipes {
    /// The paths, in their order.
    pub files: Vec<NamedFile>,
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
            let mut file = NamedFile::new(path);
            let is_pipe = path == Path::new("-") || path.metadata().is_ok_and(|of| !of.is_file());
            // `read_all` reports an input that cannot be opened.
            if let Some(mut input) = is_pipe.then(|| Input::open(path, &io.out).ok()).flatten() {
                let name = || file.name.clone();
                let mut kept = tempfile::NamedTempFile::new().with_context(name)?;
                io::copy(&mut input, kept.as_file_mut()).with_context(name)?;
                let kept = kept.into_temp_path();
                file.path = kept.to_path_buf();
                pipes._kept.push(kept);
            }
            pipes.files.push(file);
        }
        Ok(pipes)
    }
}
