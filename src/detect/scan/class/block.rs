//! Several services of several hosts.

use super::{Answers, Class, Measure};
use crate::flow::{TCP, UDP};

/// At least 50 (host, port) in vain, on at least 5 ports and 5 hosts, nearly nothing of which worked,
/// and each port on two hosts or more on average.
///
/// The last guards peer-to-peer clients: most of their peers are gone, but each has a port of its own.
pub(super) const BLOCK: Class = Class {
    name: "block",
    limit: (50, 50),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        let answers = evidence.proto == TCP || case.answers == Answers::Seen && !case.sampled;
        if !(evidence.proto == TCP || evidence.proto == UDP) || !answers {
            return None;
        }
        let mut measures = vec![
            Measure::at_least("pairs", evidence.failed, case.limit(&BLOCK)),
            Measure::at_least("ports", evidence.ports, 5),
            Measure::at_least("hosts", evidence.hosts, 5),
            Measure::at_least("hostsaport", evidence.failed / evidence.ports.max(1), 2),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 80));
        Some(measures)
    },
    port: |_| None,
};
