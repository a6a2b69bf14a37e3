//! IPv4 and IPv6 headers, and IPv6 extension headers.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::Error;

/// The most IPv6 extension headers that are stepped over.
pub const MAX_EXTENSIONS: usize = 8;

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;

/// Bytes of an IPv6 header.
const IPV6_HEADER: usize = 40;

/// IPv6 extension headers that name the header after them (RFC 8200 section 4, RFC 4302).
mod extension {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const AUTHENTICATION: u8 = 51;
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// Returns true if this protocol number is an IPv6 extension header that is stepped over.
#[inline]
pub const fn is_extension(protocol: u8) -> bool {
    use extension::{AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, ROUTING};
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// Returns true if a fragmented IPv6 packet's data may begin with this extension header: those that
/// each router on the way reads stay in front of the fragment header (RFC 8200 section 4.5).
pub(super) const fn is_fragmentable(protocol: u8) -> bool {
    use extension::{AUTHENTICATION, DESTINATION_OPTIONS, ROUTING};
    matches!(protocol, ROUTING | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// An IP packet whose first header is there and consistent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ip<'a> {
    V4(Ipv4<'a>),
    V6(Ipv6<'a>),
}

impl<'a> Ip<'a> {
    /// Parses the IPv4 or IPv6 header at the front of `bytes`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Ip<'a>, Error> {
        match bytes.first().ok_or(Error::Cut)? >> 4 {
            4 => Ipv4::parse(bytes).map(Ip::V4),
            6 => Ipv6::parse(bytes).map(Ip::V6),
            _ => Err(Error::NotIp),
        }
    }
}

/// The bytes after a header, as far as they are there, without padding behind the packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    pub bytes: &'a [u8],
    /// True if no byte that the header counts is missing.
    pub whole: bool,
}

/// The place of a fragment in its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FragmentField {
    pub identification: u32,
    /// Bytes of the packet before this fragment.
    pub offset: u16,
    /// True if more fragments follow.
    pub more: bool,
}

/// An IPv4 packet (RFC 791 section 3.1). Its options may be cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv4<'a> {
    header: &'a [u8; IPV4_HEADER],
    bytes: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Parses a header.
    ///
    /// A total length below the header's is malformed (RFC 1812 section 5.2.2). A total length of 0
    /// is not: a host that captures its own packets leaves it to the network card.
    #[inline]
    fn parse(bytes: &'a [u8]) -> Result<Ipv4<'a>, Error> {
        let header = bytes.first_chunk().ok_or(Error::Cut)?;
        let ip = Ipv4 { header, bytes };
        let total = ip.total_len();
        if ip.header_len() < IPV4_HEADER || (total != 0 && total < ip.header_len()) {
            return Err(Error::Malformed);
        }
        Ok(ip)
    }

    /// Returns the bytes of the header with its options.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(self.header[0] & 0x0f) * 4
    }

    pub fn tos(&self) -> u8 {
        self.header[1]
    }

    /// Returns the bytes of the packet with its header, or 0 if the header does not say.
    #[inline]
    pub fn total_len(&self) -> usize {
        usize::from(u16::from_be_bytes([self.header[2], self.header[3]]))
    }

    /// Returns the place of the fragment, or `None` if the packet is whole.
    #[inline]
    pub fn fragment(&self) -> Option<FragmentField> {
        let field = u16::from_be_bytes([self.header[6], self.header[7]]);
        // The offset and the flag for more fragments, without the flag against fragmentation.
        if field & 0x3fff == 0 {
            return None;
        }
        Some(FragmentField {
            identification: u16::from_be_bytes([self.header[4], self.header[5]]).into(),
            offset: (field & 0x1fff) * 8,
            more: field & 0x2000 != 0,
        })
    }

    #[inline]
    pub fn protocol(&self) -> u8 {
        self.header[9]
    }

    #[inline]
    pub fn source(&self) -> IpAddr {
        let [.., a, b, c, d, _, _, _, _] = *self.header;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    }

    pub fn destination(&self) -> IpAddr {
        let [.., a, b, c, d] = *self.header;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    }

    /// Returns the bytes after the options.
    #[inline]
    pub fn payload(&self) -> Payload<'a> {
        let there = self.bytes.len();
        let end = match self.total_len() {
            0 => there,
            total => total,
        };
        match self.bytes.get(self.header_len()..end.min(there)) {
            Some(bytes) => Payload { bytes, whole: end <= there },
            None => Payload { bytes: &[], whole: false },
        }
    }
}

/// An IPv6 packet (RFC 8200 section 3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv6<'a> {
    header: &'a [u8; IPV6_HEADER],
    rest: &'a [u8],
}

