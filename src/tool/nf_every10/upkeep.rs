//! The upkeep at the end of each pass over the slots: what is too old, what is late, and what is gone.

use std::collections::HashSet;
use std::io;

use super::disk::Disk;
use super::names::shown;
use super::retain;
use super::slots::Look;
use super::work::Job;
use crate::cli::Io;
use crate::time::Timestamp;

/// Slots of the future; with more, the clock is asked about.
const AHEAD: usize = 3;

impl Job<'_> {
    /// Tells that no file has come for a while, although no slot could be analysed in this run, and that
    /// files come again.
    pub(super) fn tell_stopped(&mut self, look: &Look, io: &mut Io) {
        let now = self.setup.clock.now().secs();
        // A file of the future was finished while the clock was wrong.
        let modified = look.files.iter().map(|file| file.modified);
        let Some(newest) = modified.filter(|time| *time <= now + 600).max() else { return };
        let limit = (3 * u64::from(self.slot_seconds())).max(1800);
        let age = now.saturating_sub(newest);
        if age <= limit {
            self.health.end("stopped", "-", "a capture file was finished again", io);
        } else if self.counts.judged == 0 {
            let minutes = age / 60;
            let text = format!(
                "no capture file was finished in the last {minutes} minutes: is nfcap running?"
            );
            self.health.begin("stopped", "-", &text, io);
        }
    }

    /// Asks about the clock if many slots are set aside for their time: they cannot all be mistakes, and
    /// while they wait nobody looks at them.
    pub(super) fn ask_clock(&mut self, look: &Look, limit: Timestamp, io: &mut Io) {
        if look.later <= AHEAD {
            let ends = "no more than three slots are set aside as future";
            self.health.end("clock", "-", ends, io);
            return;
        }
        self.has_failed = true;
        let now = limit.offset(-i64::from(self.slot_seconds()) * 1_000_000_000);
        let text = format!(
            "{} slots start more than one slot after {}: is this machine's clock right? If it is, move \
             the files that {} names",
            look.later,
            now.rfc3339(),
            shown(&self.setup.out.path("set-aside"))
        );
        self.health.begin("clock", "-", &text, io);
    }

    /// Removes results that are too old.
    pub(super) fn sweep(&mut self, limit: Timestamp, io: &mut Io) {
        let out = &self.setup.out;
        let newest = retain::anchor(&self.ledger, limit, self.slot_seconds(), out);
        let (Some(keep), Some(newest)) = (self.keep, newest) else { return };
        match retain::sweep(keep, &newest, out) {
            Ok(removed) => self.counts.removed += removed,
            Err(error) => {
                self.has_failed = true;
                io.report.error(format_args!("{}: not swept: {error}", shown(out.root())));
            }
        }
    }

    /// Forgets ledger lines of files that are gone, and ends troubles of what is gone.
    ///
    /// # Errors
    /// The system's error.
    pub(super) fn forget(&mut self, look: &Look) -> io::Result<()> {
        if self.setup.args.then.is_empty() {
            self.health.end_untold("hook-failed", "-", "there is no command of --then any more");
        }
        if !self.setup.remembers {
            let text = "there is no [incident] in the configuration any more";
            self.health.end_untold("incidents-failed", "-", text);
            self.health.end_untold("incidents-warned", "-", text);
        }
        if !self.setup.has_site {
            let text = "there is no [page] write in the configuration any more";
            self.health.end_untold("page-failed", "-", text);
        }
        if self.setup.inside.is_empty() {
            self.health.end_untold("inside-unseen", "-", "no networks are set any more");
        }
        if !look.errors.is_empty() {
            return Ok(());
        }
        let failed = self.health.open_of("file-failed");
        if !failed.is_empty() {
            let files: HashSet<_> = look.files.iter().map(|file| shown(&file.path)).collect();
            for path in failed.iter().filter(|path| !files.contains(*path)) {
                self.health.end_untold("file-failed", path, "the file is gone");
            }
        }
        match look.oldest() {
            Some(oldest) => self.ledger.forget(oldest, &self.setup.out),
            None => Ok(()),
        }
    }

    /// Tells if the disk of OUT is nearly full.
    pub(super) fn tell_disk(&mut self, io: &mut Io) {
        let out = &self.setup.out;
        let Ok(disk) = Disk::of(out.root()) else { return };
        self.counts.free = Some(disk.free);
        let begins = || {
            format!(
                "{}: only {} MiB are free; shorten --keep, or the time that nfcap keeps its files",
                shown(out.root()),
                disk.free >> 20
            )
        };
        let ends = format!("{}: there is room again", shown(out.root()));
        self.health.set("disk-low", disk.is_low(), begins, &ends, io);
    }

    /// Tells if the analysis is slower than the data.
    pub(super) fn tell_slow(&mut self, io: &mut Io) {
        let took = self.took();
        self.counts.millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (slots, seconds) = (self.counts.slots, u64::from(self.slot_seconds()));
        if slots == 0 {
            return;
        }
        let begins = || {
            format!(
                "the run took {} s for {slots} slots of {seconds} s: the data comes faster than it is \
                 analysed",
                took.as_secs()
            )
        };
        let ends = "the analysis is as fast as the data again";
        self.health.set("run-slow", took.as_secs() / slots > seconds, begins, ends, io);
    }
}
