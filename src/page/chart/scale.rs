//! Scales, their ticks, and numbers with units.

use crate::finding::words;

/// The height of a chart's coordinates. Values are rounded to a unit of it.
pub const HEIGHT: u32 = 1000;

/// The most steps between 0 and the top of a linear scale.
const MAX_STEPS: u64 = 5;

/// The unit of a number. Every number of a chart is printed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bits a second, with a prefix: `9.6 Mbit/s`.
    BitRate,
    /// Bytes, with a prefix: `9.6 MB`.
    Bytes,
    /// Things by their noun in the singular, as `flow`: `2,180 flows`.
    Count(&'static str),
    /// Things a second by their noun in the singular, as `packet`: `2,180 packets/s`.
    Rate(&'static str),
}

impl Unit {
    /// Returns a number for a table. Numbers with a prefix are rounded down to two or three digits.
    pub fn text(self, number: u64) -> String {
        match self {
            Unit::BitRate => with_prefix(number, "bit/s"),
            Unit::Bytes => words::bytes(number),
            Unit::Count(noun) => words::of(number, noun),
            Unit::Rate(noun) => words::of(number, noun) + "/s",
        }
    }

    /// Returns the number of a tick, which is short: `2,500 flows`, `20 k flows`, `5 Mbit/s`. It is never rounded,
    /// unless [`text`](Unit::text) is, too.
    pub fn tick(self, number: u64) -> String {
        let noun = match self {
            Unit::BitRate | Unit::Bytes => return self.text(number).replace(".0 ", " "),
            Unit::Count(noun) => noun,
            // A noun would not fit beside a chart; the caption has it.
            Unit::Rate(_) => return prefixed(number) + "/s",
        };
        let scale = 1000u64.pow(number.max(1).ilog10() / 3);
        let is_exact = number % scale == 0 || (number / scale < 100 && number % (scale / 10) == 0);
        if number >= 10_000 && is_exact {
            format!("{} {noun}s", prefixed(number))
        } else {
            self.text(number)
        }
    }

    /// Returns the label of the largest of some numbers: `largest 9.6 Mbit/s`, or nothing if there is none.
    pub fn largest(self, numbers: impl IntoIterator<Item = u64>) -> Option<String> {
        numbers.into_iter().max().map(|number| format!("largest {}", self.text(number)))
    }
}

/// Returns a number in two or three digits, rounded down, with the prefix of the unit: `9.6 Mbit/s`.
fn with_prefix(number: u64, unit: &str) -> String {
    words::bytes(number).replace('B', unit)
}

/// Returns a power of ten with its prefix, or a number below 1,000: `10 k`.
pub(super) fn prefixed(number: u64) -> String {
    with_prefix(number, "").replace(".0 ", " ").trim_end().to_owned()
}

/// A linear scale from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    top: u64,
    step: u64,
}

impl Linear {
    /// Returns the scale from 0 to a round number that is at least `largest`. Its ticks are 1, 2 or 5 times a
    /// power of ten apart, at most five steps.
    pub fn new(largest: u64) -> Linear {
        Linear::with_steps(largest, MAX_STEPS)
    }

    /// Returns the scale from 0 to a round number, as [`new`](Linear::new) does, with at most so many steps.
    pub(super) fn with_steps(largest: u64, most: u64) -> Linear {
        let steps =
            (0..=19).flat_map(|power| [1, 2, 5].map(|digit| (digit, 10u64.checked_pow(power))));
        let mut steps = steps.filter_map(|(digit, power)| power?.checked_mul(digit));
        let enough = |step: &u64| largest.div_ceil(*step) <= most;
        let step = steps.find(enough).unwrap_or(u64::MAX);
        Linear { top: step.saturating_mul(largest.div_ceil(step).max(1)), step }
    }

    /// Returns the scale from 0 to the largest of some numbers, for bars whose numbers stand beside them.
    pub fn exact(numbers: impl IntoIterator<Item = u64>) -> Linear {
        let top = numbers.into_iter().max().unwrap_or(0).max(1);
        Linear { top, step: top }
    }

    /// Returns the number at the end of the scale.
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// Returns the numbers of the ticks, from 0 to the top.
    pub fn ticks(&self) -> Vec<u64> {
        (0..=self.top / self.step).map(|n| n * self.step).collect()
    }

    /// Returns the length of a number in units of [`HEIGHT`], rounded. A number above the top is cut there, and a
    /// number that is not 0 has at least one unit.
    pub fn units(&self, number: u64) -> u32 {
        let height = u128::from(HEIGHT);
        let (number, top) = (u128::from(number.min(self.top)), u128::from(self.top));
        let units = (number * height + top / 2) / top;
        u32::try_from(units).unwrap_or(HEIGHT).max(u32::from(number > 0))
    }

    /// Returns a number as a fraction of the scale, at most 1.
    #[expect(clippy::cast_precision_loss, reason = "a label is placed to a thousandth")]
    pub fn fraction(&self, number: u64) -> f64 {
        number.min(self.top) as f64 / self.top as f64
    }
}

