//! What is kept of the flows between two hosts: sums, and the least and the greatest of a few columns.
//! All of it can be merged in any order.

use std::io;
use std::net::IpAddr;

use crate::conversation::{Address, Families, Together};
use crate::flow::Flow;
use crate::table::Sorted;

/// Sums over flows, with one of them as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PairTotals {
    /// How many flows.
    pub flows: u64,
    /// Their packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// The least of their (protocol, destination port, source port): the flow given as evidence.
    least: (u8, u16, u16),
    /// The greatest protocol and, apart from it, the least and greatest destination port.
    proto: u8,
    ports: (u16, u16),
}

impl PairTotals {
    /// Of nothing at all: merging it changes nothing.
    pub(super) const EMPTY: PairTotals = PairTotals {
        flows: 0,
        packets: 0,
        octets: 0,
        least: (u8::MAX, u16::MAX, u16::MAX),
        proto: 0,
        ports: (u16::MAX, 0),
    };

    /// Adds what another counted. Sums stop at the end of their range, so that no exporter's nonsense can
    /// wrap them.
    pub(super) fn merge(&mut self, other: &PairTotals) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.octets = self.octets.saturating_add(other.octets);
        self.least = self.least.min(other.least);
        self.proto = self.proto.max(other.proto);
        self.ports = (self.ports.0.min(other.ports.0), self.ports.1.max(other.ports.1));
    }

    /// The protocol, if all flows had the same.
    pub(super) fn proto(&self) -> Option<u8> {
        (self.least.0 == self.proto).then_some(self.proto)
    }

    /// The destination port, if all flows had the same protocol and port.
    pub(super) fn port(&self) -> Option<u16> {
        (self.proto().is_some() && self.ports.0 == self.ports.1).then_some(self.ports.0)
    }

    /// Protocol, destination port and source port of the flow that serves as evidence.
    pub(super) fn evidence(&self) -> (u8, u16, u16) {
        self.least
    }
}

/// Flows that are put together by their two hosts, either of them first, and a number between.
#[derive(Debug)]
pub(super) struct Tallies {
    rows: Families,
}

impl Tallies {
    /// No flow yet; what is beyond about `memory` octets goes to temporary files.
    pub(super) fn new(memory: u64) -> Tallies {
        Tallies { rows: Families::new(memory, Together::First) }
    }

    /// Counts a flow under its hosts and `by`.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    pub(super) fn add(
        &mut self,
        first: IpAddr,
        by: u32,
        second: IpAddr,
        flow: &Flow,
    ) -> io::Result<()> {
        match (first, second) {
            (IpAddr::V4(a), IpAddr::V4(b)) => self.push(u32::from(a), by, u32::from(b), flow),
            (IpAddr::V6(a), IpAddr::V6(b)) => self.push(u128::from(a), by, u128::from(b), flow),
            // No packet has addresses of two families.
            _ => Ok(()),
        }
    }

    fn push<A: Address>(&mut self, first: A, by: u32, second: A, flow: &Flow) -> io::Result<()> {
        let packets = flow.packets.min(MAX_PACKETS);
        let rest = [
            (u32::from(flow.dport) << 16) | u32::from(flow.sport),
            (u32::from(flow.proto) << 24) | (packets >> 32) as u32,
            packets as u32,
            (flow.octets >> 32) as u32,
            flow.octets as u32,
        ];
        self.rows.push([first, second], A::pack(first, by, second, rest))
    }

    /// Calls `of_each` with every first host, number and second host there was, and what they have. The first
    /// hosts come in any order; what one has comes together and in order. Those with fewer than `least` flows
    /// may be left out.
    ///
    /// # Errors
    /// A temporary file that fails.
    pub(super) fn visit(
        self,
        least: u64,
        mut of_each: impl FnMut(IpAddr, u32, IpAddr, PairTotals),
    ) -> io::Result<()> {
        let least = usize::try_from(least).unwrap_or(usize::MAX);
        self.rows.v4.large(least, |rows| part::<u32>(rows, &mut of_each))?;
        self.rows.v6.large(least, |rows| part::<u128>(rows, &mut of_each))
    }
}

