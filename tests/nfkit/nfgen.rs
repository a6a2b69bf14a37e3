//! nfgen: the same flows in every export format, and a truth that is right about them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{Run, Scene, flood, paper, scan, table, tool};

/// The export formats that carry flows. sFlow carries packets.
pub const EXPORTS: [&str; 5] = ["1", "5", "7", "9", "ipfix"];

fn nfgen(args: &[&str]) -> Run {
    tool("nfgen").args(args)
}

/// Returns all files below a directory, sorted, by their path in it.
pub fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.iter().map(|file| file.strip_prefix(dir).unwrap().to_owned()).collect()
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    for args in [
        &["campus", "--flows", "500", "--text"][..],
        &["paper", "--figure", "4", "--flows", "3000", "--export", "9", "-w", "-"],
        &["none", "--with", "sweep=50x3,p2p=50,group", "--text", "--twice", "--ipv6"],
    ] {
        let first = nfgen(args).run().ok();
        assert!(first.out == nfgen(args).run().ok().out, "{first}");
        assert!(first.out == nfgen(args).args(["--seed", "1"]).run().ok().out, "{first}");
        assert!(first.out != nfgen(args).args(["--seed", "2"]).run().ok().out, "{first}");
    }
}

#[test]
fn a_file_and_standard_output_get_the_same_bytes() {
    let scene = Scene::new();
    for export in EXPORTS.iter().chain(&["sflow"]) {
        let args = ["campus", "--flows", "500", "--export", export, "-w"];
        let out = nfgen(&args).arg("-").run().ok();
        nfgen(&args).arg(scene.path("file")).run().ok().mute();
        assert!(scene.read("file") == out.out);
    }
}

#[test]
fn every_export_format_holds_the_flows_of_the_text() {
    for args in [&["campus", "--flows", "3000"][..], &["paper", "--figure", "3", "--flows", "6000"]]
    {
        let text = nfgen(args).arg("--text").run().ok();
        let shape = |text: &str| {
            let lines = text.lines().map(|line| {
                if line.starts_with("#end") {
                    line.split('\t').take(4).collect::<Vec<_>>().join("\t")
                } else {
                    line.to_owned()
                }
            });
            lines.collect::<Vec<_>>()
        };
        for export in EXPORTS {
            let capture = nfgen(args).args(["--export", export, "-w", "-"]).run().ok();
            let lines =
                tool("nfdump-txt").args(["--fields", "+start,end,flags"]).stdin(capture.out);
            let lines = lines.run().ok();
            assert_eq!(shape(lines.text()), shape(text.text()), "{export}");
        }
    }
}

/// Returns the packets and octets in each direction of each conversation.
fn sums(text: &str) -> BTreeMap<Vec<&str>, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split('\t').collect();
        let number = |n: usize| cells[n].parse::<u64>().unwrap();
        let (packets, octets) = sums.entry(cells[..7].to_vec()).or_default();
        *packets += number(7);
        *octets += number(8);
    }
    sums
}

#[test]
fn sflow_holds_the_packets_of_the_text() {
    for sampling in [None, Some("20")] {
        let mut args = vec!["campus", "--flows", "3000"];
        args.extend(sampling.into_iter().flat_map(|n| ["--sampling", n]));
        let text = nfgen(&args).arg("--text").run().ok();
        let capture = nfgen(&args).args(["--export", "sflow", "-w", "-"]).run().ok();
        let fields = ["--fields", "+exporter,sampling"];
        let lines = tool("nfdump-txt").args(fields).stdin(capture.out).run().ok();
        assert!(sums(lines.text()) == sums(text.text()), "{sampling:?}");
        let each = format!("\t192.0.2.1\t{}", sampling.unwrap_or("1"));
        assert!(lines.rows().iter().all(|row| row.ends_with(&each)), "{sampling:?}");
    }
}

