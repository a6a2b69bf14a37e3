//! SiLK's `rwcut`: a line of titles, then columns padded and separated by bars, or `--delimited`.

use super::columns::{Columns, Role};
use super::stream::Dialect;
use super::tool::Tool;

/// Titles of the columns. Where rwcut pads, it cuts them to the width of their column.
const COLUMNS: &[(&str, Role)] = &[
    ("sIP", Role::Sip),
    ("dIP", Role::Dip),
    ("sPort", Role::Sport),
    ("dPort", Role::Dport),
    ("pro", Role::Proto),
    ("protocol", Role::Proto),
    ("packets", Role::Packets),
    ("pkts", Role::Packets),
    ("bytes", Role::Octets),
    ("flags", Role::Flags),
    ("sTime", Role::Start),
    ("sTime+msec", Role::Start),
    ("duration", Role::Duration),
    ("durat", Role::Duration),
    ("dur", Role::Duration),
    ("dur+msec", Role::Duration),
    ("eTime", Role::End),
    ("eTime+msec", Role::End),
    ("in", Role::Sif),
    ("out", Role::Dif),
    ("iTy", Role::IcmpType),
    ("iType", Role::IcmpType),
    ("iCo", Role::IcmpCode),
    ("iCode", Role::IcmpCode),
];

const USUAL: &str = "sIP|dIP|sPort|dPort|pro|packets|bytes|flags|sTime|duration|eTime";

/// Reads a line of titles. It names all columns that a flow needs, or at least an address and two
/// more.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    // The byte behind the first title separates the columns.
    let line = line.trim_ascii();
    if !line.first()?.is_ascii_alphabetic() {
        return None;
    }
    let title = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'+');
    let separator = *line.get(title.count())?;
    if separator.is_ascii_alphanumeric() || matches!(separator, b' ' | b'.' | b':' | b'_' | b'-') {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let names = text.split(char::from(separator)).map(|name| name.trim().to_owned());
    let columns = Columns::of(names, COLUMNS);
    let known = columns.known.iter().flatten();
    let has_address = known.clone().any(|known| matches!(known.role, Role::Sip | Role::Dip));
    let is_known = columns.missing.is_none() || (has_address && known.count() >= 3);
    is_known.then(|| Dialect::new(Tool::Rwcut, separator, columns))
}

pub(super) fn usual() -> Columns {
    Columns::of(USUAL.split('|').map(str::to_owned), COLUMNS)
}
