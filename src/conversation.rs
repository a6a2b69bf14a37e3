//! Conversations: the flows between two endpoints in both directions, shared by all detectors.
//!
//! Flows are kept as rows, spread over partitions by the pair of hosts ([`Shards`](crate::table::Shards)).
//! At the end of the window the rows are sorted, and the two directions between the same ports become one
//! [`Conversation`] with an initiator, a responder and an [`Outcome`]. Totals are only sums, ORs, minima and
//! maxima, so that neither the order nor the partitioning of flows can change an outcome. An outcome depends
//! on the largest record and on the flags of all records, not on the number of records. So it makes no
//! difference if an active timeout split a flow, or if a second exporter reported it too.
//!
//! Left out are multicast and broadcast, which have no responder, and ICMP messages other than requests and
//! replies. Protocols other than TCP, UDP and ICMP have no ports that all exporters report alike: two hosts
//! have one conversation per such protocol.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::flow::{Flow, ICMP, ICMPV6, Networks, TCP, UDP};

mod active;
mod address;
mod answer_rate;
mod count;
mod direction;
mod initiator;
mod outcome;
mod pair;
mod recent;
mod sampling;
pub mod service;
mod visitor;

pub use active::Active;
pub use address::{Address, Families, Together};
pub use answer_rate::{AnswerRate, PairedFlows};
pub use count::{Peak, PerWindow, narrow, widen};
pub use direction::{ACK, DirectionTotals, FIN, PSH, RST, SYN};
pub use outcome::{Conversation, Outcome};
pub use pair::CLIENT_PORTS;
pub use recent::Recent;
pub use sampling::Sampling;
pub use visitor::Visitor;

use pair::Pair;

/// The flows of one window, by pair of hosts.
#[derive(Debug)]
pub struct Conversations {
    rows: Families,
    active: Active,
    sampling: Sampling,
    /// Interfaces (SNMP ifIndex) that lead to the outside.
    outside_if: Arc<[u32]>,
    /// Length of the window in nanoseconds. A longer record counts for a rate in part.
    window: u64,
}

impl Conversations {
    /// Returns an empty window. Rows beyond about `memory` bytes go to temporary files.
    pub fn new(memory: u64) -> Conversations {
        Conversations::with_outside_interfaces(memory, Arc::default())
    }

    /// Returns an empty window that knows which interfaces lead to the outside: a flow that came in at one
    /// of them with an inside source has a forged source address (RFC 2827).
    pub fn with_outside_interfaces(memory: u64, outside_if: Arc<[u32]>) -> Conversations {
        Conversations {
            outside_if,
            rows: Families::new(memory, Together::Pair),
            active: Active::default(),
            sampling: Sampling::default(),
            window: u64::MAX,
        }
    }

    /// Sets the length of the window in seconds. Longer records then count for a rate in part
    /// ([`PerWindow`]); without this call every record counts whole.
    pub fn rate_over(&mut self, seconds: u64) {
        self.window = seconds.saturating_mul(1_000_000_000);
    }

