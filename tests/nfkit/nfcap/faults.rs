//! Faults around a collector, made to happen for real: full, frozen and forbidden disks, a removed
//! spool, no file descriptors, a changed clock, kills. Under every fault, each datagram
//! sent is either stored or counted as lost.

use std::collections::BTreeMap;
use std::process::Output;

use super::*;

/// A sender of datagrams that carry their number.
struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
    sent: u64,
}

impl Sender {
    fn new(nfcap: &Nfcap) -> Sender {
        let to = SocketAddr::new([127, 0, 0, 1].into(), nfcap.port());
        Sender { socket: UdpSocket::bind("127.0.0.1:0").unwrap(), to, sent: 0 }
    }

    /// Sends `count` datagrams of `len` bytes, with pauses so that loopback itself loses none.
    fn send(&mut self, count: u64, len: usize) {
        let mut payload = vec![0xa5; len];
        for n in 0..count {
            payload[..8].copy_from_slice(&self.sent.to_be_bytes());
            self.socket.send_to(&payload, self.to).unwrap();
            self.sent += 1;
            if n % 200 == 199 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

/// Sends USR1 and returns the counts that nfcap reports.
pub(super) fn counts(nfcap: &mut Nfcap) -> BTreeMap<String, String> {
    let before = nfcap.said.len();
    nfcap.signal("USR1");
    loop {
        let line = nfcap.err.recv_timeout(LIMIT).unwrap();
        nfcap.said.push(line);
        let new = nfcap.said[before..].iter();
        let counts = new.filter_map(|line| line.strip_prefix("nfcap: received=")).next();
        if let Some(counts) = counts {
            let words = format!("received={counts}");
            let pairs = words.split(' ').filter_map(|word| word.split_once('='));
            return pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        }
    }
}

/// Waits until nfcap has received all that was sent.
fn wait_until_received(nfcap: &mut Nfcap, sender: &Sender) {
    until("all datagrams received", || {
        (counts(nfcap)["received"] == sender.sent.to_string()).then_some(())
    });
}

/// The content of a spool: the datagrams' numbers in their order, and the sums of all closing
/// blocks.
#[derive(Debug, Default)]
struct Stored {
    numbers: Vec<u64>,
    received: u64,
    kernel: u64,
    queue: u64,
    files: usize,
}

fn stored(spool: &Path) -> Stored {
    let mut all = Stored::default();
    for file in files(spool) {
        let held = read(&file);
        assert!(held.arrivals.is_sorted());
        all.numbers.extend(held.datagrams.iter().map(Datagram::number));
        all.received += held.closing.received;
        all.kernel += held.closing.dropped_kernel;
        all.queue += held.closing.dropped_queue;
        all.files += 1;
    }
    assert!(parts(spool).is_empty());
    all
}

impl Stored {
    /// Asserts that each sent datagram is stored once and in order, or counted as dropped.
    #[track_caller]
    fn adds_up(&self, sent: u64) {
        assert!(self.numbers.is_sorted_by(|a, b| a < b), "each once and in order");
        let stored = self.numbers.len() as u64;
        let Stored { received, kernel, queue, .. } = *self;
        assert_eq!(sent, stored + kernel + queue, "{stored} stored, {kernel} + {queue} dropped");
        assert_eq!(received, stored + queue);
    }

    /// Asserts that each sent datagram is stored.
    #[track_caller]
    fn is_whole(&self, sent: u64) {
        self.adds_up(sent);
        assert_eq!((self.kernel, self.queue), (0, 0));
    }
}

pub(super) fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

pub(crate) fn is_root() -> bool {
    let id = run("id", &["-u"]);
    id.stdout == b"0\n"
}

/// A mounted file system, unmounted when the value is dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts a file system at a place. Returns `None`, and reports a skipped test, without the
    /// rights for that.
    pub(crate) fn new(at: &Path, args: &[&str]) -> Option<Mount> {
        if !is_root() {
            skipped("only root can mount");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        let mounted = run("mount", &[args, &[&path(at)]].concat());
        if !mounted.status.success() {
            skipped(format_args!("mount: {}", String::from_utf8_lossy(&mounted.stderr)));
            return None;
        }
        Some(Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l", &path(&self.0)]);
    }
}

#[test]
fn a_full_disk_delays_nothing_and_loses_nothing() {
    for compress in [false, true] {
        let scene = Scene::new();
        let spool = scene.path("spool");
        let Some(_mount) = Mount::new(&spool, &["-t", "tmpfs", "-o", "size=4m", "none"]) else {
            return;
        };
        let filler = spool.join("filler");
        fs::write(&filler, vec![0; 3_900_000]).unwrap();
        let mut args = vec!["-t".to_owned(), "1s".into(), "-p".into(), "0".into()];
        args.extend(["-w".to_owned(), path(&spool)]);
        if compress {
            args.extend(["--compress".to_owned(), "zstd".into()]);
        }
        let mut nfcap = Nfcap::start(&args);
        let mut sender = Sender::new(&nfcap);
        // The output of zstd must not fit on the disk either.
        let wanted = if compress { 40_000 } else { 1000 };
        let mut is_full = false;
        for _ in 0..200 {
            sender.send(wanted / 20, 1000);
            std::thread::sleep(Duration::from_millis(20));
            while let Ok(line) = nfcap.err.try_recv() {
                is_full |= line.contains("No space left on device");
                nfcap.said.push(line);
            }
            if is_full {
                break;
            }
            fs::write(spool.join("more"), vec![0; 10_000]).ok();
        }
        nfcap.says("No space left on device (os error 28); new datagrams wait in the queue");
        // nfcap goes on receiving.
        sender.send(500, 1000);
        wait_until_received(&mut nfcap, &sender);
        fs::remove_file(&filler).unwrap();
        _ = fs::remove_file(spool.join("more"));
        nfcap.says("writing resumed after ");
        sender.send(100, 1000);
        nfcap.stop();
        stored(&spool).is_whole(sender.sent);
    }
}

#[test]
fn datagrams_dropped_by_a_full_queue_are_counted() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let Some(_mount) = Mount::new(&spool, &["-t", "tmpfs", "-o", "size=8m", "none"]) else {
        return;
    };
    let filler = spool.join("filler");
    let args = ["-t", "1s", "-p", "0", "--queue", "1M", "-w", &path(&spool)];
    let mut nfcap = Nfcap::start(args);
    // Fill all the space that is left.
    fs::write(&filler, vec![0; 9_000_000]).unwrap_err();
    let mut sender = Sender::new(&nfcap);
    sender.send(6000, 1000);
    wait_until_received(&mut nfcap, &sender);
    let dropped: u64 = counts(&mut nfcap)["dropped_queue"].parse().unwrap();
    // A queue of 1 MiB holds about a thousand of these datagrams.
    assert!((4000..5500).contains(&dropped), "{dropped}");
    let queue = counts(&mut nfcap)["queue"].clone();
    let (waiting, limit) = queue.split_once('/').unwrap();
    assert!(waiting.parse::<u64>().unwrap() <= limit.parse().unwrap(), "{queue}");
    fs::remove_file(&filler).unwrap();
    nfcap.says("writing resumed after ");
    sender.send(100, 1000);
    let said = nfcap.stop();
    assert!(said.contains(" datagrams were not written because the queue was full"), "{said}");
    let stored = stored(&spool);
    stored.adds_up(sender.sent);
    assert!((4000..5500).contains(&stored.queue) && stored.kernel == 0, "{stored:?}");
}

#[test]
fn a_disk_that_hangs_does_not_stop_receiving() {
    let scene = Scene::new();
    let (image, spool) = (scene.path("image"), scene.path("spool"));
    if !run("truncate", &["-s", "32M", &path(&image)]).status.success()
        || !run("mkfs.ext4", &["-q", "-F", &path(&image)]).status.success()
    {
        return skipped("no mkfs.ext4 here");
    }
    let Some(_mount) = Mount::new(&spool, &["-o", "loop", &path(&image)]) else { return };
    let mut nfcap = Nfcap::start(["-t", "1s", "-p", "0", "-w", &path(&spool)]);
    let mut sender = Sender::new(&nfcap);
    sender.send(100, 1000);
    until("a file", || (!files(&spool).is_empty()).then_some(()));
    // Every writer to this file system now waits until it is thawed, as on the slowest of disks.
    if !run("fsfreeze", &["-f", &path(&spool)]).status.success() {
        return skipped("fsfreeze cannot freeze it");
    }
    for _ in 0..12 {
        sender.send(300, 1000);
        std::thread::sleep(Duration::from_millis(200));
    }
    wait_until_received(&mut nfcap, &sender);
    assert!(run("fsfreeze", &["-u", &path(&spool)]).status.success());
    sender.send(100, 1000);
    nfcap.stop();
    let stored = stored(&spool);
    stored.is_whole(sender.sent);
    // The slots of that time have files all the same.
    assert!(stored.files >= 3, "{stored:?}");
}

#[test]
fn a_spool_without_write_permission_loses_nothing() {
    if !is_root() {
        return skipped("only root can be another user");
    }
    let scene = Scene::new();
    let spool = scene.path("spool");
    fs::create_dir(&spool).unwrap();
    let own = |owner: &str| assert!(run("chown", &["-R", owner, &path(&spool)]).status.success());
    own("nobody");
    // The user needs search permission on the parents.
    assert!(run("chmod", &["a+x", &path(scene.dir())]).status.success());
    let args = ["-t", "1s", "-p", "0", "--user", "nobody", "-w", &path(&spool)];
    let mut nfcap = Nfcap::start(args);
    let status = fs::read_to_string(format!("/proc/{}/status", nfcap.child.id())).unwrap();
    let ids = |key| status.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    for key in ["Uid:", "Gid:", "Groups:"] {
        let ids = ids(key);
        let ids: Vec<_> = ids.split_ascii_whitespace().skip(1).collect();
        assert!(!ids.is_empty() && ids.iter().all(|&id| id == "65534"), "{key} {ids:?}");
    }
    let mut sender = Sender::new(&nfcap);
    sender.send(100, 100);
    until("a file", || (!files(&spool).is_empty()).then_some(()));
    let all = run("find", &[&path(&spool), "-type", "d"]);
    let dirs = String::from_utf8(all.stdout).unwrap();
    let mode = |mode: &str| {
        for dir in dirs.lines() {
            assert!(run("chmod", &[mode, dir]).status.success());
        }
    };
    mode("0555");
    nfcap.says("Permission denied (os error 13); new datagrams wait in the queue");
    sender.send(100, 100);
    wait_until_received(&mut nfcap, &sender);
    mode("0750");
    nfcap.says("writing resumed after ");
    nfcap.stop();
    stored(&spool).is_whole(sender.sent);
}

#[test]
fn a_spool_that_is_removed_loses_nothing_of_the_slot() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let mut nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
    let mut sender = Sender::new(&nfcap);
    sender.send(100, 100);
    let part = parts(&spool).pop().unwrap();
    until("datagrams on the disk", || (written(&part) == 100).then_some(()));
    fs::remove_dir_all(&spool).unwrap();
    nfcap.says("was removed or moved; it was made again");
    sender.send(100, 100);
    until("the lock", || spool.join(".nfcap.lock").exists().then_some(()));
    // The lock is made again too: another nfcap is still kept out.
    let mut second = Nfcap::spawn(["-p", "0", "-w", &path(&spool)], Stdio::null());
    assert_eq!(second.wait().code(), Some(1), "{:?}", second.said);
    nfcap.stop();
    stored(&spool).is_whole(sender.sent);
}

#[test]
fn running_out_of_file_descriptors_loses_nothing() {
    if installed("prlimit").is_none() {
        return;
    }
    let scene = Scene::new();
    let spool = scene.path("spool");
    let mut nfcap = Nfcap::start(["-t", "1s", "-p", "0", "-w", &path(&spool)]);
    let mut sender = Sender::new(&nfcap);
    sender.send(100, 100);
    let pid = nfcap.child.id().to_string();
    let limit = |soft: &str| {
        let limit = format!("--nofile={soft}:");
        assert!(run("prlimit", &["--pid", &pid, &limit]).status.success());
    };
    limit("3");
    nfcap.says("Too many open files (os error 24); new datagrams wait in the queue");
    sender.send(200, 100);
    wait_until_received(&mut nfcap, &sender);
    limit("100");
    nfcap.says("writing resumed after ");
    sender.send(100, 100);
    nfcap.stop();
    stored(&spool).is_whole(sender.sent);
}

/// Returns the library of libfaketime. Returns `None`, and reports a skipped test, if it is not installed.
pub(crate) fn libfaketime() -> Option<PathBuf> {
    let lib = ["x86_64", "aarch64"].map(|machine| {
        PathBuf::from(format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"))
    });
    let found = lib.into_iter().find(|lib| lib.exists());
    if found.is_none() {
        skipped("no libfaketime");
    }
    found
}

/// Starts nfcap with a clock that the test sets through libfaketime. Returns `None`, and reports a
/// skipped test, if libfaketime is not installed.
pub(super) fn faked(scene: &Scene, args: &[&str]) -> Option<(Nfcap, PathBuf)> {
    let lib = libfaketime()?;
    let clock = scene.write("clock", "+0");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfcap"));
    command
        .env("LD_PRELOAD", lib)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut nfcap = Nfcap::spawn_as(command.args(args), Stdio::null());
    nfcap.listens(1);
    Some((nfcap, clock))
}

/// Sets the clock of a collector that [`faked`] started. The file is replaced as a whole, because
/// libfaketime may read it at any moment and stops at an empty one.
pub(super) fn set_clock(clock: &Path, shift: &str) {
    let new = clock.with_extension("new");
    fs::write(&new, shift).unwrap();
    fs::rename(&new, clock).unwrap();
}

#[test]
fn setting_the_clock_back_or_forward_loses_nothing() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let args = ["-t", "10m", "-p", "0", "-w", &path(&spool)];
    let Some((mut nfcap, clock)) = faked(&scene, &args) else { return };
    let mut sender = Sender::new(&nfcap);
    sender.send(10, 100);
    wait_until_received(&mut nfcap, &sender);
    let mut files_before = 0;
    // Two hours ahead, back by as much and more, and a few seconds back, which ends no slot.
    for (shift, ends) in [("+7200", true), ("-7200", true), ("-7203", false), ("-3600", true)] {
        set_clock(&clock, shift);
        if ends {
            until("a file", || (files(&spool).len() > files_before).then_some(()));
            files_before = files(&spool).len();
        }
        sender.send(10, 100);
        wait_until_received(&mut nfcap, &sender);
    }
    nfcap.stop();
    let stored: Vec<Held> = files(&spool).iter().map(|file| read(file)).collect();
    let mut numbers: Vec<u64> = Vec::new();
    for held in &stored {
        assert!(held.arrivals.iter().all(|&at| held.slot.window.holds(at)));
        assert!(held.closing.start <= held.closing.end);
        assert!(held.closing.end.secs() <= held.slot.window.end());
        numbers.extend(held.datagrams.iter().map(Datagram::number));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..sender.sent).collect::<Vec<_>>());
}

#[test]
fn a_kill_at_any_moment_costs_less_than_a_second() {
    for compress in [false, true] {
        let scene = Scene::new();
        let spool = scene.path("spool");
        let mut args = vec!["-t", LONG, "-p", "0", "-w"];
        let dir = path(&spool);
        args.push(&dir);
        if compress {
            args.extend(["--compress", "zstd", "--sync", "100ms"]);
        }
        let mut rounds = Vec::new();
        for round in 0..5u64 {
            let mut nfcap = Nfcap::start(&args);
            let mut sender = Sender::new(&nfcap);
            sender.sent = round * 1_000_000;
            let began = Instant::now();
            let mut times = Vec::new();
            // Each round is killed at a different moment.
            while began.elapsed() < Duration::from_millis(700 + round * 173) {
                sender.send(20, 300);
                times.push((began.elapsed(), sender.sent));
                std::thread::sleep(Duration::from_millis(3));
            }
            nfcap.signal("KILL");
            let killed = began.elapsed();
            nfcap.wait();
            let safe = killed.saturating_sub(Duration::from_millis(600));
            let must = times.iter().take_while(|(at, _)| *at <= safe).last().unwrap().1;
            rounds.push((round * 1_000_000, must));
        }
        Nfcap::start(&args).stop();
        let mut numbers: Vec<u64> = Vec::new();
        for file in files(&spool) {
            let file = fs::File::open(file).unwrap();
            let mut reader = Reader::new(nfkit::cli::decompress(file).unwrap()).unwrap();
            while let Ok(Some(event)) = reader.next() {
                if let Event::Datagram(d) = event {
                    numbers.push(u64::from_be_bytes(d.payload[..8].try_into().unwrap()));
                }
            }
        }
        for (first, must) in rounds {
            let of: Vec<_> =
                numbers.iter().copied().filter(|n| n / 1_000_000 == first / 1_000_000).collect();
            // Only the tail is lost, and at most half a second of it.
            assert_eq!(of, (first..first + of.len() as u64).collect::<Vec<_>>());
            assert!(first + of.len() as u64 >= must, "{} of {}", of.len(), must - first);
        }
    }
}

#[test]
fn datagrams_dropped_by_the_kernel_are_counted_exactly() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let args = ["-t", LONG, "-p", "0", "-B", "64K", "-w", &path(&spool)];
    let nfcap = Nfcap::start(args);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    nfcap.signal("STOP");
    let datagrams = exported(Version::V9, 3000);
    for datagram in &datagrams {
        socket.send_to(datagram, ("127.0.0.1", nfcap.port())).unwrap();
    }
    nfcap.signal("CONT");
    // The sequence number of the last datagram reveals the loss before it.
    std::thread::sleep(Duration::from_millis(200));
    let last = exported(Version::V9, 3001).pop().unwrap();
    socket.send_to(&last, ("127.0.0.1", nfcap.port())).unwrap();
    let said = nfcap.stop();
    let held = read(&files(&spool)[0]);
    let Closing { received, dropped_kernel, dropped_queue, missing, .. } = held.closing;
    assert_eq!(received, held.datagrams.len() as u64);
    assert!(dropped_kernel > 1000, "{dropped_kernel}");
    assert_eq!((received + dropped_kernel, dropped_queue), (3001, 0));
    // The exporter's sequence numbers show the same loss.
    assert_eq!(missing.datagrams, Some(dropped_kernel as i64));
    assert!(said.contains(&format!("the kernel dropped {dropped_kernel} of 3001 datagrams")));
    let message = format!(
        "missing by sequence numbers: {dropped_kernel} datagrams, 0 of them lost on the way here"
    );
    assert!(said.contains(&message), "{said}");
}

