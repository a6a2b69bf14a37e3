//! `nfnotify plan` and `nfnotify policy`: what would happen, and why.

use std::fs;

use serde_json::Value;

use super::{Found, SCAN, Site, at, attacked, window};
use crate::harness::Ran;

/// A policy that isolates scanners of static networks, after a deadline of 20 minutes.
const ISOLATE: &str = "[[policy]]\nkind = \"flood\"\nrole = \"target\"\nremind = \"20m\"\n\
    [[policy]]\nkind = [\"scan\", \"port\"]\nrole = \"source\"\nnetwork_kind = \"static\"\n\
    act = \"isolate\"\ndeadline = \"20m\"\n";

/// Returns the objects of a type.
fn of_type(ran: &Ran, name: &str) -> Vec<Value> {
    let objects = ran.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter(|object| object["type"] == name).collect()
}

fn plan(site: &Site, minutes: u64) -> Ran {
    site.nfnotify(&["plan", "--json", "--now", &at(minutes)]).run().status(0)
}

/// Returns the names of the clauses of an incident that are not met.
fn unmet(incident: &Value) -> Vec<&str> {
    let clauses = incident["clauses"].as_array().unwrap().iter();
    let unmet = clauses.filter(|clause| clause["met"] == false);
    unmet.map(|clause| clause["name"].as_str().unwrap()).collect()
}

#[test]
fn a_plan_tells_the_notices_of_the_next_run_and_writes_nothing() {
    let site = attacked(ISOLATE);
    let files = || -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(site.0.path("memory")).unwrap().map(Result::unwrap);
        // A reader locks a part of the index of the WAL, which is no data.
        let entries = entries.filter(|entry| !entry.path().to_string_lossy().ends_with("-shm"));
        let mut files: Vec<_> = entries
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    let before = files();
    let now = plan(&site, 32);
    assert_eq!(of_type(&now, "notice"), [Value::Null; 0]);
    let run = &of_type(&now, "run")[0];
    assert_eq!((&run["mode"], &run["newest"]), (&"shadow".into(), &at(20).into()));
    // There is a reminder 20 minutes after the notice of minute 31, and one at half of the deadline.
    let later = plan(&site, 52);
    let notices = of_type(&later, "notice");
    let recipients: Vec<_> = notices.iter().map(|notice| notice["recipient"].clone()).collect();
    assert_eq!(recipients, ["chang@cs.example.edu", "wifi@example.edu"]);
    for notice in &notices {
        assert_eq!((&notice["step"], &notice["state"]), (&"reminder".into(), &"would-send".into()));
    }
    let text = site.nfnotify(&["plan", "--now", &at(52)]).run().status(0);
    for line in [
        "  ID  HOST           STEP      TO                    STATE\n",
        "   2  140.119.60.7   reminder  wifi@example.edu      would-send\n",
    ] {
        assert!(text.text().contains(line), "{line}{text}");
    }
    assert_eq!(files(), before);
    // The next run does just that.
    site.nfnotify(&["-q", "run", "--now", &at(52)]).run().ok();
    let history = site.nfnotify(&["history"]).run().ok();
    assert!(history.text().contains("reminder would-send"), "{history}");
    assert_eq!(of_type(&plan(&site, 53), "notice").len(), 0);
}

#[test]
fn each_clause_is_told_with_its_reason() {
    let site = attacked(ISOLATE);
    let ran = plan(&site, 32);
    let incidents = of_type(&ran, "incident");
    assert_eq!(incidents.len(), 2);
    let one = &incidents[0];
    assert_eq!(one["act"], "isolate");
    assert!(one["policy"].as_str().unwrap().ends_with("nfkit.toml:12: [[policy]] 2"), "{one}");
    // No detector writes the mark spoke yet.
    assert_eq!(unmet(one), ["spoke", "deadline", "still seen", "device", "live"], "{one}");
    assert_eq!(one["next"]["what"], "isolation");
    assert_eq!(one["next"]["at"], at(51));
    assert!(unmet(&incidents[1]).contains(&"policy"));
    let text = site.nfnotify(&["plan", "1", "--now", &at(32)]).run().status(0);
    for line in [
        "a run at 2026-11-30 08:32 +08:00, mode shadow\n",
        "incident 1: 140.119.44.91 source, open\n",
        "  not met  spoke            no finding since the deadline has the mark spoke",
        "  met      static           its network is static\n",
    ] {
        assert!(text.text().contains(line), "{line}{text}");
    }
    assert!(!text.text().contains("incident 2:"), "{text}");
    let ran = site.nfnotify(&["plan", "9", "--now", &at(32)]).run().status(1);
    ran.says("9: no such incident, or it is closed");
}

