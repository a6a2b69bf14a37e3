//! Data sets that wait for their template: an exporter repeats its templates every few minutes, and
//! a collector that starts in between would lose what comes first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Domain;
use super::memory;
use super::record::Context;

/// What keeping a set costs besides its octets, about.
pub(super) const COST: usize = 640;

/// A data set and what its header said.
#[derive(Debug)]
pub(super) struct PendingSet {
    domain: Domain,
    template: u16,
    /// Times are relative to the datagram that it came in.
    pub context: Context,
    /// Offset of the body in that datagram.
    pub at: usize,
    pub body: Box<[u8]>,
}

impl PendingSet {
    const fn cost(&self) -> usize {
        self.body.len() + COST
    }
}

/// Octets that may be held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub domain: usize,
    pub exporter: usize,
    pub all: usize,
}

/// The sets held, oldest first.
///
/// Bounded over all, by exporter address and by domain: data whose template never comes, forged or not,
/// pushes out the oldest data of its own domain and address first, and costs no more than the shelf.
/// If the shelf is full, the address that holds most of it pays. As long as no address holds more than a
/// 64th of it, which takes many forged addresses, the oldest set goes.
#[derive(Debug, Default)]
pub(super) struct PendingSets {
    sets: BTreeMap<u64, PendingSet>,
    by_template: BTreeSet<(Domain, u16, u64)>,
    by_domain: BTreeSet<(Domain, u64)>,
    octets: HashMap<Domain, usize, RandomState>,
    by_exporter: BTreeSet<(IpAddr, u64)>,
    of_exporter: HashMap<IpAddr, usize, RandomState>,
    /// Bytes held, and by which address.
    by_size: BTreeSet<(usize, IpAddr)>,
    total: usize,
    next: u64,
    dropped: Vec<(Domain, usize)>,
}

impl PendingSets {
    /// Keeps a set, if need be in place of older ones: those of its domain, its exporter address and
    /// all. All room counts [`COST`] for each set. Where the system has no memory for it, it is dropped.
    pub fn hold(
        &mut self,
        (domain, template): (Domain, u16),
        context: Context,
        (at, body): (usize, &[u8]),
        room: Room,
    ) {
        let cost = body.len() + COST;
        let exporter = domain.exporter;
        if cost > room.domain.min(room.exporter).min(room.all) {
            self.dropped.push((domain, body.len()));
            return;
        }
        while self.octets(&domain) + cost > room.domain {
            let oldest = self.by_domain.range((domain, 0)..=(domain, u64::MAX)).next();
            let Some(&(_, oldest)) = oldest else { break };
            self.drop(oldest);
        }
        while self.of_exporter(exporter) + cost > room.exporter {
            let Some(oldest) = self.oldest_of(exporter) else { break };
            self.drop(oldest);
        }
        while self.total + cost > room.all {
            let largest = self.by_size.last().filter(|&&(octets, _)| octets > room.all / 64);
            let oldest = match largest {
                Some(&(_, largest)) => self.oldest_of(largest),
                None => self.sets.first_key_value().map(|(&oldest, _)| oldest),
            };
            let Some(oldest) = oldest else { break };
            self.drop(oldest);
        }
        let copy = memory::boxed(body).filter(|_| {
            self.octets.try_reserve(1).is_ok() && self.of_exporter.try_reserve(1).is_ok()
        });
        let Some(copy) = copy else {
            self.dropped.push((domain, body.len()));
            return;
        };
        let held = PendingSet { domain, template, context, at, body: copy };
        self.sets.insert(self.next, held);
        self.by_template.insert((domain, template, self.next));
        self.by_domain.insert((domain, self.next));
        self.by_exporter.insert((exporter, self.next));
        self.next += 1;
        self.total += cost;
        *self.octets.entry(domain).or_default() += cost;
        self.resize(exporter, |octets| octets + cost);
    }

    /// Octets held for an exporter address, with [`COST`] for each set.
    fn of_exporter(&self, exporter: IpAddr) -> usize {
        self.of_exporter.get(&exporter).copied().unwrap_or(0)
    }

    fn oldest_of(&self, exporter: IpAddr) -> Option<u64> {
        let of = (exporter, 0)..=(exporter, u64::MAX);
        self.by_exporter.range(of).next().map(|&(_, n)| n)
    }

