//! Real exporters, real attackers: softflowd watches a link on which nmap scans, hping3 floods and
//! a worm spreads, beside a web server with clients and a DNS server. `tests/lab/attacks` sets it
//! up in network namespaces, which takes root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::harness::{Scene, other, package, skipped, tool};
use super::nfcap::Nfcap;

mod floods;
mod scans;

/// What the labs are made of, and the replays.
const PARTS: [&str; 16] = [
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
];

/// The versions that softflowd and nfkit share; 10 is IPFIX.
const VERSIONS: [&str; 3] = ["5", "9", "10"];

/// How a link is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// Every packet, as it went by.
    Whole,
    /// One packet in ten.
    Sampled,
    /// What came in alone.
    Incoming,
    /// What went out alone, in which nobody asked for anything.
    Outgoing,
}

impl View {
    /// What findings in it are marked with.
    fn mark(self) -> &'static str {
        match self {
            View::Whole => "-",
            View::Sampled => "sampled",
            View::Incoming | View::Outgoing => "oneway",
        }
    }
}

/// Which columns of its flows are given to a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    All,
    /// With no flags and no times.
    Nine,
}

impl Columns {
    /// The flows of a spool. Windows are of arrival, and sampling is a mark at their end: as one
    /// window, it is a column.
    fn of(self, spool: &Path) -> String {
        let fields = match self {
            Columns::All => "+start,end,flags,sampling",
            Columns::Nine => "+sampling",
        };
        let ran = tool("nfdump-txt").args(["--window", "0", "--fields", fields]).arg(spool).run();
        ran.ok().text().to_owned()
    }
}

/// The exporter's own count: `Flows exported: 14690 (17955 records) in 571 packets`.
fn records(said: &str) -> usize {
    let line = said.lines().find(|line| line.contains("Flows exported:")).expect(said);
    let (_, rest) = line.split_once('(').expect(line);
    rest.split_once(" records").expect(line).0.parse().expect(line)
}

/// Every flow of a spool without marks: one window of unknown time, wherever the clock stood.
fn flows(spool: &Path) -> String {
    tool("nfdump-txt").arg("-N").arg(spool).run().ok().text().to_owned()
}

/// Whom a detector names.
fn named(detector: &str, flows: &str) -> Vec<String> {
    let ran = tool(detector).args(["--inside", "10.77.0.0/16"]).stdin(flows).run().ok();
    let name = |row: &std::collections::BTreeMap<String, String>| {
        ["kind", "host", "role", "side"].map(|column| row[column].clone()).join(" ")
    };
    ran.table().iter().map(name).collect()
}

/// Runs a lab, whose results are in the directory. `None`, said aloud, where it cannot be.
fn lab(name: &str, scene: &Scene) -> Option<PathBuf> {
    if !std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") {
        skipped("network namespaces need root");
        return None;
    }
    if PARTS.iter().any(|part| other(part).is_none()) {
        return None;
    }
    let dir = scene.path("lab");
    std::fs::create_dir(&dir).unwrap();
    let bins = Path::new(env!("CARGO_BIN_EXE_nfcap")).parent().unwrap();
    let path = format!("{}:{}", bins.display(), std::env::var("PATH").unwrap());
    let script = package(&format!("tests/lab/{name}"));
    let lab = other("sh").unwrap().arg(script).arg(&dir).env("PATH", path);
    lab.limit(Duration::from_secs(180)).run().status(0);
    Some(dir)
}

/// What softflowd says and exports of the link's packets: `args` are its own, the last of them may be
/// an expression.
fn replay(scene: &Scene, name: &str, pcap: &Path, args: &[&str]) -> (PathBuf, String) {
    let spool = scene.path(name);
    let collect = ["-b", "127.0.0.1", "-p", "0", "-t", "24h", "--allow", "127.0.0.1", "-w"];
    let nfcap = Nfcap::start(collect.into_iter().map(OsString::from).chain([spool.clone().into()]));
    let to = format!("127.0.0.1:{}", nfcap.port());
    let softflowd = other("softflowd").unwrap().arg("-p").arg(scene.path("softflowd.pid"));
    let softflowd = softflowd.args(["-d", "-c", "none", "-m", "262144", "-n", &to]);
    let ran = softflowd.arg("-r").arg(pcap).args(args).run().status(0);
    nfcap.stop();
    (spool, format!("{}{}", String::from_utf8_lossy(&ran.out), ran.err))
}

#[test]
fn real_attackers_are_named_and_nobody_else() {
    let scene = Scene::new();
    let Some(dir) = lab("attacks", &scene) else { return };
    for version in VERSIONS {
        let said = std::fs::read_to_string(dir.join(format!("{version}.said"))).unwrap();
        judge(&dir.join(version), &said, &format!("live, version {version}"));
    }
    // The same link from its packets.
    for version in VERSIONS {
        let (spool, said) = replay(&scene, version, &dir.join("link.pcap"), &["-v", version]);
        judge(&spool, &said, &format!("from a capture, version {version}"));
    }
}

/// All that softflowd counted is there, and the attackers are named and nobody else.
fn judge(spool: &Path, softflowd: &str, what: &str) {
    let seen = flows(spool);
    assert_eq!(seen.lines().count(), records(softflowd), "{what}: {softflowd}");
    // A worm asks many in vain, and is a scanner too.
    let scanners = ["scan 10.77.4.66 source inside", "scan 10.90.0.2 source outside"];
    assert_eq!(named("nfscan", &seen), scanners, "{what}");
    assert_eq!(named("nfflood", &seen), ["flood 10.77.4.10 target inside"], "{what}");
    assert_eq!(named("nfport", &seen), ["port 10.77.4.66 source inside"], "{what}");
}
