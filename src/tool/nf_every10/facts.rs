//! OUT/last-slot: facts about the newest slot, from which troubles and `--check` tell whether the job sees
//! the site.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::capture::Closing;
use crate::flow::{Flow, Networks};
use crate::wire::Decoder;

/// One flow in so many is looked at closely: an odd number, because flows may be exported in pairs.
const SHARE: u64 = 17;

/// The most exporters that are listed. Forged source addresses must not fill the file.
const MAX_EXPORTERS: usize = 1000;

/// The facts about a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The start of the slot, RFC 3339.
    pub slot: String,
    /// The length of the slot in seconds.
    pub seconds: u32,
    /// All flows.
    pub flows: u64,
    /// Flows that were looked at for the four counts that follow.
    pub sampled: u64,
    /// Flows of these from inside to outside.
    pub outbound: u64,
    /// Flows of these from outside to inside.
    pub inbound: u64,
    /// Flows of these with no end inside.
    pub elsewhere: u64,
    /// Flows of these that lasted longer than the slot.
    pub long: u64,
    /// True if at least one flow had an end inside.
    pub inside_seen: bool,
    /// Datagrams that the kernel dropped, because the socket buffer was full.
    pub dropped_kernel: u64,
    /// Datagrams that nfcap dropped, because its queue was full.
    pub dropped_queue: u64,
    /// Datagrams of exporters above their rate.
    pub limited: u64,
    /// Datagrams of senders that are not allowed.
    pub denied: u64,
    /// True if the traffic was counted for the site.
    #[serde(default)]
    pub traffic_counted: bool,
    /// The reason why the traffic was not counted, if it was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_failed: Option<String>,
    /// The exporters by address, with what each of them sent.
    pub exporters: BTreeMap<IpAddr, ExporterFacts>,
}

/// The facts about an exporter in a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExporterFacts {
    /// Datagrams that came.
    pub datagrams: u64,
    /// Flows in them.
    pub flows: u64,
    /// Flows that are missing by its sequence numbers.
    pub lost_flows: u64,
    /// Datagrams that are missing by its sequence numbers.
    pub lost_datagrams: u64,
    /// Data sets whose templates did not come in this slot.
    pub undecodable: u64,
    /// Packet sampling, 1 in N; 0 if none was announced.
    pub sampling: u32,
    /// Seconds by which its clock is ahead of this machine's; negative if it is behind.
    pub clock: Option<i64>,
}

impl Facts {
    /// Adds the flows of a datagram.
    pub fn add(&mut self, flows: &[Flow], inside: &Networks) {
        for flow in flows {
            let is_sampled = self.flows % SHARE == 0;
            self.flows += 1;
            if !is_sampled && (self.inside_seen || inside.is_empty()) {
                continue;
            }
            let (from, to) = (inside.contains(flow.sip), inside.contains(flow.dip));
            self.inside_seen |= from || to;
            if is_sampled {
                self.sampled += 1;
                self.outbound += u64::from(from && !to);
                self.inbound += u64::from(to && !from);
                self.elsewhere += u64::from(!from && !to);
                let lasted =
                    flow.start.zip(flow.end).map(|(start, end)| (start.secs(), end.secs()));
                let lasted = lasted.map_or(0, |(start, end)| end.saturating_sub(start));
                self.long += u64::from(self.seconds > 0 && lasted > u64::from(self.seconds));
            }
        }
    }

    /// Adds the collector's report on a file.
    pub fn close(&mut self, closing: &Closing) {
        self.dropped_kernel += closing.dropped_kernel;
        self.dropped_queue += closing.dropped_queue;
        self.limited += closing.limited;
        self.denied += closing.denied;
    }

    /// Takes the counts of the decoder.
    pub fn take_exporters(&mut self, decoder: &Decoder) {
        self.exporters.clear();
        for (domain, stats) in decoder.stats() {
            if self.exporters.len() >= MAX_EXPORTERS
                && !self.exporters.contains_key(&domain.exporter)
            {
                continue;
            }
            let facts = self.exporters.entry(domain.exporter).or_default();
            let lost = |count: Option<i64>| u64::try_from(count.unwrap_or(0)).unwrap_or(0);
            facts.datagrams += stats.datagrams;
            facts.flows += stats.flows;
            facts.lost_flows += lost(stats.lost.flows);
            facts.lost_datagrams += lost(stats.lost.datagrams);
            facts.undecodable += stats.undecodable_sets;
            facts.sampling = facts.sampling.max(stats.sampling);
            // A wrong clock shifts all domains of a device.
            let clocks = facts.clock.into_iter().chain(stats.clock);
            facts.clock = clocks.min_by_key(|offset| offset.unsigned_abs());
        }
        self.exporters.retain(|_, facts| facts.datagrams > 0);
    }
}
