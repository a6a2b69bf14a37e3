//! UDP datagrams in captured frames, whole or in fragments.

use std::net::IpAddr;
use std::ops::Range;

use super::error::Error;
use super::ip::{Extensions, Ip, Ipv4, Ipv6, Stop, is_fragmentable};
use super::link::{Link, network};
use super::protocol::UDP;

/// Bytes of the longest IPv4 packet, and of the longest payload of IPv6. [`fragment`] refuses
/// fragments that reach further (the ping of death).
pub const MAX_LEN: usize = 65_535;

/// Bytes of a UDP header (RFC 768).
const HEADER: usize = 8;

/// A UDP datagram in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source address.
    pub source: IpAddr,
    /// Source port.
    pub port: u16,
    /// Destination port.
    pub dport: u16,
    /// The payload's place in the frame.
    pub payload: Range<usize>,
}

/// A piece of a fragmented UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Number that all fragments of one datagram share.
    pub identification: u32,
    /// Type of the first header in the datagram. With IPv6 it counts only where `offset` is 0.
    pub first: u8,
    /// Bytes of the datagram before this piece.
    pub offset: u16,
    /// True if more pieces follow.
    pub more: bool,
    /// The piece: at least one byte, and a multiple of 8 if more pieces follow. It ends within
    /// [`MAX_LEN`].
    pub data: &'a [u8],
}

/// Finds the UDP datagram in a frame.
///
/// # Errors
/// [`Error::Fragment`] if the frame holds a piece of a datagram, which [`fragment`] reads; otherwise
/// the reason why it holds none. The protocol is judged before the lengths, because a snapshot may
/// end behind the headers.
#[inline]
pub fn udp(link: Link, frame: &[u8]) -> Result<Udp, Error> {
    let ip = network(link, frame)?.ip;
    let before = frame.len() - ip.len();
    match Ip::parse(ip)? {
        Ip::V4(ip) => {
            if ip.protocol() != UDP {
                return Err(Error::NotUdp);
            }
            if ip.fragment().is_some() {
                return Err(Error::Fragment);
            }
            let payload = ip.payload();
            if !payload.whole {
                return Err(Error::Cut);
            }
            datagram(ip.source(), before + ip.header_len(), payload.bytes)
        }
        Ip::V6(ip) => {
            let payload = ip.payload();
            let mut extensions = ip.extensions();
            match extensions.walk() {
                Stop::Upper if extensions.next == UDP => {}
                Stop::Upper => return Err(Error::NotUdp),
                Stop::Fragment(_) => return Err(Error::Fragment),
                Stop::Cut => return Err(Error::Cut),
                Stop::Malformed => return Err(Error::Malformed),
            }
            if !payload.whole {
                return Err(Error::Cut);
            }
            let passed = payload.bytes.len() - extensions.bytes.len();
            datagram(ip.source(), before + ip.header_len() + passed, extensions.bytes)
        }
    }
}

/// Finds the UDP datagram in `whole`, the data of all fragments of a packet from `source`, which
/// begins with a header of type `first`.
///
/// # Errors
/// The reason why it holds none. A fragment within it is malformed.
pub fn reassembled(source: IpAddr, first: u8, whole: &[u8]) -> Result<Udp, Error> {
    let mut extensions = Extensions::new(first, whole);
    match extensions.walk() {
        Stop::Upper if extensions.next == UDP => {
            datagram(source, whole.len() - extensions.bytes.len(), extensions.bytes)
        }
        Stop::Upper => Err(Error::NotUdp),
        Stop::Cut => Err(Error::Cut),
        Stop::Fragment(_) | Stop::Malformed => Err(Error::Malformed),
    }
}

/// Parses the UDP header (RFC 768) at the front of `bytes`, which lie at `at` in their frame.
#[inline]
fn datagram(source: IpAddr, at: usize, bytes: &[u8]) -> Result<Udp, Error> {
    let &[s0, s1, d0, d1, l0, l1, _, _] = bytes.first_chunk::<HEADER>().ok_or(Error::Cut)?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < HEADER {
        return Err(Error::Malformed);
    }
    if len > bytes.len() {
        return Err(Error::Cut);
    }
    Ok(Udp {
        source,
        port: u16::from_be_bytes([s0, s1]),
        dport: u16::from_be_bytes([d0, d1]),
        payload: at + HEADER..at + len,
    })
}

/// Reads the piece of a datagram in a frame that [`udp`] called a fragment.
///
/// # Errors
/// The reason why the piece cannot be used. A piece is malformed if it reaches beyond [`MAX_LEN`],
/// is empty, or is no multiple of 8 bytes without being the last (RFC 8200 section 4.5).
#[cold]
pub fn fragment(link: Link, frame: &[u8]) -> Result<Fragment<'_>, Error> {
    let Piece { fragment, before } = match Ip::parse(network(link, frame)?.ip)? {
        Ip::V4(ip) => ipv4(&ip)?,
        Ip::V6(ip) => ipv6(&ip)?,
    };
    let len = fragment.data.len();
    if len == 0
        || (fragment.more && len % 8 != 0)
        || before + usize::from(fragment.offset) + len > MAX_LEN
    {
        return Err(Error::Malformed);
    }
    Ok(fragment)
}

/// A fragment whose length has not been judged yet.
struct Piece<'a> {
    fragment: Fragment<'a>,
    /// Bytes in front of the reassembled data that count towards [`MAX_LEN`].
    before: usize,
}

/// Reads a fragment of IPv4 (RFC 791 section 3.2).
fn ipv4<'a>(ip: &Ipv4<'a>) -> Result<Piece<'a>, Error> {
    let field = ip.fragment().ok_or(Error::Malformed)?;
    let payload = ip.payload();
    // Without a length, it is unknown where padding begins.
    if ip.total_len() == 0 {
        return Err(Error::Malformed);
    }
    if !payload.whole {
        return Err(Error::Cut);
    }
    let fragment = Fragment {
        source: ip.source(),
        destination: ip.destination(),
        identification: field.identification,
        first: ip.protocol(),
        offset: field.offset,
        more: field.more,
        data: payload.bytes,
    };
    Ok(Piece { fragment, before: ip.header_len() })
}

/// Reads a fragment of IPv6 (RFC 8200 section 4.5).
fn ipv6<'a>(ip: &Ipv6<'a>) -> Result<Piece<'a>, Error> {
    let mut extensions = ip.extensions();
    let field = match extensions.walk() {
        Stop::Fragment(field) => field,
        Stop::Cut => return Err(Error::Cut),
        Stop::Upper | Stop::Malformed => return Err(Error::Malformed),
    };
    // The datagram may begin with extension headers of its own before UDP.
    if extensions.next != UDP && !is_fragmentable(extensions.next) {
        return Err(Error::NotUdp);
    }
    let payload = ip.payload();
    if ip.payload_len() == 0 {
        return Err(Error::Malformed);
    }
    if !payload.whole {
        return Err(Error::Cut);
    }
    let fragment = Fragment {
        source: ip.source(),
        destination: ip.destination(),
        identification: field.identification,
        first: extensions.next,
        offset: field.offset,
        more: field.more,
        data: extensions.bytes,
    };
    // The payload length counts extension headers before the fragment header, too.
    let before = payload.bytes.len() - extensions.bytes.len() - 8;
    Ok(Piece { fragment, before })
}
