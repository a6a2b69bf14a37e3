//! Reads the bodies of pcapng blocks (draft-ietf-opsawg-pcapng).
//!
//! pcap-file 2.0.0 cannot do it. Even its raw blocks parse every interface block, repeat their error
//! for one with if_tzone for ever, keep all interfaces that a file declares, and name no offset. Its
//! packet times ignore if_tsresol, and an option of the wrong length reads as the end of the file.

use super::error::Error;
use super::section::{Closing, Slot, SlotError};
use crate::packet::Link;
use crate::time::Timestamp;

/// Section header block.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Interface description block.
pub(super) const INTERFACE: u32 = 1;
/// Obsolete packet block.
pub(super) const PACKET: u32 = 2;
/// Simple packet block.
pub(super) const SIMPLE: u32 = 3;
/// Interface statistics block.
pub(super) const STATISTICS: u32 = 5;
/// Enhanced packet block.
pub(super) const ENHANCED: u32 = 6;

/// Bytes of the smallest block: type, length, length again.
pub(super) const MIN: usize = 12;

/// Bytes from a block's beginning to its body.
pub(super) const BODY: usize = 8;

/// Bytes of the largest block that is read, which is Wireshark's limit too. A header that claims 4 GB
/// would take all memory.
pub(super) const MAX: usize = 16 << 20;

pub(super) const COMMENT: u16 = 1;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_STARTTIME: u16 = 2;
const ISB_ENDTIME: u16 = 3;

/// Fields of a block, read from its front in the byte order of its section.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    big: bool,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(big: bool, rest: &'a [u8]) -> Fields<'a> {
        Fields { big, rest }
    }

    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Reads a timestamp, whose upper half is first in either byte order (section 4.3).
    pub(super) fn ticks(&mut self) -> Option<u64> {
        Some((u64::from(self.u32()?) << 32) | u64::from(self.u32()?))
    }

    fn i64(&mut self) -> Option<i64> {
        let bytes = self.take(8)?.try_into().ok()?;
        Some(if self.big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) })
    }

    /// Reads the next option's code and value (section 3.5); `Ok(None)` after the last.
    fn option(&mut self) -> Result<Option<(u16, Fields<'a>)>, Overrun> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (Some(code), Some(len)) = (self.u16(), self.u16()) else { return Err(Overrun) };
        if code == 0 {
            self.rest = &[];
            return Ok(None);
        }
        let len = usize::from(len);
        let value = self.take(len).ok_or(Overrun)?;
        self.take(len.next_multiple_of(4) - len).ok_or(Overrun)?;
        Ok(Some((code, Fields { big: self.big, rest: value })))
    }

    /// Returns true if one of the options is a comment with this text. Broken options of a packet are
    /// no error: its data lie before them.
    pub(super) fn has_comment(mut self, comment: &str) -> bool {
        while let Ok(Some((code, value))) = self.option() {
            if code == COMMENT && value.rest == comment.as_bytes() {
                return true;
            }
        }
        false
    }
}

/// An error: an option reaches beyond its block.
struct Overrun;

/// The reason why a block's body cannot be read. The reader adds the offset.
pub(super) enum Fault {
    /// The format expects the first text; the second was found.
    Format(&'static str, String),
    /// A comment of nfcap's is damaged.
    Slot(SlotError),
}

impl Fault {
    pub(super) fn at(self, offset: u64) -> Error {
        match self {
            Fault::Format(expected, found) => Error::Malformed { offset, expected, found },
            Fault::Slot(source) => Error::Slot { offset, source },
        }
    }

    /// Returns the fault of a body of `len` bytes, too short for its fixed part.
    pub(super) fn short(expected: &'static str, len: usize) -> Fault {
        Fault::Format(expected, format!("a block body of {len} bytes"))
    }
}

impl From<Overrun> for Fault {
    fn from(_: Overrun) -> Fault {
        Fault::Format(
            "options within their block",
            "an option that reaches beyond its block".to_owned(),
        )
    }
}

impl From<SlotError> for Fault {
    fn from(error: SlotError) -> Fault {
        Fault::Slot(error)
    }
}

/// Returns true for the byte-order magic of a big-endian section, false for that of a little-endian
/// one, and `None` for other bytes.
pub(super) fn order(magic: [u8; 4]) -> Option<bool> {
    match magic {
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(true),
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(false),
        _ => None,
    }
}

/// Reads the body of a section header block (section 4.1). The section's length is not trusted: it
/// ends at the next section header.
pub(super) fn section(big: bool, body: &[u8]) -> Result<Option<Slot>, Fault> {
    let mut fields = Fields::new(big, body);
    let short = || Fault::short("a section header of 16 bytes", body.len());
    fields.take(4).ok_or_else(short)?;
    let (major, minor) = (fields.u16().ok_or_else(short)?, fields.u16().ok_or_else(short)?);
    if major != 1 {
        return Err(Fault::Format("pcapng version 1", format!("version {major}.{minor}")));
    }
    fields.take(8).ok_or_else(short)?;
    while let Some((code, value)) = fields.option()? {
        if code == COMMENT {
            if let Some(slot) = std::str::from_utf8(value.rest).ok().and_then(Slot::parse) {
                return Ok(Some(slot?));
            }
        }
    }
    Ok(None)
}

/// The description of an interface, as far as packets need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// Link layer, `None` if it is not read.
    pub(super) link: Option<Link>,
    /// The most bytes kept of a packet, 0 for all.
    pub(super) snaplen: u32,
    pub(super) clock: Clock,
}

