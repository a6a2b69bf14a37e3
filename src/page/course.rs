//! The incidents of each day, as the incident machine makes them of findings alone.
//!
//! A day begins with the incidents that were not over the day before ([`Carry`]), and goes through its windows by
//! time. So a late window changes its own day and those behind it, and the result does not depend on the order in
//! which windows came.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::day::DayData;
use crate::contacts::NetworkKind;
use crate::finding::{Finding, Host, Item, Kind, Reader, Role, Side, words};
use crate::incident::{
    Body, Incident, JudgedWindow, Machine, Matter, Newest, Policy, State, Subject, Verdict,
    behaviours,
};
use crate::time::{Window, WindowState};

/// The most incidents that go on from one day to the next. Without marks that windows are clean none ends, and a
/// forger could have any number of them; those that were seen last are kept.
const MAX_CARRIED: usize = 12_000;

/// The class of scans of whole networks.
const SWEEP: &str = "sweep";

/// The class of hosts on a list of others, which says nothing of what a host does itself.
const LISTED: &str = "listed";

/// The mark of a host that opened a conversation itself.
const SPOKE: &str = "spoke";

/// The marks of addresses that may be somebody else's.
const DOUBTS: [&str; 2] = ["forged", "inner"];

/// An incident, and how many windows somebody looked at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Number within the site's store. It is not that of the incident database.
    pub id: u64,
    /// The host.
    pub host: Host,
    /// The part it plays.
    pub role: Role,
    /// All that the machine remembers.
    pub body: Body,
    /// Judged windows from the first to the last one with a finding.
    pub looked: u64,
    /// Judged windows since the last one with a finding.
    pub since: u64,
}

/// All that one day leaves to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carry {
    /// The incidents that are not over.
    pub running: Vec<Running>,
    /// The newest window of each detector: start in Unix seconds, and seconds.
    pub newest: BTreeMap<Kind, (u64, u32)>,
    /// The number of the next incident.
    pub next_id: u64,
    /// The number of incidents that were dropped before they were over, because there were too many.
    pub dropped: u64,
}

/// One window of a day: how much of it was seen, and what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Start, in Unix seconds.
    pub start: u64,
    /// Length, in seconds.
    pub seconds: u32,
    /// The part that was seen.
    pub seen: Seen,
    /// True if flows or export datagrams are missing.
    pub is_lossy: bool,
    /// True if an exporter was silent that sent data before.
    pub has_silent: bool,
    /// True if the collector took exports from anyone.
    pub is_open: bool,
    /// The detectors that judged the window.
    pub judged: Kinds,
    /// True if all detectors judged the window and saw all of it, and nothing of it was lost or left out: only then
    /// does a host that was not found not stand out.
    pub is_complete: bool,
    /// Findings.
    pub findings: u32,
}

/// The part of a window that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Seen {
    /// No exporter sent data.
    Nothing,
    /// A part.
    Part,
    /// There are findings, but no mark says how much was seen.
    Unsaid,
    /// All.
    Whole,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kinds(u8);

/// The part of an incident that lies in one day, in short: what lists show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The host.
    pub host: Host,
    /// The part it plays.
    pub role: Role,
    /// The place of the host.
    pub side: Option<Side>,
    /// Start of the incident's first window, in Unix seconds. With host and role it identifies the incident.
    pub first: u64,
    /// Start of its newest window at the end of the day.
    pub last: u64,
    /// End of that window.
    pub last_end: u64,
    /// The state at the end of the day.
    pub state: State,
    /// Windows with findings up to the end of the day.
    pub windows: u64,
    /// Judged windows from the first to the newest window with a finding.
    pub looked: u64,
    /// Windows with findings in this day.
    pub held: u32,
    /// Findings in this day.
    pub findings: u32,
    /// The kinds of its matters.
    pub kinds: Kinds,
    /// The behaviour of the host, or of others towards it, for people: `Attacks one port of many hosts, as a worm
    /// does; probes other hosts`.
    pub what: String,
    /// Protocols and ports, for people: `TCP port 80 (web)`.
    pub ports: String,
    /// IANA protocol number of the worst matter; `None` if mixed.
    pub proto: Option<u8>,
    /// Destination port of the worst matter; `None` if mixed.
    pub port: Option<u16>,
    /// The most times the limit that a value was.
    pub ratio: f64,
    /// Flows of that window.
    pub flows: u64,
    /// True if it scanned networks as a whole.
    pub sweeps: bool,
    /// Start of the newest window, in Unix seconds, in which a scan or an attack on a port showed that the host spoke
    /// for itself. `None` if none did, or something speaks against it: its address may be somebody else's.
    pub spoke: Option<u64>,
    /// Checksum of the details, so that a page is written again when they change; 0 for an incident of no day.
    pub digest: u64,
}

