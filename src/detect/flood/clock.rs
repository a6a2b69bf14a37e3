//! The time of the flows in an open window, which ends its slices.

use crate::flow::Flow;
use crate::time::Window;

/// Length of a slice in milliseconds.
pub(super) const SLICE: u64 = 10_000;
/// The fewest flows after a slice's end that end it. A few may have a wrong clock.
const FLOWS_BEYOND: u32 = 8;
/// Milliseconds after the window's end up to which the time of a flow is believed.
const LATE: u64 = 120_000;

/// The time of the flows, and the slice that is open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// End of the slice in Unix milliseconds; 0 before the window is known.
    slice_end: u64,
    /// Latest time that is believed, in Unix milliseconds.
    last: u64,
    /// Number of flows after the slice's end.
    beyond: u32,
    /// Earliest time of these flows.
    first_beyond: u64,
}

impl Clock {
    /// Notes the times of flows.
    pub(super) fn add(&mut self, flows: &[Flow]) {
        for time in flows.iter().filter_map(|flow| flow.end.or(flow.start)) {
            let millis = time.nanos() / 1_000_000;
            if millis >= self.slice_end && millis <= self.last {
                self.first_beyond =
                    if self.beyond == 0 { millis } else { self.first_beyond.min(millis) };
                self.beyond += 1;
            }
        }
    }

    /// Returns true and begins the next slice if a slice of this window has ended.
    pub(super) fn ends_slice(&mut self, window: Window) -> bool {
        if self.slice_end == 0 {
            self.slice_end = window.start() * 1000 + SLICE;
            self.last = window.end() * 1000 + LATE;
        }
        if self.beyond < FLOWS_BEYOND {
            return false;
        }
        self.slice_end = (self.first_beyond / SLICE + 1) * SLICE;
        self.beyond = 0;
        true
    }
}
