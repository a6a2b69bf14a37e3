//! What all commands do alike: one `main`, the streams, the exit status, the messages on stderr.
//!
//! A command is a clap struct that can show its [`Common`] options and a `run` function; [`main`]
//! does the rest. Manners are kept here once, so that no tool can forget one: text off the network
//! is escaped, repeated complaints are counted, output is flushed before a read that may block, a
//! closed pipe is a quiet 0 and a full disk a loud 1.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, Parser};

mod args;
mod input;
mod out;
mod report;
mod whole;

pub use args::{
    Common, Nets, When, parse_duration, parse_net, parse_seconds, parse_size, parse_window,
    quarter_of_ram, read_words,
};
pub use input::{Input, decompress};
pub use out::Out;
pub use report::Report;
pub use whole::{read_text, read_whole};

/// How a command ended, when it ended well enough to say so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: done.
    Done,
    /// 1: done as far as possible, with something said on stderr.
    Failed,
    /// 3: done, and something was found (`--exit-code`).
    Found,
}

/// A request that cannot be carried out as written: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The streams of one command.
#[derive(Debug)]
pub struct Io {
    /// Standard output. Cloning it gives another handle on the same stream.
    pub out: Out,
    /// Standard error.
    pub report: Report,
}

/// Parses the arguments, runs the command and turns what happened into an exit status.
pub fn main<A: Parser + AsRef<Common>>(run: fn(A, &mut Io) -> anyhow::Result<Status>) -> ExitCode {
    let name = A::command().get_name().to_owned();
    let out = Out::new(io::stdout());
    let arguments = match parse::<A>() {
        Ok(arguments) => arguments,
        Err(said) => return help(&name, out, &said),
    };
    let common = arguments.as_ref();
    let report = Report::new(&name, Box::new(io::stderr()), common.quiet, common.verbose);
    let mut io = Io { out, report };
    let result = run(arguments, &mut io);
    finish(result, &mut io)
}

/// Parses the arguments. A variable is set for every run of every command, so one that the command
/// line excludes is not read; clap alone takes a variable for an option that was given, and refuses.
fn parse<A: Parser>() -> Result<A, clap::Error> {
    let unset = |arg: Arg| arg.env(Resettable::Reset);
    // What the command line says by itself; what is wrong with it is told below.
    let given = A::command().mut_args(unset).ignore_errors(true).try_get_matches();
    let command = A::command();
    let is_given = |arg: &Arg| {
        let given = given.as_ref().ok();
        let source = given.and_then(|given| given.value_source(arg.get_id().as_str()));
        source == Some(ValueSource::CommandLine)
    };
    let is_excluded = |arg: &&Arg| command.get_arg_conflicts_with(arg).into_iter().any(is_given);
    let excluded = command.get_arguments().filter(is_excluded);
    let excluded: Vec<_> = excluded.map(|arg| arg.get_id().clone()).collect();
    let command =
        command.mut_args(|arg| if excluded.contains(arg.get_id()) { unset(arg) } else { arg });
    let mut matches = command.try_get_matches()?;
    A::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut A::command()))
}

/// Prints what clap has to say: help and version on stdout, a usage error on stderr.
fn help(name: &str, mut out: Out, said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        // Nothing is left to tell anyone if stderr is gone too.
        let _ = said.print();
        return ExitCode::from(2);
    }
    let mut io =
        Io { out: out.clone(), report: Report::new(name, Box::new(io::stderr()), false, false) };
    let result = write!(out, "{}", said.render()).map(|()| Status::Done);
    finish(result.map_err(anyhow::Error::from), &mut io)
}

fn finish(result: anyhow::Result<Status>, io: &mut Io) -> ExitCode {
    // Never left to Drop: a full disk at the last flush must be told.
    let result = result.and_then(|status| Ok(io.out.flush().map(|()| status)?));
    io.report.finish();
    // The stream itself remembers that its reader went away, because not every error on the way up
    // lets one see what caused it (csv::Error has no source()).
    if io.out.is_closed() {
        return ExitCode::SUCCESS;
    }
    match result {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::Failed) => ExitCode::FAILURE,
        Ok(Status::Found) => ExitCode::from(3),
        Err(error) => {
            io.report.error(chain(&error));
            match error.is::<Usage>() {
                true => ExitCode::from(2),
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// An error with its causes, each said once: some errors name their cause themselves.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Text that may come off the network, made harmless for a terminal: control and invisible
/// formatting characters are written as `\x1b` or `\u{202e}`.
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Filter<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Filter<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for c in text.chars() {
                    match c {
                        '\n' => self.0.write_str("\\n")?,
                        '\t' => self.0.write_str("\\t")?,
                        '\r' => self.0.write_str("\\r")?,
                        c if c.is_ascii_control() => write!(self.0, "\\x{:02x}", u32::from(c))?,
                        // Controls above ASCII, and marks that reorder or hide text (UAX #9).
                        '\u{80}'..='\u{9f}'
                        | '\u{61c}'
                        | '\u{200b}'..='\u{200f}'
                        | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}'
                        | '\u{feff}' => write!(self.0, "\\u{{{:x}}}", u32::from(c))?,
                        c => self.0.write_char(c)?,
                    }
                }
                Ok(())
            }
        }
        write!(Filter(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("spool: {0}")]
        struct Wordy(#[source] io::Error);
        let wordy = Wordy(io::Error::other("disk full"));
        assert_eq!(chain(&anyhow::Error::new(wordy)), "spool: disk full");
        let error = anyhow::anyhow!("disk full").context("spool").context("slot");
        assert_eq!(chain(&error), "slot: spool: disk full");
    }

    #[test]
    fn what_could_move_a_cursor_is_escaped() {
        let text = "a\u{1b}[2J\n\u{202e}gpj.\u{9b}é";
        assert_eq!(Escaped(text).to_string(), "a\\x1b[2J\\n\\u{202e}gpj.\\u{9b}é");
    }
}
