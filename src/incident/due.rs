//! The notices that are due: who is to be told of an incident now, and at which step.

use crate::time::Window;

use super::clauses::{self, Clause, FRESH, Facts, Mode};
use super::machine::{end_deadline, row, set_wish, when};
use super::model::{Changed, Deadline, Incident, JournalRow, State, Wish};
use super::policy::{Act, Rule};

/// Seconds that must pass before a notice about an incident that has grown.
const BETWEEN: u64 = 3600;

/// The growth of the peak that is told again.
const GROWTH: f64 = 10.0;

/// The steps at which somebody is told of an incident, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The first notice.
    First,
    /// The incident has a new matter, or ten times the peak.
    Grown,
    /// The incident goes on.
    Reminder,
    /// The host is not isolated any more.
    Released,
    /// The notice that names the deadline; it may be the first one.
    Deadline,
    /// The host is isolated.
    Isolated,
}

impl Step {
    /// All steps.
    pub const ALL: [Step; 6] =
        [Step::First, Step::Grown, Step::Reminder, Step::Released, Step::Deadline, Step::Isolated];

    /// Returns the word of the step.
    pub const fn as_str(self) -> &'static str {
        match self {
            Step::First => "first",
            Step::Grown => "grown",
            Step::Reminder => "reminder",
            Step::Released => "released",
            Step::Deadline => "deadline",
            Step::Isolated => "isolated",
        }
    }

    /// Parses the word of the step.
    pub fn parse(text: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| step.as_str() == text)
    }
}

/// The state of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeState {
    /// A notice that shadow mode would have sent. It is never sent.
    WouldSend,
    /// A notice that waits to be sent.
    Wanted,
    /// A notice whose mail is being handed over. A run that dies at this moment leaves it so, and the next
    /// one hands the same mail over again.
    Sending,
    /// A notice that a mail server accepted.
    Accepted,
    /// A notice that a mail server refused for good.
    Refused,
    /// A notice that was accepted, and came back.
    Bounced,
    /// A notice that came too late to be of use, so it is not sent.
    Superseded,
}

impl NoticeState {
    /// All states.
    pub const ALL: [NoticeState; 7] = [
        NoticeState::WouldSend,
        NoticeState::Wanted,
        NoticeState::Sending,
        NoticeState::Accepted,
        NoticeState::Refused,
        NoticeState::Bounced,
        NoticeState::Superseded,
    ];

    /// Returns the word of the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            NoticeState::WouldSend => "would-send",
            NoticeState::Wanted => "wanted",
            NoticeState::Sending => "sending",
            NoticeState::Accepted => "accepted",
            NoticeState::Refused => "refused",
            NoticeState::Bounced => "bounced",
            NoticeState::Superseded => "superseded",
        }
    }

    /// Parses the word of the state.
    pub fn parse(text: &str) -> Option<NoticeState> {
        NoticeState::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Returns true if a recipient counts as told in this mode. One whose mail was refused or came back does,
    /// so that the same mail is not tried in each run.
    fn is_told(self, mode: Mode) -> bool {
        match self {
            NoticeState::WouldSend => mode == Mode::Shadow,
            NoticeState::Superseded => false,
            _ => mode == Mode::Live,
        }
    }

    /// Returns true for a notice that did not arrive.
    pub const fn has_failed(self) -> bool {
        matches!(self, NoticeState::Refused | NoticeState::Bounced)
    }

    /// Returns true for a notice whose mail is not accepted yet.
    pub const fn is_unsent(self) -> bool {
        matches!(self, NoticeState::Wanted | NoticeState::Sending)
    }
}

/// A notice to one recipient about one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The incident.
    pub incident: u64,
    /// The mail address.
    pub recipient: String,
    /// The step.
    pub step: Step,
    /// The state.
    pub state: NoticeState,
    /// The time of the run that made it, in Unix seconds.
    pub at: u64,
    /// Number of matters that the incident had then.
    pub matters: u64,
    /// The ratio of the peak then.
    pub peak: f64,
    /// Start of the newest window with a finding then.
    pub last: u64,
    /// The time at which a mail server accepted it, in Unix seconds.
    pub accepted: Option<u64>,
}

