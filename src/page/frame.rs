//! The frame of every page of the site: the head with its Content-Security-Policy, the links between pages, the
//! footer.
//!
//! A page's template begins with `{% extends "frame.html" %}` and has the blocks `title` and `main`; its struct has
//! a field `frame`. A page in a folder has a [`root`](Frame::root) that leads out of it.

/// The values of `frame.html`, which escapes them.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The path from the page to the site's top folder: empty, or `../` for a page in a folder.
    pub root: &'static str,
    /// The name of the site, in the header of every page.
    pub site: &'a str,
    /// The page's place in the navigation, if it has one itself.
    pub here: Option<Place>,
    /// The places that the site has, in the order of the links. A link to a page that is not written would
    /// dangle.
    pub places: &'a [Place],
    /// The name of the stylesheet below [`root`](Frame::root), with the hash of its contents.
    pub css: &'a str,
    /// The name of the script below [`root`](Frame::root), with the hash of its contents.
    pub js: &'a str,
    /// The name of the icon below [`root`](Frame::root), with the hash of its contents.
    pub icon: &'a str,
    /// The name of the feed below [`root`](Frame::root), if the site has one.
    pub feed: Option<&'a str>,
    /// The end of the newest closed window and its length, on pages that tell of the present. The script raises an
    /// alarm when three more such windows have passed on the reader's clock.
    pub newest: Option<Newest>,
    /// The time zone of the page's times with its offset from UTC, as `Asia/Taipei, UTC+08:00`.
    pub zone: &'a str,
    /// True if the host parts of all addresses are hidden.
    pub is_masked: bool,
}

/// The newest closed window of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The end in Unix seconds.
    pub until: u64,
    /// The length in seconds.
    pub seconds: u32,
}

/// A page that every page links to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The present.
    Index,
    /// The paper's figures.
    Figures,
    /// The traffic.
    Traffic,
    /// The list of all hosts.
    Hosts,
    /// The words, the rules and the limits.
    About,
}

impl Place {
    /// All places in the order of the links.
    pub const ALL: [Place; 5] =
        [Place::Index, Place::Figures, Place::Traffic, Place::Hosts, Place::About];

    /// Returns the name of the page's file. It never changes.
    pub const fn file(self) -> &'static str {
        match self {
            Place::Index => "index.html",
            Place::Figures => "figures.html",
            Place::Traffic => "traffic.html",
            Place::Hosts => "hosts.html",
            Place::About => "about.html",
        }
    }

    /// Returns the text of the link.
    pub const fn text(self) -> &'static str {
        match self {
            Place::Index => "Now",
            Place::Figures => "Figures",
            Place::Traffic => "Traffic",
            Place::Hosts => "Hosts",
            Place::About => "About",
        }
    }
}

impl Frame<'_> {
    /// Returns true if a place is this page.
    pub fn is_here(&self, place: &Place) -> bool {
        self.here.as_ref() == Some(place)
    }

    /// Returns the version of nfpage.
    pub const fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

#[cfg(test)]
mod tests;
