//! From a captured packet to the UDP payload in it, or to the fragment of one.

use std::net::IpAddr;
use std::ops::Range;

use etherparse::{
    EtherType, IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice,
    Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, UdpHeaderSlice, ip_number,
};

use super::fragments::{self, Fragment};
use crate::flow::UDP;

/// BSD loopback: an address family, then IP.
const NULL: u32 = 0;
/// Ethernet.
const ETHERNET: u32 = 1;
/// PPP, with RFC 1662's address and control octets before it or without.
const PPP: u32 = 9;
/// What most systems' libpcap once called IP without anything before it.
const RAW_12: u32 = 12;
/// What OpenBSD's calls it.
const RAW_14: u32 = 14;
/// PPP on a serial line, or Cisco's framing there.
const PPP_HDLC: u32 = 50;
/// IP without anything before it.
pub(super) const RAW: u32 = 101;
/// Cisco's framing on a serial line.
const C_HDLC: u32 = 104;
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

/// MPLS labels (RFC 3032 section 5), unicast and multicast.
const MPLS: [EtherType; 2] = [EtherType(0x8847), EtherType(0x8848)];
/// The session stage of PPPoE (RFC 2516 section 5).
const PPPOE: EtherType = EtherType(0x8864);

/// Packets that held no datagram to read, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Of a link type that is not read, or of an interface that was never described.
    pub link: u64,
    /// Neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// IP, but not UDP.
    pub not_udp: u64,
    /// Fragments of datagrams that were not whole after 30 s of the capture's time, or at the end of
    /// their section.
    pub fragments: u64,
    /// Fragments of datagrams whose fragments overlap or disagree on where they end. The whole
    /// datagram is refused, as RFC 5722 asks: nobody sends such, but teardrop and its kin do, to
    /// crash who puts them together or to show two readers two datagrams.
    pub overlaps: u64,
    /// Fragments of datagrams that were given up because too many were under way, or one was in too
    /// many pieces: a flood of fragments that never get whole does that.
    pub evicted: u64,
    /// Cut short by the capture's snapshot length.
    pub truncated: u64,
    /// Headers whose lengths contradict the packet's.
    pub malformed: u64,
}

impl Skipped {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Skipped { link, not_ip, not_udp, fragments, overlaps, evicted, truncated, malformed } =
            self;
        link + not_ip + not_udp + fragments + overlaps + evicted + truncated + malformed
    }

    pub(super) fn count(&mut self, skip: Skip, packets: u64) {
        *match skip {
            Skip::Link => &mut self.link,
            Skip::NotIp => &mut self.not_ip,
            Skip::NotUdp => &mut self.not_udp,
            Skip::Fragment => &mut self.fragments,
            Skip::Overlap => &mut self.overlaps,
            Skip::Evicted => &mut self.evicted,
            Skip::Truncated => &mut self.truncated,
            Skip::Malformed => &mut self.malformed,
        } += packets;
    }
}

/// Why a packet is passed over; see [`Skipped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Link,
    NotIp,
    NotUdp,
    Fragment,
    Overlap,
    Evicted,
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
/// packet than the wire did. [`Skip::Fragment`]: ask [`fragment`] for what the packet holds.
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
    datagram(source, packet, body, short)
}

/// Finds the UDP datagram in what the fragments of a packet from `source` held, the first of which
/// said that a header of type `first` is the first in it.
pub(super) fn reassembled(source: IpAddr, first: u8, whole: &[u8]) -> Result<Udp, Skip> {
    match extensions(IpNumber(first), whole, Skip::Malformed)? {
        (_, _, Some(_)) => Err(Skip::Malformed),
        (IpNumber(UDP), body, None) => datagram(source, whole, body, Skip::Malformed),
        _ => Err(Skip::NotUdp),
    }
}

/// Reads UDP's header (RFC 768) at the front of `body`, a part of `packet`.
fn datagram(source: IpAddr, packet: &[u8], body: &[u8], short: Skip) -> Result<Udp, Skip> {
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
        ETHERNET => (12, 14),
        RAW | IPV4 | IPV6 | RAW_12 | RAW_14 => return Ok(packet),
        // The family's number depends on the system, IP's version does not.
        NULL | LOOP => return packet.get(4..).ok_or(short),
        SLL => (14, 16),
        SLL2 => (0, 20),
        PPP => return ppp(packet, short),
        // PPP and Cisco differ in the first octet, the address (RFC 1547 section 4.3.1).
        PPP_HDLC if !matches!(packet, [0x0f | 0x8f, ..]) => return ppp(packet, short),
        PPP_HDLC | C_HDLC => (2, 4),
        _ => return Err(Skip::Link),
    };
    let kind = EtherType(u16_at(packet, kind).ok_or(short)?);
    let rest = packet.get(payload..).ok_or(short)?;
    match kind {
        EtherType::IPV4 | EtherType::IPV6 => Ok(rest),
        _ => behind(kind, rest, short),
    }
}

