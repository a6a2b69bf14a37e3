//! The page itself: the contents of a [`PageData`] in words, through one template.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::coverage::{Coverage, Group, Windows};
use super::data::{PageContents, PageData};
use super::show::Show;
use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::page::error::Error;
use crate::page::words::{self, count, of};
use crate::time::{Latest, Window};

/// The most findings in the table, because a phone cannot open more. Further ones are only counted.
pub const MAX_ROWS: usize = 2000;

/// The most hosts of the other side that are named outside the evidence.
const FEW_PEERS: usize = 3;

impl PageData {
    /// Returns the page as HTML.
    ///
    /// # Errors
    /// Returns an error if the template cannot be rendered, which does not depend on the input.
    pub fn html(&mut self, show: &Show) -> Result<String, Error> {
        Ok(page(&self.contents(), show).render()?)
    }
}

/// The values of the template, which escapes them.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>
{{ style|safe }}</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<p class="soft">{{ range }}</p>
</header>
<main>
{% for notice in notices %}<div class="notice {{ notice.level }}"><strong>{{ notice.head }}</strong> {{ notice.text }}</div>
{% endfor %}
{%- if !summary.is_empty() %}
<h2>Summary</h2>
<table class="small">
<caption>Distinct hosts by what they do or what is done to them</caption>
<thead><tr><th scope="col">Hosts</th><th scope="col" class="number">Inside</th><th scope="col" class="number">Outside</th>{% if has_unknown %}<th scope="col" class="number">Side unknown</th>{% endif %}<th scope="col" class="number">Findings</th></tr></thead>
<tbody>
{%- for line in summary %}
<tr><th scope="row">{{ line.name }}</th><td class="number">{{ line.inside }}</td><td class="number">{{ line.outside }}</td>{% if has_unknown %}<td class="number">{{ line.unknown }}</td>{% endif %}<td class="number">{{ line.findings }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- if !sections.is_empty() %}
<h2>Findings</h2>
<table class="cards">
<caption>{{ caption }}</caption>
<thead><tr><th scope="col">Host</th><th scope="col">What was seen</th><th scope="col">Protocol and port</th><th scope="col">Other side</th><th scope="col" class="number">Flows</th><th scope="col" class="number">Packets</th><th scope="col" class="number">Bytes</th></tr></thead>
{%- for section in sections %}
<tbody>
<tr class="window"><th colspan="7" scope="rowgroup">{{ section.when }} <span class="tag">{{ section.length }}</span>{% if let Some(flaw) = section.flaw %} <span class="tag cut">{{ flaw }}</span>{% endif %}</th></tr>
{%- for row in section.rows %}
<tr class="row">
<th scope="row"><span class="host">{{ row.host }}</span> <small><span class="tag {{ row.side_class }}">{{ row.side }}</span> {{ row.role }}</small></th>
<td>{{ row.what }} <span class="tag">{{ row.class }}</span>{% for mark in row.marks %} <span class="tag cut">{{ mark }}</span>{% endfor %}
<details><summary>Evidence</summary><dl>
{%- if !row.why.is_empty() %}<dt>The rule, with value and limit</dt><dd class="host">{{ row.why }}</dd>{% endif %}
{%- if !row.samples.is_empty() %}<dt>Some of the flows</dt><dd><ul>{% for sample in row.samples %}<li>{{ sample }}</li>{% endfor %}</ul></dd>{% endif %}
{%- if !row.all_peers.is_empty() %}<dt>The other side</dt><dd>{{ row.all_peers }}</dd>{% endif -%}
<dt>Exactly</dt><dd>{{ row.exactly }}</dd></dl></details></td>
<td data-label="Port">{{ row.port }}{% if let Some(service) = row.service %} <small>{{ service }}</small>{% endif %}</td>
<td data-label="Other side">{{ row.peers }}{% if !row.few_peers.is_empty() %} <small class="list">{{ row.few_peers }}</small>{% endif %}</td>
<td class="number" data-label="Flows">{{ row.flows }} <small>{{ row.rate }}</small></td>
<td class="number" data-label="Packets">{{ row.packets }}</td>
<td class="number" data-label="Bytes" title="{{ row.exact_bytes }}">{{ row.bytes }}</td>
</tr>
{%- endfor %}
</tbody>
{%- endfor %}
</table>
{%- endif %}
{%- if !groups.is_empty() %}
<h2>What was looked at</h2>
<table class="cards">
<caption>Windows of time and how much of them was seen; only a window that was seen whole can be clean</caption>
<thead><tr><th scope="col">Seen</th><th scope="col" class="number">Windows</th><th scope="col">When (UTC)</th><th scope="col">Judged by</th><th scope="col" class="number">Findings</th></tr></thead>
<tbody>
{%- for group in groups %}
<tr class="row"><th scope="row">{{ group.coverage }}</th><td class="number" data-label="Windows">{{ group.windows }}</td><td data-label="When (UTC)">{% for span in group.when %}<span class="span">{{ span }}</span> {% endfor %}</td><td data-label="Judged by">{{ group.tools }}</td><td class="number" data-label="Findings">{{ group.findings }}</td></tr>
{%- endfor %}
{%- if !gaps.is_empty() %}
<tr class="row"><th scope="row">Not judged: in no window of the input</th><td class="number"></td><td data-label="When (UTC)">{% for span in gaps %}<span class="span">{{ span }}</span> {% endfor %}</td><td></td><td class="number"></td></tr>
{%- endif %}
</tbody>
</table>
{%- endif %}
</main>
<footer>
<details><summary>What the words mean</summary>
<dl class="words">
<dt>Finding</dt><dd>A host stood out in the flow records of a router: how often it spoke with whom, not what it said. It is a suspicion with evidence, no proof. Addresses can be forged, and a busy server can look like a victim.</dd>
<dt>Scans networks</dt><dd>The host probed host after host. It is usually a machine that was broken into and serves somebody elsewhere as a stepping stone; monitoring does the same with good reason.</dd>
<dt>Attacks one port</dt><dd>The host opened connection after connection to one port, as worms, password guessers and senders of spam do.</dd>
<dt>Is flooded, floods others</dt><dd>The host, or all hosts of the network together, received far more than usual or than they answered, or it sent a large part of that.</dd>
<dt>Inside, outside</dt><dd>Whether the host is in one of the networks of this site.</dd>
<dt>Flow</dt><dd>Packets of one direction between two hosts with the same protocol and ports. Counts are what the router exported.</dd>
{%- for mark in marks %}
<dt>{{ mark.0 }}</dt><dd>{{ mark.1 }}</dd>
{%- endfor %}
</dl></details>
<p class="soft">{% if mask %}The host parts of all addresses are hidden. {% endif %}All times are UTC. This page says nothing of the time after the last window, and does not renew itself. Made by nfpage {{ version }}.</p>
</footer>
</body>
</html>
"##
)]
struct Page<'a> {
    title: &'a str,
    style: &'static str,
    range: String,
    notices: Vec<Notice>,
    summary: Vec<Line>,
    has_unknown: bool,
    caption: String,
    sections: Vec<Section<'a>>,
    groups: Vec<GroupRow>,
    gaps: Vec<String>,
    marks: Vec<(&'a str, &'static str)>,
    mask: bool,
    version: &'static str,
}

