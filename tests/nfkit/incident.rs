//! Incidents: the memory of nfnotify, and the commands of the operator's desk.
//!
//! A [`Site`] has a configuration, contacts and a memory of its own. Its windows are 10 minutes from
//! 2026-11-30T00:00:00Z on, and are numbered from there.

mod desk;
mod examples;
mod hostile;
mod killed;
mod mails;
mod plans;
mod play;
mod post;
mod week;

use nfkit::time::Timestamp;

use crate::harness::{Ran, Run, Scene, tool};

/// The start of window 0, in Unix seconds.
const START: u64 = 1_795_996_800;

/// Returns the time so many minutes after the start of window 0.
fn at(minutes: u64) -> String {
    Timestamp::from_secs(START + 60 * minutes).rfc3339()
}

const CONTACTS: &str = "network,mail,name,kind,lang\n\
    140.119.0.0/16,net@example.edu,Network Operation\n\
    140.119.44.0/24,chang@cs.example.edu,\"Chang, Department of CS\",static\n\
    140.119.60.0/22,wifi@example.edu,Wireless,dynamic,zh-TW\n";

/// A finding of one window.
#[derive(Clone, Copy)]
struct Found {
    kind: &'static str,
    class: &'static str,
    host: &'static str,
    role: &'static str,
    side: &'static str,
    port: u16,
    marks: &'static str,
    why: &'static str,
}

/// A scan of ssh by a host of a static network, 13 times beyond its limit.
const SCAN: Found = Found {
    kind: "scan",
    class: "horizontal",
    host: "140.119.44.91",
    role: "source",
    side: "inside",
    port: 22,
    marks: "-",
    why: "hosts=2540>=200",
};

/// A flood that a host of a dynamic network suffers.
const FLOOD: Found = Found {
    kind: "flood",
    class: "ddos",
    host: "140.119.60.7",
    role: "target",
    side: "inside",
    port: 80,
    marks: "-",
    why: "failed=90000>=1000",
};

impl Found {
    /// Returns the finding line of a window.
    fn line(&self, window: u64) -> String {
        let Found { kind, class, host, role, side, port, marks, why } = self;
        let start = at(10 * window);
        format!(
            "{start}\t600\t{kind}\t{class}\t{host}\t{role}\t{side}\t6\t{port}\t254\t\
             203.0.113.0/24=254\t2540\t2540\t111760\t4.23\t{marks}\t{why}\t-\n"
        )
    }
}

/// Returns the lines of a window that all detectors saw whole, with these findings.
fn window(number: u64, found: &[Found]) -> String {
    let mut lines: Vec<String> = found.iter().map(|found| found.line(number)).collect();
    let start = at(10 * number);
    lines.extend(
        ["nfscan", "nfflood", "nfport"].map(|tool| {
            format!("#end\t{start}\t600\tflows=90000\topen=0\tstate=ok\ttool={tool}\n")
        }),
    );
    lines.concat()
}

/// A site with its memory, removed when the value is dropped.
struct Site(Scene);

impl Site {
    /// Returns a site with this text behind its configuration, and no memory yet.
    fn new(more: &str) -> Site {
        let site = Site(Scene::new());
        site.0.write("contacts.csv", CONTACTS);
        let text = format!(
            "[site]\ninside = [\"140.119.0.0/16\"]\ncontacts = \"contacts.csv\"\n\
             operator = \"noc@example.edu\"\ntimezone = \"Asia/Taipei\"\n\
             [incident]\ndb = \"memory/incidents.db\"\n{more}"
        );
        site.0.write("nfkit.toml", text);
        site
    }

    /// Prepares a run of nfnotify with the site's configuration.
    fn nfnotify(&self, args: &[&str]) -> Run {
        tool("nfnotify").env("NFKIT_CONFIG", self.0.path("nfkit.toml")).args(args)
    }

    /// Takes in lines at a time in minutes after the start of window 0.
    fn take_in(&self, minutes: u64, lines: &str) -> Ran {
        let run = self.nfnotify(&["-q", "run", "--now", &at(minutes), "-"]);
        run.stdin(lines).run().ok()
    }

    /// Returns the text of a file of the memory.
    fn memory(&self, name: &str) -> String {
        self.0.text(&format!("memory/{name}"))
    }
}

/// Returns a site that has seen a scan and a flood in three windows, and has told of them in shadow mode.
fn attacked(more: &str) -> Site {
    let site = Site::new(more);
    let lines: Vec<String> = (0..3).map(|n| window(n, &[SCAN, FLOOD])).collect();
    site.take_in(31, &lines.concat());
    site
}

/// Returns the cells of a table by the names in its heading, which say where each column begins.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(str::to_owned).collect()
    };
    text.lines().map(cells).collect()
}

/// Returns true if the tests that take long shall run, too.
fn is_long() -> bool {
    std::env::var_os("NFKIT_LONG").is_some_and(|value| !value.is_empty())
}
