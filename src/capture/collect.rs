//! The writing: chunks of datagrams into files of their slots, in a thread that may wait for the disk.
//!
//! The collector knows no clock and no socket: chunks say which slot they belong to and when it is
//! over. It follows what templates and options are in force, to begin each file with them, and the
//! exporters' sequence numbers, to say what is missing.
//!
//! A disk that takes no more stops nothing: [`take`](Collector::take) fails, keeps its place to the
//! octet, and goes on there when it is called with the same chunk again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use zstd::stream::write::Encoder;

use super::TEMPLATES;
use super::admission::Denied;
use super::error::WriteError;
use super::packet_block::{self, Endpoints};
use super::queue::{Chunk, ChunkCounts};
use super::section::{Closing, Slot};
use super::slots::ReceivedSpan;
use super::spool::{Compression, SlotFile, SlotFileError};
use super::template_cache::{self, TemplateCache};
use super::writer;
use crate::time::{Timestamp, Window};
use crate::wire::{Batch, Decoder, DecoderLimits, Domain, Fault, Lost, Stats};

/// Exporters whose ports are known, at most: without an allow list anybody can send from ever new
/// addresses. Those whose templates are known stay. Templates of one beyond them are restated from
/// port 0.
const EXPORTERS: usize = 16_384;

/// Octets of templates and options that are kept, of all exporters. They stand at the head of every
/// file.
const RESTATED: usize = 16 << 20;

/// Where the datagrams go.
pub enum Output {
    /// A directory, one file a slot.
    Spool {
        /// Which.
        dir: PathBuf,
        /// A level of zstd, if the files are to be compressed.
        zstd: Option<i32>,
    },
    /// A pipe, one section a slot.
    Stream(Box<dyn Write + Send>),
}

/// Puts datagrams into slots.
pub struct Collector {
    to: Output,
    /// Knows what is in force.
    decoder: Decoder,
    batch: Batch,
    /// From where to where each exporter of templates sent its last datagram.
    ports: HashMap<IpAddr, Endpoints, RandomState>,
    open: Option<Open>,
    /// How far the chunk in hand was taken.
    progress: Progress,
    known: TemplateCache,
    /// Something was written since the last [`sync`](Collector::sync).
    dirty: bool,
    /// Counts of a slot that was passed over, for the next one.
    carried: (ChunkCounts, Lost),
    /// Datagrams of such slots since somebody asked.
    passed: u64,
}

/// A slot, or a part of one, while it is written.
struct Open {
    slot: Arc<Slot>,
    start: Timestamp,
    heard: Timestamp,
    tally: ChunkCounts,
    missing: Lost,
    output: Option<OpenFile>,
    /// Octets that go before the next chunk's: the section's beginning, or its end.
    ahead: Pending,
    /// Once the slot is over.
    closing: Option<Closing>,
    /// A part of it is missing: nothing more is written.
    given_up: bool,
    /// It can have no file, or its file no name: what comes of it is counted in the next one.
    passed_over: bool,
    /// Datagrams that a compressor has and that may not be in the file yet.
    inside: u64,
}

#[derive(Default)]
struct Pending {
    octets: Vec<u8>,
    written: usize,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    /// Its datagrams were looked at.
    watched: bool,
    /// Octets of its blocks that were written.
    written: usize,
}

/// What a slot is written to.
enum OpenFile {
    Plain(SlotFile),
    Zstd(Box<Encoder<'static, SlotFile>>),
    /// The stream itself is in [`Output`].
    Stream,
}

/// A slot, or a part of one, that is over.
#[derive(Debug)]
pub struct Finished {
    /// The slot.
    pub slot: Window,
    /// Its file; `None` in a stream, and of a slot that was given up.
    pub file: Option<PathBuf>,
    /// What its closing block says.
    pub closing: Closing,
    /// Who was not allowed.
    pub denied: Denied,
    /// Who sent more than it may.
    pub limited: Denied,
    /// Why the file lacks its closing block or its name.
    pub error: Option<CollectError>,
}

/// What is missing of an exporter's domain, by its sequence numbers, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Who.
    pub domain: Domain,
    /// Datagrams that came.
    pub datagrams: u64,
    /// What is missing, in the exporter's own unit.
    pub missing: Lost,
    /// How often it began anew.
    pub restarts: u64,
}

/// Counts of exporters' data that was forgotten since the start because a table was full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Domains, with their templates.
    pub domains: u64,
    /// Templates one by one.
    pub templates: u64,
    /// Templates and domains that the system had no memory for.
    pub refused: u64,
    /// Domains by the exporter address whose they were, of some addresses.
    pub by: BTreeMap<IpAddr, u64>,
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
    /// It belongs to a slot that is given up.
    #[error("what was before it could not be written")]
    GivenUp,
}

