//! The manual pages describe exactly the options that the commands have.

use std::collections::BTreeSet;
use std::fs;

use crate::harness::{Run, TOOLS, installed, package, tool};

/// The commands of nfnotify.
const OF_NFNOTIFY: [&str; 17] = [
    "run", "plan", "list", "show", "history", "policy", "resolve", "claim", "ignore", "freeze",
    "receive", "test", "backup", "export", "import", "mail", "block",
];

/// Returns the long options that `--help` prints, for nfnotify those of all its commands.
fn options_in_help(name: &str) -> BTreeSet<String> {
    if name == "nfnotify" {
        let all = OF_NFNOTIFY.map(|of| options_of(tool(name).arg(of)));
        return all.into_iter().flatten().collect();
    }
    options_of(tool(name))
}

fn options_of(run: Run) -> BTreeSet<String> {
    let ran = run.arg("--help").run().ok();
    let lines = ran.text().lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let options =
        lines.filter_map(|line| line.split([' ', ',', '[']).find(|word| word.starts_with("--")));
    let options: BTreeSet<_> =
        options.map(|word| word[2..].trim_end_matches("...").to_owned()).collect();
    assert!(options.contains("help") && options.contains("version"), "{options:?}{ran}");
    options
}

/// Returns the text of a command's page.
fn page(name: &str) -> String {
    let section = if name == "nf-every10" { 8 } else { 1 };
    let path = package(&format!("man/{name}.{section}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the long options of a page: each `Fl Fl name`, wherever it stands.
fn options_in_page(name: &str) -> BTreeSet<String> {
    let page = page(name);
    let mut options = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with('.') && !line.starts_with(".\\\"")) {
        let words: Vec<_> = line.trim_start_matches('.').split_whitespace().collect();
        for three in words.windows(3) {
            if three[0] == "Fl" && three[1] == "Fl" {
                options.insert(three[2].split('=').next().unwrap().replace("\\-", "-"));
            }
        }
    }
    options
}

fn assert_options_agree(name: &str) {
    let (options_in_help, options_in_page) = (options_in_help(name), options_in_page(name));
    let missing: Vec<_> = options_in_help.difference(&options_in_page).collect();
    assert!(missing.is_empty(), "man/{name}.1 says nothing of {missing:?}");
    let unknown: Vec<_> = options_in_page.difference(&options_in_help).collect();
    assert!(unknown.is_empty(), "man/{name}.1 has {unknown:?}, which {name} --help does not");
}

#[test]
fn nfcap_and_its_page_agree() {
    assert_options_agree("nfcap");
}

#[test]
fn nf_every10_and_its_page_agree() {
    assert_options_agree("nf-every10");
}

#[test]
fn nfdump_txt_and_its_page_agree() {
    assert_options_agree("nfdump-txt");
}

#[test]
fn nftop_and_its_page_agree() {
    assert_options_agree("nftop");
}

#[test]
fn nfscan_and_its_page_agree() {
    assert_options_agree("nfscan");
}

#[test]
fn nfflood_and_its_page_agree() {
    assert_options_agree("nfflood");
}

#[test]
fn nfport_and_its_page_agree() {
    assert_options_agree("nfport");
}

#[test]
fn nfgen_and_its_page_agree() {
    assert_options_agree("nfgen");
}

#[test]
fn nfgens_page_lists_every_kind_of_host_and_its_size() {
    let page = fs::read_to_string(package("man/nfgen.1")).unwrap();
    let help = tool("nfgen").arg("--help").run().ok();
    for actor in nfkit::scenario::Actor::ALL {
        let item = format!(".It Cm {actor} Pq {}", actor.size());
        assert!(page.lines().any(|line| line == item), "man/nfgen.1 has no {item:?}");
        let about = actor.about();
        let line =
            |line: &str| line.trim_start().starts_with(actor.name()) && line.ends_with(about);
        assert!(help.text().lines().any(line), "{help}");
        if let Some(class) = actor.class() {
            let row = |line: &&str| {
                line.starts_with(".It Cm ") && line.ends_with(&format!("Ta Li {class}"))
            };
            let mut rows = page.lines().filter(row).flat_map(|row| row.split([' ', ',']));
            assert!(rows.any(|word| word == actor.name()), "man/nfgen.1: class of {actor}");
        }
    }
}

#[test]
fn nfgrep_and_its_page_agree() {
    assert_options_agree("nfgrep");
}

#[test]
fn nfnotify_and_its_page_agree() {
    assert_options_agree("nfnotify");
    let page = page("nfnotify");
    for name in OF_NFNOTIFY {
        let has =
            |line: &str| line.starts_with(".Ss ") && line[4..].split(", ").any(|of| of == name);
        assert!(page.lines().any(has), "man/nfnotify.1 has no .Ss {name}");
    }
}

#[test]
fn nfpage_and_its_page_agree() {
    assert_options_agree("nfpage");
}

#[test]
fn every_option_is_described_and_not_only_listed() {
    for name in TOOLS.into_iter().chain(["nfcap", "nf-every10", "nfpage", "nfnotify"]) {
        let page = page(name);
        for option in options_in_help(name) {
            let described = page
                .lines()
                .any(|line| line.starts_with(".It") && line.contains(&format!("Fl Fl {option}")));
            assert!(described, "man/{name}.1 has no .It for --{option}");
        }
    }
}

#[test]
fn mandoc_finds_no_fault_in_any_page() {
    let mut pages: Vec<_> =
        fs::read_dir(package("man")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    assert!(!pages.is_empty());
    let Some(mandoc) = installed("mandoc") else { return };
    mandoc.args(["-T", "lint", "-W", "warning"]).args(&pages).run().ok().mute();
}
