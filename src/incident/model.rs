//! An incident and all that is remembered of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::finding::{Condition, Finding, Host, Kind, Role, Side};
use crate::time::Window;

/// The most matters of one incident. A scanner of 65,536 ports would otherwise fill the memory; further
/// ones are counted.
pub const MAX_MATTERS: usize = 64;

/// The most classes and the most marks that are kept of a matter. There are some twenty of each, but a
/// forged line may have any word.
const MAX_WORDS: usize = 24;

/// The most windows with findings that an incident remembers one by one: as many as `open = "N of M"` can
/// ask for.
pub const MAX_RECENT: usize = 64;

/// The host and the part that it plays: an incident is about one machine that attacks, or one that is
/// attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The host or network.
    pub host: Host,
    /// The side of the flagged flows that it is on.
    pub role: Role,
}

impl Subject {
    /// Returns the subject of a finding.
    pub fn of(finding: &Finding) -> Subject {
        Subject { host: finding.host, role: finding.role }
    }
}

/// Formats the host and its role: `192.0.2.1 source`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.host.text(false), self.role)
    }
}

/// The identity of a matter within an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatterKey {
    /// The family of rules that fired.
    pub kind: Kind,
    /// IANA protocol number; `None` if mixed.
    pub proto: Option<u8>,
    /// Destination port; `None` if mixed.
    pub port: Option<u16>,
}

impl MatterKey {
    /// Returns the matter that a finding belongs to.
    pub fn of(finding: &Finding) -> MatterKey {
        MatterKey { kind: finding.kind, proto: finding.proto, port: finding.port }
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Option<MatterKey> {
        let (kind, rest) = text.split_once(':')?;
        let (proto, port) = rest.split_once('/')?;
        fn part<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
            if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
        }
        Some(MatterKey { kind: Kind::parse(kind)?, proto: part(proto)?, port: part(port)? })
    }
}

/// Formats kind, protocol and port: `scan:6/22`, `flood:-/-`.
impl fmt::Display for MatterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind)?;
        match self.proto {
            Some(proto) => write!(f, "{proto}/")?,
            None => f.write_str("-/")?,
        }
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("-"),
        }
    }
}

/// The finding that was furthest beyond its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// The first condition of the finding's rule; `None` if it has no limit.
    pub condition: Option<Condition>,
    /// Start of the window, in Unix seconds.
    pub start: u64,
    /// Flows of the flagged traffic.
    pub flows: u64,
    /// The finding line.
    pub line: String,
}

impl Peak {
    /// Returns how many times the limit the value is; 0 without a limit.
    pub fn ratio(&self) -> f64 {
        self.condition.as_ref().map_or(0.0, Condition::ratio)
    }
}

/// A decision of a person to hear no more of a matter for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignore {
    /// The end, in Unix seconds.
    pub until: u64,
    /// The person.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// One thing that a host does or suffers: a family of rules, a protocol and a port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matter {
    /// The identity.
    pub key: MatterKey,
    /// The classes of its findings, at most 24.
    pub classes: BTreeSet<String>,
    /// The marks of its findings, at most 24, each with the start of the newest window that has it.
    pub marks: BTreeMap<String, u64>,
    /// Start of the oldest window with a finding, in Unix seconds.
    pub first: u64,
    /// Start of the newest window with a finding, in Unix seconds.
    pub last: u64,
    /// The finding that was furthest beyond its limit.
    pub peak: Peak,
    /// The line of the newest finding.
    pub newest: String,
    /// True if a finding was not one of a known survey.
    pub beyond_survey: bool,
    /// True if a finding was not one of a host that reflects a flood.
    pub beyond_reflection: bool,
    /// The decision to ignore it.
    pub ignored: Option<Ignore>,
}

impl Matter {
    /// Returns a matter with one finding.
    pub fn new(finding: &Finding, line: &str, window: Window, reflects: bool) -> Matter {
        let peak = peak(finding, line, window);
        let mut matter = Matter {
            key: MatterKey::of(finding),
            classes: BTreeSet::new(),
            marks: BTreeMap::new(),
            first: window.start(),
            last: window.start(),
            newest: line.to_owned(),
            peak,
            beyond_survey: false,
            beyond_reflection: false,
            ignored: None,
        };
        matter.add(finding, line, window, reflects);
        matter
    }

