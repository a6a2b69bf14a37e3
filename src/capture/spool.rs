//! The spool: how capture files are named, found in time order, and brought in when finished.
//!
//! A slot's file is `YYYY/MM/DD/nfcap.YYYYMMDDhhmm.pcapng`, in UTC, with the seconds appended where
//! slots are under a minute, with `.1`, `.2` before `.pcapng` where a slot has more files, and with
//! `.zst` or `.gz` behind where it is compressed. While it is written it is `.NAME.part`.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::reader::Reader;
use crate::time::{Timestamp, Window};

mod guard;
mod lock;
mod recover;
mod retain;

pub use guard::{ClockSet, Clocks, DirectoryId, Guard, TooMany};
pub use lock::{Lock, LockError};
pub use recover::{Recovered, recover};
pub use retain::{Free, Pass, Removed, Retained, RetentionRules, Why, pass, retain};

/// The most files of one slot. A collector that restarts over and over stops here instead of
/// filling a directory.
const MAX_FILES: u32 = 10_000;

/// What compressed files end in.
const COMPRESSED: [&str; 2] = [".zst", ".gz"];

/// Where the `n`-th file of a slot lies in a spool; `n` is 0 for the first.
pub fn file_name(slot: Window, n: u32) -> PathBuf {
    let digits: String = slot.start_text().chars().filter(char::is_ascii_digit).collect();
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    let stamp = part(0, if slot.seconds() < 60 { 14 } else { 12 });
    let name = match n {
        0 => format!("nfcap.{stamp}.pcapng"),
        n => format!("nfcap.{stamp}.{n}.pcapng"),
    };
    [part(0, 4), part(4, 6), part(6, 8), &name].iter().collect()
}

/// What the name of a slot's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The slot's first moment.
    pub start: Timestamp,
    /// Which of the slot's files, from 0.
    pub n: u32,
}

impl Name {
    /// Reads a file name without its directory, compressed or not. `None` if it is not one of
    /// nfcap's, or still `.part`.
    pub fn parse(name: &str) -> Option<Name> {
        let rest = name.strip_prefix("nfcap.")?;
        let rest = COMPRESSED.iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
        let rest = rest.strip_suffix(".pcapng")?;
        let (stamp, n) = match rest.split_once('.') {
            None => (rest, 0),
            Some((_, n)) if n.starts_with(['0', '+']) => return None,
            Some((stamp, n)) => (stamp, n.parse().ok()?),
        };
        if !stamp.bytes().all(|b| b.is_ascii_digit()) || !matches!(stamp.len(), 12 | 14) {
            return None;
        }
        let part = |from, to| stamp.get(from..to).filter(|part| !part.is_empty()).unwrap_or("00");
        let (date, time) = ((part(0, 4), part(4, 6), part(6, 8)), (part(8, 10), part(10, 12)));
        let seconds = part(12, stamp.len());
        let text = format!("{}-{}-{}T{}:{}:{seconds}Z", date.0, date.1, date.2, time.0, time.1);
        Some(Name { start: Timestamp::parse(text.as_bytes())?, n })
    }
}

/// The capture files of a directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// In time order.
    pub files: Vec<PathBuf>,
    /// What could not be looked at. The files in it are missing from the list.
    pub errors: Vec<ListError>,
    /// Links to directories, which are not followed: the files in those are missing from the list.
    pub links: Vec<PathBuf>,
}

/// A directory or an entry that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct ListError {
    /// Which.
    pub path: PathBuf,
    /// What the system said; in the message already, so no `source()` of it.
    pub error: io::Error,
}

