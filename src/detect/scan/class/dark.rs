//! Inside addresses that nobody uses.

use super::{Class, Measure, Visibility, percent};
use crate::finding::Side;

/// So many dark addresses, and the share of failures does not matter.
const MANY: u64 = 50;

/// At least 12 addresses of ours that are not in use, at least half of all attempts in vain; or, from
/// outside, 50 such addresses.
///
/// What may be answers to forged clients does not count.
///
/// The best single evidence: nobody has a reason to ask them. A monitor inside that still asks for
/// machines long gone is why the share counts there. Of one packet in a hundred a scanner of 841 addresses
/// shows three or more attempts with a chance of .99; that these are of one port or shape, and two of them
/// dark, then has to do for more.
pub(in crate::detect::scan) const DARK: Class = Class {
    name: "dark",
    limit: (12, 12),
    sampled: Some((2, 2)),
    measure: |case| {
        let evidence = case.evidence;
        if !case.knows_dark || (case.has_ports() && evidence.may_be_answers()) {
            return None;
        }
        let is_stranger = case.side == Some(Side::Outside);
        let is_certain = evidence.dark >= MANY && is_stranger;
        // That a stranger got some answers says less, of one packet in many, than that he asks for what is
        // not there; monitoring inside does both.
        let share = match case.answers {
            _ if is_certain => 0,
            Visibility::BothWays if is_stranger => 50,
            _ => case.share(50),
        };
        let failed = evidence.failed_percent();
        let net = if is_certain { 0 } else { case.net() };
        let mut measures = vec![
            Measure::at_least("dark", evidence.dark, case.limit(&DARK)),
            Measure::at_least("failedpct", failed, share),
            Measure::at_least("net", evidence.failed.saturating_sub(evidence.worked), net),
        ];
        if case.sampled {
            let of_port = evidence.top.first().map_or(0, |(_, failed, _)| *failed);
            let alike = percent(of_port.max(evidence.shape.1), evidence.failed);
            measures.push(Measure::at_least("alikepct", alike, 80));
        }
        Some(measures)
    },
    port: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::super::tests::{NOW, OUTSIDE, ask, both, names, ours, site, talk, theirs};
    use super::super::super::{Memory, Scan, Setup};
    use crate::detect::{Counter, Detector};
    use crate::flow::Flow;
    use crate::time::{End, Window};

    #[test]
    fn twelve_addresses_that_nobody_uses() {
        // A port each: no other class.
        let hits = |count: u32| -> Vec<Flow> {
            (0..count).map(|n| ask(OUTSIDE, ours(n), 1000 + (n * 67 % 60_000) as u16)).collect()
        };
        assert_eq!(both(&hits(12)), ["dark 192.0.2.9 source"]);
        assert_eq!(both(&hits(11)), [""; 0]);
        // All of them in use.
        let mut flows = hits(40);
        flows.extend((0..40).flat_map(|n| talk(ours(n), theirs(n), 80)));
        assert_eq!(both(&flows), [""; 0]);
    }

    #[test]
    fn what_works_is_held_against_it_up_to_fifty() {
        let crawl = |dark| {
            let dead = (0..dark).map(|n| ask(OUTSIDE, ours(5000 + n), 80));
            (0..200).flat_map(|n| talk(OUTSIDE, ours(n), 80)).chain(dead).collect::<Vec<_>>()
        };
        assert_eq!(both(&crawl(49)), [""; 0]);
        assert_eq!(both(&crawl(50)), ["dark 192.0.2.9 source"]);
    }

    #[test]
    fn of_one_packet_in_many_it_takes_memory() {
        let sampled =
            |flows: Vec<Flow>| flows.into_iter().map(|flow| Flow { sampling: 100, ..flow });
        let hits = || sampled((0..3).map(|n| ask(OUTSIDE, ours(9000 + n * 9), 22)).collect());
        let window = |n: u64| End { window: Window::new(n * 600, 600), ..End::default() };
        let setup = Setup { memory: Some(Memory::default().into()), ..Setup::default() };
        let setup = Rc::new(setup);
        for n in 0..40 {
            let mut scan = Scan::new(site(1 << 30), setup.clone());
            let talks = (0..50).flat_map(|n| talk(theirs(n), ours(n), 80)).collect();
            let flows: Vec<Flow> = sampled(talks).chain(hits()).collect();
            scan.add(&flows).unwrap();
            let named = names(&scan.judge(&window(n), NOW).unwrap().findings);
            let expected: &[&str] = if n < 36 { &[] } else { &["dark 192.0.2.9 source"] };
            assert_eq!(named, expected, "window {n}");
        }
    }
}
