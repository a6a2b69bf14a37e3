//! The incident machine: windows of findings in, incidents and journal rows out. It has no I/O and no clock.
//!
//! Windows come in the order of their data time, and each is one step. A window that is not newer than the
//! newest one of its tool is late: its findings are added to what is known, but it takes no transition back
//! and proves nothing. So the order in which late files come does not matter, and a week of windows gives
//! the same incidents in one run as in a thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::contacts::NetworkKind;
use crate::finding::{Finding, Host, Kind, Role, Side, line};
use crate::flow::Networks;
use crate::time::{End, Timestamp, Window, WindowState};

use super::model::{
    Changed, Clean, CloseReason, Incident, JournalRow, MAX_MATTERS, MAX_RECENT, Matter, MatterKey,
    State, Subject, Wish,
};
use super::policy::{Least, Policy, Rule};

/// The most incidents that are not closed. An attacker who forges exports can name any number of hosts;
/// beyond this no incident of a host outside is opened, and beyond twice as many none at all.
pub const MAX_LIVE: usize = 50_000;

/// The mark of a finding whose source addresses may be those of others.
const FORGED: &str = "forged";

/// The actor of rows that no person has caused.
pub(super) const ACTOR: &str = "nfnotify";

/// The judgement of one detector on a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Verdict {
    /// True if the window was seen whole: no finding means that there was no attack.
    pub is_whole: bool,
    /// True if the collector took exports from anyone, or nobody says that it did not.
    pub is_open: bool,
}

impl Verdict {
    /// Returns the kind and the verdict of a closing mark; `None` for a mark of no detector.
    pub fn of(end: &End) -> Option<(Kind, Verdict)> {
        let kind = Kind::of_detector(end.tool.as_deref()?)?;
        let is_filtered = end.other.iter().any(|(key, value)| key == "filtered" && value != "0");
        let is_whole =
            end.state == Some(WindowState::Ok) && end.silent.unwrap_or(0) == 0 && !is_filtered;
        // Captures of other programs do not say it.
        Some((kind, Verdict { is_whole, is_open: end.open != Some(false) }))
    }

    /// Returns the verdict of two marks of one window: the worse of each part.
    pub fn and(self, other: Verdict) -> Verdict {
        Verdict {
            is_whole: self.is_whole && other.is_whole,
            is_open: self.is_open || other.is_open,
        }
    }
}

/// All that came about one window in one run.
#[derive(Clone, Debug)]
pub struct JudgedWindow {
    /// The window.
    pub window: Window,
    /// The verdicts, by the kind of their detector.
    pub verdicts: BTreeMap<Kind, Verdict>,
    /// The findings, in any order.
    pub findings: Vec<Finding>,
    /// True if there may have been further findings, so that a host without one was not seen clean.
    pub may_lack: bool,
}

/// The newest window of each kind that was stepped through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest(pub BTreeMap<Kind, Window>);

impl Newest {
    /// Returns the window of all kinds that begins last. One that is much longer than the others must not
    /// make them look old.
    pub fn window(&self) -> Option<Window> {
        self.0.values().copied().max_by_key(|window| (window.start(), window.end()))
    }

    fn is_late(&self, kind: Kind, window: Window) -> bool {
        self.0.get(&kind).is_some_and(|newest| window.start() <= newest.start())
    }

    /// Returns true if the window lies within one that was stepped through, in part or as a whole.
    fn overlaps(&self, kind: Kind, window: Window) -> bool {
        self.0.get(&kind).is_some_and(|newest| window.start() < newest.end())
    }

    fn note(&mut self, kind: Kind, window: Window) {
        let newest = self.0.entry(kind).or_insert(window);
        if window.start() > newest.start() {
            *newest = window;
        }
    }
}

/// The incidents of a run, and what has become of them.
pub struct Machine<'a> {
    /// The newest incident of each subject, whatever its state.
    incidents: BTreeMap<Subject, Incident>,
    /// Incidents that a newer one of their subject has replaced in this run.
    replaced: Vec<Incident>,
    /// Numbers of the incidents that have changed.
    changed: BTreeSet<u64>,
    /// Numbers of pending incidents that came to nothing.
    dropped: Vec<u64>,
    live: usize,
    /// True if an incident may be pending.
    may_wait: bool,
    newest: Newest,
    next_id: u64,
    rows: Vec<JournalRow>,
    left_out: u64,
    /// The least clean windows and seconds that a line of the policy asks for, so that most windows need no
    /// look at it.
    least: Least,
    policy: &'a Policy,
    network_kind: &'a dyn Fn(Host) -> NetworkKind,
}

