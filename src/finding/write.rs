//! Writes finding lines and marks, as text or as one JSON object a line.

use std::io::{self, Write};

use super::record::{COLUMNS, Finding, MAX_LINE};
use super::row::Row;
use crate::time::Mark;

/// The two forms of a finding stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TAB-separated columns.
    Text,
    /// One JSON object a line.
    Json,
}

/// A writer of one finding stream.
///
/// Every line is one write of at most [`MAX_LINE`] bytes in the text form, so that several detectors can
/// append to one pipe without tearing each other's lines.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    form: Form,
    mask: bool,
}

impl<W: Write> Writer<W> {
    /// Returns a writer of one form. `mask` hides the host part of every address.
    pub fn new(out: W, form: Form, mask: bool) -> Writer<W> {
        Writer { out, form, mask }
    }

    /// Writes the line that names the columns. The JSON form has no such line.
    pub fn fields(&mut self) -> io::Result<()> {
        match self.form {
            Form::Text => self.line(format!("#fields\t{}", COLUMNS.join("\t"))),
            Form::Json => Ok(()),
        }
    }

    /// Writes one finding.
    pub fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let line = match self.form {
            Form::Text => text(finding, self.mask),
            Form::Json => serde_json::to_string(&Row::new(finding, self.mask))?,
        };
        self.line(line)
    }

    /// Writes one mark.
    pub fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        let line = match self.form {
            Form::Text => mark.to_string(),
            Form::Json => mark.json()?,
        };
        self.line(line)
    }

    fn line(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        self.out.flush()
    }
}

/// Returns a finding as a line of the text form, without its line ending.
pub fn line(finding: &Finding) -> String {
    text(finding, false)
}

/// Returns the text form without its line ending. If it is longer than [`MAX_LINE`], the last peers are
/// left out first (`+N` still counts them), then the samples, and at last part of `why` and of the marks.
pub(super) fn text(finding: &Finding, mask: bool) -> String {
    let mut finding = std::borrow::Cow::Borrowed(finding);
    loop {
        let line = columns(&Row::new(&finding, mask)).join("\t");
        if line.len() <= MAX_LINE {
            return line;
        }
        let shorter = finding.to_mut();
        if shorter.peer.pop().is_some() {
            shorter.more += 1;
        } else if shorter.sample.pop().is_none() {
            shorter.why = shorter.why.chars().take(MAX_LINE / 8).collect();
            shorter.marks.truncate(MAX_LINE / 100);
            return columns(&Row::new(&finding, mask)).join("\t");
        }
    }
}

fn columns(row: &Row) -> [String; COLUMNS.len()] {
    fn or_dash<T: ToString>(value: &Option<T>) -> String {
        value.as_ref().map_or_else(|| "-".to_owned(), T::to_string)
    }
    [
        or_dash(&row.window),
        or_dash(&row.seconds),
        row.kind.clone(),
        row.class.clone(),
        row.host.clone(),
        row.role.clone(),
        or_dash(&row.side),
        or_dash(&row.proto),
        or_dash(&row.port),
        row.peers.to_string(),
        or_dash(&row.peer),
        row.flows.to_string(),
        row.packets.to_string(),
        row.octets.to_string(),
        row.rate.to_string(),
        or_dash(&row.marks),
        or_dash(&row.why),
        or_dash(&row.sample),
    ]
}
