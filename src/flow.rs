//! The flow record that every layer shares: one flow in one direction, as its exporter reported it.
//!
//! A [`Flow`] holds the nine columns of nfkit-flow(5), and the further columns that detectors and
//! filters read. It is plain data and cheap to copy. Readers fill batches of flows, and detectors
//! walk the batches.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::time::Timestamp;

mod nets;

pub use nets::Networks;

/// The most flows that a reader returns at a time. One at a time costs half as much again: 6.5 s
/// instead of 4 s for 10 M lines into one hash map.
pub const BATCH: usize = 1024;

/// IANA protocol number of ICMP.
pub const ICMP: u8 = 1;
/// IANA protocol number of TCP.
pub const TCP: u8 = 6;
/// IANA protocol number of UDP.
pub const UDP: u8 = 17;
/// IANA protocol number of ICMP for IPv6.
pub const ICMPV6: u8 = 58;

/// One unidirectional flow as its exporter reported it (RFC 7011 section 2, "Flow Record").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Source address.
    pub sip: IpAddr,
    /// Destination address.
    pub dip: IpAddr,
    /// SNMP ifIndex of the input interface, 0 if unknown.
    pub sif: u32,
    /// SNMP ifIndex of the output interface, 0 if unknown.
    pub dif: u32,
    /// IANA protocol number.
    pub proto: u8,
    /// Source port; 0 for protocols without ports and for ICMP.
    pub sport: u16,
    /// Destination port; for ICMP and ICMPv6 type*256+code.
    pub dport: u16,
    /// Packets as the exporter reported them, not scaled by sampling.
    pub packets: u64,
    /// Bytes at the IP layer as the exporter reported them, not scaled by sampling.
    pub octets: u64,
    /// Time of the first packet.
    pub start: Option<Timestamp>,
    /// Time of the last packet.
    pub end: Option<Timestamp>,
    /// OR of the TCP control bits of all packets (RFC 9293 section 3.1), if known.
    pub flags: Option<u16>,
    /// Address of the device that exported the record.
    pub exporter: Option<IpAddr>,
    /// Packet sampling, 1 in N; 0 if unknown.
    pub sampling: u32,
}

impl Default for Flow {
    /// Returns a flow with every column zero or unknown.
    fn default() -> Flow {
        Flow {
            sip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            dip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            sif: 0,
            dif: 0,
            proto: 0,
            sport: 0,
            dport: 0,
            packets: 0,
            octets: 0,
            start: None,
            end: None,
            flags: None,
            exporter: None,
            sampling: 0,
        }
    }
}

/// Further values of a flow, for people who look at single flows. Detectors read none of them, so
/// they are kept apart from the flow, and only if they are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Type of service or traffic class: DSCP and ECN (RFC 2474, RFC 3168).
    pub tos: Option<u8>,
    /// AS number of the source or of the neighbouring AS, by the exporter's configuration; 0 for
    /// its own.
    pub srcas: Option<u32>,
    /// AS number of the destination or of the neighbouring AS.
    pub dstas: Option<u32>,
    /// Length of the prefix of the route to the source address.
    pub srcmask: Option<u8>,
    /// Length of the prefix of the route to the destination address.
    pub dstmask: Option<u8>,
    /// Address of the next router.
    pub nexthop: Option<IpAddr>,
    /// Address of BGP's next hop.
    pub bgpnexthop: Option<IpAddr>,
    /// VLAN id at the input interface (IEEE 802.1Q).
    pub vlan: Option<u16>,
    /// VLAN id at the output interface.
    pub outvlan: Option<u16>,
    /// Source MAC address at the input interface.
    pub srcmac: Option<[u8; 6]>,
    /// Destination MAC address at the input interface or, if only that is known, at the output
    /// interface.
    pub dstmac: Option<[u8; 6]>,
    /// Source address after translation (NAT), or before it if the flow holds the one after.
    pub natsip: Option<IpAddr>,
    /// Destination address after or before translation, as above.
    pub natdip: Option<IpAddr>,
    /// Source port after translation, or before it if the flow holds the one after.
    pub natsport: Option<u16>,
    /// Destination port after or before translation, as above.
    pub natdport: Option<u16>,
    /// Event of a firewall (IANA element 233: 1 created, 2 deleted, 3 denied, 4 alert, 5 update),
    /// else of a translator (element 230).
    pub event: Option<u8>,
    /// 0 if the flow was seen at the input interface, 1 at the output interface (IANA element 61).
    pub direction: Option<u8>,
    /// Reason for the export (IANA element 136: 1 idle, 2 active timeout, 3 end, 4 forced, 5 lack
    /// of resources).
    pub endreason: Option<u8>,
    /// Virtual routing table of the input interface (IANA element 234).
    pub vrf: Option<u32>,
    /// Number of the observation domain: v5 and v7 engine type*256+id, v9 source id, IPFIX
    /// observation domain, sFlow sub-agent.
    pub domain: Option<u32>,
}

