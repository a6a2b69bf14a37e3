//! Measures collectors of export datagrams: nfcap, nfcapd and a bare loop. Each is a process that gets
//! the same datagrams over loopback.
//!
//! The sender has core 0 and the collector core 1. A rate is held if less than one datagram in 10,000
//! is lost. The highest such rate is searched upwards, and then between the highest rate that was held
//! and the lowest that was not. All collectors take turns in one run, because other load on the
//! machine changes every figure; compare ratios. CPU is the system's time of the process, from when it
//! listens to when it has ended.
//!
//! Options, after `--`: see scripts/bench-collect, which runs this.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::exit)]

mod bare;
#[path = "bare/udp.rs"]
mod udp;

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use bare::{cpu, load, median};
use nfkit::capture::{Ending, Event, Reader, spool};
use nfkit::cli::decompress;
use nfkit::wire::Version;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use udp::{BUFFER, Feed, Sent};

const NFCAP: &str = env!("CARGO_BIN_EXE_nfcap");

/// The highest share of datagrams that may be lost.
const LOSS: f64 = 1e-4;

/// A sender below this share of the requested rate has reached its limit.
const LIMIT: f64 = 0.95;

/// The first rate of a search in datagrams a second, and the factor between rates.
const FIRST: f64 = 100_000.0;
const STEP: f64 = 1.5;

/// The first rate of a later turn's search, as a share of the best rate so far, and its factor.
const NEAR: f64 = 0.87;
const NEAR_STEP: f64 = 1.15;

/// The most attempts of a run.
const TRIES: usize = 4;

/// The share of both cores that other processes may use on a quiet machine.
const QUIET: f64 = 0.05;

/// The lowest rate of a search.
const LEAST: f64 = 5_000.0;

/// The longest time for a collector to listen, to empty its buffer, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ticks of /proc/stat in a second.
const TICKS: f64 = 100.0;

/// Kinds of collectors, which decide how stored datagrams are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nfcap,
    Nfcapd,
    /// The bare loop, which prints its count.
    Bare,
}

/// One collector that takes part.
struct Contestant {
    /// Name for `--only`.
    id: &'static str,
    name: String,
    kind: Kind,
    command: Vec<String>,
    cores: &'static [usize],
}

impl Contestant {
    /// Returns true if the collector reads this version. nfcapd leaves sFlow to sfcapd.
    fn takes(&self, version: Version) -> bool {
        self.kind != Kind::Nfcapd || version != Version::Sflow
    }
}

/// One run of one collector at one rate.
#[derive(Clone)]
struct Run {
    /// Datagrams a second that were sent.
    rate: f64,
    sent: u64,
    lost: u64,
    /// True if the sender reached its limit.
    limit: bool,
    /// CPU microseconds for each datagram that arrived.
    each: f64,
    /// Cores that the collector used while datagrams arrived.
    busy: f64,
    /// Share of both cores that other processes used.
    others: f64,
    /// Share of the buffer that was full at the end.
    backlog: f64,
    /// The most memory of the collector in MiB.
    peak: f64,
}

impl Run {
    fn held(&self) -> bool {
        self.lost as f64 <= self.sent as f64 * LOSS
    }
}

/// The figures of a collector with one version, turn by turn.
#[derive(Default)]
struct Figures {
    best: Vec<Run>,
    common: Vec<Run>,
    /// True if not even the lowest rate was held.
    none: bool,
}

struct Options {
    turns: usize,
    time: Duration,
    /// Rate in datagrams a second at which all are compared.
    common: f64,
    /// Ratio of two rates at which a search ends.
    near: f64,
    only: Vec<String>,
    exports: Vec<Version>,
    dir: PathBuf,
    nfcap: String,
    /// Further arguments for nfcap.
    extra: Vec<String>,
    /// True if the sender passes datagrams to the kernel one by one.
    single: bool,
    /// The longest time that a run waits for a quiet machine.
    wait: Duration,
    verbose: bool,
}

fn list(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::to_owned)
}

fn number<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no such number"))
}

