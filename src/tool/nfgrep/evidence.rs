//! `--evidence N`: prints each finding with the first flows that match it, in one pass over the flows.

use std::io::Write;
use std::rc::Rc;

use super::columns::{Columns, Delimiter};
use super::output::flush;
use crate::cli::Io;
use crate::filter::EvidenceQueries;
use crate::finding::{Finding, Form, Writer};
use crate::flow::Flow;
use crate::time::Window;

/// The most flow lines that are kept for all findings together. The number of findings grows with what
/// attackers do, and the evidence must not grow with its product with N.
pub(super) const MAX_LINES: u64 = 100_000;

/// The most bytes of these lines, since a forged line may have 64 KiB. Lines beyond this limit are only
/// counted.
const MAX_BYTES: usize = 256 << 20;

/// The findings, and the lines gathered for them.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The finding lines. Their number is bounded by the limit of `--finding`.
    findings: Vec<Vec<u8>>,
    /// The lines by group of queries: findings with equal queries share their lines.
    groups: Vec<Group>,
    /// The most lines that a group keeps.
    most: u64,
    /// Bytes that may still be kept.
    room: usize,
    /// The columns of this input's lines; `None` before its first flow line.
    header: Option<Rc<Header>>,
    /// The line that names the columns of this input; `None` for the nine required ones.
    names: Option<Vec<u8>>,
    /// The first line of all inputs that names columns, with which the output begins.
    first_names: Option<Vec<u8>>,
}

/// The flows that match a group of queries.
#[derive(Clone, Debug, Default)]
struct Group {
    lines: Vec<Line>,
    /// The number of flows, kept or not.
    flows: u64,
}

#[derive(Clone, Debug)]
struct Line {
    text: Box<[u8]>,
    header: Rc<Header>,
}

/// The columns and the delimiter of a line.
#[derive(Debug)]
struct Header {
    names: Option<Vec<u8>>,
    delimiter: Delimiter,
}

impl Evidence {
    /// Adds a finding.
    ///
    /// # Errors
    /// Fails if the finding has no text form.
    pub fn add(&mut self, finding: &Finding) -> std::io::Result<()> {
        let mut line = Vec::new();
        Writer::new(&mut line, Form::Text, false).finding(finding)?;
        self.findings.push(line);
        Ok(())
    }

    /// Makes room for `most` lines of each finding, or an equal part of [`MAX_LINES`].
    pub fn begin(&mut self, queries: &EvidenceQueries, most: u64) {
        let findings = (self.findings.len() as u64).max(1);
        self.most = most.min(MAX_LINES / findings);
        self.room = MAX_BYTES;
        self.groups = vec![Group::default(); queries.groups()];
    }

    /// Begins another input, whose columns are not known yet.
    pub fn next_input(&mut self) {
        self.names = None;
        self.header = None;
    }

    /// Takes a line that names the columns of this input.
    pub fn set_names(&mut self, line: &[u8]) {
        self.first_names.get_or_insert_with(|| line.to_vec());
        if self.names.as_deref() != Some(line) {
            self.names = Some(line.to_vec());
            // The delimiter stays that of the input's first flow line.
            let delimiter = self.header.as_ref().map(|header| header.delimiter);
            self.header = delimiter.map(|delimiter| self.new_header(delimiter));
        }
    }

    /// Decides the delimiter of the input by its first flow line. Call this before adding flows.
    pub fn note_flow_line(&mut self, line: &[u8]) {
        if self.header.is_none() {
            self.header = Some(self.new_header(Delimiter::of(line)));
        }
    }

    fn new_header(&self, delimiter: Delimiter) -> Rc<Header> {
        Rc::new(Header { names: self.names.clone(), delimiter })
    }

    /// Adds a flow of the marked window `marked` to the findings that it matches.
    pub fn add_flow(
        &mut self,
        queries: &EvidenceQueries,
        flow: &Flow,
        marked: Option<Window>,
        line: &[u8],
    ) {
        let Some(header) = &self.header else { return };
        queries.each(flow, marked, |group| {
            let Some(group) = self.groups.get_mut(group) else { return };
            group.flows += 1;
            if (group.lines.len() as u64) < self.most && line.len() <= self.room {
                self.room -= line.len();
                group.lines.push(Line { text: line.into(), header: header.clone() });
            }
        });
    }

    /// Prints each finding with its lines, and the number of flows beyond them.
    ///
    /// # Errors
    /// Fails if stdout cannot be written.
    pub fn print(&self, queries: &EvidenceQueries, io: &mut Io) -> anyhow::Result<()> {
        let mut columns = Columns::new(true);
        let mut lines = Vec::new();
        if let Some(names) = &self.first_names {
            columns.set_names(names, &mut lines);
        }
        let mut last: Option<&Rc<Header>> = None;
        for (finding, group) in self.findings.iter().zip(queries.group_of()) {
            lines.extend_from_slice(b"#finding\t");
            lines.extend_from_slice(finding);
            let Some(group) = self.groups.get(*group) else { continue };
            for line in &group.lines {
                if last.is_none_or(|last| !Rc::ptr_eq(last, &line.header)) {
                    columns.switch_to(line.header.names.as_deref(), line.header.delimiter);
                    last = Some(&line.header);
                }
                columns.write_line(&line.text, &mut lines);
            }
            let more = group.flows - group.lines.len() as u64;
            writeln!(lines, "#more\t{more}")?;
            flush(&mut lines, io)?;
        }
        flush(&mut lines, io)
    }
}
