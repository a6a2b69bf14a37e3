//! From a captured packet to the UDP payload in it.

use std::net::IpAddr;
use std::ops::Range;

use etherparse::{
    EtherType, IpNumber, Ipv4HeaderSlice, Ipv6ExtensionsSlice, Ipv6HeaderSlice, UdpHeaderSlice,
};

use crate::flow::UDP;

/// BSD loopback: an address family, then IP.
const NULL: u32 = 0;
/// Ethernet.
const ETHERNET: u32 = 1;
/// IP without anything before it.
pub(super) const RAW: u32 = 101;
/// OpenBSD loopback.
const LOOP: u32 = 108;
/// Linux cooked, version 1.
const SLL: u32 = 113;
/// IPv4 without anything before it.
const IPV4: u32 = 228;
/// IPv6 without anything before it.
const IPV6: u32 = 229;
/// Linux cooked, version 2.
const SLL2: u32 = 276;

/// Packets that held no datagram to read, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Of a link type that is not read, or of an interface that was never described.
    pub link: u64,
    /// Neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// IP, but not UDP.
    pub not_udp: u64,
    /// Fragments of IP packets, which are not put together.
    pub fragments: u64,
    /// Cut short by the capture's snapshot length.
    pub truncated: u64,
    /// Headers whose lengths contradict the packet's.
    pub malformed: u64,
}

impl Skipped {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Skipped { link, not_ip, not_udp, fragments, truncated, malformed } = self;
        link + not_ip + not_udp + fragments + truncated + malformed
    }

    pub(super) fn count(&mut self, skip: Skip) {
        *match skip {
            Skip::Link => &mut self.link,
            Skip::NotIp => &mut self.not_ip,
            Skip::NotUdp => &mut self.not_udp,
            Skip::Fragment => &mut self.fragments,
            Skip::Truncated => &mut self.truncated,
            Skip::Malformed => &mut self.malformed,
        } += 1;
    }
}

/// Why a packet is passed over; see [`Skipped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Link,
    NotIp,
    NotUdp,
    Fragment,
    Truncated,
    Malformed,
}

/// A UDP datagram found in a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Udp {
    pub(super) source: IpAddr,
    pub(super) port: u16,
    pub(super) dport: u16,
    /// Where in the packet the payload lies.
    pub(super) payload: Range<usize>,
}

/// Finds the UDP datagram in a packet of link type `link`. `cut`: the capture holds less of the
/// packet than the wire did.
///
/// Checksums are not looked at: a capture on the sending host has them unset.
pub(super) fn udp(link: u32, packet: &[u8], cut: bool) -> Result<Udp, Skip> {
    let short = if cut { Skip::Truncated } else { Skip::Malformed };
    let ip = network(link, packet, short)?;
    let (source, body) = match ip.first().ok_or(short)? >> 4 {
        4 => ipv4(ip, short)?,
        6 => ipv6(ip, short)?,
        _ => return Err(Skip::NotIp),
    };
    let header = UdpHeaderSlice::from_slice(body).map_err(|_| short)?;
    let len = usize::from(header.length());
    if len < header.slice().len() {
        return Err(Skip::Malformed);
    }
    let payload = body.get(header.slice().len()..len).ok_or(short)?;
    // Every part is the tail of the one before, bar the octets after the body.
    let start = payload.as_ptr().addr() - packet.as_ptr().addr();
    Ok(Udp {
        source,
        port: header.source_port(),
        dport: header.destination_port(),
        payload: start..start + payload.len(),
    })
}

