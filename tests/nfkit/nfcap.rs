//! nfcap over loopback, with ports that the kernel chooses, slots of one second, signals and kills.
//! Nothing sleeps for a fixed time; every wait has a deadline.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nfkit::capture::{Closing, Ending, Event, Reader, Slot};
use nfkit::flow::Flow;
use nfkit::time::Timestamp;
use nfkit::wire::{Exporter, Version};

use super::harness::{
    INSIDE, NO_CONFIGURATION, Ran, Scene, installed, memory, skipped, table, tool,
};

mod commands;
mod config;
pub(crate) mod faults;
mod operate;
mod retain;
mod soak;

/// The longest wait for an event.
const LIMIT: Duration = Duration::from_secs(30);

/// The length of a slot that no test outlives.
const LONG: &str = "24h";

/// Polls until `look` returns a value. Panics after [`LIMIT`].
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running nfcap, or another command for which the harness has no type.
pub struct Nfcap {
    child: Child,
    err: Receiver<String>,
    said: Vec<String>,
    /// The addresses on which it listens.
    at: Vec<SocketAddr>,
}

impl Nfcap {
    /// Starts nfcap and waits until it listens on each of its ports.
    pub fn start<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Nfcap {
        Nfcap::listening(args, Stdio::null())
    }

    fn listening<S: AsRef<std::ffi::OsStr>>(
        args: impl IntoIterator<Item = S>,
        stdout: Stdio,
    ) -> Nfcap {
        let args: Vec<_> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let given = args.iter().skip_while(|arg| *arg != "-p").nth(1);
        let ports = given.map_or(1, |ports| ports.to_str().unwrap().split(',').count());
        let mut nfcap = Nfcap::spawn(args, stdout);
        nfcap.listens(ports);
        nfcap
    }

    /// Waits until nfcap listens on this number of ports.
    fn listens(&mut self, ports: usize) {
        while self.at.len() < ports {
            self.says("listening on ");
            let said = self.said.iter();
            let at = said.filter_map(|line| line.strip_prefix("nfcap: listening on "));
            self.at = at.map(|at| at.parse().unwrap()).collect();
            if self.at.len() < ports {
                let line = self.err.recv_timeout(LIMIT).unwrap();
                self.said.push(line);
            }
        }
    }

    fn spawn<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>, out: Stdio) -> Nfcap {
        Nfcap::spawn_as(Command::new(env!("CARGO_BIN_EXE_nfcap")).args(args), out)
    }

    fn spawn_as(command: &mut Command, out: Stdio) -> Nfcap {
        let mut child = command
            .env_remove("NFKIT_ALLOW")
            .env("NFKIT_CONFIG", NO_CONFIGURATION)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, err) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Nfcap { child, err, said: Vec::new(), at: Vec::new() }
    }

    /// Waits for a line that contains `part`, and also searches the lines that have come before.
    #[track_caller]
    fn says(&mut self, part: &str) -> String {
        loop {
            if let Some(line) = self.said.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            match self.err.recv_timeout(LIMIT) {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("{part:?}: {error} in {:#?}", self.said),
            }
        }
    }

    pub fn port(&self) -> u16 {
        self.at[0].port()
    }

    fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let status = until("nfcap's end", || self.child.try_wait().unwrap());
        while let Ok(line) = self.err.recv_timeout(LIMIT) {
            self.said.push(line);
        }
        status
    }

    /// Sends SIGTERM, waits for the end and returns all lines of standard error.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.wait();
        let said = self.said.join("\n");
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Drop for Nfcap {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Returns the finished files of a spool, sorted by name.
fn files(spool: &Path) -> Vec<PathBuf> {
    nfkit::capture::spool::list(spool, |path| Ok(Box::new(fs::File::open(path)?))).files
}

/// Returns the files that are still being written.
fn parts(spool: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![spool.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| end == "part") {
                found.push(entry.path());
            }
        }
    }
    found
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A datagram as a capture file stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Datagram {
    exporter: IpAddr,
    port: u16,
    dport: u16,
    payload: Vec<u8>,
}

impl Datagram {
    /// Returns the number at the start of the payload.
    fn number(&self) -> u64 {
        u64::from_be_bytes(self.payload[..8].try_into().unwrap())
    }
}

/// The content of a capture file with one section.
struct Held {
    slot: Slot,
    templates: usize,
    arrivals: Vec<Timestamp>,
    datagrams: Vec<Datagram>,
    closing: Closing,
}

