//! OUT/health: the troubles of the job as JSON lines, each once when it begins and once when it ends.
//!
//! A trouble is also one line on stderr, so that cron mails it. The line on stderr comes first: if a run is
//! killed between the two, the trouble is told again rather than never.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::out_dir::{self, OutDir};
use crate::cli::Io;
use crate::time::{Timestamp, Window};

/// The name of the file.
const NAME: &str = "health";

/// Bytes from which on the older half of the file is removed. Open troubles stay.
const MAX_BYTES: usize = 8 << 20;

/// The most open troubles of one kind. Hostile input that makes more of them is not told.
const MAX_OPEN: usize = 1000;

/// The beginning or the end of a trouble, or a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The time of the job's clock, RFC 3339.
    time: String,
    /// `begin`, `end` or `note`.
    event: String,
    /// The kind of trouble, as nf-every10(8) lists them.
    trouble: String,
    /// The exporter, file or detector that has the trouble; `-` if it is the job itself.
    of: String,
    /// The start of the slot in which it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    /// Set to 1 for findings that came more than an hour late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late: Option<u8>,
    /// The number of findings of a late slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    findings: Option<u64>,
    /// A sentence for people.
    text: String,
}

/// The troubles that are open, by kind and by whom they concern.
#[derive(Debug)]
pub(super) struct Health {
    out: OutDir,
    now: Timestamp,
    /// The slot that is being analysed.
    slot: Option<Timestamp>,
    open: BTreeMap<(String, String), String>,
    /// Lines that are not written yet.
    lines: Vec<u8>,
}