/// The IP packet in a link layer's frame, with whatever padding follows it.
fn network(link: u32, packet: &[u8], short: Skip) -> Result<&[u8], Skip> {
    // Offset of the EtherType, and of what it describes.
    let (kind, payload) = match link {
        RAW | IPV4 | IPV6 => return Ok(packet),
        // The family's number depends on the system, IP's version does not.
        NULL | LOOP => return packet.get(4..).ok_or(short),
        ETHERNET => (12, 14),
        SLL => (14, 16),
        SLL2 => (0, 20),
        _ => return Err(Skip::Link),
    };
    let mut kind = u16_at(packet, kind).ok_or(short)?;
    let mut rest = packet.get(payload..).ok_or(short)?;
    // IEEE 802.1Q tags, to any depth: control information, then the next EtherType.
    while let EtherType::VLAN_TAGGED_FRAME
    | EtherType::PROVIDER_BRIDGING
    | EtherType::VLAN_DOUBLE_TAGGED_FRAME = EtherType(kind)
    {
        kind = u16_at(rest, 2).ok_or(short)?;
        rest = rest.get(4..).ok_or(short)?;
    }
    match EtherType(kind) {
        EtherType::IPV4 | EtherType::IPV6 => Ok(rest),
        _ => Err(Skip::NotIp),
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

/// Source and payload of an IPv4 packet (RFC 791 section 3.1) that holds whole UDP.
fn ipv4(packet: &[u8], short: Skip) -> Result<(IpAddr, &[u8]), Skip> {
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| short)?;
    if header.protocol() != IpNumber(UDP) {
        return Err(Skip::NotUdp);
    }
    if header.is_fragmenting_payload() {
        return Err(Skip::Fragment);
    }
    let len = match usize::from(header.total_len()) {
        // Left to the network card by a host that captures its own packets.
        0 => packet.len(),
        len if len < header.slice().len() => return Err(Skip::Malformed),
        len => len,
    };
    let body = packet.get(header.slice().len()..len).ok_or(short)?;
    Ok((IpAddr::V4(header.source_addr()), body))
}

/// Source and payload of an IPv6 packet (RFC 8200 sections 3 and 4) that holds whole UDP.
fn ipv6(packet: &[u8], short: Skip) -> Result<(IpAddr, &[u8]), Skip> {
    let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| short)?;
    let rest = packet.get(header.slice().len()..).ok_or(short)?;
    let len = match usize::from(header.payload_length()) {
        0 => rest.len(),
        len => len,
    };
    // A snapshot may end behind the extension headers: look at what is there before judging.
    let body = rest.get(..len.min(rest.len())).ok_or(short)?;
    let (extensions, next, body) =
        Ipv6ExtensionsSlice::from_slice(header.next_header(), body).map_err(|_| short)?;
    if next != IpNumber(UDP) {
        return Err(Skip::NotUdp);
    }
    if extensions.is_fragmenting_payload() {
        return Err(Skip::Fragment);
    }
    if len > rest.len() {
        return Err(short);
    }
    Ok((IpAddr::V6(header.source_addr()), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sample::{IP4, IP6, ethernet};
    use proptest::prelude::*;

    /// Source and payload, as text.
    fn read(link: u32, packet: &[u8]) -> Result<String, Skip> {
        let udp = udp(link, packet, false)?;
        let payload = String::from_utf8_lossy(&packet[udp.payload]);
        Ok(format!("{} {} {} {payload}", udp.source, udp.port, udp.dport))
    }

    const FOUND4: &str = "192.0.2.1 50000 2055 flow";
    const FOUND6: &str = "2001:db8::1 50000 2055 flow";

    #[test]
    fn every_link_type_leads_to_the_payload() {
        let sll = |kind: u16| {
            let mut header = vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
            header.extend(kind.to_be_bytes());
            header
        };
        let sll2 = |kind: u16| {
            let mut header = kind.to_be_bytes().to_vec();
            header.extend([0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
            header
        };
        for (packet, found, kind, family) in
            [(&IP4[..], FOUND4, 0x0800, 2), (&IP6[..], FOUND6, 0x86dd, 30)]
        {
            let behind = |header: &[u8]| [header, packet].concat();
            for (link, frame) in [
                (0, behind(&[family, 0, 0, 0])),
                (1, ethernet(&[], packet)),
                (1, ethernet(&[0x8100], packet)),
                (1, ethernet(&[0x88a8, 0x8100], packet)),
                (1, ethernet(&[0x9100, 0x88a8, 0x8100, 0x8100, 0x8100], packet)),
                (101, packet.to_vec()),
                (108, behind(&[0, 0, 0, family])),
                (113, behind(&sll(kind))),
                (113, behind(&[&sll(0x8100)[..], &[0, 1], &kind.to_be_bytes()].concat())),
                (228, packet.to_vec()),
                (229, packet.to_vec()),
                (276, behind(&sll2(kind))),
            ] {
                assert_eq!(read(link, &frame).as_deref(), Ok(found), "link {link} {frame:02x?}");
                // Ethernet pads short frames.
                let padded = [&frame[..], &[0xa5; 18]].concat();
                assert_eq!(read(link, &padded).as_deref(), Ok(found), "link {link}, padded");
                // Whatever is cut off, it is noticed.
                for len in 0..frame.len() {
                    assert_eq!(
                        udp(link, &frame[..len], true),
                        Err(Skip::Truncated),
                        "{link} {len}"
                    );
                    let whole = udp(link, &frame[..len], false);
                    assert_eq!(whole, Err(Skip::Malformed), "{link} {len}");
                }
            }
        }
    }

    #[test]
    fn the_udp_length_wins_over_the_rest() {
        let mut packet = IP4;
        packet[25] = 10;
        assert_eq!(read(RAW, &packet).unwrap(), "192.0.2.1 50000 2055 fl");
        packet[25] = 8;
        assert_eq!(read(RAW, &packet).unwrap(), "192.0.2.1 50000 2055 ");
        packet[25] = 7;
        assert_eq!(read(RAW, &packet), Err(Skip::Malformed));
        packet[25] = 13;
        assert_eq!(read(RAW, &packet), Err(Skip::Malformed));
    }

    #[test]
    fn lengths_left_to_the_network_card_are_zero() {
        let mut packet = IP4;
        packet[3] = 0;
        assert_eq!(read(RAW, &packet).unwrap(), FOUND4);
        let mut packet = IP6;
        packet[5] = 0;
        assert_eq!(read(RAW, &packet).unwrap(), FOUND6);
        let mut packet = IP4;
        packet[3] = 19;
        assert_eq!(read(RAW, &packet), Err(Skip::Malformed));
    }

    #[test]
    fn options_and_extension_headers_are_passed() {
        let mut packet = IP4.to_vec();
        packet.splice(20..20, [1, 1, 1, 1]);
        (packet[0], packet[3]) = (0x46, 36);
        assert_eq!(read(RAW, &packet).unwrap(), FOUND4);
        // Hop-by-hop, then destination options.
        let mut packet = IP6.to_vec();
        packet.splice(40..40, [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]);
        (packet[5], packet[6]) = (12 + 16, 0);
        assert_eq!(read(RAW, &packet).unwrap(), FOUND6);
        // A fragment header on a packet that is whole (RFC 6946).
        let mut packet = IP6.to_vec();
        packet.splice(40..40, [17, 0, 0, 0, 0, 0, 0, 1]);
        (packet[5], packet[6]) = (12 + 8, 44);
        assert_eq!(read(RAW, &packet).unwrap(), FOUND6);
    }

    #[test]
    fn what_holds_no_datagram_says_why() {
        let change = |at: usize, octet: u8| {
            let mut packet = IP4;
            packet[at] = octet;
            packet
        };
        assert_eq!(read(147, &IP4), Err(Skip::Link));
        assert_eq!(read(RAW, &change(0, 0x55)), Err(Skip::NotIp));
        assert_eq!(read(RAW, &change(9, 6)), Err(Skip::NotUdp));
        assert_eq!(read(RAW, &change(6, 0x20)), Err(Skip::Fragment));
        assert_eq!(read(RAW, &change(7, 0x01)), Err(Skip::Fragment));
        assert_eq!(read(RAW, &change(0, 0x44)), Err(Skip::Malformed));
        let mut arp = ethernet(&[], &IP4);
        arp[13] = 0x06;
        assert_eq!(read(ETHERNET, &arp), Err(Skip::NotIp));
        let mut fragment = IP6.to_vec();
        fragment.splice(40..40, [17, 0, 0, 1, 0, 0, 0, 1]);
        (fragment[5], fragment[6]) = (12 + 8, 44);
        assert_eq!(read(RAW, &fragment), Err(Skip::Fragment));
        let mut icmp = IP6;
        icmp[6] = 58;
        assert_eq!(read(RAW, &icmp), Err(Skip::NotUdp));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_skipped(
            link in prop::sample::select(vec![0, 1, 101, 108, 113, 228, 229, 276, 5]),
            ip in prop::sample::select(vec![0x45, 0x46, 0x4f, 0x60, 0x00]),
            mut packet in prop::collection::vec(any::<u8>(), 0..96),
            cut in any::<bool>(),
        ) {
            if let Some(first) = packet.first_mut() {
                *first = ip;
            }
            if let Ok(udp) = udp(link, &packet, cut) {
                prop_assert!(packet.get(udp.payload).is_some());
            }
        }
    }
}
