//! Backscatter: replies to a flood whose sources were forged.

use super::super::case::ScanClass;
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::{Measure, percent};

/// The fewest dark addresses among the hosts that received a reply, if dark addresses are known.
const DARK: u64 = 5;

/// Backscatter: at least 25 hosts received unsolicited replies (SYN and ACK, a reset, an echo reply, UDP from the
/// port of a service), most of them from one port.
///
/// The source is the victim of a flood and not a scanner, so the finding has the role target. Most scan detectors
/// count such replies as a scan of random ports (Moore et al., Inferring Internet denial-of-service activity,
/// USENIX Security 2001). Late answers of a busy server look the same one by one, but none goes to a dark address.
pub const BACKSCATTER: ScanClass = ScanClass {
    name: "backscatter",
    limit: DefaultLimit::same(25),
    measure: |case| {
        let unsolicited = &case.evidence.unsolicited;
        if !case.context.shows_answers() {
            return None;
        }
        let (_, of_port) = unsolicited.top;
        let share = percent(of_port, unsolicited.hosts.max(of_port));
        let mut measures = vec![
            Measure::at_least("hosts", unsolicited.hosts, case.class_limit(&BACKSCATTER)),
            Measure::at_least("portpct", share, 50),
        ];
        if case.extra.knows_dark {
            measures.push(Measure::at_least("dark", unsolicited.dark, DARK));
        }
        Some(measures)
    },
    fill: |_| None,
};

#[cfg(test)]
mod tests {
    use super::super::super::tests::{OUTSIDE, ask, judge, names, nine, ours};
    use crate::flow::Flow;

    #[test]
    fn the_victim_of_a_forged_flood_is_a_target() {
        let answer = |flags, sport| {
            move |n: u32| Flow {
                sport,
                flags: Some(flags),
                ..ask(OUTSIDE, ours(n * 3), 2000 + (n * 97 % 60_000) as u16)
            }
        };
        for (flags, port) in [(18, 80), (20, 80), (18, 25_565), (20, 443)] {
            let flows: Vec<Flow> = (0..200).map(answer(flags, port)).collect();
            assert_eq!(names(&judge(&flows)), ["backscatter 192.0.2.9 target"], "{flags} {port}");
            let few: Vec<Flow> = (0..24).map(answer(flags, port)).collect();
            assert_eq!(names(&judge(&few)), [""; 0]);
        }
        // Without flags, replies are recognized by the port of a known service.
        let flows: Vec<Flow> = (0..200).map(answer(18, 80)).collect();
        assert_eq!(names(&judge(&nine(&flows))), ["backscatter 192.0.2.9 target"]);
        // Replies of an unknown service are not recognized, but they make no scanner either.
        let high: Vec<Flow> = (0..200).map(answer(18, 25_565)).collect();
        assert_eq!(names(&judge(&nine(&high))), [""; 0]);
    }
}
