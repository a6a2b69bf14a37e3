//! The three detectors, and a counter beside them, a thread each, fed with the flows of one slot.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use super::args::Args;
use super::names::shown;
use super::states::States;
use crate::cli::{Config, Io, Out, Report, Usage, parse_as};
use crate::finding::DETECTORS;
use crate::flow::Flow;
use crate::time::{Mark, Timestamp};
use crate::tool::detector::{DetectorArgs, Judged, Source};
use crate::tool::feeds::FeedState;
use crate::tool::state::{OpenError, StateFile};
use crate::tool::windowed::Piece;
use crate::tool::{inside, nfflood, nfport, nfscan};

/// Pieces that may wait for a detector, of up to [`FLOWS`] flows each. The decoder waits for the slowest.
const WAITING: usize = 16;

/// The most flows of a piece.
const FLOWS: usize = 4096;

/// The arguments of the three detectors.
#[derive(Debug)]
pub(super) struct Detectors {
    scan: nfscan::Args,
    flood: nfflood::Args,
    port: nfport::Args,
}

/// A detector's part in a slot.
#[derive(Debug, Default)]
pub(super) struct DetectorRun {
    /// The finding lines and marks.
    pub findings: Vec<u8>,
    /// The messages of the detector.
    pub said: Vec<u8>,
    /// Messages about its state, for people.
    pub notes: Vec<String>,
    /// The reason why it judged without its state, if it did.
    pub without_state: Option<String>,
    /// The threat feeds that it used.
    pub feeds: Vec<FeedState>,
    /// The reason why it failed; its findings are then not whole.
    pub failed: Option<String>,
}

impl Detectors {
    /// Parses the arguments of the detectors, and tries them on no flows. `memory` is that of all of them
    /// together, in bytes.
    ///
    /// # Errors
    /// A wrong option, and a file of an option that cannot be used.
    pub fn new(
        args: &Args,
        memory: u64,
        config: &Config,
        now: Timestamp,
    ) -> anyhow::Result<Detectors> {
        let mut detectors = Detectors {
            scan: parse(args, config)?,
            flood: parse(args, config)?,
            port: parse(args, config)?,
        };
        let memory = memory / DETECTORS.len() as u64;
        prepare(&mut detectors.scan, memory, now)?;
        prepare(&mut detectors.flood, memory, now)?;
        prepare(&mut detectors.port, memory, now)?;
        Ok(detectors)
    }

    /// Returns the site's networks; `None` if they are not known.
    ///
    /// # Errors
    /// A file of networks that cannot be read.
    pub fn inside(&self) -> anyhow::Result<Option<Vec<ipnet::IpNet>>> {
        inside::load(self.scan.options().inside.as_ref())
    }

    /// Judges what `feed` sends. Each detector begins with its state, and saves what it learned, unless
    /// there are no `states`. The runs are in the order of [`DETECTORS`], and beside them is that of `counter`,
    /// which gets the same pieces.
    ///
    /// # Errors
    /// An error of `feed`. A detector that fails does not stop the others.
    pub fn judge(
        &self,
        states: Option<&States>,
        counter: Option<Task<'_>>,
        feed: impl FnOnce(&mut Feed) -> anyhow::Result<()>,
    ) -> anyhow::Result<([DetectorRun; 3], DetectorRun)> {
        let is_whole = AtomicBool::new(false);
        let scan: Task<'_> = Box::new(|pieces| detector(&self.scan, states, &is_whole, pieces));
        let flood: Task<'_> = Box::new(|pieces| detector(&self.flood, states, &is_whole, pieces));
        let port: Task<'_> = Box::new(|pieces| detector(&self.port, states, &is_whole, pieces));
        let feed = |to: &mut Feed| {
            feed(to)?;
            is_whole.store(true, Ordering::Release);
            Ok(())
        };
        Ok(match counter {
            None => (run_all([scan, flood, port], feed)?, DetectorRun::default()),
            Some(counter) => {
                let [scan, flood, port, counted] = run_all([scan, flood, port, counter], feed)?;
                ([scan, flood, port], counted)
            }
        })
    }
}

