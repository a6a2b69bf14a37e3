//! Signs that the sources of a flood are forged.
//!
//! They help to read a finding and prove nothing: no host is blocked for being a source.

use std::net::IpAddr;

use crate::detect::threshold::percent;

/// The distribution of the sources of one protocol, counted as they are added in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// Number of sources.
    pub count: u64,
    /// Number of conversations of all sources.
    flows: u64,
    /// Number of sources with a single conversation.
    pub single: u64,
    /// Number of sources with an address that no router should forward.
    pub bogons: u64,
    /// Number of inside sources that came in at an outside interface.
    pub spoofed: u64,
    /// Number of distinct /16s of the sources.
    pub cells: u64,
    /// Number of pairs of sources that share a /16.
    pub pairs: u64,
    /// The /16 of the last source.
    cell: Option<u32>,
    /// Number of sources in that /16 so far.
    members: u64,
}

/// A sign that sources are forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// This many sources have addresses that no Internet host has.
    Bogons(u64),
    /// This many sources have inside addresses and came in from outside.
    Spoofed(u64),
    /// The sources are spread as if drawn at random from this many /16s.
    Drawn(u64),
}

/// The least number of forged sources that are a sign, and the least percentage of all sources. Fewer are strays.
const LEAST_FORGED: u64 = 5;
const LEAST_FORGED_PERCENT: u64 = 5;
/// The fewest pairs of sources in the same /16 that are a sign. With fewer, ordinary clients look random too.
const LEAST_PAIRS: u64 = 50;
/// The fewest /16 networks that are a sign. Any group of hosts looks evenly spread over fewer.
const LEAST_CELLS: u64 = 20;

impl Sources {
    /// Adds the next source with its number of conversations.
    pub(super) fn add(&mut self, source: IpAddr, flows: u64, is_inside: bool, is_spoofed: bool) {
        self.count += 1;
        self.flows = self.flows.saturating_add(flows);
        self.single += u64::from(flows == 1);
        self.bogons += u64::from(!is_inside && is_bogon(source));
        self.spoofed += u64::from(is_spoofed);
        if let IpAddr::V4(source) = source {
            let cell = Some(u32::from(source) >> 16);
            if self.cell != cell {
                (self.cell, self.members) = (cell, 0);
                self.cells += 1;
            }
            self.pairs += self.members;
            self.members += 1;
        }
    }

    /// Returns the strongest sign that the sources are forged, if there is one.
    pub(super) fn sign(&self) -> Option<Sign> {
        // The share is of the conversations if they are more: a few strays beside one attacker are no sign.
        let whole = self.count.max(self.flows);
        let are_many =
            |part: u64| part >= LEAST_FORGED && percent(part, whole) >= LEAST_FORGED_PERCENT;
        if are_many(self.spoofed) {
            Some(Sign::Spoofed(self.spoofed))
        } else if are_many(self.bogons) {
            Some(Sign::Bogons(self.bogons))
        } else {
            self.drawn().map(Sign::Drawn)
        }
    }

    /// Returns the number of /16s that the sources were drawn from, if they look drawn at random.
    ///
    /// If n sources are drawn from K cells with equal chances, n*n/2K pairs share a cell, and
    /// K(1 - (1 - 1/K)^n) cells are hit. The pairs give K, and the number of cells must then agree within
    /// 1 %. Real hosts lie together in the networks of some providers: they make far more pairs than the
    /// number of cells lets expect. At least 95 % of the sources must have a single conversation, because a
    /// forged source is hardly ever drawn twice.
    fn drawn(&self) -> Option<u64> {
        let is_enough = self.pairs >= LEAST_PAIRS && self.cells >= LEAST_CELLS;
        if !is_enough || self.single * 100 < self.count * 95 {
            return None;
        }
        let (count, pairs) = (self.count as f64, self.pairs as f64);
        let range = count * count / (2.0 * pairs);
        let hit = range * -(count * (-1.0 / range).ln_1p()).exp_m1();
        let is_even = (self.cells as f64 - hit).abs() <= hit / 100.0;
        is_even.then_some(range.round() as u64)
    }
}

