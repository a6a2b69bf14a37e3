//! From findings to action: who is responsible for a host, what to tell them, what to block.
//!
//! A [`FindingSet`] holds each finding once, however often it was read. [`Contacts`] knows who is
//! responsible for a host. [`mail`] turns the findings into one mail per responsible person, and [`block`]
//! into commands for a router or a firewall. Everything here is text in, text out: nothing is sent, and
//! nothing is remembered from one run to the next.
//!
//! Findings come from the network and may be forged. Only their numbers, addresses and words of a fixed form
//! reach a header or a command.
#![deny(clippy::indexing_slicing)]

pub mod block;
mod contacts;
mod finding_set;
pub mod mail;
mod words;

pub use contacts::{Address, Contact, ContactError, Contacts};
pub use finding_set::{FindingSet, LIMIT};
