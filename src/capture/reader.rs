//! pcap and pcapng streams as sections and export datagrams.

use std::io::Read;
use std::mem;
use std::net::IpAddr;
use std::ops::Range;

use super::TEMPLATES;
use super::block::{self, Fault, Fields, Interface};
use super::error::{self, Error};
use super::fragments::Fragments;
use super::input::Input;
use super::packet::{self, Skipped, Udp};
use super::section::{Closing, Slot};
use crate::time::Timestamp;

/// Octets of a pcap file header (draft-ietf-opsawg-pcap section 4).
const PCAP_HEADER: usize = 24;

/// Octets of a pcap packet header (section 5).
const PACKET_HEADER: usize = 16;

/// The most interfaces of one section. It keeps a file of nothing but interface blocks from taking
/// the memory; a file with more is refused.
const MAX_INTERFACES: usize = 65_536;

/// Reads a capture: pcap of either byte order with microseconds or nanoseconds, or pcapng, or any
/// of them one behind the other, as `cat` joins files.
///
/// The stream must be decompressed already. Memory is bounded whatever the stream holds: a block is
/// at most 16 MiB (the buffer for it at most twice that), and a section has 65,536 interfaces at
/// most; a stream that claims more is refused. Of fragments that wait for the rest of their
/// datagram at most 8 MiB of 1024 datagrams are kept, for 30 s of the capture's time; a section's
/// fragments never meet those of another.
pub struct Reader<R> {
    input: Input<R>,
    format: Format,
    stage: SectionStage,
    /// The error that follows the end of a torn section.
    pending: Option<Error>,
    fragments: Fragments,
    skipped: Skipped,
}

enum Format {
    /// Another file begins, of a format to be recognised.
    Next,
    Pcap(Pcap),
    Ng {
        big: bool,
        interfaces: Vec<Interface>,
        /// Arrival of the last packet of the section that had one.
        last: Timestamp,
    },
}

/// What the header of a pcap file says.
#[derive(Clone, Copy)]
struct Pcap {
    big: bool,
    /// Nanoseconds in a unit of its times.
    unit: u64,
    link: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionStage {
    /// Before the next section.
    Outside,
    /// In a section that another program wrote.
    Foreign,
    /// In a section that nfcap wrote.
    Own,
    /// Behind the closing block of a section that nfcap wrote.
    Closed,
    /// At the end, or stopped by an error.
    Over,
}

/// What a capture says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A section begins: with its slot if nfcap wrote it. A pcap file is one section.
    Section(Option<Slot>),
    /// An export datagram, in the order of the file.
    Datagram(Datagram<'a>),
    /// The section is over.
    End(Ending),
}

/// One UDP datagram as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// When it was captured; if it came in fragments, when the one that made it whole was. A simple packet block of pcapng has no time: it gets that of the packet
    /// before it, or the epoch.
    pub arrival: Timestamp,
    /// Source address.
    pub exporter: IpAddr,
    /// Source port.
    pub port: u16,
    /// Destination port.
    pub dport: u16,
    /// What UDP carried.
    pub payload: &'a [u8],
    /// nfcap wrote it to restate templates in force: it counts nowhere.
    pub templates: bool,
}

/// How a section ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// nfcap closed it.
    Closed(Closing),
    /// It is whole, and another program wrote it: nothing is known of drops.
    Whole,
    /// It was cut short: the stream is torn, or nfcap's closing block is missing.
    Cut,
}

/// An event that borrows nothing yet.
enum ReadStep {
    Section(Option<Slot>),
    Packet(Packet),
    End(Ending),
}

struct Packet {
    arrival: Timestamp,
    /// `None`: its interface was never described.
    link: Option<u32>,
    /// Where it lies in the octets last taken.
    data: Range<usize>,
    /// Whether the wire had more of it.
    cut: bool,
    templates: bool,
}

impl<R: Read> Reader<R> {
    /// Recognises the format by its first octets, and reads no further than pcap's file header.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Short`] and [`Error::Unknown`] for a stream that is no capture,
    /// [`Error::Malformed`] for one in a variant of pcap that is not read; [`Error::Io`].
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

