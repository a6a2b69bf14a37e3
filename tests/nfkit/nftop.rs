//! nftop: its totals equal a naive count of the same lines, in every output form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::detector::{FIELDS, W1, W2, row, window};
use crate::harness::{Scene, campus, paper, scan, table, tool};

type Row = BTreeMap<String, String>;

/// Returns a part of an ordinary window.
fn part_of_campus() -> String {
    campus().text.split_inclusive('\n').take(12_000).collect()
}

/// Returns the cell of one of the nine columns.
fn cell(line: &str, name: &str) -> String {
    let names = ["sif", "sip", "dip", "dif", "proto", "sport", "dport", "packets", "octets"];
    let at = names.iter().position(|other| *other == name).unwrap();
    line.split('\t').nth(at).unwrap().to_owned()
}

fn prefix(address: &str) -> String {
    let octets: Vec<_> = address.split('.').collect();
    format!("{}.{}.{}.0/24", octets[0], octets[1], octets[2])
}

/// Returns the keys of a flow line, for its source side and its destination side.
fn keys(per: &str, line: &str) -> Vec<Vec<String>> {
    let cell = |name| cell(line, name);
    match per {
        "addr" => vec![vec![cell("sip")], vec![cell("dip")]],
        "net/24" => vec![vec![prefix(&cell("sip"))], vec![prefix(&cell("dip"))]],
        "port" => vec![vec![cell("proto"), cell("sport")], vec![cell("proto"), cell("dport")]],
        "if" => vec![vec![cell("sif")], vec![cell("dif")]],
        "dnet" => vec![vec![prefix(&cell("dip"))]],
        "pair" => vec![vec![cell("sip"), cell("dip")]],
        "sport" | "dport" => vec![vec![cell("proto"), cell(per)]],
        one => vec![vec![cell(one)]],
    }
}

/// The expected totals of a key: flows, packets and octets of each side, and the peers.
#[derive(Default)]
struct Counted {
    sides: [[u64; 3]; 2],
    peers: BTreeSet<String>,
}

fn naive_count(per: &str, text: &str) -> BTreeMap<Vec<String>, Counted> {
    let mut all = BTreeMap::<_, Counted>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let counts =
            [1, cell(line, "packets").parse().unwrap(), cell(line, "octets").parse().unwrap()];
        let keys = keys(per, line);
        // A key on one side only: its peer is the destination, or the source for keys of
        // destinations.
        let far = if per.starts_with('d') { ["sip", ""] } else { ["dip", "sip"] };
        for (side, key) in keys.into_iter().enumerate() {
            let counted = all.entry(key).or_default();
            counted.sides[side].iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            counted.peers.insert(cell(line, far[side]));
        }
    }
    all
}

fn number(row: &Row, name: &str) -> u64 {
    row[name].parse().unwrap()
}

/// Asserts that rows of nftop equal the naive count.
fn assert_equal_counts(per: &str, text: &str, rows: &[Row], by: &str) {
    let names: Vec<&str> = match per {
        "net/24" => vec!["net"],
        "port" => vec!["proto", "port"],
        "sport" | "dport" => vec!["proto", per],
        "pair" => vec!["sip", "dip"],
        one => vec![one],
    };
    let counted = naive_count(per, text);
    assert_eq!(rows.len(), counted.len(), "keys per {per}");
    for row in rows {
        let key: Vec<_> = names.iter().map(|name| row[*name].clone()).collect();
        let counted = &counted[&key];
        for (n, name) in ["flows", "packets", "octets"].into_iter().enumerate() {
            let [sent, received] = [counted.sides[0][n], counted.sides[1][n]];
            assert_eq!(number(row, name), sent + received, "{name} of {key:?}");
            if row.contains_key("sentflows") {
                assert_eq!(number(row, &format!("sent{name}")), sent, "{name} of {key:?}");
                assert_eq!(number(row, &format!("recv{name}")), received, "{name} of {key:?}");
            }
        }
        if by == "peers" {
            assert_eq!(number(row, "peers"), counted.peers.len() as u64, "peers of {key:?}");
        }
    }
    let measures: Vec<_> = rows.iter().map(|row| number(row, by)).collect();
    assert!(measures.is_sorted_by(|a, b| a >= b), "not in order per {per}");
}

