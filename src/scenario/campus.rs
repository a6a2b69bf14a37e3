//! The hosts of a scenario: those inside a campus of 2001, and those outside that they communicate with.
//!
//! Addresses depend on the seed alone. About every ninth inside address is in use, so no ordinary source can
//! reach 200 hosts of one /24. Outside addresses cluster in a thousand /16s, and the popular ones in few of
//! them, because sources that are spread evenly over the world would look forged.

use std::net::Ipv4Addr;

use super::draw::{Alias, Dice, mix};

/// The inside network, 140.119.0.0/16.
pub(super) const INSIDE: u32 = ip(140, 119, 0, 0);
/// The ifIndex of the uplink.
pub(super) const UPLINK: u32 = 1;
/// The ifIndex of the interface towards the campus.
pub(super) const CAMPUS: u32 = 2;

/// Inside hosts without ordinary traffic, which would distort the counts of the truth.
pub(super) const RESERVED: [u32; 8] =
    [WORM, FLOODS[0].0, FLOODS[0].1, FLOODS[1].0, FLOODS[1].1, FLOODS[2].0, FLOODS[2].1, CROWDED];
/// The scanner of figure 3. The address belongs to nobody (RFC 5737).
pub(super) const SCANNER: u32 = ip(203, 0, 113, 45);
/// Victim and attacker of each flooded pair of figure 4, the main one first.
pub(super) const FLOODS: [(u32, u32); 3] = [
    (ip(140, 119, 100, 13), ip(140, 119, 53, 7)),
    (ip(140, 119, 162, 20), ip(140, 119, 77, 33)),
    (ip(140, 119, 31, 5), ip(140, 119, 208, 9)),
];
/// The victim that many sources flood on the day of figure 4.
pub(super) const CROWDED: u32 = ip(140, 119, 9, 60);
/// The infected host of figure 5.
pub(super) const WORM: u32 = ip(140, 119, 44, 91);

/// The first and the last third byte of the populated part of the inside network.
const POPULATED: (u32, u32) = (1, 239);

/// Returns an address as a number.
pub(super) const fn ip(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Returns true if an address is inside.
pub(super) const fn inside(address: u32) -> bool {
    address >> 16 == INSIDE >> 16
}

/// Returns true if an ordinary inside host has this address.
pub(super) fn alive(seed: u64, address: u32) -> bool {
    populated(address) && mix(mix(seed, 0xa11e), u64::from(address)) % 9 == 0
}

/// Returns true if an ordinary inside host may have this address. The other inside addresses belong to attacks
/// and actors, or to nobody.
pub(super) fn populated(address: u32) -> bool {
    let (net, host) = ((address >> 8) & 0xff, address & 0xff);
    inside(address)
        && (POPULATED.0..=POPULATED.1).contains(&net)
        && (1..=254).contains(&host)
        && !RESERVED.contains(&address)
}

/// Returns a random outside address of the unicast space, except the blocks of RFC 6890.
pub(super) fn world(dice: &mut Dice) -> u32 {
    loop {
        let address = dice.word() as u32;
        if public(address) && !inside(address) {
            return address;
        }
    }
}

fn public(address: u32) -> bool {
    let [a, b, c, _] = address.to_be_bytes();
    let v4 = Ipv4Addr::from(address);
    !(a == 0
        || a >= 224
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_documentation()
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18))
}

/// A set of hosts, with the popularity of each.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    hosts: Vec<u32>,
    alias: Alias,
}

impl Pool {
    /// Returns a pool of at least one host, the most popular first. [`Alias::zipf`] explains `flat`.
    fn new(hosts: Vec<u32>, flat: u64) -> Pool {
        let alias = Alias::zipf(hosts.len(), flat);
        Pool { hosts, alias }
    }

    /// Draws a host by popularity.
    pub(super) fn pick(&self, dice: &mut Dice) -> u32 {
        self.hosts[self.alias.pick(dice)]
    }

    /// Returns the number of hosts, at least one.
    pub(super) fn len(&self) -> u32 {
        self.hosts.len() as u32
    }

    /// Returns true if the pool contains the host.
    pub(super) fn holds(&self, host: u32) -> bool {
        self.hosts.contains(&host)
    }

