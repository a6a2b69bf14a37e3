//! Random numbers: the generator and the tables that everything random in a scenario comes from.
//!
//! All of it is integer arithmetic, and a publication fixes the generator (PCG XSL-RR 128/64 MCG, O'Neill,
//! HMC-CS-2014-0905), so one seed plays the same flows on every machine. `seed_from_u64` is not used, because
//! its result may change with the version of the crate.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// Returns a fixed hash of two words: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b);
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of random words.
#[derive(Clone, Debug)]
pub(super) struct Dice(Pcg64Mcg);

impl Dice {
    /// Returns the stream of a seed, a place (mostly the start of a window) and a purpose.
    pub(super) fn new(seed: u64, place: u64, purpose: u64) -> Dice {
        let high = mix(mix(seed, place), purpose);
        let low = mix(high, seed);
        Dice(Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low)))
    }

    /// Returns 64 random bits.
    pub(super) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number below `n`, which is at least 1.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        (((self.word() >> 32) * u64::from(n)) >> 32) as u32
    }

    /// Returns a number below `n`, which is at least 1 and may have more than 32 bits.
    pub(super) fn below_wide(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }

    /// Returns a number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// Returns a port from `low` to `high`, both included.
    pub(super) fn port(&mut self, low: u16, high: u16) -> u16 {
        low + self.below(u32::from(high - low) + 1) as u16
    }

    /// Returns true with a probability of `n` in a thousand.
    pub(super) fn permille(&mut self, n: u32) -> bool {
        self.below(1000) < n
    }

    /// Returns a heavy-tailed number between two neighbours of `bounds`. Each pair of neighbours is half as
    /// likely as the one before it. Bounds that grow by 1.78 give a Pareto tail with exponent 1.2, as web
    /// replies have (Crovella and Bestavros, IEEE/ACM ToN 1997). `bounds` has at least two entries.
    pub(super) fn tail(&mut self, bounds: &[u32]) -> u32 {
        let word = self.word();
        let level = (word.trailing_zeros() as usize).min(bounds.len() - 2);
        let (low, high) = (bounds[level], bounds[level + 1]);
        low + (((word >> 32) * u64::from(high - low)) >> 32) as u32
    }
}

/// A table to draw an index by weight in constant time (Walker's alias method, in whole numbers).
#[derive(Clone, Debug)]
pub(super) struct Alias(Vec<(u32, u32)>);

impl Alias {
    /// Returns the table of at least one weight. The sum of the weights times their count must be below 2^63
    /// and not zero.
    pub(super) fn new(weights: &[u64]) -> Alias {
        let count = weights.len() as u64;
        let total: u64 = weights.iter().sum();
        let mut scaled: Vec<u64> = weights.iter().map(|w| w * count).collect();
        let mut cells: Vec<(u32, u32)> = (0..weights.len() as u32).map(|i| (u32::MAX, i)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..scaled.len()).partition(|&i| scaled[i] < total);
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            let keep = (u128::from(scaled[poor]) << 32) / u128::from(total);
            cells[poor] = (keep as u32, rich as u32);
            scaled[rich] -= total - scaled[poor];
            if scaled[rich] < total {
                large.pop();
                small.push(rich);
            }
        }
        Alias(cells)
    }

    /// Returns the table of Zipf's law with exponent 1, flattened at the head: rank r (from 0) weighs
    /// 1/(r + flat).
    pub(super) fn zipf(count: usize, flat: u64) -> Alias {
        let weights: Vec<u64> = (0..count as u64).map(|rank| (1 << 40) / (rank + flat)).collect();
        Alias::new(&weights)
    }

    /// Draws an index.
    pub(super) fn pick(&self, dice: &mut Dice) -> usize {
        let word = dice.word();
        let cell = (((word >> 32) * self.0.len() as u64) >> 32) as usize;
        let (keep, other) = self.0[cell];
        if (word as u32) < keep { cell } else { other as usize }
    }
}

/// A random order of the numbers below `n`, in constant memory: a Feistel network of four rounds, applied
/// until the result is below `n` (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002).
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    key: u64,
    n: u32,
    /// The number of bits of each half.
    half: u32,
}

impl Order {
    /// Returns an order of the numbers below `n`, which is at least 1.
    pub(super) fn new(key: u64, n: u32) -> Order {
        let bits = u32::BITS - n.saturating_sub(1).leading_zeros();
        Order { key, n: n.max(1), half: bits.div_ceil(2).max(1) }
    }

    /// Returns the number at a place, modulo `n`.
    pub(super) fn at(&self, place: u64) -> u32 {
        let mask = (1u64 << self.half) - 1;
        let mut word = place % u64::from(self.n);
        loop {
            let (mut left, mut right) = (word >> self.half, word & mask);
            for round in 0..4 {
                (left, right) = (right, left ^ mix(self.key, (right << 8) | round) & mask);
            }
            word = (left << self.half) | right;
            if word < u64::from(self.n) {
                return word as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_table_draws_by_weight() {
        let weights = [1, 0, 700, 99, 200];
        let alias = Alias::new(&weights);
        let mut dice = Dice::new(1, 2, 3);
        let mut seen = [0u64; 5];
        for _ in 0..1_000_000 {
            seen[alias.pick(&mut dice)] += 1;
        }
        for (seen, weight) in seen.into_iter().zip(weights) {
            // Five standard deviations of the largest weight.
            assert!(seen.abs_diff(weight * 1000) < 2_300, "{seen} for {weight}");
        }
        assert_eq!(seen[1], 0);
    }

    #[test]
    fn random_numbers_stay_in_their_range() {
        let mut dice = Dice::new(7, 0, 0);
        let mut seen = [false; 6];
        for _ in 0..1000 {
            seen[dice.between(0, 5) as usize] = true;
            assert!(dice.below_wide(3) < 3);
            assert_eq!(dice.port(65_535, 65_535), 65_535);
            let tail = dice.tail(&[10, 20, 40]);
            assert!((10..40).contains(&tail), "{tail}");
        }
        assert_eq!(seen, [true; 6]);
    }

    #[test]
    fn an_order_contains_every_number_once() {
        for n in [1, 2, 3, 254, 1000, 65_535, 65_536] {
            let order = Order::new(9, n);
            let mut seen: Vec<u32> = (0..u64::from(n)).map(|place| order.at(place)).collect();
            assert!(n < 254 || !seen.is_sorted());
            assert_eq!(order.at(u64::from(n) + 1), seen[1 % n as usize]);
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n), "{n}");
        }
    }
}
