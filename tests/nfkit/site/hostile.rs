//! Hostile text in what the site is made of, input that cannot be read, and directories that cannot be written.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{FIELDS, Found, check_links, files, nfpage, whole};
use crate::harness::{Ran, Scene, tool};
use crate::nfcap::faults::Mount;

/// 2001-08-04T04:00:00Z.
const START: u64 = 996_897_600;

/// Text that would be a script, turn the reading direction around, or end a line.
const NASTY: &str = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[2J\u{7}\u{2028}\nx";

/// Returns two hours in which two hosts stand out.
fn findings() -> String {
    let mut text = FIELDS.to_owned();
    for start in (START..START + 7200).step_by(600) {
        text += &whole(start, 600);
        text += &Found::scan("140.119.53.7", start).line();
        text += &Found::flood("140.119.53.9", start).line();
    }
    text
}

/// Returns the lines of `incidents.jsonl` that nfnotify makes of the findings.
fn records() -> Vec<Value> {
    let scene = Scene::new();
    scene.write(
        "contacts.csv",
        "network,mail,name\n140.119.0.0/16,net@example.edu,Network Operation\n",
    );
    let config = "[site]\ncontacts = 'contacts.csv'\noperator = 'op@example.edu'\n\
                  [incident]\ndb = 'memory/incidents.db'\n";
    let config = scene.write("nfkit.toml", config);
    let run = tool("nfnotify").args(["run", "--now", "2001-08-04T06:10:00Z"]);
    run.env("NFKIT_CONFIG", config).arg(scene.write("findings", findings())).run().ok();
    let lines = scene.text("memory/incidents.jsonl");
    let records: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2, "{lines}");
    records
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// Asserts that no page has an element or a character of the hostile text.
#[track_caller]
fn assert_clean(made: &BTreeMap<String, Vec<u8>>) {
    assert!(made.len() > 10);
    for (name, bytes) in made {
        let text = std::str::from_utf8(bytes).unwrap();
        let is_data = [".html", ".atom"].iter().any(|end| name.ends_with(end));
        assert!(!is_data || !text.contains("<script>"), "{name}: {text}");
        let is_hidden = |c: char| {
            (c.is_control() && !matches!(c, '\n' | '\r')) || "\u{202e}\u{2028}\u{200b}".contains(c)
        };
        // The style sheet and the script are our own.
        let control = text.chars().find(|c| is_hidden(*c) && *c != '\t');
        assert_eq!(control, None, "{name}: {text}");
    }
}

#[test]
fn hostile_text_of_the_incident_database_is_escaped() {
    let scene = Scene::new();
    let mut hostile = records();
    for record in &mut hostile {
        record["owner"] = json!([NASTY, "x".repeat(200_000)]);
        record["what"] = json!(NASTY);
        record["policy"] = json!(NASTY);
        record["next"]["what"] = json!(NASTY.repeat(1000));
        record["next"]["why"] = json!(NASTY);
        record["claim"] = json!({"at": "2001-08-04T05:00:00Z", "by": NASTY, "why": NASTY});
        for row in record["journal"].as_array_mut().unwrap() {
            for key in ["actor", "from", "to", "reason"] {
                row[key] = json!(NASTY);
            }
        }
    }
    let path = scene.write("incidents.jsonl", lines(&hostile));
    nfpage(&scene).arg("--incidents").arg(path).stdin(findings()).run().ok().mute();
    let made = files(&scene.path("www"));
    assert_clean(&made);
    check_links(&made, "hostile records");
    let index = scene.text("www/index.html");
    assert_eq!(index.matches("<tr data-side").count(), 2, "{index}");
    assert!(index.contains(">Owner<") && index.contains("&#60;script&#62;alert(1)"), "{index}");
    assert!(index.len() < 20_000, "{}", index.len());
    let host = scene.text("www/host/140.119.53.7.html");
    assert!(host.contains("&#60;script&#62;alert(1)") && host.contains("\\u{202e}"), "{host}");
}

#[test]
fn records_that_cannot_be_read_cost_their_lines_only() {
    let scene = Scene::new();
    let good = records();
    let bad = "not JSON\n{}\n{\"id\":1}\n\u{0}\n";
    let path =
        scene.write("incidents.jsonl", format!("{}{bad}{}", lines(&good[..1]), lines(&good[1..])));
    let ran = nfpage(&scene).arg("--incidents").arg(&path).stdin(findings()).run().status(1).mute();
    let ran = ran.says("incidents.jsonl: line 2: ").says_lines(1);
    ran.says("and 3 more lines that cannot be read");
    let made = files(&scene.path("www"));
    check_links(&made, "bad records");
    let index = scene.text("www/index.html");
    // Both good lines count, and the columns are there.
    assert!(index.contains(">Owner<"), "{index}");
    assert_eq!(index.matches("<td>net@example.edu</td>").count(), 2, "{index}");

    // Without the file there are no columns, and never empty ones.
    let missing = scene.path("none.jsonl");
    let ran = nfpage(&scene).arg("--incidents").arg(&missing).stdin(findings()).run().status(1);
    ran.says("none.jsonl: No such file or directory").says_lines(1);
    let index = scene.text("www/index.html");
    assert!(!index.contains(">Owner<") && index.contains("140.119.53.7"), "{index}");
    let host = scene.text("www/host/140.119.53.7.html");
    assert!(!host.contains("<dt>Owner") && !host.contains("id=\"journal\""), "{host}");
    check_links(&files(&scene.path("www")), "no records");
}

#[test]
fn a_title_with_markup_is_text() {
    let scene = Scene::new();
    let title = "<b>Ours</b> & \"theirs\" <script>alert(1)</script>";
    for mask in [&[][..], &["--mask"]] {
        nfpage(&scene).args(["--title", title]).args(mask).stdin(findings()).run().ok().mute();
        let made = files(&scene.path("www"));
        assert!(made.len() > 5);
        for (name, bytes) in &made {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains("<b>Ours") && !text.contains("<script>alert"), "{name}: {text}");
            if name.ends_with(".html") {
                assert!(
                    text.contains("&#60;b&#62;Ours&#60;/b&#62; &#38; &#34;theirs"),
                    "{name}: {text}"
                );
            }
        }
        check_links(&made, "a title with markup");
    }
}

