//! Reads the output of other programs as if it were flow lines.
//!
//! nfkit-flow(5), "Other programs' output", is the contract. Each program has a file of its own
//! here: how its output begins, what its columns are called and how it writes their values. A line
//! becomes a [`Record`](record::Record), which becomes a flow, or one flow for each direction.

use super::parse::LineError;
use crate::flow::Flow;

mod columns;
mod history;
mod names;
mod nfdump;
mod record;
mod rwcut;
mod stream;
#[cfg(test)]
mod tests;
mod tool;
mod value;
mod vpc;
mod zeek;

pub(super) use stream::Dialect;
pub use tool::Tool;

impl Dialect {
    /// Returns the stream whose output begins with this line; `None` if the line may begin flow
    /// lines. The line is still to be [read](Dialect::read).
    pub fn of(first: &[u8]) -> Option<Dialect> {
        let tools = [zeek::begins, nfdump::names, rwcut::names, vpc::begins];
        tools.into_iter().find_map(|begins| begins(first))
    }

    /// Returns a stream of this program, which need not name its columns: the usual ones are
    /// assumed until it does. `None` for flow lines.
    pub fn forced(tool: Tool) -> Option<Dialect> {
        let (columns, separator) = match tool {
            Tool::Flow => return None,
            Tool::Nfdump => (nfdump::usual(), b','),
            Tool::Rwcut => (rwcut::usual(), b'|'),
            Tool::Zeek => (zeek::usual(), b'\t'),
            Tool::Vpc => (vpc::usual(), b' '),
        };
        Some(Dialect::new(tool, separator, columns))
    }

    /// Reads one line, which holds up to two flows, and adds them to `flows`.
    pub fn read(&mut self, line: &[u8], flows: &mut Vec<Flow>) -> Result<(), LineError> {
        if self.read_names(line)? {
            return Ok(());
        }
        if self.tool == Tool::Nfdump {
            if let Some(lines) = nfdump::summary(line) {
                self.skip = lines;
            }
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        match self.tool {
            Tool::Zeek if line.first() == Some(&b'{') => zeek::json(line)?.flows(flows),
            _ => self.record(line)?.flows(flows),
        }
    }

    /// Returns true if the line is not one of flows but about the columns, and takes these. They
    /// may change in the middle of a stream: two files can follow each other.
    fn read_names(&mut self, line: &[u8]) -> Result<bool, LineError> {
        let next = match self.tool {
            Tool::Nfdump => nfdump::names(line),
            Tool::Rwcut => rwcut::names(line),
            Tool::Zeek if line.first() == Some(&b'#') => {
                return zeek::header(self, line).map(|()| true);
            }
            Tool::Zeek => zeek::names(line),
            Tool::Vpc => vpc::names(line),
            Tool::Flow => None,
        };
        let Some(next) = next else { return Ok(false) };
        *self = next;
        self.check().map(|()| true)
    }
}
