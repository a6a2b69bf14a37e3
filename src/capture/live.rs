//! A collector at work: one thread that receives, one that writes, the queue between them, and what
//! they have to say.

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
use super::receive::{Counters, Order, Receiver, Trouble, clock};
use super::socket::Socket;
use super::spool::SlotFileError;

/// How long after a failure writing is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// The same of a pipe that is only slow.
const SOON: Duration = Duration::from_millis(5);

/// At the end, how long a disk that takes nothing is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often what is missing by sequence numbers is told anew, for whoever asks.
const FOLLOW: Duration = Duration::from_secs(5);

/// What a collector is to do.
#[derive(Clone, Debug)]
pub struct CollectorPlan {
    /// Length of the slots in seconds.
    pub seconds: u32,
    /// Octets that may wait for the disk.
    pub queue: usize,
    /// How long written octets may wait for the disk itself, or for the reader of a stream.
    pub sync: Duration,
    /// Who may send, and how much.
    pub allow: Allow,
    /// Name of the collector.
    pub ident: Option<String>,
}

/// What there is to tell.
#[derive(Debug)]
pub enum CollectorEvent {
    /// There is a file for what comes.
    Begun,
    /// A slot, or a part of one, is over.
    Finished(Box<Finished>),
    /// Something could not be written, the first time since it could; it is tried again.
    Stuck(CollectError),
    /// It could be written after all, so long after.
    Resumed(Duration),
    /// Somebody removed or moved the spool's file that is being written; it was made again.
    Restored,
    /// So many datagrams are lost at the end, and no file says so. Some of them may be in a file after
    /// all where that is compressed.
    Left {
        /// How many.
        lost: u64,
        /// No more than so many.
        at_most: bool,
    },
    /// What is in force could not be written down, the first time since it could.
    Forgetful(SlotFileError),
    /// What the sockets or the kernel's table of drops say.
    Receiving(String),
    /// The stream's reader is gone, or a thread failed: it is over.
    Failed(String),
    /// The writer has finished.
    Over,
}

/// The threads, and what is known of them from outside.
#[derive(Debug)]
pub struct Live {
    orders: mpsc::Sender<Order>,
    wake: UnixStream,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    followed: Arc<Mutex<Vec<Followed>>>,
    forgotten: Arc<Mutex<Forgotten>>,
}

/// Where the news goes, with a bell that wakes who waits for more than news.
#[derive(Clone, Debug)]
struct Teller {
    news: mpsc::Sender<CollectorEvent>,
    bell: Arc<UnixStream>,
}

impl Teller {
    fn tell(&self, news: CollectorEvent) {
        // Nobody listens any more: then nobody needs to know.
        if self.news.send(news).is_ok() {
            _ = io::Write::write(&mut &*self.bell, &[0]);
        }
    }
}

