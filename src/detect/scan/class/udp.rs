//! One service of many hosts, by UDP.

use super::{Answers, Class, Measure, percent};

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
        if evidence.proto != crate::flow::UDP || case.answers != Answers::Seen || case.sampled {
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
