//! The command of `--exec`: what waits for it, what runs, and what is tried again or given up.
//!
//! Nothing here waits. The caller looks in with [`Hooks::poke`], which a `SIGCHLD` or the time of
//! [`Hooks::next`] should wake it for.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cli::Report;
use crate::time::Window;

mod failed;
mod hook;

#[cfg(test)]
mod tests;

pub use hook::{Hook, Words};

/// Files that may wait for the command. One that hangs would otherwise gather them without end; what
/// is left out is said, listed as failed, and lies in the spool. Those that are to be tried again
/// count, and never are too many: there is one more at most for each command that runs.
const QUEUE: usize = 256;

/// Commands that may run beside each other.
pub const MAX_JOBS: usize = 64;

/// How long a command may run unless it is told otherwise.
const LIMIT: Duration = Duration::from_secs(600);

/// How long a command that ran too long may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// How often a file is tried, in all.
const TRIES: u32 = 3;

/// How long a file waits after its first failure, and after every later one: what was full or away
/// may be back by then.
const PAUSES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// Messages of one kind within [`PERIOD`]; the rest is counted. A command that always fails would
/// otherwise fill the log with every file.
const REPEATS: u64 = 5;

/// After this time messages are printed again.
const PERIOD: Duration = Duration::from_secs(600);

/// How the command is run.
#[derive(Clone, Debug)]
pub struct HookPlan {
    /// What is run.
    pub hook: Hook,
    /// How many run beside each other, 1 to [`MAX_JOBS`].
    pub jobs: usize,
    /// How long one may run.
    pub limit: Option<Duration>,
    /// How long it may take to end after that, until it is killed.
    pub grace: Duration,
    /// How often a file is tried in all, at least once.
    pub tries: u32,
    /// The pause after each failure of a file; the last one holds for all that follow.
    pub pauses: Vec<Duration>,
}

impl HookPlan {
    /// Runs `hook` with what is the default of all options.
    pub fn new(hook: Hook) -> HookPlan {
        let (limit, pauses) = (Some(LIMIT), PAUSES.to_vec());
        HookPlan { hook, jobs: 1, limit, grace: GRACE, tries: TRIES, pauses }
    }

    fn jobs(&self) -> usize {
        self.jobs.clamp(1, MAX_JOBS)
    }

    /// The pause after the `n`-th failure, from 1.
    fn pause(&self, n: u32) -> Duration {
        let nth = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        self.pauses.get(nth).or(self.pauses.last()).copied().unwrap_or_default()
    }
}

/// What became of the files so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands that were started, or could not be.
    pub runs: u64,
    /// Those that failed, for whatever reason.
    pub failures: u64,
    /// Those of them that ran too long.
    pub timeouts: u64,
    /// Files that failed for the last time.
    pub given_up: u64,
    /// Files that were never tried because too many waited.
    pub left_out: u64,
    /// Files that wait now, for their first or another try.
    pub waiting: usize,
    /// Commands that run now.
    pub running: usize,
}

/// Runs the command beside the collecting, in the order in which the files were finished.
#[derive(Debug)]
pub struct Hooks {
    plan: Option<HookPlan>,
    queue: Queue,
}

#[derive(Debug)]
struct Queue {
    spool: PathBuf,
    /// By the order in which they came, which is also that in which they run.
    waiting: BTreeMap<u64, Item>,
    running: Vec<Running>,
    came: u64,
    counts: Counts,
    failed: Limited,
    left_out: Limited,
    unlisted: Limited,
    /// It was said that the list of failed files is full.
    full: bool,
}

/// A file and how it went so far.
#[derive(Debug)]
struct Item {
    path: PathBuf,
    slot: Window,
    failures: u32,
    /// Why it failed the last time.
    status: String,
    /// Not before this moment.
    due: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    nth: u64,
    item: Item,
    began: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    InTime,
    /// Told to end, and killed at this moment.
    Told(Instant),
    Killed,
}

impl Hooks {
    /// Runs `plan` for files of `spool`; nothing if there is none.
    pub fn new(plan: Option<HookPlan>, spool: PathBuf) -> Hooks {
        let queue = Queue {
            spool,
            waiting: BTreeMap::new(),
            running: Vec::new(),
            came: 0,
            counts: Counts::default(),
            failed: Limited::new("failures of the command"),
            left_out: Limited::new("files without their command"),
            unlisted: Limited::new("files that are not in the list of failed ones"),
            full: false,
        };
        Hooks { plan, queue }
    }

    /// Where the files are listed that failed.
    pub fn list(&self) -> PathBuf {
        self.queue.spool.join(failed::NAME)
    }

    /// How many files are in that list: before anything ran, those of earlier runs of nfcap.
    ///
    /// # Errors
    /// What the system says; a list that is not there is empty.
    pub fn left_over(&self) -> io::Result<usize> {
        failed::left_over(&self.queue.spool)
    }

