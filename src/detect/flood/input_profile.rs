//! The properties of the input that decide how evidence is read.

use crate::detect::Site;
use crate::detect::visibility::Visibility;

/// The site, and what the input can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputProfile<'a> {
    pub site: &'a Site,
    /// The directions of traffic that are exported.
    pub answers: Visibility,
    /// True if enough long flows showed that, in this window or in one before.
    pub knows_pairing: bool,
    /// True if only one packet in N was seen.
    pub sampled: bool,
    /// True for a slice of an open window: the request to an answer may be in the slice before.
    pub live: bool,
}

impl InputProfile<'_> {
    /// Returns true if a missing answer shows that there was none.
    pub(super) fn sees_answers(&self) -> bool {
        self.answers == Visibility::BothWays && !self.sampled
    }
}
