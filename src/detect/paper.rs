//! The rules of the paper from which the figures come. There is one file for each figure, with a
//! [`Detector`](super::Detector) of its own. These show what was published; a site runs the detectors beside them.

mod flood;
mod net;
mod port;
mod scan;

pub use flood::{AttackerVictim, PaperFlood, PaperFloodRules};
pub(super) use net::adjacent;
pub use port::{PaperPort, PaperPortRules};
pub use scan::{PaperScan, PaperScanRules, Subnet};
