//! Notices, deadlines, clauses and wishes.

use super::super::clauses::wish;
use super::super::due::{end_void, notice, start_deadline, update_wish};
use super::*;

pub(super) const HOUR: u64 = 3600;
pub(super) const WHO: &str = "owner@example.org";

pub(super) fn facts(now: u64, newest: u64) -> Facts {
    Facts {
        now,
        mode: Mode::Shadow,
        newest: Some(window(newest)),
        network_kind: NetworkKind::Static,
        never: None,
        is_told: true,
        is_frozen: false,
        has_device: true,
    }
}

pub(super) fn open() -> Memory {
    let mut memory = Memory::new(vec![]);
    memory.run(&[judged(0, WHOLE, &[scan(0)])]);
    memory
}

pub(super) fn isolate() -> Rule {
    Rule { act: Act::Isolate, place: "line 1".into(), ..Rule::default() }
}

#[test]
fn the_first_notice_is_due_once_and_only_if_it_is_news() {
    let memory = open();
    let (incident, rule) = (memory.one(1), Rule::default());
    let due = |told: &[Notice], facts: &Facts| notice(incident, WHO, told, &rule, facts);
    let first = due(&[], &facts(end_of(0), 0)).unwrap();
    assert_eq!((first.step, first.state), (Step::First, NoticeState::WouldSend));
    // The newest window may be one further, and an hour old.
    assert_eq!(due(&[], &facts(end_of(0), 1)).unwrap().state, NoticeState::WouldSend);
    assert_eq!(due(&[], &facts(end_of(0) + HOUR - 1, 0)).unwrap().state, NoticeState::WouldSend);
    let told = [first.clone()];
    assert_eq!(due(&told, &facts(end_of(0), 0)), None);
    // Another recipient is told, too.
    assert!(notice(incident, "other@example.org", &told, &rule, &facts(end_of(0), 0)).is_some());
    for old in [facts(end_of(0), 2), facts(end_of(0) + HOUR, 0)] {
        let late = due(&[], &old).unwrap();
        assert_eq!(late.state, NoticeState::Superseded);
        assert_eq!(due(std::slice::from_ref(&late), &old), None, "noted once");
        // When the incident goes on, the recipient is told after all.
        let mut going = open();
        going.run(&[judged(9, WHOLE, &[scan(9)])]);
        let again = notice(going.one(1), WHO, &[late], &rule, &facts(end_of(9), 9)).unwrap();
        assert_eq!((again.step, again.state), (Step::First, NoticeState::WouldSend));
    }
}

#[test]
fn a_notice_of_shadow_mode_does_not_count_when_the_mode_is_live() {
    let memory = open();
    let rule = Rule::default();
    let shadow = notice(memory.one(1), WHO, &[], &rule, &facts(end_of(0), 0)).unwrap();
    let live = Facts { mode: Mode::Live, ..facts(end_of(0), 0) };
    let wanted = notice(memory.one(1), WHO, &[shadow], &rule, &live).unwrap();
    assert_eq!((wanted.step, wanted.state), (Step::First, NoticeState::Wanted));
    assert_eq!(notice(memory.one(1), WHO, &[wanted], &rule, &live), None);
}

