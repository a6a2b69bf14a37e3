//! Checks of values that several of the tables use.

use crate::cli::parse_seconds;

/// The units of durations that a message gives, each with its seconds.
const UNITS: [(&str, u64); 3] = [("d", 86_400), ("h", 3600), ("m", 60)];

/// Parses a duration of at least a second, in seconds.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    match parse_seconds(text)? {
        0 => Err("must be at least 1s".to_owned()),
        seconds => Ok(u64::from(seconds)),
    }
}

/// Returns a number of seconds as a duration of the configuration, in the largest unit of which it is a
/// multiple.
pub(super) fn duration_text(seconds: u64) -> String {
    let unit = UNITS.iter().find(|(_, length)| seconds % length == 0);
    unit.map_or_else(
        || format!("{seconds}s"),
        |(unit, length)| format!("{}{unit}", seconds / length),
    )
}

/// Returns the reason why a text is not a value, with the words that are.
pub(super) fn none_of(text: &str, words: &[&str]) -> String {
    format!("{text:?} is none of {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_they_are_read() {
        for text in ["400d", "25h", "90m", "1900s"] {
            assert_eq!(seconds(text).map(duration_text), Ok(text.to_owned()));
        }
        assert_eq!(seconds("48h").map(duration_text), Ok("2d".to_owned()));
        for text in ["0", "0s", "24", "1500ms", "999y"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
