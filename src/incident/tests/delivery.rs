//! Notices after they were made: which of them wait, and what their mails let begin and end.

use super::*;
use crate::incident::delivery::{DELAY, arrive, delay, settle};
use crate::incident::due::notice;
use crate::incident::tests::notices::{HOUR, WHO, facts, isolate, open};

fn live(now: u64) -> Facts {
    Facts { mode: Mode::Live, ..facts(now, 0) }
}

/// Returns the notice that names the deadline, as it was when its mail was handed over.
fn announced(memory: &Memory) -> Notice {
    let first = notice(memory.one(1), WHO, &[], &isolate(), &live(end_of(0))).unwrap();
    assert_eq!((first.step, first.state), (Step::Deadline, NoticeState::Wanted));
    Notice { state: NoticeState::Sending, ..first }
}

fn texts(rows: &[JournalRow]) -> Vec<String> {
    rows.iter()
        .map(|row| format!("{} {} -> {}: {}", row.what.as_str(), row.from, row.to, row.reason))
        .collect()
}

#[test]
fn the_deadline_begins_when_the_mail_that_names_it_is_accepted() {
    let mut memory = open();
    let notice = announced(&memory);
    let incident = memory.incidents.get_mut(&1).unwrap();
    let told = [notice.clone()];
    let later = live(end_of(0) + 50);
    let rows = settle(incident, &notice, NoticeState::Accepted, "", &told, &isolate(), &later);
    let due = incident.body.deadline.unwrap();
    assert_eq!((due.announced, due.due, due.is_shadow), (later.now, later.now + 24 * HOUR, false));
    assert_eq!(rows.len(), 2);
    assert_eq!(texts(&rows)[0], format!("notice deadline sending -> deadline accepted: {WHO}"));
    // A second recipient's mail does not begin it anew.
    let rows =
        settle(incident, &notice, NoticeState::Accepted, "", &told, &isolate(), &live(end_of(3)));
    assert_eq!((rows.len(), incident.body.deadline), (1, Some(due)));
}

#[test]
fn no_deadline_begins_if_nobody_wants_it_any_more() {
    let memory = open();
    let notice = announced(&memory);
    let try_to = |change: &dyn Fn(&mut Incident), rule: &Rule| {
        let mut incident = memory.one(1).clone();
        change(&mut incident);
        let told = [notice.clone()];
        settle(&mut incident, &notice, NoticeState::Accepted, "", &told, rule, &live(end_of(0)));
        // A deadline that did not begin is announced anew when it is wanted.
        let is_void = incident.body.deadlines_from > notice.at;
        assert_ne!(is_void, incident.body.deadline.is_some());
        incident.body.deadline.is_some()
    };
    assert!(try_to(&|_| {}, &isolate()));
    assert!(!try_to(&|_| {}, &Rule::default()), "the policy only mails");
    assert!(!try_to(&|one| one.body.state = State::Quiet, &isolate()));
    assert!(!try_to(&|one| one.body.deadlines_from = notice.at + 1, &isolate()), "it has ended");
    let ignore = Ignore { until: u64::MAX, by: "ann".into(), why: "a test".into() };
    let ignored = |one: &mut Incident| {
        one.body.matters.iter_mut().for_each(|matter| matter.ignored = Some(ignore.clone()));
    };
    assert!(!try_to(&ignored, &isolate()));
    // Nor by a mail that does not name it, or that was not accepted.
    let first = Notice { step: Step::First, ..notice.clone() };
    for (one, to) in [(&first, NoticeState::Accepted), (&notice, NoticeState::Refused)] {
        let mut incident = memory.one(1).clone();
        settle(&mut incident, one, to, "", std::slice::from_ref(one), &isolate(), &live(end_of(0)));
        assert_eq!(incident.body.deadline, None);
    }
}