#[track_caller]
fn read(path: &Path) -> Held {
    let file = fs::File::open(path).unwrap();
    let mut reader = Reader::new(nfkit::cli::decompress(file).unwrap()).unwrap();
    let Some(Event::Section(Some(slot))) = reader.next().unwrap() else { panic!("no section") };
    let (mut templates, mut arrivals, mut datagrams) = (0, Vec::new(), Vec::new());
    let closing = loop {
        match reader.next().unwrap() {
            Some(Event::Datagram(datagram)) if datagram.templates => templates += 1,
            Some(Event::Datagram(d)) => {
                arrivals.push(d.arrival);
                datagrams.push(Datagram {
                    exporter: d.exporter,
                    port: d.port,
                    dport: d.dport,
                    payload: d.payload.to_vec(),
                });
            }
            Some(Event::End(Ending::Closed(closing))) => break closing,
            other => panic!("{}: {other:?}", path.display()),
        }
    };
    assert!(reader.next().unwrap().is_none(), "{}: a second section", path.display());
    Held { slot, templates, arrivals, datagrams, closing }
}

/// Returns the number of complete datagrams on the disk in a file that is still being written.
fn written(part: &Path) -> usize {
    let mut count = 0;
    if let Ok(mut reader) = Reader::new(fs::File::open(part).unwrap()) {
        while let Ok(Some(event)) = reader.next() {
            count += usize::from(matches!(event, Event::Datagram(d) if !d.templates));
        }
    }
    count
}

fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Returns a flow whose source port is `n`.
fn flow(n: u16) -> Flow {
    Flow {
        sip: "192.0.2.1".parse().unwrap(),
        dip: "192.0.2.2".parse().unwrap(),
        proto: 6,
        sport: n,
        dport: 80,
        packets: 1,
        octets: 40,
        ..Flow::default()
    }
}

/// Returns a datagram for each of `count` flows. The first holds the templates.
fn exported(version: Version, count: u16) -> Vec<Vec<u8>> {
    let now = Timestamp::from_secs(seconds_now() as u64);
    let mut exporter = Exporter::new(version, 7, now.offset(-1_000_000_000));
    let mut datagrams = Vec::new();
    for n in 0..count {
        let mut send = |bytes: &[u8]| datagrams.push(bytes.to_vec());
        exporter.push(&flow(n), now, &mut send).unwrap();
        exporter.flush(now, &mut send);
    }
    datagrams
}

fn sports(ran: &Ran) -> Vec<u16> {
    table(ran.text()).iter().map(|row| row["sport"].parse().unwrap()).collect()
}

#[test]
fn datagrams_are_stored_byte_for_byte() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let words = ["-t", LONG, "-p", "0,0", "-w"].map(Into::into);
    let nfcap = Nfcap::start(words.into_iter().chain([spool.clone().into_os_string()]));
    assert_eq!(nfcap.at.len(), 2);
    let mut sent: Vec<Datagram> = Vec::new();
    for local in ["127.0.0.1", "::1"] {
        let local: IpAddr = local.parse().unwrap();
        let Ok(socket) = UdpSocket::bind((local, 0)) else {
            eprintln!("skipped: no {local} on this machine");
            continue;
        };
        let from = socket.local_addr().unwrap().port();
        for (n, len) in [0, 1, 47, 1472, 9000, 65_507].into_iter().enumerate() {
            let bytes: Vec<u8> = (0..len).map(|i: usize| (i * 7 + n) as u8).collect();
            let to = nfcap.at[0].port();
            socket.send_to(&bytes, (local, to)).unwrap();
            sent.push(Datagram { exporter: local, port: from, dport: to, payload: bytes });
        }
        let to = nfcap.at[1].port();
        socket.send_to(b"second port", (local, to)).unwrap();
        sent.push(Datagram {
            exporter: local,
            port: from,
            dport: to,
            payload: b"second port".to_vec(),
        });
    }
    // The signal must not lose datagrams that are still in the kernel's buffer.
    let said = nfcap.stop();
    assert!(said.contains("no --allow"), "{said}");
    let [file] = &files(&spool)[..] else { panic!("one file") };
    let mut held = read(file);
    let order = |datagram: &Datagram| (datagram.exporter, datagram.dport, datagram.payload.len());
    held.datagrams.sort_by_key(order);
    sent.sort_by_key(order);
    assert!(held.datagrams == sent, "not the octets that were sent");
    assert_eq!((held.closing.received, held.closing.dropped()), (sent.len() as u64, 0));
    assert_eq!((held.slot.allow, held.slot.window.seconds()), (None, 86_400));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(parts(&spool).is_empty());
}

