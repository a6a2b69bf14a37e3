//! nfcap's own capture files: pcapng sections of raw IP packets.

use std::borrow::Cow;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, UdpHeader};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use super::TEMPLATES;
use super::error::WriteError;
use super::section::{Closing, MAX_ALLOW, Slot};
use crate::time::Timestamp;

/// Hop limit of the packets that stand around the datagrams.
const HOPS: u8 = 64;

/// Nothing is cut; this is what other programs write for that.
const SNAPLEN: u32 = 262_144;

/// The only interface of a section.
const INTERFACE: u32 = 0;

/// Writes sections, each a slot: header, templates in force, datagrams, closing block.
///
/// Every block is one write to the output, so that a reader of a live pipe sees whole blocks; give
/// it a [`BufWriter`](std::io::BufWriter) for a file. Sections are big-endian: pcap-file writes the
/// times of a closing block half-swapped in the other order.
pub struct Writer<W: Write> {
    output: W,
    /// Puts blocks into their form, one at a time, while a section is open.
    section: Option<PcapNgWriter<Vec<u8>>>,
    /// Reused for the packet around each datagram.
    packet: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer that has written nothing yet.
    pub fn new(output: W) -> Writer<W> {
        Writer { output, section: None, packet: Vec::new() }
    }

    /// Opens a section.
    ///
    /// # Errors
    /// [`WriteError::Order`] inside a section, [`WriteError::Allow`] if the slot allows more than
    /// [`MAX_ALLOW`] networks, and what the output says.
    pub fn section(&mut self, slot: &Slot) -> Result<(), WriteError> {
        if self.section.is_some() {
            return Err(WriteError::Order("the section before is not ended"));
        }
        let len = slot.allow.as_ref().map_or(0, Vec::len);
        if len > MAX_ALLOW {
            return Err(WriteError::Allow { len });
        }
        let header = SectionHeaderBlock {
            endianness: Endianness::Big,
            options: vec![
                SectionHeaderOption::Comment(slot.to_string().into()),
                SectionHeaderOption::UserApplication("nfkit".into()),
            ],
            ..SectionHeaderBlock::default()
        };
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: SNAPLEN,
            options: vec![InterfaceDescriptionOption::IfTsResol(9)],
        };
        let mut section = PcapNgWriter::with_section_header(Vec::new(), header)?;
        section.write_pcapng_block(interface)?;
        self.output.write_all(section.get_ref())?;
        self.section = Some(section);
        Ok(())
    }

    /// Writes a datagram that restates templates in force, marked as such.
    ///
    /// # Errors
    /// As [`datagram`](Writer::datagram).
    pub fn templates(
        &mut self,
        arrival: Timestamp,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let comment = EnhancedPacketOption::Comment(TEMPLATES.into());
        self.packet(arrival, from, to, payload, vec![comment])
    }

    /// Writes a datagram as it came. IPv4 addresses in IPv6 form (`::ffff:192.0.2.1`), as a socket
    /// for both gives them, are written as IPv4; so is `to` if it is `::` and `from` is IPv4.
    ///
    /// # Errors
    /// [`WriteError::Order`] outside a section, [`WriteError::Versions`] and
    /// [`WriteError::Payload`] for what fits no packet, and what the output says.
    pub fn datagram(
        &mut self,
        arrival: Timestamp,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.packet(arrival, from, to, payload, Vec::new())
    }

    fn packet(
        &mut self,
        arrival: Timestamp,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        options: Vec<EnhancedPacketOption<'_>>,
    ) -> Result<(), WriteError> {
        let Some(section) = &mut self.section else {
            return Err(WriteError::Order("a packet outside a section"));
        };
        wrap(&mut self.packet, from, to, payload)?;
        let block = EnhancedPacketBlock {
            interface_id: INTERFACE,
            timestamp: Duration::from_nanos(arrival.nanos()),
            original_len: self.packet.len() as u32,
            data: Cow::Borrowed(&self.packet),
            options,
        };
        section.get_mut().clear();
        section.write_pcapng_block(block)?;
        self.output.write_all(section.get_ref())?;
        Ok(())
    }

    /// Closes the section with an interface statistics block. isb_ifrecv is what was received,
    /// isb_ifdrop all that was dropped, where other programs look for it, isb_osdrop the kernel's
    /// part of that; the comment says it in our own words.
    ///
    /// # Errors
    /// [`WriteError::Order`] outside a section, and what the output says.
    pub fn end(&mut self, closing: &Closing) -> Result<(), WriteError> {
        let Some(mut section) = self.section.take() else {
            return Err(WriteError::Order("an end outside a section"));
        };
        let block = InterfaceStatisticsBlock {
            interface_id: INTERFACE,
            timestamp: closing.end.nanos(),
            options: vec![
                InterfaceStatisticsOption::Comment(closing.to_string().into()),
                InterfaceStatisticsOption::IsbStartTime(closing.start.nanos()),
                InterfaceStatisticsOption::IsbEndTime(closing.end.nanos()),
                InterfaceStatisticsOption::IsbIfRecv(closing.received),
                InterfaceStatisticsOption::IsbIfDrop(closing.dropped()),
                InterfaceStatisticsOption::IsbOsDrop(closing.dropped_kernel),
            ],
        };
        section.get_mut().clear();
        section.write_pcapng_block(block)?;
        self.output.write_all(section.get_ref())?;
        Ok(())
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// What the output says.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.output.flush()?)
    }

    /// The output. A section that is still open stays without its closing block.
    pub fn into_inner(self) -> W {
        self.output
    }
}

/// Puts IP and UDP headers, with their checksums, before the payload.
fn wrap(
    packet: &mut Vec<u8>,
    from: SocketAddr,
    to: SocketAddr,
    payload: &[u8],
) -> Result<(), WriteError> {
    let too_long = || WriteError::Payload { len: payload.len() };
    let len = payload.len().saturating_add(UdpHeader::LEN);
    let len = u16::try_from(len).map_err(|_| too_long())?;
    let source = from.ip().to_canonical();
    let destination = match to.ip().to_canonical() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if source.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        destination => destination,
    };
    packet.clear();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (source, destination) = (source.octets(), destination.octets());
            let mut ip = Ipv4Header::new(len, HOPS, IpNumber::UDP, source, destination)
                .map_err(|_| too_long())?;
            ip.header_checksum = ip.calc_header_checksum();
            let udp = UdpHeader::with_ipv4_checksum(from.port(), to.port(), &ip, payload);
            packet.extend_from_slice(&ip.to_bytes());
            packet.extend_from_slice(&udp.map_err(|_| too_long())?.to_bytes());
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
            packet.extend_from_slice(&udp.map_err(|_| too_long())?.to_bytes());
        }
        (from, to) => return Err(WriteError::Versions { from, to }),
    }
    packet.extend_from_slice(payload);
    Ok(())
}
