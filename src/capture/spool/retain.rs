//! Old files go: by their age, by what the spool may take, and by what the disk must have free.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use super::guard::{ClockSet, Clocks, DirectoryId, Guard, TooMany};
use super::{ListError, Name};
use crate::time::Timestamp;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Seconds from 1970 to 2000. A collector whose clock had no battery dates its slots before that, and
/// they are younger than they say.
const CENTURY: u64 = 946_684_800;

/// Links that are named, at most.
const LINKS: usize = 100;

/// When a file is removed. Without a rule none is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionRules {
    /// Once its slot began longer ago than this.
    pub keep: Option<Duration>,
    /// While all files of nfcap take more octets on the disk, those being written among them.
    pub max_size: Option<u64>,
    /// While the file system has less free than this for those who are not root.
    pub min_free: Option<Free>,
}

/// What a file system must have free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// So many octets.
    Octets(u64),
    /// So many tenths of a percent of its size, at most 1000.
    Tenths(u16),
}

impl Free {
    /// Reads `5%`, `2.5%` or a size, which `size` reads.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn parse(text: &str, size: impl Fn(&str) -> Result<u64, String>) -> Result<Free, String> {
        let Some(percent) = text.strip_suffix('%') else { return size(text).map(Free::Octets) };
        let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
        let digits = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<u16>().ok(),
            false => None,
        };
        let tenths = match (digits(whole), digits(tenth), tenth.len()) {
            (Some(whole @ 0..=100), Some(tenth), 1) => Some(whole * 10 + tenth),
            _ => None,
        };
        let tenths = tenths.filter(|&tenths| tenths <= 1000);
        tenths.map(Free::Tenths).ok_or_else(|| format!("{text:?} is no share such as 5% or 2.5%"))
    }

    /// In octets, of a file system of this size.
    fn octets(self, total: u64) -> u64 {
        match self {
            Free::Octets(octets) => octets,
            Free::Tenths(tenths) => {
                let octets = u128::from(total) * u128::from(tenths) / 1000;
                u64::try_from(octets).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The rule that a file was removed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// [`RetentionRules::keep`].
    Age,
    /// [`RetentionRules::max_size`].
    Size,
    /// [`RetentionRules::min_free`].
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
    /// Where it lay.
    pub path: PathBuf,
    /// When its slot began.
    pub slot: Timestamp,
    /// What it took on the disk.
    pub octets: u64,
    /// Why.
    pub why: Why,
}

/// What [`retain`] has done.
#[derive(Debug, Default)]
pub struct Retained {
    /// Oldest first.
    pub removed: Vec<Removed>,
    /// Files that are left, without those being written.
    pub kept_files: u64,
    /// What they take on the disk, with those being written.
    pub kept_octets: u64,
    /// What could not be looked at or removed.
    pub errors: Vec<ListError>,
    /// Links where nfcap's files and directories lie, at most 100 of them. They are not followed, so
    /// what is behind them is neither counted nor removed.
    pub links: Vec<PathBuf>,
}

impl Retained {
    /// From which slot to which files were removed, if that is more than the files of one day.
    pub fn beyond_a_day(&self) -> Option<(Timestamp, Timestamp)> {
        let slots = || self.removed.iter().map(|removed| removed.slot);
        let (first, last) = slots().min().zip(slots().max())?;
        (last.secs() - first.secs() >= DAY).then_some((first, last))
    }

    /// Notes a link that is not followed.
    fn link(&mut self, path: PathBuf) {
        if self.links.len() < LINKS {
            self.links.push(path);
        }
    }

    /// Files removed by this rule.
    pub fn by(&self, why: Why) -> usize {
        self.removed.iter().filter(|removed| removed.why == why).count()
    }
}

/// A pass of retention, which [`pass`] makes.
#[derive(Debug, Default)]
pub struct Pass {
    /// The files removed, and counts of those left.
    pub done: Retained,
    /// The clock was set: nothing was removed by age.
    pub clock_set: Option<ClockSet>,
    /// Nothing was removed at all: it would have been too many files.
    pub too_many: Option<TooMany>,
}

/// Removes what the rules say and `guard` allows. See [`retain`].
pub fn pass(spool: &Path, rules: &RetentionRules, guard: &mut Guard, now: Clocks) -> Pass {
    // A spool that is gone has no files either.
    if let Ok(data) = fs::metadata(spool) {
        guard.place(DirectoryId { device: data.dev(), inode: data.ino() });
    }
    let clock_set = guard.clock(now).filter(|_| rules.keep.is_some());
    let allowed = guard.rules(rules);
    if guard.is_settled() {
        let done = retain(spool, &allowed, now.wall, false);
        return Pass { done, clock_set, too_many: None };
    }
    let plan = retain(spool, &allowed, now.wall, true);
    let files = plan.removed.len() as u64;
    let too_many = guard.judge(files, plan.kept_files + files);
    let done = match too_many {
        Some(_) => Retained { removed: Vec::new(), ..plan },
        // No more than was judged, whatever has become of the disk meanwhile.
        None => retain_at_most(spool, &allowed, now.wall, plan.removed.len()),
    };
    Pass { done, clock_set, too_many }
}

/// Removes files from a spool until the rules hold, oldest first: by slot, number and name. A dry run
/// removes nothing and returns the same.
///
/// Only files that lie where nfcap puts them are seen at all, in `YYYY/MM/DD` of their slot: finished
/// ones, compressed or not, and what was kept as `.bad`. Whatever else is in the spool stays, such as
/// copies in a directory of another name; those being written are counted and stay too. The newest
/// finished file goes by its age only; so does the newest one that is not of the future. A file whose
/// octets would stay because it has another name (a hard link), or that lies on another file system
/// than the spool, is not removed to make room on the disk. A slot dated before the year 2000 goes by
/// [`RetentionRules::max_size`] only: the clock that dated it was wrong, and nobody knows its age.
///
/// Directories of past days, months and years that have become empty go as well.
///
/// What is free is asked once, and what was removed is added to it: some file systems give space back
/// late, and one that is asked again and again would lose file after file meanwhile.
pub fn retain(spool: &Path, rules: &RetentionRules, now: Timestamp, dry_run: bool) -> Retained {
    if dry_run {
        return retain_on(spool, rules, now, usize::MAX, space, |_| Ok(()));
    }
    retain_at_most(spool, rules, now, usize::MAX)
}

/// Does what [`retain`] does, for `most` files at most.
fn retain_at_most(spool: &Path, rules: &RetentionRules, now: Timestamp, most: usize) -> Retained {
    let mut done = retain_on(spool, rules, now, most, space, |path| fs::remove_file(path));
    Dirs::find(spool, &mut Retained::default()).tidy(now, &mut done.errors);
    done
}

/// Asks the file system of a spool for its size and what is free of it.
fn space(spool: &Path) -> io::Result<Space> {
    let found = statvfs(spool)?;
    let size = found.fragment_size();
    let octets = |blocks: u64| blocks.saturating_mul(size);
    Ok(Space { free: octets(found.blocks_available()), total: octets(found.blocks()) })
}

/// A file system, in octets.
#[derive(Clone, Copy, Debug)]
struct Space {
    free: u64,
    total: u64,
}

/// The same on a disk of which `space` tells the size and from which `remove` removes a file.
fn retain_on(
    spool: &Path,
    rules: &RetentionRules,
    now: Timestamp,
    most: usize,
    space: impl Fn(&Path) -> io::Result<Space>,
    remove: impl Fn(&Path) -> io::Result<()>,
) -> Retained {
    let mut done = Retained::default();
    let dirs = Dirs::find(spool, &mut done);
    // Twice through, with one day's files at a time in memory: the first time sees what there is.
    let (mut newest, mut newest_past) = (None, None);
    for day in &dirs.days {
        for file in files(day, dirs.device, &mut done) {
            done.kept_octets = done.kept_octets.saturating_add(file.octets);
            done.kept_files += u64::from(file.kind != FileKind::Part);
            if file.kind == FileKind::Finished {
                // One dated 2036 is not the newest that there is.
                if file.name.start <= now {
                    newest_past = Some(file.path.clone());
                }
                newest = Some(file.path);
            }
        }
    }
    let mut over = rules.max_size.map_or(0, |max| done.kept_octets.saturating_sub(max));
    let mut lacking = 0;
    if let Some(free) = rules.min_free {
        match space(spool) {
            Ok(space) => lacking = free.octets(space.total).saturating_sub(space.free),
            Err(error) => done.errors.push(ListError { path: spool.to_owned(), error }),
        }
    }
    'all: for day in &dirs.days {
        // What cannot be looked at was said the first time.
        for file in files(day, dirs.device, &mut Retained::default()) {
            let age = u128::from(now.nanos().saturating_sub(file.name.start.nanos()));
            let is_dated = file.name.start.secs() >= CENTURY;
            let old = is_dated && rules.keep.is_some_and(|keep| age > keep.as_nanos());
            let is_over = is_dated && !old && over == 0 && lacking == 0;
            if is_over || done.removed.len() >= most {
                break 'all;
            }
            let is_newest = [&newest, &newest_past].into_iter().flatten().any(|n| *n == file.path);
            let makes_room = file.octets > 0 && !is_newest;
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
            let SpoolFile { path, octets, frees, name, .. } = file;
            match remove(&path) {
                Ok(()) => done.removed.push(Removed { path, slot: name.start, octets, why }),
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    done.errors.push(ListError { path, error });
                    continue;
                }
            }
            done.kept_files = done.kept_files.saturating_sub(1);
            done.kept_octets = done.kept_octets.saturating_sub(octets);
            over = over.saturating_sub(octets);
            lacking = lacking.saturating_sub(if frees { octets } else { 0 });
        }
    }
    done
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Finished,
    Bad,
    /// Being written, or left behind by one that was killed.
    Part,
}

