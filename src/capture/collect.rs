//! Writes chunks of datagrams into the files of their slots, in a thread that may wait for the disk.
//!
//! The collector uses no clock and no socket: each chunk names its slot, and when that is over. The
//! collector follows the templates and options in force, to begin each file with them, and the
//! exporters' sequence numbers, to count missing flows and datagrams.
//!
//! If the disk fails, [`take`](Collector::take) returns an error and keeps its place to the byte. The
//! next call with the same chunk continues there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use zstd::stream::write::Encoder;

use super::admission::Denied;
use super::error::WriteError;
use super::packet_block::{self, Endpoints};
use super::queue::{Chunk, ChunkCounts};
use super::section::{Closing, Slot, TEMPLATES};
use super::slots::ReceivedSpan;
use super::spool::{Compression, SlotFile, SlotFileError};
use super::template_cache::{self, Restated, TemplateCache};
use super::writer;
use crate::time::{Timestamp, Window};
use crate::wire::{Batch, Decoder, DecoderLimits, Domain, Fault, Lost, Stats};

/// The most exporters whose ports are kept, because without an allow list anyone can send from ever new
/// addresses. Exporters with known templates are kept. The templates of further exporters are restated
/// from port 0.
const EXPORTERS: usize = 16_384;

/// The most bytes of templates and options that are kept for all exporters together. Every file begins
/// with them.
const RESTATED: usize = 16 << 20;

/// The destination of the datagrams.
pub enum Output {
    /// A directory with a file for each slot.
    Spool {
        /// Path of the directory.
        dir: PathBuf,
        /// Level of zstd, `None` without compression.
        zstd: Option<i32>,
    },
    /// A stream with a section for each slot.
    Stream(Box<dyn Write + Send>),
}

/// A writer of slots that follows the exporters.
pub struct Collector {
    to: Output,
    /// Follows templates, options and sequence numbers.
    decoder: Decoder,
    batch: Batch,
    /// Source and destination of the last datagram of each exporter that uses templates.
    ports: HashMap<IpAddr, Endpoints, RandomState>,
    open: Option<OpenSlot>,
    /// Progress within the chunk that is being taken.
    progress: Progress,
    cache: TemplateCache,
    /// True if bytes were written since the last [`sync`](Collector::sync).
    dirty: bool,
    /// Counts of skipped slots, for the next slot's closing block.
    carried: (ChunkCounts, Lost),
    /// Datagrams of skipped slots since the last [`take_skipped`](Collector::take_skipped).
    skipped: u64,
}

/// A slot, or a part of one, while it is written.
struct OpenSlot {
    slot: Arc<Slot>,
    start: Timestamp,
    /// The moment until which the sockets were listening.
    listened_to: Timestamp,
    counts: ChunkCounts,
    missing: Lost,
    output: Option<OpenFile>,
    /// Bytes to write before those of the next chunk: the beginning of the section, or its end.
    ahead: Pending,
    /// The closing block, once the slot is over.
    closing: Option<Closing>,
    /// True if a part of the slot was given up, after which no more is written.
    given_up: bool,
    /// True if the slot can have no file, or its file no name. Its datagrams count in the next slot.
    skipped: bool,
    /// Number of datagrams in the compressor that may not be in the file yet.
    compressing: u64,
}

/// Bytes to write, of which some are written.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    written: usize,
}

/// Progress within a chunk.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// True if the decoder has followed the chunk's datagrams.
    watched: bool,
    /// Bytes of the chunk's blocks that were written.
    written: usize,
}

/// The output of an open slot.
enum OpenFile {
    Plain(SlotFile),
    Zstd(Box<Encoder<'static, SlotFile>>),
    /// The stream itself is in [`Output`].
    Stream,
}

/// A finished slot, or a finished part of one.
#[derive(Debug)]
pub struct Finished {
    /// The slot.
    pub slot: Window,
    /// Path of the file, `None` in a stream and for a slot that was given up.
    pub file: Option<PathBuf>,
    /// Content of the closing block.
    pub closing: Closing,
    /// Datagrams of senders that are not allowed.
    pub denied: Denied,
    /// Datagrams of exporters that exceeded their rate.
    pub limited: Denied,
    /// The reason why the file lacks its closing block or its name.
    pub error: Option<CollectError>,
}

/// Counts of an exporter's domain by its sequence numbers, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The exporter's domain.
    pub domain: Domain,
    /// Datagrams received.
    pub datagrams: u64,
    /// Missing flows or datagrams, in the unit that the exporter counts.
    pub missing: Lost,
    /// Restarts of the sequence numbers.
    pub restarts: u64,
}

