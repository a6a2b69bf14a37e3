//! How totals are printed: as lines of text, of CSV or of JSON, or as a table for a person.

use std::io::Write;

use super::bars;
use crate::flow::Masked;
use crate::time::{End, Mark, Timestamp, Window};
use crate::total::{Counts, Key, Ranking, Row, TimeStep, TotalSpec};

/// How totals are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TABs between columns, and marks.
    Text,
    /// Commas, and a line of names.
    Csv,
    /// An object a line.
    Json,
    /// For a person.
    Bars,
}

/// Prints windows.
#[derive(Debug)]
pub struct Printer {
    pub form: Form,
    pub plan: TotalSpec,
    pub mask: bool,
    pub no_header: bool,
}

/// One value of a row.
enum Cell {
    Text(String),
    Number(u64),
    /// Hundredths.
    Hundredths(u128),
    Unknown,
}

/// More steps than that are not filled up with empty ones: somebody's clock is wrong.
const MAX_FILLED: u64 = 100_000;

const COUNTS: [&str; 3] = ["flows", "packets", "octets"];
const SENT: [&str; 3] = ["sentflows", "sentpackets", "sentoctets"];
const RECEIVED: [&str; 3] = ["recvflows", "recvpackets", "recvoctets"];

impl Printer {
    fn has_two_sides(&self) -> bool {
        self.plan.per.sides().len() == 2
    }

    fn counts_peers(&self) -> bool {
        self.plan.by == crate::total::By::Peers
    }

    /// The names of the columns.
    fn columns(&self) -> Vec<&'static str> {
        let mut names = vec!["window", "seconds"];
        if self.plan.step.is_some() {
            names.push("time");
        }
        names.extend(self.plan.per.columns());
        names.extend(COUNTS);
        if self.has_two_sides() {
            names.extend(SENT);
            names.extend(RECEIVED);
        }
        if self.counts_peers() {
            names.push("peers");
        }
        if self.plan.step.is_none() {
            names.push("share");
        }
        names.extend(["rate", "pps", "bps"]);
        names
    }

    /// Prints the line of names, where the form has one.
    pub fn fields(&self, out: &mut impl Write) -> anyhow::Result<()> {
        match self.form {
            Form::Text if !self.no_header => {
                writeln!(out, "#fields\t{}", self.columns().join("\t"))?
            }
            Form::Csv if !self.no_header => writeln!(out, "{}", self.columns().join(","))?,
            _ => {}
        }
        Ok(())
    }

    /// Prints one window.
    pub fn window(
        &mut self,
        mut end: End,
        total: Counts,
        ranking: Ranking,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        if self.form == Form::Bars {
            return bars::window(self, &end, total, ranking, out);
        }
        self.mark(&Mark::Window(end.window), out)?;
        let rows = ranking.rows;
        if self.plan.step.is_some() {
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            let times = self.times(end.window, &rows);
            for row in &rows {
                self.series(end.window, &times, row, out)?;
            }
        } else {
            for row in rows {
                let row = row?;
                self.line(self.row(end.window, total, &row), out)?;
            }
        }
        end.tool = Some("nftop".to_owned());
        let totals = [("keys", ranking.keys), ("packets", total.packets), ("octets", total.octets)];
        // Where the mark is full of others' keys these are left out.
        totals.iter().for_each(|(key, value)| _ = end.set(key, &value.to_string()));
        self.mark(&Mark::End(end), out)?;
        out.flush()?;
        Ok(())
    }

    fn mark(&self, mark: &Mark, out: &mut impl Write) -> anyhow::Result<()> {
        match self.form {
            Form::Text if !self.no_header => writeln!(out, "{mark}")?,
            Form::Json if !self.no_header => writeln!(out, "{}", mark.json()?)?,
            _ => {}
        }
        Ok(())
    }

    fn row(&self, window: Option<Window>, total: Counts, row: &Row) -> Vec<Cell> {
        let mut cells = self.opening(window);
        cells.extend(key_cells(row.key, self.mask));
        self.sides(row.sent, row.received, &mut cells);
        if self.counts_peers() {
            cells.push(row.peers.map_or(Cell::Unknown, Cell::Number));
        }
        let by = self.plan.by;
        cells.push(match self.counts_peers() {
            true => Cell::Unknown,
            false => share(row.counts().by(by), total.by(by)),
        });
        cells.extend(rates(row.counts(), window.map(Window::seconds)));
        cells
    }

    fn opening(&self, window: Option<Window>) -> Vec<Cell> {
        match window {
            Some(window) => {
                vec![Cell::Text(window.start_text()), Cell::Number(window.seconds().into())]
            }
            None => vec![Cell::Unknown, Cell::Unknown],
        }
    }

    fn sides(&self, sent: Counts, received: Option<Counts>, cells: &mut Vec<Cell>) {
        let three =
            |counts: Counts| [counts.flows, counts.packets, counts.octets].map(Cell::Number);
        cells.extend(three(received.map_or(sent, |received| sent.plus(received))));
        if let Some(received) = received {
            cells.extend(three(sent));
            cells.extend(three(received));
        }
    }

    /// Every step of a series, those without a flow too, so that a plot falls to 0 there. None if that
    /// would be too many.
    pub fn times(&self, window: Option<Window>, rows: &[Row]) -> Vec<Option<u64>> {
        let step = u64::from(self.plan.step.unwrap_or(1));
        let seen = || rows.iter().flat_map(|row| &row.steps).map(|at| at.start);
        let of_window = window.map(|window| {
            let last = window.end().saturating_sub(1);
            [window.start() - window.start() % step, last - last % step]
        });
        let known = || seen().flatten().chain(of_window.into_iter().flatten());
        let mut times: Vec<_> = match (known().min(), known().max()) {
            (Some(first), Some(last)) if (last - first) / step < MAX_FILLED => {
                (0..=(last - first) / step).map(|n| Some(first + n * step)).collect()
            }
            _ => return Vec::new(),
        };
        if seen().any(|time| time.is_none()) {
            times.push(None);
        }
        times.sort_unstable();
        times.dedup();
        times
    }

    fn series(
        &self,
        window: Option<Window>,
        times: &[Option<u64>],
        row: &Row,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let none = row.received.map(|_| Counts::default());
        // Where there are too many steps to fill up, a key has only those that it has.
        let own: Vec<_> = row.steps.iter().map(|step| step.start).collect();
        for &time in if times.is_empty() { &own } else { times } {
            let place = row.steps.binary_search_by_key(&time, |step| step.start);
            let step = place.ok().and_then(|at| row.steps.get(at)).copied();
            let empty = TimeStep { start: time, sent: Counts::default(), received: none };
            let TimeStep { sent, received, .. } = step.unwrap_or(empty);
            let mut cells = self.opening(window);
            let start = |time| Timestamp::from_secs(time).rfc3339();
            cells.push(time.map_or(Cell::Unknown, |time| Cell::Text(start(time))));
            cells.extend(key_cells(row.key, self.mask));
            self.sides(sent, received, &mut cells);
            let counts = received.map_or(sent, |received| sent.plus(received));
            cells.extend(rates(counts, time.and(self.plan.step)));
            self.line(cells, out)?;
        }
        Ok(())
    }

    fn line(&self, cells: Vec<Cell>, out: &mut impl Write) -> anyhow::Result<()> {
        let (delimiter, unknown) = match self.form {
            Form::Csv => (",", ""),
            _ => ("\t", "-"),
        };
        let mut line = String::new();
        if self.form == Form::Json {
            for (name, cell) in self.columns().iter().zip(cells) {
                line.push_str(if line.is_empty() { "{" } else { "," });
                let value = match cell {
                    Cell::Text(text) => serde_json::to_string(&text)?,
                    cell => cell.text("null"),
                };
                line.push_str(&format!("\"{name}\":{value}"));
            }
            line.push('}');
        } else {
            let cells: Vec<_> = cells.into_iter().map(|cell| cell.text(unknown)).collect();
            line = cells.join(delimiter);
        }
        line.push('\n');
        // In one piece, so that lines of several writers stay whole.
        out.write_all(line.as_bytes())?;
        Ok(())
    }
}

