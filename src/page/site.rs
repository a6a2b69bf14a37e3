//! The pages of the site: an index, a page a day and a page a host, and what monitors and feed readers take.
//!
//! Each page is made of values that have a checksum, its key. A page whose key the manifest has already is not made
//! again, so a run costs what has changed.

mod about;
mod day;
mod figures;
mod finder;
mod host;
mod index;
mod lists;
mod notices;
mod rows;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;

use askama::Template;
use jiff::civil::Date;
use serde::Serialize;

use super::assets::Assets;
use super::course::{Carry, Detail, Part, Running, WindowRow, digest};
use super::error::Error;
use super::frame::{Frame, Newest, Place};
use super::history::{History, TrafficDays};
use super::records::Records;
use super::store::Store;
use super::tree::{FEED, Tree};
use crate::finding::{Host, Role};
use crate::flow::Networks;
use crate::report::LocalTime;

/// The most hosts with a page of their own. Forged sources must not fill a disk.
pub const MAX_HOSTS: usize = 5_000;

/// The most hosts that have a page because they were asked for.
const MAX_ASKED: usize = 100;

/// The pages that every page links to.
const PLACES: [Place; 5] = Place::ALL;

/// The number that changes with the look of any page, so that all are made again.
const LOOK: u32 = 1;

/// The wishes of the site's owner, and faults of the run that pages tell.
#[derive(Clone, Debug)]
pub struct Options {
    /// The heading of the site.
    pub title: String,
    /// The times of all pages.
    pub zone: LocalTime,
    /// Lines and inputs of this run that could not be read.
    pub bad: (u64, u64),
    /// Files beside the findings that could not be read: of incidents, traffic and hosts.
    pub bad_sources: u64,
    /// Findings of this run without a window.
    pub unknown: u64,
    /// The directory of the capture files, for commands to copy, if it is known.
    pub spool: Option<PathBuf>,
    /// Networks and addresses of our hosts that have a page with their traffic, whatever they do.
    pub hosts: Networks,
    /// The site's own networks, as far as they are known, and those that are never blocked: no list for blocking
    /// has an address of them.
    pub never: Networks,
}

/// Number of files that were written and removed, and names that are somebody else's.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Files that were written.
    pub written: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Files of the directory that nfpage did not write and that stand where a page should be.
    pub foreign: Vec<String>,
    /// The number of lines of the incident database's file that could not be read, with the first fault.
    pub bad_records: Option<String>,
}

/// All that pages are made of.
pub(super) struct Site<'a> {
    options: &'a Options,
    history: &'a History,
    store: &'a Store,
    assets: &'a Assets,
    traffic: &'a TrafficDays,
    /// The records of the incident database; `None` without its file.
    records: Option<Records>,
    /// The incidents that are not over, the gravest first: first those that go on in the newest window, then those that
    /// were seen before it.
    live: Vec<(&'a Running, Part)>,
    /// The incidents that are not over, by host, role and first window.
    running: BTreeMap<(Host, Role, u64), &'a Running>,
    /// For each day, checksums of its windows up to each of them: a strip that ends there is drawn again if they
    /// change.
    window_sums: Vec<Vec<u64>>,
    /// The hosts, and where their incidents are: number of the day and number in the day.
    hosts: BTreeMap<Host, Vec<(usize, usize)>>,
    /// The hosts that have a page.
    paged: BTreeSet<Host>,
    /// End of the newest window, in Unix seconds.
    until: Option<u64>,
}

/// Details of days, each read once.
#[derive(Default)]
pub(super) struct DetailCache {
    days: BTreeMap<Date, Vec<Detail>>,
}

impl DetailCache {
    /// Returns the details of one incident of a day.
    fn of(&mut self, store: &Store, date: Date, nth: usize) -> Option<&Detail> {
        // The details of some days fit into memory, those of a year need not.
        if self.days.len() > 8 && !self.days.contains_key(&date) {
            self.days.pop_first();
        }
        self.days.entry(date).or_insert_with(|| History::details(store, date)).get(nth)
    }
}

