//! The receiving: sockets into the queue, in a thread that does nothing else.
//!
//! It reads no file but the kernel's table of drops, writes none, and waits for nobody. The clock is
//! read once a batch, which is the arrival of all datagrams in it.

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
use super::queue::{Chunk, Queue};
use super::section::Slot;
use super::slots::Slots;
use super::socket::{BATCH, Buffer, Drops, Socket};
use super::spool::Clocks;
use crate::time::{Timestamp, Window};

/// How long datagrams may wait for more of them before the writer gets them.
const HOLD: Duration = Duration::from_millis(20);

/// The longest that it sleeps: it then sees that the clock was set.
const SLEEP: Duration = Duration::from_secs(1);

/// Where datagrams come in numbers, how long more of them are let come before they are read: waking
/// up for every few costs more than reading them. The receive buffer holds many times what comes in
/// this time; one that is not [`AMPLE`] has half of it.
const NAP: Duration = Duration::from_millis(1);

/// Octets of a receive buffer for some 1500 datagrams of full length.
const AMPLE: usize = 4 << 20;

/// So many at once are numbers.
const MANY: usize = 8;

/// Batches that are read from one socket before the next has its turn.
const TURN: usize = 16;

/// At the end, how long what the kernel holds is taken, and how long the writer may need for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was counted since the start. Everybody may read it at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Datagrams that the kernel handed over, of exporters that are allowed.
    pub received: AtomicU64,
    /// Octets in these.
    pub octets: AtomicU64,
    /// Of these, datagrams that were dropped because the queue was full.
    pub dropped_queue: AtomicU64,
    /// Of these, datagrams that were dropped because their exporter sent more than it may.
    pub limited: AtomicU64,
    /// Datagrams of senders that are not allowed.
    pub denied: AtomicU64,
    /// Datagrams that have gone to the output, or were given up.
    pub written: AtomicU64,
}

impl Counters {
    /// Datagrams that wait to be written.
    pub fn waiting(&self) -> u64 {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gone = [&self.written, &self.dropped_queue, &self.limited].map(load).iter().sum();
        load(&self.received).saturating_sub(gone)
    }
}

/// The system's clock.
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
        // Held up between the two, suspended even, they would not be one moment.
        if after.saturating_sub(before) < Duration::from_secs(1) {
            return Ok(Clocks { wall, boot: after });
        }
    }
}

/// What a receiver is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Hear these from now on.
    Allow(Allow),
    /// End the slot's part and begin another, which names those that are heard.
    Again,
    /// Take what the kernel has, and end.
    Stop,
}

/// What a receiver could not do.
#[derive(Debug)]
pub(super) enum Trouble {
    Receive(SocketAddr, io::Error),
    /// The kernel's drops are not known.
    Drops(io::Error),
    /// So many datagrams are lost at the end, and no file says so.
    Left(u64),
}

pub(super) struct Receiver {
    pub sockets: Vec<Socket>,
    pub queue: Arc<Queue>,
    pub counters: Arc<Counters>,
    pub orders: mpsc::Receiver<Order>,
    /// Readable when there are orders.
    pub wake: UnixStream,
    pub ident: Option<String>,
    pub seconds: u32,
}

/// What there is while it runs.
struct Running<'a, F: FnMut(Trouble)> {
    queue: &'a Queue,
    counters: &'a Counters,
    ident: Option<String>,
    slots: Slots,
    gate: Admission,
    allow: Allow,
    drops: Drops,
    chunk: Chunk,
    nap: Duration,
    /// When the chunk had its first datagram.
    began: Option<Instant>,
    /// At the end: until when the writer is waited for.
    deadline: Option<Instant>,
    trouble: F,
}

impl Receiver {
    /// Receives until it is told to stop; then the queue is closed.
    ///
    /// # Errors
    /// It cannot wait for its sockets.
    pub fn run(mut self, allow: Allow, trouble: impl FnMut(Trouble)) -> io::Result<()> {
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
            gate: Admission::new(&allow),
            allow,
            drops: Drops::of(&self.sockets),
            chunk: Chunk { heard: now, ..Chunk::new(slot) },
            nap: if is_ample { NAP } else { NAP / 2 },
            began: None,
            deadline: None,
            trouble,
        };
        // The file of the first slot is made at once.
        running.queue.push(&mut running.chunk);
        let mut sockets: Vec<_> =
            self.sockets.into_iter().map(|socket| (socket, Buffer::default())).collect();
        let result = running.receive(&mut sockets, &self.orders, &mut self.wake);
        running.finish(&mut sockets);
        self.queue.close();
        result
    }
}

/// What a section says of itself.
fn section(window: Window, allow: &Allow, ident: Option<&str>) -> Arc<Slot> {
    let nets = allow.nets.as_ref().map(|nets| nets.iter().map(|&(net, _)| net).collect());
    Arc::new(Slot { window, allow: nets, ident: ident.map(str::to_owned) })
}

