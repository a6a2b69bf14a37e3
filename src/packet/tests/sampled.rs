//! The first bytes of sampled packets.

use super::*;

/// Reads a packet without a link layer.
fn ip(bytes: &[u8], len: Option<u32>) -> Option<Headers> {
    headers(Link::Ip, bytes, len)
}

fn ethernet(bytes: &[u8], len: Option<u32>) -> Option<Headers> {
    headers(Link::Ethernet, bytes, len)
}

fn mpls(bytes: &[u8], len: Option<u32>) -> Option<Headers> {
    headers(Link::Mpls, bytes, len)
}

fn ppp(bytes: &[u8], len: Option<u32>) -> Option<Headers> {
    headers(Link::Ppp, bytes, len)
}

/// Returns IPv4 of 84 bytes with type of service 0xb8 from 10.0.0.1 to 10.0.0.2.
fn four(proto: u8, after: &[u8]) -> Vec<u8> {
    let header = [0x45, 0xb8, 0, 84, 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], after].concat()
}

/// Returns IPv6 with 60 bytes after its header, traffic class 0xb8.
fn six(next: u8, after: &[u8]) -> Vec<u8> {
    let header = [0x6b, 0x80, 0, 0, 0, 60, next, 64];
    [&header[..], &[1; 16], &[2; 16], after].concat()
}

const TCP_HEADER: [u8; 14] = [0x04, 0xd2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x51, 0xc2];

/// Returns protocol, ports, flags and length.
fn seen(packet: Option<Headers>) -> (u8, u16, u16, Option<u16>, u64) {
    let packet = packet.unwrap();
    assert_eq!(packet.tos, Some(0xb8));
    (packet.proto, packet.sport, packet.dport, packet.flags, packet.length)
}

#[test]
fn ports_and_flags_follow_the_protocol() {
    let both = |proto: u8, after: &[u8]| {
        let four = seen(ip(&four(proto, after), Some(9999)));
        let six = seen(ip(&six(proto, after), Some(9999)));
        assert_eq!((six.4, four.4), (100, 84));
        assert_eq!((four.0, four.1, four.2, four.3), (six.0, six.1, six.2, six.3));
        four
    };
    // SYN, ECE, CWR and AE.
    assert_eq!(both(6, &TCP_HEADER), (6, 1234, 80, Some(0x1c2), 84));
    assert_eq!(both(6, &TCP_HEADER[..13]), (6, 1234, 80, None, 84));
    assert_eq!(both(6, &TCP_HEADER[..3]), (6, 0, 0, None, 84));
    assert_eq!(both(17, &TCP_HEADER), (17, 1234, 80, Some(0), 84));
    assert_eq!(both(132, &TCP_HEADER), (132, 1234, 80, Some(0), 84));
    assert_eq!(both(1, &[8, 1, 9, 9]), (1, 0, 0x0801, Some(0), 84));
    assert_eq!(both(58, &[128, 0]), (58, 0, 0x8000, Some(0), 84));
    assert_eq!(both(47, &TCP_HEADER), (47, 0, 0, Some(0), 84));
}

#[test]
fn length_of_zero_is_taken_from_the_frame() {
    let mut packet = four(17, &TCP_HEADER);
    packet[3] = 0;
    assert_eq!(ip(&packet, Some(3000)).unwrap().length, 3000);
    let frame = [&[0; 12][..], &[0x81, 0, 0, 9, 8, 0], &packet].concat();
    assert_eq!(ethernet(&frame, Some(3018)).unwrap().length, 3000);
    let mut packet = six(17, &TCP_HEADER);
    packet[5] = 0;
    assert_eq!(ip(&packet, Some(70_000)).unwrap().length, 70_000);
}

#[test]
fn ipv4_options_and_fragments() {
    let mut packet = four(6, &[&[1; 4][..], &TCP_HEADER].concat());
    packet[0] = 0x46;
    assert_eq!(seen(ip(&packet, Some(84))), (6, 1234, 80, Some(0x1c2), 84));
    // The first fragment has ports, later ones do not.
    packet[6] = 0x20;
    assert_eq!(seen(ip(&packet, Some(84))).1, 1234);
    packet[7] = 1;
    assert_eq!(seen(ip(&packet, Some(84))), (6, 0, 0, None, 84));
    // Options that are cut off.
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
    // Hop-by-hop of 16 bytes, routing of 8, AH of 24, destination options of 8.
    let mut headers = vec![43, 1];
    headers.extend([0; 14]);
    headers.extend([51, 0, 0, 0, 0, 0, 0, 0]);
    headers.extend([60, 4]);
    headers.extend([0; 22]);
    headers.extend([6, 0, 0, 0, 0, 0, 0, 0]);
    let mut packet = six(0, &[&headers[..], &TCP_HEADER].concat());
    packet[5] = 70;
    assert_eq!(seen(ip(&packet, Some(110))), (6, 1234, 80, Some(0x1c2), 110));
    // Cut among them, the protocol is the last header that is named.
    assert_eq!(seen(ip(&packet[..60], Some(110))), (51, 0, 0, Some(0), 110));
    let fragment =
        |offset: u8| six(44, &[&[17, 0, 0, offset, 0, 0, 0, 1], &TCP_HEADER[..]].concat());
    assert_eq!(seen(ip(&fragment(1), Some(100))), (17, 1234, 80, Some(0), 100));
    assert_eq!(seen(ip(&fragment(8), Some(100))), (17, 0, 0, Some(0), 100));
    // The walk ends, however many there are.
    let many = six(0, &[0; 8 * 100]);
    assert_eq!(seen(ip(&many, Some(100))), (0, 0, 0, Some(0), 100));
}

#[test]
fn link_layers_lead_to_ip() {
    let packet = four(17, &TCP_HEADER);
    let expected = ip(&packet, Some(84)).unwrap();
    let macs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let around = |tags: &[u8]| ethernet(&[&macs, tags, &packet].concat(), Some(1518));
    let framed = |vlan| {
        Some(Headers {
            vlan,
            srcmac: Some([7, 8, 9, 10, 11, 12]),
            dstmac: Some([1, 2, 3, 4, 5, 6]),
            ..expected
        })
    };
    assert_eq!(around(&[8, 0]), framed(None));
    assert_eq!(around(&[0x81, 0, 0xe0, 7, 8, 0]), framed(Some(7)));
    // A tag with nothing but a priority; two tags, of which the outer one counts.
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
    // Tags and labels that do not end.
    assert_eq!(ethernet(&[0x81; 2000], Some(2000)), None);
    assert_eq!(around(&[0x81, 0, 0, 7].repeat(100)), None);
    assert_eq!(mpls(&[0; 400], Some(400)), None);
}

#[test]
fn cut_packets_keep_their_addresses() {
    for packet in [four(6, &TCP_HEADER), six(6, &TCP_HEADER)] {
        let whole = ip(&packet, Some(84)).unwrap();
        let header = packet.len() - TCP_HEADER.len();
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
