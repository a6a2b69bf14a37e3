//! The examples of nfnotify(1) and nfkit-incident(5) about incidents, run as they are printed there.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{CONTACTS, FLOOD, SCAN, Site, window};
use crate::harness::{installed, package};

/// A literal block of a page.
enum Block {
    /// A file, such as a configuration.
    File(String),
    /// Commands, each with the output that it should have.
    Session(Vec<(String, String)>),
}

/// Returns a line of mdoc(7) as it is shown.
fn shown(line: &str) -> String {
    line.replace("\\(dq", "\"").replace("\\&", "").replace("\\e", "\\")
}

/// Returns the literal blocks of a section of a page, which begins with this line.
fn blocks(page: &str, heading: &str) -> Vec<Block> {
    let text = fs::read_to_string(package(page)).unwrap();
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap();
    let ends = ["\n.Sh ", "\n.Ss "].iter().filter_map(|end| section.find(end)).min();
    let section = &section[..ends.unwrap()];
    let mut blocks = Vec::new();
    for block in section.split("\n.Bd -literal -offset 2n\n").skip(1) {
        let (block, _) = block.split_once("\n.Ed").unwrap();
        let lines: Vec<String> = block.lines().map(shown).collect();
        if !lines[0].starts_with("$ ") {
            blocks.push(Block::File(lines.join("\n") + "\n"));
            continue;
        }
        let mut session: Vec<(String, String)> = Vec::new();
        for line in lines {
            if let Some(command) = line.strip_prefix("$ ") {
                session.push((command.to_owned(), String::new()));
                continue;
            }
            let (command, output) = session.last_mut().unwrap();
            match line.strip_prefix("> ").filter(|_| output.is_empty()) {
                Some(more) => *command += &format!("\n{more}"),
                None => *output += &format!("{line}\n"),
            }
        }
        blocks.push(Block::Session(session));
    }
    assert!(!blocks.is_empty(), "{page}: {heading}");
    blocks
}

/// Runs the sessions of a section, with its configuration, on the site that all examples are about.
fn assert_examples_hold(page: &str, heading: &str) {
    let site = Site::new("");
    let both: Vec<String> =
        (0..3).map(|n| window(n, if n == 0 { &[SCAN][..] } else { &[SCAN, FLOOD] })).collect();
    site.0.write("day.findings", both.concat());
    let dir = site.0.dir().display().to_string();
    let memory = format!("[incident]\ndb = \"{dir}/memory/incidents.db\"\n");
    let tools = Path::new(env!("CARGO_BIN_EXE_nfnotify")).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut sessions = 0;
    for block in blocks(page, heading) {
        let session = match block {
            Block::File(text) if text.starts_with("[site]") => {
                site.0.write("nfkit.toml", text + &memory);
                continue;
            }
            Block::File(text) => {
                assert_eq!(text, CONTACTS, "{page}: the contacts of the example");
                continue;
            }
            Block::Session(session) => session,
        };
        for (command, expected) in session {
            let mut shell = Command::new("sh");
            shell
                .args([
                    "-euc",
                    &command.replace("/var/lib/nfkit/incidents", &format!("{dir}/memory")),
                ])
                .current_dir(site.0.dir())
                .env("PATH", &path)
                .env("NFKIT_CONFIG", site.0.path("nfkit.toml"))
                .env("LC_ALL", "C")
                .env("TZ", "UTC");
            let ran = shell.output().unwrap();
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{page}: {command}\n{}\n{said}", ran.status);
            let out = String::from_utf8(ran.stdout).unwrap();
            let out = out.replace(&format!("{dir}/memory"), "/var/lib/nfkit/incidents");
            let out = out.replace(&dir, "/etc/nfkit");
            assert_eq!(out, expected, "{page}: {command}\n{said}");
            sessions += 1;
        }
    }
    assert!(sessions > 2, "{page}: {sessions} commands");
}

#[test]
fn nfnotifys_examples_of_incidents_print_what_they_promise() {
    assert_examples_hold("man/nfnotify.1", ".Ss An incident from its finding to its end");
}

#[test]
fn the_examples_of_the_format_print_what_they_promise() {
    if installed("jq").is_some() {
        assert_examples_hold("man/nfkit-incident.5", ".Sh EXAMPLES");
    }
}

/// Each column of the table has its entry in the manual, in order.
#[test]
fn nfnotifys_page_describes_each_column_of_the_list() {
    let text = fs::read_to_string(package("man/nfnotify.1")).unwrap();
    let (_, section) = text.split_once("\n.Ss list\n").unwrap();
    let (section, _) = section.split_once("\n.Ss ").unwrap();
    let described: Vec<_> =
        section.lines().filter_map(|line| line.strip_prefix(".It Li ")).collect();
    let site = super::attacked("");
    let list = site.nfnotify(&["list"]).run().ok();
    assert_eq!(super::rows(list.text())[0], described);
}

/// Each clause of a block has its entry in the manual.
#[test]
fn nfnotifys_page_describes_each_clause() {
    let text = fs::read_to_string(package("man/nfnotify.1")).unwrap();
    let (_, section) = text.split_once("\n.Ss plan\n").unwrap();
    let (section, _) = section.split_once("\n.Ss ").unwrap();
    let items = section.lines().filter_map(|line| line.strip_prefix(".It Cm "));
    let described: Vec<&str> = items.flat_map(|item| item.split(" , ")).collect();
    let site = super::attacked("");
    let plan = site.nfnotify(&["plan", "1", "--json"]).run().status(0);
    let incident = plan.text().lines().find(|line| line.contains("\"type\":\"incident\"")).unwrap();
    let incident: serde_json::Value = serde_json::from_str(incident).unwrap();
    let clauses = incident["clauses"].as_array().unwrap().iter();
    let names: Vec<&str> = clauses.map(|clause| clause["name"].as_str().unwrap()).collect();
    assert_eq!(names, described);
}

/// Each key of a line has its entry in the manual.
#[test]
fn the_format_describes_each_key() {
    let text = fs::read_to_string(package("man/nfkit-incident.5")).unwrap();
    let section = |name: &str| -> Vec<String> {
        let (_, section) = text.split_once(&format!("\n.Ss {name}\n")).unwrap();
        let section = section.split("\n.Ss ").next().unwrap();
        let items = section.lines().filter_map(|line| line.strip_prefix(".It Li "));
        items.flat_map(|item| item.split(" , ")).map(str::to_owned).collect()
    };
    let site = super::attacked("");
    let lines = site.memory("incidents.jsonl");
    let incident: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    for (name, value) in [
        ("An incident", &incident),
        ("A matter", &incident["matters"][0]),
        ("A row of the journal", &incident["journal"][0]),
    ] {
        let described = section(name);
        for key in value.as_object().unwrap().keys() {
            assert!(described.contains(key), "{name}: {key} is not in {described:?}");
        }
        if name != "A row of the journal" {
            let known = |key: &String| value.get(key).is_some();
            assert!(described.iter().all(known), "{name}: {described:?}");
        }
    }
}