fn options(mut words: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        turns: 3,
        time: Duration::from_secs(4),
        common: 200_000.0,
        near: 1.055,
        only: Vec::new(),
        exports: vec![Version::V5, Version::V9],
        dir: "/dev/shm".into(),
        nfcap: NFCAP.to_owned(),
        extra: Vec::new(),
        single: false,
        wait: Duration::ZERO,
        verbose: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "-r" => options.turns = number(&value()),
            "-s" => options.time = Duration::from_secs_f64(number(&value())),
            "--at" => options.common = number::<f64>(&value()) * 1e3,
            "--only" => options.only.extend(list(&value())),
            "--export" => options.exports = list(&value()).map(version).collect(),
            "--dir" => options.dir = value().into(),
            "--nfcap" => options.nfcap = value(),
            "--quick" => {
                options.turns = 1;
                options.time = Duration::from_secs(2);
                options.near = 1.12;
            }
            "--wait" => options.wait = Duration::from_secs_f64(number(&value())),
            "--single" => options.single = true,
            "-v" => options.verbose = true,
            // cargo passes this to every bench.
            "--bench" => {}
            // cargo appends its own word.
            "--" => options.extra = words.by_ref().filter(|word| word != "--bench").collect(),
            _ => panic!("there is no option {word}"),
        }
    }
    assert!(options.turns > 0 && options.common > 0.0 && options.time > Duration::ZERO);
    options
}

fn version(name: String) -> Version {
    match name.as_str() {
        "5" => Version::V5,
        "9" => Version::V9,
        "ipfix" => Version::Ipfix,
        "sflow" => Version::Sflow,
        _ => panic!("{name}: only 5, 9, ipfix and sflow are sent"),
    }
}

/// Restricts this process, and the program that it executes, to some cores.
fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core).unwrap());
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// Returns the output of a program, or `None` if it is not installed.
fn output_of(program: &str, word: &str) -> Option<String> {
    let run = Command::new(program).arg(word).output().ok()?;
    Some(String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned())
}

/// Returns the collectors that take part. PORT and DIR in their commands are filled in later.
fn contestants(options: &Options, me: &str) -> Vec<Contestant> {
    let mut ways = Vec::new();
    let wanted = |id| options.only.is_empty() || options.only.iter().any(|only| only == id);
    let mut way = |id, name: &str, kind, cores, words: &[&str], extra: &[String]| {
        let words = words.iter().map(|word| (*word).to_owned());
        let command = words.chain(extra.iter().cloned()).collect();
        ways.push(Contestant { id, name: name.to_owned(), kind, command, cores });
    };
    let extra = &options.extra;
    let nfcap = options.nfcap.as_str();
    let help = output_of(nfcap, "--help").unwrap_or_else(|| panic!("there is no {nfcap}"));
    let mut words = vec![nfcap, "-b", "127.0.0.1", "-p", "PORT", "-w", "DIR", "-t", "24h"];
    if help.contains("-B, --") {
        words.extend(["-B", "64M"]);
    } else if wanted("nfcap") {
        println!("nfcap has no -B: its buffer is 16 MiB, that of the others 64");
    }
    if wanted("nfcap") {
        way("nfcap", "nfcap", Kind::Nfcap, &[1], &words, extra);
    }
    if wanted("nfcap-zstd") {
        if help.contains("--compress") {
            words.extend(["--compress", "zstd"]);
            way("nfcap-zstd", "nfcap, zstd, both cores", Kind::Nfcap, &[0, 1], &words, extra);
        } else {
            println!("skipped: nfcap-zstd: nfcap has no --compress");
        }
    }
    let installed = output_of("nfdump", "-V").and_then(|_| output_of("nfcapd", "-V"));
    for (id, compress) in [("nfcapd", None), ("nfcapd-lz4", Some("-y"))] {
        if !wanted(id) {
            continue;
        }
        let Some(version) = &installed else {
            println!("skipped: {id}: no nfcapd and nfdump");
            continue;
        };
        let number = version.split_whitespace().find(|word| word.starts_with(char::is_numeric));
        let mut name = format!("nfcapd {}", number.unwrap_or_default());
        let mut words = vec!["nfcapd", "-b", "127.0.0.1", "-p", "PORT", "-t", "3600", "-B"];
        let buffer = BUFFER.to_string();
        words.extend([&buffer, "-w", "DIR"]);
        if let Some(compress) = compress {
            let help = output_of("nfcapd", "-h").unwrap_or_default();
            if !help.lines().any(|line| line.starts_with("-y") && line.contains("LZ4")) {
                println!("skipped: {id}: this nfcapd has no -y for it");
                continue;
            }
            name.push_str(", lz4");
            words.push(compress);
        }
        way(id, &name, Kind::Nfcapd, &[1], &words, &[]);
    }
    if wanted("bare") {
        let words = [me, "--bare", "PORT", "DIR/bare"];
        way("bare", "bare recvmmsg, append", Kind::Bare, &[1], &words, &[]);
    }
    if wanted("recv") {
        way("recv", "bare recvmmsg", Kind::Bare, &[1], &[me, "--bare", "PORT"], &[]);
    }
    ways
}