/// One window of an incident with findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Start, in Unix seconds.
    pub start: u64,
    /// Length, in seconds.
    pub seconds: u32,
    /// The kind of the finding with the most flows.
    pub kind: Kind,
    /// The flows of that finding.
    pub flows: u64,
}

/// The details of a [`Part`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// The incident at the end of the day.
    pub running: Running,
    /// The windows of the incident in this day, by time.
    pub cells: Vec<Cell>,
}

/// The course of one day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DayCourse {
    /// The windows, by time.
    pub windows: Vec<WindowRow>,
    /// The incidents that had a finding, in the order of the page.
    pub parts: Vec<Part>,
    /// The details of the incidents, in the same order.
    pub details: Vec<Detail>,
    /// All that the next day begins with.
    pub carry: Carry,
}

impl Kinds {
    /// The set of all kinds.
    pub const ALL: Kinds = Kinds(0b111);

    /// Returns a set of one kind.
    pub const fn one(kind: Kind) -> Kinds {
        Kinds(1 << kind as u8)
    }

    /// Adds another set.
    pub fn add(&mut self, other: Kinds) {
        self.0 |= other.0;
    }

    /// Returns true if the kind is in the set.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & Kinds::one(kind).0 != 0
    }

    /// Returns true if the sets have a kind in common.
    pub const fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the kinds in their order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        [Kind::Scan, Kind::Flood, Kind::Port].into_iter().filter(move |kind| self.has(*kind))
    }
}

impl Running {
    /// Returns the machine's incident.
    fn incident(&self) -> Incident {
        let subject = Subject { host: self.host, role: self.role };
        Incident { id: self.id, subject, body: self.body.clone() }
    }

    /// Returns the machine's incident and drops the rest.
    pub fn into_incident(self) -> Incident {
        let subject = Subject { host: self.host, role: self.role };
        Incident { id: self.id, subject, body: self.body }
    }

    /// Returns the kinds of the matters.
    pub fn kinds(&self) -> Kinds {
        let mut kinds = Kinds::default();
        self.body.clean.keys().for_each(|kind| kinds.add(Kinds::one(*kind)));
        kinds
    }

    /// Returns the short form. `cells`: the windows of a day with findings; `findings`: those in them.
    pub fn part(&self, cells: &[Cell], findings: u32) -> Part {
        let incident = self.incident();
        let worst = incident.worst();
        let Body { side, state, first, last, last_end, windows, .. } = self.body;
        Part {
            host: self.host,
            role: self.role,
            side,
            first,
            last,
            last_end,
            state,
            windows,
            looked: self.looked.max(windows),
            held: u32::try_from(cells.len()).unwrap_or(u32::MAX),
            findings,
            kinds: self.kinds(),
            what: sentence(&behaviours(&incident)),
            ports: ports(&incident),
            proto: worst.and_then(|matter| matter.key.proto),
            port: worst.and_then(|matter| matter.key.port),
            ratio: worst.map_or(0.0, |matter| matter.peak.ratio()),
            flows: worst.map_or(0, |matter| matter.peak.flows),
            sweeps: self.body.matters.iter().any(|matter| matter.classes.contains(SWEEP)),
            spoke: self.spoke(),
            digest: if cells.is_empty() { 0 } else { digest(&(self, cells)) },
        }
    }

