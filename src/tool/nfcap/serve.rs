//! The main loop of a collector: signals, events of its threads, commands, messages and metrics.
#![expect(clippy::disallowed_methods, reason = "the main loop keeps its periods by the clock")]

use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::allow;
use super::args::Args;
use super::exec::{Counts, Hooks};
use super::loss;
use super::metrics::Metrics;
use super::retention::{FinishedPass, NotFollowed, RetentionThread};
use super::signals::Signals;
use crate::capture::socket::Drops;
use crate::capture::{
    CollectorEvent, Counters, Denied, Finished, Followed, Forgotten, Live,
    spool::{self, Pass, Why},
};
use crate::cli::{Io, Status};

/// The period of writing the metrics, and of noticing that a thread failed.
const TICK: Duration = Duration::from_secs(5);

/// The time to wait for the first file before the collector is announced as ready.
const FIRST_FILE: Duration = Duration::from_secs(5);

/// The period of reporting the counts of suppressed messages.
const COUNTS: Duration = Duration::from_secs(60);

/// The time between two messages that domains or templates were forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// The time, after TERM or INT, for which the disk or the reader of a stream may take nothing.
const STALLED: Duration = Duration::from_secs(10);

/// The time after TERM or INT in which another one is ignored: timeout(1) and terminals send one to
/// the process and one to its group.
const TWICE: Duration = Duration::from_secs(1);

/// The time to wait for commands of `--exec` at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most senders, or exporters, that a message names.
const NAMED: usize = 5;

/// A bound port.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// The local address.
    pub at: SocketAddr,
    /// The receive buffer that the kernel granted, in bytes.
    pub buffer: usize,
}

/// The number of waiting datagrams, and the time for which it has not changed.
#[derive(Default)]
struct Backlog(Option<(u64, Instant)>);

