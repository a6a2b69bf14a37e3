//! Writes flow lines and marks.

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;

use super::column::{Column, NINE};
use crate::flow::{Extra, Flow, Masked};
use crate::time::Mark;

#[cfg(test)]
mod tests;

/// Lines are gathered up to this many octets before they go on, whole.
const CHUNK: usize = 16 * 1024;

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

/// Writes flow lines to `W`. Nothing stays behind in it: every call hands on all its lines.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    form: Form,
    columns: Vec<Column>,
    marks: bool,
    mask: bool,
    text: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer of the nine columns as text with `#` lines.
    pub fn new(out: W) -> Writer<W> {
        Writer {
            out,
            form: Form::Text,
            columns: NINE.to_vec(),
            marks: true,
            mask: false,
            text: Vec::new(),
        }
    }

    /// Writes another form than text.
    pub fn form(mut self, form: Form) -> Writer<W> {
        self.form = form;
        self
    }

    /// Writes these columns instead of the nine.
    pub fn columns(mut self, columns: &[Column]) -> Writer<W> {
        self.columns = columns.to_vec();
        self
    }

    /// Whether anything but flows is written: marks, and the line that names the columns.
    pub fn marks(mut self, marks: bool) -> Writer<W> {
        self.marks = marks;
        self
    }

    /// Whether the host part of every address is hidden.
    pub fn mask(mut self, mask: bool) -> Writer<W> {
        self.mask = mask;
        self
    }

    /// Writes the line that names the columns. JSON has none.
    pub fn fields(&mut self) -> io::Result<()> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        match self.form {
            _ if !self.marks => {}
            Form::Text => writeln!(self.text, "#fields\t{}", names.join("\t"))?,
            Form::Csv => writeln!(self.text, "{}", names.join(","))?,
            Form::Json => {}
        }
        self.pass_on()
    }

    /// Writes one mark. CSV has none.
    pub fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        match self.form {
            _ if !self.marks => {}
            Form::Text => writeln!(self.text, "{mark}")?,
            Form::Csv => {}
            Form::Json => writeln!(self.text, "{}", mark.json()?)?,
        }
        self.pass_on()
    }

    /// Writes flows of which nothing more is known.
    pub fn flows(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.rows(flows, &[])
    }

    /// Writes flows, each with what stands at its place in `extras`; where that ends, nothing more
    /// is known of them.
    pub fn rows(&mut self, flows: &[Flow], extras: &[Extra]) -> io::Result<()> {
        let unknown = Extra::default();
        for (n, flow) in flows.iter().enumerate() {
            let extra = extras.get(n).unwrap_or(&unknown);
            self.row(flow, extra);
            if self.text.len() > CHUNK {
                self.pass_on()?;
            }
        }
        self.pass_on()
    }

    fn row(&mut self, flow: &Flow, extra: &Extra) {
        let (text, form) = (&mut self.text, self.form);
        for (n, column) in self.columns.iter().enumerate() {
            let before: &[u8] = match (form, n) {
                (Form::Json, 0) => b"{",
                (_, 0) => b"",
                (Form::Text, _) => b"\t",
                (Form::Csv | Form::Json, _) => b",",
            };
            text.extend_from_slice(before);
            if form == Form::Json {
                text.extend_from_slice(b"\"");
                text.extend_from_slice(column.name().as_bytes());
                text.extend_from_slice(b"\":");
            }
            let before = text.len();
            cell(text, flow, extra, *column, form, self.mask);
            if text.len() == before {
                text.extend_from_slice(match form {
                    Form::Text => b"-",
                    Form::Csv => b"",
                    Form::Json => b"null",
                });
            }
        }
        text.extend_from_slice(if form == Form::Json { b"}\n" } else { b"\n" });
    }

    /// Flushes what is behind.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let result = self.out.write_all(&self.text);
        self.text.clear();
        result
    }
}

/// Writes one value; nothing if it is unknown.
fn cell(text: &mut Vec<u8>, flow: &Flow, extra: &Extra, column: Column, form: Form, mask: bool) {
    let quote = if form == Form::Json { "\"" } else { "" };
    let address = |text: &mut Vec<u8>, address: Option<IpAddr>| match address {
        None => {}
        Some(address) if mask => display(text, format_args!("{quote}{}{quote}", Masked(address))),
        Some(address) => display(text, format_args!("{quote}{address}{quote}")),
    };
    let mac = |text: &mut Vec<u8>, mac: Option<[u8; 6]>| match mac {
        None => {}
        Some([a, b, c, ..]) if mask => {
            display(text, format_args!("{quote}{a:02x}:{b:02x}:{c:02x}:?{quote}"));
        }
        Some([a, b, c, d, e, f]) => display(
            text,
            format_args!("{quote}{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}{quote}"),
        ),
    };
    match column {
        Column::Sif => display(text, flow.sif),
        Column::Sip => address(text, Some(flow.sip)),
        Column::Dip => address(text, Some(flow.dip)),
        Column::Dif => display(text, flow.dif),
        Column::Proto => display(text, flow.proto),
        Column::Sport => display(text, flow.sport),
        Column::Dport => display(text, flow.dport),
        Column::Packets => display(text, flow.packets),
        Column::Octets => display(text, flow.octets),
        Column::Start => known(text, flow.start),
        Column::End => known(text, flow.end),
        Column::Flags => known(text, flow.flags),
        Column::Exporter => address(text, flow.exporter),
        Column::Sampling => display(text, flow.sampling),
        Column::Tos => known(text, extra.tos),
        Column::Srcas => known(text, extra.srcas),
        Column::Dstas => known(text, extra.dstas),
        Column::Srcmask => known(text, extra.srcmask),
        Column::Dstmask => known(text, extra.dstmask),
        Column::Nexthop => address(text, extra.nexthop),
        Column::Bgpnexthop => address(text, extra.bgpnexthop),
        Column::Vlan => known(text, extra.vlan),
        Column::Outvlan => known(text, extra.outvlan),
        Column::Srcmac => mac(text, extra.srcmac),
        Column::Dstmac => mac(text, extra.dstmac),
        Column::Natsip => address(text, extra.natsip),
        Column::Natdip => address(text, extra.natdip),
        Column::Natsport => known(text, extra.natsport),
        Column::Natdport => known(text, extra.natdport),
        Column::Event => known(text, extra.event),
        Column::Direction => known(text, extra.direction),
        Column::Endreason => known(text, extra.endreason),
        Column::Vrf => known(text, extra.vrf),
        Column::Domain => known(text, extra.domain),
    }
}

fn known(text: &mut Vec<u8>, value: Option<impl fmt::Display>) {
    if let Some(value) = value {
        display(text, value);
    }
}

fn display(text: &mut Vec<u8>, value: impl fmt::Display) {
    // A Vec takes everything.
    let _ = write!(text, "{value}");
}
