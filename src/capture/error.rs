//! Errors of reading and of writing capture files.

use std::io;

use pcap_file::PcapError;

use super::section::{MAX_ALLOW, SlotError};

/// The reason why a capture cannot be read, or not further. Offsets count bytes of the decompressed
/// stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream has no bytes.
    #[error("empty, no capture file")]
    Empty,
    /// The stream ends inside the first header.
    #[error("too short for a capture file: {len} bytes, \"{first}\"")]
    Short {
        /// Bytes in the stream.
        len: usize,
        /// The first bytes, escaped.
        first: String,
    },
    /// The stream begins like neither pcap nor pcapng.
    #[error("neither pcap nor pcapng, it begins with \"{first}\"")]
    Unknown {
        /// The first bytes, escaped.
        first: String,
    },
    /// The stream ends inside a packet or block.
    #[error("byte {offset}: torn: {what} needs {expected} bytes, the file ends after {found}")]
    Torn {
        /// Offset of the packet or block.
        offset: u64,
        /// The part that is torn.
        what: &'static str,
        /// Bytes of the whole part.
        expected: usize,
        /// Bytes of it in the stream.
        found: usize,
    },
    /// A packet or block claims more bytes than the limit.
    #[error("byte {offset}: {what} of {found} bytes; the limit is {limit}")]
    Size {
        /// Offset of the packet or block.
        offset: u64,
        /// The part that is too large.
        what: &'static str,
        /// Bytes that it claims.
        found: u32,
        /// The most bytes that it may have.
        limit: usize,
    },
    /// A header or block breaks its format.
    #[error("byte {offset}: expected {expected}, found {found}")]
    Malformed {
        /// Offset of the header or block.
        offset: u64,
        /// The format's requirement.
        expected: &'static str,
        /// The content in its place.
        found: String,
    },
    /// The comment of a section that nfcap wrote, or of its closing block, is damaged.
    #[error("byte {offset}: {source}")]
    Slot {
        /// Offset of the block.
        offset: u64,
        /// The error in the comment.
        source: SlotError,
    },
    /// The stream cannot be read, or its compression is torn.
    #[error("byte {offset}: {source}")]
    Io {
        /// Bytes read before.
        offset: u64,
        /// Error of the system or the decompressor.
        source: io::Error,
    },
}

/// The reason why a block was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output returned an error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A packet or an end is outside a section, or a section inside another.
    #[error("{0}")]
    Order(&'static str),
    /// Source and destination are of different IP versions.
    #[error("a datagram from {from} to {to} mixes IP versions")]
    Versions {
        /// Source address.
        from: std::net::IpAddr,
        /// Destination address.
        to: std::net::IpAddr,
    },
    /// The payload is longer than a UDP datagram holds.
    #[error("a payload of {len} bytes is more than a UDP datagram holds")]
    Payload {
        /// Bytes of the payload.
        len: usize,
    },
    /// A slot has more allowed networks than a section comment holds.
    #[error("{len} allowed networks; the limit of a capture file is {MAX_ALLOW}")]
    Allow {
        /// Networks in the list.
        len: usize,
    },
    /// pcap-file could not form the block.
    #[error(transparent)]
    Block(#[from] PcapError),
}

/// Returns the first bytes of a file as text: at most 16, escaped.
pub(super) fn first(bytes: &[u8]) -> String {
    bytes.iter().take(16).copied().flat_map(std::ascii::escape_default).map(char::from).collect()
}
