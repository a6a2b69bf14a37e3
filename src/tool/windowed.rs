//! Reads flow lines from files, window by window, for every filter that counts by windows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::{Input, Io, Usage};
use crate::flow::Flow;
use crate::line::{Item, Reader, StreamError, Tool};
use crate::time::{Mark, Window};
use crate::window::{Closed, Counter, Exclusion, WindowError, Windows};

/// A window as a filter sees it while input is read.
#[derive(Debug)]
pub enum WindowStage<'a, C> {
    /// The window is open; its counter has the flows so far.
    Open(Window, &'a mut C),
    /// The window is over.
    Over(Closed<C>),
}

/// A piece of a stream of flows that is not read from text.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A mark.
    Mark(Mark),
    /// Some flows, shared by all that count them.
    Flows(Arc<Vec<Flow>>),
}

/// One run over all inputs.
pub struct Windowed<C, F, X> {
    windows: Windows<C, F, X>,
    /// The first bad line stops the command.
    strict: bool,
    /// The program whose output the files are, if the user named it.
    tool: Option<Tool>,
    /// At least one flow was read.
    has_read: bool,
    /// At least one line could not be read.
    has_bad_lines: bool,
    /// At least one file could not be read.
    has_failed: bool,
}

impl<C: Counter, F: FnMut() -> C, X: Exclusion> Windowed<C, F, X> {
    /// Returns a run that has read nothing yet. `strict`: the first bad line is an error. `tool`:
    /// the program whose output the files are; `None` to tell from their first line.
    pub fn new(windows: Windows<C, F, X>, strict: bool, tool: Option<Tool>) -> Windowed<C, F, X> {
        Windowed { windows, strict, tool, has_read: false, has_bad_lines: false, has_failed: false }
    }

    /// Reads the files, or stdin if there are none, and calls `over` with each window that is over.
    ///
    /// # Errors
    /// Everything that stops the command. A file that cannot be read does not.
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

    /// Reads the files like [`Windowed::run`]. After every piece of input it calls `at` with each
    /// window that is over, and with each that is still open.
    ///
    /// # Errors
    /// Everything that stops the command. A file that cannot be read does not.
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

    /// Takes all pieces, and calls `at` as [`Windowed::live`] does.
    ///
    /// # Errors
    /// Everything that stops the command.
    pub fn pieces(
        &mut self,
        pieces: impl Iterator<Item = Piece>,
        io: &mut Io,
        mut at: impl FnMut(WindowStage<'_, C>, &mut Io) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for piece in pieces {
            match piece {
                Piece::Mark(mark) => self.windows.mark(&mark).map_err(refused)?,
                Piece::Flows(flows) => {
                    self.has_read = true;
                    self.windows.flows(&flows).map_err(refused)?;
                }
            }
            self.windows.closed().try_for_each(|closed| at(WindowStage::Over(closed), io))?;
        }
        self.windows.end().map_err(refused)?;
        self.windows.closed().try_for_each(|closed| at(WindowStage::Over(closed), io))
    }

    /// Returns true if a file could not be read, or no line of all that there were.
    pub fn has_failed(&self) -> bool {
        self.has_failed || (self.has_bad_lines && !self.has_read)
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
                self.has_failed = true;
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
                    self.has_read = true;
                    self.windows.flows(flows).map_err(refused)?;
                }
                Ok(Some(Item::Mark(mark))) => self.windows.mark(&mark).map_err(refused)?,
                Ok(Some(Item::Bad { line, error })) => {
                    self.has_bad_lines = true;
                    self.windows.bad_line();
                    anyhow::ensure!(!self.strict, "{name}:{line}: {error}");
                    io.report.complain("bad lines", format_args!("{name}:{line}: {error}"));
                }
                Err(StreamError::Io(error)) if io.out.has_failed() => return Err(error.into()),
                Err(error) => {
                    self.has_failed = true;
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

/// Returns the error for the user. A window that `--window` cannot make is a wrong argument.
fn refused(error: WindowError) -> anyhow::Error {
    match error {
        WindowError::Misfit { .. } => Usage(error.to_string()).into(),
        WindowError::Io(error) => anyhow::Error::new(error).context("temporary file"),
        error => error.into(),
    }
}