impl Notice {
    /// Returns the moment from which the time to the next notice counts, in Unix seconds.
    fn told_at(&self) -> u64 {
        self.accepted.unwrap_or(self.at)
    }

    /// Returns the seconds since then. A moment in the future is one of a clock that was ahead, and long ago.
    fn age(&self, now: u64) -> u64 {
        now.checked_sub(self.told_at()).unwrap_or(u64::MAX)
    }
}

/// The outcome of bringing an incident up to date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followed {
    /// Rows for the journal.
    pub rows: Vec<JournalRow>,
    /// The notices that are due now.
    pub notices: Vec<Notice>,
    /// True if the deadline or the block stays as it is, because the newest window is too old.
    pub is_held: bool,
}

/// Brings the notices to some recipients, the deadline and the wish of an incident up to date. `told` holds
/// all earlier notices about the incident, in order.
pub fn follow(
    incident: &mut Incident,
    recipients: &[String],
    told: &[Notice],
    rule: &Rule,
    facts: &Facts,
) -> Followed {
    let mut rows = end_void(incident, rule, facts);
    void_announcement(incident, told, rule, facts);
    let notices = recipients.iter().filter_map(|who| notice(incident, who, told, rule, facts));
    let notices: Vec<Notice> = notices.collect();
    rows.extend(notices.iter().map(|notice| notice_row(incident, notice, facts)));
    // A deadline counts from the mail that names it, which in shadow mode counts as accepted at once.
    let mut named = notices.iter().filter(|notice| notice.step == Step::Deadline);
    if named.clone().any(|one| one.state == NoticeState::Wanted) {
        // The clock may show less than when an earlier deadline ended.
        incident.body.deadlines_from = incident.body.deadlines_from.min(facts.now);
    }
    if incident.body.deadline.is_none() && named.any(|one| one.state == NoticeState::WouldSend) {
        rows.push(start_deadline(incident, rule, facts));
    }
    let mut is_held = false;
    // Old data neither isolates nor releases, but the list of hosts that are never blocked holds.
    if facts.is_fresh() || facts.never.is_some() {
        rows.extend(update_wish(incident, rule, facts));
    } else {
        is_held = incident.body.deadline.is_some() || incident.body.wish != Wish::None;
    }
    Followed { rows, notices, is_held }
}

/// Lets a notice of a deadline that waits for its mail not count any more if nobody asks for isolation now, so
/// that the deadline is announced anew when somebody does again.
fn void_announcement(incident: &mut Incident, told: &[Notice], rule: &Rule, facts: &Facts) {
    let is_asked_for = rule.act == Act::Isolate && !incident.is_ignored(facts.now);
    if is_asked_for || incident.body.deadline.is_some() {
        return;
    }
    let announced = told.iter().filter(|notice| notice.step == Step::Deadline);
    if let Some(at) = announced.map(|notice| notice.at).max() {
        let from = &mut incident.body.deadlines_from;
        *from = at.saturating_add(1).max(*from);
    }
}

/// Returns true if a notice of this incident is news: its newest finding ends less than two windows before
/// the newest window, and that window ended less than an hour ago.
fn is_news(incident: &Incident, facts: &Facts) -> bool {
    facts.newest.is_some_and(|newest| {
        let age = newest.end().saturating_sub(incident.body.last_end);
        age < 2 * u64::from(newest.seconds()) && facts.now.saturating_sub(newest.end()) < FRESH
    })
}

/// Returns true if a deadline can be announced: all clauses hold that do not change with time, and in live mode
/// there is a device that can keep what the mail says.
fn can_isolate(incident: &Incident, rule: &Rule, facts: &Facts) -> bool {
    rule.act == Act::Isolate
        && (facts.mode == Mode::Shadow || facts.has_device)
        && clauses::standing(incident, rule, facts).iter().all(|clause| clause.is_met)
}

