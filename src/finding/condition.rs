//! A condition of the `why` column: a measure, its value and the limit that it passed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest measure that is kept, in bytes.
const MAX_MEASURE: usize = 32;

/// A measure with its value and its limit, as in `hosts=254>=200`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The name of the measure.
    pub measure: String,
    /// The value.
    pub value: f64,
    /// The limit.
    pub limit: f64,
    /// True if the value is below its limit, as in `largestpct=3<50`.
    pub is_below: bool,
}

impl Condition {
    /// Returns the first condition of a rule. `None` if the rule does not begin with a condition that has
    /// a limit, because then no number says how grave the finding is.
    pub fn first(why: &str) -> Option<Condition> {
        let text = why.split(',').next()?;
        let (measure, rest) = text.split_once('=')?;
        let at = rest.find(['<', '>'])?;
        let (value, limit) = rest.split_at(at);
        let is_below = limit.starts_with('<');
        let limit = limit.get(1..)?;
        let limit = limit.strip_prefix('=').unwrap_or(limit);
        let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
        if measure.is_empty() || measure.len() > MAX_MEASURE || !measure.chars().all(is_word) {
            return None;
        }
        Some(Condition {
            measure: measure.to_owned(),
            value: number(value)?,
            limit: number(limit)?,
            is_below,
        })
    }

    /// Returns how many times the limit the value is, at least 0 and at most a million; for a value below
    /// its limit, how many times the value the limit is.
    pub fn ratio(&self) -> f64 {
        let (more, less) =
            if self.is_below { (self.limit, self.value) } else { (self.value, self.limit) };
        if less > 0.0 { (more / less).min(1e6) } else { more.min(1e6) }
    }
}

/// Formats the condition as the rule has it, with `>=` or `<`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_below { "<" } else { ">=" };
        write!(f, "{}={}{sign}{}", self.measure, self.value, self.limit)
    }
}

/// Parses a decimal number of at most 20 digits before the point. Signs and exponents are none.
fn number(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits =
        |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if is_digits(whole) && is_digits(decimals) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_condition_is_read() {
        for (why, ratio) in [
            ("nets=16>=2,hosts=254>=200", Some(8.0)),
            ("flows=2000>1000", Some(2.0)),
            ("share=0.75>0.5", Some(1.5)),
            ("largestpct=5<50,sources=40>=10", Some(10.0)),
            ("largestpct=0<50", Some(50.0)),
            ("n=7>0", Some(7.0)),
            ("n=99999999999999999999>=1", Some(1e6)),
            ("order=sequential,nets=16>=2", None),
            ("", None),
            ("n=1e9>1", None),
            ("n=-1>1", None),
            ("n=1>=192.0.2.1", None),
            ("n=1>", None),
            ("N=1>1", None),
        ] {
            assert_eq!(Condition::first(why).map(|c| c.ratio()), ratio, "{why}");
        }
        let text = |why| Condition::first(why).unwrap().to_string();
        assert_eq!(text("flows=2000>1000"), "flows=2000>=1000");
        assert_eq!(text("largestpct=3<50"), "largestpct=3<50");
    }
}
