//! A set of networks that is asked for every flow, such as what `--inside` gives.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks as sorted, disjoint ranges of addresses: a look-up is one binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    /// First and last address of each range.
    ranges: Vec<(IpAddr, IpAddr)>,
}

impl Networks {
    /// The set of all addresses in any of `nets`.
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Networks {
        let nets: Vec<IpNet> = nets.into_iter().collect();
        // Aggregated networks are sorted and do not overlap, IPv4 before IPv6.
        let ranges = IpNet::aggregate(&nets);
        let mut ranges: Vec<_> =
            ranges.into_iter().map(|net| (net.network(), net.broadcast())).collect();
        ranges.sort_unstable();
        Networks { ranges }
    }

    /// Whether the address lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let after = self.ranges.partition_point(|&(first, _)| first <= address);
        let range = after.checked_sub(1).and_then(|n| self.ranges.get(n));
        range.is_some_and(|&(_, last)| address <= last)
    }

    /// Whether the set holds no address at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_look_up_agrees_with_asking_every_network(
            nets in proptest::collection::vec((any::<IpAddr>(), 0u8..=32), 0..8),
            near in any::<u16>(),
        ) {
            let nets: Vec<_> =
                nets.iter().map(|&(a, n)| IpNet::new(a, n).unwrap().trunc()).collect();
            let set = Networks::new(nets.clone());
            let probe = |a: IpAddr| match a {
                IpAddr::V4(a) => IpAddr::from((u32::from(a) ^ u32::from(near)).to_be_bytes()),
                IpAddr::V6(a) => IpAddr::from((u128::from(a) ^ u128::from(near) << 90).to_be_bytes()),
            };
            for address in nets.iter().flat_map(|net| [net.addr(), probe(net.addr()), net.broadcast()]) {
                let twin = nets.iter().any(|net| net.contains(&address));
                prop_assert_eq!(set.contains(address), twin, "{}", address);
            }
        }
    }
}
