//! The files of the site: written aside and renamed, each only if its bytes have changed.
//!
//! At any moment each file is whole. No link of a page leads nowhere if pages are written before those that link
//! to them, and removed after them; where two link to each other, one is a [`stub`](Tree::stub) first, and is
//! [retired](Tree::retire) before it is removed.
//!
//! The store's manifest names the files that nfpage wrote. Other files of the directory are neither replaced nor
//! removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::store::{Store, clear_temporary, replace};

/// The first line of the manifest.
const HEAD: &str = "nfkit-page-manifest 1";

/// The beginning of a page that an earlier version wrote as the only one.
const EARLIER: &[u8] = b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
    http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n";

/// The directories of the site below its root.
pub const DIRS: [&str; 3] = ["day", "host", "net"];

/// The page that a web server shows for the directory.
const INDEX: &str = "index.html";

/// The feed.
pub const FEED: &str = "feed.atom";

/// The name of a file that is none of nfpage's, as the manifest remembers that it was told.
const FOREIGN: &str = "foreign";

/// The manifest's entry of a file that nfpage wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Checksum of all that the page was made of.
    key: u64,
    /// Checksum of the bytes.
    sum: u64,
    length: u64,
}

/// The directory of a site.
#[derive(Debug)]
pub struct Tree<'a> {
    dir: PathBuf,
    store: &'a Store,
    mode: u32,
    dir_mode: u32,
    entries: BTreeMap<String, Entry>,
    log: Option<File>,
    /// Names that somebody else has, with true for those that are new.
    foreign: BTreeMap<String, bool>,
    /// Files that were written.
    pub written: u64,
    /// Files that were removed.
    pub removed: u64,
}

