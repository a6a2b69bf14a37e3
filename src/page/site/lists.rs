//! The files for programs: a feed of incidents, the findings as CSV, and lists of hosts for blocking.

use std::collections::BTreeSet;
use std::net::IpAddr;

use askama::Template;
use sha2::{Digest, Sha256};

use super::super::course::Part;
use super::super::error::Error;
use super::super::store::StoredDay;
use super::super::tree::FEED;
use super::rows::side;
use super::{Site, anchor, host_page, html};
use crate::finding::{COLUMNS, Host, Role, Side};
use crate::time::Timestamp;

const DAY: u64 = 86_400;

/// The most entries of the feed, and the days that it looks back.
const MAX_ENTRIES: usize = 200;
const FEED_DAYS: usize = 8;

/// The most addresses of a list for blocking.
const MAX_LISTED: usize = 1_000;

#[derive(Template)]
#[template(path = "feed.atom", escape = "html")]
struct Feed<'a> {
    title: &'a str,
    id: String,
    updated: String,
    entries: Vec<Entry>,
}

/// An entry of the feed.
struct Entry {
    id: String,
    title: String,
    updated: String,
    href: Option<String>,
    summary: String,
}

impl Site<'_> {
    /// Returns the files, by name.
    pub(super) fn lists(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let (v4, v6) = self.block_lists();
        Ok(vec![
            (FEED, self.feed()?),
            ("findings.csv", self.findings_csv()?),
            ("blocklist4.txt", v4),
            ("blocklist6.txt", v6),
        ])
    }

    /// Returns the feed: an entry when an incident begins, and one when it is over.
    fn feed(&self) -> Result<String, Error> {
        let mut seen = BTreeSet::new();
        let mut entries: Vec<(u64, Entry)> = Vec::new();
        let days = self.history.days.iter().rev().take(FEED_DAYS);
        for part in days.flat_map(|(_, summary)| &summary.parts) {
            // The newest part of an incident comes first.
            if !seen.insert((part.host, part.role, part.first)) {
                continue;
            }
            entries.push((part.first, self.entry(part, "begun", part.first)));
            if self
                .running(part)
                .is_none_or(|running| running.body.state == crate::incident::State::Quiet)
            {
                entries.push((part.last_end, self.entry(part, "over", part.last_end)));
            }
        }
        entries.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
        entries.truncate(MAX_ENTRIES);
        let newest = entries.first().map(|(at, _)| *at).or(self.until).unwrap_or(0);
        html(&Feed {
            title: &self.options.title,
            id: uuid(&self.store.id()?, "feed"),
            updated: rfc3339(newest),
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    fn entry(&self, part: &Part, event: &str, at: u64) -> Entry {
        let host = part.host.text(false);
        let what = format!("{}, {}", part.what, part.ports);
        let id = self.store.id().unwrap_or_default();
        Entry {
            id: uuid(&id, &format!("{host} {} {} {event}", part.role, part.first)),
            title: match event {
                "begun" => format!("{host} ({}): {what}", side(part.side)),
                _ => format!("Over: {host} ({}): {what}", side(part.side)),
            },
            updated: rfc3339(at),
            href: self
                .paged
                .contains(&part.host)
                .then(|| format!("{}#{}", host_page(part.host), anchor(part))),
            summary: self.peak_text(part),
        }
    }

    /// Returns the findings of the newest day as CSV (RFC 4180), with the columns of finding lines.
    fn findings_csv(&self) -> Result<String, Error> {
        let mut writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        // A writer into memory takes everything.
        _ = writer.write_record(COLUMNS);
        if let Some((date, _)) = self.history.days.last() {
            if let StoredDay::Whole(day) = self.store.day(*date)? {
                for finding in day.findings() {
                    let line = crate::finding::line(finding);
                    _ = writer.write_record(line.split('\t').map(cell));
                }
            }
        }
        let bytes = writer.into_inner().unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the lists of outside hosts that scan or attack a port and that spoke for themselves in the last 24
    /// hours, IPv4 and IPv6.
    fn block_lists(&self) -> (String, String) {
        let until = self.until.unwrap_or(0);
        let since = until.saturating_sub(DAY);
        let mut found: BTreeSet<(std::cmp::Reverse<u64>, IpAddr)> = BTreeSet::new();
        let mut has_spoke = false;
        for (_, summary) in self.history.days.iter().rev().take(3) {
            for part in &summary.parts {
                let Host::Address(address) = part.host else { continue };
                let is_fit = part.role == Role::Source
                    && part.side == Some(Side::Outside)
                    && part.last_end > since
                    && !self.options.never.contains(address);
                if let Some(at) = part.spoke.filter(|_| is_fit) {
                    has_spoke = true;
                    if at >= since {
                        found.insert((std::cmp::Reverse(part.last_end), address));
                    }
                }
            }
        }
        let head = |count: usize| {
            let mut text = String::from(
                "# Outside hosts that scanned or attacked a port here in the last 24 hours.\n\
                 # Advisory: sources of scans can be forged. Look before you block.\n",
            );
            text.push_str(&format!(
                "# Until {}. At most {MAX_LISTED}; {count} listed.\n",
                rfc3339(until)
            ));
            if !has_spoke {
                text.push_str(
                    "# Only hosts that opened a conversation themselves are listed (mark `spoke`), and no finding \
                     has that mark.\n",
                );
            }
            text
        };
        let list = |is_fit: fn(&IpAddr) -> bool| {
            let some = found.iter().map(|(_, address)| *address).filter(is_fit);
            let mut some: Vec<IpAddr> = some.take(MAX_LISTED).collect();
            some.sort();
            let lines: String = some.iter().map(|address| format!("{address}\n")).collect();
            format!("{}{lines}", head(some.len()))
        };
        (list(IpAddr::is_ipv4), list(IpAddr::is_ipv6))
    }
}

/// Returns a cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    if text != "-" && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn rfc3339(seconds: u64) -> String {
    Timestamp::from_secs(seconds).rfc3339()
}

/// Returns a URN that is always the same for a name of this site (RFC 9562, version 8).
fn uuid(site: &str, name: &str) -> String {
    let sum = Sha256::digest(format!("{site} {name}"));
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sum.iter()).for_each(|(to, from)| *to = *from);
    let [.., a, _, b, _, _, _, _, _, _, _] = &mut bytes;
    *a = (*a & 0x0f) | 0x80;
    *b = (*b & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