/// The results of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The incidents that have changed or are new.
    pub changed: Vec<Incident>,
    /// Numbers of pending incidents that are to be forgotten.
    pub dropped: Vec<u64>,
    /// The journal, in order.
    pub rows: Vec<JournalRow>,
    /// Findings that opened no incident, because there are too many.
    pub left_out: u64,
    /// The newest windows.
    pub newest: Newest,
    /// The number that the next incident gets.
    pub next_id: u64,
}

impl<'a> Machine<'a> {
    /// Returns a machine that knows these incidents: all that are not closed, and the newest one of each
    /// subject that the findings to come are about. `next_id` is the number of the next incident.
    pub fn new(
        incidents: impl IntoIterator<Item = Incident>,
        newest: Newest,
        next_id: u64,
        policy: &'a Policy,
        network_kind: &'a dyn Fn(Host) -> NetworkKind,
    ) -> Machine<'a> {
        let mut machine = Machine {
            incidents: BTreeMap::new(),
            replaced: Vec::new(),
            changed: BTreeSet::new(),
            dropped: Vec::new(),
            live: 0,
            may_wait: true,
            newest,
            next_id,
            rows: Vec::new(),
            left_out: 0,
            least: policy.least(),
            policy,
            network_kind,
        };
        for incident in incidents {
            let known = machine.incidents.get(&incident.subject);
            if known.is_some_and(|known| known.id > incident.id) {
                machine.replaced.push(incident);
            } else if let Some(old) = machine.incidents.insert(incident.subject, incident) {
                machine.replaced.push(old);
            }
        }
        let live = |incident: &&Incident| !incident.body.state.is_closed();
        machine.live = machine.incidents.values().filter(live).count();
        machine
    }

    /// Returns the newest windows.
    pub fn newest(&self) -> &Newest {
        &self.newest
    }

    /// Returns the newest incident of each subject.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    /// Changes the newest incident of a subject by `change`, which returns the rows for the journal.
    pub fn change(
        &mut self,
        subject: Subject,
        change: impl FnOnce(&mut Incident) -> Vec<JournalRow>,
    ) {
        if let Some(incident) = self.incidents.get_mut(&subject) {
            let before = incident.body.clone();
            self.rows.extend(change(incident));
            if before != incident.body {
                self.changed.insert(incident.id);
            }
        }
    }

    /// Returns the incidents that are over, of which a newer one of their subject has begun in this run.
    pub fn replaced(&self) -> &[Incident] {
        &self.replaced
    }

    /// Returns true if an incident has changed in this run.
    pub fn has_changed(&self, id: u64) -> bool {
        self.changed.contains(&id)
    }

    /// Notes that incidents have changed before the machine got them.
    pub fn mark_changed(&mut self, ids: impl IntoIterator<Item = u64>) {
        self.changed.extend(ids);
    }

    /// Adds rows to the journal.
    pub fn note(&mut self, rows: impl IntoIterator<Item = JournalRow>) {
        self.rows.extend(rows);
    }

    /// Returns the results, in the order of the incidents' numbers.
    pub fn finish(self) -> Outcome {
        let all = self.incidents.into_values().chain(self.replaced);
        let mut changed: Vec<_> =
            all.filter(|incident| self.changed.contains(&incident.id)).collect();
        changed.sort_by_key(|incident| incident.id);
        Outcome {
            changed,
            dropped: self.dropped,
            rows: self.rows,
            left_out: self.left_out,
            newest: self.newest,
            next_id: self.next_id,
        }
    }

    /// Goes through one window. Windows that are not late must come in the order of their start.
    pub fn step(&mut self, judged: &JudgedWindow) {
        let window = judged.window;
        let mut findings: Vec<&Finding> = judged.findings.iter().collect();
        findings.sort_by(|a, b| Subject::of(a).cmp(&Subject::of(b)).then_with(|| a.order(b)));
        let reflected = Reflected::of(&findings);
        let kinds = judged.verdicts.keys().copied();
        let kinds: BTreeSet<Kind> = kinds.chain(findings.iter().map(|f| f.kind)).collect();
        let late: BTreeSet<Kind> =
            kinds.iter().copied().filter(|&kind| self.newest.is_late(kind, window)).collect();
        for group in findings.chunk_by(|a, b| Subject::of(a) == Subject::of(b)) {
            self.found(judged, group, &late, &reflected);
        }
        // Time that was seen already proves nothing a second time.
        let whole: BTreeSet<Kind> = judged
            .verdicts
            .iter()
            .filter(|(_, verdict)| verdict.is_whole && !judged.may_lack)
            .filter(|(kind, _)| !self.newest.overlaps(**kind, window))
            .map(|(kind, _)| *kind)
            .collect();
        self.doubt_forged(&findings, window);
        for &kind in &kinds {
            self.newest.note(kind, window);
        }
        let found: BTreeSet<(Subject, Kind)> =
            findings.iter().map(|finding| (Subject::of(finding), finding.kind)).collect();
        self.clean(window, &whole, &found);
    }

    /// Adds the findings of one window about one subject.
    fn found(
        &mut self,
        judged: &JudgedWindow,
        findings: &[&Finding],
        late: &BTreeSet<Kind>,
        reflected: &Reflected,
    ) {
        let (window, Some(first)) = (judged.window, findings.first()) else { return };
        let subject = Subject::of(first);
        let side = findings.iter().find_map(|finding| finding.side);
        let previous = match self.incidents.get(&subject) {
            Some(known) if !known.body.state.is_closed() => None,
            // The window that was going on when somebody resolved the incident still belongs to it.
            Some(known) if window.start() < known.body.changed => None,
            Some(known) => Some(Some(known.id)),
            None => Some(None),
        };
        if let Some(previous) = previous {
            let limit = if side == Some(Side::Outside) { MAX_LIVE } else { 2 * MAX_LIVE };
            if self.live >= limit {
                self.left_out += findings.len() as u64;
                return;
            }
            let mut incident = Incident::new(self.next_id, subject, side, window);
            incident.body.previous = previous;
            self.next_id += 1;
            self.live += 1;
            self.may_wait = true;
            if let Some(old) = self.incidents.insert(subject, incident) {
                self.replaced.push(old);
            }
        }
        let Some(incident) = self.incidents.get_mut(&subject) else { return };
        self.changed.insert(incident.id);
        add_window(incident, side, window);
        for finding in findings {
            let is_echo = reflected.has_echo(finding);
            let row = add(incident, finding, window, is_echo);
            if incident.body.state != State::Pending {
                self.rows.extend(row);
            }
        }
        if findings
            .iter()
            .any(|finding| judged.verdicts.get(&finding.kind).is_none_or(|verdict| verdict.is_open))
        {
            incident.body.is_from_anyone = true;
        }
        let is_late = findings.iter().all(|finding| late.contains(&finding.kind));
        let rule = rule(self.policy, incident, self.network_kind, window);
        match incident.body.state {
            State::Pending if opens(incident, rule, window) => {
                let finds = incident.body.recent.len();
                let reason = match (incident.body.previous, finds) {
                    (Some(previous), _) => format!("found again after incident {previous}"),
                    (None, 1) => "found".to_owned(),
                    (None, _) => format!("found in {finds} windows"),
                };
                let keys: Vec<_> = incident.body.matters.iter().map(matter_row).collect();
                let rows = keys
                    .into_iter()
                    .map(|(to, why)| row(incident, Changed::Matter, window.end(), "-", &to, &why));
                self.rows.extend(rows.collect::<Vec<_>>());
                self.rows.extend(transition(incident, State::Open, window.end(), &reason));
            }
            State::Quiet if !is_late => {
                incident.body.clean.values_mut().for_each(|clean| clean.quiet_seconds = 0);
                self.rows.extend(transition(incident, State::Open, window.end(), "found again"));
            }
            _ => {}
        }
        count_after_deadline(incident, judged, findings);
    }

    /// Adds the doubt `forged` to each source whose address is named as one by a finding with that mark
    /// about a network around it or about a victim. A finding about the address itself has the mark in its
    /// matter.
    fn doubt_forged(&mut self, findings: &[&Finding], window: Window) {
        let forged = findings.iter().filter(|f| f.marks.iter().any(|mark| mark == FORGED));
        let sources = forged.flat_map(|finding| {
            let is_network = matches!(finding.host, Host::Prefix(_));
            let own = (finding.role == Role::Source && is_network).then_some(finding.host);
            let peers = finding.peer.iter().map(|peer| peer.host);
            own.into_iter().chain(peers.filter(|_| finding.role == Role::Target)).map(Host::net)
        });
        let sources = Networks::new(sources);
        if sources.is_empty() {
            return;
        }
        for (subject, incident) in &mut self.incidents {
            if subject.role == Role::Source
                && !incident.body.state.is_closed()
                && sources.contains_net(subject.host.net())
            {
                let newest = incident.body.doubts.entry(FORGED.to_owned()).or_default();
                if window.start() > *newest {
                    *newest = window.start();
                    self.changed.insert(incident.id);
                }
            }
        }
    }

    /// Adds a window that proves something to the clean windows of those subjects that it has no finding about.
    fn clean(&mut self, window: Window, whole: &BTreeSet<Kind>, found: &BTreeSet<(Subject, Kind)>) {
        // Such a window costs nothing, or a forger of findings without marks could make all windows slow.
        if whole.is_empty() && !self.may_wait {
            return;
        }
        self.may_wait = false;
        let mut gone = Vec::new();
        for (subject, incident) in &mut self.incidents {
            self.may_wait |= incident.body.state == State::Pending;
            match incident.body.state {
                State::Closed(_) => continue,
                State::Pending => {
                    let rule = rule(self.policy, incident, self.network_kind, window);
                    // Another detector may have shorter windows than the one that found the host.
                    let found = incident.body.last_end.saturating_sub(incident.body.last);
                    let span = u64::from(rule.open.of) * found.max(window.seconds().into());
                    if window.start() >= incident.body.last.saturating_add(span) {
                        gone.push(*subject);
                    }
                    continue;
                }
                State::Open | State::Quiet if incident.is_blocked(window.start()) => continue,
                State::Open | State::Quiet => {}
            }
            let mut counted = false;
            for (kind, clean) in &mut incident.body.clean {
                if whole.contains(kind) && !found.contains(&(*subject, *kind)) {
                    clean.windows += 1;
                    if incident.body.state == State::Quiet {
                        clean.quiet_seconds += u64::from(window.seconds());
                    }
                    counted = true;
                }
            }
            if !counted {
                continue;
            }
            self.changed.insert(incident.id);
            if !may_settle(incident, self.least) {
                continue;
            }
            let rule = rule(self.policy, incident, self.network_kind, window);
            if let Some((state, reason)) = settled(incident, rule) {
                self.rows.extend(transition(incident, state, window.end(), &reason));
                if state.is_closed() {
                    self.live -= 1;
                }
            }
        }
        for subject in gone {
            if let Some(incident) = self.incidents.remove(&subject) {
                self.changed.remove(&incident.id);
                self.dropped.push(incident.id);
                self.live -= 1;
                self.restore(subject);
            }
        }
    }

    /// Puts the incident back in its place that a pending one had replaced.
    fn restore(&mut self, subject: Subject) {
        let of_subject = |incident: &Incident| incident.subject == subject;
        if let Some(at) = self.replaced.iter().rposition(of_subject) {
            self.incidents.insert(subject, self.replaced.remove(at));
        }
    }
}