#[test]
fn a_wish_is_told_and_ends_with_the_incident() {
    let site = Site::new(ISOLATE);
    let spoke = Found { marks: "spoke", ..SCAN };
    let lines: Vec<String> = (0..3).map(|n| window(n, &[spoke])).collect();
    site.take_in(31, &lines.concat());
    // The deadline ends at minute 51; two whole windows behind it show that the attack goes on.
    site.take_in(81, &[window(6, &[spoke]), window(7, &[spoke])].concat());
    let ran = plan(&site, 82);
    let one = &of_type(&ran, "incident")[0];
    assert_eq!((&one["wish"], &one["wish_before"]), (&"until-resolved".into(), &Value::Null));
    assert_eq!(unmet(one), ["device", "live"]);
    let text = site.nfnotify(&["plan", "--now", &at(82)]).run().status(0);
    assert!(text.text().contains("until-resolved  the same\n"), "{text}");
    let shown = site.nfnotify(&["show", "1"]).run().ok();
    assert!(shown.text().contains("wish      a block until it is resolved\n"), "{shown}");
    let args = ["-q", "resolve", "1", "--by", "kim", "--why", "clean", "--now", &at(83)];
    site.nfnotify(&args).run().ok().prints(
        "incident 1 (140.119.44.91): state: open -> closed(resolved): clean\n\
         incident 1 (140.119.44.91): deadline: 2026-11-30 08:51 +08:00 -> -: closed\n\
         incident 1 (140.119.44.91): wish: until-resolved -> none: closed\n",
    );
    assert_eq!(of_type(&plan(&site, 84), "incident"), [Value::Null; 0]);
}

#[test]
fn wide_networks_of_exporters_are_told() {
    let site = attacked("[collect]\nallow = [\"140.119.0.0/16\", \"192.0.2.1\"]\n");
    let ran = plan(&site, 32);
    let expected = serde_json::json!(["140.119.0.0/16"]);
    assert_eq!(of_type(&ran, "run")[0]["wide_exporters"], expected);
    let text = site.nfnotify(&["plan", "--now", &at(32)]).run().status(0);
    assert!(text.text().contains("140.119.0.0/16 is a network of exporters by [collect] allow: "));
    assert!(text.text().contains("not met  never"), "{text}");
}

#[test]
fn the_policy_of_a_host_is_explained() {
    let site = attacked(ISOLATE);
    let lines = |host: &str| {
        let ran = site.nfnotify(&["policy", "--now", &at(32), host]).run().status(0);
        let text = ran.text().replace(&site.0.dir().display().to_string(), "");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("140.119.44.91"),
        [
            "host     140.119.44.91",
            "network  140.119.44.0/24, static",
            "owner    chang@cs.example.edu",
            "never    on no list of hosts that are never blocked",
            "",
            "incident 1: 140.119.44.91 source, open",
            "  /nfkit.toml:8: [[policy]] 1: does not hold: its role is source, not target; no matter is \
             of kind flood",
            "  /nfkit.toml:12: [[policy]] 2: isolate: holds",
        ]
    );
    assert_eq!(
        lines("140.119.60.9")[4..],
        [
            "",
            "no incident; a finding would meet these lines",
            "  /nfkit.toml:8: [[policy]] 1: mail: holds if its role is target, and a matter is of kind \
             flood",
            "  /nfkit.toml:12: [[policy]] 2: never holds: its network is dynamic, not static",
            "  default: mail: holds",
        ]
    );
    let outside = lines("198.51.100.0/24");
    assert_eq!(outside[1], "network  none of the contacts, unknown");
    assert_eq!(outside[2], "owner    nobody; the operator is told: noc@example.edu");
    assert!(lines("127.0.0.1")[3].contains("never blocked: it is an own address of this machine"));
    let json = site.nfnotify(&["policy", "--json", "140.119.44.91"]).run().status(0);
    let host = &of_type(&json, "host")[0];
    assert_eq!((&host["network_kind"], &host["never"]), (&"static".into(), &Value::Null));
    let holds: Vec<_> = of_type(&json, "line").iter().map(|line| line["holds"].clone()).collect();
    assert_eq!(holds, [false, true]);
    let json = site.nfnotify(&["policy", "--json", "140.119.44.92"]).run().status(0);
    let holds: Vec<_> = of_type(&json, "line").iter().map(|line| line["holds"].clone()).collect();
    assert_eq!(holds, [Value::Null, Value::Null, true.into()]);
    site.nfnotify(&["policy", "www"]).run().status(2).says("is no address or network");
    // The policy can be tried before the first run.
    let new = Site::new(ISOLATE);
    let ran = new.nfnotify(&["policy", "140.119.44.91"]).run().status(0);
    ran.says("incidents.db: not there yet, so no incident is known");
}

#[test]
fn a_fault_of_the_policy_stops_no_reader() {
    let site = attacked("");
    let text = site.0.text("nfkit.toml") + "[[policy]]\nkind = \"worm\"\n";
    site.0.write("nfkit.toml", text);
    for args in [&["list"][..], &["show", "1"], &["history"], &["export"]] {
        site.nfnotify(args).run().status(0).says("[[policy]] 1 kind: ");
    }
    for args in [&["plan"][..], &["policy", "192.0.2.1"], &["resolve", "1", "--why", "x"]] {
        site.nfnotify(args).run().status(2).mute().says("[[policy]] 1 kind: ");
    }
}
