//! Retention beside the collecting, in a thread of its own: removing a large file can take a second.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::capture::clocks;
use crate::capture::spool::{self, Guard, Pass, RetentionRules};

/// How often files are looked for that have become too old, with slots of a day or none that ends.
const OFTEN: Duration = Duration::from_secs(600);

/// Links that are remembered as told, at most; of those beyond them nothing is told.
const LINKS: usize = 1000;

/// The thread, as who has it removed files sees it.
#[derive(Debug)]
pub struct Keeper {
    go: mpsc::SyncSender<()>,
    done: mpsc::Receiver<Kept>,
}

/// A finished pass, and which of its messages are due.
#[derive(Debug)]
pub struct Kept {
    /// The pass. Links that were told before are left out.
    pub pass: Pass,
    /// True if its refusal is to be told now.
    pub tells_too_many: bool,
    /// True if the step of the clock is to be told now.
    pub tells_clock_set: bool,
    /// Why there was none.
    pub failed: Option<io::Error>,
}

impl Keeper {
    /// Removes files of `spool` now, from time to time, and when it is told to. With `yes` the first
    /// pass may remove more than half of the files. `bell` is rung after each pass.
    ///
    /// # Errors
    /// What the system says of threads and pipes.
    pub fn start(
        spool: PathBuf,
        rules: RetentionRules,
        yes: bool,
        bell: UnixStream,
    ) -> io::Result<Keeper> {
        bell.set_nonblocking(true)?;
        // One that waits is enough: it looks at all files.
        let (go, orders) = mpsc::sync_channel(1);
        let (tell, done) = mpsc::channel();
        let mut guard = Guard::new(yes);
        let mut links = BTreeSet::new();
        thread::Builder::new().name("keep".to_owned()).spawn(move || {
            loop {
                if tell.send(look(&spool, &rules, &mut guard, &mut links)).is_err() {
                    return;
                }
                _ = Write::write(&mut &bell, &[0]);
                if let Err(mpsc::RecvTimeoutError::Disconnected) = orders.recv_timeout(OFTEN) {
                    return;
                }
            }
        })?;
        Ok(Keeper { go, done })
    }

    /// Looks for files to remove. Waits for nothing.
    pub fn go(&self) {
        // Full: it will look anyway.
        _ = self.go.try_send(());
    }

    /// Returns the last finished pass, once.
    pub fn done(&self) -> Option<Kept> {
        self.done.try_recv().ok()
    }
}

/// Makes one pass.
fn look(
    spool: &std::path::Path,
    rules: &RetentionRules,
    guard: &mut Guard,
    links: &mut BTreeSet<PathBuf>,
) -> Kept {
    let now = match clocks() {
        Ok(now) => now,
        Err(error) => {
            let pass = Pass::default();
            let failed = Some(error);
            return Kept { pass, tells_too_many: false, tells_clock_set: false, failed };
        }
    };
    let mut pass = spool::pass(spool, rules, guard, now);
    pass.done.links.retain(|link| links.len() < LINKS && links.insert(link.clone()));
    let tells_too_many = pass.too_many.is_some() && guard.reports_half(now);
    let tells_clock_set = pass.clock_set.is_some() && guard.reports_clock(now);
    Kept { pass, tells_too_many, tells_clock_set, failed: None }
}
