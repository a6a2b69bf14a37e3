//! The first octets of a packet, as sFlow's samples and IPFIX's packet sections (elements 313 and
//! 315) carry them, and what a flow record says of the packet: Ethernet with VLAN tags, MPLS, PPP,
//! IPv4, IPv6.
//!
//! The packet is cut off anywhere: what is not there is 0 or unknown, and without both addresses
//! there is nothing. Of a later fragment ports and flags are not known; its first octets are in the
//! middle of something.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::set::put;
use crate::flow::{Flow, ICMP, ICMPV6, TCP};

/// VLAN tags, MPLS labels or IPv6 extension headers that are stepped over at most, of each: packets
/// of nothing else are made to keep readers busy.
const MOST: usize = 8;

/// Octets of an Ethernet header without tags.
pub(super) const ETHERNET: usize = 14;

/// EtherTypes (IEEE 802).
mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const IPV6: u16 = 0x86dd;
    /// 802.1Q, 802.1ad and what was there before 802.1ad.
    pub const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
    pub const MPLS: [u16; 2] = [0x8847, 0x8848];
    /// PPPoE, session stage (RFC 2516).
    pub const PPPOE: u16 = 0x8864;
}

/// PPP protocol numbers (IANA).
mod ppp {
    pub const IPV4: u16 = 0x0021;
    pub const IPV6: u16 = 0x0057;
    pub const MPLS: u16 = 0x0281;
}

/// Offsets in an IPv4 header (RFC 791).
mod ipv4 {
    pub const TOS: usize = 1;
    pub const LENGTH: usize = 2;
    pub const FRAGMENT: usize = 6;
    pub const PROTOCOL: usize = 9;
    pub const SOURCE: usize = 12;
    pub const DESTINATION: usize = 16;
    pub const HEADER: usize = 20;
}

/// Offsets in an IPv6 header (RFC 8200).
mod ipv6 {
    pub const LENGTH: usize = 4;
    pub const NEXT: usize = 6;
    pub const SOURCE: usize = 8;
    pub const DESTINATION: usize = 24;
    pub const HEADER: usize = 40;
    /// Extension headers that name what follows them.
    pub const HOP_BY_HOP: u8 = 0;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const AUTHENTICATION: u8 = 51;
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// Protocols, besides TCP, that begin with a source and a destination port: UDP, DCCP, SCTP,
/// UDP-Lite.
const PORTS: [u8; 4] = [17, 33, 132, 136];

/// All TCP control bits and those that are reserved (RFC 9293 section 3.1), without the offset.
pub(super) const CONTROL_BITS: u16 = 0x0fff;

/// What the first octets of a packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Source address.
    pub sip: IpAddr,
    /// Destination address.
    pub dip: IpAddr,
    /// Of IPv6 the one after the extension headers.
    pub proto: u8,
    /// 0 for protocols without ports, for ICMP, and where the header is cut before it.
    pub sport: u16,
    /// For ICMP and ICMPv6 type*256+code.
    pub dport: u16,
    /// 0 for other protocols than TCP; `None` if TCP's are not there.
    pub flags: Option<u16>,
    /// Octets at the IP layer: by the IP header; where that says 0 by the length of the frame, 0 if
    /// that is not known either.
    pub octets: u64,
    /// Type of service or traffic class.
    pub tos: Option<u8>,
    /// VLAN id of the outermost tag that has one.
    pub vlan: Option<u16>,
    /// Source MAC address.
    pub srcmac: Option<[u8; 6]>,
    /// Destination MAC address.
    pub dstmac: Option<[u8; 6]>,
}

impl Packet {
    /// What it says, in the columns of a flow of one packet.
    pub fn flow(&self) -> Flow {
        Flow {
            sip: self.sip,
            dip: self.dip,
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
            packets: 1,
            octets: self.octets,
            flags: self.flags,
            ..Flow::default()
        }
    }
}

/// Some octets of a packet, and how many the whole packet has from the first of them on, 0 if that
/// is not known.
#[derive(Clone, Copy, Debug)]
struct Rest<'a> {
    octets: &'a [u8],
    len: u64,
}

