//! The rules by which retention removes files.

use std::time::Duration;

/// Rules for the removal of files. Without a rule no file is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionRules {
    /// Files go once their slot began longer ago than this.
    pub keep: Option<Duration>,
    /// Files go while all of nfcap's files take more bytes on the disk than this, including those
    /// being written.
    pub max_size: Option<u64>,
    /// Files go while the file system has less than this free for users other than root.
    pub min_free: Option<Free>,
}

/// The space that a file system must have free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// A number of bytes.
    Bytes(u64),
    /// A share of the file system's size in tenths of a percent, at most 1000.
    Tenths(u16),
}

impl Free {
    /// Parses a share such as `5%` or `2.5%`, or a size, which `size` parses.
    ///
    /// # Errors
    /// The reason why the text is neither.
    pub fn parse(text: &str, size: impl Fn(&str) -> Result<u64, String>) -> Result<Free, String> {
        let Some(percent) = text.strip_suffix('%') else { return size(text).map(Free::Bytes) };
        let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
        let digits = |text: &str| {
            if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u16>().ok() } else { None }
        };
        let tenths = match (digits(whole), digits(tenth), tenth.len()) {
            (Some(whole @ 0..=100), Some(tenth), 1) => Some(whole * 10 + tenth),
            _ => None,
        };
        let tenths = tenths.filter(|&tenths| tenths <= 1000);
        tenths.map(Free::Tenths).ok_or_else(|| format!("{text:?} is no share such as 5% or 2.5%"))
    }

    /// Returns the space in bytes for a file system of `total` bytes.
    pub(super) fn bytes(self, total: u64) -> u64 {
        match self {
            Free::Bytes(bytes) => bytes,
            Free::Tenths(tenths) => {
                let bytes = u128::from(total) * u128::from(tenths) / 1000;
                u64::try_from(bytes).unwrap_or(u64::MAX)
            }
        }
    }
}
