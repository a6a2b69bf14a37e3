//! A reference of the machine in few lines, which computes each state anew from all that has happened, and
//! random histories that both must agree on.

use proptest::prelude::*;

use super::*;

/// One thing that happens to a host.
#[derive(Clone, Debug)]
enum Act {
    /// Windows that `late` says how far behind the newest they are; for each kind `None`, or whether the
    /// window was seen whole and has a finding.
    Window {
        late: u64,
        kinds: [Option<(bool, bool)>; 3],
    },
    Claim,
    Resolve,
    /// The memory is written and read again.
    Restart,
}

const KINDS: [Kind; 3] = [Kind::Scan, Kind::Flood, Kind::Port];

/// A detector's word on a window: its number, the kind, seen whole, found, late.
#[derive(Clone, Copy, Debug)]
struct Word {
    nth: u64,
    kind: Kind,
    whole: bool,
    found: bool,
    late: bool,
}

#[derive(Debug)]
struct Life {
    /// The words that came before it.
    skip: usize,
    /// The words that came before it was quiet, if it is.
    quiet_since: Option<usize>,
    closed: Option<(u64, CloseReason)>,
    claimed: Option<u64>,
}

#[derive(Debug, Default)]
struct Reference {
    words: Vec<Word>,
    lives: Vec<Life>,
    newest: BTreeMap<Kind, u64>,
}

impl Reference {
    /// Returns the least number of clean windows of all kinds that a life has findings of: in all since
    /// the last finding, and since it was quiet.
    fn clean(&self, life: &Life) -> Option<(u64, u64)> {
        let of_kind = |kind: Kind| {
            let words = self.words.iter().enumerate().skip(life.skip);
            let (mut last, mut clean) = (None, (0, 0));
            for (at, word) in words.filter(|(_, word)| word.kind == kind) {
                if word.found && last.is_none_or(|last| word.nth >= last) {
                    (last, clean) = (Some(word.nth), (0, 0));
                } else if !word.found && word.whole && !word.late {
                    clean.0 += 1;
                    clean.1 += u64::from(life.quiet_since.is_some_and(|since| at >= since));
                }
            }
            last.map(|_| clean)
        };
        let all: Vec<_> = KINDS.into_iter().filter_map(of_kind).collect();
        Some((all.iter().map(|c| c.0).min()?, all.iter().map(|c| c.1).min()?))
    }

    fn settle(&mut self, end: u64, quiet: u64, close: u64) {
        let Some(life) = self.lives.last().filter(|life| life.closed.is_none()) else { return };
        let Some((windows, since)) = self.clean(life) else { return };
        let found = self.words.iter().skip(life.skip).filter(|word| word.found);
        let last = found.map(|word| window(word.nth).start()).max().unwrap_or(0);
        let is_claimed = life.claimed.is_some_and(|claimed| claimed > last);
        let (is_quiet, at) = (life.quiet_since.is_some(), self.words.len());
        let Some(life) = self.lives.last_mut() else { return };
        if windows >= quiet && is_claimed {
            life.closed = Some((end, CloseReason::Claimed));
        } else if windows >= quiet && !is_quiet {
            life.quiet_since = Some(at);
        } else if is_quiet && since >= close {
            life.closed = Some((end, CloseReason::Quiet));
        }
    }

