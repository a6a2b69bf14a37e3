//! A slot's file while it is written, and how it gets its name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::name::{COMPRESSED, Compression, MAX_FILES, file_name};
use crate::time::Window;

/// A slot's file while it is written: `.NAME.part`, with mode 0640 because flow records are personal
/// data. The caller compresses; `compression` only makes the name.
///
/// If it is dropped without [`finish`](SlotFile::finish), the part stays as it is. Readers skip parts,
/// and no collector appends to one.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
    part: PathBuf,
    spool: PathBuf,
    slot: Window,
    n: u32,
    compression: Compression,
}

/// An error: a slot's file could not be created or finished.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct SlotFileError {
    /// Path of the file or directory.
    pub path: PathBuf,
    /// The system's error. The message includes it, so `source()` does not return it.
    pub error: io::Error,
}

impl SlotFileError {
    /// Returns true if the cause belongs to this slot: names that are taken, or a file in place of a
    /// directory. Another slot may have no such error.
    pub fn is_of_the_slot(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory)
    }
}

impl SlotFile {
    /// Returns the part that another process left behind as a file that can be finished.
    pub(super) fn adopt(
        part: PathBuf,
        spool: PathBuf,
        slot: Window,
        n: u32,
        compression: Compression,
    ) -> io::Result<SlotFile> {
        Ok(SlotFile { file: File::open(&part)?, part, spool, slot, n, compression })
    }

