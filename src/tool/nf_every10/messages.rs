//! The messages of a command of nfkit that runs within the job.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// The most bytes of messages that are kept of a run.
const MAX_SAID: usize = 4000;

/// Messages that are kept instead of printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages(Rc<RefCell<Vec<u8>>>);

impl Messages {
    /// Returns the messages, one a line.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8_lossy(&self.0.borrow()).lines().map(str::to_owned).collect()
    }
}

impl Write for Messages {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.borrow_mut();
        let room = MAX_SAID.saturating_sub(kept.len());
        kept.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