/// The IP packet behind what else an EtherType can announce.
fn behind(mut kind: EtherType, mut rest: &[u8], short: Skip) -> Result<&[u8], Skip> {
    // IEEE 802.1Q tags, to any depth: control information, then the next EtherType.
    while let EtherType::VLAN_TAGGED_FRAME
    | EtherType::PROVIDER_BRIDGING
    | EtherType::VLAN_DOUBLE_TAGGED_FRAME = kind
    {
        kind = EtherType(u16_at(rest, 2).ok_or(short)?);
        rest = rest.get(4..).ok_or(short)?;
    }
    match kind {
        EtherType::IPV4 | EtherType::IPV6 => Ok(rest),
        // Version, code, session and length, then PPP without address and control.
        PPPOE => ppp(rest.get(6..).ok_or(short)?, short),
        kind if MPLS.contains(&kind) => labels(rest, short),
        _ => Err(Skip::NotIp),
    }
}

/// The IP packet in a PPP frame (RFC 1661 section 2, RFC 1662 section 3.1).
fn ppp(frame: &[u8], short: Skip) -> Result<&[u8], Skip> {
    let frame = match frame {
        [0xff, 0x03, frame @ ..] => frame,
        [0xff] => return Err(short),
        frame => frame,
    };
    // An odd octet ends the protocol: its upper octet, if zero, may be left out.
    let (protocol, rest) = match frame {
        [low, rest @ ..] if low & 1 == 1 => (u16::from(*low), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return Err(short),
    };
    match protocol {
        0x0021 | 0x0057 => Ok(rest),
        0x0281 | 0x0283 => labels(rest, short),
        _ => Err(Skip::NotIp),
    }
}

/// What lies under a stack of MPLS labels (RFC 3032 section 2.1). Its version tells whether that is
/// IP: the labels do not.
fn labels(mut rest: &[u8], short: Skip) -> Result<&[u8], Skip> {
    loop {
        let (label, under) = rest.split_first_chunk::<4>().ok_or(short)?;
        rest = under;
        if label[2] & 1 == 1 {
            return Ok(rest);
        }
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
    let body = match extensions(header.next_header(), body, short)? {
        (_, _, Some(_)) => return Err(Skip::Fragment),
        (IpNumber(UDP), body, None) => body,
        _ => return Err(Skip::NotUdp),
    };
    if len > rest.len() {
        return Err(short);
    }
    Ok((IpAddr::V6(header.source_addr()), body))
}

/// Walks over extension headers (RFC 8200 section 4) up to the first that is none, or to a fragment:
/// the type of what follows, what follows, and the fragment's header.
///
/// etherparse's own walk goes on into a fragment's data as if its first octets were headers, also
/// where it is not the first fragment.
fn extensions(
    mut next: IpNumber,
    mut body: &[u8],
    short: Skip,
) -> Result<(IpNumber, &[u8], Option<Ipv6FragmentHeaderSlice<'_>>), Skip> {
    loop {
        let len;
        (next, len) = match next {
            ip_number::IPV6_HOP_BY_HOP | ip_number::IPV6_DEST_OPTIONS | ip_number::IPV6_ROUTE => {
                let header = Ipv6RawExtHeaderSlice::from_slice(body).map_err(|_| short)?;
                (header.next_header(), header.slice().len())
            }
            ip_number::AUTH => {
                let header = IpAuthHeaderSlice::from_slice(body).map_err(|_| short)?;
                (header.next_header(), header.slice().len())
            }
            ip_number::IPV6_FRAG => {
                let header = Ipv6FragmentHeaderSlice::from_slice(body).map_err(|_| short)?;
                let len = header.slice().len();
                if header.is_fragmenting_payload() {
                    let rest = body.get(len..).ok_or(short)?;
                    return Ok((header.next_header(), rest, Some(header)));
                }
                (header.next_header(), len)
            }
            _ => return Ok((next, body, None)),
        };
        body = body.get(len..).ok_or(short)?;
    }
}

/// Reads a packet that [`udp`] called a fragment.
///
/// A piece that reaches beyond the longest packet (the ping of death), that is empty or that is no
/// multiple of eight octets without being the last is malformed (RFC 8200 section 4.5).
#[cold]
pub(super) fn fragment(link: u32, packet: &[u8], cut: bool) -> Result<Fragment<'_>, Skip> {
    let short = if cut { Skip::Truncated } else { Skip::Malformed };
    let ip = network(link, packet, short)?;
    let (before, fragment) = match ip.first().ok_or(short)? >> 4 {
        4 => fragment4(ip, short)?,
        6 => fragment6(ip, short)?,
        _ => return Err(Skip::NotIp),
    };
    let len = fragment.data.len();
    if len == 0
        || (fragment.more && len % 8 != 0)
        || before + usize::from(fragment.offset) + len > fragments::MAX_LEN
    {
        return Err(Skip::Malformed);
    }
    Ok(fragment)
}

/// A fragment of IPv4 (RFC 791 section 3.2), and the octets of its header.
fn fragment4(packet: &[u8], short: Skip) -> Result<(usize, Fragment<'_>), Skip> {
    let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| short)?;
    let before = header.slice().len();
    let len = usize::from(header.total_len());
    if len < before {
        return Err(Skip::Malformed);
    }
    let fragment = Fragment {
        source: IpAddr::V4(header.source_addr()),
        destination: IpAddr::V4(header.destination_addr()),
        identification: header.identification().into(),
        first: header.protocol().0,
        offset: header.fragments_offset().byte_offset(),
        more: header.more_fragments(),
        data: packet.get(before..len).ok_or(short)?,
    };
    Ok((before, fragment))
}

