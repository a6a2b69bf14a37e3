//! The files that hold export datagrams: read from any capture program, written as `nfcap` writes
//! them, found in a spool.
//!
//! A [`Reader`] turns a pcap or pcapng stream, ours or tcpdump's, into sections and [`Datagram`]s;
//! a [`Writer`] makes nfcap's own pcapng; [`spool`] names the files, lists them in time order and
//! brings a finished one in without ever overwriting another. What a datagram says is the business
//! of [`wire`](crate::wire); the compression of a file is undone by the caller.
//!
//! [`Live`] is the collector: a thread that receives from [`Socket`](socket::Socket)s, a thread in
//! which a [`Collector`] writes the slots of their arrival, and a bounded queue between them.
#![deny(clippy::indexing_slicing)]

mod admission;
mod block;
mod collect;
mod error;
mod fragments;
mod input;
#[expect(clippy::disallowed_methods, reason = "the writer keeps its periods by the clock")]
mod live;
mod packet;
mod packet_block;
mod queue;
mod reader;
#[expect(clippy::disallowed_methods, reason = "the arrival of a datagram is the clock's time")]
mod receive;
mod section;
mod slots;
pub mod socket;
pub mod spool;
#[expect(clippy::disallowed_methods, reason = "writing templates is paced by the clock")]
mod template_cache;
mod writer;

#[cfg(test)]
mod sample;

pub use admission::{Allow, Denied, MAX_RATE, Rate};
pub use collect::{CollectError, Collector, Finished, Followed, Forgotten, Output};
pub use error::{Error, WriteError};
pub use live::{CollectorEvent, CollectorPlan, Live};
pub use packet::Skipped;
pub use reader::{Datagram, Ending, Event, Reader};
pub use receive::{Counters, clock, clocks};
pub use section::{Closing, MAX_ALLOW, MAX_IDENT, Slot, SlotError, is_ident};
pub use writer::Writer;

/// The comment of a packet that restates templates in force: in no counter, of no exporter's making
/// in this slot.
const TEMPLATES: &str = "nfcap:templates";
