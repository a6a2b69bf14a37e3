//! The options of nfscan.

use std::cell::RefCell;

use super::memory::Memory;
use crate::detect::feed::Feeds;
use crate::detect::site_limits::SiteLimits;
use crate::flow::Networks;

/// The options of nfscan that it does not share with the other detectors.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub limits: SiteLimits,
    /// Networks of known research scanners.
    pub survey: Networks,
    /// Threat feeds, which may change from one window to the next.
    pub feeds: RefCell<Feeds>,
    /// True if any flow with a listed address counts, answered or not.
    pub feed_any: bool,
    /// The memory from one window to the next, if there is a state file.
    pub memory: Option<RefCell<Memory>>,
}
