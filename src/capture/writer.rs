//! Writes nfcap's own capture files: pcapng sections of raw IP packets.

use std::io::Write;
use std::net::SocketAddr;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use super::error::WriteError;
use super::packet_block::{self, Endpoints};
use super::section::{Closing, MAX_ALLOW, Slot, TEMPLATES};
use crate::time::Timestamp;

/// Snapshot length that other programs write if no packet is cut.
const SNAPLEN: u32 = 262_144;

/// Returns the blocks that open a section.
///
/// # Errors
/// [`WriteError::Allow`] if the slot allows more than [`MAX_ALLOW`] networks.
pub(super) fn opening(slot: &Slot) -> Result<Vec<u8>, WriteError> {
    let len = slot.allow.as_ref().map_or(0, Vec::len);
    if len > MAX_ALLOW {
        return Err(WriteError::Allow { len });
    }
    Ok(section(vec![
        SectionHeaderOption::Comment(slot.to_string().into()),
        SectionHeaderOption::UserApplication("nfkit".into()),
    ])?
    .into_inner())
}

/// Returns the interface statistics block that closes a section.
///
/// The comment has nfcap's own counters. Other programs read the options: isb_ifrecv is the number of
/// datagrams received, isb_ifdrop of all that were dropped, isb_osdrop of those that the kernel
/// dropped.
///
/// # Errors
/// The error of pcap-file.
pub(super) fn closing(closing: &Closing) -> Result<Vec<u8>, WriteError> {
    let block = InterfaceStatisticsBlock {
        interface_id: 0,
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
    // pcap-file forms this block only after that of its interface.
    let mut section = section(Vec::new())?;
    section.get_mut().clear();
    section.write_pcapng_block(block)?;
    Ok(section.into_inner())
}

/// Returns a section up to its interface. It is big-endian, because pcap-file swaps the halves of a
/// closing block's times in the other order.
fn section(
    options: Vec<SectionHeaderOption<'static>>,
) -> Result<PcapNgWriter<Vec<u8>>, pcap_file::PcapError> {
    let header = SectionHeaderBlock {
        endianness: Endianness::Big,
        options,
        ..SectionHeaderBlock::default()
    };
    let interface = InterfaceDescriptionBlock {
        linktype: DataLink::RAW,
        snaplen: SNAPLEN,
        options: vec![InterfaceDescriptionOption::IfTsResol(9)],
    };
    let mut section = PcapNgWriter::with_section_header(Vec::new(), header)?;
    section.write_pcapng_block(interface)?;
    Ok(section)
}

/// A writer of sections, one for each slot: header, templates in force, datagrams, closing block.
///
/// Every block is one write to the output, so that a reader of a live pipe sees whole blocks. For a
/// file, use a [`BufWriter`](std::io::BufWriter).
pub struct Writer<W: Write> {
    output: W,
    /// True while a section is open.
    open: bool,
    /// The block around a datagram, reused.
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Returns a writer without an open section.
    pub fn new(output: W) -> Writer<W> {
        Writer { output, open: false, block: Vec::new() }
    }

    /// Opens a section.
    ///
    /// # Errors
    /// [`WriteError::Order`] inside a section, [`WriteError::Allow`] if the slot allows more than
    /// [`MAX_ALLOW`] networks, [`WriteError::Io`] if the output fails.
    pub fn section(&mut self, slot: &Slot) -> Result<(), WriteError> {
        if self.open {
            return Err(WriteError::Order("the section before is still open"));
        }
        self.output.write_all(&opening(slot)?)?;
        self.open = true;
        Ok(())
    }

    /// Writes a datagram that restates templates in force, and marks it as such.
    ///
    /// # Errors
    /// The errors of [`datagram`](Writer::datagram).
    pub fn templates(
        &mut self,
        arrival: Timestamp,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let endpoints = Endpoints { source: from, destination: to };
        self.packet(arrival, endpoints, payload, Some(TEMPLATES))
    }

    /// Writes a datagram as it was received. IPv4 addresses in IPv6 form (`::ffff:192.0.2.1`), as a
    /// socket for both versions gives them, are written as IPv4. So is `to` if it is `::` and `from` is
    /// IPv4.
    ///
    /// # Errors
    /// [`WriteError::Order`] outside a section, [`WriteError::Versions`] and
    /// [`WriteError::Payload`] if no packet can carry the datagram, [`WriteError::Io`] if the output
    /// fails.
    pub fn datagram(
        &mut self,
        arrival: Timestamp,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        self.packet(arrival, Endpoints { source: from, destination: to }, payload, None)
    }

    fn packet(
        &mut self,
        arrival: Timestamp,
        endpoints: Endpoints,
        payload: &[u8],
        comment: Option<&str>,
    ) -> Result<(), WriteError> {
        if !self.open {
            return Err(WriteError::Order("a packet outside a section"));
        }
        self.block.clear();
        packet_block::append(&mut self.block, arrival, endpoints, payload, comment)?;
        Ok(self.output.write_all(&self.block)?)
    }

    /// Closes the section with an interface statistics block.
    ///
    /// # Errors
    /// [`WriteError::Order`] outside a section, [`WriteError::Io`] if the output fails.
    pub fn end(&mut self, closing: &Closing) -> Result<(), WriteError> {
        if !std::mem::take(&mut self.open) {
            return Err(WriteError::Order("an end outside a section"));
        }
        Ok(self.output.write_all(&self::closing(closing)?)?)
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// The output's error.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.output.flush()?)
    }

    /// Returns the output. A section that is still open stays without its closing block.
    pub fn into_inner(self) -> W {
        self.output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::reader::{Datagram, Ending, Event, Reader};
    use crate::time::Window;
    use crate::wire::Lost;
    use proptest::prelude::*;
    use std::net::IpAddr;
    use std::process::Command;

    fn slot(start: u64) -> Slot {
        Slot { window: Window::new(start, 600).unwrap(), allow: None, ident: None }
    }

    fn closing(received: u64, start: u64) -> Closing {
        let (start, end) = (Timestamp::from_secs(start), Timestamp::from_secs(start + 600));
        Closing { received, dropped_kernel: 2, dropped_queue: 1, start, end, ..Closing::default() }
    }

    /// Writes a file with one datagram, reads it, and returns exporter, ports and length of the payload.
    fn one(from: &str, to: &str, payload: &[u8]) -> Result<(IpAddr, u16, u16, usize), WriteError> {
        let mut writer = Writer::new(Vec::new());
        writer.section(&slot(0))?;
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        writer.datagram(Timestamp::from_secs(1), from, to, payload)?;
        let file = writer.into_inner();
        let mut reader = Reader::new(&file[..]).unwrap();
        reader.next().unwrap();
        let Ok(Some(Event::Datagram(datagram))) = reader.next() else { panic!("no datagram") };
        assert!(datagram.payload == payload);
        Ok((datagram.exporter, datagram.port, datagram.dport, payload.len()))
    }

    #[test]
    fn ipv4_addresses_in_ipv6_form_are_written_as_ipv4() {
        let four: IpAddr = "192.0.2.1".parse().unwrap();
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        for (from, to, exporter) in [
            ("192.0.2.1:5", "192.0.2.9:6", four),
            ("[::ffff:192.0.2.1]:5", "[::ffff:192.0.2.9]:6", four),
            ("[::ffff:192.0.2.1]:5", "[::]:6", four),
            ("192.0.2.1:5", "[::]:6", four),
            ("[2001:db8::1]:5", "[::]:6", six),
        ] {
            assert_eq!(one(from, to, b"x").unwrap(), (exporter, 5, 6, 1), "{from} {to}");
        }
        let mixed = one("[2001:db8::1]:5", "192.0.2.9:6", b"x").unwrap_err().to_string();
        assert_eq!(mixed, "a datagram from 2001:db8::1 to 192.0.2.9 mixes IP versions");
    }

    #[test]
    fn the_longest_payloads_fit() {
        for (from, to, most) in [
            ("192.0.2.1:5", "192.0.2.9:6", 65_535 - 20 - 8),
            ("[2001:db8::1]:5", "[2001:db8::9]:6", 65_535 - 8),
        ] {
            let payload = vec![0xa5; most + 1];
            assert_eq!(one(from, to, &payload[1..]).unwrap().3, most);
            assert!(matches!(one(from, to, &payload), Err(WriteError::Payload { .. })));
        }
    }

    #[test]
    fn blocks_out_of_order_are_refused() {
        let mut writer = Writer::new(Vec::new());
        let (from, to) = ("192.0.2.1:5".parse().unwrap(), "192.0.2.9:6".parse().unwrap());
        let packet =
            |writer: &mut Writer<Vec<u8>>| writer.datagram(Timestamp::default(), from, to, b"");
        assert!(matches!(packet(&mut writer), Err(WriteError::Order(_))));
        assert!(matches!(writer.end(&Closing::default()), Err(WriteError::Order(_))));
        writer.section(&slot(0)).unwrap();
        assert!(matches!(writer.section(&slot(0)), Err(WriteError::Order(_))));
        writer.end(&Closing::default()).unwrap();
        assert!(matches!(packet(&mut writer), Err(WriteError::Order(_))));
        writer.section(&slot(600)).unwrap();
        packet(&mut writer).unwrap();
    }

    #[test]
    fn more_networks_than_a_comment_holds_are_refused() {
        let net = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128".parse().unwrap();
        let mut slot = Slot { allow: Some(vec![net; MAX_ALLOW]), ..slot(0) };
        let mut writer = Writer::new(Vec::new());
        writer.section(&slot).unwrap();
        let file = writer.into_inner();
        let mut reader = Reader::new(&file[..]).unwrap();
        assert_eq!(reader.next().unwrap(), Some(Event::Section(Some(slot.clone()))));
        slot.allow = Some(vec![net; MAX_ALLOW + 1]);
        let error = Writer::new(Vec::new()).section(&slot).unwrap_err();
        assert!(matches!(error, WriteError::Allow { len: 1001 }));
    }

    #[test]
    fn full_output_is_an_error() {
        let mut space = [0; 150];
        let mut writer = Writer::new(&mut space[..]);
        writer.section(&slot(0)).unwrap();
        let error = writer.end(&Closing::default()).unwrap_err();
        assert!(matches!(error, WriteError::Io(_)), "{error}");
    }

    /// Returns a file of three sections: datagrams of both versions and restated templates, none, and
    /// one datagram.
    fn file() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        let start = 993_946_800;
        let at = |nanos| Timestamp::from_nanos(start * 1_000_000_000 + nanos);
        let (from4, to4) = ("192.0.2.1:50000".parse().unwrap(), "192.0.2.9:2055".parse().unwrap());
        let from6 = "[2001:db8::1]:50000".parse().unwrap();
        let to6 = "[2001:db8::9]:2055".parse().unwrap();
        let net = "192.0.2.0/24".parse().unwrap();
        writer.section(&Slot { allow: Some(vec![net]), ..slot(start) }).unwrap();
        writer.templates(at(0), from4, to4, b"template").unwrap();
        writer.datagram(at(1), from4, to4, b"odd").unwrap();
        writer.datagram(at(1_000_000_007), from6, to6, b"six").unwrap();
        writer.datagram(at(2_000_000_000), from4, to4, b"").unwrap();
        // The checksum of this payload is 0, which UDP writes as 0xffff.
        writer.datagram(at(3_000_000_000), from4, to4, &[0xb0, 0x77]).unwrap();
        writer.end(&closing(5, start)).unwrap();
        writer.section(&slot(start + 600)).unwrap();
        writer.end(&closing(0, start + 600)).unwrap();
        writer.section(&slot(start + 1200)).unwrap();
        writer.datagram(at(1_200_000_000_000), from6, to6, &[0xff; 1400]).unwrap();
        writer.end(&closing(1, start + 1200)).unwrap();
        writer.into_inner()
    }

    /// Runs one of Wireshark's programs on the file. Returns `None` and prints a line if the program is
    /// not installed.
    fn wireshark(program: &str, args: &[&str], file: &[u8]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nfcap.pcapng");
        std::fs::write(&path, file).unwrap();
        let Ok(run) = Command::new(program).args(args).arg(&path).env("TZ", "UTC").output() else {
            println!("skipped: {program} is not installed");
            return None;
        };
        let said = String::from_utf8(run.stderr).unwrap();
        let said = said.lines().filter(|line| !line.starts_with("Running as user"));
        assert_eq!(said.collect::<Vec<_>>(), Vec::<&str>::new(), "{program} complains");
        assert!(run.status.success());
        Some(String::from_utf8(run.stdout).unwrap())
    }

    #[test]
    fn tshark_reads_packets_and_finds_checksums_good() {
        let fields = [
            "frame.time_epoch",
            "frame.comment",
            "ip.src",
            "ipv6.src",
            "ip.checksum.status",
            "udp.srcport",
            "udp.dstport",
            "udp.length",
            "udp.checksum.status",
            "udp.payload",
            "_ws.malformed",
            "udp.checksum",
        ];
        let mut args = vec!["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
        args.extend(["--disable-protocol", "cflow", "-T", "fields"]);
        args.extend(fields.iter().flat_map(|field| ["-e", *field]));
        args.push("-r");
        let Some(text) = wireshark("tshark", &args, &file()) else { return };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "993946800.000000000\tnfcap:templates\t192.0.2.1\t\t1\t50000\t2055\t16\t1\t74656d706c617465\t\t0xedce",
                "993946800.000000001\t\t192.0.2.1\t\t1\t50000\t2055\t11\t1\t6f6464\t\t0xdd10",
                "993946801.000000007\t\t\t2001:db8::1\t\t50000\t2055\t11\t1\t736978\t\t0xed9a",
                "993946802.000000000\t\t192.0.2.1\t\t1\t50000\t2055\t8\t1\t\t\t0xb07b",
                "993946803.000000000\t\t192.0.2.1\t\t1\t50000\t2055\t10\t1\tb077\t\t0xffff",
            ]
        );
        let last = "993948000.000000000\t\t\t2001:db8::1\t\t50000\t2055\t1408\t1\tffff";
        assert!(lines[5].starts_with(last), "{}", lines[5]);
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn tshark_shows_comments_and_statistics() {
        let args = ["-X", "read_format:MIME Files Format", "-V", "-r"];
        let Some(text) = wireshark("tshark", &args, &file()) else { return };
        for line in [
            "nfcap slot=2001-07-01T00:20:00Z seconds=600 open=0 allow=192.0.2.0/24",
            "nfcap slot=2001-07-01T00:30:00Z seconds=600 open=1",
            "nfcap received=5 dropped_kernel=2 dropped_queue=1",
            "nfcap:templates",
            "Interface Statistics Block",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        assert!(!text.contains("Malformed"), "{text}");
    }

    #[test]
    fn capinfos_counts_packets_and_statistics() {
        // One section: capinfos 4.0 counts the blocks of all under the first.
        let mut file = file();
        let second = file.windows(4).skip(4).position(|four| four == [0x0a, 0x0d, 0x0d, 0x0a]);
        file.truncate(second.unwrap() + 4);
        let Some(text) = wireshark("capinfos", &[], &file) else { return };
        let line = |key: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(key));
            line.unwrap_or_else(|| panic!("{key} is not in:\n{text}")).trim_start().to_owned()
        };
        assert!(line("Number of packets:").ends_with(" 5"));
        assert!(line("File timestamp precision:").contains("nanoseconds (9)"));
        assert!(line("Encapsulation = Raw IP").contains("rawip"));
        assert!(line("Number of stat entries").ends_with("= 1"));
        assert!(text.contains("nfcap slot=2001-07-01T00:20:00Z"), "{text}");
    }

    /// A datagram to write: templates or not, arrival, IPv6 or not, last byte of the address, port and
    /// payload.
    type Written = (bool, u64, bool, u8, u16, Vec<u8>);

    fn written() -> impl Strategy<Value = Written> {
        let payload = prop::collection::vec(any::<u8>(), 0..64);
        (any::<bool>(), any::<u64>(), any::<bool>(), any::<u8>(), any::<u16>(), payload)
    }

    proptest! {
        #[test]
        fn written_datagrams_are_read_back(
            sections in prop::collection::vec(prop::collection::vec(written(), 0..6), 0..4),
            counts in any::<(u64, u64, u64)>(),
        ) {
            let mut writer = Writer::new(Vec::new());
            let source = |six: bool, host: u8| {
                if six {
                    IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host])
                } else {
                    IpAddr::from([192, 0, 2, host])
                }
            };
            let closing = Closing {
                received: counts.0,
                dropped_kernel: counts.1,
                dropped_queue: counts.2,
                limited: counts.0 / 2,
                denied: counts.1 % 2,
                missing: Lost { flows: Some(-7), datagrams: None },
                start: Timestamp::from_nanos(counts.0),
                end: Timestamp::from_nanos(counts.1),
            };
            for (i, packets) in sections.iter().enumerate() {
                writer.section(&slot(i as u64 * 600)).unwrap();
                for (templates, nanos, six, host, port, payload) in packets {
                    let arrival = Timestamp::from_nanos(*nanos);
                    let from = SocketAddr::new(source(*six, *host), *port);
                    let to = SocketAddr::new(source(*six, 9), 2055);
                    if *templates {
                        writer.templates(arrival, from, to, payload).unwrap();
                    } else {
                        writer.datagram(arrival, from, to, payload).unwrap();
                    }
                }
                writer.end(&closing).unwrap();
            }
            let file = writer.into_inner();
            if sections.is_empty() {
                return Ok(());
            }
            let mut reader = Reader::new(&file[..]).unwrap();
            for (i, packets) in sections.iter().enumerate() {
                let expected = Event::Section(Some(slot(i as u64 * 600)));
                prop_assert_eq!(reader.next().unwrap(), Some(expected));
                for (templates, nanos, six, host, port, payload) in packets {
                    let expected = Event::Datagram(Datagram {
                        arrival: Timestamp::from_nanos(*nanos),
                        exporter: source(*six, *host),
                        port: *port,
                        dport: 2055,
                        payload,
                        templates: *templates,
                    });
                    prop_assert_eq!(reader.next().unwrap(), Some(expected));
                }
                let expected = Event::End(Ending::Closed(closing));
                prop_assert_eq!(reader.next().unwrap(), Some(expected));
            }
            prop_assert_eq!(reader.next().unwrap(), None);
            prop_assert_eq!(reader.skipped().total(), 0);
        }
    }
}
