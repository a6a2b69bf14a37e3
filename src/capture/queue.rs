//! The bounded queue between receiving and writing.
//!
//! The receiver fills a [`Chunk`] with whole packet blocks, and pushes it when it is full or when the
//! writer has nothing to do. The receiver never waits for the writer: a slow or full disk lets chunks
//! queue up to the bound, and from then on the receiver drops datagrams and counts them.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::admission::Denied;
use super::error::WriteError;
use super::packet_block::{self, Endpoints, LONGEST};
use super::section::Slot;
use super::slots::ReceivedSpan;
use crate::time::Timestamp;

/// Bytes of blocks from which on a chunk is full: a tenth of a second at 100,000 flows a second, and a
/// fraction of a level-two cache.
const FULL: usize = 256 * 1024;

/// The most emptied chunks that are kept for reuse, 10 MB. Fresh memory must be cleared by the kernel,
/// which costs half as much as receiving into it.
const MAX_SPARE: usize = 32;

/// Bytes beyond the bound that are reserved for the ends of slots: an hour of slots of a second.
const ENDS_RESERVE: usize = 4 << 20;

/// Bytes that even an empty chunk costs.
const CHUNK_OVERHEAD: usize = 1024;

/// A datagram in a chunk.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub arrival: Timestamp,
    pub endpoints: Endpoints,
    /// The payload's place in [`Chunk::blocks`].
    pub payload: Range<usize>,
}

/// Counters of the time in which a chunk was filled.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkCounts {
    pub received: u64,
    pub dropped_kernel: u64,
    pub dropped_queue: u64,
    pub limited: Denied,
    pub denied: Denied,
}

/// Datagrams received one after the other in one slot.
#[derive(Debug)]
pub(super) struct Chunk {
    /// The chunk's slot, which the next chunks share.
    pub slot: Arc<Slot>,
    /// Whole blocks of all datagrams, as they are written to a file.
    pub blocks: Vec<u8>,
    pub entries: Vec<Entry>,
    pub counts: ChunkCounts,
    /// The moment until which the sockets were listening.
    pub listened_to: Timestamp,
    /// The period of the slot, or of this part of it, if the chunk ends it.
    pub end: Option<ReceivedSpan>,
}

impl ChunkCounts {
    /// Returns the datagrams dropped by the kernel, by the queue and by the rate limit.
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
            counts: ChunkCounts::default(),
            listened_to: Timestamp::default(),
            end: None,
        }
    }

    /// Adds a datagram.
    ///
    /// # Errors
    /// No packet can carry the datagram, or the system has no memory for it. Nothing is added then.
    pub fn push(
        &mut self,
        arrival: Timestamp,
        endpoints: Endpoints,
        payload: &[u8],
    ) -> Result<(), WriteError> {
        // The first datagram reserves the most that a chunk can hold. Pages never touched cost
        // nothing.
        let room = if self.blocks.is_empty() {
            FULL + LONGEST
        } else {
            payload.len() + packet_block::OVERHEAD
        };
        let reserved = self.blocks.try_reserve(room).and_then(|()| self.entries.try_reserve(1));
        reserved.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let at = packet_block::append(&mut self.blocks, arrival, endpoints, payload, None)?;
        self.entries.push(Entry { arrival, endpoints, payload: at..at + payload.len() });
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.blocks.len() + self.entries.len() * size_of::<Entry>() >= FULL
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the bytes of memory that the chunk holds once it is [`fitted`](Chunk::fitted).
    fn weight(&self) -> usize {
        let (blocks, entries) = if self.is_short() {
            (self.blocks.len(), self.entries.len())
        } else {
            (self.blocks.capacity(), self.entries.capacity())
        };
        CHUNK_OVERHEAD + blocks + entries * size_of::<Entry>()
    }

    fn is_short(&self) -> bool {
        self.blocks.len() < FULL / 2
    }

    /// Returns the chunk, without unused memory if it is far from full.
    fn fitted(mut self) -> Chunk {
        if self.is_short() {
            self.blocks.shrink_to_fit();
            self.entries.shrink_to_fit();
        }
        self
    }

    /// Drops the chunk's datagrams and counts them as dropped. Returns their number.
    pub fn drop_datagrams(&mut self) -> u64 {
        let dropped = self.entries.len() as u64;
        self.blocks.clear();
        self.entries.clear();
        self.counts.dropped_queue += dropped;
        dropped
    }

    /// Empties the chunk for another slot.
    fn reset(&mut self, slot: Arc<Slot>) {
        self.slot = slot;
        self.blocks.clear();
        self.entries.clear();
        (self.counts, self.end) = (ChunkCounts::default(), None);
    }
}

/// Chunks that wait for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    state: Mutex<QueueState>,
    /// Signals that a chunk was pushed, or that the queue was closed.
    filled: Condvar,
    /// Signals that a chunk was popped.
    taken: Condvar,
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    spare: Vec<Chunk>,
    closed: bool,
}