/// Returns the kernel's figures of a port: bytes in its buffer, and datagrams dropped.
fn port_state(port: u16) -> Option<(u64, u64)> {
    let end = format!(":{port:04X}");
    ["/proc/net/udp", "/proc/net/udp6"].iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| {
            let cells: Vec<_> = line.split_whitespace().collect();
            if !cells.get(1)?.ends_with(&end) {
                return None;
            }
            let (_, queue) = cells.get(4)?.split_once(':')?;
            Some((u64::from_str_radix(queue, 16).ok()?, cells.last()?.parse().ok()?))
        })
    })
}

/// Returns the CPU seconds of a process so far, of all threads.
fn cpu_of(pid: Pid) -> f64 {
    let time = clock_gettime(clock_getcpuclockid(pid).unwrap()).unwrap();
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

/// Returns the CPU seconds of all children that have ended.
fn cpu_of_ended() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Returns the seconds in which cores 0 and 1 were busy, or were taken from this machine (steal).
fn core_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with("cpu0 ") || line.starts_with("cpu1 "));
    let busy = |line: &str| {
        let cells: Vec<f64> = line.split(' ').filter_map(|cell| cell.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guests are in user.
        let [user, nice, system, _, _, irq, soft, steal, ..] = cells[..] else { return 0.0 };
        user + nice + system + irq + soft + steal
    };
    lines.map(busy).sum::<f64>() / TICKS
}

/// Returns the most memory that a process had, in MiB.
fn peak_of(pid: Pid) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().map_or(0.0, number::<f64>) / 1024.0
}

/// A running collector, which is killed when it is dropped.
struct Collector {
    child: Child,
    log: PathBuf,
}

