//! The directory of the memory: its lock, and the files in it that are replaced whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// The mode of the directory: whoever makes a file in it shares it with the group.
const DIR_MODE: u32 = 0o2770;
/// The mode of files for readers.
const FILE_MODE: u32 = 0o640;

/// The file that is locked by whoever changes the memory.
pub(super) const LOCK: &str = "incidents.lock";

/// The beginning of the names of temporary files.
const TEMPORARY: &str = ".nfnotify.";

/// The time between two attempts to take the lock.
const BETWEEN: Duration = Duration::from_millis(50);

/// The directory that holds the database and the files beside it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    db: PathBuf,
    dir: PathBuf,
}

/// The lock of the memory. It ends with the process that holds it, even if that is killed.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held until it is dropped")] Flock<File>);

impl Place {
    /// Returns the place of a database.
    pub fn of(db: &Path) -> Place {
        let dir = around(db.parent().unwrap_or(Path::new("")));
        Place { db: db.to_owned(), dir: dir.to_owned() }
    }

    /// Returns the path of the database.
    pub fn db(&self) -> &Path {
        &self.db
    }

    /// Returns the path of a file beside the database.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Creates the directory if it does not exist.
    ///
    /// # Errors
    /// The system's error, with the path.
    pub fn create(&self) -> anyhow::Result<()> {
        create_dir(&self.dir).with_context(|| self.dir.display().to_string())
    }

    /// Takes a lock, and waits for it at most `wait`. Returns `None` if another process has it.
    ///
    /// # Errors
    /// The system's error, with the path.
    #[expect(clippy::disallowed_methods, reason = "the time that is waited")]
    pub fn lock(&self, name: &str, wait: Duration) -> anyhow::Result<Option<Lock>> {
        let path = self.file(name);
        let name = || path.display().to_string();
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o660)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&path)
            .with_context(name)?;
        // The umask does not hold: the group must be able to write. Only the owner can say so, and has.
        _ = file.set_permissions(fs::Permissions::from_mode(0o660));
        let began = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Some(Lock(lock))),
                Err((given_back, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                    if began.elapsed() >= wait {
                        return Ok(None);
                    }
                    file = given_back;
                    thread::sleep(BETWEEN.min(wait));
                }
                Err((_, errno)) => return Err(io::Error::from(errno)).with_context(name),
            }
        }
    }

    /// Gives files and directories of an earlier memory other names, because those of a new one would replace
    /// them: `NAME.1`, or the next number that is free.
    ///
    /// # Errors
    /// The system's error, with the path.
    pub fn set_aside(&self, names: &[&str]) -> anyhow::Result<()> {
        for path in names.iter().map(|name| self.file(name)) {
            if fs::symlink_metadata(&path).is_err() {
                continue;
            }
            let numbered = |number: u32| {
                let mut name = path.clone().into_os_string();
                name.push(format!(".{number}"));
                PathBuf::from(name)
            };
            let free = (1..).map(numbered).find(|path| fs::symlink_metadata(path).is_err());
            let free = free.unwrap_or_else(|| numbered(0));
            fs::rename(&path, &free).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Removes what a command left that was killed while it replaced a file, here and in the directory `below`.
    /// The caller must hold the lock.
    pub fn clear(&self, below: &str) {
        for dir in [&self.dir, &self.dir.join(below)] {
            let Ok(entries) = fs::read_dir(dir) else { continue };
            for entry in entries.flatten() {
                if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
                    // One that stays does no harm.
                    _ = fs::remove_file(entry.path());
                }
            }
        }
    }

    /// Replaces a file unless it has this content already, so that a reader sees the old or the new one.
    /// Returns true if it was replaced.
    ///
    /// # Errors
    /// The system's error, with the path; the old file then stays.
    pub fn update(&self, name: &str, bytes: &[u8]) -> anyhow::Result<bool> {
        let path = self.file(name);
        replace(&path, bytes).with_context(|| path.display().to_string())
    }
}

