//! The page itself: the incidents of a [`PageData`] in words, through one template.

use std::collections::BTreeSet;

use askama::Template;

use super::coverage::{self, Coverage};
use super::data::PageData;
use super::notices::{Notice, names};
use super::show::Show;
use super::view::{Listed, MAX_ROWS, View};
use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::page::course::parse;
use crate::page::error::Error;
use crate::page::words::{self, count, of};

/// The most hosts of the other side that are named outside the evidence.
const FEW_PEERS: usize = 3;

impl PageData {
    /// Returns the page as HTML.
    ///
    /// # Errors
    /// Returns an error if the template cannot be rendered, which does not depend on the input.
    pub fn html(self, show: &Show) -> Result<String, Error> {
        Ok(page(&View::new(self.contents(), show), show).render()?)
    }
}

/// The values of the template, which escapes them.
#[derive(Template)]
#[template(path = "single.html")]
struct Page<'a> {
    title: &'a str,
    style: &'static str,
    range: String,
    notices: Vec<Notice>,
    caption: String,
    sections: Vec<Section<'a>>,
    summary: Vec<Line>,
    has_unknown: bool,
    groups: Vec<GroupRow>,
    gaps: Vec<String>,
    marks: Vec<(&'a str, &'static str)>,
    mask: bool,
    version: &'static str,
}

/// A part of the list of incidents.
struct Section<'a> {
    name: &'static str,
    number: String,
    rows: Vec<Row<'a>>,
}

/// One incident.
struct Row<'a> {
    host: String,
    side: &'static str,
    side_class: &'static str,
    role: &'static str,
    what: &'a str,
    ports: &'a str,
    marks: &'a [String],
    first: String,
    last: String,
    windows: String,
    looked: String,
    times: String,
    flows: String,
    rate: String,
    peers: String,
    few_peers: Vec<String>,
    peaks: Vec<PeakText>,
}

/// The finding of a kind that was furthest beyond its limit.
struct PeakText {
    when: String,
    what: String,
    why: String,
    samples: Vec<String>,
    peers: String,
}

/// A line of the summary.
struct Line {
    name: &'static str,
    inside: String,
    outside: String,
    unknown: String,
    findings: String,
}

struct GroupRow {
    coverage: &'static str,
    windows: String,
    when: Vec<String>,
    tools: String,
    findings: String,
}

fn page<'a>(view: &'a View, show: &'a Show) -> Page<'a> {
    let sections = sections(view, show.mask);
    let marks: BTreeSet<&str> = sections
        .iter()
        .flat_map(|section| &section.rows)
        .flat_map(|row| row.marks)
        .map(String::as_str)
        .collect();
    let (summary, has_unknown) = summary(view);
    let windows = &view.windows;
    let judged = of(windows.judged() as u64, "window");
    let about = show.side.map_or(String::new(), |side| format!(" of hosts {side}"));
    Page {
        title: &show.title,
        style: include_str!("style.css"),
        range: match windows.range() {
            Some((start, end)) => format!("{} UTC, {judged} judged", words::span(start, end)),
            None if windows.is_empty() => "No window of time in the input".to_owned(),
            None => format!("{judged} judged, at an unknown time"),
        },
        notices: view.notices(show),
        caption: format!("{}{about}, the gravest first", of(view.number(), "incident")),
        sections,
        summary,
        has_unknown,
        groups: windows
            .groups()
            .into_iter()
            .map(|group| GroupRow::new(group, view.is_understood))
            .collect(),
        gaps: windows.gaps(),
        marks: marks.into_iter().filter_map(|mark| Some((mark, words::mark(mark)?))).collect(),
        mask: show.mask,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Returns the incidents that go on, those that do not, and those of an unknown time.
fn sections(view: &View, mask: bool) -> Vec<Section<'_>> {
    let (on, off) = view.incidents.split_at_checked(view.going_on()).unwrap_or_default();
    let off_name = if view.is_newest_whole() {
        "Without a finding in the newest window"
    } else {
        "Without a finding in the newest window, which was not seen whole"
    };
    let all = [
        ("Going on in the newest window", on, true),
        (off_name, off, true),
        ("At an unknown time", view.untimed.as_slice(), false),
    ];
    let mut left = MAX_ROWS;
    let mut sections = Vec::new();
    for (name, incidents, has_time) in all {
        let rows: Vec<Row<'_>> = incidents
            .iter()
            .take(left)
            .map(|incident| Row::new(incident, has_time, mask))
            .collect();
        left -= rows.len();
        if !incidents.is_empty() {
            sections.push(Section { name, number: count(incidents.len() as u64), rows });
        }
    }
    sections
}

impl Row<'_> {
    fn new(incident: &Listed, has_time: bool, mask: bool) -> Row<'_> {
        let Listed { part, goes_on, peaks, marks } = incident;
        let peaks: Vec<Finding> = peaks.iter().filter_map(|line| parse(line)).collect();
        let worst = peaks.first();
        let time = |text: String| if has_time { text } else { "unknown".to_owned() };
        Row {
            host: part.host.text(mask),
            side: words::side(part.side),
            side_class: if part.side == Some(Side::Inside) { "inside" } else { "" },
            role: part.role.as_str(),
            what: &part.what,
            ports: &part.ports,
            marks,
            first: time(words::moment(part.first)),
            last: time(if *goes_on { "goes on".to_owned() } else { words::moment(part.last_end) }),
            windows: if has_time { count(part.windows) } else { String::new() },
            looked: if has_time {
                format!("of {} looked at", count(part.looked))
            } else {
                String::new()
            },
            times: words::times(part.ratio),
            flows: count(part.flows),
            rate: worst.map_or(String::new(), |finding| format!("{} a second", finding.rate)),
            peers: worst.map_or(String::new(), |finding| {
                let noun = match finding.role {
                    Role::Source => "target",
                    Role::Target => "source",
                };
                of(finding.peers, noun)
            }),
            few_peers: worst.map_or(Vec::new(), |finding| peers(finding, FEW_PEERS, mask)),
            peaks: peaks.iter().map(|finding| PeakText::new(finding, has_time, mask)).collect(),
        }
    }
}

