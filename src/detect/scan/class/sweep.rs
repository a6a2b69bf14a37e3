//! A walk through whole networks: the paper's rule (figure 3), asked of attempts and not of small flows.

use super::{Class, Measure, longest_run};

/// Hosts of one /24 (IPv6: /64) that make it a scanned network.
const HOSTS: u64 = 200;

/// At least 200 hosts of each of at least 2 neighbouring networks, more of them in vain than not.
///
/// The paper's rule looks at the size of flows alone and flags whoever serves a campus: a time server, a
/// resolver, monitoring. These are answered.
pub(super) const SWEEP: Class = Class {
    name: "sweep",
    limit: (2, 2),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        let scanned = |net: &super::Probed| net.asked >= HOSTS && net.failed * 2 >= net.asked;
        let most = evidence.nets.iter().map(|net| net.asked).max().unwrap_or(0);
        let mut measures = vec![
            Measure::at_least("nets", longest_run(&evidence.nets, scanned), case.limit(&SWEEP)),
            Measure::at_least("hosts", most, HOSTS),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 50));
        Some(measures)
    },
    port: |evidence| evidence.focus().port(),
};
