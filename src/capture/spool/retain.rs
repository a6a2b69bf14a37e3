//! Removes old files: by age, by the size of the spool, and by the free space of the disk.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::guard::{ClockSet, Clocks, DirectoryId, Guard, TooMany};
use super::list::ListError;
use super::name::Name;
use super::rules::RetentionRules;
use crate::time::Timestamp;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Seconds from 1970 to 2000. A collector with a clock without a battery dates its slots before 2000,
/// though they are younger.
const CENTURY: u64 = 946_684_800;

/// The most links that are named.
const MAX_LINKS: usize = 100;

/// The rule by which a file was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The rule [`RetentionRules::keep`].
    Age,
    /// The rule [`RetentionRules::max_size`].
    Size,
    /// The rule [`RetentionRules::min_free`].
    Free,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Age => "too old",
            Why::Size => "the spool is too large",
            Why::Free => "too little is free",
        })
    }
}

/// A file that was removed, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Path of the file.
    pub path: PathBuf,
    /// Beginning of the file's slot.
    pub slot: Timestamp,
    /// Bytes that the file took on the disk.
    pub bytes: u64,
    /// The rule by which it was removed.
    pub why: Why,
}

/// The result of [`retain`].
#[derive(Debug, Default)]
pub struct Retained {
    /// Files removed, oldest first.
    pub removed: Vec<Removed>,
    /// Number of files left, without those being written.
    pub kept_files: u64,
    /// Bytes that all files left take on the disk, including those being written.
    pub kept_bytes: u64,
    /// Directories and files that could not be read or removed.
    pub errors: Vec<ListError>,
    /// Links in places of nfcap's files and directories, at most 100. They are not followed, so files
    /// behind them are neither counted nor removed.
    pub links: Vec<PathBuf>,
}

impl Retained {
    /// Returns the first and the last slot of the removed files, if they lie a day or more apart.
    pub fn beyond_a_day(&self) -> Option<(Timestamp, Timestamp)> {
        let slots = || self.removed.iter().map(|removed| removed.slot);
        let (first, last) = slots().min().zip(slots().max())?;
        (last.secs() - first.secs() >= DAY).then_some((first, last))
    }

    /// Adds a link that is not followed.
    fn link(&mut self, path: PathBuf) {
        if self.links.len() < MAX_LINKS {
            self.links.push(path);
        }
    }

    /// Returns the number of files removed by this rule.
    pub fn by(&self, why: Why) -> usize {
        self.removed.iter().filter(|removed| removed.why == why).count()
    }
}

/// The result of [`pass`].
#[derive(Debug, Default)]
pub struct Pass {
    /// The files removed, and counts of those left.
    pub done: Retained,
    /// The step of the clock that kept the pass from removing files by age.
    pub clock_set: Option<ClockSet>,
    /// The refusal to remove any file, because there would have been too many.
    pub too_many: Option<TooMany>,
}

/// Removes the files that the rules name, as far as `guard` allows. See [`retain`].
pub fn pass(spool: &Path, rules: &RetentionRules, guard: &mut Guard, now: Clocks) -> Pass {
    // A spool that does not exist has no files either.
    let judged = directory_id(spool);
    if let Some(id) = judged {
        guard.place(id);
    }
    let clock_set = guard.clock(now).filter(|_| rules.keep.is_some());
    let allowed = guard.rules(rules);
    if guard.is_settled() {
        let done = retain_in(spool, judged, &allowed, now.wall, usize::MAX);
        return Pass { done, clock_set, too_many: None };
    }
    let plan = retain(spool, &allowed, now.wall, true);
    let files = plan.removed.len() as u64;
    let too_many = guard.judge(files, plan.kept_files + files);
    let done = match too_many {
        Some(_) => Retained { removed: Vec::new(), ..plan },
        // No more files than were judged, even if the disk has filled since.
        None => retain_in(spool, judged, &allowed, now.wall, plan.removed.len()),
    };
    Pass { done, clock_set, too_many }
}

