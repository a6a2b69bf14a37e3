//! nfkit: finding and stopping attacks from flow exports, with small Unix commands.
//!
//! This page is the map of the house. Every command is a filter over one of two text formats, and
//! every module below is one room of the way from a router's export to a finding:
//!
//! ```text
//!  export datagrams ──capture──▶ payloads ──wire──▶ Flow ──line──▶ flow lines (nfkit-flow(5))
//!  flow lines ──line──▶ Flow ──detect──▶ Finding ──finding──▶ finding lines (nfkit-finding(5))
//! ```
//!
//! * [`time`] and [`flow`] hold what all the others share: a moment, a window, the marks that open
//!   and close one, and the flow record. They know no file, no socket and no clock.
//! * [`wire`] turns one export datagram into flows and back; [`mod@line`] does the same with lines of
//!   text. Neither sees the other, and [`detect`] sees neither, so that every filter can be replaced
//!   by any program that speaks the line format.
//! * [`mod@packet`] parses link layers, IP and UDP, for captured frames and for sampled headers.
//! * [`capture`] reads and writes the files that hold export datagrams.
//! * [`mod@table`] counts anything by key, exactly at any size: what memory cannot hold goes to disk.
//! * [`total`] adds up flows, packets and octets by whatever a flow line says, and ranks them.
//! * [`detect`] counts flows in a window and returns the hosts that stand out, as [`finding`]s.
//! * [`filter`] reads `nfgrep`'s expressions and says which flows they mean.
//! * [`incident`] says whose a host is and turns findings into mails and block commands.
//! * [`scenario`] is what `nfgen` plays: hosts, traffic and attacks, with the truth beside them.
//! * [`page`] shows findings, and the windows that were judged, as one static web page.
//! * [`cli`] is what all commands do alike: streams, exit status, messages, shared options.
//! * [`tool`] has one module per command. It is the only place where the layers meet.
//!
//! Library modules never print, exit, read the environment or ask the clock: time comes from the
//! data, so a replayed capture gives byte-identical output. `ARCHITECTURE.md` says which module may
//! use which, and `scripts/check-layers` holds the code to it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod capture;
pub mod cli;
pub mod conversation;
pub mod detect;
pub mod filter;
pub mod finding;
pub mod flow;
pub mod incident;
pub mod line;
pub mod packet;
pub mod page;
pub mod scenario;
pub mod table;
pub mod time;
pub mod tool;
pub mod total;
pub mod wire;
