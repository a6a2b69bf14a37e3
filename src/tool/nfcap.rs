//! nfcap: export datagrams from UDP into capture files, one a slot of time.
//!
//! Two threads of [`Live`] receive and write. This one has the signals, the commands, the messages
//! and the metrics, and may take its time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use ipnet::IpNet;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::socket::{Drops, Socket};
use crate::capture::{
    Allow, Closing, Collector, CollectorEvent, CollectorPlan, Counters, Denied, Finished, Followed,
    Forgotten, Live, MAX_ALLOW, Output, clock,
    spool::{self, Guard, Pass, Recovered, Retained, Why},
};
use crate::cli::{Input, Io, Status, Usage};
use crate::wire::Domain;

mod allow;
mod args;
mod exec;
mod keep;
mod metrics;
mod signals;
mod user;

pub use args::Args;

use args::Network;
use exec::Hooks;
use keep::{Keeper, Kept};
use metrics::Metrics;
use signals::Signals;

/// How often the metrics are written, and it is seen that a thread failed.
const TICK: Duration = Duration::from_secs(5);

/// How long the first file is waited for before it is said that all is ready.
const FIRST: Duration = Duration::from_secs(5);

/// How often the counts of what was not said are told.
const COUNTS: Duration = Duration::from_secs(60);

/// The time between two messages that domains or templates were forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// At the end, how long nothing may go to the disk, or to the reader of a stream.
const STALLED: Duration = Duration::from_secs(10);

/// A second TERM or INT means something only so long after the first: timeout(1) and terminals send
/// one to the process and one to its group.
const TWICE: Duration = Duration::from_secs(1);

/// How long commands of `--exec` are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Senders, or exporters, that are named in a message.
const NAMED: usize = 5;

/// Runs nfcap until it is told to end.
///
/// # Errors
/// What keeps it from collecting: a port that is taken, a spool that is in use, a pipe that closed.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    args.check()?;
    let live = args.is_stream();
    if args.retention.dry_run {
        return dry_run(&args, io);
    }
    let allow = allow(&args.network, io)?;
    io.out.vital();
    let signals = Signals::catch().context("signals")?;
    let sockets = bind(&args.network)?;
    user::become_user(args.network.user.as_deref(), args.network.group.as_deref())?;
    let lock = match live {
        true => None,
        false => Some(spool::Lock::take(&args.write)?),
    };
    let mut hooks = Hooks::new(args.exec.plan(), args.write.clone());
    if !live {
        left_over(&hooks, io);
        recover(&args.write, &mut hooks, io);
    }
    let to = match live {
        true => Output::Stream(Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?))),
        false => Output::Spool { dir: args.write.clone(), zstd: args.compress },
    };
    let plan = CollectorPlan {
        seconds: args.slot,
        queue: usize::try_from(args.queue).unwrap_or(usize::MAX),
        sync: args.sync,
        allow,
        ident: args.ident.clone(),
    };
    let listening: Vec<_> =
        sockets.iter().map(|socket| (socket.local(), socket.buffer())).collect();
    let local: Vec<_> = listening.iter().map(|&(local, _)| local).collect();
    let (collector, forgotten) = Collector::new(to, &local);
    if let Some(why) = forgotten {
        io.report.error(format_args!("{why}; not all templates of the last run are known"));
    }
    let metrics = Metrics {
        ident: args.ident.clone(),
        started: clock(),
        receive_buffer: listening.iter().map(|&(_, buffer)| buffer).min().unwrap_or(0) as u64,
        ..Metrics::default()
    };
    let keeper = match args.retention.rules().filter(|_| !live) {
        Some(rules) => {
            let yes = args.retention.yes;
            Some(Keeper::start(args.write.clone(), rules, yes, signals.bell()?)?)
        }
        None => None,
    };
    let drops = Drops::new(&sockets);
    let (teller, news) = mpsc::channel();
    let collecting = Live::start(sockets, collector, plan, teller, signals.bell()?)?;
    let mut run = CollectorRun {
        args,
        live: collecting,
        news,
        signals,
        hooks,
        drops,
        metrics,
        followed: Vec::new(),
        forgotten: Default::default(),
        keeper,
        lock,
        is_over: false,
    };
    run.announce(&listening, io)?;
    run.run(io)
}