impl PeakText {
    fn new(finding: &Finding, has_time: bool, mask: bool) -> PeakText {
        let window = finding.window.filter(|_| has_time);
        PeakText {
            when: window.map_or_else(
                || "At an unknown time".to_owned(),
                |window| format!("{} UTC", words::span(window.start(), window.end())),
            ),
            what: format!(
                "{} {}, {}: {}, {}, {} {}",
                finding.kind,
                finding.class,
                words::port(finding.proto, finding.port),
                of(finding.flows, "flow"),
                of(finding.packets, "packet"),
                of(finding.octets, "byte"),
                window.map_or_else(
                    || "in a window of unknown length".to_owned(),
                    |window| format!("in {}", words::length(window.seconds())),
                )
            ),
            why: words::why(&finding.why, mask),
            samples: finding.sample.iter().map(|sample| words::sample(sample, mask)).collect(),
            peers: peers(finding, usize::MAX, mask).join(", "),
        }
    }
}

/// Returns the first `most` hosts of the other side, and the number of further ones.
fn peers(finding: &Finding, most: usize, mask: bool) -> Vec<String> {
    // `more` counts hosts, unless the entries of `peer` are networks.
    let are_nets = finding.peer.iter().all(|peer| matches!(peer.host, Host::Prefix(_)));
    let nets = if are_nets { " networks" } else { "" };
    let (first, more) = finding.first_peers(most);
    let named = first.iter().map(|peer| words::peer(peer, mask));
    named.chain((more > 0).then(|| format!("and {} more{nets}", count(more)))).collect()
}

/// Returns the lines of the summary, and true if the side of some hosts is unknown.
fn summary(view: &View) -> (Vec<Line>, bool) {
    // The four groups that nfkit's own rules make are listed even if they are empty.
    let own = [
        (Kind::Scan, Role::Source),
        (Kind::Flood, Role::Source),
        (Kind::Flood, Role::Target),
        (Kind::Port, Role::Source),
    ];
    let known = &view.counts.groups;
    let own = own.into_iter().filter(|_| !known.is_empty());
    let keys: BTreeSet<(Kind, Role)> = own.chain(known.keys().copied()).collect();
    let lines = keys.into_iter().map(|key| {
        let group = known.get(&key);
        let hosts = |side| {
            let hosts = group.into_iter().flat_map(|group| &group.hosts);
            count(hosts.filter(|(place, _)| *place == side).count() as u64)
        };
        Line {
            name: words::group(key.0, key.1),
            inside: hosts(Some(Side::Inside)),
            outside: hosts(Some(Side::Outside)),
            unknown: hosts(None),
            findings: count(group.map_or(0, |group| group.findings)),
        }
    });
    (lines.collect(), view.counts.hosts.iter().any(|(side, _)| side.is_none()))
}

impl GroupRow {
    fn new(group: coverage::Group, is_understood: bool) -> GroupRow {
        GroupRow {
            coverage: match group.coverage {
                Coverage::NoData => "Nothing: no exporter spoke",
                Coverage::Cut => "Cut short: a part was not seen",
                Coverage::Unclosed => "Not closed: findings, but no verdict yet",
                Coverage::Silent => "Judged, but an exporter was silent: not seen whole",
                Coverage::Lossy => "Judged, but records were lost: not seen whole",
                Coverage::Unsaid => "Judged; how much was seen is not known",
                Coverage::Found => "Seen whole, with findings",
                Coverage::Clean if is_understood => "Seen whole and clean",
                Coverage::Clean => "Seen whole; what could not be read may be findings of it",
            },
            windows: count(group.windows),
            when: group.when,
            tools: if group.tools.is_empty() {
                "nobody yet".to_owned()
            } else {
                names(&group.tools)
            },
            findings: count(group.findings),
        }
    }
}
