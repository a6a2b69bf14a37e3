//! nfscan: figure 3, the thresholds of the paper's rule, and a site's own settings.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::detector::{FIELDS, W1, found, row, window};
use crate::harness::{INSIDE, Ran, Scene, scan, table, tool};

/// Returns probes of the first hosts of networks 140.119.N.0/24, each network with its number of
/// hosts.
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
    let cells = ["class", "side", "proto", "port", "peers", "why"].map(|c| row[c].as_str());
    let expected = ["sweep", "outside", "6", "21", "4064", "nets=16>=2,hosts=254>=200"];
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
fn the_line_of_a_sweep_has_the_bars_of_figure_3() {
    for rule in [&["--paper"][..], &[]] {
        let nfscan = || tool("nfscan").args(rule).args(["--inside", INSIDE]).stdin(&scan().text);
        let ran = nfscan().run().ok();
        let rows = ran.table();
        let [line] = &rows[..] else { panic!("{ran}") };
        let figure = nfscan().arg("--subnets").run().ok();
        let bars = figure.table();
        let peer: Vec<_> =
            bars.iter().map(|bar| format!("{}={}", bar["net"], bar["flows"])).collect();
        assert_eq!(line["peer"].split(',').collect::<Vec<_>>(), peer, "{ran}");
        let flows: u64 = bars.iter().map(|bar| bar["flows"].parse::<u64>().unwrap()).sum();
        assert_eq!(line["flows"], flows.to_string(), "{ran}");
    }
}

#[test]
fn the_papers_thresholds_hold_exactly() {
    let finds = |input: &str, args: &[&str]| {
        let ran = tool("nfscan").arg("--paper").args(args).stdin(input).run().ok();
        ran.rows().len()
    };
    let two = probes(&[(16, 200), (17, 200)]);
    assert_eq!(finds(&two, &[]), 1);
    assert_eq!(finds(&probes(&[(16, 200), (17, 199)]), &[]), 0);
    assert_eq!(finds(&probes(&[(16, 200), (17, 199)]), &["--limit-hosts", "199"]), 1);
    assert_eq!(finds(&two, &["--limit-hosts", "201"]), 0);
    // The networks are not neighbours.
    assert_eq!(finds(&probes(&[(16, 200), (18, 200)]), &[]), 0);
    assert_eq!(finds(&probes(&[(16, 200)]), &["--limit-nets", "1"]), 1);
    assert_eq!(finds(&two, &["--limit-nets", "3"]), 0);
    // These are neighbours, although no prefix covers just the two.
    assert_eq!(finds(&probes(&[(15, 200), (16, 200)]), &[]), 1);
    let packets = |n: u32| two.replace("\t1\t40\n", &format!("\t{n}\t{}\n", 40 * n));
    assert_eq!(finds(&packets(3), &[]), 1);
    assert_eq!(finds(&packets(4), &[]), 0);
    assert_eq!(finds(&packets(4), &["--max-packets", "4"]), 1);
}

#[test]
fn a_host_that_is_probed_twice_counts_once() {
    let once = probes(&[(16, 199), (17, 199)]);
    let rows = once.lines().filter(|line| !line.starts_with('#'));
    let twice: String = rows.flat_map(|line| [line, "\n", line, "\n"]).collect();
    let ran = tool("nfscan").arg("--paper").stdin(window(W1, &twice)).run().ok();
    assert!(ran.rows().is_empty(), "{ran}");
}

#[test]
fn thresholds_of_hosts_do_not_grow_with_the_window() {
    let ran =
        tool("nfscan").args(["--window", "1h"]).stdin(probes(&[(16, 200), (17, 200)])).run().ok();
    assert_eq!(ran.rows().len(), 1, "{ran}");
}

#[test]
fn networks_of_ipv6_have_a_prefix_of_64_bits() {
    let mut rows = String::new();
    for net in ["2001:db8:0:1", "2001:db8:0:2"] {
        for host in 1..=200 {
            rows += &row("2001:db8:bad::1", &format!("{net}::{host:x}"), 21);
        }
    }
    let ran = tool("nfscan").stdin(window(W1, &rows)).run().ok();
    assert_eq!(found(&ran), ["scan source 2001:db8:bad::1"], "{ran}");
    assert_eq!(ran.table()[0]["peer"], "2001:db8:0:1::/64=200,2001:db8:0:2::/64=200", "{ran}");
}

