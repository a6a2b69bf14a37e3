//! `nfnotify show`: all that is known of an incident.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::ControlFlow;

use super::memory::Db;
use super::records::{Which, course_text, decision_text, joined, next_text, ratio_text, read};
use crate::cli::{Io, Out, Status};
use crate::finding::words::of;
use crate::incident::export::{Course, JournalRecord, MatterRecord, Record};
use crate::incident::{Changed, MatterKey, Wish};
use crate::report::{Columns, Escaped, LocalTime};
use crate::tool::site;

/// The width of the names of the first lines.
const NAME: usize = 10;

/// The arguments of `nfnotify show`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Show these incidents, by their numbers in `nfnotify list`
    #[arg(value_name = "ID", required = true)]
    ids: Vec<u64>,
    #[command(flatten)]
    db: Db,
    /// Print their lines of incidents.jsonl, nfkit-incident(5), as they are
    #[arg(long)]
    json: bool,
}

/// Prints incidents with their matters, evidence and journal, in the order of the arguments.
///
/// # Errors
/// Fails if the files cannot be read.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let local = site::local_time(&io.config)?;
    let place = args.db.place();
    let wanted: BTreeSet<u64> = args.ids.iter().copied().collect();
    let mut found = BTreeMap::new();
    let mut is_sound = read(&place, Which::All, io, |line, record| {
        if wanted.contains(&record.id) {
            found.insert(record.id, (line.to_owned(), record));
        }
        // The files of years need not be read for an incident of now.
        if found.len() == wanted.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let mut is_first = true;
    for id in &args.ids {
        let Some((line, record)) = found.get(id) else {
            is_sound = false;
            io.report.error(format_args!(
                "{id}: no such incident; `nfnotify list --all` and `nfnotify history HOST` have the numbers"
            ));
            continue;
        };
        if args.json {
            io.out.write_all(line)?;
            io.out.write_all(b"\n")?;
            continue;
        }
        if !std::mem::take(&mut is_first) {
            writeln!(io.out)?;
        }
        show(record, &local, &mut io.out)?;
    }
    Ok(if is_sound { Status::Done } else { Status::Failed })
}

fn show(record: &Record, local: &LocalTime, out: &mut Out) -> io::Result<()> {
    let time = |at| local.text(at);
    let mut line = |name: &str, text: &str| writeln!(out, "{name:NAME$}{}", Escaped(text));
    line("incident", &record.id.to_string())?;
    let side = record.side.map_or("side unknown", |side| side.as_str());
    line("host", &format!("{}, {}, {side}", record.host.text(false), record.role))?;
    line("what", &record.what)?;
    let (state, decision) = (course_text(record), decision_text(record));
    line("state", &format!("{state} since {}{decision}", time(record.changed)))?;
    let (since, last) = (time(record.since), time(record.last));
    line("seen", &format!("{since} to {last}, in {}", of(record.windows, "window")))?;
    line("owner", &joined(&record.owner))?;
    let kind = record.network_kind.as_str();
    match record.network {
        Some(net) => line("network", &format!("{net}, {kind}"))?,
        None => line("network", "none of the contacts")?,
    }
    line("policy", &record.policy)?;
    if let Some(deadline) = &record.deadline {
        let (due, announced) = (time(deadline.due), time(deadline.announced));
        let shadow = if deadline.shadow { "; nobody was told (shadow mode)" } else { "" };
        line("deadline", &format!("{due}, announced {announced}{shadow}"))?;
    }
    line(
        "wish",
        &match record.wish {
            Wish::None => "no block".to_owned(),
            Wish::UntilResolved => "a block until it is resolved".to_owned(),
            Wish::Until(end) => format!("a block until {}", time(end)),
        },
    )?;
    if let Some(claim) = &record.claim {
        line("claim", &format!("{} by {}: {}", time(claim.at), claim.by, claim.why))?;
    }
    if record.state != Course::Closed {
        line("next", &next_text(&record.next, time))?;
    }
    if let Some(previous) = record.previous {
        line("previous", &previous.to_string())?;
    }
    line("mode", record.mode.as_str())?;
    for matter in &record.matters {
        writeln!(out)?;
        show_matter(matter, local, out)?;
    }
    if record.more > 0 {
        let more = of(record.more, "finding");
        writeln!(out, "\n{more} of further matters, which are only counted")?;
    }
    writeln!(out, "\njournal")?;
    let mut table = Columns::new(["TIME", "RUN", "ACTOR", "WHAT", "FROM", "TO", "REASON"], &[]);
    for row in &record.journal {
        let [data, wall, actor, what, from, to, reason] = row_cells(row, local);
        table.row([data, wall, actor, what, from, to, reason]);
    }
    table.print("  ", out)
}

fn show_matter(matter: &MatterRecord, local: &LocalTime, out: &mut Out) -> io::Result<()> {
    let MatterRecord { kind, proto, port, .. } = *matter;
    writeln!(out, "matter {}", MatterKey { kind, proto, port })?;
    let mut line = |name: &str, text: &str| writeln!(out, "  {name:NAME$}{}", Escaped(text));
    line("classes", &joined(&matter.classes))?;
    line("marks", &joined(&matter.marks))?;
    line("seen", &format!("{} to {}", local.text(matter.first), local.text(matter.last)))?;
    let peak = &matter.peak;
    let window = local.text(peak.window);
    match (&peak.measure, peak.value, peak.limit, peak.ratio) {
        (Some(measure), Some(value), Some(limit), Some(ratio)) => {
            let ratio = ratio_text(ratio);
            line("peak", &format!("{measure}={value}, the limit is {limit}: {ratio}, {window}"))?;
        }
        _ => line("peak", &format!("{window}, without a limit"))?,
    }
    if let Some(ignored) = &matter.ignored {
        let until = local.text(ignored.until);
        line("ignored", &format!("until {until} by {}: {}", ignored.by, ignored.why))?;
    }
    // The columns of a finding line are separated by tabulators, which a terminal shows well.
    let columns = |text: &str| {
        let cells: Vec<String> = text.split('\t').map(|cell| Escaped(cell).to_string()).collect();
        cells.join("\t")
    };
    writeln!(out, "  {:NAME$}{}", "evidence", columns(&matter.evidence))?;
    if matter.newest != matter.evidence {
        writeln!(out, "  {:NAME$}{}", "newest", columns(&matter.newest))?;
    }
    Ok(())
}

/// Returns the cells of a row of a journal: data time, time of the run, actor, what, from, to, reason.
pub(super) fn row_cells(row: &JournalRecord, local: &LocalTime) -> [String; 7] {
    let value = |text: &str| match row.what {
        Changed::Deadline | Changed::Wish | Changed::Ignore => local.value(text),
        _ => text.to_owned(),
    };
    [
        local.text(row.data),
        local.text(row.wall),
        row.actor.clone(),
        row.what.as_str().to_owned(),
        value(&row.from),
        value(&row.to),
        row.reason.clone(),
    ]
}
