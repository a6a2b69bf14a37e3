//! Writes numbers, addresses and times as text, eight bytes at a time.
//!
//! A value becomes one or a few words of up to eight bytes of text, the first in the lowest byte.
//! Each word is stored whole, and the cursor moves on by the length of the text, so that the next
//! word covers the rest. This needs no loop over digits and hardly a branch. Every value ends with
//! a byte that the caller gives, a separator or a quote, which costs nothing this way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::table::{BYTE, HEX, RUN, THREE};
use crate::flow::Masked;
use crate::time::Timestamp;

/// The most bytes of one value with the byte that ends it: a quote, an IPv6 address, a quote.
pub(super) const VALUE: usize = 42;

/// Bytes behind the text that a store may touch.
pub(super) const BEHIND: usize = 8;

const SECOND: u64 = 1_000_000_000;

/// Six bytes of `0`.
const ZEROS: u64 = 0x3030_3030_3030;

/// Text that grows in a room of fixed size. Text beyond the room is lost, so the caller must leave
/// enough.
pub(super) struct TextBuffer<'a> {
    pub room: &'a mut [u8],
    /// The end of the text.
    pub at: usize,
}

impl TextBuffer<'_> {
    /// Writes the lowest `bits` of a word, a multiple of 8.
    #[inline(always)]
    pub fn put(&mut self, word: u64, bits: u64) {
        if let Some(to) = self.room.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *to = word.to_le_bytes();
        }
        self.at += (bits >> 3) as usize;
    }

    /// Writes one byte.
    #[inline(always)]
    pub fn byte(&mut self, byte: u8) {
        self.put(u64::from(byte), 8);
    }

    /// Writes a number of 8 bits, and `end`.
    #[inline(always)]
    pub fn small(&mut self, value: u8, end: u8) {
        let (text, bits) = byte_text(value);
        self.put(ended(text, bits, end), bits);
    }

    /// Writes a number that is mostly below 256, so that a branch pays, and `end`.
    #[inline(always)]
    pub fn mostly_small(&mut self, value: u64, end: u8) {
        match u8::try_from(value) {
            Ok(value) => self.small(value, end),
            Err(_) => self.number(value, end),
        }
    }

    /// Writes a number, and `end`.
    #[inline(always)]
    pub fn number(&mut self, value: u64, end: u8) {
        if value < 1_000_000 {
            let (text, bits) = significant(value);
            self.put(text | (u64::from(end) << bits), bits + 8);
        } else {
            // `at` is passed by value, so that it can stay in a register.
            self.at = long(self.room, self.at, value, end);
        }
    }

    /// Writes an address, and `end`.
    #[inline(always)]
    pub fn address(&mut self, address: IpAddr, end: u8) {
        match address {
            IpAddr::V4(address) => self.ipv4(address, end),
            IpAddr::V6(address) => self.at = ipv6(self.room, self.at, address, end),
        }
    }

    /// Writes dotted decimal, and `end`.
    #[inline(always)]
    fn ipv4(&mut self, address: Ipv4Addr, end: u8) {
        let [a, b, c, d] = address.octets();
        let ((a, a_bits), (b, b_bits)) = (byte_text(a), byte_text(b));
        let ((c, c_bits), (d, d_bits)) = (byte_text(c), byte_text(d));
        self.put(a | (b << a_bits), a_bits + b_bits);
        self.put(c | (ended(d, d_bits, end) << c_bits), c_bits + d_bits);
    }

    /// Writes up to four hexadecimal digits without leading zeros, and `end`.
    fn hextet(&mut self, part: u16, end: u8) {
        let [high, low] = part.to_be_bytes();
        let digits = hex(high) | (hex(low) << 16);
        let zeros = u64::from((part | 1).leading_zeros() / 4 * 8);
        let bits = 32 - zeros;
        self.put((digits >> zeros) | (u64::from(end) << bits), bits + 8);
    }

    /// Writes an address as [`Masked`] does, and `end`.
    pub fn masked(&mut self, address: IpAddr, end: u8) {
        match Masked(address).network() {
            IpAddr::V4(network) => {
                let [a, b, c, _] = network.octets();
                for part in [a, b, c] {
                    self.small(part, b'.');
                }
            }
            IpAddr::V6(network) => {
                let [a, b, c, ..] = network.segments();
                let site = [a, b, c];
                let parts = site.iter().rposition(|part| *part != 0).map_or(0, |last| last + 1);
                for part in site.into_iter().take(parts) {
                    self.hextet(part, b':');
                }
                if parts == 0 {
                    self.byte(b':');
                }
                self.byte(b':');
            }
        }
        self.byte(b'?');
        self.byte(end);
    }

    /// Writes a MAC address, the last three bytes hidden if `mask`, and `end`.
    pub fn mac(&mut self, mac: [u8; 6], mask: bool, end: u8) {
        const COLON: u64 = b':' as u64;
        let [a, b, c, d, e, f] = mac.map(hex);
        self.put(a | (COLON << 16) | (b << 24) | (COLON << 40) | (c << 48), 64);
        if mask {
            self.put(u64::from(u32::from_le_bytes([b':', b'?', end, 0])), 24);
        } else {
            self.put(COLON | (d << 8) | (COLON << 24) | (e << 32) | (COLON << 48), 56);
            self.put(f | (u64::from(end) << 16), 24);
        }
    }

    /// Writes a time in seconds with 3, 6 or 9 decimals, the fewest that lose nothing, and `end`.
    pub fn time(&mut self, time: Timestamp, end: u8) {
        let (seconds, nanos) = (time.nanos() / SECOND, time.nanos() % SECOND);
        self.number(seconds, b'.');
        let (millis, micros) = (nanos / 1_000_000, nanos / 1_000);
        let end = u64::from(end);
        if millis * 1_000_000 == nanos {
            self.put(three(millis) | (ZEROS >> 24) | (end << 24), 32);
        } else if micros * 1_000 == nanos {
            self.put(six(micros) | ZEROS | (end << 48), 56);
        } else {
            self.put(six(micros) | ZEROS, 48);
            self.put(three(nanos % 1_000) | (ZEROS >> 24) | (end << 24), 32);
        }
    }
}

