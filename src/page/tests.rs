//! The site as a whole: the same pages whatever the order and number of runs, and right pages for odd input.

mod charts;
mod lists;
mod present;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::finding::{Finding, Host, Item, Kind, Peer, Rate, Role, Side};
use crate::flow::Networks;
use crate::incident::Policy;
use crate::report::LocalTime;
use crate::time::{End, Mark, Window, WindowState};

/// 2001-08-04 00:00 in Taipei.
const START: u64 = 996_854_400;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

struct Lab {
    dir: tempfile::TempDir,
    zone: LocalTime,
    days: u32,
}

impl Lab {
    fn new(zone: &str) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab { dir, zone: local(zone), days: 90 };
        fs::create_dir(lab.store()).unwrap();
        // All sites of the tests have the same identity.
        fs::write(lab.store().join("id"), "00112233445566778899aabbccddeeff\n").unwrap();
        lab
    }

    fn www(&self) -> PathBuf {
        self.dir.path().join("www")
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn options(&self) -> Options {
        Options {
            title: "Site".to_owned(),
            zone: self.zone.clone(),
            bad: (0, 0),
            bad_sources: 0,
            unknown: 0,
            spool: None,
            hosts: Networks::default(),
            never: Networks::default(),
        }
    }

    /// Gives the site some items in one run. Returns the messages and what was written.
    fn run(&self, items: impl IntoIterator<Item = Item>) -> (Vec<String>, Written) {
        self.run_with(items, None)
    }

    fn run_with(
        &self,
        items: impl IntoIterator<Item = Item>,
        incidents: Option<&str>,
    ) -> (Vec<String>, Written) {
        let store = Store::open(&self.store(), &self.www()).unwrap();
        set_zone(&store, &self.zone).unwrap();
        let mut new = NewDays::new(None);
        items.into_iter().for_each(|item| new.item(item, &self.zone));
        let mut said = new.merge(&store).unwrap();
        let history = History::update(&store, &Policy::new(Vec::new()), self.days).unwrap();
        said.extend(history.said.iter().cloned());
        let options = self.options();
        let tree = Tree::open(&self.www(), &store, false).unwrap();
        (
            said,
            write(
                &history,
                &options,
                &TrafficDays::new(),
                incidents.map(str::as_bytes),
                &store,
                tree,
            )
            .unwrap(),
        )
    }

    fn page(&self, name: &str) -> String {
        fs::read_to_string(self.www().join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.www().join(name).exists()
    }
}

fn local(name: &str) -> LocalTime {
    LocalTime::new(jiff::tz::TimeZone::get(name).unwrap())
}

fn finding(host: &str, start: u64, flows: u64) -> Finding {
    let window = Window::new(start, 600);
    Finding {
        window,
        kind: Kind::Scan,
        class: "horizontal".to_owned(),
        host: Host::parse(host).unwrap(),
        role: Role::Source,
        side: Some(Side::Inside),
        proto: Some(6),
        port: Some(22),
        peers: 400,
        peer: vec![Peer { host: Host::parse("198.51.100.7").unwrap(), flows: Some(9) }],
        more: 3,
        flows,
        packets: flows,
        octets: flows * 40,
        rate: Rate::of(flows, window),
        marks: Vec::new(),
        why: format!("hosts={flows}>=100"),
        sample: Vec::new(),
    }
}

fn found(finding: Finding) -> Item {
    Item::Finding(Box::new(finding))
}

/// Returns the marks of all detectors for the ten minutes from `start`.
fn judged(start: u64, state: WindowState) -> Vec<Item> {
    let end = |tool: &str| End {
        window: Window::new(start, 600),
        tool: Some(tool.to_owned()),
        state: Some(state),
        open: Some(false),
        ..End::default()
    };
    ["nfscan", "nfflood", "nfport"].map(|tool| Item::Mark(Mark::End(end(tool)))).into()
}

fn clean(from: u64, to: u64) -> Vec<Item> {
    (from..to).step_by(600).flat_map(|start| judged(start, WindowState::Ok)).collect()
}

/// Returns the files of a site by name.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for below in ["", "day", "host", "net"] {
        let Ok(entries) = fs::read_dir(dir.join(below)) else { continue };
        for entry in
            entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file())
        {
            let name = Path::new(below).join(entry.file_name());
            files.insert(name.display().to_string(), fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// Panics unless each link of each page leads to a file, and to an anchor of it.
fn check_links(dir: &Path) {
    let files = tree(dir);
    let pages: BTreeMap<&String, String> = files
        .iter()
        .filter(|(name, _)| name.ends_with(".html") || name.ends_with(".atom"))
        .map(|(name, bytes)| (name, String::from_utf8(bytes.clone()).unwrap()))
        .collect();
    let mut links = 0;
    for (name, text) in &pages {
        let base = Path::new(name).parent().unwrap();
        for attribute in ["href=\"", "src=\""] {
            for rest in text.split(attribute).skip(1) {
                let link = rest.split('"').next().unwrap();
                assert!(!link.contains("://"), "{name}: {link}");
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let mut target = base.to_owned();
                for part in Path::new(path) {
                    if part == ".." {
                        target.pop();
                    } else {
                        target.push(part);
                    }
                }
                let target =
                    if path.is_empty() { (*name).clone() } else { target.display().to_string() };
                assert!(files.contains_key(&target), "{name}: {link}");
                let has = |page: &String| page.contains(&format!("id=\"{anchor}\""));
                assert!(anchor.is_empty() || has(&pages[&target]), "{name}: {link}");
                links += 1;
            }
        }
    }
    assert!(links > 0);
}

/// Returns three days of a scanner inside, a flooded host, and a scanner outside.
fn story() -> Vec<Item> {
    let mut items = clean(START, START + 3 * DAY);
    for n in 0..30 {
        items.push(found(finding("140.119.53.7", START + 20 * HOUR + n * 600, 500 + n)));
    }
    for n in (0..200).step_by(3) {
        let flood = Finding {
            kind: Kind::Flood,
            class: "dos".to_owned(),
            role: Role::Target,
            port: Some(80),
            why: format!("flows={}>=1000", 1500 + n),
            ..finding("140.119.100.13", START + 30 * HOUR + n * 600, 1500 + n)
        };
        items.push(found(flood));
    }
    let outside =
        Finding { side: Some(Side::Outside), ..finding("2001:db8::9", START + 2 * DAY, 300) };
    items.push(found(outside));
    items
}

#[test]
fn the_site_shows_incidents_and_not_findings() {
    let lab = Lab::new("Asia/Taipei");
    lab.run(story());
    check_links(&lab.www());
    let index = lab.page("index.html");
    assert!(index.contains("140.119.100.13"), "{index}");
    let day = lab.page("day/2001-08-04.html");
    assert!(day.contains("1 incident (1 inside) with 24 findings."), "{day}");
    assert_eq!(day.matches("<tr data-side").count(), 1);
    // The next day has the rest of it, and its first window is still that of the day before.
    let next = lab.page("day/2001-08-05.html");
    assert!(next.contains("08-04 20:00"), "{next}");
    let host = lab.page("host/140.119.53.7.html");
    assert!(host.contains("id=\"source-20010804T120000Z\""), "{host}");
    assert!(
        host.contains("Over since 08-05 01:00") && host.contains("in 30 of 30 windows"),
        "{host}"
    );
    assert!(lab.has("host/2001-db8--9.html"));
}

#[test]
fn a_run_writes_what_has_changed_and_nothing_else() {
    let lab = Lab::new("Asia/Taipei");
    lab.run(story());
    let before = tree(&lab.www());
    let (_, written) = lab.run(story());
    assert_eq!((written.written, written.removed), (0, 0));
    // A window of the newest day with a new host.
    let mut more = judged(START + 3 * DAY - 600, WindowState::Ok);
    more.push(found(finding("140.119.9.9", START + 3 * DAY - 600, 200)));
    lab.run(more);
    let after = tree(&lab.www());
    let changed: Vec<&String> = after
        .iter()
        .filter(|(name, bytes)| before.get(*name) != Some(bytes))
        .map(|(name, _)| name)
        .collect();
    let expected = [
        "day/2001-08-06.html",
        "feed.atom",
        "findings.csv",
        "host/140.119.9.9.html",
        "hosts.html",
        "index.html",
        "status.json",
        "status.txt",
    ];
    assert_eq!(changed, expected);
    check_links(&lab.www());
}

#[test]
fn a_late_window_changes_its_day_and_those_behind() {
    let all = story();
    let (late, rest): (Vec<Item>, Vec<Item>) = all.iter().cloned().partition(|item| {
        let window = item.window().unwrap().unwrap();
        (START + 22 * HOUR..START + 23 * HOUR).contains(&window.start())
    });
    let (one, two) = (Lab::new("Asia/Taipei"), Lab::new("Asia/Taipei"));
    one.run(all);
    two.run(rest);
    assert_ne!(tree(&one.www()), tree(&two.www()));
    two.run(late);
    assert_eq!(tree(&one.www()), tree(&two.www()));
}

#[test]
fn another_time_zone_moves_windows_to_other_days() {
    let mut lab = Lab::new("Asia/Taipei");
    lab.run(story());
    lab.zone = local("America/New_York");
    lab.run([]);
    let new = Lab::new("America/New_York");
    new.run(story());
    assert_eq!(tree(&lab.www()), tree(&new.www()));
    check_links(&lab.www());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_order_and_number_of_runs_do_not_matter(
        shuffled in Just(story()).prop_shuffle(),
        cuts in proptest::collection::vec(0..700_usize, 0..4),
    ) {
        let one = Lab::new("Asia/Taipei");
        one.run(story());
        let many = Lab::new("Asia/Taipei");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(shuffled.len())).collect();
        cuts.extend([0, shuffled.len()]);
        cuts.sort();
        for pair in cuts.windows(2) {
            many.run(shuffled[pair[0]..pair[1]].iter().cloned());
            check_links(&many.www());
        }
        let (one, many) = (tree(&one.www()), tree(&many.www()));
        for (name, bytes) in &one {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            prop_assert_eq!(many.get(name).map(|b| text(b)), Some(text(bytes)), "{}", name);
        }
        prop_assert_eq!(one.len(), many.len());
    }
}

#[test]
fn days_are_dropped_by_their_age_and_no_link_is_left() {
    let mut lab = Lab::new("Asia/Taipei");
    lab.days = 2;
    lab.run(story());
    assert!(!lab.has("day/2001-08-04.html") && lab.has("day/2001-08-05.html"));
    // The incident of the day that was dropped goes on in the next one, and still begins where it began.
    assert!(lab.page("host/140.119.53.7.html").contains("source-20010804T120000Z"));
    check_links(&lab.www());
    let before = tree(&lab.www());
    lab.run([]);
    assert_eq!(tree(&lab.www()), before);
    // A late line of a day that was dropped does not bring it back.
    lab.run([found(finding("140.119.1.1", START, 300))]);
    assert_eq!(tree(&lab.www()), before);
    // A clock that was ahead drops nothing.
    lab.run([found(finding("140.119.1.1", START + 4000 * DAY, 300))]);
    assert!(lab.has("day/2001-08-05.html"));
    check_links(&lab.www());
}

#[test]
fn damaged_files_are_made_again_or_told() {
    let lab = Lab::new("Asia/Taipei");
    lab.run(story());
    let before = tree(&lab.www());
    let name = |end: &str| lab.store().join(format!("2001-08-05.{end}"));
    // A damaged course is computed again.
    for damage in [&b"junk"[..], b""] {
        fs::write(name("course"), damage).unwrap();
        let (said, _) = lab.run([]);
        assert_eq!((said, tree(&lab.www())), (vec![], before.clone()));
    }
    let mut course = fs::read(name("course")).unwrap();
    let middle = course.len() / 2;
    course[middle] ^= 1;
    fs::write(name("course"), &course).unwrap();
    lab.run([]);
    assert_eq!(tree(&lab.www()), before);
    // Findings are not, but the site says so until they are given again.
    let mut day = fs::read(name("findings.zst")).unwrap();
    let middle = day.len() / 2;
    day[middle] ^= 1;
    fs::write(name("findings.zst"), &day).unwrap();
    let (said, _) = lab.run(judged(START + DAY, WindowState::Ok));
    assert!(said[0].starts_with("2001-08-05: the file of this day is damaged"), "{said:?}");
    assert!(name("findings.damaged").exists());
    assert!(lab.page("day/2001-08-05.html").contains("The file of this day was damaged."));
    check_links(&lab.www());
    let (said, _) = lab.run(story());
    assert!(said.is_empty());
    let index = lab.page("index.html");
    assert!(index.contains("The file of 2001-08-05 was damaged."), "{index}");
    // A person who asks for all to be made again has given the findings.
    rebuild(&Store::open(&lab.store(), &lab.www()).unwrap()).unwrap();
    lab.run([]);
    assert_eq!(tree(&lab.www()), before);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let lab = Lab::new("UTC");
    lab.run(story());
    let date: jiff::civil::Date = "2001-08-05".parse().unwrap();
    let text = zstd::encode_all(&b"# nfkit-page-day 2\nwhat may be\n"[..], 1).unwrap();
    let path = lab.store().join(format!("{date}.findings.zst"));
    fs::write(&path, &text).unwrap();
    let store = Store::open(&lab.store(), &lab.www()).unwrap();
    let error = store.day(date).unwrap_err().to_string();
    assert!(error.contains("written by a newer version of nfpage (# nfkit-page-day 2)"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), text);
}

#[test]
fn files_of_others_are_neither_replaced_nor_removed() {
    let lab = Lab::new("Asia/Taipei");
    fs::create_dir_all(lab.www().join("host")).unwrap();
    for name in ["logo.png", "host/140.119.53.7.html", "host/notes.txt"] {
        fs::write(lab.www().join(name), "mine").unwrap();
    }
    let (_, written) = lab.run(story());
    assert_eq!(written.foreign, ["host/140.119.53.7.html"]);
    // It is told once.
    let (_, written) = lab.run(judged(START + 3 * DAY, WindowState::Ok));
    assert!(written.foreign.is_empty());
    for name in ["logo.png", "host/140.119.53.7.html", "host/notes.txt"] {
        assert_eq!(lab.page(name), "mine");
    }
}

#[test]
fn a_store_below_the_web_root_or_in_use_is_refused() {
    let lab = Lab::new("UTC");
    fs::create_dir(lab.www()).unwrap();
    let error = Store::open(&lab.www().join("store"), &lab.www()).unwrap_err().to_string();
    assert!(error.contains("so a web server would serve what pages hide"), "{error}");
    let _held = Store::open(&lab.store(), &lab.www()).unwrap();
    let error = Store::open(&lab.store(), &lab.www()).unwrap_err().to_string();
    assert!(error.ends_with("another nfpage is at work on it"), "{error}");
}

#[test]
fn a_file_that_a_killed_run_has_written_is_written_again() {
    let lab = Lab::new("UTC");
    lab.run(story());
    let before = tree(&lab.www());
    // It has the length that the manifest knows, and other bytes.
    let name = "host/140.119.53.7.html";
    let torn = vec![b'x'; before[name].len()];
    fs::write(lab.www().join(name), torn).unwrap();
    fs::write(lab.store().join("manifest.log"), format!("{name}\n")).unwrap();
    lab.run([]);
    assert_eq!(tree(&lab.www()), before);
}

#[test]
fn each_host_that_was_asked_for_has_a_page() {
    use super::traffic::{Entry, SlotTraffic};
    let lab = Lab::new("UTC");
    lab.run([]);
    let host = |n: u8| std::net::IpAddr::from([140, 119, 0, n]);
    let slot = |start| SlotTraffic {
        window: Window::new(start, 600).unwrap(),
        protocols: Vec::new(),
        addresses: (0..30)
            .map(|n| Entry { key: host(n), sent: Default::default(), received: Default::default() })
            .collect(),
        ports: Vec::new(),
        interfaces: Vec::new(),
    };
    let slots: Vec<SlotTraffic> = (0..20).map(|n| slot(START + 600 * n)).collect();
    let store = Store::open(&lab.store(), &lab.www()).unwrap();
    let (traffic, _) = update_traffic(&store, &lab.zone, &slots, None, None).unwrap();
    let history = History::update(&store, &Policy::new(Vec::new()), lab.days).unwrap();
    let hosts = Networks::new(["140.119.0.0/16".parse().unwrap()]);
    let options = Options { hosts, ..lab.options() };
    let tree = Tree::open(&lab.www(), &store, false).unwrap();
    write(&history, &options, &traffic, None::<&[u8]>, &store, tree).unwrap();
    assert!((0..30).all(|n| lab.has(&format!("host/140.119.0.{n}.html"))));
    check_links(&lab.www());
}

#[test]
fn many_incidents_stay_small_and_the_inside_attacker_is_on_top() {
    let lab = Lab::new("UTC");
    let forged = (0..100_000_u32).map(|n| {
        let host = Host::Address(Ipv4Addr::from_bits(0x0b00_0000 + n * 977).into());
        let side = Some(Side::Outside);
        found(Finding { host, side, ..finding("192.0.2.1", START, 10_000 + u64::from(n)) })
    });
    let inside = found(finding("140.119.53.7", START, 150));
    lab.run(forged.chain([inside]).chain(judged(START, WindowState::Ok)));
    let index = lab.page("index.html");
    assert!(index.len() < 110_000, "{}", index.len());
    let first = index.split("<tr data-side").nth(1).unwrap();
    assert!(first.contains("140.119.53.7"), "{first}");
    assert!(index.contains("1 of our hosts attacks"));
    let files = tree(&lab.www());
    let hosts = files.keys().filter(|name| name.starts_with("host/")).count();
    assert_eq!(hosts, 5_000);
    let bytes: usize = files.values().map(Vec::len).sum();
    assert!(bytes < 50_000_000, "{bytes}");
    for (name, page) in files.iter().filter(|(name, _)| name.starts_with("day/")) {
        assert!(page.len() < 130_000, "{name}: {}", page.len());
    }
    assert!(index.contains("88,001 findings of the newest day are not shown."), "{index}");
    check_links(&lab.www());
}

/// Returns every spelling of an address by which a reader could know it.
fn spellings(host: &str) -> Vec<String> {
    let address: std::net::IpAddr = host.parse().unwrap();
    let mut all = vec![address.to_string(), host.to_owned()];
    match address {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            all.push(v4.to_bits().to_string());
            all.push(format!("{:x}", v4.to_bits()));
            all.push(format!("{:X}", v4.to_bits()));
            all.push(format!("{d}.{c}.{b}.{a}.in-addr"));
            all.push(v4.to_ipv6_mapped().to_string());
            all.push(format!("{a}-{b}-{c}-{d}"));
            all.push(format!("{:x}:{:x}", u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
        }
        std::net::IpAddr::V6(v6) => {
            let full: Vec<String> =
                v6.segments().iter().map(|part| format!("{part:04x}")).collect();
            all.push(full.join(":"));
            all.push(full.join(""));
            all.push(address.to_string().replace(':', "-"));
            let digits = full.join("");
            all.push(digits.chars().rev().map(|c| c.to_string()).collect::<Vec<_>>().join("."));
        }
    }
    all
}

#[test]
fn the_masked_site_names_no_address_in_any_spelling() {
    let hosts = ["140.119.53.7", "2001:db8:1:2::77", "2002:8c77:3507::1", "::ffff:140.119.53.9"];
    let lab = Lab::new("Asia/Taipei");
    let mut items = story();
    for host in hosts {
        items.push(found(Finding {
            why: format!("hosts=300>=100,by={host}"),
            peer: vec![Peer { host: Host::parse("140.119.53.7").unwrap(), flows: Some(3) }],
            sample: vec![crate::finding::Sample {
                sip: host.parse().unwrap(),
                sport: 1025,
                dip: "140.119.53.7".parse().unwrap(),
                dport: 22,
                proto: 6,
            }],
            ..finding(host, START + 3 * DAY - 600, 300)
        }));
    }
    // Pages with addresses are there first, and are removed.
    lab.run(items);
    let masked = |key: &str| {
        let store = Store::open(&lab.store(), &lab.www()).unwrap();
        let history = History::update(&store, &Policy::new(Vec::new()), lab.days).unwrap();
        let options = lab.options();
        let key = MaskKey::open(&lab.dir.path().join(key), &lab.www()).unwrap();
        let tree = Tree::open(&lab.www(), &store, true).unwrap();
        write_masked(&history, &options, &key, &store, tree).unwrap();
        tree_of(&lab)
    };
    let one = masked("one");
    check_links(&lab.www());
    for (name, bytes) in &one {
        let text = String::from_utf8_lossy(bytes);
        for host in hosts.iter().chain(&["140.119.100.13", "2001:db8::9", "198.51.100.7"]) {
            for spelling in spellings(host) {
                assert!(
                    !text.contains(&spelling) && !name.contains(&spelling),
                    "{name}: {spelling}"
                );
            }
        }
    }
    assert!(String::from_utf8_lossy(&one["day/2001-08-04.html"]).contains("140.119.53.? ("));
    // Another key has no pseudonym of the first one.
    let names = |files: &BTreeMap<String, Vec<u8>>| -> BTreeSet<String> {
        let pages = files.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let parts = pages.flat_map(|page| {
            page.split("? (")
                .skip(1)
                .filter_map(|rest| rest.split_once(')').map(|(name, _)| name.to_owned()))
                .collect::<Vec<_>>()
        });
        parts.collect()
    };
    let two = masked("two");
    assert!(names(&one).len() >= 4, "{:?}", names(&one));
    assert!(names(&one).is_disjoint(&names(&two)));
    // With the first key again, all is as it was.
    assert_eq!(masked("one"), one);
}

fn tree_of(lab: &Lab) -> BTreeMap<String, Vec<u8>> {
    tree(&lab.www())
}

#[test]
fn traffic_is_kept_by_day_and_moves_with_the_zone() {
    use super::traffic::{Counts, ProtocolCounts, SlotTraffic};
    let lab = Lab::new("UTC");
    lab.run([]);
    let slot = |start| SlotTraffic {
        window: Window::new(start, 600).unwrap(),
        protocols: vec![ProtocolCounts {
            proto: 6,
            counts: Counts { flows: 3, packets: 9, octets: 360 },
        }],
        addresses: Vec::new(),
        ports: Vec::new(),
        interfaces: Vec::new(),
    };
    let slots = [slot(START), slot(START + 16 * HOUR), slot(START + 20 * HOUR)];
    let windows = |zone: &LocalTime, new: &[SlotTraffic]| -> (Vec<(String, usize)>, Vec<String>) {
        let store = Store::open(&lab.store(), &lab.www()).unwrap();
        set_zone(&store, zone).unwrap();
        let (days, said) = update_traffic(&store, zone, new, None, None).unwrap();
        let days = days.iter().map(|(date, day)| (date.to_string(), day.windows().count()));
        (days.collect(), said)
    };
    let (utc, taipei) = (local("UTC"), local("Asia/Taipei"));
    let days = |days: &[(&str, usize)]| -> Vec<(String, usize)> {
        days.iter().map(|(date, windows)| ((*date).to_owned(), *windows)).collect()
    };
    let of_utc = days(&[("2001-08-03", 1), ("2001-08-04", 2)]);
    for _ in 0..2 {
        assert_eq!(windows(&utc, &slots), (of_utc.clone(), vec![]));
    }
    assert_eq!(windows(&taipei, &[]).0, days(&[("2001-08-04", 3)]));
    assert_eq!(windows(&utc, &[]).0, of_utc);
    // A damaged file is set aside and told when more of its day comes.
    fs::write(lab.store().join("2001-08-04.traffic"), "junk").unwrap();
    assert_eq!(windows(&utc, &[]), (days(&[("2001-08-03", 1)]), vec![]));
    let (left, said) = windows(&utc, &slots[2..]);
    assert_eq!(left, days(&[("2001-08-03", 1), ("2001-08-04", 1)]));
    assert!(said[0].contains("the traffic of this day cannot be read"), "{said:?}");
    assert!(lab.store().join("2001-08-04.traffic.damaged").exists());
}

#[test]
fn text_of_the_input_is_escaped() {
    let lab = Lab::new("UTC");
    let nasty = "<script>alert(1)</script>";
    let finding = Finding {
        class: "x-y".to_owned(),
        marks: vec!["zz-zz".to_owned()],
        why: format!("{nasty}=1>=1,\u{202e}\"'&"),
        ..finding("140.119.53.7", START, 200)
    };
    lab.run([found(finding)]);
    let files = tree(&lab.www());
    let pages: BTreeSet<&String> = files
        .iter()
        .filter(|(name, bytes)| {
            name.ends_with(".html") && String::from_utf8_lossy(bytes).contains("<script>")
        })
        .map(|(name, _)| name)
        .collect();
    assert!(pages.is_empty(), "{pages:?}");
    let host = lab.page("host/140.119.53.7.html");
    assert!(host.contains("script") && !host.contains('\u{202e}'));
    assert!(!lab.page("findings.csv").contains("\n="));
}
