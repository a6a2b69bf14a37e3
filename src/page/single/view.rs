//! The findings of a page by incident: the windows that it shows, gone through with the incident machine as those of
//! a site are.

use std::collections::{BTreeMap, BTreeSet};

use super::coverage::Windows;
use super::data::{PageContents, WindowVerdict};
use super::show::Show;
use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::incident::{Incident, Matter, Policy};
use crate::page::course::{Carry, DayCourse, Detail, Kinds, Part, Running, replay};
use crate::page::day::DayData;
use crate::time::{Latest, Timeline, Window};

/// The most incidents in the list, because a phone cannot open more. Further ones are only counted.
pub const MAX_ROWS: usize = 500;

/// The most marks of an incident that are shown: a forged line may have any words.
const MAX_MARKS: usize = 12;

/// All that a page shows.
pub(super) struct View {
    /// The windows that are shown.
    pub windows: Windows,
    /// The verdicts on them.
    pub verdicts: Vec<WindowVerdict>,
    /// The incidents in the order of the page.
    pub incidents: Vec<Listed>,
    /// The incidents of findings of an unknown time, in order.
    pub untimed: Vec<Listed>,
    /// The findings of all these incidents, by what they are about.
    pub counts: Counts,
    /// Findings that are not shown, because they are about hosts of another side.
    pub others: u64,
    /// Findings that are not shown, because their windows are older.
    pub older: u64,
    /// True if findings of a day were dropped because there were too many.
    pub lacks_findings: bool,
    /// True if days or verdicts were dropped because there were too many.
    pub overflow: bool,
    pub is_understood: bool,
    pub bad_lines: u64,
    pub bad_inputs: u64,
    pub latest: Option<Latest>,
    pub timeline: Timeline,
}

/// An incident in the list.
pub(super) struct Listed {
    pub part: Part,
    /// True if it has a finding in the newest window.
    pub goes_on: bool,
    /// The line of the finding of each kind that was furthest beyond its limit, the gravest first.
    pub peaks: Vec<String>,
    /// The marks of all its findings, in order.
    pub marks: Vec<String>,
}

/// Numbers of findings, and the hosts that they are about.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub findings: u64,
    pub hosts: BTreeSet<(Option<Side>, Host)>,
    /// The same by kind and role.
    pub groups: BTreeMap<(Kind, Role), Group>,
}

/// The findings of one kind and role.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub findings: u64,
    pub hosts: BTreeSet<(Option<Side>, Host)>,
}

impl View {
    /// Selects what `show` asks for, and groups it.
    pub(super) fn new(contents: PageContents, show: &Show) -> View {
        let is_understood = contents.is_understood();
        let PageContents { days, mut untimed, mut verdicts, timeline, .. } = contents;
        let latest = timeline.latest();
        let from = latest.map_or(0, |latest| latest.since(show.last));
        verdicts.retain(|verdict| verdict.window.is_none_or(|window| window.start() >= from));
        let (mut older, mut current) = (Vec::new(), Vec::new());
        for day in days {
            let mut parts = day.split(|window| window.start() >= from);
            older.extend(parts.remove(&false));
            current.extend(parts.remove(&true));
        }
        let number = |days: &[DayData]| days.iter().map(|day| day.len() as u64).sum::<u64>();
        let all = number(&current) + untimed.len() as u64;
        let older_findings = number(&older);

        let found = current.iter().flat_map(DayData::findings).map(|finding| finding.window);
        let found = found.chain(untimed.findings().map(|_| None));
        let lacking = current.iter().flat_map(DayData::lacking).map(Some);
        let lacking = lacking.chain(untimed.lacking().map(|_| None));
        let windows = Windows::new(&verdicts, found, lacking);
        let lacks_findings = current.iter().chain([&untimed]).any(|day| day.left_out() > 0);

        let is_shown = |finding: &Finding| show.side.is_none() || finding.side == show.side;
        older.iter_mut().chain(&mut current).for_each(|day| day.retain(is_shown));
        untimed.retain(is_shown);
        let mut counts = Counts::default();
        let shown = current.iter().chain([&untimed]).flat_map(DayData::findings);
        shown.for_each(|finding| counts.add(finding));

        let newest = latest.map(|latest| latest.newest);
        View {
            windows,
            verdicts,
            others: all - counts.findings,
            older: older_findings,
            lacks_findings,
            overflow: contents.overflow,
            is_understood,
            bad_lines: contents.bad_lines,
            bad_inputs: contents.bad_inputs,
            latest,
            incidents: incidents(older, current, newest),
            untimed: incidents(Vec::new(), vec![untimed], None),
            counts,
            timeline,
        }
    }

