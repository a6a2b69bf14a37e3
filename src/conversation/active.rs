//! The inside addresses that are in use: a probe of one that is not in use is the best single evidence of a
//! scan.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::address::Address;
use crate::flow::{Flow, Networks, TCP};

/// The most IPv6 addresses in the set. An inside host that forges its source can invent any number of them.
/// When the set is full, no address counts as dark any more, so that no active one is called dark.
const MAX_V6: usize = 1 << 20;

/// The most IPv4 networks of 65,536 addresses in the set, 8 KiB each: together a /8.
const MAX_V4: usize = 256;

/// The fewest packets of a flow whose sender is active. One packet may be the answer to a probe.
const SENT: u64 = 2;
/// The fewest packets of a TCP flow whose receiver is active. Nobody sends so many without an answer.
const RECEIVED: u64 = 10;

/// A set of inside addresses that are in use.
#[derive(Clone, Debug, Default)]
pub struct Active {
    /// A bit for each lower 16 bits of an address, by the upper 16 bits.
    v4: BTreeMap<u16, Vec<u64>>,
    v6: HashSet<u128, RandomState>,
    /// Number of insertions that failed because the set was full.
    dropped: u64,
}

impl Active {
    /// Adds the inside hosts that the flow shows to be in use: its sender if it sent at least two packets,
    /// its receiver if it received at least ten TCP packets.
    pub fn learn(&mut self, flow: &Flow, inside: &Networks) {
        // A router that samples one packet in N shows one packet of many: it is enough if it carried data.
        let bare = if flow.sip.is_ipv4() { u32::BARE } else { u128::BARE };
        let sent_data = flow.sampling > 1 && flow.octets > bare.saturating_mul(flow.packets);
        if (flow.packets >= SENT || sent_data)
            && !self.contains(flow.sip)
            && inside.contains(flow.sip)
        {
            self.insert(flow.sip);
        }
        if flow.proto == TCP
            && flow.packets >= RECEIVED
            && !self.contains(flow.dip)
            && inside.contains(flow.dip)
        {
            self.insert(flow.dip);
        }
    }

    /// Adds an address if the set has room for it.
    pub fn insert(&mut self, host: IpAddr) {
        match host {
            IpAddr::V4(host) => {
                let [a, b, c, d] = host.octets();
                let (upper, lower) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                if self.v4.len() == MAX_V4 && !self.v4.contains_key(&upper) {
                    self.dropped += 1;
                    return;
                }
                let bits = self.v4.entry(upper).or_insert_with(|| vec![0; 1024]);
                if let Some(word) = bits.get_mut(usize::from(lower >> 6)) {
                    *word |= 1 << (lower & 63);
                }
            }
            IpAddr::V6(host) => {
                if self.v6.len() < MAX_V6 {
                    self.v6.insert(host.into());
                } else {
                    self.dropped += 1;
                }
            }
        }
    }

    /// Returns true if the address is in the set.
    pub fn contains(&self, host: IpAddr) -> bool {
        match host {
            IpAddr::V4(host) => {
                let [a, b, c, d] = host.octets();
                let lower = u16::from_be_bytes([c, d]);
                let bits = self.v4.get(&u16::from_be_bytes([a, b]));
                let word = bits.and_then(|bits| bits.get(usize::from(lower >> 6)));
                word.is_some_and(|word| (word >> (lower & 63)) & 1 == 1)
            }
            IpAddr::V6(host) => self.v6.contains(&host.into()),
        }
    }

    /// Returns true for an inside address that is not in the set.
    pub fn lacks(&self, inside: &Networks, host: IpAddr) -> bool {
        inside.contains(host) && !self.contains(host)
    }

    /// Returns true if the set had no room for some address, so that nothing may be called dark.
    pub fn is_full(&self) -> bool {
        self.dropped > 0
    }

    /// Returns all addresses, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.iter().flat_map(|(upper, bits)| {
            let base = u32::from(*upper) << 16;
            let words = (0u32..).zip(bits);
            words.flat_map(move |(n, word)| {
                let set = (0..64).filter(move |bit| (word >> bit) & 1 == 1);
                set.map(move |bit| IpAddr::V4((base | (n << 6) | bit).into()))
            })
        });
        v4.chain(self.v6.iter().map(|host| IpAddr::V6((*host).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(sip: &str, dip: &str, packets: u64) -> Flow {
        Flow {
            sip: sip.parse().unwrap(),
            dip: dip.parse().unwrap(),
            proto: TCP,
            packets,
            octets: packets * 40,
            ..Flow::default()
        }
    }

    fn active(flows: &[Flow]) -> Vec<String> {
        let inside =
            Networks::new(["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        let mut active = Active::default();
        flows.iter().for_each(|flow| active.learn(flow, &inside));
        assert!(active.iter().all(|host| active.contains(host)));
        active.iter().map(|host| host.to_string()).collect()
    }

    #[test]
    fn a_host_is_active_if_it_sends_more_than_an_answer_to_a_probe() {
        assert_eq!(active(&[flow("10.0.0.1", "10.9.255.255", 1)]), [""; 0]);
        assert_eq!(active(&[flow("10.0.0.1", "192.0.2.1", 2)]), ["10.0.0.1"]);
        assert_eq!(active(&[flow("192.0.2.1", "10.9.255.255", 9)]), [""; 0]);
        assert_eq!(active(&[flow("192.0.2.1", "10.9.255.255", 10)]), ["10.9.255.255"]);
        assert_eq!(active(&[flow("2001:db8::1", "2001:db9::1", 2)]), ["2001:db8::1"]);
        let mut sampled = flow("10.0.0.1", "192.0.2.1", 1);
        sampled.sampling = 100;
        assert_eq!(active(&[sampled]), [""; 0], "a reset");
        sampled.octets = 500;
        assert_eq!(active(&[sampled]), ["10.0.0.1"]);
    }

    #[test]
    fn a_full_set_stops_growing_and_says_so() {
        let mut active = Active::default();
        for n in 0..=MAX_V6 as u128 {
            active.insert(IpAddr::V6(n.into()));
        }
        assert!(active.is_full());
        assert_eq!(active.v6.len(), MAX_V6);
    }
}
