//! What lies between receiving and writing: chunks of datagrams in their order, and a bound on them.
//!
//! One side never waits for the other. The receiver fills a [`Chunk`] with whole packet blocks and
//! hands it over when it is full, or when the writer has nothing to do; a writer that is held up by a
//! slow or full disk finds everything again until the bound is reached, and from then on the receiver
//! drops and counts.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::admission::Denied;
use super::error::WriteError;
use super::packet_block::{self, AROUND, Endpoints, LONGEST};
use super::section::Slot;
use super::slots::ReceivedSpan;
use crate::time::Timestamp;

/// Octets of blocks from which on a chunk is full: a tenth of a second at a hundred thousand flows a
/// second, and what a level-two cache holds several times.
const FULL: usize = 256 * 1024;

/// Emptied chunks that are kept for the next ones, ten megabytes: fresh memory has to be cleared by
/// the kernel, which costs half of what receiving into it does.
const SPARE: usize = 32;

/// Octets beyond the bound that are kept for the ends of slots alone: with slots of a second, an hour
/// of them.
const ENDS: usize = 4 << 20;

/// What a chunk costs however little is in it.
const OVERHEAD: usize = 1024;

/// A datagram in a chunk.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub arrival: Timestamp,
    pub ends: Endpoints,
    /// Where its payload lies in [`Chunk::blocks`].
    pub payload: Range<usize>,
}

/// What was counted while a chunk was filled.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkCounts {
    pub received: u64,
    pub dropped_kernel: u64,
    pub dropped_queue: u64,
    pub limited: Denied,
    pub denied: Denied,
}

/// A stretch of receiving, of one slot.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The slot it belongs to; the next chunks share it.
    pub slot: Arc<Slot>,
    /// Whole blocks of all datagrams, as they stand in a file.
    pub blocks: Vec<u8>,
    pub entries: Vec<Entry>,
    pub tally: ChunkCounts,
    /// Up to when it was listened.
    pub heard: Timestamp,
    /// The slot, or this part of it, is over.
    pub end: Option<ReceivedSpan>,
}

impl ChunkCounts {
    /// All that was lost here.
    pub fn lost(&self) -> u64 {
        self.dropped_kernel + self.dropped_queue + self.limited.datagrams
    }

    pub fn add(&mut self, other: &ChunkCounts) {
        let ChunkCounts { received, dropped_kernel, dropped_queue, limited, denied } = other;
        self.received += received;
        self.dropped_kernel += dropped_kernel;
        self.dropped_queue += dropped_queue;
        self.limited.add(limited);
        self.denied.add(denied);
    }
}

impl Chunk {
    pub fn new(slot: Arc<Slot>) -> Chunk {
        Chunk {
            slot,
            blocks: Vec::new(),
            entries: Vec::new(),
            tally: ChunkCounts::default(),
            heard: Timestamp::default(),
            end: None,
        }
    }