/// A message at the head of the page.
struct Notice {
    level: &'static str,
    head: String,
    text: String,
}

/// A line of the summary.
struct Line {
    name: &'static str,
    inside: String,
    outside: String,
    unknown: String,
    findings: String,
}

/// The findings of one window.
struct Section<'a> {
    when: String,
    length: String,
    flaw: Option<&'static str>,
    rows: Vec<Row<'a>>,
}

/// One finding.
struct Row<'a> {
    host: String,
    side: &'static str,
    side_class: &'static str,
    role: &'static str,
    what: &'static str,
    class: String,
    marks: &'a [String],
    why: String,
    samples: Vec<String>,
    port: String,
    service: Option<&'static str>,
    peers: String,
    few_peers: String,
    all_peers: String,
    flows: String,
    rate: String,
    packets: String,
    bytes: String,
    exact_bytes: String,
    exactly: String,
}

struct GroupRow {
    coverage: &'static str,
    windows: String,
    when: Vec<String>,
    tools: String,
    findings: String,
}

fn page<'a>(contents: &PageContents<'a>, show: &'a Show) -> Page<'a> {
    let latest = contents.timeline.latest();
    let from = latest.map_or(0, |latest| latest.since(show.last));
    let is_current = |window: Option<Window>| window.is_none_or(|window| window.start() >= from);

    // Findings and verdicts are sorted: the newest windows first and the unknown one last.
    let current: Vec<_> = contents.findings.iter().filter(|f| is_current(f.window)).collect();
    let verdicts: Vec<_> = contents.verdicts.iter().filter(|v| is_current(v.window)).collect();
    let older = contents.findings.len() - current.len();
    let windows = Windows::new(&verdicts, &current);
    let shown: Vec<&Finding> =
        current.iter().copied().filter(|f| show.side.is_none() || f.side == show.side).collect();
    let others = current.len() - shown.len();

    let mut notices = verdict(&windows, &shown, others, contents.is_understood(), show);
    let mut notice = |level, head: String, text: String| notices.push(Notice { level, head, text });
    if let Some(Latest { newest, before: Some(before) }) = latest {
        let span = |window: Window| words::span(window.start(), window.end());
        notice(
            "warn",
            format!(
                "More than 24 hours lie between the windows {} and {}.",
                span(before),
                span(newest)
            ),
            match show.last {
                0 => "Either a clock was wrong, or nothing was collected in between.".to_owned(),
                last => format!(
                    "Either a clock was wrong, or nothing was collected in between. This page shows \
                     both, and what is older up to {} before the end of the earlier one.",
                    words::length(last)
                ),
            },
        );
    }
    if let Some(aside) = contents.timeline.aside() {
        notice(
            "warn",
            format!(
                "{} of the input {} set aside.",
                of(aside.lines, "line"),
                if aside.lines == 1 { "was" } else { "were" }
            ),
            format!(
                "Their windows, {}, had not begun when this page was made: a clock was wrong.",
                words::span(aside.first.start(), aside.last.end())
            ),
        );
    }
    let opened = verdicts.iter().filter(|verdict| verdict.is_open).map(|verdict| verdict.window);
    let opened = opened.collect::<BTreeSet<_>>().len() as u64;
    if opened > 0 {
        notice(
            "warn",
            format!("Exports were taken from anyone in {}.", of(opened, "window")),
            "Anyone who can reach the collector can forge the findings on this page.".to_owned(),
        );
    }
    let lossy = verdicts.iter().filter(|verdict| verdict.is_lossy).map(|verdict| verdict.window);
    let lossy = lossy.collect::<BTreeSet<_>>().len() as u64;
    if lossy > 0 {
        notice(
            "warn",
            format!("Records were lost in {}.", of(lossy, "window")),
            "Counts of these windows are too low, and something may not have been found."
                .to_owned(),
        );
    }
    let silent = verdicts.iter().filter(|verdict| verdict.has_silent).map(|verdict| verdict.window);
    let silent = silent.collect::<BTreeSet<_>>().len() as u64;
    if silent > 0 {
        notice(
            "warn",
            format!("An exporter was silent in {}.", of(silent, "window")),
            "It sent data before. Nothing is known of traffic that only it sees.".to_owned(),
        );
    }
    if contents.bad_inputs > 0 || contents.bad_lines > 0 {
        let parts = [(contents.bad_inputs, "file"), (contents.bad_lines, "line")];
        let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(n, noun)| of(*n, noun));
        notice(
            "warn",
            "This page is incomplete.".to_owned(),
            format!("{} of the input could not be read.", parts.collect::<Vec<_>>().join(" and ")),
        );
    }
    if contents.overflow {
        notice(
            "warn",
            "There are more findings or windows than are counted here.".to_owned(),
            "Those of the oldest windows, and in these those with the fewest flows, are left out."
                .to_owned(),
        );
    }
    let rows = shown.get(..MAX_ROWS).unwrap_or(&shown);
    let more = (shown.len() - rows.len()) as u64;
    if more > 0 {
        notice(
            "warn",
            format!("{} counted but not listed.", was(more, "more finding")),
            format!(
                "The table below ends after {}, those of the newest windows.",
                of(MAX_ROWS as u64, "finding")
            ),
        );
    }
    if older > 0 {
        notice(
            "info",
            unshown(older as u64, "of older windows"),
            format!("This page is about the last {} of the input.", words::length(show.last)),
        );
    }

    let (summary, has_unknown) = summary(&shown);
    let marks: BTreeSet<&str> = rows.iter().flat_map(|f| &f.marks).map(String::as_str).collect();
    Page {
        title: &show.title,
        style: include_str!("style.css"),
        range: match windows.range() {
            Some((start, end)) => {
                let judged = windows.judged() as u64;
                format!("{} UTC, {} judged", words::span(start, end), of(judged, "window"))
            }
            None if windows.is_empty() => "No window of time in the input".to_owned(),
            None => format!("{} judged, at an unknown time", of(windows.judged() as u64, "window")),
        },
        notices,
        summary,
        has_unknown,
        caption: match show.side {
            Some(side) => format!(
                "Findings about hosts {side}, by window (UTC), the newest first; in it by flows"
            ),
            None => "Findings by window (UTC), the newest first; in it by flows".to_owned(),
        },
        sections: sections(rows, &windows, show.mask),
        groups: windows
            .groups()
            .into_iter()
            .map(|group| GroupRow::new(group, contents.is_understood()))
            .collect(),
        gaps: windows.gaps(),
        marks: marks.into_iter().filter_map(|mark| Some((mark, words::mark(mark)?))).collect(),
        mask: show.mask,
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Returns a sentence such as `1 finding about other hosts is not shown.`
fn unshown(number: u64, which: &str) -> String {
    format!(
        "{} {which} {} not shown.",
        of(number, "finding"),
        if number == 1 { "is" } else { "are" }
    )
}

/// Returns the notices about the whole page: what was found, what was not seen, and, if nothing was found,
/// whether that means that all is well.
fn verdict(
    windows: &Windows,
    shown: &[&Finding],
    others: usize,
    is_understood: bool,
    show: &Show,
) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut notice = |level, head: String, text: String| notices.push(Notice { level, head, text });
    let (silent, when) = windows.of(Coverage::NoData);
    if silent > 0 {
        notice(
            "alarm",
            format!("No exporter spoke in {}: {}.", of(silent, "window"), when.join("; ")),
            "Nothing is known of that time. Is the router still sending, and to the right address?"
                .to_owned(),
        );
    }
    let (cut, when) = windows.of(Coverage::Cut);
    if cut > 0 {
        notice(
            "warn",
            format!("{} cut short: {}.", was(cut, "window"), when.join("; ")),
            "Part of that time was not seen; what is not listed may still have happened."
                .to_owned(),
        );
    }
    let (whole, when) = windows.of(Coverage::Clean);
    let about = show.side.map_or(String::new(), |side| format!(" about hosts {side}"));
    let rest = match others {
        0 => String::new(),
        others => format!(" {}", unshown(others as u64, "about other hosts")),
    };
    if !shown.is_empty() {
        let hosts = |side| {
            let hosts = shown.iter().filter(|f| f.side == side).map(|f| f.host);
            hosts.collect::<BTreeSet<Host>>().len() as u64
        };
        let parts = [Some(Side::Inside), Some(Side::Outside), None].map(|side| (hosts(side), side));
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        let parts = parts.map(|(number, side)| {
            let noun = if *number == 1 { "host" } else { "hosts" };
            format!("{} {noun} {}", count(*number), side.map_or("", Side::as_str))
        });
        let parts = parts.collect::<Vec<_>>().join(" and ");
        notice(
            "info",
            format!("{} about {}.", of(shown.len() as u64, "finding"), parts.trim_end()),
            rest.trim_start().to_owned(),
        );
    } else if windows.judged() == 0 && others == 0 {
        notice(
            "alarm",
            "Nothing was judged.".to_owned(),
            "The input holds no window that a detector looked at, and no finding. That does not \
             mean that all is well: see that the collector and the detectors run."
                .to_owned(),
        );
    } else if whole > 0 && !is_understood {
        notice(
            "warn",
            format!("No findings{about} in what could be read of the input."),
            format!("The unread rest may hold findings.{rest}"),
        );
    } else if whole > 0 {
        notice(
            "good",
            format!("No findings{about}."),
            format!(
                "{} seen whole and found clean{}: {}.{rest}",
                was(whole, "window"),
                cleaners(windows),
                when.join("; ")
            ),
        );
    } else {
        notice(
            "warn",
            format!("No findings{about}, but no window was seen whole and found clean."),
            format!("See below what was looked at.{rest}"),
        );
    }
    notices
}

