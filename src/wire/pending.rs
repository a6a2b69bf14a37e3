//! Data sets that wait for their template. An exporter repeats its templates every few minutes; a
//! collector that starts in between would lose the data of the first minutes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::context::Context;
use super::domain::Domain;
use super::memory;

/// Bytes that one set costs besides its body, approximately.
pub(super) const COST: usize = 640;

/// A data set that waits for its template, with the context of its datagram.
#[derive(Debug)]
pub(super) struct PendingSet {
    domain: Domain,
    template: u16,
    pub context: Context,
    /// Offset of the body in the datagram.
    pub at: usize,
    pub body: Box<[u8]>,
}

impl PendingSet {
    const fn cost(&self) -> usize {
        self.body.len() + COST
    }
}

/// A set that was dropped for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DroppedSet {
    pub domain: Domain,
    /// Bytes of its body.
    pub bytes: usize,
}

/// Bytes that pending sets may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub domain: usize,
    pub exporter: usize,
    pub all: usize,
}

/// All pending sets, oldest first.
///
/// Bounded by domain, by exporter address and in total: data whose template never comes, forged or
/// not, first pushes out the oldest sets of its own domain and address. If the total is reached, the
/// oldest set of the address that holds most is dropped. If no address holds more than a 64th, which
/// takes many forged addresses, the oldest set of all is dropped.
#[derive(Debug, Default)]
pub(super) struct PendingSets {
    sets: BTreeMap<u64, PendingSet>,
    by_template: BTreeSet<(Domain, u16, u64)>,
    by_domain: BTreeSet<(Domain, u64)>,
    domain_cost: HashMap<Domain, usize, RandomState>,
    by_exporter: BTreeSet<(IpAddr, u64)>,
    exporter_cost: HashMap<IpAddr, usize, RandomState>,
    /// Exporter addresses by their cost.
    by_cost: BTreeSet<(usize, IpAddr)>,
    total: usize,
    next: u64,
    dropped: Vec<DroppedSet>,
}

impl PendingSets {
    /// Keeps a set, if need be in place of older ones: those of its domain, of its exporter address,
    /// or of all. Each set costs [`COST`] bytes besides its body. A set that is larger than the room,
    /// or for which the system has no memory, is dropped.
    pub fn hold(
        &mut self,
        domain: Domain,
        template: u16,
        context: Context,
        at: usize,
        body: &[u8],
        room: Room,
    ) {
        let cost = body.len() + COST;
        let exporter = domain.exporter;
        if cost > room.domain.min(room.exporter).min(room.all) {
            self.dropped.push(DroppedSet { domain, bytes: body.len() });
            return;
        }
        while self.cost(&domain) + cost > room.domain {
            let oldest = self.by_domain.range((domain, 0)..=(domain, u64::MAX)).next();
            let Some(&(_, oldest)) = oldest else { break };
            self.drop(oldest);
        }
        while self.exporter_cost(exporter) + cost > room.exporter {
            let Some(oldest) = self.oldest_of(exporter) else { break };
            self.drop(oldest);
        }
        while self.total + cost > room.all {
            let largest = self.by_cost.last().filter(|&&(cost, _)| cost > room.all / 64);
            let oldest = match largest {
                Some(&(_, exporter)) => self.oldest_of(exporter),
                None => self.sets.first_key_value().map(|(&oldest, _)| oldest),
            };
            let Some(oldest) = oldest else { break };
            self.drop(oldest);
        }
        let copy = memory::boxed(body).filter(|_| {
            self.domain_cost.try_reserve(1).is_ok() && self.exporter_cost.try_reserve(1).is_ok()
        });
        let Some(copy) = copy else {
            self.dropped.push(DroppedSet { domain, bytes: body.len() });
            return;
        };
        let set = PendingSet { domain, template, context, at, body: copy };
        self.sets.insert(self.next, set);
        self.by_template.insert((domain, template, self.next));
        self.by_domain.insert((domain, self.next));
        self.by_exporter.insert((exporter, self.next));
        self.next += 1;
        self.total += cost;
        *self.domain_cost.entry(domain).or_default() += cost;
        self.change_exporter_cost(exporter, |before| before + cost);
    }