impl<F: FnMut(Trouble)> Running<'_, F> {
    fn receive(
        &mut self,
        sockets: &mut [(Socket, Buffer)],
        orders: &mpsc::Receiver<Order>,
        wake: &mut UnixStream,
    ) -> io::Result<()> {
        loop {
            // Drained before the orders are looked at: what comes later wakes again.
            while matches!(wake.read(&mut [0; 64]), Ok(1..)) {}
            loop {
                match orders.try_recv() {
                    Ok(Order::Allow(allow)) => {
                        self.gate = Admission::new(&allow);
                        self.allow = allow;
                    }
                    Ok(Order::Again) => {
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
                count += self.turn(socket, buffer);
            }
            let now = clock();
            self.turn_slot(now);
            self.slots.heard(now);
            self.hand_over();
            match count {
                0..MANY => self.wait(sockets, wake, now)?,
                MANY..BATCH => thread::sleep(self.nap),
                _ => {}
            }
        }
    }

    /// Reads from one socket, and then lets the next have its turn. Returns how many there were.
    fn turn(&mut self, socket: &Socket, buffer: &mut Buffer) -> usize {
        let local = socket.local();
        let mut all = 0;
        for _ in 0..TURN {
            let now = clock();
            self.turn_slot(now);
            let arrival = self.slots.heard(now);
            // The clock may be set; rates are by one that is not.
            let tick = Instant::now();
            let mut octets = 0;
            let received = socket.receive(buffer, |from, payload| {
                octets += payload.len() as u64;
                self.datagram((arrival, tick), from, local, payload);
            });
            let count = received.unwrap_or_else(|error| {
                (self.trouble)(Trouble::Receive(local, error));
                // One that stays must not keep a processor busy.
                thread::sleep(Duration::from_millis(10));
                0
            });
            self.counters.octets.fetch_add(octets, Ordering::Relaxed);
            self.hand_over();
            all += count;
            if count < BATCH {
                break;
            }
        }
        all
    }

    fn datagram(
        &mut self,
        (arrival, tick): (Timestamp, Instant),
        from: SocketAddr,
        local: SocketAddr,
        payload: &[u8],
    ) {
        let add = |counter: &AtomicU64| _ = counter.fetch_add(1, Ordering::Relaxed);
        let sender = from.ip().to_canonical();
        match self.gate.judge(sender, payload.len(), tick) {
            Decision::Accepted => {}
            Decision::Limited => {
                add(&self.counters.limited);
                add(&self.counters.received);
                self.chunk.tally.limited.count(sender, 1);
                self.chunk.tally.received += 1;
                return;
            }
            Decision::Denied => {
                add(&self.counters.denied);
                self.chunk.tally.denied.count(sender, 1);
                return;
            }
        }
        add(&self.counters.received);
        self.chunk.tally.received += 1;
        let has_room = !self.chunk.is_full() || self.push();
        // What fits no packet does not come by UDP either; it would be counted here too.
        if !has_room || self.chunk.push(arrival, (from, local), payload).is_err() {
            add(&self.counters.dropped_queue);
            self.chunk.tally.dropped_queue += 1;
        }
    }

    /// Gives the writer what there is, if there is enough of it or the writer has nothing to do.
    fn hand_over(&mut self) {
        if self.chunk.is_full() {
            let is_behind = !self.queue.is_empty();
            self.push();
            if is_behind {
                // Where both have one processor, the writer has its turn before what waits for it
                // has left the caches. One that waits for the disk does not take it.
                thread::yield_now();
            }
        } else if !self.chunk.is_empty() {
            let began = *self.began.get_or_insert_with(Instant::now);
            if began.elapsed() >= HOLD && self.queue.is_empty() {
                self.push();
            }
        }
    }

    /// False if the queue has no room; at the end it is waited for.
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

    fn turn_slot(&mut self, now: Timestamp) {
        if self.slots.due(now) {
            self.end_slot(now);
            self.begin_slot(now);
        }
    }

    /// Tells the writer that the slot, or this part of it, is over. Where even for that there is no
    /// room its counts go to the next one.
    fn end_slot(&mut self, now: Timestamp) {
        let more = self.drops.more().unwrap_or_else(|error| {
            (self.trouble)(Trouble::Drops(error));
            0
        });
        self.chunk.tally.dropped_kernel += more;
        self.chunk.end = self.slots.end(now);
        if !self.push() {
            let lost = self.chunk.drop_datagrams();
            self.counters.dropped_queue.fetch_add(lost, Ordering::Relaxed);
            self.queue.push_end(&mut self.chunk);
        }
        self.began = None;
    }

    /// The file is made when its slot begins.
    fn begin_slot(&mut self, now: Timestamp) {
        let window = self.slots.begin(now);
        self.chunk.slot = section(window, &self.allow, self.ident.as_deref());
        self.chunk.end = None;
        self.queue.push(&mut self.chunk);
    }

    /// Sleeps until a datagram or an order comes, the slot ends or the writer must get something.
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
            // At least a part of it: a writer that is behind is not asked all the time.
            most = most.min(HOLD.saturating_sub(began.elapsed()).max(HOLD / 4));
        }
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![readable(wake.as_fd())];
        fds.extend(sockets.iter().map(|(socket, _)| readable(socket.as_fd())));
        // Rounded up: a moment too early is no use, and would be a busy loop.
        let millis = u16::try_from(most.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes what the kernel has, and ends the slot.
    fn finish(&mut self, sockets: &mut [(Socket, Buffer)]) {
        let deadline = Instant::now() + PATIENCE;
        self.deadline = Some(deadline);
        for (socket, buffer) in sockets {
            if let Err(error) = socket.close_to_others() {
                (self.trouble)(Trouble::Receive(socket.local(), error));
            }
            while self.turn(socket, buffer) > 0 && Instant::now() < deadline {}
        }
        self.end_slot(clock());
        // The queue had no room for the end of the slot.
        if self.chunk.end.is_some() {
            (self.trouble)(Trouble::Left(self.chunk.tally.lost()));
        }
    }
}
