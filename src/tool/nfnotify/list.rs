//! `nfnotify list`: the incidents of now, a line each.

use std::io::Write;
use std::ops::ControlFlow;

use super::memory::Db;
use super::records::{Which, joined, next_text, peak_text, read, state_text};
use crate::cli::{Io, Status};
use crate::incident::export::{Course, Record};
use crate::report::{Columns, LocalTime};
use crate::tool::site;

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
    let local = site::local_time(&io.config)?;
    let mut rows = Vec::new();
    let mut left_out = 0u64;
    let mut out = io.out.clone();
    let mut written = Ok(());
    let is_sound = read(&args.db.place(), Which::Current, io, |line, record| {
        let is_live = matches!(record.state, Course::Open | Course::Quiet);
        if !is_live && !args.all {
            return ControlFlow::Continue(());
        }
        if args.json {
            written = out.write_all(line).and_then(|()| out.write_all(b"\n"));
        } else if rows.len() < MAX_LISTED {
            rows.push((record.id, cells(&record, &local)));
        } else {
            left_out += 1;
        }
        if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    written?;
    if args.json {
        return Ok(if is_sound { Status::Done } else { Status::Failed });
    }
    rows.sort_by_key(|(id, _)| *id);
    let mut table = Columns::new(
        ["ID", "HOST", "WHAT", "SINCE", "WINDOWS", "PEAK", "OWNER", "STATE", "NEXT"],
        &[0, 4, 5],
    );
    rows.into_iter().for_each(|(_, cells)| table.row(*cells));
    table.print("", &mut io.out)?;
    if table.is_empty() && is_sound {
        io.report.warn(if args.all { "no incident" } else { "no open incident" });
    }
    if left_out > 0 {
        io.report.error(format_args!("{left_out} more incidents; at most {MAX_LISTED} are listed"));
    }
    Ok(if is_sound && left_out == 0 { Status::Done } else { Status::Failed })
}

fn cells(record: &Record, local: &LocalTime) -> Box<[String; 9]> {
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