impl CollectError {
    /// The system's reason, where it is the output that failed.
    pub(super) fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            CollectError::File(error) => Some(error.error.kind()),
            CollectError::Write { source: WriteError::Io(error), .. } => Some(error.kind()),
            _ => None,
        }
    }
}

impl Collector {
    /// Writes to `to` what comes in at these addresses; what is remembered of an earlier run in the
    /// same spool is in force again. Also says why not all of it is, if so.
    pub fn new(to: Output, listening: &[SocketAddr]) -> (Collector, Option<String>) {
        let limits = DecoderLimits { restated: RESTATED, ..DecoderLimits::default() };
        let mut collector = Collector {
            to,
            decoder: Decoder::new(limits),
            batch: Batch::default(),
            ports: HashMap::default(),
            open: None,
            progress: Progress::default(),
            known: TemplateCache::default(),
            dirty: false,
            carried: (ChunkCounts::default(), Lost::default()),
            passed: 0,
        };
        let error = collector.recall(listening);
        (collector, error)
    }

    fn recall(&mut self, listening: &[SocketAddr]) -> Option<String> {
        let Output::Spool { dir, .. } = &self.to else { return None };
        let (datagrams, error) = template_cache::read(dir);
        for (from, port, payload) in datagrams {
            let exporter = from.ip();
            self.batch.clear();
            self.decoder.learn(exporter, &payload, &mut self.batch);
            // Other programs tell templates apart by where they were sent to: here, as what comes.
            let hears = |to: &&SocketAddr| {
                to.ip().to_canonical().is_ipv4() == exporter.is_ipv4()
                    || to.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            };
            let ours = || listening.iter().filter(hears);
            if let Some(&to) = ours().find(|to| to.port() == port).or_else(|| ours().next()) {
                self.ports.insert(exporter, (from, to));
            }
        }
        self.known = TemplateCache::at(self.decoder.generation());
        error
    }

