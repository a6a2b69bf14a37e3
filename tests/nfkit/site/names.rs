//! Names of files and anchors: mails, bookmarks and feeds have them, so they never change.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use nfkit::time::Timestamp;

use super::{FIELDS, Found, check_links, files, nfpage, whole};
use crate::harness::{Run, Scene, package, tool};

/// 2001-08-03T16:00:00Z, midnight in Taipei.
const START: u64 = 996_854_400;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The golden list of names.
const NAMES: &str = "tests/data/nfpage/names.txt";

/// The golden store.
const STORE: &str = "tests/data/nfpage/store";

/// Returns findings of three days: over IPv4 and IPv6, about hosts and networks, in both roles, by one host again
/// after it was over, and so many on the second day that it has several pages, and hosts are found by their
/// networks. Never change them: the golden list and store are made of them.
fn input() -> String {
    let mut text = FIELDS.to_owned();
    for start in (START..START + 3 * DAY).step_by(3 * 600) {
        text += &whole(start, 600);
    }
    let mut add = |found: &Found| text += &found.line();
    for n in 0..3 {
        add(&Found::scan("140.119.53.7", START + HOUR + n * 1800));
        add(&Found::flood("140.119.53.7", START + 2 * HOUR + n * 1800));
        add(&Found::scan("2001:db8:1:2::77", START + 3 * HOUR + n * 1800));
    }
    add(&Found::scan("140.119.53.7", START + 2 * DAY + 20 * HOUR));
    add(&Found::flood("140.119.64.0/20", START + 4 * HOUR));
    add(&Found { class: "carpet", ..Found::flood("2001:db8:77::/48", START + 4 * HOUR) });
    // Over midnight.
    for n in 0..4 {
        let outside = Found::scan("198.51.100.9", START + DAY - 1800 + n * 1800);
        add(&Found { side: "outside", ..outside });
    }
    let class = "spread";
    for n in 0..420 {
        let host = format!("140.{}.{}.{}", 119 + n / 300, n / 10, n % 10);
        add(&Found { kind: "port", class, ..Found::scan(&host, START + DAY + 5 * HOUR) });
    }
    text
}

/// Returns the names of a site's files, and of the anchors in its pages. The names of the style sheet, the script
/// and the icon have their checksum in them and are not among these.
fn names(dir: &std::path::Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, bytes) in files(dir) {
        let is_asset = [".css", ".js", ".svg"].iter().any(|end| name.ends_with(end));
        if is_asset {
            continue;
        }
        if name.ends_with(".html") {
            let page = String::from_utf8(bytes).unwrap();
            let ids = super::attributes(&page, "id").into_iter();
            names.extend(ids.map(|id| format!("{name}#{id}")));
        }
        names.insert(name);
    }
    names
}

/// Returns the lines of the golden list.
fn golden_names() -> BTreeSet<String> {
    let text = fs::read_to_string(package(NAMES)).unwrap();
    text.lines().filter(|line| !line.starts_with("# ")).map(str::to_owned).collect()
}

const COMMENT: &str = "\
# The names of all files and anchors of a site. Mails, bookmarks and feeds have them: lines may be added here, but
# none may ever be changed or removed.
";

fn is_blessed() -> bool {
    std::env::var_os("NFKIT_BLESS").is_some_and(|value| value == "1")
}

#[test]
fn names_of_files_and_anchors_never_change() {
    let scene = Scene::new();
    nfpage(&scene).stdin(input()).run().ok().mute();
    let mut found = names(&scene.path("www"));
    assert!(check_links(&files(&scene.path("www")), "the site of the golden names") > 2000);
    let masked = tool("nfpage").args(["--mask", "--timezone", "Asia/Taipei", "-w"]);
    masked.arg(scene.path("masked")).stdin(input()).run().ok().mute();
    let masked = names(&scene.path("masked")).into_iter().map(|name| format!("masked/{name}"));
    found.extend(masked);
    for part in [
        "day/2001-08-05-2.html",
        "host/140.119.53.7.html#source-20010803T170000Z",
        "host/140.119.64.0_20.html#target-20010803T200000Z",
        "host/2001-db8-1-2--77.html",
        "host/2001-db8-77--_48.html",
        "net/140.119.0.0_16.html",
        "net/2001-db8--_32.html",
        "masked/day/2001-08-04.html",
    ] {
        assert!(found.contains(part), "{part}: {found:#?}");
    }
    if is_blessed() {
        // Names are added, and never removed.
        if package(NAMES).exists() {
            found.extend(golden_names());
        }
        let lines: Vec<String> = found.iter().map(|name| format!("{name}\n")).collect();
        fs::create_dir_all(package(NAMES).parent().unwrap()).unwrap();
        fs::write(package(NAMES), COMMENT.to_owned() + &lines.concat()).unwrap();
        return;
    }
    let golden = golden_names();
    let gone: Vec<_> = golden.difference(&found).collect();
    assert!(gone.is_empty(), "names that links have are gone: {gone:#?}");
    let new: Vec<_> = found.difference(&golden).collect();
    assert!(new.is_empty(), "NFKIT_BLESS=1 adds these names to {NAMES}: {new:#?}");
}

