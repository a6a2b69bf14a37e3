//! Answers to a flood whose sources were forged with our addresses.

use super::{Class, Measure, Visibility, percent};

/// Dark addresses among those that got an answer, where it is known which are.
const DARK: u64 = 5;

/// At least 25 hosts that got an answer (SYN and ACK, a reset, an echo reply, UDP from a service's port)
/// to what they never asked, most of it from one port.
///
/// The host is the victim of a flood, and no scanner: role target. Most peers count such answers as a
/// scan of random ports (Moore et al., Inferring Internet denial-of-service activity, USENIX Security
/// 2001). A busy server's late answers look the same one by one; that some go to addresses of ours that
/// are not in use tells them apart.
pub(in crate::detect::scan) const BACKSCATTER: Class = Class {
    name: "backscatter",
    limit: (25, 25),
    sampled: None,
    measure: |case| {
        let unasked = &case.evidence.unasked;
        if case.answers != Visibility::BothWays || case.sampled {
            return None;
        }
        let mut measures = vec![
            Measure::at_least("hosts", unasked.hosts, case.limit(&BACKSCATTER)),
            Measure::at_least(
                "portpct",
                percent(unasked.top.1, unasked.hosts.max(unasked.top.1)),
                50,
            ),
        ];
        if case.knows_dark {
            measures.push(Measure::at_least("dark", unasked.dark, DARK));
        }
        Some(measures)
    },
    port: |_| None,
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
        // On nine columns it is known by the port, if that is a service's.
        let flows: Vec<Flow> = (0..200).map(answer(18, 80)).collect();
        assert_eq!(names(&judge(&nine(&flows))), ["backscatter 192.0.2.9 target"]);
        // Of another service it is not known that it answers, but nor is it called a scanner.
        let high: Vec<Flow> = (0..200).map(answer(18, 25_565)).collect();
        assert_eq!(names(&judge(&nine(&high))), [""; 0]);
    }
}
