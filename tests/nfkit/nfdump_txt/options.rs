//! Options of nfdump-txt: times, output forms, scaled counts and translated addresses. Also the
//! losses in `#end`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::golden::{Bytes, bytes};

/// Returns the value of a key in an `#end` line.
fn end(line: &str, key: &str) -> Option<String> {
    line.split('\t').find_map(|cell| Some(cell.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}

fn spool(scene: &Scene) -> PathBuf {
    for n in 0..3 {
        slot_file(scene, n, 0, v9_slot(n, 10 + n as u32));
    }
    scene.path("spool")
}

#[test]
fn since_and_until_select_the_slots() {
    let scene = Scene::new();
    let spool = spool(&scene);
    let windows = |args: &[&str]| -> Vec<String> {
        let ran = tool("nfdump-txt").args(args).arg(&spool).run().ok();
        let text = |line: &&str| line.split('\t').take(2).nth(1).unwrap().to_owned();
        ran.marks("#end")
            .iter()
            .map(|line| format!("{} {}", text(line), end(line, "state").unwrap()))
            .collect()
    };
    let [first, second, third] =
        ["2001-07-01T00:20:00Z ok", "2001-07-01T00:30:00Z ok", "2001-07-01T00:40:00Z ok"];
    assert_eq!(windows(&[]), [first, second, third]);
    assert_eq!(windows(&["--since", "2001-07-01T00:30:00Z"]), [second, third]);
    assert_eq!(windows(&["--until", "2001-07-01T00:30:00Z"]), [first]);
    let both = ["--since", "2001-07-01T00:30:00Z", "--until", "2001-07-01T00:40:00Z"];
    assert_eq!(windows(&both), [second]);
    assert_eq!(windows(&["--since", "2001-07-01"]), [first, second, third]);
    assert_eq!(windows(&["--since", "2h"]), [""; 0]);
    // Only the second half of this slot is read, so its window must not pass for a quiet one.
    assert_eq!(windows(&["--since", "2001-07-01T00:35:00Z"]), ["2001-07-01T00:30:00Z cut", third]);
    let ran = tool("nfdump-txt").args(["--since", "2001-07-01T00:35:00Z"]).arg(&spool).run().ok();
    assert_eq!(ran.rows().len(), 2, "{ran}");
}

/// The slots of one collector do not show where those of another end.
#[test]
fn slots_of_two_collectors_are_selected_separately() {
    let scene = Scene::new();
    let name = |n: u64| spool::file_name(Window::new(START + 600 * n, 600).unwrap(), 0);
    scene.write(&format!("both/long/{}", name(0).display()), v9_slot(2, 10));
    for n in 0..2 {
        scene.write(&format!("both/short/{}", name(n).display()), v9_slot(n, n as u32));
    }
    let ran = tool("nfdump-txt").args(["--since", "2001-07-01T00:30:00Z"]).arg(scene.path("both"));
    let ran = ran.run().ok();
    assert_eq!(ran.rows().len(), 4, "{ran}");
}

/// Two sections of one slot in one file form one window. A window is cut if the compression of its
/// file is damaged, even behind the closing block.
#[test]
fn the_state_of_a_slot_is_known_at_the_end_of_its_file() {
    let scene = Scene::new();
    let states = |name: &str, bytes: Vec<u8>, status: i32| -> Vec<String> {
        let ran = tool("nfdump-txt").arg(scene.write(name, bytes)).run().status(status);
        ran.marks("#end").iter().map(|line| end(line, "state").unwrap()).collect()
    };
    let slot = v9_slot(0, 10);
    assert_eq!(states("one.pcapng", slot.clone(), 0), ["ok"]);
    let twice = [&slot[..], &v9_slot(0, 11)].concat();
    assert_eq!(states("twice.pcapng", twice, 0), ["ok"]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&slot).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(states("whole.pcapng.gz", packed.clone(), 0), ["ok"]);
    assert_eq!(states("torn.pcapng.gz", packed[..packed.len() - 4].to_vec(), 1), ["cut"]);
    let mut wrong = packed;
    let crc = wrong.len() - 8;
    wrong[crc] ^= 1;
    assert_eq!(states("wrong.pcapng.gz", wrong, 1), ["cut"]);
}

/// A capture of another program in the same window makes it cut.
#[test]
fn a_slot_after_a_foreign_capture_of_the_same_window_is_cut() {
    let scene = Scene::new();
    let packet = golden::packet(ROUTER, COLLECTOR, &v9_data(3));
    let foreign = scene.write("router.pcap", pcap(true, 101, &[(0, packet)]));
    let slot = scene.write("slot.pcapng", v9_slot(0, 10));
    let ran = tool("nfdump-txt").arg(&foreign).arg(&slot).run().ok();
    let ends = ran.marks("#end");
    assert_eq!(
        ends.iter().map(|line| end(line, "state")).collect::<Vec<_>>(),
        [Some("cut".into())]
    );
}

/// Nobody knows if the collector received everything in a part of its slot.
#[test]
fn parts_of_a_slot_have_no_state() {
    let scene = Scene::new();
    let slot = scene.write("slot.pcapng", v9_slot(0, 10));
    for window in ["1s", "1m", "5m"] {
        let ran = tool("nfdump-txt").args(["--window", window]).arg(&slot).run().ok();
        let ends = ran.marks("#end");
        assert!(!ends.is_empty());
        for key in ["state", "open", "cover"] {
            assert!(ends.iter().all(|line| end(line, key).is_none()), "{window}: {ran}");
        }
    }
}

#[test]
fn stats_is_refused_with_options_for_flow_lines() {
    for option in ["--no-header", "--fields=+start", "--window=1m", "--nat=post", "--scale"] {
        let ran = tool("nfdump-txt").args(["--stats", option]).arg(data("v5.pcapng")).run();
        ran.status(2).mute().says("--stats");
    }
}

#[test]
fn templates_from_before_since_are_used() {
    let scene = Scene::new();
    const SECOND: u64 = 1_000_000_000;
    let packet = |payload: &[u8]| golden::packet(ROUTER, COLLECTOR, payload);
    let capture = pcap(
        true,
        101,
        &[
            (0, packet(&v9_template())),
            (SECOND, packet(&v9_data(3))),
            (700 * SECOND, packet(&v9_data(4))),
            (1300 * SECOND, packet(&v9_data(5))),
        ],
    );
    let file = scene.write("router.pcap", capture);
    let args = ["--since", "2001-07-01T00:30:00Z", "--until", "993948000.5"];
    let ran = tool("nfdump-txt").args(args).arg(&file).run().ok();
    assert_eq!(ran.rows().len(), 2, "{ran}");
    assert_eq!(ran.marks("#window"), ["#window\t2001-07-01T00:30:00Z\t600"]);
    let ran = tool("nfdump-txt").arg("--stats").args(args).arg(&file).run().ok();
    assert!(
        ran.text().contains("# datagrams=1 ") && ran.text().contains(" othertimes=3 "),
        "{ran}"
    );
}

#[test]
fn a_wrong_time_is_a_usage_error() {
    for time in ["yesterday", "2001-13-01", "-2h", ""] {
        let ran = tool("nfdump-txt").args([&format!("--since={time}")]).run().status(2);
        assert!(ran.err.contains("is no time such as"), "{ran}");
    }
}

#[test]
fn scaled_counts_are_marked_and_refused_by_detectors() {
    let capture = data("v5-sampled.pcapng");
    let args = ["--fields", "+sampling"];
    let plain = tool("nfdump-txt").args(args).arg(&capture).run().ok();
    let scaled = tool("nfdump-txt").args(args).arg("--scale").arg(&capture).run().ok();
    let counts = |ran: &crate::harness::Ran| {
        let row = &ran.table()[0];
        ["packets", "octets", "sampling"].map(|c| row[c].parse::<u64>().unwrap())
    };
    let [packets, bytes, sampling] = counts(&plain);
    assert_eq!(sampling, 100);
    assert_eq!(counts(&scaled), [100 * packets, 100 * bytes, 100]);
    assert_eq!(end(scaled.marks("#end")[0], "scaled").as_deref(), Some("1"));
    assert_eq!(end(plain.marks("#end")[0], "scaled").as_deref(), Some("0"));
    tool("nfscan").stdin(&scaled.out).run().status(1);
}

/// Returns a v9 datagram with a NAT event: 10.0.0.5:1025 leaves as 192.0.2.77:4096.
fn translated() -> Vec<u8> {
    let fields = [
        (8, 4),
        (225, 4),
        (12, 4),
        (226, 4),
        (7, 2),
        (227, 2),
        (11, 2),
        (228, 2),
        (4, 1),
        (230, 1),
    ];
    let template = bytes().u16(300).u16(fields.len() as u16);
    let template = fields.into_iter().fold(template, |out, (kind, len)| out.u16(kind).u16(len));
    let record: Bytes = bytes().all([10, 0, 0, 5]).all([192, 0, 2, 77]).all([198, 51, 100, 7]);
    let record = record.all([198, 51, 100, 7]).u16(1025).u16(4096).u16(80).u16(80).u8(6).u8(4);
    let sets = bytes().set(0, template).set(300, record);
    bytes().u16(9).u16(2).u32(5000).u32(START as u32).u32(0).u32(0).all(sets.0).0
}

#[test]
fn nat_chooses_the_addresses_before_or_after_translation() {
    let scene = Scene::new();
    let packet = golden::packet(ROUTER, COLLECTOR, &translated());
    let file = scene.write("nat.pcap", pcap(true, 101, &[(0, packet)]));
    let run = |nat: &[&str]| {
        let fields = ["-N", "--fields", "sip,sport,natsip,natsport,dip,dport,event"];
        let ran = tool("nfdump-txt").args(fields).args(nat).arg(&file).run().ok();
        ran.text().trim_end().to_owned()
    };
    let pre = "10.0.0.5\t1025\t192.0.2.77\t4096\t198.51.100.7\t80\t4";
    assert_eq!(run(&[]), pre);
    assert_eq!(run(&["--nat", "pre"]), pre);
    assert_eq!(run(&["--nat", "post"]), "192.0.2.77\t4096\t10.0.0.5\t1025\t198.51.100.7\t80\t4");
    // The plain nine columns are translated too.
    let ran = tool("nfdump-txt").args(["-N", "--nat", "post"]).arg(&file).run().ok();
    assert!(ran.text().starts_with("0\t192.0.2.77\t198.51.100.7\t0\t6\t4096\t80\t"), "{ran}");
}

#[test]
fn json_and_csv_hold_the_same_as_the_lines() {
    let capture = data("v9.pcapng");
    let fields = ["--fields", "+start,flags,nexthop"];
    let lines = tool("nfdump-txt").args(fields).arg(&capture).run().ok();
    let json = tool("nfdump-txt").args(fields).arg("--json").arg(&capture).run().ok();
    let objects: Vec<serde_json::Value> =
        json.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (marks, rows): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| object.get("mark").is_some());
    assert_eq!(marks.len(), 2, "{json}");
    assert_eq!(marks[1]["state"], "ok");
    let table = lines.table();
    assert_eq!(rows.len(), table.len());
    for (row, line) in rows.iter().zip(&table) {
        assert_eq!(row["sip"], line["sip"]);
        assert_eq!(row["octets"].to_string(), line["octets"]);
        assert_eq!(
            row["start"].to_string().trim_end_matches('0'),
            line["start"].trim_end_matches('0')
        );
        assert!(row["nexthop"].is_null());
    }
    let csv = tool("nfdump-txt").args(fields).arg("--csv").arg(&capture).run().ok();
    let expected: String = std::iter::once(
        "sif,sip,dip,dif,proto,sport,dport,packets,octets,start,flags,nexthop".to_owned(),
    )
    .chain(lines.rows().iter().map(|line| line.replace('\t', ",").replace(",-", ",")))
    .map(|line| line + "\n")
    .collect();
    assert_eq!(csv.text(), expected);
    let bare = tool("nfdump-txt").args(fields).args(["--csv", "-N"]).arg(&capture).run().ok();
    assert_eq!(bare.text().lines().count(), table.len());
    // A detector reads the CSV with its line of names.
    let ran = tool("nfscan").stdin(&csv.out).run().ok();
    assert!(ran.err.is_empty(), "{ran}");
    for pair in [["--json", "--csv"], ["--json", "--stats"], ["--csv", "--stats"]] {
        tool("nfdump-txt").args(pair).arg(&capture).run().status(2);
    }
}

#[test]
fn the_end_mark_counts_lost_datagrams() {
    let scene = Scene::new();
    slot_file(&scene, 0, 0, v9_slot(0, 10));
    slot_file(&scene, 1, 0, v9_slot(1, 14));
    slot_file(&scene, 2, 0, v9_slot(2, 15));
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().ok();
    let lost: Vec<_> = ran.marks("#end").iter().map(|line| end(line, "lostdatagrams")).collect();
    assert_eq!(lost, ["0", "3", "0"].map(|n| Some(n.to_owned())), "{ran}");
    // v9 has no sequence numbers of flows.
    assert!(ran.marks("#end").iter().all(|line| end(line, "lostflows").is_none()), "{ran}");
    let ran = tool("nfdump-txt").arg("--stats").arg(scene.path("spool")).run().ok();
    let row = &ran.table()[0];
    assert_eq!(
        ["lostflows", "lostdatagrams", "restarts"].map(|c| row[c].as_str()),
        ["-", "3", "0"]
    );
}

/// Datagrams that the collector dropped are missing by their sequence numbers too, so the larger of
/// both counts is reported, not the sum.
#[test]
fn drops_of_the_collector_are_not_counted_twice() {
    let scene = Scene::new();
    let slot = |n: u64, sequence, dropped| {
        let at = n * 600_000_000_000 + 1_000_000;
        let packets =
            [Packet::restated(at, v9_template()), Packet::new(at + 1, ROUTER, v9_data(sequence))];
        section(n, &["192.0.2.0/24"], &packets, dropped)
    };
    slot_file(&scene, 0, 0, slot(0, 10, 0));
    slot_file(&scene, 1, 0, slot(1, 14, 2));
    slot_file(&scene, 2, 0, slot(2, 16, 5));
    let ran = tool("nfdump-txt").arg(scene.path("spool")).run().ok();
    let lost: Vec<_> = ran.marks("#end").iter().map(|line| end(line, "lostdatagrams")).collect();
    assert_eq!(lost, ["0", "3", "5"].map(|n| Some(n.to_owned())), "{ran}");
}
