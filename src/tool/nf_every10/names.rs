//! The names of slots and files: how they are read, compared and shown.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::capture::spool;
use crate::time::Timestamp;

/// A slot, by the digits in the names of its files. Slots sort by their start.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SlotName {
    /// The first moment of the slot.
    pub start: Timestamp,
    /// The digits: `200107010020`, with seconds if slots are shorter than a minute.
    pub digits: String,
}

/// The name of a slot's file, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    /// The slot.
    pub slot: SlotName,
    /// Number of the file among those of its slot, from 0.
    pub n: u32,
}

impl FileName {
    /// Parses the name of a file without its directory. Returns `None` if it is no slot's name.
    pub fn parse(name: &OsStr) -> Option<FileName> {
        let name = name.to_str()?;
        let spool::Name { start, n } = spool::Name::parse(name)?;
        let digits = name.split('.').nth(1)?.to_owned();
        Some(FileName { slot: SlotName { start, digits }, n })
    }
}

impl SlotName {
    /// Parses the digits of a slot.
    pub fn parse(digits: &str) -> Option<SlotName> {
        let name = FileName::parse(OsStr::new(&format!("nfcap.{digits}.pcapng")))?;
        (name.n == 0).then_some(name.slot)
    }

    /// Returns the path of the slot's results in OUT, without the ending: `2001/07/01/nfcap.200107010020`.
    pub fn base(&self) -> PathBuf {
        day(self.start).join(format!("nfcap.{}", self.digits))
    }
}

/// Returns the path of a slot's findings in OUT.
pub(super) fn findings_of(slot: &SlotName) -> PathBuf {
    slot.base().with_file_name(format!("nfcap.{}.findings", slot.digits))
}

/// Returns the path of a slot's traffic in OUT.
pub(super) fn traffic_of(slot: &SlotName) -> PathBuf {
    slot.base().with_file_name(format!("nfcap.{}.traffic.zst", slot.digits))
}

/// Returns the directory of a day in OUT: `2001/07/01`.
pub(super) fn day(time: Timestamp) -> PathBuf {
    let text = time.rfc3339();
    let part = |from, to| text.get(from..to).unwrap_or("0");
    [part(0, 4), part(5, 7), part(8, 10)].iter().collect()
}

/// Returns a path without the ending of a compressed file: a file that was compressed later is the same.
pub(super) fn uncompressed(path: &[u8]) -> &[u8] {
    [b".zst".as_slice(), b".gz"].iter().find_map(|end| path.strip_suffix(*end)).unwrap_or(path)
}

/// Returns a path as messages and lists show it: a byte that is no printable ASCII, and a backslash, as `\x`
/// and two hexadecimal digits.
pub(super) fn shown(path: &Path) -> String {
    shown_bytes(path.as_os_str().as_bytes())
}

/// Returns the bytes of a path as [`shown`] does.
pub(super) fn shown_bytes(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'\\' | ..b' ' | 0x7f.. => _ = write!(text, "\\x{byte:02x}"),
            byte => text.push(char::from(byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_known_by_its_digits() {
        let name = FileName::parse(OsStr::new("nfcap.200107010020.3.pcapng.zst")).unwrap();
        assert_eq!((name.slot.digits.as_str(), name.n), ("200107010020", 3));
        assert_eq!(name.slot.base(), Path::new("2001/07/01/nfcap.200107010020"));
        assert_eq!(SlotName::parse("200107010020"), Some(name.slot));
        for digits in ["200107010020.1", "2001", "200102310000", ""] {
            assert_eq!(SlotName::parse(digits), None, "{digits}");
        }
    }

    #[test]
    fn odd_bytes_of_a_name_are_shown_in_hexadecimal() {
        assert_eq!(shown_bytes(b"a b\n\\\x1b[2J\x7f\xff"), "a b\\x0a\\x5c\\x1b[2J\\x7f\\xff");
    }
}
