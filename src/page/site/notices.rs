//! The notices about times that were not seen, for the top of a page.

use super::super::course::{Kinds, Seen, WindowRow};
use super::Site;
use crate::finding::Kind;
use crate::finding::words::{self, count, of};

const DAY: u64 = 86_400;

/// The most periods that are named in one place.
const MAX_SPANS: usize = 6;

/// A sentence at the top of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// `alarm`, `warn` or `info`.
    pub level: &'static str,
    /// The fact.
    pub head: String,
    /// The meaning of the fact.
    pub text: String,
}

/// A period in Unix seconds.
type Period = (u64, u64);

impl Site<'_> {
    /// Returns the windows of the last 24 hours.
    pub(super) fn last_day(&self) -> Vec<WindowRow> {
        let from = self.until.unwrap_or(0).saturating_sub(DAY);
        let days = self.history.days.iter().rev().take(3).rev();
        days.flat_map(|(_, summary)| &summary.windows)
            .filter(|row| row.start >= from)
            .copied()
            .collect()
    }

    /// Returns what was not seen in some windows. `span`: the time that they should cover.
    pub(super) fn unseen(&self, rows: &[WindowRow], span: Option<Period>) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut add = |level, head: String, text: &str| {
            notices.push(Notice { level, head, text: text.to_owned() });
        };
        let of_state = |seen| rows.iter().filter(move |row| row.seen == seen);
        let nothing: Vec<Period> = of_state(Seen::Nothing).map(period).collect();
        if !nothing.is_empty() {
            add(
                "alarm",
                format!("No exporter sent data in {}: {}.", number(&nothing), self.spans(&nothing)),
                "Nothing is known of that time. Does the router still send, and to the right address?",
            );
        }
        let gaps = span.map_or_else(Vec::new, |span| gaps(rows, span));
        if !gaps.is_empty() {
            add(
                "warn",
                format!("No window was judged from {}.", self.spans(&gaps)),
                "Nothing is known of that time.",
            );
        }
        let cut: Vec<Period> = of_state(Seen::Part).map(period).collect();
        if !cut.is_empty() {
            add(
                "warn",
                format!("{} seen only in part: {}.", was(cut.len()), self.spans(&cut)),
                "More may have happened than is listed.",
            );
        }
        let unsaid: Vec<Period> = of_state(Seen::Unsaid).map(period).collect();
        if !unsaid.is_empty() {
            add(
                "warn",
                format!(
                    "It is not known how much of {} was seen: {}.",
                    number(&unsaid),
                    self.spans(&unsaid)
                ),
                "The closing marks are missing: more may have happened than is listed.",
            );
        }
        let missing = |kind: Kind| rows.iter().filter(|row| !row.judged.has(kind)).count() as u64;
        for kind in Kinds::ALL.iter().filter(|kind| missing(*kind) > 0) {
            add(
                "warn",
                format!("{} did not judge {}.", kind.detector(), of(missing(kind), "window")),
                "Nothing is known of what only this detector finds.",
            );
        }
        type IsFlagged = fn(&WindowRow) -> bool;
        let flags: [(IsFlagged, &str, &str); 3] = [
            (
                |row| row.has_silent,
                "An exporter was silent",
                "It sent data before. Nothing is known of traffic that only it sees.",
            ),
            (
                |row| row.is_lossy,
                "Records were lost",
                "Counts of these windows are too low, and attacks may have been missed.",
            ),
            (
                |row| row.is_open,
                "Exports were accepted from anyone",
                "Anyone who can reach the collector can forge what is shown here.",
            ),
        ];
        for (is, head, text) in flags {
            let flagged = rows.iter().filter(|row| is(row)).count() as u64;
            if flagged > 0 {
                add("warn", format!("{head} in {}.", of(flagged, "window")), text);
            }
        }
        notices
    }

    /// Returns periods in words, adjacent ones as one.
    pub(super) fn spans(&self, periods: &[Period]) -> String {
        let mut joined: Vec<Period> = Vec::new();
        for &(start, end) in periods {
            match joined.last_mut() {
                Some(last) if last.1 >= start => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        // The newest ones matter most.
        let skipped = joined.len().saturating_sub(MAX_SPANS);
        let named = joined.iter().skip(skipped).map(|&(start, end)| {
            let (from, to) = (self.short(start), self.short(end));
            match to.split_once(' ') {
                Some((day, clock)) if from.starts_with(day) => format!("{from} to {clock}"),
                _ => format!("{from} to {to}"),
            }
        });
        let mut text = named.collect::<Vec<_>>().join("; ");
        if skipped > 0 {
            text = format!("{text}, and {}", words::of(skipped as u64, "earlier period"));
        }
        text
    }

    /// Returns what this run could not read.
    pub(super) fn unread(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let (lines, inputs) = self.options.bad;
        let inputs = inputs + self.options.bad_sources;
        if lines + inputs > 0 {
            let parts = [(inputs, "file"), (lines, "line")];
            let parts =
                parts.iter().filter(|(number, _)| *number > 0).map(|(n, noun)| of(*n, noun));
            notices.push(Notice {
                level: "warn",
                head: "The site is incomplete.".to_owned(),
                text: format!(
                    "{} of the newest input could not be read.",
                    parts.collect::<Vec<_>>().join(" and ")
                ),
            });
        }
        if self.options.unknown > 0 {
            notices.push(Notice {
                level: "warn",
                head: format!("{} without a time.", of(self.options.unknown, "finding")),
                text: "They belong to no day, and no page shows them.".to_owned(),
            });
        }
        notices
    }
}

fn period(row: &WindowRow) -> Period {
    (row.start, row.start + u64::from(row.seconds))
}

fn number(periods: &[Period]) -> String {
    of(periods.len() as u64, "window")
}

fn was(number: usize) -> String {
    if number == 1 {
        "1 window was".to_owned()
    } else {
        format!("{} windows were", count(number as u64))
    }
}

/// Returns the times in a span that no window covers.
pub(super) fn gaps(rows: &[WindowRow], (from, to): Period) -> Vec<Period> {
    let mut gaps = Vec::new();
    let mut at = from;
    for row in rows {
        let (start, end) = period(row);
        if start > at {
            gaps.push((at, start.min(to)));
        }
        at = at.max(end);
        if at >= to {
            break;
        }
    }
    if at < to {
        gaps.push((at, to));
    }
    gaps.retain(|(start, end)| start < end);
    gaps
}
