//! An action of an actor: the actor, the number of the action, and the hosts that it can act on.

use super::campus::{Campus, INSIDE, alive, populated};
use super::draw::{Dice, Order, mix};
use super::member::{Activity, Member};
use super::record::{ACK, PacketTotals, RST, SYN};
use super::traffic::Exchange;

/// The context of one action.
pub(super) struct ActionCtx<'a> {
    /// The seed of the plan.
    pub(super) seed: u64,
    pub(super) member: &'a Member,
    pub(super) activity: Activity,
    pub(super) campus: &'a Campus,
    /// The number of the window in the plan, from 0.
    pub(super) index: u32,
    /// The number of the action in its window, from 0.
    pub(super) step: u32,
    /// The number of the action in the whole plan, from 0.
    pub(super) overall: u64,
}

impl ActionCtx<'_> {
    pub(super) fn host(&self) -> u32 {
        self.member.host
    }

    /// Returns a number for the actor and a value, the same in every window.
    pub(super) fn stable_hash(&self, of: impl Into<u64>) -> u64 {
        mix(self.member.key, of.into()) >> 16
    }

    /// Returns the nth of the outside hosts that the actor deals with in every window.
    pub(super) fn fixed_peer(&self, n: u64) -> u32 {
        self.campus.peer(&mut Dice::new(self.member.key, n, 0xf21))
    }

    /// Returns the packets in one chunk of a flow, if `share` flows have equal parts of the actor's packets a
    /// second. The router cuts a long flow into chunks.
    pub(super) fn file_chunk(&self, share: u32) -> u32 {
        let packets = u64::from(self.member.size) * u64::from(self.member.chunk_millis()) / 1_000;
        (packets / u64::from(share)).max(1) as u32
    }

    /// Returns true if a server that is down in some windows is down in this one.
    pub(super) fn is_down(&self) -> bool {
        self.index % DOWN == 0
    }

    /// Returns true if an uplink that fails now and then has failed when this action begins.
    pub(super) fn is_cut_off(&self) -> bool {
        let actions = u64::from(self.member.actions(self.activity));
        let place = u64::from(self.step) * 10 / actions.max(1);
        match self.index % 3 {
            0 => {
                let first = 1 + self.stable_hash(self.index) % 5;
                (first..first + 4).contains(&place)
            }
            n => n == 1,
        }
    }

    /// Returns the nth inside client in an order of the actor's own, which starts again after the last.
    pub(super) fn client(&self, n: u32) -> u32 {
        let clients = &self.campus.clients;
        clients.rank(Order::new(self.member.key, clients.len()).at(n.into()) as usize)
    }

    /// Returns the nth inside address, in use or not, in an order of the actor's own.
    pub(super) fn address(&self, n: u64) -> u32 {
        INSIDE | Order::new(self.member.key, 1 << 16).at(n)
    }

    /// Returns the nth inside address of those that are in use, or of those that are not, in an order of the
    /// actor's own.
    pub(super) fn inside_host(&self, is_alive: bool, n: usize) -> u32 {
        let matches = |address: &u32| populated(*address) && alive(self.seed, *address) == is_alive;
        let mut hosts = (0..1 << 16).map(|place| self.address(place)).filter(matches);
        hosts.nth(n).unwrap_or(INSIDE | 0x0101)
    }
}

/// Returns a TCP connection that nobody answers. The source port tells which system retries it.
pub(super) fn unanswered(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let exchange = Exchange::unanswered(dice, from, to);
    if from.1 < LINUX {
        return exchange;
    }
    // Linux tries again after 1, 3 and 7 s.
    let packets = dice.between(2, 4);
    let request = PacketTotals { packets, octets: packets * 60, flags: SYN };
    Exchange { request, millis: ((1 << (packets - 1)) - 1) * 1_000, ..exchange }
}

/// Returns a TCP connection that is rejected. Windows tries again, Linux does not.
pub(super) fn rejected(dice: &mut Dice, from: (u32, u16), to: (u32, u16)) -> Exchange {
    let exchange = Exchange::rejected(dice, from, to);
    if from.1 < LINUX {
        return exchange;
    }
    let request = PacketTotals { packets: 1, octets: 60, flags: SYN };
    let response = Some(PacketTotals { packets: 1, octets: 40, flags: RST | ACK });
    Exchange { request, response, millis: 0, ..exchange }
}

/// The windows from one in which a server is down to the next: eight hours.
const DOWN: u32 = 48;

/// The first source port of Linux (ip_local_port_range).
const LINUX: u16 = 32_768;

/// The number of source ports of Linux.
const LINUX_PORTS: u64 = 28_232;

/// Returns the nth source port of a Linux kernel, which gives them to connections one after the other.
pub(super) fn kernel_port(first: u64, n: u64) -> u16 {
    LINUX + (first.wrapping_add(n) % LINUX_PORTS) as u16
}
