//! Packets of literal bytes, and etherparse as the reference.

mod captured;
mod differences;
mod sampled;

use std::net::IpAddr;

use etherparse::{LaxPacketHeaders, NetSlice, SlicedPacket, TransportHeader, TransportSlice};
use proptest::prelude::*;

use super::*;

const LINKS: [Link; 9] = [
    Link::Ethernet,
    Link::Ppp,
    Link::Serial,
    Link::CiscoHdlc,
    Link::Mpls,
    Link::Ip,
    Link::Loopback,
    Link::LinuxCooked,
    Link::LinuxCooked2,
];

/// Returns a frame of VLAN tags, IPv4 with options or IPv6 with extension headers, and UDP.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop::collection::vec(prop::sample::select(vec![0x8100_u16, 0x88a8, 0x9100]), 0..3);
    let options = 0..=10_usize;
    let extensions =
        prop::collection::vec((prop::sample::select(vec![43_u8, 44, 60]), 0..3_u8), 0..4);
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    (tags, any::<bool>(), options, extensions, payload).prop_map(
        |(tags, six, options, extensions, payload)| {
            let mut packet = sample::carrying(&payload, six);
            if six {
                let udp = packet.split_off(40);
                let mut next = 6;
                for (kind, len) in extensions {
                    packet[next] = kind;
                    next = packet.len();
                    // A fragment header of a packet that is whole, or a header of padding.
                    let len = if kind == 44 { 0 } else { len };
                    packet.extend([17, len, 0, 0, 0, 0, 0, 7]);
                    packet.resize(packet.len() + usize::from(len) * 8, 0);
                }
                packet.extend(udp);
                let len = packet.len() as u16 - 40;
                packet[4..6].copy_from_slice(&len.to_be_bytes());
            } else {
                packet.splice(20..20, vec![1; options * 4]);
                let len = packet.len() as u16;
                packet[0] = 0x45 + options as u8;
                packet[2..4].copy_from_slice(&len.to_be_bytes());
            }
            sample::ethernet(&tags, &packet)
        },
    )
}

/// Returns source, ports and payload as etherparse reads them.
fn reference(frame: &[u8]) -> Option<(IpAddr, u16, u16, Vec<u8>)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let source = match packet.net? {
        NetSlice::Ipv4(ip) => IpAddr::V4(ip.header().source_addr()),
        NetSlice::Ipv6(ip) => IpAddr::V6(ip.header().source_addr()),
        _ => return None,
    };
    let Some(TransportSlice::Udp(udp)) = packet.transport else { return None };
    Some((source, udp.source_port(), udp.destination_port(), udp.payload().to_vec()))
}

proptest! {
    #[test]
    fn whole_frames_are_read_as_etherparse_reads_them(frame in any_frame()) {
        let found = udp(Link::Ethernet, &frame).unwrap();
        let payload = frame[found.payload].to_vec();
        prop_assert_eq!(
            Some((found.source, found.port, found.dport, payload)),
            reference(&frame)
        );
    }

    #[test]
    fn cut_frames_are_read_as_etherparse_reads_them(
        frame in any_frame(),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = &frame[..cut.index(frame.len() + 1)];
        let Some(found) = headers(Link::Ethernet, cut, None) else { return Ok(()) };
        // etherparse gives no ports without the whole UDP header.
        if let Ok(lax) = LaxPacketHeaders::from_ethernet(cut) {
            if let Some(TransportHeader::Udp(udp)) = lax.transport {
                prop_assert_eq!(
                    (found.proto, found.sport, found.dport),
                    (17, udp.source_port, udp.destination_port)
                );
            }
        }
    }

    #[test]
    fn captured_and_sampled_frames_are_read_alike(
        frame in any_frame(),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = udp(Link::Ethernet, &frame).unwrap();
        let header = whole.payload.start;
        let all = headers(Link::Ethernet, &frame, None).unwrap();
        prop_assert_eq!((all.sip, all.proto), (whole.source, 17));
        prop_assert_eq!((all.sport, all.dport), (whole.port, whole.dport));
        let cut = cut.index(frame.len() + 1);
        let some = headers(Link::Ethernet, &frame[..cut], None);
        if cut >= header {
            prop_assert_eq!(some, Some(all));
        }
        if let Some(some) = some {
            prop_assert_eq!((some.sip, some.dip, some.length), (all.sip, all.dip, all.length));
            prop_assert!(some.sport == 0 || (some.sport, some.dport) == (all.sport, all.dport));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        link in prop::sample::select(LINKS.to_vec()),
        first in prop::sample::select(vec![0x45, 0x46, 0x4f, 0x60, 0x00, 0xff, 0x21, 0x0f]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..96),
        protocol_at in prop::sample::select(vec![0_usize, 6, 9, 40]),
    ) {
        if let Some(byte) = bytes.get_mut(protocol_at) {
            *byte = if protocol_at == 6 { 44 } else { 17 };
        }
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let sampled = headers(link, &bytes, None);
        if let Ok(udp) = udp(link, &bytes) {
            prop_assert!(bytes.get(udp.payload).is_some());
            let sampled = sampled.unwrap();
            prop_assert_eq!(
                (sampled.sip, sampled.proto, sampled.sport, sampled.dport),
                (udp.source, 17, udp.port, udp.dport)
            );
        }
        if let Ok(fragment) = fragment(link, &bytes) {
            let len = fragment.data.len();
            prop_assert!(len > 0 && (len % 8 == 0 || !fragment.more));
            prop_assert!(usize::from(fragment.offset) + len <= MAX_LEN);
            prop_assert_eq!(sampled.map(|it| it.sip), Some(fragment.source));
        }
        if let Ok(udp) = reassembled(IpAddr::from([0; 4]), first, &bytes) {
            prop_assert!(bytes.get(udp.payload).is_some());
        }
    }
}