/// Returns which directory a path leads to now, `None` if there is none.
fn directory_id(path: &Path) -> Option<DirectoryId> {
    let data = fs::metadata(path).ok()?;
    Some(DirectoryId { device: data.dev(), inode: data.ino() })
}

/// Removes files from a spool until the rules hold, oldest first: by slot, number and name. A dry run
/// removes nothing and returns the same.
///
/// * Only files in their place are considered, in `YYYY/MM/DD` of their slot: finished files,
///   compressed or not, and `.bad` ones. All else in the spool stays, such as copies in a directory of
///   another name. Files being written are counted and stay.
/// * The newest finished file is removed by age only. So is the newest one that is not dated in the
///   future.
/// * A file is not removed to make room on the disk if its bytes would stay because it has another
///   name (a hard link), or if it lies on another file system than the spool.
/// * A slot dated before the year 2000 is removed by [`RetentionRules::max_size`] only: the clock that
///   dated it was wrong, so its age is unknown.
/// * Directories of past days, months and years are removed once they are empty.
///
/// The file system is asked for its free space once, and the removed bytes are added to the answer.
/// Some file systems give space back late, and asking them again would remove file after file.
pub fn retain(spool: &Path, rules: &RetentionRules, now: Timestamp, dry_run: bool) -> Retained {
    if dry_run {
        return retain_on(spool, rules, now, usize::MAX, space, || true, |_| Ok(()));
    }
    retain_in(spool, directory_id(spool), rules, now, usize::MAX)
}

/// Removes files as [`retain`] does, but at most `most`, and only as long as `spool` leads to the
/// directory `judged`. A disk that is mounted over it in the middle of a pass was not judged.
fn retain_in(
    spool: &Path,
    judged: Option<DirectoryId>,
    rules: &RetentionRules,
    now: Timestamp,
    most: usize,
) -> Retained {
    let is_judged = || directory_id(spool) == judged;
    let remove = |path: &Path| fs::remove_file(path);
    let mut done = retain_on(spool, rules, now, most, space, is_judged, remove);
    let dirs = Dirs::find(spool, &mut Retained::default());
    if is_judged() {
        dirs.tidy(now, &mut done.errors);
    }
    done
}

/// Returns the size and the free space of the file system that a spool lies on.
fn space(spool: &Path) -> io::Result<Space> {
    let found = statvfs(spool)?;
    let size = found.fragment_size();
    let bytes = |blocks: u64| blocks.saturating_mul(size);
    Ok(Space { free: bytes(found.blocks_available()), total: bytes(found.blocks()) })
}

/// The size and the free space of a file system, in bytes.
#[derive(Clone, Copy, Debug)]
struct Space {
    free: u64,
    total: u64,
}

