//! nfcap: export datagrams from UDP into capture files, one a slot of time.

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Parser, ValueHint};
use ipnet::IpNet;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::capture::socket::{self, Socket};
use crate::capture::{
    CollectError, Collector, Finished, MAX_ALLOW, To,
    spool::{self, Recovered},
};
use crate::cli::{self, Common, Input, Io, Nets, Status, Usage};
use crate::time::Timestamp;

#[allow(dead_code)] // Its options are not all there yet.
mod exec;
mod signals;

use exec::{Hook, Hooks, Plan, Words};
use signals::Signals;

/// Seconds of a day, which slots divide.
const DAY: u32 = 86_400;

/// How long written octets may wait for the disk: what a kill can cost.
const DISK: Duration = Duration::from_secs(1);

/// How long they may wait for the reader of a pipe.
const PIPE: Duration = Duration::from_millis(200);

/// The longest that it sleeps: it then sees that the clock was set.
const SLEEP: Duration = Duration::from_secs(1);

/// Datagrams that are read before anything else is looked at.
const TURN: usize = 1024;

/// How long commands of `--exec` are waited for at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Senders that are named where only some are allowed.
const NAMED: usize = 5;

/// Collect flow exports from UDP into capture files.
///
/// Takes NetFlow, IPFIX and sFlow as routers send them and writes them undecoded, one file for each
/// slot of time, nfkit-capture(5). TERM and INT finish the file and end it, HUP begins another file.
#[derive(Debug, Parser)]
#[command(name = "nfcap", version, max_term_width = 100)]
pub struct Args {
    /// The spool, a directory for the files; - for one live stream on stdout
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    write: PathBuf,
    /// Listen at this address [default: all, IPv4 and IPv6]
    #[arg(short, long, value_name = "ADDR")]
    bind: Option<IpAddr>,
    /// Listen at these UDP ports, 0 for any free one
    #[arg(short, long, value_name = "PORT", value_delimiter = ',', default_value = "9999")]
    port: Vec<u16>,
    /// Length of the slots, which divide a day
    #[arg(short = 't', long, value_name = "DURATION", default_value = "10m", value_parser = slot)]
    slot: u32,
    /// Take datagrams of these exporters only: 192.0.2.1,2001:db8::/64 or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_ALLOW")]
    allow: Option<Nets>,
    /// Run this after each file: %f file, %d spool, %t and %u start of the slot, %% a %; no shell
    #[arg(short = 'x', long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    exec: Option<Words>,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn slot(text: &str) -> Result<u32, String> {
    match cli::parse_seconds(text)? {
        0 => Err("a slot needs a length".to_owned()),
        seconds if DAY.is_multiple_of(seconds) => Ok(seconds),
        _ => Err("no whole number of such slots makes a day".to_owned()),
    }
}

fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Runs nfcap until it is told to end.
///
/// # Errors
/// What keeps it from collecting: a port that is taken, a spool that is in use, a pipe that closed.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let live = args.write == Path::new("-");
    if live && args.exec.is_some() {
        return Err(Usage("--exec needs files, not a stream".to_owned()).into());
    }
    let allow = allow(args.allow.as_ref(), io)?;
    io.out.vital();
    let signals = Signals::catch().context("signals")?;
    let lock = match live {
        true => None,
        false => Some(spool::Lock::take(&args.write)?),
    };
    let sockets = bind(&args)?;
    let plan = |words| Plan { tries: 1, limit: None, ..Plan::new(Hook::Words(words)) };
    let mut hooks = Hooks::new(args.exec.clone().map(plan), args.write.clone());
    if !live {
        recover(&args.write, &mut hooks, io);
    }
    let to = match live {
        true => To::Stream(Box::new(io.out.clone())),
        false => To::Spool(args.write.clone()),
    };
    let collector = Collector::new(to, args.slot, allow);
    let mut run = Run { collector, sockets, signals, hooks, live, flushed: Instant::now() };
    run.begin(clock(), io)?;
    for socket in &run.sockets {
        let kib = socket.buffer() / 1024;
        io.report.warn(format_args!("listening on {}", socket.local()));
        io.report.detail(format_args!("{}: receive buffer of {kib} KiB", socket.local()));
    }
    run.collect(io)?;
    run.finish(io)?;
    drop(lock);
    Ok(Status::Done)
}

