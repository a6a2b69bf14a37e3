//! Reads tables of nftop's CSV.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::IpAddr;

use csv::ByteRecord;

use super::lines::BoundedLines;
use super::slot::{
    Counts, Entry, MAX_ADDRESSES, MAX_INTERFACES, MAX_PORTS, MAX_PROTOCOLS, MAX_WINDOWS, ProtoPort,
    ProtocolCounts, SlotTraffic,
};
use crate::time::Window;

/// The most bad rows that are told of an input; all are counted.
const MAX_TOLD: usize = 5;

/// The most characters of a value in a message.
const MAX_SHOWN: usize = 40;

/// The names of all keys of nftop, and of the time of a step. A table whose names of these are not those of a
/// [`Kind`] is of another kind.
const KEYS: [&str; 15] = [
    "time", "addr", "sip", "dip", "net", "snet", "dnet", "proto", "port", "sport", "dport", "if",
    "sif", "dif", "exporter",
];

/// The traffic that was read, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The windows in the order of time.
    pub windows: Vec<SlotTraffic>,
    /// The parts of the input that are not in them.
    pub problems: Problems,
}

/// The parts of an input that could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The number of rows that could not be read.
    pub bad_rows: u64,
    /// The first of these rows.
    pub told: Vec<BadRow>,
    /// The number of tables of another kind, which were skipped.
    pub unknown_tables: u64,
    /// The number of rows that were left out because their window has more than are kept.
    pub left_out: u64,
    /// The number of rows of further windows than [`MAX_WINDOWS`].
    pub further_windows: u64,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The number of its line in its input, from 1; with empty lines before it, that of the first of them.
    pub line: u64,
    /// The reason, for people.
    pub reason: String,
}

/// A reader of tables of nftop's CSV, `nftop --csv`: `--per proto`, `addr`, `port` and `if`, in any order, one
/// behind the other, each under its line of names.
///
/// Columns are found by their names. A bad row costs itself alone. A table that comes again replaces what the
/// one before it said of the same window.
#[derive(Debug, Default)]
pub struct TrafficReader {
    windows: BTreeMap<Window, WindowRows>,
    problems: Problems,
    /// The table that is read.
    table: Table,
    /// The number of tables so far.
    number: u64,
}

/// The table that rows belong to.
#[derive(Clone, Debug, Default)]
enum Table {
    /// There was no line of names yet.
    #[default]
    None,
    /// A table of another kind.
    Unknown,
    /// A table with these columns.
    Known(Box<Layout>),
}

/// A kind of table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Protocols,
    Addresses,
    Ports,
    Interfaces,
}

/// A column: its place in a row and its name.
#[derive(Clone, Copy, Debug)]
struct Column {
    place: usize,
    name: &'static str,
}

/// The columns of a table.
#[derive(Clone, Debug)]
struct Layout {
    kind: Kind,
    /// The number of all columns.
    cells: usize,
    window: Column,
    seconds: Column,
    /// The column of the key, or of the protocol of a port.
    key: Column,
    /// The column of a port.
    port: Column,
    /// Flows, packets and bytes of all flows, or of those that the key sent.
    sent: [Column; 3],
    /// Flows, packets and bytes of the flows that the key received, if it stands on both sides.
    received: Option<[Column; 3]>,
}

/// The rows of a window.
#[derive(Debug)]
struct WindowRows {
    protocols: Rows<u8>,
    addresses: Rows<IpAddr>,
    ports: Rows<ProtoPort>,
    interfaces: Rows<u32>,
}

/// The rows of a window in tables of one kind: the greatest, at most twice as many as are returned.
#[derive(Debug)]
struct Rows<K> {
    rows: BTreeMap<K, [Counts; 2]>,
    limit: usize,
    left_out: u64,
    /// The number of the table that the rows are of.
    table: u64,
}

impl TrafficReader {
    /// Returns a reader that has read nothing.
    pub fn new() -> TrafficReader {
        TrafficReader::default()
    }

    /// Reads an input to its end. Further inputs may follow.
    ///
    /// # Errors
    /// Returns the error of the input; what was read before it stays.
    pub fn read(&mut self, input: impl Read) -> io::Result<()> {
        self.table = Table::None;
        // nftop quotes nothing, and without quotes a row ends with its line, whatever is in it.
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .quoting(false)
            .from_reader(BoundedLines::new(input));
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(io::Error::from)? {
            let line = record.position().map_or(0, csv::Position::line);
            self.record(line, &record);
        }
        Ok(())
    }

