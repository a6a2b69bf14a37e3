//! `nfnotify plan`: what a run would do now, and what the runs after it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::memory::{Db, open_read};
use super::owners::Who;
use super::records::{joined, next_text};
use super::run::{Computed, compute};
use super::setup::{Setup, is_frozen, stop_file};
use crate::cli::{Io, Out, Status};
use crate::finding::words::of;
use crate::incident::export::NextRecord;
use crate::incident::store::Freeze;
use crate::incident::{
    self, Clause, Facts, Incident, Notice, Policy, Rule, State, Wish, wish_text,
};
use crate::report::{Columns, Escaped, LocalTime};
use crate::time::{Timestamp, Window};
use crate::tool::findings::parse_time;
use crate::tool::site;

/// The arguments of `nfnotify plan`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Show the plan for these incidents only, by their numbers in `nfnotify list`
    #[arg(value_name = "ID")]
    ids: Vec<u64>,
    #[command(flatten)]
    db: Db,
    #[command(flatten)]
    who: Who,
    /// Plan a run at this time: RFC 3339 or Unix seconds [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<Timestamp>,
    /// Print an object a line, each with its `type`
    #[arg(long)]
    json: bool,
}

/// The plan for one incident.
struct Planned<'a> {
    incident: &'a Incident,
    rule: &'a Rule,
    recipients: Vec<String>,
    next: NextRecord,
    clauses: Vec<Clause>,
    /// The wish before the run, if the run would change it.
    wish_before: Option<Wish>,
    notices: Vec<&'a Notice>,
}

/// The plan as a whole.
struct Plan<'a> {
    setup: &'a Setup,
    newest: Option<Window>,
    freeze: Option<Freeze>,
    /// The file that stops new acts.
    stop: Option<PathBuf>,
    /// Windows that wait to be stepped through.
    waiting: usize,
    /// Mails that wait to be sent.
    mails: usize,
    incidents: Vec<Planned<'a>>,
}

/// Prints what a run would do now; writes nothing.
///
/// # Errors
/// Fails if the database, the configuration or the contacts cannot be read.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.who, args.now, io)?;
    let store = open_read(&args.db.place())?;
    let policy = &setup.settings.policy;
    let network_kind = |host| setup.owners.network_kind(host);
    let computed = compute(&setup, policy, &network_kind, &store)?;
    let before: BTreeMap<u64, Incident> =
        store.live()?.into_iter().map(|incident| (incident.id, incident)).collect();
    let after = after(&before, &computed);
    let told = told(store.live_notices()?, &computed);
    let newest = computed.outcome.newest.window();
    let is_frozen = is_frozen(&setup, &store)?;
    let planned = after.values().filter(|one| args.ids.is_empty() || args.ids.contains(&one.id));
    let incidents = planned.map(|incident| {
        let told = told.get(&incident.id).map_or(&[][..], Vec::as_slice);
        let facts = setup.facts(incident, told, newest, is_frozen);
        planned_of(incident, before.get(&incident.id), told, &facts, &setup, policy, &computed)
    });
    let waiting = computed.windows.len();
    let plan = Plan {
        setup: &setup,
        newest,
        freeze: store.freeze()?.filter(|freeze| setup.now < freeze.until),
        stop: stop_file(store.path()),
        waiting,
        mails: store.unsent_mails()?.len(),
        incidents: incidents.collect(),
    };
    let mut is_whole = true;
    for id in args.ids.iter().filter(|id| !after.contains_key(id)) {
        is_whole = false;
        io.report.error(format_args!("{id}: no such incident, or it is closed"));
    }
    if args.json {
        json(&plan, &mut io.out)?
    } else {
        text(&plan, io)?;
        if plan.incidents.is_empty() && is_whole {
            io.report.warn("no open incident");
        }
    }
    Ok(if is_whole { Status::Done } else { Status::Failed })
}

/// Returns the incidents that a run would leave: those of now, changed as it would change them.
fn after(before: &BTreeMap<u64, Incident>, computed: &Computed) -> BTreeMap<u64, Incident> {
    let mut after = before.clone();
    for incident in &computed.outcome.changed {
        after.insert(incident.id, incident.clone());
    }
    for id in &computed.outcome.dropped {
        after.remove(id);
    }
    after
}

