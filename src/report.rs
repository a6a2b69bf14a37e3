//! Text for people: tables, times in the time zone of the site, and text that is safe on a terminal.
#![deny(clippy::indexing_slicing)]

mod columns;
mod escaped;
mod local;

pub use columns::Columns;
pub use escaped::Escaped;
pub use local::LocalTime;
