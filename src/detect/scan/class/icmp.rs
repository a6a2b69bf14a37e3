//! Scans by ICMP: requests to many hosts.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};
use crate::flow::ICMPV6;

/// A scan by ICMP: at least 25 hosts that did not answer an echo, timestamp or address mask request. At least 80 %
/// of the failed requests have one shape, and at least half of all requests failed.
///
/// A monitor sends requests to as many hosts, but it knows them, and nearly all answer.
pub(super) const ICMP: ScanClass = ScanClass {
    name: "icmp",
    limit: DefaultLimit::same(25),
    measure: |case| {
        let evidence = case.evidence;
        let is_icmp = [crate::flow::ICMP, ICMPV6].contains(&evidence.proto);
        if !is_icmp || !case.context.silence_counts(evidence.proto) {
            return None;
        }
        let mut measures = vec![
            Measure::at_least("hosts", evidence.hosts, case.limit(&ICMP)),
            Measure::at_least("alikepct", percent(evidence.shape.1, evidence.failed), 80),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 50));
        Some(measures)
    },
    fill: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{INSIDE, OUTSIDE, both, named_by, ours, reply, send, theirs};
    use crate::flow::{Flow, ICMP};

    #[test]
    fn requests_to_25_silent_hosts_are_a_scan() {
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
    fn monitoring_and_error_messages_are_no_scan() {
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
