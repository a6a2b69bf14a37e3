//! Names of the files in a spool.

use std::path::PathBuf;

use crate::time::{Timestamp, Window};

/// The most files of one slot. A collector that restarts over and over stops here instead of filling
/// a directory.
pub(super) const MAX_FILES: u32 = 10_000;

/// The endings of compressed files.
pub(super) const COMPRESSED: [&str; 2] = [".zst", ".gz"];

/// The compression of a file, as its name shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// Compression by zstd: the name ends in `.zst`.
    Zstd,
    /// Compression by gzip: the name ends in `.gz`.
    Gzip,
}

impl Compression {
    /// Returns the ending of a file's name.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Zstd => ".zst",
            Compression::Gzip => ".gz",
        }
    }
}

/// Returns the path in a spool of a slot's `n`-th file, without compression; `n` is 0 for the first.
pub fn file_name(slot: Window, n: u32) -> PathBuf {
    let digits: String = slot.start_text().chars().filter(char::is_ascii_digit).collect();
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    let stamp = part(0, if slot.seconds() < 60 { 14 } else { 12 });
    let name = match n {
        0 => format!("nfcap.{stamp}.pcapng"),
        n => format!("nfcap.{stamp}.{n}.pcapng"),
    };
    [part(0, 4), part(4, 6), part(6, 8), &name].iter().collect()
}

/// The name of a slot's file, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The slot's first moment.
    pub start: Timestamp,
    /// Number of the file among those of its slot, from 0.
    pub n: u32,
}

impl Name {
    /// Parses a file name without its directory, compressed or not. Returns `None` if nfcap gives no
    /// such name to finished files.
    pub fn parse(name: &str) -> Option<Name> {
        let rest = name.strip_prefix("nfcap.")?;
        let rest = COMPRESSED.iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest);
        let rest = rest.strip_suffix(".pcapng")?;
        let (stamp, n) = match rest.split_once('.') {
            None => (rest, 0),
            Some((_, n)) if n.starts_with(['0', '+']) => return None,
            Some((stamp, n)) => (stamp, n.parse().ok()?),
        };
        if !stamp.bytes().all(|b| b.is_ascii_digit()) || !matches!(stamp.len(), 12 | 14) {
            return None;
        }
        // A spool of a year has 52,560 names, so the time is put together without allocation.
        let mut text = *b"0000-00-00T00:00:00Z";
        let places = text.iter_mut().filter(|byte| **byte == b'0');
        places.zip(stamp.bytes()).for_each(|(place, digit)| *place = digit);
        Some(Name { start: Timestamp::parse(&text)?, n })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn slot(start: &str, seconds: u32) -> Window {
        Window::new(Timestamp::parse(start.as_bytes()).unwrap().secs(), seconds).unwrap()
    }

    #[test]
    fn names_follow_the_slot() {
        for (start, seconds, n, name) in [
            ("2001-07-01T00:20:00Z", 600, 0, "2001/07/01/nfcap.200107010020.pcapng"),
            ("2001-07-01T00:20:00Z", 600, 12, "2001/07/01/nfcap.200107010020.12.pcapng"),
            ("2001-12-31T23:59:30Z", 30, 0, "2001/12/31/nfcap.20011231235930.pcapng"),
            ("2001-12-31T23:59:00Z", 60, 1, "2001/12/31/nfcap.200112312359.1.pcapng"),
        ] {
            let slot = slot(start, seconds);
            let path = file_name(slot, n);
            assert_eq!(path, Path::new(name));
            let name = path.file_name().unwrap().to_str().unwrap();
            let read = Name { start: Timestamp::from_secs(slot.start()), n };
            for end in ["", ".gz", ".zst"] {
                assert_eq!(Name::parse(&format!("{name}{end}")), Some(read), "{name}{end}");
            }
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "nfcap.pcapng",
            "nfcap.200107010020.pcap",
            "nfcap.2001070100.pcapng",
            "nfcap.200113010020.pcapng",
            "nfcap.200107010020.0.pcapng",
            "nfcap.200107010020.+1.pcapng",
            "nfcap.200107010020.1.2.pcapng",
            "nfcap.200107010020.pcapng.part",
            "nfcap.200107010020.pcapng.zst.gz",
            ".nfcap.200107010020.pcapng",
            "nfcap.２0107010020.pcapng",
        ] {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }
}
