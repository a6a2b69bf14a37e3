//! The site of nfpage as its readers meet it: in a browser, by the link of an old mail, while it is written, and
//! made of hostile input.

mod hostile;
mod killed;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use nfkit::time::Timestamp;

use crate::browser::{Expected, POLICY, check, sorted};
use crate::golden::golden;
use crate::harness::{DETECTORS, INSIDE, Run, Scene, paper, tool};

const FIELDS: &str = "#fields\twindow\tseconds\tkind\tclass\thost\trole\tside\tproto\tport\tpeers\tpeer\t\
                      flows\tpackets\toctets\trate\tmarks\twhy\tsample\n";

/// The identity of all sites of these tests, so that their bytes can be compared.
const ID: &str = "00112233445566778899aabbccddeeff\n";

/// Prepares a run that writes the site `www`, whose store has the [`ID`].
fn nfpage(scene: &Scene) -> Run {
    if !scene.path("www.store").exists() {
        scene.write("www.store/id", ID);
    }
    let run = tool("nfpage").arg("-w").arg(scene.path("www"));
    run.args(["--timezone", "Asia/Taipei"])
}

/// Returns true if the tests that take long shall run, too.
fn is_long() -> bool {
    std::env::var_os("NFKIT_LONG").is_some_and(|value| !value.is_empty())
}

/// Returns the files below a directory by their names. A site that was never written has none.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn add(dir: &Path, before: &str, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
            let name = format!("{before}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files_below = BTreeMap::new();
    add(dir, "", &mut files_below);
    files_below
}

/// Returns the values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!(" {name}=\"");
    page.split(&begin).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Asserts that each page is whole, and that each of its links leads to a file that is there, and to an anchor in
/// it. Returns the number of links.
#[track_caller]
fn check_links(files: &BTreeMap<String, Vec<u8>>, when: &str) -> usize {
    let is_page = |name: &str| name.ends_with(".html") || name.ends_with(".atom");
    let pages = files.iter().filter(|(name, _)| is_page(name));
    let pages: BTreeMap<&str, &str> =
        pages.map(|(name, bytes)| (name.as_str(), std::str::from_utf8(bytes).unwrap())).collect();
    let ids: BTreeMap<&str, BTreeSet<&str>> = pages
        .iter()
        .map(|(name, page)| (*name, attributes(page, "id").into_iter().collect()))
        .collect();
    let mut links = 0;
    for (name, page) in &pages {
        let end = if name.ends_with(".atom") { "</feed>" } else { "</html>" };
        assert!(page.trim_end().ends_with(end), "{when}: {name} is not whole: {page}");
        for link in attributes(page, "href").into_iter().chain(attributes(page, "src")) {
            assert!(!link.contains(':'), "{when}: {name}: {link}");
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match (path, path.strip_prefix("../"), name.split_once('/')) {
                ("", ..) => (*name).to_owned(),
                (_, Some(path), Some(_)) => path.to_owned(),
                (_, None, Some((dir, _))) => format!("{dir}/{path}"),
                (_, _, None) => path.to_owned(),
            };
            assert!(files.contains_key(&target), "{when}: {name}: {link} leads nowhere");
            let is_there = anchor.is_empty() || ids[target.as_str()].contains(anchor);
            assert!(is_there, "{when}: {name}: {link} leads to no anchor");
            links += 1;
        }
    }
    links
}

/// A finding of one window, made up.
#[derive(Clone)]
struct Found {
    /// Start of the window, in Unix seconds.
    start: u64,
    /// Length of the window, in seconds.
    seconds: u64,
    kind: &'static str,
    class: &'static str,
    host: String,
    role: &'static str,
    side: &'static str,
    port: u16,
    flows: u64,
}

impl Found {
    /// Returns a scan by a host inside, with twice as many flows as its limit.
    fn scan(host: &str, start: u64) -> Found {
        Found {
            start,
            seconds: 600,
            kind: "scan",
            class: "horizontal",
            host: host.to_owned(),
            role: "source",
            side: "inside",
            port: 22,
            flows: 400,
        }
    }

    /// Returns a flood upon a host inside.
    fn flood(host: &str, start: u64) -> Found {
        let scan = Found::scan(host, start);
        Found { kind: "flood", class: "dos", role: "target", port: 80, flows: 3000, ..scan }
    }

    fn line(&self) -> String {
        let Found { start, seconds, kind, class, host, role, side, port, flows } = self;
        format!(
            "{}\t{seconds}\t{kind}\t{class}\t{host}\t{role}\t{side}\t6\t{port}\t1\t-\t{flows}\t{flows}\t{}\t{:.2}\t-\t\
             flows={flows}>=200\t-\n",
            time(*start),
            flows * 40,
            *flows as f64 / *seconds as f64
        )
    }
}

