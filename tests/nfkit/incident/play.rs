//! Slots of ten minutes with findings made up by a test, and a memory that gets them.

use std::fmt::Write;
use std::path::PathBuf;

use nfkit::time::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Ran, Run, Scene, tool};

/// Seconds of a slot.
pub const SLOT: u64 = 600;

/// Slots of a day.
pub const DAY: u64 = 144;

/// The detectors, by the kinds of their findings.
pub const TOOLS: [(&str, &str); 3] = [("scan", "nfscan"), ("flood", "nfflood"), ("port", "nfport")];

/// Start of the slot 0: Thursday, 26 March 2026. The clocks of Europe go forward on the Sunday that follows.
const START: u64 = 1_774_483_200;

const FIELDS: &str = "#fields\twindow\tseconds\tkind\tclass\thost\trole\tside\tproto\tport\tpeers\tpeer\t\
                      flows\tpackets\toctets\trate\tmarks\twhy\tsample\n";

/// Returns the start of the `n`-th slot in Unix seconds.
pub fn start(n: u64) -> u64 {
    START + SLOT * n
}

/// Returns the start of the `n`-th slot in RFC 3339.
pub fn start_text(n: u64) -> String {
    Timestamp::from_secs(start(n)).rfc3339()
}

/// An attack as a detector tells it in each of some slots.
#[derive(Clone, Debug)]
pub struct Attack {
    kind: &'static str,
    class: &'static str,
    host: &'static str,
    role: &'static str,
    side: &'static str,
    proto: &'static str,
    port: String,
    peer: &'static str,
    marks: &'static str,
    measure: &'static str,
    value: u64,
    limit: u64,
    /// The slots.
    pub slots: Vec<u64>,
}

impl Attack {
    fn new(kind: &'static str, class: &'static str, host: &'static str) -> Attack {
        Attack {
            kind,
            class,
            host,
            role: "source",
            side: "inside",
            proto: "6",
            port: "22".to_owned(),
            peer: "-",
            marks: "spoke",
            measure: "failed",
            value: 122,
            limit: 61,
            slots: Vec::new(),
        }
    }

    /// Returns a scan of many hosts by a source inside that completed a connection, twice its limit.
    pub fn scan(host: &'static str) -> Attack {
        Attack::new("scan", "horizontal", host)
    }

    /// Returns a flood upon a target inside.
    pub fn flood(host: &'static str) -> Attack {
        let new = Attack::new("flood", "dos", host).target().marks("-");
        Attack { measure: "flows", value: 3000, limit: 1000, ..new }.port("80")
    }

    /// Returns an attack on one port by a source inside that completed a connection.
    pub fn spread(host: &'static str) -> Attack {
        let new = Attack::new("port", "spread", host);
        Attack { measure: "targets", value: 1500, limit: 1000, ..new }.port("445")
    }

    pub fn class(self, class: &'static str) -> Attack {
        Attack { class, ..self }
    }

    pub fn target(self) -> Attack {
        Attack { role: "target", ..self }
    }

    pub fn source(self) -> Attack {
        Attack { role: "source", ..self }
    }

    pub fn outside(self) -> Attack {
        Attack { side: "outside", ..self }
    }

    pub fn port(self, port: &str) -> Attack {
        Attack { port: port.to_owned(), ..self }
    }

    /// Sets protocol 17.
    pub fn udp(self) -> Attack {
        Attack { proto: "17", ..self }
    }

    pub fn marks(self, marks: &'static str) -> Attack {
        Attack { marks, ..self }
    }

    pub fn value(self, value: u64) -> Attack {
        Attack { value, ..self }
    }

    pub fn peer(self, peer: &'static str) -> Attack {
        Attack { peer, ..self }
    }

    /// Adds slots.
    pub fn on(mut self, slots: impl IntoIterator<Item = u64>) -> Attack {
        self.slots.extend(slots);
        self
    }

