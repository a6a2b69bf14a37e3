//! What an exporter tells of itself in options data records (RFC 3954 section 6, RFC 7011 section
//! 3.4.2): when it started, and how it samples packets.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::element::Slot;
use super::record::Record;
use super::stats::Source;
use crate::time::Timestamp;

/// What an options record speaks of, besides its exporter as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    /// A sampler by its `samplerId`.
    Sampler(u64),
    /// A selector by its `selectorId` (RFC 5477 section 8.1).
    Selector(u64),
    /// An interface by its ifIndex.
    Interface(u64),
    /// A part that flows do not name, such as a line card.
    Part(u64),
}

/// What is known of a domain from its options records.
///
/// Bounded: an exporter, or who forges its address, that describes ever new samplers fills the table
/// and no more; those that came first stay, and the others are counted.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// When the exporter started, where it says so apart from the header (IPFIX, element 160).
    pub boot: Option<Timestamp>,
    /// Packet sampling 1 in N of the whole domain; 0 unknown.
    whole: u32,
    parts: HashMap<Scope, u32, RandomState>,
    /// The N that all samplers, selectors and parts have: 0 if they differ, `None` of none.
    common: Option<u32>,
}

impl Options {
    /// Takes what an options record says. Returns false if there is no room for it.
    pub fn learn(&mut self, record: &Record, limit: usize) -> bool {
        if let Some(millis) = record.get(Slot::SystemInit).filter(|&millis| millis > 0) {
            self.boot = Some(Timestamp::from_millis(millis));
        }
        let sampling = record.sampling();
        if sampling == 0 {
            return true;
        }
        let sampler = record.get(Slot::Sampler).map(Scope::Sampler);
        let selector = || record.get(Slot::Selector).map(Scope::Selector);
        let interface = || record.get(Slot::Ingress).filter(|&n| n > 0).map(Scope::Interface);
        let part = || record.get(Slot::Part).map(Scope::Part);
        let Some(scope) = sampler.or_else(selector).or_else(interface).or_else(part) else {
            self.whole = sampling;
            return true;
        };
        if self.parts.len() >= limit && !self.parts.contains_key(&scope) {
            return false;
        }
        let before = self.parts.insert(scope, sampling);
        if matches!(scope, Scope::Interface(_)) || before == Some(sampling) {
            return true;
        }
        let joined = |common: Option<u32>, rate| match common {
            Some(common) if common != rate => Some(0),
            _ => Some(rate),
        };
        self.common = match before {
            None => joined(self.common, sampling),
            Some(_) => {
                let parts = self.parts.iter().filter(|(s, _)| !matches!(s, Scope::Interface(_)));
                parts.map(|(_, &rate)| rate).fold(None, joined)
            }
        };
        true
    }

    /// Samplers, selectors, interfaces and parts.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Packet sampling of a record that does not state it: that of the sampler or selector that it
    /// names, of one of its interfaces, of the whole domain; of a record that names no sampler, what
    /// all samplers of the domain have in common. `None` if nothing was told.
    #[inline]
    pub fn sampling(
        &self,
        sampler: Option<u64>,
        selector: Option<u64>,
        interfaces: [u64; 2],
    ) -> Option<(u32, Source)> {
        if self.whole == 0 && self.parts.is_empty() {
            return None;
        }
        self.search(sampler, selector, interfaces)
    }

    fn search(
        &self,
        sampler: Option<u64>,
        selector: Option<u64>,
        [ingress, egress]: [u64; 2],
    ) -> Option<(u32, Source)> {
        let of = |scope, source| self.parts.get(&scope).map(|&rate| (rate, source));
        let named = sampler
            .and_then(|id| of(Scope::Sampler(id), Source::Sampler))
            .or_else(|| of(Scope::Selector(selector?), Source::Sampler));
        let common = || match sampler.or(selector) {
            None => self.common.filter(|&n| n > 0).map(|n| (n, Source::Options)),
            Some(_) => None,
        };
        named
            .or_else(|| of(Scope::Interface(ingress), Source::Interface))
            .or_else(|| of(Scope::Interface(egress), Source::Interface))
            .or_else(|| (self.whole > 0).then_some((self.whole, Source::Options)))
            .or_else(common)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[(Slot, u64)]) -> Record {
        let mut record = Record::new();
        for (slot, n) in fields {
            record.load(*slot, &n.to_be_bytes());
        }
        record
    }

    #[test]
    fn the_nearest_scope_holds() {
        let mut options = Options::default();
        assert_eq!(options.sampling(Some(1), None, [3, 4]), None);
        assert!(options.learn(&record(&[(Slot::Sampler, 1), (Slot::Sampling, 100)]), 9));
        // A record that names no sampler has the only one's.
        assert_eq!(options.sampling(None, None, [3, 4]), Some((100, Source::Options)));
        assert_eq!(options.sampling(Some(2), None, [3, 4]), None);
        assert!(options.learn(&record(&[(Slot::Sampler, 2), (Slot::Sampling, 200)]), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), None);
        assert_eq!(options.sampling(Some(2), None, [3, 4]), Some((200, Source::Sampler)));
        assert!(options.learn(&record(&[(Slot::Sampling, 50)]), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((50, Source::Options)));
        assert!(options.learn(&record(&[(Slot::Ingress, 4), (Slot::Sampling, 10)]), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((10, Source::Interface)));
        assert_eq!(options.sampling(Some(1), None, [3, 4]), Some((100, Source::Sampler)));
        let psamp = [(Slot::Selector, 7), (Slot::SampledPackets, 1), (Slot::SampledSpace, 999)];
        assert!(options.learn(&record(&psamp), 9));
        assert_eq!(options.sampling(None, Some(7), [0, 0]), Some((1000, Source::Sampler)));
    }

    #[test]
    fn what_is_told_of_a_part_holds_if_all_parts_agree() {
        let mut options = Options::default();
        let card = |n, sampling| record(&[(Slot::Part, n), (Slot::Sampling, sampling)]);
        assert!(options.learn(&card(1, 100), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((100, Source::Options)));
        assert!(options.learn(&card(2, 1000), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), None);
        assert!(options.learn(&card(1, 1000), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((1000, Source::Options)));
    }

    #[test]
    fn a_full_table_keeps_what_it_has() {
        let mut options = Options::default();
        for id in 1..=3 {
            let told = record(&[(Slot::Sampler, id), (Slot::Sampling, 100 * id)]);
            assert_eq!(options.learn(&told, 2), id < 3);
        }
        assert!(options.learn(&record(&[(Slot::Sampler, 1), (Slot::Sampling, 7)]), 2));
        assert_eq!(options.sampling(Some(1), None, [0, 0]), Some((7, Source::Sampler)));
        assert_eq!(options.sampling(Some(3), None, [0, 0]), None);
    }
}