impl<'a> Rest<'a> {
    fn new(octets: &'a [u8], len: Option<u32>) -> Rest<'a> {
        Rest { octets, len: len.unwrap_or(0).into() }
    }

    /// Without the first `N` octets, which come apart.
    fn split<const N: usize>(self) -> Option<(&'a [u8; N], Rest<'a>)> {
        let (head, octets) = self.octets.split_first_chunk()?;
        Some((head, Rest { octets, len: self.len.saturating_sub(N as u64) }))
    }
}

/// Reads an Ethernet frame that has `len` octets, if that is known, without its check sequence; the
/// first of them are here. `None` if there is no IP packet in it, or too little of it.
pub(super) fn ethernet(octets: &[u8], len: Option<u32>) -> Option<Packet> {
    let (macs, mut rest) = Rest::new(octets, len).split::<12>()?;
    let mut vlan = None;
    let mut kind;
    let mut tags = 0;
    loop {
        let (&[a, b], after) = rest.split()?;
        kind = u16::from_be_bytes([a, b]);
        rest = after;
        // Every round takes a tag of two octets and the type after it.
        if !ethertype::VLAN.contains(&kind) || tags == MOST {
            break;
        }
        let (&[a, b], after) = rest.split()?;
        // Number 0 is a tag that only has a priority.
        let id = u16::from_be_bytes([a, b]) & 0x0fff;
        vlan = vlan.or((id != 0).then_some(id));
        rest = after;
        tags += 1;
    }
    let packet = match kind {
        ethertype::IPV4 => four(rest),
        ethertype::IPV6 => six(rest),
        ethertype::PPPOE => point_to_point(rest.split::<6>()?.1),
        kind if ethertype::MPLS.contains(&kind) => labelled(rest),
        _ => None,
    }?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *macs;
    let (dstmac, srcmac) = (Some([d0, d1, d2, d3, d4, d5]), Some([s0, s1, s2, s3, s4, s5]));
    Some(Packet { vlan, srcmac, dstmac, ..packet })
}

/// Reads an MPLS packet of `len` octets, if that is known, from its first label on (RFC 3032).
pub(super) fn mpls(octets: &[u8], len: Option<u32>) -> Option<Packet> {
    labelled(Rest::new(octets, len))
}

/// Reads a PPP packet of `len` octets, if that is known, from its address or its protocol on (RFC 1661, RFC 1662).
pub(super) fn ppp(octets: &[u8], len: Option<u32>) -> Option<Packet> {
    point_to_point(Rest::new(octets, len))
}

/// Reads an IP packet of `len` octets, if that is known, of the version that it says.
pub(super) fn ip(octets: &[u8], len: Option<u32>) -> Option<Packet> {
    either(Rest::new(octets, len))
}

fn labelled(mut rest: Rest<'_>) -> Option<Packet> {
    for _ in 0..MOST {
        let (&[_, _, bottom, _], after) = rest.split()?;
        rest = after;
        if bottom & 1 != 0 {
            return either(rest);
        }
    }
    None
}

fn point_to_point(mut rest: Rest<'_>) -> Option<Packet> {
    if let Some((&[0xff, 0x03], after)) = rest.split() {
        rest = after;
    }
    let (&[a, b], rest) = rest.split()?;
    match u16::from_be_bytes([a, b]) {
        ppp::IPV4 => four(rest),
        ppp::IPV6 => six(rest),
        ppp::MPLS => labelled(rest),
        _ => None,
    }
}

fn either(rest: Rest<'_>) -> Option<Packet> {
    match rest.octets.first()? >> 4 {
        4 => four(rest),
        6 => six(rest),
        _ => None,
    }
}

/// IPv4 (RFC 791 section 3.1).
fn four(rest: Rest<'_>) -> Option<Packet> {
    let header: &[u8; ipv4::HEADER] = rest.octets.first_chunk()?;
    let &[first, ..] = header;
    let len = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || len < ipv4::HEADER {
        return None;
    }
    let stated = u16::from_be_bytes([header[ipv4::LENGTH], header[ipv4::LENGTH + 1]]);
    let fragment = u16::from_be_bytes([header[ipv4::FRAGMENT], header[ipv4::FRAGMENT + 1]]);
    let proto = header[ipv4::PROTOCOL];
    let is_first = fragment & 0x1fff == 0;
    let after = rest.octets.get(len..).unwrap_or_default();
    let (sport, dport, flags) = transport(proto, after, is_first);
    let address = |at: usize| {
        let four = header.split_at(at).1.first_chunk();
        IpAddr::V4(Ipv4Addr::from(four.copied().unwrap_or_default()))
    };
    Some(Packet {
        sip: address(ipv4::SOURCE),
        dip: address(ipv4::DESTINATION),
        proto,
        sport,
        dport,
        flags,
        octets: if stated == 0 { rest.len } else { stated.into() },
        tos: Some(header[ipv4::TOS]),
        vlan: None,
        srcmac: None,
        dstmac: None,
    })
}

/// IPv6 (RFC 8200), with the extension headers that name what follows them.
fn six(rest: Rest<'_>) -> Option<Packet> {
    let (header, mut after) = rest.split::<{ ipv6::HEADER }>()?;
    let &[first, second, ..] = header;
    if first >> 4 != 6 {
        return None;
    }
    let stated = u16::from_be_bytes([header[ipv6::LENGTH], header[ipv6::LENGTH + 1]]);
    let mut proto = header[ipv6::NEXT];
    let mut is_first = true;
    for _ in 0..MOST {
        let &[next, len, high, low, ..] = after.octets else { break };
        let len = usize::from(len);
        let len = match proto {
            ipv6::HOP_BY_HOP | ipv6::ROUTING | ipv6::DESTINATION_OPTIONS => (len + 1) * 8,
            ipv6::AUTHENTICATION => (len + 2) * 4,
            ipv6::FRAGMENT => {
                is_first = u16::from_be_bytes([high, low]) >> 3 == 0;
                8
            }
            _ => break,
        };
        proto = next;
        after.octets = after.octets.get(len..).unwrap_or_default();
        if !is_first {
            break;
        }
    }
    let (sport, dport, flags) = transport(proto, after.octets, is_first);
    let address = |at: usize| {
        let six: Option<&[u8; 16]> = header.split_at(at).1.first_chunk();
        IpAddr::V6(Ipv6Addr::from(six.copied().unwrap_or_default()))
    };
    Some(Packet {
        sip: address(ipv6::SOURCE),
        dip: address(ipv6::DESTINATION),
        proto,
        sport,
        dport,
        flags,
        octets: match stated {
            0 => rest.len,
            _ => u64::from(stated) + ipv6::HEADER as u64,
        },
        tos: Some((first << 4) | (second >> 4)),
        vlan: None,
        srcmac: None,
        dstmac: None,
    })
}

/// Ports, or type and code of ICMP, and TCP's control bits.
fn transport(proto: u8, octets: &[u8], is_first: bool) -> (u16, u16, Option<u16>) {
    let known = (proto != TCP).then_some(0);
    if !is_first {
        return (0, 0, known);
    }
    match (proto, octets) {
        (ICMP | ICMPV6, &[kind, code, ..]) => (0, u16::from_be_bytes([kind, code]), known),
        (TCP, &[a, b, c, d, ref rest @ ..]) => {
            let flags = match *rest {
                [_, _, _, _, _, _, _, _, high, low, ..] => {
                    Some(u16::from_be_bytes([high, low]) & CONTROL_BITS)
                }
                _ => None,
            };
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), flags)
        }
        (proto, &[a, b, c, d, ..]) if PORTS.contains(&proto) => {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), known)
        }
        _ => (0, 0, known),
    }
}