/// The networks of `--allow`, as few as there can be.
fn allow(network: &Network, io: &mut Io) -> anyhow::Result<Allow> {
    let rate = network.rate;
    let Some(exporters) = &network.allow else {
        io.report.warn(
            "no --allow: whoever reaches the port can forge exports, and every window says open=1",
        );
        return Ok(Allow { nets: None, rate });
    };
    let mut nets = exporters.load().context("--allow")?;
    // Networks in others are not named twice, if they have no rate of their own.
    if nets.iter().all(|(_, rate)| rate.is_none()) {
        let all: Vec<IpNet> = nets.iter().map(|&(net, _)| net).collect();
        nets = IpNet::aggregate(&all).into_iter().map(|net| (net, None)).collect();
    }
    if nets.is_empty() {
        io.report.warn("--allow names no network: nobody is heard");
    }
    match nets.len() {
        0..=MAX_ALLOW => Ok(Allow { nets: Some(nets), rate }),
        len => Err(Usage(format!("--allow: {len} networks, at most {MAX_ALLOW} go")).into()),
    }
}

fn bind(network: &Network) -> anyhow::Result<Vec<Socket>> {
    let addresses = match &network.bind[..] {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect(),
    };
    let mut asked: Vec<(Option<IpAddr>, u16)> = Vec::new();
    let mut sockets = Vec::new();
    for &port in &network.port {
        for &address in &addresses {
            if port != 0 && asked.contains(&(address, port)) {
                continue;
            }
            asked.push((address, port));
            let socket = Socket::bind(address, port, network.buffer);
            sockets.push(socket.with_context(|| match address {
                Some(address) => format!("{address}, port {port}"),
                None => format!("port {port}"),
            })?);
        }
    }
    Ok(sockets)
}

/// Prints what retention would remove, and why.
fn dry_run(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let Some(rules) = args.retention.rules() else { return Ok(Status::Done) };
    // A name that was mistyped is no spool from which nothing would be removed.
    std::fs::read_dir(&args.write).with_context(|| args.write.display().to_string())?;
    let plan = spool::retain(&args.write, &rules, clock(), true);
    let Retained { removed, errors, links, kept_files, .. } = &plan;
    for removed in removed {
        let (path, octets, why) = (removed.path.display(), removed.bytes, &removed.why);
        writeln!(io.out, "{path}\t{octets}\t{why}")?;
    }
    for error in errors {
        io.report.error(error);
    }
    for link in links {
        io.report.warn(NotFollowed(link));
    }
    let files = removed.len() as u64;
    let judged = Guard::new(args.retention.yes).judge(files, kept_files + files);
    if let Some(too_many) = judged {
        io.report
            .warn(format_args!("{too_many}: a collector that starts now needs --yes for that"));
    }
    Ok(if errors.is_empty() { Status::Done } else { Status::Failed })
}

/// A link in the spool, for a message.
struct NotFollowed<'a>(&'a Path);

impl std::fmt::Display for NotFollowed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.0.display();
        write!(f, "{path}: a link in the spool: what is behind it is neither counted nor removed")
    }
}

/// Says how many files wait for somebody who deals with them.
fn left_over(hooks: &Hooks, io: &mut Io) {
    let list = hooks.list();
    match hooks.left_over() {
        Ok(0) => {}
        Ok(count) => {
            io.report
                .warn(format_args!("{count} files whose command failed are in {}", list.display()));
        }
        Err(error) => io.report.error(format_args!("{}: {error}", list.display())),
    }
}

/// Brings in what a killed nfcap left behind.
fn recover(dir: &Path, hooks: &mut Hooks, io: &mut Io) {
    let open = |path: &Path| Ok(Box::new(Input::open(path, &io.out)?) as Box<dyn Read>);
    for (part, result) in spool::recover(dir, open) {
        let part = part.display();
        match result {
            Ok(Recovered::Named { file, slot }) => {
                io.report.warn(format_args!("{part}: left behind, is {} now", file.display()));
                hooks.push(file, slot, &mut io.report);
            }
            Ok(Recovered::Removed) => {
                io.report.warn(format_args!("{part}: left behind empty, removed"));
            }
            Ok(Recovered::Aside { file, why }) => {
                let file = file.display();
                io.report.warn(format_args!("{part}: left behind, kept as {file}: {why}"));
            }
            Err(error) => io.report.error(error),
        }
    }
}

