//! The frame of all commands: `main`, the streams, the exit status, the messages on stderr.
//!
//! A command is a clap struct with the [`Common`] options and a `run` function; [`main`] does the
//! rest. The manners that all commands share are here once, so that none can forget one: text from
//! the network is escaped, repeated complaints are counted, output is flushed before a read that
//! may block, a closed pipe ends a command with status 0 and no message, and a full disk with
//! status 1 and a message.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, Parser};

mod args;
mod escaped;
mod input;
mod out;
mod report;
mod whole;

pub use args::{
    Common, Nets, When, parse_duration, parse_net, parse_seconds, parse_size, parse_window,
    quarter_of_ram, read_words,
};
pub use escaped::Escaped;
pub use input::{Input, decompress};
pub use out::Out;
pub use report::Report;
pub use whole::{read_text, read_whole};

/// The result of a command that was not stopped by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Exit status 0: done.
    Done,
    /// Exit status 1: done as far as possible, with a message on stderr.
    Failed,
    /// Exit status 3: done, and something was found (`--exit-code`).
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

/// Parses the arguments, runs the command and returns its exit status.
pub fn main<A: Parser + AsRef<Common>>(run: fn(A, &mut Io) -> anyhow::Result<Status>) -> ExitCode {
    let name = A::command().get_name().to_owned();
    let out = Out::new(io::stdout());
    let arguments = match parse::<A>() {
        Ok(arguments) => arguments,
        Err(message) => return help(&name, out, &message),
    };
    let common = arguments.as_ref();
    let report = Report::new(&name, Box::new(io::stderr()), common.quiet, common.verbose);
    let mut io = Io { out, report };
    let result = run(arguments, &mut io);
    finish(result, &mut io)
}

/// Parses the arguments. Environment variables hold for every run of every command. A variable is
/// not read if the command line excludes its option; clap by itself would treat it as a given option
/// and refuse the command line.
fn parse<A: Parser>() -> Result<A, clap::Error> {
    let unset = |arg: Arg| arg.env(Resettable::Reset);
    // The command line without variables. Its errors are reported below.
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

/// Prints a message of clap's: help and version on stdout, a usage error on stderr.
fn help(name: &str, mut out: Out, message: &clap::Error) -> ExitCode {
    if message.use_stderr() {
        // A failure of stderr cannot be reported anywhere.
        let _ = message.print();
        return ExitCode::from(2);
    }
    let mut io =
        Io { out: out.clone(), report: Report::new(name, Box::new(io::stderr()), false, false) };
    let result = write!(out, "{}", message.render()).map(|()| Status::Done);
    finish(result.map_err(anyhow::Error::from), &mut io)
}

/// Flushes the output, reports an error and returns the exit status.
fn finish(result: anyhow::Result<Status>, io: &mut Io) -> ExitCode {
    // The flush is not left to Drop, because a full disk must be reported.
    let result = result.and_then(|status| Ok(io.out.flush().map(|()| status)?));
    io.report.finish();
    // The stream itself knows that its reader went away. Not every error shows its cause:
    // csv::Error has no source().
    if io.out.is_closed() {
        return ExitCode::SUCCESS;
    }
    match result {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::Failed) => ExitCode::FAILURE,
        Ok(Status::Found) => ExitCode::from(3),
        Err(error) => {
            io.report.error(chain(&error));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Returns an error with its causes, each once: the message of some errors includes their cause.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_shown_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("spool: {0}")]
        struct Wordy(#[source] io::Error);
        let wordy = Wordy(io::Error::other("disk full"));
        assert_eq!(chain(&anyhow::Error::new(wordy)), "spool: disk full");
        let error = anyhow::anyhow!("disk full").context("spool").context("slot");
        assert_eq!(chain(&error), "slot: spool: disk full");
    }
}
