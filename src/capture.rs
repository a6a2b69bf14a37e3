//! The files that hold export datagrams: read from any capture program, written as `nfcap` writes
//! them, found in a spool.
//!
//! A [`Reader`] turns a pcap or pcapng stream, ours or tcpdump's, into sections and [`Datagram`]s;
//! a [`Writer`] makes nfcap's own pcapng; [`spool`] names the files, lists them in time order and
//! brings a finished one in without ever overwriting another. What a datagram says is the business
//! of [`wire`](crate::wire); the compression of a file is undone by the caller.
//!
//! A [`Socket`](socket::Socket) receives datagrams and knows what the kernel dropped; a
//! [`Collector`] puts them into the slots of their arrival and begins each file with the templates in
//! force.
#![deny(clippy::indexing_slicing)]

mod block;
mod collect;
mod error;
mod fragments;
mod input;
mod packet;
mod reader;
mod section;
pub mod socket;
pub mod spool;
mod writer;

#[cfg(test)]
mod sample;

pub use collect::{CollectError, Collector, Denied, Finished, To};
pub use error::{Error, WriteError};
pub use packet::Skipped;
pub use reader::{Datagram, Ending, Event, Reader};
pub use section::{Closing, MAX_ALLOW, Slot, SlotError};
pub use writer::Writer;

/// The comment of a packet that restates templates in force: in no counter, of no exporter's making
/// in this slot.
const TEMPLATES: &str = "nfcap:templates";
