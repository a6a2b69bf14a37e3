//! Writes flow lines and marks.

use std::io::{self, Write};

use self::plan::LinePlan;
use self::text::Text;
use super::column::{Column, REQUIRED};
use crate::flow::{Extra, Flow};
use crate::time::Mark;

mod plan;
mod table;
#[cfg(test)]
mod tests;
mod text;

/// Lines are gathered up to this many octets before they go on, whole: a full batch of the nine
/// columns is one write.
const CHUNK: usize = 64 * 1024;

/// The forms of a stream of flow lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// Columns separated by TABs, marks and the names of the columns after `#`.
    #[default]
    Text,
    /// Columns separated by commas (RFC 4180), a first line with their names, no marks. What is
    /// unknown is an empty field.
    Csv,
    /// One object a line, marks too. What is unknown is null.
    Json,
}

/// Writes flow lines to `W`. Nothing stays behind in it: every call hands on all its lines, whole
/// and as many at a time as it can.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    form: Form,
    columns: Vec<Column>,
    marks: bool,
    mask: bool,
    plan: LinePlan,
    /// Room for a chunk of lines, nothing between two calls.
    text: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer of the nine columns as text with `#` lines.
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

    /// Writes another form than text.
    pub fn form(mut self, form: Form) -> Writer<W> {
        self.form = form;
        self.planned()
    }

    /// Writes these columns instead of the nine.
    pub fn columns(mut self, columns: &[Column]) -> Writer<W> {
        self.columns = columns.to_vec();
        self.planned()
    }

    /// Whether anything but flows is written: marks, and the line that names the columns.
    pub fn marks(mut self, marks: bool) -> Writer<W> {
        self.marks = marks;
        self
    }

    /// Whether the host part of every address is hidden.
    pub fn mask(mut self, mask: bool) -> Writer<W> {
        self.mask = mask;
        self.planned()
    }

    fn planned(mut self) -> Writer<W> {
        self.plan = LinePlan::new(&self.columns, self.form, self.mask);
        self
    }

    /// Writes the line that names the columns. JSON has none.
    pub fn fields(&mut self) -> io::Result<()> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        self.line(match self.form {
            _ if !self.marks => return Ok(()),
            Form::Text => format!("#fields\t{}", names.join("\t")),
            Form::Csv => names.join(","),
            Form::Json => return Ok(()),
        })
    }

    /// Writes one mark. CSV has none.
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

    /// Writes flows of which nothing more is known.
    pub fn flows(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.rows(flows, &[])
    }

    /// Writes flows, each with what stands at its place in `extras`; where that ends, nothing more
    /// is known of them.
    pub fn rows(&mut self, flows: &[Flow], extras: &[Extra]) -> io::Result<()> {
        let (mut flows, mut extras) = (flows, extras);
        let room = CHUNK + self.plan.room();
        if self.text.len() < room {
            self.text.resize(room, 0);
        }
        while !flows.is_empty() {
            let mut text = Text { room: &mut self.text, at: 0 };
            let count = self.plan.rows(&mut text, flows, extras);
            let lines = text.at;
            self.out.write_all(self.text.get(..lines).unwrap_or_default())?;
            flows = flows.get(count..).unwrap_or_default();
            extras = extras.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Flushes what is behind.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
