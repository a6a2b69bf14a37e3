//! nfport: figure 5 by the paper's rule, and the threshold of that rule.

use crate::detector::{FIELDS, W1, found, row, window};
use crate::harness::{INSIDE, paper, tool};

const WORM: &str = "140.119.44.91";

#[test]
fn the_worm_of_figure_5_is_found() {
    let args = ["--paper", "--inside", INSIDE];
    let ran = tool("nfport").args(args).stdin(&paper().text).run().ok();
    assert_eq!(found(&ran), [format!("port source {WORM}")], "{ran}");
    let row = &ran.table()[0];
    let cells = ["window", "class", "side", "proto", "port", "flows", "rate", "why"];
    let expected = [
        "2001-08-17T17:20:00Z",
        "spread",
        "inside",
        "6",
        "80",
        "200000",
        "333.33",
        "flows=200000>=10000",
    ];
    assert_eq!(cells.map(|c| row[c].as_str()), expected, "{ran}");
    assert_eq!(row["peer"].split(',').count(), 21, "{ran}");
}

fn attack(flows: usize, targets: usize, proto: u8) -> String {
    let rows = (0..flows).map(|n| {
        let target = format!("11.{}.{}.9", n % targets / 250, n % targets % 250);
        row(WORM, &target, 445).replace("\t6\t", &format!("\t{proto}\t"))
    });
    FIELDS.to_owned() + &window(W1, &rows.collect::<String>())
}

#[test]
fn the_papers_threshold_need_only_be_reached() {
    let finds = |input: &str, args: &[&str]| {
        tool("nfport").arg("--paper").args(args).stdin(input).run().ok().rows().len()
    };
    assert_eq!(finds(&attack(10_000, 500, 6), &[]), 1);
    assert_eq!(finds(&attack(9_999, 500, 6), &[]), 0);
    assert_eq!(finds(&attack(9_999, 500, 17), &["--limit-flows", "9999"]), 1);
    assert_eq!(finds(&attack(9_998, 500, 6), &["--limit-flows", "9999"]), 0);
    // The threshold of an hour is six times as high.
    assert_eq!(finds(&attack(10_000, 500, 6), &["--window", "1h"]), 0);
}

#[test]
fn protocols_without_ports_are_no_port_attack() {
    let ran = tool("nfport").arg("--paper").stdin(attack(10_000, 500, 1)).run().ok();
    assert!(ran.rows().is_empty(), "{ran}");
}

#[test]
fn few_targets_are_brute_force_and_many_are_spread() {
    let class = |targets| {
        let ran = tool("nfport")
            .args(["--paper", "--limit-flows", "100"])
            .stdin(attack(100, targets, 6))
            .run()
            .ok();
        ran.table()[0]["class"].clone()
    };
    assert_eq!(class(9), "bruteforce");
    assert_eq!(class(10), "spread");
}

#[test]
fn flows_to_different_ports_are_not_added_up() {
    let rows: String = (0..10_000).map(|n| row(WORM, "192.0.2.1", 80 + (n % 2) as u16)).collect();
    let ran = tool("nfport").arg("--paper").stdin(window(W1, &rows)).run().ok();
    assert!(ran.rows().is_empty(), "{ran}");
}
