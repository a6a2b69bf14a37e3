//! `nfnotify run`: takes in findings, brings incidents up to date, and says what follows.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;

use super::files::{InputTimes, NamedFile, read_all};
use super::memory::{Db, IfMissing, Memory, WAIT, kill_point};
use super::outbox::{self, Filled};
use super::owners::Who;
use super::pipes::Pipes;
use super::publish::publish;
use super::send::send;
use super::setup::{Setup, is_frozen};
use super::{hooks, metrics};
use crate::capture;
use crate::cli::{Io, Status};
use crate::finding::{Host, Item, words};
use crate::incident::store::{Ingested, LastRun, Store};
use crate::incident::{
    self, Incident, Machine, Mode, Notice, NoticeState, Outcome, Policy, State, Subject, Verdict,
};
use crate::time::{Mark, Timestamp, Window};
use crate::tool::findings::parse_time;

/// Seconds by which the clock may go on further than the machine's boot time between two runs.
const MAX_STEP: u64 = 3600;

/// The arguments of `nfnotify run`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Take in the findings of these files, decompressed if need be; - is stdin. Without one, carry on
    /// with what is known
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    db: Db,
    #[command(flatten)]
    who: Who,
    /// Run as at this time: RFC 3339 or Unix seconds [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<Timestamp>,
    /// Write counts for Prometheus to this file
    #[arg(
        // [collect] has a key of that name too, whose file is nfcap's.
        id = "incident_metrics_file", long = "metrics-file", value_name = "FILE",
        value_hint = ValueHint::FilePath
    )]
    metrics_file: Option<PathBuf>,
    /// Begin without memory, because the database is lost
    #[arg(long)]
    new_database: bool,
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// True if all files were taken, so that they need not be given again.
    pub is_taken: bool,
    /// Hooks that failed, each with the reason. They get the same lines again.
    pub failed_hooks: Vec<(String, String)>,
    /// The state of the way out for mails.
    pub mail: WayState,
    /// True if a mail was refused for good, which was reported.
    pub has_refused: bool,
    /// False if there is a metrics file to write, and it failed; this was reported.
    pub is_metrics_file_written: bool,
}

/// The state of the way out for mails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WayState {
    /// This run looked at no mail.
    #[default]
    Unknown,
    /// No mail waits because of it.
    Up,
    /// Mails wait, for this reason, and are tried again.
    Down(String),
}

/// Runs nfnotify run.
///
/// # Errors
/// Fails as [`remember`] does.
pub(super) fn run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let Ran { is_taken, failed_hooks, mail, has_refused, is_metrics_file_written } =
        remember(args, io)?;
    let mail_down = match mail {
        WayState::Down(why) => Some(why),
        WayState::Unknown | WayState::Up => None,
    };
    for why in mail_down.iter().chain(failed_hooks.iter().map(|(_, why)| why)) {
        io.report.error(why);
    }
    let is_sent = mail_down.is_none() && !has_refused;
    let is_done = is_taken && failed_hooks.is_empty() && is_sent && is_metrics_file_written;
    Ok(if is_done { Status::Done } else { Status::Failed })
}