#[test]
fn ten_thousand_exporters_keep_their_templates_in_little_memory() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let mut nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-b", "127.0.0.1", "-w", &path(&spool)]);
    let datagrams = exported(Version::V9, 2);
    let mut sent = 0u64;
    for (part, datagram) in datagrams.iter().enumerate() {
        for n in 0..10_000u32 {
            let [_, _, high, low] = n.to_be_bytes();
            let socket = UdpSocket::bind((IpAddr::from([127, 1, high, low]), 0)).unwrap();
            // Only the first datagram has the templates.
            socket.send_to(datagram, nfcap.at[0]).unwrap();
            sent += 1;
            if n % 200 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        until("all datagrams received", || {
            (counts(&mut nfcap)["received"] == sent.to_string()).then_some(())
        });
        if part == 0 {
            nfcap.signal("HUP");
            until("a file", || (files(&spool).len() == 1).then_some(()));
        }
    }
    let peak = memory(nfcap.child.id(), "VmHWM");
    assert!(peak < 150_000, "{peak} kB");
    nfcap.stop();
    let files = files(&spool);
    let held = read(&files[1]);
    assert_eq!((held.templates, held.datagrams.len()), (10_000, 10_000));
    let ran = tool("nfdump-txt").arg(&files[1]).run().ok();
    assert_eq!(ran.rows().len(), 10_000);
}

