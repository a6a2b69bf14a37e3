//! Tests that all three detectors share: options, windows, forms of input and output.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::{DETECTORS, INSIDE, Ran, Run, Scene, gzip, paper, scan, table, tool, zstd};

pub const FIELDS: &str = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\n";

/// The options that choose between a detector's classes and the paper's rules.
pub const RULES: [&[&str]; 2] = [&[], &["--paper"]];

/// The first of two consecutive windows, as its start and length in a mark.
pub const W1: &str = "2001-07-01T00:20:00Z\t600";
/// The window after [`W1`].
pub const W2: &str = "2001-07-01T00:30:00Z\t600";

/// Returns one flow line of a TCP connection request.
pub fn row(sip: &str, dip: &str, dport: u16) -> String {
    format!("1\t{sip}\t{dip}\t2\t6\t1025\t{dport}\t1\t40\n")
}

/// Returns connection requests, each from a source port of its own and therefore a conversation of
/// its own.
pub fn requests(sip: &str, dip: &str, dport: u16, count: u16) -> String {
    let one = row(sip, dip, dport);
    (0..count).map(|n| one.replace("\t1025\t", &format!("\t{}\t", 1025 + n))).collect()
}

/// Wraps rows in the marks of a window that the collector saw completely.
pub fn window(mark: &str, rows: &str) -> String {
    let flows = rows.lines().count();
    format!("#window\t{mark}\n{rows}#end\t{mark}\tflows={flows}\tlate=0\tscaled=0\tstate=ok\n")
}

/// Returns the rows of one window with an attack for each detector: a scan of two networks, a flood
/// from inside and an attack on one port.
pub fn attacks() -> String {
    let mut rows = String::new();
    for net in [16, 17] {
        for host in 1..=200 {
            rows += &row("203.0.113.45", &format!("140.119.{net}.{host}"), 21);
        }
    }
    rows += &requests("140.119.53.7", "198.51.100.13", 80, 1001);
    for n in 0..10_000 {
        rows += &row("140.119.44.91", &format!("11.{}.{}.9", n / 250, n % 250), 445);
    }
    rows
}

/// Returns [`attacks`] as a marked window with column names.
fn input() -> String {
    FIELDS.to_owned() + &window(W1, &attacks())
}

fn run(name: &str, input: &str, args: &[&str]) -> Run {
    tool(name).args(args).stdin(input)
}

/// Returns the findings, each as "kind role host".
pub fn found(ran: &Ran) -> Vec<String> {
    let name =
        |row: &BTreeMap<String, String>| format!("{} {} {}", row["kind"], row["role"], row["host"]);
    ran.table().iter().map(name).collect()
}

/// Returns the findings of a detector in [`attacks`] if the inside networks are known.
fn all(name: &str) -> &'static [&'static str] {
    match name {
        // The source that attacks one port of 10,000 hosts also makes many failed attempts.
        "nfscan" => &["scan source 140.119.44.91", "scan source 203.0.113.45"],
        "nfflood" => &["flood source 140.119.53.7", "flood target 198.51.100.13"],
        _ => &["port source 140.119.44.91"],
    }
}

#[test]
fn each_detector_finds_its_own_attack() {
    for name in DETECTORS {
        let ran = run(name, &input(), &["--inside", INSIDE]).run().ok();
        assert_eq!(found(&ran), all(name), "{ran}");
        let row = &ran.table()[0];
        assert_eq!(
            (row["window"].as_str(), row["seconds"].as_str()),
            ("2001-07-01T00:20:00Z", "600")
        );
        let end = format!("#end\t{W1}\tflows=11401\tlate=0\tscaled=0\tstate=ok\ttool={name}");
        assert_eq!(ran.marks("#end"), [end], "{ran}");
        assert_eq!(ran.marks("#window"), [format!("#window\t{W1}")], "{ran}");
    }
}