impl Extra {
    /// Returns the values of the reverse direction of a biflow, with source and destination
    /// exchanged. Values of one direction alone are left out.
    pub fn reversed(self) -> Extra {
        Extra {
            srcas: self.dstas,
            dstas: self.srcas,
            srcmask: self.dstmask,
            dstmask: self.srcmask,
            srcmac: self.dstmac,
            dstmac: self.srcmac,
            natsip: self.natdip,
            natdip: self.natsip,
            natsport: self.natdport,
            natdport: self.natsport,
            vlan: self.outvlan,
            outvlan: self.vlan,
            nexthop: None,
            bgpnexthop: None,
            direction: None,
            vrf: None,
            ..self
        }
    }

    /// Exchanges the flow's addresses and ports with those after translation, as far as they are
    /// known. Those before translation are kept here then.
    pub fn translate(&mut self, flow: &mut Flow) {
        let filled = |address: &IpAddr| !address.is_unspecified();
        if let Some(address) = self.natsip.as_mut().filter(|address| filled(address)) {
            std::mem::swap(address, &mut flow.sip);
        }
        if let Some(address) = self.natdip.as_mut().filter(|address| filled(address)) {
            std::mem::swap(address, &mut flow.dip);
        }
        if flow.proto == ICMP || flow.proto == ICMPV6 {
            return;
        }
        if let Some(port) = self.natsport.as_mut().filter(|port| **port != 0) {
            std::mem::swap(port, &mut flow.sport);
        }
        if let Some(port) = self.natdport.as_mut().filter(|port| **port != 0) {
            std::mem::swap(port, &mut flow.dport);
        }
    }
}

/// An address for publication: the last byte of IPv4 and the last 80 bits of IPv6 are hidden.
///
/// The first 48 bits of a 6to4 address (RFC 3056 section 2) are 2002 and an IPv4 address, whose
/// last byte is hidden, too. The other forms show less of the IPv4 address in them: Teredo (RFC
/// 4380 section 4) half of its server's, IPv4-mapped addresses (RFC 4291 section 2.5.5) and those
/// of NAT64 in 64:ff9b::/96 (RFC 6052 section 2.1) nothing.
///
/// The text is no address, so no reader takes it for one: `140.119.44.?`, `2001:db8:7::?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masked(pub IpAddr);

impl Masked {
    /// Returns how many leading bits are shown. A network with a longer prefix must be masked, too.
    pub fn shown_bits(self) -> u8 {
        match self.0 {
            IpAddr::V4(_) => 24,
            IpAddr::V6(a) if a.segments()[0] == 0x2002 => 16 + 24,
            IpAddr::V6(_) => 48,
        }
    }

    /// Returns the address with all hidden bits 0.
    pub fn network(self) -> IpAddr {
        let shown = u32::from(self.shown_bits());
        match self.0 {
            IpAddr::V4(a) => Ipv4Addr::from_bits(a.to_bits() & (u32::MAX << (32 - shown))).into(),
            IpAddr::V6(a) => Ipv6Addr::from_bits(a.to_bits() & (u128::MAX << (128 - shown))).into(),
        }
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            IpAddr::V4(a) => {
                let [a, b, c, _] = a.octets();
                write!(f, "{a}.{b}.{c}.?")
            }
            IpAddr::V6(a) => write!(f, "{}::?", a.to_string().trim_end_matches(':')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_addresses_are_no_addresses() {
        for (address, masked) in [
            ("140.119.44.91", "140.119.44.?"),
            ("2001:db8:7:1::99", "2001:db8:7::?"),
            ("2001:db8::1", "2001:db8::?"),
            ("::1", "::?"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            let text = Masked(address).to_string();
            assert_eq!(text, masked);
            assert!(text.parse::<IpAddr>().is_err());
        }
    }

    /// Mostly 192.0.2.9, in each form in which IPv6 holds an IPv4 address.
    #[test]
    fn a_mask_hides_the_last_byte_of_an_ipv4_address_inside_ipv6() {
        for (address, masked) in [
            ("2002:c000:209::1", "2002:c000:200::?"),
            ("2002:c000:209:7:1:2:3:4", "2002:c000:200::?"),
            ("2002:c000:2ff::", "2002:c000:200::?"),
            ("2002:c0ff:9::1", "2002:c0ff::?"),
            ("2002::1", "2002::?"),
            // Teredo: the server is 192.0.2.9, the client's address is inverted at the end.
            ("2001:0:c000:209:8000:63bf:3fff:fdf6", "2001:0:c000::?"),
            ("64:ff9b::192.0.2.9", "64:ff9b::?"),
            ("64:ff9b:1::192.0.2.9", "64:ff9b:1::?"),
            ("::ffff:192.0.2.9", "::?"),
            ("::192.0.2.9", "::?"),
            // ISATAP (RFC 5214).
            ("2001:db8:7::5efe:192.0.2.9", "2001:db8:7::?"),
        ] {
            assert_eq!(Masked(address.parse().unwrap()).to_string(), masked, "{address}");
        }
    }
}
