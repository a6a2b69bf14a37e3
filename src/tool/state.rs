//! `--state FILE`: what a detector remembers, kept whole whatever happens.
//!
//! One run at a time has the file, by a lock on a file beside it. It is replaced by renaming a whole new
//! one, so that a crash leaves the old one or the new one. A damaged one is set aside, and the detector
//! begins anew: it must not stop the next ten minutes from being judged.

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

/// Who owns findings may read it; it says who talks to whom.
const MODE: u32 = 0o640;

/// The most bytes of a state that are read, several times what the detectors' own bounds let one grow to.
/// Without this limit a file that someone else may write, and makes long and sparse, would take all memory.
const MAX: u64 = 1 << 30;

/// The file of a run, locked.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    tool: &'static str,
    /// The lock goes when the run does.
    _lock: Flock<File>,
}

impl Kept {
    /// Locks the file and reads it. A file that is not there is an empty state; so is a damaged one,
    /// after it was renamed to `FILE.bad` and told.
    ///
    /// # Errors
    /// A file that another run has, that is a link or no regular file, or that cannot be read or set aside.
    pub fn open<T: DeserializeOwned + Default>(
        path: &Path,
        tool: &'static str,
        io: &mut Io,
    ) -> anyhow::Result<(Kept, T)> {
        let name = path.display();
        // Looked at before the lock is made, so that a wrong name gets no lock beside it.
        open_regular(path, OpenOptions::new().read(true))?;
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
        let kept = Kept { path: path.to_owned(), tool, _lock: lock };
        let Some(file) = open_regular(path, OpenOptions::new().read(true))? else {
            return Ok((kept, T::default()));
        };
        let mut octets = Vec::new();
        file.take(MAX + 1).read_to_end(&mut octets).with_context(|| name.to_string())?;
        if octets.is_empty() {
            return Ok((kept, T::default()));
        }
        if octets.len() as u64 > MAX {
            anyhow::bail!("{name}: more than 1 GiB, the limit for a state; is it the right file?");
        }
        match state::read(tool, &octets) {
            Ok(state) => Ok((kept, state)),
            // Another command's file, or no state at all, was named by mistake: it stays as it is.
            Err(
                error @ (StateError::Foreign | StateError::Tool { .. } | StateError::Version(_)),
            ) => {
                anyhow::bail!("{name}: {error}")
            }
            Err(error) => {
                let aside = self::beside(path, ".bad");
                std::fs::rename(path, &aside).with_context(|| name.to_string())?;
                io.report.error(format_args!(
                    "{name}: {error}; it is now {}, and what was remembered is lost",
                    aside.display()
                ));
                Ok((kept, T::default()))
            }
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// A full disk, or a directory that cannot be written; the old file is as it was.
    pub fn save<T: Serialize>(&self, state: &T) -> anyhow::Result<()> {
        let name = || self.path.display().to_string();
        let octets = state::write(self.tool, state).with_context(name)?;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(dir).with_context(name)?;
        new.write_all(&octets).with_context(name)?;
        new.as_file().set_permissions(std::fs::Permissions::from_mode(MODE)).with_context(name)?;
        new.as_file().sync_all().with_context(name)?;
        new.persist(&self.path).with_context(name)?;
        // The rename itself is on the disk when its directory is.
        File::open(dir).and_then(|dir| dir.sync_all()).with_context(name)
    }
}

/// Opens a file, which must be a regular one, and never waits for it: a FIFO would hold the run for ever,
/// and a link could stand for any file of the user that runs the detector. Returns none if there is no file.
///
/// # Errors
/// A symbolic link, anything else that is no regular file, and what the system says.
fn open_regular(path: &Path, options: &mut OpenOptions) -> anyhow::Result<Option<File>> {
    let name = path.display();
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    match options.custom_flags(flags).open(path) {
        Ok(file) if file.metadata().is_ok_and(|of| of.is_file()) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            anyhow::bail!("{name}: a symbolic link is not followed; name the file itself")
        }
        // A FIFO that nobody reads, or a socket.
        Err(error) if error.raw_os_error() != Some(Errno::ENXIO as i32) => {
            Err(error).with_context(|| name.to_string())
        }
        _ => anyhow::bail!("{name}: not a regular file"),
    }
}

/// The same name with something after it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