#[test]
fn with_the_papers_rules_each_detector_finds_only_its_own_attack() {
    for name in DETECTORS {
        let ran = run(name, &input(), &["--paper", "--inside", INSIDE]).run().ok();
        let own = if name == "nfscan" { &["scan source 203.0.113.45"] } else { all(name) };
        assert_eq!(found(&ran), own, "{ran}");
    }
}

#[test]
fn without_inside_no_host_has_a_side() {
    for name in DETECTORS {
        let ran = run(name, &input(), &[]).run().ok();
        assert!(ran.table().iter().all(|row| row["side"] == "-"), "{ran}");
        // nfflood reports the source of a flood only if it is inside.
        let expected = if name == "nfscan" { 2 } else { 1 };
        assert_eq!(ran.rows().len(), expected, "{ran}");
    }
}

#[test]
fn inside_comes_from_the_environment_or_a_file() {
    let scene = Scene::new();
    let nets = scene.write("nets", "# ours\n2001:db8::/32, 140.119.0.0/16\n");
    let at = format!("@{}", nets.display());
    for name in DETECTORS {
        let given = run(name, &input(), &["--inside", INSIDE]).run().ok();
        let env = run(name, &input(), &[]).env("NFKIT_INSIDE", INSIDE).run().ok();
        assert_eq!(env.text(), given.text());
        let file = run(name, &input(), &["--inside", &at]).run().ok();
        assert_eq!(file.text(), given.text());
        let other = run(name, &input(), &["--inside", "192.0.2.0/24"]).env("NFKIT_INSIDE", INSIDE);
        let other = other.run().ok();
        assert!(other.table().iter().all(|row| row["side"] == "outside"), "an option wins{other}");
    }
}

#[test]
fn networks_that_cannot_be_read_are_refused() {
    for name in DETECTORS {
        run(name, "", &["--inside", "10.1.0.0/8"]).run().status(2).mute().says("10.0.0.0/8");
        run(name, "", &["--inside", "office"]).run().status(2).mute();
        run(name, "", &["--inside", "@/nowhere"]).run().status(1).says_lines(1).says("/nowhere");
    }
}

#[test]
fn side_limits_the_findings_to_one_side() {
    for name in DETECTORS {
        for side in ["inside", "outside"] {
            let ran = run(name, &input(), &["--inside", INSIDE, "--side", side]).run().ok();
            let inside = |row: &&&str| row.contains(" 140.119.") == (side == "inside");
            let expected: Vec<_> = all(name).iter().filter(inside).copied().collect();
            assert_eq!(found(&ran), expected, "{ran}");
            assert!(ran.table().iter().all(|row| row["side"] == side), "{ran}");
        }
        run(name, "", &["--side", "inside"]).run().status(2).mute().says("--inside");
        run(name, "", &["--inside", INSIDE, "--side", "left"]).run().status(2).mute();
    }
}

#[test]
fn ignored_flows_are_not_counted() {
    let scene = Scene::new();
    let cases = [
        ("nfscan", "203.0.113.45 *\n140.119.44.91 * tcp/445\n"),
        ("nfscan", "* 140.119.0.0/16 tcp/21 # ours\n* 11.0.0.0/8\n"),
        ("nfflood", "140.119.53.7 198.51.100.13\n"),
        ("nfflood", "140.119.53.7 198.51.100.13 tcp/80\n"),
        ("nfport", "\n# a comment\n140.119.44.91 11.0.0.0/8 6/445\n"),
    ];
    for (name, rules) in cases {
        let file = scene.write("ignore", rules);
        let args = ["--inside", INSIDE, "--ignore", file.to_str().unwrap()];
        let ran = run(name, &input(), &args).run().ok();
        assert!(ran.rows().is_empty(), "{rules}{ran}");
        let env = run(name, &input(), &[]).env("NFKIT_IGNORE", &file).run().ok();
        assert!(env.rows().is_empty(), "{rules}{env}");
    }
    for (name, rules) in [
        ("nfscan", "203.0.113.46 *\n"),
        ("nfflood", "198.51.100.13 140.119.53.7\n"),
        ("nfflood", "140.119.53.7 198.51.100.13 tcp/443\n"),
        ("nfport", "140.119.44.91 11.0.0.0/8 udp/445\n"),
    ] {
        let file = scene.write("ignore", rules);
        let args = ["--inside", INSIDE, "--ignore", file.to_str().unwrap()];
        let ran = run(name, &input(), &args).run().ok();
        assert_eq!(found(&ran), all(name), "{rules}{ran}");
    }
}

