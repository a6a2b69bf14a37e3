//! Many services of one host: a vertical scan.

use super::{Class, Measure};

/// At least 15 ports of one host in vain, more of them than worked.
///
/// A host that refuses what a scanner asks for sends as many resets from as many ports; that it did not
/// ask is known from flags, times or ports. traceroute's ports do not count.
pub(super) const VERTICAL: Class = Class {
    name: "vertical",
    limit: (15, 15),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        if !(case.has_ports() && case.hears(evidence.proto)) || evidence.are_answers() {
            return None;
        }
        let (failed, worked) = evidence.most;
        let mut measures = vec![Measure::at_least("ports", failed, case.limit(&VERTICAL))];
        measures.extend(case.failing(failed, worked, 50));
        Some(measures)
    },
    port: |_| None,
};

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::super::tests::{INSIDE, OUTSIDE, ask, back, both, ours, send, theirs};
    use crate::flow::{Flow, UDP};

    #[test]
    fn fifteen_of_one_host_by_tcp_and_udp() {
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
    fn the_host_that_refuses_is_none() {
        let refused = |port: u16| {
            let there = Flow { sport: 33_000 + port % 500, ..ask(OUTSIDE, ours(1), port) };
            [there, back(&there, 1, 40, 20)]
        };
        // Known services, and ports that nothing is known of.
        for ports in [1..300u16, 20_000..20_300] {
            let flows: Vec<Flow> = ports.flat_map(refused).collect();
            assert_eq!(both(&flows), ["vertical 192.0.2.9 source"]);
        }
        // All ports alike on both sides, but the scanner's are a client's.
        let wide = |n: u16| {
            let there = Flow { sport: 40_000 + n, ..ask(OUTSIDE, ours(1), 1024 + n * 197) };
            [there, back(&there, 1, 40, 20)]
        };
        let flows: Vec<Flow> = (0..300).flat_map(wide).collect();
        assert_eq!(both(&flows), ["vertical 192.0.2.9 source"]);
        // The same where only the answers are exported.
        let answers: Vec<Flow> =
            flows.iter().filter(|flow| flow.dip == IpAddr::from(OUTSIDE)).copied().collect();
        assert!(both(&answers).iter().all(|name| !name.contains("source")));
    }

    #[test]
    fn traceroute_is_none() {
        let hop = |n: u16| send(UDP, INSIDE, theirs(1), 33_434 + n);
        assert_eq!(both(&(0..90).map(hop).collect::<Vec<_>>()), [""; 0]);
    }
}
