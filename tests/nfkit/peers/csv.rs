//! The CSV that nfdump prints is read as the flows that nfdump received.

use super::*;
use nfkit::flow::{Flow, ICMP, ICMPV6, TCP};
use nfkit::time::Timestamp;
use nfkit::wire::Version;

use crate::golden::{self, export};
use crate::harness::{INSIDE, Ran};

/// The format of nfdump 1.7.5 with all columns; its `csv` has no interfaces and no flags.
const FULL: &str = "csv-fast";

/// Returns the flows of a directory as nfdump prints them in a format.
fn printed(dir: &Path, format: &str) -> Option<Ran> {
    Some(installed("nfdump")?.args(["-o", format, "-R"]).arg(dir).run().status(0))
}

#[test]
fn nfdumps_csv_is_read_back() {
    let scene = Scene::new();
    let capture = scene.path("paper.pcapng");
    let args = ["paper", "--figure", "3", "--flows", "8000", "--export", "5", "-w"];
    tool("nfgen").args(args).arg(&capture).run().ok();
    let Some(collector) = Collector::start("nfcapd", &scene) else { return };
    collector.send(&payloads(&capture));
    let dir = collector.end();
    let Some(csv) = printed(&dir, "csv") else { return };
    let read_back = |csv: &Ran, has_interfaces: bool| {
        let read = tool("nfgrep").args(["-N", "any"]).stdin(&csv.out).run().ok();
        let nine = |row: &str| {
            let mut cells: Vec<_> = row.split('\t').take(9).collect();
            if !has_interfaces {
                assert_eq!([cells[0], cells[3]], ["0", "0"], "{row}");
                (cells[0], cells[3]) = ("", "");
            }
            cells.join("\t")
        };
        multiset(read.rows().into_iter().map(nine))
    };
    let ours = ours(&capture);
    assert_eq!(ours.values().sum::<i64>(), 8000);
    if is_since_1_7_5() == Some(false) {
        assert!(csv.text().contains("\nSummary\n"), "{csv}");
        assert_eq!(difference(&ours, &read_back(&csv, true)), "");
    } else {
        let all = printed(&dir, FULL).unwrap();
        assert_eq!(difference(&ours, &read_back(&all, true)), "");
        let mut without = Multiset::new();
        for (line, count) in &ours {
            let mut cells: Vec<_> = line.split('\t').collect();
            (cells[0], cells[3]) = ("", "");
            *without.entry(cells.join("\t")).or_default() += count;
        }
        assert_eq!(difference(&without, &read_back(&csv, false)), "");
    }

    // The scanner is found in the CSV too.
    let found = |ran: Ran| {
        let row = |row: &BTreeMap<String, String>| [&row["host"], &row["peer"]].map(String::clone);
        ran.table().iter().map(row).collect::<Vec<_>>()
    };
    let scan = |input: &[u8]| {
        // Windows are a day long, because by their own times flows of one scan lie on both sides of
        // a shorter window's end.
        found(tool("nfscan").args(["--window", "1d", "--inside", INSIDE]).stdin(input).run().ok())
    };
    let lines = tool("nfdump-txt").args(["--window", "0"]).arg(&capture).run().status(0);
    let expected = scan(&lines.out);
    assert_eq!(expected.len(), 1);
    assert_eq!(scan(&csv.out), expected);
}

/// All protocols, all values of the TCP flags, types of ICMP and an IPv6 address are read back from
/// nfdump's CSV as they were sent. ICMPv6 is left out, because nfdump does not read the types that
/// we send (see [`NFDUMP`]).
#[test]
fn every_protocol_and_flag_is_read_back() {
    let scene = Scene::new();
    let Some(collector) = Collector::start("nfcapd", &scene) else { return };
    let at = |seconds| Some(Timestamp::from_secs(golden::START + seconds));
    let flow = Flow {
        sip: [192, 0, 2, 1].into(),
        dip: [198, 51, 100, 7].into(),
        sif: 3,
        dif: 4,
        proto: TCP,
        sport: 1111,
        dport: 2222,
        packets: 5,
        octets: 500,
        start: at(0),
        end: at(1),
        flags: Some(0),
        ..Flow::default()
    };
    let icmp = |proto, kind: u16| Flow { proto, sport: 0, dport: (kind << 8) | 3, ..flow };
    // nfdump calls both 38 and 35 IDPR.
    let protocols = (0..=255).filter(|proto| ![ICMP, TCP, 38, ICMPV6].contains(proto));
    let mut four: Vec<_> = protocols.map(|proto| Flow { proto, ..flow }).collect();
    four.extend((0..=255).map(|flags| Flow { flags: Some(flags), ..flow }));
    four.extend([0, 3, 8, 255].map(|kind| icmp(ICMP, kind)));
    let six = ["2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8::1"];
    let [sip, dip] = six.map(|text| text.parse().unwrap());
    let six = [Flow { sip, dip, flags: Some(0x1b), ..flow }];
    collector.send(&export(Version::V5, &four));
    collector.send(&export(Version::V9, &six));
    let dir = collector.end();
    let Some(mut csv) = printed(&dir, "csv") else { return };
    if is_since_1_7_5() == Some(true) {
        csv = printed(&dir, FULL).unwrap();
    }

    let read = tool("nfgrep").args(["-N", "any"]).stdin(&csv.out).run().ok();
    let sent = four.iter().chain(&six).map(|flow| {
        let Flow { sif, sip, dip, dif, proto, sport, dport, packets, octets, .. } = flow;
        let time = |time: Option<Timestamp>| time.unwrap().to_string();
        let flags = flow.flags.filter(|_| *proto == TCP).map_or("-".to_owned(), |f| f.to_string());
        let nine =
            format!("{sif}\t{sip}\t{dip}\t{dif}\t{proto}\t{sport}\t{dport}\t{packets}\t{octets}");
        format!("{nine}\t{}\t{}\t{flags}", time(flow.start), time(flow.end))
    });
    // The columns after the twelfth describe the exporter.
    let first = |row: &str| row.split('\t').take(12).collect::<Vec<_>>().join("\t");
    let theirs = multiset(read.rows().into_iter().map(first));
    assert_eq!(difference(&multiset(sent), &theirs), "");
}
