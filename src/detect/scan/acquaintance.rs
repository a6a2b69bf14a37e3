//! The login ports inside, each with who came to it: what a host does each day is nothing against it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::conversation::Address;
use crate::detect::habit::{Pair, pair};
use crate::detect::slot::WEEK;

/// The most pairs that are stored, some 16 bytes each. A host that tries every login port inside is found in its
/// first window; what it tries then is new, and new pairs beyond the limit go, so that no known one is forgotten.
const MAX: usize = 1 << 18;

/// The pairs of inside hosts that met at a login port, with the slot in which each was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Acquaintances {
    pairs: BTreeMap<Pair, u32>,
    /// Pairs that were seen in the window that is being judged.
    #[serde(skip)]
    seen: Vec<Pair>,
    /// Pairs that were forgotten because there were too many.
    evicted: u64,
}

impl Acquaintances {
    /// Returns how many pairs were forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns true if `src` was seen at the port of `dst` in an earlier window of the week before the slot `now`.
    pub(super) fn knows<A: Address>(&self, hosts: [A; 2], port: u16, now: u32) -> bool {
        let last = self.pairs.get(&pair(hosts, port));
        last.is_some_and(|last| last.saturating_add(WEEK) >= now)
    }

    /// Adds a pair that was seen in the window that is being judged.
    pub(super) fn add<A: Address>(&mut self, hosts: [A; 2], port: u16) {
        self.seen.push(pair(hosts, port));
        if self.seen.len() > 4 * MAX {
            self.trim();
        }
    }

    /// Keeps only the least pairs of the window, so that the order in which they came does not matter.
    fn trim(&mut self) {
        self.seen.sort_unstable();
        self.seen.dedup();
        self.evicted += self.seen.len().saturating_sub(2 * MAX) as u64;
        self.seen.truncate(2 * MAX);
    }

    /// Ends the window, whose last slot is `now`.
    pub(super) fn close(&mut self, now: u32) {
        self.trim();
        self.pairs.retain(|_, last| last.saturating_add(WEEK) >= now);
        for pair in std::mem::take(&mut self.seen) {
            let is_full = self.pairs.len() >= MAX;
            match self.pairs.get_mut(&pair) {
                Some(last) => *last = now,
                None if is_full => self.evicted += 1,
                None => _ = self.pairs.insert(pair, now),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_known_for_a_week() {
        let mut met = Acquaintances::default();
        met.add([1u32, 2], 22);
        assert!(!met.knows([1u32, 2], 22, 10), "the window is not over");
        met.close(10);
        assert!(met.knows([1u32, 2], 22, 11) && !met.knows([2u32, 1], 22, 11));
        met.close(10 + WEEK);
        assert!(met.knows([1u32, 2], 22, 10 + WEEK));
        assert!(!met.knows([1u32, 2], 22, 11 + WEEK));
        met.close(11 + WEEK);
        assert!(met.pairs.is_empty());
    }

    #[test]
    fn a_host_at_every_login_port_does_not_fill_memory() {
        let remember = |order: &mut dyn Iterator<Item = u32>| {
            let mut met = Acquaintances::default();
            for dst in order {
                met.add([1u32, dst], 22);
                assert!(met.seen.len() <= 4 * MAX);
            }
            met.close(1);
            met
        };
        let count = 5 * MAX as u32;
        let met = remember(&mut (0..count));
        assert_eq!(met.pairs.len(), MAX);
        assert_eq!(met.evicted(), u64::from(count) - MAX as u64);
        assert!(remember(&mut (0..count).rev()).pairs == met.pairs, "the order matters");
    }
}