/// Takes in the findings, brings incidents up to date and says what follows.
///
/// # Errors
/// Fails if the configuration, the contacts or the memory cannot be used, or if the input is not the output
/// of a detector.
pub(super) fn remember(args: &Args, io: &mut Io) -> anyhow::Result<Ran> {
    let setup = Setup::new(&args.who, args.now, io)?;
    // A pipe may go on for hours, and nobody else could do anything meanwhile.
    let pipes = Pipes::read(&args.files, io)?;
    let wait = if args.files.is_empty() { Duration::ZERO } else { WAIT };
    let missing = if args.new_database { IfMissing::Begin } else { IfMissing::Create };
    let Some(mut memory) = Memory::open(args.db.place(), wait, missing)? else {
        return Ok(busy(args, io));
    };
    let mut is_taken = true;
    if !args.files.is_empty() {
        is_taken = take_in(&pipes.files, &setup, &mut memory.store, io)?;
    }
    let (mut closed, mut mail, mut has_refused) = (Vec::new(), WayState::Unknown, false);
    let run = this_run(&setup, args.now)?;
    if let Some(step) = clock_step(&memory.store, run.as_ref())? {
        let mut update = memory.store.update(setup.now, setup.settings.mode)?;
        if let Some(run) = &run {
            update.set_last_run(run)?;
        }
        update.commit()?;
        io.report.warn(format_args!(
            "since the last run the clock went on {} more than the machine did; this run only plans, and \
             changes no incident. Is the clock right?",
            humantime::format_duration(Duration::from_secs(step))
        ));
    } else {
        closed = carry_on(&setup, run.as_ref(), &mut memory.store, io)?;
        if setup.settings.mode == Mode::Live {
            let sent = send(&setup, &mut memory.store, io)?;
            if sent.accepted > 0 {
                let mails = words::of(sent.accepted, "mail");
                io.report
                    .detail(format_args!("{mails} accepted by {}", setup.settings.mail.way.name()));
            }
            has_refused = sent.refused > 0;
            let stuck = sent.stuck.map(|why| {
                format!("a mail is tried for more than an hour, and the next runs go on: {why}")
            });
            let trouble = sent.down.map(|why| down_text(&why)).or(stuck);
            mail = trouble.map_or(WayState::Up, WayState::Down);
        } else {
            // Nothing waits any more.
            mail = WayState::Up;
        }
    }
    publish(&setup, &mut memory, &closed)?;
    kill_point("after-files");
    // A slow command must not keep people from the memory.
    let mut store = memory.unlock();
    let failed_hooks = hooks::run(&setup, &mut store, &args.db.place(), io)?;
    let mut is_metrics_file_written = true;
    if let Some(path) = &args.metrics_file {
        // All of the run is done already, so its files need not come again.
        if let Err(error) = metrics::write(path, &setup, &store) {
            is_metrics_file_written = false;
            io.report.error(format_args!("--metrics-file: {error:#}"));
        }
    }
    store.close()?;
    Ok(Ran { is_taken, failed_hooks, mail, has_refused, is_metrics_file_written })
}

/// Returns the message about a way out that takes no mail.
fn down_text(why: &str) -> String {
    format!("no mail can be sent, so mails wait, and the next runs try again: {why}")
}

/// Reports that another process has the memory.
fn busy(args: &Args, io: &mut Io) -> Ran {
    let is_taken = args.files.is_empty();
    if is_taken {
        io.report.warn("another nfnotify is at work on these incidents; it does what is due");
    } else {
        io.report.error(
            "another nfnotify has held the incidents for a minute; no file was read, so give them again",
        );
    }
    Ran { is_taken, is_metrics_file_written: true, ..Ran::default() }
}

/// Takes in the lines of the files, each once. Returns false if a file could not be read to its end: all
/// that was read is kept, and the file can be given again.
fn take_in(
    files: &[NamedFile],
    setup: &Setup,
    store: &mut Store,
    io: &mut Io,
) -> anyhow::Result<bool> {
    let mut ingest = store.ingest()?;
    let mut error = None;
    let now = Some(Timestamp::from_secs(setup.now));
    let read = read_all(files, now, io, |item, is_aside| {
        if is_aside || error.is_some() {
            return;
        }
        let taken = match item {
            Item::Finding(finding) => ingest.finding(&finding).map(drop),
            Item::Mark(Mark::End(end)) => match (Verdict::of(&end), end.window) {
                (Some((kind, verdict)), Some(window)) => ingest.end(kind, window, verdict),
                _ => Ok(()),
            },
            Item::Mark(Mark::Window(_)) => Ok(()),
        };
        error = taken.err();
    })?;
    if let Some(error) = error {
        return Err(error.into());
    }
    let InputTimes { timeline, failed, bad_lines } = read;
    // A finding may have been in what could not be read.
    let is_partial = failed || bad_lines > 0;
    if is_partial {
        ingest.doubt_waiting()?;
    }
    // Lines that were taken stay, and the others come again with their file.
    let ingested = ingest.commit()?;
    if is_partial {
        io.report.warn(
            "a part of the input could not be read or understood, so no window that waits counts as clean: no \
             incident becomes quiet by it",
        );
    }
    report_taken(&ingested, io);
    if let Some(aside) = timeline.aside() {
        let (first, last) = (aside.first.start_text(), aside.last.start_text());
        io.report.error(format_args!(
            "{} set aside: their windows, from {first} to {last}, begin more than one slot after now; give \
             their files again when their time has come",
            words::of(aside.lines, "line")
        ));
    }
    Ok(!failed && timeline.aside().is_none())
}

