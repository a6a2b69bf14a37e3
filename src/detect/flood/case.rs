//! A host in its window, as the classes of floods see it.

use super::evidence::Evidence;
use super::memory::Usual;
use super::traffic_sum::TrafficSum;
use crate::conversation::{Peak, PerWindow};
use crate::detect::judge::{Case, Class, Measured};
use crate::detect::threshold::{Measure, Threshold, percent};
use crate::detect::traffic::Traffic;
use crate::detect::visibility::Visibility;
use crate::finding::UNKNOWN_SECONDS;
use crate::time::Window;

/// A class of floods.
pub(super) type FloodClass = Class<Evidence, FloodFacts, FloodFill>;
pub(super) type FloodMeasured = Measured<Evidence, FloodFacts, FloodFill>;

/// A host in its window.
pub(super) type FloodCase<'a> = Case<'a, Evidence, FloodFacts>;

/// The facts about a host that only nfflood uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct FloodFacts {
    /// True if the window is still open: the request that an answer belongs to may have come earlier.
    pub live: bool,
    /// True if enough long flows showed that both directions are exported.
    pub knows_pairing: bool,
    /// Packet sampling, 1 in N; 1 if there is none.
    pub sampling: u64,
    /// True if the input is sampled and shows the answers of other hosts of the host's network.
    pub net_answers: bool,
    /// The usual traffic of the host, if it is known.
    pub usual: Option<Usual>,
    /// The service of the host in the day before, if it is known and the host may be flooded.
    pub past: Option<Past>,
}

/// The service of a host in the day before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    /// Percentage of the sources of failed attempts that the host had served.
    pub known: u64,
    /// Conversations that it usually serves in the window.
    pub usual: u64,
}

/// The part of a class that completes a finding.
#[derive(Debug)]
pub(super) struct FloodFill {
    pub unit: Unit,
    /// Returns the traffic that the class is about.
    pub load: fn(&Evidence) -> &TrafficSum,
    /// Returns the sources and the traffic that a finding reports.
    pub totals: fn(&Evidence) -> Totals,
    /// Returns further parts of `why`.
    pub hints: fn(&Evidence) -> Vec<String>,
}

/// The time for which a limit is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Ten minutes. The limit scales with the window.
    Window,
    /// One second. The limit does not depend on the window.
    Second,
}

/// Sources, and the traffic that they sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub sources: u64,
    pub traffic: Traffic,
}

impl Totals {
    /// Returns the sources and the traffic of a sum.
    pub(super) fn of(load: &TrafficSum) -> Totals {
        let TrafficSum { flows, packets, bytes, sources, .. } = *load;
        Totals { sources, traffic: Traffic { flows, packets, bytes } }
    }
}

/// Returns the seconds of a window, over which rates are taken.
pub(super) fn seconds(window: Option<Window>) -> u64 {
    u64::from(window.map_or(UNKNOWN_SECONDS, Window::seconds))
}

/// Returns no hints.
pub(super) fn no_hints(_: &Evidence) -> Vec<String> {
    Vec::new()
}

/// Seconds of a minute.
const MINUTE: u64 = 60;

/// The least limit in sampled input: so few of the sampled events are enough for a flood.
const SAMPLED: u64 = 25;

impl FloodCase<'_> {
    /// Returns the limit of a class for this host and window.
    pub(super) fn limit(&self, class: &FloodClass) -> u64 {
        let limit = self.class_limit(class);
        match class.fill.unit {
            Unit::Second => limit,
            Unit::Window => self.scaled(limit),
        }
    }

    /// Returns a limit for ten minutes, scaled to the length of this window and to its sampling.
    pub(super) fn scaled(&self, limit: u64) -> u64 {
        let scaled = Threshold::AtLeast(limit).scaled(self.context.window).least();
        match self.extra.sampling {
            0 | 1 => scaled,
            n => scaled.div_ceil(n).max(SAMPLED),
        }
    }

    /// Returns the rate a second before sampling. `count` is of a [`PerWindow`](crate::conversation::PerWindow).
    pub(super) fn rate(&self, count: u64) -> u64 {
        let all = u128::from(count) * u128::from(self.extra.sampling.max(1));
        let rate = all / u128::from(seconds(self.context.window));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Returns the measure by which traffic is a flood, or else its packets a second: packets or bits a second over the
    /// window, or in the `busiest` minute, and the limits in packets and in Mbit/s a second.
    pub(super) fn rates(
        &self,
        whole: PerWindow,
        busiest: Option<Peak>,
        [least_pps, least_mbps]: [u64; 2],
    ) -> Measure {
        let mbps = |bytes: u64| bytes.saturating_mul(8) / 1_000_000;
        let measures = [
            Measure::at_least("pps", self.rate(whole.packets), least_pps),
            Measure::at_least("mbps", mbps(self.rate(whole.bytes)), least_mbps),
        ];
        let [pps, ..] = measures;
        let in_minute = busiest.into_iter().flat_map(|Peak { packets, bytes, .. }| {
            [
                Measure::at_least("minutepps", packets / MINUTE, least_pps),
                Measure::at_least("minutembps", mbps(bytes / MINUTE), least_mbps),
            ]
        });
        measures.into_iter().chain(in_minute).find(Measure::passes).unwrap_or(pps)
    }

    /// Returns the percentage of a host's conversations that must have failed: half if answers are seen, nearly all
    /// if many are not.
    pub(super) fn share(&self) -> u64 {
        if self.context.visibility == Visibility::Partial { 90 } else { 50 }
    }

    /// Returns the failed conversations that a flood is judged by, and their percentage of all conversations.
    ///
    /// Each protocol is judged by itself, so that what a host serves by TCP does not hide a flood by UDP: the
    /// conversations by those protocols count of which enough failed. If there are none, all count.
    pub(super) fn failed(&self) -> (u64, u64) {
        let Evidence { failed, failed_by, served, served_by, scanned, .. } = self.evidence;
        let share = self.share();
        let (mut tried, mut all) = (0, 0);
        for (failed, served) in failed_by.with(*served_by) {
            if percent(failed, failed + served + scanned) >= share {
                tried += failed;
                all += failed + served;
            }
        }
        if tried == 0 {
            (tried, all) = (failed.flows, failed.flows + served.flows);
        }
        (tried, percent(tried, all + scanned))
    }
}
