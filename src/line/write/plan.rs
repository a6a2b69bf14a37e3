//! The layout of a line, computed once, and the loops that write lines by it.

use std::net::IpAddr;

use super::form::Form;
use super::text::{BEHIND, TextBuffer, VALUE};
use crate::flow::{Extra, Flow};
use crate::line::column::{Column, REQUIRED};
use crate::time::Timestamp;

/// Bytes of a key in JSON: the longest, `{"bgpnexthop":`, fits into two words of eight.
const KEY: usize = 16;

/// The most bytes that the nine columns need with their separators: interfaces 11 each, addresses
/// 40, the protocol 4, ports 6, counts 21.
const LINE: usize = 2 * 11 + 2 * 40 + 4 + 2 * 6 + 2 * 21;

/// The layout of the lines of one form.
#[derive(Debug)]
pub(super) struct LinePlan {
    /// The byte behind the ninth column, if the line begins with the nine columns and the fast path
    /// can write them.
    required: Option<u8>,
    /// The separator of the nine columns.
    separator: u8,
    /// The columns behind those of the fast path, or all.
    cells: Vec<Cell>,
    /// The quote around values that are no numbers.
    quote: Option<u8>,
    /// The text of an unknown value.
    unknown: Word,
    /// The text behind the last cell.
    tail: Word,
    mask: bool,
}

/// One column in a line.
#[derive(Clone, Copy, Debug)]
struct Cell {
    column: Column,
    /// The key in JSON, in two words.
    key: [Word; 2],
    /// The byte behind the value.
    end: u8,
}

/// Up to eight bytes of text, the first in the lowest byte.
#[derive(Clone, Copy, Debug)]
struct Word {
    text: u64,
    /// The length of the text in bits.
    bits: u64,
}

impl Word {
    fn new(text: &[u8]) -> Word {
        let word = text.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        Word { text: word, bits: 8 * text.len() as u64 }
    }

    #[inline(always)]
    fn put(self, to: &mut TextBuffer<'_>) {
        to.put(self.text, self.bits);
    }
}

impl LinePlan {
    /// Computes the layout of lines of these columns.
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
            Cell { column: *column, key: [Word::new(first), Word::new(second)], end: end(n) }
        };
        let is_fast = columns.starts_with(&REQUIRED) && form != Form::Json && !mask;
        let cells = columns.iter().enumerate().map(cell);
        LinePlan {
            required: is_fast.then(|| end(REQUIRED.len() - 1)),
            separator,
            cells: cells.skip(if is_fast { REQUIRED.len() } else { 0 }).collect(),
            quote: (form == Form::Json).then_some(b'"'),
            unknown: Word::new(match form {
                Form::Text => b"-",
                Form::Csv => b"",
                Form::Json => b"null",
            }),
            tail: Word::new(match (form, columns) {
                (Form::Json, []) => b"{}\n",
                (Form::Json, _) | (_, []) => b"\n",
                _ => b"",
            }),
            mask,
        }
    }

    /// Returns the bytes that a line needs, including those that its last stores touch.
    pub fn room(&self) -> usize {
        LINE + self.cells.len() * (KEY + VALUE) + 2 * BEHIND
    }

    /// Writes lines while there is room, at least one if there is room for a line, and returns how
    /// many. Flows beyond the last extra have none.
    pub fn rows(&self, text: &mut TextBuffer<'_>, flows: &[Flow], extras: &[Extra]) -> usize {
        let full = text.room.len().saturating_sub(self.room());
        match self.required {
            Some(end) if self.cells.is_empty() => self.required_alone(text, flows, full, end),
            _ => self.any(text, flows, extras, full),
        }
    }

    /// Writes lines of the nine columns alone, the default. A loop of its own lets the compiler
    /// keep the cursor in registers.
    fn required_alone(
        &self,
        to: &mut TextBuffer<'_>,
        flows: &[Flow],
        full: usize,
        end: u8,
    ) -> usize {
        let separator = self.separator;
        let mut text = TextBuffer { room: &mut *to.room, at: to.at };
        let mut count = 0;
        for flow in flows {
            if text.at > full {
                break;
            }
            put_required(&mut text, flow, separator, end);
            count += 1;
        }
        to.at = text.at;
        count
    }

    fn any(
        &self,
        text: &mut TextBuffer<'_>,
        flows: &[Flow],
        extras: &[Extra],
        full: usize,
    ) -> usize {
        let unknown = Extra::default();
        let mut count = 0;
        for flow in flows {
            if text.at > full {
                break;
            }
            if let Some(end) = self.required {
                put_required(text, flow, self.separator, end);
            }
            let extra = extras.get(count).unwrap_or(&unknown);
            for cell in &self.cells {
                self.cell(text, flow, extra, cell);
            }
            self.tail.put(text);
            count += 1;
        }
        count
    }

    #[inline(always)]
    fn cell(&self, text: &mut TextBuffer<'_>, flow: &Flow, extra: &Extra, cell: &Cell) {
        let end = cell.end;
        let [first, second] = cell.key;
        if first.bits > 0 {
            first.put(text);
            second.put(text);
        }
        let number = |text: &mut TextBuffer<'_>, value: Option<u64>| match value {
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

    fn unknown(&self, text: &mut TextBuffer<'_>, end: u8) {
        self.unknown.put(text);
        text.byte(end);
    }

    fn time(&self, text: &mut TextBuffer<'_>, time: Option<Timestamp>, end: u8) {
        match time {
            Some(time) => text.time(time, end),
            None => self.unknown(text, end),
        }
    }

    fn address(&self, text: &mut TextBuffer<'_>, address: Option<IpAddr>, end: u8) {
        self.quoted(text, address, end, |text, address, end| {
            if self.mask {
                text.masked(address, end);
            } else {
                text.address(address, end);
            }
        });
    }

    fn mac(&self, text: &mut TextBuffer<'_>, mac: Option<[u8; 6]>, end: u8) {
        self.quoted(text, mac, end, |text, mac, end| text.mac(mac, self.mask, end));
    }

    /// Writes a value that is no number, in quotes if the form has them.
    #[inline(always)]
    fn quoted<T>(
        &self,
        text: &mut TextBuffer<'_>,
        value: Option<T>,
        end: u8,
        write: impl FnOnce(&mut TextBuffer<'_>, T, u8),
    ) {
        match (value, self.quote) {
            (None, _) => self.unknown(text, end),
            (Some(value), None) => write(text, value, end),
            (Some(value), Some(quote)) => {
                text.byte(quote);
                write(text, value, quote);
                text.byte(end);
            }
        }
    }
}

/// Writes the nine columns. Interfaces and packets are mostly below 256, so a branch on that is
/// mostly predicted; for ports and octets it would not be.
#[inline(always)]
fn put_required(text: &mut TextBuffer<'_>, flow: &Flow, separator: u8, end: u8) {
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
