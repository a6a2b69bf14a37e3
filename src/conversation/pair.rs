//! The conversations of a pair of hosts, put together from sorted rows.
//!
//! A row is a flow in 32 octets (IPv6: 56): the smaller address, the protocol, the larger address, the
//! smaller one's port and the larger one's, the direction, flags and start, packets and octets. A flow
//! that lasts longer than the window has a second row, with the packets and octets that a rate counts.

use std::io;

use super::answer_rate::AnswerRate;
use super::outcome::{Conversation, DirectionTotals, EXCHANGE_PACKETS, LONG_FLOW, Unoriented};
use super::{Address, PerWindow, Visitor, narrow, widen};
use crate::flow::{Flow, TCP};
use crate::table::Sorted;

/// Conversations of one pair and protocol that wait until it is known who of the two asks; with more,
/// what is known so far decides. It stops two hosts that invent ports from filling memory.
const MOST_UNDECIDED: usize = 4096;

/// One side has so many times the distinct ports of the other: it is the one that is asked.
const MORE_PORTS: usize = 4;

/// Where systems of today number their clients' ports from: Linux 32768, others 49152.
const CLIENTS: u16 = 32_768;
/// Fewer ports do not show a habit.
const MANY_PORTS: usize = 8;

/// In the word of direction, flags and start: sent by the larger address.
const BACK: u32 = 1 << 31;
/// The record had flags.
const FLAGS: u32 = 1 << 30;
/// Came in from outside with one of our addresses.
const SPOOFED: u32 = 1 << 21;
/// The flow's rate stands in a row of its own.
const IN_PART: u32 = 1 << 20;
/// This is such a row: it counts for the rate, and for nothing else.
const PART: u32 = 1 << 19;
/// Bits of the start's upper part. A [`Timestamp`](crate::time::Timestamp) in milliseconds has 45 bits, 13
/// of them here.
const UPPER: u32 = (1 << 19) - 1;

/// The row of a flow from `a` to `b`, from these ports to those.
#[inline]
pub(super) fn row<A: Address>(
    a: A,
    b: A,
    flow: &Flow,
    ports: (u16, u16),
    is_spoofed: bool,
    is_long: bool,
) -> A::Row {
    let start = flow.start.or(flow.end).map_or(0, |start| start.nanos() / 1_000_000);
    let mut bits = ((start >> 32) as u32) & UPPER;
    if let Some(flags) = flow.flags {
        bits |= FLAGS | (u32::from(flags as u8) << 22);
    }
    bits |= if is_spoofed { SPOOFED } else { 0 };
    bits |= if is_long { IN_PART } else { 0 };
    let counts = [flow.packets, flow.octets].map(narrow);
    pack(a, b, flow.proto, ports, [bits, counts[0], counts[1], start as u32])
}

/// The row that says how much of a flow longer than the window a rate counts.
pub(super) fn part_row<A: Address>(
    a: A,
    b: A,
    proto: u8,
    ports: (u16, u16),
    part: PerWindow,
) -> A::Row {
    pack(a, b, proto, ports, [PART, narrow(part.packets), narrow(part.octets), 0])
}

#[inline]
fn pack<A: Address>(
    a: A,
    b: A,
    proto: u8,
    (sport, dport): (u16, u16),
    [bits, packets, octets, start]: [u32; 4],
) -> A::Row {
    let (lo, hi, ports, back) = if a > b {
        (b, a, (u32::from(dport) << 16) | u32::from(sport), BACK)
    } else {
        (a, b, (u32::from(sport) << 16) | u32::from(dport), 0)
    };
    A::pack(lo, u32::from(proto), hi, [ports, bits | back, packets, octets, start])
}

impl DirectionTotals {
    #[inline(always)]
    fn add<A: Address>(&mut self, [_, bits, packets, octets, start]: [u32; 5]) {
        if bits & (PART | IN_PART) != 0 {
            self.add_long(bits, PerWindow { packets: widen(packets), octets: widen(octets) });
            if bits & PART != 0 {
                return;
            }
        }
        self.shape = self.shape.min((packets, octets));
        self.largest_packets = self.largest_packets.max(packets);
        let (packets, octets) = (widen(packets), widen(octets));
        self.flows += 1;
        self.packets = self.packets.saturating_add(packets);
        self.octets = self.octets.saturating_add(octets);
        self.flags |= (bits >> 22) as u8;
        self.has_flags &= bits & FLAGS != 0;
        self.has_payload |= octets > A::LOADED * packets;
        let is_reset = octets <= A::RESET * packets;
        self.exceeds_reset |= !is_reset;
        self.has_exchange |= packets >= EXCHANGE_PACKETS.into() && !is_reset;
        self.spoofed |= bits & SPOOFED != 0;
        self.exceeds_bare |= octets > A::BARE * packets;
        let start = (u64::from(bits & UPPER) << 32) | u64::from(start);
        if start != 0 && (self.start == 0 || start < self.start) {
            self.start = start;
        }
    }
}

impl DirectionTotals {
    /// A row of a flow that counts in part: the flow's own, or the one with its part. They come in any order.
    #[cold]
    fn add_long(&mut self, bits: u32, counts: PerWindow) {
        let PerWindow { packets, octets } = counts;
        let (all, bytes) = self.outside_window;
        self.outside_window = if bits & PART != 0 {
            (all.wrapping_sub(packets), bytes.wrapping_sub(octets))
        } else {
            (all.wrapping_add(packets), bytes.wrapping_add(octets))
        };
    }
}

