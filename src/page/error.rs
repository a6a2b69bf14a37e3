//! The errors of making pages.

use std::io;
use std::path::{Path, PathBuf};

/// The reason why there is no new page.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The template could not be rendered.
    #[error("the page cannot be written: {0}")]
    Render(#[from] askama::Error),
    /// A file could not be read, written or put into place. An old file, if there is one, is unchanged.
    #[error("{path}: {error}", path = path.display())]
    Publish {
        /// The file or folder.
        path: PathBuf,
        /// The reason that the system gave.
        error: io::Error,
    },
    /// The store lies below the web root, where a web server would serve it.
    #[error(
        "{store} lies in {dir}, so a web server would serve what pages hide; name another --store",
        store = store.display(), dir = dir.display()
    )]
    StoreInside {
        /// The store.
        store: PathBuf,
        /// The directory of the site.
        dir: PathBuf,
    },
    /// Another run is at work on the store.
    #[error("{path}: another nfpage is at work on it", path = path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A file of the store was written by a newer version.
    #[error("{path}: written by a newer version of nfpage ({found}); use that one", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The first line of the file.
        found: String,
    },
    /// The key of the pseudonyms lies below the web root.
    #[error("{key} lies in {dir}, so a web server would serve the key; name another file", key = key.display(), dir = dir.display())]
    KeyInside {
        /// The key.
        key: PathBuf,
        /// The directory of the site.
        dir: PathBuf,
    },
    /// Others may read the key of the pseudonyms.
    #[error("{path}: others may read this key; give it mode 0600", path = path.display())]
    KeyOpen {
        /// The key.
        path: PathBuf,
    },
    /// The file of the key has something else.
    #[error("{path}: not a key of 32 hexadecimal digits; remove it, and nfpage draws one", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A file that the site needs is somebody else's.
    #[error("{path}: not a page that nfpage wrote; move it away or name another directory", path = path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// Returns a function that makes an error about this path of the system's error.
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |error| Error::Publish { path: path.clone(), error: bare(error) }
    }
}

/// Returns an error without the name of a temporary file, which would only confuse the user.
fn bare(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}
