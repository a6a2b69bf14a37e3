//! Captures for tests, built from literal octets.

/// 192.0.2.1:50000 to 192.0.2.9:2055, "flow".
pub(super) const IP4: [u8; 32] = [
    0x45, 0x00, 0x00, 0x20, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb6, 0xc2, 192, 0, 2, 1, 192, 0,
    2, 9, // UDP
    0xc3, 0x50, 0x08, 0x07, 0x00, 0x0c, 0x00, 0x00, b'f', b'l', b'o', b'w',
];

/// [2001:db8::1]:50000 to [2001:db8::9]:2055, "flow".
pub(super) const IP6: [u8; 52] = [
    0x60, 0, 0, 0, 0x00, 0x0c, 17, 64, // addresses
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, // UDP
    0xc3, 0x50, 0x08, 0x07, 0x00, 0x0c, 0x12, 0x34, b'f', b'l', b'o', b'w',
];

/// 994025700 seconds: 2001-07-01T22:15:00Z.
pub(super) const SECONDS: u32 = 994_025_700;

/// Numbers in one of the two byte orders.
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

    /// A pcap file: header, then packets of seconds, fraction and octets.
    pub(super) fn pcap(self, magic: u32, link: u32, packets: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = self.u32(magic).to_vec();
        file.extend([self.u16(2), self.u16(4)].concat());
        file.extend([self.u32(0), self.u32(0), self.u32(65_535), self.u32(link)].concat());
        for (seconds, fraction, octets) in packets {
            let len = octets.len() as u32;
            let header = [self.u32(*seconds), self.u32(*fraction), self.u32(len), self.u32(len)];
            file.extend(header.concat());
            file.extend(*octets);
        }
        file
    }

    /// A pcapng block; the body is padded.
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

    /// An enhanced packet block.
    pub(super) fn packet(self, id: u32, ticks: u64, octets: &[u8], options: &[u8]) -> Vec<u8> {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let len = self.u32(octets.len() as u32);
        let mut body = [self.u32(id), self.u32(high), self.u32(low), len, len].concat();
        body.extend(octets);
        body.resize(20 + octets.len().next_multiple_of(4), 0);
        body.extend(options);
        self.block(6, &body)
    }
}

/// The packet in an Ethernet frame with these VLAN tag types before the packet's own EtherType.
pub(super) fn ethernet(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0x00, 0x2a]);
    }
    frame.extend(if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] });
    frame.extend(packet);
    frame
}

/// An IP packet, of IPv4 without options or IPv6 without extension headers, in fragments that end
/// after these octets of its payload, with this identification.
pub(super) fn pieces(packet: &[u8], ends: &[usize], identification: u16) -> Vec<Vec<u8>> {
    let six = packet[0] >> 4 == 6;
    let (header, payload) = packet.split_at(if six { 40 } else { 20 });
    let mut start = 0;
    let piece = |end: &usize| {
        let (offset, more) = (start as u16, u16::from(*end < payload.len()));
        let data = &payload[start..*end];
        start = *end;
        let mut piece = header.to_vec();
        if six {
            piece[4..6].copy_from_slice(&(8 + data.len() as u16).to_be_bytes());
            piece[6] = 44;
            piece.extend([header[6], 0]);
            piece.extend((offset | more).to_be_bytes());
            piece.extend(u32::from(identification).to_be_bytes());
        } else {
            piece[2..4].copy_from_slice(&(20 + data.len() as u16).to_be_bytes());
            piece[4..6].copy_from_slice(&identification.to_be_bytes());
            piece[6..8].copy_from_slice(&((more << 13) | (offset / 8)).to_be_bytes());
        }
        piece.extend(data);
        piece
    };
    ends.iter().map(piece).collect()
}

/// A packet like [`IP4`] or [`IP6`] with another payload.
pub(super) fn carrying(payload: &[u8], six: bool) -> Vec<u8> {
    let (mut packet, udp) = if six { (IP6.to_vec(), 40) } else { (IP4.to_vec(), 20) };
    packet.truncate(udp + 8);
    packet.extend(payload);
    let len = 8 + payload.len() as u16;
    packet[udp + 4..udp + 6].copy_from_slice(&len.to_be_bytes());
    match six {
        true => packet[4..6].copy_from_slice(&len.to_be_bytes()),
        false => packet[2..4].copy_from_slice(&(20 + len).to_be_bytes()),
    }
    packet
}
