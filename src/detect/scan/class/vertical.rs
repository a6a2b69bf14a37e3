//! Vertical scans: many services of one host.

use super::super::attempt::PROTOCOLS;
use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::Measure;

/// The fewest IP protocols of a scan of protocols.
const SCANNED_PROTOCOLS: u64 = 30;

/// A vertical scan: attempts at 15 or more ports of one host failed, and at least as many failed as worked.
///
/// A host that rejects the attempts of a scanner sends as many resets from as many ports. Flags, times or ports
/// show that it is not the initiator. The ports of traceroute do not count.
///
/// A scan of IP protocols (nmap -sO) is one too: 30 protocols without ports, to none of which the host answered.
pub const VERTICAL: ScanClass = ScanClass {
    name: "vertical",
    limit: DefaultLimit::same(15),
    measure: |case| {
        let evidence = case.evidence;
        let is_of_protocols = evidence.proto == PROTOCOLS;
        if is_of_protocols && case.context.shows_answers() {
            let (protocols, _) = evidence.widest;
            return Some(vec![Measure::at_least("protocols", protocols, SCANNED_PROTOCOLS)]);
        }
        if !(case.has_ports() && case.context.silence_counts(evidence.proto))
            || evidence.are_answers()
        {
            return None;
        }
        let (failed, worked) = evidence.widest;
        let mut measures = vec![Measure::at_least("ports", failed, case.limit(&VERTICAL))];
        measures.extend(case.failing(failed, worked, 50));
        Some(measures)
    },
    fill: |_| None,
};

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::super::tests::{INSIDE, OUTSIDE, ask, back, both, ours, send, theirs};
    use crate::flow::{Flow, UDP};

    #[test]
    fn fifteen_ports_of_one_host_are_a_scan_by_tcp_and_udp() {
        let tcp =
            |count| -> Vec<Flow> { (0..count).map(|p| ask(OUTSIDE, ours(1), 1 + p)).collect() };
        let udp = |count| -> Vec<Flow> {
            (0..count).map(|p| send(UDP, OUTSIDE, ours(1), 1 + p)).collect()
        };
        assert_eq!(both(&tcp(15)), ["vertical 192.0.2.9 source"]);
        assert_eq!(both(&tcp(14)), [""; 0]);
        assert_eq!(both(&udp(15)), ["vertical 192.0.2.9 source"]);
        assert_eq!(both(&udp(14)), [""; 0]);
    }

    #[test]
    fn the_host_that_rejects_is_no_scanner() {
        let rejected = |port: u16| {
            let there = Flow { sport: 33_000 + port % 500, ..ask(OUTSIDE, ours(1), port) };
            [there, back(&there, 1, 40, 20)]
        };
        // Ports of known services, and unknown ports.
        for ports in [1..300u16, 20_000..20_300] {
            let flows: Vec<Flow> = ports.flat_map(rejected).collect();
            assert_eq!(both(&flows), ["vertical 192.0.2.9 source"]);
        }
        // Ports of no known service on both sides, but the scanner's are ephemeral.
        let wide = |n: u16| {
            let there = Flow { sport: 40_000 + n, ..ask(OUTSIDE, ours(1), 1024 + n * 197) };
            [there, back(&there, 1, 40, 20)]
        };
        let flows: Vec<Flow> = (0..300).flat_map(wide).collect();
        assert_eq!(both(&flows), ["vertical 192.0.2.9 source"]);
        // The same scan, of which only the answers are exported.
        let answers: Vec<Flow> =
            flows.iter().filter(|flow| flow.dip == IpAddr::from(OUTSIDE)).copied().collect();
        assert!(both(&answers).iter().all(|name| !name.contains("source")));
    }

    #[test]
    fn traceroute_is_no_scan() {
        let hop = |n: u16| send(UDP, INSIDE, theirs(1), 33_434 + n);
        assert_eq!(both(&(0..90).map(hop).collect::<Vec<_>>()), [""; 0]);
    }
}