/// Counts of exporters' data that was forgotten since the start because a table was full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Domains forgotten with their templates.
    pub domains: u64,
    /// Templates forgotten one by one.
    pub templates: u64,
    /// Templates and domains for which the system had no memory.
    pub refused: u64,
    /// Number of forgotten domains by exporter address, for some addresses.
    pub by: BTreeMap<IpAddr, u64>,
}

/// The reason why a slot could not be written.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The slot's file could not be created or finished.
    #[error(transparent)]
    File(#[from] SlotFileError),
    /// Writing to the output failed.
    #[error("{}{source}", path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Write {
        /// Path of the file, `None` in a stream.
        path: Option<PathBuf>,
        /// The error.
        source: WriteError,
    },
    /// The slot was given up.
    #[error("an earlier part of the slot could not be written")]
    GivenUp,
}

impl CollectError {
    /// Returns the kind of the system's error, if the output failed.
    pub(super) fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            CollectError::File(error) => Some(error.error.kind()),
            CollectError::Write { source: WriteError::Io(error), .. } => Some(error.kind()),
            _ => None,
        }
    }
}

impl Collector {
    /// Returns a collector that writes datagrams received at these addresses to `to`. Templates and
    /// options that an earlier run has saved in the same spool are in force again. Also returns the
    /// error if not all of them could be read.
    pub fn new(to: Output, listening: &[SocketAddr]) -> (Collector, Option<String>) {
        let limits = DecoderLimits { restated: RESTATED, ..DecoderLimits::default() };
        let mut collector = Collector {
            to,
            decoder: Decoder::new(limits),
            batch: Batch::default(),
            ports: HashMap::default(),
            open: None,
            progress: Progress::default(),
            cache: TemplateCache::default(),
            dirty: false,
            carried: (ChunkCounts::default(), Lost::default()),
            skipped: 0,
        };
        let error = collector.load_templates(listening);
        (collector, error)
    }

    /// Reads the template cache. Returns the error if not all of it could be read.
    fn load_templates(&mut self, listening: &[SocketAddr]) -> Option<String> {
        let Output::Spool { dir, .. } = &self.to else { return None };
        let (datagrams, error) = template_cache::read(dir);
        for Restated { source, dport, payload } in datagrams {
            let exporter = source.ip();
            self.batch.clear();
            self.decoder.learn(exporter, &payload, &mut self.batch);
            // Other programs tell templates apart by their destination, too: the templates get the
            // same one as new datagrams.
            let receives = |to: &&SocketAddr| {
                to.ip().to_canonical().is_ipv4() == exporter.is_ipv4()
                    || to.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            };
            let own = || listening.iter().filter(receives);
            let destination = own().find(|to| to.port() == dport).or_else(|| own().next());
            if let Some(&destination) = destination {
                self.ports.insert(exporter, Endpoints { source, destination });
            }
        }
        self.cache = TemplateCache::at(self.decoder.generation());
        error
    }

