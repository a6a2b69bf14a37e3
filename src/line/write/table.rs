//! Tables of texts. The compiler computes them, so an index out of range would not build.
#![allow(clippy::indexing_slicing)]

/// The text `n.` of every byte n in the lower 32 bits, and its length in bits in the upper 32.
pub(super) static BYTE: [u64; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (a, b, c) = (n / 100 + 0x30, n / 10 % 10 + 0x30, n % 10 + 0x30);
        let (text, bits) = match n {
            0..10 => (c | (0x2e << 8), 16),
            10..100 => (b | (c << 8) | (0x2e << 16), 24),
            _ => (a | (b << 8) | (c << 16) | (0x2e << 24), 32),
        };
        table[n as usize] = text | (bits << 32);
        n += 1;
    }
    table
};

/// The three digits of 0 to 999, as values and not as text. There are 1024 entries, so that an
/// index of ten bits needs no check.
pub(super) static THREE: [u32; 1024] = {
    let mut table = [0; 1024];
    let mut n = 0;
    while n < 1000 {
        table[n as usize] = (n / 100) | ((n / 10 % 10) << 8) | ((n % 10) << 16);
        n += 1;
    }
    table
};

/// The two hexadecimal digits of every byte.
pub(super) static HEX: [u16; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = u16::from_le_bytes([digits[n / 16], digits[n % 16]]);
        n += 1;
    }
    table
};

/// The place of `::` in an IPv6 address as its first part and its number of parts, both 0 if there
/// is none. The index has a bit for each of the eight parts that is zero, the lowest for the first
/// part. `::` is the longest run of at least two zero parts, and the first of equally long ones
/// (RFC 5952 section 4.2).
pub(super) static RUN: [(u8, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut zeros = 0;
    while zeros < 256 {
        let mut first = 0;
        while first < 8 {
            let mut parts = 0;
            while first + parts < 8 && (zeros >> (first + parts)) & 1 == 1 {
                parts += 1;
            }
            if parts >= 2 && parts as u8 > table[zeros].1 {
                table[zeros] = (first as u8, parts as u8);
            }
            first += 1;
        }
        zeros += 1;
    }
    table
};