#[test]
fn every_export_format_with_sampling_reports_it() {
    let whole = nfgen(&["campus", "--flows", "3000", "--text"]).run().ok();
    let args = ["campus", "--flows", "3000", "--sampling", "10"];
    let text = nfgen(&args).arg("--text").run().ok();
    let rows: Vec<_> = text.rows().iter().map(|row| (*row).to_owned()).collect();
    assert!(rows.iter().all(|row| row.ends_with("\t10")), "{text}");
    assert!(text.marks("#end")[0].contains("\tsampling=10\tscaled=0\t"), "{text}");
    // Most flows of fewer than ten packets are gone, and a tenth of the packets is left.
    assert!((500..2_000).contains(&rows.len()), "{}", rows.len());
    let packets = |text: &str| sums(text).values().map(|(packets, _)| packets).sum::<u64>();
    let (all, taken) = (packets(whole.text()), packets(text.text()));
    assert!(taken.abs_diff(all / 10) < all / 200, "{taken} of {all}");
    for export in ["5", "9", "ipfix"] {
        let capture = nfgen(&args).args(["--export", export, "-w", "-"]).run().ok();
        let fields = ["--fields", "+start,end,flags,sampling"];
        let lines = tool("nfdump-txt").args(fields).stdin(capture.out).run().ok();
        assert_eq!(lines.rows(), rows, "{export}");
        assert!(lines.marks("#end")[0].contains("\tsampling=10\t"), "{lines}");
    }
    // The truth does not depend on the packets that the router sampled.
    let scene = Scene::new();
    let truth = |name: &str, more: &[&str]| {
        let args = ["paper", "--figure", "3", "--flows", "6000", "--text", "--truth"];
        nfgen(&args).arg(scene.path(name)).args(more).run().ok();
        scene.text(name)
    };
    assert_eq!(truth("sampled", &["--sampling", "100"]), truth("whole", &[]));
}

/// Each file of a spool has its sampling, and no flow waits for a template.
#[test]
fn each_file_of_a_spool_has_its_own_sampling() {
    let scene = Scene::new();
    for export in ["5", "9", "ipfix", "sflow"] {
        let spool = scene.path(&format!("spool{export}/"));
        let args = ["campus", "--flows", "400", "--for", "20m", "--export", export];
        nfgen(&args).args(["--sampling", "3", "-w"]).arg(&spool).run().ok().mute();
        for file in tree(&spool) {
            let ran = tool("nfdump-txt").args(["--fields", "sampling"]).arg(spool.join(file));
            let ran = ran.run().ok();
            assert!(!ran.rows().is_empty() && ran.rows().iter().all(|row| *row == "3"), "{ran}");
            assert!(ran.marks("#end")[0].contains("\tlate=0\t"), "{ran}");
        }
    }
}

#[test]
fn flows_sets_the_number_of_all_flows() {
    let rows = |args: &[&str]| nfgen(args).arg("--text").run().ok().rows().len();
    assert_eq!(rows(&["campus", "--flows", "1"]), 1);
    assert_eq!(rows(&["campus", "--flows", "0"]), 0);
    assert_eq!(rows(&["campus", "--flows", "1234", "--for", "30m"]), 1234);
    assert_eq!(rows(&["paper", "--figure", "4", "--flows", "2345"]), 2345);
    for args in [["paper", "--flows", "200000"], ["paper", "--flows", "99"]] {
        nfgen(&args).arg("--text").run().status(2).mute().says("too few");
    }
}

#[test]
fn each_figure_has_its_window() {
    let windows = |text: &str| {
        let marks = text.lines().filter_map(|line| line.strip_prefix("#window\t"));
        marks.map(str::to_owned).collect::<Vec<_>>()
    };
    let figures =
        ["2001-07-01T00:20:00Z\t600", "2001-08-04T14:00:00Z\t600", "2001-08-17T17:20:00Z\t600"];
    assert_eq!(windows(&paper().text), figures);
    assert_eq!(windows(&scan().text), figures[..1]);
    assert_eq!(windows(&flood().text), figures[1..2]);
    assert_eq!(windows(&paper().truth), figures);
    let args =
        ["campus", "--flows", "90", "--for", "30m", "--start", "2026-01-01T00:00:00Z", "--text"];
    let ran = nfgen(&args).run().ok();
    assert_eq!(
        windows(ran.text()),
        ["00", "10", "20"].map(|m| format!("2026-01-01T00:{m}:00Z\t600"))
    );
    let ends = ran.marks("#end");
    assert!(
        ends.iter().all(|end| end.contains("\tflows=30\t") && end.ends_with("state=ok")),
        "{ran}"
    );
}

