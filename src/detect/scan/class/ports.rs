//! Many services of one host: a vertical scan.

use super::{Answers, Class, Measure};
use crate::flow::{TCP, UDP};

/// At least 15 ports of one host in vain, more of them than worked.
///
/// A host that refuses what a scanner asks for sends as many resets from as many ports; that it did not
/// ask is known from flags, times or ports. traceroute's ports do not count.
pub(super) const PORTS: Class = Class {
    name: "ports",
    limit: (15, 15),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        let answers = evidence.proto == TCP || case.answers == Answers::Seen && !case.sampled;
        if !(evidence.proto == TCP || evidence.proto == UDP) || !answers {
            return None;
        }
        let (failed, worked) = evidence.most;
        let mut measures = vec![Measure::at_least("ports", failed, case.limit(&PORTS))];
        measures.extend(case.failing(failed, worked, 50));
        Some(measures)
    },
    port: |_| None,
};
