//! Which of our addresses are in use: a probe of one that is not is the best single evidence of a scan.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Address;
use crate::flow::{Flow, Networks, TCP};

/// Inside addresses of IPv6 that are told apart at most: an inside host that forges its source can
/// invent any number of them. Beyond, every address counts as active, so that nothing is called dark
/// that is not.
const MAX_V6: usize = 1 << 20;

/// IPv4 networks of 65,536 addresses that are told apart at most, 8 KiB each: a /8.
const MAX_V4: usize = 256;

/// A flow of so many packets is more than an answer to a probe.
const SENT: u64 = 2;
/// A TCP flow of so many packets was received by somebody who answered.
const RECEIVED: u64 = 10;

/// A set of inside addresses.
#[derive(Clone, Debug, Default)]
pub struct Active {
    /// Bits of the lower 16 bits, by the upper 16.
    v4: BTreeMap<u16, Vec<u64>>,
    v6: HashSet<u128, RandomState>,
    /// Addresses that were not kept for want of room.
    dropped: u64,
}

impl Active {
    /// Learns from a flow: whoever sent two packets or more, or received ten of TCP, is there.
    pub fn see(&mut self, flow: &Flow, inside: &Networks) {
        // Of what a router saw one packet in N, one packet is news enough if it carried something.
        let bare = if flow.sip.is_ipv4() { u32::BARE } else { u128::BARE };
        let sent = flow.sampling > 1 && flow.octets > bare.saturating_mul(flow.packets);
        if (flow.packets >= SENT || sent) && !self.holds(flow.sip) && inside.contains(flow.sip) {
            self.insert(flow.sip);
        }
        if flow.proto == TCP
            && flow.packets >= RECEIVED
            && !self.holds(flow.dip)
            && inside.contains(flow.dip)
        {
            self.insert(flow.dip);
        }
    }

    /// Adds an address.
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
            IpAddr::V6(host) => match self.v6.len() < MAX_V6 {
                true => _ = self.v6.insert(host.into()),
                false => self.dropped += 1,
            },
        }
    }

    /// Whether the address is in it.
    pub fn holds(&self, host: IpAddr) -> bool {
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

    /// Whether it is an inside address that is not in it.
    pub fn lacks(&self, inside: &Networks, host: IpAddr) -> bool {
        inside.contains(host) && !self.holds(host)
    }

    /// Whether nothing may be called dark for lack of room.
    pub fn is_full(&self) -> bool {
        self.dropped > 0
    }

    /// All addresses, in no order that means anything.
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

    fn seen(flows: &[Flow]) -> Vec<String> {
        let inside =
            Networks::new(["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        let mut active = Active::default();
        flows.iter().for_each(|flow| active.see(flow, &inside));
        assert!(active.iter().all(|host| active.holds(host)));
        active.iter().map(|host| host.to_string()).collect()
    }

    #[test]
    fn a_host_is_there_that_says_more_than_an_answer_to_a_probe() {
        assert_eq!(seen(&[flow("10.0.0.1", "10.9.255.255", 1)]), [""; 0]);
        assert_eq!(seen(&[flow("10.0.0.1", "192.0.2.1", 2)]), ["10.0.0.1"]);
        assert_eq!(seen(&[flow("192.0.2.1", "10.9.255.255", 9)]), [""; 0]);
        assert_eq!(seen(&[flow("192.0.2.1", "10.9.255.255", 10)]), ["10.9.255.255"]);
        assert_eq!(seen(&[flow("2001:db8::1", "2001:db9::1", 2)]), ["2001:db8::1"]);
        let mut sampled = flow("10.0.0.1", "192.0.2.1", 1);
        sampled.sampling = 100;
        assert_eq!(seen(&[sampled]), [""; 0], "a reset");
        sampled.octets = 500;
        assert_eq!(seen(&[sampled]), ["10.0.0.1"]);
    }

    #[test]
    fn a_full_set_calls_nothing_dark() {
        let mut active = Active::default();
        for n in 0..=MAX_V6 as u128 {
            active.insert(IpAddr::V6(n.into()));
        }
        assert!(active.is_full());
        assert_eq!(active.v6.len(), MAX_V6);
    }
}
