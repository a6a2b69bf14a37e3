//! The page of a host: what it did or suffered, and what to check now.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;

use super::super::chart::{
    ChartWindow, Linear, Span, State as Mark, Strip, StripAxes, Tick, Tone, Unit,
};
pub(super) use super::super::course::parse;
use super::super::course::{Cell, Part, Running, Seen};
use super::super::error::Error;
use super::super::frame::Frame;
use super::super::records::KnownRecord;
use super::super::words as page_words;
use super::rows::{side, state_word, times};
use super::{DetailCache, Site, anchor, html};
use crate::finding::words::{self, count, of};
use crate::finding::{Finding, Host, Kind, Peer, Role};
use crate::incident::{Matter, State, Wish};
use crate::report::Escaped;

/// The most matters and days of a page, and the most other hosts that are named outside the evidence.
const MAX_MATTERS: usize = 12;
const MAX_DAYS: usize = 40;
const MAX_ROWS: usize = 40;
const FEW_PEERS: usize = 3;

/// The days of the strip.
const WEEK: i64 = 7;

const DAY: u64 = 86_400;

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage<'a> {
    frame: Frame<'a>,
    title: String,
    host: String,
    about: String,
    newest: Vec<IncidentText>,
    journal: Vec<JournalText>,
    week_heading: String,
    week: String,
    traffic: Option<String>,
    days_caption: String,
    days: Vec<DayText>,
    earlier: Vec<EarlierText>,
}

