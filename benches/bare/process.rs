//! Contests of commands: each run is a process of its own, measured by the resources that the
//! system reports at its end.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use tempfile::TempDir;

use super::{load, median};

/// Runs one command and prints its CPU seconds, wall seconds and peak memory in KiB. The bench
/// starts itself for this, so that the peak is that of one child.
pub fn measure(command: &[String]) {
    let began = Instant::now();
    let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status();
    let wall = began.elapsed().as_secs_f64();
    assert!(status.unwrap().success(), "{command:?} failed");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{cpu} {wall} {}", usage.max_rss());
}

/// A contestant.
pub struct Process {
    pub name: String,
    pub flows: f64,
    command: Vec<String>,
    /// CPU seconds of each turn.
    cpu: Vec<f64>,
    /// Wall seconds of each turn.
    wall: Vec<f64>,
    /// The peak memory of all turns, in MiB.
    pub peak: f64,
}

impl Process {
    pub fn new(name: &str, flows: f64, command: &[&str]) -> Process {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let name = name.to_owned();
        Process { name, flows, command, cpu: Vec::new(), wall: Vec::new(), peak: 0.0 }
    }

    /// Runs one turn: starts this program with `--measure`.
    pub fn turn(&mut self, me: &Path) {
        let run = Command::new(me).arg("--measure").args(&self.command).output().unwrap();
        let printed = String::from_utf8(run.stdout).unwrap();
        let figures: Vec<f64> =
            printed.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [cpu, wall, peak] = figures[..] else {
            panic!("{}: {}", self.name, String::from_utf8_lossy(&run.stderr));
        };
        self.cpu.push(cpu);
        self.wall.push(wall);
        self.peak = self.peak.max(peak / 1024.0);
    }

    /// Returns the median of the CPU seconds.
    pub fn cpu(&mut self) -> f64 {
        median(&mut self.cpu)
    }

    /// Returns the median of the wall seconds.
    pub fn wall(&mut self) -> f64 {
        median(&mut self.wall)
    }
}

/// Runs a command and returns its output.
pub fn text(command: &[&str]) -> Vec<u8> {
    let run = Command::new(command[0]).args(&command[1..]).output().unwrap();
    assert!(run.status.success(), "{command:?}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}

/// Options of a bench of flow lines.
pub struct Options {
    pub flows: usize,
    pub turns: usize,
    /// Directory of the flow lines.
    pub dir: PathBuf,
    pub python: Option<String>,
    pub peers: Option<PathBuf>,
    /// The directory `dir` if none was given, removed at the end.
    _scratch: TempDir,
}

/// Parses the options of a bench. Returns `None` if the bench was started to [`measure`] one command,
/// which is done then.
pub fn options() -> Option<Options> {
    let mut words = env::args().skip(1).peekable();
    if words.next_if(|word| word == "--measure").is_some() {
        measure(&words.collect::<Vec<_>>());
        return None;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut options = Options {
        flows: 1_000_000,
        turns: 9,
        dir: scratch.path().to_owned(),
        python: None,
        peers: None,
        _scratch: scratch,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "-n" => options.flows = value().parse().unwrap(),
            "-r" => options.turns = value().parse().unwrap(),
            "--dir" => options.dir = value().into(),
            "--python" => options.python = Some(value()),
            "--peers" => options.peers = Some(value().into()),
            // cargo bench passes this option on.
            "--bench" => {}
            other => panic!("{other}: no such option"),
        }
    }
    Some(options)
}

/// Returns a file of the first flows of a campus in nine columns, and makes it if need be.
pub fn nine(dir: &Path, flows: usize) -> PathBuf {
    played(&dir.join(format!("nine-{flows}.flows")), flows, &[], &["-N"])
}

/// Returns a file of flows of a campus, made by nfgen with further arguments `with` and decoded by
/// nfdump-txt with the arguments `as_lines`.
pub fn played(file: &Path, flows: usize, with: &[&str], as_lines: &[&str]) -> PathBuf {
    if !file.exists() {
        let count = flows.to_string();
        let mut played = Command::new(env!("CARGO_BIN_EXE_nfgen"))
            .args(["campus", "--flows", &count, "--write", "-"])
            .args(with)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let dumped = Command::new(env!("CARGO_BIN_EXE_nfdump-txt"))
            .args(as_lines)
            .stdin(played.stdout.take().unwrap())
            .stdout(File::create(file).unwrap())
            .status();
        assert!(dumped.unwrap().success() && played.wait().unwrap().success(), "no flow lines");
    }
    file.to_owned()
}

/// Returns other programs from a list, one a line: a name, the number of flows that it reads, a
/// command for sh.
pub fn peers(list: Option<&Path>) -> Vec<Process> {
    let list = list.map_or(String::new(), |path| fs::read_to_string(path).unwrap());
    let peer = |line: &str| {
        let cells: Vec<_> = line.split('\t').collect();
        let [name, flows, command] = cells[..] else { panic!("{line:?}: not three columns") };
        Process::new(name, flows.parse().unwrap(), &["sh", "-c", command])
    };
    list.lines().map(peer).collect()
}

/// Lets all contestants take turns, and prints the medians of each, also in relation to the first.
pub fn contest(mut ways: Vec<Process>, flows: usize, turns: usize) {
    let me = env::current_exe().unwrap();
    for _ in 0..turns {
        ways.iter_mut().for_each(|way| way.turn(&me));
    }
    println!("{flows} campus flows, median of {turns} turns, {}", load());
    println!("{:28}{:>10}{:>10}{:>10}{:>10}", "", "CPU s", "wall s", "x first", "peak MiB");
    let first = ways.first_mut().map_or(1.0, Process::cpu);
    for way in &mut ways {
        let (cpu, wall) = (way.cpu(), way.wall());
        println!("{:28}{cpu:>10.3}{wall:>10.3}{:>10.2}{:>10.1}", way.name, cpu / first, way.peak);
    }
}
