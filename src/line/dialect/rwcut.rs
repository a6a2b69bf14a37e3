//! SiLK's `rwcut`: a line of titles, columns between bars and padded, or `--delimited`.

use super::{Dialect, Role, Roles, Tool, plan};

/// Titles, which rwcut cuts to the width of their column where it pads.
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

/// A line of titles: of all that a flow needs, or of an address and two more at least.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    // What follows the first title separates the columns.
    let line = line.trim_ascii();
    if !line.first()?.is_ascii_alphabetic() {
        return None;
    }
    let title = line.iter().take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'+');
    let separator = *line.get(title.count())?;
    if separator.is_ascii_alphanumeric() || matches!(separator, b' ' | b'.' | b':' | b'_' | b'-') {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let names = text.split(char::from(separator)).map(|name| name.trim().to_owned());
    let (plan, missing) = plan(names, COLUMNS);
    let known = plan.iter().flatten();
    let has_address = known.clone().any(|(role, _)| matches!(role, Role::Sip | Role::Dip));
    let is_known = missing.is_none() || (has_address && known.count() >= 3);
    is_known.then(|| Dialect::new(Tool::Rwcut, separator, (plan, missing)))
}

pub(super) fn usual() -> Roles {
    plan(USUAL.split('|').map(str::to_owned), COLUMNS).0
}
