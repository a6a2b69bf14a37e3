//! OUT/ledger: a line for each file that was analysed, in the order of the work.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::names::{FileName, SlotName, findings_of, uncompressed};
use super::out_dir::{self, OutDir};
use crate::capture::spool;
use crate::time::Timestamp;

/// The name of the file.
const NAME: &str = "ledger";

/// Attempts at a file that fails, one a run; from then on there is one a day.
pub(super) const TRIES: u32 = 5;

/// Lines of files that are gone, before they are removed from the ledger.
const MAX_DEAD: usize = 1000;

/// Seconds until a file that was given up is tried again.
const DAY: u64 = 86_400;

/// Nanoseconds before the newest slot in which lines stay, whether their files do or not.
const KEPT: i64 = 30 * DAY_NANOS;

/// Nanoseconds of a day.
const DAY_NANOS: i64 = 86_400 * 1_000_000_000;

/// The result of analysing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file was analysed.
    Done,
    /// The file was cut short, and analysed as far as it goes.
    Cut,
    /// The file could not be analysed.
    Failed,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Verdict::Done => "done",
            Verdict::Cut => "cut",
            Verdict::Failed => "failed",
        }
    }
}

/// The last line of a file, and how often it failed since it was last analysed.
#[derive(Clone, Debug)]
struct Entry {
    path: Vec<u8>,
    size: u64,
    failures: u32,
    time: Option<Timestamp>,
    verdict: Verdict,
}

/// A line to be added.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    /// The path in the spool.
    pub path: &'a Path,
    /// The size in bytes.
    pub size: u64,
    /// The result.
    pub verdict: Verdict,
}

/// The ledger, with the last line of each file. Its size is bounded by that of the spool: see
/// [`Ledger::forget`].
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The entries, by path without the ending of a compressed file.
    entries: HashMap<Vec<u8>, Entry>,
}

/// The state of a file in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The file needs to be analysed.
    pub is_pending: bool,
    /// Consecutive failures.
    pub failures: u32,
}

