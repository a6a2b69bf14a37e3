//! Whether the sources of a flood are forged.
//!
//! It is a help and no proof: nobody is blocked for being a source.

use std::net::IpAddr;

use crate::detect::threshold::percent;

/// What the sources of one protocol look like, counted while they go by in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// All of them.
    pub count: u64,
    /// Their conversations.
    flows: u64,
    /// Those with one conversation.
    pub single: u64,
    /// Those that no router should forward.
    pub bogons: u64,
    /// Ours, from outside.
    pub spoofed: u64,
    /// Distinct /16s, and pairs of sources that share one.
    pub cells: u64,
    pub pairs: u64,
    /// The /16 that goes by, and its sources.
    cell: Option<u32>,
    members: u64,
}

/// How it was seen that sources are forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// So many are addresses that nobody has.
    Bogons(u64),
    /// So many are ours, and came in from outside.
    Spoofed(u64),
    /// They are spread as if drawn from so many /16s with equal chances.
    Drawn(u64),
}

/// Fewer sources of a kind, and less of a hundred, are stray.
const STRAY: (u64, u64) = (5, 5);
/// With fewer pairs in a /16 an ordinary crowd looks drawn too.
const PAIRS: u64 = 50;
/// Within fewer /16s any crowd does.
const CELLS: u64 = 20;

impl Sources {
    /// The next source, with so many conversations.
    pub(super) fn add(&mut self, source: IpAddr, flows: u64, is_ours: bool, is_spoofed: bool) {
        self.count += 1;
        self.flows = self.flows.saturating_add(flows);
        self.single += u64::from(flows == 1);
        self.bogons += u64::from(!is_ours && is_bogon(source));
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

    /// The strongest sign that they are forged.
    pub(super) fn sign(&self) -> Option<Sign> {
        // Of the conversations too: beside one attacker a few strays are no sign.
        let many =
            |part: u64| part >= STRAY.0 && percent(part, self.count.max(self.flows)) >= STRAY.1;
        match () {
            () if many(self.spoofed) => Some(Sign::Spoofed(self.spoofed)),
            () if many(self.bogons) => Some(Sign::Bogons(self.bogons)),
            () => self.drawn().map(Sign::Drawn),
        }
    }

    /// The number of /16s that they were drawn from, if they were.
    ///
    /// Of n sources drawn from K cells with equal chances, n*n/2K pairs share a cell, and
    /// K(1 - (1 - 1/K)^n) cells are hit. The hosts of an attacker lie together in the networks of some
    /// providers: they make far more pairs than the cells that they hit would let one expect.
    fn drawn(&self) -> Option<u64> {
        let is_enough = self.pairs >= PAIRS && self.cells >= CELLS;
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

/// Whether nobody on the Internet has the address: RFC 6890 and the registries that it began, multicast,
/// and what is reserved (RFC 1112 section 4); of IPv6 all but what is allocated (RFC 4291 section 2.4).
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
        // Those for documentation are where examples and this kit's own plays live.
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

    /// Numbers that look random, the same in every run.
    fn random(n: u32) -> u32 {
        let mut x = u64::from(n).wrapping_add(0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 29;
        x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 32) as u32
    }

    /// An address that nobody could tell from another's.
    fn public(n: u32) -> u32 {
        (0..)
            .map(|k| random(n.wrapping_mul(31).wrapping_add(k)))
            .find(|a| !is_bogon(IpAddr::V4((*a).into())))
            .unwrap()
    }

    #[test]
    fn what_is_drawn_evenly_is_forged() {
        let all = sources((0..40_000).map(public));
        let Some(Sign::Drawn(range)) = all.sign() else { panic!("{all:?}") };
        // All of unicast but what is private.
        assert!((50_000..60_000).contains(&range), "{range}");
        let few = sources((0..20_000).map(|n| 0x2900_0000 | random(n) & 0xff_ffff));
        assert!(matches!(few.sign(), Some(Sign::Drawn(200..300))), "{few:?}");
    }

    #[test]
    fn the_hosts_of_networks_are_not() {
        // Networks of 1 to 200 hosts.
        let of = |n: u32| {
            (0..1 + random(n) % 200).map(move |k| public(n) & 0xffff_0000 | random(k) & 0xffff)
        };
        assert_eq!(sources((0..100).flat_map(of)).sign(), None);
        // Most have a single host, some a few: as far apart as attackers' hosts can be.
        let of = |n: u32| {
            let hosts = if n % 10 == 0 { 12 } else { 1 };
            (0..hosts).map(move |k| public(n) & 0xffff_0000 | random(n + k) & 0xffff)
        };
        assert_eq!(sources((0..3_000).flat_map(of)).sign(), None);
        // One network, and too few to tell.
        assert_eq!(sources((0..5_000).map(|n| 0x8c77_0000 | random(n) & 0xffff)).sign(), None);
        assert_eq!(sources((0..1_000).map(public)).sign(), None);
    }

    #[test]
    fn who_asks_twice_is_no_forged_source() {
        let mut all = sources((0..40_000).map(public));
        all.single = 37_000;
        assert_eq!(all.sign(), None);
    }

    #[test]
    fn bogons_and_our_own_addresses_from_outside() {
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
    fn the_registries_are_kept() {
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