    /// Packets that were passed over so far. Fragments are counted when their datagram is given up,
    /// the last of them at the end of their section.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The next event; `None` at the end and, for ever, after an error.
    ///
    /// Every [`Event::Section`] gets its [`Event::End`]. In a torn stream all whole packets come
    /// first, then `End(Cut)`, then the error, so that a caller who leaves with `?` has closed the
    /// window before. A section of nfcap's ends at its closing block, any other at the next section
    /// or the end of the stream. A section of nfcap's that merely lacks its closing block ends in
    /// `End(Cut)` without an error.
    ///
    /// # Errors
    /// The first thing in the stream that breaks its format, with its offset; nothing behind it is
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
            let octets = self.input.taken().get(data.clone()).unwrap_or_default();
            let found = match link {
                Some(link) => packet::udp(link, octets, cut),
                None => Err(packet::Skip::Link),
            };
            match found {
                Ok(udp) => {
                    let within = data.start + udp.payload.start..data.start + udp.payload.end;
                    let payload = self.input.taken().get(within).unwrap_or_default();
                    let (exporter, port, dport) = (udp.source, udp.port, udp.dport);
                    let datagram = Datagram { arrival, exporter, port, dport, payload, templates };
                    return Ok(Some(Event::Datagram(datagram)));
                }
                Err(packet::Skip::Fragment) => {
                    if let Some(udp) = self.piece(arrival, link, data, cut) {
                        let (exporter, port, dport) = (udp.source, udp.port, udp.dport);
                        let payload = self.fragments.whole().get(udp.payload).unwrap_or_default();
                        let datagram =
                            Datagram { arrival, exporter, port, dport, payload, templates };
                        return Ok(Some(Event::Datagram(datagram)));
                    }
                }
                Err(skip) => self.skipped.count(skip, 1),
            }
        }
    }

    /// The next packet, if it is there already and as plain as nearly all are. Whatever is unusual
    /// about it is left to [`step`](Reader::step), which finds the same or says what is wrong.
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

    /// Takes a fragment that lies in `data` of the octets last taken: the datagram, if that is whole
    /// with it, in [`Fragments::whole`].
    #[cold]
    fn piece(
        &mut self,
        arrival: Timestamp,
        link: Option<u32>,
        data: Range<usize>,
        cut: bool,
    ) -> Option<Udp> {
        let octets = self.input.taken().get(data).unwrap_or_default();
        let whole = match packet::fragment(link?, octets, cut) {
            Ok(fragment) => self.fragments.add(arrival, &fragment, &mut self.skipped)?,
            Err(skip) => {
                self.skipped.count(skip, 1);
                return None;
            }
        };
        let read = packet::reassembled(whole.source, whole.first, self.fragments.whole());
        read.map_err(|skip| self.skipped.count(skip, whole.packets)).ok()
    }

    /// The time of the next packet of any kind. It does not search a file for UDP.
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
        self.go_on().or_else(|error| match mem::replace(&mut self.stage, SectionStage::Over) {
            SectionStage::Own | SectionStage::Foreign => {
                self.pending = Some(error);
                Ok(Some(ReadStep::End(Ending::Cut)))
            }
            SectionStage::Outside | SectionStage::Closed | SectionStage::Over => Err(error),
        })
    }

    fn go_on(&mut self) -> Result<Option<ReadStep>, Error> {
        if matches!(self.format, Format::Next) {
            self.format = recognise(&mut self.input)?;
        }
        match self.format {
            Format::Pcap(pcap) => self.pcap(pcap),
            _ => self.block(),
        }
    }

    /// Another file begins inside the stream.
    fn turn(&mut self) -> Result<Option<ReadStep>, Error> {
        self.format = Format::Next;
        match self.end(SectionStage::Outside) {
            Some(end) => Ok(Some(end)),
            None => self.go_on(),
        }
    }

    /// Ends the section, if one is open, and goes on in `next`.
    fn end(&mut self, next: SectionStage) -> Option<ReadStep> {
        match mem::replace(&mut self.stage, next) {
            SectionStage::Foreign => Some(ReadStep::End(Ending::Whole)),
            SectionStage::Own => Some(ReadStep::End(Ending::Cut)),
            SectionStage::Outside | SectionStage::Closed | SectionStage::Over => None,
        }
    }

    /// The next step of a pcap file.
    fn pcap(&mut self, pcap: Pcap) -> Result<Option<ReadStep>, Error> {
        if self.stage == SectionStage::Outside {
            self.stage = SectionStage::Foreign;
            return Ok(Some(ReadStep::Section(None)));
        }
        let offset = self.input.offset();
        let header = self.input.peek(PACKET_HEADER)?;
        if header.is_empty() {
            return Ok(self.end(SectionStage::Over));
        }
        if begins(header) {
            return self.turn();
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
        let octets = self.input.peek(whole)?;
        if octets.len() < whole {
            return Err(torn(whole, octets.len()));
        }
        self.input.take(whole);
        Ok(Some(ReadStep::Packet(pcap.packet(secs, fraction, len, original))))
    }

    /// The next step of a pcapng stream: walks over blocks that say nothing.
    fn block(&mut self) -> Result<Option<ReadStep>, Error> {
        let Format::Ng { big, interfaces, last } = &mut self.format else { return Ok(None) };
        loop {
            let offset = self.input.offset();
            let head = self.input.peek(block::MIN)?;
            if head.is_empty() {
                return Ok(self.end(SectionStage::Over));
            }
            if head.starts_with(&block::SECTION.to_be_bytes())
                && matches!(self.stage, SectionStage::Foreign | SectionStage::Own)
            {
                return Ok(self.end(SectionStage::Outside));
            }
            if variant(head).is_some() && begins(head) {
                return self.turn();
            }
            let (kind, len) = frame(big, head, offset)?;
            let octets = self.input.peek(len)?;
            if octets.len() < len {
                let (what, found) = ("a block", octets.len());
                return Err(Error::Torn { offset, what, expected: len, found });
            }
            self.input.take(len);
            let body = trailed(*big, self.input.taken(), offset)?;
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
                    let packet = captured(kind, *big, body, interfaces, *last).map_err(broken)?;
                    *last = packet.arrival;
                    return Ok(Some(ReadStep::Packet(packet)));
                }
                _ => {}
            }
        }
    }
}

