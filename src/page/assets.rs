//! The files that all pages share. Their names have a checksum of the contents, so that a browser never shows a page
//! with the stylesheet of another version.

use sha2::{Digest, Sha256};

const CSS: &str = include_str!("assets/site.css");
const JS: &str = include_str!("assets/nfpage.js");
const ICON: &str = include_str!("assets/icon.svg");

/// The names of the shared files.
#[derive(Clone, Debug)]
pub struct Assets {
    /// The stylesheet.
    pub css: String,
    /// The script.
    pub js: String,
    /// The icon.
    pub icon: String,
}

impl Assets {
    /// Returns the names with their checksums.
    pub fn new() -> Assets {
        let name = |stem: &str, text: &str, end: &str| {
            let sum: String =
                Sha256::digest(text).iter().take(5).map(|b| format!("{b:02x}")).collect();
            format!("{stem}-{sum}.{end}")
        };
        Assets {
            css: name("site", CSS, "css"),
            js: name("nfpage", JS, "js"),
            icon: name("icon", ICON, "svg"),
        }
    }

    /// Returns the names and contents.
    pub fn files(&self) -> [(&str, &'static str); 3] {
        [(&self.css, CSS), (&self.js, JS), (&self.icon, ICON)]
    }
}
