//! Signals, as flags to look at and a pipe that wakes a `poll`.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The signals that nfcap knows.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    again: Arc<AtomicBool>,
    pipe: UnixStream,
}

impl Signals {
    /// Catches TERM, INT, HUP and CHLD from now on. A second TERM or INT ends the process at once,
    /// with status 1.
    ///
    /// # Errors
    /// What the system says.
    pub fn catch() -> io::Result<Signals> {
        let (pipe, wake) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let (stop, again) = (Arc::default(), Arc::default());
        for signal in [SIGTERM, SIGINT] {
            // This one looks at the flag before the next one sets it.
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&again))?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] {
            low_level::pipe::register(signal, wake.try_clone()?)?;
        }
        Ok(Signals { stop, again, pipe })
    }

    /// TERM or INT came.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// HUP came since the last call.
    pub fn again(&self) -> bool {
        self.again.swap(false, Ordering::Relaxed)
    }

    /// Empties the pipe; a signal that comes later wakes again. Look at the flags after it.
    pub fn drain(&mut self) {
        let mut octets = [0; 64];
        while matches!(self.pipe.read(&mut octets), Ok(1..)) {}
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
