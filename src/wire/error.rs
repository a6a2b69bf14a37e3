//! Faults of datagrams, and their places.

use std::fmt;
use std::net::IpAddr;

use super::domain::Version;

/// An error for a part of a datagram that could not be read. The rest of the datagram has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Address of the exporter.
    pub exporter: IpAddr,
    /// The protocol, once it is known.
    pub version: Option<Version>,
    /// Id of the set, for v9 and IPFIX.
    pub set: Option<u16>,
    /// Offset in the datagram's payload, in bytes.
    pub at: usize,
    /// The fault.
    pub reason: Reason,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.exporter)?;
        if let Some(version) = self.version {
            write!(f, "{version}, ")?;
        }
        if let Some(set) = self.set {
            write!(f, "set {set}, ")?;
        }
        write!(f, "byte {}: ", self.at)?;
        self.reason.fmt(f)
    }
}

impl std::error::Error for Error {}

/// A protocol that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Foreign {
    /// sFlow of another version than 5. Its version number has 32 bits, NetFlow's 16.
    Sflow(u32),
    /// Any other first two bytes.
    Version(u16),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Sflow(version) => write!(f, "sFlow version {version}"),
            Foreign::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// A fault, with the values that were expected and found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Fewer bytes than an item needs.
    #[error("{what} needs {needed} bytes, {left} are left")]
    Short {
        /// The item.
        what: &'static str,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A protocol that cannot be read (NetFlow v8, older sFlow, noise).
    #[error("expected NetFlow version 1, 5, 7, 9, IPFIX or sFlow version 5, found {found}")]
    Version {
        /// The protocol by the first bytes.
        found: Foreign,
    },
    /// A header whose count is above the number of items that follow: records of v1, v5 and v7,
    /// samples of sFlow, or records of an sFlow sample. The items that are there are read.
    #[error("the header counts {stated} {what}, {held} are there")]
    Count {
        /// The items.
        what: &'static str,
        /// Number of items by the header.
        stated: u32,
        /// Number of items in the datagram.
        held: usize,
    },
    /// A sample of sFlow, or a record or packet in it, that ends after its enclosing item. The bytes
    /// that are there are read.
    #[error("{what} length {stated}, {left} bytes are left")]
    Overrun {
        /// The item.
        what: &'static str,
        /// Stated length of the item in bytes.
        stated: u32,
        /// Bytes that are left.
        left: usize,
    },
    /// An address in sFlow that is neither IPv4 nor IPv6, so that its length is unknown.
    #[error("address type {found}, expected 1 or 2")]
    AddressType {
        /// The type.
        found: u32,
    },
    /// An IPFIX message whose length is smaller than its header or larger than the datagram. The
    /// bytes that are there are read.
    #[error("the header says {stated} bytes, {held} are there")]
    MessageLength {
        /// Bytes by the header.
        stated: u16,
        /// Bytes from the start of the message to the end of the datagram.
        held: usize,
    },
    /// Bytes after an IPFIX message that are neither another message nor padding.
    #[error("{left} bytes after the end of the message")]
    Trailing {
        /// Number of bytes.
        left: usize,
    },
    /// A set whose length is smaller than its header. Later sets cannot be found.
    #[error("set length {found}, expected at least 4")]
    SetLength {
        /// The length.
        found: u16,
    },
    /// A set that ends after the datagram. The whole records in it are read.
    #[error("set length {stated}, {left} bytes are left")]
    SetOverrun {
        /// The length.
        stated: u16,
        /// Bytes from the start of the set to the end of the datagram.
        left: usize,
    },
    /// A set id that is neither data nor templates (RFC 7011 section 3.3.2).
    #[error("reserved set id")]
    SetId,
    /// A template id that no data set can name (RFC 7011 section 3.4.1: at least 256).
    #[error("template id {found}, expected at least 256")]
    TemplateId {
        /// The id.
        found: u16,
    },
    /// A template with more fields than
    /// [`DecoderLimits::fields`](super::limits::DecoderLimits::fields).
    #[error("template {id} has {found} fields; the limit is {limit}")]
    TemplateFields {
        /// Id of the template.
        id: u16,
        /// Number of its fields.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A template whose records would have no bytes, or more than a set can hold.
    #[error("template {id} describes records of {found} bytes")]
    TemplateLength {
        /// Id of the template.
        id: u16,
        /// Bytes of its shortest record.
        found: usize,
    },
    /// A set with more records than
    /// [`DecoderLimits::records`](super::limits::DecoderLimits::records). The records after the limit
    /// are not read.
    #[error("more than {limit} records of template {id}, {left} bytes are left")]
    Records {
        /// Id of the template.
        id: u16,
        /// The limit.
        limit: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A record of variable length that ends after its set.
    #[error("a record of template {id} has {needed} bytes or more, {left} are left")]
    Record {
        /// Id of the template.
        id: u16,
        /// The least length in bytes, by the lengths that could be read.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A template for which the system has no memory.
    #[error("no memory for the template")]
    Memory,
}

impl Reason {
    /// Returns the kind of fault, for counting.
    pub const fn fault(&self) -> Fault {
        match self {
            Reason::Short { .. } => Fault::Short,
            Reason::Version { .. } => Fault::Version,
            Reason::Count { .. } => Fault::Count,
            Reason::Overrun { .. } => Fault::Overrun,
            Reason::AddressType { .. } => Fault::AddressType,
            Reason::MessageLength { .. } => Fault::MessageLength,
            Reason::Trailing { .. } => Fault::Trailing,
            Reason::SetLength { .. } => Fault::SetLength,
            Reason::SetOverrun { .. } => Fault::SetOverrun,
            Reason::SetId => Fault::SetId,
            Reason::TemplateId { .. } => Fault::TemplateId,
            Reason::TemplateFields { .. } => Fault::TemplateFields,
            Reason::TemplateLength { .. } => Fault::TemplateLength,
            Reason::Records { .. } => Fault::Records,
            Reason::Record { .. } => Fault::Record,
            Reason::Memory => Fault::Memory,
        }
    }
}

/// A [`Reason`] without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// [`Reason::Short`]
    Short,
    /// [`Reason::Version`]
    Version,
    /// [`Reason::Count`]
    Count,
    /// [`Reason::Overrun`]
    Overrun,
    /// [`Reason::AddressType`]
    AddressType,
    /// [`Reason::MessageLength`]
    MessageLength,
    /// [`Reason::Trailing`]
    Trailing,
    /// [`Reason::SetLength`]
    SetLength,
    /// [`Reason::SetOverrun`]
    SetOverrun,
    /// [`Reason::SetId`]
    SetId,
    /// [`Reason::TemplateId`]
    TemplateId,
    /// [`Reason::TemplateFields`]
    TemplateFields,
    /// [`Reason::TemplateLength`]
    TemplateLength,
    /// [`Reason::Records`]
    Records,
    /// [`Reason::Record`]
    Record,
    /// [`Reason::Memory`]
    Memory,
}

impl Fault {
    /// All faults, in the order of their discriminants.
    pub const ALL: [Fault; 16] = [
        Fault::Short,
        Fault::Version,
        Fault::Count,
        Fault::Overrun,
        Fault::AddressType,
        Fault::MessageLength,
        Fault::Trailing,
        Fault::SetLength,
        Fault::SetOverrun,
        Fault::SetId,
        Fault::TemplateId,
        Fault::TemplateFields,
        Fault::TemplateLength,
        Fault::Records,
        Fault::Record,
        Fault::Memory,
    ];

    /// Returns the name for statistics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Fault::Short => "short",
            Fault::Version => "version",
            Fault::Count => "count",
            Fault::Overrun => "overrun",
            Fault::AddressType => "address-type",
            Fault::MessageLength => "message-length",
            Fault::Trailing => "trailing",
            Fault::SetLength => "set-length",
            Fault::SetOverrun => "set-overrun",
            Fault::SetId => "set-id",
            Fault::TemplateId => "template-id",
            Fault::TemplateFields => "template-fields",
            Fault::TemplateLength => "template-length",
            Fault::Records => "records",
            Fault::Record => "record",
            Fault::Memory => "memory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_place_and_the_fault() {
        let error = Error {
            exporter: "192.0.2.1".parse().unwrap(),
            version: Some(Version::V9),
            set: Some(256),
            at: 24,
            reason: Reason::SetOverrun { stated: 80, left: 12 },
        };
        assert_eq!(
            error.to_string(),
            "192.0.2.1: NetFlow v9, set 256, byte 24: set length 80, 12 bytes are left"
        );
    }

    #[test]
    fn faults_are_numbered_in_order() {
        for (n, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, n);
        }
    }
}
