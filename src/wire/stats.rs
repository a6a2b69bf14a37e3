//! Counters of the decoder, by domain and in total.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::error::{Fault, Foreign};
use crate::time::Timestamp;

/// Counters of one domain. All of them only grow, except those that are "current".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams (IPFIX: messages), bad ones included.
    pub datagrams: u64,
    /// Datagrams in which some part could not be read.
    pub bad_datagrams: u64,
    /// Parts that could not be read, by fault.
    pub faults: Faults,
    /// Flows made. A biflow makes two, a record without addresses none.
    pub flows: u64,
    /// Flow data records read.
    pub records: u64,
    /// Options data records read.
    pub option_records: u64,
    /// Records without a source or destination address, which make no flow.
    pub no_address: u64,
    /// Samples of counters (sFlow), which hold no flow.
    pub counter_samples: u64,
    /// Samples of packets that the device discarded (sFlow), which are in no flow.
    pub discard_samples: u64,
    /// Samples of other kinds (sFlow).
    pub other_samples: u64,
    /// Flows from data that had waited for its template; also counted in `flows`.
    pub late: u64,
    /// Data sets that had waited for their template and were decoded.
    pub late_sets: u64,
    /// Template definitions, repetitions included.
    pub templates: u64,
    /// Options template definitions, repetitions included.
    pub options_templates: u64,
    /// Templates withdrawn (RFC 7011 section 8.1).
    pub withdrawn: u64,
    /// Templates evicted because the domain had too many.
    pub evicted_templates: u64,
    /// Current number of data sets whose template has not arrived. Sets that are decoded later are
    /// subtracted again.
    pub undecodable_sets: u64,
    /// Current number of bytes in these sets, without the sets' headers.
    pub undecodable_bytes: u64,
    /// Current number of bytes of data that is held until its template arrives.
    pub held_bytes: u64,
    /// Held sets that were dropped for want of room, oldest first.
    pub evicted_sets: u64,
    /// Bytes in these sets.
    pub evicted_bytes: u64,
    /// Templates that have not arrived, by id. At most
    /// [`DecoderLimits::missing`](super::limits::DecoderLimits::missing) ids are listed; sets of
    /// other ids are counted in `undecodable_sets` only.
    pub missing: BTreeMap<u16, Missing>,
    /// Options records of samplers beyond
    /// [`DecoderLimits::samplers`](super::limits::DecoderLimits::samplers).
    pub refused_samplers: u64,
    /// Options data records that were not kept because they exceed
    /// [`DecoderLimits::options`](super::limits::DecoderLimits::options).
    pub refused_options: u64,
    /// Largest N of packet sampling 1 in N, 0 if there is none.
    pub sampling: u32,
    /// Place where the largest N was stated.
    pub sampling_from: Option<Source>,
    /// Losses by sequence number.
    pub lost: Lost,
    /// Number of times that the sequence started anew, because the exporter was restarted.
    pub restarts: u64,
    /// Datagrams (IPFIX: messages) that arrived twice, or after their gap was forgotten.
    pub repeated: u64,
    /// The exporter's clock against ours in seconds, above 0 if it is ahead: the export time in the
    /// header minus the arrival, of the datagram for which this is closest to 0. A datagram that is
    /// delayed or replayed only lies further off, while a wrong clock moves all of them. `None` if
    /// the headers have no export time (sFlow).
    pub clock: Option<i64>,
}

/// The place where an exporter states its sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Header of the datagram (v5).
    Header,
    /// The record itself; for sFlow the sample.
    Record,
    /// Options record for the sampler or selector that the record names.
    Sampler,
    /// Options record for the interface.
    Interface,
    /// Options record for the whole exporter, or for all its samplers alike.
    Options,
}

impl Source {
    /// Returns the name for statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Header => "header",
            Source::Record => "record",
            Source::Sampler => "sampler",
            Source::Interface => "interface",
            Source::Options => "options",
        }
    }
}

/// Losses by sequence numbers, in the unit that the exporter numbers: that of the protocol, or
/// another one if the exporter deviates from it. `None` if nothing was numbered in this unit. A count
/// is negative if late datagrams fill gaps that were counted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Flows (v5, v7, IPFIX). IPFIX counts options records among them.
    pub flows: Option<i64>,
    /// Datagrams (v9, sFlow).
    pub datagrams: Option<i64>,
}

impl Lost {
    /// Adds other losses.
    pub fn add(&mut self, other: Lost) {
        let sum = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.flows = sum(self.flows, other.flows);
        self.datagrams = sum(self.datagrams, other.datagrams);
    }
}

