//! A reference of deadlines and isolation in few lines, which judges all that was seen of an incident anew
//! each time, and random histories that both must agree on.

use proptest::prelude::*;

use super::*;

/// One thing that happens to a host, or to those who decide about it.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The next window: seen whole, and a finding.
    Window(bool, Option<Seen>),
    /// Some windows without data.
    NoData(u64),
    Claim,
    Resolve,
    /// All of it is ignored for some windows.
    Ignore(u64),
    /// The host is put on the list of those that are never blocked, or taken off it.
    Never,
    /// The network becomes dynamic, or static again.
    Dynamic,
    /// The clock shows so many windows more or less than the data.
    Clock(i64),
}

/// A finding about the host.
#[derive(Clone, Copy, Debug)]
struct Seen {
    spoke: bool,
    forged: bool,
}

/// Windows until the deadline, and of a pause.
const DEADLINE: u64 = 3;
const PAUSE: u64 = 4;

fn slots(count: u64) -> u64 {
    count * u64::from(SLOT)
}

/// The facts around the incident at the time of a run.
struct Scene {
    now: u64,
    newest: u64,
    never: bool,
    dynamic: bool,
}

/// An incident: what was seen of it, and what people decided.
#[derive(Debug, Default)]
struct Reference {
    id: u64,
    /// The windows with a finding: the start, whether it can count as seen after a deadline, the finding.
    found: Vec<(u64, bool, Seen)>,
    ignored_until: u64,
    due: Option<u64>,
    is_paused: bool,
    is_wished: bool,
}

impl Reference {
    fn found(&mut self, id: u64, window: Window, is_whole: bool, seen: Seen) {
        if self.id != id {
            *self = Reference { id, ..Reference::default() };
        }
        let counts = is_whole && window.end() >= self.ignored_until;
        self.found.push((window.start(), counts, seen));
    }

    fn claim(&mut self, now: u64, newest: u64) {
        if let Some(due) = self.due.filter(|_| !self.is_paused) {
            self.due = Some(due.max(now).max(newest) + slots(PAUSE));
            self.is_paused = true;
        }
    }

    fn ignore(&mut self, until: u64) {
        self.ignored_until = until;
        self.due = None;
    }

    fn follow(&mut self, state: State, scene: &Scene) {
        let Scene { now, newest, .. } = *scene;
        let ended = |windows: u64| newest + slots(windows);
        let is_ignored = now < self.ignored_until;
        let is_forged = self.found.iter().any(|(_, _, seen)| seen.forged);
        let stands = !(scene.never || scene.dynamic || is_forged || is_ignored);
        let last = self.found.last().map_or(0, |(start, ..)| start + slots(1));
        let is_news = newest < last + slots(2) && now < ended(6);
        let may_begin = self.due.is_none() && !self.is_wished;
        if stands && state == State::Open && may_begin && is_news {
            self.due = Some(now.max(newest) + slots(DEADLINE));
            self.is_paused = false;
        }
        if state.is_closed() || (scene.never && self.is_wished) {
            (self.due, self.is_wished) = (None, false);
        }
        let Some(due) = self.due.filter(|due| *due <= now.min(newest)) else { return };
        let after = self.found.iter().filter(|(start, ..)| *start >= due);
        let spoke = after.clone().any(|(_, _, seen)| seen.spoke);
        let is_seen = after.filter(|(_, counts, _)| *counts).count() >= 2;
        let is_fresh = now <= ended(2);
        self.is_wished |= stands && state == State::Open && spoke && is_seen && is_fresh;
    }
}

/// Returns the time of a run after a window, by a clock that is so many windows ahead.
fn clock(nth: u64, ahead: i64) -> u64 {
    (end_of(nth) + MINUTE).checked_add_signed(ahead * i64::from(SLOT)).unwrap()
}

