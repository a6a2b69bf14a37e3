//! The site that the detectors work for, and what its operator asked of this run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::finding::Side;
use crate::flow::Networks;

/// A site and the options of a run that all detectors share.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The site's own networks. If there are none, no host has a side.
    pub inside: Networks,
    /// Memory for the tables of one window, in bytes. Rows beyond it go to temporary files.
    pub memory: u64,
    /// The host of `--explain`: its measures are reported, flagged or not.
    pub explain: Option<IpAddr>,
    /// True for `--calibrate`: the metrics of all hosts are reported, flagged or not.
    pub calibrate: bool,
}

impl Site {
    /// Returns the side of a host, or `None` if the site's networks are not known.
    pub fn side(&self, host: IpAddr) -> Option<Side> {
        if self.inside.is_empty() {
            None
        } else if self.inside.contains(host) {
            Some(Side::Inside)
        } else {
            Some(Side::Outside)
        }
    }

    /// Returns true for an address that nobody can reach from here: one of a block of private, shared or link-local
    /// space in which no inside network lies. Programs that learn addresses from others, as peer-to-peer clients do,
    /// try them all the time. In the other blocks a site may have networks that it did not name.
    pub fn is_unreachable(&self, host: IpAddr) -> bool {
        let block = match host {
            IpAddr::V4(host) => match host.octets() {
                [10, ..] => v4([10, 0, 0, 0], 8),
                [172, b, ..] if b & 0xf0 == 16 => v4([172, 16, 0, 0], 12),
                [192, 168, ..] => v4([192, 168, 0, 0], 16),
                [169, 254, ..] => v4([169, 254, 0, 0], 16),
                [100, b, ..] if b & 0xc0 == 64 => v4([100, 64, 0, 0], 10),
                _ => return false,
            },
            IpAddr::V6(host) if host.is_unique_local() => v6(0xfc00, 7),
            IpAddr::V6(host) if host.is_unicast_link_local() => v6(0xfe80, 10),
            IpAddr::V6(_) => return false,
        };
        !self.inside.is_empty() && !self.inside.overlaps(block)
    }

    /// Returns how many flows a host needs to be looked at, if hosts with `least` are flagged. With
    /// `--explain` that is 0, because the host that is explained may have any number.
    pub fn least(&self, least: u64) -> u64 {
        if self.explain.is_some() { 0 } else { least }
    }
}

/// Returns a block of private, shared or link-local addresses (RFC 1918, RFC 6598, RFC 3927).
const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

/// Returns a block of local addresses (RFC 4193, RFC 4291 section 2.5.6).
const fn v6(first: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_blocks_without_an_inside_network_are_unreachable() {
        let site = |nets: &[&str]| Site {
            inside: Networks::new(nets.iter().map(|net| net.parse().unwrap())),
            ..Site::default()
        };
        let all = ["10.9.9.9", "172.31.0.1", "192.168.7.7", "169.254.1.1", "100.127.0.1"];
        let unreachable = |site: &Site, host: &str| site.is_unreachable(host.parse().unwrap());
        let public = site(&["140.119.0.0/16", "2001:db8::/32"]);
        assert!(all.iter().all(|host| unreachable(&public, host)));
        assert!(["fd00::1", "fc12::1", "fe80::1"].iter().all(|host| unreachable(&public, host)));
        for host in ["140.119.1.1", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2001:db9::1"] {
            assert!(!unreachable(&public, host), "{host}");
        }
        let private = site(&["10.77.0.0/16", "fd00:77::/32"]);
        assert_eq!(all.map(|host| unreachable(&private, host)), [false, true, true, true, true]);
        assert!(!unreachable(&private, "fd99::1") && unreachable(&private, "fe80::1"));
        assert!(!all.iter().any(|host| unreachable(&site(&[]), host)));
    }
}
