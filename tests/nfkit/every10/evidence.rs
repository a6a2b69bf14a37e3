//! The evidence of nf-every10: for every class of finding, in one pass over the flows.

use super::{ATTACK, Job, JobOutput, day, evidence, names};
use crate::harness::{INSIDE, tool};

/// The evidence for a finding.
struct Evidence {
    /// The cells of the finding.
    finding: Vec<String>,
    /// The cells of its flow lines.
    flows: Vec<Vec<String>>,
    /// The number of flows left out, from the `#more` line.
    more: String,
}

/// Splits a file of evidence into its findings.
fn parts(text: &str) -> Vec<Evidence> {
    let mut parts: Vec<Evidence> = Vec::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        match cells[0].as_str() {
            "#fields" => {}
            "#finding" => parts.push(Evidence {
                finding: cells[1..].to_vec(),
                flows: Vec::new(),
                more: String::new(),
            }),
            "#more" => parts.last_mut().unwrap().more.clone_from(&cells[1]),
            _ => parts.last_mut().unwrap().flows.push(cells),
        }
    }
    parts
}

#[test]
fn findings_about_networks_and_ipv6_hosts_have_evidence() {
    let job = Job::new();
    let spool = format!("{}/", job.scene.path("spool").display());
    let (mut single_hosts, mut networks, mut ipv6) = (0, 0, 0);
    for (n, more) in [&[][..], &["--ipv6"][..]].into_iter().enumerate() {
        let at = format!("2001-07-0{}T00:20:00Z", n + 1);
        tool("nfgen")
            .args(["none", "--start", &at, "--export", "9"])
            .args(["--with", "group,carpet,horizontal,flood,codered", "-w", &spool])
            .args(more)
            .run()
            .ok();
    }
    // The site of the test has no networks of IPv6.
    let err = job.run().status(0).err();
    assert!(err.contains("has an end inside: is --inside right?"), "{err}");
    assert_eq!(job.health(), ["begin inside-unseen -"]);
    for name in names(&job.scene.path("out")) {
        if !name.ends_with(".evidence.zst") {
            continue;
        }
        for Evidence { finding, flows, more } in parts(&evidence(&job.out(&name))) {
            let more: u64 = more.parse().unwrap();
            assert!(!flows.is_empty() && flows.len() as u64 + more > 0, "{finding:?}");
            let side = if finding[5] == "source" { 1 } else { 2 };
            let (host, prefix) = finding[4].split_once('/').unwrap_or((&finding[4], ""));
            for flow in &flows {
                if prefix.is_empty() {
                    assert_eq!(flow[side], host, "{finding:?}");
                } else {
                    let net: ipnet::IpNet = format!("{host}/{prefix}").parse().unwrap();
                    let address: std::net::IpAddr = flow[side].parse().unwrap();
                    assert!(net.contains(&address), "{finding:?} {address}");
                }
                assert!(finding[7] == "-" || finding[7] == flow[4], "{finding:?}");
                assert!(finding[8] == "-" || finding[8] == flow[6], "{finding:?}");
            }
            single_hosts += u32::from(prefix.is_empty());
            networks += u32::from(!prefix.is_empty());
            ipv6 += u32::from(host.contains(':'));
        }
    }
    let counts = (single_hosts, networks, ipv6);
    assert!(single_hosts > 0 && networks > 0 && ipv6 > 0, "{counts:?}");
}

#[test]
fn evidence_can_be_limited_or_left_out() {
    let mut job = Job::of(day(), &["0804131"]);
    for (limit, lines) in [("7", 7), ("0", 0)] {
        job.options = vec![format!("--inside={INSIDE}"), format!("--evidence={limit}")];
        let out = job.scene.path(limit);
        JobOutput(job.to(&out).output().unwrap()).quiet();
        let text = evidence(&out.join(format!("{ATTACK}.evidence.zst")));
        let findings = text.matches("#finding\t").count();
        assert!(findings >= 2);
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), findings * lines);
    }
}