    /// Takes a record of the input: a line of names, or a row. `line` is the number of its line.
    pub fn record(&mut self, line: u64, record: &ByteRecord) {
        let first = record.get(0).unwrap_or_default();
        if first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first) == b"window" {
            self.number += 1;
            self.table = Layout::parse(record)
                .map_or(Table::Unknown, |layout| Table::Known(Box::new(layout)));
            self.problems.unknown_tables += u64::from(matches!(self.table, Table::Unknown));
            return;
        }
        let table = std::mem::take(&mut self.table);
        let taken = match &table {
            Table::Unknown => Ok(()),
            Table::None => {
                Err("stands before any line of names that begins with window".to_owned())
            }
            Table::Known(layout) => self.row(layout, record),
        };
        self.table = table;
        if let Err(reason) = taken {
            self.problems.bad_rows += 1;
            if self.problems.told.len() < MAX_TOLD {
                self.problems.told.push(BadRow { line, reason });
            }
        }
    }

    /// Takes a row.
    fn row(&mut self, layout: &Layout, record: &ByteRecord) -> Result<(), String> {
        if record.len() != layout.cells {
            return Err(format!("has {} cells under {} names", record.len(), layout.cells));
        }
        let (start, seconds) = (cell(record, layout.window)?, cell(record, layout.seconds)?);
        if start.is_empty() {
            return Err("window: the time of the window is not known".to_owned());
        }
        let window = Window::parse(start, seconds).flatten().ok_or_else(|| {
            format!("window: {} with {} seconds is no window", shown(start), shown(seconds))
        })?;
        let counts = |columns: &[Column; 3]| -> Result<Counts, String> {
            let [flows, packets, octets] = columns;
            Ok(Counts {
                flows: number(record, *flows)?,
                packets: number(record, *packets)?,
                octets: number(record, *octets)?,
            })
        };
        let received = layout.received.as_ref().map(counts).transpose()?.unwrap_or_default();
        let sums = [counts(&layout.sent)?, received];
        let key = Key::parse(layout, record)?;
        if self.windows.len() >= MAX_WINDOWS && !self.windows.contains_key(&window) {
            self.problems.further_windows += 1;
            return Ok(());
        }
        let rows = self.windows.entry(window).or_insert_with(WindowRows::new);
        match key {
            Key::Protocol(key) => rows.protocols.put(self.number, key, sums),
            Key::Address(key) => rows.addresses.put(self.number, key, sums),
            Key::Port(key) => rows.ports.put(self.number, key, sums),
            Key::Interface(key) => rows.interfaces.put(self.number, key, sums),
        }
        Ok(())
    }

    /// Returns the windows of all inputs.
    pub fn finish(self) -> Traffic {
        let mut problems = self.problems;
        let windows = self.windows.into_iter().map(|(window, rows)| {
            let protocols = rows.protocols.finish(&mut problems);
            let protocols = protocols
                .into_iter()
                .map(|Entry { key, sent, .. }| ProtocolCounts { proto: key, counts: sent });
            SlotTraffic {
                window,
                protocols: protocols.collect(),
                addresses: rows.addresses.finish(&mut problems),
                ports: rows.ports.finish(&mut problems),
                interfaces: rows.interfaces.finish(&mut problems),
            }
        });
        let windows = windows.collect();
        Traffic { windows, problems }
    }
}

