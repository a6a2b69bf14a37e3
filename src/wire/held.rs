//! Data sets that wait for their template: an exporter repeats its templates every few minutes, and
//! a collector that starts in between would lose what comes first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::Domain;
use super::record::Context;

/// What keeping a set costs besides its octets, about.
pub(super) const COST: usize = 640;

/// A data set and what its header said.
#[derive(Debug)]
pub(super) struct Held {
    domain: Domain,
    template: u16,
    /// Times are relative to the datagram that it came in.
    pub context: Context,
    /// Offset of the body in that datagram.
    pub at: usize,
    pub body: Box<[u8]>,
}

impl Held {
    const fn cost(&self) -> usize {
        self.body.len() + COST
    }
}

/// The sets held, oldest first.
///
/// Bounded over all and by domain: data whose template never comes, forged or not, pushes out the
/// oldest data of its own domain first, and costs no more than the shelf.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    sets: BTreeMap<u64, Held>,
    by_template: BTreeSet<(Domain, u16, u64)>,
    by_domain: BTreeSet<(Domain, u64)>,
    octets: HashMap<Domain, usize, RandomState>,
    total: usize,
    next: u64,
    dropped: Vec<(Domain, usize)>,
}

impl Shelf {
    /// Keeps a set, if need be in place of older ones: of its domain over `domain_limit` octets, of
    /// anyone over `limit`. Both count [`COST`] for each set.
    pub fn hold(
        &mut self,
        (domain, template): (Domain, u16),
        context: Context,
        (at, body): (usize, &[u8]),
        (domain_limit, limit): (usize, usize),
    ) {
        let cost = body.len() + COST;
        if cost > domain_limit.min(limit) {
            self.dropped.push((domain, body.len()));
            return;
        }
        while self.octets(&domain) + cost > domain_limit {
            let oldest = self.by_domain.range((domain, 0)..=(domain, u64::MAX)).next();
            let Some(&(_, oldest)) = oldest else { break };
            self.drop(oldest);
        }
        while self.total + cost > limit {
            let Some((&oldest, _)) = self.sets.first_key_value() else { break };
            self.drop(oldest);
        }
        let at = Held { domain, template, context, at, body: body.into() };
        self.sets.insert(self.next, at);
        self.by_template.insert((domain, template, self.next));
        self.by_domain.insert((domain, self.next));
        self.next += 1;
        self.total += cost;
        *self.octets.entry(domain).or_default() += cost;
    }

    /// Gives back the sets that waited for this template, oldest first.
    pub fn take(&mut self, domain: Domain, template: u16) -> Vec<Held> {
        let of = (domain, template, 0)..=(domain, template, u64::MAX);
        let numbers: Vec<u64> = self.by_template.range(of).map(|&(_, _, n)| n).collect();
        numbers.into_iter().filter_map(|n| self.remove(n)).collect()
    }

    /// Forgets what a domain has here.
    pub fn forget(&mut self, domain: Domain) {
        let of = (domain, 0)..=(domain, u64::MAX);
        let numbers: Vec<u64> = self.by_domain.range(of).map(|&(_, n)| n).collect();
        for n in numbers {
            self.drop(n);
        }
    }

    /// Octets held for a domain, with [`COST`] for each set.
    pub fn octets(&self, domain: &Domain) -> usize {
        self.octets.get(domain).copied().unwrap_or(0)
    }

    /// Whether sets were dropped since the last call of [`take_dropped`](Shelf::take_dropped).
    #[inline]
    pub fn has_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Whose sets were dropped since the last call, and how many octets each had.
    pub fn take_dropped(&mut self) -> Vec<(Domain, usize)> {
        std::mem::take(&mut self.dropped)
    }