#[test]
fn subnets_take_no_json_and_no_explain() {
    tool("nfscan").args(["--subnets", "--json"]).run().status(2).mute();
    tool("nfscan").args(["--subnets", "--explain", "192.0.2.1"]).run().status(2).mute();
}

/// Returns a window in which one outside host tries port 22 of `count` hosts.
fn probes_of(mark: &str, from: usize, count: usize) -> String {
    let host = |n: usize| format!("140.119.{}.{}", n / 250, 1 + n % 250);
    let rows = (from..from + count).map(|n| row("203.0.113.45", &host(n), 22));
    FIELDS.to_owned() + &window(mark, &rows.collect::<String>())
}

/// Returns the mark of the `n`-th window of ten minutes on 1 July 2001.
fn slot(n: usize) -> String {
    format!("2001-07-01T{:02}:{:02}:00Z\t600", n / 6, n % 6 * 10)
}

#[test]
fn a_slow_scan_is_found_through_the_state() {
    let scene = Scene::new();
    let state = scene.path("state");
    let run =
        |n: usize| tool("nfscan").arg("--state").arg(&state).stdin(probes_of(&slot(n), n * 11, 11));
    for n in 0..5 {
        assert_eq!(run(n).run().ok().rows().len(), 0, "window {n}");
    }
    let ran = run(5).run().ok();
    let found = &ran.table()[0];
    assert_eq!(
        (found["class"].as_str(), found["host"].as_str()),
        ("slow", "203.0.113.45"),
        "{ran}"
    );
    assert!(found["why"].starts_with("targets=66>=61,"), "{ran}");
    assert!(found["why"].ends_with(",over=1h"), "{ran}");
    assert_eq!(state.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    // The same window again gives the same finding and is not learned twice. Without the state
    // there is no finding.
    let before = scene.read("state");
    run(5).run().ok().prints(ran.text());
    assert_eq!(scene.read("state"), before);
    assert!(tool("nfscan").stdin(probes_of(&slot(5), 55, 11)).run().ok().rows().is_empty());
    let env = tool("nfscan").env("NFKIT_SCAN_STATE", &state).stdin(probes_of(&slot(6), 66, 11));
    assert_eq!(env.run().ok().table()[0]["class"], "slow");
}

#[test]
fn a_damaged_state_is_set_aside_and_no_window_is_lost() {
    let scene = Scene::new();
    let state = scene.path("state");
    let run = || tool("nfscan").arg("--state").arg(&state).stdin(&scan().text);
    let whole = run().run().ok();
    let good = scene.read("state");
    assert!(good.starts_with(b"nfkit-state 2 nfscan "));
    let mut flipped = good.clone();
    flipped[good.len() - 5] ^= 1;
    for (damaged, why) in [
        (flipped, "the checksum is"),
        (good[..good.len() - 9].to_vec(), "bytes of state where"),
        (good[..7].to_vec(), "byte 0: the first line"),
    ] {
        scene.write("state", &damaged);
        let ran = run().run().status(0).says_lines(1).says(why).says("state.bad");
        assert_eq!(ran.text(), whole.text());
        assert_eq!(scene.read("state.bad"), damaged);
        assert_eq!(scene.read("state"), good, "begun anew");
    }
    // A file that is no state was named by mistake and stays as it is.
    for (other, why) in [
        (scan().text.clone().into_bytes(), "not a state file (no nfkit-state header)"),
        (b"nfkit-state 1 nfport 3 0\nabc".to_vec(), "state of nfport, not of nfscan"),
        (b"nfkit-state 3 nfscan 3 0\nabc".to_vec(), "state of version \"3\""),
    ] {
        scene.write("state", &other);
        run().run().status(1).mute().says_lines(1).says(why);
        assert_eq!(scene.read("state"), other);
    }
    scene.write("state", "");
    assert_eq!(run().run().ok().text(), whole.text());
    assert_eq!(scene.read("state"), good);
}

#[test]
fn only_one_run_at_a_time_may_use_the_state() {
    let scene = Scene::new();
    let state = scene.path("state");
    let mut live = tool("nfscan").arg("--state").arg(&state).live();
    assert!(live.next().starts_with("#fields"));
    let second = tool("nfscan").arg("--state").arg(&state).stdin("").run();
    second.status(1).mute().says_lines(1).says("another nfscan has it");
    live.close().ok();
    tool("nfscan").arg("--state").arg(&state).stdin("").run().ok();
}

#[test]
fn a_state_that_cannot_be_written_is_an_error() {
    let scene = Scene::new();
    let missing = scene.path("nowhere/state");
    let run = |state: &Path| tool("nfscan").arg("--state").arg(state).stdin(&scan().text);
    run(&missing).run().status(1).mute().says_lines(1).says("nowhere/state");
    // A directory is in place of the file.
    let dir = scene.path("dir");
    std::fs::create_dir(&dir).unwrap();
    run(&dir).run().status(1).mute().says_lines(1).says("dir");
    // A window in which the command stops is not learned.
    let state = scene.path("state");
    let torn = scan().text.clone() + "no flow\n";
    let ran = tool("nfscan").arg("--strict").arg("--state").arg(&state).stdin(torn).run().status(1);
    assert_eq!(ran.rows().len(), 1, "{ran}");
    assert!(!state.exists());
}

#[test]
fn limits_sets_a_sites_own_thresholds() {
    let scene = Scene::new();
    let input = probes_of(&slot(0), 0, 40);
    let named = |limits: &str| {
        let file = scene.write("limits", limits);
        let run = tool("nfscan").args(["--inside", INSIDE, "--limits"]).arg(file).stdin(&input);
        run.run().ok().table().iter().map(|row| row["class"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(named("# none\n"), ["horizontal"]);
    assert_eq!(named("203.0.113.0/24,horizontal,50\n"), ["dark"]);
    assert_eq!(named("network,metric,value\n*,horizontal,off\n*,dark,41\n"), [""; 0]);
    let file = scene.write("limits", "*,horizontal,50\n*,speed,3\n");
    let run = || tool("nfscan").arg("--limits").arg(&file).stdin(&input);
    run().run().status(1).mute().says_lines(1).says("limits:2: \"speed\" is not a metric (sweep,");
    run().arg("--paper").run().status(2).mute();
    tool("nfscan").args(["--limits", "/nowhere"]).run().status(1).mute().says_lines(1);
}

#[test]
fn a_survey_has_a_class_of_its_own() {
    let input = probes_of(&slot(0), 0, 40);
    let ran = tool("nfscan").args(["--survey", "203.0.113.0/24"]).stdin(&input).run().ok();
    let row = &ran.table()[0];
    assert_eq!((row["class"].as_str(), row["marks"].as_str()), ("survey", "survey"), "{ran}");
    tool("nfscan").args(["--survey", "@/nowhere"]).run().status(1).mute().says("/nowhere");
}

#[test]
fn calibrate_prints_the_distribution_of_each_metric() {
    let args = ["--inside", INSIDE, "--calibrate"];
    let ran = tool("nfscan").args(args).stdin(&scan().text).run().ok();
    let rows = ran.table();
    let of = |metric: &str| {
        let row = rows.iter().find(|row| row["metric"] == metric && row["side"] == "outside");
        row.unwrap_or_else(|| panic!("{metric}{ran}")).clone()
    };
    assert_eq!((of("sweep")["max"].as_str(), of("sweep")["limit"].as_str()), ("16", "2"), "{ran}");
    let horizontal = of("horizontal");
    assert_eq!((horizontal["max"].as_str(), horizontal["limit"].as_str()), ("4064", "25"), "{ran}");
    let number = |column: &str| horizontal[column].parse::<u64>().unwrap();
    let steps = ["p50", "p90", "p99", "p999", "max"].map(number);
    assert!(steps.is_sorted() && number("suggest") >= number("p999"), "{ran}");
    assert!(!ran.text().contains("#window"), "{ran}");
    for other in ["--json", "--subnets", "--paper", "--exit-code"] {
        tool("nfscan").args(["--calibrate", other]).run().status(2).mute();
    }
    tool("nfscan").args(["--calibrate"]).stdin("").run().ok();
}

#[test]
fn calibrate_proposes_lines_for_what_is_done_each_day() {
    let scene = Scene::new();
    let state = scene.path("state");
    // A program logs in to 120 hosts at 02:00, of which none is up, and a scanner tries others each day.
    let day = |day: usize, from: &str| {
        let program = (1..=120).map(|n| row("140.119.9.9", &format!("140.119.1.{n}"), 22));
        let scanner = (1..=120).map(|n| row("140.119.9.8", &format!("198.51.{day}.{n}"), 22));
        let rows: String = program.chain(scanner).collect();
        FIELDS.to_owned() + &window(&format!("2001-07-0{day}T{from}:00Z\t600"), &rows)
    };
    let nfscan = || {
        let args = ["--inside", INSIDE, "--calibrate", "--state"];
        tool("nfscan").args(args).arg(&state)
    };
    let proposed = |text: &str| {
        let at = text.find("#fields\thost\t").unwrap_or_else(|| panic!("{text}"));
        table(&text[at..])
    };
    for n in 1..=2 {
        let ran = nfscan().stdin(day(n, "02:00")).run().status(0);
        let days = format!("days in the state: {n}; a line for --ignore is proposed from 3 on");
        assert!(proposed(ran.text()).is_empty(), "{ran}");
        ran.says(&days);
    }
    // Findings as well are what the state learns from.
    let found = tool("nfscan").args(["--inside", INSIDE, "--state"]).arg(&state);
    let found = found.stdin(day(3, "02:10")).run().ok();
    assert_eq!(found.table().len(), 2, "{found}");
    let ran = nfscan().stdin("").run().ok();
    let rows = proposed(ran.text());
    let [line] = &rows[..] else { panic!("{ran}") };
    let cells = ["host", "class", "days", "windows", "from", "to", "targets", "samepct"];
    let cells = cells.map(|column| line[column].as_str());
    assert_eq!(cells, ["140.119.9.9", "horizontal", "3", "3", "02:00", "02:20", "120", "100"]);
    assert_eq!(line["ignore"], "140.119.9.9 140.119.1.0/24 tcp/22", "{ran}");
    // The line does what it says.
    let ignore = scene.write("ignore", line["ignore"].clone() + "\n");
    let left = tool("nfscan").args(["--inside", INSIDE, "--ignore"]).arg(ignore);
    let left = left.stdin(day(4, "02:00")).run().ok();
    assert_eq!(found_hosts(&left), ["140.119.9.8"], "{left}");
    // For publication, the addresses are hidden; without --inside, no host is ours.
    let masked = nfscan().arg("--mask").stdin("").run().ok();
    let rows = proposed(masked.text());
    let cells = ["host", "ignore"].map(|column| rows[0][column].as_str());
    assert_eq!(cells, ["140.119.9.?", "-"], "{masked}");
    let args = ["--calibrate", "--state"];
    let unknown = tool("nfscan").args(args).arg(&state).stdin("").run().status(0);
    unknown.says("without --inside no host is known to be ours");
}

/// Returns the hosts of the findings.
fn found_hosts(ran: &Ran) -> Vec<String> {
    ran.table().iter().map(|row| row["host"].clone()).collect()
}

#[test]
fn subnets_lists_only_the_networks_of_a_sweep() {
    let networks = |nets: &[(u8, u8)]| {
        let ran = tool("nfscan").arg("--subnets").stdin(probes(nets)).run().ok();
        ran.table().iter().map(|row| row["net"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        networks(&[(16, 200), (17, 201), (40, 250)]),
        ["140.119.16.0/24", "140.119.17.0/24"]
    );
    assert_eq!(networks(&[(16, 200), (40, 250)]), [""; 0]);
}
