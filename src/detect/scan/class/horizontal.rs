//! Horizontal scans: one service of many hosts.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};
use crate::flow::TCP;

/// A horizontal scan by TCP: failed attempts at one port, or up to four, of at least 25 hosts if the source is
/// outside, 100 if it is inside. These ports make at least half of the source's failures, and at least half of
/// the attempts at them failed.
///
/// Inside hosts have more reasons to fail: a resolver's list of dead servers, a peer-to-peer client, a page full
/// of dead links. Either most of their attempts at a port work, or their ports are scattered, and neither passes
/// here. Less than a tenth of the attempts of a crawler or a proxy fail.
///
/// In sampled input fewer failures are enough, but nearly all attempts must have failed.
pub(super) const HORIZONTAL: ScanClass = ScanClass {
    name: "horizontal",
    limit: DefaultLimit::by_side(25, 100).if_sampled(12, 25),
    measure: |case| {
        let evidence = case.evidence;
        if evidence.proto != TCP {
            return None;
        }
        let focus = evidence.focus();
        let of_all = percent(focus.failed, evidence.failed);
        let mut measures = vec![
            Measure::at_least("hosts", focus.failed, case.limit(&HORIZONTAL)),
            Measure::at_least("portpct", of_all, 50),
        ];
        measures.extend(case.failing(focus.failed, focus.worked, 50));
        Some(measures)
    },
    fill: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{
        INSIDE, OUTSIDE, ask, back, both, named_by, ours, talk, theirs,
    };
    use crate::flow::Flow;

    #[test]
    fn the_limit_is_25_hosts_from_outside_and_100_from_inside() {
        let from = |host, count, to: fn(u32) -> [u8; 4]| -> Vec<Flow> {
            (0..count).map(|n| ask(host, to(n), 445)).collect()
        };
        let site = "*,dark,off";
        let named = |flows: &[Flow]| named_by(site, flows);
        assert_eq!(named(&from(OUTSIDE, 25, ours)), ["horizontal 192.0.2.9 source"]);
        assert_eq!(named(&from(OUTSIDE, 24, ours)), [""; 0]);
        assert_eq!(named(&from(INSIDE, 100, theirs)), ["horizontal 10.7.7.7 source"]);
        assert_eq!(named(&from(INSIDE, 99, theirs)), [""; 0]);
    }

    #[test]
    fn a_rejected_attempt_failed_and_its_reset_is_no_attempt() {
        let rejected = |n| {
            let there = ask(OUTSIDE, ours(n), 445);
            [there, back(&there, 1, 40, 20)]
        };
        let flows: Vec<Flow> = (0..60).flat_map(rejected).collect();
        assert_eq!(both(&flows), ["horizontal 192.0.2.9 source"]);
    }

    #[test]
    fn a_crawler_a_mail_server_and_a_peer_to_peer_client_are_no_scanners() {
        // One in twelve sites is dead, one in four mail servers, and all peers.
        let site = |n| match n % 12 {
            0 => vec![ask(INSIDE, theirs(n), 443)],
            _ => talk(INSIDE, theirs(n), 443).to_vec(),
        };
        let mail = |n| match n % 4 {
            0 => vec![ask(INSIDE, theirs(n), 25)],
            _ => talk(INSIDE, theirs(n), 25).to_vec(),
        };
        let peer = |n: u32| vec![ask(INSIDE, theirs(n), 20_000 + (n * 31 % 30_000) as u16)];
        assert_eq!(both(&(0..3000).flat_map(site).collect::<Vec<_>>()), [""; 0]);
        assert_eq!(both(&(0..800).flat_map(mail).collect::<Vec<_>>()), [""; 0]);
        assert_eq!(both(&(0..900).flat_map(peer).collect::<Vec<_>>()), [""; 0]);
    }
}
