//! The index: what goes on, whether the page can be trusted, and what to type.

use std::collections::BTreeSet;
use std::path::Path;

use askama::Template;

use super::super::chart::{ChartWindow, Linear, Span, State, Strip, StripAxes, Tick, Tone, Unit};
use super::super::course::{Part, Running, Seen, WindowRow};
use super::super::error::Error;
use super::super::frame::{Frame, Place};
use super::notices::{Notice, gaps};
use super::rows::{Row, hosts, state_word, verb};
use super::{Site, html};
use crate::finding::words::{count, of};
use crate::finding::{Role, Side};

const DAY: u64 = 86_400;

/// The most incidents that go on, and that are over, on the index.
const MAX_ON: usize = 300;
const MAX_OVER: usize = 100;

/// The most bytes of all rows, so that a phone can open the page.
const MAX_BYTES: usize = 84_000;

/// The bytes of a row beside its text.
const ROW_BYTES: usize = 250;

/// The most characters of a title.
const MAX_TITLE: usize = 70;

/// The most days in the table.
const MAX_DAYS: usize = 31;

#[derive(Template)]
#[template(path = "index.html")]
struct Index<'a> {
    frame: Frame<'a>,
    title: String,
    heading: String,
    about: String,
    notices: Vec<Notice>,
    first: Option<First>,
    has_records: bool,
    on: Vec<Row>,
    on_caption: String,
    nothing: String,
    over: Vec<Row>,
    over_caption: String,
    hours_text: String,
    hours: String,
    days: Vec<DayRow>,
    earlier: Vec<String>,
}

/// The gravest incident.
struct First {
    row: Row,
    peak: String,
    command: String,
}

/// A day in the table.
struct DayRow {
    date: String,
    incidents: String,
    inside: String,
    findings: String,
    whole: String,
    unseen: String,
}

/// The part of the newest window that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewestSeen {
    /// All detectors judged it and saw all of it, and all of this run's input could be read.
    All,
    /// Less.
    Part,
    /// No exporter sent data.
    Nothing,
}