    /// Returns the host of a rank, modulo the number of hosts.
    pub(super) fn rank(&self, rank: usize) -> u32 {
        self.hosts[rank % self.hosts.len()]
    }
}

/// All the hosts of a scenario.
#[derive(Clone, Debug)]
pub(super) struct Campus {
    /// Inside resolvers.
    pub(super) resolvers: Pool,
    /// Inside name servers that answer for the campus.
    pub(super) authorities: Pool,
    /// Inside mail servers.
    pub(super) mail: Pool,
    /// Inside time servers.
    pub(super) clocks: Pool,
    /// Inside web servers.
    pub(super) web: Pool,
    /// Inside login and file servers.
    pub(super) shells: Pool,
    /// Inside hosts that share files with peers.
    pub(super) sharers: Pool,
    /// All other inside hosts.
    pub(super) clients: Pool,
    /// Outside web servers.
    pub(super) sites: Pool,
    /// Outside name servers.
    pub(super) names: Pool,
    /// Outside mail servers.
    pub(super) exchanges: Pool,
    /// Outside clients of the campus' servers.
    pub(super) visitors: Pool,
    /// Outside networks (/16) of peers.
    pub(super) nets: Pool,
}

impl Campus {
    /// Returns the hosts of a seed: some 7,000 inside and 20,000 outside.
    pub(super) fn new(seed: u64) -> Campus {
        let mut dice = Dice::new(seed, 0, 0xca3);
        let mut hosts: Vec<u32> =
            (INSIDE..=INSIDE | 0xffff).filter(|&address| alive(seed, address)).collect();
        for i in (1..hosts.len()).rev() {
            hosts.swap(i, dice.below(i as u32 + 1) as usize);
        }
        let mut take = |count: usize, flat| Pool::new(hosts.split_off(hosts.len() - count), flat);
        let (resolvers, authorities, mail) = (take(4, 40), take(2, 40), take(3, 20));
        let (clocks, web, shells) = (take(2, 40), take(64, 1), take(24, 4));
        let sharers = take(80, 60);
        let clients = Pool::new(hosts, 64);

        let nets = Pool::new((0..1024).map(|_| world(&mut dice) & 0xffff_0000).collect(), 8);
        let mut spread = |count: usize, flat| {
            let hosts = (0..count).map(|_| neighbour(&nets, &mut dice)).collect();
            Pool::new(hosts, flat)
        };
        let (sites, names) = (spread(3000, 2), spread(1500, 8));
        let (exchanges, visitors) = (spread(600, 10), spread(16_384, 200));
        Campus {
            resolvers,
            authorities,
            mail,
            clocks,
            web,
            shells,
            sharers,
            clients,
            sites,
            names,
            exchanges,
            visitors,
            nets,
        }
    }

    /// Draws a peer of a file sharing network, mostly one that was not drawn before.
    pub(super) fn peer(&self, dice: &mut Dice) -> u32 {
        neighbour(&self.nets, dice)
    }
}

/// Draws a host of one of the networks.
fn neighbour(nets: &Pool, dice: &mut Dice) -> u32 {
    loop {
        let address = nets.pick(dice) | dice.below(1 << 16);
        // A /16 of public space can contain a block that is not public (192.0.0.0/24, 203.0.113.0/24).
        if public(address) && address & 0xff != 0 && address & 0xff != 255 {
            return address;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_addresses_are_public() {
        let mut dice = Dice::new(3, 0, 0);
        for _ in 0..200_000 {
            let address = world(&mut dice);
            assert!(public(address) && !inside(address));
        }
        for hidden in [[10, 1, 2, 3], [172, 16, 0, 1], [192, 168, 9, 9], [127, 0, 0, 1]] {
            assert!(!public(u32::from_be_bytes(hidden)));
        }
        assert!(!public(SCANNER) && !public(ip(224, 0, 0, 1)) && !public(ip(100, 64, 0, 1)));
    }

    #[test]
    fn few_addresses_of_a_network_are_in_use() {
        for seed in 0..3 {
            for net in 56..=71 {
                let alive = (0..256).filter(|h| alive(seed, INSIDE | (net << 8) | h)).count();
                assert!((10..60).contains(&alive), "{alive} in {net}");
            }
            assert!(RESERVED.iter().all(|&host| !alive(seed, host)));
        }
    }
}
