//! The state of another program's stream: its columns and how they are written.

use super::columns::{Columns, KnownColumn, Role};
use super::record::Record;
use super::tool::Tool;
use crate::line::parse::LineError;

/// A stream of another program's output.
#[derive(Debug)]
pub(in crate::line) struct Dialect {
    pub(super) tool: Tool,
    /// The columns; `None` until the stream has named them.
    pub(super) columns: Option<Columns>,
    pub(super) separator: u8,
    /// Zeek's text for a value that is not set.
    pub(super) unset: Vec<u8>,
    /// Lines still to be passed over: nfdump ends with a summary.
    pub(super) skip: u32,
}

impl Dialect {
    /// Returns a stream that has not named its columns yet.
    pub(super) fn unnamed(tool: Tool, separator: u8) -> Dialect {
        Dialect { tool, columns: None, separator, unset: b"-".to_vec(), skip: 0 }
    }

    /// Returns a stream of these columns.
    pub(super) fn new(tool: Tool, separator: u8, columns: Columns) -> Dialect {
        Dialect { columns: Some(columns), ..Dialect::unnamed(tool, separator) }
    }

    /// Returns an error if a column is missing that a flow needs.
    pub(super) fn check(&self) -> Result<(), LineError> {
        let missing = self.columns.as_ref().and_then(|columns| columns.missing);
        missing.map_or(Ok(()), |column| Err(self.lacks(column)))
    }

    /// Reads the columns of a line.
    pub(super) fn record(&self, line: &[u8]) -> Result<Record, LineError> {
        self.check()?;
        let Some(Columns { known, .. }) = &self.columns else { return Err(LineError::Unknown) };
        let mut record = Record::new(self.tool);
        let is_status =
            |column: &Option<KnownColumn>| column.is_some_and(|known| known.role == Role::Status);
        if let Some(at) = known.iter().position(is_status) {
            // The status comes first: without a flow the other columns hold nothing.
            if let Some(field) = self.fields(line).nth(at) {
                record.set(Role::Status, "log-status", field)?;
            }
        }
        let mut seen = 0;
        for (field, column) in self.fields(line).zip(known) {
            seen += 1;
            if let Some(KnownColumn { role, name }) = *column {
                let is_unset = self.tool == Tool::Zeek && field == self.unset;
                record.set(role, name, if is_unset { b"-" } else { field })?;
            }
        }
        match known.iter().skip(seen).flatten().next() {
            Some(column) => Err(self.lacks(column.name)),
            None => Ok(record),
        }
    }

    fn fields<'a>(&self, line: &'a [u8]) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
        let separator = self.separator;
        match self.tool {
            Tool::Vpc => Box::new(line.split(|b| *b == b' ').filter(|field| !field.is_empty())),
            // The last separator ends the line.
            Tool::Rwcut => {
                let line = line.strip_suffix(&[separator]).unwrap_or(line);
                Box::new(line.split(move |byte| *byte == separator).map(<[u8]>::trim_ascii))
            }
            // No program here quotes a value that holds its separator: nfdump replaces the
            // separator, Zeek escapes it.
            _ => Box::new(line.split(move |byte| *byte == separator).map(<[u8]>::trim_ascii)),
        }
    }

    /// Returns the error of a column that is missing.
    pub(super) fn lacks(&self, column: &'static str) -> LineError {
        LineError::Lacks { tool: self.tool.name(), column }
    }
}