impl<'a> Ipv6<'a> {
    #[inline]
    fn parse(bytes: &'a [u8]) -> Result<Ipv6<'a>, Error> {
        let (header, rest) = bytes.split_first_chunk().ok_or(Error::Cut)?;
        Ok(Ipv6 { header, rest })
    }

    /// Returns the bytes of the header without extension headers.
    #[inline]
    pub const fn header_len(&self) -> usize {
        IPV6_HEADER
    }

    pub fn traffic_class(&self) -> u8 {
        (self.header[0] << 4) | (self.header[1] >> 4)
    }

    /// Returns the bytes after the header, or 0 if the header does not say: in a jumbogram (RFC
    /// 2675), and where a host leaves the length to the network card.
    #[inline]
    pub fn payload_len(&self) -> usize {
        usize::from(u16::from_be_bytes([self.header[4], self.header[5]]))
    }

    #[inline]
    pub fn source(&self) -> IpAddr {
        self.address(8)
    }

    pub fn destination(&self) -> IpAddr {
        self.address(24)
    }

    #[inline]
    fn address(&self, at: usize) -> IpAddr {
        let address: Option<&[u8; 16]> = self.header.split_at(at).1.first_chunk();
        IpAddr::V6(Ipv6Addr::from(address.copied().unwrap_or_default()))
    }

    /// Returns the bytes after the header, extension headers among them.
    #[inline]
    pub fn payload(&self) -> Payload<'a> {
        let there = self.rest.len();
        let end = match self.payload_len() {
            0 => there,
            len => len,
        };
        let bytes = self.rest.get(..end.min(there)).unwrap_or_default();
        Payload { bytes, whole: end <= there }
    }

    /// Returns the walk over the extension headers.
    #[inline]
    pub fn extensions(&self) -> Extensions<'a> {
        Extensions::new(self.header[6], self.payload().bytes)
    }
}

/// A walk over IPv6 extension headers (RFC 8200 section 4).
#[derive(Clone, Copy, Debug)]
pub(super) struct Extensions<'a> {
    /// Type of the header that `bytes` begin with. If the header before it is cut off, its type is
    /// still known, and `bytes` are empty.
    pub next: u8,
    /// The bytes after the headers that were stepped over.
    pub bytes: &'a [u8],
    /// Number of headers that may still be stepped over.
    left: usize,
}

/// The reason why a walk over extension headers stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next header is no extension header, or [`MAX_EXTENSIONS`] lie before it.
    Upper,
    /// The header just stepped over makes the packet a fragment. A fragment header on a packet that
    /// is whole (RFC 6946) stops no walk.
    Fragment(FragmentField),
    /// The bytes end within a header.
    Cut,
    /// The next header is an authentication header of fewer than its fixed 12 bytes (RFC 4302
    /// section 2.2).
    Malformed,
}

impl<'a> Extensions<'a> {
    #[inline]
    pub fn new(next: u8, bytes: &'a [u8]) -> Extensions<'a> {
        Extensions { next, bytes, left: MAX_EXTENSIONS }
    }

    /// Steps over headers until there is a reason to stop. After [`Stop::Fragment`] the walk can
    /// continue, if the fragment is the first: only that one begins with headers.
    #[inline]
    pub fn walk(&mut self) -> Stop {
        while is_extension(self.next) && self.left > 0 {
            let stop = self.step();
            if stop != Stop::Upper {
                return stop;
            }
        }
        Stop::Upper
    }

    /// Steps over one header, which takes 8 bytes at least.
    fn step(&mut self) -> Stop {
        let &[next, len, high, low, ..] = self.bytes else { return Stop::Cut };
        let len = match self.next {
            extension::FRAGMENT => 8,
            extension::AUTHENTICATION if len == 0 => return Stop::Malformed,
            extension::AUTHENTICATION => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        self.left -= 1;
        let kind = mem::replace(&mut self.next, next);
        let Some((header, rest)) = self.bytes.split_at_checked(len) else {
            self.bytes = &[];
            return Stop::Cut;
        };
        self.bytes = rest;
        let field = u16::from_be_bytes([high, low]);
        match *header {
            // Two bits between the offset and the flag for more are reserved.
            [_, _, _, _, a, b, c, d] if kind == extension::FRAGMENT && field & 0xfff9 != 0 => {
                Stop::Fragment(FragmentField {
                    identification: u32::from_be_bytes([a, b, c, d]),
                    offset: field & 0xfff8,
                    more: field & 1 != 0,
                })
            }
            _ => Stop::Upper,
        }
    }
}
