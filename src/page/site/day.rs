//! The page of a day: all its incidents, its figures, and the windows that were looked at. The page of a day that
//! is over does not change, unless a late window comes.

use askama::Template;
use jiff::civil::Date;

use super::super::course::{Part, Seen};
use super::super::error::Error;
use super::super::frame::Frame;
use super::super::store::Summary;
use super::notices::Notice;
use super::rows::Row;
use super::{DetailCache, Site, host_page, html};
use crate::finding::words::{count, of};

/// The most incidents of one page.
const MAX_ROWS: usize = 500;

/// The most bytes of the rows of a page, so that a phone can open it.
const MAX_BYTES: usize = 104_000;

/// The bytes of a row beside its text.
const ROW_BYTES: usize = 180;

/// A page of a day. A day with many incidents has several.
#[derive(Clone, Debug)]
pub(super) struct DayPage {
    /// `day/2001-08-04.html`, `day/2001-08-04-2.html`.
    pub name: String,
    /// The number of the day in the history.
    day: usize,
    date: Date,
    /// The number of the page within the day, from 0, and of its first incident, and of the next page's.
    nth: usize,
    from: usize,
    to: usize,
    /// The number of pages of the day.
    pages: usize,
}

#[derive(Template)]
#[template(path = "day.html")]
struct Day<'a> {
    frame: Frame<'a>,
    title: String,
    heading: String,
    about: String,
    before: Option<String>,
    after: Option<String>,
    notices: Vec<Notice>,
    figures: String,
    nothing: &'static str,
    caption: String,
    list: Vec<Row>,
    pages: Vec<PageLink>,
    windows_text: String,
}

struct PageLink {
    href: String,
    text: String,
    is_here: bool,
}

impl Site<'_> {
    /// Returns the pages of all days.
    pub(super) fn day_pages(&self) -> Vec<DayPage> {
        let mut all = Vec::new();
        for (day, (date, summary)) in self.history.days.iter().enumerate() {
            let cuts = cuts(&summary.parts);
            let pages = cuts.len();
            for (nth, (from, to)) in cuts.into_iter().enumerate() {
                let name = page_name(*date, nth);
                all.push(DayPage {
                    name: format!("day/{name}"),
                    day,
                    date: *date,
                    nth,
                    from,
                    to,
                    pages,
                });
            }
        }
        all
    }

    fn parts_of(&self, page: &DayPage) -> &[Part] {
        let day = self.history.days.get(page.day);
        day.and_then(|(_, day)| day.parts.get(page.from..page.to)).unwrap_or_default()
    }

    /// Returns the days before and after a day.
    fn around(&self, day: usize) -> (Option<String>, Option<String>) {
        let date = |at: usize| self.history.days.get(at).map(|(date, _)| date.to_string());
        (day.checked_sub(1).and_then(date), date(day + 1))
    }

    /// Returns the key of a day's page.
    pub(super) fn day_key(&self, page: &DayPage) -> u64 {
        let parts = self.parts_of(page);
        let linked: Vec<bool> = parts.iter().map(|part| self.paged.contains(&part.host)).collect();
        let summary = self.history.days.get(page.day).map(|(_, summary)| summary);
        // A window may reach over midnight.
        let before = page.day.checked_sub(1).and_then(|day| self.window_sums.get(day)?.last());
        self.key(&(summary, page.nth, page.pages, linked, self.around(page.day), before))
    }

    /// Returns a page of a day.
    pub(super) fn day_html(
        &self,
        page: &DayPage,
        cache: &mut DetailCache,
    ) -> Result<String, Error> {
        let Some((date, summary)) = self.history.days.get(page.day) else {
            return Ok(String::new());
        };
        let parts = self.parts_of(page);
        let findings: u64 = summary.parts.iter().map(|part| u64::from(part.findings)).sum();
        let (before, after) = self.around(page.day);
        let rows = &summary.windows;
        let is_complete = !rows.is_empty() && rows.iter().all(|row| row.is_complete);
        let heading =
            if page.nth == 0 { date.to_string() } else { format!("{date}, page {}", page.nth + 1) };
        let span = self.day_span(page.day);
        let mut notices = self.unseen(&summary.windows, span);
        notices.extend(day_notices(summary));
        html(&Day {
            frame: self.frame(None, "../"),
            title: format!("{heading}: incidents"),
            heading,
            about: format!(
                "{} ({} inside) with {}. Times are {}.",
                of(summary.parts.len() as u64, "incident"),
                count(inside(summary)),
                of(findings, "finding"),
                self.zone_text(span.map_or(0, |(_, end)| end))
            ),
            before,
            after,
            notices,
            figures: if page.nth == 0 { self.day_figures(page.day, cache) } else { String::new() },
            nothing: if is_complete {
                "No host stood out, and all windows of this page were seen whole by all detectors."
            } else {
                "Nothing was found, but not all was seen."
            },
            caption: if page.pages == 1 {
                format!("{}, the gravest first", of(parts.len() as u64, "incident"))
            } else {
                format!(
                    "Incidents {} to {} of {}, the gravest first",
                    count(page.from as u64 + 1),
                    count(page.to as u64),
                    count(summary.parts.len() as u64)
                )
            },
            list: parts.iter().map(|part| self.row(part, "", "../")).collect(),
            pages: (0..page.pages)
                .map(|nth| PageLink {
                    href: page_name(page.date, nth),
                    text: format!("page {}", nth + 1),
                    is_here: nth == page.nth,
                })
                .collect(),
            windows_text: windows_text(summary),
        })
    }

    /// Returns the link from a host's page to a day that is kept.
    pub(super) fn day_link(&self, day: usize) -> Option<(String, String)> {
        let (date, _) = self.history.days.get(day)?;
        Some((format!("../day/{date}.html"), date.to_string()))
    }
}

