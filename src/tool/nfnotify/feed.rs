//! Runs a command with a text on its standard input, within a time limit: that of a `[[hook]]`, or sendmail.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The most bytes of the command's error output that are shown; the rest is read and discarded.
const MAX_SHOWN: u64 = 500;

/// The time to wait for the end of the error output after the command ended. A child of the command may
/// keep the pipe open.
const OUTPUT_WAIT: Duration = Duration::from_secs(1);

/// The reason why a command did not take its input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(super) struct NotTaken {
    /// The exit status; `None` if the command could not be started, was killed, or did not end in time.
    pub code: Option<i32>,
    /// The reason, for people.
    pub why: String,
}

/// Runs a command without a shell, writes `lines` to its standard input and waits for its end, at most
/// `limit` long. Then its process group is killed. Its standard output is discarded.
///
/// # Errors
/// The reason why the command did not take the lines: it cannot be started, failed, or did not end in time.
pub(super) fn feed(argv: &[String], lines: &[u8], limit: Duration) -> Result<(), NotTaken> {
    let failed = |why: String| NotTaken { code: None, why };
    let Some((program, arguments)) = argv.split_first() else { return Ok(()) };
    // The input is whole before the command begins: one that reads from a pipe would take a part for all of it if
    // this process died while it wrote.
    let input = in_memory(lines).map_err(|error| failed(format!("{program}: {error}")))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("{program}: {error}")))?;
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let (said, output) = mpsc::channel();
    if let Some(mut stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut text = Vec::new();
            _ = stderr.by_ref().take(MAX_SHOWN).read_to_end(&mut text);
            _ = said.send(text);
            _ = std::io::copy(&mut stderr, &mut std::io::sink());
        });
    }
    let (ended, status) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait()));
    let status: ExitStatus = match status.recv_timeout(limit) {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(failed(format!("{program}: {error}"))),
        Err(_) => {
            if let Ok(group) = group {
                // An error means that the group ended at this moment.
                _ = killpg(group, Signal::SIGKILL);
            }
            let limit = humantime::format_duration(limit);
            return Err(failed(format!("{program}: did not end within {limit}")));
        }
    };
    if status.success() {
        return Ok(());
    }
    let output = output.recv_timeout(OUTPUT_WAIT).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let words: Vec<&str> = output.split_whitespace().collect();
    let output = if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) };
    Err(NotTaken { code: status.code(), why: format!("{program}: {status}{output}") })
}

/// Returns a file without a name that has these bytes, ready to be read.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let file = memfd_create(c"nfnotify", MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, lines: &[u8], limit: Duration) -> Result<(), NotTaken> {
        feed(&["/bin/sh".into(), "-c".into(), script.into()], lines, limit)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_gets_the_lines_and_its_fault_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        shell(&format!("cat > {}", path.display()), b"one\ntwo\n", LONG).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n");
        // A command may end without reading.
        shell("exit 0", &vec![b'x'; 1 << 20], LONG).unwrap();
        let told = shell("echo a  b >&2; echo c >&2; exit 3", b"", LONG).unwrap_err();
        let expected = "/bin/sh: exit status: 3: a b c".to_owned();
        assert_eq!(told, NotTaken { code: Some(3), why: expected });
        let told = shell("yes >&2 & sleep 0; kill -9 $$", b"", LONG).unwrap_err();
        assert!(told.why.starts_with("/bin/sh: signal: 9 (SIGKILL): y y y"), "{told}");
        let told = feed(&["/no/such/program".into()], b"", LONG).unwrap_err();
        assert!(told.why.starts_with("/no/such/program: No such file"), "{told}");
        assert_eq!(told.code, None);
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let limit = Duration::from_millis(300);
        let told = shell(&script, &vec![b'x'; 1 << 20], limit).unwrap_err();
        assert_eq!(told.why, "/bin/sh: did not end within 300ms");
        let is_gone = || {
            let Ok(text) = std::fs::read_to_string(&pid) else { return true };
            let Ok(pid) = text.trim().parse::<i32>() else { return true };
            nix::sys::signal::kill(Pid::from_raw(pid), None).is_err()
                || std::fs::read_to_string(format!("/proc/{pid}/stat"))
                    .is_ok_and(|stat| stat.contains(") Z "))
        };
        while !is_gone() {
            thread::yield_now();
        }
    }
}