#[test]
fn an_error_in_an_ignore_file_names_its_line() {
    let scene = Scene::new();
    let file = scene.write("ignore", "* *\n10.0.0.0/8 somebody\n");
    for name in DETECTORS {
        let ran = tool(name).arg("--ignore").arg(&file).stdin(input()).run().status(1).mute();
        ran.says_lines(1).says("ignore:2: ").says("somebody");
        tool(name).args(["--ignore", "/nowhere"]).run().status(1).mute().says_lines(1);
    }
}

/// Returns the output of `--explain` for a host, each row as "measure value limit verdict".
fn explained(name: &str, host: &str, args: &[&str]) -> (Vec<String>, Ran) {
    let ran = run(name, &input(), &["--inside", INSIDE, "--explain", host]).args(args);
    let ran = ran.run().status(0);
    let cells = |row: &BTreeMap<String, String>| {
        ["measure", "value", "limit", "verdict"].map(|column| row[column].clone()).join(" ")
    };
    assert!(ran.table().iter().all(|row| row["host"] == host), "{ran}");
    let rows = ran.table().iter().map(cells).collect();
    (rows, ran)
}

#[test]
fn explain_shows_the_measures_of_the_classes() {
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            "nfscan",
            "203.0.113.45",
            &[
                "nets 2 >=2 passes",
                "hosts 400 >=25 passes",
                "dark 400 >=12 passes",
                "ports 1 >=5 -",
            ],
        ),
        (
            "nfflood",
            "198.51.100.13",
            &["flows 1001 >=1000 passes", "unansweredpct 100 >=50 passes", "sources 1 >=10 -"],
        ),
        ("nfflood", "140.119.16.1", &["flows 1 >=1000 -", "pps 0 >=2000 -"]),
        (
            "nfport",
            "140.119.44.91",
            &["targets 10000 >=1000 passes", "failedpct 100 >=50 passes", "sessions 0 >=20 -"],
        ),
        ("nfport", "140.119.53.7", &["targets 1 >=1000 -"]),
    ];
    for (name, host, expected) in cases {
        let (rows, ran) = explained(name, host, &[]);
        for row in expected {
            assert!(rows.contains(&(*row).to_owned()), "{row}{ran}");
        }
    }
    for name in DETECTORS {
        for rule in RULES {
            let (rows, ran) = explained(name, "192.0.2.77", rule);
            assert!(rows.is_empty(), "{ran}");
            ran.says_lines(2).says("no flow of that host").says("no configuration file");
        }
        run(name, "", &["--explain", "example.org"]).run().status(2).mute();
        run(name, "", &["--explain", "192.0.2.7", "--json"]).run().status(2).mute();
    }
}

#[test]
fn explain_shows_the_measures_of_the_papers_rules() {
    let cases: [(&str, &str, &[&str]); 6] = [
        (
            "nfscan",
            "203.0.113.45",
            &["adjacent nets 2 >=2 passes", "hosts of one net 200 >=200 passes"],
        ),
        ("nfflood", "198.51.100.13", &["received from all 1001 >1000 passes"]),
        ("nfflood", "140.119.53.7", &["sent to one host 1001 >1000 passes"]),
        ("nfflood", "140.119.16.1", &["received from all 1 >1000 -"]),
        ("nfport", "140.119.44.91", &["flows 10000 >=10000 passes"]),
        ("nfport", "140.119.53.7", &["flows 1001 >=10000 -"]),
    ];
    for (name, host, expected) in cases {
        let (rows, ran) = explained(name, host, &["--paper"]);
        for row in expected {
            assert!(rows.contains(&(*row).to_owned()), "{row}{ran}");
        }
    }
}

