//! The head of the page: what was found, what was not seen, and what is not shown.

use std::collections::BTreeSet;

use super::coverage::Coverage;
use super::data::WindowVerdict;
use super::show::Show;
use super::view::{MAX_ROWS, View};
use crate::finding::Side;
use crate::page::day::{self, DayVerdict};
use crate::page::words::{self, count, of};
use crate::time::{Latest, Window};

/// A message at the head of the page.
pub(super) struct Notice {
    /// `alarm`, `warn`, `good` or `info`.
    pub level: &'static str,
    pub head: String,
    pub text: String,
}

impl View {
    /// Returns all notices, the most important first.
    pub(super) fn notices(&self, show: &Show) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.unseen(&mut notices);
        notices.push(self.found(show));
        self.doubts(show, &mut notices);
        self.unshown(show, &mut notices);
        notices
    }

    /// Adds the windows of which a part or all was not seen.
    fn unseen(&self, notices: &mut Vec<Notice>) {
        let (silent, when) = self.windows.of(Coverage::NoData);
        if silent > 0 {
            notices.push(Notice {
                level: "alarm",
                head: format!(
                    "No exporter spoke in {}: {}.",
                    of(silent, "window"),
                    when.join("; ")
                ),
                text: "Nothing is known of that time. Is the router still sending, and to the right address?"
                    .to_owned(),
            });
        }
        let (cut, when) = self.windows.of(Coverage::Cut);
        if cut > 0 {
            notices.push(Notice {
                level: "warn",
                head: format!("{} cut short: {}.", was(cut, "window"), when.join("; ")),
                text: "Part of that time was not seen; what is not listed may still have happened."
                    .to_owned(),
            });
        }
    }

    /// Returns what was found, and, if nothing was, whether that means that all is well.
    fn found(&self, show: &Show) -> Notice {
        let (whole, when) = self.windows.of(Coverage::Clean);
        let about = show.side.map_or(String::new(), |side| format!(" about hosts {side}"));
        let rest = match self.others {
            0 => String::new(),
            others => format!(" {}", unshown(others, "about other hosts")),
        };
        let notice = |level, head: String, text: String| Notice { level, head, text };
        if self.number() > 0 {
            let head = format!(
                "{} with {} about {}.",
                of(self.number(), "incident"),
                of(self.counts.findings, "finding"),
                self.hosts()
            );
            return notice("info", head, format!("{}{rest}", self.going_on_text()));
        }
        if self.windows.judged() == 0 && self.others == 0 {
            return notice(
                "alarm",
                "Nothing was judged.".to_owned(),
                "The input holds no window that a detector looked at, and no finding. That does not \
                 mean that all is well: see that the collector and the detectors run."
                    .to_owned(),
            );
        }
        if whole == 0 {
            return notice(
                "warn",
                format!("No findings{about}, but no window was seen whole and found clean."),
                format!("See below what was looked at.{rest}"),
            );
        }
        if !self.is_understood {
            return notice(
                "warn",
                format!("No findings{about} in what could be read of the input."),
                format!("The unread rest may hold findings.{rest}"),
            );
        }
        notice(
            "good",
            format!("No findings{about}."),
            format!(
                "{} seen whole and found clean{}: {}.{rest}",
                was(whole, "window"),
                self.cleaners(),
                when.join("; ")
            ),
        )
    }

    /// Returns the number of hosts on each side.
    fn hosts(&self) -> String {
        let parts = [Some(Side::Inside), Some(Side::Outside), None].map(|side| {
            let hosts = self.counts.hosts.iter().filter(|(place, _)| *place == side);
            (hosts.count() as u64, side)
        });
        let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(number, side)| {
            let place = side.map_or(String::new(), |side| format!(" {side}"));
            format!("{}{place}", of(*number, "host"))
        });
        parts.collect::<Vec<_>>().join(" and ")
    }

    /// Returns the number of incidents that go on. If there is none, the newest window may not have been seen.
    fn going_on_text(&self) -> String {
        let Some(Latest { newest, .. }) = self.latest.filter(|_| !self.incidents.is_empty()) else {
            return String::new();
        };
        let window = span(newest);
        match self.going_on() {
            0 if self.is_newest_whole() => {
                format!("None of them has a finding in the newest window, {window}.")
            }
            0 => format!("The newest window, {window}, was not seen whole: they may go on."),
            1 => format!("1 goes on in the newest window, {window}."),
            more => format!("{} go on in the newest window, {window}.", count(more as u64)),
        }
    }

    /// Returns true if all of the newest window was seen.
    pub(super) fn is_newest_whole(&self) -> bool {
        let newest = self.latest.map(|latest| latest.newest);
        matches!(self.windows.coverage(newest), Coverage::Found | Coverage::Clean)
    }

    /// Returns the tools that found the clean windows clean, if they are the same for all windows. Otherwise the
    /// table of windows says it.
    fn cleaners(&self) -> String {
        let groups = self.windows.groups();
        let mut clean = groups.iter().filter(|group| group.coverage == Coverage::Clean);
        match (clean.next(), clean.next()) {
            (Some(group), None) => format!(" by {}", names(&group.tools)),
            _ => String::new(),
        }
    }

    /// Adds the reasons for which the page may be wrong or incomplete.
    fn doubts(&self, show: &Show, notices: &mut Vec<Notice>) {
        let mut warn = |head: String, text: String| {
            notices.push(Notice { level: "warn", head, text });
        };
        if let Some(Latest { newest, before: Some(before) }) = self.latest {
            warn(
                format!(
                    "More than 24 hours lie between the windows {} and {}.",
                    span(before),
                    span(newest)
                ),
                match show.last {
                    0 => {
                        "Either a clock was wrong, or nothing was collected in between.".to_owned()
                    }
                    last => format!(
                        "Either a clock was wrong, or nothing was collected in between. This page shows \
                         both, and what is older up to {} before the end of the earlier one.",
                        words::length(last)
                    ),
                },
            );
        }
        if let Some(aside) = self.timeline.aside() {
            warn(
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
        let number = |is: fn(&DayVerdict) -> bool| {
            let flagged = self.verdicts.iter().filter(|WindowVerdict { verdict, .. }| is(verdict));
            flagged.map(|verdict| verdict.window).collect::<BTreeSet<_>>().len() as u64
        };
        let opened = number(|verdict| verdict.is_open == Some(true));
        if opened > 0 {
            warn(
                format!("Exports were taken from anyone in {}.", of(opened, "window")),
                "Anyone who can reach the collector can forge the findings on this page."
                    .to_owned(),
            );
        }
        let lossy = number(|verdict| verdict.is_lossy);
        if lossy > 0 {
            warn(
                format!("Records were lost in {}.", of(lossy, "window")),
                "Counts of these windows are too low, and something may not have been found."
                    .to_owned(),
            );
        }
        let silent = number(|verdict| verdict.has_silent);
        if silent > 0 {
            warn(
                format!("An exporter was silent in {}.", of(silent, "window")),
                "It sent data before. Nothing is known of traffic that only it sees.".to_owned(),
            );
        }
        if self.bad_inputs > 0 || self.bad_lines > 0 {
            let parts = [(self.bad_inputs, "file"), (self.bad_lines, "line")];
            let parts =
                parts.iter().filter(|(number, _)| *number > 0).map(|(n, noun)| of(*n, noun));
            warn(
                "This page is incomplete.".to_owned(),
                format!(
                    "{} of the input could not be read.",
                    parts.collect::<Vec<_>>().join(" and ")
                ),
            );
        }
    }

    /// Adds what is known and not shown.
    fn unshown(&self, show: &Show, notices: &mut Vec<Notice>) {
        let mut notice = |level, head: String, text: String| {
            notices.push(Notice { level, head, text });
        };
        if self.overflow {
            notice(
                "warn",
                "There are more findings or windows than are counted here.".to_owned(),
                "Those of the oldest days are left out.".to_owned(),
            );
        }
        if self.lacks_findings {
            notice(
                "warn",
                "There are more findings than are counted here.".to_owned(),
                format!(
                    "Of a day, {} are counted: those about hosts inside first, and then those furthest beyond \
                     their limit.",
                    count(day::MAX_FINDINGS as u64)
                ),
            );
        }
        let more = self.number().saturating_sub(MAX_ROWS as u64);
        if more > 0 {
            notice(
                "warn",
                format!("{} counted but not listed.", was(more, "more incident")),
                format!("The table ends after the gravest {}.", count(MAX_ROWS as u64)),
            );
        }
        if self.older > 0 {
            notice(
                "info",
                unshown(self.older, "of older windows"),
                format!(
                    "This page is about the last {} of the input. Of an incident that goes back further, all \
                     windows count.",
                    words::length(show.last)
                ),
            );
        }
    }
}

/// Returns the names of tools with commas between them.
pub(super) fn names(tools: &[String]) -> String {
    let name = |tool: &String| {
        if tool.is_empty() { "a tool without a name".to_owned() } else { tool.clone() }
    };
    tools.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Returns the time of a window in words.
fn span(window: Window) -> String {
    words::span(window.start(), window.end())
}

/// Returns a count with its noun and verb: `1 window was`, `2 windows were`.
fn was(number: u64, noun: &str) -> String {
    format!("{} {}", of(number, noun), if number == 1 { "was" } else { "were" })
}

/// Returns a sentence such as `1 finding about other hosts is not shown.`
fn unshown(number: u64, which: &str) -> String {
    format!(
        "{} {which} {} not shown.",
        of(number, "finding"),
        if number == 1 { "is" } else { "are" }
    )
}
