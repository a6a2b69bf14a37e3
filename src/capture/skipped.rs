//! Counts of packets without a datagram, by reason.

use crate::packet;

/// Packets that held no datagram to read, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Packets of a link type that is not read, or of an interface that was never described.
    pub link: u64,
    /// Packets of neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// Packets of IP, but not UDP.
    pub not_udp: u64,
    /// Fragments of datagrams that were not whole after 30 s of the capture's time, or at the end of
    /// their section.
    pub fragments: u64,
    /// Fragments of datagrams whose fragments overlap or disagree on where they end. The whole
    /// datagram is refused, as RFC 5722 asks: no exporter sends such fragments. Attacks (teardrop)
    /// do, to crash the system that reassembles them or to show two readers two datagrams.
    pub overlaps: u64,
    /// Fragments of datagrams that were given up because too many were incomplete, or one had too
    /// many pieces. A flood of fragments that never become whole causes that.
    pub evicted: u64,
    /// Packets cut short by the capture's snapshot length.
    pub truncated: u64,
    /// Packets with headers whose lengths contradict the packet's.
    pub malformed: u64,
}

impl Skipped {
    /// Returns the sum of all reasons.
    pub fn total(&self) -> u64 {
        let Skipped { link, not_ip, not_udp, fragments, overlaps, evicted, truncated, malformed } =
            self;
        link + not_ip + not_udp + fragments + overlaps + evicted + truncated + malformed
    }

    pub(super) fn count(&mut self, skip: Skip, packets: u64) {
        *match skip {
            Skip::Link => &mut self.link,
            Skip::NotIp => &mut self.not_ip,
            Skip::NotUdp => &mut self.not_udp,
            Skip::Fragment => &mut self.fragments,
            Skip::Overlap => &mut self.overlaps,
            Skip::Evicted => &mut self.evicted,
            Skip::Truncated => &mut self.truncated,
            Skip::Malformed => &mut self.malformed,
        } += packets;
    }
}

/// The reason why a packet is skipped, one for each field of [`Skipped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Link,
    NotIp,
    NotUdp,
    Fragment,
    Overlap,
    Evicted,
    Truncated,
    Malformed,
}

impl Skip {
    /// Returns the reason for an error in a packet of which the capture holds all (`cut` is false),
    /// or less than the wire did.
    pub(super) fn from_error(error: packet::Error, cut: bool) -> Skip {
        match error {
            packet::Error::Cut if cut => Skip::Truncated,
            packet::Error::Cut | packet::Error::Malformed => Skip::Malformed,
            packet::Error::NotIp => Skip::NotIp,
            packet::Error::NotUdp => Skip::NotUdp,
            packet::Error::Fragment => Skip::Fragment,
        }
    }
}
