//! The results of judging a window: findings, the rows of a figure, and the values behind them.

use crate::detect::threshold::Threshold;
use crate::finding::{Finding, Side};
use crate::time::End;

/// The results of one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<R> {
    /// The findings, sorted.
    pub findings: Vec<Finding>,
    /// The rows of the detector's figure, sorted.
    pub figure: Vec<R>,
    /// The measures of the host of `--explain`, sorted.
    pub seen: Vec<Explained>,
    /// The metrics of all hosts, with `--calibrate`.
    pub metrics: Vec<Metric>,
}

impl<R> Default for Verdict<R> {
    fn default() -> Verdict<R> {
        Verdict { findings: Vec::new(), figure: Vec::new(), seen: Vec::new(), metrics: Vec::new() }
    }
}

/// The value of a metric that a site can limit, for one host in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The metric's name in a file for `--limits`.
    pub name: &'static str,
    /// The side of the host.
    pub side: Option<Side>,
    /// The value for this host.
    pub value: u64,
    /// The limit that holds if the site sets none.
    pub limit: u64,
}

/// A measure of one host: a line of `--explain`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Explained {
    /// The scope of the measure: `proto 6`, `port 6/80`, `flows`.
    pub of: String,
    /// The measure: `hosts`, `nets`, `flows`.
    pub measure: &'static str,
    /// The value.
    pub value: u64,
    /// The limit that the value is compared with.
    pub limit: Threshold,
}

/// Returns the marks that a window's end puts on all findings of the window.
pub fn marks(end: &End) -> Vec<String> {
    let lost = |count: Option<u64>| count.is_some_and(|count| count > 0);
    let mut marks = Vec::new();
    if lost(end.lost_flows) || lost(end.lost_datagrams) {
        marks.push("lossy".to_owned());
    }
    if end.sampling.is_some_and(|n| n > 1) {
        marks.push("sampled".to_owned());
    }
    marks
}
