//! Cells and tables that fit into a mail.

use unicode_width::UnicodeWidthStr;

use crate::finding::{Kind, Role, words as numbers};
use crate::flow::{ICMP, ICMPV6};
use crate::incident::MatterKey;
use crate::notice::words::{WIDTH, Words};
use crate::report::{Columns, LocalTime};

/// The largest number that a table shows with all its digits.
const MAX_EXACT: u64 = 9_999_999;

/// The text of a cell whose value is not known.
pub(super) const UNKNOWN: &str = "-";

/// The moments of a column. If all have the same offset from UTC, the heading has it, and the cells do not.
pub(super) struct Moments {
    pub(super) heading: String,
    pub(super) cells: Vec<String>,
}

impl Moments {
    /// Returns the cells of moments in Unix seconds.
    pub(super) fn new(heading: &str, seconds: &[Option<u64>], local: &LocalTime) -> Moments {
        let texts: Vec<_> = seconds.iter().map(|one| one.map(|one| local.text(one))).collect();
        let offset = |text: &String| text.rsplit_once(' ').map(|(_, offset)| offset.to_owned());
        let mut offsets: Vec<_> = texts.iter().flatten().filter_map(offset).collect();
        offsets.dedup();
        let common = if let [offset] = offsets.as_slice() { Some(offset) } else { None };
        let cell = |text: Option<String>| match (text, common) {
            (None, _) => UNKNOWN.to_owned(),
            (Some(text), None) => text,
            (Some(text), Some(offset)) => text.trim_end_matches(offset.as_str()).trim().to_owned(),
        };
        let heading = match common {
            Some(offset) => format!("{heading} {offset}"),
            None => heading.to_owned(),
        };
        Moments { heading, cells: texts.into_iter().map(cell).collect() }
    }
}

/// Returns a number in at most nine columns: `4,064`, and `12.3 M` for a large one.
pub(super) fn amount(number: u64) -> String {
    if number <= MAX_EXACT {
        numbers::count(number)
    } else {
        numbers::bytes(number).trim_end_matches('B').to_owned()
    }
}

/// Returns a matter in at most 20 columns: `scan TCP 22`. A scan whose host is the target is a flood from forged
/// addresses, of which the replies are seen.
pub(super) fn what(words: &Words, key: MatterKey, role: Role) -> String {
    let texts = &words.letter;
    let kind = match (key.kind, role) {
        (Kind::Scan, Role::Source) => texts.scan,
        (Kind::Scan, Role::Target) => texts.replies,
        (Kind::Flood, _) => texts.flood,
        (Kind::Port, _) => texts.port,
    };
    let proto = key.proto.map(|proto| numbers::protocol(proto).replace("IP protocol", "IP"));
    let port = match (key.proto, key.port) {
        (Some(ICMP | ICMPV6), Some(port)) => format!("{}/{}", port >> 8, port & 0xff),
        (_, Some(port)) => port.to_string(),
        (Some(ICMP | ICMPV6), None) => String::new(),
        (_, None) => texts.mixed.to_owned(),
    };
    let text = format!("{kind} {} {port}", proto.unwrap_or_default());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Appends a table, each line behind two blanks. Returns false, and appends nothing, if it is too wide.
pub(super) fn append<const N: usize>(out: &mut String, table: &Columns<N>) -> bool {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = table.print("  ", &mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let fits = text.lines().all(|line| line.width() <= WIDTH);
    if fits {
        out.push_str(&text);
    }
    fits
}
