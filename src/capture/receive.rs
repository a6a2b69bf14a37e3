//! The receiving thread: moves datagrams from the sockets into the queue.
//!
//! The thread reads no file but the kernel's table of drops, writes none, and waits for no other
//! thread. The clock is read once for each batch, as the arrival of all datagrams in it.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};

use super::admission::{Admission, Allow, Decision};
use super::packet_block::Endpoints;
use super::queue::{Chunk, Queue};
use super::section::Slot;
use super::slots::Slots;
use super::socket::{BATCH, Buffer, Drops, Socket};
use super::spool::Clocks;
use crate::time::{Timestamp, Window};

/// The longest time that datagrams wait for more of them before the writer gets them.
const HOLD: Duration = Duration::from_millis(20);

/// The longest sleep, after which the thread sees that the clock was set.
const SLEEP: Duration = Duration::from_secs(1);

/// Pause between reads if many datagrams arrive, because waking up for a few costs more than reading
/// them. The receive buffer holds many times the datagrams of this time. The pause is half as long for a
/// buffer below [`AMPLE`].
const NAP: Duration = Duration::from_millis(1);

/// Bytes of a receive buffer for about 1,500 datagrams of full length.
const AMPLE: usize = 4 << 20;

/// Datagrams of one read from which on [`NAP`] is slept.
const MANY: usize = 8;

/// Batches that are read from one socket before the next one.
const BATCHES: usize = 16;

/// At the end, the time for taking the kernel's datagrams and for waiting for the writer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counters since the start. Any thread may read them at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams from allowed exporters that the kernel handed over.
    pub received: AtomicU64,
    /// Bytes of payload of the received datagrams.
    pub bytes: AtomicU64,
    /// Received datagrams that were dropped because the queue was full.
    pub dropped_queue: AtomicU64,
    /// Received datagrams that were dropped because their exporter exceeded its rate.
    pub limited: AtomicU64,
    /// Datagrams of senders that are not allowed.
    pub denied: AtomicU64,
    /// Datagrams that were written or given up.
    pub written: AtomicU64,
}

impl Counters {
    /// Returns the number of datagrams that wait to be written.
    pub fn waiting(&self) -> u64 {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gone = [&self.written, &self.dropped_queue, &self.limited].map(load).iter().sum();
        load(&self.received).saturating_sub(gone)
    }
}

/// Returns the time of the system's clock.
pub fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Returns one moment by the system's clock and by the time since the machine was booted.
///
/// # Errors
/// The system's error if it has no `CLOCK_BOOTTIME`.
pub fn clocks() -> io::Result<Clocks> {
    let boot = || -> io::Result<Duration> { Ok(clock_gettime(ClockId::CLOCK_BOOTTIME)?.into()) };
    loop {
        let (before, wall, after) = (boot()?, clock(), boot()?);
        // After a delay or a suspension between the calls, the times would be of two moments.
        if after.saturating_sub(before) < Duration::from_secs(1) {
            return Ok(Clocks { wall, boot: after });
        }
    }
}

/// Orders to the receiver.
#[derive(Debug)]
pub(super) enum Order {
    /// Admit these senders from now on.
    Allow(Allow),
    /// End the open part of the slot and begin another, which names the allowed networks.
    NewPart,
    /// Take the kernel's datagrams, and end.
    Stop,
}

/// Failures of the receiver, after which it continues.
#[derive(Debug)]
pub(super) enum ReceiveError {
    /// A socket could not be read.
    Receive(SocketAddr, io::Error),
    /// The kernel's table of drops could not be read.
    Drops(io::Error),
    /// This number of datagrams is lost at the end, and no file counts them.
    Lost(u64),
}

pub(super) struct Receiver {
    pub sockets: Vec<Socket>,
    pub queue: Arc<Queue>,
    pub counters: Arc<Counters>,
    pub orders: mpsc::Receiver<Order>,
    /// A socket that is readable when there are orders.
    pub wake: UnixStream,
    pub ident: Option<String>,
    pub seconds: u32,
}

/// The state of a running receiver.
struct Running<'a, F: FnMut(ReceiveError)> {
    queue: &'a Queue,
    counters: &'a Counters,
    ident: Option<String>,
    slots: Slots,
    admission: Admission,
    allow: Allow,
    drops: Drops,
    chunk: Chunk,
    nap: Duration,
    /// Time when the chunk got its first datagram.
    began: Option<Instant>,
    /// Time until which the writer is waited for, set at the end.
    deadline: Option<Instant>,
    report: F,
}

