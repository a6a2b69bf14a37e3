//! Incidents in full: one on a page, or several with less about each.

use std::cmp::Reverse;

use crate::finding::{Condition, Finding, Host, Role, Sample, words as numbers};
use crate::incident::{Matter, Peak, State, Step};
use crate::notice::words::{self, Noun};
use crate::report::Columns;
use crate::time::Window;

use super::advice;
use super::draft::Draft;
use super::table::{self, Moments, UNKNOWN, amount};
use super::view::{Concern, View, finding, times};

/// The most matters of an incident that the table of evidence has.
const MAX_MATTERS: usize = 8;

/// The most new matters that the first sentences name; the evidence marks all of them.
const MAX_NEWS: usize = 3;

/// The most situations that the letter about one incident explains.
const MAX_SITUATIONS: usize = 3;

/// The most hosts of the other side that are named.
const MAX_PEERS: usize = 3;

/// The most flows that are shown of the peak.
const MAX_SAMPLES: usize = 2;

/// The most flows that are shown of other matters if the table has no room for them.
const MAX_ROW_SAMPLES: usize = 3;

/// The most notes about an incident.
const MAX_NOTES: usize = 2;

/// The longest name of a measure that has no words.
const MAX_MEASURE: usize = 32;

/// Writes the letter about one incident.
pub(super) fn one(draft: &mut Draft<'_>, view: &View<'_>) {
    let sentences = lead(draft, view);
    draft.sentences("", &sentences);
    draft.writer.out.push('\n');
    facts(draft, view, true);
    evidence(draft, view);
    if view.case.step != Step::Released {
        let situations = view.situations();
        let is_outside = view.concern() == Concern::Outside;
        advice::meaning(draft, &situations, view.situation(), MAX_SITUATIONS);
        advice::checks(draft, &situations, is_outside, !view.is_network());
    }
    advice::answer(draft, std::slice::from_ref(view));
    let next = advice::next(draft, view);
    if !next.is_empty() {
        let title = draft.words.letter.next_title;
        draft.section(title);
        draft.sentences("  ", &next);
    }
}

/// Writes the letter about several incidents.
pub(super) fn several(draft: &mut Draft<'_>, views: &[View<'_>]) {
    let texts = &draft.words.letter;
    let incidents = draft.writer.count(views.len(), Noun::Incident);
    let mut lead = vec![draft.writer.with_routers(texts.many, &[("incidents", &incidents)])];
    lead.extend(draft.held_back());
    draft.sentences("", &lead);
    for (n, view) in views.iter().enumerate() {
        let values = [("step", &*draft.step(view)), ("matter", &*view.matter(draft.words))];
        let title = draft.words.fill(texts.first_line, &values);
        draft.writer.out.push('\n');
        draft.paragraph(&format!("{}. ", n + 1), &title);
        facts(draft, view, false);
        let next = advice::next(draft, view);
        let next = draft.joined(&next);
        if !next.is_empty() {
            draft.writer.fact(texts.next, &next);
        }
    }
    let situations = advice::meanings(draft, views);
    let is_outside = views.iter().all(|view| view.concern() == Concern::Outside);
    advice::checks(draft, &situations, is_outside, false);
    advice::answer(draft, views);
}

/// Returns the first sentences about one incident: what happens, and what is asked of the reader.
fn lead(draft: &Draft<'_>, view: &View<'_>) -> Vec<String> {
    let (words, texts) = (draft.words, &draft.words.letter);
    let step = view.case.step;
    let host = view.host().text(false);
    let about_host = |text: &str| words.fill(text, &[("host", &host)]);
    let mut lead = Vec::new();
    match step {
        Step::Isolated => lead.push(about_host(texts.say_isolated)),
        Step::Released => {
            lead.push(about_host(texts.say_released));
            lead.extend(draft.held_back());
            return lead;
        }
        Step::First | Step::Grown | Step::Reminder | Step::Deadline => {}
    }
    let machine = match (view.concern(), view.is_network()) {
        (Concern::Own, false) => texts.own_machine,
        (Concern::Own, true) => texts.own_network,
        (Concern::Orphan, false) => texts.orphan_machine,
        (Concern::Orphan, true) => texts.orphan_network,
        (Concern::Outside, false) => texts.outside,
        (Concern::Outside, true) => texts.outside_network,
    };
    let attack = match (view.role(), view.concern()) {
        (Role::Source, Concern::Outside) => texts.attack_outside,
        (Role::Source, _) => texts.attack_from,
        (Role::Target, _) => texts.attack_on,
    };
    lead.push(draft.writer.with_routers(attack, &[("machine", machine)]));
    match step {
        Step::Grown => lead.push(growth(draft, view)),
        Step::Reminder if view.is_open() => lead.push(texts.say_reminder.to_owned()),
        _ => {}
    }
    match (view.concern(), view.role(), view.is_network()) {
        (Concern::Outside, ..) => lead.push(texts.ask_outside.to_owned()),
        (_, Role::Source, false) => lead.push(texts.ask_suspect.to_owned()),
        (_, Role::Source, true) => lead.push(texts.ask_suspect_network.to_owned()),
        (_, Role::Target, false) => lead.push(texts.ask_victim.to_owned()),
        (_, Role::Target, true) => lead.push(texts.ask_victim_network.to_owned()),
    }
    if let (Step::Deadline | Step::Reminder, Some(due)) = (step, view.case.due) {
        let values = [("host", host.as_str()), ("due", &draft.moment(due))];
        lead.push(words.fill(texts.say_deadline, &values));
    }
    lead.extend(draft.held_back());
    lead
}

