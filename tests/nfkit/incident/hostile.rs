//! Findings, files and times by which somebody tries to have a host blocked, to hide one, to fill the memory
//! or to stop the runs.

mod partial;
mod place;

use std::fs;
use std::time::Duration;

use nfkit::time::Timestamp;
use serde_json::Value;

use super::{START, Site, at, rows, window};
use crate::harness::Run;

/// The columns of a finding line, with those of a scan by a host that may be isolated.
const CELLS: [(&str, &str); 18] = [
    ("window", "2026-11-30T00:00:00Z"),
    ("seconds", "600"),
    ("kind", "scan"),
    ("class", "horizontal"),
    ("host", "140.119.44.91"),
    ("role", "source"),
    ("side", "inside"),
    ("proto", "6"),
    ("port", "22"),
    ("peers", "254"),
    ("peer", "203.0.113.0/24=254"),
    ("flows", "2540"),
    ("packets", "2540"),
    ("octets", "111760"),
    ("rate", "4.23"),
    ("marks", "spoke"),
    ("why", "hosts=2540>=200"),
    ("sample", "-"),
];

/// Returns a finding line of a window, with some cells of its own.
fn found(number: u64, own: &[(&str, &str)]) -> String {
    let start = at(10 * number);
    let cells = CELLS.map(|(name, cell)| {
        let cell = if name == "window" { start.as_str() } else { cell };
        own.iter().find(|(own, _)| *own == name).map_or(cell, |(_, cell)| *cell)
    });
    cells.join("\t") + "\n"
}

/// Returns the closing marks of a window that all detectors saw whole, from known exporters.
fn ends(number: u64) -> String {
    window(number, &[]).replace("state=ok", "open=0\tstate=ok")
}

/// A configuration in which hosts of static networks are isolated after an hour.
const ISOLATE: &str = "[[policy]]\nside = \"inside\"\nact = \"isolate\"\ndeadline = \"1h\"\n";

