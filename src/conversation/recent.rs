//! What was just seen, so that it need not be written again.

/// Keys that are remembered. With more, some are seen anew; what is written twice falls together when it
/// is sorted.
const KEPT: usize = 8;

/// The last few keys, as hashes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recent {
    hashes: [u64; KEPT],
    next: usize,
}

impl Recent {
    /// Whether a key is none of the last ones, of which it is one now.
    #[inline]
    pub fn is_new(&mut self, hash: u64) -> bool {
        // 0 is an empty place.
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
    fn eight_are_remembered() {
        let mut recent = Recent::default();
        assert!((1..=8).all(|n| recent.is_new(n * 2)));
        assert!(!(1..=8).any(|n| recent.is_new(n * 2)));
        assert!(recent.is_new(18) && recent.is_new(2) && !recent.is_new(18));
    }
}