/// When the number of what waits changed last.
#[derive(Default)]
struct Moved(Option<(u64, Instant)>);

impl Moved {
    fn since(&mut self, waiting: u64) -> Duration {
        match self.0 {
            Some((before, since)) if before == waiting => since.elapsed(),
            _ => {
                self.0 = Some((waiting, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

/// What there is while it runs.
struct CollectorRun {
    args: Args,
    live: Live,
    news: mpsc::Receiver<CollectorEvent>,
    signals: Signals,
    hooks: Hooks,
    drops: Drops,
    metrics: Metrics,
    /// As of the end of the last slot.
    followed: Vec<Followed>,
    /// The counts of forgotten data that were told last, and when.
    forgotten: (Forgotten, Option<Instant>),
    keeper: Option<Keeper>,
    /// Of the spool, until the end.
    lock: Option<spool::Lock>,
    is_over: bool,
}

impl CollectorRun {
    /// Says where it listens, once there is a file for what comes, or it is known that there is none.
    fn announce(&mut self, listening: &[(SocketAddr, usize)], io: &mut Io) -> anyhow::Result<()> {
        match self.news.recv_timeout(FIRST) {
            Ok(CollectorEvent::Begun) | Err(_) => {}
            Ok(news) => _ = self.hear(news, io)?,
        }
        let asked = self.args.network.buffer;
        for &(local, buffer) in listening {
            io.report.warn(format_args!("listening on {local}"));
            if buffer < asked {
                io.report.warn(format_args!(
                    "{local}: the kernel gives a receive buffer of {} KiB, not of {} KiB: be root, \
                     or raise net.core.rmem_max",
                    buffer / 1024,
                    asked / 1024
                ));
            }
        }
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
            io.report.error(format_args!("NOTIFY_SOCKET: {error}"));
        }
        Ok(())
    }

    /// Until all is written after TERM or INT, and the commands are done.
    fn run(mut self, io: &mut Io) -> anyhow::Result<Status> {
        let status = self.serve(io);
        // However it ended: what was not run is listed.
        self.hooks.abandon(&mut io.report);
        self.kept(io);
        self.forgot(io, true);
        self.publish(io);
        status
    }

    fn serve(&mut self, io: &mut Io) -> anyhow::Result<Status> {
        let to_stream = self.args.is_stream();
        let mut status = Status::Done;
        let (mut stopped, mut over) = (None, None);
        let mut moved = Moved::default();
        let (mut ticked, mut counted) = (Instant::now(), Instant::now());
        loop {
            self.signals.drain();
            while let Ok(news) = self.news.try_recv() {
                status = self.hear(news, io)?.unwrap_or(status);
            }
            if self.signals.stop() && stopped.is_none() {
                stopped = Some(Instant::now());
                self.live.stop();
                _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            }
            if let Some(since) = stopped {
                if since.elapsed() >= TWICE {
                    self.signals.arm();
                }
                // With nothing left to write the disk has all the time that it needs.
                let waiting = self.live.counters().waiting();
                anyhow::ensure!(
                    self.is_over || waiting == 0 || moved.since(waiting) < STALLED,
                    "nothing could be written for {} s: up to {waiting} datagrams are lost, and no \
                     file says so",
                    STALLED.as_secs()
                );
            }
            if self.signals.again() && stopped.is_none() {
                self.again(io);
            }
            if self.signals.tell() {
                self.tell(io);
            }
            self.hooks.poke(&mut io.report);
            self.kept(io);
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.publish(io);
                self.relock(io);
                self.forgot(io, false);
            }
            if counted.elapsed() >= COUNTS {
                counted = Instant::now();
                io.report.finish();
            }
            if self.is_over {
                let since = *over.get_or_insert_with(Instant::now);
                if self.hooks.idle() || since.elapsed() >= PATIENCE || self.only_later(since) {
                    return Ok(status);
                }
            }
            self.wait(to_stream, stopped.is_some())?;
        }
    }

    /// The spool is locked again where somebody removed it, or the file that is locked.
    fn relock(&mut self, io: &mut Io) {
        if let Some(Err(error)) = self.lock.as_mut().map(spool::Lock::renew) {
            io.report.fail("failures in locking the spool", error);
        }
    }

    /// At the end: whether no command runs, and none will in the time that is left.
    fn only_later(&self, since: Instant) -> bool {
        let left = PATIENCE.saturating_sub(since.elapsed());
        self.hooks.counts().running == 0 && self.hooks.next().is_some_and(|next| next > left)
    }

    /// Sleeps until a signal or news comes or a command is due, but no longer than a tick.
    ///
    /// # Errors
    /// The reader of the stream went away.
    fn wait(&self, to_stream: bool, stopped: bool) -> anyhow::Result<()> {
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let stdout = io::stdout();
        if to_stream {
            fds.push(PollFd::new(stdout.as_fd(), PollFlags::empty()));
        }
        let tick = if stopped { TWICE } else { TICK };
        let most = self.hooks.next().map_or(tick, |next| next.min(tick));
        let millis = u16::try_from(most.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
        let closed = fds.last().and_then(PollFd::revents).is_some_and(|seen| seen.intersects(gone));
        anyhow::ensure!(!(to_stream && closed), "stdout: its reader went away");
        Ok(())
    }

    /// Says what there is to say. A status, if that is another one now.
    fn hear(&mut self, news: CollectorEvent, io: &mut Io) -> anyhow::Result<Option<Status>> {
        match news {
            CollectorEvent::Finished(finished) => self.finished(*finished, io),
            CollectorEvent::Begun => {}
            CollectorEvent::Stuck(error) => {
                self.metrics.failures += 1;
                self.metrics.stuck = true;
                // It may be full.
                self.keep();
                let failure = format!("{error}; what comes waits in the queue");
                io.report.fail("failures in writing", failure);
            }
            CollectorEvent::Resumed(after) => {
                self.metrics.stuck = false;
                let seconds = after.as_secs_f64();
                let end = format!("writing goes on after {seconds:.1} s");
                io.report.fail("failures in writing that ended", end);
            }
            CollectorEvent::Restored => {
                io.report.error("the file that is written was removed or moved, and is made again");
                self.relock(io);
            }
            CollectorEvent::Lost { lost, at_most } => {
                let up_to = if at_most { "up to " } else { "" };
                let loss = format!("{up_to}{lost} datagrams are lost, and no file says so");
                io.report.error(loss);
                return Ok(Some(Status::Failed));
            }
            CollectorEvent::CacheFailed(error) => {
                let failure = format!("{error}: after a restart not all templates will be known");
                io.report.fail("failures in writing templates down", failure);
            }
            CollectorEvent::Receiving(error) => io.report.complain("errors in receiving", error),
            CollectorEvent::Failed(why) => anyhow::bail!(why),
            CollectorEvent::Over => self.is_over = true,
        }
        Ok(None)
    }

    /// A slot, or a part of one, is over.
    fn finished(&mut self, finished: Finished, io: &mut Io) {
        let Finished { slot, file, closing, denied, limited, error } = finished;
        let start = slot.start_text();
        if let Some(error) = error {
            io.report.error(format_args!("slot {start}: {error}"));
        }
        if closing.dropped_kernel > 0 {
            let complaint = format!(
                "slot {start}: the kernel dropped {} of {} datagrams, its buffer of {} KiB being \
                 full (see --buffer)",
                closing.dropped_kernel,
                closing.dropped_kernel + closing.received,
                self.metrics.receive_buffer / 1024
            );
            io.report.complain("slots of which the kernel dropped datagrams", complaint);
        }
        if closing.dropped_queue > 0 {
            let lost = closing.dropped_queue;
            let complaint = format!(
                "slot {start}: {lost} datagrams were not written, the queue being full (see --queue), \
                 or memory, or their slot having no file"
            );
            io.report.complain("slots of which the queue dropped datagrams", complaint);
        }
        let named = |all: &Denied| {
            let named = all.top(NAMED);
            let named: Vec<_> =
                named.iter().map(|(sender, count)| format!("{sender} ({count})")).collect();
            named.join(", ")
        };
        if limited.datagrams > 0 {
            let complaint = format!(
                "slot {start}: {} datagrams beyond the rate of their exporter: {}",
                limited.datagrams,
                named(&limited)
            );
            io.report.complain("slots with exporters beyond their rate", complaint);
        }
        if denied.datagrams > 0 {
            let complaint = format!(
                "slot {start}: {} datagrams from senders that --allow does not name: {}",
                denied.datagrams,
                named(&denied)
            );
            io.report.complain("slots with senders that are not allowed", complaint);
        }
        let before = std::mem::replace(&mut self.followed, self.live.followed());
        if let Some(lost) = missing(&closing) {
            let whose = gaps(&before, &self.followed);
            let complaint = format!("slot {start}: missing by sequence numbers: {lost}{whose}");
            io.report.complain("slots with datagrams missing by sequence numbers", complaint);
        }
        let name = file.as_ref().map_or("-".into(), |file| file.display().to_string());
        let counts = closing.to_string();
        let counts = counts.trim_start_matches("nfcap ");
        io.report.detail(format_args!("slot {start}: {counts}, {name}"));
        self.metrics.last_slot = Some(slot.end());
        if let Some(file) = file {
            self.metrics.files += 1;
            self.hooks.push(file, slot, &mut io.report);
        }
        self.keep();
        self.publish(io);
    }

    /// Says what was forgotten of exporters since that was said last: at once, and then every ten
    /// minutes, and at the end.
    fn forgot(&mut self, io: &mut Io, at_the_end: bool) {
        let now = self.live.forgotten();
        let (before, told) = &self.forgotten;
        let is_due = at_the_end || told.is_none_or(|told| told.elapsed() >= FORGOTTEN);
        if now == *before || !is_due {
            return;
        }
        let mut what = Vec::new();
        for (count, before, of) in [
            (now.domains, before.domains, "domains with their templates"),
            (now.templates, before.templates, "templates"),
            (now.refused, before.refused, "for want of memory"),
        ] {
            if count > before {
                what.push(format!("{} {of}", count - before));
            }
        }
        let since = |ip: &IpAddr, count: u64| count - before.by.get(ip).copied().unwrap_or(0);
        let mut by: Vec<_> = now.by.iter().map(|(ip, &count)| (since(ip, count), *ip)).collect();
        by.retain(|&(count, _)| count > 0);
        by.sort_unstable_by_key(|&(count, ip)| (std::cmp::Reverse(count), ip));
        by.truncate(NAMED);
        let by: Vec<_> = by.into_iter().map(|(count, ip)| format!("{ip} ({count})")).collect();
        let by = if by.is_empty() { String::new() } else { format!(", of {}", by.join(", ")) };
        io.report.warn(format_args!(
            "forgotten of exporters that have too many: {}{by}",
            what.join(", ")
        ));
        self.forgotten = (now, Some(Instant::now()));
    }

    /// Has old files removed.
    fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.go();
        }
    }

    /// Says what was removed, and why nothing was.
    fn kept(&mut self, io: &mut Io) {
        let Some(keeper) = &self.keeper else { return };
        while let Some(kept) = keeper.done() {
            let Kept { pass, tells_too_many, tells_clock_set, failed } = kept;
            let Pass { done, clock_set, too_many } = pass;
            self.metrics.removed += done.removed.len() as u64;
            self.metrics.too_many = too_many.map_or(0, |too_many| too_many.files);
            self.metrics.clock_set = clock_set.is_some();
            if let Some(too_many) = too_many.filter(|_| tells_too_many) {
                io.report.error(format_args!(
                    "no file is removed: {too_many}. Check the clock, --keep, --max-size and \
                     --min-free; if it is meant so, start nfcap again with --yes"
                ));
            }
            if let Some(clock_set) = clock_set.filter(|_| tells_clock_set) {
                io.report.error(clock_set);
            }
            if let Some((first, last)) = done.beyond_a_day() {
                let octets: u64 = done.removed.iter().map(|removed| removed.bytes).sum();
                let by = [Why::Age, Why::Size, Why::Free].map(|why| (done.by(why), why));
                let by = by.iter().filter(|(count, _)| *count > 0);
                let by: Vec<_> = by.map(|(count, why)| format!("{count}: {why}")).collect();
                let complaint = format!(
                    "{} files of slots from {} to {} removed, {octets} bytes ({})",
                    done.removed.len(),
                    first.rfc3339(),
                    last.rfc3339(),
                    by.join(", ")
                );
                io.report.complain("passes that removed more than the files of a day", complaint);
            }
            for removed in done.removed {
                io.report.detail(format_args!(
                    "{}: removed, {}",
                    removed.path.display(),
                    removed.why
                ));
            }
            for link in &done.links {
                io.report.complain("links in the spool", NotFollowed(link));
            }
            for error in done.errors {
                io.report.complain("files that could not be removed", error);
            }
            if let Some(error) = failed {
                let failure = format!("CLOCK_BOOTTIME: {error}; no file is removed");
                io.report.fail("failures in reading the clock", failure);
            }
        }
    }

    /// Reads the list of exporters anew and begins another file. A stream goes on as it is: there, a
    /// second part of a slot would be a second window to whoever reads it.
    fn again(&mut self, io: &mut Io) {
        match self.args.network.allow.as_ref().map(|_| allow(&self.args.network, io)) {
            None => {}
            Some(Ok(allow)) => self.live.allow(allow),
            Some(Err(error)) => {
                io.report.error(format_args!("{error:#}; the list of before stays in force"));
            }
        }
        if !self.args.is_stream() {
            self.live.new_part();
        }
    }

    /// Brings the metrics up to date.
    fn count(&mut self) {
        let Counters { received, bytes, dropped_queue, limited, denied, .. } = self.live.counters();
        let load = |counter: &std::sync::atomic::AtomicU64| {
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        self.metrics.received = load(received);
        self.metrics.octets = load(bytes);
        self.metrics.dropped_queue = load(dropped_queue);
        self.metrics.limited = load(limited);
        self.metrics.denied = load(denied);
        self.metrics.queue = self.live.queue();
        self.metrics.followed = self.live.followed();
        self.metrics.forgotten = self.live.forgotten();
        let exec::Counts { runs, failures, timeouts, given_up, left_out, waiting, running } =
            self.hooks.counts();
        self.metrics.commands = [
            ("runs", runs),
            ("failures", failures),
            ("timeouts", timeouts),
            ("given_up", given_up),
            ("left_out", left_out),
            ("waiting", waiting as u64),
            ("running", running as u64),
        ];
        // That the table cannot be read is said by who needs it for a file.
        self.metrics.dropped_kernel += self.drops.more().unwrap_or(0);
    }

    fn publish(&mut self, io: &mut Io) {
        let Some(path) = self.args.metrics_file.clone() else { return };
        self.count();
        if let Err(error) = self.metrics.write(&path) {
            let complaint = format!("{}: {error}", path.display());
            io.report.complain("failures in writing --metrics-file", complaint);
        }
    }

    /// USR1.
    fn tell(&mut self, io: &mut Io) {
        self.count();
        io.report.error(self.metrics.summary());
        for line in self.metrics.worst(NAMED) {
            io.report.error(line);
        }
    }
}

/// What a slot misses by sequence numbers, and how much of it was lost before it came here: that is
/// known only where all exporters count datagrams, as we do.
fn missing(closing: &Closing) -> Option<String> {
    let lost = closing.missing;
    let count = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0);
    match (count(lost.datagrams), count(lost.flows)) {
        (None, None) => None,
        (None, Some(flows)) => Some(format!("{flows} flows")),
        (Some(datagrams), Some(flows)) => Some(format!("{datagrams} datagrams, {flows} flows")),
        (Some(datagrams), None) => {
            let here = closing.dropped().min(datagrams);
            match lost.flows {
                None => {
                    Some(format!("{datagrams} datagrams, {} before they came", datagrams - here))
                }
                Some(_) => Some(format!("{datagrams} datagrams")),
            }
        }
    }
}

/// Whose they are, of those that miss most since `before`.
fn gaps(before: &[Followed], now: &[Followed]) -> String {
    // Both are sorted by domain.
    let of = |domain: &Domain| {
        let found = before.binary_search_by_key(domain, |followed: &Followed| followed.domain);
        found.ok().and_then(|n| before.get(n)).map_or(0, metrics::missing)
    };
    let gap = |followed: &Followed| metrics::missing(followed) - of(&followed.domain);
    let mut all: Vec<_> = now.iter().map(|f| (gap(f), f)).filter(|&(gap, _)| gap > 0).collect();
    all.sort_by_key(|&(gap, followed)| (std::cmp::Reverse(gap), followed.domain));
    all.truncate(NAMED);
    let named: Vec<_> = all
        .iter()
        .map(|(gap, f)| {
            format!("{} {} domain {} ({gap})", f.domain.exporter, f.domain.version, f.domain.id)
        })
        .collect();
    if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) }
}
