//! Export datagrams and flows: NetFlow v1, v5, v7 and v9 (RFC 3954), IPFIX (RFC 7011) and sFlow
//! version 5 (sflow.org), in both directions.
//!
//! A [`Decoder`] takes the datagrams of many exporters and appends flows to a [`Batch`]. It keeps
//! templates, data that arrived before its template, and counters. An [`Exporter`] packs flows into
//! datagrams of one version. One bad set never costs its datagram: the set is skipped by its length,
//! counted, and reported with its place.
//!
//! The files build on each other, from the bottom up:
//!
//! | file | contents |
//! |---|---|
//! | `error`, `domain`, `stats`, `batch`, `limits`, `memory` | errors, names, counters and bounds |
//! | `cursor`, `set` | reading and writing bytes; the sets of v9 and IPFIX |
//! | `element` | the information elements, and the fields of a template |
//! | `context` | the header that a record's times are relative to |
//! | `options` | sampling and start time, from options data records |
//! | `sink` | where the records of a set go |
//! | `record` | the values of any record, and the flows that they make |
//! | `plain` | a fast path for records of the common shape |
//! | `options_records` | options data records in their original bytes |
//! | `template` | templates, compiled into the reads that a record takes |
//! | `pending` | data sets that wait for their template |
//! | `sequence`, `shares` | losses; which exporter is evicted when a table is full |
//! | `reader` | one datagram and the state of its domain |
//! | `classic`, `v1`, `v5`, `v7`, `v9`, `ipfix`, `sflow` | one file a protocol, parse beside emit |
//! | `exporter` | flows packed into datagrams |
//! | `restate` | the templates and options in force, packed into datagrams |
//! | `decoder` | the decoder |
//!
//! # From a record to a flow
//! * Counters come from the delta elements, else from the total, initiator, post-observation or
//!   layer 2 elements, in this order. They are never scaled by the sampling rate. A record without
//!   any counter (a firewall event) makes a flow of 0 packets and 0 bytes.
//! * A biflow, by RFC 5103 or by initiator and responder counters, makes two flows. The reverse flow
//!   is made only if one of its counters is above 0.
//! * If a template names an element twice, the first one is used. A field whose length its element
//!   cannot have is skipped.
//! * A time is `None` if it is zero, out of range, or relative and more than an hour after the
//!   export. A start after the end is dropped. If First and Last of NetFlow are both 0, both are
//!   unknown.
#![deny(clippy::indexing_slicing)]

mod batch;
mod classic;
mod context;
mod cursor;
mod decoder;
mod domain;
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
mod reader;
mod record;
mod restate;
mod sequence;
mod set;
mod sflow;
mod shares;
mod sink;
mod stats;
mod template;
#[cfg(test)]
mod tests;
mod v1;
mod v5;
mod v7;
mod v9;

pub use batch::Batch;
pub use decoder::Decoder;
pub use domain::{Domain, Version};
pub use error::{Error, Fault, Foreign, Reason};
pub use exporter::{DATAGRAM, Exporter, REFRESH, Refused};
pub use limits::DecoderLimits;
pub use stats::{Faults, Lost, Missing, Source, Stats, Totals};
