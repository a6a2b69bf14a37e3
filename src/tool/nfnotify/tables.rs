//! The tables of the configuration file that nfnotify reads besides `[site]`: what it remembers, what it
//! does about an incident, and whom it tells of changes.

mod hook;
mod incident;
mod policy;
mod values;

pub use hook::HOOK;
pub use incident::INCIDENT;
pub use policy::POLICY;

pub(super) use hook::limit;
pub(super) use incident::{DB, keep, mode};
pub(super) use policy::rule;