    /// A file is finished.
    pub fn push(&mut self, file: PathBuf, slot: Window, report: &mut Report) {
        let Some(plan) = &self.plan else { return };
        let now = Instant::now();
        // There may be room by now.
        self.queue.poke(plan, now, report);
        let item = Item { path: file, slot, failures: 0, status: String::new(), due: None };
        self.queue.push(plan, item, now, report);
        self.queue.poke(plan, now, report);
    }

    /// Looks after the commands that run, ends those that do too long, and starts the next ones.
    /// Never waits.
    pub fn poke(&mut self, report: &mut Report) {
        if let Some(plan) = &self.plan {
            self.queue.poke(plan, Instant::now(), report);
        }
    }

    /// How long it is until [`poke`](Self::poke) has something to do although no command ended.
    pub fn next(&self) -> Option<Duration> {
        let plan = self.plan.as_ref()?;
        let now = Instant::now();
        let ends = self.queue.running.iter().filter_map(|running| match running.phase {
            Phase::InTime => {
                let ran = now.saturating_duration_since(running.began);
                plan.limit.map(|limit| limit.saturating_sub(ran))
            }
            Phase::Told(until) => Some(until.saturating_duration_since(now)),
            Phase::Killed => None,
        });
        let until = |item: &Item| item.due.map_or(now, |due| due.max(now)).duration_since(now);
        // Without room for another one, it takes a command that ends.
        let has_room = self.queue.running.len() < plan.jobs();
        let tries = self.queue.waiting.values().filter(|_| has_room).map(until);
        ends.chain(tries).min()
    }

    /// Whether nothing runs and nothing waits, not even for another try.
    pub fn idle(&self) -> bool {
        self.queue.running.is_empty() && self.queue.waiting.is_empty()
    }

    /// For metrics.
    pub fn counts(&self) -> Counts {
        let (waiting, running) = (self.queue.waiting.len(), self.queue.running.len());
        Counts { waiting, running, ..self.queue.counts }
    }

    /// Says what is left behind at the end and puts it on the list of failed files. What runs goes
    /// on running.
    pub fn abandon(&mut self, report: &mut Report) {
        if let Some(plan) = &self.plan {
            self.queue.abandon(&plan.hook, report);
        }
    }
}

impl Queue {
    fn push(&mut self, plan: &HookPlan, item: Item, now: Instant, report: &mut Report) {
        if self.waiting.len() < QUEUE {
            self.waiting.insert(self.came, item);
            self.came += 1;
            return;
        }
        self.counts.left_out += 1;
        let status = format!("left out: {QUEUE} files wait already");
        let (hook, path) = (&plan.hook, item.path.display());
        let message = format!("{hook}: not run for {path}: {QUEUE} files wait already");
        self.left_out.say(message, now, report);
        self.list(&item, &status, now, report);
    }

    fn poke(&mut self, plan: &HookPlan, now: Instant, report: &mut Report) {
        for limited in [&mut self.failed, &mut self.left_out, &mut self.unlisted] {
            limited.pass(now, report);
        }
        for mut running in std::mem::take(&mut self.running) {
            match running.look(plan, now) {
                None => self.running.push(running),
                Some(Ok(())) => {
                    let (hook, path) = (&plan.hook, running.item.path.display());
                    let took = now.saturating_duration_since(running.began).as_secs_f64();
                    report.detail(format_args!("{hook}: done with {path} in {took:.1} s"));
                }
                Some(Err(status)) => {
                    self.counts.timeouts += u64::from(running.phase == Phase::Killed);
                    self.fail(plan, running.nth, running.item, status, now, report);
                }
            }
        }
        while self.running.len() < plan.jobs() {
            let is_due = |item: &Item| item.due.is_none_or(|due| due <= now);
            let due = self.waiting.iter().find(|(_, item)| is_due(item)).map(|(&nth, _)| nth);
            let Some((nth, item)) = due.and_then(|nth| self.waiting.remove_entry(&nth)) else {
                return;
            };
            self.counts.runs += 1;
            match plan.hook.command(&item.path, &self.spool, item.slot).spawn() {
                Ok(child) => {
                    let (began, phase) = (now, Phase::InTime);
                    self.running.push(Running { child, nth, item, began, phase });
                }
                Err(error) => {
                    let status = format!("cannot be run: {error}");
                    self.fail(plan, nth, item, status, now, report);
                }
            }
        }
    }