    /// Adds flows. The hosts of the networks `inside` are noted as active where the flows show it.
    ///
    /// # Errors
    /// Writing a temporary file fails.
    pub fn add(&mut self, flows: &[Flow], inside: &Networks) -> io::Result<()> {
        for flow in flows {
            self.sampling.add(flow.sampling);
            if !inside.is_empty() {
                self.active.learn(flow, inside);
            }
            let Some(ports) = ports(flow) else { continue };
            if is_multicast_or_broadcast(flow.dip) {
                continue;
            }
            let is_spoofed = !self.outside_if.is_empty()
                && self.outside_if.contains(&flow.sif)
                && inside.contains(flow.sip);
            match (flow.sip, flow.dip) {
                (IpAddr::V4(src), IpAddr::V4(dst)) => {
                    self.push(u32::from(src), u32::from(dst), flow, ports, is_spoofed)?;
                }
                (IpAddr::V6(src), IpAddr::V6(dst)) => {
                    self.push(u128::from(src), u128::from(dst), flow, ports, is_spoofed)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the row of a flow. A record longer than the window takes a second row, so that the rows of all
    /// others stay small.
    #[inline]
    fn push<A: Address>(
        &mut self,
        src: A,
        dst: A,
        flow: &Flow,
        ports: (u16, u16),
        is_spoofed: bool,
    ) -> io::Result<()> {
        let both = [src.min(dst), src.max(dst)];
        let part = PerWindow::of_long(flow, self.window);
        if let Some(part) = part {
            self.push_rate(both, pair::rate_row(src, dst, flow.proto, ports, part))?;
        }
        self.rows.push(both, pair::row(src, dst, flow, ports, is_spoofed, part.is_some()))
    }

    #[cold]
    #[inline(never)]
    fn push_rate<A: Address>(&mut self, both: [A; 2], row: A::Row) -> io::Result<()> {
        self.rows.push(both, row)
    }

    /// Returns the packet sampling that the flows report.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Returns the inside hosts that were active.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// Takes the set of active hosts out and leaves an empty one.
    pub fn take_active(&mut self) -> Active {
        std::mem::take(&mut self.active)
    }

    /// Hands all conversations to `visitor`, and returns how many long TCP flows were paired. `sampled` says
    /// that one packet in N was seen, so that a missing answer proves nothing.
    ///
    /// # Errors
    /// Reading or writing a temporary file fails.
    pub fn visit(self, sampled: bool, visitor: &mut impl Visitor) -> io::Result<PairedFlows> {
        let mut answer_rate = AnswerRate::default();
        let mut v4 = Pair::<u32>::new(sampled);
        self.rows.v4.sorted(|rows| v4.read_partition(rows, &mut answer_rate, visitor))?;
        let mut v6 = Pair::<u128>::new(sampled);
        self.rows.v6.sorted(|rows| v6.read_partition(rows, &mut answer_rate, visitor))?;
        Ok(answer_rate.paired_flows())
    }
}

/// Returns true for multicast, broadcast and unspecified addresses.
fn is_multicast_or_broadcast(host: IpAddr) -> bool {
    match host {
        IpAddr::V4(host) => host.is_multicast() || host.is_broadcast() || host.is_unspecified(),
        IpAddr::V6(host) => host.is_multicast() || host.is_unspecified(),
    }
}

/// Returns true if conversations of this protocol have a port, or an ICMP type in place of one.
pub fn has_port(proto: u8) -> bool {
    matches!(proto, TCP | UDP | ICMP | ICMPV6)
}

/// Returns the source and destination port of a flow, or `None` if it cannot be part of a conversation: an
/// ICMP message that is neither a request nor a reply.
///
/// An ICMP request has its type as destination port. A reply gets the ports of its request, swapped (RFC 792,
/// RFC 950, RFC 4443 section 4).
fn ports(flow: &Flow) -> Option<(u16, u16)> {
    match (flow.proto, flow.dport) {
        (TCP | UDP, _) => Some((flow.sport, flow.dport)),
        (ICMP, ECHO | TIMESTAMP | ADDRESS_MASK) => Some((0, flow.dport & 0xff00)),
        (ICMP, 0) => Some((ECHO, 0)),
        (ICMP, TIMESTAMP_REPLY) => Some((TIMESTAMP, 0)),
        (ICMP, ADDRESS_MASK_REPLY) => Some((ADDRESS_MASK, 0)),
        (ICMPV6, ECHO_V6) => Some((0, ECHO_V6)),
        (ICMPV6, ECHO_REPLY_V6) => Some((ECHO_V6, 0)),
        (proto, _) => (!has_port(proto)).then_some((0, 0)),
    }
}

// ICMP types as exporters write them into the destination port: type * 256 + code.
const ECHO: u16 = 8 << 8;
const TIMESTAMP: u16 = 13 << 8;
const TIMESTAMP_REPLY: u16 = 14 << 8;
const ADDRESS_MASK: u16 = 17 << 8;
const ADDRESS_MASK_REPLY: u16 = 18 << 8;
const ECHO_V6: u16 = 128 << 8;
const ECHO_REPLY_V6: u16 = 129 << 8;

#[cfg(test)]
mod tests;
