//! The options of nfflood.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::answers_seen::AnswersSeen;
use super::case::FloodClass;
use super::class::OUTBOUND;
use super::memory::Memory;
use crate::detect::site_limits::SiteLimits;

/// The options of nfflood that it does not share with the other detectors.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub limits: SiteLimits,
    /// Interfaces (SNMP ifIndex) on which traffic from outside arrives.
    pub outside_if: Arc<[u32]>,
    /// The memory from one window to the next, if there is a state file.
    pub memory: Option<RefCell<Memory>>,
    /// True if floods are reported while their window is still open.
    pub live: bool,
    /// Rows of open windows that were dropped because there was no room for them.
    pub forgotten: Cell<u64>,
    /// The visibility of answers in open windows so far.
    pub answers_seen: Cell<AnswersSeen>,
}

impl Setup {
    /// Returns the least limit of a class for any host.
    pub(super) fn least(&self, class: &FloodClass) -> u64 {
        self.own(class.name, class.limit.outside())
    }

    /// Returns the least limit of a class for any host, where the default is `limit`.
    pub(super) fn own(&self, class: &str, limit: u64) -> u64 {
        self.limits.least(class).unwrap_or(limit).min(limit)
    }

    /// Returns the fewest packets to one host in so many seconds that can be part of an outbound flood. Such a flood
    /// has up to ten targets, so a hundredth of the packets that all of them must get is enough.
    pub(super) fn least_sent(&self, seconds: u64) -> u64 {
        (self.least(&OUTBOUND).saturating_mul(seconds) / 100).max(1)
    }
}