impl Drop for Collector {
    fn drop(&mut self) {
        // An error means that the process has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Collector {
    fn start(way: &Contestant, me: &str, dir: &Path, port: u16) -> Collector {
        let spool = dir.join("spool");
        fs::create_dir(&spool).unwrap();
        let (port, spool) = (port.to_string(), spool.to_str().unwrap().to_owned());
        let fill = |word: &String| word.replace("PORT", &port).replace("DIR", &spool);
        let cores: Vec<_> = way.cores.iter().map(usize::to_string).collect();
        let log = dir.join("log");
        let child = Command::new(me)
            .args(["--pinned", &cores.join(",")])
            .args(way.command.iter().map(fill))
            .stdin(Stdio::null())
            .stdout(File::create(dir.join("out")).unwrap())
            .stderr(File::create(&log).unwrap())
            .spawn();
        Collector { child: child.unwrap(), log }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Waits until `is_so` returns true. Panics with `what` if the collector ends first, or takes too long.
    fn until(&mut self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                panic!("a collector {what}: {ended:?}\n{log}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The comparison: one sender, and one collector at a time.
struct Race {
    me: String,
    dir: PathBuf,
    time: Duration,
    wait: Duration,
    verbose: bool,
}

impl Race {
    /// Waits until other processes leave both cores alone for a moment.
    fn quiet(&self) {
        let began = Instant::now();
        while began.elapsed() < self.wait {
            let (cores, since) = (core_seconds(), Instant::now());
            thread::sleep(Duration::from_millis(500));
            if (core_seconds() - cores) / since.elapsed().as_secs_f64() / 2.0 < QUIET {
                break;
            }
        }
    }

    /// Runs a collector at one rate.
    fn run(&self, way: &Contestant, feed: &mut Feed, rate: f64) -> Run {
        self.quiet();
        let scratch = tempfile::tempdir_in(&self.dir).unwrap();
        // A port that was free a moment ago.
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let ended_before = cpu_of_ended();
        let mut collector = Collector::start(way, &self.me, scratch.path(), port);
        let pid = collector.pid();
        collector.until("does not listen", || port_state(port).is_some());
        // The collector may not be ready yet.
        thread::sleep(Duration::from_millis(100));

        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (cpu_before, ours, cores) = (cpu_of(pid), cpu(), core_seconds());
        let began = Instant::now();
        let sent = feed.send(&socket, rate, self.time, way.cores.contains(&0));
        let (backlog, _) = port_state(port).unwrap_or_default();
        collector
            .until("leaves its buffer full", || matches!(port_state(port), Some((0, _)) | None));
        // The collector still handles the last datagrams.
        thread::sleep(Duration::from_millis(20));
        let elapsed = began.elapsed().as_secs_f64();
        let (theirs, ours) = (cpu_of(pid) - cpu_before, (cpu() - ours) as f64 / 1e9);
        let others = (core_seconds() - cores - theirs - ours) / elapsed / 2.0;
        let peak = peak_of(pid);
        let (_, dropped) = port_state(port).unwrap_or_default();
        kill(pid, Signal::SIGTERM).unwrap();
        let began = Instant::now();
        let status = loop {
            match collector.child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > PATIENCE => panic!("{} does not end", way.name),
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let cpu = cpu_of_ended() - ended_before - cpu_before;
        let log = fs::read_to_string(&collector.log).unwrap_or_default();
        assert!(status.success(), "{}: {status}\n{log}", way.name);

        let stored = stored(way.kind, scratch.path(), &sent);
        if stored + dropped != sent.datagrams {
            println!(
                "{}: {} sent, the kernel dropped {dropped}, {stored} stored, {} not accounted for",
                way.name,
                sent.datagrams,
                sent.datagrams as i64 - (stored + dropped) as i64,
            );
        }
        let run = Run {
            rate: sent.datagrams as f64 / sent.seconds,
            sent: sent.datagrams,
            lost: sent.datagrams.saturating_sub(stored),
            limit: (sent.datagrams as f64 / sent.seconds) < rate * LIMIT,
            each: cpu * 1e6 / sent.datagrams.saturating_sub(dropped).max(1) as f64,
            busy: theirs / elapsed,
            others: others.max(0.0),
            // Linux counts its own bookkeeping, and doubles the buffer for it.
            backlog: backlog as f64 / (2 * BUFFER) as f64,
            peak,
        };
        if self.verbose {
            println!(
                "{:28}{:>8.1} k/s of {:>6.1}, lost {:>8} of {:>9}, {:.2} us, {:.0}% busy, others \
                 {:.0}%, backlog {:.1}%",
                way.name,
                run.rate / 1e3,
                rate / 1e3,
                run.lost,
                run.sent,
                run.each,
                run.busy * 100.0,
                run.others * 100.0,
                run.backlog * 100.0,
            );
        }
        run
    }

    /// Runs a collector at one rate until the result is certain. A loss, or a sender that falls behind,
    /// must happen again, because other processes use the machine too.
    fn sure(&self, way: &Contestant, feed: &mut Feed, rate: f64) -> Run {
        let mut best = self.run(way, feed, rate);
        for _ in 1..TRIES {
            if best.held() && !best.limit {
                break;
            }
            let run = self.run(way, feed, rate);
            let quiet = best.others.max(run.others) < QUIET;
            if (run.held(), run.rate) > (best.held(), best.rate) {
                best = run;
            }
            if quiet {
                break;
            }
        }
        best
    }

    /// Searches the highest rate that is held.
    fn search(
        &self,
        way: &Contestant,
        feed: &mut Feed,
        from: Option<f64>,
        near: f64,
    ) -> Option<Run> {
        let (mut rate, step) = match from {
            None => (FIRST, STEP),
            Some(rate) => (rate * NEAR, NEAR_STEP),
        };
        let mut best: Option<Run> = None;
        let mut worst: Option<f64> = None;
        while rate >= LEAST {
            let run = self.sure(way, feed, rate);
            if run.held() {
                let limit = run.limit;
                best = Some(run);
                if limit {
                    break;
                }
            } else {
                worst = Some(rate);
            }
            rate = match (&best, worst) {
                (Some(best), Some(worst)) if worst / best.rate < near => break,
                (Some(best), Some(worst)) => (best.rate * worst).sqrt(),
                (Some(_), None) => rate * step,
                (None, _) => rate / step,
            };
        }
        best
    }
}

/// Returns the number of datagrams that a collector has stored.
fn stored(kind: Kind, dir: &Path, sent: &Sent) -> u64 {
    let spool = dir.join("spool");
    match kind {
        Kind::Bare => number(fs::read_to_string(dir.join("out")).unwrap().trim()),
        Kind::Nfcap => {
            let open = |path: &Path| Ok(Box::new(File::open(path)?) as Box<dyn Read>);
            spool::list(&spool, open).files.iter().map(|path| in_capture(path).unwrap()).sum()
        }
        Kind::Nfcapd => {
            let mut flows = 0;
            for entry in fs::read_dir(spool).unwrap() {
                let path = entry.unwrap().path();
                let run = Command::new("nfdump").arg("-I").arg("-r").arg(path).output().unwrap();
                let text = String::from_utf8(run.stdout).unwrap();
                let count = text.lines().find_map(|line| line.strip_prefix("Flows: "));
                flows += count.map_or(0, |count| number::<u64>(count.trim()));
            }
            // All datagrams have about as many flows, and exactly as many for v5.
            (flows as f64 * sent.datagrams as f64 / sent.flows as f64).round() as u64
        }
    }
}

/// Returns the number of datagrams in one of nfcap's files, which must be whole.
fn in_capture(path: &Path) -> io::Result<u64> {
    let mut reader = Reader::new(decompress(File::open(path)?)?).map_err(io::Error::other)?;
    let (mut count, mut closed) = (0, false);
    while let Some(event) = reader.next().map_err(io::Error::other)? {
        match event {
            Event::Datagram(datagram) if !datagram.templates => count += 1,
            Event::End(Ending::Closed(closing)) => {
                if closing.dropped_queue > 0 {
                    println!("nfcap: its own queue dropped {}", closing.dropped_queue);
                }
                closed = true;
            }
            Event::End(_) => closed = false,
            _ => {}
        }
    }
    assert!(closed, "{}: was not closed", path.display());
    Ok(count)
}

fn main() {
    let words: Vec<_> = env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--pinned") => {
            // The collector must not outlive the bench, even if that is killed.
            set_pdeathsig(Signal::SIGKILL).unwrap();
            pin(&list(&words[1]).map(|core| number(&core)).collect::<Vec<_>>());
            panic!("{}: {}", words[2], Command::new(&words[2]).args(&words[3..]).exec());
        }
        Some("--bare") => {
            println!("{}", udp::collect(number(&words[1]), words.get(2).map(Path::new)));
            return;
        }
        _ => {}
    }
    let options = options(words.into_iter());
    let before = load();
    let me = env::current_exe().unwrap().to_str().unwrap().to_owned();
    let ways = contestants(&options, &me);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        println!("one core: sender and collector need two");
        return;
    }
    let most: usize = number(fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim());
    if most < BUFFER {
        let kib = most / 1024;
        println!(
            "net.core.rmem_max is {kib} KiB: a collector that cannot exceed it, such as nfcapd, \
             has a smaller buffer"
        );
    }
    pin(&[0]);
    let race = Race {
        me,
        dir: options.dir.clone(),
        time: options.time,
        wait: options.wait,
        verbose: options.verbose,
    };
    let mut feeds: Vec<_> =
        options.exports.iter().map(|&version| Feed::new(version, !options.single)).collect();
    let mut figures: Vec<Vec<Figures>> =
        feeds.iter().map(|_| ways.iter().map(|_| Figures::default()).collect()).collect();
    for _ in 0..options.turns {
        for (feed, figures) in feeds.iter_mut().zip(&mut figures) {
            for (way, figures) in ways.iter().zip(figures) {
                if !way.takes(feed.version) {
                    continue;
                }
                figures.common.push(race.run(way, feed, options.common));
                let from = figures.best.last().map(|best| best.rate);
                match race.search(way, feed, from, options.near) {
                    Some(best) => figures.best.push(best),
                    None => figures.none = true,
                }
            }
        }
    }
    println!(
        "UDP over loopback{}, runs of {} s, median of {} turns, loss below {}%, {before} before",
        if options.single { ", one by one" } else { "" },
        options.time.as_secs_f64(),
        options.turns,
        LOSS * 100.0
    );
    for ((&version, feed), figures) in options.exports.iter().zip(&feeds).zip(&figures) {
        table(version, feed, &ways, figures, &options);
    }
}

fn middle(runs: &[Run], figure: impl Fn(&Run) -> f64) -> Option<f64> {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    (!figures.is_empty()).then(|| median(&mut figures))
}

fn table(
    version: Version,
    feed: &Feed,
    ways: &[Contestant],
    figures: &[Figures],
    options: &Options,
) {
    let (flows, bytes) = feed.sizes();
    println!("\n{version}, {flows:.1} flows and {bytes:.0} bytes a datagram");
    let (held, cpu) = ("no loss at, k/s", "CPU us a datagram");
    println!("{:26}{held:>26}{cpu:>35}{:>19}", "", "at no loss");
    let at = format!("at {:.0} k/s", options.common / 1e3);
    print!("{:26}{:>8}{:>10}{:>8}", "", "", "x nfcapd", "x bare");
    print!("{at:>12}{:>10}{:>8}{:>8}", "x nfcapd", "x bare", "at most");
    println!("{:>8}{:>8}{:>9}{:>10}", "busy", "others", "backlog", "peak MiB");
    let of = |id| ways.iter().position(|way| way.id == id).map(|n| &figures[n]);
    let (nfcapd, bare) = (of("nfcapd"), of("bare"));
    let (mut limited, mut lossy) = (false, false);
    for (way, mine) in ways.iter().zip(figures) {
        if !way.takes(version) {
            println!("{:26} skipped: does not read {version}", way.name);
            continue;
        }
        let ratio = |rival: Option<&Figures>, figure: &dyn Fn(&Figures) -> Option<f64>| {
            let ratio = rival.and_then(|rival| Some(figure(mine)? / figure(rival)?));
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
        };
        let rate = |figures: &Figures| middle(&figures.best, |run| run.rate);
        let each = |figures: &Figures| middle(&figures.common, |run| run.each);
        let most = |figure: &dyn Fn(&Run) -> f64, digits: usize, unit: &str| {
            let figure = middle(&mine.best, figure);
            figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}{unit}"))
        };
        let limit = mine.best.iter().any(|run| run.limit);
        let lost = mine.common.iter().any(|run| !run.held());
        (limited, lossy) = (limited | limit, lossy | lost);
        let held =
            format!("{}{}", if limit { ">" } else { "" }, most(&|run| run.rate / 1e3, 0, ""));
        let common = each(mine).unwrap_or_default();
        let common = format!("{}{common:.2}", if lost { "!" } else { "" });
        print!("{:26}{held:>8}{:>10}{:>8}", way.name, ratio(nfcapd, &rate), ratio(bare, &rate));
        print!("{common:>12}{:>10}{:>8}", ratio(nfcapd, &each), ratio(bare, &each));
        print!("{:>8}", most(&|run| run.each, 2, ""));
        print!(
            "{:>8}{:>8}",
            most(&|run| run.busy * 1e2, 0, "%"),
            most(&|run| run.others * 1e2, 0, "%")
        );
        let all = mine.best.iter().chain(&mine.common);
        let peak = all.map(|run| run.peak).fold(0.0, f64::max);
        println!("{:>9}{peak:>10.1}", most(&|run| run.backlog * 1e2, 0, "%"));
        if mine.none {
            println!("  lost datagrams at {} k/s too in some turn, which is left out", LEAST / 1e3);
        }
    }
    if limited {
        println!(
            "> the sender reached its limit: it has the part of its core that other processes leave"
        );
    }
    if lossy {
        println!("! some turn had losses; CPU is divided by the datagrams that arrived");
    }
}
