//! Thresholds, and the measures that are compared with them.

use crate::finding::UNKNOWN_SECONDS;
use crate::time::Window;

/// A limit, and the comparison by which a value passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Threshold {
    /// Passed by more than this.
    Above(u64),
    /// Passed by this or more.
    AtLeast(u64),
    /// Passed by less than this.
    Below(u64),
}

impl Threshold {
    /// Returns the threshold of a window, if this one is for 600 s: it scales with the window's length. A
    /// window of unknown length counts as 600 s.
    pub fn scaled(self, window: Option<Window>) -> Threshold {
        match self {
            Threshold::Above(limit) => Threshold::Above(scale(limit, window, false)),
            Threshold::AtLeast(limit) => Threshold::AtLeast(scale(limit, window, true)),
            Threshold::Below(limit) => Threshold::Below(scale(limit, window, true)),
        }
    }

    /// Returns the least value that passes.
    pub const fn least(self) -> u64 {
        match self {
            Threshold::Above(limit) => limit.saturating_add(1),
            Threshold::AtLeast(limit) => limit,
            Threshold::Below(_) => 0,
        }
    }

    /// Returns true if the value passes.
    pub const fn passes(self, value: u64) -> bool {
        match self {
            Threshold::Above(limit) => value > limit,
            Threshold::AtLeast(limit) => value >= limit,
            Threshold::Below(limit) => value < limit,
        }
    }

    /// Returns the limit with its comparison: `>1000`, `>=200`.
    pub fn text(self) -> String {
        match self {
            Threshold::Above(limit) => format!(">{limit}"),
            Threshold::AtLeast(limit) => format!(">={limit}"),
            Threshold::Below(limit) => format!("<{limit}"),
        }
    }

    /// Returns a value and the limit as the column `why` has them: `flows=2000>1000`.
    pub fn why(self, measure: &str, value: u64) -> String {
        format!("{measure}={value}{}", self.text())
    }
}

/// Returns a limit for 600 s as it is for the window, rounded up or down.
pub(super) fn scale(limit: u64, window: Option<Window>, round_up: bool) -> u64 {
    let scaled = u128::from(limit) * u128::from(window.map_or(UNKNOWN_SECONDS, Window::seconds));
    let whole = u128::from(UNKNOWN_SECONDS);
    let scaled = if round_up { scaled.div_ceil(whole) } else { scaled / whole };
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// A value, and the threshold that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measure {
    pub name: &'static str,
    pub value: u64,
    pub limit: Threshold,
}

impl Measure {
    pub(super) const fn at_least(name: &'static str, value: u64, limit: u64) -> Measure {
        Measure { name, value, limit: Threshold::AtLeast(limit) }
    }

    pub(super) const fn below(name: &'static str, value: u64, limit: u64) -> Measure {
        Measure { name, value, limit: Threshold::Below(limit) }
    }

    pub(super) const fn passes(&self) -> bool {
        self.limit.passes(self.value)
    }
}

/// Returns the measures as the column `why` has them.
pub(super) fn why(measures: &[Measure]) -> Vec<String> {
    measures.iter().map(|measure| measure.limit.why(measure.name, measure.value)).collect()
}

/// Returns how much of the whole a part is, in percent, rounded down; 0 if the whole is 0.
pub(super) fn percent(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 0,
        whole => (u128::from(part) * 100 / u128::from(whole)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_on_flows_scale_with_the_window() {
        let window = |seconds| Window::new(0, seconds);
        assert_eq!(Threshold::Above(1000).scaled(window(600)), Threshold::Above(1000));
        assert_eq!(Threshold::Above(1000).scaled(window(3600)), Threshold::Above(6000));
        // 50 s: 83.3 flows, so 84 are more and 83 are not.
        assert!(Threshold::Above(1000).scaled(window(50)).passes(84));
        assert!(!Threshold::Above(1000).scaled(window(50)).passes(83));
        assert!(Threshold::AtLeast(1000).scaled(window(50)).passes(84));
        assert!(!Threshold::AtLeast(1000).scaled(window(50)).passes(83));
        assert_eq!(Threshold::AtLeast(u64::MAX).scaled(window(1200)), Threshold::AtLeast(u64::MAX));
        assert_eq!(Threshold::Above(1000).scaled(None), Threshold::Above(1000));
        for limit in [Threshold::Above(5), Threshold::AtLeast(5)] {
            assert!(limit.passes(limit.least()) && !limit.passes(limit.least() - 1), "{limit:?}");
        }
    }
}