/// An option of the classes is refused beside `--paper`. A variable of the classes is ignored,
/// because it may be set for every run.
#[test]
fn with_the_papers_rules_class_options_are_refused_and_variables_ignored() {
    for (name, option, variable, good) in [
        ("nfscan", "--limits", "NFKIT_LIMITS", "file"),
        ("nfscan", "--state", "NFKIT_SCAN_STATE", "file"),
        ("nfscan", "--survey", "NFKIT_SURVEY", "192.0.2.0/24"),
        ("nfscan", "--feed", "NFKIT_FEED", "file"),
        ("nfflood", "--limits", "NFKIT_LIMITS", "file"),
        ("nfflood", "--state", "NFKIT_FLOOD_STATE", "file"),
        ("nfflood", "--outside-if", "NFKIT_OUTSIDE_IF", "7"),
        ("nfport", "--limits", "NFKIT_LIMITS", "file"),
        ("nfport", "--state", "NFKIT_PORT_STATE", "file"),
    ] {
        let paper = ["--paper", "--inside", INSIDE];
        let plain = run(name, &input(), &paper).run().ok();
        for bad in ["/nowhere/at all", ""] {
            run(name, &input(), &paper).env(variable, bad).run().ok().prints(plain.text());
            let ran = run(name, &input(), &["--inside", INSIDE]).env(variable, bad).run();
            assert!(!ran.status.success(), "the classes read {variable}{ran}");
        }
        let ran = run(name, "", &paper).args([option, good]).run().status(2).mute();
        ran.says("--paper").says(option);
    }
    for name in DETECTORS {
        run(name, "", &["--paper", "--calibrate"]).run().status(2).mute().says("--calibrate");
    }
    for name in ["nfflood", "nfport"] {
        run(name, "", &["--limit-flows", "7"]).run().status(2).mute().says("--paper");
    }
}

#[test]
fn with_exit_code_the_status_is_3_if_anything_was_found() {
    for name in DETECTORS {
        let args = ["--inside", INSIDE, "--exit-code"];
        run(name, &input(), &args).run().status(3);
        run(name, &(FIELDS.to_owned() + &window(W1, "")), &args).run().status(0);
        run(name, "", &args).run().status(0);
        // A finding that `--side` hides does not count as found.
        let other = if name == "nfport" { "outside" } else { "inside" };
        let side = [&args[..], &["--side", other]].concat();
        let expected = if name == "nfport" { 0 } else { 3 };
        run(name, &input(), &side).run().status(expected);
        // The status of a failure takes precedence over that of a finding.
        let ran = run(name, &input(), &args).args(["-", "/nowhere"]).run().status(1);
        assert_eq!(found(&ran), all(name));
    }
}

#[test]
fn json_and_text_hold_the_same_findings() {
    for name in DETECTORS {
        let text = run(name, &input(), &["--inside", INSIDE]).run().ok();
        let json = run(name, &input(), &["--inside", INSIDE, "--json"]).run().ok();
        let lines: Vec<Value> =
            json.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let rows: Vec<_> = lines.iter().filter(|line| line.get("mark").is_none()).collect();
        assert_eq!(rows.len(), text.rows().len(), "{json}");
        for (row, expected) in rows.iter().zip(text.table()) {
            assert_eq!(row.as_object().unwrap().len(), expected.len(), "{json}");
            for (column, cell) in &expected {
                let is_number =
                    ["seconds", "proto", "port", "peers", "flows", "packets", "octets", "rate"];
                match (&row[column], cell.as_str()) {
                    (Value::Null, cell) => assert_eq!(cell, "-", "{column}{json}"),
                    (Value::Number(n), cell) => {
                        assert!(is_number.contains(&column.as_str()), "{column}{json}");
                        assert_eq!(n.as_f64(), Some(cell.parse().unwrap()), "{column}{json}");
                    }
                    (Value::String(text), cell) => {
                        assert!(!is_number.contains(&column.as_str()), "{column}{json}");
                        assert_eq!(text, cell, "{column}{json}");
                    }
                    (other, _) => panic!("{column} is {other}{json}"),
                }
            }
        }
        let marks: Vec<_> = lines.iter().filter(|line| line.get("mark").is_some()).collect();
        let expected = [
            serde_json::json!({"mark": "window", "start": "2001-07-01T00:20:00Z", "seconds": 600}),
            serde_json::json!({
                "mark": "end", "start": "2001-07-01T00:20:00Z", "seconds": 600, "flows": 11401,
                "late": 0, "scaled": 0, "state": "ok", "tool": name,
            }),
        ];
        assert_eq!(marks, expected.iter().collect::<Vec<_>>(), "{json}");
    }
}