    /// Returns the start of the newest window in which the host spoke for itself, if nothing speaks against it.
    fn spoke(&self) -> Option<u64> {
        let Body { matters, doubts, .. } = &self.body;
        let is_doubtful = DOUBTS.iter().any(|doubt| {
            doubts.contains_key(*doubt)
                || matters.iter().any(|matter| matter.marks.contains_key(*doubt))
        });
        let own = matters
            .iter()
            .filter(|matter| matter.key.kind != Kind::Flood && !matter.classes.contains(LISTED));
        let newest = own.filter_map(|matter| matter.marks.get(SPOKE)).max().copied();
        newest.filter(|_| !is_doubtful)
    }
}

impl Part {
    /// Returns the place in the order of lists, the gravest first: inside sources, inside targets and others;
    /// then times the limit, windows and flows; and the identity, so that the order is a total one.
    pub fn order(&self) -> impl Ord + use<> {
        let group = match (self.side, self.role) {
            (Some(Side::Inside), Role::Source) => 0,
            (Some(Side::Inside), Role::Target) => 1,
            _ => 2,
        };
        let most = std::cmp::Reverse;
        let ratio = (self.ratio * 1000.0) as u64;
        (group, most(ratio), most(self.windows), most(self.flows), self.host, self.role, self.first)
    }
}

impl Carry {
    /// Returns true if the incident has a finding in the newest window of one of its detectors: it goes on. The newest
    /// window of a detector that has stopped says nothing about the present: it may lag by one window of its own.
    pub fn goes_on(&self, running: &Running) -> bool {
        let Some(newest) = self.newest_window() else { return false };
        let is_newest = |kind: &Kind, last: u64| {
            self.newest.get(kind).is_some_and(|(start, seconds)| {
                last >= *start && start + 2 * u64::from(*seconds) >= newest.start()
            })
        };
        running.body.state == State::Open
            && running.body.clean.iter().any(|(kind, clean)| is_newest(kind, clean.last))
    }

    /// Returns the end of the newest window of any detector, in Unix seconds.
    pub fn until(&self) -> Option<u64> {
        self.newest_window().map(Window::end)
    }

    /// Returns the window of any detector that begins last.
    pub fn newest_window(&self) -> Option<Window> {
        let windows =
            self.newest.values().filter_map(|(start, seconds)| Window::new(*start, *seconds));
        windows.max_by_key(|window| (window.start(), window.end()))
    }

    /// Returns a checksum: a day whose beginning has another one has to be gone through again.
    pub fn digest(&self) -> u64 {
        digest(self)
    }
}

/// Goes through the windows of one day.
pub fn replay(day: &DayData, before: &Carry, policy: &Policy) -> DayCourse {
    let windows = judged_windows(day);
    let dropped_before = before.dropped;
    let network_kind = |_: Host| NetworkKind::Unknown;
    let newest = before
        .newest
        .iter()
        .filter_map(|(kind, (start, seconds))| Some((*kind, Window::new(*start, *seconds)?)));
    let mut looked: BTreeMap<u64, (u64, u64)> =
        before.running.iter().map(|known| (known.id, (known.looked, known.since))).collect();
    let mut machine = Machine::new(
        before.running.iter().map(Running::incident),
        Newest(newest.collect()),
        before.next_id.max(1),
        policy,
        &network_kind,
    );
    let mut rows: Vec<WindowRow> = Vec::with_capacity(windows.len());
    for (judged, row) in windows {
        machine.step(&judged);
        rows.push(row);
    }
    let known: BTreeMap<u64, Incident> =
        before.running.iter().map(|known| (known.id, known.incident())).collect();
    let outcome = machine.finish();
    let dropped: BTreeSet<u64> = outcome.dropped.into_iter().collect();
    let mut incidents = known;
    incidents.retain(|id, _| !dropped.contains(id));
    incidents.extend(outcome.changed.into_iter().map(|incident| (incident.id, incident)));

    let mut found = FoundWindows::of(day);
    let mut course = DayCourse::default();
    let mut parts = Vec::new();
    for (id, incident) in incidents {
        let Incident { subject: Subject { host, role }, body, .. } = incident;
        let (before, since) = looked.remove(&id).unwrap_or_default();
        let mut running = Running { id, host, role, body, looked: before, since };
        let (cells, findings) = found.take(&running);
        running.count_windows(&rows, !cells.is_empty());
        if !running.body.state.is_closed() {
            course.carry.running.push(running.clone());
        }
        if !cells.is_empty() {
            parts.push((running.part(&cells, findings), Detail { running, cells }));
        }
    }
    parts.sort_by_cached_key(|(part, _)| part.order());
    (course.parts, course.details) = parts.into_iter().unzip();
    course.windows = rows;
    let Newest(newest) = outcome.newest;
    course.carry.newest =
        newest.into_iter().map(|(kind, w)| (kind, (w.start(), w.seconds()))).collect();
    course.carry.next_id = outcome.next_id;
    course.carry.dropped = dropped_before;
    course.carry.bound();
    course
}

