//! What stands in a line between which octets, found out once, and the loops that write it.

use std::net::IpAddr;

use super::Form;
use super::text::{BEHIND, Text, VALUE};
use crate::flow::{Extra, Flow};
use crate::line::column::{Column, REQUIRED};
use crate::time::Timestamp;

/// The longest `{"bgpnexthop":` is two words.
const KEY: usize = 16;

/// The most that the nine columns need: interfaces and counts of 11 and 21 octets with their ends,
/// addresses of 40, protocol and ports of 4 and 6.
const LINE: usize = 2 * 11 + 2 * 40 + 4 + 2 * 6 + 2 * 21;

/// How the lines of a form look.
#[derive(Debug)]
pub(super) struct LinePlan {
    /// The octet behind the ninth column, if the line begins with the nine in a form that the
    /// quick way can write.
    nine: Option<u8>,
    /// Separates the nine.
    separator: u8,
    /// What stands in the line, behind the nine if these go the quick way.
    cells: Vec<Cell>,
    /// Between which octets text stands.
    quote: Option<u8>,
    /// An unknown value, and its bits.
    unknown: (u64, u64),
    /// What stands behind the last cell, and its bits.
    tail: (u64, u64),
    mask: bool,
}

/// One column in a line.
#[derive(Clone, Copy, Debug)]
struct Cell {
    column: Column,
    /// The key in JSON, and its bits.
    key: ([u64; 2], u64),
    /// The octet behind the value.
    end: u8,
}

/// Up to eight octets as a word, and its bits.
fn word(text: &[u8]) -> (u64, u64) {
    let word = text.iter().rev().fold(0, |word, octet| (word << 8) | u64::from(*octet));
    (word, 8 * text.len() as u64)
}

impl LinePlan {
    pub fn new(columns: &[Column], form: Form, mask: bool) -> LinePlan {
        let (separator, last) = match form {
            Form::Text => (b'\t', b'\n'),
            Form::Csv => (b',', b'\n'),
            Form::Json => (b',', b'}'),
        };
        let end = |n: usize| if n + 1 == columns.len() { last } else { separator };
        let cell = |(n, column): (usize, &Column)| {
            let key = match form {
                Form::Json => {
                    let open = if n == 0 { "{" } else { "" };
                    format!("{open}\"{}\":", column.name())
                }
                Form::Text | Form::Csv => String::new(),
            };
            let (first, second) = key.as_bytes().split_at(key.len().min(8));
            let ((first, bits), (second, more)) = (word(first), word(second));
            Cell { column: *column, key: ([first, second], bits + more), end: end(n) }
        };
        let is_nine = columns.starts_with(&REQUIRED) && form != Form::Json && !mask;
        let cells = columns.iter().enumerate().map(cell);
        LinePlan {
            nine: is_nine.then(|| end(REQUIRED.len() - 1)),
            separator,
            cells: cells.skip(if is_nine { REQUIRED.len() } else { 0 }).collect(),
            quote: (form == Form::Json).then_some(b'"'),
            unknown: word(match form {
                Form::Text => b"-",
                Form::Csv => b"",
                Form::Json => b"null",
            }),
            tail: word(match (form, columns) {
                (Form::Json, []) => b"{}\n",
                (Form::Json, _) | (_, []) => b"\n",
                _ => b"",
            }),
            mask,
        }
    }

    /// The room that a line needs, and its last stores.
    pub fn room(&self) -> usize {
        LINE + self.cells.len() * (KEY + VALUE) + 2 * BEHIND
    }

    /// Writes rows while there is room, at least one if there is room for a line; how many. Of
    /// flows whose extra is missing nothing more is known.
    pub fn rows(&self, text: &mut Text<'_>, flows: &[Flow], extras: &[Extra]) -> usize {
        let full = text.room.len().saturating_sub(self.room());
        match self.nine {
            Some(end) if self.cells.is_empty() => self.nine_alone(text, flows, full, end),
            _ => self.any(text, flows, extras, full),
        }
    }

    /// The default: a loop of its own, which the compiler can lay out as one piece.
    fn nine_alone(&self, to: &mut Text<'_>, flows: &[Flow], full: usize, end: u8) -> usize {
        let separator = self.separator;
        let mut text = Text { room: &mut *to.room, at: to.at };
        let mut count = 0;
        for flow in flows {
            if text.at > full {
                break;
            }
            nine(&mut text, flow, separator, end);
            count += 1;
        }
        to.at = text.at;
        count
    }

    fn any(&self, text: &mut Text<'_>, flows: &[Flow], extras: &[Extra], full: usize) -> usize {
        let unknown = Extra::default();
        let mut count = 0;
        for flow in flows {
            if text.at > full {
                break;
            }
            if let Some(end) = self.nine {
                nine(text, flow, self.separator, end);
            }
            let extra = extras.get(count).unwrap_or(&unknown);
            for cell in &self.cells {
                self.cell(text, flow, extra, cell);
            }
            text.put(self.tail.0, self.tail.1);
            count += 1;
        }
        count
    }

