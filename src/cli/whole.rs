//! Reads whole files into memory: networks, limits, contacts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};

/// The most bytes of such a file. Without this limit `@/dev/zero`, or a capture that was
/// named by mistake, would take all memory.
const MAX: u64 = 16 << 20;

/// Reads all bytes of a file, or of a pipe that a shell names as `/dev/fd/63`.
///
/// # Errors
/// A file that cannot be opened or read, and one of more than 16 MiB; the message begins with its
/// path.
pub fn read_whole(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_up_to(path, MAX)
}

/// Reads all bytes of a file that may have `most` of them, a number of whole MiB.
fn read_up_to(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let name = path.display();
    let file = File::open(path).with_context(|| name.to_string())?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).with_context(|| name.to_string())?;
    if bytes.len() as u64 > most {
        let most = most >> 20;
        bail!(
            "{name}: more than {most} MiB, the limit for a file of this kind; is it the right file?"
        );
    }
    Ok(bytes)
}

/// Reads a file as text, as [`read_whole`] does.
///
/// # Errors
/// Those of [`read_whole`], and bytes that are not UTF-8, with their line.
pub fn read_text(path: &Path) -> anyhow::Result<String> {
    read_text_up_to(path, MAX)
}

/// Reads a file as text, as [`read_text`] does, with another limit: `most` bytes, a number of whole MiB.
///
/// # Errors
/// Those of [`read_text`].
pub(super) fn read_text_up_to(path: &Path, most: u64) -> anyhow::Result<String> {
    String::from_utf8(read_up_to(path, most)?).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(valid).filter(|&&byte| byte == b'\n').count();
        anyhow!("{}:{line}: not UTF-8 text", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_limit_is_read_and_a_longer_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = File::create(&path).unwrap();
        file.set_len(MAX).unwrap();
        assert_eq!(read_whole(&path).unwrap().len() as u64, MAX);
        file.set_len(MAX + 1).unwrap();
        let error = format!("{:#}", read_whole(&path).unwrap_err());
        assert_eq!(
            error,
            format!(
                "{}: more than 16 MiB, the limit for a file of this kind; is it the right file?",
                path.display()
            )
        );
    }

    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = format!("{:#}", read_text(Path::new("/dev/zero")).unwrap_err());
        assert!(error.starts_with("/dev/zero: more than 16 MiB"), "{error}");
    }

    #[test]
    fn the_line_that_is_not_text_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"10.0.0.0/8\n\xff\xfe\n").unwrap();
        let error = format!("{:#}", read_text(&path).unwrap_err());
        assert_eq!(error, format!("{}:2: not UTF-8 text", path.display()));
    }
}
