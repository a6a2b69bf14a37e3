//! What a collector that was killed left behind gets its name after all.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Compression, MAX_FILES, Name, SlotFile, SlotFileError, file_name};
use crate::capture::{Event, Reader};
use crate::time::Window;

/// What became of a part that was left behind.
#[derive(Debug)]
pub enum Recovered {
    /// It has the next free name of its slot. It ends where its writer was killed: readers say so.
    Named {
        /// That name.
        file: PathBuf,
        /// Its slot.
        slot: Window,
    },
    /// It had no octets, and is gone.
    Removed,
    /// It holds no section that can be read, and is kept under this name, which readers skip.
    Aside {
        /// That name.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Brings in the parts `.NAME.part` of a spool that nobody writes any more, in time order: the
/// caller has the spool's lock. Nothing is appended to them and nothing overwritten.
///
/// # Errors
/// One result a part, with what the system says; a directory that cannot be read is one too.
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
            match (entry.file_type(), part(name)) {
                (Ok(kind), Some((key, end))) if kind.is_file() => parts.push((key, end, path)),
                (Ok(kind), Some(_)) if kind.is_symlink() => {
                    let error = io::Error::other("a link, which is not followed");
                    results.push((path.clone(), Err(SlotFileError { path, error })));
                }
                (Ok(kind), _) if kind.is_dir() && !name.starts_with('.') => dirs.push(path),
                _ => {}
            }
        }
    }
    parts.sort_unstable_by(|(a, _, path), (b, _, other)| (a, path).cmp(&(b, other)));
    for (name, compression, path) in parts {
        let result = one(spool, &path, name, compression, &open)
            .map_err(|error| SlotFileError { path: path.clone(), error });
        results.push((path, result));
    }
    results
}

/// What a part's name says: its slot and number, and its compression.
fn part(name: &str) -> Option<(Name, Compression)> {
    let name = name.strip_prefix('.')?.strip_suffix(".part")?;
    let all = [Compression::Zstd, Compression::Gzip];
    let compression = all.into_iter().find(|compression| name.ends_with(compression.ending()));
    Some((Name::parse(name)?, compression.unwrap_or_default()))
}

fn one(
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
        || home.file_name() != plain(path, compression.ending()).file_name()
    {
        let why = format!("its slot {} is not that of its name", slot.start_text());
        return Ok(Recovered::Aside { file: aside(path)?, why });
    }
    // Killed between the two steps of finishing: it has its name already.
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
    let (file, part, spool) = (File::open(path)?, path.to_owned(), spool.to_owned());
    let file = SlotFile { file, part, spool, slot, n: name.n, compression };
    Ok(Recovered::Named { file: file.finish().map_err(|error| error.error)?, slot })
}

/// `.NAME.part` as `NAME` without its compression.
fn plain(part: &Path, compressed: &str) -> PathBuf {
    let name = part.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.').trim_end_matches(".part");
    part.with_file_name(name.strip_suffix(compressed).unwrap_or(name))
}

/// The slot of the first section, or why there is none.
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
        Ok(_) => Err("no section of nfcap's".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// Gives a part a name that neither readers nor writers look at: `.NAME.bad`.
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
    use super::super::{Compression, list};
    use super::*;
    use crate::capture::{Closing, Slot, Writer};
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
        let octets = section("2001-07-01T00:20:00Z");
        let torn = &octets[..octets.len() - 3];
        let put = |name: &str, octets: &[u8]| fs::write(day.join(name), octets).unwrap();
        put("nfcap.200107010020.pcapng", b"finished");
        put(".nfcap.200107010020.pcapng.part", torn);
        put(".nfcap.200107010020.1.pcapng.part", &octets);
        put(".nfcap.200107010010.pcapng.part", b"");
        put(".nfcap.200107010000.pcapng.part", &octets[..40]);
        put(".nfcap.200107010000.pcapng.bad", b"one before");
        put(".nfcap.200107010030.pcapng.part", &octets);
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
                    ".nfcap.200107010000.pcapng.1.bad: byte 0: torn: a block needs 100 octets, the \
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
    fn one_that_has_its_name_is_no_second_file() {
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