/// A logarithmic scale from 1 to a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decades {
    decades: u32,
}

impl Decades {
    /// Returns the scale from 1 to the power of ten that is at least `largest`.
    pub fn new(largest: u64) -> Decades {
        let whole = largest.max(1).ilog10();
        let rest = u32::from(10u64.pow(whole) < largest);
        Decades { decades: (whole + rest).max(1) }
    }

    /// Returns the powers of ten from 1 to the end of the scale, without the one that is above `u64::MAX`.
    pub fn ticks(&self) -> Vec<u64> {
        (0..=self.decades).filter_map(|power| 10u64.checked_pow(power)).collect()
    }

    /// Returns a number as a fraction of the scale, at most 1, or nothing for 0, which is on no such scale.
    #[expect(clippy::cast_precision_loss, reason = "a dot is placed to a thousandth")]
    pub fn fraction(&self, number: u64) -> Option<f64> {
        let decades = f64::from(self.decades);
        (number > 0).then(|| ((number as f64).log10() / decades).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(Unit::BitRate.text(9_650_000), "9.6 Mbit/s");
        assert_eq!(Unit::BitRate.text(999), "999 bit/s");
        assert_eq!(Unit::BitRate.tick(5_000_000_000), "5 Gbit/s");
        assert_eq!(Unit::BitRate.tick(1_500_000), "1.5 Mbit/s");
        assert_eq!(Unit::Bytes.text(184_000), "184 kB");
        assert_eq!(Unit::Bytes.tick(50_000_000), "50 MB");
        assert_eq!(Unit::Count("flow").text(1), "1 flow");
        assert_eq!(Unit::Count("flow").tick(2500), "2,500 flows");
        let ticks = [10_000, 12_500, 12_540, 150_500, 2_000_000];
        assert_eq!(
            ticks.map(|tick| Unit::Count("flow").tick(tick)),
            ["10 k flows", "12.5 k flows", "12,540 flows", "150,500 flows", "2 M flows"]
        );
        assert_eq!(Unit::Rate("packet").tick(20_000), "20 k/s");
        assert_eq!(Unit::Rate("packet").text(12_400), "12,400 packets/s");
        assert_eq!(Unit::Bytes.largest([5, 2000, 7]).as_deref(), Some("largest 2.0 kB"));
        assert_eq!(Unit::Bytes.largest([]), None);
        assert_eq!(
            [1, 10, 100, 1000, 100_000, 10_000_000].map(prefixed),
            ["1", "10", "100", "1 k", "100 k", "10 M"]
        );
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Linear::new(0).ticks(), [0, 1]);
        assert_eq!(Linear::new(3).ticks(), [0, 1, 2, 3]);
        assert_eq!(Linear::new(2180).ticks(), [0, 500, 1000, 1500, 2000, 2500]);
        assert_eq!(Linear::new(2500).top(), 2500);
        assert_eq!(Linear::new(2501).ticks(), [0, 1000, 2000, 3000]);
        assert_eq!(Decades::new(0).ticks(), [1, 10]);
        assert_eq!(Decades::new(1000).ticks(), [1, 10, 100, 1000]);
        assert_eq!(Decades::new(1001).ticks(), [1, 10, 100, 1000, 10_000]);
    }

    proptest! {
        #[test]
        fn a_linear_scale_ends_soon_after_the_largest(largest in 0..=15 * 10u64.pow(18)) {
            let scale = Linear::new(largest);
            let ticks = scale.ticks();
            prop_assert!(scale.top() >= largest);
            prop_assert!((2..=6).contains(&ticks.len()), "{ticks:?}");
            prop_assert_eq!(ticks.last().copied(), Some(scale.top()));
            // The last tick but one is below the largest: nothing is drawn that no value needs.
            prop_assert!(largest == 0 || ticks[ticks.len() - 2] < largest);
            let step = ticks[1].to_string();
            prop_assert!(matches!(step.trim_end_matches('0'), "1" | "2" | "5"));
        }

        #[test]
        fn decades_end_within_ten_times_the_largest(largest in 2u64..) {
            let ticks = Decades::new(largest).ticks();
            let scale = Decades::new(largest);
            prop_assert!(scale.fraction(largest).unwrap() <= 1.0);
            prop_assert!(ticks[ticks.len() - 1] / 10 < largest);
            prop_assert_eq!(scale.fraction(0), None);
            prop_assert_eq!(scale.fraction(1), Some(0.0));
        }

        #[test]
        fn a_number_is_in_proportion(top in 1u64.., number: u64) {
            let scale = Linear::exact([top]);
            let (units, exact) = (scale.units(number), number.min(top) as f64 / top as f64 * 1000.0);
            prop_assert!((f64::from(units) - exact).abs() <= 0.51 || (units == 1 && exact < 1.0));
            prop_assert_eq!(units == 0, number == 0);
        }
    }
}
