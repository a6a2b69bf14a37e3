//! Detection: reads the flows of a window and finds the hosts that attack or are attacked.
//!
//! [`Windows`] decides which flows are counted together and when. A [`Detector`] ([`scan::Scan`],
//! [`flood::Flood`], [`port::Port`]) counts them in a [`Table`], or assembles them to
//! [`conversation`](crate::conversation)s, and judges the sums. Detectors keep only sums, minima and maxima, so
//! that the order of the flows inside a window, the hash seeds and the partitioning cannot change a finding.
//!
//! [`Table`]: crate::table::Table

use std::io;

use crate::flow::Flow;
use crate::time::Window;

mod baseline;
mod detector;
pub mod flood;
#[cfg(test)]
mod hostile;
mod ignore;
mod judge;
mod limits_file;
mod pair_totals;
pub mod paper;
#[cfg(test)]
mod play;
pub mod port;
pub mod scan;
mod site;
mod site_limits;
mod slot;
pub mod state;
mod threshold;
mod top;
mod traffic;
mod verdict;
mod visibility;
mod windows;

pub use detector::Detector;
pub use ignore::{Ignore, IgnoreError};
pub use limits_file::SiteLimitError;
pub use site::Site;
pub use site_limits::SiteLimits;
pub use threshold::Threshold;
pub use verdict::{Explained, Metric, Verdict, marks};
pub use windows::{Closed, WindowError, Windows};

/// Counts the flows of one window.
pub trait Counter: Sized {
    /// Takes the window that the flows to come belong to, before the first of them; `None` if its time is
    /// unknown.
    fn begin(&mut self, window: Option<Window>) {
        let _ = window;
    }

    /// Counts some flows. Order does not matter.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    fn add(&mut self, flows: &[Flow]) -> io::Result<()>;
}
