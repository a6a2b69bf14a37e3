//! Errors of the parser.

/// The reason why a frame holds no packet, or not the packet that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes end before the headers do, or before the lengths in them say. A snapshot length
    /// explains that in a capture; otherwise the lengths are wrong.
    Cut,
    /// A length contradicts its own header.
    Malformed,
    /// The frame carries neither IPv4 nor IPv6.
    NotIp,
    /// The packet is IP, but not UDP.
    NotUdp,
    /// The packet is a fragment, which [`fragment`](super::fragment) reads.
    Fragment,
}
