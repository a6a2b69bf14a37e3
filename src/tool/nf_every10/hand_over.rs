//! The command of `--then`, which gets the findings files that it has not had.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::names::{SlotName, findings_of};
use super::out_dir::{self, OutDir};

/// The file with the names of findings files that the command has not had.
const NAME: &str = "then";

/// The most findings files that wait for a command that fails.
const QUEUED: usize = 1000;

/// Enters the findings of a slot for the command.
///
/// # Errors
/// The system's error.
pub(super) fn enter(slot: &SlotName, out: &OutDir) -> std::io::Result<()> {
    out.append(NAME, format!("{}\n", findings_of(slot).display()).as_bytes())
}

/// Returns true if findings files wait.
pub(super) fn is_due(out: &OutDir) -> bool {
    out.path(NAME).metadata().is_ok_and(|of| of.len() > 0)
}

/// Runs the command with the files that wait. Returns the reason if it failed; the files wait on then.
///
/// # Errors
/// The system's error.
pub(super) fn run(
    words: &[OsString],
    path: &OsString,
    out: &OutDir,
) -> std::io::Result<Option<String>> {
    let Some((program, arguments)) = words.split_first() else { return Ok(None) };
    let text = out_dir::read(&out.path(NAME))?;
    let text = String::from_utf8_lossy(&text);
    let names: BTreeSet<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let skipped = names.len().saturating_sub(QUEUED);
    let names: Vec<&str> = names.into_iter().skip(skipped).collect();
    // A file may have been removed for its age.
    let files: Vec<PathBuf> =
        names.iter().map(|name| out.path(name)).filter(|path| path.exists()).collect();
    if files.is_empty() {
        return out_dir::remove(&out.path(NAME)).map(|()| None);
    }
    let mut command = Command::new(find(program, path));
    command.args(arguments).args(files).env("PATH", path).stdin(Stdio::null());
    let reason = match command.status() {
        Ok(status) if status.success() => {
            out_dir::remove(&out.path(NAME))?;
            return Ok(None);
        }
        Ok(status) => ended(status),
        Err(error) => error.to_string(),
    };
    if skipped > 0 {
        out.replace(NAME, (names.join("\n") + "\n").as_bytes())?;
    }
    let program = Path::new(program).display();
    Ok(Some(format!("--then {program}: {reason}; it gets the same files again in the next run")))
}

/// Returns the program by the search path that the command itself gets.
fn find(program: &OsString, path: &OsString) -> PathBuf {
    let program = Path::new(program);
    if program.components().count() > 1 || program.is_absolute() {
        return program.to_owned();
    }
    let found =
        std::env::split_paths(path).map(|dir| dir.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| program.to_owned())
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (_, Some(signal)) => format!("killed by signal {signal}"),
        _ => status.to_string(),
    }
}
