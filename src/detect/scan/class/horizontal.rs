//! One service of many hosts.

use super::{Class, Measure, percent};
use crate::flow::TCP;

/// Attempts of TCP on one port, or up to four, of at least 25 hosts from outside, 100 from inside; at
/// least half of the source's attempts are on these, and at least half of these failed.
///
/// Inside hosts have more reasons to fail: a resolver's list of dead servers, a peer-to-peer client, a
/// page full of dead links. What they share is that most attempts on a port work, or that the ports are
/// scattered: neither passes here. Of what a crawler or a proxy asks for, less than a tenth fails.
///
/// Where one packet in many is seen, fewer do, and nearly all must have failed.
pub(super) const HORIZONTAL: Class = Class {
    name: "horizontal",
    limit: (25, 100),
    sampled: Some((12, 25)),
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
    port: |evidence| evidence.focus().port(),
};
