//! The memory of incidents, `[incident]` of the configuration: `nfnotify run` gets the findings files that it
//! has not had.

use std::ffi::OsString;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::anyhow;

use super::clock::Clock;
use super::detectors::panic_text;
use super::messages::Messages;
use super::out_dir::OutDir;
use super::waiting::{INCIDENTS, WaitingFiles};
use crate::cli::{Config, Io, Out, Report, parse_as};
use crate::tool::nfnotify::{self, INCIDENT, Ran, WayState};

/// The result of a run of `nfnotify run`.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    /// The reason why it has not taken the files, if it has not.
    pub failed: Option<String>,
    /// The reasons of hooks that failed, by their names.
    pub hooks: Vec<(String, String)>,
    /// The state of the way out for mails.
    pub mail: WayState,
    /// Messages of a run that succeeded, told once until a run has none.
    pub said: Vec<String>,
}

/// Returns true if the configuration has a table `[incident]`.
pub(super) fn is_wanted(config: &Config) -> bool {
    config.has(&INCIDENT)
}

/// Gives the memory the files that wait, and lets it carry on what is due. The files wait on if it fails.
///
/// # Errors
/// The system's error of OUT.
pub(super) fn run(clock: Clock, out: &OutDir, config: &Config) -> io::Result<Remembered> {
    let files = INCIDENTS.files(out)?;
    let said = Messages::default();
    let report = Report::new("nfnotify", Box::new(said.clone()), false, false);
    let mut io = Io { out: Out::new(io::sink()), report, config: config.clone() };
    // A fault of our own must not end the job: the files wait, and a person hears of it.
    let result = catch_unwind(AssertUnwindSafe(|| take(clock, &files, &mut io)))
        .unwrap_or_else(|panic| Err(anyhow!("a panic: {}", panic_text(panic.as_ref()))));
    io.report.finish();
    let mut said = said.lines();
    let mut remembered = Remembered::default();
    match result {
        Ok(Ran { is_taken: true, failed_hooks, mail, .. }) => {
            INCIDENTS.clear(out)?;
            remembered.hooks = failed_hooks;
            remembered.mail = mail;
            if files.given_up > 0 {
                said.push(format!("{} findings files were given up", files.given_up));
            }
            remembered.said = said;
        }
        Ok(Ran { is_taken: false, failed_hooks, mail, .. }) => {
            INCIDENTS.shorten(&files, out)?;
            remembered.hooks = failed_hooks;
            remembered.mail = mail;
            let why = if said.is_empty() { "it failed".to_owned() } else { said.join("; ") };
            remembered.failed = Some(why);
        }
        Err(error) => {
            INCIDENTS.shorten(&files, out)?;
            said.push(format!("nfnotify: {error:#}"));
            remembered.failed = Some(said.join("; "));
        }
    }
    Ok(remembered)
}

fn take(clock: Clock, files: &WaitingFiles, io: &mut Io) -> anyhow::Result<Ran> {
    let mut line: Vec<OsString> = vec!["run".into()];
    if let Some(fixed) = clock.fixed {
        line.push(format!("--now={}", fixed.secs()).into());
    }
    line.push("--".into());
    line.extend(files.paths.iter().map(|path| path.clone().into_os_string()));
    nfnotify::remember(parse_as::<nfnotify::Args>(line, &io.config)?, io)
}
