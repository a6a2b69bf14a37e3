//! What all filters that count by windows do alike: read flow lines from files, window by window.

use std::path::{Path, PathBuf};

use crate::cli::{Input, Io, Usage};
use crate::detect::{Closed, Counter, WindowError, Windows};
use crate::line::{Item, Reader, StreamError, Tool};
use crate::time::Window;

/// A window on its way.
#[derive(Debug)]
pub enum WindowStage<'a, C> {
    /// It is open, and this is what counts it.
    Open(Window, &'a mut C),
    /// It is over.
    Over(Closed<C>),
}

/// One run over all inputs.
pub struct Windowed<C, F> {
    windows: Windows<C, F>,
    /// The first bad line stops it.
    strict: bool,
    /// Whose output the files are, if that was said.
    tool: Option<Tool>,
    /// Any flow at all could be read.
    read: bool,
    bad: bool,
    failed: bool,
}

impl<C: Counter, F: FnMut() -> C> Windowed<C, F> {
    /// Nothing read yet.
    pub fn new(windows: Windows<C, F>, strict: bool, tool: Option<Tool>) -> Windowed<C, F> {
        Windowed { windows, strict, tool, read: false, bad: false, failed: false }
    }

    /// Reads the files, or stdin where there are none, and calls `over` with each window that is over.
    ///
    /// # Errors
    /// What stops the command, which a file that cannot be read does not.
    pub fn run(
        &mut self,
        files: &[PathBuf],
        io: &mut Io,
        mut over: impl FnMut(Closed<C>, &mut Io) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.live(files, io, |stage, io| match stage {
            WindowStage::Open(..) => Ok(()),
            WindowStage::Over(closed) => over(closed, io),
        })
    }

    /// The same, and calls `at` with each window that is open too, after every piece of input.
    ///
    /// # Errors
    /// Likewise.
    pub fn live(
        &mut self,
        files: &[PathBuf],
        io: &mut Io,
        mut at: impl FnMut(WindowStage<'_, C>, &mut Io) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let stdin = [PathBuf::from("-")];
        for path in if files.is_empty() { &stdin } else { files } {
            self.file(path, io, &mut at)?;
        }
        self.windows.end().map_err(refused)?;
        self.windows.closed().try_for_each(|closed| at(WindowStage::Over(closed), io))
    }

    /// Whether something could not be read: a file, or all that there was.
    pub fn has_failed(&self) -> bool {
        self.failed || (self.bad && !self.read)
    }

    fn file(
        &mut self,
        path: &Path,
        io: &mut Io,
        at: &mut impl FnMut(WindowStage<'_, C>, &mut Io) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let input = match Input::open(path, &io.out) {
            Ok(input) => input,
            Err(error) if io.out.has_failed() => return Err(error.into()),
            Err(error) => {
                self.failed = true;
                self.windows.torn();
                io.report.error(format_args!("{}: {error}", path.display()));
                return Ok(());
            }
        };
        let name = input.name.clone();
        let reader = Reader::new(input);
        let mut reader = match self.tool {
            Some(tool) => reader.of(tool),
            None => reader,
        };
        loop {
            match reader.next_item() {
                Ok(None) => return Ok(()),
                Ok(Some(Item::Flows(flows))) => {
                    self.read = true;
                    self.windows.flows(flows).map_err(refused)?;
                }
                Ok(Some(Item::Mark(mark))) => self.windows.mark(&mark).map_err(refused)?,
                Ok(Some(Item::Bad { line, error })) => {
                    self.bad = true;
                    self.windows.bad_line();
                    anyhow::ensure!(!self.strict, "{name}:{line}: {error}");
                    io.report.complain("bad lines", format_args!("{name}:{line}: {error}"));
                }
                Err(StreamError::Io(error)) if io.out.has_failed() => return Err(error.into()),
                Err(error) => {
                    self.failed = true;
                    self.windows.torn();
                    io.report.error(format_args!("{name}: {error}"));
                }
            }
            self.windows.closed().try_for_each(|closed| at(WindowStage::Over(closed), io))?;
            self.windows
                .open()
                .try_for_each(|(window, counter)| at(WindowStage::Open(window, counter), io))?;
        }
    }
}

/// A window that `--window` cannot make is a wrong argument, not a failure.
fn refused(error: WindowError) -> anyhow::Error {
    match error {
        WindowError::Misfit { .. } => Usage(error.to_string()).into(),
        WindowError::Io(error) => anyhow::Error::new(error).context("temporary file"),
        error => error.into(),
    }
}
