//! Who is there: the inside hosts of a campus of 2001 and the outside world they talk to.
//!
//! Addresses depend on the seed alone. About every ninth inside address is alive, so no ordinary
//! source can meet 200 hosts of one /24. Outside addresses cluster in a thousand /16s, the popular
//! ones in few of them: sources spread evenly over the world would look forged.

use std::net::Ipv4Addr;

use super::draw::{Alias, Dice, mix};

/// The inside network, 140.119.0.0/16.
pub(super) const INSIDE: u32 = ip(140, 119, 0, 0);
/// ifIndex of the uplink.
pub(super) const UPLINK: u32 = 1;
/// ifIndex of the interface towards the campus.
pub(super) const CAMPUS: u32 = 2;

/// Inside hosts that only attacks may touch: their ordinary traffic would blur the truth's counts.
pub(super) const RESERVED: [u32; 8] =
    [WORM, FLOODS[0].0, FLOODS[0].1, FLOODS[1].0, FLOODS[1].1, FLOODS[2].0, FLOODS[2].1, CROWDED];
/// The scanner of figure 3, an address that belongs to nobody (RFC 5737).
pub(super) const SCANNER: u32 = ip(203, 0, 113, 45);
/// Victim and attacker of each flooded pair of figure 4, the main one first.
pub(super) const FLOODS: [(u32, u32); 3] = [
    (ip(140, 119, 100, 13), ip(140, 119, 53, 7)),
    (ip(140, 119, 162, 20), ip(140, 119, 77, 33)),
    (ip(140, 119, 31, 5), ip(140, 119, 208, 9)),
];
/// The victim of figure 4's day that many sources flood.
pub(super) const CROWDED: u32 = ip(140, 119, 9, 60);
/// The infected host of figure 5.
pub(super) const WORM: u32 = ip(140, 119, 44, 91);

/// First and last third octet of the populated part of the inside network.
const POPULATED: (u32, u32) = (1, 239);

/// An address as a number.
pub(super) const fn ip(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// Whether an address is inside.
pub(super) const fn inside(address: u32) -> bool {
    address >> 16 == INSIDE >> 16
}

/// Whether a host of the inside network exists.
pub(super) fn alive(seed: u64, address: u32) -> bool {
    populated(address) && mix(mix(seed, 0xa11e), u64::from(address)) % 9 == 0
}

/// Whether a host of the inside network could exist at an address: the others belong to attacks and
/// to actors, or to nobody.
pub(super) fn populated(address: u32) -> bool {
    let (net, host) = ((address >> 8) & 0xff, address & 0xff);
    inside(address)
        && (POPULATED.0..=POPULATED.1).contains(&net)
        && (1..=254).contains(&host)
        && !RESERVED.contains(&address)
}

/// A random outside address of the unicast space (RFC 6890 blocks left out).
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

/// Hosts and how popular each is.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    hosts: Vec<u32>,
    alias: Alias,
}

impl Pool {
    /// The first host is the most popular; `flat` as in [`Alias::zipf`]. There is at least one.
    fn new(hosts: Vec<u32>, flat: u64) -> Pool {
        let alias = Alias::zipf(hosts.len(), flat);
        Pool { hosts, alias }
    }

    /// A host by popularity.
    pub(super) fn pick(&self, dice: &mut Dice) -> u32 {
        self.hosts[self.alias.pick(dice)]
    }

    /// How many hosts there are, at least one.
    pub(super) fn len(&self) -> u32 {
        self.hosts.len() as u32
    }

    /// Whether a host is one of them.
    pub(super) fn holds(&self, host: u32) -> bool {
        self.hosts.contains(&host)
    }

    /// The host of a rank, counted round.
    pub(super) fn rank(&self, rank: usize) -> u32 {
        self.hosts[rank % self.hosts.len()]
    }
}

/// All the hosts of a scenario.
#[derive(Clone, Debug)]
pub(super) struct Campus {
    /// Inside: resolvers.
    pub(super) resolvers: Pool,
    /// Inside: name servers that answer for the campus.
    pub(super) authorities: Pool,
    /// Inside: mail servers.
    pub(super) mail: Pool,
    /// Inside: time servers.
    pub(super) clocks: Pool,
    /// Inside: web servers.
    pub(super) web: Pool,
    /// Inside: login and file servers.
    pub(super) shells: Pool,
    /// Inside: hosts that share files with peers.
    pub(super) sharers: Pool,
    /// Inside: everybody else.
    pub(super) clients: Pool,
    /// Outside: web servers.
    pub(super) sites: Pool,
    /// Outside: name servers.
    pub(super) names: Pool,
    /// Outside: mail servers.
    pub(super) exchanges: Pool,
    /// Outside: people who visit the campus' servers.
    pub(super) visitors: Pool,
    /// Outside: networks (/16) in which peers live.
    pub(super) nets: Pool,
}

impl Campus {
    /// The population that belongs to a seed: some 7,000 inside hosts, 20,000 outside.
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

    /// Some peer of a file sharing network, mostly never seen before.
    pub(super) fn peer(&self, dice: &mut Dice) -> u32 {
        neighbour(&self.nets, dice)
    }
}

/// A host of one of the networks.
fn neighbour(nets: &Pool, dice: &mut Dice) -> u32 {
    loop {
        let address = nets.pick(dice) | dice.below(1 << 16);
        // A /16 of public space can hold a block that is not (192.0.0.0/24, 203.0.113.0/24).
        if public(address) && address & 0xff != 0 && address & 0xff != 255 {
            return address;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_public_and_outside() {
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
    fn few_hosts_of_a_network_live() {
        for seed in 0..3 {
            for net in 56..=71 {
                let alive = (0..256).filter(|h| alive(seed, INSIDE | (net << 8) | h)).count();
                assert!((10..60).contains(&alive), "{alive} in {net}");
            }
            assert!(RESERVED.iter().all(|&host| !alive(seed, host)));
        }
    }
}