/// Creates a directory with its parents if it does not exist, for the group of the directory around it.
///
/// # Errors
/// The system's error.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)?;
    // Neither the umask nor mkdir(2)'s way with the bit that hands the group on holds here.
    fs::set_permissions(path, fs::Permissions::from_mode(DIR_MODE))?;
    // A file in it that reached the disk is lost with a directory that did not.
    path.parent().map_or(Ok(()), |parent| File::open(around(parent))?.sync_all())
}

/// Returns the path of a directory, which is empty for the working directory.
fn around(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

/// Replaces a file of readers unless it has this content already. Returns true if it was replaced.
///
/// # Errors
/// The system's error; the old file then stays.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    replace_with_mode(path, bytes, FILE_MODE)
}

/// Replaces a file as [`replace`] does, by one with these permissions, whatever the umask.
///
/// # Errors
/// See [`replace`].
pub(super) fn replace_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    if has_content(path, bytes) {
        return Ok(false);
    }
    let dir = around(path.parent().unwrap_or(Path::new("")));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(dir)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()?;
    Ok(true)
}

/// Returns true if a regular file has this content. Anything else in its place, such as a FIFO, is not opened:
/// it could hold up the run for ever.
fn has_content(path: &Path, bytes: &[u8]) -> bool {
    let has_length = |meta: fs::Metadata| meta.is_file() && meta.len() == bytes.len() as u64;
    fs::symlink_metadata(path).is_ok_and(has_length)
        && File::open(path).is_ok_and(|file| starts_with(file, bytes).unwrap_or(false))
}

/// Returns true if a file begins with these bytes, and reads a part of it at a time.
fn starts_with(mut file: File, mut bytes: &[u8]) -> io::Result<bool> {
    let mut part = vec![0; 1 << 16];
    while !bytes.is_empty() {
        let count = file.read(&mut part)?;
        match (part.get(..count), bytes.split_at_checked(count)) {
            (Some(part), Some((first, rest))) if count > 0 && part == first => bytes = rest,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_given_to_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(&dir.path().join("deep/er/incidents.db"));
        place.create().unwrap();
        let mode = fs::metadata(dir.path().join("deep/er")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, DIR_MODE);
        let first = place.lock(LOCK, Duration::ZERO).unwrap().unwrap();
        assert!(place.lock(LOCK, Duration::from_millis(120)).unwrap().is_none());
        let waiting = {
            let place = place.clone();
            thread::spawn(move || place.lock(LOCK, Duration::from_secs(60)).unwrap().is_some())
        };
        drop(first);
        assert!(waiting.join().unwrap());
        // A link in its place could lead anywhere.
        fs::remove_file(place.file("incidents.lock")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", place.file("incidents.lock")).unwrap();
        let error = format!("{:#}", place.lock(LOCK, Duration::ZERO).unwrap_err());
        assert!(error.contains("incidents.lock: Too many levels"), "{error}");
    }

    #[test]
    fn what_a_kill_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(&dir.path().join("incidents.db"));
        place.clear("closed");
        fs::create_dir(place.file("closed")).unwrap();
        for name in ["a", ".nfnotify.x", "closed/b", "closed/.nfnotify.y"] {
            fs::write(place.file(name), "").unwrap();
        }
        place.clear("closed");
        let left = ["a", ".nfnotify.x", "closed/b", "closed/.nfnotify.y"]
            .map(|name| place.file(name).exists());
        assert_eq!(left, [true, false, true, false]);
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_if_it_differs() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(&dir.path().join("incidents.db"));
        assert!(place.update("a", b"one").unwrap());
        assert!(!place.update("a", b"one").unwrap());
        assert!(place.update("a", b"two").unwrap());
        let mode = fs::metadata(place.file("a")).unwrap().permissions().mode();
        assert_eq!(
            (fs::read(place.file("a")).unwrap(), mode & 0o777),
            (b"two".to_vec(), FILE_MODE)
        );
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(files.len(), 1);
        let error = Place::of(Path::new("/proc/x.db")).update("a", b"").unwrap_err();
        assert!(format!("{error:#}").starts_with("/proc/a: "), "{error:#}");
        assert_eq!(Place::of(Path::new("x.db")).file("a"), Path::new("./a"));
    }
}
