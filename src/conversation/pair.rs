//! Puts the conversations of a pair of hosts together from sorted rows.
//!
//! A row holds a flow in 32 bytes (56 bytes for IPv6): the smaller address, the protocol, the larger
//! address, the ports of the smaller and of the larger address, one word with direction, flags and the upper
//! part of the start, then packets, bytes and the lower part of the start. A flow that lasts longer than the
//! window has a second row with the packets and bytes that count for a rate.

use std::io;

use super::address::Address;
use super::answer_rate::AnswerRate;
use super::count::{Peak, PerWindow, narrow, widen};
use super::direction::{DirectionTotals, EXCHANGE_PACKETS};
use super::initiator::Unoriented;
use super::outcome::{Conversation, Initiator};
use super::visitor::Visitor;
use crate::flow::{Flow, TCP, UDP};
use crate::table::Sorted;

/// The most conversations of one pair and protocol that wait until their initiator is known. With more, the
/// ones that wait are decided by what is known so far. The limit stops two hosts that invent ports from
/// filling memory.
const MAX_UNDECIDED: usize = 4096;

/// A side with so many times the distinct ports of the other side is the responder.
const MORE_PORTS: usize = 4;

/// Lowest port that current systems give to clients: 32768 on Linux, 49152 on others (RFC 6056
/// section 2.1).
pub const CLIENT_PORTS: u16 = 32_768;
/// The fewest distinct ports of each side from which the client ports of one side are taken for a habit.
const MANY_PORTS: usize = 8;

/// The fewest packets of a TCP flow that shows whether the other direction is exported too.
const LONG_FLOW: u32 = 10;

/// Bit of a row's second word: the larger address sent the flow. The bits from 22 to 29 are the TCP flags.
const FROM_LARGER: u32 = 1 << 31;
/// Bit of a row's second word: the record had TCP flags.
const HAS_FLAGS: u32 = 1 << 30;
/// Bit of a row's second word: the flow came in at an outside interface with an inside source.
const SPOOFED: u32 = 1 << 21;
/// Bit of a row's second word: what counts for a rate is in a second row, because the flow is long.
const HAS_RATE_ROW: u32 = 1 << 20;
/// Bit of a row's second word: this is such a second row, and counts for the rate only.
const IS_RATE_ROW: u32 = 1 << 19;
/// Place of the duration in a row's second word, six bits in the form of [`Peak::duration`], and their mask.
const DURATION: u32 = 13;
const HAS_DURATION: u32 = 0x3f << DURATION;
/// Mask of a row's second word: the upper part of the start. A [`Timestamp`](crate::time::Timestamp) in
/// milliseconds has 45 bits, 13 of them here.
const START_UPPER: u32 = (1 << DURATION) - 1;

/// Returns the row of a flow from `src` to `dst`; `ports` are its source and destination port.
#[inline]
pub(super) fn row<A: Address>(
    src: A,
    dst: A,
    flow: &Flow,
    ports: (u16, u16),
    is_spoofed: bool,
    is_long: bool,
) -> A::Row {
    let start = flow.start.or(flow.end).map_or(0, |start| start.nanos() / 1_000_000);
    let mut bits = ((start >> 32) as u32) & START_UPPER;
    if let Some(flags) = flow.flags {
        bits |= HAS_FLAGS | (u32::from(flags as u8) << 22);
    }
    bits |= if is_spoofed { SPOOFED } else { 0 };
    bits |= if is_long { HAS_RATE_ROW } else { 0 };
    bits |= Peak::duration(flow) << DURATION;
    let counts = [flow.packets, flow.octets].map(narrow);
    pack(src, dst, flow.proto, ports, [bits, counts[0], counts[1], start as u32])
}

/// Returns the second row of a flow that is longer than the window: the part of it that counts for a rate.
pub(super) fn rate_row<A: Address>(
    src: A,
    dst: A,
    proto: u8,
    ports: (u16, u16),
    part: PerWindow,
) -> A::Row {
    pack(src, dst, proto, ports, [IS_RATE_ROW, narrow(part.packets), narrow(part.bytes), 0])
}

#[inline]
fn pack<A: Address>(
    src: A,
    dst: A,
    proto: u8,
    (sport, dport): (u16, u16),
    [bits, packets, bytes, start]: [u32; 4],
) -> A::Row {
    let (lo, hi, ports, direction) = if src > dst {
        (dst, src, (u32::from(dport) << 16) | u32::from(sport), FROM_LARGER)
    } else {
        (src, dst, (u32::from(sport) << 16) | u32::from(dport), 0)
    };
    A::pack(lo, u32::from(proto), hi, [ports, bits | direction, packets, bytes, start])
}

