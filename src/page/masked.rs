//! The masked site, for the public: what happens, and not to whom.
//!
//! The history is reduced to the types of `reduce` before any page is made. They hold no address, so no template can
//! show one: a host is its network and a pseudonym. The pseudonym is the same for a host within a month, so that a
//! reader can follow an incident, and differs from month to month and from site to site.

mod key;
mod reduce;

use std::collections::BTreeSet;

use askama::Template;

use super::assets::Assets;
use super::course::digest;
use super::error::Error;
use super::frame::{Frame, Newest, Place};
use super::history::History;
use super::site::{Facts, Options, Written, facts};
use super::store::Store;
use super::tree::Tree;
use crate::finding::words::{count, of};

pub use key::MaskKey;
use reduce::{MaskedDay, MaskedIncident, MaskedSite};

/// The pages that every page links to.
const PLACES: [Place; 2] = [Place::Index, Place::About];

/// The most incidents of a page.
const MAX_ROWS: usize = 400;

/// The number that changes with the look of any page.
const LOOK: u32 = 1;

#[derive(Template)]
#[template(path = "masked-index.html")]
struct Index<'a> {
    frame: Frame<'a>,
    title: &'a str,
    heading: &'a str,
    about: String,
    notices: &'a [String],
    on: &'a [MaskedIncident],
    more: String,
    days: Vec<DayRow>,
}

struct DayRow {
    date: String,
    incidents: String,
    inside: String,
    whole: String,
}

#[derive(Template)]
#[template(path = "masked-day.html")]
struct Day<'a> {
    frame: Frame<'a>,
    title: &'a str,
    date: String,
    about: String,
    list: &'a [MaskedIncident],
    more: String,
    windows: String,
}

#[derive(Template)]
#[template(path = "masked-about.html")]
struct About<'a> {
    frame: Frame<'a>,
    title: &'a str,
    site: &'a str,
    zone: &'a str,
}

/// Writes the masked site. `key` makes the pseudonyms.
///
/// # Errors
/// The system's error.
pub fn write_masked(
    history: &History,
    options: &Options,
    key: &MaskKey,
    store: &Store,
    mut tree: Tree<'_>,
) -> Result<Written, Error> {
    let assets = Assets::new();
    let Facts { heading, notices, status } = facts(history, options, store, &assets);
    let site = MaskedSite::new(history, options, key, heading, notices);
    let mut keep = BTreeSet::new();
    for (name, bytes) in assets.files() {
        tree.put(name, 0, bytes.as_bytes())?;
        keep.insert(name.to_owned());
    }
    let fixed = ["index.html", "about.html"];
    let day_name = |day: &MaskedDay| format!("day/{}.html", day.date);
    for name in fixed.iter().map(|name| (*name).to_owned()).chain(site.days.iter().map(day_name)) {
        tree.stub(&name)?;
        keep.insert(name);
    }
    let newest = history.carry.newest_window();
    let frame = |here: Option<Place>, root| Frame {
        root,
        site: &options.title,
        here,
        places: &PLACES,
        css: &assets.css,
        js: &assets.js,
        icon: &assets.icon,
        feed: None,
        newest: newest
            .filter(|_| here == Some(Place::Index))
            .map(|window| Newest { until: window.end(), seconds: window.seconds() }),
        zone: &site.zone,
        is_masked: true,
    };
    let shared = (
        LOOK,
        env!("CARGO_PKG_VERSION"),
        &options.title,
        &site.zone,
        (&assets.css, &assets.js, &assets.icon),
    );
    for day in &site.days {
        let name = day_name(day);
        let key = digest(&("masked", &shared, day));
        if tree.is_current(&name, key) {
            continue;
        }
        let shown = day.incidents.get(..MAX_ROWS).unwrap_or(&day.incidents);
        let page = Day {
            frame: frame(None, "../"),
            title: &day.date,
            date: day.date.clone(),
            about: format!(
                "{}. Times are {}, to the hour.",
                of(day.incidents.len() as u64, "incident"),
                site.zone
            ),
            list: shown,
            more: count((day.incidents.len() - shown.len()) as u64),
            windows: format!(
                "{}, {} of which were seen whole.",
                of(day.windows, "window"),
                count(day.whole)
            ),
        };
        tree.put(&name, key, page.render()?.as_bytes())?;
    }
    let about = About {
        title: "About",
        frame: frame(Some(Place::About), ""),
        site: &options.title,
        zone: &site.zone,
    };
    tree.put("about.html", 0, about.render()?.as_bytes())?;
    let shown = site.on.get(..MAX_ROWS).unwrap_or(&site.on);
    let days = site.days.iter().rev().map(|day| DayRow {
        date: day.date.clone(),
        incidents: count(day.incidents.len() as u64),
        inside: count(day.inside),
        whole: format!("{} of {}", count(day.whole), count(day.windows)),
    });
    let index = Index {
        frame: frame(Some(Place::Index), ""),
        title: &site.heading,
        heading: &site.heading,
        about: format!("Addresses are masked. Times are {}, to the hour.", site.zone),
        notices: &site.notices,
        on: shown,
        more: count((site.on.len() - shown.len()) as u64),
        days: days.collect(),
    };
    for (name, text) in status {
        tree.put(name, 0, text.as_bytes())?;
        keep.insert(name.to_owned());
    }
    tree.put("index.html", 0, index.render()?.as_bytes())?;
    tree.retain(&keep)?;
    let (written, removed) = (tree.written, tree.removed);
    Ok(Written { written, removed, foreign: tree.finish()?, bad_records: None })
}
