//! Attempts at dark addresses: inside addresses that are not in use.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};
use crate::detect::visibility::Visibility;
use crate::finding::Side;

/// Dark addresses from which on the share of failures does not matter, if the source is outside.
const MANY: u64 = 50;

/// A scan of dark addresses: attempts at 12 or more of them, while at least half of all attempts failed. From
/// outside, 50 dark addresses are enough by themselves. Attempts that may be answers to forged clients do not
/// count.
///
/// This is the best single evidence, because nobody has a reason to contact such an address. The share counts
/// because an inside monitor may still try machines that are long gone. In input sampled 1 in 100, a scanner of
/// 841 addresses shows three or more attempts with a probability of .99. Two dark addresses are then enough, if
/// 80 % of the failed attempts are at one port or have one shape.
pub const DARK: ScanClass = ScanClass {
    name: "dark",
    limit: DefaultLimit::same(12).if_sampled(2, 2),
    measure: |case| {
        let evidence = case.evidence;
        if !case.extra.knows_dark || (case.has_ports() && evidence.may_be_answers()) {
            return None;
        }
        let is_outside = case.side == Some(Side::Outside);
        let is_certain = evidence.dark >= MANY && is_outside;
        // In sampled input, the dark hits of an outside source weigh more than the answers that it got. Inside
        // monitoring has both.
        let share = match case.context.visibility {
            _ if is_certain => 0,
            Visibility::BothWays if is_outside => 50,
            _ => case.context.failed_share(50),
        };
        let failed = evidence.failed_percent();
        let net = if is_certain { 0 } else { case.net() };
        let mut measures = vec![
            Measure::at_least("dark", evidence.dark, case.class_limit(&DARK)),
            Measure::at_least("failedpct", failed, share),
            Measure::at_least("net", evidence.failed.saturating_sub(evidence.worked), net),
        ];
        if case.context.sampled {
            let alike = evidence.top_port().failed.max(evidence.shape.1);
            let alike = percent(alike, evidence.failed);
            measures.push(Measure::at_least("alikepct", alike, 80));
        }
        Some(measures)
    },
    fill: |evidence| evidence.focus().port(),
};

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::super::tests::{NOW, OUTSIDE, ask, both, names, ours, site, talk, theirs};
    use super::super::super::{Memory, Scan, Setup};
    use crate::detect::Detector;
    use crate::flow::Flow;
    use crate::time::{End, Window};
    use crate::window::Counter;

    #[test]
    fn twelve_dark_addresses_are_a_scan() {
        // Each address has a port of its own, so that no other class holds.
        let hits = |count: u32| -> Vec<Flow> {
            (0..count).map(|n| ask(OUTSIDE, ours(n), 1000 + (n * 67 % 60_000) as u16)).collect()
        };
        assert_eq!(both(&hits(12)), ["dark 192.0.2.9 source"]);
        assert_eq!(both(&hits(11)), [""; 0]);
        // All addresses are in use.
        let mut flows = hits(40);
        flows.extend((0..40).flat_map(|n| talk(ours(n), theirs(n), 80)));
        assert_eq!(both(&flows), [""; 0]);
    }

    #[test]
    fn successes_count_against_it_below_fifty_dark_addresses() {
        let crawl = |dark| {
            let dead = (0..dark).map(|n| ask(OUTSIDE, ours(5000 + n), 80));
            (0..200).flat_map(|n| talk(OUTSIDE, ours(n), 80)).chain(dead).collect::<Vec<_>>()
        };
        assert_eq!(both(&crawl(49)), [""; 0]);
        assert_eq!(both(&crawl(50)), ["dark 192.0.2.9 source"]);
    }

    #[test]
    fn in_sampled_input_dark_addresses_need_memory() {
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
