//! What can be wrong with a capture file, and with what a caller wants written.

use std::io;

use pcap_file::PcapError;

use super::section::SlotError;

/// Why a capture cannot be read, or not further. Offsets count octets of the decompressed stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is not one octet.
    #[error("empty, no capture file")]
    Empty,
    /// It ends inside the first header.
    #[error("too short for a capture file: {len} octets, \"{first}\"")]
    Short {
        /// Octets there are.
        len: usize,
        /// The first of them, escaped.
        first: String,
    },
    /// It begins as neither pcap nor pcapng does.
    #[error("neither pcap nor pcapng, it begins with \"{first}\"")]
    Unknown {
        /// The first octets, escaped.
        first: String,
    },
    /// The stream ends inside a packet or block.
    #[error("byte {offset}: torn: {what} needs {expected} octets, the file ends after {found}")]
    Torn {
        /// Where the packet or block begins.
        offset: u64,
        /// What is torn.
        what: &'static str,
        /// Octets it needs.
        expected: usize,
        /// Octets that are there.
        found: usize,
    },
    /// A packet or block claims more octets than any honest one has.
    #[error("byte {offset}: {what} of {found} octets, more than {limit}")]
    Size {
        /// Where it begins.
        offset: u64,
        /// What is too large.
        what: &'static str,
        /// Octets it claims.
        found: u32,
        /// The most it may have.
        limit: usize,
    },
    /// A header or block breaks its format.
    #[error("byte {offset}: expected {expected}, found {found}")]
    Malformed {
        /// Where the header or block begins.
        offset: u64,
        /// What the format asks for.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The comment of a section that nfcap wrote, or of its closing block, is damaged.
    #[error("byte {offset}: {source}")]
    Slot {
        /// Where the block begins.
        offset: u64,
        /// What is wrong.
        source: SlotError,
    },
    /// The stream cannot be read, or its compression is torn.
    #[error("byte {offset}: {source}")]
    Io {
        /// Octets that came before.
        offset: u64,
        /// What the system or the decompressor said.
        source: io::Error,
    },
}

/// Why a block was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output took it not.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A packet or an end without a section, or a section inside another.
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
    /// More payload than one UDP datagram holds.
    #[error("a payload of {len} octets is more than a UDP datagram holds")]
    Payload {
        /// Octets of payload.
        len: usize,
    },
    /// More allowed networks than a section comment holds.
    #[error("{len} allowed networks are more than a capture file can name ({})", super::MAX_ALLOW)]
    Allow {
        /// Networks in the list.
        len: usize,
    },
    /// The block could not be put into pcapng's form.
    #[error(transparent)]
    Block(#[from] PcapError),
}

/// The first octets of a file as text: at most 16, escaped.
pub(super) fn first(octets: &[u8]) -> String {
    octets.iter().take(16).copied().flat_map(std::ascii::escape_default).map(char::from).collect()
}