    /// Returns the number of incidents.
    pub(super) fn number(&self) -> u64 {
        (self.incidents.len() + self.untimed.len()) as u64
    }

    /// Returns the number of incidents that go on in the newest window.
    pub(super) fn going_on(&self) -> usize {
        self.incidents.partition_point(|incident| incident.goes_on)
    }
}

impl Listed {
    fn new(part: Part, incident: Incident) -> Listed {
        let mut matters = incident.body.matters;
        matters.sort_by(|a, b| {
            let rank = |matter: &Matter| (matter.peak.ratio(), matter.peak.flows);
            let ((one, flows), (other, more)) = (rank(a), rank(b));
            other.total_cmp(&one).then(more.cmp(&flows)).then(a.key.cmp(&b.key))
        });
        let mut kinds = Kinds::default();
        let is_first = |matter: &&Matter| {
            let is_first = !kinds.has(matter.key.kind);
            kinds.add(Kinds::one(matter.key.kind));
            is_first
        };
        let peaks = matters.iter().filter(is_first).map(|matter| matter.peak.line.clone());
        let peaks = peaks.collect();
        let marks: BTreeSet<String> =
            matters.into_iter().flat_map(|matter| matter.marks.into_keys()).collect();
        let marks = marks.into_iter().take(MAX_MARKS).collect();
        Listed { part, goes_on: false, peaks, marks }
    }
}

impl Counts {
    fn add(&mut self, finding: &Finding) {
        let group = self.groups.entry((finding.kind, finding.role)).or_default();
        group.findings += 1;
        group.hosts.insert((finding.side, finding.host));
        self.findings += 1;
        self.hosts.insert((finding.side, finding.host));
    }
}

/// Returns the incidents with a finding in the days of `current`, in the order of the page. Those that began in the
/// days of `older` are known from there. `newest`: the window of the input that begins last.
fn incidents(older: Vec<DayData>, current: Vec<DayData>, newest: Option<Window>) -> Vec<Listed> {
    let policy = Policy::new(Vec::new());
    let mut carry = Carry::default();
    for day in joined(older) {
        carry = replay(&day, &carry, &policy).carry;
    }
    let mut found: BTreeMap<u64, Listed> = BTreeMap::new();
    for day in joined(current) {
        let DayCourse { parts, details, carry: after, .. } = replay(&day, &carry, &policy);
        for (part, Detail { running, .. }) in parts.into_iter().zip(details) {
            found.insert(running.id, Listed::new(part, running.into_incident()));
        }
        carry = after;
    }
    // Days without findings are not gone through, so the newest window may be behind the last day.
    let is_near = |running: &&Running| newest.is_some_and(|w| running.body.last_end >= w.start());
    let on = carry.running.iter().filter(is_near).filter(|running| carry.goes_on(running));
    for running in on {
        if let Some(listed) = found.get_mut(&running.id) {
            listed.goes_on = true;
        }
    }
    let mut list: Vec<Listed> = found.into_values().collect();
    list.sort_by_cached_key(|listed| (!listed.goes_on, listed.part.order()));
    list
}

/// Joins days to as few as can hold them, by time: each is gone through with all incidents that are not over.
fn joined(days: Vec<DayData>) -> Vec<DayData> {
    let mut joined: Vec<DayData> = Vec::new();
    for day in days {
        match joined.last_mut() {
            Some(last) if last.has_room_for(&day) => last.join(day),
            _ => joined.push(day),
        }
    }
    joined
}
