//! nfdump-txt: captures and spools as input, flow lines as output.

use std::fs;
use std::path::{Path, PathBuf};

use nfkit::capture::spool;
use nfkit::time::Window;

use crate::golden::{self, COLLECTOR, Packet, ROUTER, START, pcap, section, v9_data, v9_template};
use crate::harness::{Scene, gzip, package, skipped, table, tool, zstd};

mod options;

fn data(name: &str) -> PathBuf {
    package("tests/data").join(name)
}

/// Returns the flow lines beside a capture, without the columns after the ninth.
fn nine(name: &str) -> String {
    let text = fs::read_to_string(data(&format!("{name}.flows"))).unwrap();
    let short = |line: &str| {
        let cells = match line.split('\t').next() {
            Some("#window" | "#end") => usize::MAX,
            Some("#fields") => 10,
            _ => 9,
        };
        line.split('\t').take(cells).collect::<Vec<_>>().join("\t") + "\n"
    };
    text.lines().map(short).collect()
}

/// Writes a file of the `n`-th slot into the test's spool, with part number `i`.
fn slot_file(scene: &Scene, n: u64, i: u32, octets: impl AsRef<[u8]>) -> PathBuf {
    let window = Window::new(START + 600 * n, 600).unwrap();
    let name = Path::new("spool").join(spool::file_name(window, i));
    scene.write(name.to_str().unwrap(), octets)
}

fn v9_slot(n: u64, sequence: u32) -> Vec<u8> {
    let at = n * 600_000_000_000 + 1_000_000;
    section(
        n,
        &["192.0.2.0/24"],
        &[Packet::restated(at, v9_template()), Packet::new(at + 1, ROUTER, v9_data(sequence))],
        0,
    )
}

#[test]
fn captures_of_all_link_types_give_the_same_lines() {
    let expected = nine("v5-raw");
    assert_eq!(expected.lines().count(), 5, "{expected}");
    for name in ["v5-micro-ethernet", "v5-nano-vlan", "v5-cooked", "v5-raw"] {
        tool("nfdump-txt").arg(data(&format!("{name}.pcap"))).run().ok().prints(&expected);
    }
}

#[test]
fn all_netflow_versions_give_the_same_flows() {
    let rows = |name: &str| {
        let ran = tool("nfdump-txt").args(["-N", "--fields", "+start,end,flags"]);
        ran.arg(data(name)).run().ok().text().to_owned()
    };
    let v5 = rows("v5.pcapng");
    assert_eq!(v5.lines().count(), 4);
    for name in ["v1.pcapng", "v7.pcapng", "v9.pcapng", "ipfix.pcapng"] {
        assert_eq!(rows(name), v5, "{name}");
    }
}

#[test]
fn data_before_its_template_is_counted_as_late_and_not_lost() {
    let ran = tool("nfdump-txt").arg(data("v9-late.pcapng")).run().ok();
    assert_eq!(ran.rows().len(), 6, "{ran}");
    assert!(ran.marks("#end")[0].contains("\tflows=6\tlate=4\t"), "{ran}");
}

#[test]
fn a_gap_in_a_capture_makes_no_empty_windows() {
    let ran = tool("nfdump-txt").arg(data("gap.pcapng")).run().ok();
    let marks: Vec<_> = ran.text().lines().filter(|line| line.starts_with("#window")).collect();
    let expected = ["#window\t2001-07-01T00:20:00Z\t600", "#window\t2001-07-01T00:50:00Z\t600"];
    assert_eq!(marks, expected, "{ran}");
    // Nobody knows if another program's capture holds the whole window.
    assert!(ran.marks("#end").iter().all(|end| !end.contains("state=")), "{ran}");
}

#[test]
fn standard_input_gzip_and_zstd_are_read_like_files() {
    let scene = Scene::new();
    let capture = fs::read(data("v9.pcapng")).unwrap();
    let expected = nine("v9");
    let files = [
        scene.write("v9.pcapng.gz", gzip(&capture)),
        scene.write("v9.pcapng.zst", zstd(&capture)),
        // The content decides, not the name.
        scene.write("v9.pcapng", gzip(&capture)),
        data("v9.pcapng"),
    ];
    for file in &files {
        tool("nfdump-txt").arg(file).run().ok().prints(&expected);
        tool("nfdump-txt").stdin_file(file).run().ok().prints(&expected);
        tool("nfdump-txt").arg("-").stdin(fs::read(file).unwrap()).run().ok().prints(&expected);
    }
}

