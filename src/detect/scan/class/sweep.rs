//! Sweeps through whole networks: the paper's rule (figure 3), applied to attempts instead of small flows.

use super::super::case::ScanClass;
use super::super::evidence::{Evidence, Probed, WHOLE};
use crate::detect::judge::DefaultLimit;
use crate::detect::paper::adjacent;
use crate::detect::threshold::Measure;
use crate::finding::{Peer, scanned_networks};

/// A sweep: attempts at 200 or more hosts in each of 2 or more adjacent networks, at least half of which failed.
///
/// The paper's rule looks at the size of flows alone, and flags every host that serves a campus: a time server,
/// a resolver, monitoring. Those are answered, and do not count here.
pub const SWEEP: ScanClass = ScanClass {
    name: "sweep",
    limit: DefaultLimit::same(2),
    measure: |case| {
        let evidence = case.evidence;
        if evidence.are_answers() {
            return None;
        }
        let limit = case.class_limit(&SWEEP);
        let longest = runs(evidence).map(|run| run.len() as u64).max().unwrap_or(0);
        // The network of the sweep with the fewest hosts, or without a sweep the network with the most.
        let fewest = walked(evidence, limit).map(|net| net.hosts).min();
        let mut measures = vec![
            Measure::at_least("nets", longest, limit),
            Measure::at_least("hosts", fewest.unwrap_or(evidence.most_hosts), WHOLE),
        ];
        measures.extend(case.failing(evidence.failed, evidence.worked, 50));
        Some(measures)
    },
    fill: |evidence| evidence.focus().port(),
};

/// Returns the networks scanned as a whole, in runs of adjacent ones.
fn runs(evidence: &Evidence) -> impl Iterator<Item = &[Probed]> {
    evidence.whole.chunk_by(|a, b| adjacent(&a.net, &b.net))
}

/// Returns the networks of the runs that are at least `limit` long.
pub fn walked(evidence: &Evidence, limit: u64) -> impl Iterator<Item = &Probed> {
    runs(evidence).filter(move |run| run.len() as u64 >= limit).flatten()
}

/// Returns the column `peer`: the networks of the sweep, with the flows of the failed attempts. Also returns the
/// number of networks that are not named: entries without room, and networks in which attempts failed but that
/// are no part of the sweep.
pub fn peers(evidence: &Evidence, limit: u64) -> (Vec<Peer>, u64) {
    let (peer, left) = scanned_networks(walked(evidence, limit).map(|net| (net.net, net.flows)));
    let all = evidence.nets.len() as u64 + evidence.more_nets;
    let others = all.saturating_sub(walked(evidence, limit).count() as u64);
    (peer, left.saturating_add(others))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{INSIDE, OUTSIDE, ask, both, judge, ours, reply};
    use crate::finding::{Finding, Peer};
    use crate::flow::{Flow, ICMP, UDP};

    /// Returns the entries of the column `peer`.
    fn nets(finding: &Finding) -> Vec<String> {
        let flows = |peer: &Peer| peer.flows.map_or_else(String::new, |flows| format!("={flows}"));
        finding.peer.iter().map(|peer| peer.host.text(false) + &flows(peer)).collect()
    }

    #[test]
    fn two_adjacent_networks_are_a_sweep() {
        let walk = |nets: &[u32], hosts: u32| -> Vec<Flow> {
            let nets = nets.iter().flat_map(|net| (0..hosts).map(move |host| (net << 8) | host));
            nets.map(|n| ask(OUTSIDE, ours(n), 23)).collect()
        };
        let first = |flows: &[Flow]| both(flows).remove(0);
        assert_eq!(first(&walk(&[1, 2], 200)), "sweep 192.0.2.9 source");
        assert_eq!(first(&walk(&[1, 3], 256)), "horizontal 192.0.2.9 source");
        assert_eq!(first(&walk(&[1, 2], 199)), "horizontal 192.0.2.9 source");
        let finding = &judge(&walk(&[1, 2, 3], 256))[0];
        let why = "nets=3>=2,hosts=256>=200,failedpct=100>=50";
        assert!(finding.why.starts_with(why), "{finding:?}");
        assert_eq!(nets(finding), ["10.1.1.0/24=256", "10.1.2.0/24=256", "10.1.3.0/24=256"]);
        assert_eq!(finding.more, 0);
        // Networks outside of the sweep are counted and not named.
        let wider = [walk(&[1, 2, 3, 5], 256), walk(&[9, 10], 7), walk(&[2], 9)].concat();
        let finding = &judge(&wider)[0];
        assert_eq!(nets(finding), ["10.1.1.0/24=256", "10.1.2.0/24=265", "10.1.3.0/24=256"]);
        assert_eq!((finding.more, finding.flows), (3, 4 * 256 + 9 + 14));
    }

    #[test]
    fn servers_and_monitors_of_a_campus_are_no_scanners() {
        let clock = |n| reply(UDP, INSIDE, ours(n), 123);
        let ping = |n| reply(ICMP, INSIDE, ours(n), 2048);
        let flows: Vec<Flow> = (0..2048).flat_map(|n| [clock(n), ping(n)].concat()).collect();
        assert_eq!(both(&flows), [""; 0]);
    }
}