impl Live {
    /// Starts to receive from `sockets` and to write with `collector`. `bell` is rung, an octet a
    /// time, when there is news.
    ///
    /// # Errors
    /// What the system says of threads and pipes.
    pub fn start(
        sockets: Vec<Socket>,
        collector: Collector,
        plan: CollectorPlan,
        news: mpsc::Sender<CollectorEvent>,
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
        let teller = Teller { news, bell: Arc::new(bell) };
        let receiver = Receiver {
            sockets,
            queue: Arc::clone(&queue),
            counters: Arc::clone(&counters),
            orders: taken,
            wake,
            ident: plan.ident,
            seconds: plan.seconds,
        };
        let writing = Writing {
            collector,
            queue: Arc::clone(&queue),
            teller: teller.clone(),
            sync: plan.sync,
            followed: Arc::clone(&followed),
            forgotten: Arc::clone(&forgotten),
            counters: Arc::clone(&counters),
            deadline: None,
            lost: 0,
            forgetful: false,
        };
        let allow = plan.allow;
        let run = |name: &str, teller: Teller, body: Box<dyn FnOnce() + Send>| {
            let guarded = move || {
                // One that panics would be waited for without end.
                if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                    teller.tell(CollectorEvent::Failed("a thread failed".to_owned()));
                }
            };
            thread::Builder::new().name(name.to_owned()).spawn(guarded).map(drop)
        };
        run("write", teller.clone(), Box::new(|| writing.run()))?;
        let told = teller.clone();
        run("receive", told, Box::new(move || receiving(receiver, allow, &teller)))?;
        Ok(Live { orders, wake: ours, queue, counters, followed, forgotten })
    }

    /// Hears these exporters from now on. What is being written names those of before until its end.
    pub fn allow(&self, allow: Allow) {
        self.order(Order::Allow(allow));
    }

    /// Ends the slot's part that is open and begins another.
    pub fn again(&self) {
        self.order(Order::Again);
    }

    /// Takes what the kernel has, and ends: [`CollectorEvent::Over`] comes when all is written.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    fn order(&self, order: Order) {
        // A receiver that is gone has told why.
        if self.orders.send(order).is_ok() {
            _ = io::Write::write(&mut &self.wake, &[0]);
        }
    }

    /// What was counted up to now.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Octets that wait for the disk, and how many may.
    pub fn queue(&self) -> (u64, u64) {
        (self.queue.octets(), self.queue.limit() as u64)
    }

    /// What is missing of each exporter's domain, as of some seconds ago.
    pub fn followed(&self) -> Vec<Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what was forgotten of exporters since the start, as of some seconds ago.
    pub fn forgotten(&self) -> Forgotten {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn receiving(receiver: Receiver, allow: Allow, teller: &Teller) {
    let trouble = |trouble| {
        teller.tell(match trouble {
            Trouble::Receive(local, error) => {
                CollectorEvent::Receiving(format!("{local}: {error}"))
            }
            Trouble::Drops(error) => {
                CollectorEvent::Receiving(format!("the kernel's drops are not known yet: {error}"))
            }
            Trouble::Left(lost) => CollectorEvent::Left { lost, at_most: false },
        });
    };
    if let Err(error) = receiver.run(allow, trouble) {
        teller.tell(CollectorEvent::Failed(format!("poll: {error}")));
    }
}

/// The thread that writes.
struct Writing {
    collector: Collector,
    queue: Arc<Queue>,
    teller: Teller,
    sync: Duration,
    followed: Arc<Mutex<Vec<Followed>>>,
    forgotten: Arc<Mutex<Forgotten>>,
    counters: Arc<Counters>,
    /// At the end: until when a disk that takes nothing is tried.
    deadline: Option<Instant>,
    /// Datagrams that are given up.
    lost: u64,
    /// What is in force could not be written down.
    forgetful: bool,
}

impl Writing {
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
                    self.teller.tell(CollectorEvent::Begun);
                }
                if !finished.is_empty() {
                    // First what the news will be seen beside.
                    self.tell_followed();
                    followed = Instant::now();
                }
                for slot in finished.drain(..) {
                    self.teller.tell(CollectorEvent::Finished(Box::new(slot)));
                }
                let passed = self.collector.passed();
                self.counters.dropped_queue.fetch_add(passed, Ordering::Relaxed);
                // Those of a slot that is passed over whole were counted as written before.
                self.counters.written.fetch_add(chunk.entries.len() as u64, Ordering::Relaxed);
                self.counters.written.fetch_sub(passed, Ordering::Relaxed);
                self.queue.give_back(chunk);
            }
            if synced.elapsed() >= self.sync {
                synced = Instant::now();
                self.sync(&mut stuck);
            }
            if followed.elapsed() >= FOLLOW {
                followed = Instant::now();
                self.tell_followed();
            }
        }
        self.collector.flush_now();
        self.sync(&mut stuck);
        self.tell_followed();
        self.lost += self.collector.uncounted();
        if self.lost > 0 {
            let at_most = self.collector.compresses();
            self.teller.tell(CollectorEvent::Left { lost: self.lost, at_most });
        }
        self.teller.tell(CollectorEvent::Over);
    }

    /// Writes a chunk, however long that takes. False if there is nothing left to write to.
    fn write(
        &mut self,
        chunk: &mut Chunk,
        finished: &mut Vec<Finished>,
        stuck: &mut Stuck,
    ) -> bool {
        loop {
            let error = match self.collector.take(chunk, finished) {
                Ok(()) => {
                    stuck.over(&self.teller);
                    return true;
                }
                Err(error) => error,
            };
            if self.collector.is_stream() {
                match error.kind() {
                    // Somebody else has set the pipe up so.
                    Some(io::ErrorKind::WouldBlock) if !self.queue.is_closed() => {
                        thread::sleep(SOON);
                        continue;
                    }
                    Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                        self.teller.tell(CollectorEvent::Failed(format!("stdout: {error}")));
                        return false;
                    }
                    // A disk behind it may get room.
                    _ => {}
                }
            }
            if self.collector.is_hopeless(&error, clock()) {
                self.collector.pass_over(error, finished);
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
            stuck.on(error, &self.teller);
            thread::sleep(AGAIN);
        }
    }

    fn sync(&mut self, stuck: &mut Stuck) {
        match self.collector.sync() {
            Ok(true) => self.teller.tell(CollectorEvent::Restored),
            Ok(false) => {}
            Err(error) => stuck.on(error, &self.teller),
        }
        match self.collector.remember() {
            Ok(()) => self.forgetful = false,
            Err(error) => {
                if !std::mem::replace(&mut self.forgetful, true) {
                    self.teller.tell(CollectorEvent::Forgetful(error));
                }
            }
        }
    }

    fn tell_followed(&self) {
        let followed = self.collector.followed();
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = followed;
        let forgotten = self.collector.forgotten();
        *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner) = forgotten;
    }
}

/// A failure that lasts is told once, and its end.
#[derive(Default)]
struct Stuck(Option<Instant>);

impl Stuck {
    fn on(&mut self, error: CollectError, teller: &Teller) {
        if self.0.is_none() {
            self.0 = Some(Instant::now());
            teller.tell(CollectorEvent::Stuck(error));
        }
    }

    fn over(&mut self, teller: &Teller) {
        if let Some(since) = self.0.take() {
            teller.tell(CollectorEvent::Resumed(since.elapsed()));
        }
    }
}
