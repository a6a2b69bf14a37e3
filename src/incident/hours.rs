//! Working hours: the hours of the week in which a deadline runs.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The most days that are looked through for the end of a deadline.
const MAX_DAYS: u32 = 20_000;

/// Hours of the week in a time zone, as in `Mon-Fri 08-18`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    text: String,
    /// The days that count, from Monday.
    days: [bool; 7],
    /// The minutes of a day between which time counts.
    from: u16,
    to: u16,
    zone: TimeZone,
}

impl Hours {
    /// Parses days and hours: `Mon-Fri 08-18`, `Mon,Wed,Fri 08:30-12`, `Sat-Mon 00-24`.
    ///
    /// # Errors
    /// Returns a message for the user.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Hours, String> {
        let wrong = || format!("{text:?} are no hours such as \"Mon-Fri 08-18\"");
        let (days_text, hours) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let mut days = [false; 7];
        let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
        for part in days_text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = day(first).zip(day(last)).ok_or_else(wrong)?;
            let count = (last + 7 - first) % 7 + 1;
            for day in (0..7).cycle().skip(first).take(count) {
                if let Some(counts) = days.get_mut(day) {
                    *counts = true;
                }
            }
        }
        let (from, to) = hours.trim().split_once('-').ok_or_else(wrong)?;
        let (from, to) = minutes(from).zip(minutes(to)).ok_or_else(wrong)?;
        if from >= to {
            return Err(format!("{text:?}: the hours end before they begin"));
        }
        Ok(Hours { text: text.trim().to_owned(), days, from, to, zone })
    }

    /// Returns the moment at which `seconds` of these hours have passed since `start`, in Unix seconds. An
    /// hour that the clocks skip or repeat counts as long as it lasts.
    pub fn after(&self, start: u64, seconds: u64) -> u64 {
        let Some(begin) = moment(start) else { return start.saturating_add(seconds) };
        let mut date = begin.to_zoned_datetime(self.zone.clone()).date();
        let mut left = seconds;
        for _ in 0..MAX_DAYS {
            if let Some((from, to)) = self.of(date) {
                let from = from.max(start);
                let length = to.saturating_sub(from);
                if left <= length {
                    return from + left;
                }
                left -= length;
            }
            let Ok(next) = date.checked_add(1.day()) else { break };
            date = next;
        }
        start.saturating_add(seconds)
    }

    /// Returns the most seconds that may pass until `seconds` of these hours have: whole weeks, and one more for
    /// the beginning and for hours that the clocks skip.
    pub fn longest(&self, seconds: u64) -> u64 {
        let days = self.days.iter().filter(|counts| **counts).count() as u64;
        let a_week = days * u64::from(self.to - self.from) * 60;
        (seconds.div_ceil(a_week.max(1)).saturating_add(1)).saturating_mul(7 * 86_400)
    }

    /// Returns the hours of a date in Unix seconds, `None` if the day does not count.
    fn of(&self, date: Date) -> Option<(u64, u64)> {
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        if !*self.days.get(day)? {
            return None;
        }
        let at = |minutes: u16| {
            let (date, minutes) = if minutes == 24 * 60 {
                (date.checked_add(1.day()).ok()?, 0)
            } else {
                (date, minutes)
            };
            let time = Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok()?;
            let moment = self.zone.to_timestamp(date.to_datetime(time)).ok()?;
            u64::try_from(moment.as_second()).ok()
        };
        Some((at(self.from)?, at(self.to)?))
    }
}

/// Formats the hours as they were written.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn moment(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// Parses `08`, `8` or `08:30` as minutes of the day, up to 24.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':').unwrap_or((text, "00"));
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_number = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if is_number { text.parse::<u16>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= 24 * 60).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn hours(text: &str, zone: &str) -> Hours {
        Hours::parse(text, TimeZone::get(zone).unwrap()).unwrap()
    }

    fn at(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_second()).unwrap()
    }

    #[test]
    fn a_deadline_counts_working_hours_only() {
        let work = hours("Mon-Fri 08-18", "Europe/Berlin");
        for (start, length, end) in [
            // Thursday 10:00 local time.
            ("2026-11-26T09:00:00Z", 2, "2026-11-26T11:00:00Z"),
            ("2026-11-26T09:00:00Z", 8, "2026-11-26T17:00:00Z"),
            ("2026-11-26T09:00:00Z", 24, "2026-11-30T13:00:00Z"),
            // Saturday: counts from Monday on.
            ("2026-11-28T12:00:00Z", 1, "2026-11-30T08:00:00Z"),
            // Before work.
            ("2026-11-26T01:00:00Z", 1, "2026-11-26T08:00:00Z"),
        ] {
            assert_eq!(work.after(at(start), length * HOUR), at(end), "{start} {length}");
        }
    }

    #[test]
    fn no_deadline_takes_longer_than_the_longest() {
        for (text, most) in [("Mon 08-09", 61), ("Mon-Fri 08-18", 3), ("Mon-Sun 00-24", 2)] {
            let hours = hours(text, "Europe/Berlin");
            let longest = hours.longest(60 * HOUR);
            assert_eq!(longest, most * 7 * 24 * HOUR, "{text}");
            for start in (0..52 * 7).map(|day| at("2026-01-01T00:00:00Z") + day * 25 * HOUR) {
                assert!(hours.after(start, 60 * HOUR) <= start + longest, "{text} {start}");
            }
        }
    }

    #[test]
    fn days_with_a_change_of_the_clocks_are_as_long_as_they_last() {
        // 29 March 2026 has 23 hours in Berlin, 25 October has 25.
        let all = hours("Mon-Sun 00-24", "Europe/Berlin");
        for start in ["2026-03-28T20:00:00Z", "2026-10-24T20:00:00Z", "2026-07-01T00:00:00Z"] {
            assert_eq!(all.after(at(start), 30 * HOUR), at(start) + 30 * HOUR);
        }
        let night = hours("Sun 00-04", "Europe/Berlin");
        // 00:00 to 04:00 has three hours on the day in spring, so the fourth is a week later.
        assert_eq!(night.after(at("2026-03-28T23:00:00Z"), 4 * HOUR), at("2026-04-04T23:00:00Z"));
        assert_eq!(night.after(at("2026-10-24T22:00:00Z"), 5 * HOUR), at("2026-10-25T03:00:00Z"));
    }

    #[test]
    fn hours_have_days_and_a_beginning_before_their_end() {
        for good in ["Mon-Fri 08-18", "sat-mon 0-24", "Mon,Wed,Fri 08:30-12", "Sun 23:59-24"] {
            assert_eq!(hours(good, "UTC").to_string(), good);
        }
        assert_eq!(
            hours("Sat-Mon 0-24", "UTC").days,
            [true, false, false, false, false, true, true]
        );
        for bad in [
            "",
            "Mon",
            "Mon 8",
            "08-18",
            "Mon-Fry 08-18",
            "Mon 18-08",
            "Mon 08-08",
            "Mon 08-25",
            "Mon 08:60-12",
            "Mon 08:5-12",
            "Mon +8-12",
            "Mon- 08-18",
            "Mon 08-24:01",
        ] {
            assert!(Hours::parse(bad, TimeZone::UTC).is_err(), "{bad:?}");
        }
    }
}
