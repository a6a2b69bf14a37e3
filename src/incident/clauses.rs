//! The clauses of a block: each is met or not met, with its reason, and a block is wished only if all are.

use crate::contacts::{NetworkKind, is_machine};
use crate::finding::{Host, Kind, Role, Side};
use crate::time::Window;

use super::model::{Incident, LISTED, State, Wish};
use super::policy::{Act, BAN_STEPS, Rule};

/// Seconds by the clock after which the newest window is too old to act on.
pub const FRESH: u64 = 3600;

/// Windows behind a deadline in which the attack must go on.
const SEEN_AFTER: u64 = 2;

/// The times of the limit that a sampled finding must reach.
const MARGIN: f64 = 3.0;

/// True or false for a run: with `Shadow` nothing leaves the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// All is computed and journalled, and nothing is sent or blocked.
    #[default]
    Shadow,
    /// Mails are sent and hosts are blocked.
    Live,
}

impl Mode {
    /// Returns the word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Shadow => "shadow",
            Mode::Live => "live",
        }
    }

    /// Parses the word of the configuration.
    pub fn parse(text: &str) -> Option<Mode> {
        [Mode::Shadow, Mode::Live].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// The facts around an incident that its clauses depend on.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The time of the run, in Unix seconds.
    pub now: u64,
    /// The mode.
    pub mode: Mode,
    /// The newest window of the data.
    pub newest: Option<Window>,
    /// The kind of the host's network.
    pub network_kind: NetworkKind,
    /// The reason why the host must never be blocked.
    pub never: Option<String>,
    /// True if the mail that named the deadline was accepted, or would have been in shadow mode.
    pub is_told: bool,
    /// True if new acts are frozen or a stop file is there.
    pub is_frozen: bool,
    /// True if there is a device that would isolate the host: one in mode `confirm` or `commit`.
    pub has_device: bool,
}

impl Facts {
    /// Returns true if the newest window is no older than two windows.
    pub fn is_fresh(&self) -> bool {
        self.newest.is_some_and(|newest| {
            self.now <= newest.end().saturating_add(2 * u64::from(newest.seconds()))
        })
    }

    /// Returns the moment from which a deadline that is announced now runs, in Unix seconds.
    pub fn data_time(&self) -> u64 {
        self.newest.map_or(self.now, |newest| newest.end().max(self.now))
    }
}

/// A condition of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The name, one or two words that never change.
    pub name: &'static str,
    /// True if it is met.
    pub is_met: bool,
    /// The reason, for people.
    pub why: String,
}

fn clause(name: &'static str, is_met: bool, why: impl Into<String>) -> Clause {
    Clause { name, is_met, why: why.into() }
}

/// Returns the clauses that do not change with time: a deadline is announced only if all are met.
pub fn standing(incident: &Incident, rule: &Rule, facts: &Facts) -> Vec<Clause> {
    let Incident { subject, body, .. } = incident;
    let act = format!("{} of {}", rule.act.as_str(), rule.place);
    let wanted = if rule.act == Act::Ban { Side::Outside } else { Side::Inside };
    let side = body.side.map_or("unknown", Side::as_str);
    let kind = facts.network_kind.as_str();
    let marked = |mark: &str| incident.marked(mark, facts.now).is_some();
    let mut all = vec![
        clause("policy", matches!(rule.act, Act::Isolate | Act::Ban), act),
        clause("source", subject.role == Role::Source, format!("its role is {}", subject.role)),
        clause("side", body.side == Some(wanted), format!("it is {side}")),
        match subject.host {
            Host::Address(address) if is_machine(address) => {
                clause("address", true, "it is one address")
            }
            Host::Address(_) => clause("address", false, "no machine has this address"),
            Host::Prefix(_) => clause("address", false, "it is a network"),
        },
        match &facts.never {
            None => clause("never", true, "it is on no list of hosts that are never blocked"),
            Some(why) => clause("never", false, why.clone()),
        },
    ];
    if rule.act != Act::Ban {
        let is_static = facts.network_kind == NetworkKind::Static;
        all.push(clause("static", is_static, format!("its network is {kind}")));
    }
    for (name, mark) in [
        ("not forged", "forged"),
        ("not oneway", "oneway"),
        ("not inner", "inner"),
        ("not survey", "survey"),
    ] {
        let is_met = !marked(mark);
        let why = if is_met { "no finding has" } else { "a finding has" };
        all.push(clause(name, is_met, format!("{why} the mark {mark}")));
    }
    let mut classes = incident.active(facts.now).flat_map(|matter| &matter.classes);
    let is_listed = classes.any(|class| class == LISTED) || body.doubts.contains_key(LISTED);
    let why =
        if is_listed { "a finding is of class listed" } else { "no finding is of class listed" };
    all.push(clause("not listed", !is_listed, why));
    let why = if body.is_from_anyone {
        "the collector took exports from anyone, or the marks do not say that it did not"
    } else {
        "the collector took exports from known exporters only"
    };
    all.push(clause("known exporters", !body.is_from_anyone, why));
    all
}

