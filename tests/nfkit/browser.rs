//! Real browsers for the pages: Debian's Chromium and Firefox, axe-core and html-validate hold a static
//! site to the rules of `tests/browser`.
//!
//! [`check`] takes any site and returns a [`Report`]. Two sites written by hand hold the rules
//! themselves: `tests/data/browser/good` has no violation, and each page of `tests/data/browser/bad` has one
//! fault, which must be found, where it is, and no other with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::golden::golden;
use crate::harness::{Ran, Run, installed, package, skipped};

/// The policy of each page (design of the site, section 4).
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                          base-uri 'none'; form-action 'none'";

/// The status of `tests/browser/run` if a program or the package registry is missing.
const MISSING: i32 = 77;

/// The time after which the checks count as hanging: packages are fetched in it once, and other tests run beside.
const LIMIT: Duration = Duration::from_secs(600);

/// A caller's expectations of a site, beside the rules.
#[derive(Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The Content-Security-Policy of each page. `None` asks for none.
    pub policy: Option<&'a str>,
    /// Prefixes of the foreign links that are allowed.
    pub allow: &'a [&'a str],
    /// The pages whose accessibility tree is wanted.
    pub trees: &'a [&'a str],
    /// The number of pages, spread over the site, that html-validate reads beside those visited. `None` is all:
    /// a page of 10 kB takes 20 ms or more.
    pub markup: Option<usize>,
    /// The clock of the pages' scripts, such as `2001-08-04T17:30:00Z`. `None` is the real one.
    pub now: Option<&'a str>,
}

/// The result of the checks.
#[derive(Debug, Deserialize)]
pub struct Report {
    pub violations: Vec<Violation>,
    /// The figures of each visited page, such as `height_360` in CSS pixels and `bytes`.
    pub figures: BTreeMap<String, BTreeMap<String, u64>>,
    /// The accessibility trees that were asked for, by page.
    pub trees: BTreeMap<String, String>,
    /// The numbers of files, links, layouts, stops of the keyboard and so on that were looked at.
    pub checked: BTreeMap<String, u64>,
    skipped: Vec<String>,
}

/// A broken rule.
#[derive(Debug, Deserialize)]
pub struct Violation {
    pub rule: String,
    pub page: String,
    /// The views with the fault, such as `http 360 dark`. Empty for a fault of the file itself.
    #[serde(rename = "where")]
    pub views: Vec<String>,
    pub what: String,
}

impl Report {
    /// Asserts that the site breaks no rule.
    #[track_caller]
    pub fn ok(&self) {
        let say = |one: &Violation| {
            format!("{}: {}: {} ({})", one.rule, one.page, one.what, one.views.join(", "))
        };
        let said: Vec<String> = self.violations.iter().map(say).collect();
        assert!(said.is_empty(), "{} violations\n{}", said.len(), said.join("\n"));
    }

    /// Returns a figure of a page.
    #[track_caller]
    pub fn figure(&self, page: &str, name: &str) -> u64 {
        let figures = self.figures.get(page).unwrap_or_else(|| panic!("{page} was not visited"));
        *figures.get(name).unwrap_or_else(|| panic!("{page} has no {name}: {figures:?}"))
    }
}

/// Holds the site in a directory to the rules. The browsers visit `pages`; links are checked in all files,
/// and markup as [`Expected::markup`] says. Returns `None`, and reports a skipped test, without Chromium, Node.js, npm, or the
/// packages of `tests/browser/package-lock.json`.
#[track_caller]
pub fn check(site: &Path, pages: &[&str], expected: &Expected) -> Option<Report> {
    let mut wanted = json!({
        "pages": pages,
        "allow": expected.allow,
        "trees": expected.trees,
    });
    if let Some(policy) = expected.policy {
        wanted["policy"] = policy.into();
    }
    if let Some(markup) = expected.markup {
        wanted["markup"] = markup.into();
    }
    if let Some(now) = expected.now {
        wanted["now"] = now.into();
    }
    check_as(site, &wanted)
}