/// Options that change the form of the output or the input, which are the job's own affair.
const REFUSED: [&str; 19] = [
    "--calibrate",
    "--config",
    "--exit-code",
    "--explain",
    "--ignore",
    "--input",
    "--inside",
    "--json",
    "--limits",
    "--live",
    "--mask",
    "--memory",
    "--outside-if",
    "--pairs",
    "--state",
    "--strict",
    "--subnets",
    "--survey",
    "--window",
];

/// Parses the arguments of a detector: those that the job has for all of them, and its own.
fn parse<T: DetectorArgs>(args: &Args, config: &Config) -> anyhow::Result<T> {
    let (name, own) = (T::NAME, args.own_words(T::NAME));
    for word in own {
        let option = word.split('=').next().unwrap_or(word);
        if REFUSED.contains(&option) {
            return Err(Usage(format!("--{name} {word}: nf-every10 sets {option} itself")).into());
        }
        if !option.starts_with("--") {
            return Err(Usage(format!("--{name} {word}: not an option such as --paper")).into());
        }
    }
    parse_as(args.shared_words(name).iter().chain(own), config)
}

/// Sets the options that are the job's affair, and tries the others on no flows.
fn prepare<T: DetectorArgs>(args: &mut T, memory: u64, now: Timestamp) -> anyhow::Result<()> {
    let options = args.options_mut();
    (options.memory, options.now) = (Some(memory), Some(now));
    let mut io = Io {
        out: Out::new(io::sink()),
        report: Report::new(T::NAME, Box::new(io::sink()), true, false),
        config: Config::default(),
    };
    args.judge(Source::Pieces(&mut std::iter::empty()), None, &mut io)?;
    Ok(())
}

/// Bytes that several owners write, such as the output of a thread.
#[derive(Default)]
pub(super) struct Buffer<W>(Arc<Mutex<W>>);

impl<W> Clone for Buffer<W> {
    fn clone(&self) -> Buffer<W> {
        Buffer(self.0.clone())
    }
}

impl<W> Buffer<W> {
    /// Returns a buffer around a writer.
    pub fn new(writer: W) -> Buffer<W> {
        Buffer(Arc::new(Mutex::new(writer)))
    }

