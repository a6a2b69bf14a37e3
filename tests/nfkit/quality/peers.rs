//! Small models of other programs' scan rules, for comparison. Each takes the flows of a window in
//! any order and returns the hosts that it would call scanners.
//!
//! The paper's rule is `nfscan --paper` itself, and SiLK's is in `rwscan`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use foldhash::{HashMap, HashSet};

use super::flows::Flow;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The number of targets that makes a source a scanner, for the truth and for
/// [`unanswered`].
pub const TARGETS: usize = 25;

/// Returns the scanners by flow-tools' flow-dscan, from flow-dscan.c 1.29 and flow-dscan.h 1.9. A
/// source is a scanner from its 201st destination on (`DSCAN_IP_DEPTH`; the manual page says 64),
/// or from its 64th port below 1024 of one destination on (`DSCAN_PORT_TRIGGER`), whichever side
/// opened the conversations. The original counts a destination's ports from its second flow on, and
/// forgets a destination some flows after the last one to it; here the window stands for that
/// memory. IPv4 only, and no suppress list.
pub fn dscan(flows: &[Flow]) -> BTreeSet<IpAddr> {
    const HOSTS: usize = 200;
    const PORTS: usize = 64;
    let mut hosts: HashMap<IpAddr, HashSet<IpAddr>> = HashMap::default();
    let mut ports: HashMap<(IpAddr, IpAddr), HashSet<u16>> = HashMap::default();
    for flow in flows.iter().filter(|flow| flow.sip.is_ipv4()) {
        hosts.entry(flow.sip).or_default().insert(flow.dip);
        if flow.dport < 1024 {
            let pair = (flow.sip, flow.dip);
            ports.entry(pair).or_default().insert(flow.dport);
        }
    }
    let wide = hosts.into_iter().filter(|(_, hosts)| hosts.len() > HOSTS).map(|(sip, _)| sip);
    let deep = ports.into_iter().filter(|(_, ports)| ports.len() >= PORTS);
    wide.chain(deep.map(|((sip, _), _)| sip)).collect()
}

/// Returns the scanners by the simplest rule about answers: sources whose TCP or UDP flows to at
/// least [`TARGETS`] distinct (host, port) have no reverse flow in the window.
pub fn unanswered(flows: &[Flow]) -> BTreeSet<IpAddr> {
    let mut targets: HashMap<IpAddr, HashSet<(IpAddr, u16)>> = HashMap::default();
    for f in without_reverse_flow(flows) {
        targets.entry(f.sip).or_default().insert((f.dip, f.dport));
    }
    let many = targets.into_iter().filter(|(_, targets)| targets.len() >= TARGETS);
    many.map(|(sip, _)| sip).collect()
}

/// Returns the sources of attacks on a port: sources with flows without a reverse flow to at least
/// 100 distinct hosts on one port.
pub fn hundred(flows: &[Flow]) -> BTreeSet<IpAddr> {
    const HOSTS: usize = 100;
    let mut hosts: HashMap<(IpAddr, u8, u16), HashSet<IpAddr>> = HashMap::default();
    for f in without_reverse_flow(flows) {
        hosts.entry((f.sip, f.proto, f.dport)).or_default().insert(f.dip);
    }
    let many = hosts.into_iter().filter(|(_, hosts)| hosts.len() >= HOSTS);
    many.map(|((sip, ..), _)| sip).collect()
}

/// Returns the TCP and UDP flows that have no reverse flow.
fn without_reverse_flow(flows: &[Flow]) -> impl Iterator<Item = &Flow> {
    let tcp_and_udp = || flows.iter().filter(|flow| flow.proto == TCP || flow.proto == UDP);
    let there: HashSet<_> =
        tcp_and_udp().map(|f| (f.sip, f.dip, f.proto, f.sport, f.dport)).collect();
    tcp_and_udp().filter(move |f| !there.contains(&(f.dip, f.sip, f.proto, f.dport, f.sport)))
}

#[cfg(test)]
mod tests {
    use super::super::flows::request;
    use super::*;

    const BAD: &str = "203.0.113.45";

    fn wide(count: u32) -> Vec<Flow> {
        let to = |n: u32| format!("140.119.{}.{}", n / 200, n % 200 + 1);
        (0..count).map(|n| request(BAD, &to(n), 1025, 80)).collect()
    }

    fn deep(ports: impl Iterator<Item = u16>) -> Vec<Flow> {
        ports.map(|port| request(BAD, "140.119.1.1", 1025, port)).collect()
    }

    fn named(found: BTreeSet<IpAddr>) -> bool {
        assert!(found.iter().all(|host| host.to_string() == BAD), "{found:?}");
        !found.is_empty()
    }

    #[test]
    fn dscan_counts_hosts_and_low_ports() {
        assert!(named(dscan(&wide(201))));
        assert!(!named(dscan(&wide(200))));
        assert!(!named(dscan(&[wide(200), wide(200)].concat())));
        assert!(named(dscan(&deep(1..=64))));
        assert!(!named(dscan(&deep(1..=63))));
        assert!(!named(dscan(&deep(1024..2000))));
    }

    /// The known gap of flow-dscan: it counts answers like requests.
    #[test]
    fn dscan_names_a_busy_server() {
        let clients = wide(201);
        let server = |f: Flow| Flow { sip: f.dip, dip: f.sip, sport: f.dport, dport: f.sport, ..f };
        let answers: Vec<_> = clients.iter().copied().map(server).collect();
        assert!(named(dscan(&[answers, clients].concat())));
    }

    #[test]
    fn unanswered_counts_targets_that_did_not_answer() {
        let requests = wide(25);
        assert!(named(unanswered(&requests)));
        assert!(!named(unanswered(&requests[1..])));
        assert!(named(unanswered(&deep(1..=25))));
        let answer = |f: Flow| Flow { sip: f.dip, dip: f.sip, sport: f.dport, dport: f.sport, ..f };
        assert!(!named(unanswered(&[requests.clone(), vec![answer(requests[3])]].concat())));
        let icmp: Vec<_> = requests.iter().map(|f| Flow { proto: 1, ..*f }).collect();
        assert!(!named(unanswered(&icmp)));
    }

    #[test]
    fn hundred_counts_hosts_on_one_port() {
        assert!(named(hundred(&wide(100))));
        assert!(!named(hundred(&wide(99))));
        assert!(!named(hundred(&deep(1..=200))));
        let other: Vec<_> = wide(60).into_iter().map(|f| Flow { dport: 81, ..f }).collect();
        assert!(!named(hundred(&[wide(60), other].concat())));
    }
}