    /// Creates the file and the directories above it, under the slot's first number that no file and
    /// no part has.
    ///
    /// # Errors
    /// The system's error with the path; the slot has 10,000 files already.
    pub fn create(
        spool: &Path,
        slot: Window,
        compression: Compression,
    ) -> Result<SlotFile, SlotFileError> {
        let spool = spool.to_owned();
        for n in 0..MAX_FILES {
            let name = spool.join(file_name(slot, n));
            let failed = |error| SlotFileError { path: name.clone(), error };
            if taken(&name).map_err(failed)? || taken_by_part(&name).map_err(failed)? {
                continue;
            }
            if let Some(dir) = name.parent() {
                let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
                made.map_err(|error| SlotFileError { path: dir.to_owned(), error })?;
            }
            let part = part_of(&name, compression.ending());
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create_new(true).mode(0o640);
            match options.open(&part) {
                Ok(file) => return Ok(SlotFile { file, part, spool, slot, n, compression }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(SlotFileError { path: part, error }),
            }
        }
        Err(full(&spool, slot))
    }

    /// Returns the path of the file while it is written.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Flushes the written bytes to the disk (fdatasync(2)).
    ///
    /// # Errors
    /// The system's error with the path.
    pub fn sync(&self) -> Result<(), SlotFileError> {
        self.file.sync_data().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> SlotFileError {
        SlotFileError { path: self.part.clone(), error }
    }

    /// Creates the file again, with its content, if the file or a directory above it was removed or
    /// moved: while it is open, its bytes are still there. Returns true if that was needed.
    ///
    /// # Errors
    /// The system's error with the path. The call can be repeated.
    pub fn restore(&mut self) -> Result<bool, SlotFileError> {
        let open = self.file.metadata().map_err(|error| self.failed(error))?;
        match fs::symlink_metadata(&self.part) {
            Ok(found) if (found.dev(), found.ino()) == (open.dev(), open.ino()) => {
                return Ok(false);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(error)),
        }
        let mut again = SlotFile::create(&self.spool, self.slot, self.compression)?;
        let copied = self.file.rewind().and_then(|()| io::copy(&mut self.file, &mut again.file));
        let back = self.file.seek(io::SeekFrom::End(0));
        if let Err(error) = copied.and(back) {
            // The open file has all that the copy has.
            _ = fs::remove_file(&again.part);
            return Err(again.failed(error));
        }
        *self = again;
        Ok(true)
    }

    /// Gives the file the next free name of its slot, and returns its path. No file is ever
    /// overwritten: the name is made as a hard link, which fails if the name exists, and only then is
    /// the part removed.
    ///
    /// # Errors
    /// The system's error with the path. The part is then still there, and the call can be repeated.
    /// A file system without hard links (FAT) gives an error here.
    pub fn finish(&self) -> Result<PathBuf, SlotFileError> {
        for n in self.n..MAX_FILES {
            let plain = self.spool.join(file_name(self.slot, n));
            let mut name = plain.clone().into_os_string();
            name.push(self.compression.ending());
            let name = PathBuf::from(name);
            let failed = |error| SlotFileError { path: name.clone(), error };
            if taken(&plain).map_err(failed)? {
                continue;
            }
            match fs::hard_link(&self.part, &name) {
                Ok(()) => {
                    // If the part stays, the next start finds that it is the same file and removes it.
                    _ = fs::remove_file(&self.part);
                    return Ok(name);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed(source)),
            }
        }
        Err(full(&self.spool, self.slot))
    }
}

impl Write for SlotFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Returns true if a file of this name exists, compressed or not. A dangling link counts.
fn taken(name: &Path) -> io::Result<bool> {
    any_exists(|end| {
        let mut name = name.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// Returns true if a part of this name exists, compressed or not: being written, or left behind.
fn taken_by_part(name: &Path) -> io::Result<bool> {
    any_exists(|end| part_of(name, end))
}

fn any_exists(path: impl Fn(&str) -> PathBuf) -> io::Result<bool> {
    for end in [""].iter().chain(&COMPRESSED) {
        match fs::symlink_metadata(path(end)) {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Returns the path of a file while it is written.
fn part_of(name: &Path, compressed: &str) -> PathBuf {
    let file = name.file_name().unwrap_or_default().to_string_lossy();
    name.with_file_name(format!(".{file}{compressed}.part"))
}

/// Returns the error of a slot that has no free name.
fn full(spool: &Path, slot: Window) -> SlotFileError {
    let why = format!("the slot has {MAX_FILES} files already");
    let error = io::Error::new(io::ErrorKind::AlreadyExists, why);
    SlotFileError { path: spool.join(file_name(slot, 0)), error }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    use super::super::list::list;
    use super::*;
    use crate::time::Timestamp;

    fn slot(start: &str, seconds: u32) -> Window {
        Window::new(Timestamp::parse(start.as_bytes()).unwrap().secs(), seconds).unwrap()
    }

    fn open(path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    #[test]
    fn finished_files_never_overwrite() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("2001/07/01");
        let window = slot("2001-07-01T00:20:00Z", 600);
        let create = |compression| SlotFile::create(dir.path(), window, compression).unwrap();
        let mut first = create(Compression::None);
        assert_eq!(first.part(), day.join(".nfcap.200107010020.pcapng.part"));
        first.write_all(b"first").unwrap();
        assert_eq!(fs::metadata(first.part()).unwrap().permissions().mode() & 0o137, 0);
        assert!(list(dir.path(), open).files.is_empty());

        // A second file of the slot gets its own part and number.
        let mut second = create(Compression::Zstd);
        assert_eq!(second.part(), day.join(".nfcap.200107010020.1.pcapng.zst.part"));
        second.write_all(b"second").unwrap();
        assert_eq!(second.finish().unwrap(), day.join("nfcap.200107010020.1.pcapng.zst"));

        // Another process takes the first file's name.
        fs::write(day.join("nfcap.200107010020.pcapng"), b"other").unwrap();
        first.sync().unwrap();
        assert_eq!(first.finish().unwrap(), day.join("nfcap.200107010020.2.pcapng"));
        for (name, bytes) in [("", "other"), (".1", "second"), (".2", "first")] {
            let end = if name == ".1" { ".zst" } else { "" };
            let path = day.join(format!("nfcap.200107010020{name}.pcapng{end}"));
            assert_eq!(fs::read_to_string(path).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(&day).unwrap().count(), 3);

        // A dropped file leaves its part, and the next file does not touch it.
        drop(create(Compression::None));
        let part = day.join(".nfcap.200107010020.3.pcapng.part");
        assert!(part.exists());
        assert_ne!(create(Compression::None).part(), part);
    }
}
