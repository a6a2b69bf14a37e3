//! A running collector: a receiving thread, a writing thread, the queue between them, and their events.

use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::admission::Allow;
use super::collect::{CollectError, Collector, Finished, Followed, Forgotten};
use super::queue::{Chunk, Pop, Queue};
use super::receive::{Counters, Order, ReceiveError, Receiver, clock};
use super::socket::Socket;
use super::spool::SlotFileError;

/// Time between a failure and the next attempt to write.
const RETRY: Duration = Duration::from_millis(500);

/// Time until the next attempt to write to a pipe that is only slow.
const PIPE_RETRY: Duration = Duration::from_millis(5);

/// At the end, the longest time for attempts to write to a failing disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Interval at which the counts by sequence numbers are updated for other threads.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);

/// The settings of a running collector.
#[derive(Clone, Debug)]
pub struct CollectorPlan {
    /// Length of the slots in seconds.
    pub seconds: u32,
    /// The most bytes that may wait for the disk.
    pub queue: usize,
    /// The longest time that written bytes may wait for the flush to the disk, or to the reader of a
    /// stream.
    pub sync: Duration,
    /// Networks that may send, and their rates.
    pub allow: Allow,
    /// Name of the collector, if it has one.
    pub ident: Option<String>,
}

/// An event of a running collector.
#[derive(Debug)]
pub enum CollectorEvent {
    /// The first file has been created.
    Begun,
    /// A slot, or a part of one, is finished.
    Finished(Box<Finished>),
    /// Writing failed for the first time since it last succeeded. The collector tries again.
    Stuck(CollectError),
    /// Writing succeeded again, this long after the first failure.
    Resumed(Duration),
    /// The file being written was removed or moved, and has been created again.
    Restored,
    /// Datagrams are lost at the end, and no file counts them.
    Lost {
        /// Number of the datagrams.
        lost: u64,
        /// True if fewer may be lost: some of them may be in a compressed file after all.
        at_most: bool,
    },
    /// The cache of templates could not be written, for the first time since it last could.
    CacheFailed(SlotFileError),
    /// A socket or the kernel's table of drops could not be read.
    Receiving(String),
    /// The collector has ended because the stream's reader is gone, or a thread failed.
    Failed(String),
    /// The collector has ended, and all is written.
    Over,
}

/// The running threads, and the state that they share with their user.
#[derive(Debug)]
pub struct Live {
    orders: mpsc::Sender<Order>,
    wake: UnixStream,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    followed: Arc<Mutex<Vec<Followed>>>,
    forgotten: Arc<Mutex<Forgotten>>,
}

/// The sending end for events, with a socket that wakes a user who also waits for other things.
#[derive(Clone, Debug)]
struct Events {
    channel: mpsc::Sender<CollectorEvent>,
    bell: Arc<UnixStream>,
}

impl Events {
    fn send(&self, event: CollectorEvent) {
        // If the receiving end is gone, there is nobody to wake.
        if self.channel.send(event).is_ok() {
            _ = io::Write::write(&mut &*self.bell, &[0]);
        }
    }
}

