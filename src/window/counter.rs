//! The traits that [`Windows`](super::Windows) are used with.

use std::io;

use crate::flow::Flow;
use crate::time::Window;

/// A counter of the flows of one window.
pub trait Counter: Sized {
    /// Tells the counter which window its flows belong to, before the first of them; `None` if the
    /// window's time is unknown.
    fn begin(&mut self, window: Option<Window>) {
        let _ = window;
    }

    /// Adds some flows. The result must not depend on the order of the flows.
    ///
    /// # Errors
    /// A temporary file that cannot be written.
    fn add(&mut self, flows: &[Flow]) -> io::Result<()>;
}

/// A set of flows that belong to their window but are not shown to its [`Counter`].
pub trait Exclusion {
    /// Returns true if no flow is excluded, so that no flow has to be tested.
    fn is_empty(&self) -> bool;

    /// Returns true if the counter must not see this flow.
    fn excludes(&self, flow: &Flow) -> bool;
}

/// The empty exclusion: the counter sees every flow.
impl Exclusion for () {
    fn is_empty(&self) -> bool {
        true
    }

    fn excludes(&self, _: &Flow) -> bool {
        false
    }
}