    /// Adds a datagram.
    ///
    /// # Errors
    /// It fits no packet, or the system has no memory for it; nothing was added.
    pub fn push(
        &mut self,
        arrival: Timestamp,
        ends: (SocketAddr, SocketAddr),
        payload: &[u8],
    ) -> Result<(), WriteError> {
        // Once: what a chunk may have at most. Pages that are never touched cost nothing.
        let room = if self.blocks.is_empty() { FULL + LONGEST } else { payload.len() + AROUND };
        let reserved = self.blocks.try_reserve(room).and_then(|()| self.entries.try_reserve(1));
        reserved.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let at = packet_block::append(&mut self.blocks, arrival, ends, payload, None)?;
        self.entries.push(Entry { arrival, ends, payload: at..at + payload.len() });
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.blocks.len() + self.entries.len() * size_of::<Entry>() >= FULL
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory that it holds once it is [`fitted`](Chunk::fitted).
    fn weight(&self) -> usize {
        let (blocks, entries) = match self.is_short() {
            true => (self.blocks.len(), self.entries.len()),
            false => (self.blocks.capacity(), self.entries.capacity()),
        };
        OVERHEAD + blocks + entries * size_of::<Entry>()
    }

    fn is_short(&self) -> bool {
        self.blocks.len() < FULL / 2
    }

    /// The same with no more memory than it needs, where it is far from full.
    fn fitted(mut self) -> Chunk {
        if self.is_short() {
            self.blocks.shrink_to_fit();
            self.entries.shrink_to_fit();
        }
        self
    }

    /// Drops the datagrams in it, and counts them. Returns how many there were.
    pub fn drop_datagrams(&mut self) -> u64 {
        let dropped = self.entries.len() as u64;
        self.blocks.clear();
        self.entries.clear();
        self.tally.dropped_queue += dropped;
        dropped
    }

    /// Empties it for another slot.
    fn reset(&mut self, slot: Arc<Slot>) {
        self.slot = slot;
        self.blocks.clear();
        self.entries.clear();
        (self.tally, self.end) = (ChunkCounts::default(), None);
    }
}

/// Chunks that wait for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    state: Mutex<QueueState>,
    /// There is something to take, or nothing more will come.
    filled: Condvar,
    /// Something was taken.
    taken: Condvar,
    octets: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    chunks: VecDeque<Chunk>,
    octets: usize,
    spare: Vec<Chunk>,
    closed: bool,
}

/// What the writer finds.
#[derive(Debug)]
pub(super) enum Pop {
    Chunk(Box<Chunk>),
    /// Nothing in the time that it waited.
    Nothing,
    /// Nothing more will come.
    Closed,
}

impl Queue {
    /// A queue of so many octets, or of one chunk if that is more.
    pub fn new(limit: usize) -> Queue {
        Queue {
            limit,
            state: Mutex::default(),
            filled: Condvar::new(),
            taken: Condvar::new(),
            octets: AtomicU64::new(0),
        }
    }

