//! What a detector remembers from one window to the next, as the octets of a file.
//!
//! A file is one line of text, `nfkit-state 1 TOOL LENGTH CRC32`, and then LENGTH octets. The line says
//! which command's it is, so that `head -1` does; the checksum (CRC-32 as in gzip, RFC 1952 section 8)
//! finds what a crash or a disk did to the rest.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::time::Window;

/// The version of the format. Another one is not read.
const VERSION: &str = "1";
/// The first word of the file.
const MAGIC: &str = "nfkit-state";
/// The first line is no longer.
const MAX_LINE: usize = 128;

/// Seconds by which the clock of an exporter may be ahead of ours.
const AHEAD: u64 = 86_400;

/// Whether a window is to be learned from by who knows all windows until a moment, in Unix seconds: it comes
/// after these, and it has come. One that is read again teaches nothing, and one of a wrong clock, years from
/// now, would be the last to do so; what was learned until such a moment counts as nothing.
pub fn teaches(until: u64, window: Window) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let latest = now.saturating_add(AHEAD);
    let until = if until > latest { 0 } else { until };
    window.start() >= until && window.end() <= latest
}

/// Why a file holds no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// It does not begin like one.
    #[error("no state file: it does not begin with {MAGIC:?}")]
    Foreign,
    /// The first line is damaged.
    #[error("octet 0: the first line is no nfkit-state VERSION TOOL LENGTH CRC32")]
    Line,
    /// Written by another version of nfkit.
    #[error("state of version {0:?}; this nfkit reads {VERSION}")]
    Version(String),
    /// Another command's.
    #[error("state of {found}, not of {expected}")]
    Tool {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: &'static str,
    },
    /// Fewer or more octets than it says.
    #[error("octet {at}: {found} octets of state where {expected} should be")]
    Length {
        /// Where the state begins.
        at: usize,
        /// Octets there are.
        found: usize,
        /// Octets it says.
        expected: usize,
    },
    /// The checksum is wrong.
    #[error("octet {at}: the checksum is {found:08x}, not {expected:08x}")]
    Checksum {
        /// Where the state begins.
        at: usize,
        /// That of the octets.
        found: u32,
        /// The one that was written.
        expected: u32,
    },
    /// The octets are not what they should be, though nothing is damaged.
    #[error("octet {at}: {reason}")]
    Content {
        /// Where the state begins.
        at: usize,
        /// What is wrong.
        reason: String,
    },
}

/// The octets of a file.
///
/// # Errors
/// What cannot be written as octets at all.
pub fn write<T: Serialize>(tool: &str, state: &T) -> Result<Vec<u8>, StateError> {
    let content = |error: postcard::Error| StateError::Content { at: 0, reason: error.to_string() };
    let body = postcard::to_stdvec(state).map_err(content)?;
    let sum = crc32fast::hash(&body);
    let mut file = format!("{MAGIC} {VERSION} {tool} {} {sum:08x}\n", body.len()).into_bytes();
    file.extend_from_slice(&body);
    Ok(file)
}

/// Reads the octets of a file.
///
/// # Errors
/// A file that is no whole state of this command.
pub fn read<T: DeserializeOwned>(tool: &'static str, file: &[u8]) -> Result<T, StateError> {
    let end = file.iter().take(MAX_LINE).position(|octet| *octet == b'\n');
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
    if *version != VERSION {
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
    postcard::from_bytes(body).map_err(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_found() {
        let state: Vec<(u32, String)> = (0..50).map(|n| (n * n, format!("host {n}"))).collect();
        let file = write("nfscan", &state).unwrap();
        assert_eq!(read::<Vec<(u32, String)>>("nfscan", &file), Ok(state));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            assert!(read::<Vec<(u32, String)>>("nfscan", &damaged).is_err(), "octet {at}");
            assert!(read::<Vec<(u32, String)>>("nfscan", &file[..at]).is_err(), "cut at {at}");
        }
        let text = |file: &[u8]| read::<u32>("nfscan", file).unwrap_err().to_string();
        assert_eq!(text(b"flows"), "no state file: it does not begin with \"nfkit-state\"");
        assert_eq!(read::<u32>("nfscan", b"nfkit-st"), Err(StateError::Line));
        assert_eq!(
            text(b"nfkit-state 9 nfscan 1 0\n"),
            "state of version \"9\"; this nfkit reads 1"
        );
        assert_eq!(text(b"nfkit-state 1 nfport 1 0\n"), "state of nfport, not of nfscan");
        assert_eq!(
            text(b"nfkit-state 1 nfscan 3 0\nab"),
            "octet 25: 2 octets of state where 3 should be"
        );
    }
}
