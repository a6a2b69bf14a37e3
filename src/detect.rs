//! Detection: flows in one window in, the hosts that stand out come out.
//!
//! [`Windows`] decides which flows are counted together and when; a [`Detector`] ([`scan::Scan`],
//! [`flood::Flood`], [`port::Port`]) counts them in a [`Table`], or puts them together as
//! [`conversation`](crate::conversation)s, and judges the sums. Only sums, minima and maxima are kept, so that the order of
//! the flows inside a window, the hash seeds and the partitioning cannot change a finding.
//!
//! [`Table`]: crate::table::Table

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::finding::{Finding, Side, UNKNOWN_SECONDS};
use crate::flow::{Flow, Networks};
use crate::time::{End, Window};

mod baseline;
pub mod flood;
#[cfg(test)]
mod hostile;
mod ignore;
mod pair_totals;
pub mod paper;
#[cfg(test)]
mod play;
pub mod port;
pub mod scan;
mod site_limits;
pub mod state;
mod threshold;
mod top;
mod windows;

pub use ignore::{Ignore, IgnoreError};
use pair_totals::{PairTotals, Tallies};
pub use site_limits::{SiteLimitError, SiteLimits};
pub use windows::{Closed, WindowError, Windows};

/// What every detector is told about the site and the run.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Our networks; empty if nobody said, and then no host has a side.
    pub inside: Networks,
    /// Memory for the tables of one window, in octets; what is more goes to temporary files.
    pub memory: u64,
    /// A host whose counts are shown, flagged or not.
    pub explain: Option<IpAddr>,
    /// The metrics of all hosts are wanted, flagged or not.
    pub calibrate: bool,
}

impl Site {
    /// Where a host is.
    pub fn side(&self, host: IpAddr) -> Option<Side> {
        match (self.inside.is_empty(), self.inside.contains(host)) {
            (true, _) => None,
            (false, true) => Some(Side::Inside),
            (false, false) => Some(Side::Outside),
        }
    }

    /// How many flows a host must have to be looked at, if `least` are flagged: a host whose counts are
    /// shown may have fewer.
    pub fn least(&self, least: u64) -> u64 {
        self.explain.map_or(least, |_| 0)
    }
}

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

/// Counts the flows of one window and judges them.
pub trait Detector: Counter {
    /// A row of the figure that this detector can print instead of findings.
    type Row;

    /// Returns the findings that can be reported while the window is open.
    ///
    /// `now` is the time since some fixed moment, from a monotonic clock. A detector may use it to limit how
    /// often it judges, but no finding depends on it.
    ///
    /// # Errors
    /// Reading back a temporary file fails.
    fn early(&mut self, window: Window, now: Duration) -> io::Result<Vec<Finding>> {
        let _ = (window, now);
        Ok(Vec::new())
    }

    /// Judges the window; `end` is what its closing mark says.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    fn judge(self, end: &End) -> io::Result<Verdict<Self::Row>>;
}

/// What a detector has to say about one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<R> {
    /// The findings, in their order.
    pub findings: Vec<Finding>,
    /// The rows of the figure, in their order.
    pub figure: Vec<R>,
    /// What the rules saw of the host that was asked about.
    pub seen: Vec<Explained>,
    /// What each host came to of what has a limit, if that was asked for.
    pub metrics: Vec<Metric>,
}

/// What one host in one window came to of a metric that a site can limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, as in `--limits`.
    pub name: &'static str,
    /// Where the host is.
    pub side: Option<Side>,
    /// What it came to.
    pub value: u64,
    /// The limit without the site's own.
    pub limit: u64,
}

impl<R> Default for Verdict<R> {
    fn default() -> Verdict<R> {
        Verdict { findings: Vec::new(), figure: Vec::new(), seen: Vec::new(), metrics: Vec::new() }
    }
}