#[test]
fn input_that_is_not_findings_leaves_the_site_as_it_was() {
    let scene = Scene::new();
    nfpage(&scene).stdin(findings()).run().ok().mute();
    let state = || (files(&scene.path("www")), files(&scene.path("www.store")));
    let before = state();
    let flows = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\n\
                 1\t192.0.2.1\t192.0.2.2\t2\t6\t1025\t22\t3\t180\n";
    for (text, why) in [
        (flows, "this is not the output of nfscan, nfflood or nfport: "),
        ("junk\n", "this is not the output of nfscan, nfflood or nfport: "),
    ] {
        let ran = nfpage(&scene).arg("-q").stdin(text).run().status(1).mute();
        ran.says(why).says("www is left as it was");
        assert_eq!(state(), before);
    }
    let ran = nfpage(&scene).arg("/no/such/file").run().status(1).mute().says_lines(2);
    ran.says("/no/such/file: No such file")
        .says("no input could be read")
        .says("is left as it was");
    assert_eq!(state(), before);
    let strict = nfpage(&scene).arg("--strict").stdin(findings() + "junk\n").run().status(1).mute();
    strict.says("-:62: ").says_lines(1);
    assert_eq!(state(), before);
    // Input of which a part can be read makes a site that says so.
    let both = findings() + "junk\n";
    nfpage(&scene).stdin(&both).run().status(0).says("-:62: ").says_lines(1);
    let index = scene.text("www/index.html");
    assert!(index.contains("1 line of the newest input could not be read."), "{index}");
    let input = scene.write("both", findings());
    let ran = nfpage(&scene).arg(&input).arg("/no/such/file").run().status(1).says_lines(1);
    ran.says("/no/such/file: No such file");
    let index = scene.text("www/index.html");
    assert!(index.contains("1 file of the newest input could not be read."), "{index}");
}

