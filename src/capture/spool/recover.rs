//! Recovery after a kill: the files that were being written get their final names.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::reader::{Event, Reader};
use super::name::{Compression, MAX_FILES, Name, file_name};
use super::slot_file::{SlotFile, SlotFileError};
use crate::time::Window;

/// The result for a part that was left behind.
#[derive(Debug)]
pub enum Recovered {
    /// The part got the next free name of its slot. It ends where its writer was killed, which readers
    /// report.
    Named {
        /// Path of the file.
        file: PathBuf,
        /// Slot of the file.
        slot: Window,
    },
    /// The part was empty and was removed.
    Removed,
    /// The part holds no section that can be read, and is kept under a name that readers skip.
    Aside {
        /// Path of the file.
        file: PathBuf,
        /// The reason why it cannot be read.
        why: String,
    },
}

/// Gives the parts `.NAME.part` of a spool their names, in time order. The caller holds the spool's
/// lock, so no collector writes them any more. Nothing is appended to them, and nothing overwritten.
///
/// # Errors
/// One result for each part, with the system's error; a directory that cannot be read is one too.
pub fn recover(
    spool: &Path,
    open: impl Fn(&Path) -> io::Result<Box<dyn Read>>,
) -> Vec<(PathBuf, Result<Recovered, SlotFileError>)> {
    let mut results = Vec::new();
    let mut parts = Vec::new();
    let mut dirs = vec![spool.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir).and_then(|dir| dir.collect::<io::Result<Vec<_>>>());
        let entries = match entries {
            Ok(entries) => entries,
            Err(source) => {
                results.push((dir.clone(), Err(SlotFileError { path: dir, error: source })));
                continue;
            }
        };
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str() else { continue };
            match (entry.file_type(), parse_part(name)) {
                (Ok(kind), Some((key, end))) if kind.is_file() => parts.push((key, end, path)),
                (Ok(kind), Some(_)) if kind.is_symlink() => {
                    let error = io::Error::other("a link; links are not followed");
                    results.push((path.clone(), Err(SlotFileError { path, error })));
                }
                (Ok(kind), _) if kind.is_dir() && !name.starts_with('.') => dirs.push(path),
                _ => {}
            }
        }
    }
    parts.sort_unstable_by(|(a, _, path), (b, _, other)| (a, path).cmp(&(b, other)));
    for (name, compression, path) in parts {
        let result = recover_part(spool, &path, name, compression, &open)
            .map_err(|error| SlotFileError { path: path.clone(), error });
        results.push((path, result));
    }
    results
}

/// Parses the name of a part: the slot and number, and the compression.
fn parse_part(name: &str) -> Option<(Name, Compression)> {
    let name = name.strip_prefix('.')?.strip_suffix(".part")?;
    let all = [Compression::Zstd, Compression::Gzip];
    let compression = all.into_iter().find(|compression| name.ends_with(compression.ending()));
    Some((Name::parse(name)?, compression.unwrap_or_default()))
}

