//! Datagrams into the slots of their arrival: one file a slot in a spool, or one section a slot in a
//! stream.
//!
//! The collector knows no clock and no socket: whoever has both calls [`begin`](Collector::begin),
//! hands over what arrives, and when a slot is [`due`](Collector::due) calls
//! [`end`](Collector::end) and `begin` again. Octets go to the output as they came, by one thread for
//! now; compression and a queue between receiving and writing have their place in `Output`.
//!
//! A disk that takes no more stops no collector: what cannot be written is counted and told in the
//! closing block, the buffer that waits is tried again with every flush, and a file that could not
//! be made is tried again when asked.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::error::WriteError;
use super::section::{Closing, Slot};
use super::spool::{Compression, SlotFile, SlotFileError};
use super::writer::Writer;
use crate::flow::Networks;
use crate::time::{Timestamp, Window};
use crate::wire::{Batch, Decoder, Limits};

/// Octets that wait for the disk. More than the longest block: a block then goes into the buffer
/// whole or not at all, so that an output which failed can go on where it stopped.
const BUFFER: usize = 256 * 1024;

/// Exporters whose ports are known, at most: without an allow list anybody can send from ever new
/// addresses. Templates of one beyond them are restated from port 0.
const EXPORTERS: usize = 4096;

/// Senders that are counted by name where only some are allowed, at most: whoever is not allowed can
/// forge addresses at will. The others are in [`Denied::datagrams`] only.
const SENDERS: usize = 1024;

/// Octets of template definitions that are kept: as many templates as the decoder takes, of sixty
/// fields each. They stand at the head of every file.
const DEFINITIONS: usize = 4 << 20;

/// Where the datagrams go.
pub enum To {
    /// A directory, one file a slot.
    Spool(PathBuf),
    /// A pipe, one section a slot.
    Stream(Box<dyn Write>),
}

enum Output {
    Spool { dir: PathBuf, open: Option<Box<File>> },
    Stream(Writer<Box<dyn Write>>),
}

/// A slot's file that is open.
struct File {
    writer: Writer<BufWriter<SlotFile>>,
    part: PathBuf,
}

/// Puts datagrams into slots.
pub struct Collector {
    output: Output,
    seconds: u32,
    allow: Option<(Vec<IpNet>, Networks)>,
    /// Knows the templates in force.
    decoder: Decoder,
    batch: Batch,
    /// From where to where each exporter of templates sent its last datagram.
    ports: HashMap<IpAddr, (SocketAddr, SocketAddr), RandomState>,
    current: Option<Current>,
    /// Where the slot before ended, if it was heard to its end.
    heard_to: Option<u64>,
    dirty: bool,
}

/// The slot that is collected.
struct Current {
    window: Window,
    start: Timestamp,
    /// The latest moment seen in it.
    last: Timestamp,
    received: u64,
    unwritten: u64,
    denied: Denied,
    /// A failure of the output was told.
    told: bool,
}

/// A slot, or a part of one, that is over.
#[derive(Debug)]
pub struct Finished {
    /// The slot.
    pub slot: Window,
    /// Its file. `None` in a stream, and where nothing could be written; the part is there then, if
    /// it could be made.
    pub file: Option<PathBuf>,
    /// What its closing block says.
    pub closing: Closing,
    /// Who was not allowed.
    pub denied: Denied,
    /// Why the file lacks its closing block or its name.
    pub error: Option<CollectError>,
}

/// Datagrams of senders that the allow list does not hold. They are in no other count.
#[derive(Clone, Debug, Default)]
pub struct Denied {
    /// How many.
    pub datagrams: u64,
    by_sender: HashMap<IpAddr, u64, RandomState>,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A slot's file could not be made or finished.
    #[error(transparent)]
    File(#[from] SlotFileError),
    /// The output took it not.
    #[error("{}{source}", path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Write {
        /// The file; `None` in a stream.
        path: Option<PathBuf>,
        /// Why.
        source: WriteError,
    },
}

impl Denied {
    fn count(&mut self, sender: IpAddr) {
        self.datagrams += 1;
        if self.by_sender.len() < SENDERS || self.by_sender.contains_key(&sender) {
            *self.by_sender.entry(sender).or_default() += 1;
        }
    }

    /// The `n` senders of the most datagrams.
    pub fn top(&self, n: usize) -> Vec<(IpAddr, u64)> {
        let mut all: Vec<_> =
            self.by_sender.iter().map(|(&sender, &count)| (sender, count)).collect();
        all.sort_unstable_by_key(|&(sender, count)| (std::cmp::Reverse(count), sender));
        all.truncate(n);
        all
    }
}

