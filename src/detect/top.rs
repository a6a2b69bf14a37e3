//! A list of the few entries that have the most flows.

/// The `N` entries with the most flows of all that were offered. Of two entries with as many flows, the smaller one
/// comes first.
#[derive(Clone, Debug)]
pub(super) struct Top<T, const N: usize> {
    /// Entries and their flows, greatest first.
    kept: Vec<(u64, T)>,
}

impl<T: Ord + Copy, const N: usize> Top<T, N> {
    pub(super) fn new() -> Top<T, N> {
        Top { kept: Vec::with_capacity(N + 1) }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Offers an entry, which is kept if it is among the greatest.
    pub(super) fn offer(&mut self, flows: u64, entry: T) {
        let place = self.kept.partition_point(|&(f, e)| f > flows || (f == flows && e < entry));
        if place < N {
            self.kept.insert(place, (flows, entry));
            self.kept.truncate(N);
        }
    }

    /// Returns the entries that were kept, greatest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, T)> {
        self.kept.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_top_is_the_head_of_the_sorted_list(entries in proptest::collection::vec(0u64..9, 0..40)) {
            let mut top = Top::<usize, 5>::new();
            let mut all: Vec<_> = entries.iter().copied().zip(0..).collect();
            all.iter().for_each(|&(flows, entry)| top.offer(flows, entry));
            all.sort_by_key(|&(flows, entry)| (std::cmp::Reverse(flows), entry));
            all.truncate(5);
            prop_assert_eq!(top.iter().collect::<Vec<_>>(), all);
        }
    }
}