/// Writes the pages that have changed. `traffic`: that of the days that are kept, the oldest first. `incidents`: the
/// file of the incident database, if there is one.
///
/// # Errors
/// The system's error. Pages that were written stay.
pub fn write(
    history: &History,
    options: &Options,
    traffic: &TrafficDays,
    incidents: Option<impl Read>,
    store: &Store,
    mut tree: Tree<'_>,
) -> Result<Written, Error> {
    let assets = Assets::new();
    let mut site = Site::new(history, options, traffic, store, &assets);
    site.records = incidents.map(|from| Records::read(from, |host| site.paged.contains(&host)));
    let mut keep = BTreeSet::new();
    for (name, bytes) in assets.files() {
        tree.put(name, 0, bytes.as_bytes())?;
        keep.insert(name.to_owned());
    }
    let days = site.day_pages();
    let fixed = PLACES.map(|place| place.file().to_owned());
    let hosts = site.by_day();
    let names: Vec<String> = hosts.iter().map(|host| host_page(*host)).collect();
    tree.plan(days.iter().map(|page| page.name.as_str()).chain(names.iter().map(String::as_str)))?;
    // Pages link to each other in circles. Those that are not there yet are there before the first link is.
    for name in fixed.iter().chain(days.iter().map(|page| &page.name)) {
        tree.stub(name)?;
    }
    // The pages of days that are dropped link to anchors of hosts' pages that change now.
    let kept: BTreeSet<&str> = days.iter().map(|page| page.name.as_str()).collect();
    tree.retire(|name| name.starts_with("day/") && !kept.contains(name))?;
    let mut cache = DetailCache::default();
    for (host, name) in hosts.iter().zip(names) {
        let key = site.host_key(*host);
        if !tree.is_current(&name, key) {
            tree.put(&name, key, site.host_html(*host, &mut cache)?.as_bytes())?;
        }
        keep.insert(name);
    }
    for page in &days {
        let key = site.day_key(page);
        if !tree.is_current(&page.name, key) {
            tree.put(&page.name, key, site.day_html(page, &mut cache)?.as_bytes())?;
        }
        keep.insert(page.name.clone());
    }
    for (name, html) in site.finder_html()? {
        tree.put(&name, 0, html.as_bytes())?;
        keep.insert(name);
    }
    // The figures, the page about the site and the index link to these files.
    for (name, text) in site.status().into_iter().chain(site.lists()?) {
        tree.put(name, 0, text.as_bytes())?;
        keep.insert(name.to_owned());
    }
    tree.put("figures.html", 0, site.figures_html(&mut cache)?.as_bytes())?;
    tree.put("traffic.html", 0, site.traffic_html()?.as_bytes())?;
    tree.put("about.html", 0, site.about_html()?.as_bytes())?;
    tree.put("index.html", 0, site.index_html()?.as_bytes())?;
    keep.extend(fixed);
    tree.retain(&keep)?;
    let (written, removed) = (tree.written, tree.removed);
    let bad_records = site.records.as_ref().and_then(Records::fault);
    Ok(Written { written, removed, foreign: tree.finish()?, bad_records })
}

impl<'a> Site<'a> {
    fn new(
        history: &'a History,
        options: &'a Options,
        traffic: &'a TrafficDays,
        store: &'a Store,
        assets: &'a Assets,
    ) -> Site<'a> {
        let mut hosts: BTreeMap<Host, Vec<(usize, usize)>> = BTreeMap::new();
        for (day, (_, summary)) in history.days.iter().enumerate() {
            for (nth, part) in summary.parts.iter().enumerate() {
                hosts.entry(part.host).or_default().push((day, nth));
            }
        }
        for address in asked(traffic, &options.hosts) {
            hosts.entry(Host::Address(address)).or_default();
        }
        let mut site = Site {
            options,
            history,
            store,
            assets,
            traffic,
            records: None,
            live: live(&history.carry),
            running: history
                .carry
                .running
                .iter()
                .map(|one| ((one.host, one.role, one.body.first), one))
                .collect(),
            window_sums: history.days.iter().map(|(_, day)| sums(&day.windows)).collect(),
            hosts,
            paged: BTreeSet::new(),
            until: history.carry.until(),
        };
        site.paged = site.choose_hosts();
        site
    }

    /// Returns the hosts that get a page: those that go on, then the gravest.
    fn choose_hosts(&self) -> BTreeSet<Host> {
        if self.hosts.len() <= MAX_HOSTS {
            return self.hosts.keys().copied().collect();
        }
        let asked = asked(self.traffic, &self.options.hosts).into_iter().map(Host::Address);
        let asked: BTreeSet<Host> = asked.collect();
        let carry = &self.history.carry;
        let on: BTreeSet<Host> =
            carry.running.iter().filter(|one| carry.goes_on(one)).map(|one| one.host).collect();
        let mut ranked: Vec<_> = self
            .hosts
            .iter()
            .filter_map(|(host, parts)| {
                let gravest =
                    parts.iter().filter_map(|at| self.part(*at)).map(Part::order).min()?;
                Some((!on.contains(host), gravest, *host))
            })
            .collect();
        ranked.sort();
        let most = MAX_HOSTS.saturating_sub(asked.len());
        ranked.into_iter().take(most).map(|(_, _, host)| host).chain(asked).collect()
    }

    /// Returns the hosts that have a page by their newest day, so that the details of a day are read once for many.
    fn by_day(&self) -> Vec<Host> {
        let mut hosts: Vec<Host> = self.paged.iter().copied().collect();
        hosts.sort_by_cached_key(|host| {
            self.hosts.get(host).and_then(|parts| parts.last()).copied()
        });
        hosts
    }

    /// Returns a part by its place.
    fn part(&self, (day, nth): (usize, usize)) -> Option<&Part> {
        self.history.days.get(day)?.1.parts.get(nth)
    }

    /// Returns the frame of a page. `root`: the way from the page to the root of the site.
    fn frame(&self, here: Option<Place>, root: &'static str) -> Frame<'_> {
        // Pages of hosts and days must not change with each window.
        let is_current = matches!(here, Some(Place::Index | Place::Figures | Place::Traffic));
        let newest = self.history.carry.newest_window().filter(|_| is_current);
        Frame {
            root,
            site: &self.options.title,
            here,
            places: &PLACES,
            css: &self.assets.css,
            js: &self.assets.js,
            icon: &self.assets.icon,
            feed: is_current.then_some(FEED),
            newest: newest.map(|window| Newest { until: window.end(), seconds: window.seconds() }),
            zone: self.options.zone.name(),
            is_masked: false,
        }
    }

    /// Returns the zone of all times, with its offset at a moment.
    fn zone_text(&self, seconds: u64) -> String {
        let zone = &self.options.zone;
        let offset = zone.offset(seconds);
        if offset == "UTC" { offset } else { format!("{} (UTC{offset})", zone.name()) }
    }

    /// Returns the key of a page: the checksum of what it is made of, and of what all pages share.
    fn key(&self, values: &impl Serialize) -> u64 {
        let zone = self.options.zone.name();
        digest(&(
            &self.options.spool,
            LOOK,
            env!("CARGO_PKG_VERSION"),
            &self.options.title,
            zone,
            (&self.assets.css, &self.assets.js, &self.assets.icon),
            values,
        ))
    }
}