#[test]
fn wrong_scenarios_are_a_usage_error() {
    for args in [
        &["paper", "--text", "--figure", "6"][..],
        &["campus", "--text", "--figure", "3"],
        &["campus", "--text", "--for", "15m"],
        &["campus", "--text", "--for", "0"],
        &["paper", "--text", "--for", "24h"],
        &["campus", "--text", "--start", "2026-01-01T00:05:00Z"],
        &["campus", "--text", "--start", "yesterday"],
        &["campus", "--text", "-w", "file"],
        &["campus", "--text", "--export", "9"],
        &["campus", "-w", "-", "--export", "8"],
        &["campus", "-w", "-", "--sampling", "0"],
        &["campus", "-w", "-", "--sampling", "16384"],
        &["campus", "-w", "-", "--export", "1", "--sampling", "1"],
        &["campus", "-w", "-", "--export", "7", "--sampling", "100"],
        &["village", "--text"],
        &["none", "--text", "--figure", "3"],
        &["none", "--text", "--flows", "5"],
        &["paper", "--text", "--with", "sweep"],
        &["none", "--text", "--with", "sweep="],
        &["none", "--text", "--with", "sweep=60001"],
        &["none", "--text", "--with", "sweepx101"],
        &["none", "--text", "--with", "sweep,,nat"],
        &["none", "--text", "--with", "natx100,p2px100,vpnx100,cdnx100,sweep"],
        &["campus", "--text", "--with", "nat", "--flows", "5"],
        &["campus", "--text", "--oneway", "up"],
        &["campus", "-w", "-", "--ipv6"],
        &["campus", "-w", "-", "--ipv6", "--export", "1"],
        &["campus", "-w", "-", "--ipv6", "--export", "7"],
        &["campus"],
    ] {
        nfgen(args).run().status(2).mute();
    }
}

#[test]
fn a_spool_has_one_self_contained_file_for_each_window() {
    let scene = Scene::new();
    for export in EXPORTS {
        let spool = scene.path(&format!("spool{export}/"));
        let args = ["campus", "--flows", "400", "--for", "20m", "--export", export, "-w"];
        nfgen(&args).arg(&spool).run().ok().mute();
        let day = "2001/07/02/nfcap.20010702";
        let files: Vec<_> =
            ["0800", "0810"].map(|time| PathBuf::from(format!("{day}{time}.pcapng"))).into();
        assert_eq!(tree(&spool), files);
        for file in &files {
            let path = spool.join(file);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
            let ran = tool("nfdump-txt").arg("--stats").arg(&path).run().ok();
            let total = ran.table().pop().unwrap();
            assert_eq!((total["flows"].as_str(), total["late"].as_str()), ("200", "0"), "{ran}");
        }
        // A second run with the same arguments replaces no file.
        let before = fs::read(spool.join(&files[0])).unwrap();
        nfgen(&args).arg(&spool).run().ok().mute();
        let all = ["0800.1", "0800", "0810.1", "0810"].map(|time| format!("{day}{time}.pcapng"));
        let mut all: Vec<_> = all.map(PathBuf::from).into();
        all.sort();
        assert_eq!(tree(&spool), all);
        assert!(fs::read(spool.join(&files[0])).unwrap() == before);
        let ran = tool("nfdump-txt").arg(&spool).run().ok();
        assert_eq!(ran.rows().len(), 800, "{ran}");
        assert_eq!(ran.marks("#window").len(), 2, "{ran}");
    }
}

#[test]
fn a_file_is_not_overwritten_by_a_spool() {
    let scene = Scene::new();
    let file = scene.write("file", "mine");
    nfgen(&["campus", "--flows", "9", "-w"]).arg(file.join("")).run().status(1).says_lines(1);
    assert_eq!(scene.text("file"), "mine");
    nfgen(&["campus", "--flows", "9", "-w", "/nowhere/file"])
        .run()
        .status(1)
        .says_lines(1)
        .says("/nowhere/file");
}

#[test]
fn the_truth_is_finding_lines_with_an_expectation() {
    let rows = table(&paper().truth);
    let found: Vec<_> = rows
        .iter()
        .map(|row| ["kind", "role", "host", "expect"].map(|c| row[c].as_str()).join(" "))
        .collect();
    assert_eq!(
        found,
        [
            "scan source 203.0.113.45 must",
            "port source 203.0.113.45 may",
            "flood source 140.119.53.7 must",
            "flood target 140.119.100.13 must",
            "scan source 140.119.44.91 may",
            "port source 140.119.44.91 must",
        ]
    );
    let fields = paper().truth.lines().next().unwrap();
    let columns = [&nfkit::finding::COLUMNS[..], &["expect"]].concat();
    assert_eq!(fields, format!("#fields\t{}", columns.join("\t")));
    let mut reader = nfkit::finding::Reader::new();
    for line in paper().truth.lines() {
        reader.line(line.as_bytes()).unwrap();
    }
}

