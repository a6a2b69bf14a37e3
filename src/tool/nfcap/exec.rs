//! Runs the command of `--exec` or `--exec-shell` once for each finished file.
//!
//! Commands run beside the collector and never hold it up. A command that fails is reported and
//! counted, and is not tried again: the file stays in the spool, from which `nf-every10`, or the
//! user, catches up.
//!
//! No function here waits or reads a clock. The caller passes the time and calls [`Hooks::poll`]
//! after a `SIGCHLD` and when [`Hooks::next_due`] has passed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::hook::Hook;
use crate::cli::Report;
use crate::time::Window;

#[cfg(test)]
mod tests;

/// The most files that may wait for their command. A command that hangs would otherwise let the
/// queue grow without end. Files beyond this limit get no command; they are reported and counted.
const MAX_WAITING: usize = 256;

/// The most commands that may run at a time.
pub const MAX_JOBS: usize = 64;

/// The time between `SIGTERM` and `SIGKILL` for a command that exceeds its limit.
const GRACE: Duration = Duration::from_secs(5);

/// The kind of message about a command that failed, as [`Report::fail`] counts it.
const FAILED: &str = "failures of the command";

/// The kind of message about a file whose command did not run.
const NOT_RUN: &str = "files without their command";

/// A command and the limits under which it runs.
#[derive(Clone, Debug)]
pub struct HookPlan {
    /// The command.
    pub hook: Hook,
    /// The number of commands that may run at a time, 1 to [`MAX_JOBS`].
    pub jobs: usize,
    /// The time that one command may take; `None` for no limit.
    pub limit: Option<Duration>,
    /// The time between `SIGTERM` and `SIGKILL`.
    pub grace: Duration,
}

impl HookPlan {
    /// Returns a plan with the usual grace period.
    pub fn new(hook: Hook, jobs: usize, limit: Option<Duration>) -> HookPlan {
        HookPlan { hook, jobs, limit, grace: GRACE }
    }
}

/// The numbers of commands and files, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands that were started, or could not be.
    pub runs: u64,
    /// Commands of these that failed, for any reason.
    pub failures: u64,
    /// Commands of these that exceeded their time limit.
    pub timeouts: u64,
    /// Files that got no command, because too many waited or because nfcap ended.
    pub left_out: u64,
    /// Files that wait for their command now.
    pub waiting: usize,
    /// Commands that run now.
    pub running: usize,
}

/// The queue of files and the commands that run for them, oldest file first.
#[derive(Debug)]
pub struct Hooks {
    plan: Option<HookPlan>,
    spool: PathBuf,
    waiting: VecDeque<FinishedFile>,
    running: Vec<Running>,
    counts: Counts,
}

#[derive(Debug)]
struct FinishedFile {
    path: PathBuf,
    slot: Window,
}

/// A command that was started and has not been reaped.
#[derive(Debug)]
struct Running {
    child: Child,
    file: PathBuf,
    began: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    InTime,
    /// The process group got `SIGTERM` and gets `SIGKILL` at `kill_at`.
    Terminating {
        kill_at: Instant,
    },
    Killed,
}

impl Hooks {
    /// Returns a runner of `plan` for the files of `spool`. Without a plan it does nothing.
    pub fn new(plan: Option<HookPlan>, spool: PathBuf) -> Hooks {
        let (waiting, running) = (VecDeque::new(), Vec::new());
        Hooks { plan, spool, waiting, running, counts: Counts::default() }
    }

    /// Queues a finished file, and starts its command if there is room.
    pub fn push(&mut self, file: PathBuf, slot: Window, now: Instant, report: &mut Report) {
        // Commands that ended since the last call make room.
        self.poll(now, report);
        let Some(plan) = &self.plan else { return };
        if self.waiting.len() >= MAX_WAITING {
            self.counts.left_out += 1;
            let (hook, file) = (&plan.hook, file.display());
            let message = format!("{hook}: not run for {file}: {MAX_WAITING} files wait already");
            report.fail(NOT_RUN, message);
            return;
        }
        self.waiting.push_back(FinishedFile { path: file, slot });
        self.poll(now, report);
    }