impl Backlog {
    fn unchanged_for(&mut self, waiting: u64) -> Duration {
        match self.0 {
            Some((before, since)) if before == waiting => since.elapsed(),
            _ => {
                self.0 = Some((waiting, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

/// A running collector, as the main thread sees it.
pub struct CollectorRun {
    pub args: Args,
    pub live: Live,
    pub events: mpsc::Receiver<CollectorEvent>,
    pub signals: Signals,
    pub hooks: Hooks,
    pub drops: Drops,
    pub metrics: Metrics,
    pub retention: Option<RetentionThread>,
    /// The lock of the spool, held until the end.
    pub lock: Option<spool::Lock>,
    pub progress: Progress,
}

/// The state of the main loop that changes with events.
#[derive(Default)]
pub struct Progress {
    /// The exporters' domains at the end of the last slot.
    followed: Vec<Followed>,
    /// The counts of forgotten data that were reported last.
    forgotten: Forgotten,
    /// The time of that report.
    forgotten_reported: Option<Instant>,
    /// True once the writer has finished.
    is_over: bool,
}

impl CollectorRun {
    /// Announces the ports, once there is a file for datagrams or it is known that there is none.
    ///
    /// # Errors
    /// Fails if a thread of the collector failed.
    pub fn announce(&mut self, listening: &[Listening], io: &mut Io) -> anyhow::Result<()> {
        match self.events.recv_timeout(FIRST_FILE) {
            Ok(CollectorEvent::Begun) | Err(_) => {}
            Ok(event) => _ = self.handle(event, io)?,
        }
        let wanted = self.args.network.buffer;
        for &Listening { at, buffer } in listening {
            io.report.warn(format_args!("listening on {at}"));
            if buffer < wanted {
                io.report.warn(format_args!(
                    "{at}: the receive buffer is {} KiB instead of {} KiB; run as root or raise \
                     net.core.rmem_max",
                    buffer / 1024,
                    wanted / 1024
                ));
            }
        }
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            io.report.error(format_args!("NOTIFY_SOCKET: {error}"));
        }
        Ok(())
    }

    /// Runs until TERM or INT came, all datagrams are written and the commands are done.
    ///
    /// # Errors
    /// Fails if a thread failed, the reader of the stream went away, or the end stalled.
    pub fn run(mut self, io: &mut Io) -> anyhow::Result<Status> {
        let status = self.serve(io);
        self.hooks.abandon(&mut io.report);
        self.report_retention(io);
        self.report_forgotten(io, true);
        self.publish(io);
        status
    }

    fn serve(&mut self, io: &mut Io) -> anyhow::Result<Status> {
        let to_stream = self.args.is_stream();
        let mut status = Status::Done;
        let (mut stopped, mut over) = (None, None);
        let mut backlog = Backlog::default();
        let (mut ticked, mut counted) = (Instant::now(), Instant::now());
        loop {
            self.signals.drain();
            while let Ok(event) = self.events.try_recv() {
                status = self.handle(event, io)?.unwrap_or(status);
            }
            if self.signals.is_stopped() && stopped.is_none() {
                stopped = Some(Instant::now());
                self.live.stop();
                _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            }
            if let Some(since) = stopped {
                if since.elapsed() >= TWICE {
                    self.signals.arm();
                }
                // With nothing left to write, the disk has all the time that it needs.
                let waiting = self.live.counters().waiting();
                anyhow::ensure!(
                    self.progress.is_over
                        || waiting == 0
                        || backlog.unchanged_for(waiting) < STALLED,
                    "nothing could be written for {} s; up to {waiting} datagrams are lost, and no \
                     file records it",
                    STALLED.as_secs()
                );
            }
            if self.signals.take_reload() && stopped.is_none() {
                self.reload(io);
            }
            if self.signals.take_status() {
                self.print_status(io);
            }
            self.hooks.poll(Instant::now(), &mut io.report);
            self.report_retention(io);
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.publish(io);
                self.relock(io);
                self.report_forgotten(io, false);
            }
            if counted.elapsed() >= COUNTS {
                counted = Instant::now();
                io.report.finish();
            }
            if self.progress.is_over {
                let since = *over.get_or_insert_with(Instant::now);
                if self.hooks.is_idle() || since.elapsed() >= PATIENCE {
                    return Ok(status);
                }
            }
            self.wait(to_stream, stopped.is_some())?;
        }
    }

    /// Locks the spool again if somebody removed it, or the file that is locked.
    fn relock(&mut self, io: &mut Io) {
        if let Some(Err(error)) = self.lock.as_mut().map(spool::Lock::renew) {
            io.report.fail("failures to lock the spool", error);
        }
    }

    /// Sleeps until a signal or an event comes or a command is due, but no longer than a tick.
    ///
    /// # Errors
    /// Fails if the reader of the stream went away.
    fn wait(&self, to_stream: bool, is_stopped: bool) -> anyhow::Result<()> {
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let stdout = io::stdout();
        if to_stream {
            fds.push(PollFd::new(stdout.as_fd(), PollFlags::empty()));
        }
        let tick = if is_stopped { TWICE } else { TICK };
        let sleep = self.hooks.next_due(Instant::now()).map_or(tick, |due| due.min(tick));
        let millis = u16::try_from(sleep.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
        let is_gone = fds.last().and_then(PollFd::revents).is_some_and(|on| on.intersects(gone));
        anyhow::ensure!(!(to_stream && is_gone), "stdout: its reader went away");
        Ok(())
    }

    /// Handles an event of the collector's threads. Returns a status if the event changes it.
    fn handle(&mut self, event: CollectorEvent, io: &mut Io) -> anyhow::Result<Option<Status>> {
        match event {
            CollectorEvent::Finished(finished) => self.finish_slot(*finished, io),
            CollectorEvent::Begun => {}
            CollectorEvent::Stuck(error) => {
                self.metrics.failures += 1;
                self.metrics.stuck = true;
                // The disk may be full, and retention may make room.
                self.start_retention();
                let failure = format!("{error}; new datagrams wait in the queue");
                io.report.fail("failures to write", failure);
            }
            CollectorEvent::Resumed(after) => {
                self.metrics.stuck = false;
                let seconds = after.as_secs_f64();
                let end = format!("writing resumed after {seconds:.1} s");
                io.report.fail("failures to write that ended", end);
            }
            CollectorEvent::Restored => {
                io.report.error("the open file was removed or moved; it was made again");
                self.relock(io);
            }
            CollectorEvent::Lost { lost, at_most } => {
                let up_to = if at_most { "up to " } else { "" };
                io.report.error(format_args!(
                    "{up_to}{lost} datagrams are lost, and no file records it"
                ));
                return Ok(Some(Status::Failed));
            }
            CollectorEvent::CacheFailed(error) => {
                let failure = format!("{error}; after a restart some templates will be unknown");
                io.report.fail("failures to save templates", failure);
            }
            CollectorEvent::Receiving(error) => io.report.complain("errors in receiving", error),
            CollectorEvent::Failed(why) => anyhow::bail!(why),
            CollectorEvent::Over => self.progress.is_over = true,
        }
        Ok(None)
    }

    /// Reports on a slot, or a part of one, that is over, and runs its command.
    fn finish_slot(&mut self, finished: Finished, io: &mut Io) {
        let Finished { slot, file, closing, denied, limited, error } = finished;
        let start = slot.start_text();
        if let Some(error) = error {
            io.report.error(format_args!("slot {start}: {error}"));
        }
        if closing.dropped_kernel > 0 {
            let complaint = format!(
                "slot {start}: the kernel dropped {} of {} datagrams because its buffer of {} KiB \
                 was full (see --buffer)",
                closing.dropped_kernel,
                closing.dropped_kernel + closing.received,
                self.metrics.receive_buffer / 1024
            );
            io.report.complain("slots of which the kernel dropped datagrams", complaint);
        }
        if closing.dropped_queue > 0 {
            let lost = closing.dropped_queue;
            let complaint = format!(
                "slot {start}: {lost} datagrams were not written because the queue was full (see \
                 --queue), memory was short, or their slot had no file"
            );
            io.report.complain("slots of which the queue dropped datagrams", complaint);
        }
        let name_top = |all: &Denied| {
            let top = all.top(NAMED);
            let top: Vec<_> =
                top.iter().map(|(sender, count)| format!("{sender} ({count})")).collect();
            top.join(", ")
        };
        if limited.datagrams > 0 {
            let complaint = format!(
                "slot {start}: {} datagrams beyond the rate of their exporter: {}",
                limited.datagrams,
                name_top(&limited)
            );
            io.report.complain("slots with exporters beyond their rate", complaint);
        }
        if denied.datagrams > 0 {
            let complaint = format!(
                "slot {start}: {} datagrams from senders that --allow does not name: {}",
                denied.datagrams,
                name_top(&denied)
            );
            io.report.complain("slots with senders that are not allowed", complaint);
        }
        let before = std::mem::replace(&mut self.progress.followed, self.live.followed());
        if let Some(missing) = loss::missing_in_slot(&closing) {
            let domains = loss::worst_domains(&before, &self.progress.followed, NAMED);
            let complaint =
                format!("slot {start}: missing by sequence numbers: {missing}{domains}");
            io.report.complain("slots with datagrams missing by sequence numbers", complaint);
        }
        let name = file.as_ref().map_or("-".into(), |file| file.display().to_string());
        let counts = closing.to_string();
        let counts = counts.trim_start_matches("nfcap ");
        io.report.detail(format_args!("slot {start}: {counts}, {name}"));
        self.metrics.last_slot = Some(slot.end());
        if let Some(file) = file {
            self.metrics.files += 1;
            self.hooks.push(file, slot, Instant::now(), &mut io.report);
        }
        self.start_retention();
        self.publish(io);
    }

    /// Reports the exporters' data that was forgotten since the last report: at once, then every ten
    /// minutes, and at the end.
    fn report_forgotten(&mut self, io: &mut Io, at_the_end: bool) {
        let now = self.live.forgotten();
        let before = &self.progress.forgotten;
        let is_due = at_the_end
            || self.progress.forgotten_reported.is_none_or(|told| told.elapsed() >= FORGOTTEN);
        if now == *before || !is_due {
            return;
        }
        let mut counts = Vec::new();
        for (count, before, what) in [
            (now.domains, before.domains, "domains with their templates"),
            (now.templates, before.templates, "templates"),
            (now.refused, before.refused, "for lack of memory"),
        ] {
            if count > before {
                counts.push(format!("{} {what}", count - before));
            }
        }
        let increase = |ip: &IpAddr, count: u64| count - before.by.get(ip).copied().unwrap_or(0);
        let mut by: Vec<_> = now.by.iter().map(|(ip, &count)| (increase(ip, count), *ip)).collect();
        by.retain(|&(count, _)| count > 0);
        by.sort_unstable_by_key(|&(count, ip)| (Reverse(count), ip));
        by.truncate(NAMED);
        let by: Vec<_> = by.into_iter().map(|(count, ip)| format!("{ip} ({count})")).collect();
        let by = if by.is_empty() { String::new() } else { format!(", of {}", by.join(", ")) };
        io.report.warn(format_args!(
            "forgotten of exporters that have too many: {}{by}",
            counts.join(", ")
        ));
        self.progress.forgotten = now;
        self.progress.forgotten_reported = Some(Instant::now());
    }

    /// Starts a pass of retention, unless one is running or waiting.
    fn start_retention(&self) {
        if let Some(retention) = &self.retention {
            retention.start_pass();
        }
    }

    /// Reports the files that were removed, and the reasons why others were not.
    fn report_retention(&mut self, io: &mut Io) {
        let Some(retention) = &self.retention else { return };
        while let Some(finished) = retention.take_finished() {
            let FinishedPass { pass, tells_too_many, tells_clock_set, failed } = finished;
            let Pass { done, clock_set, too_many } = pass;
            self.metrics.removed += done.removed.len() as u64;
            self.metrics.too_many = too_many.map_or(0, |too_many| too_many.files);
            self.metrics.clock_set = clock_set.is_some();
            if let Some(too_many) = too_many.filter(|_| tells_too_many) {
                io.report.error(format_args!(
                    "no file is removed: {too_many}. Check the clock, --keep, --max-size and \
                     --min-free; to remove them, start nfcap again with --yes"
                ));
            }
            if let Some(clock_set) = clock_set.filter(|_| tells_clock_set) {
                io.report.error(clock_set);
            }
            if let Some((first, last)) = done.beyond_a_day() {
                let bytes: u64 = done.removed.iter().map(|removed| removed.bytes).sum();
                let by = [Why::Age, Why::Size, Why::Free].map(|why| (done.by(why), why));
                let by = by.iter().filter(|(count, _)| *count > 0);
                let by: Vec<_> = by.map(|(count, why)| format!("{count}: {why}")).collect();
                let complaint = format!(
                    "{} files of slots from {} to {} removed, {bytes} bytes ({})",
                    done.removed.len(),
                    first.rfc3339(),
                    last.rfc3339(),
                    by.join(", ")
                );
                io.report.complain("passes that removed more than the files of a day", complaint);
            }
            for removed in done.removed {
                let (path, why) = (removed.path.display(), removed.why);
                io.report.detail(format_args!("{path}: removed, {why}"));
            }
            for link in &done.links {
                io.report.complain("links in the spool", NotFollowed(link));
            }
            for error in done.errors {
                io.report.complain("files that could not be removed", error);
            }
            if let Some(error) = failed {
                let failure = format!("CLOCK_BOOTTIME: {error}; no file is removed");
                io.report.fail("failures to read the clock", failure);
            }
        }
    }

    /// Reads the list of exporters again and begins another file. A stream goes on in its section: a
    /// second part of a slot would be a second window to its reader.
    fn reload(&mut self, io: &mut Io) {
        let network = &self.args.network;
        if network.allow.is_some() {
            match allow::load(network.allow.as_ref(), network.rate, io) {
                Ok(allow) => self.live.allow(allow),
                Err(error) => {
                    io.report.error(format_args!("{error:#}; the previous list stays in force"));
                }
            }
        }
        if !self.args.is_stream() {
            self.live.new_part();
        }
    }

    /// Brings the metrics up to date.
    fn update_metrics(&mut self) {
        let Counters { received, bytes, dropped_queue, limited, denied, .. } = self.live.counters();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.metrics.received = load(received);
        self.metrics.octets = load(bytes);
        self.metrics.dropped_queue = load(dropped_queue);
        self.metrics.limited = load(limited);
        self.metrics.denied = load(denied);
        self.metrics.queue = self.live.queue();
        self.metrics.followed = self.live.followed();
        self.metrics.forgotten = self.live.forgotten();
        let Counts { runs, failures, timeouts, left_out, waiting, running } = self.hooks.counts();
        self.metrics.commands = [
            ("runs", runs),
            ("failures", failures),
            ("timeouts", timeouts),
            // Each failure is final. The row stays for alerts that read it.
            ("given_up", failures),
            ("left_out", left_out),
            ("waiting", waiting as u64),
            ("running", running as u64),
        ];
        // An error is reported by the receiver, which needs the drops for each file.
        self.metrics.dropped_kernel += self.drops.more().unwrap_or(0);
    }

    /// Writes `--metrics-file`.
    fn publish(&mut self, io: &mut Io) {
        let Some(path) = self.args.metrics_file.clone() else { return };
        self.update_metrics();
        if let Err(error) = self.metrics.write(&path) {
            let complaint = format!("{}: {error}", path.display());
            io.report.complain("failures to write --metrics-file", complaint);
        }
    }

    /// Answers USR1: prints the counts, and the exporters of which most is missing.
    fn print_status(&mut self, io: &mut Io) {
        self.update_metrics();
        io.report.error(self.metrics.summary());
        for line in self.metrics.worst(NAMED) {
            io.report.error(line);
        }
    }
}
