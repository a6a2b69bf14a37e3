//! Writes flow lines and marks.

use std::io::{self, Write};

use self::plan::LinePlan;
use self::text::TextBuffer;
use super::column::{Column, REQUIRED};
use crate::flow::{Extra, Flow};
use crate::time::Mark;

mod form;
mod plan;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use form::Form;

/// Bytes of whole lines that are gathered for one write: a full batch of the nine columns fits.
const CHUNK: usize = 64 * 1024;

/// A writer of flow lines to `W`. It keeps nothing back: every call writes all of its lines, in few
/// writes of whole lines.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    form: Form,
    columns: Vec<Column>,
    marks: bool,
    mask: bool,
    plan: LinePlan,
    /// Room for a chunk of lines; it holds nothing between two calls.
    text: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Returns a writer of the nine columns as text with `#` lines.
    pub fn new(out: W) -> Writer<W> {
        Writer {
            out,
            form: Form::Text,
            columns: REQUIRED.to_vec(),
            marks: true,
            mask: false,
            plan: LinePlan::new(&REQUIRED, Form::Text, false),
            text: Vec::new(),
        }
    }

    /// Sets the form.
    pub fn form(mut self, form: Form) -> Writer<W> {
        self.form = form;
        self.planned()
    }

    /// Sets the columns, instead of the nine.
    pub fn columns(mut self, columns: &[Column]) -> Writer<W> {
        self.columns = columns.to_vec();
        self.planned()
    }

    /// Sets whether marks and the line of the columns' names are written.
    pub fn marks(mut self, marks: bool) -> Writer<W> {
        self.marks = marks;
        self
    }

    /// Sets whether the host part of every address is hidden.
    pub fn mask(mut self, mask: bool) -> Writer<W> {
        self.mask = mask;
        self.planned()
    }

    fn planned(mut self) -> Writer<W> {
        self.plan = LinePlan::new(&self.columns, self.form, self.mask);
        self
    }

    /// Writes the line that names the columns; JSON has none.
    pub fn fields(&mut self) -> io::Result<()> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        self.line(match self.form {
            _ if !self.marks => return Ok(()),
            Form::Text => format!("#fields\t{}", names.join("\t")),
            Form::Csv => names.join(","),
            Form::Json => return Ok(()),
        })
    }

    /// Writes one mark; CSV has none.
    pub fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        self.line(match self.form {
            _ if !self.marks => return Ok(()),
            Form::Text => mark.to_string(),
            Form::Csv => return Ok(()),
            Form::Json => mark.json()?,
        })
    }

    fn line(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        self.out.write_all(line.as_bytes())
    }

    /// Writes flows without extras.
    pub fn flows(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.rows(flows, &[])
    }

    /// Writes flows, each with the extra at the same place in `extras`. Flows beyond the last extra
    /// have none.
    pub fn rows(&mut self, flows: &[Flow], extras: &[Extra]) -> io::Result<()> {
        let (mut flows, mut extras) = (flows, extras);
        let room = CHUNK + self.plan.room();
        if self.text.len() < room {
            self.text.resize(room, 0);
        }
        while !flows.is_empty() {
            let mut text = TextBuffer { room: &mut self.text, at: 0 };
            let count = self.plan.rows(&mut text, flows, extras);
            let lines = text.at;
            self.out.write_all(self.text.get(..lines).unwrap_or_default())?;
            flows = flows.get(count..).unwrap_or_default();
            extras = extras.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Flushes `W`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