    fn drop(&mut self, number: u64) {
        if let Some(held) = self.remove(number) {
            self.dropped.push((held.domain, held.body.len()));
        }
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.sets.remove(&number)?;
        self.by_template.remove(&(held.domain, held.template, number));
        self.by_domain.remove(&(held.domain, number));
        self.total -= held.cost();
        if let Some(octets) = self.octets.get_mut(&held.domain) {
            *octets -= held.cost();
            if *octets == 0 {
                self.octets.remove(&held.domain);
            }
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;
    use crate::wire::Version;

    fn domain(id: u32) -> Domain {
        Domain { exporter: "192.0.2.1".parse().unwrap(), version: Version::V9, id }
    }

    #[test]
    fn the_oldest_goes_first() {
        let context =
            Context { exporter: domain(0).exporter, export: Timestamp::default(), uptime: None };
        let mut shelf = Shelf::default();
        let limits = (2 * COST + 20, 3 * COST + 30);
        let hold = |shelf: &mut Shelf, id, template, octet| {
            shelf.hold((domain(id), template), context, (0, &[octet; 10]), limits);
        };
        hold(&mut shelf, 1, 256, 1);
        hold(&mut shelf, 1, 257, 2);
        hold(&mut shelf, 1, 256, 3);
        assert_eq!(shelf.take_dropped(), [(domain(1), 10)]);
        hold(&mut shelf, 2, 256, 4);
        hold(&mut shelf, 2, 256, 5);
        assert_eq!(shelf.take_dropped(), [(domain(1), 10)]);
        assert_eq!(shelf.octets(&domain(1)), COST + 10);
        let taken = |held: Vec<Held>| held.iter().map(|held| held.body[0]).collect::<Vec<_>>();
        assert_eq!(taken(shelf.take(domain(1), 257)), [0u8; 0]);
        assert_eq!(taken(shelf.take(domain(2), 256)), [4, 5]);
        assert_eq!(taken(shelf.take(domain(1), 256)), [3]);
        assert_eq!((shelf.total, shelf.by_domain.len(), shelf.by_template.len()), (0, 0, 0));
        shelf.hold((domain(1), 256), context, (0, &[0; 21 + COST]), limits);
        assert_eq!(shelf.take_dropped(), [(domain(1), 21 + COST)]);
        hold(&mut shelf, 1, 256, 1);
        shelf.forget(domain(1));
        assert!(shelf.octets.is_empty() && shelf.sets.is_empty());
    }

    proptest! {
        #[test]
        fn a_shelf_is_a_list_in_order(
            steps in prop::collection::vec((0..3u32, 256..259u16, 0..400usize, any::<bool>()), 1..80)
        ) {
            let (own, all) = (3 * COST, 5 * COST);
            let context =
                Context { exporter: domain(0).exporter, export: Timestamp::default(), uptime: None };
            let mut shelf = Shelf::default();
            let mut list: Vec<(u32, u16, usize)> = Vec::new();
            let mut dropped = 0;
            for (id, template, len, take) in steps {
                if take {
                    let taken = shelf.take(domain(id), template);
                    let taken: Vec<_> = taken.iter().map(|held| held.body.len()).collect();
                    let same = |held: &&(u32, u16, usize)| (held.0, held.1) == (id, template);
                    let expected: Vec<_> = list.iter().filter(same).map(|held| held.2).collect();
                    prop_assert_eq!(taken, expected);
                    list.retain(|held| !same(&held));
                } else {
                    shelf.hold((domain(id), template), context, (0, &vec![0; len]), (own, all));
                    list.push((id, template, len));
                    let sum = |list: &[(u32, u16, usize)], of: Option<u32>| -> usize {
                        let of = |held: &&(u32, u16, usize)| of.is_none_or(|id| held.0 == id);
                        list.iter().filter(of).map(|held| held.2 + COST).sum()
                    };
                    while sum(&list, Some(id)) > own {
                        list.remove(list.iter().position(|held| held.0 == id).unwrap());
                        dropped += 1;
                    }
                    while sum(&list, None) > all {
                        list.remove(0);
                        dropped += 1;
                    }
                    prop_assert_eq!(shelf.octets(&domain(id)), sum(&list, Some(id)));
                }
            }
            prop_assert_eq!(shelf.take_dropped().len(), dropped);
            prop_assert_eq!(shelf.sets.len(), list.len());
        }
    }
}