impl Interface {
    /// Reads the body of an interface description block (section 4.2).
    pub(super) fn parse(big: bool, body: &[u8]) -> Result<Interface, Fault> {
        let mut fields = Fields::new(big, body);
        let short = || Fault::short("an interface description of 8 bytes", body.len());
        let link = Link::from_pcap(fields.u16().ok_or_else(short)?.into());
        fields.take(2).ok_or_else(short)?;
        let snaplen = fields.u32().ok_or_else(short)?;
        let mut clock = Clock { unit: Unit::from_resolution(6), offset: 0 };
        while let Some((code, mut value)) = fields.option()? {
            let found = || format!("{} bytes", value.left());
            match (code, value.left()) {
                (IF_TSRESOL, 1) => clock.unit = Unit::from_resolution(value.u8().unwrap_or(6)),
                (IF_TSOFFSET, 8) => clock.offset = value.i64().unwrap_or(0),
                (IF_TSRESOL, _) => return Err(Fault::Format("if_tsresol of 1 byte", found())),
                (IF_TSOFFSET, _) => return Err(Fault::Format("if_tsoffset of 8 bytes", found())),
                _ => {}
            }
        }
        Ok(Interface { link, snaplen, clock })
    }
}

/// The meaning of an interface's ticks, by if_tsresol and if_tsoffset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    /// Seconds to add.
    offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A tick is this many nanoseconds.
    Times(u64),
    /// A nanosecond is this many ticks.
    Over(i128),
    /// A second is 2 to the power of this many ticks.
    Binary(u32),
}

impl Unit {
    /// Returns the unit by if_tsresol: a power of ten, or of two if the highest bit is set.
    fn from_resolution(resolution: u8) -> Unit {
        match (resolution & 0x80, u32::from(resolution & 0x7f)) {
            (0, power @ 0..=9) => Unit::Times(10u64.pow(9 - power)),
            // Finer than i128 counts: all its times are the epoch.
            (0, power) => Unit::Over(10i128.checked_pow(power - 9).unwrap_or(i128::MAX)),
            (_, power) => Unit::Binary(power),
        }
    }
}

impl Clock {
    /// Returns the moment of a tick, clamped to the range of timestamps.
    #[inline]
    pub(super) fn moment(self, ticks: u64) -> Timestamp {
        // Nearly all interfaces have such a clock, which needs no 128 bits.
        if let (Unit::Times(nanos), 0) = (self.unit, self.offset) {
            if let Some(nanos) = ticks.checked_mul(nanos) {
                return Timestamp::from_nanos(nanos);
            }
        }
        self.any_moment(ticks)
    }

    fn any_moment(self, ticks: u64) -> Timestamp {
        let ticks = i128::from(ticks);
        let nanos = match self.unit {
            Unit::Times(nanos) => ticks * i128::from(nanos),
            Unit::Over(ticks_per_nano) => ticks / ticks_per_nano,
            Unit::Binary(power) => (ticks * 1_000_000_000) >> power,
        };
        let nanos = nanos + i128::from(self.offset) * 1_000_000_000;
        Timestamp::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

/// Reads the body of an interface statistics block (section 4.6). Returns `None` if it is not the
/// closing block of an nfcap section.
pub(super) fn statistics(
    big: bool,
    body: &[u8],
    interfaces: &[Interface],
) -> Result<Option<Closing>, Fault> {
    let mut fields = Fields::new(big, body);
    let short = || Fault::short("interface statistics of 12 bytes", body.len());
    let interface = fields.u32().ok_or_else(short)?;
    fields.ticks().ok_or_else(short)?;
    let (mut closing, mut start, mut end) = (None, None, None);
    while let Some((code, mut value)) = fields.option()? {
        match (code, value.left()) {
            (COMMENT, _) if closing.is_none() => {
                let comment = std::str::from_utf8(value.rest).unwrap_or_default();
                closing = Closing::parse(comment).transpose()?;
            }
            (ISB_STARTTIME, 8) => start = value.ticks(),
            (ISB_ENDTIME, 8) => end = value.ticks(),
            _ => {}
        }
    }
    let Some(closing) = closing else { return Ok(None) };
    let clock = interfaces.get(interface as usize).map(|interface| interface.clock);
    let (Some(clock), Some(start), Some(end)) = (clock, start, end) else {
        return Err(SlotError::Times.into());
    };
    Ok(Some(Closing { start: clock.moment(start), end: clock.moment(end), ..closing }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_may_be_powers_of_ten_or_two() {
        let nanos = |resolution, offset, ticks| {
            Clock { unit: Unit::from_resolution(resolution), offset }.moment(ticks).nanos()
        };
        assert_eq!(nanos(6, 0, 994_025_700_000_001), 994_025_700_000_001_000);
        assert_eq!(nanos(9, 0, 994_025_700_000_000_001), 994_025_700_000_000_001);
        assert_eq!(nanos(0, 0, 994_025_700), 994_025_700_000_000_000);
        assert_eq!(nanos(3, 0, 5), 5_000_000);
        assert_eq!(nanos(12, 0, 5_999), 5);
        assert_eq!(nanos(127, 0, u64::MAX), 0);
        assert_eq!(nanos(0x80, 0, 7), 7_000_000_000);
        assert_eq!(nanos(0x80 | 10, 0, 1536), 1_500_000_000);
        assert_eq!(nanos(0xff, 0, u64::MAX), 0);
        assert_eq!(nanos(6, 994_025_700, 250_000), 994_025_700_250_000_000);
        assert_eq!(nanos(6, -1, 2_250_000), 1_250_000_000);
        assert_eq!(nanos(6, -1, 0), 0);
        assert_eq!(nanos(0, i64::MAX, u64::MAX), u64::MAX);
    }
}