fn rule<'p>(
    policy: &'p Policy,
    incident: &Incident,
    network_kind: &dyn Fn(Host) -> NetworkKind,
    window: Window,
) -> &'p Rule {
    policy.of(incident, network_kind(incident.subject.host), window.end())
}

/// Adds a window with findings to an incident.
fn add_window(incident: &mut Incident, side: Option<Side>, window: Window) {
    let body = &mut incident.body;
    body.side = body.side.or(side);
    body.first = body.first.min(window.start());
    if window.start() >= body.last {
        body.last = window.start();
        body.last_end = window.end();
    }
    // A window older than those that are remembered one by one may have been counted already.
    let is_older = body.recent.len() >= MAX_RECENT
        && body.recent.first().is_some_and(|oldest| window.start() < *oldest);
    if !is_older && body.recent.insert(window.start()) {
        body.windows += 1;
        if body.recent.len() > MAX_RECENT {
            body.recent.pop_first();
        }
    }
}

/// Returns the value and the reason of the row for a matter.
fn matter_row(matter: &Matter) -> (String, String) {
    let class = matter.classes.first().map_or("", String::as_str);
    let reason =
        matter.peak.condition.as_ref().map_or_else(|| "found".to_owned(), ToString::to_string);
    (format!("{} {class}", matter.key), reason)
}

