//! Notices: what the people who are responsible for hosts are told.
//!
//! [`mail`] turns findings into one mail for each person, and remembers nothing from one run to the next.
//! [`outbox`] says which notices about incidents go to whom in a run, and [`letter`] writes the mail about them.
//! [`token`] gives each of these the addresses that its answers go to, [`received`] tells the kinds of mail that
//! come back apart, and [`passed_on`] shows a reply to the operator. All of it is text in, text out: nothing is
//! sent here.
//!
//! Findings come from the network and may be forged. Only their numbers, addresses and words of a fixed form
//! reach a header.
#![deny(clippy::indexing_slicing)]

pub mod letter;
pub mod mail;
pub mod message;
mod mime;
pub mod outbox;
pub mod passed_on;
pub mod received;
pub mod test_mail;
pub mod token;
mod words;
mod writer;