impl Cell {
    fn text(self, unknown: &str) -> String {
        match self {
            Cell::Text(text) => text,
            Cell::Number(number) => number.to_string(),
            Cell::Hundredths(number) => format!("{}.{:02}", number / 100, number % 100),
            Cell::Unknown => unknown.to_owned(),
        }
    }
}

/// The texts of a key, one a column.
pub fn key_texts(key: Key, mask: bool) -> Vec<String> {
    key_cells(key, mask).into_iter().map(|cell| cell.text("-")).collect()
}

fn key_cells(key: Key, mask: bool) -> Vec<Cell> {
    let address = |address| match mask {
        true => Cell::Text(Masked(address).to_string()),
        false => Cell::Text(address.to_string()),
    };
    match key {
        Key::Address(host) => vec![address(host)],
        // A network that is no smaller than what a mask leaves of an address tells no host.
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

/// Percent of the window's traffic.
fn share(part: u64, whole: u64) -> Cell {
    match u128::from(part) * 10_000 {
        _ if whole == 0 => Cell::Unknown,
        part => Cell::Hundredths(rounded(part, whole.into())),
    }
}

/// Flows, packets and bits a second.
fn rates(counts: Counts, seconds: Option<u32>) -> [Cell; 3] {
    let Some(seconds) = seconds.map(u128::from) else {
        return [Cell::Unknown, Cell::Unknown, Cell::Unknown];
    };
    let second =
        |count: u64, times: u128| Cell::Hundredths(rounded(u128::from(count) * times, seconds));
    [second(counts.flows, 100), second(counts.packets, 100), second(counts.octets, 800)]
}

fn rounded(part: u128, whole: u128) -> u128 {
    (part + whole / 2) / whole
}
