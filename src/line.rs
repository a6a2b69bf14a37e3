//! Flow lines: one flow a line in nine columns of text, and the marks between them.
//!
//! nfkit-flow(5) is the contract. [`Reader`] turns a stream of lines into batches of [`Flow`]s and
//! marks, and [`Writer`] does the reverse. [`Column`] names the columns. Lines come from strangers,
//! so every line is checked, counted and bounded, and no line stops the stream.
//!
//! [`Flow`]: crate::flow::Flow
#![deny(clippy::indexing_slicing)]

mod column;
mod dialect;
mod fast;
mod lines;
mod parse;
mod read;
mod write;

pub use column::{Column, REQUIRED};
pub use dialect::Tool;
pub use lines::{Kept, Lines, Text};
pub use parse::LineError;
pub use read::{Item, MAX_LINE, Reader, StreamError};
pub use write::{Form, Writer};
