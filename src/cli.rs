//! The frame of all commands: `main`, the streams, the exit status, the messages on stderr.
//!
//! A command is a clap struct with the [`Common`] options, [`Arguments`], and a `run` function; [`main`] does
//! the rest. The manners that all commands share are here once, so that none can forget one: text from
//! the network is escaped, repeated complaints are counted, output is flushed before a read that
//! may block, a closed pipe ends a command with status 0 and no message, and a full disk with
//! status 1 and a message.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

mod args;
mod arguments;
pub mod config;
mod input;
mod out;
mod report;
mod whole;

pub use args::{
    Common, Nets, When, parse_duration, parse_net, parse_seconds, parse_size, parse_window,
    quarter_of_ram, read_words,
};
pub use arguments::Arguments;
pub use config::{Config, Key, Table};
pub use input::{Input, decompress};
pub use out::Out;
pub use report::Report;
pub use whole::{read_text, read_whole};

use arguments::{Given, Refused};

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
    /// The configuration of the site.
    pub config: Config,
}

/// Parses the arguments, runs the command and returns its exit status. `tables`: all that the configuration
/// file of a site may have, whether this command reads them or not.
pub fn main<A: Arguments>(
    tables: &[&'static Table],
    run: fn(A, &mut Io) -> anyhow::Result<Status>,
) -> ExitCode {
    let name = A::command().get_name().to_owned();
    let out = Out::new(io::stdout());
    let line = command_line();
    let given = Given::new::<A>(&line);
    let (quiet, verbose) = (given.flag("quiet"), given.flag("verbose"));
    let mut report = Report::new(&name, Box::new(io::stderr()), quiet, verbose);
    let config = match configure::<A>(&given, tables, &mut report) {
        Ok(config) => config,
        Err(status) => return status,
    };
    let arguments = match arguments::parse::<A>(&line, &config) {
        Ok(arguments) => arguments,
        Err(Refused::Clap(message)) => return help(&name, out, &message),
        Err(Refused::Config(faults)) => return misconfigured(faults, &mut report),
    };
    report.detail(&config);
    let mut io = Io { out, report, config };
    let result = run(arguments, &mut io);
    finish(result, &mut io)
}

/// Reads the configuration, and reports its faults. Fails with the exit status if a fault is an error for
/// this command.
fn configure<A: Arguments>(
    given: &Given,
    tables: &[&'static Table],
    report: &mut Report,
) -> Result<Config, ExitCode> {
    if given.is_help() {
        return Ok(Config::default());
    }
    let (config, faults) =
        given.load::<A>(tables).map_err(|error| misconfigured(vec![chain(&error)], report))?;
    let (errors, others) = given.split::<A>(faults);
    for fault in others {
        report.complain("faults in other tables of the configuration", fault);
    }
    if errors.is_empty() {
        return Ok(config);
    }
    Err(misconfigured(errors, report))
}

/// Reports errors of the configuration and returns the exit status.
fn misconfigured<T: fmt::Display>(
    errors: impl IntoIterator<Item = T>,
    report: &mut Report,
) -> ExitCode {
    for error in errors {
        report.fail("errors in the configuration", error);
    }
    report.finish();
    ExitCode::from(2)
}

#[expect(clippy::disallowed_methods, reason = "the arguments themselves")]
fn command_line() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// Parses the arguments of another command, without its name, as that command would be started with them by
/// itself: with the same environment, and the configuration that this command has.
///
/// # Errors
/// Returns a usage error with the command's name, instead of printing anything.
pub fn parse_as<A: Arguments>(
    line: impl IntoIterator<Item = impl Into<OsString>>,
    config: &Config,
) -> anyhow::Result<A> {
    let name = A::command().get_name().to_owned();
    let whole: Vec<OsString> =
        [name.clone().into()].into_iter().chain(line.into_iter().map(Into::into)).collect();
    arguments::parse(&whole, config).map_err(|refused| {
        let why = match refused {
            Refused::Config(faults) => faults.join("; "),
            Refused::Clap(error) => {
                let text = error.render().to_string();
                // The usage and a hint follow in paragraphs of their own.
                let text = text.split("\n\n").next().unwrap_or_default();
                let words: Vec<&str> = text.split_whitespace().collect();
                words.join(" ").trim_start_matches("error: ").to_owned()
            }
        };
        Usage(format!("{name}: {why}")).into()
    })
}

/// Prints a message of clap's: help and version on stdout, a usage error on stderr.
fn help(name: &str, mut out: Out, message: &clap::Error) -> ExitCode {
    if message.use_stderr() {
        // A failure of stderr cannot be reported anywhere.
        let _ = message.print();
        return ExitCode::from(2);
    }
    let report = Report::new(name, Box::new(io::stderr()), false, false);
    let mut io = Io { out: out.clone(), report, config: Config::default() };
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
