//! The examples of nfnotify(1), nfkit-incident(5) and nfpage(1), run as they are printed there.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{CONTACTS, FLOOD, SCAN, Site, window};
use crate::harness::{installed, package, tool};

/// A literal block of a page.
enum Block {
    /// A file, such as a configuration.
    File(String),
    /// Commands, each with the output that it should have.
    Session(Vec<(String, String)>),
    /// Commands of root.
    Root(Vec<(String, String)>),
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
        let Some(prompt) = ["$ ", "# "].into_iter().find(|prompt| lines[0].starts_with(prompt))
        else {
            blocks.push(Block::File(lines.join("\n") + "\n"));
            continue;
        };
        let mut session: Vec<(String, String)> = Vec::new();
        for line in lines {
            if let Some(command) = line.strip_prefix(prompt) {
                session.push((command.to_owned(), String::new()));
                continue;
            }
            let (command, output) = session.last_mut().unwrap();
            match line.strip_prefix("> ").filter(|_| output.is_empty()) {
                Some(more) => *command += &format!("\n{more}"),
                None => *output += &format!("{line}\n"),
            }
        }
        blocks.push(if prompt == "$ " { Block::Session(session) } else { Block::Root(session) });
    }
    assert!(!blocks.is_empty(), "{page}: {heading}");
    blocks
}

/// Returns the findings that all examples are about.
fn day() -> String {
    (0..3).map(|n| window(n, if n == 0 { &[SCAN][..] } else { &[SCAN, FLOOD] })).collect()
}

/// Runs commands on a site, and compares their output. `places`: paths of the page, and those of the site that stand
/// for them.
fn assert_session_holds(
    site: &Site,
    page: &str,
    session: &[(String, String)],
    places: &[(&str, String)],
) {
    let tools = Path::new(env!("CARGO_BIN_EXE_nfnotify")).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    for (command, expected) in session {
        let there = |text: &str| {
            places.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &there(command)])
            .current_dir(site.0.dir())
            .env("PATH", &path)
            .env("NFKIT_CONFIG", site.0.path("nfkit.toml"))
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        let ran = shell.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{page}: {command}\n{}\n{said}", ran.status);
        let out = String::from_utf8(ran.stdout).unwrap();
        let here = places.iter().filter(|(from, _)| from.starts_with('/'));
        let out = here.fold(out, |out, (from, to)| out.replace(to, from));
        let out = out.replace(&site.0.dir().display().to_string(), "/etc/nfkit");
        assert_eq!(&out, expected, "{page}: {command}\n{said}");
    }
}

/// Runs the sessions of a section, with its configuration, on the site that all examples are about.
fn assert_examples_hold(page: &str, heading: &str) {
    let site = Site::new("");
    site.0.write("day.findings", day());
    let dir = site.0.dir().display().to_string();
    let memory = format!("[incident]\ndb = \"{dir}/memory/incidents.db\"\n");
    let places = [("/var/lib/nfkit/incidents", format!("{dir}/memory"))];
    let mut commands = 0;
    for block in blocks(page, heading) {
        match block {
            Block::File(text) if text.starts_with("[site]") => {
                site.0.write("nfkit.toml", text + &memory);
            }
            Block::File(text) => {
                assert_eq!(text, CONTACTS, "{page}: the contacts of the example");
            }
            Block::Session(session) => {
                assert_session_holds(&site, page, &session, &places);
                commands += session.len();
            }
            Block::Root(_) => panic!("{page}: a command of root is not run"),
        }
    }
    assert!(commands > 2, "{page}: {commands} commands");
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

#[test]
fn nfpages_examples_print_what_they_promise() {
    let page = "man/nfpage.1";
    let site = Site::new("");
    site.0.write("day.findings", day());
    site.take_in(31, &day());
    let dir = site.0.dir().display().to_string();
    let places = [
        ("/var/lib/nfkit/incidents", format!("{dir}/memory")),
        ("/var/lib/nfkit/page-store", format!("{dir}/page-store")),
        ("/srv/www", format!("{dir}/srv")),
        (" -o nfkit", String::new()),
        ("runuser -u nfkit -- ", String::new()),
    ];
    let groups = fs::read_to_string("/etc/group").unwrap();
    let has_group = groups.lines().any(|line| line.starts_with("www-data:"));
    let mut sessions = 0;
    for block in blocks(page, ".Sh EXAMPLES") {
        match block {
            Block::Session(session) => {
                assert_session_holds(&site, page, &session, &places);
                sessions += 1;
            }
            Block::Root(session) if has_group && nix::unistd::geteuid().is_root() => {
                assert_session_holds(&site, page, &session, &places);
            }
            Block::Root(_) => eprintln!("skipped: the example of root, without root or www-data"),
            Block::File(text) => {
                let text = text.replace("/srv/www/nfkit", &format!("{dir}/configured"));
                let file = site.0.write("page.toml", text);
                let run = tool("nfpage").arg("--config").arg(file).stdin(day());
                run.run().ok().mute();
                let index = site.0.text("configured/index.html");
                assert!(index.contains("Our campus: hosts that stand out"), "{index}");
                assert!(index.contains("Asia/Taipei"), "{index}");
            }
        }
    }
    assert_eq!(sessions, 5);
}

/// The table of nfpage(1) has each file of a site, and the entries have each key of its state.
#[test]
fn nfpages_page_names_each_file_and_each_key_of_the_state() {
    let text = fs::read_to_string(package("man/nfpage.1")).unwrap();
    let section = |name: &str| {
        let (_, section) = text.split_once(&format!("\n.Ss {name}\n")).unwrap();
        section.split("\n.Ss ").next().unwrap().to_owned()
    };
    let files = section("The files of the site");
    let rows = files.lines().filter_map(|line| line.strip_prefix(".It Pa ")?.split(" Ta ").next());
    let named: Vec<&str> = rows.flat_map(|row| row.split(" , ")).collect();
    let site = Site::new("");
    let www = site.0.path("www");
    tool("nfpage").arg("-w").arg(&www).stdin(day()).run().ok().mute();
    let mut seen = 0;
    for entry in fs::read_dir(&www).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_named = named.iter().any(|row| match row.split_once('*') {
            Some((stem, end)) => name.starts_with(stem) && name.ends_with(end),
            None if entry.path().is_dir() => row.starts_with(&format!("{name}/")),
            None => *row == name,
        });
        assert!(is_named, "man/nfpage.1 has no row for {name}: {named:?}");
        seen += 1;
    }
    assert!(seen > 12, "{seen} files");

    let keys = section("Files for monitors");
    let described: Vec<&str> =
        keys.lines().filter_map(|line| line.strip_prefix(".It Li ")).collect();
    let state: serde_json::Value = serde_json::from_str(&site.0.text("www/status.json")).unwrap();
    let state: Vec<&String> = state.as_object().unwrap().keys().collect();
    assert!(state.iter().all(|key| described.contains(&key.as_str())), "{state:?} {described:?}");
    assert_eq!(state.len(), described.len(), "{described:?}");
    let lines = site.0.text("www/status.txt");
    let short: Vec<&str> = lines.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert!(short.iter().all(|key| described.contains(key)), "{short:?}");
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