    fn exporter_cost(&self, exporter: IpAddr) -> usize {
        self.exporter_cost.get(&exporter).copied().unwrap_or(0)
    }

    fn oldest_of(&self, exporter: IpAddr) -> Option<u64> {
        let range = (exporter, 0)..=(exporter, u64::MAX);
        self.by_exporter.range(range).next().map(|&(_, n)| n)
    }

    fn change_exporter_cost(&mut self, exporter: IpAddr, change: impl Fn(usize) -> usize) {
        let before = self.exporter_cost(exporter);
        let after = change(before);
        self.by_cost.remove(&(before, exporter));
        if after > 0 {
            self.by_cost.insert((after, exporter));
            self.exporter_cost.insert(exporter, after);
        } else {
            self.exporter_cost.remove(&exporter);
        }
    }

    /// Removes and returns the sets that wait for this template, oldest first.
    pub fn take(&mut self, domain: Domain, template: u16) -> Vec<PendingSet> {
        let range = (domain, template, 0)..=(domain, template, u64::MAX);
        let numbers: Vec<u64> = self.by_template.range(range).map(|&(_, _, n)| n).collect();
        numbers.into_iter().filter_map(|n| self.remove(n)).collect()
    }

    /// Drops all sets of a domain.
    pub fn forget(&mut self, domain: Domain) {
        let range = (domain, 0)..=(domain, u64::MAX);
        let numbers: Vec<u64> = self.by_domain.range(range).map(|&(_, n)| n).collect();
        for n in numbers {
            self.drop(n);
        }
    }

    /// Returns the bytes that the sets of a domain cost, with [`COST`] for each set.
    pub fn cost(&self, domain: &Domain) -> usize {
        self.domain_cost.get(domain).copied().unwrap_or(0)
    }

    /// Returns true if sets were dropped since the last call of
    /// [`take_dropped`](PendingSets::take_dropped).
    #[inline]
    pub fn has_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Returns the sets that were dropped since the last call.
    pub fn take_dropped(&mut self) -> Vec<DroppedSet> {
        std::mem::take(&mut self.dropped)
    }

    fn drop(&mut self, number: u64) {
        if let Some(set) = self.remove(number) {
            self.dropped.push(DroppedSet { domain: set.domain, bytes: set.body.len() });
        }
    }