/// Returns the notice to one recipient that is due now, if one is. `told` holds all earlier notices about
/// the incident, in order.
pub(super) fn notice(
    incident: &Incident,
    recipient: &str,
    told: &[Notice],
    rule: &Rule,
    facts: &Facts,
) -> Option<Notice> {
    let body = &incident.body;
    if rule.act == Act::None || incident.is_ignored(facts.now) {
        return None;
    }
    match body.state {
        State::Open => {}
        // It came and went while nobody looked.
        State::Quiet | State::Closed(_) if told.is_empty() => {
            return Some(new(incident, recipient, Step::First, NoticeState::Superseded, facts));
        }
        State::Quiet | State::Closed(_) | State::Pending => return None,
    }
    // Further findings about an isolated host are recorded, and not mailed.
    if rule.act == Act::Isolate && body.wish != Wish::None {
        return None;
    }
    // Two addresses that differ only in case reach one person.
    let is_of = |notice: &&Notice| notice.recipient.eq_ignore_ascii_case(recipient);
    let of_recipient = told.iter().rev().filter(is_of);
    let latest = of_recipient.clone().next();
    let mut told = of_recipient.filter(|notice| notice.state.is_told(facts.mode));
    let before = told.clone().next();
    let is_reached = told.clone().any(|notice| !notice.state.has_failed());
    // One that did not arrive announced nothing.
    let announced = told.find(|notice| notice.step == Step::Deadline && !notice.state.has_failed());
    // In shadow mode the deadline itself begins with the notice.
    let is_announced = facts.mode == Mode::Live
        && announced.is_some_and(|latest| latest.at >= body.deadlines_from);
    let announces = !is_announced && body.deadline.is_none() && can_isolate(incident, rule, facts);
    let step = match before {
        None if announces => Step::Deadline,
        None => Step::First,
        // An address that takes no mail is tried again once a day, not in each run.
        Some(before) if before.state.has_failed() && !has_waited(before, rule, facts) => {
            return None;
        }
        Some(_) if announces => Step::Deadline,
        // A mail that never arrived told nobody.
        Some(_) if !is_reached => Step::First,
        // The mail that waits comes first; what has grown since is told when it was accepted.
        Some(before) if before.state.is_unsent() => return None,
        Some(before) if has_grown(incident, before, facts) => Step::Grown,
        Some(before) if is_reminder_due(incident, before, rule, facts) => Step::Reminder,
        Some(_) => return None,
    };
    let sent = match facts.mode {
        Mode::Shadow => NoticeState::WouldSend,
        Mode::Live => NoticeState::Wanted,
    };
    let state = if is_news(incident, facts) { sent } else { NoticeState::Superseded };
    // One that comes too late is noted once for each window with findings.
    let is_noted = latest
        .is_some_and(|latest| latest.state == NoticeState::Superseded && latest.last >= body.last);
    if state == NoticeState::Superseded && (is_noted || before.is_some()) {
        return None;
    }
    Some(new(incident, recipient, step, state, facts))
}

/// Returns a notice of now.
fn new(
    incident: &Incident,
    recipient: &str,
    step: Step,
    state: NoticeState,
    facts: &Facts,
) -> Notice {
    Notice {
        incident: incident.id,
        recipient: recipient.to_owned(),
        step,
        state,
        at: facts.now,
        matters: matters(incident, facts.now),
        peak: peak(incident, facts.now),
        last: incident.body.last,
        accepted: None,
    }
}

fn matters(incident: &Incident, now: u64) -> u64 {
    incident.active(now).count() as u64
}

fn peak(incident: &Incident, now: u64) -> f64 {
    incident.active(now).map(|matter| matter.peak.ratio()).fold(0.0, f64::max)
}

fn has_grown(incident: &Incident, before: &Notice, facts: &Facts) -> bool {
    is_more(incident, before, facts) && before.age(facts.now) >= BETWEEN
}

/// Returns true if there is more of an incident than a notice told.
fn is_more(incident: &Incident, before: &Notice, facts: &Facts) -> bool {
    matters(incident, facts.now) > before.matters
        || (before.peak > 0.0 && peak(incident, facts.now) >= GROWTH * before.peak * (1.0 - 1e-9))
}