    fn window(&mut self, nth: u64, kinds: &[Option<(bool, bool)>; 3], quiet: u64, close: u64) {
        let words = KINDS.into_iter().zip(kinds);
        let words =
            words.filter_map(|(kind, word)| word.map(|(whole, found)| (kind, whole, found)));
        let words: Vec<_> = words
            .map(|(kind, whole, found)| {
                let late = self.newest.get(&kind).is_some_and(|newest| nth <= *newest);
                Word { nth, kind, whole, found, late }
            })
            .collect();
        let is_found = words.iter().any(|word| word.found);
        let is_news = words.iter().any(|word| word.found && !word.late);
        let is_over = |life: &Life| life.closed.is_some_and(|(end, _)| window(nth).start() >= end);
        if is_found && self.lives.last().is_none_or(is_over) {
            let skip = self.words.len();
            self.lives.push(Life { skip, quiet_since: None, closed: None, claimed: None });
        } else if let Some(life) = self.lives.last_mut().filter(|life| life.closed.is_none()) {
            if is_news {
                life.quiet_since = None;
            }
        }
        for word in &words {
            let newest = self.newest.entry(word.kind).or_insert(nth);
            *newest = nth.max(*newest);
        }
        let proves = words.iter().any(|word| word.whole && !word.found && !word.late);
        self.words.extend(words);
        if proves {
            self.settle(window(nth).end(), quiet, close);
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let word = prop_oneof![
        2 => Just(None),
        5 => Just(Some((true, false))),
        2 => Just(Some((false, false))),
        3 => any::<bool>().prop_map(|whole| Some((whole, true))),
    ];
    let late = prop_oneof![6 => Just(0u64), 1 => 1u64..4];
    prop_oneof![
        12 => (late, [word.clone(), word.clone(), word])
            .prop_map(|(late, kinds)| Act::Window { late, kinds }),
        1 => Just(Act::Claim),
        1 => Just(Act::Resolve),
        2 => Just(Act::Restart),
    ]
}

/// Returns how each life of the reference should look.
fn expected(reference: &Reference) -> Vec<(State, Option<u64>)> {
    let state = |life: &Life| match (life.closed, life.quiet_since) {
        (Some((_, why)), _) => State::Closed(why),
        (None, Some(_)) => State::Quiet,
        (None, None) => State::Open,
    };
    reference.lives.iter().map(|life| (state(life), life.closed.map(|closed| closed.0))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_agrees_with_the_reference(
        acts in proptest::collection::vec(act(), 1..40), quiet in 1u64..4, close in 1u64..4,
    ) {
        let rule = Rule { quiet, close: close * u64::from(SLOT), ..Rule::default() };
        let mut memory = Memory::new(vec![rule.clone()]);
        let mut reference = Reference::default();
        let (mut nth, mut batch) = (3, Vec::new());
        for act in acts {
            if !matches!(act, Act::Window { .. }) {
                memory.run(&std::mem::take(&mut batch));
            }
            let now = end_of(nth) + MINUTE;
            let latest = memory.incidents.keys().next_back().copied();
            let open = latest.filter(|id| !memory.one(*id).body.state.is_closed());
            match act {
                Act::Window { late, kinds } => {
                    nth += u64::from(late == 0);
                    let at = nth - late;
                    let mut one = judged(at, WHOLE, &[]);
                    one.verdicts.clear();
                    for (kind, word) in KINDS.into_iter().zip(kinds) {
                        let Some((is_whole, found)) = word else { continue };
                        one.verdicts.insert(kind, Verdict { is_whole, is_open: false });
                        if found {
                            one.findings.push(Finding { kind, ..scan(at) });
                        }
                    }
                    batch.push(one);
                    reference.window(at, &kinds, quiet, close);
                }
                Act::Claim => if let Some(id) = open {
                    let incident = memory.incidents.get_mut(&id).unwrap();
                    claim(incident, &person(now), &rule, memory.newest.window()).unwrap();
                    if let Some(life) = reference.lives.last_mut() {
                        life.claimed = Some(now);
                    }
                    let changed = memory.one(id).body.changed;
                    reference.settle_claim(changed, quiet);
                },
                Act::Resolve => if let Some(id) = open {
                    let newest = memory.newest.window();
                    let incident = memory.incidents.get_mut(&id).unwrap();
                    resolve(incident, &person(now), newest).unwrap();
                    let end = incident.body.changed;
                    prop_assert!(end <= now || end == incident.body.last_end);
                    if let Some(life) = reference.lives.last_mut() {
                        life.closed = Some((end, CloseReason::Resolved));
                    }
                },
                Act::Restart => {}
            }
        }
        memory.run(&batch);
        let found: Vec<_> = memory
            .incidents
            .values()
            .map(|one| (one.body.state, one.body.state.is_closed().then_some(one.body.changed)))
            .collect();
        prop_assert_eq!(found, expected(&reference));
    }
}

impl Reference {
    /// Closes a life that is quiet already when it is claimed.
    fn settle_claim(&mut self, end: u64, quiet: u64) {
        let windows =
            self.lives.last().and_then(|life| self.clean(life)).map_or(0, |clean| clean.0);
        if windows >= quiet {
            if let Some(life) = self.lives.last_mut() {
                life.closed = Some((end, CloseReason::Claimed));
            }
        }
    }
}