/// Asserts that a run fails with one line about a path, and that the site is whole.
#[track_caller]
fn assert_refused(ran: Ran, scene: &Scene, path: &str, why: &str) {
    let ran = ran.status(1).mute().says_lines(1);
    ran.says(&format!("{}: {why}", scene.path(path).display()));
    check_links(&files(&scene.path("www")), why);
}

#[test]
fn a_directory_that_is_none_is_told() {
    let scene = Scene::new();
    scene.write("www", "mine");
    let ran = nfpage(&scene).stdin(findings()).run();
    assert_refused(ran, &scene, "www", "not a directory");
    assert_eq!(scene.text("www"), "mine");

    for name in ["host", "day"] {
        let scene = Scene::new();
        scene.write(&format!("www/{name}"), "mine");
        let ran = nfpage(&scene).stdin(findings()).run().status(1).mute().says_lines(1);
        ran.says(&format!("{}: not a directory", scene.path(&format!("www/{name}")).display()));
        assert_eq!(scene.text(&format!("www/{name}")), "mine");
        // Somebody moves it away, and all is as if it had never been there.
        fs::rename(scene.path(&format!("www/{name}")), scene.path("away")).unwrap();
        nfpage(&scene).stdin(findings()).run().ok();
        let other = Scene::new();
        nfpage(&other).stdin(findings()).run().ok();
        assert_eq!(files(&scene.path("www")), files(&other.path("www")));
    }
}

/// Returns findings of the next day about new hosts, so that a run has much to write.
fn more() -> String {
    let mut text = FIELDS.to_owned();
    let start = START + 86_400;
    text += &whole(start, 600);
    (0..40).for_each(|n| text += &Found::scan(&format!("140.119.60.{n}"), start).line());
    text
}

#[test]
fn a_file_system_that_cannot_be_written_leaves_the_old_site() {
    let expected = Scene::new();
    nfpage(&expected).stdin(findings()).run().ok();
    nfpage(&expected).stdin(more()).run().status(0);
    let expected = files(&expected.path("www"));

    for is_full in [false, true] {
        let scene = Scene::new();
        let www = scene.path("www");
        let Some(_mount) = Mount::new(&www, &["-t", "tmpfs", "-o", "size=64m", "none"]) else {
            return;
        };
        nfpage(&scene).stdin(findings()).run().ok();
        let before = files(&www);
        let mount = |options: &str| {
            let status = Command::new("mount").args(["-o", options]).arg(&www).status();
            assert!(status.unwrap().success(), "{options}");
        };
        let why = if is_full {
            // Room for some of the pages, not for all.
            fs::write(www.join("filler"), vec![0; 200_000]).unwrap();
            mount("remount,size=400k");
            "No space left on device"
        } else {
            mount("remount,ro");
            "read-only filesystem"
        };
        for _ in 0..2 {
            let ran = nfpage(&scene).arg("-q").stdin(more()).run().status(1).mute().says_lines(1);
            ran.says(why).says(www.to_str().unwrap());
            let mut after = files(&www);
            after.remove("filler");
            check_links(&after, why);
            assert!(before.keys().all(|name| after.contains_key(name)), "{why}");
            assert_eq!(is_full, after != before, "{why}");
        }
        if is_full {
            fs::remove_file(www.join("filler")).unwrap();
            mount("remount,size=64m");
        } else {
            mount("remount,rw");
        }
        nfpage(&scene).arg("-q").stdin(more()).run().ok();
        assert_eq!(files(&www), expected, "{why}");
    }
}
