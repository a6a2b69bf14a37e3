//! Prints totals as lines of text, CSV or JSON, or as a table for a person.

use std::io::Write;

use super::bars;
use super::cells::{Cell, key_cells, rates, share};
use super::series;
use crate::time::{End, Mark, Timestamp, Window};
use crate::total::{By, Counts, Ranking, Row, TimeStep, TotalSpec};

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines with TABs between columns, and marks.
    Text,
    /// Lines with commas between columns, under a line of names.
    Csv,
    /// A JSON object on each line.
    Json,
    /// A table with bars for a person.
    Bars,
}

/// A printer of windows.
#[derive(Debug)]
pub struct Printer {
    pub form: Form,
    pub spec: TotalSpec,
    pub mask: bool,
    pub no_header: bool,
}

const COUNTS: [&str; 3] = ["flows", "packets", "octets"];
const SENT: [&str; 3] = ["sentflows", "sentpackets", "sentoctets"];
const RECEIVED: [&str; 3] = ["recvflows", "recvpackets", "recvoctets"];

impl Printer {
    fn has_two_sides(&self) -> bool {
        self.spec.per.sides().len() == 2
    }

    fn counts_peers(&self) -> bool {
        self.spec.by == By::Peers
    }

    /// Returns the names of the columns.
    fn columns(&self) -> Vec<&'static str> {
        let mut names = vec!["window", "seconds"];
        if self.spec.step.is_some() {
            names.push("time");
        }
        names.extend(self.spec.per.columns());
        names.extend(COUNTS);
        if self.has_two_sides() {
            names.extend(SENT);
            names.extend(RECEIVED);
        }
        if self.counts_peers() {
            names.push("peers");
        }
        if self.spec.step.is_none() {
            names.push("share");
        }
        names.extend(["rate", "pps", "bps"]);
        names
    }

    /// Prints the line of names, if the form has one.
    ///
    /// # Errors
    /// Fails if stdout cannot be written.
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
    ///
    /// # Errors
    /// Fails if stdout cannot be written or the ranking cannot be read.
    pub fn window(
        &mut self,
        mut end: End,
        total: Counts,
        ranking: Ranking,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        if self.form == Form::Bars {
            return bars::print(&self.spec, self.mask, &end, total, ranking, out);
        }
        self.mark(&Mark::Window(end.window), out)?;
        let rows = ranking.rows;
        if let Some(step) = self.spec.step {
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            let times = series::times(step, end.window, &rows);
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
        for (key, value) in totals {
            // A mark that is full of other programs' keys has no room for these.
            _ = end.set(key, &value.to_string());
        }
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

    /// Returns the values of a row without a series.
    fn row(&self, window: Option<Window>, total: Counts, row: &Row) -> Vec<Cell> {
        let mut cells = self.opening(window);
        cells.extend(key_cells(row.key, self.mask));
        self.sides(row.sent, row.received, &mut cells);
        if self.counts_peers() {
            cells.push(row.peers.map_or(Cell::Unknown, Cell::Number));
        }
        let by = self.spec.by;
        cells.push(if self.counts_peers() {
            Cell::Unknown
        } else {
            share(row.counts().by(by), total.by(by))
        });
        cells.extend(rates(row.counts(), window.map(Window::seconds)));
        cells
    }

    /// Returns the values of the columns `window` and `seconds`.
    fn opening(&self, window: Option<Window>) -> Vec<Cell> {
        match window {
            Some(window) => {
                vec![Cell::Text(window.start_text()), Cell::Number(window.seconds().into())]
            }
            None => vec![Cell::Unknown, Cell::Unknown],
        }
    }

    /// Adds the counts of both sides together, and of each if there are two.
    fn sides(&self, sent: Counts, received: Option<Counts>, cells: &mut Vec<Cell>) {
        let three =
            |counts: Counts| [counts.flows, counts.packets, counts.octets].map(Cell::Number);
        cells.extend(three(received.map_or(sent, |received| sent.plus(received))));
        if let Some(received) = received {
            cells.extend(three(sent));
            cells.extend(three(received));
        }
    }

    /// Prints the series of a key, a line for each step.
    fn series(
        &self,
        window: Option<Window>,
        times: &[Option<u64>],
        row: &Row,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        let none = row.received.map(|_| Counts::default());
        // If there are too many steps to fill up, a key has only its own.
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
            cells.extend(rates(counts, time.and(self.spec.step)));
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
        // One write, so that lines of several writers to a pipe stay whole.
        out.write_all(line.as_bytes())?;
        Ok(())
    }
}