/// A fragment of IPv6 (RFC 8200 section 4.5), and the octets that its packet's payload length counts
/// before the fragments' own.
fn fragment6(packet: &[u8], short: Skip) -> Result<(usize, Fragment<'_>), Skip> {
    let ip = Ipv6HeaderSlice::from_slice(packet).map_err(|_| short)?;
    let rest = packet.get(ip.slice().len()..).ok_or(short)?;
    let len = usize::from(ip.payload_length());
    let body = rest.get(..len.min(rest.len())).ok_or(short)?;
    let (first, data, header) = extensions(ip.next_header(), body, short)?;
    let header = header.ok_or(Skip::Malformed)?;
    // The datagram may begin with options of its own before UDP.
    if !matches!(
        first,
        IpNumber(UDP) | ip_number::IPV6_DEST_OPTIONS | ip_number::IPV6_ROUTE | ip_number::AUTH
    ) {
        return Err(Skip::NotUdp);
    }
    if len > rest.len() {
        return Err(short);
    }
    let fragment = Fragment {
        source: IpAddr::V6(ip.source_addr()),
        destination: IpAddr::V6(ip.destination_addr()),
        identification: header.identification(),
        first: first.0,
        offset: header.fragment_offset().byte_offset(),
        more: header.more_fragments(),
        data,
    };
    Ok((body.len() - data.len() - header.slice().len(), fragment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sample::{IP4, IP6, carrying, ethernet, pieces};
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
        for (packet, found, kind, family, ppp) in
            [(&IP4[..], FOUND4, 0x0800_u16, 2, 0x21), (&IP6[..], FOUND6, 0x86dd, 30, 0x57)]
        {
            let behind = |header: &[u8]| [header, packet].concat();
            let carrier = |kind: u16, header: &[u8]| {
                let frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &kind.to_be_bytes()[..]];
                behind(&[&frame.concat(), header].concat())
            };
            for (link, frame) in [
                (0, behind(&[family, 0, 0, 0])),
                (1, ethernet(&[], packet)),
                (1, ethernet(&[0x8100], packet)),
                (1, ethernet(&[0x88a8, 0x8100], packet)),
                (1, ethernet(&[0x9100, 0x88a8, 0x8100, 0x8100, 0x8100], packet)),
                // One label, two labels, and two of them in a VLAN.
                (1, carrier(0x8847, &[0, 1, 0x01, 64])),
                (1, carrier(0x8848, &[0, 1, 0x00, 64, 0, 0, 0x21, 64])),
                (1, carrier(0x8100, &[0, 42, 0x88, 0x47, 0, 1, 0x00, 64, 0, 0, 0x21, 64])),
                (1, carrier(0x8864, &[0x11, 0, 0, 7, 0, 54, 0, ppp])),
                (1, carrier(0x8100, &[0, 42, 0x88, 0x64, 0x11, 0, 0, 7, 0, 54, 0, ppp])),
                (1, carrier(0x8864, &[0x11, 0, 0, 7, 0, 54, 0x02, 0x81, 0, 1, 0x01, 64])),
                (9, behind(&[0xff, 0x03, 0, ppp])),
                (9, behind(&[0xff, 0x03, ppp])),
                (9, behind(&[0, ppp])),
                (9, behind(&[ppp])),
                (12, packet.to_vec()),
                (14, packet.to_vec()),
                (50, behind(&[0xff, 0x03, 0, ppp])),
                (50, behind(&[&[0x0f, 0][..], &kind.to_be_bytes()].concat())),
                (50, behind(&[&[0x8f, 0][..], &kind.to_be_bytes()].concat())),
                (104, behind(&[&[0x0f, 0][..], &kind.to_be_bytes()].concat())),
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
        // Negotiation of PPP; a pseudowire's control word under a label.
        assert_eq!(read(PPP, &[0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4]), Err(Skip::NotIp));
        let wire = [&[0xff, 0x03, 0x02, 0x81, 0, 1, 0x01, 64, 0, 0, 0, 0][..], &IP4].concat();
        assert_eq!(read(PPP, &wire), Err(Skip::NotIp));
        let mut fragment = IP6.to_vec();
        fragment.splice(40..40, [17, 0, 0, 1, 0, 0, 0, 1]);
        (fragment[5], fragment[6]) = (12 + 8, 44);
        assert_eq!(read(RAW, &fragment), Err(Skip::Fragment));
        let mut icmp = IP6;
        icmp[6] = 58;
        assert_eq!(read(RAW, &icmp), Err(Skip::NotUdp));
    }

    #[test]
    fn fragments_are_read() {
        let data = |n: usize| (0..n).map(|i| i as u8).collect::<Vec<_>>();
        for six in [false, true] {
            let packet = carrying(&data(100), six);
            let (header, payload) = packet.split_at(packet.len() - 108);
            let all = pieces(&packet, &[8, 96, 108], 0x1234);
            for (piece, (start, end)) in all.iter().zip([(0, 8), (8, 96), (96, 108)]) {
                let frame = ethernet(&[0x8100], piece);
                assert_eq!(udp(ETHERNET, &frame, false), Err(Skip::Fragment));
                let (source, destination) = match six {
                    false => ("192.0.2.1", "192.0.2.9"),
                    true => ("2001:db8::1", "2001:db8::9"),
                };
                let expected = Fragment {
                    source: source.parse().unwrap(),
                    destination: destination.parse().unwrap(),
                    identification: 0x1234,
                    first: 17,
                    offset: start as u16,
                    more: end < 108,
                    data: &payload[start..end],
                };
                // Ethernet pads it.
                let padded = [&frame[..], &[0xa5; 18]].concat();
                assert_eq!(fragment(ETHERNET, &padded, false), Ok(expected));
                for len in 0..frame.len() {
                    assert_eq!(fragment(ETHERNET, &frame[..len], true), Err(Skip::Truncated));
                }
            }
            // Seven octets and more to come; no octet; beyond the longest packet.
            for (cut, offset) in [(1, 1), (88, 1), (0, 0xffff - 7)] {
                let mut piece = all[1].clone();
                piece.truncate(piece.len() - cut);
                let len = (piece.len() - if six { 40 } else { 0 }) as u16;
                let (at, field): (usize, u16) = match six {
                    false => (6, (1 << 13) | (offset / 8)),
                    true => (42, (offset & !7) | 1),
                };
                let place = if six { 4 } else { 2 };
                piece[place..place + 2].copy_from_slice(&len.to_be_bytes());
                piece[at..at + 2].copy_from_slice(&field.to_be_bytes());
                assert_eq!(udp(RAW, &piece, false), Err(Skip::Fragment));
                assert_eq!(fragment(RAW, &piece, false), Err(Skip::Malformed), "{piece:02x?}");
            }
            // Whose length was left to the network card: where its padding begins, nobody knows.
            let mut piece = all[1].clone();
            piece[if six { 4..6 } else { 2..4 }].fill(0);
            assert!(fragment(RAW, &piece, false).is_err());
            let mut tcp = all[1].clone();
            tcp[if six { 40 } else { 9 }] = 6;
            let found = udp(RAW, &tcp, false).and_then(|_| fragment(RAW, &tcp, false).map(|_| ()));
            let expected = if six { Skip::Fragment } else { Skip::NotUdp };
            assert_eq!(found, Err(expected));
            assert_eq!(fragment(RAW, &tcp, false).is_ok(), !six);
            assert_eq!(header.len(), if six { 40 } else { 20 });
        }
    }

    #[test]
    fn the_longest_datagram_is_as_long_as_ip_lets_it_be() {
        // The last piece of four octets; one octet more is too much.
        for (more, expected) in [(0, true), (1, false)] {
            let mut piece = pieces(&carrying(&[0; 12], false), &[16, 20], 7).swap_remove(1);
            piece.extend(vec![0; more]);
            piece[3] = piece.len() as u8;
            // 20 octets of header, 65,504 before, 4 and 7 in the piece: 65,535.
            piece.extend([0; 7]);
            piece[3] += 7;
            piece[6..8].copy_from_slice(&(65_504_u16 / 8).to_be_bytes());
            assert_eq!(fragment(RAW, &piece, false).is_ok(), expected, "{piece:02x?}");
        }
        // Hop-by-hop options are no fragment's, but the payload length counts them.
        for (options, expected) in [(0, true), (8, false)] {
            let mut piece = pieces(&carrying(&[0; 15], true), &[16, 23], 7).swap_remove(1);
            piece[42..44].copy_from_slice(&65_528_u16.to_be_bytes());
            if options > 0 {
                piece.splice(40..40, [44, 0, 1, 4, 0, 0, 0, 0]);
                piece[6] = 0;
                piece[5] += 8;
            }
            assert_eq!(fragment(RAW, &piece, false).is_ok(), expected, "{piece:02x?}");
        }
    }

    #[test]
    fn a_reassembled_datagram_may_begin_with_options() {
        let options = [17, 0, 1, 4, 0, 0, 0, 0];
        let whole = [&options[..], &IP6[40..]].concat();
        let source: IpAddr = "2001:db8::1".parse().unwrap();
        let udp = reassembled(source, 60, &whole).unwrap();
        assert_eq!((udp.source, udp.port, udp.dport), (source, 50_000, 2055));
        assert_eq!(&whole[udp.payload], b"flow");
        assert_eq!(reassembled(source, 17, &whole[..12]), Err(Skip::Malformed));
        assert_eq!(reassembled(source, 60, &[6, 0, 1, 4, 0, 0, 0, 0]), Err(Skip::NotUdp));
        // A fragment inside a fragment.
        assert_eq!(reassembled(source, 44, &[17, 0, 0, 1, 0, 0, 0, 1]), Err(Skip::Malformed));
    }

    #[test]
    fn a_later_fragment_is_not_taken_for_headers() {
        // Its first octets would be options of 2048 octets.
        let mut piece = pieces(&carrying(&[0xff; 16], true), &[8, 24], 7).swap_remove(1);
        piece[40] = 60;
        assert_eq!(udp(RAW, &piece, false), Err(Skip::Fragment));
        assert_eq!(fragment(RAW, &piece, false).unwrap().data, [0xff; 16]);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_skipped(
            link in prop::sample::select(
                vec![0, 1, 9, 12, 14, 50, 101, 104, 108, 113, 228, 229, 276, 5],
            ),
            ip in prop::sample::select(vec![0x45, 0x46, 0x4f, 0x60, 0x00, 0xff, 0x21, 0x0f]),
            mut packet in prop::collection::vec(any::<u8>(), 0..96),
            udp_at in prop::sample::select(vec![0_usize, 6, 9, 40]),
            cut in any::<bool>(),
        ) {
            if let Some(octet) = packet.get_mut(udp_at) {
                *octet = if udp_at == 6 { 44 } else { 17 };
            }
            if let Some(first) = packet.first_mut() {
                *first = ip;
            }
            if let Ok(udp) = udp(link, &packet, cut) {
                prop_assert!(packet.get(udp.payload).is_some());
            }
            if let Ok(fragment) = fragment(link, &packet, cut) {
                let len = fragment.data.len();
                prop_assert!(len > 0 && (len % 8 == 0 || !fragment.more));
                prop_assert!(usize::from(fragment.offset) + len <= fragments::MAX_LEN);
            }
            if let Ok(udp) = reassembled(IpAddr::from([0; 4]), ip, &packet) {
                prop_assert!(packet.get(udp.payload).is_some());
            }
        }
    }
}