/// Finds the files `nfcap.*.pcapng*` and `*.pcap*` in a directory, at any depth, in time order:
/// nfcap's by slot and number, others by the time of their first packet, which `open` makes
/// readable; the same time by path. A file without such a time comes last: whoever reads it will see
/// why.
///
/// Names that begin with a dot are passed over, directories too, and so are names that end in
/// `.part`, and whatever is no regular file (opening a FIFO would wait for ever). Links to files are
/// followed, links to directories are not, because a link to a parent would never end; these are in
/// [`Listing::links`].
pub fn list(dir: &Path, open: impl Fn(&Path) -> io::Result<Box<dyn Read>>) -> Listing {
    let mut listing = Listing::default();
    let mut files: Vec<(Option<Timestamp>, u32, PathBuf)> = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let mut fail = |path: &Path, source| {
            listing.errors.push(ListError { path: path.to_owned(), error: source });
        };
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) => {
                fail(&dir, error);
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    fail(&dir, error);
                    break;
                }
            };
            let (path, name) = (entry.path(), entry.file_name());
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => dirs.push(path),
                Ok(kind) if kind.is_symlink() && path.is_dir() => listing.links.push(path),
                Ok(_) if !is_capture(&name) => {}
                Ok(_) => match fs::metadata(&path) {
                    Ok(data) if data.is_file() => {
                        let (time, n) = key(&path, &name, &open);
                        files.push((time, n, path));
                    }
                    Ok(_) => {}
                    Err(error) => fail(&path, error),
                },
                Err(error) => fail(&path, error),
            }
        }
    }
    files.sort_by(|a, b| order(a.0, b.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
    // A compression that was killed leaves both forms of one file, and its flows twice.
    files.dedup_by(|(_, _, later), (_, _, first)| {
        let is_same = plain(later) == plain(first);
        if is_same {
            let error = io::Error::other(format!("passed over for {}", first.display()));
            listing.errors.push(ListError { path: later.clone(), error });
        }
        is_same
    });
    listing.files = files.into_iter().map(|(_, _, path)| path).collect();
    listing.errors.sort_by(|a, b| a.path.cmp(&b.path));
    listing.links.sort();
    listing
}

/// The path without what a compressed file adds to it.
fn plain(path: &Path) -> &[u8] {
    let path = path.as_os_str().as_encoded_bytes();
    COMPRESSED.iter().find_map(|end| path.strip_suffix(end.as_bytes())).unwrap_or(path)
}

/// `*.pcap*`, which includes `nfcap.*.pcapng*`.
fn is_capture(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    memchr::memmem::find(name, b".pcap").is_some() && !name.ends_with(b".part")
}

/// Unknown times last.
fn order(a: Option<Timestamp>, b: Option<Timestamp>) -> Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}

fn key(
    path: &Path,
    name: &OsStr,
    open: &impl Fn(&Path) -> io::Result<Box<dyn Read>>,
) -> (Option<Timestamp>, u32) {
    if let Some(name) = name.to_str().and_then(Name::parse) {
        return (Some(name.start), name.n);
    }
    let reader = open(path).ok().and_then(|stream| Reader::new(stream).ok());
    (reader.and_then(|mut reader| reader.first_arrival().ok().flatten()), 0)
}

/// A slot's file while it is written: `.NAME.part`, mode 0640 (flow records are personal data).
///
/// Dropped without [`finish`](SlotFile::finish) it stays as it is; readers skip it and nobody
/// appends to it.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
    part: PathBuf,
    spool: PathBuf,
    slot: Window,
    n: u32,
    compression: Compression,
}

/// Why a slot's file could not be made or finished.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct SlotFileError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said; in the message already, so no `source()` of it.
    pub error: io::Error,
}

impl SlotFileError {
    /// Whether it is the slot's own: names that are taken, a file where a directory belongs. Another
    /// slot may have none of it.
    pub fn is_of_the_slot(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory)
    }
}

/// How the octets written to a [`SlotFile`] are compressed, for its name. It compresses nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By zstd: the name ends in `.zst`.
    Zstd,
    /// By gzip: the name ends in `.gz`.
    Gzip,
}

impl Compression {
    /// What the name of a file ends in.
    const fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Zstd => ".zst",
            Compression::Gzip => ".gz",
        }
    }
}

impl SlotFile {
    /// Makes the file, and the directories above it, under the first number of the slot that no file
    /// and no part has.
    ///
    /// # Errors
    /// What the system says, with the path; a slot that has 10,000 files already.
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

    /// Where it is being written.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Brings what was written to the disk itself.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn sync(&self) -> Result<(), SlotFileError> {
        self.file.sync_data().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> SlotFileError {
        SlotFileError { path: self.part.clone(), error }
    }

