//! Contestants that are commands: each run is a process of its own, measured by what the system says
//! of it when it is over.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use super::median;

/// Runs one command and says what it took: a process of its own, so that the peak is of one child.
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

/// One contestant.
pub struct Process {
    pub name: String,
    pub flows: f64,
    command: Vec<String>,
    /// CPU seconds, and seconds on the clock, turn by turn.
    cpu: Vec<f64>,
    wall: Vec<f64>,
    /// The most memory of any turn, in MiB.
    pub peak: f64,
}

impl Process {
    pub fn new(name: &str, flows: f64, command: &[&str]) -> Process {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let name = name.to_owned();
        Process { name, flows, command, cpu: Vec::new(), wall: Vec::new(), peak: 0.0 }
    }

    /// One turn, by this program called with `--measure`.
    pub fn turn(&mut self, me: &Path) {
        let run = Command::new(me).arg("--measure").args(&self.command).output().unwrap();
        let said = String::from_utf8(run.stdout).unwrap();
        let figures: Vec<f64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
        let [cpu, wall, peak] = figures[..] else {
            panic!("{}: {}", self.name, String::from_utf8_lossy(&run.stderr));
        };
        self.cpu.push(cpu);
        self.wall.push(wall);
        self.peak = self.peak.max(peak / 1024.0);
    }

    /// CPU seconds of the median turn.
    pub fn cpu(&mut self) -> f64 {
        median(&mut self.cpu)
    }

    /// Seconds of the median turn on the clock.
    pub fn wall(&mut self) -> f64 {
        median(&mut self.wall)
    }
}

/// What a command prints.
pub fn text(command: &[&str]) -> Vec<u8> {
    let run = Command::new(command[0]).args(&command[1..]).output().unwrap();
    assert!(run.status.success(), "{command:?}: {}", String::from_utf8_lossy(&run.stderr));
    run.stdout
}