    /// Reaps commands that ended, ends those that exceed their limit, and starts the next ones.
    pub fn poll(&mut self, now: Instant, report: &mut Report) {
        let Some(plan) = &self.plan else { return };
        for mut running in std::mem::take(&mut self.running) {
            let Some(outcome) = running.check(plan, now) else {
                self.running.push(running);
                continue;
            };
            let (hook, file) = (&plan.hook, running.file.display());
            match outcome {
                Ok(()) => {
                    let seconds = now.saturating_duration_since(running.began).as_secs_f64();
                    report.detail(format_args!("{hook}: done with {file} in {seconds:.1} s"));
                }
                Err(why) => {
                    self.counts.failures += 1;
                    self.counts.timeouts += u64::from(running.phase == Phase::Killed);
                    report.fail(FAILED, format_args!("{hook}: failed for {file}: {why}"));
                }
            }
        }
        while self.running.len() < plan.jobs {
            let Some(FinishedFile { path, slot }) = self.waiting.pop_front() else { return };
            self.counts.runs += 1;
            match plan.hook.command(&path, &self.spool, slot).spawn() {
                Ok(child) => {
                    let (began, phase) = (now, Phase::InTime);
                    self.running.push(Running { child, file: path, began, phase });
                }
                Err(error) => {
                    self.counts.failures += 1;
                    let (hook, file) = (&plan.hook, path.display());
                    report.fail(FAILED, format_args!("{hook}: cannot be run for {file}: {error}"));
                }
            }
        }
    }

    /// Returns the time until a command reaches its limit or the end of its grace period. Until
    /// then [`poll`](Self::poll) has nothing to do unless a command ends.
    pub fn next_due(&self, now: Instant) -> Option<Duration> {
        let limit = self.plan.as_ref()?.limit;
        let due = self.running.iter().filter_map(|running| match running.phase {
            Phase::InTime => {
                let ran = now.saturating_duration_since(running.began);
                limit.map(|limit| limit.saturating_sub(ran))
            }
            Phase::Terminating { kill_at } => Some(kill_at.saturating_duration_since(now)),
            Phase::Killed => None,
        });
        due.min()
    }

    /// Returns true if no command runs and no file waits for one.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Returns the counts since the start.
    pub fn counts(&self) -> Counts {
        let (waiting, running) = (self.waiting.len(), self.running.len());
        Counts { waiting, running, ..self.counts }
    }

    /// Reports the commands that still run and the files that still wait, because nfcap ends. The
    /// commands go on running.
    pub fn abandon(&mut self, report: &mut Report) {
        let Some(plan) = &self.plan else { return };
        let hook = &plan.hook;
        for running in self.running.drain(..) {
            let (pid, file) = (running.child.id(), running.file.display());
            report.fail(NOT_RUN, format_args!("{hook}: still runs for {file}, as process {pid}"));
        }
        for FinishedFile { path, .. } in self.waiting.drain(..) {
            self.counts.left_out += 1;
            let file = path.display();
            report.fail(NOT_RUN, format_args!("{hook}: not run for {file}: nfcap ended before"));
        }
    }
}

impl Running {
    /// Returns how the command ended, `None` if it has not. Ends a command that exceeds its limit.
    fn check(&mut self, plan: &HookPlan, now: Instant) -> Option<Result<(), String>> {
        if let Phase::Terminating { kill_at } = self.phase {
            // The command is not reaped before this moment: its group may outlive it and must be
            // killed, and until it is reaped no other group can have the same number.
            if now < kill_at {
                return None;
            }
            self.signal(Signal::SIGKILL);
            self.phase = Phase::Killed;
        }
        let status = match self.child.try_wait() {
            Ok(status) => status,
            Err(error) => return Some(Err(error.to_string())),
        };
        if let Some(status) = status {
            return Some(if self.phase == Phase::Killed {
                let limit = humantime::format_duration(plan.limit.unwrap_or_default());
                Err(format!("did not end within {limit}"))
            } else if status.success() {
                Ok(())
            } else {
                Err(status.to_string())
            });
        }
        let ran = now.saturating_duration_since(self.began);
        if self.phase == Phase::InTime && plan.limit.is_some_and(|limit| ran >= limit) {
            self.signal(Signal::SIGTERM);
            self.phase = Phase::Terminating { kill_at: now + plan.grace };
        }
        None
    }

    /// Sends a signal to the command's process group.
    fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // An error means that the group ended at this moment.
            _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}
