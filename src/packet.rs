//! The headers of a packet: link layers, VLAN tags, MPLS labels, PPP, IPv4, IPv6 and its extension
//! headers, UDP.
//!
//! Two users share this parser, so that both read the same packet alike:
//!
//! * [`udp`] finds the UDP datagram in a captured frame, which must be whole. [`fragment`] reads a
//!   piece of a fragmented one, [`reassembled`] what the pieces make.
//! * [`headers`] reads the first bytes of a sampled packet, as sFlow and IPFIX carry them. They may
//!   be cut off anywhere, and the result holds as much as they show.
//!
//! Any input may be hostile. Each loop consumes bytes, and at most [`MAX_TAGS`] VLAN tags,
//! [`MAX_LABELS`] MPLS labels and [`MAX_EXTENSIONS`] IPv6 extension headers are stepped over.
//! Packets made of nothing else would keep a reader busy. Checksums are not verified: a host that
//! captures its own packets leaves them to the network card.
//!
//! The crate etherparse is the reference in the tests. Its slices refuse a header that is cut off,
//! and its walk over extension headers continues into a later fragment's data as if that began with
//! headers.
#![deny(clippy::indexing_slicing)]

mod error;
mod ip;
mod link;
mod protocol;
mod sampled;
mod transport;
mod udp;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use ip::{MAX_EXTENSIONS, is_extension};
pub use link::{Link, MAX_LABELS, MAX_TAGS};
pub use sampled::{Headers, headers};
pub use transport::{TCP_CONTROL_BITS, has_ports};
pub use udp::{Fragment, MAX_LEN, Udp, fragment, reassembled, udp};
