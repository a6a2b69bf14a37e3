//! The tables of the configuration file that nfnotify reads besides `[site]`: what it remembers, what it
//! does about an incident, by which way it mails, and whom it tells of changes.

mod hook;
mod incident;
mod mail;
mod policy;
mod values;

pub use hook::HOOK;
pub use incident::INCIDENT;
pub use mail::MAIL;
pub use policy::POLICY;

pub(super) use hook::limit;
pub(super) use incident::{DB, keep, mode};
pub(super) use mail::{Relay, limit as mail_limit, relay};
pub(super) use policy::rule;