fn is_reminder_due(incident: &Incident, before: &Notice, rule: &Rule, facts: &Facts) -> bool {
    if incident.is_claimed() {
        return false;
    }
    // The hours of notices count by the clock, and those of deadlines by the data.
    let is_half = incident
        .body
        .deadline
        .is_some_and(|deadline| before.told_at() < deadline.half && deadline.half <= facts.now);
    has_waited(before, rule, facts) || is_half
}

/// Returns true if it is time for a reminder.
fn has_waited(before: &Notice, rule: &Rule, facts: &Facts) -> bool {
    before.age(facts.now) >= rule.remind
}

/// Starts the deadline that an accepted notice names, and returns the row for the journal.
pub(super) fn start_deadline(incident: &mut Incident, rule: &Rule, facts: &Facts) -> JournalRow {
    let announced = facts.data_time();
    let due = counted(rule, announced, rule.deadline);
    incident.body.deadline = Some(Deadline {
        announced,
        half: counted(rule, announced, rule.deadline / 2),
        due,
        seen_after: 0,
        seen_last: 0,
        is_shadow: facts.mode == Mode::Shadow,
        is_paused: false,
        delayed: None,
    });
    let reason = match facts.mode {
        Mode::Shadow => "announced, as if the mail had been accepted",
        Mode::Live => "announced",
    };
    row(incident, Changed::Deadline, newest_end(facts), "-", &when(due), reason)
}

/// Returns the earliest moment, in Unix seconds, at which a host is isolated whose deadline is announced now.
pub fn earliest(rule: &Rule, facts: &Facts) -> u64 {
    counted(rule, facts.data_time(), rule.deadline)
}

/// Returns the moment so many of the seconds that count for the rule's deadline behind another one.
fn counted(rule: &Rule, from: u64, seconds: u64) -> u64 {
    match &rule.hours {
        Some(hours) => hours.after(from, seconds),
        None => from.saturating_add(seconds),
    }
}

/// Returns the end of the newest window, which the journal dates the changes of a run by.
pub(super) fn newest_end(facts: &Facts) -> u64 {
    facts.newest.map_or(facts.now, Window::end)
}

/// Ends what must not lead to a block, and returns the rows for the journal: a deadline that the policy does
/// not ask for any more, which begins anew if it asks again, and in live mode a deadline and a wish of shadow
/// mode, because nobody was told and no host was blocked.
pub(super) fn end_void(incident: &mut Incident, rule: &Rule, facts: &Facts) -> Vec<JournalRow> {
    let mut rows = Vec::new();
    if rule.act != Act::Isolate && incident.body.wish == Wish::None {
        let reason = "the policy does not ask for isolation any more";
        rows.extend(end_deadline(incident, newest_end(facts), reason));
    }
    if facts.mode == Mode::Shadow {
        return rows;
    }
    let reason = "the mode is live now, and nobody was told in shadow mode";
    if incident.body.deadline.is_some_and(|deadline| deadline.is_shadow) {
        rows.extend(end_deadline(incident, newest_end(facts), reason));
    }
    if incident.body.is_shadow_wish {
        rows.extend(set_wish(incident, Wish::None, newest_end(facts), reason));
        incident.body.is_shadow_wish = false;
    }
    rows
}

/// Brings the wish for a block up to date, and returns the rows for the journal.
pub(super) fn update_wish(incident: &mut Incident, rule: &Rule, facts: &Facts) -> Vec<JournalRow> {
    let (before, wish) = (incident.body.wish, clauses::wish(incident, rule, facts));
    let reason = match (wish, &facts.never) {
        (Wish::None, Some(never)) => never.clone(),
        (Wish::None, None) => format!("its time is over, by {}", rule.place),
        _ => rule.place.clone(),
    };
    let mut rows = Vec::new();
    let data = newest_end(facts);
    rows.extend(set_wish(incident, wish, data, &reason));
    if wish != before {
        incident.body.is_shadow_wish = wish != Wish::None && facts.mode == Mode::Shadow;
    }
    if before != Wish::None && wish == Wish::None {
        rows.extend(end_deadline(incident, data, "the block is over"));
    }
    rows
}