    /// Returns true if the output is a stream, which cannot be opened again.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self.to, Output::Stream(_))
    }

    /// Lets the next [`save_templates`](Collector::save_templates) write at once.
    pub(super) fn flush_now(&mut self) {
        self.cache.flush_now();
    }

    /// Takes a chunk: writes its datagrams, and finishes the slot if the chunk ends it. Finished slots
    /// are added to `finished`.
    ///
    /// # Errors
    /// The output's error. Call the method again with the same chunk, or
    /// [`abandon`](Collector::abandon) the chunk.
    pub(super) fn take(
        &mut self,
        chunk: &mut Chunk,
        finished: &mut Vec<Finished>,
    ) -> Result<(), CollectError> {
        if self.open.as_ref().is_some_and(|open| !Arc::ptr_eq(&open.slot, &chunk.slot)) {
            // The queue had no room for the end of the slot before.
            if self.open.as_ref().is_some_and(|open| open.skipped) {
                self.carry();
            } else {
                self.end(None, finished)?;
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
        if let Some(open) = self.open.as_mut().filter(|open| open.skipped) {
            // If the closing block was formed, the whole slot was counted when it was skipped.
            if open.closing.is_none() {
                open.counts.dropped_queue += chunk.entries.len() as u64;
                self.skipped += chunk.entries.len() as u64;
            }
            if chunk.end.is_some() {
                self.carry();
            }
            self.progress = Progress::default();
            return Ok(());
        }
        self.open_file()?;
        if let Some(open) = &mut self.open {
            if let Some(output) = &mut open.output {
                put(&mut self.to, output, &open.ahead.bytes, &mut open.ahead.written)?;
                // The head of a file can be large, so its memory is freed.
                if open.closing.is_none() {
                    open.ahead = Pending::default();
                }
                put(&mut self.to, output, &chunk.blocks, &mut self.progress.written)?;
                self.dirty |= !chunk.blocks.is_empty();
                if matches!(output, OpenFile::Zstd(_)) {
                    open.compressing += chunk.entries.len() as u64;
                }
            }
        }
        if let Some(end) = chunk.end {
            self.end(Some(end), finished)?;
        }
        self.progress = Progress::default();
        Ok(())
    }

    /// Returns true if the open slot can have no file because of `error`, and is over at `now`. A failure
    /// of one slot must not block those that follow.
    pub(super) fn is_hopeless(&self, error: &CollectError, now: Timestamp) -> bool {
        let is_over = |open: &OpenSlot| open.slot.window.end() <= now.secs();
        matches!(error, CollectError::File(error) if error.is_of_the_slot())
            && self.open.as_ref().is_some_and(is_over)
    }

    /// Skips the open slot. Its datagrams are dropped, and count in the next slot's file. So do those
    /// that were written, if the file is whole but can have no name, because no reader finds them.
    pub(super) fn skip_slot(&mut self, error: CollectError, finished: &mut Vec<Finished>) {
        let Some(open) = &mut self.open else { return };
        open.skipped = true;
        if open.closing.is_some() {
            let ChunkCounts { received, dropped_queue, limited, .. } = &mut open.counts;
            let written = received.saturating_sub(*dropped_queue + limited.datagrams);
            *dropped_queue += written;
            self.skipped += written;
        }
        let (denied, limited) = Default::default();
        let (slot, closing) = (open.slot.window, open.closing.unwrap_or_default());
        finished.push(Finished { slot, file: None, closing, denied, limited, error: Some(error) });
    }

    /// Leaves a skipped slot, and keeps its counts for the next one.
    fn carry(&mut self) {
        if let Some(open) = self.open.take() {
            self.carried.0.add(&open.counts);
            self.carried.1.add(open.missing);
        }
    }

    /// Returns the number of datagrams of skipped slots since the last call.
    pub(super) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Returns the number of datagrams dropped with skipped slots that no file counts yet.
    pub(super) fn uncounted(&self) -> u64 {
        self.carried.0.dropped_queue
    }

    /// Begins the slot of a chunk. The templates and options in force precede its datagrams.
    fn begin(&mut self, chunk: &Chunk) -> Result<(), CollectError> {
        let failed = |source| CollectError::Write { path: None, source };
        let mut bytes = writer::opening(&chunk.slot).map_err(failed)?;
        let now = chunk.entries.first().map_or(chunk.listened_to, |entry| entry.arrival);
        for (exporter, payload) in self.decoder.restate(now) {
            let endpoints = self.ports.get(&exporter).copied();
            let endpoints = endpoints.unwrap_or_else(|| unknown(exporter));
            // Up to 16 MiB in all. The slot is tried again, as after an error of the disk.
            let room = bytes.try_reserve(payload.len() + packet_block::OVERHEAD);
            room.map_err(|_| failed(io::Error::from(io::ErrorKind::OutOfMemory).into()))?;
            packet_block::append(&mut bytes, now, endpoints, &payload, Some(TEMPLATES))
                .map_err(failed)?;
        }
        self.open = Some(OpenSlot {
            slot: Arc::clone(&chunk.slot),
            start: now,
            listened_to: now,
            counts: std::mem::take(&mut self.carried.0),
            missing: std::mem::take(&mut self.carried.1),
            output: None,
            ahead: Pending { bytes, written: 0 },
            closing: None,
            given_up: false,
            skipped: false,
            compressing: 0,
        });
        // Other exporters return with their next datagram.
        if self.ports.len() >= EXPORTERS {
            let known: HashSet<IpAddr, RandomState> =
                self.decoder.stats().map(|(domain, _)| domain.exporter).collect();
            self.ports.retain(|exporter, _| known.contains(exporter));
        }
        Ok(())
    }

    /// Learns the templates in a chunk's datagrams, and follows their sequence numbers.
    fn watch(&mut self, chunk: &Chunk) {
        self.batch.clear();
        for entry in &chunk.entries {
            let Some(payload) = chunk.blocks.get(entry.payload.clone()) else { continue };
            let exporter = entry.endpoints.source.ip().to_canonical();
            let mut has_room = || {
                self.ports.contains_key(&exporter)
                    || (self.ports.len() < EXPORTERS && self.ports.try_reserve(1).is_ok())
            };
            if matches!(payload, [0, 9 | 10, ..]) && has_room() {
                self.ports.insert(exporter, entry.endpoints);
            }
            self.batch.errors.clear();
            self.decoder.watch(exporter, entry.arrival, payload, &mut self.batch);
        }
        if let Some(open) = &mut self.open {
            open.missing.add(self.batch.lost);
            open.counts.add(&chunk.counts);
            open.listened_to = open.listened_to.max(chunk.listened_to);
        }
    }

    /// Creates the file of the open slot, if there is none yet.
    fn open_file(&mut self) -> Result<(), CollectError> {
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

    /// Ends the open slot: writes the closing block, flushes the file to the disk, and gives it its name.
    fn end(
        &mut self,
        span: Option<ReceivedSpan>,
        finished: &mut Vec<Finished>,
    ) -> Result<(), CollectError> {
        self.open_file()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        let closing = match open.closing {
            Some(closing) => closing,
            None => {
                let unknown = ReceivedSpan { start: open.start, end: open.listened_to };
                let span = span.unwrap_or(unknown);
                let closing = closing(&open.counts, open.missing, span);
                let bytes = writer::closing(&closing)
                    .map_err(|source| CollectError::Write { path: None, source })?;
                open.ahead.bytes.extend_from_slice(&bytes);
                *open.closing.insert(closing)
            }
        };
        let Some(output) = &mut open.output else { return Ok(()) };
        put(&mut self.to, output, &open.ahead.bytes, &mut open.ahead.written)?;
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
        if let Some(OpenSlot { slot, counts, .. }) = self.open.take() {
            let ChunkCounts { limited, denied, .. } = counts;
            let slot = slot.window;
            finished.push(Finished { slot, file, closing, denied, limited, error: None });
        }
        Ok(())
    }

    /// Gives up a chunk that could not be written, and the rest of its slot with it. The file is left as
    /// it is. Returns the number of datagrams that are in no file, or for a compressed file the most that
    /// this can be.
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
            // Datagrams in a compressor are not necessarily in the file.
            Some(OpenFile::Zstd(_)) => {
                chunk.entries.len() as u64 + std::mem::take(&mut open.compressing)
            }
            _ => lost,
        };
        if !watched {
            open.counts.add(&chunk.counts);
        }
        open.counts.dropped_queue += lost;
        open.given_up = true;
        let Some(span) = chunk.end else { return lost };
        let file = match &open.output {
            Some(OpenFile::Plain(file)) => file.finish().ok(),
            Some(OpenFile::Zstd(encoder)) => encoder.get_ref().finish().ok(),
            Some(OpenFile::Stream) | None => None,
        };
        let closing = closing(&open.counts, open.missing, span);
        if let Some(OpenSlot { slot, counts, .. }) = self.open.take() {
            let ChunkCounts { limited, denied, .. } = counts;
            let (slot, error) = (slot.window, Some(error));
            finished.push(Finished { slot, file, closing, denied, limited, error });
        }
        lost
    }

    /// Flushes the written bytes to the disk. Returns true if the file had been removed or moved, and was
    /// created again.
    ///
    /// # Errors
    /// The output's error. The call can be repeated.
    pub(super) fn sync(&mut self) -> Result<bool, CollectError> {
        let mut restored = false;
        if let Some(OpenSlot { output: Some(output), compressing, .. }) = &mut self.open {
            if std::mem::replace(&mut self.dirty, false) {
                let result = match output {
                    OpenFile::Stream => flush(&mut self.to),
                    OpenFile::Plain(file) => Ok(file.sync()?),
                    OpenFile::Zstd(encoder) => {
                        let path = encoder.get_ref().part().to_owned();
                        encoder.flush().map_err(|error| failed(&path, error))?;
                        *compressing = 0;
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

    /// Returns true if files are compressed.
    pub(super) const fn compresses(&self) -> bool {
        matches!(self.to, Output::Spool { zstd: Some(_), .. })
    }

    /// Saves the templates and options in force in the spool, if they have changed.
    ///
    /// # Errors
    /// The system's error. The file saved before is unchanged.
    pub(super) fn save_templates(&mut self) -> Result<(), SlotFileError> {
        let Output::Spool { dir, .. } = &self.to else { return Ok(()) };
        let generation = self.decoder.generation();
        if self.cache.is_current(generation) {
            return Ok(());
        }
        let now = self.open.as_ref().map_or(Timestamp::default(), |open| open.listened_to);
        let ports = &self.ports;
        let all = self.decoder.restate(now).map(|(exporter, payload)| {
            let endpoints = ports.get(&exporter).copied().unwrap_or_else(|| unknown(exporter));
            (endpoints, payload)
        });
        self.cache.write(dir, generation, now, all)
    }

    /// Returns the counts of each exporter's domain.
    pub(super) fn followed(&self) -> Vec<Followed> {
        let counts = |(domain, stats): (&Domain, &Stats)| Followed {
            domain: *domain,
            datagrams: stats.datagrams,
            missing: stats.lost,
            restarts: stats.restarts,
        };
        let mut all = Vec::new();
        // Without memory for all of them, some are returned.
        for followed in self.decoder.stats().map(counts) {
            if all.try_reserve(1).is_err() {
                break;
            }
            all.push(followed);
        }
        all
    }

    /// Returns the counts of exporters' data forgotten since the start.
    pub(super) fn forgotten(&self) -> Forgotten {
        let totals = self.decoder.totals();
        let refused_by = |stats: &Stats| stats.faults.get(Fault::Memory);
        let refused = self.decoder.stats().map(|(_, stats)| refused_by(stats)).sum::<u64>();
        Forgotten {
            domains: totals.evicted_domains,
            templates: totals.evicted_templates,
            refused: totals.refused + refused_by(&totals.evicted) + refused,
            by: totals.evicted_by.clone(),
        }
    }
}

fn closing(counts: &ChunkCounts, missing: Lost, span: ReceivedSpan) -> Closing {
    Closing {
        received: counts.received,
        dropped_kernel: counts.dropped_kernel,
        dropped_queue: counts.dropped_queue,
        limited: counts.limited.datagrams,
        denied: counts.denied.datagrams,
        missing,
        start: span.start,
        end: span.end,
    }
}

/// Writes the bytes from `written` on, and advances `written`.
fn put(
    to: &mut Output,
    output: &mut OpenFile,
    bytes: &[u8],
    written: &mut usize,
) -> Result<(), CollectError> {
    while let Some(left) = bytes.get(*written..).filter(|left| !left.is_empty()) {
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

/// Flushes a file to the disk, and gives it its name.
fn finish(file: &mut SlotFile) -> Result<PathBuf, CollectError> {
    file.restore()?;
    file.sync()?;
    Ok(file.finish()?)
}

fn failed(path: &Path, error: io::Error) -> CollectError {
    CollectError::Write { path: Some(path.to_owned()), source: error.into() }
}

/// Returns the endpoints of a datagram from an exporter whose ports are unknown.
fn unknown(exporter: IpAddr) -> Endpoints {
    let any: IpAddr = match exporter {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Endpoints { source: SocketAddr::new(exporter, 0), destination: SocketAddr::new(any, 0) }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