impl Site<'_> {
    /// Returns the index.
    pub(super) fn index_html(&self) -> Result<String, Error> {
        let carry = &self.history.carry;
        let goes_on = |running: &Running| carry.goes_on(running);
        let is_over =
            |running: &Running| state_word(running.body.state, goes_on(running)) == "over";
        let (over, on): (Vec<_>, Vec<_>) =
            self.live.iter().partition(|(running, _)| is_over(running));
        let yesterday = self.until.unwrap_or(0).saturating_sub(DAY);
        let over: Vec<_> =
            over.into_iter().filter(|(running, _)| running.body.changed >= yesterday).collect();
        let mut bytes = 0;
        let mut rows = |list: &[&(&Running, Part)], most: usize| -> Vec<Row> {
            let rows = list.iter().take(most).map(|(running, part)| {
                self.index_row(part, state_word(running.body.state, goes_on(running)))
            });
            rows.take_while(|row| {
                bytes += ROW_BYTES + row.what.len() + row.port.len() + 2 * row.host.len();
                bytes += row.owner.as_ref().map_or(0, |owner| 18 + owner.len() + row.next.len());
                bytes < MAX_BYTES
            })
            .collect()
        };
        let (on_rows, over_rows) = (rows(&on, MAX_ON), rows(&over, MAX_OVER));
        let now: Vec<&Part> =
            on.iter().filter(|(running, _)| goes_on(running)).map(|(_, part)| part).collect();
        let newest = self.newest_seen();
        let heading = self.heading(&now, newest);
        let first = on.first().map(|(_, part)| First {
            row: self.row(part, "going", ""),
            peak: self.peak_text(part),
            command: self.command(part),
        });
        let last_day = self.last_day();
        let span = self.until.map(|until| (until.saturating_sub(DAY), until));
        let mut notices = self.unread();
        notices.extend(self.unseen_lately());
        notices.extend(self.damaged_days());
        let template = Index {
            frame: self.frame(Some(Place::Index), ""),
            title: short_title(&heading),
            heading,
            about: self.about_text(),
            notices,
            first,
            has_records: self.records.is_some(),
            on_caption: self.caption(
                on_rows.len(),
                on.len(),
                &format!("not over, {} of which in the newest window", count(now.len() as u64)),
            ),
            on: on_rows,
            nothing: nothing(newest).to_owned(),
            over_caption: self.caption(over_rows.len(), over.len(), "over since yesterday"),
            over: over_rows,
            hours_text: hours_text(&last_day),
            hours: self.hours(&last_day, span),
            days: (0..self.history.days.len())
                .rev()
                .take(MAX_DAYS)
                .filter_map(|day| self.day_row(day))
                .collect(),
            earlier: self
                .history
                .days
                .iter()
                .rev()
                .skip(MAX_DAYS)
                .map(|(date, _)| date.to_string())
                .collect(),
        };
        html(&template)
    }

    /// Returns what was not seen in the last 24 hours.
    pub(super) fn unseen_lately(&self) -> Vec<Notice> {
        let span = self.until.map(|until| (until.saturating_sub(DAY), until));
        self.unseen(&self.last_day(), span.map(|span| self.since_begin(span)))
    }

    /// Returns how much was seen of the newest window; the least of windows that end together.
    pub(super) fn newest_seen(&self) -> Option<NewestSeen> {
        let rows = self.history.days.iter().rev().take(2).flat_map(|(_, summary)| &summary.windows);
        let ends = |row: &&WindowRow| Some(row.start + u64::from(row.seconds)) == self.until;
        let rows: Vec<&WindowRow> = rows.filter(ends).collect();
        let is_read = self.options.bad == (0, 0);
        Some(if rows.iter().map(|row| row.seen).min()? == Seen::Nothing {
            NewestSeen::Nothing
        } else if is_read && rows.iter().all(|row| row.is_complete) {
            NewestSeen::All
        } else {
            NewestSeen::Part
        })
    }

    /// Returns the sentence that says it all.
    pub(super) fn heading(&self, now: &[&Part], newest: Option<NewestSeen>) -> String {
        let Some(until) = self.until else { return "No window was judged yet".to_owned() };
        let seen = format!("seen until {}", self.clock(until));
        let number = |side, role| hosts(now.iter().copied(), Some(side), role);
        let (sources, targets) =
            (number(Side::Inside, Role::Source), number(Side::Inside, Role::Target));
        let outside = number(Side::Outside, Role::Source).max(number(Side::Outside, Role::Target));
        match (sources, targets) {
            (1.., 1..) => format!(
                "{}, {} {}; {seen}",
                one_of(sources, Role::Source),
                count(targets as u64),
                verb(Role::Target, targets)
            ),
            (1.., 0) => format!("{}; {seen}", one_of(sources, Role::Source)),
            (0, 1..) => format!("{}; {seen}", one_of(targets, Role::Target)),
            _ if outside > 0 && newest == Some(NewestSeen::All) => {
                format!("None of our hosts stands out, {} outside; {seen}", count(outside as u64))
            }
            _ if outside > 0 => {
                format!("{}, and not all was seen; {seen}", stand_out(outside, " outside"))
            }
            _ if !now.is_empty() => {
                let hosts = now.iter().map(|part| part.host).collect::<BTreeSet<_>>();
                format!("{}; {seen}", stand_out(hosts.len(), ""))
            }
            _ => match newest {
                Some(NewestSeen::All) => format!("No host stands out; {seen}"),
                Some(NewestSeen::Nothing) => format!(
                    "No exporter sends data; nothing is known of the window until {}",
                    self.clock(until)
                ),
                _ => format!("Not all was seen; {seen}"),
            },
        }
    }

    /// Returns a moment with its offset, and with its day unless that is the newest one.
    fn clock(&self, seconds: u64) -> String {
        self.options.zone.text(seconds)
    }

    /// Returns the sentence below the heading.
    fn about_text(&self) -> String {
        let findings: u64 = self.history.days.last().map_or(0, |(_, summary)| {
            summary.parts.iter().map(|part| u64::from(part.findings)).sum()
        });
        let incidents = self.history.days.last().map_or(0, |(_, summary)| summary.parts.len());
        format!(
            "{} with {} on the newest day. All times are {}.",
            of(incidents as u64, "incident"),
            of(findings, "finding"),
            self.zone_text(self.until.unwrap_or(0))
        )
    }

    fn caption(&self, shown: usize, all: usize, what: &str) -> String {
        let text = format!("{} {what}", of(all as u64, "incident"));
        if shown == all {
            format!("{text}; the gravest first")
        } else {
            format!(
                "{text}; the {} gravest are listed here, and all are on the pages of their days",
                count(shown as u64)
            )
        }
    }

    /// Returns the peak of an incident in words.
    pub(super) fn peak_text(&self, part: &Part) -> String {
        let flows = of(part.flows, "flow");
        let since = format!(
            "Since {}, in {} of {}.",
            self.short(part.first),
            count(part.windows),
            of(part.looked, "window")
        );
        if part.ratio > 0.0 {
            format!(
                "At its peak {flows}, {} times the limit. {since}",
                super::rows::times(part.ratio)
            )
        } else {
            format!("At its peak {flows}. {since}")
        }
    }

    /// Returns a command that shows the flows of the last window with a finding.
    pub(super) fn command(&self, part: &Part) -> String {
        let time = |seconds| crate::time::Timestamp::from_secs(seconds).rfc3339();
        let end = if part.role == Role::Source { "src" } else { "dst" };
        let mut filter = format!("{end} host {}", part.host.text(false));
        match (part.proto, part.port) {
            (Some(6), Some(port)) => filter.push_str(&format!(" and tcp dst port {port}")),
            (Some(17), Some(port)) => filter.push_str(&format!(" and udp dst port {port}")),
            (Some(proto), _) => filter.push_str(&format!(" and proto {proto}")),
            (None, Some(_) | None) => {}
        }
        let spool = self.options.spool.as_ref().map_or("SPOOL".to_owned(), |spool| quoted(spool));
        format!(
            "nfdump-txt --since {} --until {} {spool} | nfgrep '{filter}'",
            time(part.last),
            time(part.last_end)
        )
    }

    /// Returns a span without the time before the first window of all.
    fn since_begin(&self, (from, to): (u64, u64)) -> (u64, u64) {
        let first = self.history.days.iter().find_map(|(_, summary)| summary.windows.first());
        (first.map_or(from, |row| row.start.max(from)), to)
    }

    /// Returns the notices about damaged days, and about what was not kept.
    fn damaged_days(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let recent = || self.history.days.iter().rev().take(MAX_DAYS);
        let damaged: Vec<String> =
            recent().filter(|(_, day)| day.was_damaged).map(|(date, _)| date.to_string()).collect();
        if !damaged.is_empty() {
            notices.push(Notice {
                level: "warn",
                head: match damaged.as_slice() {
                    [day] => format!("The file of {day} was damaged."),
                    days => format!("The files of {} were damaged.", days.join(", ")),
                },
                text: "Windows may be missing. Give nfpage these findings again, with --rebuild."
                    .to_owned(),
            });
        }
        let lacking: Vec<String> = recent()
            .filter(|(_, day)| day.lacks_verdicts)
            .map(|(date, _)| date.to_string())
            .collect();
        if !lacking.is_empty() {
            notices.push(Notice {
                level: "warn",
                head: format!("Not all windows of {} are here.", lacking.join(", ")),
                text:
                    "There are too many. Those that are missing look as if nobody had judged them."
                        .to_owned(),
            });
        }
        let dropped = self.history.carry.dropped;
        if dropped > 0 {
            notices.push(Notice {
                level: "warn",
                head: format!("{} followed no longer.", was_incidents(dropped)),
                text: "There are too many that are not over; those about inside hosts and those seen last are kept."
                    .to_owned(),
            });
        }
        let left_out: u64 = self.history.days.last().map_or(0, |(_, day)| day.left_out);
        if left_out > 0 {
            notices.push(Notice {
                level: "warn",
                head: format!("{} of the newest day are not shown.", of(left_out, "finding")),
                text: "There are too many; those about inside hosts and those furthest beyond their limit are kept."
                    .to_owned(),
            });
        }
        notices
    }

    /// Returns the strip of the last 24 hours: the findings of each window.
    fn hours(&self, rows: &[WindowRow], span: Option<(u64, u64)>) -> String {
        let Some((start, end)) = span else { return String::new() };
        let span = Span { start, end };
        let windows: Vec<ChartWindow<u64>> = rows.iter().map(chart_window).collect();
        let largest = rows.iter().map(|row| u64::from(row.findings)).max().unwrap_or(0);
        let axes = StripAxes {
            span,
            scale: Linear::new(largest),
            limit: None,
            unit: Some(Unit::Count("finding")),
            ticks: self.hour_ticks(span),
        };
        let label = format!("Findings in each window: {}", hours_text(rows));
        format!("{}{}", Strip::new(&axes, Tone::Muted, &windows, &label), axes.axis())
    }

    /// Returns a label at each sixth hour of a span in local time.
    pub(super) fn hour_ticks(&self, span: Span) -> Vec<Tick> {
        let zone = &self.options.zone;
        // Some zones are a quarter of an hour off.
        let quarters = (span.start.next_multiple_of(900)..=span.end).step_by(900);
        quarters
            .filter_map(|second| {
                let clock = zone.clock(second);
                let hour: u32 = clock.strip_suffix(":00")?.parse().ok()?;
                (hour % 6 == 0).then(|| Tick::new(span, second, clock))
            })
            .collect()
    }
}

