//! `nfnotify resolve`, `claim` and `ignore`: the decisions of people about incidents.

use std::str::FromStr;

use anyhow::bail;

use super::memory::{Db, Memory};
use super::owners::Who;
use super::person::By;
use super::publish::publish_change;
use super::setup::Setup;
use crate::cli::{self, Io, Status};
use crate::incident::{self, Incident, JournalRow, MatterKey, Person, Refused};
use crate::time::Timestamp;
use crate::tool::findings::parse_time;

/// The arguments of `nfnotify resolve`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ResolveArgs {
    /// Close these incidents, by their numbers in `nfnotify list`
    #[arg(value_name = "ID", required = true)]
    ids: Vec<u64>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// The arguments of `nfnotify claim`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ClaimArgs {
    /// Claim these incidents, by their numbers in `nfnotify list`
    #[arg(value_name = "ID", required = true)]
    ids: Vec<u64>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// The arguments of `nfnotify ignore`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct IgnoreArgs {
    /// Ignore all matters of this incident, or one of them, as in 7.scan:6/22
    #[arg(value_name = "ID[.MATTER]", required = true)]
    targets: Vec<Target>,
    /// Ignore them for this long; 0 ends it
    #[arg(long = "for", value_name = "DURATION", value_parser = cli::parse_seconds)]
    duration: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

/// The options of all changes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    pub by: By,
    #[command(flatten)]
    pub db: Db,
    #[command(flatten)]
    pub who: Who,
    /// Make the change as at this time: RFC 3339 or Unix seconds [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// Print the new rows of the journal as JSON, nfkit-incident(5)
    #[arg(long)]
    pub json: bool,
}

/// An incident, or one matter of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    id: u64,
    matter: Option<MatterKey>,
}

/// Parses `7`, or `7.scan:6/22`.
impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let (id, matter) = match text.split_once('.') {
            Some((id, matter)) => (id, Some(matter)),
            None => (text, None),
        };
        let id = id.parse().map_err(|_| format!("{id:?} is not the number of an incident"))?;
        let matter = matter
            .map(|matter| {
                MatterKey::parse(matter).ok_or_else(|| {
                    format!("{matter:?} is not a matter such as scan:6/22 (kind:protocol/port)")
                })
            })
            .transpose()?;
        Ok(Target { id, matter })
    }
}

/// Closes incidents.
///
/// # Errors
/// Fails, and changes nothing, if one of them is not known or closed, or if the memory cannot be changed.
pub(super) fn resolve(args: &ResolveArgs, io: &mut Io) -> anyhow::Result<Status> {
    change(&args.change, &unique(&args.ids), io, |change, incident, _| {
        incident::resolve(incident, &change.person, change.newest)
    })
}

/// Notes that the owners of incidents deal with them.
///
/// # Errors
/// As [`resolve`].
pub(super) fn claim(args: &ClaimArgs, io: &mut Io) -> anyhow::Result<Status> {
    change(&args.change, &unique(&args.ids), io, |change, incident, _| {
        let kind = change.setup.owners.network_kind(incident.subject.host);
        let rule = change.setup.settings.policy.of(incident, kind, change.setup.now);
        incident::claim(incident, &change.person, rule, change.newest)
    })
}

/// Ignores matters of incidents for a while.
///
/// # Errors
/// As [`resolve`], and a matter that its incident does not have.
pub(super) fn ignore(args: &IgnoreArgs, io: &mut Io) -> anyhow::Result<Status> {
    let targets = unique(&args.targets);
    let ids: Vec<u64> = targets.iter().map(|target| target.id).collect();
    change(&args.change, &ids, io, |change, incident, nth| {
        let matter = targets.get(nth).and_then(|target| target.matter);
        let until = change.setup.now.saturating_add(args.duration.into());
        incident::ignore(incident, &change.person, matter, until)
    })
}

/// Returns each value once, in their order.
fn unique<T: Copy + PartialEq>(all: &[T]) -> Vec<T> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(one) {
            unique.push(*one);
        }
    }
    unique
}

/// All that a change of an incident depends on.
struct Change<'a> {
    setup: &'a Setup,
    person: Person,
    newest: Option<crate::time::Window>,
}

/// Changes incidents in one transaction, all or none, prints the new rows of the journal and writes the
/// files of the readers. `make` gets the index of the incident's number in `ids`.
fn change(
    args: &ChangeArgs,
    ids: &[u64],
    io: &mut Io,
    mut make: impl FnMut(&Change, &mut Incident, usize) -> Result<Vec<JournalRow>, Refused>,
) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.who, args.now, io)?;
    let person = args.by.person(setup.now)?;
    let mut memory = Memory::for_change(args.db.place())?;
    let before = memory.store.newest_entry()?;
    let change = Change { setup: &setup, person, newest: memory.store.newest()?.window() };
    let mut update = memory.store.update(setup.now, setup.settings.mode)?;
    let (mut is_refused, mut closed) = (false, Vec::new());
    for (nth, &id) in ids.iter().enumerate() {
        let Some(mut incident) = update.incident(id)? else {
            is_refused = true;
            io.report
                .error(format_args!("there is no incident {id}; `nfnotify list` has the numbers"));
            continue;
        };
        match make(&change, &mut incident, nth) {
            Ok(rows) => {
                update.incident_changed(&incident)?;
                update.journal_rows(&rows)?;
                if incident.body.state.is_closed() {
                    closed.push(incident);
                }
            }
            Err(refused) => {
                is_refused = true;
                io.report.error(refused);
            }
        }
    }
    if is_refused {
        drop(update);
        bail!("nothing was changed");
    }
    update.commit()?;
    publish_change(&setup, &mut memory, &closed, before, args.json, io)?;
    memory.close()?;
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Kind;

    #[test]
    fn targets_are_incidents_or_their_matters() {
        let of = |matter| Ok(Target { id: 7, matter });
        assert_eq!("7".parse(), of(None));
        let scan = MatterKey { kind: Kind::Scan, proto: Some(6), port: Some(22) };
        assert_eq!("7.scan:6/22".parse(), of(Some(scan)));
        let flood = MatterKey { kind: Kind::Flood, proto: None, port: None };
        assert_eq!("7.flood:-/-".parse(), of(Some(flood)));
        for (text, expected) in [
            ("x", "\"x\" is not the number of an incident"),
            ("", "\"\" is not the number of an incident"),
            ("-1", "\"-1\" is not the number of an incident"),
            ("7.", "\"\" is not a matter such as scan:6/22 (kind:protocol/port)"),
            ("7.ssh", "\"ssh\" is not a matter such as scan:6/22 (kind:protocol/port)"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap_err(), expected);
        }
    }
}
