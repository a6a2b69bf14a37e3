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