fn act() -> impl Strategy<Value = Act> {
    let seen = (prop::bool::weighted(0.6), prop::bool::weighted(0.02))
        .prop_map(|(spoke, forged)| Seen { spoke, forged });
    prop_oneof![
        20 => (prop::bool::weighted(0.9), prop::option::weighted(0.8, seen))
            .prop_map(|(whole, seen)| Act::Window(whole, seen)),
        1 => (1u64..12).prop_map(Act::NoData),
        1 => Just(Act::Claim),
        1 => Just(Act::Resolve),
        1 => (1u64..6).prop_map(Act::Ignore),
        1 => Just(Act::Never),
        1 => Just(Act::Dynamic),
        1 => (-20i64..20).prop_map(Act::Clock),
        1 => Just(Act::Clock(0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn isolation_agrees_with_the_reference(acts in proptest::collection::vec(act(), 1..60)) {
        let rule = Rule {
            act: super::Act::Isolate,
            quiet: 2,
            close: slots(2),
            deadline: slots(DEADLINE),
            claim_pause: slots(PAUSE),
            ..Rule::default()
        };
        let mut memory = Memory::new(vec![rule.clone()]);
        let mut reference = Reference::default();
        let mut told: BTreeMap<u64, Vec<Notice>> = BTreeMap::new();
        let (mut nth, mut newest, mut ahead) = (20, end_of(20), 0);
        let (mut never, mut dynamic) = (false, false);
        for act in acts {
            let id = memory.next_id - 1;
            match act {
                Act::Window(is_whole, seen) => {
                    nth += 1;
                    newest = end_of(nth);
                    let marks = |seen: Seen| {
                        let marks = [("forged", seen.forged), ("spoke", seen.spoke)].into_iter();
                        marks.filter(|mark| mark.1).map(|mark| mark.0.to_owned()).collect()
                    };
                    let finding = |seen| Finding { marks: marks(seen), ..scan(nth) };
                    let findings: Vec<Finding> = seen.map(finding).into_iter().collect();
                    memory.run(&[judged(nth, if is_whole { WHOLE } else { CUT }, &findings)]);
                    if let Some(seen) = seen {
                        reference.found(memory.next_id - 1, window(nth), is_whole, seen);
                    }
                }
                Act::NoData(windows) => nth += windows,
                Act::Never => never = !never,
                Act::Dynamic => dynamic = !dynamic,
                Act::Clock(windows) => ahead = windows,
                Act::Claim | Act::Resolve | Act::Ignore(_) => {
                    let judged = memory.newest.window();
                    let Some(incident) = memory.incidents.get_mut(&id) else { continue };
                    if incident.body.state.is_closed() { continue }
                    let now = clock(nth, ahead);
                    let person = person(now);
                    match act {
                        Act::Claim => {
                            claim(incident, &person, &rule, judged).unwrap();
                            reference.claim(now, newest);
                        }
                        Act::Ignore(windows) => {
                            let until = now + slots(windows);
                            ignore(incident, &person, None, until).unwrap();
                            reference.ignore(until);
                        }
                        _ => { resolve(incident, &person, judged).unwrap(); }
                    }
                }
            }
            let Some((id, incident)) = memory.incidents.iter_mut().next_back() else { continue };
            let scene = Scene { now: clock(nth, ahead), newest, never, dynamic };
            let told = told.entry(*id).or_default();
            let facts = Facts {
                now: scene.now,
                mode: Mode::Shadow,
                newest: memory.newest.window(),
                network_kind: if dynamic { NetworkKind::Dynamic } else { NetworkKind::Static },
                never: never.then(|| "listed".to_owned()),
                is_told: incident.body.deadline.is_some(),
                is_frozen: false,
        has_device: true,
            };
            let who = ["owner@example.org".to_owned()];
            told.extend(follow(incident, &who, told, &rule, &facts).notices);
            reference.follow(incident.body.state, &scene);
            prop_assert_eq!(incident.body.deadline.map(|deadline| deadline.due), reference.due);
            prop_assert_eq!(incident.body.wish != Wish::None, reference.is_wished);
        }
    }
}