    /// Adds a finding. Adding it again changes nothing.
    pub fn add(&mut self, finding: &Finding, line: &str, window: Window, reflects: bool) {
        if self.classes.len() < MAX_WORDS || finding.class == LISTED {
            self.classes.insert(finding.class.clone());
        }
        for mark in &finding.marks {
            if let Some(known) = self.marks.get_mut(mark) {
                *known = window.start().max(*known);
            } else if self.marks.len() < MAX_WORDS || is_doubt(mark) {
                self.marks.insert(mark.clone(), window.start());
            }
        }
        self.beyond_survey |= !finding.marks.iter().any(|mark| mark == "survey");
        self.beyond_reflection |= !reflects;
        self.first = self.first.min(window.start());
        if window.start() >= self.last {
            self.last = window.start();
            line.clone_into(&mut self.newest);
        }
        let peak = peak(finding, line, window);
        let is_more = peak.ratio() > self.peak.ratio()
            || (peak.ratio() >= self.peak.ratio() && peak.flows > self.peak.flows);
        if is_more {
            self.peak = peak;
        }
    }

    /// Returns how much the matter says: if the host spoke for itself, and then the digits of how many times
    /// the limit its peak is. There are few weights, so that matters do not take turns for ever.
    pub(super) fn weight(&self) -> (bool, u32) {
        let times = self.peak.ratio() as u64;
        (self.marks.contains_key("spoke"), times.checked_ilog10().unwrap_or(0))
    }

    /// Returns true if nothing is lost that speaks against an act when `new` takes the place of the matter.
    pub(super) fn may_give_way_to(&self, new: &Matter) -> bool {
        let is_kept = |mark: &&str| new.marks.contains_key(*mark);
        self.ignored.is_none()
            && !self.classes.contains(LISTED)
            && DOUBTS.iter().filter(|mark| self.marks.contains_key(**mark)).all(is_kept)
    }

    /// Returns true if the matter causes neither mail nor deadline nor isolation at `now`: somebody
    /// ignores it, or it is a known survey or the echo of a flood.
    pub fn is_ignored(&self, now: u64) -> bool {
        let is_ignored = self.ignored.as_ref().is_some_and(|ignore| now < ignore.until);
        is_ignored || !self.beyond_survey || !self.beyond_reflection
    }
}

/// The class of hosts on a list of others. Nobody is isolated for it.
pub(super) const LISTED: &str = "listed";

/// Returns true for a class that the operator alone is told of, unless a line of the policy names it: no attack of the
/// host or on it, but something to look at.
pub fn is_for_operator(class: &str) -> bool {
    matches!(class, LISTED | "outage")
}

/// Marks that speak against isolation. They are kept whatever else a forged line has.
const DOUBTS: [&str; 5] = ["forged", "inner", "oneway", "sampled", "survey"];

fn is_doubt(mark: &str) -> bool {
    DOUBTS.contains(&mark) || mark == "spoke"
}

fn peak(finding: &Finding, line: &str, window: Window) -> Peak {
    let condition = Condition::first(&finding.why).filter(|condition| condition.ratio() > 0.0);
    Peak { condition, start: window.start(), flows: finding.flows, line: line.to_owned() }
}

/// The course of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Found in fewer windows than its policy wants: nobody is told yet.
    Pending,
    /// Going on.
    Open,
    /// Not found in as many clean windows as its policy wants. A finding opens it again.
    Quiet,
    /// Over. A finding begins a new incident.
    Closed(CloseReason),
}

/// The reason why an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CloseReason {
    /// The incident was quiet long enough.
    Quiet,
    /// The owner claimed it, and it is quiet.
    Claimed,
    /// A person called it resolved.
    Resolved,
}

impl State {
    /// Returns the word of the state: `pending`, `open`, `quiet` or `closed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Open => "open",
            State::Quiet => "quiet",
            State::Closed(_) => "closed",
        }
    }

    /// Returns true for an incident that is over.
    pub const fn is_closed(self) -> bool {
        matches!(self, State::Closed(_))
    }
}

impl CloseReason {
    /// Returns the word of the reason: `quiet`, `claimed` or `resolved`.
    pub const fn as_str(self) -> &'static str {
        match self {
            CloseReason::Quiet => "quiet",
            CloseReason::Claimed => "claimed",
            CloseReason::Resolved => "resolved",
        }
    }
}