/// The packet of a pcap file that begins with `ahead`, if that holds all of it and it is nothing
/// unusual, and its octets with its header.
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

/// The enhanced packet block (draft-ietf-opsawg-pcapng section 4.3) that `ahead` begins with, if that
/// holds all of it, there are no options and the interface is known; and the block's octets.
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
        link: Some(interface.link),
        data: HEAD..HEAD + captured as usize,
        cut: captured < original,
        templates: false,
    };
    Some((packet, len as usize))
}

/// Octets as 32-bit numbers of one byte order.
#[inline]
fn words<const OCTETS: usize, const WORDS: usize>(
    big: bool,
    octets: &[u8; OCTETS],
) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(octets.chunks_exact(4)) {
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
            link: Some(self.link),
            data: PACKET_HEADER..PACKET_HEADER + len as usize,
            cut: len < original,
            templates: false,
        }
    }
}

/// What the first four octets say of a pcap file.
enum Variant {
    /// Byte order, and nanoseconds in a unit of time.
    Read { big: bool, unit: u64 },
    /// With more in the header of each packet.
    Modified,
}

/// The pcap that begins so.
fn variant(octets: &[u8]) -> Option<Variant> {
    let magic = *octets.first_chunk()?;
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

/// Whether another file begins where a packet or block should. As a packet's header, that of pcap
/// would be of one microsecond in the year 2055 or 2083, that of pcapng of 439 MB; as a block, pcap's
/// would be of a type for local use.
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

/// Recognises what begins here, and takes the header if it is pcap's.
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
    Ok(Format::Pcap(Pcap { big, unit, link: link & 0x03ff_ffff }))
}

/// Type and length of the block that begins with `head`. A section header sets the byte order.
fn frame(big: &mut bool, head: &[u8], offset: u64) -> Result<(u32, usize), Error> {
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

/// The body of a whole block, whose two lengths must agree.
fn trailed(big: bool, octets: &[u8], offset: u64) -> Result<&[u8], Error> {
    let body = octets.get(block::BODY..octets.len().saturating_sub(4)).unwrap_or_default();
    let mut trailer = Fields::new(big, octets);
    trailer.take(octets.len().saturating_sub(4));
    let (found, expected) = (trailer.u32().unwrap_or(0), octets.len());
    if found as usize == expected {
        return Ok(body);
    }
    let found = format!("{expected} and {found}");
    Err(Error::Malformed { offset, expected: "a block with the same length at both ends", found })
}

/// Reads the body of a packet block of any kind (draft-ietf-opsawg-pcapng sections 4.3, 4.4 and
/// appendix A). `last` is the time for a packet that has none.
fn captured(
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
            // The obsolete block has a 16-bit interface and a count of drops.
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
        let found = format!("{captured} octets in a block body of {}", body.len());
        Fault::Format("a packet within its block", found)
    })?;
    fields.take(data.len().next_multiple_of(4) - data.len());
    Ok(Packet {
        arrival: match (interface, ticks) {
            (Some(interface), Some(ticks)) => interface.clock.moment(ticks),
            _ => last,
        },
        link: interface.map(|interface| interface.link),
        data: start..start + data.len(),
        cut: captured < original,
        templates: kind != block::SIMPLE && fields.says(TEMPLATES),
    })
}

#[cfg(test)]
mod tests;
