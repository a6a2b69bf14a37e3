//! Reads `incidents.jsonl` and the files of `closed`, nfkit-incident(5).
//!
//! Readers never open the database: who may only read the directory cannot open one in WAL mode, and a run
//! that writes must not wait for anybody.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use nix::fcntl::OFlag;

use super::memory::{CLOSED, CURRENT};
use super::place::Place;
use crate::cli::Io;
use crate::incident::export::{Course, MatterRecord, NextRecord, Record};

/// The longest line in bytes: one incident with 64 matters and a journal of years. An endless line would
/// otherwise take all memory.
const MAX_LINE: usize = 16 << 20;

/// The age of the memory above which its readers are told. A run without news writes too.
const FRESH: Duration = Duration::from_secs(3600);

/// The files to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Incidents that are not closed, and those that were closed in the last days.
    Current,
    /// All incidents that are remembered.
    All,
}

/// Reads incidents and gives each line with its record to `take`, each incident once, those of
/// `incidents.jsonl` first, until `take` breaks off. Returns false if a line was skipped, which is reported.
///
/// # Errors
/// Fails if a file cannot be read, and if there is none yet.
pub(super) fn read(
    place: &Place,
    which: Which,
    io: &mut Io,
    take: impl FnMut(&[u8], Record) -> ControlFlow<()>,
) -> anyhow::Result<bool> {
    let mut reader = Reader { take, seen: HashSet::new(), is_sound: true };
    let path = place.file(CURRENT);
    let mut flow = match open(&path) {
        Ok(file) => reader.file(&path, file, io)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "no incidents yet: {} is written by `nfnotify run`; --db, or [incident] db, names another \
             place",
            path.display()
        ),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    // A run may move an incident from the first file to one of these in the meantime. It is then seen twice;
    // in the other order it could be missed.
    if which == Which::All && flow.is_continue() {
        for path in closed_files(&place.file(CLOSED))? {
            let file = open(&path).with_context(|| path.display().to_string())?;
            flow = reader.file(&path, file, io)?;
            if flow.is_break() {
                break;
            }
        }
    }
    report_age(place, io);
    Ok(reader.is_sound)
}

/// Opens a regular file. A FIFO in its place could hold up the reader for ever.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(file);
    }
    Err(io::Error::other("not a regular file"))
}

/// Returns the files of a directory that are named `YYYY-MM.jsonl`, the oldest month first.
fn closed_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = || dir.display().to_string();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(name),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.with_context(name)?;
        if entry.file_name().to_str().is_some_and(is_month) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Returns true for a name such as `2026-11.jsonl`.
fn is_month(name: &str) -> bool {
    let Some(month) = name.strip_suffix(".jsonl") else { return false };
    month.len() == 7
        && month.bytes().enumerate().all(
            |(at, byte)| {
                if at == 4 { byte == b'-' } else { byte.is_ascii_digit() }
            },
        )
}

/// A reader of several files, which have some incidents in common.
struct Reader<F> {
    take: F,
    seen: HashSet<u64>,
    /// False if a line was skipped.
    is_sound: bool,
}

