//! Retention: removes old files in a thread of its own, because removing a large file can take a
//! second, or prints which files would be removed.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::capture::spool::{self, Guard, Pass, Retained, RetentionRules};
use crate::capture::{clock, clocks};
use crate::cli::{Io, Status};

/// The longest time between two passes. Slots may last a day, or never be finished.
const PERIOD: Duration = Duration::from_secs(600);

/// The most links that are remembered as reported. Links beyond them are not reported: who can make
/// links in the spool must not fill the memory.
const MAX_LINKS: usize = 1000;

/// A handle to the thread that removes files.
#[derive(Debug)]
pub struct RetentionThread {
    orders: mpsc::SyncSender<()>,
    finished: mpsc::Receiver<FinishedPass>,
}

/// A finished pass, and which of its messages are due.
#[derive(Debug)]
pub struct FinishedPass {
    /// The pass, without links that were reported before.
    pub pass: Pass,
    /// True if it is time to report that the pass was refused.
    pub tells_too_many: bool,
    /// True if it is time to report that the clock was set.
    pub tells_clock_set: bool,
    /// The error of the clock, without which no pass was made.
    pub failed: Option<io::Error>,
}

impl RetentionThread {
    /// Starts a thread that removes files of `spool`: now, every ten minutes, and on order. With
    /// `yes` the first pass may remove more than half of the files. The thread writes a byte to
    /// `bell` after each pass.
    ///
    /// # Errors
    /// Fails if the thread cannot be started.
    pub fn start(
        spool: PathBuf,
        rules: RetentionRules,
        yes: bool,
        bell: UnixStream,
    ) -> io::Result<RetentionThread> {
        bell.set_nonblocking(true)?;
        // One waiting order is enough, because a pass looks at all files.
        let (orders, order) = mpsc::sync_channel(1);
        let (sender, finished) = mpsc::channel();
        let mut guard = Guard::new(yes);
        let mut links = BTreeSet::new();
        thread::Builder::new().name("retention".to_owned()).spawn(move || {
            loop {
                if sender.send(make_pass(&spool, &rules, &mut guard, &mut links)).is_err() {
                    return;
                }
                _ = Write::write(&mut &bell, &[0]);
                if let Err(mpsc::RecvTimeoutError::Disconnected) = order.recv_timeout(PERIOD) {
                    return;
                }
            }
        })?;
        Ok(RetentionThread { orders, finished })
    }

    /// Orders a pass, and does not wait for it.
    pub fn start_pass(&self) {
        // If the channel is full, a pass is ordered already.
        _ = self.orders.try_send(());
    }

    /// Returns the next finished pass, each once.
    pub fn take_finished(&self) -> Option<FinishedPass> {
        self.finished.try_recv().ok()
    }
}

fn make_pass(
    spool: &Path,
    rules: &RetentionRules,
    guard: &mut Guard,
    links: &mut BTreeSet<PathBuf>,
) -> FinishedPass {
    let now = match clocks() {
        Ok(now) => now,
        Err(error) => {
            let (pass, failed) = (Pass::default(), Some(error));
            return FinishedPass { pass, tells_too_many: false, tells_clock_set: false, failed };
        }
    };
    let mut pass = spool::pass(spool, rules, guard, now);
    pass.done.links.retain(|link| links.len() < MAX_LINKS && links.insert(link.clone()));
    let tells_too_many = pass.too_many.is_some() && guard.reports_half(now);
    let tells_clock_set = pass.clock_set.is_some() && guard.reports_clock(now);
    FinishedPass { pass, tells_too_many, tells_clock_set, failed: None }
}

/// Prints which files retention would remove now, and why.
///
/// # Errors
/// Fails if the spool cannot be read or stdout cannot be written.
pub fn dry_run(
    spool: &Path,
    rules: &RetentionRules,
    yes: bool,
    io: &mut Io,
) -> anyhow::Result<Status> {
    // A mistyped name must not look like a spool from which nothing would be removed.
    std::fs::read_dir(spool).with_context(|| spool.display().to_string())?;
    let Retained { removed, errors, links, kept_files, .. } =
        spool::retain(spool, rules, clock(), true);
    for file in &removed {
        writeln!(io.out, "{}\t{}\t{}", file.path.display(), file.bytes, file.why)?;
    }
    for error in &errors {
        io.report.error(error);
    }
    for link in &links {
        io.report.warn(NotFollowed(link));
    }
    let files = removed.len() as u64;
    if let Some(too_many) = Guard::new(yes).judge(files, kept_files + files) {
        io.report
            .warn(format_args!("{too_many}: a collector that starts now needs --yes for that"));
    }
    Ok(if errors.is_empty() { Status::Done } else { Status::Failed })
}

/// The message about a link in the spool.
pub struct NotFollowed<'a>(pub &'a Path);

impl fmt::Display for NotFollowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.display();
        write!(f, "{path}: a link in the spool; its target is neither counted nor removed")
    }
}