/// Returns the tools that found the clean windows clean, if they are the same for all windows. Otherwise the
/// table of windows says it.
fn cleaners(windows: &Windows) -> String {
    let groups = windows.groups();
    let mut clean = groups.iter().filter(|group| group.coverage == Coverage::Clean);
    match (clean.next(), clean.next()) {
        (Some(group), None) => format!(" by {}", names(&group.tools)),
        _ => String::new(),
    }
}

/// Returns the names of tools with commas between them.
fn names(tools: &[String]) -> String {
    let name = |tool: &String| {
        if tool.is_empty() { "a tool without a name".to_owned() } else { tool.clone() }
    };
    tools.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Returns a count with its noun and verb: `1 window was`, `2 windows were`.
fn was(number: u64, noun: &str) -> String {
    format!("{} {}", of(number, noun), if number == 1 { "was" } else { "were" })
}

/// The counts of a line of the summary.
#[derive(Default)]
struct Counted {
    findings: u64,
    hosts: BTreeSet<(Option<Side>, Host)>,
}

/// Returns the lines of the summary, and true if the side of some hosts is unknown.
fn summary(findings: &[&Finding]) -> (Vec<Line>, bool) {
    // The four groups that nfkit's own rules make are listed even if they are empty.
    let mut groups: BTreeMap<(Kind, Role), Counted> = BTreeMap::new();
    if !findings.is_empty() {
        for (kind, role) in [
            (Kind::Scan, Role::Source),
            (Kind::Flood, Role::Source),
            (Kind::Flood, Role::Target),
            (Kind::Port, Role::Source),
        ] {
            groups.entry((kind, role)).or_default();
        }
    }
    for finding in findings {
        let group = groups.entry((finding.kind, finding.role)).or_default();
        group.findings += 1;
        group.hosts.insert((finding.side, finding.host));
    }
    let lines = groups.iter().map(|((kind, role), group)| {
        let hosts = |of| count(group.hosts.iter().filter(|(side, _)| *side == of).count() as u64);
        Line {
            name: words::group(*kind, *role),
            inside: hosts(Some(Side::Inside)),
            outside: hosts(Some(Side::Outside)),
            unknown: hosts(None),
            findings: count(group.findings),
        }
    });
    (lines.collect(), findings.iter().any(|finding| finding.side.is_none()))
}

/// Groups the rows by window and keeps their order.
fn sections<'a>(rows: &[&'a Finding], windows: &Windows, mask: bool) -> Vec<Section<'a>> {
    let groups = rows.chunk_by(|a, b| a.window == b.window);
    let section = |group: &[&'a Finding]| {
        let window = group.first().and_then(|finding| finding.window);
        Section {
            when: window.map_or_else(
                || "At an unknown time".to_owned(),
                |window| words::span(window.start(), window.end()) + " UTC",
            ),
            length: window.map_or_else(
                || "length unknown".to_owned(),
                |window| words::length(window.seconds()),
            ),
            flaw: match windows.coverage(window) {
                Coverage::NoData => Some("no exporter spoke"),
                Coverage::Cut => Some("cut short"),
                Coverage::Unclosed => Some("not closed yet"),
                Coverage::Silent => Some("an exporter was silent"),
                Coverage::Lossy => Some("records were lost"),
                Coverage::Unsaid | Coverage::Found | Coverage::Clean => None,
            },
            rows: group.iter().map(|finding| Row::new(finding, mask)).collect(),
        }
    };
    groups.map(section).collect()
}

