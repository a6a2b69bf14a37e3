//! The errors of making a page.

use std::io;
use std::path::PathBuf;

/// The reason why there is no new page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template could not be rendered.
    #[error("the page cannot be written: {0}")]
    Render(#[from] askama::Error),
    /// The page could not be put into place. The old page, if there is one, is unchanged.
    #[error("{path}: {error}", path = path.display())]
    Publish {
        /// The file or folder.
        path: PathBuf,
        /// The reason that the system gave.
        error: io::Error,
    },
}