impl Receiver {
    /// Receives until the order to stop, and then closes the queue. Failures go to `report`.
    ///
    /// # Errors
    /// The error of poll(2).
    pub fn run(mut self, allow: Allow, report: impl FnMut(ReceiveError)) -> io::Result<()> {
        let now = clock();
        let mut slots = Slots::new(self.seconds);
        let window = slots.begin(now);
        let slot = section(window, &allow, self.ident.as_deref());
        let is_ample = self.sockets.iter().all(|socket| socket.buffer() >= AMPLE);
        let mut running = Running {
            queue: &self.queue,
            counters: &self.counters,
            ident: self.ident.take(),
            slots,
            admission: Admission::new(&allow),
            allow,
            drops: Drops::new(&self.sockets),
            chunk: Chunk { listened_to: now, ..Chunk::new(slot) },
            nap: if is_ample { NAP } else { NAP / 2 },
            began: None,
            deadline: None,
            report,
        };
        // The file of the first slot is created at once.
        running.queue.push(&mut running.chunk);
        let mut sockets: Vec<_> =
            self.sockets.into_iter().map(|socket| (socket, Buffer::default())).collect();
        let result = running.receive(&mut sockets, &self.orders, &mut self.wake);
        running.finish(&mut sockets);
        self.queue.close();
        result
    }
}

/// Returns the description of a slot's section.
fn section(window: Window, allow: &Allow, ident: Option<&str>) -> Arc<Slot> {
    let nets = allow.nets.as_ref().map(|nets| nets.iter().map(|&(net, _)| net).collect());
    Arc::new(Slot { window, allow: nets, ident: ident.map(str::to_owned) })
}

