//! Advice: the usual meaning of an incident, what to check, how to answer, and what happens next.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::words as numbers;
use crate::incident::Step;
use crate::notice::words::{Noun, Situation, SituationWords};

use super::draft::Draft;
use super::view::View;

/// The most numbers of incidents before what their situation means.
const MAX_IDS: usize = 8;

/// Appends what the situations of one incident usually mean: all of one, or the first paragraph of each of
/// several, at most `most` of them. `gravest` is explained first.
pub(super) fn meaning(
    draft: &mut Draft<'_>,
    situations: &BTreeSet<Situation>,
    gravest: Option<Situation>,
    most: usize,
) {
    let words = draft.words;
    if situations.is_empty() {
        return;
    }
    draft.section(words.texts.meaning);
    if let (1, Some(situation)) = (situations.len(), situations.first()) {
        all_of(draft, *situation);
        return;
    }
    let others = situations.iter().filter(|one| Some(**one) != gravest);
    for situation in gravest.iter().chain(others).take(most) {
        let situation = (words.situation)(*situation);
        let meaning = situation.meaning.first().copied().unwrap_or_default();
        let values = [("situation", situation.long), ("meaning", meaning)];
        draft.writer.paragraph("  ", words.letter.meaning_short, &values);
    }
    innocent(draft);
}

/// Appends what the situations of several incidents usually mean, with the numbers of the incidents, and returns
/// the situations. The gravest incident comes first.
pub(super) fn meanings(draft: &mut Draft<'_>, views: &[View<'_>]) -> BTreeSet<Situation> {
    let (words, texts) = (draft.words, &draft.words.letter);
    let mut order = Vec::new();
    let mut incidents: BTreeMap<Situation, Vec<u64>> = BTreeMap::new();
    for view in views.iter().filter(|view| view.case.step != Step::Released) {
        let gravest = view.situation();
        let others = view.situations().into_iter().filter(|one| Some(*one) != gravest);
        for situation in gravest.into_iter().chain(others) {
            let ids = incidents.entry(situation).or_insert_with(|| {
                order.push(situation);
                Vec::new()
            });
            ids.push(view.case.incident.id);
        }
    }
    if !order.is_empty() {
        draft.section(words.texts.meaning);
    }
    if let [situation] = order.as_slice() {
        all_of(draft, *situation);
    } else if !order.is_empty() {
        for situation in &order {
            let ids = incidents.get(situation).map(Vec::as_slice).unwrap_or_default();
            let ids = numbered(draft, ids);
            let SituationWords { short, meaning, .. } = (words.situation)(*situation);
            let meaning = meaning.first().copied().unwrap_or_default();
            let values = [("incidents", &*ids), ("behaviour", short), ("meaning", meaning)];
            draft.writer.paragraph("  ", texts.meaning_of, &values);
        }
        innocent(draft);
    }
    order.into_iter().collect()
}

/// Returns the numbers of incidents: `Incidents 1742, 1743`.
fn numbered(draft: &Draft<'_>, ids: &[u64]) -> String {
    let (words, texts) = (draft.words, &draft.words.letter);
    let (named, more) = ids.split_at(ids.len().min(MAX_IDS));
    let named: Vec<_> = named.iter().map(u64::to_string).collect();
    let mut list = named.join(words.texts.list);
    if !more.is_empty() {
        let count = numbers::count(more.len() as u64);
        list += &words.and_more(&words.fill(texts.more_ids, &[("count", &count)]));
    }
    let text = if ids.len() == 1 { texts.incident_ids } else { texts.incidents_ids };
    words.fill(text, &[("list", &list)])
}

/// Appends all that a situation usually means.
fn all_of(draft: &mut Draft<'_>, situation: Situation) {
    let tell = tell(draft);
    for text in (draft.words.situation)(situation).meaning {
        draft.writer.paragraph("  ", text, &[("tell", tell)]);
    }
}

/// Appends that there may be innocent reasons.
fn innocent(draft: &mut Draft<'_>) {
    let tell = tell(draft);
    draft.writer.paragraph("  ", draft.words.letter.innocent, &[("tell", tell)]);
}