/// Adds one finding to an incident, and returns a row for a new matter.
fn add(
    incident: &mut Incident,
    finding: &Finding,
    window: Window,
    reflects: bool,
) -> Option<JournalRow> {
    let body = &mut incident.body;
    // A late finding is no reason to open the incident again, but the windows since prove nothing either.
    let clean = body.clean.entry(finding.kind).or_default();
    if window.start() >= clean.last {
        *clean = Clean { last: window.start(), ..Clean::default() };
    }
    let (key, line) = (MatterKey::of(finding), line(finding));
    match body.matters.binary_search_by_key(&key, |matter| matter.key) {
        Ok(at) => {
            if let Some(matter) = body.matters.get_mut(at) {
                matter.add(finding, &line, window, reflects);
            }
            None
        }
        Err(_) => {
            let mut replaced = "-".to_owned();
            let matter = Matter::new(finding, &line, window, reflects);
            if body.matters.len() >= MAX_MATTERS {
                body.more += 1;
                let Some(least) = least(&body.matters, &matter) else {
                    incident.doubt(finding, window);
                    return None;
                };
                replaced = body.matters.remove(least).key.to_string();
            }
            let at = body.matters.partition_point(|known| known.key < key);
            body.matters.insert(at, matter);
            let reason = if finding.why.is_empty() { "found" } else { finding.why.as_str() };
            let to = format!("{key} {}", finding.class);
            Some(row(incident, Changed::Matter, window.end(), &replaced, &to, reason))
        }
    }
}

