//! The last few keys, so that the same row is not written again and again.

/// Number of keys that are remembered. A key that was forgotten is new again; a row that is written twice is
/// merged when the rows are sorted.
const KEPT: usize = 8;

/// The last few keys, as hashes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    hashes: [u64; KEPT],
    next: usize,
}

impl Recent {
    /// Returns true and remembers the key if it is none of the last eight.
    #[inline]
    pub fn is_new(&mut self, hash: u64) -> bool {
        // 0 stands for an empty place.
        let hash = hash | 1;
        if self.hashes.contains(&hash) {
            return false;
        }
        if let Some(oldest) = self.hashes.get_mut(self.next % KEPT) {
            *oldest = hash;
        }
        self.next += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_keys_are_remembered() {
        let mut recent = Recent::default();
        assert!((1..=8).all(|n| recent.is_new(n * 2)));
        assert!(!(1..=8).any(|n| recent.is_new(n * 2)));
        assert!(recent.is_new(18) && recent.is_new(2) && !recent.is_new(18));
    }
}