/// The newest incident of a host in one role.
struct IncidentText {
    anchor: String,
    heading: String,
    state: String,
    since: String,
    record: Vec<(&'static str, String)>,
    command: String,
    more_commands: Option<String>,
    caption: String,
    matters: Vec<MatterText>,
}

/// A row of the journal.
struct JournalText {
    time: String,
    actor: String,
    what: &'static str,
    from: String,
    to: String,
    why: String,
}

struct MatterText {
    kind: &'static str,
    what: String,
    classes: String,
    first: String,
    last: String,
    peak: String,
    flows: String,
    rate: String,
    limit: String,
    peers: String,
    all_peers: String,
    why: String,
    samples: Vec<String>,
    marks: Vec<(String, &'static str)>,
}

struct DayText {
    anchor: Option<String>,
    href: String,
    date: String,
    what: String,
    held: String,
    times: String,
    flows: String,
}

/// An incident before the days of the table: its anchor, for old links, and its last day.
struct EarlierText {
    anchor: String,
    href: String,
    date: String,
}

/// A part of a host's incident, with its place.
type Placed<'a> = ((usize, usize), &'a Part);

impl Site<'_> {
    /// Returns the parts of a host, the newest day first.
    fn parts_of_host(&self, host: Host) -> Vec<Placed<'_>> {
        let places = self.hosts.get(&host).into_iter().flatten().rev();
        places.filter_map(|place| Some((*place, self.part(*place)?))).collect()
    }

    /// Returns the incident as it is now, if it is not over.
    pub(super) fn running(&self, part: &Part) -> Option<&Running> {
        self.running.get(&(part.host, part.role, part.first)).copied()
    }

    /// Returns what the incident database says of an incident.
    pub(super) fn record(&self, part: &Part) -> Option<&KnownRecord> {
        self.records.as_ref()?.of(part)
    }

    /// Returns the key of a host's page.
    pub(super) fn host_key(&self, host: Host) -> u64 {
        let parts = self.parts_of_host(host);
        let digests: Vec<_> =
            parts.iter().map(|((day, _), part)| (self.day_link(*day), part.digest)).collect();
        let states: Vec<_> = newest(&parts)
            .iter()
            .map(|(_, part)| {
                let running = self.running(part);
                let running = running
                    .map(|one| (one.body.state, one.body.changed, self.history.carry.goes_on(one)));
                (running, self.record(part).map(|known| known.digest))
            })
            .collect();
        self.key(&(
            digests,
            states,
            self.records.is_some(),
            self.week_sums(&parts),
            self.host_rates_key(host, self.traffic_until(&parts)),
        ))
    }

    /// Returns the end of the chart of a host's traffic: of its last finding, or of the newest window if there is none
    /// or the site shows the host's traffic always.
    fn traffic_until(&self, parts: &[Placed<'_>]) -> u64 {
        let last = parts.iter().map(|(_, part)| part.last_end).max();
        let is_asked = parts.iter().all(|(_, part)| match part.host {
            Host::Address(address) => self.options.hosts.contains(address),
            Host::Prefix(_) => false,
        });
        let newest = self.traffic.last().and_then(|(_, day)| Some(day.windows().last()?.0.end()));
        match (last, newest) {
            (Some(last), Some(newest)) if is_asked => last.max(newest),
            (Some(last), _) => last,
            (None, newest) => newest.unwrap_or(0),
        }
    }

    /// Returns the checksums of the windows that the strip of a host shows: of the days of the week, and of the last
    /// day up to its last finding.
    fn week_sums(&self, parts: &[Placed<'_>]) -> Vec<Option<u64>> {
        let Some(((newest, _), _)) = parts.first() else { return Vec::new() };
        let last = parts.iter().map(|(_, part)| part.last_end).max().unwrap_or(0);
        let first = newest.saturating_sub(WEEK as usize);
        (first..=*newest)
            .map(|day| {
                let rows = &self.history.days.get(day)?.1.windows;
                let shown = rows.partition_point(|row| row.start < last);
                self.window_sums.get(day)?.get(shown.checked_sub(1)?).copied()
            })
            .collect()
    }

    /// Returns the page of a host.
    pub(super) fn host_html(&self, host: Host, cache: &mut DetailCache) -> Result<String, Error> {
        let parts = self.parts_of_host(host);
        let place = parts.first().map_or("unknown", |(_, part)| side(part.side));
        let last = parts.iter().map(|(_, part)| part.last_end).max().unwrap_or(0);
        let zone = &self.options.zone;
        let newest = newest(&parts);
        let texts = newest.iter().map(|placed| self.incident_text(*placed, cache)).collect();
        let anchors: BTreeSet<String> = newest.iter().map(|(_, part)| anchor(part)).collect();
        let week = self.week(&parts, cache);
        let shown = parts.iter().take(MAX_DAYS);
        let mut named = anchors;
        let days = shown
            .filter_map(|((day, _), part)| {
                let (href, date) = self.day_link(*day)?;
                // The anchor of an earlier incident stands at its last day.
                let id = anchor(part);
                let id = named.insert(id.clone()).then_some(id);
                Some(DayText {
                    anchor: id,
                    href,
                    date,
                    what: format!("{}, {}", part.what, part.ports),
                    held: count(part.held.into()),
                    times: times(part.ratio),
                    flows: count(part.flows),
                })
            })
            .collect();
        let earlier = parts
            .iter()
            .skip(MAX_DAYS)
            .filter_map(|((day, _), part)| {
                let (href, date) = self.day_link(*day)?;
                let anchor = anchor(part);
                named.insert(anchor.clone()).then_some(EarlierText { anchor, href, date })
            })
            .collect();
        let traffic = self.host_chart(host, self.traffic_until(&parts));
        let host = host.text(false);
        html(&HostPage {
            frame: self.frame(None, "../"),
            about: format!(
                "{}. Times are {}.",
                match (place, last) {
                    (_, 0) => "A host whose traffic the site shows; no finding is kept".to_owned(),
                    ("inside", _) => format!("One of our hosts; last seen {}", zone.text(last)),
                    ("outside", _) => format!("A host outside; last seen {}", zone.text(last)),
                    _ => format!(
                        "A host that is not known to be inside or outside; last seen {}",
                        zone.text(last)
                    ),
                },
                self.zone_text(if last == 0 { self.until.unwrap_or(0) } else { last })
            ),
            title: host.clone(),
            host,
            newest: texts,
            journal: self.journal(&newest),
            week_heading: format!(
                "Windows with findings{}",
                if week.is_empty() { "" } else { " in the seven days up to the last one" }
            ),
            week,
            traffic,
            days_caption: if parts.len() > MAX_DAYS {
                format!("The {MAX_DAYS} newest of {} days", count(parts.len() as u64))
            } else {
                "The newest day first".to_owned()
            },
            days,
            earlier,
        })
    }

    fn incident_text(&self, (place, part): Placed<'_>, cache: &mut DetailCache) -> IncidentText {
        let running = self.running(part);
        let goes_on = running.is_some_and(|running| self.history.carry.goes_on(running));
        let state = running.map_or(State::Quiet, |running| running.body.state);
        let date = self.history.days.get(place.0).map(|(date, _)| *date);
        let detail = date.and_then(|date| cache.of(self.store, date, place.1));
        let matters = detail.map_or(&[][..], |detail| detail.running.body.matters.as_slice());
        let mut worst: Vec<&Matter> = matters.iter().collect();
        worst.sort_by(|a, b| {
            let rank = |matter: &Matter| (matter.peak.ratio(), matter.peak.flows);
            let ((one, flows), (other, more)) = (rank(a), rank(b));
            other.total_cmp(&one).then(more.cmp(&flows)).then(a.key.cmp(&b.key))
        });
        let texts = worst.iter().take(MAX_MATTERS).map(|matter| self.matter_text(matter)).collect();
        let all = matters.len();
        IncidentText {
            anchor: anchor(part),
            heading: format!("{}, {}", part.what, part.ports),
            state: match state_word(state, goes_on) {
                "going" => "Goes on.".to_owned(),
                "open" => format!("Not seen since {}.", self.short(part.last_end)),
                _ => format!("Over since {}.", self.short(part.last_end)),
            },
            since: self.peak_text(part),
            record: self.record_text(part),
            command: self.command(part),
            more_commands: self.record(part).map(|known| {
                let id = known.record.id;
                format!("nfnotify show {id}\nnfnotify resolve --why 'what was done' {id}")
            }),
            caption: if all > MAX_MATTERS {
                format!(
                    "The {MAX_MATTERS} gravest of {} kinds of attack, protocols and ports",
                    count(all as u64)
                )
            } else {
                "Kind of attack, protocol and port; the gravest first".to_owned()
            },
            matters: texts,
        }
    }

    /// Returns what the incident database says of an incident. There is nothing without such a file.
    fn record_text(&self, part: &Part) -> Vec<(&'static str, String)> {
        if self.records.is_none() {
            return Vec::new();
        }
        let Some(KnownRecord { record, .. }) = self.record(part) else {
            return vec![(
                "Incident database",
                "It has no such incident, or closed it days ago.".to_owned(),
            )];
        };
        let zone = &self.options.zone;
        let mut lines = vec![
            ("Incident", record.id.to_string()),
            (
                "Owner",
                if record.owner.is_empty() {
                    "no contact is known".to_owned()
                } else {
                    record.owner.join(", ")
                },
            ),
            (
                "State",
                match record.reason {
                    Some(reason) => format!("{} ({})", record.state.as_str(), reason.as_str()),
                    None if record.ignored => format!("{}, ignored", record.state.as_str()),
                    None => record.state.as_str().to_owned(),
                },
            ),
        ];
        if let Some(claim) = &record.claim {
            lines.push((
                "Claimed",
                format!("{} by {}: {}", zone.text(claim.at), claim.by, claim.why),
            ));
        }
        if let Some(deadline) = record.deadline {
            let shadow = if deadline.shadow { " (shadow mode: nobody was told)" } else { "" };
            lines.push(("Deadline", format!("{}{shadow}", zone.text(deadline.due))));
        }
        lines.push((
            "Block",
            match record.wish {
                Wish::None => "none".to_owned(),
                Wish::UntilResolved => "asked for until the incident is resolved".to_owned(),
                Wish::Until(end) => format!("asked for until {}", zone.text(end)),
            },
        ));
        let at = record
            .next
            .at
            .map_or(String::new(), |at| format!(", {} at the earliest", zone.text(at)));
        lines.push(("Next", format!("{}{at}: {}", record.next.what, record.next.why)));
        // People wrote some of it, and text that hides or turns around would say something else.
        lines.into_iter().map(|(name, text)| (name, Escaped(text).to_string())).collect()
    }

    /// Returns the newest rows of the journals of incidents, the newest first.
    fn journal(&self, incidents: &[Placed<'_>]) -> Vec<JournalText> {
        let zone = &self.options.zone;
        let known = incidents.iter().filter_map(|(_, part)| self.record(part));
        let mut rows: Vec<_> = known.flat_map(|known| &known.record.journal).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        rows.iter()
            .take(MAX_ROWS)
            .map(|row| JournalText {
                time: zone.text(row.data),
                actor: Escaped(&row.actor).to_string(),
                what: row.what.as_str(),
                from: Escaped(zone.value(&row.from)).to_string(),
                to: Escaped(zone.value(&row.to)).to_string(),
                why: Escaped(&row.reason).to_string(),
            })
            .collect()
    }

    fn matter_text(&self, matter: &Matter) -> MatterText {
        let finding = parse(&matter.peak.line);
        let peak = matter.peak.start;
        let condition = matter.peak.condition.as_ref();
        let (rate, peers, all_peers, why, samples) = match &finding {
            Some(finding) => (
                format!("{} a second", finding.rate),
                few_peers(finding),
                peer_list(&finding.peer, finding.more),
                page_words::why(&finding.why, false),
                finding.sample.iter().map(|sample| words::sample(sample, false)).collect(),
            ),
            None => Default::default(),
        };
        let classes: Vec<&str> = matter.classes.iter().map(String::as_str).collect();
        let marks =
            matter.marks.keys().filter_map(|mark| Some((mark.clone(), page_words::mark(mark)?)));
        MatterText {
            kind: matter.key.kind.as_str(),
            what: format!(
                "{}, {}",
                kind_text(matter.key.kind),
                words::port(matter.key.proto, matter.key.port)
            ),
            classes: classes.join(", "),
            first: self.short(matter.first),
            last: self.short(matter.last),
            peak: self.short(peak),
            flows: count(matter.peak.flows),
            rate,
            limit: condition.map_or(String::new(), |condition| {
                format!("{condition}, {} times", times(matter.peak.ratio()))
            }),
            peers,
            all_peers,
            why,
            samples,
            marks: marks.collect(),
        }
    }

    /// Returns the strips of the seven newest days of a host, one a role.
    fn week(&self, parts: &[Placed<'_>], cache: &mut DetailCache) -> String {
        let Some(((newest, _), _)) = parts.first() else { return String::new() };
        let Some((date, _)) = self.history.days.get(*newest) else { return String::new() };
        let zone = &self.options.zone;
        let end = date.tomorrow().map_or(0, |next| zone.midnight(next));
        let begin = date.checked_sub(jiff::Span::new().days(WEEK - 1)).unwrap_or(*date);
        let span = Span { start: zone.midnight(begin), end };
        // The strip ends with the last finding, or the pages of all hosts of the day would change with each window.
        let until = parts.iter().map(|(_, part)| part.last_end).max().unwrap_or(end);
        let mut cells: BTreeMap<Role, Vec<Cell>> = BTreeMap::new();
        for ((day, nth), part) in parts {
            let Some((date, _)) = self.history.days.get(*day) else { continue };
            if zone.midnight(*date) < span.start {
                break;
            }
            if let Some(detail) = cache.of(self.store, *date, *nth) {
                cells.entry(part.role).or_default().extend(&detail.cells);
            }
        }
        let mut ticks = Vec::new();
        let mut day = begin;
        while day <= *date {
            let at = zone.midnight(day);
            ticks.push(Tick::new(span, at, format!("{:02}-{:02}", day.month(), day.day())));
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        let largest = cells.values().flatten().map(|cell| cell.flows).max().unwrap_or(0);
        let axes = StripAxes {
            span,
            scale: Linear::new(largest),
            limit: None,
            unit: Some(Unit::Count("flow")),
            ticks,
        };
        let mut text = String::new();
        for (role, mut cells) in cells {
            cells.sort_by_key(|cell| cell.start);
            let windows = self.strip_windows(&cells, span, until);
            let kind =
                cells.iter().max_by_key(|cell| cell.flows).map_or(Kind::Scan, |cell| cell.kind);
            let label = format!(
                "Flows as {role} in each window with a finding, {}, the most {}",
                of(cells.len() as u64, "window"),
                of(cells.iter().map(|cell| cell.flows).max().unwrap_or(0), "flow")
            );
            text.push_str(&format!(
                "<p class=\"strip-title\">As {role}</p>{}",
                Strip::new(&axes, Tone::from(kind), &windows, &label)
            ));
        }
        format!("{text}{}", axes.axis())
    }

    /// Returns the windows of a strip: those with findings, and 0 for those that were seen whole without one.
    pub(super) fn strip_windows(
        &self,
        cells: &[Cell],
        span: Span,
        until: u64,
    ) -> Vec<ChartWindow<u64>> {
        let mut windows: BTreeMap<(u64, u64), Mark<u64>> = BTreeMap::new();
        let rows = self.history.days.iter().flat_map(|(_, summary)| &summary.windows);
        for row in rows.filter(|row| row.start + DAY >= span.start && row.start < span.end) {
            let end = row.start + u64::from(row.seconds);
            if end <= span.start {
                continue;
            }
            let state = if row.seen == Seen::Whole { Mark::Seen(0) } else { Mark::Unseen };
            windows.insert((row.start, end), state);
        }
        for cell in cells {
            windows
                .insert((cell.start, cell.start + u64::from(cell.seconds)), Mark::Seen(cell.flows));
        }
        windows.retain(|(start, _), _| *start < until);
        if until < span.end {
            windows.insert((until, span.end), Mark::NotYet);
        }
        windows.into_iter().map(|((start, end), state)| ChartWindow { start, end, state }).collect()
    }
}

/// Returns the newest part of the newest incident of each role.
fn newest<'a>(parts: &[Placed<'a>]) -> Vec<Placed<'a>> {
    let mut newest: BTreeMap<Role, Placed<'a>> = BTreeMap::new();
    for placed in parts {
        newest.entry(placed.1.role).or_insert(*placed);
    }
    newest.into_values().collect()
}

const fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Scan => "Scan",
        Kind::Flood => "Flood",
        Kind::Port => "Attack on a port",
    }
}

fn few_peers(finding: &Finding) -> String {
    let number = of(finding.peers, "host");
    let (few, more) = finding.first_peers(FEW_PEERS);
    if few.is_empty() {
        return number;
    }
    format!("{number}: {}", peer_list(&few, more))
}

fn peer_list(peers: &[Peer], more: u64) -> String {
    let mut text: Vec<String> = peers.iter().map(|peer| page_words::peer(peer, false)).collect();
    if more > 0 {
        text.push(format!("{} more", count(more)));
    }
    text.join(", ")
}