/// The result of [`Queue::pop`].
#[derive(Debug)]
pub(super) enum Pop {
    Chunk(Box<Chunk>),
    /// No chunk was pushed in the time to wait.
    Nothing,
    /// The queue is empty, and closed for more.
    Closed,
}

impl Queue {
    /// Returns a queue of at most `limit` bytes, or of one chunk if that is more.
    pub fn new(limit: usize) -> Queue {
        Queue {
            limit,
            state: Mutex::default(),
            filled: Condvar::new(),
            taken: Condvar::new(),
            bytes: AtomicU64::new(0),
        }
    }

    /// Returns the bound in bytes.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the bytes in the queue.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Locks the state, even after a panic: no change of the state can panic halfway.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if no chunk waits.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Moves a chunk into the queue and leaves an empty one of the same slot in its place. Returns
    /// false, and the chunk stays, if there is no room.
    pub fn push(&self, chunk: &mut Chunk) -> bool {
        let mut state = self.lock();
        self.put(&mut state, chunk, self.limit)
    }

    /// Moves the end of a slot without datagrams into the queue like [`push`](Queue::push). It may use
    /// the reserve beyond the bound.
    pub fn push_end(&self, chunk: &mut Chunk) -> bool {
        let mut state = self.lock();
        self.put(&mut state, chunk, self.limit.saturating_add(ENDS_RESERVE))
    }

    /// Moves a chunk into the queue like [`push`](Queue::push), and waits for room. Returns false if
    /// there was none in that time.
    pub fn push_within(&self, chunk: &mut Chunk, patience: Duration) -> bool {
        let state = self.lock();
        let weight = chunk.weight();
        let full = |state: &mut QueueState| state.bytes > 0 && state.bytes + weight > self.limit;
        let waited = self.taken.wait_timeout_while(state, patience, full);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.put(&mut state, chunk, self.limit)
    }

    fn put(&self, state: &mut QueueState, chunk: &mut Chunk, limit: usize) -> bool {
        let weight = chunk.weight();
        let is_full = state.bytes > 0 && state.bytes + weight > limit;
        if is_full || state.chunks.try_reserve(1).is_err() {
            return false;
        }
        let slot = Arc::clone(&chunk.slot);
        let mut next = state.spare.pop().unwrap_or_else(|| Chunk::new(Arc::clone(&slot)));
        next.reset(slot);
        next.listened_to = chunk.listened_to;
        state.bytes += weight;
        state.chunks.push_back(std::mem::replace(chunk, next).fitted());
        self.bytes.store(state.bytes as u64, Ordering::Relaxed);
        self.filled.notify_one();
        true
    }

    /// Closes the queue for more chunks.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Returns true if the queue is closed for more chunks.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes the next chunk, or waits for it up to `patience`.
    pub fn pop(&self, patience: Duration) -> Pop {
        let state = self.lock();
        let waits = |state: &mut QueueState| state.chunks.is_empty() && !state.closed;
        let waited = self.filled.wait_timeout_while(state, patience, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.chunks.pop_front() {
            Some(chunk) => {
                state.bytes -= chunk.weight();
                self.bytes.store(state.bytes as u64, Ordering::Relaxed);
                self.taken.notify_one();
                Pop::Chunk(Box::new(chunk))
            }
            None if state.closed => Pop::Closed,
            None => Pop::Nothing,
        }
    }

    /// Returns a chunk to the queue for reuse.
    pub fn give_back(&self, chunk: Chunk) {
        let mut state = self.lock();
        if state.spare.len() < MAX_SPARE && state.spare.try_reserve(1).is_ok() {
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
        let (source, destination) = (([192, 0, 2, 1], 1).into(), ([0, 0, 0, 0], 2).into());
        let endpoints = Endpoints { source, destination };
        for payload in payloads {
            chunk.push(Timestamp::default(), endpoints, &payload).unwrap();
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
    fn chunk_never_grows_beyond_its_first_reservation() {
        let chunk = chunk((0..4).map(|_| vec![0; 65_507]));
        assert!(chunk.is_full() && chunk.blocks.capacity() == FULL + LONGEST);
    }

    #[test]
    fn bound_holds_and_popped_chunks_make_room() {
        let queue = Queue::new(1 << 20);
        let mut pushed = 0;
        let mut refused = full();
        while queue.push(&mut full()) {
            pushed += 1;
        }
        assert!((2..=4).contains(&pushed), "{pushed}");
        assert!(queue.bytes() <= 1 << 20);
        assert!(!queue.push(&mut refused) && refused.is_full());
        assert!(!queue.push_within(&mut refused, Duration::from_millis(1)));
        // The end of a slot without datagrams has room.
        let dropped = refused.drop_datagrams();
        assert_eq!(refused.counts.dropped_queue, dropped);
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
    fn small_chunks_cost_only_their_content() {
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
    fn closed_queue_is_emptied_first() {
        let queue = Queue::new(1 << 20);
        queue.push(&mut chunk([vec![1]]));
        queue.close();
        assert!(queue.is_closed());
        assert_eq!(pop(&queue), Some(1));
        assert!(matches!(queue.pop(Duration::from_secs(30)), Pop::Closed));
    }
}