    /// A try failed: the file waits for another one, or is given up.
    fn fail(
        &mut self,
        plan: &HookPlan,
        nth: u64,
        mut item: Item,
        status: String,
        now: Instant,
        report: &mut Report,
    ) {
        self.counts.failures += 1;
        item.failures += 1;
        let (hook, path, n) = (&plan.hook, item.path.display(), item.failures);
        if n < plan.tries {
            let pause = plan.pause(n);
            let after = humantime::format_duration(pause);
            let message = format!("{hook}: {status} with {path}, tried again in {after}");
            self.failed.say(message, now, report);
            item.due = Some(now + pause);
            item.status = status;
            // It is as old as it was: when its time comes it goes before those behind it.
            self.waiting.insert(nth, item);
            return;
        }
        self.counts.given_up += 1;
        let end = match n {
            1 => String::new(),
            n => format!(", given up after {n} tries"),
        };
        self.failed.say(format_args!("{hook}: {status} with {path}{end}"), now, report);
        self.list(&item, &status, now, report);
    }

    /// Puts a file on the list of failed ones.
    fn list(&mut self, item: &Item, status: &str, now: Instant, report: &mut Report) {
        let list = self.spool.join(failed::NAME);
        let list = list.display();
        match failed::add(&self.spool, item.slot, &item.path, status) {
            Ok(true) => self.full = false,
            Ok(false) if self.full => {}
            Ok(false) => {
                self.full = true;
                report.error(format_args!(
                    "{list}: has 1 MiB: files that fail are not added any more"
                ));
            }
            Err(error) => {
                let path = item.path.display();
                self.unlisted.say(format_args!("{list}: {path}: {error}"), now, report);
            }
        }
    }

    fn abandon(&mut self, hook: &Hook, report: &mut Report) {
        let now = Instant::now();
        for running in std::mem::take(&mut self.running) {
            let (pid, path) = (running.child.id(), running.item.path.display());
            let message = format!("{hook}: still runs for {path}, as process {pid}");
            self.left_out.say(message, now, report);
            let status = format!("still ran at the end, as process {pid}");
            self.list(&running.item, &status, now, report);
        }
        for item in std::mem::take(&mut self.waiting).into_values() {
            let path = item.path.display();
            let status = match item.failures {
                0 => "not run before the end".to_owned(),
                n => format!("{}, after {n} of its tries", item.status),
            };
            self.left_out.say(format_args!("{hook}: {path}: {status}"), now, report);
            self.list(&item, &status, now, report);
        }
        for limited in [&mut self.failed, &mut self.left_out, &mut self.unlisted] {
            limited.tell(report);
        }
    }
}

impl Running {
    /// How it ended, if it did. One that runs too long is told to end, and then killed.
    fn look(&mut self, plan: &HookPlan, now: Instant) -> Option<Result<(), String>> {
        if let Phase::Told(until) = self.phase {
            // Not even looked at before: whatever of its group is left by then must be killed, and
            // while the command itself was not waited for nobody else can have the group's number.
            if now < until {
                return None;
            }
            self.signal(Signal::SIGKILL);
            self.phase = Phase::Killed;
        }
        match (self.child.try_wait(), self.phase, plan.limit) {
            (Err(error), ..) => Some(Err(error.to_string())),
            (Ok(Some(_)), Phase::Killed, limit) => {
                let limit = humantime::format_duration(limit.unwrap_or_default());
                Some(Err(format!("ended after {limit}")))
            }
            (Ok(Some(status)), ..) if status.success() => Some(Ok(())),
            (Ok(Some(status)), ..) => Some(Err(status.to_string())),
            (Ok(None), Phase::InTime, Some(limit))
                if now.saturating_duration_since(self.began) >= limit =>
            {
                self.signal(Signal::SIGTERM);
                self.phase = Phase::Told(now + plan.grace);
                None
            }
            (Ok(None), ..) => None,
        }
    }

    /// To the command and whatever it has started.
    fn signal(&mut self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended this moment, which is no failure.
            _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

/// Messages that not even `--quiet` hides, but only some of them.
#[derive(Debug)]
struct Limited {
    /// What the count is of.
    kind: &'static str,
    count: u64,
    since: Option<Instant>,
}

impl Limited {
    const fn new(kind: &'static str) -> Limited {
        Limited { kind, count: 0, since: None }
    }

    fn say(&mut self, message: impl fmt::Display, now: Instant, report: &mut Report) {
        self.pass(now, report);
        self.since.get_or_insert(now);
        self.count += 1;
        if self.count <= REPEATS {
            report.error(message);
        }
    }

    /// Time passes: the first of them are printed again.
    fn pass(&mut self, now: Instant, report: &mut Report) {
        if self.since.is_some_and(|since| now.saturating_duration_since(since) >= PERIOD) {
            self.tell(report);
        }
    }

    /// Tells the count of what was not printed.
    fn tell(&mut self, report: &mut Report) {
        let (kind, count) = (self.kind, std::mem::take(&mut self.count));
        self.since = None;
        if count > REPEATS {
            report.error(format_args!("{} more {kind}, {count} in all", count - REPEATS));
        }
    }
}
