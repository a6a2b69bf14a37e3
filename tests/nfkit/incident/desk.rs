//! The readers of the files of incidents, and the changes that people make.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nfkit::incident::Mode;
use nfkit::incident::store::Store;
use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use super::{FLOOD, Found, SCAN, START, Site, at, attacked, rows, window};
use crate::harness::{Run, installed, skipped, tool};

/// Returns the objects of lines of JSON.
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Prepares a change at a time in minutes after the start of window 0.
fn change(site: &Site, minutes: u64, args: &[&str]) -> Run {
    let run = site.nfnotify(args);
    run.args(["--now", &at(minutes), "--by", "kim", "--why", "ticket 7"])
}

#[test]
fn readers_say_that_there_are_no_incidents_yet() {
    let site = Site::new("");
    let path = site.0.path("memory/incidents.jsonl");
    let expected = format!(
        "nfnotify: no incidents yet: {} is written by `nfnotify run`; --db, or [incident] db, names \
         another place\n",
        path.display()
    );
    for args in [&["list"][..], &["list", "--all", "--json"], &["show", "1"], &["history"]] {
        let ran = site.nfnotify(args).run().status(1).mute();
        assert_eq!(ran.err, expected);
    }
    assert!(!site.0.path("memory").exists());
}

#[test]
fn the_list_has_each_incident_with_its_columns() {
    let site = attacked("");
    let list = site.nfnotify(&["list"]).run().ok();
    let table = rows(list.text());
    let heading = ["ID", "HOST", "WHAT", "SINCE", "WINDOWS", "PEAK", "OWNER", "STATE", "NEXT"];
    assert_eq!(table[0], heading);
    assert_eq!(
        table[1],
        [
            "1",
            "140.119.44.91",
            "probes other hosts, TCP port 22 (ssh)",
            "2026-11-30 08:00 +08:00",
            "3",
            "13x",
            "chang@cs.example.edu",
            "open",
            "reminder 2026-12-01 08:31 +08:00, if it goes on",
        ]
    );
    assert_eq!(table[2][1], "140.119.60.7");
    assert_eq!(table.len(), 3, "{list}");
    // Without a time zone in the configuration, that of the system holds.
    let text = site.0.text("nfkit.toml").replace("timezone = \"Asia/Taipei\"\n", "");
    site.0.write("nfkit.toml", text);
    let list = site.nfnotify(&["list"]).env("TZ", "Europe/Berlin").run().ok();
    assert_eq!(rows(list.text())[1][3], "2026-11-30 01:00 +01:00");
    // A machine reads the lines of the file.
    site.nfnotify(&["list", "--json"]).run().ok().prints(&site.memory("incidents.jsonl"));
}

#[test]
fn pending_and_closed_incidents_are_listed_on_request() {
    let site = attacked("[[policy]]\nnetwork = \"140.119.9.0/24\"\nopen = \"2 of 3\"\n");
    let pending = Found { host: "140.119.9.9", ..SCAN };
    site.take_in(41, &window(3, &[pending]));
    change(&site, 42, &["-q", "resolve", "2"]).run().ok();
    let states = |args: &[&str]| -> Vec<(String, String)> {
        let list = site.nfnotify(args).run().ok();
        let states = rows(list.text()).into_iter().skip(1);
        states.map(|row| (row[0].clone(), row[7].clone())).collect()
    };
    let is = |id: &str, state: &str| (id.to_owned(), state.to_owned());
    assert_eq!(states(&["list"]), [is("1", "open")]);
    let all = [is("1", "open"), is("2", "closed (resolved)"), is("3", "pending")];
    assert_eq!(states(&["list", "--all"]), all);
    change(&site, 43, &["-q", "resolve", "1"]).run().ok();
    let list = site.nfnotify(&["list"]).run().status(0).says("no open incident");
    assert_eq!(list.text().lines().count(), 1, "{list}");
}