/// What one rule saw of one host: a line of `--explain`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Explained {
    /// What was counted over: `proto 6`, `port 6/80`, `flows`.
    pub of: String,
    /// The measure: `hosts`, `nets`, `flows`.
    pub measure: &'static str,
    /// Its value.
    pub value: u64,
    /// How the value is held against the limit.
    pub limit: Threshold,
}

/// A limit and how a value passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// More than this many.
    Above(u64),
    /// This many or more.
    AtLeast(u64),
    /// Fewer than this many.
    Below(u64),
}

impl Threshold {
    /// A limit on flows, given for 600 s, as it holds for a window: it scales with the length.
    pub fn scaled(self, window: Option<Window>) -> Threshold {
        let seconds = u64::from(window.map_or(UNKNOWN_SECONDS, Window::seconds));
        let scale = |limit: u64| u128::from(limit) * u128::from(seconds);
        let whole = u128::from(UNKNOWN_SECONDS);
        let clamp = |limit: u128| u64::try_from(limit).unwrap_or(u64::MAX);
        match self {
            Threshold::Above(limit) => Threshold::Above(clamp(scale(limit) / whole)),
            Threshold::AtLeast(limit) => Threshold::AtLeast(clamp(scale(limit).div_ceil(whole))),
            Threshold::Below(limit) => Threshold::Below(clamp(scale(limit).div_ceil(whole))),
        }
    }

    /// The least value that passes.
    pub const fn least(self) -> u64 {
        match self {
            Threshold::Above(limit) => limit.saturating_add(1),
            Threshold::AtLeast(limit) => limit,
            Threshold::Below(_) => 0,
        }
    }

    /// Whether the value passes.
    pub const fn passes(self, value: u64) -> bool {
        match self {
            Threshold::Above(limit) => value > limit,
            Threshold::AtLeast(limit) => value >= limit,
            Threshold::Below(limit) => value < limit,
        }
    }

    /// The limit with its comparison: `>1000`, `>=200`.
    pub fn text(self) -> String {
        match self {
            Threshold::Above(limit) => format!(">{limit}"),
            Threshold::AtLeast(limit) => format!(">={limit}"),
            Threshold::Below(limit) => format!("<{limit}"),
        }
    }

    /// The reason in the form of the `why` column: `flows=2000>1000`.
    pub fn why(self, measure: &str, value: u64) -> String {
        format!("{measure}={value}{}", self.text())
    }
}

/// The marks that a window's end puts on all of its findings.
pub fn marks(end: &End) -> Vec<String> {
    let lost = |count: Option<u64>| count.is_some_and(|count| count > 0);
    let lossy = lost(end.lost_flows) || lost(end.lost_datagrams);
    let sampled = end.sampling.is_some_and(|n| n > 1);
    let marks = [(lossy, "lossy"), (sampled, "sampled")];
    marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_on_flows_scale_with_the_window() {
        let window = |seconds| Window::new(0, seconds);
        assert_eq!(Threshold::Above(1000).scaled(window(600)), Threshold::Above(1000));
        assert_eq!(Threshold::Above(1000).scaled(window(3600)), Threshold::Above(6000));
        // 50 s: 83.3 flows, so 84 are more and 83 are not.
        assert!(Threshold::Above(1000).scaled(window(50)).passes(84));
        assert!(!Threshold::Above(1000).scaled(window(50)).passes(83));
        assert!(Threshold::AtLeast(1000).scaled(window(50)).passes(84));
        assert!(!Threshold::AtLeast(1000).scaled(window(50)).passes(83));
        assert_eq!(Threshold::AtLeast(u64::MAX).scaled(window(1200)), Threshold::AtLeast(u64::MAX));
        assert_eq!(Threshold::Above(1000).scaled(None), Threshold::Above(1000));
        for limit in [Threshold::Above(5), Threshold::AtLeast(5)] {
            assert!(limit.passes(limit.least()) && !limit.passes(limit.least() - 1), "{limit:?}");
        }
    }
}