/// Returns the index of the least important matter, if `new` is more important and may take its place. So
/// an attacker cannot keep the real matter out by packets of all sorts in the host's name.
fn least(matters: &[Matter], new: &Matter) -> Option<usize> {
    let given_up = matters.iter().enumerate().filter(|(_, matter)| matter.may_give_way_to(new));
    let (at, least) = given_up.min_by_key(|(_, matter)| matter.weight())?;
    (least.weight() < new.weight()).then_some(at)
}

/// The floods of answers in one window: an attacker who sends requests in a victim's name makes those who
/// answer look like scanners of the victim.
struct Reflected(BTreeMap<IpAddr, Vec<IpNet>>);

impl Reflected {
    /// Returns the victims of each host that a finding of a flood of answers names.
    fn of(findings: &[&Finding]) -> Reflected {
        let mut victims: BTreeMap<IpAddr, Vec<IpNet>> = BTreeMap::new();
        let floods = findings
            .iter()
            .filter(|f| f.kind == Kind::Flood && f.class == "reflection" && f.role == Role::Target);
        for flood in floods {
            for peer in &flood.peer {
                if let Host::Address(address) = peer.host {
                    victims.entry(address).or_default().push(flood.host.net());
                }
            }
        }
        Reflected(victims)
    }

    /// Returns true if the finding may come from nothing but such answers: its host gives them, and it has
    /// no other hosts on the other side than the victims. A real scanner could otherwise have its findings
    /// ignored by answering a forged request now and then.
    fn has_echo(&self, finding: &Finding) -> bool {
        let Host::Address(address) = finding.host else { return false };
        let Some(victims) = self.0.get(&address) else { return false };
        let is_victim =
            |net: IpNet| victims.iter().any(|victim| victim.contains(&net) || net.contains(victim));
        finding.role == Role::Source
            && finding.kind != Kind::Flood
            && finding.more == 0
            && !finding.peer.is_empty()
            && finding.peers <= victims.len() as u64
            && finding.peer.iter().all(|peer| is_victim(peer.host.net()))
            && !finding.marks.iter().any(|mark| mark == "spoke")
    }
}

/// Returns true if a pending incident has enough windows with findings, close enough to each other.
fn opens(incident: &Incident, rule: &Rule, window: Window) -> bool {
    let finds = usize::try_from(rule.open.finds.max(1)).unwrap_or(usize::MAX);
    let span = u64::from(rule.open.of.max(1)) * u64::from(window.seconds());
    let starts: Vec<u64> = incident.body.recent.iter().copied().collect();
    starts.windows(finds).any(|some| match (some.first(), some.last()) {
        (Some(first), Some(last)) => last - first < span,
        _ => false,
    })
}

/// Returns true if an incident has as many clean windows as some line of the policy asks for.
fn may_settle(incident: &Incident, least: Least) -> bool {
    let clean = &incident.body.clean;
    let is_quiet = || clean.values().all(|clean| clean.windows >= least.quiet);
    match incident.body.state {
        State::Quiet => {
            clean.values().all(|clean| clean.quiet_seconds >= least.close)
                || (incident.is_claimed() && is_quiet())
        }
        _ => is_quiet(),
    }
}