    /// Locks the writer. A thread that panicked while it wrote leaves a part of a line, as a killed
    /// process would.
    pub fn lock(&self) -> MutexGuard<'_, W> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Write for Buffer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

/// Returns the streams of a command whose output and messages are gathered.
pub(super) fn gathered(
    name: &str,
    out: &Buffer<impl Write + 'static>,
    said: &Buffer<Vec<u8>>,
) -> Io {
    Io {
        out: Out::new(out.clone()),
        report: Report::new(name, Box::new(said.clone()), false, false),
        config: Config::default(),
    }
}

/// Runs one detector over the pieces. It saves what it learned if they were whole at their end.
fn detector<T: DetectorArgs>(
    args: &T,
    states: Option<&States>,
    is_whole: &AtomicBool,
    pieces: Receiver<Piece>,
) -> DetectorRun {
    let (out, said) = (Buffer::new(Vec::new()), Buffer::new(Vec::new()));
    let mut io = gathered(T::NAME, &out, &said);
    let mut run = DetectorRun::default();
    let state = states.map(|states| open_state::<T>(states, &mut io, &mut run));
    // The messages so far are about the state, and somebody should act on them.
    let (file, memory) = match state {
        Some(Ok((file, memory))) => (Some(file), Some(memory)),
        Some(Err(reason)) => {
            run.without_state = Some(reason);
            (None, None)
        }
        None => (None, None),
    };
    run.notes.extend(String::from_utf8_lossy(&said.lock()).lines().map(str::to_owned));
    let judged = args.judge(Source::Pieces(&mut pieces.into_iter()), memory, &mut io);
    let flushed = io.out.flush();
    io.report.finish();
    match judged.and_then(|judged| Ok(flushed.map(|()| judged)?)) {
        Ok(Judged { memory, feeds, .. }) => {
            run.feeds = feeds;
            let learned = file.zip(memory).filter(|_| is_whole.load(Ordering::Acquire));
            let saved = learned.map(|(file, memory)| file.save(&memory));
            if let Some(Err(error)) = saved {
                run.without_state = Some(format!("{error:#}"));
            }
        }
        Err(error) => run.failed = Some(format!("{error:#}")),
    }
    run.findings = std::mem::take(&mut *out.lock());
    run.said = std::mem::take(&mut *said.lock());
    run
}

/// Opens the state of a detector. A file that is no state of this detector and version is set aside.
///
/// # Errors
/// The reason why there is no state that can be used now.
fn open_state<T: DetectorArgs>(
    states: &States,
    io: &mut Io,
    run: &mut DetectorRun,
) -> Result<(StateFile, T::Memory), String> {
    let path = states.path(T::NAME);
    match StateFile::open(&path, T::NAME, io) {
        Ok(state) => Ok(state),
        Err(OpenError::Unfit(reason)) => {
            let bad = states.path(&format!("{}.bad", T::NAME));
            std::fs::rename(&path, &bad)
                .map_err(|error| format!("{reason}; {}: {error}", shown(&bad)))?;
            run.notes.push(format!(
                "nf-every10: {}: cannot be used; it is now {}, and what was learned is lost",
                shown(&path),
                shown(&bad)
            ));
            run.notes.push(format!("    {}: {reason}", T::NAME));
            StateFile::open(&path, T::NAME, io).map_err(|error| error.to_string())
        }
        Err(OpenError::Other(error)) => Err(format!("{error:#}")),
    }
}

/// The way to the detectors: marks and flows in the order of a stream.
#[derive(Debug)]
pub(super) struct Feed {
    senders: Vec<SyncSender<Piece>>,
    /// Flows that are not sent yet.
    flows: Vec<Flow>,
}

impl Feed {
    /// Sends flows, several datagrams at a time.
    pub fn flows(&mut self, flows: &[Flow]) {
        self.flows.extend_from_slice(flows);
        if self.flows.len() >= FLOWS {
            self.flush();
        }
    }

    /// Sends a mark behind all flows so far.
    pub fn mark(&mut self, mark: &Mark) {
        self.flush();
        self.send(&Piece::Mark(mark.clone()));
    }

    fn flush(&mut self) {
        if !self.flows.is_empty() {
            let flows = std::mem::replace(&mut self.flows, Vec::with_capacity(FLOWS + FLOWS / 8));
            self.send(&Piece::Flows(Arc::new(flows)));
        }
    }

    /// Sends a piece to all detectors. One that has failed takes no more.
    fn send(&mut self, piece: &Piece) {
        self.senders.retain(|sender| sender.send(piece.clone()).is_ok());
    }
}

/// The name of the thread of the task behind the detectors.
const COUNTER: &str = "traffic";

/// A detector that judges pieces in a thread, or a counter of them.
pub(super) type Task<'a> = Box<dyn FnOnce(Receiver<Piece>) -> DetectorRun + Send + 'a>;

/// Runs the detectors over what `feed` sends.
fn run_all<const N: usize>(
    tasks: [Task<'_>; N],
    feed: impl FnOnce(&mut Feed) -> anyhow::Result<()>,
) -> anyhow::Result<[DetectorRun; N]> {
    thread::scope(|scope| {
        let mut senders = Vec::new();
        let mut names = DETECTORS.into_iter().chain([COUNTER]);
        let threads = tasks.map(|task| {
            let (sender, pieces) = sync_channel(WAITING);
            senders.push(sender);
            let name = names.next().unwrap_or_default().to_owned();
            thread::Builder::new().name(name).spawn_scoped(scope, move || task(pieces))
        });
        let mut to = Feed { senders, flows: Vec::with_capacity(FLOWS + FLOWS / 8) };
        let fed = feed(&mut to);
        to.flush();
        drop(to);
        let runs = threads.map(|thread| match thread {
            Ok(thread) => joined(thread),
            Err(error) => DetectorRun {
                failed: Some(format!("no thread for it: {error}")),
                ..DetectorRun::default()
            },
        });
        fed.map(|()| runs)
    })
}

/// The places of panics, by the name of the detector.
static PANICS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Keeps the places of the detectors' panics instead of printing them: a panic is told as one line when its
/// thread has ended.
pub(super) fn keep_panics() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let thread = thread::current();
        let is_ours = |name: &&str| DETECTORS.contains(name) || *name == COUNTER;
        match (thread.name().filter(is_ours), info.location()) {
            (Some(name), Some(place)) => {
                let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
                panics.insert(name.to_owned(), place.to_string());
            }
            _ => others(info),
        }
    }));
}

