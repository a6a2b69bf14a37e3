//! Files that hold export datagrams, and the collector that writes them.
//!
//! * A [`Reader`] turns a pcap or pcapng stream, of nfcap or of any capture program, into sections
//!   and [`Datagram`]s. The caller decompresses the file.
//! * A [`Writer`] makes nfcap's own pcapng.
//! * [`spool`] names the files, lists them in time order, and moves a finished file into place
//!   without ever overwriting another.
//! * [`Live`] is the collector. One thread receives from [`Socket`](socket::Socket)s; in another a
//!   [`Collector`] writes each datagram into the slot of its arrival. A bounded queue lies between.
//!
//! [`packet`](crate::packet) finds the datagram in a captured frame, and [`wire`](crate::wire)
//! decodes it.
#![deny(clippy::indexing_slicing)]

mod admission;
mod block;
mod collect;
mod error;
mod fragments;
mod input;
mod live;
mod packet_block;
mod queue;
mod reader;
mod receive;
mod section;
mod skipped;
mod slots;
pub mod socket;
pub mod spool;
mod template_cache;
mod writer;

#[cfg(test)]
mod sample;

pub use admission::{Allow, Denied, MAX_RATE, Rate};
pub use collect::{CollectError, Collector, Finished, Followed, Forgotten, Output};
pub use error::{Error, WriteError};
pub use live::{CollectorEvent, CollectorPlan, Live};
pub use reader::{Datagram, Ending, Event, Reader};
pub use receive::{Counters, clock, clocks};
pub use section::{Closing, MAX_ALLOW, MAX_IDENT, Slot, SlotError, is_ident};
pub use skipped::Skipped;
pub use writer::Writer;
