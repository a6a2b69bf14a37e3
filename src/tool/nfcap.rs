//! nfcap: collects export datagrams from UDP into capture files, one for each slot of time.
//!
//! Two threads of [`Live`] receive and write. The main thread handles signals, commands, messages
//! and metrics, none of which are urgent.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::Context;

use crate::capture::socket::{Drops, Socket};
use crate::capture::{
    Collector, CollectorPlan, Live, Output, clock,
    spool::{self, Recovered},
};
use crate::cli::{Input, Io, Status};

mod allow;
mod args;
mod exec;
mod hook;
mod loss;
mod metrics;
mod retention;
mod serve;
mod signals;
mod user;

pub use allow::networks as exporters;
pub use args::{Args, COLLECT, DEFAULT_BUFFER};

use args::Network;
use exec::Hooks;
use metrics::Metrics;
use retention::RetentionThread;
use serve::{CollectorRun, Listening, Progress};
use signals::Signals;

/// The list of files whose command had failed, which earlier versions kept in the spool.
const OLD_FAILED_LIST: &str = ".nfcap.failed";

/// Runs nfcap until a signal ends it.
///
/// # Errors
/// Fails if it cannot collect: a port is taken, the spool is in use, the reader of the stream went
/// away, a thread failed.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    args.check()?;
    let is_stream = args.is_stream();
    if args.retention.dry_run {
        let Some(rules) = args.retention.rules() else { return Ok(Status::Done) };
        return retention::dry_run(&args.write, &rules, args.retention.yes, io);
    }
    let Network { allow, rate, user, group, .. } = &args.network;
    let allow = allow::load(allow.as_ref(), *rate, io)?;
    io.out.vital();
    if args.exec.has_tries() {
        io.report.warn(
            "--exec-tries is ignored and will be removed: a command runs once for each file; let \
             nf-every10 catch up, or retry inside the command",
        );
    }
    let signals = Signals::catch().context("signals")?;
    let sockets = bind(&args.network)?;
    user::become_user(user.as_deref(), group.as_deref())?;
    let lock = if is_stream { None } else { Some(spool::Lock::take(&args.write)?) };
    let mut hooks = Hooks::new(args.exec.plan(), args.write.clone());
    if !is_stream {
        mention_old_failed_list(&args.write, io);
        recover(&args.write, &mut hooks, io);
    }
    let output = if is_stream {
        Output::Stream(Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    } else {
        Output::Spool { dir: args.write.clone(), zstd: args.compress }
    };
    let plan = CollectorPlan {
        seconds: args.slot,
        queue: usize::try_from(args.queue).unwrap_or(usize::MAX),
        sync: args.sync,
        allow,
        ident: args.ident.clone(),
    };
    let listening: Vec<Listening> = sockets
        .iter()
        .map(|socket| Listening { at: socket.local(), buffer: socket.buffer() })
        .collect();
    let local: Vec<SocketAddr> = listening.iter().map(|listening| listening.at).collect();
    let (collector, unread_templates) = Collector::new(output, &local);
    if let Some(error) = unread_templates {
        io.report.error(format_args!("{error}; some templates of the last run are unknown"));
    }
    let metrics = Metrics {
        ident: args.ident.clone(),
        started: clock(),
        receive_buffer: listening.iter().map(|one| one.buffer).min().unwrap_or(0) as u64,
        ..Metrics::default()
    };
    let retention = match args.retention.rules().filter(|_| !is_stream) {
        Some(rules) => {
            let yes = args.retention.yes;
            let bell = signals.bell()?;
            Some(RetentionThread::start(args.write.clone(), rules, yes, bell)?)
        }
        None => None,
    };
    let drops = Drops::new(&sockets);
    let (sender, events) = mpsc::channel();
    let live = Live::start(sockets, collector, plan, sender, signals.bell()?)?;
    let mut run = CollectorRun {
        args,
        live,
        events,
        signals,
        hooks,
        drops,
        metrics,
        retention,
        lock,
        progress: Progress::default(),
    };
    run.announce(&listening, io)?;
    run.run(io)
}

/// Binds each port at each address. A pair given twice is bound once, except port 0, of which each
/// is another free port.
fn bind(network: &Network) -> anyhow::Result<Vec<Socket>> {
    let addresses = match &network.bind[..] {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect(),
    };
    let mut bound: Vec<(Option<IpAddr>, u16)> = Vec::new();
    let mut sockets = Vec::new();
    for &port in &network.port {
        for &address in &addresses {
            if port != 0 && bound.contains(&(address, port)) {
                continue;
            }
            bound.push((address, port));
            let socket = Socket::bind(address, port, network.buffer);
            sockets.push(socket.with_context(|| match address {
                Some(address) => format!("{address}, port {port}"),
                None => format!("port {port}"),
            })?);
        }
    }
    Ok(sockets)
}

/// Says where the list of an earlier version lies, which nothing reads any more.
fn mention_old_failed_list(spool: &Path, io: &mut Io) {
    let list = spool.join(OLD_FAILED_LIST);
    if fs::symlink_metadata(&list).is_ok_and(|list| list.len() > 0) {
        io.report.warn(format_args!(
            "{}: a list of an earlier version, of files whose command failed; nfcap no longer reads \
             or extends it. Let nf-every10 catch up or run the command for these files, then \
             remove the list",
            list.display()
        ));
    }
}

/// Names the files that a killed nfcap left unfinished, and queues their commands.
fn recover(dir: &Path, hooks: &mut Hooks, io: &mut Io) {
    let open = |path: &Path| Ok(Box::new(Input::open(path, &io.out)?) as Box<dyn Read>);
    for (part, result) in spool::recover(dir, open) {
        let part = part.display();
        match result {
            Ok(Recovered::Named { file, slot }) => {
                io.report.warn(format_args!("{part}: left by a crash, is now {}", file.display()));
                hooks.push(file, slot, now(), &mut io.report);
            }
            Ok(Recovered::Removed) => {
                io.report.warn(format_args!("{part}: left empty by a crash, removed"));
            }
            Ok(Recovered::Aside { file, why }) => {
                let file = file.display();
                io.report.warn(format_args!("{part}: left by a crash, kept as {file}: {why}"));
            }
            Err(error) => io.report.error(error),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a command's time limit begins at this moment")]
fn now() -> Instant {
    Instant::now()
}