#[test]
fn an_incident_that_grows_or_goes_on_is_told_again() {
    let mut memory = open();
    let rule = Rule::default();
    let first = notice(memory.one(1), WHO, &[], &rule, &facts(end_of(0), 0)).unwrap();
    memory.run(&[judged(1, WHOLE, &[scan(1), port(1)])]);
    let told = [first.clone()];
    let step = |memory: &Memory, nth: u64| {
        notice(memory.one(1), WHO, &told, &rule, &facts(end_of(nth), nth)).map(|n| n.step)
    };
    assert_eq!(step(&memory, 1), None, "not within an hour");
    memory.run(&[judged(6, WHOLE, &[scan(6)])]);
    assert_eq!(step(&memory, 6), Some(Step::Grown));
    // Ten times the peak is growth, too; nine times is not.
    let mut memory = open();
    let more = |n: u64, failed: u64| Finding { why: format!("failed={failed}>=61"), ..scan(n) };
    memory.run(&[judged(6, WHOLE, &[more(6, 999)])]);
    assert_eq!(step(&memory, 6), None);
    memory.run(&[judged(7, WHOLE, &[more(7, 1000)])]);
    assert_eq!(step(&memory, 7), Some(Step::Grown));
    // A day later it is a reminder, unless the owner deals with it or nothing goes on.
    let mut memory = open();
    memory.run(&[judged(144, WHOLE, &[scan(144)])]);
    assert_eq!(step(&memory, 144), Some(Step::Reminder));
    assert_eq!(step(&memory, 146), None, "no news");
    let incident = memory.incidents.get_mut(&1).unwrap();
    claim(incident, &person(end_of(144)), &rule, None).unwrap();
    assert_eq!(step(&memory, 144), None);
    // The claim was wrong.
    memory.run(&[judged(145, WHOLE, &[scan(145)])]);
    assert_eq!(step(&memory, 145), Some(Step::Reminder));
}

