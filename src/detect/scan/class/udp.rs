//! Horizontal scans by UDP: one service of many hosts.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};

/// The most ports for which a common shape is the sign of a scanner, and not of a protocol.
const MAX_PORTS: u64 = 16;

/// A scan by UDP: at least 50 hosts did not answer, and at least half of the attempts failed. At least 80 % of the
/// failed attempts are at one port, or have one shape and are at few ports.
///
/// Missing answers are common by UDP: most peers of a distributed hash table are gone, but their ports are
/// scattered, and a resolver gets no answer to one query in twenty. Where answers are not exported, or the input
/// is sampled, and in an outage, a missing answer means nothing, so the class is off: a resolver that is cut off tries a
/// thousand others.
pub(super) const UDP: ScanClass = ScanClass {
    name: "udp",
    limit: DefaultLimit::same(50),
    measure: |case| {
        let evidence = case.evidence;
        if evidence.proto != crate::flow::UDP
            || !case.context.silence_counts(evidence.proto)
            || case.is_cut_off()
        {
            return None;
        }
        let top = evidence.top_port();
        let by_port = percent(top.failed, evidence.failed);
        let by_shape = if evidence.ports <= MAX_PORTS {
            percent(evidence.shape.1, evidence.failed)
        } else {
            0
        };
        let (failed, worked) = if by_port >= 80 {
            (top.failed, top.worked)
        } else {
            (evidence.failed, evidence.worked)
        };
        let mut measures = vec![
            Measure::at_least("hosts", evidence.hosts, case.limit(&UDP)),
            Measure::at_least("alikepct", by_port.max(by_shape), 80),
        ];
        measures.extend(case.failing(failed, worked, 50));
        Some(measures)
    },
    fill: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{
        INSIDE, OUTSIDE, both, named_by, ours, reply, send, talk, theirs,
    };
    use crate::flow::{Flow, UDP};

    #[test]
    fn datagrams_to_50_silent_hosts_are_a_scan() {
        let flows =
            |count| -> Vec<Flow> { (0..count).map(|n| send(UDP, OUTSIDE, ours(n), 161)).collect() };
        let named = |flows: &[Flow]| named_by("*,dark,off", flows);
        assert_eq!(named(&flows(50)), ["udp 192.0.2.9 source"]);
        assert_eq!(named(&flows(49)), [""; 0]);
    }

    #[test]
    fn resolvers_and_distributed_hash_tables_are_no_scanners() {
        let question = |n| match n % 20 {
            0 => vec![send(UDP, INSIDE, theirs(n), 53)],
            _ => reply(UDP, INSIDE, theirs(n), 53).to_vec(),
        };
        assert_eq!(both(&(0..2000).flat_map(question).collect::<Vec<_>>()), [""; 0]);
        let peer = |n: u32| send(UDP, INSIDE, theirs(n), 5_000 + (n * 41 % 50_000) as u16);
        assert_eq!(both(&(0..900).map(peer).collect::<Vec<_>>()), [""; 0]);
    }

    #[test]
    fn a_browser_that_tries_quic_behind_a_firewall_is_no_scanner() {
        let both_ways =
            |n| [&talk(INSIDE, theirs(n), 443)[..], &[send(UDP, INSIDE, theirs(n), 443)]].concat();
        assert_eq!(both(&(0..300).flat_map(both_ways).collect::<Vec<_>>()), [""; 0]);
        let quic = |n| send(UDP, INSIDE, theirs(n), 443);
        assert_eq!(both(&(0..300).map(quic).collect::<Vec<_>>()), ["udp 10.7.7.7 source"]);
    }
}