impl Ledger {
    /// Reads the ledger. A line that cannot be read counts as absent, so that its file is analysed again.
    ///
    /// # Errors
    /// The system's error.
    pub fn read(out: &OutDir) -> std::io::Result<Ledger> {
        let mut ledger = Ledger::default();
        let text = out_dir::read(&out.path(NAME))?;
        // A last line without its end was torn by a crash.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        for line in text.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
            if let Some(entry) = parse(line) {
                ledger.add(entry);
            }
        }
        Ok(ledger)
    }

    fn add(&mut self, mut entry: Entry) {
        let key = uncompressed(&entry.path).to_vec();
        let before = self.entries.get(&key);
        let before = before.filter(|old| old.path == entry.path && old.size == entry.size);
        let failures = before.map_or(0, |old| old.failures);
        entry.failures = if entry.verdict == Verdict::Failed { failures + 1 } else { 0 };
        self.entries.insert(key, entry);
    }

    /// Returns true if nothing was ever analysed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the state of a file at the time `now`.
    pub fn known(&self, path: &Path, size: u64, now: Timestamp) -> Known {
        let path = path.as_os_str().as_bytes();
        let Some(entry) = self.entries.get(uncompressed(path)) else {
            return Known { is_pending: true, failures: 0 };
        };
        let has_changed = entry.path == path && entry.size != size;
        // An entry of the future was made while the clock was wrong.
        let is_due = entry
            .time
            .is_none_or(|time| time.secs() + DAY < now.secs() || time.secs() > now.secs());
        let failures = entry.failures;
        let is_retried = failures > 0 && (failures < TRIES || is_due);
        Known { is_pending: has_changed || is_retried, failures }
    }

    /// Adds lines, and waits until the disk has them.
    ///
    /// # Errors
    /// The system's error.
    pub fn append(
        &mut self,
        lines: &[Line<'_>],
        now: Timestamp,
        out: &OutDir,
    ) -> std::io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            let path = line.path.as_os_str().as_bytes();
            text.extend_from_slice(path);
            let rest = format!("\t{}\t{}\t{}\n", line.size, line.verdict.as_str(), now.rfc3339());
            text.extend_from_slice(rest.as_bytes());
        }
        out.append(NAME, &text)?;
        for line in lines {
            let (path, time) = (line.path.as_os_str().as_bytes().to_vec(), Some(now));
            let Line { size, verdict, .. } = *line;
            self.add(Entry { path, size, failures: 0, time, verdict });
        }
        Ok(())
    }

    /// Returns the newest slots that have findings and start no later than `limit`, in time order: the two
    /// newest, and those of the 24 hours before the older of these. A slot of which a file failed, or which
    /// a detector failed to judge, has findings too if the others were judged.
    pub fn recent(&self, limit: Timestamp, out: &OutDir) -> Vec<SlotName> {
        let has_findings = |entry: &&Entry| {
            let findings = |slot: SlotName| out.path(findings_of(&slot)).exists();
            entry.verdict != Verdict::Failed || slot_of(&entry.path).is_some_and(findings)
        };
        let analysed = self.entries.values().filter(has_findings);
        let starts = analysed.filter_map(|entry| Some((start_of(&entry.path)?, &entry.path)));
        let starts: Vec<_> = starts.filter(|(start, _)| *start <= limit).collect();
        let newest = starts.iter().map(|(start, _)| *start).max();
        let before =
            starts.iter().map(|(start, _)| *start).filter(|start| Some(*start) < newest).max();
        let Some(last) = before.or(newest) else { return Vec::new() };
        let since = last.offset(-DAY_NANOS);
        let recent = starts.into_iter().filter(|(start, _)| *start > since);
        let mut slots: Vec<_> = recent.filter_map(|(_, path)| slot_of(path)).collect();
        slots.sort();
        slots.dedup();
        slots
    }

    /// Removes the lines of files that are gone, once there are many: those of slots that start before
    /// `oldest`, the oldest slot in the spool, and 30 days before the newest one that was analysed. A part of
    /// the spool may be missing for a while, and a file that comes back is not new.
    ///
    /// # Errors
    /// The system's error; the old ledger then stays.
    pub fn forget(&mut self, oldest: Timestamp, out: &OutDir) -> std::io::Result<()> {
        let starts = self.entries.values().filter_map(|entry| start_of(&entry.path));
        let newest = starts.max().unwrap_or_default();
        let oldest = oldest.min(newest.offset(-KEPT));
        let is_dead = |path: &[u8]| start_of(path).is_none_or(|start| start < oldest);
        let dead = self.entries.values().filter(|entry| is_dead(&entry.path)).count();
        if dead < MAX_DEAD {
            return Ok(());
        }
        let text = out_dir::read(&out.path(NAME))?;
        let mut kept = Vec::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let trimmed = line.strip_suffix(b"\n").unwrap_or(line);
            if parse(trimmed).is_some_and(|entry| !is_dead(&entry.path)) {
                kept.extend_from_slice(trimmed);
                kept.push(b'\n');
            }
        }
        out.replace(NAME, &kept)?;
        out.sync("")?;
        self.entries.retain(|_, entry| !is_dead(&entry.path));
        Ok(())
    }
}

/// Returns the start of the slot of a file by its path in the spool.
fn start_of(path: &[u8]) -> Option<Timestamp> {
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    Some(spool::Name::parse(std::str::from_utf8(name).ok()?)?.start)
}

/// Returns the slot of a file by its path in the spool.
fn slot_of(path: &[u8]) -> Option<SlotName> {
    Some(FileName::parse(Path::new(OsStr::from_bytes(path)).file_name()?)?.slot)
}