#[test]
fn joined_captures_are_read_one_after_the_other() {
    let scene = Scene::new();
    let names = ["v5-raw.pcap", "v5-nano-vlan.pcap", "gap.pcapng", "v5-cooked.pcap", "v9.pcapng"];
    let files = names.map(|name| fs::read(data(name)).unwrap());
    let apart = tool("nfdump-txt").args(names.map(data)).run().ok();
    for (name, joined) in [
        ("all", files.concat()),
        ("all.gz", files.each_ref().map(|file| gzip(file)).concat()),
        ("all.zst", files.each_ref().map(|file| zstd(file)).concat()),
    ] {
        let joined = scene.write(name, joined);
        let joined = tool("nfdump-txt").arg(joined).run().ok();
        assert!(joined.rows().len() > 5, "{joined}");
        assert_eq!(joined.rows(), apart.rows(), "{joined}");
    }
}

#[test]
fn no_header_prints_rows_only() {
    let expected: String = nine("v9")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.to_owned() + "\n")
        .collect();
    for option in ["-N", "--no-header"] {
        tool("nfdump-txt").arg(option).arg(data("v9.pcapng")).run().ok().prints(&expected);
    }
}

#[test]
fn fields_add_or_replace_columns() {
    let run = |fields: &str| {
        let ran = tool("nfdump-txt").args(["--fields", fields]).arg(data("v5.pcapng")).run().ok();
        ran.text()
            .lines()
            .filter(|line| !line.starts_with("#window"))
            .take(2)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        run("+exporter,start"),
        "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\texporter\tstart\n\
         2\t140.119.44.91\t198.51.100.7\t1\t6\t1025\t80\t7\t4327\t192.0.2.1\t993946800.001"
    );
    assert_eq!(run("octets,sip,flags"), "#fields\toctets\tsip\tflags\n4327\t140.119.44.91\t27");
    assert_eq!(
        run("+"),
        nine("v5")
            .lines()
            .filter(|line| !line.starts_with("#window"))
            .take(2)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn wrong_fields_are_a_usage_error() {
    for fields in ["", "sip,colour", "+colour", "sip,sip", "+sip", "sip,", "SIP"] {
        let ran = tool("nfdump-txt").args(["--fields", fields]).arg(data("v5.pcapng")).run();
        ran.status(2).mute().says("--fields");
    }
    tool("nfdump-txt").args(["--fields", "colour"]).run().status(2).says("there is no column");
}

#[test]
fn window_sets_the_length_of_windows() {
    let windows = |args: &[&str], name: &str| {
        let ran = tool("nfdump-txt").args(args).arg(data(name)).run().ok();
        let marks = ran.text().lines().filter(|line| line.starts_with("#window"));
        (marks.map(|line| line.to_owned()).collect::<Vec<_>>(), ran.rows().len())
    };
    let (none, rows) = windows(&["--window", "0"], "gap.pcapng");
    assert_eq!((none.len(), rows), (0, 4));
    let (short, rows) = windows(&["--window", "5m"], "gap.pcapng");
    assert_eq!(short, ["#window\t2001-07-01T00:20:00Z\t300", "#window\t2001-07-01T00:50:00Z\t300"]);
    assert_eq!(rows, 4);
    let (long, rows) = windows(&["--window", "1h"], "gap.pcapng");
    assert_eq!(long, ["#window\t2001-07-01T00:00:00Z\t3600"]);
    assert_eq!(rows, 4);
    let (own, rows) = windows(&["--window", "1h"], "v9.pcapng");
    assert_eq!(own, ["#window\t2001-07-01T00:00:00Z\t3600"]);
    assert_eq!(rows, 4);
}

/// `--window 0` writes no marks, but still the line with the column names.
#[test]
fn window_zero_keeps_the_column_names() {
    let ran = tool("nfdump-txt").args(["--window", "0"]).arg(data("v9.pcapng")).run().ok();
    let hashes: Vec<_> = ran.text().lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(hashes.len(), 1, "{ran}");
    assert!(hashes[0].starts_with("#fields\tsif"), "{ran}");
}

#[test]
fn a_wrong_window_is_a_usage_error() {
    for window in ["5", "-5m", "1.5s", "soon"] {
        let ran = tool("nfdump-txt").arg(format!("--window={window}")).arg(data("v5.pcapng")).run();
        ran.status(2).mute().says("--window");
    }
}

#[test]
fn stats_prints_counts_instead_of_flow_lines() {
    let ran = tool("nfdump-txt").arg("--stats").arg(data("v9-late.pcapng")).run().ok();
    let rows = ran.table();
    assert_eq!(rows.len(), 2, "a domain and the total{ran}");
    for (row, exporter) in rows.iter().zip(["192.0.2.1", "total"]) {
        let cells = [
            "exporter",
            "datagrams",
            "bad",
            "flows",
            "records",
            "options",
            "templates",
            "late",
            "undecodable",
        ];
        let found = cells.map(|name| row[name].as_str());
        assert_eq!(found, [exporter, "4", "0", "6", "6", "0", "1", "4", "0"], "{ran}");
    }
    assert_eq!((rows[0]["version"].as_str(), rows[0]["domain"].as_str()), ("NetFlow v9", "7"));
    assert!(ran.text().contains("# datagrams=4 short=0 foreign=0 otherports=0"), "{ran}");
}

#[test]
fn stats_names_the_templates_that_never_came() {
    let scene = Scene::new();
    let capture =
        section(0, &[], &[1, 2].map(|n| Packet::new(n, ROUTER, v9_data(n as u32 - 1))), 0);
    let file = scene.write("data.pcapng", capture);
    let ran = tool("nfdump-txt").arg("--stats").arg(&file).run().status(0);
    assert_eq!(ran.table()[0]["missing"], "300=2", "{ran}");
    let ran = tool("nfdump-txt").arg(&file).run().status(0);
    assert!(ran.rows().is_empty(), "{ran}");
    ran.says_lines(1).says("2 data sets could not be decoded");
}

#[test]
fn stats_compares_the_exporters_clock_with_the_arrival() {
    let scene = Scene::new();
    // The datagrams have the export time START + 60 s.
    let clock = |name: &str, arrivals: &[u64]| {
        let packet = || golden::packet(ROUTER, COLLECTOR, &v9_data(3));
        let packets: Vec<_> = arrivals.iter().map(|at| (at * 1_000_000_000, packet())).collect();
        let file = scene.write(name, pcap(true, 101, &packets));
        let ran = tool("nfdump-txt").arg("--stats").arg(file).run().status(0);
        let rows = ran.table();
        assert_eq!(rows.last().unwrap()["clock"], "-", "{ran}");
        assert!(ran.text().starts_with("#fields\t") && ran.text().contains("\tmissing\tclock\n"));
        rows[0]["clock"].clone()
    };
    assert_eq!(clock("right", &[60, 61, 700]), "0");
    assert_eq!(clock("ahead", &[0, 20]), "+40");
    assert_eq!(clock("behind", &[3660, 3700]), "-3600");
    let ran = tool("nfdump-txt").args(["--stats", "--mask"]).arg(data("sflow.pcapng")).run().ok();
    assert!(ran.table().iter().all(|row| row["clock"] == "-"), "{ran}");
}

#[test]
fn stats_counts_packets_that_are_no_datagrams() {
    let scene = Scene::new();
    let ip = |payload: &[u8]| golden::packet(ROUTER, COLLECTOR, payload);
    let mut tcp = ip(b"x");
    tcp[9] = 6;
    let file = scene
        .write("odd.pcap", pcap(true, 101, &[(0, tcp), (1, ip(&[0, 8, 0, 1])), (2, ip(b"x"))]));
    let ran = tool("nfdump-txt").arg("--stats").arg(file).run().status(0);
    assert!(ran.text().contains("short=1 foreign=1"), "{ran}");
    assert!(ran.text().contains("# version 8, not decoded: 1"), "{ran}");
    assert!(ran.text().contains("# packets that hold no datagram: not UDP 1"), "{ran}");
}

#[test]
fn port_selects_the_destination_ports() {
    let run = |ports: &[&str]| {
        let ran = tool("nfdump-txt").arg("-N").args(ports).arg(data("v5.pcapng")).run().ok();
        ran.rows().len()
    };
    assert_eq!(run(&[]), 4);
    assert_eq!(run(&["--port", "2055"]), 4);
    assert_eq!(run(&["-p", "9999,2055"]), 4);
    assert_eq!(run(&["-p", "9999", "-p", "2055"]), 4);
    assert_eq!(run(&["--port", "9999"]), 0);
    tool("nfdump-txt").args(["--port", "70000"]).run().status(2).mute();
}

#[test]
fn masked_lines_hold_no_whole_address() {
    for (name, shown) in [("v9.pcapng", "140.119.44.?"), ("ipv6.pcapng", "2001:db8:7::?")] {
        let ran =
            tool("nfdump-txt").args(["--mask", "--fields", "+exporter"]).arg(data(name)).run().ok();
        assert!(ran.text().contains(shown), "{ran}");
        for row in table(ran.text()) {
            for column in ["sip", "dip", "exporter"] {
                assert!(row[column].ends_with('?'), "{column}{ran}");
            }
        }
        let ran = tool("nfdump-txt").args(["--mask", "--stats"]).arg(data(name)).run().ok();
        assert!(
            !ran.text().contains("192.0.2.1\t") && !ran.text().contains("2001:db8::1\t"),
            "{ran}"
        );
    }
}

#[test]
fn two_files_of_one_slot_are_one_window() {
    let scene = Scene::new();
    slot_file(&scene, 0, 0, v9_slot(0, 0));
    slot_file(&scene, 0, 1, v9_slot(0, 1));
    slot_file(&scene, 1, 0, v9_slot(1, 2));
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().ok();
    assert_eq!(ran.marks("#window").len(), 2, "{ran}");
    let ends = ran.marks("#end");
    assert_eq!(ends.len(), 2, "{ran}");
    assert!(ends[0].contains("00:20:00Z\t600\tflows=4\t") && ends[0].contains("state=ok"), "{ran}");
    assert!(ends[1].contains("00:30:00Z\t600\tflows=2\t") && ends[1].contains("open=0"), "{ran}");
}

/// Writes slots of a collector into a directory of its own, and returns their paths.
fn collector<const N: usize>(scene: &Scene, name: &str, slots: [Vec<u8>; N]) -> [PathBuf; N] {
    let mut n = 0;
    slots.map(|bytes| {
        let file = spool::file_name(Window::new(START + 600 * n, 600).unwrap(), 0);
        n += 1;
        scene.write(&format!("{name}/{}", file.display()), bytes)
    })
}

/// Returns the start and the state of each window that nfdump-txt ends.
fn states(paths: &[&Path], status: i32) -> Vec<String> {
    let ran = tool("nfdump-txt").args(paths).run().status(status);
    let short = |end: &str| {
        let cells: Vec<_> = end.split('\t').collect();
        let state = cells.iter().find_map(|cell| cell.strip_prefix("state=")).unwrap_or("-");
        format!("{} {state}", &cells[1][11..16])
    };
    ran.marks("#end").iter().map(|end| short(end)).collect()
}

/// No file alone is the whole slot, and a mark cannot be taken back once the second one is read.
#[test]
fn a_slot_whose_files_are_read_apart_is_cut_each_time() {
    let scene = Scene::new();
    let [a0, a1] = collector(&scene, "a", [v9_slot(0, 0), v9_slot(1, 1)]);
    let [b0, b1, b2] = collector(&scene, "b", [v9_slot(0, 0), v9_slot(1, 1), v9_slot(2, 2)]);
    assert_eq!(
        states(&[&scene.path("a"), &scene.path("b")], 0),
        ["00:20 cut", "00:30 cut", "00:20 cut", "00:30 cut", "00:40 ok"]
    );
    // Side by side they are one window.
    assert_eq!(states(&[&a0, &b0, &a1, &b1, &b2], 0), ["00:20 ok", "00:30 ok", "00:40 ok"]);
    // A file with another name hides its slot, so only the second window is cut.
    let other = scene.write("other.pcapng", v9_slot(0, 0));
    assert_eq!(states(&[&a0, &a1, &other], 0), ["00:20 ok", "00:30 ok", "00:20 cut"]);
}

#[test]
fn every_slot_with_an_unreadable_file_is_cut() {
    let scene = Scene::new();
    let torn = || b"not a capture".to_vec();
    collector(&scene, "a", [torn(), torn()]);
    collector(&scene, "b", [v9_slot(0, 0), v9_slot(1, 1), v9_slot(2, 2)]);
    assert_eq!(
        states(&[&scene.path("a"), &scene.path("b")], 1),
        ["00:20 cut", "00:30 cut", "00:40 ok"]
    );
}

#[test]
fn a_directory_is_read_in_time_order_without_other_files() {
    let scene = Scene::new();
    // The slots are written in another order, and one file is compressed.
    slot_file(&scene, 144, 0, v9_slot(144, 1));
    slot_file(&scene, 0, 0, v9_slot(0, 0));
    let packed = slot_file(&scene, 1, 0, b"");
    fs::remove_file(&packed).unwrap();
    fs::write(packed.with_extension("pcapng.zst"), zstd(&v9_slot(1, 2))).unwrap();
    scene.write("spool/README", "nothing to see");
    scene.write("spool/2001/07/01/.nfcap.200107010040.pcapng.part", b"half");
    scene.write("spool/2001/07/01/nfcap.200107010050.pcapng.part", b"half");
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().ok();
    let starts: Vec<_> = ran.marks("#window");
    let expected = ["2001-07-01T00:20:00Z", "2001-07-01T00:30:00Z", "2001-07-02T00:20:00Z"];
    assert_eq!(starts, expected.map(|start| format!("#window\t{start}\t600")), "{ran}");
    assert_eq!(ran.rows().len(), 6, "{ran}");
}

#[test]
fn a_slot_without_datagrams_has_the_state_nodata() {
    let scene = Scene::new();
    slot_file(&scene, 0, 0, v9_slot(0, 0));
    slot_file(&scene, 1, 0, section(1, &["192.0.2.0/24"], &[], 0));
    // Restated templates are not data of an exporter.
    slot_file(
        &scene,
        2,
        0,
        section(2, &[], &[Packet::restated(1_200_000_000_000, v9_template())], 5),
    );
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().ok();
    let ends = ran.marks("#end");
    assert_eq!(ends.len(), 3, "{ran}");
    assert!(ends[0].ends_with("open=0\tstate=ok"), "{ran}");
    assert!(ends[1].contains("\tflows=0\t") && ends[1].ends_with("open=0\tstate=nodata"), "{ran}");
    assert!(
        ends[2].contains("\tlostdatagrams=5\t") && ends[2].ends_with("open=1\tstate=nodata"),
        "{ran}"
    );
}

#[test]
fn a_torn_file_is_cut_and_reported_once() {
    let scene = Scene::new();
    let whole = v9_slot(0, 0);
    let at = 600_000_000_000;
    let packets: Vec<_> = (0..5).map(|n| Packet::new(at + n, ROUTER, v9_data(n as u32))).collect();
    let torn = section(1, &[], &packets, 0);
    slot_file(&scene, 0, 0, &whole);
    let path = slot_file(&scene, 1, 0, &torn[..torn.len() - 200]);
    slot_file(&scene, 2, 0, v9_slot(2, 9));
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().status(1);
    let ends = ran.marks("#end");
    assert_eq!(ends.len(), 3, "the files behind it are read as well{ran}");
    assert!(ends[0].ends_with("state=ok") && ends[2].ends_with("state=ok"), "{ran}");
    assert!(ends[1].ends_with("state=cut") && !ends[1].contains("flows=0\t"), "{ran}");
    ran.says_lines(1).says(path.to_str().unwrap());
}

/// The collector was killed before it wrote the closing block: the window is cut, but the file is
/// not damaged.
#[test]
fn a_file_without_its_closing_block_is_cut() {
    let scene = Scene::new();
    let whole = v9_slot(0, 0);
    let unclosed = v9_slot(1, 1);
    // The closing block is the last one, and a block ends with its length in four bytes.
    let length = u32::from_be_bytes(unclosed[unclosed.len() - 4..].try_into().unwrap()) as usize;
    slot_file(&scene, 0, 0, &whole);
    slot_file(&scene, 1, 0, &unclosed[..unclosed.len() - length]);
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run();
    let ends = ran.marks("#end");
    assert!(ends[1].contains("\tflows=2\t") && ends[1].ends_with("state=cut"), "{ran}");
}

#[test]
fn a_broken_link_is_reported_and_the_rest_is_read() {
    let scene = Scene::new();
    slot_file(&scene, 0, 0, v9_slot(0, 0));
    std::os::unix::fs::symlink("nowhere", scene.path("spool/nfcap.200107010050.pcapng")).unwrap();
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().status(1);
    assert_eq!(ran.rows().len(), 2, "{ran}");
    ran.says_lines(1).says("nfcap.200107010050.pcapng");
}

#[test]
fn templates_of_one_file_decode_the_next() {
    let scene = Scene::new();
    let first = scene.write(
        "a.pcap",
        pcap(true, 101, &[(0, golden::packet(ROUTER, COLLECTOR, &v9_template()))]),
    );
    // The exporter was restarted and sends from another port.
    let second = scene.write(
        "b.pcap",
        pcap(true, 101, &[(1, golden::packet("192.0.2.1:50001", COLLECTOR, &v9_data(1)))]),
    );
    let ran = tool("nfdump-txt").arg("-N").arg(&first).arg(&second).run().ok();
    assert_eq!(ran.rows().len(), 2, "{ran}");
    let ran = tool("nfdump-txt").arg("-N").arg(&second).arg(&first).run().ok();
    assert_eq!(ran.rows().len(), 2, "late, across files{ran}");
}

/// A count in which we knowingly differ from the table of a shared export, with the reason.
struct Known {
    file: &'static str,
    what: &'static str,
    ours: u64,
    expected: u64,
    why: &'static str,
}

const KNOWN: [Known; 5] = [
    Known {
        file: "bitkeks/PACKET_V9_TEMPLATE_MIXED.0.bin.pcap",
        what: "records",
        ours: 8,
        expected: 0,
        why: "the template comes after its data in the same datagram: the data waits for it",
    },
    Known {
        file: "bitkeks/PACKET_V9_TEMPLATE_MIXED.0.bin.pcap",
        what: "undecodable",
        ours: 0,
        expected: 1,
        why: "the same set",
    },
    Known {
        file: "logstash/IPFIX-Netscaler-with-variable-length-fields.pcap",
        what: "records",
        ours: 6,
        expected: 3,
        why: "the first datagram comes again as the fourth, once before and once after its templates: both are read",
    },
    Known {
        file: "logstash/IPFIX-Netscaler-with-variable-length-fields.pcap",
        what: "undecodable",
        ours: 2,
        expected: 1,
        why: "the set of template 280, which never comes, is in both copies of that datagram",
    },
    Known {
        file: "tcpdump/sflow_print-segv.pcap",
        what: "records",
        ours: 0,
        expected: 1,
        why: "by its UDP header the datagram has 8 octets, and what is behind them is not of it",
    },
];

#[test]
fn real_exports_match_an_independent_count() {
    let exports = package("../shared/exports");
    let Ok(expected) = fs::read_to_string(exports.join("EXPECTED.tsv")) else {
        skipped(format_args!("no real exports in {}", exports.display()));
        return;
    };
    let expected = format!("#fields\t{expected}");
    let mut wrong = Vec::new();
    let mut files = 0;
    for row in table(&expected) {
        let name = row["file"].as_str();
        let ran = tool("nfdump-txt").arg("--stats").arg(exports.join(name)).run().status(0);
        files += 1;
        let total = ran.table().pop().unwrap();
        let said = |column: &str| row[column].parse::<u64>().unwrap();
        for (ours, said) in [
            ("records", said("flow_records")),
            ("options", said("option_records")),
            ("undecodable", said("sets_without_template")),
            ("counters", quirk(&row["quirks"], "counter-samples=")),
            ("discards", row["quirks"].contains("discarded-packet-sample").into()),
        ] {
            let found: u64 = total[ours].parse().unwrap();
            let known = KNOWN.iter().find(|known| (known.file, known.what) == (name, ours));
            match known {
                Some(known) if (known.ours, known.expected) == (found, said) => {}
                Some(known) => wrong.push(format!(
                    "{name}: {ours} {found}, the table {said}; known were {} and {}: {}",
                    known.ours, known.expected, known.why
                )),
                None if found == said => {}
                None => wrong.push(format!("{name}: {ours} {found}, the table {said}{ran}")),
            }
        }
    }
    assert!(files > 80, "{files} files");
    assert_eq!(wrong, Vec::<String>::new());
    for known in &KNOWN {
        assert!(expected.contains(&format!("\n{}\t", known.file)), "{} is gone", known.file);
    }
}

/// Returns a number from a file's quirks, or 0 if they do not have it.
fn quirk(quirks: &str, name: &str) -> u64 {
    let quirk = quirks.split("; ").find_map(|quirk| quirk.strip_prefix(name));
    quirk.map_or(0, |n| n.parse().unwrap())
}