#[test]
fn slots_follow_the_clock_with_or_without_datagrams() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let began = seconds_now();
    let nfcap = Nfcap::start(["-t", "1s", "-p", "0", "-b", "127.0.0.1", "-w", &path(&spool)]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0u64;
    // The first slots have no datagrams, the later ones do.
    until("three files", || (files(&spool).len() >= 3).then_some(()));
    until("six files", || {
        socket.send_to(&sent.to_be_bytes(), nfcap.at[0]).unwrap();
        sent += 1;
        (files(&spool).len() >= 6).then_some(())
    });
    nfcap.stop();
    let held: Vec<Held> = files(&spool).iter().map(|file| read(file)).collect();
    let mut payloads = Vec::new();
    for (n, slot) in held.iter().enumerate() {
        let window = slot.slot.window;
        assert_eq!(window.start(), held[0].slot.window.start() + n as u64, "no slot is left out");
        assert!(slot.arrivals.iter().all(|&arrival| window.holds(arrival)));
        assert_eq!(slot.closing.received, slot.datagrams.len() as u64);
        if n > 0 {
            assert_eq!(slot.closing.start, Timestamp::from_secs(window.start()));
        }
        if n + 1 < held.len() {
            assert_eq!(slot.closing.end, Timestamp::from_secs(window.end()));
        }
        payloads.extend(slot.datagrams.iter().map(|datagram| datagram.payload.clone()));
    }
    // The first file covers the rest of its slot only.
    assert!(held[0].closing.start.nanos() as f64 / 1e9 >= began - 0.001);
    let expected: Vec<_> = (0..sent).map(|n| n.to_be_bytes().to_vec()).collect();
    assert!(payloads == expected, "{} of {sent} datagrams", payloads.len());
    let ran = tool("nfdump-txt").arg(&files(&spool)[1]).run().ok();
    assert!(ran.marks("#end")[0].contains("\topen=1\tstate=nodata"), "{ran}");
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_file_decodes_alone() {
    for version in [Version::V9, Version::Ipfix] {
        let scene = Scene::new();
        let spool = scene.path("spool");
        let nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagrams = exported(version, 9);
        let mut sent = 0;
        for file in 1..=3 {
            for datagram in &datagrams[sent..][..3] {
                socket.send_to(datagram, ("127.0.0.1", nfcap.port())).unwrap();
            }
            sent += 3;
            if file < 3 {
                let part = parts(&spool).pop().unwrap();
                until("datagrams on the disk", || (written(&part) == 3).then_some(()));
                nfcap.signal("HUP");
                until("a file", || (files(&spool).len() == file).then_some(()));
            }
        }
        nfcap.stop();
        let files = files(&spool);
        assert_eq!(files.len(), 3);
        assert!(name(&files[1]).ends_with(".1.pcapng") && name(&files[2]).ends_with(".2.pcapng"));
        let slot = |file: &PathBuf| read(file).slot.window;
        assert_eq!(slot(&files[0]), slot(&files[2]));
        let mut seen = Vec::new();
        for (n, file) in files.iter().enumerate() {
            let held = read(file);
            assert_eq!(held.templates, usize::from(n > 0));
            assert_eq!(held.datagrams.len() as u64, held.closing.received);
            let ran = tool("nfdump-txt").arg(file).run().ok();
            assert_eq!(sports(&ran).len() as u64, held.closing.received, "{ran}");
            seen.extend(sports(&ran));
        }
        assert_eq!(seen, (0..9).collect::<Vec<_>>());
    }
}

#[test]
fn a_kill_loses_only_the_tail_of_the_file() {
    for tear in [0, 3] {
        let scene = Scene::new();
        let spool = scene.path("spool");
        let args = ["-t", LONG, "-p", "0", "-w", &path(&spool)];
        let mut nfcap = Nfcap::start(args);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in exported(Version::V9, 8) {
            socket.send_to(&datagram, ("127.0.0.1", nfcap.port())).unwrap();
        }
        let part = parts(&spool).pop().unwrap();
        // The file is flushed about once a second, all of it at once or in parts.
        until("datagrams on the disk", || (written(&part) == 8).then_some(()));
        nfcap.signal("KILL");
        assert!(!nfcap.wait().success());
        let mut torn = fs::read(&part).unwrap();
        torn.truncate(torn.len() - tear);
        fs::write(&part, &torn).unwrap();

        let mut nfcap = Nfcap::start(args);
        nfcap.says("left by a crash, is now ");
        let [recovered] = &files(&spool)[..] else { panic!("one file") };
        assert_eq!(format!(".{}.part", name(recovered)), name(&part));
        socket.send_to(b"after", ("127.0.0.1", nfcap.port())).unwrap();
        nfcap.stop();
        let files = files(&spool);
        assert_eq!(files.len(), 2);
        assert!(name(&files[1]).ends_with(".1.pcapng"));
        assert_eq!(read(&files[1]).datagrams[0].payload, b"after");
        // Nothing was appended to the recovered file, and it decodes up to its last complete
        // packet.
        assert!(fs::read(&files[0]).unwrap() == torn);
        let ran = tool("nfdump-txt").arg(&files[0]).run().status(1);
        let count = if tear > 0 { 7 } else { 8 };
        assert_eq!(sports(&ran), (0..count).collect::<Vec<_>>());
        assert!(ran.marks("#end")[0].contains("\tstate=cut"), "{ran}");
        assert!(parts(&spool).is_empty());
    }
}

#[test]
fn a_second_nfcap_on_the_same_spool_is_refused() {
    let scene = Scene::new();
    let spool = path(&scene.path("spool"));
    let first = Nfcap::start(["-p", "0", "-w", &spool]);
    let mut second = Nfcap::spawn(["-p", "0", "-w", &spool], Stdio::null());
    assert_eq!(second.wait().code(), Some(1));
    let pid = first.child.id();
    let line = format!("nfcap: {spool}: in use by process {pid}");
    assert_eq!(second.said.last(), Some(&line));
    // A port in use is refused too.
    let other = path(&scene.path("other"));
    let mut third = Nfcap::spawn(["-p", &first.port().to_string(), "-w", &other], Stdio::null());
    assert_eq!(third.wait().code(), Some(1));
    third.says(&format!("port {}: ", first.port()));
    first.signal("INT");
    let mut first = first;
    assert!(first.wait().success());
    Nfcap::start(["-p", "0", "-w", &spool]).stop();
}

#[test]
fn datagrams_of_senders_not_allowed_are_counted_and_not_stored() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let list = scene.write("allow", "127.0.0.1 # the router\n2001:db8::/32\n");
    let allow = format!("@{}", list.display());
    let metrics = scene.path("nfcap.prom");
    let args = ["-t", LONG, "-p", "0", "--allow", &allow, "-w", &path(&spool)];
    let nfcap = Nfcap::start(args.into_iter().chain(["--metrics-file", &path(&metrics)]));
    for (from, count) in [("127.0.0.1:0", 1), ("127.0.0.2:0", 2), ("127.0.0.3:0", 3)] {
        let socket = UdpSocket::bind(from).unwrap();
        for _ in 0..count {
            socket.send_to(b"x", ("127.0.0.1", nfcap.port())).unwrap();
        }
    }
    let said = nfcap.stop();
    assert!(
        said.contains(
            "5 datagrams from senders that --allow does not name: 127.0.0.3 (3), 127.0.0.2 (2)"
        ),
        "{said}"
    );
    assert!(!said.contains("no --allow"), "{said}");
    // The bytes are those of the received datagrams alone.
    let text = fs::read_to_string(&metrics).unwrap();
    for row in [
        "nfcap_received_datagrams_total 1",
        "nfcap_received_octets_total 1",
        "nfcap_denied_datagrams_total 5",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in {text}");
    }
    let held = read(&files(&spool)[0]);
    assert_eq!((held.closing.received, held.datagrams.len()), (1, 1));
    let nets = ["127.0.0.1/32", "2001:db8::/32"].map(|net| net.parse().unwrap());
    assert_eq!(held.slot.allow, Some(nets.to_vec()));
}