fn report_taken(ingested: &Ingested, io: &mut Io) {
    let Ingested { new, grown, known, no_window, too_old, dropped, forgotten } = *ingested;
    io.report.detail(format_args!(
        "findings: {new} new, {grown} with more flows than before, {known} known already"
    ));
    for (count, text) in [
        (
            no_window,
            "have no time, or a window of more than 31 days, so they cannot belong to an incident",
        ),
        (too_old, "are of windows older than [incident] keep, and are set aside"),
        (
            dropped,
            "are left out, because at most 10000 of one window are taken, those inside first; such a window \
             does not count as clean",
        ),
        (forgotten, "are forgotten, the oldest first, because the database is full"),
    ] {
        if count > 0 {
            io.report.warn(format_args!("findings or verdicts that {text}: {count}"));
        }
    }
}

/// Returns the clocks of this run, `None` for one whose time is given: that has nothing to do with them.
fn this_run(setup: &Setup, fixed: Option<Timestamp>) -> anyhow::Result<Option<LastRun>> {
    if fixed.is_some() {
        return Ok(None);
    }
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boottime = capture::clocks()?.boot.as_secs();
    Ok(Some(LastRun { now: setup.now, boot_id: boot_id.trim().to_owned(), boottime }))
}

/// Returns the seconds by which the clock went on further than the machine since the last run, if they are
/// more than an hour.
fn clock_step(store: &Store, run: Option<&LastRun>) -> anyhow::Result<Option<u64>> {
    let (Some(run), Some(last)) = (run, store.last_run()?) else { return Ok(None) };
    if last.boot_id != run.boot_id || run.boot_id.is_empty() {
        return Ok(None);
    }
    let by_clock = run.now.saturating_sub(last.now);
    let by_machine = run.boottime.saturating_sub(last.boottime);
    let step = by_clock.saturating_sub(by_machine);
    Ok((step > MAX_STEP).then_some(step))
}

/// Steps through the windows that wait, computes notices and wishes, and writes all of it. Returns the incidents
/// that have changed and are closed.
fn carry_on(
    setup: &Setup,
    run: Option<&LastRun>,
    store: &mut Store,
    io: &mut Io,
) -> anyhow::Result<Vec<Incident>> {
    let Setup { settings, owners, .. } = setup;
    let mut update = store.update(setup.now, settings.mode)?;
    // A new hook hears of all that this run changes.
    for hook in &settings.hooks {
        if update.hook(&hook.name)?.is_none() {
            update.place_of_hook(&hook.name)?;
        }
    }
    let network_kind = |host| owners.network_kind(host);
    let computed = compute(setup, &settings.policy, &network_kind, &update)?;
    let Computed { outcome, notices, windows, late_clock, held } = computed;
    for window in windows {
        update.stepped(window)?;
    }
    update.outcome(&outcome)?;
    for notice in &notices {
        update.notice(notice)?;
    }
    let filled = match settings.mode {
        Mode::Live => outbox::fill(setup, &mut update, io)?,
        Mode::Shadow => {
            outbox::withdraw(setup, &mut update)?;
            Filled::default()
        }
    };
    if let Some(run) = run {
        update.set_last_run(run)?;
    }
    let retained = update.retain(settings.keep)?;
    update.commit()?;
    if let Some(window) = late_clock {
        io.report.warn(format_args!(
            "the newest window known, {}, begins after now: a clock was wrong. Windows of now count as \
             new again",
            window.start_text()
        ));
    }
    if held > 0 {
        io.report.warn(format_args!(
            "the newest window ended more than two windows ago: no deadline passes and no block changes, \
             which concerns {}; is the collector running?",
            words::of(held, "incident")
        ));
    }
    if outcome.left_out > 0 {
        io.report.error(format_args!(
            "{} opened no incident, because too many are not closed: {} for those of hosts outside, twice as \
             many for others",
            words::of(outcome.left_out, "finding"),
            incident::MAX_LIVE
        ));
    }
    if retained.incidents > 0 {
        io.report.detail(format_args!(
            "{} removed, closed for longer than [incident] keep",
            words::of(retained.incidents, "incident")
        ));
    }
    report_notices(setup, &notices, &filled, io);
    let closed = |incident: &Incident| incident.body.state.is_closed();
    Ok(outcome.changed.into_iter().filter(closed).collect())
}

/// The results of a run, before they are written.
pub(super) struct Computed {
    pub outcome: Outcome,
    pub notices: Vec<Notice>,
    pub windows: Vec<Window>,
    /// The newest window known, if it lies in the future.
    pub late_clock: Option<Window>,
    /// Incidents whose deadline or block is held as it is, because the newest window is too old.
    pub held: u64,
}

