//! The core that detectors share: who asked whom, and was it answered.
//!
//! Flows are kept as rows, spread by the pair of hosts ([`Shards`](crate::table::Shards)), and put together again when the
//! window is over: the two directions between the same ports are a conversation, one side of it asked
//! ([`Conversation`]), and something came of it ([`Outcome`]). Only sums, ORs, minima and maxima are taken, so
//! that neither order nor partition can change an outcome. Records that an active timeout split and
//! copies of a second exporter fall together: what is looked at are the largest flow and what flags
//! there were, not how many records.
//!
//! Multicast and broadcast are nobody's conversation and are left out, and so is what ICMP reports: only its
//! questions and answers are any. Of other protocols, which have no ports that all exporters tell alike, two
//! hosts have one conversation each.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::flow::{Flow, ICMP, ICMPV6, Networks, TCP, UDP};

mod active;
mod address;
mod answer_rate;
mod count;
mod outcome;
mod pair;
mod recent;
mod sampling;
pub mod service;

pub use active::Active;
pub use address::{Address, Families, Together};
pub use answer_rate::AnswerRate;
pub use count::{PerWindow, narrow, widen};
pub use outcome::{ACK, Conversation, DirectionTotals, FIN, Outcome, PSH, RST, SYN};
pub use recent::Recent;
pub use sampling::Sampling;

use pair::Pair;

/// The flows of one window, by pair of hosts.
#[derive(Debug)]
pub struct Conversations {
    rows: Families,
    active: Active,
    sampling: Sampling,
    /// Interfaces (SNMP ifIndex) at which the outside begins.
    outside_if: Arc<[u32]>,
    /// Nanoseconds beyond which a record counts for a rate in part only.
    window: u64,
}

/// What was learned on the way through all conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairedFlows {
    /// Directions of TCP conversations with a flow of at least ten packets that shows that it was answered:
    /// of what was sent to one host, thirty-two at most.
    pub long_flows: u64,
    /// Those of them whose other direction was there too.
    pub paired: u64,
}

/// Takes the conversations of a window, pair by pair.
pub trait Visitor {
    /// One conversation. Those of one pair and protocol follow one another.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    fn conversation<A: Address>(&mut self, talk: &Conversation<A>) -> io::Result<()>;
}

impl Conversations {
    /// No flow yet; rows beyond about `memory` octets go to temporary files.
    pub fn new(memory: u64) -> Conversations {
        Conversations::at(memory, Arc::default())
    }

    /// The same, told at which interfaces the outside begins: a flow from there with an inside source
    /// has a forged one (RFC 2827).
    pub fn at(memory: u64, outside_if: Arc<[u32]>) -> Conversations {
        Conversations {
            outside_if,
            rows: Families::new(memory, Together::Pair),
            active: Active::default(),
            sampling: Sampling::default(),
            window: u64::MAX,
        }
    }

    /// Counts rates over a window of so many seconds: records that last longer are shared out
    /// ([`PerWindow`]). Without this call every record counts whole.
    pub fn rate_over(&mut self, seconds: u64) {
        self.window = seconds.saturating_mul(1_000_000_000);
    }

    /// Keeps flows. `inside` says whose hosts are watched for being active.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub fn add(&mut self, flows: &[Flow], inside: &Networks) -> io::Result<()> {
        for flow in flows {
            self.sampling.see(flow.sampling);
            if !inside.is_empty() {
                self.active.see(flow, inside);
            }
            let Some(ports) = ports(flow) else { continue };
            if is_multicast_or_broadcast(flow.dip) {
                continue;
            }
            let is_spoofed = !self.outside_if.is_empty()
                && self.outside_if.contains(&flow.sif)
                && inside.contains(flow.sip);
            match (flow.sip, flow.dip) {
                (IpAddr::V4(a), IpAddr::V4(b)) => {
                    self.push(u32::from(a), u32::from(b), flow, ports, is_spoofed)?;
                }
                (IpAddr::V6(a), IpAddr::V6(b)) => {
                    self.push(u128::from(a), u128::from(b), flow, ports, is_spoofed)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keeps a flow from `a` to `b`. A record that is longer than the window takes a second row, so that
    /// all others stay as small as they are.
    #[inline]
    fn push<A: Address>(
        &mut self,
        a: A,
        b: A,
        flow: &Flow,
        ports: (u16, u16),
        is_spoofed: bool,
    ) -> io::Result<()> {
        let both = [a.min(b), a.max(b)];
        let part = PerWindow::of_long(flow, self.window);
        if let Some(part) = part {
            self.push_part(both, pair::part_row(a, b, flow.proto, ports, part))?;
        }
        self.rows.push(both, pair::row(a, b, flow, ports, is_spoofed, part.is_some()))
    }

    #[cold]
    #[inline(never)]
    fn push_part<A: Address>(&mut self, both: [A; 2], row: A::Row) -> io::Result<()> {
        self.rows.push(both, row)
    }

    /// Packet sampling, as the flows name it.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// The inside hosts that were active.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// Takes the set of active hosts out.
    pub fn take_active(&mut self) -> Active {
        std::mem::take(&mut self.active)
    }

    /// Hands all conversations to `visitor`. `sampled` says that one packet in many was seen, so that
    /// an answer that is not there means nothing.
    ///
    /// # Errors
    /// A temporary file that fails.
    pub fn visit(self, sampled: bool, visitor: &mut impl Visitor) -> io::Result<PairedFlows> {
        let mut ballot = AnswerRate::default();
        let mut four = Pair::<u32>::new(sampled);
        self.rows.v4.sorted(|rows| four.part(rows, &mut ballot, visitor))?;
        let mut six = Pair::<u128>::new(sampled);
        self.rows.v6.sorted(|rows| six.part(rows, &mut ballot, visitor))?;
        Ok(ballot.count())
    }
}

/// Multicast and broadcast, and no address at all.
fn is_multicast_or_broadcast(host: IpAddr) -> bool {
    match host {
        IpAddr::V4(host) => host.is_multicast() || host.is_broadcast() || host.is_unspecified(),
        IpAddr::V6(host) => host.is_multicast() || host.is_unspecified(),
    }
}

/// Whether conversations by a protocol are for a port, or what stands for one.
pub fn has_port(proto: u8) -> bool {
    matches!(proto, TCP | UDP | ICMP | ICMPV6)
}

/// Source and destination port of what can be a conversation. The answers of ICMP get the ports of
/// their questions, the other way round: RFC 792, RFC 950, RFC 4443 section 4.
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

/// ICMP questions as destination ports, type*256.
const ECHO: u16 = 8 << 8;
const TIMESTAMP: u16 = 13 << 8;
const TIMESTAMP_REPLY: u16 = 14 << 8;
const ADDRESS_MASK: u16 = 17 << 8;
const ADDRESS_MASK_REPLY: u16 = 18 << 8;
const ECHO_V6: u16 = 128 << 8;
const ECHO_REPLY_V6: u16 = 129 << 8;

#[cfg(test)]
mod tests;
