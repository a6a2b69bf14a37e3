//! The people who are responsible for networks.
//!
//! [`Contacts`] is a site's file of them, and answers who is responsible for a host. This module knows
//! networks and mail addresses, but no findings.
#![deny(clippy::indexing_slicing)]

mod address;
mod list;

pub use address::{Address, is_visible};
pub use list::{Contact, ContactError, Contacts, Lang, NetworkKind, Responsible};
