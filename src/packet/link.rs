//! Link layers: finds the IP packet in a frame.

use super::error::Error;

/// The most VLAN tags that are stepped over.
pub const MAX_TAGS: usize = 8;

/// The most MPLS labels that are stepped over. Segment routing (RFC 8660) stacks a dozen.
pub const MAX_LABELS: usize = 16;

/// EtherTypes (IEEE 802).
mod ethertype {
    pub const IPV4: u16 = 0x0800;
    pub const IPV6: u16 = 0x86dd;
    /// IEEE 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad.
    pub const PROVIDER_VLAN: u16 = 0x88a8;
    /// Stacked tags before 802.1ad.
    pub const OLD_PROVIDER_VLAN: u16 = 0x9100;
    /// MPLS (RFC 3032 section 5, RFC 5332).
    pub const MPLS: u16 = 0x8847;
    pub const MPLS_MULTICAST: u16 = 0x8848;
    /// The session stage of PPPoE (RFC 2516 section 5).
    pub const PPPOE: u16 = 0x8864;
}

/// PPP protocol numbers (IANA, "PPP DLL Protocol Numbers").
mod ppp {
    pub const IPV4: u16 = 0x0021;
    pub const IPV6: u16 = 0x0057;
    /// MPLS (RFC 3032 section 4.3).
    pub const MPLS: u16 = 0x0281;
    pub const MPLS_MULTICAST: u16 = 0x0283;
}

/// Link layers that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Ethernet without its preamble.
    Ethernet,
    /// PPP (RFC 1661), with or without the address and control bytes of RFC 1662.
    Ppp,
    /// A serial line: PPP, or Cisco's framing if the first byte is one of Cisco's addresses.
    Serial,
    /// Cisco's framing on a serial line (RFC 1547 section 4.3.1).
    CiscoHdlc,
    /// MPLS, from the first label on (RFC 3032).
    Mpls,
    /// IP without anything before it.
    Ip,
    /// The loopback interface of a BSD: an address family of four bytes, then IP.
    Loopback,
    /// Linux cooked capture, version 1.
    LinuxCooked,
    /// Linux cooked capture, version 2.
    LinuxCooked2,
}

impl Link {
    /// Returns the link layer of a link type in pcap and pcapng files (tcpdump.org, "Link-layer
    /// header types"), or `None` if it is not read.
    pub fn from_pcap(number: u32) -> Option<Link> {
        Some(match number {
            // OpenBSD has a number of its own for its loopback.
            0 | 108 => Link::Loopback,
            1 => Link::Ethernet,
            9 => Link::Ppp,
            // IP was 12 in most systems' libpcap once, and is 14 in OpenBSD's.
            12 | 14 | 101 | 228 | 229 => Link::Ip,
            50 => Link::Serial,
            104 => Link::CiscoHdlc,
            113 => Link::LinuxCooked,
            276 => Link::LinuxCooked2,
            _ => return None,
        })
    }
}

/// The IP packet in a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network<'a> {
    /// The packet and any padding after it: the tail of the frame.
    pub ip: &'a [u8],
    /// VLAN id of the outermost tag that has one.
    pub vlan: Option<u16>,
}

/// Returns the IP packet in `frame`.
///
/// A packet whose version is not the one that its EtherType or PPP protocol announces is no IP: a
/// host's IP stack drops it too.
#[inline]
pub(super) fn network(link: Link, frame: &[u8]) -> Result<Network<'_>, Error> {
    // Offsets of the EtherType, and of the bytes that it describes.
    let (kind, payload) = match link {
        Link::Ethernet => (12, 14),
        Link::Ip => return Ok(untagged(frame)),
        // The family's number depends on the system, the version in the IP header does not.
        Link::Loopback => return frame.get(4..).map(untagged).ok_or(Error::Cut),
        Link::Mpls => return labels(frame).map(untagged),
        Link::Ppp => return point_to_point(frame).map(untagged),
        Link::Serial if !matches!(frame, [0x0f | 0x8f, ..]) => {
            return point_to_point(frame).map(untagged);
        }
        Link::Serial | Link::CiscoHdlc => (2, 4),
        Link::LinuxCooked => (14, 16),
        Link::LinuxCooked2 => (0, 20),
    };
    let kind = u16_at(frame, kind).ok_or(Error::Cut)?;
    let rest = frame.get(payload..).ok_or(Error::Cut)?;
    match kind {
        ethertype::IPV4 => of_version(4, rest).map(untagged),
        ethertype::IPV6 => of_version(6, rest).map(untagged),
        _ => tagged(kind, rest),
    }
}

fn untagged(ip: &[u8]) -> Network<'_> {
    Network { ip, vlan: None }
}

/// Returns the IP packet behind an EtherType other than IP's.
fn tagged(mut kind: u16, mut rest: &[u8]) -> Result<Network<'_>, Error> {
    let mut vlan = None;
    for _ in 0..MAX_TAGS {
        if !matches!(
            kind,
            ethertype::VLAN | ethertype::PROVIDER_VLAN | ethertype::OLD_PROVIDER_VLAN
        ) {
            break;
        }
        // A tag's control information, then the next EtherType (IEEE 802.1Q).
        let (&[a, b, c, d], after) = rest.split_first_chunk().ok_or(Error::Cut)?;
        // VLAN id 0 is a tag that only has a priority.
        let id = u16::from_be_bytes([a, b]) & 0x0fff;
        vlan = vlan.or((id != 0).then_some(id));
        kind = u16::from_be_bytes([c, d]);
        rest = after;
    }
    let ip = match kind {
        ethertype::IPV4 => of_version(4, rest)?,
        ethertype::IPV6 => of_version(6, rest)?,
        ethertype::MPLS | ethertype::MPLS_MULTICAST => labels(rest)?,
        // Version, code, session and length, then PPP.
        ethertype::PPPOE => point_to_point(rest.get(6..).ok_or(Error::Cut)?)?,
        _ => return Err(Error::NotIp),
    };
    Ok(Network { ip, vlan })
}

/// Returns the IP packet in a PPP frame (RFC 1661 section 2, RFC 1662 section 3.1).
fn point_to_point(frame: &[u8]) -> Result<&[u8], Error> {
    let frame = match frame {
        [0xff, 0x03, frame @ ..] => frame,
        [0xff] => return Err(Error::Cut),
        frame => frame,
    };
    // The last byte of a protocol number is odd, all others are even. An upper byte of zero may
    // have been left out (RFC 1661 section 6.5).
    let (protocol, rest) = match frame {
        [low, rest @ ..] if low & 1 == 1 => (u16::from(*low), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return Err(Error::Cut),
    };
    match protocol {
        ppp::IPV4 => of_version(4, rest),
        ppp::IPV6 => of_version(6, rest),
        ppp::MPLS | ppp::MPLS_MULTICAST => labels(rest),
        _ => Err(Error::NotIp),
    }
}

/// Returns the bytes under a stack of MPLS labels (RFC 3032 section 2.1). The labels do not say
/// that they are IP; the version in them does.
fn labels(mut rest: &[u8]) -> Result<&[u8], Error> {
    for _ in 0..MAX_LABELS {
        let (&[_, _, bottom, _], after) = rest.split_first_chunk().ok_or(Error::Cut)?;
        rest = after;
        if bottom & 1 == 1 {
            return Ok(rest);
        }
    }
    Err(Error::NotIp)
}

/// Returns `ip` if it is a packet of this version.
fn of_version(version: u8, ip: &[u8]) -> Result<&[u8], Error> {
    if ip.first().ok_or(Error::Cut)? >> 4 == version { Ok(ip) } else { Err(Error::NotIp) }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
