//! `[incident]`: the memory of incidents, and what leaves the machine.

use super::values::{none_of, seconds};
use crate::cli::Config;
use crate::cli::config::{Form, Key, Table};
use crate::incident::Mode;

/// The database, if the file names none.
pub const DB: &str = "/var/lib/nfkit/incidents/incidents.db";

/// The time for which closed incidents are kept, in seconds, if the file gives none.
const KEEP: u64 = 400 * 86_400;

/// The table `[incident]`.
pub const INCIDENT: Table = Table {
    name: "incident",
    keys: &[
        Key::text(
            "mode",
            |text| mode(text).map(drop),
            "shadow: nothing leaves the machine; live: mails are sent",
        )
        .without_option(),
        Key::new("db", Form::Path, file, "The database of the incidents"),
        Key::text("keep", |text| seconds(text).map(drop), "The time to keep closed incidents")
            .without_option(),
        Key::new("metrics_file", Form::Path, file, "The file of the counts, for Prometheus")
            .option("incident_metrics_file"),
    ],
    ..Table::PLAIN
};

/// Parses the mode.
pub fn mode(text: &str) -> Result<Mode, String> {
    Mode::parse(text).ok_or_else(|| none_of(text, &["shadow", "live"]))
}

/// Returns the time for which closed incidents are kept, in seconds.
///
/// # Errors
/// A message for the user, if the value is no duration.
pub fn keep(config: &Config) -> Result<u64, String> {
    config.get(&INCIDENT, "keep").map_or(Ok(KEEP), |keep| seconds(&keep.text()))
}

/// Accepts a path that names a file.
pub(super) fn file(text: &str) -> Result<(), String> {
    if text == "-" { Err("must be a file, not the stream -".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn values_that_cannot_be_are_faults() {
        for (text, why) in [
            ("mode = 'dry'", "mode: \"dry\" is none of shadow, live"),
            ("db = '-'", "db: must be a file, not the stream -"),
            ("metrics_file = '-'", "metrics_file: must be a file, not the stream -"),
            ("keep = '400'", "keep: a duration needs a unit: 400s, 400m, 400h"),
            ("keep = '0s'", "keep: must be at least 1s"),
        ] {
            let text = format!("[incident]\n{text}\n");
            let (_, faults) = Config::parse(Path::new("c"), &text, &[&INCIDENT]).unwrap();
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults, [format!("c:2: [incident] {why}")]);
        }
    }
}