/// Starts an nfcap that writes to a pipe, with more in its queue than the pipe holds.
fn start_with_full_pipe() -> (Nfcap, std::process::ChildStdout, Sender) {
    let args = ["-t", LONG, "-p", "0", "-b", "127.0.0.1", "-w", "-"];
    let mut nfcap = Nfcap::listening(args, Stdio::piped());
    let out = nfcap.child.stdout.take().unwrap();
    let mut sender = Sender::new(&nfcap);
    sender.send(2000, 1400);
    wait_until_received(&mut nfcap, &sender);
    (nfcap, out, sender)
}

#[test]
fn a_slow_reader_gets_everything_after_a_signal_to_end() {
    let (mut nfcap, mut out, sender) = start_with_full_pipe();
    nfcap.signal("TERM");
    let mut bytes = Vec::new();
    let began = Instant::now();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = std::io::Read::read(&mut out, &mut buffer).unwrap();
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
        // This takes longer in all than nfcap retries a reader that takes nothing.
        if began.elapsed() < Duration::from_secs(7) {
            std::thread::sleep(Duration::from_millis(150));
        }
    }
    assert!(began.elapsed() > Duration::from_secs(5));
    assert!(nfcap.wait().success(), "{:?}", nfcap.said);
    let mut reader = Reader::new(bytes.as_slice()).unwrap();
    let mut closing = None;
    let mut count = 0;
    while let Some(event) = reader.next().unwrap() {
        match event {
            Event::Datagram(_) => count += 1,
            Event::End(Ending::Closed(closed)) => closing = Some(closed.received),
            _ => {}
        }
    }
    assert_eq!((count, closing), (sender.sent, Some(sender.sent)));
}

