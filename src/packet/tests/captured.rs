//! Frames that carry UDP, whole or in fragments.

use super::super::sample::{IP4, IP6, carrying, ethernet, pieces};
use super::*;

/// Returns source, ports and payload as text.
fn read(link: Link, packet: &[u8]) -> Result<String, Error> {
    let udp = udp(link, packet)?;
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
            let layer = Link::from_pcap(link).unwrap();
            assert_eq!(read(layer, &frame).as_deref(), Ok(found), "link {link} {frame:02x?}");
            // Ethernet pads short frames.
            let padded = [&frame[..], &[0xa5; 18]].concat();
            assert_eq!(read(layer, &padded).as_deref(), Ok(found), "link {link}, padded");
            // A cut is noticed wherever it is.
            for len in 0..frame.len() {
                assert_eq!(udp(layer, &frame[..len]), Err(Error::Cut), "{link} {len}");
            }
        }
    }
}

#[test]
fn udp_length_ends_the_payload() {
    let mut packet = IP4;
    packet[25] = 10;
    assert_eq!(read(Link::Ip, &packet).unwrap(), "192.0.2.1 50000 2055 fl");
    packet[25] = 8;
    assert_eq!(read(Link::Ip, &packet).unwrap(), "192.0.2.1 50000 2055 ");
    packet[25] = 7;
    assert_eq!(read(Link::Ip, &packet), Err(Error::Malformed));
    packet[25] = 13;
    assert_eq!(read(Link::Ip, &packet), Err(Error::Cut));
}

#[test]
fn length_of_zero_is_left_to_the_network_card() {
    let mut packet = IP4;
    packet[3] = 0;
    assert_eq!(read(Link::Ip, &packet).unwrap(), FOUND4);
    let mut packet = IP6;
    packet[5] = 0;
    assert_eq!(read(Link::Ip, &packet).unwrap(), FOUND6);
    let mut packet = IP4;
    packet[3] = 19;
    assert_eq!(read(Link::Ip, &packet), Err(Error::Malformed));
}

#[test]
fn options_and_extension_headers_are_stepped_over() {
    let mut packet = IP4.to_vec();
    packet.splice(20..20, [1, 1, 1, 1]);
    (packet[0], packet[3]) = (0x46, 36);
    assert_eq!(read(Link::Ip, &packet).unwrap(), FOUND4);
    // Hop-by-hop, then destination options.
    let mut packet = IP6.to_vec();
    packet.splice(40..40, [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0]);
    (packet[5], packet[6]) = (12 + 16, 0);
    assert_eq!(read(Link::Ip, &packet).unwrap(), FOUND6);
    // A fragment header on a packet that is whole (RFC 6946).
    let mut packet = IP6.to_vec();
    packet.splice(40..40, [17, 0, 0, 0, 0, 0, 0, 1]);
    (packet[5], packet[6]) = (12 + 8, 44);
    assert_eq!(read(Link::Ip, &packet).unwrap(), FOUND6);
}