fn recover_part(
    spool: &Path,
    path: &Path,
    name: Name,
    compression: Compression,
    open: &impl Fn(&Path) -> io::Result<Box<dyn Read>>,
) -> io::Result<Recovered> {
    let data = fs::metadata(path)?;
    if data.len() == 0 {
        fs::remove_file(path)?;
        return Ok(Recovered::Removed);
    }
    let slot = match first_section(path, open)? {
        Ok(slot) => slot,
        Err(why) => return Ok(Recovered::Aside { file: aside(path)?, why }),
    };
    let home = spool.join(file_name(slot, name.n));
    if home.parent() != path.parent()
        || home.file_name() != uncompressed(path, compression.ending()).file_name()
    {
        let why = format!("its slot {} is not that of its name", slot.start_text());
        return Ok(Recovered::Aside { file: aside(path)?, why });
    }
    // A collector killed between the two steps of finishing has given the part its name already.
    for n in name.n..MAX_FILES {
        let mut file = spool.join(file_name(slot, n)).into_os_string();
        file.push(compression.ending());
        let same = match fs::symlink_metadata(&file) {
            Ok(other) => (other.dev(), other.ino()) == (data.dev(), data.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        if same {
            fs::remove_file(path)?;
            return Ok(Recovered::Named { file: file.into(), slot });
        }
    }
    let file = SlotFile::adopt(path.to_owned(), spool.to_owned(), slot, name.n, compression)?;
    Ok(Recovered::Named { file: file.finish().map_err(|error| error.error)?, slot })
}

/// Returns `.NAME.part` as `NAME`, without the ending of a compressed file.
fn uncompressed(part: &Path, compressed: &str) -> PathBuf {
    let name = part.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.').trim_end_matches(".part");
    part.with_file_name(name.strip_suffix(compressed).unwrap_or(name))
}

/// Returns the slot of the first section, or the reason why there is none.
fn first_section(
    path: &Path,
    open: &impl Fn(&Path) -> io::Result<Box<dyn Read>>,
) -> io::Result<Result<Window, String>> {
    let mut reader = match Reader::new(open(path)?) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(match reader.next() {
        Ok(Some(Event::Section(Some(slot)))) => Ok(slot.window),
        Ok(_) => Err("no section of nfcap".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// Gives a part the name `.NAME.bad`, which readers and writers ignore.
fn aside(part: &Path) -> io::Result<PathBuf> {
    let name = part.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_end_matches(".part");
    for n in 0..MAX_FILES {
        let file = match n {
            0 => part.with_file_name(format!("{name}.bad")),
            n => part.with_file_name(format!("{name}.{n}.bad")),
        };
        match fs::hard_link(part, &file) {
            Ok(()) => return fs::remove_file(part).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{MAX_FILES} files of this name are kept already")))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::list::list;
    use super::*;
    use crate::capture::section::{Closing, Slot};
    use crate::capture::writer::Writer;
    use crate::time::Timestamp;

    fn open(path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn section(start: &str) -> Vec<u8> {
        let at = Timestamp::parse(start.as_bytes()).unwrap();
        let mut writer = Writer::new(Vec::new());
        writer.section(&Slot { window: Window::at(at, 600), allow: None, ident: None }).unwrap();
        writer
            .datagram(at, "192.0.2.1:5".parse().unwrap(), "192.0.2.9:6".parse().unwrap(), b"x")
            .unwrap();
        writer.into_inner()
    }

    #[test]
    fn parts_get_the_next_free_name() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("2001/07/01");
        fs::create_dir_all(&day).unwrap();
        let bytes = section("2001-07-01T00:20:00Z");
        let torn = &bytes[..bytes.len() - 3];
        let put = |name: &str, bytes: &[u8]| fs::write(day.join(name), bytes).unwrap();
        put("nfcap.200107010020.pcapng", b"finished");
        put(".nfcap.200107010020.pcapng.part", torn);
        put(".nfcap.200107010020.1.pcapng.part", &bytes);
        put(".nfcap.200107010010.pcapng.part", b"");
        put(".nfcap.200107010000.pcapng.part", &bytes[..40]);
        put(".nfcap.200107010000.pcapng.bad", b"one before");
        put(".nfcap.200107010030.pcapng.part", &bytes);
        put(".hidden.part", b"not ours");

        let mut seen = Vec::new();
        for (part, result) in recover(dir.path(), open) {
            let part = part.file_name().unwrap().to_str().unwrap().to_owned();
            seen.push((
                part,
                match result.unwrap() {
                    Recovered::Named { file, slot } => {
                        assert_eq!(slot, Window::new(993_946_800, 600).unwrap());
                        file.file_name().unwrap().to_str().unwrap().to_owned()
                    }
                    Recovered::Removed => "gone".to_owned(),
                    Recovered::Aside { file, why } => {
                        format!("{}: {why}", file.file_name().unwrap().to_str().unwrap())
                    }
                },
            ));
        }
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            seen,
            [
                (
                    ".nfcap.200107010000.pcapng.part",
                    ".nfcap.200107010000.pcapng.1.bad: byte 0: torn: a block needs 100 bytes, the \
                 file ends after 40"
                ),
                (".nfcap.200107010010.pcapng.part", "gone"),
                (".nfcap.200107010020.pcapng.part", "nfcap.200107010020.1.pcapng"),
                (".nfcap.200107010020.1.pcapng.part", "nfcap.200107010020.2.pcapng"),
                (
                    ".nfcap.200107010030.pcapng.part",
                    ".nfcap.200107010030.pcapng.bad: its slot 2001-07-01T00:20:00Z is not that of its \
                 name"
                ),
            ]
        );
        assert_eq!(fs::read(day.join("nfcap.200107010020.pcapng")).unwrap(), b"finished");
        assert_eq!(fs::read(day.join("nfcap.200107010020.1.pcapng")).unwrap(), torn);
        assert_eq!(fs::read(day.join(".nfcap.200107010000.pcapng.bad")).unwrap(), b"one before");
        assert!(day.join(".hidden.part").exists());
        assert_eq!(list(dir.path(), open).files.len(), 3);
        assert!(recover(dir.path(), open).is_empty());
    }

    #[test]
    fn part_that_has_its_name_makes_no_second_file() {
        let dir = tempfile::tempdir().unwrap();
        let slot = Window::new(993_946_800, 600).unwrap();
        let file = SlotFile::create(dir.path(), slot, Compression::None).unwrap();
        let part = file.part().to_owned();
        let mut writer = Writer::new(file);
        writer.section(&Slot { window: slot, allow: None, ident: None }).unwrap();
        writer.end(&Closing::default()).unwrap();
        let name = writer.into_inner().finish().unwrap();
        fs::hard_link(&name, &part).unwrap();
        let results = recover(dir.path(), open);
        let [(_, Ok(Recovered::Named { file, .. }))] = &results[..] else { panic!("{results:?}") };
        assert_eq!((file, part.exists()), (&name, false));
        assert_eq!(list(dir.path(), open).files, [name]);
    }
}
