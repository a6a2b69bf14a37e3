//! Signals as flags, with a pipe that wakes a `poll`. Other threads may write to the pipe too.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

/// The signals that nfcap handles.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    armed: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    status: Arc<AtomicBool>,
    /// The end to poll.
    pipe: UnixStream,
    /// The end to write a byte to.
    bell: UnixStream,
}

impl Signals {
    /// Catches TERM, INT, HUP, USR1 and CHLD from now on. After [`Signals::arm`] another TERM or INT
    /// ends the process at once, with status 1.
    ///
    /// # Errors
    /// Fails if the system refuses a handler or the pipe.
    pub fn catch() -> io::Result<Signals> {
        let (pipe, bell) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let [stop, armed, reload, status] = std::array::from_fn(|_| Arc::<AtomicBool>::default());
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 1, Arc::clone(&armed))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&reload))?;
        flag::register(SIGUSR1, Arc::clone(&status))?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD] {
            low_level::pipe::register(signal, bell.try_clone()?)?;
        }
        Ok(Signals { stop, armed, reload, status, pipe, bell })
    }

    /// Returns true once TERM or INT came.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Makes the next TERM or INT end the process at once.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// Returns true if HUP came since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// Returns true if USR1 came since the last call.
    pub fn take_status(&self) -> bool {
        self.status.swap(false, Ordering::Relaxed)
    }

    /// Returns an end of the pipe for another thread: a byte written to it wakes the `poll`.
    ///
    /// # Errors
    /// Fails if the system has no file descriptor left.
    pub fn bell(&self) -> io::Result<UnixStream> {
        self.bell.try_clone()
    }

    /// Empties the pipe, so that only later signals wake the `poll`. Read the flags after this call.
    pub fn drain(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.pipe.read(&mut bytes), Ok(1..)) {}
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