/// Prepares a run on a copy of the golden store.
fn on_golden_store(scene: &Scene) -> Run {
    for (name, bytes) in files(&package(STORE)) {
        scene.write(&format!("www.store/{name}"), bytes);
    }
    nfpage(scene)
}

#[test]
fn a_store_of_this_version_opens_for_ever() {
    let scene = Scene::new();
    nfpage(&scene).stdin(input()).run().ok().mute();
    if is_blessed() && !package(STORE).exists() {
        for (name, bytes) in files(&scene.path("www.store")) {
            fs::create_dir_all(package(STORE)).unwrap();
            fs::write(package(STORE).join(name), bytes).unwrap();
        }
    }
    let old = Scene::new();
    on_golden_store(&old).run().ok().mute();
    assert_eq!(files(&old.path("www")), files(&scene.path("www")));
    // All that the old version computed can be computed again, and nothing is lost by that.
    let again = Scene::new();
    on_golden_store(&again).arg("--rebuild").run().ok().mute();
    assert_eq!(files(&again.path("www")), files(&scene.path("www")));
    let stored: usize = files(&package(STORE)).values().map(Vec::len).sum();
    assert!(stored < 100_000, "{stored}");
}

#[test]
fn a_link_of_last_years_mail_opens() {
    const DAYS: u64 = 366;
    let scene = Scene::new();
    let mut text = FIELDS.to_owned();
    // In windows of an hour: one host once, one every third day, one every day, and one a day that nobody sees again.
    let begin = START + 8 * HOUR;
    let seconds = HOUR;
    for day in 0..DAYS {
        let start = begin + day * DAY;
        for window in 0..24 {
            text += &whole(start + window * HOUR, seconds);
        }
        let mut add = |found: Found| text += &Found { seconds, ..found }.line();
        if day == 0 {
            add(Found::scan("140.119.53.7", start));
        }
        if day % 3 == 0 {
            add(Found::scan("140.119.1.3", start + HOUR));
        }
        add(Found::flood("140.119.1.1", start + 2 * HOUR));
        add(Found::scan(&format!("10.9.{}.{}", day / 100, day % 100), start + HOUR));
    }
    scene.write("year", &text);
    let began = Instant::now();
    nfpage(&scene).args(["--days", "400"]).arg(scene.path("year")).run().ok().mute();
    let took = began.elapsed();
    let made = files(&scene.path("www"));
    let bytes: usize = made.values().map(Vec::len).sum();
    let largest = made.iter().filter(|(name, _)| name.starts_with("host/"));
    let largest = largest.map(|(name, page)| (page.len(), name)).max().unwrap();
    eprintln!("{DAYS} days: {} files, {bytes} bytes, {took:.1?}; {largest:?}", made.len());

    let links = check_links(&made, "a year");
    assert!(links > 5000, "{links}");
    let stamp = |start: u64| Timestamp::from_secs(start).rfc3339().replace(['-', ':'], "");
    let has = |host: &str, start: u64| {
        let page = String::from_utf8_lossy(&made[&format!("host/{host}.html")]).into_owned();
        page.contains(&format!(" id=\"source-{}\"", stamp(start)))
    };
    assert!(made.contains_key("day/2001-08-04.html") && has("140.119.53.7", begin));
    for day in (0..DAYS).step_by(3) {
        assert!(has("140.119.1.3", begin + day * DAY + HOUR), "day {day}");
    }
    let page = String::from_utf8_lossy(&made["host/140.119.1.1.html"]);
    assert!(page.contains(&format!(" id=\"target-{}\"", stamp(begin + 2 * HOUR))), "{page}");

    // With the days that a site keeps by default the day is gone, and no link to it is left.
    nfpage(&scene).run().ok().mute();
    let made = files(&scene.path("www"));
    assert!(!made.contains_key("day/2001-08-04.html"));
    check_links(&made, "90 days of it");
}
