//! Timestamps, windows, and the marks that open and close a window. There is no clock here.
//!
//! All times of nfkit come from the data: a [`Timestamp`] from a datagram or a line, a [`Window`]
//! aligned to the Unix epoch, and the [`Mark`]s `#window` and `#end` of nfkit-flow(5), which stand
//! in flow lines and in finding lines.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod mark;
mod timeline;

pub use mark::{End, Mark, MarkError, WindowState};
pub use timeline::{Aside, Latest, Timeline};

const NANOS: u64 = 1_000_000_000;

/// The last whole second that a timestamp can name, in the year 2554.
const LAST_SECOND: u64 = u64::MAX / NANOS;

/// A moment in nanoseconds since the Unix epoch, in UTC without leap seconds. The range ends in
/// 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the moment of these nanoseconds since the epoch.
    pub const fn from_nanos(nanos: u64) -> Timestamp {
        Timestamp(nanos)
    }

    /// Returns the moment of these milliseconds since the epoch, at most the end of the range.
    pub const fn from_millis(millis: u64) -> Timestamp {
        Timestamp(millis.saturating_mul(1_000_000))
    }

    /// Returns the moment of these seconds since the epoch, at most the end of the range.
    pub const fn from_secs(secs: u64) -> Timestamp {
        Timestamp(secs.saturating_mul(NANOS))
    }

    /// Returns the nanoseconds since the epoch.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns the seconds since the epoch, rounded down.
    pub const fn secs(self) -> u64 {
        self.0 / NANOS
    }

    /// Returns this moment moved by `nanos`, within the range.
    pub const fn offset(self, nanos: i64) -> Timestamp {
        Timestamp(self.0.saturating_add_signed(nanos))
    }

    /// Parses Unix seconds with up to nine decimals (`994025700.125`) or RFC 3339 in UTC
    /// (`2001-07-01T22:15:00Z`). `None` for anything else, more decimals, or a moment past 2554.
    pub fn parse(text: &[u8]) -> Option<Timestamp> {
        if let Some(time) = Timestamp::parse_millis(text) {
            return Some(time);
        }
        let (whole, rest) = digits(text);
        if !(1..=11).contains(&(text.len() - rest.len())) {
            return Timestamp::parse_rfc3339(text);
        }
        let decimals = match rest {
            [] => 0,
            [b'.', rest @ ..] => {
                let (decimals, behind) = digits(rest);
                let missing = 9usize.checked_sub(rest.len())?;
                if rest.is_empty() || !behind.is_empty() {
                    return None;
                }
                decimals * TENS.get(missing)?
            }
            _ => return Timestamp::parse_rfc3339(text),
        };
        Some(Timestamp(whole.checked_mul(NANOS)?.checked_add(decimals)?))
    }

    /// Parses eight to ten digits, a point and three more digits, the form that nearly all times in
    /// flow lines have. Two of them are a third of a line's text, so they are worth a fast path.
    fn parse_millis(text: &[u8]) -> Option<Timestamp> {
        let (secs, &[b'.', k, l, m]) = text.split_last_chunk()? else { return None };
        let (upper, lower) = secs.split_last_chunk()?;
        let (i, j) = match *upper {
            [] => (b'0', b'0'),
            [j] => (b'0', j),
            [i, j] => (i, j),
            _ => return None,
        };
        let (lower, rest) = (eight(*lower)?, eight([b'0', b'0', b'0', i, j, k, l, m])?);
        let secs = rest / 1000 * 100_000_000 + lower;
        Some(Timestamp(secs * NANOS + rest % 1000 * 1_000_000))
    }

    fn parse_rfc3339(text: &[u8]) -> Option<Timestamp> {
        let time = humantime::parse_rfc3339(std::str::from_utf8(text).ok()?).ok()?;
        let since = time.duration_since(UNIX_EPOCH).ok()?;
        Some(Timestamp(u64::try_from(since.as_nanos()).ok()?))
    }

    /// Returns the moment in RFC 3339 UTC with whole seconds: `2001-07-01T00:20:00Z`.
    pub fn rfc3339(self) -> String {
        rfc3339(self.secs())
    }
}