    /// Returns the finding line of a slot.
    fn line(&self, slot: u64) -> String {
        let Attack { kind, class, host, role, side, proto, port, peer, marks, value, .. } = self;
        let peers = if *peer == "-" { *value } else { peer.split(',').count() as u64 };
        let window = start_text(slot);
        let why = format!("{}={value}>={}", self.measure, self.limit);
        format!(
            "{window}\t{SLOT}\t{kind}\t{class}\t{host}\t{role}\t{side}\t{proto}\t{port}\t{peers}\t\
             {peer}\t{value}\t{value}\t{}\t{}.{:02}\t{marks}\t{why}\t-\n",
            value * 40,
            value / SLOT,
            value % SLOT * 100 / SLOT,
        )
    }
}

/// Returns the findings file of a slot. `end` returns the keys of the closing mark of a detector; the part of
/// one without is left out.
pub fn file<'a>(
    slot: u64,
    attacks: impl IntoIterator<Item = &'a Attack>,
    end: impl Fn(&str) -> Option<&'static str>,
) -> String {
    let now: Vec<_> = attacks.into_iter().filter(|attack| attack.slots.contains(&slot)).collect();
    let window = start_text(slot);
    let mut text = FIELDS.to_owned();
    for (kind, tool) in TOOLS {
        let Some(keys) = end(tool) else { continue };
        writeln!(text, "#window\t{window}\t{SLOT}").unwrap();
        now.iter()
            .filter(|attack| attack.kind == kind)
            .for_each(|attack| text += &attack.line(slot));
        let keys = keys.replace(' ', "\t");
        writeln!(text, "#end\t{window}\t{SLOT}\tflows=9000\t{keys}\ttool={tool}").unwrap();
    }
    text
}

/// The closing mark of a window that was seen whole.
pub const WHOLE: &str = "open=0 silent=0 state=ok";

/// A memory of incidents with its configuration, in a directory of its own.
pub struct Memory {
    pub scene: Scene,
    _ram: Option<TempDir>,
}

impl Memory {
    /// Makes the directory. `config` is what the configuration has besides `[incident]`; `DIR` in it stands for
    /// the directory.
    pub fn new(config: &str, contacts: &str) -> Memory {
        let scene = Scene::new();
        scene.write("contacts.csv", contacts);
        let dir = scene.dir().to_str().unwrap().to_owned();
        let config =
            format!("[incident]\ndb = 'memory/incidents.db'\n{config}").replace("DIR", &dir);
        scene.write("nfkit.toml", config);
        Memory { scene, _ram: None }
    }

    /// Makes a memory for very many runs, which would otherwise wait for the disk.
    pub fn in_ram(config: &str, contacts: &str) -> Memory {
        let memory = Memory::new(config, contacts);
        let ram = tempfile::tempdir_in("/dev/shm").ok();
        if let Some(ram) = &ram {
            std::os::unix::fs::symlink(ram.path(), memory.scene.path("memory")).unwrap();
        }
        Memory { _ram: ram, ..memory }
    }

    /// Returns a command of nfnotify on this memory.
    pub fn command(&self, words: &[&str]) -> Run {
        tool("nfnotify").env("NFKIT_CONFIG", self.scene.path("nfkit.toml")).args(words)
    }

    /// Returns the command `nfnotify run` at a time, with files.
    pub fn run(&self, now: u64, files: &[PathBuf]) -> Run {
        self.command(&["run", "--now", &now.to_string(), "--"]).args(files)
    }

    /// Returns the incidents that readers see.
    pub fn records(&self) -> Vec<Value> {
        let text = self.scene.text("memory/incidents.jsonl");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the number of the newest incident of a host that is not closed.
    #[track_caller]
    pub fn number_of(&self, host: &str) -> u64 {
        let records = self.records();
        let mut of_host = records
            .iter()
            .filter(|record| record["host"] == host && record["state"] != "closed")
            .map(|record| record["id"].as_u64().unwrap());
        of_host.next_back().unwrap_or_else(|| panic!("there is no incident of {host}"))
    }

    /// Returns all that the memory holds, without the secret, which is another one in each.
    #[track_caller]
    pub fn content(&self) -> String {
        let ran: Ran = self.command(&["export"]).run().ok();
        let lines = ran.text().lines().filter(|line| !line.contains("\"secret\""));
        lines.collect::<Vec<_>>().join("\n")
    }
}
