//! The nine columns at once: a line in the form that writers give it, between addresses of IPv4.
//!
//! Nearly all lines are of this form, and reading them field by field takes twice as long. Here the
//! separators of a whole line are found by comparing 16 octets at a time, and every number is put
//! together from one load, as D. Lemire and W. Muła do it in simdjson; what is wrong with any of it is
//! gathered and asked for once. A line that is not of this form may be a good one all the same: it is
//! left to [`Layout`](super::parse::Layout), which alone decides what a bad line is.

use std::net::{IpAddr, Ipv4Addr};

use wide::{CmpEq, CmpGt, CmpLt, i8x16};

use crate::flow::Flow;

/// Octets that are looked at: a line of which the nine columns end within 64, and what loads at the
/// last of them touch.
pub(super) const WINDOW: usize = 64 + size_of::<u64>();

/// The nine columns at the start of `text` with one `separator` between them, and where the last of
/// them ends: the octet there is no digit. `None` if they have another form.
#[inline]
pub(super) fn read(text: &[u8; WINDOW], separator: u8) -> Option<(Flow, usize)> {
    let found = Found::new(text, separator);
    let mut separators = Positions(found.separators);
    let t: [u32; 8] = std::array::from_fn(|_| separators.next());
    let mut dots = Positions(found.dots);
    let d: [u32; 6] = std::array::from_fn(|_| dots.next());
    // The first of the others behind the last separator. A shift by 64 would be none at all.
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
    // One separator or dot too many, too few or out of place shows in one of these.
    let strangers = (found.others ^ found.separators ^ found.dots | dots.0) & before;
    let in_order = (t[0] < d[0]) & (d[2] < t[1]) & (t[1] < d[3]) & (d[5] < t[2]);
    let fits = (text.lengths < 8) & (proto < 1 << 8) & (sport | dport < 1 << 16);
    if !(is_address & in_order & fits & (strangers == 0)) {
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

/// Where octets of one kind are, bit n for octet n.
struct Found {
    separators: u64,
    dots: u64,
    /// All that are no digits, separators and dots among them.
    others: u64,
}

impl Found {
    #[inline(always)]
    fn new(text: &[u8; WINDOW], separator: u8) -> Found {
        let splat = |octet: u8| i8x16::splat(octet as i8);
        let mut found = Found { separators: 0, dots: 0, others: 0 };
        for (n, part) in text.chunks_exact(16).enumerate() {
            let Some(part) = part.first_chunk::<16>() else { break };
            let part = i8x16::new(part.map(|octet| octet as i8));
            // Octets above 127 are negative here.
            let others = part.cmp_lt(splat(b'0')) | part.cmp_gt(splat(b'9'));
            let bits = |mask: i8x16| (mask.move_mask() as u64) << (16 * n);
            found.separators |= bits(part.cmp_eq(splat(separator)));
            found.dots |= bits(part.cmp_eq(splat(b'.')));
            found.others |= bits(others);
        }
        found
    }
}

/// Set bits, from the lowest on; 64 when there are no more.
struct Positions(u64);

impl Positions {
    #[inline(always)]
    fn next(&mut self) -> u32 {
        let at = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        at
    }
}

/// A text that is read before it is known to be right.
struct Text<'a> {
    text: &'a [u8; WINDOW],
    /// OR of the lengths seen: none is longer than what is below a power of two unless this is.
    lengths: u32,
    /// OR of what should be equal and differs.
    differences: u32,
}

impl Text<'_> {
    #[inline(always)]
    fn load(&self, from: u32) -> u64 {
        // The mask spares the check: whoever asks for more than there is throws away what he gets.
        let rest = self.text.get(from as usize & 63..).unwrap_or_default();
        rest.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// One to eight digits.
    #[inline(always)]
    fn number(&mut self, from: u32, to: u32) -> u64 {
        let length = to.wrapping_sub(from);
        self.lengths |= length.wrapping_sub(1);
        // The last digit comes to the top, zeros stand for those that are missing.
        let digits = self.load(from).wrapping_sub(0x3030_3030_3030_3030);
        let digits = digits.wrapping_shl(64u32.wrapping_sub(length.wrapping_mul(8)));
        let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
        // Pairs at octets 0, 2, 4 and 6, of which the products bring the sum to the upper half.
        let first = (pairs & 0xff_0000_00ff).wrapping_mul((1_000_000 << 32) | 100);
        let second = ((pairs >> 16) & 0xff_0000_00ff).wrapping_mul((10_000 << 32) | 1);
        first.wrapping_add(second) >> 32
    }

    /// Four octets, each between two of these positions.
    #[inline(always)]
    fn address(&mut self, [a, b, c, d, e]: [u32; 5]) -> Ipv4Addr {
        Ipv4Addr::new(self.octet(a, b), self.octet(b, c), self.octet(c, d), self.octet(d, e))
    }

    #[inline(always)]
    fn octet(&mut self, before: u32, to: u32) -> u8 {
        let from = before.wrapping_add(1);
        let length = to.wrapping_sub(from);
        self.lengths |= length;
        let mask = 1u32.wrapping_shl(length.wrapping_mul(8)).wrapping_sub(1);
        let text = self.load(from) as u32 & mask;
        let entry = OCTETS.get(place(text)).copied().unwrap_or(NONE);
        self.differences |= (entry ^ text) << 8;
        (entry >> 24) as u8
    }
}

/// The texts of 0 to 255, each where [`place`] says, with its value in the upper octet: one comparison
/// tells a right text from one with other characters, a leading zero or too large a value.
static OCTETS: [u32; 1 << PLACE_BITS] = {
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

/// No text of digits is this, nor is an empty one.
const NONE: u32 = 0xff_ffff;

const PLACE_BITS: u32 = 10;

/// Found by trying: with this factor no two of the texts fall together.
const FACTOR: u32 = 0xfbe8_3fef;

const fn place(text: u32) -> usize {
    (text.wrapping_mul(FACTOR) >> (u32::BITS - PLACE_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Delimiter, Layout};
    use super::*;
    use proptest::prelude::*;

    /// The line with its end, and behind it what may lie in a block.
    fn framed(line: &[u8], behind: u8) -> [u8; WINDOW] {
        let mut text = [behind; WINDOW];
        let line = &line[..line.len().min(WINDOW)];
        text[..line.len()].copy_from_slice(line);
        text
    }

    /// A line of fields that mostly are what they should be.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let address = "[0-9]{1,3}(\\.(25[0-9]|[0-9]{1,3})){3}|(1?[0-9]?[0-9]\\.){3}[1-9]?[0-9]";
        let number = "[0-9]{1,9}";
        let columns = [number, address, address, number, "[0-9]{1,3}"];
        let columns = columns.into_iter().chain(["[0-9]{1,5}", "[1-9][0-9]{0,4}", number, number]);
        let line = columns.map(|column| column.prop_map(|field: String| field)).collect::<Vec<_>>();
        let octets = prop::sample::select(b"0123456789.\t \n\r-:\xff\x00/".to_vec());
        let changes = prop::collection::vec((any::<prop::sample::Index>(), octets), 0..3);
        (line, prop_oneof![3 => Just(Vec::new()), 1 => changes]).prop_map(|(fields, changes)| {
            let mut line = (fields.join("\t") + "\n").into_bytes();
            for (at, octet) in changes {
                *at.get_mut(&mut line) = octet;
            }
            line
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_read_is_what_the_fields_say(line in line(), behind: u8) {
            let Some((flow, end)) = read(&framed(&line, behind), b'\t') else { return Ok(()) };
            // Further on lies what whoever calls does not take for the line's.
            prop_assume!(end < line.len());
            prop_assert!(!line[end].is_ascii_digit());
            let fields = Layout::default().flow(&line[..end], Delimiter::Octet(b'\t'));
            prop_assert_eq!(fields, Ok(flow));
        }

        #[test]
        fn every_line_of_usual_length_is_read(
            sip: Ipv4Addr, dip: Ipv4Addr, sif in 0..1000u32, dif in 0..1000u32, proto: u8,
            sport: u16, dport: u16, packets in 0..10_000u64, octets in 0..1_000_000u64, behind: u8,
        ) {
            let numbers = format!("{proto}\t{sport}\t{dport}\t{packets}\t{octets}");
            let line = format!("{sif}\t{sip}\t{dip}\t{dif}\t{numbers}\n");
            prop_assume!(line.len() <= 64);
            let (flow, end) = read(&framed(line.as_bytes(), behind), b'\t').unwrap();
            prop_assert_eq!(end, line.len() - 1);
            let fields = Layout::default().flow(&line.as_bytes()[..end], Delimiter::Octet(b'\t'));
            prop_assert_eq!(fields, Ok(flow));
        }
    }

    #[test]
    fn octets_are_0_to_255_in_one_form() {
        let text = |octet: &str| format!("1\t10.{octet}.0.1\t192.0.2.1\t2\t6\t1\t2\t3\t40\n");
        for octet in 0..=999 {
            for octet in [format!("{octet}"), format!("{octet:02}"), format!("{octet:03}")] {
                let flow = read(&framed(text(&octet).as_bytes(), b'0'), b'\t');
                let address = format!("10.{octet}.0.1").parse().ok();
                assert_eq!(flow.map(|(flow, _)| flow.sip), address, "{octet}");
            }
        }
        for octet in ["", "0x1", "-1", "1 ", "\u{ff}", "0000", "00000000", "100000000", "."] {
            assert_eq!(read(&framed(text(octet).as_bytes(), b'0'), b'\t'), None, "{octet:?}");
        }
    }

    #[test]
    fn other_forms_are_left_alone() {
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
        // Its end is too far away to be seen.
        let long = good
            .replace("\t1\t2\t3\t", "\t10000\t20000\t30000000\t")
            .replace("10.0.0.1", "210.123.134.115");
        let long = long.replace("192.0.2.1\t", "192.100.200.100\t").replace("\t40", "\t40000000");
        assert!(long.len() > 64);
        assert_eq!(read(&framed(long.as_bytes(), b'\n'), b'\t'), None);
    }
}