    /// Makes the file again, with what is in it, if somebody has removed or moved it or a directory
    /// above it: as long as it is open its octets are still there. Returns whether that was needed.
    ///
    /// # Errors
    /// What the system says, with the path; it can be tried again.
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
            // Whatever is in it is in the open file as well.
            _ = fs::remove_file(&again.part);
            return Err(again.failed(error));
        }
        *self = again;
        Ok(true)
    }

    /// Gives the file its name, the next free one of its slot, and returns it. No file is ever
    /// overwritten: the name is made as a hard link, which fails where there is one, and only then
    /// does the part go.
    ///
    /// # Errors
    /// What the system says, with the path; the part is then still there, and it can be tried again.
    /// File systems without hard links (FAT) are refused here.
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
                    // A part that stays is the same file: the next start sees that and removes it.
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
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether a file of this name is there, compressed or not. A dangling link counts.
fn taken(name: &Path) -> io::Result<bool> {
    any_exists(|end| {
        let mut name = name.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

/// Whether a file of this name is being written, compressed or not, or was left behind.
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

fn part_of(name: &Path, compressed: &str) -> PathBuf {
    let file = name.file_name().unwrap_or_default().to_string_lossy();
    name.with_file_name(format!(".{file}{compressed}.part"))
}

fn full(spool: &Path, slot: Window) -> SlotFileError {
    let why = format!("the slot has {MAX_FILES} files already");
    let error = io::Error::new(io::ErrorKind::AlreadyExists, why);
    SlotFileError { path: spool.join(file_name(slot, 0)), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Slot, Writer};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn slot(start: &str, seconds: u32) -> Window {
        Window::new(Timestamp::parse(start.as_bytes()).unwrap().secs(), seconds).unwrap()
    }

    fn open(path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    /// A capture with one datagram at `at`.
    fn capture(at: &str) -> Vec<u8> {
        let arrival = Timestamp::parse(at.as_bytes()).unwrap();
        let mut writer = Writer::new(Vec::new());
        writer
            .section(&Slot { window: Window::at(arrival, 600), allow: None, ident: None })
            .unwrap();
        let (from, to) = ("192.0.2.1:2055".parse().unwrap(), "192.0.2.9:9999".parse().unwrap());
        writer.datagram(arrival, from, to, b"x").unwrap();
        writer.into_inner()
    }

    #[test]
    fn names_follow_the_slot() {
        for (start, seconds, n, name) in [
            ("2001-07-01T00:20:00Z", 600, 0, "2001/07/01/nfcap.200107010020.pcapng"),
            ("2001-07-01T00:20:00Z", 600, 12, "2001/07/01/nfcap.200107010020.12.pcapng"),
            ("2001-12-31T23:59:30Z", 30, 0, "2001/12/31/nfcap.20011231235930.pcapng"),
            ("2001-12-31T23:59:00Z", 60, 1, "2001/12/31/nfcap.200112312359.1.pcapng"),
        ] {
            let slot = slot(start, seconds);
            let path = file_name(slot, n);
            assert_eq!(path, Path::new(name));
            let name = path.file_name().unwrap().to_str().unwrap();
            let read = Name { start: Timestamp::from_secs(slot.start()), n };
            for end in ["", ".gz", ".zst"] {
                assert_eq!(Name::parse(&format!("{name}{end}")), Some(read), "{name}{end}");
            }
        }
    }

    #[test]
    fn other_names_are_not_slots() {
        for name in [
            "nfcap.pcapng",
            "nfcap.200107010020.pcap",
            "nfcap.2001070100.pcapng",
            "nfcap.200113010020.pcapng",
            "nfcap.200107010020.0.pcapng",
            "nfcap.200107010020.+1.pcapng",
            "nfcap.200107010020.1.2.pcapng",
            "nfcap.200107010020.pcapng.part",
            "nfcap.200107010020.pcapng.zst.gz",
            ".nfcap.200107010020.pcapng",
            "nfcap.２0107010020.pcapng",
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }

    #[test]
    fn files_are_listed_in_time_order() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, octets: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, octets).unwrap();
        };
        // nfcap's files are ordered by name alone; what is in them does not matter.
        put("2001/07/01/nfcap.200107010020.10.pcapng", b"");
        put("2001/07/01/nfcap.200107010020.2.pcapng.zst", b"");
        put("2001/07/01/nfcap.200107010020.pcapng.gz", b"");
        put("2001/06/30/nfcap.200106302350.pcapng", b"");
        put("a.pcap", &capture("2001-07-01T00:25:00Z"));
        put("z.pcap3", &capture("2001-07-01T00:05:00Z"));
        put("deep/er/b.pcapng", &capture("2001-07-01T00:05:00Z"));
        put("broken.pcap", b"no capture");
        put("empty.pcap.gz", b"");
        // Not listed.
        put("notes.txt", b"");
        put("2001/07/01/.nfcap.200107010030.pcapng.part", b"");
        put("nfcap.200107010030.pcapng.part", b"");
        put(".hidden/c.pcap", b"");
        // A link to a file is, a link to a directory is not.
        symlink(dir.path().join("z.pcap3"), dir.path().join("link.pcap")).unwrap();
        symlink(dir.path(), dir.path().join("loop")).unwrap();
        symlink(dir.path(), dir.path().join("loop.pcap")).unwrap();
        symlink("nowhere", dir.path().join("dangling.pcap")).unwrap();
        let listing = list(dir.path(), open);
        let names: Vec<&str> = (listing.files.iter())
            .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        let expected = [
            "2001/06/30/nfcap.200106302350.pcapng",
            "deep/er/b.pcapng",
            "link.pcap",
            "z.pcap3",
            "2001/07/01/nfcap.200107010020.pcapng.gz",
            "2001/07/01/nfcap.200107010020.2.pcapng.zst",
            "2001/07/01/nfcap.200107010020.10.pcapng",
            "a.pcap",
            "broken.pcap",
            "empty.pcap.gz",
        ];
        assert_eq!(names, expected);
        let errors: Vec<_> = listing.errors.iter().map(|error| error.path.clone()).collect();
        assert_eq!(errors, [dir.path().join("dangling.pcap")]);
        assert_eq!(listing.links, ["loop", "loop.pcap"].map(|name| dir.path().join(name)));
    }

    #[test]
    fn a_missing_directory_is_reported() {
        let listing = list(Path::new("/nonexistent/spool"), open);
        assert!(listing.files.is_empty());
        assert!(listing.errors[0].to_string().starts_with("/nonexistent/spool: "));
    }

    #[test]
    fn a_finished_file_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("2001/07/01");
        let window = slot("2001-07-01T00:20:00Z", 600);
        let create = |compression| SlotFile::create(dir.path(), window, compression).unwrap();
        let mut first = create(Compression::None);
        assert_eq!(first.part(), day.join(".nfcap.200107010020.pcapng.part"));
        first.write_all(b"first").unwrap();
        assert_eq!(fs::metadata(first.part()).unwrap().permissions().mode() & 0o137, 0);
        assert!(list(dir.path(), open).files.is_empty());

        // A second one of the slot gets a part of its own, and its own number.
        let mut second = create(Compression::Zstd);
        assert_eq!(second.part(), day.join(".nfcap.200107010020.1.pcapng.zst.part"));
        second.write_all(b"second").unwrap();
        assert_eq!(second.finish().unwrap(), day.join("nfcap.200107010020.1.pcapng.zst"));

        // Somebody takes the first one's name meanwhile.
        fs::write(day.join("nfcap.200107010020.pcapng"), b"other").unwrap();
        first.sync().unwrap();
        assert_eq!(first.finish().unwrap(), day.join("nfcap.200107010020.2.pcapng"));
        for (name, octets) in [("", "other"), (".1", "second"), (".2", "first")] {
            let end = if name == ".1" { ".zst" } else { "" };
            let path = day.join(format!("nfcap.200107010020{name}.pcapng{end}"));
            assert_eq!(fs::read_to_string(path).unwrap(), octets);
        }
        assert_eq!(fs::read_dir(&day).unwrap().count(), 3);

        // One that is dropped leaves its part, and the next does not touch it.
        drop(create(Compression::None));
        let part = day.join(".nfcap.200107010020.3.pcapng.part");
        assert!(part.exists());
        assert_ne!(create(Compression::None).part(), part);
    }
}
