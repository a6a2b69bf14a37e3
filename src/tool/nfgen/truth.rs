//! The file of `--truth`: the findings to expect.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use crate::finding::{self, Form};
use crate::scenario;
use crate::time::{End, Mark, Window};

/// A writer of finding lines with the column `expect` after the others.
pub struct Truth {
    file: BufWriter<File>,
    name: String,
}

impl Truth {
    /// Creates the file and names its columns.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Truth> {
        let name = path.display().to_string();
        let file = BufWriter::new(File::create(path).with_context(|| name.clone())?);
        let mut truth = Truth { file, name };
        let columns = [finding::COLUMNS.as_slice(), &["expect"]].concat().join("\t");
        truth.line(&format!("#fields\t{columns}"))?;
        Ok(truth)
    }

    /// Writes the findings to expect in a window.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn window(&mut self, window: Window, found: &[scenario::Truth]) -> anyhow::Result<()> {
        self.line(&Mark::Window(Some(window)).to_string())?;
        for truth in found {
            let mut line = Vec::new();
            finding::Writer::new(&mut line, Form::Text, false).finding(&truth.finding)?;
            let line = String::from_utf8_lossy(&line);
            self.line(&format!("{}\t{}", line.trim_end_matches('\n'), truth.expect))?;
        }
        let tool = Some("nfgen".to_owned());
        self.line(&Mark::End(End { window: Some(window), tool, ..End::default() }).to_string())
    }

    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.file, "{line}").with_context(|| self.name.clone())
    }

    /// Writes buffered lines.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().context(self.name)
    }
}