impl Output {
    /// Does something to the writer that is open, if one is.
    fn with(
        &mut self,
        action: impl FnOnce(&mut dyn Section) -> Result<(), WriteError>,
    ) -> Option<Result<(), CollectError>> {
        let failed = |path: Option<&Path>| {
            let path = path.map(Path::to_owned);
            |source| CollectError::Write { path, source }
        };
        match self {
            Output::Spool { open, .. } => {
                let file = open.as_mut()?;
                Some(action(&mut file.writer).map_err(failed(Some(&file.part))))
            }
            Output::Stream(writer) => Some(action(writer).map_err(failed(None))),
        }
    }
}

/// A writer, whatever it writes to.
trait Section {
    fn section(&mut self, slot: &Slot) -> Result<(), WriteError>;
    fn templates(&mut self, at: Timestamp, ends: Ends, payload: &[u8]) -> Result<(), WriteError>;
    fn datagram(&mut self, at: Timestamp, ends: Ends, payload: &[u8]) -> Result<(), WriteError>;
    fn end(&mut self, closing: &Closing) -> Result<(), WriteError>;
    fn flush(&mut self) -> Result<(), WriteError>;
}

/// From where to where.
type Ends = (SocketAddr, SocketAddr);

impl<W: Write> Section for Writer<W> {
    fn section(&mut self, slot: &Slot) -> Result<(), WriteError> {
        Writer::section(self, slot)
    }

    fn templates(&mut self, at: Timestamp, ends: Ends, payload: &[u8]) -> Result<(), WriteError> {
        Writer::templates(self, at, ends.0, ends.1, payload)
    }

    fn datagram(&mut self, at: Timestamp, ends: Ends, payload: &[u8]) -> Result<(), WriteError> {
        Writer::datagram(self, at, ends.0, ends.1, payload)
    }

    fn end(&mut self, closing: &Closing) -> Result<(), WriteError> {
        Writer::end(self, closing)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        Writer::flush(self)
    }
}

impl Collector {
    /// Slots of `seconds`, aligned to the epoch; only datagrams from `allow`, if it is given.
    pub fn new(to: To, seconds: u32, allow: Option<Vec<IpNet>>) -> Collector {
        let output = match to {
            To::Spool(dir) => Output::Spool { dir, open: None },
            To::Stream(stream) => Output::Stream(Writer::new(stream)),
        };
        Collector {
            output,
            seconds: seconds.max(1),
            allow: allow.map(|nets| (nets.clone(), Networks::new(nets))),
            decoder: Decoder::new(Limits { restated: DEFINITIONS, ..Limits::default() }),
            batch: Batch::default(),
            ports: HashMap::default(),
            current: None,
            heard_to: None,
            dirty: false,
        }
    }

    /// The slot that is collected.
    pub fn slot(&self) -> Option<Window> {
        self.current.as_ref().map(|current| current.window)
    }

    /// Whether the slot is over at `now`. A clock that was set back by no more than a slot's length
    /// ends nothing: time stands still until it has caught up, so that no slot is begun twice for a
    /// correction at its boundary.
    pub fn due(&self, now: Timestamp) -> bool {
        self.current.as_ref().is_some_and(|Current { window, .. }| {
            now.secs() >= window.end()
                || now.secs().saturating_add(u64::from(self.seconds)) < window.start()
        })
    }

    /// Begins the slot of `now`: opens its file or section and restates the templates in force.
    ///
    /// # Errors
    /// What the output says. In a spool collecting goes on: see [`retry`](Collector::retry).
    pub fn begin(&mut self, now: Timestamp) -> Result<(), CollectError> {
        let window = Window::at(now, self.seconds);
        // The sockets were listening since the slot before ended.
        let start = match self.heard_to == Some(window.start()) {
            true => Timestamp::from_secs(window.start()),
            false => now,
        };
        self.current = Some(Current {
            window,
            start,
            last: now,
            received: 0,
            unwritten: 0,
            denied: Denied::default(),
            told: false,
        });
        let result = self.open(now);
        // Those that still speak come back with their next datagram.
        if self.ports.len() >= EXPORTERS {
            self.ports.clear();
        }
        self.tell(result)
    }

    /// Tries to make the slot's file again if that failed before.
    ///
    /// # Errors
    /// What the output says, the first time in a slot.
    pub fn retry(&mut self, now: Timestamp) -> Result<(), CollectError> {
        if self.current.is_none() || !matches!(self.output, Output::Spool { open: None, .. }) {
            return Ok(());
        }
        let result = self.open(now);
        self.tell(result)
    }