fn parse(line: &[u8]) -> Option<Entry> {
    let mut cells = line.split(|byte| *byte == b'\t');
    let (path, size, verdict, time) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    if cells.next().is_some() || path.is_empty() {
        return None;
    }
    let verdict = match verdict {
        b"done" => Verdict::Done,
        b"cut" => Verdict::Cut,
        b"failed" => Verdict::Failed,
        _ => return None,
    };
    let size = std::str::from_utf8(size).ok()?.parse().ok()?;
    let time = Timestamp::parse(time);
    Some(Entry { path: path.to_vec(), size, failures: 0, time, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000_000);
    const FILE: &str = "2001/07/01/nfcap.200107010020.pcapng";

    fn out() -> (tempfile::TempDir, OutDir) {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path()).unwrap();
        out.clear_scratch().unwrap();
        (dir, out)
    }

    fn line(path: &str, size: u64, verdict: Verdict) -> Line<'_> {
        Line { path: Path::new(path), size, verdict }
    }

    fn known(ledger: &Ledger, path: &str, size: u64, now: u64) -> (bool, u32) {
        let known = ledger.known(Path::new(path), size, Timestamp::from_secs(now));
        (known.is_pending, known.failures)
    }

    #[test]
    fn a_file_is_known_by_name_and_size_compressed_or_not() {
        let (_dir, out) = out();
        let mut ledger = Ledger::default();
        ledger.append(&[line(FILE, 9, Verdict::Done)], NOW, &out).unwrap();
        for ledger in [ledger, Ledger::read(&out).unwrap()] {
            let now = NOW.secs();
            assert_eq!(known(&ledger, FILE, 9, now), (false, 0));
            assert_eq!(known(&ledger, FILE, 10, now), (true, 0));
            assert_eq!(known(&ledger, &format!("{FILE}.zst"), 5, now), (false, 0));
            assert_eq!(known(&ledger, "nfcap.200107010020.1.pcapng", 9, now), (true, 0));
        }
    }

    #[test]
    fn a_file_that_fails_is_tried_five_times_and_then_once_a_day() {
        let (_dir, out) = out();
        let mut ledger = Ledger::default();
        let now = NOW.secs();
        for n in 1..=6 {
            ledger.append(&[line(FILE, 9, Verdict::Failed)], NOW, &out).unwrap();
            assert_eq!(known(&ledger, FILE, 9, now), (n < 5, n));
        }
        assert_eq!(known(&ledger, FILE, 9, now + DAY), (false, 6));
        assert_eq!(known(&ledger, FILE, 9, now + DAY + 1), (true, 6));
        // The last attempt was made while the clock was ahead.
        assert_eq!(known(&ledger, FILE, 9, now - 1), (true, 6));
        assert_eq!(known(&Ledger::read(&out).unwrap(), FILE, 9, now), (false, 6));
        ledger.append(&[line(FILE, 9, Verdict::Cut)], NOW, &out).unwrap();
        assert_eq!(known(&ledger, FILE, 9, now), (false, 0));
    }

    #[test]
    fn torn_and_strange_lines_count_as_absent() {
        let (_dir, out) = out();
        let text = format!(
            "{FILE}\t9\tdone\t2001-07-01T00:30:00Z\nx\n\n{FILE}\t9\tfailed\nnfcap.200107010030.pcapng\t7\tdone\t2001-07-01T00:4"
        );
        std::fs::write(out.path(NAME), text).unwrap();
        let ledger = Ledger::read(&out).unwrap();
        assert_eq!(known(&ledger, FILE, 9, NOW.secs()), (false, 0));
        assert_eq!(known(&ledger, "nfcap.200107010030.pcapng", 7, NOW.secs()), (true, 0));
    }

    #[test]
    fn lines_of_files_that_retention_removed_are_forgotten() {
        let (_dir, out) = out();
        let mut ledger = Ledger::default();
        let start = 993_945_600;
        let path = |n: u64| {
            let window = crate::time::Window::new(start + 3600 * n, 3600).unwrap();
            spool_name(window)
        };
        let paths: Vec<_> = (0..2500).map(path).collect();
        for chunk in paths.chunks(100) {
            let lines: Vec<_> = chunk.iter().map(|path| line(path, 9, Verdict::Done)).collect();
            ledger.append(&lines, NOW, &out).unwrap();
        }
        let text = |out: &OutDir| std::fs::read_to_string(out.path(NAME)).unwrap();
        ledger.forget(Timestamp::from_secs(start + 3600 * 999), &out).unwrap();
        assert_eq!(text(&out).lines().count(), 2500);
        ledger.forget(Timestamp::from_secs(start + 3600 * 1200), &out).unwrap();
        assert_eq!(text(&out).lines().count(), 1300);
        for ledger in [&ledger, &Ledger::read(&out).unwrap()] {
            assert_eq!(ledger.entries.len(), 1300);
            assert_eq!(ledger.recent(Timestamp::from_secs(2_000_000_000), &out).len(), 25);
            assert_eq!(known(ledger, &paths[1200], 9, NOW.secs()), (false, 0));
            assert_eq!(known(ledger, &paths[1199], 9, NOW.secs()), (true, 0));
        }
        // Lines of the last 30 days stay, even if the spool begins later.
        ledger.forget(Timestamp::from_secs(start + 3600 * 2499), &out).unwrap();
        assert_eq!(ledger.entries.len(), 1300);
    }

    fn spool_name(window: crate::time::Window) -> String {
        crate::capture::spool::file_name(window, 0).to_str().unwrap().to_owned()
    }
}
