//! nfflood: figure 4 by the classes and by the paper's rule, the threshold of that rule, and the
//! innocent hosts that it names.

use std::collections::BTreeMap;

use crate::detector::{FIELDS, RULES, W1, found, row, window};
use crate::harness::{INSIDE, campus, flood, tool};

const VICTIM: &str = "140.119.100.13";
const ATTACKER: &str = "140.119.53.7";

#[test]
fn both_ends_of_figure_4_are_named() {
    let why = [
        ["flows=2000,ofpct=100>=10", "flows=2000>=1000,unansweredpct=100>=50"],
        ["flows=2000>1000", "flows=2000>1000"],
    ];
    for (rule, why) in RULES.iter().zip(why) {
        let run = tool("nfflood").args(["--inside", INSIDE]).args(*rule);
        let ran = run.stdin(&flood().text).run().ok();
        let expected = [format!("flood source {ATTACKER}"), format!("flood target {VICTIM}")];
        assert_eq!(found(&ran), expected, "{ran}");
        for ((row, peer), why) in ran.table().iter().zip([VICTIM, ATTACKER]).zip(why) {
            let cells = ["class", "side", "flows", "rate", "peers", "why"].map(|c| row[c].as_str());
            assert_eq!(cells, ["dos", "inside", "2000", "3.33", "1", why], "{ran}");
            assert_eq!(row["peer"], format!("{peer}=2000"), "{ran}");
        }
    }
}

#[test]
fn pairs_prints_the_labels_of_figure_4() {
    for rule in RULES {
        let ran = tool("nfflood").arg("--pairs").args(rule).stdin(&flood().text).run().ok();
        assert!(
            ran.text().starts_with("#fields\twindow\tseconds\tvictim\tattacker\tflows\trate\n"),
            "{ran}"
        );
        assert_eq!(
            ran.rows(),
            [format!("2001-08-04T14:00:00Z\t600\t{VICTIM}\t{ATTACKER}\t2000\t3.33")],
            "{ran}"
        );
    }
}

#[test]
fn a_pair_without_a_heavy_attacker_names_none() {
    let rows: String = (0..1100)
        .map(|n| row(&format!("192.0.{}.{}", n / 250, n % 250), "198.51.100.1", 80))
        .collect();
    for rule in RULES {
        let ran = tool("nfflood").arg("--pairs").args(rule).stdin(window(W1, &rows)).run().ok();
        assert_eq!(ran.rows(), [format!("{W1}\t198.51.100.1\t-\t1100\t1.83")], "{ran}");
        let ran = tool("nfflood").args(rule).stdin(window(W1, &rows)).run().ok();
        assert_eq!(ran.table()[0]["class"], "ddos", "{ran}");
        assert_eq!(ran.table()[0]["peers"], "1100", "{ran}");
        // Twenty peers are named and all are counted.
        let peer = &ran.table()[0]["peer"];
        assert_eq!(peer.split(',').count(), 21, "{ran}");
        assert!(peer.ends_with(",+1080"), "{ran}");
    }
}

#[test]
fn the_papers_threshold_must_be_exceeded() {
    let flood = |count| FIELDS.to_owned() + &window(W1, &row(ATTACKER, VICTIM, 80).repeat(count));
    let finds = |input: &str, args: &[&str]| {
        let run = tool("nfflood").args(["--paper", "--inside", INSIDE]).args(args);
        run.stdin(input).run().ok().rows().len()
    };
    assert_eq!(finds(&flood(1000), &[]), 0);
    assert_eq!(finds(&flood(1001), &[]), 2);
    assert_eq!(finds(&flood(1001), &["--limit-flows", "1001"]), 0);
    assert_eq!(finds(&flood(10), &["--limit-flows", "9"]), 2);
    tool("nfflood").args(["--paper", "--limit-flows", "-1"]).run().status(2).mute();
}

/// An inside source gets a row of its own if it alone exceeds the threshold and sends at least a
/// tenth.
#[test]
fn a_source_that_sends_a_tenth_and_exceeds_the_threshold_is_named() {
    let flood = |ours: usize, others: usize| {
        let rows =
            row(ATTACKER, VICTIM, 80).repeat(ours) + &row("203.0.113.9", VICTIM, 80).repeat(others);
        let input = FIELDS.to_owned() + &window(W1, &rows);
        let ran = tool("nfflood").args(["--paper", "--inside", INSIDE]).stdin(input).run().ok();
        found(&ran).iter().any(|row| *row == format!("flood source {ATTACKER}"))
    };
    assert!(flood(1001, 9009));
    assert!(!flood(1001, 9010), "less than a tenth");
    assert!(!flood(1000, 500), "not above the limit itself");
}

