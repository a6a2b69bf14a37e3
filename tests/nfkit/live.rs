//! Real exporters and real attackers: softflowd watches a link on which nmap scans, hping3 floods
//! and a worm spreads, beside a web server with clients and a DNS server. `tests/lab/attacks` sets
//! up the link in network namespaces, which takes root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::harness::{Scene, installed, package, skipped, tool};
use super::nfcap::Nfcap;

mod floods;
mod scans;

/// The programs that the labs and the replays need.
const PARTS: [&str; 17] = [
    "ip",
    "softflowd",
    "softflowctl",
    "nmap",
    "hping3",
    "nginx",
    "dnsmasq",
    "curl",
    "dig",
    "ping",
    "tcpdump",
    "python3",
    "iperf3",
    "ssh",
    "ssh-keygen",
    "sshd",
    "haproxy",
];

/// The versions that softflowd and nfkit share; 10 is IPFIX.
const VERSIONS: [&str; 3] = ["5", "9", "10"];

/// The packets of a link that an exporter sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Every packet.
    Whole,
    /// One packet in ten.
    Sampled,
    /// Only packets to the inside.
    Incoming,
    /// Only packets from the inside; no attacker sends any of them.
    Outgoing,
}

impl View {
    /// Returns the mark of findings in this view, `-` for none.
    fn mark(self) -> &'static str {
        match self {
            View::Whole => "-",
            View::Sampled => "sampled",
            View::Incoming | View::Outgoing => "oneway",
        }
    }
}

/// The columns of the flow lines that a detector gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    All,
    /// The nine columns, without flags and times.
    Nine,
}

impl Columns {
    /// Returns the flows of a spool as one window. Otherwise the windows would be those of arrival,
    /// and sampling a mark at their end instead of a column.
    fn of(self, spool: &Path) -> String {
        let fields = match self {
            Columns::All => "+start,end,flags,sampling",
            Columns::Nine => "+sampling",
        };
        let ran = tool("nfdump-txt").args(["--window", "0", "--fields", fields]).arg(spool).run();
        ran.ok().text().to_owned()
    }
}

/// Returns the exporter's own count, from `Flows exported: 14690 (17955 records) in 571 packets`.
fn records(said: &str) -> usize {
    let line = said.lines().find(|line| line.contains("Flows exported:")).expect(said);
    let (_, rest) = line.split_once('(').expect(line);
    rest.split_once(" records").expect(line).0.parse().expect(line)
}

/// Returns the flows of a spool without marks: one window of unknown time, so that the clock does
/// not matter.
fn flows(spool: &Path) -> String {
    tool("nfdump-txt").arg("-N").arg(spool).run().ok().text().to_owned()
}

/// Returns the findings of a detector, each as "kind host role side".
fn named(detector: &str, flows: &str) -> Vec<String> {
    let ran = tool(detector).args(["--inside", "10.77.0.0/16"]).stdin(flows).run().ok();
    let name = |row: &std::collections::BTreeMap<String, String>| {
        ["kind", "host", "role", "side"].map(|column| row[column].clone()).join(" ")
    };
    ran.table().iter().map(name).collect()
}

/// Runs a lab and returns the directory of its results. Returns `None`, and reports a skipped test,
/// without root or a program that it needs.
fn lab(name: &str, scene: &Scene) -> Option<PathBuf> {
    if !std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") {
        skipped("network namespaces need root");
        return None;
    }
    if PARTS.iter().any(|part| installed(part).is_none()) {
        return None;
    }
    let dir = scene.path("lab");
    std::fs::create_dir(&dir).unwrap();
    let bins = Path::new(env!("CARGO_BIN_EXE_nfcap")).parent().unwrap();
    let path = format!("{}:{}", bins.display(), std::env::var("PATH").unwrap());
    let script = package(&format!("tests/lab/{name}"));
    let lab = installed("sh").unwrap().arg(script).arg(&dir).env("PATH", path);
    lab.limit(Duration::from_secs(180)).run().status(0);
    Some(dir)
}

/// Replays a capture through softflowd into an nfcap. Returns the spool and softflowd's output.
/// `args` are softflowd's; the last may be a filter expression.
fn replay(scene: &Scene, name: &str, pcap: &Path, args: &[&str]) -> (PathBuf, String) {
    let spool = scene.path(name);
    let collect = ["-b", "127.0.0.1", "-p", "0", "-t", "24h", "--allow", "127.0.0.1", "-w"];
    let nfcap = Nfcap::start(collect.into_iter().map(OsString::from).chain([spool.clone().into()]));
    let to = format!("127.0.0.1:{}", nfcap.port());
    let softflowd = installed("softflowd").unwrap().arg("-p").arg(scene.path("softflowd.pid"));
    let softflowd = softflowd.args(["-d", "-c", "none", "-m", "262144", "-n", &to]);
    let ran = softflowd.arg("-r").arg(pcap).args(args).run().status(0);
    nfcap.stop();
    (spool, format!("{}{}", String::from_utf8_lossy(&ran.out), ran.err))
}

#[test]
fn real_attackers_and_no_others_are_named() {
    let scene = Scene::new();
    let Some(dir) = lab("attacks", &scene) else { return };
    for version in VERSIONS {
        let said = std::fs::read_to_string(dir.join(format!("{version}.said"))).unwrap();
        assert_attackers_are_named(&dir.join(version), &said, &format!("live, version {version}"));
    }
    // Export the same link again, from its packets.
    for version in VERSIONS {
        let (spool, said) = replay(&scene, version, &dir.join("link.pcap"), &["-v", version]);
        assert_attackers_are_named(&spool, &said, &format!("from a capture, version {version}"));
    }
}

/// Asserts that all flows that softflowd counted are there, and that the attackers and no others
/// are named.
fn assert_attackers_are_named(spool: &Path, softflowd: &str, what: &str) {
    let seen = flows(spool);
    assert_eq!(seen.lines().count(), records(softflowd), "{what}: {softflowd}");
    // A worm makes many failed attempts and is therefore a scanner too.
    let scanners = ["scan 10.77.4.66 source inside", "scan 10.90.0.2 source outside"];
    assert_eq!(named("nfscan", &seen), scanners, "{what}");
    assert_eq!(named("nfflood", &seen), ["flood 10.77.4.10 target inside"], "{what}");
    assert_eq!(named("nfport", &seen), ["port 10.77.4.66 source inside"], "{what}");
}