/// A file of nfcap's.
#[derive(Debug)]
struct SpoolFile {
    name: Name,
    path: PathBuf,
    kind: FileKind,
    octets: u64,
    /// Its removal gives room to the file system of the spool: it lies on that, and has no other name
    /// by which its octets would stay.
    frees: bool,
}

/// What a file of nfcap's is, by its name.
fn kind(file: &str) -> Option<(FileKind, Name)> {
    if let Some(name) = Name::parse(file) {
        return Some((FileKind::Finished, name));
    }
    let hidden = file.strip_prefix('.')?;
    if let Some(name) = hidden.strip_suffix(".part") {
        return Some((FileKind::Part, Name::parse(name)?));
    }
    // `.NAME.bad`, or `.NAME.1.bad` where there was one.
    let name = hidden.strip_suffix(".bad")?;
    let plain = match name.rsplit_once('.') {
        Some((plain, n)) if n.bytes().all(|b| b.is_ascii_digit()) => plain,
        _ => name,
    };
    Some((FileKind::Bad, Name::parse(plain)?))
}

/// nfcap's files in the directory of a day, oldest first.
fn files(day: &Dir, device: Option<u64>, seen: &mut Retained) -> Vec<SpoolFile> {
    let mut found = Vec::new();
    let prefix = format!("nfcap.{}", day.stamp);
    for entry in entries(&day.path, &mut seen.errors) {
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        let Some((kind, name)) = kind(file) else { continue };
        // One of another day was put here by somebody.
        if !file.trim_start_matches('.').starts_with(&prefix) {
            continue;
        }
        let path = entry.path();
        match entry.metadata() {
            Ok(data) if data.is_file() => {
                let alone = data.nlink() <= 1;
                let frees = alone && device.is_none_or(|device| device == data.dev());
                // The moment in which a part gets its name: it is counted under that.
                if kind == FileKind::Part && !alone {
                    continue;
                }
                // The unit of st_blocks, whatever the blocks of the file system are.
                let octets = data.blocks().saturating_mul(512);
                found.push(SpoolFile { name, path, kind, octets, frees });
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

/// What is in a directory. One that is gone is empty.
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

/// A directory of a spool, and the digits on the way to it, such as `200107` for July.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    stamp: String,
}

/// The directories of a spool, each kind in the order of time.
#[derive(Debug)]
struct Dirs {
    years: Vec<Dir>,
    months: Vec<Dir>,
    days: Vec<Dir>,
    /// The file system of the spool.
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

    /// Those whose name is so many digits. Links are not followed: where they lead is not the spool.
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

    /// Removes those that are empty. Not the present ones nor those of the day before: a collector
    /// may just have made them for the file that it begins.
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
                // It is gone, or somebody has put something into it.
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
