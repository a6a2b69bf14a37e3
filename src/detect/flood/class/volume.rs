//! More packets, or more octets, than the host has answers for and is used to.

use super::{Class, FloodCase, Unit, silent, sums};
use crate::detect::threshold::Measure;
use crate::finding::Side;

/// So many times what is usual is too much.
const TIMES: u64 = 8;
/// Less is never too much, in Mbit/s.
const MBPS: u64 = 100;

/// What a host is used to that it does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::detect::flood) struct Usual {
    /// Packets a second.
    pub pps: u64,
    /// kbit/s.
    pub kbps: u64,
}

/// At least 2000 packets a second, or 100 Mbit/s, over the whole window, that nothing came back for, and
/// eight times what is usual for this host; only where `--state` knows what is usual.
///
/// What is answered at all does not count: a download has its acknowledgements. A collector of logs or
/// a receiver of streams answers nothing, but it is used to that.
///
/// Without what is usual, a host outside that gets as many packets of answers from ours, and asked for none
/// of them: who sends answers is no attacker ([`OUTBOUND`](super::OUTBOUND)), but whom they reach is flooded.
/// The question may lie before the last look of a window that is still open.
pub(in crate::detect::flood) const VOLUME: Class = Class {
    name: "volume",
    limit: 2000,
    unit: Unit::Second,
    measure: |case| {
        if !case.view.sees_answers() {
            return None;
        }
        let Some(usual) = case.usual else {
            let packets = case.evidence.unsolicited;
            let is_told = packets > 0 && case.side == Some(Side::Outside) && !case.view.live;
            let pps = case.rate(packets);
            return is_told
                .then(|| vec![Measure::at_least("answerspps", pps, case.limit(&VOLUME))]);
        };
        let [pps, mbps] = rates(case);
        let [packets, octets] = [
            case.limit(&VOLUME).max(usual.pps.saturating_mul(TIMES)),
            MBPS.max(usual.kbps.saturating_mul(TIMES).div_ceil(1000)),
        ];
        let measure = match mbps >= octets && pps < packets {
            true => Measure::at_least("mbps", mbps, octets),
            false => Measure::at_least("pps", pps, packets),
        };
        Some(vec![measure])
    },
    load: |evidence| &evidence.one_way,
    sums: |evidence| sums(&evidence.one_way),
    tell: silent,
};

/// Packets a second and Mbit/s that were not answered.
fn rates(case: &FloodCase) -> [u64; 2] {
    let stream = case.evidence.one_way.per_window;
    [case.rate(stream.packets), case.rate(stream.bytes.saturating_mul(8)) / 1_000_000]
}
