//! Totals of the flows between two hosts: sums, and the least and greatest values of a few columns. They can be
//! merged in any order.

use std::io;
use std::net::IpAddr;

use crate::conversation::{Address, Families, Together};
use crate::finding::Sample;
use crate::flow::Flow;
use crate::table::Sorted;

/// Totals of flows, with one flow as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PairTotals {
    /// Number of flows.
    pub flows: u64,
    /// Packets of the flows.
    pub packets: u64,
    /// Bytes of the flows.
    pub bytes: u64,
    /// The least (protocol, destination port, source port): the flow that is evidence.
    least: (u8, u16, u16),
    /// The greatest protocol.
    proto: u8,
    /// The least and the greatest destination port.
    ports: (u16, u16),
}

impl PairTotals {
    /// The totals of no flows.
    pub(super) const EMPTY: PairTotals = PairTotals {
        flows: 0,
        packets: 0,
        bytes: 0,
        least: (u8::MAX, u16::MAX, u16::MAX),
        proto: 0,
        ports: (u16::MAX, 0),
    };

    /// Adds other totals. Sums stop at the end of their range, so that no exporter's nonsense can wrap them.
    pub(super) fn merge(&mut self, other: &PairTotals) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.least = self.least.min(other.least);
        self.proto = self.proto.max(other.proto);
        self.ports = (self.ports.0.min(other.ports.0), self.ports.1.max(other.ports.1));
    }

    /// Returns the protocol, if all flows had the same.
    pub(super) fn proto(&self) -> Option<u8> {
        (self.least.0 == self.proto).then_some(self.proto)
    }

    /// Returns the destination port, if all flows had the same protocol and port.
    pub(super) fn port(&self) -> Option<u16> {
        (self.proto().is_some() && self.ports.0 == self.ports.1).then_some(self.ports.0)
    }

    /// Returns the flow that is evidence, which went from `sip` to `dip`.
    pub(super) fn sample(&self, sip: IpAddr, dip: IpAddr) -> Sample {
        let (proto, dport, sport) = self.least;
        Sample { sip, sport, dip, dport, proto }
    }
}

/// A table of flows by two hosts, in either order, and a number.
#[derive(Debug)]
pub(super) struct PairTable {
    rows: Families,
}

impl PairTable {
    /// Returns an empty table. Rows beyond about `memory` bytes go to temporary files.
    pub(super) fn new(memory: u64) -> PairTable {
        PairTable { rows: Families::new(memory, Together::First) }
    }

    /// Adds a flow under its two hosts and the number `by`. A flow with addresses of two families is ignored, because
    /// no packet has them.
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

    /// Calls `of_each` with each first host, number and second host, and with their totals. First hosts come in any
    /// order. The entries of one first host come together and sorted. First hosts with fewer than `least` flows may
    /// be left out.
    ///
    /// # Errors
    /// A temporary file that cannot be read back.
    pub(super) fn visit(
        self,
        least: u64,
        mut of_each: impl FnMut(IpAddr, u32, IpAddr, PairTotals),
    ) -> io::Result<()> {
        let least = usize::try_from(least).unwrap_or(usize::MAX);
        self.rows.v4.large(least, |rows| partition::<u32>(rows, &mut of_each))?;
        self.rows.v6.large(least, |rows| partition::<u128>(rows, &mut of_each))
    }
}

/// The most packets of a flow that fit into a row: 56 bits. Larger counts are cut to this.
const MAX_PACKETS: u64 = (1 << 56) - 1;

fn partition<A: Address>(
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

/// Returns the totals of one flow out of its row.
fn flow([ports, first, packets, upper, lower]: [u32; 5]) -> PairTotals {
    let (proto, dport, sport) = ((first >> 24) as u8, (ports >> 16) as u16, ports as u16);
    PairTotals {
        flows: 1,
        packets: (u64::from(first & 0xff_ffff) << 32) | u64::from(packets),
        bytes: (u64::from(upper) << 32) | u64::from(lower),
        least: (proto, dport, sport),
        proto,
        ports: (dport, dport),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_with_the_same_key_are_summed_up() {
        for memory in [0, 1 << 30] {
            let mut pairs = PairTable::new(memory);
            // Without memory these go to a file.
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
                pairs.add(flow.dip, flow.proto.into(), flow.sip, &flow).unwrap();
            }
            let mut all = Vec::new();
            pairs.visit(0, |first, by, second, sum| all.push((first, by, second, sum))).unwrap();
            assert_eq!(all.len(), 4);
            assert_eq!(all.iter().map(|(.., sum)| sum.flows).sum::<u64>(), u64::from(count));
            let packets: u64 = (0..count).map(|n| u64::from(n % 5)).sum();
            assert_eq!(all.iter().map(|(.., sum)| sum.packets).sum::<u64>(), packets);
            for (first, by, second, sum) in all {
                assert_eq!((first.is_ipv4(), second.is_ipv4()), (first.is_ipv4(), first.is_ipv4()));
                assert_eq!((sum.proto(), sum.port()), (Some(by as u8), Some(80)));
                assert_eq!(sum.bytes, sum.flows << 40);
                assert!(sum.sample(first, second).sport < 6, "the least port");
            }
        }
    }

    #[test]
    fn the_largest_counts_fit_into_a_row() {
        let mut pairs = PairTable::new(0);
        let flow = Flow { packets: u64::MAX, octets: u64::MAX, proto: 255, ..Flow::default() };
        pairs.add(flow.sip, u32::MAX, flow.dip, &flow).unwrap();
        let mut sums = Vec::new();
        pairs.visit(0, |_, by, _, sum| sums.push((by, sum.packets, sum.bytes))).unwrap();
        assert_eq!(sums, [(u32::MAX, MAX_PACKETS, u64::MAX)]);
    }
}
