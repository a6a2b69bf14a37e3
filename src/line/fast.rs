//! Reads the nine columns of a line at once, if it has IPv4 addresses and the form that writers
//! give it.
//!
//! Nearly all lines have this form, and reading them field by field takes twice as long. Here the
//! separators of a whole line are found by comparing 16 bytes at a time, and every number is
//! computed from one load, as D. Lemire and W. Muła do in simdjson. Errors are gathered in a few
//! bits and tested once at the end. A line of another form may still be a good one: it is left to
//! [`Layout`](super::parse::Layout), which alone decides what a bad line is.

use std::net::{IpAddr, Ipv4Addr};

use wide::{CmpEq, CmpGt, CmpLt, i8x16};

use crate::flow::Flow;

/// Bytes that are read: the nine columns must end within 64 of them, and a load at the last one
/// reads eight more.
pub(super) const WINDOW: usize = 64 + size_of::<u64>();

/// Reads the nine columns at the start of `text`, one `separator` between each two. Returns the
/// flow and the place behind the last column, where no digit stands. `None` if the columns have
/// another form.
#[inline]
pub(super) fn read(text: &[u8; WINDOW], separator: u8) -> Option<(Flow, usize)> {
    let found = Found::new(text, separator);
    let mut separators = Positions(found.separators);
    let t: [u32; 8] = std::array::from_fn(|_| separators.next());
    let mut dots = Positions(found.dots);
    let d: [u32; 6] = std::array::from_fn(|_| dots.next());
    // The first byte behind the last separator that is no digit. `checked_shl`, because a plain
    // shift by 64 would shift by 0.
    let after = found.others & (!1u64).checked_shl(t[7])?;
    let end = after.trailing_zeros();
    let before = 1u64.checked_shl(end)? - 1;

    let mut text = Text { text, lengths: 0, differences: 0 };
    let sip = text.address([t[0], d[0], d[1], d[2], t[1]]);
    let dip = text.address([t[1], d[3], d[4], d[5], t[2]]);
    let is_address = text.lengths < 4 && text.differences == 0;
    text.lengths = 0;
    let sif = text.number(0, t[0]);
    let dif = text.number(t[2] + 1, t[3]);
    let proto = text.number(t[3] + 1, t[4]);
    let sport = text.number(t[4] + 1, t[5]);
    let dport = text.number(t[5] + 1, t[6]);
    let packets = text.number(t[6] + 1, t[7]);
    let octets = text.number(t[7] + 1, end);
    // Each separator or dot that is missing, superfluous or out of place shows in one of these.
    let misplaced = (found.others ^ found.separators ^ found.dots | dots.0) & before;
    let in_order = (t[0] < d[0]) & (d[2] < t[1]) & (t[1] < d[3]) & (d[5] < t[2]);
    let fits = (text.lengths < 8) & (proto < 1 << 8) & (sport | dport < 1 << 16);
    if !(is_address & in_order & fits & (misplaced == 0)) {
        return None;
    }
    let flow = Flow {
        sip: IpAddr::V4(sip),
        dip: IpAddr::V4(dip),
        sif: sif as u32,
        dif: dif as u32,
        proto: proto as u8,
        sport: sport as u16,
        dport: dport as u16,
        packets,
        octets,
        ..Flow::default()
    };
    Some((flow, end as usize))
}

/// Places of the bytes of one kind: bit n for byte n.
struct Found {
    separators: u64,
    dots: u64,
    /// All bytes that are no digits, including separators and dots.
    others: u64,
}

impl Found {
    #[inline(always)]
    fn new(text: &[u8; WINDOW], separator: u8) -> Found {
        let splat = |byte: u8| i8x16::splat(byte as i8);
        let mut found = Found { separators: 0, dots: 0, others: 0 };
        for (n, part) in text.chunks_exact(16).enumerate() {
            let Some(part) = part.first_chunk::<16>() else { break };
            let part = i8x16::new(part.map(|byte| byte as i8));
            // Bytes above 127 are negative here.
            let others = part.cmp_lt(splat(b'0')) | part.cmp_gt(splat(b'9'));
            let bits = |mask: i8x16| (mask.move_mask() as u64) << (16 * n);
            found.separators |= bits(part.cmp_eq(splat(separator)));
            found.dots |= bits(part.cmp_eq(splat(b'.')));
            found.others |= bits(others);
        }
        found
    }
}

/// The places of the set bits, from the lowest on, and then 64.
struct Positions(u64);

impl Positions {
    #[inline(always)]
    fn next(&mut self) -> u32 {
        let at = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        at
    }
}

