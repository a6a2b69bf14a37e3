//! The classes of scans: one file each, and this table of them.
//!
//! A class is a name, the limits that a site may change, and the measures that it takes of a source's
//! evidence. It holds when all of its measures pass. To add one, write its file and name it here.

use super::evidence::Evidence;
use crate::detect::SiteLimits;
pub(super) use crate::detect::threshold::{Measure, Visibility, percent};
use crate::finding::Side;
use crate::flow::{TCP, UDP};

pub(super) mod backscatter;
mod block;
pub(super) mod dark;
mod horizontal;
mod icmp;
pub(super) mod sweep;
mod udp;
mod vertical;

/// All classes in the order in which they name a finding: the first that holds does.
pub(super) const CLASSES: [&Class; 7] = [
    &sweep::SWEEP,
    &block::BLOCK,
    &horizontal::HORIZONTAL,
    &vertical::VERTICAL,
    &udp::UDP,
    &icmp::ICMP,
    &dark::DARK,
];

/// A kind of scan.
#[derive(Debug)]
pub(super) struct Class {
    /// The word in the column `class`, and the name of its limit.
    pub name: &'static str,
    /// The limit that a site may change: by default for sources outside, and inside.
    pub limit: (u64, u64),
    /// The same where one packet in many is seen, if it is another.
    pub sampled: Option<(u64, u64)>,
    /// What is measured; the first is held against the limit. `None` if it is not about such a source,
    /// or cannot be told here.
    pub measure: fn(&ScanCase) -> Option<Vec<Measure>>,
    /// The one port that it is about, if it is one.
    pub port: fn(&Evidence) -> Option<u16>,
}

impl Class {
    /// The limit where the site has set none.
    pub(super) fn default(&self, is_inside: bool, sampled: bool) -> u64 {
        let (outside, inside) = match self.sampled {
            Some(limit) if sampled => limit,
            _ => self.limit,
        };
        if is_inside { inside } else { outside }
    }
}

/// A source in its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanCase<'a> {
    pub evidence: &'a Evidence,
    pub side: Option<Side>,
    pub answers: Visibility,
    /// One packet in many was seen.
    pub sampled: bool,
    /// It can be said which inside addresses are in use.
    pub knows_dark: bool,
    /// What this source's site allows.
    pub bounds: &'a SiteLimits,
}

/// The sequential test of Jung et al. (Fast portscan detection using sequential hypothesis testing,
/// IEEE S&P 2004): an innocent's attempts work with a chance of .8, a scanner's with .2, so each failure
/// counts ln 4 for a scan and each success as much against it. With one false alarm in 10 million the
/// test is over at ln(.99 / 1e-7) = 16.1: twelve failures more than successes.
pub(super) const NET: u64 = 12;

impl ScanCase<'_> {
    /// The limit of a class for this source.
    pub(super) fn limit(&self, class: &Class) -> u64 {
        let is_inside = self.side == Some(Side::Inside);
        self.bounds
            .of(class.name, self.evidence.src)
            .unwrap_or(class.default(is_inside, self.sampled))
    }

    /// Percent of what was tried that must have failed: half where answers are seen, nearly all where
    /// not all are.
    pub(super) fn share(&self, seen: u64) -> u64 {
        match (self.answers, self.sampled) {
            (Visibility::BothWays, false) => seen,
            _ => seen.max(90),
        }
    }

    /// Whether it is about a protocol with ports.
    pub(super) fn has_ports(&self) -> bool {
        self.evidence.proto == TCP || self.evidence.proto == UDP
    }

    /// Whether silence says that nobody is there: always by TCP, whose attempts are known by their size,
    /// else where every answer is seen.
    pub(super) fn hears(&self, proto: u8) -> bool {
        proto == TCP || (self.answers == Visibility::BothWays && !self.sampled)
    }

    /// The least that the sequential test takes.
    pub(super) const fn net(&self) -> u64 {
        if self.sampled { SAMPLED } else { NET }
    }

    /// The measures of failing rather than working: the share in percent, and the sequential test.
    pub(super) fn failing(&self, failed: u64, worked: u64, share: u64) -> [Measure; 2] {
        [
            Measure::at_least("failedpct", percent(failed, failed + worked), self.share(share)),
            Measure::at_least("net", failed.saturating_sub(worked), self.net()),
        ]
    }
}

/// Of one packet in many, three failures: each stands for as many as the sampling says.
pub(super) const SAMPLED: u64 = 3;
