//! Filter expressions select the same flows in nfgrep as in nfdump and tcpdump.

use super::*;
use crate::golden::{bytes, pcap};
use crate::harness::Random;

/// Expressions of nfdump. None of them looks at a field in which the two are known to differ, such
/// as the port of a ping.
const NFDUMP_EXPRESSIONS: &[&str] = &[
    "any",
    "proto tcp",
    "proto 17",
    "proto icmp",
    "not proto tcp",
    "ipv4",
    "ipv6",
    "src net 140.119.0.0/16",
    "net 140.119.0.0 255.255.0.0",
    "host 140.119.53.7 or ip 140.119.44.91",
    "ip in [140.119.53.7 140.119.44.91]",
    "proto tcp and port 80",
    "proto tcp and src port 80 or proto udp and dst port 53",
    "proto tcp and (src port < 1024 or dst port >= 50000)",
    "proto tcp and dst port in [ 80 443 25 ]",
    "proto udp and not port 53",
    "in if 1",
    "out if 1",
    "if 2",
    "packets > 100",
    "packets = 1",
    "packets 1 or packets 2",
    "bytes > 10k",
    "bytes <= 1K and packets >= 2",
    "bytes GT 1m",
    "bpp > 500",
    "pps > 10",
    "bps > 100k",
    "duration > 2000",
    "duration = 0",
    "flags S",
    "flags SA",
    "flags AF",
    "not flags S",
    "flags 2",
    "flags = 27",
    "flags X",
    "icmp-type 8",
    "not (proto tcp or proto udp)",
    "not host 140.119.53.7 and not net 140.119.44.0/24",
];

/// Expressions that nfdump refuses since 1.7.5 or understands in another way: there `not flags FR`
/// is also true of flows with one of the two.
const NFDUMP_EXPRESSIONS_BEFORE_1_7_5: &[&str] = &[
    "inet",
    "src or dst net 140.119.44.0/24",
    "src and dst net 140.119.0.0/16",
    "flags S and not flags AFRPU",
    "not flags FR",
];

#[test]
fn nfdump_selects_the_same_flows() {
    let Some(is_since_1_7_5) = is_since_1_7_5() else { return };
    let scene = Scene::new();
    let capture = scene.path("campus.pcapng");
    tool("nfgen")
        .args(["campus", "--flows", "20000", "--export", "5", "-w"])
        .arg(&capture)
        .run()
        .ok();
    let Some(collector) = Collector::start("nfcapd", &scene) else { return };
    collector.send(&payloads(&capture));
    let dir = collector.end();
    let run =
        tool("nfdump-txt").args(["--fields", "+start,end,flags"]).arg(&capture).run().status(0);
    let lines = scene.write("lines", &run.out);
    let mut wrong = String::new();
    let older = if is_since_1_7_5 { &[] } else { NFDUMP_EXPRESSIONS_BEFORE_1_7_5 };
    for expression in NFDUMP_EXPRESSIONS.iter().chain(older) {
        let ran = tool("nfgrep").args(["-N", expression]).arg(&lines).run().ok();
        let nine = |row: &str| row.split('\t').take(9).collect::<Vec<_>>().join("\t");
        let ours = multiset(ran.rows().into_iter().map(nine));
        let theirs = listed(&dir, Some(expression));
        let difference = difference(&ours, &theirs);
        if !difference.is_empty() {
            wrong +=
                &format!("{expression}: we {}, they {}\n{difference}", ours.len(), theirs.len());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Expressions of tcpdump. `and` and `or` are not mixed without parentheses, because there the two
/// differ.
const TCPDUMP_EXPRESSIONS: &[&str] = &[
    "ip",
    "ip6",
    "tcp",
    "udp or icmp",
    "not tcp",
    "ip proto 6",
    "ip proto \\tcp",
    "proto 17",
    "host 10.0.0.1",
    "src 10.0.0.1",
    "src or dst host 10.0.0.1",
    "src and dst net 10.0.0.0/30",
    "dst net 10.0.0.0 mask 255.255.255.252",
    "net 10",
    "net 10.0.1",
    "net 10.0.1.0",
    "ip host 10.0.0.2",
    "not host 10.0.0.1 and 10.0.0.2",
    "port 80",
    "tcp port 80",
    "udp src port 53",
    "tcp dst port 80 or 53",
    "tcp port (80 or 53)",
    "src net (10.0.0.0/30 or 10.0.1.0/30)",
    "portrange 53-80",
    "udp dst portrange 54-90",
    "not port 80 and not port 53",
    "(tcp or udp) and (src 10.0.0.1 or dst 10.0.0.1)",
    "!tcp && !udp",
    "sctp or (icmp and src host 10.0.0.3)",
    "src host 10.0.0.1 or 10.0.0.2 or 10.0.1.1",
];

#[test]
fn tcpdump_selects_the_same_packets() {
    if installed("tcpdump").is_none() {
        return;
    }
    let mut random = Random(7);
    let (mut packets, mut rows) = (Vec::new(), String::new());
    for n in 0..2000u64 {
        let [proto, sport, dport] =
            [&[6u16, 17, 1, 132, 47][..], &[80, 53, 60, 1025], &[80, 53, 60, 1025]]
                .map(|some| some[random.below(some.len())]);
        let mut host = || [10, 0, random.below(2) as u8, random.below(5) as u8];
        let (sip, dip) = (host(), host());
        let has_ports = [6, 17, 132].contains(&proto);
        // ICMP has no ports, but its type and code stand in their place.
        let ports =
            if has_ports { [sport, dport] } else { [0, if proto == 1 { 8 << 8 } else { 0 }] };
        let ip =
            bytes().u8(0x45).u8(0).u16(40).u32(0).u8(64).u8(proto as u8).u16(0).all(sip).all(dip);
        let ip = if has_ports { ip.u16(sport).u16(dport) } else { ip.u16(8 << 8).u16(0) };
        packets.push((n, ip.all([0; 16]).0));
        let [sip, dip] = [sip, dip].map(Ipv4Addr::from);
        rows += &format!("0\t{sip}\t{dip}\t0\t{proto}\t{}\t{}\t1\t40\n", ports[0], ports[1]);
    }
    let scene = Scene::new();
    let file = scene.write("packets.pcap", pcap(true, 101, &packets));
    let mut wrong = String::new();
    for expression in TCPDUMP_EXPRESSIONS {
        let ours: usize = tool("nfgrep")
            .args(["-c", expression])
            .stdin(&rows)
            .run()
            .ok()
            .text()
            .trim()
            .parse()
            .unwrap();
        let run =
            installed("tcpdump").unwrap().args(["-n", "-t", "-q", "-r"]).arg(&file).arg(expression);
        let theirs = run.run().status(0).text().lines().count();
        if ours != theirs {
            wrong += &format!("{expression}: we {ours}, tcpdump {theirs}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
