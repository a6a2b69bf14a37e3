//! Findings and the windows that were judged, as one page of HTML that needs no other file.
//!
//! A [`PageData`] reads finding streams in any order and keeps what is current in bounded memory.
//! [`PageData::html`] groups the findings by incident, as the site does, and writes the page, and [`publish`] puts it
//! into place in one step. The page has no script and no picture. It is published, so everything that came from a
//! stream is escaped. The same input gives the same bytes.

mod coverage;
mod data;
mod html;
mod notices;
mod publish;
mod show;
mod view;

pub use data::PageData;
pub use publish::{NAME, publish};
pub use show::Show;
#[cfg(test)]
use view::MAX_ROWS;

#[cfg(test)]
pub(in crate::page) mod tests;