/// Returns all clauses of a block of this host, in the order in which they are shown.
pub fn all(incident: &Incident, rule: &Rule, facts: &Facts) -> Vec<Clause> {
    let mut all = standing(incident, rule, facts);
    let now = facts.now;
    let is_ignored = incident.is_ignored(now);
    let why =
        if is_ignored { "all of its matters are ignored" } else { "it has a matter to act on" };
    all.push(clause("not ignored", !is_ignored, why));
    // After a catch-up of many windows the attack may be over already.
    let is_open = incident.body.state == State::Open;
    let why = if is_open { "the attack goes on" } else { "the attack is not seen any more" };
    all.push(clause("open", is_open, why));
    // A mark of last week says nothing of addresses that are forged today.
    let data = facts.newest.map_or(0, Window::end);
    let passed = incident.body.deadline.filter(|deadline| data >= deadline.due);
    let since = passed.map_or(0, |deadline| deadline.due);
    let spoke = incident.marked("spoke", now).is_some_and(|spoke| spoke >= since);
    let why = if spoke {
        "it completed a TCP conversation of its own (the mark spoke)"
    } else {
        "no finding since the deadline has the mark spoke; only a person could confirm the host"
    };
    all.push(clause("spoke", spoke, why));
    all.push(margin(incident, now));
    let mut scans = incident.active(now).filter(|matter| matter.key.kind != Kind::Flood);
    let has_scan = scans.any(|matter| matter.last >= since);
    let why = if has_scan {
        "it has a finding of kind scan or port"
    } else {
        "only a flood was found since the deadline; a person would have to confirm it"
    };
    all.push(clause("scan or port", has_scan, why));
    if rule.act != Act::Ban {
        all.extend(deadline(incident, facts));
    }
    let is_fresh = facts.is_fresh();
    let why = if is_fresh { "the newest window is of now" } else { "the newest window is too old" };
    all.push(clause("fresh", is_fresh, why));
    let why = if facts.is_frozen { "acts are frozen" } else { "acts are not frozen" };
    all.push(clause("not frozen", !facts.is_frozen, why));
    let why =
        if facts.has_device { "a device can act" } else { "this version has no device to act on" };
    all.push(clause("device", facts.has_device, why));
    all.push(clause(
        "live",
        facts.mode == Mode::Live,
        format!("the mode is {}", facts.mode.as_str()),
    ));
    all
}

/// Returns the clause that sampled findings are far beyond their limits.
fn margin(incident: &Incident, now: u64) -> Clause {
    let is_sampled = incident.marked("sampled", now).is_some();
    if !is_sampled {
        return clause("margin", true, "no finding is sampled");
    }
    let sampled = incident.active(now).filter(|matter| matter.marks.contains_key("sampled"));
    let least = sampled.map(|matter| matter.peak.ratio()).fold(f64::INFINITY, f64::min);
    // One whose matter is not kept has no margin.
    let least = if incident.body.doubts.contains_key("sampled") { 0.0 } else { least };
    let why = format!("sampled, and {least:.1} times the limit; {MARGIN} are needed");
    clause("margin", least >= MARGIN, why)
}

fn deadline(incident: &Incident, facts: &Facts) -> Vec<Clause> {
    let Some(deadline) = incident.body.deadline else {
        return vec![
            clause("told", false, "no deadline was announced"),
            clause("deadline", false, "no deadline runs"),
            clause("still seen", false, "no deadline has passed"),
        ];
    };
    let told = match (facts.is_told, deadline.is_shadow) {
        (true, true) => "the mail with the deadline counts as accepted in shadow mode",
        (true, false) => "the mail with the deadline was accepted",
        (false, _) => "the mail with the deadline was not accepted",
    };
    let data = facts.newest.map_or(0, Window::end);
    let has_passed = data >= deadline.due && facts.now >= deadline.due;
    let due = crate::finding::words::moment(deadline.due);
    let when = if has_passed { "passed at" } else { "runs until" };
    let seen = deadline.seen_after;
    vec![
        clause("told", facts.is_told, told),
        clause("deadline", has_passed, format!("the deadline {when} {due} UTC")),
        clause(
            "still seen",
            seen >= SEEN_AFTER,
            format!("found in {seen} whole windows after it; {SEEN_AFTER} are needed"),
        ),
    ]
}

/// Returns the block that an incident asks for. Clauses that only say whether a device would act now
/// (`fresh`, `not frozen`, `device`, `live`) have no part in it: they hold back the act, not the wish.
///
/// A wish to isolate stays until the incident is closed or the policy's `until` has passed; a wish to ban
/// ends by itself.
pub fn wish(incident: &Incident, rule: &Rule, facts: &Facts) -> Wish {
    let of_act = ["fresh", "not frozen", "device", "live"];
    let body = &incident.body;
    let is_over = body.state.is_closed() || facts.never.is_some();
    if is_over {
        return Wish::None;
    }
    match body.wish {
        Wish::UntilResolved => return Wish::UntilResolved,
        Wish::Until(end) if facts.data_time() < end => return Wish::Until(end),
        // Another isolation needs another deadline.
        Wish::Until(_) if rule.act == Act::Isolate => return Wish::None,
        Wish::Until(_) | Wish::None => {}
    }
    let is_met = all(incident, rule, facts)
        .iter()
        .all(|clause| clause.is_met || of_act.contains(&clause.name));
    match rule.act {
        Act::Isolate if is_met => match rule.until {
            Some(seconds) => Wish::Until(facts.data_time().saturating_add(seconds)),
            None => Wish::UntilResolved,
        },
        // Only a block that was confirmed and lifted makes the next one longer.
        Act::Ban if is_met => {
            let end = body.last_end.saturating_add(BAN_STEPS[0]);
            if facts.data_time() < end { Wish::Until(end) } else { Wish::None }
        }
        _ => Wish::None,
    }
}
