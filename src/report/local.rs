//! Times for people, in the time zone of the site.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::finding::words;

/// The time zone in which times are written for people.
#[derive(Clone, Debug)]
pub struct LocalTime(TimeZone);

/// A moment, in pieces of text.
struct Moment {
    day: String,
    clock: String,
    offset: String,
}

impl LocalTime {
    /// The times of UTC.
    pub const UTC: LocalTime = LocalTime(TimeZone::UTC);

    /// Returns the times of a zone.
    pub const fn new(zone: TimeZone) -> LocalTime {
        LocalTime(zone)
    }

    /// Returns a moment in Unix seconds with its offset from UTC: `2026-11-30 12:20 +08:00`, with seconds
    /// unless they are zero, and with `UTC` for the offset of UTC itself.
    pub fn text(&self, seconds: u64) -> String {
        let Moment { day, clock, offset } = self.moment(seconds);
        format!("{day} {clock} {offset}")
    }

    /// Returns the time between two moments in Unix seconds, with `to` between them:
    /// `2026-11-30 12:20 to 12:30 +08:00`. A day or an offset that is the same is said once.
    pub fn span(&self, start: u64, end: u64, to: &str) -> String {
        let (from, until) = (self.moment(start), self.moment(end));
        let is_same_offset = from.offset == until.offset;
        let end = if from.day == until.day && is_same_offset {
            until.clock
        } else {
            format!("{} {}", until.day, until.clock)
        };
        let offset = if is_same_offset { String::new() } else { format!(" {}", from.offset) };
        format!("{} {}{offset} {to} {end} {}", from.day, from.clock, until.offset)
    }

    /// Returns the clock's time of a moment in Unix seconds without its day and offset: `12:20`.
    pub fn clock(&self, seconds: u64) -> String {
        self.moment(seconds).clock
    }

    /// Returns the offset from UTC at a moment in Unix seconds: `+08:00`, or `UTC`.
    pub fn offset(&self, seconds: u64) -> String {
        self.moment(seconds).offset
    }

    /// Returns the day of a moment in Unix seconds. Moments beyond the year 9999 are of its last day.
    pub fn date(&self, seconds: u64) -> Date {
        let moment = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
        moment.map_or(Date::MAX, |moment| self.0.to_datetime(moment).date())
    }

    /// Returns the first moment of a day, in Unix seconds; 0 for a day before 1970.
    pub fn midnight(&self, date: Date) -> u64 {
        // In some zones clocks are set forward at midnight; jiff then returns the first moment behind it.
        let start = date.to_zoned_datetime(self.0.clone()).map(|day| day.timestamp().as_second());
        start.ok().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0)
    }

    /// Returns the name of the zone, such as `Asia/Taipei`, if it has one.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// Returns a value of the journal for people: a time as a moment here, and any other text as it is.
    pub fn value(&self, text: &str) -> String {
        match crate::time::Timestamp::parse(text.as_bytes()) {
            Some(time) => self.text(time.secs()),
            None => text.to_owned(),
        }
    }

    fn moment(&self, seconds: u64) -> Moment {
        let moment = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
        let Some(moment) = moment else {
            // Beyond the year 9999.
            let text = words::moment(seconds);
            let (day, clock) = text.split_once(' ').unwrap_or((&text, ""));
            return Moment {
                day: day.to_owned(),
                clock: clock.to_owned(),
                offset: "UTC".to_owned(),
            };
        };
        let moment = moment.to_zoned_datetime(self.0.clone());
        let zone = moment.strftime("%Z").to_string();
        let clock = if seconds % 60 == 0 { "%H:%M" } else { "%H:%M:%S" };
        Moment {
            day: moment.strftime("%Y-%m-%d").to_string(),
            clock: moment.strftime(clock).to_string(),
            offset: if zone == "UTC" { zone } else { moment.strftime("%:z").to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(name: &str) -> LocalTime {
        LocalTime::new(TimeZone::get(name).unwrap())
    }

    #[test]
    fn moments_have_their_offset() {
        let taipei = local("Asia/Taipei");
        assert_eq!(taipei.text(993_946_800), "2001-07-01 08:20 +08:00");
        assert_eq!(taipei.text(993_946_801), "2001-07-01 08:20:01 +08:00");
        // The same hour twice: 25 October 2026, before and after 01:00 UTC.
        let berlin = local("Europe/Berlin");
        assert_eq!(berlin.text(1_792_888_200), "2026-10-25 02:30 +02:00");
        assert_eq!(berlin.text(1_792_891_800), "2026-10-25 02:30 +01:00");
        for utc in [LocalTime::UTC, local("UTC"), local("Etc/UTC")] {
            assert_eq!(utc.text(993_946_800), "2001-07-01 00:20 UTC");
        }
        assert_eq!(local("Europe/London").text(1_792_980_000), "2026-10-26 02:00 +00:00");
        assert!(taipei.text(u64::MAX).ends_with(" UTC"));
        assert_eq!(taipei.value("2001-07-01T00:20:00Z"), "2001-07-01 08:20 +08:00");
        assert_eq!(taipei.value("993946800"), "2001-07-01 08:20 +08:00");
        for text in ["-", "until-resolved", "none", "+5", "99999999999999999999", ""] {
            assert_eq!(taipei.value(text), text);
        }
    }

    #[test]
    fn days_begin_at_the_local_midnight() {
        let berlin = local("Europe/Berlin");
        let date: Date = "2026-10-25".parse().unwrap();
        let start = berlin.midnight(date);
        assert_eq!(berlin.text(start), "2026-10-25 00:00 +02:00");
        // The clocks are set back an hour.
        assert_eq!(berlin.midnight(date.tomorrow().unwrap()) - start, 25 * 3600);
        assert_eq!((berlin.date(start), berlin.date(start - 1)), (date, date.yesterday().unwrap()));
        assert_eq!(berlin.clock(start + 60), "00:01");
        assert_eq!(berlin.offset(start), "+02:00");
        assert_eq!(LocalTime::UTC.midnight("1960-01-01".parse().unwrap()), 0);
        assert_eq!(LocalTime::UTC.date(u64::MAX), Date::MAX);
    }

    #[test]
    fn spans_say_the_same_once() {
        let span = |name: &str, start, end| local(name).span(start, end, "to");
        let start = 993_946_800;
        assert_eq!(span("UTC", start, start + 600), "2001-07-01 00:20 to 00:30 UTC");
        assert_eq!(span("Asia/Taipei", start, start + 601), "2001-07-01 08:20 to 08:30:01 +08:00");
        let days = span("Asia/Taipei", start, start + 86_400);
        assert_eq!(days, "2001-07-01 08:20 to 2001-07-02 08:20 +08:00");
        let change = span("Europe/Berlin", 1_792_888_200, 1_792_891_800);
        assert_eq!(change, "2026-10-25 02:30 +02:00 to 2026-10-25 02:30 +01:00");
    }
}
