//! The headers of a sampled packet, of which only the first bytes are there.

use std::net::IpAddr;

use super::ip::{Ip, Ipv4, Ipv6, Stop};
use super::link::{Link, network};
use super::transport::Transport;

/// The headers of one packet, in the columns of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub sip: IpAddr,
    /// Destination address.
    pub dip: IpAddr,
    /// Protocol; for IPv6 the one after the extension headers.
    pub proto: u8,
    /// Source port; 0 for ICMP, for protocols without ports, in all fragments but the first, and if
    /// the port is cut off.
    pub sport: u16,
    /// Destination port, 0 like `sport`; for ICMP and ICMPv6 type * 256 + code.
    pub dport: u16,
    /// TCP's control bits, `None` if they are cut off; 0 for other protocols.
    pub flags: Option<u16>,
    /// Length of the IP packet in bytes, by its header. If that says 0, by the length of the frame,
    /// or 0 if that is not known either.
    pub length: u64,
    /// Type of service or traffic class.
    pub tos: Option<u8>,
    /// VLAN id of the outermost tag that has one.
    pub vlan: Option<u16>,
    /// Source MAC address.
    pub srcmac: Option<[u8; 6]>,
    /// Destination MAC address.
    pub dstmac: Option<[u8; 6]>,
}

/// Reads the first bytes of a frame of `frame_len` bytes, without its check sequence, if that is
/// known.
///
/// Returns `None` if the frame holds no IP packet, or the bytes end before both addresses.
pub fn headers(link: Link, bytes: &[u8], frame_len: Option<u32>) -> Option<Headers> {
    let network = network(link, bytes).ok()?;
    let before = bytes.len() - network.ip.len();
    let len = u64::from(frame_len.unwrap_or(0)).saturating_sub(before as u64);
    let headers = match Ip::parse(network.ip).ok()? {
        Ip::V4(ip) => ipv4(&ip, len),
        Ip::V6(ip) => ipv6(&ip, len),
    };
    let (mut srcmac, mut dstmac) = (None, None);
    if link == Link::Ethernet {
        let &[d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = bytes.first_chunk()?;
        (srcmac, dstmac) = (Some([s0, s1, s2, s3, s4, s5]), Some([d0, d1, d2, d3, d4, d5]));
    }
    Some(Headers { vlan: network.vlan, srcmac, dstmac, ..headers })
}

/// Reads an IPv4 packet of `len` bytes by the frame around it.
fn ipv4(ip: &Ipv4<'_>, len: u64) -> Headers {
    let proto = ip.protocol();
    let begins = ip.fragment().is_none_or(|fragment| fragment.offset == 0);
    let transport = if begins {
        Transport::parse(proto, ip.payload().bytes)
    } else {
        Transport::unknown(proto)
    };
    Headers {
        sip: ip.source(),
        dip: ip.destination(),
        proto,
        sport: transport.sport,
        dport: transport.dport,
        flags: transport.flags,
        length: match ip.total_len() {
            0 => len,
            total => total as u64,
        },
        tos: Some(ip.tos()),
        vlan: None,
        srcmac: None,
        dstmac: None,
    }
}

/// Reads an IPv6 packet of `len` bytes by the frame around it.
fn ipv6(ip: &Ipv6<'_>, len: u64) -> Headers {
    let mut extensions = ip.extensions();
    let mut stop = extensions.walk();
    // Only the first fragment begins with headers; bytes of a later one are data. A fragment
    // within a fragment ends the walk like any other bound.
    if matches!(stop, Stop::Fragment(fragment) if fragment.offset == 0) {
        stop = extensions.walk();
    }
    let proto = extensions.next;
    let transport = match stop {
        Stop::Upper => Transport::parse(proto, extensions.bytes),
        Stop::Fragment(_) | Stop::Cut | Stop::Malformed => Transport::unknown(proto),
    };
    Headers {
        sip: ip.source(),
        dip: ip.destination(),
        proto,
        sport: transport.sport,
        dport: transport.dport,
        flags: transport.flags,
        length: match ip.payload_len() {
            0 => len,
            payload => (payload + ip.header_len()) as u64,
        },
        tos: Some(ip.traffic_class()),
        vlan: None,
        srcmac: None,
        dstmac: None,
    }
}