    #[inline(always)]
    fn cell(&self, text: &mut Text<'_>, flow: &Flow, extra: &Extra, cell: &Cell) {
        let end = cell.end;
        let ([first, second], bits) = cell.key;
        if bits > 0 {
            text.put(first, bits.min(64));
            text.put(second, bits.saturating_sub(64));
        }
        let number = |text: &mut Text<'_>, value: Option<u64>| match value {
            Some(value) => text.mostly_small(value, end),
            None => self.unknown(text, end),
        };
        match cell.column {
            Column::Sif => text.mostly_small(flow.sif.into(), end),
            Column::Sip => self.address(text, Some(flow.sip), end),
            Column::Dip => self.address(text, Some(flow.dip), end),
            Column::Dif => text.mostly_small(flow.dif.into(), end),
            Column::Proto => text.small(flow.proto, end),
            Column::Sport => text.number(flow.sport.into(), end),
            Column::Dport => text.number(flow.dport.into(), end),
            Column::Packets => text.mostly_small(flow.packets, end),
            Column::Octets => text.number(flow.octets, end),
            Column::Start => self.time(text, flow.start, end),
            Column::End => self.time(text, flow.end, end),
            Column::Flags => number(text, flow.flags.map(u64::from)),
            Column::Exporter => self.address(text, flow.exporter, end),
            Column::Sampling => text.mostly_small(flow.sampling.into(), end),
            Column::Tos => number(text, extra.tos.map(u64::from)),
            Column::Srcas => number(text, extra.srcas.map(u64::from)),
            Column::Dstas => number(text, extra.dstas.map(u64::from)),
            Column::Srcmask => number(text, extra.srcmask.map(u64::from)),
            Column::Dstmask => number(text, extra.dstmask.map(u64::from)),
            Column::Nexthop => self.address(text, extra.nexthop, end),
            Column::Bgpnexthop => self.address(text, extra.bgpnexthop, end),
            Column::Vlan => number(text, extra.vlan.map(u64::from)),
            Column::Outvlan => number(text, extra.outvlan.map(u64::from)),
            Column::Srcmac => self.mac(text, extra.srcmac, end),
            Column::Dstmac => self.mac(text, extra.dstmac, end),
            Column::Natsip => self.address(text, extra.natsip, end),
            Column::Natdip => self.address(text, extra.natdip, end),
            Column::Natsport => number(text, extra.natsport.map(u64::from)),
            Column::Natdport => number(text, extra.natdport.map(u64::from)),
            Column::Event => number(text, extra.event.map(u64::from)),
            Column::Direction => number(text, extra.direction.map(u64::from)),
            Column::Endreason => number(text, extra.endreason.map(u64::from)),
            Column::Vrf => number(text, extra.vrf.map(u64::from)),
            Column::Domain => number(text, extra.domain.map(u64::from)),
        }
    }

    fn unknown(&self, text: &mut Text<'_>, end: u8) {
        text.put(self.unknown.0, self.unknown.1);
        text.octet(end);
    }

    fn time(&self, text: &mut Text<'_>, time: Option<Timestamp>, end: u8) {
        match time {
            Some(time) => text.time(time, end),
            None => self.unknown(text, end),
        }
    }

    fn address(&self, text: &mut Text<'_>, address: Option<IpAddr>, end: u8) {
        self.quoted(text, address, end, |text, address, end| match self.mask {
            true => text.masked(address, end),
            false => text.address(address, end),
        });
    }

    fn mac(&self, text: &mut Text<'_>, mac: Option<[u8; 6]>, end: u8) {
        self.quoted(text, mac, end, |text, mac, end| text.mac(mac, self.mask, end));
    }

    /// A value that is no number, in quotes where the form has them.
    #[inline(always)]
    fn quoted<T>(
        &self,
        text: &mut Text<'_>,
        value: Option<T>,
        end: u8,
        write: impl FnOnce(&mut Text<'_>, T, u8),
    ) {
        match (value, self.quote) {
            (None, _) => self.unknown(text, end),
            (Some(value), None) => write(text, value, end),
            (Some(value), Some(quote)) => {
                text.octet(quote);
                write(text, value, quote);
                text.octet(end);
            }
        }
    }
}

/// The nine columns. Interfaces and packets are mostly below 256, and the branch that says so is
/// mostly foreseen; ports and octets are not.
#[inline(always)]
fn nine(text: &mut Text<'_>, flow: &Flow, separator: u8, end: u8) {
    text.mostly_small(flow.sif.into(), separator);
    text.address(flow.sip, separator);
    text.address(flow.dip, separator);
    text.mostly_small(flow.dif.into(), separator);
    text.small(flow.proto, separator);
    text.number(flow.sport.into(), separator);
    text.number(flow.dport.into(), separator);
    text.mostly_small(flow.packets, separator);
    text.number(flow.octets, end);
}
