//! What the innocent do that looks like a scan or a flood to whoever counts hosts alone.
//!
//! Each is the real thing with both directions: servers whose replies go everywhere, clients that ask
//! everywhere, hosts that knock where nobody is any more, and answers to questions that were never
//! asked. Who is said to be gone has no other traffic either, and stays away in every window.

use super::actor::Actor;
use super::campus::{Campus, INSIDE, alive, populated};
use super::cast::Member;
use super::draw::{Dice, Order, mix};
use super::record::{ACK, Heap, RST, SYN};
use super::script::Script;
use super::traffic::Talk;

mod askers;
mod peers;
mod servers;

/// What a turn can use: who acts, which turn it is, and who is there.
struct Turn<'a> {
    seed: u64,
    member: &'a Member,
    campus: &'a Campus,
    /// The turn of this window, from 0, and of the scenario.
    n: u32,
    all: u64,
}

impl Turn<'_> {
    fn host(&self) -> u32 {
        self.member.host
    }

    /// A number for the actor and something else, the same in every window.
    fn lot(&self, of: impl Into<u64>) -> u64 {
        mix(self.member.key, of.into()) >> 16
    }

    /// The nth of the outside hosts that the actor has to do with in every window.
    fn friend(&self, n: u64) -> u32 {
        self.campus.peer(&mut Dice::new(self.member.key, n, 0xf21))
    }

    /// The nth of the inside clients in an order of the actor's own, counted round.
    fn client(&self, n: u32) -> u32 {
        let clients = &self.campus.clients;
        clients.rank(Order::new(self.member.key, clients.len()).at(n.into()) as usize)
    }

    /// The nth inside address, alive or not, in an order of the actor's own.
    fn address(&self, n: u64) -> u32 {
        INSIDE | Order::new(self.member.key, 1 << 16).at(n)
    }

    /// The nth inside address where nobody is, or where somebody is, in an order of the actor's own.
    fn there(&self, there: bool, n: usize) -> u32 {
        let mine = |address: &u32| populated(*address) && alive(self.seed, *address) == there;
        let mut found = (0..1 << 16).map(|place| self.address(place)).filter(mine);
        found.nth(n).unwrap_or(INSIDE | 0x0101)
    }
}

/// A TCP connection that nobody answers, as the system tries it whose source port it looks like.
fn silent(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Talk {
    let talk = Talk::silent(dice, from, to);
    if from.1 < LINUX {
        return talk;
    }
    // After 1, 3 and 7 s.
    let packets = dice.between(2, 4);
    let ask = Heap { packets, octets: packets * 60, flags: SYN };
    Talk { ask, millis: ((1 << (packets - 1)) - 1) * 1_000, ..talk }
}

/// The same, refused: Windows tries again, Linux does not.
fn refused(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Talk {
    let talk = Talk::refused(dice, from, to);
    if from.1 < LINUX {
        return talk;
    }
    let ask = Heap { packets: 1, octets: 60, flags: SYN };
    let answer = Some(Heap { packets: 1, octets: 40, flags: RST | ACK });
    Talk { ask, answer, millis: 0, ..talk }
}

/// Where Linux' source ports begin (ip_local_port_range).
const LINUX: u16 = 32_768;

/// A turn of an innocent actor: the nth of this window, `all` since the scenario began.
pub(super) fn turn(
    seed: u64,
    member: &Member,
    (n, all): (u32, u64),
    script: &mut Script,
    campus: &Campus,
) {
    let turn = Turn { seed, member, campus, n, all };
    match member.actor {
        Actor::WebServer => servers::web(&turn, script),
        Actor::Crowd => servers::crowd(&turn, script),
        Actor::Cdn => servers::cdn(&turn, script),
        Actor::DnsServer => servers::names(&turn, script),
        Actor::Ntp => servers::time(&turn, script),
        Actor::Backscatter => servers::backscatter(&turn, script),
        Actor::Resolver => askers::resolver(&turn, script),
        Actor::Nat => askers::nat(&turn, script),
        Actor::Mail => askers::mail(&turn, script),
        Actor::Crawler => askers::crawler(&turn, script),
        Actor::Spider => askers::spider(&turn, script),
        Actor::Monitor => askers::monitor(&turn, script),
        Actor::Stale => askers::stale(&turn, script),
        Actor::Trace => askers::trace(&turn, script),
        Actor::P2p => peers::swarm(&turn, script),
        Actor::Leaver => peers::leaver(&turn, script),
        Actor::Vpn => peers::gateway(&turn, script),
        Actor::Misroute => peers::misroute(&turn, script),
        _ => {}
    }
}