/// Returns a window for a chart of findings.
fn chart_window(row: &WindowRow) -> ChartWindow<u64> {
    let findings = u64::from(row.findings);
    let state = match row.seen {
        Seen::Whole => State::Seen(findings),
        // A finding is true, however little was seen.
        Seen::Nothing | Seen::Part | Seen::Unsaid if findings > 0 => State::Seen(findings),
        Seen::Nothing | Seen::Part | Seen::Unsaid => State::Unseen,
    };
    ChartWindow { start: row.start, end: row.start + u64::from(row.seconds), state }
}

fn hours_text(rows: &[WindowRow]) -> String {
    let findings: u64 = rows.iter().map(|row| u64::from(row.findings)).sum();
    let whole = rows.iter().filter(|row| row.seen == Seen::Whole).count() as u64;
    let with = rows.iter().filter(|row| row.findings > 0).count() as u64;
    format!(
        "{} in {} of {}. Windows seen whole: {}.",
        of(findings, "finding"),
        count(with),
        of(rows.len() as u64, "window"),
        count(whole)
    )
}

fn one_of(number: usize, role: Role) -> String {
    format!("{} of our hosts {}", count(number as u64), verb(role, number))
}

/// Returns a path as a word of a shell's command line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Returns a heading as a title that a browser's tab and a search can hold: without its date and offset if it is
/// long.
fn short_title(heading: &str) -> String {
    if heading.chars().count() <= MAX_TITLE {
        return heading.to_owned();
    }
    let until = heading.split("; ").last().unwrap_or(heading);
    heading.split(", ").next().map_or(until.to_owned(), |first| format!("{first}; {until}"))
}