#[test]
fn a_reader_that_takes_nothing_is_given_up_and_the_loss_reported() {
    let (mut nfcap, out, sender) = start_with_full_pipe();
    nfcap.signal("TERM");
    assert_eq!(nfcap.wait().code(), Some(1));
    let said = nfcap.said.last().unwrap();
    let lost = said.strip_prefix("nfcap: nothing could be written for 10 s; up to ");
    let lost =
        lost.and_then(|rest| rest.strip_suffix(" datagrams are lost, and no file records it"));
    let lost: u64 = lost.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!((1..=sender.sent).contains(&lost), "{said}");
    drop(out);
}

#[test]
fn a_second_signal_ends_nfcap_unless_it_comes_at_the_same_moment() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let mut nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
    nfcap.signal("TERM");
    nfcap.signal("TERM");
    assert!(nfcap.wait().success(), "{:?}", nfcap.said);
    assert_eq!((files(&spool).len(), parts(&spool).len()), (1, 0));

    let (mut nfcap, out, _) = start_with_full_pipe();
    nfcap.signal("TERM");
    let began = Instant::now();
    let status = until("its end", || {
        nfcap.signal("TERM");
        std::thread::sleep(Duration::from_millis(100));
        nfcap.child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(1));
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(9));
    drop(out);
}

#[test]
fn a_template_file_that_cannot_be_written_does_not_stop_writing() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    fs::create_dir_all(spool.join(".nfcap.templates.pcapng.part")).unwrap();
    let metrics = scene.path("metrics");
    let args = ["-t", LONG, "-p", "0", "-w", &path(&spool), "--metrics-file", &path(&metrics)];
    let mut nfcap = Nfcap::start(args);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in exported(Version::V9, 3) {
        socket.send_to(&datagram, ("127.0.0.1", nfcap.port())).unwrap();
    }
    nfcap
        .says(".nfcap.templates.pcapng: File exists (os error 17); after a restart some templates");
    let said = nfcap.stop();
    assert!(!said.contains("wait in the queue"), "{said}");
    assert_eq!(read(&files(&spool)[0]).closing.received, 3);
    assert!(fs::read_to_string(metrics).unwrap().contains("nfcap_write_failures_total 0\n"));
}
