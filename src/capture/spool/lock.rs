//! The lock that keeps a second collector out of a spool: both would write the same slots.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// Name of the locked file, which holds the number of the process that has the lock.
const NAME: &str = ".nfcap.lock";

/// The lock of a spool (flock(2)). It ends with the process that holds it, even if that is killed.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
    spool: PathBuf,
}

/// The reason why a spool cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error("{}: in use by {}", spool.display(), match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    })]
    Held {
        /// The spool.
        spool: PathBuf,
        /// Number of the process, if it has written that into the file.
        pid: Option<u32>,
    },
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The spool or the file in it.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Lock {
    /// Locks a spool, and creates it if it does not exist.
    ///
    /// # Errors
    /// Another process holds the lock, or a system call failed.
    pub fn take(spool: &Path) -> Result<Lock, LockError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| LockError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o750).create(spool).map_err(failed(spool))?;
        let path = spool.join(NAME);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).mode(0o640);
        // If others can write to the spool, the name may be a link, or a FIFO that blocks.
        let options = options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let mut file = options.open(&path).map_err(failed(&path))?;
        if !file.metadata().map_err(failed(&path))?.is_file() {
            return Err(failed(&path)(io::Error::other("not a regular file")));
        }
        // The holder writes its number at once, so there is no wait for one that is missing.
        let mut text = String::new();
        _ = Read::by_ref(&mut file).take(20).read_to_string(&mut text);
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                let pid = text.trim().parse().ok();
                return Err(LockError::Held { spool: spool.to_owned(), pid });
            }
            Err((_, errno)) => return Err(failed(&path)(errno.into())),
        };
        let mut write = || {
            file.set_len(0)?;
            io::Seek::rewind(&mut *file)?;
            writeln!(file, "{}", std::process::id())
        };
        // A full disk must not stop a collector: the lock holds without the number.
        _ = write();
        Ok(Lock { file, spool: spool.to_owned() })
    }

    /// Locks the spool again if the spool or the locked file was removed or moved. Returns true if
    /// that was needed.
    ///
    /// # Errors
    /// Another process was faster, or a system call failed.
    pub fn renew(&mut self) -> Result<bool, LockError> {
        let ours = self.file.metadata().map(|data| (data.dev(), data.ino()));
        let there =
            fs::symlink_metadata(self.spool.join(NAME)).map(|data| (data.dev(), data.ino()));
        if ours.is_ok() && ours.ok() == there.ok() {
            return Ok(false);
        }
        *self = Lock::take(&self.spool)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_process_learns_which_one_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("a/spool");
        let lock = Lock::take(&spool).unwrap();
        let error = Lock::take(&spool).unwrap_err();
        let me = std::process::id();
        assert!(matches!(error, LockError::Held { pid: Some(pid), .. } if pid == me), "{error}");
        assert!(error.to_string().ends_with(&format!("spool: in use by process {me}")), "{error}");
        drop(lock);
        let mut lock = Lock::take(&spool).unwrap();
        assert!(!lock.renew().unwrap());
        fs::remove_dir_all(&spool).unwrap();
        assert!(lock.renew().unwrap());
        assert!(matches!(Lock::take(&spool), Err(LockError::Held { .. })));
        fs::remove_dir_all(&spool).unwrap();
        let other = Lock::take(&spool).unwrap();
        assert!(matches!(lock.renew(), Err(LockError::Held { .. })));
        drop(other);
        let path = dir.path().join(NAME);
        std::os::unix::fs::symlink(dir.path().join("victim"), &path).unwrap();
        assert!(Lock::take(dir.path()).is_err() && !dir.path().join("victim").exists());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Lock::take(dir.path()).unwrap_err().to_string().ends_with("not a regular file"));
        let error = Lock::take(Path::new("/proc/nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("/proc/nowhere: "), "{error}");
    }
}
