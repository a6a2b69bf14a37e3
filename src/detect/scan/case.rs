//! A source in its window, as the classes of scans see it.

use std::net::IpAddr;

use super::evidence::Evidence;
use crate::detect::judge::{Case, Class, JudgeContext, MANY_WORKED, MOST, Measured};
use crate::detect::outage::{Outage, are_inside};
use crate::detect::threshold::{Measure, percent};
use crate::finding::Side;
use crate::flow::{TCP, UDP};

/// A class of scans. Its last part returns the one port that a scan is about, if there is one.
pub(super) type ScanClass = Class<Evidence, ScanFacts, PortOf>;
pub(super) type PortOf = fn(&Evidence) -> Option<u16>;
pub(super) type ScanMeasured = Measured<Evidence, ScanFacts, PortOf>;

/// A source in its window.
pub(super) type ScanCase<'a> = Case<'a, Evidence, ScanFacts>;

/// The facts about a window that only nfscan uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanFacts {
    /// True if the inside addresses that are not in use are known.
    pub knows_dark: bool,
    pub outage: Outage,
}

/// The factor of the limits during an outage.
const OUTAGE: u64 = 10;

/// Successes from the source port of the failures that show the same: a peer-to-peer program has one port for all of
/// its peers.
const PEERS: u64 = 10;

/// The least difference between failures and successes.
///
/// It comes from the sequential test of Jung et al. (Fast portscan detection using sequential hypothesis
/// testing, IEEE S&P 2004): an innocent source's attempts work with a probability of .8, a scanner's with .2,
/// so each failure adds ln 4 to the likelihood of a scan and each success takes as much off. With one false
/// alarm in 10 million the test ends at ln(.99 / 1e-7) = 16.1, which is twelve failures more than successes.
pub(super) const NET: u64 = 12;

/// The least difference between failures and successes in sampled input, where each failure stands for many.
pub(super) const NET_SAMPLED: u64 = 3;

impl ScanFacts {
    /// Returns true if an outage may be the reason that nobody answers the host, which is inside.
    pub(super) fn is_cut_off(&self, context: &JudgeContext, host: IpAddr) -> bool {
        context.site.side(host) == Some(Side::Inside)
            && context.shows_answers()
            && self.outage.hosts(host.is_ipv4()).is_some()
    }
}

impl ScanCase<'_> {
    /// Returns true if the protocol has ports that can be scanned.
    pub(super) fn has_ports(&self) -> bool {
        self.evidence.proto == TCP || self.evidence.proto == UDP
    }

    /// Returns true if an outage may be the reason that nobody answers the source.
    pub(super) fn is_cut_off(&self) -> bool {
        let targets = || self.evidence.nets.iter().map(|net| net.addr());
        self.extra.is_cut_off(&self.context, self.host) && !are_inside(self.context.site, targets())
    }

    /// Returns the limit of a class for this source. It is ten times as high during an outage.
    pub(super) fn limit(&self, class: &ScanClass) -> u64 {
        let times = if self.is_cut_off() { OUTAGE } else { 1 };
        self.class_limit(class).saturating_mul(times)
    }

    /// Returns the least difference between failures and successes for this input.
    pub(super) const fn net(&self) -> u64 {
        if self.context.sampled { NET_SAMPLED } else { NET }
    }

    /// Returns the measures that tell failing from working: the share of failures in percent, which must be
    /// `share` where all answers are seen, and the sequential test.
    pub(super) fn failing(&self, failed: u64, worked: u64, share: u64) -> [Measure; 2] {
        let percent = percent(failed, failed + worked);
        let is_answered = worked >= MANY_WORKED || self.evidence.port_peers >= PEERS;
        let share = if is_answered { share.max(MOST) } else { share };
        [
            Measure::at_least("failedpct", percent, self.context.failed_share(share)),
            Measure::at_least("net", failed.saturating_sub(worked), self.net()),
        ]
    }
}
