//! Scans of nmap over a network of live and absent hosts are named, and none of those hosts or
//! their clients. `tests/lab/scans` runs them; each scan has a source of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::super::harness::{Scene, tool};
use super::{Columns, View, lab, records, replay};

use Columns::Nine;
use View::{Incoming, Outgoing, Sampled, Whole};

/// Scans that need not be named in a view, because a flow export does not show everything: on nine
/// columns, or on all columns too if there is `None`, each with the reason.
const LIMITS: [(View, Option<Columns>, &[&str], &str); 10] = [
    (
        Whole,
        Some(Nine),
        &["fixed-high", "fixed-web"],
        "a question from a service's port looks like its answer; the source is a victim",
    ),
    (
        Whole,
        Some(Nine),
        &["data", "data-more"],
        "a loaded packet looks like one of a connection from before",
    ),
    (Sampled, Some(Nine), &["fixed-high", "fixed-web"], "as above"),
    (Sampled, Some(Nine), &["data", "data-more"], "who sends load has somebody to send it to"),
    (
        Sampled,
        None,
        &["ack", "ping-ack", "ping", "top"],
        "an acknowledgement, which nmap pings with too, is a connection's of which most was not seen",
    ),
    (
        Sampled,
        None,
        &["udp", "udp-ports", "data-udp", "vertical-udp", "ping-echo", "ping6"],
        "the answers to UDP and ICMP were not sampled, so that silence says nothing",
    ),
    (
        Sampled,
        None,
        &["polite", "services", "versions", "syn6"],
        "a few packets are left of so few",
    ),
    (
        Sampled,
        None,
        &VERTICAL,
        "probes and the resets of one host take turns, and softflowd takes each tenth packet: of some \
         scans that is all resets; most are named, which is asserted",
    ),
    (Incoming, Some(Nine), &["fixed-high", "fixed-web", "data", "data-more"], "as above"),
    (Incoming, None, &["vertical-udp"], "one host's answers by UDP are not there to be missed"),
];

/// Scans of many TCP ports of one host, a thousand or five hundred.
const VERTICAL: [&str; 7] = [
    "vertical",
    "vertical-connect",
    "vertical-fin",
    "vertical-high",
    "vertical-fixed",
    "in-order",
    "hping",
];

/// Clients whose addresses `decoys-living` forges beside its own. By their flows they scan.
const DECOYS: [&str; 2] = ["10.90.0.10", "10.90.0.11"];

/// Prefixes of the lab's hosts that are no scanners. All other addresses were forged by
/// `decoys-forged`.
const INNOCENT: [&str; 4] = ["10.90.0.", "10.77.", "fd00:77:4:", "fd00:90::ffff"];

/// Reads the lab's scans: their names by their sources.
fn scans(dir: &Path) -> BTreeMap<String, String> {
    let runs = std::fs::read_to_string(dir.join("runs")).unwrap();
    let words = runs.lines().map(|line| line.splitn(3, ' ').map(str::to_owned).collect::<Vec<_>>());
    words.map(|words| (words[0].clone(), words[1].clone())).collect()
}