/// Goes through sorted rows.
pub(super) struct Pair<A> {
    is_sampled: bool,
    hosts: [A; 2],
    proto: u8,
    /// Conversations of which it is not known yet who asked.
    undecided: Vec<Unoriented>,
    /// Where it is known: how often each side asked.
    opened: [u32; 2],
    /// Scratch for counting ports.
    seen: Vec<u16>,
}

impl<A: Address> Pair<A> {
    pub(super) fn new(is_sampled: bool) -> Pair<A> {
        Pair {
            is_sampled,
            hosts: [A::default(); 2],
            proto: 0,
            undecided: Vec::new(),
            opened: [0; 2],
            seen: Vec::new(),
        }
    }

    /// All pairs of a partition.
    pub(super) fn part(
        &mut self,
        rows: &mut Sorted<'_, A::Row>,
        ballot: &mut AnswerRate,
        visitor: &mut impl Visitor,
    ) -> io::Result<()> {
        let mut next = rows.next_row()?;
        while let Some(row) = next {
            let (lo, first, hi, rest) = A::unpack(&row);
            let proto = first as u8;
            if ([lo, hi], proto) != (self.hosts, self.proto) {
                self.decide(visitor)?;
                (self.hosts, self.proto, self.opened) = ([lo, hi], proto, [0; 2]);
            }
            let mut ends = Unoriented {
                ports: [(rest[0] >> 16) as u16, rest[0] as u16],
                directions: [DirectionTotals::NONE, DirectionTotals::NONE],
            };
            let [forth, back] = &mut ends.directions;
            let mut side = |rest: [u32; 5]| match rest[1] & BACK {
                0 => forth.add::<A>(rest),
                _ => back.add::<A>(rest),
            };
            side(rest);
            loop {
                next = rows.next_row()?;
                match next.as_ref().map(A::unpack) {
                    Some((l, f, h, more)) if (l, f, h, more[0]) == (lo, first, hi, rest[0]) => {
                        side(more);
                    }
                    _ => break,
                }
            }
            self.conversation(ends, ballot, visitor)?;
        }
        self.decide(visitor)
    }

    fn conversation(
        &mut self,
        ends: Unoriented,
        ballot: &mut AnswerRate,
        visitor: &mut impl Visitor,
    ) -> io::Result<()> {
        if self.proto == TCP {
            let [a, b] = &ends.directions;
            let is_paired = a.is_present() && b.is_present();
            let [lo, hi] = self.hosts;
            for (half, to) in [(a, hi), (b, lo)] {
                if half.largest_packets >= LONG_FLOW && half.was_answered() {
                    ballot.add(to, is_paired);
                }
            }
        }
        match ends.initiator(self.proto) {
            Some(asker) => {
                self.opened[asker & 1] += 1;
                visitor.conversation(&Conversation::new(
                    self.hosts,
                    self.proto,
                    &ends,
                    Some(asker),
                    self.is_sampled,
                ))
            }
            None => {
                self.undecided.push(ends);
                match self.undecided.len() == MOST_UNDECIDED {
                    true => self.decide(visitor),
                    false => Ok(()),
                }
            }
        }
    }

    /// Where a conversation does not say who asked, the others of the pair do: whose ports are so many
    /// more than the other's that they are what is looked for; who has all of his where systems number
    /// their clients' (RFC 6056 section 2.1), while the other has not; who asked most of the others. Who
    /// spoke and got no answer asked, unless it may be the resets with which many ports answer a scanner
    /// whose questions are not there.
    fn decide(&mut self, visitor: &mut impl Visitor) -> io::Result<()> {
        if self.undecided.is_empty() {
            return Ok(());
        }
        let [a, b] = [0, 1].map(|side| self.distinct(side));
        let [low, high] = [0, 1].map(|side| self.below_clients(side));
        let enough = self.undecided.len().min(a).min(b) >= MANY_PORTS;
        let by_ports = match () {
            () if a.max(b) < MORE_PORTS => None,
            () if a >= MORE_PORTS * b => Some(1),
            () if b >= MORE_PORTS * a => Some(0),
            () if enough && low == 0 && high * 4 >= b => Some(0),
            () if enough && high == 0 && low * 4 >= a => Some(1),
            () => None,
        };
        let by_others = match self.opened {
            [a, b] if a > b => Some(0),
            [a, b] if a < b => Some(1),
            _ => None,
        };
        for ends in std::mem::take(&mut self.undecided) {
            let asker = match ends.sender() {
                Some(sender) => {
                    by_ports.filter(|_| ends.may_be_resets(self.proto)).or(Some(sender))
                }
                // Equal ports ask each other: VPN, SIP, name servers of old.
                None => by_others.or(by_ports).filter(|_| ends.ports[0] != ends.ports[1]),
            };
            visitor.conversation(&Conversation::new(
                self.hosts,
                self.proto,
                &ends,
                asker,
                self.is_sampled,
            ))?;
        }
        Ok(())
    }

    /// How many of one side's waiting conversations are from or to a port below the clients'.
    fn below_clients(&self, side: usize) -> usize {
        self.undecided.iter().filter(|ends| ends.ports[side & 1] < CLIENTS).count()
    }

    /// How many ports one side of the waiting conversations has.
    fn distinct(&mut self, side: usize) -> usize {
        self.seen.clear();
        self.seen.extend(self.undecided.iter().map(|ends| ends.ports[side & 1]));
        self.seen.sort_unstable();
        self.seen.dedup();
        self.seen.len()
    }
}