/// Returns what there is more of than when the recipient was last told.
fn growth(draft: &Draft<'_>, view: &View<'_>) -> String {
    let (words, texts) = (draft.words, &draft.words.letter);
    let news: Vec<_> =
        view.news().map(|matter| table::what(words, matter.key, view.role())).collect();
    match (view.case.told_last, news.is_empty()) {
        (None, _) => texts.say_grown.to_owned(),
        (Some(_), true) => texts.say_more.to_owned(),
        (Some(_), false) => words.fill(texts.say_new, &[("list", &some(draft, &news, MAX_NEWS))]),
    }
}

/// Returns texts as a list, at most `most` of them by name.
fn some(draft: &Draft<'_>, texts: &[String], most: usize) -> String {
    let words = draft.words;
    let (named, more) = texts.split_at(texts.len().min(most));
    let mut list = named.join(words.texts.list);
    if !more.is_empty() {
        let count = numbers::count(more.len() as u64);
        list += &words.and_more(&words.fill(words.letter.more_new, &[("count", &count)]));
    }
    list
}

/// Returns a matter in a few words, in the text `new` if it is new to the recipient.
fn what(draft: &Draft<'_>, view: &View<'_>, matter: &Matter, new: &str) -> String {
    let what = table::what(draft.words, matter.key, view.role());
    if view.is_new(matter) { draft.words.fill(new, &[("what", &what)]) } else { what }
}

/// Appends the facts about an incident. If it is the only one, a table of its matters follows.
fn facts(draft: &mut Draft<'_>, view: &View<'_>, is_single: bool) {
    let (words, texts) = (draft.words, &draft.words.letter);
    let (incident, body) = (view.case.incident, &view.case.incident.body);
    let state = match body.state {
        State::Closed(_) => texts.closed,
        State::Quiet => texts.quiet,
        State::Pending | State::Open if incident.is_claimed() => texts.claimed,
        State::Pending | State::Open => texts.open,
    };
    let values = [("id", &*incident.id.to_string()), ("state", state)];
    draft.writer.fact(texts.incident, &words.fill(texts.incident_state, &values));
    let net = view.case.net.map(|net| net.to_string()).unwrap_or_default();
    let text = match view.concern() {
        Concern::Own => texts.host_own,
        Concern::Orphan => texts.host_orphan,
        Concern::Outside => texts.host_outside,
    };
    let values = [("host", &*view.host().text(false)), ("net", &net)];
    draft.writer.fact(texts.host, &words.fill(text, &values));
    if let (Some(matter), Some(situation)) = (view.matters.first(), view.situation()) {
        let port = (words.port)(matter.key.proto, matter.key.port);
        let values = [("behaviour", (words.situation)(situation).long), ("port", &port)];
        draft.writer.fact(texts.seen, &words.fill(words.texts.on_port, &values));
    }
    let windows = (words.count)(body.windows, Noun::Window);
    let values = [("time", &*draft.moment(body.first)), ("windows", &windows)];
    draft.writer.fact(texts.since, &words.fill(texts.since_windows, &values));
    let last = last(draft, view);
    draft.writer.fact(texts.last, &last);
    if let Some(matter) = view.matters.first() {
        peak(draft, view, matter);
    }
    if !is_single {
        also(draft, view);
    }
}

