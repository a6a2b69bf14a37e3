//! The options of nfport.

use std::cell::RefCell;

use super::memory::Memory;
use crate::detect::site_limits::SiteLimits;

/// The options of nfport that it does not share with the other detectors.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub limits: SiteLimits,
    /// The memory from one window to the next, if there is a state file.
    pub memory: Option<RefCell<Memory>>,
}
