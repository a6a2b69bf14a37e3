//! What most hosts say, each of which has a voice, however much it sends or is sent: whether both directions
//! are exported, and whether anybody outside answers at all.

use super::{Address, PairedFlows};

/// Hosts share so many places by a hash: it takes half a megabyte, whatever the input.
const SLOTS: usize = 1 << 16;
/// Directions that count of what one place was sent: enough that a single server's say whether both are
/// exported, and of a flood upon a few hosts no more than this is heard.
const MOST_PER_HOST: u64 = 32;

/// With fewer conversations a host says nothing of who answers it, and with fewer hosts nobody does.
const LEAST_ATTEMPTS: u32 = 5;
const LEAST_HOSTS: u64 = 4;

/// Counts by host, and how many of these went well.
#[derive(Debug)]
pub struct AnswerRate(Vec<(u32, u32)>);

impl Default for AnswerRate {
    fn default() -> AnswerRate {
        AnswerRate(vec![(0, 0); SLOTS])
    }
}

impl AnswerRate {
    /// One more of a host: a long direction that was sent to it and was paired, or a question of it that was
    /// answered.
    pub fn add<A: Address>(&mut self, host: A, went_well: bool) {
        // Not random: the same input must come to the same in every run.
        let place = host.digest().wrapping_mul(0x9e37_79b1) >> 16;
        if let Some((all, well)) = self.0.get_mut(place as usize) {
            *all = all.saturating_add(1);
            *well = well.saturating_add(u32::from(went_well));
        }
    }

    /// Hosts that say anything.
    pub fn hosts(&self) -> u64 {
        self.0.iter().filter(|(all, _)| *all >= LEAST_ATTEMPTS).count() as u64
    }

    /// Whether it went wrong nine times in ten for nine in ten hosts; `None` if too few say anything.
    pub fn is_outage(&self) -> Option<bool> {
        let asked = self.0.iter().filter(|(all, _)| *all >= LEAST_ATTEMPTS);
        let (hosts, lost) = asked.fold((0, 0), |(hosts, lost), (all, well)| {
            (hosts + 1, lost + u64::from(u64::from(*well) * 10 <= u64::from(*all)))
        });
        (hosts >= LEAST_HOSTS).then_some(lost * 10 >= hosts * 9)
    }

    /// All voices.
    pub(super) fn count(&self) -> PairedFlows {
        let mut all = PairedFlows::default();
        for &(long, paired) in &self.0 {
            let (long, paired) = (u64::from(long), u64::from(paired));
            let voices = long.min(MOST_PER_HOST);
            all.long_flows += voices;
            all.paired += paired * voices / long.max(1);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_upon_a_few_hosts_is_one_voice_among_many() {
        let mut ballot = AnswerRate::default();
        (0..200u32).for_each(|host| ballot.add(host, true));
        (0..100_000).for_each(|_| ballot.add(7u32, false));
        assert_eq!(ballot.count(), PairedFlows { long_flows: 199 + MOST_PER_HOST, paired: 199 });
    }

    #[test]
    fn a_missing_direction_is_heard_from_all() {
        let mut ballot = AnswerRate::default();
        (0..200u32).for_each(|host| (0..40).for_each(|n| ballot.add(host, n % 2 == 0)));
        let PairedFlows { long_flows: long, paired } = ballot.count();
        assert_eq!((long, paired), (200 * MOST_PER_HOST, 100 * MOST_PER_HOST));
    }

    #[test]
    fn when_hardly_anybody_is_answered_it_is_an_outage() {
        let of = |hosts: u32, lost: u32, asks: u32| {
            let mut ballot = AnswerRate::default();
            for host in 0..hosts {
                (0..asks).for_each(|n| ballot.add(host, host >= lost || n * 10 < asks));
            }
            ballot.is_outage()
        };
        assert_eq!(of(4, 4, 10), Some(true));
        assert_eq!(of(20, 18, 10), Some(true));
        assert_eq!(of(20, 17, 10), Some(false), "some are answered: the others are worms");
        assert_eq!([of(3, 3, 10), of(4, 4, 4)], [None; 2], "too few to say so");
    }
}
