//! The distinct sources of a host over several traffic sums.
//!
//! Sums count a source once for each protocol. [`SourceSet`] corrects that at the end of the host.

use std::net::IpAddr;

use super::traffic_sum::TrafficSum;

/// The most distinct sources of a host. With more, a source that floods by two protocols counts twice.
const MAX_SOURCES: usize = 1 << 20;

// The traffic sums of a host, as bits.

/// Bit of the failed attempts, without port scans.
pub(super) const FAILED: u8 = 1;
/// Bit of the failed attempts of port scans and of checks.
pub(super) const SCANS: u8 = 2;
/// Bit of all traffic to the host without an answer.
pub(super) const ONE_WAY: u8 = 4;
/// Bit of the UDP traffic to the host without an answer.
pub(super) const DATAGRAMS: u8 = 8;
/// Bit of unsolicited TCP answers.
pub(super) const ANSWERS: u8 = 16;
/// Bit of the traffic that the host sent without an answer.
pub(super) const SENT: u8 = 32;
/// Bit of the failed attempts by protocols without ports.
pub(super) const OTHERS: u8 = 64;
/// Bit of large datagram streams.
pub(super) const STREAMS: u8 = 128;

/// The sources of a host, and the sums that each of them is part of.
#[derive(Debug, Default)]
pub(super) struct SourceSet {
    all: Vec<(IpAddr, u8)>,
    /// Number of times that a source was added again to a sum that it was part of, by the sum's bit.
    repeated: [u64; 8],
    is_full: bool,
}

impl SourceSet {
    pub(super) fn clear(&mut self) {
        self.all.clear();
        (self.repeated, self.is_full) = ([0; 8], false);
    }

    /// Adds a source to the sums whose bits are set in `sums`; it may be part of them by another protocol.
    pub(super) fn add(&mut self, source: IpAddr, sums: u8) {
        if self.is_full {
            return;
        }
        self.all.push((source, sums));
        if self.all.len() >= 2 * MAX_SOURCES {
            self.merge();
            self.is_full = self.all.len() >= MAX_SOURCES;
        }
    }

    fn merge(&mut self) {
        // The sources of each protocol came in order, so there is little to sort.
        self.all.sort_by_key(|(source, _)| *source);
        let repeated = &mut self.repeated;
        self.all.dedup_by(|(source, more), (first, bits)| {
            let is_same = source == first;
            if is_same {
                for (bit, count) in repeated.iter_mut().enumerate() {
                    *count += u64::from(*more & *bits & (1 << bit) != 0);
                }
                *bits |= *more;
            }
            is_same
        });
    }

    /// Corrects the number of sources of each sum, given with its bit: a source that was counted several
    /// times counts once.
    pub(super) fn count_once(&mut self, sums: [(u8, &mut TrafficSum); 8]) {
        self.merge();
        for (bit, sum) in sums {
            sum.sources -= self.repeated.get(bit.trailing_zeros() as usize).copied().unwrap_or(0);
        }
    }

    /// Returns the sources that are part of one of these sums, each once.
    pub(super) fn of(&self, sums: u8) -> impl Iterator<Item = IpAddr> {
        self.all.iter().filter(move |(_, bits)| bits & sums != 0).map(|(source, _)| *source)
    }

    /// Returns how many sources are part of one of the sums `any`, and of `sum` too.
    pub(super) fn shared(&self, any: u8, sum: u8) -> u64 {
        self.all.iter().filter(|(_, bits)| bits & any != 0 && bits & sum != 0).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_counts_once_in_each_sum() {
        let count = |sources: u32| {
            let mut set = SourceSet::default();
            let [mut failed, mut scans, mut one_way, mut datagrams, mut answers, mut sent] =
                [(); 6].map(|()| TrafficSum::new());
            let [mut others, mut streams] = [(); 2].map(|()| TrafficSum::new());
            for (sum, others) in [(FAILED, 0), (FAILED, DATAGRAMS), (SCANS, 0)] {
                for source in 0..sources {
                    set.add(IpAddr::V4(source.into()), ONE_WAY | sum | others);
                    one_way.sources += 1;
                    failed.sources += u64::from(sum == FAILED);
                    scans.sources += u64::from(sum == SCANS);
                    datagrams.sources += u64::from(others == DATAGRAMS);
                }
            }
            set.count_once([
                (FAILED, &mut failed),
                (SCANS, &mut scans),
                (ONE_WAY, &mut one_way),
                (DATAGRAMS, &mut datagrams),
                (ANSWERS, &mut answers),
                (SENT, &mut sent),
                (OTHERS, &mut others),
                (STREAMS, &mut streams),
            ]);
            let both = set.shared(FAILED, SCANS);
            [failed, scans, one_way, datagrams].map(|sum| sum.sources).into_iter().chain([both])
        };
        for sources in [7, MAX_SOURCES as u32 - 1] {
            assert!(count(sources).all(|count| count == u64::from(sources)), "{sources}");
        }
        // A full set leaves no source out of the sums.
        assert!(count(MAX_SOURCES as u32 + 9).take(4).all(|count| count > MAX_SOURCES as u64));
    }
}