/// Returns the incidents that are not over, those that go on in the newest window first, and then the gravest first.
fn live(carry: &Carry) -> Vec<(&Running, Part)> {
    let mut live: Vec<_> =
        carry.running.iter().map(|running| (running, running.part(&[], 0))).collect();
    live.sort_by_cached_key(|(running, part)| (!carry.goes_on(running), part.order()));
    live
}

/// All that the masked site has of the index. None of it names a host.
pub(super) struct Facts {
    /// The sentence that says it all.
    pub heading: String,
    /// The notices about times of the last 24 hours that were not seen.
    pub notices: Vec<String>,
    /// The files for monitors, by name.
    pub status: Vec<(&'static str, String)>,
}

/// Returns the facts of a history.
pub(super) fn facts(history: &History, options: &Options, store: &Store, assets: &Assets) -> Facts {
    let none = TrafficDays::new();
    let site = Site::new(history, options, &none, store, assets);
    let on = site
        .live
        .iter()
        .filter(|(running, _)| history.carry.goes_on(running))
        .map(|(_, part)| part);
    let heading = site.heading(&on.collect::<Vec<_>>(), site.newest_seen());
    let notices = site.unseen_lately().into_iter().map(|notice| notice.head).collect();
    Facts { heading, notices, status: site.status() }
}

/// Returns the addresses of some networks that the newest day of the traffic lists.
fn asked(traffic: &TrafficDays, hosts: &Networks) -> BTreeSet<IpAddr> {
    let newest = traffic.iter().rev().take(1).flat_map(|(_, day)| day.windows());
    let listed = newest.flat_map(|(_, window)| &window.addresses).map(|of| of.address);
    let asked: BTreeSet<IpAddr> = listed.filter(|address| hosts.contains(*address)).collect();
    asked.into_iter().take(MAX_ASKED).collect()
}

/// Returns the checksum of some windows up to each of them.
fn sums(windows: &[WindowRow]) -> Vec<u64> {
    let mut sum = 0;
    let next = |row: &WindowRow| {
        sum = digest(&(sum, row.start, row.seconds, row.seen));
        sum
    };
    windows.iter().map(next).collect()
}

/// Returns the name of a host's page: `host/192.0.2.1.html`. Names never change.
pub(super) fn host_page(host: Host) -> String {
    format!("host/{}.html", host_name(host))
}

/// Returns the text of a host as a file name.
fn host_name(host: Host) -> String {
    host.text(false).replace(':', "-").replace('/', "_")
}

/// Returns the anchor of an incident in its host's page: `source-20010817T092000Z`. Anchors never change.
fn anchor(part: &Part) -> String {
    let start = crate::time::Timestamp::from_secs(part.first).rfc3339();
    format!("{}-{}", part.role, start.replace(['-', ':'], ""))
}

fn html(template: &impl Template) -> Result<String, Error> {
    Ok(template.render()?)
}
