//! Slots of ten minutes: the unit in which the detectors' memories store times.

use crate::time::Window;

/// Seconds of a slot.
pub(super) const SECONDS: u64 = 600;
/// Slots of a day.
pub(super) const DAY: u32 = (86_400 / SECONDS) as u32;
/// Slots of a week.
pub(super) const WEEK: u32 = 7 * DAY;

/// Returns the slot of a time in Unix seconds.
pub(super) fn at(seconds: u64) -> u32 {
    u32::try_from(seconds / SECONDS).unwrap_or(u32::MAX)
}

/// Returns the last slot of a window.
pub(super) fn last(window: Window) -> u32 {
    at(window.end().saturating_sub(1))
}
