//! Sampled packets as flows, and the first bytes of an Ethernet frame that an exporter writes as a
//! sample. `packet` reads them.

use std::net::IpAddr;

use crate::flow::{Flow, ICMP, ICMPV6, TCP};
use crate::packet::{Headers, TCP_CONTROL_BITS, has_ports, is_extension};

/// Returns a flow of the one packet that has these headers.
pub(super) fn flow_of(headers: &Headers) -> Flow {
    Flow {
        sip: headers.sip,
        dip: headers.dip,
        proto: headers.proto,
        sport: headers.sport,
        dport: headers.dport,
        packets: 1,
        octets: headers.length,
        flags: headers.flags,
        ..Flow::default()
    }
}

/// Returns true if a packet can carry the protocol and ports of this flow. An IPv6 extension header
/// is no protocol of a packet.
pub(super) fn carries(flow: &Flow) -> bool {
    let ports = match flow.proto {
        ICMP | ICMPV6 => flow.sport == 0,
        proto => has_ports(proto) || (flow.sport, flow.dport) == (0, 0),
    };
    ports && !(flow.sip.is_ipv6() && is_extension(flow.proto))
}

/// MAC addresses for documentation (RFC 7042 section 2.1.1), destination and source.
const MACS: [u8; 12] = [0, 0, 0x5e, 0, 0x53, 2, 0, 0, 0x5e, 0, 0x53, 1];

/// EtherTypes (IEEE 802).
mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const IPV6: u16 = 0x86dd;
}

/// Bytes of an Ethernet header without tags.
const ETHERNET: u64 = 14;

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;

/// Bytes of an IPv6 header.
const IPV6_HEADER: usize = 40;

/// Bytes of the shortest Ethernet frame without its check sequence.
const SHORTEST: u64 = 60;

/// Appends the first bytes of an Ethernet frame for one packet of the flow, of `length` bytes at the
/// IP layer. Returns the bytes of the whole frame without its check sequence.
///
/// A length that the IP header has no room for, or that leaves no room for the headers themselves,
/// is written as 0. The reader then takes it from the frame's length, as it does where a network
/// card cuts the packets. A flow that [`carries`] accepts, with addresses of one family, is read
/// back as it was.
pub(super) fn emit_ethernet(flow: &Flow, length: u64, out: &mut Vec<u8>) -> u64 {
    out.extend_from_slice(&MACS);
    let transport = transport_len(flow.proto);
    let stated = match (flow.sip, flow.dip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let least = (IPV4_HEADER + transport) as u64;
            let stated = u16::try_from(length).ok().filter(|_| length >= least).unwrap_or(0);
            out.extend_from_slice(&ethertype::IPV4.to_be_bytes());
            let [high, low] = stated.to_be_bytes();
            let ([a, b, c, d], [e, f, g, h]) = (source.octets(), destination.octets());
            // Time to live 64.
            let mut header =
                [0x45, 0, high, low, 0, 0, 0, 0, 64, flow.proto, 0, 0, a, b, c, d, e, f, g, h];
            let [high, low] = checksum(&header).to_be_bytes();
            (header[10], header[11]) = (high, low);
            out.extend_from_slice(&header);
            stated
        }
        (source, destination) => {
            let six = |address| match address {
                IpAddr::V6(address) => address,
                IpAddr::V4(address) => address.to_ipv6_mapped(),
            };
            let payload = length.checked_sub(IPV6_HEADER as u64);
            let payload = payload.filter(|&payload| payload >= transport as u64);
            let stated = payload.and_then(|payload| u16::try_from(payload).ok()).unwrap_or(0);
            out.extend_from_slice(&ethertype::IPV6.to_be_bytes());
            let [high, low] = stated.to_be_bytes();
            // Hop limit 64.
            out.extend_from_slice(&[0x60, 0, 0, 0, high, low, flow.proto, 64]);
            out.extend_from_slice(&six(source).octets());
            out.extend_from_slice(&six(destination).octets());
            stated
        }
    };
    emit_transport(flow, length, out);
    let frame = ETHERNET + length;
    if stated == 0 { frame } else { frame.max(SHORTEST) }
}

/// Returns how many bytes [`emit_transport`] appends.
const fn transport_len(proto: u8) -> usize {
    if proto == TCP { 20 } else { 8 }
}

/// Appends the header after IP's: TCP with its flags, otherwise eight bytes, which are UDP's header,
/// that of an ICMP echo, or the first bytes of another protocol.
fn emit_transport(flow: &Flow, length: u64, out: &mut Vec<u8>) {
    let ([a, b], [c, d]) = (flow.sport.to_be_bytes(), flow.dport.to_be_bytes());
    let network = if flow.sip.is_ipv6() { IPV6_HEADER } else { IPV4_HEADER };
    let after = length.saturating_sub(network as u64);
    match flow.proto {
        TCP => {
            // A data offset of five words, and the control bits.
            let flags = flow.flags.unwrap_or(0) & TCP_CONTROL_BITS | 0x5000;
            let [high, low] = flags.to_be_bytes();
            let header = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 0, 0, 0, 0];
            out.extend_from_slice(&header);
        }
        ICMP | ICMPV6 => out.extend_from_slice(&[c, d, 0, 0, 0, 0, 0, 0]),
        proto if has_ports(proto) => {
            let [high, low] = u16::try_from(after).unwrap_or(0).to_be_bytes();
            out.extend_from_slice(&[a, b, c, d, high, low, 0, 0]);
        }
        _ => out.extend_from_slice(&[0; 8]),
    }
}

/// Returns the Internet checksum (RFC 1071) of a header whose own checksum is 0.
fn checksum(header: &[u8; IPV4_HEADER]) -> u16 {
    let sum: u32 = header.chunks_exact(2).fold(0, |sum, word| match word {
        [high, low] => sum + u32::from(u16::from_be_bytes([*high, *low])),
        _ => sum,
    });
    // The sum of ten words carries less than 16 bits, and adding the carry at most 1 more.
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum + (sum >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_frame_has_ethernet_ip_and_tcp_headers() {
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

    #[test]
    fn length_without_room_for_the_headers_is_left_to_the_frame() {
        let (sip, dip) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for (length, stated, frame) in [(27, 0, 41), (28, 28, 60)] {
            let flow = Flow { sip, dip, proto: 17, ..Flow::default() };
            let mut out = Vec::new();
            assert_eq!(emit_ethernet(&flow, length, &mut out), frame);
            assert_eq!(out[16..18], [0, stated]);
        }
    }
}