/// Starts an nfcap that writes to a pipe, and returns the reading end.
fn stream(slot: &str) -> (Nfcap, ChildStdout) {
    let args = ["-t", slot, "-p", "0", "-b", "127.0.0.1", "-w", "-"];
    let mut nfcap = Nfcap::listening(args, Stdio::piped());
    let out = nfcap.child.stdout.take().unwrap();
    (nfcap, out)
}

#[test]
fn a_live_reader_gets_the_end_of_an_idle_slot_at_once() {
    let (nfcap, out) = stream("1s");
    let mut reader = Reader::new(out).unwrap();
    for n in 0..3 {
        let Some(Event::Section(Some(slot))) = reader.next().unwrap() else { panic!("section") };
        if n == 1 {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(b"x", nfcap.at[0]).unwrap();
            let event = reader.next().unwrap();
            let Some(Event::Datagram(datagram)) = event else { panic!("{event:?}") };
            let waited = seconds_now() - datagram.arrival.nanos() as f64 / 1e9;
            assert!(waited < 0.9, "flushed after {waited} s");
        }
        let event = reader.next().unwrap();
        let Some(Event::End(Ending::Closed(closing))) = event else { panic!("{event:?}") };
        assert_eq!(closing.received, u64::from(n == 1));
        let late = seconds_now() - slot.window.end() as f64;
        assert!((0.0..0.9).contains(&late), "told {late} s after the slot's end");
    }
    // The last section is closed too.
    nfcap.signal("TERM");
    let mut last = None;
    while let Some(event) = reader.next().unwrap() {
        last = Some(matches!(event, Event::End(Ending::Closed(_))));
    }
    assert_eq!(last, Some(true));
    nfcap.stop();
}