/// Removes files as [`retain_in`] does, with `space` for the state of the disk, `is_judged` to tell
/// whether the spool is still the judged directory, and `remove` to remove a file.
fn retain_on(
    spool: &Path,
    rules: &RetentionRules,
    now: Timestamp,
    most: usize,
    space: impl Fn(&Path) -> io::Result<Space>,
    is_judged: impl Fn() -> bool,
    remove: impl Fn(&Path) -> io::Result<()>,
) -> Retained {
    let mut done = Retained::default();
    let dirs = Dirs::find(spool, &mut done);
    // Two rounds, with one day's files at a time in memory. The first one counts.
    let (mut newest, mut newest_past) = (None, None);
    for day in &dirs.days {
        for file in files(day, dirs.device, &mut done) {
            done.kept_bytes = done.kept_bytes.saturating_add(file.bytes);
            done.kept_files += u64::from(file.kind != FileKind::Part);
            if file.kind == FileKind::Finished {
                // A file dated 2036 must not count as the newest one.
                if file.name.start <= now {
                    newest_past = Some(file.path.clone());
                }
                newest = Some(file.path);
            }
        }
    }
    let mut over = rules.max_size.map_or(0, |max| done.kept_bytes.saturating_sub(max));
    let mut lacking = 0;
    if let Some(free) = rules.min_free {
        match space(spool) {
            Ok(space) => lacking = free.bytes(space.total).saturating_sub(space.free),
            Err(error) => done.errors.push(ListError { path: spool.to_owned(), error }),
        }
    }
    'all: for day in &dirs.days {
        // The first round has returned the errors already.
        for file in files(day, dirs.device, &mut Retained::default()) {
            let age = u128::from(now.nanos().saturating_sub(file.name.start.nanos()));
            let is_dated = file.name.start.secs() >= CENTURY;
            let old = is_dated && rules.keep.is_some_and(|keep| age > keep.as_nanos());
            let is_over = is_dated && !old && over == 0 && lacking == 0;
            if is_over || done.removed.len() >= most {
                break 'all;
            }
            let is_newest = [&newest, &newest_past].into_iter().flatten().any(|n| *n == file.path);
            let makes_room = file.bytes > 0 && !is_newest;
            let why = match file.kind {
                FileKind::Part => continue,
                FileKind::Finished | FileKind::Bad if old => Why::Age,
                FileKind::Finished | FileKind::Bad if makes_room && over > 0 => Why::Size,
                FileKind::Finished | FileKind::Bad
                    if makes_room && lacking > 0 && file.frees && is_dated =>
                {
                    Why::Free
                }
                FileKind::Finished | FileKind::Bad => continue,
            };
            if !is_judged() {
                break 'all;
            }
            let SpoolFile { path, bytes, frees, name, .. } = file;
            match remove(&path) {
                Ok(()) => done.removed.push(Removed { path, slot: name.start, bytes, why }),
                // Another process removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    done.errors.push(ListError { path, error });
                    continue;
                }
            }
            done.kept_files = done.kept_files.saturating_sub(1);
            done.kept_bytes = done.kept_bytes.saturating_sub(bytes);
            over = over.saturating_sub(bytes);
            lacking = lacking.saturating_sub(if frees { bytes } else { 0 });
        }
    }
    done
}

/// Kinds of nfcap's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Finished,
    Bad,
    /// A file being written, or left behind by a collector that was killed.
    Part,
}

/// A file of nfcap's in a spool.
#[derive(Debug)]
struct SpoolFile {
    name: Name,
    path: PathBuf,
    kind: FileKind,
    /// Bytes on the disk.
    bytes: u64,
    /// True if its removal frees space on the spool's file system: the file lies on it, and has no
    /// other name that would keep its bytes.
    frees: bool,
}

/// Returns the kind of one of nfcap's files, and the name of its slot; `None` for other names.
fn kind(file: &str) -> Option<(FileKind, Name)> {
    if let Some(name) = Name::parse(file) {
        return Some((FileKind::Finished, name));
    }
    let hidden = file.strip_prefix('.')?;
    if let Some(name) = hidden.strip_suffix(".part") {
        return Some((FileKind::Part, Name::parse(name)?));
    }
    // `.NAME.bad`, or `.NAME.1.bad` if that existed.
    let name = hidden.strip_suffix(".bad")?;
    let plain = match name.rsplit_once('.') {
        Some((plain, n)) if n.bytes().all(|b| b.is_ascii_digit()) => plain,
        _ => name,
    };
    Some((FileKind::Bad, Name::parse(plain)?))
}

