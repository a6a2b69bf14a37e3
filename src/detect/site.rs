//! The site that the detectors work for, and what its operator asked of this run.

use std::net::IpAddr;

use crate::finding::Side;
use crate::flow::Networks;

/// A site and the options of a run that all detectors share.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The site's own networks. If there are none, no host has a side.
    pub inside: Networks,
    /// Memory for the tables of one window, in bytes. Rows beyond it go to temporary files.
    pub memory: u64,
    /// The host of `--explain`: its measures are reported, flagged or not.
    pub explain: Option<IpAddr>,
    /// True for `--calibrate`: the metrics of all hosts are reported, flagged or not.
    pub calibrate: bool,
}

impl Site {
    /// Returns the side of a host, or `None` if the site's networks are not known.
    pub fn side(&self, host: IpAddr) -> Option<Side> {
        if self.inside.is_empty() {
            None
        } else if self.inside.contains(host) {
            Some(Side::Inside)
        } else {
            Some(Side::Outside)
        }
    }

    /// Returns how many flows a host needs to be looked at, if hosts with `least` are flagged. With
    /// `--explain` that is 0, because the host that is explained may have any number.
    pub fn least(&self, least: u64) -> u64 {
        if self.explain.is_some() { 0 } else { least }
    }
}