/// Returns the window of the last finding, and if the incident goes on.
fn last(draft: &Draft<'_>, view: &View<'_>) -> String {
    let (words, texts) = (draft.words, &draft.words.letter);
    let body = &view.case.incident.body;
    let seconds = body.last_end.saturating_sub(body.last);
    let window = u32::try_from(seconds).ok().and_then(|seconds| Window::new(body.last, seconds));
    let window = match window {
        Some(window) => words.window(Some(window), draft.sender.base.local),
        None => draft.moment(body.last),
    };
    let is_news = draft.now.saturating_sub(body.last_end) <= 2 * seconds.max(1);
    let text = match body.state {
        State::Closed(_) => texts.closed_at,
        State::Quiet => texts.quiet_since,
        State::Pending | State::Open if is_news => texts.goes_on,
        State::Pending | State::Open => texts.not_seen_since,
    };
    words.fill(text, &[("window", &window), ("time", &draft.moment(body.changed))])
}

/// Appends what was counted at the peak of a matter.
fn peak(draft: &mut Draft<'_>, view: &View<'_>, matter: &Matter) {
    let (words, texts) = (draft.words, &draft.words.texts);
    let mut amount = (words.count)(matter.peak.flows, Noun::Flow);
    if let Some(finding) = &view.peak {
        let values = [
            ("flows", &*amount),
            ("rate", &finding.rate.to_string()),
            ("packets", &(words.count)(finding.packets, Noun::Packet)),
            ("bytes", &numbers::bytes(finding.octets)),
        ];
        amount = words.fill(texts.amount, &values);
    }
    if matter.peak.start != view.case.incident.body.last {
        let values = [("amount", &*amount), ("time", &draft.moment(matter.peak.start))];
        amount = words.fill(words.letter.amount_peak, &values);
    }
    draft.writer.fact(texts.how_much, &amount);
    if let Some(finding) = &view.peak {
        let side = if view.sends() { texts.to } else { texts.from };
        draft.writer.fact(side, &words.peers(finding, MAX_PEERS));
    }
    if let Some(limit) = limit(draft, &matter.peak) {
        draft.writer.fact(words.letter.limit, &limit);
    }
    match &view.peak {
        Some(finding) => details(draft, finding),
        None => notes(draft, matter.marks.keys(), view.role()),
    }
}

/// Appends the rule of a finding, flows as evidence, and what to know about its numbers.
fn details(draft: &mut Draft<'_>, finding: &Finding) {
    let (words, texts) = (draft.words, &draft.words.texts);
    let why = words::plain(&finding.why).replace(',', ", ");
    draft.writer.fact(texts.rule, &format!("{} {}: {why}", finding.kind, finding.class));
    for (n, sample) in finding.sample.iter().take(MAX_SAMPLES).enumerate() {
        let name = if n == 0 { words.letter.sample } else { "" };
        draft.writer.fact(name, &(words.sample)(sample));
    }
    notes(draft, finding.marks.iter(), finding.role);
}

fn notes<'m>(draft: &mut Draft<'_>, marks: impl Iterator<Item = &'m String>, role: Role) {
    let (words, note) = (draft.words, draft.words.texts.note);
    for (n, text) in marks.filter_map(|mark| (words.mark)(mark, role)).take(MAX_NOTES).enumerate() {
        draft.writer.fact(if n == 0 { note } else { "" }, text);
    }
}

/// Returns the measure of a peak with its limit in words; `None` if the rule has no limit.
fn limit(draft: &Draft<'_>, peak: &Peak) -> Option<String> {
    let (words, texts) = (draft.words, &draft.words.letter);
    let condition: &Condition = peak.condition.as_ref()?;
    let value = number(condition.value);
    let measured = match (words.measure)(&condition.measure) {
        Some(text) => words.fill(text, &[("value", &value)]),
        None => {
            let measure: String =
                words::plain(&condition.measure).chars().take(MAX_MEASURE).collect();
            words.fill(texts.measured, &[("measure", &measure), ("value", &value)])
        }
    };
    let text = if condition.is_below { texts.below } else { texts.over };
    let values = [
        ("measured", &*measured),
        ("limit", &number(condition.limit)),
        ("times", &times(peak.ratio())),
    ];
    Some(words.fill(text, &values))
}

/// Returns a value of a condition: whole numbers with their thousands separated, others with two decimals.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { numbers::count(value as u64) } else { format!("{value:.2}") }
}