    /// Writes to a stream, which does not come back when it is gone.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self.to, Output::Stream(_))
    }

    /// At the end what is in force is written down whatever that takes.
    pub(super) fn flush_now(&mut self) {
        self.known.flush_now();
    }

    /// Takes a chunk: writes its datagrams, and finishes the slot if it is over. A slot that is over
    /// is added to `finished`.
    ///
    /// # Errors
    /// What the output says. Call it again with the same chunk, or [`abandon`](Collector::abandon)
    /// that.
    pub(super) fn take(
        &mut self,
        chunk: &mut Chunk,
        finished: &mut Vec<Finished>,
    ) -> Result<(), CollectError> {
        if self.open.as_ref().is_some_and(|open| !Arc::ptr_eq(&open.slot, &chunk.slot)) {
            // Its end was not told for want of room.
            match self.open.as_ref().is_some_and(|open| open.passed_over) {
                true => self.carry(),
                false => self.end(None, finished)?,
            }
        }
        if self.open.is_none() {
            self.begin(chunk)?;
        }
        if self.open.as_ref().is_some_and(|open| open.given_up) {
            return Err(CollectError::GivenUp);
        }
        if !self.progress.watched {
            self.watch(chunk);
            self.progress.watched = true;
        }
        if let Some(open) = self.open.as_mut().filter(|open| open.passed_over) {
            // With its closing block formed, all of it was counted when it was passed over.
            if open.closing.is_none() {
                open.tally.dropped_queue += chunk.entries.len() as u64;
                self.passed += chunk.entries.len() as u64;
            }
            if chunk.end.is_some() {
                self.carry();
            }
            self.progress = Progress::default();
            return Ok(());
        }
        self.open()?;
        if let Some(open) = &mut self.open {
            if let Some(output) = &mut open.output {
                put(&mut self.to, output, &open.ahead.octets, &mut open.ahead.written)?;
                // What stands at the head of a file can be large.
                if open.closing.is_none() {
                    open.ahead = Pending::default();
                }
                put(&mut self.to, output, &chunk.blocks, &mut self.progress.written)?;
                self.dirty |= !chunk.blocks.is_empty();
                if matches!(output, OpenFile::Zstd(_)) {
                    open.inside += chunk.entries.len() as u64;
                }
            }
        }
        if let Some(end) = chunk.end {
            self.end(Some(end), finished)?;
        }
        self.progress = Progress::default();
        Ok(())
    }

    /// Whether the slot that is open can have no file, by what `error` says, and is over at `now`: what
    /// keeps one slot from the disk must not keep all that follow.
    pub(super) fn is_hopeless(&self, error: &CollectError, now: Timestamp) -> bool {
        let is_over = |open: &Open| open.slot.window.end() <= now.secs();
        matches!(error, CollectError::File(error) if error.is_of_the_slot())
            && self.open.as_ref().is_some_and(is_over)
    }

    /// Passes the open slot over. Its datagrams are dropped, and counted in the next slot's file: also
    /// those that were written, where the file is whole but can have no name, because no reader finds
    /// them.
    pub(super) fn pass_over(&mut self, error: CollectError, finished: &mut Vec<Finished>) {
        let Some(open) = &mut self.open else { return };
        open.passed_over = true;
        if open.closing.is_some() {
            let ChunkCounts { received, dropped_queue, limited, .. } = &mut open.tally;
            let written = received.saturating_sub(*dropped_queue + limited.datagrams);
            *dropped_queue += written;
            self.passed += written;
        }
        let (denied, limited) = Default::default();
        let (slot, closing) = (open.slot.window, open.closing.unwrap_or_default());
        finished.push(Finished { slot, file: None, closing, denied, limited, error: Some(error) });
    }

    /// Leaves a slot that was passed over.
    fn carry(&mut self) {
        if let Some(open) = self.open.take() {
            self.carried.0.add(&open.tally);
            self.carried.1.add(open.missing);
        }
    }

    /// Datagrams of slots that were passed over, since the last call.
    pub(super) fn passed(&mut self) -> u64 {
        std::mem::take(&mut self.passed)
    }

    /// Datagrams that were dropped with slots that were passed over, and that no file counts.
    pub(super) fn uncounted(&self) -> u64 {
        self.carried.0.dropped_queue
    }

    /// Begins the slot of a chunk, with what is in force before it.
    fn begin(&mut self, chunk: &Chunk) -> Result<(), CollectError> {
        let failed = |source| CollectError::Write { path: None, source };
        let mut octets = writer::opening(&chunk.slot).map_err(failed)?;
        let now = chunk.entries.first().map_or(chunk.heard, |entry| entry.arrival);
        for (exporter, payload) in self.decoder.restate(now) {
            let ends = self.ports.get(&exporter).copied().unwrap_or_else(|| unknown(exporter));
            // Of sixteen megabytes at most: it is tried again, as what the disk does not take.
            let room = octets.try_reserve(payload.len() + packet_block::AROUND);
            room.map_err(|_| failed(io::Error::from(io::ErrorKind::OutOfMemory).into()))?;
            packet_block::append(&mut octets, now, ends, &payload, Some(TEMPLATES))
                .map_err(failed)?;
        }
        self.open = Some(Open {
            slot: Arc::clone(&chunk.slot),
            start: now,
            heard: now,
            tally: std::mem::take(&mut self.carried.0),
            missing: std::mem::take(&mut self.carried.1),
            output: None,
            ahead: Pending { octets, written: 0 },
            closing: None,
            given_up: false,
            passed_over: false,
            inside: 0,
        });
        // The others come back with their next datagram if they still speak.
        if self.ports.len() >= EXPORTERS {
            let known: HashSet<IpAddr, RandomState> =
                self.decoder.stats().map(|(domain, _)| domain.exporter).collect();
            self.ports.retain(|exporter, _| known.contains(exporter));
        }
        Ok(())
    }

    /// Learns what a chunk's datagrams say of templates, and follows their numbers.
    fn watch(&mut self, chunk: &Chunk) {
        self.batch.clear();
        for entry in &chunk.entries {
            let Some(payload) = chunk.blocks.get(entry.payload.clone()) else { continue };
            let exporter = entry.ends.0.ip().to_canonical();
            let mut has_room = || {
                self.ports.contains_key(&exporter)
                    || (self.ports.len() < EXPORTERS && self.ports.try_reserve(1).is_ok())
            };
            if matches!(payload, [0, 9 | 10, ..]) && has_room() {
                self.ports.insert(exporter, entry.ends);
            }
            self.batch.errors.clear();
            self.decoder.watch(exporter, entry.arrival, payload, &mut self.batch);
        }
        if let Some(open) = &mut self.open {
            open.missing.add(self.batch.lost);
            open.tally.add(&chunk.tally);
            open.heard = open.heard.max(chunk.heard);
        }
    }

    /// Makes the file of the open slot, if there is none yet.
    fn open(&mut self) -> Result<(), CollectError> {
        let Some(open) = self.open.as_mut().filter(|open| open.output.is_none()) else {
            return Ok(());
        };
        open.output = Some(match &self.to {
            Output::Stream(_) => OpenFile::Stream,
            Output::Spool { dir, zstd: None } => {
                OpenFile::Plain(SlotFile::create(dir, open.slot.window, Compression::None)?)
            }
            Output::Spool { dir, zstd: Some(level) } => {
                let file = SlotFile::create(dir, open.slot.window, Compression::Zstd)?;
                let path = file.part().to_owned();
                let encoder = Encoder::new(file, *level).map_err(|error| failed(&path, error))?;
                OpenFile::Zstd(Box::new(encoder))
            }
        });
        self.dirty = true;
        Ok(())
    }

    /// Ends the open slot: closing block, disk, and in a spool the file's name.
    fn end(
        &mut self,
        heard: Option<ReceivedSpan>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), CollectError> {
        self.open()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let closing = match open.closing {
            Some(closing) => closing,
            None => {
                let heard = heard.unwrap_or(ReceivedSpan { start: open.start, end: open.heard });
                let closing = closing(&open.tally, open.missing, heard);
                let octets = writer::closing(&closing)
                    .map_err(|source| CollectError::Write { path: None, source })?;
                open.ahead.octets.extend_from_slice(&octets);
                *open.closing.insert(closing)
            }
        };
        let Some(output) = &mut open.output else { return Ok(()) };
        put(&mut self.to, output, &open.ahead.octets, &mut open.ahead.written)?;
        let file = match output {
            OpenFile::Stream => {
                flush(&mut self.to)?;
                None
            }
            OpenFile::Plain(file) => Some(finish(file)?),
            OpenFile::Zstd(encoder) => {
                let path = encoder.get_ref().part().to_owned();
                encoder.do_finish().map_err(|error| failed(&path, error))?;
                Some(finish(encoder.get_mut())?)
            }
        };
        self.dirty = false;
        if let Some(Open { slot, tally, .. }) = self.open.take() {
            let ChunkCounts { limited, denied, .. } = tally;
            let slot = slot.window;
            finished.push(Finished { slot, file, closing, denied, limited, error: None });
        }
        Ok(())
    }

    /// Gives up a chunk that could not be written, and with it the rest of its slot: the file is left
    /// as it is. Returns how many datagrams are in no file; of a compressed one, how many may not be.
    pub(super) fn abandon(
        &mut self,
        chunk: &Chunk,
        error: CollectError,
        finished: &mut Vec<Finished>,
    ) -> u64 {
        let Progress { watched, written } = std::mem::take(&mut self.progress);
        let lost = chunk.entries.iter().filter(|entry| entry.payload.end > written).count() as u64;
        let Some(open) = &mut self.open else { return lost };
        let lost = match open.output {
            // What went into a compressor did not necessarily come out.
            Some(OpenFile::Zstd(_)) => {
                chunk.entries.len() as u64 + std::mem::take(&mut open.inside)
            }
            _ => lost,
        };
        if !watched {
            open.tally.add(&chunk.tally);
        }
        open.tally.dropped_queue += lost;
        open.given_up = true;
        let Some(heard) = chunk.end else { return lost };
        let file = match &open.output {
            Some(OpenFile::Plain(file)) => file.finish().ok(),
            Some(OpenFile::Zstd(encoder)) => encoder.get_ref().finish().ok(),
            Some(OpenFile::Stream) | None => None,
        };
        let closing = closing(&open.tally, open.missing, heard);
        if let Some(Open { slot, tally: ChunkCounts { limited, denied, .. }, .. }) =
            self.open.take()
        {
            let (slot, error) = (slot.window, Some(error));
            finished.push(Finished { slot, file, closing, denied, limited, error });
        }
        lost
    }

    /// Brings what was written to the disk. Returns whether a file that somebody had removed was made
    /// again.
    ///
    /// # Errors
    /// What the output says; it can be called again.
    pub(super) fn sync(&mut self) -> Result<bool, CollectError> {
        let mut restored = false;
        if let Some(Open { output: Some(output), inside, .. }) = &mut self.open {
            if std::mem::replace(&mut self.dirty, false) {
                let result = match output {
                    OpenFile::Stream => flush(&mut self.to),
                    OpenFile::Plain(file) => Ok(file.sync()?),
                    OpenFile::Zstd(encoder) => {
                        let path = encoder.get_ref().part().to_owned();
                        encoder.flush().map_err(|error| failed(&path, error))?;
                        *inside = 0;
                        Ok(encoder.get_ref().sync()?)
                    }
                };
                result.inspect_err(|_| self.dirty = true)?;
            }
            restored = match output {
                OpenFile::Stream => false,
                OpenFile::Plain(file) => file.restore()?,
                OpenFile::Zstd(encoder) => encoder.get_mut().restore()?,
            };
        }
        Ok(restored)
    }

    /// Whether files are compressed.
    pub(super) const fn compresses(&self) -> bool {
        matches!(self.to, Output::Spool { zstd: Some(_), .. })
    }

    /// Writes down what is in force, if it is not what was written down.
    ///
    /// # Errors
    /// What the system says; what was remembered before is still there.
    pub(super) fn remember(&mut self) -> Result<(), SlotFileError> {
        let Output::Spool { dir, .. } = &self.to else { return Ok(()) };
        let generation = self.decoder.generation();
        if self.known.is(generation) {
            return Ok(());
        }
        let now = self.open.as_ref().map_or(Timestamp::default(), |open| open.heard);
        let ports = &self.ports;
        let all = self.decoder.restate(now).map(|(exporter, payload)| {
            let ends = ports.get(&exporter).copied().unwrap_or_else(|| unknown(exporter));
            (ends, payload)
        });
        self.known.write(dir, generation, now, all)
    }

    /// What is missing of each exporter's domain.
    pub(super) fn followed(&self) -> Vec<Followed> {
        let of = |(domain, stats): (&Domain, &Stats)| Followed {
            domain: *domain,
            datagrams: stats.datagrams,
            missing: stats.lost,
            restarts: stats.restarts,
        };
        let mut all = Vec::new();
        // Where there is no memory for all of them, it is told of some.
        for followed in self.decoder.stats().map(of) {
            if all.try_reserve(1).is_err() {
                break;
            }
            all.push(followed);
        }
        all
    }

    /// Returns what was forgotten of exporters since the start.
    pub(super) fn forgotten(&self) -> Forgotten {
        let totals = self.decoder.totals();
        let of = |stats: &Stats| stats.faults.get(Fault::Memory);
        let refused = self.decoder.stats().map(|(_, stats)| of(stats)).sum::<u64>();
        Forgotten {
            domains: totals.evicted_domains,
            templates: totals.evicted_templates,
            refused: totals.refused + of(&totals.evicted) + refused,
            by: totals.evicted_by.clone(),
        }
    }
}

