//! Who is there: questions of ICMP to many hosts.

use super::{Answers, Class, Measure, percent};
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
        if !is_icmp || case.answers != Answers::Seen || case.sampled {
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
