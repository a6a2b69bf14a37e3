//! `--evidence N`: the first flows behind each finding, beside the finding, in one pass.

use std::io::Write;
use std::rc::Rc;

use super::columns::{Columns, Delimiter};
use crate::cli::Io;
use crate::filter::EvidenceQueries;
use crate::finding::{Finding, Form, Writer};
use crate::flow::Flow;
use crate::time::Window;

/// Flow lines that are kept for all findings together. A detector's list of findings grows with what
/// attackers do, and evidence must not grow with its product with N.
pub(super) const MAX_LINES: u64 = 100_000;

/// Bytes of these lines. A line may have 64 KiB, of which an exporter's operator sees nothing; beyond
/// this, lines are only counted.
const MAX_BYTES: usize = 256 << 20;

/// The findings, and the lines that were gathered for them.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Finding lines. There are at most as many as --finding may name.
    findings: Vec<Vec<u8>>,
    /// The lines by group of cases: findings of equal cases have the same lines.
    groups: Vec<Group>,
    /// Lines that a group keeps at most.
    most: u64,
    /// Bytes that may still be kept.
    room: usize,
    /// The columns that the lines of this input have.
    header: Option<Rc<Header>>,
    /// The line that names the columns of this input; `None` for the nine.
    names: Option<Vec<u8>>,
    /// The first such line of all inputs, with which the output begins.
    first: Option<Vec<u8>>,
}

/// The flows of a group of cases.
#[derive(Clone, Debug, Default)]
struct Group {
    lines: Vec<Line>,
    /// All flows, kept or not.
    flows: u64,
}

#[derive(Clone, Debug)]
struct Line {
    text: Box<[u8]>,
    header: Rc<Header>,
}

/// The header that says how a line is to be read.
#[derive(Debug)]
struct Header {
    names: Option<Vec<u8>>,
    delimiter: Delimiter,
}

impl Evidence {
    /// Adds a finding.
    pub fn add(&mut self, finding: &Finding) -> std::io::Result<()> {
        let mut line = Vec::new();
        Writer::new(&mut line, Form::Text, false).finding(finding)?;
        self.findings.push(line);
        Ok(())
    }

    /// Makes room for `most` lines of each finding, or an equal part of [`MAX_LINES`].
    pub fn begin(&mut self, cases: &EvidenceQueries, most: u64) {
        let findings = (self.findings.len() as u64).max(1);
        self.most = most.min(MAX_LINES / findings);
        self.room = MAX_BYTES;
        self.groups = vec![Group::default(); cases.groups()];
    }

    /// Forgets the columns: another input begins.
    pub fn next_input(&mut self) {
        self.names = None;
        self.header = None;
    }

    /// Takes a line that names the columns of this input.
    pub fn named(&mut self, line: &[u8]) {
        self.first.get_or_insert_with(|| line.to_vec());
        if self.names.as_deref() != Some(line) {
            self.names = Some(line.to_vec());
            // The delimiter stays that of the input's first flow line.
            let delimiter = self.header.as_ref().map(|header| header.delimiter);
            self.header = delimiter.map(|delimiter| self.new_header(delimiter));
        }
    }

    /// Takes a flow line of this input before any of its flows is added.
    pub fn first(&mut self, line: &[u8]) {
        if self.header.is_none() {
            self.header = Some(self.new_header(Delimiter::of(line)));
        }
    }

    fn new_header(&self, delimiter: Delimiter) -> Rc<Header> {
        Rc::new(Header { names: self.names.clone(), delimiter })
    }

    /// Adds a flow, which stands in the marked window `marked`, to the findings that it is behind.
    pub fn flow(
        &mut self,
        cases: &EvidenceQueries,
        flow: &Flow,
        marked: Option<Window>,
        line: &[u8],
    ) {
        let Some(header) = &self.header else { return };
        cases.each(flow, marked, |group| {
            let Some(group) = self.groups.get_mut(group) else { return };
            group.flows += 1;
            if (group.lines.len() as u64) < self.most && line.len() <= self.room {
                self.room -= line.len();
                group.lines.push(Line { text: line.into(), header: header.clone() });
            }
        });
    }

    /// Prints each finding with its lines, and how many more there were.
    pub fn print(&self, cases: &EvidenceQueries, io: &mut Io) -> anyhow::Result<()> {
        let mut columns = Columns::new(true);
        let mut lines = Vec::new();
        if let Some(names) = &self.first {
            columns.named(names, &mut lines);
        }
        let mut last: Option<&Rc<Header>> = None;
        for (finding, group) in self.findings.iter().zip(cases.group_of()) {
            lines.extend_from_slice(b"#finding\t");
            lines.extend_from_slice(finding);
            let Some(group) = self.groups.get(*group) else { continue };
            for line in &group.lines {
                if last.is_none_or(|last| !Rc::ptr_eq(last, &line.header)) {
                    columns.input(line.header.names.as_deref(), line.header.delimiter);
                    last = Some(&line.header);
                }
                columns.line(&line.text, &mut lines);
            }
            let more = group.flows - group.lines.len() as u64;
            writeln!(lines, "#more\t{more}")?;
            super::write(&mut lines, io)?;
        }
        super::write(&mut lines, io)
    }
}
