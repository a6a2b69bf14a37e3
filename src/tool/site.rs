//! `[site]` of the configuration file: facts about the site that several commands ask for.

use anyhow::Context;
use jiff::tz::TimeZone;

use crate::cli::config::{Form, Key, Table};
use crate::cli::{Config, Usage};
use crate::contacts::Address;
use crate::notice::message;
use crate::report::LocalTime;

/// The table `[site]`.
pub const SITE: Table = Table {
    name: "site",
    keys: &[
        Key::text("name", name, "The name of the site, for subjects of mails").option("site"),
        Key::networks("inside", "Our networks"),
        Key::new("outside_if", Form::List, interface, "The interfaces (ifIndex) that lead outside"),
        Key::path("ignore", "A file of flows to ignore: lines `src dst [proto/port]`"),
        Key::path("limits", "A file of limits by network: lines `network,class,value`"),
        Key::path(
            "contacts",
            "A file of the persons responsible: CSV lines network,mail,name[,kind[,lang]]",
        ),
        Key::text("operator", address, "The mail address that is told of everything else"),
        Key::networks("never", "Networks that are never blocked"),
        TIMEZONE,
    ],
    ..Table::PLAIN
};

const TIMEZONE: Key =
    Key::text("timezone", zone, "The time zone of times for people").without_option();

/// Returns the time zone of `[site] timezone`, if the configuration has one.
///
/// # Errors
/// Fails if the time zone is not known any more.
pub fn timezone(config: &Config) -> anyhow::Result<Option<TimeZone>> {
    let Some(setting) = config.get(&SITE, TIMEZONE.name) else { return Ok(None) };
    let zone = time_zone(&setting.text()).map_err(Usage).with_context(|| setting.place.clone())?;
    Ok(Some(zone))
}

/// Returns the times of `[site] timezone`, else those of the system's time zone.
///
/// # Errors
/// Fails if the time zone is not known any more.
pub fn local_time(config: &Config) -> anyhow::Result<LocalTime> {
    Ok(LocalTime::new(timezone(config)?.unwrap_or_else(TimeZone::system)))
}

/// Returns a time zone of the system's database, or of the one that is compiled in if there is none.
///
/// # Errors
/// A message for the user, for a name of no time zone.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!("{name:?} is no time zone of the IANA database such as Europe/Berlin or UTC")
    })
}

fn zone(text: &str) -> Result<(), String> {
    time_zone(text).map(drop)
}

fn name(text: &str) -> Result<(), String> {
    message::site(text).map(drop)
}

fn address(text: &str) -> Result<(), String> {
    text.parse::<Address>().map(drop)
}

fn interface(text: &str) -> Result<(), String> {
    text.parse::<u32>()
        .map(drop)
        .map_err(|_| format!("{text:?} is no interface number from 0 to {}", u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_time_zone_is_that_of_the_name() {
        let parse = |text: &str| Config::parse(Path::new("c"), text, &[&SITE]).unwrap();
        let (config, faults) = parse("[site]\ntimezone = \"Asia/Taipei\"\n");
        assert_eq!(faults, []);
        let zone = timezone(&config).unwrap().unwrap();
        let local = Timestamp::from_second(993_946_800).unwrap().to_zoned_datetime(zone);
        assert_eq!(local.to_string(), "2001-07-01T08:20:00+08:00[Asia/Taipei]");
        assert!(timezone(&parse("[site]\n").0).unwrap().is_none());
        let (config, faults) = parse("[site]\ntimezone = \"Asia/Taipeh\"\n");
        assert!(timezone(&config).unwrap().is_none());
        assert!(faults[0].to_string().starts_with("c:2: [site] timezone: \"Asia/Taipeh\" is no"));
    }
}