    fn remove(&mut self, number: u64) -> Option<PendingSet> {
        let set = self.sets.remove(&number)?;
        self.by_template.remove(&(set.domain, set.template, number));
        self.by_domain.remove(&(set.domain, number));
        self.by_exporter.remove(&(set.domain.exporter, number));
        self.total -= set.cost();
        self.change_exporter_cost(set.domain.exporter, |before| before - set.cost());
        if let Some(cost) = self.domain_cost.get_mut(&set.domain) {
            *cost -= set.cost();
            if *cost == 0 {
                self.domain_cost.remove(&set.domain);
            }
        }
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::context::tests::context;
    use super::super::domain::Version;
    use super::*;

    fn domain(id: u32) -> Domain {
        Domain { exporter: "192.0.2.1".parse().unwrap(), version: Version::V9, id }
    }

    fn dropped(id: u32, bytes: usize) -> DroppedSet {
        DroppedSet { domain: domain(id), bytes }
    }

    #[test]
    fn the_oldest_set_is_dropped_first() {
        let mut pending = PendingSets::default();
        let room = Room { domain: 2 * COST + 20, exporter: 9 * COST, all: 3 * COST + 30 };
        let hold = |pending: &mut PendingSets, id, template, byte| {
            pending.hold(domain(id), template, context(), 0, &[byte; 10], room);
        };
        hold(&mut pending, 1, 256, 1);
        hold(&mut pending, 1, 257, 2);
        hold(&mut pending, 1, 256, 3);
        assert_eq!(pending.take_dropped(), [dropped(1, 10)]);
        hold(&mut pending, 2, 256, 4);
        hold(&mut pending, 2, 256, 5);
        assert_eq!(pending.take_dropped(), [dropped(1, 10)]);
        assert_eq!(pending.cost(&domain(1)), COST + 10);
        let first_bytes =
            |sets: Vec<PendingSet>| sets.iter().map(|set| set.body[0]).collect::<Vec<_>>();
        assert_eq!(first_bytes(pending.take(domain(1), 257)), [0u8; 0]);
        assert_eq!(first_bytes(pending.take(domain(2), 256)), [4, 5]);
        assert_eq!(first_bytes(pending.take(domain(1), 256)), [3]);
        assert_eq!((pending.total, pending.by_domain.len(), pending.by_template.len()), (0, 0, 0));
        pending.hold(domain(1), 256, context(), 0, &[0; 21 + COST], room);
        assert_eq!(pending.take_dropped(), [dropped(1, 21 + COST)]);
        hold(&mut pending, 1, 256, 1);
        pending.forget(domain(1));
        assert!(pending.domain_cost.is_empty() && pending.sets.is_empty());
        assert!(pending.exporter_cost.is_empty() && pending.by_cost.is_empty());
        assert!(pending.by_exporter.is_empty());
    }

    #[test]
    fn the_address_that_holds_most_loses_its_sets() {
        let of = |byte: u8, id| Domain { exporter: [192, 0, 2, byte].into(), ..domain(id) };
        let mut pending = PendingSets::default();
        let size = COST + 10;
        let room = Room { domain: 100 * size, exporter: 40 * size, all: 128 * size };
        let mut hold = |byte, id| {
            pending.hold(of(byte, id), 256, context(), 0, &[byte; 10], room);
            pending.take_dropped()
        };
        // An exporter whose sets are older than all others.
        assert!((0..2).all(|_| hold(1, 7).is_empty()));
        // One sender gets no more than its own room, however many domains it names.
        let dropped: Vec<_> = (0..500).flat_map(|id| hold(9, id)).collect();
        assert_eq!(dropped.len(), 460);
        assert!(dropped.iter().all(|set| set.domain.exporter == of(9, 0).exporter));
        // Several of them together push out each other.
        let dropped: Vec<_> = (0..500).flat_map(|id| hold(10 + (id % 5) as u8, id)).collect();
        assert!(dropped.iter().all(|set| set.domain.exporter != of(1, 7).exporter));
        assert_eq!(pending.take(of(1, 7), 256).len(), 2);
        assert!(pending.total <= room.all);
    }

    /// A set in the reference implementation, a list in the order of arrival.
    struct Listed {
        id: u32,
        template: u16,
        len: usize,
    }

    fn cost(list: &[Listed], id: Option<u32>) -> usize {
        let of_domain = list.iter().filter(|set| id.is_none_or(|id| set.id == id));
        of_domain.map(|set| set.len + COST).sum()
    }

    proptest! {
        #[test]
        fn pending_sets_behave_as_a_list(
            steps in prop::collection::vec((0..3u32, 256..259u16, 0..400usize, any::<bool>()), 1..80)
        ) {
            let (own, all) = (3 * COST, 5 * COST);
            let mut pending = PendingSets::default();
            let mut list: Vec<Listed> = Vec::new();
            let mut dropped = 0;
            for (id, template, len, take) in steps {
                if take {
                    let taken = pending.take(domain(id), template);
                    let taken: Vec<_> = taken.iter().map(|set| set.body.len()).collect();
                    let is_taken = |set: &Listed| (set.id, set.template) == (id, template);
                    let expected: Vec<_> =
                        list.iter().filter(|set| is_taken(set)).map(|set| set.len).collect();
                    prop_assert_eq!(taken, expected);
                    list.retain(|set| !is_taken(set));
                } else {
                    let room = Room { domain: own, exporter: all, all };
                    pending.hold(domain(id), template, context(), 0, &vec![0; len], room);
                    list.push(Listed { id, template, len });
                    while cost(&list, Some(id)) > own {
                        list.remove(list.iter().position(|set| set.id == id).unwrap());
                        dropped += 1;
                    }
                    while cost(&list, None) > all {
                        list.remove(0);
                        dropped += 1;
                    }
                    prop_assert_eq!(pending.cost(&domain(id)), cost(&list, Some(id)));
                }
            }
            prop_assert_eq!(pending.take_dropped().len(), dropped);
            prop_assert_eq!(pending.sets.len(), list.len());
        }
    }
}