const PER: [&str; 13] = [
    "addr", "sip", "dip", "pair", "net/24", "dnet", "port", "dport", "sport", "proto", "if", "sif",
    "dif",
];

#[test]
fn totals_equal_a_naive_count() {
    let text = &part_of_campus();
    for per in PER {
        let args = ["--whole", "-n", "0", "--per", per];
        let ran = tool("nftop").args(args).stdin(text).run().ok();
        assert_equal_counts(per, text, &ran.table(), "octets");
    }
    for (per, by) in [("addr", "flows"), ("sip", "packets"), ("port", "flows")] {
        let args = ["--whole", "-n", "0", "--per", per, "--by", by];
        let ran = tool("nftop").args(args).stdin(text).run().ok();
        assert_equal_counts(per, text, &ran.table(), by);
    }
}

#[test]
fn peers_are_distinct_addresses_at_the_other_end() {
    let text = &part_of_campus();
    for per in ["addr", "sip", "dip", "net/24", "dport", "proto", "if"] {
        let args = ["--whole", "-n", "0", "--per", per, "--by", "peers"];
        let ran = tool("nftop").args(args).stdin(text).run().ok();
        assert_equal_counts(per, text, &ran.table(), "peers");
    }
}

/// A table that exceeds the memory limit goes to disk, which changes nothing.
#[test]
fn a_small_memory_limit_does_not_change_the_totals() {
    let text = &part_of_campus();
    for args in [
        vec!["-n", "0"],
        vec!["-n", "20", "--by", "peers"],
        vec!["-n", "5", "--series", "1m"],
        vec!["-n", "0", "--per", "pair"],
        vec!["-n", "200000", "--per", "pair", "--by", "flows"],
    ] {
        let run = |memory: &str| {
            tool("nftop").args(&args).args(["--memory", memory]).stdin(text).run().ok().out
        };
        assert!(run("1K") == run("1G"), "{args:?}");
    }
}

/// Returns flows of IPv4 and IPv6, and one between both, which only a strange exporter can report.
fn mixed() -> String {
    let line =
        |sip: &str, dip: &str, octets: u32| format!("1\t{sip}\t{dip}\t2\t6\t1\t2\t3\t{octets}\n");
    [
        line("192.0.2.1", "198.51.100.1", 100),
        line("2001:db8:0:1::1", "2001:db8:0:1::2", 1000),
        line("2001:db8:0:1::1", "192.0.2.1", 10),
        line("::ffff:192.0.2.1", "192.0.2.1", 7),
        line("192.0.2.9", "192.0.2.9", 1),
    ]
    .concat()
}

#[test]
fn ipv4_and_ipv6_addresses_are_counted_side_by_side() {
    let rows = |args: &[&str], names: &[&str]| -> Vec<String> {
        let ran = tool("nftop").args(args).args(["-n", "0"]).stdin(mixed()).run().ok();
        let line =
            |row: &Row| names.iter().map(|name| row[*name].as_str()).collect::<Vec<_>>().join(" ");
        ran.table().iter().map(line).collect()
    };
    assert_eq!(
        rows(&[], &["addr", "octets", "sentoctets", "recvoctets"]),
        [
            "2001:db8:0:1::1 1010 1010 0",
            "2001:db8:0:1::2 1000 0 1000",
            "192.0.2.1 117 100 17",
            "198.51.100.1 100 0 100",
            "::ffff:192.0.2.1 7 7 0",
            // A flow to itself is both sent and received.
            "192.0.2.9 2 1 1",
        ]
    );
    assert_eq!(
        rows(&["--per", "net"], &["net", "octets"]),
        ["2001:db8:0:1::/64 2010", "192.0.2.0/24 119", "198.51.100.0/24 100", "::/64 7"]
    );
    assert_eq!(
        rows(&["--per", "snet/0/0", "--by", "flows"], &["snet", "flows"]),
        ["::/0 3", "0.0.0.0/0 2"]
    );
    assert_eq!(rows(&["--per", "pair"], &["sip", "dip"]).len(), 5);
    assert_eq!(rows(&["--by", "peers"], &["addr", "peers"])[0], "192.0.2.1 3");
}

