//! Inputs that the parsers of captured and of sampled packets once read differently.

use super::super::sample::{IP4, IP6, carrying, ethernet};
use super::*;

/// Returns an Ethernet frame with the given bytes after the MAC addresses.
fn carrier(bytes: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], bytes].concat()
}

/// Returns the source port by both, as one.
fn port(link: Link, frame: &[u8]) -> Result<u16, Error> {
    let sampled = headers(link, frame, None);
    let captured = udp(link, frame).map(|udp| udp.port);
    assert_eq!(sampled.filter(|it| it.proto == 17).map(|it| it.sport), captured.ok());
    captured
}

/// Captured frames had any number of tags stepped over, sampled ones 8.
#[test]
fn vlan_tags_are_stepped_over_up_to_a_bound() {
    assert_eq!(port(Link::Ethernet, &ethernet(&[0x8100; MAX_TAGS], &IP4)), Ok(50_000));
    let more = ethernet(&[0x8100; MAX_TAGS + 1], &IP4);
    assert_eq!(port(Link::Ethernet, &more), Err(Error::NotIp));
}

/// Captured frames had any number of labels stepped over, sampled ones 8.
#[test]
fn mpls_labels_are_stepped_over_up_to_a_bound() {
    for (labels, expected) in [(MAX_LABELS, Ok(50_000)), (MAX_LABELS + 1, Err(Error::NotIp))] {
        let mut stack = [0, 0, 0x10, 64].repeat(labels);
        stack[labels * 4 - 2] |= 1;
        assert_eq!(port(Link::Mpls, &[&stack[..], &IP4].concat()), expected);
    }
}

/// Captured packets had any number of extension headers stepped over, sampled ones 8.
#[test]
fn extension_headers_are_stepped_over_up_to_a_bound() {
    for (count, expected) in
        [(MAX_EXTENSIONS, Ok(50_000)), (MAX_EXTENSIONS + 1, Err(Error::NotUdp))]
    {
        let mut extensions = [60, 0, 1, 4, 0, 0, 0, 0].repeat(count);
        extensions[(count - 1) * 8] = 17;
        let mut packet = IP6.to_vec();
        packet[6] = 60;
        packet[5] += extensions.len() as u8;
        packet.splice(40..40, extensions);
        assert_eq!(port(Link::Ip, &packet), expected);
    }
}

/// Sampled frames were read without compression of PPP's protocol field (RFC 1661 section 6.5).
#[test]
fn ppp_protocol_may_be_one_byte() {
    assert_eq!(port(Link::Ppp, &[&[0x21][..], &IP4].concat()), Ok(50_000));
    assert_eq!(port(Link::Ppp, &[&[0xff, 0x03, 0x57][..], &IP6].concat()), Ok(50_000));
    let session = carrier(&[&[0x88, 0x64, 0x11, 0, 0, 7, 0, 33, 0x21][..], &IP4].concat());
    assert_eq!(port(Link::Ethernet, &session), Ok(50_000));
}

/// Sampled frames were read without multicast MPLS in PPP (RFC 3032 section 4.3).
#[test]
fn ppp_carries_multicast_mpls() {
    let frame = [&[0xff, 0x03, 0x02, 0x83, 0, 0, 0x11, 64][..], &IP4].concat();
    assert_eq!(port(Link::Ppp, &frame), Ok(50_000));
}

/// sFlow's samples of packets over SONET were read as PPP alone.
#[test]
fn serial_lines_carry_ppp_or_cisco_framing() {
    assert_eq!(port(Link::Serial, &[&[0xff, 0x03, 0, 0x21][..], &IP4].concat()), Ok(50_000));
    assert_eq!(port(Link::Serial, &[&[0x0f, 0, 8, 0][..], &IP4].concat()), Ok(50_000));
    assert_eq!(port(Link::Serial, &[&[0x8f, 0, 0x86, 0xdd][..], &IP6].concat()), Ok(50_000));
}

