//! The progress of a catch-up: a bar on a terminal, a line a minute elsewhere.

use std::io::{self, IsTerminal, LineWriter, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Common, Io, Report};

/// The fewest slots for which there is something to show.
const LEAST: usize = 3;

/// The time between two lines.
const MINUTE: Duration = Duration::from_secs(60);

/// The progress of one run.
#[derive(Debug)]
pub(super) struct Progress {
    /// The bar, on a terminal.
    bar: Option<ProgressBar>,
    last: Instant,
    done: usize,
    all: usize,
}

impl Progress {
    /// Returns the progress of a run that has done nothing yet. With `is_quiet` nothing is shown.
    pub fn new(is_quiet: bool) -> Progress {
        let is_shown = !is_quiet && io::stderr().is_terminal();
        let bar = is_shown.then(|| {
            let bar = ProgressBar::hidden();
            // The template is a constant; without it the bar has its default look.
            if let Ok(style) =
                ProgressStyle::with_template("{bar:30} {pos}/{len} slots, {eta} left {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar, last: Instant::now(), done: 0, all: 0 }
    }

    /// Says that so many slots are left.
    pub fn set_left(&mut self, left: usize) {
        self.all = self.done + left;
        if let Some(bar) = self.bar.as_ref().filter(|_| self.all >= LEAST) {
            bar.set_length(self.all as u64);
            if bar.is_hidden() {
                bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            }
        }
    }

    /// Says that a slot is done.
    pub fn slot(&mut self, slot: &str, io: &mut Io) {
        self.done += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(slot.to_owned());
                bar.inc(1);
            }
            None if self.done < self.all && self.last.elapsed() >= MINUTE => {
                self.last = Instant::now();
                let (done, all) = (self.done, self.all);
                io.report.warn(format_args!("{done} of {all} slots are done, up to {slot}"));
            }
            None => {}
        }
    }

    /// Returns a printer of messages that takes the bar away while it prints; `None` without a bar.
    pub fn report(&self, common: &Common) -> Option<Report> {
        // A line at a time: the bar is drawn again behind it.
        let to = Box::new(LineWriter::new(BesideBar(self.bar.clone()?)));
        Some(Report::new("nf-every10", to, common.quiet, common.verbose))
    }
}

/// Standard error beside a bar.
struct BesideBar(ProgressBar);

impl Write for BesideBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
