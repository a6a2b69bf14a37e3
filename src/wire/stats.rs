//! What the decoder counted, by domain and over all.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::error::Fault;

/// Counts of one domain. All only grow, but for the three that say "now".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams (IPFIX: messages), bad ones included.
    pub datagrams: u64,
    /// Of these, datagrams in which something could not be read.
    pub bad_datagrams: u64,
    /// What could not be read, by reason.
    pub faults: Faults,
    /// Flows made. A biflow makes two, a record without addresses none.
    pub flows: u64,
    /// Flow data records read.
    pub records: u64,
    /// Options data records read.
    pub option_records: u64,
    /// Records without a source or destination address, which make no flow.
    pub no_address: u64,
    /// sFlow: samples of counters, which hold no flow.
    pub counter_samples: u64,
    /// sFlow: samples of packets that the device threw away, which are in no flow.
    pub discard_samples: u64,
    /// sFlow: samples of other kinds.
    pub other_samples: u64,
    /// Flows out of data that had waited for its template; also in `flows`.
    pub late: u64,
    /// Data sets that had waited for their template and were decoded.
    pub late_sets: u64,
    /// Template definitions, repetitions included.
    pub templates: u64,
    /// Options template definitions, repetitions included.
    pub options_templates: u64,
    /// Templates withdrawn (RFC 7011 section 8.1).
    pub withdrawn: u64,
    /// Templates dropped because the domain had too many.
    pub evicted_templates: u64,
    /// Now: data sets whose template has not come. Those decoded later are taken off again.
    pub undecodable_sets: u64,
    /// Now: octets in these sets, without the sets' headers.
    pub undecodable_octets: u64,
    /// Now: octets of data held for templates to come.
    pub held_octets: u64,
    /// Sets of held data dropped for want of room, oldest first.
    pub evicted_sets: u64,
    /// Octets in these sets.
    pub evicted_octets: u64,
    /// The templates that have not come, by id; at most [`DecoderLimits::missing`](super::DecoderLimits::missing)
    /// of them, the rest is in `undecodable_sets` only.
    pub missing: BTreeMap<u16, Missing>,
    /// Options records that described one sampler more than [`DecoderLimits::samplers`](super::DecoderLimits::samplers).
    pub refused_samplers: u64,
    /// Options data records that there was no room to keep: more than
    /// [`DecoderLimits::options`](super::DecoderLimits::options) has.
    pub refused_options: u64,
    /// The largest N of packet sampling 1 in N seen, 0 if none.
    pub sampling: u32,
    /// Where that was said, if there is one.
    pub sampling_from: Option<Source>,
    /// By sequence number.
    pub lost: Lost,
    /// How often the sequence began anew: the exporter was restarted.
    pub restarts: u64,
    /// Datagrams (IPFIX: messages) that came twice, or after their gap was forgotten.
    pub repeated: u64,
}

/// Where an exporter says how it samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the header of each datagram (v5).
    Header,
    /// In the record itself; sFlow: in the sample.
    Record,
    /// By the sampler or selector that the record names, which an options record describes.
    Sampler,
    /// By an options record for the interface.
    Interface,
    /// By an options record for the exporter or for all its samplers.
    Options,
}

impl Source {
    /// A word for statistics.
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

/// What is missing by sequence numbers, in the unit of each protocol, or in that of an exporter which
/// counts in another way; `None` where nothing was numbered so. Negative where datagrams that were late fill gaps which were counted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Of v5, v7 and IPFIX: flows; IPFIX counts options records among them.
    pub flows: Option<i64>,
    /// Of v9 and sFlow: datagrams.
    pub datagrams: Option<i64>,
}

impl Lost {
    /// Adds others.
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
    /// How many.
    pub sets: u64,
    /// Octets in them.
    pub octets: u64,
}

impl Stats {
    /// Adds the counts of another domain. The ids of missing templates are not taken over.
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
            undecodable_octets,
            held_octets,
            evicted_sets,
            evicted_octets,
            missing: _,
            refused_samplers,
            refused_options,
            sampling,
            sampling_from,
            lost,
            restarts,
            repeated,
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
        self.undecodable_octets += undecodable_octets;
        self.held_octets += held_octets;
        self.evicted_sets += evicted_sets;
        self.evicted_octets += evicted_octets;
        self.refused_samplers += refused_samplers;
        self.refused_options += refused_options;
        if *sampling > self.sampling {
            (self.sampling, self.sampling_from) = (*sampling, *sampling_from);
        }
        self.lost.add(*lost);
        self.restarts += restarts;
        self.repeated += repeated;
    }

    /// A flow was sampled 1 in `n`.
    #[inline]
    pub(super) fn sampled(&mut self, n: u32, from: Source) {
        if n > self.sampling {
            (self.sampling, self.sampling_from) = (n, Some(from));
        }
    }

    /// A set came without its template.
    pub(super) fn miss(&mut self, id: u16, octets: u64, limit: usize) {
        self.undecodable_sets += 1;
        self.undecodable_octets += octets;
        if self.missing.len() < limit || self.missing.contains_key(&id) {
            let missing = self.missing.entry(id).or_default();
            missing.sets += 1;
            missing.octets += octets;
        }
    }

    /// A set that had come without its template was decoded after all.
    pub(super) fn found(&mut self, id: u16, octets: u64) {
        self.late_sets += 1;
        self.undecodable_sets = self.undecodable_sets.saturating_sub(1);
        self.undecodable_octets = self.undecodable_octets.saturating_sub(octets);
        if let Some(missing) = self.missing.get_mut(&id) {
            missing.sets = missing.sets.saturating_sub(1);
            missing.octets = missing.octets.saturating_sub(octets);
            if missing.sets == 0 {
                self.missing.remove(&id);
            }
        }
    }
}

/// How often each [`Fault`] was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    /// How often this one was met.
    pub fn get(&self, fault: Fault) -> u64 {
        self.0.get(fault as usize).copied().unwrap_or(0)
    }

    /// Those that were met, with their counts.
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

/// A protocol that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Foreign {
    /// sFlow of another version than 5: its number has 32 bits, NetFlow's 16.
    Sflow(u32),
    /// Any other first two octets.
    Version(u16),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Sflow(version) => write!(f, "sFlow version {version}"),
            Foreign::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// Counts that belong to no domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All datagrams handed to the decoder but those to learn from.
    pub datagrams: u64,
    /// Datagrams too short for their header.
    pub short: u64,
    /// Datagrams of protocols that are not read.
    pub foreign: u64,
    /// The same by protocol; at most [`DecoderLimits::foreign`](super::DecoderLimits::foreign) of them, the rest
    /// is in `foreign` only.
    pub by_version: BTreeMap<Foreign, u64>,
    /// Domains dropped, with their templates, because there were too many of one exporter address or of
    /// all.
    pub evicted_domains: u64,
    /// The same by the address that paid with them; at most [`DecoderLimits::named`](super::DecoderLimits::named)
    /// addresses, the rest is in `evicted_domains` only.
    pub evicted_by: BTreeMap<IpAddr, u64>,
    /// Templates dropped one by one, because a domain or its exporter address had too many.
    pub evicted_templates: u64,
    /// Datagrams for whose domain the system had no memory.
    pub refused: u64,
    /// What those had counted.
    pub evicted: Stats,
}

impl Totals {
    /// An exporter address has paid with a domain.
    pub(super) fn paid(&mut self, address: IpAddr, limit: usize) {
        if self.evicted_by.len() < limit || self.evicted_by.contains_key(&address) {
            *self.evicted_by.entry(address).or_default() += 1;
        }
    }
}
