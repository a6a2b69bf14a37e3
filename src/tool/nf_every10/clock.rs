//! The time of a run.

use crate::capture;
use crate::time::Timestamp;

/// The clock of a run, or the time that `--now` sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The time of `--now`.
    pub fixed: Option<Timestamp>,
}

impl Clock {
    /// Returns the time in whole seconds.
    pub fn now(self) -> Timestamp {
        self.fixed.unwrap_or_else(|| Timestamp::from_secs(capture::clock().secs()))
    }
}