/// Waits for a detector. A panic becomes a failure of this detector alone.
fn joined(thread: ScopedJoinHandle<'_, DetectorRun>) -> DetectorRun {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    thread.join().unwrap_or_else(|panic| {
        let text = panic_text(panic.as_ref());
        let place = PANICS.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        let place = place.map_or_else(String::new, |place| format!(" at {place}"));
        let failed = format!("it panicked{place}: {text}");
        DetectorRun { failed: Some(failed), ..DetectorRun::default() }
    })
}

/// Returns the message of a panic.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(n: usize) -> Vec<Flow> {
        vec![Flow { packets: 1, ..Flow::default() }; n]
    }

    /// Returns a task that counts flows and marks.
    fn count<'a>() -> Task<'a> {
        Box::new(|pieces| {
            let mut counts = (0, 0);
            for piece in pieces {
                match piece {
                    Piece::Flows(flows) => counts.0 += flows.len(),
                    Piece::Mark(_) => counts.1 += 1,
                }
            }
            DetectorRun { findings: format!("{counts:?}").into_bytes(), ..DetectorRun::default() }
        })
    }

    fn feed(feed: &mut Feed) -> anyhow::Result<()> {
        let mark = Mark::Window(None);
        for _ in 0..100 {
            feed.mark(&mark);
            feed.flows(&flows(3000));
        }
        Ok(())
    }

    #[test]
    fn all_detectors_get_all_flows_in_order() {
        let runs = run_all([count(), count(), count()], feed).unwrap();
        for run in runs {
            assert_eq!(run.findings, b"(300000, 100)");
            assert!(run.failed.is_none());
        }
    }

    #[test]
    fn a_detector_that_panics_costs_the_others_nothing() {
        let panics: Task<'_> = Box::new(|pieces| {
            let first = pieces.recv();
            panic!("a table is inconsistent: {}", first.is_ok());
        });
        let stops: Task<'_> = Box::new(|_| DetectorRun {
            failed: Some("no room".to_owned()),
            ..DetectorRun::default()
        });
        let [a, b, c] = run_all([panics, count(), stops], feed).unwrap();
        assert_eq!(a.failed.unwrap(), "it panicked: a table is inconsistent: true");
        assert_eq!(b.findings, b"(300000, 100)");
        assert_eq!(c.failed.unwrap(), "no room");
    }

    #[test]
    fn an_error_of_the_input_ends_all_of_them() {
        let error = run_all([count(), count()], |to| {
            feed(to)?;
            anyhow::bail!("torn")
        });
        assert_eq!(error.unwrap_err().to_string(), "torn");
    }

    #[test]
    fn options_of_the_form_are_refused() {
        let parse = |word: &str| {
            let words = ["nf-every10", &format!("--nfscan={word}")];
            let args = <Args as clap::Parser>::try_parse_from(words).unwrap();
            parse::<nfscan::Args>(&args, &Config::default()).map(|_| ())
        };
        assert!(parse("--paper").is_ok());
        for word in
            ["--json", "--state=x", "--window=1h", "--inside=::/0", "file", "-", "--nothing"]
        {
            let error = parse(word).unwrap_err();
            assert!(error.is::<Usage>(), "{word}: {error}");
        }
    }
}