/// The clean windows of one kind since its last finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clean {
    /// Start of the newest window with a finding of this kind, in Unix seconds.
    pub last: u64,
    /// Number of windows since the last finding.
    pub windows: u64,
    /// Seconds of clean windows since the incident became quiet.
    pub quiet_seconds: u64,
}

/// The word of a person that the matter is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The time, in Unix seconds.
    pub at: u64,
    /// The person.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// The time that the owner has before the host is isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The time of its announcement, in Unix seconds.
    pub announced: u64,
    /// The time of the reminder, half of the hours that count, in Unix seconds.
    #[serde(default)]
    pub half: u64,
    /// The end, in Unix seconds of the data.
    pub due: u64,
    /// Windows behind the end that were seen whole and have a finding.
    pub seen_after: u64,
    /// Start of the last of these, in Unix seconds.
    pub seen_last: u64,
    /// True if it runs for show only, because nobody was told.
    pub is_shadow: bool,
    /// True if a claim has put the end off.
    pub is_paused: bool,
    /// The time, in Unix seconds, at which a mail server reported that the mail which named it is delayed. The
    /// end is a day later by it, until the mail arrives.
    #[serde(default)]
    pub delayed: Option<u64>,
}

/// The block that an incident asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// No block.
    #[default]
    None,
    /// A block that ends by itself, at this time in Unix seconds.
    Until(u64),
    /// A block until the incident is resolved.
    UntilResolved,
}

/// All that is remembered of a host that attacks or is attacked.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Number, from 1 on, never used again.
    pub id: u64,
    /// The host and its part.
    pub subject: Subject,
    /// The rest.
    pub body: Body,
}

/// The part of an incident that is stored as one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The place of the host.
    pub side: Option<Side>,
    /// The state.
    pub state: State,
    /// Data time of the last change of the state, in Unix seconds.
    pub changed: u64,
    /// Start of the oldest window with a finding, in Unix seconds.
    pub first: u64,
    /// Start of the newest window with a finding, in Unix seconds.
    pub last: u64,
    /// End of that window, in Unix seconds.
    pub last_end: u64,
    /// Number of windows with findings.
    pub windows: u64,
    /// Starts of the newest windows with findings, at most 64, in Unix seconds.
    pub recent: BTreeSet<u64>,
    /// The matters, by key.
    pub matters: Vec<Matter>,
    /// Findings of matters beyond 64.
    pub more: u64,
    /// Clean windows, by kind.
    pub clean: BTreeMap<Kind, Clean>,
    /// The marks and classes that speak against a block, of findings whose matters are not kept, each with
    /// the start of the newest window that has it.
    #[serde(default)]
    pub doubts: BTreeMap<String, u64>,
    /// True if a window with a finding may be of a collector that took exports from anyone.
    pub is_from_anyone: bool,
    /// The newest claim.
    pub claim: Option<Claim>,
    /// The incident of the same subject before this one.
    pub previous: Option<u64>,
    /// The deadline.
    pub deadline: Option<Deadline>,
    /// The block that the last run asked for.
    pub wish: Wish,
    /// True if that was in shadow mode, so that the host is not blocked.
    #[serde(default)]
    pub is_shadow_wish: bool,
    /// The time, in Unix seconds, before which a notice of a deadline that live mode made does not count any
    /// more, because that deadline has ended.
    #[serde(default)]
    pub deadlines_from: u64,
}

impl Incident {
    /// Returns an incident without a finding.
    pub fn new(id: u64, subject: Subject, side: Option<Side>, window: Window) -> Incident {
        let body = Body {
            side,
            state: State::Pending,
            changed: window.end(),
            first: window.start(),
            last: window.start(),
            last_end: window.end(),
            windows: 0,
            recent: BTreeSet::new(),
            matters: Vec::new(),
            more: 0,
            clean: BTreeMap::new(),
            doubts: BTreeMap::new(),
            is_from_anyone: false,
            claim: None,
            previous: None,
            deadline: None,
            wish: Wish::None,
            is_shadow_wish: false,
            deadlines_from: 0,
        };
        Incident { id, subject, body }
    }

    /// Returns the matters that somebody should hear of at `now`.
    pub fn active(&self, now: u64) -> impl Iterator<Item = &Matter> {
        self.body.matters.iter().filter(move |matter| !matter.is_ignored(now))
    }

    /// Returns true if no matter is left that somebody should hear of at `now`.
    pub fn is_ignored(&self, now: u64) -> bool {
        self.active(now).next().is_none()
    }