#[test]
fn a_mail_that_comes_back_ends_its_deadline_unless_another_has_arrived() {
    for other in [None, Some(NoticeState::Accepted), Some(NoticeState::Bounced)] {
        let mut memory = open();
        let sent = announced(&memory);
        let incident = memory.incidents.get_mut(&1).unwrap();
        settle(
            incident,
            &sent,
            NoticeState::Accepted,
            "",
            std::slice::from_ref(&sent),
            &isolate(),
            &live(end_of(0)),
        );
        let accepted = Notice { state: NoticeState::Accepted, ..sent };
        let mut told = vec![accepted.clone()];
        told.extend(other.map(|state| Notice {
            recipient: "b@x.org".into(),
            state,
            ..accepted.clone()
        }));
        let later = live(end_of(1));
        let why = "no such user";
        let rows =
            settle(incident, &accepted, NoticeState::Bounced, why, &told, &isolate(), &later);
        let expected = format!("notice deadline accepted -> deadline bounced: {WHO}: {why}");
        assert_eq!(texts(&rows)[0], expected);
        let stays = other == Some(NoticeState::Accepted);
        assert_eq!(
            (incident.body.deadline.is_some(), rows.len()),
            (stays, if stays { 1 } else { 2 })
        );
        if !stays {
            // It is announced anew, not in each run, but when it is time for a reminder.
            let told = [Notice { state: NoticeState::Bounced, ..accepted }];
            let mut at = live(end_of(1));
            assert_eq!(notice(incident, WHO, &told, &isolate(), &at), None);
            at.now += 24 * HOUR;
            at.newest = Window::new(at.now - 600, 600);
            incident.body.last_end = at.now;
            let again = notice(incident, WHO, &told, &isolate(), &at).unwrap();
            assert_eq!(again.step, Step::Deadline);
        }
    }
}

#[test]
fn a_deadline_whose_mail_was_refused_is_announced_anew() {
    let mut memory = open();
    let sent = announced(&memory);
    let incident = memory.incidents.get_mut(&1).unwrap();
    let told = [Notice { state: NoticeState::Refused, ..sent.clone() }];
    settle(incident, &sent, NoticeState::Refused, "no", &told, &isolate(), &live(end_of(0)));
    let mut at = live(end_of(1));
    assert_eq!(notice(incident, WHO, &told, &isolate(), &at), None, "not in each run");
    at.now += 24 * HOUR;
    at.newest = Window::new(at.now - 600, 600);
    incident.body.last_end = at.now;
    let again = notice(incident, WHO, &told, &isolate(), &at).unwrap();
    assert_eq!(again.step, Step::Deadline);
}

#[test]
fn a_delayed_mail_holds_its_deadline_back_until_it_arrives() {
    let mut memory = open();
    let sent = announced(&memory);
    let incident = memory.incidents.get_mut(&1).unwrap();
    assert_eq!(delay(incident, end_of(0), None), None, "no deadline runs");
    settle(
        incident,
        &sent,
        NoticeState::Accepted,
        "",
        std::slice::from_ref(&sent),
        &isolate(),
        &live(end_of(0)),
    );
    let before = incident.body.deadline.unwrap();
    let late = end_of(0) + HOUR;
    let row = delay(incident, late, Some(window(0))).unwrap();
    assert_eq!(row.reason, "its mail is delayed");
    assert_eq!(incident.body.deadline.unwrap().due, before.due + DELAY);
    assert_eq!(incident.body.deadline.unwrap().half, before.half + DELAY);
    assert_eq!(delay(incident, late + 9, Some(window(0))), None, "once");
    let row = arrive(incident, late + 2 * HOUR).unwrap();
    assert_eq!(row.reason, "its mail has arrived");
    let after = incident.body.deadline.unwrap();
    assert_eq!((after.due, after.half), (before.due + 2 * HOUR, before.half + 2 * HOUR));
    assert_eq!(arrive(incident, late + 3 * HOUR), None, "once");
    // Without news of it, the day passes.
    delay(incident, late, Some(window(0))).unwrap();
    assert_eq!(arrive(incident, late + DELAY), None);
    assert_eq!(incident.body.deadline.unwrap().due, after.due + DELAY);
    // A deadline that has passed is put off from now.
    let passed = incident.body.deadline.unwrap().due + HOUR;
    incident.body.deadline.as_mut().unwrap().seen_after = 2;
    delay(incident, passed, Some(window(0))).unwrap();
    let deadline = incident.body.deadline.unwrap();
    assert_eq!((deadline.due, deadline.seen_after), (passed + DELAY, 0));
}