/// Returns the words of a text that parse as IPv4 addresses.
fn addresses(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == '?'));
    words.filter(|word| word.parse::<std::net::Ipv4Addr>().is_ok()).collect()
}

#[test]
fn masked_findings_hold_no_whole_address() {
    for name in DETECTORS {
        let options: &[&[&str]] = match name {
            "nfscan" => &[&[], &["--json"], &["--subnets"], &["-q", "--explain", "203.0.113.45"]],
            "nfflood" => &[&[], &["--json"], &["--pairs"], &["-q", "--explain", "198.51.100.13"]],
            _ => &[&[], &["--json"], &["-q", "--explain", "140.119.44.91"]],
        };
        for options in options {
            let plain = run(name, &input(), &["--inside", INSIDE]).args(*options).run().ok();
            assert!(!addresses(plain.text()).is_empty(), "{plain}");
            let ran =
                run(name, &input(), &["--inside", INSIDE, "--mask"]).args(*options).run().ok();
            assert_eq!(ran.text().lines().count(), plain.text().lines().count(), "{ran}");
            // A mask leaves networks of 24 bits or fewer.
            let left: Vec<_> =
                addresses(ran.text()).into_iter().filter(|a| !a.ends_with(".0")).collect();
            assert!(left.is_empty(), "{left:?}{ran}");
        }
        let ran = run(name, &input(), &["--inside", INSIDE, "--mask"]).run().ok();
        let mut reader = nfkit::finding::Reader::new();
        let lines = ran.text().lines();
        let refused = lines.filter(|line| reader.line(line.as_bytes()).is_err()).count();
        assert_eq!(refused, all(name).len());
    }
}

#[test]
fn masked_flow_lines_are_refused() {
    let masked =
        input().replace("203.0.113.45", "203.0.113.?").replace("198.51.100.13", "198.51.100.?");
    for name in DETECTORS {
        let ran = run(name, &masked, &[]).run().status(0);
        assert!(ran.text().contains("badlines=1401"), "{ran}");
        ran.says_lines(6).says("is masked: analyse first, mask last");
        let only = FIELDS.to_owned() + &row("203.0.113.?", "140.119.16.?", 21);
        run(name, &only, &[]).run().status(1).says("is masked");
    }
}

#[test]
fn column_order_separator_and_line_ending_do_not_matter() {
    let expected: Vec<_> =
        DETECTORS.map(|name| run(name, &input(), &[]).run().ok().rows().join("\n")).into();
    let swapped = {
        let lines = attacks();
        let rows = lines.lines().map(|line| {
            let c: Vec<_> = line.split('\t').collect();
            format!(
                "{}\tlabel\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                c[8], c[2], c[1], c[0], c[3], c[4], c[5], c[6], c[7], "x"
            )
        });
        let names =
            "#fields\toctets\tlabel\tdip\tsip\tsif\tdif\tproto\tsport\tdport\tpackets\tnote\n";
        names.to_owned() + &window(W1, &rows.collect::<String>())
    };
    // CSV: the first line has the column names and nothing else.
    let csv = FIELDS.replace("#fields\t", "").replace('\t', ",")
        + &window(W1, &attacks().replace('\t', ","));
    let texts = [
        window(W1, &attacks()),
        csv,
        window(W1, &attacks().replace('\t', ",")),
        window(W1, &attacks().replace('\t', "  ")),
        window(W1, &attacks().replace('\n', "\r\n")),
        // No line ending after the last row.
        input().trim_end().to_owned(),
        swapped,
    ];
    for text in texts {
        for (name, expected) in DETECTORS.iter().zip(&expected) {
            let ran = run(name, &text, &[]).run().ok();
            assert_eq!(ran.rows().join("\n"), *expected, "{ran}");
        }
    }
}

