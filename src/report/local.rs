//! Times for people, in the time zone of the site.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::finding::words;

/// The time zone in which times are written for people.
#[derive(Clone, Debug)]
pub struct LocalTime(TimeZone);

impl LocalTime {
    /// Returns the times of a zone.
    pub const fn new(zone: TimeZone) -> LocalTime {
        LocalTime(zone)
    }

    /// Returns a moment in Unix seconds with its offset from UTC: `2026-11-30 12:20 +08:00`, with seconds
    /// unless they are zero.
    pub fn text(&self, seconds: u64) -> String {
        let moment = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
        match moment {
            Some(moment) => {
                let form =
                    if seconds % 60 == 0 { "%Y-%m-%d %H:%M %:z" } else { "%Y-%m-%d %H:%M:%S %:z" };
                moment.to_zoned_datetime(self.0.clone()).strftime(form).to_string()
            }
            None => format!("{} +00:00", words::moment(seconds)),
        }
    }

    /// Returns a value of the journal for people: a time as a moment here, and any other text as it is.
    pub fn value(&self, text: &str) -> String {
        match crate::time::Timestamp::parse(text.as_bytes()) {
            Some(time) => self.text(time.secs()),
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_their_offset() {
        let local = |name: &str| LocalTime::new(TimeZone::get(name).unwrap());
        let taipei = local("Asia/Taipei");
        assert_eq!(taipei.text(993_946_800), "2001-07-01 08:20 +08:00");
        assert_eq!(taipei.text(993_946_801), "2001-07-01 08:20:01 +08:00");
        // The same hour twice: 25 October 2026, before and after 01:00 UTC.
        let berlin = local("Europe/Berlin");
        assert_eq!(berlin.text(1_792_888_200), "2026-10-25 02:30 +02:00");
        assert_eq!(berlin.text(1_792_891_800), "2026-10-25 02:30 +01:00");
        assert!(taipei.text(u64::MAX).ends_with(" +00:00"));
        assert_eq!(taipei.value("2001-07-01T00:20:00Z"), "2001-07-01 08:20 +08:00");
        assert_eq!(taipei.value("993946800"), "2001-07-01 08:20 +08:00");
        for text in ["-", "until-resolved", "none", "+5", "99999999999999999999", ""] {
            assert_eq!(taipei.value(text), text);
        }
    }
}
