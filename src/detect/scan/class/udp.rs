//! One service of many hosts, by UDP.

use super::{Class, Measure, percent};

/// Ports beyond which a common shape is a protocol's, not a scanner's.
const MAX_PORTS: u64 = 16;

/// At least 50 hosts that did not answer, at least four fifths of the attempts on one port, or of one
/// shape on few ports; at least half of the attempts failed.
///
/// Silence is common by UDP: a distributed hash table loses most of its peers, but their ports are
/// scattered; a resolver loses one question in twenty. It says nothing where answers are not exported or
/// only one packet in many is seen, so that the class is off there.
pub(super) const UDP: Class = Class {
    name: "udp",
    limit: (50, 50),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        if evidence.proto != crate::flow::UDP || !case.hears(evidence.proto) {
            return None;
        }
        let (_, failed, worked) = evidence.top.first().copied().unwrap_or_default();
        let by_port = percent(failed, evidence.failed);
        let by_shape = if evidence.ports <= MAX_PORTS {
            percent(evidence.shape.1, evidence.failed)
        } else {
            0
        };
        let (failed, worked) = match by_port >= 80 {
            true => (failed, worked),
            false => (evidence.failed, evidence.worked),
        };
        let mut measures = vec![
            Measure::at_least("hosts", evidence.hosts, case.limit(&UDP)),
            Measure::at_least("alikepct", by_port.max(by_shape), 80),
        ];
        measures.extend(case.failing(failed, worked, 50));
        Some(measures)
    },
    port: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{
        INSIDE, OUTSIDE, both, named_by, ours, reply, send, talk, theirs,
    };
    use crate::flow::{Flow, UDP};

    #[test]
    fn fifty_hosts_that_do_not_answer() {
        let flows =
            |count| -> Vec<Flow> { (0..count).map(|n| send(UDP, OUTSIDE, ours(n), 161)).collect() };
        let named = |flows: &[Flow]| named_by("*,dark,off", flows);
        assert_eq!(named(&flows(50)), ["udp 192.0.2.9 source"]);
        assert_eq!(named(&flows(49)), [""; 0]);
    }

    #[test]
    fn resolvers_and_distributed_hash_tables_are_none() {
        let question = |n| match n % 20 {
            0 => vec![send(UDP, INSIDE, theirs(n), 53)],
            _ => reply(UDP, INSIDE, theirs(n), 53).to_vec(),
        };
        assert_eq!(both(&(0..2000).flat_map(question).collect::<Vec<_>>()), [""; 0]);
        let peer = |n: u32| send(UDP, INSIDE, theirs(n), 5_000 + (n * 41 % 50_000) as u16);
        assert_eq!(both(&(0..900).map(peer).collect::<Vec<_>>()), [""; 0]);
    }

    #[test]
    fn a_browser_that_tries_quic_behind_a_firewall_is_none() {
        let both_ways =
            |n| [&talk(INSIDE, theirs(n), 443)[..], &[send(UDP, INSIDE, theirs(n), 443)]].concat();
        assert_eq!(both(&(0..300).flat_map(both_ways).collect::<Vec<_>>()), [""; 0]);
        let quic = |n| send(UDP, INSIDE, theirs(n), 443);
        assert_eq!(both(&(0..300).map(quic).collect::<Vec<_>>()), ["udp 10.7.7.7 source"]);
    }
}
