//! The packet sampling of a window, as most of its flows report it.

/// Counts of the sampling that the flows of a window report, 1 packet in N.
///
/// A window has flows of several exporters, and one that is wrong or forged must not decide for all. So the
/// usual sampling is the one that half of the flows have, and missing answers prove nothing only if at least
/// a tenth of the flows are sampled.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// The number of flows and the sum of their sampling, by the number of bits that the sampling has.
    bits: [(u64, u64); 33],
}

/// One flow in so many must be sampled before a missing answer proves nothing.
const SHARE: u64 = 10;

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { bits: [(0, 0); 33] }
    }
}

impl Sampling {
    /// Adds the sampling of a flow; 0 if the flow does not report any.
    #[inline]
    pub fn add(&mut self, sampling: u32) {
        let bits = (u32::BITS - sampling.leading_zeros()) as usize;
        if let Some((count, sum)) = self.bits.get_mut(bits) {
            *count += 1;
            *sum += u64::from(sampling);
        }
    }

    /// Returns the sampling of the input's marks if no flow reports any, otherwise `self`.
    pub fn or(mut self, marked: Option<u32>) -> Sampling {
        let is_reported = self.bits.iter().skip(1).any(|(count, _)| *count > 0);
        if let Some(marked) = marked.filter(|_| !is_reported) {
            self = Sampling::default();
            self.add(marked);
        }
        self
    }

    /// Returns N of the usual sampling 1 in N; 1 if the usual flow was not sampled. The usual flow is the median,
    /// and N is the mean over the flows whose N has as many bits.
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

    /// Returns true if so many flows are sampled that a missing answer proves nothing.
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

    fn sampling(values: &[(u32, u64)]) -> Sampling {
        let mut sampling = Sampling::default();
        for (value, count) in values {
            (0..*count).for_each(|_| sampling.add(*value));
        }
        sampling
    }

    fn result(sampling: Sampling) -> (u64, bool) {
        (sampling.usual(), sampling.is_sampled())
    }

    #[test]
    fn one_flow_does_not_decide_for_all() {
        assert_eq!(result(sampling(&[])), (1, false));
        assert_eq!(result(sampling(&[(0, 99), (1000, 1)])), (1, false));
        assert_eq!(result(sampling(&[(1, 90), (1000, 10)])), (1, true));
        assert_eq!(result(sampling(&[(1, 1), (100, 99)])), (100, true));
        assert_eq!(result(sampling(&[(100, 50), (u32::MAX, 1)])), (100, true));
        assert_eq!(result(sampling(&[(u32::MAX, 3)])), (u64::from(u32::MAX), true));
    }

    #[test]
    fn marks_count_if_no_flow_reports_its_sampling() {
        assert_eq!(result(sampling(&[(0, 10)]).or(Some(64))), (64, true));
        assert_eq!(result(sampling(&[(1, 10)]).or(Some(64))), (1, false));
        assert_eq!(result(sampling(&[]).or(None)), (1, false));
    }
}