#[test]
fn compressed_flow_lines_are_read() {
    let scene = Scene::new();
    let files = [
        scene.write("flows.gz", gzip(input().as_bytes())),
        scene.write("flows.zst", zstd(input().as_bytes())),
        scene.write("flows", input()),
    ];
    for name in DETECTORS {
        let expected = run(name, &input(), &[]).run().ok();
        for file in &files {
            tool(name).arg(file).run().ok().prints(expected.text());
            tool(name).stdin_file(file).run().ok().prints(expected.text());
        }
    }
}

#[test]
fn marked_windows_merge_and_thresholds_grow_with_them() {
    let two = |first: usize, second: usize| {
        let all = requests("140.119.53.7", "198.51.100.13", 80, (first + second) as u16);
        let at = all.match_indices('\n').nth(first - 1).map_or(0, |(at, _)| at + 1);
        FIELDS.to_owned() + &window(W1, &all[..at]) + &window(W2, &all[at..])
    };
    let long = ["--window", "20m"];
    let ran = run("nfflood", &two(999, 1001), &long).run().ok();
    assert_eq!(ran.rows().len(), 1, "2000 are as many as 2000{ran}");
    let merged = "2001-07-01T00:20:00Z\t1200";
    assert_eq!(ran.marks("#window"), [format!("#window\t{merged}")], "{ran}");
    assert_eq!(
        ran.marks("#end"),
        [format!("#end\t{merged}\tflows=2000\tlate=0\tscaled=0\tstate=ok\ttool=nfflood")],
        "{ran}"
    );
    assert!(ran.rows()[0].contains("\tflows=2000>=2000,"), "{ran}");
    let ran = run("nfflood", &two(999, 1000), &long).run().ok();
    assert_eq!(ran.rows().len(), 0, "{ran}");
    let ran = run("nfflood", &two(999, 1001), &[]).run().ok();
    assert_eq!(ran.marks("#window").len(), 2, "{ran}");
    assert_eq!(ran.rows().len(), 1, "{ran}");
    // The second half of the merged window is missing, so it must not pass for a quiet one.
    let half = FIELDS.to_owned() + &window(W1, &row("140.119.53.7", "198.51.100.13", 80));
    let ran = run("nfflood", &half, &long).run().ok();
    assert!(ran.marks("#end")[0].contains("state=cut"), "{ran}");
}

#[test]
fn a_window_length_that_does_not_fit_is_a_usage_error() {
    for name in DETECTORS {
        for window in ["15m", "5m"] {
            let ran = run(name, &input(), &["--window", window]).run().status(2);
            assert!(ran.rows().is_empty(), "{ran}");
            ran.says_lines(1).says("--window");
        }
        for window in ["0", "ten", "600"] {
            run(name, &input(), &["--window", window]).run().status(2).mute();
        }
    }
}

/// Returns the rows of [`attacks`] with start times from the second `from` on. The attacks are
/// mixed and spread over `seconds`: a scan within a few seconds would look like a worm.
fn timed(from: u64, seconds: u64) -> String {
    let rows = attacks();
    let rows: Vec<_> = rows.lines().collect();
    let stamp = |n: usize| {
        let second = from + n as u64 * seconds / rows.len() as u64;
        // Every row occurs once: the step and the number of rows have no common divisor.
        format!("{}\t{second}.{:03}\n", rows[n * 4001 % rows.len()], n % 1000)
    };
    (0..rows.len()).map(stamp).collect()
}