#[test]
fn damaged_lines_are_told_and_skipped() {
    let site = attacked("");
    let sound = site.memory("incidents.jsonl");
    let (one, two) = sound.trim_end().split_once('\n').unwrap();
    let long = "x".repeat((16 << 20) + 1);
    let text = format!("nonsense\n{one}\n{{\"id\":7}}\n{long}\n\n{two}");
    let path = site.0.write("memory/incidents.jsonl", text);
    for (args, lines) in [(&["list"][..], 3), (&["list", "--json"], 2), (&["history"], 7)] {
        let ran = site.nfnotify(args).run().status(1).says_lines(3);
        for part in [
            ":1: not an incident: expected ident at line 1 column 2; line skipped",
            ":3: not an incident: missing field `host` at line 1 column 8; line skipped",
            ":4: longer than 16 MiB, the limit; line skipped",
        ] {
            assert!(ran.err.contains(&format!("{}{part}", path.display())), "{part}{ran}");
        }
        assert_eq!(ran.text().lines().count(), lines, "{ran}");
    }
    // An incident that was moved meanwhile is in two files, and is shown once.
    site.0.write("memory/incidents.jsonl", &sound);
    site.0.write("memory/closed/2026-11.jsonl", &sound);
    site.0.write("memory/closed/notes.jsonl", "nonsense\n");
    let history = site.nfnotify(&["history", "140.119.0.0/16"]).run().ok();
    assert_eq!(history.text().lines().count(), 3, "{history}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    site.nfnotify(&["list"]).run().status(1).says("incidents.jsonl: Is a directory");
}

#[test]
fn text_of_others_cannot_reach_the_terminal() {
    let site = attacked("");
    let text = site.memory("incidents.jsonl");
    let evil = text
        .replace("probes other hosts", "\\u001b]0;evil\\u0007\\n\\u202e")
        .replace("chang@cs.example.edu", "\\u009b2J@example.edu")
        .replace("\"reason\":\"found\"", "\"reason\":\"a\\u001b[2Jb\"")
        .replace("\\t254\\t", "\\t\\u001bc\\t");
    assert_ne!(evil, text);
    site.0.write("memory/incidents.jsonl", evil);
    for args in [&["list"][..], &["show", "1", "2"], &["history"], &["history", "0.0.0.0/0"]] {
        let ran = site.nfnotify(args).run().ok();
        let bad = ran.text().chars().find(|c| {
            (c.is_control() && !['\n', '\t'].contains(c)) || ('\u{202a}'..='\u{202e}').contains(c)
        });
        assert_eq!(bad, None, "{ran}");
        assert!(ran.text().contains("\\x1b"), "{ran}");
    }
}

#[test]
fn show_has_everything_about_an_incident() {
    let site = attacked("");
    let all = Found { class: "sweep", port: 23, marks: "sampled", why: "order=seq", ..SCAN };
    site.take_in(41, &window(3, &[SCAN, all]));
    change(&site, 42, &["-q", "claim", "1"]).run().ok();
    change(&site, 42, &["-q", "ignore", "1.scan:6/23", "--for", "2d"]).run().ok();
    let shown = site.nfnotify(&["show", "1"]).run().ok();
    for part in [
        "incident  1\n",
        "host      140.119.44.91, source, inside\n",
        "state     open since 2026-11-30 08:10 +08:00, claimed\n",
        "seen      2026-11-30 08:00 +08:00 to 2026-11-30 08:30 +08:00, in 4 windows\n",
        "owner     chang@cs.example.edu\n",
        "network   140.119.44.0/24, static\n",
        "policy    default\n",
        "wish      no block\n",
        "claim     2026-11-30 08:42 +08:00 by kim: ticket 7\n",
        "mode      shadow\n",
        "matter scan:6/22\n  classes   horizontal\n  marks     -\n",
        "  peak      hosts=2540, the limit is 200: 13x, 2026-11-30 08:00 +08:00\n",
        "  evidence  2026-11-30T00:00:00Z\t600\tscan\thorizontal\t140.119.44.91\t",
        "  newest    2026-11-30T00:30:00Z\t600\tscan\t",
        "matter scan:6/23\n  classes   sweep\n  marks     sampled\n",
        "  peak      2026-11-30 08:30 +08:00, without a limit\n",
        "  ignored   until 2026-12-02 08:42 +08:00 by kim: ticket 7\n",
        "  kim       ignore  scan:6/23  2026-12-02 08:42 +08:00  ticket 7\n",
    ] {
        assert!(shown.text().contains(part), "{part}{shown}");
    }
    // Several are shown in the order of the arguments, and a missing one is told.
    let both = site.nfnotify(&["show", "2", "9", "1"]).run().status(1);
    let both = both.says("9: no such incident; `nfnotify list --all` and").says_lines(1);
    let (two, one) = (both.text().find("140.119.60.7"), both.text().find("140.119.44.91"));
    assert!(two.is_some() && two < one, "{both}");
    let lines = site.memory("incidents.jsonl");
    let line = |id: &str| lines.lines().find(|line| line.starts_with(&format!("{{\"id\":{id},")));
    let expected = format!("{}\n{}\n", line("2").unwrap(), line("1").unwrap());
    site.nfnotify(&["show", "--json", "2", "1"]).run().ok().prints(&expected);
    site.nfnotify(&["show"]).run().status(2);
    site.nfnotify(&["show", "x"]).run().status(2).says("'x'");
}

#[test]
fn incidents_of_long_ago_stay_in_history() {
    let site = attacked("");
    change(&site, 32, &["-q", "resolve", "1"]).run().ok();
    // Nine days later the host attacks again.
    let later = 9 * 144;
    site.take_in(10 * later + 11, &window(later, &[SCAN]));
    assert!(site.memory("closed/2026-11.jsonl").starts_with("{\"id\":1,"));
    let current: Vec<_> = objects(&site.memory("incidents.jsonl"));
    assert!(current.iter().all(|incident| incident["id"] != 1), "{current:?}");
    let ids = |host: &str| -> Vec<String> {
        let ran = site.nfnotify(&["history", host]).run().ok();
        rows(ran.text()).into_iter().skip(1).map(|mut row| row.swap_remove(0)).collect()
    };
    assert_eq!(ids("140.119.44.91"), ["1", "3"]);
    assert_eq!(ids("140.119.0.0/16"), ["1", "2", "3"]);
    let none = site.nfnotify(&["history", "10.0.0.1"]).run().status(0);
    none.says("no incident of 10.0.0.1/32 is remembered");
    site.nfnotify(&["show", "1"]).run().ok();
    let host = site.nfnotify(&["history", "--json", "140.119.44.91"]).run().ok();
    assert_eq!(objects(host.text())[1]["previous"], 1, "{host}");
    // The journal of all, closed incidents included, in its order and with the keys of hooks.
    let all = site.nfnotify(&["history", "--json"]).run().ok();
    let all = objects(all.text());
    let ids: Vec<u64> = all.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted() && ids.len() > 8, "{ids:?}");
    assert!(all.iter().any(|row| row["actor"] == "kim" && row["to"] == "closed(resolved)"));
    for row in &all {
        let keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "id", "incident", "host", "role", "data", "wall", "actor", "what", "from", "to",
            "reason", "mode",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
    let text = site.nfnotify(&["history"]).run().ok();
    let heading = ["ROW", "TIME", "RUN", "ID", "HOST", "ACTOR", "WHAT", "FROM", "TO", "REASON"];
    assert_eq!(rows(text.text())[0], heading);
    assert_eq!(text.text().lines().count(), all.len() + 1);
    site.nfnotify(&["history", "140.119.44.91/16"]).run().status(2).says("140.119.0.0/16?");
    site.nfnotify(&["history", "www"]).run().status(2).says("is no address or network");
}

#[test]
fn a_resolved_incident_is_closed_with_who_and_why() {
    let site = attacked("");
    let ran = change(&site, 33, &["resolve", "1", "2"]).run().status(0);
    ran.prints(
        "incident 1 (140.119.44.91): state: open -> closed(resolved): ticket 7\n\
         incident 2 (140.119.60.7): state: open -> closed(resolved): ticket 7\n",
    );
    let closed = &objects(&site.memory("incidents.jsonl"))[0];
    assert_eq!((&closed["state"], &closed["reason"]), (&"closed".into(), &"resolved".into()));
    let row = closed["journal"].as_array().unwrap().last().unwrap();
    assert_eq!((&row["actor"], &row["reason"]), (&"kim".into(), &"ticket 7".into()));
    // The next finding begins another incident.
    site.take_in(51, &window(4, &[SCAN]));
    let list = site.nfnotify(&["list"]).run().ok();
    assert_eq!(rows(list.text())[1][0], "3", "{list}");
}

#[test]
fn a_change_that_cannot_be_made_changes_nothing() {
    let site = attacked("");
    change(&site, 33, &["-q", "resolve", "1"]).run().ok();
    let before = site.memory("incidents.jsonl");
    for (args, said) in [
        (&["resolve", "2", "1"][..], "incident 1 is closed\n"),
        (&["resolve", "2", "99"], "there is no incident 99; `nfnotify list` has the numbers\n"),
        (&["claim", "1", "2"], "incident 1 is closed\n"),
        (
            &["ignore", "2", "2.scan:6/22", "--for", "1d"],
            "incident 2 has no matter scan:6/22; it has flood:6/80\n",
        ),
        (&["ignore", "1", "--for", "1d"], "incident 1 is closed\n"),
    ] {
        let ran = change(&site, 34, args).run().status(1).mute();
        assert_eq!(ran.err, format!("nfnotify: {said}nfnotify: nothing was changed\n"));
    }
    assert_eq!(site.memory("incidents.jsonl"), before);
    for (args, said) in [
        (&["resolve", "2"][..], "--why"),
        (&["resolve", "2", "--why", " "], "must not be empty"),
        (&["resolve", "2", "--why", "a\nb"], "write one line"),
        (&["resolve", "2", "--why", "x", "--by", "nfnotify"], "the program's own"),
        (&["resolve", "--why", "x"], "ID"),
        (&["resolve", "-1", "--why", "x"], "-1"),
        (&["ignore", "2", "--why", "x"], "--for"),
        (&["ignore", "2", "--why", "x", "--for", "30"], "a duration needs a unit"),
        (&["ignore", "2.ssh", "--why", "x", "--for", "1d"], "is not a matter such as scan:6/22"),
        (&["freeze", "4", "--why", "x"], "a duration needs a unit"),
    ] {
        site.nfnotify(args).run().status(2).mute().says(said);
    }
    // Without a memory there is nothing to change, and none is made.
    let site = Site::new("");
    let ran = change(&site, 0, &["resolve", "1"]).run().status(1).says_lines(1);
    assert!(!site.0.path("memory/incidents.db").exists(), "{ran}");
}

#[test]
fn a_claimed_incident_gets_no_reminder_and_closes_when_it_is_quiet() {
    let site = attacked("");
    change(&site, 33, &["claim", "1"])
        .run()
        .status(0)
        .prints("incident 1 (140.119.44.91): claim: - -> kim: ticket 7\n");
    let state = |nth: usize| {
        let list = site.nfnotify(&["list", "--all"]).run().ok();
        rows(list.text())[nth][7].clone()
    };
    assert_eq!(state(1), "open, claimed");
    let clean: Vec<String> = (3..9).map(|n| window(n, &[])).collect();
    site.take_in(91, &clean.concat());
    assert_eq!([state(1), state(2)], ["closed (claimed)", "quiet"]);
}

#[test]
fn an_ignored_incident_is_listed_as_such_until_the_time_is_over() {
    let site = attacked("");
    let ran = change(&site, 33, &["ignore", "2", "--for", "1h"]).run().status(0);
    ran.prints(
        "incident 2 (140.119.60.7): ignore: flood:6/80 -> 2026-11-30 09:33 +08:00: ticket 7\n",
    );
    let state = || {
        let list = site.nfnotify(&["list"]).run().ok();
        let row = &rows(list.text())[2];
        (row[7].clone(), row[8].clone())
    };
    assert_eq!(state(), ("open, ignored".to_owned(), "nothing, it is ignored".to_owned()));
    change(&site, 34, &["-q", "ignore", "2.flood:6/80", "--for", "0"]).run().ok();
    assert_eq!(state().0, "open");
    change(&site, 35, &["-q", "ignore", "2", "--for", "10m"]).run().ok();
    assert_eq!(state().0, "open, ignored");
    site.nfnotify(&["-q", "run", "--now", &at(46)]).run().ok();
    assert_eq!(state().0, "open");
}

#[test]
fn a_change_that_readers_do_not_see_yet_says_so() {
    let site = attacked("");
    let current = site.0.path("memory/incidents.jsonl");
    fs::remove_file(&current).unwrap();
    fs::create_dir(&current).unwrap();
    let ran = change(&site, 33, &["resolve", "1", "1"]).run().status(1);
    let ran = ran.says("the change was made, but the files that readers see were not written");
    assert!(ran.text().contains("resolved"), "{ran}");
    fs::remove_dir(&current).unwrap();
    site.nfnotify(&["-q", "run", "--now", &at(34)]).run().ok();
    assert!(site.memory("incidents.jsonl").contains("\"reason\":\"resolved\""));
    // A number that comes twice counts once, and - is no name.
    let ran = change(&site, 34, &["claim", "2", "2"]).run().status(0);
    assert_eq!(ran.text().lines().count(), 1, "{ran}");
    let ran = site.nfnotify(&["claim", "2", "--why", "x", "--by", "-"]).run().status(2);
    ran.says("- stands for nobody in the journal");
}

#[test]
fn the_metrics_file_replaces_no_device_and_no_link() {
    let site = attacked("");
    let metrics = |path: &Path| {
        let path = path.to_str().unwrap();
        site.nfnotify(&["-q", "run", "--now", &at(33), "--metrics-file", path]).run()
    };
    let (target, link) = (site.0.write("target", "x"), site.0.path("link"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let fifo = site.0.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [&link, &fifo, &site.0.path("memory")] {
        let before = fs::symlink_metadata(path).unwrap().file_type();
        metrics(path).status(1).says("is not a regular file");
        assert_eq!(fs::symlink_metadata(path).unwrap().file_type(), before);
    }
    assert_eq!(fs::read(&target).unwrap(), b"x");
    let file = site.0.path("n.prom");
    metrics(&file).ok();
    metrics(&file).ok();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn changes_name_the_person() {
    let site = attacked("");
    let actor = |run: Run| {
        let ran = run.args(["--why", "x", "--json", "--now", &at(33)]).run().status(0);
        objects(ran.text())[0]["actor"].as_str().unwrap().to_owned()
    };
    let claim = || site.nfnotify(&["claim", "1"]);
    let login = nix::unistd::User::from_uid(nix::unistd::Uid::current()).unwrap().unwrap().name;
    assert_eq!(actor(claim()), login);
    assert_eq!(actor(claim().args(["--by", "張 kim"])), "張 kim");
    // Only who is root by sudo is another person than the login says.
    let is_root = nix::unistd::Uid::current().is_root();
    let expected = if is_root { "sudoer" } else { login.as_str() };
    assert_eq!(actor(claim().env("SUDO_USER", "sudoer")), expected);
}

#[test]
fn a_freeze_is_journalled_and_ends() {
    let site = attacked("");
    let frozen = || {
        let plan = site.nfnotify(&["plan", "--now", &at(40), "--json"]).run().status(0);
        objects(plan.text())[0]["frozen"] == true
    };
    change(&site, 33, &["freeze", "0"]).run().status(0).mute().says("there is no freeze to end");
    assert!(!frozen());
    let ran = change(&site, 33, &["freeze", "4h"]).run().status(0);
    let ran = ran.says("until 2026-11-30 12:33 +08:00 no host is isolated or banned anew");
    ran.prints("memory: not frozen -> frozen until 2026-11-30T04:33:00Z: ticket 7\n");
    assert!(frozen());
    let plan = site.nfnotify(&["plan", "--now", &at(40)]).run().status(0);
    let text = "new blocks are frozen until 2026-11-30 12:33 +08:00 by kim: ticket 7\n";
    assert!(plan.text().contains(text), "{plan}");
    let ran = change(&site, 34, &["freeze", "0", "--json"]).run().status(0);
    assert_eq!(objects(ran.text())[0]["to"], "not frozen");
    assert_eq!(objects(ran.text())[0]["incident"], Value::Null);
    assert!(!frozen());
    let stop = site.0.write("memory/stop", "");
    assert!(frozen());
    let ran = change(&site, 35, &["freeze", "0"]).run().status(0);
    ran.says(&format!("new acts and all mails stay stopped by the file {}", stop.display()));
}

#[test]
fn the_memory_survives_as_a_backup_and_as_an_export() {
    let site = attacked("");
    change(&site, 33, &["-q", "claim", "1"]).run().ok();
    let (backup, export) = (site.0.path("backup.db"), site.0.path("export.jsonl"));
    let paths = [backup.to_str().unwrap(), export.to_str().unwrap()];
    let ran = site.nfnotify(&["backup", "--json", paths[0]]).run().ok();
    let bytes = fs::metadata(&backup).unwrap().len();
    assert_eq!(objects(ran.text())[0]["bytes"], bytes);
    site.nfnotify(&["export", paths[1]]).run().ok().mute();
    let text = fs::read_to_string(&export).unwrap();
    site.nfnotify(&["export"]).run().ok().prints(&text);
    assert_eq!(objects(&text)[0]["nfnotify-export"], 3);
    for (name, path) in ["backup", "export"].into_iter().zip(paths) {
        let before = fs::read(path).unwrap();
        let ran = site.nfnotify(&[name, path]).run().status(1).mute().says_lines(1);
        ran.says("exists already");
        assert_eq!(fs::read(path).unwrap(), before);
        // The memory that is there stays.
        let ran = site.nfnotify(&["import", path]).run().status(1).mute();
        ran.says("an incident database is here already; move it away first");
        let db = site.0.path(&format!("{name}/incidents.db"));
        let db = db.to_str().unwrap();
        let run =
            site.nfnotify(&["-q", "import", "--db", db, "--by", "kim", "--now", &at(33), path]);
        let ran = run.run().ok();
        assert!(ran.text().starts_with("imported 2 incidents, "), "{ran}");
        assert_eq!(site.0.text(&format!("{name}/incidents.jsonl")), site.memory("incidents.jsonl"));
        let imported = site.nfnotify(&["export", "--db", db]).run().ok();
        let rows = objects(imported.text());
        let row = rows.iter().rev().find(|row| row["table"] == "journal").unwrap();
        let row = &row["row"];
        let of_import = (&row["actor"], &row["to"], &row["reason"]);
        assert_eq!(of_import, (&"kim".into(), &"imported".into(), &path.into()));
    }
    site.nfnotify(&["backup", "-"]).run().status(1).says("`nfnotify export` writes to stdout");
    // A lost database is restored in its place.
    fs::remove_file(site.0.path("memory/incidents.db")).unwrap();
    for end in ["-wal", "-shm"] {
        _ = fs::remove_file(site.0.path(&format!("memory/incidents.db{end}")));
    }
    site.nfnotify(&["run", "--now", &at(34)]).run().status(1).says("nfnotify import");
    let ran = site.nfnotify(&["-q", "import", "--json", paths[0], "--now", &at(34)]).run().ok();
    assert_eq!(objects(ran.text())[0]["incidents"], 2);
    site.nfnotify(&["-q", "run", "--now", &at(34)]).run().ok();
    assert_eq!(rows(site.nfnotify(&["list"]).run().ok().text()).len(), 3);
}

#[test]
fn a_file_that_is_no_memory_is_not_imported() {
    let site = Site::new("");
    let source = attacked("");
    let whole = source.nfnotify(&["export"]).run().ok().text().to_owned();
    for (name, bytes, said) in [
        ("text", b"no memory\n".to_vec(), "neither an export nor a backup"),
        ("empty", Vec::new(), "neither an export nor a backup"),
        ("torn", whole.as_bytes()[..whole.len() - 40].to_vec(), "nothing was imported"),
        ("sqlite", b"SQLite format 3\0 and nonsense".to_vec(), ""),
    ] {
        let path = site.0.write(name, bytes);
        let ran = site.nfnotify(&["import"]).arg(&path).run().status(1).mute().says_lines(1);
        ran.says(said);
        site.nfnotify(&["list"]).run().status(1).says("no incidents yet");
    }
    site.nfnotify(&["import", "/nonexistent"]).run().status(1).says("/nonexistent: No such file");
    for args in [&["backup", "b"][..], &["export"], &["plan"]] {
        site.nfnotify(args).run().status(1).mute().says("no incident database");
    }
    site.take_in(11, &window(0, &[FLOOD]));
}

#[test]
fn output_that_cannot_be_written_is_told() {
    let site = attacked("");
    for args in [
        &["list"][..],
        &["list", "--json"],
        &["show", "1"],
        &["history"],
        &["history", "0.0.0.0/0"],
        &["plan", "--now", "2026-11-30T00:40:00Z"],
        &["policy", "140.119.44.91"],
        &["export"],
    ] {
        site.nfnotify(&["-q"]).args(args).stdout_file("/dev/full").run().status(1).says_lines(1);
        site.nfnotify(&["-q"]).args(args).stdout_closed().run().ok();
    }
}

/// The user may read the directory and its files, and no more, while another process has the lock and writes.
#[test]
fn who_may_only_read_can_list_while_a_run_is_at_work() {
    if !nix::unistd::Uid::current().is_root() {
        skipped("only root can become another user");
        return;
    }
    if installed("setpriv").is_none() {
        return;
    }
    let site = attacked("");
    // The group of the memory may read it.
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for (name, mode) in [
        (".", 0o755),
        ("memory", 0o750),
        ("memory/incidents.jsonl", 0o640),
        ("memory/incidents.db", 0o640),
    ] {
        let path = site.0.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        nix::unistd::chown(&path, None, Some(nobody.gid)).unwrap();
    }
    let lock = fs::File::open(site.0.path("memory/incidents.lock")).unwrap();
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap();
    let mut store = Store::open(&site.0.path("memory/incidents.db")).unwrap();
    let mut update = store.update(START, Mode::Shadow).unwrap();
    update.set_published(START).unwrap();
    let as_nobody = |args: &[&str]| {
        let (uid, gid) = (nobody.uid.to_string(), nobody.gid.to_string());
        let run = installed("setpriv").unwrap();
        run.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_nfnotify"))
            .env("NFKIT_CONFIG", site.0.path("nfkit.toml"))
            .args(args)
            .run()
    };
    let list = as_nobody(&["list"]).ok();
    assert_eq!(rows(list.text()).len(), 3, "{list}");
    as_nobody(&["show", "1"]).ok();
    as_nobody(&["history"]).ok();
    // A change needs more, and says so.
    as_nobody(&["resolve", "1", "--why", "x"]).status(1).mute().says("Permission denied");
    // An operator can look at the database meanwhile, and a second run has nothing to do.
    site.nfnotify(&["plan", "--now", &at(32)]).run().status(0);
    let second = site.nfnotify(&["run", "--now", &at(41)]).run().status(0);
    second.says("another nfnotify is at work");
    update.commit().unwrap();
    drop(lock);
}

#[test]
fn the_age_of_the_memory_is_told() {
    let site = attacked("");
    let hour = std::time::Duration::from_secs(3600);
    let old = std::time::SystemTime::now() - 5 * hour;
    for name in ["incidents.jsonl", "incidents.db", "incidents.db-wal"] {
        if let Ok(file) = fs::File::options().write(true).open(site.0.path("memory").join(name)) {
            file.set_modified(old).unwrap();
        }
    }
    let list = site.nfnotify(&["list"]).run().status(0).says_lines(1);
    list.says(
        "nothing was written here for 5h, so all of this is as of then; is `nfnotify run` still",
    );
    // A run without news writes too.
    site.nfnotify(&["-q", "run", "--now", &at(32)]).run().ok();
    site.nfnotify(&["list"]).run().ok();
}

/// The collector's file of counts is not nfnotify's, though the keys have one name.
#[test]
fn the_counts_go_to_the_file_of_incidents() {
    let metrics = "metrics_file = \"notify.prom\"\n[collect]\nmetrics_file = \"nfcap.prom\"\n";
    let site = Site::new(metrics);
    site.take_in(11, &window(0, &[SCAN]));
    assert!(site.0.text("notify.prom").contains("nfnotify_run_timestamp_seconds"));
    assert!(!site.0.path("nfcap.prom").exists());
    let site = Site::new("[collect]\nmetrics_file = \"nfcap.prom\"\n");
    site.take_in(11, &window(0, &[SCAN]));
    assert!(!site.0.path("nfcap.prom").exists());
}

#[test]
fn each_command_has_help() {
    let all = [
        "run", "plan", "list", "show", "history", "policy", "resolve", "claim", "ignore", "freeze",
        "backup", "export", "import", "mail", "block",
    ];
    let help = tool("nfnotify").arg("--help").run().ok();
    for name in all {
        let is_listed = help.text().lines().any(|line| line.trim().starts_with(name));
        assert!(is_listed, "{name}{help}");
        let of_name = tool("nfnotify").args([name, "--help"]).run().ok();
        let words: Vec<&str> = of_name.text().split_whitespace().collect();
        let text = words.join(" ");
        let reads_default = text.contains("[default: /etc/nfkit/nfkit.toml, if it exists]");
        assert_eq!(reads_default, !["mail", "block"].contains(&name), "{of_name}");
    }
}
