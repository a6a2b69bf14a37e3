//! nfscan: figure 3, and the rule at its limits.

use crate::detector::{FIELDS, W1, found, row, window};
use crate::harness::{INSIDE, scan, tool};

/// Probes of the first hosts of networks 140.119.N.0/24.
fn probes(nets: &[(u8, u8)]) -> String {
    let mut rows = String::new();
    for (net, hosts) in nets {
        for host in 1..=*hosts {
            rows += &row("203.0.113.45", &format!("140.119.{net}.{host}"), 21);
        }
    }
    FIELDS.to_owned() + &window(W1, &rows)
}

#[test]
fn the_scanner_of_figure_3_is_found() {
    let ran = tool("nfscan").args(["--paper", "--inside", INSIDE]).stdin(&scan().text).run().ok();
    assert_eq!(found(&ran), ["scan source 203.0.113.45"], "{ran}");
    let row = &ran.table()[0];
    let cells = ["class", "side", "proto", "port", "peers", "peer", "why"].map(|c| row[c].as_str());
    let expected = [
        "sweep",
        "outside",
        "6",
        "21",
        "4064",
        "140.119.56.0/21,140.119.64.0/21",
        "nets=16>=2,hosts=254>=200",
    ];
    assert_eq!(cells, expected, "{ran}");
    assert!(row["sample"].starts_with("203.0.113.45:"), "{ran}");
    assert_eq!(row["sample"].split(';').count(), 3, "{ran}");
}

#[test]
fn the_bars_of_figure_3_are_nearly_equal() {
    let ran = tool("nfscan").arg("--subnets").stdin(&scan().text).run().ok();
    assert!(
        ran.text().starts_with("#fields\twindow\tseconds\tscanner\tnet\thosts\tflows\n"),
        "{ran}"
    );
    let rows = ran.table();
    let nets: Vec<_> = rows.iter().map(|row| row["net"].clone()).collect();
    assert_eq!(nets, (56..=71).map(|n| format!("140.119.{n}.0/24")).collect::<Vec<_>>(), "{ran}");
    for row in &rows {
        assert_eq!(row["scanner"], "203.0.113.45");
        assert_eq!(row["hosts"], "254");
        let flows: u32 = row["flows"].parse().unwrap();
        assert!((254..=280).contains(&flows), "{ran}");
    }
    assert_eq!(ran.marks("#end").len(), 1, "{ran}");
}

#[test]
fn limits_hold_to_the_host_and_the_network() {
    let finds = |input: &str, args: &[&str]| {
        let ran = tool("nfscan").arg("--paper").args(args).stdin(input).run().ok();
        ran.rows().len()
    };
    let two = probes(&[(16, 200), (17, 200)]);
    assert_eq!(finds(&two, &[]), 1);
    assert_eq!(finds(&probes(&[(16, 200), (17, 199)]), &[]), 0);
    assert_eq!(finds(&probes(&[(16, 200), (17, 199)]), &["--limit-hosts", "199"]), 1);
    assert_eq!(finds(&two, &["--limit-hosts", "201"]), 0);
    // Not neighbours.
    assert_eq!(finds(&probes(&[(16, 200), (18, 200)]), &[]), 0);
    assert_eq!(finds(&probes(&[(16, 200)]), &["--limit-nets", "1"]), 1);
    assert_eq!(finds(&two, &["--limit-nets", "3"]), 0);
    // Neighbours across an odd boundary, which no prefix holds together.
    assert_eq!(finds(&probes(&[(15, 200), (16, 200)]), &[]), 1);
    let packets = |n: u32| two.replace("\t1\t40\n", &format!("\t{n}\t{}\n", 40 * n));
    assert_eq!(finds(&packets(3), &[]), 1);
    assert_eq!(finds(&packets(4), &[]), 0);
    assert_eq!(finds(&packets(4), &["--max-packets", "4"]), 1);
}

#[test]
fn the_same_hosts_again_are_no_more_hosts() {
    let once = probes(&[(16, 199), (17, 199)]);
    let rows = once.lines().filter(|line| !line.starts_with('#'));
    let twice: String = rows.flat_map(|line| [line, "\n", line, "\n"]).collect();
    let ran = tool("nfscan").arg("--paper").stdin(window(W1, &twice)).run().ok();
    assert!(ran.rows().is_empty(), "{ran}");
}

#[test]
fn limits_on_hosts_do_not_grow_with_the_window() {
    let ran =
        tool("nfscan").args(["--window", "1h"]).stdin(probes(&[(16, 200), (17, 200)])).run().ok();
    assert_eq!(ran.rows().len(), 1, "{ran}");
}

#[test]
fn networks_of_ipv6_have_64_bits() {
    let mut rows = String::new();
    for net in ["2001:db8:0:1", "2001:db8:0:2"] {
        for host in 1..=200 {
            rows += &row("2001:db8:bad::1", &format!("{net}::{host:x}"), 21);
        }
    }
    let ran = tool("nfscan").stdin(window(W1, &rows)).run().ok();
    assert_eq!(found(&ran), ["scan source 2001:db8:bad::1"], "{ran}");
    assert_eq!(ran.table()[0]["peer"], "2001:db8:0:1::/64,2001:db8:0:2::/64", "{ran}");
}

#[test]
fn subnets_take_no_json_and_no_explain() {
    tool("nfscan").args(["--subnets", "--json"]).run().status(2).mute();
    tool("nfscan").args(["--subnets", "--explain", "192.0.2.1"]).run().status(2).mute();
}
