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
    /// Packets in the other direction that show that unanswered datagrams have a receiver that takes part.
    pub reports: u64,
    /// True for a slice of an open window: the request to an answer may be in the slice before.
    pub live: bool,
}

/// Packets a minute from the receiver of unanswered datagrams that show that it takes part: reports about a stream go
/// to another port than the stream (RFC 3550 section 11), one in five seconds or more often (section 6.2).
const REPORTS_A_MINUTE: u64 = 1;

/// Returns the reports that a receiver which takes part sends in so many seconds.
pub(super) fn reports(seconds: u64) -> u64 {
    (seconds * REPORTS_A_MINUTE / 60).max(1)
}

impl InputProfile<'_> {
    /// Returns true if a missing answer shows that there was none.
    pub(super) fn sees_answers(&self) -> bool {
        self.answers == Visibility::BothWays && !self.sampled
    }
}