impl<F: FnMut(&[u8], Record) -> ControlFlow<()>> Reader<F> {
    fn file(&mut self, path: &Path, file: File, io: &mut Io) -> anyhow::Result<ControlFlow<()>> {
        let name = path.display();
        let mut lines = Lines { input: BufReader::new(file), line: Vec::new(), number: 0 };
        while lines.next().with_context(|| name.to_string())? {
            if lines.line.is_empty() {
                continue;
            }
            let record = if lines.line.len() > MAX_LINE {
                Err(format!("longer than {} MiB, the limit", MAX_LINE >> 20))
            } else {
                Record::parse(&lines.line).map_err(|error| format!("not an incident: {error}"))
            };
            match record {
                Ok(record) => {
                    if self.seen.insert(record.id) && (self.take)(&lines.line, record).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Err(why) => {
                    self.is_sound = false;
                    let number = lines.number;
                    io.report
                        .fail("bad lines", format_args!("{name}:{number}: {why}; line skipped"));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The lines of a file, numbered from 1, without their endings.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; returns false at the end. Of a line that is too long it keeps one byte more than
    /// the limit.
    fn next(&mut self) -> io::Result<bool> {
        self.line.clear();
        let limit = MAX_LINE as u64 + 1;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.number += 1;
        if self.line.ends_with(b"\n") {
            self.line.pop();
        } else if self.line.len() as u64 == limit {
            self.input.skip_until(b'\n')?;
        }
        Ok(true)
    }
}

/// Warns if nothing was written to the memory for long: then the files say nothing about now.
#[expect(clippy::disallowed_methods, reason = "the age of files")]
fn report_age(place: &Place, io: &mut Io) {
    let mut wal = place.db().as_os_str().to_owned();
    wal.push("-wal");
    let files = [place.file(CURRENT), place.db().to_owned(), PathBuf::from(wal)];
    let newest = files.iter().filter_map(|file| fs::metadata(file).ok()?.modified().ok()).max();
    let age = newest.and_then(|newest| SystemTime::now().duration_since(newest).ok());
    if let Some(age) = age.filter(|age| *age > FRESH) {
        let age = humantime::format_duration(Duration::from_secs(age.as_secs() / 60 * 60));
        io.report.warn(format_args!(
            "nothing was written here for {age}, so all of this is as of then; is `nfnotify run` still \
             started?"
        ));
    }
}

/// Returns the state in words: `open`, `closed (resolved)`, `quiet, claimed`, `open, ignored`.
pub(super) fn state_text(record: &Record) -> String {
    course_text(record) + decision_text(record)
}

/// Returns the state without decisions: `open`, `closed (resolved)`.
pub(super) fn course_text(record: &Record) -> String {
    let state = record.state.as_str();
    record.reason.map_or_else(|| state.to_owned(), |why| format!("{state} ({})", why.as_str()))
}

/// Returns what people have decided: `, claimed`, `, ignored`, both, or nothing.
pub(super) fn decision_text(record: &Record) -> &'static str {
    let is_claimed = record.claim.as_ref().is_some_and(|claim| claim.at > record.last);
    match (is_claimed, record.ignored) {
        _ if record.state == Course::Closed => "",
        (true, true) => ", claimed, ignored",
        (true, false) => ", claimed",
        (false, true) => ", ignored",
        (false, false) => "",
    }
}

/// Returns how many times the limit the worst value is: `12x`; `-` if no value has a limit.
pub(super) fn peak_text(matters: &[MatterRecord]) -> String {
    let ratios = matters.iter().filter_map(|matter| matter.peak.ratio);
    ratios.max_by(f64::total_cmp).map_or_else(|| "-".to_owned(), ratio_text)
}

/// Returns a ratio as `12x`, or `1.3x` if it is below ten.
pub(super) fn ratio_text(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.1}x") } else { format!("{ratio:.0}x") }
}

/// Returns the words joined by a comma and a blank, or `-` if there are none.
pub(super) fn joined<T: AsRef<str>>(words: &[T]) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.join(", ")
}

/// Returns the next thing with its time and its condition.
pub(super) fn next_text(next: &NextRecord, time: impl Fn(u64) -> String) -> String {
    let mut text = next.what.clone();
    if let Some(at) = next.at {
        text = format!("{text} {}", time(at));
    }
    if next.why.is_empty() { text } else { format!("{text}, {}", next.why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_months_are_known() {
        for (name, is) in [
            ("2026-11.jsonl", true),
            ("2026-1.jsonl", false),
            ("2026_11.jsonl", false),
            ("2026-11.jsonl.gz", false),
            (".nfnotify.2026-11.jsonl", false),
            ("-026-11.jsonl", false),
        ] {
            assert_eq!(is_month(name), is, "{name}");
        }
    }

    #[test]
    fn lines_are_bounded_and_numbered() {
        let endless = io::repeat(b'x').take(50 << 20).chain(&b"\n\nshort\nlast"[..]);
        let mut lines = Lines { input: BufReader::new(endless), line: Vec::new(), number: 0 };
        let mut lengths = Vec::new();
        while lines.next().unwrap() {
            lengths.push(lines.line.len());
        }
        assert_eq!(lengths, [MAX_LINE + 1, 0, 5, 4]);
        assert_eq!(lines.number, 4);
        assert!(lines.line.capacity() < 3 * MAX_LINE);
    }

    #[test]
    fn ratios_are_short() {
        let text = |ratios: &[f64]| ratios.iter().map(|r| ratio_text(*r)).collect::<Vec<_>>();
        let ratios = [0.0, 1.27, 9.94, 9.96, 12.5, 1e6];
        assert_eq!(text(&ratios), ["0.0x", "1.3x", "9.9x", "10x", "12x", "1000000x"]);
    }
}
