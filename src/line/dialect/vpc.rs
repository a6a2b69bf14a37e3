//! Flow logs of an AWS VPC: words between blanks. Version 2 has fourteen columns in a fixed order,
//! which files name in their first line and streams do not. Later versions have the columns that
//! their owner chose, and name them.

use super::columns::{Columns, Role};
use super::stream::Dialect;
use super::tool::Tool;

const COLUMNS: &[(&str, Role)] = &[
    ("srcaddr", Role::Sip),
    ("dstaddr", Role::Dip),
    ("srcport", Role::Sport),
    ("dstport", Role::Dport),
    ("protocol", Role::Proto),
    ("packets", Role::Packets),
    ("bytes", Role::Octets),
    ("start", Role::Start),
    ("end", Role::End),
    ("tcp-flags", Role::Flags),
    ("log-status", Role::Status),
];

const USUAL: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets \
    bytes start end action log-status";

/// Returns the stream that begins with this line: one of names, or a flow of version 2.
pub(super) fn begins(line: &[u8]) -> Option<Dialect> {
    if let Some(named) = names(line) {
        return Some(named);
    }
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let is_second = words.next() == Some(b"2");
    let interface = words.nth(1)?;
    let is_usual = is_second && interface.starts_with(b"eni-") && words.count() == 11;
    is_usual.then(|| Dialect::new(Tool::Vpc, b' ', usual()))
}

/// Reads a line of names. A database on the way may have replaced `-` in them by `_`.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    let text = std::str::from_utf8(line).ok()?;
    let names = text.split(' ').filter(|name| !name.is_empty());
    if !names.clone().any(|name| name == "srcaddr") {
        return None;
    }
    let names = names.map(|name| name.replace('_', "-"));
    Some(Dialect::new(Tool::Vpc, b' ', Columns::of(names, COLUMNS)))
}

pub(super) fn usual() -> Columns {
    Columns::of(USUAL.split(' ').map(str::to_owned), COLUMNS)
}
