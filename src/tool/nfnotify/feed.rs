//! Runs the command of a `[[hook]]` with lines on its standard input, within a time limit.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The most bytes of the command's error output that are shown; the rest is read and discarded.
const MAX_SHOWN: u64 = 500;

/// The time to wait for the end of the error output after the command ended. A child of the command may
/// keep the pipe open.
const OUTPUT_WAIT: Duration = Duration::from_secs(1);

/// Runs a command without a shell, writes `lines` to its standard input and waits for its end, at most
/// `limit` long. Then its process group is killed. Its standard output is discarded.
///
/// # Errors
/// The reason why the command did not take the lines, for people: it cannot be started, failed, or did not
/// end in time.
pub(super) fn feed(argv: &[String], lines: Vec<u8>, limit: Duration) -> Result<(), String> {
    let Some((program, arguments)) = argv.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    // A command that reads nothing would hold up a writer in this thread for ever.
    if let Some(mut stdin) = child.stdin.take() {
        thread::spawn(move || stdin.write_all(&lines));
    }
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
        Ok(Err(error)) => return Err(format!("{program}: {error}")),
        Err(_) => {
            if let Ok(group) = group {
                // An error means that the group ended at this moment.
                _ = killpg(group, Signal::SIGKILL);
            }
            let limit = humantime::format_duration(limit);
            return Err(format!("{program}: did not end within {limit}"));
        }
    };
    if status.success() {
        return Ok(());
    }
    let output = output.recv_timeout(OUTPUT_WAIT).unwrap_or_default();
    let output = String::from_utf8_lossy(&output);
    let words: Vec<&str> = output.split_whitespace().collect();
    let output = if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) };
    Err(format!("{program}: {status}{output}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, lines: &[u8], limit: Duration) -> Result<(), String> {
        feed(&["/bin/sh".into(), "-c".into(), script.into()], lines.to_vec(), limit)
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
        assert_eq!(told, "/bin/sh: exit status: 3: a b c");
        let told = shell("yes >&2 & sleep 0; kill -9 $$", b"", LONG).unwrap_err();
        assert!(told.starts_with("/bin/sh: signal: 9 (SIGKILL): y y y"), "{told}");
        let told = feed(&["/no/such/program".into()], Vec::new(), LONG).unwrap_err();
        assert!(told.starts_with("/no/such/program: No such file"), "{told}");
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let limit = Duration::from_millis(300);
        let told = shell(&script, &vec![b'x'; 1 << 20], limit).unwrap_err();
        assert_eq!(told, "/bin/sh: did not end within 300ms");
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