impl Live {
    /// Starts to receive from `sockets` and to write with `collector`. For each event a byte is written
    /// to `bell`.
    ///
    /// # Errors
    /// The system's error in creating threads and sockets.
    pub fn start(
        sockets: Vec<Socket>,
        collector: Collector,
        plan: CollectorPlan,
        channel: mpsc::Sender<CollectorEvent>,
        bell: UnixStream,
    ) -> io::Result<Live> {
        let (ours, wake) = UnixStream::pair()?;
        for pipe in [&ours, &wake, &bell] {
            pipe.set_nonblocking(true)?;
        }
        let (orders, taken) = mpsc::channel();
        let queue = Arc::new(Queue::new(plan.queue));
        let counters = Arc::<Counters>::default();
        let (followed, forgotten) = (Arc::default(), Arc::default());
        let events = Events { channel, bell: Arc::new(bell) };
        let receiver = Receiver {
            sockets,
            queue: Arc::clone(&queue),
            counters: Arc::clone(&counters),
            orders: taken,
            wake,
            ident: plan.ident,
            seconds: plan.seconds,
        };
        let writer = WriterThread {
            collector,
            queue: Arc::clone(&queue),
            events: events.clone(),
            sync: plan.sync,
            followed: Arc::clone(&followed),
            forgotten: Arc::clone(&forgotten),
            counters: Arc::clone(&counters),
            deadline: None,
            lost: 0,
            cache_failed: false,
        };
        let allow = plan.allow;
        let run = |name: &str, events: Events, body: Box<dyn FnOnce() + Send>| {
            let guarded = move || {
                // Without this event, the user would wait for a thread that panicked for ever.
                if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                    events.send(CollectorEvent::Failed("a thread failed".to_owned()));
                }
            };
            thread::Builder::new().name(name.to_owned()).spawn(guarded).map(drop)
        };
        run("write", events.clone(), Box::new(|| writer.run()))?;
        let failures = events.clone();
        run("receive", failures, Box::new(move || receive(receiver, allow, &events)))?;
        Ok(Live { orders, wake: ours, queue, counters, followed, forgotten })
    }

    /// Admits these senders from now on. The section being written names the networks from before until
    /// its end.
    pub fn allow(&self, allow: Allow) {
        self.order(Order::Allow(allow));
    }

    /// Ends the open part of the slot and begins another.
    pub fn new_part(&self) {
        self.order(Order::NewPart);
    }

    /// Takes the kernel's datagrams and ends. [`CollectorEvent::Over`] follows when all is written.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    fn order(&self, order: Order) {
        // A receiver that has ended has sent an event.
        if self.orders.send(order).is_ok() {
            _ = io::Write::write(&mut &self.wake, &[0]);
        }
    }

    /// Returns the counters since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the bytes that wait for the disk, and the most that may.
    pub fn queue(&self) -> (u64, u64) {
        (self.queue.bytes(), self.queue.limit() as u64)
    }

    /// Returns the counts of each exporter's domain, as of some seconds ago.
    pub fn followed(&self) -> Vec<Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the counts of exporters' data forgotten since the start, as of some seconds ago.
    pub fn forgotten(&self) -> Forgotten {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Runs the receiver, and sends its failures as events.
fn receive(receiver: Receiver, allow: Allow, events: &Events) {
    let report = |failure| {
        events.send(match failure {
            ReceiveError::Receive(local, error) => {
                CollectorEvent::Receiving(format!("{local}: {error}"))
            }
            ReceiveError::Drops(error) => {
                CollectorEvent::Receiving(format!("the kernel's drops are not known yet: {error}"))
            }
            ReceiveError::Lost(lost) => CollectorEvent::Lost { lost, at_most: false },
        });
    };
    if let Err(error) = receiver.run(allow, report) {
        events.send(CollectorEvent::Failed(format!("poll: {error}")));
    }
}

/// The state of the writing thread.
struct WriterThread {
    collector: Collector,
    queue: Arc<Queue>,
    events: Events,
    sync: Duration,
    followed: Arc<Mutex<Vec<Followed>>>,
    forgotten: Arc<Mutex<Forgotten>>,
    counters: Arc<Counters>,
    /// Time until which a failing disk is tried, set at the end.
    deadline: Option<Instant>,
    /// Number of datagrams given up.
    lost: u64,
    /// True if the last write of the template cache failed.
    cache_failed: bool,
}

impl WriterThread {
    fn run(mut self) {
        let mut stuck = Stuck::default();
        let (mut synced, mut followed) = (Instant::now(), Instant::now());
        let mut finished = Vec::new();
        let mut begun = false;
        loop {
            let left = self.sync.saturating_sub(synced.elapsed());
            let chunk = match self.queue.pop(left.max(Duration::from_millis(1))) {
                Pop::Chunk(chunk) => Some(*chunk),
                Pop::Nothing => None,
                Pop::Closed => break,
            };
            if let Some(mut chunk) = chunk {
                if !self.write(&mut chunk, &mut finished, &mut stuck) {
                    return;
                }
                if !std::mem::replace(&mut begun, true) {
                    self.events.send(CollectorEvent::Begun);
                }
                if !finished.is_empty() {
                    // Users read these counts when they get the event.
                    self.update_counts();
                    followed = Instant::now();
                }
                for slot in finished.drain(..) {
                    self.events.send(CollectorEvent::Finished(Box::new(slot)));
                }
                let skipped = self.collector.take_skipped();
                self.counters.dropped_queue.fetch_add(skipped, Ordering::Relaxed);
                // Datagrams of a skipped slot may have counted as written before.
                self.counters.written.fetch_add(chunk.entries.len() as u64, Ordering::Relaxed);
                self.counters.written.fetch_sub(skipped, Ordering::Relaxed);
                self.queue.give_back(chunk);
            }
            if synced.elapsed() >= self.sync {
                synced = Instant::now();
                self.sync(&mut stuck);
            }
            if followed.elapsed() >= FOLLOW_INTERVAL {
                followed = Instant::now();
                self.update_counts();
            }
        }
        self.collector.flush_now();
        self.sync(&mut stuck);
        self.update_counts();
        self.lost += self.collector.uncounted();
        if self.lost > 0 {
            let at_most = self.collector.compresses();
            self.events.send(CollectorEvent::Lost { lost: self.lost, at_most });
        }
        self.events.send(CollectorEvent::Over);
    }

    /// Writes a chunk, with as many attempts as it takes. Returns false if there is nothing left to write
    /// to.
    fn write(
        &mut self,
        chunk: &mut Chunk,
        finished: &mut Vec<Finished>,
        stuck: &mut Stuck,
    ) -> bool {
        loop {
            let error = match self.collector.take(chunk, finished) {
                Ok(()) => {
                    stuck.resolve(&self.events);
                    return true;
                }
                Err(error) => error,
            };
            if self.collector.is_stream() {
                match error.kind() {
                    // Another process has made the pipe non-blocking.
                    Some(io::ErrorKind::WouldBlock) if !self.queue.is_closed() => {
                        thread::sleep(PIPE_RETRY);
                        continue;
                    }
                    Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                        self.events.send(CollectorEvent::Failed(format!("stdout: {error}")));
                        return false;
                    }
                    // A disk behind the stream may get room.
                    _ => {}
                }
            }
            if self.collector.is_hopeless(&error, clock()) {
                self.collector.skip_slot(error, finished);
                continue;
            }
            if self.queue.is_closed() {
                let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
                if Instant::now() >= deadline {
                    let lost = self.collector.abandon(chunk, error, finished);
                    self.lost += lost;
                    return true;
                }
            }
            stuck.begin(error, &self.events);
            thread::sleep(RETRY);
        }
    }

    fn sync(&mut self, stuck: &mut Stuck) {
        match self.collector.sync() {
            Ok(true) => self.events.send(CollectorEvent::Restored),
            Ok(false) => {}
            Err(error) => stuck.begin(error, &self.events),
        }
        match self.collector.save_templates() {
            Ok(()) => self.cache_failed = false,
            Err(error) => {
                if !std::mem::replace(&mut self.cache_failed, true) {
                    self.events.send(CollectorEvent::CacheFailed(error));
                }
            }
        }
    }

    /// Updates the counts by sequence numbers for other threads.
    fn update_counts(&self) {
        let followed = self.collector.followed();
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = followed;
        let forgotten = self.collector.forgotten();
        *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner) = forgotten;
    }
}

/// A lasting failure to write, of which only the beginning and the end are events.
#[derive(Default)]
struct Stuck(Option<Instant>);

impl Stuck {
    fn begin(&mut self, error: CollectError, events: &Events) {
        if self.0.is_none() {
            self.0 = Some(Instant::now());
            events.send(CollectorEvent::Stuck(error));
        }
    }

    fn resolve(&mut self, events: &Events) {
        if let Some(since) = self.0.take() {
            events.send(CollectorEvent::Resumed(since.elapsed()));
        }
    }
}
