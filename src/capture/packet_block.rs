//! The packet block around a received datagram.
//!
//! An enhanced packet block (draft-ietf-opsawg-pcapng section 4.3), big-endian like the sections, with
//! an IP and a UDP header before the payload. pcap-file and etherparse are the reference in the tests,
//! and are not used here: they copy the payload twice more and sum it byte by byte, which together
//! costs as much as receiving it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::block;
use super::error::WriteError;
use crate::time::Timestamp;

/// Hop limit of the packets around the datagrams.
const HOPS: u8 = 64;

/// The only interface of a section.
const INTERFACE: u32 = 0;

/// Bytes of a block's fixed fields before the packet.
const HEAD: usize = 28;

/// Bytes of the UDP header.
const UDP: u16 = 8;

/// Protocol number of UDP.
const UDP_NUMBER: u8 = 17;

/// Bytes of the longest block without a comment: an IPv6 packet with a payload of 65,535 bytes.
pub(super) const LONGEST: usize = HEAD + 40 + 65_536 + 4;

/// The most bytes of a block around its payload, with a comment of nfcap.
pub(super) const OVERHEAD: usize = HEAD + 40 + 8 + 64;

/// Source and destination of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// Appends the block of a datagram that arrived at `arrival`. Returns the payload's place in `out`.
///
/// IPv4 addresses in IPv6 form (`::ffff:192.0.2.1`), as a socket for both versions gives them, are
/// written as IPv4. So is the destination if it is `::` and the source is IPv4.
///
/// # Errors
/// [`WriteError::Versions`] and [`WriteError::Payload`] if no packet can carry the datagram. `out` is
/// unchanged then.
pub(super) fn append(
    out: &mut Vec<u8>,
    arrival: Timestamp,
    endpoints: Endpoints,
    payload: &[u8],
    comment: Option<&str>,
) -> Result<usize, WriteError> {
    let Endpoints { source: from, destination: to } = endpoints;
    let too_long = || WriteError::Payload { len: payload.len() };
    let udp = u16::try_from(payload.len()).ok().and_then(|len| len.checked_add(UDP));
    let udp = udp.ok_or_else(too_long)?;
    let source = from.ip().to_canonical();
    let destination = match to.ip().to_canonical() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if source.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        destination => destination,
    };
    let header = match source {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    };
    let packet = header + usize::from(udp);
    // The total length of IPv4 counts its header.
    if header == 20 && packet > usize::from(u16::MAX) {
        return Err(too_long());
    }
    if source.is_ipv4() != destination.is_ipv4() {
        return Err(WriteError::Versions { from: source, to: destination });
    }
    let padding = packet.next_multiple_of(4) - packet;
    let options = comment.map_or(0, |text| 4 + text.len().next_multiple_of(4) + 4);
    let total = (HEAD + packet + padding + options + 4) as u32;

    let nanos = arrival.nanos();
    let mut head = [0; HEAD];
    let words =
        [block::ENHANCED, total, INTERFACE, (nanos >> 32) as u32, nanos as u32, packet as u32];
    for (field, word) in head.chunks_exact_mut(4).zip(words.into_iter().chain([packet as u32])) {
        field.copy_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(&head);

    let mut sum = Sum::default();
    sum.word(from.port());
    sum.word(to.port());
    sum.word(udp);
    // The pseudo-header has the length again, the protocol and the addresses.
    sum.word(udp);
    sum.word(UDP_NUMBER.into());
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (source, destination) = (source.octets(), destination.octets());
            sum.bytes(&source);
            sum.bytes(&destination);
            let [l0, l1] = (packet as u16).to_be_bytes();
            let [s0, s1, s2, s3] = source;
            let [d0, d1, d2, d3] = destination;
            let mut ip = [
                0x45, 0, l0, l1, 0, 0, 0x40, 0, HOPS, UDP_NUMBER, 0, 0, s0, s1, s2, s3, d0, d1, d2,
                d3,
            ];
            let mut checksum = Sum::default();
            checksum.bytes(&ip);
            let [c0, c1] = checksum.finish().to_be_bytes();
            (ip[10], ip[11]) = (c0, c1);
            out.extend_from_slice(&ip);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            sum.bytes(&source.octets());
            sum.bytes(&destination.octets());
            let [l0, l1] = udp.to_be_bytes();
            out.extend_from_slice(&[0x60, 0, 0, 0, l0, l1, UDP_NUMBER, HOPS]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        (from, to) => return Err(WriteError::Versions { from, to }),
    }
    sum.bytes(payload);
    // Zero would mean that there is no checksum (RFC 768).
    let checksum = match sum.finish() {
        0 => u16::MAX,
        checksum => checksum,
    };
    for word in [from.port(), to.port(), udp, checksum] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    let at = out.len();
    out.extend_from_slice(payload);
    out.extend_from_slice([0; 3].get(..padding).unwrap_or_default());
    if let Some(text) = comment {
        let padding = text.len().next_multiple_of(4) - text.len();
        out.extend_from_slice(&block::COMMENT.to_be_bytes());
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice([0; 3].get(..padding).unwrap_or_default());
        // opt_endofopt.
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(&total.to_be_bytes());
    Ok(at)
}

/// The sum of the Internet checksum (RFC 1071). Words are added in the machine's byte order (section
/// 2, B), four bytes at a time; the carries gather above them.
#[derive(Clone, Copy, Debug, Default)]
struct Sum(u64);

impl Sum {
    fn word(&mut self, word: u16) {
        self.0 += u64::from(u16::from_ne_bytes(word.to_be_bytes()));
    }

    /// Adds bytes that begin at an even place. Only the last ones may be an odd number.
    fn bytes(&mut self, bytes: &[u8]) {
        let mut fours = bytes.chunks_exact(4);
        let sum = |fours: &mut std::slice::ChunksExact<'_, u8>| -> u64 {
            let four = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_ne_bytes);
            fours.map(|bytes| u64::from(four(bytes))).sum()
        };
        self.0 += sum(&mut fours);
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(fours.remainder()) {
            *to = *from;
        }
        self.0 += u64::from(u32::from_ne_bytes(last));
    }

    /// Returns the complement of the sum, in network byte order.
    fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > u64::from(u16::MAX) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::from_be_bytes((sum as u16).to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
    use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
    use pcap_file::{DataLink, Endianness};
    use proptest::prelude::*;

    use super::*;

    /// Returns the block as pcap-file and etherparse form it.
    fn reference(
        arrival: Timestamp,
        endpoints: Endpoints,
        payload: &[u8],
        comment: Option<&str>,
    ) -> Vec<u8> {
        let Endpoints { source: from, destination: to } = endpoints;
        let len = (payload.len() + UdpHeader::LEN) as u16;
        let mut packet = Vec::new();
        match (from.ip(), to.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                let ip = Ipv4Header::new(len, HOPS, IpNumber::UDP, source, destination);
                let mut ip = ip.unwrap();
                ip.header_checksum = ip.calc_header_checksum();
                let udp = UdpHeader::with_ipv4_checksum(from.port(), to.port(), &ip, payload);
                packet.extend_from_slice(&ip.to_bytes());
                packet.extend_from_slice(&udp.unwrap().to_bytes());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let ip = Ipv6Header {
                    payload_length: len,
                    next_header: IpNumber::UDP,
                    hop_limit: HOPS,
                    source: source.octets(),
                    destination: destination.octets(),
                    ..Ipv6Header::default()
                };
                let udp = UdpHeader::with_ipv6_checksum(from.port(), to.port(), &ip, payload);
                packet.extend_from_slice(&ip.to_bytes());
                packet.extend_from_slice(&udp.unwrap().to_bytes());
            }
            _ => unreachable!(),
        }
        packet.extend_from_slice(payload);
        let header =
            SectionHeaderBlock { endianness: Endianness::Big, ..SectionHeaderBlock::default() };
        let mut writer = PcapNgWriter::with_section_header(Vec::new(), header).unwrap();
        let interface =
            InterfaceDescriptionBlock { linktype: DataLink::RAW, snaplen: 0, options: Vec::new() };
        writer.write_pcapng_block(interface).unwrap();
        writer.get_mut().clear();
        let options = comment.map(|text| EnhancedPacketOption::Comment(text.into()));
        let block = EnhancedPacketBlock {
            interface_id: INTERFACE,
            timestamp: Duration::from_nanos(arrival.nanos()),
            original_len: packet.len() as u32,
            data: Cow::Owned(packet),
            options: options.into_iter().collect(),
        };
        writer.write_pcapng_block(block).unwrap();
        writer.into_inner()
    }

    fn any_endpoints() -> impl Strategy<Value = Endpoints> {
        let four = || any::<([u8; 4], u16)>().prop_map(SocketAddr::from);
        // No IPv4 address in IPv6 form.
        let six = || {
            any::<([u8; 16], u16)>().prop_map(|(mut ip, port)| {
                ip[0] = 0x20;
                SocketAddr::from((ip, port))
            })
        };
        prop_oneof![(four(), four()), (six(), six())]
            .prop_map(|(source, destination)| Endpoints { source, destination })
    }

    proptest! {
        #[test]
        fn blocks_are_those_of_the_libraries(
            nanos in any::<u64>(),
            endpoints in any_endpoints(),
            payload in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                (0..65_507usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
            ],
            comment in prop::option::of("[a-z:]{0,9}"),
        ) {
            let arrival = Timestamp::from_nanos(nanos);
            let mut out = vec![0xa5; 3];
            let at = append(&mut out, arrival, endpoints, &payload, comment.as_deref()).unwrap();
            prop_assert_eq!(&out[at..at + payload.len()], &payload[..]);
            prop_assert!(out.len() - 3 <= LONGEST + 24);
            let expected = reference(arrival, endpoints, &payload, comment.as_deref());
            prop_assert!(out[3..] == expected, "{:02x?}\n{:02x?}", &out[3..], expected);
        }
    }
}
