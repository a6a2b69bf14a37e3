//! Windows side by side in the coordinates of an SVG, and the paths that they make.

use super::parts::{ChartWindow, Span, State, Tick};
use super::scale::HEIGHT;

/// A window with its place in the coordinates of an SVG.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<T> {
    pub from: u64,
    pub to: u64,
    pub state: State<T>,
}

/// The windows of a span without overlaps and holes.
#[derive(Clone, Debug)]
pub(super) struct Layout<T> {
    /// The width of the SVG's coordinates.
    pub width: u64,
    pub windows: Vec<Placed<T>>,
}

impl<T: Copy> Layout<T> {
    /// Returns the windows that are in the span, in order of time. A coordinate is the greatest whole number of
    /// seconds that divides all windows. Time without a window was not seen. Where windows overlap, the one that
    /// begins first is shown whole.
    pub fn new(span: Span, windows: &[ChartWindow<T>]) -> Layout<T> {
        let mut sorted: Vec<&ChartWindow<T>> = windows.iter().collect();
        sorted.sort_by_key(|window| (window.start, window.end));
        let mut placed = Vec::with_capacity(windows.len());
        let mut cursor = span.start;
        let mut place = |cursor: &mut u64, to: u64, state| {
            if *cursor < to {
                placed.push(Placed { from: *cursor - span.start, to: to - span.start, state });
                *cursor = to;
            }
        };
        for window in sorted {
            let end = window.end.min(span.end);
            if window.start.max(cursor) < end {
                place(&mut cursor, window.start, State::Unseen);
                place(&mut cursor, end, window.state);
            }
        }
        place(&mut cursor, span.end, State::Unseen);

        let unit = placed.iter().fold(span.seconds(), |unit, window| divisor(unit, window.to));
        for window in &mut placed {
            window.from /= unit;
            window.to /= unit;
        }
        Layout { width: span.seconds() / unit, windows: placed }
    }

    /// Returns the outline of the values above (or below) a base line, as one path. A window with the value 0 or
    /// without a value ends an outline, and the next value begins another.
    pub fn area(&self, base: u32, up: bool, units: impl Fn(T) -> u32) -> String {
        let mut path = String::new();
        let mut last = 0;
        let close = |path: &mut String, last: &mut u32| {
            if *last > 0 {
                path.push_str(&format!("V{base}z"));
            }
            *last = 0;
        };
        let mut held = 0;
        for window in &self.windows {
            let value = match window.state {
                State::Seen(value) => units(value),
                State::Unseen | State::NotYet => 0,
            };
            if value == 0 {
                flush(&mut path, &mut held);
                close(&mut path, &mut last);
                continue;
            }
            if value != last {
                flush(&mut path, &mut held);
                if last == 0 {
                    path.push_str(&format!("M{} {base}", window.from));
                }
                path.push_str(&format!("V{}", if up { base - value } else { base + value }));
                last = value;
            }
            held += window.to - window.from;
        }
        flush(&mut path, &mut held);
        close(&mut path, &mut last);
        path
    }

    /// Returns the base line below the windows that were seen, as one path.
    pub fn base(&self, base: u32) -> String {
        let runs = self.runs(|state| matches!(state, State::Seen(_)));
        runs.map(|(from, to)| format!("M{from} {base}H{to}")).collect()
    }

    /// Returns the boxes of the windows that were not seen, as one path. Neighbours share a box.
    pub fn unseen(&self, height: u32) -> String {
        let runs = self.runs(|state| matches!(state, State::Unseen));
        runs.map(|(from, to)| format!("M{from} 0H{to}V{height}H{from}z")).collect()
    }

    /// Returns vertical lines at the ticks of the time axis, without those at its ends, as one path.
    pub fn grid(&self, ticks: &[Tick], height: u32) -> String {
        let inner = ticks.iter().filter(|tick| tick.at > 0.0 && tick.at < 1.0);
        inner.map(|tick| format!("M{} 0V{height}", self.x(tick.at))).collect()
    }

    /// Returns a fraction of the width, to a thousandth of it or better.
    #[expect(clippy::cast_precision_loss, reason = "a coordinate is below 2^53")]
    fn x(&self, fraction: f64) -> f64 {
        let precision = 100.0;
        (fraction * self.width as f64 * precision).round() / precision
    }

    /// Returns the ends of the longest runs of windows whose state passes.
    fn runs(&self, pass: impl Fn(&State<T>) -> bool) -> impl Iterator<Item = (u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for window in self.windows.iter().filter(|window| pass(&window.state)) {
            match runs.last_mut() {
                Some((_, to)) if *to == window.from => *to = window.to,
                _ => runs.push((window.from, window.to)),
            }
        }
        runs.into_iter()
    }
}

/// Writes the horizontal line of the windows with the same value.
fn flush(path: &mut String, held: &mut u64) {
    if *held > 0 {
        path.push_str(&format!("h{held}"));
    }
    *held = 0;
}

/// Returns the greatest common divisor of two numbers of which the first is not 0.
const fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns a line across the chart, as one path.
pub(super) fn across(width: u64, y: u32) -> String {
    format!("M0 {y}H{width}")
}

/// Returns the height of a value's top in coordinates that go down.
pub(super) const fn down(units: u32) -> u32 {
    HEIGHT.saturating_sub(units)
}