#[test]
fn windows_are_those_of_the_input_and_name_the_tool() {
    let rows = row("192.0.2.1", "192.0.2.2", 80);
    let input = FIELDS.to_owned() + &window(W1, &rows.repeat(3)) + &window(W2, &rows);
    let ran = tool("nftop").args(["--per", "sip"]).stdin(&input).run().ok();
    let columns = "window seconds sip flows packets octets share rate pps bps".replace(' ', "\t");
    let end = |mark: &str, n: u32| {
        format!(
            "#end\t{mark}\tflows={n}\tlate=0\tscaled=0\tstate=ok\ttool=nftop\tkeys=1\tpackets={n}\toctets={}\n",
            n * 40
        )
    };
    ran.prints(&format!(
        "#fields\t{columns}\n#window\t{W1}\n{W1}\t192.0.2.1\t3\t3\t120\t100.00\t0.01\t0.01\t1.60\n{}\
         #window\t{W2}\n{W2}\t192.0.2.1\t1\t1\t40\t100.00\t0.00\t0.00\t0.53\n{}",
        end(W1, 3),
        end(W2, 1)
    ));
    for args in [vec!["--window", "20m"], vec!["--whole"]] {
        let ran = tool("nftop").args(&args).stdin(&input).run().ok();
        let rows = ran.table();
        assert_eq!(rows.iter().map(|row| row["seconds"].as_str()).collect::<Vec<_>>(), ["1200"; 2]);
    }
    let bare = tool("nftop").args(["-N", "--per", "sip"]).stdin(&input).run().ok();
    assert_eq!(bare.text().lines().count(), 2, "{bare}");
    assert!(!bare.text().contains('#'), "{bare}");
}

/// No window is that long, so nothing shows the gaps between the marks.
#[test]
fn a_whole_input_that_is_longer_than_a_window_can_be_is_cut() {
    let slot = |year: u32| {
        let window = format!("{year}-07-01T00:20:00Z\t600");
        format!(
            "#window\t{window}\n1\t192.0.2.1\t192.0.2.2\t2\t6\t4000\t80\t1\t40\n\
             #end\t{window}\tflows=1\tlate=0\tstate=ok\n"
        )
    };
    let whole = |last| {
        let input = slot(2001) + &slot(last);
        let ran = tool("nftop").args(["--whole", "-n", "1"]).stdin(&input).run().ok();
        ran.marks("#end").join("\n")
    };
    assert!(whole(2138).starts_with("#end\t-\t-\t"), "{}", whole(2138));
    for last in [2002, 2136, 2138] {
        assert!(whole(last).contains("\tstate=cut"), "{}", whole(last));
    }
}

