//! The state file: the memory of a detector, kept from one window to the next.
//!
//! A file is one line of text, `nfkit-state 2 TOOL LENGTH CRC32`, and then LENGTH bytes. The line names the
//! command, so that `head -1` shows whose file it is. The checksum (CRC-32 as in gzip, RFC 1952 section 8)
//! finds damage that a crash or a disk did to the rest.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::time::{Timestamp, Window};

/// The version of the format that is written.
const VERSION: &str = "2";
/// The earlier version that is read too.
const EARLIER: &str = "1";
/// Bytes that stand for the fields that a memory lacks because it was written before they came; new fields are the last
/// of each memory. postcard writes an empty map, 0 and `None` as a byte of 0 each, and ignores what is left over.
const LACKING: [u8; 32] = [0; 32];
/// The first word of the file.
const MAGIC: &str = "nfkit-state";
/// The longest first line, in bytes.
const MAX_LINE: usize = 128;

/// Seconds by which the clock of an exporter may be ahead of this machine's.
const AHEAD: u64 = 86_400;

/// Returns true if `window` may update a state that has learned all windows until `until`, in Unix seconds:
/// it starts at or after `until`, and it does not end in the future (86,400 s of clock skew are allowed).
///
/// A window that is read again teaches nothing. A window of a wrong clock, years from `now`, would be the last
/// one to teach anything; an `until` that lies in the future therefore counts as 0.
pub fn teaches(until: u64, window: Window, now: Timestamp) -> bool {
    let latest = now.secs().saturating_add(AHEAD);
    let until = if until > latest { 0 } else { until };
    window.start() >= until && window.end() <= latest
}

/// The reason why a file is not the state of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The file does not begin as a state file does.
    #[error("not a state file (no {MAGIC} header)")]
    Foreign,
    /// The first line is damaged.
    #[error("byte 0: the first line is not nfkit-state VERSION TOOL LENGTH CRC32")]
    Line,
    /// The file was written by another version of nfkit.
    #[error("state of version {0:?}; this nfkit reads {EARLIER} and {VERSION}")]
    Version(String),
    /// The file is another command's.
    #[error("state of {found}, not of {expected}")]
    Tool {
        /// The command that wrote the file.
        found: String,
        /// The command that reads it.
        expected: &'static str,
    },
    /// There are fewer or more bytes than the first line says.
    #[error("byte {at}: {found} bytes of state where {expected} should be")]
    Length {
        /// Byte at which the state begins.
        at: usize,
        /// Bytes that there are.
        found: usize,
        /// Bytes that the first line says.
        expected: usize,
    },
    /// The checksum is wrong.
    #[error("byte {at}: the checksum is {found:08x}, not {expected:08x}")]
    Checksum {
        /// Byte at which the state begins.
        at: usize,
        /// The checksum of the bytes.
        found: u32,
        /// The checksum that was written.
        expected: u32,
    },
    /// The bytes are undamaged, but they are not a state of this kind.
    #[error("byte {at}: {reason}")]
    Content {
        /// Byte at which the state begins.
        at: usize,
        /// The reason, in words.
        reason: String,
    },
}

/// Returns the bytes of a state file.
///
/// # Errors
/// A state that cannot be serialized.
pub fn write<T: Serialize>(tool: &str, state: &T) -> Result<Vec<u8>, StateError> {
    let content = |error: postcard::Error| StateError::Content { at: 0, reason: error.to_string() };
    let body = postcard::to_stdvec(state).map_err(content)?;
    let sum = crc32fast::hash(&body);
    let mut file = format!("{MAGIC} {VERSION} {tool} {} {sum:08x}\n", body.len()).into_bytes();
    file.extend_from_slice(&body);
    Ok(file)
}

/// Reads the bytes of a state file.
///
/// # Errors
/// A file that is not a whole state of this command.
pub fn read<T: DeserializeOwned>(tool: &'static str, file: &[u8]) -> Result<T, StateError> {
    let end = file.iter().take(MAX_LINE).position(|byte| *byte == b'\n');
    let line = end.and_then(|end| std::str::from_utf8(file.get(..end)?).ok());
    let words: Vec<&str> = line.unwrap_or("").split(' ').collect();
    let (at, words) = match (end, words.as_slice()) {
        (Some(end), [MAGIC, words @ ..]) => (end + 1, words),
        _ if file.starts_with(MAGIC.as_bytes()) || MAGIC.as_bytes().starts_with(file) => {
            return Err(StateError::Line);
        }
        _ => return Err(StateError::Foreign),
    };
    let [version, of, length, sum] = words else { return Err(StateError::Line) };
    if ![VERSION, EARLIER].contains(version) {
        return Err(StateError::Version(version.escape_debug().to_string()));
    }
    if *of != tool {
        return Err(StateError::Tool { found: of.escape_debug().to_string(), expected: tool });
    }
    let body = file.get(at..).unwrap_or_default();
    let (Ok(expected), Ok(sum)) = (length.parse::<usize>(), u32::from_str_radix(sum, 16)) else {
        return Err(StateError::Line);
    };
    if body.len() != expected {
        return Err(StateError::Length { at, found: body.len(), expected });
    }
    let found = crc32fast::hash(body);
    if found != sum {
        return Err(StateError::Checksum { at, found, expected: sum });
    }
    let content = |error: postcard::Error| StateError::Content { at, reason: error.to_string() };
    postcard::from_bytes(body)
        .or_else(|error| match error {
            postcard::Error::DeserializeUnexpectedEnd => {
                postcard::from_bytes(&[body, &LACKING].concat())
            }
            error => Err(error),
        })
        .map_err(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_state_reads_back_and_damage_is_found() {
        let state: Vec<(u32, String)> = (0..50).map(|n| (n * n, format!("host {n}"))).collect();
        let file = write("nfscan", &state).unwrap();
        assert_eq!(read::<Vec<(u32, String)>>("nfscan", &file), Ok(state));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            assert!(read::<Vec<(u32, String)>>("nfscan", &damaged).is_err(), "byte {at}");
            assert!(read::<Vec<(u32, String)>>("nfscan", &file[..at]).is_err(), "cut at {at}");
        }
        let text = |file: &[u8]| read::<u32>("nfscan", file).unwrap_err().to_string();
        assert_eq!(text(b"flows"), "not a state file (no nfkit-state header)");
        assert_eq!(read::<u32>("nfscan", b"nfkit-st"), Err(StateError::Line));
        assert_eq!(
            text(b"nfkit-state 9 nfscan 1 0\n"),
            "state of version \"9\"; this nfkit reads 1 and 2"
        );
        assert_eq!(text(b"nfkit-state 1 nfport 1 0\n"), "state of nfport, not of nfscan");
        assert_eq!(
            text(b"nfkit-state 1 nfscan 3 0\nab"),
            "byte 25: 2 bytes of state where 3 should be"
        );
    }
}
