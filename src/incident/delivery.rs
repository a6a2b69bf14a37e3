//! The way of a notice after it was made: handed over, accepted, refused, come back, delayed.

use crate::time::Window;

use super::clauses::Facts;
use super::due::{Notice, NoticeState, Step, newest_end, start_deadline, state_text};
use super::machine::{ACTOR, end_deadline, row, when};
use super::model::{Changed, Incident, JournalRow, State};
use super::policy::{Act, Rule};

/// Seconds for which a mail server that reports a delay holds the deadline back.
pub const DELAY: u64 = 86_400;

/// Gives a notice another state, lets the deadline that it names begin or end by it, and returns the rows for
/// the journal. `told` are all notices about the incident, this one among them as it was; `why` says more
/// about the state and may be empty.
pub fn settle(
    incident: &mut Incident,
    notice: &Notice,
    to: NoticeState,
    why: &str,
    told: &[Notice],
    rule: &Rule,
    facts: &Facts,
) -> Vec<JournalRow> {
    let data = newest_end(facts);
    let mut rows = vec![settled_row(notice, to, why, data)];
    if notice.step != Step::Deadline || notice.at < incident.body.deadlines_from {
        return rows;
    }
    match to {
        NoticeState::Accepted if incident.body.deadline.is_none() => {
            // A person or the policy may have decided otherwise while the mail waited.
            let is_wanted = incident.body.state == State::Open
                && rule.act == Act::Isolate
                && !incident.is_ignored(facts.now);
            if is_wanted {
                rows.push(start_deadline(incident, rule, facts));
            } else {
                // The next one is announced anew.
                incident.body.deadlines_from = notice.at.saturating_add(1);
            }
        }
        NoticeState::Refused | NoticeState::Bounced => {
            let from = incident.body.deadlines_from;
            let is_other = |one: &&Notice| *one != notice && one.at >= from;
            let mut others = told.iter().filter(is_other);
            let is_told =
                others.any(|one| one.step == Step::Deadline && one.state == NoticeState::Accepted);
            if !is_told && incident.body.deadline.is_some_and(|deadline| !deadline.is_shadow) {
                let reason = "the mail that named it did not arrive";
                rows.extend(end_deadline(incident, data, reason));
            }
        }
        _ => {}
    }
    rows
}

/// Returns the journal's row for a notice that gets another state, at a time of the data in Unix seconds. It is
/// all that [`settle`] does for a notice that names no deadline.
pub fn settled_row(notice: &Notice, to: NoticeState, why: &str, data: u64) -> JournalRow {
    let reason = match why {
        "" => notice.recipient.clone(),
        why => format!("{}: {why}", notice.recipient),
    };
    JournalRow {
        incident: Some(notice.incident),
        data,
        actor: ACTOR.to_owned(),
        what: Changed::Notice,
        from: state_text(notice.step, notice.state),
        to: state_text(notice.step, to),
        reason,
    }
}

/// Holds the deadline back, because a mail server reports that the mail which named it is delayed: for a day, or
/// until [`arrive`]. Returns the row for the journal if a deadline runs that is not held back already.
pub fn delay(incident: &mut Incident, now: u64, newest: Option<Window>) -> Option<JournalRow> {
    let deadline = incident.body.deadline.as_mut()?;
    if deadline.is_shadow || deadline.delayed.is_some() {
        return None;
    }
    let from = when(deadline.due);
    if deadline.half > now {
        deadline.half = deadline.half.saturating_add(DELAY);
    }
    // As with a claim: all of the time counts, even if the deadline has passed already.
    let begin = newest.map_or(0, Window::end).max(now).max(deadline.due);
    deadline.due = begin.saturating_add(DELAY);
    deadline.delayed = Some(now);
    (deadline.seen_after, deadline.seen_last) = (0, 0);
    let to = when(deadline.due);
    Some(row(incident, Changed::Deadline, now, &from, &to, "its mail is delayed"))
}

/// Lets a deadline that was held back by [`delay`] run on, because the mail has arrived. Returns the row for the
/// journal if there is one.
pub fn arrive(incident: &mut Incident, now: u64) -> Option<JournalRow> {
    let deadline = incident.body.deadline.as_mut()?;
    let since = deadline.delayed.take()?;
    let left = since.saturating_add(DELAY).saturating_sub(now);
    if left == 0 {
        return None;
    }
    let from = when(deadline.due);
    // No earlier than now, whatever the clock did in between.
    deadline.due = deadline.due.saturating_sub(left).max(now);
    if deadline.half > now {
        deadline.half = deadline.half.saturating_sub(left).max(now);
    }
    let to = when(deadline.due);
    Some(row(incident, Changed::Deadline, now, &from, &to, "its mail has arrived"))
}
