//! OUT: the directory of all results. Each file is replaced whole, and is on the disk before anything says
//! that it is there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The mode of files. They hold personal data.
const FILE_MODE: u32 = 0o640;
/// The mode of directories.
const DIR_MODE: u32 = 0o750;
/// Bytes that must still fit for work to go on.
const ROOM: usize = 1 << 20;

/// The directory of the results, by its real path.
#[derive(Clone, Debug)]
pub(super) struct OutDir(PathBuf);

impl OutDir {
    /// Opens the directory, and creates it if it does not exist.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(path: &Path) -> io::Result<OutDir> {
        create_dirs(path)?;
        Ok(OutDir(path.canonicalize()?))
    }

    /// Returns the path of the directory itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file or directory in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the path of a temporary file. The directory of these is emptied when a run begins.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.0.join(".nf-every10").join(name)
    }

    /// Removes what a run left that was killed, and makes an empty directory for temporary files.
    ///
    /// # Errors
    /// The system's error.
    pub fn clear_scratch(&self) -> io::Result<()> {
        self.remove_scratch()?;
        DirBuilder::new().mode(DIR_MODE).create(self.scratch(""))
    }

    /// Removes the directory of temporary files.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove_scratch(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.scratch("")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Creates a temporary file, replacing an older one.
    ///
    /// # Errors
    /// The system's error.
    pub fn create_scratch(&self, name: &str) -> io::Result<File> {
        create(&self.scratch(name))
    }

    /// Replaces a file, so that a reader sees the old or the new one. The directory is not yet synced.
    ///
    /// # Errors
    /// The system's error; the old file then stays.
    pub fn replace(&self, name: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create_scratch("new")?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.place("new", name)
    }

    /// Moves a complete temporary file to its place. The directory is not yet synced.
    ///
    /// # Errors
    /// The system's error.
    pub fn place(&self, scratch: &str, name: impl AsRef<Path>) -> io::Result<()> {
        fs::rename(self.scratch(scratch), self.path(name))
    }

    /// Replaces a file unless it has this content already.
    ///
    /// # Errors
    /// The system's error.
    pub fn update(&self, name: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
        let name = name.as_ref();
        match fs::read(self.path(name)) {
            Ok(old) if old == bytes => Ok(()),
            _ => self.replace(name, bytes),
        }
    }

    /// Appends a whole line or more to a file and waits until the disk has them. A line that a crash tore
    /// is not joined to the first.
    ///
    /// # Errors
    /// The system's error. The file is then as long as before, so that no line is in it twice after another
    /// attempt.
    pub fn append(&self, name: &str, lines: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let is_torn = !ends_a_line(&path)?;
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(FILE_MODE).open(path)?;
        let all = if is_torn { [b"\n", lines].concat() } else { lines.to_vec() };
        let len = file.metadata()?.len();
        let written = file.write_all(&all).and_then(|()| file.sync_all());
        if written.is_err() {
            // If this fails as well, the part that is there does no harm.
            _ = file.set_len(len);
        }
        written
    }

    /// Returns true if the disk takes some more. The blocks must be there, not just promised.
    pub fn has_room(&self) -> bool {
        let probe = || {
            let mut file = self.create_scratch("probe")?;
            file.write_all(&vec![0; ROOM])?;
            file.sync_all()
        };
        let result: io::Result<()> = probe();
        let removed = fs::remove_file(self.scratch("probe"));
        result.is_ok() && removed.is_ok()
    }

    /// Waits until the disk has the names of a directory.
    ///
    /// # Errors
    /// The system's error.
    pub fn sync(&self, dir: impl AsRef<Path>) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }
}

/// Creates a directory with its parents.
///
/// # Errors
/// The system's error.
pub(super) fn create_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// Removes a file if it is there.
///
/// # Errors
/// The system's error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Reads a file, and returns nothing if it does not exist.
///
/// # Errors
/// The system's error.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

/// Returns true if a file is missing, empty or ends with a newline.
fn ends_a_line(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out() -> (tempfile::TempDir, OutDir) {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(&dir.path().join("deep/out")).unwrap();
        out.clear_scratch().unwrap();
        (dir, out)
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next() {
        let (_dir, out) = out();
        out.append("ledger", b"one\n").unwrap();
        fs::write(out.path("ledger"), "one\ntw").unwrap();
        out.append("ledger", b"three\n").unwrap();
        assert_eq!(fs::read_to_string(out.path("ledger")).unwrap(), "one\ntw\nthree\n");
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_if_it_differs() {
        let (_dir, out) = out();
        out.replace("current", b"old").unwrap();
        let before = fs::metadata(out.path("current")).unwrap();
        out.update("current", b"old").unwrap();
        let inode = |of: &fs::Metadata| std::os::unix::fs::MetadataExt::ino(of);
        assert_eq!(inode(&before), inode(&fs::metadata(out.path("current")).unwrap()));
        out.update("current", b"new").unwrap();
        assert_eq!(fs::read(out.path("current")).unwrap(), b"new");
        assert!(out.has_room());
        assert!(!out.scratch("probe").exists());
    }
}
