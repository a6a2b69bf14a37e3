//! OUT/state: the memories of the detectors, and OUT/state/before: the same before the newest slot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::SlotName;
use super::out_dir::{OutDir, create_dirs, remove};
use crate::finding::DETECTORS;
use crate::time::Timestamp;

/// The directory of the states.
#[derive(Clone, Debug)]
pub(super) struct States {
    out: OutDir,
    dir: PathBuf,
}

impl States {
    /// Returns the states of OUT.
    pub fn new(out: &OutDir) -> States {
        States { out: out.clone(), dir: out.path("state") }
    }

    /// Returns the state file of a detector.
    pub fn path(&self, detector: &str) -> PathBuf {
        self.dir.join(detector)
    }

    /// Creates the directory. Returns true if it did not exist.
    ///
    /// # Errors
    /// The system's error.
    pub fn create(&self) -> io::Result<bool> {
        if fs::symlink_metadata(&self.dir).is_ok() {
            return Ok(false);
        }
        create_dirs(&self.dir).map(|()| true)
    }

    /// Removes what a detector left that was killed while it wrote its state, and finishes or undoes a
    /// change of `before`.
    pub fn clear(&self) {
        self.recover();
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".tmp") && name.len() == 10 {
                // A file that stays is harmless.
                _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Restores the states from before the slot if it is the newest one and is analysed again, so that a
    /// kill or one more file changes nothing. Keeps the present states if the slot is newer. Detectors learn
    /// nothing from older slots. Slots that start later than `limit` were judged while the clock was wrong.
    ///
    /// # Errors
    /// The system's error.
    pub fn remember(&self, slot: &SlotName, limit: Timestamp) -> io::Result<()> {
        self.recover();
        let before = self.dir.join("before");
        let start = digits(slot.start);
        let last = fs::read_to_string(before.join("slot")).unwrap_or_default();
        let last = last.trim_end();
        // Digits of one length compare as text.
        let last = if last.len() == 14 { last } else { "" };
        if last == start {
            for name in DETECTORS {
                self.restore(name, &before)?;
            }
        } else if last < start.as_str() || last > digits(limit).as_str() {
            self.keep(&start, &before)?;
        }
        Ok(())
    }

    /// Puts the states before the newest slot back if a run was killed while it replaced them. They are
    /// whole in one of the two directories.
    fn recover(&self) {
        let (before, old) = (self.dir.join("before"), self.dir.join("before.old"));
        if before.exists() {
            // The next run removes what stays.
            _ = fs::remove_dir_all(old);
            _ = fs::remove_dir_all(self.dir.join("before.new"));
        } else {
            // Without them the states are kept anew.
            _ = fs::rename(old, before);
        }
    }

    /// Returns the states before a slot that is older than the newest one; `None` for other slots.
    pub fn before_late(&self, slot: &SlotName) -> Option<Vec<Vec<u8>>> {
        let last = fs::read_to_string(self.dir.join("before/slot")).ok()?;
        let last = last.trim_end();
        let is_late = last.len() == 14 && digits(slot.start).as_str() < last;
        let read = |name| fs::read(self.path(name)).unwrap_or_default();
        is_late.then(|| DETECTORS.map(read).to_vec())
    }

    /// Keeps in `before` the states that a late slot has changed, `known` before it. Such a state has not
    /// learned the newest slot, because the detector had failed there; it would be lost when that slot is
    /// analysed again. A state that cannot be kept costs no more than that.
    pub fn keep_late(&self, known: &[Vec<u8>]) {
        for (name, known) in DETECTORS.into_iter().zip(known) {
            let Ok(bytes) = fs::read(self.path(name)) else { continue };
            if bytes != *known {
                _ = self.out.replace(Path::new("state/before").join(name), &bytes);
            }
        }
    }

    /// Gives a detector the state that it had before the slot.
    fn restore(&self, name: &str, before: &Path) -> io::Result<()> {
        let (kept, state) = (before.join(name), self.path(name));
        if kept.is_file() {
            let bytes = fs::read(kept)?;
            return self.out.replace(Path::new("state").join(name), &bytes);
        }
        // It had none. Only what was learned since is removed: nobody else's file. A small slot is judged
        // within one tick of the clock that stamps files.
        let (Ok(of), Ok(since)) = (fs::symlink_metadata(&state), before.join("slot").metadata())
        else {
            return Ok(());
        };
        if of.is_file() && of.modified()? >= since.modified()? {
            remove(&state)?;
        }
        Ok(())
    }

    /// Keeps the states as they are before the slot `start`.
    fn keep(&self, start: &str, before: &Path) -> io::Result<()> {
        let (new, old) = (self.dir.join("before.new"), self.dir.join("before.old"));
        remove_dir(&new)?;
        create_dirs(&new)?;
        for name in DETECTORS {
            let state = self.path(name);
            if fs::symlink_metadata(&state).is_ok_and(|of| of.is_file()) {
                // Detectors replace their file, and so leave this one as it is.
                if fs::hard_link(&state, new.join(name)).is_err() {
                    fs::copy(&state, new.join(name))?;
                }
            }
        }
        self.out.replace("state/before.new/slot", format!("{start}\n").as_bytes())?;
        self.out.sync("state/before.new")?;
        // A directory that is removed is not whole until it is gone.
        if before.exists() {
            remove_dir(&old)?;
            fs::rename(before, &old)?;
        }
        fs::rename(new, before)?;
        self.out.sync("state")?;
        remove_dir(&old)
    }
}

/// Returns the digits of a time: `20010701002000`.
fn digits(time: Timestamp) -> String {
    time.rfc3339().chars().filter(char::is_ascii_digit).collect()
}

/// Removes a directory if it is there.
fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
