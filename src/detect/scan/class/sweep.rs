//! A walk through whole networks: the paper's rule (figure 3), asked of attempts and not of small flows.

use super::{Class, Measure};
use crate::detect::paper::adjacent;
use crate::detect::scan::evidence::{Evidence, Probed, WHOLE};

/// At least 200 hosts of each of at least 2 neighbouring networks, more of them in vain than not.
///
/// The paper's rule looks at the size of flows alone and flags whoever serves a campus: a time server, a
/// resolver, monitoring. These are answered.
pub(in crate::detect::scan) const SWEEP: Class = Class {
    name: "sweep",
    limit: (2, 2),
    sampled: None,
    measure: |case| {
        let evidence = case.evidence;
        if evidence.are_answers() {
            return None;
        }
        let limit = case.limit(&SWEEP);
        let longest = runs(evidence).map(|run| run.len() as u64).max().unwrap_or(0);
        // Of the networks that make it a sweep the least scanned one; if there are none, what comes next
        // to it.
        let fewest = walked(evidence, limit).map(|net| net.asked).min();
        let mut measures = vec![
            Measure::at_least("nets", longest, limit),
            Measure::at_least("hosts", fewest.unwrap_or(evidence.most_asked), WHOLE),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 50));
        Some(measures)
    },
    port: |evidence| evidence.focus().port(),
};

/// Networks scanned as a whole, neighbours together.
fn runs(evidence: &Evidence) -> impl Iterator<Item = &[Probed]> {
    evidence.whole.chunk_by(|a, b| adjacent(&a.net, &b.net))
}

/// The networks of all runs that are long enough.
pub(in crate::detect::scan) fn walked(
    evidence: &Evidence,
    limit: u64,
) -> impl Iterator<Item = &Probed> {
    runs(evidence).filter(move |run| run.len() as u64 >= limit).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{INSIDE, OUTSIDE, ask, both, judge, ours, reply};
    use crate::flow::{Flow, ICMP, UDP};

    #[test]
    fn two_neighbouring_networks_and_no_fewer() {
        let walk = |nets: &[u32], hosts: u32| -> Vec<Flow> {
            let nets = nets.iter().flat_map(|net| (0..hosts).map(move |host| (net << 8) | host));
            nets.map(|n| ask(OUTSIDE, ours(n), 23)).collect()
        };
        let first = |flows: &[Flow]| both(flows).remove(0);
        assert_eq!(first(&walk(&[1, 2], 200)), "sweep 192.0.2.9 source");
        assert_eq!(first(&walk(&[1, 3], 256)), "horizontal 192.0.2.9 source");
        assert_eq!(first(&walk(&[1, 2], 199)), "horizontal 192.0.2.9 source");
        let finding = &judge(&walk(&[1, 2, 3], 256))[0];
        assert_eq!(finding.peer[0].host.text(false), "10.1.1.0/24");
        assert_eq!(finding.peer[1].host.text(false), "10.1.2.0/23");
        assert!(
            finding.why.starts_with("nets=3>=2,hosts=256>=200,failedpct=100>=50"),
            "{finding:?}"
        );
    }

    #[test]
    fn who_serves_or_watches_a_campus_is_answered() {
        let clock = |n| reply(UDP, INSIDE, ours(n), 123);
        let ping = |n| reply(ICMP, INSIDE, ours(n), 2048);
        let flows: Vec<Flow> = (0..2048).flat_map(|n| [clock(n), ping(n)].concat()).collect();
        assert_eq!(both(&flows), [""; 0]);
    }
}
