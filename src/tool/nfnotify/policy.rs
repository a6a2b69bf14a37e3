//! `nfnotify policy`: the line of the policy that holds for a host, and why.

use std::io::{self, Write};

use serde::Serialize;

use super::history::parse_host;
use super::memory::{Db, open_read};
use super::owners::{Owner, Who};
use super::records::joined;
use super::setup::Setup;
use crate::cli::{Io, Out, Status};
use crate::contacts::NetworkKind;
use crate::finding::Host;
use crate::finding::words::of;
use crate::incident::store::Error;
use crate::incident::{Incident, Rule};
use crate::report::Escaped;
use crate::time::Timestamp;
use crate::tool::findings::parse_time;

/// The arguments of `nfnotify policy`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Explain the policy for this address or network
    #[arg(value_name = "HOST", value_parser = parse_host)]
    host: Host,
    #[command(flatten)]
    db: Db,
    #[command(flatten)]
    who: Who,
    /// Look at what is ignored at this time: RFC 3339 or Unix seconds [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<Timestamp>,
    /// Print an object a line, each with its `type`
    #[arg(long)]
    json: bool,
}

/// The host, as JSON.
#[derive(Debug, Serialize)]
struct HostRecord {
    r#type: &'static str,
    host: String,
    network: Option<String>,
    network_kind: &'static str,
    /// The people who are responsible; empty if there are none.
    owner: Vec<String>,
    /// The addresses that notices go to: these, or the operator's.
    recipients: Vec<String>,
    never: Option<String>,
}

/// A line of the policy, as JSON.
#[derive(Debug, Serialize)]
struct LineRecord {
    r#type: &'static str,
    /// The incident that the line is held against; none if the host has no incident.
    incident: Option<u64>,
    policy: String,
    act: &'static str,
    /// True or false; none if it depends on the finding.
    holds: Option<bool>,
    /// The reasons why it does not hold, or the conditions on which it would.
    why: Vec<String>,
}

/// Prints the network, owner and kind of a host, and for each incident of it the lines of the policy up to
/// the one that holds.
///
/// # Errors
/// Fails if the database, the configuration or the contacts cannot be read.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.who, args.now, io)?;
    let incidents = match open_read(&args.db.place()) {
        Ok(store) => {
            let waiting = store.windows()?.len() as u64;
            if waiting > 0 {
                io.report.warn(format_args!(
                    "{} of a run that was cut short may have more incidents; `nfnotify run` takes them",
                    of(waiting, "window")
                ));
            }
            store.of_host(args.host)?
        }
        // A policy can be tried before the first run.
        Err(error) => match error.downcast::<Error>()? {
            Error::Missing { path } => {
                let path = path.display();
                io.report.warn(format_args!("{path}: not there yet, so no incident is known"));
                Vec::new()
            }
            error => return Err(error.into()),
        },
    };
    let live: Vec<&Incident> =
        incidents.iter().filter(|incident| !incident.body.state.is_closed()).collect();
    let side = live.iter().find_map(|incident| incident.body.side);
    let owner = setup.owners.of_host(args.host, side);
    let never = match args.host {
        Host::Address(address) => setup.never.check(address),
        Host::Prefix(net) => setup.never.covers_part_of(net),
    };
    let never = never.map(|never| never.to_string());
    let kind = owner.network_kind;
    let host = HostRecord {
        r#type: "host",
        host: args.host.text(false),
        network: owner.network.map(|net| net.to_string()),
        network_kind: kind.as_str(),
        owner: owner.mails.clone(),
        recipients: owner.recipients.clone(),
        never,
    };
    let mut groups = Vec::new();
    for incident in &live {
        groups.push((Some(*incident), lines_of(incident, kind, &setup)));
    }
    if groups.is_empty() {
        groups.push((None, lines_without(args.host, kind, &setup)));
    }
    if args.json {
        json_line(&host, &mut io.out)?;
        for line in groups.iter().flat_map(|(_, lines)| lines) {
            json_line(line, &mut io.out)?;
        }
    } else {
        print_host(&host, &owner, &mut io.out)?;
        for (incident, lines) in &groups {
            print_lines(*incident, lines, &mut io.out)?;
        }
    }
    Ok(Status::Done)
}

fn json_line(value: &impl Serialize, out: &mut Out) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    Ok(writeln!(out)?)
}

fn record(
    incident: Option<&Incident>,
    rule: &Rule,
    holds: Option<bool>,
    why: Vec<String>,
) -> LineRecord {
    LineRecord {
        r#type: "line",
        incident: incident.map(|incident| incident.id),
        policy: rule.place.clone(),
        act: rule.act.as_str(),
        holds,
        why,
    }
}

/// Returns the lines up to the one that holds for an incident.
fn lines_of(incident: &Incident, kind: NetworkKind, setup: &Setup) -> Vec<LineRecord> {
    let mut lines = Vec::new();
    for rule in setup.settings.policy.rules() {
        let reasons = rule.refusals(incident, kind, setup.now);
        let holds = reasons.is_empty();
        lines.push(record(Some(incident), rule, Some(holds), reasons));
        if holds {
            break;
        }
    }
    lines
}

/// Returns the lines that may hold for a host, up to the first that holds whatever is found.
fn lines_without(host: Host, kind: NetworkKind, setup: &Setup) -> Vec<LineRecord> {
    let mut lines = Vec::new();
    for rule in setup.settings.policy.rules() {
        match rule.open_conditions(host, kind) {
            Err(reasons) => lines.push(record(None, rule, Some(false), reasons)),
            Ok(open) if open.is_empty() => {
                lines.push(record(None, rule, Some(true), open));
                break;
            }
            Ok(open) => lines.push(record(None, rule, None, open)),
        }
    }
    lines
}

fn print_host(host: &HostRecord, owner: &Owner, out: &mut Out) -> io::Result<()> {
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<9}{}", Escaped(text));
    line("host", &host.host)?;
    match &host.network {
        Some(net) => line("network", &format!("{net}, {}", host.network_kind))?,
        None => line("network", "none of the contacts, unknown")?,
    }
    let recipients = joined(&owner.recipients);
    match (owner.mails.is_empty(), owner.recipients.is_empty()) {
        (false, _) => line("owner", &recipients)?,
        (true, false) => line("owner", &format!("nobody; the operator is told: {recipients}"))?,
        (true, true) => line("owner", "nobody; name [site] operator, so that somebody is told")?,
    }
    match &host.never {
        Some(never) => line("never", &format!("never blocked: {never}"))?,
        None => line("never", "on no list of hosts that are never blocked")?,
    }
    Ok(())
}

fn print_lines(incident: Option<&Incident>, lines: &[LineRecord], out: &mut Out) -> io::Result<()> {
    match incident {
        Some(incident) => {
            let (id, state) = (incident.id, incident.body.state.as_str());
            writeln!(out, "\nincident {id}: {}, {state}", incident.subject)?;
        }
        None => writeln!(out, "\nno incident; a finding would meet these lines")?,
    }
    for line in lines {
        let LineRecord { policy, act, .. } = line;
        let why = line.why.join("; ");
        let text = match (line.holds, incident.is_some()) {
            (Some(true), _) => format!("{policy}: {act}: holds"),
            (Some(false), true) => format!("{policy}: does not hold: {why}"),
            (Some(false), false) => format!("{policy}: never holds: {why}"),
            (None, _) => format!("{policy}: {act}: holds if {}", line.why.join(", and ")),
        };
        writeln!(out, "  {}", Escaped(text))?;
    }
    Ok(())
}