const TIMED: &str = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tstart\n";

#[test]
fn unmarked_rows_are_put_into_windows_by_their_start() {
    let text = TIMED.to_owned() + &timed(993_946_800, 600);
    let column_end = text.replace("\tstart\n", "\tend\n");
    for name in DETECTORS {
        let ran = run(name, &text, &["--inside", INSIDE]).run().ok();
        assert_eq!(found(&ran), all(name), "{ran}");
        assert_eq!(ran.marks("#window"), [format!("#window\t{W1}")], "{ran}");
        // Without marks nobody knows if the window is complete, so it has no state.
        assert_eq!(
            ran.marks("#end"),
            [format!("#end\t{W1}\tflows=11401\tlate=0\ttool={name}")],
            "{ran}"
        );
        run(name, &column_end, &["--inside", INSIDE]).run().ok().prints(ran.text());
        let ran = run(name, &text, &["--window", "1h"]).run().ok();
        assert_eq!(ran.marks("#window"), ["#window\t2001-07-01T00:00:00Z\t3600"], "{ran}");
        let ran = run(name, &text, &["--window", "1m"]).run().ok();
        assert_eq!(ran.marks("#window").len(), 10, "{ran}");
    }
}

#[test]
fn an_old_row_is_late_and_not_dropped() {
    let at = |secs: u64| row("192.0.2.1", "192.0.2.2", 80).replace('\n', &format!("\t{secs}\n"));
    let start = 993_946_800;
    let text = TIMED.to_owned() + &at(start) + &at(start + 600) + &at(start + 1200) + &at(start);
    for name in DETECTORS {
        let ran = run(name, &text, &[]).run().ok();
        let ends: Vec<_> = ran.marks("#end").iter().map(|end| end.replace('\t', " ")).collect();
        assert_eq!(ends.len(), 3, "{ran}");
        assert!(ends[0].contains("00:20:00Z 600 flows=1 late=0"), "{ran}");
        assert!(ends[1].contains("00:30:00Z 600 flows=2 late=1"), "{ran}");
        assert!(ends[2].contains("00:40:00Z 600 flows=1 late=0"), "{ran}");
    }
}

#[test]
fn rows_without_times_form_one_window_of_unknown_time() {
    for name in DETECTORS {
        let ran = run(name, &attacks(), &["--inside", INSIDE]).run().ok();
        assert_eq!(found(&ran), all(name), "{ran}");
        assert_eq!(ran.marks("#window"), ["#window\t-\t-"], "{ran}");
        assert_eq!(ran.marks("#end"), [format!("#end\t-\t-\tflows=11401\tlate=0\ttool={name}")]);
        assert!(
            ran.table().iter().all(|row| row["window"] == "-" && row["seconds"] == "-"),
            "{ran}"
        );
        if name == "nfflood" {
            assert_eq!(ran.table()[0]["rate"], "1.67", "as of 600 s{ran}");
        }
    }
}

#[test]
fn a_window_without_its_end_is_cut() {
    let open = format!("{FIELDS}#window\t{W1}\n{}", attacks());
    let next = format!("{open}#window\t{W2}\n#end\t{W2}\tflows=0\tstate=ok\n");
    for name in DETECTORS {
        let ran = run(name, &open, &["--inside", INSIDE]).run().ok();
        assert_eq!(found(&ran), all(name), "{ran}");
        assert!(ran.marks("#end")[0].contains("\tstate=cut\t"), "{ran}");
        let ran = run(name, &next, &["--inside", INSIDE]).run().ok();
        let ends = ran.marks("#end");
        assert_eq!(ends.len(), 2, "{ran}");
        assert!(ends[0].contains("state=cut") && ends[1].contains("state=ok"), "{ran}");
    }
}