/// Whether a packet of this protocol has a place for these ports, and of IPv6 one that is no
/// extension header.
pub(super) fn carries(flow: &Flow) -> bool {
    let ports = match flow.proto {
        ICMP | ICMPV6 => flow.sport == 0,
        TCP => true,
        proto => PORTS.contains(&proto) || (flow.sport, flow.dport) == (0, 0),
    };
    let extension = [
        ipv6::HOP_BY_HOP,
        ipv6::ROUTING,
        ipv6::FRAGMENT,
        ipv6::AUTHENTICATION,
        ipv6::DESTINATION_OPTIONS,
    ];
    ports && !(flow.sip.is_ipv6() && extension.contains(&flow.proto))
}

/// MAC addresses for documentation (RFC 7042 section 2.1.1), destination and source.
const MACS: [u8; 12] = [0, 0, 0x5e, 0, 0x53, 2, 0, 0, 0x5e, 0, 0x53, 1];

/// The shortest Ethernet frame without its check sequence.
const SHORTEST: u64 = 60;

/// Appends the first octets of an Ethernet frame that one packet of the flow may have begun with,
/// of `octets` at the IP layer; returns the length of the frame without its check sequence.
///
/// A length that the IP header has no room for is 0 there and follows from the frame's, as where a
/// network card cuts the packets. For a flow that [`carries`] says yes to and that has addresses of
/// one family, it is read back as it was.
pub(super) fn emit_ethernet(flow: &Flow, octets: u64, out: &mut Vec<u8>) -> u64 {
    out.extend_from_slice(&MACS);
    let mut frame = ETHERNET as u64 + octets;
    let stated = match (flow.sip, flow.dip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let stated = u16::try_from(octets).unwrap_or(0);
            out.extend_from_slice(&ethertype::IPV4.to_be_bytes());
            let mut header = [0; ipv4::HEADER];
            put(&mut header, 0, [0x45]);
            put(&mut header, ipv4::LENGTH, stated.to_be_bytes());
            // Time to live 64; the checksum comes last.
            put(&mut header, ipv4::PROTOCOL - 1, [64, flow.proto]);
            put(&mut header, ipv4::SOURCE, source.octets());
            put(&mut header, ipv4::DESTINATION, destination.octets());
            let sum = checksum(&header).to_be_bytes();
            put(&mut header, ipv4::PROTOCOL + 1, sum);
            out.extend_from_slice(&header);
            stated
        }
        (source, destination) => {
            let six = |address| match address {
                IpAddr::V6(address) => address,
                IpAddr::V4(address) => address.to_ipv6_mapped(),
            };
            let stated = octets.checked_sub(ipv6::HEADER as u64);
            let stated = stated.and_then(|stated| u16::try_from(stated).ok()).unwrap_or(0);
            out.extend_from_slice(&ethertype::IPV6.to_be_bytes());
            let mut header = [0; ipv6::HEADER];
            put(&mut header, 0, [0x60]);
            put(&mut header, ipv6::LENGTH, stated.to_be_bytes());
            put(&mut header, ipv6::NEXT, [flow.proto, 64]);
            put(&mut header, ipv6::SOURCE, six(source).octets());
            put(&mut header, ipv6::DESTINATION, six(destination).octets());
            out.extend_from_slice(&header);
            stated
        }
    };
    if stated != 0 {
        frame = frame.max(SHORTEST);
    }
    emit_transport(flow, octets, out);
    frame
}