/// Captured frames were read by the version in the IP header, whatever was announced. Linux's
/// `ip_rcv` and `ip6_rcv_core` drop such packets.
#[test]
fn version_must_be_the_announced_one() {
    let ipv4_as_ipv6 = carrier(&[&[0x86, 0xdd][..], &IP4].concat());
    let ipv6_as_ipv4 = carrier(&[&[8, 0][..], &IP6].concat());
    assert_eq!(port(Link::Ethernet, &ipv4_as_ipv6), Err(Error::NotIp));
    assert_eq!(port(Link::Ethernet, &ipv6_as_ipv4), Err(Error::NotIp));
    assert_eq!(port(Link::Ppp, &[&[0, 0x57][..], &IP4].concat()), Err(Error::NotIp));
    assert_eq!(port(Link::Ppp, &[&[0, 0x21][..], &IP6].concat()), Err(Error::NotIp));
}

/// Sampled packets were read with a total length below their header's, which routers must discard
/// (RFC 1812 section 5.2.2).
#[test]
fn total_length_counts_the_header() {
    let mut packet = IP4;
    packet[3] = 19;
    assert_eq!(port(Link::Ip, &packet), Err(Error::Malformed));
    packet[3] = 20;
    assert_eq!(headers(Link::Ip, &packet, None).unwrap().length, 20);
}

/// A header length below 20 bytes counted as a cut if the capture held less than the wire.
#[test]
fn header_length_below_the_least_is_malformed() {
    for ihl in 0..5 {
        let mut packet = IP4;
        packet[0] = 0x40 | ihl;
        assert_eq!(port(Link::Ip, &packet), Err(Error::Malformed));
    }
}

/// Padding behind a sampled packet was read as ports and flags.
#[test]
fn padding_is_not_read_as_ports() {
    let mut packet = carrying(&[0xa5; 20], false);
    packet[3] = 20;
    let found = headers(Link::Ip, &packet, None).unwrap();
    assert_eq!((found.sport, found.dport, found.length), (0, 0, 20));
    assert_eq!(udp(Link::Ip, &packet), Err(Error::Cut));
    // TCP whose ports are its own, and whose flags would be padding.
    (packet[3], packet[9]) = (28, 6);
    let found = headers(Link::Ip, &packet, None).unwrap();
    assert_eq!((found.sport, found.dport, found.flags), (50_000, 2055, None));
    let mut packet = carrying(&[0xa5; 20], true);
    packet[5] = 3;
    let found = headers(Link::Ip, &packet, None).unwrap();
    assert_eq!((found.sport, found.dport, found.length), (0, 0, 43));
}

/// Sampled packets had an authentication header of 8 bytes stepped over. A length of 0 leaves no
/// room for its sequence number (RFC 4302 section 2.2).
#[test]
fn authentication_header_has_its_fixed_part() {
    let mut packet = IP6.to_vec();
    packet.splice(40..40, [17, 0, 0, 0, 0, 0, 0, 1]);
    (packet[5], packet[6]) = (20, 51);
    assert_eq!(udp(Link::Ip, &packet), Err(Error::Malformed));
    let found = headers(Link::Ip, &packet, None).unwrap();
    assert_eq!((found.proto, found.sport, found.dport), (51, 0, 0));
    // One of 24 bytes.
    let mut packet = IP6.to_vec();
    packet.splice(40..40, [&[17, 4][..], &[0; 22]].concat());
    (packet[5], packet[6]) = (12 + 24, 51);
    assert_eq!(port(Link::Ip, &packet), Ok(50_000));
}

/// Captured IPv4 packets had their options judged before their protocol, unlike IPv6's extension
/// headers.
#[test]
fn protocol_is_judged_before_the_lengths() {
    let mut packet = IP4;
    (packet[0], packet[3], packet[9]) = (0x4f, 90, 6);
    assert_eq!(udp(Link::Ip, &packet), Err(Error::NotUdp));
    packet[9] = 17;
    assert_eq!(udp(Link::Ip, &packet), Err(Error::Cut));
}
