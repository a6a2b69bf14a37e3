//! The rate at which hosts are answered, counted so that every host weighs about the same.
//!
//! [`AnswerRate`] serves two questions: whether both directions of traffic are exported, and whether the
//! outside answers at all or there is an outage. In neither may a few hosts with very many flows decide for
//! all.

use super::address::Address;

/// Number of slots that hosts share by a hash: half a MiB, whatever the input.
const SLOTS: usize = 1 << 16;

/// The most directions to one slot that count for the pairing of long flows. It is enough for a single server to
/// show whether both directions are exported, and it limits the weight of a flood of a few hosts.
const MAX_PER_HOST: u64 = 32;

/// The fewest attempts of a host that count for an outage.
const LEAST_ATTEMPTS: u32 = 5;
/// The fewest hosts with so many attempts that can show an outage.
const LEAST_HOSTS: u64 = 4;

/// Long TCP flows of a window, and how many of them have their reverse direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairedFlows {
    /// Directions of TCP conversations that have a flow of at least ten packets and show that they were
    /// answered. At most 32 directions to one host count.
    pub long_flows: u64,
    /// Number of these whose other direction was exported too.
    pub paired: u64,
}

/// Counts of a host, or of the few hosts that share a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    all: u32,
    answered: u32,
}

/// Counts by host: how often something happened, and how often it was answered.
#[derive(Debug)]
pub struct AnswerRate(Vec<Slot>);

impl Default for AnswerRate {
    fn default() -> AnswerRate {
        AnswerRate(vec![Slot::default(); SLOTS])
    }
}

impl AnswerRate {
    /// Adds one event of `host`: a long direction that was sent to it, answered if the other direction was
    /// exported too; or an attempt that it made.
    pub fn add<A: Address>(&mut self, host: A, is_answered: bool) {
        // The hash has no random seed: the same input must give the same counts in every run.
        let slot = host.digest().wrapping_mul(0x9e37_79b1) >> 16;
        if let Some(slot) = self.0.get_mut(slot as usize) {
            slot.all = slot.all.saturating_add(1);
            slot.answered = slot.answered.saturating_add(u32::from(is_answered));
        }
    }

    /// Returns the number of hosts with at least five attempts.
    pub fn hosts(&self) -> u64 {
        self.with_enough().count() as u64
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &AnswerRate) {
        for (slot, more) in self.0.iter_mut().zip(&other.0) {
            slot.all = slot.all.saturating_add(more.all);
            slot.answered = slot.answered.saturating_add(more.answered);
        }
    }

    /// Returns the number of hosts with at least five attempts here, but not in `other`.
    pub fn hosts_without(&self, other: &AnswerRate) -> u64 {
        let both = self.0.iter().zip(&other.0);
        let has_enough = |slot: &Slot| slot.all >= LEAST_ATTEMPTS;
        both.filter(|(own, other)| has_enough(own) && !has_enough(other)).count() as u64
    }

    /// Returns true if nine in ten hosts had nine in ten attempts unanswered, and `None` if fewer than four
    /// hosts made at least five attempts.
    pub fn is_outage(&self) -> Option<bool> {
        let (mut hosts, mut cut_off) = (0, 0);
        for slot in self.with_enough() {
            hosts += 1;
            cut_off += u64::from(u64::from(slot.answered) * 10 <= u64::from(slot.all));
        }
        (hosts >= LEAST_HOSTS).then_some(cut_off * 10 >= hosts * 9)
    }

    fn with_enough(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().filter(|slot| slot.all >= LEAST_ATTEMPTS)
    }

    /// Returns the sum over all hosts, of which each counts for at most [`MAX_PER_HOST`] flows.
    pub(super) fn paired_flows(&self) -> PairedFlows {
        let mut sum = PairedFlows::default();
        for slot in &self.0 {
            let (all, paired) = (u64::from(slot.all), u64::from(slot.answered));
            let counted = all.min(MAX_PER_HOST);
            sum.long_flows += counted;
            sum.paired += paired * counted / all.max(1);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_host_counts_for_at_most_32_flows() {
        let mut rate = AnswerRate::default();
        (0..200u32).for_each(|host| rate.add(host, true));
        (0..100_000).for_each(|_| rate.add(7u32, false));
        assert_eq!(
            rate.paired_flows(),
            PairedFlows { long_flows: 199 + MAX_PER_HOST, paired: 199 }
        );
    }

    #[test]
    fn a_limited_host_keeps_its_share_of_paired_flows() {
        let mut rate = AnswerRate::default();
        (0..200u32).for_each(|host| (0..40).for_each(|n| rate.add(host, n % 2 == 0)));
        let PairedFlows { long_flows, paired } = rate.paired_flows();
        assert_eq!((long_flows, paired), (200 * MAX_PER_HOST, 100 * MAX_PER_HOST));
    }

    #[test]
    fn nine_in_ten_unanswered_hosts_are_an_outage() {
        let is_outage = |hosts: u32, cut_off: u32, attempts: u32| {
            let mut rate = AnswerRate::default();
            for host in 0..hosts {
                (0..attempts).for_each(|n| rate.add(host, host >= cut_off || n * 10 < attempts));
            }
            rate.is_outage()
        };
        assert_eq!(is_outage(4, 4, 10), Some(true));
        assert_eq!(is_outage(20, 18, 10), Some(true));
        assert_eq!(
            is_outage(20, 17, 10),
            Some(false),
            "three hosts are answered: the others are worms"
        );
        assert_eq!([is_outage(3, 3, 10), is_outage(4, 4, 4)], [None; 2], "too few to decide");
    }
}
