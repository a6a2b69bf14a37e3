//! The networks over which the paper's rules count.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Returns the network of a host: its /24, for IPv6 its /64.
pub(super) fn subnet(host: IpAddr) -> IpNet {
    match host {
        IpAddr::V4(a) => {
            let [a, b, c, _] = a.octets();
            IpNet::from(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), 24))
        }
        IpAddr::V6(a) => {
            let prefix = u128::from(a) >> 64 << 64;
            IpNet::from(Ipv6Net::new_assert(Ipv6Addr::from(prefix), 64))
        }
    }
}

/// Returns true if `b` is the network right after `a`.
pub(in crate::detect) fn adjacent(a: &IpNet, b: &IpNet) -> bool {
    match (a, b) {
        (IpNet::V4(a), IpNet::V4(b)) => {
            u32::from(a.broadcast()).checked_add(1) == Some(u32::from(b.network()))
        }
        (IpNet::V6(a), IpNet::V6(b)) => {
            u128::from(a.broadcast()).checked_add(1) == Some(u128::from(b.network()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_at_the_ends_of_the_address_space_have_no_neighbour() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(adjacent(&net("10.0.255.0/24"), &net("10.1.0.0/24")));
        assert!(!adjacent(&net("255.255.255.0/24"), &net("0.0.0.0/24")));
        assert!(!adjacent(&net("255.255.255.0/24"), &net("::/64")));
    }
}
