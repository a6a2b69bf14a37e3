//! `--state FILE`: the memory of a detector between two runs.
//!
//! A lock on a file beside it gives the state file to one run at a time. The file is replaced by renaming
//! a complete new one, so that a crash leaves either the old one or the new one. A damaged file is set
//! aside and the detector starts with an empty memory, because it must not stop the next ten minutes from
//! being judged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::Io;
use crate::detect::state::{self, StateError};

/// The mode of the file. The file shows which hosts talk to each other, so only its owner and group may
/// read it.
const MODE: u32 = 0o640;

/// The most bytes of a state that are read, several times the size that the detectors' own bounds allow.
/// Without this limit a long sparse file, made by somebody else who may write it, would take all memory.
const MAX: u64 = 1 << 30;

/// The reason why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is no state of this command and version. It is left alone, because it may have been named
    /// by mistake.
    #[error("{0}")]
    Unfit(String),
    /// The file is in use, or the system refuses it.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl From<anyhow::Error> for OpenError {
    fn from(error: anyhow::Error) -> OpenError {
        OpenError::Other(error)
    }
}

/// A state file, locked until it is dropped.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    tool: &'static str,
    _lock: Flock<File>,
}

impl StateFile {
    /// Locks and reads the file. A missing file is an empty state. A damaged one is renamed to `FILE.bad`
    /// and reported, and is an empty state too.
    ///
    /// # Errors
    /// Fails if another run holds the lock, or if the file is a link or not a regular file, or cannot be
    /// read or set aside.
    pub fn open<T: DeserializeOwned + Default>(
        path: &Path,
        tool: &'static str,
        io: &mut Io,
    ) -> Result<(StateFile, T), OpenError> {
        let name = path.display();
        // The file is checked before the lock is created, so that no lock is left beside a wrong name.
        open_state(path)?;
        let beside = beside(path, ".lock");
        let lock = open_regular(
            &beside,
            OpenOptions::new().create(true).truncate(false).write(true).mode(MODE),
        )?
        .ok_or_else(|| anyhow::anyhow!("{}: no such directory", beside.display()))?;
        let lock =
            Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(
                |(_, errno)| match errno {
                    Errno::EWOULDBLOCK => {
                        anyhow::anyhow!("{name}: another {tool} has it")
                    }
                    errno => anyhow::anyhow!("{}: {errno}", beside.display()),
                },
            )?;
        let kept = StateFile { path: path.to_owned(), tool, _lock: lock };
        let Some(file) = open_state(path)? else {
            return Ok((kept, T::default()));
        };
        let mut bytes = Vec::new();
        file.take(MAX + 1).read_to_end(&mut bytes).with_context(|| name.to_string())?;
        if bytes.is_empty() {
            return Ok((kept, T::default()));
        }
        if bytes.len() as u64 > MAX {
            return Err(OpenError::Unfit(format!(
                "{name}: more than 1 GiB, the limit for a state; is it the right file?"
            )));
        }
        match state::read(tool, &bytes) {
            Ok(state) => Ok((kept, state)),
            // The file of another command, or no state at all, was named by mistake and is left alone.
            Err(
                error @ (StateError::Foreign | StateError::Tool { .. } | StateError::Version(_)),
            ) => Err(OpenError::Unfit(format!("{name}: {error}"))),
            Err(error) => {
                let aside = self::beside(path, ".bad");
                std::fs::rename(path, &aside).with_context(|| name.to_string())?;
                io.report.error(format_args!(
                    "{name}: {error}; the file is now {}, and its memory is lost",
                    aside.display()
                ));
                Ok((kept, T::default()))
            }
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// Fails if the disk is full or the directory cannot be written; the old file then stays.
    pub fn save<T: Serialize>(&self, state: &T) -> anyhow::Result<()> {
        let name = || self.path.display().to_string();
        let bytes = state::write(self.tool, state).with_context(name)?;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(dir).with_context(name)?;
        new.write_all(&bytes).with_context(name)?;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(MODE)).with_context(name)?;
        new.as_file().sync_all().with_context(name)?;
        new.persist(&self.path).with_context(name)?;
        // The rename itself is on the disk once its directory is.
        File::open(dir).and_then(|dir| dir.sync_all()).with_context(name)
    }
}

/// Opens a state file for reading, and returns `None` if there is none.
///
/// # Errors
/// See [`open_regular`]; something that is no regular file is unfit.
fn open_state(path: &Path) -> Result<Option<File>, OpenError> {
    let unfit = || std::fs::symlink_metadata(path).is_ok_and(|of| !of.is_file());
    open_regular(path, OpenOptions::new().read(true)).map_err(|error| {
        if unfit() { OpenError::Unfit(format!("{error:#}")) } else { OpenError::Other(error) }
    })
}

/// Opens a regular file without waiting, and returns `None` if there is none. A FIFO would hold the run
/// for ever, and a link could lead to any file of the user that runs the detector.
///
/// # Errors
/// Fails at a symbolic link, anything else that is not a regular file, and errors of the system.
fn open_regular(path: &Path, options: &mut OpenOptions) -> anyhow::Result<Option<File>> {
    let name = path.display();
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    match options.custom_flags(flags).open(path) {
        Ok(file) if file.metadata().is_ok_and(|of| of.is_file()) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            anyhow::bail!("{name}: a symbolic link is not followed; name the file itself")
        }
        // A FIFO without a reader, or a socket.
        Err(error) if error.raw_os_error() != Some(Errno::ENXIO as i32) => {
            Err(error).with_context(|| name.to_string())
        }
        _ => anyhow::bail!("{name}: not a regular file"),
    }
}

/// Returns the path with `suffix` appended to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
