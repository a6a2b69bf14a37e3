//! The decisions of people about incidents: resolved, claimed, ignored.

use crate::time::Window;

use super::machine::{row, settled, transition, when};
use super::model::{Changed, Claim, CloseReason, Ignore, Incident, JournalRow, MatterKey, State};
use super::policy::Rule;

/// Seconds within which the newest window is one of a collector that runs.
const LIVE: u64 = 86_400;

/// A person who changes an incident, and the reason.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The reason.
    pub why: String,
    /// The time of the change, in Unix seconds.
    pub now: u64,
}

impl Person {
    fn row(&self, incident: &Incident, what: Changed, from: &str, to: &str) -> JournalRow {
        let actor = self.name.clone();
        JournalRow { actor, ..row(incident, what, self.now, from, to, &self.why) }
    }
}

/// A change that a person cannot make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The incident is over.
    #[error("incident {0} is closed")]
    Closed(u64),
    /// The incident has no such matter.
    #[error("incident {0} has no matter {1}; it has {2}")]
    NoMatter(u64, MatterKey, String),
}

/// Closes an incident, because a person calls it resolved. The window that is going on at that time still
/// belongs to it; `newest` is the newest window, behind which data time has not come yet.
///
/// # Errors
/// Refuses an incident that is closed.
pub fn resolve(
    incident: &mut Incident,
    person: &Person,
    newest: Option<Window>,
) -> Result<Vec<JournalRow>, Refused> {
    refuse_closed(incident)?;
    let data = moment_of(incident, person, newest);
    let rows = transition(incident, State::Closed(CloseReason::Resolved), data, &person.why);
    Ok(rows.into_iter().map(|row| JournalRow { actor: person.name.clone(), ..row }).collect())
}

/// Returns the data time of a person's decision, in Unix seconds: windows that begin before it belong to the
/// incident. It is the time of the decision; where old data is looked at, it is one window behind the newest,
/// so that the decision of today does not hold for all that followed.
fn moment_of(incident: &Incident, person: &Person, newest: Option<Window>) -> u64 {
    let limit = newest.map_or(person.now, |newest| {
        let is_live = person.now.saturating_sub(newest.end()) < LIVE;
        if is_live { person.now } else { newest.end() + u64::from(newest.seconds()) }
    });
    person.now.min(limit).max(incident.body.last_end)
}

/// Notes that the owner deals with an incident. Once per incident that puts the deadline off by the policy's
/// `claim_pause`, from now if it has passed. An incident that is quiet already is closed.
///
/// # Errors
/// Refuses an incident that is closed.
pub fn claim(
    incident: &mut Incident,
    person: &Person,
    rule: &Rule,
    newest: Option<Window>,
) -> Result<Vec<JournalRow>, Refused> {
    refuse_closed(incident)?;
    let before = incident.body.claim.as_ref().map_or_else(|| "-".to_owned(), |c| c.by.clone());
    let claim = Claim { at: person.now, by: person.name.clone(), why: person.why.clone() };
    incident.body.claim = Some(claim);
    let mut rows = vec![person.row(incident, Changed::Claim, &before, &person.name)];
    if let Some(deadline) = &mut incident.body.deadline {
        if !deadline.is_paused {
            let from = when(deadline.due);
            deadline.is_paused = true;
            if deadline.half > person.now {
                deadline.half = deadline.half.saturating_add(rule.claim_pause);
            }
            // The owner has all of the pause, even if the deadline has passed already.
            let begin = newest.map_or(0, Window::end).max(person.now).max(deadline.due);
            deadline.due = begin.saturating_add(rule.claim_pause);
            (deadline.seen_after, deadline.seen_last) = (0, 0);
            let to = when(deadline.due);
            rows.push(person.row(incident, Changed::Deadline, &from, &to));
        }
    }
    if let Some((state, reason)) = settled(incident, rule) {
        let data = moment_of(incident, person, newest);
        rows.extend(transition(incident, state, data, &reason));
    }
    Ok(rows)
}

/// Ignores a matter of an incident, or all of them, until a time in Unix seconds. If no other matter is left,
/// the deadline ends.
///
/// # Errors
/// Refuses an incident that is closed, and a matter that it does not have.
pub fn ignore(
    incident: &mut Incident,
    person: &Person,
    matter: Option<MatterKey>,
    until: u64,
) -> Result<Vec<JournalRow>, Refused> {
    refuse_closed(incident)?;
    let keys: Vec<MatterKey> = incident.body.matters.iter().map(|matter| matter.key).collect();
    if let Some(matter) = matter.filter(|matter| !keys.contains(matter)) {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        return Err(Refused::NoMatter(incident.id, matter, keys.join(", ")));
    }
    let mut rows = Vec::new();
    for key in keys.into_iter().filter(|key| matter.is_none_or(|matter| matter == *key)) {
        let ignore = Ignore { until, by: person.name.clone(), why: person.why.clone() };
        for one in incident.body.matters.iter_mut().filter(|one| one.key == key) {
            one.ignored = Some(ignore.clone());
        }
        rows.push(person.row(incident, Changed::Ignore, &key.to_string(), &when(until)));
    }
    // Nobody acts on the deadline of an ignored attack. A later one gets a deadline of its own.
    if incident.is_ignored(person.now) {
        if let Some(deadline) = incident.take_deadline() {
            rows.push(person.row(incident, Changed::Deadline, &when(deadline.due), "-"));
        }
    }
    Ok(rows)
}

fn refuse_closed(incident: &Incident) -> Result<(), Refused> {
    if incident.body.state.is_closed() { Err(Refused::Closed(incident.id)) } else { Ok(()) }
}