fn closing(tally: &ChunkCounts, missing: Lost, heard: ReceivedSpan) -> Closing {
    Closing {
        received: tally.received,
        dropped_kernel: tally.dropped_kernel,
        dropped_queue: tally.dropped_queue,
        limited: tally.limited.datagrams,
        denied: tally.denied.datagrams,
        missing,
        start: heard.start,
        end: heard.end,
    }
}

/// Writes what is left of some octets.
fn put(
    to: &mut Output,
    output: &mut OpenFile,
    octets: &[u8],
    written: &mut usize,
) -> Result<(), CollectError> {
    while let Some(left) = octets.get(*written..).filter(|left| !left.is_empty()) {
        let (result, path) = match (&mut *output, &mut *to) {
            (OpenFile::Plain(file), _) => (file.write(left), Some(file.part())),
            (OpenFile::Zstd(file), _) => (file.write(left), Some(file.get_ref().part())),
            (OpenFile::Stream, Output::Stream(stream)) => (stream.write(left), None),
            (OpenFile::Stream, Output::Spool { .. }) => return Ok(()),
        };
        let error = match result {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(n) => {
                *written += n;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        let path = path.map(Path::to_owned);
        return Err(CollectError::Write { path, source: error.into() });
    }
    Ok(())
}

fn flush(to: &mut Output) -> Result<(), CollectError> {
    match to {
        Output::Stream(stream) => {
            stream.flush().map_err(|error| CollectError::Write { path: None, source: error.into() })
        }
        Output::Spool { .. } => Ok(()),
    }
}

/// Gives a file its name, once it is on the disk.
fn finish(file: &mut SlotFile) -> Result<PathBuf, CollectError> {
    file.restore()?;
    file.sync()?;
    Ok(file.finish()?)
}

fn failed(path: &Path, error: io::Error) -> CollectError {
    CollectError::Write { path: Some(path.to_owned()), source: error.into() }
}

/// Ends of a datagram of an exporter whose ports are not known.
fn unknown(exporter: IpAddr) -> Endpoints {
    let any: IpAddr = match exporter {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    (SocketAddr::new(exporter, 0), SocketAddr::new(any, 0))
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