impl<'a> Tree<'a> {
    /// Opens the directory and creates it if it does not exist. `is_public`: everybody may read the pages.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(dir: &Path, store: &'a Store, is_public: bool) -> Result<Tree<'a>, Error> {
        let (mode, dir_mode) = if is_public { (0o644, 0o755) } else { (0o640, 0o750) };
        create_dir(dir, dir_mode)?;
        std::iter::once(dir.to_owned())
            .chain(DIRS.map(|name| dir.join(name)))
            .for_each(|path| clear_temporary(&path));
        let mut tree = Tree {
            dir: dir.to_owned(),
            store,
            mode,
            dir_mode,
            entries: BTreeMap::new(),
            log: None,
            foreign: BTreeMap::new(),
            written: 0,
            removed: 0,
        };
        tree.read_manifest()?;
        Ok(tree)
    }

    /// Returns true if a file has this name and nfpage wrote it of the same values.
    pub fn is_current(&self, name: &str, key: u64) -> bool {
        self.entries.get(name).is_some_and(|entry| {
            entry.key == key
                && fs::symlink_metadata(self.dir.join(name)).is_ok_and(|file| {
                    file.is_file() && file.len() == entry.length && file.mode() & 0o777 == self.mode
                })
        })
    }

    /// Forgets what the files were made of, so that each is made again.
    pub fn forget(&mut self) {
        self.entries.values_mut().for_each(|entry| *entry = Entry::default());
    }

    /// Returns true if a file of this name is there.
    pub fn exists(&self, name: &str) -> bool {
        fs::symlink_metadata(self.dir.join(name)).is_ok()
    }

    /// Writes a file, unless it has the same bytes already or is none of nfpage's. `key` is the checksum of all
    /// that it was made of.
    ///
    /// # Errors
    /// The system's error.
    pub fn put(&mut self, name: &str, key: u64, bytes: &[u8]) -> Result<(), Error> {
        let path = self.dir.join(name);
        let entry = Entry { key, sum: sum(bytes), length: bytes.len() as u64 };
        match self.entries.get(name) {
            Some(known) => {
                let is_same = known.sum == entry.sum
                    && self.is_current(name, known.key)
                    && known.length == entry.length;
                if is_same {
                    self.entries.insert(name.to_owned(), entry);
                    return Ok(());
                }
            }
            // Without it there is no site.
            None if name == INDEX && self.exists(name) && !is_earlier(&path) => {
                return Err(Error::NotOurs { path });
            }
            None if self.exists(name) && name != INDEX => {
                self.foreign.entry(name.to_owned()).or_insert(true);
                return Ok(());
            }
            None => {}
        }
        self.note(name)?;
        if let Some((below, _)) = name.split_once('/') {
            create_dir(&self.dir.join(below), self.dir_mode)?;
        }
        replace(&path, bytes, self.mode)?;
        self.entries.insert(name.to_owned(), entry);
        self.written += 1;
        Ok(())
    }

    /// Writes a page that says it is being made, if there is no file of this name yet.
    ///
    /// # Errors
    /// The system's error.
    pub fn stub(&mut self, name: &str) -> Result<(), Error> {
        if self.exists(name) { Ok(()) } else { self.put(name, 0, STUB.as_bytes()) }
    }

    /// Replaces pages that are going to be removed by pages without links, before what they link to changes.
    ///
    /// # Errors
    /// The system's error.
    pub fn retire(&mut self, is_old: impl Fn(&str) -> bool) -> Result<(), Error> {
        let pages = self.entries.keys().filter(|name| name.ends_with(".html") && is_old(name));
        let pages: Vec<String> = pages.filter(|name| self.exists(name)).cloned().collect();
        for name in pages {
            self.note(&name)?;
            replace(&self.dir.join(&name), GONE.as_bytes(), self.mode)?;
            self.entries.insert(name, Entry::default());
        }
        Ok(())
    }

    /// Notes the names of files that are going to be written, so that after a power cut each is known as nfpage's.
    ///
    /// # Errors
    /// The system's error.
    pub fn plan<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<(), Error> {
        let new: Vec<&str> = names.filter(|name| !self.exists(name)).collect();
        new.iter().try_for_each(|name| self.note(name))?;
        match &self.log {
            Some(log) if !new.is_empty() => {
                log.sync_data().map_err(Error::at(&self.store.path("manifest.log")))
            }
            _ => Ok(()),
        }
    }

    /// Removes the files that nfpage wrote and whose names are not in `keep`.
    ///
    /// # Errors
    /// The system's error.
    pub fn retain(&mut self, keep: &BTreeSet<String>) -> Result<(), Error> {
        // Of the files that are removed, the feed and the pages of networks link to hosts, and those of hosts to all
        // others.
        let rank = |name: &str| match name.split_once('/') {
            None if name == FEED => 0,
            Some(("net", _)) => 0,
            Some(("host", _)) => 1,
            _ => 2,
        };
        self.retire(|name| rank(name) == 2 && !keep.contains(name))?;
        // The pages that do not link to them any more must be on the disk first.
        self.sync()?;
        let old = self.entries.keys().filter(|name| !keep.contains(*name)).cloned();
        let mut old: Vec<String> = old.collect();
        old.sort_by_key(|name| rank(name));
        for name in old {
            let path = self.dir.join(&name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::at(&path)(error));
                }
                _ => {}
            }
            self.entries.remove(&name);
            self.removed += 1;
        }
        Ok(())
    }

    /// Writes the manifest, and returns the names of files that are not nfpage's and were not told yet.
    ///
    /// # Errors
    /// The system's error.
    pub fn finish(mut self) -> Result<Vec<String>, Error> {
        self.foreign.retain(|name, _| fs::symlink_metadata(self.dir.join(name)).is_ok());
        let mut text = format!("{HEAD}\n");
        for (name, Entry { key, sum, length }) in &self.entries {
            text.push_str(&format!("{name}\t{key:016x}\t{sum:016x}\t{length}\n"));
        }
        for name in self.foreign.keys() {
            text.push_str(&format!("{name}\t{FOREIGN}\n"));
        }
        self.store.replace(&self.store.path("manifest"), text.as_bytes())?;
        let log = self.store.path("manifest.log");
        match fs::remove_file(&log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::at(&log)(error));
            }
            _ => {}
        }
        Ok(self.foreign.into_iter().filter(|(_, is_new)| *is_new).map(|(name, _)| name).collect())
    }

    /// Waits until the names of all files are on the disk.
    fn sync(&self) -> Result<(), Error> {
        for path in std::iter::once(self.dir.clone()).chain(DIRS.map(|name| self.dir.join(name))) {
            match File::open(&path).and_then(|dir| dir.sync_all()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::at(&path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes a name before its file is written. A run that is killed then must not leave a file that nobody wrote, or
    /// one whose entry in the manifest is that of an older one.
    fn note(&mut self, name: &str) -> Result<(), Error> {
        let path = self.store.path("manifest.log");
        if self.log.is_none() {
            let log = OpenOptions::new().append(true).create(true).open(&path);
            self.log = Some(log.map_err(Error::at(&path))?);
        }
        if let Some(log) = &mut self.log {
            log.write_all(format!("{name}\n").as_bytes()).map_err(Error::at(&path))?;
        }
        Ok(())
    }

    fn read_manifest(&mut self) -> Result<(), Error> {
        let read = |name: &str| {
            let path = self.store.path(name);
            match fs::read(&path) {
                Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
                Err(error) => Err(Error::at(&path)(error)),
            }
        };
        let (manifest, log) = (read("manifest")?, read("manifest.log")?);
        // A name without the line ending was not written to the end, and neither was its file.
        let logged = log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let logged: Vec<&str> = logged.filter(|name| is_name(name)).collect();
        let mut lines = manifest.lines();
        let is_manifest = lines.next() == Some(HEAD);
        for line in lines.take_while(|_| is_manifest) {
            let mut parts = line.split('\t');
            let (Some(name), Some(key)) = (parts.next(), parts.next()) else { continue };
            if !is_name(name) {
                continue;
            }
            if key == FOREIGN {
                self.foreign.insert(name.to_owned(), false);
                continue;
            }
            let hex = |text: &str| u64::from_str_radix(text, 16).ok();
            let sum = parts.next().and_then(hex);
            let length = parts.next().and_then(|length| length.parse().ok());
            // A line that was damaged still says whose the file is.
            let entry = match (hex(key), sum, length) {
                (Some(key), Some(sum), Some(length)) => Entry { key, sum, length },
                _ => Entry::default(),
            };
            self.entries.insert(name.to_owned(), entry);
        }
        // The manifest is older than what a killed run wrote.
        for name in logged {
            self.entries.insert(name.to_owned(), Entry::default());
        }
        Ok(())
    }
}

/// Creates a directory if it does not exist.
fn create_dir(path: &Path, mode: u32) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(Error::at(path)(io::ErrorKind::NotADirectory.into())),
        Err(_) => {}
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(Error::at(path))
}

/// The page that is there until its own text is written. It has the anchor that other pages have links to.
const STUB: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Being written</title>\n\
    <p id=\"days\">This page is being written. Load it again in a minute.</p>\n</html>\n";

/// The page in the place of one that is going to be removed.
const GONE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Not kept</title>\n\
    <p>This page is no longer kept.</p>\n</html>\n";

/// Returns true for a name that nfpage can have given: no path leads out of the directory.
fn is_name(name: &str) -> bool {
    let is_fit = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    match name.split_once('/') {
        Some((dir, file)) => DIRS.contains(&dir) && is_fit(file),
        None => is_fit(name),
    }
}

/// Returns true for the page of an earlier version, which the site replaces.
fn is_earlier(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(EARLIER.len() as u64).read_to_end(&mut head)).is_ok()
        && head == EARLIER
}

fn sum(bytes: &[u8]) -> u64 {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_link_to_hosts_are_removed_before_the_pages_of_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let (www, path) = (dir.path().join("www"), dir.path().join("store"));
        let store = Store::open(&path, &www).unwrap();
        let mut tree = Tree::open(&www, &store, false).unwrap();
        for name in [FEED, "net/10.0.0.0_16.html", "host/10.0.0.1.html", "day/2001-08-04.html"] {
            tree.put(name, 0, b"text").unwrap();
        }
        // A directory in the place of the page stops the removal there, as a kill would.
        let host = www.join("host/10.0.0.1.html");
        fs::remove_file(&host).unwrap();
        fs::create_dir_all(host.join("x")).unwrap();
        assert!(tree.retain(&BTreeSet::new()).is_err());
        let left = ["feed.atom", "net/10.0.0.0_16.html", "day/2001-08-04.html"];
        assert_eq!(left.map(|name| tree.exists(name)), [false, false, true]);
    }
}
