//! Packet sampling, as many flows name it, not as a single one does.

/// One packet in how many was seen, over all flows.
///
/// A window has flows of several exporters, and one that is wrong, or forged, must not decide for all: what
/// half of the flows have is usual, and a tenth must be sampled before the missing answers of all mean
/// nothing.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// How many flows have a sampling of so many bits, and the sum of these.
    bits: [(u64, u64); 33],
}

/// Of so many flows one must be sampled before answers are missed.
const SHARE: u64 = 10;

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { bits: [(0, 0); 33] }
    }
}

impl Sampling {
    /// A flow; 0 if it does not say.
    #[inline]
    pub fn see(&mut self, sampling: u32) {
        let bits = (u32::BITS - sampling.leading_zeros()) as usize;
        if let Some((count, sum)) = self.bits.get_mut(bits) {
            *count += 1;
            *sum += u64::from(sampling);
        }
    }

    /// The same where no flow says anything, but the input's marks do.
    pub fn or(mut self, marked: Option<u32>) -> Sampling {
        let is_told = self.bits.iter().skip(1).any(|(count, _)| *count > 0);
        if let Some(marked) = marked.filter(|_| !is_told) {
            self = Sampling::default();
            self.see(marked);
        }
        self
    }

    /// What at least half of the flows have, 1 in N; 1 if they are not sampled.
    pub fn usual(&self) -> u64 {
        let mut left = self.all() / 2;
        for (count, sum) in self.bits {
            if count > left {
                return (sum / count).max(1);
            }
            left -= count;
        }
        1
    }

    /// Whether so much is sampled that an answer that is not there means nothing.
    pub fn is_sampled(&self) -> bool {
        let sampled: u64 = self.bits.iter().skip(2).map(|(count, _)| count).sum();
        sampled > 0 && sampled >= self.all().div_ceil(SHARE)
    }

    fn all(&self) -> u64 {
        self.bits.iter().map(|(count, _)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(u32, u64)]) -> Sampling {
        let mut sampling = Sampling::default();
        for (value, count) in all {
            (0..*count).for_each(|_| sampling.see(*value));
        }
        sampling
    }

    #[test]
    fn one_flow_does_not_decide_for_all() {
        let told = |all: &[(u32, u64)]| (of(all).usual(), of(all).is_sampled());
        assert_eq!(told(&[]), (1, false));
        assert_eq!(told(&[(0, 99), (1000, 1)]), (1, false));
        assert_eq!(told(&[(1, 90), (1000, 10)]), (1, true));
        assert_eq!(told(&[(1, 1), (100, 99)]), (100, true));
        assert_eq!(told(&[(100, 50), (u32::MAX, 1)]), (100, true));
        assert_eq!(told(&[(u32::MAX, 3)]), (u64::from(u32::MAX), true));
    }

    #[test]
    fn marks_speak_where_flows_are_silent() {
        let told = |all: &[(u32, u64)], mark| {
            let sampling = of(all).or(mark);
            (sampling.usual(), sampling.is_sampled())
        };
        assert_eq!(told(&[(0, 10)], Some(64)), (64, true));
        assert_eq!(told(&[(1, 10)], Some(64)), (1, false));
        assert_eq!(told(&[], None), (1, false));
    }
}