#[test]
fn nobody_is_told_of_what_policy_or_person_ignores() {
    let mut memory = open();
    let now = facts(end_of(0), 0);
    let quiet = Rule { act: Act::None, ..Rule::default() };
    assert_eq!(notice(memory.one(1), WHO, &[], &quiet, &now), None);
    let incident = memory.incidents.get_mut(&1).unwrap();
    ignore(incident, &person(now.now), None, now.now + 1).unwrap();
    assert_eq!(notice(memory.one(1), WHO, &[], &Rule::default(), &now), None);
    let mut memory = open();
    let told = [notice(memory.one(1), WHO, &[], &Rule::default(), &now).unwrap()];
    memory.run(&(1..7).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    assert_eq!(memory.one(1).body.state, State::Quiet);
    assert_eq!(notice(memory.one(1), WHO, &told, &Rule::default(), &facts(end_of(6), 6)), None);
}

#[test]
fn a_deadline_is_named_only_where_it_could_be_kept() {
    let memory = open();
    let now = facts(end_of(0), 0);
    let step = |finding: Finding, rule: &Rule, facts: &Facts| {
        let mut memory = Memory::new(vec![]);
        memory.run(&[judged(0, WHOLE, &[finding])]);
        notice(memory.one(1), WHO, &[], rule, facts).map(|notice| notice.step)
    };
    assert_eq!(step(scan(0), &isolate(), &now), Some(Step::Deadline));
    let marked = |mark: &str| Finding { marks: vec![mark.to_owned()], ..scan(0) };
    let prefix = Host::Prefix("192.0.2.0/24".parse().unwrap());
    for (finding, facts) in [
        (marked("forged"), now.clone()),
        (marked("oneway"), now.clone()),
        (marked("inner"), now.clone()),
        (Finding { class: "listed".into(), ..scan(0) }, now.clone()),
        (Finding { role: Role::Target, ..scan(0) }, now.clone()),
        (Finding { side: Some(Side::Outside), ..scan(0) }, now.clone()),
        (Finding { side: None, ..scan(0) }, now.clone()),
        (Finding { host: prefix, ..scan(0) }, now.clone()),
        (scan(0), Facts { network_kind: NetworkKind::Dynamic, ..now.clone() }),
        (scan(0), Facts { network_kind: NetworkKind::Unknown, ..now.clone() }),
        (scan(0), Facts { never: Some("it is a gateway".into()), ..now.clone() }),
    ] {
        assert_eq!(step(finding.clone(), &isolate(), &facts), Some(Step::First), "{finding:?}");
    }
    assert_eq!(step(scan(0), &Rule::default(), &now), Some(Step::First));
    // One that was told before it could be isolated gets a notice of its own.
    let first = notice(memory.one(1), WHO, &[], &Rule::default(), &now).unwrap();
    let then = notice(memory.one(1), WHO, &[first], &isolate(), &now).unwrap();
    assert_eq!(then.step, Step::Deadline);
}

#[test]
fn a_deadline_counts_from_its_announcement_and_is_put_off_once() {
    let mut memory = open();
    let now = facts(end_of(0) + MINUTE, 0);
    let incident = memory.incidents.get_mut(&1).unwrap();
    let row = start_deadline(incident, &isolate(), &now);
    let deadline = incident.body.deadline.unwrap();
    assert_eq!((deadline.announced, deadline.due), (now.now, now.now + 24 * HOUR));
    assert_eq!((row.from.as_str(), row.to), ("-", when(deadline.due)));
    claim(incident, &person(now.now), &isolate(), None).unwrap();
    claim(incident, &person(now.now + 1), &isolate(), None).unwrap();
    let deadline = incident.body.deadline.unwrap();
    assert_eq!((deadline.half, deadline.due), (now.now + 36 * HOUR, now.now + 48 * HOUR));
    // Nobody was told in shadow mode, so live mode begins anew.
    assert_eq!(end_void(incident, &isolate(), &now), []);
    let live = Facts { mode: Mode::Live, ..now };
    let rows = end_void(incident, &isolate(), &live);
    assert_eq!((rows[0].to.as_str(), incident.body.deadline), ("-", None));
    start_deadline(incident, &isolate(), &live);
    assert_eq!(end_void(incident, &isolate(), &live), []);
    // Working hours.
    let zone = jiff::tz::TimeZone::UTC;
    let hours = Some(Hours::parse("Mon-Fri 08-18", zone).unwrap());
    start_deadline(incident, &Rule { hours, ..isolate() }, &live);
    assert!(incident.body.deadline.unwrap().due > now.now + 48 * HOUR);
    assert!(incident.body.state == State::Open);
}

#[test]
fn a_deadline_that_has_ended_is_announced_anew_in_live_mode() {
    let mut memory = open();
    let live = |n| Facts { mode: Mode::Live, ..facts(end_of(n), n) };
    let due = |memory: &Memory, told: &[Notice], now| {
        notice(memory.one(1), WHO, told, &isolate(), &now).map(|one| (one.step, one.state))
    };
    let first = notice(memory.one(1), WHO, &[], &isolate(), &live(0)).unwrap();
    assert_eq!((first.step, first.state), (Step::Deadline, NoticeState::Wanted));
    // It is announced once, though no deadline runs before the mail is accepted.
    memory.run(&[judged(1, WHOLE, &[scan(1)])]);
    assert_eq!(due(&memory, std::slice::from_ref(&first), live(1)), None);
    // Nobody asks for it while its mail waits, and then somebody does again.
    let who = [WHO.to_owned()];
    let wanted = [first.clone()];
    let incident = memory.incidents.get_mut(&1).unwrap();
    for rule in [Rule::default(), isolate()] {
        let notices = follow(incident, &who, &wanted, &rule, &live(1)).notices;
        let steps: Vec<Step> = notices.iter().map(|notice| notice.step).collect();
        assert_eq!(steps.contains(&Step::Deadline), rule.act == super::super::Act::Isolate);
    }
    let told = [Notice { state: NoticeState::Accepted, ..first }];
    start_deadline(incident, &isolate(), &live(1));
    ignore(incident, &person(end_of(1)), None, end_of(3)).unwrap();
    assert_eq!(incident.body.deadline, None);
    memory.run(&[judged(7, WHOLE, &[scan(7)])]);
    assert_eq!(due(&memory, &told, live(7)), Some((Step::Deadline, NoticeState::Wanted)));
    // The policy does not ask for it any more, and asks again when the clock was set back: once.
    let incident = memory.incidents.get_mut(&1).unwrap();
    start_deadline(incident, &isolate(), &live(7));
    follow(incident, &who, &told, &Rule::default(), &live(7));
    assert_eq!(incident.body.deadline, None);
    let back = Facts { now: end_of(7) - HOUR / 2, ..live(7) };
    let told = [told[0].clone(), Notice { at: end_of(7), ..told[0].clone() }];
    let again = follow(incident, &who, &told, &isolate(), &back).notices;
    assert_eq!(again.len(), 1, "{again:?}");
    let all = [&told[..], &again].concat();
    assert_eq!(follow(incident, &who, &all, &isolate(), &back).notices, []);
}

#[test]
fn a_reminder_goes_at_half_of_the_deadline() {
    let mut memory = open();
    let rule = Rule { remind: 400 * 24 * HOUR, ..isolate() };
    let now = facts(end_of(0), 0);
    let first = notice(memory.one(1), WHO, &[], &rule, &now).unwrap();
    start_deadline(memory.incidents.get_mut(&1).unwrap(), &rule, &now);
    let step = |memory: &mut Memory, nth: u64, told: &[Notice]| {
        memory.run(&[judged(nth, WHOLE, &[scan(nth)])]);
        notice(memory.one(1), WHO, told, &rule, &facts(end_of(nth), nth))
    };
    assert_eq!(step(&mut memory, 71, std::slice::from_ref(&first)), None);
    let half = step(&mut memory, 72, std::slice::from_ref(&first)).unwrap();
    assert_eq!(half.step, Step::Reminder);
    assert_eq!(step(&mut memory, 73, &[first.clone(), half.clone()]), None);

    // A reminder of before does not stand for it, and a clock behind the data does not repeat it.
    let earlier = Notice { at: first.at + HOUR, ..half };
    let due = |now| notice(memory.one(1), WHO, &[first.clone(), earlier.clone()], &rule, &now);
    let half = due(facts(end_of(72), 72)).unwrap();
    assert_eq!(half.step, Step::Reminder);
    assert_eq!(due(facts(end_of(71), 72)), None);
}

/// Returns an incident that meets all clauses but those of the device and the mode, and its facts.
fn ripe() -> (Memory, Facts) {
    let mut memory = Memory::new(vec![]);
    let spoke = |n| Finding { marks: vec!["spoke".into()], ..scan(n) };
    memory.run(&[judged(0, WHOLE, &[spoke(0)])]);
    start_deadline(memory.incidents.get_mut(&1).unwrap(), &isolate(), &facts(end_of(0), 0));
    memory.run(&(1..148).map(|n| judged(n, WHOLE, &[spoke(n)])).collect::<Vec<_>>());
    (memory, Facts { has_device: false, ..facts(end_of(147), 147) })
}

#[test]
fn a_block_is_wished_only_if_every_clause_is_met() {
    let (memory, now) = ripe();
    let names =
        |memory: &Memory, facts: &Facts, rule: &Rule| unmet(&clauses(memory.one(1), rule, facts));
    assert_eq!(names(&memory, &now, &isolate()), "not met: device, live");
    let live = Facts { mode: Mode::Live, ..now.clone() };
    assert_eq!(names(&memory, &live, &isolate()), "not met: device");
    assert_eq!(wish(memory.one(1), &isolate(), &now), Wish::UntilResolved);
    let until = Rule { until: Some(HOUR), ..isolate() };
    assert_eq!(wish(memory.one(1), &until, &now), Wish::Until(now.now + HOUR));
    let check = |memory: &Memory, facts: &Facts, name: &str| {
        assert_eq!(names(memory, facts, &isolate()), format!("not met: {name}, device, live"));
        assert_eq!(wish(memory.one(1), &isolate(), facts), Wish::None, "{name}");
    };
    check(&memory, &Facts { never: Some("a gateway".into()), ..now.clone() }, "never");
    check(&memory, &Facts { network_kind: NetworkKind::Shared, ..now.clone() }, "static");
    check(&memory, &Facts { is_told: false, ..now.clone() }, "told");
    let changed = |change: &dyn Fn(&mut Incident)| {
        let (mut memory, _) = ripe();
        change(memory.incidents.get_mut(&1).unwrap());
        memory
    };
    let mark = |mark: &'static str| {
        changed(&move |incident| {
            incident.body.matters[0].marks.insert(mark.to_owned(), 0);
        })
    };
    check(&mark("forged"), &now, "not forged");
    check(&mark("oneway"), &now, "not oneway");
    check(&mark("inner"), &now, "not inner");
    check(&mark("survey"), &now, "not survey");
    check(&mark("sampled"), &now, "margin");
    // A doubt about a matter beyond those that are kept counts as well.
    for doubt in ["forged", "listed", "sampled"] {
        let doubted = changed(&|incident| {
            incident.body.doubts.insert(doubt.to_owned(), 0);
        });
        let name = match doubt {
            "sampled" => "margin".to_owned(),
            doubt => format!("not {doubt}"),
        };
        check(&doubted, &now, &name);
    }
    // A conversation, or a scan, from before the deadline says nothing of the time after it.
    let old = window(100).start();
    let spoke_before = changed(&|incident| {
        incident.body.matters[0].marks.insert("spoke".to_owned(), old);
    });
    check(&spoke_before, &now, "spoke");
    check(&changed(&|incident| incident.body.matters[0].last = old), &now, "scan or port");
    let unspoken = changed(&|incident| incident.body.matters[0].marks.clear());
    check(&unspoken, &now, "spoke");
    let listed = changed(&|incident| {
        incident.body.matters[0].classes.insert("listed".to_owned());
    });
    check(&listed, &now, "not listed");
    check(&changed(&|incident| incident.body.is_from_anyone = true), &now, "known exporters");
    let flood = changed(&|incident| incident.body.matters[0].key.kind = Kind::Flood);
    check(&flood, &now, "scan or port");
    check(&changed(&|incident| incident.body.state = State::Quiet), &now, "open");
    let later = changed(&|incident| incident.body.deadline.as_mut().unwrap().due += 24 * HOUR);
    check(&later, &now, "deadline");
    let once = changed(&|incident| incident.body.deadline.as_mut().unwrap().seen_after = 1);
    check(&once, &now, "still seen");
    // Old data holds back the act, not the wish.
    let old = Facts { now: now.now + 2 * u64::from(SLOT) + 1, ..now.clone() };
    assert_eq!(names(&memory, &old, &isolate()), "not met: fresh, device, live");
    let frozen = Facts { is_frozen: true, ..now.clone() };
    assert_eq!(names(&memory, &frozen, &isolate()), "not met: not frozen, device, live");
    assert_eq!(wish(memory.one(1), &isolate(), &frozen), Wish::UntilResolved);
}

