//! Incidents as rows of lists.

use std::collections::BTreeSet;

use super::super::course::Part;
pub(super) use super::super::words::times;
use super::{Site, anchor, host_page};
use crate::finding::words::count;
use crate::finding::{Host, Kind, Role, Side};
use crate::incident::{State, Wish};
use crate::report::Escaped;

/// The most characters of a cell that the incident database fills.
const MAX_TEXT: usize = 60;

/// An incident in a list.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The host.
    pub host: String,
    /// The way to its page, if it has one.
    pub href: Option<String>,
    /// `inside`, `outside` or `unknown`.
    pub side: &'static str,
    /// The kinds, with blanks between.
    pub kinds: String,
    /// `going`, `open` or `over`; empty on the page of a day.
    pub state: &'static str,
    /// The behaviour of the host, or of others towards it.
    pub what: String,
    /// Protocol and port.
    pub port: String,
    /// The time of the first window.
    pub since: String,
    /// The time of the end of the last window.
    pub until: String,
    /// Windows with findings, and windows looked at.
    pub held: String,
    /// The peak, as a multiple of the limit.
    pub times: String,
    /// Flows of the peak.
    pub flows: String,
    /// The owner by the incident database; `None` if nobody gave its file.
    pub owner: Option<String>,
    /// The next step by the incident database.
    pub next: String,
}

impl Site<'_> {
    /// Returns an incident as a row. `root`: the way from the page to the root of the site.
    pub(super) fn row(&self, part: &Part, state: &'static str, root: &str) -> Row {
        let kinds: Vec<&str> = part.kinds.iter().map(Kind::as_str).collect();
        Row {
            host: part.host.text(false),
            href: self.href(part.host, root).map(|page| format!("{page}#{}", anchor(part))),
            side: side(part.side),
            kinds: kinds.join(" "),
            state,
            what: part.what.clone(),
            port: part.ports.clone(),
            since: self.short(part.first),
            until: self.short(part.last_end),
            held: format!("{} of {}", count(part.windows), count(part.looked)),
            times: times(part.ratio),
            flows: count(part.flows),
            owner: None,
            next: String::new(),
        }
    }

    /// Returns an incident as a row of the index, with what the incident database says of it.
    pub(super) fn index_row(&self, part: &Part, state: &'static str) -> Row {
        let mut row = self.row(part, state, "");
        if state == "going" {
            "going on".clone_into(&mut row.until);
        }
        if self.records.is_some() {
            let known = self.record(part).map(|known| &known.record);
            let owner = known.map(|record| match record.owner.as_slice() {
                [] => "nobody".to_owned(),
                [one] => plain(one),
                [first, more @ ..] => {
                    format!("{} and {} more", plain(first), count(more.len() as u64))
                }
            });
            row.owner = Some(owner.unwrap_or_else(|| "not known".to_owned()));
            row.next = known.map_or_else(
                || "not known".to_owned(),
                |record| match (record.wish, record.next.at) {
                    (Wish::None, None) => plain(&record.next.what),
                    (Wish::None, Some(at)) => {
                        format!("{} {}", plain(&record.next.what), self.short(at))
                    }
                    _ => "block asked for".to_owned(),
                },
            );
        }
        row
    }

    /// Returns the way to a host's page, if it has one.
    pub(super) fn href(&self, host: Host, root: &str) -> Option<String> {
        self.paged.contains(&host).then(|| format!("{root}{}", host_page(host)))
    }

    /// Returns a moment without its year and offset, which the page says once: `08-17 17:20`.
    pub(super) fn short(&self, seconds: u64) -> String {
        let zone = &self.options.zone;
        let date = zone.date(seconds);
        format!("{:02}-{:02} {}", date.month(), date.day(), zone.clock(seconds))
    }
}

/// Returns a text of the incident database for a cell: escaped, and cut if it is long, so that no row fills the page.
fn plain(text: &str) -> String {
    let text = Escaped(text).to_string();
    if text.chars().count() <= MAX_TEXT {
        return text;
    }
    text.chars().take(MAX_TEXT).chain(['…']).collect()
}

/// Returns the state of an incident for lists, from its state in the machine and whether it goes on.
pub(super) fn state_word(state: State, goes_on: bool) -> &'static str {
    match (state, goes_on) {
        (_, true) => "going",
        (State::Open | State::Pending, false) => "open",
        (State::Quiet | State::Closed(_), false) => "over",
    }
}

pub(super) fn side(side: Option<Side>) -> &'static str {
    match side {
        Some(Side::Inside) => "inside",
        Some(Side::Outside) => "outside",
        None => "unknown",
    }
}

/// Returns the words for hosts in a role: `attack`, or `are attacked`.
pub(super) fn verb(role: Role, number: usize) -> &'static str {
    match (role, number) {
        (Role::Source, 1) => "attacks",
        (Role::Source, _) => "attack",
        (Role::Target, 1) => "is attacked",
        (Role::Target, _) => "are attacked",
    }
}

/// Returns the number of hosts of a side and role among incidents.
pub(super) fn hosts<'p>(
    parts: impl IntoIterator<Item = &'p Part>,
    side: Option<Side>,
    role: Role,
) -> usize {
    let hosts = parts.into_iter().filter(|part| part.side == side && part.role == role);
    hosts.map(|part| part.host).collect::<BTreeSet<Host>>().len()
}
