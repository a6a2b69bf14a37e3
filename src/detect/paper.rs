//! The rules of the paper that the figures are from, one file a figure, each a [`Detector`](super::Detector)
//! of its own: they show what was published, and the detectors beside them are what a site runs.

mod flood;
mod port;
mod scan;

pub use flood::{AttackerVictim, PaperFlood, PaperFloodRules};
pub use port::{PaperPort, PaperPortRules};
pub use scan::{PaperScan, PaperScanRules, Subnet};
pub(super) use scan::{adjacent, subnet};
