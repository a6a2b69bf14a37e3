//! A set of networks with a fast look-up for every flow, such as that of `--inside`.

use std::net::IpAddr;

use ipnet::IpNet;

/// Ranges of IPv4 from which on the look-up gets an index: fewer fit into the cache as they are.
const INDEXED: usize = 1 << 10;

/// A set of networks, as sorted ranges of addresses with gaps between them. A look-up is one binary
/// search; among many ranges of IPv4, it is one among those of the address's /16.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last address of each range of IPv4. The two versions are kept apart, because
    /// numbers compare faster than addresses.
    v4: Vec<(u32, u32)>,
    /// For each /16 of IPv4, and for the end of them all, the number of ranges that begin before it. Empty if
    /// there are few ranges.
    before: Vec<u32>,
    /// First and last address of each range of IPv6.
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Returns the set of all addresses in `nets`.
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Networks {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net {
                IpNet::V4(net) => v4.push((net.network().into(), net.broadcast().into())),
                IpNet::V6(net) => v6.push((net.network().into(), net.broadcast().into())),
            }
        }
        Networks::of_ranges(v4, v6)
    }

    /// Returns the set of all addresses that are in one of these sets.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Networks>) -> Networks {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for set in sets {
            v4.extend_from_slice(&set.v4);
            v6.extend_from_slice(&set.v6);
        }
        Networks::of_ranges(v4, v6)
    }

    /// Returns the set of the addresses of ranges, which may overlap.
    fn of_ranges(mut v4: Vec<(u32, u32)>, mut v6: Vec<(u128, u128)>) -> Networks {
        join(&mut v4, |last| last.checked_add(1));
        join(&mut v6, |last| last.checked_add(1));
        v4.shrink_to_fit();
        v6.shrink_to_fit();
        let mut before = Vec::new();
        if v4.len() >= INDEXED {
            let begins_below = |end: u64| v4.partition_point(|range| u64::from(range.0) < end);
            // A set of IPv4 has at most 2^31 ranges.
            before.extend((0..=1 << 16).map(|net: u64| begins_below(net << 16) as u32));
        }
        Networks { v4, before, v6 }
    }

    /// Returns true if the address lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                let address: u32 = address.into();
                lies_in(self.near(address), address)
            }
            IpAddr::V6(address) => lies_in(&self.v6, address.into()),
        }
    }

    /// Returns the ranges among which is the one that holds an address, if the set has it.
    #[inline]
    fn near(&self, address: u32) -> &[(u32, u32)] {
        let net = (address >> 16) as usize;
        match self.before.get(net..net + 2) {
            Some(&[first, end]) => {
                // The last range of the networks before may reach into this one.
                let first = (first as usize).saturating_sub(1);
                self.v4.get(first..end as usize).unwrap_or_default()
            }
            _ => &self.v4,
        }
    }

    /// Returns true if all addresses of a network lie in the set.
    pub fn contains_net(&self, net: IpNet) -> bool {
        match net {
            IpNet::V4(net) => {
                let last: u32 = net.broadcast().into();
                range_of(&self.v4, net.network().into()).is_some_and(|range| last <= range.1)
            }
            IpNet::V6(net) => {
                let last: u128 = net.broadcast().into();
                range_of(&self.v6, net.network().into()).is_some_and(|range| last <= range.1)
            }
        }
    }

    /// Returns true if some address of a network lies in the set.
    pub fn overlaps(&self, net: IpNet) -> bool {
        match net {
            IpNet::V4(net) => meets(&self.v4, net.network().into(), net.broadcast().into()),
            IpNet::V6(net) => meets(&self.v6, net.network().into(), net.broadcast().into()),
        }
    }

    /// Returns true if the set holds no address.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Sorts ranges, and joins those that overlap or touch.
fn join<T: Copy + Ord>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|after, before| {
        let touches = next(before.1).is_none_or(|next| after.0 <= next);
        if touches {
            before.1 = before.1.max(after.1);
        }
        touches
    });
}

#[inline]
fn lies_in<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    range_of(ranges, address).is_some()
}

/// Returns true if a range has an address from `first` to `last`.
fn meets<T: Copy + Ord>(ranges: &[(T, T)], first: T, last: T) -> bool {
    let before = ranges.partition_point(|range| range.0 <= last);
    before.checked_sub(1).and_then(|n| ranges.get(n)).is_some_and(|range| first <= range.1)
}

