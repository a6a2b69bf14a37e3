//! What the site's readers see of findings: a static site, or one page for a mail.
//!
//! [`single`] writes the findings of an input as one page of HTML that needs no other file.
#![deny(clippy::indexing_slicing)]

mod chart;
mod error;
mod frame;
pub mod single;
pub mod traffic;

pub use error::Error;