/// The next thing that will happen to an incident if it goes on as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The thing: `opens`, `notice`, `reminder`, `isolation`, `release`, `quiet`, `closed` or
    /// `nothing`.
    pub what: &'static str,
    /// The earliest time, in Unix seconds; `None` if that depends on the data.
    pub at: Option<u64>,
    /// The reason or the condition, for people.
    pub why: String,
}

/// Returns the next thing that will happen to an incident, for people who look at it.
pub fn next(incident: &Incident, told: &[Notice], rule: &Rule, facts: &Facts) -> Next {
    let body = &incident.body;
    let clean = body.clean.values().map(|clean| clean.windows).min().unwrap_or(0);
    let clean_seconds = body.clean.values().map(|clean| clean.quiet_seconds).min().unwrap_or(0);
    let next = |what, at, why: String| Next { what, at, why };
    match body.state {
        State::Closed(_) => next("nothing", None, "it is closed".to_owned()),
        State::Pending => {
            let (finds, of) = (rule.open.finds, rule.open.of);
            next("opens", None, format!("if found in {finds} of {of} windows"))
        }
        State::Quiet => {
            let left = rule.close.saturating_sub(clean_seconds);
            next("closed", None, format!("after {left} s more of clean windows"))
        }
        State::Open if clean > 0 => {
            let left = rule.quiet.saturating_sub(clean);
            next("quiet", None, format!("after {left} more clean windows"))
        }
        State::Open if rule.act == Act::None || incident.is_ignored(facts.now) => {
            let why =
                if rule.act == Act::None { "the policy tells nobody" } else { "it is ignored" };
            next("nothing", None, why.to_owned())
        }
        State::Open if incident.is_claimed() => next(
            "nothing",
            None,
            "it is claimed; a finding after the claim counts again".to_owned(),
        ),
        State::Open => {
            match body.wish {
                Wish::None => {}
                Wish::Until(end) => {
                    return next("release", Some(end), "a block is wished".to_owned());
                }
                Wish::UntilResolved => {
                    let why = "a block is wished until a person resolves it".to_owned();
                    return next("release", None, why);
                }
            }
            if let Some(deadline) = body.deadline {
                let unmet = unmet(&clauses::all(incident, rule, facts));
                return next("isolation", Some(deadline.due), unmet);
            }
            let last = told.iter().rev().find(|notice| notice.state.is_told(facts.mode));
            match last {
                Some(last) if last.state.is_unsent() => {
                    next("notice", None, "its mail waits to be sent".to_owned())
                }
                Some(last) if is_more(incident, last, facts) => {
                    let at = last.told_at().saturating_add(BETWEEN);
                    next("notice", Some(at), "there is more of it than was told".to_owned())
                }
                Some(last) => {
                    let at = last.told_at().saturating_add(rule.remind);
                    next("reminder", Some(at), "if it goes on".to_owned())
                }
                None => next("notice", None, "if it goes on".to_owned()),
            }
        }
    }
}

/// Returns the names of the clauses that are not met.
pub fn unmet(clauses: &[Clause]) -> String {
    let names: Vec<&str> =
        clauses.iter().filter(|clause| !clause.is_met).map(|clause| clause.name).collect();
    if names.is_empty() {
        "all clauses are met".to_owned()
    } else {
        format!("not met: {}", names.join(", "))
    }
}

/// Returns a row of the journal for a new notice.
fn notice_row(incident: &Incident, notice: &Notice, facts: &Facts) -> JournalRow {
    let to = state_text(notice.step, notice.state);
    row(incident, Changed::Notice, newest_end(facts), "-", &to, &notice.recipient)
}

/// Returns the state of a notice in the journal: `first accepted`.
pub(super) fn state_text(step: Step, state: NoticeState) -> String {
    format!("{} {}", step.as_str(), state.as_str())
}