#[test]
fn hosts_that_answer_are_not_flooded() {
    let ran = tool("nfflood").args(["--inside", INSIDE]).stdin(&campus().text).run().ok();
    assert!(ran.rows().is_empty(), "{ran}");
}

/// The paper's rule also names busy servers that receive more than 1000 flows, and no other
/// innocent host. These are the servers of this seed, by their service.
#[test]
fn the_innocent_hosts_that_the_paper_names_are_the_busiest_servers() {
    let busy = [
        ("140.119.48.244", "resolver"),
        ("140.119.109.90", "resolver"),
        ("140.119.238.236", "resolver"),
        ("140.119.194.188", "resolver"),
        ("140.119.237.174", "web"),
    ];
    let run = tool("nfflood").args(["--paper", "--inside", INSIDE]);
    let ran = run.stdin(&campus().text).run().ok();
    let rows = ran.table();
    let mut hosts: Vec<_> = rows.iter().map(|row| row["host"].as_str()).collect();
    hosts.sort_unstable();
    let mut expected = busy.map(|(host, _)| host);
    expected.sort_unstable();
    assert_eq!(hosts, expected, "{ran}");
    assert!(rows.iter().all(|row| row["role"] == "target" && row["side"] == "inside"), "{ran}");
    // Most of their flows go to the port of that service.
    for (host, service) in busy {
        let mut ports: BTreeMap<&str, usize> = BTreeMap::new();
        for line in campus().text.lines().filter(|line| !line.starts_with('#')) {
            let cells: Vec<_> = line.split('\t').collect();
            if cells[2] == host {
                // A resolver gets requests to port 53 and answers from port 53.
                let port = if cells[5] == "53" { "53" } else { cells[6] };
                *ports.entry(port).or_default() += 1;
            }
        }
        let most = ports.iter().max_by_key(|(_, count)| **count).unwrap();
        let port = if service == "resolver" { "53" } else { "80" };
        assert_eq!(*most.0, port, "{host} {ports:?}");
    }
}

/// The input is one record of 30 days, with a packet a second or with 2000.
#[test]
fn a_long_record_counts_for_its_part_of_the_window() {
    let fields = FIELDS.trim_end().to_owned() + "\tstart\tend\n";
    let (start, end) = (991_355_000u64, 993_947_000u64);
    let record = |a_second: u64| {
        let packets = a_second * (end - start);
        let octets = packets * 60;
        let row = format!("2\t{ATTACKER}\t203.0.113.45\t1\t17\t5004\t5004");
        window(W1, &format!("{row}\t{packets}\t{octets}\t{start}\t{end}\n"))
    };
    let judge = |a_second, args: &[&str]| {
        let run = tool("nfflood").args(["--inside", INSIDE]).args(args);
        run.stdin(fields.clone() + &record(a_second)).run().ok()
    };
    for args in [&[][..], &["--live"]] {
        assert!(judge(1, args).rows().is_empty(), "a stream of a packet a second");
        assert!(judge(1999, args).rows().is_empty());
    }
    let ran = judge(2000, &[]);
    assert_eq!(found(&ran), [format!("flood source {ATTACKER}")], "{ran}");
    let row = &ran.table()[0];
    assert_eq!((row["class"].as_str(), row["why"].as_str()), ("outbound", "pps=2000>=2000"));
    assert_eq!((row["flows"].as_str(), row["rate"].as_str()), ("1", "0.00"));
    // The sum is complete, but a row rounds more than 2^31 to steps of 4096.
    let packets: u64 = row["packets"].parse().unwrap();
    assert!(2000 * (end - start) - packets < 8192, "{ran}");
    // The quiet stream leads to no block.
    let quiet = judge(1, &[]);
    let block = tool("nfnotify").args(["block", "--device", "nftables", "--may-block", INSIDE]);
    assert!(!block.stdin(quiet.text()).run().text().contains("add element"));
    // nftop counts the whole record.
    let run = tool("nftop").args(["--per", "sip", "--by", "packets"]);
    let ran = run.stdin(fields.clone() + &record(1)).run().ok();
    assert_eq!(ran.table()[0]["packets"], (end - start).to_string(), "{ran}");
}