/// Returns the number of hosts that stand out in words, with the place where they are.
fn stand_out(hosts: usize, place: &str) -> String {
    let verb = if hosts == 1 { "stands" } else { "stand" };
    format!("{}{place} {verb} out", of(hosts as u64, "host"))
}

/// Returns a number of incidents with its verb.
fn was_incidents(number: u64) -> String {
    let text = of(number, "incident");
    if number == 1 { format!("{text} is") } else { format!("{text} are") }
}

/// Returns the sentence for an empty list.
const fn nothing(newest: Option<NewestSeen>) -> &'static str {
    match newest {
        Some(NewestSeen::All) => {
            "Nothing: all of the newest window was seen, and no host stands out."
        }
        Some(NewestSeen::Nothing) => {
            "Nothing is known: no exporter sent data in the newest window."
        }
        Some(NewestSeen::Part) => {
            "Nothing was found, but not all detectors saw all of the newest window."
        }
        None => "Nothing was judged yet.",
    }
}

impl Site<'_> {
    /// Returns the row of a day in the table of days.
    fn day_row(&self, day: usize) -> Option<DayRow> {
        let (date, summary) = self.history.days.get(day)?;
        let parts = &summary.parts;
        let findings: u64 = parts.iter().map(|part| u64::from(part.findings)).sum();
        let inside = parts.iter().filter(|part| part.side == Some(Side::Inside)).count();
        let rows = &summary.windows;
        let whole = rows.iter().filter(|row| row.seen == Seen::Whole).count();
        let number = |seen| rows.iter().filter(|row| row.seen == seen).count() as u64;
        let mut unseen = Vec::new();
        for (count, what) in [(number(Seen::Nothing), "without data"), (number(Seen::Part), "cut")]
        {
            if count > 0 {
                unseen.push(format!("{count} {what}"));
            }
        }
        let missing: u64 = gaps(rows, self.day_span(day)?).iter().map(|(from, to)| to - from).sum();
        if missing > 0 {
            unseen.push(format!("{} not judged", hours_and_minutes(missing)));
        }
        Some(DayRow {
            date: date.to_string(),
            incidents: count(parts.len() as u64),
            inside: count(inside as u64),
            findings: count(findings),
            whole: format!("{} of {}", count(whole as u64), count(rows.len() as u64)),
            unseen: if unseen.is_empty() { "nothing".to_owned() } else { unseen.join(", ") },
        })
    }

    /// Returns the time of a day that should have been judged: from the first window of all, to the newest one.
    pub(super) fn day_span(&self, day: usize) -> Option<(u64, u64)> {
        let (date, summary) = self.history.days.get(day)?;
        let zone = &self.options.zone;
        let begin = zone.midnight(*date);
        let end = date.tomorrow().map_or(begin, |next| zone.midnight(next));
        let begin =
            if day == 0 { summary.windows.first().map_or(begin, |row| row.start) } else { begin };
        let is_newest = day + 1 == self.history.days.len();
        Some((begin, if is_newest { self.until.unwrap_or(end).min(end) } else { end }))
    }
}

/// Returns a length in hours and minutes: `23 h 50 min`.
fn hours_and_minutes(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