/// Returns the range that holds an address.
#[inline]
fn range_of<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> Option<(T, T)> {
    let before = ranges.partition_point(|range| range.0 <= address);
    let range = *ranges.get(before.checked_sub(1)?)?;
    (address <= range.1).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_that_touch_become_one_range() {
        let set = |text: &str| Networks::new(text.split(' ').map(|net| net.parse().unwrap()));
        assert_eq!(set("10.0.0.0/9 10.128.0.0/9 10.3.0.0/16"), set("10.0.0.0/8"));
        assert_eq!(set("255.0.0.0/8 255.1.0.0/16 ::/1 8000::/1"), set("255.0.0.0/8 ::/0"));
        assert_ne!(set("10.0.0.0/9 10.128.0.1/32"), set("10.0.0.0/9"));
    }

    #[test]
    fn a_network_overlaps_if_any_of_its_addresses_is_in_the_set() {
        let set = Networks::new(
            ["10.1.0.0/16", "192.0.2.9/32", "2001:db8::/32"]
                .map(|net| net.parse::<IpNet>().unwrap()),
        );
        let overlaps = |net: &str| set.overlaps(net.parse().unwrap());
        for net in ["10.0.0.0/8", "10.1.2.0/24", "10.1.255.255/32", "192.0.2.0/24", "0.0.0.0/0"] {
            assert!(overlaps(net), "{net}");
        }
        for net in ["10.0.0.0/16", "10.2.0.0/16", "192.0.2.0/29", "11.0.0.0/8", "2001:db9::/32"] {
            assert!(!overlaps(net), "{net}");
        }
        assert!(overlaps("2001:db8:7::/48") && overlaps("::/0"));
        assert!(!Networks::default().overlaps("0.0.0.0/0".parse().unwrap()));
    }

    #[test]
    fn a_set_of_many_networks_has_the_same_addresses() {
        let host = |n: u32| IpNet::from(IpAddr::from(n.wrapping_mul(2_654_435_761).to_be_bytes()));
        let few: Vec<IpNet> =
            vec!["0.0.0.0/15".parse().unwrap(), "255.255.0.0/16".parse().unwrap()];
        let nets: Vec<IpNet> = (0..5_000).map(host).chain(few.clone()).collect();
        let set = Networks::new(nets.clone());
        assert!(!set.before.is_empty());
        assert_eq!(Networks::union([&Networks::new(few), &set]), set);
        let plain = Networks { before: Vec::new(), ..set.clone() };
        for net in &nets {
            let address: u32 = match net.broadcast() {
                IpAddr::V4(address) => address.into(),
                IpAddr::V6(_) => panic!("{net}"),
            };
            for near in [address.wrapping_sub(1), address, address.wrapping_add(1)] {
                let near = IpAddr::from(near.to_be_bytes());
                assert_eq!(set.contains(near), plain.contains(near), "{near}");
            }
            assert!(set.contains(net.addr()), "{net}");
        }
    }

    proptest! {
        #[test]
        fn a_look_up_agrees_with_a_test_of_every_network(
            nets in proptest::collection::vec((any::<IpAddr>(), 0u8..=32), 0..8),
            near in any::<u16>(),
        ) {
            let nets: Vec<_> =
                nets.iter().map(|&(a, n)| IpNet::new(a, n).unwrap().trunc()).collect();
            let set = Networks::new(nets.clone());
            let probe = |a: IpAddr| match a {
                IpAddr::V4(a) => IpAddr::from((u32::from(a) ^ u32::from(near)).to_be_bytes()),
                IpAddr::V6(a) => IpAddr::from((u128::from(a) ^ (u128::from(near) << 90)).to_be_bytes()),
            };
            for address in nets.iter().flat_map(|net| [net.addr(), probe(net.addr()), net.broadcast()]) {
                let expected = nets.iter().any(|net| net.contains(&address));
                prop_assert_eq!(set.contains(address), expected, "{}", address);
            }
            for net in &nets {
                prop_assert!(set.contains_net(*net));
                let wide = net.supernet().unwrap_or(*net);
                let halves = [wide.addr(), wide.broadcast()];
                let expected = net.prefix_len() == 0 || halves.iter().all(|a| set.contains(*a))
                    && wide.subnets(net.prefix_len()).unwrap().all(|half| set.contains_net(half));
                prop_assert_eq!(set.contains_net(wide), expected, "{}", wide);
            }
        }
    }
}
