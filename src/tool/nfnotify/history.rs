//! `nfnotify history`: the incidents of a host since the beginning, or the journal of all.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use ipnet::IpNet;

use super::memory::Db;
use super::records::{Which, joined, peak_text, read, state_text};
use super::rows::RowRecord;
use super::show::row_cells;
use crate::cli::{Io, Status};
use crate::finding::Host;
use crate::incident::export::Record;
use crate::report::{Columns, LocalTime};
use crate::tool::site;

/// The most incidents, and the most rows of journals, that are printed. The files may hold those of years.
const MAX_PRINTED: usize = 100_000;

/// The arguments of `nfnotify history`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Print the incidents of this address, or of all addresses of this network, instead of all journals
    #[arg(value_name = "HOST", value_parser = parse_host)]
    host: Option<Host>,
    #[command(flatten)]
    db: Db,
    /// Print the lines of the files as they are, or the rows of the journals, nfkit-incident(5)
    #[arg(long)]
    json: bool,
}

/// Parses an address or a network.
///
/// # Errors
/// Returns a message for the user.
pub(super) fn parse_host(text: &str) -> Result<Host, String> {
    Host::parse(text).ok_or_else(|| match text.parse::<IpNet>() {
        Ok(net) => format!("{text} has bits set after its prefix; did you mean {}?", net.trunc()),
        Err(_) => format!("{text:?} is no address or network such as 192.0.2.1 or 192.0.2.0/24"),
    })
}

/// Prints all incidents of a host, or the journals of all, the newest last.
///
/// # Errors
/// Fails if the files cannot be read.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    match args.host {
        Some(host) => incidents(host.net(), args, io),
        None => journal(args, io),
    }
}

/// The most bytes of lines that are kept until they are printed.
const MAX_BYTES: usize = 256 << 20;

/// The newest things by their number, at most [`MAX_PRINTED`] and [`MAX_BYTES`].
struct Newest<T> {
    /// Each thing with its size in bytes.
    kept: BTreeMap<u64, (usize, T)>,
    bytes: usize,
    left_out: u64,
}

impl<T> Newest<T> {
    fn new() -> Newest<T> {
        Newest { kept: BTreeMap::new(), bytes: 0, left_out: 0 }
    }

    fn add(&mut self, id: u64, bytes: usize, thing: T) {
        if let Some((replaced, _)) = self.kept.insert(id, (bytes, thing)) {
            self.bytes -= replaced;
        }
        self.bytes += bytes;
        while self.kept.len() > MAX_PRINTED || self.bytes > MAX_BYTES {
            let Some((_, (bytes, _))) = self.kept.pop_first() else { return };
            self.bytes -= bytes;
            self.left_out += 1;
        }
    }

    /// Reports the things that were left out. Returns true if there were none.
    fn report(&self, things: &str, io: &mut Io) -> bool {
        if self.left_out > 0 {
            io.report.error(format_args!(
                "{} older {things} are left out; they are in the files beside the database",
                self.left_out
            ));
        }
        self.left_out == 0
    }
}

fn incidents(net: IpNet, args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let local = site::local_time(&io.config)?;
    let mut newest = Newest::new();
    let mut is_sound = read(&args.db.place(), Which::All, io, |line, record| {
        if net.contains(&record.host.net()) {
            let (bytes, row) = if args.json {
                (line.len(), Row::Line(line.to_owned()))
            } else {
                (0, Row::Cells(cells(&record, &local)))
            };
            newest.add(record.id, bytes, row);
        }
        ControlFlow::Continue(())
    })?;
    is_sound &= newest.report("incidents", io);
    let mut table = Columns::new(
        ["ID", "HOST", "WHAT", "SINCE", "LAST", "WINDOWS", "PEAK", "OWNER", "STATE", "CHANGED"],
        &[0, 5, 6],
    );
    for (_, row) in newest.kept.into_values() {
        match row {
            Row::Line(mut line) => {
                line.push(b'\n');
                io.out.write_all(&line)?;
            }
            Row::Cells(cells) => table.row(*cells),
        }
    }
    if !args.json {
        table.print("", &mut io.out)?;
        if table.is_empty() {
            io.report.warn(format_args!("no incident of {net} is remembered"));
        }
    }
    Ok(if is_sound { Status::Done } else { Status::Failed })
}

enum Row {
    Line(Vec<u8>),
    Cells(Box<[String; 10]>),
}

fn cells(record: &Record, local: &LocalTime) -> Box<[String; 10]> {
    Box::new([
        record.id.to_string(),
        record.host.text(false),
        record.what.clone(),
        local.text(record.since),
        local.text(record.last),
        record.windows.to_string(),
        peak_text(&record.matters),
        joined(&record.owner),
        state_text(record),
        local.text(record.changed),
    ])
}

fn journal(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let local = site::local_time(&io.config)?;
    let mut newest = Newest::new();
    let mut is_sound = read(&args.db.place(), Which::All, io, |_, record| {
        let subject = (record.host, record.role);
        for row in record.journal {
            let bytes = row.from.len() + row.to.len() + row.reason.len() + row.actor.len();
            newest.add(row.id, bytes, (subject, row));
        }
        ControlFlow::Continue(())
    })?;
    is_sound &= newest.report("rows", io);
    let heading = ["ROW", "TIME", "RUN", "ID", "HOST", "ACTOR", "WHAT", "FROM", "TO", "REASON"];
    let mut table = Columns::new(heading, &[0, 3]);
    for (id, (_, ((host, role), row))) in newest.kept {
        let host = host.text(false);
        if args.json {
            serde_json::to_writer(&mut io.out, &RowRecord::new(&row, Some(&host), Some(role)))?;
            writeln!(io.out)?;
            continue;
        }
        let incident = row.incident.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let [data, wall, actor, what, from, to, reason] = row_cells(&row, &local);
        table.row([id.to_string(), data, wall, incident, host, actor, what, from, to, reason]);
    }
    if !args.json {
        table.print("", &mut io.out)?;
    }
    Ok(if is_sound { Status::Done } else { Status::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_kept() {
        let mut newest = Newest::new();
        for id in 0..MAX_PRINTED as u64 + 3 {
            newest.add(id, 10, ());
        }
        assert_eq!((newest.kept.len(), newest.left_out), (MAX_PRINTED, 3));
        assert_eq!(newest.kept.first_key_value().map(|(id, _)| *id), Some(3));
        newest.add(1 << 40, MAX_BYTES, ());
        assert_eq!((newest.kept.len(), newest.bytes), (1, MAX_BYTES));
        newest.add(1 << 40, 7, ());
        assert_eq!((newest.kept.len(), newest.bytes), (1, 7));
    }
}