/// Returns the incidents of `incidents.jsonl`.
fn incidents(site: &Site) -> Vec<Value> {
    let text = site.memory("incidents.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the only incident about a host.
#[track_caller]
fn of_host(site: &Site, host: &str) -> Value {
    let all: Vec<Value> = incidents(site).into_iter().filter(|one| one["host"] == host).collect();
    assert_eq!(all.len(), 1, "{host}: {all:?}");
    all[0].clone()
}

/// Returns the journal of all incidents in `incidents.jsonl`: what, from, to and reason of each row.
fn journal(site: &Site) -> Vec<[String; 4]> {
    let mut rows: Vec<Value> =
        incidents(site).iter().flat_map(|one| one["journal"].as_array().unwrap().clone()).collect();
    rows.sort_by_key(|row| row["id"].as_u64());
    let cell = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter().map(|row| ["what", "from", "to", "reason"].map(|key| cell(row, key))).collect()
}

/// Returns the rows of one thing, as `from>to`.
fn changes(site: &Site, what: &str) -> Vec<String> {
    let rows = journal(site).into_iter().filter(|row| row[0] == what);
    rows.map(|[_, from, to, _]| format!("{from}>{to}")).collect()
}

/// Prepares a run at a time in minutes after the start of window 0, which reads standard input.
fn at_minute(site: &Site, minutes: u64, lines: &str) -> Run {
    site.nfnotify(&["run", "--now", &at(minutes), "-"]).stdin(lines)
}

/// Gives each of these lines in each window from 0 to 14, and runs after each.
fn long_attack(site: &Site, lines: &[Vec<(&str, &str)>]) {
    for number in 0..15 {
        let lines: Vec<String> = lines.iter().map(|own| found(number, own)).collect();
        site.take_in(10 * number + 11, &(lines.concat() + &ends(number)));
    }
}

/// Returns a site where all networks are static, so that nothing but the other clauses protects a host.
fn all_static(more: &str) -> Site {
    let site = Site::new(more);
    let all = "network,mail,name,kind\n0.0.0.0/0,a@example.edu,All,static\n::/0,a@example.edu,All,static\n";
    site.0.write("contacts.csv", all);
    site
}

#[test]
fn forged_hosts_are_never_wished_away() {
    let never =
        "[collect]\nallow = [\"140.119.9.9\", \"2001:db8:9::/64\"]\nbind = [\"140.119.9.8\"]\n";
    let site = all_static(&format!("{ISOLATE}{never}"));
    let text = site.0.text("nfkit.toml");
    site.0.write("nfkit.toml", text.replace("[site]\n", "[site]\nnever = [\"140.119.0.1\"]\n"));
    let hosts = [
        // The gateway, the collector, the exporters, and their other forms.
        "140.119.0.1",
        "140.119.9.8",
        "140.119.9.9",
        "2001:db8:9::7",
        "::ffff:140.119.9.9",
        "2002:8c77:909::1",
        "2001:0:1:2:3:4:7388:f6f6",
        // Own addresses, and those that no machine has.
        "127.0.0.1",
        "::1",
        "::",
        "0.0.0.0",
        "0.1.2.3",
        "255.255.255.255",
        "224.0.0.1",
        "239.255.255.250",
        "169.254.1.1",
        "240.0.0.1",
        "ff02::1",
        "fe80::1",
        "::8c77:909",
        "::ffff:140.119.44.92",
        // Networks.
        "0.0.0.0/0",
        "::/0",
        "140.119.0.0/16",
        "140.119.44.92/32",
        "2001:db8::/64",
    ];
    let mut lines: Vec<Vec<(&str, &str)>> =
        hosts.iter().map(|host| vec![("host", *host)]).collect();
    lines.push(vec![]);
    long_attack(&site, &lines);
    // The clauses of the others are not in the way: one ordinary host is wished away.
    assert_eq!(of_host(&site, "140.119.44.91")["wish"], "until-resolved");
    for host in hosts {
        let incident = of_host(&site, host);
        assert_eq!(
            (&incident["wish"], &incident["deadline"]),
            (&"none".into(), &Value::Null),
            "{host}"
        );
    }
    assert_eq!(changes(&site, "wish"), ["none>until-resolved"]);
    assert_eq!(changes(&site, "deadline").len(), 1);
}

#[test]
fn marks_and_classes_that_speak_against_a_block_cannot_be_pushed_out() {
    let site = Site::new(ISOLATE);
    let words = |n: u64, name: &str| -> String {
        (0..24).map(|i| format!("{name}{n}-{i}")).collect::<Vec<_>>().join(",")
    };
    let doubts = ["forged", "oneway", "inner", "survey"];
    for number in 0..15 {
        let mut lines = String::new();
        for (nth, doubt) in doubts.iter().enumerate() {
            let host = format!("140.119.44.{}", nth + 1);
            // Noise first, and the doubt in one window only, at the very end of the marks.
            let marks = match number {
                3 => format!("{},{doubt}", words(number, "m")),
                _ => format!("spoke,{}", words(number, "m")),
            };
            lines += &found(number, &[("host", &host), ("marks", &marks)]);
        }
        for class in words(number, "c").split(',').chain((number == 3).then_some("listed")) {
            lines += &found(number, &[("host", "140.119.44.9"), ("class", class)]);
        }
        site.take_in(10 * number + 11, &(lines + &ends(number)));
    }
    for host in ["140.119.44.1", "140.119.44.2", "140.119.44.3", "140.119.44.4", "140.119.44.9"] {
        let incident = of_host(&site, host);
        assert_eq!(incident["wish"], "none", "{host}");
        let matter = &incident["matters"][0];
        assert!(matter["marks"].as_array().unwrap().len() <= 30, "{matter}");
        assert!(matter["classes"].as_array().unwrap().len() <= 25, "{matter}");
    }
    assert_eq!(changes(&site, "wish"), Vec::<String>::new());
}

#[test]
fn a_doubt_that_comes_after_the_fact_counts() {
    let site = Site::new(ISOLATE);
    long_attack(&site, &[vec![("port", "23")]]);
    assert_eq!(of_host(&site, "140.119.44.91")["wish"], "until-resolved");
    let site = Site::new(ISOLATE);
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    assert_eq!(changes(&site, "deadline").len(), 1);
    // The same finding with fewer flows, and the doubt.
    site.take_in(12, &found(0, &[("marks", "forged"), ("flows", "7")]));
    for number in 1..15 {
        site.take_in(10 * number + 11, &(found(number, &[]) + &ends(number)));
    }
    let incident = of_host(&site, "140.119.44.91");
    assert_eq!(incident["wish"], "none");
    assert!(incident["matters"][0]["marks"].as_array().unwrap().contains(&"forged".into()));
    // The same line again with less of it takes nothing back.
    site.take_in(152, &found(0, &[("marks", "spoke"), ("flows", "2540")]));
    let after = of_host(&site, "140.119.44.91");
    assert_eq!(after["matters"][0]["marks"], incident["matters"][0]["marks"]);
}

#[test]
fn numbers_beyond_all_sense_are_borne() {
    let site = Site::new("");
    let most = u64::MAX.to_string();
    let whys = [
        "hosts=99999999999999999999>=0",
        "hosts=0>=0",
        "hosts=0.00000000000000000001>=0.00000000000000000001",
        "hosts=1>=99999999999999999999",
        "=1>=1",
        "hosts=1e308>=1e-308",
        "hosts=inf>=nan",
        "hosts=-1>=-2",
        "hosts=1>=",
        ">=",
        ",,,,",
        "a=b=c>d>e",
    ];
    let lines: Vec<String> = whys
        .iter()
        .enumerate()
        .map(|(nth, why)| {
            let port = nth.to_string();
            let numbers =
                [("flows", &*most), ("packets", &most), ("octets", &most), ("peers", &most)];
            let own = [("why", *why), ("port", &port), ("rate", "184467440737095516.15")];
            found(0, &[&own[..], &numbers[..]].concat())
        })
        .collect();
    site.take_in(11, &(lines.concat() + &ends(0)));
    let incident = of_host(&site, "140.119.44.91");
    assert_eq!(incident["matters"].as_array().unwrap().len(), whys.len());
    for matter in incident["matters"].as_array().unwrap() {
        let ratio = &matter["peak"]["ratio"];
        assert!(ratio.as_f64().is_none_or(|ratio| (0.0..=1e6).contains(&ratio)), "{matter}");
    }
    for args in [&["list"][..], &["show", "1"], &["history"], &["plan", "--now", &at(12)]] {
        let ran = site.nfnotify(args).run().status(0);
        assert!(!ran.text().is_empty(), "{ran}");
    }
    // Lines that are no findings are told, and cost no other line.
    let bad =
        [("flows", "18446744073709551616"), ("proto", "256"), ("port", "65536"), ("rate", "nan")];
    let lines: Vec<String> = bad.iter().map(|cell| found(1, &[*cell])).collect();
    let ran = at_minute(&site, 21, &(lines.concat() + &found(1, &[]) + &ends(1))).run().status(0);
    assert_eq!(ran.err.lines().filter(|line| line.contains("cannot be")).count(), 4, "{ran}");
    assert_eq!(ran.err.lines().count(), 5, "{ran}");
    assert_eq!(of_host(&site, "140.119.44.91")["windows"], 2);
}

#[test]
fn windows_of_a_century_or_of_1970_make_nothing_else_look_old() {
    let site = Site::new("");
    let century = "4294967295";
    let (past, future) = (("window", "1970-01-01T00:00:00Z"), ("window", "2100-01-01T00:00:00Z"));
    let end = |start: &str, seconds: &str| {
        format!("#end\t{start}\t{seconds}\tflows=1\tstate=ok\ttool=nfflood\n")
    };
    let lines = [
        found(0, &[("seconds", century), ("host", "140.119.44.1")]),
        found(0, &[past, ("seconds", century), ("host", "140.119.44.2")]),
        found(0, &[past, ("host", "140.119.44.3")]),
        found(0, &[future, ("host", "140.119.44.4")]),
        found(0, &[("window", "-"), ("seconds", "-"), ("host", "140.119.44.5")]),
        found(0, &[("host", "140.119.44.6")]),
        end(past.1, century),
        end(&at(0), century),
        end(future.1, "600"),
        ends(0),
    ];
    let ran = at_minute(&site, 11, &lines.concat()).run().status(1);
    let expected =
        "have no time, or a window of more than 31 days, so they cannot belong to an incident: 5\n";
    let ran = ran.says(expected).says("2 lines set aside");
    // The host of now is told, and the one of 1970 is too old for that.
    let notice = |host: &str| {
        let incident = of_host(&site, host);
        let rows = incident["journal"].as_array().unwrap().clone();
        let notices: Vec<Value> = rows.into_iter().filter(|row| row["what"] == "notice").collect();
        notices.iter().map(|row| row["to"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(notice("140.119.44.6"), ["first would-send"], "{ran}");
    assert_eq!(notice("140.119.44.3"), ["first superseded"]);
    assert_eq!(incidents(&site).len(), 2);
    // The next windows are none of the past.
    site.take_in(21, &(found(1, &[("host", "140.119.44.7")]) + &ends(1)));
    assert_eq!(notice("140.119.44.7"), ["first would-send"]);
    // Windows of a second: an incident is quiet soon, but it is closed by time and not by number.
    let seconds: Vec<String> = (0..600)
        .map(|second| {
            let start = Timestamp::from_secs(START + 1200 + second).rfc3339();
            format!("#end\t{start}\t1\tflows=1\tstate=ok\ttool=nfscan\n")
        })
        .collect();
    site.take_in(31, &seconds.concat());
    assert_eq!(of_host(&site, "140.119.44.7")["state"], "quiet");
}

#[test]
fn time_is_clean_once_however_it_is_cut() {
    let site = Site::new("");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    // Windows that lie over each other, those of other tools, ahead of time, cut, filtered or silent.
    let mut lines = String::new();
    for second in 0..500 {
        let start = Timestamp::from_secs(START + 1 + second).rfc3339();
        lines += &format!("#end\t{start}\t600\tflows=1\tstate=ok\ttool=nfscan\n");
    }
    for number in 1..40 {
        let start = at(10 * number);
        for tail in [
            "state=ok\ttool=nfpage",
            "state=ok\ttool=nfcap",
            "state=ok",
            "state=cut\ttool=nfscan",
            "state=nodata\ttool=nfscan",
            "tool=nfscan",
            "state=ok\ttool=nfscan\tsilent=1",
            "state=ok\ttool=nfscan\tfiltered=1",
            "state=ok\ttool=nfflood",
            "state=ok\ttool=nfport",
        ] {
            lines += &format!("#end\t{start}\t600\tflows=1\t{tail}\n");
        }
    }
    site.take_in(402, &lines);
    assert_eq!(changes(&site, "state"), ["->open"]);
    // Of windows ahead of time, one slot is taken: as much as clocks may differ.
    let site = Site::new("");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    let ahead: Vec<String> = (1..100).map(ends).collect();
    let ran = at_minute(&site, 11, &ahead.concat()).run().status(1).says("set aside");
    assert_eq!(changes(&site, "state"), ["->open"], "{ran}");
    // And the same window again and again is clean once.
    for _ in 0..10 {
        site.take_in(23, &ends(1));
    }
    assert_eq!(changes(&site, "state"), ["->open"]);
}

#[test]
fn a_flood_of_hosts_hides_neither_the_real_one_nor_its_transitions() {
    let hook = "[[hook]]\nname = \"log\"\nargv = [\"sh\", \"-c\", \"cat >> lines\"]\n";
    let site = Site::new(hook);
    let script = site.0.path("lines");
    let text = site.0.text("nfkit.toml").replace(">> lines", &format!(">> {}", script.display()));
    site.0.write("nfkit.toml", text);
    let forged = |n: u64| format!("140.{}.{}.{}", 120 + n / 65_536, n / 256 % 256, n % 256);
    let mut lines = String::new();
    for n in 0..12_000 {
        // Half of them claim to be inside, with more flows than the real one.
        let side = if n % 2 == 0 { "inside" } else { "outside" };
        let marks = if n % 4 == 0 { "forged" } else { "-" };
        lines += &found(
            0,
            &[("host", &forged(n)), ("side", side), ("marks", marks), ("flows", "999999")],
        );
    }
    let real = found(0, &[]);
    let run = at_minute(&site, 11, &(lines + &real + &ends(0))).limit(Duration::from_secs(300));
    let ran = run.run().status(0);
    let ran = ran
        .says("are left out, because at most 10000 of one window are taken")
        .says("as clean: 2001\n");
    assert_eq!(of_host(&site, "140.119.44.91")["state"], "open", "{ran}");
    assert_eq!(incidents(&site).len(), 10_000);
    // The hook hears of all, in order, though more rows were written at once than may wait.
    let told = site.0.text("lines");
    let ids: Vec<u64> = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap())
        .collect();
    assert!(ids.len() >= 20_000, "{}", ids.len());
    assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert!(told.contains("140.119.44.91"));
}

#[test]
fn the_matter_that_says_most_is_kept_of_many() {
    let site = Site::new(ISOLATE);
    // A thousand ports with many flows in the host's name, so that they come first, and then the real one.
    let mut lines = String::new();
    for port in 1000..2000u32 {
        let port = port.to_string();
        let own = [("port", &*port), ("flows", "99999"), ("marks", "-"), ("why", "hosts=300>=200")];
        lines += &found(0, &own);
    }
    site.take_in(11, &(lines + &ends(0)));
    let of = |site: &Site| of_host(site, "140.119.44.91");
    assert_eq!(of(&site)["matters"].as_array().unwrap().len(), 64);
    assert_eq!(of(&site)["more"], 936);
    site.take_in(21, &(found(1, &[("flows", "201")]) + &ends(1)));
    let has = |site: &Site, port: u16| {
        of(site)["matters"].as_array().unwrap().iter().any(|matter| matter["port"] == port)
    };
    assert!(has(&site, 22));
    assert_eq!(of(&site)["matters"].as_array().unwrap().len(), 64);
    let rows = journal(&site);
    let last = rows.iter().rfind(|row| row[0] == "matter").unwrap();
    assert_eq!(last[1..3], ["scan:6/1000", "scan:6/22 horizontal"], "{rows:?}");
    // Noise takes no place of it, and the journal does not grow with noise.
    let before = journal(&site).len();
    for number in 2..6 {
        let mut lines = String::new();
        for port in 2000..2100u64 {
            let port = (port + 100 * number).to_string();
            lines += &found(number, &[("port", &*port), ("flows", "99999"), ("marks", "-")]);
        }
        site.take_in(10 * number + 11, &(lines + &ends(number)));
    }
    assert!(has(&site, 22));
    let noise: Vec<_> = journal(&site).split_off(before);
    // Noise that is ten times further beyond its limit takes each of the other places once.
    assert!(noise.iter().filter(|row| row[0] == "matter").count() <= 63, "{noise:?}");
}

#[test]
fn a_forged_reflection_does_not_hide_a_scanner() {
    let site = Site::new("");
    let victim = |peers: &str| -> [(&'static str, String); 7] {
        [
            ("kind", "flood".to_owned()),
            ("class", "reflection".to_owned()),
            ("host", "203.0.113.5".to_owned()),
            ("role", "target".to_owned()),
            ("side", "outside".to_owned()),
            ("peer", peers.to_owned()),
            ("why", "failed=9>=3".to_owned()),
        ]
    };
    let all = victim("140.119.44.91=9,140.119.44.92=9,140.119.44.93=9");
    let flood: Vec<(&str, &str)> = all.iter().map(|(name, cell)| (*name, cell.as_str())).collect();
    let quiet = ("marks", "-");
    let lines = [
        found(0, &flood),
        // Answers a forged request now and then, and scans a network.
        found(0, &[quiet]),
        // Looks like a scanner of the victim alone.
        found(0, &[("host", "140.119.44.92"), ("peers", "1"), ("peer", "203.0.113.5=9"), quiet]),
        // Claims that, but began a conversation of its own.
        found(0, &[("host", "140.119.44.93"), ("peers", "1"), ("peer", "203.0.113.5=9")]),
    ];
    site.take_in(11, &(lines.concat() + &ends(0)));
    let ignored = |host: &str| of_host(&site, host)["ignored"].clone();
    assert_eq!(ignored("140.119.44.91"), false);
    assert_eq!(ignored("140.119.44.92"), true);
    assert_eq!(ignored("140.119.44.93"), false);
}

#[test]
fn a_survey_that_comes_and_goes_is_told_and_not_isolated() {
    let site = Site::new(ISOLATE);
    for number in 0..15 {
        let marks = if number % 2 == 0 { "spoke,survey" } else { "spoke" };
        site.take_in(10 * number + 11, &(found(number, &[("marks", marks)]) + &ends(number)));
    }
    let incident = of_host(&site, "140.119.44.91");
    assert_eq!((&incident["ignored"], &incident["wish"]), (&false.into(), &"none".into()));
    assert!(changes(&site, "notice").len() <= 2, "{:?}", journal(&site));
}

#[test]
fn the_same_findings_with_more_flows_for_ever_add_nothing() {
    let site = Site::new("");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    for number in 1..70 {
        site.take_in(10 * number + 11, &(found(number, &[]) + &ends(number)));
    }
    let (rows, windows) =
        (journal(&site).len(), of_host(&site, "140.119.44.91")["windows"].clone());
    assert_eq!(windows, 70);
    for flows in 3000..3030 {
        let flows = flows.to_string();
        site.take_in(702, &(found(0, &[("flows", &flows)]) + &found(69, &[("flows", &flows)])));
    }
    assert_eq!(journal(&site).len(), rows);
    let incident = of_host(&site, "140.119.44.91");
    assert_eq!(incident["windows"], windows);
    assert_eq!(incident["journal"].as_array().unwrap().len(), rows);
}

#[test]
fn a_host_that_comes_and_goes_is_told_once_a_day() {
    let site = Site::new("");
    // A finding in one window of eight, a day long.
    let lines: Vec<String> = (0..144)
        .map(
            |number| {
                if number % 8 == 0 { found(number, &[]) + &ends(number) } else { ends(number) }
            },
        )
        .collect();
    for (number, lines) in lines.iter().enumerate() {
        site.take_in(10 * number as u64 + 11, lines);
    }
    assert_eq!(incidents(&site).len(), 1);
    assert_eq!(changes(&site, "notice"), ["->first would-send"]);
    let states = changes(&site, "state");
    assert_eq!(states.len(), 36, "{states:?}");
    assert!(states[1..].chunks(2).all(|pair| pair[0] == "open>quiet"), "{states:?}");
}

#[test]
fn pending_hosts_are_forgotten_and_those_of_a_slower_detector_are_not() {
    let site = Site::new("[[policy]]\nopen = \"2 of 3\"\n");
    for number in 0..30 {
        let lines: Vec<String> =
            (0..50).map(|n| found(number, &[("host", &format!("140.119.{number}.{n}"))])).collect();
        site.take_in(10 * number + 11, &(lines.concat() + &ends(number)));
    }
    let pending = incidents(&site);
    assert!(pending.len() <= 200, "{}", pending.len());
    assert!(pending.iter().all(|one| one["state"] == "pending"));
    // nfflood --live has windows of a minute; nfscan has found the host, and finds it again ten minutes later.
    let site = Site::new("[[policy]]\nopen = \"2 of 3\"\n");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    for minute in 10..20 {
        let start = at(minute);
        let end = format!("#end\t{start}\t60\tflows=1\tstate=ok\ttool=nfflood\n");
        site.take_in(minute + 2, &end);
    }
    site.take_in(31, &(found(1, &[]) + &ends(1)));
    assert_eq!(of_host(&site, "140.119.44.91")["state"], "open");
}

#[test]
fn text_of_findings_is_text() {
    let site = Site::new("[[hook]]\nname = \"log\"\nargv = [\"sh\", \"-c\", \"cat >> LOG\"]\n");
    let log = site.0.path("log");
    let text = site.0.text("nfkit.toml").replace("LOG", log.to_str().unwrap());
    site.0.write("nfkit.toml", text);
    let metrics = site.0.path("nfnotify.prom");
    // Text that looks like a claim, a command or a label is none, and text that a terminal obeys is refused.
    let whys = [
        "claimed=1>=0,resolve=all;nfnotify resolve 1",
        "$(touch owned)`touch owned`",
        "</script><b>\"'\\",
        "nfnotify_live{mode=\"live\"} 1",
        "\u{202e}evil\u{2066}",
        "{\"id\":1,\"state\":\"closed\"}",
    ];
    let mut lines = String::new();
    for (nth, why) in whys.iter().enumerate() {
        lines += &found(0, &[("why", why), ("port", &nth.to_string())]);
    }
    let bad = [
        ("why", "a\u{1b}]0;evil\u{7}"),
        ("why", "a\u{9b}2Jb"),
        ("why", "a\rb"),
        ("class", "closed resolved"),
        ("class", "\u{1b}[2J"),
        ("marks", "spoke\u{1b}[2J"),
        ("host", "140.119.44.91\u{1b}"),
        ("sample", "x\u{7}"),
    ];
    for cell in bad {
        lines += &found(0, &[cell]);
    }
    // Of two keys with one name the last one counts, in JSON as in the text form.
    let json = "{\"window\":\"2026-11-30T00:00:00Z\",\"seconds\":600,\"kind\":\"scan\",\"class\":\"sweep\",\
        \"host\":\"140.119.44.99\",\"host\":\"140.119.44.98\",\"role\":\"source\",\"side\":\"inside\",\
        \"proto\":6,\"port\":22,\"peers\":1,\"peer\":null,\"flows\":1,\"packets\":1,\"octets\":1,\"rate\":0.0,\
        \"marks\":\"forged\",\"marks\":null,\"why\":\"a\\u001b[2J\",\"why\":\"hosts=1>=1\",\"sample\":null}\n";
    lines += json;
    lines += "{\"mark\":\"end\",\"mark\":\"window\",\"start\":\"2026-11-30T00:00:00Z\",\"seconds\":600,\
        \"tool\":\"nfscan\",\"state\":\"ok\"}\n";
    let ran =
        at_minute(&site, 11, &(lines + &ends(0))).args(["--metrics-file"]).arg(&metrics).run();
    let ran = ran.status(0);
    let ran = ran.says(&format!("3 more bad lines, {} in all", bad.len()));
    assert_eq!(incidents(&site).len(), 2, "{ran}");
    assert_eq!(of_host(&site, "140.119.44.98")["state"], "open");
    assert_eq!(changes(&site, "claim"), Vec::<String>::new());
    let is_safe = |text: &str| {
        !text.chars().any(|c| {
            (c.is_control() && c != '\n' && c != '\t')
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        })
    };
    for args in [&["list"][..], &["show", "1", "2"], &["history"], &["plan", "--now", &at(12)]] {
        let ran = site.nfnotify(args).run().status(0);
        assert!(is_safe(ran.text()), "{ran}");
    }
    let metrics = fs::read_to_string(metrics).unwrap();
    assert_eq!(metrics.matches("nfnotify_live").count(), 3, "{metrics}");
    for line in fs::read_to_string(log).unwrap().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    assert!(!site.0.path("owned").exists());
    for name in ["a\"b", "a b", "a\\nb", "", "\\u001b"] {
        let site = Site::new(&format!("[[hook]]\nname = \"{name}\"\nargv = [\"true\"]\n"));
        let ran = site.nfnotify(&["run"]).run();
        assert_ne!(ran.status.code(), Some(0), "{name}{ran}");
        assert!(!site.0.path("memory").exists(), "{name}");
    }
}

#[test]
fn a_changed_policy_starts_deadlines_anew_and_changed_contacts_protect_at_once() {
    let site = Site::new(ISOLATE);
    let with = site.0.text("nfkit.toml");
    let one = |number: u64| {
        site.take_in(10 * number + 11, &(found(number, &[]) + &ends(number)));
    };
    (0..4).for_each(one);
    assert_eq!(changes(&site, "deadline").len(), 1);
    // To mail and back: the deadline begins anew, and nobody is isolated at once.
    site.0.write("nfkit.toml", with.replace("isolate", "mail"));
    (4..9).for_each(one);
    let due = changes(&site, "deadline");
    assert_eq!(due.len(), 2, "{due:?}");
    assert!(due[1].ends_with(">-"), "{due:?}");
    site.0.write("nfkit.toml", &with);
    (9..12).for_each(one);
    assert_eq!(changes(&site, "deadline").len(), 3);
    assert_eq!(changes(&site, "wish"), Vec::<String>::new());
    // The network is not static any more, at the end of the deadline.
    let contacts = site.0.text("contacts.csv");
    site.0.write("contacts.csv", contacts.replace(",static", ",dynamic"));
    (12..20).for_each(one);
    assert_eq!(changes(&site, "wish"), Vec::<String>::new());
    // A file with an error changes nothing, and is told.
    site.0.write("contacts.csv", contacts.replace(",static", ",statik"));
    let before = site.memory("incidents.jsonl");
    let ran = at_minute(&site, 211, &(found(20, &[]) + &ends(20))).run().status(1);
    assert!(ran.err.contains("contacts.csv:3: "), "{ran}");
    assert_eq!(site.memory("incidents.jsonl"), before);
    site.0.write("contacts.csv", contacts);
    one(20);
    assert_eq!(changes(&site, "wish"), ["none>until-resolved"]);
}

#[test]
fn what_shadow_mode_wished_is_void_in_live_mode() {
    let site = Site::new(ISOLATE);
    long_attack(&site, &[vec![]]);
    let shadow = site.0.text("nfkit.toml");
    assert_eq!(changes(&site, "wish"), ["none>until-resolved"]);
    let live = shadow.replace("[incident]\n", "[incident]\nmode = \"live\"\n");
    let live = live + "[mail]\nmbox = \"mails\"\n";
    site.0.write("nfkit.toml", &live);
    let run = |number: u64| {
        let lines = found(number, &[]) + &ends(number);
        at_minute(&site, 10 * number + 11, &lines).run().status(0);
    };
    (15..30).for_each(run);
    assert_eq!(changes(&site, "wish"), ["none>until-resolved", "until-resolved>none"]);
    // No device could keep what a mail about a deadline says, so none runs; and each notice is mailed once.
    let deadlines = changes(&site, "deadline");
    assert_eq!(deadlines.len(), 2, "{deadlines:?}");
    let notices = changes(&site, "notice");
    assert_eq!(notices.iter().filter(|to| to.ends_with("wanted")).count(), 1, "{notices:?}");
    // Back and forth makes no second notice.
    for number in 30..36 {
        for text in [&shadow, &live] {
            site.0.write("nfkit.toml", text);
            run(number);
        }
    }
    let notices = changes(&site, "notice");
    assert_eq!(notices.iter().filter(|to| to.ends_with("accepted")).count(), 1, "{notices:?}");
    assert_eq!(changes(&site, "wish").len(), 2);
    // Each return to shadow mode announces its deadline anew, and live mode ends it.
    assert_eq!(changes(&site, "deadline").len(), 2 + 2 * 6);
}

#[test]
fn a_time_that_jumps_changes_no_state_and_hides_nothing() {
    let site = Site::new(ISOLATE);
    for number in 0..3 {
        site.take_in(10 * number + 11, &(found(number, &[]) + &ends(number)));
    }
    let before = site.memory("incidents.jsonl");
    for now in ["2100-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2554-07-21T00:00:00Z", &at(32)] {
        let ran = site.nfnotify(&["run", "--now", now]).run().status(0);
        let rows: Vec<Value> = incidents(&site)[0]["journal"].as_array().unwrap().clone();
        let old: Value = serde_json::from_str(before.trim_end()).unwrap();
        assert_eq!(Value::Array(rows), old["journal"], "{now}{ran}");
    }
    // Under a wrong clock the future is judged; with the right one, what is closed then is still seen.
    let end =
        |tool: &str| format!("#end\t2100-01-01T00:00:00Z\t600\tflows=1\tstate=ok\ttool={tool}\n");
    let future = ["nfscan", "nfflood", "nfport"].map(end).concat();
    let run = site.nfnotify(&["run", "--now", "2100-01-01T00:11:00Z", "-"]).stdin(future);
    run.run().status(0);
    let change = ["resolve", "1", "--by", "kim", "--why", "cleaned", "--now", &at(33)];
    site.nfnotify(&change).run().status(0);
    let ran = at_minute(&site, 41, &ends(3)).run().status(0);
    let all = site.nfnotify(&["list", "--all"]).run().ok();
    assert_eq!(rows(all.text()).len(), 2, "{all}{ran}");
    // A host that is found now is told now.
    site.nfnotify(&["-q", "run", "--now", &at(51), "-"]).stdin(found(4, &[]) + &ends(4)).run().ok();
    assert_eq!(of_host_open(&site), 2);
}

/// Returns the number of the only incident that is open.
fn of_host_open(site: &Site) -> u64 {
    let open: Vec<Value> =
        incidents(site).into_iter().filter(|one| one["state"] == "open").collect();
    assert_eq!(open.len(), 1, "{open:?}");
    open[0]["id"].as_u64().unwrap()
}

#[test]
fn a_quiet_incident_that_is_claimed_late_is_still_seen() {
    let site = Site::new("[[policy]]\nclose = \"60d\"\n");
    site.take_in(11, &(found(0, &[]) + &ends(0)));
    let day = 144;
    let weeks: Vec<String> = (1..14 * day).step_by(7).map(ends).collect();
    site.take_in(10 * 14 * day, &weeks.concat());
    assert_eq!(of_host(&site, "140.119.44.91")["state"], "quiet");
    let now = at(10 * 14 * day + 1);
    site.nfnotify(&["claim", "1", "--by", "kim", "--why", "x", "--now", &now]).run().status(0);
    let incident = of_host(&site, "140.119.44.91");
    assert_eq!((&incident["state"], &incident["reason"]), (&"closed".into(), &"claimed".into()));
}
