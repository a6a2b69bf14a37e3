//! Whether both directions are exported: every host has a voice, however much it is sent.

use super::{Address, Pairing};

/// Hosts share so many places by a hash: it takes half a megabyte, whatever the input.
const PLACES: usize = 1 << 16;
/// Directions that count of what one place was sent. Of a flood upon a few hosts no more than this is heard.
const VOICES: u64 = 16;

/// Counts directions by who was sent them, and how many of these had their other direction.
#[derive(Debug)]
pub(super) struct Ballot(Vec<(u32, u32)>);

impl Ballot {
    pub(super) fn new() -> Ballot {
        Ballot(vec![(0, 0); PLACES])
    }

    /// A long direction of a conversation, sent to `to`.
    pub(super) fn add<A: Address>(&mut self, to: A, is_paired: bool) {
        // Not random: the same input must come to the same in every run.
        let place = to.digest().wrapping_mul(0x9e37_79b1) >> 16;
        if let Some((long, paired)) = self.0.get_mut(place as usize) {
            *long = long.saturating_add(1);
            *paired = paired.saturating_add(u32::from(is_paired));
        }
    }

    /// All voices.
    pub(super) fn count(&self) -> Pairing {
        let mut all = Pairing::default();
        for &(long, paired) in &self.0 {
            let (long, paired) = (u64::from(long), u64::from(paired));
            let voices = long.min(VOICES);
            all.long += voices;
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
        let mut ballot = Ballot::new();
        (0..200u32).for_each(|host| ballot.add(host, true));
        (0..100_000).for_each(|_| ballot.add(7u32, false));
        assert_eq!(ballot.count(), Pairing { long: 199 + VOICES, paired: 199 });
    }

    #[test]
    fn a_missing_direction_is_heard_from_all() {
        let mut ballot = Ballot::new();
        (0..200u32).for_each(|host| (0..40).for_each(|n| ballot.add(host, n % 2 == 0)));
        let Pairing { long, paired } = ballot.count();
        assert_eq!((long, paired), (200 * VOICES, 100 * VOICES));
    }
}
