//! The trait that all detectors have in common.

use std::io;
use std::time::Duration;

use crate::detect::verdict::Verdict;
use crate::finding::Finding;
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

/// A counter of the flows of a window that also judges it.
pub trait Detector: Counter {
    /// A row of the figure that this detector can print instead of findings.
    type Row;

    /// Returns the findings that are certain while the window is still open, each of them once.
    ///
    /// `now` is the time since some fixed moment, from a monotonic clock. A detector may use it to limit how
    /// often it judges, but no finding depends on it.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    fn early(&mut self, window: Window, now: Duration) -> io::Result<Vec<Finding>> {
        let _ = (window, now);
        Ok(Vec::new())
    }

    /// Judges the window; `end` is its closing mark, `now` the time of this machine's clock. A window that
    /// lies in the future of `now` changes nothing that is remembered.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    fn judge(self, end: &End, now: Timestamp) -> io::Result<Verdict<Self::Row>>;
}
