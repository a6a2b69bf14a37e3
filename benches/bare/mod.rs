//! The bare loop: writes the nine columns as fast as safe Rust allows, for one purpose and without
//! checks. The library is measured against it, and the two share no code.
#![allow(dead_code, clippy::panic)]

pub mod lines;
pub mod process;
pub mod text;

/// Bytes that one line needs, including those that its last stores touch.
pub const LINE: usize = 256;

/// Returns the texts of all bytes; the upper 32 bits are the length in bits.
const fn bytes() -> [u64; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (a, b, c) = (n / 100 + 48, n / 10 % 10 + 48, n % 10 + 48);
        let (text, len) = match n {
            0..10 => (c, 1),
            10..100 => (b | (c << 8), 2),
            _ => (a | (b << 8) | (c << 16), 3),
        };
        table[n as usize] = text | ((len * 8) << 32);
        n += 1;
    }
    table
}

/// Returns the three digits of 0 to 999.
const fn threes() -> [u32; 1024] {
    let mut table = [0; 1024];
    let mut n = 0;
    while n < 1000 {
        table[n as usize] = (n / 100) | ((n / 10 % 10) << 8) | ((n % 10) << 16);
        n += 1;
    }
    table
}

static BYTE: [u64; 256] = bytes();
static THREE: [u32; 1024] = threes();

/// The text of one line.
pub struct Line<'a> {
    pub room: &'a mut [u8; LINE],
    pub at: usize,
}

impl Line<'_> {
    #[inline(always)]
    fn put(&mut self, word: u64, bits: u64) {
        // The mask saves a bounds check; no line is longer.
        let at = self.at & 127;
        self.room[at..at + 8].copy_from_slice(&word.to_le_bytes());
        self.at += (bits / 8) as usize;
    }

    #[inline(always)]
    pub fn small(&mut self, value: u8, end: u8) {
        let entry = BYTE[usize::from(value)];
        let bits = entry >> 32;
        self.put(entry & 0xff_ffff | (u64::from(end) << bits), bits + 8);
    }

    #[inline(always)]
    pub fn number(&mut self, value: u32, end: u8) {
        if value < 256 {
            self.small(value as u8, end);
        } else {
            self.wide(value, end);
        }
    }

    #[inline(always)]
    pub fn wide(&mut self, value: u32, end: u8) {
        if value < 1_000_000 {
            let digits = six(value);
            let zeros = u64::from((digits | (1 << 40)).trailing_zeros()) & 56;
            let bits = 48 - zeros;
            self.put(((digits | 0x3030_3030_3030) >> zeros) | (u64::from(end) << bits), bits + 8);
        } else {
            let digits = six(value / 1_000_000);
            let zeros = u64::from((digits | (1 << 40)).trailing_zeros()) & 56;
            self.put((digits | 0x3030_3030_3030) >> zeros, 48 - zeros);
            self.put(six(value % 1_000_000) | 0x3030_3030_3030 | (u64::from(end) << 48), 56);
        }
    }

    #[inline(always)]
    pub fn ipv4(&mut self, [a, b, c, d]: [u8; 4], end: u8) {
        let (a, b) = (BYTE[usize::from(a)], BYTE[usize::from(b)]);
        let (c, d) = (BYTE[usize::from(c)], BYTE[usize::from(d)]);
        let dotted = |entry: u64| {
            let bits = entry >> 32;
            (entry & 0xff_ffff | (0x2e << bits), bits + 8)
        };
        let ((a, a_bits), (b, b_bits), (c, c_bits)) = (dotted(a), dotted(b), dotted(c));
        self.put(a | (b << a_bits), a_bits + b_bits);
        let bits = d >> 32;
        let d = d & 0xff_ffff | (u64::from(end) << bits);
        self.put(c | (d << c_bits), c_bits + bits + 8);
    }
}

#[inline(always)]
fn six(value: u32) -> u64 {
    let (high, low) = (value / 1000, value % 1000);
    u64::from(THREE[(high & 1023) as usize]) | (u64::from(THREE[(low & 1023) as usize]) << 24)
}

/// Returns the CPU time of this process in nanoseconds.
pub fn cpu() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// Returns the median.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Returns the machine's load and cores as text: figures of a busy machine are worth less.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let three: Vec<_> = text.split(' ').take(3).collect();
    format!("load {}, {cores} cores", three.join(" "))
}
