//! Scans of several services on several hosts.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};

/// A block scan: at least 50 failed (host, port) on at least 5 ports and 5 hosts, nearly all of which failed. A
/// port has failed on two hosts or more on average, and no port makes half of the failures.
///
/// The average protects peer-to-peer clients: most of their peers are gone, but each has a port of its own.
pub(super) const BLOCK: ScanClass = ScanClass {
    name: "block",
    limit: DefaultLimit::same(50),
    measure: |case| {
        let evidence = case.evidence;
        if !(case.has_ports() && case.context.silence_counts(evidence.proto))
            || evidence.are_answers()
        {
            return None;
        }
        let of_port = percent(evidence.top_port().failed, evidence.failed);
        let mut measures = vec![
            Measure::at_least("pairs", evidence.failed, case.limit(&BLOCK)),
            Measure::at_least("ports", evidence.ports, 5),
            Measure::at_least("hosts", evidence.hosts, 5),
            Measure::at_least("hostsaport", evidence.failed / evidence.ports.max(1), 2),
            Measure::below("portpct", of_port, 50),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 80));
        Some(measures)
    },
    fill: |_| None,
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{INSIDE, OUTSIDE, ask, both, named_by, ours, theirs};
    use crate::flow::{Flow, UDP};

    #[test]
    fn fifty_failures_on_five_ports_and_five_hosts_are_a_block_scan() {
        let flows = |hosts: u32, ports: u16| -> Vec<Flow> {
            let pairs = (0..hosts).flat_map(|n| (0..ports).map(move |port| (n, port)));
            pairs.map(|(n, port)| ask(OUTSIDE, ours(n), 20 + port)).collect()
        };
        let named = |flows: &[Flow]| named_by("*,dark,off", flows);
        assert_eq!(named(&flows(10, 5)), ["block 192.0.2.9 source"]);
        assert_eq!(named(&flows(6, 8)), [""; 0], "48 pairs");
        assert_eq!(named(&flows(13, 4)), ["horizontal 192.0.2.9 source"]);
        assert_eq!(named(&flows(4, 14)), [""; 0], "4 hosts");
    }

    #[test]
    fn a_client_of_absent_peers_is_no_scanner() {
        let gone = |n: u32| ask(INSIDE, theirs(n), 10_000 + (n * 37 % 50_000) as u16);
        let flows: Vec<Flow> = (0..400).map(gone).collect();
        assert_eq!(both(&flows), [""; 0]);
        let gone: Vec<Flow> =
            flows.iter().map(|flow| Flow { proto: UDP, flags: None, ..*flow }).collect();
        assert_eq!(both(&gone), [""; 0]);
    }
}
