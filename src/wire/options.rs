//! Sampling and start time of a domain, from its options data records (RFC 3954 section 6, RFC 7011
//! section 3.4.2).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::stats::Source;
use crate::time::Timestamp;

/// The part of an exporter that an options record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    /// A sampler by its `samplerId`.
    Sampler(u64),
    /// A selector by its `selectorId` (RFC 5477 section 8.1).
    Selector(u64),
    /// An interface by its ifIndex.
    Interface(u64),
    /// A part that flow records do not name, such as a line card.
    Part(u64),
}

/// The values of an options data record that [`Options`] learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OptionsValues {
    /// Start of the exporter, in milliseconds since the epoch (IPFIX, element 160).
    pub boot_millis: Option<u64>,
    /// Packet sampling, 1 in N; 0 if the record does not state it.
    pub sampling: u32,
    pub sampler: Option<u64>,
    pub selector: Option<u64>,
    pub interface: Option<u64>,
    /// Value of a scope that flow records do not name.
    pub part: Option<u64>,
}

/// Sampling and start time of a domain, from its options records.
///
/// The table of samplers is bounded: an exporter, or a sender that forges its address, may describe
/// ever new samplers. The first ones stay, and the caller counts those that were refused.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Start of the exporter, if an options record states it (IPFIX, element 160).
    pub boot: Option<Timestamp>,
    /// Packet sampling 1 in N of the whole domain; 0 if unknown.
    whole: u32,
    parts: HashMap<Scope, u32, RandomState>,
    /// The N that all samplers, selectors and parts share: 0 if they differ, `None` if there are
    /// none.
    common: Option<u32>,
}

impl Options {
    /// Takes over the values of an options record. Returns false if the table of samplers has no
    /// room for a new one.
    pub fn learn(&mut self, values: &OptionsValues, limit: usize) -> bool {
        if let Some(millis) = values.boot_millis.filter(|&millis| millis > 0) {
            self.boot = Some(Timestamp::from_millis(millis));
        }
        let sampling = values.sampling;
        if sampling == 0 {
            return true;
        }
        let sampler = values.sampler.map(Scope::Sampler);
        let selector = values.selector.map(Scope::Selector);
        let interface = values.interface.filter(|&n| n > 0).map(Scope::Interface);
        let part = values.part.map(Scope::Part);
        let Some(scope) = sampler.or(selector).or(interface).or(part) else {
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

    /// Returns the number of samplers, selectors, interfaces and parts with a known sampling.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Returns the packet sampling of a flow record that does not state it, and where it is stated:
    /// for the sampler or selector that the record names, else for one of its interfaces, else for
    /// the whole domain. For a record that names no sampler it is at last the sampling that all
    /// samplers of the domain share. `None` if no options record states it.
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

    fn whole(sampling: u32) -> OptionsValues {
        OptionsValues { sampling, ..OptionsValues::default() }
    }

    fn sampler(id: u64, sampling: u32) -> OptionsValues {
        OptionsValues { sampler: Some(id), ..whole(sampling) }
    }

    #[test]
    fn the_nearest_scope_is_used() {
        let mut options = Options::default();
        assert_eq!(options.sampling(Some(1), None, [3, 4]), None);
        assert!(options.learn(&sampler(1, 100), 9));
        // A record that names no sampler has the sampling of the only one.
        assert_eq!(options.sampling(None, None, [3, 4]), Some((100, Source::Options)));
        assert_eq!(options.sampling(Some(2), None, [3, 4]), None);
        assert!(options.learn(&sampler(2, 200), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), None);
        assert_eq!(options.sampling(Some(2), None, [3, 4]), Some((200, Source::Sampler)));
        assert!(options.learn(&whole(50), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((50, Source::Options)));
        assert!(options.learn(&OptionsValues { interface: Some(4), ..whole(10) }, 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((10, Source::Interface)));
        assert_eq!(options.sampling(Some(1), None, [3, 4]), Some((100, Source::Sampler)));
        assert!(options.learn(&OptionsValues { selector: Some(7), ..whole(1000) }, 9));
        assert_eq!(options.sampling(None, Some(7), [0, 0]), Some((1000, Source::Sampler)));
    }

    #[test]
    fn the_sampling_of_parts_is_used_if_all_parts_agree() {
        let mut options = Options::default();
        let card = |n, sampling| OptionsValues { part: Some(n), ..whole(sampling) };
        assert!(options.learn(&card(1, 100), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((100, Source::Options)));
        assert!(options.learn(&card(2, 1000), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), None);
        assert!(options.learn(&card(1, 1000), 9));
        assert_eq!(options.sampling(None, None, [3, 4]), Some((1000, Source::Options)));
    }

    #[test]
    fn a_full_table_keeps_its_samplers() {
        let mut options = Options::default();
        for id in 1..=3 {
            assert_eq!(options.learn(&sampler(id, 100 * id as u32), 2), id < 3);
        }
        assert!(options.learn(&sampler(1, 7), 2));
        assert_eq!(options.sampling(Some(1), None, [0, 0]), Some((7, Source::Sampler)));
        assert_eq!(options.sampling(Some(3), None, [0, 0]), None);
    }
}