/// Prepares a run of a script of `tests/browser`. Returns `None`, and reports a skipped test, without Chromium,
/// Node.js or npm.
fn script(name: &str) -> Option<Run> {
    let programs = ["node", "npm", "chromium"];
    if programs.iter().any(|program| installed(program).is_none()) {
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let run = installed(package("tests/browser/run").to_str().unwrap()).unwrap();
    Some(run.arg(name).env("CARGO_TARGET_DIR", target).limit(LIMIT))
}

/// Runs a script. Returns `None`, and reports a skipped test, without the packages that it needs.
fn run_script(run: Run) -> Option<Ran> {
    let ran = run.run();
    if ran.status.code() == Some(MISSING) {
        skipped(format_args!("no browser: {}", ran.err.trim()));
        return None;
    }
    Some(ran)
}

/// Returns the cells of a column, counted from 0, of a page's list after a click on its heading. Returns `None`, and
/// reports a skipped test, as [`check`] does.
#[track_caller]
pub fn sorted(site: &Path, page: &str, column: usize) -> Option<Vec<String>> {
    let run = script("sort.mjs")?.arg(site).arg(page).arg(column.to_string());
    let ran = run_script(run)?.ok();
    Some(ran.text().lines().map(str::to_owned).collect())
}

/// Holds a site to the rules with the expectations that `tests/browser/check.mjs` reads.
#[track_caller]
fn check_as(site: &Path, expected: &serde_json::Value) -> Option<Report> {
    let run = script("check.mjs")?.arg(site).arg("-").stdin(expected.to_string());
    let ran = run_script(run)?;
    assert!(matches!(ran.status.code(), Some(0 | 1)), "the checks failed{ran}");
    let report: Report = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(ran.status.code(), Some(i32::from(!report.violations.is_empty())), "status{ran}");
    for what in &report.skipped {
        skipped(what);
    }
    Some(report)
}

const GOOD: [&str; 5] =
    ["index.html", "figures.html", "about.html", "day/2001-08-04.html", "host/140.119.53.7.html"];

#[test]
fn a_good_site_breaks_no_rule() {
    let expected = Expected {
        policy: Some(POLICY),
        allow: &["https://www.rfc-editor.org/"],
        trees: &["index.html"],
        markup: None,
        now: Some("2001-08-04T09:42:00Z"),
    };
    let site = package("tests/data/browser/good");
    let Some(report) = check(&site, &GOOD, &expected) else { return };
    report.ok();
    golden("browser/index.tree", report.trees["index.html"].as_bytes());

    // Nothing passes because it was not looked at.
    let checked = |what: &str| report.checked.get(what).copied().unwrap_or_default();
    assert_eq!(checked("files"), 9, "pages, feed, pictures and style sheet");
    assert_eq!(checked("validated"), 5);
    // Over file:// and HTTP, each with and without scripts: three widths in three media, two of them at
    // 200 %, and paper.
    assert_eq!(checked("layouts"), 5 * 2 * 2 * (3 * 3 + 2 + 1));
    assert_eq!(checked("printed"), 5 * 2);
    // Narrow and wide, light and dark.
    assert_eq!(checked("axe"), 5 * 2 * 4);
    // The link to the content, four pages, three radio buttons as one, the table, its button and three links.
    assert_eq!(report.figure("index.html", "stops"), 11);
    assert_eq!(checked("stops") % 6, 0, "as many stops in each of six walks");
    assert_eq!(report.figure("index.html", "requests"), 3, "page, style sheet and script");
    assert_eq!(report.figure("about.html", "axe_undecided"), 0);
    let (narrow, wide) =
        (report.figure("index.html", "height_360"), report.figure("index.html", "height_1440"));
    assert!(narrow > wide && wide > 300, "{narrow} {wide}");
}

/// A page of the bad site, the part of the checks that must find its fault, the rules that it breaks,
/// and words that all views of the fault have.
type Fault = (&'static str, &'static str, &'static [&'static str], &'static str);

/// The faults of `tests/data/browser/bad`. `file` stands for what needs no browser.
const FAULTS: &[Fault] = &[
    ("scroll.html", "visits", &["scroll"], ""),
    ("zoom.html", "visits", &["scroll"], "zoom"),
    ("dark.html", "visits", &["scroll"], "dark forced"),
    ("forced.html", "visits", &["scroll"], "forced"),
    ("print.html", "visits", &["scroll"], "print"),
    ("heading.html", "visits", &["heading"], "print"),
    ("scriptless.html", "visits", &["scroll"], "without"),
    ("viewport.html", "visits", &["viewport"], "360"),
    ("console.html", "visits", &["console"], ""),
    ("throw.html", "visits", &["error"], ""),
    ("http.html", "visits", &["console"], "http"),
    ("file.html", "visits", &["console"], "file"),
    ("foreign.html", "visits", &["foreign", "policy"], ""),
    ("csp.html", "visits", &["csp"], ""),
    ("csp-style.html", "visits", &["csp", "markup"], ""),
    ("request.html", "visits", &["request"], ""),
    ("axe.html", "axe", &["axe"], "axe"),
    ("axe-dark.html", "axe", &["axe"], "dark"),
    ("axe-narrow.html", "axe", &["axe"], "360"),
    ("keyboard.html", "keyboard", &["keyboard"], "keyboard"),
    ("hidden-radio.html", "keyboard", &["keyboard"], "keyboard"),
    ("tabindex.html", "keyboard", &["keyboard"], "keyboard"),
    ("arrows.html", "keyboard", &["keyboard"], "keyboard"),
    ("focus.html", "keyboard", &["focus"], "keyboard"),
    ("focus-forced.html", "keyboard", &["focus"], "forced"),
    ("covered.html", "keyboard", &["focus"], "keyboard"),
    ("order.html", "keyboard", &["order"], "keyboard"),
    ("trap.html", "keyboard", &["trap"], "keyboard"),
    ("firefox.html", "firefox", &["scroll"], "firefox"),
    ("firefox-console.html", "firefox", &["console"], "firefox"),
    ("firefox-csp.html", "firefox", &["csp"], "firefox"),
    ("policy.html", "file", &["policy"], ""),
    ("late-policy.html", "file", &["policy"], ""),
    ("markup.html", "file", &["markup"], ""),
    ("feed.atom", "file", &["markup"], ""),
    ("link.html", "file", &["link"], ""),
    ("slash.html", "file", &["link"], ""),
    ("outside.html", "file", &["link"], ""),
    ("folder.html", "file", &["link"], ""),
    ("anchor.html", "file", &["anchor"], ""),
    ("foreign-link.html", "file", &["foreign-link"], ""),
    ("style.css", "file", &["link"], ""),
];

#[test]
fn each_fault_of_a_bad_site_is_found_and_no_other() {
    let site = package("tests/data/browser/bad");
    let pages = std::fs::read_dir(&site).unwrap().map(|entry| entry.unwrap().file_name());
    let pages: BTreeSet<String> = pages.map(|name| name.into_string().unwrap()).collect();
    let pages = pages.iter().filter(|name| name.ends_with(".html")).map(String::as_str);
    let named = FAULTS.iter().map(|fault| fault.0).filter(|name| name.ends_with(".html"));
    assert_eq!(pages.collect::<BTreeSet<_>>(), named.collect(), "pages, and faults named here");

    let of = |part: &str| {
        let faults = FAULTS.iter().filter(|fault| fault.1 == part);
        faults.map(|fault| fault.0).collect::<Vec<_>>()
    };
    let expected = json!({
        "pages": [],
        "visits": of("visits"),
        "axe": of("axe"),
        "keyboard": of("keyboard"),
        "firefox": of("firefox"),
        "policy": POLICY,
    });
    let Some(report) = check_as(&site, &expected) else { return };
    let has_firefox = report.skipped.is_empty();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in &report.violations {
        found.entry(&one.page).or_default().insert(&one.rule);
    }
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (page, part, rules, _) in FAULTS {
        if *part != "firefox" || has_firefox {
            wanted.insert(page, rules.iter().copied().collect());
        }
    }
    assert_eq!(found, wanted, "{:#?}", report.violations);

    for (page, part, _, words) in FAULTS.iter().filter(|fault| wanted.contains_key(fault.0)) {
        for one in report.violations.iter().filter(|one| one.page == *page) {
            let is_file = *part == "file" || ["policy", "markup"].contains(&one.rule.as_str());
            assert_eq!(one.views.is_empty(), is_file, "{one:?}");
            let is_there = |view: &String| {
                let mut all = words.split(' ');
                words.is_empty() || all.any(|word| view.split(' ').any(|part| part == word))
            };
            assert!(one.views.iter().all(is_there), "{words}: {one:?}");
            // The policy is in force without scripts, too.
            if *page == "csp-style.html" && one.rule == "csp" {
                assert!(one.views.iter().any(|view| view.contains("without scripts")), "{one:?}");
            }
            // The narrow fault does not show where there is room.
            if *page == "scroll.html" {
                assert!(one.views.iter().all(|view| !view.contains("1440")), "{one:?}");
            }
        }
    }
}

/// A site that is not there, or has no such page, is no clean site.
#[test]
fn a_site_that_cannot_be_checked_fails() {
    let expected = json!({ "pages": ["none.html"] });
    let site = package("tests/data/browser/good");
    let ended = std::panic::catch_unwind(|| check_as(&site, &expected));
    let Err(said) = ended else {
        // Skipped.
        assert!(ended.unwrap().is_none());
        return;
    };
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("none.html is to be visited and is not in"), "{said}");
}
