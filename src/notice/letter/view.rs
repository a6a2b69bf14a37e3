//! A case, made ready to be told: its matters by gravity, and the finding that it is described by.

use std::collections::BTreeSet;

use crate::finding::{Finding, Host, Item, Reader, Role, Side, words};
use crate::incident::{Matter, State, Step};
use crate::notice::words::{Situation, Words};

use super::model::Case;
use super::table;

/// The kinds of recipients of a case: how they are concerned with its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// The recipient is responsible for the host.
    Own,
    /// Nobody is responsible for the host.
    Orphan,
    /// The host is not one of ours.
    Outside,
}

/// A case that is ready to be told.
pub(super) struct View<'a> {
    pub(super) case: &'a Case<'a>,
    /// The matters that are not ignored, the one furthest beyond its limit first.
    pub(super) matters: Vec<&'a Matter>,
    /// The peak finding of the first matter, if its line can be read.
    pub(super) peak: Option<Finding>,
}

impl<'a> View<'a> {
    /// Returns the view of a case at `now`, in Unix seconds.
    pub(super) fn new(case: &'a Case<'a>, now: u64) -> View<'a> {
        let mut matters: Vec<&Matter> = case.incident.active(now).collect();
        matters.sort_by(|a, b| {
            let times = b.peak.ratio().total_cmp(&a.peak.ratio());
            times.then(b.peak.flows.cmp(&a.peak.flows)).then(a.key.cmp(&b.key))
        });
        let peak = matters.first().and_then(|matter| finding(&matter.peak.line));
        View { case, matters, peak }
    }

    /// Returns how many times its limit the incident is; 0 if that is not known.
    pub(super) fn times(&self) -> f64 {
        self.matters.first().map_or(0.0, |matter| matter.peak.ratio())
    }

    pub(super) fn host(&self) -> Host {
        self.case.incident.subject.host
    }

    pub(super) fn role(&self) -> Role {
        self.case.incident.subject.role
    }

    /// Returns true if the flows that the gravest matter shows come from the host: those of an attacker, and the
    /// replies of the victim of a flood from forged addresses.
    pub(super) fn sends(&self) -> bool {
        self.role() == Role::Source || self.situation() == Some(Situation::Backscatter)
    }

    pub(super) fn is_network(&self) -> bool {
        matches!(self.host(), Host::Prefix(_))
    }

    pub(super) fn concern(&self) -> Concern {
        match (self.case.net, self.case.incident.body.side) {
            (Some(_), _) => Concern::Own,
            (None, Some(Side::Outside)) => Concern::Outside,
            (None, _) => Concern::Orphan,
        }
    }

    /// Returns true while the incident is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.case.incident.body.state, State::Pending | State::Open)
    }

    /// Returns true if the recipient has not been told of a matter yet, in a letter that says that there is more.
    pub(super) fn is_new(&self, matter: &Matter) -> bool {
        self.case.step == Step::Grown && self.case.told_last.is_some_and(|told| matter.first > told)
    }

    /// Returns the matters that are new to the recipient, the gravest first.
    pub(super) fn news(&self) -> impl Iterator<Item = &'a Matter> {
        self.matters.iter().copied().filter(|matter| self.is_new(matter))
    }

    /// Returns the situation of the first matter.
    pub(super) fn situation(&self) -> Option<Situation> {
        let matter = self.matters.first()?;
        Some(situation(matter, self.role(), self.peak.as_ref()))
    }

    /// Returns the situations of all matters. Of a matter with several classes it is one.
    pub(super) fn situations(&self) -> BTreeSet<Situation> {
        let rest = self.matters.iter().skip(1);
        rest.map(|matter| situation(matter, self.role(), None)).chain(self.situation()).collect()
    }

    /// Returns the host with its behaviour and port: `192.0.2.1 scans networks: TCP port 22 (ssh)`. If it has
    /// grown, the text says by which matter, or that there is more of it.
    pub(super) fn matter(&self, words: &Words) -> String {
        let host = self.host().text(false);
        let is_known = self.case.step == Step::Grown && self.case.told_last.is_some();
        let behaviour = |situation: Situation, matter: &Matter, text: &str| {
            let behaviour = words.behaviour(situation, matter.key.proto, matter.key.port);
            words.fill(text, &[("host", &host), ("behaviour", &behaviour)])
        };
        if let Some(matter) = self.news().next() {
            let peak = finding(&matter.peak.line);
            let situation = situation(matter, self.role(), peak.as_ref());
            return behaviour(situation, matter, words.letter.matter_new);
        }
        match (self.matters.first(), self.situation()) {
            (Some(matter), _) if self.case.step == Step::Released => {
                let what = table::what(words, matter.key, self.role());
                let values = [("host", host.as_str()), ("what", &what)];
                words.fill(words.letter.matter_released, &values)
            }
            (Some(matter), Some(situation)) => {
                let texts = &words.letter;
                behaviour(
                    situation,
                    matter,
                    if is_known { texts.matter_more } else { texts.matter },
                )
            }
            _ => words.fill(words.letter.all_ignored, &[("host", &host)]),
        }
    }
}

/// Returns the finding of a line that was kept, or `None` for any other line.
pub(super) fn finding(line: &str) -> Option<Finding> {
    match Reader::new().line(line.as_bytes()) {
        Ok(Some(Item::Finding(finding))) => Some(*finding),
        _ => None,
    }
}

/// Returns the situation of a matter. A host that looks broken into is called so even if most of its findings
/// are of another class.
fn situation(matter: &Matter, role: Role, peak: Option<&Finding>) -> Situation {
    let of = |class: &str| Situation::of_class(matter.key.kind, role, class);
    let all = matter.classes.iter().map(|class| of(class));
    match (all.clone().find(|one| *one == Situation::Infected), peak) {
        (Some(infected), _) => infected,
        (None, Some(peak)) => of(&peak.class),
        (None, None) => all.min().unwrap_or_else(|| of("")),
    }
}

/// Returns how many times its limit a value is: two digits, or whole numbers with their thousands separated.
pub(super) fn times(ratio: f64) -> String {
    if ratio < 9.95 {
        let text = format!("{ratio:.1}");
        text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
    } else {
        words::count(ratio.round() as u64)
    }
}