#[test]
fn nfcap_ends_with_an_error_if_its_reader_goes_away() {
    // In this slot nothing is ever written.
    let (mut nfcap, out) = stream(LONG);
    drop(out);
    assert_eq!(nfcap.wait().code(), Some(1));
    assert!(nfcap.said.last().unwrap().starts_with("nfcap: stdout: "), "{:?}", nfcap.said);
}

#[test]
fn a_finding_comes_with_the_end_of_its_window() {
    let (nfcap, out) = stream("2s");
    let start = |name: &str, args: &[&str], stdin: ChildStdout| {
        let mut command = Command::new(name);
        command.args(args).env_remove("NFKIT_INSIDE").env("NFKIT_CONFIG", NO_CONFIGURATION);
        command.stdin(stdin).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut dump = start(env!("CARGO_BIN_EXE_nfdump-txt"), &[], out);
    let stdout = dump.stdout.take().unwrap();
    let mut scan = start(env!("CARGO_BIN_EXE_nfscan"), &["--inside", INSIDE], stdout);
    let lines = BufReader::new(scan.stdout.take().unwrap()).lines().map_while(Result::ok);
    let collector = nfcap.at[0].to_string();
    let args = ["paper", "--figure", "3", "--flows", "6000", "--rate", "5000", "--to", &collector];
    tool("nfgen").args(args).run().ok();
    let (mut found, mut after) = (0, 0);
    for line in lines {
        let now = seconds_now();
        let cells: Vec<_> = line.split('\t').collect();
        let window = if line.starts_with('#') { cells.get(1..3) } else { cells.get(0..2) };
        let window = window.and_then(|cells| nfkit::time::Window::parse(cells[0], cells[1]));
        let Some(Some(window)) = window else { continue };
        if !line.starts_with('#') {
            assert_eq!(cells[4], "203.0.113.45", "{line}");
            let late = now - window.end() as f64;
            assert!((0.0..1.0).contains(&late), "found {late} s after its window");
            found += 1;
        } else if line.starts_with("#end") && found > 0 && line.contains("state=nodata") {
            let late = now - window.end() as f64;
            assert!((0.0..1.0).contains(&late), "closed {late} s after its end");
            after += 1;
            if after == 2 {
                break;
            }
        }
    }
    assert!((1..=2).contains(&found) && after == 2, "{found} findings");
    nfcap.stop();
    for child in [&mut dump, &mut scan] {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn nfgen_sends_to_a_collector_at_the_given_rate() {
    for (bind, version) in [("127.0.0.1", "5"), ("::1", "ipfix")] {
        if UdpSocket::bind((bind, 0)).is_err() {
            eprintln!("skipped: no {bind} on this machine");
            continue;
        }
        let scene = Scene::new();
        let spool = scene.path("spool");
        let nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-b", bind, "-w", &path(&spool)]);
        let (collector, truth) = (nfcap.at[0].to_string(), path(&scene.path("truth")));
        let began = seconds_now();
        let args = ["campus", "--flows", "3000", "--export", version, "--rate", "200"];
        let to = ["--to", &collector, "--truth", &truth];
        tool("nfgen").args(args).args(to).run().ok().mute();
        let took = seconds_now() - began;
        nfcap.stop();
        let held = read(&files(&spool)[0]);
        let count = held.datagrams.len();
        // The first datagram is sent at once.
        let expected = (count - 1) as f64 / 200.0;
        assert!(took >= expected - 0.1, "{count} datagrams in {took} s");
        let ran = tool("nfdump-txt").args(["--fields", "+start,end"]).arg(&spool).run().ok();
        let rows = table(ran.text());
        assert_eq!(rows.len(), 3000);
        for row in rows {
            let end: f64 = row["end"].parse().unwrap();
            let start: f64 = row["start"].parse().unwrap();
            // The router reports a silent flow 15 s late, or 30 s if it is an answer.
            assert!(
                (began - 60.0..=began + took + 1.0).contains(&end),
                "{} of {took}: {row:?}",
                end - began
            );
            assert!(start <= end && end - start <= 301.0, "{row:?}");
        }
        assert!(scene.text("truth").contains("\n#window\t"));
    }
}

#[test]
fn nfgen_exports_the_times_given_by_start() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
    let collector = format!("127.0.0.1:{}", nfcap.port());
    let start = ["--start", "2001-07-01T00:20:00Z"];
    let args = ["campus", "--flows", "300", "--to", &collector];
    tool("nfgen").args(args).args(start).run().ok();
    nfcap.stop();
    let ran = tool("nfdump-txt").args(["--fields", "+end"]).arg(&spool).run().ok();
    for row in table(ran.text()) {
        let end: f64 = row["end"].parse().unwrap();
        assert!((993_946_700.0..993_947_400.0).contains(&end), "{row:?}");
    }
}

#[test]
fn nfgen_twice_exports_from_two_observation_domains() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    let nfcap = Nfcap::start(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
    let collector = format!("127.0.0.1:{}", nfcap.port());
    let args = ["campus", "--flows", "600", "--twice", "--export", "9", "--to", &collector];
    tool("nfgen").args(args).run().ok().mute();
    nfcap.stop();
    let ran = tool("nfdump-txt").args(["--fields", "+domain"]).arg(&spool).run().ok();
    let of = |domain: &str, sif: [&str; 2]| {
        let rows = table(ran.text()).into_iter().filter(|row| row["domain"] == domain);
        rows.filter(|row| sif.contains(&row["sif"].as_str())).count()
    };
    assert_eq!((of("0", ["1", "2"]), of("1", ["11", "12"])), (600, 600), "{ran}");
    assert!(ran.marks("#end").iter().all(|end| end.contains("lostdatagrams=0")), "{ran}");
}

#[test]
fn nfgen_reports_that_nobody_listens() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    drop(socket);
    let ran = tool("nfgen").args(["campus", "--flows", "3000", "--to", &to]).run().status(1);
    ran.mute().says_lines(1).says("nfgen: nobody listened: ");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let scene = Scene::new();
    let spool = path(&scene.path("spool"));
    for (args, why) in [
        (vec!["-w", &spool, "-t", "7m"], "a day must be a whole number of slots"),
        (vec!["-w", &spool, "-x", "run %z"], "unknown placeholder %z"),
        (vec!["-w", "-", "-x", "run"], "need files"),
        (vec!["-w", "-", "--compress", "zstd"], "needs files"),
        (vec!["-w", "-", "--dry-run"], "need files, not a stream"),
        (vec!["-w", &spool, "-x", "run", "--exec-shell", "run"], "cannot be used with"),
        (vec!["-w", &spool, "--compress", "lz4"], "only zstd is supported"),
        (vec!["-w", &spool, "--compress", "zstd:20"], "from 1 to 19"),
        (vec!["-w", &spool, "--keep", "0s"], "to keep all files, say forever"),
        (vec!["-w", &spool, "--queue", "1K"], "the least is 1M"),
        (vec!["-w", &spool, "--ident", "a b"], "without a blank"),
        (vec!["-w", &spool, "--rate", "0"], "not a number of datagrams a second"),
        (vec!["-w", &spool, "-p", "70000"], "70000"),
        (vec!["-p", "0"], "--write"),
    ] {
        let mut nfcap = Nfcap::spawn(&args, Stdio::null());
        assert_eq!(nfcap.wait().code(), Some(2), "{args:?}: {:?}", nfcap.said);
        nfcap.says(why);
    }
    assert!(!Path::new(&spool).exists());
    for args in [vec!["--to", "127.0.0.1:9", "--text"], vec!["--text", "--rate", "5"]] {
        tool("nfgen").arg("campus").args(args).run().status(2);
    }
}
