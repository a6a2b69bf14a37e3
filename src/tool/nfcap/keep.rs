//! Retention beside the collecting, in a thread of its own: removing a large file can take a second.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::capture::clock;
use crate::capture::spool::{self, Retained, Rules};

/// How often files are looked for that have become too old, with slots of a day or none that ends.
const OFTEN: Duration = Duration::from_secs(600);

/// The thread, as who has it removed files sees it.
#[derive(Debug)]
pub struct Keeper {
    go: mpsc::SyncSender<()>,
    done: mpsc::Receiver<Retained>,
}

impl Keeper {
    /// Removes files of `spool` now, from time to time, and when it is told to. `bell` is rung when
    /// something was done.
    ///
    /// # Errors
    /// What the system says of threads and pipes.
    pub fn start(spool: PathBuf, rules: Rules, bell: UnixStream) -> io::Result<Keeper> {
        bell.set_nonblocking(true)?;
        // One that waits is enough: it looks at all files.
        let (go, orders) = mpsc::sync_channel(1);
        let (tell, done) = mpsc::channel();
        thread::Builder::new().name("keep".to_owned()).spawn(move || {
            loop {
                let kept = spool::retain(&spool, &rules, clock(), false);
                if !(kept.removed.is_empty() && kept.errors.is_empty()) {
                    if tell.send(kept).is_err() {
                        return;
                    }
                    _ = Write::write(&mut &bell, &[0]);
                }
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

    /// What was removed, or could not be.
    pub fn done(&self) -> Option<Retained> {
        self.done.try_recv().ok()
    }
}
