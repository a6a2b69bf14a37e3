//! Detection: reads the flows of a window and finds the hosts that attack or are attacked.
//!
//! [`Windows`](crate::window::Windows) decides which flows are counted together and when. A [`Detector`] ([`scan::Scan`],
//! [`flood::Flood`], [`port::Port`]) counts them in a [`Table`], or assembles them to
//! [`conversation`](crate::conversation)s, and judges the sums. Detectors keep only sums, minima and maxima, so
//! that the order of the flows inside a window, the hash seeds and the partitioning cannot change a finding.
//!
//! [`Table`]: crate::table::Table

mod baseline;
mod detector;
pub mod feed;
pub mod flood;
mod habit;
#[cfg(test)]
mod hostile;
mod ignore;
mod judge;
mod limits_file;
mod outage;
mod pair_totals;
pub mod paper;
#[cfg(test)]
mod play;
pub mod port;
mod routine;
pub mod scan;
mod site;
mod site_limits;
mod slot;
mod spoke;
pub mod state;
mod threshold;
mod top;
mod traffic;
mod verdict;
mod visibility;

pub use detector::Detector;
pub use ignore::{Ignore, IgnoreError, parse_proto, proto_name};
pub use limits_file::{SiteLimitError, classes};
pub use routine::{LEAST_DAYS, Proposal, Routines};
pub use site::Site;
pub use site_limits::SiteLimits;
pub use threshold::Threshold;
pub use verdict::{Explained, Metric, Verdict, marks};