#[test]
fn an_isolated_host_comes_free_only_by_a_person_a_list_or_the_policys_time() {
    let (mut memory, now) = ripe();
    let incident = memory.incidents.get_mut(&1).unwrap();
    let row = &update_wish(incident, &isolate(), &now)[0];
    assert_eq!((row.from.as_str(), row.to.as_str()), ("none", "until-resolved"));
    assert_eq!(update_wish(incident, &isolate(), &now), []);
    // A later doubt does not free it, and neither does another policy.
    incident.body.matters[0].marks.clear();
    assert_eq!(update_wish(incident, &Rule::default(), &now), []);
    let never = Facts { never: Some("it is a gateway".into()), ..now.clone() };
    let row = &update_wish(incident, &isolate(), &never)[0];
    assert_eq!((row.to.as_str(), row.reason.as_str()), ("none", "it is a gateway"));
    incident.body.wish = Wish::UntilResolved;
    let rows = resolve(incident, &person(now.now), now.newest).unwrap();
    assert_eq!((rows[1].what, rows[1].to.as_str()), (Changed::Wish, "none"));
    assert_eq!(incident.body.wish, Wish::None);
}

#[test]
fn ignoring_everything_ends_the_deadline() {
    let scans = |n: u64| [scan(n), Finding { port: Some(23), ..scan(n) }];
    let mut memory = Memory::new(vec![]);
    memory.run(&[judged(0, WHOLE, &scans(0))]);
    let now = facts(end_of(0), 0);
    let told = [notice(memory.one(1), WHO, &[], &isolate(), &now).unwrap()];
    assert_eq!(told[0].step, Step::Deadline);
    let incident = memory.incidents.get_mut(&1).unwrap();
    start_deadline(incident, &isolate(), &now);
    let due = incident.body.deadline.unwrap().due;
    let key = |text| MatterKey::parse(text);
    let rows = ignore(incident, &person(now.now), key("scan:6/22"), end_of(300)).unwrap();
    assert!(rows.len() == 1 && incident.body.deadline.is_some());
    let rows = ignore(incident, &person(now.now), key("scan:6/23"), end_of(300)).unwrap();
    let ended = rows.last().unwrap();
    assert_eq!((ended.what, ended.from.clone()), (Changed::Deadline, when(due)));
    assert_eq!((ended.to.as_str(), incident.body.deadline), ("-", None));
    // When the decision is over, the deadline is announced anew.
    memory.run(&[judged(301, WHOLE, &scans(301))]);
    let again = notice(memory.one(1), WHO, &told, &isolate(), &facts(end_of(301), 301)).unwrap();
    assert_eq!(again.step, Step::Deadline);
}

