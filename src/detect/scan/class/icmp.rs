//! Who is there: questions of ICMP to many hosts.

use super::{Class, Measure, percent};
use crate::flow::ICMPV6;

/// At least 25 hosts that did not answer an echo (or timestamp, or address mask) request, at least four
/// fifths of the requests of one shape, at least half of all in vain.
///
/// Monitoring asks as many hosts, but of those that it knows; nearly all answer.
pub(super) const ICMP: Class = Class {
    name: "icmp",
    limit: (25, 25),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        let is_icmp = [crate::flow::ICMP, ICMPV6].contains(&evidence.proto);
        if !is_icmp || !case.hears(evidence.proto) {
            return None;
        }
        let mut measures = vec![
            Measure::at_least("hosts", evidence.hosts, case.limit(&ICMP)),
            Measure::at_least("alikepct", percent(evidence.shape.1, evidence.failed), 80),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 50));
        Some(measures)
    },
    port: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{INSIDE, OUTSIDE, both, named_by, ours, reply, send, theirs};
    use crate::flow::{Flow, ICMP};

    #[test]
    fn twenty_five_hosts_that_do_not_answer() {
        let flows = |count| -> Vec<Flow> {
            (0..count).map(|n| send(ICMP, OUTSIDE, ours(n), 2048)).collect()
        };
        let named = |flows: &[Flow]| named_by("*,dark,off", flows);
        assert_eq!(named(&flows(25)), ["icmp 192.0.2.9 source"]);
        assert_eq!(named(&flows(24)), [""; 0]);
        let timestamp: Vec<Flow> =
            flows(25).iter().map(|flow| Flow { dport: 13 << 8, ..*flow }).collect();
        assert_eq!(named(&timestamp), ["icmp 192.0.2.9 source"]);
    }

    #[test]
    fn monitoring_and_errors_are_none() {
        let ping = |n| match n % 25 {
            0 => vec![send(ICMP, INSIDE, ours(n), 2048)],
            _ => reply(ICMP, INSIDE, ours(n), 2048).to_vec(),
        };
        assert_eq!(both(&(0..900).flat_map(ping).collect::<Vec<_>>()), [""; 0]);
        let unreachable = |n| send(ICMP, theirs(1), ours(n), (3 << 8) | 1);
        assert_eq!(both(&(0..300).map(unreachable).collect::<Vec<_>>()), [""; 0]);
        let tunnel = |n| send(47, theirs(1), ours(n), 0);
        assert_eq!(both(&(0..300).map(tunnel).collect::<Vec<_>>()), [""; 0], "GRE");
    }
}
