//! Captures for tests, built from literal bytes.

pub(super) use crate::packet::sample::{IP4, IP6, carrying, ethernet, pieces};

/// 994025700 seconds: 2001-07-01T22:15:00Z.
pub(super) const SECONDS: u32 = 994_025_700;

/// A byte order, and the blocks that are written in it.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) big: bool,
}

pub(super) const BIG: Order = Order { big: true };
pub(super) const LITTLE: Order = Order { big: false };

impl Order {
    pub(super) fn u16(self, n: u16) -> [u8; 2] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    pub(super) fn u32(self, n: u32) -> [u8; 4] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    pub(super) fn u64(self, n: u64) -> [u8; 8] {
        if self.big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    /// Returns a pcap file: its header, then packets of seconds, fraction and bytes.
    pub(super) fn pcap(self, magic: u32, link: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = self.u32(magic).to_vec();
        file.extend([self.u16(2), self.u16(4)].concat());
        file.extend([self.u32(0), self.u32(0), self.u32(65_535), self.u32(link)].concat());
        for (seconds, fraction, bytes) in packets {
            let len = bytes.len() as u32;
            let header = [self.u32(*seconds), self.u32(*fraction), self.u32(len), self.u32(len)];
            file.extend(header.concat());
            file.extend(*bytes);
        }
        file
    }

    /// Returns a pcapng block with its body padded.
    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let len = self.u32((12 + body.len().next_multiple_of(4)) as u32);
        let mut block = [self.u32(kind), len].concat();
        block.extend(body);
        block.resize(8 + body.len().next_multiple_of(4), 0);
        block.extend(len);
        block
    }

    pub(super) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = [self.u16(code), self.u16(value.len() as u16)].concat();
        option.extend(value);
        option.resize(4 + value.len().next_multiple_of(4), 0);
        option
    }

    pub(super) fn section(self, options: &[u8]) -> Vec<u8> {
        let mut body = self.u32(0x1a2b_3c4d).to_vec();
        body.extend([self.u16(1), self.u16(0)].concat());
        body.extend(self.u64(u64::MAX));
        body.extend(options);
        self.block(0x0a0d_0d0a, &body)
    }

    pub(super) fn interface(self, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        let mut body = [self.u16(link), self.u16(0)].concat();
        body.extend(self.u32(snaplen));
        body.extend(options);
        self.block(1, &body)
    }

    /// Returns an enhanced packet block.
    pub(super) fn packet(self, id: u32, ticks: u64, bytes: &[u8], options: &[u8]) -> Vec<u8> {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let len = self.u32(bytes.len() as u32);
        let mut body = [self.u32(id), self.u32(high), self.u32(low), len, len].concat();
        body.extend(bytes);
        body.resize(20 + bytes.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(6, &body)
    }
}
