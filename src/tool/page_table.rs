//! `[page]` of the configuration file: the site that nfpage writes.

use std::path::{Path, PathBuf};

use crate::cli::config::{Fault, Form, Key, Table, network};
use crate::cli::{Config, Nets};
use crate::contacts::is_visible;

/// The most days of the site: findings are rarely kept for longer.
const MAX_DAYS: u64 = 4000;

/// The most characters of a title.
const MAX_TITLE: usize = 200;

/// The table `[page]`. The time zone of the site is that of `[site]`.
pub const PAGE: Table = Table {
    name: "page",
    keys: &[
        Key::new("write", Form::Path, dir, "The directory of the site"),
        Key::new("store", Form::Path, dir, "The directory of the site's data, outside of the site"),
        Key::text("title", title, "The heading of the site"),
        Key::new("days", Form::Number, days, "The days that the site shows"),
        Key::new(
            "hosts",
            Form::Networks,
            network,
            "Our hosts whose traffic is shown whatever it is: networks or addresses",
        ),
        Key::flag("mask", "Hide the hosts, for publication"),
        Key::path("key", "The file of the key from which pseudonyms of hidden hosts are made"),
        Key::flag("public", "Let every user of the machine read the pages"),
    ],
    check,
    ..Table::PLAIN
};

/// The parts of `[page]` that the ten-minute job needs to count traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageWanted {
    /// The directory of the site.
    pub write: PathBuf,
    /// The networks and addresses of hosts whose traffic is always counted, not read yet.
    pub hosts: Option<Nets>,
}

/// Returns what the ten-minute job needs to count traffic for the site; `None` if no site is wanted, because
/// the configuration has no `[page] write`.
pub fn page_wanted(config: &Config) -> Option<PageWanted> {
    let write = PathBuf::from(config.get(&PAGE, "write")?.text());
    // The table has checked the value.
    let hosts = config.get(&PAGE, "hosts").and_then(|hosts| hosts.text().parse().ok());
    Some(PageWanted { write, hosts })
}

/// Returns the faults of paths that may not lie in the directory of the site, because a web server shows all
/// that does.
fn check(config: &Config) -> Vec<Fault> {
    let Some(write) = config.get(&PAGE, "write").map(|write| write.text()) else {
        return Vec::new();
    };
    let outside = ["store", "key"].into_iter().filter_map(|key| config.get(&PAGE, key));
    let inside = outside.filter(|setting| Path::new(&setting.text()).starts_with(&write));
    inside
        .map(|setting| {
            setting.fault(format_args!(
                "lies in {write}, the directory of the site, where a web server shows it; name another place"
            ))
        })
        .collect()
}

fn dir(text: &str) -> Result<(), String> {
    if text == "-" { Err("must be a directory, not the stream -".to_owned()) } else { Ok(()) }
}

fn title(text: &str) -> Result<(), String> {
    parse_title(text).map(drop)
}

/// Parses a title: some visible characters in one line.
///
/// # Errors
/// A message for the user.
pub(super) fn parse_title(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a title needs a visible character".to_owned());
    }
    if text.chars().count() > MAX_TITLE {
        return Err(format!("more than {MAX_TITLE} characters"));
    }
    match text.chars().find(|&c| !is_visible(c)) {
        Some(bad) => Err(format!("{bad:?} is not allowed in a title")),
        None => Ok(text.to_owned()),
    }
}

fn days(text: &str) -> Result<(), String> {
    match text.parse::<u64>() {
        Ok(1..=MAX_DAYS) => Ok(()),
        _ => Err(format!("must be from 1 to {MAX_DAYS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Config, Vec<String>) {
        let (config, faults) = Config::parse(Path::new("c"), text, &[&PAGE]).unwrap();
        (config, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn values_that_cannot_be_are_faults() {
        let long = format!("title = '{}'", "x".repeat(201));
        for (text, why) in [
            ("write = '-'", "write: must be a directory, not the stream -"),
            ("days = 0", "days: must be from 1 to 4000"),
            ("days = 4001", "days: must be from 1 to 4000"),
            ("title = \"a\\u001bb\"", "title: '\\u{1b}' is not allowed in a title"),
            (long.as_str(), "title: more than 200 characters"),
            ("hosts = ['140.119.0.1/16']", "hosts: 140.119.0.1/16 has bits set"),
            (
                "write = '/srv/www'\nkey = '/srv/www/key'",
                "key: lies in /srv/www, the directory of the site",
            ),
            (
                "write = '/srv/www'\nstore = '/srv/www'",
                "store: lies in /srv/www, the directory of the site",
            ),
        ] {
            let (_, faults) = parse(&format!("[page]\n{text}\n"));
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].contains(&format!("[page] {why}")), "{faults:?}");
        }
        let good =
            "[page]\nwrite = '/srv/www'\nstore = '/srv/www.store'\nkey = '/etc/key'\ndays = 4000\n";
        assert_eq!(parse(good).1, [""; 0]);
    }

    #[test]
    fn a_site_is_wanted_by_its_directory() {
        assert_eq!(page_wanted(&parse("[page]\ntitle = 'x'\n").0), None);
        let wanted = |text| page_wanted(&parse(text).0).unwrap();
        let page = wanted("[page]\nwrite = '/srv/www'\nhosts = ['140.119.1.7', '2001:db8::/48']\n");
        assert_eq!(page.write, Path::new("/srv/www"));
        assert_eq!(page.hosts, Some("140.119.1.7,2001:db8::/48".parse().unwrap()));
        let page = wanted("[page]\nwrite = '/srv/www'\nhosts = '@/etc/hosts.nets'\n");
        assert_eq!(page.hosts, Some(Nets::File("/etc/hosts.nets".into())));
    }
}