impl Health {
    /// Reads the troubles that are open. `now` is the time of the job's clock.
    ///
    /// # Errors
    /// The system's error.
    pub fn read(out: &OutDir, now: Timestamp) -> std::io::Result<Health> {
        let text = out_dir::read(&out.path(NAME))?;
        let mut open = BTreeMap::new();
        // A line that was torn by a crash is left out; its trouble is told again.
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(entry) = serde_json::from_slice::<Entry>(line) else { continue };
            let key = (entry.trouble, entry.of);
            match entry.event.as_str() {
                "begin" => _ = open.insert(key, entry.time),
                "end" => _ = open.remove(&key),
                _ => {}
            }
        }
        let health = Health { out: out.clone(), now, slot: None, open, lines: Vec::new() };
        Ok(health)
    }

    /// Removes the older half of a long file, except the beginnings of open troubles.
    ///
    /// # Errors
    /// The system's error.
    pub fn bound(&self) -> std::io::Result<()> {
        let path = self.out.path(NAME);
        if path.metadata().map_or(0, |of| of.len()) > MAX_BYTES as u64 {
            self.shorten(&out_dir::read(&path)?)?;
        }
        Ok(())
    }

    /// Removes the older half of the file, except the beginnings of open troubles.
    fn shorten(&self, text: &[u8]) -> std::io::Result<()> {
        let mut kept = Vec::new();
        let mut left = text.len();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let is_new = left <= MAX_BYTES / 2;
            left -= line.len();
            let Ok(entry) = serde_json::from_slice::<Entry>(line) else { continue };
            let key = (entry.trouble, entry.of);
            if is_new || (entry.event == "begin" && self.open.get(&key) == Some(&entry.time)) {
                kept.extend_from_slice(line);
            }
        }
        self.out.replace(NAME, &kept)
    }

    /// Sets the time, and the slot that is being analysed, for the entries that follow.
    pub fn set_slot(&mut self, slot: Option<Timestamp>, now: Timestamp) {
        self.now = now;
        self.slot = slot;
    }

    /// Returns true if a trouble is open.
    pub fn is_open(&self, trouble: &str, of: &str) -> bool {
        self.open.contains_key(&(trouble.to_owned(), of.to_owned()))
    }

    /// Returns the open troubles: kind, subject, and the time since when.
    pub fn open(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.open
            .iter()
            .map(|((trouble, of), since)| (trouble.as_str(), of.as_str(), since.as_str()))
    }

    /// Returns the subjects of a kind of trouble that are open.
    pub fn open_of(&self, trouble: &str) -> Vec<String> {
        let of_kind = self.open.keys().filter(|(kind, _)| kind == trouble);
        of_kind.map(|(_, of)| of.clone()).collect()
    }

    /// Returns the number of open troubles by kind.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for (trouble, _) in self.open.keys() {
            *counts.entry(trouble.as_str()).or_default() += 1;
        }
        counts
    }

    /// Begins a trouble and tells it, unless it is open.
    pub fn begin(&mut self, trouble: &'static str, of: &str, text: &str, io: &mut Io) {
        if self.is_news(trouble, of) {
            io.report.error(text);
            self.begin_untold(trouble, of, text);
        }
    }

    /// Returns true if a trouble is not open and may begin: those of one kind are limited.
    pub fn is_news(&self, trouble: &str, of: &str) -> bool {
        let same = self.open.keys().filter(|(kind, _)| kind == trouble).count();
        same < MAX_OPEN && !self.is_open(trouble, of)
    }

    /// Begins a trouble whose line on stderr was printed elsewhere, unless it is open.
    pub fn begin_untold(&mut self, trouble: &'static str, of: &str, text: &str) {
        if !self.is_news(trouble, of) {
            return;
        }
        self.open.insert((trouble.to_owned(), of.to_owned()), self.now.rfc3339());
        self.push("begin", trouble, of, text);
    }

    /// Ends a trouble and tells that, if it is open.
    pub fn end(&mut self, trouble: &'static str, of: &str, text: &str, io: &mut Io) {
        if self.is_open(trouble, of) {
            io.report.error(text);
            self.end_untold(trouble, of, text);
        }
    }

    /// Ends a trouble whose line on stderr was printed elsewhere, if it is open.
    pub fn end_untold(&mut self, trouble: &'static str, of: &str, text: &str) {
        if self.open.remove(&(trouble.to_owned(), of.to_owned())).is_some() {
            self.push("end", trouble, of, text);
        }
    }

    /// Begins or ends a trouble of the job itself. Each text is told once.
    pub fn set(
        &mut self,
        trouble: &'static str,
        is_bad: bool,
        begins: impl FnOnce() -> String,
        ends: &str,
        io: &mut Io,
    ) {
        if is_bad {
            if !self.is_open(trouble, "-") {
                self.begin(trouble, "-", &begins(), io);
            }
        } else {
            self.end(trouble, "-", ends, io);
        }
    }

    /// Adds a remark about something that has no duration.
    pub fn note(&mut self, trouble: &'static str, of: &str, text: &str) {
        self.push("note", trouble, of, text);
    }

    /// Adds the findings of a slot that was analysed more than an hour late.
    pub fn late(&mut self, findings: u64) {
        let mut entry = self.entry("note", "late", "-", "findings of a slot more than 1 h ago");
        (entry.late, entry.findings) = (Some(1), Some(findings));
        self.write(&entry);
    }

    fn push(&mut self, event: &str, trouble: &str, of: &str, text: &str) {
        let entry = self.entry(event, trouble, of, text);
        self.write(&entry);
    }

    fn entry(&self, event: &str, trouble: &str, of: &str, text: &str) -> Entry {
        Entry {
            time: self.now.rfc3339(),
            event: event.to_owned(),
            trouble: trouble.to_owned(),
            of: of.to_owned(),
            window: self.slot.map(Timestamp::rfc3339),
            late: None,
            findings: None,
            text: text.to_owned(),
        }
    }

    fn write(&mut self, entry: &Entry) {
        // Strings and numbers can always be JSON.
        if let Ok(line) = serde_json::to_string(entry) {
            self.lines.extend_from_slice(line.as_bytes());
            self.lines.push(b'\n');
        }
    }

    /// Writes the entries so far to the disk.
    ///
    /// # Errors
    /// The system's error; the entries are kept for the next attempt.
    pub fn flush(&mut self) -> std::io::Result<()> {
        if !self.lines.is_empty() {
            self.out.append(NAME, &self.lines)?;
            self.lines.clear();
        }
        Ok(())
    }
}

/// Returns true if a window ended more than an hour before `now`.
pub(super) fn is_late(window: Window, now: Timestamp) -> bool {
    window.end() + 3600 < now.secs()
}
