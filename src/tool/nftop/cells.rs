//! The values of a row of totals, as text.

use crate::flow::Masked;
use crate::total::{Counts, Key};

/// A value of a row.
pub enum Cell {
    Text(String),
    Number(u64),
    /// A number of hundredths, printed with two decimals.
    Hundredths(u128),
    Unknown,
}

impl Cell {
    /// Returns the text of the value, or `unknown`.
    pub fn text(self, unknown: &str) -> String {
        match self {
            Cell::Text(text) => text,
            Cell::Number(number) => number.to_string(),
            Cell::Hundredths(number) => format!("{}.{:02}", number / 100, number % 100),
            Cell::Unknown => unknown.to_owned(),
        }
    }
}

/// Returns the texts of a key, one for each column.
pub fn key_texts(key: Key, mask: bool) -> Vec<String> {
    key_cells(key, mask).into_iter().map(|cell| cell.text("-")).collect()
}

/// Returns the values of a key, one for each column. With `mask` the host part of every address is
/// hidden.
pub fn key_cells(key: Key, mask: bool) -> Vec<Cell> {
    let address =
        |address| Cell::Text(if mask { Masked(address).to_string() } else { address.to_string() });
    match key {
        Key::Address(host) => vec![address(host)],
        // A network of at most the bits that a mask shows reveals no host; a longer one is masked.
        Key::Net(first, length) if mask && length > Masked(first).shown_bits() => {
            vec![address(first)]
        }
        Key::Net(first, length) => vec![Cell::Text(format!("{first}/{length}"))],
        Key::Port(proto, port) => vec![Cell::Number(proto.into()), Cell::Number(port.into())],
        Key::Interface(index) => vec![Cell::Number(index.into())],
        Key::Pair(from, to) => vec![address(from), address(to)],
        Key::Proto(proto) => vec![Cell::Number(proto.into())],
        Key::Exporter(exporter) => vec![exporter.map_or(Cell::Unknown, address)],
    }
}

/// Returns the share of `whole` in percent; unknown if `whole` is 0.
pub fn share(part: u64, whole: u64) -> Cell {
    match u128::from(part) * 10_000 {
        _ if whole == 0 => Cell::Unknown,
        part => Cell::Hundredths(rounded(part, whole.into())),
    }
}

/// Returns flows, packets and bits a second; unknown if the time is.
pub fn rates(counts: Counts, seconds: Option<u32>) -> [Cell; 3] {
    let Some(seconds) = seconds.map(u128::from) else {
        return [Cell::Unknown, Cell::Unknown, Cell::Unknown];
    };
    let second =
        |count: u64, times: u128| Cell::Hundredths(rounded(u128::from(count) * times, seconds));
    [second(counts.flows, 100), second(counts.packets, 100), second(counts.octets, 800)]
}

/// Returns the quotient, rounded half up.
fn rounded(part: u128, whole: u128) -> u128 {
    (part + whole / 2) / whole
}