impl Carry {
    /// Drops the incidents beyond the limit.
    fn bound(&mut self) {
        if self.running.len() > MAX_CARRIED {
            self.running.sort_by_key(|running| {
                let is_inside = running.body.side == Some(Side::Inside);
                std::cmp::Reverse((is_inside, running.body.last, running.id))
            });
            self.dropped += (self.running.len() - MAX_CARRIED) as u64;
            self.running.truncate(MAX_CARRIED);
        }
        self.running.sort_by_key(|running| running.id);
    }
}

impl Running {
    /// Adds the windows of a day that a detector of the incident judged.
    fn count_windows(&mut self, rows: &[WindowRow], has_findings: bool) {
        let kinds = self.kinds();
        let Body { first, last, .. } = self.body;
        let judged = rows.iter().filter(|row| {
            row.start >= first && row.judged.meets(kinds) && row.seen != Seen::Nothing
        });
        let mut behind = 0;
        let mut through = 0;
        for row in judged {
            if row.start <= last { through += 1 } else { behind += 1 }
        }
        if has_findings {
            self.looked += self.since + through;
            self.since = behind;
        } else {
            self.since += through + behind;
        }
    }
}

/// The windows of a day with findings, by the host and its part.
struct FoundWindows(BTreeMap<Subject, BTreeMap<Window, (Cell, u32)>>);

impl FoundWindows {
    fn of(day: &DayData) -> FoundWindows {
        let mut found: BTreeMap<Subject, BTreeMap<Window, (Cell, u32)>> = BTreeMap::new();
        for finding in day.findings() {
            let Some(window) = finding.window else { continue };
            let windows = found.entry(Subject::of(finding)).or_default();
            let Finding { kind, flows, .. } = *finding;
            let cell = Cell { start: window.start(), seconds: window.seconds(), kind, flows };
            let (known, count) = windows.entry(window).or_insert((cell, 0));
            *count += 1;
            if (flows, std::cmp::Reverse(kind)) > (known.flows, std::cmp::Reverse(known.kind)) {
                *known = cell;
            }
        }
        FoundWindows(found)
    }

    /// Takes the windows from the incident's first to its last, and the number of findings in them.
    fn take(&mut self, running: &Running) -> (Vec<Cell>, u32) {
        let subject = Subject { host: running.host, role: running.role };
        let Some(windows) = self.0.get_mut(&subject) else { return (Vec::new(), 0) };
        let Body { first, last, .. } = running.body;
        let of_incident = |window: &Window| (first..=last).contains(&window.start());
        let (mut cells, mut findings) = (Vec::new(), 0);
        windows.retain(|window, (cell, count)| {
            if of_incident(window) {
                cells.push(*cell);
                findings += *count;
            }
            !of_incident(window)
        });
        (cells, findings)
    }
}

