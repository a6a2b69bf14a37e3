//! The pages that people see of findings: a static site that needs no server, or one page for a mail.
//!
//! ```text
//! finding lines ──NewDays──▶ Store (a day a file) ──History──▶ incidents of each day ──write──▶ Tree (the site)
//! ```
//!
//! [`NewDays`] reads findings in any order and merges them into the days of the [`Store`], outside of the web root.
//! [`History`] goes through each day that has changed with the incident machine. [`write()`] makes the pages that have
//! changed, and a [`Tree`] puts each into place in one step. The same input gives the same bytes, in one run or in
//! a hundred.
//!
//! [`single`] writes the findings of one input as one page of HTML that needs no other file.
//!
//! Pages are published, and findings come from the network, so everything that a page shows is escaped.
#![deny(clippy::indexing_slicing)]

mod assets;
mod chart;
mod course;
mod day;
mod error;
mod frame;
mod history;
mod masked;
mod records;
pub mod single;
mod site;
mod store;
pub mod traffic;
mod tree;
mod words;

pub use error::Error;
pub use history::{History, NewDays, TrafficDays, rebuild, set_zone, update_traffic};
pub use masked::{MaskKey, write_masked};
pub use site::{Options, Written, write};
pub use store::Store;
pub use tree::Tree;

#[cfg(test)]
mod tests;