/// Returns nfcap's files in the directory of a day, oldest first.
fn files(day: &Dir, device: Option<u64>, seen: &mut Retained) -> Vec<SpoolFile> {
    let mut found = Vec::new();
    let prefix = format!("nfcap.{}", day.stamp);
    for entry in entries(&day.path, &mut seen.errors) {
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        let Some((kind, name)) = kind(file) else { continue };
        // nfcap does not put files of another day here.
        if !file.trim_start_matches('.').starts_with(&prefix) {
            continue;
        }
        let path = entry.path();
        match entry.metadata() {
            Ok(data) if data.is_file() => {
                let alone = data.nlink() <= 1;
                let frees = alone && device.is_none_or(|device| device == data.dev());
                // A part that is just getting its name is counted under that.
                if kind == FileKind::Part && !alone {
                    continue;
                }
                // st_blocks counts 512 bytes, independent of the file system's own blocks.
                let bytes = data.blocks().saturating_mul(512);
                found.push(SpoolFile { name, path, kind, bytes, frees });
            }
            Ok(data) => {
                if data.is_symlink() {
                    seen.link(path);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => seen.errors.push(ListError { path, error }),
        }
    }
    found.sort_unstable_by(|a, b| (a.name, &a.path).cmp(&(b.name, &b.path)));
    found
}

/// Returns the entries of a directory. One that does not exist is empty.
fn entries(dir: &Path, errors: &mut Vec<ListError>) -> Vec<fs::DirEntry> {
    match fs::read_dir(dir).and_then(Iterator::collect) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                errors.push(ListError { path: dir.to_owned(), error });
            }
            Vec::new()
        }
    }
}

/// A directory of a spool, and the digits on the way to it, such as `200107` for July 2001.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    stamp: String,
}

/// The directories of a spool, each kind in time order.
#[derive(Debug)]
struct Dirs {
    years: Vec<Dir>,
    months: Vec<Dir>,
    days: Vec<Dir>,
    /// File system of the spool.
    device: Option<u64>,
}

impl Dirs {
    fn find(spool: &Path, seen: &mut Retained) -> Dirs {
        let device = fs::metadata(spool).ok().map(|data| data.dev());
        let top = [Dir { path: spool.to_owned(), stamp: String::new() }];
        let years = Dirs::below(&top, 4, seen);
        let months = Dirs::below(&years, 2, seen);
        let days = Dirs::below(&months, 2, seen);
        Dirs { years, months, days, device }
    }

    /// Returns the directories whose name has this many digits and nothing else. Links are not
    /// followed, because they lead out of the spool.
    fn below(above: &[Dir], digits: usize, seen: &mut Retained) -> Vec<Dir> {
        let mut found = Vec::new();
        for Dir { path, stamp } in above {
            for entry in entries(path, &mut seen.errors) {
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                let is_ours = name.len() == digits && name.bytes().all(|b| b.is_ascii_digit());
                let Ok(kind) = entry.file_type() else { continue };
                if is_ours && kind.is_dir() {
                    found.push(Dir { path: entry.path(), stamp: format!("{stamp}{name}") });
                } else if is_ours && kind.is_symlink() {
                    seen.link(entry.path());
                }
            }
        }
        found.sort_unstable_by(|a, b| a.stamp.cmp(&b.stamp));
        found
    }

    /// Removes empty directories, except those of today and of the day before: a collector may just
    /// have created them for the file that it begins.
    fn tidy(&self, now: Timestamp, errors: &mut Vec<ListError>) {
        let before = Timestamp::from_secs(now.secs().saturating_sub(DAY)).rfc3339();
        let before: String = before.chars().filter(char::is_ascii_digit).collect();
        for dir in self.days.iter().chain(&self.months).chain(&self.years) {
            let is_past = before.get(..dir.stamp.len()).is_some_and(|before| *dir.stamp < *before);
            let is_empty = || fs::read_dir(&dir.path).is_ok_and(|mut dir| dir.next().is_none());
            if !is_past || !is_empty() {
                continue;
            }
            match fs::remove_dir(&dir.path) {
                Ok(()) => {}
                // Another process removed it, or put a file into it.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                    ) => {}
                Err(error) => errors.push(ListError { path: dir.path.clone(), error }),
            }
        }
    }
}

#[cfg(test)]
mod tests;