/// Returns the state that the clean windows of an incident lead to, if it is another.
pub(super) fn settled(incident: &Incident, rule: &Rule) -> Option<(State, String)> {
    let clean = incident.body.clean.values();
    let windows = clean.clone().map(|clean| clean.windows).min()?;
    let seconds = clean.map(|clean| clean.quiet_seconds).min()?;
    // An isolated host comes free by a person or the policy's time only.
    if incident.is_blocked(incident.body.last_end) {
        return None;
    }
    match incident.body.state {
        State::Open | State::Quiet if windows >= rule.quiet && incident.is_claimed() => {
            let reason = format!("claimed, and {windows} clean windows");
            Some((State::Closed(CloseReason::Claimed), reason))
        }
        State::Open if windows >= rule.quiet => {
            Some((State::Quiet, format!("{windows} clean windows")))
        }
        State::Quiet if seconds >= rule.close => {
            let reason = format!("{seconds} s of clean windows since it became quiet");
            Some((State::Closed(CloseReason::Quiet), reason))
        }
        _ => None,
    }
}

/// Adds a window behind the deadline in which the attack went on, if it was seen whole and somebody should
/// hear of its findings.
fn count_after_deadline(incident: &mut Incident, judged: &JudgedWindow, findings: &[&Finding]) {
    let end = judged.window.end();
    let counts = findings.iter().any(|finding| {
        let key = MatterKey::of(finding);
        judged.verdicts.get(&finding.kind).is_some_and(|verdict| verdict.is_whole)
            && !finding.marks.iter().any(|mark| mark == "survey")
            && incident.active(end).any(|matter| matter.key == key)
    });
    if let Some(deadline) = &mut incident.body.deadline {
        let start = judged.window.start();
        if counts && start >= deadline.due && start > deadline.seen_last {
            deadline.seen_after += 1;
            deadline.seen_last = start;
        }
    }
}

/// Changes the state, and returns the rows for the journal. With an incident its deadline and the wish for a
/// block end, too.
pub(super) fn transition(
    incident: &mut Incident,
    to: State,
    data: u64,
    reason: &str,
) -> Vec<JournalRow> {
    let from = match incident.body.state {
        State::Pending => "-",
        state => state.as_str(),
    };
    incident.body.state = to;
    incident.body.changed = data;
    let text = match to {
        State::Closed(why) => format!("closed({})", why.as_str()),
        state => state.as_str().to_owned(),
    };
    let mut rows = vec![row(incident, Changed::State, data, from, &text, reason)];
    if to.is_closed() {
        rows.extend(end_deadline(incident, data, to.as_str()));
        rows.extend(set_wish(incident, Wish::None, data, to.as_str()));
    }
    rows
}

/// Ends the deadline, and returns the row for the journal if there was one.
pub(super) fn end_deadline(incident: &mut Incident, data: u64, reason: &str) -> Option<JournalRow> {
    let deadline = incident.take_deadline()?;
    Some(row(incident, Changed::Deadline, data, &when(deadline.due), "-", reason))
}

/// Sets the wish for a block, and returns the row for the journal if it is another.
pub(super) fn set_wish(
    incident: &mut Incident,
    wish: Wish,
    data: u64,
    reason: &str,
) -> Option<JournalRow> {
    if incident.body.wish == wish {
        return None;
    }
    let (from, to) = (wish_text(incident.body.wish), wish_text(wish));
    incident.body.wish = wish;
    Some(row(incident, Changed::Wish, data, &from, &to, reason))
}

/// Returns the text of a wish in the journal: `none`, `until-resolved`, or the time of its end in RFC 3339.
pub fn wish_text(wish: Wish) -> String {
    match wish {
        Wish::None => "none".to_owned(),
        Wish::UntilResolved => "until-resolved".to_owned(),
        Wish::Until(end) => when(end),
    }
}

/// Returns a row about an incident that no person has caused.
pub(super) fn row(
    incident: &Incident,
    what: Changed,
    data: u64,
    from: &str,
    to: &str,
    reason: &str,
) -> JournalRow {
    JournalRow {
        incident: Some(incident.id),
        data,
        actor: ACTOR.to_owned(),
        what,
        from: from.to_owned(),
        to: to.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Returns a moment in Unix seconds as the journal has it, in RFC 3339 UTC.
pub(super) fn when(seconds: u64) -> String {
    Timestamp::from_secs(seconds).rfc3339()
}