impl DirectionTotals {
    /// Adds a row of this direction.
    #[inline(always)]
    fn add<A: Address>(&mut self, [_, bits, packets, bytes, start]: [u32; 5]) {
        if bits & (IS_RATE_ROW | HAS_RATE_ROW) != 0 {
            self.add_long(bits, PerWindow { packets: widen(packets), bytes: widen(bytes) });
            if bits & IS_RATE_ROW != 0 {
                return;
            }
        }
        self.shape = self.shape.min((packets, bytes));
        self.largest_packets = self.largest_packets.max(packets);
        let (packets, bytes) = (widen(packets), widen(bytes));
        self.flows += 1;
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
        self.flags |= (bits >> 22) as u8;
        self.has_flags &= bits & HAS_FLAGS != 0;
        self.has_payload |= bytes > A::LOADED * packets;
        let is_reset = bytes <= A::RESET * packets;
        self.exceeds_reset |= !is_reset;
        self.has_exchange |= packets >= EXCHANGE_PACKETS.into() && !is_reset;
        self.spoofed |= bits & SPOOFED != 0;
        self.exceeds_bare |= bytes > A::BARE * packets;
        let start = (u64::from(bits & START_UPPER) << 32) | u64::from(start);
        if start != 0 && (self.start == 0 || start < self.start) {
            self.start = start;
        }
        if bits & HAS_DURATION != 0 {
            self.add_peak((bits & HAS_DURATION) >> DURATION, [packets, bytes], start);
        }
    }

    /// Adds the busiest minute of a record.
    #[cold]
    fn add_peak(&mut self, duration: u32, [packets, bytes]: [u64; 2], start: u64) {
        self.peak.raise(Peak::of_record(packets, bytes, duration, start));
    }

    /// Adds one of the two rows of a long flow to the counts outside the window: plus the whole flow, minus
    /// the part that counts for a rate. The two rows come in any order, so the difference may wrap in
    /// between.
    #[cold]
    fn add_long(&mut self, bits: u32, counts: PerWindow) {
        let PerWindow { packets, bytes } = self.outside_window;
        self.outside_window = if bits & IS_RATE_ROW != 0 {
            PerWindow {
                packets: packets.wrapping_sub(counts.packets),
                bytes: bytes.wrapping_sub(counts.bytes),
            }
        } else {
            PerWindow {
                packets: packets.wrapping_add(counts.packets),
                bytes: bytes.wrapping_add(counts.bytes),
            }
        };
    }
}

/// Returns true for the ports of services that use one port on both sides: names, time, routing, tunnels and telephones.
fn is_symmetric(port: u16) -> bool {
    matches!(port, 53 | 123 | 137 | 138 | 500 | 520 | 1194 | 1701 | 4500 | 5060 | 5353 | 51_820)
}

/// Reads sorted rows and hands over the conversations of one pair of hosts after the other.
pub(super) struct Pair<A> {
    is_sampled: bool,
    /// The pair of hosts at hand, the smaller address first, and the protocol.
    hosts: [A; 2],
    proto: u8,
    /// Conversations of the pair whose initiator is not known yet.
    undecided: Vec<Unoriented>,
    /// Number of conversations that each of the two hosts is known to have opened.
    opened: [u32; 2],
    /// Scratch space to count distinct ports.
    ports: Vec<u16>,
}

impl<A: Address> Pair<A> {
    /// Returns a reader that has not seen any pair. `is_sampled` says that one packet in N was seen.
    pub(super) fn new(is_sampled: bool) -> Pair<A> {
        Pair {
            is_sampled,
            hosts: [A::default(); 2],
            proto: 0,
            undecided: Vec::new(),
            opened: [0; 2],
            ports: Vec::new(),
        }
    }