/// Returns the text of a byte with a dot behind it, and its length in bits.
#[inline(always)]
fn byte_text(value: u8) -> (u64, u64) {
    let entry = BYTE.get(usize::from(value)).copied().unwrap_or_default();
    (entry & 0xffff_ffff, entry >> 32)
}

/// Replaces the dot behind a byte's text by `end`.
#[inline(always)]
fn ended(text: u64, bits: u64, end: u8) -> u64 {
    text ^ (u64::from(b'.' ^ end) << (bits - 8))
}

#[inline(always)]
fn hex(value: u8) -> u64 {
    u64::from(HEX.get(usize::from(value)).copied().unwrap_or_default())
}

/// Returns the three digits of a number below 1000.
#[inline(always)]
fn three(value: u64) -> u64 {
    u64::from(THREE.get((value & 1023) as usize).copied().unwrap_or_default())
}

/// Returns the six digits of a number below a million.
#[inline(always)]
fn six(value: u64) -> u64 {
    let value = value as u32;
    three(u64::from(value / 1000)) | (three(u64::from(value % 1000)) << 24)
}

/// Returns the text of a number below a million without leading zeros, and its length in bits.
#[inline(always)]
fn significant(value: u64) -> (u64, u64) {
    let digits = six(value);
    // The sixth digit stays even if it is zero.
    let zeros = u64::from((digits | (1 << 40)).trailing_zeros()) & 56;
    ((digits | ZEROS) >> zeros, 48 - zeros)
}

/// Writes a number of a million or more at `at`, and `end`. Returns the end of the text.
fn long(room: &mut [u8], at: usize, value: u64, end: u8) -> usize {
    const MILLION: u64 = 1_000_000;
    let mut text = TextBuffer { room, at };
    let rest = value % MILLION;
    let mut above = value / MILLION;
    // 64 bits have at most 20 digits: two, and three times six.
    let highest = above / MILLION / MILLION;
    let middle = above / MILLION % MILLION;
    if above >= MILLION {
        if highest > 0 {
            let (digits, bits) = significant(highest);
            text.put(digits, bits);
            text.put(six(middle) | ZEROS, 48);
        } else {
            let (digits, bits) = significant(middle);
            text.put(digits, bits);
        }
        above %= MILLION;
        text.put(six(above) | ZEROS, 48);
    } else {
        let (digits, bits) = significant(above);
        text.put(digits, bits);
    }
    text.put(six(rest) | ZEROS | (u64::from(end) << 48), 56);
    text.at
}

