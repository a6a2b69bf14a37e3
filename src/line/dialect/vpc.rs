//! Flow logs of an AWS VPC: words between blanks. Version 2 has fourteen in a fixed order, of which
//! files have a line of names and streams none; later versions have what was asked for, and name it.

use super::{Dialect, Role, Roles, Tool, plan};

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

pub(super) fn begins(line: &[u8]) -> Option<Dialect> {
    if let Some(named) = names(line) {
        return Some(named);
    }
    let mut words = line.split(|octet| *octet == b' ').filter(|word| !word.is_empty());
    let is_second = words.next() == Some(b"2");
    let interface = words.nth(1)?;
    let is_usual = is_second && interface.starts_with(b"eni-") && words.count() == 11;
    is_usual.then(|| Dialect::new(Tool::Vpc, b' ', (usual(), None)))
}

/// A line of names; where they have come by way of a database, with another sign between words.
pub(super) fn names(line: &[u8]) -> Option<Dialect> {
    let text = std::str::from_utf8(line).ok()?;
    let names = text.split(' ').filter(|name| !name.is_empty());
    if !names.clone().any(|name| name == "srcaddr") {
        return None;
    }
    let names = names.map(|name| name.replace('_', "-"));
    Some(Dialect::new(Tool::Vpc, b' ', plan(names, COLUMNS)))
}

pub(super) fn usual() -> Roles {
    plan(USUAL.split(' ').map(str::to_owned), COLUMNS).0
}
