//! Answers to a flood whose sources were forged with our addresses.

use super::{Answers, Class, Measure, percent};

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
        if case.answers != Answers::Seen || case.sampled {
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
