//! The actors of a scenario, and their addresses.

use super::actor::{Actor, Home, MAX_ACTORS, With};
use super::campus::{Campus, INSIDE, ip, world};
use super::draw::{Dice, Order, mix};
use super::member::Member;
use super::plan::Error;

/// The third bytes of the inside networks for actors, first and count: 140.119.240.0 to 140.119.254.255.
const NETS: (u32, u32) = (240, 15);
/// The number of hosts of a /24, from .1.
const HOSTS: u32 = 254;
/// The addresses of scanners, first and count: those after the scanner of the paper, 203.0.113.45, and when
/// these are used up, those of TEST-NET-1 after the exporters.
const SCANNERS: (u32, u32) = (ip(203, 0, 113, 46), 209);
const MORE_SCANNERS: (u32, u32) = (ip(192, 0, 2, 10), 245);
/// The network of the first group.
const GROUP: u32 = ip(198, 51, 100, 0);
/// The actors of a scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Actors(Vec<Member>);

impl Actors {
    /// Returns the actors of all requests, each with an address of its own.
    ///
    /// # Errors
    /// Returns an error if there are more than [`MAX_ACTORS`].
    pub(super) fn new(seed: u64, campus: &Campus, with: &[With]) -> Result<Actors, Error> {
        let hosts = with.iter().map(|with| u64::from(with.count)).sum();
        if hosts > u64::from(MAX_ACTORS) {
            return Err(Error::Crowded { hosts });
        }
        let mut members: Vec<Member> = Vec::new();
        for &With { actor, size, count } in with {
            for _ in 0..count {
                let of_kind = members.iter().filter(|member| member.actor == actor);
                let number = of_kind.count() as u32;
                let home = actor.home();
                let places = |of| members.iter().map(|m: &Member| m.places(of)).sum::<u32>();
                let host = address(seed, campus, home, places(home));
                let taken = [0, 1].map(|n| match actor {
                    Actor::Chain => address(seed, campus, Home::Inside, places(Home::Inside) + n),
                    _ => 0,
                });
                // The key depends on the name of the kind, because its place in the table may change.
                let name = actor.name().bytes().fold(0, |key, byte| mix(key, u64::from(byte)));
                let key = mix(mix(seed, name), u64::from(number));
                members.push(Member { actor, number, size, host, taken, key });
            }
        }
        Ok(Actors(members))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns the address of the actor that is number `place` of those with a kind of home.
fn address(seed: u64, campus: &Campus, home: Home, place: u32) -> u32 {
    let order = |purpose, n| Order::new(mix(seed, purpose), n);
    match home {
        Home::Inside => {
            let nth = order(0x1005, NETS.1 * HOSTS).at(u64::from(place));
            INSIDE | ((NETS.0 + nth / HOSTS) << 8) | (1 + nth % HOSTS)
        }
        Home::Scanner => match place.checked_sub(SCANNERS.1) {
            None => SCANNERS.0 + order(0x5ca1, SCANNERS.1).at(u64::from(place)),
            Some(place) => MORE_SCANNERS.0 + order(0x5ca2, MORE_SCANNERS.1).at(u64::from(place)),
        },
        Home::Group if place == 0 => GROUP,
        Home::Group => elsewhere(seed, campus, 0x6409, place) & 0xffff_ff00,
        Home::Public => elsewhere(seed, campus, 0x9b11c, place),
        // Every second carpet is a /24: 255 and 0 have no hosts, and the others are networks for actors that
        // the wider carpets below do not use.
        Home::Net if place % 2 == 0 => {
            let nets = [255, 0, 254, 253, 252];
            INSIDE | (nets[place as usize / 2 % nets.len()] << 8)
        }
        Home::Net => INSIDE | ((NETS.0 + 4 * (place / 2 % 3)) << 8),
    }
}

/// Returns an address in a /16 of the world that has no other host of the scenario.
fn elsewhere(seed: u64, campus: &Campus, purpose: u64, place: u32) -> u32 {
    let mut dice = Dice::new(seed, u64::from(place), purpose);
    loop {
        let address = world(&mut dice);
        if (1..255).contains(&(address & 0xff)) && !campus.nets.holds(address & 0xffff_0000) {
            return address;
        }
    }
}