    /// The bound in octets.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Octets that wait.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// A thread that panics leaves no half-made state: every change is one statement or two.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.octets() == 0
    }

    /// Hands a chunk over and leaves an empty one of the same slot in its place. False, and the
    /// chunk stays, if there is no room for it.
    pub fn push(&self, chunk: &mut Chunk) -> bool {
        let mut state = self.lock();
        self.put(&mut state, chunk, self.limit)
    }

    /// The same for the end of a slot without datagrams, for which there is room for long.
    pub fn push_end(&self, chunk: &mut Chunk) -> bool {
        let mut state = self.lock();
        self.put(&mut state, chunk, self.limit.saturating_add(ENDS))
    }

    /// The same, and waits for room. False if there was none in that time.
    pub fn push_within(&self, chunk: &mut Chunk, patience: Duration) -> bool {
        let state = self.lock();
        let weight = chunk.weight();
        let full = |state: &mut QueueState| state.octets > 0 && state.octets + weight > self.limit;
        let waited = self.taken.wait_timeout_while(state, patience, full);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.put(&mut state, chunk, self.limit)
    }

    fn put(&self, state: &mut QueueState, chunk: &mut Chunk, limit: usize) -> bool {
        let weight = chunk.weight();
        let is_full = state.octets > 0 && state.octets + weight > limit;
        if is_full || state.chunks.try_reserve(1).is_err() {
            return false;
        }
        let slot = Arc::clone(&chunk.slot);
        let mut next = state.spare.pop().unwrap_or_else(|| Chunk::new(Arc::clone(&slot)));
        next.reset(slot);
        next.heard = chunk.heard;
        state.octets += weight;
        state.chunks.push_back(std::mem::replace(chunk, next).fitted());
        self.octets.store(state.octets as u64, Ordering::Relaxed);
        self.filled.notify_one();
        true
    }

    /// Nothing more will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Whether nothing more will come.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes the next chunk, or waits for it. It may have a little more room than it was weighed
    /// with.
    pub fn pop(&self, patience: Duration) -> Pop {
        let state = self.lock();
        let waits = |state: &mut QueueState| state.chunks.is_empty() && !state.closed;
        let waited = self.filled.wait_timeout_while(state, patience, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.chunks.pop_front() {
            Some(chunk) => {
                state.octets -= chunk.weight();
                self.octets.store(state.octets as u64, Ordering::Relaxed);
                self.taken.notify_one();
                Pop::Chunk(Box::new(chunk))
            }
            None if state.closed => Pop::Closed,
            None => Pop::Nothing,
        }
    }

    /// Gives an emptied chunk back.
    pub fn give_back(&self, chunk: Chunk) {
        let mut state = self.lock();
        if state.spare.len() < SPARE && state.spare.try_reserve(1).is_ok() {
            state.spare.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Window;
    use std::thread;

    fn chunk(payloads: impl IntoIterator<Item = Vec<u8>>) -> Chunk {
        let slot = Slot { window: Window::new(0, 600).unwrap(), allow: None, ident: None };
        let mut chunk = Chunk::new(Arc::new(slot));
        let ends = (([192, 0, 2, 1], 1).into(), ([0, 0, 0, 0], 2).into());
        for payload in payloads {
            chunk.push(Timestamp::default(), ends, &payload).unwrap();
        }
        chunk
    }

    fn full() -> Chunk {
        let chunk = chunk((0..FULL / 1400).map(|_| vec![0; 1400]));
        assert!(chunk.is_full());
        chunk
    }

    fn pop(queue: &Queue) -> Option<usize> {
        match queue.pop(Duration::ZERO) {
            Pop::Chunk(chunk) => Some(chunk.entries.len()),
            Pop::Nothing | Pop::Closed => None,
        }
    }

    #[test]
    fn a_chunk_never_grows_beyond_its_room() {
        let chunk = chunk((0..4).map(|_| vec![0; 65_507]));
        assert!(chunk.is_full() && chunk.blocks.capacity() == FULL + LONGEST);
    }

    #[test]
    fn the_bound_holds_and_what_comes_out_makes_room() {
        let queue = Queue::new(1 << 20);
        let mut pushed = 0;
        let mut refused = full();
        while queue.push(&mut full()) {
            pushed += 1;
        }
        assert!((2..=4).contains(&pushed), "{pushed}");
        assert!(queue.octets() <= 1 << 20);
        assert!(!queue.push(&mut refused) && refused.is_full());
        assert!(!queue.push_within(&mut refused, Duration::from_millis(1)));
        // An end without datagrams has room.
        let dropped = refused.drop_datagrams();
        assert_eq!(refused.tally.dropped_queue, dropped);
        assert!(queue.push_end(&mut refused));
        thread::scope(|threads| {
            threads.spawn(|| assert!(pop(&queue).is_some()));
            assert!(queue.push_within(&mut full(), Duration::from_secs(30)));
        });
        let lens: Vec<_> = std::iter::from_fn(|| pop(&queue)).collect();
        assert_eq!(lens.len(), pushed + 1);
        assert_eq!(lens[pushed - 1], 0, "order is kept");
        assert!(queue.is_empty());
    }

    #[test]
    fn small_chunks_cost_what_is_in_them() {
        let queue = Queue::new(1 << 20);
        let mut pushed = 0;
        while queue.push(&mut chunk([vec![0; 100]])) {
            pushed += 1;
        }
        assert!(pushed > 500, "{pushed}");
    }

    #[test]
    fn ends_of_slots_are_bounded_too() {
        let queue = Queue::new(1 << 20);
        while queue.push(&mut full()) {}
        let mut ends = 0;
        while queue.push_end(&mut chunk([])) {
            ends += 1;
        }
        assert!((3600..10_000).contains(&ends), "{ends}");
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let queue = Queue::new(1 << 20);
        queue.push(&mut chunk([vec![1]]));
        queue.close();
        assert!(queue.is_closed());
        assert_eq!(pop(&queue), Some(1));
        assert!(matches!(queue.pop(Duration::from_secs(30)), Pop::Closed));
    }
}