/// Returns what the reader is to do if the reason is innocent.
const fn tell(draft: &Draft<'_>) -> &'static str {
    if draft.is_operator { draft.words.letter.tell_operator } else { draft.words.texts.tell }
}

/// Appends in one sentence for each role what the situations usually mean.
pub(super) fn roles(draft: &mut Draft<'_>, situations: &BTreeSet<Situation>) {
    let words = draft.words;
    if situations.is_empty() {
        return;
    }
    draft.section(words.texts.meaning);
    for (is_suspect, text) in
        [(true, words.letter.digest_suspect), (false, words.letter.digest_victim)]
    {
        if situations.iter().any(|situation| situation.is_suspect() == is_suspect) {
            draft.paragraph("  ", text);
        }
    }
    innocent(draft);
}

/// Appends what to check: on the machine, if the letter is about a single one. Nobody can look into hosts outside.
pub(super) fn checks(
    draft: &mut Draft<'_>,
    situations: &BTreeSet<Situation>,
    is_outside: bool,
    is_single: bool,
) {
    let words = draft.words;
    if is_outside {
        draft.writer.out.push('\n');
        draft.paragraph("  ", words.letter.outside_advice);
        return;
    }
    for (is_suspect, title, list) in [
        (true, words.letter.check_suspect, words.check_suspect_short),
        (false, words.letter.check_victim, words.check_victim_short),
    ] {
        if situations.iter().any(|situation| situation.is_suspect() == is_suspect) {
            draft.section(if is_single { words.letter.check } else { title });
            for (n, text) in list.iter().enumerate() {
                draft.paragraph(&format!("  {}. ", n + 1), text);
            }
        }
    }
}

/// Appends how to reply, and what a reply does. The operator gets the commands instead.
pub(super) fn answer(draft: &mut Draft<'_>, views: &[View<'_>]) {
    let (words, texts) = (draft.words, &draft.words.letter);
    let who = draft.who();
    let all = |step: Step| views.iter().all(|view| view.case.step == step);
    if draft.is_operator && !all(Step::Released) {
        commands(draft, views);
        return;
    }
    let can_claim = draft.sender.can_claim;
    let mut answer = Vec::new();
    if all(Step::Released) {
        answer.push(texts.answer_released.to_owned());
    } else if all(Step::Isolated) {
        answer.push(texts.answer_request.to_owned());
    } else if can_claim {
        let reminders = if views.len() == 1 { texts.answer_stop } else { texts.answer_stop_many };
        let values = [("what", &*these(draft, views)), ("reminders", reminders)];
        answer.push(words.fill(texts.answer_claim, &values));
        if views.iter().any(|view| view.case.due.is_some()) {
            answer.push(texts.answer_pause.to_owned());
        }
        if views.iter().any(|view| view.case.step == Step::Isolated) {
            answer.push(texts.answer_isolated.to_owned());
        }
        answer.push(texts.answer_what.to_owned());
        // A reply counts as a claim whatever it says.
        answer.push(match (&who, views) {
            (None, _) => texts.answer_whose.to_owned(),
            (Some(who), [_]) => words.fill(texts.answer_elsewhere, &[("who", who)]),
            (Some(who), _) => words.fill(texts.answer_some, &[("who", who)]),
        });
    } else {
        let texts = [texts.answer_plain, texts.answer_what, texts.answer_whose];
        answer.extend(texts.map(str::to_owned));
    }
    draft.section(texts.answer);
    draft.sentences("  ", &answer);
    if let Some(who) = &who {
        draft.writer.paragraph("  ", texts.answer_who, &[("who", who)]);
    }
}

/// Returns the incidents of a letter as the object of a sentence.
fn these(draft: &Draft<'_>, views: &[View<'_>]) -> String {
    let texts = &draft.words.letter;
    let incidents = draft.writer.count(views.len(), Noun::Incident);
    match views {
        [_] => texts.this_incident.to_owned(),
        _ => draft.words.fill(texts.all_incidents, &[("incidents", &incidents)]),
    }
}

/// Appends the commands for the operator.
fn commands(draft: &mut Draft<'_>, views: &[View<'_>]) {
    let texts = &draft.words.letter;
    let id = match views {
        [view] => view.case.incident.id.to_string(),
        _ => texts.col_id.to_owned(),
    };
    draft.section(texts.answer_commands);
    for text in [texts.command_claim, texts.command_ignore, texts.command_resolve] {
        draft.writer.paragraph("  ", text, &[("id", &id)]);
    }
    if draft.sender.can_claim {
        let what = these(draft, views);
        draft.writer.paragraph("  ", texts.answer_claims, &[("what", &what)]);
    }
}

/// Returns what happens next to an incident, a sentence each.
pub(super) fn next(draft: &Draft<'_>, view: &View<'_>) -> Vec<String> {
    let (words, texts) = (draft.words, &draft.words.letter);
    let case = view.case;
    let body = &case.incident.body;
    let host = view.host().text(false);
    let mut next = Vec::new();
    match case.step {
        Step::Isolated => {
            next.push(match case.until {
                Some(until) => words.fill(texts.next_until, &[("until", &draft.moment(until))]),
                None if draft.is_operator => {
                    let id = case.incident.id.to_string();
                    words.fill(texts.next_release, &[("host", &host), ("id", &id)])
                }
                None => texts.next_by_hand.to_owned(),
            });
            next.push(texts.next_recorded.to_owned());
            return next;
        }
        Step::Released => next.push(texts.next_released.to_owned()),
        Step::First | Step::Grown | Step::Reminder | Step::Deadline => {
            if let Some(due) = case.due {
                let values = [("host", host.as_str()), ("due", &draft.moment(due))];
                next.push(words.fill(texts.next_due, &values));
            }
            let at = draft.now.saturating_add(case.remind);
            if case.step == Step::Deadline && case.due.is_some() {
                next.push(texts.next_half.to_owned());
            } else if view.is_open() && case.due.is_none_or(|due| at < due) {
                next.push(words.fill(texts.next_reminder, &[("time", &draft.about(at))]));
            }
        }
    }
    let seconds = body.last_end.saturating_sub(body.last).saturating_mul(case.quiet);
    if let (true, Ok(seconds)) = (view.is_open(), u32::try_from(seconds)) {
        let windows = (words.count)(case.quiet, Noun::Window);
        let values = [("windows", &*windows), ("length", &(words.length)(seconds))];
        next.push(words.fill(texts.next_quiet, &values));
    }
    next
}