/// Data sets that wait for one template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Number of sets.
    pub sets: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Stats {
    /// Adds the counters of another domain, without its list of missing templates and its clock.
    pub fn add(&mut self, other: &Stats) {
        let Stats {
            datagrams,
            bad_datagrams,
            faults,
            flows,
            records,
            option_records,
            no_address,
            counter_samples,
            discard_samples,
            other_samples,
            late,
            late_sets,
            templates,
            options_templates,
            withdrawn,
            evicted_templates,
            undecodable_sets,
            undecodable_bytes,
            held_bytes,
            evicted_sets,
            evicted_bytes,
            missing: _,
            refused_samplers,
            refused_options,
            sampling,
            sampling_from,
            lost,
            restarts,
            repeated,
            clock: _,
        } = other;
        self.datagrams += datagrams;
        self.bad_datagrams += bad_datagrams;
        self.faults.add(faults);
        self.flows += flows;
        self.records += records;
        self.option_records += option_records;
        self.no_address += no_address;
        self.counter_samples += counter_samples;
        self.discard_samples += discard_samples;
        self.other_samples += other_samples;
        self.late += late;
        self.late_sets += late_sets;
        self.templates += templates;
        self.options_templates += options_templates;
        self.withdrawn += withdrawn;
        self.evicted_templates += evicted_templates;
        self.undecodable_sets += undecodable_sets;
        self.undecodable_bytes += undecodable_bytes;
        self.held_bytes += held_bytes;
        self.evicted_sets += evicted_sets;
        self.evicted_bytes += evicted_bytes;
        self.refused_samplers += refused_samplers;
        self.refused_options += refused_options;
        if *sampling > self.sampling {
            (self.sampling, self.sampling_from) = (*sampling, *sampling_from);
        }
        self.lost.add(*lost);
        self.restarts += restarts;
        self.repeated += repeated;
    }

    /// Compares the export time in a header with the arrival of its datagram.
    #[inline]
    pub(super) fn compare_clock(&mut self, export: Timestamp, arrival: Timestamp) {
        let ahead =
            0i64.saturating_add_unsigned(export.secs()).saturating_sub_unsigned(arrival.secs());
        if self.clock.is_none_or(|clock| ahead.unsigned_abs() < clock.unsigned_abs()) {
            self.clock = Some(ahead);
        }
    }

    /// Notes that a flow was sampled 1 in `n`.
    #[inline]
    pub(super) fn sampled(&mut self, n: u32, from: Source) {
        if n > self.sampling {
            (self.sampling, self.sampling_from) = (n, Some(from));
        }
    }

    /// Adds a set whose template is missing.
    pub(super) fn miss(&mut self, id: u16, bytes: u64, limit: usize) {
        self.undecodable_sets += 1;
        self.undecodable_bytes += bytes;
        if self.missing.len() < limit || self.missing.contains_key(&id) {
            let missing = self.missing.entry(id).or_default();
            missing.sets += 1;
            missing.bytes += bytes;
        }
    }

    /// Moves a set from the undecodable ones to the late ones: its template has arrived.
    pub(super) fn found(&mut self, id: u16, bytes: u64) {
        self.late_sets += 1;
        self.undecodable_sets = self.undecodable_sets.saturating_sub(1);
        self.undecodable_bytes = self.undecodable_bytes.saturating_sub(bytes);
        if let Some(missing) = self.missing.get_mut(&id) {
            missing.sets = missing.sets.saturating_sub(1);
            missing.bytes = missing.bytes.saturating_sub(bytes);
            if missing.sets == 0 {
                self.missing.remove(&id);
            }
        }
    }
}

/// Counters of faults, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    /// Returns the count of a fault.
    pub fn get(&self, fault: Fault) -> u64 {
        self.0.get(fault as usize).copied().unwrap_or(0)
    }

    /// Returns the faults that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.into_iter().zip(self.0).filter(|&(_, n)| n > 0)
    }

    pub(super) fn count(&mut self, fault: Fault) {
        if let Some(n) = self.0.get_mut(fault as usize) {
            *n += 1;
        }
    }

    fn add(&mut self, other: &Faults) {
        for (n, more) in self.0.iter_mut().zip(other.0) {
            *n += more;
        }
    }
}

/// Counters that belong to no domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Datagrams that were handed to the decoder, except those for [`Decoder::learn`].
    ///
    /// [`Decoder::learn`]: super::decoder::Decoder::learn
    pub datagrams: u64,
    /// Datagrams that are shorter than their header.
    pub short: u64,
    /// Datagrams of protocols that cannot be read.
    pub foreign: u64,
    /// Datagrams of protocols that cannot be read, by protocol. At most
    /// [`DecoderLimits::foreign`](super::limits::DecoderLimits::foreign) protocols are listed; others
    /// are counted in `foreign` only.
    pub by_version: BTreeMap<Foreign, u64>,
    /// Domains evicted, with their templates, because one exporter address or all together had too
    /// many.
    pub evicted_domains: u64,
    /// Domains evicted, by the exporter address that lost them. At most
    /// [`DecoderLimits::named`](super::limits::DecoderLimits::named) addresses are listed; others are
    /// counted in `evicted_domains` only.
    pub evicted_by: BTreeMap<IpAddr, u64>,
    /// Templates evicted one by one, because a domain or its exporter address had too many.
    pub evicted_templates: u64,
    /// Datagrams of a new domain for which the system had no memory.
    pub refused: u64,
    /// Sum of the counters of the evicted domains.
    pub evicted: Stats,
}

impl Totals {
    /// Adds a domain that an exporter address has lost.
    pub(super) fn evicted_from(&mut self, address: IpAddr, limit: usize) {
        if self.evicted_by.len() < limit || self.evicted_by.contains_key(&address) {
            *self.evicted_by.entry(address).or_default() += 1;
        }
    }
}