impl Layout {
    /// Returns the columns of a line of names; `None` if it is that of another table, lacks a column or has
    /// one twice.
    fn parse(names: &ByteRecord) -> Option<Layout> {
        let column = |name: &'static str| {
            let mut places = names.iter().enumerate().filter(|(_, of)| *of == name.as_bytes());
            let (place, _) = places.next()?;
            places.next().is_none().then_some(Column { place, name })
        };
        // A byte order mark may stand before the first name.
        let window = Column { place: 0, name: "window" };
        let keys: Vec<_> =
            KEYS.into_iter().filter(|name| names.iter().any(|of| of == name.as_bytes())).collect();
        let kind = match keys.as_slice() {
            ["proto"] => Kind::Protocols,
            ["addr"] => Kind::Addresses,
            ["proto", "port"] => Kind::Ports,
            ["if"] => Kind::Interfaces,
            _ => return None,
        };
        let three = |[flows, packets, octets]: [&'static str; 3]| {
            Some([column(flows)?, column(packets)?, column(octets)?])
        };
        let (sent, received) = if kind == Kind::Protocols {
            (three(["flows", "packets", "octets"])?, None)
        } else {
            let received = three(["recvflows", "recvpackets", "recvoctets"])?;
            (three(["sentflows", "sentpackets", "sentoctets"])?, Some(received))
        };
        let key = column(keys.first()?)?;
        let port = column(keys.last()?)?;
        let seconds = column("seconds")?;
        Some(Layout { kind, cells: names.len(), window, seconds, key, port, sent, received })
    }
}

/// The key of a row.
enum Key {
    Protocol(u8),
    Address(IpAddr),
    Port(ProtoPort),
    Interface(u32),
}

impl Key {
    fn parse(layout: &Layout, record: &ByteRecord) -> Result<Key, String> {
        Ok(match layout.kind {
            Kind::Protocols => Key::Protocol(number(record, layout.key)?),
            Kind::Interfaces => Key::Interface(number(record, layout.key)?),
            Kind::Ports => {
                let (proto, port) = (number(record, layout.key)?, number(record, layout.port)?);
                Key::Port(ProtoPort { proto, port })
            }
            Kind::Addresses => {
                let text = cell(record, layout.key)?;
                if text.ends_with('?') {
                    let text = shown(text);
                    return Err(format!("addr: {text} is masked; count without --mask"));
                }
                let address = text.parse();
                Key::Address(address.map_err(|_| format!("addr: {} is no address", shown(text)))?)
            }
        })
    }
}

/// Returns the text of a cell.
fn cell(record: &ByteRecord, column: Column) -> Result<&str, String> {
    let bytes = record.get(column.place).unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", column.name))
}

/// Returns the number in a cell. Only digits are one.
fn number<T: std::str::FromStr>(record: &ByteRecord, column: Column) -> Result<T, String> {
    let text = cell(record, column)?;
    let parsed = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
    parsed.flatten().ok_or_else(|| format!("{}: {} is no such number", column.name, shown(text)))
}

/// Returns a value as a message shows it.
fn shown(text: &str) -> String {
    let (short, rest) = match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => (text.get(..at).unwrap_or_default(), "..."),
        None => (text, ""),
    };
    format!("{short:?}{rest}")
}

impl WindowRows {
    fn new() -> WindowRows {
        WindowRows {
            protocols: Rows::new(MAX_PROTOCOLS),
            addresses: Rows::new(MAX_ADDRESSES),
            ports: Rows::new(MAX_PORTS),
            interfaces: Rows::new(MAX_INTERFACES),
        }
    }
}

impl<K: Copy + Ord> Rows<K> {
    fn new(limit: usize) -> Rows<K> {
        Rows { rows: BTreeMap::new(), limit, left_out: 0, table: 0 }
    }

    /// Adds a row of a table. The rows of an earlier table are gone.
    fn put(&mut self, table: u64, key: K, [sent, received]: [Counts; 2]) {
        if self.table != table {
            self.rows.clear();
            (self.left_out, self.table) = (0, table);
        }
        self.rows.insert(key, [sent, received]);
        if self.rows.len() > 2 * self.limit {
            self.trim();
        }
    }

    /// Leaves the greatest rows, and returns their keys, the greatest first. A row that is left out has `limit`
    /// greater ones, whatever comes later.
    fn trim(&mut self) -> Vec<Entry<K>> {
        let rows = self.rows.iter();
        let mut rows: Vec<_> =
            rows.map(|(&key, &[sent, received])| Entry { key, sent, received }).collect();
        rows.sort_by(|a, b| b.octets().cmp(&a.octets()).then(a.key.cmp(&b.key)));
        for least in rows.drain(self.limit.min(rows.len())..) {
            self.rows.remove(&least.key);
            self.left_out += 1;
        }
        rows
    }

    fn finish(mut self, problems: &mut Problems) -> Vec<Entry<K>> {
        let rows = self.trim();
        problems.left_out += self.left_out;
        rows
    }
}

#[cfg(test)]
mod tests;