fn page_name(date: Date, nth: usize) -> String {
    if nth == 0 { format!("{date}.html") } else { format!("{date}-{}.html", nth + 1) }
}

/// Returns the numbers of the first and the last incident of each page; one page if there is none.
fn cuts(parts: &[Part]) -> Vec<(usize, usize)> {
    let mut cuts = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for (at, part) in parts.iter().enumerate() {
        let row = ROW_BYTES + part.what.len() + part.ports.len() + 2 * host_page(part.host).len();
        if at > from && (at - from >= MAX_ROWS || bytes + row > MAX_BYTES) {
            cuts.push((from, at));
            (from, bytes) = (at, 0);
        }
        bytes += row;
    }
    cuts.push((from, parts.len()));
    cuts
}

fn inside(summary: &Summary) -> u64 {
    let inside = |part: &&Part| part.side == Some(crate::finding::Side::Inside);
    summary.parts.iter().filter(inside).count() as u64
}

fn day_notices(summary: &Summary) -> Vec<Notice> {
    let mut notices = Vec::new();
    if summary.was_damaged {
        notices.push(Notice {
            level: "warn",
            head: "The file of this day was damaged.".to_owned(),
            text: "Windows may be missing. Give nfpage these findings again, with --rebuild."
                .to_owned(),
        });
    }
    if summary.left_out > 0 {
        notices.push(Notice {
            level: "warn",
            head: format!("{} are not shown.", of(summary.left_out, "finding")),
            text: "There are too many; those about inside hosts and those furthest beyond their limit are kept."
                .to_owned(),
        });
    }
    notices
}

fn windows_text(summary: &Summary) -> String {
    let rows = &summary.windows;
    let number = |seen| count(rows.iter().filter(|row| row.seen == seen).count() as u64);
    format!(
        "{}: {} seen whole, {} in part, {} without data, {} of which it is not known how much was seen.",
        of(rows.len() as u64, "window"),
        number(Seen::Whole),
        number(Seen::Part),
        number(Seen::Nothing),
        number(Seen::Unsaid)
    )
}
