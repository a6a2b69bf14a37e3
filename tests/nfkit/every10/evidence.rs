//! The evidence of nf-every10: in one pass, for every class of finding.

use std::fs;

use super::{ATTACK, Job, Said, binaries, day, names, ready};
use crate::harness::{INSIDE, tool};

/// Evidence as (finding's cells, its flow lines, what `#more` says).
fn parts(text: &str) -> Vec<(Vec<String>, Vec<Vec<String>>, String)> {
    let mut parts: Vec<(Vec<String>, Vec<Vec<String>>, String)> = Vec::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        match cells[0].as_str() {
            "#fields" => {}
            "#finding" => parts.push((cells[1..].to_vec(), Vec::new(), String::new())),
            "#more" => parts.last_mut().unwrap().2.clone_from(&cells[1]),
            _ => parts.last_mut().unwrap().1.push(cells),
        }
    }
    parts
}

#[test]
fn the_flows_are_read_once_however_many_findings_there_are() {
    if !ready() {
        return;
    }
    let mut job = Job::of(day(), &["0804131"]);
    // Each command that is given the slot's flows says so.
    let (path, log) = (std::env::var("PATH").unwrap(), job.scene.path("log"));
    for name in ["awk", "nfgrep", "sort", "grep", "sed"] {
        let text = format!(
            "case \"$*\" in *.nf-every10/flows*) echo {name} >>'{}' ;; esac\n\
             PATH='{}:{path}' exec {name} \"$@\"\n",
            log.display(),
            binaries().display()
        );
        job.script(&format!("stub/{name}"), &text);
    }
    let stubs = format!("{}:{}:{path}", job.scene.path("stub").display(), binaries().display());
    // The nfkit commands lie in PATH and not beside the script.
    Said(job.command().env("PATH", stubs).output().unwrap()).quiet();
    let text = job.text(&format!("{ATTACK}.evidence"));
    assert!(parts(&text).len() >= 2, "{text}");
    assert_eq!(fs::read_to_string(log).unwrap(), "nfgrep\n");
}

#[test]
fn networks_and_ipv6_have_evidence() {
    if !ready() {
        return;
    }
    let job = Job::new();
    let spool = format!("{}/", job.scene.path("spool").display());
    let mut hosts = (0, 0, 0);
    for (n, more) in [&[][..], &["--ipv6"][..]].into_iter().enumerate() {
        let at = format!("2001-07-0{}T00:20:00Z", n + 1);
        tool("nfgen")
            .args(["none", "--start", &at, "--export", "9"])
            .args(["--with", "group,carpet,horizontal,flood,codered", "-w", &spool])
            .args(more)
            .run()
            .ok();
    }
    job.run().quiet();
    for name in names(&job.scene.path("out")) {
        if !name.ends_with(".evidence") {
            continue;
        }
        for (finding, flows, more) in parts(&job.text(&name)) {
            let more: u64 = more.parse().unwrap();
            assert!(!flows.is_empty() && flows.len() as u64 + more > 0, "{finding:?}");
            let side = if finding[5] == "source" { 1 } else { 2 };
            let (host, prefix) = finding[4].split_once('/').unwrap_or((&finding[4], ""));
            for flow in &flows {
                match prefix {
                    "" => assert_eq!(flow[side], host, "{finding:?}"),
                    length => {
                        let net: ipnet::IpNet = format!("{host}/{length}").parse().unwrap();
                        let address: std::net::IpAddr = flow[side].parse().unwrap();
                        assert!(net.contains(&address), "{finding:?} {address}");
                    }
                }
                assert!(finding[7] == "-" || finding[7] == flow[4], "{finding:?}");
                assert!(finding[8] == "-" || finding[8] == flow[6], "{finding:?}");
            }
            hosts.0 += u32::from(prefix.is_empty());
            hosts.1 += u32::from(!prefix.is_empty());
            hosts.2 += u32::from(host.contains(':'));
        }
    }
    assert!(hosts.0 > 0 && hosts.1 > 0 && hosts.2 > 0, "{hosts:?}");
}

#[test]
fn evidence_is_bounded_and_can_be_left_out() {
    if !ready() {
        return;
    }
    let mut job = Job::of(day(), &["0804131"]);
    for (limit, lines) in [("7", 7), ("0", 0)] {
        job.options = vec![format!("--inside={INSIDE}"), format!("--evidence={limit}")];
        let out = job.scene.path(limit);
        Said(job.to(&out).output().unwrap()).quiet();
        let text = fs::read_to_string(out.join(format!("{ATTACK}.evidence"))).unwrap();
        let findings = text.matches("#finding\t").count();
        assert!(findings >= 2);
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), findings * lines);
    }
}
