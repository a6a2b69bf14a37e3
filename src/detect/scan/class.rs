//! The classes of scans: one file each, and this table of them.
//!
//! To add a class, write its file and name it here.

use super::case::ScanClass;

pub(super) mod backscatter;
mod block;
pub(super) mod dark;
mod horizontal;
mod icmp;
pub(super) mod lateral;
pub(super) mod sweep;
mod udp;
pub(super) mod vertical;

use backscatter::BACKSCATTER;

/// The classes of scanners. The first that holds names the finding.
pub(super) const CLASSES: [&ScanClass; 8] = [
    &sweep::SWEEP,
    &block::BLOCK,
    &horizontal::HORIZONTAL,
    &vertical::VERTICAL,
    &udp::UDP,
    &icmp::ICMP,
    &lateral::LATERAL,
    &dark::DARK,
];

/// The class of several sources that scan together.
pub(super) const GROUP: &str = "group";
/// The class of scans that are too slow for one window.
pub(super) const SLOW: &str = "slow";
/// The class of inside hosts that talk with addresses of a threat feed.
pub(super) const LISTED: &str = "listed";
/// The class of networks that scan openly for research.
pub(in crate::detect) const SURVEY: &str = "survey";

/// Returns the names of the limits that a site can set.
pub(in crate::detect) fn metrics() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().map(|class| class.name).chain([GROUP, SLOW, LISTED, BACKSCATTER.name])
}
