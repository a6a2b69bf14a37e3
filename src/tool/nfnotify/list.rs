//! `nfnotify list`: the incidents of now, a line each.

use std::io::Write;
use std::ops::ControlFlow;

use super::columns::Columns;
use super::local::Local;
use super::memory::Db;
use super::records::{Which, joined, next_text, peak_text, read, state_text};
use crate::cli::{Io, Status};
use crate::incident::export::{Course, Record};

/// The most incidents that are listed: twice as many as can be open at a time. The file may be anything.
const MAX_LISTED: usize = 200_000;

/// The arguments of `nfnotify list`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    db: Db,
    /// List pending incidents too, and those that were closed in the last seven days
    #[arg(long)]
    all: bool,
    /// Print the lines of incidents.jsonl, nfkit-incident(5), as they are
    #[arg(long)]
    json: bool,
}

/// Prints the incidents that are open or quiet, or all of `incidents.jsonl`.
///
/// # Errors
/// Fails if `incidents.jsonl` cannot be read or is not there yet.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let local = Local::of(&io.config)?;
    let mut rows = Vec::new();
    let mut left_out = 0u64;
    let is_sound = read(&args.db.place(), Which::Current, io, |line, record| {
        let is_live = matches!(record.state, Course::Open | Course::Quiet);
        if !is_live && !args.all {
        } else if rows.len() >= MAX_LISTED {
            left_out += 1;
        } else if args.json {
            rows.push((record.id, Row::Line(line.to_owned())));
        } else {
            rows.push((record.id, Row::Cells(cells(&record, &local))));
        }
        ControlFlow::Continue(())
    })?;
    rows.sort_by_key(|(id, _)| *id);
    let mut table = Columns::new(
        ["ID", "HOST", "WHAT", "SINCE", "WINDOWS", "PEAK", "OWNER", "STATE", "NEXT"],
        &[0, 4, 5],
    );
    for (_, row) in rows {
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
            io.report.warn(if args.all { "no incident" } else { "no open incident" });
        }
    }
    if left_out > 0 {
        io.report.error(format_args!("{left_out} more incidents; at most {MAX_LISTED} are listed"));
    }
    Ok(if is_sound && left_out == 0 { Status::Done } else { Status::Failed })
}

enum Row {
    Line(Vec<u8>),
    Cells(Box<[String; 9]>),
}

fn cells(record: &Record, local: &Local) -> Box<[String; 9]> {
    let next = match record.state {
        Course::Closed => "-".to_owned(),
        _ => next_text(&record.next, |at| local.text(at)),
    };
    Box::new([
        record.id.to_string(),
        record.host.text(false),
        record.what.clone(),
        local.text(record.since),
        record.windows.to_string(),
        peak_text(&record.matters),
        joined(&record.owner),
        state_text(record),
        next,
    ])
}
