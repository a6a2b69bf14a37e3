//! Values as the programs write them. `None` is a value that cannot be read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names;
use super::tool::Tool;
use crate::line::parse;
use crate::time::Timestamp;

/// Reads an address. rwcut can print addresses as numbers, and pad the parts of IPv4 with zeros.
pub(super) fn address(tool: Tool, text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = parse::address(text) {
        return Some(address);
    }
    if tool != Tool::Rwcut {
        return None;
    }
    if text.iter().all(u8::is_ascii_digit) {
        let number: u128 = std::str::from_utf8(text).ok()?.parse().ok()?;
        return Some(match u32::try_from(number) {
            Ok(word) => Ipv4Addr::from(word).into(),
            Err(_) => Ipv6Addr::from(number).into(),
        });
    }
    let mut parts = text.split(|byte| *byte == b'.').map(|part| match part.len() {
        1..=3 => parse::number(part).and_then(|number| u8::try_from(number).ok()),
        _ => None,
    });
    let mut next = || parts.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    parts.next().is_none().then_some(address.into())
}

/// Reads a protocol: its number, or the name that one of the programs has for it.
pub(super) fn proto(text: &[u8]) -> Option<u8> {
    if let Some(number) = parse::number(text) {
        return u8::try_from(number).ok();
    }
    let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
    names::NAMES.iter().find(|(name, _)| is(name)).map(|(_, number)| *number)
}

/// Reads a number of 8 bits; `Some(None)` for an empty field and `-`.
pub(super) fn byte(text: &[u8]) -> Option<Option<u8>> {
    match text {
        b"-" | b"" => Some(None),
        text => parse::number(text)?.try_into().ok().map(Some),
    }
}

/// Reads TCP flags: a number (`27`, `0x1b`), or letters among dots and blanks.
pub(super) fn flags(text: &[u8]) -> Option<u16> {
    if let Some(number) = parse::number(text) {
        return u16::try_from(number).ok();
    }
    if let Some(digits) = text.strip_prefix(b"0x") {
        return u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    }
    let mut flags = 0;
    for byte in text {
        flags |= match byte {
            b'F' => 0x01,
            b'S' => 0x02,
            b'R' => 0x04,
            b'P' => 0x08,
            b'A' => 0x10,
            b'U' => 0x20,
            b'E' => 0x40,
            b'C' | b'W' => 0x80,
            b'.' | b' ' => 0,
            _ => return None,
        };
    }
    Some(flags)
}

/// Reads a length in seconds with decimals and returns nanoseconds; `Some(None)` for an unknown
/// one.
pub(super) fn seconds(text: &[u8]) -> Option<Option<u64>> {
    match text {
        b"-" | b"" => Some(None),
        text => Timestamp::parse(text).map(|length| Some(length.nanos())),
    }
}

/// Reads a moment in one of the programs' forms, in UTC if the text names no zone; `Some(None)` for
/// an unknown one.
pub(super) fn time(tool: Tool, text: &[u8]) -> Option<Option<Timestamp>> {
    // nfdump writes 0 for an unknown time.
    let is_known = |time: &Timestamp| tool != Tool::Nfdump || time.nanos() > 0;
    match text {
        b"-" | b"" => return Some(None),
        text if text.starts_with(b"0000-00-00") => return Some(None),
        _ => {}
    }
    let whole = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let time = match (tool, whole) {
        // Seconds have at most eleven digits.
        (Tool::Nfdump | Tool::Zeek, 12..=14) => millis(text, whole)?,
        _ => match Timestamp::parse(text) {
            Some(time) => time,
            None => Timestamp::parse(&rfc3339(text)?)?,
        },
    };
    Some(Some(time).filter(is_known))
}

/// Reads milliseconds since 1970 with decimals, as nfdump's `csv-fast` writes them, and Zeek if its
/// configuration says so.
fn millis(text: &[u8], whole: usize) -> Option<Timestamp> {
    let (whole, decimals) = text.split_at_checked(whole)?;
    let nanos = match decimals {
        [] => 0,
        [b'.', decimals @ ..] if !decimals.is_empty() => {
            let decimals = decimals.get(..6).unwrap_or(decimals);
            parse::number(decimals)? * 10u64.pow(6 - decimals.len() as u32)
        }
        _ => return None,
    };
    let millis = parse::number(whole)?.checked_mul(1_000_000)?;
    Some(Timestamp::from_nanos(millis.checked_add(nanos)?))
}

/// Returns the RFC 3339 form of `2009/02/12T00:00:00.000`, `2009-02-12 00:00:00.000` and
/// `02/12/2009 00:00:00.000`.
fn rfc3339(text: &[u8]) -> Option<Vec<u8>> {
    let mut text = text.to_vec();
    if text.get(2) == Some(&b'/') && text.get(5) == Some(&b'/') {
        let date = text.get_mut(..10)?;
        // Moves the year to the front, and the slash before it behind it.
        date.rotate_right(5);
        date.get_mut(..5)?.rotate_left(1);
    }
    for (at, to) in [(4, b'-'), (7, b'-'), (10, b'T')] {
        let byte = text.get_mut(at).filter(|byte| matches!(byte, b'-' | b'/' | b' ' | b'T'))?;
        *byte = to;
    }
    if text.last() != Some(&b'Z') {
        text.push(b'Z');
    }
    Some(text)
}