/// A text that is read before it is checked. Errors are gathered meanwhile.
struct Text<'a> {
    text: &'a [u8; WINDOW],
    /// OR of the lengths of all fields. If it is below a power of two, so is each of them.
    lengths: u32,
    /// OR of the bits that differ where texts should be equal.
    differences: u32,
}

impl Text<'_> {
    #[inline(always)]
    fn load(&self, from: u32) -> u64 {
        // The mask saves a bounds check. A place beyond the text gives a wrong value, but then the
        // line is rejected anyway.
        let rest = self.text.get(from as usize & 63..).unwrap_or_default();
        rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Reads a number of one to eight digits.
    #[inline(always)]
    fn number(&mut self, from: u32, to: u32) -> u64 {
        let length = to.wrapping_sub(from);
        self.lengths |= length.wrapping_sub(1);
        // The last digit goes to the highest byte; zeros fill the place of missing digits.
        let digits = self.load(from).wrapping_sub(0x3030_3030_3030_3030);
        let digits = digits.wrapping_shl(64u32.wrapping_sub(length.wrapping_mul(8)));
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
        // The pairs are bytes 0, 2, 4 and 6. The products bring their weighted sum to the upper
        // half.
        let first = (pairs & 0xff_0000_00ff).wrapping_mul((1_000_000 << 32) | 100);
        let second = ((pairs >> 16) & 0xff_0000_00ff).wrapping_mul((10_000 << 32) | 1);
        first.wrapping_add(second) >> 32
    }

    /// Reads an IPv4 address, each part of which lies between two of these places.
    #[inline(always)]
    fn address(&mut self, [a, b, c, d, e]: [u32; 5]) -> Ipv4Addr {
        Ipv4Addr::new(self.part(a, b), self.part(b, c), self.part(c, d), self.part(d, e))
    }

    #[inline(always)]
    fn part(&mut self, before: u32, to: u32) -> u8 {
        let from = before.wrapping_add(1);
        let length = to.wrapping_sub(from);
        self.lengths |= length;
        let mask = 1u32.wrapping_shl(length.wrapping_mul(8)).wrapping_sub(1);
        let text = self.load(from) as u32 & mask;
        let entry = PARTS.get(place(text)).copied().unwrap_or(NONE);
        self.differences |= (entry ^ text) << 8;
        (entry >> 24) as u8
    }
}

/// The texts of 0 to 255, each at its [`place`], with its value in the highest byte. One comparison
/// tells a right text from one with other characters, a leading zero or too large a value.
static PARTS: [u32; 1 << PLACE_BITS] = {
    let mut table = [NONE; 1 << PLACE_BITS];
    let mut value = 0;
    while value < 256 {
        let (hundreds, tens, ones) = (value / 100, value / 10 % 10, value % 10);
        let text = match value {
            0..10 => 0x30 | ones,
            10..100 => 0x3030 | tens | (ones << 8),
            _ => 0x30_3030 | hundreds | (tens << 8) | (ones << 16),
        };
        #[allow(clippy::indexing_slicing)] // At compile time.
        {
            assert!(table[place(text)] == NONE, "two texts have one place");
            table[place(text)] = (value << 24) | text;
        }
        value += 1;
    }
    table
};

/// An entry that equals no text of digits and no empty text.
const NONE: u32 = 0xff_ffff;

const PLACE_BITS: u32 = 10;

/// A factor, found by trial, with which no two texts have the same place.
const FACTOR: u32 = 0xfbe8_3fef;

