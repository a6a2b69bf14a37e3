//! Real exporters, real attackers: softflowd watches a link on which nmap scans, hping3 floods and
//! a worm spreads, beside a web server with clients and a DNS server. `tests/lab/attacks` sets it
//! up in network namespaces, which takes root.

use std::path::Path;
use std::time::Duration;

use super::harness::{Scene, other, package, skipped, tool};
use super::nfcap::Nfcap;

/// What the lab is made of, and the replays.
const PARTS: [&str; 11] = [
    "ip",
    "softflowd",
    "softflowctl",
    "nmap",
    "hping3",
    "nginx",
    "dnsmasq",
    "curl",
    "dig",
    "tcpdump",
    "python3",
];

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

#[test]
fn real_attackers_are_named_and_nobody_else() {
    if !std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") {
        return skipped("network namespaces need root");
    }
    if PARTS.iter().any(|part| other(part).is_none()) {
        return;
    }
    let scene = Scene::new();
    let (spool, pcap) = (scene.path("spool"), scene.path("link.pcap"));
    let bins = Path::new(env!("CARGO_BIN_EXE_nfcap")).parent().unwrap();
    let path = format!("{}:{}", bins.display(), std::env::var("PATH").unwrap());
    let lab = package("tests/lab/attacks");
    let lab = other("sh").unwrap().arg(lab).args([&spool, &pcap]).env("PATH", path);
    let said = lab.limit(Duration::from_secs(180)).run().status(0);

    let seen = flows(&spool);
    assert_eq!(seen.lines().count(), records(said.text()), "flows against softflowd's{said}");
    assert_eq!(named("nfscan", &seen), ["scan 10.90.0.2 source outside"], "{said}");
    assert_eq!(named("nfflood", &seen), ["flood 10.77.4.10 target inside"], "{said}");
    assert_eq!(named("nfport", &seen), ["port 10.77.4.66 source inside"], "{said}");

    // The same link from its packets, in each version that softflowd and nfkit share.
    for version in ["5", "9", "10"] {
        let spool = scene.path(version);
        let mut args = ["-b", "127.0.0.1", "-p", "0", "-t", "24h", "--allow", "127.0.0.1", "-w"]
            .map(std::ffi::OsString::from)
            .to_vec();
        args.push(spool.clone().into());
        let nfcap = Nfcap::start(args);
        let to = format!("127.0.0.1:{}", nfcap.port());
        let softflowd = other("softflowd").unwrap();
        let softflowd =
            softflowd.args(["-d", "-c", "none", "-m", "65536", "-v", version, "-n", &to]);
        let pid = scene.path("softflowd.pid");
        let ran = softflowd.arg("-p").arg(pid).arg("-r").arg(&pcap).run().status(0);
        nfcap.stop();
        let said = format!("{}{}", String::from_utf8_lossy(&ran.out), ran.err);
        let seen = flows(&spool);
        assert_eq!(seen.lines().count(), records(&said), "version {version}{ran}");
        assert_eq!(named("nfscan", &seen), ["scan 10.90.0.2 source outside"], "{version}");
        assert_eq!(named("nfflood", &seen), ["flood 10.77.4.10 target inside"], "{version}");
        assert_eq!(named("nfport", &seen), ["port 10.77.4.66 source inside"], "{version}");
    }
}
