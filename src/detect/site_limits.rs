//! The limits that a site sets for its networks, or for those of others.

use std::net::IpAddr;

use ipnet::IpNet;

/// The limits of a site: at most one for each network and class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteLimits {
    /// The longest prefix comes first.
    limits: Vec<SiteLimit>,
}

/// The limit of a class for the hosts of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SiteLimit {
    pub net: IpNet,
    pub class: &'static str,
    /// The least value that is flagged; `u64::MAX` switches the class off.
    pub value: u64,
}

impl SiteLimits {
    /// Returns the limits of a list. Where two are for the same network and class, the later one holds.
    pub(super) fn new(mut limits: Vec<SiteLimit>) -> SiteLimits {
        // The first limit that fits is used, and sorting is stable.
        limits.reverse();
        limits.sort_by_key(|limit| std::cmp::Reverse(limit.net.prefix_len()));
        SiteLimits { limits }
    }

    /// Returns the limit of a class for a host, if the site set one.
    pub(super) fn of(&self, class: &str, host: IpAddr) -> Option<u64> {
        let mut limits = self.limits.iter();
        let limit = limits.find(|limit| limit.class == class && limit.net.contains(&host));
        limit.map(|limit| limit.value)
    }

    /// Returns the least limit of a class in any network, if the site set one.
    pub(super) fn least(&self, class: &str) -> Option<u64> {
        let limits = self.limits.iter().filter(|limit| limit.class == class);
        limits.map(|limit| limit.value).min()
    }
}