/// Returns the place of a text in [`PARTS`].
const fn place(text: u32) -> usize {
    (text.wrapping_mul(FACTOR) >> (u32::BITS - PLACE_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Delimiter, Layout};
    use super::*;
    use proptest::prelude::*;

    /// Returns the line in a window filled up with `behind`.
    fn framed(line: &[u8], behind: u8) -> [u8; WINDOW] {
        let mut text = [behind; WINDOW];
        let line = &line[..line.len().min(WINDOW)];
        text[..line.len()].copy_from_slice(line);
        text
    }

    /// Generates lines whose fields are mostly right.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let address = "[0-9]{1,3}(\\.(25[0-9]|[0-9]{1,3})){3}|(1?[0-9]?[0-9]\\.){3}[1-9]?[0-9]";
        let number = "[0-9]{1,9}";
        let columns = [number, address, address, number, "[0-9]{1,3}"];
        let columns = columns.into_iter().chain(["[0-9]{1,5}", "[1-9][0-9]{0,4}", number, number]);
        let line = columns.map(|column| column.prop_map(|field: String| field)).collect::<Vec<_>>();
        let bytes = prop::sample::select(b"0123456789.\t \n\r-:\xff\x00/".to_vec());
        let changes = prop::collection::vec((any::<prop::sample::Index>(), bytes), 0..3);
        (line, prop_oneof![3 => Just(Vec::new()), 1 => changes]).prop_map(|(fields, changes)| {
            let mut line = (fields.join("\t") + "\n").into_bytes();
            for (at, byte) in changes {
                *at.get_mut(&mut line) = byte;
            }
            line
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn fast_lines_read_as_field_by_field(line in line(), behind: u8) {
            let Some((flow, end)) = read(&framed(&line, behind), b'\t') else { return Ok(()) };
            // Callers do not take bytes behind the line for its own.
            prop_assume!(end < line.len());
            prop_assert!(!line[end].is_ascii_digit());
            let fields = Layout::default().flow(&line[..end], Delimiter::Byte(b'\t'));
            prop_assert_eq!(fields, Ok(flow));
        }

        #[test]
        fn every_line_of_usual_length_is_read_fast(
            sip: Ipv4Addr, dip: Ipv4Addr, sif in 0..1000u32, dif in 0..1000u32, proto: u8,
            sport: u16, dport: u16, packets in 0..10_000u64, octets in 0..1_000_000u64, behind: u8,
        ) {
            let numbers = format!("{proto}\t{sport}\t{dport}\t{packets}\t{octets}");
            let line = format!("{sif}\t{sip}\t{dip}\t{dif}\t{numbers}\n");
            prop_assume!(line.len() <= 64);
            let (flow, end) = read(&framed(line.as_bytes(), behind), b'\t').unwrap();
            prop_assert_eq!(end, line.len() - 1);
            let fields = Layout::default().flow(&line.as_bytes()[..end], Delimiter::Byte(b'\t'));
            prop_assert_eq!(fields, Ok(flow));
        }
    }

    #[test]
    fn address_parts_are_0_to_255_in_one_form() {
        let text = |part: &str| format!("1\t10.{part}.0.1\t192.0.2.1\t2\t6\t1\t2\t3\t40\n");
        for part in 0..=999 {
            for part in [format!("{part}"), format!("{part:02}"), format!("{part:03}")] {
                let flow = read(&framed(text(&part).as_bytes(), b'0'), b'\t');
                let address = format!("10.{part}.0.1").parse().ok();
                assert_eq!(flow.map(|(flow, _)| flow.sip), address, "{part}");
            }
        }
        for part in ["", "0x1", "-1", "1 ", "\u{ff}", "0000", "00000000", "100000000", "."] {
            assert_eq!(read(&framed(text(part).as_bytes(), b'0'), b'\t'), None, "{part:?}");
        }
    }

    #[test]
    fn lines_of_other_forms_are_left_alone() {
        let good = "1\t10.0.0.1\t192.0.2.1\t2\t6\t1\t2\t3\t40\n";
        assert!(read(&framed(good.as_bytes(), 0), b'\t').is_some());
        for (from, to) in [
            ("\t6\t", "\t256\t"),
            ("\t1\t2\t", "\t65536\t2\t"),
            ("\t1\t2\t", "\t1\t65536\t"),
            ("\t40\n", "\t123456789\n"),
            ("\t40\n", "\t\n"),
            ("\t40\n", ""),
            ("\t40\n", "\n"),
            ("\t3\t", "\t\t"),
            ("\t3\t", "\t3 \t"),
            ("1\t10.", "\t10."),
            ("10.0.0.1", "10.0.0"),
            ("10.0.0.1", "10.0.0.0.1"),
            ("10.0.0.1\t192.0.2.1", "10.0.0\t0.192.0.2.1"),
            ("10.0.0.1", "2001:db8::1"),
            ("\t", ","),
            ("\t", "\t\t"),
            ("10.0.0.1", "210.123.134.115\t"),
        ] {
            let line = good.replace(from, to);
            assert_eq!(read(&framed(line.as_bytes(), b'\n'), b'\t'), None, "{line:?}");
        }
        // The nine columns end behind the 64 bytes.
        let long = good
            .replace("\t1\t2\t3\t", "\t10000\t20000\t30000000\t")
            .replace("10.0.0.1", "210.123.134.115");
        let long = long.replace("192.0.2.1\t", "192.100.200.100\t").replace("\t40", "\t40000000");
        assert!(long.len() > 64);
        assert_eq!(read(&framed(long.as_bytes(), b'\n'), b'\t'), None);
    }
}
