//! Lateral movement: an inside host that tries the login ports of others inside.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::Measure;
use crate::finding::Side;
use crate::flow::TCP;

/// Login ports: those by which machines are logged into or managed, in ascending order: remote shells, file sharing,
/// remote desktops and databases (MITRE ATT&CK, tactic TA0008: remote services).
const LOGIN_PORTS: [u16; 22] = [
    21, 22, 23, 135, 139, 445, 512, 513, 514, 1433, 1521, 2222, 2323, 3306, 3389, 5432, 5900, 5901,
    5985, 5986, 8291, 10_000,
];

/// Returns true for a port by which machines are logged into or managed.
pub fn is_login_port(port: u16) -> bool {
    LOGIN_PORTS.binary_search(&port).is_ok()
}

/// Lateral movement: an inside host was refused at 15 or more ports for logins or management of inside hosts that it
/// was not seen at before, and at least as often as it was let in.
///
/// A host that was broken into tries the login ports of its neighbours. They exist and answer, so neither dark addresses
/// nor silence show it, and they are far fewer than the targets of a worm. A host that manages machines is at the same
/// ports each day; with `--state`, only those count at which the host was not seen in the week before.
pub const LATERAL: ScanClass = ScanClass {
    name: "lateral",
    limit: DefaultLimit::same(15),
    measure: |case| {
        let evidence = case.evidence;
        if evidence.proto != TCP
            || case.side != Some(Side::Inside)
            || evidence.refused == 0
            || case.context.sampled
        {
            return None;
        }
        let mut measures =
            vec![Measure::at_least("refusals", evidence.refused, case.class_limit(&LATERAL))];
        measures.extend(case.failing(evidence.refused, evidence.let_in, 50));
        Some(measures)
    },
    fill: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::super::tests::{INSIDE, OUTSIDE, ask, back, both, judge, names, nine, ours};
    use super::super::super::{Memory, Scan, Setup};
    use super::*;
    use crate::detect::Detector;
    use crate::detect::play::{NOW, site, talk, theirs};
    use crate::flow::Flow;
    use crate::time::{End, Window};
    use crate::window::Counter;

    /// Returns attempts at some ports of some inside hosts in use, all of which refuse.
    fn refused(from: [u8; 4], hosts: u32, ports: &[u16]) -> Vec<Flow> {
        let pairs = (0..hosts).flat_map(|n| ports.iter().map(move |port| (n, *port)));
        let flows = pairs.flat_map(|(n, port)| {
            let there = Flow { octets: 60, ..ask(from, ours(n), port) };
            [there, back(&there, 1, 40, 20)]
        });
        flows.chain((0..hosts).flat_map(|n| talk(ours(n), theirs(n), 443))).collect()
    }

    #[test]
    fn the_list_of_login_ports_is_sorted() {
        assert!(LOGIN_PORTS.is_sorted_by(|a, b| a < b));
        assert!(is_login_port(22) && is_login_port(3389) && !is_login_port(443));
    }

    #[test]
    fn fifteen_refusals_at_login_ports_inside_are_lateral_movement() {
        assert_eq!(both(&refused(INSIDE, 15, &[22])), ["lateral 10.7.7.7 source"]);
        assert_eq!(both(&refused(INSIDE, 4, &[22, 445, 3389, 5985])), ["lateral 10.7.7.7 source"]);
        assert_eq!(both(&refused(INSIDE, 14, &[22])), [""; 0]);
        assert_eq!(both(&refused(INSIDE, 60, &[443])), [""; 0], "no login port");
        assert_eq!(names(&judge(&refused(OUTSIDE, 15, &[22]))), [""; 0], "from outside");
        // A host that is let in more often has business there.
        let mut busy = refused(INSIDE, 15, &[22]);
        busy.extend((100..120).flat_map(|n| talk(INSIDE, ours(n), 22)));
        assert_eq!(both(&busy), [""; 0]);
        // Without flags, resets have the size of one.
        assert_eq!(names(&judge(&nine(&refused(INSIDE, 30, &[22])))), ["lateral 10.7.7.7 source"]);
    }

    #[test]
    fn login_ports_that_the_host_was_seen_at_before_do_not_count() {
        let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
        let window = |n: u64, flows: &[Flow]| {
            let mut scan = Scan::new(site(1 << 30), setup.clone());
            scan.add(flows).unwrap();
            let end = End { window: Window::new(n * 600, 600), ..End::default() };
            names(&scan.judge(&end, NOW).unwrap().findings)
        };
        let work: Vec<Flow> = (0..30).flat_map(|n| talk(INSIDE, ours(n), 22)).collect();
        assert_eq!(window(0, &work), [""; 0]);
        // The service is down on all of them.
        assert_eq!(window(1, &refused(INSIDE, 30, &[22])), [""; 0]);
        assert_eq!(window(2, &refused(INSIDE, 45, &[22])), ["lateral 10.7.7.7 source"]);
        assert_eq!(window(3, &refused(INSIDE, 45, &[22])), [""; 0], "met");
        assert_eq!(window(1100, &refused(INSIDE, 45, &[22])), ["lateral 10.7.7.7 source"]);
    }
}
