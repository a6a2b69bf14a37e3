//! Signals, as flags to look at and a pipe that wakes a `poll`, which others may ring too.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

/// The signals that nfcap knows.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    armed: Arc<AtomicBool>,
    again: Arc<AtomicBool>,
    tell: Arc<AtomicBool>,
    pipe: UnixStream,
    wake: UnixStream,
}

impl Signals {
    /// Catches TERM, INT, HUP, USR1 and CHLD from now on. After [`Signals::arm`] another TERM or INT ends
    /// the process at once, with status 1.
    ///
    /// # Errors
    /// What the system says.
    pub fn catch() -> io::Result<Signals> {
        let (pipe, wake) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let [stop, armed, again, tell] = std::array::from_fn(|_| Arc::<AtomicBool>::default());
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&armed))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&again))?;
        flag::register(SIGUSR1, Arc::clone(&tell))?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD] {
            low_level::pipe::register(signal, wake.try_clone()?)?;
        }
        Ok(Signals { stop, armed, again, tell, pipe, wake })
    }

    /// TERM or INT came.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// From now on TERM or INT ends the process at once.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// HUP came since the last call.
    pub fn again(&self) -> bool {
        self.again.swap(false, Ordering::Relaxed)
    }

    /// USR1 came since the last call.
    pub fn tell(&self) -> bool {
        self.tell.swap(false, Ordering::Relaxed)
    }

    /// An end of the pipe, for who has news of another kind: an octet wakes.
    ///
    /// # Errors
    /// What the system says.
    pub fn bell(&self) -> io::Result<UnixStream> {
        self.wake.try_clone()
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
