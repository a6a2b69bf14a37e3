//! The capture files of a directory, in time order.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::super::reader::Reader;
use super::name::{COMPRESSED, Name};
use crate::time::Timestamp;

/// The capture files of a directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// Paths of the files, in time order.
    pub files: Vec<PathBuf>,
    /// Directories and entries that could not be read. Files in them are missing from the list.
    pub errors: Vec<ListError>,
    /// Links to directories. They are not followed, so files behind them are missing from the list.
    pub links: Vec<PathBuf>,
}

/// An error: a directory or an entry of it could not be read, or a file not removed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct ListError {
    /// Path of the directory or entry.
    pub path: PathBuf,
    /// The system's error. The message includes it, so `source()` does not return it.
    pub error: io::Error,
}

/// Finds the files `nfcap.*.pcapng*` and `*.pcap*` in a directory, at any depth.
///
/// Files are sorted by time: nfcap's by slot and number, others by the time of their first packet,
/// which is read from the stream that `open` returns. Files of the same time are sorted by path. A
/// file without such a time comes last; reading it will show why.
///
/// Files and directories with a name that begins with a dot are skipped. So are names that end in
/// `.part` and all that is no regular file: opening a FIFO would wait for ever. Links to files are
/// followed. Links to directories are not, because one to a parent would never end;
/// [`Listing::links`] names them.
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
    // A compression that was killed leaves both forms of one file. Its flows would count twice.
    files.dedup_by(|(_, _, later), (_, _, first)| {
        let is_same = uncompressed(later) == uncompressed(first);
        if is_same {
            let error = io::Error::other(format!("skipped: {} is the same file", first.display()));
            listing.errors.push(ListError { path: later.clone(), error });
        }
        is_same
    });
    listing.files = files.into_iter().map(|(_, _, path)| path).collect();
    listing.errors.sort_by(|a, b| a.path.cmp(&b.path));
    listing.links.sort();
    listing
}

/// Returns the path without the ending of a compressed file.
fn uncompressed(path: &Path) -> &[u8] {
    let path = path.as_os_str().as_encoded_bytes();
    COMPRESSED.iter().find_map(|end| path.strip_suffix(end.as_bytes())).unwrap_or(path)
}

/// Returns true for `*.pcap*`, which includes `nfcap.*.pcapng*`.
fn is_capture(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    memchr::memmem::find(name, b".pcap").is_some() && !name.ends_with(b".part")
}

/// Compares two times; unknown ones come last.
fn order(a: Option<Timestamp>, b: Option<Timestamp>) -> Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}

/// Returns the time and the number by which a file is sorted.
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::capture::section::Slot;
    use crate::capture::writer::Writer;
    use crate::time::Window;

    fn open(path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    /// Returns a capture with one datagram at `at`.
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
    fn files_are_listed_in_time_order() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        // nfcap's files are ordered by name alone; their content does not matter.
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
        // Links to files are listed, links to directories are not.
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
}
