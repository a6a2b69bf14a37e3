//! The choice of what a page shows.

use crate::finding::Side;

/// The heading of a page, and the findings and windows that it shows.
#[derive(Clone, Debug)]
pub struct Show {
    /// The page's heading.
    pub title: String,
    /// True to hide the host part of every address.
    pub mask: bool,
    /// The side whose hosts are shown; `None` for all hosts.
    pub side: Option<Side>,
    /// Seconds before the end of the newest window in which a window must begin to be shown; 0 for all
    /// windows.
    pub last: u32,
}