/// Returns the marks of a window that all detectors saw whole.
fn whole(start: u64, seconds: u64) -> String {
    let mark = |tool| {
        format!(
            "#end\t{}\t{seconds}\tflows=9000\tlate=0\topen=0\tstate=ok\ttool={tool}\n",
            time(start)
        )
    };
    DETECTORS.map(mark).concat()
}

fn time(seconds: u64) -> String {
    Timestamp::from_secs(seconds).rfc3339()
}

/// Returns the findings of the paper's scenario: its three figures, and the whole day of figure 4.
fn paper_findings() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found = |tool_name: &str, flows: &str| {
            let ran = tool(tool_name).args(["--inside", INSIDE]).stdin(flows).run().ok();
            ran.text().to_owned()
        };
        let day = ["paper", "--figure", "4", "--for", "24h", "--flows", "110000", "--text"];
        let day = found("nfflood", tool("nfgen").args(day).run().ok().text());
        let flows = &paper().text;
        DETECTORS.map(|name| found(name, flows)).concat() + &day
    })
}

/// Ten minutes after the newest window of the paper's scenario.
const NOW: &str = "2001-08-17T17:40:00Z";

#[test]
fn the_papers_site_breaks_no_rule_in_a_browser() {
    let scene = Scene::new();
    nfpage(&scene).stdin(paper_findings()).run().status(0).mute();
    let written = files(&scene.path("www"));
    assert!(check_links(&written, "the paper's site") > 100);
    let figures = std::str::from_utf8(&written["figures.html"]).unwrap();
    for part in [
        "Networks scanned by 203.0.113.45",
        "140.119.100.13 (140.119.53.7)",
        "Hosts that attack TCP port 80",
    ] {
        assert!(figures.contains(part), "{part}: {figures}");
    }
    for (name, page) in written.iter().filter(|(name, _)| name.ends_with(".html")) {
        let most = match name.split_once('/') {
            Some(("day", _)) => 130_000,
            Some(("host", _)) => 15_000,
            _ if name == "index.html" => 110_000,
            _ => 60_000,
        };
        assert!(page.len() < most, "{name}: {}", page.len());
    }

    let pages = [
        "index.html",
        "figures.html",
        "traffic.html",
        "hosts.html",
        "about.html",
        "day/2001-07-01.html",
        "day/2001-08-04.html",
        "host/203.0.113.45.html",
        "host/140.119.53.7.html",
    ];
    let expected = Expected {
        policy: Some(POLICY),
        trees: &["index.html"],
        now: Some(NOW),
        ..Expected::default()
    };
    let Some(report) = check(&scene.path("www"), &pages, &expected) else { return };
    report.ok();
    golden("nfpage/index.tree", report.trees["index.html"].as_bytes());
    assert!(!report.trees["index.html"].contains("This page is old"), "ten minutes are not old");

    // A job that stands still is seen.
    let later = Expected { now: Some("2001-08-18T09:35:00Z"), policy: Some(POLICY), ..expected };
    let Some(report) = check(&scene.path("www"), &["index.html"], &later) else { return };
    report.ok();
    let tree = &report.trees["index.html"];
    assert!(tree.contains("This page is old: its last window ended 16 hours ago."), "{tree}");
}

#[test]
fn the_papers_masked_site_breaks_no_rule_in_a_browser() {
    let scene = Scene::new();
    nfpage(&scene).arg("--mask").stdin(paper_findings()).run().status(0).mute();
    let written = files(&scene.path("www"));
    assert!(check_links(&written, "the masked site") > 30);
    for (name, bytes) in &written {
        let text = String::from_utf8_lossy(bytes);
        for host in ["140.119.53.7", "140.119.100.13", "203.0.113.45", "140.119.44.91"] {
            assert!(!text.contains(host) && !name.contains(host), "{name}: {host}");
        }
    }
    let expected = Expected { policy: Some(POLICY), now: Some(NOW), ..Expected::default() };
    let pages = ["index.html", "about.html", "day/2001-08-04.html"];
    let Some(report) = check(&scene.path("www"), &pages, &expected) else { return };
    report.ok();
}

#[test]
fn numbers_with_commas_are_sorted_as_numbers() {
    let scene = Scene::new();
    let start = 996_897_600;
    let flows = [("140.119.1.1", 1_000), ("140.119.1.2", 199_833), ("140.119.1.3", 999)];
    let lines = flows.map(|(host, flows)| Found { flows, ..Found::scan(host, start) }.line());
    let input = format!("{FIELDS}{}{}", lines.concat(), whole(start, 600));
    nfpage(&scene).stdin(input).run().ok().mute();
    let Some(cells) = sorted(&scene.path("www"), "day/2001-08-04.html", 6) else { return };
    assert_eq!(cells, ["199,833", "1,000", "999"]);
    let cells = sorted(&scene.path("www"), "day/2001-08-04.html", 5).unwrap();
    assert_eq!(cells, ["999", "5.0", "5.0"]);
}
