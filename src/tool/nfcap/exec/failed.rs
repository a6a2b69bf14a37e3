//! The list of files whose command failed: what an admin has to look at, and can be done again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::OFlag;

use crate::cli::Escaped;
use crate::time::Window;

/// Its name in the spool; readers pass over names with a dot.
pub const NAME: &str = ".nfcap.failed";

/// Octets that it may have: a command that always fails must not fill the disk.
pub const MOST: u64 = 1 << 20;

/// Adds a line to the list: when, the start of the slot, the file and why, with TABs between them.
/// In the file's name backslashes and control characters are written so that `printf %b` gives them
/// back. Returns false if the list is full.
///
/// # Errors
/// What the system says.
pub fn add(spool: &Path, slot: Window, file: &Path, why: &str) -> io::Result<bool> {
    let list = open(&spool.join(NAME), true)?;
    let len = list.metadata()?.len();
    let mut line = Vec::new();
    if let Some(last) = len.checked_sub(1) {
        // A disk that was full may have cut the line before.
        let mut octet = [0];
        list.read_exact_at(&mut octet, last)?;
        if octet != *b"\n" {
            line.push(b'\n');
        }
    }
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    write!(line, "{now}\t{}\t", slot.start_text())?;
    for &octet in file.as_os_str().as_bytes() {
        match octet {
            b'\\' => line.extend(b"\\\\"),
            b'\t' => line.extend(b"\\t"),
            b'\n' => line.extend(b"\\n"),
            0..0x20 | 0x7f => write!(line, "\\0{octet:03o}")?,
            octet => line.push(octet),
        }
    }
    writeln!(line, "\t{}", Escaped(why))?;
    let line_len = u64::try_from(line.len()).unwrap_or(u64::MAX);
    if len.saturating_add(line_len) > MOST {
        return Ok(false);
    }
    // One call: whoever reads meanwhile sees whole lines.
    match (&list).write(&line)? == line.len() {
        true => Ok(true),
        false => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// How many files are in the list of a spool.
///
/// # Errors
/// What the system says; a list that is not there is empty.
pub fn left_over(spool: &Path) -> io::Result<usize> {
    let list = match open(&spool.join(NAME), false) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    // Somebody else may have made it longer than we do.
    let mut lines = 0;
    let mut at_start = true;
    for octet in BufReader::new(list.take(MOST)).bytes() {
        let octet = octet?;
        lines += usize::from(at_start && octet != b'\n');
        at_start = octet == b'\n';
    }
    Ok(lines)
}

/// Opens the list. No link is followed and no FIFO waited for: in a spool that others write to, it
/// may be anything.
fn open(path: &Path, append: bool) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let list = OpenOptions::new()
        .read(true)
        .append(append)
        .create(append)
        .mode(0o640)
        .custom_flags(flags.bits())
        .open(path)?;
    match list.metadata()?.is_file() {
        true => Ok(list),
        false => Err(io::Error::other("no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn slot() -> Window {
        Window::new(993_946_800, 600).unwrap()
    }

    #[test]
    fn lines_are_whole_and_names_can_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join(NAME);
        assert_eq!(left_over(dir.path()).unwrap(), 0);
        let odd = Path::new("/a b/x\ty\nz\\\x07ü");
        assert!(add(dir.path(), slot(), odd, "signal: 9\nx").unwrap());
        assert_eq!(fs::metadata(&list).unwrap().permissions().mode() & 0o137, 0);
        // A torn line does not swallow the next one.
        let mut text = fs::read_to_string(&list).unwrap();
        text.push_str("torn");
        fs::write(&list, &text).unwrap();
        assert!(add(dir.path(), slot(), Path::new("/b"), "exit status: 1").unwrap());
        assert_eq!(left_over(dir.path()).unwrap(), 3);
        let text = fs::read_to_string(&list).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        assert!(crate::time::Timestamp::parse(lines[0][0].as_bytes()).is_some());
        assert_eq!(
            lines[0][1..],
            ["2001-07-01T00:20:00Z", "/a b/x\\ty\\nz\\\\\\0007ü", "signal: 9\\nx"]
        );
        assert_eq!(lines[2][2..], ["/b", "exit status: 1"]);
        let back = std::process::Command::new("sh")
            .args(["-c", "printf %b \"$1\"", "sh", lines[0][2]])
            .output()
            .unwrap();
        assert_eq!(back.stdout, odd.as_os_str().as_bytes());
    }

    #[test]
    fn it_is_bounded_and_nothing_but_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join(NAME);
        let file = File::create(&list).unwrap();
        file.write_all_at(b"\n", MOST - 100).unwrap();
        let long = "x".repeat(100);
        assert!(!add(dir.path(), slot(), Path::new("/b"), &long).unwrap());
        assert_eq!(fs::metadata(&list).unwrap().len(), MOST - 99);
        assert!(add(dir.path(), slot(), Path::new("/b"), "x").unwrap());
        assert!(left_over(dir.path()).unwrap() > 0);

        fs::remove_file(&list).unwrap();
        std::os::unix::fs::symlink(dir.path().join("other"), &list).unwrap();
        assert!(add(dir.path(), slot(), Path::new("/b"), "x").is_err());
        assert!(!dir.path().join("other").exists());
        fs::remove_file(&list).unwrap();
        fs::create_dir(&list).unwrap();
        assert!(add(dir.path(), slot(), Path::new("/b"), "x").is_err());
        assert!(left_over(dir.path()).is_err());
    }
}
