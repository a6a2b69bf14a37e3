//! nfkit: finding and stopping attacks from flow exports, with small Unix commands.
//!
//! This page is the map. Every command is a filter over one of two text formats, and the modules
//! below are the way from a router's export to a finding:
//!
//! ```text
//!  export datagrams ──capture──▶ payloads ──wire──▶ Flow ──line──▶ flow lines (nfkit-flow(5))
//!  flow lines ──line──▶ Flow ──window, conversation, detect──▶ Finding ──finding──▶ finding lines
//! ```
//!
//! * [`time`] and [`flow`] hold what all others share: moments, windows, the marks that open and
//!   close windows, and the flow record. They know no file, no socket and no clock.
//! * [`mod@packet`] parses link layers, IP and UDP, for captured frames and for sampled headers.
//! * [`wire`] decodes export datagrams into flows, and encodes flows again.
//! * [`mod@line`] does the same with lines of text. [`wire`] and [`mod@line`] do not see each other,
//!   and [`detect`] sees neither, so that any filter can be replaced by a program that speaks the
//!   line format.
//! * [`capture`] reads and writes the files that hold export datagrams, and receives datagrams.
//! * [`window`] decides which flows are counted together, and how much of a window was seen.
//! * [`mod@table`] counts by key, exactly at any size: what memory cannot hold goes to disk.
//! * [`conversation`] puts the flows of two hosts together: initiator, responder, outcome.
//! * [`detect`] judges the conversations of a window and returns the hosts that stand out as
//!   [`finding`]s.
//! * [`total`] adds up flows, packets and bytes by a column of a flow line, and ranks the sums.
//! * [`filter`] compiles the expressions of `nfgrep` and applies them to flows.
//! * [`contacts`] knows who is responsible for a network, and which hosts are never blocked.
//! * [`notice`] turns findings into mails to those who are responsible, and [`block`] into commands that
//!   block hosts.
//! * [`report`] has tables and times for people.
//! * [`page`] shows findings, and the windows that were judged, as one static web page.
//! * [`scenario`] plays hosts, traffic and attacks for `nfgen`, and knows the truth about them.
//! * [`cli`] holds what all commands have in common: streams, exit status, messages, shared options.
//! * [`tool`] has one module per command. It is the only place where the layers meet.
//!
//! Library modules never print, exit, read the environment or ask the clock: time comes from the
//! data, so a replayed capture gives the same bytes. `ARCHITECTURE.md` says which module may use
//! which, and `scripts/check-layers` holds the code to it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod block;
pub mod capture;
pub mod cli;
pub mod contacts;
pub mod conversation;
pub mod detect;
pub mod filter;
pub mod finding;
pub mod flow;
pub mod incident;
pub mod line;
pub mod notice;
pub mod packet;
pub mod page;
pub mod report;
pub mod scenario;
pub mod table;
pub mod time;
pub mod tool;
pub mod total;
pub mod window;
pub mod wire;
