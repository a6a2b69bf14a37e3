//! Limits of the decoder's memory and output.

/// Limits of the decoder's memory and output.
///
/// The sources of UDP datagrams can be forged, so each limit stops one way to fill the memory.
/// Everything that is dropped for a limit is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderLimits {
    /// Domains of all exporters. Stops forged addresses and domain ids. If the limit is exceeded, one
    /// domain is evicted with its templates and counters
    /// ([`Totals::evicted_domains`](super::stats::Totals::evicted_domains)): the longest silent domain
    /// of the address that has most. If no address has more than a small share, addresses that first
    /// appeared in the last minute lose theirs first, longest silent first.
    pub domains: usize,
    /// Domains of one exporter address, the source address of the datagrams. Stops a sender that names
    /// ever new domains from evicting those of others. Its own longest silent domain is evicted.
    pub exporter_domains: usize,
    /// Templates of a domain. Stops an exporter that defines ever new templates. The least recently
    /// used template is evicted
    /// ([`Stats::evicted_templates`](super::stats::Stats::evicted_templates)).
    pub templates: usize,
    /// Templates of all domains. Without it they could reach the product of the limits above. Domains
    /// are evicted as for `domains`, from the address with most templates first.
    pub all_templates: usize,
    /// Templates of one exporter address. Its longest silent domains are evicted; if it has only one
    /// domain, that domain's least recently used templates.
    pub exporter_templates: usize,
    /// Bytes of all domains that are kept for [`Decoder::restate`]: template records and options data
    /// records, with 128 bytes of overhead for each of the latter and the bytes that name its scope.
    /// Stops exporters that define only templates of the largest size. Domains are evicted as for
    /// templates. With 0 nothing is kept and nothing evicted.
    ///
    /// [`Decoder::restate`]: super::decoder::Decoder::restate
    pub restated: usize,
    /// Bytes of one exporter address that are kept for restating.
    pub exporter_restated: usize,
    /// Bytes of the options data records of a domain that are kept for restating. Stops an exporter
    /// that describes ever new subjects. The first ones stay
    /// ([`Stats::refused_options`](super::stats::Stats::refused_options)).
    pub options: usize,
    /// Fields of a template. Stops few templates of great size. A larger template is refused
    /// ([`Fault::TemplateFields`](super::error::Fault::TemplateFields)).
    pub fields: usize,
    /// Records that are read from one data set. Stops templates of one byte, which would make 65,000
    /// records of a datagram. Further records are skipped
    /// ([`Fault::Records`](super::error::Fault::Records)). As every value has at least one byte, a
    /// datagram never has more values than bytes.
    pub records: usize,
    /// Samplers, selectors and interfaces of a domain whose sampling is known. Stops options records
    /// that describe ever new ones. The first ones stay
    /// ([`Stats::refused_samplers`](super::stats::Stats::refused_samplers)).
    pub samplers: usize,
    /// Samplers of all domains. Stops forged exporters that describe samplers. Domains are evicted as
    /// for templates.
    pub all_samplers: usize,
    /// Samplers of one exporter address.
    pub exporter_samplers: usize,
    /// Bytes of a domain that are held until their template arrives. Stops data whose template never
    /// does. The oldest set is dropped ([`Stats::evicted_sets`](super::stats::Stats::evicted_sets)).
    /// When the template arrives, the sets make at most two flows for each nine bytes, in one
    /// [`Batch`](super::batch::Batch).
    pub held: usize,
    /// Bytes of all domains that are held. The oldest set of the address that has most is dropped, or
    /// the oldest of all if no address has more than a small share.
    pub all_held: usize,
    /// Bytes of one exporter address that are held.
    pub exporter_held: usize,
    /// Template ids of a domain that [`Stats::missing`](super::stats::Stats::missing) lists. Stops data
    /// sets of ever new ids.
    pub missing: usize,
    /// Protocols that [`Totals::by_version`](super::stats::Totals::by_version) lists. Stops datagrams
    /// of noise.
    pub foreign: usize,
    /// Exporter addresses that [`Totals::evicted_by`](super::stats::Totals::evicted_by) lists. Stops
    /// forged addresses.
    pub named: usize,
    /// Errors that a datagram may append to [`Batch::errors`](super::batch::Batch::errors). Stops
    /// datagrams of many bad sets.
    pub errors: usize,
}

impl Default for DecoderLimits {
    /// Returns limits for a large network of ten thousand exporters. They bound the memory to about
    /// 200 MB, which only forged exporters can fill.
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
