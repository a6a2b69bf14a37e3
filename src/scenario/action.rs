//! A turn of an actor: who acts, when in its own count, and who is there to act on.

use super::actors::{Activity, Member};
use super::campus::{Campus, INSIDE, alive, populated};
use super::draw::{Dice, Order, mix};
use super::record::{ACK, PacketTotals, RST, SYN};
use super::traffic::Exchange;

/// What a turn can use.
pub(super) struct ActionCtx<'a> {
    pub(super) seed: u64,
    pub(super) member: &'a Member,
    pub(super) strand: Activity,
    pub(super) campus: &'a Campus,
    /// Which window it is, from 0.
    pub(super) index: u32,
    /// The turn of this window, from 0, and of the scenario.
    pub(super) n: u32,
    pub(super) all: u64,
}

impl ActionCtx<'_> {
    pub(super) fn host(&self) -> u32 {
        self.member.host
    }

    /// A number for the actor and something else, the same in every window.
    pub(super) fn stable_hash(&self, of: impl Into<u64>) -> u64 {
        mix(self.member.key, of.into()) >> 16
    }

    /// The nth of the outside hosts that the actor has to do with in every window.
    pub(super) fn fixed_peer(&self, n: u64) -> u32 {
        self.campus.peer(&mut Dice::new(self.member.key, n, 0xf21))
    }

    /// Packets in a piece of one of so many flows that have an even share of the packets a second.
    pub(super) fn file_chunk(&self, share: u32) -> u32 {
        let packets = u64::from(self.member.size) * u64::from(self.member.cut()) / 1_000;
        (packets / u64::from(share)).max(1) as u32
    }

    /// The nth of the inside clients in an order of the actor's own, counted round.
    pub(super) fn client(&self, n: u32) -> u32 {
        let clients = &self.campus.clients;
        clients.rank(Order::new(self.member.key, clients.len()).at(n.into()) as usize)
    }

    /// The nth inside address, alive or not, in an order of the actor's own.
    pub(super) fn address(&self, n: u64) -> u32 {
        INSIDE | Order::new(self.member.key, 1 << 16).at(n)
    }

    /// The nth inside address where nobody is, or where somebody is, in an order of the actor's own.
    pub(super) fn there(&self, there: bool, n: usize) -> u32 {
        let mine = |address: &u32| populated(*address) && alive(self.seed, *address) == there;
        let mut found = (0..1 << 16).map(|place| self.address(place)).filter(mine);
        found.nth(n).unwrap_or(INSIDE | 0x0101)
    }
}

/// A TCP connection that nobody answers, as the system tries it whose source port it looks like.
pub(super) fn silent(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let talk = Exchange::silent(dice, from, to);
    if from.1 < LINUX {
        return talk;
    }
    // After 1, 3 and 7 s.
    let packets = dice.between(2, 4);
    let ask = PacketTotals { packets, octets: packets * 60, flags: SYN };
    Exchange { request: ask, millis: ((1 << (packets - 1)) - 1) * 1_000, ..talk }
}

/// The same, refused: Windows tries again, Linux does not.
pub(super) fn refused(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let talk = Exchange::refused(dice, from, to);
    if from.1 < LINUX {
        return talk;
    }
    let ask = PacketTotals { packets: 1, octets: 60, flags: SYN };
    let answer = Some(PacketTotals { packets: 1, octets: 40, flags: RST | ACK });
    Exchange { request: ask, response: answer, millis: 0, ..talk }
}

/// Where Linux' source ports begin (ip_local_port_range).
const LINUX: u16 = 32_768;

/// How many there are from there on.
const LINUX_PORTS: u64 = 28_232;

/// The nth source port that a Linux kernel gives one connection after the other.
pub(super) fn kernel_port(first: u64, n: u64) -> u16 {
    LINUX + (first.wrapping_add(n) % LINUX_PORTS) as u16
}
