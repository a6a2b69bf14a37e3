//! The static site: findings and the windows that were judged, as one page of HTML.
//!
//! A [`PageData`] takes what finding streams say, in any order, and keeps what is current in bounded
//! memory; [`PageData::html`] writes the page and [`publish`] puts it into place in one step. The page
//! needs nothing but itself: no script, no picture, no second file. It is published, so everything
//! that came from a stream is escaped, and the same input gives the same octets.

#![deny(clippy::indexing_slicing)]

use std::io;
use std::path::PathBuf;

mod coverage;
mod data;
mod html;
mod publish;
mod words;

pub use data::PageData;
pub use html::MAX_ROWS;
pub use publish::{NAME, publish};

use crate::finding::Side;

/// What a page shows.
#[derive(Clone, Debug)]
pub struct Show {
    /// The page's heading.
    pub title: String,
    /// Whether the host part of every address is hidden.
    pub mask: bool,
    /// Only findings about hosts on this side.
    pub side: Option<Side>,
    /// Only windows that begin in this many seconds before the end of the newest; 0 for all.
    pub last: u32,
}

/// Why there is no new page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The page could not be put together.
    #[error("the page cannot be written: {0}")]
    Render(#[from] askama::Error),
    /// The page could not be put into place. The old one, if there is one, is as it was.
    #[error("{path}: {error}", path = path.display())]
    Publish {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

#[cfg(test)]
mod tests;
