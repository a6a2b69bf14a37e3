//! A digest: many incidents, a line each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::incident::Step;
use crate::notice::words::Noun;
use crate::report::Columns;

use super::advice;
use super::draft::Draft;
use super::table::{self, Moments, UNKNOWN};
use super::view::{Concern, View, times};

/// The most lines of a digest. Further incidents are counted: nobody reads more.
const MAX_LINES: usize = 500;

/// The longest host in a table, in columns; lines with longer ones follow the table.
const MAX_HOST: usize = 18;

/// The part of a digest that has its own table. Parts are in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    /// The step, the gravest first.
    step: Reverse<Step>,
    has_no_due: bool,
    concern: Concern,
}

impl Group {
    fn of(view: &View<'_>) -> Group {
        Group {
            step: Reverse(view.case.step),
            has_no_due: view.case.due.is_none(),
            concern: view.concern(),
        }
    }

    const fn is_isolated(self) -> bool {
        matches!(self.step.0, Step::Isolated)
    }
}

/// Writes the letter about more incidents than are described one by one.
pub(super) fn digest(draft: &mut Draft<'_>, views: &[View<'_>]) {
    let texts = &draft.words.letter;
    let incidents = draft.writer.count(views.len(), Noun::Incident);
    let mut lead = vec![draft.writer.with_routers(texts.digest, &[("incidents", &incidents)])];
    lead.extend(draft.held_back());
    if draft.is_operator {
        lead.push(texts.digest_show.to_owned());
    }
    lead.extend(draft.who().map(|who| draft.words.fill(texts.digest_details, &[("who", &who)])));
    draft.sentences("", &lead);
    let (shown, more) = views.split_at(views.len().min(MAX_LINES));
    let mut groups: BTreeMap<Group, Vec<&View<'_>>> = BTreeMap::new();
    for view in shown {
        groups.entry(Group::of(view)).or_default().push(view);
    }
    for (group, views) in groups {
        part(draft, group, &views);
    }
    draft.writer.and_more("  ", more.len(), Noun::MoreIncidents, texts.digest_more);
    let told = views.iter().filter(|view| view.case.step != Step::Released);
    let situations: BTreeSet<_> = told.filter_map(View::situation).collect();
    let is_outside = views.iter().all(|view| view.concern() == Concern::Outside);
    advice::roles(draft, &situations);
    advice::checks(draft, &situations, is_outside, false);
    advice::answer(draft, views);
}

/// Appends the incidents of one step.
fn part(draft: &mut Draft<'_>, group: Group, views: &[&View<'_>]) {
    let (words, texts) = (draft.words, &draft.words.letter);
    let incidents = draft.writer.count(views.len(), Noun::Incident);
    let values = [("step", draft.step_word(group.step.0)), ("incidents", &incidents)];
    let title = words.fill(texts.digest_group, &values);
    draft.section(&title);
    match group.concern {
        Concern::Own => {}
        Concern::Orphan => draft.paragraph("  ", texts.digest_orphan),
        Concern::Outside => draft.paragraph("  ", texts.digest_outside),
    }
    let (heading, text) = if group.is_isolated() {
        (texts.col_until, texts.digest_until)
    } else if group.has_no_due {
        (texts.col_since, texts.digest_since)
    } else {
        (texts.col_deadline, texts.digest_due)
    };
    let (short, long): (Vec<&View<'_>>, Vec<&View<'_>>) =
        views.iter().copied().partition(|view| view.host().text(false).len() <= MAX_HOST);
    let seconds: Vec<_> = short.iter().map(|view| moment(group, view)).collect();
    let moments = Moments::new(heading, &seconds, draft.sender.base.local);
    let heading = [texts.col_id, texts.col_host, texts.col_what, texts.col_times, &moments.heading];
    let mut columns = Columns::new(heading, &[0, 3]);
    for (view, moment) in short.iter().zip(&moments.cells) {
        let Cells { id, host, what, times } = Cells::of(draft, view);
        let is_by_hand = group.is_isolated() && view.case.until.is_none();
        let moment = if is_by_hand { texts.by_hand } else { moment };
        columns.row([id, host, what, times, moment.to_owned()]);
    }
    let fits = !columns.is_empty() && table::append(&mut draft.writer.out, &columns);
    let lines = if fits { &[][..] } else { &short[..] };
    for view in lines.iter().chain(&long) {
        let Cells { id, host, what, times } = Cells::of(draft, view);
        let time = match moment(group, view) {
            Some(at) => words.fill(text, &[("time", &draft.moment(at))]),
            None => texts.by_hand.to_owned(),
        };
        let values =
            [("id", &*id), ("host", &host), ("what", &what), ("times", &times), ("time", &time)];
        let line = words.fill(texts.digest_row, &values);
        draft.paragraph("  ", &line);
    }
    if group.is_isolated() {
        draft.paragraph("  ", texts.digest_release);
    } else if !group.has_no_due {
        draft.paragraph("  ", texts.digest_due_note);
    }
}

/// Returns the moment that matters most at a step, in Unix seconds.
fn moment(group: Group, view: &View<'_>) -> Option<u64> {
    if group.is_isolated() {
        view.case.until
    } else {
        view.case.due.or(Some(view.case.incident.body.first))
    }
}

/// The cells of an incident.
struct Cells {
    id: String,
    host: String,
    what: String,
    times: String,
}

impl Cells {
    fn of(draft: &Draft<'_>, view: &View<'_>) -> Cells {
        let unknown = || UNKNOWN.to_owned();
        let what =
            view.matters.first().map(|matter| table::what(draft.words, matter.key, view.role()));
        let ratio = view.times();
        Cells {
            id: view.case.incident.id.to_string(),
            host: view.host().text(false),
            what: what.unwrap_or_else(unknown),
            times: if ratio > 0.0 { times(ratio) } else { unknown() },
        }
    }
}