#[test]
fn without_a_device_no_deadline_is_announced_in_live_mode() {
    let memory = open();
    let none = Facts { has_device: false, ..live(end_of(0)) };
    let first = notice(memory.one(1), WHO, &[], &isolate(), &none).unwrap();
    assert_eq!((first.step, first.state), (Step::First, NoticeState::Wanted));
    // Shadow mode shows what would be.
    let shadow = Facts { mode: Mode::Shadow, ..none };
    let first = notice(memory.one(1), WHO, &[], &isolate(), &shadow).unwrap();
    assert_eq!(first.step, Step::Deadline);
}

#[test]
fn a_mail_that_waits_is_the_only_one_and_time_counts_from_its_acceptance() {
    let mut memory = open();
    let rule = Rule::default();
    let first = notice(memory.one(1), WHO, &[], &rule, &live(end_of(0))).unwrap();
    // A new port, and two days without a mail server.
    let more = Finding { port: Some(443), ..scan(1) };
    memory.run(&[judged(1, WHOLE, &[more])]);
    let at = |now: u64| Facts { newest: Some(window(1)), ..live(now) };
    for state in [NoticeState::Wanted, NoticeState::Sending] {
        let told = [Notice { state, ..first.clone() }];
        for now in [end_of(1), end_of(1) + 2 * HOUR, end_of(1) + 48 * HOUR] {
            assert_eq!(notice(memory.one(1), WHO, &told, &rule, &at(now)), None);
        }
        let next = next(memory.one(1), &told, &rule, &at(end_of(1)));
        assert_eq!((next.what, next.why.as_str()), ("notice", "its mail waits to be sent"));
    }
    // Accepted half an hour ago: the new port waits for the rest of the hour.
    let now = end_of(1) + HOUR - 60;
    for (accepted, expected) in [(now - HOUR / 2, None), (now - HOUR, Some(Step::Grown))] {
        let told =
            [Notice { state: NoticeState::Accepted, accepted: Some(accepted), ..first.clone() }];
        let due = notice(memory.one(1), WHO, &told, &rule, &at(now));
        assert_eq!(due.map(|due| due.step), expected);
    }
    // A refused one is not tried in each run, but at the time of the reminder.
    let told = [Notice { state: NoticeState::Refused, matters: 2, ..first.clone() }];
    assert_eq!(notice(memory.one(1), WHO, &told, &rule, &at(now)), None);
    let mut late = at(first.at + rule.remind);
    late.newest = Some(Window::new(late.now - 600, 600).unwrap());
    let incident = memory.incidents.get_mut(&1).unwrap();
    incident.body.last_end = late.now;
    let due = notice(incident, WHO, &told, &rule, &late).unwrap();
    assert_eq!(due.step, Step::First, "nobody was reached by it");
    let reached = Notice { state: NoticeState::Accepted, at: 0, ..first.clone() };
    let told = [reached, told[0].clone()];
    let due = notice(incident, WHO, &told, &rule, &late).unwrap();
    assert_eq!(due.step, Step::Reminder);
    // The case of an address makes no other recipient, and a clock that was ahead no silence.
    let ahead = Notice { accepted: Some(late.now + 99 * HOUR), ..told[0].clone() };
    let due = notice(incident, &WHO.to_uppercase(), &[ahead], &rule, &late).unwrap();
    assert_eq!(due.step, Step::Grown);
}