/// Writes an IPv6 address by RFC 5952 at `at`, and `end`. Returns the end of the text.
fn ipv6(room: &mut [u8], at: usize, address: Ipv6Addr, end: u8) -> usize {
    let mut text = TextBuffer { room, at };
    if let Some(mapped) = address.to_ipv4_mapped() {
        text.put(u64::from_le_bytes(*b"::ffff:\0"), 56);
        text.ipv4(mapped, end);
        return text.at;
    }
    let parts = address.segments();
    let bit = |n: usize, part: u16| usize::from(part == 0) << n;
    let zeros = parts.iter().enumerate().fold(0, |zeros, (n, part)| zeros | bit(n, *part));
    let (first, run) = RUN.get(zeros).copied().unwrap_or_default();
    let (first, run) = (usize::from(first), usize::from(run));
    if run == 0 {
        for part in parts {
            text.hextet(part, b':');
        }
    } else {
        for part in parts.into_iter().take(first) {
            text.hextet(part, b':');
        }
        text.put(u64::from(u16::from_le_bytes(*b"::")), if first == 0 { 16 } else { 8 });
        for part in parts.into_iter().skip(first + run) {
            text.hextet(part, b':');
        }
        if first + run == parts.len() {
            text.byte(end);
            return text.at;
        }
    }
    // The end replaces the last colon.
    text.at -= 1;
    text.byte(end);
    text.at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the written text without its end, from a room of the promised size.
    fn written(write: impl FnOnce(&mut TextBuffer<'_>, u8)) -> String {
        let mut room = [0xa5; VALUE + BEHIND];
        let mut text = TextBuffer { room: &mut room, at: 0 };
        write(&mut text, b'\t');
        let at = text.at;
        assert!(at <= VALUE);
        let (end, text) = room[..at].split_last().unwrap();
        assert_eq!(*end, b'\t');
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn number(value: u64) -> String {
        written(|text, end| text.number(value, end))
    }

    fn address(address: Ipv6Addr) -> String {
        written(|text, end| text.address(address.into(), end))
    }

    /// Generates numbers of every length, equally often.
    fn any_number() -> impl Strategy<Value = u64> {
        (0u32..64, any::<u64>()).prop_map(|(bits, value)| value >> bits)
    }

    /// Generates addresses with about as many zeros as real ones.
    fn any_ipv6() -> impl Strategy<Value = Ipv6Addr> {
        let part = (0u16..3, 0u32..16, any::<u16>())
            .prop_map(|(some, bits, part)| if some == 0 { part >> bits } else { 0 });
        proptest::array::uniform8(part).prop_map(Ipv6Addr::from)
    }

    #[test]
    fn numbers_around_powers_of_ten_are_as_in_std() {
        let mut edge = 1u64;
        while let Some(next) = edge.checked_mul(10) {
            for value in [edge - 1, edge, edge + 1, next - 1] {
                assert_eq!(number(value), value.to_string());
            }
            edge = next;
        }
        assert_eq!(number(u64::MAX), u64::MAX.to_string());
        for value in 0..=255u8 {
            assert_eq!(written(|text, end| text.small(value, end)), value.to_string());
        }
    }

    #[test]
    fn every_pattern_of_zero_parts_in_an_address_is_as_in_std() {
        for zeros in 0u32..256 {
            for value in [1u16, 0xffff, 0x0db8] {
                let parts: [u16; 8] =
                    std::array::from_fn(|n| if (zeros >> n) & 1 == 1 { 0 } else { value });
                let expected = Ipv6Addr::from(parts);
                assert_eq!(address(expected), expected.to_string());
            }
        }
        let mapped: Ipv6Addr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(address(mapped), "::ffff:192.0.2.1");
    }

    proptest! {
        #[test]
        fn numbers_are_as_in_std(value in any_number()) {
            prop_assert_eq!(number(value), value.to_string());
            prop_assert_eq!(written(|text, end| text.mostly_small(value, end)), value.to_string());
        }

        #[test]
        fn addresses_are_as_in_std(v4: Ipv4Addr, v6 in any_ipv6(), full: Ipv6Addr) {
            let tunnel = (full.to_bits() >> 16) | (0x2002 << 112);
            for address in [v4.into(), v6.into(), full.into(), IpAddr::V6(tunnel.into())] {
                let plain = written(|text, end| text.address(address, end));
                prop_assert_eq!(plain, address.to_string());
                let masked = written(|text, end| text.masked(address, end));
                prop_assert_eq!(masked, Masked(address).to_string());
            }
        }

        #[test]
        fn times_are_as_they_display(nanos in any_number(), unit in 0u32..4) {
            let unit = 1000u64.pow(unit);
            let time = Timestamp::from_nanos(nanos / unit * unit);
            prop_assert_eq!(written(|text, end| text.time(time, end)), time.to_string());
        }

        #[test]
        fn macs_are_six_bytes_in_hex(mac: [u8; 6]) {
            let expected = mac.map(|byte| format!("{byte:02x}"));
            let plain = written(|text, end| text.mac(mac, false, end));
            prop_assert_eq!(plain, expected.join(":"));
            let masked = written(|text, end| text.mac(mac, true, end));
            prop_assert_eq!(masked, format!("{}:?", expected[..3].join(":")));
        }
    }
}
