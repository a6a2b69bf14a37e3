//! The steps of a time series.

use crate::time::Window;
use crate::total::Row;

/// The most steps that a series is filled up to. More of them mean that some clock is wrong.
const MAX_FILLED: u64 = 100_000;

/// Returns the starts of all steps of `step` seconds in the window and the rows, in Unix seconds,
/// with `None` if some flows have no time. Steps without flows are included, so that a plot falls to
/// 0 there. Returns no step if there would be too many.
pub fn times(step: u32, window: Option<Window>, rows: &[Row]) -> Vec<Option<u64>> {
    let step = u64::from(step);
    let seen = || rows.iter().flat_map(|row| &row.steps).map(|at| at.start);
    let of_window = window.map(|window| {
        let last = window.end().saturating_sub(1);
        [window.start() - window.start() % step, last - last % step]
    });
    let known = || seen().flatten().chain(of_window.into_iter().flatten());
    let mut times: Vec<_> = match (known().min(), known().max()) {
        (Some(first), Some(last)) if (last - first) / step < MAX_FILLED => {
            (0..=(last - first) / step).map(|n| Some(first + n * step)).collect()
        }
        _ => return Vec::new(),
    };
    if seen().any(|time| time.is_none()) {
        times.push(None);
    }
    times.sort_unstable();
    times.dedup();
    times
}