impl Row<'_> {
    fn new(finding: &Finding, mask: bool) -> Row<'_> {
        // `peers` counts hosts, but the entries of `peer` may be networks.
        let are_nets = finding.peer.iter().all(|peer| matches!(peer.host, Host::Prefix(_)));
        let nets = if are_nets { " networks" } else { "" };
        let peer = |n: usize| {
            let (peers, more) = finding.first_peers(n);
            let named = peers.iter().map(|peer| words::peer(peer, mask));
            let rest = (more > 0).then(|| format!("and {} more{nets}", count(more)));
            named.chain(rest).collect::<Vec<_>>().join(", ")
        };
        let noun = match finding.role {
            Role::Source => "target",
            Role::Target => "source",
        };
        let window = finding.window.map_or_else(
            || "in a window of unknown length".to_owned(),
            |window| format!("in {}", words::length(window.seconds())),
        );
        Row {
            host: finding.host.text(mask),
            side: words::side(finding.side),
            side_class: if finding.side == Some(Side::Inside) { "inside" } else { "" },
            role: finding.role.as_str(),
            what: words::class(finding),
            class: format!("{} {}", finding.kind, finding.class),
            marks: &finding.marks,
            why: words::why(&finding.why, mask),
            samples: finding.sample.iter().map(|sample| words::sample(sample, mask)).collect(),
            port: words::port(finding.proto, finding.port),
            service: words::service(finding.proto, finding.port),
            peers: of(finding.peers, noun),
            few_peers: peer(FEW_PEERS),
            all_peers: peer(usize::MAX),
            flows: count(finding.flows),
            rate: format!("{} a second", finding.rate),
            packets: count(finding.packets),
            bytes: words::bytes(finding.octets),
            exact_bytes: of(finding.octets, "byte"),
            exactly: format!(
                "{}, {}, {} {window}",
                of(finding.flows, "flow"),
                of(finding.packets, "packet"),
                of(finding.octets, "byte")
            ),
        }
    }
}

impl GroupRow {
    fn new(group: Group, is_understood: bool) -> GroupRow {
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