/// Appends the header after IP's: TCP with its flags, else eight octets, which are UDP's, ICMP's
/// echo's, or the first of something.
fn emit_transport(flow: &Flow, octets: u64, out: &mut Vec<u8>) {
    let ([a, b], [c, d]) = (flow.sport.to_be_bytes(), flow.dport.to_be_bytes());
    let network = if flow.sip.is_ipv6() { ipv6::HEADER } else { ipv4::HEADER };
    let after = octets.saturating_sub(network as u64);
    match flow.proto {
        TCP => {
            // Five words of header, and the control bits.
            let flags = flow.flags.unwrap_or(0) & CONTROL_BITS | 0x5000;
            let [high, low] = flags.to_be_bytes();
            let header = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 0, 0, 0, 0];
            out.extend_from_slice(&header);
        }
        ICMP | ICMPV6 => out.extend_from_slice(&[c, d, 0, 0, 0, 0, 0, 0]),
        proto if PORTS.contains(&proto) => {
            let [high, low] = u16::try_from(after).unwrap_or(0).to_be_bytes();
            out.extend_from_slice(&[a, b, c, d, high, low, 0, 0]);
        }
        _ => out.extend_from_slice(&[0; 8]),
    }
}

/// The Internet checksum of a header in which it is still 0 (RFC 1071).
fn checksum(header: &[u8; ipv4::HEADER]) -> u16 {
    let sum: u32 = header.chunks_exact(2).fold(0, |sum, word| match word {
        [high, low] => sum + u32::from(u16::from_be_bytes([*high, *low])),
        _ => sum,
    });
    // Ten words: what is carried over is less than 16 bits, and once more at most 1.
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum + (sum >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IPv4 of 84 octets with type of service 0xb8 from 10.0.0.1 to 10.0.0.2.
    fn four(proto: u8, after: &[u8]) -> Vec<u8> {
        let header = [0x45, 0xb8, 0, 84, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        [&header[..], after].concat()
    }

    /// IPv6 with 60 octets after its header, traffic class 0xb8.
    fn six(next: u8, after: &[u8]) -> Vec<u8> {
        let header = [0x6b, 0x80, 0, 0, 0, 60, next, 64];
        [&header[..], &[1; 16], &[2; 16], after].concat()
    }

    const TCP_OCTETS: [u8; 14] = [0x04, 0xd2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x51, 0xc2];

    fn seen(packet: Option<Packet>) -> (u8, u16, u16, Option<u16>, u64) {
        let packet = packet.unwrap();
        assert_eq!(packet.tos, Some(0xb8));
        (packet.proto, packet.sport, packet.dport, packet.flags, packet.octets)
    }

    #[test]
    fn protocols_and_their_ports() {
        let both = |proto: u8, after: &[u8]| {
            let four = seen(ip(&four(proto, after), Some(9999)));
            let six = seen(ip(&six(proto, after), Some(9999)));
            assert_eq!((six.4, four.4), (100, 84));
            assert_eq!((four.0, four.1, four.2, four.3), (six.0, six.1, six.2, six.3));
            four
        };
        // SYN, ECE, CWR and AE.
        assert_eq!(both(6, &TCP_OCTETS), (6, 1234, 80, Some(0x1c2), 84));
        assert_eq!(both(6, &TCP_OCTETS[..13]), (6, 1234, 80, None, 84));
        assert_eq!(both(6, &TCP_OCTETS[..3]), (6, 0, 0, None, 84));
        assert_eq!(both(17, &TCP_OCTETS), (17, 1234, 80, Some(0), 84));
        assert_eq!(both(132, &TCP_OCTETS), (132, 1234, 80, Some(0), 84));
        assert_eq!(both(1, &[8, 1, 9, 9]), (1, 0, 0x0801, Some(0), 84));
        assert_eq!(both(58, &[128, 0]), (58, 0, 0x8000, Some(0), 84));
        assert_eq!(both(47, &TCP_OCTETS), (47, 0, 0, Some(0), 84));
    }

    #[test]
    fn a_length_of_zero_is_the_frame_s() {
        let mut packet = four(17, &TCP_OCTETS);
        packet[3] = 0;
        assert_eq!(ip(&packet, Some(3000)).unwrap().octets, 3000);
        let frame = [&[0; 12][..], &[0x81, 0, 0, 9, 8, 0], &packet].concat();
        assert_eq!(ethernet(&frame, Some(3018)).unwrap().octets, 3000);
        let mut packet = six(17, &TCP_OCTETS);
        packet[5] = 0;
        assert_eq!(ip(&packet, Some(70_000)).unwrap().octets, 70_000);
    }

    #[test]
    fn ipv4_options_and_fragments() {
        let mut packet = four(6, &[&[1; 4][..], &TCP_OCTETS].concat());
        packet[0] = 0x46;
        assert_eq!(seen(ip(&packet, Some(84))), (6, 1234, 80, Some(0x1c2), 84));
        // The first fragment has ports, a later one has not.
        packet[6] = 0x20;
        assert_eq!(seen(ip(&packet, Some(84))).1, 1234);
        packet[7] = 1;
        assert_eq!(seen(ip(&packet, Some(84))), (6, 0, 0, None, 84));
        // Options that reach beyond what is there.
        packet[0] = 0x4f;
        packet[6..8].fill(0);
        assert_eq!(seen(ip(&packet, Some(84))), (6, 0, 0, None, 84));
        for first in [0x44, 0x55, 0x05, 0x75] {
            packet[0] = first;
            assert_eq!(ip(&packet, Some(84)), None);
        }
    }

    #[test]
    fn ipv6_extension_headers() {
        // Hop-by-hop of 16 octets, routing of 8, AH of 24, destination options of 8.
        let mut headers = vec![43, 1];
        headers.extend([0; 14]);
        headers.extend([51, 0, 0, 0, 0, 0, 0, 0]);
        headers.extend([60, 4]);
        headers.extend([0; 22]);
        headers.extend([6, 0, 0, 0, 0, 0, 0, 0]);
        let packet = six(0, &[&headers[..], &TCP_OCTETS].concat());
        assert_eq!(seen(ip(&packet, Some(100))), (6, 1234, 80, Some(0x1c2), 100));
        // Cut in the middle of them: the last one that is named.
        assert_eq!(seen(ip(&packet[..60], Some(100))), (51, 0, 0, Some(0), 100));
        let fragment =
            |offset: u8| six(44, &[&[17, 0, 0, offset, 0, 0, 0, 1], &TCP_OCTETS[..]].concat());
        assert_eq!(seen(ip(&fragment(1), Some(100))), (17, 1234, 80, Some(0), 100));
        assert_eq!(seen(ip(&fragment(8), Some(100))), (17, 0, 0, Some(0), 100));
        // As many as one likes: the walk ends.
        let many = six(0, &[0; 8 * 100]);
        assert_eq!(seen(ip(&many, Some(100))), (0, 0, 0, Some(0), 100));
    }

    #[test]
    fn what_lies_around_ip() {
        let packet = four(17, &TCP_OCTETS);
        let expected = ip(&packet, Some(84)).unwrap();
        let macs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let around = |tags: &[u8]| ethernet(&[&macs, tags, &packet].concat(), Some(1518));
        let framed = |vlan| {
            Some(Packet {
                vlan,
                srcmac: Some([7, 8, 9, 10, 11, 12]),
                dstmac: Some([1, 2, 3, 4, 5, 6]),
                ..expected
            })
        };
        assert_eq!(around(&[8, 0]), framed(None));
        assert_eq!(around(&[0x81, 0, 0xe0, 7, 8, 0]), framed(Some(7)));
        // A tag that is only a priority, and two of which the outer counts.
        assert_eq!(around(&[0x81, 0, 0xe0, 0, 8, 0]), framed(None));
        assert_eq!(around(&[0x88, 0xa8, 0, 9, 0x81, 0, 0, 7, 8, 0]), framed(Some(9)));
        // Two labels; PPPoE.
        let labels = [0, 0, 0x10, 64, 0, 0, 0x21, 64];
        assert_eq!(around(&[&[0x88, 0x47][..], &labels].concat()), framed(None));
        assert_eq!(around(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 86, 0, 0x21]), framed(None));
        assert_eq!(around(&[8, 6]), None);
        assert_eq!(around(&[0x88, 0x47, 0, 0, 0x10, 64]), None);
        assert_eq!(mpls(&[&labels[..], &packet].concat(), Some(92)), Some(expected));
        assert_eq!(ppp(&[&[0xff, 3, 0, 0x21][..], &packet].concat(), Some(88)), Some(expected));
        assert_eq!(ppp(&[&[0, 0x21][..], &packet].concat(), Some(86)), Some(expected));
        assert_eq!(ppp(&[&[0x02, 0x81][..], &labels, &packet].concat(), Some(94)), Some(expected));
        assert_eq!(ppp(&[&[0xc0, 0x21][..], &packet].concat(), Some(86)), None);
        // Tags and labels without end.
        assert_eq!(ethernet(&[0x81; 2000], Some(2000)), None);
        assert_eq!(around(&[0x81, 0, 0, 7].repeat(100)), None);
        assert_eq!(mpls(&[0; 400], Some(400)), None);
    }

    #[test]
    fn a_packet_cut_anywhere() {
        for packet in [four(6, &TCP_OCTETS), six(6, &TCP_OCTETS)] {
            let whole = ip(&packet, Some(84)).unwrap();
            let header = packet.len() - TCP_OCTETS.len();
            for len in 0..packet.len() {
                match ip(&packet[..len], Some(84)) {
                    None => assert!(len < header),
                    Some(cut) => {
                        assert!(len >= header);
                        assert_eq!((cut.sip, cut.dip), (whole.sip, whole.dip));
                    }
                }
            }
        }
    }

    #[test]
    fn a_frame_that_is_written() {
        let flow = Flow {
            sip: [10, 0, 0, 1].into(),
            dip: [10, 0, 0, 2].into(),
            proto: TCP,
            sport: 1234,
            dport: 80,
            flags: Some(0x1c2),
            ..Flow::default()
        };
        let mut out = vec![0xa5];
        assert_eq!(emit_ethernet(&flow, 40, &mut out), 60);
        #[rustfmt::skip]
        let expected = [
            0xa5, 0, 0, 0x5e, 0, 0x53, 2, 0, 0, 0x5e, 0, 0x53, 1, 8, 0,
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0x66, 0xce, 10, 0, 0, 1, 10, 0, 0, 2,
            0x04, 0xd2, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x51, 0xc2, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(out, expected);
    }
}
