//! The classes of floods: one file each, and this table of them.
//!
//! To add a class, write its file and name it here.

use super::carpet::CARPET;
use super::case::FloodClass;

mod dos;
mod outage;
mod outbound;
mod reflection;
mod volume;

pub(super) use dos::{DDOS, DOS};
pub(super) use outage::OUTAGE;
pub(super) use outbound::OUTBOUND;
pub(super) use reflection::REFLECTION;
pub(super) use volume::VOLUME;

/// The classes of hosts that are flooded. The first that holds names the finding.
pub(super) const CLASSES: [&FloodClass; 5] = [&REFLECTION, &OUTAGE, &DDOS, &DOS, &VOLUME];

/// Returns the names of the limits that a site can set.
pub(in crate::detect) fn metrics() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().chain([&&OUTBOUND]).map(|class| class.name).chain([CARPET])
}