/// Steps through the windows that wait, and computes notices, deadlines and wishes; writes nothing.
pub(super) fn compute(
    setup: &Setup,
    policy: &Policy,
    network_kind: &dyn Fn(Host) -> crate::contacts::NetworkKind,
    store: &Store,
) -> anyhow::Result<Computed> {
    let known = store.newest()?;
    let mut newest = known.clone();
    // While the clock was wrong, windows of the future were judged. They must not make those of now late.
    newest.0.retain(|_, window| window.start() <= setup.now + u64::from(window.seconds()));
    let late_clock = if newest == known { None } else { known.window() };
    let is_frozen = is_frozen(setup, store)?;
    let mut incidents = store.incidents_to_step()?;
    let mut healed = Vec::new();
    if let Some(window) = late_clock {
        let limit = setup.now + u64::from(window.seconds());
        healed = incidents.iter_mut().filter_map(|one| one.heal(limit).then_some(one.id)).collect();
    }
    let mut machine = Machine::new(incidents, newest, store.next_id()?, policy, network_kind);
    machine.mark_changed(healed);
    let windows = store.windows()?;
    for window in &windows {
        machine.step(&store.judged(*window)?);
    }
    let mut told = store.live_notices()?;
    // A person has closed an incident, and a finding of the window that was going on then has come.
    let all = machine.incidents().chain(machine.replaced());
    for incident in all.filter(|one| one.body.state.is_closed() && machine.has_changed(one.id)) {
        told.insert(incident.id, store.notices(incident.id)?);
    }
    let (mut notices, held) = follow(setup, policy, &told, is_frozen, &mut machine);
    notices.sort_by_key(|notice| notice.incident);
    let mut outcome = machine.finish();
    for (kind, window) in &known.0 {
        outcome.newest.0.entry(*kind).or_insert(*window);
    }
    Ok(Computed { outcome, notices, windows, late_clock, held })
}

/// Brings notices, deadlines and wishes of all incidents up to date. Returns the notices, and the number of
/// incidents whose deadline or block is held as it is, because the newest window is too old.
fn follow(
    setup: &Setup,
    policy: &Policy,
    told: &BTreeMap<u64, Vec<Notice>>,
    is_frozen: bool,
    machine: &mut Machine,
) -> (Vec<Notice>, u64) {
    let newest = machine.newest().window();
    let (mut notices, mut held) = (Vec::new(), 0);
    let mut follow = |incident: &mut Incident| {
        let told = told.get(&incident.id).map_or(&[][..], Vec::as_slice);
        let facts = setup.facts(incident, told, newest, is_frozen);
        let rule = policy.of(incident, facts.network_kind, facts.now);
        let recipients = setup.owners.of(incident).recipients;
        let followed = incident::follow(incident, &recipients, told, rule, &facts);
        notices.extend(followed.notices);
        held += u64::from(followed.is_held);
        followed.rows
    };
    // Incidents that were closed and replaced in this run.
    let replaced = machine.replaced().iter().filter(|one| machine.has_changed(one.id));
    let missed: Vec<_> = replaced.flat_map(|incident| follow(&mut incident.clone())).collect();
    machine.note(missed);
    let concerned = |incident: &&Incident| match incident.body.state {
        State::Open | State::Quiet => true,
        State::Closed(_) => machine.has_changed(incident.id),
        State::Pending => false,
    };
    let subjects: Vec<Subject> =
        machine.incidents().filter(concerned).map(|incident| incident.subject).collect();
    for subject in subjects {
        machine.change(subject, &mut follow);
    }
    (notices, held)
}

fn report_notices(setup: &Setup, notices: &[Notice], filled: &Filled, io: &mut Io) {
    let of = |state| notices.iter().filter(|notice| notice.state == state).count() as u64;
    let would = of(NoticeState::WouldSend);
    if would > 0 {
        io.report.detail(format_args!("shadow mode: {} would be sent", words::of(would, "notice")));
    }
    if filled.mails > 0 {
        io.report.detail(format_args!("{} made", words::of(filled.mails, "mail")));
    }
    if filled.held_back > 0 {
        io.report.warn(format_args!(
            "{} held back, because as many mails were sent within an hour as [mail] allows",
            words::of(filled.held_back, "notice")
        ));
    }
    if filled.without_sender > 0 {
        io.report.error(format_args!(
            "{} waits, because mails have no sender: name [mail] from or [site] operator",
            words::of(filled.without_sender, "notice")
        ));
    }
    if setup.owners.is_empty() {
        io.report.warn("nobody is told: name [site] contacts or operator");
    }
}
