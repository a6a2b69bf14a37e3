//! The command of `--then`, which gets the findings files that it has not had.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::out_dir::OutDir;
use super::waiting::THEN;

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
    let files = THEN.files(out)?;
    if files.paths.is_empty() {
        return THEN.clear(out).map(|()| None);
    }
    let mut command = Command::new(find(program, path));
    command.args(arguments).args(&files.paths).env("PATH", path).stdin(Stdio::null());
    let reason = match command.status() {
        Ok(status) if status.success() => {
            THEN.clear(out)?;
            return Ok(None);
        }
        Ok(status) => ended(status),
        Err(error) => error.to_string(),
    };
    THEN.shorten(&files, out)?;
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