#[test]
fn a_campus_without_attacks_has_an_empty_truth() {
    let scene = Scene::new();
    let truth = scene.path("truth");
    nfgen(&["campus", "--flows", "9", "--text", "--truth"]).arg(&truth).run().ok();
    let text = scene.text("truth");
    assert!(table(&text).is_empty(), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

/// Wrong arguments are refused before any file is touched.
#[test]
fn wrong_arguments_overwrite_no_file() {
    let scene = Scene::new();
    let (file, link) = (scene.path("precious"), scene.path("link"));
    fs::write(&file, "precious").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let late = ["--start", "2106-02-07T06:20:00Z"];
    let untold = ["--export", "7", "--sampling", "9"];
    let truth = scene.path("truth");
    let six = ["--ipv6", "--export", "5"];
    for (args, truth) in [
        (&[][..], &file),
        (&[][..], &link),
        (&late[..], &truth),
        (&untold[..], &truth),
        (&six[..], &truth),
        (&["--with", "natx100,vpnx100,cdnx100,p2px100,udp"][..], &truth),
    ] {
        let run = nfgen(&["campus", "--flows", "9", "-w"]).arg(&file).args(args);
        run.arg("--truth").arg(truth).run().status(2).mute();
        assert_eq!(scene.text("precious"), "precious");
        assert!(!scene.path("truth").exists());
    }
    nfgen(&["campus", "--flows", "9", "--text", "--truth", "-"]).run().status(2).mute();
}

#[test]
fn hosts_named_by_with_are_added_to_the_scenario() {
    let scene = Scene::new();
    let rows = |args: &[&str]| {
        let ran = nfgen(args).args(["--text", "--truth"]).arg(scene.path("truth")).run().ok();
        ran.rows().iter().map(|row| (*row).to_owned()).collect::<Vec<_>>()
    };
    let with = ["--with", "ports=40x2,nat=30", "--with", "small"];
    let alone = rows(&[&["none"][..], &with].concat());
    let both = rows(&[&["campus", "--for", "10m"][..], &with].concat());
    assert_eq!(both.len(), 60_000 + alone.len());
    let found: Vec<_> = table(&scene.text("truth"))
        .iter()
        .map(|row| {
            ["kind", "class", "role", "side", "peers", "expect"].map(|c| row[c].as_str()).join(" ")
        })
        .collect();
    let vertical = "scan vertical source outside 1 must";
    assert_eq!(found, [vertical, vertical, "scan horizontal source outside 30 must"]);
    assert!(alone.iter().all(|row| both.contains(row)));
    assert_eq!(rows(&[&["campus", "--flows", "700"][..], &with].concat()).len(), 700);
    assert_eq!(rows(&["none"]).len(), 0);
}

#[test]
fn an_unknown_host_is_refused_with_a_list_of_hosts() {
    let ran = nfgen(&["none", "--text", "--with", "proxy"]).run().status(2).mute();
    let all = nfkit::scenario::Actor::ALL.into_iter();
    all.fold(ran.says("\"proxy\""), |ran, actor| ran.says(actor.name()));
    nfgen(&["none", "--text", "--with", "nat=0"]).run().status(2).mute().says("1 to 60000");
    nfgen(&["none", "--text", "--with", "natx101"]).run().status(2).mute().says("1 to 100");
}

/// Returns the lines without marks, sorted.
fn sorted(text: &str) -> Vec<&str> {
    let mut rows: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn ipv6_flows_are_the_same_in_every_export_format() {
    let args = ["campus", "--flows", "3000", "--with", "icmp=60,udp=90", "--ipv6"];
    let text = nfgen(&args).arg("--text").run().ok();
    for export in ["9", "ipfix"] {
        let capture = nfgen(&args).args(["--export", export, "-w", "-"]).run().ok();
        let lines = tool("nfdump-txt").args(["--fields", "+start,end,flags"]).stdin(capture.out);
        let lines = lines.run().ok();
        assert_eq!(lines.rows(), text.rows(), "{export}");
    }
    let capture = nfgen(&args).args(["--export", "sflow", "-w", "-"]).run().ok();
    let lines = tool("nfdump-txt").stdin(capture.out).run().ok();
    assert!(sums(lines.text()) == sums(text.text()));
    assert!(text.rows().iter().all(|row| row.matches("2001:").count() == 2), "{text}");
}

#[test]
fn a_second_router_exports_every_flow_again() {
    let args = ["campus", "--flows", "2000", "--with", "sweep=100", "--for", "20m", "--twice"];
    let text = nfgen(&args).arg("--text").run().ok();
    let mut seen = BTreeMap::<String, Vec<(String, u64)>>::new();
    for row in text.rows() {
        let cells: Vec<_> = row.split('\t').collect();
        // All columns but interfaces and times.
        let key = [&cells[1..3], &cells[4..9], &cells[11..12]].concat().join(" ");
        let (who, interface) = (cells[12].to_owned(), cells[0].parse().unwrap());
        seen.entry(key).or_default().push((who, interface));
    }
    for (key, mut two) in seen {
        two.sort();
        let half = two.len() / 2;
        let (first, second) = two.split_at(half);
        assert!(first.iter().all(|(who, sif)| who == "192.0.2.1" && *sif < 3), "{key}");
        assert!(second.iter().all(|(who, sif)| who == "192.0.2.3" && *sif > 10), "{key}");
        assert_eq!(first.len(), second.len(), "{key}");
    }
    assert_eq!(text.rows().len(), 4_000);
    assert!(text.marks("#end").iter().all(|end| end.contains("\tflows=")), "{text}");
    let fields = ["--fields", "+start,end,flags,exporter,domain"];
    for export in EXPORTS {
        let capture = nfgen(&args).args(["--export", export, "-w", "-"]).run().ok();
        let lines = tool("nfdump-txt").args(fields).stdin(capture.out).run().ok();
        let domain = |row: &str| if export == "1" || row.ends_with(".1") { '0' } else { '1' };
        let want =
            text.rows().iter().map(|row| format!("{row}\t{}", domain(row))).collect::<Vec<_>>();
        let rows: Vec<String> = lines
            .rows()
            .iter()
            .map(|row| match export {
                "1" => format!("{}\t0", row.rsplit_once('\t').unwrap().0),
                _ => (*row).to_owned(),
            })
            .collect();
        assert_eq!(sorted(&rows.join("\n")), sorted(&want.join("\n")), "{export}");
        // Each router has sequence numbers of its own, so that nothing is missing.
        let lost = |end: &str| end.contains("lostflows=0") || !end.contains("lostflows");
        assert!(
            lines.marks("#end").iter().all(|end| lost(end) && end.contains("late=0")),
            "{lines}"
        );
    }
    let scene = Scene::new();
    let spool = scene.path("spool/");
    nfgen(&args).args(["--export", "9", "-w"]).arg(&spool).run().ok().mute();
    let lines = tool("nfdump-txt").args(["--fields", "+start,end,flags,exporter"]).arg(&spool);
    assert_eq!(sorted(lines.run().ok().text()), sorted(text.text()));
}

#[test]
fn oneway_and_sampling_can_be_combined() {
    let rows = |more: &[&str]| {
        let args = ["campus", "--flows", "3000", "--text", "--sampling", "5"];
        let ran = nfgen(&args).args(more).run().ok();
        ran.rows().iter().map(|row| (*row).to_owned()).collect::<Vec<_>>()
    };
    let all = rows(&[]);
    let of = |sif: &str, dif: &str| {
        let cell = |row: &str, n: usize| row.split('\t').nth(n).unwrap().to_owned();
        let rows = all.iter().filter(|row| [cell(row, 0), cell(row, 3)] == [sif, dif]);
        rows.cloned().collect::<Vec<_>>()
    };
    assert_eq!(rows(&["--oneway", "in"]), of("1", "2"));
    assert_eq!(rows(&["--oneway", "out"]), of("2", "1"));
    let twice = rows(&["--oneway", "in", "--twice"]);
    let first: Vec<_> = twice.iter().filter(|row| row.ends_with("\t192.0.2.1\t5")).collect();
    assert_eq!(first.len(), of("1", "2").len());
    assert!(twice.iter().all(|row| row.starts_with("1\t") || row.starts_with("11\t")));
}