#[test]
fn the_collectors_end_mark_is_copied() {
    let end_mark = "flows=0\tlate=0\tlostflows=4\tlostdatagrams=1\tsampling=100\tscaled=0\tcover=600\topen=1\tsilent=2\tstate=nodata";
    let text = format!("{FIELDS}#window\t{W1}\n#end\t{W1}\t{end_mark}\tmood=good\n");
    for name in DETECTORS {
        let ran = run(name, &text, &[]).run().ok();
        assert_eq!(
            ran.marks("#end"),
            [format!("#end\t{W1}\t{end_mark}\ttool={name}\tmood=good")],
            "{ran}"
        );
        // Findings in a window with losses or sampling are marked.
        let lossy = input().replace("state=ok", "lostflows=4\tsampling=100\tstate=ok");
        let ran = run(name, &lossy, &[]).run().ok();
        assert!(ran.table().iter().all(|row| row["marks"] == "lossy,sampled"), "{ran}");
    }
}

#[test]
fn scaled_counts_are_refused() {
    let text = input().replace("scaled=0", "scaled=1");
    for name in DETECTORS {
        let ran = run(name, &text, &[]).run().status(1);
        assert!(ran.rows().is_empty(), "{ran}");
        ran.says_lines(1).says("scaled=1");
    }
}

#[test]
fn one_window_in_two_files_is_judged_as_one() {
    let scene = Scene::new();
    let rows = attacks();
    let lines: Vec<_> = rows.lines().collect();
    let (a, b) = lines.split_at(lines.len() / 2);
    let part = |lines: &[&str]| format!("{FIELDS}#window\t{W1}\n{}\n", lines.join("\n"));
    let first = scene.write("a", part(a));
    let second = scene
        .write("b", part(b) + &format!("#end\t{W1}\tflows=11401\tlate=0\tscaled=0\tstate=ok\n"));
    for name in DETECTORS {
        let expected = run(name, &input(), &[]).run().ok();
        tool(name).arg(&first).arg(&second).run().ok().prints(expected.text());
    }
}

#[test]
fn empty_input_is_good_input() {
    for name in DETECTORS {
        for text in ["", FIELDS, "\n\n", "# nothing\n"] {
            let ran = run(name, text, &[]).run().ok();
            assert_eq!(ran.text().lines().count(), 1, "{ran}");
            assert!(ran.text().starts_with("#fields\twindow\tseconds\tkind"), "{ran}");
        }
        run(name, "", &["--json"]).run().ok().mute();
    }
}

#[test]
fn a_small_memory_limit_does_not_change_the_findings() {
    for name in DETECTORS {
        let text = if name == "nfscan" { &scan().text } else { &paper().text };
        for rule in RULES {
            let run = || run(name, text, &["--inside", INSIDE]).args(rule);
            let plain = run().run().ok();
            assert!(!plain.rows().is_empty(), "{plain}");
            let ran = run().args(["--memory", "1K"]).run().ok();
            assert_eq!(ran.text(), plain.text(), "{name} {rule:?}");
            let small = run().env("NFKIT_MEMORY", "1M").run().ok();
            assert_eq!(small.text(), plain.text(), "{name} {rule:?}");
        }
        run(name, "", &["--memory", "much"]).run().status(2).mute();
    }
}

#[test]
fn findings_are_sorted_by_size_and_then_by_host() {
    // Of two floods of the same size the lower address comes first; a larger flood precedes both.
    let rows = requests("192.0.2.1", "198.51.100.20", 80, 1100)
        + &requests("192.0.2.1", "198.51.100.9", 80, 1100)
        + &requests("192.0.2.1", "198.51.100.30", 80, 1200);
    let ran = run("nfflood", &window(W1, &rows), &[]).run().ok();
    let hosts: Vec<_> = table(ran.text()).iter().map(|row| row["host"].clone()).collect();
    assert_eq!(hosts, ["198.51.100.30", "198.51.100.9", "198.51.100.20"], "{ran}");
}
