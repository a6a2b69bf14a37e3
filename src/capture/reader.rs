//! Reads pcap and pcapng streams as sections and export datagrams.

use std::io::Read;
use std::mem;
use std::net::IpAddr;
use std::ops::Range;

use super::block::{self, Fault, Fields, Interface};
use super::error::{self, Error};
use super::fragments::Fragments;
use super::input::Input;
use super::section::{Closing, Slot, TEMPLATES};
use super::skipped::{Skip, Skipped};
use crate::packet::{self, Link, Udp};
use crate::time::Timestamp;

/// Bytes of a pcap file header (draft-ietf-opsawg-pcap section 4).
const PCAP_HEADER: usize = 24;

/// Bytes of a pcap packet header (section 5).
const PACKET_HEADER: usize = 16;

/// The most interfaces of one section. A file with more is refused: one of nothing but interface
/// blocks would take all memory.
const MAX_INTERFACES: usize = 65_536;

/// A reader of captures: pcap of either byte order with microseconds or nanoseconds, pcapng, or any
/// of them joined, as `cat` joins files.
///
/// The stream must be decompressed already. Memory is bounded for any stream: a block has at most
/// 16 MiB (and its buffer at most twice that), and a section at most 65,536 interfaces; a stream
/// that claims more is refused. Fragments that wait for the rest of their datagram are kept up to
/// 8 MiB and 1,024 datagrams, for 30 s of the capture's time. Fragments of two sections are never
/// joined.
pub struct Reader<R> {
    input: Input<R>,
    format: Format,
    stage: SectionStage,
    /// The error to return after the end of a torn section.
    pending: Option<Error>,
    fragments: Fragments,
    skipped: Skipped,
}

enum Format {
    /// Another file begins, and its format is not known yet.
    Next,
    Pcap(Pcap),
    Ng {
        big: bool,
        interfaces: Vec<Interface>,
        /// Arrival of the section's last packet that had a time.
        last: Timestamp,
    },
}

/// The header of a pcap file.
#[derive(Clone, Copy)]
struct Pcap {
    big: bool,
    /// Nanoseconds in a unit of the packets' times.
    unit: u64,
    /// Link layer, `None` if it is not read.
    link: Option<Link>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionStage {
    /// Before the first section, or between two.
    Outside,
    /// In a section that another program wrote.
    Foreign,
    /// In a section that nfcap wrote.
    Own,
    /// After the closing block of a section that nfcap wrote.
    Closed,
    /// At the end of the stream, or stopped by an error.
    Over,
}

/// The next part of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The beginning of a section, with its slot if nfcap wrote it. A pcap file is one section.
    Section(Option<Slot>),
    /// An export datagram, in the order of the file.
    Datagram(Datagram<'a>),
    /// The end of the section.
    End(Ending),
}

/// One UDP datagram as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Time of capture; for a fragmented datagram that of the fragment that made it whole. A simple
    /// packet block of pcapng has no time: it gets that of the packet before it, or the epoch.
    pub arrival: Timestamp,
    /// Source address.
    pub exporter: IpAddr,
    /// Source port.
    pub port: u16,
    /// Destination port.
    pub dport: u16,
    /// Payload of UDP.
    pub payload: &'a [u8],
    /// True if nfcap wrote the datagram to restate templates in force. No counter includes it.
    pub templates: bool,
}

/// The way in which a section ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The section has nfcap's closing block.
    Closed(Closing),
    /// The section is whole and was written by another program: drops are unknown.
    Whole,
    /// The section was cut short: the stream is torn, or nfcap's closing block is missing.
    Cut,
}

/// An event that borrows nothing from the reader yet.
enum ReadStep {
    Section(Option<Slot>),
    Packet(Packet),
    End(Ending),
}

struct Packet {
    arrival: Timestamp,
    /// Link layer, `None` if it is not read or the interface was never described.
    link: Option<Link>,
    /// The packet's place in the bytes last taken.
    data: Range<usize>,
    /// True if the capture holds less of the packet than the wire did.
    cut: bool,
    templates: bool,
}

