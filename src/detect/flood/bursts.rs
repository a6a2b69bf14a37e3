//! Bursts: heavy unanswered traffic of single conversations in their busiest minute.
//!
//! A flood of one minute in a window of ten is a tenth of what it would be in all of it. The rates of a minute find it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::by_proto;
use crate::conversation::Peak;

/// The most bursts of one host that are kept; a flood by more conversations is seen by their number.
const MAX: usize = 1 << 16;

/// The bursts of one host, from others or to others.
#[derive(Debug, Default)]
pub(super) struct Bursts(Vec<Burst>);

/// The busiest minute of what one peer sent, or was sent.
#[derive(Clone, Copy, Debug)]
struct Burst {
    proto: u8,
    peer: IpAddr,
    peak: Peak,
}

impl Bursts {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the busiest minute of a conversation, or of all conversations, with a peer.
    pub(super) fn add(&mut self, proto: u8, peer: IpAddr, peak: Peak) {
        if self.0.len() < MAX {
            self.0.push(Burst { proto, peer, peak });
        }
    }

    /// Returns the busiest minute of one kind of protocol: packets and bytes with the `most` heaviest peers.
    pub(super) fn busiest(&self, most: usize) -> Option<(u8, Peak)> {
        let mut by_peer: BTreeMap<(usize, u32, IpAddr), Burst> = BTreeMap::new();
        for burst in &self.0 {
            let key = (by_proto::kind(burst.proto), burst.peak.minute, burst.peer);
            let none =
                Burst { peak: Peak { minute: burst.peak.minute, ..Peak::default() }, ..*burst };
            by_peer.entry(key).or_insert(none).peak.add(burst.peak);
        }
        let mut all: Vec<Burst> = by_peer.into_values().collect();
        let key = |burst: &Burst| (by_proto::kind(burst.proto), burst.peak.minute);
        all.sort_by_key(|burst| (key(burst), Reverse(burst.peak.packets), burst.peer));
        let sums = all.chunk_by(|a, b| key(a) == key(b)).filter_map(|peers| {
            let Burst { proto, peak: Peak { minute, .. }, .. } = *peers.first()?;
            let mut sum = Peak { minute, ..Peak::default() };
            peers.iter().take(most).for_each(|burst| sum.add(burst.peak));
            Some((proto, sum))
        });
        sums.max_by_key(|(_, sum)| (sum.packets, sum.bytes, Reverse(sum.minute)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{TCP, UDP};

    #[test]
    fn the_busiest_minute_is_of_one_kind_of_protocol() {
        let mut bursts = Bursts::default();
        let mut add = |proto, peer: u8, minute, packets| {
            let peak = Peak { packets, bytes: 10 * packets, minute };
            bursts.add(proto, [10, 0, 0, peer].into(), peak);
        };
        add(UDP, 1, 5, 2_000);
        add(UDP, 2, 5, 3_000);
        add(UDP, 1, 5, 1_000);
        add(UDP, 1, 6, 5_000);
        add(TCP, 1, 5, 5_500);
        let peak = |packets, minute| Peak { packets, bytes: 10 * packets, minute };
        assert_eq!(bursts.busiest(10), Some((UDP, peak(6_000, 5))));
        assert_eq!(bursts.busiest(1), Some((TCP, peak(5_500, 5))));
        bursts.clear();
        assert_eq!(bursts.busiest(10), None);
    }
}