/// Returns the notices by incident, with those of this run.
fn told(mut told: BTreeMap<u64, Vec<Notice>>, computed: &Computed) -> BTreeMap<u64, Vec<Notice>> {
    for notice in &computed.notices {
        told.entry(notice.incident).or_default().push(notice.clone());
    }
    told
}

fn planned_of<'a>(
    incident: &'a Incident,
    before: Option<&Incident>,
    told: &[Notice],
    facts: &Facts,
    setup: &Setup,
    policy: &'a Policy,
    computed: &'a Computed,
) -> Planned<'a> {
    let rule = policy.of(incident, facts.network_kind, facts.now);
    let next = incident::next(incident, told, rule, facts);
    let wish_before = before.map_or(Wish::None, |before| before.body.wish);
    Planned {
        incident,
        rule,
        recipients: setup.owners.of(incident).recipients,
        next: NextRecord { what: next.what.to_owned(), at: next.at, why: next.why },
        clauses: incident::clauses(incident, rule, facts),
        wish_before: (wish_before != incident.body.wish).then_some(wish_before),
        notices: of_incident(&computed.notices, incident.id),
    }
}

/// Returns the notices about one incident, of all of a run, which are in the order of their incidents' numbers.
fn of_incident(notices: &[Notice], id: u64) -> Vec<&Notice> {
    let first = notices.partition_point(|notice| notice.incident < id);
    notices.iter().skip(first).take_while(|notice| notice.incident == id).collect()
}

/// Returns a state with the reason of closing.
fn state(incident: &Incident) -> String {
    match incident.body.state {
        State::Closed(reason) => format!("closed ({})", reason.as_str()),
        state => state.as_str().to_owned(),
    }
}

fn text(plan: &Plan, io: &mut Io) -> anyhow::Result<()> {
    let local = site::local_time(&io.config)?;
    let setup = plan.setup;
    let mode = setup.settings.mode;
    let out = &mut io.out;
    writeln!(out, "a run at {}, mode {}", local.text(setup.now), mode.as_str())?;
    let newest = plan.newest.map_or_else(|| "none yet".to_owned(), |w| local.text(w.start()));
    writeln!(out, "newest window {newest}")?;
    if plan.waiting > 0 {
        let waiting = of(plan.waiting as u64, "window");
        writeln!(out, "{waiting} of a run that was cut short come first")?;
    }
    if let Some(freeze) = &plan.freeze {
        let Freeze { until, by, why } = freeze;
        let text = format!("new blocks are frozen until {} by {by}: {why}", local.text(*until));
        writeln!(out, "{}", Escaped(text))?;
    }
    if plan.mails > 0 {
        let mails = of(plan.mails as u64, "mail");
        writeln!(out, "waiting to be sent: {mails} of earlier runs")?;
    }
    if let Some(stop) = &plan.stop {
        writeln!(
            out,
            "new blocks and all mails are stopped by the file {}",
            Escaped(stop.display())
        )?;
    }
    for net in setup.never.wide() {
        writeln!(
            out,
            "{net} is a network of exporters by [collect] allow: none of its hosts is ever blocked; name \
             the exporters one by one"
        )?;
    }
    let mut notices = Columns::new(["ID", "HOST", "STEP", "TO", "STATE"], &[0]);
    let mut wishes = Columns::new(["ID", "HOST", "WISH", "BEFORE"], &[0]);
    for one in &plan.incidents {
        let (id, host) = (one.incident.id.to_string(), one.incident.subject.host.text(false));
        for notice in &one.notices {
            let (step, to) = (notice.step.as_str().to_owned(), notice.recipient.clone());
            let state = notice.state.as_str().to_owned();
            notices.row([id.clone(), host.clone(), step, to, state]);
        }
        let wish = one.incident.body.wish;
        if wish != Wish::None || one.wish_before.is_some() {
            let text = |wish| local.value(&wish_text(wish));
            let before = one.wish_before.map_or_else(|| "the same".to_owned(), text);
            wishes.row([id, host, text(wish), before]);
        }
    }
    section("notices of this run", "nobody is told", &notices, out)?;
    section("blocks", "none is wished", &wishes, out)?;
    for one in &plan.incidents {
        writeln!(out)?;
        incident_text(one, &local, out)?;
    }
    Ok(())
}