    fn open(&mut self, now: Timestamp) -> Result<(), CollectError> {
        let Some(Current { window, .. }) = self.current else { return Ok(()) };
        if let Output::Spool { dir, open } = &mut self.output {
            let file = SlotFile::create(dir, window, Compression::None)?;
            let part = file.part().to_owned();
            let writer = Writer::new(BufWriter::with_capacity(BUFFER, file));
            *open = Some(Box::new(File { writer, part }));
        }
        self.dirty = true;
        let slot = Slot { window, allow: self.allow.as_ref().map(|(nets, _)| nets.clone()) };
        let (decoder, ports) = (&self.decoder, &self.ports);
        let wrote = self.output.with(|file| {
            file.section(&slot)?;
            decoder.in_force(now).try_for_each(|(exporter, payload)| {
                let ends = ports.get(&exporter).copied().unwrap_or_else(|| unknown(exporter));
                file.templates(now, ends, &payload)
            })
        });
        wrote.unwrap_or(Ok(()))
    }

    /// Only the first failure of a slot's output is told; a stream that failed is at its end.
    fn tell(&mut self, result: Result<(), CollectError>) -> Result<(), CollectError> {
        match (&mut self.current, &self.output) {
            (Some(current), Output::Spool { .. }) if result.is_err() => {
                match std::mem::replace(&mut current.told, true) {
                    true => Ok(()),
                    false => result,
                }
            }
            _ => result,
        }
    }

    /// Takes a datagram that arrived at `now` from `from` at our address `to`, in the slot that is
    /// open. Time does not run back within a slot.
    ///
    /// # Errors
    /// It was not written; in a spool only the first time in a slot.
    pub fn datagram(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), CollectError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        current.last = current.last.max(now);
        let exporter = from.ip().to_canonical();
        if let Some((_, allowed)) = &self.allow
            && !allowed.contains(exporter)
        {
            current.denied.count(exporter);
            return Ok(());
        }
        current.received += 1;
        let arrival = current.last;
        if let [0, 9 | 10, ..] = payload {
            if self.ports.len() < EXPORTERS || self.ports.contains_key(&exporter) {
                self.ports.insert(exporter, (from, to));
            }
            self.batch.clear();
            self.decoder.watch(exporter, arrival, payload, &mut self.batch);
        }
        match self.output.with(|file| file.datagram(arrival, (from, to), payload)) {
            Some(Ok(())) => {
                self.dirty = true;
                Ok(())
            }
            failed => {
                current.unwritten += 1;
                self.tell(failed.unwrap_or(Ok(())))
            }
        }
    }

    /// Whether something waits to be flushed.
    pub const fn dirty(&self) -> bool {
        self.dirty
    }

    /// Notes that somebody listens at `now`, and brings what was written to the output.
    ///
    /// # Errors
    /// What the output says; in a spool only the first time in a slot.
    pub fn flush(&mut self, now: Timestamp) -> Result<(), CollectError> {
        if let Some(current) = &mut self.current {
            current.last = current.last.max(now);
        }
        if !self.dirty {
            return Ok(());
        }
        let result = self.output.with(|file| file.flush()).unwrap_or(Ok(()));
        self.dirty = result.is_err();
        self.tell(result)
    }

    /// Ends the slot, at its own end or before: closing block, flush, and in a spool the file's
    /// name. `None` if no slot is open.
    ///
    /// # Errors
    /// What a stream says; what a spool says is in [`Finished::error`].
    pub fn end(
        &mut self,
        now: Timestamp,
        dropped_kernel: u64,
    ) -> Result<Option<Finished>, CollectError> {
        let Some(current) = self.current.take() else { return Ok(None) };
        let window = current.window;
        let over = Timestamp::from_secs(window.end());
        let end = match now.secs().checked_sub(window.end()) {
            // Longer than a slot ago: the clock was set, or the machine slept.
            Some(after) if after >= u64::from(self.seconds) => current.last,
            Some(_) => over,
            None => current.last.max(now),
        };
        let end = end.clamp(current.start, over.max(current.start));
        self.heard_to = (end == over).then_some(window.end());
        let closing = Closing {
            received: current.received,
            dropped_kernel,
            dropped_queue: current.unwritten,
            start: current.start,
            end,
        };
        self.dirty = false;
        let closed = self.output.with(|file| {
            file.end(&closing)?;
            file.flush()
        });
        let (mut file, mut error) = (None, closed.and_then(Result::err));
        match &mut self.output {
            Output::Stream(_) => error = error.map_or(Ok(None), Err)?,
            Output::Spool { open, .. } => {
                if let Some(open) = open.take() {
                    // What the disk did not take by now is given up.
                    let (written, _) = open.writer.into_inner().into_parts();
                    match written.finish() {
                        Ok(name) => file = Some(name),
                        Err(failed) => error = error.or(Some(failed.into())),
                    }
                }
            }
        }
        Ok(Some(Finished { slot: window, file, closing, denied: current.denied, error }))
    }
}

/// Ends of a datagram of an exporter whose ports are not known.
fn unknown(exporter: IpAddr) -> Ends {
    let any: IpAddr = match exporter {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    (SocketAddr::new(exporter, 0), SocketAddr::new(any, 0))
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("slot", &self.slot()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