/// The powers of 10 from 0 to 9.
const TENS: [u64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Returns the value of eight digits; `None` if one of them is no digit. It joins all digits at
/// once to pairs, these to fours, and these to the result.
fn eight(text: [u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(text);
    let value = text.wrapping_sub(0x3030_3030_3030_3030);
    // A byte below '0' or above '9' sets the highest bit in its place.
    if (value | text.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (value * 10 + (value >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// Returns the value of the digits that `text` begins with, and the rest. The value wraps around
/// beyond 19 digits.
fn digits(mut text: &[u8]) -> (u64, &[u8]) {
    let mut value = 0u64;
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        text = rest;
    }
    (value, text)
}

/// Unix seconds with 3, 6 or 9 decimals, the fewest that lose nothing.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0 / NANOS, self.0 % NANOS);
        if nanos % 1_000_000 == 0 {
            write!(f, "{secs}.{:03}", nanos / 1_000_000)
        } else if nanos % 1_000 == 0 {
            write!(f, "{secs}.{:06}", nanos / 1_000)
        } else {
            write!(f, "{secs}.{nanos:09}")
        }
    }
}

/// Returns seconds since the epoch as RFC 3339 UTC, at most the end of the range.
fn rfc3339(secs: u64) -> String {
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(secs.min(LAST_SECOND));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A span of time in whole seconds, whose flows are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    start: u64,
    seconds: u32,
}

impl Window {
    /// Returns the window of `seconds` from `start` seconds after the epoch. `None` if it is empty
    /// or ends past the range of [`Timestamp`].
    pub const fn new(start: u64, seconds: u32) -> Option<Window> {
        if seconds == 0 || start > LAST_SECOND - seconds as u64 {
            return None;
        }
        Some(Window { start, seconds })
    }

    /// Returns the window of `seconds` (at least 1), aligned to the epoch, that holds `time`. At
    /// the end of the range of [`Timestamp`] that is the last whole window.
    pub const fn at(time: Timestamp, seconds: u32) -> Window {
        let seconds = if seconds == 0 { 1 } else { seconds };
        let last = LAST_SECOND / seconds as u64 - 1;
        let nth = time.secs() / seconds as u64;
        let start = if nth < last { nth } else { last } * seconds as u64;
        Window { start, seconds }
    }

    /// Returns the first second of the window, in Unix seconds.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Returns the length in seconds, at least 1.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// Returns the first second behind the window, in Unix seconds.
    pub const fn end(self) -> u64 {
        self.start + self.seconds as u64
    }

    /// Returns true if the moment lies in the window.
    pub const fn holds(self, time: Timestamp) -> bool {
        self.start <= time.secs() && time.secs() < self.end()
    }

    /// Returns the start in RFC 3339 UTC.
    pub fn start_text(self) -> String {
        rfc3339(self.start)
    }

    /// Parses START and SECONDS as marks and finding lines have them. `Some(None)` is the unknown
    /// window, `-` and `-`; `None` a text that cannot be read.
    pub fn parse(start: &str, seconds: &str) -> Option<Option<Window>> {
        if start == "-" && seconds == "-" {
            return Some(None);
        }
        let at = Timestamp::parse_rfc3339(start.as_bytes())?;
        if at.nanos() % NANOS != 0 || !seconds.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Window::new(at.secs(), seconds.parse().ok()?).map(Some)
    }
}

/// START, a TAB and SECONDS, as in a mark.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}", self.start_text(), self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_parse_seconds_and_rfc3339() {
        let time = Timestamp::from_nanos(994_025_700_125_000_000);
        assert_eq!(Timestamp::parse(b"994025700.125"), Some(time));
        assert_eq!(Timestamp::parse(b"2001-07-01T22:15:00.125Z"), Some(time));
        assert_eq!(Timestamp::parse(b"0"), Some(Timestamp(0)));
        let none: [&[u8]; 9] =
            [b"", b".", b"1.", b".5", b"-1", b"1.1234567890", b"99999999999", b"1e9", b"+1"];
        for text in none {
            assert_eq!(Timestamp::parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn windows_are_aligned_to_the_epoch() {
        let window = Window::at(Timestamp::parse(b"2001-07-01T00:29:59.9Z").unwrap(), 600);
        assert_eq!(window.to_string(), "2001-07-01T00:20:00Z\t600");
        assert!(window.holds(Timestamp::parse(b"2001-07-01T00:20:00Z").unwrap()));
        assert!(!window.holds(Timestamp::parse(b"2001-07-01T00:30:00Z").unwrap()));
        assert_eq!(Window::parse("2001-07-01T00:20:00Z", "600"), Some(Some(window)));
        assert_eq!(Window::parse("-", "-"), Some(None));
        for seconds in [0, 1, 600, u32::MAX] {
            let last = Window::at(Timestamp::from_nanos(u64::MAX), seconds);
            assert_eq!(Window::new(last.start(), last.seconds()), Some(last));
        }
        for (start, seconds) in
            [("-", "600"), ("2001-07-01T00:20:00Z", "0"), ("2001-07-01T00:20:00Z", "+5"), ("", "")]
        {
            assert_eq!(Window::parse(start, seconds), None);
        }
    }

    proptest! {
        #[test]
        fn a_written_timestamp_reads_back(nanos: u64) {
            let time = Timestamp::from_nanos(nanos);
            prop_assert_eq!(Timestamp::parse(time.to_string().as_bytes()), Some(time));
        }

        #[test]
        fn the_fast_path_for_milliseconds_agrees_with_digits(text in "[0-9]{7,12}\\.[0-9]{3}|[0-9./:;]{12,14}") {
            let text = text.as_bytes();
            let one_by_one = |text: &[u8]| {
                let (secs, rest) = digits(text);
                let (millis, behind) = digits(rest.strip_prefix(b".")?);
                let is_whole = rest.len() == 4 && behind.is_empty();
                is_whole.then_some(Timestamp(secs.checked_mul(NANOS)? + millis * 1_000_000))
            };
            if let Some(time) = Timestamp::parse_millis(text) {
                prop_assert_eq!(Some(time), one_by_one(text));
            } else if let Some(time) = one_by_one(text) {
                let secs = text.len() - 4;
                prop_assert!(!(8..=10).contains(&secs), "{:?} was left out", time);
            }
        }
    }
}