#[test]
fn frames_without_a_datagram_give_the_reason() {
    let change = |at: usize, byte: u8| {
        let mut packet = IP4;
        packet[at] = byte;
        packet
    };
    assert_eq!(Link::from_pcap(147), None);
    assert_eq!(read(Link::Ip, &change(0, 0x55)), Err(Error::NotIp));
    assert_eq!(read(Link::Ip, &change(9, 6)), Err(Error::NotUdp));
    assert_eq!(read(Link::Ip, &change(6, 0x20)), Err(Error::Fragment));
    assert_eq!(read(Link::Ip, &change(7, 0x01)), Err(Error::Fragment));
    assert_eq!(read(Link::Ip, &change(0, 0x44)), Err(Error::Malformed));
    let mut arp = ethernet(&[], &IP4);
    arp[13] = 0x06;
    assert_eq!(read(Link::Ethernet, &arp), Err(Error::NotIp));
    // Negotiation of PPP; a pseudowire's control word under a label.
    assert_eq!(read(Link::Ppp, &[0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4]), Err(Error::NotIp));
    let wire = [&[0xff, 0x03, 0x02, 0x81, 0, 1, 0x01, 64, 0, 0, 0, 0][..], &IP4].concat();
    assert_eq!(read(Link::Ppp, &wire), Err(Error::NotIp));
    let mut fragment = IP6.to_vec();
    fragment.splice(40..40, [17, 0, 0, 1, 0, 0, 0, 1]);
    (fragment[5], fragment[6]) = (12 + 8, 44);
    assert_eq!(read(Link::Ip, &fragment), Err(Error::Fragment));
    let mut icmp = IP6;
    icmp[6] = 58;
    assert_eq!(read(Link::Ip, &icmp), Err(Error::NotUdp));
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
            assert_eq!(udp(Link::Ethernet, &frame), Err(Error::Fragment));
            let (source, destination) =
                if six { ("2001:db8::1", "2001:db8::9") } else { ("192.0.2.1", "192.0.2.9") };
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
            assert_eq!(fragment(Link::Ethernet, &padded), Ok(expected));
            for len in 0..frame.len() {
                assert_eq!(fragment(Link::Ethernet, &frame[..len]), Err(Error::Cut));
            }
        }
        // Seven bytes with more to follow; no bytes; beyond the longest packet.
        for (cut, offset) in [(1, 1), (88, 1), (0, 0xffff - 7)] {
            let mut piece = all[1].clone();
            piece.truncate(piece.len() - cut);
            let len = (piece.len() - if six { 40 } else { 0 }) as u16;
            let (at, field): (usize, u16) =
                if six { (42, (offset & !7) | 1) } else { (6, (1 << 13) | (offset / 8)) };
            let place = if six { 4 } else { 2 };
            piece[place..place + 2].copy_from_slice(&len.to_be_bytes());
            piece[at..at + 2].copy_from_slice(&field.to_be_bytes());
            assert_eq!(udp(Link::Ip, &piece), Err(Error::Fragment));
            assert_eq!(fragment(Link::Ip, &piece), Err(Error::Malformed), "{piece:02x?}");
        }
        // A length of 0 does not say where the padding begins.
        let mut piece = all[1].clone();
        piece[if six { 4..6 } else { 2..4 }].fill(0);
        assert!(fragment(Link::Ip, &piece).is_err());
        let mut tcp = all[1].clone();
        tcp[if six { 40 } else { 9 }] = 6;
        let found = udp(Link::Ip, &tcp).and_then(|_| fragment(Link::Ip, &tcp).map(|_| ()));
        let expected = if six { Error::Fragment } else { Error::NotUdp };
        assert_eq!(found, Err(expected));
        assert_eq!(fragment(Link::Ip, &tcp).is_ok(), !six);
        assert_eq!(header.len(), if six { 40 } else { 20 });
    }
}

#[test]
fn fragments_beyond_the_longest_packet_are_malformed() {
    // A last piece that ends at the limit, and one byte more.
    for (more, expected) in [(0, true), (1, false)] {
        let mut piece = pieces(&carrying(&[0; 12], false), &[16, 20], 7).swap_remove(1);
        piece.extend(vec![0; more]);
        piece[3] = piece.len() as u8;
        // 20 bytes of header, 65,504 before the piece, 4 and 7 in it: 65,535.
        piece.extend([0; 7]);
        piece[3] += 7;
        piece[6..8].copy_from_slice(&(65_504_u16 / 8).to_be_bytes());
        assert_eq!(fragment(Link::Ip, &piece).is_ok(), expected, "{piece:02x?}");
    }
    // Hop-by-hop options belong to no fragment, but the payload length counts them.
    for (options, expected) in [(0, true), (8, false)] {
        let mut piece = pieces(&carrying(&[0; 15], true), &[16, 23], 7).swap_remove(1);
        piece[42..44].copy_from_slice(&65_528_u16.to_be_bytes());
        if options > 0 {
            piece.splice(40..40, [44, 0, 1, 4, 0, 0, 0, 0]);
            piece[6] = 0;
            piece[5] += 8;
        }
        assert_eq!(fragment(Link::Ip, &piece).is_ok(), expected, "{piece:02x?}");
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
    assert_eq!(reassembled(source, 17, &whole[..12]), Err(Error::Malformed));
    assert_eq!(reassembled(source, 60, &[6, 0, 1, 4, 0, 0, 0, 0]), Err(Error::NotUdp));
    // A fragment inside a fragment.
    assert_eq!(reassembled(source, 44, &[17, 0, 0, 1, 0, 0, 0, 1]), Err(Error::Malformed));
}

#[test]
fn data_of_a_later_fragment_is_not_read_as_headers() {
    // Read as options, its first bytes would claim 2,048 bytes.
    let mut piece = pieces(&carrying(&[0xff; 16], true), &[8, 24], 7).swap_remove(1);
    piece[40] = 60;
    assert_eq!(udp(Link::Ip, &piece), Err(Error::Fragment));
    assert_eq!(fragment(Link::Ip, &piece).unwrap().data, [0xff; 16]);
}
