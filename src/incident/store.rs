//! The memory of incidents: an SQLite database, the only I/O of this module.
//!
//! A run is two transactions. [`Store::ingest`] writes down the lines that came in, each once whatever
//! happens; [`Store::update`] goes through them, and writes incidents, notices and journal together. A
//! process that dies between the two, or within one, leaves work that the next run does.
//!
//! ```text
//! finding lines ──ingest──▶ finding, judged (pending) ──update──▶ incident, notice, journal
//! ```
//!
//! The database is in WAL mode and every commit reaches the disk before it returns. Writers are kept apart
//! by a lock that the command holds, and readers see the state of the last commit.
//!
//! The journal is append-only: triggers refuse any change of a row, and its removal except by retention.
//! A row has these columns, which are also the keys of its JSON form:
//!
//! | key | value |
//! |---|---|
//! | `id` | number, growing; never used again |
//! | `incident` | number of the incident, or null |
//! | `data` | time of the data, Unix seconds in the database and RFC 3339 in JSON |
//! | `wall` | time of the run, likewise |
//! | `actor` | `nfnotify`, or the person |
//! | `what` | [`Changed`](super::Changed): `state`, `matter`, `claim`, `ignore`, `notice`, `deadline`, `wish`, `memory` |
//! | `from` | the value before, `-` if there was none |
//! | `to` | the value after |
//! | `reason` | the reason |
//! | `mode` | `shadow` or `live` |

mod db;
mod error;
mod figures;
mod ingest;
mod mail;
mod meta;
mod read;
mod retain;
mod schema;
mod transfer;
mod update;

pub use db::{Secret, Store};
pub use error::Error;
pub use figures::Figures;
pub use ingest::{Ingest, Ingested, MAX_FINDINGS, MAX_JUDGED, MAX_PENDING, Taken};
pub use mail::{Mail, MailKind, NewMail, NumberedNotice, ReceivedAs, Unreported};
pub use read::{Entry, Freeze, Hook, LastRun};
pub use retain::{MAX_CLOSED, MAX_JOURNAL, Retained};
pub use schema::VERSION;
pub use transfer::Imported;
pub use update::{MAX_WAITING, Update};

#[cfg(test)]
mod tests;
