//! What can be wrong with a datagram, and where.

use std::fmt;
use std::net::IpAddr;

use super::{Foreign, Version};

/// A part of a datagram that could not be read. The rest of the datagram was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who sent it.
    pub exporter: IpAddr,
    /// The protocol, once it is known.
    pub version: Option<Version>,
    /// The set it was in, for v9 and IPFIX.
    pub set: Option<u16>,
    /// Offset in the datagram's payload, in octets.
    pub at: usize,
    /// What is wrong there.
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
        write!(f, "octet {}: ", self.at)?;
        self.reason.fmt(f)
    }
}

impl std::error::Error for Error {}

/// What is wrong: what was expected and what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Fewer octets than something needs.
    #[error("{what} needs {needed} octets, {left} are left")]
    Short {
        /// What was being read.
        what: &'static str,
        /// Octets it needs.
        needed: usize,
        /// Octets there are.
        left: usize,
    },
    /// A protocol that this house does not read (NetFlow v8, older sFlow, noise).
    #[error("expected NetFlow version 1, 5, 7, 9, IPFIX or sFlow version 5, found {found}")]
    Version {
        /// By the first octets.
        found: Foreign,
    },
    /// A header that counts more than there is: of v1, v5 and v7 records, of sFlow samples, or an
    /// sFlow sample its records. Those that are there are read.
    #[error("the header counts {stated} {what}, {held} are there")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many by the header.
        stated: u32,
        /// How many there are.
        held: usize,
    },
    /// An sFlow sample, or a record or packet in it, that ends after what it is in; what is there
    /// is read.
    #[error("{what} length {stated}, {left} octets are left")]
    Overrun {
        /// What it is.
        what: &'static str,
        /// Its length as it is stated.
        stated: u32,
        /// Octets there are.
        left: usize,
    },
    /// An address in sFlow that is neither IPv4 nor IPv6: where it ends is not known.
    #[error("address type {found}, expected 1 or 2")]
    AddressType {
        /// The type.
        found: u32,
    },
    /// An IPFIX message that is shorter than its header, or longer than the datagram; what is there
    /// is read.
    #[error("the header says {stated} octets, {held} are there")]
    MessageLength {
        /// Octets by the header.
        stated: u16,
        /// Octets in the datagram from this message's first one on.
        held: usize,
    },
    /// Octets after an IPFIX message that are no further message and no padding.
    #[error("{left} octets after the end of the message")]
    Trailing {
        /// How many.
        left: usize,
    },
    /// A set whose length does not even hold its own header: nothing after it can be found.
    #[error("set length {found}, expected at least 4")]
    SetLength {
        /// The length.
        found: u16,
    },
    /// A set that ends after the datagram; the whole records in it are read.
    #[error("set length {stated}, {left} octets are left")]
    SetOverrun {
        /// The length.
        stated: u16,
        /// Octets from the set's first one to the datagram's end.
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
    /// A template with more fields than [`DecoderLimits::fields`](super::DecoderLimits::fields).
    #[error("template {id} has {found} fields, at most {limit} are taken")]
    TemplateFields {
        /// The template.
        id: u16,
        /// Its fields.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A template whose records would have no octets, or more than a set can hold.
    #[error("template {id} describes records of {found} octets")]
    TemplateLength {
        /// The template.
        id: u16,
        /// Shortest record it describes.
        found: usize,
    },
    /// More records than [`DecoderLimits::records`](super::DecoderLimits::records); the others are not read.
    #[error("more than {limit} records of template {id}, {left} octets are left")]
    Records {
        /// The template.
        id: u16,
        /// The limit.
        limit: usize,
        /// Octets there are behind them.
        left: usize,
    },
    /// A record of variable length that ends after its set.
    #[error("a record of template {id} has {needed} octets or more, {left} are left")]
    Record {
        /// The template.
        id: u16,
        /// Octets it has at least, by the lengths that could be read.
        needed: usize,
        /// Octets there are.
        left: usize,
    },
    /// The system has no memory for a template.
    #[error("no memory for the template")]
    Memory,
}

impl Reason {
    /// The kind, for counting.
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
    /// All of them, in the order of their numbers.
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

    /// A word for statistics.
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
    fn an_error_says_where_and_why() {
        let error = Error {
            exporter: "192.0.2.1".parse().unwrap(),
            version: Some(Version::V9),
            set: Some(256),
            at: 24,
            reason: Reason::SetOverrun { stated: 80, left: 12 },
        };
        assert_eq!(
            error.to_string(),
            "192.0.2.1: NetFlow v9, set 256, octet 24: set length 80, 12 octets are left"
        );
    }

    #[test]
    fn faults_are_numbered_in_order() {
        for (n, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, n);
        }
    }
}