    /// Hands all conversations of a partition to `visitor`, and counts long TCP flows in `answer_rate`.
    ///
    /// # Errors
    /// Reading the rows fails, or the visitor does.
    pub(super) fn read_partition(
        &mut self,
        rows: &mut Sorted<'_, A::Row>,
        answer_rate: &mut AnswerRate,
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
            let mut unoriented = Unoriented {
                ports: [(rest[0] >> 16) as u16, rest[0] as u16],
                directions: [DirectionTotals::NONE, DirectionTotals::NONE],
            };
            let [from_lo, from_hi] = &mut unoriented.directions;
            let mut add = |rest: [u32; 5]| {
                if rest[1] & FROM_LARGER == 0 {
                    from_lo.add::<A>(rest);
                } else {
                    from_hi.add::<A>(rest);
                }
            };
            add(rest);
            loop {
                next = rows.next_row()?;
                match next.as_ref().map(A::unpack) {
                    Some((l, f, h, more)) if (l, f, h, more[0]) == (lo, first, hi, rest[0]) => {
                        add(more);
                    }
                    _ => break,
                }
            }
            self.conversation(&unoriented, answer_rate, visitor)?;
        }
        self.decide(visitor)
    }

    /// Hands a conversation to `visitor`, or keeps it until its initiator is known.
    fn conversation(
        &mut self,
        unoriented: &Unoriented,
        answer_rate: &mut AnswerRate,
        visitor: &mut impl Visitor,
    ) -> io::Result<()> {
        if self.proto == TCP {
            let [a, b] = &unoriented.directions;
            let is_paired = a.is_present() && b.is_present();
            let [lo, hi] = self.hosts;
            for (direction, receiver) in [(a, hi), (b, lo)] {
                if direction.largest_packets >= LONG_FLOW && direction.was_answered() {
                    answer_rate.add(receiver, is_paired);
                }
            }
        }
        let Some(initiator) = unoriented.initiator::<A>(self.proto) else {
            self.undecided.push(*unoriented);
            if self.undecided.len() == MAX_UNDECIDED {
                self.decide(visitor)?;
            }
            return Ok(());
        };
        self.opened[initiator & 1] += 1;
        visitor.conversation(&Conversation::new(
            self.hosts,
            self.proto,
            unoriented,
            Initiator { side: initiator, is_sure: true },
            self.is_sampled,
        ))
    }

    /// Hands over the conversations that do not show their initiator, and decides by the others of the pair.
    ///
    /// If both directions were seen, the initiator is the side that opened most of the pair's other
    /// conversations; if neither did, the ports decide. If only one direction was seen, the sender is the
    /// initiator. The ports overrule it only where the packets may be resets, because many ports reset a
    /// scan whose probes were not exported. Of datagrams between equal ports it is not sure either: time
    /// servers, VPNs and telephones use their port on both sides (RFC 5905 section 7.3, RFC 7296 section 2,
    /// RFC 3261 section 18), so the datagram may be an answer.
    ///
    /// The ports decide by two rules. A side with [`MORE_PORTS`] times the distinct ports of the other side
    /// is the responder, because a scanner tries many ports. Otherwise a side whose ports are all where
    /// systems number their clients' ports is the initiator, if each side has at least [`MANY_PORTS`] and at
    /// least a quarter of the other side's are below [`CLIENT_PORTS`].
    fn decide(&mut self, visitor: &mut impl Visitor) -> io::Result<()> {
        if self.undecided.is_empty() {
            return Ok(());
        }
        let [a, b] = [0, 1].map(|side| self.distinct_ports(side));
        let [a_low, b_low] = [0, 1].map(|side| self.below_client_ports(side));
        let has_many = self.undecided.len().min(a).min(b) >= MANY_PORTS;
        let by_ports = if a.max(b) < MORE_PORTS {
            None
        } else if a >= MORE_PORTS * b {
            Some(1)
        } else if b >= MORE_PORTS * a || (has_many && a_low == 0 && b_low * 4 >= b) {
            Some(0)
        } else if has_many && b_low == 0 && a_low * 4 >= a {
            Some(1)
        } else {
            None
        };
        let by_others = match self.opened {
            [a, b] if a > b => Some(0),
            [a, b] if a < b => Some(1),
            _ => None,
        };
        for unoriented in std::mem::take(&mut self.undecided) {
            let is_equal = unoriented.ports[0] == unoriented.ports[1];
            let initiator = match unoriented.only_sender() {
                Some(side)
                    if self.proto == UDP && is_equal && is_symmetric(unoriented.ports[0]) =>
                {
                    Initiator { side, is_sure: false }
                }
                Some(sender) => {
                    let resets = by_ports.filter(|_| unoriented.may_be_resets(self.proto));
                    Initiator { side: resets.unwrap_or(sender), is_sure: true }
                }
                None => {
                    let side = by_others.or(by_ports).filter(|_| !is_equal);
                    Initiator { side: side.unwrap_or(0), is_sure: side.is_some() }
                }
            };
            visitor.conversation(&Conversation::new(
                self.hosts,
                self.proto,
                &unoriented,
                initiator,
                self.is_sampled,
            ))?;
        }
        Ok(())
    }

    /// Returns how many undecided conversations have a port below the client ports on this side.
    fn below_client_ports(&self, side: usize) -> usize {
        self.undecided.iter().filter(|undecided| undecided.ports[side & 1] < CLIENT_PORTS).count()
    }

    /// Returns how many distinct ports this side of the undecided conversations has.
    fn distinct_ports(&mut self, side: usize) -> usize {
        self.ports.clear();
        self.ports.extend(self.undecided.iter().map(|undecided| undecided.ports[side & 1]));
        self.ports.sort_unstable();
        self.ports.dedup();
        self.ports.len()
    }
}
