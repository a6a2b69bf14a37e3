//! Several services of several hosts.

use super::{Class, Measure, percent};
use crate::detect::Threshold;

/// At least 50 (host, port) in vain, on at least 5 ports and 5 hosts, nearly nothing of which worked,
/// each port on two hosts or more on average, and no port half of them.
///
/// The last guards peer-to-peer clients: most of their peers are gone, but each has a port of its own.
pub(super) const BLOCK: Class = Class {
    name: "block",
    limit: (50, 50),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        if !(case.has_ports() && case.hears(evidence.proto)) || evidence.are_answers() {
            return None;
        }
        let most = evidence.top.first().map_or(0, |(_, failed, _)| *failed);
        let of_port = percent(most, evidence.failed);
        let mut measures = vec![
            Measure::at_least("pairs", evidence.failed, case.limit(&BLOCK)),
            Measure::at_least("ports", evidence.ports, 5),
            Measure::at_least("hosts", evidence.hosts, 5),
            Measure::at_least("hostsaport", evidence.failed / evidence.ports.max(1), 2),
            Measure { name: "portpct", value: of_port, limit: Threshold::Below(50) },
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 80));
        Some(measures)
    },
    port: |_| None,
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{INSIDE, OUTSIDE, ask, both, named_by, ours, theirs};
    use crate::flow::{Flow, UDP};

    #[test]
    fn fifty_of_five_ports_and_five_hosts() {
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
    fn peers_that_left_have_a_port_each() {
        let gone = |n: u32| ask(INSIDE, theirs(n), 10_000 + (n * 37 % 50_000) as u16);
        let flows: Vec<Flow> = (0..400).map(gone).collect();
        assert_eq!(both(&flows), [""; 0]);
        let gone: Vec<Flow> =
            flows.iter().map(|flow| Flow { proto: UDP, flags: None, ..*flow }).collect();
        assert_eq!(both(&gone), [""; 0]);
    }
}