/// The networks of `--allow`, as few as there can be.
fn allow(nets: Option<&Nets>, io: &mut Io) -> anyhow::Result<Option<Vec<IpNet>>> {
    let Some(nets) = nets else {
        io.report.warn(
            "no --allow: whoever reaches the port can forge exports, and every window says open=1",
        );
        return Ok(None);
    };
    let nets = IpNet::aggregate(&nets.load().context("--allow")?);
    if nets.is_empty() {
        io.report.warn("--allow names no network: nobody is heard");
    }
    match nets.len() {
        0..=MAX_ALLOW => Ok(Some(nets)),
        len => Err(Usage(format!("--allow: {len} networks, at most {MAX_ALLOW} go")).into()),
    }
}

fn bind(args: &Args) -> anyhow::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (n, &port) in args.port.iter().enumerate() {
        let again = args.port.iter().take(n).any(|&before| before == port);
        if port != 0 && again {
            continue;
        }
        let socket = Socket::bind(args.bind, port).with_context(|| match args.bind {
            Some(address) => format!("{address}, port {port}"),
            None => format!("port {port}"),
        })?;
        sockets.push(socket);
    }
    Ok(sockets)
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

/// The collecting itself.
struct Run {
    collector: Collector,
    sockets: Vec<Socket>,
    signals: Signals,
    hooks: Hooks,
    /// To stdout.
    live: bool,
    flushed: Instant,
}

impl Run {
    /// Until TERM or INT.
    fn collect(&mut self, io: &mut Io) -> anyhow::Result<()> {
        let mut buffer = vec![0; socket::DATAGRAM];
        loop {
            self.signals.drain();
            if self.signals.stop() {
                // What the kernel has taken is not lost; an exporter that never stops must not
                // hold us here.
                let began = Instant::now();
                while self.receive(&mut buffer, io)? && began.elapsed() < SLEEP {}
                return Ok(());
            }
            let now = clock();
            let again = self.signals.again();
            if self.collector.due(now) || (again && !self.live) {
                self.end(now, io)?;
                self.begin(now, io)?;
            }
            if again || self.flushed.elapsed() >= self.patience() {
                self.flushed = Instant::now();
                let retried = self.collector.retry(now);
                self.told(retried, io)?;
                let flushed = self.collector.flush(now);
                self.told(flushed, io)?;
            }
            self.hooks.poke(&mut io.report);
            if !self.receive(&mut buffer, io)? {
                self.wait(now)?;
            }
        }
    }

    /// Reads a turn of datagrams from each socket. False if there were none at all.
    fn receive(&mut self, buffer: &mut [u8], io: &mut Io) -> anyhow::Result<bool> {
        let mut any = false;
        for n in 0..self.sockets.len() {
            for _ in 0..TURN {
                let Some(socket) = self.sockets.get(n) else { break };
                let local = socket.local();
                let (len, from) = match socket.receive(buffer) {
                    Ok(Some(received)) => received,
                    Ok(None) => break,
                    Err(error) => {
                        let complaint = format_args!("{local}: {error}");
                        io.report.complain("errors in receiving", complaint);
                        break;
                    }
                };
                any = true;
                let now = clock();
                if self.collector.due(now) {
                    self.end(now, io)?;
                    self.begin(now, io)?;
                }
                let payload = buffer.get(..len).unwrap_or_default();
                let taken = self.collector.datagram(now, from, local, payload);
                self.told(taken, io)?;
            }
        }
        Ok(any)
    }

    /// How long written octets may wait.
    const fn patience(&self) -> Duration {
        if self.live { PIPE } else { DISK }
    }