impl<R: Read> Reader<R> {
    /// Recognises the format by its first bytes, and reads no further than pcap's file header.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Short`] and [`Error::Unknown`] for a stream that is no capture,
    /// [`Error::Malformed`] for a variant of pcap that is not read, [`Error::Io`] if reading fails.
    pub fn new(input: R) -> Result<Reader<R>, Error> {
        let mut input = Input::new(input);
        let format = recognise(&mut input)?;
        let (fragments, skipped) = (Fragments::default(), Skipped::default());
        Ok(Reader {
            input,
            format,
            stage: SectionStage::Outside,
            pending: None,
            fragments,
            skipped,
        })
    }

    /// Returns the packets skipped so far. Fragments count when their datagram is given up, at the
    /// latest at the end of their section.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Returns the next event, or `None` at the end of the stream and after an error.
    ///
    /// Every [`Event::Section`] gets its [`Event::End`]. A torn stream gives all whole packets, then
    /// `End(Cut)`, then the error, so that a caller that leaves with `?` has closed its window
    /// before. nfcap's sections end at their closing block, all others at the next section or the
    /// end of the stream. If a section of nfcap's only lacks its closing block, it ends in
    /// `End(Cut)` without an error.
    ///
    /// # Errors
    /// The first place in the stream that breaks its format, with its offset; nothing after it is
    /// read. Packets without a datagram are no error, see [`skipped`](Reader::skipped).
    #[expect(clippy::should_implement_trait, reason = "the event borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Error> {
        loop {
            let packet = match self.plain() {
                Some(packet) => packet,
                None => match self.step()? {
                    None => return Ok(None),
                    Some(ReadStep::Section(slot)) => return Ok(Some(Event::Section(slot))),
                    Some(ReadStep::End(ending)) => {
                        self.fragments.clear(&mut self.skipped);
                        return Ok(Some(Event::End(ending)));
                    }
                    Some(ReadStep::Packet(packet)) => packet,
                },
            };
            let Packet { arrival, link, data, cut, templates } = packet;
            let Some(link) = link else {
                self.skipped.count(Skip::Link, 1);
                continue;
            };
            let frame = self.input.taken().get(data.clone()).unwrap_or_default();
            match packet::udp(link, frame) {
                Ok(udp) => {
                    let within = data.start + udp.payload.start..data.start + udp.payload.end;
                    let payload = self.input.taken().get(within).unwrap_or_default();
                    let (exporter, port, dport) = (udp.source, udp.port, udp.dport);
                    let datagram = Datagram { arrival, exporter, port, dport, payload, templates };
                    return Ok(Some(Event::Datagram(datagram)));
                }
                Err(packet::Error::Fragment) => {
                    if let Some(udp) = self.add_fragment(arrival, link, data, cut) {
                        let (exporter, port, dport) = (udp.source, udp.port, udp.dport);
                        let payload = self.fragments.whole().get(udp.payload).unwrap_or_default();
                        let datagram =
                            Datagram { arrival, exporter, port, dport, payload, templates };
                        return Ok(Some(Event::Datagram(datagram)));
                    }
                }
                Err(error) => self.skipped.count(Skip::from_error(error, cut), 1),
            }
        }
    }

    /// Takes the next packet if it is buffered already and has a common form, as nearly all have. Any
    /// other is left to [`step`](Reader::step), which reads the common form alike and finds errors.
    #[inline]
    fn plain(&mut self) -> Option<Packet> {
        if !matches!(self.stage, SectionStage::Foreign | SectionStage::Own) {
            return None;
        }
        let ahead = self.input.ahead();
        let (packet, whole) = match &mut self.format {
            Format::Next => return None,
            Format::Pcap(pcap) => plain_pcap(*pcap, ahead)?,
            Format::Ng { big, interfaces, last } => {
                let (packet, whole) = plain_block(*big, interfaces, ahead)?;
                *last = packet.arrival;
                (packet, whole)
            }
        };
        self.input.take(whole);
        Some(packet)
    }

    /// Adds a fragment that lies at `data` in the bytes last taken. If it makes its datagram whole,
    /// returns the datagram's place in [`Fragments::whole`].
    #[cold]
    fn add_fragment(
        &mut self,
        arrival: Timestamp,
        link: Link,
        data: Range<usize>,
        cut: bool,
    ) -> Option<Udp> {
        let frame = self.input.taken().get(data).unwrap_or_default();
        let whole = match packet::fragment(link, frame) {
            Ok(fragment) => self.fragments.add(arrival, &fragment, &mut self.skipped)?,
            Err(error) => {
                self.skipped.count(Skip::from_error(error, cut), 1);
                return None;
            }
        };
        match packet::reassembled(whole.source, whole.first, self.fragments.whole()) {
            Ok(udp) => Some(udp),
            Err(error) => {
                self.skipped.count(Skip::from_error(error, false), whole.packets);
                None
            }
        }
    }

    /// Returns the time of the next packet of any kind, without searching the file for UDP.
    pub(super) fn first_arrival(&mut self) -> Result<Option<Timestamp>, Error> {
        while let Some(step) = self.step()? {
            if let ReadStep::Packet(packet) = step {
                return Ok(Some(packet.arrival));
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> Result<Option<ReadStep>, Error> {
        if let Some(error) = self.pending.take() {
            return Err(error);
        }
        if self.stage == SectionStage::Over {
            return Ok(None);
        }
        self.next_step().or_else(|error| match mem::replace(&mut self.stage, SectionStage::Over) {
            SectionStage::Own | SectionStage::Foreign => {
                self.pending = Some(error);
                Ok(Some(ReadStep::End(Ending::Cut)))
            }
            SectionStage::Outside | SectionStage::Closed | SectionStage::Over => Err(error),
        })
    }

    fn next_step(&mut self) -> Result<Option<ReadStep>, Error> {
        if matches!(self.format, Format::Next) {
            self.format = recognise(&mut self.input)?;
        }
        match self.format {
            Format::Pcap(pcap) => self.pcap(pcap),
            _ => self.block(),
        }
    }

    /// Ends the section, if one is open, because another file begins inside the stream.
    fn next_file(&mut self) -> Result<Option<ReadStep>, Error> {
        self.format = Format::Next;
        match self.end_section(SectionStage::Outside) {
            Some(end) => Ok(Some(end)),
            None => self.next_step(),
        }
    }

    /// Ends the section, if one is open, and continues in the stage `next`.
    fn end_section(&mut self, next: SectionStage) -> Option<ReadStep> {
        match mem::replace(&mut self.stage, next) {
            SectionStage::Foreign => Some(ReadStep::End(Ending::Whole)),
            SectionStage::Own => Some(ReadStep::End(Ending::Cut)),
            SectionStage::Outside | SectionStage::Closed | SectionStage::Over => None,
        }
    }

    /// Reads the next step of a pcap file.
    fn pcap(&mut self, pcap: Pcap) -> Result<Option<ReadStep>, Error> {
        if self.stage == SectionStage::Outside {
            self.stage = SectionStage::Foreign;
            return Ok(Some(ReadStep::Section(None)));
        }
        let offset = self.input.offset();
        let header = self.input.peek(PACKET_HEADER)?;
        if header.is_empty() {
            return Ok(self.end_section(SectionStage::Over));
        }
        if begins(header) {
            return self.next_file();
        }
        let torn = |expected, found| Error::Torn { offset, what: "a packet", expected, found };
        let Some(header) = header.first_chunk::<PACKET_HEADER>() else {
            return Err(torn(PACKET_HEADER, header.len()));
        };
        let [secs, fraction, len, original] = words(pcap.big, header);
        if len as usize > block::MAX {
            let (what, limit) = ("a packet", block::MAX);
            return Err(Error::Size { offset, what, found: len, limit });
        }
        let whole = PACKET_HEADER + len as usize;
        let bytes = self.input.peek(whole)?;
        if bytes.len() < whole {
            return Err(torn(whole, bytes.len()));
        }
        self.input.take(whole);
        Ok(Some(ReadStep::Packet(pcap.packet(secs, fraction, len, original))))
    }

    /// Reads the next step of a pcapng stream. Blocks without meaning here are stepped over.
    fn block(&mut self) -> Result<Option<ReadStep>, Error> {
        let Format::Ng { big, interfaces, last } = &mut self.format else { return Ok(None) };
        loop {
            let offset = self.input.offset();
            let head = self.input.peek(block::MIN)?;
            if head.is_empty() {
                return Ok(self.end_section(SectionStage::Over));
            }
            if head.starts_with(&block::SECTION.to_be_bytes())
                && matches!(self.stage, SectionStage::Foreign | SectionStage::Own)
            {
                return Ok(self.end_section(SectionStage::Outside));
            }
            if variant(head).is_some() && begins(head) {
                return self.next_file();
            }
            let (kind, len) = block_head(big, head, offset)?;
            let bytes = self.input.peek(len)?;
            if bytes.len() < len {
                let (what, found) = ("a block", bytes.len());
                return Err(Error::Torn { offset, what, expected: len, found });
            }
            self.input.take(len);
            let body = block_body(*big, self.input.taken(), offset)?;
            let broken = |fault: Fault| fault.at(offset);
            match (kind, self.stage) {
                (block::SECTION, _) => {
                    interfaces.clear();
                    *last = Timestamp::default();
                    let slot = block::section(*big, body).map_err(broken)?;
                    self.stage =
                        if slot.is_some() { SectionStage::Own } else { SectionStage::Foreign };
                    return Ok(Some(ReadStep::Section(slot)));
                }
                (block::INTERFACE, _) => {
                    if interfaces.len() == MAX_INTERFACES {
                        let expected = "at most 65536 interfaces in a section";
                        let found = "one more".to_owned();
                        return Err(Error::Malformed { offset, expected, found });
                    }
                    interfaces.push(Interface::parse(*big, body).map_err(broken)?);
                }
                (block::STATISTICS, SectionStage::Own) => {
                    let closing = block::statistics(*big, body, interfaces).map_err(broken)?;
                    if let Some(closing) = closing {
                        self.stage = SectionStage::Closed;
                        return Ok(Some(ReadStep::End(Ending::Closed(closing))));
                    }
                }
                (block::ENHANCED | block::PACKET | block::SIMPLE, SectionStage::Closed) => {
                    let expected = "the next section behind nfcap's closing block";
                    let found = "a packet".to_owned();
                    return Err(Error::Malformed { offset, expected, found });
                }
                (block::ENHANCED | block::PACKET | block::SIMPLE, _) => {
                    let packet =
                        packet_block(kind, *big, body, interfaces, *last).map_err(broken)?;
                    *last = packet.arrival;
                    return Ok(Some(ReadStep::Packet(packet)));
                }
                _ => {}
            }
        }
    }
}

/// Returns the packet of a pcap file at the front of `ahead` and its bytes with its header, if all of
/// it is there and nothing about it is unusual.
#[inline]
fn plain_pcap(pcap: Pcap, ahead: &[u8]) -> Option<(Packet, usize)> {
    let header = ahead.first_chunk::<PACKET_HEADER>()?;
    let [secs, fraction, len, original] = words(pcap.big, header);
    let whole = PACKET_HEADER + len as usize;
    if whole > ahead.len() || len as usize > block::MAX || begins(header) {
        return None;
    }
    Some((pcap.packet(secs, fraction, len, original), whole))
}

/// Returns the packet in the enhanced packet block (draft-ietf-opsawg-pcapng section 4.3) at the front
/// of `ahead` and the bytes of the block, if all of it is there, it has no options and its interface
/// is known.
#[inline]
fn plain_block(big: bool, interfaces: &[Interface], ahead: &[u8]) -> Option<(Packet, usize)> {
    const HEAD: usize = 28;
    let head = ahead.first_chunk::<HEAD>()?;
    let [kind, len, id, high, low, captured, original] = words(big, head);
    let padded = (captured as usize).checked_next_multiple_of(4)?;
    if kind != block::ENHANCED || len as usize > block::MAX || len as usize != HEAD + padded + 4 {
        return None;
    }
    let [trailer] = words(big, ahead.get(HEAD + padded..)?.first_chunk::<4>()?);
    let interface = interfaces.get(id as usize).filter(|_| trailer == len)?;
    let packet = Packet {
        arrival: interface.clock.moment((u64::from(high) << 32) | u64::from(low)),
        link: interface.link,
        data: HEAD..HEAD + captured as usize,
        cut: captured < original,
        templates: false,
    };
    Some((packet, len as usize))
}

/// Returns bytes as 32-bit numbers of one byte order.
#[inline]
fn words<const BYTES: usize, const WORDS: usize>(big: bool, bytes: &[u8; BYTES]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        let chunk = chunk.first_chunk().copied().unwrap_or_default();
        *word = if big { u32::from_be_bytes(chunk) } else { u32::from_le_bytes(chunk) };
    }
    words
}

impl Pcap {
    #[inline]
    fn packet(self, secs: u32, fraction: u32, len: u32, original: u32) -> Packet {
        let nanos = u64::from(secs) * 1_000_000_000 + u64::from(fraction) * self.unit;
        Packet {
            arrival: Timestamp::from_nanos(nanos),
            link: self.link,
            data: PACKET_HEADER..PACKET_HEADER + len as usize,
            cut: len < original,
            templates: false,
        }
    }
}

/// Variants of pcap, told apart by the first four bytes of the file.
enum Variant {
    /// The variant that is read: its byte order, and nanoseconds in a unit of time.
    Read { big: bool, unit: u64 },
    /// The variant with a longer header of each packet, which is not read.
    Modified,
}

/// Returns the variant of pcap that begins with these bytes.
fn variant(bytes: &[u8]) -> Option<Variant> {
    let magic = *bytes.first_chunk()?;
    let (big, number) = match u32::from_be_bytes(magic) {
        number @ 0xa1b2_0000..=0xa1b2_ffff => (true, number),
        _ => (false, u32::from_le_bytes(magic)),
    };
    match number {
        0xa1b2_c3d4 => Some(Variant::Read { big, unit: 1_000 }),
        0xa1b2_3c4d => Some(Variant::Read { big, unit: 1 }),
        0xa1b2_cd34 => Some(Variant::Modified),
        _ => None,
    }
}

/// Returns true if another file begins where a packet or block should.
///
/// Neither file header is a plausible packet: read as a packet's header, that of pcap would name one
/// microsecond in the year 2055 or 2083, that of pcapng a packet of 439 MB. Read as a block, pcap's
/// would have a type for local use.
#[inline]
fn begins(head: &[u8]) -> bool {
    match head {
        [0x0a, 0x0d, 0x0d, 0x0a, _, _, _, _, magic @ ..] => {
            magic.first_chunk().is_some_and(|magic| block::order(*magic).is_some())
        }
        // Version 2.4, or an older 2, in the byte order of the magic.
        [0xa1, 0xb2, _, _, 0, 2, 0, 0..=4, ..] | [_, _, 0xb2, 0xa1, 2, 0, 0..=4, 0, ..] => {
            variant(head).is_some()
        }
        _ => false,
    }
}

/// Recognises the format of the file that begins here, and takes the header if it is pcap's.
fn recognise<R: Read>(input: &mut Input<R>) -> Result<Format, Error> {
    let offset = input.offset();
    let four = input.peek(4)?;
    let (big, unit) = match (four, variant(four)) {
        ([], _) => return Err(Error::Empty),
        ([0x0a, 0x0d, 0x0d, 0x0a], _) => {
            let (interfaces, last) = (Vec::new(), Timestamp::default());
            return Ok(Format::Ng { big: true, interfaces, last });
        }
        (_, Some(Variant::Read { big, unit })) => (big, unit),
        (_, Some(Variant::Modified)) => {
            let found = "the modified pcap of Kuznetzov's libpcap (magic 0xa1b2cd34), which \
                         `editcap -F pcap` converts"
                .to_owned();
            return Err(Error::Malformed { offset, expected: "pcap or pcapng", found });
        }
        (few, None) if few.len() < 4 => {
            return Err(Error::Short { len: few.len(), first: error::first(few) });
        }
        _ => return Err(Error::Unknown { first: error::first(input.peek(16)?) }),
    };
    let header = input.peek(PCAP_HEADER)?;
    let (what, expected, found) = ("the header of a pcap file", PCAP_HEADER, header.len());
    let mut fields = Fields::new(big, header);
    let Some(link) = fields.take(PCAP_HEADER - 4).and_then(|_| fields.u32()) else {
        return Err(match offset {
            0 => Error::Short { len: found, first: error::first(header) },
            _ => Error::Torn { offset, what, expected, found },
        });
    };
    input.take(PCAP_HEADER);
    // The upper bits hold the length of a frame check sequence (draft-ietf-opsawg-pcap section 4).
    Ok(Format::Pcap(Pcap { big, unit, link: Link::from_pcap(link & 0x03ff_ffff) }))
}

/// Returns type and length of the block that begins with `head`. A section header sets the byte
/// order.
fn block_head(big: &mut bool, head: &[u8], offset: u64) -> Result<(u32, usize), Error> {
    let torn = |found| Error::Torn { offset, what: "a block", expected: block::MIN, found };
    let &[a, b, c, d, .., m, n, o, p] = head else { return Err(torn(head.len())) };
    if head.len() < block::MIN {
        return Err(torn(head.len()));
    }
    if u32::from_be_bytes([a, b, c, d]) == block::SECTION {
        let magic = [m, n, o, p];
        *big = block::order(magic).ok_or_else(|| Error::Malformed {
            offset,
            expected: "pcapng's byte-order magic",
            found: format!("{magic:02x?}"),
        })?;
    }
    let mut fields = Fields::new(*big, head);
    let (Some(kind), Some(len)) = (fields.u32(), fields.u32()) else {
        return Err(torn(head.len()));
    };
    if len as usize > block::MAX {
        return Err(Error::Size { offset, what: "a block", found: len, limit: block::MAX });
    }
    if (len as usize) < block::MIN || len % 4 != 0 {
        let expected = "a block length of 12 or more, a multiple of 4";
        return Err(Error::Malformed { offset, expected, found: len.to_string() });
    }
    Ok((kind, len as usize))
}

/// Returns the body of a whole block, whose two lengths must agree.
fn block_body(big: bool, bytes: &[u8], offset: u64) -> Result<&[u8], Error> {
    let body = bytes.get(block::BODY..bytes.len().saturating_sub(4)).unwrap_or_default();
    let mut trailer = Fields::new(big, bytes);
    trailer.take(bytes.len().saturating_sub(4));
    let (found, expected) = (trailer.u32().unwrap_or(0), bytes.len());
    if found as usize == expected {
        return Ok(body);
    }
    let found = format!("{expected} and {found}");
    Err(Error::Malformed { offset, expected: "a block with the same length at both ends", found })
}

/// Reads the body of a packet block of any kind (draft-ietf-opsawg-pcapng sections 4.3, 4.4 and
/// appendix A). `last` is the time for a packet that has none.
fn packet_block(
    kind: u32,
    big: bool,
    body: &[u8],
    interfaces: &[Interface],
    last: Timestamp,
) -> Result<Packet, Fault> {
    let mut fields = Fields::new(big, body);
    let short = || Fault::short("a packet block's header", body.len());
    let (interface, ticks, captured, original);
    if kind == block::SIMPLE {
        original = fields.u32().ok_or_else(short)?;
        interface = interfaces.first();
        ticks = None;
        let snaplen = match interface.map_or(0, |interface| interface.snaplen) {
            0 => u32::MAX,
            snaplen => snaplen,
        };
        captured = original.min(snaplen);
    } else {
        let id = match kind {
            block::ENHANCED => fields.u32().ok_or_else(short)?,
            // The obsolete block has an interface of 16 bits and a count of drops.
            _ => {
                let id = fields.u16().ok_or_else(short)?;
                fields.u16().ok_or_else(short)?;
                u32::from(id)
            }
        };
        interface = interfaces.get(id as usize);
        ticks = Some(fields.ticks().ok_or_else(short)?);
        captured = fields.u32().ok_or_else(short)?;
        original = fields.u32().ok_or_else(short)?;
    }
    let start = block::BODY + body.len() - fields.left();
    let data = fields.take(captured as usize).ok_or_else(|| {
        let found = format!("{captured} bytes in a block body of {}", body.len());
        Fault::Format("a packet within its block", found)
    })?;
    fields.take(data.len().next_multiple_of(4) - data.len());
    Ok(Packet {
        arrival: match (interface, ticks) {
            (Some(interface), Some(ticks)) => interface.clock.moment(ticks),
            _ => last,
        },
        link: interface.and_then(|interface| interface.link),
        data: start..start + data.len(),
        cut: captured < original,
        templates: kind != block::SIMPLE && fields.has_comment(TEMPLATES),
    })
}

#[cfg(test)]
mod tests;