    fn resize(&mut self, exporter: IpAddr, change: impl Fn(usize) -> usize) {
        let before = self.of_exporter(exporter);
        let after = change(before);
        self.by_size.remove(&(before, exporter));
        if after > 0 {
            self.by_size.insert((after, exporter));
            self.of_exporter.insert(exporter, after);
        } else {
            self.of_exporter.remove(&exporter);
        }
    }

    /// Gives back the sets that waited for this template, oldest first.
    pub fn take(&mut self, domain: Domain, template: u16) -> Vec<PendingSet> {
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

    fn remove(&mut self, number: u64) -> Option<PendingSet> {
        let held = self.sets.remove(&number)?;
        self.by_template.remove(&(held.domain, held.template, number));
        self.by_domain.remove(&(held.domain, number));
        self.by_exporter.remove(&(held.domain.exporter, number));
        self.total -= held.cost();
        self.resize(held.domain.exporter, |octets| octets - held.cost());
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
        let mut shelf = PendingSets::default();
        let limits = Room { domain: 2 * COST + 20, exporter: 9 * COST, all: 3 * COST + 30 };
        let hold = |shelf: &mut PendingSets, id, template, octet| {
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
        let taken =
            |held: Vec<PendingSet>| held.iter().map(|held| held.body[0]).collect::<Vec<_>>();
        assert_eq!(taken(shelf.take(domain(1), 257)), [0u8; 0]);
        assert_eq!(taken(shelf.take(domain(2), 256)), [4, 5]);
        assert_eq!(taken(shelf.take(domain(1), 256)), [3]);
        assert_eq!((shelf.total, shelf.by_domain.len(), shelf.by_template.len()), (0, 0, 0));
        shelf.hold((domain(1), 256), context, (0, &[0; 21 + COST]), limits);
        assert_eq!(shelf.take_dropped(), [(domain(1), 21 + COST)]);
        hold(&mut shelf, 1, 256, 1);
        shelf.forget(domain(1));
        assert!(shelf.octets.is_empty() && shelf.sets.is_empty());
        assert!(shelf.of_exporter.is_empty() && shelf.by_size.is_empty());
        assert!(shelf.by_exporter.is_empty());
    }

    #[test]
    fn the_address_that_holds_most_pays() {
        let of = |octet: u8, id| Domain { exporter: [192, 0, 2, octet].into(), ..domain(id) };
        let context =
            Context { exporter: domain(0).exporter, export: Timestamp::default(), uptime: None };
        let mut shelf = PendingSets::default();
        let size = COST + 10;
        let room = Room { domain: 100 * size, exporter: 40 * size, all: 128 * size };
        let mut hold = |octet, id| {
            shelf.hold((of(octet, id), 256), context, (0, &[octet; 10]), room);
            shelf.take_dropped()
        };
        // The first one, before all others.
        assert!((0..2).all(|_| hold(1, 7).is_empty()));
        // One sender has no more than its part, however many domains it names.
        let dropped: Vec<_> = (0..500).flat_map(|id| hold(9, id)).collect();
        assert_eq!(dropped.len(), 460);
        assert!(dropped.iter().all(|(domain, _)| domain.exporter == of(9, 0).exporter));
        // Several of them together pay for each other.
        let dropped: Vec<_> = (0..500).flat_map(|id| hold(10 + (id % 5) as u8, id)).collect();
        assert!(dropped.iter().all(|(domain, _)| domain.exporter != of(1, 7).exporter));
        assert_eq!(shelf.take(of(1, 7), 256).len(), 2);
        assert!(shelf.total <= room.all);
    }

    proptest! {
        #[test]
        fn a_shelf_is_a_list_in_order(
            steps in prop::collection::vec((0..3u32, 256..259u16, 0..400usize, any::<bool>()), 1..80)
        ) {
            let (own, all) = (3 * COST, 5 * COST);
            let context =
                Context { exporter: domain(0).exporter, export: Timestamp::default(), uptime: None };
            let mut shelf = PendingSets::default();
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
                    let room = Room { domain: own, exporter: all, all };
                    shelf.hold((domain(id), template), context, (0, &vec![0; len]), room);
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
