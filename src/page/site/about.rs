//! The page about the site's words, rules and limits, and the files for monitors.

use askama::Template;
use serde::Serialize;

use super::super::day::MAX_FINDINGS;
use super::super::error::Error;
use super::super::frame::{Frame, Place};
use super::index::NewestSeen;
use super::rows::{hosts, state_word};
use super::{MAX_HOSTS, Site, html};
use crate::finding::words::count;
use crate::finding::{Role, Side};
use crate::incident::Rule;
use crate::time::Timestamp;

#[derive(Template)]
#[template(path = "about.html")]
struct About<'a> {
    frame: Frame<'a>,
    title: &'static str,
    site: &'a str,
    version: &'static str,
    zone: String,
    quiet: u64,
    max_findings: String,
    max_hosts: String,
}

/// The content of `status.json`. Keys may be added, and none changes its meaning.
#[derive(Debug, Serialize)]
struct Status {
    /// End of the newest window.
    until: Option<String>,
    /// Length of the newest window.
    window_seconds: Option<u32>,
    /// True if all detectors judged the newest window and saw all of it, and all input could be read.
    whole: bool,
    /// Incidents that go on in the newest window.
    going_on: usize,
    /// Incidents that are not over.
    open: usize,
    /// Hosts inside that attack in the newest window.
    inside_sources: usize,
    /// Hosts inside that are attacked in the newest window.
    inside_targets: usize,
    /// Lines and files of the newest input that could not be read.
    unread: u64,
    version: &'static str,
}

impl Site<'_> {
    /// Returns the page about the site.
    pub(super) fn about_html(&self) -> Result<String, Error> {
        html(&About {
            frame: self.frame(Some(Place::About), ""),
            title: "About",
            site: &self.options.title,
            version: env!("CARGO_PKG_VERSION"),
            zone: self.zone_text(self.until.unwrap_or(0)),
            quiet: Rule::default().quiet,
            max_findings: count(MAX_FINDINGS as u64),
            max_hosts: count(MAX_HOSTS as u64),
        })
    }

    /// Returns the files for monitors, by name.
    pub(super) fn status(&self) -> Vec<(&'static str, String)> {
        let carry = &self.history.carry;
        let of_word = |word: &str| {
            let parts = self
                .live
                .iter()
                .filter(|(one, _)| state_word(one.body.state, carry.goes_on(one)) == word);
            parts.map(|(_, part)| part).collect::<Vec<_>>()
        };
        let on = of_word("going");
        let number = |role| hosts(on.iter().copied(), Some(Side::Inside), role);
        let (lines, inputs) = self.options.bad;
        let status = Status {
            until: self.until.map(|until| Timestamp::from_secs(until).rfc3339()),
            window_seconds: carry.newest_window().map(|window| window.seconds()),
            whole: self.newest_seen() == Some(NewestSeen::All),
            going_on: on.len(),
            open: on.len() + of_word("open").len(),
            inside_sources: number(Role::Source),
            inside_targets: number(Role::Target),
            unread: lines + inputs + self.options.bad_sources,
            version: env!("CARGO_PKG_VERSION"),
        };
        let json = serde_json::to_string_pretty(&status).unwrap_or_default();
        let text = format!(
            "until\t{}\nwhole\t{}\ngoing_on\t{}\nopen\t{}\ninside_sources\t{}\ninside_targets\t{}\nunread\t{}\n",
            status.until.as_deref().unwrap_or("-"),
            if status.whole { "yes" } else { "no" },
            status.going_on,
            status.open,
            status.inside_sources,
            status.inside_targets,
            status.unread
        );
        vec![("status.json", format!("{json}\n")), ("status.txt", text)]
    }
}
