//! Notices: what the people who are responsible for hosts are told.
//!
//! [`mail`] turns findings into one mail for each person. It is text in, text out: nothing is sent, and
//! nothing is remembered from one run to the next.
//!
//! Findings come from the network and may be forged. Only their numbers, addresses and words of a fixed form
//! reach a header.
#![deny(clippy::indexing_slicing)]

pub mod mail;
mod words;
