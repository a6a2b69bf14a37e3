//! How much a decoder may keep.

#[cfg(doc)]
use super::{Batch, Decoder, Stats, Totals};

/// How much a decoder keeps. UDP sources are forged at will: each limit stops one way to fill the
/// memory, and what is dropped for it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderLimits {
    /// Domains, over all exporters: forged addresses and domain ids. One goes, with its templates and
    /// counts ([`Totals::evicted_domains`]): of the address that has most of them the longest silent
    /// one. Where no address has more than a small part, those that came in the last minute go first,
    /// and the longest silent first.
    pub domains: usize,
    /// Domains of one exporter address, the one that datagrams come from: a sender that names ever new
    /// ones must not push out those of others. Its own longest silent one goes.
    pub exporter_domains: usize,
    /// Templates of a domain: an exporter that defines ever new ones. The least recently used goes
    /// ([`Stats::evicted_templates`]).
    pub templates: usize,
    /// Templates of all domains: the product of the limits of domains and of their templates. Domains
    /// go until it is kept, as above: first those of the address that has most templates.
    pub all_templates: usize,
    /// Templates of one exporter address. Its own longest silent domains go; where it has only one, the
    /// least recently used templates of that.
    pub exporter_templates: usize,
    /// Octets of what is kept of all domains for [`Decoder::restate`]: the records that defined
    /// templates, and options data records, with 128 for each of these and the octets that name its
    /// scope. Exporters might define none but the largest. Domains go until it is kept, as for
    /// templates. With 0 nothing is kept, and nobody goes.
    pub restated: usize,
    /// The same of one exporter address.
    pub exporter_restated: usize,
    /// The same of the options data records of a domain: an exporter that speaks of ever new things.
    /// Those that came first stay ([`Stats::refused_options`]).
    pub options: usize,
    /// Fields of a template: few templates of great size. A larger one is refused
    /// ([`Fault::TemplateFields`](super::Fault::TemplateFields)).
    pub fields: usize,
    /// Records that are read of one data set, or of the sets without templates of one datagram: a
    /// template of one octet would make 65,000 of a datagram. The rest is passed over
    /// ([`Fault::Records`](super::Fault::Records)). A value has an octet at least, so the values of a
    /// datagram are no more than its octets.
    pub records: usize,
    /// Samplers, selectors and interfaces of a domain whose sampling is known: options records that
    /// describe ever new ones. Those that came first stay ([`Stats::refused_samplers`]).
    pub samplers: usize,
    /// The same of all domains: forged exporters that describe samplers. Domains go as for templates.
    pub all_samplers: usize,
    /// The same of one exporter address.
    pub exporter_samplers: usize,
    /// Octets held for templates to come, of a domain: data whose template never comes. The oldest
    /// goes ([`Stats::evicted_sets`]). When the template comes they make at most two flows for each
    /// nine octets, in one [`Batch`].
    pub held: usize,
    /// The same of all domains. The oldest of the exporter address that has most goes, or the oldest of
    /// all where none has more than a small part.
    pub all_held: usize,
    /// The same of one exporter address.
    pub exporter_held: usize,
    /// Template ids of a domain that [`Stats::missing`] names: data sets of ever new ids.
    pub missing: usize,
    /// Protocols that [`Totals::by_version`] names: datagrams of noise.
    pub foreign: usize,
    /// Exporter addresses that [`Totals::evicted_by`] names: forged ones.
    pub named: usize,
    /// Errors that a datagram appends to [`Batch::errors`]: datagrams of many bad sets.
    pub errors: usize,
}

impl Default for DecoderLimits {
    /// Room for a large network, ten thousand exporters: at worst some 200 MB, of which forged
    /// exporters must fill all.
    fn default() -> DecoderLimits {
        DecoderLimits {
            domains: 16_384,
            exporter_domains: 2048,
            templates: 512,
            all_templates: 32_768,
            exporter_templates: 4096,
            restated: 0,
            exporter_restated: 2 << 20,
            options: 1 << 20,
            fields: 512,
            records: 16_384,
            samplers: 1024,
            all_samplers: 65_536,
            exporter_samplers: 8192,
            held: 2 << 20,
            all_held: 16 << 20,
            exporter_held: 4 << 20,
            missing: 64,
            foreign: 64,
            named: 64,
            errors: 8,
        }
    }
}
