//! Export datagrams and flows: NetFlow v1, v5, v7 and v9 (RFC 3954), IPFIX (RFC 7011) and sFlow
//! version 5 (sflow.org), both ways.
//!
//! A [`Decoder`] takes the datagrams of many exporters and appends flows to a [`Batch`]; it keeps
//! the templates, the data that came before its template, and the counts. An [`Exporter`] packs
//! flows into datagrams of one version. One bad set never costs the datagram: it is skipped by its
//! length, counted, and said where.
//!
//! One file a protocol, parse beside emit: `v1`, `v5`, `v7`, `v9`, `ipfix`, `sflow`. What the three
//! of fixed records share is in `classic`. What v9 and IPFIX share is in `set` (the walk over sets),
//! `element` (what a field means), `template` (a template compiled into steps), `record` and `plain`
//! (the values of one record, and the flows they make), `options` (what an exporter tells of itself),
//! `scoped` (the same as it came), `force` (what is in force as datagrams again) and `held` (data without a template). The
//! first octets of a packet, which sFlow and IPFIX carry, are read in `frame`. `session` is what a
//! protocol's file puts them into, `sequence` finds what is missing, `shares` says who pays when a table is full, `decoder` holds all
//! together,
//! `stats` and `error` say what happened.
//!
//! # What a record becomes
//! * Counts: the delta elements, else totals, initiator's, post-observation, layer 2; never scaled
//!   by sampling. Without any the flow counts 0 (a firewall's event).
//! * A biflow, by RFC 5103 or by initiator and responder counters, makes two flows; the reverse
//!   one only if it counts anything.
//! * Where a template names an element twice, the first holds. A field of a length that its
//!   element cannot have is skipped by its length.
//! * A moment is `None` if it is zero, out of range, or relative and more than an hour after the
//!   export; a start after the end is dropped. NetFlow's First and Last both 0 mean unknown.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::flow::{Extra, Flow};

mod classic;
mod cursor;
mod decoder;
mod element;
mod error;
mod exporter;
mod frame;
mod ipfix;
mod limits;
mod memory;
mod options;
mod options_records;
mod pending;
mod plain;
mod record;
mod restate;
mod sequence;
mod session;
mod set;
mod sflow;
mod shares;
mod stats;
mod template;
#[cfg(test)]
mod tests;
mod v1;
mod v5;
mod v7;
mod v9;

pub use decoder::Decoder;
pub use error::{Error, Fault, Reason};
pub use exporter::{DATAGRAM, Exporter, REFRESH, Refused};
pub use limits::DecoderLimits;
pub use stats::{Faults, Foreign, Lost, Missing, Source, Stats, Totals};

/// The protocols that this house reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// NetFlow v1, Cisco's first fixed record.
    V1,
    /// NetFlow v5, Cisco's fixed record.
    V5,
    /// NetFlow v7, the fixed record of Catalyst switches.
    V7,
    /// NetFlow v9, RFC 3954.
    V9,
    /// IPFIX, RFC 7011; version number 10.
    Ipfix,
    /// sFlow version 5, sflow.org.
    Sflow,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V1 => "NetFlow v1",
            Version::V5 => "NetFlow v5",
            Version::V7 => "NetFlow v7",
            Version::V9 => "NetFlow v9",
            Version::Ipfix => "IPFIX",
            Version::Sflow => "sFlow",
        })
    }
}

/// Who numbers templates and counts sequences: one engine of an exporter, in one version.
///
/// The UDP source port is no part of it: exporters change it when they restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain {
    /// Source address of the datagrams; of sFlow the agent's address.
    pub exporter: IpAddr,
    /// Protocol.
    pub version: Version,
    /// v5 and v7: engine type * 256 + engine id; v9: source id; IPFIX: observation domain; sFlow:
    /// sub-agent; v1 has none, 0.
    pub id: u32,
}

/// In two numbers: field by field takes several times as long, and each datagram's domain is looked up.
impl Hash for Domain {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let address = match self.exporter {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits(),
        };
        state.write_u128(address);
        state.write_u64(((self.version as u64) << 32) | u64::from(self.id));
    }
}

/// What came out of datagrams. The caller reuses it, and empties it when it likes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Flows, appended in the order of the octets.
    pub flows: Vec<Flow>,
    /// The rest that was said of each of them, if the decoder was asked to keep it; else nothing.
    pub extras: Vec<Extra>,
    /// How many of the flows were in data that had waited for its template.
    pub late: u64,
    /// What is missing before them, by the exporters' sequence numbers.
    pub lost: Lost,
    /// Problems, at most [`DecoderLimits::errors`] a datagram; [`Stats::faults`] counts all.
    pub errors: Vec<Error>,
}

impl Batch {
    /// Empties it and keeps its room.
    pub fn clear(&mut self) {
        self.flows.clear();
        self.extras.clear();
        self.late = 0;
        self.lost = Lost::default();
        self.errors.clear();
    }
}
