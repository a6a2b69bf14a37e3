//! The classes of floods: one file each, and these tables of them.
//!
//! A class is a name, a limit that a site may change, and the measures that it takes of what came upon
//! a host. It holds when all of its measures pass.

use super::evidence::Evidence;
use super::input_profile::InputProfile;
use super::traffic::Traffic;
use super::traffic_sum::TrafficSum;
use crate::detect::threshold::{Measure, Visibility, percent};
use crate::detect::{SiteLimits, Threshold};
use crate::finding::Side;
use crate::time::Window;

mod dos;
mod outbound;
mod reflection;
mod volume;

pub(super) use dos::{DDOS, DOS};
pub(super) use outbound::OUTBOUND;
pub(super) use reflection::REFLECTION;
pub(super) use volume::{Usual, VOLUME};

/// The classes of hosts that are flooded, in the order in which they name a finding.
pub(super) const CLASSES: [&Class; 4] = [&REFLECTION, &DDOS, &DOS, &VOLUME];

/// A kind of flood.
#[derive(Debug)]
pub(super) struct Class {
    /// The word in the column `class`, and the name of its limit.
    pub name: &'static str,
    /// The limit that a site may change.
    pub limit: u64,
    pub unit: Unit,
    /// What is measured; the first is held against the limit. `None` if it cannot be told here.
    pub measure: fn(&FloodCase) -> Option<Vec<Measure>>,
    /// The traffic that it is about.
    pub load: fn(&Evidence) -> &TrafficSum,
    /// Its sources, flows, packets and octets.
    pub sums: fn(&Evidence) -> (u64, Traffic),
    /// What else to say of it.
    pub tell: fn(&Evidence) -> Vec<String>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// In ten minutes; scales with the window.
    Window,
    /// In a second.
    Second,
}

/// A host in its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct FloodCase<'a> {
    pub evidence: &'a Evidence,
    pub view: InputProfile<'a>,
    pub side: Option<Side>,
    pub window: Option<Window>,
    /// Packet sampling, 1 in N; 1 if none.
    pub sampling: u64,
    pub usual: Option<Usual>,
    pub bounds: &'a SiteLimits,
}

/// Of one packet in many, so few are enough for a flood.
const SAMPLED: u64 = 25;

impl FloodCase<'_> {
    pub(super) fn seconds(&self) -> u64 {
        super::seconds(self.window)
    }

    /// The limit of a class for this host and window.
    pub(super) fn limit(&self, class: &Class) -> u64 {
        let own = self.bounds.of(class.name, self.evidence.host);
        match class.unit {
            Unit::Second => own.unwrap_or(class.limit),
            Unit::Window => self.scaled(own.unwrap_or(class.limit)),
        }
    }

    /// A limit for ten minutes, as it holds for what is seen of this window.
    pub(super) fn scaled(&self, limit: u64) -> u64 {
        let Threshold::AtLeast(scaled) = Threshold::AtLeast(limit).scaled(self.window) else {
            return limit;
        };
        match self.sampling {
            0 | 1 => scaled,
            n => scaled.div_ceil(n).max(SAMPLED),
        }
    }

    /// Per second, as it was before sampling; `count` is of a [`PerWindow`](crate::conversation::PerWindow).
    pub(super) fn rate(&self, count: u64) -> u64 {
        let all = u128::from(count) * u128::from(self.sampling.max(1)) / u128::from(self.seconds());
        u64::try_from(all).unwrap_or(u64::MAX)
    }

    /// Percent of a host's conversations that must have been in vain: half where answers are seen, nearly
    /// all where not all are.
    pub(super) fn share(&self) -> u64 {
        if self.view.answers == Visibility::Partial { 90 } else { 50 }
    }

    /// Percent of the host's conversations that were in vain.
    pub(super) fn in_vain(&self) -> u64 {
        let Evidence { failed, served, scanned, .. } = self.evidence;
        percent(failed.flows, failed.flows + served.flows + scanned)
    }
}

/// All of a load.
pub(super) fn sums(load: &TrafficSum) -> (u64, Traffic) {
    let (flows, packets, bytes) = (load.flows, load.packets, load.bytes);
    (load.sources, Traffic { flows, packets, bytes })
}

/// Nothing more to say.
pub(super) fn silent(_: &Evidence) -> Vec<String> {
    Vec::new()
}
