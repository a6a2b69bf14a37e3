//! Packets for tests, built from literal bytes.

/// 192.0.2.1:50000 to 192.0.2.9:2055, "flow".
pub(crate) const IP4: [u8; 32] = [
    0x45, 0x00, 0x00, 0x20, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb6, 0xc2, 192, 0, 2, 1, 192, 0,
    2, 9, // UDP
    0xc3, 0x50, 0x08, 0x07, 0x00, 0x0c, 0x00, 0x00, b'f', b'l', b'o', b'w',
];

/// [2001:db8::1]:50000 to [2001:db8::9]:2055, "flow".
pub(crate) const IP6: [u8; 52] = [
    0x60, 0, 0, 0, 0x00, 0x0c, 17, 64, // addresses
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, //
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, // UDP
    0xc3, 0x50, 0x08, 0x07, 0x00, 0x0c, 0x12, 0x34, b'f', b'l', b'o', b'w',
];

/// Returns an Ethernet frame that carries the packet, with these VLAN tag types before the packet's
/// own EtherType.
pub(crate) fn ethernet(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0x00, 0x2a]);
    }
    frame.extend(if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] });
    frame.extend(packet);
    frame
}

/// Cuts an IP packet without options or extension headers into fragments with this identification,
/// which end after these bytes of its payload.
pub(crate) fn pieces(packet: &[u8], ends: &[usize], identification: u16) -> Vec<Vec<u8>> {
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

/// Returns a packet like [`IP4`] or [`IP6`] with another payload.
pub(crate) fn carrying(payload: &[u8], six: bool) -> Vec<u8> {
    let (mut packet, udp) = if six { (IP6.to_vec(), 40) } else { (IP4.to_vec(), 20) };
    packet.truncate(udp + 8);
    packet.extend(payload);
    let len = 8 + payload.len() as u16;
    packet[udp + 4..udp + 6].copy_from_slice(&len.to_be_bytes());
    if six {
        packet[4..6].copy_from_slice(&len.to_be_bytes());
    } else {
        packet[2..4].copy_from_slice(&(20 + len).to_be_bytes());
    }
    packet
}
