//! One of ours floods somebody outside.

use super::{Class, Unit, silent, sums};
use crate::detect::threshold::Measure;
use crate::finding::Side;

/// An inside host that sends up to ten hosts outside at least 2000 packets a second, over the whole
/// window, that nothing comes back for.
///
/// Whatever is answered on the same ports does not count, however sparingly: an upload by QUIC gets an
/// acknowledgement for ten packets, a stream its receiver's reports.
pub(in crate::detect::flood) const OUTBOUND: Class = Class {
    name: "outbound",
    limit: 2000,
    unit: Unit::Second,
    measure: |case| {
        if case.side != Some(Side::Inside) || !case.view.sees_answers() {
            return None;
        }
        let top = case.evidence.sent.top();
        let packets = top.iter().take(TARGETS).map(|(packets, _)| packets).sum();
        Some(vec![Measure::at_least("pps", case.rate(packets), case.limit(&OUTBOUND))])
    },
    load: |evidence| &evidence.sent,
    sums: |evidence| sums(&evidence.sent),
    tell: silent,
};

/// Who sends to more is no attacker of any.
const TARGETS: usize = 10;
