//! The options of nfscan.

use std::cell::RefCell;

use super::memory::Memory;
use crate::detect::site_limits::SiteLimits;
use crate::flow::Networks;

/// The options of nfscan that it does not share with the other detectors.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub limits: SiteLimits,
    /// Networks of known research scanners.
    pub survey: Networks,
    /// The memory from one window to the next, if there is a state file.
    pub memory: Option<RefCell<Memory>>,
}