    /// Ends the deadline. Another one needs another notice.
    pub(super) fn take_deadline(&mut self) -> Option<Deadline> {
        let deadline = self.body.deadline.take()?;
        if !deadline.is_shadow {
            // Every notice of this deadline was made at or before `announced`.
            self.body.deadlines_from = deadline.announced.saturating_add(1);
        }
        Some(deadline)
    }

    /// Returns the matter that was furthest beyond its limit.
    pub fn worst(&self) -> Option<&Matter> {
        let rank = |matter: &Matter| (matter.peak.ratio(), matter.peak.flows);
        self.body.matters.iter().max_by(|a, b| {
            let (one, other) = (rank(a), rank(b));
            one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)).then(b.key.cmp(&a.key))
        })
    }

    /// Returns the start of the newest window with this mark on a matter that is not ignored at `now`, or on
    /// one that is not kept.
    pub fn marked(&self, mark: &str, now: u64) -> Option<u64> {
        let kept = self.active(now).filter_map(|matter| matter.marks.get(mark));
        kept.chain(self.body.doubts.get(mark)).copied().max()
    }

    /// Returns true if the host is blocked in a window that begins at `start`, as far as the wish goes: it
    /// then proves nothing that the attack is not seen.
    pub fn is_blocked(&self, start: u64) -> bool {
        !self.body.is_shadow_wish
            && match self.body.wish {
                Wish::None => false,
                Wish::Until(end) => start < end,
                Wish::UntilResolved => true,
            }
    }

    /// Adds what speaks against a block in a finding whose matter is not kept.
    pub(super) fn doubt(&mut self, finding: &Finding, window: Window) {
        let doubts = finding.marks.iter().filter(|mark| DOUBTS.contains(&mark.as_str()));
        let listed = Some(&finding.class).filter(|class| *class == LISTED);
        for word in doubts.chain(listed) {
            let newest = self.body.doubts.entry(word.clone()).or_default();
            *newest = window.start().max(*newest);
        }
    }

    /// Takes back times that a wrong clock has set: those behind `limit` become `limit`, in Unix seconds.
    /// Returns true if there was one.
    pub fn heal(&mut self, limit: u64) -> bool {
        let body = &mut self.body;
        let mut times =
            vec![&mut body.changed, &mut body.first, &mut body.last, &mut body.last_end];
        times.extend(body.clean.values_mut().map(|clean| &mut clean.last));
        for matter in &mut body.matters {
            times.extend([&mut matter.first, &mut matter.last]);
        }
        let mut has_healed = false;
        for time in times.into_iter().filter(|time| **time > limit) {
            *time = limit;
            has_healed = true;
        }
        has_healed
    }

    /// Returns true if the last claim is newer than the last finding.
    pub fn is_claimed(&self) -> bool {
        self.body.claim.as_ref().is_some_and(|claim| claim.at > self.body.last)
    }
}

/// A row of the journal: one change, who made it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// The incident; `None` for a change that is of none, such as a freeze.
    pub incident: Option<u64>,
    /// Data time, in Unix seconds.
    pub data: u64,
    /// The program or person.
    pub actor: String,
    /// The thing that changed.
    pub what: Changed,
    /// The value before, `-` if there was none.
    pub from: String,
    /// The value after.
    pub to: String,
    /// The reason.
    pub reason: String,
}

/// The things that a journal row tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// The state of the incident.
    State,
    /// A new matter.
    Matter,
    /// A claim.
    Claim,
    /// A matter that is ignored, or not any more.
    Ignore,
    /// A notice.
    Notice,
    /// The deadline.
    Deadline,
    /// The block that is asked for.
    Wish,
    /// The memory as a whole: a freeze, an import.
    Memory,
}

impl Changed {
    /// Returns the word in the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Changed::State => "state",
            Changed::Matter => "matter",
            Changed::Claim => "claim",
            Changed::Ignore => "ignore",
            Changed::Notice => "notice",
            Changed::Deadline => "deadline",
            Changed::Wish => "wish",
            Changed::Memory => "memory",
        }
    }

    /// Parses the word in the journal.
    pub fn parse(text: &str) -> Option<Changed> {
        let all = [
            Changed::State,
            Changed::Matter,
            Changed::Claim,
            Changed::Ignore,
            Changed::Notice,
            Changed::Deadline,
            Changed::Wish,
            Changed::Memory,
        ];
        all.into_iter().find(|one| one.as_str() == text)
    }
}