#[test]
fn a_ban_is_for_hosts_outside_and_ends_by_itself() {
    let mut memory = Memory::new(vec![]);
    let marks = vec!["spoke".to_owned()];
    memory.run(&[judged(0, WHOLE, &[Finding { side: Some(Side::Outside), marks, ..scan(0) }])]);
    let ban = Rule { act: Act::Ban, ..Rule::default() };
    let unknown = Facts { network_kind: NetworkKind::Unknown, ..facts(end_of(0), 0) };
    assert_eq!(wish(memory.one(1), &ban, &unknown), Wish::Until(end_of(0) + 1900));
    let later = Facts { now: end_of(0) + 1900, ..unknown.clone() };
    assert_eq!(wish(memory.one(1), &ban, &later), Wish::None, "its time is over");
    let incident = memory.incidents.get_mut(&1).unwrap();
    assert_eq!(update_wish(incident, &ban, &unknown).len(), 1);
    assert_eq!(update_wish(incident, &ban, &later)[0].to, "none");
    assert_eq!(wish(memory.one(1), &isolate(), &unknown), Wish::None);
    let (inside, now) = ripe();
    assert_eq!(wish(inside.one(1), &ban, &now), Wish::None);
}

#[test]
fn the_next_thing_is_told() {
    let (memory, now) = ripe();
    let rule = isolate();
    let step = next(memory.one(1), &[], &rule, &now);
    let due = memory.one(1).body.deadline.unwrap().due;
    assert_eq!(
        (step.what, step.at, step.why.as_str()),
        ("isolation", Some(due), "not met: device, live")
    );
    let memory = open();
    let at = facts(end_of(0), 0);
    assert_eq!(next(memory.one(1), &[], &Rule::default(), &at).what, "notice");
    let told = [notice(memory.one(1), WHO, &[], &Rule::default(), &at).unwrap()];
    let step = next(memory.one(1), &told, &Rule::default(), &at);
    assert_eq!((step.what, step.at), ("reminder", Some(end_of(0) + 24 * HOUR)));
    let mut memory = open();
    memory.run(&[judged(1, WHOLE, &[])]);
    let step = next(memory.one(1), &told, &Rule::default(), &facts(end_of(1), 1));
    assert_eq!((step.what, step.why.as_str()), ("quiet", "after 5 more clean windows"));
    memory.run(&(2..7).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    let step = next(memory.one(1), &told, &Rule::default(), &facts(end_of(6), 6));
    assert_eq!((step.what, step.why.as_str()), ("closed", "after 86400 s more of clean windows"));
}

#[test]
fn a_deadline_is_announced_once_in_live_mode_too() {
    let memory = open();
    let live = |now: u64| Facts { mode: Mode::Live, ..facts(now, 0) };
    let first = notice(memory.one(1), WHO, &[], &isolate(), &live(end_of(0))).unwrap();
    assert_eq!((first.step, first.state), (Step::Deadline, NoticeState::Wanted));
    // Nothing was accepted yet, so no deadline runs.
    let again = notice(memory.one(1), WHO, &[first], &isolate(), &live(end_of(0) + MINUTE));
    assert_eq!(again, None);
}

#[test]
fn shadow_mode_leaves_no_wish_to_live_mode() {
    let (mut memory, now) = ripe();
    let incident = memory.incidents.get_mut(&1).unwrap();
    update_wish(incident, &isolate(), &now);
    assert!(incident.body.is_shadow_wish && !incident.is_blocked(now.now));
    let live = Facts { mode: Mode::Live, ..now };
    let whats: Vec<_> =
        end_void(incident, &isolate(), &live).into_iter().map(|row| row.what).collect();
    assert_eq!(whats, [Changed::Deadline, Changed::Wish]);
    assert_eq!((incident.body.wish, incident.body.deadline), (Wish::None, None));
    assert_eq!(update_wish(incident, &isolate(), &live), []);
}

#[test]
fn a_block_whose_time_is_over_needs_another_deadline() {
    let (mut memory, now) = ripe();
    let rule = Rule { until: Some(HOUR), ..isolate() };
    let told = [notice(open().one(1), WHO, &[], &rule, &facts(end_of(0), 0)).unwrap()];
    let incident = memory.incidents.get_mut(&1).unwrap();
    assert_eq!(update_wish(incident, &rule, &now)[0].to, when(now.now + HOUR));
    let over = Facts { now: now.now + HOUR, ..now.clone() };
    let rows = update_wish(incident, &rule, &over);
    assert_eq!(rows.iter().map(|row| row.to.as_str()).collect::<Vec<_>>(), ["none", "-"]);
    assert_eq!(update_wish(incident, &rule, &over), []);
    // The owner is told of the new one.
    memory.run(&[judged(154, WHOLE, &[scan(154)])]);
    let next = notice(memory.one(1), WHO, &told, &rule, &facts(end_of(154), 154)).unwrap();
    assert_eq!(next.step, Step::Deadline);
}

#[test]
fn an_isolated_host_is_not_quiet_because_nothing_is_seen_of_it() {
    let (mut memory, now) = ripe();
    let live = Facts { mode: Mode::Live, ..now };
    let incident = memory.incidents.get_mut(&1).unwrap();
    incident.body.deadline.as_mut().unwrap().is_shadow = false;
    update_wish(incident, &isolate(), &live);
    assert!(incident.is_blocked(live.now));
    claim(incident, &person(live.now), &isolate(), live.newest).unwrap();
    memory.run(&(148..400).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    assert_eq!(
        (memory.one(1).body.state, memory.one(1).body.wish),
        (State::Open, Wish::UntilResolved)
    );
    // In shadow mode it is not blocked, so windows count.
    let (mut memory, now) = ripe();
    update_wish(memory.incidents.get_mut(&1).unwrap(), &isolate(), &now);
    memory.run(&(148..400).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    assert_eq!(memory.one(1).body.state, State::Closed(CloseReason::Quiet));
    assert_eq!((memory.one(1).body.wish, memory.one(1).body.deadline), (Wish::None, None));
}

#[test]
fn what_came_and_went_unseen_is_superseded_once() {
    let mut memory = open();
    memory.run(&(1..7).map(|n| judged(n, WHOLE, &[])).collect::<Vec<_>>());
    let rule = Rule::default();
    let late = notice(memory.one(1), WHO, &[], &rule, &facts(end_of(6), 6)).unwrap();
    assert_eq!(late.state, NoticeState::Superseded);
    assert_eq!(notice(memory.one(1), WHO, &[late], &rule, &facts(end_of(6), 6)), None);
}

#[test]
fn a_policy_that_asks_no_more_ends_the_deadline_and_begins_anew() {
    let (mut memory, now) = ripe();
    let told = [notice(open().one(1), WHO, &[], &isolate(), &facts(end_of(0), 0)).unwrap()];
    let incident = memory.incidents.get_mut(&1).unwrap();
    assert_eq!(end_void(incident, &isolate(), &now), []);
    assert_eq!(end_void(incident, &Rule::default(), &now).len(), 1);
    assert_eq!(wish(incident, &isolate(), &now), Wish::None);
    let again = notice(incident, WHO, &told, &isolate(), &now).unwrap();
    assert_eq!(again.step, Step::Deadline);
    // It frees nobody.
    let (mut memory, now) = ripe();
    let incident = memory.incidents.get_mut(&1).unwrap();
    incident.body.wish = Wish::UntilResolved;
    assert_eq!(end_void(incident, &Rule::default(), &now), []);
}

#[test]
fn the_reminder_of_working_hours_is_at_half_of_them() {
    let mut memory = open();
    let zone = jiff::tz::TimeZone::UTC;
    let hours = Some(Hours::parse("Mon-Fri 08-18", zone).unwrap());
    let rule = Rule { hours, deadline: 20 * HOUR, remind: 400 * 24 * HOUR, ..isolate() };
    // Friday, 30 June 2000, 17:00 UTC: one hour of that day counts.
    let friday = 962_384_400;
    let window = Window::new(friday - 600, SLOT).unwrap();
    let now = |time| Facts { now: time, newest: Some(window), ..facts(time, 0) };
    let incident = memory.incidents.get_mut(&1).unwrap();
    start_deadline(incident, &rule, &now(friday));
    let deadline = incident.body.deadline.unwrap();
    let monday = 962_611_200; // 3 July, 08:00.
    assert_eq!((deadline.half, deadline.due), (monday + 9 * HOUR, monday + 24 * HOUR + 9 * HOUR));
}

#[test]
fn what_an_isolated_host_does_is_not_mailed() {
    let (mut memory, now) = ripe();
    let told = [notice(open().one(1), WHO, &[], &isolate(), &facts(end_of(0), 0)).unwrap()];
    let due = |memory: &Memory| notice(memory.one(1), WHO, &told, &isolate(), &now);
    assert_eq!(due(&memory).unwrap().step, Step::Reminder);
    update_wish(memory.incidents.get_mut(&1).unwrap(), &isolate(), &now);
    assert_eq!(due(&memory), None);
}

#[test]
fn a_host_that_others_forge_is_not_isolated() {
    let forged = |host: [u8; 4], role, peer: &str| Finding {
        kind: Kind::Flood,
        class: "dos".into(),
        role,
        marks: vec!["forged".into()],
        peer: vec![crate::finding::Peer { host: Host::parse(peer).unwrap(), flows: None }],
        ..of_host(host, scan(148))
    };
    let network = Finding {
        host: Host::parse("192.0.2.0/25").unwrap(),
        ..forged([0; 4], Role::Source, "203.0.113.9")
    };
    for (finding, is_met) in [
        (forged([198, 51, 100, 7], Role::Target, "192.0.2.1"), false),
        (forged([198, 51, 100, 7], Role::Target, "192.0.2.0/24"), false),
        (network, false),
        (forged([198, 51, 100, 7], Role::Target, "192.0.2.2"), true),
        // The peers of a source are its victims.
        (forged([198, 51, 100, 7], Role::Source, "192.0.2.1"), true),
    ] {
        let (mut memory, now) = ripe();
        memory.run(&[judged(148, WHOLE, std::slice::from_ref(&finding))]);
        let clauses = clauses(memory.one(1), &isolate(), &now);
        let clause = clauses.iter().find(|clause| clause.name == "not forged").unwrap();
        assert_eq!(clause.is_met, is_met, "{finding:?}");
    }
}

#[test]
fn steps_are_in_order_of_their_gravity_and_have_words() {
    assert!(Step::ALL.is_sorted());
    let words = ["first", "grown", "reminder", "released", "deadline", "isolated"];
    assert_eq!(words.map(Step::parse), Step::ALL.map(Some));
    assert_eq!(Step::parse("First"), None);
}
