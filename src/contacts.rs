//! The people who are responsible for networks, the kinds of these networks, and the hosts that are never
//! blocked.
//!
//! [`Contacts`] is a site's file of them, and answers who is responsible for a host and what kind of network it is
//! in. [`NeverList`] answers whether a host may be blocked at all. This module knows networks and mail addresses,
//! but no findings.
#![deny(clippy::indexing_slicing)]

mod address;
mod embedded;
mod list;
mod never;

pub use address::{Address, is_visible};
pub use embedded::{tunnel_end, unmapped};
pub use list::{Contact, ContactError, Contacts, Lang, NetworkKind, Responsible};
pub use never::{Never, NeverList, NeverReason, is_machine};
