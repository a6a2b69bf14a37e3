//! The bare loops that read nine columns: only IPv4, one TAB between two columns, and no checks.

use std::net::IpAddr;

use nfkit::flow::Flow;
use wide::{CmpLt, i8x16};

/// Bytes behind the start of a line that a loop may read.
pub const WINDOW: usize = 72;

/// The columns of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    sif: u32,
    sip: u32,
    dip: u32,
    dif: u32,
    proto: u8,
    sport: u16,
    dport: u16,
    packets: u64,
    octets: u64,
}

impl From<&Flow> for Row {
    fn from(flow: &Flow) -> Row {
        let &Flow { sif, dif, proto, sport, dport, packets, octets, .. } = flow;
        let word = |address: IpAddr| match address {
            IpAddr::V4(address) => u32::from(address),
            IpAddr::V6(_) => 0,
        };
        let (sip, dip) = (word(flow.sip), word(flow.dip));
        Row { sif, sip, dip, dif, proto, sport, dport, packets, octets }
    }
}

/// Reads a number and the byte behind it.
#[inline(always)]
fn number(text: &[u8], at: &mut usize) -> u64 {
    let mut value = 0u64;
    loop {
        let digit = text[*at].wrapping_sub(b'0');
        *at += 1;
        if digit > 9 {
            return value;
        }
        value = value * 10 + u64::from(digit);
    }
}

/// Reads a line byte by byte, as most programs do.
#[inline(always)]
pub fn scalar(text: &[u8], at: &mut usize) -> Row {
    let mut next = || number(text, at);
    let mut row = Row { sif: next() as u32, ..Row::default() };
    row.sip = (0..4).fold(0, |word, _| (word << 8) | next() as u32);
    row.dip = (0..4).fold(0, |word, _| (word << 8) | next() as u32);
    row.dif = next() as u32;
    row.proto = next() as u8;
    row.sport = next() as u16;
    row.dport = next() as u16;
    row.packets = next();
    row.octets = next();
    row
}

/// Reads a line: finds all separators at once, and computes each number from one load.
#[inline(always)]
pub fn words(text: &[u8], at: &mut usize) -> Row {
    let window: &[u8; WINDOW] = text[*at..].first_chunk().unwrap();
    let mut ends = 0u64;
    for n in 0..4 {
        let part: &[u8; 16] = window[n * 16..].first_chunk().unwrap();
        let part = i8x16::new(part.map(|byte| byte as i8));
        // A TAB, a dot or the line's end: all that is below the digits.
        let mask = part.cmp_lt(i8x16::splat(b'0' as i8)).move_mask();
        ends |= (mask as u64) << (16 * n);
    }
    let mut from = 0;
    let mut next = || {
        let to = ends.trailing_zeros();
        ends &= ends.wrapping_sub(1);
        let bytes: &[u8; 8] = window[from as usize & 63..].first_chunk().unwrap();
        let length = to - from;
        from = to + 1;
        (u64::from_le_bytes(*bytes), length)
    };
    let small = |(word, length): (u64, u32)| {
        let digits = (word as u32).wrapping_sub(0x3030_3030) << ((32 - 8 * length) & 31);
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
        (pairs & 0xff) * 100 + ((pairs >> 16) & 0xff)
    };
    let large = |(word, length): (u64, u32)| {
        let digits = word.wrapping_sub(0x3030_3030_3030_3030) << ((64 - 8 * length) & 63);
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
        let first = (pairs & 0xff_0000_00ff).wrapping_mul((1_000_000 << 32) | 100);
        let second = ((pairs >> 16) & 0xff_0000_00ff).wrapping_mul((10_000 << 32) | 1);
        first.wrapping_add(second) >> 32
    };
    let row = Row {
        sif: large(next()) as u32,
        sip: (0..4).fold(0, |word, _| (word << 8) | small(next())),
        dip: (0..4).fold(0, |word, _| (word << 8) | small(next())),
        dif: large(next()) as u32,
        proto: small(next()) as u8,
        sport: large(next()) as u16,
        dport: large(next()) as u16,
        packets: large(next()),
        octets: large(next()),
    };
    *at += from as usize;
    row
}
