//! A finding: one host that stood out in one window, in the form that all three detectors share.
//!
//! nfkit-finding(5) is the contract. This module holds the record ([`Finding`]), its one-line forms in text
//! and JSON ([`Writer`], [`Reader`]), the order in which the findings of a window are printed, and a set that
//! holds each finding once ([`FindingSet`]). It does not know how a host was found or what will be done about it.

mod condition;
mod networks;
mod read;
mod record;
mod renamed;
mod row;
mod set;
mod why;
pub mod words;
mod write;

pub use condition::Condition;
pub use networks::scanned_networks;
pub use read::{Item, MAX_JSON, Reader};
pub use record::{
    COLUMNS, DETECTORS, Finding, Host, Kind, MAX_LINE, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role,
    Sample, Side, UNKNOWN_SECONDS,
};
pub use renamed::{current_class, current_metric};
pub use row::Error;
pub use set::{FindingSet, Identity, SET_LIMIT};
pub use why::masked_why;
pub use write::{Form, Writer, line};

#[cfg(test)]
pub(crate) mod tests;