/// A flow of more packets has as many: 56 bits.
const MAX_PACKETS: u64 = (1 << 56) - 1;

fn part<A: Address>(
    rows: &mut Sorted<'_, A::Row>,
    of_each: &mut impl FnMut(IpAddr, u32, IpAddr, PairTotals),
) -> io::Result<()> {
    let mut open: Option<((A, u32, A), PairTotals)> = None;
    while let Some(row) = rows.next_row()? {
        let (first, by, second, rest) = A::unpack(&row);
        let (key, flow) = ((first, by, second), flow(rest));
        match &mut open {
            Some((of, sum)) if *of == key => sum.merge(&flow),
            _ => {
                if let Some(((first, by, second), sum)) = open.replace((key, flow)) {
                    of_each(first.ip(), by, second.ip(), sum);
                }
            }
        }
    }
    if let Some(((first, by, second), sum)) = open {
        of_each(first.ip(), by, second.ip(), sum);
    }
    Ok(())
}

/// One flow, of what a row holds.
fn flow([ports, first, packets, upper, lower]: [u32; 5]) -> PairTotals {
    let (proto, dport, sport) = ((first >> 24) as u8, (ports >> 16) as u16, ports as u16);
    PairTotals {
        flows: 1,
        packets: (u64::from(first & 0xff_ffff) << 32) | u64::from(packets),
        octets: (u64::from(upper) << 32) | u64::from(lower),
        least: (proto, dport, sport),
        proto,
        ports: (dport, dport),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_key_is_summed_up_and_nothing_else() {
        for memory in [0, 1 << 30] {
            let mut tallies = Tallies::new(memory);
            // Enough to go to a file where there is no memory.
            let flow = |n: u32| Flow {
                sip: if n % 3 == 0 { [10, 0, 0, 1].into() } else { "2001:db8::1".parse().unwrap() },
                dip: if n % 3 == 0 { [10, 0, 0, 2].into() } else { "2001:db8::2".parse().unwrap() },
                proto: 6 + (n % 2) as u8,
                sport: n as u16,
                dport: 80,
                packets: u64::from(n % 5),
                octets: 1 << 40,
                ..Flow::default()
            };
            let count = 90_000;
            for flow in (0..count).map(flow) {
                tallies.add(flow.dip, flow.proto.into(), flow.sip, &flow).unwrap();
            }
            let mut all = Vec::new();
            tallies.visit(0, |first, by, second, sum| all.push((first, by, second, sum))).unwrap();
            assert_eq!(all.len(), 4);
            assert_eq!(all.iter().map(|(.., sum)| sum.flows).sum::<u64>(), u64::from(count));
            let packets: u64 = (0..count).map(|n| u64::from(n % 5)).sum();
            assert_eq!(all.iter().map(|(.., sum)| sum.packets).sum::<u64>(), packets);
            for (first, by, second, sum) in all {
                assert_eq!((first.is_ipv4(), second.is_ipv4()), (first.is_ipv4(), first.is_ipv4()));
                assert_eq!((sum.proto(), sum.port()), (Some(by as u8), Some(80)));
                assert_eq!(sum.octets, sum.flows << 40);
                assert!(sum.evidence().2 < 6, "the least port");
            }
        }
    }

    #[test]
    fn the_largest_flow_fits() {
        let mut tallies = Tallies::new(0);
        let flow = Flow { packets: u64::MAX, octets: u64::MAX, proto: 255, ..Flow::default() };
        tallies.add(flow.sip, u32::MAX, flow.dip, &flow).unwrap();
        let mut sums = Vec::new();
        tallies.visit(0, |_, by, _, sum| sums.push((by, sum.packets, sum.octets))).unwrap();
        assert_eq!(sums, [(u32::MAX, MAX_PACKETS, u64::MAX)]);
    }
}