/// Compares a view's findings with the scans. Returns a report of missed scans and wrong findings,
/// with all findings; empty if all is well.
fn judge(scans: &BTreeMap<String, String>, spool: &Path, view: View, columns: Columns) -> String {
    let nfscan = tool("nfscan").args(["--inside", "10.77.0.0/16,fd00:77::/32", "--window", "24h"]);
    let ran = nfscan.stdin(columns.of(spool)).run().ok();
    let mut named = BTreeSet::new();
    let mut forged = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut all = String::new();
    for row in ran.table() {
        let of = |column: &str| row[column].as_str();
        let host = of("host");
        let what = scans.get(host).map_or("", String::as_str);
        all += &format!("  {what} {host} {} {} {}\n", of("role"), of("class"), of("why"));
        // The clients whose names were taken have real connections too. The mark cannot tell that the probes are not
        // theirs.
        let is_decoy = DECOYS.contains(&host) && of("marks") == "spoke";
        if of("marks") != view.mark() && !is_decoy {
            wrong.push(format!("{host} has the mark {}", of("marks")));
        }
        let is_innocent = INNOCENT.iter().any(|prefix| host.starts_with(prefix));
        match (of("kind"), of("role")) {
            ("scan", "source") if scans.contains_key(host) => _ = named.insert(host.to_owned()),
            // The network of the scanners together, or the source of forged decoys.
            ("scan", "source") if ["10.90.1.0/24", "fd00:90::/64"].contains(&host) => {}
            ("scan", "target") if columns == Nine && what.starts_with("fixed-") => {}
            ("scan", "source") if DECOYS.contains(&host) => _ = named.insert(host.to_owned()),
            ("scan", "source") if !is_innocent => _ = forged.insert(host.to_owned()),
            _ => wrong.push(format!("{host} is named as {} {}", of("role"), of("class"))),
        }
    }
    let limits = LIMITS
        .iter()
        .filter(|(of, only, ..)| *of == view && only.is_none_or(|only| only == columns));
    let excused: Vec<&str> = limits.flat_map(|(_, _, names, _)| names.iter().copied()).collect();
    let sources = scans.iter().map(|(source, name)| (source.as_str(), name.as_str()));
    let decoys = DECOYS.map(|decoy| (decoy, "a client whose name was taken"));
    for (source, name) in sources.chain(decoys) {
        match (view, named.contains(source)) {
            (Outgoing, true) => wrong.push(format!("{name} ({source}) was not to be seen")),
            (Outgoing, false) | (_, true) => {}
            _ if excused.contains(&name) => {}
            _ => wrong.push(format!("{name} ({source}) is not named")),
        }
    }
    let vertical = |source: &&String| VERTICAL.contains(&scans[*source].as_str());
    let tall = named.iter().filter(|source| scans.contains_key(*source)).filter(vertical).count();
    if view == Sampled && tall < 4 {
        wrong.push(format!("{tall} of {} vertical scans are named", VERTICAL.len()));
    }
    // nmap's RND:5 forges five sources with the same probes.
    if view == Whole && forged.len() != 5 {
        wrong.push(format!("five sources were forged: {forged:?}"));
    }
    if wrong.is_empty() {
        String::new()
    } else {
        format!(
            "{view:?}, {columns:?}:\
      {}\
    of\
    {all}",
            wrong.join(
                "\
      "
            )
        )
    }
}

#[test]
fn real_scans_are_named_and_no_innocent_hosts() {
    let scene = Scene::new();
    let Some(dir) = lab("scans", &scene) else { return };
    let scans = scans(&dir);
    for name in LIMITS.iter().flat_map(|(_, _, names, _)| names.iter()) {
        assert!(scans.values().any(|scan| scan == name), "{name} is no scan of the lab");
    }
    let said = std::fs::read_to_string(dir.join("9.said")).unwrap();
    let mut views = vec![(Whole, dir.join("9"), said)];
    let pcap = dir.join("link.pcap");
    let v9 = ["-v", "9", "-a"];
    let mut add_view = |view, name, args: &[&str]| {
        let (spool, said) = replay(&scene, name, &pcap, &[v9.as_slice(), args].concat());
        views.push((view, spool, said));
    };
    add_view(Whole, "whole", &[]);
    add_view(Sampled, "sampled", &["-s", "10"]);
    add_view(Incoming, "incoming", &["dst net 10.77.4.0/24 or dst net fd00:77:4::/64"]);
    add_view(Outgoing, "outgoing", &["src net 10.77.4.0/24 or src net fd00:77:4::/64"]);
    let mut wrong = String::new();
    for (view, spool, said) in &views {
        let flows = tool("nfdump-txt").arg("-N").arg(spool).run().ok();
        assert_eq!(flows.rows().len(), records(said), "{view:?}: {said}");
        for columns in [Columns::All, Nine] {
            wrong += &judge(&scans, spool, *view, columns);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