    /// Sleeps until a datagram or a signal comes, the slot ends or something must be flushed.
    ///
    /// # Errors
    /// The reader of the stream went away.
    fn wait(&self, now: Timestamp) -> anyhow::Result<()> {
        let mut most = SLEEP;
        if let Some(slot) = self.collector.slot() {
            let end = Timestamp::from_secs(slot.end()).nanos();
            most = most.min(Duration::from_nanos(end.saturating_sub(now.nanos())));
        }
        if self.collector.dirty() {
            most = most.min(self.patience().saturating_sub(self.flushed.elapsed()));
        }
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(self.signals.as_fd())];
        fds.extend(self.sockets.iter().map(|socket| readable(socket.as_fd())));
        let stdout = io::stdout();
        if self.live {
            fds.push(PollFd::new(stdout.as_fd(), PollFlags::empty()));
        }
        // Rounded up: a moment too early is no use, and would be a busy loop.
        let millis = u16::try_from(most.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
        let closed = fds.last().and_then(PollFd::revents).is_some_and(|seen| seen.intersects(gone));
        anyhow::ensure!(!(self.live && closed), "stdout: its reader went away");
        Ok(())
    }

    fn begin(&mut self, now: Timestamp, io: &mut Io) -> anyhow::Result<()> {
        let begun = self.collector.begin(now);
        self.told(begun, io)
    }

    /// Ends the slot or a part of it, says what must be said and hands the file on.
    fn end(&mut self, now: Timestamp, io: &mut Io) -> anyhow::Result<()> {
        let dropped = socket::dropped(&mut self.sockets).unwrap_or_else(|error| {
            let complaint = format_args!("the kernel's drops are not known: {error}");
            io.report.complain("slots without the kernel's drops", complaint);
            0
        });
        let Some(finished) = self.collector.end(now, dropped)? else { return Ok(()) };
        let Finished { slot, file, closing, denied, error } = finished;
        let start = slot.start_text();
        if let Some(error) = error {
            io.report.error(format_args!("slot {start}: {error}"));
        }
        if closing.dropped_kernel > 0 {
            let kib = self.sockets.iter().map(Socket::buffer).min().unwrap_or(0) / 1024;
            io.report.warn(format_args!(
                "slot {start}: the kernel dropped {} of {} datagrams, its buffer of {kib} KiB being \
                 full (see net.core.rmem_max)",
                closing.dropped_kernel,
                closing.dropped_kernel + closing.received
            ));
        }
        if closing.dropped_queue > 0 {
            let lost = closing.dropped_queue;
            io.report.warn(format_args!("slot {start}: {lost} datagrams could not be written"));
        }
        if denied.datagrams > 0 {
            let named = denied.top(NAMED);
            let named: Vec<_> =
                named.iter().map(|(sender, count)| format!("{sender} ({count})")).collect();
            io.report.warn(format_args!(
                "slot {start}: {} datagrams from senders that --allow does not name: {}",
                denied.datagrams,
                named.join(", ")
            ));
        }
        let name = file.as_ref().map_or("-".into(), |file| file.display().to_string());
        io.report.detail(format_args!("slot {start}: {} datagrams, {name}", closing.received));
        if let Some(file) = file {
            self.hooks.push(file, slot, &mut io.report);
        }
        Ok(())
    }

    /// A failure of a stream is the end, one of a spool is said.
    fn told(&self, result: Result<(), CollectError>, io: &mut Io) -> anyhow::Result<()> {
        match result {
            Err(error) if self.live => Err(error.into()),
            Err(error) => {
                io.report.error(format_args!("{error}; what cannot be written is counted"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Finishes the file, and waits for the commands, but not for ever.
    fn finish(mut self, io: &mut Io) -> anyhow::Result<()> {
        self.end(clock(), io)?;
        let began = Instant::now();
        loop {
            self.signals.drain();
            self.hooks.poke(&mut io.report);
            let left = PATIENCE.saturating_sub(began.elapsed());
            if self.hooks.idle() || left.is_zero() {
                break;
            }
            let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            // A signal in between is no reason to stop waiting.
            _ = poll(&mut fds, PollTimeout::from(millis));
        }
        self.hooks.abandon(&mut io.report);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_divide_a_day() {
        for (text, seconds) in [("10m", 600), ("1s", 1), ("24h", DAY), ("90s", 90)] {
            assert_eq!(slot(text), Ok(seconds), "{text}");
        }
        for text in ["0", "7m", "25h", "48h", "1500ms", "ten"] {
            assert!(slot(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_are_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
