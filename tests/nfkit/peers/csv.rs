//! What nfdump prints as CSV is read as the flows that it was sent.

use super::*;
use crate::harness::{INSIDE, Ran};

#[test]
fn the_csv_of_nfdump_is_read_back() {
    let scene = Scene::new();
    let capture = scene.path("paper.pcapng");
    let args = ["paper", "--figure", "3", "--flows", "8000", "--export", "5", "-w"];
    tool("nfgen").args(args).arg(&capture).run().ok();
    let Some(collector) = Collector::start("nfcapd", &scene) else { return };
    collector.send(&payloads(&capture));
    let dir = collector.end();
    let Some(nfdump) = other("nfdump") else { return };
    let csv = nfdump.args(["-o", "csv", "-R"]).arg(&dir).run().status(0);
    assert!(csv.text().starts_with("ts,te,td,sa,da,sp,dp,pr,flg,"), "another version{csv}");
    assert!(csv.text().contains("\nSummary\n"), "{csv}");

    let read = tool("nfgrep").args(["-N", "any"]).stdin(&csv.out).run().ok();
    let nine = |row: &str| row.split('\t').take(9).collect::<Vec<_>>().join("\t");
    let theirs = multiset(read.rows().into_iter().map(nine));
    let ours = ours(&capture);
    assert_eq!(ours.values().sum::<i64>(), 8000);
    assert_eq!(difference(&ours, &theirs), "");

    // The scanner is found in it, too.
    let found = |ran: Ran| {
        let row = |row: &BTreeMap<String, String>| [&row["host"], &row["peer"]].map(String::clone);
        ran.table().iter().map(row).collect::<Vec<_>>()
    };
    let scan = |input: &[u8]| {
        // By their own times, flows of one scan lie on both sides of a window's end.
        found(tool("nfscan").args(["--window", "1d", "--inside", INSIDE]).stdin(input).run().ok())
    };
    let lines = tool("nfdump-txt").args(["--window", "0"]).arg(&capture).run().status(0);
    let expected = scan(&lines.out);
    assert_eq!(expected.len(), 1);
    assert_eq!(scan(&csv.out), expected);
}