impl<F: FnMut(ReceiveError)> Running<'_, F> {
    fn receive(
        &mut self,
        sockets: &mut [(Socket, Buffer)],
        orders: &mpsc::Receiver<Order>,
        wake: &mut UnixStream,
    ) -> io::Result<()> {
        loop {
            // Drained before the orders are read: a later order wakes the thread again.
            while matches!(wake.read(&mut [0; 64]), Ok(1..)) {}
            loop {
                match orders.try_recv() {
                    Ok(Order::Allow(allow)) => {
                        self.admission = Admission::new(&allow);
                        self.allow = allow;
                    }
                    Ok(Order::NewPart) => {
                        let now = clock();
                        self.end_slot(now);
                        self.begin_slot(now);
                    }
                    Ok(Order::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            let mut count = 0;
            for (socket, buffer) in &mut *sockets {
                count += self.read_socket(socket, buffer);
            }
            let now = clock();
            self.change_slot(now);
            self.slots.listening_at(now);
            self.hand_over();
            match count {
                0..MANY => self.wait(sockets, wake, now)?,
                MANY..BATCH => thread::sleep(self.nap),
                _ => {}
            }
        }
    }

    /// Reads datagrams from one socket, at most [`BATCHES`] batches. Returns their number.
    fn read_socket(&mut self, socket: &Socket, buffer: &mut Buffer) -> usize {
        let local = socket.local();
        let mut all = 0;
        for _ in 0..BATCHES {
            let now = clock();
            self.change_slot(now);
            let arrival = self.slots.listening_at(now);
            // The clock may be set, so rates are measured by a monotonic one.
            let tick = Instant::now();
            let mut bytes = 0;
            let received = socket.receive(buffer, |from, payload| {
                let endpoints = Endpoints { source: from, destination: local };
                if self.datagram(arrival, tick, endpoints, payload) {
                    bytes += payload.len() as u64;
                }
            });
            let count = received.unwrap_or_else(|error| {
                (self.report)(ReceiveError::Receive(local, error));
                // A permanent error must not keep a processor busy.
                thread::sleep(Duration::from_millis(10));
                0
            });
            self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.hand_over();
            all += count;
            if count < BATCH {
                break;
            }
        }
        all
    }

    /// Adds a datagram to the counts, and to the chunk if it is to be written. Returns false if its
    /// sender is not allowed, so that it counts as denied and not as received.
    fn datagram(
        &mut self,
        arrival: Timestamp,
        tick: Instant,
        endpoints: Endpoints,
        payload: &[u8],
    ) -> bool {
        let add = |counter: &AtomicU64| _ = counter.fetch_add(1, Ordering::Relaxed);
        let sender = endpoints.source.ip().to_canonical();
        match self.admission.judge(sender, payload.len(), tick) {
            Decision::Accepted => {}
            Decision::Limited => {
                add(&self.counters.limited);
                add(&self.counters.received);
                self.chunk.counts.limited.count(sender, 1);
                self.chunk.counts.received += 1;
                return true;
            }
            Decision::Denied => {
                add(&self.counters.denied);
                self.chunk.counts.denied.count(sender, 1);
                return false;
            }
        }
        add(&self.counters.received);
        self.chunk.counts.received += 1;
        let has_room = !self.chunk.is_full() || self.push();
        // A datagram that fits no packet cannot arrive by UDP. It would count as dropped too.
        if !has_room || self.chunk.push(arrival, endpoints, payload).is_err() {
            add(&self.counters.dropped_queue);
            self.chunk.counts.dropped_queue += 1;
        }
        true
    }

    /// Pushes the chunk if it is full, or if its datagrams have waited and the writer has nothing to do.
    fn hand_over(&mut self) {
        if self.chunk.is_full() {
            let is_behind = !self.queue.is_empty();
            self.push();
            if is_behind {
                // If both threads share a processor, the writer can run before its chunk has left
                // the caches. A writer that waits for the disk does not run.
                thread::yield_now();
            }
        } else if !self.chunk.is_empty() {
            let began = *self.began.get_or_insert_with(Instant::now);
            if began.elapsed() >= HOLD && self.queue.is_empty() {
                self.push();
            }
        }
    }

    /// Pushes the chunk. Returns false if the queue has no room; at the end, waits for room.
    fn push(&mut self) -> bool {
        let pushed = match self.deadline {
            None => self.queue.push(&mut self.chunk),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.queue.push_within(&mut self.chunk, left)
            }
        };
        if pushed {
            self.began = None;
        }
        pushed
    }

    /// Begins the slot of `now` if the open one is over.
    fn change_slot(&mut self, now: Timestamp) {
        if self.slots.due(now) {
            self.end_slot(now);
            self.begin_slot(now);
        }
    }

    /// Ends the slot, or this part of it, for the writer. If the queue has no room even for that, the
    /// counts go to the next slot.
    fn end_slot(&mut self, now: Timestamp) {
        let more = self.drops.more().unwrap_or_else(|error| {
            (self.report)(ReceiveError::Drops(error));
            0
        });
        self.chunk.counts.dropped_kernel += more;
        self.chunk.end = self.slots.end(now);
        if !self.push() {
            let lost = self.chunk.drop_datagrams();
            self.counters.dropped_queue.fetch_add(lost, Ordering::Relaxed);
            self.queue.push_end(&mut self.chunk);
        }
        self.began = None;
    }

    /// Begins the slot of `now`. The empty chunk lets the writer create the file at once.
    fn begin_slot(&mut self, now: Timestamp) {
        let window = self.slots.begin(now);
        self.chunk.slot = section(window, &self.allow, self.ident.as_deref());
        self.chunk.end = None;
        self.queue.push(&mut self.chunk);
    }

    /// Sleeps until a datagram or an order arrives, the slot ends, or the chunk is to be pushed.
    fn wait(
        &self,
        sockets: &[(Socket, Buffer)],
        wake: &UnixStream,
        now: Timestamp,
    ) -> io::Result<()> {
        let mut most = SLEEP;
        if let Some(end) = self.slots.end_of_slot() {
            most = most.min(Duration::from_nanos(end.nanos().saturating_sub(now.nanos())));
        }
        if let Some(began) = self.began {
            // At least a part of it, so that the queue of a slow writer is not polled all the time.
            most = most.min(HOLD.saturating_sub(began.elapsed()).max(HOLD / 4));
        }
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(wake.as_fd())];
        fds.extend(sockets.iter().map(|(socket, _)| readable(socket.as_fd())));
        // Rounded up, because waking up too early would make a busy loop.
        let millis = u16::try_from(most.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes the kernel's datagrams, and ends the slot.
    fn finish(&mut self, sockets: &mut [(Socket, Buffer)]) {
        let deadline = Instant::now() + PATIENCE;
        self.deadline = Some(deadline);
        for (socket, buffer) in sockets {
            if let Err(error) = socket.close_to_others() {
                (self.report)(ReceiveError::Receive(socket.local(), error));
            }
            while self.read_socket(socket, buffer) > 0 && Instant::now() < deadline {}
        }
        self.end_slot(clock());
        // The queue had no room for the end of the slot.
        if self.chunk.end.is_some() {
            (self.report)(ReceiveError::Lost(self.chunk.counts.lost()));
        }
    }
}
