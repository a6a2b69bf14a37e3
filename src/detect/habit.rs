//! Habits: connections without data that a host opens to the same port of the same host in window after window.
//!
//! A monitor that checks whether a server is there opens a connection and closes it again. In a single window that
//! looks like a scanner that found an open port; but a scanner does not come back to the same ports every ten minutes
//! for an hour.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::conversation::Address;

/// The windows in a row, the one that is judged included, that make a habit: an hour of ten minutes each.
const WINDOWS: u32 = 6;

/// The most pairs that are stored, some 16 bytes each. A flood of forged sources upon an open port makes as many pairs
/// as it has sources. Beyond the limit, those that are new go, so that no habit is forgotten.
const MAX: usize = 1 << 18;

/// A source, a host and its port. Addresses are digests: those of IPv4 are exact, those of IPv6 are hashes.
pub(super) type Pair = (u32, u32, u16);

/// Returns the pair of `src` and a port of `dst`.
pub(super) fn pair<A: Address>([src, dst]: [A; 2], port: u16) -> Pair {
    (src.digest(), dst.digest(), port)
}

/// The pairs of hosts whose connections were accepted without data, with how often in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Habits {
    /// Windows in a row in which each pair was seen, up to the last one that was learned.
    runs: BTreeMap<Pair, u32>,
    /// Pairs that were seen in the window that is being judged.
    #[serde(skip)]
    seen: BTreeSet<Pair>,
    /// Pairs that were forgotten because there were too many.
    evicted: u64,
}

impl Habits {
    /// Returns how many pairs are stored, and how many were forgotten because there were too many.
    pub(super) fn sizes(&self) -> (u64, u64) {
        (self.runs.len() as u64, self.evicted)
    }

    /// Returns true if a connection from `src` to a port of `dst` that is accepted in this window is a habit.
    pub(super) fn is_habit<A: Address>(&self, hosts: [A; 2], port: u16) -> bool {
        self.runs.get(&pair(hosts, port)).is_some_and(|run| run + 1 >= WINDOWS)
    }

    /// Adds a connection that was accepted in the window that is being judged.
    pub(super) fn add<A: Address>(&mut self, hosts: [A; 2], port: u16) {
        self.seen.insert(pair(hosts, port));
        if self.seen.len() > 3 * MAX {
            self.trim();
        }
    }

    /// Drops new pairs beyond the limit: the greatest, so that the order in which they came does not matter.
    fn trim(&mut self) {
        let Habits { runs, seen, .. } = self;
        let (known, new): (BTreeSet<Pair>, BTreeSet<Pair>) =
            std::mem::take(seen).into_iter().partition(|pair| runs.contains_key(pair));
        let room = MAX.saturating_sub(known.len());
        self.evicted += new.len().saturating_sub(room) as u64;
        *seen = known;
        seen.extend(new.into_iter().take(room));
    }

    /// Ends the window: a pair that was not seen in it begins anew.
    pub(super) fn close(&mut self) {
        self.trim();
        let runs = std::mem::take(&mut self.runs);
        let run = |pair: Pair| (pair, runs.get(&pair).map_or(1, |run| (run + 1).min(WINDOWS)));
        self.runs = std::mem::take(&mut self.seen).into_iter().map(run).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_windows_in_a_row_make_a_habit() {
        let mut habits = Habits::default();
        for n in 0..9 {
            assert_eq!(habits.is_habit([1u32, 2], 80), n >= 5, "window {n}");
            assert!(!habits.is_habit([1u32, 2], 81) && !habits.is_habit([2u32, 1], 80));
            habits.add([1u32, 2], 80);
            habits.close();
        }
        habits.close();
        assert!(!habits.is_habit([1u32, 2], 80), "a window without it");
    }

    #[test]
    fn a_flood_of_forged_sources_does_not_drive_out_a_habit() {
        let mut habits = Habits::default();
        let monitor = [u32::MAX, u32::MAX];
        for n in 0..6 {
            habits.add(monitor, 80);
            if n > 0 {
                (0..4 * MAX as u32).for_each(|src| habits.add([src, 7], 80));
            }
            assert!(habits.seen.len() <= 3 * MAX);
            habits.close();
            assert!(habits.runs.len() <= MAX);
        }
        assert!(habits.is_habit(monitor, 80));
        assert!(habits.sizes().1 > 0);
    }
}