/// Appends the matters of an incident beyond the first in a few words.
fn also(draft: &mut Draft<'_>, view: &View<'_>) {
    let new = draft.words.letter.new_matter;
    let mut rest: Vec<&Matter> = view.matters.iter().skip(1).copied().collect();
    rest.sort_by_key(|matter| Reverse(view.is_new(matter)));
    let rest: Vec<_> = rest.into_iter().map(|matter| what(draft, view, matter, new)).collect();
    if !rest.is_empty() {
        let list = some(draft, &rest, MAX_MATTERS);
        draft.writer.fact(draft.words.letter.also, &list);
    }
}

/// Appends a table with the newest finding of each matter: the new matters first, then the newest findings.
fn evidence(draft: &mut Draft<'_>, view: &View<'_>) {
    let (words, texts) = (draft.words, &draft.words.letter);
    let mut matters = view.matters.clone();
    matters.sort_by_key(|matter| Reverse((view.is_new(matter), matter.last)));
    let (shown, more) = matters.split_at(matters.len().min(MAX_MATTERS));
    if shown.is_empty() {
        return;
    }
    draft.section(texts.evidence);
    let rows: Vec<_> = shown.iter().map(|matter| Row::of(draft, view, matter)).collect();
    let starts: Vec<_> = shown.iter().map(|matter| Some(matter.last)).collect();
    let moments = Moments::new(texts.col_window, &starts, draft.sender.base.local);
    let peer = if view.sends() { texts.col_to } else { texts.col_from };
    let heading = [
        &*moments.heading,
        texts.col_what,
        texts.col_flows,
        texts.col_hosts,
        texts.col_times,
        peer,
    ];
    let mut wide = Columns::new(heading, &[2, 3, 4]);
    let [window, what, flows, hosts, times, _] = heading;
    let mut narrow = Columns::new([window, what, flows, hosts, times], &[2, 3, 4]);
    // For numbers of a size that nobody has seen.
    let mut lines = Vec::new();
    for (row, window) in rows.iter().zip(moments.cells) {
        let Row { what, flows, hosts, times, sample } = row;
        let cells = [&window, what, flows, hosts, times].map(Clone::clone);
        lines.push(cells.join("  "));
        let [window, what, flows, hosts, times] = cells.clone();
        let peer = sample.map_or_else(|| UNKNOWN.to_owned(), |one| other_side(&one, view));
        wide.row([window, what, flows, hosts, times, peer]);
        narrow.row(cells);
    }
    if !table::append(&mut draft.writer.out, &wide) {
        if !table::append(&mut draft.writer.out, &narrow) {
            lines.iter().for_each(|line| draft.paragraph("  ", line));
        }
        for sample in rows.iter().filter_map(|row| row.sample).take(MAX_ROW_SAMPLES) {
            let text = (words.sample)(&sample);
            draft.paragraph("  ", &text);
        }
    }
    if shown.iter().any(|matter| view.is_new(matter)) {
        draft.paragraph("  ", texts.new_rows);
    }
    draft.writer.and_more("  ", more.len(), Noun::MoreMatters, texts.more_matters);
    let unkept = view.case.incident.body.more;
    if unkept > 0 {
        let findings = (words.count)(unkept, Noun::Finding);
        draft.writer.paragraph("  ", texts.unkept, &[("findings", &findings)]);
    }
}

/// A row of the evidence.
struct Row {
    what: String,
    flows: String,
    hosts: String,
    times: String,
    sample: Option<Sample>,
}

impl Row {
    /// Returns the row of the newest finding of a matter.
    fn of(draft: &Draft<'_>, view: &View<'_>, matter: &Matter) -> Row {
        let what = what(draft, view, matter, draft.words.letter.new_row);
        let unknown = || UNKNOWN.to_owned();
        let newest = finding(&matter.newest).filter(|finding| finding.role == view.role());
        let Some(finding) = newest else {
            return Row {
                what,
                flows: unknown(),
                hosts: unknown(),
                times: unknown(),
                sample: None,
            };
        };
        let condition = Condition::first(&finding.why).filter(|one| one.ratio() > 0.0);
        Row {
            what,
            flows: amount(finding.flows),
            hosts: amount(finding.peers),
            times: condition.map_or_else(unknown, |condition| times(condition.ratio())),
            sample: finding.sample.first().copied(),
        }
    }
}

/// Returns the address and port of a flow on the side that the host is not on.
fn other_side(sample: &Sample, view: &View<'_>) -> String {
    let is_source = view.role() == Role::Source || view.host() == Host::Address(sample.sip);
    if is_source { sample.dip.to_string() } else { sample.sip.to_string() }
}