/// Returns the windows of a day by time, for the machine and for people.
fn judged_windows(day: &DayData) -> Vec<(JudgedWindow, WindowRow)> {
    let mut windows: BTreeMap<Window, (JudgedWindow, WindowRow)> = BTreeMap::new();
    let new = |window: Window| {
        let judged = JudgedWindow {
            window,
            verdicts: BTreeMap::new(),
            findings: Vec::new(),
            may_lack: false,
        };
        let row = WindowRow {
            start: window.start(),
            seconds: window.seconds(),
            seen: Seen::Unsaid,
            is_lossy: false,
            has_silent: false,
            is_open: false,
            judged: Kinds::default(),
            is_complete: true,
            findings: 0,
        };
        (judged, row)
    };
    for (window, kind, verdict) in day.verdicts() {
        let (judged, row) = windows.entry(window).or_insert_with(|| new(window));
        let is_whole = verdict.is_whole() && !day.lacks(window, kind);
        // Captures of other programs do not say who may send.
        let is_open = verdict.is_open != Some(false);
        judged.verdicts.insert(kind, Verdict { is_whole, is_open });
        let seen = match verdict.state {
            Some(WindowState::Ok) => Seen::Whole,
            Some(WindowState::Cut) => Seen::Part,
            Some(WindowState::NoData) => Seen::Nothing,
            None => Seen::Unsaid,
        };
        row.seen = if row.judged == Kinds::default() { seen } else { row.seen.min(seen) };
        row.judged.add(Kinds::one(kind));
        row.is_lossy |= verdict.is_lossy;
        row.has_silent |= verdict.has_silent;
        row.is_open |= verdict.is_open == Some(true);
        row.is_complete &= is_whole && !verdict.is_lossy;
    }
    for (_, row) in windows.values_mut() {
        row.is_complete &= row.judged == Kinds::ALL;
    }
    for finding in day.findings() {
        let Some(window) = finding.window else { continue };
        let (judged, row) = windows.entry(window).or_insert_with(|| new(window));
        // Without a mark nobody says how much was seen.
        row.is_complete &= row.judged == Kinds::ALL;
        judged.findings.push(finding.clone());
        row.findings += 1;
        row.judged.add(Kinds::one(finding.kind));
    }
    // The machine wants windows in the order of their start.
    let mut windows: Vec<_> = windows.into_values().collect();
    windows.sort_by_key(|(judged, _)| (judged.window.start(), judged.window.end()));
    windows
}

/// Returns some texts as one that begins with a capital letter.
fn sentence(texts: &[&str]) -> String {
    let text = texts.join("; ");
    let mut letters = text.chars();
    let first = letters.next().map_or(String::new(), |first| first.to_uppercase().to_string());
    first + letters.as_str()
}

/// Returns protocol and port of the gravest matter, with the number of others.
fn ports(incident: &Incident) -> String {
    let Some(worst) = incident.worst() else { return String::new() };
    let key = |matter: &Matter| (matter.key.proto, matter.key.port);
    let all: BTreeSet<_> = incident.body.matters.iter().map(key).collect();
    let text = words::port(worst.key.proto, worst.key.port);
    match (all.len() as u64 - 1).saturating_add(incident.body.more) {
        0 => text,
        more => format!("{text}, and {} more", words::count(more)),
    }
}

/// Parses the finding line of a peak.
pub fn parse(line: &str) -> Option<Finding> {
    match Reader::new().line(line.as_bytes()) {
        Ok(Some(Item::Finding(finding))) => Some(*finding),
        _ => None,
    }
}

/// Returns a checksum of a value: the first 8 bytes of the SHA-256 of its form in the store.
pub fn digest(value: &impl Serialize) -> u64 {
    use sha2::{Digest, Sha256};
    // The types of the store can all be serialised.
    let bytes = postcard::to_stdvec(value).unwrap_or_default();
    let sum = Sha256::digest(&bytes);
    sum.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