/// Returns true if no Internet host has the address.
///
/// For IPv4 these are the special-purpose addresses (RFC 6890 and its registries), multicast and reserved
/// addresses (RFC 1112 section 4); for IPv6 all addresses outside the allocated 2000::/3 (RFC 4291
/// section 2.4).
pub(super) fn is_bogon(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            matches!(
                (a, b, c),
                (0 | 10 | 127 | 224.., ..)
                    | (100, 64..=127, _)
                    | (169, 254, _)
                    | (172, 16..=31, _)
                    | (192, 168, _)
                    | (192, 0, 0 | 2)
                    | (198, 18 | 19, _)
                    | (198, 51, 100)
                    | (203, 0, 113)
            )
        }
        // Documentation addresses are no bogons here, because examples and nfgen's scenarios use them.
        IpAddr::V6(address) => address.segments()[0] >> 13 != 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(all: impl Iterator<Item = u32>) -> Sources {
        let mut all: Vec<u32> = all.collect();
        all.sort_unstable();
        all.dedup();
        let mut sources = Sources::default();
        all.iter().for_each(|source| sources.add(IpAddr::V4((*source).into()), 1, false, false));
        sources
    }

    /// Returns a number that looks random, the same in every run.
    fn random(n: u32) -> u32 {
        let mut x = u64::from(n).wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 29;
        x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 32) as u32
    }

    /// Returns an address that looks random and is no bogon.
    fn public(n: u32) -> u32 {
        (0..)
            .map(|k| random(n.wrapping_mul(31).wrapping_add(k)))
            .find(|a| !is_bogon(IpAddr::V4((*a).into())))
            .unwrap()
    }

    #[test]
    fn evenly_drawn_sources_are_forged() {
        let all = sources((0..40_000).map(public));
        let Some(Sign::Drawn(range)) = all.sign() else { panic!("{all:?}") };
        // All unicast addresses but the special ones.
        assert!((50_000..60_000).contains(&range), "{range}");
        let few = sources((0..20_000).map(|n| 0x2900_0000 | random(n) & 0xff_ffff));
        assert!(matches!(few.sign(), Some(Sign::Drawn(200..300))), "{few:?}");
    }

    #[test]
    fn sources_that_cluster_in_networks_are_not_forged() {
        // Networks of 1 to 200 hosts.
        let of = |n: u32| {
            (0..1 + random(n) % 200).map(move |k| public(n) & 0xffff_0000 | random(k) & 0xffff)
        };
        assert_eq!(sources((0..100).flat_map(of)).sign(), None);
        // Most networks have one host, some have a few: the widest spread of real attackers.
        let of = |n: u32| {
            let hosts = if n % 10 == 0 { 12 } else { 1 };
            (0..hosts).map(move |k| public(n) & 0xffff_0000 | random(n + k) & 0xffff)
        };
        assert_eq!(sources((0..3_000).flat_map(of)).sign(), None);
        // A single network, and too few sources to decide.
        assert_eq!(sources((0..5_000).map(|n| 0x8c77_0000 | random(n) & 0xffff)).sign(), None);
        assert_eq!(sources((0..1_000).map(public)).sign(), None);
    }

    #[test]
    fn sources_with_several_conversations_are_not_forged() {
        let mut all = sources((0..40_000).map(public));
        all.single = 37_000;
        assert_eq!(all.sign(), None);
    }

    #[test]
    fn bogons_and_inside_addresses_from_outside_are_forged() {
        let some = |bogons: u32| {
            let strange = (0..bogons).map(|n| 0x0a00_0000 + n);
            sources((0..100 - bogons).map(public).chain(strange)).sign()
        };
        assert_eq!(some(5), Some(Sign::Bogons(5)));
        assert_eq!(some(4), None);
        let mut ours = Sources::default();
        for n in 0..100u8 {
            ours.add([10, 0, 0, n].into(), 1, true, n < 5);
        }
        assert_eq!(ours.sign(), Some(Sign::Spoofed(5)));
    }

    #[test]
    fn special_purpose_addresses_are_bogons() {
        for (address, expected) in [
            ("0.0.0.1", true),
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("100.63.1.1", false),
            ("100.127.255.255", true),
            ("126.1.1.1", false),
            ("172.15.0.1", false),
            ("172.31.0.1", true),
            ("192.0.2.7", true),
            ("192.0.3.1", false),
            ("198.17.0.1", false),
            ("198.19.0.1", true),
            ("203.0.113.9", true),
            ("223.255.255.255", false),
            ("224.0.0.1", true),
            ("255.1.1.1", true),
            ("2001:db8::1", false),
            ("2a00::1", false),
            ("fe80::1", true),
            ("::1", true),
            ("4000::1", true),
        ] {
            assert_eq!(is_bogon(address.parse().unwrap()), expected, "{address}");
        }
    }
}