fn section<const N: usize>(
    name: &str,
    none: &str,
    table: &Columns<N>,
    out: &mut Out,
) -> io::Result<()> {
    if table.is_empty() {
        return writeln!(out, "\n{name}: {none}");
    }
    writeln!(out, "\n{name}")?;
    table.print("  ", out)
}

fn incident_text(one: &Planned, local: &LocalTime, out: &mut Out) -> io::Result<()> {
    let Planned { incident, rule, .. } = one;
    let host = incident.subject;
    writeln!(out, "incident {}: {host}, {}", incident.id, state(incident))?;
    let mut line = |name: &str, text: &str| writeln!(out, "  {name:<8}{}", Escaped(text));
    line("policy", &format!("{}: {}", rule.place, rule.act.as_str()))?;
    line("to", &joined(&one.recipients))?;
    line("next", &next_text(&one.next, |at| local.text(at)))?;
    let mut table = Columns::new(["RESULT", "CLAUSE", "REASON"], &[]);
    for clause in &one.clauses {
        let met = if clause.is_met { "met" } else { "not met" };
        table.row([met.to_owned(), clause.name.to_owned(), clause.why.clone()]);
    }
    table.print("  ", out)
}

/// The run, as JSON.
#[derive(Debug, Serialize)]
struct RunRecord {
    r#type: &'static str,
    now: String,
    mode: &'static str,
    newest: Option<String>,
    waiting: usize,
    mails: usize,
    frozen: bool,
    wide_exporters: Vec<String>,
}

/// A notice, as JSON.
#[derive(Debug, Serialize)]
struct NoticeRecord<'a> {
    r#type: &'static str,
    incident: u64,
    host: String,
    role: &'static str,
    recipient: &'a str,
    step: &'static str,
    state: &'static str,
}

/// An incident, as JSON.
#[derive(Debug, Serialize)]
struct IncidentRecord<'a> {
    r#type: &'static str,
    id: u64,
    host: String,
    role: &'static str,
    state: &'static str,
    policy: &'a str,
    act: &'static str,
    recipients: &'a [String],
    next: &'a NextRecord,
    wish: String,
    wish_before: Option<String>,
    clauses: Vec<ClauseRecord<'a>>,
}

/// A clause, as JSON.
#[derive(Debug, Serialize)]
struct ClauseRecord<'a> {
    name: &'a str,
    met: bool,
    why: &'a str,
}

fn json(plan: &Plan, out: &mut Out) -> anyhow::Result<()> {
    fn line(value: &impl Serialize, out: &mut Out) -> anyhow::Result<()> {
        serde_json::to_writer(&mut *out, value)?;
        Ok(writeln!(out)?)
    }
    let setup = plan.setup;
    let run = RunRecord {
        r#type: "run",
        now: Timestamp::from_secs(setup.now).rfc3339(),
        mode: setup.settings.mode.as_str(),
        newest: plan.newest.map(Window::start_text),
        waiting: plan.waiting,
        mails: plan.mails,
        frozen: plan.freeze.is_some() || plan.stop.is_some(),
        wide_exporters: setup.never.wide().map(|net| net.to_string()).collect(),
    };
    line(&run, out)?;
    for one in &plan.incidents {
        let incident = one.incident;
        let (host, role) = (incident.subject.host.text(false), incident.subject.role.as_str());
        for notice in &one.notices {
            let record = NoticeRecord {
                r#type: "notice",
                incident: incident.id,
                host: host.clone(),
                role,
                recipient: &notice.recipient,
                step: notice.step.as_str(),
                state: notice.state.as_str(),
            };
            line(&record, out)?;
        }
        let clauses = one.clauses.iter().map(|clause| ClauseRecord {
            name: clause.name,
            met: clause.is_met,
            why: &clause.why,
        });
        let record = IncidentRecord {
            r#type: "incident",
            id: incident.id,
            host,
            role,
            state: incident.body.state.as_str(),
            policy: &one.rule.place,
            act: one.rule.act.as_str(),
            recipients: &one.recipients,
            next: &one.next,
            wish: wish_text(incident.body.wish),
            wish_before: one.wish_before.map(wish_text),
            clauses: clauses.collect(),
        };
        line(&record, out)?;
    }
    Ok(())
}