#[test]
fn text_csv_and_json_hold_the_same_totals() {
    let text = &scan().text;
    for args in [vec!["--per", "addr"], vec!["--per", "port"], vec!["--series", "5m", "-n", "2"]] {
        let run = |form: &[&str]| tool("nftop").args(&args).args(form).stdin(text).run().ok();
        let rows = run(&[]).table();
        assert!(rows.len() >= 4);
        let csv = run(&["--csv"]);
        let mut reader = csv::Reader::from_reader(csv.text().as_bytes());
        let names: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        for (row, record) in rows.iter().zip(reader.records()) {
            let record = record.unwrap();
            for (name, value) in names.iter().zip(&record) {
                assert_eq!(row[name], if value.is_empty() { "-" } else { value });
            }
        }
        let json = run(&["--json"]);
        let objects = json.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (marks, objects): (Vec<_>, Vec<_>) =
            objects.partition(|object| object["mark"].is_string());
        assert_eq!(marks.len(), 2, "{json}");
        assert_eq!(marks[1]["tool"], "nftop");
        assert_eq!(objects.len(), rows.len());
        for (row, object) in rows.iter().zip(objects) {
            for (name, value) in row {
                let number = value.parse::<f64>().ok();
                match (&object[name], number) {
                    (Value::Number(is), Some(number)) => assert_eq!(is.as_f64(), Some(number)),
                    (Value::Null, None) => assert_eq!(value, "-"),
                    (Value::String(is), _) => assert_eq!(is, value),
                    other => panic!("{name}: {value} is {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_series_has_a_row_for_every_step() {
    let line = |start: &str| format!("1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t100\t{start}\n");
    let input = FIELDS.trim_end().to_owned()
        + "\tstart\n#window\t2001-07-01T00:20:00Z\t600\n"
        // 00:20:01, 00:20:59, 00:25:00, and one from before the window.
        + &["993946801.5", "993946859", "993947100", "993946700", "-"].map(line).concat()
        + "#end\t2001-07-01T00:20:00Z\t600\tflows=5\tstate=ok\n";
    let args = ["--series", "1m", "--per", "sip", "-n", "1"];
    let ran = tool("nftop").args(args).stdin(&input).run().ok();
    let rows: Vec<_> =
        ran.table().iter().map(|row| format!("{} {}", row["time"], row["octets"])).collect();
    let expected: Vec<_> = [("-", 100)]
        .into_iter()
        .map(|(time, octets)| format!("{time} {octets}"))
        .chain([18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29].map(|minute| {
            let octets = match minute {
                18 | 25 => 100,
                20 => 200,
                _ => 0,
            };
            format!("2001-07-01T00:{minute}:00Z {octets}")
        }))
        .collect();
    assert_eq!(rows, expected);
    // A clock that is a century off does not lead to a century of minutes.
    let input = input.replace("993947100", "4149620700");
    let ran = tool("nftop").args(args).stdin(&input).run().ok();
    assert_eq!(ran.table().len(), 4, "{ran}");
    let other = input.replace("192.0.2.1\t192.0.2.2", "192.0.2.7\t192.0.2.2");
    let both = input.clone() + &other.replace("4149620700", "4149620777");
    let args = ["--series", "1m", "--per", "sip", "--whole"];
    let ran = tool("nftop").args(args).stdin(&both).run().ok();
    assert_eq!(ran.table().len(), 8, "each has its own steps alone{ran}");
}

#[test]
fn bars_are_drawn_for_people() {
    let text = &paper().text;
    let ran = tool("nftop").args(["--bars", "always", "-n", "3"]).stdin(text).run().ok();
    let blocks: Vec<_> =
        ran.text().split("\n\n").filter(|block| !block.trim().is_empty()).collect();
    assert_eq!(blocks.len(), 3, "{ran}");
    for block in blocks {
        let lines: Vec<_> = block.trim().lines().collect();
        assert!(lines[0].contains(" flows, ") && lines[0].contains("bit/s"), "{block}");
        assert!(lines[1].starts_with("addr "), "{block}");
        // The first bar is the longest.
        let bar = |line: &str| line.chars().filter(|c| ('█'..='▏').contains(c)).count();
        assert_eq!(bar(lines[2]), 24, "{block}");
        assert!(bar(lines[4]) <= bar(lines[3]), "{block}");
        assert!(lines[5].starts_with("and ") && lines[5].ends_with(" more"), "{block}");
    }
    let args = ["--bars", "always", "--series", "1m", "-n", "3", "--whole"];
    let ran = tool("nftop").args(args).stdin(text).run().ok();
    assert!(ran.text().contains('▁') || ran.text().contains('█'), "{ran}");
    let ran = tool("nftop").args(["--bars", "always"]).stdin("").run().ok();
    ran.prints("");
}

#[test]
fn masked_totals_name_no_host() {
    let text = &scan().text;
    for per in ["addr", "pair", "net/30", "exporter"] {
        let ran = tool("nftop").args(["--mask", "--per", per]).stdin(text).run().ok();
        for row in ran.table() {
            let names = ["addr", "sip", "dip", "net"];
            for value in names.iter().filter_map(|name| row.get(*name)) {
                assert!(value.ends_with(".?"), "{value}{ran}");
            }
        }
    }
    let ran = tool("nftop").args(["--mask", "--per", "net"]).stdin(text).run().ok();
    assert!(ran.table().iter().all(|row| row["net"].ends_with(".0/24")), "{ran}");
    // A 6to4 network of 48 bits contains an IPv4 address.
    let tunnel = "1\t2002:c000:209::1\t2001:db8:7:1::9\t2\t6\t1025\t80\t3\t144\n";
    let ran = tool("nftop").args(["--mask", "--per", "net"]).stdin(tunnel).run().ok();
    let nets: std::collections::BTreeSet<_> =
        ran.table().into_iter().map(|row| row["net"].to_string()).collect();
    let expected = ["2001:db8:7::?", "2002:c000:200::?"].map(str::to_owned);
    assert_eq!(nets, expected.into(), "{ran}");
}

#[test]
fn wrong_arguments_are_a_usage_error() {
    for (args, why) in [
        (vec!["--per", "host"], "use one of: addr sip dip"),
        (vec!["--per", "net/40"], "is no prefix length"),
        (vec!["--per", "pair", "--by", "peers"], "--by peers does not go with --per pair"),
        (vec!["--by", "peers", "--series", "1m"], "--by peers does not go with --series"),
        (vec!["--series", "1m", "-n", "0"], "--series needs a number of keys"),
        (vec!["--bars", "always", "-n", "0"], "--bars always goes neither"),
        (vec!["--bars", "always", "--csv"], "--bars always goes neither"),
        (vec!["--series", "0"], "a window needs a length"),
        (vec!["--whole", "--window", "1h"], "cannot be used with"),
        (vec!["--json", "--csv"], "cannot be used with"),
    ] {
        tool("nftop").args(&args).stdin("").run().status(2).mute().says(why);
    }
    let input = FIELDS.to_owned() + &window(W1, &row("192.0.2.1", "192.0.2.2", 80));
    tool("nftop")
        .args(["--window", "7m"])
        .stdin(&input)
        .run()
        .status(2)
        .says("--window 420s: the input's window");
}

#[test]
fn every_bad_line_is_counted() {
    let good = row("192.0.2.1", "192.0.2.2", 80);
    let bad = [
        "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t18446744073709551616\n",
        "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t-3\t40\n",
        "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t4\u{0}0\n",
        "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t65536\t3\t40\n",
        "1\t192.0.2.1\t2001:db8::g\t2\t6\t1\t2\t3\t40\n",
        "1\t192.0.2.256\t192.0.2.2\t2\t6\t1\t2\t3\t40\n",
        "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\n",
        "1\t192.0.2.1\t192.0.2.2\t2\t6\t1\t2\t3\t\n",
    ];
    // A byte order mark, CRLF, mixed families and a missing newline at the end are all right.
    let mut input = "\u{feff}".to_owned() + FIELDS;
    // A NUL near the start would be a sign of a binary file.
    input += &"# a remark\n".repeat(400);
    for _ in 0..100 {
        for line in bad {
            input += &good;
            input += line;
            input += &good.replace('\n', "\r\n");
        }
    }
    input += "1\t192.0.2.1\t2001:db8::1\t2\t6\t1\t2\t3\t18446744073709551615";
    let ran = tool("nftop").args(["--whole", "--per", "proto"]).stdin(&input).run().status(0);
    let ran = ran.says("795 more bad lines, 800 in all");
    let rows = table(ran.text());
    assert_eq!(rows.len(), 1);
    assert_eq!(number(&rows[0], "flows"), 1601);
    // The sum saturates at the end of its range.
    assert_eq!(number(&rows[0], "octets"), u64::MAX);
    assert!(ran.marks("#end")[0].contains("badlines=800"), "{ran}");
    let scene = Scene::new();
    let file = scene.write("lines", &input);
    tool("nftop").arg("--strict").arg(file).run().status(1).says("lines:403: octets cannot be");
}

#[test]
fn a_live_pipe_gets_each_window_at_its_end() {
    let rows = row("192.0.2.1", "192.0.2.2", 80);
    let mut live = tool("nftop").args(["--per", "sip"]).live();
    live.send(FIELDS.to_owned() + &window(W1, &rows));
    assert!(live.next().starts_with("#fields\twindow\tseconds\tsip"));
    assert_eq!(live.next(), format!("#window\t{W1}"));
    assert!(live.next().starts_with(&format!("{W1}\t192.0.2.1\t1\t")));
    assert!(live.next().starts_with("#end"));
    live.send(window(W2, &rows));
    assert_eq!(live.next(), format!("#window\t{W2}"));
    live.close().status(0);
}
